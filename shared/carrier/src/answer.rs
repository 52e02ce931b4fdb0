//! What an operator's answer means for the card.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use simdock_domain::Timestamp;
use simdock_payments::http::printable;

use crate::client::Action;
use crate::{CarrierError, Provisioned};

/// Longest wait in seconds that an operator may ask for.
const MAX_RETRY_AFTER: u32 = 3600;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// What an operator answered.
pub struct Answer {
    pub status: StatusCode,
    /// Seconds.
    pub retry_after: Option<u32>,
    /// Empty if it was too long or cut off.
    pub body: Bytes,
}

#[derive(Deserialize)]
struct Said {
    status: String,
}

/// Problem details, RFC 9457.
#[derive(Deserialize)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
}

impl Answer {
    /// Whether what was asked for is so; the rules stand at [`crate::Carriers::provision`] and the methods after it.
    pub fn expect(&self, action: &Action) -> Result<(), CarrierError> {
        let said = self.read().map(|said: Said| said.status);
        match (self.status.as_u16(), said.as_deref()) {
            (200..=202 | 409, Some(status)) if status == action.done => Ok(()),
            (404, Some("unknown")) if action.done_where_unknown => Ok(()),
            (200..=202 | 409, Some("pending")) => {
                let reason = "the operator is still working on it".to_owned();
                Err(CarrierError::Retryable { reason, retry_after: self.retry_after })
            }
            _ => Err(self.failure()),
        }
    }

    /// What it adds to an active card.
    pub fn provisioned(&self) -> Result<Provisioned, CarrierError> {
        self.read().ok_or_else(|| self.failure())
    }

    fn read<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Whether to ask again, if the body did not tell what became of the card.
    fn failure(&self) -> CarrierError {
        let retry_after = self.retry_after;
        match self.status.as_u16() {
            code @ 200..=299 => {
                let reason = format!("the operator answered {code} with a body that is too long, cut off or not understood");
                CarrierError::Retryable { reason, retry_after }
            }
            code @ 400..=499 if retry_after.is_none() && !matches!(code, 401 | 408 | 425 | 429) => {
                CarrierError::Final { reason: self.refusal() }
            }
            _ => CarrierError::Retryable { reason: self.refusal(), retry_after },
        }
    }

    /// The status code and, of problem details, the title and the detail.
    fn refusal(&self) -> String {
        let problem = self.read().unwrap_or(Problem { title: None, detail: None });
        let said = [problem.title, problem.detail].into_iter().flatten();
        let code = self.status.as_u16();
        printable(&said.fold(format!("the operator answered {code}"), |reason, part| format!("{reason}: {part}")))
    }
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
}
