//! What the figures are held to.
//!
//! An action's limit is the fewest write units that `DynamoDB` could charge for it, with items of up to a kilobyte: one for each item
//! that has to change under a condition of its own, two for each item of a transaction where several have to change together.
//! Index writes come on top, and are declared here: entering an index or leaving it is one, moving in it two.

/// What an action may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// The action.
    pub name: &'static str,
    /// The fewest write units of tables that it could cost.
    pub writes: f64,
    /// The index writes that it is meant to make.
    pub index_writes: f64,
    /// The most requests that may wait for each other, where that is limited.
    pub calls: Option<usize>,
}

/// How far above its limit an action's write units may be.
pub const SLACK: f64 = 1.25;

const fn limit(name: &'static str, writes: f64, index_writes: f64) -> Limit {
    Limit { name, writes, index_writes, calls: None }
}

/// The actions. An order of N cards costs 2N+3 to pay (ticket; order and cards together) and 4N+2 to provision (order, cards and
/// subscriptions together). An order that still wants something moves in `due` with each change that moves its time.
pub const ACTIONS: [Limit; 11] = [
    // The order enters `due`, `byPartner`, `byTag`, `byDay` and `byMail`.
    Limit { calls: Some(1), ..limit("create", 1.0, 5.0) },
    Limit { calls: Some(4), ..limit("pay1", 5.0, 2.0) },
    Limit { calls: Some(4), ..limit("pay10", 23.0, 2.0) },
    Limit { calls: Some(1), ..limit("duplicate", 0.0, 0.0) },
    // The order moves, the subscription enters its own `due`.
    limit("provision1", 6.0, 2.0 + 1.0),
    // Asked for: the order enters. Claimed: the subscription moves. Revoked (order, card, subscription): the order moves, and enters
    // `attention` as money is owed; the subscription leaves. Asked at the provider: the order moves. Settled: it leaves both.
    limit("refund", 8.0, 1.0 + 2.0 + 4.0 + 2.0 + 2.0),
    // Created, without a tag; paid (order, main order, subscription): the order moves, the subscription moves.
    limit("renew", 7.0, 4.0 + 4.0),
    // Created, without a tag; paid (order, subscription): as above.
    limit("topUp", 5.0, 4.0 + 4.0),
    // Created, without a tag, and sold (ticket; order, subscription, new card): order and subscription move. Set up: the order moves.
    // Installed (order, subscription, both cards): both move. Old card stopped: the order moves.
    limit("swap", 15.0, 4.0 + 4.0 + 2.0 + 4.0 + 2.0),
    // Claimed, then marked as sent.
    limit("mailed", 2.0, 2.0 + 2.0),
    // It leaves.
    limit("sweptOrder", 1.0, 1.0),
];

/// The limit of an action.
pub fn of(name: &str) -> Limit {
    *ACTIONS.iter().find(|limit| limit.name == name).unwrap_or_else(|| panic!("no action {name}"))
}
