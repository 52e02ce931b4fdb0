//! What an operator's answer means for the card.

use http::StatusCode;
use serde::Deserialize;
use simdock_domain::{ActivationCode, Msisdn, Timestamp};

use crate::{CarrierError, Provisioned};

/// Longest reason in characters.
const MAX_REASON_LENGTH: usize = 200;

/// Longest wait in seconds that an operator may ask for.
const MAX_RETRY_AFTER: u32 = 3600;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status: Status,
    activation_code: Option<ActivationCode>,
    msisdn: Option<Msisdn>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Active,
    Pending,
}

/// Problem details, RFC 9457.
#[derive(Deserialize)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
}

/// What the answer means; the rules stand at [`crate::Carriers::provision`].
pub fn judge(status: StatusCode, retry_after: Option<u32>, body: &[u8]) -> Result<Provisioned, CarrierError> {
    let retryable = |reason| Err(CarrierError::Retryable { reason, retry_after });
    let code = status.as_u16();
    if matches!(code, 200..=202 | 409) {
        match serde_json::from_slice(body) {
            Ok(Answer { status: Status::Active, activation_code, msisdn }) => {
                return Ok(Provisioned { activation_code, msisdn });
            }
            Ok(Answer { status: Status::Pending, .. }) => return retryable("the operator is still working on it".to_owned()),
            Err(_) => {}
        }
    }
    match code {
        200..=299 => retryable(format!("the operator answered {code} with a body that is too long, cut off or not understood")),
        400..=499 if retry_after.is_none() && !matches!(code, 401 | 408 | 425 | 429) => {
            Err(CarrierError::Final { reason: refusal(code, body) })
        }
        _ => retryable(refusal(code, body)),
    }
}

/// The status code and, of problem details, the title and the detail.
fn refusal(code: u16, body: &[u8]) -> String {
    let problem = serde_json::from_slice(body).unwrap_or(Problem { title: None, detail: None });
    let said = [problem.title, problem.detail].into_iter().flatten();
    printable(&said.fold(format!("the operator answered {code}"), |reason, part| format!("{reason}: {part}")))
}

/// What others wrote as one line for logs and the order's history: at most 200 characters, none of them a control or format
/// character, and no word that could be part of an activation code (`$`) or a mail address (`@`).
pub fn printable(text: &str) -> String {
    let masked = |word: &str| if word.contains(['$', '@']) { "***".to_owned() } else { word.to_owned() };
    let words: Vec<_> = text.split_whitespace().map(masked).collect();
    let shown = |character: char| character == ' ' || character.is_ascii_graphic() || character.is_alphanumeric();
    words.join(" ").chars().map(|character| if shown(character) { character } else { '?' }).take(MAX_REASON_LENGTH).collect()
}

/// The seconds that a `Retry-After` asks for, written as such or as an HTTP date (RFC 9110 section 10.2.3), at most an hour.
pub fn retry_after(value: &str, now: Timestamp) -> Option<u32> {
    let seconds = match value.parse::<u64>() {
        Ok(seconds) => i64::try_from(seconds).unwrap_or(i64::MAX),
        Err(_) => http_date(value)?.seconds_since(now),
    };
    u32::try_from(seconds.clamp(0, MAX_RETRY_AFTER.into())).ok()
}

/// Reads `Sun, 22 Nov 2026 10:30:00 GMT`, the only form of a date that may still be sent.
fn http_date(text: &str) -> Option<Timestamp> {
    let parts: Vec<_> = text.split(' ').collect();
    let [_weekday, day, month, year, time, "GMT"] = parts[..] else { return None };
    let month = 1 + MONTHS.iter().position(|name| *name == month)?;
    format!("{year}-{month:02}-{day}T{time}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_795_343_400);

    #[test]
    fn retry_after_in_seconds_or_as_a_date_is_bounded() {
        for (value, seconds) in [
            ("0", Some(0)),
            ("120", Some(120)),
            ("3600", Some(3600)),
            ("3601", Some(3600)),
            ("18446744073709551615", Some(3600)),
            ("Sun, 22 Nov 2026 10:31:30 GMT", Some(90)),
            ("Sun, 22 Nov 2026 10:29:00 GMT", Some(0)),
            ("Mon, 23 Nov 2026 10:30:00 GMT", Some(3600)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
            ("Sun, 22 Nov 2026 10:31:30 CET", None),
            ("Sunday, 22-Nov-26 10:31:30 GMT", None),
            ("Sun, 31 Feb 2026 10:31:30 GMT", None),
        ] {
            assert_eq!(retry_after(value, NOW), seconds, "{value}");
        }
    }

    #[test]
    fn reasons_are_one_short_line_without_secrets() {
        assert_eq!(printable("no\r\nsuch\tprofile \u{1b}[31m\u{202e}"), "no such profile ?[31m?");
        assert_eq!(printable("bad code LPA:1$smdp.example.com$A-B for ana@example.com"), "bad code *** for ***");
        assert_eq!(printable("プロファイルがありません"), "プロファイルがありません");
        assert_eq!(printable(&"é".repeat(500)).chars().count(), 200);
    }
}
