//! Given an order that changes a subscription, or a manager at their desk, when a command comes, then this is what becomes of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::*;
use simdock_domain::*;

const EVERY_CHANGE: [fn() -> SubscriptionChange; 5] =
    [renewal, more, || add_ons(&["data-1gb"]), esim_swap, || SubscriptionChange::Cancellation];

fn cancel(order: &Order, used: Used, policy: RefundPolicy, now: Timestamp) -> Result<Order, Rejected> {
    let lines = (0..order.lines.len()).map(|line| (line, used)).collect();
    decide(order, Command::Cancel { lines, policy, note: "changed plans".into() }, now)
}

fn over_with(order: &Order, policy: RefundPolicy, used: Used) -> Result<Order, Rejected> {
    decide(order, Command::SubscriptionOver { line: 0, policy, used }, at(100))
}

fn shipment(number: &str) -> Shipment {
    Shipment { at: at(90), carrier: "Correios".into(), number: number.into() }
}

fn ship(number: &str) -> Command {
    Command::Ship { carrier: "Correios".into(), number: number.into(), at: None }
}

fn seen(number: &str) -> SeenShipment {
    SeenShipment { number: number.into(), carrier: None, at: None }
}

fn jobs(order: &Order, seconds: i64) -> Vec<Job> {
    due(order, at(seconds))
}

fn mails(order: &Order, seconds: i64) -> Vec<MailKind> {
    mails_due(order, at(seconds))
}

fn sent(order: &Order, kind: MailKind, seconds: i64) -> Order {
    let claimed = decide(order, Command::ClaimMail(kind), at(seconds)).unwrap();
    decide(&claimed, Command::MailSent(kind), at(seconds)).unwrap()
}

/// An order that changes the subscription of a provisioned one, unpaid.
fn asked(what: SubscriptionChange) -> Order {
    let (main, subscription) = begun(&renewable(), at(0));
    change("change", what, &subscription, &main, &renewable(), at(10)).unwrap()
}

fn paid(what: SubscriptionChange) -> Order {
    pay(&asked(what), 2, at(20))
}

fn done(what: SubscriptionChange) -> Order {
    provision(&paid(what), at(30))
}

fn to_ship(count: u32) -> Order {
    pay(&place("parcel", physical(count), &one_off(), at(0)), 1, at(10))
}

// Placing them.

#[test]
fn each_change_is_an_order_with_one_line_its_type_and_its_price() {
    let expected = [
        (OrderType::Renewal, 1450, true),
        (OrderType::TopUpSubscription, 1450, true),
        (OrderType::TopUpSubscription, 300, false),
        (OrderType::SwapSim, 500, false),
        (OrderType::CancelSubscription, 0, false),
    ];
    let (main, subscription) = begun(&renewable(), at(0));
    for (what, (kind, price, brings_plan)) in EVERY_CHANGE.into_iter().zip(expected) {
        let order = asked(what());
        assert_eq!((order.kind, order.price(), order.brings_plan()), (kind, eur(price), brings_plan));
        assert_eq!((order.lines.len(), order.status(at(10)), order.partner_id.as_str()), (1, Status::Unpaid, "demo"));
        let subject = Subject { subscription: subscription.id.clone(), iccid: iccid(1), main_order: main.num.clone() };
        assert_eq!(order.subject, Some(subject));
        assert_eq!(order.subscription_of(0), subscription.id);
        assert_eq!(order.subscriber, main.subscriber);
    }
    let free = change("swap", esim_swap(), &subscription, &main, &one_off(), at(10)).unwrap();
    assert_eq!(free.price(), eur(0), "a swap costs what the plan says");
    let both = SubscriptionChange::Plan { add_on_ids: vec!["data-1gb".into(), "voice-eu".into()] };
    assert_eq!(asked(both).price(), eur(1950));
}

#[test]
fn nothing_can_be_asked_of_a_subscription_that_ended_or_is_changing() {
    let (main, subscription) = begun(&renewable(), at(0));
    let swap = asked(esim_swap());
    let open = OpenChange { kind: ChangeKind::Swap, order: swap.num, new_iccid: Some(iccid(2)), until: at(900) };
    let changing = subscription.claim(open).unwrap();
    let over = subscription.end(EndReason::Cancelled, at(50)).unwrap();
    for what in EVERY_CHANGE {
        let refused = |subscription| change("change", what(), subscription, &main, &renewable(), at(60));
        assert_eq!(refused(&changing), Err(PlaceError::Closed(Closed::Changing(ChangeKind::Swap))));
        assert_eq!(refused(&over), Err(PlaceError::Closed(Closed::Ended)));
    }
}

#[test]
fn nothing_can_be_bought_for_a_line_whose_refund_was_asked_for() {
    let (main, first) = begun(&renewable(), at(0));
    let cancel = |lines| Command::Cancel { lines, policy: RefundPolicy::UntilActivation, note: "changed plans".into() };
    let cancelling = decide(&main, cancel(vec![(0, Used::default())]), at(50)).unwrap();
    for what in EVERY_CHANGE {
        let asked = change("change", what(), &first, &cancelling, &renewable(), at(60)).map(|order| order.kind);
        let closed = PlaceError::Closed(Closed::Changing(ChangeKind::Refund));
        let cancels = what() == SubscriptionChange::Cancellation;
        assert_eq!(asked, if cancels { Ok(OrderType::CancelSubscription) } else { Err(closed) });
        // Another line of the order goes on.
        let second = Subscription { id: main.subscription_id(1), ..first.clone() };
        assert!(change("change", what(), &second, &cancelling, &renewable(), at(60)).is_ok());
    }
}

#[test]
fn a_plan_goes_only_on_a_card_whose_profile_carries_it() {
    let (main, subscription) = begun(&renewable(), at(0));
    for what in [renewal(), more()] {
        let refused = change("change", what, &subscription, &main, &other_profile(), at(10));
        assert_eq!(refused, Err(PlaceError::Profile { card: "meridian 7".into() }));
    }
}

#[test]
fn only_what_is_renewable_is_renewed_and_only_with_what_is() {
    let (main, once) = begun(&one_off(), at(0));
    let renew = |subscription: &Subscription, plan: &Plan| change("renewal", renewal(), subscription, &main, plan, at(10)).err();
    assert_eq!(renew(&once, &renewable()), Some(PlaceError::NotRenewable));
    let (_, monthly) = begun(&renewable(), at(0));
    assert_eq!(renew(&monthly, &one_off()), Some(PlaceError::NotRenewable));
    assert_eq!(renew(&monthly, &pausing()), None, "another renewable plan will do");
}

#[test]
fn add_ons_have_to_be_known_within_limits_and_at_least_one() {
    let (main, subscription) = begun(&renewable(), at(0));
    let refused = |what| change("change", what, &subscription, &main, &renewable(), at(10)).unwrap_err();
    assert_eq!(refused(add_ons(&[])), PlaceError::Nothing);
    assert_eq!(refused(add_ons(&["gold"])), PlaceError::AddOns(AddOnError::Unknown("gold".into())));
    assert_eq!(refused(add_ons(&["data-1gb"; 16])), PlaceError::AddOns(AddOnError::TooMuchData));
    let twice = vec!["voice-eu".to_owned(), "voice-eu".to_owned()];
    let expected = PlaceError::AddOns(AddOnError::VoiceTwice("eu".into()));
    assert_eq!(refused(SubscriptionChange::Plan { add_on_ids: twice.clone() }), expected);
    assert_eq!(refused(SubscriptionChange::Renewal { add_on_ids: twice }), expected);
}

#[test]
fn prices_that_cannot_be_added_are_no_order() {
    let mut plan = renewable();
    plan.add_ons[0].price = Money { amount: 300, currency: "USD".parse().unwrap() };
    let (main, subscription) = begun(&renewable(), at(0));
    let what = [
        SubscriptionChange::Plan { add_on_ids: vec!["data-1gb".into()] },
        SubscriptionChange::Renewal { add_on_ids: vec!["data-1gb".into()] },
        add_ons(&["data-1gb"]),
    ];
    for what in what {
        assert_eq!(change("change", what, &subscription, &main, &plan, at(10)), Err(PlaceError::Price));
    }
}

