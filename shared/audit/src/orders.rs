//! Orders, and what they say of cards, subscriptions and each other.

use crate::{Check, PATIENCE, Rule};
use simdock_domain::{
    Entry, Event, Iccid, LineState, MailKind, MailState, Order, OrderType, PAY_WINDOW, Payment, PaymentMethod, Plan, Provider,
    QUIET, Refund, RefundState, ReturnReason, Subscription, Uncalled, next_attention, outstanding, uncalled,
};
use simdock_store::{Place, Record, SimState, Stored};
use std::collections::BTreeSet;

pub fn neighbours(order: &Order) -> BTreeSet<Place> {
    let mut places: BTreeSet<Place> = order.lines.iter().filter_map(|line| line.iccid.as_ref()).map(Place::sim).collect();
    places.extend((0..order.lines.len()).map(|line| Place::subscription(&order.subscription_of(line))));
    places.insert(Place::plan_version(&order.plan_id, order.plan_version));
    places.extend(order.subject.iter().map(|subject| Place::order(&subject.main_order)));
    places.extend(order.renewals.iter().map(Place::order));
    places.extend(order.gift.iter().map(|gift| Place::gift(&order.partner_id, &gift.subscription)));
    for payment in &order.payments {
        match payment.provider {
            Provider::Stripe | Provider::Standard => {
                places.insert(Place::payment(payment.provider.name(), &payment.id));
            }
            Provider::Balance | Provider::Free => {}
        }
    }
    places.extend(moved(order).into_iter().map(|(reference, _)| Place::entry(&order.partner_id, &reference)));
    places
}

/// What an order moved on its partner's balance: the references and amounts of the ledger's entries, a debit below zero.
pub fn moved(order: &Order) -> Vec<(String, i64)> {
    let from_balance = |index: usize| order.payments.get(index).is_some_and(|payment| payment.provider == Provider::Balance);
    let paid = order.paid_by().filter(|index| from_balance(*index));
    let paid = paid.map(|index| (format!("{}#payment", order.num), -order.payments[index].received.amount));
    let refunds = order.refunds.iter().enumerate();
    let back = refunds.filter(|(_, refund)| from_balance(refund.payment) && refund.state == RefundState::Succeeded);
    let back = back.map(|(index, refund)| (format!("{}#{}", order.num, order.refund_id(index)), refund.amount.amount));
    paid.into_iter().chain(back).collect()
}

/// What each line of an order costs by the version of the plan that it was sold with, in minor units; `None` where that does not have its
/// add-ons.
fn cost(order: &Order, plan: &Plan) -> Option<i64> {
    let add_on = |id: &String| plan.add_ons.iter().find(|add_on| add_on.add_on_id == *id);
    let add_ons = order.add_on_ids.iter().map(|id| Some(add_on(id)?.price.amount)).sum::<Option<i64>>()?;
    Some(match order.kind {
        OrderType::ActivateSubscription | OrderType::TopUpSubscription | OrderType::Renewal => match order.payment_method {
            PaymentMethod::Complimentary => 0,
            PaymentMethod::Card | PaymentMethod::Balance if order.only_add_ons => add_ons,
            PaymentMethod::Card | PaymentMethod::Balance => plan.price.amount + add_ons,
        },
        OrderType::SwapSim => plan.swap_price.map_or(0, |price| price.amount),
        OrderType::CancelSubscription => 0,
    })
}

/// How often an order's history has an event with such a note; none is an empty one.
fn times(order: &Order, event: Event, is_it: impl Fn(&str) -> bool) -> usize {
    let such = |entry: &&Entry| entry.event == event && is_it(entry.note.as_deref().unwrap_or_default());
    order.history.iter().filter(such).count()
}

