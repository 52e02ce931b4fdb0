//! Subscribers and their lines.

use crate::api::{By, csv, num};
use crate::shop::{Desk, at_the_desk, by_post};
use hyper::Method;
use serde_json::{Value, json};

impl Desk {
    /// A delivered eSIM of the sandbox operator, and its line.
    pub async fn line(&self, email: &str) -> (Value, String) {
        let mut draft = by_post();
        (draft["planId"], draft["formFactor"]) = ("sandbox-5gb-30d".into(), "esim".into());
        draft["subscriber"]["email"] = email.into();
        let order = self.site.settled(&self.site.order(&draft).await).await;
        let line = order["cards"][0]["subscriptionId"].as_str().unwrap().to_owned();
        (order, line)
    }
}

#[test]
fn a_line_is_added_and_the_system_says_which_card_it_picked() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let (_, _) = desk.line("lena@example.com").await;
        desk.open("/console/subscribers?email=lena%40example.com").await;
        browser.shows("Sandbox 5 GB").await;
        browser.press(".head a.button").await;
        let values = [("planId", "asia-3gb-30d"), ("lineName", "Japan")];
        browser.send("add-line", &values).await;
        browser.shows("The system picked card").await;
        browser.shows("IMSI profile 10").await;
        let order = json!({"orderNum": browser.url().await.rsplit('/').next().unwrap()});
        desk.site.settled(&order).await;
        desk.open("/console/subscribers?email=lena%40example.com").await;
        browser.shows("Japan").await;

        // Paid by card it is picked later, and the page says which it will be, and then which it was.
        browser.press(".head a.button").await;
        browser.send("add-line", &[("planId", "eu-5gb-30d"), ("lineName", "Europe"), ("payment", "card")]).await;
        browser.shows("Once it is paid, the system picks a card of meridian, IMSI profile 7, or of the next").await;
        browser.shows("if sold out, meridian 2").await;
        browser.picture("order-unpaid-1280").await;
        let order = json!({"orderNum": browser.url().await.rsplit('/').next().unwrap()});
        desk.site.pay(&desk.site.read(&order).await).await;
        let order = desk.site.settled(&order).await;
        desk.open_order(num(&order)).await;
        let cards = browser.find("#cards").await.text().await.unwrap();
        assert!(cards.contains("IMSI profile\nmeridian 7"), "{cards}");
    });
}

#[test]
fn a_plan_that_does_not_fit_leads_to_a_new_line() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let (_, line) = desk.line("mia@example.com").await;
        desk.open(&format!("/console/lines/{line}")).await;
        browser.unfold("add-plan").await;
        assert!(!browser.has("#add-plan option[value='asia-3gb-30d']").await, "only what fits is offered");
        browser.send("add-plan", &[("planId", "sandbox-1gb-7d")]).await;
        browser.shows("The top-up was made and paid.").await;
        // A plan that no longer fits, as by the time the form is sent.
        desk.open(&format!("/console/lines/{line}")).await;
        browser.unfold("add-plan").await;
        let other = "document.querySelector('#add-plan option').value = 'asia-3gb-30d'";
        browser.web.execute(other).await.unwrap();
        browser.press("#add-plan button[type=submit]").await;
        browser.shows("does not run on this card").await;
        browser.press("#add-plan a.button").await;
        browser.shows("Add line").await;
        assert_eq!(browser.find("[name='subscriber.email']").await.value().await.unwrap(), "mia@example.com");
        assert_eq!(browser.find("[name=planId]").await.value().await.unwrap(), "asia-3gb-30d");
    });
}

#[test]
fn add_ons_cost_what_they_did_when_the_plan_was_sold() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let put = async |based_on: u32, price: i64| {
            let plan = json!({
                "basedOn": based_on, "display": "With more", "price": {"amount": 700, "currency": "EUR"}, "dataMb": 1024, "days": 7,
                "flowType": 0, "countries": ["ES"], "refundPolicy": {"kind": "none"}, "formFactors": ["esim"], "apn": "internet",
                "profiles": [{"operator": "meridian", "imsiProfile": "7", "cost": 1}],
                "addOns": [{"addOnId": "more", "display": "1 GB more", "kind": "data", "amount": 1024,
                    "price": {"amount": price, "currency": "EUR"}}],
            });
            let put = desk.site.call(Method::PUT, "/v1/plans/with-more").by(By::Manager).json(&plan);
            put.send().await.expect(201);
        };
        put(0, 300).await;
        let mut draft = crate::api::draft("with-more");
        draft["payment"] = "balance".into();
        let order = desk.site.settled(&desk.site.order(&draft).await).await;
        put(1, 900).await;
        desk.site.advance("PT61S").await;
        desk.open(&format!("/console/lines/{}", order["cards"][0]["subscriptionId"].as_str().unwrap())).await;
        browser.unfold("add-ons").await;
        browser.shows("1 GB more · 3.00 EUR").await;
        browser.find("#add-ons [value=more]").await.click().await.unwrap();
        browser.press("#add-ons button[type=submit]").await;
        browser.shows("The top-up was made and paid.").await;
        browser.shows("3.00 EUR").await;
    });
}

