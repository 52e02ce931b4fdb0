//! The Orders Table: filters, columns, pages, and the file.

use crate::api::num;
use crate::shop::{at_the_desk, by_post};

#[test]
fn orders_are_filtered_paged_and_exported() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let mut draft = by_post();
        (draft["planId"], draft["formFactor"]) = ("eu-5gb-30d".into(), "esim".into());
        draft["subscriber"]["email"] = "many@example.com".into();
        draft["sendEmail"] = false.into();
        draft["otherOrderId"] = "=cmd".into();
        for _ in 0..26 {
            desk.site.order(&draft).await;
        }
        // Orders of one second stand in no order: the last is to be the newest.
        desk.site.advance("PT1S").await;
        draft["payment"] = "card".into();
        let unpaid = desk.site.order(&draft).await;
        desk.open("/console/orders").await;
        browser.fill("form.filters", "status", "-1").await;
        browser.fill("form.filters", "email", "many@example.com").await;
        browser.press("form.filters button").await;
        browser.shows("1 order").await;
        browser.shows(num(&unpaid)).await;
        assert!(browser.url().await.contains("status=-1"));
        desk.open("/console/orders?email=many%40example.com&sort=oldest").await;
        browser.shows("25 orders on this page, and more").await;
        browser.press("a[rel=next]").await;
        assert!(browser.url().await.contains("email=many%40example.com") && browser.url().await.contains("sort=oldest"));
        browser.shows("2 orders, the last ones").await;
        // Of a subscriber's, some stand beside the lines, and the list has all.
        desk.open("/console/subscribers?email=many%40example.com").await;
        browser.shows("10 orders on this page, and more in the list of orders; partner by partner").await;
        browser.press("a[href='/console/orders?email=many%40example.com']").await;
        browser.shows("25 orders on this page, and more").await;

        // The time is all that an index sorts by, and by a mail address alone not even that.
        assert!(!browser.has("thead [aria-sort]").await);
        browser.shows("partner by partner").await;
        desk.open("/console/orders?partnerId=demo-travel&sort=oldest").await;
        assert_eq!(browser.find("thead [aria-sort]").await.attribute("aria-sort").await.unwrap(), "ascending");
        browser.press("thead [aria-sort] a").await;
        assert_eq!(browser.find("thead [aria-sort]").await.attribute("aria-sort").await.unwrap(), "descending");
        assert!(browser.url().await.ends_with("?partnerId=demo-travel"), "{}", browser.url().await);
        browser.shows(num(&unpaid)).await;

        // Partners are offered to whoever goes to the field, and read no sooner.
        assert!(!browser.has("#partners option").await);
        browser.find("[name=partnerId]").await.click().await.unwrap();
        let offered = browser.find("#partners option[value='demo-travel']").await;
        assert_eq!(offered.attribute("value").await.unwrap(), "demo-travel");

        // Columns are kept.
        browser.find("details.chooser summary").await.click().await.unwrap();
        browser.find("details.chooser [value=ids]").await.click().await.unwrap();
        browser.press("details.chooser button").await;
        browser.shows("Own ids").await;
        desk.open("/console/orders?status=99").await;
        browser.shows("“Status” must be a status code").await;

        // A last day alone does not lead back to the first order.
        desk.open("/console/orders?to=2020-01-01").await;
        browser.shows("the 31 days up to then are looked through; name the first day to go further back").await;

        // None is those shown at first.
        desk.open("/console/orders").await;
        browser
            .web
            .execute("document.querySelectorAll('.chooser [type=checkbox]').forEach(box => box.checked = false)")
            .await
            .unwrap();
        browser.find("details.chooser summary").await.click().await.unwrap();
        browser.press("details.chooser button").await;
        browser.shows("Ordered").await;
        assert!(!browser.find("thead").await.text().await.unwrap().contains("Own ids"));

        let file = async |columns: &str| {
            let cookie = format!("simdock-columns-orders={columns}");
            let file = desk.fetch("/console/orders.csv?email=many%40example.com", &cookie).await;
            assert_eq!(file.header("content-disposition"), Some("attachment; filename=\"orders.csv\""));
            file.text()
        };
        let text = file("").await;
        assert_eq!(text.lines().count(), 28);
        assert!(text.contains(",'=cmd,"), "no formula");
        let chosen = file("ids.price").await;
        assert!(chosen.starts_with("\u{feff}orderNum,needsAttention,price,currency,otherOrderId,otherItemId\n"), "{chosen}");
        assert!(chosen.contains(",14.50,EUR,'=cmd,\n"), "{chosen}");
        browser.fill("form.find", "q", num(&unpaid)).await;
        browser.find("form.find input").await.type_in("\u{e007}").await.unwrap();
        browser.shows("Pay until").await;
    });
}

