//! What all pages have around them.

use crate::Desk;
use crate::api::Refusal;
use crate::assets::Asset;
use crate::forms::Attempt;
use crate::http::{self, Form, Visit, encoded, page, redirect};
use crate::model::Waiting;
use crate::pages::of_form;
use crate::session::SignedIn;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambda_http::http::header::{HeaderValue, SET_COOKIE};
use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Response};
use maud::{DOCTYPE, Markup, html};

/// The cookie with what the page after this one says once.
pub const FLASH: &str = "flash";
/// What it begins with where something was not done: no text begins so in base64.
const NOT_DONE: &str = "!";
/// How long it waits for that page, in seconds.
const FLASH_SECONDS: i64 = 60;

/// The part of the console that a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Orders,
    Sims,
    Inventory,
    Subscribers,
    Settings,
}

impl Section {
    const ALL: [Self; 5] = [Self::Orders, Self::Sims, Self::Inventory, Self::Subscribers, Self::Settings];

    /// The one that a page belongs to, by its path below `/console`.
    fn of(path: &[String]) -> Self {
        match path.first().map(String::as_str) {
            Some("sims" | "sims.csv") => Self::Sims,
            Some("inventory") => Self::Inventory,
            Some("subscribers" | "lines") => Self::Subscribers,
            Some("settings") => Self::Settings,
            _ => Self::Orders,
        }
    }

    fn entry(self) -> (&'static str, &'static str) {
        match self {
            Self::Orders => ("Orders", "/console/orders"),
            Self::Sims => ("SIMs", "/console/sims"),
            Self::Inventory => ("Inventory", "/console/inventory"),
            Self::Subscribers => ("Subscribers", "/console/subscribers"),
            Self::Settings => ("Settings", "/console/settings"),
        }
    }
}

impl Desk<'_> {
    /// A page of the console.
    pub async fn page(&self, section: Section, title: &str, content: Markup) -> Response<Body> {
        self.page_with(StatusCode::OK, section, title, content).await
    }

    /// A page with forms, of which one may come back: what it asked for was refused, as the status says to whoever is no person.
    pub async fn page_of(&self, attempt: Option<Attempt<'_>>, section: Section, title: &str, content: Markup) -> Response<Body> {
        let status = attempt.and_then(|attempt| attempt.refusal).map_or(StatusCode::OK, |_| StatusCode::UNPROCESSABLE_ENTITY);
        self.page_with(status, section, title, content).await
    }

    /// A page with a status of its own.
    pub async fn page_with(&self, status: StatusCode, section: Section, title: &str, content: Markup) -> Response<Body> {
        let waiting = self.waiting().await;
        let frame = Frame { visit: self.visit, signed_in: self.signed_in, section, waiting };
        frame.around(status, title, &content)
    }

    /// What waits for a manager; nothing where that cannot be told now, since no page should fail for it.
    pub async fn waiting(&self) -> Option<&Waiting> {
        self.waiting.get_or_init(async || self.api.call("GET /v1/attention").send().await.ok()).await.as_ref()
    }

    /// A page that says why there is no other.
    pub async fn failure(&self, refusal: &Refusal) -> Response<Body> {
        let waiting = if self.visit.partial { None } else { self.waiting().await };
        failure(Some((self.visit, self.signed_in, waiting)), refusal)
    }

    /// The badge alone, which the script asks for again now and then.
    pub async fn badge(&self) -> Response<Body> {
        page(StatusCode::OK, badge(self.waiting().await))
    }

    /// Says that a form held nothing but what stands there.
    pub fn unchanged(&self, to: &str) -> Response<Body> {
        self.done(to, "Nothing was changed: that is what stood there.")
    }

    /// Sends the browser on to a page that says something once.
    pub fn done(&self, to: &str, said: &str) -> Response<Body> {
        self.say(to, &URL_SAFE_NO_PAD.encode(said))
    }

    /// The same where what was asked for was not done.
    pub fn not_done(&self, to: &str, said: &str) -> Response<Body> {
        self.say(to, &format!("{NOT_DONE}{}", URL_SAFE_NO_PAD.encode(said)))
    }

    fn say(&self, to: &str, flash: &str) -> Response<Body> {
        // Else the browser would go on to where the form was, below what is said.
        let mut response = redirect(&format!("{to}#main"));
        response.headers_mut().append(SET_COOKIE, self.visit.set_cookie(FLASH, flash, FLASH_SECONDS));
        response
    }
}

