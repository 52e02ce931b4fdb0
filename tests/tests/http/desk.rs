//! What managers do at their desk: send cards, correct recipients, send mails again, try again what was given up, write notes.

use crate::acts::{
    EID, PLAN, POOL, at_operator, attention, audit, by_balance, card, changing, delivered, drained, events, mail_kinds, managing,
    note, operator, paid_back, pause, sim, subscription_of, tell,
};
use crate::api::{By, Site, draft, eventually, list, num};
use hyper::Method;
use serde_json::{Value, json};
use simdock_domain::Timestamp;
use simdock_store::SimState;

fn address(street: &str) -> Value {
    json!({"lines": [street], "city": "Madrid", "postalCode": "28013", "country": "ES"})
}

fn by_post() -> Value {
    let mut draft = by_balance("sandbox-5gb-30d");
    draft["formFactor"] = "physical".into();
    draft["subscriber"]["postalAddress"] = address("Calle Mayor 1");
    draft
}

async fn edit(site: &Site, order: &Value, body: Value) -> crate::api::Answer {
    site.call(Method::PATCH, format!("/v1/orders/{}/recipient", num(order))).by(By::Manager).json(&body).send().await
}

/// The refusal of something that cannot be done now, for this reason.
fn not_possible(answer: &crate::api::Answer, reason: &str) {
    let problem = answer.problem(409, "not_possible", None);
    assert_eq!(problem["reason"], reason, "{problem}");
}

