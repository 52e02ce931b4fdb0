use crate::Problem;
use serde_json::{Map, Value};
use simdock_domain::Money;

/// The fields of a JSON object, taken one by one. Each complaint names the field by its path; what nobody took is refused by
/// name at the end.
#[derive(Debug)]
pub struct Fields {
    left: Map<String, Value>,
    path: String,
}

impl Fields {
    /// The fields of a request's body.
    pub fn new(object: Map<String, Value>) -> Self {
        Self { left: object, path: String::new() }
    }

    /// A field's name, from the top of the body.
    pub fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.left.remove(name).filter(|value| !value.is_null())
    }

    /// A text that must be there.
    pub fn text(&mut self, name: &str, longest: usize) -> Result<String, Problem> {
        self.optional_text(name, longest)?.ok_or_else(|| Problem::missing_field(self.path(name)))
    }

    /// A text of 1 to `longest` characters without control characters.
    pub fn optional_text(&mut self, name: &str, longest: usize) -> Result<Option<String>, Problem> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let Value::String(text) = value else { return Err(Problem::invalid_field(self.path(name), "must be a string")) };
        let length = text.chars().count();
        if length == 0 || length > longest || text.trim().is_empty() {
            return Err(Problem::invalid_field(self.path(name), format!("must have 1 to {longest} characters")));
        }
        if breaks(&text) {
            return Err(Problem::invalid_field(self.path(name), "must not hold control characters or line breaks"));
        }
        Ok(Some(text))
    }

    /// A country by its ISO 3166-1 alpha-2 code.
    pub fn country(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let Some(code) = self.optional_text(name, 2)? else { return Ok(None) };
        if code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()) {
            Ok(Some(code))
        } else {
            Err(Problem::invalid_field(self.path(name), "must be an ISO 3166-1 alpha-2 code such as ES"))
        }
    }

    /// A whole number that must be there, within the bounds.
    pub fn whole(&mut self, name: &str, least: u32, most: u32) -> Result<u32, Problem> {
        self.optional_whole(name, least, most)?.ok_or_else(|| Problem::missing_field(self.path(name)))
    }

    /// A whole number within the bounds.
    pub fn optional_whole(&mut self, name: &str, least: u32, most: u32) -> Result<Option<u32>, Problem> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let number =
            value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|number| (least..=most).contains(number));
        let out = || Problem::invalid_field(self.path(name), format!("must be a whole number from {least} to {most}"));
        number.map(Some).ok_or_else(out)
    }

    /// An amount in minor units that must be there, within the bounds.
    pub fn amount(&mut self, name: &str, least: i64, most: i64) -> Result<i64, Problem> {
        let amount = self.take(name).ok_or_else(|| Problem::missing_field(self.path(name)))?;
        amount.as_i64().filter(|amount| (least..=most).contains(amount)).ok_or_else(|| {
            Problem::invalid_field(self.path(name), format!("must be a whole number of minor units from {least} to {most}"))
        })
    }

    /// The object as an amount of money within the bounds, in minor units.
    pub fn money(mut self, least: i64, most: i64) -> Result<Money, Problem> {
        let amount = self.amount("amount", least, most)?;
        let currency = self.text("currency", 3)?;
        let currency = currency.parse().map_err(|error| Problem::invalid_field(self.path("currency"), error))?;
        self.finish()?;
        Ok(Money { amount, currency })
    }

    /// A list of up to `most` objects.
    pub fn objects(&mut self, name: &str, most: usize) -> Result<Option<Vec<Self>>, Problem> {
        let path = self.path(name);
        let Some(value) = self.take(name) else { return Ok(None) };
        let Value::Array(values) = value else { return Err(Problem::invalid_field(path, "must be a list of objects")) };
        if values.len() > most {
            return Err(Problem::invalid_field(path, format!("may have {most} entries at most")));
        }
        let object = |(place, value)| match value {
            Value::Object(left) => Ok(Self { left, path: format!("{path}[{place}]") }),
            _ => Err(Problem::invalid_field(format!("{path}[{place}]"), "must be an object")),
        };
        values.into_iter().enumerate().map(object).collect::<Result<_, _>>().map(Some)
    }

    /// True or false, or what it is when not given.
    pub fn flag(&mut self, name: &str, default: bool) -> Result<bool, Problem> {
        match self.take(name) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(Problem::not_a_flag(self.path(name))),
        }
    }

    /// True or false, which must be there.
    pub fn required_flag(&mut self, name: &str) -> Result<bool, Problem> {
        if self.left.get(name).is_none_or(Value::is_null) {
            return Err(Problem::missing_field(self.path(name)));
        }
        self.flag(name, false)
    }

    /// One of an enum's names, found by `from_name`.
    pub fn choice<T>(&mut self, name: &str, names: &[&str], from_name: fn(&str) -> Option<T>) -> Result<Option<T>, Problem> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let choice = value.as_str().filter(|text| names.contains(text)).and_then(from_name);
        choice.map(Some).ok_or_else(|| Problem::invalid_field(self.path(name), format!("must be one of {}", names.join(", "))))
    }

    /// Whether a field says something.
    pub fn says(&self, name: &str) -> bool {
        self.left.get(name).is_some_and(|value| !value.is_null())
    }

    /// Whether a field is there and null, which everywhere else is as good as not there.
    pub fn is_null(&self, name: &str) -> bool {
        self.left.get(name).is_some_and(Value::is_null)
    }

    /// A list of up to `most` texts of 1 to `longest` characters without control characters.
    pub fn texts(&mut self, name: &str, most: usize, longest: usize) -> Result<Option<Vec<String>>, Problem> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let Value::Array(values) = value else {
            return Err(Problem::invalid_field(self.path(name), "must be a list of strings"));
        };
        if values.len() > most {
            return Err(Problem::invalid_field(self.path(name), format!("may have {most} entries at most")));
        }
        let text = |value: Value| match value {
            Value::String(text) if !text.trim().is_empty() && text.chars().count() <= longest && !breaks(&text) => Ok(text),
            _ => Err(Problem::invalid_field(
                self.path(name),
                format!("must hold texts of 1 to {longest} characters each, without control characters or line breaks"),
            )),
        };
        values.into_iter().map(text).collect::<Result<_, _>>().map(Some)
    }

    /// An object that must be there.
    pub fn object(&mut self, name: &str) -> Result<Self, Problem> {
        self.optional_object(name)?.ok_or_else(|| Problem::missing_field(self.path(name)))
    }

    /// An object.
    pub fn optional_object(&mut self, name: &str) -> Result<Option<Self>, Problem> {
        let path = self.path(name);
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(Self { left: object, path })),
            Some(_) => Err(Problem::invalid_field(path, "must be an object")),
        }
    }

    /// Refuses what is left.
    pub fn finish(self) -> Result<(), Problem> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(name) => Err(Problem::unknown_field(self.path(&shortened(name)))),
        }
    }
}

/// Whether a text holds what would break a line of a mail or a log.
fn breaks(text: &str) -> bool {
    // With those that change the direction of writing (UAX #9), a text can look like another one.
    let turns = |character| matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}');
    text.chars().any(|character| character.is_control() || turns(character))
}

/// A name that came from outside, short enough for an answer.
fn shortened(name: &str) -> String {
    name.chars().filter(|character| !character.is_control()).take(64).collect()
}
