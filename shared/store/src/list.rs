//! Lists of orders: which index leads to them, and how far one request goes.

use crate::item::{Item, text, text_of};
use crate::write::{SendError, Twice, send};
use crate::{Store, StoreError, keys};
use futures_util::future::{try_join, try_join_all};
use simdock_domain::{EmailAddress, Iccid, Order, OrderNum, OrderType, Status, Subscription, Timestamp};
use std::fmt;
use std::str::FromStr;

/// Which orders to list; what is absent does not matter. The newest come first, or the oldest; by an address alone, whoever's orders
/// they are, they come partner by partner.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Whose.
    pub partner_id: Option<String>,
    /// Only with this order number of the partner's own.
    pub other_order_id: Option<String>,
    /// Only with this item number of the partner's own.
    pub other_item_id: Option<String>,
    /// Only of the subscriber with this address, in capitals or not.
    pub email: Option<EmailAddress>,
    /// Only of this card: the one that sold it, and those of its subscription.
    pub iccid: Option<Iccid>,
    /// Only with this status now.
    pub status: Option<Status>,
    /// Only of this kind.
    pub kind: Option<OrderType>,
    /// Only those that a manager should look at.
    pub needs_attention: bool,
    /// Created at this time or later. Without it, a list over all partners goes back 31 days.
    pub from: Option<Timestamp>,
    /// Created before this time.
    pub until: Option<Timestamp>,
    /// Whether the oldest come first.
    pub oldest_first: bool,
    /// At most this many, 1 to 100.
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<Position>,
}

/// A page of a list. A page that is short of what was asked for, or empty, may still have a next one.
#[derive(Debug)]
pub struct Page<T, P> {
    /// Its entries.
    pub items: Vec<T>,
    /// Where it ended, if more may follow.
    pub next: Option<P>,
}

/// A place in a list of orders: behind an order, or where a day ends for a list that goes back and begins for one that goes on. As
/// text it is what a client hands back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// A sort key of the list's index, or the time.
    key: String,
    pub(crate) at: Timestamp,
    num: Option<OrderNum>,
}

/// The text is not a place in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionError;

/// How many days a list over all partners goes back if nothing else is asked for.
const DAYS: i64 = 31;
/// How many items one request to DynamoDB reads at most, which is what `BatchGetItem` allows.
const PAGE: usize = 100;
/// How many times one page of a list reads orders at most, so that a filter that few pass does not read all there are.
const MOST_READS: usize = 10;
/// How many days without orders one page of a list passes at most.
const MOST_EMPTY: u32 = 40;
/// How many days are looked at at once behind one without orders.
const AHEAD: usize = 16;
/// How many hundreds of orders a filter looks through at once, once it was seen that few pass.
const HUNDREDS: usize = 4;
const DAY: i64 = 86_400;

/// Which index leads to what is asked for.
enum By {
    /// `byTag`: a partner's own order number.
    Tag(String),
    /// `byMail`: a subscriber's address, of one partner or of all.
    Mail(String, Option<String>),
    /// `byPartner`.
    Partner(String),
    /// `attention`: all partners' that a manager should look at.
    Attention,
    /// `byDay`: all partners.
    Day,
}

/// A part of a list that lies in one partition of an index. Only lists over all partners have more than one, one for each day.
struct Stretch {
    index: &'static str,
    /// The partition key's attribute and value.
    partition: (&'static str, String),
    /// The sort key's attribute.
    sort: &'static str,
    /// Only between these sort keys.
    window: Option<(String, String)>,
    /// Only behind this place.
    start: Option<Position>,
    /// Where the list goes on behind this part.
    beyond: Option<Position>,
}

impl Position {
    /// Behind an order in the index `byMail`.
    pub(crate) fn by_mail(order: &Order) -> Self {
        let key = keys::mail_key(&order.partner_id, &keys::list_key(order.created_at, &order.num));
        Self { key, at: order.created_at, num: Some(order.num.clone()) }
    }

    fn time(at: Timestamp) -> Self {
        Self { key: at.to_string(), at, num: None }
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let (rest, num) = match text.rsplit_once('#') {
            None => (text, None),
            Some((rest, num)) => (rest, Some(num.parse().map_err(|_| PositionError)?)),
        };
        let time = rest.rsplit('#').next().unwrap_or_default();
        let at: Timestamp = time.parse().map_err(|_| PositionError)?;
        // Keys sort by time in this form only.
        if at.to_string() == time { Ok(Self { key: text.to_owned(), at, num }) } else { Err(PositionError) }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)
    }
}

