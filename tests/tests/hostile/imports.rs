//! Files of cards: whatever stands in them, every line is accounted for, and the stock grows by what was taken in.

use crate::api::{By, Site, csv, list};
use crate::corpus::hunt;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use tokio::runtime::Runtime;

const WHERE: &str = "/v1/inventory/imports?operator=meridian&imsiProfile=7";

fn count(answer: &Value, name: &str) -> usize {
    usize::try_from(answer[name].as_u64().unwrap()).unwrap()
}

/// Every bad line is named once, in the file's order, by a line that the file has.
fn holds(answer: &Value, file: &[u8]) {
    let errors: Vec<u64> = list(answer, "errors").iter().map(|error| error["line"].as_u64().unwrap()).collect();
    assert_eq!(errors.len(), count(answer, "rejected"));
    assert!(errors.is_sorted_by(|before, after| before < after), "{errors:?}");
    let ends = file.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() as u64;
    assert!(errors.iter().all(|line| (2..=ends + 1).contains(line)), "{errors:?} of {ends} lines");
}

async fn stock(site: &Site) -> u64 {
    let levels = site.get("/v1/inventory").by(By::Manager).send().await.expect(200);
    list(&levels, "items").iter().map(|level| level["added"].as_u64().unwrap()).sum()
}

#[test]
fn files_that_mean_harm() {
    let runtime = Runtime::new().unwrap();
    let site = runtime.block_on(Site::still());
    let before = runtime.block_on(stock(&site));
    let (added, known) = (Cell::new(0), RefCell::new(BTreeSet::new()));
    let import = |path: String, file: &[u8]| {
        let answer = runtime.block_on(site.post(path).by(By::Manager).csv(file.to_vec()).send());
        if answer.status == 201 {
            let done = answer.expect(201);
            holds(&done, file);
            assert_eq!(count(&done, "lines"), count(&done, "accepted") + count(&done, "rejected"));
            let new = known.borrow_mut().insert(done["importId"].to_string());
            added.set(added.get() + if new { count(&done, "added") as u64 } else { 0 });
            return (answer, new);
        }
        (answer, true)
    };
    hunt(file!(), "import", 1, |file| {
        let (answer, _) = import(WHERE.to_owned(), file);
        if answer.status == 201 {
            return true;
        }
        let refused = answer.expect(422);
        if refused["lines"].is_null() {
            return false;
        }
        holds(&refused, file);
        // The good lines of the same file can go in by themselves, if there are any.
        let (rest, new) = import(format!("{WHERE}&skipInvalid=true"), file);
        if !new {
            // They did so before, which is what this request is answered.
        } else if count(&refused, "rejected") < count(&refused, "lines") {
            let rest = rest.expect(201);
            assert_eq!((&rest["rejected"], &rest["errors"]), (&refused["rejected"], &refused["errors"]));
        } else {
            assert_eq!(rest.expect(422)["errors"], refused["errors"]);
        }
        false
    });
    assert_eq!(runtime.block_on(stock(&site)), before + added.get(), "the stock does not add up");
    runtime.block_on(site.stop());
}

/// What was found before: each of these was an error of ours once.
#[tokio::test]
async fn files_with_more_faults_than_an_answer_holds() {
    let site = Site::still().await;
    let send = async |query: &str, file: String| site.post(format!("{WHERE}{query}")).by(By::Manager).csv(file).send().await;

    let bad = |count: usize| format!("{}{}", csv(0, 1), "x,x\n".repeat(count));
    let refused = send("", bad(99_999)).await.expect(422);
    assert_eq!((&refused["lines"], &refused["rejected"]), (&json!(100_000), &json!(99_999)));
    assert_eq!(list(&refused, "errors").len(), 1000);
    let refused = send("&skipInvalid=true", bad(100_000)).await.problem(422, "invalid_csv", None);
    assert_eq!(refused["lines"], Value::Null);
    let done = send("&skipInvalid=true", bad(3000)).await.expect(201);
    assert_eq!((&done["added"], &done["rejected"], list(&done, "errors").len()), (&json!(1), &json!(3000), 1000));

    // Reasons that repeat what stands there, more of it than an item of a table holds.
    let iccid = csv(1, 1).lines().nth(1).unwrap().split(',').next().unwrap().to_owned();
    let long = format!("{iccid},{}\n", "é".repeat(2000));
    let file = format!("iccid,operator\n{}{iccid},sandbox\n", long.repeat(1100));
    let done = send("&skipInvalid=true", file).await.expect(201);
    assert_eq!((&done["added"], &done["rejected"]), (&json!(1), &json!(1100)));
    site.stop().await;
}
