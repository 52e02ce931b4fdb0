//! What leads somewhere else than was meant: a search without a find, a name instead of an id, a filter of a file, a form too large. Each
//! says so, on a page of the desk.

use crate::api::{By, list, num};
use crate::shop::{Desk, at_the_desk};
use serde_json::json;

/// More than the names that a field offers.
const PARTNERS: usize = 103;

impl Desk {
    /// What the box at the top leads to: the page, and where it is.
    async fn find(&self, text: &str) -> (String, String) {
        self.open("/console/settings/keys").await;
        self.browser.fill("form.find", "q", text).await;
        let page = self.browser.find("html").await;
        self.browser.find("form.find input").await.type_in("\u{e007}").await.unwrap();
        while !page.gone().await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        self.browser.find("main").await;
        (self.browser.text().await, self.browser.url().await)
    }
}

#[test]
fn a_search_says_what_it_looked_for_and_where() {
    at_the_desk(async |desk| {
        let (order, line) = desk.line("found@example.com").await;
        for (text, said) in [
            ("EP0123456789ABCDEF", "There is no order with the number “EP0123456789ABCDEF”."),
            ("SU0123456789ABCDEF", "There is no line with the number “SU0123456789ABCDEF”."),
            ("8934501234567890125", "There is no card with the ICCID “8934501234567890125”."),
            (" nobody@example.com ", "Nothing was found for “nobody@example.com”: no line and no order was made with exactly"),
            ("ana@", "“Mail” is not a mail address"),
            ("shop-99999", "No order has the own order id “shop-99999”."),
        ] {
            let (page, _) = desk.find(text).await;
            assert!(page.contains(said) && page.contains("Inventory"), "{text}: {page}");
            assert!(text == "ana@" || page.contains("The box at the top takes an order’s number"), "{text}: {page}");
        }
        desk.browser.picture("find-nothing-1280").await;
        for (text, to) in [
            (num(&order).to_lowercase(), format!("/console/orders/{}", num(&order))),
            (line.to_lowercase(), format!("/console/lines/{line}")),
            (" found@example.com".to_owned(), "/console/subscribers?email=found%40example.com&q=found%40example.com".to_owned()),
        ] {
            let (_, at) = desk.find(&text).await;
            assert!(at.ends_with(&to), "{text}: {at}");
        }
    });
}

#[test]
fn a_partner_beyond_those_offered_is_found_by_its_name() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let made = async |id: String, name: String| {
            let partner = json!({"partnerId": id, "display": name});
            desk.site.post("/v1/partners").by(By::Manager).json(&partner).send().await.expect(201);
        };
        for number in 0..PARTNERS {
            made(format!("crowd-{number:03}"), format!("Crowd {number}")).await;
        }
        made("zz-last".to_owned(), "Zulu Travel & Söhne".to_owned()).await;
        desk.open("/console/orders/new").await;
        browser.find("[name=partnerId]").await.click().await.unwrap();
        browser.find("#partners option[value='crowd-000']").await;
        assert!(!browser.has("#partners option[value='zz-last']").await, "only the first are offered");
        assert!(browser.text().await.contains("id or name; the first 100 are offered"));
        let create = "subscriber.email=zulu%40example.com&subscriber.name=Z&payment=card&channel=admin&planId=eu-5gb-30d&count=1";
        let typed = "partnerId=zulu+travel+%26+s%C3%B6hne";
        let page = desk.post("/console/orders", &format!("{create}&{typed}")).await;
        assert_eq!(page.status, 303, "{}", page.text());
        let orders = desk.site.get("/v1/orders?partnerId=zz-last").by(By::Manager).send().await.expect(200);
        let ordered = num(&list(&orders, "items")[0]).to_owned();
        for path in ["orders", "orders.csv", "sims", "sims.csv"] {
            let page = desk.fetch(&format!("/console/{path}?{typed}"), "").await;
            let has_it = page.text().contains(&ordered);
            assert!(page.status == 200 && has_it == path.starts_with("orders"), "{path}: {} {}", page.status, page.text());
        }
        // What could be an id is none but that, and whose name it is stands there.
        made("acme-travel".to_owned(), "acme".to_owned()).await;
        let page = desk.fetch("/console/orders?partnerId=acme", "").await;
        assert!(page.status == 400 && page.text().contains("The id of acme is acme-travel."), "{}", page.text());
        for (path, fields) in [("orders", create), ("subscribers/line", create)] {
            let page = desk.post(&format!("/console/{path}"), &format!("{fields}&partnerId=Nobody+Ltd")).await;
            let said = "There is no partner with the id or the name “Nobody Ltd”.";
            assert!(page.status == 422 && page.text().contains(said), "{path}: {}", page.text());
        }
    });
}

