//! The HTTP side of the functions: from a request to who asks and what for, and from an order to what they read.

mod actions;
mod auth;
mod fields;
mod gifts;
mod handler;
mod plans;
mod problem;
mod refused;
mod request;
mod serve;
mod settings;
mod show;
mod submit;
mod view;

pub use actions::{ActionView, order_actions, subscription_actions};
pub use auth::{Session, authenticate, card_visible_to, manager, partner_id, visible_to};
pub use fields::Fields;
pub use gifts::eligible;
pub use handler::handle;
pub use plans::{PlanQuery, plans_for};
pub use problem::Problem;
pub use refused::{Cancellation, kept, misfit, not_delivered, not_installed, refused, subscription_of_line, want_service};
pub use request::{
    MAX_BODY, body_of, cursor, flag_parameter, header, idempotency_key, is_id, json_object, optional_idempotency_key, order_num,
    path_parameter, query_parameters, replayed, route, write_cursor,
};
pub use serve::{answer, serve};
pub use settings::{
    AuditEntryView, BalanceView, CreditView, ImportEntryView, KeyView, LedgerEntryView, PartnerView, PlanDetailsView,
    PoolDayView, PoolDetailsView,
};
pub use show::{Codes, line_of, list_entry, show, show_sim, show_subscription};
pub use submit::{Asked, ChangeRequest, change_draft, change_of_subscription, channel, iccids, postal_address, subscription_of};
pub use view::{
    CardView, ErrorView, ImportView, InventoryView, ListView, MAX_ERRORS, OrderView, PlanView, SimView, SubscriptionView,
    WaitingView, json,
};
