//! Laying out reports for people: labelled paragraphs that follow the terminal's width, and tables.

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

    /// A line as it is.
    pub fn line(&mut self, text: &str) {
        self.text.push_str(text);
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
                textwrap::wrap(text, options).into_iter().map(std::borrow::Cow::into_owned).collect()
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
}
