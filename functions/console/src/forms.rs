//! Forms: labelled fields that keep what was typed and say what is wrong with it.

use crate::Desk;
use crate::api::Refusal;
use crate::http::Form;
use crate::session::random_key;
use lambda_http::{Body, Response};
use maud::{Markup, Render, html};
use std::cell::{OnceCell, RefCell};

/// A form that was sent and comes back, as it was filled in.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Which form of the page.
    pub form: &'a str,
    /// What was typed.
    pub values: &'a Form,
    /// Why it was refused; nothing where it only asked to be shown something else in it.
    pub refusal: Option<&'a Refusal>,
}

/// The fields of one form of a page.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    name: &'a str,
    attempt: Option<Attempt<'a>>,
    /// Why it was refused, by the label of the field that it was refused for: known once that field is made.
    said: OnceCell<String>,
    /// Whether each field carries what stood in it when the page was made, since others may change it meanwhile.
    merges: bool,
    /// What others changed since the page was made that the form comes from: known once all fields are made.
    between: RefCell<Vec<Markup>>,
}

/// The field that carries what stood in the one of this name, under the path at which the API takes it where it checks it.
pub fn before(name: &str) -> String {
    format!("corrects.{name}")
}

impl Desk<'_> {
    /// Does what the form with this name asks for; where that is refused for what stands in it, the page is shown that it came from, with
    /// what was typed and why it was refused.
    pub async fn act(
        &self,
        form: &str,
        asked: impl Future<Output = Result<Response<Body>, Refusal>>,
        page: impl AsyncFnOnce(Attempt<'_>) -> Result<Response<Body>, Refusal>,
    ) -> Result<Response<Body>, Refusal> {
        match asked.await {
            Err(refusal) if refusal.is_about_input() => {
                page(Attempt { form, values: self.form(), refusal: Some(&refusal) }).await
            }
            outcome => outcome,
        }
    }
}

/// A labelled field.
#[derive(Clone, Debug)]
pub struct Field<'a> {
    id: String,
    name: &'a str,
    label: &'a str,
    kind: Kind<'a>,
    value: String,
    /// Whether it comes back as it was sent: then it stays empty if it was emptied.
    was_sent: bool,
    /// What stood in it on the page that it comes from.
    before: Option<&'a str>,
    /// What stands in it now, to be carried along.
    stands: Option<String>,
    /// Where what others changed is gathered, if that is not to be gone over.
    between: Option<&'a RefCell<Vec<Markup>>>,
    hint: &'a str,
    error: Option<String>,
    /// Whether what is wrong with it can change while the page is open: then the place for it is always there.
    live: bool,
    required: bool,
    /// What its label says of a field that may stay empty.
    optional: &'a str,
    width: &'a str,
    /// The list of what is offered while somebody types.
    list: Option<&'a str>,
}

#[derive(Clone, Debug)]
enum Kind<'a> {
    Input(&'a str),
    Area,
    Choice(Vec<(String, String)>),
}

impl<'a> Fields<'a> {
    /// Fields of the form with this name, filled in as they were if it was refused.
    pub fn new(name: &'a str, attempt: Option<Attempt<'a>>) -> Self {
        let attempt = attempt.filter(|attempt| attempt.form == name);
        Self { name, attempt, said: OnceCell::new(), merges: false, between: RefCell::default() }
    }

    /// The same of something that others may change meanwhile. Where the form comes back, a field that nobody typed in has what stands
    /// there now; one that both changed keeps what was typed, and says what stands there.
    pub fn merging(name: &'a str, attempt: Option<Attempt<'a>>) -> Self {
        Self { merges: true, ..Self::new(name, attempt) }
    }

    /// Whether this form was just refused.
    pub fn was_refused(&self) -> bool {
        self.refusal().is_some()
    }

