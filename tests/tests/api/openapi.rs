//! The contract, `infra/openapi.yaml`: whether requests and answers keep to it, and what of it was seen in use.

use super::Answer;
use regex_lite::Regex;
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value};
use simdock_domain::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

const TEXT: &str = include_str!("../../../infra/openapi.yaml");

/// What the gateway answers by itself.
const GATEWAY: &str = "#/components/schemas/GatewayMessage";
/// Headers that HTTP has for any answer, and that no client of this API needs to know of.
const ANY_ANSWER: [&str; 5] = ["content-type", "content-length", "cache-control", "date", "x-request-id"];
/// Words of a schema that only people read.
const ANNOTATIONS: [&str; 3] = ["description", "example", "default"];

/// The contract.
pub struct Contract {
    document: Value,
    seen: Mutex<BTreeSet<String>>,
}

/// An operation of the contract.
#[derive(Clone, Debug)]
pub struct Operation {
    pub method: String,
    pub path: String,
    pub id: String,
    pointer: String,
}

/// What a walk through a schema found out.
#[derive(Default)]
struct Walk {
    complaints: Vec<String>,
    seen: BTreeSet<String>,
}

impl Contract {
    pub fn load() -> Self {
        let documents = Yaml::load_from_str(TEXT).expect("the contract is YAML");
        Self { document: json(&documents[0]), seen: Mutex::default() }
    }

    pub fn operations(&self) -> Vec<Operation> {
        let mut operations = Vec::new();
        for (path, item) in self.object("#/paths") {
            for (method, operation) in item.as_object().expect("operations") {
                operations.push(Operation {
                    method: method.to_uppercase(),
                    path: path.clone(),
                    id: operation["operationId"].as_str().expect("an operationId").to_owned(),
                    pointer: format!("#/paths/{}/{method}", path.replace('/', "~1")),
                });
            }
        }
        operations
    }

