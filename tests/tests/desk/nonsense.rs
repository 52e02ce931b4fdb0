//! What no page of the desk would send: it is refused by the name of its field, or ignored where one can see it, and never taken for
//! something else.

use crate::api::{Answer, num};
use crate::shop::{Desk, at_the_desk, by_post};

impl Desk {
    /// Sends a form as a page of the session would.
    pub async fn post(&self, path: &str, fields: &str) -> Answer {
        let session = self.browser.web.cookie("simdock-session").await.unwrap();
        let token = self.browser.find("[name=token]").await.attribute("value").await.unwrap();
        let call = self.site.post(path.to_owned());
        let call = call.header("cookie", format!("simdock-session={}", session["value"].as_str().unwrap()));
        let call = call.header("origin", self.site.stack.base_url());
        call.body("application/x-www-form-urlencoded", format!("token={token}&key={}&{fields}", crate::api::unique()))
            .send()
            .await
    }
}

#[test]
fn no_filter_is_misread() {
    at_the_desk(async |desk| {
        let long = "x".repeat(65);
        for (path, said) in [
            ("orders?status=99", "“Status” must be a status code"),
            ("orders?status=1.0", "“Status” must be a status code"),
            ("orders?type=gift", "“Type” must be one of"),
            ("orders?sort=upwards", "“Sort” must be newest or oldest"),
            ("orders?needsAttention=perhaps", "“Needs attention” can only be true"),
            ("orders?from=2026-11-23&to=2026-11-22", "“To” must not be before “From”"),
            ("settings/audit?from=2026-11-23&to=2026-11-22", "“To” must not be before “From”"),
            ("orders?from=yesterday", "“yesterday” is no day"),
            ("orders?to=2", "“2” is no day"),
            ("orders?from=2026-02-30", "“2026-02-30” is no day"),
            ("orders?iccid=12", "“ICCID” must be an ICCID"),
            ("orders?email=ana", "“Mail” is not a mail address"),
            ("orders?partnerId=nobody", "There is no partner with the id or the name “nobody”."),
            (&format!("orders?partnerId={long}"), "“Partner” must have 1 to 64 characters"),
            ("orders?cursor=x", "Begin again with its first page."),
            ("sims?status=sleeping", "“Status” must be one of"),
            ("sims?formFactor=paper", "“Form factor” must be esim or physical"),
            ("sims?simType=free", "“SIM type” must be one of"),
            ("sims?inSession=maybe", "“In session” must be one of"),
            ("sims?hasRules=some", "“Rules” must be true or false"),
            ("sims?iccid=12", "“ICCID” must be an ICCID"),
            ("sims?email=ana", "“End user” is not a mail address"),
            ("sims?partnerId=nobody", "There is no partner with the id or the name “nobody”."),
            ("sims?poolId=x", "“Pool” must be a pool"),
            ("sims?minDataLeftMb=-1", "“Data left, MB at least” must be a whole number"),
            ("sims?maxDaysLeft=1.5", "“Days left, at most” must be a whole number"),
            ("sims?minMonthMb=9&maxMonthMb=1", "“Month’s MB, at most” must not be below the least"),
            ("sims?cursor=x", "Begin again with its first page."),
            ("subscribers?email=ana", "“Mail” is not a mail address"),
            ("subscribers?email=ana%40example.com&cursor=x", "Begin again with its first page."),
            ("inventory?cursor=x", "Begin again with its first page."),
            ("inventory/meridian", "There is no such pool."),
            ("settings/audit?from=x", "“x” is no day"),
            ("settings/audit?cursor=x", "Begin again with its first page."),
            ("settings/partners?cursor=x", "Begin again with its first page."),
            ("settings/partners/demo-travel?cursor=x", "Begin again with its first page."),
            ("settings/partners/nobody", "There is no such partner."),
            ("settings/plans/eu-5gb-30d?version=0", "“Version” must be a whole number from 1"),
            ("settings/plans/eu-5gb-30d?version=99", "There is no such"),
            ("orders/EP0", "There is no such order."),
            ("lines/x", "There is no such line."),
            ("sims/1", "There is no such card."),
        ] {
            let page = desk.fetch(&format!("/console/{path}"), "").await;
            let text = page.text();
            let told = text.split("<main").nth(1).unwrap_or(&text);
            assert!(matches!(page.status, 400 | 404) && text.contains(said), "{path}: {} {told}", page.status);
            // What was asked for is still there, unless a date field cannot hold it.
            if let Some((name, value)) = path.rsplit(['?', '&']).next().unwrap().split_once('=')
                && page.status == 400
                && !["cursor", "version", "needsAttention"].contains(&name)
            {
                assert!(text.contains(&format!("value=\"{}\"", value.replace("%40", "@"))), "{path}: {text}");
            }
        }
        // What is nothing is not ticked, nor the first of what there is.
        let page = desk.fetch("/console/orders?needsAttention=&fromAhead=x&from=2026-11-22&sort=", "").await;
        assert!(page.status == 200 && !page.text().contains("value=\"true\" checked") && page.text().contains("days in UTC<"));
        for (path, kept) in [("orders/new", "planId"), ("subscribers/line", "planId"), ("subscribers/line", "payment")] {
            let page = desk.fetch(&format!("/console/{path}?{kept}=nonsense"), "").await.text();
            assert!(page.contains("<option value=\"nonsense\" selected>nonsense</option>"), "{path}");
        }
        desk.open("/console/orders?partnerId=nobody").await;
        desk.browser.picture("orders-refused-1280").await;
        desk.browser.width(390).await;
        desk.browser.picture("orders-refused-390").await;
        desk.browser.width(1280).await;
    });
}