#[test]
fn a_physical_card_needs_an_address_and_takes_the_one_from_before() {
    let swap = |address: Option<PostalAddress>| SubscriptionChange::Swap { form_factor: FormFactor::Physical, address };
    let (main, subscription) = begun(&renewable(), at(0));
    assert_eq!(change("swap", swap(None), &subscription, &main, &renewable(), at(10)), Err(PlaceError::NoAddress));
    let given = change("swap", swap(Some(address("Porto"))), &subscription, &main, &renewable(), at(10)).unwrap();
    assert_eq!(given.subscriber.address, Some(address("Porto")));
    let (main, subscription) = begun_with(physical(1), &renewable(), at(0));
    let same = change("swap", swap(None), &subscription, &main, &renewable(), at(10)).unwrap();
    assert_eq!(same.subscriber.address, Some(address("Lisboa")));
    let nowhere = Draft { address: None, ..physical(1) };
    let refused = Order::place(num("nowhere"), "demo", nowhere, &one_off(), String::new(), at(0));
    assert_eq!(refused, Err(PlaceError::NoAddress));
    let esim_only = Plan { form_factors: vec![FormFactor::Esim], ..one_off() };
    let refused = Order::place(num("parcel"), "demo", physical(1), &esim_only, String::new(), at(0));
    assert_eq!(refused, Err(PlaceError::FormFactor));
}

#[test]
fn cards_are_wanted_by_number_one_for_each_line_and_none_twice() {
    let place = |wanted: Vec<Iccid>| {
        let draft = Draft { wanted, ..draft(2) };
        Order::place(num("wanted"), "demo", draft, &one_off(), String::new(), at(0))
    };
    assert_eq!(place(vec![iccid(1)]), Err(PlaceError::Wanted));
    assert_eq!(place(vec![iccid(1), iccid(1)]), Err(PlaceError::Wanted));
    assert_eq!(place(vec![iccid(1), iccid(2), iccid(3)]), Err(PlaceError::Wanted));
    let order = place(vec![iccid(7), iccid(4)]).unwrap();
    assert_eq!(order.wanted, [iccid(7), iccid(4)]);
    let cards = Cards::Drawn(vec![iccid(7), iccid(4)]);
    let order = decide(&order, receive("pi_1", order.price(), cards), at(10)).unwrap();
    assert_eq!(order.wanted, [], "from here on the lines say it");
    assert_eq!(order.lines[0].iccid, Some(iccid(7)));
}

#[test]
fn a_gift_costs_nothing_whatever_comes_with_it() {
    let gift = Gift { subscription: "SU1".into(), by_manager: false };
    let complimentary = PaymentMethod::Complimentary;
    let draft = Draft { payment_method: complimentary, gift: Some(gift), add_on_ids: vec!["data-1gb".into()], ..draft(1) };
    let order = place("gift", draft, &one_off(), at(0));
    assert_eq!(order.price(), eur(0));
    let refused = decide(&order, Command::GiveUp(VoidReason::NothingToGive), at(1)).unwrap();
    assert_eq!((refused.status(at(1)), refused.void), (Status::Void, Some(VoidReason::NothingToGive)));
    let free = Command::Receive {
        provider: Provider::Free,
        payment_id: "free".into(),
        received: eur(0),
        cards: Cards::Drawn(vec![iccid(1)]),
    };
    let given = decide(&order, free, at(1)).unwrap();
    let back = cancel(&given, Used::default(), RefundPolicy::UntilActivation, at(2)).unwrap();
    let back = decide(&back, Command::Revoked { line: 0 }, at(3)).unwrap();
    assert_eq!((back.status(at(3)), back.refunds.len()), (Status::Cancelled, 0), "there is nothing to give back");
}

// Paying them.

#[test]
fn paying_a_change_takes_cards_only_for_a_swap() {
    for what in EVERY_CHANGE {
        let order = asked(what());
        let cards = usize::from(order.kind == OrderType::SwapSim);
        assert_eq!(order.intake("pi_1", order.price(), at(20)), Intake::Pays(cards));
        let order = pay(&order, 2, at(20));
        let card = if order.kind == OrderType::SwapSim { iccid(2) } else { iccid(1) };
        assert_eq!((order.lines[0].iccid.clone(), order.status(at(20))), (Some(card), Status::Normal));
        assert_eq!(order.fulfilment(at(20)), Fulfilment::Fulfilling);
        assert!(jobs(&order, 20).contains(&Job::Provision));
        assert_eq!(provision(&order, at(30)).fulfilment(at(30)), Fulfilment::Completed);
    }
}

#[test]
fn an_added_plan_is_confirmed_a_swap_mails_its_code_and_an_end_mails_nothing() {
    let mails = |order: &Order| order.mails.iter().map(|mail| mail.kind).collect::<Vec<_>>();
    for what in [renewal(), more(), add_ons(&["data-1gb"])] {
        assert_eq!(mails(&done(what)), [MailKind::Confirmation]);
    }
    assert_eq!(mails(&done(esim_swap())), [MailKind::Qr]);
    assert_eq!(mails(&done(SubscriptionChange::Cancellation)), []);
}

#[test]
fn what_a_closed_subscription_was_paid_goes_back() {
    for what in EVERY_CHANGE {
        let order = asked(what());
        let price = order.price();
        let closed = decide(&order, receive("pi_1", price, Cards::Closed), at(20)).unwrap();
        assert_eq!((closed.status(at(20)), closed.void), (Status::Void, Some(VoidReason::SubscriptionClosed)));
        assert_eq!(closed.payments[0].returned, Some(ReturnReason::SubscriptionClosed));
        assert_eq!(closed.owed().iter().map(|owed| owed.amount).sum::<i64>(), price.amount);
        assert_eq!(jobs(&closed, 20).contains(&Job::Refund), price.amount > 0);
        assert_eq!(decide(&closed, receive("pi_1", price, Cards::Closed), at(21)), Err(Rejected::Done));
    }
    let new = place("new", draft(1), &one_off(), at(0));
    assert_eq!(decide(&new, receive("pi_1", eur(1450), Cards::Closed), at(5)), Err(Rejected::NotAllowed), "it changes none");
}

// Swaps.

#[test]
fn a_swap_is_over_when_the_old_card_is_stopped() {
    let swapped = decide(&done(esim_swap()), Command::Swapped, at(40)).unwrap();
    assert_eq!((swapped.status(at(40)), jobs(&swapped, 40)[0]), (Status::Normal, Job::Retire));
    assert_eq!(next_attention(&sent(&swapped, MailKind::Qr, 40)), Some(at(40 + QUIET)));
    assert_eq!(decide(&swapped, Command::Swapped, at(41)), Err(Rejected::Done));
    let delayed = decide(&swapped, Command::RetirementDelayed { retry_after: Some(300) }, at(41)).unwrap();
    assert_eq!(decide(&delayed, Command::RetirementDelayed { retry_after: None }, at(42)), Err(Rejected::NotDue));
    assert!(!jobs(&delayed, 340).contains(&Job::Retire));
    assert!(jobs(&delayed, 341).contains(&Job::Retire));
    let retired = decide(&delayed, Command::Retired, at(341)).unwrap();
    assert_eq!(decide(&retired, Command::Retired, at(342)), Err(Rejected::Done));
    assert_eq!(decide(&retired, Command::RetirementDelayed { retry_after: None }, at(342)), Err(Rejected::Done));
    assert!(!jobs(&retired, 1_000_000).contains(&Job::Retire));
    assert_eq!(retired.history.last().unwrap().note, Some(iccid(1).to_string()), "it says which card");
}

#[test]
fn what_was_to_be_added_and_is_given_up_is_taken_off_before_its_money_goes_back() {
    let mut order = paid(SubscriptionChange::Renewal { add_on_ids: Vec::new() });
    let mut now = at(40);
    for attempt in 1..=MAX_ATTEMPTS {
        assert_eq!(order.lines[0].state, LineState::Pending, "{attempt}");
        let delayed = Command::ProvisioningDelayed { reason: "no answer".into(), retry_after: None };
        order = decide(&order, delayed, now).unwrap();
        now = now.plus_seconds(backoff(attempt));
    }
    assert_eq!((order.lines[0].state, order.owed(), order.status(now)), (LineState::Cancelling, vec![], Status::Unsubscribing));
    assert!(due(&order, now).contains(&Job::Revoke) && !due(&order, now).contains(&Job::Provision));
    assert_eq!(order.attention(), [Attention::ProvisioningFailed]);
    assert!(mails(&order, now.seconds_since(at(0))).contains(&MailKind::Manager), "the operator has been down for hours");
    let off = decide(&order, Command::Revoked { line: 0 }, now).unwrap();
    assert_eq!((off.lines[0].state, off.owed().len()), (LineState::Cancelled, 1));
    assert_eq!(off.attention(), [Attention::ProvisioningFailed, Attention::MoneyOwed]);
    let seen = decide(&off, Command::Note("ordered anew".into()), now).unwrap();
    assert_eq!(seen.attention(), [Attention::MoneyOwed]);
    // It was done, and is used: then it was delivered.
    let used = Command::RevocationRefused { line: 0, provisioned: true, overtaken: false, reason: "in use".into() };
    let kept = decide(&order, used, now).unwrap();
    assert_eq!((kept.lines[0].state, kept.owed()), (LineState::Live, vec![]));
}

