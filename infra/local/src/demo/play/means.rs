//! The stack's own means: its clock, its sweep, its pauses and its sandboxes.

use super::{Line, Outcome, Play, list};
use crate::demo::api::{Ask, By};
use crate::demo::same;
use crate::error::StackError;
use serde_json::{Value, json};

impl Play<'_> {
    /// Asks the stack itself for something.
    async fn local(&self, what: &str, body: &Value) -> Result<Value, StackError> {
        self.api.send(Ask::post(format!("/_local/{what}"), body).by(By::Nobody), &[200]).await
    }

    /// Moves the clock; what fell due has run then.
    pub async fn advance(&self, by: &str) -> Outcome {
        self.local("clock", &json!({ "advance": by })).await.map(|_| ())
    }

    /// Sweeps now.
    pub async fn sweep(&self) -> Outcome {
        let swept = self.local("sweep", &json!({})).await?;
        same("the sweep", &swept["ran"][0]["succeeded"], true)
    }

    /// Stops a source, or lets it go on.
    pub async fn pause(&self, source: &str, paused: bool) -> Outcome {
        self.local("pause", &json!({"source": source, "paused": paused})).await.map(|_| ())
    }

    /// Tells the sandbox operator how to answer once.
    pub async fn operator(&self, mode: &str) -> Outcome {
        self.local("operator", &json!({"mode": mode, "times": 1})).await.map(|_| ())
    }

    /// Tells the sandbox Stripe how to answer once.
    pub async fn stripe(&self, mode: &str) -> Outcome {
        self.local("stripe", &json!({"mode": mode, "times": 1})).await.map(|_| ())
    }

    /// Has the sandbox Stripe tell how its one refund of an order ended.
    pub async fn stripe_tells(&mut self, order: &str, status: &str) -> Outcome {
        let made = self.at_stripe(order).await?;
        let refund = made.first().ok_or_else(|| StackError::new(format!("Stripe has no refund of {order}")))?;
        let told = self.local("stripe/events", &json!({"refund": refund["id"], "status": status})).await?;
        self.did(order, &format!("Stripe: {status}"));
        same("Stripe's event", &told["body"]["result"], "recorded")
    }

    /// Has the sandbox operator tell of a card; the answer has to have this result.
    pub async fn event(&mut self, order: &str, action: &str, iccid: &str, mut event: Value, result: &str) -> Outcome {
        event["iccid"] = iccid.into();
        let told = self.local("operator/events", &event).await?;
        self.did(order, action);
        same(&format!("{action} of {iccid}: {told}"), &told["body"]["result"], result)
    }

    /// Has the sandbox operator tell that a line's card is in a network in Spain for the first time.
    pub async fn attach(&mut self, line: &Line) -> Outcome {
        let attached = json!({"type": "first_attach", "country": "ES"});
        self.event(&line.order, "first attach", &line.card, attached, "recorded").await
    }

    /// Has the sandbox operator tell that a line's card was installed.
    pub async fn install(&mut self, line: &Line) -> Outcome {
        self.event(&line.order, "installed", &line.card, json!({"type": "installed"}), "recorded").await
    }

    /// Has an app tell of a card now, through its partner; the answer has to have this result.
    pub async fn app(&mut self, order: &str, action: &str, iccid: &str, mut event: Value, result: &str) -> Outcome {
        event["at"] = self.now().to_string().into();
        let told = self.api.send(Ask::post(format!("/v1/sims/{iccid}/events"), &event), &[200]).await?;
        self.did(order, action);
        same(&format!("{action} of {iccid}"), &told["result"], result)
    }

    /// What the sandbox operator did to a card, one of `activated`, `revoked` and `changed`.
    pub async fn at_operator(&self, what: &str, iccid: &str) -> Result<Vec<Value>, StackError> {
        let report = self.api.send(Ask::get("/_local/operator").by(By::Nobody), &[200]).await?;
        Ok(list(&report, what).iter().filter(|entry| entry["iccid"] == iccid).cloned().collect())
    }
}
