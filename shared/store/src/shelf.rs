//! What managers do to a card by hand: note something, archive it, bring it back.

use crate::audit::Act;
use crate::sims::{Sim, SimRules, SimState};
use crate::stock::{Aside, Ticket};
use crate::{Conflict, SimStatus, Store, StoreError};
use simdock_domain::{Action, PlanRun, Subscription, Timestamp};
use std::fmt;

/// What is to be changed about a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SimEdit {
    /// What is noted about it; none takes the note away.
    Note(Option<String>),
    /// What it is sorted by.
    Labels(Vec<String>),
    /// What is to be done with it by itself.
    Rules(SimRules),
}

/// How a card is archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Archiving {
    /// It is, by whatever way.
    Done,
    /// It leaves the stock, from this slot.
    OffSale(u64),
    /// It is shown as archived, as nothing runs on it.
    Hidden,
}

/// How a card that a manager archived is brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restoring {
    /// It goes back on sale with the next sweep.
    OnSale,
    /// It is shown as it stands.
    Shown,
}

/// Why a card is neither archived nor brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Something is being done with it.
    InProgress,
    /// A plan waits or runs on it.
    InUse,
    /// No manager archived it.
    NotArchived,
    /// Its deadline is too near for it to be sold.
    TooNear,
}

impl Kept {
    /// A stable word, and a sentence for a person.
    pub fn explain(self) -> (&'static str, &'static str) {
        match self {
            Self::InProgress => ("in_progress", "Something is being done with the card. Wait until that is settled."),
            Self::InUse => ("in_use", "A plan waits or runs on the card. Cancel its subscription first."),
            Self::NotArchived => ("not_archived", "No manager archived the card, so that there is nothing to bring back."),
            Self::TooNear => ("deadline", "The last day to install the card is too near for it to be sold."),
        }
    }
}

impl Sim {
    /// What archiving the card means. `subscription` is the one that it carries or carried.
    pub fn archiving(&self, subscription: Option<&Subscription>) -> Result<Archiving, Kept> {
        match self.status(subscription, true) {
            SimStatus::Archived => Ok(Archiving::Done),
            SimStatus::Blank => self.slot.map(Archiving::OffSale).ok_or(Kept::InProgress),
            SimStatus::Invalid => Ok(Archiving::Hidden),
            SimStatus::Suspended if subscription.is_some_and(|known| !known.plans.iter().any(PlanRun::is_open)) => {
                Ok(Archiving::Hidden)
            }
            SimStatus::Suspended | SimStatus::ActivationReady | SimStatus::Active => Err(Kept::InUse),
            SimStatus::Pending | SimStatus::NotAvailable => Err(Kept::InProgress),
        }
    }

    /// What bringing the card back means.
    pub fn restoring(&self, now: Timestamp) -> Result<Restoring, Kept> {
        match self.state {
            _ if self.archived_at.is_none() => Err(Kept::NotArchived),
            // It was taken off sale: nobody had it.
            SimState::SetAside if self.order_num.is_none() && self.disclosed_at.is_none() => {
                if Store::too_near(self.activate_before, now) { Err(Kept::TooNear) } else { Ok(Restoring::OnSale) }
            }
            SimState::Stocked
            | SimState::Sold
            | SimState::Active
            | SimState::Returning
            | SimState::Retired
            | SimState::SetAside => Ok(Restoring::Shown),
        }
    }
}

/// For the log: what was written about a card is for who reads the card.
impl fmt::Display for SimEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Note(None) => f.write_str("no note"),
            Self::Note(Some(_)) => f.write_str("note"),
            Self::Labels(labels) if labels.is_empty() => f.write_str("no labels"),
            Self::Labels(labels) => write!(f, "labels {}", labels.join(", ")),
            Self::Rules(SimRules { suspend_at_month_mb: None }) => f.write_str("no rules"),
            Self::Rules(SimRules { suspend_at_month_mb: Some(most) }) => write!(f, "suspended at {most} MB in a month"),
        }
    }
}

fn act<'a>(by: &'a str, action: Action, sim: &'a Sim, details: Option<String>) -> Act<'a> {
    Act { by, action, target: sim.iccid.as_str(), details }
}

impl Store {
    /// Changes what managers noted about a card; refused if somebody else did since it was read.
    pub async fn edit_sim(&self, sim: &Sim, edits: &[SimEdit], by: &str) -> Result<Result<(), Conflict>, StoreError> {
        let mut write = self.transaction();
        write.edited(sim, edits)?;
        let details = edits.iter().map(SimEdit::to_string).collect::<Vec<_>>().join("; ");
        write.push(self.audit_put(&act(by, Action::SimEdited, sim, Some(details)))?);
        write.commit().await
    }