#[test]
fn a_card_that_cannot_be_stopped_is_tried_for_as_long_as_it_takes_and_a_manager_is_told() {
    let mut order = decide(&done(esim_swap()), Command::Swapped, at(40)).unwrap();
    let mut now = at(40);
    for attempt in 1..=MAX_ATTEMPTS + 2 {
        order = decide(&order, Command::RetirementDelayed { retry_after: None }, now).unwrap();
        assert_eq!(order.mail(MailKind::Manager).is_some(), attempt >= MAX_ATTEMPTS);
        now = now.plus_seconds(backoff(attempt));
        assert!(due(&order, now).contains(&Job::Retire));
    }
}

#[test]
fn a_swap_that_nobody_installs_is_revoked_and_its_price_goes_back() {
    let abandoned = decide(&done(esim_swap()), Command::Abandon, at(40)).unwrap();
    assert_eq!((abandoned.status(at(40)), jobs(&abandoned, 40)[0]), (Status::Unsubscribing, Job::Revoke));
    assert_eq!(decide(&abandoned, Command::Abandon, at(41)), Err(Rejected::Done));
    let revoked = decide(&abandoned, Command::Revoked { line: 0 }, at(42)).unwrap();
    assert_eq!((revoked.status(at(42)), revoked.owed()), (Status::Cancelled, vec![eur(500)]));
    assert_eq!(decide(&revoked, Command::Swapped, at(43)), Err(Rejected::NotAllowed), "that card is dead");
    assert_eq!(decide(&revoked, Command::Abandon, at(43)), Err(Rejected::Done));
}

#[test]
fn the_card_that_took_over_is_never_abandoned() {
    let swapped = decide(&done(esim_swap()), Command::Swapped, at(40)).unwrap();
    assert_eq!(decide(&swapped, Command::Abandon, at(41)), Err(Rejected::NotAllowed));
    let retired = decide(&swapped, Command::Retired, at(42)).unwrap();
    assert_eq!(decide(&retired, Command::Abandon, at(43)), Err(Rejected::NotAllowed), "also when the old one is stopped");
    // An install wins over a cancellation under way, and over an answer of the carrier that is late.
    for before in [paid(esim_swap()), decide(&done(esim_swap()), Command::Abandon, at(40)).unwrap()] {
        let swapped = decide(&before, Command::Swapped, at(41)).unwrap();
        assert_eq!(swapped.lines[0].state, LineState::Live);
        assert_eq!(decide(&swapped, Command::Revoked { line: 0 }, at(42)), Err(Rejected::NotAllowed));
    }
}

#[test]
fn what_is_not_paid_is_neither_swapped_nor_abandoned_nor_over() {
    let mut all: Vec<Order> = EVERY_CHANGE.iter().map(|what| asked(what())).collect();
    all.push(place("new", draft(1), &one_off(), at(0)));
    for order in all {
        let commands = [
            Command::Swapped,
            Command::Abandon,
            Command::PlanOver { line: 0, why: OverReason::Expired },
            Command::SubscriptionOver { line: 0, policy: RefundPolicy::UntilActivation, used: Used::default() },
            failed(0),
            Command::ProvisioningDelayed { reason: "busy".into(), retry_after: None },
        ];
        for command in commands {
            assert_eq!(decide(&order, command.clone(), at(20)), Err(Rejected::NotAllowed), "{command:?} of {:?}", order.kind);
        }
    }
}

#[test]
fn only_a_swap_swaps() {
    for order in [done(renewal()), done(more()), done(SubscriptionChange::Cancellation), begun(&one_off(), at(0)).0] {
        for command in [Command::Swapped, Command::Abandon] {
            assert_eq!(decide(&order, command, at(40)), Err(Rejected::NotAllowed));
        }
        assert_eq!(decide(&order, Command::Retired, at(40)), Err(Rejected::Done));
    }
}

// What ends.

#[test]
fn an_order_has_ended_when_all_it_brought_is_over() {
    let order = provision(&pay(&place("two", draft(2), &one_off(), at(0)), 1, at(10)), at(20));
    let over = |line, why| Command::PlanOver { line, why };
    let one = decide(&order, over(0, OverReason::UsedUp), at(30)).unwrap();
    assert_eq!(one.status(at(30)), Status::Normal);
    assert_eq!(decide(&one, over(0, OverReason::Expired), at(31)), Err(Rejected::Done));
    let both = decide(&one, over(1, OverReason::Expired), at(40)).unwrap();
    assert_eq!((both.status(at(40)), both.owed()), (Status::Ended, vec![]));
    assert_eq!(both.history.last().unwrap().note.as_deref(), Some("expired"));
    assert_eq!(decide(&both, over(7, OverReason::Expired), at(41)), Err(Rejected::NotAllowed));
}

#[test]
fn what_ends_with_its_subscription_is_paid_back_by_the_plans_rules() {
    let fresh = Used::default();
    let begun_already = Used { activated: true, ..fresh };
    let installed = Used { installed: true, ..fresh };
    let within = |days| RefundPolicy::WithinDays { days };
    for (policy, used, back) in [
        (RefundPolicy::UntilActivation, fresh, true),
        (RefundPolicy::UntilActivation, begun_already, false),
        (RefundPolicy::UntilActivation, installed, false),
        (within(1), fresh, true),
        (within(0), fresh, false),
        (RefundPolicy::None, fresh, false),
    ] {
        for order in [done(renewal()), paid(more()), done(add_ons(&["data-1gb"]))] {
            let over = over_with(&order, policy, used).unwrap();
            let (status, owed) = if back { (Status::Cancelled, vec![order.price()]) } else { (Status::Ended, vec![]) };
            assert_eq!((over.status(at(100)), over.owed()), (status, owed), "{policy:?} {used:?}");
            assert_eq!(over_with(&over, policy, used), Err(Rejected::Done));
            assert!(!jobs(&over, 1_000_000).contains(&Job::Provision));
        }
    }
}

#[test]
fn what_is_being_cancelled_is_settled_by_whoever_cancels_it() {
    let order = cancel(&done(renewal()), Used::default(), RefundPolicy::UntilActivation, at(50)).unwrap();
    let over = over_with(&order, RefundPolicy::UntilActivation, Used::default());
    assert_eq!(over, Err(Rejected::NotAllowed));
    let gone = decide(&order, Command::Revoked { line: 0 }, at(60)).unwrap();
    assert_eq!((gone.owed(), gone.status(at(60))), (vec![eur(1450)], Status::Cancelled));
    let failed = decide(&paid(more()), failed(0), at(50)).unwrap();
    assert_eq!(over_with(&failed, RefundPolicy::UntilActivation, Used::default()), Err(Rejected::Done));
}

// What can be paid back.

#[test]
fn each_reason_not_to_pay_back_is_told() {
    let until = RefundPolicy::UntilActivation;
    let fresh = Used::default();
    let told = |order: &Order, policy, used| order.refundable(0, policy, used, at(100));
    let no = |why| Refundable::No(why);
    let live = done(renewal());
    assert_eq!(told(&live, until, fresh), Refundable::Yes(eur(1450)));
    assert_eq!(told(&paid(renewal()), until, fresh), Refundable::Yes(eur(1450)));
    assert_eq!(told(&live, until, Used { activated: true, ..fresh }), no(NotRefundable::Activated));
    assert_eq!(told(&live, until, Used { installed: true, ..fresh }), no(NotRefundable::Installed));
    assert_eq!(told(&live, until, Used { activated: true, installed: true }), no(NotRefundable::Activated));
    assert_eq!(told(&live, RefundPolicy::WithinDays { days: 0 }, fresh), no(NotRefundable::PeriodOver));
    assert_eq!(told(&live, RefundPolicy::None, fresh), no(NotRefundable::Policy));
    assert_eq!(told(&asked(renewal()), until, fresh), no(NotRefundable::NotPaid));
    assert_eq!(told(&done(SubscriptionChange::Cancellation), until, fresh), no(NotRefundable::Kind));
    let swap = done(esim_swap());
    assert_eq!(told(&swap, RefundPolicy::None, fresh), Refundable::Yes(eur(500)), "its price is no part of the plan's");
    assert_eq!(told(&swap, until, Used { installed: true, ..fresh }), no(NotRefundable::Installed));
    let swapped = decide(&swap, Command::Swapped, at(40)).unwrap();
    assert_eq!(told(&swapped, until, fresh), no(NotRefundable::Installed), "it took over because it was");
    let parcel = provision(&to_ship(1), at(20));
    assert_eq!(told(&parcel, until, fresh), Refundable::Yes(eur(1450)));
    let parcel = decide(&parcel, ship("1"), at(90)).unwrap();
    assert_eq!(told(&parcel, until, fresh), no(NotRefundable::Shipped));
    assert_eq!(
        told(&decide(&live, Command::PlanOver { line: 0, why: OverReason::Expired }, at(50)).unwrap(), until, fresh),
        no(NotRefundable::Ended)
    );
    assert_eq!(told(&decide(&paid(renewal()), failed(0), at(50)).unwrap(), until, fresh), no(NotRefundable::Failed));
    let cancelling = cancel(&live, fresh, until, at(50)).unwrap();
    assert_eq!(told(&cancelling, until, fresh), no(NotRefundable::Cancelling));
    let cancelled = decide(&cancelling, Command::Revoked { line: 0 }, at(51)).unwrap();
    assert_eq!(told(&cancelled, until, fresh), no(NotRefundable::Cancelled));
}

