//! What a deployed stage needs from a person: its catalogue, its keys, credit on a partner's balance, and alarm levels.

use crate::error::{Context, StackError};
use crate::ids::token;
use serde::Deserialize;
use simdock_domain::{Money, Plan, PoolId};
use simdock_runtime::{Clock, Config};
use simdock_store::{
    ADMINISTRATOR, Credit, Credited, LedgerEntry, Operator, Partner, PartnerChange, PartnerChanged, PoolChanged, Principal, Store,
};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// How many partners are named to whoever asks for one that there is not.
const MOST_NAMED: usize = 20;

/// What to do to the tables of a stage.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Put in operators, partners and plans.
    Load(PathBuf),
    /// Make an API key and show it, once.
    Key(Principal),
    /// Add to a partner's balance.
    Credit {
        /// Whose.
        partner_id: String,
        /// How much, in minor units.
        amount: Money,
        /// What it is for; the same reference counts once.
        reference: String,
    },
    /// List the partners and API keys that were made before there were lists of them, and put the cards' codes on record.
    Register,
    /// Say below how many cards a pool is low.
    PoolAlarm {
        /// Which pool.
        pool: PoolId,
        /// So many; 0 for no alarm.
        level: u64,
    },
    /// Say below which amount a partner's balance is low.
    BalanceAlarm {
        /// Whose.
        partner_id: String,
        /// So much, in minor units; 0 for no alarm.
        level: Money,
    },
}

/// What can be sold, by whom.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    operators: Vec<Operator>,
    partners: Vec<Partner>,
    plans: Vec<Plan>,
}

impl Catalogue {
    /// Reads a catalogue from JSON.
    pub fn parse(text: &str) -> Result<Self, StackError> {
        serde_json::from_str(text).context("the catalogue")
    }

    /// Puts in what is missing, and sets how many complimentary orders each partner may make. Names the plans whose version is
    /// there already with other content, or does not follow the last.
    pub async fn load(&self, store: &Store) -> Result<Vec<String>, StackError> {
        for operator in &self.operators {
            store.put_operator(operator).await.context("operator")?;
        }
        for partner in &self.partners {
            store.put_partner(partner, ADMINISTRATOR).await.context("partner")?;
            let quota = PartnerChange { gift_quota: Some(partner.gift_quota), ..PartnerChange::default() };
            store.change_partner(&partner.partner_id, &quota, ADMINISTRATOR).await.context("gift quota")?;
        }
        let mut refused = Vec::new();
        for plan in &self.plans {
            if store.put_plan(plan, ADMINISTRATOR).await.context("plan")?.is_err() {
                refused.push(format!("{} version {}", plan.plan_id, plan.version));
            }
        }
        Ok(refused)
    }
}

/// The tables of a stage, in the account and region of the environment.
pub fn stage_config(stage: &str, clock: Clock) -> Config {
    let mut variables: BTreeMap<String, String> = std::env::vars().collect();
    for table in ["orders", "sims", "pools", "subscriptions", "partners", "plans"] {
        variables.insert(format!("{}_TABLE", table.to_uppercase()), format!("simdock-{stage}-{table}"));
    }
    Config::new(variables, clock)
}

