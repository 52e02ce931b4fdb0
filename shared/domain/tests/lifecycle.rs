//! Given an order, when a command comes, then this is what becomes of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use simdock_domain::*;

const START: i64 = 1_795_341_600; // 2026-11-22T10:00:00Z

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(START + seconds)
}

fn eur(amount: i64) -> Money {
    Money { amount, currency: "EUR".parse().unwrap() }
}

fn iccid(number: u64) -> Iccid {
    Iccid::with_check_digit(&format!("890990{number:012}")).unwrap()
}

fn plan() -> Plan {
    serde_json::from_value(serde_json::json!({
        "planId": "eu-5gb-30d", "version": 1, "display": "Europe 5 GB", "price": {"amount": 1450, "currency": "EUR"},
        "dataMb": 5120, "days": 30, "flowType": 0, "refundPolicy": {"kind": "within_days", "days": 14},
        "formFactors": ["esim"], "profiles": [{"operator": "meridian", "imsiProfile": "7", "cost": 410}],
        "apn": "internet", "countries": ["ES"],
        "addOns": [{"addOnId": "data-1gb", "display": "1 GB", "kind": "data", "price": {"amount": 300, "currency": "EUR"}, "amount": 1024}],
    }))
    .unwrap()
}

fn draft(count: u32) -> Draft {
    Draft {
        count,
        add_on_ids: Vec::new(),
        payment_method: PaymentMethod::Card,
        channel: Channel::Web,
        email: "ana@example.com".parse().unwrap(),
        name: "Ana".into(),
        language: "en".into(),
        line_name: None,
        send_email: true,
        other_order_id: None,
        other_item_id: None,
    }
}

fn unpaid(count: u32) -> Order {
    let num = OrderNum::derive("demo", "POST /v1/orders", "key");
    Order::place(num, "demo", draft(count), &plan(), "fingerprint".into(), at(0)).unwrap()
}

fn receive(id: &str, received: Money, cards: Cards) -> Command {
    Command::Receive { provider: Provider::Stripe, payment_id: id.into(), received, cards }
}

fn drawn(count: u64) -> Cards {
    Cards::Drawn((1..=count).map(iccid).collect())
}

fn paid(count: u32) -> Order {
    let order = unpaid(count);
    let price = order.price();
    decide(&order, receive("pi_1", price, drawn(count.into())), at(10)).unwrap()
}

fn live(count: u32) -> Order {
    decide(&paid(count), Command::Provisioned((0..count as usize).collect()), at(11)).unwrap()
}

fn jobs(order: &Order, seconds: i64) -> Vec<Job> {
    due(order, at(seconds))
}

fn mail(kind: MailKind) -> Job {
    Job::Mail { mail: kind }
}

#[test]
fn a_new_order_waits_for_its_payment_and_needs_nothing_else() {
    let order = unpaid(3);
    assert_eq!(order.status(at(0)), Status::Unpaid);
    assert_eq!(order.fulfilment(at(0)), Fulfilment::Accepted);
    assert_eq!(order.price(), eur(4350));
    assert_eq!(jobs(&order, 0), []);
    assert_eq!(next_attention(&order), Some(order.pay_until));
    assert_eq!(order.pay_until, at(PAY_WINDOW));
}

#[test]
fn the_lines_add_up_to_the_price_with_add_ons() {
    let draft = Draft { add_on_ids: vec!["data-1gb".into(), "data-1gb".into()], ..draft(2) };
    let num = OrderNum::derive("demo", "POST /v1/orders", "key");
    let order = Order::place(num, "demo", draft, &plan(), String::new(), at(0)).unwrap();
    assert_eq!(order.lines.iter().map(|line| line.amount).collect::<Vec<_>>(), [2050, 2050]);
    assert_eq!(order.price(), eur(4100));
}

#[test]
fn counts_outside_the_limits_are_no_order() {
    let place = |count| {
        let num = OrderNum::derive("demo", "POST /v1/orders", "key");
        Order::place(num, "demo", draft(count), &plan(), String::new(), at(0))
    };
    assert_eq!(place(0), Err(PlaceError::Count));
    assert!(place(50).is_ok());
    assert_eq!(place(51), Err(PlaceError::Count));
}