#[test]
fn a_card_is_swapped_suspended_and_resumed() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let (order, line) = desk.line("nora@example.com").await;
        desk.open(&format!("/console/lines/{line}")).await;
        browser.send("suspend", &[]).await;
        browser.shows("The card is being suspended.").await;
        let suspended = async || (desk.site.subscription(&line).await["status"] == "suspended").then_some(());
        crate::api::eventually("the suspension", suspended).await;
        desk.open(&format!("/console/lines/{line}")).await;
        // Who had it suspended stands beside it.
        let timeline = browser.find("ol.timeline").await.text().await.unwrap();
        assert!(timeline.contains("Suspension requested") && timeline.contains("manager local-manager"), "{timeline}");
        browser.send("resume", &[]).await;
        let resumed = async || (desk.site.subscription(&line).await["status"] == "active").then_some(());
        crate::api::eventually("the resumption", resumed).await;
        desk.open(&format!("/console/lines/{line}")).await;
        browser.unfold("swap").await;
        browser.shows("It costs 2.50 EUR.").await;
        browser.send("swap", &[]).await;
        browser.shows("SIM swap").await;
        let swap = json!({"orderNum": browser.url().await.rsplit('/').next().unwrap()});
        desk.site.settled(&swap).await;
        desk.open(&format!("/console/lines/{line}")).await;
        browser.shows("Under way").await;
        let seen = desk.site.get(format!("/v1/orders/{}", num(&order))).by(By::Manager).send().await.expect(200);
        assert_eq!(seen["status"], 0);

        // Nobody can be asked about a card that works as it comes, and the page says so.
        let mut draft = crate::api::draft("eu-5gb-30d");
        draft["payment"] = "balance".into();
        let preloaded = desk.site.settled(&desk.site.order(&draft).await).await;
        for page in ["lines", "sims"] {
            let id = if page == "lines" { "subscriptionId" } else { "iccid" };
            desk.open(&format!("/console/{page}/{}", preloaded["cards"][0][id].as_str().unwrap())).await;
            browser.shows("so that nobody can suspend it").await;
        }
    });
}

#[test]
fn a_line_is_cancelled_once_it_was_seen_what_goes_back() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let more = desk.site.post("/v1/inventory/imports?operator=sandbox&imsiProfile=1").by(By::Manager).csv(csv(1400, 1));
        assert!(more.send().await.status < 300);
        let (order, line) = desk.line("cancel@example.com").await;
        desk.open_order(num(&order)).await;
        browser.send("renew", &[("payment", "balance")]).await;
        let renewal = json!({ "orderNum": browser.find("h1").await.text().await.unwrap() });
        desk.site.settled(&renewal).await;
        desk.open(&format!("/console/lines/{line}")).await;
        let orders = browser.find("[aria-labelledby=chain] tbody").await.text().await.unwrap();
        for part in ["New line", "Renewal", "Normal", "2026"] {
            assert!(orders.contains(part), "{part}: {orders}");
        }
        browser.picture("line-orders-1280").await;
        browser.send("cancel", &[]).await;
        browser.shows("Nothing was done yet. The line ends, and its card").await;
        let said = browser.find("#cancel .beside").await.text().await.unwrap();
        let [first, second] =
            [&order, &renewal].map(async |order| desk.site.read(order).await["price"]["amount"].as_i64().unwrap());
        let sum = first.await + second.await;
        for part in [num(&order), num(&renewal), &format!("In all {}.{:02} EUR goes back.", sum / 100, sum % 100)] {
            assert!(said.contains(part), "{part}: {said}");
        }
        browser.picture("line-cancel-1280").await;
        assert_eq!(desk.site.subscription(&line).await["status"], "active", "nothing was done");
        browser.press("#cancel button[type=submit]").await;
        browser.shows("The line is being cancelled; what can be refunded is.").await;
        let mut back = 0;
        for order in [&order, &renewal] {
            let order = desk.site.until(order, "cancelled", |order| order["status"] == 2).await;
            back += order["refunds"][0]["amount"]["amount"].as_i64().unwrap();
        }
        assert_eq!(back, sum, "as it was said");
    });
}

