use super::resolve::{ACCOUNT, REGION, Scope};
use super::yaml;
use crate::error::{Context, StackError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// A template, resolved for this machine.
#[derive(Debug)]
pub struct Template {
    /// The tables.
    pub tables: Vec<TableSpec>,
    /// The queues, dead letters included.
    pub queues: Vec<QueueSpec>,
    /// The functions.
    pub functions: Vec<FunctionSpec>,
}

/// A table as `CreateTable` takes it.
#[derive(Debug)]
pub struct TableSpec {
    /// Its name.
    pub name: String,
    /// The `CreateTable` request.
    pub create: Value,
}

/// A standard queue.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueSpec {
    /// Its name.
    pub name: String,
    /// Seconds for which a received message stays hidden.
    pub visibility_seconds: u32,
    /// Seconds for which a new message stays hidden.
    pub delay_seconds: u32,
    /// Where messages go that were received too often.
    pub redrive: Option<Redrive>,
}

/// What becomes of a message that keeps coming back.
#[derive(Clone, Debug, PartialEq)]
pub struct Redrive {
    /// Name of the queue that gets it; without one it is dropped.
    pub dead_letters: Option<String>,
    /// Receives that are granted.
    pub max_receives: u32,
}

/// A function and what starts it.
#[derive(Debug)]
pub struct FunctionSpec {
    /// Folder below `functions/`, which is also what the function is called in logs and controls.
    pub package: String,
    /// Name on AWS.
    pub name: String,
    /// How long it may run.
    pub timeout: Duration,
    /// Its environment variables.
    pub environment: BTreeMap<String, String>,
    /// Routes of the HTTP API.
    pub routes: Vec<Route>,
    /// Queues it is fed from.
    pub queues: Vec<QueueSource>,
    /// Table streams it is fed from.
    pub streams: Vec<StreamSource>,
    /// Periods it is started in.
    pub schedules: Vec<Duration>,
    /// `EventBridge` patterns whose events it gets.
    pub rules: Vec<Value>,
    /// How events that nobody waits for are retried.
    pub invocations: Invocations,
}

/// One route of the HTTP API.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Upper-case method, or `ANY`.
    pub method: String,
    /// Path as in the template, `/v1/orders/{orderNum}`.
    pub path: String,
    /// The path, cut at its slashes.
    pub segments: Vec<Segment>,
    /// How long the gateway waits for the function.
    pub timeout: Duration,
}

/// One part of a route's path. A route with more fixed parts is matched first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// Has to be equal.
    Fixed(String),
    /// Any one part, given to the function under this name.
    Parameter(String),
    /// All that is left of the path, at least one part, given to the function under this name.
    Rest(String),
}

/// A mapping from a queue to a function.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueSource {
    /// The queue's name.
    pub queue: String,
    /// Messages in one event, at most.
    pub batch_size: usize,
    /// Events at once, at most.
    pub concurrency: usize,
    /// Whether the function names the messages that failed, or a batch comes back whole.
    pub partial_responses: bool,
}

/// A mapping from a table's stream to a function.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamSource {
    /// The table's name.
    pub table: String,
    /// Changes in one event, at most.
    pub batch_size: usize,
    /// Whether a failed batch is cut in two.
    pub bisect: bool,
    /// Retries before a batch is given up; none means for ever.
    pub retries: Option<u32>,
    /// Whether the function names the first change that failed.
    pub partial_responses: bool,
    /// Name of the queue that learns of what was given up.
    pub on_failure: Option<String>,
    /// Patterns of the changes that the function gets; all where there are none.
    pub patterns: Vec<Value>,
}

/// How events that nobody waits for are retried.
#[derive(Clone, Debug, PartialEq)]
pub struct Invocations {
    /// Retries after the first failure.
    pub retries: u32,
    /// Name of the queue that gets events which failed for good.
    pub on_failure: Option<String>,
}

