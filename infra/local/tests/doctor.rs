//! `simdock doctor` on stacks that run and on the data of one that does not.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use aws_sdk_dynamodb::types::AttributeValue::{self, N, S};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use simdock_audit::Rule;
use simdock_domain::{FormFactor, Iccid, MailKind, MailState, Order, OrderNum, Provider};
use simdock_local::{Options, Stack, examine};
use simdock_runtime::Service;
use simdock_store::{ADMINISTRATOR, Principal, Receipt, Store};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("simdock-doctor-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// What the program says and how it ends.
async fn doctor(arguments: &[&str], folder: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simdock"));
    command.arg("doctor").args(arguments).current_dir(folder);
    run(command).await
}

async fn run(mut command: Command) -> (Option<i32>, String) {
    command.env_remove("RUST_LOG");
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn write_ready(stack: &Stack, folder: &Path) {
    std::fs::write(folder.join("ready.json"), stack.ready().to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_wrong_after_everything_that_can_happen() {
    let folder = folder("healthy");
    let stack = Stack::start(Options::default()).await.unwrap();
    simdock_local::demo::demo_all(&stack).await.unwrap();
    let report = examine(&Store::new(&stack.config()).await.unwrap()).await.unwrap();
    assert!(report.found().is_empty(), "{report}");
    write_ready(&stack, &folder);
    let (code, said) = doctor(&["--ready-file", "ready.json"], &folder).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Nothing is wrong"), "{said}");
    stack.stop().await;
    std::fs::remove_dir_all(folder).unwrap();
}

/// Among them are cards of an operator that nobody has put in yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_wrong_with_the_samples_of_a_new_stack() {
    let stack = Stack::start(Options::default()).await.unwrap();
    simdock_local::demo::samples(&stack).await.unwrap();
    let report = examine(&Store::new(&stack.config()).await.unwrap()).await.unwrap();
    assert!(report.found().is_empty(), "{report}");
    stack.stop().await;
}

/// Places an order of the demo's partner, past every function.
async fn placed(store: &Store, key: &str) -> Order {
    let plan = store.latest_plan("sandbox-1gb-7d").await.unwrap().unwrap();
    let num = OrderNum::derive("demo-travel", "POST /v1/orders", key);
    let draft = simdock_domain::Draft {
        count: 1,
        form_factor: FormFactor::Esim,
        wanted: Vec::new(),
        add_on_ids: Vec::new(),
        payment_method: simdock_domain::PaymentMethod::Card,
        channel: simdock_domain::Channel::Web,
        email: "ana@example.com".parse().unwrap(),
        name: "Ana".to_owned(),
        language: "en".to_owned(),
        address: None,
        gift: None,
        line_name: None,
        send_email: true,
        other_order_id: None,
        other_item_id: None,
    };
    let now = store.clock().now();
    let order = Order::place(num, "demo-travel", draft, &plan, key.to_owned(), now).unwrap();
    store.create_order(&order).await.unwrap();
    order
}

/// The same, and pays for it.
async fn paid(store: &Store, key: &str) -> OrderNum {
    let order = placed(store, key).await;
    let receipt = Receipt { provider: Provider::Stripe, payment_id: format!("pi_{key}"), received: order.price() };
    store.receive_payment(&order.num, &receipt).await.unwrap();
    order.num
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_got_lost_is_put_right() {
    let folder = folder("lost");
    let paused = ["relay", "sweep"].map(str::to_owned).to_vec();
    let options = Options { data: Some(folder.join("data")), paused, ..Options::default() };
    let stack = Stack::start(options).await.unwrap();
    let store = Store::new(&stack.config()).await.unwrap();
    // Nobody hears of this order, and a buyer vanishes between ticket and sale.
    let num = paid(&store, "lost").await;
    let engine = aws_sdk_dynamodb::Client::new(&stack.config().sdk(Service::DynamoDb).unwrap());
    let leak = engine.update_item().table_name("simdock-local-pools").key("pk", S("pool#meridian.7.esim".to_owned()));
    let leak = leak.key("sk", S("counter".to_owned())).expression_attribute_values(":n", N("2".to_owned()));
    leak.update_expression("SET available = available - :n, head = head + :n").send().await.unwrap();
    // A slot counts as taken away that is there.
    let dead = engine.update_item().table_name("simdock-local-pools").key("pk", S("pool#meridian.7.esim".to_owned()));
    let dead = dead.key("sk", S("marks".to_owned())).expression_attribute_values(":n", N("1".to_owned()));
    dead.update_expression("ADD dead :n").send().await.unwrap();
    // No sweep will find that this one turns void.
    let unpaid = placed(&store, "unpaid").await.num;
    let astray = engine.update_item().table_name("simdock-local-orders").key("orderNum", S(unpaid.to_string()));
    astray.update_expression("REMOVE dueAt").send().await.unwrap();
    stack.clock().advance(Duration::from_mins(20));
    write_ready(&stack, &folder);

    let found = examine(&store).await.unwrap();
    let mut rules: Vec<Rule> = found.found().iter().map(|finding| finding.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    let mut expected = [Rule::Overdue, Rule::Leaked, Rule::DueAt, Rule::Dead];
    expected.sort_unstable();
    assert_eq!(rules, expected, "{found}");
    let (code, said) = doctor(&["--ready-file", "ready.json", "--repair"], &folder).await;
    assert_eq!(code, Some(1), "{said}");
    for wanted in [
        format!("orders {num}: overdue: "),
        format!("Repaired: orders {unpaid}: nothing is due now, and it has its place in the indexes."),
        "Repaired: pools pool#meridian.7.esim / marks: 1 fewer slots count as taken away.".to_owned(),
        "Repaired: pool meridian.7.esim: 2 cards put back on sale.".to_owned(),
    ] {
        assert!(said.contains(&wanted), "no {wanted}: {said}");
    }
    for _ in 0..600 {
        if store.order(&num).await.unwrap().unwrap().lines[0].state == simdock_domain::LineState::Live {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let left = examine(&store).await.unwrap();
    assert!(left.found().is_empty(), "{left}");
    let level = store.levels().await.unwrap().into_iter().find(|level| level.pool.to_string() == "meridian.7.esim").unwrap();
    assert_eq!(level.available, 150);

    // The data of a stack that runs is another's; that of one that has ended can be looked at.
    let (code, said) = doctor(&["--data", "data"], &folder).await;
    assert_eq!(code, Some(2), "{said}");
    drop(store);
    stack.stop().await;
    let (code, said) = doctor(&["--data", "data"], &folder).await;
    assert_eq!(code, Some(0), "{said}");
    for arguments in [&["--data", "nowhere"][..], &["--ready-file", "ready.json"], &["--mend"]] {
        assert_eq!(doctor(arguments, &folder).await.0, Some(2), "{arguments:?}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

/// What the program says when it is to do something to the stage that a stack is.
async fn at_stage(stack: &Stack, arguments: &[&str]) -> (Option<i32>, String) {
    let ready = stack.ready();
    let mut command = Command::new(env!("CARGO_BIN_EXE_simdock"));
    command.args(arguments).args(["--stage", "local"]);
    for (variable, value) in [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "administrator"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_ENDPOINT_URL_DYNAMODB", ready["dynamodbUrl"].as_str().unwrap()),
        ("AWS_ENDPOINT_URL_SQS", ready["servicesUrl"].as_str().unwrap()),
    ] {
        command.env(variable, value);
    }
    run(command).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_made_for_a_partner_that_does_not_exist_and_nothing_credited_twice() {
    let stack = Stack::start(Options { paused: vec!["sweep".to_owned()], ..Options::default() }).await.unwrap();
    for arguments in [
        &["key", "--partner", "demo"][..],
        &["credit", "--partner", "demo", "--amount", "100", "--currency", "EUR", "--reference", "r"],
        &["alarm", "--partner", "demo", "--level", "100", "--currency", "EUR"],
    ] {
        let (status, said) = at_stage(&stack, arguments).await;
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains("there is no partner demo; there are: demo-travel, other-travel. simdock load"), "{said}");
        assert!(!said.contains("sdk_partner_"), "{said}");
    }
    let (status, said) = at_stage(&stack, &["key", "--partner", "demo-travel"]).await;
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("sdk_partner_"), "{said}");
    for (reference, amount, status, answer) in [
        ("r", "100", 0, "The balance of demo-travel is 10001.00 EUR.\n"),
        ("r", "100", 0, "The balance of demo-travel is 10001.00 EUR (this reference was credited before).\n"),
        ("r", "-100", 1, "simdock: this reference was used before, for 1.00 EUR; nothing was credited\n"),
    ] {
        let credit = ["credit", "--partner", "demo-travel", "--amount", amount, "--currency", "EUR", "--reference", reference];
        let (ended, said) = at_stage(&stack, &credit).await;
        assert_eq!((ended, said.as_str()), (Some(status), answer));
    }
    let (status, said) = at_stage(&stack, &["doctor"]).await;
    assert_eq!(status, Some(0), "{said}");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_of_an_earlier_version_are_put_on_record_and_double_ones_named() {
    let stack = Stack::start(Options { paused: vec!["sweep".to_owned()], ..Options::default() }).await.unwrap();
    let store = Store::new(&stack.config()).await.unwrap();
    let engine = aws_sdk_dynamodb::Client::new(&stack.config().sdk(Service::DynamoDb).unwrap());
    let cards: Vec<Iccid> = (1..=4).map(|card| Iccid::with_check_digit(&format!("890990{card:012}")).unwrap()).collect();
    let sims = store.sims(&cards).await.unwrap();
    let forget = async |card: usize| {
        let pk = format!("code#{}", sims[card].profile_id().unwrap());
        let delete = engine.delete_item().table_name("simdock-local-pools").key("pk", S(pk)).key("sk", S("code".to_owned()));
        delete.send().await.unwrap();
    };
    // One card has the code of another, and not its own, which is on record; two came in when no code was.
    let code = sims[0].activation_code.clone().unwrap().to_string();
    let double = engine.update_item().table_name("simdock-local-sims").key("iccid", S(cards[1].to_string()));
    double.update_expression("SET code = :code").expression_attribute_values(":code", S(code.clone())).send().await.unwrap();
    forget(2).await;
    forget(3).await;

    let twice = format!("sims {}: code: its code is that of card {}: one profile stands twice", cards[1], cards[0]);
    let (status, said) = at_stage(&stack, &["doctor"]).await;
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains(&twice) && said.contains("Wrong: 4."), "{said}");
    let (status, said) = at_stage(&stack, &["doctor", "--repair"]).await;
    assert_eq!(status, Some(1), "{said}");
    for mended in [2, 3] {
        assert!(said.contains(&format!("Repaired: sims {}: its code is on record.", cards[mended])), "{said}");
    }
    let (status, left) = at_stage(&stack, &["doctor"]).await;
    assert_eq!(status, Some(1), "{left}");
    assert!(left.contains(&twice) && left.contains("Wrong: 2."), "{left}");

    forget(2).await;
    let (status, registered) = at_stage(&stack, &["register"]).await;
    assert_ne!(status, Some(0), "{registered}");
    assert!(registered.contains(&format!("Card {} has the code of card {}", cards[1], cards[0])), "{registered}");
    assert!(store.claim_code(&sims[2]).await.unwrap().is_none());
    // With its own code back, all is well, and nobody was told a code.
    let single = engine.update_item().table_name("simdock-local-sims").key("iccid", S(cards[1].to_string()));
    let own = sims[1].activation_code.clone().unwrap().to_string();
    single.update_expression("SET code = :code").expression_attribute_values(":code", S(own)).send().await.unwrap();
    for arguments in [&["register"][..], &["doctor"]] {
        let (status, said) = at_stage(&stack, arguments).await;
        assert_eq!(status, Some(0), "{said}");
    }
    let id = code.rsplit('$').next().unwrap();
    assert!([said, left, registered].iter().all(|said| !said.contains(id)));
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_nobody_is_called_for_is_called_for_again() {
    let folder = folder("uncalled");
    let paused = ["relay", "sweep"].map(str::to_owned).to_vec();
    let stack = Stack::start(Options { paused: paused.clone(), ..Options::default() }).await.unwrap();
    let store = Store::new(&stack.config()).await.unwrap();
    let num = paid(&store, "uncalled").await;
    // Its marks are taken away before anybody has seen them, and with them its place among what the sweep looks at.
    let engine = aws_sdk_dynamodb::Client::new(&stack.config().sdk(Service::DynamoDb).unwrap());
    let marks = engine.update_item().table_name("simdock-local-orders").key("orderNum", S(num.to_string()));
    marks.update_expression("REMOVE pr, ml, dueAt, dueShard").send().await.unwrap();
    for source in paused {
        let change = serde_json::json!({ "source": source, "paused": false }).to_string();
        let request = Request::post(format!("{}/_local/pause", stack.base_url())).body(Full::new(Bytes::from(change))).unwrap();
        let answer = Client::builder(TokioExecutor::new()).build_http().request(request).await.unwrap();
        assert!(answer.status().is_success());
    }
    stack.clock().advance(Duration::from_hours(1));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(store.order(&num).await.unwrap().unwrap().lines[0].state, simdock_domain::LineState::Pending, "it waits for ever");
    // A pool, a partner and a key get lost to those who go by the registries.
    store
        .put_key("sdk_partner_forgotten", &Principal::Partner { partner_id: "demo-travel".to_owned() }, None, ADMINISTRATOR)
        .await
        .unwrap();
    let key = store.keys_of(Some("demo-travel")).await.unwrap().remove(0).id;
    for (table, pk, sk) in
        [("pools", "pools", "meridian.7.esim"), ("partners", "partners", "demo-travel"), ("partners", "keys", &key)]
    {
        let entry = engine.delete_item().table_name(format!("simdock-local-{table}"));
        entry.key("pk", S(pk.to_owned())).key("sk", S(sk.to_owned())).send().await.unwrap();
    }

    write_ready(&stack, &folder);
    let (code, said) = doctor(&["--ready-file", "ready.json"], &folder).await;
    assert_eq!(code, Some(1), "{said}");
    for lost in ["provision", "confirmation"] {
        assert!(said.contains(&format!("orders {num}: work: {lost} is needed, and nobody is called for it")), "{lost}: {said}");
    }
    let (code, said) = doctor(&["--ready-file", "ready.json", "--repair"], &folder).await;
    assert_eq!(code, Some(1), "{said}");
    for wanted in [
        format!("Repaired: orders {num}: what it needs is called for again."),
        "Repaired: pools pools / meridian.7.esim: the pool is in the registry.".to_owned(),
        "Repaired: partners partner#demo-travel / partner: it is in its registry.".to_owned(),
    ] {
        assert!(said.contains(&wanted), "no {wanted}: {said}");
    }
    for _ in 0..600 {
        let order = store.order(&num).await.unwrap().unwrap();
        let sent = |kind| order.mail(kind).is_some_and(|mail| matches!(mail.state, MailState::Sent(_)));
        if sent(MailKind::Confirmation) && sent(MailKind::Qr) {
            let (code, said) = doctor(&["--ready-file", "ready.json"], &folder).await;
            assert_eq!(code, Some(0), "{said}");
            stack.stop().await;
            std::fs::remove_dir_all(folder).unwrap();
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the mails do not go out: {:?}", store.order(&num).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_that_went_out_is_not_sent_again_and_a_card_that_is_set_aside_is_said_so() {
    let folder = folder("mailed");
    let stack = Stack::start(Options { paused: vec!["sweep".to_owned()], ..Options::default() }).await.unwrap();
    let store = Store::new(&stack.config()).await.unwrap();
    let engine = aws_sdk_dynamodb::Client::new(&stack.config().sdk(Service::DynamoDb).unwrap());
    let num = paid(&store, "mailed").await;
    let kinds = [MailKind::Confirmation, MailKind::Qr];
    for _ in 0..600 {
        let order = store.order(&num).await.unwrap().unwrap();
        if kinds.into_iter().all(|kind| order.has_sent(kind)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The next ticket is drawn, and its card's last day to install is near.
    let pool = "meridian.7.esim";
    let counter = engine.update_item().table_name("simdock-local-pools").key("pk", S(format!("pool#{pool}")));
    let counter = counter.key("sk", S("counter".to_owned())).expression_attribute_values(":n", N("1".to_owned()));
    counter.update_expression("SET available = available - :n, head = head + :n").send().await.unwrap();
    write_ready(&stack, &folder);
    let (_, said) = doctor(&["--ready-file", "ready.json"], &folder).await;
    let leaked = said.lines().find_map(|line| line.strip_prefix("sims ")?.split_once(": leaked")).unwrap().0.to_owned();
    let soon = N(store.clock().now().plus_seconds(3600).unix().to_string());
    let sim = engine.update_item().table_name("simdock-local-sims").key("iccid", S(leaked.clone()));
    let sim = sim.update_expression("SET #until = :soon").expression_attribute_names("#until", "until");
    sim.expression_attribute_values(":soon", soon.clone()).send().await.unwrap();
    let slot = store.sim(&leaked.parse().unwrap()).await.unwrap().unwrap().slot.unwrap();
    let held = engine.update_item().table_name("simdock-local-pools").key("pk", S(format!("slot#{pool}#0")));
    let held = held.key("sk", S(format!("{slot:012}"))).update_expression("SET #until = :soon");
    let held = held.expression_attribute_names("#until", "until").expression_attribute_values(":soon", soon);
    held.send().await.unwrap();

    let (_, said) = doctor(&["--ready-file", "ready.json", "--repair"], &folder).await;
    let aside = format!("Repaired: pool {pool}: 0 cards put back on sale, 1 set aside: they cannot be sold any more.");
    assert!(said.contains(&aside), "{said}");

    // The order forgets its mails.
    let sent = store.order(&num).await.unwrap().unwrap().history.len();
    let marks = engine.update_item().table_name("simdock-local-orders").key("orderNum", S(num.to_string()));
    marks.update_expression("REMOVE ml").send().await.unwrap();
    let (code, said) = doctor(&["--ready-file", "ready.json", "--repair"], &folder).await;
    assert_eq!(code, Some(1), "{said}");
    for wanted in [
        format!("orders {num}: mailed: its confirmation mail went out, and is not among its mails. To mend it: a person"),
        format!("orders {num}: mailed: its qr mail went out, and is not among its mails. To mend it: a person"),
        format!("Left: orders {num}: a person has to mend it (mailed)."),
    ] {
        assert!(said.contains(&wanted), "no {wanted}: {said}");
    }
    let order = store.order(&num).await.unwrap().unwrap();
    assert_eq!((order.history.len(), order.mails.len()), (sent, 0));
    stack.stop().await;
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_person_has_to_look_at_is_left_alone_and_what_is_left_is_told() {
    let folder = folder("left");
    let paused = ["relay", "sweep"].map(str::to_owned).to_vec();
    let stack = Stack::start(Options { paused, ..Options::default() }).await.unwrap();
    let store = Store::new(&stack.config()).await.unwrap();
    let engine = aws_sdk_dynamodb::Client::new(&stack.config().sdk(Service::DynamoDb).unwrap());
    // A sold card was put back into the slot that it was drawn from.
    let num = paid(&store, "restocked").await;
    let card = store.order(&num).await.unwrap().unwrap().lines[0].iccid.clone().unwrap();
    let restock = engine.update_item().table_name("simdock-local-sims").key("iccid", S(card.to_string()));
    let restock = restock.update_expression("SET #state = :stocked, slot = :slot REMOVE #order");
    let restock = restock.expression_attribute_names("#state", "state").expression_attribute_names("#order", "order");
    let restock = restock.expression_attribute_values(":stocked", S("stocked".to_owned()));
    restock.expression_attribute_values(":slot", N("0".to_owned())).send().await.unwrap();
    let lost = engine.update_item().table_name("simdock-local-orders").key("orderNum", S(num.to_string()));
    lost.update_expression("REMOVE dueAt").send().await.unwrap();
    let pool = store.sim(&card).await.unwrap().unwrap().pool;
    let marks = async || {
        let get = engine.get_item().table_name("simdock-local-pools").key("pk", S(format!("pool#{pool}")));
        get.key("sk", S("marks".to_owned())).send().await.unwrap().item.unwrap()
    };
    let before = marks().await;
    // A manager's key and a partner are gone, and their entries are there.
    let manager = Principal::Manager { name: "kim".to_owned() };
    let made = store.put_key("sdk_manager_gone", &manager, None, ADMINISTRATOR).await.unwrap();
    let delete = |pk: &str, sk: &str| {
        let delete = engine.delete_item().table_name("simdock-local-partners");
        delete.key("pk", S(pk.to_owned())).key("sk", S(sk.to_owned())).send()
    };
    delete(&simdock_store::hashed_key("sdk_manager_gone"), "key").await.unwrap();
    delete("partner#other-travel", "partner").await.unwrap();
    delete("partners", "demo-travel").await.unwrap();

    write_ready(&stack, &folder);
    let (code, said) = doctor(&["--ready-file", "ready.json", "--repair"], &folder).await;
    assert_eq!(code, Some(1), "{said}");
    for wanted in [
        format!("sims {card}: leaked: "),
        format!("orders {num}: owner: "),
        "Repaired: partners partner#demo-travel / partner: it is in its registry.".to_owned(),
        "Left: partners partners / other-travel: partners partner#other-travel / partner does not exist. The runbook says"
            .to_owned(),
        format!("Left: orders {num}: a person has to mend it first (owner), then --repair does the rest (due_at)."),
        format!("Left: partners keys / {}: ", made.id),
        "Left: partners managers / counter: 1 more managers' keys without an end are counted than there are.".to_owned(),
        format!("Left: pool {pool}: the cards of its leaked tickets are not put back on sale before a person has mended"),
    ] {
        assert!(said.contains(&wanted), "no {wanted}: {said}");
    }
    assert!(!said.contains("put back on sale."), "{said}");
    assert_eq!(marks().await, before);
    let still = store.sim(&card).await.unwrap().unwrap();
    assert_eq!((still.slot, still.order_num), (Some(0), None));
    stack.stop().await;
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_wrote_into_the_tables_is_not_followed() {
    let folder = folder("altered");
    let paused = ["relay", "sweep"].map(str::to_owned).to_vec();
    let stack = Stack::start(Options { paused, ..Options::default() }).await.unwrap();
    let store = Store::new(&stack.config()).await.unwrap();
    let engine = aws_sdk_dynamodb::Client::new(&stack.config().sdk(Service::DynamoDb).unwrap());
    let order_of = async |num: &OrderNum| {
        let get = engine.get_item().table_name("simdock-local-orders").key("orderNum", S(num.to_string()));
        get.send().await.unwrap().item.unwrap()
    };
    let set = |num: &OrderNum, expression: &str, value: AttributeValue| {
        let set = engine.update_item().table_name("simdock-local-orders").key("orderNum", S(num.to_string()));
        set.update_expression(expression).expression_attribute_values(":v", value).send()
    };
    // One is to be mailed to somebody else, one to be cancelled, one never to expire.
    let (mailed, cancelled) = (paid(&store, "mailed").await, paid(&store, "cancelled").await);
    let unpaid = placed(&store, "unpaid").await.num;
    set(&mailed, "SET su.e = :v REMOVE dueAt", S("eve@evil.test".to_owned())).await.unwrap();
    set(&cancelled, "SET li[0].s = :v REMOVE pr", S("c".to_owned())).await.unwrap();
    set(&unpaid, "SET pu = :v", N("2000000000".to_owned())).await.unwrap();
    // And somebody gave themselves a manager's key, while a real one fell out of the registry.
    let manager = Principal::Manager { name: "kim".to_owned() };
    let made = store.put_key("sdk_manager_real", &manager, None, ADMINISTRATOR).await.unwrap();
    let partners = "simdock-local-partners";
    let entry = engine.delete_item().table_name(partners).key("pk", S("keys".to_owned())).key("sk", S(made.id.clone()));
    entry.send().await.unwrap();
    let planted = simdock_store::hashed_key("sdk_manager_planted");
    let key = engine.put_item().table_name(partners).item("pk", S(planted.clone())).item("sk", S("key".to_owned()));
    let key = key.item("role", S("manager".to_owned())).item("name", S("rogue".to_owned()));
    key.item("createdAt", N("1700000000".to_owned())).send().await.unwrap();

    write_ready(&stack, &folder);
    let mut before = Vec::new();
    for num in [&mailed, &cancelled, &unpaid] {
        before.push(order_of(num).await);
    }
    let (code, said) = doctor(&["--ready-file", "ready.json", "--repair"], &folder).await;
    assert_eq!(code, Some(1), "{said}");
    let id = simdock_store::key_id(&planted);
    for wanted in [
        format!(
            "Left: orders {mailed}: a person has to mend it first (altered), then --repair does the rest (attributes, due_at)."
        ),
        format!("Left: orders {cancelled}: a person has to mend it first (altered"),
        format!("Left: orders {unpaid}: a person has to mend it first (altered), then --repair does the rest (due_at)."),
        format!("Left: partners keys / {id}: a person has to mend it (altered)."),
        format!("Left: partners {planted} / key: not registered, as there is a key that nobody knows the maker of."),
    ] {
        assert!(said.contains(&wanted), "no {wanted}: {said}");
    }
    for (num, before) in [&mailed, &cancelled, &unpaid].into_iter().zip(before) {
        assert_eq!(order_of(num).await, before, "{num}");
    }
    let registered = async |id: &str| {
        let get = engine.get_item().table_name(partners).key("pk", S("keys".to_owned())).key("sk", S(id.to_owned()));
        get.send().await.unwrap().item.is_some()
    };
    assert!(!registered(&id).await && !registered(&made.id).await);
    // Once it is gone, the real one is taken in.
    let gone = engine.delete_item().table_name(partners).key("pk", S(planted.clone())).key("sk", S("key".to_owned()));
    gone.send().await.unwrap();
    doctor(&["--ready-file", "ready.json", "--repair"], &folder).await;
    assert!(registered(&made.id).await);
    stack.stop().await;
    std::fs::remove_dir_all(folder).unwrap();
}
