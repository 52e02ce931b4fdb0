//! What a new stack begins with: a catalogue, stock, partners and a manager.

use crate::admin::Catalogue;
use crate::data::Keys;
use crate::error::{Context, StackError};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::http::StatusCode;
use lambda_http::http::header::{AUTHORIZATION, CONTENT_TYPE};
use lambda_http::{Body, Request, RequestExt};
use serde_json::Value;
use simdock_domain::{Iccid, Money};
use simdock_runtime::Config;
use simdock_store::{Principal, Store};
use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

/// The partner whose key the stack prints.
pub const PARTNER: &str = "demo-travel";
/// A partner that sees nothing of the other.
const OTHER_PARTNER: &str = "other-travel";
/// What the demo partner may spend at first, in minor units: 10,000 EUR.
const BALANCE: i64 = 1_000_000;
/// How many cards each pool of the demo has: operator, IMSI profile, cards.
const STOCK: &[(&str, &str, u64)] =
    &[("meridian", "7", 300), ("meridian", "2", 100), ("meridian", "10", 100), ("sandbox", "1", 100)];

/// Puts in what is missing. `inventory` is a CSV as the API imports it, instead of the demo's stock; lines that do not name an
/// operator and IMSI profile are Meridian's profile 7.
pub async fn seed(config: &Config, keys: &Keys, inventory: Option<&Path>) -> Result<(), StackError> {
    let store = Store::new(config).await.context("the tables")?;
    let now = store.clock().now();
    // A version that was changed since stays as it was sold.
    Catalogue::parse(include_str!("catalogue.json"))?.load(&store).await?;
    let partner = |id: &str| Principal::Partner { partner_id: id.to_owned() };
    let manager = Principal::Manager { name: "local-manager".to_owned() };
    let principals =
        [(&keys.partner_key, partner(PARTNER)), (&keys.other_partner_key, partner(OTHER_PARTNER)), (&keys.manager_key, manager)];
    for (key, principal) in &principals {
        store.put_key(key, principal, now).await.context("API key")?;
    }
    let balance = Money { amount: BALANCE, currency: "EUR".parse().context("currency")? };
    store.credit(PARTNER, balance, "credit#opening", now).await.context("balance")?;

    let file = match inventory {
        None => demo_stock()?,
        Some(path) => std::fs::read_to_string(path).context(format!("the inventory {}", path.display()))?,
    };
    import(config, keys, file).await
}

/// Imports cards as a manager would, through the function that the API has for it.
async fn import(config: &Config, keys: &Keys, file: String) -> Result<(), StackError> {
    let app = simdock_import_inventory::App::new(config).await.context("configuration")?;
    let defaults = [("operator", "meridian"), ("imsiProfile", "7")];
    let query: HashMap<String, Vec<String>> =
        defaults.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])).collect();
    let mut request: Request = lambda_http::http::Request::builder()
        .header(AUTHORIZATION, format!("Bearer {}", keys.manager_key))
        .header(CONTENT_TYPE, "text/csv")
        .body(Body::Text(file))
        .context("request")?
        .with_query_string_parameters(query);
    request
        .extensions_mut()
        .insert(lambda_http::request::RequestContext::ApiGatewayV2(ApiGatewayV2httpRequest::default().request_context));
    loop {
        let copy = lambda_http::http::Request::from_parts(request.clone().into_parts().0, request.body().clone());
        let response = app.handle(copy).await;
        match response.status() {
            StatusCode::CREATED => return Ok(()),
            StatusCode::ACCEPTED => {}
            _ => return Err(StackError::new(format!("the inventory was refused: {}", complaint(response.body())))),
        }
    }
}

/// The refusal in lines that a person can read.
fn complaint(body: &[u8]) -> String {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut text = problem["detail"].as_str().unwrap_or("no reason given").to_owned();
    for error in problem["errors"].as_array().into_iter().flatten().take(20) {
        let _ = write!(text, "\n  line {}: {}", error["line"], error["reason"].as_str().unwrap_or_default());
    }
    text
}

/// The demo's cards, the same at every start: made-up numbers of an issuer that does not exist.
fn demo_stock() -> Result<String, StackError> {
    let mut file = "iccid,operator,imsiProfile,code,mobileNumber,activateBefore\n".to_owned();
    let mut card = 0_u64;
    for (operator, profile, count) in STOCK {
        for _ in 0..*count {
            card += 1;
            let iccid = Iccid::with_check_digit(&format!("890990{card:012}")).context("demo stock")?;
            let matching_id = simdock_domain::short_hash(&["demo", iccid.as_str()]);
            // The sandbox operator gives its codes when a card is activated.
            let code = if *operator == "sandbox" { String::new() } else { format!("LPA:1$smdp.simdock.test${matching_id}") };
            let _ = writeln!(file, "{iccid},{operator},{profile},{code},+88237{card:07},2036-12-31");
        }
    }
    Ok(file)
}
