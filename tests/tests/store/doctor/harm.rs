//! Damage of other kinds than one for each rule: what the invariants of `infra/TABLES.md` promise, broken one by one.

use super::{Found, Patient, pay, place_of_code, place_of_slot};
use futures_util::future::join_all;
use serde_json::{Value, json};
use simdock_audit::Rule;
use simdock_domain::{Report, SubscriptionChange};
use simdock_store::{ADMINISTRATOR, Operator, Principal, Provisioning};
use simdock_tests::{PARTNER, iccid, pool, receipt};

/// What somebody did to the tables.
#[derive(Clone, Copy, Debug)]
enum Harm {
    StockedCardDeleted,
    SoldCardDeleted,
    WorkingCardDeleted,
    PastCardDeleted,
    SlotOfAnotherCard,
    SlotWithoutItsCard,
    PoolInNoRegistry,
    CounterDeleted,
    CardOnTwoOrders,
    CardOnTwoLines,
    CancelledLineOfAnothersCard,
    PendingLineOfAWorkingCard,
    RenewalOfAnotherCard,
    MailedCardNotDisclosed,
    InstalledCardForSale,
    PriceOtherThanPaid,
    CodeOfSoldCardForgotten,
    SubscriptionOfAnotherPartner,
    BalanceBelowZero,
    PartnerInNoRegistry,
    PartnerDeleted,
    KeyInNoRegistry,
    KeyDeleted,
    ImportInNoRegistry,
    NoSuchImport,
    CardsLeftByAnImport,
    PlanVersionDeleted,
    DataOtherThanSold,
    DaysOtherThanSold,
    EndOtherThanSold,
    AddOnsOtherThanSold,
    CodeOfSoldCardChanged,
    CodeOfWorkingCardChanged,
    PaidOrderVoid,
    ShownBeforeSold,
    TwoMailsOfOneKind,
    ClaimOfAnotherOrder,
    ClaimOfAnotherProvider,
    OperatorDeleted,
    RefundNeverMade,
    MailNeverSent,
    MailsForgotten,
    DayOtherThanItsSlots,
    SlotOfAnotherDay,
    CardWithoutACode,
    ArchivedCardForSale,
    CardForSaleOfASubscription,
    KeyOfNoPartner,
    KeyRegisteredTwice,
    PartnersKeyAManagers,
    PlansPriceChanged,
    PlanWithoutProfiles,
    ShownAndForgotten,
    TwoPlansAtOnce,
    CardOfAnotherPool,
    PlanInAnotherCurrency,
    VersionLeftOut,
    PlanOfAnotherName,
    OperatorOfAnotherName,
    PartnerOfAnotherName,
    SlotBehindTheTail,
    MainOrderOfAnother,
    SuspensionForgotten,
    DayOtherThanItsSubscriptions,
    PaidFromABalance,
    ShipmentForgotten,
    SubscriptionOfAnUnreadableOrder,
    CounterUnreadable,
    CancelledByNobody,
    FreeWhileItsCardGoesBack,
    CheckoutOpenForYears,
    OrderOfAnotherPartner,
    NeverPaidAndOver,
    WithoutLines,
    KeyThatNobodyMade,
    RanBeforeItBegan,
    RefundAskedForAgain,
    GivenByHandAndForgotten,
}

