//! Reading the fixed words and hexadecimal numbers of a log line from left to right.

/// A position in a line.
pub(super) struct Scanner<'a> {
    line: &'a str,
    at: usize,
}

/// What was expected and where it was not found.
pub(super) type Miss = (usize, String);

impl<'a> Scanner<'a> {
    pub(super) fn new(line: &'a str, at: usize) -> Scanner<'a> {
        Scanner { line, at }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.line[self.at..]
    }

    pub(super) fn skip_spaces(&mut self) {
        self.at = self.line.len() - self.rest().trim_start_matches([' ', '\t']).len();
    }

    /// Takes `word` if it stands here.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let found = self.rest().starts_with(word);
        if found {
            self.at += word.len();
        }
        found
    }

    pub(super) fn expect(&mut self, word: &str) -> Result<(), Miss> {
        if self.take(word) { Ok(()) } else { Err((self.at, format!("{word:?}"))) }
    }

    /// Takes exactly that many hexadecimal digits, after which none may follow.
    pub(super) fn hex(&mut self, digits: usize) -> Result<u32, Miss> {
        match hex_at(self.line.as_bytes(), self.at, digits) {
            Some(value) => {
                self.at += digits;
                Ok(value)
            }
            None => Err((self.at, format!("a number of {digits} hexadecimal digits"))),
        }
    }

    /// Takes `name:` and a hexadecimal number, and the spaces after them.
    pub(super) fn register(&mut self, name: &str, digits: usize) -> Result<u32, Miss> {
        self.expect(&format!("{name}:"))?;
        let value = self.hex(digits)?;
        self.skip_spaces();
        Ok(value)
    }

    /// Takes a decimal number, spaces before it allowed.
    pub(super) fn decimal(&mut self) -> Result<i64, Miss> {
        self.skip_spaces();
        let digits = self.rest().find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(self.rest().len());
        match self.rest()[..digits].parse() {
            Ok(value) => {
                self.at += digits;
                Ok(value)
            }
            Err(_) => Err((self.at, "a decimal number".to_owned())),
        }
    }
}

/// The number of exactly that many hexadecimal digits that begins at a byte and is not part of a longer one.
pub(super) fn hex_at(bytes: &[u8], at: usize, digits: usize) -> Option<u32> {
    let text = bytes.get(at..at + digits)?;
    let ends = bytes.get(at + digits).is_none_or(|next| !next.is_ascii_hexdigit());
    if !ends || !text.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

/// The first byte at which `word` stands, not as the end of a longer word.
pub(super) fn find_word(line: &str, word: &str) -> Option<usize> {
    let starts = |at: &usize| line[..*at].chars().next_back().is_none_or(|before| !before.is_ascii_alphanumeric());
    line.match_indices(word).map(|(at, _)| at).find(starts)
}
