//! Amounts of money in the minor units of ISO 4217.

use std::fmt;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most that anything about a plan costs, and the most that a balance is credited with at once or watched by, in minor units:
/// fifty of the one, and years of the other, are far from where sums overflow.
pub const MOST_MONEY: i64 = 1_000_000_000_000;

/// The active codes of ISO 4217 that have a minor unit, by its exponent. Codes without one (metals, `XDR`, `XXX` and
/// their kind) cannot price anything.
const ACTIVE: [(u32, &str); 4] = [
    (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
    (
        2,
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW \
         CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF \
         IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK \
         MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP \
         SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG \
         YER ZAR ZMW ZWG",
    ),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
    (4, "CLF UYW"),
];

/// An active currency of ISO 4217, written as its alphabetic code in upper case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    code: &'static str,
    exponent: u32,
}

impl Currency {
    /// The alphabetic code, such as `EUR`.
    pub const fn as_str(self) -> &'static str {
        self.code
    }

    /// How many decimal digits the minor unit has: 2 for `EUR`, 0 for `JPY`, 3 for `KWD`, 4 for `CLF`.
    pub const fn exponent(self) -> u32 {
        self.exponent
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

impl FromStr for Currency {
    type Err = CurrencyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Each code has three letters, and all but the last a space behind it: prices are read so often that searching them shows.
        let is_it = |code: &[u8]| code[..3] == *text.as_bytes();
        let found = ACTIVE.iter().find_map(|(exponent, codes)| {
            let place = codes.as_bytes().chunks(4).position(is_it)?;
            Some(Self { code: &codes[4 * place..4 * place + 3], exponent: *exponent })
        });
        found.ok_or(CurrencyError)
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code)
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// The text is not an active currency code of ISO 4217 with a minor unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrencyError;

impl fmt::Display for CurrencyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be an active ISO 4217 currency code in upper case, such as EUR")
    }
}

impl std::error::Error for CurrencyError {}

/// An amount in one currency: `{"amount": 1450, "currency": "EUR"}` is 14.50 EUR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// Minor units of `currency`; negative for a debt.
    pub amount: i64,
    /// What the amount is counted in.
    pub currency: Currency,
}

impl Money {
    /// The sum, or `None` when the currencies differ or the sum does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        if self.currency != other.currency {
            return None;
        }
        let amount = self.amount.checked_add(other.amount)?;
        Some(Self { amount, ..self })
    }

    /// One sum for each currency, in the sequence in which they come; one that does not fit stops at the largest.
    pub fn sums(amounts: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut sums: Vec<Self> = Vec::new();
        for amount in amounts {
            match sums.iter_mut().find(|sum| sum.currency == amount.currency) {
                Some(sum) => sum.amount = sum.amount.saturating_add(amount.amount),
                None => sums.push(amount),
            }
        }
        sums
    }

    /// The amount in major units, with as many decimal digits as the currency has: `14.50`, `1450`, `-1.450`.
    pub fn in_major_units(self) -> String {
        let sign = if self.amount < 0 { "-" } else { "" };
        let (minor, digits) = (self.amount.unsigned_abs(), self.currency.exponent);
        let unit = 10_u64.pow(digits);
        match digits as usize {
            0 => format!("{sign}{minor}"),
            digits => format!("{sign}{}.{:0digits$}", minor / unit, minor % unit),
        }
    }

    /// This amount `count` times, or `None` when that does not fit.
    pub fn checked_mul(self, count: u32) -> Option<Self> {
        let amount = self.amount.checked_mul(i64::from(count))?;
        Some(Self { amount, ..self })
    }
}

/// With as many decimal digits as the currency has, and its code: `14.50 EUR`, `1450 JPY`, `-1.450 KWD`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.in_major_units(), self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount: i64, currency: &str) -> Money {
        Money { amount, currency: currency.parse().unwrap() }
    }

    #[test]
    fn the_table_is_well_formed() {
        let codes: Vec<&str> = ACTIVE.iter().flat_map(|(_, codes)| codes.split(' ')).collect();
        assert!(codes.iter().all(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase())));
        for (_, group) in ACTIVE {
            assert!(group.split(' ').is_sorted());
        }
        let mut distinct = codes.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), codes.len());
    }

    #[test]
    fn exponents_follow_iso_4217() {
        for (code, exponent) in
            [("EUR", 2), ("USD", 2), ("HUF", 2), ("MGA", 2), ("JPY", 0), ("ISK", 0), ("KWD", 3), ("TND", 3), ("CLF", 4)]
        {
            let currency: Currency = code.parse().unwrap();
            assert_eq!((currency.as_str(), currency.exponent()), (code, exponent));
        }
    }

    #[test]
    fn refuses_what_is_not_an_active_code() {
        for text in ["", "eur", "Eur", "EURO", "EU", " EUR", "EUR JPY", "XAU", "XXX", "HRK", "ANG", "BGN"] {
            assert_eq!(text.parse::<Currency>(), Err(CurrencyError), "{text}");
        }
    }

    #[test]
    fn adds_only_one_currency_and_only_what_fits() {
        assert_eq!(money(1450, "EUR").checked_add(money(-450, "EUR")), Some(money(1000, "EUR")));
        assert_eq!(money(1, "EUR").checked_add(money(1, "USD")), None);
        assert_eq!(money(i64::MAX, "EUR").checked_add(money(1, "EUR")), None);
        assert_eq!(money(i64::MIN, "EUR").checked_add(money(-1, "EUR")), None);
    }

    #[test]
    fn multiplies_only_what_fits() {
        assert_eq!(money(1450, "JPY").checked_mul(50), Some(money(72_500, "JPY")));
        assert_eq!(money(1450, "JPY").checked_mul(0), Some(money(0, "JPY")));
        assert_eq!(money(i64::MAX, "JPY").checked_mul(2), None);
        assert_eq!(money(i64::MIN, "JPY").checked_mul(2), None);
    }

    #[test]
    fn shows_the_decimals_of_the_currency() {
        for (amount, currency, text) in [
            (1450, "EUR", "14.50 EUR"),
            (5, "EUR", "0.05 EUR"),
            (0, "EUR", "0.00 EUR"),
            (-5, "EUR", "-0.05 EUR"),
            (-1450, "EUR", "-14.50 EUR"),
            (1450, "JPY", "1450 JPY"),
            (-1450, "JPY", "-1450 JPY"),
            (1450, "KWD", "1.450 KWD"),
            (-7, "CLF", "-0.0007 CLF"),
            (i64::MAX, "EUR", "92233720368547758.07 EUR"),
            (i64::MIN, "EUR", "-92233720368547758.08 EUR"),
        ] {
            assert_eq!(money(amount, currency).to_string(), text);
        }
    }

    #[test]
    fn is_stored_as_amount_and_code() {
        let json = r#"{"amount":1450,"currency":"EUR"}"#;
        assert_eq!(serde_json::to_string(&money(1450, "EUR")).unwrap(), json);
        assert_eq!(serde_json::from_str::<Money>(json).unwrap(), money(1450, "EUR"));
        assert!(serde_json::from_str::<Money>(r#"{"amount":1450,"currency":"eur"}"#).is_err());
        assert!(serde_json::from_str::<Money>(r#"{"amount":14.5,"currency":"EUR"}"#).is_err());
    }
}
