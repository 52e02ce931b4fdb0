//! Plans, partners, keys, balances, and who changed what.

use crate::api;
use crate::driver::By;
use crate::shop::at_the_desk;
use serde_json::json;

#[test]
fn a_key_is_shown_once_rotated_and_ended() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        desk.open("/console/settings/partners/other-travel").await;
        browser.find("details.panel summary").await.click().await.unwrap();
        browser.fill("#new-key", "name", "shop backend").await;
        browser.press("#new-key button").await;
        let key = browser.find("#secret").await.text().await.unwrap();
        assert_eq!(desk.site.get("/v1/orders").by(api::By::Key(&key)).send().await.status, 200);
        browser.press("main a.button").await;
        browser.shows("shop backend").await;
        assert!(!browser.text().await.contains(&key), "it is shown once");
        let row = "//tr[contains(., 'shop backend')]//select";
        let select = browser.web.find(By::XPath(row)).await.unwrap();
        select.type_in("in 7 days").await.unwrap();
        let row = "//tr[contains(., 'shop backend')]//button";
        browser.web.find(By::XPath(row)).await.unwrap().click().await.unwrap();
        browser.shows("The key ends after the overlap.").await;
        browser.shows("Ending").await;
        // At once it ends by a second step only.
        let at_once = async || {
            let row = "//tr[contains(., 'shop backend')]//button";
            browser.web.find(By::XPath(row)).await.unwrap().click().await.unwrap();
            browser.shows("Nothing was done yet.").await;
            browser.shows("“shop backend”").await;
        };
        at_once().await;
        browser.press("#end-key a.button").await;
        assert_eq!(desk.site.get("/v1/orders").by(api::By::Key(&key)).send().await.status, 200);
        at_once().await;
        browser.picture("key-end-1280").await;
        browser.press("#end-key button").await;
        browser.shows("The key has ended.").await;
        desk.open("/console/settings/audit").await;
        browser.shows("other-travel").await;

        // One’s own is told from the others.
        desk.open("/console/settings/keys").await;
        assert_eq!(browser.text().await.matches("this session’s").count(), 1);
        browser.picture("keys-1280").await;
        let row = "//tr[contains(., 'this session’s')]//button";
        browser.web.find(By::XPath(row)).await.unwrap().click().await.unwrap();
        browser.shows("You are signed in with it. This session ends with it.").await;
        browser.press("#end-key a.button").await;
    });
}

#[test]
fn a_balance_is_credited_and_a_plan_changed() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        desk.open("/console/settings/partners/other-travel").await;
        browser.send("credit", &[("amount.amount", "12.345"), ("amount.currency", "EUR"), ("note", "invoice 7")]).await;
        browser.shows("“Amount” must be a number above 0, up to").await;
        // What would come of it is shown before it is done, whichever way the money goes.
        let balance = async || {
            let partner = desk.site.get("/v1/partners/other-travel").by(api::By::Manager).send().await.expect(200);
            let balances = partner["balances"].as_array().unwrap();
            balances.iter().find(|balance| balance["currency"] == "EUR").map_or(0, |balance| balance["amount"].as_i64().unwrap())
        };
        let before = balance().await;
        let now = |minor: i64| format!("{}.{:02} EUR", minor / 100, minor % 100);
        for (way, moved, said, done) in [
            ("credit", 25_000_i64, "250.00 EUR is put on the balance of", "250.00 EUR was put on the balance of"),
            ("take_back", -5_000, "50.00 EUR is taken back from the balance of", "50.00 EUR was taken back from the balance of"),
        ] {
            let (from, amount) = (balance().await, format!("{}.00", moved.abs() / 100));
            browser.send("credit", &[("way", way), ("amount.amount", &amount), ("note", "invoice 7")]).await;
            browser.shows(said).await;
            browser.shows(&format!("It is {} now, and {} then.", now(from), now(from + moved))).await;
            assert_eq!(balance().await, from, "nothing moved yet");
            browser.picture(&format!("partner-{way}-1280")).await;
            browser.press("#credit button").await;
            browser.shows(done).await;
            browser.shows(&format!("It is {} now.", now(from + moved))).await;
        }
        assert_eq!(balance().await, before + 20_000);
        browser.send("credit", &[("way", "take_back"), ("amount.amount", "9999999"), ("note", "too much")]).await;
        browser.shows("That is more than there is: the balance is").await;
        browser.shows("invoice 7").await;

        desk.open("/console/settings/plans/nordic-2gb-14d").await;
        browser.find("details.panel summary").await.click().await.unwrap();
        browser.fill("#plan", "price", "10.90").await;
        browser.press("#plan button").await;
        browser.shows("Version 2 is sold from now on.").await;
        browser.shows("10.90 EUR").await;
        assert!(browser.has("a[href='/console/inventory/meridian.7.esim']").await, "its stock is a step away");
        assert!(!browser.has(".alerts").await, "it is in stock");
        browser.find("details.panel summary").await.click().await.unwrap();
        browser.find("#plan input[name=withdrawn]").await.click().await.unwrap();
        browser.press("#plan button").await;
        browser.shows("Version 3 withdraws it: it is not sold any more.").await;
        browser.picture("plan-withdrawn-1280").await;
        desk.open("/console/settings/audit").await;
        browser.shows("Plan withdrawn").await;
        desk.open("/console/orders/new").await;
        assert!(
            !browser.has("option[value=nordic-2gb-14d]").await && browser.has("option[value=eu-5gb-30d]").await,
            "it is not offered"
        );
        desk.open("/console/settings/plans/nordic-2gb-14d?version=1").await;
        browser.shows("9.90 EUR").await;
        // An id that is taken is refused where it was typed.
        desk.open("/console/settings/plans/new").await;
        for (name, value) in [
            ("planId", "nordic-2gb-14d"),
            ("display", "Nordic again"),
            ("price", "9.90"),
            ("days", "14"),
            ("apn", "internet"),
            ("countries", "SE"),
            ("profiles", "meridian 7 1.00"),
        ] {
            browser.fill("#plan", name, value).await;
        }
        browser.press("#plan button[type=submit]").await;
        browser.shows("There is a plan with this id already.").await;
        assert_eq!(browser.focus().await.0, "planId");
        // Of what nobody could be given, the page says so.
        for (name, value) in [("planId", "nordic-new"), ("profiles", "meridian nordic1 1.00\nmeridian nordic2 1.10")] {
            browser.fill("#plan", name, value).await;
        }
        browser.press("#plan button[type=submit]").await;
        browser.shows("Version 1 is sold from now on.").await;
        browser.shows("eSIM: none in stock on any of its profiles. Import cards").await;
        browser.shows("none came in yet").await;
        browser.picture("plan-without-stock-1280").await;
        desk.open("/console/settings/partners").await;
        browser.find("details.panel summary").await.click().await.unwrap();
        browser.fill("#new-partner", "partnerId", "new-travel").await;
        browser.fill("#new-partner", "display", "New Travel").await;
        browser.press("#new-partner button").await;
        browser.shows("The partner was made.").await;
    });
}

