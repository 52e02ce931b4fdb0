//! Partners with their money, and stock: some that came in with errors, some set aside, and some of an operator that left.

use super::desk::{ANA, BEN, Desk, draft, iccid, with};
use crate::demo::api::{Ask, By};
use crate::demo::text;
use crate::error::{Context, StackError};
use crate::seed::OTHER_PARTNER;
use serde_json::json;
use simdock_domain::{ActivationCode, Iccid, PoolId};
use simdock_store::{ADMINISTRATOR, ImportLine, NewCard, Store};
use std::time::{Duration, Instant};

/// A pool of an operator that is not in the catalogue any more.
const LEFT_POOL: &str = "nordkom.3.esim";
/// How long its card may take to come into stock.
const IMPORT: Duration = Duration::from_secs(20);

/// Puts them in.
pub async fn put(desk: &Desk<'_>) -> Result<(), StackError> {
    partners(desk).await?;
    stock(desk).await?;
    left_behind(desk).await
}

/// One that buys and has less than it should, and one that is new.
async fn partners(desk: &Desk<'_>) -> Result<(), StackError> {
    let path = format!("/v1/partners/{OTHER_PARTNER}");
    let credits = format!("{path}/credits");
    for (amount, note) in [(50_000, "Transfer of 14 November"), (-2_500, "Bank charges")] {
        let credit = json!({"amount": {"amount": amount, "currency": "EUR"}, "note": note});
        desk.make(By::Manager, &credits, &credit).await?;
    }
    let level = json!({"alarmLevels": [{"amount": 47_000, "currency": "EUR"}], "giftQuota": 10});
    desk.ask(Ask::patch(path, &level).by(By::Manager)).await?;
    let nordic = |whom, number| with(draft(whom, "nordic-2gb-14d"), &json!({"channel": "partner", "otherOrderId": number}));
    desk.make(By::OtherPartner, "/v1/orders", &nordic(ANA, "OT-311")).await?;
    let back = desk.make(By::OtherPartner, "/v1/orders", &nordic(BEN, "OT-312")).await?;
    let refund = json!({"reason": "Bought by mistake", "iccids": [iccid(&back, 0)?]});
    let path = format!("/v1/orders/{}/refund", text(&back, "orderNum")?);
    desk.ask(Ask::post(path, &refund).by(By::OtherPartner)).await?;

    let atlas = json!({"partnerId": "atlas-trips", "display": "Atlas Trips"});
    desk.make(By::Manager, "/v1/partners", &atlas).await?;
    let key = json!({"role": "partner", "partnerId": "atlas-trips", "name": "shop"});
    desk.make(By::Manager, "/v1/keys", &key).await.map(|_| ())
}

/// A file with a line that cannot go in, and a card of it that a manager sets aside.
async fn stock(desk: &Desk<'_>) -> Result<(), StackError> {
    let cards: Vec<Iccid> = (1..=12).map(|card| number(991, card)).collect::<Result<_, _>>()?;
    let lines: Vec<&str> = cards.iter().map(Iccid::as_str).chain(["89099100000000"]).collect();
    let ask = Ask::post("/v1/inventory/imports?operator=sandbox&imsiProfile=1&skipInvalid=true", &json!(null));
    desk.ask(ask.by(By::Manager).body("text/csv", format!("iccid\n{}\n", lines.join("\n")))).await?;
    let aside = &cards[0];
    let note = json!({"note": "Shown at the fair", "labels": ["sample"]});
    desk.ask(Ask::patch(format!("/v1/sims/{aside}"), &note).by(By::Manager)).await?;
    desk.ask(Ask::post(format!("/v1/sims/{aside}/archive"), &json!({})).by(By::Manager)).await.map(|_| ())
}

/// A card whose operator left the catalogue. The API does not take such a card in, and has no way to take an operator away.
async fn left_behind(desk: &Desk<'_>) -> Result<(), StackError> {
    let store = Store::new(&desk.stack.config()).await.context("the tables")?;
    let card = NewCard {
        iccid: number(992, 1)?,
        pool: PoolId::try_from(LEFT_POOL.to_owned()).map_err(StackError::new)?,
        activation_code: Some(ActivationCode::new("smdp.simdock.test", "LEFT-BEHIND-1", None, false).context("code")?),
        msisdn: None,
        activate_before: None,
    };
    let id = Store::import_id(ADMINISTRATOR, "", LEFT_POOL);
    store.begin_import(&id, 1, vec![ImportLine { line: 2, card }], &[], ADMINISTRATOR).await.context("the card")?;
    store.run_import(&id, Instant::now() + IMPORT).await.context("the card").map(|_| ())
}

fn number(issuer: u16, card: u64) -> Result<Iccid, StackError> {
    Iccid::with_check_digit(&format!("890{issuer}{card:012}")).context("sample card")
}