#[test]
fn no_form_is_misread() {
    at_the_desk(async |desk| {
        let (order, line) = desk.line("nonsense@example.com").await;
        let post = desk.site.order(&by_post()).await;
        // Its cards wait to be sent, and no mail about it does.
        let waits = |order: &serde_json::Value| order["cards"][0]["status"] == "ready" && order["emails"][0]["status"] == "sent";
        let post = desk.site.until(&post, "ready", waits).await;
        let key = desk.site.get("/v1/keys").by(crate::api::By::Manager).send().await.expect(200);
        let key = key["items"][0]["keyId"].as_str().unwrap().to_owned();
        let (order_at, post_at) = (format!("orders/{}", num(&order)), format!("orders/{}", num(&post)));
        let sim_at = format!("sims/{}", order["cards"][0]["iccid"].as_str().unwrap());
        let line_at = format!("lines/{line}");
        let create = "subscriber.email=a%40example.com&subscriber.name=A&partnerId=demo-travel&payment=balance&channel=admin";
        let plan = "basedOn=1&display=Europe&price=14.50&currency=EUR&days=30&flowType=0&simType=prepaid&apn=a&formFactors=esim\
            &countries=ES&profiles=meridian+7+4.10";
        let before = [desk.site.read(&order).await["version"].clone(), desk.site.read(&post).await["version"].clone()];
        desk.open("/console/orders").await;
        let mut complaints = Vec::new();
        for (path, fields, said) in [
            (&*format!("{post_at}/ship"), "carrier=DHL&number=1&shippedAt=2", "“2” is no day"),
            (&format!("{post_at}/ship"), "carrier=DHL&number=1&shippedAt=2026", "“2026” is no day"),
            (&format!("{post_at}/ship"), "carrier=DHL&number=1&shippedAt=2099-01-01", "“Shipped on” must not be in the future"),
            (&format!("{post_at}/ship"), "carrier=DHL&number=1&shippedAt=1999-01-01", "before the order was made"),
            (&format!("{post_at}/ship"), "carrier=DHL", "“Tracking number” is required"),
            (&format!("{post_at}/edit_recipient"), "email=nobody", "“Mail” is not a mail address"),
            (&format!("{post_at}/edit_recipient"), "name=A&postalAddress.city=Madrid", "“Street and number” is required"),
            (&format!("{order_at}/resend_qr"), "samePhone=no", "“Same phone” is a box to be ticked"),
            (&format!("{order_at}/resend_qr"), "to=nobody", "“To another address” is not a mail address"),
            (&format!("{order_at}/refund"), "iccids=12&reason=x", "“Cards”"),
            (&format!("{order_at}/renew"), "payment=cash", "“Payment” must be one of"),
            (&format!("{order_at}/note"), "note=", "“Note” is required"),
            (&format!("{line_at}/swap"), "formFactor=paper&payment=balance", "“New card” must be one of"),
            (&format!("{line_at}/add-plan"), "planId=nothing&payment=balance", "There is no plan"),
            (&format!("{line_at}/add-plan"), "planId=sandbox-1gb-7d&payment=cash", "“Payment” must be one of"),
            (&format!("{line_at}/add-ons"), "addOnIds=nothing&payment=balance", "no add-on"),
            (&format!("{sim_at}/edit"), "rules.suspendAtMonthMb=1.5", "“Suspend at MB a month” must be a whole number"),
            (&format!("{sim_at}/edit"), "rules.suspendAtMonthMb=-1", "“Suspend at MB a month” must be a whole number"),
            ("orders", &format!("{create}&planId=eu-5gb-30d&count=two"), "“Cards” must be a whole number"),
            ("orders", &format!("{create}&planId=eu-5gb-30d&count=99999999999999999999"), "“Cards” must be a whole number"),
            ("orders", &format!("{create}&planId=eu-5gb-30d&count=1&sendEmail=no"), "“Send email” is a box to be ticked"),
            ("orders", &format!("{create}&planId=eu-5gb-30d&count=1&formFactor=paper"), "“Form factor” must be one of"),
            ("orders", &format!("{create}&planId=eu-5gb-30d&count=1&iccids=12"), "“Given cards” names “12”, which is no ICCID"),
            (
                "orders",
                &format!("{create}&planId=eu-5gb-30d&count=1&partnerId=nobody").replace("partnerId=demo-travel&", ""),
                "partner",
            ),
            (
                "subscribers/line",
                &format!("{create}&planId=nothing&lineName=X"),
                "There is no plan “nothing” that this partner can sell.",
            ),
            ("subscribers/line", &format!("{create}&planId=eu-5gb-30d&lineName="), "“Name” is required."),
            ("inventory/meridian.7.esim/alarm", "alarmLevel=many", "“Alarm level” must be a whole number"),
            ("settings/partners", "partnerId=X+Y&display=X", "“Id” must have"),
            (
                "settings/partners/demo-travel/credit",
                "way=credit&amount.amount=ten&amount.currency=EUR&note=x",
                "“Amount” must be a number above 0, up to",
            ),
            (
                "settings/partners/demo-travel/credit",
                "way=credit&amount.amount=10&amount.currency=euros&note=x",
                "“Currency” must be",
            ),
            (
                "settings/partners/demo-travel/alarm",
                "alarmLevels%5B0%5D.amount=-1&alarmLevels%5B0%5D.currency=EUR",
                "“Below” must be a number from 0 to",
            ),
            (
                "settings/partners/demo-travel/edit",
                "display=Demo&giftQuota=some",
                "“Complimentary orders” must be a whole number",
            ),
            (&format!("settings/keys/{key}/end"), "days=soon", "The overlap is 0 to 30 days."),
            (&format!("settings/keys/{key}/end"), "days=-1", "The overlap is 0 to 30 days."),
            (
                "settings/plans/eu-5gb-30d",
                &format!("{plan}%0Asandbox+UPPER+4.10&refundPolicy.kind=none"),
                "“Profiles, entry 2, IMSI profile” must have 1 to 32",
            ),
            ("settings/plans/eu-5gb-30d", &format!("{plan}&refundPolicy.kind=never"), "“Refunds” must be"),
            ("settings/plans/eu-5gb-30d", &format!("{plan}&refundPolicy.kind=within_days"), "“Days for refunds” is required"),
            (
                "settings/plans/eu-5gb-30d",
                &format!("{plan}&refundPolicy.kind=within_days&refundPolicy.days=x"),
                "“Days for refunds” must",
            ),
            (
                "settings/plans/eu-5gb-30d",
                &format!("{plan}&refundPolicy.kind=none&dataMb=much"),
                "“Data in MB” must be a whole number",
            ),
            ("settings/plans/eu-5gb-30d", &format!("{plan}&refundPolicy.kind=none&pausesWhenSuspended=no"), "a box to be ticked"),
            ("settings/plans/eu-5gb-30d", &format!("{plan}&refundPolicy.kind=none&addOns=a|b"), "has not five parts"),
            (
                "settings/plans/eu-5gb-30d",
                &format!("{}&refundPolicy.kind=none", plan.replace("meridian", "nobody%22")),
                "“Profiles, entry 1, Operator” names “nobody&quot;”, which is not in the catalogue.",
            ),
        ] {
            let page = desk.post(&format!("/console/{path}"), fields).await;
            if page.status != 422 || !page.text().contains(said) {
                let text = page.text();
                let refused = text.split("role=\"alert\"").nth(1).unwrap_or(&text);
                complaints.push(format!("{path} {fields}: {} {}", page.status, refused.chars().take(200).collect::<String>()));
            }
        }
        assert_eq!(complaints, [] as [&str; 0], "{complaints:#?}");
        let after = [desk.site.read(&order).await["version"].clone(), desk.site.read(&post).await["version"].clone()];
        assert_eq!(before, after, "nothing was done");
        let plan = desk.site.get("/v1/plans/eu-5gb-30d").by(crate::api::By::Manager).send().await.expect(200);
        assert_eq!(plan["version"], 1);
    });
}
