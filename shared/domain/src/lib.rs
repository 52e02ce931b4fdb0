//! The rules of SIM and eSIM orders, without a clock, a network or a database: what an order is, what each command makes of
//! it, what it still needs, and the numbers and codes of the field.

mod catalogue;
mod eid;
mod email;
mod iccid;
mod lifecycle;
mod lpa;
mod money;
mod msisdn;
mod order;
mod order_num;
mod place;
mod refundable;
mod time;

pub use crate::catalogue::{
    AddOn, AddOnError, AddOnKind, FlowType, FormFactor, MAX_DATA_ADD_ONS, Plan, PoolId, ProfileCost, RefundPolicy,
};
pub use crate::eid::{Eid, EidError};
pub use crate::email::{EmailAddress, EmailAddressError};
pub use crate::iccid::{Iccid, IccidError};
pub use crate::lifecycle::{
    Cards, Command, Intake, Job, MAIL_LEASE, MAX_ATTEMPTS, Outstanding, QUIET, REFUND_LEASE, REFUND_PATIENCE, Rejected, backoff,
    decide, decide_all, due, next_attention, outstanding,
};
pub use crate::lpa::{ActivationCode, ActivationCodeError};
pub use crate::money::{Currency, CurrencyError, Money};
pub use crate::msisdn::{Msisdn, MsisdnError};
pub use crate::order::{
    Attempts, Attention, Channel, Entry, Event, Fulfilment, Line, LineCounts, LineState, MAX_COUNT, Mail, MailKind, MailReport,
    MailState, Order, OrderType, Payment, PaymentMethod, Provider, Refund, RefundState, ReturnReason, Status, Subscriber,
    VoidReason,
};
pub use crate::order_num::{OrderNum, OrderNumError, short_hash};
pub use crate::place::{Draft, PAY_WINDOW, PlaceError};
pub use crate::refundable::{NotRefundable, Refundable};
pub use crate::time::{Timestamp, TimestampError};
