//! What goes wrong in a run. What happens to the n-th thing of a kind follows from the seed, the kind and n alone: the tasks of a run
//! may interleave differently the next time, the plan stays.

use super::bug::{Bug, Events};
use crate::proxy::Fault;
use fastrand::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long functions that are to die live, in powers of two of polls: as many live 1 poll as live 2 or 3, 4 to 7, and so on up to 511,
/// so that a death comes between any two awaits, early in long calls and late in short ones. Polls of one call, in the middle and at
/// most, over a run of 40 shops: read 5 and 21, create-order 8 and 46, payment-webhook 13 and 69, settle-refund 14 and 48,
/// send-email 16 and 86, provision 16 and 72, swap-sim 26 and 45, import-inventory 26 and 68, relay 1 and 93, sweep 81 and 286. One
/// that is done before has lived through it.
const LIVES: u32 = 9;

/// The share of requests that a carrier refuses for good.
const REFUSALS: f64 = 0.04;
/// The share of calls that find their machine's clock set anew.
const CLOCKS: f64 = 0.06;
/// Whoever sits behind an edge.
const EDGES: [Edge; 5] = [Edge::Tables, Edge::Queues, Edge::Mail, Edge::Stripe, Edge::Carrier];
/// What goes wrong, but for the faults of edges.
const OTHERS: [&str; 16] = [
    "transaction meets transaction",
    "write meets transaction",
    "dies",
    "unheard",
    "twice",
    "again",
    "late",
    "carrier refuses",
    "clock jumps",
    "clock set back",
    "clock set ahead",
    "stripe refuses",
    "stripe takes its time",
    "stripe breaks off",
    "stripe fails later",
    "stripe's event is lost",
];

/// Whom a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The tables.
    Tables,
    /// The queues.
    Queues,
    /// Whoever sends mails.
    Mail,
    /// The payment provider.
    Stripe,
    /// The carrier.
    Carrier,
}

impl Edge {
    fn name(self) -> &'static str {
        match self {
            Self::Tables => "tables",
            Self::Queues => "queues",
            Self::Mail => "mail",
            Self::Stripe => "stripe",
            Self::Carrier => "carrier",
        }
    }
}

/// Every kind of thing that can go wrong, as counted.
pub fn kinds_of_faults() -> BTreeSet<String> {
    let of_edge = |edge: Edge| Fault::ALL.map(|fault| format!("{}: {}", edge.name(), fault.name()));
    EDGES.into_iter().flat_map(of_edge).chain(OTHERS.map(str::to_owned)).collect()
}

/// How one call of a function goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Going {
    /// As it should.
    Well,
    /// Its process dies when it was polled so often, between whichever two awaits that is.
    Dies(u32),
    /// It does everything, and its process dies before it can say so.
    Unheard,
    /// Two get the same event at once.
    Twice,
    /// It goes well, and the same event is delivered once more after that time.
    Again(Duration),
    /// It is delivered late, so that others overtake it.
    Late(Duration),
}

/// How bad it is, in shares of all requests and calls.
#[derive(Clone, Copy, Debug)]
struct Climate {
    /// Requests to the tables.
    tables: f64,
    /// Requests to queues, mail, the payment provider and the carrier.
    others: f64,
    /// Calls of functions.
    calls: f64,
    /// The longest that an ordinary request to the tables is held up, in milliseconds.
    slow: u64,
}

/// What goes wrong with one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Mishap {
    /// What, if anything does.
    pub fault: Option<Fault>,
    /// How long the request takes on its way.
    pub delay: Duration,
    /// Chances for whatever else is open about it.
    pub dice: Rng,
}

/// The plan of a run, and how far it got.
#[derive(Debug)]
pub struct Plan {
    seed: u64,
    climate: Climate,
    bug: Option<Bug>,
    /// What one of the bugs goes by.
    pub events: Events,
    healed: AtomicBool,
    running: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many things of each kind there were.
    ordinals: BTreeMap<String, u64>,
    /// What went wrong so often.
    faults: BTreeMap<String, u64>,
    /// What was done so often.
    acts: BTreeMap<&'static str, u64>,
    /// Messages whose delivery the plan spoilt.
    spoilt: BTreeSet<String>,
}

/// A call that is under way.
#[derive(Debug)]
pub struct Running<'a>(&'a Plan);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The chances of one thing: the same for the same seed, kind and number.
fn dice(seed: u64, kind: &str, ordinal: u64) -> Rng {
    // FNV-1a: short, and the same everywhere.
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    Rng::with_seed(kind.bytes().chain(ordinal.to_le_bytes()).fold(0xcbf2_9ce4_8422_2325 ^ seed, step))
}

