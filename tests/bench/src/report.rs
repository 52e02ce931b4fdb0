//! The figures beside what they are held to, as a table and as JSON.

use crate::actions::Action;
use crate::binaries::{Binaries, Binary};
use crate::claims::Crowd;
use crate::cost::Bill;
use crate::growth::Grown;
use crate::limits::{SLACK, of};
use crate::local::{Local, Rates};
use crate::pure::Pure;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::{self, Display, Write};

/// What a figure is held to.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
    /// This.
    Exactly(f64),
    /// Nothing: it tells what another figure stands beside.
    None,
}

/// A line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured, as in the JSON.
    pub name: String,
    /// Its figure.
    pub value: f64,
    /// What it is held to.
    pub target: Target,
}

/// A part of the figures: its lines, and the JSON under its name.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its lines.
    pub rows: Vec<Row>,
    /// What it adds to the JSON, by name.
    pub json: Map<String, Value>,
}

/// How many times longer than a bare function a start may take.
const START: f64 = 3.0;
/// The most that a function's zip file may hold, in bytes.
const ZIP: f64 = 2.5e6;
/// Orders per second that leave a shop engine on `PostgreSQL` (16 on a machine like this one) twenty times behind.
const SHOP_ENGINE: f64 = 320.0;
/// What measuring the same again may differ by where it is flat.
const FLAT: f64 = 1.05;
/// And where it is time.
const FLAT_TIME: f64 = 1.5;

impl Row {
    fn new(name: impl Into<String>, value: f64, target: Target) -> Self {
        Self { name: name.into(), value, target }
    }

    /// Whether the figure is what it is held to.
    pub fn holds(&self) -> bool {
        match self.target {
            Target::AtMost(most) => self.value <= most + 1e-9,
            Target::AtLeast(least) => self.value >= least - 1e-9,
            Target::Exactly(exactly) => (self.value - exactly).abs() < 1e-9,
            Target::None => true,
        }
    }
}

impl Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, target) = match self.target {
            Target::AtMost(most) => ("≤ ", number(most)),
            Target::AtLeast(least) => ("≥ ", number(least)),
            Target::Exactly(exactly) => ("= ", number(exactly)),
            Target::None => ("", String::new()),
        };
        let verdict = match self.target {
            Target::None => "",
            _ if self.holds() => "ok",
            _ => "MISSED",
        };
        write!(f, "{:<44}{:>14}   {:<14}{verdict}", self.name, number(self.value), format!("{sign}{target}"))
    }
}

/// As many digits as tell something.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        ..0.1 => 5,
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// What actions cost.
pub fn actions(actions: &[Action]) -> Part {
    let (mut rows, mut all) = (Vec::new(), Map::new());
    for Action { name, cost, calls } in actions {
        let limit = of(name);
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let (calls, most) = (*calls as f64, limit.calls.map_or(Target::None, |calls| Target::AtMost(calls as f64)));
        rows.push(Row::new(format!("{name}.wcu"), cost.writes, Target::AtMost(SLACK * limit.writes)));
        rows.push(Row::new(format!("{name}.wcuIndex"), cost.index_writes, Target::AtMost(limit.index_writes)));
        rows.push(Row::new(format!("{name}.rcu"), cost.reads, Target::None));
        rows.push(Row::new(format!("{name}.calls"), calls, most));
        let figures = json!({
            "wcu": cost.writes, "wcuLimit": limit.writes, "wcuIndex": cost.index_writes, "rcu": cost.reads, "calls": calls,
        });
        all.insert((*name).to_owned(), figures);
    }
    Part { rows, json: part("actions", all.into()) }
}

/// What crowds do.
pub fn claims(ample: &Crowd, scarce: &Crowd) -> Part {
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let sold = scarce.sold as f64;
    Part {
        rows: vec![
            Row::new("claims.ample.meanAttempts", ample.mean_attempts(), Target::AtMost(1.01)),
            Row::new("claims.ample.wastedShare", ample.wasted_share(), Target::AtMost(0.01)),
            Row::new("claims.scarce.sold", sold, Target::Exactly(scarce.units.into())),
            Row::new("claims.scarce.refusedUpdatesPerLoser", scarce.refused_per_loser(), Target::Exactly(1.0)),
        ],
        json: part(
            "claims",
            json!({
                "ample": {
                    "buyers": ample.buyers, "meanAttempts": ample.mean_attempts(), "wastedShare": ample.wasted_share(),
                },
                "scarce": {
                    "buyers": scarce.buyers, "units": scarce.units, "sold": scarce.sold,
                    "refusedUpdatesPerLoser": scarce.refused_per_loser(),
                },
            }),
        ),
    }
}