impl ListQuery {
    fn by(&self) -> By {
        match (&self.partner_id, &self.other_order_id, &self.email) {
            (Some(partner), Some(own), _) => By::Tag(keys::tag(partner, own)),
            (partner, _, Some(email)) => By::Mail(keys::mail(email), partner.clone()),
            (Some(partner), None, None) => By::Partner(partner.clone()),
            (None, _, None) if self.needs_attention => By::Attention,
            (None, _, None) => By::Day,
        }
    }

    /// The place behind an order of the list.
    pub(crate) fn behind(&self, order: &Order) -> Position {
        match self.by() {
            By::Mail(..) => Position::by_mail(order),
            By::Tag(_) | By::Partner(_) | By::Attention | By::Day => {
                let key = keys::list_key(order.created_at, &order.num);
                Position { key, at: order.created_at, num: Some(order.num.clone()) }
            }
        }
    }

    /// Whether every order that the index leads to is one that is asked for.
    fn is_exact(&self) -> bool {
        let by_index = match self.by() {
            By::Tag(_) => self.email.is_none(),
            By::Mail(_, Some(_)) | By::Partner(_) => true,
            By::Mail(_, None) => self.other_order_id.is_none() && self.from.is_none() && self.until.is_none(),
            By::Attention | By::Day => self.other_order_id.is_none(),
        };
        let attention = self.needs_attention && !matches!(self.by(), By::Attention);
        let more = self.other_item_id.is_some() || self.status.is_some() || self.kind.is_some() || attention;
        by_index && !more
    }

    fn admits(&self, order: &Order, now: Timestamp) -> bool {
        self.partner_id.as_ref().is_none_or(|partner| *partner == order.partner_id)
            && (self.other_order_id.is_none() || self.other_order_id == order.other_order_id)
            && (self.other_item_id.is_none() || self.other_item_id == order.other_item_id)
            && self.email.as_ref().is_none_or(|email| email.as_str().eq_ignore_ascii_case(order.subscriber.email.as_str()))
            && self.status.is_none_or(|status| status == order.status(now))
            && self.kind.is_none_or(|kind| kind == order.kind)
            && (!self.needs_attention || !order.attention().is_empty())
            && self.from.is_none_or(|from| from <= order.created_at)
            && self.until.is_none_or(|until| order.created_at < until)
    }

    /// The part of the list behind a place; none if there is no more.
    fn stretch(&self, place: Option<&Position>, now: Timestamp) -> Option<Stretch> {
        // List keys are `<time>#<order>`, so a bare time sorts before every key of that second. The bounds are inclusive and no
        // key equals a bare time, which makes `until` exclusive.
        let mut from = self.from.map_or_else(|| "0".to_owned(), |time| time.to_string());
        let mut until = self.until.map_or_else(|| "9999".to_owned(), |time| time.to_string());
        let mut beyond = None;
        let (index, partition, sort) = match self.by() {
            By::Tag(tag) => ("byTag", ("tag", tag), "listKey"),
            By::Partner(partner) => ("byPartner", ("partnerId", partner), "listKey"),
            By::Mail(mail, Some(partner)) => {
                (from, until) = (keys::mail_key(&partner, &from), keys::mail_key(&partner, &until));
                ("byMail", ("mail", mail), "mailKey")
            }
            By::Mail(mail, None) => {
                let (start, window) = (place.cloned(), None);
                return Some(Stretch { index: "byMail", partition: ("mail", mail), sort: "mailKey", window, start, beyond });
            }
            By::Attention => (keys::ATTENTION, (keys::DESK, keys::DESK.to_owned()), "listKey"),
            By::Day => {
                let end = self.until.unwrap_or(now.plus_seconds(1));
                let first = self.from.unwrap_or(end.plus_seconds(-DAYS * DAY));
                // The next second that the list may have orders of.
                let second = match place {
                    None if self.oldest_first => first,
                    None => end.plus_seconds(-1),
                    Some(Position { at, .. }) if self.oldest_first => (*at).max(first),
                    Some(Position { at, num: Some(_), .. }) => (*at).min(end.plus_seconds(-1)),
                    Some(Position { at, num: None, .. }) => (*at).min(end).plus_seconds(-1),
                };
                if second < first || end <= second {
                    return None;
                }
                let midnight = second.plus_seconds(-second.unix().rem_euclid(DAY));
                let next = midnight.plus_seconds(DAY);
                beyond = if self.oldest_first {
                    (next < end).then(|| Position::time(next))
                } else {
                    (first < midnight).then(|| Position::time(midnight))
                };
                from = first.to_string();
                ("byDay", ("day", keys::day(second)), "listKey")
            }
        };
        // DynamoDB refuses an empty window, and a start outside of it, where a place of another list may be.
        let behind = |place: &Position| if self.oldest_first { place.key >= from } else { place.key < until };
        let start = place.filter(|place| place.num.is_some() && behind(place)).cloned();
        let outside = |place: &Position| if self.oldest_first { place.key >= until } else { place.key < from };
        if from > until || start.as_ref().is_some_and(outside) {
            return None;
        }
        Some(Stretch { index, partition, sort, window: Some((from, until)), start, beyond })
    }
}

