//! Looks at subscriptions, stock, cards and mails.

use super::{Line, Outcome, Play, each, list};
use crate::demo::api::{Ask, By};
use crate::demo::{PATIENCE, expect, same};
use crate::error::{Context, StackError};
use crate::mime::Part;
use crate::seed::PARTNER;
use crate::ses::Mail;
use serde_json::Value;
use std::time::{Duration, Instant};

impl Play<'_> {
    /// The subscription of a line, as its partner sees it.
    pub async fn subscription(&self, line: &Line) -> Result<Value, StackError> {
        self.api.send(Ask::get(format!("/v1/subscriptions/{}", line.id)), &[200]).await
    }

    /// The subscription of a line, whose plans have to stand so.
    pub async fn plans(&self, line: &Line, statuses: &[&str]) -> Result<Value, StackError> {
        let found = self.subscription(line).await?;
        same(&format!("the plans of {}", line.order), &each(&found, "plans", "status"), statuses)?;
        Ok(found)
    }

    /// Waits until the service of a line is as it should be.
    pub async fn until_service(&mut self, line: &Line, status: &str) -> Result<Value, StackError> {
        let begun = Instant::now();
        loop {
            let found = self.subscription(line).await?;
            if found["status"] == status {
                self.saw(&line.order, status);
                return Ok(found);
            }
            expect(begun.elapsed() < PATIENCE, format!("{} is not {status}: {found}", line.id))?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The levels of all pools.
    pub(super) async fn levels(&self) -> Result<Value, StackError> {
        self.api.send(Ask::get("/v1/inventory").by(By::Manager), &[200]).await
    }

    /// How many cards of a pool can be sold.
    pub async fn stock(&self, pool: &str) -> Result<i64, StackError> {
        let levels = self.levels().await?;
        let level = list(&levels, "items").iter().find(|level| level["poolId"] == pool);
        level.and_then(|level| level["available"].as_i64()).ok_or_else(|| StackError::new(format!("there is no pool {pool}")))
    }

    /// How many cards of a pool are in stock, card by card.
    pub(super) async fn blank(&self, pool: &str) -> Result<usize, StackError> {
        let mut path = format!("/v1/sims?poolId={pool}&status=blank&limit=100");
        let mut count = 0;
        loop {
            let page = self.api.send(Ask::get(&path).by(By::Manager), &[200]).await?;
            count += list(&page, "items").len();
            let Some(cursor) = page["nextCursor"].as_str() else { return Ok(count) };
            path = format!("/v1/sims?poolId={pool}&status=blank&limit=100&cursor={cursor}");
        }
    }

    /// Holds where a card stands to where it should.
    pub async fn card_is(&self, iccid: &str, status: &str) -> Outcome {
        let card = self.api.send(Ask::get(format!("/v1/sims/{iccid}")).by(By::Manager), &[200]).await?;
        same(&format!("card {iccid}"), &card["status"], status)
    }

    /// How many complimentary orders the partner made.
    pub async fn gifts(&self) -> Result<u32, StackError> {
        let partner = self.store.partner(PARTNER).await.context("the partner")?;
        partner.map(|partner| partner.gifts).ok_or_else(|| StackError::new("there is no partner"))
    }

    /// Holds the mails about an order in the mailbox, by kind, to what they should be.
    pub async fn mails(&self, order: &str, kinds: &[&str]) -> Outcome {
        let mails = self.api.send(Ask::get("/mailbox.json").by(By::Nobody), &[200]).await?;
        let ours = mails.as_array().into_iter().flatten().filter(|mail| mail["orderNum"] == order);
        let mut found: Vec<&str> = ours.filter_map(|mail| mail["mail"].as_str()).collect();
        found.sort_unstable();
        same(&format!("the mails about {order}"), &found, kinds)
    }

    /// The latest mail about an order: where it went, and what it says.
    pub async fn latest_mail(&self, order: &str) -> Result<(String, String), StackError> {
        let ours = |mail: &Mail| mail.tags.get("orderNum").is_some_and(|num| num == order);
        let mail = self.stack.mailbox().mails().into_iter().find(ours);
        let mail = mail.ok_or_else(|| StackError::new(format!("there is no mail about {order}")))?;
        let (_, content) = self.stack.mailbox().mail(&mail.id).await?.ok_or_else(|| StackError::new("the mail is gone"))?;
        Ok((mail.to.join(", "), Part::parse(&content).find("text/plain").map(Part::text).unwrap_or_default()))
    }
}