#[test]
fn the_right_payment_in_time_pays_and_makes_provisioning_and_the_confirmation_due() {
    let order = paid(2);
    assert_eq!(order.status(at(10)), Status::Normal);
    assert_eq!(order.fulfilment(at(10)), Fulfilment::Fulfilling);
    assert_eq!(order.lines[1].iccid, Some(iccid(2)));
    assert_eq!(jobs(&order, 10), [Job::Provision, mail(MailKind::Confirmation)]);
    assert_eq!(next_attention(&order), Some(at(10 + QUIET)));
    assert_eq!(order.owed(), []);
    assert_eq!(order.version, 2);
}

#[test]
fn without_mail_wanted_only_provisioning_is_due() {
    let order = Order { send_email: false, ..unpaid(1) };
    let order = decide(&order, receive("pi_1", eur(1450), drawn(1)), at(10)).unwrap();
    let order = decide(&order, Command::Provisioned(vec![0]), at(11)).unwrap();
    assert_eq!(outstanding(&order), []);
    assert_eq!(next_attention(&order), None);
}

#[test]
fn a_payment_is_known_by_its_id_whatever_came_in_between() {
    let order = live(1);
    assert_eq!(order.intake("pi_1", eur(1450), at(20)), Intake::Known);
    assert_eq!(decide(&order, receive("pi_1", eur(1), Cards::NotDrawn), at(20)), Err(Rejected::Done));
}

#[test]
fn what_cannot_pay_is_owed_back_exactly_as_received() {
    let usd = Money { amount: 1450, currency: "USD".parse().unwrap() };
    let void = decide(&unpaid(1), Command::Expire, at(PAY_WINDOW)).unwrap();
    let cases = [
        (unpaid(1), eur(1449), 5, ReturnReason::WrongAmount, Status::Unpaid),
        (unpaid(1), eur(1451), 5, ReturnReason::WrongAmount, Status::Unpaid),
        (unpaid(1), usd, 5, ReturnReason::WrongCurrency, Status::Unpaid),
        (unpaid(1), eur(1450), PAY_WINDOW, ReturnReason::AfterVoid, Status::Void),
        (void, eur(1450), PAY_WINDOW + 5, ReturnReason::AfterVoid, Status::Void),
        (live(1), eur(1450), 20, ReturnReason::PaidTwice, Status::Normal),
    ];
    for (order, received, seconds, reason, status) in cases {
        assert_eq!(order.intake("pi_2", received, at(seconds)), Intake::Returns(reason));
        let after = decide(&order, receive("pi_2", received, Cards::NotDrawn), at(seconds)).unwrap();
        let payment = after.payments.last().unwrap();
        assert_eq!((payment.returned, payment.received), (Some(reason), received));
        assert_eq!(after.owed(), [received]);
        assert_eq!(after.status(at(seconds)), status, "{reason:?}");
        assert!(after.attention().contains(&Attention::MoneyOwed));
    }
}

#[test]
fn a_wrong_payment_does_not_keep_the_right_one_from_paying() {
    let order = decide(&unpaid(1), receive("pi_1", eur(10), Cards::NotDrawn), at(5)).unwrap();
    let order = decide(&order, receive("pi_2", eur(1450), drawn(1)), at(6)).unwrap();
    assert_eq!(order.status(at(6)), Status::Normal);
    assert_eq!(order.owed(), [eur(10)]);
    assert_eq!(order.refunds[0].payment, 0);
}

#[test]
fn no_stock_left_turns_the_order_void_and_owes_the_money() {
    let order = decide(&unpaid(2), receive("pi_1", eur(2900), Cards::SoldOut), at(5)).unwrap();
    assert_eq!(order.status(at(5)), Status::Void);
    assert_eq!(order.void, Some(VoidReason::SoldOut));
    assert_eq!(order.owed(), [eur(2900)]);
    assert_eq!(order.fulfilment(at(5)), Fulfilment::Failed);
    assert_eq!(next_attention(&order), None);
}

#[test]
fn a_payment_without_the_cards_it_pays_for_decides_nothing() {
    for cards in [Cards::NotDrawn, drawn(1), drawn(3)] {
        assert_eq!(decide(&unpaid(2), receive("pi_1", eur(2900), cards), at(5)), Err(Rejected::NotAllowed));
    }
}

