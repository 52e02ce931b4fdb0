//! Orders: from the form that creates one to its refund.

use crate::api::{By, num};
use crate::shop::{Desk, at_the_desk, by_post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

/// What the QR code in a picture says.
fn qr_code(picture: &str) -> String {
    let file = STANDARD.decode(picture).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut bytes).unwrap();
    let samples = frame.color_type.samples();
    let (width, height) = (frame.width as usize, frame.height as usize);
    let red = |x: usize, y: usize| bytes[y * frame.line_size + x * samples];
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, red);
    image.detect_grids()[0].decode().unwrap().1
}

impl Desk {
    /// Opens an order's page.
    pub async fn open_order(&self, num: &str) {
        self.open(&format!("/console/orders/{num}")).await;
    }
}

#[test]
fn an_order_is_created_shipped_and_noted() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        desk.open("/console/orders/new").await;
        browser.fill("#create", "planId", "world-2gb-30d").await;
        browser.fill("#create", "formFactor", "physical").await;
        browser.fill("#create", "subscriber.email", "post@example.com").await;
        browser.fill("#create", "subscriber.name", "Pia Post").await;
        browser.fill("#create", "partnerId", "demo-travel").await;
        browser.press("#create button[type=submit]").await;
        browser.shows("“Postal address” is required.").await;
        assert_eq!(browser.find("[name='subscriber.email']").await.value().await.unwrap(), "post@example.com");
        browser.fill("#create", "subscriber.postalAddress.lines", "Calle Mayor 1").await;
        browser.fill("#create", "subscriber.postalAddress.city", "Madrid").await;
        browser.fill("#create", "subscriber.postalAddress.country", "es").await;
        browser.press("#create button[type=submit]").await;
        browser.shows("The order was made and paid.").await;
        browser.shows("Calle Mayor 1").await;
        let order = browser.find("h1").await.text().await.unwrap();
        let order = json!({ "orderNum": order });
        desk.site.until(&order, "waiting to be sent", |order| order["needsAttention"][0]["code"] == "to_ship").await;
        desk.open_order(num(&order)).await;
        browser.send("ship", &[("carrier", "DHL"), ("number", "00340434161094042557")]).await;
        browser.shows("00340434161094042557").await;
        browser.send("note", &[("note", "called, all is well")]).await;
        browser.shows("called, all is well").await;
        let order = desk.site.get(format!("/v1/orders/{}", num(&order))).by(By::Manager).send().await.expect(200);
        assert_eq!(order["shipment"]["carrier"], "DHL");
        let timeline = browser.find("ol.timeline").await.text().await.unwrap();
        assert_eq!(timeline.matches("manager local-manager").count(), 3, "{timeline}");
        // The number was another one.
        desk.site.settled(&order).await;
        desk.open_order(num(&order)).await;
        browser.send("correct_shipment", &[("number", "00340434161094042564")]).await;
        browser.shows("00340434161094042564, was DHL 00340434161094042557").await;
    });
}

#[test]
fn cards_are_refunded_and_what_cannot_be_says_why() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let mut draft = by_post();
        (draft["planId"], draft["formFactor"], draft["count"]) = ("eu-5gb-30d".into(), "esim".into(), 2.into());
        let order = desk.site.order(&draft).await;
        let order = desk.site.settled(&order).await;
        desk.open_order(num(&order)).await;
        assert!(browser.find(".acts .off").await.text().await.unwrap().contains("Ship"));
        browser.unfold("refund").await;
        browser.fill("#refund", "reason", "the journey is off").await;
        browser.press("#refund button[type=submit]").await;
        browser.shows("Tick the cards that are to be refunded.").await;
        let first = order["cards"][0]["iccid"].as_str().unwrap();
        browser.find(&format!("#refund [value='{first}']")).await.click().await.unwrap();
        browser.press("#refund button[type=submit]").await;
        browser.shows("The cards are being revoked").await;
        desk.site.until(&order, "refunded", |order| order["status"] == 4).await;
        // The page notices by itself.
        browser.shows("Partial unsubscribed").await;
        browser.shows("Succeeded").await;
    });
}

#[test]
fn money_that_was_given_back_by_hand_is_noted() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        desk.site.local("stripe", json!({"mode": "refuse", "times": 1})).await;
        let order = desk.site.settled(&desk.site.paid(&crate::api::draft("eu-5gb-30d")).await).await;
        desk.site.refunding(&order, None).send().await.expect(202);
        let refused = |order: &serde_json::Value| order["refunds"][0]["status"] == "failed";
        let order = desk.site.until(&order, "refused", refused).await;
        desk.site.settled(&order).await;
        desk.open_order(num(&order)).await;
        browser.send("settle_refund", &[("reference", "SEPA 4711")]).await;
        browser.shows("The refund counts as given back.").await;
        browser.shows("14.50 EUR, by hand: SEPA 4711").await;
        let order = desk.site.get(format!("/v1/orders/{}", num(&order))).by(By::Manager).send().await.expect(200);
        assert_eq!((&order["refunds"][0]["status"], &order["owed"]), (&json!("succeeded"), &json!([])));
        let settled = desk.actions().await.into_iter().find(|(name, _)| name == "Money was given back by hand").unwrap();
        assert!(settled.1.is_some_and(|reason| reason.starts_with("There is no such refund that")));
    });
}

