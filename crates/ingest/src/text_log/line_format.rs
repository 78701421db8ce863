//! The user's format string for log lines: text that stands there, fields with a name and a type, and what is passed over.
//!
//! A line is matched part by part from left to right, so that a line that does not fit can be told where it stops to fit.

use std::collections::BTreeSet;
use std::fmt;

use cdt_schema::{Field, Scalar, ScalarType};

use super::scan::Miss;
use super::{Instruction, Reading};

/// Most optional parts.
const MAX_OPTIONAL: usize = 32;
/// Parts that must fit before a line is taken for one of the log: with fewer it is noise.
const LIKENESS: usize = 2;

/// How the lines of a log are to be read, as the user says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFormat {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
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
struct FieldFormat {
    name: String,
    /// Whether it is a counter of the checkpoint, and not state.
    counter: bool,
    notation: Notation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notation {
    /// The type's decimal notation, for booleans 0, 1, false or true.
    Plain(ScalarType),
    /// Hexadecimal digits: exactly so many, or 1 to 8.
    Hex(Option<u8>),
}

impl Notation {
    fn parse(text: &str) -> Option<Notation> {
        if let Some(digits) = text.strip_prefix("hex") {
            if digits.is_empty() {
                return Some(Notation::Hex(None));
            }
            return digits.parse().ok().filter(|digits| (1..=16).contains(digits)).map(|d| Notation::Hex(Some(d)));
        }
        ScalarType::DECLARABLE.into_iter().find(|ty| ty.name() == text).map(Notation::Plain)
    }

    fn scalar_type(self) -> ScalarType {
        match self {
            Notation::Plain(ty) => ty,
            Notation::Hex(Some(9..)) => ScalarType::U64,
            Notation::Hex(_) => ScalarType::U32,
        }
    }

    /// What errors call a value of it.
    fn expected(self) -> String {
        match self {
            Notation::Plain(ScalarType::Bool) => "0, 1, false or true".to_owned(),
            Notation::Plain(ty @ (ScalarType::F32 | ScalarType::F64)) => format!("a finite number ({ty})"),
            Notation::Plain(ty) => format!("a decimal number ({ty})"),
            Notation::Hex(Some(digits)) => format!("a number of {digits} hexadecimal digits"),
            Notation::Hex(None) => "a number of 1 to 8 hexadecimal digits".to_owned(),
        }
    }

