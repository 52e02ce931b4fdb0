use simdock_domain::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The time a function goes by: the machine's own, or one that runs ahead of or behind it by a number of seconds.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset: Arc<AtomicI64>,
    error: Arc<AtomicI64>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock whose distance to the machine's, in seconds, is whatever `offset` holds when it is read.
    pub fn shifted(offset: Arc<AtomicI64>) -> Self {
        Self { offset, error: Arc::default() }
    }

    /// The same clock on a machine where it is wrong by the seconds that `error` holds when it is read.
    #[must_use]
    pub fn wrong_by(&self, error: Arc<AtomicI64>) -> Self {
        Self { offset: Arc::clone(&self.offset), error }
    }

    /// Now, in whole seconds.
    pub fn now(&self) -> Timestamp {
        self.now_exactly().0
    }

    /// Now, and how many microseconds of this second have passed: for what has to be put in sequence within it.
    pub fn now_exactly(&self) -> (Timestamp, u32) {
        let system = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let [offset, error] = [&self.offset, &self.error].map(|seconds| seconds.load(Ordering::Relaxed));
        let seconds = system.as_secs().cast_signed().saturating_add(offset).saturating_add(error);
        (Timestamp::from_unix(seconds), system.subsec_micros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_goes_with_the_right_one() {
        let (offset, error) = (Arc::<AtomicI64>::default(), Arc::<AtomicI64>::default());
        let right = Clock::shifted(Arc::clone(&offset));
        let wrong = right.wrong_by(Arc::clone(&error));
        error.store(-90, Ordering::Relaxed);
        offset.store(86_400, Ordering::Relaxed);
        let ahead = right.now().unix() - wrong.now().unix();
        assert!((89..=90).contains(&ahead), "{ahead}");
        assert!(right.now().unix() - Clock::system().now().unix() >= 86_399);
    }
}
