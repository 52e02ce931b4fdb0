use simdock_store::Place;
use std::fmt;

/// Something that has to be true of what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Every item can be read.
    Readable,
    /// An item has the attributes that follow from its record, those of the indexes included.
    Attributes,
    /// A record says of whose it is, of when, and of what was asked for, what is said of that elsewhere. Otherwise nothing that follows
    /// from it is mended: it would follow from what somebody wrote there.
    Altered,
    /// What goes by a registry is in it, and what is in one is there. A key speaks for a partner that is there, and for whom it was made for.
    Registered,
    /// The versions of plans that are or were sold are there, as orders were sold by them, and the operators of what is for sale.
    Catalogue,
    /// The sweep looks at an order or a subscription when it has to.
    DueAt,
    /// A mail goes out once for each time that it is called for, and what is marked as sent went out.
    Mailed,
    /// What is due is done, and what nobody does the sweep looks after.
    Overdue,
    /// What a line or a mail needs is called for.
    Work,
    /// An order is paid once and not void then, a payment stands in it once, and cards and payment go together.
    PaidOnce,
    /// What could not pay, and what was cancelled or failed, is owed back: all of it, and nothing else. What counts as given back was.
    OwedBack,
    /// Money is not owed for more than a day.
    RefundStalled,
    /// A provider's payment belongs to the order that has it of that provider.
    Claimed,
    /// A payment that was claimed for an order stands in it.
    Booked,
    /// A ledger and the orders tell the same of a balance.
    Ledger,
    /// A balance is the sum of its ledger.
    Balance,
    /// A gift was given once, is on record, and counted.
    Gift,
    /// A paid renewal is listed on its main order, once.
    Renewal,
    /// A card belongs to one order, and says so itself; one that carries what was sold.
    Owner,
    /// A card for sale stands in the slot that it names, and no other card names one; a slot that can be drawn holds such a
    /// card. Both tell the same last day to install.
    Slot,
    /// A card for sale can be drawn.
    Leaked,
    /// A card whose code was shown says so, and is never sold again; nor is its code with another card, by [`Self::Code`].
    Disclosed,
    /// A code belongs to one card: no other has it, and none can come into stock with it while that card is for sale.
    /// An eSIM for sale has one, or its operator gives it.
    Code,
    /// A code on record is that of a card which is there.
    CodeHolder,
    /// A card that waits to go back on sale is marked, and only such a card.
    Returning,
    /// A card and its subscription name each other.
    Carrier,
    /// What an order brought is open on its subscription for as long as it is, as it was sold, and the other way round.
    Plans,
    /// A change keeps others away from a subscription while its order is under way, and no longer.
    Change,
    /// A pool's counters add up with each other and with its slots.
    Stock,
    /// No more slots count as taken away than are missing; else the pool seems to have less for sale than it has.
    Dead,
}

/// A rule that does not hold somewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// The item that it does not hold for.
    pub place: Place,
    /// In which way.
    pub what: String,
}

/// A rule of which nobody can tell whether it holds somewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unjudged {
    /// The rule.
    pub rule: Rule,
    /// The item that it is about.
    pub place: Place,
    /// The item that it goes by, which is there and cannot be read.
    pub unread: Place,
}

impl Rule {
    /// Every one.
    pub const ALL: [Self; 30] = [
        Self::Readable,
        Self::Attributes,
        Self::Altered,
        Self::Registered,
        Self::Catalogue,
        Self::DueAt,
        Self::Mailed,
        Self::Overdue,
        Self::Work,
        Self::PaidOnce,
        Self::OwedBack,
        Self::RefundStalled,
        Self::Claimed,
        Self::Booked,
        Self::Ledger,
        Self::Balance,
        Self::Gift,
        Self::Renewal,
        Self::Owner,
        Self::Slot,
        Self::Leaked,
        Self::Disclosed,
        Self::Code,
        Self::CodeHolder,
        Self::Returning,
        Self::Carrier,
        Self::Plans,
        Self::Change,
        Self::Stock,
        Self::Dead,
    ];