/// Resource types that mean nothing on one machine.
const PASSED_OVER: [&str; 9] = [
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::IAM::Role",
    "AWS::Logs::LogGroup",
    "AWS::Logs::MetricFilter",
    "AWS::SES::ConfigurationSet",
    "AWS::SES::ConfigurationSetEventDestination",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
];

impl Template {
    /// Reads a template. `parameters` go before the template's own defaults; a queue's address is `services_url`, the account
    /// and its name.
    pub fn parse(text: &str, parameters: &BTreeMap<String, String>, services_url: &str) -> Result<Self, StackError> {
        let document = yaml::parse(text)?;
        let resources = document
            .get("Resources")
            .and_then(Value::as_object)
            .ok_or_else(|| StackError::new("the template declares no Resources"))?;
        let mut scope = Scope {
            parameters: parameter_values(document.get("Parameters"), parameters)?,
            conditions: document.get("Conditions").and_then(Value::as_object),
            mappings: document.get("Mappings").and_then(Value::as_object),
            refs: BTreeMap::new(),
            attributes: BTreeMap::new(),
        };
        let mut declared = Vec::new();
        for (id, resource) in resources {
            if let Some(Value::String(condition)) = resource.get("Condition")
                && !scope.named_condition(condition)?
            {
                continue;
            }
            let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
            let properties = resource.get("Properties").cloned().unwrap_or_else(|| Value::Object(Map::new()));
            declare(&mut scope, id, kind, &properties, services_url)?;
            declared.push((id, kind, properties));
        }

        let globals = document.pointer("/Globals/Function");
        let mut template = Self { tables: Vec::new(), queues: Vec::new(), functions: Vec::new() };
        for (id, kind, properties) in declared {
            let doing = format!("{id} in the template");
            match kind {
                "AWS::DynamoDB::Table" => template.tables.push(table(&scope, &properties).context(doing)?),
                "AWS::SQS::Queue" => template.queues.push(queue(&scope, &properties).context(doing)?),
                "AWS::Serverless::Function" => {
                    template.functions.push(function(&scope, globals, properties).context(doing)?);
                }
                _ => {}
            }
        }
        Ok(template)
    }
}

fn parameter_values(declared: Option<&Value>, given: &BTreeMap<String, String>) -> Result<BTreeMap<String, Value>, StackError> {
    let none = Map::new();
    let declared = declared.and_then(Value::as_object).unwrap_or(&none);
    if let Some(unknown) = given.keys().find(|name| !declared.contains_key(*name)) {
        return Err(StackError::new(format!("the template has no parameter {unknown}")));
    }
    declared
        .iter()
        .map(|(name, declaration)| {
            let value = given.get(name).map(|value| Value::from(value.as_str())).or_else(|| declaration.get("Default").cloned());
            let value = value.ok_or_else(|| StackError::new(format!("the template's parameter {name} has no value")))?;
            Ok((name.clone(), value))
        })
        .collect()
}

/// Makes a resource's name and attributes known, before anything that may refer to them is read.
fn declare(scope: &mut Scope<'_>, id: &str, kind: &str, properties: &Value, services_url: &str) -> Result<(), StackError> {
    let named = |property: &str| match properties.get(property) {
        Some(name) => scope.text(name),
        None => Ok(id.to_owned()),
    };
    let (reference, attributes) = match kind {
        "AWS::DynamoDB::Table" => {
            let name = named("TableName")?;
            let arn = format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}");
            let stream = format!("{arn}/stream/local");
            (name, vec![("Arn", arn), ("StreamArn", stream)])
        }
        "AWS::SQS::Queue" => {
            let name = named("QueueName")?;
            let arn = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}");
            let url = format!("{services_url}/{ACCOUNT}/{name}");
            (url.clone(), vec![("Arn", arn), ("QueueName", name), ("QueueUrl", url)])
        }
        "AWS::Serverless::Function" => {
            let name = named("FunctionName")?;
            let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}");
            (name, vec![("Arn", arn)])
        }
        "AWS::Serverless::HttpApi" | "AWS::SQS::QueuePolicy" => (id.to_owned(), Vec::new()),
        passed_over if PASSED_OVER.contains(&passed_over) => (named("Name")?, Vec::new()),
        unknown => return Err(StackError::new(format!("the local stack does not understand {id}, a {unknown}"))),
    };
    scope.refs.insert(id.to_owned(), reference);
    scope.attributes.extend(attributes.into_iter().map(|(attribute, value)| ((id.to_owned(), attribute.to_owned()), value)));
    Ok(())
}