#[test]
fn a_cancellation_is_refused_for_the_same_reasons() {
    let fresh = Used::default();
    let until = RefundPolicy::UntilActivation;
    let refused = |order: &Order, used| cancel(order, used, until, at(100)).unwrap_err();
    assert_eq!(refused(&done(SubscriptionChange::Cancellation), fresh), Rejected::NotRefundable(NotRefundable::Kind));
    let live = done(renewal());
    assert_eq!(refused(&live, Used { activated: true, ..fresh }), Rejected::NotRefundable(NotRefundable::Activated));
    let parcel = decide(&provision(&to_ship(1), at(20)), ship("1"), at(90)).unwrap();
    assert_eq!(refused(&parcel, fresh), Rejected::NotRefundable(NotRefundable::Shipped));
}

#[test]
fn naming_a_line_twice_cancels_it_once() {
    let order = provision(&pay(&place("two", draft(2), &one_off(), at(0)), 1, at(10)), at(20));
    let lines = vec![(1, Used::default()), (1, Used::default())];
    let command = Command::Cancel { lines, policy: RefundPolicy::UntilActivation, note: "twice".into() };
    let order = decide(&order, command, at(30)).unwrap();
    assert_eq!(order.history.last().unwrap().note.as_deref(), Some("1 of 2 cards: twice"));
}

// Physical cards.

#[test]
fn a_physical_order_calls_the_manager_who_ships_it_and_mails_no_code() {
    let order = to_ship(2);
    assert_eq!((jobs(&order, 10), mails(&order, 10)), (vec![Job::Provision], vec![]));
    assert_eq!((order.attention(), order.is_to_ship()), (vec![Attention::ToShip], true));
    assert_eq!(decide(&order, ship("1"), at(11)), Err(Rejected::NotDue), "its cards do not work yet");
    let order = provision(&order, at(20));
    assert_eq!(mails(&order, 20), [MailKind::Confirmation, MailKind::Manager], "and no QR code");
    assert_eq!(order.fulfilment(at(20)), Fulfilment::Fulfilling);
    let order = decide(&order, ship("1"), at(90)).unwrap();
    assert_eq!((order.fulfilment(at(90)), order.attention(), order.is_to_ship()), (Fulfilment::Completed, vec![], false));
    assert_eq!(decide(&order, ship("1"), at(91)), Err(Rejected::Done));
    assert_eq!(decide(&order, ship("2"), at(91)), Err(Rejected::Shipped));
}

#[test]
fn a_wrong_number_is_corrected_and_the_subscriber_is_told_the_right_one() {
    let correct = |order: &Order, corrects: &str, number: &str, sent: Option<i64>, seconds: i64| {
        let (seen, carrier, number) = (seen(corrects), "Correios".into(), number.into());
        decide(order, Command::CorrectShipment { seen, carrier, number, at: sent.map(at) }, at(seconds))
    };
    let shipped_mail = |order: &Order| order.mail(MailKind::Shipment).map(|mail| mail.state);
    let ready = provision(&to_ship(1), at(20));
    assert_eq!(correct(&ready, "1", "2", None, 80), Err(Rejected::NotAllowed), "nothing was sent");
    let early = Command::Ship { carrier: "Correios".into(), number: "1".into(), at: Some(at(-1)) };
    assert_eq!(decide(&ready, early, at(90)), Err(Rejected::BeforeOrder));
    let behind = decide(&ready, ship("1"), at(-1)).unwrap();
    assert_eq!(behind.shipment.map(|shipment| shipment.at), Some(ready.created_at), "by a clock that is behind");

    let order = decide(&ready, ship("1"), at(90)).unwrap();
    // As long as nobody begins to send it, the mail is written with what is right by then.
    let waiting = correct(&order, "1", "2", None, 91).unwrap();
    assert_eq!(shipped_mail(&waiting), shipped_mail(&order));
    let sending = decide(&order, Command::ClaimMail(MailKind::Shipment), at(91)).unwrap();
    assert_eq!(correct(&sending, "1", "2", None, 92), Err(Rejected::NotDue), "who knows what is in it");
    let order = decide(&sending, Command::MailSent(MailKind::Shipment), at(93)).unwrap();
    assert_eq!(correct(&order, "1", "1", None, 94), Err(Rejected::Done));
    let right = correct(&order, "1", "2", None, 94).unwrap();
    assert_eq!(right.shipment, Some(shipment("2")));
    assert_eq!(shipped_mail(&right), Some(MailState::Pending(at(94))));
    let entry = right.history.last().unwrap();
    assert_eq!((entry.event, entry.note.as_deref()), (Event::ShipmentCorrected, Some("Correios 2, was Correios 1")));
    assert_eq!(right.fulfilment(at(94)), Fulfilment::Completed);

    // What comes late or twice changes nothing: not the correction, nor what was said at first.
    assert_eq!(correct(&right, "1", "2", None, 95), Err(Rejected::Done));
    assert_eq!(correct(&right, "1", "3", None, 95), Err(Rejected::OtherParcel));
    for (carrier, left, agrees) in [("Correios", 90, true), (" Correios ", 90, true), ("DHL", 90, false), ("Correios", 91, false)]
    {
        let seen = SeenShipment { carrier: Some(carrier.to_owned()), at: Some(at(left)), ..seen(" 2 ") };
        let command = Command::CorrectShipment { seen, carrier: "DHL".into(), number: "3".into(), at: None };
        let outcome = decide(&right, command, at(95)).map(|_| ());
        assert_eq!(outcome, if agrees { Ok(()) } else { Err(Rejected::OtherParcel) }, "{carrier} {left}");
    }
    assert_eq!(decide(&right, ship("1"), at(95)), Err(Rejected::Shipped));
    // The day alone is nothing that a mail has to tell.
    let right = sent(&right, MailKind::Shipment, 96);
    let day = correct(&right, "2", "2", Some(50), 97).unwrap();
    assert_eq!((day.shipment.as_ref().unwrap().at, shipped_mail(&day)), (at(50), Some(MailState::Sent(at(96)))));
    assert_eq!(correct(&right, "2", "2", Some(-1), 97), Err(Rejected::BeforeOrder));
    // Who wants no mails gets none.
    let quiet = Order { send_email: false, ..ready };
    let quiet = decide(&quiet, ship("1"), at(90)).unwrap();
    assert_eq!(shipped_mail(&correct(&quiet, "1", "2", None, 91).unwrap()), None);
}

#[test]
fn a_swap_to_a_physical_card_is_shipped_and_confirmed() {
    let swap = SubscriptionChange::Swap { form_factor: FormFactor::Physical, address: Some(address("Porto")) };
    let order = done(swap);
    assert!(order.is_to_ship());
    assert!(order.mail(MailKind::Confirmation).is_some() && order.mail(MailKind::Manager).is_some());
    assert!(order.mail(MailKind::Qr).is_none());
    assert!(decide(&order, ship("1"), at(90)).is_ok());
}

#[test]
fn only_cards_that_are_there_and_stay_are_shipped() {
    let ship = |order: &Order| decide(order, ship("1"), at(90));
    assert_eq!(ship(&begun(&one_off(), at(0)).0), Err(Rejected::NotAllowed), "an eSIM is not shipped");
    assert_eq!(ship(&done(renewal())), Err(Rejected::NotAllowed));
    assert_eq!(ship(&place("parcel", physical(1), &one_off(), at(0))), Err(Rejected::NotAllowed), "not paid");
    let two = provision(&to_ship(2), at(20));
    let until = RefundPolicy::UntilActivation;
    let one_line = Command::Cancel { lines: vec![(0, Used::default())], policy: until, note: "no".into() };
    let leaving = decide(&two, one_line, at(30)).unwrap();
    assert_eq!(ship(&leaving), Err(Rejected::NotDue), "first it has to be known which cards go into the parcel");
    let rest = decide(&leaving, Command::Revoked { line: 0 }, at(40)).unwrap();
    assert!(ship(&rest).is_ok());
    let none = decide(&cancel(&rest, Used::default(), until, at(50)).unwrap(), Command::Revoked { line: 1 }, at(60)).unwrap();
    assert_eq!((ship(&none), none.is_to_ship()), (Err(Rejected::NotAllowed), false));
    assert_eq!(none.status(at(60)), Status::Cancelled);
}

