//! Given an order, when a command comes, then this is what becomes of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{at, draft, eur, iccid};
use simdock_domain::*;

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

fn mails(order: &Order, seconds: i64) -> Vec<MailKind> {
    mails_due(order, at(seconds))
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
fn the_right_payment_in_time_pays_and_makes_provisioning_due() {
    let order = paid(2);
    assert_eq!(order.status(at(10)), Status::Normal);
    assert_eq!(order.fulfilment(at(10)), Fulfilment::Fulfilling);
    assert_eq!(order.lines[1].iccid, Some(iccid(2)));
    assert_eq!(jobs(&order, 10), [Job::Provision]);
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
    assert_eq!(jobs(&order, 5), [Job::Refund]);
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
    assert!(!mails(&half, 11).contains(&MailKind::Qr));
    let whole = decide(&half, Command::Provisioned(vec![0, 1]), at(12)).unwrap();
    assert_eq!(whole.fulfilment(at(12)), Fulfilment::Completed);
    assert_eq!((jobs(&whole, 12), mails(&whole, 12)), (vec![Job::Mail], vec![MailKind::Confirmation, MailKind::Qr]));
    assert_eq!(decide(&whole, Command::Provisioned(vec![0, 1]), at(13)), Err(Rejected::Done));
    assert_eq!(decide(&whole, Command::Provisioned(vec![7]), at(13)), Err(Rejected::NotAllowed));
}

#[test]
fn a_card_that_failed_for_good_is_owed_and_a_manager_is_told() {
    let failed = Command::ProvisioningFailed { line: 0, reason: "unknown card".into() };
    let order = decide(&paid(2), failed.clone(), at(11)).unwrap();
    assert_eq!(order.status(at(11)), Status::PartialUnsubscribing);
    assert_eq!(order.owed(), [eur(1450)]);
    assert!(order.mail(MailKind::Manager).is_some());
    assert!(order.attention().contains(&Attention::ProvisioningFailed));
    let noted = decide(&order, Command::Note("told the subscriber".into()), at(30)).unwrap();
    assert!(!noted.attention().contains(&Attention::ProvisioningFailed), "somebody has seen to it");
    assert_eq!(decide(&order, failed, at(12)), Err(Rejected::Done));

    let order = decide(&order, Command::Provisioned(vec![1]), at(12)).unwrap();
    assert!(mails(&order, 12).contains(&MailKind::Manager));
    assert!(mails(&order, 12).contains(&MailKind::Qr), "the card that works is mailed");

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
fn mails_wait_for_the_cards_but_not_for_ever() {
    let order = paid(2);
    let waits = Outstanding { job: Job::Mail, at: at(10 + MAIL_PATIENCE), under_way: true };
    assert!(outstanding(&order).contains(&waits), "{:?}", outstanding(&order));
    assert_eq!(mails(&order, 10 + MAIL_PATIENCE - 1), []);
    assert_eq!(decide(&order, Command::ClaimMail(MailKind::Confirmation), at(11)), Err(Rejected::NotDue));

    let half = decide(&order, Command::Provisioned(vec![0]), at(11)).unwrap();
    assert_eq!(mails(&half, 11), [], "another card is on its way");
    let refused = Command::ProvisioningFailed { line: 1, reason: "no".into() };
    let whole = decide(&half, refused, at(12)).unwrap();
    assert_eq!(mails(&whole, 12), [MailKind::Confirmation, MailKind::Manager, MailKind::Qr]);
    assert!(outstanding(&whole).contains(&Outstanding { job: Job::Mail, at: at(10), under_way: false }));

    // The carrier does not answer: who paid hears of it all the same, and of the card later.
    let later = 10 + MAIL_PATIENCE;
    assert_eq!((jobs(&order, later), mails(&order, later)), (vec![Job::Provision, Job::Mail], vec![MailKind::Confirmation]));
    let told = decide(&order, Command::ClaimMail(MailKind::Confirmation), at(later)).unwrap();
    let told = decide(&told, Command::MailSent(MailKind::Confirmation), at(later)).unwrap();
    let whole = decide(&told, Command::Provisioned(vec![0, 1]), at(later + 60)).unwrap();
    assert_eq!(mails(&whole, later + 60), [MailKind::Qr]);
    // One that was put off by then is not held up any more.
    let off = decide(&order, Command::ClaimMail(MailKind::Confirmation), at(later)).unwrap();
    let off = decide(&off, Command::MailDelayed(MailKind::Confirmation), at(later)).unwrap();
    assert!(outstanding(&off).contains(&Outstanding { job: Job::Mail, at: at(later + 30), under_way: false }));
}

#[test]
fn what_is_due_is_claimed_together_and_one_that_fails_holds_up_no_other() {
    let claim = |order: &Order, seconds| {
        decide_all(order, mails(order, seconds).into_iter().map(Command::ClaimMail).collect(), at(seconds)).unwrap()
    };
    let claimed = claim(&live(1), 12);
    assert_eq!(claimed.version, live(1).version + 1);
    assert_eq!(outstanding(&claimed), [Outstanding { job: Job::Mail, at: at(12 + MAIL_LEASE), under_way: true }]);
    let outcome = vec![Command::MailDelayed(MailKind::Confirmation), Command::MailSent(MailKind::Qr)];
    let order = decide_all(&claimed, outcome, at(13)).unwrap();
    assert_eq!(outstanding(&order), [Outstanding { job: Job::Mail, at: at(13 + 30), under_way: false }]);
    assert_eq!(mails(&order, 43), [MailKind::Confirmation]);

    // Whoever had both vanished: should one of the mails be why, the other does not go out with it again and again.
    let lapsed = 12 + MAIL_LEASE;
    assert_eq!(mails(&claimed, lapsed), [MailKind::Confirmation]);
    let first = claim(&claimed, lapsed);
    assert_eq!(mails(&first, lapsed), [MailKind::Qr]);
    let second = claim(&first, lapsed + 1);
    assert_eq!(mails(&second, lapsed + 1), []);
    let sent = decide(&second, Command::MailSent(MailKind::Qr), at(lapsed + 2)).unwrap();
    assert_eq!(mails(&sent, lapsed + MAIL_LEASE), [MailKind::Confirmation]);
}

#[test]
fn all_is_news_but_that_somebody_begins_to_send_mails() {
    let all = |order: &Order, seconds| {
        decide_all(order, mails(order, seconds).into_iter().map(Command::ClaimMail).collect(), at(seconds)).unwrap()
    };
    let claimed = all(&live(1), 12);
    assert_eq!([unpaid(1).news, paid(1).news, live(1).news, claimed.news], [true, true, true, false]);
    let both = vec![Command::MailSent(MailKind::Confirmation), Command::MailSent(MailKind::Qr)];
    assert!(decide_all(&claimed, both, at(13)).unwrap().news, "counted");
    assert!(decide(&claimed, Command::MailDelayed(MailKind::Qr), at(13)).unwrap().news, "to be queued again");
    assert!(decide(&live(1), Command::ClaimMail(MailKind::Qr), at(12)).unwrap().news, "another mail is due");
    assert!(decide(&paid(1), Command::ProvisioningDelayed { reason: "busy".into(), retry_after: None }, at(12)).unwrap().news);
    // The age of a debt is counted at each attempt to settle it.
    let owed = all(&decide(&live(1), elsewhere("re_1", 5), at(12)).unwrap(), 12);
    assert!(!owed.news && decide(&live(1), receive("pi_2", eur(7), Cards::NotDrawn), at(14)).unwrap().news);
    let twice = all(&decide(&live(1), receive("pi_2", eur(7), Cards::NotDrawn), at(14)).unwrap(), 14);
    assert!(twice.news, "the refund is still to be queued");
    assert!(decide(&twice, Command::AskRefund { refund: 0 }, at(15)).unwrap().news);
}

#[test]
fn a_mail_is_claimed_by_one_sent_and_marked() {
    let claim = Command::ClaimMail(MailKind::Qr);
    let order = decide(&live(1), claim.clone(), at(12)).unwrap();
    assert_eq!(decide(&order, claim.clone(), at(12)), Err(Rejected::NotDue));
    assert!(!mails(&order, 12).contains(&MailKind::Qr));
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
    assert!(mails(&order, lapsed).contains(&MailKind::Qr));
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
    assert!(mails(&order, 13).contains(&MailKind::Manager));
    assert!(!mails(&order, 100_000).contains(&MailKind::Qr));
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
    assert!(!mails(&order, 100_000).contains(&MailKind::Manager));
    assert!(order.attention().contains(&Attention::MailFailed));
    let next = decide(&order, elsewhere("re_1", 1450), at(14)).unwrap();
    assert!(mails(&next, 14).contains(&MailKind::Manager), "the next trouble does");

    let sent = sent_to_managers(&next, 15);
    let bounced = Command::MailReported { kind: MailKind::Manager, report: MailReport::Bounced };
    let order = decide(&sent, bounced, at(17)).unwrap();
    assert!(!mails(&order, 100_000).contains(&MailKind::Manager));
    assert!(order.attention().contains(&Attention::MailUndelivered));
}

fn sent_to_managers(order: &Order, seconds: i64) -> Order {
    let order = decide(order, Command::ClaimMail(MailKind::Manager), at(seconds)).unwrap();
    decide(&order, Command::MailSent(MailKind::Manager), at(seconds)).unwrap()
}

#[test]
fn managers_hear_of_trouble_that_comes_up_while_a_mail_to_them_is_being_sent() {
    let order = decide(&live(1), elsewhere("re_1", 500), at(20)).unwrap();
    let order = decide(&order, elsewhere("re_2", 500), at(21)).unwrap();
    assert!(!mails(&sent_to_managers(&order, 22), 1000).contains(&MailKind::Manager), "one mail tells of both");
    let sending = decide(&order, Command::ClaimMail(MailKind::Manager), at(22)).unwrap();
    let news = decide(&sending, elsewhere("re_3", 100), at(23)).unwrap();
    assert!(!mails(&news, 23).contains(&MailKind::Manager));
    let sent = decide(&news, Command::MailSent(MailKind::Manager), at(24)).unwrap();
    assert!(mails(&sent, 24).contains(&MailKind::Manager));
    assert!(!mails(&sent_to_managers(&sent, 25), 1000).contains(&MailKind::Manager));
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
    let noted = decide(&complained, Command::Note("called".into()), at(18)).unwrap();
    assert_eq!(noted.attention(), []);
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
    let within = plan().refund_policy;
    assert_eq!(unpaid(1).refundable(0, within, Used::default(), at(0)), Refundable::No(NotRefundable::NotPaid));
    assert_eq!(live(1).refundable(0, within, Used::default(), at(20)), Refundable::Yes(eur(1450)));
    assert_eq!(live(1).refundable(0, within, Used::default(), at(14 * 86_400 - 1)), Refundable::Yes(eur(1450)));
    assert_eq!(live(1).refundable(0, within, Used::default(), at(14 * 86_400)), Refundable::No(NotRefundable::PeriodOver));
    assert_eq!(live(1).refundable(0, RefundPolicy::None, Used::default(), at(20)), Refundable::No(NotRefundable::Policy));
    let failed = decide(&paid(1), Command::ProvisioningFailed { line: 0, reason: "no".into() }, at(11)).unwrap();
    assert_eq!(failed.refundable(0, within, Used::default(), at(20)), Refundable::No(NotRefundable::Failed));
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

fn cancel(order: &Order, lines: Vec<usize>, seconds: i64) -> Result<Order, Rejected> {
    decide(
        order,
        Command::Cancel {
            lines: lines.into_iter().map(|line| (line, Used::default())).collect(),
            policy: plan().refund_policy,
            note: "changed plans".into(),
        },
        at(seconds),
    )
}

#[test]
fn cancelling_some_cards_goes_through_7_to_4_and_all_of_them_through_6_to_2() {
    for (lines, under_way, done) in [
        (vec![1], Status::PartialUnsubscribing, Status::PartialUnsubscribed),
        (vec![0, 1], Status::Unsubscribing, Status::Cancelled),
    ] {
        let mut order = cancel(&live(2), lines.clone(), 20).unwrap();
        assert_eq!(order.status(at(20)), under_way);
        assert_eq!(jobs(&order, 20).first(), Some(&Job::Revoke));
        assert_eq!(order.owed(), [], "nothing is owed before the carrier has agreed");
        for line in &lines {
            order = decide(&order, Command::Revoked { line: *line }, at(21)).unwrap();
            assert_eq!(decide(&order, Command::Revoked { line: *line }, at(22)), Err(Rejected::Done));
        }
        assert_eq!(order.status(at(21)), done);
        assert_eq!(order.owed(), [eur(1450 * i64::try_from(lines.len()).unwrap())]);
        assert!(jobs(&order, 21).contains(&Job::Refund));
        assert_eq!(cancel(&order, lines, 23), Err(Rejected::Done));
    }
}

#[test]
fn what_is_not_refundable_is_refused_and_nothing_is_cancelled() {
    assert_eq!(cancel(&unpaid(1), vec![0], 5), Err(Rejected::NotRefundable(NotRefundable::NotPaid)));
    let never = Command::Cancel { lines: vec![(0, Used::default())], policy: RefundPolicy::None, note: String::new() };
    assert_eq!(decide(&live(1), never, at(20)), Err(Rejected::NotRefundable(NotRefundable::Policy)));
    assert_eq!(cancel(&live(1), vec![0], 14 * 86_400), Err(Rejected::NotRefundable(NotRefundable::PeriodOver)));
    assert_eq!(cancel(&live(1), vec![0, 7], 20), Err(Rejected::NotRefundable(NotRefundable::NotPaid)), "no such line");
}

#[test]
fn a_request_for_the_whole_order_is_about_what_can_be_given_back() {
    let within = plan().refund_policy;
    let about = |order: &Order, seconds| {
        let lines: Vec<(usize, Used)> = (0..order.lines.len()).map(|line| (line, Used::default())).collect();
        order.cancellable(&lines, within, at(seconds)).into_iter().map(|(line, _)| line).collect::<Vec<_>>()
    };
    let failed = |order: &Order, line| {
        decide(order, Command::ProvisioningFailed { line, reason: "no such profile".into() }, at(11)).unwrap()
    };
    let order = decide(&failed(&paid(3), 1), Command::Provisioned(vec![0, 2]), at(12)).unwrap();
    assert_eq!(about(&order, 20), [0, 2]);
    let order = cancel(&order, about(&order, 20), 20).unwrap();
    assert_eq!(about(&order, 21), [0, 2], "what is asked for again");
    let order = decide(&order, Command::Revoked { line: 0 }, at(22)).unwrap();
    assert_eq!(cancel(&order, about(&order, 23), 23), Err(Rejected::Done));
    let order = decide(
        &order,
        Command::RevocationRefused { line: 2, provisioned: true, overtaken: false, reason: "installed".into() },
        at(24),
    )
    .unwrap();
    assert!(order.attention().contains(&Attention::CancellationRefused), "a person has to know");
    let noted = decide(&order, Command::Note("told the subscriber".into()), at(25)).unwrap();
    assert!(!noted.attention().contains(&Attention::CancellationRefused));
    assert_eq!(about(&order, 25), [2]);

    // When nothing can be, the refusal has the first reason.
    for (order, seconds, why) in [
        (unpaid(2), 5, NotRefundable::NotPaid),
        (live(2), 14 * 86_400, NotRefundable::PeriodOver),
        (failed(&failed(&paid(2), 0), 1), 20, NotRefundable::Failed),
    ] {
        assert_eq!(cancel(&order, about(&order, seconds), seconds), Err(Rejected::NotRefundable(why)));
    }
}

#[test]
fn whose_wish_it_was_stands_in_the_history() {
    let cancel = Command::Cancel { lines: vec![(0, Used::default())], policy: plan().refund_policy, note: "lost".into() };
    let before = live(1);
    for manager in [None, Some("mara")] {
        let order = match manager {
            None => decide(&before, cancel.clone(), at(20)),
            Some(manager) => decide_by(manager, &before, cancel.clone(), at(20)),
        };
        let order = order.unwrap();
        let entry = order.history.last().unwrap();
        let told = (entry.event, entry.manager.as_deref(), entry.is_by_manager(), entry.note.as_deref());
        assert_eq!(told, (Event::CancellationRequested, manager, manager.is_some(), Some("1 of 1 cards: lost")));
        // Nobody else's doing becomes theirs.
        assert_eq!(order.history[..before.history.len()], before.history);
        assert!(!serde_json::to_string(&before.history).unwrap().contains("\"w\""), "it costs the others nothing");
    }
    let created = unpaid(1).by_manager("mara", 0);
    assert_eq!(created.history[0].manager.as_deref(), Some("mara"));
}

#[test]
fn entries_of_earlier_versions_are_read_and_written_as_they_were() {
    let stored = serde_json::json!([
        {"t": 1, "e": "cr", "m": true},
        {"t": 2, "e": "nt", "n": "mara: called back"},
        {"t": 3, "e": "cq", "n": "1 of 1 cards: mara: lost", "m": true},
        {"t": 4, "e": "sh", "n": "Correios 1", "w": "mara"},
    ]);
    let entries: Vec<Entry> = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(entries.iter().map(Entry::is_by_manager).collect::<Vec<_>>(), [true, false, true, true]);
    assert_eq!(entries.iter().map(|entry| entry.manager.as_deref()).collect::<Vec<_>>(), [None, None, None, Some("mara")]);
    assert_eq!(serde_json::to_value(&entries).unwrap(), stored);
}

#[test]
fn cancelling_stops_a_provisioning_under_way() {
    let order = cancel(&paid(2), vec![0], 11).unwrap();
    let order = decide(&order, Command::Provisioned(vec![0, 1]), at(12)).unwrap();
    assert_eq!(order.lines[0].state, LineState::Cancelling);
    assert_eq!(order.lines[1].state, LineState::Live);
    let order = decide(&order, Command::Revoked { line: 0 }, at(13)).unwrap();
    assert!(order.mail(MailKind::Qr).is_some(), "the other card is mailed");
}

#[test]
fn codes_of_cancelled_cards_are_not_mailed_any_more() {
    let order = cancel(&live(2), vec![0, 1], 12).unwrap();
    assert!(!mails(&order, 1_000_000).contains(&MailKind::Qr));
    assert_eq!(decide(&order, Command::ClaimMail(MailKind::Qr), at(13)), Err(Rejected::NotDue));
    let refused = Command::RevocationRefused { line: 1, provisioned: true, overtaken: false, reason: "installed".into() };
    assert!(mails(&decide(&order, refused, at(13)).unwrap(), 13).contains(&MailKind::Qr));
    let order = decide(&order, Command::Revoked { line: 0 }, at(13)).unwrap();
    assert!(order.mail(MailKind::Qr).is_some(), "the other one may still live");
    let order = decide(&order, Command::Revoked { line: 1 }, at(13)).unwrap();
    assert!(order.mail(MailKind::Qr).is_none());

    // What somebody is sending, or has sent, stays on record.
    let sending = decide(&live(1), Command::ClaimMail(MailKind::Qr), at(12)).unwrap();
    let order = decide(&cancel(&sending, vec![0], 13).unwrap(), Command::Revoked { line: 0 }, at(14)).unwrap();
    let order = decide(&order, Command::MailSent(MailKind::Qr), at(15)).unwrap();
    assert_eq!(order.mail(MailKind::Qr).unwrap().state, MailState::Sent(at(15)));
}

#[test]
fn a_carrier_that_refuses_makes_the_card_live_again() {
    let order = cancel(&live(1), vec![0], 20).unwrap();
    let refused =
        Command::RevocationRefused { line: 0, provisioned: true, overtaken: false, reason: "installed meanwhile".into() };
    let order = decide(&order, refused, at(21)).unwrap();
    assert_eq!(order.status(at(21)), Status::Normal);
    assert_eq!(order.owed(), []);
    assert_eq!(order.history.last().unwrap().note.as_deref(), Some("installed meanwhile"));
    assert!(!jobs(&order, 1_000_000).contains(&Job::Revoke));
}

#[test]
fn a_card_that_was_not_activated_yet_is_so_when_the_carrier_refuses_to_revoke_it() {
    let order = cancel(&paid(1), vec![0], 11).unwrap();
    assert!(!jobs(&order, 11).contains(&Job::Provision));
    let refused = Command::RevocationRefused { line: 0, provisioned: false, overtaken: false, reason: "unknown order".into() };
    let order = decide(&order, refused, at(12)).unwrap();
    assert_eq!((order.lines[0].state, order.status(at(12))), (LineState::Pending, Status::Normal));
    assert!(jobs(&order, 12).contains(&Job::Provision) && order.mail(MailKind::Qr).is_none());
    let order = decide(&order, Command::Provisioned(vec![0]), at(13)).unwrap();
    assert!(mails(&order, 13).contains(&MailKind::Qr));
}

#[test]
fn a_carrier_that_does_not_answer_is_asked_until_it_does_and_a_manager_is_told() {
    let mut order = cancel(&live(1), vec![0], 20).unwrap();
    let mut now = at(20);
    for attempt in 1..=MAX_ATTEMPTS + 2 {
        order = decide(&order, Command::RevocationDelayed { retry_after: None }, now).unwrap();
        assert_eq!(decide(&order, Command::RevocationDelayed { retry_after: None }, now), Err(Rejected::NotDue));
        now = now.plus_seconds(backoff(attempt));
        assert!(due(&order, now).contains(&Job::Revoke));
    }
    assert!(order.mail(MailKind::Manager).is_some());
}

fn refused(provider_id: Option<&str>) -> Command {
    let provider_id = provider_id.map(str::to_owned);
    Command::RefundRefused { refund: 0, provider_id, reason: "charge disputed".into() }
}

fn succeeded(provider_id: &str) -> Command {
    Command::RefundSucceeded { refund: 0, provider_id: Some(provider_id.into()) }
}

fn elsewhere(provider_id: &str, amount: i64) -> Command {
    Command::RefundedElsewhere { payment_id: "pi_1".into(), provider_id: provider_id.into(), amount: eur(amount) }
}

fn owing() -> Order {
    decide(&cancel(&live(1), vec![0], 20).unwrap(), Command::Revoked { line: 0 }, at(21)).unwrap()
}

#[test]
fn a_refund_is_asked_for_by_one_and_is_done_when_the_provider_says_so() {
    let order = decide(&owing(), Command::AskRefund { refund: 0 }, at(22)).unwrap();
    assert_eq!(decide(&order, Command::AskRefund { refund: 0 }, at(22)), Err(Rejected::NotDue));
    assert!(!jobs(&order, 22).contains(&Job::Refund));
    let taken = decide(&order, Command::RefundTaken { refund: 0, provider_id: "re_1".into() }, at(23)).unwrap();
    assert_eq!(taken.owed(), [eur(1450)], "taken on is not given back");
    assert!(due(&taken, at(23 + REFUND_PATIENCE)).contains(&Job::Refund), "its silence is looked into");
    let done = decide(&taken, Command::RefundSucceeded { refund: 0, provider_id: None }, at(24)).unwrap();
    assert_eq!(done.owed(), []);
    assert_eq!(done.refunds[0].provider_id.as_deref(), Some("re_1"));
    assert_eq!(next_attention(&Order { mails: Vec::new(), ..done.clone() }), None);
    assert_eq!(decide(&done, Command::RefundSucceeded { refund: 0, provider_id: None }, at(25)), Err(Rejected::Done));
    assert_eq!(decide(&done, refused(None), at(25)), Err(Rejected::Done), "nobody has to be asked any more");
}

#[test]
fn whoever_vanished_after_asking_is_followed_by_another_that_knows() {
    let order = decide(&owing(), Command::AskRefund { refund: 0 }, at(22)).unwrap();
    let later = at(22 + REFUND_LEASE);
    assert!(due(&order, later).contains(&Job::Refund));
    let again = decide(&order, Command::AskRefund { refund: 0 }, later).unwrap();
    assert_eq!(again.refunds[0].asked_at, Some(at(22)), "the first time stays, since the provider may have acted then");
    assert_eq!(again.refunds[0].attempts, 2);
}

#[test]
fn a_provider_that_refuses_leaves_the_card_cancelled_and_tells_a_manager() {
    let order = decide(&owing(), Command::AskRefund { refund: 0 }, at(22)).unwrap();
    let order = decide(&order, refused(None), at(23)).unwrap();
    assert_eq!(decide(&order, refused(None), at(23)), Err(Rejected::Done));
    assert_eq!(order.status(at(23)), Status::Cancelled);
    assert_eq!(order.owed(), [eur(1450)]);
    assert!(order.attention().contains(&Attention::RefundFailed));
    assert!(order.mail(MailKind::Manager).is_some());
    assert!(!jobs(&order, 1_000_000).contains(&Job::Refund));
    // The provider changed its mind, or a person gave the money back.
    let settled = decide(&order, succeeded("re_9"), at(24)).unwrap();
    assert_eq!(settled.owed(), []);
}

#[test]
fn money_that_the_bank_sends_back_is_owed_again_and_a_manager_is_told() {
    let order = decide(&owing(), Command::AskRefund { refund: 0 }, at(22)).unwrap();
    let order = decide(&order, succeeded("re_1"), at(23)).unwrap();
    assert_eq!(decide(&order, refused(Some("re_2")), at(24)), Err(Rejected::Done), "that was another one");
    assert!(order.mail(MailKind::Manager).is_none());
    let order = decide(&order, refused(Some("re_1")), at(86_400)).unwrap();
    assert_eq!((order.refunds[0].state, order.owed()), (RefundState::Failed, vec![eur(1450)]));
    assert!(order.attention().contains(&Attention::RefundFailed));
    assert_eq!(order.history.last().unwrap().event, Event::RefundFailed);
    assert!(mails(&order, 86_400).contains(&MailKind::Manager));
    // Events come twice and in any sequence.
    for told_late in [refused(Some("re_1")), refused(None), succeeded("re_1")] {
        assert_eq!(decide(&order, told_late, at(86_401)), Err(Rejected::Done));
    }
    let settled = decide(&order, succeeded("re_2"), at(86_402)).unwrap();
    assert_eq!(settled.owed(), []);
    assert_eq!(decide(&settled, refused(Some("re_1")), at(86_403)), Err(Rejected::Done));
}

#[test]
fn a_refund_that_fails_before_its_answer_was_noted_has_failed() {
    let order = decide(&owing(), Command::AskRefund { refund: 0 }, at(22)).unwrap();
    let order = decide(&order, refused(Some("re_1")), at(23)).unwrap();
    assert_eq!(order.refunds[0].provider_id.as_deref(), Some("re_1"));
    assert_eq!(decide(&order, succeeded("re_1"), at(24)), Err(Rejected::Done));
    let taken = Command::RefundTaken { refund: 0, provider_id: "re_1".into() };
    assert_eq!(decide(&order, taken, at(24)), Err(Rejected::Done));
}

#[test]
fn a_refund_that_stays_pending_is_looked_into_now_and_then() {
    let taken = Command::RefundTaken { refund: 0, provider_id: "re_1".into() };
    let order = decide(&owing(), Command::AskRefund { refund: 0 }, at(22)).unwrap();
    let order = decide(&order, taken.clone(), at(23)).unwrap();
    assert_eq!(decide(&order, taken.clone(), at(24)), Err(Rejected::Done));
    assert_eq!(decide(&order, refused(None), at(24)), Err(Rejected::Done), "that it cannot be asked says nothing about it");
    let later = 23 + REFUND_PATIENCE;
    assert!(jobs(&order, later).contains(&Job::Refund));
    let order = decide(&order, taken, at(later)).unwrap();
    assert!(!jobs(&order, later + REFUND_PATIENCE - 1).contains(&Job::Refund));
    assert!(jobs(&order, later + REFUND_PATIENCE).contains(&Job::Refund));
    let order = decide(&order, refused(Some("re_1")), at(later + 1)).unwrap();
    assert_eq!(order.refunds[0].state, RefundState::Failed);
}

#[test]
fn refunds_made_at_the_provider_and_disputes_are_recorded_once() {
    let order = decide(&live(1), elsewhere("re_7", 500), at(30)).unwrap();
    assert_eq!(order.owed(), []);
    assert_eq!(order.refunds[0].amount, eur(500));
    assert_eq!(decide(&order, elsewhere("re_7", 500), at(31)), Err(Rejected::Done));
    let disputed = Command::Disputed { payment_id: "pi_1".into(), reason: "fraudulent ".repeat(40) };
    let order = decide(&order, disputed.clone(), at(32)).unwrap();
    assert_eq!(decide(&order, disputed, at(33)), Err(Rejected::Done));
    let unknown = Command::Disputed { payment_id: "pi_8".into(), reason: "fraudulent".into() };
    assert_eq!(decide(&order, unknown, at(34)), Err(Rejected::NotAllowed));
}

#[test]
fn no_more_goes_back_than_came_in() {
    let within = plan().refund_policy;
    let order = decide(&live(2), elsewhere("re_7", 2000), at(20)).unwrap();
    assert_eq!(order.refundable(0, within, Used::default(), at(21)), Refundable::Yes(eur(900)));
    let order = cancel(&order, vec![0, 1], 21).unwrap();
    let order = decide(&order, Command::Revoked { line: 0 }, at(22)).unwrap();
    let order = decide(&order, Command::Revoked { line: 1 }, at(23)).unwrap();
    assert_eq!((order.owed(), order.refunds.len()), (vec![eur(900)], 2));
    assert_eq!(order.status(at(23)), Status::Cancelled);
}

#[test]
fn what_somebody_gives_back_by_hand_settles_what_is_due_or_was_refused() {
    let asked = decide(&owing(), Command::AskRefund { refund: 0 }, at(22)).unwrap();
    let failed = decide(&asked, refused(None), at(23)).unwrap();
    for open in [owing(), asked, failed] {
        let settled = decide(&open, elsewhere("re_7", 1450), at(24)).unwrap();
        assert_eq!((settled.owed(), settled.refunds.len()), (vec![], 1));
        assert_eq!(settled.refunds[0].reason, ReturnReason::Cancelled);
        assert!(!jobs(&settled, 1_000_000).contains(&Job::Refund));
        for told_late in [elsewhere("re_7", 1450), refused(Some("re_1")), refused(None)] {
            assert_eq!(decide(&settled, told_late, at(25)), Err(Rejected::Done));
        }
    }
    let other = decide(&owing(), elsewhere("re_7", 500), at(24)).unwrap();
    assert_eq!((other.owed(), other.refunds.len()), (vec![eur(950)], 2), "another sum is for something else");
}

#[test]
fn nothing_is_owed_of_a_payment_that_somebody_gave_back_whole() {
    let failed = |order: &Order, line| {
        decide(order, Command::ProvisioningFailed { line, reason: "no such profile".into() }, at(11)).unwrap()
    };
    let asked = decide(&failed(&failed(&paid(2), 0), 1), Command::AskRefund { refund: 0 }, at(22)).unwrap();
    let most = decide(&asked, elsewhere("re_7", 2000), at(23)).unwrap();
    assert_eq!((most.owed(), most.status(at(23))), (vec![eur(900)], Status::Unsubscribing));
    let whole = decide(&most, elsewhere("re_8", 900), at(24)).unwrap();
    assert_eq!((whole.owed(), whole.status(at(24))), (vec![], Status::Cancelled));
    assert!(!whole.attention().contains(&Attention::MoneyOwed));
    assert!(!jobs(&whole, 1_000_000).contains(&Job::Refund));
    assert_eq!(decide(&whole, Command::AskRefund { refund: 1 }, at(25)), Err(Rejected::Done));
    // The bank sends a part of it back to where it came from.
    let returned = Command::RefundRefused { refund: 3, provider_id: Some("re_8".into()), reason: "closed account".into() };
    assert_eq!(decide(&whole, returned, at(26)).unwrap().owed(), [eur(900)]);
}

#[test]
fn a_refund_made_by_hand_that_fails_is_not_owed() {
    let order = decide(&live(1), elsewhere("re_7", 1450), at(30)).unwrap();
    assert_eq!(order.refundable(0, plan().refund_policy, Used::default(), at(31)), Refundable::Yes(eur(0)));
    let order = decide(&sent_to_managers(&order, 31), refused(Some("re_7")), at(33)).unwrap();
    assert_eq!((order.owed(), order.refunds[0].state), (vec![], RefundState::Failed));
    assert!(mails(&order, 33).contains(&MailKind::Manager), "whoever made it hears of it");
    assert_eq!(order.refundable(0, plan().refund_policy, Used::default(), at(34)), Refundable::Yes(eur(1450)));
}
