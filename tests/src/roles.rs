//! Stands between the functions of a local stack and their tables, and refuses what their roles in the template do not allow, as
//! AWS would.

use crate::engine::{TEMPLATE, plain};
use crate::wire::{self, HttpClient};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HOST};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use saphyr::{LoadableYamlNode, Yaml};
use serde_json::{Value, json};
use simdock_local::Proxy;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};

/// What a role allows.
#[derive(Debug)]
struct Statement {
    actions: Vec<String>,
    /// Tables and indexes, as `OrdersTable` and `OrdersTable/index/due`.
    resources: Vec<String>,
    /// Patterns of the partition keys that it is limited to.
    leading_keys: Option<Vec<String>>,
}

/// What a request does.
#[derive(Debug)]
struct Access {
    action: String,
    /// As in [`Statement`].
    resource: String,
    /// The partition key `pk`, in tables that several kinds of items share.
    leading_key: Option<String>,
}

#[derive(Debug)]
struct Roles {
    /// By function.
    statements: BTreeMap<String, Vec<Statement>>,
    /// Ids of the tables, by name.
    tables: BTreeMap<String, String>,
    client: HttpClient,
}

/// A proxy for [`simdock_local::Options`] that knows the functions by their access keys. One serves all stacks of a process.
pub fn role_guard() -> Proxy {
    static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
    let address = *ADDRESS.get_or_init(start);
    Arc::new(move |engine| format!("http://{address}/{}", engine.rsplit(':').next().unwrap_or_default()))
}

fn start() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    listener.set_nonblocking(true).expect("a listener");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let roles = Arc::new(Roles::deployed());
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                let roles = Arc::clone(&roles);
                tokio::spawn(async move {
                    let service = service_fn(|request| roles.serve(request));
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
    });
    address
}

impl Roles {
    fn deployed() -> Self {
        let documents = Yaml::load_from_str(TEMPLATE).expect("the template is YAML");
        let resources = plain(&documents[0]["Resources"]);
        let of_type = |kind: &str| {
            let resources = resources.as_object().expect("resources").iter();
            resources
                .filter(|(_, resource)| resource["Type"] == kind)
                .map(|(id, resource)| (id, &resource["Properties"]))
                .collect()
        };
        let tables: Vec<_> = of_type("AWS::DynamoDB::Table");
        let functions: Vec<_> = of_type("AWS::Serverless::Function");
        let name = |properties: &Value| string(&properties["TableName"]).replace("${Stage}", "local");
        let statements = |function: &Value| {
            let role = &resources[string(&function["Role"]).trim_end_matches(".Arn")];
            let policies = several(&role["Properties"]["Policies"]);
            let all = policies.iter().flat_map(|policy| several(&policy["PolicyDocument"]["Statement"]));
            all.map(|statement| Statement::read(&statement)).collect()
        };
        Self {
            statements: functions
                .iter()
                .map(|(_, function)| {
                    let package = string(&function["CodeUri"]).trim_start_matches("../functions/").to_owned();
                    (package, statements(function))
                })
                .collect(),
            tables: tables.iter().map(|(id, properties)| (name(properties), (*id).clone())).collect(),
            client: wire::client(),
        }
    }