    /// Reads a value at the beginning of a text, and tells how many bytes it has.
    fn read(self, text: &str) -> Option<(Scalar, usize)> {
        let run = |belongs: fn(char) -> bool| &text[..text.find(|c| !belongs(c)).unwrap_or(text.len())];
        match self {
            Notation::Hex(digits) => {
                let found = run(|c| c.is_ascii_hexdigit());
                let fits = digits.map_or((1..=8).contains(&found.len()), |digits| found.len() == usize::from(digits));
                let value = u64::from_str_radix(found, 16).ok().filter(|_| fits)?;
                Some((Scalar::from_bits(self.scalar_type(), value), found.len()))
            }
            Notation::Plain(ty) => {
                // Columns of numbers are often right-aligned.
                let spaces = text.len() - text.trim_start_matches([' ', '\t']).len();
                if spaces > 0 && ty != ScalarType::Bool {
                    return self.read(&text[spaces..]).map(|(value, len)| (value, spaces + len));
                }
                let found = match ty {
                    ScalarType::Bool => run(|c| c.is_ascii_alphanumeric()),
                    ScalarType::F32 | ScalarType::F64 => &text[..float_len(text)],
                    _ => &text[..integer_len(text)],
                };
                plain(ty, found).map(|value| (value, found.len()))
            }
        }
    }
}

/// Bytes of the integer that a text begins with.
fn integer_len(text: &str) -> usize {
    let sign = usize::from(text.starts_with(['+', '-']));
    sign + digits_len(&text[sign..])
}

/// Bytes of the number that a text begins with: a fraction and an exponent belong to it when they have digits.
fn float_len(text: &str) -> usize {
    let mut len = integer_len(text);
    let fraction = text[len..].strip_prefix('.').map_or(0, digits_len);
    if fraction > 0 {
        len += 1 + fraction;
    }
    let exponent = text[len..].strip_prefix(['e', 'E']).map_or(0, integer_len);
    let has_digits = text[..len + usize::from(exponent > 0) + exponent].ends_with(|c: char| c.is_ascii_digit());
    if exponent > 0 && has_digits { len + 1 + exponent } else { len }
}

fn digits_len(text: &str) -> usize {
    text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len()
}

/// A value in its type's decimal notation.
fn plain(ty: ScalarType, text: &str) -> Option<Scalar> {
    match ty {
        ScalarType::Bool => match text {
            "0" | "false" => Some(Scalar::Bool(false)),
            "1" | "true" => Some(Scalar::Bool(true)),
            _ => None,
        },
        ScalarType::I32 => text.parse().ok().map(Scalar::I32),
        ScalarType::U32 => text.parse().ok().map(Scalar::U32),
        ScalarType::I64 => text.parse().ok().map(Scalar::I64),
        ScalarType::U64 => text.parse().ok().map(Scalar::U64),
        ScalarType::F32 => text.parse().ok().filter(|value: &f32| value.is_finite()).map(Scalar::F32),
        ScalarType::F64 => text.parse().ok().filter(|value: &f64| value.is_finite()).map(Scalar::F64),
        ScalarType::U8 | ScalarType::U16 => None,
    }
}

impl LineFormat {
    /// Reads a format string.
    ///
    /// # Errors
    /// Where it breaks which rule.
    pub fn parse(text: &str) -> Result<LineFormat, String> {
        let mut parser = Parser { text, at: 0, names: BTreeSet::new(), optional: 0 };
        let parts = parser.parts(false)?;
        let format = LineFormat { text: text.to_owned(), parts };
        if format.fields(u64::MAX).next().is_none() {
            return Err("a format string has at least one field, like {pc:hex4}".to_owned());
        }
        Ok(format)
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

    /// Reads a line. A prefix before its first part (a logger's, a line number) is passed over.
    pub(super) fn read(&self, line: &str) -> Reading {
        let mut best: Option<Attempt<'_>> = None;
        // Not within a word or a number.
        let within = |before: char| before.is_alphanumeric() || "+-._".contains(before);
        let starts = |at: &usize| line[..*at].chars().next_back().is_none_or(|before| !within(before));
        for (start, _) in line.char_indices().filter(|(at, _)| starts(at)) {
            let mut attempt = Attempt {
                line,
                at: start,
                furthest: start,
                fits: 0,
                expected: String::new(),
                values: Vec::new(),
                optional: 0,
            };
            match attempt.line(&self.parts) {
                Ok(()) => return Reading::Instruction(attempt.instruction()),
                Err((at, expected)) => {
                    attempt.furthest = at;
                    attempt.expected = expected;
                }
            }
            if best.as_ref().is_none_or(|best| best.fits < attempt.fits) {
                best = Some(attempt);
            }
        }
        match best {
            Some(best) if best.fits >= LIKENESS => Reading::Malformed { at: best.furthest, expected: best.expected },
            _ => Reading::Noise,
        }
    }
}

impl fmt::Display for LineFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A line matched from one of its bytes on.
struct Attempt<'a> {
    line: &'a str,
    at: usize,
    furthest: usize,
    /// Texts and fields that fitted.
    fits: usize,
    expected: String,
    values: Vec<(&'a FieldFormat, Scalar)>,
    optional: u64,
}

impl<'a> Attempt<'a> {
    fn rest(&self) -> &'a str {
        &self.line[self.at..]
    }

    /// Matches all parts, after which nothing but spaces may come.
    fn line(&mut self, parts: &'a [Part]) -> Result<(), Miss> {
        let mut segments = parts.split(|part| *part == Part::Skip);
        self.parts(segments.next().unwrap_or_default())?;
        let mut segments = segments.peekable();
        let mut open_end = false;
        while let Some(segment) = segments.next() {
            if segment.is_empty() {
                open_end = true;
                break;
            }
            self.after_skip(segment, segments.peek().is_none())?;
        }
        self.end(open_end)
    }

    fn end(&self, open_end: bool) -> Result<(), Miss> {
        if open_end || self.rest().trim().is_empty() {
            Ok(())
        } else {
            Err((self.at, "the end of the line".to_owned()))
        }
    }

