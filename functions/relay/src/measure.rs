//! What a change of an order means to those who watch the whole: relay sees every change with the order before and after, so that
//! counting costs nobody a read.

use simdock_domain::{Entry, Event, MailKind, MailState, Order, Refund, RefundState, Status, Timestamp};
use simdock_runtime::{Measured, Metric};

/// What is measured of a change. A change that is delivered twice counts twice.
pub fn measure(before: Option<&Order>, after: &Order, now: Timestamp) -> Vec<Measured> {
    let mut measured = Vec::new();
    let became = status(after);
    if before.map(status) != Some(became) {
        measured.push(Measured::of(Metric::OrdersBecame, 1, became.name()));
    }
    let payments = after.payments.iter().skip(before.map_or(0, |before| before.payments.len()));
    for reason in payments.filter_map(|payment| payment.returned) {
        measured.push(Measured::of(Metric::PaymentsReturned, 1, reason.name()));
    }
    measured.extend(counted(Metric::CardsFailed, before, after, |order| {
        order.history.iter().filter(|entry| entry.event == Event::ProvisioningFailed).count()
    }));
    measured.extend(refunds(before, after, now));
    measured.extend(mails(before, after));
    measured
}

/// By what was done to it alone: that its time to pay is over shows once somebody has noted it.
fn status(order: &Order) -> Status {
    order.status(order.created_at)
}

/// By how many more there are than before, if there are.
fn counted(metric: Metric, before: Option<&Order>, after: &Order, count: impl Fn(&Order) -> usize) -> Option<Measured> {
    let more = count(after).saturating_sub(before.map_or(0, &count));
    (more > 0).then(|| Measured::new(metric, i64::try_from(more).unwrap_or(i64::MAX)))
}

fn is_open(refund: &Refund) -> bool {
    match refund.state {
        RefundState::Due(_) | RefundState::Requested(_) => true,
        RefundState::Succeeded | RefundState::Failed | RefundState::Withdrawn => false,
    }
}

fn refunds(before: Option<&Order>, after: &Order, now: Timestamp) -> Vec<Measured> {
    let was_open = |index: usize| before.and_then(|before| before.refunds.get(index)).is_some_and(is_open);
    let (mut opened, mut closed) = (0, 0);
    for (index, refund) in after.refunds.iter().enumerate() {
        opened += i64::from(is_open(refund) && !was_open(index));
        closed += i64::from(!is_open(refund) && was_open(index));
    }
    let counted = [(Metric::RefundsOpened, opened), (Metric::RefundsClosed, closed)];
    let since = after.refunds.iter().filter(|refund| is_open(refund) && after.is_owed(refund)).map(|refund| refund.at).min();
    let age = since.map(|since| Measured::new(Metric::RefundAge, now.seconds_since(since).max(0)));
    let counted = counted.into_iter().filter(|(_, count)| *count > 0).map(|(metric, count)| Measured::new(metric, count));
    counted.chain(age).collect()
}

