//! A line that does not obey the contract: where, what was expected, and the text that offends.

use std::fmt;

/// How much of the offending text an error shows.
const EXCERPT: usize = 60;

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// In bytes from the line's start, from 1.
    column: usize,
    /// Path of the field, or empty for the whole row.
    path: String,
    rule: String,
    excerpt: String,
}

impl Fault {
    /// A fault at a byte of `line`.
    pub(crate) fn at(line: &str, byte: usize, path: impl Into<String>, rule: impl Into<String>) -> Fault {
        let mut start = byte.min(line.len());
        while !line.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = (start + EXCERPT).min(line.len());
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        let more = if end < line.len() { "…" } else { "" };
        let excerpt = format!("{}{more}", &line[start..end]);
        Fault { column: start + 1, path: path.into(), rule: rule.into(), excerpt }
    }

    /// A fault in the part of `line` that `part` is.
    pub(crate) fn in_part(line: &str, part: &str, path: impl Into<String>, rule: impl Into<String>) -> Fault {
        let byte = (part.as_ptr() as usize).checked_sub(line.as_ptr() as usize).filter(|&byte| byte <= line.len());
        Fault::at(line, byte.unwrap_or(0), path, rule)
    }

    /// A fault in the member of the row that is called `name`.
    pub(crate) fn in_member(line: &str, name: &str, path: impl Into<String>, rule: impl Into<String>) -> Fault {
        let quoted = format!("\"{name}\"");
        let is_member = |at: &usize| line[at + quoted.len()..].trim_start().starts_with(':');
        let byte = line.match_indices(&quoted).map(|(at, _)| at).find(is_member);
        Fault::at(line, byte.unwrap_or(0), path, rule)
    }

    /// The same fault, with a word on what would be right.
    pub(crate) fn hint(mut self, hint: &str) -> Fault {
        self.rule = format!("{}; {hint}", self.rule);
        self
    }

    /// The text of the fault in a line of a capture.
    pub(crate) fn on_line(&self, capture: &str, line: u64) -> String {
        format!("{capture}:{line}:{self}")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.column)?;
        if !["", ".", "?"].contains(&self.path.as_str()) {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}", self.rule)?;
        if !self.excerpt.is_empty() {
            write!(f, "; here: {}", self.excerpt)?;
        }
        Ok(())
    }
}

/// Decodes a row, and on a fault decodes it again to learn the field's path.
pub(crate) fn decode<'a, T: serde::Deserialize<'a>>(line: &'a str) -> Result<T, Fault> {
    serde_json::from_str(line).map_err(|first| {
        let mut deserializer = serde_json::Deserializer::from_str(line);
        let (path, error) = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
            Err(error) => (error.path().to_string(), error.into_inner()),
            // The row itself is whole; what follows it is not.
            Ok(_) => (String::new(), first),
        };
        // serde_json counts columns from 1 and adds the place to its message; the place stands before the message here.
        let text = error.to_string();
        let rule = text.rsplit_once(" at line ").map_or(text.as_str(), |(rule, _)| rule);
        let mut byte = error.column().saturating_sub(1);
        if error.is_data() {
            // A value of the wrong type is read before it is refused; what is shown begins with it.
            let value = line.get(..byte).and_then(|read| read.rfind([':', ',', '[', '{']));
            byte = value.map_or(byte, |before| before + 1);
        }
        Fault::at(line, byte, path, rule)
    })
}
