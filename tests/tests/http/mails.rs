//! The mails of an order, and what becomes of them.

use crate::acts::{EID, PLAN, by_balance, changing, events, managing, pause, subscription_of, tell};
use crate::api::{Site, draft, eventually, list, num};
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
        async || site.stack.queues().depths().into_iter().find(|queue| queue.name.ends_with("-mail") && queue.delayed == 1);
    eventually("the job of both mails to be held back", mails).await;
    site.advance("PT35S").await;
    site.until(&order, "tried again", |order| attempts(order) >= 2).await;
    assert_eq!(site.mails(&order, "qr").await.len(), 0);
    site.stop().await;
}

#[tokio::test]
async fn an_esim_that_an_app_installed_needs_no_qr_mail() {
    let site = Site::start().await;
    for via in ["ios_api", "android_api"] {
        pause(&site, "send-email", true).await;
        let mut two = by_balance(PLAN);
        two["count"] = 2.into();
        let (one, two) = (site.order(&by_balance(PLAN)).await, site.order(&two).await);
        let ready = |order: &Value| list(order, "emails").len() == 2;
        let (one, two) = (site.until(&one, "ready", ready).await, site.until(&two, "ready", ready).await);
        for order in [&one, &two] {
            let iccid = order["cards"][0]["iccid"].as_str().unwrap();
            assert_eq!(tell(&site, iccid, json!({"type": "installed", "eid": EID, "via": via})).await, "recorded");
        }
        pause(&site, "send-email", false).await;

        let (one, two) = (site.settled(&one).await, site.settled(&two).await);
        let told =
            |entry: &Value| entry["event"] == "mail_sent" && entry["note"] == "qr: not needed: an app has installed the eSIM";
        assert!(list(&one, "history").iter().any(told), "{one}");
        assert_eq!((site.mails(&one, "qr").await.len(), site.mails(&one, "confirmation").await.len()), (0, 1));
        // The other card still needs its code.
        let mail = site.mail(&two, "qr").await;
        assert!(mail.contains(two["cards"][1]["code"].as_str().unwrap()));
        assert!(!mail.contains(two["cards"][0]["code"].as_str().unwrap()));

        // Whoever asks for it gets it.
        managing(&site, &one, "emails", &json!({"kind": "qr", "samePhone": true})).send().await.expect(200);
        let one = site.settled(&one).await;
        assert!(site.mail(&one, "qr").await.contains(one["cards"][0]["code"].as_str().unwrap()));
        assert_eq!(events(&one).iter().filter(|event| **event == "mail_sent").count(), 3);
    }
    site.stop().await;
}

#[tokio::test]
async fn after_a_swap_the_code_of_the_card_that_works_is_mailed_again() {
    let site = Site::start().await;
    let order = site.settled(&site.order(&by_balance(PLAN)).await).await;
    let mut swaps = vec![order.clone()];
    let install = async |card: &Value| {
        let installed = json!({"type": "installed", "eid": EID, "via": "qr"});
        assert_eq!(tell(&site, card["iccid"].as_str().unwrap(), installed).await, "recorded");
    };
    for _ in 0..2 {
        let before = swaps.last().unwrap()["cards"][0].clone();
        install(&before).await;
        let swap = changing(&site, &subscription_of(&order), "sim-swap", &json!({})).send().await.expect(201);
        let swap = site.settled(&swap).await;
        let mail = site.mail(&swap, "qr").await;
        assert!(mail.contains("Your new eSIM is ready") && mail.contains(swap["cards"][0]["code"].as_str().unwrap()));
        assert!(mail.contains(before["iccid"].as_str().unwrap()) && !mail.contains(before["code"].as_str().unwrap()));
        swaps.push(swap);
    }
    let now = swaps.pop().unwrap();
    install(&now["cards"][0]).await;
    for order in &swaps {
        let sent = site.mails(order, "qr").await.len();
        let again = json!({"kind": "qr", "samePhone": true, "to": "else@example.com"});
        managing(&site, order, "emails", &again).send().await.expect(200);
        let mails = eventually("the mail", async || Some(site.mails(order, "qr").await).filter(|mails| mails.len() > sent)).await;
        let mail = mails.iter().find(|mail| mail["to"] == "else@example.com").unwrap();
        let raw = site.get(format!("/mailbox/{}.eml", mail["id"].as_str().unwrap())).send().await.text();
        let iccid = now["cards"][0]["iccid"].as_str().unwrap();
        assert!(raw.contains(iccid), "{raw}");
    }
    site.stop().await;
}
