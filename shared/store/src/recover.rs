//! What the sweep does about stock: returned cards and those of leaked tickets go back on sale, those whose deadline is too near
//! come off it, those whose code has left do not go back, and consumed slots go.

use crate::item::{Item, number, number_of, text, text_of};
use crate::sims::{Sim, SimState};
use crate::stock::{Aside, CARDS_PER_TRANSACTION, Slotted, Ticket, built};
use crate::together::at_most;
use crate::write::{SendError, TransactError, Twice, send};
use crate::{Conflict, Store, StoreError, keys};
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use simdock_domain::{Iccid, PoolId, Timestamp};
use std::collections::BTreeSet;

/// How many cards on sale one sweep looks at in each pool; after so many minutes it has seen them all.
const LOOKS: u64 = 250;
/// How many drawn slots a sweep takes up at a time.
const BATCH: u64 = 500;
/// How many consumed slots are deleted at once.
const DELETES_AT_ONCE: usize = 25;

/// What a sweep of a pool found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Cards put back on sale after their buyer vanished between ticket and sale.
    pub leaked: usize,
    /// Returned cards put back on sale.
    pub returned: usize,
    /// Cards set aside since their deadline is too near, or since their code has left.
    pub stale: usize,
    /// Consumed slots deleted.
    pub consumed: usize,
}

/// Where the sweep stands in a pool: slots below `low` are done with, those below `seen` were drawn by the sweep before.
#[derive(Clone, Copy)]
struct Marks {
    low: u64,
    seen: u64,
    /// Slots from `low` on that were taken away. Whoever takes one away while a sweep counts those that are there changes this, so that
    /// the sweep's count does not hold any more.
    dead: u64,
}

impl Store {
    /// Puts cards that were marked as returned back on sale, in batches; sets aside those whose code has left. Answers how many of
    /// each.
    async fn restock_returned(&self, pool: &PoolId) -> Result<(usize, usize), StoreError> {
        let items = self.partition(&keys::returns(pool)).await?;
        let iccids: Vec<Iccid> = items
            .iter()
            .map(|item| text_of(item, "sk")?.parse().map_err(|_| StoreError::Broken("a return without a card".to_owned())))
            .collect::<Result<_, _>>()?;
        let (mut restocked, mut aside) = (0, 0);
        // Up to four items per card: its slot, itself, the mark that goes, and its code where its operator gave it one.
        for batch in iccids.chunks(CARDS_PER_TRANSACTION / 2) {
            let mut sims = self.sims(batch).await?;
            let holders = self.code_holders(sims.iter().filter_map(Sim::profile_id).collect()).await?;
            let holder = |sim: &Sim| sim.profile_id().and_then(|profile| holders.get(&profile));
            let has_left = |sim: &Sim| sim.state == SimState::Returning && sim.disclosed_at.is_some();
            let gone: Vec<Sim> = sims.extract_if(.., |sim| has_left(sim)).collect();
            for sim in &gone {
                aside += usize::from(self.keep_back(sim).await?);
            }
            // One that cannot go back must not hold up the others; a person has to look at it. Nor may two with one code, which no
            // transaction would take.
            let mut claiming = BTreeSet::new();
            sims.retain(|sim| {
                sim.state == SimState::Returning
                    && match (holder(sim), sim.profile_id()) {
                        (Some(holder), _) => *holder == sim.iccid,
                        (None, Some(profile)) => claiming.insert(profile),
                        (None, None) => true,
                    }
            });
            let left = batch.len() - gone.len() - sims.len();
            if left > 0 {
                tracing::warn!(pool = %pool, cards = left, "cards are marked as returned and cannot go back on sale");
            }
            if sims.is_empty() {
                continue;
            }
            let mut also = Vec::with_capacity(2 * sims.len());
            for sim in &sims {
                also.push(self.delete_pool_item(keys::returned(pool, &sim.iccid))?);
                if let Some(profile) = sim.profile_id().filter(|_| holder(sim).is_none()) {
                    also.push(self.code_claim(&profile, &sim.iccid)?);
                }
            }
            let put_back = |index: usize, slot: u64| {
                let sim: &Sim = &sims[index];
                let past = sim.past_orders.iter().chain(&sim.order_num);
                let update = Update::builder().table_name(&self.tables.sims).set_key(Some(keys::sim(&sim.iccid)));
                let update = update
                    .update_expression("SET slot = :slot, #state = :stocked, past = :past REMOVE #order, subscription")
                    .condition_expression("#state = :returning AND attribute_not_exists(disclosed)")
                    .expression_attribute_names("#state", "state")
                    .expression_attribute_names("#order", "order")
                    .expression_attribute_values(":stocked", text("stocked"))
                    .expression_attribute_values(":returning", text("returning"))
                    .expression_attribute_values(":past", AttributeValue::L(past.map(|num| text(num.as_str())).collect()))
                    .expression_attribute_values(":slot", number(slot));
                let write = TransactWriteItem::builder().update(built(update.build())?).build();
                Ok(Slotted { iccid: &sim.iccid, activate_before: sim.activate_before, write })
            };
            match self.append(pool, sims.len(), &also, put_back).await {
                Ok(()) => restocked += sims.len(),
                Err(TransactError::Refused(places)) => {
                    // Another sweep was here; what it left is found at the next one.
                    tracing::info!(pool = %pool, refused = places.len(), "returned cards were restocked by somebody else");
                }
                Err(TransactError::Failed(error)) => return Err(error),
            }
        }
        Ok((restocked, aside))
    }