    /// Whether it was refused for a part of a field, or comes back with something in one.
    pub fn is_at(&self, name: &str) -> bool {
        let part = |field: &str| field.strip_prefix(name).is_some_and(|part| part.is_empty() || part.starts_with('.'));
        self.refusal().and_then(|refusal| refusal.field.as_deref()).is_some_and(part)
            || self.attempt.is_some_and(|attempt| attempt.values.iter().any(|(field, value)| !value.is_empty() && part(field)))
    }

    /// Whether it was refused for a reason that has this code.
    pub fn was_refused_as(&self, code: &str) -> bool {
        self.refusal().is_some_and(|refusal| refusal.code == code)
    }

    fn refusal(&self) -> Option<&'a Refusal> {
        self.attempt?.refusal
    }

    /// What was typed into a field before, if the form was refused.
    pub fn typed(&self, name: &str) -> Option<&'a str> {
        self.attempt.map(|attempt| attempt.values.raw(name))
    }

    /// Whether a box was ticked before, or is ticked at first.
    pub fn ticked(&self, name: &str, value: &str, at_first: bool) -> bool {
        let Some(values) = self.attempt.map(|attempt| attempt.values) else { return at_first };
        let among = |name: &str| values.all(name).any(|ticked| ticked == value);
        let is = among(name);
        if self.merges && values.merges() && is == among(&before(name)) { at_first } else { is }
    }

    /// What is wrong with a field, if the form was refused for it, by the label that it has for people.
    pub fn wrong(&self, name: &str, label: &str) -> Option<String> {
        let said = self.refusal()?.said_of(name, label)?;
        Some(self.said.get_or_init(|| said).clone())
    }

    /// Why the form was refused; it is asked for once all fields are made.
    fn why(&self, refusal: &Refusal) -> String {
        self.said.get().cloned().unwrap_or_else(|| refusal.said())
    }

    fn field(&'a self, name: &'a str, label: &'a str, kind: Kind<'a>) -> Field<'a> {
        let before = before(name);
        let values = self.attempt.map(|attempt| attempt.values).filter(|values| self.merges && values.has(&before));
        Field {
            before: values.map(|values| values.raw(&before)),
            stands: None,
            between: self.merges.then_some(&self.between),
            id: format!("{}-{name}", self.name),
            name,
            label,
            kind,
            value: self.typed(name).unwrap_or_default().to_owned(),
            was_sent: self.attempt.is_some_and(|attempt| attempt.values.has(name)),
            hint: "",
            error: self.wrong(name, label),
            live: false,
            required: false,
            optional: "optional",
            width: "",
            list: None,
        }
    }

    /// A line of text.
    pub fn text(&'a self, name: &'a str, label: &'a str) -> Field<'a> {
        self.field(name, label, Kind::Input("text"))
    }

    /// An input of another type.
    pub fn input(&'a self, kind: &'a str, name: &'a str, label: &'a str) -> Field<'a> {
        self.field(name, label, Kind::Input(kind))
    }

    /// Several lines of text.
    pub fn area(&'a self, name: &'a str, label: &'a str) -> Field<'a> {
        self.field(name, label, Kind::Area)
    }

    /// One of several values, each with its label.
    pub fn choice(&'a self, name: &'a str, label: &'a str, options: impl IntoIterator<Item = (String, String)>) -> Field<'a> {
        self.field(name, label, Kind::Choice(options.into_iter().collect()))
    }

    /// A postal address, with a word on when it is needed.
    pub fn address(
        &'a self,
        name: &'a str,
        names: &'a [String; 5],
        known: Option<&crate::model::Address>,
        needed: &'a str,
    ) -> Markup {
        let known = known.cloned().unwrap_or_default();
        let whole = self.refusal().is_some_and(|refusal| refusal.field.as_deref() == Some(name));
        let wrong = if whole { self.wrong(name, "Postal address") } else { None };
        html! {
            @if let Some(wrong) = &wrong { p.error { (wrong) } }
            div.fields data-part=(name) {
                (self.area(&names[0], "Street and number").value(&known.lines.join("\n")).hint("up to three lines").optional(needed))
                (self.text(&names[1], "Postal code").value(known.postal_code.as_deref().unwrap_or_default()).width("short"))
                (self.text(&names[2], "City").value(&known.city).optional(needed))
                (self.text(&names[3], "Region").value(known.region.as_deref().unwrap_or_default()))
                (self.text(&names[4], "Country").value(&known.country).hint("two letters, such as ES").width("short").optional(needed))
            }
        }
    }

    /// The boxes of one field, under its name.
    pub fn boxes(&self, name: &str, legend: &str, boxes: &Markup) -> Markup {
        let id = format!("{}-{name}-error", self.name);
        let wrong = self.wrong(name, legend);
        html! {
            fieldset aria-describedby=[wrong.as_ref().map(|_| &id)] {
                legend { (legend) }
                (boxes)
                @if let Some(wrong) = &wrong { p.error #(id) { (wrong) } }
            }
        }
    }

    /// A box to tick.
    pub fn tick(&self, name: &str, value: &str, label: &Markup, at_first: bool) -> Markup {
        let id = format!("{}-{name}-{value}", self.name);
        let values = self.attempt.map(|attempt| attempt.values).filter(|values| self.merges && values.merges());
        if values.is_some_and(|values| values.all(&before(name)).any(|ticked| ticked == value) != at_first) {
            self.between
                .borrow_mut()
                .push(html! { li { (label) ": " @if at_first { "ticked now" } @else { "ticked no more" } } });
        }
        html! {
            label.tick for=(id) {
                input #(id) type="checkbox" name=(name) value=(value) checked[self.ticked(name, value, at_first)];
                span { (label) }
            }
            @if self.merges && at_first { input type="hidden" name=(before(name)) value=(value); }
        }
    }

    /// The whole form. What is wrong stands at its head, for those whom no field's colour tells.
    pub fn form(&self, desk: &Desk<'_>, action: &str, content: &Markup, button: &str) -> Markup {
        self.form_with(desk, action, content, &html! { button type="submit" { (button) } })
    }

    /// The same with buttons of its own.
    pub fn form_with(&self, desk: &Desk<'_>, action: &str, content: &Markup, buttons: &Markup) -> Markup {
        html! {
            // Where it comes back, refused or to be confirmed, the browser goes to it, also without a script.
            form #(self.name) method="post" action={ (action) "#" (self.name) } {
                (self.refused())
                input type="hidden" name="token" value=(desk.signed_in.token);
                // Sent twice, as by a second click, it is the same request.
                input type="hidden" name="key" value=(random_key());
                (content)
                div.buttons { (buttons) }
            }
        }
    }

    /// What stands at the head of the form if it was refused.
    pub fn refused(&self) -> Markup {
        let between = self.between.borrow();
        html! {
            @if let Some(refusal) = self.refusal() { (refused(&self.why(refusal))) }
            @if !between.is_empty() {
                div.beside #between role="group" aria-label="What came in between" {
                    p { "Somebody else saved this meanwhile:" }
                    ul { @for change in between.iter() { (change) } }
                    p { "What you did not change is below as it stands now; what you changed is as you typed it." }
                }
            }
        }
    }

    /// What stands in place of a list whose filters were refused.
    pub fn not_shown(&self) -> Markup {
        html! {
            @if let Some(refusal) = self.refusal() {
                div.refused role="alert" tabindex="-1" { strong { "Nothing is shown. " } (self.why(refusal)) }
            }
        }
    }

    /// The names of an address's fields, which have to live as long as they.
    pub fn address_names(name: &str) -> [String; 5] {
        ["lines", "postalCode", "city", "region", "country"].map(|part| format!("{name}.{part}"))
    }
}

