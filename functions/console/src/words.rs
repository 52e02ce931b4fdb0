//! The API's names in words that people read, and how much attention each asks for.

use maud::{Markup, Render, html};

/// How a word is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// All is well.
    Good,
    /// Something is under way, or waits for somebody.
    Busy,
    /// Something went wrong.
    Bad,
    /// Over, or not begun.
    Calm,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Busy => "busy",
            Self::Bad => "bad",
            Self::Calm => "calm",
        }
    }
}

/// How much attention a state asks for, whatever it is the state of.
fn tone(name: &str) -> Tone {
    match name {
        "normal" | "completed" | "active" | "ready" | "installed" | "sent" | "delivered" | "applied" | "succeeded" | "good"
        | "done" | "running" | "yes" | "activation_ready" | "checked" => Tone::Good,
        "unpaid"
        | "unsubscribing"
        | "partial_unsubscribing"
        | "accepted"
        | "fulfilling"
        | "provisioning"
        | "cancelling"
        | "pending"
        | "sending"
        | "waiting"
        | "ending"
        | "low"
        | "to_ship"
        | "money_owed"
        | "suspended"
        | "suspending"
        | "resuming"
        | "delivery_delay"
        | "returned" => Tone::Busy,
        "failed"
        | "invalid"
        | "provisioning_failed"
        | "refund_failed"
        | "paid_back_twice"
        | "cancellation_refused"
        | "cancellation_overtaken"
        | "disputed"
        | "mail_failed"
        | "mail_undelivered"
        | "mail_complaint"
        | "bounce"
        | "complaint"
        | "rejected"
        | "not_available" => Tone::Bad,
        _ => Tone::Calm,
    }
}

/// A name of the API's, such as `partial_unsubscribed` or `postalAddress`, as words.
pub fn words(name: &str) -> String {
    let special = match name {
        "esim" => Some("eSIM"),
        "physical" => Some("SIM card"),
        "qr" => Some("QR code"),
        "n/a" => Some("n/a"),
        "imsiProfile" => Some("IMSI profile"),
        "addOnId" => Some("Add-on id"),
        "paygo" => Some("PAYGO"),
        "mobile_app" => Some("Mobile app"),
        "activate_subscription" => Some("New line"),
        "top_up_subscription" => Some("Top-up"),
        "cancel_subscription" => Some("Cancellation"),
        "swap_sim" => Some("SIM swap"),
        "mail_requested" => Some("Mail requested"),
        "sim_edited" => Some("SIM edited"),
        "sim_archived" => Some("SIM archived"),
        "sim_restored" => Some("SIM restored"),
        "plan_put" => Some("Plan put on sale"),
        "voice_eu" => Some("Voice, EU"),
        "voice_world" => Some("Voice, world"),
        "ios_api" => Some("iOS"),
        "android_api" => Some("Android"),
        _ => None,
    };
    if let Some(special) = special {
        return special.to_owned();
    }
    let mut text = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            '_' | '-' => text.push(' '),
            upper if upper.is_ascii_uppercase() => text.extend([' ', upper.to_ascii_lowercase()]),
            other => text.push(other),
        }
    }
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

/// A sentence of the API's, in which lines are called subscriptions.
pub fn of_lines(said: &str) -> String {
    said.replace("subscription", "line")
}

/// Why an order turned void, as a part of a sentence.
pub fn void(reason: &str) -> String {
    let why = match reason {
        "not_paid_in_time" => "nobody paid in time",
        "sold_out" => "the cards are sold out",
        "insufficient_balance" => "the partner’s balance is too low",
        "subscription_closed" => "its line takes no change any more",
        "nothing_to_give" => "what the line entitles to was given before, or the partner has nothing left to give",
        other => return words(other).to_lowercase(),
    };
    why.to_owned()
}

/// A state, as a coloured word.
pub fn state(name: &str) -> Markup {
    html! { span class={ "state " (tone(name).class()) } { (words(name)) } }
}

/// A time of the API's, which the script shows in the viewer's zone.
pub struct Time<'a>(pub &'a str);

impl Render for Time<'_> {
    fn render(&self) -> Markup {
        let shown = self.0.get(..16).map_or_else(|| self.0.to_owned(), |minutes| format!("{} UTC", minutes.replace('T', " ")));
        html! { time datetime=(self.0) { (shown) } }
    }
}

/// A text in which times of the API's may stand.
pub fn with_times(text: &str) -> Markup {
    let is_time = |word: &str| word.parse::<simdock_domain::Timestamp>().is_ok();
    html! {
        @for (index, word) in text.split(' ').enumerate() {
            @if index > 0 { " " }
            @if is_time(word) { (Time(word)) } @else { (word) }
        }
    }
}

/// A time that may not be there.
pub fn time(time: Option<&String>) -> Markup {
    html! { @match time { Some(time) => (Time(time)), None => (none()) } }
}

/// What stands where there is nothing.
pub fn none() -> Markup {
    html! { span.none { "–" } }
}

/// A text that may not be there.
pub fn text(text: Option<&str>) -> Markup {
    html! { @match text.filter(|text| !text.is_empty()) { Some(text) => (text), None => (none()) } }
}

/// Megabytes of data, in gigabytes where these are whole.
pub fn data(mb: u64) -> String {
    if mb >= 1024 && mb.is_multiple_of(1024) { format!("{} GB", mb / 1024) } else { format!("{mb} MB") }
}

/// A number of things.
pub fn count(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_words() {
        assert_eq!(words("partial_unsubscribed"), "Partial unsubscribed");
        assert_eq!((words("esim"), words("postalAddress")), ("eSIM".to_owned(), "Postal address".to_owned()));
        assert_eq!(words(""), "");
        assert_eq!((data(512), data(5120), data(1536)), ("512 MB".to_owned(), "5 GB".to_owned(), "1536 MB".to_owned()));
        assert_eq!(
            with_times("a <key>, from 2026-11-22T10:00:00Z on").0,
            "a &lt;key&gt;, from <time datetime=\"2026-11-22T10:00:00Z\">2026-11-22 10:00 UTC</time> on"
        );
        assert_eq!(
            Time("2026-11-22T10:00:00Z").render().0,
            "<time datetime=\"2026-11-22T10:00:00Z\">2026-11-22 10:00 UTC</time>"
        );
    }
}