/// What the binaries are like.
pub fn start(binaries: &Binaries) -> Part {
    let Binaries { bare, functions } = binaries;
    let mut rows = vec![Row::new("start.bareMs", bare.ms, Target::None)];
    let mut all = Map::new();
    for (name, Binary { ms, binary_bytes, zip_bytes, rss_mb }) in functions {
        #[expect(clippy::cast_precision_loss, reason = "millions")]
        let zip = *zip_bytes as f64;
        rows.push(Row::new(format!("start.{name}.ms"), *ms, Target::AtMost(START * bare.ms)));
        rows.push(Row::new(format!("start.{name}.zipBytes"), zip, Target::AtMost(ZIP)));
        rows.push(Row::new(format!("start.{name}.rssMb"), *rss_mb, Target::None));
        let figures = json!({ "ms": ms, "binaryBytes": binary_bytes, "zipBytes": zip_bytes, "rssMb": rss_mb });
        all.insert(name.clone(), figures);
    }
    let bare_sizes = json!({ "binaryBytes": bare.binary_bytes, "zipBytes": bare.zip_bytes, "rssMb": bare.rss_mb });
    Part { rows, json: part("start", json!({ "bareMs": bare.ms, "bare": bare_sizes, "functions": all })) }
}

/// How fast the stack is.
pub fn local(local: &Local) -> Part {
    let mut rows = Vec::new();
    for (name, Rates { orders, bare }) in [("file", local.file), ("memory", local.memory)] {
        rows.push(Row::new(format!("local.{name}.ordersPerS"), orders, Target::AtLeast(bare / 2.0)));
        rows.push(Row::new(format!("local.{name}.bareOrdersPerS"), bare, Target::None));
    }
    let slowest = f64::min(local.file.orders, local.memory.orders);
    rows.extend([
        Row::new("local: twenty shop engines", slowest, Target::AtLeast(SHOP_ENGINE)),
        Row::new("local.readyMs", local.ready_ms, Target::AtMost(300.0)),
        Row::new("local.idleRssMb", local.idle_mb, Target::AtMost(40.0)),
        Row::new("local.peakRssMb", local.peak_mb, Target::None),
    ]);
    Part { rows, json: part("local", json!(local)) }
}

/// What the pure parts cost.
pub fn pure(pure: &Pure) -> Part {
    let Pure { decide_us, verify_us, mail_ms, mail_bytes } = *pure;
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let bytes = mail_bytes as f64;
    Part {
        rows: vec![
            Row::new("pure.decideUs", decide_us, Target::None),
            Row::new("pure.verifyUs", verify_us, Target::None),
            Row::new("pure.mailMs", mail_ms, Target::AtMost(1.0)),
            Row::new("pure.mailBytes", bytes, Target::AtMost(10.0 * 1024.0)),
        ],
        json: part("pure", json!({ "decideUs": decide_us, "verifyUs": verify_us, "mailMs": mail_ms, "mailBytes": mail_bytes })),
    }
}

/// How it grows.
pub fn growth(grown: &BTreeMap<&'static str, Grown>) -> Part {
    let (mut rows, mut all) = (Vec::new(), Map::new());
    for (name, [x1, x10, x100]) in grown {
        let flat = if name.ends_with("Ms") { FLAT_TIME } else { FLAT };
        rows.push(Row::new(format!("growth.{name}.x1"), *x1, Target::None));
        for (times, value) in [("x10", x10), ("x100", x100)] {
            rows.push(Row::new(format!("growth.{name}.{times}"), *value, Target::AtMost(flat * x1)));
        }
        all.insert((*name).to_owned(), json!({ "x1": x1, "x10": x10, "x100": x100 }));
    }
    Part { rows, json: part("growth", all.into()) }
}

/// What orders cost: those whose operator is asked for each card, and those whose cards work at once.
pub fn cost(asked: &Bill, ready: &Bill) -> Part {
    let (mut rows, mut json) = (Vec::new(), Map::new());
    for (kind, suffix, bill) in [("order", "", asked), ("preloaded order", "Preloaded", ready)] {
        let (without, with) = (bill.per_1000(false), bill.per_1000(true));
        rows.extend([
            Row::new(format!("{kind}: wcu"), bill.tables.writes, Target::None),
            Row::new(format!("{kind}: wcu of refused writes"), bill.refused, Target::None),
            Row::new(format!("{kind}: wcuIndex"), bill.tables.index_writes, Target::None),
            Row::new(format!("{kind}: rcu"), bill.tables.reads, Target::None),
            Row::new(format!("{kind}: SQS requests"), bill.sqs, Target::None),
            Row::new(format!("{kind}: invocations"), bill.invocations, Target::None),
            Row::new(format!("usdPer1000{suffix}"), without, Target::AtMost(0.018)),
            Row::new(format!("usdPer1000{suffix}WithIndexes"), with, Target::None),
        ]);
        json.insert(format!("usdPer1000{suffix}"), json!(without));
        json.insert(format!("usdPer1000{suffix}WithIndexes"), json!(with));
    }
    Part { rows, json }
}

fn part(name: &str, value: Value) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), value)])
}

/// The table of some parts.
pub fn table(parts: &[Part]) -> String {
    let mut table = format!("{:<44}{:>14}   {}\n", "", "value", "target");
    for row in parts.iter().flat_map(|part| &part.rows) {
        let _ = writeln!(table, "{row}");
    }
    table
}

/// What is missed.
pub fn missed(parts: &[Part]) -> Vec<&Row> {
    parts.iter().flat_map(|part| &part.rows).filter(|row| !row.holds()).collect()
}

/// The JSON of some parts.
pub fn json(parts: Vec<Part>) -> Value {
    parts.into_iter().flat_map(|part| part.json).collect::<Map<_, _>>().into()
}