/// The named properties, resolved; those in `ignored` are left out, and any other is refused.
fn properties(scope: &Scope<'_>, from: &Value, used: &[&str], ignored: &[&str]) -> Result<Map<String, Value>, StackError> {
    let mut resolved = Map::new();
    for (name, value) in from.as_object().into_iter().flatten() {
        if used.contains(&name.as_str()) {
            resolved.insert(name.clone(), scope.resolve(value)?);
        } else if !ignored.contains(&name.as_str()) {
            return Err(StackError::new(format!("the local stack does not understand the property {name}")));
        }
    }
    Ok(resolved)
}

fn read<T: DeserializeOwned>(properties: Map<String, Value>) -> Result<T, StackError> {
    serde_json::from_value(Value::Object(properties)).map_err(|error| StackError::new(error.to_string()))
}

fn table(scope: &Scope<'_>, from: &Value) -> Result<TableSpec, StackError> {
    let used = [
        "TableName",
        "BillingMode",
        "AttributeDefinitions",
        "KeySchema",
        "GlobalSecondaryIndexes",
        "LocalSecondaryIndexes",
        "StreamSpecification",
    ];
    let ignored = ["PointInTimeRecoverySpecification", "SSESpecification", "DeletionProtectionEnabled", "TableClass", "Tags"];
    let mut create = properties(scope, from, &used, &ignored)?;
    let name = create
        .get("TableName")
        .and_then(Value::as_str)
        .ok_or_else(|| StackError::new("has no TableName, which the local stack needs"))?
        .to_owned();
    // Declaring a view type is what enables a stream in a template; the API asks for both.
    if let Some(stream) = create.get_mut("StreamSpecification").and_then(Value::as_object_mut) {
        stream.insert("StreamEnabled".to_owned(), true.into());
    }
    Ok(TableSpec { name, create: Value::Object(create) })
}

fn queue(scope: &Scope<'_>, from: &Value) -> Result<QueueSpec, StackError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Properties {
        queue_name: Option<String>,
        visibility_timeout: Option<u32>,
        delay_seconds: Option<u32>,
        redrive_policy: Option<Policy>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Policy {
        dead_letter_target_arn: String,
        max_receive_count: u32,
    }
    let used = ["QueueName", "VisibilityTimeout", "DelaySeconds", "RedrivePolicy"];
    let ignored = [
        "MessageRetentionPeriod",
        "SqsManagedSseEnabled",
        "KmsMasterKeyId",
        "ReceiveMessageWaitTimeSeconds",
        "RedriveAllowPolicy",
        "Tags",
    ];
    let queue: Properties = read(properties(scope, from, &used, &ignored)?)?;
    Ok(QueueSpec {
        name: queue.queue_name.ok_or_else(|| StackError::new("has no QueueName, which the local stack needs"))?,
        // The defaults of SQS.
        visibility_seconds: queue.visibility_timeout.unwrap_or(30),
        delay_seconds: queue.delay_seconds.unwrap_or(0),
        redrive: queue.redrive_policy.map(|policy| Redrive {
            dead_letters: Some(last_part(&policy.dead_letter_target_arn)),
            max_receives: policy.max_receive_count,
        }),
    })
}