    async fn serve(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, io::Error> {
        let (mut parts, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let function = header(AUTHORIZATION.as_str()).split(['=', '/']).nth(1).unwrap_or_default();
        let operation = header("x-amz-target").trim_start_matches(wire::TARGET_PREFIX);
        let json: Value = serde_json::from_slice(&body).map_err(io::Error::other)?;
        if let Some(refused) = self.refused(function, operation, &json) {
            // Whether a new function's first connection leads to an answer or to a refusal does not matter to it.
            if json["Key"]["orderNum"]["S"] != "warm" {
                eprintln!("{function} may not do this: {refused:?}");
            }
            let message = json!({"__type": "com.amazon.coral.service#AccessDeniedException", "message": "not authorized"});
            let mut response = Response::new(Full::from(message.to_string()));
            *response.status_mut() = StatusCode::BAD_REQUEST;
            return Ok(response);
        }
        let engine = parts.uri.path().trim_matches('/');
        parts.uri = format!("http://{}:{engine}/", Ipv4Addr::LOCALHOST).parse().map_err(io::Error::other)?;
        parts.headers.remove(HOST);
        let answer = self.client.request(Request::from_parts(parts, Full::new(body))).await.map_err(io::Error::other)?;
        let (parts, body) = answer.into_parts();
        Ok(Response::from_parts(parts, Full::new(body.collect().await.map_err(io::Error::other)?.to_bytes())))
    }

    /// The first thing that a function's request does and must not.
    fn refused(&self, function: &str, operation: &str, request: &Value) -> Option<Access> {
        let statements = self.statements.get(function)?;
        let accesses = self.accesses(operation, request).into_iter();
        let mut refused = accesses.filter(|access| !statements.iter().any(|statement| statement.allows(access)));
        refused.next()
    }

    fn accesses(&self, operation: &str, request: &Value) -> Vec<Access> {
        let access = |action: &str, table: &Value, key: &Value| Access {
            action: format!("dynamodb:{action}"),
            resource: self.tables.get(string(table)).cloned().unwrap_or_default(),
            leading_key: key["pk"]["S"].as_str().map(str::to_owned),
        };
        match operation {
            "GetItem" | "UpdateItem" | "DeleteItem" => vec![access(operation, &request["TableName"], &request["Key"])],
            "PutItem" => vec![access(operation, &request["TableName"], &request["Item"])],
            "BatchGetItem" => {
                let tables = request["RequestItems"].as_object().into_iter().flatten();
                let keys = tables.flat_map(|(table, keys)| several(&keys["Keys"]).into_iter().map(move |key| (table, key)));
                keys.map(|(table, key)| access(operation, &table.as_str().into(), &key)).collect()
            }
            "TransactWriteItems" => {
                let writes = several(&request["TransactItems"]).into_iter();
                let writes = writes.flat_map(|write| write.as_object().cloned().unwrap_or_default());
                writes
                    .map(|(kind, write)| {
                        let key = if kind == "Put" { &write["Item"] } else { &write["Key"] };
                        access(&format!("{kind}Item"), &write["TableName"], key)
                    })
                    .collect()
            }
            "Query" => {
                // Every condition begins with the partition key.
                let value = string(&request["KeyConditionExpression"]).split(' ').nth(2).unwrap_or_default();
                let key = json!({ "pk": request["ExpressionAttributeValues"][value] });
                let mut query = access(operation, &request["TableName"], &key);
                if let Some(index) = request["IndexName"].as_str() {
                    query.resource = format!("{}/index/{index}", query.resource);
                }
                vec![query]
            }
            other => vec![access(other, &request["TableName"], &Value::Null)],
        }
    }
}

impl Statement {
    fn read(statement: &Value) -> Self {
        let resource = |text: &Value| string(text).replace(['$', '{', '}'], "").replace(".Arn", "");
        let condition = &statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
        assert!(statement["Condition"].is_null() || condition.is_array() || statement["Condition"]["StringEquals"].is_object());
        Self {
            actions: several(&statement["Action"]).iter().map(|action| string(action).to_owned()).collect(),
            resources: several(&statement["Resource"]).iter().map(resource).collect(),
            leading_keys: condition.as_array().map(|keys| keys.iter().map(|key| string(key).to_owned()).collect()),
        }
    }

    fn allows(&self, access: &Access) -> bool {
        let like = |pattern: &String, key: &str| match pattern.strip_suffix('*') {
            Some(prefix) => key.starts_with(prefix),
            None => pattern == key,
        };
        let within = |patterns: &Vec<String>| match &access.leading_key {
            Some(key) => patterns.iter().any(|pattern| like(pattern, key)),
            None => true,
        };
        self.actions.contains(&access.action)
            && self.resources.contains(&access.resource)
            && self.leading_keys.as_ref().is_none_or(within)
    }
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// One or several, as policies have them.
fn several(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// What a role allows, one thing each: an action, on what, under which partition keys.
    fn single(statements: &[Statement]) -> BTreeSet<(String, String, String)> {
        let all = |statement: &Statement| statement.leading_keys.clone().unwrap_or_else(|| vec!["*".to_owned()]);
        let mut single = BTreeSet::new();
        for statement in statements {
            for (action, resource) in
                statement.actions.iter().flat_map(|action| statement.resources.iter().map(move |on| (action, on)))
            {
                single.extend(all(statement).into_iter().map(|key| (action.clone(), resource.clone(), key)));
            }
        }
        single.retain(|(action, _, _)| !action.starts_with("logs:"));
        single
    }

    #[test]
    fn the_console_may_what_the_functions_may_that_it_calls() {
        const MANIFEST: &str = include_str!("../../functions/console/Cargo.toml");
        let roles = Roles::deployed();
        let names = MANIFEST.lines().filter_map(|line| line.strip_prefix("simdock-")?.strip_suffix(".workspace = true"));
        let held: BTreeSet<_> = names.filter_map(|name| roles.statements.get(name)).flat_map(|role| single(role)).collect();
        let console = single(&roles.statements["console"]);
        let whole = |(action, resource, _): &(String, String, String)| (action.clone(), resource.clone(), "*".to_owned());
        let missing: Vec<_> = held.iter().filter(|one| !console.contains(*one) && !console.contains(&whole(one))).collect();
        let beyond: Vec<_> = console.difference(&held).collect();
        assert!(missing.is_empty() && beyond.is_empty(), "missing {missing:#?}, beyond {beyond:#?}");
    }

    #[test]
    fn what_a_role_does_not_allow_is_refused() {
        let roles = Roles::deployed();
        assert_eq!((roles.statements.len() > 10, roles.tables["simdock-local-sims"].as_str()), (true, "SimsTable"));
        let item = |pk: &str| json!({ "TableName": "simdock-local-partners", "Key": { "pk": { "S": pk }, "sk": { "S": "x" } } });
        let due = |index: &str| {
            let values = json!({ ":shard": { "N": "1" } });
            let condition = "dueShard = :shard AND dueAt <= :now";
            json!({ "TableName": "simdock-local-orders", "IndexName": index, "KeyConditionExpression": condition, "ExpressionAttributeValues": values })
        };
        let pools = |pk: &str| {
            let values = json!({ ":pk": { "S": pk } });
            json!({ "TableName": "simdock-local-pools", "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": values })
        };
        let put = |pk: &str| {
            let put = json!({ "TableName": "simdock-local-partners", "Item": { "pk": { "S": pk } } });
            json!({ "TransactItems": [{ "Put": put }] })
        };
        let batch =
            json!({ "RequestItems": { "simdock-local-subscriptions": { "Keys": [{ "subscriptionId": { "S": "SU" } }] } } });
        for (function, operation, request, allowed) in [
            ("suspend-subscription", "GetItem", item("key#1"), true),
            ("suspend-subscription", "GetItem", item("partner#acme"), false),
            ("suspend-subscription", "DeleteItem", item("key#1"), false),
            ("create-order", "TransactWriteItems", put("ledger#acme"), true),
            ("create-order", "TransactWriteItems", put("key#1"), false),
            ("sweep", "Query", due("due"), true),
            ("sweep", "Query", due("byPartner"), false),
            ("swap-sim", "Query", pools("slot#meridian.7.esim#0"), true),
            ("swap-sim", "Query", pools("pools"), false),
            ("refund-order", "BatchGetItem", batch.clone(), true),
            ("settle-refund", "BatchGetItem", batch, false),
            ("read", "Scan", json!({ "TableName": "simdock-local-plans" }), false),
        ] {
            assert_eq!(roles.refused(function, operation, &request).is_none(), allowed, "{function} {operation} {request}");
        }
    }
}