#[test]
fn an_order_expires_when_its_time_is_over_and_not_before() {
    assert_eq!(decide(&unpaid(1), Command::Expire, at(PAY_WINDOW - 1)), Err(Rejected::NotDue));
    let void = decide(&unpaid(1), Command::Expire, at(PAY_WINDOW)).unwrap();
    assert_eq!(void.status(at(PAY_WINDOW)), Status::Void);
    assert_eq!(next_attention(&void), None);
    assert_eq!(decide(&void, Command::Expire, at(PAY_WINDOW)), Err(Rejected::Done));
    assert_eq!(decide(&paid(1), Command::Expire, at(PAY_WINDOW)), Err(Rejected::Done));
    // Nobody has to have noticed.
    assert_eq!(unpaid(1).status(at(PAY_WINDOW)), Status::Void);
}

#[test]
fn provisioned_cards_are_live_and_the_codes_go_out_once_all_are_settled() {
    let half = decide(&paid(2), Command::Provisioned(vec![1]), at(11)).unwrap();
    assert_eq!(half.fulfilment(at(11)), Fulfilment::Fulfilling);
    assert!(!jobs(&half, 11).contains(&mail(MailKind::Qr)));
    let whole = decide(&half, Command::Provisioned(vec![0, 1]), at(12)).unwrap();
    assert_eq!(whole.fulfilment(at(12)), Fulfilment::Completed);
    assert_eq!(jobs(&whole, 12), [mail(MailKind::Confirmation), mail(MailKind::Qr)]);
    assert_eq!(decide(&whole, Command::Provisioned(vec![0, 1]), at(13)), Err(Rejected::Done));
    assert_eq!(decide(&whole, Command::Provisioned(vec![7]), at(13)), Err(Rejected::NotAllowed));
}

#[test]
fn a_card_that_failed_for_good_is_owed_and_a_manager_is_told() {
    let failed = Command::ProvisioningFailed { line: 0, reason: "unknown card".into() };
    let order = decide(&paid(2), failed.clone(), at(11)).unwrap();
    assert_eq!(order.status(at(11)), Status::PartialUnsubscribing);
    assert_eq!(order.owed(), [eur(1450)]);
    assert!(jobs(&order, 11).contains(&mail(MailKind::Manager)));
    assert!(order.attention().contains(&Attention::ProvisioningFailed));
    assert_eq!(decide(&order, failed, at(12)), Err(Rejected::Done));

    let order = decide(&order, Command::Provisioned(vec![1]), at(12)).unwrap();
    assert!(jobs(&order, 12).contains(&mail(MailKind::Qr)), "the card that works is mailed");

    let mut settled = order;
    settled.refunds[0].state = RefundState::Succeeded;
    assert_eq!(settled.status(at(13)), Status::PartialUnsubscribed);
}

#[test]
fn an_order_whose_cards_all_failed_is_refunded_whole_and_mails_no_code() {
    let mut order = paid(2);
    for line in 0..2 {
        order = decide(&order, Command::ProvisioningFailed { line, reason: "no".into() }, at(11)).unwrap();
    }
    assert_eq!(order.status(at(11)), Status::Unsubscribing);
    assert_eq!(order.fulfilment(at(11)), Fulfilment::Failed);
    assert_eq!(order.owed(), [eur(2900)]);
    assert!(order.mail(MailKind::Qr).is_none());
    for refund in &mut order.refunds {
        refund.state = RefundState::Succeeded;
    }
    assert_eq!(order.status(at(11)), Status::Cancelled);
}

fn delayed(retry_after: Option<u32>) -> Command {
    Command::ProvisioningDelayed { reason: "busy".into(), retry_after }
}

