//! Metrics as `CloudWatch` takes them out of the log: one JSON line each, in the embedded metric format (EMF, version 0 of its
//! specification in the `CloudWatch` user guide). A line costs no call and no waiting.

use crate::{Clock, Config};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::sync::OnceLock;

/// Where lines go; nowhere until a program says so.
static SINK: OnceLock<Box<dyn Fn() -> Box<dyn Write> + Send + Sync>> = OnceLock::new();

/// Sends the lines to what `writer` gives, once for each. A second call changes nothing.
pub(crate) fn write_to<W: Write + 'static>(writer: fn() -> W) {
    let _ = SINK.set(Box::new(move || Box::new(writer())));
}

/// What is measured. Each is one metric of `CloudWatch` for each value of its dimensions, and where it says so one without any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// An order came into a status.
    OrdersBecame,
    /// How long after its payment an order's QR codes or, where it has none, its confirmation went out.
    PaymentToMail,
    /// A payment could not pay for its order and is owed back.
    PaymentsReturned,
    /// A signed payment that belongs to no order, or to another.
    PaymentsUnbooked,
    /// A card could not be provisioned.
    CardsFailed,
    /// A refund fell due.
    RefundsOpened,
    /// A refund is over: given back, given up or not owed any more.
    RefundsClosed,
    /// For how long the oldest refund of an order has been owed, each time that something happens to the order.
    RefundAge,
    /// The mail system reported trouble with a mail.
    MailsReported,
    /// A mail was given up.
    MailsGivenUp,
    /// A webhook was refused.
    WebhooksRefused,
    /// Cards that can be bought, at each sweep.
    PoolAvailable,
    /// Cards that the sweep put back on sale since their buyer vanished between ticket and sale.
    TicketsReturned,
    /// Jobs that the sweep queued again.
    JobsRequeued,
    /// Orders that wait for a manager, at each sweep; a thousand at most are counted.
    OrdersWaiting,
    /// Those of them that owe money back, whoever is to give it.
    RefundsOpen,
}

impl Metric {
    /// Every one.
    pub const ALL: [Self; 16] = [
        Self::OrdersBecame,
        Self::PaymentToMail,
        Self::PaymentsReturned,
        Self::PaymentsUnbooked,
        Self::CardsFailed,
        Self::RefundsOpened,
        Self::RefundsClosed,
        Self::RefundAge,
        Self::MailsReported,
        Self::MailsGivenUp,
        Self::WebhooksRefused,
        Self::PoolAvailable,
        Self::TicketsReturned,
        Self::JobsRequeued,
        Self::OrdersWaiting,
        Self::RefundsOpen,
    ];

    /// Its name in `CloudWatch`.
    pub fn name(self) -> &'static str {
        match self {
            Self::OrdersBecame => "OrdersBecame",
            Self::PaymentToMail => "PaymentToMail",
            Self::PaymentsReturned => "PaymentsReturned",
            Self::PaymentsUnbooked => "PaymentsUnbooked",
            Self::CardsFailed => "CardsFailed",
            Self::RefundsOpened => "RefundsOpened",
            Self::RefundsClosed => "RefundsClosed",
            Self::RefundAge => "RefundAge",
            Self::MailsReported => "MailsReported",
            Self::MailsGivenUp => "MailsGivenUp",
            Self::WebhooksRefused => "WebhooksRefused",
            Self::PoolAvailable => "PoolAvailable",
            Self::TicketsReturned => "TicketsReturned",
            Self::JobsRequeued => "JobsRequeued",
            Self::OrdersWaiting => "OrdersWaiting",
            Self::RefundsOpen => "RefundsOpen",
        }
    }

    /// Its unit in `CloudWatch`.
    pub fn unit(self) -> &'static str {
        match self {
            Self::PaymentToMail | Self::RefundAge => "Seconds",
            Self::OrdersBecame
            | Self::PaymentsReturned
            | Self::PaymentsUnbooked
            | Self::CardsFailed
            | Self::RefundsOpened
            | Self::RefundsClosed
            | Self::MailsReported
            | Self::MailsGivenUp
            | Self::WebhooksRefused
            | Self::PoolAvailable
            | Self::TicketsReturned
            | Self::JobsRequeued
            | Self::OrdersWaiting
            | Self::RefundsOpen => "Count",
        }
    }

    /// What it is told apart by, if by anything: something of few values.
    pub fn dimension(self) -> Option<&'static str> {
        match self {
            Self::OrdersBecame => Some("Status"),
            Self::PaymentsReturned | Self::PaymentsUnbooked | Self::WebhooksRefused => Some("Reason"),
            Self::MailsReported => Some("Report"),
            Self::PoolAvailable => Some("Pool"),
            Self::PaymentToMail
            | Self::CardsFailed
            | Self::RefundsOpened
            | Self::RefundsClosed
            | Self::RefundAge
            | Self::MailsGivenUp
            | Self::TicketsReturned
            | Self::JobsRequeued
            | Self::OrdersWaiting
            | Self::RefundsOpen => None,
        }
    }

    /// Whether it is also there without a dimension, for an alarm on all together.
    fn is_summed_up(self) -> bool {
        match self {
            Self::OrdersBecame | Self::PoolAvailable => false,
            Self::PaymentToMail
            | Self::PaymentsReturned
            | Self::PaymentsUnbooked
            | Self::CardsFailed
            | Self::RefundsOpened
            | Self::RefundsClosed
            | Self::RefundAge
            | Self::MailsReported
            | Self::MailsGivenUp
            | Self::WebhooksRefused
            | Self::TicketsReturned
            | Self::JobsRequeued
            | Self::OrdersWaiting
            | Self::RefundsOpen => true,
        }
    }
}