// The recipient.

#[test]
fn a_recipient_is_corrected_and_the_history_keeps_what_was() {
    let to = Recipient {
        name: Some("Ana Lima".into()),
        email: Some("ana.lima@example.com".parse().unwrap()),
        address: Some(address("Porto")),
    };
    let order = to_ship(1);
    let changed = decide(&order, Command::EditRecipient(to.clone()), at(50)).unwrap();
    assert_eq!(changed.subscriber.name, "Ana Lima");
    assert_eq!(changed.subscriber.email.as_str(), "ana.lima@example.com");
    assert_eq!(changed.subscriber.address, Some(address("Porto")));
    let note = changed.history.last().unwrap().note.clone().unwrap();
    assert_eq!(note, "name was Ana; email was ana@example.com; address was Rua 1, Lisboa, 1100-001, PT");
    assert_eq!(decide(&changed, Command::EditRecipient(to), at(51)), Err(Rejected::Done));
    assert_eq!(decide(&changed, Command::EditRecipient(Recipient::default()), at(51)), Err(Rejected::Done));
}

#[test]
fn an_address_changes_only_before_the_parcel_left_and_only_where_there_is_one() {
    let moved = || Command::EditRecipient(Recipient { address: Some(address("Porto")), ..Recipient::default() });
    let renamed = || Command::EditRecipient(Recipient { name: Some("Ana Lima".into()), ..Recipient::default() });
    assert!(
        decide(&place("parcel", physical(1), &one_off(), at(0)), moved(), at(5)).is_ok(),
        "unpaid it can be corrected as well"
    );
    let left = decide(&provision(&to_ship(1), at(20)), ship("1"), at(90)).unwrap();
    assert_eq!(decide(&left, moved(), at(95)), Err(Rejected::Shipped));
    assert!(decide(&left, renamed(), at(95)).is_ok());
    for order in [begun(&one_off(), at(0)).0, done(renewal()), done(esim_swap())] {
        assert_eq!(decide(&order, moved(), at(95)), Err(Rejected::NotAllowed));
    }
    let void = decide(&to_ship_unpaid(), Command::Expire, at(PAY_WINDOW)).unwrap();
    assert_eq!(decide(&void, renamed(), at(PAY_WINDOW)), Err(Rejected::NotAllowed));
}

fn to_ship_unpaid() -> Order {
    place("parcel", physical(1), &one_off(), at(0))
}

// Mails again.

#[test]
fn a_mail_is_sent_again_to_the_stored_or_another_address() {
    let order = sent(&sent(&begun(&one_off(), at(0)).0, MailKind::Qr, 30), MailKind::Confirmation, 30);
    for kind in [MailKind::Qr, MailKind::Confirmation] {
        for to in [None, Some("bea@example.com".parse::<EmailAddress>().unwrap())] {
            let again = decide(&order, Command::SendAgain { kind, to: to.clone(), asked: None }, at(40)).unwrap();
            assert_eq!(again.mail(kind).unwrap().to, to);
            assert_eq!((jobs(&again, 40), mails(&again, 40)), (vec![Job::Mail], vec![kind]));
            assert_eq!(decide(&again, Command::SendAgain { kind, to, asked: None }, at(41)), Err(Rejected::Done));
            assert_eq!(again.subscriber, order.subscriber, "the address is for this once");
        }
    }
}

#[test]
fn a_request_with_a_key_is_one_mail_however_late_it_comes_again() {
    let ask = |key: &str| {
        let asked = Asked { key: key.to_owned(), fingerprint: "what".to_owned() };
        Command::SendAgain { kind: MailKind::Qr, to: None, asked: Some(asked) }
    };
    let order = sent(&sent(&begun(&one_off(), at(0)).0, MailKind::Qr, 30), MailKind::Confirmation, 30);
    let again = decide(&order, ask("one"), at(40)).unwrap();
    assert_eq!(mails(&again, 40), vec![MailKind::Qr]);
    assert_eq!(again.asked("one").map(|asked| asked.fingerprint.as_str()), Some("what"));
    for order in [again.clone(), sent(&again, MailKind::Qr, 50)] {
        assert_eq!(decide(&order, ask("one"), at(60)), Err(Rejected::Done));
    }
    // Another request for a mail that is being sent anyway gets that one, and no other when it comes again.
    let joined = decide(&again, ask("two"), at(41)).unwrap();
    assert_eq!(joined.mails, again.mails);
    let after = sent(&joined, MailKind::Qr, 50);
    assert_eq!(decide(&after, ask("two"), at(60)), Err(Rejected::Done));
    assert_eq!(mails(&decide(&after, ask("three"), at(60)).unwrap(), 60), vec![MailKind::Qr]);
}

#[test]
fn a_corrected_address_reaches_a_mail_that_waits() {
    let order = begun(&one_off(), at(0)).0;
    let to = |address: &str| Command::SendAgain { kind: MailKind::Qr, to: Some(address.parse().unwrap()), asked: None };
    let waits = decide(&order, to("bea@example.com"), at(40)).unwrap();
    assert_eq!(waits.mail(MailKind::Qr).unwrap().to, Some("bea@example.com".parse().unwrap()));
    let sending = decide(&waits, Command::ClaimMail(MailKind::Qr), at(41)).unwrap();
    assert_eq!(decide(&sending, to("bea@example.com"), at(42)), Err(Rejected::Done));
    assert_eq!(decide(&sending, to("eva@example.com"), at(42)), Err(Rejected::NotDue), "somebody is at it");
}

#[test]
fn a_mail_that_makes_no_sense_is_not_sent() {
    let refused = |order: &Order, kind| decide(order, Command::SendAgain { kind, to: None, asked: None }, at(90)).unwrap_err();
    let esim = begun(&one_off(), at(0)).0;
    assert_eq!(refused(&esim, MailKind::Manager), Rejected::NotAllowed);
    assert_eq!(refused(&provision(&to_ship(1), at(20)), MailKind::Qr), Rejected::NotAllowed, "a physical card has no code");
    assert_eq!(refused(&done(renewal()), MailKind::Qr), Rejected::NotAllowed, "no new card");
    assert_eq!(refused(&asked(renewal()), MailKind::Confirmation), Rejected::NotAllowed, "not paid");
    assert_eq!(refused(&paid(esim_swap()), MailKind::Qr), Rejected::NotAllowed, "the card does not work yet");
    let quiet = Order { send_email: false, ..place("quiet", draft(1), &one_off(), at(0)) };
    let quiet = provision(&pay(&quiet, 1, at(10)), at(20));
    assert_eq!(quiet.mails, []);
    assert!(
        decide(&quiet, Command::SendAgain { kind: MailKind::Qr, to: None, asked: None }, at(90)).is_ok(),
        "asked for by hand"
    );
}

#[test]
fn whoever_sent_the_mail_before_does_not_mark_the_next_as_sent() {
    let order = sent(&begun(&one_off(), at(0)).0, MailKind::Qr, 30);
    let again = decide(&order, Command::SendAgain { kind: MailKind::Qr, to: None, asked: None }, at(40)).unwrap();
    assert_eq!(decide(&again, Command::MailSent(MailKind::Qr), at(41)), Err(Rejected::Done), "told twice");
    let refused = Command::MailRefused { kind: MailKind::Qr, reason: "MessageRejected".into() };
    assert_eq!(decide(&again, refused, at(41)), Err(Rejected::Done));
}

#[test]
fn news_for_a_manager_that_came_while_the_mail_left_goes_out_once_more() {
    let order = decide(&provision(&to_ship(1), at(20)), Command::ClaimMail(MailKind::Manager), at(20)).unwrap();
    let reported = Command::MailReported { kind: MailKind::Confirmation, report: MailReport::Bounced };
    let order = decide(&order, reported, at(21)).unwrap();
    let order = decide(&order, Command::MailSent(MailKind::Manager), at(22)).unwrap();
    assert!(mails(&order, 22).contains(&MailKind::Manager));
    assert_eq!(decide(&order, Command::MailSent(MailKind::Manager), at(23)), Err(Rejected::Done), "said twice is said once");
    assert!(!mails(&sent(&order, MailKind::Manager, 24), 1_000_000).contains(&MailKind::Manager));
}

// Trying again.