impl Harm {
    const ALL: [Self; 78] = [
        Self::StockedCardDeleted,
        Self::SoldCardDeleted,
        Self::WorkingCardDeleted,
        Self::PastCardDeleted,
        Self::SlotOfAnotherCard,
        Self::SlotWithoutItsCard,
        Self::PoolInNoRegistry,
        Self::CounterDeleted,
        Self::CardOnTwoOrders,
        Self::CardOnTwoLines,
        Self::CancelledLineOfAnothersCard,
        Self::PendingLineOfAWorkingCard,
        Self::RenewalOfAnotherCard,
        Self::MailedCardNotDisclosed,
        Self::InstalledCardForSale,
        Self::PriceOtherThanPaid,
        Self::CodeOfSoldCardForgotten,
        Self::SubscriptionOfAnotherPartner,
        Self::BalanceBelowZero,
        Self::PartnerInNoRegistry,
        Self::PartnerDeleted,
        Self::KeyInNoRegistry,
        Self::KeyDeleted,
        Self::ImportInNoRegistry,
        Self::NoSuchImport,
        Self::CardsLeftByAnImport,
        Self::PlanVersionDeleted,
        Self::DataOtherThanSold,
        Self::DaysOtherThanSold,
        Self::EndOtherThanSold,
        Self::AddOnsOtherThanSold,
        Self::CodeOfSoldCardChanged,
        Self::CodeOfWorkingCardChanged,
        Self::PaidOrderVoid,
        Self::ShownBeforeSold,
        Self::TwoMailsOfOneKind,
        Self::ClaimOfAnotherOrder,
        Self::ClaimOfAnotherProvider,
        Self::OperatorDeleted,
        Self::RefundNeverMade,
        Self::MailNeverSent,
        Self::MailsForgotten,
        Self::DayOtherThanItsSlots,
        Self::SlotOfAnotherDay,
        Self::CardWithoutACode,
        Self::ArchivedCardForSale,
        Self::CardForSaleOfASubscription,
        Self::KeyOfNoPartner,
        Self::KeyRegisteredTwice,
        Self::PartnersKeyAManagers,
        Self::PlansPriceChanged,
        Self::PlanWithoutProfiles,
        Self::ShownAndForgotten,
        Self::TwoPlansAtOnce,
        Self::CardOfAnotherPool,
        Self::PlanInAnotherCurrency,
        Self::VersionLeftOut,
        Self::PlanOfAnotherName,
        Self::OperatorOfAnotherName,
        Self::PartnerOfAnotherName,
        Self::SlotBehindTheTail,
        Self::MainOrderOfAnother,
        Self::SuspensionForgotten,
        Self::DayOtherThanItsSubscriptions,
        Self::PaidFromABalance,
        Self::ShipmentForgotten,
        Self::SubscriptionOfAnUnreadableOrder,
        Self::CounterUnreadable,
        Self::CancelledByNobody,
        Self::FreeWhileItsCardGoesBack,
        Self::CheckoutOpenForYears,
        Self::OrderOfAnotherPartner,
        Self::NeverPaidAndOver,
        Self::WithoutLines,
        Self::KeyThatNobodyMade,
        Self::RanBeforeItBegan,
        Self::RefundAskedForAgain,
        Self::GivenByHandAndForgotten,
    ];
}

