//! What people type is text on every page, whatever it looks like.

use crate::api::{By, list, num};
use crate::shop::{at_the_desk, by_post};
use hyper::Method;
use serde_json::{Value, json};

/// Markup that would run in an element, in an attribute and in a text area.
const SCRIPT: &str = "<script>boom()</script>";
const IMAGE: &str = "\"><img src=x onerror=boom()>";
const AREA: &str = "</textarea></option><svg/onload='boom()'>";

/// What of these texts would be markup, were it not written as text.
const MARKUP: [&str; 3] = ["<script>boom", "<img src=x", "<svg/onload"];

#[test]
fn no_text_of_a_manager_or_partner_becomes_markup() {
    at_the_desk(async |desk| {
        let (site, browser) = (&desk.site, &desk.browser);
        let ask = async |method: Method, path: &str, body: Value| {
            let call =
                site.call(method, path).by(By::Manager).header("Idempotency-Key", format!("markup-{}", crate::api::unique()));
            let answer = call.json(&body).send().await;
            assert!(matches!(answer.status, 200..=202), "{path}: {}", answer.text());
            answer.expect(answer.status)
        };
        let all = |name: &str| format!("{name} {SCRIPT}{IMAGE}{AREA}");
        // Names of a partner, a key and a plan with its add-on, and notes in the ledger.
        let partner = "/v1/partners/marked";
        ask(Method::POST, "/v1/partners", json!({"partnerId": "marked", "display": all("p")})).await;
        let credit = json!({"amount": {"amount": 100_000, "currency": "EUR"}, "note": all("credit")});
        ask(Method::POST, &format!("{partner}/credits"), credit).await;
        let short = format!("{SCRIPT}{IMAGE}");
        ask(Method::POST, "/v1/keys", json!({"role": "partner", "partnerId": "marked", "name": short})).await;
        ask(Method::POST, "/v1/keys", json!({"role": "manager", "name": short})).await;
        let eur = |amount: u32| json!({"amount": amount, "currency": "EUR"});
        let plan = json!({
            "basedOn": 0, "display": all("plan"), "price": eur(700), "dataMb": 1024, "days": 7, "flowType": 0, "apn": "internet",
            "refundPolicy": {"kind": "until_activation"}, "formFactors": ["esim", "physical"], "countries": ["ES"],
            "profiles": [{"operator": "sandbox", "imsiProfile": "1", "cost": 120}],
            "addOns": [{"addOnId": "more", "display": all("add-on"), "kind": "data", "price": eur(300), "amount": 1024}],
        });
        ask(Method::PUT, "/v1/plans/marked", plan).await;

        // An order with texts of its partner, and its card and line.
        let mut draft = by_post();
        draft.as_object_mut().unwrap().remove("formFactor");
        (draft["planId"], draft["partnerId"], draft["addOnIds"]) = ("marked".into(), "marked".into(), json!(["more"]));
        (draft["lineName"], draft["subscriber"]["name"]) = (short.clone().into(), short.clone().into());
        (draft["otherOrderId"], draft["otherItemId"]) = (short.clone().into(), short.clone().into());
        (draft["subscriber"]["email"], draft["subscriber"]["postalAddress"]) = ("marked@example.com".into(), Value::Null);
        draft["subscriber"].as_object_mut().unwrap().remove("postalAddress");
        let order = ask(Method::POST, "/v1/orders", draft.clone()).await;
        let order = site.settled(&order).await;
        let (path, card) = (format!("/v1/orders/{}", num(&order)), order["cards"][0]["iccid"].as_str().unwrap().to_owned());
        let line = order["cards"][0]["subscriptionId"].as_str().unwrap().to_owned();
        ask(Method::POST, &format!("{path}/notes"), json!({"note": all("note")})).await;
        let edit = json!({"note": all("card"), "labels": [SCRIPT, "\"><img src=x onerror=boom()>"], "rules": null});
        ask(Method::PATCH, &format!("/v1/sims/{card}"), edit).await;
        // Another one by post, to an address and with a parcel.
        draft["formFactor"] = "physical".into();
        draft["subscriber"]["postalAddress"] = json!({
            "lines": [SCRIPT, "\"><img src=x onerror=boom()>"], "city": short, "region": short, "postalCode": "<script>boom", "country": "ES",
        });
        let parcel = ask(Method::POST, "/v1/orders", draft).await;
        let parcel = site.until(&parcel, "ready", |order| order["cards"][0]["status"] == "ready").await;
        let parcel = format!("/v1/orders/{}", num(&parcel));
        ask(Method::POST, &format!("{parcel}/shipment"), json!({"carrier": short, "number": short})).await;
        ask(Method::PATCH, &format!("{parcel}/recipient"), json!({"name": format!("{IMAGE}{SCRIPT}")})).await;
        ask(Method::POST, &format!("{path}/refund"), json!({"reason": all("reason")})).await;
        site.until(&order, "cancelled", |order| order["status"] == 2).await;

        let (own, own_parcel) = (num(&order), parcel.trim_start_matches("/v1/orders/"));
        let columns = "simdock-columns-orders=ids.line.note.subscriber.shipment.partner.plan; simdock-columns-sims=note.labels.plan.company";
        let typed = "%22%3E%3Cimg%20src%3Dx%20onerror%3Dboom()%3E";
        for (page, shows) in [
            (format!("/console/orders/{own}"), true),
            (format!("/console/orders/{own_parcel}"), true),
            ("/console/orders?partnerId=marked".to_owned(), true),
            (format!("/console/orders?otherOrderId={typed}&otherItemId={typed}"), true),
            ("/console/orders/new?partnerId=marked".to_owned(), true),
            (format!("/console/orders/new?planId={typed}&email={typed}&name={typed}&partnerId=marked"), true),
            (format!("/console/sims/{card}"), true),
            ("/console/sims?partnerId=marked".to_owned(), true),
            (format!("/console/sims?label={typed}&note={typed}"), true),
            ("/console/subscribers?email=marked%40example.com".to_owned(), true),
            (format!("/console/subscribers?email={typed}"), true),
            (format!("/console/subscribers/line?partnerId=marked&planId={typed}&name={typed}&email={typed}"), true),
            (format!("/console/lines/{line}"), true),
            (format!("/console/find?q={typed}"), true),
            ("/console/inventory".to_owned(), false),
            ("/console/settings/plans".to_owned(), true),
            ("/console/settings/plans/marked".to_owned(), true),
            ("/console/settings/partners".to_owned(), true),
            ("/console/settings/partners/marked".to_owned(), true),
            ("/console/settings/keys".to_owned(), true),
            ("/console/settings/audit".to_owned(), true),
            (format!("/console/sign-in?back={typed}"), false),
        ] {
            let read = desk.fetch(&page, columns).await;
            let html = match read.header("location") {
                Some(to) => desk.fetch(to, columns).await.text(),
                None => read.text(),
            };
            for markup in MARKUP {
                assert!(!html.contains(markup), "{page} has {markup}");
            }
            // It is there, as text.
            let written = ["&lt;script&gt;boom()", "&lt;img src=x onerror=boom()"].into_iter().any(|text| html.contains(text));
            assert_eq!(written, shows, "{page}");
            // Nor does a browser see any, by whatever rules.
            desk.open(&page).await;
            let found =
                browser.web.execute("return document.querySelectorAll('img[src=\"x\"], svg[onload], [onerror]').length").await;
            assert_eq!(found.unwrap(), 0, "{page}");
        }
        // What was refused comes back as it was typed.
        desk.open(&format!("/console/sims/{card}")).await;
        browser.send("edit", &[("note", IMAGE), ("labels", &"x".repeat(40))]).await;
        assert_eq!(browser.find("#edit [name=note]").await.value().await.unwrap(), IMAGE);
        // Nothing of it is said anywhere without being held to text: the files are not pages.
        for file in ["/console/orders.csv?partnerId=marked", "/console/sims.csv?partnerId=marked"] {
            let file = desk.fetch(file, columns).await;
            assert_eq!(
                (file.header("content-type"), file.header("x-content-type-options")),
                (Some("text/csv; charset=utf-8"), Some("nosniff"))
            );
        }
        assert!(!list(&order, "cards").is_empty());
    });
}