/// A page that says why there is no other, and leads back.
pub fn failure(whose: Option<(&Visit, &SignedIn, Option<&Waiting>)>, refusal: &Refusal) -> Response<Body> {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let title = match refusal.status {
        404 => "There is nothing here",
        403 => "Not done",
        500.. => "That did not work",
        _ => "That cannot be shown",
    };
    let section = whose.map_or(Section::Orders, |(visit, ..)| Section::of(&visit.path));
    let (name, home) = section.entry();
    let asked = whose.filter(|(visit, ..)| visit.method == Method::GET && visit.query.iter().next().is_some());
    let sent = whose.filter(|(visit, ..)| visit.method == Method::POST && refusal.status != 404);
    let content = html! {
        div.blank {
            h1 { (title) }
            p { (refusal.said()) }
            @if let Some((visit, ..)) = asked.filter(|_| refusal.is_about_input()) {
                p { a.button href=(http::path(&visit.path, &Form::default())) { "The same page from its beginning" } }
            }
            @if let Some((visit, signed_in, _)) = sent.filter(|(visit, ..)| refusal.status >= 500 && can_be_sent_again(visit)) {
                (again(visit, signed_in))
            }
            @if let Some((visit, ..)) = sent { p { a.button href=(of_form(visit)) { "Open the page again" } } }
            p { a.button.plain href=(home) { "To " (name) } }
        }
    };
    match whose {
        Some((visit, signed_in, waiting)) => Frame { visit, signed_in, section, waiting }.around(status, title, &content),
        None => page(status, bare(title, &content)),
    }
}

/// Whether a page may carry what a form sent: not the key that a session begins with, nor the file of an import.
fn can_be_sent_again(visit: &Visit) -> bool {
    visit.path != ["sign-in"] && visit.path != ["inventory", "import"]
}

/// The form that was sent, to be sent once more. It has the idempotency key that it had, since nobody knows whether it was done.
fn again(visit: &Visit, signed_in: &SignedIn) -> Markup {
    html! {
        form method="post" action=(http::path(&visit.path, &visit.query)) {
            input type="hidden" name="token" value=(signed_in.token);
            @for (name, value) in visit.form.iter().filter(|(name, _)| *name != "token") {
                input type="hidden" name=(name) value=(value);
            }
            p.hint {
                "It may have been done all the same. "
                // Notes have no key: one is known again only while nothing else has happened.
                @if visit.path.last().is_some_and(|last| last == "note") { "Look at the history before you send it again." }
                @else { "Sent again from here, it is the same request and no second one." }
            }
            div.buttons { button type="submit" { "Send it again" } }
        }
    }
}

/// What a page of somebody who is signed in has around it.
struct Frame<'a> {
    visit: &'a Visit,
    signed_in: &'a SignedIn,
    section: Section,
    waiting: Option<&'a Waiting>,
}

impl Frame<'_> {
    fn around(&self, status: StatusCode, title: &str, content: &Markup) -> Response<Body> {
        let flash = self.visit.cookie(FLASH);
        let body = html! { (head_bar(self.visit, self.signed_in, self.section, self.waiting)) (main(flash, content)) };
        let mut response = page(status, whole(title, &body));
        // Said once, by whichever page comes next, even if that tells of a failure; a page that only a part is taken of says nothing.
        if flash.is_some() && !self.visit.partial {
            response.headers_mut().append(SET_COOKIE, self.visit.set_cookie(FLASH, "", 0));
        }
        response
    }
}

/// A page without navigation, for who is not signed in.
pub fn bare(title: &str, content: &Markup) -> Markup {
    whole(title, &html! { main #main .bare { (content) } })
}

fn whole(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="htmx-config" content=r#"{"includeIndicatorStyles":false,"allowEval":false,"selfRequestsOnly":true,"historyCacheSize":0}"#;
                title { (title) " · Simdock" }
                link rel="stylesheet" href=(Asset::Style.path());
                link rel="icon" href=(Asset::Icon.path()) type="image/svg+xml";
                script src=(Asset::Htmx.path()) defer {}
                script src=(Asset::Script.path()) defer {}
            }
            body { (body) }
        }
    }
}

fn head_bar(visit: &Visit, signed_in: &SignedIn, section: Section, waiting: Option<&Waiting>) -> Markup {
    html! {
        a.skip href="#main" { "Skip to the content" }
        header.bar {
            a.brand href="/console/orders" { "Simdock" }
            nav aria-label="Main" {
                ul {
                    @for entry in Section::ALL {
                        @let (name, href) = entry.entry();
                        li {
                            a href=(href) aria-current=[(entry == section).then_some("page")] { (name) }
                            @if entry == Section::Orders { (badge(waiting)) }
                        }
                    }
                }
            }
            form.find method="get" action="/console/find" role="search" {
                label.hidden for="find" { "Find an order, card or subscriber" }
                input #find type="search" name="q" placeholder="Order, ICCID, mail" autocomplete="off" maxlength="254"
                    value=(visit.query.text("q"));
            }
            form method="post" action="/console/sign-out" {
                input type="hidden" name="token" value=(signed_in.token);
                button.plain type="submit" { "Sign out" }
            }
        }
    }
}

fn badge(waiting: Option<&Waiting>) -> Markup {
    let total = waiting.map_or(0, |waiting| waiting.total);
    html! {
        span #badge hx-get="/console/badge" hx-trigger="every 60s" hx-swap="outerHTML" {
            @if total > 0 {
                a.badge href="/console/orders?needsAttention=true&sort=oldest" {
                    (total) @if waiting.is_some_and(|waiting| waiting.more) { "+" }
                    span.hidden { " waiting for you" }
                }
            }
        }
    }
}

fn main(flash: Option<&str>, content: &Markup) -> Markup {
    html! {
        main #main tabindex="-1" {
            @if let Some(flash) = flash { (said(flash)) }
            (content)
        }
    }
}

