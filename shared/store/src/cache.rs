use simdock_domain::Timestamp;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// How long something read stays good without asking again, in seconds: the delay of a key's revocation and of a plan's new version.
const FRESH: i64 = 60;
/// Past this many entries a cache starts over, so that random keys cannot fill the memory.
const MOST: usize = 1000;

/// What was read from a table within the last minute.
#[derive(Debug)]
pub struct Cache<K, V>(Mutex<HashMap<K, (Timestamp, V)>>);

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    /// What is known and fresh.
    pub fn get(&self, key: &K, now: Timestamp) -> Option<V> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back makes nothing last.
        let fresh = |since: Timestamp| (0..FRESH).contains(&(now.unix() - since.unix()));
        entries.get(key).filter(|(since, _)| fresh(*since)).map(|(_, value)| value.clone())
    }

    /// Keeps what was just read.
    pub fn put(&self, key: K, value: V, now: Timestamp) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MOST {
            entries.clear();
        }
        entries.insert(key, (now, value));
    }
}
