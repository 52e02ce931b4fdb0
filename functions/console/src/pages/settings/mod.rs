//! Settings: plans, partners with their keys and balances, managers' keys, and who changed what.

pub mod audit;
pub mod keys;
pub mod partners;
pub mod plans;

use maud::{Markup, html};

/// The parts of the settings.
pub fn tabs(current: &str) -> Markup {
    html! {
        nav.tabs aria-label="Settings" {
            ul {
                @for (name, title) in [("plans", "Plans"), ("partners", "Partners"), ("keys", "Managers’ keys"), ("audit", "Audit log")] {
                    li { a href={ "/console/settings/" (name) } aria-current=[(name == current).then_some("page")] { (title) } }
                }
            }
        }
    }
}