    /// The operation that a request is for.
    pub fn operation(&self, method: &str, path: &str) -> Option<Operation> {
        let fits = |template: &str| {
            let (ours, theirs): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(our, their)| our.starts_with('{') || *our == their)
        };
        // A fixed path comes before one with parameters.
        let mut all: Vec<Operation> = self.operations();
        all.sort_by_key(|operation| operation.path.contains('{'));
        all.into_iter().find(|operation| operation.method == method && fits(&operation.path))
    }

    /// Everything that the contract says of answers, as [`Contract::seen`] writes it: status, media type and problem codes of each
    /// operation, each property, each value of an enumeration.
    pub fn promised(&self) -> BTreeSet<String> {
        let mut promised = BTreeSet::new();
        let mut schemas = BTreeSet::new();
        for operation in self.operations() {
            for (status, _) in self.object(&format!("{}/responses", operation.pointer)) {
                for example in self.examples(&format!("{}/responses/{status}", operation.pointer)) {
                    promised.insert(code_of(&operation, &status, &example));
                }
                for (media_type, schema) in self.contents(&operation, &status) {
                    promised.insert(format!("{} {status} {media_type}", operation.id));
                    self.promises(&schema, &mut schemas, &mut promised);
                }
            }
        }
        promised
    }

    fn promises(&self, pointer: &str, schemas: &mut BTreeSet<String>, promised: &mut BTreeSet<String>) {
        let (schema, pointer) = self.resolve(pointer);
        if !schemas.insert(pointer.clone()) {
            return;
        }
        for value in schema["enum"].as_array().into_iter().flatten() {
            promised.insert(value_of(&pointer, value));
        }
        for (name, _) in schema["properties"].as_object().into_iter().flatten() {
            promised.insert(property(&pointer, name));
            self.promises(&format!("{pointer}/properties/{name}"), schemas, promised);
        }
        if !schema["items"].is_null() {
            self.promises(&format!("{pointer}/items"), schemas, promised);
        }
        for (place, _) in schema["allOf"].as_array().into_iter().flatten().enumerate() {
            self.promises(&format!("{pointer}/allOf/{place}"), schemas, promised);
        }
    }

    /// What was seen in answers so far.
    pub fn seen(&self) -> BTreeSet<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is wrong with an answer; what is right with it counts as seen.
    pub fn complaints(&self, operation: &Operation, answer: &Answer) -> Vec<String> {
        let status = answer.status.to_string();
        let response = format!("{}/responses/{status}", operation.pointer);
        if self.document.pointer(&response[1..]).is_none() {
            return vec![format!("{}: status {status} is not documented", operation.id)];
        }
        let mut walk = Walk::default();
        self.check_headers(&response, answer, &mut walk);
        let media_type = answer.header("content-type").unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default();
        match self.contents(operation, &status).get(media_type) {
            None => walk.complaints.push(format!("content type {media_type:?} is not documented")),
            Some(schema) => {
                walk.seen.insert(format!("{} {status} {media_type}", operation.id));
                match serde_json::from_slice(&answer.body) {
                    Err(error) => walk.complaints.push(format!("not JSON: {error}")),
                    Ok(body) => {
                        self.walk(schema, &body, "body", &mut walk);
                        if media_type == "application/problem+json" {
                            walk.seen.insert(code_of(operation, &status, &body));
                            self.check_problem(&response, &body, answer.status, &mut walk);
                        }
                    }
                }
            }
        }
        if walk.complaints.is_empty() {
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).append(&mut walk.seen);
        }
        walk.complaints.into_iter().map(|complaint| format!("{} {status}: {complaint}", operation.id)).collect()
    }

    fn check_headers(&self, response: &str, answer: &Answer, walk: &mut Walk) {
        let (response, _) = self.resolve(response);
        let documented: BTreeMap<String, Value> = response["headers"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, header)| (name.to_lowercase(), self.followed(header)))
            .collect();
        for (name, header) in &documented {
            match answer.header(name) {
                Some(value) => walk_inline(&header["schema"], &Value::from(value), name, walk),
                None if header["required"] == true => walk.complaints.push(format!("header {name} is missing")),
                None => {}
            }
        }
        for name in answer.headers.keys().filter(|name| !ANY_ANSWER.contains(&name.as_str())) {
            if !documented.contains_key(name.as_str()) {
                walk.complaints.push(format!("header {name} is not documented"));
            }
        }
    }

    /// A problem is like the example that the contract has for its code, which is how the contract says which codes an answer
    /// may have.
    fn check_problem(&self, response: &str, problem: &Value, status: u16, walk: &mut Walk) {
        let examples = self.examples(response).into_iter();
        let with_code: Vec<Value> = examples.filter(|example| example["code"] == problem["code"]).collect();
        let members = ["type", "title", "status"];
        if with_code.is_empty() {
            walk.complaints.push(format!("code {} is in none of the examples", problem["code"]));
        }
        for example in with_code {
            let alike = members.iter().all(|member| example[member] == problem[member])
                && (problem["field"].is_string() || example["field"].is_null());
            if !alike {
                walk.complaints.push(format!("the problem {problem} is not like its example {example}"));
            }
        }
        if problem["status"] != status {
            walk.complaints.push(format!("the problem says status {}", problem["status"]));
        }
    }

    /// The problems that a response has for examples.
    fn examples(&self, response: &str) -> Vec<Value> {
        let examples = self.resolve(response).0["content"]["application/problem+json"]["examples"].as_object();
        examples.into_iter().flatten().map(|(_, example)| self.followed(example)["value"].take()).collect()
    }

    /// What is wrong with the body of a request.
    pub fn request_complaints(&self, operation: &Operation, body: &Value) -> Vec<String> {
        let mut walk = Walk::default();
        let schema = format!("{}/requestBody/content/application~1json/schema", operation.pointer);
        self.walk(&schema, body, "body", &mut walk);
        walk.complaints
    }

    /// Whom an operation is for, by its `x-roles`.
    pub fn roles(&self, operation: &Operation) -> Vec<String> {
        let roles = self.object(&operation.pointer).remove("x-roles");
        let roles = roles.as_ref().and_then(Value::as_array).into_iter().flatten();
        roles.map(|role| role.as_str().expect("a role").to_owned()).collect()
    }

    /// The first example of an operation's body, with its media type; none if it takes no body.
    pub fn request_example(&self, operation: &Operation) -> Option<(String, Value)> {
        let content = self.object(&operation.pointer).remove("requestBody")?["content"].take();
        let (media_type, content) = content.as_object().expect("contents").iter().next().expect("a content");
        let examples = content["examples"].as_object().into_iter().flatten();
        let example = examples.map(|(_, example)| self.followed(example)["value"].take()).next();
        let example = example.or_else(|| content.get("example").cloned());
        Some((media_type.clone(), example.unwrap_or_else(|| panic!("{} has no example", operation.id))))
    }

    /// What is wrong with the contract's own examples.
    pub fn example_complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for operation in self.operations() {
            let responses = self.object(&format!("{}/responses", operation.pointer));
            let bodies = responses.keys().map(|status| format!("responses/{status}")).chain(["requestBody".to_owned()]);
            for place in bodies {
                let pointer = format!("{}/{place}", operation.pointer);
                if self.document.pointer(&pointer[1..]).is_none() {
                    continue;
                }
                let (body, pointer) = self.resolve(&pointer);
                for (media_type, content) in body["content"].as_object().into_iter().flatten() {
                    let schema = format!("{pointer}/content/{}/schema", media_type.replace('/', "~1"));
                    for (name, example) in content["examples"].as_object().into_iter().flatten() {
                        let mut walk = Walk::default();
                        self.walk(&schema, &self.followed(example)["value"], name, &mut walk);
                        complaints.extend(walk.complaints.iter().map(|complaint| format!("{}: {complaint}", operation.id)));
                    }
                }
            }
        }
        complaints
    }

    /// The schemas of an operation's answers with a status, by media type.
    fn contents(&self, operation: &Operation, status: &str) -> BTreeMap<String, String> {
        let (response, pointer) = self.resolve(&format!("{}/responses/{status}", operation.pointer));
        let contents = response["content"].as_object().expect("contents");
        let schema = |media_type: &String| format!("{pointer}/content/{}/schema", media_type.replace('/', "~1"));
        contents.keys().map(|media_type| (media_type.clone(), schema(media_type))).collect()
    }

    /// What the gateway answers by itself, as [`Contract::seen`] writes it.
    pub fn gateways(&self, operation: &Operation) -> Vec<String> {
        let mut own = Vec::new();
        for (status, _) in self.object(&format!("{}/responses", operation.pointer)) {
            for (media_type, schema) in self.contents(operation, &status) {
                if self.document.pointer(&format!("{}/$ref", &schema[1..])).is_some_and(|target| target == GATEWAY) {
                    own.push(format!("{} {status} {media_type}", operation.id));
                }
            }
        }
        own
    }

    fn object(&self, pointer: &str) -> Map<String, Value> {
        let object = self.document.pointer(&pointer[1..]).and_then(Value::as_object);
        object.unwrap_or_else(|| panic!("the contract has no {pointer}")).clone()
    }

    /// What a pointer points at, through references, and where that is.
    fn resolve(&self, pointer: &str) -> (&Value, String) {
        let mut pointer = pointer.to_owned();
        loop {
            let value = self.document.pointer(&pointer[1..]).unwrap_or_else(|| panic!("the contract has no {pointer}"));
            match value["$ref"].as_str() {
                Some(target) => target.clone_into(&mut pointer),
                None => return (value, pointer),
            }
        }
    }

    fn followed(&self, value: &Value) -> Value {
        value["$ref"].as_str().map_or_else(|| value.clone(), |target| self.resolve(target).0.clone())
    }

    fn walk(&self, schema: &str, value: &Value, at: &str, walk: &mut Walk) {
        let (schema, pointer) = self.resolve(schema);
        for (word, wanted) in schema.as_object().expect("a schema") {
            let holds = match (word.as_str(), value) {
                ("type", Value::Null) => schema["nullable"] == true,
                ("type", value) => is_of_type(value, wanted.as_str().expect("a type")),
                ("enum", value) => {
                    walk.seen.insert(value_of(&pointer, value));
                    wanted.as_array().is_some_and(|values| values.contains(value))
                }
                (_, Value::Null) | ("nullable", _) => true,
                ("pattern", Value::String(text)) => {
                    Regex::new(wanted.as_str().expect("a pattern")).expect("a regular expression").is_match(text)
                }
                ("format", value) => is_of_format(value, wanted.as_str().expect("a format")),
                ("minLength", Value::String(text)) => text.chars().count() >= count(wanted),
                ("maxLength", Value::String(text)) => text.chars().count() <= count(wanted),
                ("minItems", Value::Array(items)) => items.len() >= count(wanted),
                ("maxItems", Value::Array(items)) => items.len() <= count(wanted),
                ("minimum", Value::Number(number)) => number.as_f64() >= wanted.as_f64(),
                ("maximum", Value::Number(number)) => number.as_f64() <= wanted.as_f64(),
                ("required", Value::Object(members)) => {
                    let names = wanted.as_array().into_iter().flatten().filter_map(Value::as_str);
                    let missing: Vec<_> = names.filter(|name| !members.contains_key(*name)).collect();
                    if !missing.is_empty() {
                        walk.complaints.push(format!("{at} has no {}", missing.join(", ")));
                    }
                    true
                }
                ("properties", Value::Object(members)) => {
                    for name in wanted.as_object().expect("properties").keys() {
                        if let Some(member) = members.get(name) {
                            walk.seen.insert(property(&pointer, name));
                            self.walk(&format!("{pointer}/properties/{name}"), member, &format!("{at}.{name}"), walk);
                        }
                    }
                    true
                }
                ("additionalProperties", Value::Object(members)) => {
                    let unknown = members.keys().filter(|name| schema["properties"].get(name).is_none());
                    walk.complaints.extend(unknown.map(|name| format!("{at}.{name} is not documented")));
                    assert_eq!(wanted, false, "{pointer}");
                    true
                }
                ("items", Value::Array(items)) => {
                    for (place, item) in items.iter().enumerate() {
                        self.walk(&format!("{pointer}/items"), item, &format!("{at}[{place}]"), walk);
                    }
                    true
                }
                ("allOf", value) => {
                    for place in 0..wanted.as_array().map_or(0, Vec::len) {
                        self.walk(&format!("{pointer}/allOf/{place}"), value, at, walk);
                    }
                    true
                }
                ("oneOf", value) => {
                    let fits = |place| {
                        let mut one = Walk::default();
                        self.walk(&format!("{pointer}/oneOf/{place}"), value, at, &mut one);
                        one.complaints.is_empty()
                    };
                    (0..wanted.as_array().map_or(0, Vec::len)).filter(|place| fits(*place)).count() == 1
                }
                ("not", value) => {
                    let mut other = Walk::default();
                    self.walk(&format!("{pointer}/not"), value, at, &mut other);
                    !other.complaints.is_empty()
                }
                (
                    "pattern"
                    | "minLength"
                    | "maxLength"
                    | "minItems"
                    | "maxItems"
                    | "minimum"
                    | "maximum"
                    | "required"
                    | "properties"
                    | "additionalProperties"
                    | "items",
                    _,
                ) => true,
                (word, _) if ANNOTATIONS.contains(&word) => true,
                (word, _) => panic!("{pointer}: this test does not know what {word} means"),
            };
            if !holds {
                walk.complaints.push(format!("{at} is {value}, against {word} {wanted} of {pointer}"));
            }
        }
    }
}

