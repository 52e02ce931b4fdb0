//! What a form comes back as: to be confirmed, refused, or done already.

use crate::api::{By, Site, csv, num};
use crate::browser::{Browser, is_here};
use crate::shop::{Desk, apart, at_the_desk};
use serde_json::json;

impl Desk {
    /// The page's form, as it would be sent once more.
    async fn fields(&self, form: &str) -> String {
        let script = format!("return new URLSearchParams(new FormData(document.querySelector('#{form}'))).toString()");
        self.browser.web.execute(&script).await.unwrap().as_str().unwrap().to_owned()
    }
}

#[test]
fn what_is_to_be_confirmed_is_in_sight() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        browser.width(390).await;
        let partner = json!({"partnerId": "sight", "display": "Sight"});
        desk.site.post("/v1/partners").by(By::Manager).json(&partner).send().await.expect(201);
        desk.open("/console/settings/partners/sight").await;
        let values = [("amount.amount", "5.00"), ("amount.currency", "EUR"), ("note", "invoice")];
        browser.send("credit", &values).await;
        let (focus, top) = browser.focus().await;
        assert!(focus == "beside" && (0.0..600.0).contains(&top), "{focus} at {top}");
        browser.picture("partner-credit-preview-390").await;
        // What is too long is refused before it is shown.
        desk.open("/console/settings/partners/sight").await;
        browser.send("credit", &[("amount.amount", "5"), ("note", &"x".repeat(201))]).await;
        browser.shows("“Note” must have 1 to 200 characters.").await;
        desk.open("/console/settings/partners/sight").await;
        browser.send("credit", &values).await;
        browser.press("#credit button").await;
        browser.shows("It is 5.00 EUR now.").await;
        assert!((0.0..300.0).contains(&browser.top(".flash").await), "what is said is in sight, too");

        // The whole balance taken back, by a form that is sent twice, was taken back.
        browser.send("credit", &[("way", "take_back"), ("amount.amount", "5"), ("note", "wrong")]).await;
        let again = desk.fields("credit").await + "&step=book";
        browser.press("#credit button").await;
        browser.shows("It is 0.00 EUR now.").await;
        let cookie = browser.web.cookie("simdock-session").await.unwrap();
        let call = desk.site.post("/console/settings/partners/sight/credit").header("origin", desk.site.stack.base_url());
        let call = call.header("cookie", format!("simdock-session={}", cookie["value"].as_str().unwrap()));
        let answer = call.body("application/x-www-form-urlencoded", again).send().await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/console/settings/partners/sight#main")));
        browser.width(1280).await;
    });
}

#[test]
fn a_refund_that_was_asked_for_is_not_offered_again() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let more = desk.site.post("/v1/inventory/imports?operator=sandbox&imsiProfile=1").by(By::Manager).csv(csv(1300, 10));
        assert!(more.send().await.status < 300);
        let (order, line) = desk.line("twice@example.com").await;
        let top_up = json!({"planId": "sandbox-5gb-30d", "payment": "balance", "channel": "admin"});
        let call = desk
            .site
            .post(format!("/v1/subscriptions/{line}/top-ups"))
            .by(By::Manager)
            .header("idempotency-key", "twice-top-up")
            .json(&top_up);
        assert!(call.send().await.status < 300);
        browser.width(390).await;
        desk.open_order(num(&order)).await;
        browser.send("refund", &[("reason", &"x".repeat(201))]).await;
        browser.shows("“Reason” must have 1 to 200 characters.").await;
        desk.open_order(num(&order)).await;
        browser.send("refund", &[("reason", "sent twice")]).await;
        browser.shows("Nothing was done yet.").await;
        let (focus, top) = browser.focus().await;
        assert!(focus == "beside" && (0.0..600.0).contains(&top), "{focus} at {top}");
        browser.picture("refund-preview-390").await;
        let again = desk.fields("refund").await;
        browser.press("#refund button").await;
        browser.shows("The cards are being revoked").await;
        browser.width(1280).await;
        let cookie = browser.web.cookie("simdock-session").await.unwrap();
        let call = desk.site.post(format!("/console/orders/{}/refund", num(&order))).header("origin", desk.site.stack.base_url());
        let call = call.header("cookie", format!("simdock-session={}", cookie["value"].as_str().unwrap()));
        let answer = call.body("application/x-www-form-urlencoded", again).send().await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        desk.open_order(num(&order)).await;
        assert!(!browser.text().await.contains("Nothing was done yet."));
    });
}

#[test]
fn a_wrong_address_of_a_swap_is_in_sight() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let (_, line) = desk.line("swap-to@example.com").await;
        desk.open(&format!("/console/lines/{line}")).await;
        browser.unfold("swap").await;
        browser.fill("#swap", "formFactor", "physical").await;
        browser.find("#swap details:not([open]) summary").await.click().await.unwrap();
        browser.send("swap", &[("postalAddress.country", "Spain")]).await;
        assert_eq!(browser.focus().await.0, "postalAddress.country");
        browser.picture("swap-address-1280").await;
    });
}

#[test]
fn without_a_script_the_browser_goes_to_what_was_refused() {
    if !is_here() {
        return;
    }
    apart(async || {
        let (site, browser) = tokio::join!(Site::start(), Browser::start(false));
        let base = site.stack.base_url().to_owned();
        browser.width(390).await;
        browser.open(&format!("{base}/console/settings/partners/demo-travel")).await;
        browser.fill("form", "key", &site.stack.keys().manager_key).await;
        browser.press("form button").await;
        for (amount, box_of) in [("x", ".refused"), ("5.00", ".beside")] {
            browser.send("credit", &[("amount.amount", amount), ("amount.currency", "EUR"), ("note", "invoice")]).await;
            let top = browser.top(box_of).await;
            assert!((0.0..600.0).contains(&top), "{box_of} at {top}");
        }
        browser.press("#credit button").await;
        let top = browser.top(".flash").await;
        assert!((0.0..300.0).contains(&top), "{top}");
        browser.stop().await;
        site.stop().await;
    });
}
