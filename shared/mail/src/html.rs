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
        for character in one_line(value).chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                other => self.0.push(other),
            }
        }
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