/// A value of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Of what.
    pub metric: Metric,
    /// How much, in the metric's unit.
    pub value: i64,
    /// The value of its dimension, if it has one.
    pub of: Option<String>,
}

impl Measured {
    /// A value of a metric without a dimension.
    pub fn new(metric: Metric, value: i64) -> Self {
        Self { metric, value, of: None }
    }

    /// A value of a metric with a dimension.
    pub fn of(metric: Metric, value: i64, of: impl Into<String>) -> Self {
        Self { metric, value, of: Some(of.into()) }
    }
}

/// Writes metrics into a namespace.
#[derive(Clone, Debug)]
pub struct Metrics {
    namespace: Option<String>,
    clock: Clock,
}

impl Metrics {
    /// Metrics in the namespace that the variable `METRICS_NAMESPACE` names; without it none are written.
    pub fn new(config: &Config) -> Self {
        Self { namespace: config.optional("METRICS_NAMESPACE").map(str::to_owned), clock: config.clock().clone() }
    }

    /// Writes values that were measured at once. `order_num` stands in the lines for people to find, and is no dimension.
    pub fn put(&self, order_num: Option<&str>, measured: &[Measured]) {
        let (Some(namespace), Some(sink)) = (&self.namespace, SINK.get()) else { return };
        for measured in measured {
            let line = line(namespace, self.clock.now().unix(), order_num, measured);
            // In one piece, as others write too. A metric that cannot be written is no reason to fail.
            let _ = sink().write_all(format!("{line}\n").as_bytes());
        }
    }
}

fn line(namespace: &str, unix: i64, order_num: Option<&str>, measured: &Measured) -> Value {
    let Measured { metric, value, of } = measured;
    let dimension = metric.dimension().zip(of.as_deref());
    let mut sets: Vec<Vec<&str>> = Vec::new();
    if dimension.is_none() || metric.is_summed_up() {
        sets.push(Vec::new());
    }
    sets.extend(dimension.map(|(name, _)| vec![name]));
    let directive = json!({
        "Namespace": namespace,
        "Dimensions": sets,
        "Metrics": [{ "Name": metric.name(), "Unit": metric.unit() }],
    });
    let mut line = Map::new();
    line.insert("_aws".to_owned(), json!({ "Timestamp": unix * 1000, "CloudWatchMetrics": [directive] }));
    line.insert(metric.name().to_owned(), (*value).into());
    line.extend(dimension.map(|(name, of)| (name.to_owned(), of.into())));
    line.extend(order_num.map(|num| ("orderNum".to_owned(), num.into())));
    Value::Object(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_line_is_what_the_specification_shows() {
        let measured = Measured::of(Metric::WebhooksRefused, 1, "stale");
        let expected = json!({
            "_aws": {
                "Timestamp": 1_795_343_400_000_i64,
                "CloudWatchMetrics": [{
                    "Namespace": "simdock-dev",
                    "Dimensions": [[], ["Reason"]],
                    "Metrics": [{ "Name": "WebhooksRefused", "Unit": "Count" }],
                }],
            },
            "Reason": "stale",
            "WebhooksRefused": 1,
            "orderNum": "EP0123456789ABCDEF",
        });
        assert_eq!(line("simdock-dev", 1_795_343_400, Some("EP0123456789ABCDEF"), &measured), expected);
        let status = line("simdock-dev", 0, None, &Measured::of(Metric::OrdersBecame, 1, "normal"));
        assert_eq!(status["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["Status"]]));
        let plain = line("simdock-dev", 0, None, &Measured::new(Metric::RefundAge, 90));
        assert_eq!(plain["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([[]]));
        assert_eq!((plain["RefundAge"].as_i64(), plain["orderNum"].is_null()), (Some(90), true));
    }

    #[test]
    fn metrics_have_names_of_their_own() {
        let names: BTreeSet<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
        assert_eq!(names.len(), Metric::ALL.len());
        // A metric must not have the name of a dimension: both stand at the top of the line.
        assert!(Metric::ALL.iter().filter_map(|metric| metric.dimension()).all(|name| !names.contains(name)));
    }
}
