//! Dates of the calendar.

use simdock_domain::Timestamp;
use time::OffsetDateTime;

/// The last second of the year 9999, after which no format here has digits.
const LAST: i64 = 253_402_300_799;

/// The date and time in UTC, held within the years 1970 to 9999.
pub(crate) fn utc(at: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at.unix().clamp(0, LAST)).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The date as a message's header has it (RFC 5322 §3.3), in UTC: `Sun, 22 Nov 2026 10:30:00 +0000`.
pub(crate) fn rfc5322(at: Timestamp) -> String {
    let at = utc(at);
    let weekday = at.weekday().to_string();
    let month = at.month().to_string();
    format!(
        "{}, {} {} {} {:02}:{:02}:{:02} +0000",
        &weekday[..3],
        at.day(),
        &month[..3],
        at.year(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_date_of_a_header() {
        for (unix, text) in [
            (1_795_343_400, "Sun, 22 Nov 2026 10:30:00 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (0, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (i64::MIN, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (i64::MAX, "Fri, 31 Dec 9999 23:59:59 +0000"),
        ] {
            assert_eq!(rfc5322(Timestamp::from_unix(unix)), text);
        }
    }
}
