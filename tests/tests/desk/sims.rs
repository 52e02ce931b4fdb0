//! The SIMs page: filters on each of its columns, codes on demand, and the file.

use crate::api::{By, csv, num};
use crate::driver::By as Find;
use crate::shop::{Desk, at_the_desk, by_post};
use hyper::Method;
use serde_json::{Value, json};
use simdock_store::SimEdit;

impl Desk {
    /// Two eSIMs of one order that nobody has seen the codes of.
    async fn two_cards(&self, email: &str) -> (Value, [String; 2]) {
        let mut draft = by_post();
        (draft["planId"], draft["formFactor"], draft["sendEmail"]) = ("eu-5gb-30d".into(), "esim".into(), false.into());
        (draft["count"], draft["subscriber"]["email"]) = (2.into(), email.into());
        // The answer to who pays at once would show the codes.
        draft["payment"] = "card".into();
        let order = self.site.order(&draft).await;
        self.site.pay(&order).await;
        let listed = async || {
            let path = format!("/v1/orders/{}?codes=false", num(&order));
            let order = self.site.get(path).by(By::Manager).send().await.expect(200);
            (order["fulfilment"] == "completed").then_some(order)
        };
        let order = crate::api::eventually("completed", listed).await;
        let cards = [0, 1].map(|card| order["cards"][card]["iccid"].as_str().unwrap().to_owned());
        (order, cards)
    }

    async fn filtered(&self, query: &str) -> bool {
        self.open(&format!("/console/sims?email=filter%40example.com&{query}")).await;
        let none = self.browser.text().await.contains("No card is like that.");
        assert_ne!(none, self.browser.has("tbody tr").await, "{query}");
        !none
    }
}

#[test]
fn each_column_has_a_filter() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let (order, _) = desk.line("filter@example.com").await;
        let iccid = order["cards"][0]["iccid"].as_str().unwrap();
        let edit = json!({"note": "Für Anas Reise", "labels": ["VIP"], "rules": {"suspendAtMonthMb": 4000}});
        desk.site.call(Method::PATCH, format!("/v1/sims/{iccid}")).by(By::Manager).json(&edit).send().await.expect(200);
        let used = json!({"type": "usage", "usedMb": 120, "country": "ES"});
        desk.site.reporting(iccid, json!({"type": "first_attach", "country": "ES"})).send().await.expect(200);
        desk.site.reporting(iccid, used).send().await.expect(200);
        for (query, shown) in [
            (format!("iccid={iccid}"), true),
            ("status=active&formFactor=esim&simType=prepaid&inSession=n%2Fa".to_owned(), true),
            ("status=blank".to_owned(), false),
            ("operator=Sandbox&imsiProfile=1".to_owned(), true),
            ("operator=meridian".to_owned(), false),
            ("planId=sandbox-5gb-30d&partnerId=demo-travel".to_owned(), true),
            ("partnerId=other-travel".to_owned(), false),
            ("minDataLeftMb=5000&maxDataLeftMb=5000".to_owned(), true),
            ("maxDataLeftMb=4999".to_owned(), false),
            ("minDaysLeft=30&maxDaysLeft=30".to_owned(), true),
            ("minDaysLeft=31".to_owned(), false),
            ("minMonthMb=120&maxMonthMb=120".to_owned(), true),
            ("minMonthMb=121".to_owned(), false),
            ("note=f%C3%9Cr+anas".to_owned(), true),
            ("note=bens".to_owned(), false),
            ("hasRules=true&label=vip".to_owned(), true),
            ("hasRules=false".to_owned(), false),
        ] {
            assert_eq!(desk.filtered(&query).await, shown, "{query}");
        }
        // The form offers what there is, and keeps what was asked for.
        desk.open("/console/sims").await;
        browser.find(".filters summary").await.click().await.unwrap();
        for (name, value) in [("operator", "sandbox"), ("planId", "sandbox-5gb-30d"), ("note", "reise"), ("minDataLeftMb", "10")]
        {
            browser.fill("form.filters", name, value).await;
        }
        browser.press("form.filters button").await;
        browser.shows("Für Anas Reise").await;
        assert_eq!(browser.find("[name=operator]").await.value().await.unwrap(), "sandbox");
        assert_eq!(browser.find("[name=minDataLeftMb]").await.value().await.unwrap(), "10");
        browser.fill("form.filters", "maxDataLeftMb", "9").await;
        browser.press("form.filters button").await;
        browser.shows("must not be below the least").await;
        browser.width(390).await;
        browser.picture("sims-filters-390").await;
        browser.width(1280).await;
        browser.picture("sims-filters-1280").await;
    });
}

