//! The line that a mail is about, and where cards are sent to.

use simdock_domain::{Iccid, Msisdn, PostalAddress};

use crate::content::Fact;
use crate::language::Words;

/// A line that a subscriber has, as they know it.
#[derive(Clone, Copy, Debug)]
pub struct KnownLine<'a> {
    /// What they call it.
    pub name: Option<&'a str>,
    /// Its telephone number, for plans that have one.
    pub mobile_number: Option<&'a Msisdn>,
    /// The SIM that carries it.
    pub iccid: &'a Iccid,
}

impl KnownLine<'_> {
    /// The line in facts; `sim` is what its SIM is called there.
    pub(crate) fn facts(&self, words: &Words, sim: &'static str) -> Vec<Fact> {
        let name = self.name.map(|name| Fact::new(words.line, name));
        let number = self.mobile_number.map(|number| Fact::new(words.mobile_number, number.as_str()));
        name.into_iter().chain(number).chain([Fact::code(sim, self.iccid.as_str())]).collect()
    }
}

/// Whom cards are sent to by post.
#[derive(Clone, Copy, Debug)]
pub struct Addressee<'a> {
    /// Their name.
    pub name: &'a str,
    /// Where they live.
    pub address: &'a PostalAddress,
}

impl Addressee<'_> {
    /// Name and address line by line, as they would stand on the parcel.
    pub(crate) fn fact(&self, label: &'static str) -> Fact {
        let PostalAddress { lines, city, region, postal_code, country } = self.address;
        let town: Vec<&str> =
            [Some(city), region.as_ref(), postal_code.as_ref()].into_iter().flatten().map(String::as_str).collect();
        let town = town.join(", ");
        let all = std::iter::once(self.name).chain(lines.iter().map(String::as_str)).chain([town.as_str(), country]);
        Fact::list(label, all.map(str::to_owned).collect())
    }
}
