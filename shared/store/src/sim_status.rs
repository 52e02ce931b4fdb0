//! Where a card stands, in the words that people who look after cards have for it.

use crate::{Sim, SimState};
use simdock_domain::{PlanRun, RunState, Service, Subscription, Timestamp};

/// Where a card stands (SIM seed, the list of statuses). It is derived, never stored: see [`Sim::status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimStatus {
    /// Its operator is not one of the catalogue's, so that there is no integration.
    NotAvailable,
    /// Something is being done with it.
    Pending,
    /// It has no line.
    Blank,
    /// It has a line and a plan, and nobody has used it.
    ActivationReady,
    /// It works.
    Active,
    /// It is kept out of the network, or nothing runs on it any more.
    Suspended,
    /// Something went wrong with the integration.
    Invalid,
    /// It is not used any more.
    Archived,
}

impl SimStatus {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::NotAvailable,
        Self::Pending,
        Self::Blank,
        Self::ActivationReady,
        Self::Active,
        Self::Suspended,
        Self::Invalid,
        Self::Archived,
    ];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotAvailable => "not_available",
            Self::Pending => "pending",
            Self::Blank => "blank",
            Self::ActivationReady => "activation_ready",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Invalid => "invalid",
            Self::Archived => "archived",
        }
    }

    /// The status of a name on the wire.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// Whether a card is online (SIM seed, "In session"); not every operator tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InSession {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// Nobody told.
    Unknown,
}

impl InSession {
    /// Every answer.
    pub const ALL: [Self; 3] = [Self::Yes, Self::No, Self::Unknown];

    /// What a subscription's `session` says.
    pub fn of(session: Option<(bool, Timestamp)>) -> Self {
        match session {
            Some((true, _)) => Self::Yes,
            Some((false, _)) => Self::No,
            None => Self::Unknown,
        }
    }

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "n/a",
        }
    }

    /// The answer of a name on the wire.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|answer| answer.name() == name)
    }
}

impl Sim {
    /// Where the card stands. `subscription` is the one that it carries or carried; `integrated` says whether its operator is in the
    /// catalogue. The first row that fits counts:
    ///
    /// | card | subscription | status |
    /// |---|---|---|
    /// | of an operator without integration, and not archived by the rows below | | `not_available` |
    /// | in stock | | `blank` |
    /// | sold and not activated yet, or on its way back to stock | | `pending` |
    /// | refused by its operator, and not archived by a manager | | `invalid` |
    /// | otherwise set aside, or replaced or stopped | | `archived` |
    /// | active, archived by a manager | not there, or no plan waits or runs | `archived` |
    /// | active | not there | `invalid` |
    /// | | ended | `archived` |
    /// | | waits for this card to be installed, in a swap | `pending` |
    /// | | has another card | `archived` |
    /// | | is being swapped, cancelled or paid back, suspended or resumed | `pending` |
    /// | | is suspended, or no plan waits or runs | `suspended` |
    /// | installed, or used | | `active` |
    /// | active | a plan waits | `activation_ready` |
    pub fn status(&self, subscription: Option<&Subscription>, integrated: bool) -> SimStatus {
        match self.integrated_status(subscription) {
            SimStatus::Archived => SimStatus::Archived,
            _ if !integrated => SimStatus::NotAvailable,
            status => status,
        }
    }

    fn integrated_status(&self, subscription: Option<&Subscription>) -> SimStatus {
        let archived = self.archived_at.is_some();
        match self.state {
            SimState::Stocked => SimStatus::Blank,
            SimState::Sold | SimState::Returning => SimStatus::Pending,
            // One that was sold and whose code never left is set aside only when its operator refuses it: if it is revoked, it goes
            // back to stock.
            SimState::SetAside if self.order_num.is_some() && self.disclosed_at.is_none() && !archived => SimStatus::Invalid,
            SimState::SetAside | SimState::Retired => SimStatus::Archived,
            // Where a plan was added since, it is in use again.
            SimState::Active if archived && subscription.is_none_or(|known| !known.plans.iter().any(PlanRun::is_open)) => {
                SimStatus::Archived
            }
            SimState::Active => subscription.map_or(SimStatus::Invalid, |subscription| self.status_on(subscription)),
        }
    }

