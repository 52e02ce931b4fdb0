use crate::item::{number, text};
use crate::stock::built;
use crate::write::TransactError;
use crate::{Conflict, Store, StoreError, keys};
use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};
use simdock_domain::{ActivationCode, Msisdn, Order, Timestamp};

/// How many cards one transaction provisions: the order, and a card and a subscription each.
pub const CARDS_PER_TRANSACTION: usize = 49;

/// A card that the carrier activated.
#[derive(Clone, Debug, PartialEq)]
pub struct Activation {
    /// The line's place in the order.
    pub line: usize,
    /// The code that replaces the one from the inventory, if the carrier gave one.
    pub activation_code: Option<ActivationCode>,
    /// The number that replaces the one from the inventory, if the carrier gave one.
    pub msisdn: Option<Msisdn>,
}

impl Activation {
    /// How many activations [`Store::provisioned`] takes at once.
    pub const MOST: usize = CARDS_PER_TRANSACTION;
}

impl Store {
    /// Records what came of provisioning together with the order that says so. An activated card is active, its subscription
    /// begins, and if the order's mail will carry its code, it counts as disclosed from here on. A card whose line failed is set
    /// aside.
    pub async fn provisioned(
        &self,
        next: &Order,
        activations: &[Activation],
        failed: &[usize],
        now: Timestamp,
    ) -> Result<Result<(), Conflict>, StoreError> {
        let mut items = vec![TransactWriteItem::builder().put(self.order_put(next)?).build()];
        for activation in activations {
            let iccid = next.lines.get(activation.line).and_then(|line| line.iccid.as_ref());
            let iccid = iccid.ok_or_else(|| StoreError::Broken(format!("line {} has no card", activation.line)))?;
            let subscription = next.subscription_id(activation.line);
            let mut set = "SET #state = :active, subscription = :subscription".to_owned();
            let mut update = Update::builder()
                .table_name(&self.tables.sims)
                .set_key(Some(keys::sim(iccid)))
                .condition_expression("#state = :sold AND #order = :order")
                .expression_attribute_names("#state", "state")
                .expression_attribute_names("#order", "order")
                .expression_attribute_values(":active", text("active"))
                .expression_attribute_values(":sold", text("sold"))
                .expression_attribute_values(":order", text(next.num.as_str()))
                .expression_attribute_values(":subscription", text(&subscription));
            if next.send_email {
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
            items.push(TransactWriteItem::builder().update(built(update.update_expression(set).build())?).build());

            let mut begun = keys::subscription(&subscription);
            begun.insert("partnerId".to_owned(), text(&next.partner_id));
            begun.insert("orderNum".to_owned(), text(next.num.as_str()));
            begun.insert("iccid".to_owned(), text(iccid.as_str()));
            begun.insert("planId".to_owned(), text(&next.plan_id));
            begun.insert("planVersion".to_owned(), number(next.plan_version));
            begun.insert("createdAt".to_owned(), number(now.unix()));
            let put = Put::builder().table_name(&self.tables.subscriptions).set_item(Some(begun));
            let put = put.condition_expression("attribute_not_exists(subscriptionId)");
            items.push(TransactWriteItem::builder().put(built(put.build())?).build());
        }
        for line in failed {
            let Some(iccid) = next.lines.get(*line).and_then(|line| line.iccid.as_ref()) else { continue };
            let update = Update::builder()
                .table_name(&self.tables.sims)
                .set_key(Some(keys::sim(iccid)))
                .update_expression("SET #state = :aside")
                .condition_expression("#state = :sold AND #order = :order")
                .expression_attribute_names("#state", "state")
                .expression_attribute_names("#order", "order")
                .expression_attribute_values(":aside", text("set_aside"))
                .expression_attribute_values(":sold", text("sold"))
                .expression_attribute_values(":order", text(next.num.as_str()));
            items.push(TransactWriteItem::builder().update(built(update.build())?).build());
        }
        match self.transact(items).await {
            Ok(()) => Ok(Ok(())),
            Err(TransactError::Refused(_)) => Ok(Err(Conflict)),
            Err(TransactError::Failed(error)) => Err(error),
        }
    }
}
