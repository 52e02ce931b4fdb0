//! The HTTP side of the functions: from a request to who asks and what for, and from an order to what they read.

mod auth;
mod fields;
mod handler;
mod problem;
mod request;
mod show;
mod view;

pub use auth::{authenticate, manager, visible_to};
pub use fields::Fields;
pub use handler::handle;
pub use problem::Problem;
pub use request::{
    MAX_BODY, body_of, cursor, header, idempotency_key, json_object, order_num, path_parameter, query_parameters, write_cursor,
};
pub use show::{list_entry, show};
pub use view::{CardView, ErrorView, ImportView, InventoryView, ListView, OrderView, PlanView, json};