#[test]
fn a_dispute_is_said_where_money_goes_back_and_a_note_that_ends_it_says_so() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let order = desk.site.settled(&desk.site.paid(&crate::api::draft("eu-5gb-30d")).await).await;
        let dispute = json!({
            "id": "dp_1", "object": "dispute", "amount": 1450, "currency": "eur", "reason": "fraudulent", "metadata": {},
            "payment_intent": order["payments"][0]["paymentId"],
        });
        let event =
            json!({"id": "evt_dispute", "object": "event", "type": "charge.dispute.created", "data": {"object": dispute}});
        assert_eq!(desk.site.stripe(&event).await, "recorded");
        desk.open_order(num(&order)).await;
        browser.unfold("refund").await;
        browser.shows("their bank may take the money back as well").await;
        browser.unfold("note").await;
        browser.shows("waits for nobody any more because of: Disputed.").await;
        browser.send("note", &[("note", "sent the papers")]).await;
        browser.shows("The note was kept.").await;
        browser.unfold("note").await;
        assert!(!browser.text().await.contains("waits for nobody any more"));
    });
}

#[test]
fn codes_are_shown_on_demand_and_mailed_again() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let mut draft = by_post();
        (draft["planId"], draft["formFactor"], draft["sendEmail"]) = ("eu-5gb-30d".into(), "esim".into(), false.into());
        let order = desk.site.order(&draft).await;
        let order = desk.site.until(&order, "completed", |order| order["fulfilment"] == "completed").await;
        desk.open_order(num(&order)).await;
        assert!(!browser.text().await.contains("LPA:1$"));
        browser.find("#cards form button").await.click().await.unwrap();
        browser.shows("LPA:1$").await;
        let code = browser.find("#cards code.lpa").await.text().await.unwrap();
        assert_eq!(qr_code(&browser.find("#cards img").await.picture().await.unwrap()), code);
        desk.open_order(num(&order)).await;
        assert!(!browser.text().await.contains("LPA:1$"));
        browser.send("resend_qr", &[("to", "other@example.com")]).await;
        browser.shows("The mail is on its way.").await;
        let mails = async || (desk.site.mails(&order, "qr").await.len() == 1).then_some(());
        crate::api::eventually("the mail", mails).await;
        browser.unfold("renew").await;
        browser.shows("version 1, costs 14.50 EUR.").await;
        browser.send("renew", &[("payment", "balance")]).await;
        browser.shows("Renewal").await;
        let renewed = desk.site.until(&order, "renewed", |order| order["renewOrderNum"] != serde_json::json!([])).await;
        assert_eq!(renewed["renewOrderNum"].as_array().unwrap().len(), 1);
    });
}

/// What a manager may want to do with an order.
const ACTIONS: [&str; 9] = [
    "Refund cards",
    "Ship",
    "Edit the recipient",
    "Send the QR code again",
    "Try again",
    "Renew",
    "Top up",
    "Swap the SIM",
    "Write a note",
];

impl Desk {
    /// The actions of the order's page that is open, in their sequence: what each is called, and why it cannot be done, if so.
    pub async fn actions(&self) -> Vec<(String, Option<String>)> {
        let script = "return [...document.querySelectorAll('.acts > .act')].map(act => [
            act.querySelector('summary, a, span').textContent, act.matches('.off') ? act.querySelector('.hint').textContent : null])";
        serde_json::from_value(self.browser.web.execute(script).await.unwrap()).unwrap()
    }
}

