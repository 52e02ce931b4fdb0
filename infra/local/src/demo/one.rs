//! One order from creation to its mail, step by step.

use super::api::{Api, Ask, By};
use super::{PATIENCE, expect, stripe_event, text};
use crate::error::{Context, StackError};
use crate::stack::Stack;
use serde_json::{Value, json};
use simdock_payments::{Secret, sign_stripe};
use std::path::Path;
use std::time::{Duration, Instant};

/// Takes one order through a running stack, prints each step, and writes the mail into `out`. The last line printed is JSON:
/// `{orderNum, status, iccid, code, mail}`.
pub async fn demo(stack: &Stack, out: &Path) -> Result<(), StackError> {
    let api = Api::new(stack);
    println!("Simdock runs at {}", stack.base_url());

    let plan_id = plan_with_stock(&api).await?;
    let order = json!({
        "planId": plan_id, "count": 1, "payment": "card", "channel": "web",
        "subscriber": {"email": "ana@example.com", "name": "Ana", "language": "en"},
        "otherOrderId": "shop-1007", "lineName": "Spain",
    });
    let ordering = || Ask::post("/v1/orders", &order).header("Idempotency-Key", "demo-1");
    let created = api.send(ordering(), &[201]).await?;
    let num = text(&created, "orderNum")?.to_owned();
    println!(
        "1. POST /v1/orders                    -> {num}, status {} ({}), {} to pay until {}",
        created["status"],
        text(&created, "statusName")?,
        price(&created),
        text(&created, "payUntil")?
    );

    let again = api.send(ordering(), &[200]).await?;
    expect(again["orderNum"] == created["orderNum"], "the same request gave another order")?;
    println!("2. the same request again             -> the same order, nothing bought twice");

    let due = &created["price"];
    let event = stripe_event("pi_demo_1", &num, due["amount"].as_i64().unwrap_or_default(), text(due, "currency")?);
    let secret = Secret::stripe(&stack.keys().stripe_secret).context("Stripe secret")?;
    let path = "/v1/webhooks/payments/stripe";
    let webhook = |signed: &str| {
        let signature = sign_stripe(stack.clock().now(), signed.as_bytes(), &secret);
        Ask::post(path, &event).by(By::Nobody).header("Stripe-Signature", signature)
    };
    api.send(webhook("another body"), &[400]).await?;
    println!("3. POST …/payments/stripe, forged     -> refused");
    let paid = api.send(webhook(&event.to_string()), &[200]).await?;
    println!("4. POST …/payments/stripe, signed     -> {}", text(&paid, "result")?);

    let order = wait_for_order(&api, &num, |order| order["fulfilment"] == "completed").await?;
    expect(order["status"] == 0, "the order is not normal")?;
    let card = &order["cards"][0];
    let (iccid, code) = (text(card, "iccid")?, text(card, "code")?);
    println!("5. GET /v1/orders/{num} -> status 0 (normal), card {iccid}, {}", text(card, "status")?);
    println!("6. the code for the phone             -> {code}");

    let mail = wait_for_mail(stack, &num, "qr").await?;
    wait_for_mail(stack, &num, "confirmation").await?;
    let file = out.join(format!("{num}.eml"));
    std::fs::create_dir_all(out).context(format!("the folder {}", out.display()))?;
    std::fs::write(&file, &mail).context(format!("the mail {}", file.display()))?;
    let file = std::path::absolute(&file).unwrap_or(file);
    println!("7. the mail with the QR code          -> {} ({} bytes)", file.display(), mail.len());

    let sent = |order: &Value| {
        order["emails"].as_array().is_some_and(|mails| mails.len() == 2 && mails.iter().all(|mail| mail["status"] == "sent"))
    };
    wait_for_order(&api, &num, sent).await?;
    println!("8. both mails are marked as sent");
    println!("{}", json!({"orderNum": num, "status": 0, "iccid": iccid, "code": code, "mail": file}));
    Ok(())
}

/// A plan that some card in stock can carry; the European one if it can.
async fn plan_with_stock(api: &Api<'_>) -> Result<String, StackError> {
    let plans = api.send(Ask::get("/v1/plans"), &[200]).await?;
    let pools = api.send(Ask::get("/v1/inventory").by(By::Manager), &[200]).await?;
    let stocked = |plan: &&Value| {
        pools["items"].as_array().into_iter().flatten().any(|pool| {
            let carries = plan["imsiProfiles"].as_array().is_some_and(|profiles| profiles.contains(&pool["imsiProfile"]));
            carries && pool["available"].as_u64() > Some(0)
        })
    };
    let plans: Vec<&Value> = plans["items"].as_array().into_iter().flatten().filter(stocked).collect();
    let priced = |plan: &&&Value| plan["price"]["amount"].as_i64() > Some(0);
    let europe = plans.iter().find(|plan| plan["planId"] == "eu-5gb-30d");
    let plan = europe.or_else(|| plans.iter().find(priced)).ok_or_else(|| StackError::new("no plan has cards in stock"))?;
    Ok(text(plan, "planId")?.to_owned())
}

async fn wait_for_mail(stack: &Stack, num: &str, kind: &str) -> Result<Vec<u8>, StackError> {
    let begun = Instant::now();
    loop {
        let sent = stack.mailbox().mails();
        let tag = |mail: &crate::ses::Mail, name: &str| mail.tags.get(name).cloned().unwrap_or_default();
        if let Some(mail) = sent.iter().find(|mail| tag(mail, "orderNum") == num && tag(mail, "mail") == kind) {
            return Ok(stack.mailbox().mail(&mail.id).await?.ok_or_else(|| StackError::new("the mail is gone"))?.1);
        }
        expect(begun.elapsed() < PATIENCE, format!("the {kind} mail did not come"))?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn wait_for_order(api: &Api<'_>, num: &str, arrived: impl Fn(&Value) -> bool) -> Result<Value, StackError> {
    let begun = Instant::now();
    loop {
        let order = api.send(Ask::get(format!("/v1/orders/{num}")), &[200]).await?;
        if arrived(&order) {
            return Ok(order);
        }
        expect(begun.elapsed() < PATIENCE, format!("the order did not get on: {order}"))?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn price(order: &Value) -> String {
    let price: Result<simdock_domain::Money, _> = serde_json::from_value(order["price"].clone());
    price.map_or_else(|_| order["price"].to_string(), |price| price.to_string())
}