impl ListQuery {
    /// The parts of the list behind a place, as far as they follow upon each other, and at most so many.
    fn stretches(&self, place: Option<&Position>, now: Timestamp, most: usize) -> Vec<Stretch> {
        let mut stretches: Vec<Stretch> = Vec::new();
        let mut place = place.cloned();
        while stretches.len() < most {
            let Some(stretch) = self.stretch(place.as_ref(), now) else { break };
            place.clone_from(&stretch.beyond);
            stretches.push(stretch);
            if place.is_none() {
                break;
            }
        }
        stretches
    }
}

impl Stretch {
    /// The key to start behind, as DynamoDB wants it.
    fn start_key(&self) -> Option<Item> {
        let place = self.start.as_ref()?;
        let mut key = keys::order(place.num.as_ref()?);
        key.insert(self.partition.0.to_owned(), text(&self.partition.1));
        key.insert(self.sort.to_owned(), text(&place.key));
        Some(key)
    }
}

impl Store {
    /// Lists orders.
    pub async fn list_orders(&self, query: &ListQuery) -> Result<Page<Order, Position>, StoreError> {
        let now = self.clock.now();
        if let Some(iccid) = &query.iccid {
            return self.orders_of_card(query, iccid, now).await;
        }
        let mut orders: Vec<Order> = Vec::new();
        let mut place = query.after.clone();
        let (mut reads, mut empty) = (0, 0);
        loop {
            // A day without orders is seldom alone.
            let stretches = query.stretches(place.as_ref(), now, if empty == 0 { 1 } else { AHEAD });
            if stretches.is_empty() {
                return Ok(Page { items: orders, next: None });
            }
            // Of what a filter has to look through, many may pass: the first look is a short one.
            let wanted = match (query.is_exact(), reads) {
                (true, _) => query.limit - orders.len(),
                (false, 0) => (2 * query.limit).min(PAGE),
                (false, _) => HUNDREDS * PAGE,
            };
            let looked = stretches.iter().map(|stretch| self.nums(stretch, wanted, query.oldest_first));
            for (stretch, (nums, more)) in stretches.iter().zip(try_join_all(looked).await?) {
                place.clone_from(&stretch.beyond);
                if nums.is_empty() {
                    empty += 1;
                } else {
                    reads += nums.len().div_ceil(PAGE);
                    let found = self.orders_in_sequence(&nums).await?;
                    if let Some(last) = found.last().filter(|_| more) {
                        place = Some(query.behind(last));
                    }
                    for order in found.into_iter().filter(|order| query.admits(order, now)) {
                        if orders.len() == query.limit {
                            let next = orders.last().map(|last| query.behind(last));
                            return Ok(Page { items: orders, next });
                        }
                        orders.push(order);
                    }
                }
                if place.is_none() || orders.len() == query.limit || reads >= MOST_READS || empty == MOST_EMPTY {
                    return Ok(Page { items: orders, next: place });
                }
                if more {
                    break;
                }
            }
        }
    }