#[test]
fn unlimited_data_is_called_so_wherever_the_card_stands() {
    at_the_desk(async |desk| {
        let more = desk.site.post("/v1/inventory/imports?operator=sandbox&imsiProfile=1").by(By::Manager).csv(csv(1320, 1));
        more.send().await.expect(201);
        let mut draft = crate::api::draft("sandbox-monthly");
        (draft["payment"], draft["subscriber"]["email"]) = ("balance".into(), "unlimited@example.com".into());
        let order = desk.site.settled(&desk.site.order(&draft).await).await;
        desk.open("/console/sims?email=unlimited%40example.com").await;
        assert_eq!(desk.browser.find("tbody td.n").await.text().await.unwrap(), "unlimited");
        desk.open(&format!("/console/sims/{}", order["cards"][0]["iccid"].as_str().unwrap())).await;
        desk.browser.shows("Data left\nunlimited").await;
    });
}

#[test]
fn a_code_is_shown_in_its_row_and_no_other_is_disclosed() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let (order, [shown, other]) = desk.two_cards("codes@example.com").await;
        desk.open("/console/sims?email=codes%40example.com").await;
        assert!(!browser.text().await.contains("LPA:1$"));
        // Its days are those in which it can be installed, and not its plan's.
        browser.shows("to install it").await;
        let row = format!("//tr[contains(., '{shown}')]");
        browser.web.find(Find::XPath(&format!("{row}//summary"))).await.unwrap().click().await.unwrap();
        browser.web.find(Find::XPath(&format!("{row}//button"))).await.unwrap().click().await.unwrap();
        browser.shows("LPA:1$").await;
        assert!(browser.has(&format!("img[alt='QR code of card {shown}']")).await);
        browser.picture("sims-code-1280").await;
        browser.width(390).await;
        desk.open(&format!("/console/sims?iccid={shown}")).await;
        browser.find("details.qr summary").await.click().await.unwrap();
        browser.find("details.qr button").await.click().await.unwrap();
        browser.shows("LPA:1$").await;
        browser.picture("sims-code-390").await;
        browser.width(1280).await;
        // What is done at the desk shows nobody a code.
        desk.open_order(num(&order)).await;
        browser.send("note", &[("note", "called, all is well")]).await;
        browser.shows("called, all is well").await;
        desk.open(&format!("/console/sims?iccid={shown}")).await;
        browser.find("details.qr summary").await.click().await.unwrap();
        browser.find("details.qr button").await.click().await.unwrap();
        browser.shows("LPA:1$").await;
        // What was never shown goes back into stock, what was shown does not.
        let text = browser.text().await;
        let code = text.lines().find(|line| line.starts_with("LPA:1$")).unwrap().to_owned();
        desk.site.refunding(&order, Some(&[&shown, &other])).send().await.expect(202);
        let stands = async |iccid: &str| {
            let card = desk.site.get(format!("/v1/sims/{iccid}")).by(By::Manager).send().await.expect(200);
            card["status"].as_str().unwrap().to_owned()
        };
        let set_aside = async || (stands(&shown).await == "archived").then_some(());
        crate::api::eventually("the card set aside", set_aside).await;
        let back = async || matches!(stands(&other).await.as_str(), "pending" | "blank").then_some(());
        crate::api::eventually("the card on its way into stock", back).await;

        // Of what was not sold, or is not any more, no code is asked for and none is told.
        desk.open("/console/sims?poolId=meridian.7.esim&status=blank").await;
        let blank = browser.find("tbody a").await.text().await.unwrap();
        assert!(!browser.has("details.qr").await);
        let token = browser.find("[name=token]").await.value().await.unwrap();
        let session = browser.web.cookie("simdock-session").await.unwrap();
        for (iccid, reason) in [(&blank, "was not sold"), (&shown, "shows no code")] {
            let call = desk.site.post(format!("/console/sims/{iccid}/code"));
            let call = call.header("cookie", format!("simdock-session={}", session["value"].as_str().unwrap()));
            let call = call.header("origin", desk.site.stack.base_url());
            let page = call.body("application/x-www-form-urlencoded", format!("token={token}")).send().await.text();
            assert!(page.contains(reason) && !page.contains("LPA:1$") && !page.contains(&code), "{page}");
        }
    });
}