impl Check<'_> {
    pub(crate) fn order(&mut self, stored: &Stored<Order>) {
        let order = &stored.record;
        self.indexed(stored, next_attention(order));
        self.as_asked(order);
        self.work(order);
        self.payments(order);
        self.refunds(order);
        self.sold_plan(&order.plan_id, order.plan_version);
        self.lines(order);
        self.mails(order);
        self.renewals(order);
        if let Some(gift) = order.gift.as_ref().filter(|_| order.is_paid()) {
            let place = Place::gift(&order.partner_id, &gift.subscription);
            let on_record = matches!(self.books.record(&place), Some(Record::Gift { order_num, .. }) if *order_num == order.num);
            let holds = on_record || !self.can_tell(Rule::Gift, &place);
            self.hold(Rule::Gift, holds, || format!("its gift for {} is not on record", gift.subscription));
        }
    }

    /// It is as it was placed, but for what its history has.
    fn as_asked(&mut self, order: &Order) {
        let placed = order.history.first().filter(|entry| entry.event == Event::Created).map(|entry| entry.at);
        self.hold(Rule::Altered, placed == Some(order.created_at), || {
            format!("it is of {}, and its history does not begin then", order.created_at)
        });
        self.hold(Rule::Altered, order.pay_until == order.created_at.plus_seconds(PAY_WINDOW), || {
            format!("it was placed at {}, and can be paid until {}", order.created_at, order.pay_until)
        });
        self.hold(Rule::Altered, !order.lines.is_empty(), || "it has no lines".to_owned());
        let untouched = order.lines.iter().all(|line| line.state == LineState::Pending);
        self.hold(Rule::Altered, order.is_paid() || untouched, || {
            "nobody paid for it, and something became of its lines".to_owned()
        });
        let leaving = order.lines.iter().any(|line| line.state == LineState::Cancelling);
        // What could not be put on a card for long is taken off again.
        let given_up =
            matches!(order.kind, OrderType::TopUpSubscription | OrderType::Renewal).then_some(Event::ProvisioningFailed);
        let asked =
            order.history.iter().any(|entry| entry.event == Event::CancellationRequested || Some(entry.event) == given_up);
        self.hold(Rule::Altered, asked || !leaving, || "its lines are being cancelled, and nobody asked for that".to_owned());
    }

    /// What has to be done is called for, and done.
    fn work(&mut self, order: &Order) {
        for what in uncalled(order) {
            match what {
                // To call for it again would mail the subscriber once more.
                Uncalled::Mail(kind) if order.has_sent(kind) => {
                    self.say(Rule::Mailed, format!("its {} mail went out, and is not among its mails", kind.name()));
                }
                Uncalled::Mail(_) | Uncalled::Job(_) => {
                    self.say(Rule::Work, format!("{} is needed, and nobody is called for it", what.name()));
                }
            }
        }
        let late = self.now.plus_seconds(-QUIET - PATIENCE);
        for waiting in outstanding(order).iter().filter(|waiting| waiting.at <= late) {
            self.say(Rule::Overdue, format!("{:?} is due since {}", waiting.job, waiting.at));
        }
    }

    fn payments(&mut self, order: &Order) {
        let paid = order.payments.iter().filter(|payment| payment.returned.is_none()).count();
        self.hold(Rule::PaidOnce, paid <= 1, || format!("it is paid {paid} times"));
        self.hold(Rule::PaidOnce, paid == 0 || order.void.is_none(), || "it is void, and paid".to_owned());
        for (index, payment) in order.payments.iter().enumerate() {
            let same = |other: &&Payment| other.provider == payment.provider && other.id == payment.id;
            let before = order.payments[..index].iter().find(same);
            self.hold(Rule::PaidOnce, before.is_none(), || format!("its payment {} is there twice", payment.id));
            let pays = payment.returned.is_some() || payment.received == order.price();
            self.hold(Rule::PaidOnce, pays, || {
                format!("it costs {}, and {} paid for it with payment {}", order.price(), payment.received, payment.id)
            });
            let claim = match payment.provider {
                Provider::Balance => {
                    let from_balance = order.payment_method == PaymentMethod::Balance;
                    self.hold(Rule::PaidOnce, from_balance, || {
                        format!("it is not to be paid from the balance, and payment {} is", payment.id)
                    });
                    continue;
                }
                Provider::Free => continue,
                Provider::Stripe | Provider::Standard => Place::payment(payment.provider.name(), &payment.id),
            };
            if !self.can_tell(Rule::Claimed, &claim) {
                continue;
            }
            let of_order = match self.books.record(&claim) {
                Some(Record::Payment { order_num, .. }) => Some(order_num),
                _ => None,
            };
            let whose = of_order.map_or_else(|| "nobody".to_owned(), ToString::to_string);
            self.hold(Rule::Claimed, of_order == Some(&order.num), || format!("its payment {} is {whose}'s", payment.id));
        }
        for (reference, amount) in moved(order) {
            let entry = Place::entry(&order.partner_id, &reference);
            if !self.can_tell(Rule::Ledger, &entry) {
                continue;
            }
            let noted = match self.books.record(&entry) {
                Some(Record::Entry { amount, .. }) => Some(amount.amount),
                _ => None,
            };
            self.hold(Rule::Ledger, noted == Some(amount), || {
                format!("it moved {amount}, and the ledger has {noted:?} as {reference}")
            });
        }
    }

    fn refunds(&mut self, order: &Order) {
        // What was withdrawn is neither owed nor given, and what was given in another currency settles nothing.
        let counts = |refund: &&Refund| refund.state != RefundState::Withdrawn && order.counts(refund);
        let refunds: Vec<&Refund> = order.refunds.iter().filter(counts).collect();
        for (index, payment) in order.payments.iter().enumerate() {
            let back = || refunds.iter().filter(|refund| refund.payment == index);
            let by_hand = back().any(|refund| refund.reason == ReturnReason::Elsewhere);
            if let Some(reason) = payment.returned.filter(|_| !by_hand) {
                let first = back().next().map(|refund| refund.amount);
                self.hold(Rule::OwedBack, first == Some(payment.received), || {
                    format!("payment {} is returned ({}), and not all of it is owed back", payment.id, reason.name())
                });
            }
            // What pays for the order goes back line by line, or by somebody's hand.
            let astray = back().any(|refund| refund.line.is_none() && refund.reason != ReturnReason::Elsewhere);
            self.hold(Rule::OwedBack, payment.returned.is_some() || !astray, || {
                format!("payment {} pays for the order, and is owed back for no line of it", payment.id)
            });
            let out: i64 =
                back().filter(|refund| refund.state == RefundState::Succeeded).map(|refund| refund.amount.amount).sum();
            // Unless it is on record that it did.
            let known = order.history.iter().any(Entry::tells_of_too_much);
            self.hold(Rule::OwedBack, known || out <= payment.received.amount, || {
                format!("more of payment {} was given back than came in", payment.id)
            });
        }
        self.given_back(order);
        self.given_once(order);
        // What somebody gave back at the provider counts for lines as well as it can.
        if refunds.iter().all(|refund| refund.reason != ReturnReason::Elsewhere) {
            for (index, line) in order.lines.iter().enumerate() {
                let back: i64 =
                    refunds.iter().filter(|refund| refund.line == Some(index)).map(|refund| refund.amount.amount).sum();
                let owed = match line.state {
                    LineState::Cancelled | LineState::Failed => line.amount,
                    LineState::Pending | LineState::Live | LineState::Cancelling | LineState::Ended => 0,
                };
                self.hold(Rule::OwedBack, back == owed, || {
                    format!("line {index} is {:?}, {owed} is to go back for it, and {back} does", line.state)
                });
            }
        }
        for (index, refund) in order.refunds.iter().enumerate().filter(|(_, refund)| order.is_owed(refund)) {
            let waits = match refund.state {
                RefundState::Due(_) | RefundState::Requested(_) => true,
                RefundState::Succeeded | RefundState::Failed | RefundState::Withdrawn => false,
            };
            let stalled = waits && refund.at.plus_seconds(crate::STALLED) <= self.now;
            self.hold(Rule::RefundStalled, !stalled, || {
                let taken = match (refund.state, &refund.provider_id) {
                    (RefundState::Requested(_), Some(id)) => {
                        format!("; the provider took it on as {id} and has not said how it ended")
                    }
                    _ => String::new(),
                };
                format!("{} of {} is owed since {}{taken}", refund.amount, order.refund_id(index), refund.at)
            });
        }
    }

    /// What was given back stands in the history, and a provider has a name of its own for it.
    fn given_back(&mut self, order: &Order) {
        let out = order.refunds.iter().enumerate().filter(|(_, refund)| refund.state == RefundState::Succeeded);
        for (index, refund) in out {
            let sum = refund.amount.to_string();
            let same = order.refunds[..=index].iter();
            let same = same.filter(|other| other.state == RefundState::Succeeded && other.amount == refund.amount).count();
            // Behind the sum may stand how it was given back.
            let of_it = |note: &str| note.strip_prefix(&sum).is_some_and(|rest| rest.is_empty() || rest.starts_with(','));
            let noted = times(order, Event::Refunded, of_it) >= same;
            let named = match order.payments.get(refund.payment).map(|payment| payment.provider) {
                Some(Provider::Stripe | Provider::Standard) => refund.provider_id.is_some(),
                Some(Provider::Balance | Provider::Free) | None => true,
            };
            self.hold(Rule::OwedBack, noted && named, || {
                let missing = if noted { "has no id of its provider" } else { "is not in the history" };
                format!("{} was given back as {}, which {missing}", refund.amount, order.refund_id(index))
            });
        }
    }

    /// What is to be given back was not given back before, unless that came back.
    fn given_once(&mut self, order: &Order) {
        let waits = |refund: &&Refund| match refund.state {
            RefundState::Due(_) | RefundState::Requested(_) | RefundState::Failed => true,
            RefundState::Succeeded | RefundState::Withdrawn => false,
        };
        for refund in order.refunds.iter().filter(waits) {
            let (sum, given) = (refund.amount.to_string(), RefundState::Succeeded);
            let out = order.refunds.iter().filter(|other| other.state == given && other.amount == refund.amount).count();
            let of_it = |entry: &Entry| entry.note.as_deref().and_then(|note| note.strip_prefix(&sum)).map(str::to_owned);
            let gone = order.history.iter().fold(0_usize, |gone, entry| match (entry.event, of_it(entry)) {
                (Event::Refunded, Some(how)) if how.is_empty() || how.starts_with(',') => gone + 1,
                (Event::RefundFailed, Some(why)) if why.starts_with(':') => gone.saturating_sub(1),
                _ => gone,
            });
            self.hold(Rule::OwedBack, gone <= out, || format!("{sum} is to be given back, and the history has it as given back"));
        }
    }

    /// The card of a line: the order's own where it takes cards, else its subscription's.
    fn card(&mut self, order: &Order, index: usize, iccid: &Iccid) {
        if !order.kind.takes_cards() {
            return self.card_of_subscription(order, index, iccid);
        }
        let place = Place::sim(iccid);
        let Some(sim) = self.books.sim(iccid) else {
            self.can_tell(Rule::Disclosed, &place);
            let holds = !self.can_tell(Rule::Owner, &place);
            return self.hold(Rule::Owner, holds, || format!("the card of line {index}, {iccid}, does not exist"));
        };
        let state = order.lines[index].state;
        // That of a cancelled line may be for sale again, or somebody else's by now.
        let was_ours = state == LineState::Cancelled && sim.past_orders.contains(&order.num);
        self.hold(Rule::Owner, was_ours || sim.order_num.as_ref() == Some(&order.num), || {
            let whose = sim.order_num.as_ref().map_or_else(|| "nobody".to_owned(), ToString::to_string);
            format!("its card {iccid} is {whose}'s")
        });
        self.can_tell(Rule::Owner, &Place::plan_version(&order.plan_id, order.plan_version));
        let carries = self.books.plan(order).is_none_or(|plan| {
            let ours = sim.order_num.as_ref() == Some(&order.num);
            // That of a swap is of the pool of the card before it.
            let carried = order.kind == OrderType::SwapSim || plan.carried_by(&sim.pool);
            !ours || (carried && sim.pool.form_factor == order.form_factor)
        });
        self.hold(Rule::Owner, carries, || format!("its card {iccid} is of pool {}, which does not carry its plan", sim.pool));
        let stands = match state {
            LineState::Pending => sim.state == SimState::Sold,
            LineState::Failed => sim.state == SimState::SetAside,
            LineState::Live | LineState::Cancelling | LineState::Cancelled | LineState::Ended => true,
        };
        let sold = order.paid_at();
        let early = sim.disclosed_at.filter(|at| sim.order_num.as_ref() == Some(&order.num) && at.plus_seconds(PATIENCE) < sold);
        self.hold(Rule::Disclosed, early.is_none(), || format!("the code of {iccid} was shown before it was sold, {sold}"));
        self.hold(Rule::Owner, stands, || format!("line {index} is {state:?}, and its card {iccid} is {:?}", sim.state));
        // Whoever installed the new card of a swap had its code, however they came by it.
        let mailed = match state {
            LineState::Live => true,
            // It worked, and the mail told of it.
            LineState::Cancelling | LineState::Cancelled | LineState::Ended => {
                sim.order_num.as_ref() == Some(&order.num) && sim.subscription.is_some() && order.has_sent(MailKind::Qr)
            }
            LineState::Pending | LineState::Failed => false,
        };
        let mailed = mailed && order.mails_codes() && !order.has_swapped();
        self.hold(Rule::Disclosed, !mailed || sim.disclosed_at.is_some(), || {
            format!("the code of {iccid} goes out by mail, and the card does not tell")
        });
    }

    /// The card of a line that changes a subscription is one that the subscription had.
    fn card_of_subscription(&mut self, order: &Order, index: usize, iccid: &Iccid) {
        if !self.books.is_there(&Place::sim(iccid)) {
            return self.say(Rule::Owner, format!("the card of line {index}, {iccid}, does not exist"));
        }
        if self.can_tell(Rule::Carrier, &Place::subscription(&order.subscription_of(index))) {
            let had = self.books.subscription(&order.subscription_of(index)).is_some_and(|subscription| {
                subscription.iccid == *iccid || subscription.past_cards.iter().any(|past| past.iccid == *iccid)
            });
            self.hold(Rule::Carrier, had, || format!("the card of line {index}, {iccid}, never carried its subscription"));
        }
    }

    /// Cards and what else the lines brought.
    fn lines(&mut self, order: &Order) {
        let paid = order.is_paid();
        self.can_tell(Rule::Catalogue, &Place::plan_version(&order.plan_id, order.plan_version));
        let cost = self.books.plan(order).map(|plan| cost(order, plan));
        let currency = self.books.plan(order).map(|plan| plan.price.currency);
        let sold_in = order.price().currency;
        self.hold(Rule::Catalogue, currency.is_none_or(|currency| currency == sold_in), || {
            format!("it was sold in {sold_in}, which is not the currency of its plan")
        });
        let mut cards = BTreeSet::new();
        for (index, line) in order.lines.iter().enumerate() {
            self.hold(Rule::Catalogue, cost.is_none_or(|cost| cost == Some(line.amount)), || {
                let known = cost.flatten().map_or_else(|| "nothing that is known".to_owned(), |cost| cost.to_string());
                format!(
                    "line {index} was sold for {}, and by its plan's version {} it costs {known}",
                    line.amount, order.plan_version
                )
            });
            self.hold(Rule::PaidOnce, line.iccid.is_some() == paid, || format!("line {index}: cards and payment go together"));
            if let Some(iccid) = &line.iccid {
                self.hold(Rule::Owner, cards.insert(iccid), || format!("its card {iccid} is on two of its lines"));
                self.card(order, index, iccid);
            }
            let id = order.subscription_of(index);
            let subscription = self.books.subscription(&id);
            let brings = match order.kind {
                OrderType::ActivateSubscription => line.state == LineState::Live,
                OrderType::TopUpSubscription | OrderType::Renewal => {
                    paid && matches!(line.state, LineState::Pending | LineState::Live)
                }
                OrderType::CancelSubscription | OrderType::SwapSim => false,
            };
            if brings && self.can_tell(Rule::Plans, &Place::subscription(&id)) {
                let open = |subscription: &Subscription| {
                    let open = subscription.plans.iter().filter(|plan| plan.is_open());
                    let own = open.clone().filter(|plan| plan.order == order.num && plan.line == index).count();
                    own + open.flat_map(|plan| &plan.extras).filter(|extra| extra.order == order.num).count()
                };
                let open = subscription.map(open);
                self.hold(Rule::Plans, open == Some(1), || {
                    format!("line {index} is {:?}, and what it brought is on {id} {} times", line.state, open.unwrap_or(0))
                });
            }
            let changes = paid
                && match order.kind {
                    OrderType::CancelSubscription => line.state == LineState::Pending,
                    OrderType::SwapSim => {
                        matches!(line.state, LineState::Pending | LineState::Live | LineState::Cancelling) && !order.has_swapped()
                    }
                    // The job that takes its card back keeps it, before it asks the carrier; of several cards, not all may have been
                    // asked for. One that nobody activated has no subscription.
                    OrderType::ActivateSubscription => {
                        let asked = order.lines.len() == 1 && order.revoking.is_some_and(|attempts| attempts.failed > 0);
                        let open = subscription.is_some_and(|subscription| subscription.ended.is_none());
                        line.state == LineState::Cancelling && asked && open
                    }
                    OrderType::TopUpSubscription | OrderType::Renewal => false,
                };
            if changes && self.can_tell(Rule::Change, &Place::subscription(&id)) {
                let change = subscription.and_then(|subscription| subscription.open_change.as_ref());
                self.hold(Rule::Change, change.is_some_and(|change| change.order == order.num), || {
                    format!("it is under way, and {id} is not kept for it")
                });
            }
        }
    }

    /// A mail to the subscriber goes out once for each time that it is called for.
    fn mails(&mut self, order: &Order) {
        for kind in [MailKind::Confirmation, MailKind::Qr, MailKind::Shipment] {
            let of_kind = |event| times(order, event, |note| note == kind.name());
            let all = |event| times(order, event, |_| true);
            let corrected = if kind == MailKind::Shipment { all(Event::ShipmentCorrected) } else { 0 };
            let called_for = 1 + of_kind(Event::MailRequested) + all(Event::Retried) + corrected;
            let sent = of_kind(Event::MailSent);
            self.hold(Rule::Mailed, sent <= called_for, || {
                format!("its {} mail went out {sent} times, and was called for {called_for} times at most", kind.name())
            });
            let there = order.mails.iter().filter(|mail| mail.kind == kind).count();
            self.hold(Rule::Mailed, there <= 1, || format!("its {} mail is there {there} times", kind.name()));
        }
        let shipped = order.history.iter().any(|entry| entry.event == Event::Shipped);
        self.hold(Rule::Mailed, !shipped || order.shipment.is_some(), || {
            "the history has that its cards were shipped, and it does not know how".to_owned()
        });
        for mail in &order.mails {
            let MailState::Sent(at) = mail.state else { continue };
            let noted = order.history.iter().any(|entry| entry.at == at && entry.tells_of(mail.kind));
            self.hold(Rule::Mailed, noted, || {
                format!("its {} mail is marked as sent at {at}, and the history has no such mail", mail.kind.name())
            });
        }
    }

    fn renewals(&mut self, order: &Order) {
        let main = order.subject.as_ref().map(|subject| &subject.main_order);
        if let Some(main) = main.filter(|_| order.kind == OrderType::Renewal && order.is_paid()) {
            let listed = self.books.order(main).map_or(0, |main| main.renewals.iter().filter(|num| **num == order.num).count());
            let holds = listed == 1 || !self.can_tell(Rule::Renewal, &Place::order(main));
            self.hold(Rule::Renewal, holds, || format!("{listed} times on its main order {main}"));
        }
        for num in &order.renewals {
            let renews = |renewal: &Order| {
                let of = renewal.subject.as_ref().is_some_and(|subject| subject.main_order == order.num);
                of && renewal.kind == OrderType::Renewal && renewal.is_paid()
            };
            let holds = self.books.order(num).is_some_and(renews) || !self.can_tell(Rule::Renewal, &Place::order(num));
            self.hold(Rule::Renewal, holds, || format!("it lists {num}, which is no paid renewal of it"));
        }
    }
}