/// The name at the end of an ARN.
fn last_part(arn: &str) -> String {
    arn.rsplit(':').next().unwrap_or(arn).to_owned()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Destination {
    on_failure: OnFailure,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OnFailure {
    destination: String,
}

fn on_failure(destination: Option<Destination>) -> Result<Option<String>, StackError> {
    let Some(Destination { on_failure: OnFailure { destination } }) = destination else { return Ok(None) };
    if !destination.starts_with("arn:aws:sqs:") {
        return Err(StackError::new(format!("sends failures to {destination}; the local stack only knows queues")));
    }
    Ok(Some(last_part(&destination)))
}

fn function(scope: &Scope<'_>, globals: Option<&Value>, mut own: Value) -> Result<FunctionSpec, StackError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Properties {
        function_name: Option<String>,
        code_uri: String,
        timeout: Option<u64>,
        #[serde(default)]
        environment: Environment,
        #[serde(default)]
        events: BTreeMap<String, Event>,
        event_invoke_config: Option<InvokeConfig>,
    }
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Environment {
        #[serde(default)]
        variables: BTreeMap<String, Value>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct InvokeConfig {
        maximum_retry_attempts: Option<u32>,
        destination_config: Option<Destination>,
    }
    let used = ["FunctionName", "CodeUri", "Timeout", "Environment", "Events", "EventInvokeConfig"];
    let ignored = [
        "Architectures",
        "Description",
        "Handler",
        "LoggingConfig",
        "MemorySize",
        "Policies",
        "ReservedConcurrentExecutions",
        "Role",
        "Runtime",
        "Tags",
        "Tracing",
    ];
    for (name, value) in globals.and_then(Value::as_object).into_iter().flatten() {
        inherit(&mut own, name, value);
    }
    let function: Properties = read(properties(scope, &own, &used, &ignored)?)?;
    let package = function.code_uri.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    let environment = function.environment.variables.iter().map(|(name, value)| Ok((name.clone(), scope.text(value)?)));
    let mut spec = FunctionSpec {
        name: function.function_name.unwrap_or_else(|| package.clone()),
        package,
        // Lambda's own default is 3 s.
        timeout: Duration::from_secs(function.timeout.unwrap_or(3)),
        environment: environment.collect::<Result<_, StackError>>()?,
        routes: Vec::new(),
        queues: Vec::new(),
        streams: Vec::new(),
        schedules: Vec::new(),
        rules: Vec::new(),
        invocations: match function.event_invoke_config {
            Some(config) => Invocations {
                retries: config.maximum_retry_attempts.unwrap_or(2),
                on_failure: on_failure(config.destination_config)?,
            },
            None => Invocations { retries: 2, on_failure: None },
        },
    };
    for (name, event) in function.events {
        event.attach(&mut spec).context(format!("event {name}"))?;
    }
    Ok(spec)
}

/// Globals hold unless a function says otherwise; environment variables of both add up.
fn inherit(own: &mut Value, name: &str, global: &Value) {
    let Some(own) = own.as_object_mut() else { return };
    match (own.get_mut(name), global) {
        (None, _) => {
            own.insert(name.to_owned(), global.clone());
        }
        (Some(Value::Object(own)), Value::Object(global)) if !own.keys().any(|key| key.starts_with("Fn::") || key == "Ref") => {
            let mut merged = Value::Object(std::mem::take(own));
            for (key, value) in global {
                inherit(&mut merged, key, value);
            }
            if let Value::Object(merged) = merged {
                *own = merged;
            }
        }
        (Some(_), _) => {}
    }
}

/// What can start a function. A property that is not listed here, such as a filter of messages, would change which events arrive.
#[derive(Deserialize)]
#[serde(tag = "Type", content = "Properties")]
enum Event {
    HttpApi(HttpApiEvent),
    #[serde(rename = "SQS")]
    Sqs(SqsMapping),
    #[serde(rename = "DynamoDB")]
    DynamoDb(StreamMapping),
    Schedule(ScheduleEvent),
    #[serde(rename = "EventBridgeRule")]
    Rule(RuleEvent),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct HttpApiEvent {
    #[serde(rename = "ApiId")]
    _api_id: Option<String>,
    method: String,
    path: String,
    payload_format_version: Option<String>,
    timeout_in_millis: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SqsMapping {
    queue: String,
    batch_size: Option<usize>,
    // Waiting for fuller batches saves money on AWS and nothing here.
    #[serde(rename = "MaximumBatchingWindowInSeconds")]
    _maximum_batching_window: Option<u32>,
    #[serde(default)]
    function_response_types: Vec<String>,
    scaling_config: Option<Scaling>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Scaling {
    maximum_concurrency: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct StreamMapping {
    stream: String,
    // A local table's stream begins with the table, and the position reached is kept.
    #[serde(rename = "StartingPosition")]
    _starting_position: String,
    batch_size: Option<usize>,
    #[serde(rename = "MaximumBatchingWindowInSeconds")]
    _maximum_batching_window: Option<u32>,
    #[serde(rename = "ParallelizationFactor")]
    _parallelization_factor: Option<u32>,
    #[serde(default)]
    bisect_batch_on_function_error: bool,
    maximum_retry_attempts: Option<i64>,
    filter_criteria: Option<FilterCriteria>,
    #[serde(rename = "MaximumRecordAgeInSeconds")]
    _maximum_record_age: Option<i64>,
    #[serde(default)]
    function_response_types: Vec<String>,
    destination_config: Option<Destination>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ScheduleEvent {
    schedule: String,
    enabled: Option<bool>,
    #[serde(rename = "Name")]
    _name: Option<String>,
    #[serde(rename = "Description")]
    _description: Option<String>,
    #[serde(rename = "RetryPolicy")]
    _retry_policy: Option<Value>,
    #[serde(rename = "DeadLetterConfig")]
    _dead_letter_config: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RuleEvent {
    pattern: Value,
    // Handing an event to a function never fails here; only the function can.
    #[serde(rename = "RetryPolicy")]
    _retry_policy: Option<Value>,
    #[serde(rename = "DeadLetterConfig")]
    _dead_letter_config: Option<Value>,
}

impl Event {
    fn attach(self, spec: &mut FunctionSpec) -> Result<(), StackError> {
        match self {
            Self::HttpApi(event) => {
                if event.payload_format_version.is_some_and(|version| version != "2.0") {
                    return Err(StackError::new("uses a payload format other than 2.0"));
                }
                spec.routes.push(Route {
                    method: event.method.to_uppercase(),
                    segments: segments(&event.path)?,
                    path: event.path,
                    timeout: Duration::from_millis(event.timeout_in_millis.unwrap_or(30_000)),
                });
            }
            Self::Sqs(event) => spec.queues.push(QueueSource {
                queue: last_part(&event.queue),
                batch_size: event.batch_size.unwrap_or(10),
                // Without a limit Lambda begins with five and grows; on one machine there is nothing to grow into.
                concurrency: event.scaling_config.map_or(10, |scaling| scaling.maximum_concurrency),
                partial_responses: reports_failures(&event.function_response_types),
            }),
            Self::DynamoDb(event) => spec.streams.push(StreamSource {
                table: stream_table(&event.stream)?,
                batch_size: event.batch_size.unwrap_or(100),
                bisect: event.bisect_batch_on_function_error,
                retries: event.maximum_retry_attempts.and_then(|attempts| u32::try_from(attempts).ok()),
                partial_responses: reports_failures(&event.function_response_types),
                on_failure: on_failure(event.destination_config)?,
                patterns: event.filter_criteria.map_or_else(|| Ok(Vec::new()), FilterCriteria::patterns)?,
            }),
            Self::Schedule(event) => {
                if event.enabled != Some(false) {
                    spec.schedules.push(rate(&event.schedule)?);
                }
            }
            Self::Rule(event) => {
                crate::event_bus::check_pattern(&event.pattern)?;
                spec.rules.push(event.pattern);
            }
        }
        Ok(())
    }
}

/// Which changes a function gets: those that one of the patterns matches.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct FilterCriteria {
    filters: Vec<Filter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Filter {
    /// JSON in a text.
    pattern: String,
}

impl FilterCriteria {
    fn patterns(self) -> Result<Vec<Value>, StackError> {
        let read = |filter: Filter| {
            let pattern = serde_json::from_str(&filter.pattern).context("a filter's pattern")?;
            crate::event_bus::check_pattern(&pattern)?;
            Ok(pattern)
        };
        self.filters.into_iter().map(read).collect()
    }
}

fn reports_failures(response_types: &[String]) -> bool {
    response_types.iter().any(|response_type| response_type == "ReportBatchItemFailures")
}

fn stream_table(arn: &str) -> Result<String, StackError> {
    let name = arn.split_once(":table/").and_then(|(_, rest)| rest.split_once("/stream/"));
    name.map(|(table, _)| table.to_owned()).ok_or_else(|| StackError::new(format!("{arn} is no stream of a table")))
}

fn segments(path: &str) -> Result<Vec<Segment>, StackError> {
    let path = path.strip_prefix('/').ok_or_else(|| StackError::new(format!("the path {path} does not begin with a slash")))?;
    let segments: Vec<_> = path
        .split('/')
        .map(|segment| match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => {
                name.strip_suffix('+').map_or_else(|| Segment::Parameter(name.to_owned()), |name| Segment::Rest(name.to_owned()))
            }
            None => Segment::Fixed(segment.to_owned()),
        })
        .collect();
    match segments.iter().position(|segment| matches!(segment, Segment::Rest(_))) {
        Some(index) if index + 1 < segments.len() => {
            Err(StackError::new(format!("the greedy part of {path} is not its last, where API Gateway takes one")))
        }
        _ => Ok(segments),
    }
}

fn rate(expression: &str) -> Result<Duration, StackError> {
    let unknown = || StackError::new(format!("the local stack does not understand the schedule {expression}; it knows rate(…)"));
    let inner = expression.strip_prefix("rate(").and_then(|rest| rest.strip_suffix(')')).ok_or_else(unknown)?;
    let (count, unit) = inner.split_once(' ').ok_or_else(unknown)?;
    let count: u64 = count.parse().map_err(|_| unknown())?;
    let seconds = match unit.trim_end_matches('s') {
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        _ => return Err(unknown()),
    };
    Ok(Duration::from_secs(count * seconds))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::template::TEMPLATE;
    use serde_json::json;

    pub fn parameters() -> BTreeMap<String, String> {
        [
            ("Stage", "local"),
            ("SenderAddress", "orders@simdock.test"),
            ("ManagerAddress", "desk@simdock.test"),
            ("Carriers", "{}"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    fn deployed() -> Template {
        Template::parse(TEMPLATE, &parameters(), "http://127.0.0.1:9").unwrap()
    }

    fn of<'a>(template: &'a Template, package: &str) -> &'a FunctionSpec {
        template.functions.iter().find(|function| function.package == package).unwrap()
    }

    #[test]
    fn the_deployed_template_is_understood() {
        let template = deployed();
        let orders = template.tables.iter().find(|table| table.name == "simdock-local-orders").unwrap();
        assert_eq!(orders.create["StreamSpecification"], json!({"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"}));
        assert_eq!(orders.create["GlobalSecondaryIndexes"].as_array().unwrap().len(), 7);
        assert!(template.tables.iter().filter(|table| table.create.get("StreamSpecification").is_some()).count() == 1);

        let provision = of(&template, "provision");
        let queue = template.queues.iter().find(|queue| queue.name == provision.queues[0].queue).unwrap();
        let redrive = queue.redrive.as_ref().unwrap();
        assert_eq!(redrive.max_receives, 5);
        assert!(template.queues.iter().any(|queue| Some(&queue.name) == redrive.dead_letters.as_ref()));
        assert!(u64::from(queue.visibility_seconds) >= 6 * provision.timeout.as_secs());

        let relay = of(&template, "relay");
        assert_eq!(relay.streams[0].table, "simdock-local-orders");
        assert_eq!(relay.environment["MAIL_QUEUE_URL"], "http://127.0.0.1:9/000000000000/simdock-local-mail");
        assert_eq!(of(&template, "sweep").schedules, [Duration::from_mins(1)]);
        assert_eq!(of(&template, "mail-events").rules.len(), 1);
        assert!(
            template.functions.iter().flat_map(|function| &function.routes).any(|route| route.path == "/v1/orders/{orderNum}")
        );
    }

    #[test]
    fn a_missing_or_unknown_parameter_is_named() {
        let mut missing = parameters();
        missing.remove("SenderAddress");
        let problem = |parameters| Template::parse(TEMPLATE, &parameters, "http://x").unwrap_err().to_string();
        assert!(problem(missing).contains("SenderAddress"));
        let mut unknown = parameters();
        unknown.insert("Colour".to_owned(), "red".to_owned());
        assert!(problem(unknown).contains("Colour"));
    }

    #[test]
    fn globals_hold_unless_a_function_says_otherwise() {
        let template = Template::parse(
            "
Globals: {Function: {Timeout: 7, Runtime: provided.al2023, Environment: {Variables: {A: global, B: global}}}}
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: ../functions/f/, Environment: {Variables: {B: own}}}
",
            &BTreeMap::new(),
            "http://x",
        );
        let function = &template.unwrap().functions[0];
        assert_eq!((function.package.as_str(), function.timeout), ("f", Duration::from_secs(7)));
        assert_eq!(function.environment["A"], "global");
        assert_eq!(function.environment["B"], "own");
    }

    #[test]
    fn what_would_behave_differently_is_refused_by_name() {
        let function = |event: &str| {
            format!("Resources: {{F: {{Type: 'AWS::Serverless::Function', Properties: {{CodeUri: f, Events: {{E: {event}}}}}}}}}")
        };
        for (template, named) in [
            ("Resources: {B: {Type: 'AWS::S3::Bucket'}}".to_owned(), "AWS::S3::Bucket"),
            ("Resources: {Q: {Type: 'AWS::SQS::Queue', Properties: {QueueName: q, FifoQueue: true}}}".to_owned(), "FifoQueue"),
            (
                "Resources: {T: {Type: 'AWS::DynamoDB::Table', Properties: {TableName: t, TimeToLiveSpecification: {}}}}"
                    .to_owned(),
                "TimeToLiveSpecification",
            ),
            (function("{Type: SQS, Properties: {Queue: 'arn:aws:sqs:::q', FilterCriteria: {}}}"), "FilterCriteria"),
            (function("{Type: S3, Properties: {}}"), "S3"),
            (function("{Type: Schedule, Properties: {Schedule: cron(0 * * * ? *)}}"), "cron"),
            (function("{Type: HttpApi, Properties: {Method: get, Path: '/{proxy+}/x'}}"), "{proxy+}"),
            (function("{Type: EventBridgeRule, Properties: {Pattern: {source: [{prefix: aws}]}}}"), "prefix"),
        ] {
            let problem = Template::parse(&template, &BTreeMap::new(), "http://x").unwrap_err().to_string();
            assert!(problem.contains(named), "{problem}");
        }
    }

    #[test]
    fn rates_are_read() {
        assert_eq!(rate("rate(1 minute)").unwrap(), Duration::from_mins(1));
        assert_eq!(rate("rate(2 hours)").unwrap(), Duration::from_hours(2));
        assert!(rate("rate(soon)").is_err());
    }
}
