//! What the providers' events say, by bodies of their real shape.

use serde_json::{Value, json};
use simdock_domain::{Currency, Money};
use simdock_payments::{
    AmountError, DisputeNotice, Notice, PaidNotice, ParseError, RefundNotice, RefundProgress, from_stripe_amount, parse_standard,
    parse_stripe, to_stripe_amount,
};

const ORDER: &str = "EP0123456789ABCDEF";

fn money(amount: i64, currency: &str) -> Money {
    Money { amount, currency: currency.parse().expect("a currency") }
}

fn paid(event_id: &str, order_num: Option<&str>, payment_id: &str, received: Money) -> Notice {
    Notice::Paid(PaidNotice {
        event_id: event_id.into(),
        order_num: order_num.map(|number| number.parse().expect("an order number")),
        payment_id: payment_id.into(),
        received,
    })
}

fn other(event_id: &str, kind: &str) -> Notice {
    Notice::Other { event_id: event_id.into(), kind: kind.into() }
}

fn stripe(event: &Value) -> Result<Notice, ParseError> {
    parse_stripe(event.to_string().as_bytes())
}

fn event(id: &str, kind: &str, object: &Value) -> Value {
    json!({
        "id": id, "object": "event", "api_version": "2026-10-29.dahlia", "created": 1_795_343_395,
        "data": { "object": object }, "livemode": true, "pending_webhooks": 1,
        "request": { "id": "req_Qn8vYb0s4xZ1kR", "idempotency_key": "0a0ab0c6-51ef-4ac4-8c10-9cf5b4ee3cf8" },
        "type": kind
    })
}

fn intent() -> Value {
    json!({
        "id": "pi_3SWkT2LkdIwHu7ix0qJ5dZ1a", "object": "payment_intent", "amount": 1450,
        "amount_capturable": 0, "amount_details": { "tip": {} }, "amount_received": 1450, "application": null,
        "automatic_payment_methods": { "allow_redirects": "always", "enabled": true }, "canceled_at": null,
        "capture_method": "automatic_async", "client_secret": "pi_3SWkT2LkdIwHu7ix0qJ5dZ1a_secret_x",
        "confirmation_method": "automatic", "created": 1_795_343_380, "currency": "eur", "customer": null,
        "last_payment_error": null, "latest_charge": "ch_3SWkT2LkdIwHu7ix0", "livemode": true,
        "metadata": { "orderNum": ORDER, "shop": "1007" }, "payment_method": "pm_1SWkT1LkdIwHu7ix",
        "payment_method_types": ["card", "link"], "receipt_email": "ana@example.com", "status": "succeeded"
    })
}

