use crate::{
    AddOnError, ChangeKind, Channel, Closed, EmailAddress, Entry, Event, FlowType, FormFactor, Gift, Iccid, Line, LineState,
    MAX_COUNT, Money, Order, OrderNum, OrderType, PaymentMethod, Plan, PostalAddress, Subject, Subscriber, Subscription,
    Timestamp,
};

/// How long an order waits for its payment, in seconds; as long as the shortest checkout session of a payment provider.
pub const PAY_WINDOW: i64 = 30 * 60;

/// What a partner asks for: new cards.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// How many cards, 1 to [`MAX_COUNT`].
    pub count: u32,
    /// What the cards are.
    pub form_factor: FormFactor,
    /// The cards by number, one for each; empty if any will do.
    pub wanted: Vec<Iccid>,
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
    /// Where physical cards are sent to.
    pub address: Option<PostalAddress>,
    /// What entitles the subscriber to it, if it is complimentary.
    pub gift: Option<Gift>,
    /// What the subscriber calls the line.
    pub line_name: Option<String>,
    /// Whether mails go to the subscriber.
    pub send_email: bool,
    /// The partner's own order number.
    pub other_order_id: Option<String>,
    /// The partner's own item number.
    pub other_item_id: Option<String>,
}

/// What a partner asks for: a change of a subscription.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeDraft {
    /// What is to change.
    pub change: SubscriptionChange,
    /// How it is to be paid.
    pub payment_method: PaymentMethod,
    /// Where it came from.
    pub channel: Channel,
    /// Whether mails go to the subscriber.
    pub send_email: bool,
    /// The partner's own order number.
    pub other_order_id: Option<String>,
    /// The partner's own item number.
    pub other_item_id: Option<String>,
}

/// What an order can change on a subscription.
#[derive(Clone, Debug, PartialEq)]
pub enum SubscriptionChange {
    /// Another period of a renewable plan, appended after those that are there.
    Renewal {
        /// Its add-ons.
        add_on_ids: Vec<String>,
    },
    /// A plan with add-ons.
    Plan {
        /// Its add-ons.
        add_on_ids: Vec<String>,
    },
    /// Add-ons to the plan that is there.
    AddOns {
        /// Which.
        add_on_ids: Vec<String>,
    },
    /// Another SIM of the same profile.
    Swap {
        /// What it is.
        form_factor: FormFactor,
        /// Where it is sent to, if that is not where the last one was.
        address: Option<PostalAddress>,
    },
    /// Its end.
    Cancellation,
}

/// Why a draft cannot become an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlaceError {
    /// Not 1 to [`MAX_COUNT`] cards.
    Count,
    /// The plan is not sold on such cards.
    FormFactor,
    /// Physical cards need an address to be sent to.
    NoAddress,
    /// Not one number for each card, or one twice.
    Wanted,
    /// The plan cannot be renewed, or what is there cannot.
    NotRenewable,
    /// The plan does not run on the subscription's IMSI profile.
    Profile {
        /// The operator and profile of the subscription's card.
        card: String,
    },
    /// The subscription takes nothing now.
    Closed(Closed),
    /// Neither a plan nor add-ons.
    Nothing,
    /// The add-ons do not fit the plan.
    AddOns(AddOnError),
    /// The price does not fit into a number, or the add-ons are priced in another currency.
    Price,
}