/// What the page before had to say; nothing where nobody can read it.
fn said(flash: &str) -> Markup {
    let (not_done, text) = flash.strip_prefix(NOT_DONE).map_or((false, flash), |text| (true, text));
    let text = URL_SAFE_NO_PAD.decode(text).ok().and_then(|text| String::from_utf8(text).ok());
    html! {
        @match text {
            Some(text) if not_done => p.flash.failed role="alert" { (text) },
            Some(text) => p.flash role="status" { (text) },
            None => {}
        }
    }
}

/// Where a page of a list goes on.
pub fn pager(visit: &Visit, path: &str, next: Option<&String>) -> Markup {
    let first = visit.query.with(&[("cursor", "")]);
    html! {
        @let later = !visit.query.text("cursor").is_empty();
        @if later || next.is_some() {
            nav.pager aria-label="Pages" {
                @if later { a.button href={ (path) "?" (first) } { "First page" } }
                @if let Some(next) = next {
                    a.button rel="next" href={ (path) "?" (visit.query.with(&[("cursor", next)])) } { "Next page" }
                }
            }
        }
    }
}

/// What to say of so many things on a page behind which a list goes on: one that is not full ends where enough was looked through.
pub fn goes_on(found: usize, limit: &str) -> &'static str {
    if found.to_string() == limit { " on this page, and more" } else { " on this page, and more to look through" }
}

/// Where an order is.
pub fn order_path(num: &str) -> String {
    format!("/console/orders/{}", encoded(num))
}

/// A link to an order.
pub fn order_link(num: &str) -> Markup {
    html! { a.num href=(order_path(num)) { (num) } }
}

/// A link to a card.
pub fn sim_link(iccid: &str) -> Markup {
    html! { a.num href={ "/console/sims/" (encoded(iccid)) } { (iccid) } }
}

/// A link to a line.
pub fn line_link(id: &str) -> Markup {
    html! { a.num href={ "/console/lines/" (encoded(id)) } { (id) } }
}

/// A link to a subscriber.
pub fn subscriber_link(email: &str) -> Markup {
    html! { a href={ "/console/subscribers?email=" (encoded(email)) } { (email) } }
}

/// A cookie that keeps a choice for a year.
pub fn keep(response: &mut Response<Body>, cookie: HeaderValue) {
    response.headers_mut().append(SET_COOKIE, cookie);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Signer;
    use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequestContext;
    use lambda_http::http::header::CONTENT_TYPE;
    use lambda_http::request::RequestContext;
    use lambda_http::{Request, RequestExt};
    use simdock_api::Session;

    async fn posted(path: &str, body: &str) -> Visit {
        let mut request = Request::new(body.into())
            .with_request_context(RequestContext::ApiGatewayV2(ApiGatewayV2httpRequestContext::default()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path.parse().unwrap();
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        Visit::new(&request).await.unwrap()
    }

    #[test]
    fn what_was_not_done_looks_like_no_success() {
        for (flash, shown) in [
            ("U2F2ZWQu", "<p class=\"flash\" role=\"status\">Saved.</p>"),
            ("!U2F2ZWQu", "<p class=\"flash failed\" role=\"alert\">Saved.</p>"),
            ("?", ""),
        ] {
            assert_eq!(said(flash).0, shown, "{flash}");
        }
    }

    #[tokio::test]
    async fn what_failed_is_sent_again_as_it_was() {
        let signer = Signer::new("a secret of more than thirty-two characters");
        let now = "2026-11-22T10:00:00Z".parse().unwrap();
        let signed_in = signer.read(&signer.begin(&Session::of_key("a"), now), now).unwrap();
        let page = |visit: &Visit, status: u16| {
            let failed = failure(Some((visit, &signed_in, None)), &Refusal { status, ..Refusal::default() });
            let Body::Text(page) = failed.into_body() else { panic!("no text") };
            page
        };
        let order = posted("/console/orders", "token=old&key=one-form&note=%22a%22%0Ab&iccids=1&iccids=2&empty=").await;
        let fields = [
            ("token", &*signed_in.token),
            ("key", "one-form"),
            ("note", "&quot;a&quot;\nb"),
            ("iccids", "1"),
            ("iccids", "2"),
            ("empty", ""),
        ];
        let fields = fields.map(|(name, value)| format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">")).concat();
        for status in [500, 503] {
            let page = page(&order, status);
            assert!(page.contains(&format!("<form method=\"post\" action=\"/console/orders\">{fields}<p")), "{page}");
        }
        for (visit, status) in [
            (order, 403),
            (posted("/console/sign-in", "key=sdk_manager_x").await, 503),
            (posted("/console/inventory/import", "pasted=iccid").await, 503),
        ] {
            let page = page(&visit, status);
            assert!(!page.contains("Send it again") && !page.contains("sdk_manager_x"), "{page}");
        }
    }

    #[test]
    fn a_page_that_is_not_full_promises_nothing() {
        assert_eq!(goes_on(25, "25"), " on this page, and more");
        assert_eq!(goes_on(3, "25"), " on this page, and more to look through");
    }
}
