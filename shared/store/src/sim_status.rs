//! Where a card stands, in the words that people who look after cards have for it.

use crate::{Sim, SimState};
use simdock_domain::{PlanRun, RunState, Service, Subscription};

/// Where a card stands (SIM seed, the list of statuses). It is derived, never stored: see [`Sim::status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimStatus {
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
    pub const ALL: [Self; 7] =
        [Self::Pending, Self::Blank, Self::ActivationReady, Self::Active, Self::Suspended, Self::Invalid, Self::Archived];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
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

impl Sim {
    /// Where the card stands. `subscription` is the one that it carries or carried. The first row that fits counts:
    ///
    /// | card | subscription | status |
    /// |---|---|---|
    /// | in stock | | `blank` |
    /// | sold and not activated yet, or on its way back to stock | | `pending` |
    /// | refused by its operator | | `invalid` |
    /// | otherwise set aside, or replaced or stopped | | `archived` |
    /// | active | not there | `invalid` |
    /// | | ended | `archived` |
    /// | | waits for this card to be installed, in a swap | `pending` |
    /// | | has another card | `archived` |
    /// | | is being swapped, cancelled or paid back, suspended or resumed | `pending` |
    /// | | is suspended, or no plan waits or runs | `suspended` |
    /// | installed, or used | | `active` |
    /// | active | a plan waits | `activation_ready` |
    ///
    /// The seed's "not available", a card without an integration, does not occur: only cards of known operators come into stock.
    pub fn status(&self, subscription: Option<&Subscription>) -> SimStatus {
        match self.state {
            SimState::Stocked => SimStatus::Blank,
            SimState::Sold | SimState::Returning => SimStatus::Pending,
            // One that was sold and whose code never left is set aside only when its operator refuses it: if it is revoked, it goes
            // back to stock.
            SimState::SetAside if self.order_num.is_some() && self.disclosed_at.is_none() => SimStatus::Invalid,
            SimState::SetAside | SimState::Retired => SimStatus::Archived,
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
    use simdock_domain::Timestamp;

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
            assert_eq!(card.status(None), status, "{:?}", card.state);
        }
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
            assert_eq!(card(SimState::Active).status(Some(&subscription)), status, "{subscription:?}");
            // What the operator or the stock did with it counts first.
            assert_eq!(card(SimState::Retired).status(Some(&subscription)), SimStatus::Archived);
        }
        let mut installed = card(SimState::Active);
        installed.profile.installed_at = Some(Timestamp::from_unix(2));
        assert_eq!(installed.status(Some(&subscription(&json!({})))), SimStatus::Active);
        assert_eq!(installed.status(Some(&with_plan(&over))), SimStatus::Suspended);
    }

    #[test]
    fn names_lead_back_to_their_status() {
        for status in SimStatus::ALL {
            assert_eq!(SimStatus::from_name(status.name()), Some(status));
        }
        assert_eq!(SimStatus::from_name("available"), None);
    }
}
