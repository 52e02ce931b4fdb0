//! Cards coming in, and what is written about them.

use crate::api::csv;
use crate::shop::at_the_desk;

#[test]
fn a_file_is_judged_before_it_goes_in() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let before = desk.site.available("meridian.2.esim").await;
        desk.open("/console/inventory/import").await;
        browser.press("#import button").await;
        browser.shows("Choose a file").await;
        let file = csv(500, 3) + "8949110000000000009,LPA:1$rsp.example.com$X\n";
        let path = std::env::temp_dir().join(format!("simdock-desk-{}.csv", std::process::id()));
        std::fs::write(&path, &file).unwrap();
        browser.find("[name=file]").await.type_in(path.to_str().unwrap()).await.unwrap();
        browser.fill("#import", "operator", "meridian").await;
        browser.fill("#import", "imsiProfile", "2").await;
        browser.press("#import button").await;
        browser.shows("1 cannot").await;
        assert_eq!(desk.site.available("meridian.2.esim").await, before, "nothing is written yet");
        browser.find("[name=skipInvalid]").await.click().await.unwrap();
        browser.press("#commit button").await;
        browser.shows("3 cards went into stock.").await;
        assert_eq!(desk.site.available("meridian.2.esim").await, before + 3);
        std::fs::remove_file(path).unwrap();
    });
}