#[test]
fn a_failed_card_is_tried_again_while_its_money_has_not_set_off() {
    let order = pay(&place("two", draft(2), &one_off(), at(0)), 1, at(10));
    let order = decide(&order, Command::Provisioned(vec![0]), at(20)).unwrap();
    let mut order = decide(&order, failed(1), at(21)).unwrap();
    for round in 1..=3 {
        let again = decide(&order, Command::Retry, at(30 * round)).unwrap();
        assert_eq!(
            (again.lines[1].state, again.owed(), again.status(at(30 * round))),
            (LineState::Pending, vec![], Status::Normal)
        );
        assert!(jobs(&again, 30 * round).contains(&Job::Provision));
        order = decide(&again, failed(1), at(30 * round + 1)).unwrap();
        assert_eq!(order.owed(), [eur(1450)], "failing again owes it again, once");
    }
    let asked = decide(&order, Command::AskRefund { refund: 3 }, at(100)).unwrap();
    let again = decide(&asked, Command::Retry, at(101)).unwrap();
    assert_eq!(again.lines[1].state, LineState::Failed, "the money may be on its way");
    assert_eq!(again.history.last().unwrap().note.as_deref(), Some("refund"));
    assert!(jobs(&again, 101).contains(&Job::Refund), "what was put off is asked for at once");
    assert_eq!(decide(&again, Command::Retry, at(102)), Err(Rejected::NotAllowed));
}

fn by_hand(id: &str, amount: i64) -> Command {
    Command::RefundedElsewhere { payment_id: "pi_one".into(), provider_id: id.into(), amount: eur(amount) }
}

/// An order of two cards whose first was cancelled, so that its price is due.
fn owing() -> Order {
    let mut order = pay(&place("one", draft(2), &one_off(), at(0)), 1, at(10));
    order.payments[0].id = "pi_one".into();
    decide(&decide(&order, failed(0), at(20)).unwrap(), Command::Provisioned(vec![1]), at(21)).unwrap()
}

#[test]
fn what_somebody_gives_back_by_hand_settles_what_is_due_even_while_it_is_asked_for() {
    let order = owing();
    let asked = decide(&order, Command::AskRefund { refund: 0 }, at(30)).unwrap();
    let asked = decide(&asked, Command::RefundDelayed { refund: 0 }, at(31)).unwrap();
    for order in [order, asked] {
        let given = decide(&order, by_hand("re_hand", 1450), at(40)).unwrap();
        assert_eq!((given.refunds.len(), given.refunds[0].state), (1, RefundState::Succeeded));
        assert!(!jobs(&given, 100_000).contains(&Job::Refund), "nobody asks for it any more");
        // The provider had acted all the same: both are on record, and somebody hears of it.
        let told = |id: &str| Command::RefundSucceeded { refund: 0, provider_id: Some(id.into()) };
        assert_eq!(decide(&given, told("re_hand"), at(50)), Err(Rejected::Done));
        let twice = decide(&given, told("re_ours"), at(50)).unwrap();
        assert_eq!(twice.refunds.iter().filter(|refund| refund.state == RefundState::Succeeded).count(), 2);
        assert!(mails(&twice, 60).contains(&MailKind::Manager));
        assert_eq!(decide(&twice, told("re_ours"), at(51)), Err(Rejected::Done));
    }
}

#[test]
fn what_the_provider_refused_is_given_back_by_hand_once() {
    let order = owing();
    let id = order.refund_id(0);
    let at_the_provider = by_hand("re_part", 2000);
    let by_hand = |reference: &str| Command::RefundedByHand { refund_id: id.clone(), reference: reference.into() };
    let refused = |order: &Order, now| {
        let asked = decide(order, Command::AskRefund { refund: 0 }, at(now)).unwrap();
        let why = Command::RefundRefused { refund: 0, provider_id: None, reason: "account closed".into() };
        [asked.clone(), decide(&asked, why, at(now + 1)).unwrap()]
    };
    let [asked, failed] = refused(&order, 30);
    for under_way in [&order, &asked] {
        assert_eq!(decide(under_way, by_hand("SEPA 1"), at(40)), Err(Rejected::NotAllowed), "the provider may give it yet");
    }
    let other = Command::RefundedByHand { refund_id: "RF0".into(), reference: "SEPA 1".into() };
    assert_eq!(decide(&failed, other, at(40)), Err(Rejected::NotAllowed));
    let given = decide_by("Mia", &failed, by_hand("SEPA 1"), at(40)).unwrap();
    assert_eq!((given.refunds.len(), given.refunds[0].state, given.owed()), (1, RefundState::Succeeded, vec![]));
    let told = given.history.last().unwrap();
    assert_eq!(
        (told.event, told.note.as_deref(), told.manager.as_deref()),
        (Event::Refunded, Some("14.50 EUR, by hand: SEPA 1"), Some("Mia"))
    );
    assert!(!given.attention().contains(&Attention::MoneyOwed) && !given.attention().contains(&Attention::RefundFailed));
    assert_eq!(decide(&given, by_hand("SEPA 1"), at(50)), Err(Rejected::Done));
    assert_eq!(decide(&given, by_hand("SEPA 2"), at(50)), Err(Rejected::NotAllowed));
    assert_eq!(decide(&given, Command::Retry, at(50)), Err(Rejected::NotAllowed), "nobody is asked any more");
    // Stripe told first that it had gone, then that the bank sent it back; the older word comes once more.
    let told = |order: &Order, command, now| decide(order, command, at(now)).unwrap();
    let re_1 = || Some("re_1".to_owned());
    let went = told(&asked, Command::RefundSucceeded { refund: 0, provider_id: re_1() }, 31);
    let came_back = told(&went, Command::RefundRefused { refund: 0, provider_id: re_1(), reason: "account closed".into() }, 32);
    let settled = told(&came_back, by_hand("SEPA 1"), 40);
    for order in [&came_back, &settled] {
        assert_eq!(decide(order, Command::RefundSucceeded { refund: 0, provider_id: re_1() }, at(41)), Err(Rejected::Done));
    }
    let again = told(&told(&came_back, Command::Retry, 33), Command::AskRefund { refund: 1 }, 34);
    let failed_again = Command::RefundRefused { refund: 1, provider_id: Some("re_2".into()), reason: "account closed".into() };
    assert_eq!(told(&again, failed_again, 35).refunds[1].failed_ids, ["re_2"]);
    // Of what was given back in part at the provider, the rest.
    let part = decide(&failed, at_the_provider, at(39)).unwrap();
    let rest = decide(&part, by_hand("SEPA 1"), at(40)).unwrap();
    assert_eq!((part.owed(), rest.refunds[0].amount, rest.owed()), (vec![eur(900)], eur(900), vec![]));
    // Should the provider have given it all the same, both are on record, and somebody hears of it.
    let twice = decide(&given, Command::RefundSucceeded { refund: 0, provider_id: Some("re_late".into()) }, at(60)).unwrap();
    assert_eq!(twice.refunds.iter().filter(|refund| refund.state == RefundState::Succeeded).count(), 2);
    assert!(mails(&twice, 70).contains(&MailKind::Manager));
}

#[test]
fn what_somebody_gives_back_by_hand_in_another_currency_settles_nothing_and_comes_up_for_a_manager() {
    let order = owing();
    // As much by its digits as the line is owed, and more than came in.
    for amount in [1450, 1_000_000] {
        let amount = Money { amount, currency: "USD".parse().unwrap() };
        let by_hand = Command::RefundedElsewhere { payment_id: "pi_one".into(), provider_id: "re_usd".into(), amount };
        let given = decide(&order, by_hand.clone(), at(40)).unwrap();
        assert_eq!(given.owed(), [eur(1450)]);
        assert_eq!(given.line_counts(), order.line_counts());
        assert!(jobs(&given, 40).contains(&Job::Refund), "what is owed goes on its way");
        let asked = decide(&given, Command::AskRefund { refund: 0 }, at(41)).unwrap();
        assert_eq!(asked.refunds[0].amount, eur(1450), "all of it");
        assert_eq!(given.left_of(0), order.left_of(0));
        // It is on record, once, and a manager hears of it.
        let last = given.refunds.last().unwrap();
        assert_eq!((last.amount, last.state, last.reason), (amount, RefundState::Succeeded, ReturnReason::Elsewhere));
        let note = given.history.last().unwrap().note.as_deref().unwrap();
        assert!(note.ends_with("at the provider; not what was paid in, so that it settles nothing"), "{note}");
        assert!(mails(&given, 60).contains(&MailKind::Manager));
        assert_eq!(decide(&given, by_hand, at(41)), Err(Rejected::Done));
    }
}

#[test]
fn no_more_is_asked_for_than_is_left_of_a_payment() {
    let given = decide(&owing(), by_hand("re_hand", 2000), at(30)).unwrap();
    assert_eq!((given.owed(), given.refunds[0].amount), (vec![eur(900)], eur(1450)));
    let asked = decide(&given, Command::AskRefund { refund: 0 }, at(40)).unwrap();
    assert_eq!((asked.owed(), asked.refunds[0].amount), (vec![eur(900)], eur(900)));

    // Asked for and refused before, it is asked for anew with what is left by then.
    let asked = decide(&owing(), Command::AskRefund { refund: 0 }, at(30)).unwrap();
    let refused = Command::RefundRefused { refund: 0, provider_id: None, reason: "not enough left".into() };
    let given = decide(&decide(&asked, by_hand("re_hand", 2000), at(31)).unwrap(), refused, at(32)).unwrap();
    assert_eq!(given.refunds[0].amount, eur(1450), "its name stands for what was asked");
    let anew = decide(&given, Command::Retry, at(40)).unwrap();
    let last = anew.refunds.last().unwrap();
    assert_eq!((anew.owed(), last.amount, last.state), (vec![eur(900)], eur(900), RefundState::Due(at(40))));
}

