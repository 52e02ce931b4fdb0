//! Orders: from the form that creates one to its refund.

use crate::api::{By, num};
use crate::shop::{Desk, at_the_desk, by_post};
use serde_json::json;

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
        browser.shows("subscriber.postalAddress").await;
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
        assert!(browser.has("#cards img[src^='data:image/png']").await);
        desk.open_order(num(&order)).await;
        assert!(!browser.text().await.contains("LPA:1$"));
        browser.send("resend_qr", &[("to", "other@example.com")]).await;
        browser.shows("The mail is on its way.").await;
        let mails = async || (desk.site.mails(&order, "qr").await.len() == 1).then_some(());
        crate::api::eventually("the mail", mails).await;
        browser.send("renew", &[("payment", "balance")]).await;
        browser.shows("Renewal").await;
        let renewed = desk.site.until(&order, "renewed", |order| order["renewOrderNum"] != serde_json::json!([])).await;
        assert_eq!(renewed["renewOrderNum"].as_array().unwrap().len(), 1);
    });
}