#[test]
fn whatever_fails_leads_back() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        // A file that is refused is a list that says why, beside the filter.
        for (path, field) in [
            ("orders.csv?status=99&email=ana%40example.com", "#filter-status-error"),
            ("orders.csv?from=2026-11-23&to=2026-11-22", "#filter-to-error"),
            ("orders.csv?partnerId=nobody", "#filter-partnerId-error"),
            ("orders.csv?cursor=x", ".refused"),
            ("sims.csv?iccid=12", "#filter-iccid-error"),
        ] {
            desk.open(&format!("/console/{path}")).await;
            assert!(browser.has(field).await && browser.has("nav[aria-label=Main]").await, "{path}");
        }
        assert!(browser.url().await.ends_with("/console/sims?iccid=12"), "{}", browser.url().await);
        // A place that is not there leads to the first page of the same list.
        for (path, section) in [
            ("/console/settings/partners", "Settings"),
            ("/console/settings/partners/demo-travel", "Settings"),
            ("/console/inventory", "Inventory"),
        ] {
            desk.open(&format!("{path}?cursor=x")).await;
            browser.shows("This place in the list is not there.").await;
            assert_eq!(browser.find("nav[aria-label=Main] [aria-current]").await.text().await.unwrap(), section);
            browser.press("main a.button").await;
            assert!(browser.url().await.ends_with(path), "{}", browser.url().await);
        }
        desk.open("/console/settings/keys?keys=x").await;
        browser.picture("failure-1280").await;
        browser.press("main a.button").await;
        assert!(browser.url().await.ends_with("/console/settings/keys"), "{}", browser.url().await);
        // What is too large is not read, and its form says so.
        let large = format!("pasted={}", "x".repeat(4 * 1024 * 1024));
        let page = desk.post("/console/inventory/import", &large).await;
        assert_eq!(page.status, 422);
        let text = page.text();
        assert!(text.contains("id=\"import-file-error\"") && text.contains("a file may have 4 MB"), "{text}");
        let page = desk.post("/console/orders", &large).await;
        assert!(page.status == 413 && page.text().contains("aria-label=\"Main\""), "{}", page.text());
    });
}

#[test]
fn a_name_that_two_partners_have_picks_neither() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        for (id, name) in [("twin-a", "Twin Tours"), ("twin-b", "twin tours")] {
            let made =
                desk.post("/console/settings/partners", &format!("partnerId={id}&display={}", name.replace(' ', "+"))).await;
            assert_eq!(made.status, 303, "{}", made.text());
        }
        desk.open("/console/settings/partners/twin-b").await;
        desk.open("/console/settings/partners").await;
        browser.send("new-partner", &[("partnerId", "twin-c"), ("display", "Twin Tours")]).await;
        browser.shows("3 partners are called Twin Tours: twin-a, twin-b, twin-c. Where a partner is asked for").await;
        browser.send("edit", &[("display", "Triplet")]).await;
        let create = "subscriber.email=twin%40example.com&subscriber.name=T&payment=card&channel=admin&planId=eu-5gb-30d&count=1";
        let said = "Two partners are called Twin Tours: twin-a, twin-b. Give the id.";
        for path in ["orders", "subscribers/line"] {
            let page = desk.post(&format!("/console/{path}"), &format!("{create}&lineName=X&partnerId=Twin+Tours")).await;
            assert!(page.status == 422 && page.text().contains(said), "{path}: {}", page.text());
            assert!(page.text().contains("-partnerId-error"), "{path}");
        }
        for path in ["orders", "sims", "orders.csv", "sims.csv"] {
            let page = desk.fetch(&format!("/console/{path}?partnerId=TWIN+tours"), "").await;
            assert!(path.contains(".csv") || page.status == 400 && page.text().contains(said), "{path}: {}", page.text());
            assert!(!page.text().contains("twin@example.com"));
        }
        for id in ["twin-a", "twin-b"] {
            let orders = desk.site.get(format!("/v1/orders?partnerId={id}")).by(By::Manager).send().await.expect(200);
            assert_eq!(list(&orders, "items").len(), 0, "{id} pays for nobody's guess");
        }
    });
}

