//! What a new stack begins with: a catalogue, stock, partners and a manager.

use crate::admin::Catalogue;
use crate::data::Keys;
use crate::error::{Context, StackError};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::http::StatusCode;
use lambda_http::http::header::{AUTHORIZATION, CONTENT_TYPE};
use lambda_http::{Body, Request, RequestExt};
use serde_json::Value;
use simdock_domain::{FormFactor, Iccid, Money, PoolId};
use simdock_runtime::Config;
use simdock_store::{ADMINISTRATOR, Credit, PartnerChange, Principal, Store};
use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

/// The partner whose key the stack prints.
pub const PARTNER: &str = "demo-travel";
/// A partner that sees nothing of the other.
pub const OTHER_PARTNER: &str = "other-travel";
/// What the demo partner may spend at first, in minor units: 10,000 EUR.
const BALANCE: i64 = 1_000_000;
/// Below how much the demo partner's balance is low, in minor units.
const LOW_BALANCE: i64 = 900_000;
/// Below how many cards a pool of the demo is low.
const LOW_STOCK: u64 = 5;
/// How many cards each pool of the demo has: operator, IMSI profile, form factor, cards.
const STOCK: &[(&str, &str, FormFactor, u64)] = &[
    ("meridian", "7", FormFactor::Esim, 150),
    ("meridian", "2", FormFactor::Esim, 40),
    ("meridian", "10", FormFactor::Esim, 40),
    ("sandbox", "1", FormFactor::Esim, 30),
    ("meridian", "20", FormFactor::Esim, 20),
    ("meridian", "20", FormFactor::Physical, 20),
    ("sandbox", "1", FormFactor::Physical, 10),
];

/// Puts in what is missing. `inventory` is a CSV as the API imports it, instead of the demo's stock; lines that do not name an
/// operator and IMSI profile are Meridian's profile 7. Cards that came in before are left as they are, so the file may grow.
pub async fn seed(config: &Config, keys: &Keys, inventory: Option<&Path>) -> Result<(), StackError> {
    let store = Store::new(config).await.context("the tables")?;
    // A version that was changed since stays as it was sold.
    Catalogue::parse(include_str!("catalogue.json"))?.load(&store).await?;
    let partner = |id: &str| Principal::Partner { partner_id: id.to_owned() };
    let manager = Principal::Manager { name: "local-manager".to_owned() };
    let principals =
        [(&keys.partner_key, partner(PARTNER)), (&keys.other_partner_key, partner(OTHER_PARTNER)), (&keys.manager_key, manager)];
    for (key, principal) in &principals {
        store.put_key(key, principal, None, ADMINISTRATOR).await.context("API key")?;
    }
    let balance = Money { amount: BALANCE, currency: "EUR".parse().context("currency")? };
    store.credit(&Credit::new(PARTNER, balance, "credit#opening")).await.context("balance")?;
    let watch = PartnerChange { alarm_levels: vec![Money { amount: LOW_BALANCE, ..balance }], ..PartnerChange::default() };
    store.change_partner(PARTNER, &watch, ADMINISTRATOR).await.context("alarm level")?;

    let file = match inventory {
        None => demo_stock()?,
        Some(path) => std::fs::read_to_string(path).context(format!("the inventory {}", path.display()))?,
    };
    import(config, keys, file).await?;
    for (operator, profile, form_factor, _) in STOCK {
        let pool = PoolId::new(operator, profile, *form_factor).map_err(StackError::new)?;
        // With an inventory of one's own, not every pool is there.
        store.set_pool_alarm(&pool, None, LOW_STOCK, ADMINISTRATOR).await.context("alarm level")?;
    }
    Ok(())
}

