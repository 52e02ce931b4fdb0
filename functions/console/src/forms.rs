//! Forms: labelled fields that keep what was typed and say what is wrong with it.

use crate::Desk;
use crate::api::Refusal;
use crate::http::Form;
use crate::session::random_key;
use lambda_http::{Body, Response};
use maud::{Markup, Render, html};
use std::cell::OnceCell;

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
    hint: &'a str,
    error: Option<String>,
    /// Whether what is wrong with it can change while the page is open: then the place for it is always there.
    live: bool,
    required: bool,
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
        Self { name, attempt: attempt.filter(|attempt| attempt.form == name), said: OnceCell::new() }
    }

    /// Whether this form was just refused.
    pub fn was_refused(&self) -> bool {
        self.refusal().is_some()
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
        self.attempt.map_or(at_first, |attempt| attempt.values.all(name).any(|ticked| ticked == value))
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

    fn field(&self, name: &'a str, label: &'a str, kind: Kind<'a>) -> Field<'a> {
        Field {
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
            width: "",
            list: None,
        }
    }

    /// A line of text.
    pub fn text(&self, name: &'a str, label: &'a str) -> Field<'a> {
        self.field(name, label, Kind::Input("text"))
    }

    /// An input of another type.
    pub fn input(&self, kind: &'a str, name: &'a str, label: &'a str) -> Field<'a> {
        self.field(name, label, Kind::Input(kind))
    }

    /// Several lines of text.
    pub fn area(&self, name: &'a str, label: &'a str) -> Field<'a> {
        self.field(name, label, Kind::Area)
    }

    /// One of several values, each with its label.
    pub fn choice(&self, name: &'a str, label: &'a str, options: impl IntoIterator<Item = (String, String)>) -> Field<'a> {
        self.field(name, label, Kind::Choice(options.into_iter().collect()))
    }

    /// A postal address.
    pub fn address(&self, name: &'a str, names: &'a [String; 5], known: Option<&crate::model::Address>) -> Markup {
        let known = known.cloned().unwrap_or_default();
        let whole = self.refusal().is_some_and(|refusal| refusal.field.as_deref() == Some(name));
        let wrong = if whole { self.wrong(name, "Postal address") } else { None };
        html! {
            @if let Some(wrong) = &wrong { p.error { (wrong) } }
            div.fields data-part=(name) {
                (self.area(&names[0], "Street and number").value(&known.lines.join("\n")).hint("up to three lines"))
                (self.text(&names[1], "Postal code").value(known.postal_code.as_deref().unwrap_or_default()).width("short"))
                (self.text(&names[2], "City").value(&known.city))
                (self.text(&names[3], "Region").value(known.region.as_deref().unwrap_or_default()))
                (self.text(&names[4], "Country").value(&known.country).hint("two letters, such as ES").width("short"))
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
        html! {
            label.tick for=(id) {
                input #(id) type="checkbox" name=(name) value=(value) checked[self.ticked(name, value, at_first)];
                span { (label) }
            }
        }
    }

    /// The whole form. What is wrong stands at its head, for those whom no field's colour tells.
    pub fn form(&self, desk: &Desk<'_>, action: &str, content: &Markup, button: &str) -> Markup {
        self.form_with(desk, action, content, &html! { button type="submit" { (button) } })
    }

    /// The same with buttons of its own.
    pub fn form_with(&self, desk: &Desk<'_>, action: &str, content: &Markup, buttons: &Markup) -> Markup {
        html! {
            form #(self.name) method="post" action=(action) {
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
        html! { @if let Some(refusal) = self.refusal() { (refused(&self.why(refusal))) } }
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
        if !self.was_sent {
            value.clone_into(&mut self.value);
        }
        self
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
                label for=(self.id) { (self.label) @if !self.required && !matches!(self.kind, Kind::Choice(_)) { span.optional { " optional" } } }
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
}
