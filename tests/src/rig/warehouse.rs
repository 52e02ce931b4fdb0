//! The warehouse: stock comes in by files, some of them twice, some with cards that another file has as well, or with their codes on
//! other cards.

use super::site::{Answer, As, Site};
use super::weather::pause;
use crate::audit::{Books, Promise, Violation};
use fastrand::Rng;
use futures_util::future::join;
use hyper::Method;
use simdock_domain::Iccid;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use tokio::sync::watch;

/// What the warehouse does.
pub const ACTS: [&str; 6] = [
    "brought a file",
    "brought a file twice at once",
    "brought cards again",
    "brought cards in two files at once",
    "brought codes again",
    "brought codes in two files at once",
];

/// A card with its code.
type Card = (String, String);

/// Files that were brought, and what was answered.
#[derive(Debug, Default)]
pub struct Brought {
    /// Every code of every file, and the cards that came with it: one of them comes into stock.
    codes: BTreeMap<String, BTreeSet<String>>,
    /// Imports, with how many cards each was said to have put into stock once it was done.
    imports: BTreeMap<String, Option<u64>>,
}

/// Who brings files, and remembers what came of them.
pub struct Warehouse {
    site: Arc<Site>,
    /// The most new cards in a file.
    most: u64,
    last: u64,
    brought: Brought,
}

impl Warehouse {
    /// One that has brought nothing yet, for so many shops: never enough for all of them.
    pub fn new(site: Arc<Site>, shops: u64) -> Self {
        Self { site, most: 15 + shops / 2, last: 0, brought: Brought::default() }
    }

    /// Brings files until it is over.
    pub async fn open(mut self, mut open: watch::Receiver<bool>) -> Brought {
        // Each kind of file in turn, in an order of the plan's.
        let mut kinds: Vec<u8> = (0..8).collect();
        self.site.plan.dice("kinds of files").shuffle(&mut kinds);
        for number in 0.. {
            let mut rng = self.site.plan.dice(&format!("file {number}"));
            if !pause(&mut open, rng.u64(100..800)).await {
                break;
            }
            let (operator, profile) = [("meridian", "7"), ("meridian", "10"), ("sandbox", "1"), ("sandbox", "1")][rng.usize(..4)];
            let path = format!("/v1/inventory/imports?operator={operator}&imsiProfile={profile}&skipInvalid=true");
            let cards = self.new_cards(&mut rng);
            let (files, act) = match kinds[number % kinds.len()] {
                0 => (vec![cards.clone(), cards], "brought a file twice at once"),
                1 => (vec![[self.known(&mut rng), cards].concat()], "brought cards again"),
                2 => {
                    let known = self.known(&mut rng);
                    (vec![[self.with_codes_of(&known), cards].concat()], "brought codes again")
                }
                3 => {
                    let (mine, theirs) = (self.new_cards(&mut rng), self.new_cards(&mut rng));
                    (vec![[&mine[..], &cards].concat(), [cards, theirs].concat()], "brought cards in two files at once")
                }
                4 => {
                    let doubles = self.with_codes_of(&cards[..cards.len().min(5)]);
                    // Either may find all of them taken; some of its own go in.
                    let (mine, others) = (self.new_cards(&mut rng), self.new_cards(&mut rng));
                    (vec![[mine, cards].concat(), [others, doubles].concat()], "brought codes in two files at once")
                }
                _ => (vec![cards], "brought a file"),
            };
            self.bring(&path, &files, act).await;
        }
        self.brought
    }

    fn new_card(&mut self) -> Card {
        self.last += 1;
        let iccid = Iccid::with_check_digit(&format!("898821{:012}", self.last)).expect("a card's number");
        (iccid.to_string(), format!("LPA:1$rsp.example.com$RIG-{}", self.last))
    }

    fn new_cards(&mut self, rng: &mut Rng) -> Vec<Card> {
        (0..rng.u64(1..=self.most)).map(|_| self.new_card()).collect()
    }

    /// Some cards that came in before, wherever they are by now.
    fn known(&self, rng: &mut Rng) -> Vec<Card> {
        let codes = &self.brought.codes;
        let known = codes.iter().skip(rng.usize(..=codes.len())).take(5);
        known.filter_map(|(code, iccids)| Some((iccids.first()?.clone(), code.clone()))).collect()
    }