/// Imports cards as a manager would, through the function that the API has for it.
async fn import(config: &Config, keys: &Keys, file: String) -> Result<(), StackError> {
    let app = simdock_import_inventory::App::new(config).await.context("configuration")?;
    let mut request: Request = lambda_http::http::Request::builder()
        .header(AUTHORIZATION, format!("Bearer {}", keys.manager_key))
        .header(CONTENT_TYPE, "text/csv")
        .body(Body::Text(file))
        .context("request")?;
    request
        .extensions_mut()
        .insert(lambda_http::request::RequestContext::ApiGatewayV2(ApiGatewayV2httpRequest::default().request_context));
    let mut query = HashMap::from([("operator", "meridian"), ("imsiProfile", "7")]);
    loop {
        let copy = lambda_http::http::Request::from_parts(request.clone().into_parts().0, request.body().clone());
        let query_now = query.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()]));
        let response = app.handle(copy.with_query_string_parameters(query_now.collect::<HashMap<_, _>>())).await;
        match response.status() {
            StatusCode::CREATED => return Ok(()),
            StatusCode::ACCEPTED => continue,
            _ => {}
        }
        let problem: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        match new_lines(&problem) {
            Some(0) => return Ok(()),
            Some(_) => query.insert("skipInvalid", "true"),
            None => return Err(StackError::new(format!("the inventory was refused: {}", complaint(&problem)))),
        };
    }
}

/// How many lines are new in a file that was refused only because its other cards came in before; none if there is more to it.
fn new_lines(problem: &Value) -> Option<u64> {
    let errors = problem["errors"].as_array()?;
    let grown = errors.iter().all(|error| error["code"] == "already_in_stock");
    if grown { problem["lines"].as_u64()?.checked_sub(problem["rejected"].as_u64()?) } else { None }
}

/// The refusal in lines that a person can read.
fn complaint(problem: &Value) -> String {
    let mut text = problem["detail"].as_str().unwrap_or("no reason given").to_owned();
    for error in problem["errors"].as_array().into_iter().flatten().take(20) {
        let _ = write!(text, "\n  line {}: {}", error["line"], error["reason"].as_str().unwrap_or_default());
    }
    text
}

/// The demo's cards, the same at every start: made-up numbers of an issuer that does not exist.
fn demo_stock() -> Result<String, StackError> {
    let mut file = "iccid,operator,imsiProfile,formFactor,code,mobileNumber,activateBefore\n".to_owned();
    let mut card = 0_u64;
    for (operator, profile, form_factor, count) in STOCK {
        for _ in 0..*count {
            card += 1;
            let iccid = Iccid::with_check_digit(&format!("890990{card:012}")).context("demo stock")?;
            let matching_id = simdock_domain::short_hash(&["demo", iccid.as_str()]);
            let code = match (*operator, form_factor) {
                // The sandbox operator gives its codes when a card is activated, and a card that is in the post needs none.
                ("sandbox", _) | (_, FormFactor::Physical) => String::new(),
                (_, FormFactor::Esim) => format!("LPA:1$smdp.simdock.test${matching_id}"),
            };
            let _ = writeln!(file, "{iccid},{operator},{profile},{form_factor},{code},+88237{card:07},2036-12-31");
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::{Options, Stack};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_inventory_may_grow_but_not_break() {
        let directory = crate::ids::scratch_directory();
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("cards.csv");
        let mut cards = "ICCID;SM-DP+ Address;Activation Code\n".to_owned();
        for serial in 0..2 {
            let iccid = Iccid::with_check_digit(&format!("898821{serial:012}")).unwrap();
            writeln!(cards, "{iccid};smdp.example.com;K-{serial}").unwrap();
            std::fs::write(&file, &cards).unwrap();
            for _ in 0..2 {
                let options = Options { data: Some(directory.join("data")), inventory: Some(file.clone()), ..Options::default() };
                let stack = Stack::start(options).await.unwrap();
                let levels = Store::new(&stack.config()).await.unwrap().levels().await.unwrap();
                assert_eq!(levels.iter().map(|level| level.available).sum::<u64>(), serial + 1);
                stack.stop().await;
            }
        }
        std::fs::write(&file, cards.replace("smdp.example.com;K-1", "smdp.example.com") + "x;y;z\n").unwrap();
        let options = Options { data: Some(directory.join("data")), inventory: Some(file), ..Options::default() };
        let problem = Stack::start(options).await.err().unwrap().to_string();
        assert!(problem.contains("line 4"), "{problem}");
        std::fs::remove_dir_all(directory).unwrap();
    }
}
