//! Whether a line is as a format string says, and where it stops to be.
//!
//! What decides is the first place where a line looks like the format: from there on it has to fit. Whoever looked for a
//! better place further right would take the columns of a line that has one too many for their neighbours.
//!
//! The time grows as the line does: what a format passes over is searched for once, and no run of spaces or digits is
//! looked at from each of its bytes (of a value, no more than it may have).

use std::fmt;

use cdt_schema::Scalar;

use super::line_format::{FieldFormat, Part};
use super::{Instruction, Reading};

/// Texts and values that must fit before a line is taken for one of the log: with fewer it is noise.
const LIKENESS: usize = 2;
/// As many, where the format's first text is a word: it is a name that chatter hardly has.
const LIKENESS_OF_A_WORD: usize = 1;

/// Where a line does not fit, and what was expected there.
type Miss<'a> = (usize, Expected<'a>);

/// What was expected of a line.
#[derive(Clone, Copy, Debug)]
enum Expected<'a> {
    Text(&'a str),
    Space,
    Value(&'a FieldFormat),
    End,
}

impl fmt::Display for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Text(text) => write!(f, "{text:?}"),
            Expected::Space => f.write_str("a space"),
            Expected::Value(field) => write!(f, "{} for {}", field.notation.expected(), field.name),
            Expected::End => f.write_str("the end of the line"),
        }
    }
}

/// Reads a line. In front of a format that begins with text a line may have more (a logger's prefix, a line number); of one
/// that begins with a value the line's first word is that value.
pub(super) fn read(parts: &[Part], line: &str) -> Reading {
    let head = parts.split(|part| *part == Part::Skip).next().unwrap_or_default();
    let begins_with_value = matches!(first_told(head), Some(Part::Value(_)));
    let indent = line.len() - line.trim_start().len();
    let needed = match first_told(parts) {
        Some(Part::Text(text)) if text.contains(char::is_alphanumeric) => LIKENESS_OF_A_WORD,
        _ => LIKENESS,
    };
    let starts = line.char_indices().map(|(at, _)| at).filter(|&at| may_start(line, at));
    let mut attempt = Attempt::new(line);
    let mut first_miss = None;
    for start in std::iter::once(0).chain(starts.skip_while(|&at| at == 0)) {
        attempt.restart(start);
        let is_prefixed = begins_with_value && start > indent;
        match attempt.line(parts) {
            Ok(()) if !is_prefixed => return Reading::Instruction(attempt.instruction()),
            Ok(()) => return malformed(first_miss.expect("the line's beginning was tried first")),
            Err(miss) => {
                let is_like = attempt.fits >= needed || start == 0 && begins_with_number(parts, line);
                if is_like && !is_prefixed {
                    return malformed(miss);
                }
                first_miss.get_or_insert(miss);
            }
        }
        // What did not follow on the head here follows on it nowhere further right.
        if attempt.is_past_head {
            break;
        }
    }
    Reading::Noise
}

fn malformed((at, expected): Miss<'_>) -> Reading {
    Reading::Malformed { at, expected: expected.to_string() }
}

/// The first text or value that every line has.
fn first_told(parts: &[Part]) -> Option<&Part> {
    parts.iter().find(|part| matches!(part, Part::Text(_) | Part::Value(_)))
}

/// Whether a format may begin at a byte of a line: not within a word or a number, nor amid spaces.
fn may_start(line: &str, at: usize) -> bool {
    if is_space(line, at) {
        return !is_amid_spaces(line, at);
    }
    let is_within = |before: char| before.is_alphanumeric() || "+-._".contains(before);
    line[..at].chars().next_back().is_none_or(|before| !is_within(before))
}

fn is_space(line: &str, at: usize) -> bool {
    matches!(line.as_bytes().get(at), Some(b' ' | b'\t'))
}

/// Whether the byte is a space after another one. What fits there fits from the first one on as well.
fn is_amid_spaces(line: &str, at: usize) -> bool {
    at > 0 && is_space(line, at - 1) && is_space(line, at)
}

/// Whether a line begins with a number, fitting or not, where the format begins with a value, and goes on as the format does
/// behind it or not at all.
fn begins_with_number(parts: &[Part], line: &str) -> bool {
    let is_told = |part: &Part| matches!(part, Part::Text(_) | Part::Value(_) | Part::Skip);
    let Some((first, Part::Value(field))) = parts.iter().enumerate().find(|(_, part)| is_told(part)) else {
        return false;
    };
    let text = line.trim_start_matches([' ', '\t']);
    let value = || field.notation.read(text).map(|(_, len)| len);
    let Some(len) = field.notation.number_len(text).or_else(value) else { return false };
    let behind = &text[len..];
    behind.trim_start().is_empty() || may_be_next(&parts[first + 1..], behind)
}

/// Whether a text begins as these parts may.
fn may_be_next(parts: &[Part], text: &str) -> bool {
    match parts.split_first() {
        None => text.trim_start().is_empty(),
        Some((Part::Text(expected), _)) => text.starts_with(expected.as_str()),
        Some((Part::Spaces, _)) => is_space(text, 0),
        Some((Part::Skip | Part::Value(_), _)) => true,
        Some((Part::Optional(_, inner), rest)) => may_be_next(inner, text) || may_be_next(rest, text),
    }
}

/// Whether a text goes on with the number in front of it: 3 is no value of `3.7`, `3,000`, `3_000`, `3e5` or `0x1F`, but of
/// `3ms`.
fn goes_on(text: &str) -> bool {
    let digit_behind = |marks: &[char], is_digit: fn(&char) -> bool| {
        let rest = text.strip_prefix(marks).unwrap_or_default();
        rest.trim_start_matches(['+', '-']).starts_with(|c: char| is_digit(&c))
    };
    digit_behind(&['.', ',', '_', 'e', 'E'], char::is_ascii_digit) || digit_behind(&['x', 'X'], char::is_ascii_hexdigit)
}

