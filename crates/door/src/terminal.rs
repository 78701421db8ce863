//! What is on the other side: colour, width, and a pipe that may close.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;

use crate::exit::Failure;

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set or the terminal is a dumb one.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Where text goes and how it looks there.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// The program that speaks.
    program: &'static str,
    color: bool,
    /// Columns; `None` when standard output is not a terminal.
    width: Option<usize>,
}

/// How a piece of text is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Good news.
    Good,
    /// Bad news.
    Bad,
    /// Neither.
    Unsure,
    /// A heading.
    Strong,
    /// Of less weight.
    Faint,
}

impl Terminal {
    /// The terminal, or pipe, that the standard output of `program` is.
    pub fn new(program: &'static str, color: Color) -> Terminal {
        let is_terminal = io::stdout().is_terminal();
        #[expect(clippy::disallowed_methods, reason = "a door may read the environment")]
        let variable = |name| std::env::var_os(name).unwrap_or_default();
        let forbidden = !variable("NO_COLOR").is_empty() || variable("TERM") == "dumb";
        let color = match color {
            Color::Auto => is_terminal && !forbidden,
            Color::Always => true,
            Color::Never => false,
        };
        let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)).filter(|_| is_terminal);
        Terminal { program, color, width }
    }

    /// Columns of the terminal; `None` where text may be as wide as it likes.
    pub fn width(&self) -> Option<usize> {
        self.width
    }

    /// The text, marked if colours are on.
    pub fn mark(&self, mark: Mark, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        let style = match mark {
            Mark::Good => Style::new().bold().fg_color(Some(AnsiColor::Green.into())),
            Mark::Bad => Style::new().bold().fg_color(Some(AnsiColor::Red.into())),
            Mark::Unsure => Style::new().bold().fg_color(Some(AnsiColor::Yellow.into())),
            Mark::Strong => Style::new().bold(),
            Mark::Faint => Style::new().dimmed(),
        };
        format!("{style}{text}{style:#}")
    }

    /// Prints text. A pipe that was closed is no error: whoever reads has seen enough.
    pub fn print(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure(format!("cannot write to standard output: {error}")))
            }
            _ => Ok(()),
        }
    }

    /// A file, or whatever else has neither colours nor a width.
    pub fn plain(program: &'static str) -> Terminal {
        Terminal { program, color: false, width: None }
    }

    /// A report as JSON.
    pub fn json(report: &impl Serialize) -> Result<String, Failure> {
        let text = serde_json::to_string_pretty(report);
        text.map(|text| text + "\n").map_err(|error| Failure(format!("cannot write JSON: {error}")))
    }

    /// Prints a report as JSON.
    pub fn print_json(&self, report: &impl Serialize) -> Result<(), Failure> {
        self.print(&Terminal::json(report)?)
    }

    /// Says on standard error why something could not be done.
    pub fn complain(&self, message: &str) {
        let _ = writeln!(io::stderr().lock(), "{}: {}", self.program, crate::text::clean(message));
    }
}

/// Standard output for what does not fit into memory. It knows when the other side has seen enough.
#[derive(Debug, Default)]
pub struct Pipe {
    closed: bool,
}

impl Pipe {
    /// Whether the other side closed the pipe, which is no error.
    pub fn was_closed(&self) -> bool {
        self.closed
    }

    fn noted<T>(&mut self, written: io::Result<T>) -> io::Result<T> {
        self.closed |= matches!(&written, Err(error) if error.kind() == io::ErrorKind::BrokenPipe);
        written
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = io::stdout().lock().write(bytes);
        self.noted(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = io::stdout().lock().flush();
        self.noted(flushed)
    }
}