#[test]
fn a_carrier_that_is_busy_is_asked_again_later_each_time_and_given_up_at_last() {
    let mut order = paid(1);
    let mut now = at(11);
    for attempt in 1..MAX_ATTEMPTS {
        order = decide(&order, delayed(None), now).unwrap();
        assert_eq!(decide(&order, delayed(None), now), Err(Rejected::NotDue), "a second worker changes nothing");
        assert!(!due(&order, now).contains(&Job::Provision));
        now = now.plus_seconds(backoff(attempt));
        assert!(due(&order, now).contains(&Job::Provision));
        assert!(next_attention(&order).unwrap() <= now.plus_seconds(QUIET));
    }
    order = decide(&order, delayed(None), now).unwrap();
    assert_eq!(order.lines[0].state, LineState::Failed);
    assert_eq!(order.owed(), [eur(1450)]);
    assert!(!due(&order, now).contains(&Job::Provision));
    let delays = order.history.iter().filter(|entry| entry.event == Event::ProvisioningDelayed).count();
    assert_eq!(delays, 1, "the history does not grow with every attempt");
}

#[test]
fn a_carrier_that_says_when_is_asked_then() {
    let order = decide(&paid(1), delayed(Some(1800)), at(11)).unwrap();
    assert!(!due(&order, at(11 + 1799)).contains(&Job::Provision));
    assert!(due(&order, at(11 + 1800)).contains(&Job::Provision));
}

#[test]
fn the_backoff_doubles_up_to_an_hour() {
    assert_eq!([1, 2, 3, 8, 9, 100].map(backoff), [30, 60, 120, 3600, 3600, 3600]);
}

#[test]
fn a_mail_is_claimed_by_one_sent_and_marked() {
    let claim = Command::ClaimMail(MailKind::Qr);
    let order = decide(&live(1), claim.clone(), at(12)).unwrap();
    assert_eq!(decide(&order, claim.clone(), at(12)), Err(Rejected::NotDue));
    assert!(!jobs(&order, 12).contains(&mail(MailKind::Qr)));
    let sent = decide(&order, Command::MailSent(MailKind::Qr), at(13)).unwrap();
    assert_eq!(sent.mail(MailKind::Qr).unwrap().state, MailState::Sent(at(13)));
    assert_eq!(decide(&sent, Command::MailSent(MailKind::Qr), at(13)), Err(Rejected::Done));
    assert_eq!(decide(&sent, claim, at(1000)), Err(Rejected::Done));
}

#[test]
fn a_sender_that_vanished_loses_its_claim() {
    let claim = Command::ClaimMail(MailKind::Qr);
    let order = decide(&live(1), claim.clone(), at(12)).unwrap();
    let lapsed = 12 + MAIL_LEASE;
    assert!(jobs(&order, lapsed).contains(&mail(MailKind::Qr)));
    let again = decide(&order, claim, at(lapsed)).unwrap();
    assert_eq!(again.mail(MailKind::Qr).unwrap().attempts, 2);
    // The first one was only slow: its word still counts.
    let sent = decide(&again, Command::MailSent(MailKind::Qr), at(lapsed + 1)).unwrap();
    assert!(matches!(sent.mail(MailKind::Qr).unwrap().state, MailState::Sent(_)));
}

#[test]
fn a_mail_that_was_refused_is_given_up_and_a_manager_is_told() {
    let order = decide(&live(1), Command::ClaimMail(MailKind::Qr), at(12)).unwrap();
    let refused = Command::MailRefused { kind: MailKind::Qr, reason: "MessageRejected".into() };
    let order = decide(&order, refused, at(13)).unwrap();
    assert_eq!(order.attention(), [Attention::MailFailed]);
    assert!(jobs(&order, 13).contains(&mail(MailKind::Manager)));
    assert!(!jobs(&order, 100_000).contains(&mail(MailKind::Qr)));
}

#[test]
fn a_mail_that_is_put_off_too_often_is_given_up() {
    let mut order = live(1);
    let mut now = at(12);
    for _ in 0..MAX_ATTEMPTS {
        order = decide(&order, Command::ClaimMail(MailKind::Qr), now).unwrap();
        order = decide(&order, Command::MailDelayed(MailKind::Qr), now).unwrap();
        now = now.plus_seconds(3600);
    }
    order = decide(&order, Command::ClaimMail(MailKind::Qr), now).unwrap();
    assert!(matches!(order.mail(MailKind::Qr).unwrap().state, MailState::Failed(_)));
}

