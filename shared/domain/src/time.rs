//! Points in time.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point in time: whole seconds since the Unix epoch, leap seconds not counted.
///
/// Stored (serde) as that integer; shown to people and in the API as RFC 3339 in UTC, `2026-11-22T10:30:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The point `seconds` after the Unix epoch, before it when negative.
    pub const fn from_unix(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since the Unix epoch.
    pub const fn unix(self) -> i64 {
        self.0
    }

    /// The point `seconds` later (earlier when negative), held at the ends of the range.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// The first second of its calendar month, in UTC.
    #[must_use]
    pub fn month_start(self) -> Self {
        let days = OffsetDateTime::from_unix_timestamp(self.0).map_or(0, |at| i64::from(at.day()) - 1);
        self.plus_seconds(-days * 86_400 - self.0.rem_euclid(86_400))
    }

    /// Seconds from `earlier` to this point, negative when `earlier` is the later one, held at the ends of the range.
    pub const fn seconds_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// RFC 3339 in UTC without a fraction. RFC 3339 ends at the year 9999: what lies outside prints as `unix:<seconds>`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match OffsetDateTime::from_unix_timestamp(self.0) {
            Ok(at) if at.year() >= 0 => write!(
                f,
                "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
                at.year(),
                u8::from(at.month()),
                at.day(),
                at.hour(),
                at.minute(),
                at.second()
            ),
            _ => write!(f, "unix:{}", self.0),
        }
    }
}

/// Reads RFC 3339 with any offset; a fraction of a second is cut off.
impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The parser takes any character between date and time.
        let parted = matches!(text.as_bytes().get(10), Some(b'T' | b't' | b' '));
        let at = OffsetDateTime::parse(text, &Rfc3339).ok().filter(|_| parted);
        at.map(|at| Self(at.unix_timestamp())).ok_or(TimestampError)
    }
}

/// The text is not an RFC 3339 date and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampError;

impl fmt::Display for TimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be an RFC 3339 date and time such as 2026-11-22T10:30:00Z")
    }
}

impl std::error::Error for TimestampError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_rfc_3339_in_utc() {
        for (unix, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_343_400, "2026-11-22T10:30:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (-62_167_219_200, "0000-01-01T00:00:00Z"),
        ] {
            assert_eq!(Timestamp::from_unix(unix).to_string(), text);
            assert_eq!(text.parse(), Ok(Timestamp::from_unix(unix)));
        }
    }

    #[test]
    fn months_begin_at_midnight_in_utc() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for (time, start) in [
            ("2026-11-30T23:59:59Z", "2026-11-01T00:00:00Z"),
            ("2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z"),
            ("2026-12-01T00:30:00+01:00", "2026-11-01T00:00:00Z"),
            ("2024-02-29T12:00:00Z", "2024-02-01T00:00:00Z"),
            ("1969-12-31T23:59:59Z", "1969-12-01T00:00:00Z"),
        ] {
            assert_eq!(at(time).month_start(), at(start));
        }
    }

    #[test]
    fn shows_what_rfc_3339_cannot_express_as_a_number() {
        for unix in [i64::MIN, -62_167_219_201, 253_402_300_800, i64::MAX] {
            assert_eq!(Timestamp::from_unix(unix).to_string(), format!("unix:{unix}"));
        }
    }

    #[test]
    fn reads_any_offset_and_cuts_the_fraction_off() {
        let expected = Ok(Timestamp::from_unix(1_795_343_400));
        for text in
            ["2026-11-22T10:30:00.999999999Z", "2026-11-22T18:30:00+08:00", "2026-11-22T06:00:00.5-04:30", "2026-11-22t10:30:00z"]
        {
            assert_eq!(text.parse(), expected, "{text}");
        }
        assert_eq!("1969-12-31T23:59:59.9Z".parse(), Ok(Timestamp::from_unix(-1)));
    }

    #[test]
    fn refuses_what_is_not_rfc_3339() {
        for text in [
            "",
            "2026-11-22",
            "2026-11-22T10:30:00",
            "2026-02-30T10:30:00Z",
            "2026-11-22T24:00:00Z",
            " 2026-11-22T10:30:00Z",
            "2026-11-22T10:30:00Z ",
            "1795343400",
            "2026-11-22\r10:30:00Z",
            "2026-11-22_10:30:00Z",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError), "{text}");
        }
    }

    #[test]
    fn arithmetic_stops_at_the_ends() {
        let first = Timestamp::from_unix(i64::MIN);
        let last = Timestamp::from_unix(i64::MAX);
        assert_eq!(last.plus_seconds(1), last);
        assert_eq!(first.plus_seconds(-1), first);
        assert_eq!(last.seconds_since(first), i64::MAX);
        assert_eq!(first.seconds_since(last), i64::MIN);
        assert_eq!(Timestamp::from_unix(90).plus_seconds(-30), Timestamp::from_unix(60));
        assert_eq!(Timestamp::from_unix(60).seconds_since(Timestamp::from_unix(90)), -30);
    }

    #[test]
    fn is_stored_as_an_integer() {
        let at = Timestamp::from_unix(1_795_343_400);
        assert_eq!(serde_json::to_string(&at).unwrap(), "1795343400");
        assert_eq!(serde_json::from_str::<Timestamp>("1795343400").unwrap(), at);
    }
}