    /// Matches parts at the first place from here on where they fit; the last ones where the line ends with them.
    fn after_skip(&mut self, parts: &'a [Part], last: bool) -> Result<(), Miss> {
        let begin = self.at;
        let mut furthest: Option<(usize, Miss)> = None;
        for at in (begin..=self.line.len()).filter(|&at| self.line.is_char_boundary(at)) {
            let (fits, values, optional) = (self.fits, self.values.len(), self.optional);
            self.at = at;
            let matched = self.parts(parts).and_then(|()| if last { self.end(false) } else { Ok(()) });
            let Err(miss) = matched else { return Ok(()) };
            if furthest.as_ref().is_none_or(|(best, _)| *best < self.fits) {
                furthest = Some((self.fits, miss));
            }
            self.fits = fits;
            self.values.truncate(values);
            self.optional = optional;
        }
        let (fits, (at, expected)) = furthest.unwrap_or((self.fits, (begin, "more".to_owned())));
        let nothing_fitted = fits == self.fits;
        self.fits = fits;
        Err((if nothing_fitted { begin } else { at }, expected))
    }

    fn parts(&mut self, parts: &'a [Part]) -> Result<(), Miss> {
        parts.iter().try_for_each(|part| self.part(part))
    }

    fn part(&mut self, part: &'a Part) -> Result<(), Miss> {
        match part {
            Part::Text(text) => {
                if !self.rest().starts_with(text.as_str()) {
                    return Err((self.at, format!("{text:?}")));
                }
                self.at += text.len();
                self.fits += 1;
            }
            Part::Spaces => {
                let after = self.rest().trim_start_matches([' ', '\t']);
                if after.len() == self.rest().len() {
                    return Err((self.at, "a space".to_owned()));
                }
                self.at = self.line.len() - after.len();
            }
            Part::Value(field) => {
                let read = field.notation.read(self.rest());
                let (value, len) =
                    read.ok_or_else(|| (self.at, format!("{} for {}", field.notation.expected(), field.name)))?;
                self.at += len;
                self.fits += 1;
                self.values.push((field, value));
            }
            Part::Optional(number, parts) => {
                let (at, fits, values) = (self.at, self.fits, self.values.len());
                if self.parts(parts).is_ok() {
                    self.optional |= 1 << number;
                } else {
                    (self.at, self.fits) = (at, fits);
                    self.values.truncate(values);
                }
            }
            Part::Skip => unreachable!("lines are cut at what is passed over"),
        }
        Ok(())
    }

    fn instruction(self) -> Instruction {
        let (counters, state): (Vec<_>, Vec<_>) = self.values.into_iter().partition(|(field, _)| field.counter);
        Instruction {
            state: state.into_iter().map(|(_, value)| value).collect(),
            counters: counters.into_iter().map(|(field, value)| (field.name.clone().into(), value.bits())).collect(),
            operand: None,
            optional: self.optional,
        }
    }
}

/// Reads a format string from left to right.
struct Parser<'a> {
    text: &'a str,
    at: usize,
    names: BTreeSet<(bool, String)>,
    optional: u32,
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
                ' ' | '\t' => parts.push(Part::Spaces),
                '{' | '}' | '[' | ']' if twice => {
                    self.at += 1;
                    text(&mut parts, next);
                }
                '{' => {
                    let part = self.braces(at, in_brackets)?;
                    self.push(&mut parts, part, at)?;
                }
                '[' if in_brackets => return self.fail(at, "an optional part cannot hold another; [[ is a bracket"),
                '[' => {
                    let number = self.optional;
                    self.optional += 1;
                    if self.optional as usize > MAX_OPTIONAL {
                        return self.fail(at, format!("there are at most {MAX_OPTIONAL} optional parts"));
                    }
                    let inner = self.parts(true)?;
                    parts.push(Part::Optional(number, inner));
                }
                ']' if in_brackets => return Ok(parts),
                '}' | ']' => return self.fail(at, format!("this {next} ends nothing; {next}{next} stands for itself")),
                other => text(&mut parts, other),
            }
        }
    }

    fn push(&self, parts: &mut Vec<Part>, part: Part, at: usize) -> Result<(), String> {
        match (parts.last(), &part) {
            (Some(Part::Skip), Part::Skip | Part::Value(_)) => {
                self.fail(at, "what follows {*} must be text or a space, so that it is known where it ends")
            }
            _ => {
                parts.push(part);
                Ok(())
            }
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

fn text(parts: &mut Vec<Part>, next: char) {
    match parts.last_mut() {
        Some(Part::Text(text)) => text.push(next),
        _ => parts.push(Part::Text(next.to_string())),
    }
}
