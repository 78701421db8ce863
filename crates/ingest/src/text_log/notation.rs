//! How the values of a user's format are written: decimal and hexadecimal numbers, booleans.

use cdt_schema::{Scalar, ScalarType};

/// Longest value that is read, in bytes: the exact decimal notation of every f64 is shorter.
const MAX_VALUE: usize = 1_100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    /// The type's decimal notation, for booleans 0, 1, false or true.
    Plain(ScalarType),
    /// Hexadecimal digits: exactly so many, or 1 to 8.
    Hex(Option<u8>),
}

impl Notation {
    pub(super) fn parse(text: &str) -> Option<Notation> {
        if let Some(digits) = text.strip_prefix("hex") {
            if digits.is_empty() {
                return Some(Notation::Hex(None));
            }
            return digits.parse().ok().filter(|digits| (1..=16).contains(digits)).map(|d| Notation::Hex(Some(d)));
        }
        ScalarType::DECLARABLE.into_iter().find(|ty| ty.name() == text).map(Notation::Plain)
    }

    pub(super) fn scalar_type(self) -> ScalarType {
        match self {
            Notation::Plain(ty) => ty,
            Notation::Hex(Some(9..)) => ScalarType::U64,
            Notation::Hex(_) => ScalarType::U32,
        }
    }

    /// What errors call a value of it.
    pub(super) fn expected(self) -> String {
        match self {
            Notation::Plain(ScalarType::Bool) => "0, 1, false or true".to_owned(),
            Notation::Plain(ty @ (ScalarType::F32 | ScalarType::F64)) => format!("a finite number ({ty})"),
            Notation::Plain(ty) => format!("a decimal number ({ty})"),
            Notation::Hex(Some(digits)) => format!("a number of {digits} hexadecimal digits"),
            Notation::Hex(None) => "a number of 1 to 8 hexadecimal digits".to_owned(),
        }
    }

    /// Reads a value at the beginning of a text, and tells how many bytes it has.
    pub(super) fn read(self, text: &str) -> Option<(Scalar, usize)> {
        let spaces = self.spaces(text);
        let text = &text[spaces..];
        let len = match self {
            Notation::Hex(_) => run(text, |byte| byte.is_ascii_hexdigit()),
            Notation::Plain(ScalarType::Bool) => run(text, |byte| byte.is_ascii_alphanumeric()),
            Notation::Plain(ScalarType::F32 | ScalarType::F64) => float_len(text),
            Notation::Plain(_) => integer_len(text),
        };
        let found = &text[..len];
        let value = match self {
            _ if len > MAX_VALUE => None,
            Notation::Hex(digits) => {
                let fits = digits.map_or((1..=8).contains(&len), |digits| len == usize::from(digits));
                let value = u64::from_str_radix(found, 16).ok().filter(|_| fits);
                value.map(|value| Scalar::from_bits(self.scalar_type(), value))
            }
            Notation::Plain(ty) => plain(ty, found),
        };
        value.map(|value| (value, spaces + len))
    }

    /// Bytes of the word that a text begins with, if it is meant for a number, whether it is one of this notation or not.
    pub(super) fn number_len(self, text: &str) -> Option<usize> {
        let spaces = self.spaces(text);
        let len = run(&text[spaces..], |byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte));
        let word = &text[spaces..spaces + len];
        let unsigned = word.trim_start_matches(['+', '-', '.']);
        let is_number = match self {
            // Many a word is made of such letters alone.
            Notation::Hex(_) => {
                word.bytes().all(|byte| byte.is_ascii_hexdigit()) && word.contains(|c: char| c.is_ascii_digit())
            }
            Notation::Plain(ScalarType::F32 | ScalarType::F64) => {
                unsigned.starts_with(|c: char| c.is_ascii_digit()) || unsigned.parse().is_ok_and(|_: f64| true)
            }
            Notation::Plain(_) => unsigned.starts_with(|c: char| c.is_ascii_digit()),
        };
        is_number.then_some(spaces + len)
    }

    /// Bytes of the spaces before a value: columns of decimal numbers are often right-aligned.
    fn spaces(self, text: &str) -> usize {
        match self {
            Notation::Hex(_) | Notation::Plain(ScalarType::Bool) => 0,
            Notation::Plain(_) => text.len() - text.trim_start_matches([' ', '\t']).len(),
        }
    }
}

/// How many bytes that belong to a value a text begins with; of more than a value may have, one more.
fn run(text: &str, belongs: fn(u8) -> bool) -> usize {
    text.bytes().take(MAX_VALUE + 1).take_while(|&byte| belongs(byte)).count()
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
    run(text, |byte| byte.is_ascii_digit())
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
