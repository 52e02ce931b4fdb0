//! The mails of an order, and what becomes of them.

use crate::api::{Site, draft, list, num};
use serde_json::{Value, json};

#[tokio::test]
async fn the_mails_come_in_the_subscribers_language_with_the_code() {
    let site = Site::start().await;
    for (language, word) in [
        ("en", "Your eSIM is ready"),
        ("de-AT", "Ihre eSIM ist bereit"),
        ("ES", "Su eSIM está lista"),
        ("ja-JP", "eSIM"),
        ("pt-BR", "Your eSIM is ready"),
    ] {
        let mut draft = draft("eu-5gb-30d");
        draft["subscriber"] = json!({"email": "ana@example.com", "name": "Ana <b>&amp; Söhne</b>", "language": language});
        draft["lineName"] = "Spain".into();
        let order = site.paid(&draft).await;
        let order = site.settled(&order).await;
        assert_eq!(order["subscriber"]["language"], language);
        let card = &order["cards"][0];
        let mail = site.mail(&order, "qr").await;
        assert!(mail.contains(word), "{language}: {mail}");
        for wanted in [card["code"].as_str().unwrap(), card["apn"].as_str().unwrap(), num(&order), "Spain"] {
            assert!(mail.contains(wanted), "{language}: no {wanted}");
        }
        assert!(!mail.contains("Ana <b>"), "{language}: the name is not escaped");
        let confirmation = site.mail(&order, "confirmation").await;
        assert!(confirmation.contains("14.50") || confirmation.contains("14,50"), "{language}: {confirmation}");
        assert!(!confirmation.contains(card["code"].as_str().unwrap()), "{language}: the confirmation shows the code");
        let listed = &site.mails(&order, "qr").await[0];
        assert_eq!(listed["to"], "ana@example.com");
    }
    site.stop().await;
}

#[tokio::test]
async fn one_mail_holds_all_cards_and_none_goes_out_unasked() {
    let site = Site::start().await;
    let mut draft = draft("eu-5gb-30d");
    draft["count"] = 3.into();
    let order = site.paid(&draft).await;
    let order = site.settled(&order).await;
    let mail = site.mail(&order, "qr").await;
    for card in list(&order, "cards") {
        assert!(mail.contains(card["code"].as_str().unwrap()));
    }
    let raw = site.mails(&order, "qr").await[0]["id"].as_str().unwrap().to_owned();
    let raw = site.get(format!("/mailbox/{raw}.eml")).send().await.text();
    assert_eq!(raw.matches("image/png").count(), 3);

    draft["sendEmail"] = false.into();
    let silent = site.paid(&draft).await;
    let silent = site.until(&silent, "completed", |order| order["fulfilment"] == "completed").await;
    assert_eq!(silent["emails"], json!([]));
    assert_eq!(site.mails(&silent, "qr").await.len(), 0);
    site.stop().await;
}

#[tokio::test]
async fn what_the_mail_system_reports_stands_on_the_order() {
    let site = Site::start().await;
    for (who, report, attention) in [
        ("bounce", "bounced", Some("mail_undelivered")),
        ("suppressed", "suppressed", Some("mail_undelivered")),
        ("reject", "rejected", Some("mail_undelivered")),
        ("complaint", "complained", Some("mail_complaint")),
        ("delay", "delayed", None),
    ] {
        let mut draft = draft("eu-5gb-30d");
        draft["subscriber"]["email"] = format!("{who}@simulator.test").into();
        let order = site.paid(&draft).await;
        let of = |order: &Value, kind: &str| {
            list(order, "emails").iter().find(|mail| mail["kind"] == kind).cloned().unwrap_or_default()
        };
        let order = site
            .until(&order, "reported", |order| {
                let told = ["qr", "confirmation"].iter().all(|kind| of(order, kind)["event"] == report);
                told && (attention.is_none() || of(order, "manager")["status"] == "sent")
            })
            .await;
        assert!(of(&order, "qr")["eventAt"].is_string());
        let needs: Vec<_> = list(&order, "needsAttention").iter().map(|attention| attention["code"].as_str().unwrap()).collect();
        assert_eq!(needs, attention.into_iter().collect::<Vec<_>>(), "{who}");
        let to_manager = site.mails(&order, "manager").await;
        assert_eq!(to_manager.is_empty(), attention.is_none(), "{who}");
        assert!(to_manager.iter().all(|mail| mail["to"] == "desk@simdock.test"), "{who}");
        assert_eq!((&order["status"], &order["cards"][0]["status"]), (&json!(0), &json!("ready")), "{who}");
    }
    site.stop().await;
}

#[tokio::test]
async fn a_mail_system_that_is_busy_is_asked_again_later() {
    let site = Site::start().await;
    let mut draft = draft("eu-5gb-30d");
    draft["subscriber"]["email"] = "throttle@simulator.test".into();
    let order = site.paid(&draft).await;
    let attempts = |order: &Value| list(order, "emails").iter().map(|mail| mail["attempts"].as_u64().unwrap()).min().unwrap_or(0);
    let both = |order: &Value| list(order, "emails").len() == 2;
    let order = site
        .until(&order, "tried", |order| {
            both(order) && attempts(order) == 1 && list(order, "emails").iter().all(|mail| mail["status"] == "pending")
        })
        .await;
    let mails =
        async || site.stack.queues().depths().into_iter().find(|queue| queue.name.ends_with("-mail") && queue.delayed == 2);
    crate::api::eventually("both mails to be held back", mails).await;
    site.advance("PT35S").await;
    site.until(&order, "tried again", |order| attempts(order) >= 2).await;
    assert_eq!(site.mails(&order, "qr").await.len(), 0);
    site.stop().await;
}