    /// Sets a card aside that was to go back on sale and whose code has left; answers whether this did.
    async fn keep_back(&self, sim: &Sim) -> Result<bool, StoreError> {
        let mut write = self.transaction();
        write.kept_back(sim)?;
        match write.commit().await? {
            Ok(()) => {
                tracing::warn!(iccid = sim.iccid.as_str(), "the code of a returned card has left: set aside");
                Ok(true)
            }
            // Another sweep was here.
            Err(Conflict) => Ok(false),
        }
    }

    /// One sweep of a pool: publishes what was added, puts back returned cards and the cards of leaked tickets, and deletes
    /// consumed slots. A ticket counts as leaked when it was drawn before the sweep before this one, so that buyers in between
    /// their ticket and their sale are left in peace. Two sweeps at once do no harm.
    pub async fn recover_stock(&self, pool: &PoolId, now: Timestamp) -> Result<Recovered, StoreError> {
        let (returned, stale) = self.restock_returned(pool).await?;
        let mut recovered = Recovered { returned, stale, ..Recovered::default() };
        let mut marks = self.marks(pool).await?;
        let counter = self.pool_item(keys::counter(pool)).await?;
        let (head, published) = (number_of(&counter, "head")?, number_of(&counter, "published")?);
        let stale = self.set_aside_stale(pool, head, published, now).await?;
        recovered.stale += stale;
        marks.dead += stale as u64;
        // A sweep that was cut short between its marks and its deletes left these.
        self.drop_slots(pool, &self.slots(pool, marks.low.saturating_sub(BATCH), marks.low).await?).await?;
        while marks.low < marks.seen {
            // A batch at a time, so that a sweep that is cut short has not swept in vain.
            let (from, end) = (marks.low, marks.seen.min(marks.low + BATCH));
            let slots = self.slots(pool, from, end).await?;
            let mut tickets = Vec::with_capacity(slots.len());
            for (slot, item) in &slots {
                tickets.push(Ticket::of_slot(pool, *slot, item)?);
            }
            for batch in tickets.chunks(CARDS_PER_TRANSACTION) {
                let (leaked, stale) = self.give_back_batch(pool, batch.to_vec(), now).await?;
                recovered.leaked += leaked;
                recovered.stale += stale;
            }
            let passed = end - from - slots.len() as u64;
            let next = Marks { low: end, dead: marks.dead.saturating_sub(passed), ..marks };
            if !self.move_marks(pool, marks, next).await? {
                // The other sweep goes on, or the next one does; what was put back is on sale meanwhile.
                self.publish(pool).await?;
                return Ok(recovered);
            }
            self.drop_slots(pool, &slots).await?;
            recovered.consumed += slots.len();
            marks = next;
        }
        self.publish(pool).await?;
        if head > marks.seen {
            self.move_marks(pool, marks, Marks { seen: head, ..marks }).await?;
        }
        Ok(recovered)
    }

    /// Counts anew how many slots were taken away, where more are said to be than are missing; answers how many more. `None` where that
    /// is not so, and where somebody changed the marks meanwhile.
    pub async fn recount_dead(&self, pool: &PoolId) -> Result<Option<u64>, StoreError> {
        let marks = self.marks(pool).await?;
        let tail = number_of(&self.pool_item(keys::tail(pool)).await?, "tail")?;
        let slots = self.slots(pool, marks.low, tail).await?.len() as u64;
        let dead = tail.saturating_sub(marks.low).saturating_sub(slots);
        let moved = dead < marks.dead && self.move_marks(pool, marks, Marks { dead, ..marks }).await?;
        Ok(moved.then_some(marks.dead - dead))
    }

