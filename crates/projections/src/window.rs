//! A window of ticks, as every command takes it: `A..B`, B exclusive.

use std::fmt;
use std::str::FromStr;

use cdt_schema::Tick;

/// Ticks from `start` up to but not including `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first tick.
    pub start: Tick,
    /// The tick after the last; `None` for no bound.
    pub end: Option<Tick>,
}

impl Window {
    /// Every tick.
    pub const ALL: Window = Window { start: Tick(0), end: None };

    /// The ticks that are in both.
    pub fn intersection(self, other: Window) -> Window {
        let end = self.end.into_iter().chain(other.end).min();
        Window { start: self.start.max(other.start), end }
    }

    /// Whether a run of ticks from `first` to `last` has ticks in the window.
    pub fn touches(&self, first: Tick, last: Tick) -> bool {
        self.start <= last && self.end.is_none_or(|end| first < end) && self.end.is_none_or(|end| self.start < end)
    }

    /// Whether `tick` is in the window.
    pub fn contains(&self, tick: Tick) -> bool {
        self.start <= tick && self.end.is_none_or(|end| tick < end)
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Window, String> {
        let refuse = || {
            format!(
                "a window of ticks reads like 100..200, ..200 or 100.. (the end is exclusive; ticks go from 0 to {}), not {text:?}",
                u32::MAX
            )
        };
        let (start, end) = text.split_once("..").ok_or_else(refuse)?;
        let number = |text: &str| text.parse().map(Tick).map_err(|_| refuse());
        let start = if start.is_empty() { Tick(0) } else { number(start)? };
        let end = if end.is_empty() { None } else { Some(number(end)?) };
        if end.is_some_and(|end| end <= start) {
            return Err(format!("the window {text} is empty: its end is exclusive"));
        }
        Ok(Window { start, end })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.end {
            Some(end) => write!(f, "{}..{end}", self.start),
            None => write!(f, "{}..", self.start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_read_as_written() {
        for (text, start, end) in [("5..9", 5, Some(9)), ("..9", 0, Some(9)), ("5..", 5, None), ("..", 0, None)] {
            assert_eq!(text.parse(), Ok(Window { start: Tick(start), end: end.map(Tick) }), "{text}");
        }
        for text in ["5", "9..5", "5..5", "a..b", "-1..2", "1..4294967296"] {
            assert!(text.parse::<Window>().is_err(), "{text}");
        }
    }
}