    /// A stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Readable => "readable",
            Self::Attributes => "attributes",
            Self::Altered => "altered",
            Self::Registered => "registered",
            Self::Catalogue => "catalogue",
            Self::DueAt => "due_at",
            Self::Mailed => "mailed",
            Self::Overdue => "overdue",
            Self::Work => "work",
            Self::PaidOnce => "paid_once",
            Self::OwedBack => "owed_back",
            Self::RefundStalled => "refund_stalled",
            Self::Claimed => "claimed",
            Self::Booked => "booked",
            Self::Ledger => "ledger",
            Self::Balance => "balance",
            Self::Gift => "gift",
            Self::Renewal => "renewal",
            Self::Owner => "owner",
            Self::Slot => "slot",
            Self::Leaked => "leaked",
            Self::Disclosed => "disclosed",
            Self::Code => "code",
            Self::CodeHolder => "code_holder",
            Self::Returning => "returning",
            Self::Carrier => "carrier",
            Self::Plans => "plans",
            Self::Change => "change",
            Self::Stock => "stock",
            Self::Dead => "dead",
        }
    }

    /// Whether only a person can tell which of two items is right. Nothing else of such an item is mended before: it would follow from
    /// what may be wrong.
    pub fn is_for_a_person(self) -> bool {
        self.remedy().is_none()
    }

    /// What mends it, in a few words; the runbook has more.
    pub fn mend(self) -> &'static str {
        self.remedy().unwrap_or(if self == Self::OwedBack {
            "a person: compare with the provider's own list of refunds, where somebody may have given back by hand more than came in; \
             nothing else writes this"
        } else {
            "a person: no code path writes this; compare with a restored copy"
        })
    }

    /// What mends it, where something does besides a person.
    fn remedy(self) -> Option<&'static str> {
        Some(match self {
            Self::Overdue | Self::DueAt => {
                "simdock doctor --repair does what is due and puts the rest into its index; look at the sweep and the dead letters"
            }
            Self::Leaked => "simdock doctor --repair puts it back on sale, as two sweeps do",
            Self::RefundStalled => {
                "see the order's history, then POST /v1/orders/{orderNum}/retry; of what the provider took on, have it send the events again"
            }
            Self::Booked => "have the payment provider send the payment's event again",
            Self::Code => {
                "simdock register, or simdock doctor --repair, puts codes on record; of two cards with one code a person archives the \
                 one that is not sold, and so the one that has no code: POST /v1/sims/{iccid}/archive"
            }
            Self::Attributes => "simdock doctor --repair writes them anew, as any change does",
            Self::Registered => {
                "simdock doctor --repair puts a pool, a partner or a key back into its registry; a person for anything else"
            }
            Self::Dead => "simdock doctor --repair counts them anew",
            Self::Work => "simdock doctor --repair has it called for again, and queued",
            Self::Readable
            | Self::Altered
            | Self::Catalogue
            | Self::PaidOnce
            | Self::OwedBack
            | Self::Claimed
            | Self::Ledger
            | Self::Balance
            | Self::Gift
            | Self::Renewal
            | Self::Owner
            | Self::Slot
            | Self::Disclosed
            | Self::CodeHolder
            | Self::Mailed
            | Self::Returning
            | Self::Carrier
            | Self::Plans
            | Self::Change
            | Self::Stock => return None,
        })
    }

    /// Whether it may not hold for a while although all is well: until a job is done, a buyer is through or a sweep came by.
    pub fn takes_time(self) -> bool {
        match self {
            Self::Overdue | Self::RefundStalled | Self::Leaked | Self::Booked => true,
            Self::Readable
            | Self::Attributes
            | Self::Altered
            | Self::Registered
            | Self::Catalogue
            | Self::DueAt
            | Self::Work
            | Self::PaidOnce
            | Self::OwedBack
            | Self::Claimed
            | Self::Ledger
            | Self::Balance
            | Self::Gift
            | Self::Renewal
            | Self::Owner
            | Self::Slot
            | Self::Disclosed
            | Self::Code
            | Self::CodeHolder
            | Self::Mailed
            | Self::Returning
            | Self::Carrier
            | Self::Plans
            | Self::Change
            | Self::Stock
            | Self::Dead => false,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.rule.name(), self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_page_names_rules_that_there_are() {
        let page = include_str!("../../../infra/TABLES.md").split("\n## What the doctor sees").nth(1).unwrap_or_default();
        let rows = page.lines().filter(|line| line.starts_with("| ")).skip(1);
        let named: Vec<&str> =
            rows.filter_map(|row| row.split('|').nth(2)).flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
        let known: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        assert_eq!(named.iter().filter(|name| !known.contains(*name)).count(), 0, "{named:?}");
        assert!(Rule::ALL.iter().all(|rule| named.contains(&rule.name())), "a rule compares nothing");
    }
}