#[test]
fn an_offer_says_whose_it_cannot_be() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        for (page, form) in [("orders/new", "create"), ("subscribers/line", "add-line")] {
            desk.open(&format!("/console/{page}")).await;
            let error = format!("#{form}-partnerId-error");
            let told = async || browser.find(&error).await.text().await.unwrap();
            assert_eq!(told().await, "", "nobody was asked for yet");
            browser.fill(&format!("#{form}"), "partnerId", "nobody-there").await;
            browser.fill(&format!("#{form}"), "payment", "card").await;
            browser.shows("There is no partner with the id or the name “nobody-there”.").await;
            assert!(told().await.contains("nobody-there"), "at its field");
            let invalid = format!("#{form} [name=partnerId][aria-invalid=true]");
            // The script says so a moment after the words are there, for whoever does not see them.
            browser.find(&invalid).await;
            assert_eq!(browser.find(&format!("#{form} [name=partnerId]")).await.value().await.unwrap(), "nobody-there");
            browser.fill(&format!("#{form}"), "partnerId", "demo-travel").await;
            browser.fill(&format!("#{form}"), "payment", "balance").await;
            let good = async || (told().await.is_empty() && !browser.has(&invalid).await).then_some(());
            crate::api::eventually("the partner is there", good).await;
            // Without a script, a button asks.
            let sent = if page == "orders/new" { "orders" } else { "subscribers/line" };
            for (typed, said) in [("", "“Partner” is required."), ("Nobody+Ltd", "the name “Nobody Ltd”.")] {
                let shown =
                    desk.post(&format!("/console/{sent}"), &format!("step=plans&payment=balance&partnerId={typed}")).await;
                assert!(
                    shown.text().contains("aria-invalid=\"true\"") && shown.text().contains(said),
                    "{page} {typed}: {}",
                    shown.text()
                );
            }
        }
    });
}

#[test]
fn what_was_refused_has_the_focus() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let focused = async || browser.focus().await.0;
        desk.open("/console/orders/new").await;
        let values = [("partnerId", "nobody-there"), ("subscriber.email", "f@example.com"), ("subscriber.name", "F")];
        browser.send("create", &values).await;
        assert_eq!(focused().await, "partnerId");
        let (order, _) = desk.line("focus@example.com").await;
        desk.open_order(num(&order)).await;
        browser.unfold("refund").await;
        browser.find("#refund input:checked").await.click().await.unwrap();
        browser.send("refund", &[("reason", "x")]).await;
        assert_eq!(focused().await, "refused", "no field of it can have it");
    });
}

#[test]
fn the_choice_of_columns_stays_on_a_phone() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        desk.line("phone@example.com").await;
        browser.width(390).await;
        for page in ["orders", "sims"] {
            desk.open(&format!("/console/{page}")).await;
            browser.find(".chooser summary").await.click().await.unwrap();
            browser.picture(&format!("columns-{page}-390")).await;
            let script = "const box = document.querySelector('.chooser form').getBoundingClientRect();
                return [document.documentElement.scrollWidth, Math.floor(box.left), Math.ceil(box.right),
                    document.querySelector('.chooser form').scrollWidth - document.querySelector('.chooser form').clientWidth]";
            let at: [i64; 4] = serde_json::from_value(browser.web.execute(script).await.unwrap()).unwrap();
            assert!(at[0] <= 390 && at[1] >= 0 && at[2] <= 390 && at[3] <= 0, "{page}: {at:?}");
        }
        browser.width(1280).await;
    });
}

