//! The docs' table of what each command makes of an order in each status, held to what `decide` does.
//!
//! `UPDATE_TABLES=1 cargo test -p simdock-domain --test table` writes it anew.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::*;
use simdock_domain::*;
use std::fmt::Write;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/LIFECYCLE.md");

/// Names every command, and says in a few words what it tells. A new one does not compile without a name, and a name without an
/// example fails.
macro_rules! commands {
    ($($pattern:pat => $name:literal, $meaning:literal;)+) => {
        const COMMANDS: &[(&str, &str)] = &[$(($name, $meaning)),+];

        fn name(command: &Command) -> &'static str {
            match command {
                $($pattern => $name,)+
            }
        }
    };
}

commands! {
    Command::Receive { .. } => "Receive", "a payment succeeded";
    Command::Expire => "Expire", "the time to pay is over";
    Command::GiveUp(_) => "GiveUp", "an order that is paid at once could not be";
    Command::Provisioned(_) => "Provisioned", "the carrier did what the lines need";
    Command::ProvisioningDelayed { .. } => "ProvisioningDelayed", "the carrier could not be asked, or has not decided";
    Command::ProvisioningFailed { .. } => "ProvisioningFailed", "the carrier will not do what a line needs";
    Command::Cancel { .. } => "Cancel", "somebody wants money back";
    Command::Revoked { .. } => "Revoked", "the carrier took back what a line brought";
    Command::RevocationRefused { .. } => "RevocationRefused", "the carrier will not take it back";
    Command::RevocationDelayed { .. } => "RevocationDelayed", "the carrier could not be asked to take it back";
    Command::Abandon => "Abandon", "nobody installed the new card of a swap in time";
    Command::Swapped => "Swapped", "the new card of a swap took over";
    Command::Retired => "Retired", "the old card of a swap was stopped";
    Command::RetirementDelayed { .. } => "RetirementDelayed", "the carrier could not be asked to stop it";
    Command::PlanOver { .. } => "PlanOver", "what a line brought is used up or has expired";
    Command::SubscriptionOver { .. } => "SubscriptionOver", "the subscription of a line ended";
    Command::Ship { .. } => "Ship", "a manager sent the cards";
    Command::CorrectShipment { .. } => "CorrectShipment", "a manager corrects what was said of the parcel";
    Command::EditRecipient(_) => "EditRecipient", "a manager corrects the name or an address";
    Command::SendAgain { .. } => "SendAgain", "a manager has a mail sent again";
    Command::Retry => "Retry", "a manager has tried again what was given up or put off";
    Command::CallAgain => "CallAgain", "the doctor found that what it needs is called for by nobody";
    Command::Note(_) => "Note", "a manager writes something down";
    Command::AskRefund { .. } => "AskRefund", "the provider is about to be asked to give money back";
    Command::RefundTaken { .. } => "RefundTaken", "the provider took a refund on";
    Command::RefundSucceeded { .. } => "RefundSucceeded", "money was given back";
    Command::RefundDelayed { .. } => "RefundDelayed", "the provider could not be asked";
    Command::RefundRefused { .. } => "RefundRefused", "the provider will not give money back";
    Command::RefundedElsewhere { .. } => "RefundedElsewhere", "money was given back at the provider by hand";
    Command::RefundedByHand { .. } => "RefundedByHand", "a manager gave money back by other means";
    Command::Disputed { .. } => "Disputed", "the payer disputes a payment";
    Command::ClaimMail(_) => "ClaimMail", "somebody begins to send a mail";
    Command::MailSent(_) => "MailSent", "the mail system took a mail";
    Command::MailNotNeeded { .. } => "MailNotNeeded", "a mail would tell nothing that its reader needs";
    Command::MailDelayed(_) => "MailDelayed", "the mail system did not take it now";
    Command::MailRefused { .. } => "MailRefused", "the mail system will never take it";
    Command::MailReported { .. } => "MailReported", "a mail did not arrive, or was complained about";
}

/// An order in a status, with what to call it among those.
struct Example {
    name: &'static str,
    order: Order,
}

/// When all examples are looked at; those that turned void lie back that far.
const NOW: i64 = 1000;

fn now() -> Timestamp {
    at(NOW)
}

fn do_all(order: Order, commands: Vec<Command>) -> Order {
    commands.into_iter().fold(order, |order, command| decide(&order, command, at(100)).unwrap())
}

fn cancel(lines: &[usize]) -> Command {
    let lines = lines.iter().map(|line| (*line, Used::default())).collect();
    Command::Cancel { lines, policy: RefundPolicy::UntilActivation, note: "changed plans".into() }
}

