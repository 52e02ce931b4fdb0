use std::fmt;

/// Why the stack cannot start or go on, in words for the person who started it.
#[derive(Debug)]
pub struct StackError(String);

impl StackError {
    /// `problem` names what is wrong and, where there is one, the way out.
    pub fn new(problem: impl Into<String>) -> Self {
        Self(problem.into())
    }
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&visible(&self.0))
    }
}

impl std::error::Error for StackError {}

/// With all escaped that has no look of its own, control characters and changes of direction above all: whoever could write an item
/// could otherwise write what seems to be said of it.
pub(crate) fn visible(said: &str) -> String {
    let shown = |character: char| match character {
        '"' | '\'' | '\\' => character.to_string(),
        _ => character.escape_debug().to_string(),
    };
    said.chars().map(shown).collect()
}

/// Says what was being done when something failed.
pub(crate) trait Context<T> {
    fn context(self, doing: impl fmt::Display) -> Result<T, StackError>;
}

impl<T, E: fmt::Display> Context<T> for Result<T, E> {
    fn context(self, doing: impl fmt::Display) -> Result<T, StackError> {
        self.map_err(|error| StackError::new(format!("{doing}: {error}")))
    }
}