#[test]
fn a_card_is_labelled_set_aside_and_restored() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        desk.open("/console/sims?poolId=sandbox.1.physical&status=blank").await;
        browser.press("tbody a").await;
        let card = browser.find("h1").await.text().await.unwrap();
        browser.send("edit", &[("note", "scratched"), ("labels", "shelf 3, check")]).await;
        browser.shows("Saved.").await;
        desk.open(&format!("/console/find?q={card}")).await;
        assert!(browser.url().await.ends_with(&format!("/console/sims/{card}")), "no order has it");
        desk.open("/console/sims?label=check").await;
        browser.shows("scratched").await;
        desk.open(&format!("/console/sims/{card}")).await;
        browser.shows("No manager archived the card").await;
        browser.send("archive", &[]).await;
        browser.shows("The card was set aside.").await;
        browser.send("restore", &[]).await;
        browser.shows("The card was restored: it goes back on sale.").await;
        desk.open("/console/inventory/sandbox.1.physical").await;
        browser.send("alarm", &[("alarmLevel", "50")]).await;
        browser.shows("Saved.").await;
        browser.shows("Low").await;
    });
}

#[test]
fn a_page_of_a_partner_with_many_keys_stays_small() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let manager = |path: &str, body: serde_json::Value| desk.site.post(path).by(api::By::Manager).json(&body);
        let partner = json!({"partnerId": "many-keys", "display": "Many Keys"});
        manager("/v1/partners", partner).send().await.expect(201);
        for number in 0..130 {
            let body =
                json!({"role": "partner", "partnerId": "many-keys", "name": format!("a rather long name of till {number}")});
            let key = manager("/v1/keys", body).send().await.expect(201);
            if number > 3 {
                let path = format!("/v1/keys/{}/revocation", key["keyId"].as_str().unwrap());
                manager(&path, json!({})).send().await.expect(200);
            }
        }
        let home = "/console/settings/partners/many-keys";
        let page = desk.fetch(home, "").await;
        assert!(page.status == 200 && page.body.len() < 100 * 1024, "{} bytes", page.body.len());
        desk.open(home).await;
        // Those that are good stand first.
        let rows = browser.find("[aria-labelledby=keys] tbody").await.text().await.unwrap();
        for (place, row) in rows.lines().filter(|line| line.contains("long name")).take(5).enumerate() {
            assert_eq!(row.contains("Good"), place < 4, "{row}");
        }
        browser.picture("partner-keys-1280").await;
        for _ in 0..6 {
            browser.press("nav.pager a[href*='keys=']:last-child").await;
        }
        browser.shows("First keys").await;
        assert!(!browser.text().await.contains("More keys"), "the last page");
    });
}
