//! Cards in the post: ordered with an address or by number, sent by a manager, or given back before that.

use crate::acts::{
    audit, by_balance, card, delivered, drained, mail_kinds, managing, paid_back, sim, sim_is, subscription_of, tell,
};
use crate::api::{By, Site, draft, list, num};
use serde_json::{Value, json};
use simdock_domain::Iccid;
use simdock_store::SimState;
use std::fmt::Write;

const PLAN: &str = "world-2gb-30d";
const POOL: &str = "meridian.20.physical";

fn address() -> Value {
    json!({"lines": ["12 Rua Augusta", "3º"], "city": "Lisboa", "region": "Lisboa", "postalCode": "1100-053", "country": "PT"})
}

/// An order of so many cards by post, paid from the balance.
fn by_post(plan: &str, count: u32) -> Value {
    let mut draft = by_balance(plan);
    (draft["formFactor"], draft["count"]) = (json!("physical"), count.into());
    draft["subscriber"]["postalAddress"] = address();
    draft
}

/// Waits until an order by post was confirmed, its managers told and its cards activated.
async fn ready_to_ship(site: &Site, order: &Value) -> Value {
    let ready = |order: &Value| {
        mail_kinds(order) == ["confirmation", "manager"]
            && list(order, "emails").iter().all(|mail| mail["status"] == "sent")
            && list(order, "cards").iter().all(|card| card["status"] == "ready")
    };
    site.until(order, "ready to be sent", ready).await
}

fn needs(order: &Value) -> Vec<&str> {
    list(order, "needsAttention").iter().map(|attention| attention["code"].as_str().unwrap()).collect()
}

/// Cards of a pool that are for sale, by number.
async fn for_sale(site: &Site, pool: &str, count: usize) -> Vec<String> {
    let (operator, rest) = pool.split_once('.').unwrap();
    let (profile, form) = rest.split_once('.').unwrap();
    let first = crate::api::unique() * 1000;
    let mut file = "iccid,operator,imsiProfile,formFactor,code\n".to_owned();
    let mut numbers = Vec::new();
    for number in first..first + count {
        let iccid = Iccid::with_check_digit(&format!("894912{number:012}")).unwrap();
        let code = if form == "esim" { format!("LPA:1$rsp.example.com$MATCH-{number}") } else { String::new() };
        writeln!(file, "{iccid},{operator},{profile},{form},{code}").unwrap();
        numbers.push(iccid.to_string());
    }
    site.post("/v1/inventory/imports").by(By::Manager).csv(file).send().await.expect(201);
    numbers
}