    /// The next orders of a stretch, and whether it has more.
    async fn nums(&self, stretch: &Stretch, most: usize, oldest_first: bool) -> Result<(Vec<OrderNum>, bool), StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.tables.orders)
            .index_name(stretch.index)
            .expression_attribute_names("#p", stretch.partition.0)
            .expression_attribute_values(":p", text(&stretch.partition.1))
            .scan_index_forward(oldest_first)
            .limit(i32::try_from(most).unwrap_or(i32::MAX))
            .set_exclusive_start_key(stretch.start_key());
        let query = match &stretch.window {
            None => query.key_condition_expression("#p = :p"),
            Some((from, until)) => query
                .key_condition_expression("#p = :p AND #s BETWEEN :from AND :until")
                .expression_attribute_names("#s", stretch.sort)
                .expression_attribute_values(":from", text(from))
                .expression_attribute_values(":until", text(until)),
        };
        let answer = send(Twice::Harmless, || query.clone().send()).await.map_err(SendError::unconditional)?;
        let num =
            |item| text_of(item, "orderNum")?.parse().map_err(|_| StoreError::Broken("an index without an order".to_owned()));
        Ok((answer.items().iter().map(num).collect::<Result<_, _>>()?, answer.last_evaluated_key.is_some()))
    }

    /// Orders, in the sequence of their numbers.
    async fn orders_in_sequence(&self, nums: &[OrderNum]) -> Result<Vec<Order>, StoreError> {
        let mut orders = self.orders(nums).await?;
        orders.sort_by_key(|order| nums.iter().position(|num| *num == order.num));
        Ok(orders)
    }

    /// The orders that made a subscription what it is, and those that were to change it: the one that began it first, the others
    /// as they came; and that one itself. What the index does not show yet, the subscription itself may know. One request reads the newest 1 MB of the index, some
    /// 8,000 orders.
    pub async fn orders_of_subscription(
        &self,
        subscription: &Subscription,
    ) -> Result<(Option<Order>, Vec<OrderNum>), StoreError> {
        let all = Stretch {
            index: "bySubscription",
            partition: ("subscription", subscription.id.clone()),
            sort: "listKey",
            window: None,
            start: None,
            beyond: None,
        };
        let main = self.order(&subscription.main_order);
        let (main, (indexed, _)) = try_join(main, self.nums(&all, usize::MAX, false)).await?;
        let mut nums = vec![subscription.main_order.clone()];
        for num in indexed.into_iter().rev().chain(subscription.orders(main.as_ref())) {
            if !nums.contains(&num) {
                nums.push(num);
            }
        }
        Ok((main, nums))
    }

    /// The orders of a card: those that sold it, and those of its subscription. They are few.
    async fn orders_of_card(
        &self,
        query: &ListQuery,
        iccid: &Iccid,
        now: Timestamp,
    ) -> Result<Page<Order, Position>, StoreError> {
        let Some(sim) = self.sim(iccid).await? else { return Ok(Page { items: Vec::new(), next: None }) };
        let sold_by = match &sim.order_num {
            None => None,
            Some(num) => self.order(num).await?,
        };
        // The new card of a swap has none of its own until it is activated.
        let subscription = sim.subscription.or_else(|| Some(sold_by?.subject?.subscription));
        let subscription = match subscription {
            None => None,
            Some(id) => self.subscription(&id).await?,
        };
        let mut nums: Vec<OrderNum> = sim.past_orders.into_iter().chain(sim.order_num).collect();
        if let Some(subscription) = subscription {
            nums.extend(self.orders_of_subscription(&subscription).await?.1);
        }
        nums.sort();
        nums.dedup();
        let mut orders = self.orders(&nums).await?;
        let list_key = |order: &Order| keys::list_key(order.created_at, &order.num);
        let seen = |order: &Order, place: &Position| {
            if query.oldest_first { list_key(order) <= place.key } else { list_key(order) >= place.key }
        };
        orders.retain(|order| query.admits(order, now) && !query.after.as_ref().is_some_and(|place| seen(order, place)));
        orders.sort_by_key(list_key);
        if !query.oldest_first {
            orders.reverse();
        }
        let more = orders.len() > query.limit;
        orders.truncate(query.limit);
        let last = orders.last().filter(|_| more);
        let next = last.map(|last| Position { key: list_key(last), at: last.created_at, num: Some(last.num.clone()) });
        Ok(Page { items: orders, next })
    }
}
