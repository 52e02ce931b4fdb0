//! Days that lists are asked for: the viewer's own, where the browser's script tells how far ahead of UTC each begins and ends.

use crate::api::Refusal;
use crate::forms::Fields;
use crate::http::Form;
use maud::{Markup, html};
use simdock_domain::Timestamp;

/// The first and the last day, by their names in a query.
const DAYS: [(&str, &str); 2] = [("from", "From"), ("to", "To")];
/// How far from UTC clocks are set anywhere, in minutes.
const ZONES: std::ops::RangeInclusive<i64> = -12 * 60..=14 * 60;

/// When the days begin and end that were asked for, as the API takes it: `from`, and `to`, which is not a part of them; empty for none.
pub fn asked_for(query: &Form) -> Result<[(&'static str, String); 2], Refusal> {
    let (from, until) = (midnight(query, "from", 0)?, midnight(query, "to", 1)?);
    // Both are in one form, in which what is later is greater.
    if !from.is_empty() && !until.is_empty() && until <= from {
        return Err(Refusal::about("to", "to must not be before “From”."));
    }
    Ok([("from", from), ("to", until)])
}

/// Whether any were.
pub fn are_asked_for(query: &Form) -> bool {
    DAYS.iter().any(|(name, _)| !query.text(name).is_empty())
}

/// The fields that ask for them.
pub fn fields(fields: &Fields<'_>, query: &Form) -> Markup {
    html! {
        @for (name, label) in DAYS {
            @let ahead = format!("{name}Ahead");
            @let hint = format!("days in UTC{}", sign_of(query, name));
            div data-day=(name) {
                (fields.input("date", name, label).value(query.text(name)).hint(&hint))
                input type="hidden" name=(ahead) value=(query.text(&ahead));
            }
        }
    }
}

/// The day of a time of the API's, as date fields write it.
pub fn day_of(time: &str) -> &str {
    time.get(..10).unwrap_or_default()
}

/// Whether a text is a day as date fields write it, such as `2026-11-22`.
pub fn is_day(text: &str) -> bool {
    text.len() == 10 && start(text).is_some()
}

fn start(day: &str) -> Option<Timestamp> {
    format!("{day}T00:00:00Z").parse().ok()
}

/// How many minutes the viewer is ahead of UTC on a day that was asked for. Where no script says, or nothing that can be, days are those
/// of UTC, as stands beside them.
fn ahead(query: &Form, name: &str) -> i64 {
    query.text(&format!("{name}Ahead")).parse::<i64>().ok().filter(|ahead| ZONES.contains(ahead)).unwrap_or(0)
}

/// The midnight with which a day begins that was asked for, or one that comes so many days later.
fn midnight(query: &Form, name: &str, days: i64) -> Result<String, Refusal> {
    let day = query.text(name);
    if day.is_empty() {
        return Ok(String::new());
    }
    let midnight = start(day).filter(|_| is_day(day)).ok_or_else(|| Refusal::no_day(name, day))?;
    Ok(midnight.plus_seconds(days * 24 * 60 * 60 - ahead(query, name) * 60).to_string())
}

/// How the viewer's time stands to UTC on a day that was asked for: `+13:45`, or nothing.
fn sign_of(query: &Form, name: &str) -> String {
    match ahead(query, name) {
        0 => String::new(),
        ahead => {
            let (sign, minutes) = (if ahead < 0 { '−' } else { '+' }, ahead.abs());
            format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_the_viewers_where_the_browser_tells() {
        for (query, from, until, sign) in [
            ("from=2026-11-22&to=2026-11-22", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z", ""),
            // The night on which the clocks are set back in Madrid.
            ("from=2026-10-25&to=2026-10-25&fromAhead=120&toAhead=60", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "+02:00"),
            (
                "from=2026-11-22&to=2026-11-22&fromAhead=-210&toAhead=-210",
                "2026-11-22T03:30:00Z",
                "2026-11-23T03:30:00Z",
                "−03:30",
            ),
            ("from=2026-11-22&to=2026-11-22&fromAhead=x&toAhead=", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z", ""),
            ("from=2026-11-22&to=2026-11-22&fromAhead=9999&toAhead=-721", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z", ""),
            ("from=&to=", "", "", ""),
        ] {
            let query = Form::urlencoded(query);
            let [(_, begins), (_, ends)] = asked_for(&query).unwrap();
            assert_eq!((begins.as_str(), ends.as_str()), (from, until));
            assert_eq!(sign_of(&query, "from"), sign);
        }
    }

    #[test]
    fn what_is_no_day_is_refused_by_its_name() {
        for day in ["yesterday", "2", "2026", "2026-1-2", "2026-13-01", "2026-02-30", "2026-11-22T00:00:00Z", "22.11.2026"] {
            assert!(!is_day(day), "{day}");
            let refusal = asked_for(&Form::urlencoded(format!("to={day}"))).unwrap_err();
            assert_eq!(refusal.field.as_deref(), Some("to"), "{day}");
        }
    }
}
