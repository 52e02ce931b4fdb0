//! Cards put into stock from files.

use crate::api::{Answer, By, Site, csv, draft, list};
use serde_json::{Value, json};
use simdock_domain::Iccid;
use simdock_store::Sim;
use std::fmt::Write;
use std::time::{Duration, Instant};

const POOL: &str = "meridian.7.esim";

async fn import(site: &Site, query: &str, file: impl Into<bytes::Bytes>) -> Answer {
    let path = format!("/v1/inventory/imports?operator=meridian&imsiProfile=7{query}");
    site.post(path).by(By::Manager).csv(file).send().await
}

fn iccid(number: usize) -> Iccid {
    Iccid::with_check_digit(&format!("894911{number:012}")).unwrap()
}

async fn sim(site: &Site, number: usize) -> Sim {
    site.store().await.sims(&[iccid(number)]).await.unwrap().remove(0)
}

#[tokio::test]
async fn ten_thousand_cards_go_in_with_one_request() {
    let site = Site::still().await;
    let before = site.available(POOL).await;
    let begun = Instant::now();
    let answer = import(&site, "", csv(0, 10_000)).await;
    let took = begun.elapsed();
    println!("10,000 cards: {} in {took:.1?}", answer.status);
    assert!(took < Duration::from_secs(18), "{took:?}");
    // A machine that is busy answers before it is through; the sweep then carries on.
    let mut done = answer.expect(if answer.status == 202 { 202 } else { 201 });
    while done["status"] == "running" {
        site.local("sweep", json!({})).await;
        done = site
            .get(format!("/v1/inventory/imports/{}", done["importId"].as_str().unwrap()))
            .by(By::Manager)
            .send()
            .await
            .expect(200);
    }
    assert_eq!((&done["status"], &done["lines"], &done["added"]), (&json!("done"), &json!(10_000), &json!(10_000)));
    assert_eq!(site.available(POOL).await, before + 10_000);
    let path = format!("/v1/inventory/imports/{}", done["importId"].as_str().unwrap());
    assert_eq!(site.get(path).by(By::Manager).send().await.expect(200), done);
    site.stop().await;
}