    /// Archives a card as was decided; refused if it stands elsewhere meanwhile.
    pub async fn archive_sim(&self, sim: &Sim, archiving: Archiving, by: &str) -> Result<Result<(), Conflict>, StoreError> {
        let (mut write, now) = (self.transaction(), self.clock.now());
        match archiving {
            Archiving::Done => return Ok(Ok(())),
            Archiving::Hidden => {
                write.archived(sim, now)?;
            }
            Archiving::OffSale(slot) => {
                for item in self.aside(&sim.pool, &[Ticket::of_card(sim, slot)], Aside::Archived(now))? {
                    write.push(item);
                }
            }
        }
        write.push(self.audit_put(&act(by, Action::SimArchived, sim, None))?);
        write.commit().await
    }

    /// Brings a card back as was decided; refused if it stands elsewhere meanwhile.
    pub async fn restore_sim(&self, sim: &Sim, restoring: Restoring, by: &str) -> Result<Result<(), Conflict>, StoreError> {
        let mut write = self.transaction();
        match restoring {
            Restoring::OnSale => write.back_on_sale(sim)?,
            Restoring::Shown => write.unarchived(sim)?,
        };
        write.push(self.audit_put(&act(by, Action::SimRestored, sim, None))?);
        write.commit().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn card(changes: &serde_json::Value) -> Sim {
        let mut stored = json!({"iccid": "8934501234567890125", "pool": "meridian.7.esim", "state": "stocked"});
        stored.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        serde_json::from_value(stored).unwrap()
    }

    fn subscription(plan: &serde_json::Value, more: &serde_json::Value) -> Subscription {
        let mut stored = json!({
            "subscriptionId": "SUY7YCW29EC2NQGQ6H", "partnerId": "acme", "mo": "EP0123456789ABCDEF", "po": "meridian.7.esim",
            "ic": "8934501234567890125", "cr": 1, "version": 1,
            "pl": [{"o": "EP0123456789ABCDEF", "p": "eu-5gb-30d", "v": 1, "f": 0, "d": 30, "b": 1, "s": plan}],
        });
        stored.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(stored).unwrap()
    }

    #[test]
    fn a_card_on_which_nothing_runs_can_be_archived() {
        let order = "EP0123456789ABCDEF";
        let (waits, over) = (json!("w"), json!({"e": {"t": 2, "y": "x"}}));
        let active = json!({"state": "active", "order": order});
        let suspended = json!({"sv": {"x": {"s": 1}}});
        for (card_is, line, expected) in [
            (json!({"slot": 7}), None, Ok(Archiving::OffSale(7))),
            (json!({"state": "sold", "order": order}), None, Err(Kept::InProgress)),
            (json!({"state": "returning", "order": order}), None, Err(Kept::InProgress)),
            (json!({"state": "set_aside", "order": order}), None, Ok(Archiving::Hidden)),
            (json!({"state": "set_aside", "order": order, "disclosed": 1}), None, Ok(Archiving::Done)),
            (json!({"state": "set_aside"}), None, Ok(Archiving::Done)),
            (json!({"state": "retired"}), None, Ok(Archiving::Done)),
            (active.clone(), None, Ok(Archiving::Hidden)),
            (active.clone(), Some((&waits, json!({}))), Err(Kept::InUse)),
            (active.clone(), Some((&waits, suspended.clone())), Err(Kept::InUse)),
            (active.clone(), Some((&over, json!({}))), Ok(Archiving::Hidden)),
            (active.clone(), Some((&over, suspended)), Ok(Archiving::Hidden)),
            (active, Some((&waits, json!({"en": [2, "c"]}))), Ok(Archiving::Done)),
        ] {
            let line = line.map(|(plan, more)| subscription(plan, &more));
            assert_eq!(card(&card_is).archiving(line.as_ref()), expected, "{card_is}");
        }
    }

    #[test]
    fn only_what_a_manager_archived_is_brought_back_and_on_sale_only_what_nobody_had() {
        let now = Timestamp::from_unix(1_000_000);
        for (card_is, expected) in [
            (json!({"slot": 7}), Err(Kept::NotArchived)),
            (json!({"state": "retired"}), Err(Kept::NotArchived)),
            (json!({"state": "set_aside", "disclosed": 1}), Err(Kept::NotArchived)),
            (json!({"state": "set_aside", "archived": 1}), Ok(Restoring::OnSale)),
            (json!({"state": "set_aside", "archived": 1, "until": 1_000_001}), Err(Kept::TooNear)),
            (json!({"state": "set_aside", "archived": 1, "disclosed": 1}), Ok(Restoring::Shown)),
            (json!({"state": "set_aside", "archived": 1, "order": "EP0123456789ABCDEF"}), Ok(Restoring::Shown)),
            (json!({"state": "active", "archived": 1}), Ok(Restoring::Shown)),
        ] {
            assert_eq!(card(&card_is).restoring(now), expected, "{card_is}");
        }
    }
}
