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

        // Columns are kept.
        browser.find("details.chooser summary").await.click().await.unwrap();
        browser.find("details.chooser [value=ids]").await.click().await.unwrap();
        browser.press("details.chooser button").await;
        browser.shows("Own ids").await;
        desk.open("/console/orders?status=99").await;
        browser.shows("status must be a status code").await;

        let cookie = browser.web.cookie("simdock-session").await.unwrap();
        let cookie = format!("simdock-session={}", cookie["value"].as_str().unwrap());
        let file = desk.site.get("/console/orders.csv?email=many%40example.com").header("cookie", cookie).send().await;
        assert_eq!(file.header("content-disposition"), Some("attachment; filename=\"orders.csv\""));
        let text = file.text();
        assert_eq!(text.lines().count(), 28);
        assert!(text.contains(",'=cmd,"), "no formula");
        browser.fill("form.find", "q", num(&unpaid)).await;
        browser.find("form.find input").await.type_in("\u{e007}").await.unwrap();
        browser.shows("Pay until").await;
    });
}
