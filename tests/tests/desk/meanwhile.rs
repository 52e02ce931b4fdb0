//! Two managers change the same thing: what the first saved stays, and what the second typed is joined with it.

use crate::api::{By, num};
use crate::shop::{Desk, at_the_desk, by_post};
use hyper::Method;
use serde_json::{Value, json};

impl Desk {
    async fn elsewhere(&self, method: Method, path: &str, body: &Value) {
        let answer = self.site.call(method, path.to_owned()).by(By::Manager).json(body).send().await;
        assert!(answer.status < 300, "{}", answer.text());
    }

    /// What stands in the fields of a form.
    async fn holds(&self, form: &str, fields: &[(&str, &str)]) {
        for (name, value) in fields {
            let field = self.browser.find(&format!("#{form} [name='{name}']")).await;
            assert_eq!(field.value().await.unwrap(), *value, "{name}");
        }
    }
}

#[test]
fn a_plan_keeps_what_somebody_else_saved() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let plan = |version: u32, price: i64, mb: u64, forms: &[&str]| {
            json!({
                "basedOn": version, "display": "Meanwhile", "price": {"amount": price, "currency": "EUR"}, "dataMb": mb, "days": 30,
                "flowType": 0, "apn": "internet", "countries": ["ES"], "formFactors": forms,
                "profiles": [{"operator": "sandbox", "imsiProfile": "1", "cost": 100}], "refundPolicy": {"kind": "within_days", "days": 14},
            })
        };
        let path = "/v1/plans/meanwhile";
        desk.elsewhere(Method::PUT, path, &plan(0, 1690, 3072, &["esim"])).await;
        desk.open("/console/settings/plans/meanwhile").await;
        desk.elsewhere(Method::PUT, path, &plan(1, 3300, 9000, &["esim", "physical"])).await;
        browser.find("details.panel summary").await.click().await.unwrap();
        browser.fill("#plan", "apn", "other.apn").await;
        browser.fill("#plan", "dataMb", "4096").await;
        browser.press("#plan button").await;
        browser.shows("Somebody else saved a change since you opened this page").await;
        let between = browser.find("#between").await.text().await.unwrap();
        let changes = ["Price: “16.90” → “33.00”", "Data in MB: “3072” → “9000”", "SIM card: ticked now"];
        assert!(changes.iter().all(|change| between.contains(change)) && !between.contains("APN"), "{between}");
        desk.holds("plan", &[("price", "33.00"), ("apn", "other.apn"), ("dataMb", "4096")]).await;
        assert!(browser.has("#plan [name=formFactors][value=physical]:checked").await);
        browser.shows("Somebody else changed it meanwhile: now it is “9000”.").await;
        for width in [390, 1280] {
            browser.width(width).await;
            browser.picture(&format!("plan-meanwhile-{width}")).await;
        }
        browser.press("#plan button").await;
        browser.shows("Version 3 is sold from now on.").await;
        let sold = desk.site.get(path).by(By::Manager).send().await.expect(200);
        let told = (&sold["price"]["amount"], &sold["dataMb"], &sold["apn"], &sold["formFactors"]);
        assert_eq!(told, (&json!(3300), &json!(4096), &json!("other.apn"), &json!(["esim", "physical"])));

        // Nothing touched makes no version; what a policy has no use for is not in its way.
        let save = async |values: &[(&str, &str)]| {
            browser.find("details.panel summary").await.click().await.unwrap();
            for (name, value) in values {
                browser.fill("#plan", name, value).await;
            }
            browser.press("#plan button").await;
        };
        save(&[]).await;
        browser.shows("Nothing was changed: that is what stood there.").await;
        save(&[("refundPolicy.kind", "none"), ("partners", "Demo Travel, other-travel")]).await;
        browser.shows("Version 4 is sold from now on.").await;
        browser.shows("demo-travel, other-travel").await;
        browser.find("details.panel summary").await.click().await.unwrap();
        for (name, value, said) in [
            ("price", "", "“Price” is required."),
            ("days", "0", "“Days” must be a whole number from 1 to 3650."),
            ("days", "99999999999", "“Days” must be a whole number from 1 to 3650."),
            ("partners", "nobody-at-all", "is no partner: “nobody-at-all”."),
            ("partners", "Nobody Ltd", "There is no partner with the id or the name “Nobody Ltd”."),
        ] {
            desk.open("/console/settings/plans/meanwhile").await;
            browser.find("details.panel summary").await.click().await.unwrap();
            // Past the browser's own checks.
            browser.web.execute("document.querySelector('#plan').noValidate = true").await.unwrap();
            browser.fill("#plan", name, value).await;
            browser.press("#plan button").await;
            browser.shows(said).await;
        }
    });
}

