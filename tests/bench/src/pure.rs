//! What the parts cost that ask nobody.

use simdock_domain::{ActivationCode, Cards, Command, EmailAddress, Provider, decide};
use simdock_mail::{Envelope, Language, QrCard, QrMail, Sender, qr_mail};
use simdock_payments::{Secret, sign_stripe, verify_stripe};
use simdock_runtime::Clock;
use simdock_tests::{draft, iccid, order};
use std::hint::black_box;
use std::time::Instant;

/// How often each is done in one go.
const TIMES: u32 = 200;
/// How many goes; the middle one counts.
const GOES: usize = 25;

/// The pure parts.
#[derive(Clone, Copy, Debug)]
pub struct Pure {
    /// Deciding that a payment pays for an order, in microseconds.
    pub decide_us: f64,
    /// Verifying a webhook's signature, in microseconds.
    pub verify_us: f64,
    /// Writing a mail with a card's QR code, from the code to the MIME text, in milliseconds.
    pub mail_ms: f64,
    /// Its size in bytes.
    pub mail_bytes: usize,
}

/// Times them.
pub fn measure() -> Pure {
    let now = Clock::system().now();
    let unpaid = order("pure", draft(1), now);
    let pay = Command::Receive {
        provider: Provider::Stripe,
        payment_id: "pi_3PxA".to_owned(),
        received: unpaid.price(),
        cards: Cards::Drawn(vec![iccid(1)]),
    };
    assert!(decide(&unpaid, pay.clone(), now).is_ok_and(|order| order.is_paid()));

    let secret = [Secret::stripe("whsec_of-nobody").expect("a secret")];
    let body = crate::shop::payment(&serde_json::json!({
        "orderNum": unpaid.num.as_str(), "price": { "amount": 1450, "currency": "EUR" },
    }));
    let signature = sign_stripe(now, body.as_bytes(), &secret[0]);
    assert!(verify_stripe(Some(&signature), body.as_bytes(), &secret, now).is_ok());

    let sender: Sender = "Simdock <orders@simdock.test>".parse().expect("a sender");
    let to: EmailAddress = "ana.garcia@example.com".parse().expect("an address");
    let code = ActivationCode::new("smdp.example.com", "4WK7-2BNX-Q9RD-TE5M", None, false).expect("a code");
    let number = "+34612345678".parse().expect("a number");
    let card = iccid(1);
    let cards = [QrCard {
        iccid: &card,
        code: &code,
        activate_before: Some(now.plus_seconds(365 * 86_400)),
        mobile_number: Some(&number),
        line_name: Some("Spain"),
    }];
    let mail = QrMail {
        envelope: Envelope { from: &sender, to: &to, order_num: &unpaid.num, date: now },
        language: Language::from_tag("es"),
        subscriber_name: Some("Ana García"),
        plan: "Europe 5 GB, 30 days",
        apn: "internet",
        cards: &cards,
        replaces: None,
    };
    Pure {
        decide_us: 1e6 * seconds(|| decide(black_box(&unpaid), pay.clone(), now)),
        verify_us: 1e6 * seconds(|| verify_stripe(Some(black_box(&signature)), body.as_bytes(), &secret, now)),
        mail_ms: 1e3 * seconds(|| qr_mail(black_box(&mail))),
        mail_bytes: qr_mail(&mail).expect("a mail").len(),
    }
}

/// How long something takes, in seconds.
fn seconds<T>(mut work: impl FnMut() -> T) -> f64 {
    let mut goes: Vec<f64> = (0..GOES)
        .map(|_| {
            let begun = Instant::now();
            for _ in 0..TIMES {
                black_box(work());
            }
            begun.elapsed().as_secs_f64() / f64::from(TIMES)
        })
        .collect();
    crate::median(&mut goes)
}
