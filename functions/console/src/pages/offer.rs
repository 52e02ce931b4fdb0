//! The plans that a form offers: those that the partner can order, as the API says, and beside them why others are not among them.

use super::who;
use crate::Desk;
use crate::api::Refusal;
use crate::forms::Fields;
use crate::http::{Form, encoded};
use crate::model::{Page, Plan};
use maud::{Markup, html};

/// What stands in the address for plans that are not paid from a balance.
const CARD: &str = "card";

/// Plans that a partner can order for a payment.
pub struct Offer {
    partner: String,
    /// Those that fit.
    pub plans: Vec<Plan>,
    /// Those that fit but are in a currency that the partner has no balance in.
    unpaid: Vec<Plan>,
    /// Why nobody is the partner that was asked for.
    pub wrong: Option<Refusal>,
}

impl Offer {
    /// Asks what the partner can order that a form names, paid in the way that it names: from its balance unless another is. While no
    /// partner is named, every plan is offered; so it is beside what is wrong with one that is not there.
    pub async fn of(desk: &Desk<'_>, form: &Form, partner: &str, payment: &str) -> Result<Self, Refusal> {
        let plans = || desk.api.call("GET /v1/plans");
        let on_sale = |plans: Page<Plan>| plans.items.into_iter().filter(|plan| !plan.withdrawn).collect::<Vec<_>>();
        let known = match partner {
            "" if form.has(who::NAME) => Err(Refusal::about(who::NAME, format!("{} is required.", who::NAME))),
            "" => Ok(String::new()),
            typed => who::known(desk, typed).await,
        };
        let partner = match known {
            Ok(partner) => partner,
            Err(wrong) if wrong.field.as_deref() == Some(who::NAME) => {
                let plans = on_sale(plans().send().await?);
                return Ok(Self { partner: partner.to_owned(), plans, unpaid: Vec::new(), wrong: Some(wrong) });
            }
            Err(refusal) => return Err(refusal),
        };
        let sold = on_sale(plans().query(who::NAME, &partner).send().await?);
        if partner.is_empty() || !matches!(payment, "" | "balance") {
            return Ok(Self { partner, plans: sold, unpaid: Vec::new(), wrong: None });
        }
        let paid: Page<Plan> = plans().query(who::NAME, &partner).query("payment", "balance").send().await?;
        Ok(Self { partner, unpaid: without(sold, &paid.items), plans: paid.items, wrong: None })
    }

    /// The same, of those plans alone that come on such cards.
    pub fn on(mut self, form_factor: &str) -> Self {
        for plans in [&mut self.plans, &mut self.unpaid] {
            plans.retain(|plan| plan.form_factors.iter().any(|form| form == form_factor));
        }
        self
    }

    /// The choice, and why a plan that was asked for is not in it.
    pub fn choice(&self, fields: &Fields<'_>, label: &str, wanted: &str, page: &str) -> Markup {
        let known = |plans: &[Plan]| plans.iter().any(|plan| plan.plan_id == wanted);
        html! {
            div #offer {
                @if !wanted.is_empty() && !known(&self.plans) && !known(&self.unpaid) {
                    div.beside role="note" { "Plan " (wanted) " is not on sale for this partner, or not on such cards." }
                }
                (fields.choice("planId", label, options(&self.plans)).value(wanted).width("long"))
                @if self.plans.is_empty() { p.hint { "There is no plan that this partner can order and pay for in this way." } }
                @if !self.unpaid.is_empty() {
                    details open[known(&self.unpaid)] {
                        summary { "Plans in a currency without a balance" }
                        ul { @for plan in &self.unpaid {
                            li { (plan.display) " costs " (plan.price) ", and the partner has no balance in " (plan.price.currency.as_str()) ". "
                                a href={ (page) "partnerId=" (encoded(&self.partner)) "&payment=" (CARD) "&planId=" (encoded(&plan.plan_id)) } { "By card" } }
                        } }
                    }
                }
            }
        }
    }
}

/// What a form sends along with which it is not meant to be done, but shown again with the plans of the partner in it.
const STEP: &str = "plans";

/// Whether the form was sent for the plans alone.
pub fn is_asked_for(form: &Form) -> bool {
    form.text("step") == STEP
}

/// The fields that a form's offer goes by: where a script runs, another partner or payment has its plans at once; where none does, a
/// button asks for them. It sends the form as it is, by POST, since neither people's addresses nor the session's token belong into one
/// of the browser's.
pub fn whose(page: &str, form: &str, fields: &Markup) -> Markup {
    html! {
        div.fields hx-get=(page) hx-trigger="change" hx-include="[name=partnerId],[name=payment],[name=planId]"
            hx-target="#offer" hx-select="#offer" hx-select-oob=(format!("#{form}-{}-error", who::NAME)) hx-swap="outerHTML" hx-disinherit="*" { (fields) }
        noscript {
            div.buttons {
                button.plain type="submit" name="step" value=(STEP) formnovalidate { "Show this partner’s plans" }
                span.hint { "The rest of the form stays as it is." }
            }
        }
    }
}

/// Those of the plans that are not among others.
pub fn without(plans: Vec<Plan>, others: &[Plan]) -> Vec<Plan> {
    plans.into_iter().filter(|plan| others.iter().all(|other| other.plan_id != plan.plan_id)).collect()
}

/// Plans to choose from, each with its price.
pub fn options(plans: &[Plan]) -> impl Iterator<Item = (String, String)> {
    plans.iter().map(|plan| (plan.plan_id.clone(), format!("{} · {}", plan.display, plan.price)))
}