/// A file with every kind of bad line, and what is said of each.
fn bad_lines() -> (String, Vec<(usize, &'static str)>) {
    let good = |number: usize| iccid(number).to_string();
    let luhn = {
        let good = good(1);
        let last = (good.chars().last().unwrap().to_digit(10).unwrap() + 1) % 10;
        format!("{}{last}", &good[..good.len() - 1])
    };
    let code = |number: usize| format!("LPA:1$rsp.example.com$CARD-{number}");
    let lines = [
        (format!("{},{},,,", good(0), code(0)), None),
        (format!(",{},,,", code(1)), Some("iccid_missing")),
        (format!("{luhn},{},,,", code(1)), Some("iccid_luhn")),
        (format!("8949,{},,,", code(1)), Some("iccid_length")),
        (format!("{}0000,{},,,", good(1), code(1)), Some("iccid_length")),
        (format!("1{},{},,,", &good(1)[1..], code(1)), Some("iccid_prefix")),
        (format!("8949x100000000000012,{},,,", code(1)), Some("iccid_not_digits")),
        (format!("{},{},,,", good(0), code(2)), Some("duplicate")),
        (String::new(), None),
        (format!("{},LPA:2$rsp.example.com$X,,,", good(2)), Some("code")),
        (format!("{},LPA:1$not a host$X,,,", good(3)), Some("code")),
        (format!("{},,,,", good(4)), Some("code")),
        (format!("{},{},12345,,", good(5), code(5)), Some("mobile_number")),
        (format!("{},{},,soon,", good(6), code(6)), Some("activate_before")),
        (format!("{},{},,2026-11-01,", good(7), code(7)), Some("activate_before")),
        (format!("{},{},,,nobody", good(8), code(8)), Some("operator")),
        (format!("{},{},,,A B", good(9), code(9)), Some("pool")),
        (format!("{},{}", good(10), code(10)), Some("columns")),
        (format!("{},{},,,,,,", good(11), code(11)), Some("columns")),
        (format!("8909900000000000013,{},,,", code(12)), Some("already_in_stock")),
        (format!("{}F,{},+34612345678,2027-03-01,meridian", good(13), code(13)), None),
    ];
    let mut file = "iccid,code,mobileNumber,activateBefore,operator\r\n".to_owned();
    let mut bad = Vec::new();
    for (place, (line, reason)) in lines.into_iter().enumerate() {
        write!(file, "{line}\r\n").unwrap();
        bad.extend(reason.map(|reason| (place + 2, reason)));
    }
    (file, bad)
}

#[tokio::test]
async fn every_bad_line_is_reported_and_nothing_or_the_rest_goes_in() {
    let site = Site::still().await;
    let (file, bad) = bad_lines();
    let reported = |answer: &Value| -> Vec<(usize, String)> {
        let error = |error: &Value| {
            (usize::try_from(error["line"].as_u64().unwrap()).unwrap(), error["code"].as_str().unwrap().to_owned())
        };
        list(answer, "errors").iter().map(error).collect()
    };
    let expected: Vec<(usize, String)> = bad.iter().map(|(line, code)| (*line, (*code).to_owned())).collect();
    let before = site.tables().await;
    for query in ["", "&skipInvalid=false"] {
        let refused = import(&site, query, file.clone()).await.problem(422, "invalid_csv", None);
        assert_eq!(reported(&refused), expected);
        assert_eq!((&refused["lines"], &refused["rejected"]), (&json!(20), &json!(18)));
    }
    assert!(site.tables().await == before, "something was written");

    let stock = site.available(POOL).await;
    let done = import(&site, "&skipInvalid=true", file.clone()).await.expect(201);
    assert_eq!(reported(&done), expected);
    assert_eq!((&done["accepted"], &done["rejected"], &done["added"]), (&json!(2), &json!(18), &json!(2)));
    assert_eq!(site.available(POOL).await, stock + 2);
    let card = sim(&site, 13).await;
    assert_eq!(card.msisdn.unwrap().to_string(), "+34612345678");
    assert_eq!(card.activate_before.unwrap().to_string(), "2027-03-01T00:00:00Z");

    // Nothing good in it.
    let none = import(&site, "&skipInvalid=true", format!("iccid,code\n{},\n", iccid(99))).await;
    none.problem(422, "invalid_csv", None);
    for query in ["&skipInvalid=yes", "&skipInvalid=true&skipInvalid=true"] {
        import(&site, query, file.clone()).await.problem(400, "invalid_field", Some("skipInvalid"));
    }
    site.stop().await;
}

#[tokio::test]
async fn the_same_file_twice_is_one_import() {
    let site = Site::still().await;
    let stock = site.available(POOL).await;
    let first = import(&site, "", csv(0, 150)).await.expect(201);
    let written = site.tables().await;
    assert_eq!(import(&site, "", csv(0, 150)).await.expect(201), first);
    assert!(site.tables().await == written, "the second time wrote something");
    // Five at once are one as well.
    let at_once = (0..5).map(|_| import(&site, "", csv(1_000, 150)));
    for answer in futures_util::future::join_all(at_once).await {
        assert!(answer.status == 201 || answer.status == 202, "{}", answer.text());
    }
    site.local("sweep", json!({})).await;
    assert_eq!(site.available(POOL).await, stock + 300);
    // Another file with cards that are there.
    let overlap = import(&site, "", csv(140, 20)).await.problem(422, "invalid_csv", None);
    assert_eq!(list(&overlap, "errors").len(), 10);
    assert!(list(&overlap, "errors").iter().all(|error| error["code"] == "already_in_stock"));
    site.stop().await;
}

#[tokio::test]
async fn files_look_as_suppliers_make_them() {
    let site = Site::still().await;
    let code = |number: usize| format!("LPA:1$rsp.example.com$CARD-{number}");
    let files = [
        // Semicolons, a byte order mark, CRLF, quoted fields, and the supplier's own spelling.
        format!("\u{feff}ICCID;\"LPA String\";MSISDN\r\n\"{}\";\"{}\";\"+34612345678\"\r\n", iccid(0), code(0)),
        // Tabs, parts instead of a code, no line end at the end.
        format!("iccid\tSM-DP+ Address\tmatching_id\n{}\trsp.example.com\tCARD-1", iccid(1)),
        // Blank lines and blanks around the fields.
        format!("iccid , code \n\n  {} ,  {}  \n\n", iccid(2), code(2)),
        // A column that holds the whole code under the name of a part of it; line ends of old Macs.
        format!("iccid,activationCode\r{},{}\r", iccid(3), code(3)),
        // Columns for where the card belongs.
        format!("operator,iccid,profile,form factor,code\nmeridian,{},7,eSIM,{}\n", iccid(4), code(4)),
    ];
    for (number, file) in files.iter().enumerate() {
        let done = import(&site, "", file.clone()).await.expect(201);
        assert_eq!((&done["lines"], &done["added"]), (&json!(1), &json!(1)), "{file}");
        let sim = sim(&site, number).await;
        assert_eq!(sim.activation_code.unwrap().to_string(), code(number));
        assert_eq!(sim.pool.to_string(), POOL);
    }
    for (number, file) in [
        b"".to_vec(),
        b"\n\n".to_vec(),
        b"iccid,code\n".to_vec(),
        b"code\nLPA:1$a.b$C\n".to_vec(),
        b"iccid,colour\n".to_vec(),
        b"iccid,code,lpa\n".to_vec(),
        b"iccid,code\n\xff\xfe\n".to_vec(),
        b"PK\x03\x04 not a CSV".to_vec(),
    ]
    .into_iter()
    .enumerate()
    {
        let refused = import(&site, "", file).await.problem(422, "invalid_csv", None);
        assert_eq!(refused["errors"], Value::Null, "file {number}");
    }
    site.stop().await;
}

#[tokio::test]
async fn a_file_may_have_five_megabytes() {
    let site = Site::still().await;
    let most = 5 * 1024 * 1024;
    // Blank lines weigh as well.
    let padded = |length: usize| {
        let file = csv(0, 1);
        format!("{file}{}", " ".repeat(length - file.len()))
    };
    import(&site, "", padded(most + 1)).await.problem(413, "body_too_large", None);
    let judged = import(&site, "&skipInvalid=true", padded(most)).await.expect(201);
    assert_eq!(judged["added"], 1);
    let json_file = site.post("/v1/inventory/imports").by(By::Manager).json(&json!({}));
    json_file.send().await.problem(415, "unsupported_media_type", Some("Content-Type"));
    site.stop().await;
}

/// Cards of an import are sold like others, and a physical one is none that an eSIM order gets.
#[tokio::test]
async fn imported_cards_are_sold() {
    let site = Site::start().await;
    let file = format!("iccid,code\n{},LPA:1$rsp.example.com$ONLY-ONE\n", iccid(7));
    import(&site, "&imsiProfile=9", file.clone()).await.problem(400, "invalid_field", Some("imsiProfile"));
    let path = "/v1/inventory/imports?operator=meridian&imsiProfile=10&formFactor=physical";
    let physical = site.post(path).by(By::Manager).csv(format!("iccid\n{}\n", iccid(8))).send().await.expect(201);
    assert_eq!(physical["added"], 1);
    site.sell_out("japan-1gb-8d", "meridian.10.esim").await;
    site.stock("10", file).await;
    let order = site.paid(&draft("japan-1gb-8d")).await;
    let order = site.settled(&order).await;
    assert_eq!(order["cards"][0]["code"], "LPA:1$rsp.example.com$ONLY-ONE");
    assert_eq!(site.available("meridian.10.physical").await, 1);
    let late = site.order(&draft("japan-1gb-8d")).await;
    assert_eq!(site.pay(&late).await, "owed_back");
    site.stop().await;
}

/// A code is good for one profile: once it came in, and all the more once somebody has seen it, no other card gets in with it.
#[tokio::test]
async fn a_code_that_was_sold_does_not_come_in_again() {
    let site = Site::start().await;
    let file = |number: usize, code: &str| format!("iccid,code\n{},{code}\n", iccid(number));
    let path = "/v1/inventory/imports?operator=meridian&imsiProfile=10";
    let import = async |query: &str, file: String| site.post(format!("{path}{query}")).by(By::Manager).csv(file).send().await;
    site.sell_out("japan-1gb-8d", "meridian.10.esim").await;
    import("", file(7, "LPA:1$rsp.example.com$ONLY-ONE")).await.expect(201);
    // Whether it is for sale or with its buyer.
    for sold in [false, true] {
        if sold {
            let order = site.settled(&site.paid(&draft("japan-1gb-8d")).await).await;
            assert_eq!(order["cards"][0]["code"], "LPA:1$rsp.example.com$ONLY-ONE");
            assert!(site.store().await.sim(&iccid(7)).await.unwrap().unwrap().disclosed_at.is_some());
        }
        site.swept().await;
        let before = site.tables().await;
        for code in ["LPA:1$rsp.example.com$ONLY-ONE", "1$RSP.Example.com$ONLY-ONE$$1"] {
            let checked = import("&dryRun=true", file(8, code)).await.expect(200);
            let refused = import("", file(8, code)).await.problem(422, "invalid_csv", None);
            import("&skipInvalid=true", file(8, code)).await.problem(422, "invalid_csv", None);
            let reason = format!("the code came in before, with card {}", iccid(7));
            let error = json!({ "line": 2, "iccid": iccid(8).as_str(), "code": "duplicate_code", "reason": reason });
            assert_eq!((&checked["errors"], &refused["errors"]), (&json!([error]), &json!([error])));
            assert_eq!((&checked["accepted"], &checked["rejected"]), (&json!(0), &json!(1)));
        }
        assert!(site.tables().await == before, "something was written");
    }
    assert_eq!(site.available("meridian.10.esim").await, 0);
    let late = site.order(&draft("japan-1gb-8d")).await;
    assert_eq!(site.pay(&late).await, "owed_back");
    // The rest of a file goes in.
    let more = format!("{}{},LPA:1$rsp.example.com$ANOTHER\n", file(8, "LPA:1$rsp.example.com$ONLY-ONE"), iccid(9));
    let done = import("&skipInvalid=true", more).await.expect(201);
    assert_eq!((&done["accepted"], &done["rejected"], &done["added"]), (&json!(1), &json!(1), &json!(1)));
    site.stop().await;
}
