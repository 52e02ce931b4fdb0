//! Orders for the mails that are written from one.

#![allow(clippy::unwrap_used, reason = "a test ends where a helper fails")]

use serde_json::json;
use simdock_domain::{
    Cards, Channel, Command, Draft, FormFactor, Iccid, Order, OrderNum, PaymentMethod, Plan, PostalAddress, Provider, Timestamp,
    decide,
};

/// When they are placed, paid and changed.
pub fn now() -> Timestamp {
    "2026-11-22T10:30:00Z".parse().unwrap()
}

/// A card by its number in the stock.
pub fn iccid(number: usize) -> Iccid {
    Iccid::with_check_digit(&format!("894450001234567{number:03}")).unwrap()
}

/// A home in Portugal.
pub fn home() -> PostalAddress {
    PostalAddress {
        lines: vec!["12 Rua Augusta".into(), "3.º esq.".into()],
        city: "Lisboa".into(),
        region: None,
        postal_code: Some("1100-053".into()),
        country: "PT".into(),
    }
}

/// An order of so many cards that is paid, and nothing else.
pub fn paid(num: &OrderNum, form_factor: FormFactor, count: u32) -> Order {
    let plan: Plan = serde_json::from_value(json!({
        "planId": "eu-5gb-30d", "version": 1, "display": "Europe 5 GB, 30 days", "price": {"amount": 1450, "currency": "EUR"},
        "dataMb": 5120, "days": 30, "flowType": 1, "refundPolicy": {"kind": "until_activation"},
        "formFactors": ["esim", "physical"], "profiles": [{"operator": "meridian", "imsiProfile": "7", "cost": 410}],
        "apn": "internet", "countries": ["ES"],
    }))
    .unwrap();
    let draft = Draft {
        count,
        form_factor,
        wanted: Vec::new(),
        address: (form_factor == FormFactor::Physical).then(home),
        gift: None,
        add_on_ids: Vec::new(),
        payment_method: PaymentMethod::Card,
        channel: Channel::Web,
        email: "ana@example.com".parse().unwrap(),
        name: "Ana Sousa".into(),
        language: "pt".into(),
        line_name: None,
        send_email: true,
        other_order_id: None,
        other_item_id: None,
    };
    let order = Order::place(num.clone(), "demo", draft, &plan, "fingerprint".into(), now()).unwrap();
    let receive = Command::Receive {
        provider: Provider::Stripe,
        payment_id: "pi_1".into(),
        received: order.price(),
        cards: Cards::Drawn((0..count as usize).map(iccid).collect()),
    };
    after(&order, [receive])
}

/// An order after these commands.
pub fn after(order: &Order, commands: impl IntoIterator<Item = Command>) -> Order {
    commands.into_iter().fold(order.clone(), |order, command| decide(&order, command, now()).unwrap())
}
