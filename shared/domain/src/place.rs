use crate::{
    AddOnError, Channel, EmailAddress, Entry, Event, FormFactor, Line, LineState, MAX_COUNT, Order, OrderNum, OrderType,
    PaymentMethod, Plan, Subscriber, Timestamp,
};

/// How long an order waits for its payment, in seconds; as long as the shortest checkout session of a payment provider.
pub const PAY_WINDOW: i64 = 30 * 60;

/// What a partner asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// How many cards, 1 to [`MAX_COUNT`].
    pub count: u32,
    /// The add-ons of each card.
    pub add_on_ids: Vec<String>,
    /// How it is to be paid.
    pub payment_method: PaymentMethod,
    /// Where it came from.
    pub channel: Channel,
    /// Where the mails go.
    pub email: EmailAddress,
    /// How the mails address the subscriber.
    pub name: String,
    /// A BCP 47 language tag.
    pub language: String,
    /// What the subscriber calls the line.
    pub line_name: Option<String>,
    /// Whether mails go to the subscriber.
    pub send_email: bool,
    /// The partner's own order number.
    pub other_order_id: Option<String>,
    /// The partner's own item number.
    pub other_item_id: Option<String>,
}

/// Why a draft cannot become an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlaceError {
    /// Not 1 to [`MAX_COUNT`] cards.
    Count,
    /// The plan is not sold on an eSIM.
    FormFactor,
    /// The add-ons do not fit the plan.
    AddOns(AddOnError),
    /// The price does not fit into a number, or the add-ons are priced in another currency.
    Price,
}

impl Order {
    /// A new order of a plan, unpaid.
    pub fn place(
        num: OrderNum,
        partner_id: &str,
        draft: Draft,
        plan: &Plan,
        fingerprint: String,
        now: Timestamp,
    ) -> Result<Self, PlaceError> {
        if !(1..=MAX_COUNT).contains(&draft.count) {
            return Err(PlaceError::Count);
        }
        if !plan.form_factors.contains(&FormFactor::Esim) {
            return Err(PlaceError::FormFactor);
        }
        let add_ons = plan.pick_add_ons(&draft.add_on_ids).map_err(PlaceError::AddOns)?;
        let unit = plan.unit_price(&add_ons).ok_or(PlaceError::Price)?;
        unit.checked_mul(draft.count).ok_or(PlaceError::Price)?;
        let line = Line { state: LineState::Pending, amount: unit.amount, iccid: None };
        Ok(Self {
            num,
            partner_id: partner_id.to_owned(),
            kind: OrderType::ActivateSubscription,
            created_at: now,
            pay_until: now.plus_seconds(PAY_WINDOW),
            plan_id: plan.plan_id.clone(),
            plan_version: plan.version,
            display: plan.display.clone(),
            add_on_ids: draft.add_on_ids,
            currency: unit.currency,
            payment_method: draft.payment_method,
            channel: draft.channel,
            subscriber: Subscriber { email: draft.email, name: draft.name, language: draft.language },
            line_name: draft.line_name,
            send_email: draft.send_email,
            other_order_id: draft.other_order_id,
            other_item_id: draft.other_item_id,
            fingerprint,
            lines: std::iter::repeat_n(line, draft.count as usize).collect(),
            payments: Vec::new(),
            refunds: Vec::new(),
            mails: Vec::new(),
            provisioning: None,
            revoking: None,
            void: None,
            history: vec![Entry { at: now, event: Event::Created, note: None, by_manager: false }],
            version: 1,
        })
    }
}
