//! The mailbox's pages.

use crate::http::{Response, answer, escape, html, json, refusal};
use crate::mime::Part;
use crate::ses::{Mail, Mailbox};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use hyper::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use serde_json::json;
use simdock_domain::Timestamp;
use std::fmt::Write;

const STYLE: &str = "<style>body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
    table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ddd}\
    pre{background:#f6f6f6;padding:1rem;white-space:pre-wrap;overflow-wrap:anywhere}code{background:#f6f6f6}\
    iframe{width:100%;height:40rem;border:1px solid #ddd}</style>";

/// A page with a title.
pub fn page(title: &str, body: &str) -> Response {
    let title = escape(title);
    html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>{STYLE}<body><h1>{title}</h1>{body}</body></html>"
    ))
}

fn time(mail: &Mail) -> String {
    Timestamp::from_unix(mail.at_ms.div_euclid(1_000)).to_string()
}

fn tag<'a>(mail: &'a Mail, name: &str) -> Option<&'a str> {
    mail.tags.get(name).map(String::as_str)
}

impl Mailbox {
    /// Answers `GET /mailbox`, `/mailbox.json`, `/mailbox/{id}` and `/mailbox/{id}.eml`.
    pub async fn page(&self, path: &str) -> Response {
        match path {
            "/mailbox" | "/mailbox/" => return self.list(),
            "/mailbox.json" => return self.list_json(),
            _ => {}
        }
        let name = path.strip_prefix("/mailbox/").unwrap_or_default();
        let (id, raw) = name.strip_suffix(".eml").map_or((name, false), |id| (id, true));
        match self.mail(id).await {
            Ok(Some((_, content))) if raw => answer(StatusCode::OK, "message/rfc822", content),
            Ok(Some((mail, content))) => show(&mail, &content),
            Ok(None) => refusal(StatusCode::NOT_FOUND, "there is no such mail"),
            Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }

    fn list(&self) -> Response {
        let mut rows = String::new();
        for mail in self.mails() {
            let _ = write!(
                rows,
                "<tr><td>{}</td><td>{}</td><td><a href=\"/mailbox/{}\">{}</a></td><td>{}</td><td>{}</td></tr>",
                time(&mail),
                escape(&mail.to.join(", ")),
                mail.id,
                escape(if mail.subject.is_empty() { "(no subject)" } else { &mail.subject }),
                escape(tag(&mail, "orderNum").unwrap_or_default()),
                escape(tag(&mail, "mail").unwrap_or_default()),
            );
        }
        let table = format!("<table><tr><th>At<th>To<th>Subject<th>Order<th>Mail</tr>{rows}</table>");
        page("Mailbox", if rows.is_empty() { "<p>No mail was sent yet.</p>" } else { &table })
    }

    fn list_json(&self) -> Response {
        let mails = self.mails();
        let items = mails.iter().map(|mail| {
            json!({
                "id": mail.id,
                "to": mail.to.join(", "),
                "subject": mail.subject,
                "orderNum": tag(mail, "orderNum"),
                "mail": tag(mail, "mail"),
                "at": time(mail),
            })
        });
        json(StatusCode::OK, &items.collect())
    }
}

/// A mail as a person sees it. Its HTML is shown in a frame that may do nothing, with its pictures put in.
fn show(mail: &Mail, content: &[u8]) -> Response {
    let message = Part::parse(content);
    let mut body =
        format!("<p><a href=\"/mailbox\">All mail</a> · <a href=\"/mailbox/{}.eml\">Raw message</a></p><table>", mail.id);
    for (name, value) in &message.headers {
        let value = message.header(name).unwrap_or_else(|| value.clone());
        let _ = write!(body, "<tr><th>{}<td>{}</tr>", escape(name), escape(&value));
    }
    for (name, value) in &mail.tags {
        let _ = write!(body, "<tr><th>tag {}<td>{}</tr>", escape(name), escape(value));
    }
    body.push_str("</table>");
    if let Some(markup) = message.find("text/html") {
        let _ = write!(
            body,
            "<iframe sandbox title=\"HTML\" srcdoc=\"{}\"></iframe>",
            escape(&with_pictures(markup.text(), &message))
        );
    }
    if let Some(text) = message.find("text/plain") {
        let _ = write!(body, "<pre>{}</pre>", linked(&text.text()));
    }
    let mut response = page(if mail.subject.is_empty() { "(no subject)" } else { &mail.subject }, &body);
    // The frame inherits this: nothing is fetched and nothing runs.
    let policy = HeaderValue::from_static("default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-src 'self'");
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    response
}

/// The markup with every `cid:` reference (RFC 2392) replaced by the part that it refers to.
fn with_pictures(mut markup: String, message: &Part) -> String {
    for part in message.leaves() {
        if let Some(id) = part.header("content-id") {
            let id = id.trim_start_matches('<').trim_end_matches('>').to_owned();
            let data = format!("data:{};base64,{}", part.content_type(), STANDARD.encode(&part.body));
            markup = markup.replace(&format!("cid:{id}"), &data);
        }
    }
    markup
}

/// Escaped text whose addresses can be clicked.
fn linked(text: &str) -> String {
    let mut shown = String::new();
    for word in text.split_inclusive(char::is_whitespace) {
        let address = word.trim_end();
        if address.starts_with("https://") || address.starts_with("http://") {
            let address = escape(address);
            let _ = write!(shown, "<a href=\"{address}\" rel=\"noreferrer\">{address}</a>");
            shown.push_str(word.get(word.trim_end().len()..).unwrap_or_default());
        } else {
            shown.push_str(&escape(word));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_text_become_links_and_markup_does_not() {
        assert_eq!(
            linked("see https://a.test/?a=1&b=2\n<b>"),
            "see <a href=\"https://a.test/?a=1&amp;b=2\" rel=\"noreferrer\">https://a.test/?a=1&amp;b=2</a>\n&lt;b&gt;"
        );
    }
}