/// A line matched from one of its bytes on.
struct Attempt<'a> {
    line: &'a str,
    at: usize,
    /// Texts and values that fitted, and spaces behind a value.
    fits: usize,
    /// The value that was matched last, and where it begins, where nothing was matched behind it.
    last_value: Option<(usize, &'a FieldFormat)>,
    /// Whether what did not fit last is a number that stands where a value should.
    is_at_a_number: bool,
    /// Whether all parts before what is first passed over fitted.
    is_past_head: bool,
    values: Vec<(&'a FieldFormat, Scalar)>,
    optional: u64,
}

impl<'a> Attempt<'a> {
    fn new(line: &'a str) -> Attempt<'a> {
        Attempt {
            line,
            at: 0,
            fits: 0,
            last_value: None,
            is_at_a_number: false,
            is_past_head: false,
            values: Vec::new(),
            optional: 0,
        }
    }

    fn restart(&mut self, at: usize) {
        (self.at, self.fits, self.last_value, self.optional) = (at, 0, None, 0);
        self.values.clear();
    }

    fn rest(&self) -> &'a str {
        &self.line[self.at..]
    }

    /// Matches all parts, after which nothing but spaces may come.
    fn line(&mut self, parts: &'a [Part]) -> Result<(), Miss<'a>> {
        let mut segments = parts.split(|part| *part == Part::Skip);
        self.parts(segments.next().unwrap_or_default(), &[])?;
        let mut segments = segments.peekable();
        self.is_past_head = segments.peek().is_some();
        while let Some(segment) = segments.next() {
            if segment.is_empty() {
                return Ok(());
            }
            self.after_skip(segment, segments.peek().is_none())?;
        }
        self.end()
    }

    fn end(&self) -> Result<(), Miss<'a>> {
        if self.rest().trim_start().is_empty() { Ok(()) } else { Err((self.at, Expected::End)) }
    }

    /// Matches parts at the first place from here on where they fit; the last ones where the line ends with them. A place where
    /// all fits up to a number that is no such value is the one that was meant.
    fn after_skip(&mut self, parts: &'a [Part], last: bool) -> Result<(), Miss<'a>> {
        let (begin, fits, values, optional) = (self.at, self.fits, self.values.len(), self.optional);
        let mut best: (usize, Miss<'a>) = (fits, (begin, Expected::End));
        let places = self.rest().char_indices().map(|(at, _)| begin + at).chain([self.line.len()]);
        for at in places.filter(|&at| at == begin || !is_amid_spaces(self.line, at)) {
            (self.at, self.fits, self.last_value, self.optional) = (at, fits, None, optional);
            self.values.truncate(values);
            let matched = self.parts(parts, &[]).and_then(|()| if last { self.end() } else { Ok(()) });
            let Err((miss, expected)) = matched else { return Ok(()) };
            if miss > at && self.is_at_a_number {
                return Err((miss, expected));
            }
            if at == begin {
                best = (self.fits, (if self.fits > fits { miss } else { begin }, expected));
            } else if self.fits > best.0 {
                best = (self.fits, (miss, expected));
            }
        }
        self.fits = best.0;
        Err(best.1)
    }

    /// Matches parts, and looks at those `behind` the last one for what may follow on it.
    fn parts(&mut self, parts: &'a [Part], behind: &'a [Part]) -> Result<(), Miss<'a>> {
        (1..).zip(parts).try_for_each(|(next, part)| {
            let rest = &parts[next..];
            self.part(part, if rest.is_empty() { behind } else { rest })
        })
    }

    fn part(&mut self, part: &'a Part, behind: &'a [Part]) -> Result<(), Miss<'a>> {
        let last_value = self.last_value.take();
        self.is_at_a_number = false;
        match part {
            Part::Text(text) => {
                if !self.rest().starts_with(text.as_str()) {
                    return Err((self.at, Expected::Text(text)));
                }
                self.at += text.len();
                self.fits += 1;
            }
            Part::Spaces => {
                let after = self.rest().trim_start_matches([' ', '\t']);
                if after.len() == self.rest().len() {
                    return Err((self.at, Expected::Space));
                }
                self.at = self.line.len() - after.len();
                self.fits += usize::from(last_value.is_some());
            }
            Part::Value(field) => {
                let rest = self.rest();
                let read = field.notation.read(rest);
                let is_whole = |len: usize| !goes_on(&rest[len..]) || may_be_next(behind, &rest[len..]);
                let Some((value, len)) = read.filter(|(_, len)| is_whole(*len)) else {
                    self.is_at_a_number = field.notation.number_len(rest).is_some();
                    self.fits += usize::from(self.is_at_a_number);
                    return Err((self.at, Expected::Value(field)));
                };
                self.last_value = Some((self.at, field));
                self.at += len;
                self.fits += 1;
                self.values.push((field, value));
            }
            Part::Optional(number, parts) => {
                let (at, fits, values) = (self.at, self.fits, self.values.len());
                self.last_value = last_value;
                if self.parts(parts, behind).is_ok() {
                    self.optional |= 1 << number;
                    return Ok(());
                }
                (self.at, self.fits, self.last_value) = (at, fits, last_value);
                self.values.truncate(values);
                // What was held to be the optional part is not, and so may be the rest of the number.
                let rest = self.rest();
                if let Some((start, field)) = last_value.filter(|_| goes_on(rest) && !may_be_next(behind, rest)) {
                    self.is_at_a_number = true;
                    return Err((start, Expected::Value(field)));
                }
                self.is_at_a_number = false;
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