/// Waits until so many mails of a kind about an order have been sent; where they went to, the newest last.
async fn sent_to(site: &Site, order: &Value, kind: &str, count: usize) -> Vec<String> {
    let mut mails = eventually(&format!("{count} {kind} mails"), async || {
        Some(site.mails(order, kind).await).filter(|mails| mails.len() == count)
    })
    .await;
    mails.sort_by_key(|mail| mail["id"].as_str().unwrap().to_owned());
    mails.iter().map(|mail| mail["to"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_desk_is_for_managers() {
    let site = Site::start().await;
    let order = delivered(&site, &by_balance(PLAN)).await;
    site.swept().await;
    let before = site.tables().await;
    for (method, action, body) in [
        (Method::POST, "shipment", json!({"carrier": "Correos", "number": "PX1"})),
        (Method::PATCH, "recipient", json!({"name": "Eve"})),
        (Method::POST, "emails", json!({"kind": "qr"})),
        (Method::POST, "retry", json!({})),
        (Method::POST, "notes", json!({"note": "hello"})),
    ] {
        let path = format!("/v1/orders/{}/{action}", num(&order));
        let call = || site.call(method.clone(), &path).json(&body);
        for by in [By::Partner, By::OtherPartner] {
            call().by(by).send().await.problem(403, "forbidden", None);
        }
        call().send().await.problem(401, "unauthenticated", None);
        let nobodys = site.call(method.clone(), format!("/v1/orders/EP0000000000000000/{action}"));
        nobodys.by(By::Manager).json(&body).send().await.problem(404, "not_found", None);
        let mut more = body.clone();
        more["unknown"] = 1.into();
        site.call(method, &path).by(By::Manager).json(&more).send().await.problem(400, "unknown_field", Some("unknown"));
    }
    assert!(site.tables().await == before, "something was written");
    site.stop().await;
}

#[tokio::test]
async fn cards_are_sent_once_and_then_there_is_no_way_back() {
    let site = Site::start().await;
    let parcel = json!({"carrier": "Correos", "number": "PX1"});
    for draft in [by_balance(PLAN), draft("eu-5gb-30d")] {
        let order = site.order(&draft).await;
        not_possible(&managing(&site, &order, "shipment", &parcel).send().await, "nothing_to_ship");
    }
    let mut unpaid = by_post();
    unpaid["payment"] = "card".into();
    let unpaid = site.order(&unpaid).await;
    not_possible(&managing(&site, &unpaid, "shipment", &parcel).send().await, "nothing_to_ship");

    pause(&site, "provision", true).await;
    let order = site.order(&by_post()).await;
    not_possible(&managing(&site, &order, "shipment", &parcel).send().await, "in_progress");
    pause(&site, "provision", false).await;
    let order = site.until(&order, "ready", |order| order["cards"][0]["status"] == "ready").await;
    assert_eq!((&order["fulfilment"], attention(&order)), (&json!("fulfilling"), vec!["to_ship"]));
    for (body, code, field) in [
        (json!({"number": "PX1"}), "missing_field", "carrier"),
        (json!({"carrier": "Correos"}), "missing_field", "number"),
        (json!({"carrier": "Correos", "number": "PX1", "shippedAt": "2027-01-01T00:00:00Z"}), "invalid_field", "shippedAt"),
        (json!({"carrier": "Correos", "number": "PX1", "shippedAt": "yesterday"}), "invalid_field", "shippedAt"),
    ] {
        managing(&site, &order, "shipment", &body).send().await.problem(400, code, Some(field));
    }
    let mut parcel = parcel;
    let made = order["createdAt"].as_str().unwrap().parse::<Timestamp>().unwrap();
    let mut early = parcel.clone();
    early["shippedAt"] = made.plus_seconds(-1).to_string().into();
    managing(&site, &order, "shipment", &early).send().await.problem(400, "invalid_field", Some("shippedAt"));
    parcel["shippedAt"] = order["createdAt"].clone();
    let shipped = managing(&site, &order, "shipment", &parcel).send().await.expect(200);
    assert_eq!(shipped["shipment"], json!({"shippedAt": order["createdAt"], "carrier": "Correos", "number": "PX1"}));
    assert_eq!((&shipped["fulfilment"], attention(&shipped)), (&json!("completed"), vec![]));
    assert_eq!(note(&shipped, "shipped"), "Correos PX1");
    assert_eq!(list(&shipped, "history").iter().rfind(|entry| entry["event"] == "shipped").unwrap()["by"], "manager");
    // Saying it twice is saying it once; saying something else is too late.
    let again = managing(&site, &order, "shipment", &parcel).send().await.expect(200);
    assert_eq!(events(&again).iter().filter(|event| **event == "shipped").count(), 1);
    sent_to(&site, &order, "shipment", 1).await;
    parcel["number"] = "PX2".into();
    not_possible(&managing(&site, &order, "shipment", &parcel).send().await, "shipped");
    let problem = site.refunding(&order, None).send().await.problem(409, "not_refundable", None);
    assert_eq!(problem["reason"], "shipped");

    // What is being given back is not sent meanwhile, and not afterwards.
    let order = site.order(&by_post()).await;
    site.until(&order, "ready", |order| order["cards"][0]["status"] == "ready").await;
    pause(&site, "provision", true).await;
    site.refunding(&order, None).send().await.expect(202);
    let refused = managing(&site, &order, "shipment", &parcel).send().await.problem(409, "not_possible", None);
    assert!(["in_progress", "nothing_to_ship"].contains(&refused["reason"].as_str().unwrap()), "{refused}");
    pause(&site, "provision", false).await;
    paid_back(&site, &order).await;
    not_possible(&managing(&site, &order, "shipment", &parcel).send().await, "nothing_to_ship");
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn a_wrong_number_of_a_parcel_is_corrected_once() {
    let site = Site::start().await;
    let order = site.order(&by_post()).await;
    let order = site.until(&order, "ready", |order| order["cards"][0]["status"] == "ready").await;
    let say = async |body: Value| managing(&site, &order, "shipment", &body).send().await;
    let first = json!({"carrier": "Correos", "number": "PX1"});
    let right = json!({"carrier": "Correos", "number": "PX2", "corrects": {"number": "PX1"}});
    not_possible(&say(right.clone()).await, "not_shipped");
    // A clock that is a little ahead does no harm.
    let mut ahead = first.clone();
    ahead["shippedAt"] = site.stack.clock().now().plus_seconds(50).to_string().into();
    let shipped = say(ahead).await.expect(200);
    let left = shipped["shipment"]["shippedAt"].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(left <= site.stack.clock().now());
    sent_to(&site, &order, "shipment", 1).await;
    site.settled(&order).await;

    let corrected = say(right.clone()).await.expect(200);
    assert_eq!(
        (&corrected["shipment"]["number"], &corrected["shipment"]["shippedAt"]),
        (&json!("PX2"), &shipped["shipment"]["shippedAt"])
    );
    assert_eq!(note(&corrected, "shipment_corrected"), "Correos PX2, was Correos PX1");
    let entry = list(&corrected, "history").iter().rfind(|entry| entry["event"] == "shipment_corrected").unwrap();
    assert_eq!((&entry["by"], &entry["manager"]), (&json!("manager"), &json!("local-manager")));
    sent_to(&site, &order, "shipment", 2).await;
    let mail = newest(&site, &order, "shipment").await;
    assert!(mail.contains("PX2") && !mail.contains("PX1"), "{mail}");
    site.settled(&order).await;
    // Twice is once; what comes late, and what was said at first, changes nothing.
    say(right).await.expect(200);
    let shipped_at = &shipped["shipment"]["shippedAt"];
    for seen in [
        json!({"number": "PX1"}),
        json!({"number": "PX2", "carrier": "DHL", "shippedAt": shipped_at}),
        json!({"number": "PX2", "carrier": "Correos", "shippedAt": "2020-01-01T00:00:00Z"}),
    ] {
        let late = json!({"carrier": "Correos", "number": "PX3", "corrects": seen});
        say(late).await.problem(409, "version_conflict", Some("corrects"));
    }
    not_possible(&say(first).await, "shipped");
    let read = site.get(format!("/v1/orders/{}", num(&order))).by(By::Partner).send().await.expect(200);
    assert_eq!((&read["shipment"]["number"], note(&read, "shipment_corrected")), (&json!("PX2"), "Correos PX2, was Correos PX1"));
    assert_eq!(sent_to(&site, &order, "shipment", 2).await.len(), 2);
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn a_recipient_is_corrected_and_the_history_says_what_it_was() {
    let site = Site::start().await;
    let order = site.order(&by_post()).await;
    edit(&site, &order, json!({})).await.problem(400, "missing_field", Some("name, email or postalAddress"));
    edit(&site, &order, json!({"email": "nonsense"})).await.problem(400, "invalid_field", Some("email"));
    edit(&site, &order, json!({"postalAddress": {"lines": ["x"]}})).await.problem(
        400,
        "missing_field",
        Some("postalAddress.country"),
    );
    let both = json!({"name": "Ana María", "email": "ana.maria@example.com"});
    let edited = edit(&site, &order, both.clone()).await.expect(200);
    assert_eq!(edited["subscriber"]["name"], "Ana María");
    assert_eq!(
        (&edited["subscriber"]["email"], &edited["subscriber"]["postalAddress"]),
        (&json!("ana.maria@example.com"), &address("Calle Mayor 1"))
    );
    let was = note(&edited, "recipient_changed");
    assert!(was.contains("Ana") && was.contains("ana@example.com"), "{was}");
    let edited = edit(&site, &order, json!({"postalAddress": address("Gran Vía 2")})).await.expect(200);
    assert!(note(&edited, "recipient_changed").contains("Calle Mayor 1"));
    let again = edit(&site, &order, json!({"postalAddress": address("Gran Vía 2")})).await.expect(200);
    assert_eq!(events(&again).iter().filter(|event| **event == "recipient_changed").count(), 2);

    let order = site.until(&order, "ready", |order| order["cards"][0]["status"] == "ready").await;
    managing(&site, &order, "shipment", &json!({"carrier": "Correos", "number": "PX1"})).send().await.expect(200);
    not_possible(&edit(&site, &order, json!({"postalAddress": address("Too Late 3")})).await, "shipped");
    let named = edit(&site, &order, json!({"name": "Ana M."})).await.expect(200);
    assert_eq!((&named["subscriber"]["name"], &named["subscriber"]["postalAddress"]), (&json!("Ana M."), &address("Gran Vía 2")));

    let esim = delivered(&site, &by_balance(PLAN)).await;
    not_possible(&edit(&site, &esim, json!({"postalAddress": address("Nowhere 4")})).await, "not_shipped");
    edit(&site, &esim, json!({"email": "new@example.com"})).await.expect(200);
    let void = site.order(&draft(PLAN)).await;
    site.advance("PT31M").await;
    not_possible(&edit(&site, &void, both).await, "not_shipped");
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn a_mail_is_sent_again_to_the_stored_address_or_another() {
    let site = Site::start().await;
    let order = delivered(&site, &by_balance(PLAN)).await;
    let email = |body: Value| {
        let (site, order) = (&site, &order);
        async move { managing(site, order, "emails", &body).send().await }
    };
    email(json!({})).await.problem(400, "missing_field", Some("kind"));
    email(json!({"kind": "manager"})).await.problem(400, "invalid_field", Some("kind"));
    email(json!({"kind": "qr", "to": "nonsense"})).await.problem(400, "invalid_field", Some("to"));
    let asked = email(json!({"kind": "qr"})).await.expect(200);
    assert_eq!(note(&asked, "mail_requested"), "qr");
    assert_eq!(sent_to(&site, &order, "qr", 2).await, ["ana@example.com"; 2]);
    site.settled(&order).await;
    // To another address for this once.
    email(json!({"kind": "qr", "to": "other@example.com"})).await.expect(200);
    assert_eq!(sent_to(&site, &order, "qr", 3).await[2], "other@example.com");
    site.settled(&order).await;
    email(json!({"kind": "confirmation", "to": "other@example.com"})).await.expect(200);
    assert_eq!(sent_to(&site, &order, "confirmation", 2).await, ["ana@example.com", "other@example.com"]);
    let order = site.settled(&order).await;
    assert_eq!((&order["subscriber"]["email"], mail_kinds(&order)), (&json!("ana@example.com"), vec!["confirmation", "qr"]));
    assert!(newest(&site, &order, "qr").await.contains(order["cards"][0]["code"].as_str().unwrap()));
    // Once more it goes to the subscriber, who is to be found elsewhere by now.
    edit(&site, &order, json!({"email": "moved@example.com"})).await.expect(200);
    managing(&site, &order, "emails", &json!({"kind": "qr"})).send().await.expect(200);
    assert_eq!(sent_to(&site, &order, "qr", 4).await[3], "moved@example.com");
    site.settled(&order).await;

    // Whoever has it on a phone cannot put it on another one.
    assert_eq!(tell(&site, card(&order), json!({"type": "installed", "eid": EID})).await, "recorded");
    let problem = managing(&site, &order, "emails", &json!({"kind": "qr"})).send().await.problem(409, "other_device", None);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("swap the SIM"), "{detail}");
    managing(&site, &order, "emails", &json!({"kind": "qr", "samePhone": true})).send().await.expect(200);
    assert_eq!(sent_to(&site, &order, "qr", 5).await.len(), 5);
    managing(&site, &order, "emails", &json!({"kind": "confirmation"})).send().await.expect(200);
    sent_to(&site, &order, "confirmation", 3).await;

    // There is nothing to send of what is not paid, not there, or in the post.
    let unpaid = site.order(&draft(PLAN)).await;
    for kind in ["qr", "confirmation"] {
        not_possible(&managing(&site, &unpaid, "emails", &json!({"kind": kind})).send().await, "no_such_email");
    }
    let parcel = site.order(&by_post()).await;
    site.until(&parcel, "ready", |order| order["cards"][0]["status"] == "ready").await;
    not_possible(&managing(&site, &parcel, "emails", &json!({"kind": "qr"})).send().await, "no_such_email");
    // Not even where the partner wanted none: a manager sends one all the same.
    let mut quiet = by_balance(PLAN);
    quiet["sendEmail"] = false.into();
    let quiet = site.order(&quiet).await;
    site.until(&quiet, "delivered", |order| order["fulfilment"] == "completed").await;
    managing(&site, &quiet, "emails", &json!({"kind": "qr"})).send().await.expect(200);
    assert_eq!(sent_to(&site, &quiet, "qr", 1).await, ["ana@example.com"]);
    audit(&site).await;
    site.stop().await;
}

/// What the newest mail of a kind about an order says.
async fn newest(site: &Site, order: &Value, kind: &str) -> String {
    let mail = site.mails(order, kind).await.into_iter().max_by_key(|mail| mail["id"].as_str().unwrap().to_owned()).unwrap();
    site.get(format!("/mailbox/{}", mail["id"].as_str().unwrap())).send().await.text()
}

#[tokio::test]
async fn the_code_of_a_card_that_was_replaced_is_not_sent_again() {
    let site = Site::start().await;
    let order = delivered(&site, &by_balance(PLAN)).await;
    let old = order["cards"][0]["code"].as_str().unwrap();
    let swap = changing(&site, &subscription_of(&order), "sim-swap", &json!({})).send().await.expect(201);
    let swap = site.settled(&swap).await;
    let new = swap["cards"][0]["code"].as_str().unwrap();
    // The old one still works.
    managing(&site, &order, "emails", &json!({"kind": "qr"})).send().await.expect(200);
    sent_to(&site, &order, "qr", 2).await;
    assert!(newest(&site, &order, "qr").await.contains(old));
    site.settled(&order).await;
    assert_eq!(tell(&site, card(&swap), json!({"type": "installed", "eid": EID})).await, "recorded");
    site.until(&swap, "retired", |order| events(order).contains(&"retired")).await;
    // Whichever order is named, it is about the card that the subscriber has now.
    for order in [&order, &swap] {
        let before = site.mails(order, "qr").await.len();
        managing(&site, order, "emails", &json!({"kind": "qr"})).send().await.problem(409, "other_device", None);
        managing(&site, order, "emails", &json!({"kind": "qr", "samePhone": true})).send().await.expect(200);
        sent_to(&site, order, "qr", before + 1).await;
        let mail = newest(&site, order, "qr").await;
        assert!(mail.contains(new) && !mail.contains(old), "{mail}");
    }
    site.stop().await;
}

#[tokio::test]
async fn a_request_with_a_key_is_one_mail() {
    let site = Site::start().await;
    let order = delivered(&site, &by_balance(PLAN)).await;
    let to = |address: &str| json!({"kind": "qr", "to": address});
    let ask = |key: &str, body: &Value| managing(&site, &order, "emails", body).header("Idempotency-Key", key);
    // Sent at once from many windows it is one, and sent again when the mail has long gone out, too.
    let calls = (0..5).map(|_| ask("form 1", &to("eva@example.com"))).collect();
    let answers = crate::acts::at_once(calls, 0).await;
    let said = |answer: &crate::api::Answer| answer.header("idempotency-replayed").map(str::to_owned);
    assert_eq!(answers.iter().filter(|answer| answer.status == 200 && said(answer).is_none()).count(), 1);
    sent_to(&site, &order, "qr", 2).await;
    let settled = site.settled(&order).await;
    let late = ask("form 1", &to("eva@example.com")).send().await;
    assert_eq!((said(&late).as_deref(), &late.expect(200)["version"]), (Some("true"), &settled["version"]));
    ask("form 1", &to("bea@example.com")).send().await.problem(422, "idempotency_key_reused", Some("Idempotency-Key"));
    ask("a,b", &to("eva@example.com")).send().await.problem(400, "invalid_field", Some("Idempotency-Key"));
    // It is remembered behind others, and of each who asks; and an order of its own has a request of its own.
    ask("form 2", &to("bea@example.com")).send().await.expect(200);
    sent_to(&site, &order, "qr", 3).await;
    site.settled(&order).await;
    for (key, address) in [("form 1", "eva@example.com"), ("form 2", "bea@example.com")] {
        assert_eq!(said(&ask(key, &to(address)).send().await).as_deref(), Some("true"));
    }
    let other = delivered(&site, &by_balance(PLAN)).await;
    let asked = managing(&site, &other, "emails", &to("eva@example.com")).header("Idempotency-Key", "form 1").send().await;
    assert_eq!((asked.status, said(&asked)), (200, None));
    sent_to(&site, &other, "qr", 2).await;
    // What was asked for stands, whatever became of the card since.
    assert_eq!(tell(&site, card(&order), json!({"type": "installed", "eid": EID})).await, "recorded");
    assert_eq!(said(&ask("form 2", &to("bea@example.com")).send().await).as_deref(), Some("true"));
    ask("form 3", &to("bea@example.com")).send().await.problem(409, "other_device", None);
    drained(&site).await;
    assert_eq!(sent_to(&site, &order, "qr", 3).await.len(), 3);
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn a_mail_that_was_given_up_is_tried_again() {
    let site = Site::start().await;
    let mut throttled = by_balance(PLAN);
    throttled["subscriber"]["email"] = "throttle@simulator.test".into();
    let order = site.order(&throttled).await;
    let failed = eventually("the mails to be given up", async || {
        site.advance("PT61M").await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let failed = |order: &Value| {
            let mails = list(order, "emails");
            mails.iter().filter(|mail| mail["status"] == "failed").count() == 2
        };
        Some(site.read(&order).await).filter(failed)
    })
    .await;
    assert_eq!(attention(&failed), ["mail_failed"]);
    eventually("the managers' mail", async || site.mails(&order, "manager").await.first().cloned()).await;
    edit(&site, &order, json!({"email": "ana@example.com"})).await.expect(200);
    assert_eq!(site.mails(&order, "qr").await.len(), 0);
    let retried = managing(&site, &order, "retry", &json!({})).send().await.expect(200);
    assert_eq!(note(&retried, "retried"), "mail, mail");
    assert_eq!(sent_to(&site, &order, "qr", 1).await, ["ana@example.com"]);
    let order = site.settled(&order).await;
    assert_eq!(attention(&order), [] as [&str; 0]);
    not_possible(&managing(&site, &order, "retry", &json!({})).send().await, "nothing_to_retry");
    site.stop().await;
}

#[tokio::test]
async fn a_card_that_failed_is_tried_again_unless_its_money_is_on_its_way_back() {
    let site = Site::start().await;
    pause(&site, "settle-refund", true).await;
    operator(&site, "refuse", 1).await;
    let mut two = by_balance(PLAN);
    two["count"] = 2.into();
    let order = site.order(&two).await;
    let failed = site.until(&order, "failed", |order| events(order).contains(&"provisioning_failed")).await;
    let which = list(&failed, "cards").iter().position(|card| card["status"] == "failed").unwrap();
    let iccid = failed["cards"][which]["iccid"].as_str().unwrap().to_owned();
    assert_eq!((&failed["status"], sim(&site, &iccid).await.state), (&json!(7), SimState::SetAside));
    site.until(&order, "mailed", |order| list(order, "emails").iter().all(|mail| mail["status"] == "sent")).await;
    let retried = managing(&site, &order, "retry", &json!({})).send().await.expect(200);
    assert_eq!((note(&retried, "retried"), &retried["owed"]), ("card", &json!([])));
    assert_eq!(retried["refunds"][0]["status"], "withdrawn");
    let again = site.settled(&order).await;
    assert_eq!((&again["status"], &again["fulfilment"]), (&json!(0), &json!("completed")));
    assert!(list(&again, "cards").iter().all(|card| card["status"] == "ready" && card["code"].is_string()));
    assert_eq!(
        (sim(&site, &iccid).await.state, at_operator(&site, &iccid).await.0),
        (SimState::Active, vec![num(&order).to_owned()])
    );
    // The codes go out again, both of them.
    assert_eq!(sent_to(&site, &order, "qr", 2).await.len(), 2);
    pause(&site, "settle-refund", false).await;
    drained(&site).await;
    assert_eq!(site.read(&order).await["refunds"][0]["status"], "withdrawn", "nothing is given back for it");
    audit(&site).await;

    // Too late.
    operator(&site, "refuse", 1).await;
    let lost = site.order(&by_balance(PLAN)).await;
    let lost = paid_back(&site, &lost).await;
    assert_eq!((&lost["status"], attention(&lost)), (&json!(2), vec!["provisioning_failed"]));
    not_possible(&managing(&site, &lost, "retry", &json!({})).send().await, "nothing_to_retry");
    // What a top-up could not bring is ordered anew.
    let subscription = again["cards"][0]["subscriptionId"].as_str().unwrap();
    operator(&site, "refuse", 1).await;
    let top_up =
        changing(&site, subscription, "top-ups", &json!({"planId": PLAN, "payment": "balance"})).send().await.expect(201);
    let top_up = paid_back(&site, &top_up).await;
    not_possible(&managing(&site, &top_up, "retry", &json!({})).send().await, "nothing_to_retry");
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn a_refund_that_was_refused_and_a_request_that_was_put_off_are_tried_again() {
    let site = Site::start().await;
    let order = site.settled(&site.paid(&draft(PLAN)).await).await;
    site.local("stripe", json!({"mode": "refuse", "times": 1})).await;
    site.refunding(&order, None).send().await.expect(202);
    let failed = site.until(&order, "refused", |order| order["refunds"][0]["status"] == "failed").await;
    assert_eq!(attention(&failed), ["money_owed", "refund_failed"]);
    let retried = managing(&site, &order, "retry", &json!({})).send().await.expect(200);
    assert_eq!(note(&retried, "retried"), "refund");
    let back = site.until(&order, "paid back anew", |order| order["refunds"][1]["status"] == "succeeded").await;
    assert_eq!((&back["refunds"][0]["status"], &back["owed"], attention(&back)), (&json!("withdrawn"), &json!([]), vec![]));
    let report = site.get("/_local/stripe").send().await.expect(200);
    assert_eq!(list(&report, "refunds").iter().filter(|refund| refund["metadata"]["orderNum"] == order["orderNum"]).count(), 1);

    // A carrier that was out of order for long is asked at once.
    operator(&site, "fail", 4).await;
    let order = site.paid(&draft(PLAN)).await;
    eventually("several failures", async || {
        site.advance("PT3M").await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        (site.get("/_local/operator").send().await.expect(200)["mode"] == "ok").then_some(())
    })
    .await;
    let waiting = site.read(&order).await;
    assert_eq!(waiting["fulfilment"], "fulfilling");
    let retried = managing(&site, &order, "retry", &json!({})).send().await.expect(200);
    assert_eq!(note(&retried, "retried"), "request");
    assert_eq!(site.settled(&order).await["cards"][0]["status"], "ready");
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn notes_stand_on_the_order() {
    let site = Site::start().await;
    let order = site.order(&draft(PLAN)).await;
    managing(&site, &order, "notes", &json!({})).send().await.problem(400, "missing_field", Some("note"));
    managing(&site, &order, "notes", &json!({"note": "x".repeat(151)})).send().await.problem(400, "invalid_field", Some("note"));
    let first = managing(&site, &order, "notes", &json!({"note": "Called the subscriber"})).send().await.expect(200);
    assert_eq!(first["note"], "Called the subscriber");
    let again = managing(&site, &order, "notes", &json!({"note": "Called the subscriber"})).send().await.expect(200);
    assert_eq!(again["version"], first["version"]);
    let second = managing(&site, &order, "notes", &json!({"note": "Called again"})).send().await.expect(200);
    assert_eq!(second["note"], "Called again");
    let noted: Vec<&Value> =
        list(&second, "history").iter().filter(|entry| entry["event"] == "noted").map(|entry| &entry["note"]).collect();
    assert_eq!(noted, ["Called the subscriber", "Called again"]);
    // They are for the desk: the sale goes on as before.
    assert_eq!((site.available(POOL).await > 0, site.pay(&order).await), (true, "paid".to_owned()));
    assert_eq!(site.settled(&order).await["note"], "Called again");
    site.stop().await;
}