impl Order {
    /// A new order of cards with a plan, unpaid.
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
        if !plan.form_factors.contains(&draft.form_factor) {
            return Err(PlaceError::FormFactor);
        }
        if draft.form_factor == FormFactor::Physical && draft.address.is_none() {
            return Err(PlaceError::NoAddress);
        }
        let count = draft.count as usize;
        let twice = (1..draft.wanted.len()).any(|index| draft.wanted[..index].contains(&draft.wanted[index]));
        if twice || !(draft.wanted.is_empty() || draft.wanted.len() == count) {
            return Err(PlaceError::Wanted);
        }
        let add_ons = plan.pick_add_ons(&draft.add_on_ids).map_err(PlaceError::AddOns)?;
        let unit = match draft.payment_method {
            PaymentMethod::Card | PaymentMethod::Balance => plan.unit_price(&add_ons).ok_or(PlaceError::Price)?,
            PaymentMethod::Complimentary => Money { amount: 0, currency: plan.price.currency },
        };
        unit.checked_mul(draft.count).ok_or(PlaceError::Price)?;
        let subscriber = Subscriber { email: draft.email, name: draft.name, language: draft.language, address: draft.address };
        let order = Self::unpaid(num, partner_id, OrderType::ActivateSubscription, subscriber, plan, fingerprint, now);
        Ok(Self {
            add_on_ids: draft.add_on_ids,
            form_factor: draft.form_factor,
            wanted: draft.wanted,
            payment_method: draft.payment_method,
            channel: draft.channel,
            line_name: draft.line_name,
            send_email: draft.send_email,
            other_order_id: draft.other_order_id,
            other_item_id: draft.other_item_id,
            gift: draft.gift,
            lines: vec![Line { state: LineState::Pending, amount: unit.amount, iccid: None }; count],
            ..order
        })
    }

    /// A new order that changes a subscription, unpaid. `main` is the order that began the subscription; `plan` is the plan that
    /// is added, or the one that add-ons go with, or for what changes the whole, the newest on it.
    pub fn change(
        num: OrderNum,
        draft: ChangeDraft,
        subscription: &Subscription,
        main: &Self,
        plan: &Plan,
        fingerprint: String,
        now: Timestamp,
    ) -> Result<Self, PlaceError> {
        subscription.open().map_err(PlaceError::Closed)?;
        // What is bought until then would end with it, or undo it. A cancellation wants the same end.
        if draft.change != SubscriptionChange::Cancellation && main.takes_back(&subscription.id) {
            return Err(PlaceError::Closed(Closed::Changing(ChangeKind::Refund)));
        }
        let mut subscriber = main.subscriber.clone();
        let (mut form_factor, mut only_add_ons) = (FormFactor::Esim, false);
        let nothing = Money { amount: 0, currency: plan.price.currency };
        let (kind, add_on_ids, price) = match draft.change {
            SubscriptionChange::Renewal { add_on_ids } => {
                let renewable = subscription.plans.iter().any(|run| run.flow_type == FlowType::Renewable);
                if plan.flow_type != FlowType::Renewable || !renewable {
                    return Err(PlaceError::NotRenewable);
                }
                let price = priced(plan, &add_on_ids, subscription)?;
                (OrderType::Renewal, add_on_ids, price)
            }
            SubscriptionChange::Plan { add_on_ids } => {
                let price = priced(plan, &add_on_ids, subscription)?;
                (OrderType::TopUpSubscription, add_on_ids, price)
            }
            SubscriptionChange::AddOns { add_on_ids } => {
                if add_on_ids.is_empty() {
                    return Err(PlaceError::Nothing);
                }
                let add_ons = subscription.pick_add_ons(&add_on_ids, plan, now).map_err(PlaceError::AddOns)?;
                let sum = add_ons.iter().try_fold(nothing, |sum, add_on| sum.checked_add(add_on.price));
                only_add_ons = true;
                (OrderType::TopUpSubscription, add_on_ids, sum.ok_or(PlaceError::Price)?)
            }
            SubscriptionChange::Swap { form_factor: wanted, address } => {
                form_factor = wanted;
                subscriber.address = address.or(subscriber.address);
                if form_factor == FormFactor::Physical && subscriber.address.is_none() {
                    return Err(PlaceError::NoAddress);
                }
                (OrderType::SwapSim, Vec::new(), plan.swap_price.unwrap_or(nothing))
            }
            SubscriptionChange::Cancellation => (OrderType::CancelSubscription, Vec::new(), nothing),
        };
        let order = Self::unpaid(num, &subscription.partner_id, kind, subscriber, plan, fingerprint, now);
        let order = Self {
            add_on_ids,
            only_add_ons,
            form_factor,
            currency: price.currency,
            payment_method: draft.payment_method,
            channel: draft.channel,
            line_name: main.line_name.clone(),
            send_email: draft.send_email,
            other_order_id: draft.other_order_id,
            other_item_id: draft.other_item_id,
            subject: Some(Subject {
                subscription: subscription.id.clone(),
                iccid: subscription.iccid.clone(),
                main_order: subscription.main_order.clone(),
            }),
            lines: vec![Line { state: LineState::Pending, amount: price.amount, iccid: None }],
            ..order
        };
        match kind {
            OrderType::TopUpSubscription | OrderType::Renewal => {
                subscription.takes(&order, plan, now).map_err(PlaceError::Closed)?;
            }
            OrderType::ActivateSubscription | OrderType::SwapSim | OrderType::CancelSubscription => {}
        }
        Ok(order)
    }

    /// An order without lines yet.
    fn unpaid(
        num: OrderNum,
        partner_id: &str,
        kind: OrderType,
        subscriber: Subscriber,
        plan: &Plan,
        fingerprint: String,
        now: Timestamp,
    ) -> Self {
        Self {
            num,
            partner_id: partner_id.to_owned(),
            kind,
            created_at: now,
            pay_until: now.plus_seconds(PAY_WINDOW),
            plan_id: plan.plan_id.clone(),
            plan_version: plan.version,
            display: plan.display.clone(),
            add_on_ids: Vec::new(),
            only_add_ons: false,
            form_factor: FormFactor::Esim,
            wanted: Vec::new(),
            subject: None,
            renewals: Vec::new(),
            currency: plan.price.currency,
            payment_method: PaymentMethod::Balance,
            channel: Channel::Partner,
            subscriber,
            line_name: None,
            send_email: true,
            other_order_id: None,
            other_item_id: None,
            fingerprint,
            lines: Vec::new(),
            payments: Vec::new(),
            refunds: Vec::new(),
            mails: Vec::new(),
            provisioning: None,
            revoking: None,
            retiring: None,
            shipment: None,
            gift: None,
            note: None,
            void: None,
            news: true,
            history: vec![Entry::new(now, Event::Created, None)],
            version: 1,
        }
    }
}

/// The price of a plan with add-ons, if the subscription's card carries the plan.
fn priced(plan: &Plan, add_on_ids: &[String], subscription: &Subscription) -> Result<Money, PlaceError> {
    let pool = &subscription.pool;
    if !plan.carried_by(pool) {
        return Err(PlaceError::Profile { card: format!("{} {}", pool.operator, pool.imsi_profile) });
    }
    let add_ons = plan.pick_add_ons(add_on_ids).map_err(PlaceError::AddOns)?;
    plan.unit_price(&add_ons).ok_or(PlaceError::Price)
}