    fn status_on(&self, subscription: &Subscription) -> SimStatus {
        let change = subscription.open_change.as_ref();
        if subscription.ended.is_some() {
            return SimStatus::Archived;
        }
        if subscription.iccid != self.iccid {
            let waits = change.is_some_and(|change| change.new_iccid.as_ref() == Some(&self.iccid));
            return if waits { SimStatus::Pending } else { SimStatus::Archived };
        }
        if change.is_some() {
            return SimStatus::Pending;
        }
        let runs = |run: &PlanRun| matches!(run.state, RunState::Running { .. });
        match subscription.service {
            Service::Suspending { .. } | Service::Resuming { .. } => SimStatus::Pending,
            Service::Suspended { .. } => SimStatus::Suspended,
            Service::On if !subscription.plans.iter().any(PlanRun::is_open) => SimStatus::Suspended,
            Service::On if self.profile.installed_at.is_some() || subscription.plans.iter().any(runs) => SimStatus::Active,
            Service::On => SimStatus::ActivationReady,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const CARD: &str = "8934501234567890125";
    const OTHER: &str = "8934501234567890133";
    const ORDER: &str = "EP0123456789ABCDEF";

    /// A card that was sold, in a state.
    fn card(state: SimState) -> Sim {
        let card = json!({"iccid": CARD, "pool": "meridian.7.esim", "state": "stocked", "order": ORDER});
        Sim { state, ..serde_json::from_value(card).unwrap() }
    }

    /// A subscription of the card with one plan that waits, and with other attributes.
    fn subscription(changes: &Value) -> Subscription {
        let mut stored = json!({
            "subscriptionId": "SUY7YCW29EC2NQGQ6H", "partnerId": "acme", "mo": ORDER, "po": "meridian.7.esim", "ic": CARD,
            "pl": [{"o": ORDER, "p": "eu-5gb-30d", "v": 1, "f": 0, "d": 30, "b": 1, "s": "w"}], "cr": 1, "version": 1,
        });
        for (name, value) in changes.as_object().unwrap() {
            stored[name] = value.clone();
        }
        serde_json::from_value(stored).unwrap()
    }

    fn with_plan(state: &Value) -> Subscription {
        let mut changed = serde_json::to_value(subscription(&json!({}))).unwrap();
        changed["pl"][0]["s"] = state.clone();
        serde_json::from_value(changed).unwrap()
    }

    #[test]
    fn a_card_without_a_line_stands_as_its_state_says() {
        let mut returned = card(SimState::SetAside);
        returned.disclosed_at = Some(Timestamp::from_unix(1));
        let mut stale = card(SimState::SetAside);
        stale.order_num = None;
        for (card, status) in [
            (card(SimState::Stocked), SimStatus::Blank),
            (card(SimState::Sold), SimStatus::Pending),
            (card(SimState::Returning), SimStatus::Pending),
            (card(SimState::SetAside), SimStatus::Invalid),
            (returned, SimStatus::Archived),
            (stale, SimStatus::Archived),
            (card(SimState::Retired), SimStatus::Archived),
            (card(SimState::Active), SimStatus::Invalid),
        ] {
            assert_eq!(card.status(None, true), status, "{:?}", card.state);
        }
    }

    #[test]
    fn a_card_without_an_integration_is_not_available() {
        for (state, status) in [
            (SimState::Stocked, SimStatus::NotAvailable),
            (SimState::Sold, SimStatus::NotAvailable),
            (SimState::Active, SimStatus::NotAvailable),
            (SimState::Retired, SimStatus::Archived),
        ] {
            assert_eq!(card(state).status(None, false), status, "{state:?}");
        }
    }

    #[test]
    fn what_a_manager_archived_is_archived_for_as_long_as_nothing_runs_on_it() {
        let archived = |state: SimState| Sim { archived_at: Some(Timestamp::from_unix(1)), ..card(state) };
        let over = with_plan(&json!({"e": {"t": 2, "y": "x"}}));
        assert_eq!(archived(SimState::Active).status(Some(&over), true), SimStatus::Archived);
        assert_eq!(archived(SimState::Active).status(None, true), SimStatus::Archived);
        assert_eq!(archived(SimState::SetAside).status(None, true), SimStatus::Archived);
        assert_eq!(archived(SimState::Sold).status(None, true), SimStatus::Pending);
        let added = subscription(&json!({}));
        assert_eq!(archived(SimState::Active).status(Some(&added), true), SimStatus::ActivationReady);
    }

    #[test]
    fn a_card_with_a_line_stands_as_its_subscription_does() {
        let over = json!({"e": {"t": 2, "y": "x"}});
        let running = json!({"r": {"f": 1, "u": 9}});
        let change = |kind: &str, new: Option<&str>| json!({"oc": {"k": kind, "o": ORDER, "i": new, "u": 9}});
        let moved = |mut changes: Value| {
            changes["ic"] = OTHER.into();
            subscription(&changes)
        };
        let asked = json!({"s": 1, "n": 0, "t": 1, "x": 1});
        for (subscription, status) in [
            (subscription(&json!({})), SimStatus::ActivationReady),
            (with_plan(&running), SimStatus::Active),
            (with_plan(&over), SimStatus::Suspended),
            (subscription(&json!({"sv": {"s": asked}})), SimStatus::Pending),
            (subscription(&json!({"sv": {"x": {"s": 1}}})), SimStatus::Suspended),
            (subscription(&json!({"sv": {"r": asked}})), SimStatus::Pending),
            (subscription(&change("c", None)), SimStatus::Pending),
            (subscription(&change("r", None)), SimStatus::Pending),
            (subscription(&change("s", Some(OTHER))), SimStatus::Pending),
            (moved(change("s", Some(CARD))), SimStatus::Pending),
            (moved(json!({})), SimStatus::Archived),
            (subscription(&json!({"en": [2, "c"]})), SimStatus::Archived),
        ] {
            assert_eq!(card(SimState::Active).status(Some(&subscription), true), status, "{subscription:?}");
            // What the operator or the stock did with it counts first.
            assert_eq!(card(SimState::Retired).status(Some(&subscription), true), SimStatus::Archived);
        }
        let mut installed = card(SimState::Active);
        installed.profile.installed_at = Some(Timestamp::from_unix(2));
        assert_eq!(installed.status(Some(&subscription(&json!({}))), true), SimStatus::Active);
        assert_eq!(installed.status(Some(&with_plan(&over)), true), SimStatus::Suspended);
    }

    #[test]
    fn names_lead_back_to_their_status() {
        for status in SimStatus::ALL {
            assert_eq!(SimStatus::from_name(status.name()), Some(status));
        }
        assert_eq!(SimStatus::from_name("available"), None);
    }
}
