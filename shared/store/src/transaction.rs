//! What one decision changes, written as one transaction: every item with its condition.

use crate::item::{number, text, to_item};
use crate::pay::Bought;
use crate::shelf::SimEdit;
use crate::sims::{Sim, SimRules};
use crate::stock::built;
use crate::subscriptions::subscription_item;
use crate::write::TransactError;
use crate::{Activation, Conflict, Store, StoreError, keys};
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};
use simdock_domain::{Iccid, Order, OrderNum, Profile, Subscription, Timestamp};

/// What a card gets that was on a phone: whoever installed it had its code.
const ON_PHONE: &str = "SET profile = :next, disclosed = if_not_exists(disclosed, :now)";

/// A card that stands where it was read, with the profile that it had.
fn over_profile(update: UpdateBuilder, sim: &Sim, next: &Profile, now: Timestamp) -> Result<UpdateBuilder, StoreError> {
    let update = update
        .expression_attribute_values(":next", serde_dynamo::to_attribute_value(next)?)
        .expression_attribute_values(":now", number(now.unix()))
        .expression_attribute_values(":was", serde_dynamo::to_attribute_value(sim.state)?);
    Ok(if sim.profile == Profile::default() {
        update.condition_expression("#state = :was AND attribute_not_exists(profile)")
    } else {
        update
            .condition_expression("#state = :was AND profile = :before")
            .expression_attribute_values(":before", serde_dynamo::to_attribute_value(&sim.profile)?)
    })
}

/// A transaction in the making. DynamoDB takes up to [`Store::MOST_AT_ONCE`] items.
#[derive(Debug)]
pub(crate) struct Transaction<'a> {
    store: &'a Store,
    items: Vec<TransactWriteItem>,
}

impl Store {
    /// The most items that one transaction writes.
    pub const MOST_AT_ONCE: usize = 100;

    /// Begins a transaction.
    pub(crate) fn transaction(&self) -> Transaction<'_> {
        Transaction { store: self, items: Vec::new() }
    }
}