#[test]
fn nobody_overwrites_what_somebody_else_corrected() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let order = desk.site.order(&crate::shop::by_post()).await;
        let order = desk.site.until(&order, "ready", |order| order["cards"][0]["status"] == "ready").await;
        let recipient = format!("/v1/orders/{}/recipient", num(&order));
        let edit = async |method, path: &str, body: serde_json::Value| {
            desk.site.call(method, path).by(By::Manager).json(&body).send().await.expect(200)
        };
        desk.open_order(num(&order)).await;
        browser.send("edit_recipient", &[]).await;
        browser.shows("Nothing was changed: that is what stood there.").await;
        edit(hyper::Method::PATCH, &recipient, json!({"name": "Somebody Else"})).await;
        browser.send("edit_recipient", &[("email", "late@example.com")]).await;
        browser.shows("Somebody else saved a change since you opened this page, so yours is not saved yet.").await;
        assert_eq!(desk.site.read(&order).await["subscriber"]["email"], "ana@example.com");
        browser.send("edit_recipient", &[("name", "Ana Torres")]).await;
        browser.shows("The recipient was changed.").await;
        let page = desk.post(&format!("/console/orders/{}/edit_recipient", num(&order)), "name=&email=a%40example.com").await;
        assert!(page.status == 422 && page.text().contains("“Name” is required."), "{}", page.text());

        let partner = json!({"partnerId": "both", "display": " Both's "});
        desk.site.post("/v1/partners").by(By::Manager).json(&partner).send().await.expect(201);
        desk.open("/console/settings/partners/both").await;
        edit(hyper::Method::PATCH, "/v1/partners/both", json!({"giftQuota": 7})).await;
        browser.send("edit", &[("display", "Late")]).await;
        browser.shows("Somebody else saved a change since you opened this page, so yours is not saved yet.").await;
        let now = desk.site.get("/v1/partners/both").by(By::Manager).send().await.expect(200);
        assert_eq!((&now["display"], &now["giftQuota"]), (&json!(" Both's "), &json!(7)));
        browser.send("edit", &[("display", "Both"), ("giftQuota", "8")]).await;
        browser.shows("Saved.").await;
        browser.send("edit", &[]).await;
        browser.shows("Nothing was changed: that is what stood there.").await;
        let page = desk.post("/console/settings/partners/both/edit", "display=&giftQuota=8").await;
        assert!(page.status == 422 && page.text().contains("“Name” is required."), "{}", page.text());
    });
}

#[test]
fn a_take_back_is_called_one_and_ends_at_zero() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let partner = json!({"partnerId": "back", "display": "Back"});
        desk.site.post("/v1/partners").by(By::Manager).json(&partner).send().await.expect(201);
        desk.open("/console/settings/partners/back").await;
        let values = [("way", "take_back"), ("amount.amount", "5.00"), ("amount.currency", "EUR"), ("note", "none")];
        browser.send("credit", &values).await;
        browser.shows("That is more than there is: the balance is 0.00 EUR").await;
        browser.send("credit", &[("way", "credit"), ("amount.amount", "0")]).await;
        browser.shows("“Amount” must be above 0.").await;
        for way in ["credit", "take_back"] {
            desk.open("/console/settings/partners/back").await;
            browser.send("credit", &[("way", way), ("amount.amount", "5"), ("note", "typed wrong")]).await;
            browser.press("#credit button[type=submit]").await;
        }
        let ledger = browser.find("[aria-labelledby=ledger]").await.text().await.unwrap();
        assert!(ledger.contains("Take-back") && ledger.contains("Credit"), "{ledger}");
        // So says the log, which shows times in it as all others.
        let key = json!({"role": "partner", "partnerId": "back", "name": "short"});
        let key = desk.site.post("/v1/keys").by(By::Manager).json(&key).send().await.expect(201);
        desk.post(&format!("/console/settings/keys/{}/end", key["keyId"].as_str().unwrap()), "days=2").await;
        desk.open("/console/settings/audit").await;
        let log = browser.text().await;
        assert!(log.contains("Balance taken back") && log.contains("Balance credited"), "{log}");
        assert!(browser.has("td:last-child time[title]").await, "{log}");
    });
}

