//! Every key of every table, in one place; `infra/TABLES.md` shows an example of each.

use crate::item::{Item, text};
use simdock_domain::{Currency, EmailAddress, Iccid, OrderNum, PoolId, Timestamp, short_hash};
use std::collections::HashMap;

/// How many slots share a partition.
pub const SLOTS_PER_BLOCK: u64 = 1000;
/// Over how many partitions of the index `due` the orders spread.
pub const DUE_SHARDS: u8 = 8;

/// Table `orders`.
pub fn order(num: &OrderNum) -> Item {
    HashMap::from([("orderNum".to_owned(), text(num.as_str()))])
}

/// Table `sims`.
pub fn sim(iccid: &Iccid) -> Item {
    HashMap::from([("iccid".to_owned(), text(iccid.as_str()))])
}

/// Table `subscriptions`.
pub fn subscription(id: &str) -> Item {
    HashMap::from([("subscriptionId".to_owned(), text(id))])
}

fn pair(pk: impl Into<String>, sk: impl Into<String>) -> Item {
    HashMap::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

/// Table `pools`: the registry of pools, one item each.
pub const POOLS: &str = "pools";

/// Table `pools`: a pool in the registry.
pub fn pool(pool: &PoolId) -> Item {
    pair(POOLS, pool.to_string())
}

/// Table `pools`: the partition of what is known of a pool.
pub fn pool_pk(pool: &PoolId) -> String {
    format!("pool#{pool}")
}

/// Table `pools`: what the sort keys of a pool's history begin with.
pub const POOL_DAYS: &str = "day#";

/// Table `pools`: a pool's history of a day.
pub fn pool_day(pool: &PoolId, at: Timestamp) -> Item {
    pair(pool_pk(pool), format!("{POOL_DAYS}{}", day(at)))
}

/// Table `pools`: the counter that tickets are drawn from.
pub fn counter(pool: &PoolId) -> Item {
    pair(pool_pk(pool), "counter")
}

/// Table `pools`: where the next slot will be added.
pub fn tail(pool: &PoolId) -> Item {
    pair(pool_pk(pool), "tail")
}

/// Table `pools`: how far the sweep has looked for leaked tickets.
pub fn marks(pool: &PoolId) -> Item {
    pair(pool_pk(pool), "marks")
}

/// Table `pools`: the partition of a slot.
pub fn slot_block(pool: &PoolId, slot: u64) -> String {
    format!("slot#{pool}#{}", slot / SLOTS_PER_BLOCK)
}

/// Table `pools`: a slot within its partition, in an order that strings share with numbers.
pub fn slot_number(slot: u64) -> String {
    format!("{slot:012}")
}

/// Table `pools`: a slot.
pub fn slot(pool: &PoolId, slot: u64) -> Item {
    pair(slot_block(pool, slot), slot_number(slot))
}

/// Table `pools`: cards that wait to be put back on sale, one item each.
pub fn returns(pool: &PoolId) -> String {
    format!("return#{pool}")
}

/// Table `pools`: a card that waits to be put back on sale.
pub fn returned(pool: &PoolId, iccid: &Iccid) -> Item {
    pair(returns(pool), iccid.as_str())
}

/// Table `pools`: what the partitions of codes begin with.
pub const CODE: &str = "code#";

/// Table `pools`: which card has the code of a profile.
pub fn code(profile_id: &str) -> Item {
    pair(format!("{CODE}{profile_id}"), "code")
}

/// Table `pools`: the registry of imports that are not finished.
pub const RUNNING_IMPORTS: &str = "imports";

/// Table `pools`: an import in the registry.
pub fn running_import(id: &str) -> Item {
    pair(RUNNING_IMPORTS, id)
}

/// Table `pools`: the sort key of imports' verdicts, and the key of `byCreated`.
pub const VERDICT: &str = "verdict";

/// Table `pools`: an import's verdict.
pub fn import(id: &str) -> Item {
    pair(format!("import#{id}"), VERDICT)
}

/// Table `pools`: the partition of what one attempt at an import wrote down.
pub fn import_parts(id: &str, attempt: &str) -> String {
    format!("import#{id}#{attempt}")
}

/// Table `pools`: a run of an import's bad lines.
pub fn import_errors(id: &str, attempt: &str, part: usize) -> Item {
    pair(import_parts(id, attempt), format!("errors#{part:06}"))
}

/// Table `pools`: cards of an import that are not in stock yet.
pub fn import_chunk(id: &str, attempt: &str, part: usize) -> Item {
    pair(import_parts(id, attempt), format!("chunk#{part:06}"))
}

/// Table `pools`: a part of an import by its sort key.
pub fn part(parts: &str, sk: &str) -> Item {
    pair(parts, sk)
}

/// Table `pools`: lines of a chunk that another import brought in first; they are named by the first of them.
pub fn late_errors(parts: &str, chunk: &str, line: usize) -> Item {
    pair(parts, format!("errors#{chunk}#{line:06}"))
}

/// Table `partners`: who holds an API key, by the partition that the key's hash makes.
pub fn api_key(pk: &str) -> Item {
    pair(pk, "key")
}

/// Table `partners`: the partition of an API key, made of its SHA-256; the key itself is kept nowhere.
pub fn hashed(key: &str) -> String {
    use sha2::{Digest, Sha256};
    format!("key#{}", hex::encode(Sha256::digest(key.as_bytes())))
}

/// Table `partners`: the partition of a partner and its balances.
pub fn partner_pk(id: &str) -> String {
    format!("partner#{id}")
}

/// Table `partners`: a partner.
pub fn partner(id: &str) -> Item {
    pair(partner_pk(id), "partner")
}

/// Table `partners`: a partner's prepaid balance in a currency.
pub fn balance(partner_id: &str, currency: Currency) -> Item {
    pair(partner_pk(partner_id), format!("balance#{currency}"))
}

/// Table `partners`: the registry of balances that somebody watches, one item each.
pub const WATCHED: &str = "watched";

/// Table `partners`: what a partner's balances in the registry begin with.
pub fn watched_by(partner_id: &str) -> String {
    format!("{partner_id}#")
}

/// Table `partners`: a balance in the registry.
pub fn watched(partner_id: &str, currency: Currency) -> Item {
    pair(WATCHED, format!("{}{currency}", watched_by(partner_id)))
}

/// Table `partners`: the partition of a partner's ledger.
pub fn ledger(partner_id: &str) -> String {
    format!("ledger#{partner_id}")
}

/// Table `partners`: an entry of the ledger; `reference` names what moved the money, once.
pub fn ledger_entry(partner_id: &str, reference: &str) -> Item {
    pair(ledger(partner_id), reference)
}

/// Table `partners`: the registry of partners, one item each.
pub const PARTNERS: &str = "partners";

/// Table `partners`: a partner in the registry.
pub fn partner_entry(id: &str) -> Item {
    pair(PARTNERS, id)
}

/// Table `partners`: the registry of API keys, one item each.
pub const KEYS: &str = "keys";

/// Table `partners`: an API key in the registry, which names the key's hash.
pub fn key_entry(key_id: &str) -> Item {
    pair(KEYS, key_id)
}

/// The id of an API key, by the partition that its hash is kept under: tells one key from others, and nothing of it.
pub fn key_id(pk: &str) -> String {
    format!("KY{}", short_hash(&["key", pk]))
}

/// Table `partners`: that a request made an API key. `request` is a hash of who asked and of the idempotency key.
pub fn key_request(request: &str) -> Item {
    pair(format!("key#request#{request}"), "request")
}

/// Table `partners`: that a request made a partner. `request` is a hash of who asked and of the idempotency key.
pub fn partner_request(request: &str) -> Item {
    pair(format!("partner#request#{request}"), "request")
}

/// Table `partners`: how many managers' keys have no end.
pub fn managers() -> Item {
    pair("managers", "counter")
}

/// Table `partners`: the partition of the audit log of a month, in UTC.
pub fn audit(at: Timestamp) -> String {
    format!("audit#{}", month(at))
}

/// Table `partners`: an entry of the audit log, so many microseconds after its second began; `chance` tells apart what happens at once.
/// Earlier versions left the microseconds out.
pub fn audit_entry(at: Timestamp, micros: u32, chance: u32) -> Item {
    pair(audit(at), format!("{at}#{micros:06}#{chance:08x}"))
}

/// When the month of a point in time begins, in UTC.
pub fn month_begin(at: Timestamp) -> Timestamp {
    format!("{}-01T00:00:00Z", month(at)).parse().unwrap_or(at)
}

fn month(at: Timestamp) -> String {
    let mut text = at.to_string();
    text.truncate("2026-11".len());
    text
}

/// Table `partners`: the order that a provider's payment belongs to.
pub fn payment(provider: &str, payment_id: &str) -> Item {
    pair(format!("payment#{provider}#{payment_id}"), "payment")
}

/// Table `plans`: the partition of a plan.
pub fn plan(id: &str) -> String {
    format!("plan#{id}")
}

/// Table `plans`: a version of a plan.
pub fn plan_version(id: &str, version: u32) -> Item {
    pair(plan(id), format!("v{version:06}"))
}

/// Table `plans`: the registry of plans, one item each.
pub const PLANS: &str = "plans";

/// Table `plans`: a plan in the registry, which names its latest version.
pub fn plan_entry(id: &str) -> Item {
    pair(PLANS, id)
}

/// Table `plans`: an operator that issues cards.
pub fn operator(id: &str) -> Item {
    pair(format!("operator#{id}"), "operator")
}

/// Sort key of `byPartner`, `byTag` and `byDay`: by time, and unique.
pub fn list_key(created_at: Timestamp, num: &OrderNum) -> String {
    format!("{created_at}#{num}")
}

/// Key of `byTag`: a partner's own order number.
pub fn tag(partner_id: &str, other_order_id: &str) -> String {
    format!("{partner_id}#{other_order_id}")
}

/// Key of `byDay`, and of pools' histories: a day, in UTC.
pub fn day(at: Timestamp) -> String {
    let mut text = at.to_string();
    text.truncate("2026-11-22".len());
    text
}

/// Key of `byMail`: a subscriber's address, in capitals or not. A hash, since keys of indexes turn up in places that addresses must
/// not.
pub fn mail(address: &EmailAddress) -> String {
    short_hash(&["mail", &address.as_str().to_ascii_lowercase()])
}

/// Sort key of `byMail`: partner by partner, each by time.
pub fn mail_key(partner_id: &str, list_key: &str) -> String {
    format!("{partner_id}#{list_key}")
}

/// The index of orders that a manager should look at.
pub const ATTENTION: &str = "attention";

/// Attribute and key of `attention`: its only partition.
pub const DESK: &str = "desk";

/// Key of `due`: the partition of an order.
pub fn due_shard(num: &OrderNum) -> u8 {
    // The order number is a hash already; its last character spreads evenly.
    num.as_str().bytes().last().unwrap_or(0) % DUE_SHARDS
}

/// Key of `due`: the partition of a subscription.
pub fn subscription_shard(id: &str) -> u8 {
    id.bytes().last().unwrap_or(0) % DUE_SHARDS
}

/// Table `partners`: that a subscriber was given something for a subscription with an eligible plan.
pub fn gift(partner_id: &str, subscription: &str) -> Item {
    pair(format!("gift#{partner_id}"), subscription)
}

/// An import's id: the same file from the same manager is the same import.
pub fn import_id(manager: &str, options: &str, content: &str) -> String {
    format!("IM{}", short_hash(&["import", manager, options, content]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use simdock_domain::ActivationCode;
    use std::collections::{BTreeMap, BTreeSet};

    const PAGE: &str = include_str!("../../../infra/TABLES.md");
    const SOURCES: [&str; 24] = [
        include_str!("api_keys.rs"),
        include_str!("attention.rs"),
        include_str!("audit.rs"),
        include_str!("codes.rs"),
        include_str!("imports.rs"),
        include_str!("in_step.rs"),
        include_str!("inspect.rs"),
        include_str!("recover.rs"),
        include_str!("lines.rs"),
        include_str!("ledger.rs"),
        include_str!("levels.rs"),
        include_str!("list.rs"),
        include_str!("orders.rs"),
        include_str!("partners.rs"),
        include_str!("pay.rs"),
        include_str!("plans.rs"),
        include_str!("shelf.rs"),
        include_str!("sim_list.rs"),
        include_str!("sims.rs"),
        include_str!("stock.rs"),
        include_str!("subscriptions.rs"),
        include_str!("sweep.rs"),
        include_str!("transaction.rs"),
        include_str!("write.rs"),
    ];

    /// The cells of a table's rows, below a heading.
    fn rows(heading: &str) -> Vec<Vec<&'static str>> {
        let section = PAGE.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
        let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
        rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
    }

    /// What stands in backticks.
    fn code(cell: &str) -> Vec<&str> {
        cell.split('`').skip(1).step_by(2).collect()
    }

    /// What stands between two texts, wherever it does.
    fn between(start: &str, end: char) -> BTreeSet<&'static str> {
        SOURCES.into_iter().flat_map(|source| source.split(start).skip(1)).filter_map(|rest| rest.split(end).next()).collect()
    }

    #[test]
    fn examples_are_what_the_builders_make() {
        let num: OrderNum = "EP0123456789ABCDEF".parse().unwrap();
        let iccid: Iccid = "8934501234567890125".parse().unwrap();
        let of = PoolId::try_from("meridian.7.esim".to_owned()).unwrap();
        let id = import_id("admin", "skipInvalid", "iccid\n8934501234567890125\n");
        let attempt = "00c0ffee00c0ffee";
        let code_of_a_card: ActivationCode = "LPA:1$smdp.example.com$04386-AGYFT-A74Y8-3F815".parse().unwrap();
        let built = BTreeMap::from([
            ("order", order(&num)),
            ("card", sim(&iccid)),
            ("subscription", subscription("SUY7YCW29EC2NQGQ6H")),
            ("pool", pool(&of)),
            ("counter of a pool", counter(&of)),
            ("tail of a pool", tail(&of)),
            ("marks of a pool", marks(&of)),
            ("day of a pool", pool_day(&of, "2026-11-22T10:30:00Z".parse().unwrap())),
            ("slot", slot(&of, 1234)),
            ("returned card", returned(&of, &iccid)),
            ("code of a card", super::code(&code_of_a_card.profile_id().unwrap())),
            ("running import", running_import(&id)),
            ("import", import(&id)),
            ("chunk of an import", import_chunk(&id, attempt, 2)),
            ("errors of an import", import_errors(&id, attempt, 0)),
            ("late errors of an import", late_errors(&import_parts(&id, attempt), "chunk#000002", 105)),
            ("API key", api_key(&hashed("example"))),
            ("partner", partner("acme")),
            ("balance", balance("acme", "EUR".parse().unwrap())),
            ("watched balance", watched("acme", "EUR".parse().unwrap())),
            ("partner in the registry", partner_entry("acme")),
            ("API key in the registry", key_entry(&key_id(&hashed("example")))),
            ("request for an API key", key_request("01J9Z3M6T8V0W2XY")),
            ("request for a partner", partner_request("01J9Z3M6T8V0W2XY")),
            ("counter of managers' keys", managers()),
            ("audit entry", audit_entry("2026-11-22T10:30:00Z".parse().unwrap(), 1_234, 0x00c0_ffee)),
            ("ledger entry", ledger_entry("acme", "EP0123456789ABCDEF#payment")),
            ("payment", payment("stripe", "pi_3PxA")),
            ("gift", gift("acme", "SUY7YCW29EC2NQGQ6H")),
            ("plan", plan_entry("eu-5gb-30d")),
            ("version of a plan", plan_version("eu-5gb-30d", 2)),
            ("operator", operator("meridian")),
        ]);
        let mut shown = BTreeMap::new();
        for row in rows("Entities") {
            let [entity, table, key, example, _] = row.try_into().unwrap();
            let item = match (code(table)[0], code(example).as_slice()) {
                ("orders" | "sims" | "subscriptions", [value]) => HashMap::from([(code(key)[0].to_owned(), text(*value))]),
                ("pools" | "partners" | "plans", [pk, sk]) => pair(*pk, *sk),
                other => panic!("{entity}: {other:?}"),
            };
            shown.insert(entity, item);
        }
        assert_eq!(shown, built);
    }

    #[test]
    fn the_keys_of_indexes_sort_by_time() {
        let num: OrderNum = "EP0123456789ABCDEF".parse().unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let early = list_key(at("2026-11-22T10:30:00Z"), &num);
        assert_eq!(early, "2026-11-22T10:30:00Z#EP0123456789ABCDEF");
        assert!(early < list_key(at("2026-11-22T10:30:01Z"), &num));
        assert!(early > at("2026-11-22T10:30:00Z").to_string());
        assert_eq!(tag("acme", "shop-1007"), "acme#shop-1007");
        assert_eq!(day(at("2026-11-22T23:59:59Z")), "2026-11-22");
        assert_eq!(mail_key("acme", &early), "acme#2026-11-22T10:30:00Z#EP0123456789ABCDEF");
        let address = |text: &str| mail(&text.parse().unwrap());
        assert_eq!(address("Ana@Example.com"), address("ana@example.com"));
        assert_ne!(address("ana@example.com"), address("anna@example.com"));
        assert!(due_shard(&num) < DUE_SHARDS);
    }

    #[test]
    fn slots_sort_as_numbers_within_their_block() {
        let of = PoolId::try_from("meridian.7.esim".to_owned()).unwrap();
        assert!(slot_number(999) < slot_number(1000));
        assert_eq!(slot_block(&of, 999), "slot#meridian.7.esim#0");
        assert_eq!(slot_block(&of, 1000), "slot#meridian.7.esim#1");
    }

    #[test]
    fn the_page_names_every_condition_and_no_other() {
        let shown: BTreeSet<&str> = rows("Invariants").iter().flat_map(|row| code(row[1])).collect();
        assert_eq!(shown, between(".condition_expression(\"", '"'));
    }

    #[test]
    fn the_page_names_every_function_and_no_other() {
        let shown: BTreeSet<&str> = rows("Access patterns").iter().flat_map(|row| code(row[4])).collect();
        assert_eq!(shown, between("\n    pub async fn ", '('));
    }
}