/// Several orders of each status, each brought there by what really happens.
fn examples() -> Vec<(Status, Vec<Example>)> {
    let (main, subscription) = begun(&renewable(), at(0));
    let change = |what| change("change", what, &subscription, &main, &renewable(), at(10)).unwrap();
    let new = |count| place("new", draft(count), &one_off(), at(10));
    let paid = |order: &Order| pay(order, 2, at(20));
    let done = |order: &Order| provision(&paid(order), at(30));
    let parcel = place("parcel", physical(1), &one_off(), at(10));
    let sent = Command::Ship { carrier: "Correios".into(), number: "1".into(), at: Some(at(100)) };
    let over = |line| Command::PlanOver { line, why: OverReason::Expired };
    let given_back = || {
        vec![
            Command::AskRefund { refund: 0 },
            Command::RefundTaken { refund: 0, provider_id: "re_1".into() },
            Command::RefundSucceeded { refund: 0, provider_id: Some("re_1".into()) },
        ]
    };
    let revoked = |line| Command::Revoked { line };
    let example = |name, order| Example { name, order };
    // Created so long ago that its time to pay is over.
    let late = place("late", draft(1), &one_off(), at(NOW - PAY_WINDOW));
    let sold_out = decide(&new(1), receive("pi_1", eur(1450), Cards::SoldOut), at(20)).unwrap();
    vec![
        (
            Status::Unpaid,
            vec![
                example("new cards", new(1)),
                example("another sum came in", do_all(new(1), vec![receive("pi_1", eur(5), Cards::NotDrawn)])),
                example("renewal", change(renewal())),
                example("swap", change(esim_swap())),
            ],
        ),
        (
            Status::Normal,
            vec![
                example("being provisioned", paid(&new(1))),
                example("provisioned", done(&new(1))),
                example("to be shipped", done(&parcel)),
                example("shipped", do_all(done(&parcel), vec![sent])),
                example("renewal", done(&change(renewal()))),
                example("top-up", done(&change(more()))),
                example("swap, waiting", done(&change(esim_swap()))),
                example("swap, taken over", do_all(done(&change(esim_swap())), vec![Command::Swapped])),
                example("cancellation", done(&change(SubscriptionChange::Cancellation))),
            ],
        ),
        (
            Status::Cancelled,
            vec![
                example("money owed", do_all(done(&new(1)), vec![cancel(&[0]), revoked(0)])),
                example("money given back", do_all(done(&new(1)), [vec![cancel(&[0]), revoked(0)], given_back()].concat())),
            ],
        ),
        (
            Status::Void,
            vec![
                example("nobody looked", late.clone()),
                example("expired", decide(&late, Command::Expire, now()).unwrap()),
                example("sold out", sold_out),
            ],
        ),
        (
            Status::PartialUnsubscribed,
            vec![
                example("one cancelled", do_all(done(&new(2)), vec![cancel(&[0]), revoked(0)])),
                example(
                    "one failed and settled",
                    do_all(paid(&new(2)), [vec![Command::Provisioned(vec![1]), failed(0)], given_back()].concat()),
                ),
            ],
        ),
        (
            Status::Ended,
            vec![
                example("all over", do_all(done(&new(2)), vec![over(0), over(1)])),
                example("one cancelled before", do_all(done(&new(2)), vec![cancel(&[0]), revoked(0), over(1)])),
            ],
        ),
        (
            Status::Unsubscribing,
            vec![
                example("all to be revoked", do_all(done(&new(2)), vec![cancel(&[0, 1])])),
                example("one revoked", do_all(done(&new(2)), vec![cancel(&[0, 1]), revoked(0)])),
                example("all failed, money owed", do_all(paid(&new(2)), vec![failed(0), failed(1)])),
            ],
        ),
        (
            Status::PartialUnsubscribing,
            vec![
                example("one to be revoked", do_all(done(&new(2)), vec![cancel(&[0])])),
                example("one failed, money owed", do_all(paid(&new(2)), vec![Command::Provisioned(vec![1]), failed(0)])),
                example("one over, one to be revoked", do_all(done(&new(2)), vec![over(1), cancel(&[0])])),
            ],
        ),
    ]
}