/// That something was not done, and why.
pub fn refused(why: &str) -> Markup {
    html! { div.refused role="alert" tabindex="-1" { strong { "Not done. " } (why) } }
}

impl Field<'_> {
    /// What it holds unless something else was typed.
    pub fn value(mut self, value: &str) -> Self {
        let stays = self.before.is_some_and(|before| self.is_same(before, &self.value));
        if let (Some(before), Some(between)) = (self.before, self.between)
            && !self.is_same(before, value)
        {
            let (was, now) = (self.shown(before), self.shown(value));
            if !stays && !self.is_same(&self.value, value) {
                self.error.get_or_insert_with(|| format!("Somebody else changed it meanwhile: now it is {now}."));
            }
            between.borrow_mut().push(html! { li { (self.label) ": " (was) " → " strong { (now) } } });
        }
        if stays || !self.was_sent {
            value.clone_into(&mut self.value);
        }
        self.stands = self.between.map(|_| value.to_owned());
        self
    }

    /// Whether two values are one, after the way through a browser, which ends lines in its own way and has one line alone in most.
    fn is_same(&self, one: &str, other: &str) -> bool {
        let lines = matches!(self.kind, Kind::Area);
        let plain = |text: &str| text.trim().replace(|c| c == '\r' || (c == '\n' && !lines), "");
        plain(one) == plain(other)
    }

    /// A value as people see it.
    fn shown(&self, value: &str) -> String {
        let label = match &self.kind {
            Kind::Choice(options) => options.iter().find(|(known, _)| known == value).map(|(_, label)| label.as_str()),
            Kind::Input(_) | Kind::Area => None,
        };
        if value.trim().is_empty() { "nothing".to_owned() } else { format!("“{}”", label.unwrap_or(value).trim()) }
    }

    /// What is wrong with it, if nothing else is; `live` if that can change while the page is open.
    pub fn wrong(mut self, wrong: Option<String>, live: bool) -> Self {
        (self.error, self.live) = (self.error.or(wrong), live);
        self
    }

    /// Its id on the page.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// It has to be filled in.
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

