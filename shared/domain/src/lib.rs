//! The rules of SIM and eSIM orders, without a clock, a network or a database: what an order is, what each command makes of
//! it, what it still needs, and the numbers and codes of the field.

/// Gives an enum its names on the wire: `ALL`, `name()` and `from_name()`.
macro_rules! wire_names {
    ($type:ident { $($variant:ident => $name:literal,)+ }) => {
        impl $type {
            /// Every variant.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name on the wire.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The variant of a name on the wire.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|variant| variant.name() == name)
            }
        }
    };
}

mod audit;
mod catalogue;
mod country;
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
mod plan_rules;
mod profile;
mod refundable;
mod subscription;
mod time;

pub use crate::audit::Action;
pub use crate::catalogue::{
    AddOn, AddOnError, AddOnKind, FlowType, FormFactor, MAX_DATA_ADD_ONS, Plan, PoolId, ProfileCost, RefundPolicy, SimType,
};
pub use crate::country::is_country;
pub use crate::eid::{Eid, EidError};
pub use crate::email::{EmailAddress, EmailAddressError};
pub use crate::iccid::{Iccid, IccidError};
pub use crate::lifecycle::{
    Cards, Command, Intake, Job, MAIL_LEASE, MAIL_PATIENCE, MAX_ATTEMPTS, Outstanding, QUIET, REFUND_LEASE, REFUND_PATIENCE,
    Recipient, Rejected, SeenShipment, Uncalled, backoff, decide, decide_all, decide_by, due, mails_due, next_attention,
    outstanding, uncalled,
};
pub use crate::lpa::{ActivationCode, ActivationCodeError};
pub use crate::money::{Currency, CurrencyError, MOST_MONEY, Money};
pub use crate::msisdn::{Msisdn, MsisdnError};
use crate::order::is_zero;
pub use crate::order::{
    Asked, Attempts, Attention, Channel, Entry, Event, Fulfilment, Gift, Line, LineCounts, LineState, MAX_COUNT, Mail, MailKind,
    MailReport, MailState, Order, OrderType, Payment, PaymentMethod, PostalAddress, Provider, Refund, RefundState, ReturnReason,
    Shipment, Status, Subject, Subscriber, VoidReason,
};
pub use crate::order_num::{OrderNum, OrderNumError, short_hash};
pub use crate::place::{ChangeDraft, Draft, PAY_WINDOW, PlaceError, SubscriptionChange};
pub use crate::plan_rules::{Known, MOST_DATA, MOST_DAYS, MOST_NAMED, MOST_REFUND_DAYS, PlanFault};
pub use crate::profile::{Profile, ProfileState, Via};
pub use crate::refundable::{NotRefundable, Refundable, Used};
pub use crate::subscription::{
    ChangeKind, Closed, EndReason, Extra, MAX_OPEN_ORDERS, MAX_OPEN_PLANS, MonthUse, OpenChange, OverReason, PastCard, PlanRun,
    Report, RunState, SWAP_WINDOW, Service, ServiceAsker, ServiceEntry, ServiceEvent, Subscription,
};
pub use crate::time::{Timestamp, TimestampError};
