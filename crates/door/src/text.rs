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
    /// An empty page, as wide as the terminal.
    pub fn new(terminal: &'a Terminal) -> Page<'a> {
        Page { terminal, text: String::new() }
    }

    /// A line. Traces, captures and paths hold text of others: what would steer a terminal is escaped.
    pub fn line(&mut self, text: &str) {
        self.text.push_str(&clean(text));
        self.text.push('\n');
    }

    /// A line of which a part is marked.
    pub fn marked(&mut self, before: &str, (mark, text): (Mark, &str), after: &str) {
        self.text.push_str(&clean(before));
        self.text.push_str(&self.terminal.mark(mark, &clean(text)));
        self.line(after);
    }

    /// A marked line, and an empty one.
    pub fn headline(&mut self, mark: Mark, text: &str) {
        self.marked("", (mark, text), "");
        self.line("");
    }

    /// A labelled paragraph; further lines are indented below it.
    pub fn field(&mut self, label: &str, text: &str) {
        let padded = format!("  {label:<width$}", width = LABEL - 2);
        let indent = " ".repeat(LABEL);
        let text = &*clean(text);
        let lines: Vec<String> = match self.terminal.width() {
            Some(width) => {
                let options = textwrap::Options::new(width.saturating_sub(LABEL).max(20)).break_words(false);
                textwrap::wrap(text, options).into_iter().map(Cow::into_owned).collect()
            }
            None => vec![text.to_owned()],
        };
        for (index, line) in lines.iter().enumerate() {
            if index > 0 {
                self.line(format!("{indent}{line}").trim_end());
            } else if line.is_empty() {
                self.marked("", (Mark::Faint, padded.trim_end()), "");
            } else {
                self.marked("", (Mark::Faint, &padded), line.trim_end());
            }
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
        let cells = |row: &[String]| row.iter().map(|cell| clean(cell).into_owned()).collect::<Vec<String>>();
        table.load_style(presets::NOTHING).set_header(cells(header)).add_rows(rows.iter().map(|row| cells(row)));
        if let Some(width) = self.terminal.width() {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
        }
        for line in table.to_string().lines() {
            self.line(&format!(" {}", line.trim_end()));
        }
    }

    /// The page's text.
    pub fn finish(self) -> String {
        self.text
    }
}

/// Whether a character steers a terminal or makes a line read otherwise than it is: controls, separators of lines, and what turns the
/// direction of writing (Unicode Standard Annex 9, 2).
fn steers(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Text without characters that steer, which are shown as escapes.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// A word as a shell takes it, that is printed as it stands: what is not, is written as in quotes of dollar and apostrophe (POSIX
/// 2024, 2.2.4), which bash, zsh and ksh know, and dash does not.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else if word.contains(steers) {
        let mut out = String::from("$'");
        for c in word.chars() {
            match c {
                '\'' | '\\' => out.extend(['\\', c]),
                // Three octal digits a byte: a digit that follows is not taken for another one.
                _ if steers(c) => {
                    c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| out.push_str(&format!("\\{byte:03o}")));
                }
                _ => out.push(c),
            }
        }
        out + "'"
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
        assert_eq!(clean("\x1b[8mhidden\u{202e}txet"), "\\u{1b}[8mhidden\\u{202e}txet");
    }

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(
            [quoted("a.cdt"), quoted("a b"), quoted("it's"), quoted(""), quoted("it's\n1\u{202e}")],
            ["a.cdt", "'a b'", r"'it'\''s'", "''", r"$'it\'s\0121\342\200\256'"]
        );
    }
}