impl Patient {
    /// Does a harm, and says all that is to be found then.
    async fn harm(&self, harm: Harm) -> Vec<(Rule, String)> {
        let text = |value: &str| json!({ ":v": { "S": value } });
        let [main, renewal, sold, debited, wrong] = [&self.main, &self.renewal, &self.sold, &self.debited, &self.wrong];
        let order = |rule, order: &simdock_domain::Order| (rule, format!("orders {}", order.num));
        let card = |rule, card: &str| (rule, format!("sims {card}"));
        let subscription = |rule| (rule, format!("subscriptions {}", self.subscription.id));
        let pools = |rule, name: &str| (rule, format!("pools pool#{} / {name}", pool()));
        let code = |serial| (Rule::CodeHolder, place_of_code(serial));
        let payment = format!("payment#stripe#{}", receipt(sold).payment_id);
        let claim = |rule, pk: &str| (rule, format!("partners {pk} / payment"));
        let partner = format!("partner#{PARTNER}");
        let counted = || (Rule::Registered, "partners managers / counter".to_owned());
        match harm {
            Harm::StockedCardDeleted => {
                self.delete_card(&Self::stocked()).await;
                vec![(Rule::Slot, place_of_slot(7)), code(7)]
            }
            Harm::SoldCardDeleted => {
                self.delete_card(&Self::card(sold)).await;
                vec![order(Rule::Owner, sold), (Rule::Slot, place_of_slot(1)), code(1)]
            }
            Harm::WorkingCardDeleted => {
                self.delete_card(&Self::card(main)).await;
                let orders = [order(Rule::Owner, main), order(Rule::Owner, renewal)];
                [(Rule::Slot, place_of_slot(0)), subscription(Rule::Carrier), code(0)].into_iter().chain(orders).collect()
            }
            Harm::PastCardDeleted => {
                let past =
                    json!({ "M": { "i": { "S": iccid(99).as_str() }, "u": { "N": "1" }, "o": { "S": sold.num.as_str() } } });
                self.set_subscription("SET pc = :v", json!({ ":v": { "L": [past] } })).await;
                vec![subscription(Rule::Carrier)]
            }
            Harm::SlotOfAnotherCard => {
                let pk = format!("slot#{}#0", pool());
                self.set_pair("PoolsTable", &pk, "000000000007", "SET iccid = :v", text(iccid(6).as_str())).await;
                vec![(Rule::Slot, place_of_slot(7)), card(Rule::Slot, &Self::stocked())]
            }
            Harm::SlotWithoutItsCard => {
                self.set_card(&Self::stocked(), "SET #state = :v REMOVE slot", text("set_aside")).await;
                vec![(Rule::Slot, place_of_slot(7))]
            }
            Harm::PoolInNoRegistry => {
                self.delete("PoolsTable", "pools", &pool().to_string()).await;
                self.delete("PoolsTable", &format!("slot#{}#0", pool()), "000000000007").await;
                let entry = (Rule::Registered, format!("pools pools / {}", pool()));
                vec![entry, pools(Rule::Stock, "counter"), card(Rule::Slot, &Self::stocked())]
            }
            Harm::CounterDeleted => {
                self.delete("PoolsTable", &format!("pool#{}", pool()), "counter").await;
                vec![pools(Rule::Stock, "counter")]
            }
            Harm::CardOnTwoOrders => {
                self.set_order(debited, "SET li[0].i = :v", text(&Self::card(sold))).await;
                vec![order(Rule::Owner, debited), card(Rule::Owner, &Self::card(debited))]
            }
            Harm::CardOnTwoLines => {
                let two = self.world.paid_order("two", 2).await;
                let [one, other] = [0, 1].map(|line| two.lines[line].iccid.as_ref().expect("a card").to_string());
                self.set_order(&two, "SET li[1].i = :v", text(&one)).await;
                vec![order(Rule::Owner, &two), card(Rule::Owner, &other)]
            }
            Harm::CancelledLineOfAnothersCard => {
                let two = self.world.paid_order("two", 2).await;
                let taken = two.lines[1].iccid.as_ref().expect("a card").to_string();
                let values = json!({ ":v": { "S": "x" }, ":card": { "S": Self::card(sold) } });
                self.set_order(&two, "SET li[1].s = :v, li[1].i = :card", values).await;
                let due = (Rule::OwedBack, format!("orders {}", two.num));
                vec![order(Rule::Owner, &two), due, card(Rule::Owner, &taken)]
            }
            Harm::PendingLineOfAWorkingCard => {
                self.set_order(main, "SET li[0].s = :v", text("p")).await;
                vec![order(Rule::Owner, main)]
            }
            Harm::RenewalOfAnotherCard => {
                self.set_order(renewal, "SET li[0].i = :v", text(&Self::card(sold))).await;
                vec![order(Rule::Carrier, renewal)]
            }
            Harm::MailedCardNotDisclosed => {
                self.set_card(&Self::card(main), "REMOVE disclosed", json!({})).await;
                vec![order(Rule::Disclosed, main)]
            }
            Harm::InstalledCardForSale => {
                self.set_card(&Self::stocked(), "SET profile = :v", json!({ ":v": { "M": { "i": { "N": "1" } } } })).await;
                vec![card(Rule::Disclosed, &Self::stocked())]
            }
            Harm::PriceOtherThanPaid => {
                self.set_order(sold, "SET li[0].a = :v", json!({ ":v": { "N": "1" } })).await;
                vec![order(Rule::PaidOnce, sold), order(Rule::Catalogue, sold)]
            }
            Harm::CodeOfSoldCardForgotten => {
                let sims = self.world.store.sims(&[Self::card(sold).parse().expect("a card")]).await.expect("the card");
                self.delete("PoolsTable", &format!("code#{}", sims[0].profile_id().expect("a code")), "code").await;
                // Its operator might have given it the code, unless it takes no requests.
                let (operator_id, display) = (pool().operator.clone(), "Meridian".to_owned());
                let operator = Operator { operator_id, display, provisioning: Provisioning::Preloaded };
                self.world.store.put_operator(&operator).await.expect("a write");
                vec![card(Rule::Code, &Self::card(sold))]
            }
            Harm::SubscriptionOfAnotherPartner => {
                self.set_subscription("SET partnerId = :v", text("other-travel")).await;
                vec![subscription(Rule::Owner)]
            }
            Harm::BalanceBelowZero => {
                let less = json!({ ":v": { "N": "-100000" } });
                self.set_pair("PartnersTable", &partner, "balance#EUR", "ADD balance :v", less.clone()).await;
                self.set_pair("PartnersTable", &format!("ledger#{PARTNER}"), "credit#1", "ADD amount :v", less).await;
                vec![(Rule::Balance, format!("partners {partner} / balance#EUR"))]
            }
            Harm::PartnerInNoRegistry => {
                self.delete("PartnersTable", "partners", PARTNER).await;
                vec![(Rule::Registered, format!("partners {partner} / partner"))]
            }
            Harm::PartnerDeleted => {
                self.delete("PartnersTable", &partner, "partner").await;
                vec![(Rule::Registered, format!("partners partners / {PARTNER}"))]
            }
            Harm::KeyInNoRegistry => {
                let (id, pk) = self.put_key().await;
                self.delete("PartnersTable", "keys", &id).await;
                vec![(Rule::Registered, format!("partners {pk} / key")), counted()]
            }
            Harm::KeyDeleted => {
                let (id, pk) = self.put_key().await;
                self.delete("PartnersTable", &pk, "key").await;
                vec![(Rule::Registered, format!("partners keys / {id}")), counted()]
            }
            Harm::ImportInNoRegistry => {
                self.put_import("running").await;
                vec![(Rule::Registered, "pools import#IMLOST / verdict".to_owned())]
            }
            Harm::NoSuchImport => {
                self.world.engine.put("PoolsTable", json!({ "pk": { "S": "imports" }, "sk": { "S": "IMLOST" } })).await;
                vec![(Rule::Registered, "pools imports / IMLOST".to_owned())]
            }
            Harm::CardsLeftByAnImport => {
                self.put_import("done").await;
                let chunk =
                    |attempt: &str| json!({ "pk": { "S": format!("import#IMLOST#{attempt}") }, "sk": { "S": "chunk#000000" } });
                // Of another attempt at the same import nobody waits for anything.
                for attempt in ["1", "2"] {
                    self.world.engine.put("PoolsTable", chunk(attempt)).await;
                }
                vec![(Rule::Stock, "pools import#IMLOST#1 / chunk#000000".to_owned())]
            }
            Harm::PlanVersionDeleted => {
                self.delete("PlansTable", &format!("plan#{}", sold.plan_id), "v000001").await;
                let orders = [main, renewal, sold, debited, wrong].map(|sold| order(Rule::Catalogue, sold));
                orders.into_iter().chain([(Rule::Catalogue, format!("plans plans / {}", sold.plan_id))]).collect()
            }
            Harm::DataOtherThanSold => {
                self.set_subscription("SET pl[0].m = :v", json!({ ":v": { "N": "99999" } })).await;
                vec![subscription(Rule::Plans)]
            }
            Harm::DaysOtherThanSold => {
                self.set_subscription("SET pl[1].d = :v", json!({ ":v": { "N": "90" } })).await;
                vec![subscription(Rule::Plans)]
            }
            Harm::EndOtherThanSold => {
                let now = self.world.now();
                let running = self.subscription.report(Report::Attached, now, |_| true, now).expect("a report");
                assert!(self.world.store.replace_subscription(&running).await.expect("a write").is_ok());
                assert_eq!(self.found().await, Found::new());
                self.set_subscription(
                    "SET pl[0].s.r.u = pl[0].s.r.u + :v, dueAt = dueAt + :v",
                    json!({ ":v": { "N": "86400" } }),
                )
                .await;
                vec![subscription(Rule::Plans)]
            }
            Harm::AddOnsOtherThanSold => {
                let change = SubscriptionChange::AddOns { add_on_ids: vec!["data-1gb".to_owned()] };
                let top_up = self.world.change("more", &self.subscription, change).await;
                pay(&self.world, &top_up, receipt(&top_up)).await;
                assert_eq!(self.found().await, Found::new());
                self.set_subscription("SET pl[0].x[0].m = :v", json!({ ":v": { "N": "99999" } })).await;
                vec![subscription(Rule::Plans)]
            }
            Harm::CodeOfSoldCardChanged => {
                self.set_card(&Self::card(sold), "SET code = :v", text("LPA:1$rsp.example.com$OTHER")).await;
                vec![code(1)]
            }
            Harm::CodeOfWorkingCardChanged => {
                self.set_card(&Self::card(main), "SET code = :v", text("LPA:1$rsp.example.com$OTHER")).await;
                // Its operator could have given it.
                assert_eq!(self.found().await, Found::new());
                self.world.preloaded().await;
                vec![code(0), card(Rule::Code, &Self::card(main))]
            }
            Harm::PaidOrderVoid => {
                self.set_order(sold, "SET vo = :v", text("ex")).await;
                vec![order(Rule::PaidOnce, sold)]
            }
            Harm::ShownBeforeSold => {
                let before = (self.world.now().unix() - 86_400).to_string();
                self.set_card(&Self::card(main), "SET disclosed = :v", json!({ ":v": { "N": before } })).await;
                vec![order(Rule::Disclosed, main)]
            }
            Harm::TwoMailsOfOneKind => {
                let second = json!({ "M": { "k": { "S": "q" }, "s": { "M": { "s": { "N": "1" } } } } });
                self.set_order(main, "SET ml = list_append(ml, :v)", json!({ ":v": { "L": [second] } })).await;
                vec![order(Rule::Mailed, main)]
            }
            Harm::ClaimOfAnotherOrder => {
                self.set_pair("PartnersTable", &payment, "payment", "SET orderNum = :v", text(main.num.as_str())).await;
                vec![order(Rule::Claimed, sold), claim(Rule::Booked, &payment)]
            }
            Harm::ClaimOfAnotherProvider => {
                self.delete("PartnersTable", &payment, "payment").await;
                let other = payment.replace("stripe", "standard");
                self.set_pair("PartnersTable", &other, "payment", "SET orderNum = :v", text(sold.num.as_str())).await;
                vec![order(Rule::Claimed, sold), claim(Rule::Claimed, &other)]
            }
            Harm::OperatorDeleted => {
                self.delete("PlansTable", &format!("operator#{}", pool().operator), "operator").await;
                let plan = format!("plans plan#{} / v000001", sold.plan_id);
                vec![(Rule::Catalogue, format!("pools pools / {}", pool())), (Rule::Catalogue, plan)]
            }
            Harm::RefundNeverMade => {
                self.set_order(wrong, "SET rf[0].s = :v", text("s")).await;
                [Rule::OwedBack, Rule::Attributes, Rule::DueAt].map(|rule| order(rule, wrong)).to_vec()
            }
            Harm::MailNeverSent => {
                let at = self.world.now().unix().to_string();
                let sent = |kind: &str| json!({ "M": { "k": { "S": kind }, "s": { "M": { "s": { "N": at } } } } });
                let mails = json!({ ":v": { "L": [sent("c"), sent("q")] } });
                self.set_order(main, "SET ml = :v REMOVE dueAt, dueShard", mails).await;
                vec![order(Rule::Mailed, main)]
            }
            Harm::MailsForgotten => {
                let sent = |kind: &str| json!({ "M": { "t": { "N": "1" }, "e": { "S": "ms" }, "n": { "S": kind } } });
                let sent = json!({ ":v": { "L": [sent("confirmation"), sent("qr")] } });
                self.set_order(main, "SET hi = list_append(hi, :v) REMOVE ml, dueAt, dueShard", sent).await;
                vec![order(Rule::Mailed, main)]
            }
            Harm::DayOtherThanItsSlots => {
                self.set_card(&Self::stocked(), "SET #until = :v", json!({ ":v": { "N": "4000000000" } })).await;
                vec![card(Rule::Slot, &Self::stocked())]
            }
            Harm::SlotOfAnotherDay => {
                let (pk, iccid) = (format!("slot#{}#0", pool()), Self::stocked());
                let slot = json!({ "pk": { "S": pk }, "sk": { "S": "000000000007" }, "iccid": { "S": iccid } });
                self.world.engine.put("PoolsTable", slot).await;
                vec![card(Rule::Slot, &Self::stocked())]
            }
            Harm::CardWithoutACode => {
                self.set_card(&Self::stocked(), "REMOVE code", json!({})).await;
                self.world.preloaded().await;
                vec![card(Rule::Code, &Self::stocked()), code(7)]
            }
            Harm::ArchivedCardForSale => {
                self.set_card(&Self::stocked(), "SET archived = :v", json!({ ":v": { "N": "1" } })).await;
                vec![card(Rule::Slot, &Self::stocked())]
            }
            Harm::CardForSaleOfASubscription => {
                self.set_card(&Self::stocked(), "SET subscription = :v", text(&self.subscription.id)).await;
                vec![card(Rule::Owner, &Self::stocked())]
            }
            Harm::KeyOfNoPartner => {
                self.put_partners_key("nobody").await;
                let key = simdock_store::hashed_key("sdk_partner_test");
                vec![(Rule::Registered, format!("partners {key} / key"))]
            }
            Harm::KeyRegisteredTwice => {
                let (_, key) = self.put_key().await;
                let entry = json!({ "pk": { "S": "keys" }, "sk": { "S": "KYTWICE" }, "key": { "S": key } });
                self.world.engine.put("PartnersTable", entry).await;
                vec![(Rule::Registered, "partners keys / KYTWICE".to_owned())]
            }
            Harm::PartnersKeyAManagers => {
                let id = self.put_partners_key(PARTNER).await;
                let key = json!({ "pk": { "S": simdock_store::hashed_key("sdk_partner_test") }, "sk": { "S": "key" } });
                let change = "SET #role = :v, #name = :v REMOVE partnerId";
                let names = json!({ "#role": "role", "#name": "name" });
                self.world.engine.update("PartnersTable", key, change, names, text("manager")).await;
                vec![(Rule::Registered, format!("partners keys / {id}")), counted()]
            }
            Harm::PlansPriceChanged => {
                let pk = format!("plan#{}", sold.plan_id);
                self.set_pair("PlansTable", &pk, "v000001", "SET price.amount = :v", json!({ ":v": { "N": "1" } })).await;
                [main, renewal, sold, debited, wrong].map(|sold| order(Rule::Catalogue, sold)).to_vec()
            }
            Harm::PlanWithoutProfiles => {
                let pk = format!("plan#{}", sold.plan_id);
                self.set_pair("PlansTable", &pk, "v000001", "SET profiles = :v", json!({ ":v": { "L": [] } })).await;
                let orders = [main, sold, debited].map(|sold| order(Rule::Owner, sold));
                orders.into_iter().chain([(Rule::Catalogue, format!("plans {pk} / v000001"))]).collect()
            }
            Harm::ShownAndForgotten => {
                let sent = json!({ "M": { "t": { "N": "1" }, "e": { "S": "ms" }, "n": { "S": "qr" } } });
                let values = json!({ ":v": { "L": [sent] }, ":state": { "S": "e" } });
                self.set_order(main, "SET hi = list_append(hi, :v), li[0].s = :state", values).await;
                self.set_card(&Self::card(main), "REMOVE disclosed", json!({})).await;
                vec![order(Rule::Disclosed, main), subscription(Rule::Plans)]
            }
            Harm::TwoPlansAtOnce => {
                let now = self.world.now();
                let running = self.subscription.report(Report::Attached, now, |_| true, now).expect("a report");
                assert!(self.world.store.replace_subscription(&running).await.expect("a write").is_ok());
                let key = json!({ "subscriptionId": { "S": self.subscription.id } });
                let runs = self.world.engine.item("SubscriptionsTable", key).await;
                self.set_subscription("SET pl[1].s = :v", json!({ ":v": runs["pl"]["L"][0]["M"]["s"] })).await;
                vec![subscription(Rule::Plans)]
            }
            Harm::CardOfAnotherPool => {
                let other = pool().to_string().replace("esim", "physical");
                self.set_card(&Self::card(sold), "SET #pool = :v", text(&other)).await;
                let parts = ["counter", "tail", "marks"].map(|part| (Rule::Stock, format!("pools pool#{other} / {part}")));
                let entry = (Rule::Registered, format!("pools pools / {other}"));
                [order(Rule::Owner, sold), entry].into_iter().chain(parts).collect()
            }
            Harm::PlanInAnotherCurrency => {
                let pk = format!("plan#{}", sold.plan_id);
                self.set_pair("PlansTable", &pk, "v000001", "SET price.currency = :v", text("USD")).await;
                [main, renewal, sold, debited, wrong].map(|sold| order(Rule::Catalogue, sold)).to_vec()
            }
            Harm::VersionLeftOut => {
                let pk = format!("plan#{}", sold.plan_id);
                let key = json!({ "pk": { "S": pk }, "sk": { "S": "v000001" } });
                let mut third = self.world.engine.item("PlansTable", key).await;
                third["sk"] = json!({ "S": "v000003" });
                third["version"] = json!({ "N": "3" });
                self.world.engine.put("PlansTable", third).await;
                self.set_pair("PlansTable", "plans", &sold.plan_id, "SET version = :v", json!({ ":v": { "N": "3" } })).await;
                vec![(Rule::Catalogue, format!("plans {pk} / v000003"))]
            }
            Harm::PlanOfAnotherName => {
                let pk = format!("plan#{}", sold.plan_id);
                self.set_pair("PlansTable", &pk, "v000001", "SET planId = :v", text("another")).await;
                vec![(Rule::Readable, format!("plans {pk} / v000001"))]
            }
            Harm::OperatorOfAnotherName => {
                let pk = format!("operator#{}", pool().operator);
                self.set_pair("PlansTable", &pk, "operator", "SET operatorId = :v", text("another")).await;
                vec![(Rule::Readable, format!("plans {pk} / operator"))]
            }
            Harm::PartnerOfAnotherName => {
                self.set_pair("PartnersTable", &partner, "partner", "SET partnerId = :v", text("another")).await;
                vec![(Rule::Readable, format!("partners {partner} / partner"))]
            }
            Harm::SlotBehindTheTail => {
                let (pk, iccid) = (format!("slot#{}#0", pool()), Self::card(sold));
                let slot = json!({ "pk": { "S": pk }, "sk": { "S": "000000000099" }, "iccid": { "S": iccid } });
                self.world.engine.put("PoolsTable", slot).await;
                vec![(Rule::Slot, place_of_slot(99))]
            }
            Harm::MainOrderOfAnother => {
                self.set_subscription("SET mo = :v", text(sold.num.as_str())).await;
                vec![subscription(Rule::Plans)]
            }
            Harm::SuspensionForgotten => {
                let suspended = json!({ "M": { "t": { "N": "1" }, "e": { "S": "sx" } } });
                self.set_subscription("SET sh = :v", json!({ ":v": { "L": [suspended] } })).await;
                vec![subscription(Rule::Carrier)]
            }
            Harm::DayOtherThanItsSubscriptions => {
                self.set_card(&Self::card(main), "SET #until = :v", json!({ ":v": { "N": "4000000000" } })).await;
                vec![subscription(Rule::Carrier)]
            }
            Harm::PaidFromABalance => {
                self.set_order(debited, "SET pm = :v", text("c")).await;
                vec![order(Rule::PaidOnce, debited)]
            }
            Harm::ShipmentForgotten => {
                let shipped = json!({ "M": { "t": { "N": "1" }, "e": { "S": "sh" }, "n": { "S": "DHL 1" } } });
                self.set_order(main, "SET hi = list_append(hi, :v)", json!({ ":v": { "L": [shipped] } })).await;
                vec![order(Rule::Mailed, main)]
            }
            Harm::SubscriptionOfAnUnreadableOrder => {
                self.set_order(main, "SET su.e = :v", text("")).await;
                vec![order(Rule::Readable, main)]
            }
            Harm::CounterUnreadable => {
                let key = format!("pool#{}", pool());
                self.set_pair("PoolsTable", &key, "counter", "SET head = :v", text("many")).await;
                vec![pools(Rule::Readable, "counter")]
            }
            Harm::CancelledByNobody => {
                self.set_order(main, "SET li[0].s = :v", text("c")).await;
                [Rule::Altered, Rule::Work].map(|rule| order(rule, main)).to_vec()
            }
            Harm::FreeWhileItsCardGoesBack => {
                let asked_once = json!({ "M": { "n": { "N": "1" }, "t": { "N": self.world.now().unix().to_string() } } });
                self.set_order(main, "SET li[0].s = :v, rv = :once", json!({ ":v": { "S": "c" }, ":once": asked_once })).await;
                [Rule::Altered, Rule::Change].map(|rule| order(rule, main)).to_vec()
            }
            Harm::CheckoutOpenForYears => {
                let unpaid = self.world.order("later", 1).await;
                self.set_order(&unpaid, "SET pu = :v, dueAt = :v", json!({ ":v": { "N": "2000000000" } })).await;
                vec![order(Rule::Altered, &unpaid)]
            }
            Harm::OrderOfAnotherPartner => {
                let unpaid = self.world.order("theirs", 1).await;
                self.set_order(&unpaid, "SET partnerId = :v", text("other-travel")).await;
                [Rule::Altered, Rule::Attributes].map(|rule| order(rule, &unpaid)).to_vec()
            }
            Harm::NeverPaidAndOver => {
                let unpaid = self.world.order("over", 1).await;
                self.set_order(&unpaid, "SET li[0].s = :v", text("e")).await;
                vec![order(Rule::Altered, &unpaid)]
            }
            Harm::WithoutLines => {
                let unpaid = self.world.order("empty", 1).await;
                self.set_order(&unpaid, "REMOVE li[0]", json!({})).await;
                vec![order(Rule::Altered, &unpaid)]
            }
            Harm::KeyThatNobodyMade => {
                let key = json!({
                    "pk": { "S": "key#planted" }, "sk": { "S": "key" }, "role": { "S": "manager" }, "name": { "S": "rogue" },
                    "createdAt": { "N": self.world.now().unix().to_string() },
                });
                self.world.engine.put("PartnersTable", key).await;
                let id = simdock_store::key_id("key#planted");
                vec![
                    (Rule::Registered, "partners key#planted / key".to_owned()),
                    (Rule::Altered, format!("partners keys / {id}")),
                ]
            }
            Harm::RefundAskedForAgain => {
                let amount = wrong.refunds[0].amount.to_string();
                let given = json!({ "M": { "t": { "N": "1" }, "e": { "S": "rs" }, "n": { "S": amount } } });
                self.set_order(wrong, "SET hi = list_append(hi, :v)", json!({ ":v": { "L": [given] } })).await;
                vec![order(Rule::OwedBack, wrong)]
            }
            Harm::GivenByHandAndForgotten => {
                let amount = wrong.refunds[0].amount.to_string();
                let entry =
                    |event: &str, note: String| json!({ "M": { "t": { "N": "1" }, "e": { "S": event }, "n": { "S": note } } });
                let given = [entry("rx", format!("{amount}: account closed")), entry("rs", format!("{amount}, by hand: SEPA 1"))];
                self.set_order(wrong, "SET hi = list_append(hi, :v)", json!({ ":v": { "L": given } })).await;
                vec![order(Rule::OwedBack, wrong)]
            }
            Harm::RanBeforeItBegan => {
                let from = (self.world.now().unix() - 40 * 86_400).to_string();
                let until = (self.world.now().unix() + 86_400).to_string();
                let running = json!({ ":v": { "M": { "r": { "M": { "f": { "N": from }, "u": { "N": until } } } } } });
                self.set_subscription("SET pl[0].s = :v", running).await;
                [Rule::Plans, Rule::Overdue].map(subscription).to_vec()
            }
        }
    }

