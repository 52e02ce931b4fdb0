//! A subscriber's lines: the subscriptions that their orders began.

use crate::{ListQuery, Page, Position, PositionError, Store, StoreError};
use simdock_domain::{EmailAddress, Order, OrderType, Subscription};
use std::fmt;
use std::str::FromStr;

/// Whose lines to list. They come as their orders do: the newest first, of all partners partner by partner.
#[derive(Clone, Debug)]
pub struct LineQuery {
    /// The subscriber's address, in capitals or not.
    pub email: EmailAddress,
    /// Only those that this partner sold.
    pub partner_id: Option<String>,
    /// At most this many, 1 to 100.
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<LinePosition>,
}

/// A place in a list of lines: so many lines into the order that comes behind a place among the orders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinePosition {
    pub(crate) behind: Option<Position>,
    pub(crate) lines: usize,
}

/// How many times one page reads orders at most.
const MOST_READS: u32 = 10;

impl FromStr for LinePosition {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let (lines, place) = text.split_once('/').ok_or(PositionError)?;
        let behind = if place.is_empty() { None } else { Some(place.parse()?) };
        Ok(Self { behind, lines: lines.parse().map_err(|_| PositionError)? })
    }
}

impl fmt::Display for LinePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.lines)?;
        self.behind.as_ref().map_or(Ok(()), |place| place.fmt(f))
    }
}

impl Store {
    /// Lists the subscriptions of a subscriber. Lines that are not provisioned have none yet.
    pub async fn list_lines(&self, query: &LineQuery) -> Result<Page<Subscription, LinePosition>, StoreError> {
        let (mut behind, mut skip) = match &query.after {
            None => (None, 0),
            Some(place) => (place.behind.clone(), place.lines),
        };
        let mut found: Vec<Subscription> = Vec::new();
        for _ in 0..MOST_READS {
            let orders = self
                .list_orders(&ListQuery {
                    partner_id: query.partner_id.clone(),
                    email: Some(query.email.clone()),
                    kind: Some(OrderType::ActivateSubscription),
                    limit: query.limit,
                    after: behind.clone(),
                    ..ListQuery::default()
                })
                .await?;
            let ids: Vec<String> = orders.items.iter().flat_map(ids_of).collect();
            let known = self.subscriptions(&ids).await?;
            for order in &orders.items {
                for (line, id) in ids_of(order).enumerate().skip(skip) {
                    let Some(subscription) = known.iter().find(|subscription| subscription.id == id) else { continue };
                    if found.len() == query.limit {
                        return Ok(Page { items: found, next: Some(LinePosition { behind, lines: line }) });
                    }
                    found.push(subscription.clone());
                }
                (behind, skip) = (Some(Position::by_mail(order)), 0);
            }
            behind.clone_from(&orders.next);
            if behind.is_none() {
                return Ok(Page { items: found, next: None });
            }
            if found.len() == query.limit {
                break;
            }
        }
        Ok(Page { items: found, next: Some(LinePosition { behind, lines: 0 }) })
    }
}

/// The subscriptions that an order's lines begin.
fn ids_of(order: &Order) -> impl Iterator<Item = String> {
    (0..order.lines.len()).map(|line| order.subscription_id(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_survive_the_way_through_a_cursor() {
        for text in ["0/", "3/", "49/acme#2026-11-22T10:30:00Z#EP0123456789ABCDEF"] {
            assert_eq!(text.parse::<LinePosition>().unwrap().to_string(), text);
        }
        for text in ["", "/", "-1/", "1", "1/x", "acme#2026-11-22T10:30:00Z#EP0123456789ABCDEF"] {
            assert!(text.parse::<LinePosition>().is_err(), "{text}");
        }
    }
}