/// Carries a task out on the tables of a stage, in the account and region of the environment.
pub async fn administer(stage: &str, task: Task) -> Result<(), StackError> {
    let store = Store::new(&stage_config(stage, Clock::system())).await.context("the environment")?;
    match task {
        Task::Load(path) => {
            let text = std::fs::read_to_string(&path).context(format!("the catalogue {}", path.display()))?;
            let catalogue = Catalogue::parse(&text)?;
            let refused = catalogue.load(&store).await?;
            println!("{} plans are in.", catalogue.plans.len() - refused.len());
            match refused.as_slice() {
                [] => Ok(()),
                some => {
                    Err(StackError::new(format!("versions never change and count up by one; not taken: {}", some.join(", "))))
                }
            }
        }
        Task::Key(principal) => {
            let role = match &principal {
                Principal::Partner { partner_id } => {
                    known(&store, partner_id).await?;
                    "partner"
                }
                Principal::Manager { .. } => "manager",
            };
            let key = format!("sdk_{role}_{}", token());
            store.put_key(&key, &principal, None, ADMINISTRATOR).await.context("API key")?;
            println!("{key}");
            Ok(())
        }
        Task::Credit { partner_id, amount, reference } => {
            known(&store, &partner_id).await?;
            let reference = format!("credit#{reference}");
            let before = match store.credit(&Credit::new(&partner_id, amount, &reference)).await.context("credit")? {
                Credited::Now => "",
                Credited::Before(entry) if entry.amount == amount => " (this reference was credited before)",
                Credited::Before(LedgerEntry { amount, .. }) => {
                    return Err(StackError::new(format!("this reference was used before, for {amount}; nothing was credited")));
                }
                Credited::TooLow => return Err(StackError::new("that is more than the balance has")),
            };
            let balance = store.balance(&partner_id, amount.currency).await.context("balance")?;
            println!("The balance of {partner_id} is {balance}{before}.");
            Ok(())
        }
        Task::Register => {
            let (partners, keys) = store.register_all().await.context("the partners table")?;
            println!("{partners} partners and {keys} API keys are listed.");
            let codes = store.claim_all_codes().await.context("the cards' codes")?;
            println!("{} activation codes are on record, each with its card.", codes.claimed);
            for (iccid, holder) in &codes.twice {
                println!("Card {iccid} has the code of card {holder}: one profile stands twice.");
            }
            match codes.twice.len() {
                0 => Ok(()),
                some => Err(StackError::new(format!("{some} cards have another card's code; archive those that are not sold"))),
            }
        }
        Task::PoolAlarm { pool, level } => {
            if store.set_pool_alarm(&pool, None, level, ADMINISTRATOR).await.context("alarm level")? == PoolChanged::NoPool {
                return Err(StackError::new(format!("there is no pool {pool}; importing its first card makes it")));
            }
            println!("Pool {pool} is low with fewer than {level} cards.");
            Ok(())
        }
        Task::BalanceAlarm { partner_id, level } => {
            let watch = PartnerChange { alarm_levels: vec![level], ..PartnerChange::default() };
            if store.change_partner(&partner_id, &watch, ADMINISTRATOR).await.context("alarm level")? == PartnerChanged::NoPartner
            {
                return Err(no_partner(&store, &partner_id).await?);
            }
            println!("The balance of {partner_id} is low below {level}.");
            Ok(())
        }
    }
}

/// Refuses a partner that there is not.
async fn known(store: &Store, partner_id: &str) -> Result<(), StackError> {
    match store.partner(partner_id).await.context("partner")? {
        Some(_) => Ok(()),
        None => Err(no_partner(store, partner_id).await?),
    }
}

/// The refusal, which names those that there are.
async fn no_partner(store: &Store, partner_id: &str) -> Result<StackError, StackError> {
    let page = store.partners(MOST_NAMED, None).await.context("partners")?;
    let mut ids: Vec<String> = page.items.into_iter().map(|partner| partner.partner_id).collect();
    if page.next.is_some() {
        ids.push("more".to_owned());
    }
    let there = match ids.as_slice() {
        [] => "there is none yet".to_owned(),
        some => format!("there are: {}", some.join(", ")),
    };
    Ok(StackError::new(format!("there is no partner {partner_id}; {there}. simdock load or POST /v1/partners makes one")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use simdock_domain::Known;

    #[test]
    fn the_demos_plans_are_without_fault() {
        let catalogue = Catalogue::parse(include_str!("catalogue.json")).unwrap();
        let known = Known {
            operators: catalogue.operators.iter().map(|operator| operator.operator_id.clone()).collect(),
            partners: catalogue.partners.iter().map(|partner| partner.partner_id.clone()).collect(),
            plans: catalogue.plans.iter().map(|plan| plan.plan_id.clone()).collect(),
        };
        for plan in &catalogue.plans {
            assert_eq!(plan.check(&known), Ok(()), "{}", plan.plan_id);
        }
    }
}