#[test]
fn what_is_wrong_stands_at_its_field_in_words() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let (order, line) = desk.line("words@example.com").await;
        let sold = order["cards"][0]["iccid"].as_str().unwrap();
        let create =
            "subscriber.email=w%40example.com&subscriber.name=W&partnerId=demo-travel&payment=balance&channel=admin&count=1";
        let order_at = format!("{create}&planId=sandbox-5gb-30d");
        let plan = "basedOn=1&display=Europe&price=14.50&currency=EUR&days=30&flowType=0&simType=prepaid&apn=a&formFactors=esim\
            &refundPolicy.kind=none";
        let card = format!("sims/{sold}/edit");
        let import = "operator=sandbox&imsiProfile=1&formFactor=esim";
        desk.open("/console/orders").await;
        let mut complaints = Vec::new();
        for (path, fields, at, said) in [
            ("orders", format!("{order_at}&iccids={sold}"), "create-iccids", format!("Card {sold} is not available: it is ")),
            (
                "orders",
                format!("{order_at}&iccids=8934501234567890125"),
                "create-iccids",
                "is not available: there is no such card".into(),
            ),
            ("orders", format!("{order_at}&count=2&iccids={sold}").replace("&count=1", ""), "create-iccids", "Card ".into()),
            (
                "orders",
                format!("{order_at}&eligibleSubscriptionId={line}").replace("payment=balance", "payment=complimentary"),
                "create-planId",
                "This plan is never complimentary.".into(),
            ),
            (
                "orders",
                format!("{create}&planId=sandbox-gift-1gb-7d&eligibleSubscriptionId=SU0123456789ABCDEF")
                    .replace("payment=balance", "payment=complimentary"),
                "create-eligibleSubscriptionId",
                "There is no such line.".into(),
            ),
            ("orders", format!("{order_at}&addOnIds=nothing"), "create-addOnIds", "no add-on".into()),
            (
                "settings/partners",
                "partnerId=demo-travel&display=X".into(),
                "new-partner-partnerId",
                "a partner with this id".into(),
            ),
            (
                "settings/plans/eu-5gb-30d",
                format!("{plan}&countries=ESP&profiles=meridian+7+4.10"),
                "plan-countries",
                "“ESP” is no country".into(),
            ),
            (
                "settings/plans/eu-5gb-30d",
                format!("{plan}&countries=ES&profiles=meridian+7"),
                "plan-profiles",
                "is not an operator, a profile and a cost".into(),
            ),
            (&card, format!("labels={}", "x".repeat(33)), "edit-labels", "a label has 32 characters at most".into()),
            (
                "settings/partners/demo-travel/credit",
                "way=credit&amount.amount=x&amount.currency=EUR&note=x".into(),
                "credit-amount.amount",
                "“Amount” must be a number above 0, up to".into(),
            ),
            (
                "inventory/import",
                format!("{import}&file=iccid&pasted=iccid"),
                "import-pasted",
                "only one of them can be sent".into(),
            ),
            ("inventory/import", format!("{import}&file=%00i%00c"), "import-file", "Save it as CSV in UTF-8".into()),
        ] {
            let page = desk.post(&format!("/console/{path}"), &fields).await;
            let (text, error) = (page.text(), format!("id=\"{at}-error\""));
            let wrong = text.split(&error).nth(1).unwrap_or_default();
            if page.status != 422 || !wrong.split("</p>").next().unwrap_or_default().contains(&*said) {
                let refused = text.split("role=\"alert\"").nth(1).unwrap_or(&text);
                complaints.push(format!("{path} {fields}: {} {}", page.status, refused.chars().take(200).collect::<String>()));
            }
        }
        assert_eq!(complaints, [] as [&str; 0], "{complaints:#?}");
        // A file that is too large is not even sent.
        desk.open("/console/inventory/import").await;
        let script = "const input = document.querySelector('#import-file'), files = new DataTransfer();
            files.items.add(new File([new Uint8Array(5 * 1024 * 1024)], 'large.csv')); input.files = files.files;
            input.dispatchEvent(new Event('change', {bubbles: true})); return input.validationMessage";
        let said = browser.web.execute(script).await.unwrap();
        assert!(said.as_str().unwrap().starts_with("This file is too large"), "{said}");
    });
}
