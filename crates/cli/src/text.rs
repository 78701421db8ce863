//! Laying out reports for people: labelled paragraphs that follow the terminal's width, and tables.

use std::borrow::Cow;

use comfy_table::{ContentArrangement, Table, presets};

use crate::terminal::{Mark, Terminal};

/// Columns of the labels.
const LABEL: usize = 16;

/// A report in the making.
pub struct Page<'a> {
    terminal: &'a Terminal,
    text: String,
}

impl<'a> Page<'a> {
    pub fn new(terminal: &'a Terminal) -> Page<'a> {
        Page { terminal, text: String::new() }
    }

    /// A line as it is, but for what would move the cursor: traces and captures hold text of others.
    pub fn line(&mut self, text: &str) {
        self.text.push_str(&clean(text));
        self.text.push('\n');
    }

    /// A marked line, and an empty one.
    pub fn headline(&mut self, mark: Mark, text: &str) {
        let text = self.terminal.mark(mark, text);
        self.line(&text);
        self.line("");
    }

    /// A labelled paragraph; further lines are indented below it.
    pub fn field(&mut self, label: &str, text: &str) {
        let padded = format!("  {label:<width$}", width = LABEL - 2);
        let indent = " ".repeat(LABEL);
        let lines: Vec<String> = match self.terminal.width() {
            Some(width) => {
                let options = textwrap::Options::new(width.saturating_sub(LABEL).max(20)).break_words(false);
                textwrap::wrap(text, options).into_iter().map(Cow::into_owned).collect()
            }
            None => vec![text.to_owned()],
        };
        for (index, line) in lines.iter().enumerate() {
            let lead = if index == 0 { self.terminal.mark(Mark::Faint, &padded) } else { indent.clone() };
            let line = format!("{lead}{line}");
            self.line(line.trim_end());
        }
    }

    /// A paragraph below the last label.
    pub fn more(&mut self, text: &str) {
        self.field("", text);
    }

    /// A list under one label; nothing when it is empty.
    pub fn list(&mut self, label: &str, items: &[String]) {
        for (index, item) in items.iter().enumerate() {
            self.field(if index == 0 { label } else { "" }, item);
        }
    }

    /// A table.
    pub fn table(&mut self, header: &[String], rows: &[Vec<String>]) {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(header).add_rows(rows);
        if let Some(width) = self.terminal.width() {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
        }
        for line in table.to_string().lines() {
            self.line(&format!(" {}", line.trim_end()));
        }
    }

    pub fn finish(self) -> String {
        self.text
    }
}

/// Text without control characters, which are shown as escapes. Of escape sequences only colours are left.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let is_parameter = |c: char| c.is_ascii_digit() || c == ';';
        let color =
            rest.strip_prefix("\x1b[").and_then(|after| after.trim_start_matches(is_parameter).strip_prefix('m'));
        let taken = color.map_or(next.len_utf8(), |after| rest.len() - after.len());
        if color.is_some() || !next.is_control() {
            out.push_str(&rest[..taken]);
        } else {
            out.extend(next.escape_default());
        }
        rest = &rest[taken..];
    }
    Cow::Owned(out)
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A number with its thousands apart.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 tick`, `2 ticks`.
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let all: Vec<String> = [0, 999, 1000, 1_234_567].into_iter().map(thousands).collect();
        assert_eq!(all, ["0", "999", "1,000", "1,234,567"]);
        assert_eq!((counted(1, "tick"), counted(2, "tick")), ("1 tick".into(), "2 ticks".into()));
    }

    #[test]
    fn text_of_others_moves_no_cursor() {
        assert_eq!(clean("plain, ünïcode"), "plain, ünïcode");
        assert_eq!(clean("a\nHEALTHY\x1b[2J\x1b]0;t\x07"), "a\\nHEALTHY\\u{1b}[2J\\u{1b}]0;t\\u{7}");
        assert_eq!(clean("\x1b[1;31mred\x1b[0m"), "\x1b[1;31mred\x1b[0m");
    }

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(
            [quoted("a.cdt"), quoted("a b"), quoted("it's"), quoted("")],
            ["a.cdt", "'a b'", r"'it'\''s'", "''"]
        );
    }
}
