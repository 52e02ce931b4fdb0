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

/// How many entries of the history of its service a subscription remembers: its item is written with each report, and stays small.
const ENTRIES_REMEMBERED: usize = 12;

/// Something that happened to the service of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceEntry {
    /// When.
    #[serde(rename = "t")]
    pub at: Timestamp,
    /// What.
    #[serde(rename = "e")]
    pub event: ServiceEvent,
    /// Who asked for it; `None` of what the operator said.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub asker: Option<ServiceAsker>,
}

/// The kinds of thing that happen to the service of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceEvent {
    /// Somebody wanted the card out of the network.
    #[serde(rename = "sq")]
    SuspensionRequested,
    /// The operator keeps it out.
    #[serde(rename = "sx")]
    Suspended,
    /// Somebody wanted it in again.
    #[serde(rename = "rq")]
    ResumptionRequested,
    /// The operator lets it in.
    #[serde(rename = "rx")]
    Resumed,
    /// The operator will not do what was wanted last.
    #[serde(rename = "no")]
    Refused,
}

wire_names!(ServiceEvent {
    SuspensionRequested => "suspension_requested",
    Suspended => "suspended",
    ResumptionRequested => "resumption_requested",
    Resumed => "resumed",
    Refused => "refused",
});

/// Who wants a card out of the network, or in again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceAsker {
    /// The partner whose customer the subscriber is.
    #[serde(rename = "p")]
    Partner,
    /// A manager, by name.
    #[serde(rename = "m")]
    Manager(String),
    /// The rule that the card has.
    #[serde(rename = "r")]
    Rule,
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
    /// Wants the card out of the network, or in again. Whether its operator can be asked at all is not known here.
    pub fn want_service(&self, on: bool, asker: ServiceAsker, now: Timestamp) -> Result<Self, Rejected> {
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
        let event = if on { ServiceEvent::ResumptionRequested } else { ServiceEvent::SuspensionRequested };
        Ok(Self { service, ..self.clone() }.with_service_entry(event, Some(asker), now).changed())
    }

    fn with_service_entry(mut self, event: ServiceEvent, asker: Option<ServiceAsker>, at: Timestamp) -> Self {
        self.service_history.push(ServiceEntry { at, event, asker });
        let forgotten = self.service_history.len().saturating_sub(ENTRIES_REMEMBERED);
        self.service_history.drain(..forgotten);
        self
    }

    /// The operator did what was wanted. Plans whose time stands still while suspended get that time back.
    pub fn service_changed(&self, now: Timestamp) -> Result<Self, Rejected> {
        let mut next = self.clone();
        let event = match self.service {
            Service::On | Service::Suspended { .. } => return Err(Rejected::Done),
            Service::Suspending { .. } => {
                next.service = Service::Suspended { since: now };
                ServiceEvent::Suspended
            }
            Service::Resuming { suspended, .. } => {
                next.service = Service::On;
                for run in next.plans.iter_mut().filter(|run| run.pauses) {
                    if let RunState::Running { from, until } = &mut run.state
                        && *until > suspended
                    {
                        *until = until.plus_seconds(now.seconds_since(suspended.max(*from)));
                    }
                }
                ServiceEvent::Resumed
            }
        };
        Ok(next.with_service_entry(event, None, now).changed())
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
    pub fn service_refused(&self, now: Timestamp) -> Result<Self, Rejected> {
        let service = match self.service {
            Service::On | Service::Suspended { .. } => return Err(Rejected::Done),
            Service::Suspending { .. } => Service::On,
            Service::Resuming { suspended, .. } => Service::Suspended { since: suspended },
        };
        Ok(Self { service, ..self.clone() }.with_service_entry(ServiceEvent::Refused, None, now).changed())
    }
}