/// Checks against a schema that stands by itself: those of headers have no parts.
fn walk_inline(schema: &Value, value: &Value, at: &str, walk: &mut Walk) {
    let inline = Contract { document: serde_json::json!({ "schema": schema }), seen: Mutex::default() };
    inline.walk("#/schema", value, at, walk);
}

fn code_of(operation: &Operation, status: &str, problem: &Value) -> String {
    format!("{} {status} {}", operation.id, problem["code"].as_str().unwrap_or_default())
}

fn property(schema: &str, name: &str) -> String {
    format!("{}.{name}", short(schema))
}

fn value_of(schema: &str, value: &Value) -> String {
    format!("{} = {}", short(schema), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// `#/components/schemas/Order/properties/status` as `Order.status`.
fn short(pointer: &str) -> String {
    pointer.trim_start_matches("#/components/schemas/").replace("/properties/", ".").replace("/items", "[]")
}

fn count(wanted: &Value) -> usize {
    usize::try_from(wanted.as_u64().expect("a count")).expect("a count")
}

fn is_of_type(value: &Value, wanted: &str) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("this test does not know the type {other}"),
    }
}

fn is_of_format(value: &Value, wanted: &str) -> bool {
    match (wanted, value) {
        ("int64", Value::Number(number)) => number.is_i64(),
        ("date-time", Value::String(text)) => text.parse::<Timestamp>().is_ok(),
        ("email", Value::String(text)) => {
            text.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        }
        ("uri", Value::String(text)) => text.starts_with("https://") && text.parse::<hyper::Uri>().is_ok(),
        ("uri-reference", Value::String(text)) => {
            text.is_ascii() && !text.contains([' ', '"', '<', '>', '\\', '^', '`', '{', '|', '}'])
        }
        ("int64" | "date-time" | "email" | "uri" | "uri-reference", _) => true,
        (other, _) => panic!("this test does not know the format {other}"),
    }
}

/// YAML as JSON.
fn json(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::String(text)) => text.as_ref().into(),
        Yaml::Value(Scalar::Boolean(flag)) => (*flag).into(),
        Yaml::Value(Scalar::Integer(number)) => (*number).into(),
        Yaml::Sequence(items) => items.iter().map(json).collect(),
        Yaml::Mapping(entries) => {
            let entries = entries.iter().map(|(key, value)| (key.as_str().expect("a text").to_owned(), json(value)));
            Value::Object(entries.collect())
        }
        other => panic!("{other:?} in the contract"),
    }
}
