//! The user's format string for log lines: text that stands there, fields with a name and a type, and what is passed over.

use std::collections::BTreeSet;
use std::fmt;

use cdt_schema::{Field, ScalarType};

use super::notation::Notation;
use super::{Reading, line_match};

/// Most optional parts.
const MAX_OPTIONAL: usize = 32;

/// How the lines of a log are to be read, as the user says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFormat {
    text: String,
    parts: Vec<Part>,
    skips_others: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Text without spaces.
    Text(String),
    /// Spaces or tabs, at least one.
    Spaces,
    /// Anything, up to what follows.
    Skip,
    Value(FieldFormat),
    /// Parts that all lines have, or none; with their number among such parts.
    Optional(u32, Vec<Part>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldFormat {
    pub(super) name: String,
    /// Whether it is a counter of the checkpoint, and not state.
    pub(super) counter: bool,
    pub(super) notation: Notation,
}

impl LineFormat {
    /// Reads a format string.
    ///
    /// # Errors
    /// Where it breaks which rule.
    pub fn parse(text: &str) -> Result<LineFormat, String> {
        let mut parser = Parser { text, at: 0, names: BTreeSet::new(), optional: 0, is_open: false };
        let parts = parser.parts(false)?;
        let format = LineFormat { text: text.to_owned(), parts, skips_others: false };
        if format.fields(0).next().is_none() {
            return Err("a format string has at least one field that all lines have, like {pc:hex4}".to_owned());
        }
        Ok(format)
    }

    /// The same, but lines that look like none of the log are left out, and no errors.
    pub fn skipping_others(self) -> LineFormat {
        LineFormat { skips_others: true, ..self }
    }

    /// Whether lines that look like none of the log are left out.
    pub(super) fn skips_others(&self) -> bool {
        self.skips_others
    }

    /// The fields of the state, where the lines have these optional parts.
    pub(super) fn state(&self, optional: u64) -> Vec<Field> {
        let field = |field: &FieldFormat| Field { name: field.name.clone(), scalar_type: field.notation.scalar_type() };
        self.fields(optional).filter(|field| !field.counter).map(field).collect()
    }

    /// The names of all fields, where the lines have these optional parts.
    pub(super) fn names(&self, optional: u64) -> Vec<&str> {
        self.fields(optional).map(|field| field.name.as_str()).collect()
    }

    /// Whether the end of a line shows that it is whole: a number of fixed width, after which nothing may come.
    pub(super) fn has_fixed_end(&self) -> bool {
        let last = self.parts.last();
        matches!(last, Some(Part::Value(FieldFormat { notation: Notation::Hex(Some(_)), .. })))
    }

    fn fields(&self, optional: u64) -> impl Iterator<Item = &FieldFormat> {
        let within = move |part: &Part| matches!(part, Part::Optional(number, _) if optional >> number & 1 == 0);
        self.parts
            .iter()
            .filter(move |part| !within(part))
            .flat_map(|part| match part {
                Part::Optional(_, parts) => parts.as_slice(),
                part => std::slice::from_ref(part),
            })
            .filter_map(|part| if let Part::Value(field) = part { Some(field) } else { None })
    }

    /// Reads a line.
    pub(super) fn read(&self, line: &str) -> Reading {
        line_match::read(&self.parts, line)
    }
}

impl fmt::Display for LineFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reads a format string from left to right.
struct Parser<'a> {
    text: &'a str,
    at: usize,
    names: BTreeSet<(bool, String)>,
    optional: u32,
    /// Whether {*} may end here, so that text or a space must follow.
    is_open: bool,
}

impl Parser<'_> {
    fn fail<T>(&self, at: usize, rule: impl fmt::Display) -> Result<T, String> {
        Err(format!("column {}: {rule}", self.text[..at].chars().count() + 1))
    }

    /// Parts up to the end, or up to the bracket that ends an optional part.
    fn parts(&mut self, in_brackets: bool) -> Result<Vec<Part>, String> {
        let mut parts: Vec<Part> = Vec::new();
        let begin = self.at;
        loop {
            let at = self.at;
            let Some(next) = self.text[at..].chars().next() else {
                return if in_brackets { self.fail(begin - 1, "this [ has no ]") } else { Ok(parts) };
            };
            self.at += next.len_utf8();
            let twice = self.text[self.at..].starts_with(next);
            match next {
                ' ' | '\t' if parts.last() == Some(&Part::Spaces) => {}
                ' ' | '\t' => {
                    self.is_open = false;
                    parts.push(Part::Spaces);
                }
                '{' | '}' | '[' | ']' if twice => {
                    self.at += 1;
                    self.text(&mut parts, next);
                }
                '{' => {
                    let part = self.braces(at, in_brackets)?;
                    if self.is_open {
                        let rule = "what follows {*} must be text or a space, so that it is known where it ends";
                        return self.fail(at, rule);
                    }
                    self.is_open = part == Part::Skip;
                    parts.push(part);
                }
                '[' if in_brackets => return self.fail(at, "an optional part cannot hold another; [[ is a bracket"),
                '[' => {
                    let number = self.optional;
                    self.optional += 1;
                    if self.optional as usize > MAX_OPTIONAL {
                        return self.fail(at, format!("there are at most {MAX_OPTIONAL} optional parts"));
                    }
                    let is_open = self.is_open;
                    let inner = self.parts(true)?;
                    self.is_open = is_open;
                    parts.push(Part::Optional(number, inner));
                }
                ']' if in_brackets => return Ok(parts),
                '}' | ']' => return self.fail(at, format!("this {next} ends nothing; {next}{next} stands for itself")),
                other => self.text(&mut parts, other),
            }
        }
    }

    fn text(&mut self, parts: &mut Vec<Part>, next: char) {
        self.is_open = false;
        match parts.last_mut() {
            Some(Part::Text(text)) => text.push(next),
            _ => parts.push(Part::Text(next.to_string())),
        }
    }

    /// What stands between braces, of which the first was read.
    fn braces(&mut self, at: usize, in_brackets: bool) -> Result<Part, String> {
        let Some(len) = self.text[self.at..].find('}') else { return self.fail(at, "this { has no }") };
        let inner = self.text[self.at..self.at + len].trim();
        self.at += len + 1;
        if inner == "*" {
            return if in_brackets { self.fail(at, "an optional part cannot hold {*}") } else { Ok(Part::Skip) };
        }
        let Some((name, notation)) = inner.split_once(':') else {
            return self
                .fail(at, format!("a field reads like {{pc:hex4}}, and what is passed over {{*}}, not {{{inner}}}"));
        };
        let (name, notation) = (name.trim(), notation.trim());
        let Some(notation) = Notation::parse(notation) else {
            let rule = "is no type; the types are bool, i32, u32, i64, u64, f32, f64, hex and hex1 to hex16";
            return self.fail(at, format!("{notation:?} {rule}"));
        };
        let (counter, name) = name.strip_prefix("counter.").map_or((false, name), |name| (true, name));
        let known = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
        if !known || !(1..=64).contains(&name.len()) {
            return self.fail(at, format!("{name:?} is no name: 1 to 64 of A-Z a-z 0-9 _ . - are expected"));
        }
        if counter && !matches!(notation.scalar_type(), ScalarType::U32 | ScalarType::U64) {
            return self.fail(at, "a counter is a u32, a u64 or hexadecimal");
        }
        if !self.names.insert((counter, name.to_owned())) {
            return self.fail(at, format!("there is a field {name:?} before"));
        }
        Ok(Part::Value(FieldFormat { name: name.to_owned(), counter, notation }))
    }
}
