//! Cards coming in, and what is written about them.

use crate::api::csv;
use crate::shop::at_the_desk;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use simdock_domain::short_hash;

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

#[test]
fn a_file_goes_in_whatever_ends_its_lines_and_what_does_not_is_said() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let pool = "meridian.2.esim";
        let path = std::env::temp_dir().join(format!("simdock-desk-crlf-{}.csv", std::process::id()));
        let check = async |file: &str| {
            std::fs::write(&path, file).unwrap();
            desk.open("/console/inventory/import").await;
            browser.find("[name=file]").await.type_in(path.to_str().unwrap()).await.unwrap();
            browser.fill("#import", "operator", "meridian").await;
            browser.fill("#import", "imsiProfile", "2").await;
            browser.press("#import button").await;
        };
        let stock = async || desk.site.available(pool).await;
        let windows = |from, count| csv(from, count).replace('\n', "\r\n");
        // One click puts it in, with Windows' line ends, an empty line before it, and what cannot go in left out.
        let before = stock().await;
        check(&(windows(1200, 2) + "8949110000000000009,LPA:1$rsp.example.com$X\r\n")).await;
        browser.shows("1 cannot").await;
        // Without the tick it says why nothing is done.
        browser.press("#commit button").await;
        browser.shows("Nothing was put into stock: 1 line cannot go in. Leave them out").await;
        assert_eq!((browser.focus().await.0.as_str(), stock().await), ("refused", before));
        browser.find("[name=skipInvalid]").await.click().await.unwrap();
        browser.press("#commit button").await;
        browser.shows("2 cards went into stock.").await;
        check(&format!("\r\n\r\n{}", windows(1210, 1))).await;
        browser.press("#commit button").await;
        browser.shows("1 card went into stock.").await;
        assert_eq!(stock().await, before + 3);
        std::fs::remove_file(path).unwrap();
        // Another file than the judged one is judged first, and what was ticked stays so.
        let fields = "step=commit&checked=another&operator=meridian&imsiProfile=2&formFactor=esim&skipInvalid=true";
        let lines = (csv(1220, 1) + "8949110000000000009,LPA:1$rsp.example.com$X").replace('\n', "%0D%0A").replace('$', "%24");
        let page = desk.post("/console/inventory/import", &format!("{fields}&pasted={lines}")).await;
        let text = page.text();
        assert!(page.status == 422 && text.contains("not the file that was checked"), "{} {text}", page.status);
        assert!(text.contains("name=\"skipInvalid\" value=\"true\" checked"), "{text}");
        // What was put in before is not told as if it came in now.
        let file = csv(1230, 2);
        let fields = format!("step=commit&checked={}&operator=meridian&imsiProfile=2&formFactor=esim", short_hash(&[&file]));
        let fields = format!("{fields}&pasted={}", file.replace('\n', "%0A").replace('$', "%24"));
        for said in ["2 cards went into stock.", "This file was put in before: 2 cards went into stock, and none of them twice."]
        {
            let done = desk.post("/console/inventory/import", &fields).await;
            let flash = done.header("set-cookie").unwrap_or_else(|| panic!("{}", done.text()));
            let flash = flash.strip_prefix("simdock-flash=").unwrap().split(';').next().unwrap();
            assert_eq!(String::from_utf8(URL_SAFE_NO_PAD.decode(flash).unwrap()).unwrap(), said);
            desk.site.advance("PT2S").await;
        }
    });
}

#[test]
fn numbers_of_a_pool_add_up_and_a_new_one_asks_for_its_alarm_level() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        desk.open("/console/inventory/import?operator=meridian&imsiProfile=fresh").await;
        browser.fill("#import", "pasted", &csv(800, 4)).await;
        browser.press("#import button").await;
        browser.press("#commit button").await;
        browser.shows("4 cards went into stock.").await;
        browser.shows("No alarm level is set, so nobody is told when these run out:").await;
        browser.picture("inventory-unwatched-1280").await;
        browser.press(".alerts a[href='/console/inventory/meridian.fresh.esim#alarm']").await;
        browser.shows("Set an alarm level").await;

        // One leaves for good, one is set aside and still counted.
        let card = async || {
            desk.open("/console/sims?poolId=meridian.fresh.esim&status=blank").await;
            browser.find("tbody a").await.text().await.unwrap()
        };
        let aside = card().await;
        desk.open(&format!("/console/sims/{aside}")).await;
        browser.send("archive", &[]).await;
        desk.site.advance("PT2M").await;
        let noted = async || {
            desk.open("/console/inventory/meridian.fresh.esim").await;
            let facts = browser.find("dl.facts").await.text().await.unwrap();
            let days = browser.find("[aria-labelledby=history] tbody").await.text().await.unwrap_or_default();
            (facts.contains("Set aside\n1\nAvailable\n3") && days.ends_with("4 0 1 3")).then_some(())
        };
        crate::api::eventually("the day's line", noted).await;
        browser.picture("pool-aside-1280").await;
        browser.send("alarm", &[("alarmLevel", "2")]).await;
        browser.shows("Saved.").await;
        assert!(!browser.has(".alerts").await);
    });
}
