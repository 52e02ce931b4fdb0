//! `EventBridge`: events, and the rules that hand them to functions.

use crate::error::StackError;
use crate::queues::{NewMessage, Queues};
use crate::template::{FunctionSpec, QueueSpec, Redrive};
use serde_json::Value;

/// Seconds until Lambda tries an event again that a function failed on.
const RETRY_SECONDS: u32 = 60;

/// The default event bus.
#[derive(Clone)]
pub struct EventBus {
    rules: Vec<(Value, String)>,
    queues: Queues,
}

/// The queue that holds the events of a function nobody waits for, as Lambda keeps one for asynchronous invocations.
pub fn invocation_queue(function: &FunctionSpec) -> QueueSpec {
    let invocations = &function.invocations;
    QueueSpec {
        name: invocation_queue_name(function),
        visibility_seconds: u32::try_from(function.timeout.as_secs()).unwrap_or(u32::MAX).saturating_add(RETRY_SECONDS),
        delay_seconds: 0,
        redrive: Some(Redrive { dead_letters: invocations.on_failure.clone(), max_receives: invocations.retries + 1 }),
    }
}

/// The name of that queue.
pub fn invocation_queue_name(function: &FunctionSpec) -> String {
    format!("invocations-{}", function.package)
}

impl EventBus {
    /// A bus with the rules of these functions, whose invocation queues exist.
    pub fn new(functions: &[FunctionSpec], queues: Queues) -> Self {
        let rules = functions
            .iter()
            .flat_map(|function| function.rules.iter().map(|pattern| (pattern.clone(), invocation_queue_name(function))))
            .collect();
        Self { rules, queues }
    }

    /// Hands an event to every function with a rule that matches, after a number of seconds.
    pub async fn put(&self, event: &Value, delay_seconds: u32) -> Result<(), StackError> {
        for (_, queue) in self.rules.iter().filter(|(pattern, _)| matches(pattern, event)) {
            let message = NewMessage { body: event.to_string(), delay_seconds: Some(delay_seconds) };
            self.queues.send(queue, vec![message]).await?;
        }
        Ok(())
    }
}

/// Refuses a pattern that compares by anything but equality.
pub fn check_pattern(pattern: &Value) -> Result<(), StackError> {
    match pattern {
        Value::Object(fields) => fields.values().try_for_each(check_pattern),
        Value::Array(values) if values.iter().all(|value| !value.is_object() && !value.is_array()) => Ok(()),
        other => Err(StackError::new(format!(
            "the local stack does not understand the event pattern {other}; it knows lists of values"
        ))),
    }
}

/// Whether an event has one of the listed values in every field of the pattern.
pub fn matches(pattern: &Value, event: &Value) -> bool {
    match (pattern, event) {
        (Value::Object(fields), event) => {
            fields.iter().all(|(name, pattern)| event.get(name).is_some_and(|value| matches(pattern, value)))
        }
        (Value::Array(wanted), Value::Array(values)) => values.iter().any(|value| wanted.contains(value)),
        (Value::Array(wanted), value) => wanted.contains(value),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pattern_matches_by_the_values_it_lists() {
        let event = json!({"source": "aws.ses", "detail": {"mail": {"tags": {"ses:configuration-set": ["simdock"], "orderNum": ["EP1"]}}}});
        for (pattern, expected) in [
            (json!({"source": ["aws.ses", "other"]}), true),
            (json!({"source": ["other"]}), false),
            (json!({"source": ["aws.ses"], "detail": {"mail": {"tags": {"ses:configuration-set": ["simdock"]}}}}), true),
            (json!({"detail": {"mail": {"tags": {"ses:configuration-set": ["another"]}}}}), false),
            (json!({"detail-type": ["Email Bounced"]}), false),
        ] {
            check_pattern(&pattern).unwrap();
            assert_eq!(matches(&pattern, &event), expected, "{pattern}");
        }
    }
}