impl Transaction<'_> {
    /// How many items it holds.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Writes all or nothing; refused if somebody else changed one of the items first.
    pub async fn commit(self) -> Result<Result<(), Conflict>, StoreError> {
        match self.send().await {
            Ok(()) => Ok(Ok(())),
            Err(TransactError::Refused(_)) => Ok(Err(Conflict)),
            Err(TransactError::Failed(error)) => Err(error),
        }
    }

    /// As [`Self::commit`], telling which items were refused, by their place.
    pub(crate) async fn send(self) -> Result<(), TransactError> {
        self.store.transact(self.items).await
    }

    pub(crate) fn push(&mut self, item: TransactWriteItem) -> &mut Self {
        self.items.push(item);
        self
    }

    fn update(&mut self, update: UpdateBuilder) -> Result<&mut Self, StoreError> {
        Ok(self.push(TransactWriteItem::builder().update(built(update.build())?).build()))
    }

    fn card(&self, iccid: &Iccid) -> UpdateBuilder {
        let update = Update::builder().table_name(&self.store.tables.sims).set_key(Some(keys::sim(iccid)));
        update.expression_attribute_names("#state", "state")
    }

    /// An order over the version before.
    pub fn order(&mut self, next: &Order) -> Result<&mut Self, StoreError> {
        let put = self.store.order_put(next)?;
        Ok(self.push(TransactWriteItem::builder().put(put).build()))
    }

    /// A renewal on its main order. It is appended whatever else happens to that order meanwhile, so that renewals that race are
    /// all listed.
    pub fn renewal(&mut self, main: &OrderNum, renewal: &Order, now: Timestamp) -> Result<&mut Self, StoreError> {
        use aws_sdk_dynamodb::types::AttributeValue::{L, M};
        use simdock_domain::{Entry, Event};
        let entry = Entry::new(now, Event::Renewed, Some(renewal.num.to_string()));
        let update = Update::builder()
            .table_name(&self.store.tables.orders)
            .set_key(Some(keys::order(main)))
            .update_expression(
                "SET rn = list_append(if_not_exists(rn, :none), :num), hi = list_append(hi, :entry) ADD version :one",
            )
            .condition_expression("attribute_exists(orderNum) AND NOT contains(rn, :text)")
            .expression_attribute_values(":none", L(Vec::new()))
            .expression_attribute_values(":num", L(vec![text(renewal.num.as_str())]))
            .expression_attribute_values(":text", text(renewal.num.as_str()))
            .expression_attribute_values(":entry", L(vec![M(to_item(&entry)?)]))
            .expression_attribute_values(":one", number(1));
        self.update(update)
    }

    /// A subscription that begins.
    pub fn begin(&mut self, subscription: &Subscription) -> Result<&mut Self, StoreError> {
        let put = Put::builder().table_name(&self.store.tables.subscriptions).set_item(Some(subscription_item(subscription)?));
        let put = put.condition_expression("attribute_not_exists(subscriptionId)");
        Ok(self.push(TransactWriteItem::builder().put(built(put.build())?).build()))
    }

    /// A subscription over the version before.
    pub fn subscription(&mut self, next: &Subscription) -> Result<&mut Self, StoreError> {
        let put = self.store.subscription_put(next)?;
        Ok(self.push(TransactWriteItem::builder().put(put).build()))
    }

    /// A card that is sold to a line of an order: one that was drawn still stands in its slot; one that was asked for by its number
    /// leaves a dead slot, and whoever draws that draws again. One that works at once is activated in the same write.
    pub fn sold(
        &mut self,
        card: &Bought,
        order: &Order,
        line: usize,
        works_at_once: bool,
        now: Timestamp,
    ) -> Result<&mut Self, StoreError> {
        let mut set = "SET #state = :state, #order = :order".to_owned();
        let mut update = self
            .card(&card.iccid)
            .expression_attribute_names("#order", "order")
            .expression_attribute_values(":state", text(if works_at_once { "active" } else { "sold" }))
            .expression_attribute_values(":order", text(order.num.as_str()))
            .expression_attribute_values(":stocked", text("stocked"));
        update = match card.slot {
            Some(slot) => update
                .condition_expression("#state = :stocked AND slot = :slot AND attribute_not_exists(disclosed)")
                .expression_attribute_values(":slot", number(slot)),
            None => update.condition_expression("#state = :stocked AND attribute_not_exists(disclosed)"),
        };
        if works_at_once {
            set.push_str(", subscription = :subscription");
            update = update.expression_attribute_values(":subscription", text(order.subscription_of(line)));
            if order.mails_codes() {
                set.push_str(", disclosed = :now");
                update = update.expression_attribute_values(":now", number(now.unix()));
            }
        }
        self.update(update.update_expression(set + " REMOVE slot"))
    }

    /// A sold card that its carrier activated; if the order's mail will carry its code, it counts as disclosed from here on.
    pub fn activated(&mut self, order: &Order, activation: &Activation, now: Timestamp) -> Result<&mut Self, StoreError> {
        let iccid = order.lines.get(activation.line).and_then(|line| line.iccid.as_ref());
        let iccid = iccid.ok_or_else(|| StoreError::Broken(format!("line {} has no card", activation.line)))?;
        let mut set = "SET #state = :active, subscription = :subscription".to_owned();
        let mut update = self
            .card(iccid)
            .condition_expression("#state = :sold AND #order = :order")
            .expression_attribute_names("#order", "order")
            .expression_attribute_values(":active", text("active"))
            .expression_attribute_values(":sold", text("sold"))
            .expression_attribute_values(":order", text(order.num.as_str()))
            .expression_attribute_values(":subscription", text(order.subscription_of(activation.line)));
        if order.mails_codes() {
            set.push_str(", disclosed = if_not_exists(disclosed, :now)");
            update = update.expression_attribute_values(":now", number(now.unix()));
        }
        if let Some(code) = &activation.activation_code {
            set.push_str(", code = :code");
            update = update.expression_attribute_values(":code", text(code.to_string()));
        }
        if let Some(msisdn) = &activation.msisdn {
            set.push_str(", msisdn = :msisdn");
            update = update.expression_attribute_values(":msisdn", text(msisdn.to_string()));
        }
        self.update(update.update_expression(set))
    }

    /// A sold card that its carrier refused, set aside.
    pub fn set_aside(&mut self, iccid: &Iccid, order: &OrderNum) -> Result<&mut Self, StoreError> {
        let update = self
            .card(iccid)
            .update_expression("SET #state = :aside")
            .condition_expression("#state = :sold AND #order = :order")
            .expression_attribute_names("#order", "order")
            .expression_attribute_values(":aside", text("set_aside"))
            .expression_attribute_values(":sold", text("sold"))
            .expression_attribute_values(":order", text(order.as_str()));
        self.update(update)
    }

    /// A card that was set aside and is to be provisioned once more for the same order.
    pub fn try_again(&mut self, iccid: &Iccid, order: &OrderNum) -> Result<&mut Self, StoreError> {
        let update = self
            .card(iccid)
            .update_expression("SET #state = :sold REMOVE archived")
            .condition_expression("#state = :aside AND #order = :order")
            .expression_attribute_names("#order", "order")
            .expression_attribute_values(":aside", text("set_aside"))
            .expression_attribute_values(":sold", text("sold"))
            .expression_attribute_values(":order", text(order.as_str()));
        self.update(update)
    }

    /// A card that its carrier revoked. One whose code never left goes back on sale with the next sweep; any other is set aside,
    /// since whoever has its code could install what the next buyer bought.
    pub fn revoked(&mut self, sim: &Sim, order: &OrderNum) -> Result<&mut Self, StoreError> {
        let update = self
            .card(&sim.iccid)
            .update_expression("SET #state = :state")
            .expression_attribute_names("#order", "order")
            .expression_attribute_values(":sold", text("sold"))
            .expression_attribute_values(":active", text("active"))
            .expression_attribute_values(":order", text(order.as_str()));
        let update = match sim.disclosed_at {
            None => update
                .condition_expression("#state IN (:sold, :active) AND #order = :order AND attribute_not_exists(disclosed)")
                .expression_attribute_values(":state", text("returning")),
            Some(_) => update
                .condition_expression("#state IN (:sold, :active) AND #order = :order AND attribute_exists(disclosed)")
                .expression_attribute_values(":state", text("set_aside")),
        };
        self.update(update)?;
        if sim.disclosed_at.is_none() {
            let mark = self.store.put_pool_item(keys::returned(&sim.pool, &sim.iccid))?;
            self.push(mark);
        }
        Ok(self)
    }

    /// A card that carried a subscription and will not again: another took over, or the subscription ended.
    pub fn retired(&mut self, iccid: &Iccid, subscription: &str) -> Result<&mut Self, StoreError> {
        let update = self
            .card(iccid)
            .update_expression("SET #state = :retired")
            .condition_expression("#state = :active AND subscription = :subscription")
            .expression_attribute_values(":retired", text("retired"))
            .expression_attribute_values(":active", text("active"))
            .expression_attribute_values(":subscription", text(subscription));
        self.update(update)
    }

    /// What became of a card on a phone, over what was known before.
    pub fn profile(&mut self, sim: &Sim, next: &Profile) -> Result<&mut Self, StoreError> {
        let update = self.card(&sim.iccid).update_expression(ON_PHONE);
        let now = self.store.clock.now();
        self.update(over_profile(update, sim, next, now)?)
    }

    /// The new card of a swap, which was installed and carries the subscription from here on. The rules of the card before it hold on,
    /// where it has none of its own.
    pub fn took_over(&mut self, sim: &Sim, next: &Profile, subscription: &str, rules: SimRules) -> Result<&mut Self, StoreError> {
        let mut set = format!("{ON_PHONE}, #state = :active, subscription = :subscription");
        let mut update = self
            .card(&sim.iccid)
            .expression_attribute_values(":active", text("active"))
            .expression_attribute_values(":subscription", text(subscription));
        if rules != SimRules::default() {
            set.push_str(", #rules = if_not_exists(#rules, :rules) ADD edition :one");
            update = update
                .expression_attribute_values(":one", number(1))
                .expression_attribute_names("#rules", "rules")
                .expression_attribute_values(":rules", serde_dynamo::to_attribute_value(rules)?);
        }
        let (update, now) = (update.update_expression(set), self.store.clock.now());
        self.update(over_profile(update, sim, next, now)?)
    }

    /// A card that waits to go back on sale and whose code has left: it does not.
    pub fn kept_back(&mut self, sim: &Sim) -> Result<&mut Self, StoreError> {
        let update = self
            .card(&sim.iccid)
            .update_expression("SET #state = :aside")
            .condition_expression("#state = :returning AND attribute_exists(disclosed)")
            .expression_attribute_values(":aside", text("set_aside"))
            .expression_attribute_values(":returning", text("returning"));
        self.update(update)?;
        let mark = self.store.delete_pool_item(keys::returned(&sim.pool, &sim.iccid))?;
        Ok(self.push(mark))
    }

    /// What managers noted about a card.
    pub fn edited(&mut self, sim: &Sim, edits: &[SimEdit]) -> Result<&mut Self, StoreError> {
        let update = Update::builder().table_name(&self.store.tables.sims).set_key(Some(keys::sim(&sim.iccid)));
        let mut update = match sim.edition {
            0 => update.condition_expression("attribute_exists(iccid) AND attribute_not_exists(edition)"),
            edition => update
                .condition_expression("attribute_exists(iccid) AND edition = :edition")
                .expression_attribute_values(":edition", number(edition)),
        };
        let (mut set, mut remove) = (Vec::new(), Vec::new());
        for edit in edits {
            let (name, value) = match edit {
                SimEdit::Note(note) => ("note", note.as_ref().map(text)),
                SimEdit::Labels(labels) if labels.is_empty() => ("labels", None),
                SimEdit::Labels(labels) => ("labels", Some(serde_dynamo::to_attribute_value(labels)?)),
                SimEdit::Rules(rules) if *rules == SimRules::default() => ("rules", None),
                SimEdit::Rules(rules) => ("rules", Some(serde_dynamo::to_attribute_value(rules)?)),
            };
            // Whatever words DynamoDB reserves.
            update = update.expression_attribute_names(format!("#{name}"), name);
            match value {
                None => remove.push(format!("#{name}")),
                Some(value) => {
                    set.push(format!("#{name} = :{name}"));
                    update = update.expression_attribute_values(format!(":{name}"), value);
                }
            }
        }
        let clauses = [("SET", set), ("REMOVE", remove)].into_iter().filter(|(_, parts)| !parts.is_empty());
        let mut expression: Vec<String> = clauses.map(|(word, parts)| format!("{word} {}", parts.join(", "))).collect();
        expression.push("ADD edition :one".to_owned());
        self.update(update.update_expression(expression.join(" ")).expression_attribute_values(":one", number(1)))
    }

    /// A card that a manager archived, as it stands.
    pub fn archived(&mut self, sim: &Sim, now: Timestamp) -> Result<&mut Self, StoreError> {
        let update = self
            .card(&sim.iccid)
            .update_expression("SET archived = :now")
            .condition_expression("#state = :was")
            .expression_attribute_values(":was", serde_dynamo::to_attribute_value(sim.state)?)
            .expression_attribute_values(":now", number(now.unix()));
        self.update(update)
    }

    /// A card that a manager had archived and that is shown as it stands again.
    pub fn unarchived(&mut self, sim: &Sim) -> Result<&mut Self, StoreError> {
        let update = self
            .card(&sim.iccid)
            .update_expression("REMOVE archived")
            .condition_expression("#state = :was")
            .expression_attribute_values(":was", serde_dynamo::to_attribute_value(sim.state)?);
        self.update(update)
    }

    /// A card that a manager had taken off sale and that goes back with the next sweep.
    pub fn back_on_sale(&mut self, sim: &Sim) -> Result<&mut Self, StoreError> {
        let update = self
            .card(&sim.iccid)
            .update_expression("SET #state = :returning REMOVE archived")
            .condition_expression("#state = :aside AND attribute_exists(archived) AND attribute_not_exists(disclosed)")
            .expression_attribute_values(":returning", text("returning"))
            .expression_attribute_values(":aside", text("set_aside"));
        self.update(update)?;
        let mark = self.store.put_pool_item(keys::returned(&sim.pool, &sim.iccid))?;
        Ok(self.push(mark))
    }
}
