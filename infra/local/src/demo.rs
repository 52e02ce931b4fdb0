//! One order from creation to its mail, step by step.

use crate::error::{Context, StackError};
use crate::stack::Stack;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use simdock_payments::{Secret, sign_stripe};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a step may take.
const PATIENCE: Duration = Duration::from_secs(10);

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
    let key = ("Idempotency-Key", "demo-1");
    let created = api.call(Method::POST, "/v1/orders", &api.partner, Some(&order), &[key], StatusCode::CREATED).await?;
    let num = text(&created, "orderNum")?.to_owned();
    println!(
        "1. POST /v1/orders                    -> {num}, status {} ({}), {} to pay until {}",
        created["status"],
        text(&created, "statusName")?,
        price(&created),
        text(&created, "payUntil")?
    );

    let again = api.call(Method::POST, "/v1/orders", &api.partner, Some(&order), &[key], StatusCode::OK).await?;
    check(again["orderNum"] == created["orderNum"], "the same request gave another order")?;
    println!("2. the same request again             -> the same order, nothing bought twice");

    let event = json!({
        "id": "evt_demo_1", "object": "event", "type": "payment_intent.succeeded",
        "data": {"object": {
            "id": "pi_demo_1", "object": "payment_intent", "status": "succeeded",
            "amount_received": created["price"]["amount"], "currency": text(&created["price"], "currency")?.to_lowercase(),
            "metadata": {"orderNum": num},
        }},
    });
    let body = event.to_string();
    let secret = Secret::stripe(&stack.keys().stripe_secret).context("Stripe secret")?;
    let forged = sign_stripe(stack.clock().now(), b"another body", &secret);
    let path = "/v1/webhooks/payments/stripe";
    api.call(Method::POST, path, "", Some(&event), &[("Stripe-Signature", &forged)], StatusCode::BAD_REQUEST).await?;
    println!("3. POST …/payments/stripe, forged     -> refused");
    let signature = sign_stripe(stack.clock().now(), body.as_bytes(), &secret);
    let paid = api.call(Method::POST, path, "", Some(&event), &[("Stripe-Signature", &signature)], StatusCode::OK).await?;
    println!("4. POST …/payments/stripe, signed     -> {}", text(&paid, "result")?);

    let order = api.wait_for_order(&num, |order| order["fulfilment"] == "completed").await?;
    check(order["status"] == 0, "the order is not normal")?;
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

    let order = api.wait_for_order(&num, |order| {
        order["emails"].as_array().is_some_and(|mails| mails.len() == 2 && mails.iter().all(|mail| mail["status"] == "sent"))
    });
    order.await?;
    println!("8. both mails are marked as sent");
    println!("{}", json!({"orderNum": num, "status": 0, "iccid": iccid, "code": code, "mail": file}));
    Ok(())
}

/// A plan that some card in stock can carry; the European one if it can.
async fn plan_with_stock(api: &Api<'_>) -> Result<String, StackError> {
    let plans = api.call(Method::GET, "/v1/plans", &api.partner, None, &[], StatusCode::OK).await?;
    let pools = api.call(Method::GET, "/v1/inventory", &api.manager, None, &[], StatusCode::OK).await?;
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
        if let Some(mail) = sent.iter().find(|mail| tag(mail, "orderNum") == Some(num) && tag(mail, "mail") == Some(kind)) {
            return Ok(stack.mailbox().mail(&mail.id).await?.ok_or_else(|| StackError::new("the mail is gone"))?.1);
        }
        check(begun.elapsed() < PATIENCE, &format!("the {kind} mail did not come"))?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

struct Api<'a> {
    base_url: &'a str,
    partner: String,
    manager: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl<'a> Api<'a> {
    fn new(stack: &'a Stack) -> Self {
        Self {
            base_url: stack.base_url(),
            partner: format!("Bearer {}", stack.keys().partner_key),
            manager: format!("Bearer {}", stack.keys().manager_key),
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        authorization: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
        expected: StatusCode,
    ) -> Result<Value, StackError> {
        let what = format!("{method} {path}");
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base_url));
        if !authorization.is_empty() {
            request = request.header("Authorization", authorization);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map(ToString::to_string).unwrap_or_default();
        let request = request.header("Content-Type", "application/json").body(Full::from(body)).context(what.clone())?;
        let response = self.client.request(request).await.context(what.clone())?;
        let status = response.status();
        let body = response.into_body().collect().await.context(what.clone())?.to_bytes();
        let answer: Value = serde_json::from_slice(&body).context(what.clone())?;
        check(status == expected, &format!("{what} answered {status} instead of {expected}: {answer}"))?;
        Ok(answer)
    }

    async fn wait_for_order(&self, num: &str, arrived: impl Fn(&Value) -> bool) -> Result<Value, StackError> {
        let begun = Instant::now();
        loop {
            let path = format!("/v1/orders/{num}");
            let order = self.call(Method::GET, &path, &self.partner, None, &[], StatusCode::OK).await?;
            if arrived(&order) {
                return Ok(order);
            }
            check(begun.elapsed() < PATIENCE, &format!("the order did not get on: {order}"))?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn tag<'m>(mail: &'m crate::ses::Mail, name: &str) -> Option<&'m str> {
    mail.tags.get(name).map(String::as_str)
}

fn check(holds: bool, otherwise: &str) -> Result<(), StackError> {
    if holds { Ok(()) } else { Err(StackError::new(otherwise)) }
}

fn text<'v>(value: &'v Value, name: &str) -> Result<&'v str, StackError> {
    value[name].as_str().ok_or_else(|| StackError::new(format!("the answer has no {name}: {value}")))
}

fn price(order: &Value) -> String {
    let price: Result<simdock_domain::Money, _> = serde_json::from_value(order["price"].clone());
    price.map_or_else(|_| order["price"].to_string(), |price| price.to_string())
}