#[test]
fn days_are_those_of_who_looks() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let mut draft = by_post();
        (draft["planId"], draft["formFactor"], draft["payment"]) = ("eu-5gb-30d".into(), "esim".into(), "card".into());
        draft["subscriber"]["email"] = "days@example.com".into();
        let order = desk.site.order(&draft).await;
        let at = order["createdAt"].as_str().unwrap().to_owned();
        let (day, hour) = (&at[..10], at[11..13].parse::<u32>().unwrap());
        // Where it is another day than in UTC.
        let zone = if hour < 12 { "Etc/GMT+12" } else { "Pacific/Kiritimati" };
        browser.zone(zone).await;
        desk.open("/console/orders?email=days%40example.com").await;
        let local = format!(
            "const at = new Date('{at}'); return at.getFullYear() + '-' + String(at.getMonth() + 1).padStart(2, '0') + '-' + String(at.getDate()).padStart(2, '0')"
        );
        let local = browser.web.execute(&local).await.unwrap().as_str().unwrap().to_owned();
        assert_ne!(local, day);
        browser.find(".filters summary").await.click().await.unwrap();
        browser.shows("days in your time zone").await;
        for (chosen, shown) in [(local.as_str(), true), (day, false)] {
            browser.fill("form.filters", "from", chosen).await;
            browser.fill("form.filters", "to", chosen).await;
            browser.press("form.filters button").await;
            browser.shows(if hour < 12 { "days in UTC−12:00" } else { "days in UTC+14:00" }).await;
            assert_eq!(browser.text().await.contains(num(&order)), shown, "{chosen} {at}");
        }
        browser.picture("orders-filters-1280").await;
        browser.width(390).await;
        desk.open("/console/orders?otherOrderId=shop-1&otherItemId=2").await;
        browser.picture("orders-filters-390").await;
        browser.width(1280).await;
        // Without the script's word they are those of UTC, and the page says so.
        for (chosen, shown) in [(local.as_str(), false), (day, true)] {
            desk.open(&format!("/console/orders?email=days%40example.com&from={chosen}&to={chosen}")).await;
            assert!(browser.text().await.contains("days in UTC\n"), "{}", browser.text().await);
            assert_eq!(browser.text().await.contains(num(&order)), shown, "{chosen} {at}");
        }
        browser.zone("").await;
    });
}

#[test]
fn a_phone_shows_the_little_that_tells_orders_apart_and_unfolds_the_rest() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let mut draft = by_post();
        (draft["planId"], draft["formFactor"], draft["payment"]) = ("eu-5gb-30d".into(), "esim".into(), "card".into());
        draft["subscriber"]["email"] = "a-rather-long-address@travel.example.com".into();
        for _ in 0..25 {
            desk.site.order(&draft).await;
        }
        browser.width(390).await;
        desk.open("/console/orders").await;
        browser.shows("25 orders").await;
        let height = "return document.querySelector('table').offsetHeight / document.querySelectorAll('tbody tr').length";
        let height = browser.web.execute(height).await.unwrap().as_f64().unwrap();
        assert!(height < 180.0, "{height} pixels each");
        let row = async || browser.find("tbody tr").await.text().await.unwrap();
        assert!(row().await.contains("Unpaid") && !row().await.contains("demo-travel"), "{}", row().await);
        browser.find("tbody button.more").await.click().await.unwrap();
        assert!(row().await.contains("demo-travel"), "{}", row().await);
        browser.picture("orders-unfolded-390").await;
        browser.find("tbody button.more").await.click().await.unwrap();
        assert!(!row().await.contains("demo-travel"));
        browser.width(1280).await;
        desk.open("/console/orders").await;
        assert!(row().await.contains("Web"), "{}", row().await);
    });
}

#[test]
fn rows_are_cards_on_a_phone() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        desk.site.order(&by_post()).await;
        let looks = "const cell = document.querySelector('tbody td');
            return [getComputedStyle(cell.parentElement).display, getComputedStyle(cell, '::before').content]";
        for (width, expected) in [(390, ["grid", "\"Status\""]), (1280, ["table-row", "none"])] {
            browser.width(width).await;
            desk.open("/console/orders").await;
            assert_eq!(browser.web.execute(looks).await.unwrap(), serde_json::json!(expected), "{width}");
        }
    });
}