#[test]
fn every_order_tells_what_can_be_done_with_it_and_why_not() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let mut draft = crate::api::draft("eu-5gb-30d");
        let unpaid = desk.site.order(&draft).await;
        (draft["planId"], draft["payment"]) = ("japan-1gb-8d".into(), "balance".into());
        let void = desk.site.order(&draft).await;
        assert_eq!(void["voidReason"], "insufficient_balance");
        let (works, line) = desk.line("actions@example.com").await;
        let post = desk.site.order(&by_post()).await;
        let post = desk.site.until(&post, "ready", |order| order["cards"][0]["status"] == "ready").await;
        let open: [(&serde_json::Value, &[&str]); 4] = [
            (&unpaid, &["Edit the recipient", "Write a note"]),
            (&void, &["Write a note"]),
            (
                &works,
                &[
                    "Refund cards",
                    "Edit the recipient",
                    "Send the QR code again",
                    "Renew",
                    "Top up",
                    "Swap the SIM",
                    "Write a note",
                ],
            ),
            (&post, &["Refund cards", "Ship", "Edit the recipient", "Renew", "Top up", "Swap the SIM", "Write a note"]),
        ];
        for (order, open) in open {
            desk.open_order(num(order)).await;
            let actions = desk.actions().await;
            for name in ACTIONS {
                let (_, reason) = actions.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}"));
                assert_eq!(reason.is_none(), open.contains(&name), "{name} of {}: {reason:?}", num(order));
                assert!(reason.as_ref().is_none_or(|reason| reason.len() > 10), "{name}: {reason:?}");
            }
        }
        desk.open_order(num(&unpaid)).await;
        browser.shows("The order is not paid, so that it has no cards yet.").await;
        desk.open_order(num(&void)).await;
        browser.shows("The order is void: no cards were sold with it.").await;
        browser.picture("order-void-1280").await;

        // What is done on the line is unfolded there.
        desk.open_order(num(&works)).await;
        browser.shows("5 GB, 30 days").await;
        browser.shows("0 MB of 5 GB").await;
        browser.press(".act a[href$='#swap']").await;
        assert!(browser.url().await.contains(&line));
        assert!(browser.has("details[open] #swap").await, "the form is folded");

        // Of several lines those are named with which it can be done.
        let mut two = by_post();
        (two["planId"], two["formFactor"], two["count"]) = ("sandbox-5gb-30d".into(), "esim".into(), 2.into());
        let two = desk.site.settled(&desk.site.order(&two).await).await;
        let [first, second] = [0, 1].map(|card| two["cards"][card]["subscriptionId"].as_str().unwrap());
        desk.site.changing(first, "sim-swap", &json!({"payment": "balance"})).by(By::Manager).send().await.expect(201);
        desk.open_order(num(&two)).await;
        for (line, listed) in [(first, false), (second, true)] {
            assert_eq!(browser.has(&format!(".act a[href='/console/lines/{line}#add-plan']")).await, listed);
        }
    });
}

#[test]
fn a_refund_says_beforehand_what_else_ends_with_it() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let (order, line) = desk.line("together@example.com").await;
        desk.open_order(num(&order)).await;
        // The box of the only card is ticked, and may be unticked.
        browser.unfold("refund").await;
        browser.find("#refund [name=iccids]").await.click().await.unwrap();
        browser.send("refund", &[("reason", "the journey is off")]).await;
        browser.shows("Tick the cards that are to be refunded.").await;
        browser.send("renew", &[("payment", "balance")]).await;
        let renewal = json!({ "orderNum": browser.find("h1").await.text().await.unwrap() });
        desk.site.settled(&renewal).await;
        desk.open_order(num(&renewal)).await;
        browser.shows(&format!("Renewal\nof order {}", num(&order))).await;
        browser.shows(&format!("This order brought no card. The QR code goes with the order that did: {}", num(&order))).await;
        desk.open(&format!("/console/lines/{line}")).await;
        browser.shows("It is not suspended.").await;
        browser.send("add-plan", &[("planId", "sandbox-1gb-7d")]).await;
        let top_up = json!({ "orderNum": browser.find("h1").await.text().await.unwrap() });
        desk.site.settled(&top_up).await;
        desk.open_order(num(&order)).await;
        browser.send("refund", &[("reason", "the journey is off")]).await;
        browser.shows("Nothing was done yet.").await;
        let said = browser.find("#refund .beside").await.text().await.unwrap();
        let price = async |order: &serde_json::Value| desk.site.read(order).await["price"]["amount"].as_i64().unwrap();
        let sum = price(&order).await + price(&renewal).await + price(&top_up).await;
        for part in [num(&renewal), num(&top_up), &format!("In all {}.{:02} EUR goes back.", sum / 100, sum % 100)] {
            assert!(said.contains(part), "{part}: {said}");
        }
        browser.picture("refund-with-its-line-1280").await;
        assert_eq!(desk.site.read(&order).await["status"], 0, "nothing was done");
        browser.press("#refund button[type=submit]").await;
        browser.shows("With the line 2 orders end, too:").await;
        browser.shows(&format!("In all {}.{:02} EUR goes back.", sum / 100, sum % 100)).await;
        let mut back = 0;
        for order in [&order, &renewal, &top_up] {
            let order = desk.site.until(order, "cancelled", |order| order["status"] == 2).await;
            back += order["refunds"]
                .as_array()
                .unwrap()
                .iter()
                .map(|refund| refund["amount"]["amount"].as_i64().unwrap())
                .sum::<i64>();
        }
        assert_eq!(back, sum, "as it was said");
    });
}