impl<'a> Field<'a> {
    /// A word on what it takes.
    pub fn hint(mut self, hint: &'a str) -> Self {
        self.hint = hint;
        self
    }

    /// When it may stay empty, or when not, in place of “optional”.
    pub fn optional(mut self, optional: &'a str) -> Self {
        self.optional = optional;
        self
    }

    /// The id of a list on the page of what it may be.
    pub fn list(mut self, list: &'a str) -> Self {
        self.list = Some(list);
        self
    }

    /// `short` or `long`.
    pub fn width(mut self, width: &'a str) -> Self {
        self.width = width;
        self
    }
}

impl Render for Field<'_> {
    fn render(&self) -> Markup {
        let (hint_id, error_id) = (format!("{}-hint", self.id), format!("{}-error", self.id));
        let mut described = Vec::new();
        if !self.hint.is_empty() {
            described.push(hint_id.as_str());
        }
        if self.error.is_some() || self.live {
            described.push(error_id.as_str());
        }
        let described = (!described.is_empty()).then(|| described.join(" "));
        let invalid = self.error.is_some().then_some("true");
        html! {
            div class={ "field " (self.width) } {
                @if let Some(stands) = &self.stands { input type="hidden" name=(before(self.name)) value=(stands); }
                label for=(self.id) { (self.label) @if !self.required && !matches!(self.kind, Kind::Choice(_)) { span.optional { " " (self.optional) } } }
                @match &self.kind {
                    Kind::Input(kind) => {
                        input #(self.id) type=(kind) name=(self.name) value=(self.value) required[self.required] autocomplete="off" list=[self.list]
                            aria-describedby=[described.as_ref()] aria-invalid=[invalid];
                    }
                    Kind::Area => {
                        textarea #(self.id) name=(self.name) rows="3" required[self.required]
                            aria-describedby=[described.as_ref()] aria-invalid=[invalid] { (self.value) }
                    }
                    Kind::Choice(options) => {
                        select #(self.id) name=(self.name) required[self.required]
                            aria-describedby=[described.as_ref()] aria-invalid=[invalid] {
                            // What is not offered stays what was asked for, for the API to refuse: it is never taken for the first.
                            @if !self.value.is_empty() && options.iter().all(|(value, _)| *value != self.value) {
                                option value=(self.value) selected { (self.value) }
                            }
                            @for (value, label) in options {
                                option value=(value) selected[*value == self.value] { (label) }
                            }
                        }
                    }
                }
                @if !self.hint.is_empty() { p.hint #(hint_id) { (self.hint) } }
                @if self.live { p.error #(error_id) role="status" { (self.error.as_deref().unwrap_or_default()) } }
                @else if let Some(error) = &self.error { p.error #(error_id) { (error) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_form_comes_back_as_it_was_sent() {
        let (values, refusal) = (Form::urlencoded("dataMb=&days=0"), Refusal::about("days", "must be 1 or more"));
        let attempt = Attempt { form: "plan", values: &values, refusal: Some(&refusal) };
        let fields = Fields::new("plan", Some(attempt));
        assert_eq!(fields.text("dataMb", "Data").value("3072").value, "", "what was emptied");
        assert_eq!(fields.text("days", "Days").value("15").value, "0");
        assert_eq!(fields.text("name", "Name").value("Nordic").value, "Nordic", "what was not sent");
        let others = Fields::new("other", Some(attempt));
        assert_eq!(others.text("days", "Days").value("15").value, "15", "another form");
    }

    #[test]
    fn an_address_says_what_of_it_is_needed() {
        let (fields, names) = (Fields::new("order", None), Fields::address_names("to"));
        let shown = fields.address("to", &names, None, "needed for SIM cards").0;
        assert_eq!(shown.matches("<span class=\"optional\"> needed for SIM cards</span>").count(), 3, "{shown}");
        assert_eq!(shown.matches("<span class=\"optional\"> optional</span>").count(), 2, "postal code and region: {shown}");
    }

    #[test]
    fn a_form_that_comes_back_is_joined_with_what_others_saved() {
        let sent = "price=16.90&corrects.price=16.90&apn=mine&corrects.apn=apn&name=A&corrects.name=A%0D%0A&days=7&corrects.days=3\
            &kind=b&corrects.kind=a&corrects.form=esim&form=card&form=third&corrects.form=third";
        let (values, refusal) = (Form::urlencoded(sent), Refusal::about("basedOn", "basedOn is another."));
        let attempt = Some(Attempt { form: "plan", values: &values, refusal: Some(&refusal) });
        let fields = Fields::merging("plan", attempt);
        let field = |name: &'static str, now: &str| {
            let field = fields.text(name, name).value(now);
            (field.value, field.error.is_some())
        };
        assert_eq!(field("price", "33.00"), ("33.00".to_owned(), false), "changed by others alone");
        assert_eq!(field("apn", "apn"), ("mine".to_owned(), false), "changed here alone");
        assert_eq!(field("name", "A"), ("A".to_owned(), false), "changed by nobody");
        assert_eq!(field("days", "9"), ("7".to_owned(), true), "changed by both");
        assert_eq!(field("days", "7"), ("7".to_owned(), false), "changed by both to the same");
        let kinds = [("a".to_owned(), "Kind A".to_owned()), ("c".to_owned(), "Kind C".to_owned())];
        let kind = fields.choice("kind", "Kind", kinds).value("c");
        assert_eq!((&*kind.value, kind.error.as_deref()), ("b", Some("Somebody else changed it meanwhile: now it is “Kind C”.")));
        assert!(kind.render().0.contains("name=\"corrects.kind\" value=\"c\""));
        for (form, now, ticked) in [("esim", true, false), ("card", false, true), ("third", false, false), ("third", true, true)]
        {
            assert_eq!(fields.ticked("form", form, now), ticked, "{form}");
        }
        let told = fields.refused().0;
        assert!(told.contains("price: “16.90” → <strong>“33.00”</strong>") && !told.contains("apn"), "{told}");
        assert!(Fields::merging("plan", None).refused().0.is_empty());
    }
}
