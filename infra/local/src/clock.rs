//! The stack's clock: the machine's, moved by a number of seconds that only ever grows.

use crate::error::StackError;
use simdock_domain::Timestamp;
use simdock_runtime::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// A clock that can be moved, and tells when it was.
#[derive(Clone, Debug)]
pub struct StackClock {
    offset: Arc<AtomicI64>,
    moved: watch::Sender<i64>,
}

impl StackClock {
    /// A clock that is `offset` seconds ahead of the machine's (behind it, when negative).
    pub fn new(offset: i64) -> Self {
        Self { offset: Arc::new(AtomicI64::new(offset)), moved: watch::Sender::new(offset) }
    }

    /// The clock as the functions see it.
    pub fn for_functions(&self) -> Clock {
        Clock::shifted(Arc::clone(&self.offset))
    }

    /// Seconds between this clock and the machine's.
    pub fn offset(&self) -> i64 {
        self.offset.load(Ordering::Relaxed)
    }

    /// Now, in whole seconds.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.now_ms().div_euclid(1_000))
    }

    /// Now, in milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> i64 {
        let machine = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        i64::try_from(machine).unwrap_or(i64::MAX).saturating_add(self.offset().saturating_mul(1_000))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.shift(i64::try_from(by.as_secs()).unwrap_or(i64::MAX));
    }

    /// Moves the clock forward to a time that is still to come.
    pub fn set(&self, to: Timestamp) -> Result<(), StackError> {
        let by = to.seconds_since(self.now());
        if by < 0 {
            return Err(StackError::new(format!("the clock shows {}; it only moves forward", self.now())));
        }
        self.shift(by);
        Ok(())
    }

    fn shift(&self, seconds: i64) {
        let before = self.offset.fetch_add(seconds, Ordering::Relaxed);
        self.moved.send_replace(before.saturating_add(seconds));
    }

    /// Hears of every move.
    pub fn moves(&self) -> watch::Receiver<i64> {
        self.moved.subscribe()
    }
}

/// Reads an ISO 8601 duration of whole days, hours, minutes and seconds, such as `PT20M` or `P1DT12H`. Years and months have no
/// fixed length, so they are no durations here.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let rest = text.strip_prefix('P')?;
    let (days, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (rest, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let days = designated(days, &[('W', 604_800), ('D', 86_400)])?;
    days.checked_add(designated(time, &[('H', 3_600), ('M', 60), ('S', 1)])?).map(Duration::from_secs)
}

/// Sums numbers followed by their designators, each at most once and in the given order.
fn designated(mut text: &str, designators: &[(char, u64)]) -> Option<u64> {
    let mut seconds = 0_u64;
    for (designator, unit) in designators {
        if let Some((count, rest)) = text.split_once(*designator) {
            if !count.bytes().all(|digit| digit.is_ascii_digit()) {
                return None;
            }
            seconds = seconds.checked_add(count.parse::<u64>().ok()?.checked_mul(*unit)?)?;
            text = rest;
        }
    }
    text.is_empty().then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, seconds) in [
            ("PT20M", 1_200),
            ("PT1H30M", 5_400),
            ("P2D", 172_800),
            ("P1DT1S", 86_401),
            ("P1W", 604_800),
            ("PT0S", 0),
            ("PT90S", 90),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_durations() {
        for text in [
            "",
            "P",
            "PT",
            "P1DT",
            "20M",
            "PT20",
            "PT-1M",
            "PT1.5H",
            "P1M",
            "P1Y",
            "PT1M1H",
            "PT+1M",
            "PTM",
            "PT99999999999999999999S",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn the_clock_moves_forward_only() {
        let clock = StackClock::new(0);
        let moves = clock.moves();
        let later = clock.now().plus_seconds(3_600);
        clock.set(later).unwrap();
        assert!(clock.now() >= later);
        assert!(moves.has_changed().unwrap());
        assert!(clock.set(later.plus_seconds(-60)).is_err());
        assert_eq!(clock.for_functions().now(), clock.now());
    }
}
