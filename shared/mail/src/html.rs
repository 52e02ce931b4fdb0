//! HTML in which no value can become markup.

use std::fmt::Write;

use crate::one_line;

/// A piece of HTML. Markup gets in only as a literal of this program's source, a value only escaped.
#[derive(Default)]
pub(crate) struct Html(String);

impl Html {
    pub(crate) fn markup(&mut self, literal: &'static str) -> &mut Self {
        self.0.push_str(literal);
        self
    }

    /// Writes a value as text of an element or as text between the double quotes of an attribute, on one line.
    pub(crate) fn value(&mut self, value: &str) -> &mut Self {
        let value = one_line(value);
        let mut rest = &*value;
        while let Some(place) = rest.find(['&', '<', '>', '"', '\'']) {
            self.0.push_str(&rest[..place]);
            self.0.push_str(match rest.as_bytes()[place] {
                b'&' => "&amp;",
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'"' => "&quot;",
                _ => "&#39;",
            });
            rest = &rest[place + 1..];
        }
        self.0.push_str(rest);
        self
    }

    pub(crate) fn number(&mut self, number: usize) -> &mut Self {
        // Writing into a String cannot fail.
        let _ = write!(self.0, "{number}");
        self
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}