    /// New cards with the codes of others.
    fn with_codes_of(&mut self, cards: &[Card]) -> Vec<Card> {
        cards.iter().map(|(_, code)| (self.new_card().0, code.clone())).collect()
    }

    async fn bring(&mut self, path: &str, files: &[Vec<Card>], act: &'static str) {
        let text = |cards: &Vec<Card>| {
            let mut file = "iccid,code\n".to_owned();
            for (iccid, code) in cards {
                writeln!(file, "{iccid},{code}").expect("a string takes all");
            }
            file
        };
        let send = async |cards: &Vec<Card>| self.site.send(Method::POST, path, As::Manager, &text(cards)).await;
        let answers = match files {
            [one, other] => {
                let (one, other) = join(send(one), send(other)).await;
                vec![one, other]
            }
            files => vec![send(&files[0]).await],
        };
        if answers.iter().all(Answer::is_done) {
            self.site.plan.act(act);
        }
        for answer in answers.into_iter().filter(Answer::is_done) {
            let id = answer.body["importId"].as_str().unwrap_or_default().to_owned();
            let added = (answer.status == 201).then(|| answer.body["added"].as_u64()).flatten();
            let known = self.brought.imports.entry(id).or_default();
            *known = known.or(added);
        }
        for (iccid, code) in files.iter().flatten() {
            self.brought.codes.entry(code.clone()).or_default().insert(iccid.clone());
        }
    }
}

/// How the codes begin that the sandbox operator gives.
const OPERATORS: &str = "LPA:1$rsp.sandbox.simdock.test$";

impl Brought {
    /// Holds what managers were told about their files against the tables.
    pub async fn check(&self, site: &Site, books: &Books) -> Vec<Violation> {
        let mut found: Vec<(Promise, String)> = Vec::new();
        let mut there: BTreeMap<&str, &str> = BTreeMap::new();
        for sim in &books.sims {
            let text = |name: &str| sim[name]["S"].as_str().unwrap_or_default();
            // An operator that is asked for a card answers with the code that it has from then on, also once it is back on sale.
            let theirs = text("pool").starts_with("sandbox.") && text("code").starts_with(OPERATORS);
            if there.insert(text("iccid"), if theirs { "its operator's" } else { text("code") }).is_some() {
                found.push((Promise::Stock, format!("{} is there twice", text("iccid"))));
            }
        }
        for (code, iccids) in &self.codes {
            let cards: Vec<_> = iccids.iter().filter_map(|iccid| there.get_key_value(iccid.as_str())).collect();
            if cards.len() != 1 || (*cards[0].1 != code && *cards[0].1 != "its operator's") {
                found.push((Promise::Answers, format!("{code} was brought with {iccids:?}, and there is {cards:?}")));
            }
        }
        let known: BTreeSet<&str> = self.codes.values().flatten().chain(&site.stocked).map(String::as_str).collect();
        let strange: BTreeSet<&str> = there.keys().copied().filter(|iccid| !known.contains(iccid)).collect();
        if !strange.is_empty() {
            found.push((Promise::Stock, format!("no file brought {strange:?}")));
        }
        let mut added_in_all = 0;
        for (id, told) in &self.imports {
            let import = site.send(Method::GET, &format!("/v1/inventory/imports/{id}"), As::Manager, "").await.body;
            let [accepted, added, rejected, lines] =
                ["accepted", "added", "rejected", "lines"].map(|name| import[name].as_u64().unwrap_or_default());
            let adds_up = import["status"] == "done" && accepted == added && added + rejected == lines;
            if !adds_up || told.is_some_and(|told| told != added) {
                found.push((Promise::Answers, format!("of {id} {told:?} cards were told to be in stock: {import}")));
            }
            added_in_all += added;
        }
        if added_in_all != u64::try_from(self.codes.len()).unwrap_or(u64::MAX) {
            let (codes, imports) = (self.codes.len(), self.imports.len());
            found.push((Promise::Answers, format!("{imports} imports put {added_in_all} cards into stock, and brought {codes}")));
        }
        found.into_iter().map(|(promise, found)| Violation { promise, found }).collect()
    }
}
