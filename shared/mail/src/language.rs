//! The languages of the mails to subscribers. Each one's words are in a file of its own.

mod de;
mod en;
mod es;
mod ja;

use simdock_domain::Timestamp;
use time::OffsetDateTime;

use crate::date::utc;

/// A language that the mails are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// English, and what everybody gets whose language is not here.
    #[default]
    En,
    /// German.
    De,
    /// Spanish.
    Es,
    /// Japanese.
    Ja,
}

impl Language {
    /// Every language, for those who show or test them all.
    pub const ALL: [Self; 4] = [Self::En, Self::De, Self::Es, Self::Ja];

    /// The language of a BCP 47 tag such as `de-AT`, by its primary subtag in any case; English for any other.
    pub fn from_tag(tag: &str) -> Self {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(primary)).unwrap_or_default()
    }

    /// The BCP 47 tag.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
            Self::Es => "es",
            Self::Ja => "ja",
        }
    }

    pub(crate) const fn words(self) -> &'static Words {
        match self {
            Self::En => &en::WORDS,
            Self::De => &de::WORDS,
            Self::Es => &es::WORDS,
            Self::Ja => &ja::WORDS,
        }
    }
}

/// Everything that the mails to subscribers say, in one language.
pub(crate) struct Words {
    /// Opens a mail, with the subscriber's name where it is known.
    pub(crate) greeting: fn(Option<&str>) -> String,
    date: fn(OffsetDateTime) -> String,
    pub(crate) automatic: &'static str,
    pub(crate) order_number: &'static str,
    pub(crate) plan: &'static str,
    /// How many cards.
    pub(crate) count: &'static str,
    /// What the subscriber has: a number, a SIM, plans.
    pub(crate) line: &'static str,
    pub(crate) mobile_number: &'static str,
    pub(crate) iccid: &'static str,
    pub(crate) delivery_address: &'static str,
    pub(crate) qr: QrWords,
    pub(crate) confirmation: ConfirmationWords,
    pub(crate) shipment: ShipmentWords,
}

impl Words {
    /// A point in time to the minute, in UTC and saying so.
    pub(crate) fn date(&self, at: Timestamp) -> String {
        (self.date)(utc(at))
    }
}

/// The words of the QR mail. Where a phone's settings have a name for something, it is the name used here.
pub(crate) struct QrWords {
    /// The subject for a number of eSIMs and their plan.
    pub(crate) subject: fn(usize, &str) -> String,
    pub(crate) title: fn(usize) -> String,
    pub(crate) intro: &'static str,
    pub(crate) before_heading: &'static str,
    pub(crate) before_travel: &'static str,
    pub(crate) before: [&'static str; 3],
    /// Which eSIM of how many.
    pub(crate) card: fn(usize, usize) -> String,
    /// The QR code in words, with the ICCID.
    pub(crate) alt: fn(&str) -> String,
    pub(crate) caption: &'static str,
    pub(crate) install_ios: &'static str,
    pub(crate) install_android: &'static str,
    pub(crate) activate_before: &'static str,
    pub(crate) sm_dp_address: &'static str,
    pub(crate) activation_code: &'static str,
    pub(crate) confirmation_code: &'static str,
    pub(crate) confirmation_code_hint: &'static str,
    pub(crate) lpa_code: &'static str,
    pub(crate) apn: &'static str,
    pub(crate) steps_heading: &'static str,
    pub(crate) steps: [&'static str; 4],
    /// One more step, when there is an APN.
    pub(crate) apn_step: &'static str,
    pub(crate) swap: QrSwapWords,
}

/// What the QR mail of a swap says instead.
pub(crate) struct QrSwapWords {
    /// The subject for the plan.
    pub(crate) subject: fn(&str) -> String,
    pub(crate) title: &'static str,
    pub(crate) intro: &'static str,
    pub(crate) old_works: &'static str,
    /// One more step, with the ICCID of the SIM that is replaced.
    pub(crate) remove_old: fn(&str) -> String,
}

/// How a confirmation begins.
pub(crate) struct Opening {
    /// The subject for an order number.
    pub(crate) subject: fn(&str) -> String,
    pub(crate) title: &'static str,
    pub(crate) intro: &'static str,
}

/// The words of the order confirmation.
pub(crate) struct ConfirmationWords {
    pub(crate) order: Opening,
    pub(crate) top_up: Opening,
    pub(crate) renewal: Opening,
    pub(crate) swap: Opening,
    pub(crate) cancellation: Opening,
    pub(crate) add_ons: &'static str,
    /// Names the plan that add-ons go with.
    pub(crate) for_plan: &'static str,
    pub(crate) price: &'static str,
    pub(crate) date: &'static str,
    /// Names the ICCID of a SIM that is replaced.
    pub(crate) old_sim: &'static str,
    /// For a number of eSIMs.
    pub(crate) qr_follows: fn(usize) -> &'static str,
    /// For a number of cards.
    pub(crate) by_post: fn(usize) -> &'static str,
    pub(crate) parcel_follows: &'static str,
    pub(crate) old_works: &'static str,
    pub(crate) nothing_to_install: &'static str,
    pub(crate) after_the_running_plan: &'static str,
}

/// The words of the shipment mail; those that take a number take that of the cards.
pub(crate) struct ShipmentWords {
    /// The subject, with the order number.
    pub(crate) subject: fn(usize, &str) -> String,
    pub(crate) title: fn(usize) -> &'static str,
    pub(crate) intro: &'static str,
    pub(crate) carrier: &'static str,
    /// Names the carrier's number of the parcel.
    pub(crate) number: &'static str,
    pub(crate) date: &'static str,
    pub(crate) insert: fn(usize) -> &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_language_of_a_tag() {
        for (tag, language) in [
            ("en", Language::En),
            ("en-GB", Language::En),
            ("de", Language::De),
            ("de-AT", Language::De),
            ("DE_ch", Language::De),
            ("es-419", Language::Es),
            ("ja-JP", Language::Ja),
            ("JA", Language::Ja),
            ("fr", Language::En),
            ("deu", Language::En),
            ("", Language::En),
            ("-", Language::En),
            ("日本語", Language::En),
        ] {
            assert_eq!(Language::from_tag(tag), language, "{tag}");
        }
    }

    #[test]
    fn writes_dates_as_the_language_does() {
        let at: Timestamp = "2026-03-05T07:04:59Z".parse().unwrap();
        let dates = Language::ALL.map(|language| language.words().date(at));
        assert_eq!(
            dates,
            ["5 March 2026, 07:04 UTC", "5. März 2026, 07:04 UTC", "5 de marzo de 2026, 07:04 UTC", "2026年3月5日 07:04(UTC)",]
        );
    }
}
