//! Which card has which activation code. A code stands for one profile, and a profile is sold once: a card that comes into stock
//! claims its code for good, in the same transaction. Claims go by a hash of what the code downloads, so no code stands in a key.

use crate::inspect::{Record, Table};
use crate::item::{Item, text, text_of};
use crate::sims::Sim;
use crate::stock::{NewCard, built};
use crate::together::at_most;
use crate::write::TransactError;
use crate::{Store, StoreError, keys};
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use simdock_domain::Iccid;
use std::collections::{BTreeMap, BTreeSet};

/// How many requests are under way at once.
const AT_ONCE: usize = 8;

/// Why a new card cannot come into stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The card came in before.
    Card,
    /// Its code came in before, with this card.
    Code(Iccid),
}

/// What became of giving each card its code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codes {
    /// How many codes belong to one card each.
    pub claimed: usize,
    /// Cards whose code belongs to another card, and that card: profiles that stand twice.
    pub twice: Vec<(Iccid, Iccid)>,
}

impl Store {
    /// Which of these cards, no two of one number, cannot come into stock, and why.
    pub async fn taken(&self, cards: &[&NewCard]) -> Result<BTreeMap<Iccid, Taken>, StoreError> {
        let iccids: Vec<Iccid> = cards.iter().map(|card| card.iccid.clone()).collect();
        let known = self.known_cards(&iccids).await?;
        let profiles: Vec<(&Iccid, String)> = cards.iter().filter_map(|card| Some((&card.iccid, card.profile_id()?))).collect();
        let holders = self.code_holders(profiles.iter().map(|(_, profile)| profile.clone()).collect()).await?;
        let with_code = profiles.into_iter().filter_map(|(iccid, profile)| {
            let holder = holders.get(&profile).filter(|holder| *holder != iccid)?;
            Some((iccid.clone(), Taken::Code(holder.clone())))
        });
        let mut taken: BTreeMap<Iccid, Taken> = with_code.collect();
        taken.extend(known.into_iter().map(|iccid| (iccid, Taken::Card)));
        Ok(taken)
    }

    /// The cards that claimed the codes of these profiles, by profile.
    pub(crate) async fn code_holders(&self, profiles: BTreeSet<String>) -> Result<BTreeMap<String, Iccid>, StoreError> {
        let keys: Vec<Item> = profiles.iter().map(|profile| keys::code(profile)).collect();
        let found = self.batch_get_all(&self.tables.pools, &keys).await?;
        found.iter().map(|item| Ok((text_of(item, "pk")?.trim_start_matches(keys::CODE).to_owned(), holder(item)?))).collect()
    }

    /// The write by which a card claims the code of a profile.
    pub(crate) fn code_claim(&self, profile: &str, iccid: &Iccid) -> Result<TransactWriteItem, StoreError> {
        let mut item = keys::code(profile);
        item.insert("iccid".to_owned(), text(iccid.as_str()));
        let put = Put::builder().table_name(&self.tables.pools).set_item(Some(item));
        let put = put
            .condition_expression("attribute_not_exists(pk) OR iccid = :iccid")
            .expression_attribute_values(":iccid", text(iccid.as_str()));
        Ok(TransactWriteItem::builder().put(built(put.build())?).build())
    }

    /// Has a card claim its code, if it has one; answers the other card that did before.
    pub async fn claim_code(&self, sim: &Sim) -> Result<Option<Iccid>, StoreError> {
        let Some(profile) = sim.profile_id() else { return Ok(None) };
        match self.transact(vec![self.code_claim(&profile, &sim.iccid)?]).await {
            Ok(()) => Ok(None),
            Err(TransactError::Refused(_)) => holder(&self.pool_item(keys::code(&profile)).await?).map(Some),
            Err(TransactError::Failed(error)) => Err(error),
        }
    }

    /// Has every card claim its code: those that came in before there were claims, and those whose operators gave them codes. Doing it
    /// again changes nothing.
    pub async fn claim_all_codes(&self) -> Result<Codes, StoreError> {
        let mut codes = Codes::default();
        let mut after = None;
        loop {
            let (items, next) = self.inspect(Table::Sims, after).await?;
            let mut sims: Vec<(Box<Sim>, String)> = Vec::with_capacity(items.len());
            for item in items {
                if let Ok(Record::Sim(sim)) = item.record {
                    sims.extend(sim.profile_id().map(|profile| (sim, profile)));
                }
            }
            let holders = self.code_holders(sims.iter().map(|(_, profile)| profile.clone()).collect()).await?;
            let others = sims.iter().map(async |(sim, profile)| match holders.get(profile) {
                Some(holder) => Ok(Some(holder.clone()).filter(|holder| *holder != sim.iccid)),
                None => self.claim_code(sim).await,
            });
            for ((sim, _), other) in sims.iter().zip(at_most(AT_ONCE, others.collect()).await?) {
                match other {
                    None => codes.claimed += 1,
                    Some(other) => codes.twice.push((sim.iccid.clone(), other)),
                }
            }
            after = next;
            if after.is_none() {
                return Ok(codes);
            }
        }
    }
}

/// The card that a claim names.
pub fn holder(claim: &Item) -> Result<Iccid, StoreError> {
    text_of(claim, "iccid")?.parse().map_err(|_| StoreError::Broken("a code without a card".to_owned()))
}