impl Climate {
    /// Quiet and wild runs find different things.
    fn of(seed: u64) -> Self {
        let mut rng = dice(seed, "climate", 0);
        let mut between = |least: f64, most: f64| least + (most - least) * rng.f64();
        let (tables, others, calls) = (between(0.002, 0.025), between(0.01, 0.12), between(0.03, 0.2));
        Self { tables, others, calls, slow: rng.u64(1..6) }
    }
}

impl Plan {
    /// The plan of a seed, with one of the bugs in it.
    pub fn new(seed: u64, bug: Option<Bug>) -> Self {
        Self {
            seed,
            climate: Climate::of(seed),
            bug,
            events: Events::default(),
            healed: AtomicBool::new(false),
            running: AtomicUsize::new(0),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bug that is planted.
    pub fn bug(&self) -> Option<Bug> {
        self.bug
    }

    /// Chances for a part of the run that is not a request: what a shop does, when the clock jumps.
    pub fn dice(&self, part: &str) -> Rng {
        dice(self.seed, part, 0)
    }

    /// Chances for the next thing of a kind, also of what is not a fault.
    pub fn chances(&self, kind: &str) -> Rng {
        dice(self.seed, kind, self.ordinal(kind))
    }

    /// The number of the next thing of a kind.
    fn ordinal(&self, kind: &str) -> u64 {
        let mut state = self.state();
        let next = state.ordinals.entry(kind.to_owned()).or_default();
        *next += 1;
        *next - 1
    }

    /// The same, as long as anything may go wrong.
    fn faults_of(&self, kind: &str) -> Option<Rng> {
        (!self.is_healed()).then(|| self.chances(kind))
    }

    /// From here on nothing goes wrong any more.
    pub fn heal(&self) {
        self.healed.store(true, Ordering::SeqCst);
    }

    /// Whether nothing goes wrong any more.
    pub fn is_healed(&self) -> bool {
        self.healed.load(Ordering::SeqCst)
    }

    /// Notes that a function is called, until what it returns is dropped.
    pub fn begin(&self) -> Running<'_> {
        self.running.fetch_add(1, Ordering::SeqCst);
        Running(self)
    }

    /// How many calls are under way.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    /// Counts something that went wrong.
    pub fn count(&self, fault: impl Into<String>) {
        *self.state().faults.entry(fault.into()).or_default() += 1;
    }

    /// What went wrong so far, by kind.
    pub fn faults(&self) -> BTreeMap<String, u64> {
        self.state().faults.clone()
    }

    /// Counts something that somebody did, and that was accepted.
    pub fn act(&self, act: &'static str) {
        *self.state().acts.entry(act).or_default() += 1;
    }

    /// What was done so far, by kind.
    pub fn acts(&self) -> BTreeMap<&'static str, u64> {
        self.state().acts.clone()
    }

    /// Notes messages whose delivery came to nothing because of the plan.
    pub fn spoil(&self, messages: impl IntoIterator<Item = String>) {
        self.state().spoilt.extend(messages);
    }

    /// Whether a message was spoilt.
    pub fn is_spoilt(&self, message: &str) -> bool {
        self.state().spoilt.contains(message)
    }

    /// What goes wrong with the next request of a kind.
    pub fn request(&self, edge: Edge, kind: &str) -> Mishap {
        let chance = if edge == Edge::Tables { self.climate.tables } else { self.climate.others };
        let mishap = match self.faults_of(kind) {
            Some(dice) => decide_request(edge, dice, chance, self.climate.slow),
            None => Mishap { fault: None, delay: Duration::ZERO, dice: self.dice(kind) },
        };
        if let Some(fault) = mishap.fault {
            self.count(format!("{}: {}", edge.name(), fault.name()));
        }
        mishap
    }

    /// Whether the carrier refuses the next request of a kind for good.
    pub fn refuses(&self, kind: &str) -> bool {
        let refuses = self.faults_of(&format!("refuse {kind}")).is_some_and(|mut dice| dice.f64() < REFUSALS);
        if refuses {
            self.count("carrier refuses");
        }
        refuses
    }

    /// By how many seconds a function's clock is wrong from the next of its calls on, where it was `before` until then: servers do not
    /// agree, and their clocks are set right in the midst of work, which takes them back as well as ahead.
    pub fn clock(&self, function: &str, before: i64) -> i64 {
        let after = match self.faults_of(&format!("clock of {function}")) {
            Some(dice) => decide_clock(dice).unwrap_or(before),
            None => 0,
        };
        if after != before && !self.is_healed() {
            self.count(if after < before { "clock set back" } else { "clock set ahead" });
        }
        after
    }