fn session() -> Value {
    json!({
        "id": "cs_live_a1B2c3", "object": "checkout.session", "adaptive_pricing": { "enabled": false },
        "amount_subtotal": 1450, "amount_total": 1450, "client_reference_id": ORDER, "created": 1_795_343_300,
        "currency": "eur", "customer": null, "customer_details": { "email": "ana@example.com", "name": "Ana" },
        "expires_at": 1_795_429_700, "livemode": true, "metadata": {}, "mode": "payment",
        "payment_intent": "pi_3SWkT2LkdIwHu7ix0qJ5dZ1a", "payment_status": "paid", "status": "complete",
        "total_details": { "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 }, "url": null
    })
}

fn with(mut object: Value, field: &str, value: Value) -> Value {
    object[field] = value;
    object
}

fn without(mut object: Value, field: &str) -> Value {
    object.as_object_mut().expect("an object").remove(field);
    object
}

const PI: &str = "pi_3SWkT2LkdIwHu7ix0qJ5dZ1a";

#[test]
fn payment_intent_succeeded() {
    let kind = "payment_intent.succeeded";
    assert_eq!(stripe(&event("evt_1", kind, &intent())), Ok(paid("evt_1", Some(ORDER), PI, money(1450, "EUR"))));
    for metadata in [json!({}), json!(null), json!({"orderNum": "1007"}), json!({"orderNum": ""})] {
        let nameless = with(intent(), "metadata", metadata);
        assert_eq!(stripe(&event("evt_1", kind, &nameless)), Ok(paid("evt_1", None, PI, money(1450, "EUR"))));
    }
    let partly = with(intent(), "amount_received", json!(1));
    assert_eq!(stripe(&event("evt_1", kind, &partly)), Ok(paid("evt_1", Some(ORDER), PI, money(1, "EUR"))));
}

#[test]
fn checkout_session_completed_only_when_paid() {
    let kind = "checkout.session.completed";
    let told = |session: Value| stripe(&event("evt_2", kind, &session));
    assert_eq!(told(session()), Ok(paid("evt_2", Some(ORDER), PI, money(1450, "EUR"))));
    for status in [json!("unpaid"), json!("no_payment_required"), json!("something_new"), json!(null)] {
        assert_eq!(told(with(session(), "payment_status", status)), Ok(other("evt_2", kind)));
    }
    assert_eq!(told(without(session(), "payment_status")), Ok(other("evt_2", kind)));
    for mode in ["subscription", "setup"] {
        let not_ours = with(with(session(), "mode", json!(mode)), "payment_intent", json!(null));
        assert_eq!(told(not_ours), Ok(other("evt_2", kind)));
    }
}

#[test]
fn checkout_session_async_payment_succeeded() {
    let kind = "checkout.session.async_payment_succeeded";
    assert_eq!(stripe(&event("evt_3", kind, &session())), Ok(paid("evt_3", Some(ORDER), PI, money(1450, "EUR"))));
    let kind = "checkout.session.async_payment_failed";
    assert_eq!(stripe(&event("evt_3", kind, &session())), Ok(other("evt_3", kind)));
}

#[test]
fn checkout_session_names_its_order_in_metadata_or_reference() {
    let second = "EPZYXWVTSRQPNMKJHG";
    let order_of = |session: Value| match stripe(&event("evt_4", "checkout.session.completed", &session)).expect("a notice") {
        Notice::Paid(notice) => notice.order_num.map(|number| number.to_string()),
        notice @ (Notice::Refund(_) | Notice::Dispute(_) | Notice::Other { .. }) => panic!("{notice:?}"),
    };
    let named = |number: &str| with(session(), "metadata", json!({ "orderNum": number }));
    assert_eq!(order_of(named(second)).as_deref(), Some(second));
    assert_eq!(order_of(named("shop-1007")).as_deref(), Some(ORDER));
    assert_eq!(order_of(with(session(), "metadata", json!(null))).as_deref(), Some(ORDER));
    assert_eq!(order_of(with(session(), "client_reference_id", json!(null))), None);
    assert_eq!(order_of(with(session(), "client_reference_id", json!("user-9"))), None);
}

#[test]
fn checkout_session_with_an_expanded_payment_intent() {
    let expanded = with(session(), "payment_intent", intent());
    let told = stripe(&event("evt_5", "checkout.session.completed", &expanded));
    assert_eq!(told, Ok(paid("evt_5", Some(ORDER), PI, money(1450, "EUR"))));
}

fn refund() -> Value {
    json!({
        "id": "re_3SWkT2LkdIwHu7ix0Kd0wq9x", "object": "refund", "amount": 1450, "charge": "ch_3SWkT2LkdIwHu7ix0",
        "created": 1_795_343_400, "currency": "eur", "destination_details": { "card": { "type": "refund" }, "type": "card" },
        "metadata": { "refundId": "RF0123456789ABCDEF", "orderNum": ORDER }, "payment_intent": PI, "reason": null,
        "status": "succeeded"
    })
}

fn charge(refunds: &Value) -> Value {
    json!({
        "id": "ch_3SWkT2LkdIwHu7ix0", "object": "charge", "amount": 1450, "amount_refunded": 500, "currency": "eur",
        "metadata": { "orderNum": ORDER }, "payment_intent": PI, "refunded": false, "refunds": refunds, "status": "succeeded"
    })
}

fn dispute() -> Value {
    json!({
        "id": "dp_1SWkT2LkdIwHu7ix", "object": "dispute", "amount": 1450, "charge": "ch_3SWkT2LkdIwHu7ix0",
        "currency": "eur", "metadata": {}, "payment_intent": PI, "reason": "fraudulent", "status": "needs_response"
    })
}

fn refunded(event_id: &str, amount: Money, progress: RefundProgress) -> RefundNotice {
    RefundNotice {
        event_id: event_id.into(),
        order_num: Some(ORDER.parse().expect("an order number")),
        payment_id: PI.into(),
        provider_id: "re_3SWkT2LkdIwHu7ix0Kd0wq9x".into(),
        refund_id: Some("RF0123456789ABCDEF".into()),
        amount,
        progress,
    }
}

#[test]
fn refunds_tell_how_far_they_are() {
    for kind in ["refund.created", "refund.updated", "refund.failed", "charge.refund.updated"] {
        let expected = refunded("evt_9", money(1450, "EUR"), RefundProgress::Succeeded);
        assert_eq!(stripe(&event("evt_9", kind, &refund())), Ok(Notice::Refund(expected)));
    }
    let progress = |refund: Value| match stripe(&event("evt_9", "refund.updated", &refund)).expect("a notice") {
        Notice::Refund(notice) => notice.progress,
        notice @ (Notice::Paid(_) | Notice::Dispute(_) | Notice::Other { .. }) => panic!("{notice:?}"),
    };
    for (status, expected) in [
        ("pending", RefundProgress::Pending),
        ("requires_action", RefundProgress::Pending),
        ("failed", RefundProgress::Failed("failed".into())),
        ("canceled", RefundProgress::Failed("canceled".into())),
    ] {
        assert_eq!(progress(with(refund(), "status", json!(status))), expected);
    }
    let failed = with(with(refund(), "status", json!("failed")), "failure_reason", json!("lost_or_stolen_card"));
    assert_eq!(progress(failed), RefundProgress::Failed("lost_or_stolen_card".into()));
}

#[test]
fn refunds_made_at_stripe_have_no_name_of_ours() {
    let expected =
        RefundNotice { order_num: None, refund_id: None, ..refunded("evt_9", money(1450, "EUR"), RefundProgress::Succeeded) };
    for metadata in [json!({}), json!(null), json!({"orderNum": "1007", "refundId": "a b"})] {
        let told = stripe(&event("evt_9", "refund.created", &with(refund(), "metadata", metadata)));
        assert_eq!(told, Ok(Notice::Refund(expected.clone())));
    }
    let of_no_intent = with(refund(), "payment_intent", json!(null));
    assert_eq!(stripe(&event("evt_9", "refund.created", &of_no_intent)), Ok(other("evt_9", "refund.created")));
    let expanded = with(refund(), "payment_intent", intent());
    let expected = refunded("evt_9", money(1450, "EUR"), RefundProgress::Succeeded);
    assert_eq!(stripe(&event("evt_9", "refund.created", &expanded)), Ok(Notice::Refund(expected)));
}

#[test]
fn refunds_are_counted_in_iso_units() {
    for (currency, stripe_amount, amount) in [("isk", 500, 5), ("jpy", 500, 500), ("kwd", 5120, 5120)] {
        let object = with(with(refund(), "currency", json!(currency)), "amount", json!(stripe_amount));
        let amount = money(amount, &currency.to_uppercase());
        let expected = refunded("evt_9", amount, RefundProgress::Succeeded);
        assert_eq!(stripe(&event("evt_9", "refund.updated", &object)), Ok(Notice::Refund(expected)));
    }
}

#[test]
fn refunds_that_cannot_be_read() {
    let told = |field: &str, value: Value| stripe(&event("evt_9", "refund.updated", &with(refund(), field, value)));
    assert_eq!(told("amount", json!(0)), Err(ParseError::Amount));
    assert_eq!(told("currency", json!("usdc")), Err(ParseError::Currency));
    assert_eq!(told("id", json!("re 1")), Err(ParseError::Field("data.object.id")));
    assert_eq!(told("payment_intent", json!("")), Err(ParseError::Field("data.object.payment_intent")));
    assert!(matches!(told("status", json!("something_new")), Err(ParseError::Json { .. })));
}

#[test]
fn charges_tell_of_the_newest_refund_they_list() {
    let kind = "charge.refunded";
    let second = with(with(refund(), "amount", json!(500)), "metadata", json!({}));
    let older = with(refund(), "id", json!("re_older"));
    let listed = charge(&json!({ "object": "list", "data": [second, older], "has_more": false }));
    let expected = RefundNotice { refund_id: None, ..refunded("evt_10", money(500, "EUR"), RefundProgress::Succeeded) };
    assert_eq!(stripe(&event("evt_10", kind, &listed)), Ok(Notice::Refund(expected)));

    for refunds in [json!(null), json!({ "object": "list", "data": [] })] {
        assert_eq!(stripe(&event("evt_10", kind, &charge(&refunds))), Ok(other("evt_10", kind)));
    }
    assert_eq!(stripe(&event("evt_10", kind, &without(charge(&json!(null)), "refunds"))), Ok(other("evt_10", kind)));
    assert_eq!(stripe(&event("evt_10", kind, &with(listed, "payment_intent", json!(null)))), Ok(other("evt_10", kind)));
}

#[test]
fn disputes_are_told() {
    let kind = "charge.dispute.created";
    let expected = |order: Option<&str>, reason: &str| {
        Ok(Notice::Dispute(DisputeNotice {
            event_id: "evt_11".into(),
            order_num: order.map(|number| number.parse().expect("an order number")),
            payment_id: PI.into(),
            reason: reason.into(),
        }))
    };
    assert_eq!(stripe(&event("evt_11", kind, &dispute())), expected(None, "fraudulent"));
    let named = with(dispute(), "metadata", json!({ "orderNum": ORDER }));
    assert_eq!(stripe(&event("evt_11", kind, &named)), expected(Some(ORDER), "fraudulent"));
    let written = with(dispute(), "reason", json!("ana@example.com\nsays no"));
    assert_eq!(stripe(&event("evt_11", kind, &written)), expected(None, "*** says no"));
    let of_no_intent = with(dispute(), "payment_intent", json!(null));
    assert_eq!(stripe(&event("evt_11", kind, &of_no_intent)), Ok(other("evt_11", kind)));
}

#[test]
fn other_stripe_events_are_named() {
    for kind in ["charge.succeeded", "payment_intent.payment_failed", "charge.refunded", "v2.core.event"] {
        assert_eq!(stripe(&event("evt_6", kind, &json!({"id": 7}))), Ok(other("evt_6", kind)));
    }
}

#[test]
fn stripe_events_that_cannot_be_read() {
    let kind = "payment_intent.succeeded";
    let told = |field: &str, value: Value| stripe(&event("evt_7", kind, &with(intent(), field, value)));
    for amount in [0, -1450] {
        assert_eq!(told("amount_received", json!(amount)), Err(ParseError::Amount));
    }
    assert_eq!(told("currency", json!("euro")), Err(ParseError::Currency));
    assert_eq!(told("currency", json!("usdc")), Err(ParseError::Currency));
    for id in ["", "pi 1", "pi_\u{e9}", "pi_\n", &"p".repeat(256)] {
        assert_eq!(told("id", json!(id)), Err(ParseError::Field("data.object.id")), "{id:?}");
    }
    assert!(told("id", json!("p".repeat(255))).is_ok());
    for (field, value) in [("amount_received", json!(14.5)), ("amount_received", json!("1450")), ("currency", json!(1))] {
        assert!(matches!(told(field, value), Err(ParseError::Json { .. })), "{field}");
    }
    for field in ["id", "amount_received", "currency"] {
        let told = stripe(&event("evt_7", kind, &without(intent(), field)));
        assert!(matches!(told, Err(ParseError::Json { .. })), "{field}");
    }

    let kind = "checkout.session.completed";
    for (field, name) in [
        ("payment_intent", "data.object.payment_intent"),
        ("amount_total", "data.object.amount_total"),
        ("currency", "data.object.currency"),
    ] {
        let told = stripe(&event("evt_7", kind, &with(session(), field, json!(null))));
        assert_eq!(told, Err(ParseError::Field(name)));
    }

    assert_eq!(stripe(&event("", kind, &session())), Err(ParseError::Field("id")));
    for body in ["", "null", "[]", "{", r#"{"id":"evt_1"}"#, r#"{"id":"evt_1","type":"payment_intent.succeeded"}"#] {
        assert!(matches!(parse_stripe(body.as_bytes()), Err(ParseError::Json { .. })), "{body}");
    }
    let said_twice = br#"{"id":"evt_1","id":"evt_2","type":"charge.refunded"}"#;
    assert!(matches!(parse_stripe(said_twice), Err(ParseError::Json { .. })));
    assert!(matches!(parse_stripe(b"\xff"), Err(ParseError::Json { .. })));
    let deep = "[".repeat(100_000);
    assert!(matches!(parse_stripe(deep.as_bytes()), Err(ParseError::Json { .. })));
}

#[test]
fn parse_errors_show_nothing_of_the_payload() {
    let body = br#"{"id":"evt_1","type":"payment_intent.succeeded","data":{"object":"ana@example.com"}}"#;
    let error = parse_stripe(body).expect_err("not an object");
    assert!(!error.to_string().contains("ana"), "{error}");
}

#[test]
fn stripe_units() {
    // Stripe's amount, and ISO 4217's, of the same money.
    for (currency, stripe_amount, amount) in [
        ("EUR", 1450, 1450),
        ("USD", 1, 1),
        ("HUF", 1045, 1045),
        ("TWD", 80_045, 80_045),
        ("JPY", 500, 500),
        ("ISK", 500, 5),
        ("UGX", 500, 5),
        ("MGA", 5, 500),
        ("BHD", 5120, 5120),
        ("JOD", 5120, 5120),
        ("KWD", 5120, 5120),
        ("OMR", 5120, 5120),
        ("TND", 5120, 5120),
    ] {
        let iso = money(amount, currency);
        assert_eq!(from_stripe_amount(stripe_amount, iso.currency), Ok(iso), "{currency}");
        assert_eq!(to_stripe_amount(iso), Ok(stripe_amount), "{currency}");
    }
}

#[test]
fn stripe_zero_decimal_currencies() {
    let zero_decimal = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF";
    for code in zero_decimal.split(' ') {
        let currency: Currency = code.parse().expect("a currency");
        let whole_units = |minor: i64| minor / 10_i64.pow(currency.exponent());
        let money = from_stripe_amount(500, currency).expect("exact");
        assert_eq!(whole_units(money.amount), 500, "{code}");
    }
}

#[test]
fn stripe_units_are_never_rounded() {
    assert_eq!(from_stripe_amount(550, money(0, "ISK").currency), Err(AmountError));
    assert_eq!(from_stripe_amount(1, money(0, "UGX").currency), Err(AmountError));
    assert_eq!(from_stripe_amount(i64::MAX, money(0, "MGA").currency), Err(AmountError));
    assert_eq!(to_stripe_amount(money(120, "MGA")), Err(AmountError));
    assert_eq!(to_stripe_amount(money(5124, "KWD")), Err(AmountError));
    assert_eq!(to_stripe_amount(money(i64::MAX, "ISK")), Err(AmountError));
    let event_of = |currency: &str| {
        let object = with(with(intent(), "currency", json!(currency)), "amount_received", json!(550));
        stripe(&event("evt_8", "payment_intent.succeeded", &object))
    };
    assert_eq!(event_of("isk"), Err(ParseError::Amount));
    assert_eq!(event_of("mga"), Ok(paid("evt_8", Some(ORDER), PI, money(55_000, "MGA"))));
}

fn payment() -> Value {
    json!({ "paymentId": "pay_8812", "orderNum": ORDER, "amount": 1450, "currency": "EUR" })
}

fn told(kind: &str, data: &Value) -> Result<Notice, ParseError> {
    let body = json!({ "type": kind, "timestamp": "2026-11-22T10:29:55Z", "data": data });
    parse_standard("msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", body.to_string().as_bytes())
}

#[test]
fn standard_payment_succeeded() {
    let id = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W";
    let kind = "payment.succeeded";
    assert_eq!(told(kind, &payment()), Ok(paid(id, Some(ORDER), "pay_8812", money(1450, "EUR"))));
    for order_num in [json!(null), json!(""), json!("shop-1007")] {
        let nameless = with(payment(), "orderNum", order_num);
        assert_eq!(told(kind, &nameless), Ok(paid(id, None, "pay_8812", money(1450, "EUR"))));
    }
    assert_eq!(told(kind, &without(payment(), "orderNum")), Ok(paid(id, None, "pay_8812", money(1450, "EUR"))));
    let krona = with(with(payment(), "currency", json!("ISK")), "amount", json!(5));
    assert_eq!(told(kind, &krona), Ok(paid(id, Some(ORDER), "pay_8812", money(5, "ISK"))));
    let more = with(payment(), "method", json!("card"));
    assert_eq!(told(kind, &more), Ok(paid(id, Some(ORDER), "pay_8812", money(1450, "EUR"))));
}

#[test]
fn other_standard_events_are_named() {
    assert_eq!(told("payment.failed", &json!(null)), Ok(other("msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", "payment.failed")));
}

#[test]
fn standard_events_that_cannot_be_read() {
    let kind = "payment.succeeded";
    for (field, value, error) in [
        ("amount", json!(0), ParseError::Amount),
        ("amount", json!(-1), ParseError::Amount),
        ("currency", json!("eur"), ParseError::Currency),
        ("currency", json!("XXX"), ParseError::Currency),
        ("paymentId", json!(""), ParseError::Field("data.paymentId")),
        ("paymentId", json!("pay 1"), ParseError::Field("data.paymentId")),
    ] {
        assert_eq!(told(kind, &with(payment(), field, value)), Err(error));
    }
    for field in ["paymentId", "amount", "currency"] {
        assert!(matches!(told(kind, &without(payment(), field)), Err(ParseError::Json { .. })), "{field}");
    }
    assert_eq!(told("", &payment()), Err(ParseError::Field("type")));
    assert_eq!(parse_standard("", b"{}"), Err(ParseError::Field("webhook-id")));
    assert!(matches!(parse_standard("msg_1", b"{}"), Err(ParseError::Json { .. })));
}