#[test]
fn the_file_of_cards_has_the_columns_that_were_chosen() {
    at_the_desk(async |desk| {
        let (order, _) = desk.line("file@example.com").await;
        let iccid = order["cards"][0]["iccid"].as_str().unwrap();
        let edit = json!({"note": "=HYPERLINK(1)", "labels": ["größer", "b"], "rules": {"suspendAtMonthMb": 4000}});
        desk.site.call(Method::PATCH, format!("/v1/sims/{iccid}")).by(By::Manager).json(&edit).send().await.expect(200);
        let file = async |columns: &str| {
            let cookie = format!("simdock-columns-sims={columns}");
            let file = desk.fetch("/console/sims.csv?email=file%40example.com", &cookie).await;
            assert_eq!(file.header("content-disposition"), Some("attachment; filename=\"sims.csv\""));
            file.text()
        };
        let expected = format!("\u{feff}iccid,note,suspendAtMonthMb,labels\n{iccid},'=HYPERLINK(1),4000,\"b, größer\"\n");
        assert_eq!(file("labels.rules.note").await, expected, "in the table's sequence");
        let all = file("").await;
        let header = all.lines().next().unwrap();
        for column in ["suspendAtMonthMb", "dataLeftMb", "subscriptionId", "activateBefore"] {
            assert!(header.contains(column), "{header}");
        }
        // The number comes back as it went, mark and all.
        let import = format!("\u{feff}iccid\n{}\n", all.lines().nth(1).unwrap().split(',').next().unwrap());
        let import =
            desk.site.post("/v1/inventory/imports?operator=sandbox&imsiProfile=1&dryRun=true").by(By::Manager).csv(import);
        let verdict = import.send().await.expect(200);
        assert_eq!(verdict["errors"][0]["code"], "already_in_stock", "{verdict}");
    });
}

#[test]
fn what_a_card_offers_fits_where_it_stands() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let (ready, _) = desk.line("states@example.com").await;
        let ready = ready["cards"][0]["iccid"].as_str().unwrap().to_owned();
        let (ended, line) = desk.line("ended@example.com").await;
        let ended = ended["cards"][0]["iccid"].as_str().unwrap().to_owned();
        let cancel = desk.site.changing(&line, "cancellation", &json!({})).by(By::Manager).send().await.expect(201);
        desk.site.until(&cancel, "done", |order| order["fulfilment"] == "completed").await;
        desk.open("/console/sims?poolId=sandbox.1.esim&status=blank").await;
        let blank = browser.find("tbody a").await.text().await.unwrap();
        for (iccid, status, code, allowed) in [
            (&ready, "Activation ready", true, &["Suspend"] as &[_]),
            (&ended, "Archived", false, &[]),
            (&blank, "Blank", false, &["Set aside or archive"]),
        ] {
            desk.open(&format!("/console/sims/{iccid}")).await;
            assert_eq!(browser.find(".head .state").await.text().await.unwrap(), status);
            assert_eq!(browser.has("details.qr").await, code, "{status}");
            let actions = desk.actions().await;
            for (name, reason) in actions.iter().filter(|(name, _)| name != "Note, labels and rules") {
                assert_eq!(reason.is_none(), allowed.contains(&name.as_str()), "{status}: {name}: {reason:?}");
            }
            desk.open(&format!("/console/sims?iccid={iccid}")).await;
            assert_eq!(browser.has("details.qr").await, code, "{status} in the list");
        }
        desk.site.post(format!("/v1/sims/{blank}/archive")).by(By::Manager).send().await.expect(200);
        desk.open(&format!("/console/sims/{blank}")).await;
        let offered = desk.actions().await;
        let offered: Vec<&str> = offered.iter().filter(|(_, reason)| reason.is_none()).map(|(name, _)| name.as_str()).collect();
        assert_eq!(offered, ["Note, labels and rules", "Restore"]);
        desk.site.post(format!("/v1/sims/{blank}/restore")).by(By::Manager).send().await.expect(200);
    });
}

