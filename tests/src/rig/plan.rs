//! What goes wrong in a run. What happens to the n-th thing of a kind follows from the seed, the kind and n alone: the tasks of a run
//! may interleave differently the next time, the plan stays.

use super::bug::Bug;
use crate::proxy::Fault;
use fastrand::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Polls after which a function that is to die is dead, at most. A request takes two or three.
const LONGEST_LIFE: u32 = 24;

/// The share of requests that a carrier refuses for good.
const REFUSALS: f64 = 0.04;

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

/// The plan of a run, and how far it got.
#[derive(Debug)]
pub struct Plan {
    seed: u64,
    climate: Climate,
    bug: Option<Bug>,
    healed: AtomicBool,
    running: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many things of each kind there were.
    ordinals: BTreeMap<String, u64>,
    /// What went wrong so often.
    faults: BTreeMap<&'static str, u64>,
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
    pub fn count(&self, fault: &'static str) {
        *self.state().faults.entry(fault).or_default() += 1;
    }

    /// What went wrong so far, by kind.
    pub fn faults(&self) -> BTreeMap<&'static str, u64> {
        self.state().faults.clone()
    }

    /// Notes messages whose delivery came to nothing because of the plan.
    pub fn spoil(&self, messages: impl IntoIterator<Item = String>) {
        self.state().spoilt.extend(messages);
    }

    /// Whether a message was spoilt.
    pub fn is_spoilt(&self, message: &str) -> bool {
        self.state().spoilt.contains(message)
    }

    fn next(&self, kind: &str) -> Option<u64> {
        if self.is_healed() {
            return None;
        }
        let mut state = self.state();
        let ordinal = state.ordinals.entry(kind.to_owned()).or_default();
        *ordinal += 1;
        Some(*ordinal - 1)
    }

    /// What goes wrong with the next request of a kind to the tables, and how long it takes on its way there.
    pub fn table_request(&self, kind: &str) -> (Option<Fault>, Duration) {
        self.request(kind, self.climate.tables)
    }

    /// The same for anybody else.
    pub fn other_request(&self, kind: &str) -> (Option<Fault>, Duration) {
        self.request(kind, self.climate.others)
    }

    /// Whether the carrier refuses the next request of a kind for good.
    pub fn refuses(&self, kind: &str) -> bool {
        let kind = format!("refuse {kind}");
        let refuses = self.next(&kind).is_some_and(|ordinal| dice(self.seed, &kind, ordinal).f64() < REFUSALS);
        if refuses {
            self.count("refused");
        }
        refuses
    }

    fn request(&self, kind: &str, chance: f64) -> (Option<Fault>, Duration) {
        let Some(ordinal) = self.next(kind) else { return (None, Duration::ZERO) };
        let (fault, delay) = decide_request(self.seed, kind, ordinal, chance, self.climate.slow);
        if let Some(fault) = fault {
            self.count(fault.name());
        }
        (fault, delay)
    }

    /// How the next call of a function goes; `fed` is whether it is fed by a queue or a stream, which may deliver twice.
    pub fn call(&self, function: &str, fed: bool) -> Going {
        let kind = format!("call {function}");
        let Some(ordinal) = self.next(&kind) else { return Going::Well };
        let decide = |ordinal| decide_call(self.seed, &kind, ordinal, self.climate.calls, fed);
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

fn decide_request(seed: u64, kind: &str, ordinal: u64, chance: f64, slow: u64) -> (Option<Fault>, Duration) {
    let mut rng = dice(seed, kind, ordinal);
    let delay = if rng.f64() < 0.01 { rng.u64(40..400) } else { rng.u64(..=slow) };
    let roll = rng.f64();
    let fault = (roll < chance).then(|| match rng.u8(..100) {
        0..25 => Fault::Throttle,
        25..40 => Fault::Lose,
        40..52 => Fault::Fail,
        52..72 => Fault::FailAfter,
        72..97 => Fault::Cut,
        _ => Fault::Stall,
    });
    (fault, Duration::from_millis(delay))
}

fn decide_call(seed: u64, kind: &str, ordinal: u64, chance: f64, fed: bool) -> Going {
    let mut rng = dice(seed, kind, ordinal);
    if rng.f64() >= chance {
        return Going::Well;
    }
    match (rng.u8(..100), fed) {
        (0..45, _) => Going::Dies(rng.u32(1..LONGEST_LIFE)),
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
            let requests = |kind| (0..2000).map(move |_| plan.other_request(kind)).collect::<Vec<_>>();
            let calls = (0..500).map(|_| plan.call("provision", true)).collect::<Vec<_>>();
            (kinds.map(requests), calls)
        });
        assert_eq!(all[0], all[1]);
        assert_ne!(all[0], all[2]);
        assert_ne!(all[0].0[0], all[0].0[1], "kinds have chances of their own");
        assert!(all[0].1.iter().any(|going| matches!(going, Going::Dies(_))));
        // The order in which the kinds come does not matter.
        let other = Plan::new(7, None);
        let mixed: Vec<_> = (0..2000).map(|_| (other.other_request(kinds[1]), other.other_request(kinds[0]))).collect();
        assert!(mixed.iter().map(|(second, _)| second).eq(&all[0].0[1]) && mixed.iter().map(|(_, first)| first).eq(&all[0].0[0]));
        other.heal();
        assert!((0..500).all(|_| other.call("provision", true) == Going::Well && other.other_request("x").0.is_none()));
    }
}