#[test]
fn what_refunds_that_are_under_way_leave_nothing_for_waits_for_them() {
    let mut order = pay(&place("one", draft(3), &one_off(), at(0)), 1, at(10));
    order.payments[0].id = "pi_one".into();
    let order = (0..3).fold(order, |order, line| decide(&order, failed(line), at(20)).unwrap());
    let given = decide(&order, by_hand("re_hand", 2175), at(30)).unwrap();
    let ask = |order: &Order, refund| decide(order, Command::AskRefund { refund }, at(40));
    let asked = ask(&ask(&given, 0).unwrap(), 1).unwrap();
    assert_eq!(asked.refunds.iter().take(3).map(|refund| refund.amount).collect::<Vec<_>>(), [eur(1450), eur(725), eur(1450)]);
    assert_eq!(ask(&asked, 2), Err(Rejected::NotDue));
    assert!(!jobs(&asked, 41).contains(&Job::Refund), "what cannot be done is not due");
    assert!(jobs(&asked, 40 + REFUND_LEASE).contains(&Job::Refund), "the others are looked after");
    // Where one of them is refused, there is something left for it.
    let refused = Command::RefundRefused { refund: 1, provider_id: None, reason: "closed".into() };
    let refused = decide(&asked, refused, at(42)).unwrap();
    assert!(jobs(&refused, 42).contains(&Job::Refund) && ask(&refused, 2).is_ok());
}

#[test]
fn the_code_of_a_card_that_worked_at_last_is_mailed() {
    let order = pay(&place("two", draft(2), &one_off(), at(0)), 1, at(10));
    let order = decide(&order, Command::Provisioned(vec![0]), at(20)).unwrap();
    let order = sent(&decide(&order, failed(1), at(21)).unwrap(), MailKind::Qr, 22);
    let order = decide(&order, Command::Retry, at(30)).unwrap();
    assert!(!mails(&order, 30).contains(&MailKind::Qr), "not before that card is settled");
    let order = decide(&order, Command::Provisioned(vec![1]), at(40)).unwrap();
    assert!(mails(&order, 40).contains(&MailKind::Qr));
}

#[test]
fn a_card_whose_money_was_given_back_by_hand_is_not_tried_again() {
    let order = decide(&pay(&place("one", draft(1), &one_off(), at(0)), 1, at(10)), failed(0), at(20)).unwrap();
    for amount in [1450, 500] {
        let elsewhere = Command::RefundedElsewhere {
            payment_id: order.payments[0].id.clone(),
            provider_id: "re_7".into(),
            amount: eur(amount),
        };
        let given = decide(&order, elsewhere, at(30)).unwrap();
        let again = decide(&given, Command::Retry, at(40)).map(|order| order.lines[0].state);
        assert_eq!(again, Err(Rejected::NotAllowed), "{amount}");
    }
}

#[test]
fn only_as_many_cards_are_tried_again_as_there_is_money_for() {
    let order = pay(&place("two", draft(2), &one_off(), at(0)), 1, at(10));
    let payment_id = order.payments[0].id.clone();
    let by_hand = Command::RefundedElsewhere { payment_id, provider_id: "re_7".into(), amount: eur(1450) };
    let order = decide(&order, by_hand, at(15)).unwrap();
    let order = decide(&decide(&order, failed(1), at(20)).unwrap(), failed(0), at(21)).unwrap();
    assert_eq!(order.owed(), [eur(1450)]);
    let again = decide(&order, Command::Retry, at(30)).unwrap();
    assert_eq!(again.lines.iter().filter(|line| line.state == LineState::Pending).count(), 1);
    assert_eq!(decide(&again, Command::Retry, at(31)), Err(Rejected::NotAllowed));
}

#[test]
fn asking_twice_to_try_again_is_asking_once() {
    let order = decide(&pay(&place("one", draft(1), &one_off(), at(0)), 1, at(10)), failed(0), at(20)).unwrap();
    let refused = Command::RefundRefused { refund: 0, provider_id: None, reason: "account closed".into() };
    let again = decide(&decide(&order, refused, at(30)).unwrap(), Command::Retry, at(40)).unwrap();
    assert_eq!((again.lines[0].state, again.owed()), (LineState::Failed, vec![eur(1450)]), "it is the refund that is tried");
    assert_eq!(decide(&again, Command::Retry, at(41)), Err(Rejected::NotAllowed), "and not the card after that");
}

#[test]
fn an_unpaid_order_that_owes_money_is_not_left_alone_until_its_time_is_over() {
    let order = asked(renewal());
    assert_eq!(next_attention(&order), Some(order.pay_until));
    let owing = decide(&order, receive("pi_1", eur(7), Cards::NotDrawn), at(20)).unwrap();
    assert_eq!((jobs(&owing, 20), next_attention(&owing)), (vec![Job::Refund], Some(at(20 + QUIET))));
    let given = decide(&owing, Command::RefundSucceeded { refund: 0, provider_id: None }, at(30)).unwrap();
    assert_eq!(next_attention(&given), Some(order.pay_until));
}

#[test]
fn what_was_put_off_is_tried_at_once() {
    let delayed = Command::ProvisioningDelayed { reason: "busy".into(), retry_after: Some(3600) };
    let order = decide(&paid(renewal()), delayed, at(30)).unwrap();
    assert!(!jobs(&order, 40).contains(&Job::Provision));
    let again = decide(&order, Command::Retry, at(40)).unwrap();
    assert!(jobs(&again, 40).contains(&Job::Provision));
    assert_eq!(decide(&again, Command::Retry, at(40)), Err(Rejected::NotAllowed), "nothing waits any more");
    let order = decide(&done(esim_swap()), Command::Swapped, at(40)).unwrap();
    let order = decide(&order, Command::RetirementDelayed { retry_after: Some(3600) }, at(40)).unwrap();
    assert!(jobs(&decide(&order, Command::Retry, at(50)).unwrap(), 50).contains(&Job::Retire));
    let order = cancel(&done(renewal()), Used::default(), RefundPolicy::UntilActivation, at(50)).unwrap();
    let order = decide(&order, Command::RevocationDelayed { retry_after: Some(3600) }, at(50)).unwrap();
    assert!(jobs(&decide(&order, Command::Retry, at(60)).unwrap(), 60).contains(&Job::Revoke));
}

#[test]
fn mails_and_refunds_that_were_given_up_are_tried_again() {
    let order = decide(&done(renewal()), Command::ClaimMail(MailKind::Confirmation), at(40)).unwrap();
    let refused = Command::MailRefused { kind: MailKind::Confirmation, reason: "no".into() };
    let order = decide(&order, refused, at(41)).unwrap();
    let again = decide(&order, Command::Retry, at(50)).unwrap();
    assert!(mails(&again, 50).contains(&MailKind::Confirmation));
    let order = cancel(&done(renewal()), Used::default(), RefundPolicy::UntilActivation, at(50)).unwrap();
    let order = decide(&order, Command::Revoked { line: 0 }, at(60)).unwrap();
    let refused = Command::RefundRefused { refund: 0, provider_id: None, reason: "closed account".into() };
    let order = decide(&order, refused, at(61)).unwrap();
    assert!(!jobs(&order, 1_000_000).contains(&Job::Refund));
    let again = decide(&order, Command::Retry, at(70)).unwrap();
    assert_eq!((jobs(&again, 70).contains(&Job::Refund), again.owed()), (true, vec![eur(1450)]));
    assert_eq!(decide(&done(renewal()), Command::Retry, at(70)), Err(Rejected::NotAllowed), "nothing was given up");
}