    /// How the next call of a function goes; `fed` is whether it is fed by a queue or a stream, which may deliver twice.
    pub fn call(&self, function: &str, fed: bool) -> Going {
        let kind = format!("call {function}");
        if self.is_healed() {
            return Going::Well;
        }
        let decide = |ordinal| decide_call(dice(self.seed, &kind, ordinal), self.climate.calls, fed);
        let ordinal = self.ordinal(&kind);
        // A stream gives a change up after six calls that failed, and would be right to.
        let ends = |going| matches!(going, Going::Dies(_) | Going::Unheard);
        let going = decide(ordinal);
        let going = if ends(going) && ordinal > 0 && ends(decide(ordinal - 1)) { Going::Well } else { going };
        match going {
            // Dying counts if it comes true.
            Going::Well | Going::Dies(_) => {}
            Going::Unheard => self.count("unheard"),
            Going::Twice => self.count("twice"),
            Going::Again(_) => self.count("again"),
            Going::Late(_) => self.count("late"),
        }
        going
    }
}

fn decide_request(edge: Edge, mut rng: Rng, chance: f64, slow: u64) -> Mishap {
    let delay = if rng.f64() < 0.01 { rng.u64(40..400) } else { rng.u64(..=slow) };
    // Few requests go to others than the tables, and those who act and do not say so are worth most.
    let stalls = match edge {
        Edge::Tables => 97..100,
        Edge::Queues | Edge::Mail => 94..100,
        Edge::Stripe | Edge::Carrier => 90..100,
    };
    let fault = (rng.f64() < chance).then(|| match rng.u8(..100) {
        roll if stalls.contains(&roll) => Fault::Stall,
        0..25 => Fault::Throttle,
        25..40 => Fault::Lose,
        40..52 => Fault::Fail,
        52..72 => Fault::FailAfter,
        _ => Fault::Cut,
    });
    Mishap { fault, delay: Duration::from_millis(delay), dice: rng }
}

/// What a function's clock is set to, in seconds ahead of the right time, if it is: less than what signatures may be off by.
fn decide_clock(mut rng: Rng) -> Option<i64> {
    (rng.f64() < CLOCKS).then(|| match rng.u8(..4) {
        0 => 0,
        1 | 2 => rng.i64(-5..=5),
        _ => rng.i64(-150..=150),
    })
}

fn decide_call(mut rng: Rng, chance: f64, fed: bool) -> Going {
    if rng.f64() >= chance {
        return Going::Well;
    }
    match (rng.u8(..100), fed) {
        (0..45, _) => {
            let magnitude = 1 << rng.u32(..LIVES);
            Going::Dies(rng.u32(magnitude..2 * magnitude))
        }
        (45..60, _) => Going::Unheard,
        (60..75, true) => Going::Twice,
        (75..88, true) => Going::Again(Duration::from_millis(rng.u64(20..1500))),
        (_, true | false) => Going::Late(Duration::from_millis(rng.u64(10..400))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_is_one_plan() {
        let plans = [7, 7, 8].map(|seed| Plan::new(seed, None));
        let kinds = ["sweep/Query", "payment-webhook/TransactWriteItems"];
        let all = plans.each_ref().map(|plan| {
            let requests = |kind| (0..2000).map(move |_| plan.request(Edge::Mail, kind)).collect::<Vec<_>>();
            let calls = (0..500).map(|_| plan.call("provision", true)).collect::<Vec<_>>();
            (kinds.map(requests), calls)
        });
        assert_eq!(all[0], all[1]);
        assert_ne!(all[0], all[2]);
        assert_ne!(all[0].0[0], all[0].0[1], "kinds have chances of their own");
        assert!(all[0].1.iter().any(|going| matches!(going, Going::Dies(_))));
        // The order in which the kinds come does not matter.
        let other = Plan::new(7, None);
        let mixed: Vec<_> =
            (0..2000).map(|_| (other.request(Edge::Mail, kinds[1]), other.request(Edge::Mail, kinds[0]))).collect();
        assert!(mixed.iter().map(|(second, _)| second).eq(&all[0].0[1]) && mixed.iter().map(|(_, first)| first).eq(&all[0].0[0]));
        other.heal();
        assert!((0..500).all(|_| other.call("provision", true) == Going::Well && other.request(Edge::Mail, "x").fault.is_none()));
    }
}
