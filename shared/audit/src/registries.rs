//! Registries: whoever goes through all pools, partners, keys, plans or imports goes by them.

use crate::{Check, Rule};
use simdock_domain::{Plan, PoolId};
use simdock_store::{Place, Record};
use std::collections::BTreeSet;

/// Those of a version of a plan.
pub fn neighbours(plan: &Plan) -> BTreeSet<Place> {
    let operators = plan.profiles.iter().map(|profile| Place::operator(&profile.operator));
    let before =
        plan.version.checked_sub(1).filter(|before| *before > 0).map(|before| Place::plan_version(&plan.plan_id, before));
    operators.chain([Place::plan(&plan.plan_id)]).chain(before).collect()
}

impl Check<'_> {
    /// What stands in a registry is there.
    pub(crate) fn registered(&mut self, what: &Place) {
        self.hold(Rule::Registered, self.books.is_there(what), || format!("{what} does not exist"));
    }

    /// A key stands in its registry under its own id.
    pub(crate) fn registered_key(&mut self, id: &str, key: &str) {
        self.registered(&Place::key_in(key));
        let own = Place::registered_key(id);
        let here = self.place == own;
        self.hold(Rule::Registered, here, || format!("it names the key of the entry {own}"));
    }

    /// A key stands in its registry, and so does the partner that it speaks for.
    pub(crate) fn key(&mut self, id: &str, partner_id: Option<&str>) {
        self.in_registry(&Place::registered_key(id));
        if let Some(partner) = partner_id.map(Place::partner) {
            self.hold(Rule::Registered, self.books.is_there(&partner), || format!("its {partner} does not exist"));
        }
    }

    /// What is there stands in its registry.
    pub(crate) fn in_registry(&mut self, entry: &Place) {
        self.hold(Rule::Registered, self.books.is_there(entry), || format!("it has no entry {entry}"));
    }

    pub(crate) fn running_import(&mut self, import: &str) {
        let place = Place::import(import);
        if self.can_tell(Rule::Registered, &place) {
            let running = matches!(self.books.record(&place), Some(Record::Import { is_running: true, .. }));
            self.hold(Rule::Registered, running, || "no such import is running".to_owned());
        }
    }

    pub(crate) fn import(&mut self, import: &str, is_running: bool) {
        if is_running {
            self.in_registry(&Place::running_import(import));
        }
    }

    /// An import is done once all its cards are in stock. Parts of an attempt whose verdict does not stand are nobody's.
    pub(crate) fn chunk(&mut self, import: &str, own: &str) {
        let place = Place::import(import);
        let done = match self.books.record(&place) {
            Some(Record::Import { parts, is_running, .. }) => parts == own && !is_running,
            _ => false,
        };
        self.can_tell(Rule::Stock, &place);
        self.hold(Rule::Stock, !done, || "its cards are not in stock, and their import is done".to_owned());
    }

    pub(crate) fn plan(&mut self, plan_id: &str, version: u32) {
        let there = self.books.is_there(&Place::plan_version(plan_id, version));
        self.hold(Rule::Catalogue, there, || format!("its version {version} does not exist"));
    }

    pub(crate) fn plan_version(&mut self, plan: &Plan) {
        let first = plan.version <= 1;
        let follows = first || self.books.is_there(&Place::plan_version(&plan.plan_id, plan.version - 1));
        self.hold(Rule::Catalogue, follows, || format!("the version before it, {}, does not exist", plan.version - 1));
        let place = Place::plan(&plan.plan_id);
        if !self.can_tell(Rule::Catalogue, &place) {
            return;
        }
        let latest = match self.books.record(&place) {
            Some(Record::Plan { version, .. }) => *version,
            _ => 0,
        };
        self.hold(Rule::Catalogue, plan.version <= latest, || format!("the plan's latest version is {latest}"));
        if plan.version == latest {
            self.hold(Rule::Catalogue, !plan.profiles.is_empty(), || "no card carries it".to_owned());
            let operators: BTreeSet<&str> = plan.profiles.iter().map(|profile| profile.operator.as_str()).collect();
            for operator in operators {
                self.operator(operator);
            }
        }
    }

    /// A pool that sells has its operator. Cards may come in before it: until then no plan can name it.
    pub(crate) fn pool(&mut self, pool: &PoolId) {
        let counter = Place::counter(pool);
        let sells = matches!(self.books.record(&counter), Some(Record::Counter { head, .. }) if *head > 0);
        if sells || !self.can_tell(Rule::Catalogue, &counter) {
            self.operator(&pool.operator);
        }
    }

    /// The operator that a pool's cards, or a plan's on sale, are of: without it nothing can be asked for them.
    pub(crate) fn operator(&mut self, operator: &str) {
        let there = self.books.is_there(&Place::operator(operator));
        self.hold(Rule::Catalogue, there, || format!("its operator {operator} does not exist"));
    }

    /// The version of a plan that an order was sold with; nothing that follows can be decided without it.
    pub(crate) fn sold_plan(&mut self, plan_id: &str, version: u32) {
        let there = self.books.is_there(&Place::plan_version(plan_id, version));
        self.hold(Rule::Catalogue, there, || format!("its plan {plan_id} has no version {version}"));
    }
}