#[test]
fn who_saves_over_somebody_elses_note_sees_it_first() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let (order, _) = desk.line("note@example.com").await;
        let iccid = order["cards"][0]["iccid"].as_str().unwrap();
        desk.open(&format!("/console/sims/{iccid}")).await;
        browser.unfold("edit").await;
        // Meanwhile, elsewhere.
        let theirs = json!({"note": "Theirs <b>", "labels": ["vip"], "rules": {"suspendAtMonthMb": 900}});
        desk.site.call(Method::PATCH, format!("/v1/sims/{iccid}")).by(By::Manager).json(&theirs).send().await.expect(200);
        browser.send("edit", &[("note", "Mine"), ("labels", "spain")]).await;
        browser.shows("Somebody else saved this meanwhile:").await;
        let between = browser.find("#between").await.text().await.unwrap();
        let changes = ["Note: nothing → “Theirs <b>”", "Labels: nothing → “vip”", "Suspend at MB a month: nothing → “900”"];
        assert!(changes.iter().all(|text| between.contains(text)), "{between}");
        // What was typed stays, with what stands there beside it; what was not touched is as it stands.
        for (name, value, beside) in [
            ("note", "Mine", "now it is “Theirs <b>”."),
            ("labels", "spain", "now it is “vip”."),
            ("rules.suspendAtMonthMb", "900", ""),
        ] {
            assert_eq!(browser.find(&format!("#edit [name='{name}']")).await.value().await.unwrap(), value, "{name}");
            let error = format!("[id='edit-{name}-error']");
            assert_eq!(browser.has(&error).await, !beside.is_empty(), "{name}");
            assert!(beside.is_empty() || browser.find(&error).await.text().await.unwrap().ends_with(beside), "{name}");
        }
        let read = async || desk.site.get(format!("/v1/sims/{iccid}")).by(By::Manager).send().await.expect(200);
        assert_eq!((&read().await["note"], &read().await["labels"]), (&theirs["note"], &theirs["labels"]));
        browser.picture("sim-note-conflict-1280").await;
        browser.width(390).await;
        browser.picture("sim-note-conflict-390").await;
        browser.width(1280).await;
        browser.send("edit", &[("labels", "spain, vip")]).await;
        browser.shows("Saved.").await;
        let saved = read().await;
        assert_eq!(
            (&saved["note"], &saved["labels"], &saved["rules"]),
            (&json!("Mine"), &json!(["spain", "vip"]), &theirs["rules"])
        );

        // A label of before it could have no comma stays one while the note alone changes.
        let store = desk.site.store().await;
        let card = store.sims(&[iccid.parse().unwrap()]).await.unwrap().remove(0);
        let labels = SimEdit::Labels(vec!["a,b".to_owned(), "c".to_owned()]);
        store.edit_sim(&card, &[labels], "before").await.unwrap().unwrap();
        desk.open(&format!("/console/sims/{iccid}")).await;
        browser.send("edit", &[("note", "Ours")]).await;
        browser.shows("Saved.").await;
        assert_eq!((&read().await["note"], &read().await["labels"]), (&json!("Ours"), &json!(["a,b", "c"])));
    });
}

#[test]
fn a_rule_that_would_have_no_effect_is_not_offered() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        desk.open("/console/sims?poolId=meridian.7.esim&status=blank").await;
        browser.press("tbody a").await;
        assert!(!browser.has("[name='rules.suspendAtMonthMb']").await);
        browser.shows("nobody can suspend it").await;
        browser.picture("sim-preloaded-1280").await;
        browser.send("edit", &[("note", "kept for Ana")]).await;
        browser.shows("Saved.").await;
        browser.shows("kept for Ana").await;
    });
}