#[test]
fn what_a_refund_would_take_back_is_not_offered_meanwhile() {
    at_the_desk(async |desk| {
        let mut draft = crate::api::draft("eu-5gb-30d");
        draft["payment"] = "balance".into();
        let order = desk.site.settled(&desk.site.order(&draft).await).await;
        let line = order["cards"][0]["subscriptionId"].as_str().unwrap();
        desk.site.local("pause", json!({"source": "provision", "paused": true})).await;
        desk.site.refunding(&order, None).send().await.expect(202);
        let why = "The line is being cancelled and paid back.";
        desk.open_order(num(&order)).await;
        let told = |actions: Vec<(String, Option<String>)>, names: &[&str]| {
            for name in names {
                let action = actions.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("{name}: {actions:?}"));
                assert_eq!(action.1.as_deref(), Some(why), "{name}");
            }
        };
        told(desk.actions().await, &["Renew", "Top up", "Swap the SIM"]);
        desk.open(&format!("/console/lines/{line}")).await;
        told(desk.actions().await, &["Add plan", "Swap the SIM"]);
        desk.site.local("pause", json!({"source": "provision", "paused": false})).await;
    });
}

#[test]
fn only_plans_that_the_partner_can_order_are_offered() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        for (id, changes) in [
            ("not-theirs", json!({"partners": ["other-travel"]})),
            ("in-dollars", json!({"price": {"amount": 700, "currency": "USD"}})),
            ("other-operator", json!({"profiles": [{"operator": "meridian", "imsiProfile": "1", "cost": 1}]})),
        ] {
            let mut plan = json!({
                "basedOn": 0, "display": id, "price": {"amount": 700, "currency": "EUR"}, "days": 7, "flowType": 0, "countries": ["ES"],
                "refundPolicy": {"kind": "none"}, "formFactors": ["esim"], "apn": "internet",
                "profiles": [{"operator": "sandbox", "imsiProfile": "1", "cost": 1}],
            });
            plan.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            let put = desk.site.call(Method::PUT, format!("/v1/plans/{id}")).by(By::Manager).json(&plan);
            put.send().await.expect(201);
        }
        let offered = async |form: &str, plan: &str| browser.has(&format!("#{form} option[value='{plan}']")).await;
        let (_, line) = desk.line("offer@example.com").await;
        desk.open(&format!("/console/lines/{line}")).await;
        browser.unfold("add-plan").await;
        assert!(offered("add-plan", "sandbox-1gb-7d").await);
        for plan in ["not-theirs", "in-dollars", "other-operator", "eu-5gb-30d"] {
            assert!(!offered("add-plan", plan).await, "{plan}");
        }
        browser.picture("line-offer-1280").await;
        // In another currency it is paid by card; on another card it takes another line.
        desk.open(&format!("/console/lines/{line}?payment=card&planId=in-dollars")).await;
        assert_eq!(browser.find("#add-plan [name=planId]").await.value().await.unwrap(), "in-dollars");
        browser.press("#add-plan button[type=submit]").await;
        browser.shows("The top-up waits for its payment.").await;
        desk.open(&format!("/console/lines/{line}")).await;
        browser.unfold("add-plan").await;
        assert!(browser.has("#add-plan a[href*='planId=other-operator']").await);
        assert!(browser.has("#add-plan a[href*='payment=card'][href*='planId=in-dollars']").await);
        assert!(!browser.has("#add-plan a[href*='planId=not-theirs']").await);

        for (form, page) in
            [("create", "/console/orders/new?"), ("add-line", "/console/subscribers/line?email=offer%40example.com&")]
        {
            desk.open(&format!("{page}partnerId=demo-travel")).await;
            assert!(
                offered(form, "other-operator").await && !offered(form, "not-theirs").await && !offered(form, "in-dollars").await
            );
            // Paid otherwise there are more; another partner has others; and what was chosen is chosen still.
            browser.fill(&format!("#{form}"), "planId", "eu-5gb-30d").await;
            browser.fill(&format!("#{form}"), "payment", "card").await;
            browser.find(&format!("#{form} option[value='in-dollars']")).await;
            assert!(!offered(form, "not-theirs").await);
            browser.fill(&format!("#{form}"), "partnerId", "other-travel").await;
            browser.find(&format!("#{form} option[value='not-theirs']")).await;
            assert_eq!(browser.find(&format!("#{form} [name=planId]")).await.value().await.unwrap(), "eu-5gb-30d");
            assert!(!browser.url().await.contains("token"));
            desk.open(&format!("{page}partnerId=demo-travel&payment=card&planId=in-dollars")).await;
            assert_eq!(browser.find(&format!("#{form} [name=planId]")).await.value().await.unwrap(), "in-dollars");
            desk.open(&format!("{page}partnerId=demo-travel&planId=not-theirs")).await;
            browser.shows("not on sale for this partner").await;
            browser.picture(&format!("{form}-offer-1280")).await;
        }
    });
}