#[test]
fn a_refund_that_came_back_from_the_bank_is_not_given_by_what_is_told_late_of_it() {
    let order = cancel(&done(renewal()), Used::default(), RefundPolicy::UntilActivation, at(50)).unwrap();
    let order = decide(&order, Command::Revoked { line: 0 }, at(60)).unwrap();
    let id = |id: &str| Some(id.to_owned());
    let given = |id| Command::RefundSucceeded { refund: 0, provider_id: id };
    let order = decide(&order, given(id("re_1")), at(61)).unwrap();
    let came_back = Command::RefundRefused { refund: 0, provider_id: id("re_1"), reason: "account closed".into() };
    let order = decide(&order, came_back, at(70)).unwrap();
    let again = decide(&order, Command::Retry, at(80)).unwrap();
    let taken = Command::RefundTaken { refund: 0, provider_id: "re_1".into() };
    for order in [&order, &again] {
        for late in [given(id("re_1")), taken.clone()] {
            assert_eq!(decide(order, late, at(81)), Err(Rejected::Done));
        }
    }
    assert_eq!(decide(&order, given(id("re_2")), at(81)).unwrap().owed(), []);

    // It is asked for anew, at once and under another name, since what failed stays failed at the provider under its own.
    assert_eq!((again.refunds.len(), again.owed()), (2, vec![eur(1450)]));
    assert_ne!(again.refund_id(0), again.refund_id(1));
    assert!(outstanding(&again).contains(&Outstanding { job: Job::Refund, at: at(80), under_way: false }));
    let anew = Command::RefundSucceeded { refund: 1, provider_id: id("re_2") };
    assert_eq!(decide(&again, anew, at(82)).unwrap().owed(), []);
}

#[test]
fn a_refund_that_somebody_tried_by_hand_is_not_tried_again() {
    let order = done(renewal());
    let payment_id = order.payments[0].id.clone();
    let elsewhere = Command::RefundedElsewhere { payment_id, provider_id: "re_7".into(), amount: eur(500) };
    let order = decide(&order, elsewhere, at(40)).unwrap();
    let refused = Command::RefundRefused { refund: 0, provider_id: Some("re_7".into()), reason: "account closed".into() };
    let order = decide(&order, refused, at(50)).unwrap();
    assert_eq!((order.owed(), decide(&order, Command::Retry, at(60))), (vec![], Err(Rejected::NotAllowed)));
}

#[test]
fn a_top_up_that_failed_is_not_tried_again() {
    let order = decide(&paid(more()), failed(0), at(30)).unwrap();
    assert_eq!(order.owed(), [eur(1450)]);
    assert_eq!(decide(&order, Command::Retry, at(40)), Err(Rejected::NotAllowed), "what it was for may have ended meanwhile");
}

// Notes.

#[test]
fn a_note_stands_on_any_order_until_the_next() {
    for order in [to_ship_unpaid(), asked(renewal()), done(renewal())] {
        let note = |text: &str| Command::Note(text.into());
        let one = decide(&order, note("called"), at(40)).unwrap();
        assert_eq!(decide(&one, note("called"), at(41)), Err(Rejected::Done));
        let two = decide(&one, note("called twice"), at(42)).unwrap();
        assert_eq!(two.note.as_deref(), Some("called twice"));
        let notes = two.history.iter().filter(|entry| entry.event == Event::Noted).count();
        assert_eq!(notes, 2, "the history keeps them all");
        // The same once more is another note when something has happened meanwhile.
        let edited = Command::EditRecipient(Recipient { name: Some("Bea".into()), ..Recipient::default() });
        let since = decide(&two, edited, at(43)).unwrap();
        assert!(decide(&since, note("called twice"), at(44)).is_ok());
    }
}

// Profiles.

fn eid(number: u32) -> Eid {
    let body = format!("890490320040088826{number:012}");
    (0..100).find_map(|check| format!("{body}{check:02}").parse().ok()).unwrap()
}

#[test]
fn a_profile_is_bound_to_the_phone_that_it_was_installed_on_first() {
    let new = Profile::default();
    let installed = new.reported(ProfileState::Installed, Some(&eid(1)), Some(Via::Qr), at(10)).unwrap();
    assert_eq!(installed.installed_at, Some(at(10)));
    assert_eq!((&installed.eid, installed.via), (&Some(eid(1)), Some(Via::Qr)));
    assert_eq!(installed.reported(ProfileState::Installed, Some(&eid(1)), Some(Via::Qr), at(10)), Err(Rejected::Done));
    for state in [ProfileState::Installed, ProfileState::Disabled, ProfileState::Deleted] {
        assert_eq!(installed.reported(state, Some(&eid(2)), None, at(20)), Err(Rejected::OtherDevice));
    }
    let deleted = installed.reported(ProfileState::Deleted, Some(&eid(1)), None, at(20)).unwrap();
    assert_eq!(deleted.state, Some((ProfileState::Deleted, at(20))));
    assert_eq!(deleted.reported(ProfileState::Installed, Some(&eid(2)), None, at(30)), Err(Rejected::OtherDevice));
    let again = deleted.reported(ProfileState::Installed, Some(&eid(1)), Some(Via::IosApi), at(30)).unwrap();
    assert_eq!((again.installed_at, again.via), (Some(at(10)), Some(Via::Qr)), "the first time counts");
    assert_eq!(again.state, Some((ProfileState::Installed, at(30))));
}

#[test]
fn late_reports_on_a_profile_change_only_what_they_know_better() {
    let deleted = Profile::default().reported(ProfileState::Deleted, None, None, at(50)).unwrap();
    assert_eq!(deleted.installed_at, None);
    let late = deleted.reported(ProfileState::Installed, Some(&eid(1)), Some(Via::AndroidApi), at(10)).unwrap();
    assert_eq!((late.state, late.installed_at), (Some((ProfileState::Deleted, at(50))), Some(at(10))));
    let later = late.reported(ProfileState::Installed, None, None, at(5)).unwrap();
    assert_eq!((later.installed_at, later.via, &later.eid), (Some(at(5)), Some(Via::AndroidApi), &Some(eid(1))));
    assert_eq!(later.reported(ProfileState::Disabled, None, None, at(20)), Err(Rejected::Done));
    // Of two in the same second the one further on counts, whichever came first.
    let steps = [ProfileState::Installed, ProfileState::Disabled, ProfileState::Deleted];
    for (first, second) in [(0, 1), (1, 0), (1, 2), (2, 1), (0, 2), (2, 0)] {
        let told = Profile::default().reported(steps[first], None, None, at(60)).unwrap();
        let told = told.reported(steps[second], None, None, at(60)).unwrap_or(told);
        assert_eq!(told.state, Some((steps[first.max(second)], at(60))));
    }
}

#[test]
fn the_order_of_reports_on_a_profile_does_not_matter() {
    let reports = [
        (ProfileState::Installed, Some(Via::Qr), 10),
        (ProfileState::Disabled, None, 20),
        (ProfileState::Deleted, None, 30),
        (ProfileState::Installed, Some(Via::IosApi), 40),
    ];
    let deliver = |places: &[usize]| {
        places.iter().fold(Profile::default(), |profile, place| {
            let (state, via, when) = reports[*place];
            profile.reported(state, Some(&eid(1)), via, at(when)).unwrap_or(profile)
        })
    };
    let expected = deliver(&[0, 1, 2, 3]);
    for a in 0..4 {
        for b in 0..4 {
            for c in 0..4 {
                // Whatever came twice or out of order, once all was told it is the same.
                assert_eq!(deliver(&[a, b, c, 3, 2, 1, 0]), expected, "{a} {b} {c}");
            }
        }
    }
}

// What got lost.

#[test]
fn what_nobody_is_called_for_is_called_for_again() {
    let forget = |mut order: Order| {
        (order.provisioning, order.revoking, order.retiring) = (None, None, None);
        order.mails.clear();
        order
    };
    let bought = pay(&place("new", draft(1), &one_off(), at(10)), 2, at(20));
    let delivered = provision(&bought, at(30));
    let leaving = cancel(&done(renewal()), Used::default(), RefundPolicy::UntilActivation, at(40)).unwrap();
    let swapped = decide(&done(esim_swap()), Command::Swapped, at(40)).unwrap();
    let (confirmation, qr) = (Uncalled::Mail(MailKind::Confirmation), Uncalled::Mail(MailKind::Qr));
    for (order, expected) in [
        (&bought, vec![Uncalled::Job(Job::Provision), confirmation]),
        (&delivered, vec![confirmation, qr]),
        (&done(esim_swap()), vec![qr]),
        (&leaving, vec![Uncalled::Job(Job::Revoke), confirmation]),
        (&swapped, vec![Uncalled::Job(Job::Retire)]),
    ] {
        assert_eq!((uncalled(order), decide(order, Command::CallAgain, at(50))), (vec![], Err(Rejected::Done)));
        let lost = forget(order.clone());
        assert_eq!(uncalled(&lost), expected);
        let again = decide(&lost, Command::CallAgain, at(50)).unwrap();
        assert_eq!((uncalled(&again), again.news), (vec![], true));
        for what in expected {
            let wanted = match what {
                Uncalled::Job(job) => outstanding(&again).iter().any(|outstanding| outstanding.job == job),
                Uncalled::Mail(kind) => again.mail(kind).is_some(),
            };
            assert!(wanted, "{what:?}");
        }
    }
    assert_eq!(uncalled(&forget(asked(renewal()))), [], "nobody has paid");
}