    async fn marks(&self, pool: &PoolId) -> Result<Marks, StoreError> {
        let marks = self.pool_item(keys::marks(pool)).await?;
        Ok(Marks { low: number_of(&marks, "low")?, seen: number_of(&marks, "seen")?, dead: number_of(&marks, "dead")? })
    }

    /// Takes cards off sale whose deadline is too near, and their slots away; what the counter still counts of them is `dead` in
    /// the sweep's marks. Looks at a part of what is on sale, another one each minute.
    async fn set_aside_stale(&self, pool: &PoolId, head: u64, published: u64, now: Timestamp) -> Result<usize, StoreError> {
        let parts = published.saturating_sub(head).div_ceil(LOOKS).max(1);
        let first = head + u64::try_from(now.unix() / 60).unwrap_or(0) % parts * LOOKS;
        let mut stale = Vec::new();
        for (slot, item) in self.slots(pool, first, published.min(first + LOOKS)).await? {
            let ticket = Ticket::of_slot(pool, slot, &item)?;
            if Self::too_near(ticket.activate_before, now) {
                stale.push(ticket);
            }
        }
        let mut aside = 0;
        for batch in stale.chunks(CARDS_PER_TRANSACTION) {
            let mut batch = batch.to_vec();
            while !batch.is_empty() {
                match self.transact(self.aside(pool, &batch, Aside::Unfit)?).await {
                    Ok(()) => {
                        aside += batch.len();
                        break;
                    }
                    // Somebody bought some of them just now, or another sweep was here.
                    Err(TransactError::Refused(places)) if !places.contains(&0) => {
                        let mut place = 0;
                        batch.retain(|_| {
                            place += 2;
                            !places.contains(&(place - 1)) && !places.contains(&place)
                        });
                    }
                    Err(TransactError::Refused(_)) => return Err(StoreError::Broken(format!("pool {pool} has no marks"))),
                    Err(TransactError::Failed(error)) => return Err(error),
                }
            }
        }
        Ok(aside)
    }

    /// The write that takes cards off sale and their slots away: the marks first, then two items for each card.
    pub(crate) fn aside(&self, pool: &PoolId, cards: &[Ticket], why: Aside<'_>) -> Result<Vec<TransactWriteItem>, StoreError> {
        let marks = Update::builder().table_name(&self.tables.pools).set_key(Some(keys::marks(pool)));
        let marks = marks
            .update_expression("ADD dead :more")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":more", number(cards.len()));
        let mut items = vec![TransactWriteItem::builder().update(built(marks.build())?).build()];
        for Ticket { slot, iccid, .. } in cards {
            items.push(self.set_aside_stock(iccid, *slot, why)?);
            items.push(self.delete_pool_item(keys::slot(pool, *slot))?);
        }
        Ok(items)
    }

    async fn drop_slots(&self, pool: &PoolId, slots: &[(u64, Item)]) -> Result<(), StoreError> {
        let dropped = slots.iter().map(|(slot, _)| self.drop_pool_item(keys::slot(pool, *slot)));
        at_most(DELETES_AT_ONCE, dropped.collect()).await?;
        Ok(())
    }

    /// Moves the sweep's marks, unless another sweep has or somebody took a slot away since they were read; answers whether it did.
    async fn move_marks(&self, pool: &PoolId, was: Marks, is: Marks) -> Result<bool, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.pools)
            .set_key(Some(keys::marks(pool)))
            .update_expression("SET low = :new_low, seen = :new_seen, dead = :new_dead")
            .condition_expression("low = :low AND seen = :seen AND (attribute_not_exists(dead) OR dead = :dead)")
            .expression_attribute_values(":low", number(was.low))
            .expression_attribute_values(":new_low", number(is.low))
            .expression_attribute_values(":seen", number(was.seen))
            .expression_attribute_values(":new_seen", number(is.seen))
            .expression_attribute_values(":dead", number(was.dead))
            .expression_attribute_values(":new_dead", number(is.dead));
        match send(Twice::Harmless, || update.clone().send()).await {
            Ok(_) => Ok(true),
            Err(SendError::Refused(_)) => Ok(false),
            Err(SendError::Failed(error)) => Err(error),
        }
    }
}