    async fn delete_card(&self, iccid: &str) {
        let engine = &self.world.engine;
        let delete = json!({ "TableName": engine.table("SimsTable"), "Key": { "iccid": { "S": iccid } } });
        engine.call("DeleteItem", &delete).await;
    }

    /// Makes a manager's key; its id, and the partition that it is in.
    pub(super) async fn put_key(&self) -> (String, String) {
        let manager = Principal::Manager { name: "kim".to_owned() };
        let made = self.world.store.put_key("sdk_manager_test", &manager, None, ADMINISTRATOR).await.expect("a key");
        (made.id, simdock_store::hashed_key("sdk_manager_test"))
    }

    /// Makes a key for a partner; its id.
    async fn put_partners_key(&self, partner_id: &str) -> String {
        let partner = Principal::Partner { partner_id: partner_id.to_owned() };
        self.world.store.put_key("sdk_partner_test", &partner, None, ADMINISTRATOR).await.expect("a key").id
    }

    pub(super) async fn put_import(&self, status: &str) {
        let number = |value: &str| json!({ "N": value });
        let verdict: Value = json!({
            "pk": { "S": "import#IMLOST" }, "sk": { "S": "verdict" }, "status": { "S": status }, "parts": { "S": "import#IMLOST#1" },
            "lines": number("1"), "accepted": number("1"), "created": number("1"),
        });
        self.world.engine.put("PoolsTable", verdict).await;
    }
}

#[tokio::test]
async fn every_harm_is_found_and_nothing_else() {
    let case = async |harm| {
        let patient = Patient::new().await;
        let expected = Found::from_iter(patient.harm(harm).await);
        let found = patient.found().await;
        (found != expected).then(|| format!("{harm:?}: {found:?} and not {expected:?}"))
    };
    let mut wrong = Vec::new();
    // A few at a time, for the sake of slower engines.
    for some in Harm::ALL.chunks(8) {
        wrong.extend(join_all(some.iter().copied().map(case)).await.into_iter().flatten());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