fn mails(before: Option<&Order>, after: &Order) -> Vec<Measured> {
    let mut measured = Vec::new();
    let awaited = if after.has_codes() { MailKind::Qr } else { MailKind::Confirmation };
    for mail in &after.mails {
        let known = before.and_then(|before| before.mail(mail.kind));
        let out = |entry: &Entry| entry.event == Event::MailSent && entry.note.as_deref() == Some(mail.kind.name());
        let first = after.history.iter().filter(|entry| out(entry)).count() == 1;
        if known.map(|known| known.state) != Some(mail.state) {
            match mail.state {
                MailState::Sent(at) if mail.kind == awaited && first => {
                    measured.push(Measured::new(Metric::PaymentToMail, at.seconds_since(after.paid_at()).max(0)));
                }
                MailState::Failed(_) => measured.push(Measured::new(Metric::MailsGivenUp, 1)),
                MailState::Pending(_) | MailState::Sending(_) | MailState::Sent(_) => {}
            }
        }
        if let Some((report, _)) = mail.report.filter(|report| known.and_then(|known| known.report) != Some(*report)) {
            measured.push(Measured::of(Metric::MailsReported, 1, report.name()));
        }
    }
    measured
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use simdock_domain::{Command, Money, Provider, decide};
    use simdock_store::order_in_image;

    /// An order of one card before and after it was paid.
    fn orders() -> (Order, Order) {
        let mut event: Value = serde_json::from_str(include_str!("../../../events/relay-modify.json")).unwrap();
        let change = &mut event["Records"][0]["dynamodb"];
        [change["OldImage"].take(), change["NewImage"].take()].map(|image| order_in_image(image).unwrap()).into()
    }

    /// What a run of commands, a minute apart, is measured as.
    fn measured(order: &Order, commands: Vec<Command>) -> Vec<Measured> {
        let mut order = order.clone();
        let mut now = order.paid_at();
        let mut all = Vec::new();
        for command in commands {
            now = now.plus_seconds(60);
            let next = decide(&order, command, now).unwrap();
            all.extend(measure(Some(&order), &next, now));
            order = next;
        }
        all
    }

    #[test]
    fn an_order_goes_from_status_to_status() {
        let (unpaid, paid) = orders();
        let now = paid.paid_at();
        let became = |status: &str| vec![Measured::of(Metric::OrdersBecame, 1, status)];
        assert_eq!(measure(None, &unpaid, now), became("unpaid"));
        assert_eq!(measure(Some(&unpaid), &paid, now), became("normal"));
        assert_eq!(measure(Some(&paid), &paid, now), []);
        let late = unpaid.pay_until;
        assert_eq!(measure(Some(&unpaid), &decide(&unpaid, Command::Expire, late).unwrap(), late), became("void"));
    }

    #[test]
    fn the_first_mail_with_codes_is_timed() {
        let (_, paid) = orders();
        let [qr, confirmation] = [MailKind::Qr, MailKind::Confirmation];
        let sent = |kind| [Command::ClaimMail(kind), Command::MailSent(kind)];
        let again = [Command::SendAgain { kind: qr, to: None, asked: None }];
        let all =
            [Command::Provisioned(vec![0])].into_iter().chain(sent(confirmation)).chain(sent(qr)).chain(again).chain(sent(qr));
        assert_eq!(measured(&paid, all.collect()), [Measured::new(Metric::PaymentToMail, 300)]);
        let refused = Command::MailRefused { kind: confirmation, reason: "no".to_owned() };
        let refused = vec![Command::Provisioned(vec![0]), Command::ClaimMail(confirmation), refused];
        assert_eq!(measured(&paid, refused), [Measured::new(Metric::MailsGivenUp, 1)]);
    }

    #[test]
    fn money_that_goes_back_is_counted_and_timed() {
        let (_, paid) = orders();
        let twice = Command::Receive {
            provider: Provider::Stripe,
            payment_id: "pi_again".to_owned(),
            received: Money { amount: 1450, ..paid.price() },
            cards: simdock_domain::Cards::NotDrawn,
        };
        let ask = Command::AskRefund { refund: 0 };
        let done = Command::RefundSucceeded { refund: 0, provider_id: None };
        let expected = [
            Measured::of(Metric::PaymentsReturned, 1, "paid_twice"),
            Measured::new(Metric::RefundsOpened, 1),
            Measured::new(Metric::RefundAge, 0),
            Measured::new(Metric::RefundAge, 60),
            Measured::new(Metric::RefundsClosed, 1),
        ];
        assert_eq!(measured(&paid, vec![twice, ask, done]), expected);
        let failed = Command::ProvisioningFailed { line: 0, reason: "no".to_owned() };
        let names: Vec<Metric> = measured(&paid, vec![failed]).iter().map(|measured| measured.metric).collect();
        assert_eq!(names, [Metric::OrdersBecame, Metric::CardsFailed, Metric::RefundsOpened, Metric::RefundAge]);
    }
}