#[test]
fn a_partner_a_recipient_and_a_parcel_keep_what_somebody_else_saved() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let made = json!({"partnerId": "meanwhile", "display": "Meanwhile"});
        desk.elsewhere(Method::POST, "/v1/partners", &made).await;
        desk.open("/console/settings/partners/meanwhile").await;
        desk.elsewhere(Method::PATCH, "/v1/partners/meanwhile", &json!({"giftQuota": 5})).await;
        browser.send("edit", &[("display", "Renamed")]).await;
        browser.shows("Complimentary orders: “0” → “5”").await;
        browser.send("edit", &[]).await;
        browser.shows("Saved.").await;
        let partner = desk.site.get("/v1/partners/meanwhile").by(By::Manager).send().await.expect(200);
        assert_eq!((&partner["display"], &partner["giftQuota"]), (&json!("Renamed"), &json!(5)));

        // An alarm level that somebody else set is seen before it is gone over: of a balance, and of a pool.
        desk.open("/console/settings/partners/meanwhile").await;
        let level = |amount: i64| json!({"alarmLevels": [{"amount": amount, "currency": "EUR"}]});
        desk.elsewhere(Method::PATCH, "/v1/partners/meanwhile", &level(7000)).await;
        browser.send("alarm", &[("alarmLevels[0].amount", "9"), ("alarmLevels[0].currency", "EUR")]).await;
        browser.shows("There was no alarm (0.00 EUR) when you opened the page; now there is an alarm below 70.00 EUR.").await;
        browser.send("alarm", &[]).await;
        browser.shows("alarm below 9.00 EUR").await;
        // What another currency has is not in question, and no alarm is told with its number.
        let dollars = json!({"alarmLevels": [{"amount": 500, "currency": "USD"}]});
        desk.elsewhere(Method::PATCH, "/v1/partners/meanwhile", &dollars).await;
        desk.open("/console/settings/partners/meanwhile").await;
        desk.elsewhere(Method::PATCH, "/v1/partners/meanwhile", &level(0)).await;
        browser.send("alarm", &[("alarmLevels[0].amount", "8"), ("alarmLevels[0].currency", "EUR")]).await;
        browser.shows("There was an alarm below 9.00 EUR when you opened the page; now there is no alarm (0.00 EUR).").await;
        assert!(!browser.find("#alarm .beside").await.text().await.unwrap().contains("USD"));
        let pool = "/v1/inventory/meridian.7.esim";
        desk.open("/console/inventory/meridian.7.esim").await;
        desk.elsewhere(Method::PATCH, pool, &json!({"alarmLevel": 31})).await;
        browser.send("alarm", &[("alarmLevel", "33")]).await;
        browser.shows("Somebody else changed it meanwhile: now it is “31”.").await;
        let level = async || desk.site.get(pool).by(By::Manager).send().await.expect(200)["alarmLevel"].clone();
        assert_eq!(level().await, 31);
        browser.send("alarm", &[]).await;
        browser.shows("Saved.").await;
        assert_eq!(level().await, 33);
        browser.send("alarm", &[]).await;
        browser.shows("Nothing was changed").await;

        let order = desk.site.order(&by_post()).await;
        let order = desk.site.until(&order, "ready", |order| order["cards"][0]["status"] == "ready").await;
        let at = |what: &str| format!("/v1/orders/{}/{what}", num(&order));
        desk.open_order(num(&order)).await;
        desk.elsewhere(Method::PATCH, &at("recipient"), &json!({"email": "right@example.com"})).await;
        browser.send("edit_recipient", &[("postalAddress.city", "Sevilla")]).await;
        browser.shows("Mail: “ana@example.com” → “right@example.com”").await;
        browser.width(390).await;
        browser.picture("recipient-meanwhile-390").await;
        browser.width(1280).await;
        browser.send("edit_recipient", &[]).await;
        browser.shows("The recipient was changed.").await;
        let to = &desk.site.read(&order).await["subscriber"];
        assert_eq!((&to["email"], &to["postalAddress"]["city"]), (&json!("right@example.com"), &json!("Sevilla")));
        // An address that is emptied is refused, not left out.
        let emptied = ["lines", "city", "postalCode", "country"].map(|part| format!("postalAddress.{part}"));
        browser.unfold("edit_recipient").await;
        let emptied: Vec<(&str, &str)> = emptied.iter().map(|name| (name.as_str(), "")).collect();
        browser.send("edit_recipient", &[&emptied[..], &[("name", "Nobody")]].concat()).await;
        browser.shows("“Postal address” is required.").await;
        assert_eq!(desk.site.read(&order).await["subscriber"]["name"], "Ana Torres");

        // Space around a number that was copied is nobody's concern.
        desk.elsewhere(Method::POST, &at("shipment"), &json!({"carrier": " D ", "number": " 12 "})).await;
        assert_eq!(desk.site.read(&order).await["shipment"]["number"], "12");
        let open = async || {
            desk.site.settled(&order).await;
            desk.open_order(num(&order)).await;
        };
        open().await;
        desk.elsewhere(Method::POST, &at("shipment"), &json!({"carrier": "D", "number": "13", "corrects": {"number": "12"}}))
            .await;
        browser.send("correct_shipment", &[("carrier", "Correos")]).await;
        browser.shows("Tracking number: “12” → “13”").await;
        browser.send("correct_shipment", &[]).await;
        browser.shows("The shipment was corrected.").await;
        let parcel = &desk.site.read(&order).await["shipment"];
        assert_eq!((&parcel["carrier"], &parcel["number"]), (&json!("Correos"), &json!("13")));
        // Another carrier, and another day, are told as another number is: the same field, and one beside it.
        open().await;
        desk.elsewhere(Method::POST, &at("shipment"), &json!({"carrier": "GLS", "number": "13", "corrects": parcel})).await;
        browser.send("correct_shipment", &[("carrier", "Hermes")]).await;
        browser.shows("Somebody else changed it meanwhile: now it is “GLS”.").await;
        open().await;
        let left = desk.site.read(&order).await["createdAt"].clone();
        let seen = &desk.site.read(&order).await["shipment"];
        let earlier = json!({"carrier": "GLS", "number": "13", "shippedAt": left, "corrects": seen});
        desk.elsewhere(Method::POST, &at("shipment"), &earlier).await;
        browser.send("correct_shipment", &[("carrier", "GLS"), ("number", "14")]).await;
        browser.shows("Somebody else saved a change since you opened this page").await;
        browser.send("correct_shipment", &[]).await;
        browser.shows("The shipment was corrected.").await;
        let parcel = &desk.site.read(&order).await["shipment"];
        let told = (&parcel["carrier"], &parcel["number"], &parcel["shippedAt"]);
        assert_eq!(told, (&json!("GLS"), &json!("14"), &left));

        // The address is that to which the cards were sent; name and mail stay open.
        desk.open_order(num(&order)).await;
        browser.unfold("edit_recipient").await;
        browser.shows("The cards were sent there, so that it stays as it is.").await;
        assert!(!browser.has("#edit_recipient [name='postalAddress.city']").await);
        browser.send("edit_recipient", &[("email", "third@example.com")]).await;
        browser.shows("The recipient was changed.").await;
        let to = &desk.site.read(&order).await["subscriber"];
        assert_eq!((&to["email"], &to["postalAddress"]["city"]), (&json!("third@example.com"), &json!("Sevilla")));
    });
}