#[tokio::test]
async fn a_card_by_post_needs_an_address_and_tells_a_manager() {
    let site = Site::start().await;
    let stock = site.available(POOL).await;
    let refused =
        async |draft: Value, code: &str, field: &str| site.ordering(&draft).send().await.problem(400, code, Some(field));
    let mut nowhere = by_post(PLAN, 1);
    nowhere["subscriber"].as_object_mut().unwrap().remove("postalAddress");
    refused(nowhere, "missing_field", "subscriber.postalAddress").await;
    refused(by_post("eu-5gb-30d", 1), "invalid_field", "formFactor").await;
    for (name, value, code, field) in [
        ("lines", json!([]), "missing_field", "subscriber.postalAddress.lines"),
        ("lines", json!(["a", "b", "c", "d"]), "invalid_field", "subscriber.postalAddress.lines"),
        ("city", Value::Null, "missing_field", "subscriber.postalAddress.city"),
        ("country", json!("Portugal"), "invalid_field", "subscriber.postalAddress.country"),
        ("country", json!("pt"), "invalid_field", "subscriber.postalAddress.country"),
        ("planet", json!("Earth"), "unknown_field", "subscriber.postalAddress.planet"),
    ] {
        let mut draft = by_post(PLAN, 1);
        draft["subscriber"]["postalAddress"][name] = value;
        refused(draft, code, field).await;
    }

    let order = site.order(&by_post(PLAN, 2)).await;
    assert_eq!((&order["status"], &order["formFactor"]), (&json!(0), &json!("physical")));
    assert_eq!(order["subscriber"]["postalAddress"], address());
    let order = ready_to_ship(&site, &order).await;
    assert_eq!((&order["fulfilment"], needs(&order)), (&json!("fulfilling"), vec!["to_ship"]));
    for card in list(&order, "cards") {
        assert_eq!((&card["status"], &card["code"], &card["installUrls"]), (&json!("ready"), &Value::Null, &Value::Null));
    }
    let manager = site.mail(&order, "manager").await;
    for wanted in [num(&order), "12 Rua Augusta", "1100-053", "Ana", order["cards"][1]["iccid"].as_str().unwrap()] {
        assert!(manager.contains(wanted), "no {wanted}: {manager}");
    }
    let confirmation = site.mail(&order, "confirmation").await;
    assert!(confirmation.contains("12 Rua Augusta"), "{confirmation}");
    assert_eq!(site.mails(&order, "qr").await.len(), 0);
    assert_eq!(site.available(POOL).await, stock - 2);

    let shipped = managing(&site, &order, "shipment", &json!({"carrier": "CTT", "number": "RR1"})).send().await.expect(200);
    assert_eq!((&shipped["fulfilment"], needs(&shipped)), (&json!("completed"), vec![]));
    assert_eq!(site.mails(&order, "qr").await.len(), 0);
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn cards_can_be_chosen_by_number() {
    let site = Site::start().await;
    for (plan, pool, form) in
        [(PLAN, POOL, "physical"), ("sandbox-5gb-30d", "sandbox.1.physical", "physical"), (PLAN, "meridian.20.esim", "esim")]
    {
        let stock = site.available(pool).await;
        let numbers = for_sale(&site, pool, 4).await;
        let choose = |numbers: &[String]| {
            let mut draft = by_post(plan, u32::try_from(numbers.len()).unwrap());
            (draft["iccids"], draft["formFactor"], draft["sendEmail"]) = (json!(numbers), json!(form), json!(false));
            draft
        };
        let chosen = [numbers[2].clone(), numbers[0].clone()];
        let order = site.order(&choose(&chosen)).await;
        assert_eq!(order["status"], 0, "{order:#}");
        let got: Vec<&str> = list(&order, "cards").iter().map(|card| card["iccid"].as_str().unwrap()).collect();
        assert_eq!(got, chosen, "each in its place");
        // Those that are sold are not sold again; that it is so is an order of its own.
        let void = site.order(&choose(&[numbers[2].clone(), numbers[1].clone()])).await;
        assert_eq!((&void["status"], &void["voidReason"], &void["cards"]), (&json!(3), &json!("sold_out"), &json!([])));
        let mut by_card = choose(&numbers[2..3]);
        by_card["payment"] = "card".into();
        let late = site.order(&by_card).await;
        assert_eq!((&late["status"], site.pay(&late).await), (&json!(-1), "owed_back".to_owned()));
        paid_back(&site, &late).await;
        assert_eq!(site.available(pool).await, stock + 4, "their slots are dead, and found out when they are drawn");

        // Any will do: the dead slots are passed over.
        let mut rest = by_post(plan, u32::try_from(stock).unwrap() + 2);
        (rest["formFactor"], rest["sendEmail"]) = (json!(form), json!(false));
        let rest = site.order(&rest).await;
        assert_eq!(rest["status"], 0, "{rest:#}");
        assert_eq!(site.available(pool).await, 0);
        let mut none = by_post(plan, 1);
        none["formFactor"] = form.into();
        assert_eq!(site.order(&none).await["voidReason"], "sold_out");
    }
    let numbers = for_sale(&site, POOL, 2).await;
    for (count, iccids, field) in [
        (2, json!([numbers[0]]), "iccids"),
        (1, json!(numbers), "iccids"),
        (2, json!([numbers[0], numbers[0]]), "iccids"),
        (1, json!(["8949000000000000001"]), "iccids"),
        (1, json!(["nonsense"]), "iccids"),
    ] {
        let mut draft = by_post(PLAN, count);
        draft["iccids"] = iccids;
        site.ordering(&draft).send().await.problem(400, "invalid_field", Some(field));
    }
    // A card of another pool than the plan's is none that can be had for it.
    let mut other = by_post("sandbox-5gb-30d", 1);
    other["iccids"] = json!([numbers[0]]);
    assert_eq!(site.order(&other).await["voidReason"], "sold_out");
    drained(&site).await;
    audit(&site).await.nothing_missing();
    site.stop().await;
}

#[tokio::test]
async fn what_was_not_sent_goes_back_to_the_shelf_and_is_sold_again() {
    let site = Site::start().await;
    let (stock, pool) = (site.available("sandbox.1.physical").await, "sandbox.1.physical");
    let order = ready_to_ship(&site, &site.order(&by_post("sandbox-5gb-30d", 2)).await).await;
    let cards: Vec<&str> = list(&order, "cards").iter().map(|card| card["iccid"].as_str().unwrap()).collect();
    assert_eq!(site.available(pool).await, stock - 2);
    assert!(list(&order, "cards").iter().all(|card| card["refundable"]["eligible"] == "yes"));
    site.refunding(&order, Some(&cards[..1])).send().await.expect(202);
    let back = paid_back(&site, &order).await;
    assert_eq!((&back["status"], needs(&back)), (&json!(4), vec!["to_ship"]));
    for _ in 0..2 {
        site.advance("PT2M").await;
    }
    assert_eq!((site.available(pool).await, sim(&site, cards[0]).await.state), (stock - 1, SimState::Stocked));
    // The other one is sent, and after that there is no way back.
    managing(&site, &order, "shipment", &json!({"carrier": "CTT", "number": "RR2"})).send().await.expect(200);
    let problem = site.refunding(&order, Some(&cards[1..])).send().await.problem(409, "not_refundable", None);
    assert_eq!(problem["reason"], "shipped");
    assert_eq!(site.read(&order).await["cards"][1]["refundable"]["code"], "shipped");

    // Whoever buys the rest of the shelf gets the one that came back.
    let mut draft = by_post("sandbox-5gb-30d", u32::try_from(stock).unwrap() - 1);
    draft["sendEmail"] = false.into();
    let rest = site.order(&draft).await;
    let sold: Vec<&str> = list(&rest, "cards").iter().map(|card| card["iccid"].as_str().unwrap()).collect();
    assert!(sold.contains(&cards[0]) && !sold.contains(&cards[1]), "{sold:?}");
    let rest = site.until(&rest, "activated", |order| list(order, "cards").iter().all(|card| card["status"] == "ready")).await;
    // Its first buyer sees nothing of what became of it.
    let gone = &site.read(&order).await["cards"][0];
    assert_eq!((&gone["status"], &gone["mobileNumber"]), (&json!("cancelled"), &Value::Null));
    assert_ne!(
        list(&rest, "cards").iter().find(|card| card["iccid"] == cards[0]).unwrap()["subscriptionId"],
        gone["subscriptionId"]
    );
    drained(&site).await;
    audit(&site).await.nothing_missing();
    site.stop().await;
}

#[tokio::test]
async fn a_card_in_a_phone_is_in_use_once_the_network_sees_it() {
    let site = Site::start().await;
    let order = ready_to_ship(&site, &site.order(&by_post("sandbox-5gb-30d", 1)).await).await;
    managing(&site, &order, "shipment", &json!({"carrier": "CTT", "number": "RR3"})).send().await.expect(200);
    assert_eq!(tell(&site, card(&order), json!({"type": "first_attach", "country": "PT"})).await, "recorded");
    let active = site.read(&order).await;
    assert_eq!((&active["cards"][0]["status"], &active["status"]), (&json!("active"), &json!(0)));
    assert_eq!(tell(&site, card(&order), json!({"type": "used_up"})).await, "recorded");
    assert_eq!(site.read(&order).await["status"], 5);
    sim_is(&site, card(&order), SimState::Active).await;
    assert!(subscription_of(&order).starts_with("SU"));
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn an_esim_is_no_card_in_the_post() {
    let site = Site::start().await;
    let mut both = draft(PLAN);
    (both["payment"], both["subscriber"]["postalAddress"]) = (json!("balance"), address());
    let order = delivered(&site, &both).await;
    assert_eq!((&order["formFactor"], mail_kinds(&order)), (&json!("esim"), vec!["confirmation", "qr"]));
    assert_eq!(order["subscriber"]["postalAddress"], address(), "it is kept all the same");
    let problem = managing(&site, &order, "shipment", &json!({"carrier": "CTT", "number": "RR4"})).send().await;
    assert_eq!(problem.problem(409, "not_possible", None)["reason"], "nothing_to_ship");
    site.stop().await;
}