#[test]
fn trouble_with_a_manager_mail_calls_for_no_further_one() {
    let order = decide(&paid(1), Command::ProvisioningFailed { line: 0, reason: "no".into() }, at(11)).unwrap();
    let order = decide(&order, Command::ClaimMail(MailKind::Manager), at(12)).unwrap();
    let refused = Command::MailRefused { kind: MailKind::Manager, reason: "MessageRejected".into() };
    let order = decide(&order, refused, at(13)).unwrap();
    assert!(!jobs(&order, 100_000).contains(&mail(MailKind::Manager)));
    assert!(order.attention().contains(&Attention::MailFailed));
}

#[test]
fn reports_on_a_mail_are_kept_the_worst_first_and_only_bad_ones_call_a_manager() {
    let report = |report| Command::MailReported { kind: MailKind::Qr, report };
    let mut order = decide(&live(1), Command::ClaimMail(MailKind::Qr), at(12)).unwrap();
    order = decide(&order, Command::MailSent(MailKind::Qr), at(13)).unwrap();
    let late = decide(&order, report(MailReport::Delayed), at(14)).unwrap();
    assert!(late.mail(MailKind::Manager).is_none());
    let bounced = decide(&late, report(MailReport::Bounced), at(15)).unwrap();
    assert_eq!(bounced.attention(), [Attention::MailUndelivered]);
    assert!(bounced.mail(MailKind::Manager).is_some());
    for repeated in [MailReport::Delayed, MailReport::Bounced, MailReport::Suppressed] {
        assert_eq!(decide(&bounced, report(repeated), at(16)), Err(Rejected::Done));
    }
    let complained = decide(&bounced, report(MailReport::Complained), at(17)).unwrap();
    assert_eq!(complained.attention(), [Attention::MailComplaint]);
}

#[test]
fn several_commands_are_one_change() {
    let commands =
        vec![Command::Provisioned(vec![0]), Command::ProvisioningFailed { line: 1, reason: "no".into() }, delayed(None)];
    let order = paid(3);
    let next = decide_all(&order, commands.clone(), at(11)).unwrap();
    assert_eq!(next.version, order.version + 1);
    let states: Vec<LineState> = next.lines.iter().map(|line| line.state).collect();
    assert_eq!(states, [LineState::Live, LineState::Failed, LineState::Pending]);
    // What another worker put off meanwhile does not keep the rest from being recorded.
    let behind = decide(&order, delayed(None), at(11)).unwrap();
    let next = decide_all(&behind, commands, at(11)).unwrap();
    assert_eq!(next.lines[0].state, LineState::Live);
    assert_eq!(decide_all(&next, vec![Command::Provisioned(vec![0])], at(12)), Err(Rejected::Done));
}

#[test]
fn refundability_follows_the_state_and_the_policy() {
    let within = plan();
    let never = Plan { refund_policy: RefundPolicy::None, ..plan() };
    assert_eq!(unpaid(1).refundable(0, &within, at(0)), Refundable::No(NotRefundable::NotPaid));
    assert_eq!(live(1).refundable(0, &within, at(20)), Refundable::Yes(eur(1450)));
    assert_eq!(live(1).refundable(0, &within, at(14 * 86_400 - 1)), Refundable::Yes(eur(1450)));
    assert_eq!(live(1).refundable(0, &within, at(14 * 86_400)), Refundable::No(NotRefundable::PeriodOver));
    assert_eq!(live(1).refundable(0, &never, at(20)), Refundable::No(NotRefundable::Policy));
    let failed = decide(&paid(1), Command::ProvisioningFailed { line: 0, reason: "no".into() }, at(11)).unwrap();
    assert_eq!(failed.refundable(0, &within, at(20)), Refundable::No(NotRefundable::Failed));
}

#[test]
fn an_order_survives_the_way_through_its_stored_form() {
    let mut order = live(2);
    order = decide(&order, Command::ClaimMail(MailKind::Qr), at(12)).unwrap();
    order = decide(&order, Command::MailReported { kind: MailKind::Qr, report: MailReport::Bounced }, at(13)).unwrap();
    order = decide(&order, receive("pi_2", eur(7), Cards::NotDrawn), at(14)).unwrap();
    let stored = serde_json::to_value(&order).unwrap();
    assert_eq!(serde_json::from_value::<Order>(stored).unwrap(), order);
}