/// The commands as somebody would give them to this order: about the line, refund or mail that they fit, if there is one.
fn commands(order: &Order) -> Vec<(&'static str, Command)> {
    let line = |states: &[LineState]| order.lines.iter().position(|line| states.contains(&line.state)).unwrap_or(0);
    let open = line(&[LineState::Pending, LineState::Live]);
    let pending = line(&[LineState::Pending]);
    let cancelling = line(&[LineState::Cancelling]);
    let refund = order.refunds.iter().position(|refund| order.is_owed(refund)).unwrap_or(0);
    let payment_id = order.payments.first().map_or_else(|| "pi_0".to_owned(), |payment| payment.id.clone());
    let price = order.price();
    let drawn = || {
        let count = if order.kind.takes_cards() { order.lines.len() as u64 } else { 0 };
        Cards::Drawn((50..50 + count).map(iccid).collect())
    };
    let may = RefundPolicy::UntilActivation;
    let to_refund = |used| Command::Cancel { lines: vec![(open, used)], policy: may, note: "no".into() };
    let over = |used| Command::SubscriptionOver { line: open, policy: may, used };
    let fresh = Used::default();
    let begun = Used { activated: true, ..fresh };
    let recipient = |to| Command::EditRecipient(to);
    let kind = order.mails.first().map_or(MailKind::Confirmation, |mail| mail.kind);
    let what = |what: &'static str, command| (what, command);
    let plain = |command| ("", command);
    vec![
        what("the price, cards drawn", receive("pi_9", price, drawn())),
        what("the price, no card left", receive("pi_9", price, Cards::SoldOut)),
        what("the price, subscription closed", receive("pi_9", price, Cards::Closed)),
        what("another sum", receive("pi_9", eur(7), Cards::NotDrawn)),
        what("told of before", receive(&payment_id, price, Cards::NotDrawn)),
        plain(Command::Expire),
        plain(Command::GiveUp(VoidReason::InsufficientBalance)),
        plain(Command::Provisioned((0..order.lines.len()).collect())),
        plain(Command::ProvisioningDelayed { reason: "busy".into(), retry_after: None }),
        plain(failed(pending)),
        what("not begun", to_refund(fresh)),
        what("begun", to_refund(begun)),
        plain(Command::Revoked { line: cancelling }),
        plain(Command::RevocationRefused { line: cancelling, provisioned: true, overtaken: false, reason: "installed".into() }),
        plain(Command::RevocationDelayed { retry_after: None }),
        plain(Command::Abandon),
        plain(Command::Swapped),
        plain(Command::Retired),
        plain(Command::RetirementDelayed { retry_after: None }),
        plain(Command::PlanOver { line: open, why: OverReason::Expired }),
        what("not begun", over(fresh)),
        what("begun", over(begun)),
        plain(Command::Ship { carrier: "Correios".into(), number: "2".into(), at: None }),
        plain(Command::CorrectShipment {
            seen: SeenShipment { number: "1".into(), carrier: None, at: None },
            carrier: "Correios".into(),
            number: "2".into(),
            at: None,
        }),
        what("the name", recipient(Recipient { name: Some("Bea".into()), ..Recipient::default() })),
        what("the postal address", recipient(Recipient { address: Some(address("Porto")), ..Recipient::default() })),
        what(
            "the confirmation",
            Command::SendAgain { kind: MailKind::Confirmation, to: Some("b@example.com".parse().unwrap()), asked: None },
        ),
        what("the QR code", Command::SendAgain { kind: MailKind::Qr, to: Some("b@example.com".parse().unwrap()), asked: None }),
        plain(Command::Retry),
        plain(Command::CallAgain),
        plain(Command::Note("called".into())),
        plain(Command::AskRefund { refund }),
        plain(Command::RefundTaken { refund, provider_id: "re_9".into() }),
        plain(Command::RefundSucceeded { refund, provider_id: Some("re_9".into()) }),
        plain(Command::RefundDelayed { refund }),
        plain(Command::RefundRefused { refund, provider_id: None, reason: "account closed".into() }),
        plain(Command::RefundedElsewhere { payment_id: payment_id.clone(), provider_id: "re_8".into(), amount: eur(1) }),
        plain(Command::RefundedByHand { refund_id: order.refund_id(refund), reference: "SEPA 4711".into() }),
        plain(Command::Disputed { payment_id, reason: "fraudulent".into() }),
        plain(Command::ClaimMail(kind)),
        plain(Command::MailSent(kind)),
        plain(Command::MailNotNeeded { kind, reason: "an app installed the card".into() }),
        plain(Command::MailDelayed(kind)),
        plain(Command::MailRefused { kind, reason: "MessageRejected".into() }),
        plain(Command::MailReported { kind, report: MailReport::Bounced }),
    ]
}

fn outcome(order: &Order, command: Command) -> String {
    let before = order.status(now());
    match decide(order, command, now()).map(|next| next.status(now())) {
        Ok(after) if after == before => format!("→ {}", after.code()),
        Ok(after) => format!("**→ {}**", after.code()),
        Err(Rejected::Done) => "done".into(),
        Err(Rejected::NotDue) => "not due".into(),
        Err(Rejected::NotAllowed) => "not allowed".into(),
        Err(Rejected::NotRefundable(why)) => format!("`{}`", why.explain().0),
        Err(Rejected::Closed(closed)) => format!("`{}`", closed.explain().0),
        Err(Rejected::Shipped) => "shipped".into(),
        Err(Rejected::OtherParcel) => "other parcel".into(),
        Err(Rejected::BeforeOrder) => "before the order".into(),
        Err(Rejected::OtherDevice) => "other device".into(),
    }
}

