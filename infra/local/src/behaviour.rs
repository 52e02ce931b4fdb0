//! What a sandbox was told to do next.

use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};

/// How a sandbox is to answer next.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Behaviour<Mode> {
    /// The mode.
    pub mode: Mode,
    /// For how many requests; for all that follow when not given. Afterwards it is the default mode again.
    pub times: Option<u32>,
}

/// The behaviour of a sandbox that serves many requests at once.
#[derive(Clone, Default)]
pub struct Told<Mode>(Arc<Mutex<Behaviour<Mode>>>);

impl<Mode: Copy + Default> Told<Mode> {
    /// Sets how to answer from now on.
    pub fn tell(&self, behaviour: Behaviour<Mode>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    /// How the next request is to be answered.
    pub fn behaviour(&self) -> Behaviour<Mode> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mode for one request, which is then used up.
    pub fn take(&self) -> Mode {
        let mut behaviour = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let current = *behaviour;
        match current.times {
            None => {}
            Some(0 | 1) => *behaviour = Behaviour::default(),
            Some(times) => behaviour.times = Some(times - 1),
        }
        if current.times == Some(0) { Mode::default() } else { current.mode }
    }
}
