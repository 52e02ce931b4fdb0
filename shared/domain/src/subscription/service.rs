//! Whether the operator lets a card into its network.

use super::{RunState, Subscription};
use crate::{Rejected, Timestamp, backoff};
use serde::{Deserialize, Serialize};

/// Whether the operator lets a card into its network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Service {
    /// It does.
    #[default]
    #[serde(rename = "n")]
    On,
    /// It is to be suspended; the operator has not confirmed.
    #[serde(rename = "s")]
    Suspending {
        /// Since when that is wanted.
        #[serde(rename = "s")]
        since: Timestamp,
        /// Attempts that did not succeed.
        #[serde(rename = "n")]
        failed: u32,
        /// When to try again.
        #[serde(rename = "t")]
        next_at: Timestamp,
    },
    /// It does not.
    #[serde(rename = "x")]
    Suspended {
        /// Since when.
        #[serde(rename = "s")]
        since: Timestamp,
    },
    /// It is to be let in again; the operator has not confirmed.
    #[serde(rename = "r")]
    Resuming {
        /// Since when it was suspended.
        #[serde(rename = "x")]
        suspended: Timestamp,
        /// Since when that is wanted.
        #[serde(rename = "s")]
        since: Timestamp,
        /// Attempts that did not succeed.
        #[serde(rename = "n")]
        failed: u32,
        /// When to try again.
        #[serde(rename = "t")]
        next_at: Timestamp,
    },
}

impl Service {
    /// Whether nothing was ever wanted but that the card works.
    pub fn is_on(&self) -> bool {
        *self == Self::On
    }

    /// Since when the operator keeps the card out, if it does.
    pub(super) fn off_since(self) -> Option<Timestamp> {
        match self {
            Self::On | Self::Suspending { .. } => None,
            Self::Suspended { since } => Some(since),
            Self::Resuming { suspended, .. } => Some(suspended),
        }
    }

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::On => "active",
            Self::Suspending { .. } => "suspending",
            Self::Suspended { .. } => "suspended",
            Self::Resuming { .. } => "resuming",
        }
    }
}

impl Subscription {
    /// Wants the card out of the network, or in again.
    pub fn want_service(&self, on: bool, now: Timestamp) -> Result<Self, Rejected> {
        self.open().map_err(Rejected::Closed)?;
        let (failed, next_at) = (0, now);
        let service = match (self.service, on) {
            (Service::On | Service::Resuming { .. }, true) | (Service::Suspended { .. } | Service::Suspending { .. }, false) => {
                return Err(Rejected::Done);
            }
            (Service::On, false) => Service::Suspending { since: now, failed, next_at },
            (Service::Resuming { .. }, false) | (Service::Suspending { .. }, true) => return Err(Rejected::NotDue),
            (Service::Suspended { since }, true) => Service::Resuming { suspended: since, since: now, failed, next_at },
        };
        Ok(Self { service, ..self.clone() }.changed())
    }

    /// The operator did what was wanted. Plans whose time stands still while suspended get that time back.
    pub fn service_changed(&self, now: Timestamp) -> Result<Self, Rejected> {
        let mut next = self.clone();
        match self.service {
            Service::On | Service::Suspended { .. } => return Err(Rejected::Done),
            Service::Suspending { .. } => next.service = Service::Suspended { since: now },
            Service::Resuming { suspended, .. } => {
                next.service = Service::On;
                for run in next.plans.iter_mut().filter(|run| run.pauses) {
                    if let RunState::Running { from, until } = &mut run.state
                        && *until > suspended
                    {
                        *until = until.plus_seconds(now.seconds_since(suspended.max(*from)));
                    }
                }
            }
        }
        Ok(next.changed())
    }

    /// The operator could not be asked.
    pub fn service_delayed(&self, retry_after: Option<u32>, now: Timestamp) -> Result<Self, Rejected> {
        let mut next = self.clone();
        match &mut next.service {
            Service::On | Service::Suspended { .. } => return Err(Rejected::Done),
            Service::Suspending { failed, next_at, .. } | Service::Resuming { failed, next_at, .. } => {
                *failed += 1;
                *next_at = now.plus_seconds(backoff(*failed).max(retry_after.map_or(0, i64::from)));
            }
        }
        Ok(next.changed())
    }

    /// The operator will not do what was wanted: things stay as they were.
    pub fn service_refused(&self) -> Result<Self, Rejected> {
        let service = match self.service {
            Service::On | Service::Suspended { .. } => return Err(Rejected::Done),
            Service::Suspending { .. } => Service::On,
            Service::Resuming { suspended, .. } => Service::Suspended { since: suspended },
        };
        Ok(Self { service, ..self.clone() }.changed())
    }
}