fn row(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<String> = cells.into_iter().collect();
    format!("| {} |\n", cells.join(" | "))
}

fn head(cells: Vec<String>) -> String {
    let line = "|---".repeat(cells.len());
    format!("{}{line}|\n", row(cells))
}

fn called(status: Status) -> String {
    format!("{} {}", status.code(), status.name())
}

/// Each status's code by what there is among the lines.
fn statuses() -> String {
    let mut text = head(["leaving", "open", "gone", "ended", "status"].map(str::to_owned).to_vec());
    let yes = |count: usize| if count > 0 { "yes" } else { "" }.to_owned();
    for bits in (0..16_usize).rev() {
        let counts = LineCounts { leaving: bits >> 3 & 1, open: bits >> 2 & 1, gone: bits >> 1 & 1, ended: bits & 1 };
        let LineCounts { open, leaving, gone, ended } = counts;
        text += &row([yes(leaving), yes(open), yes(gone), yes(ended), called(Status::of_paid(counts))]);
    }
    text
}

fn glossary() -> String {
    let mut text = head(vec!["command".into(), "tells that".into()]);
    for (name, meaning) in COMMANDS {
        text += &row([format!("`{name}`"), (*meaning).to_owned()]);
    }
    text
}

/// One table of all statuses, then one of each with its examples apart.
fn outcomes() -> String {
    let examples = examples();
    let labels: Vec<String> = commands(&examples[0].1[0].order)
        .iter()
        .map(|(what, command)| format!("`{}`{}{what}", name(command), if what.is_empty() { "" } else { " " }))
        .collect();
    let told: Vec<Vec<Vec<String>>> = examples
        .iter()
        .map(|(_, examples)| {
            let each = |example: &Example| {
                commands(&example.order).into_iter().map(|(_, command)| outcome(&example.order, command)).collect()
            };
            examples.iter().map(each).collect()
        })
        .collect();
    let mut text =
        head(std::iter::once("command".to_owned()).chain(examples.iter().map(|(status, _)| called(*status))).collect());
    for (place, label) in labels.iter().enumerate() {
        let distinct = |status: &Vec<Vec<String>>| {
            let mut seen: Vec<&str> = Vec::new();
            for outcome in status.iter().map(|example| example[place].as_str()) {
                if !seen.contains(&outcome) {
                    seen.push(outcome);
                }
            }
            seen.join(", ")
        };
        text += &row(std::iter::once(label.clone()).chain(told.iter().map(distinct)));
    }
    for ((status, examples), told) in examples.iter().zip(&told) {
        write!(text, "\n### {}\n\n", called(*status)).unwrap();
        text +=
            &head(std::iter::once("command".to_owned()).chain(examples.iter().map(|example| example.name.to_owned())).collect());
        for (place, label) in labels.iter().enumerate() {
            text += &row(std::iter::once(label.clone()).chain(told.iter().map(|example| example[place].clone())));
        }
    }
    text
}

/// The page with what stands between the markers of a part replaced.
fn with_part(page: &str, part: &str, text: &str) -> String {
    let (begin, end) = (format!("<!-- {part}: generated -->\n"), format!("<!-- {part}: end -->"));
    let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("LIFECYCLE.md has no {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("LIFECYCLE.md has no {end}"));
    format!("{before}{begin}\n{text}\n{end}{after}")
}

#[test]
fn the_page_says_what_the_code_does() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let parts = [("statuses", statuses()), ("commands", glossary()), ("outcomes", outcomes())];
    let fresh = parts.iter().fold(page.clone(), |page, (part, text)| with_part(&page, part, text));
    if std::env::var_os("UPDATE_TABLES").is_some() {
        std::fs::write(PAGE, &fresh).unwrap();
        return;
    }
    for (old, new) in page.lines().zip(fresh.lines()) {
        assert_eq!(old, new, "LIFECYCLE.md is behind the code: run UPDATE_TABLES=1 cargo test -p simdock-domain --test table");
    }
    assert_eq!(page, fresh);
}

#[test]
fn every_command_has_its_rows() {
    let order = place("new", draft(1), &one_off(), at(0));
    let shown: Vec<&str> = commands(&order).iter().map(|(_, command)| name(command)).collect();
    for (name, _) in COMMANDS {
        assert!(shown.contains(name), "{name} has no row in the table");
    }
}

#[test]
fn the_examples_are_in_the_statuses_that_they_stand_for() {
    let examples = examples();
    let statuses: Vec<Status> = examples.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, Status::ALL, "each has its own");
    for (status, examples) in examples {
        for example in examples {
            assert_eq!(example.order.status(now()), status, "{}", example.name);
        }
    }
}
