//! The table: what was measured, side by side, beside what is asked.

use std::fmt::Write as _;

use crate::clock::{Times, Who, quantile};

/// What is asked of one of our columns.
#[derive(Clone, Copy, Debug)]
pub enum Ask {
    /// At most this much of what a peer needs.
    Of(f64, Who),
    /// At most this much.
    AtMost(f64),
}

/// One line: a value for each who took part, and what is asked of live and archive.
#[derive(Clone, Debug)]
pub struct Line {
    /// What was measured, with its unit.
    pub name: &'static str,
    /// By [`Who`].
    pub values: [Option<f64>; Who::ALL.len()],
    /// Of live and of archive.
    pub asks: [Option<Ask>; 2],
}

impl Line {
    /// A line of the best time of each. What else the machine does only ever adds to it.
    pub fn of_best(name: &'static str, times: &Times, asks: [Option<Ask>; 2]) -> Line {
        Line::of_times(name, times, (0.0, 1.0), asks)
    }

    /// A line of the times below which `part` of the rounds stayed, each multiplied by `scale`.
    pub fn of_times(name: &'static str, times: &Times, (part, scale): (f64, f64), asks: [Option<Ask>; 2]) -> Line {
        Line { name, values: times.each_ref().map(|times| quantile(times, part).map(|value| value * scale)), asks }
    }
}

/// One figure that has no peers, and what is asked of it.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was measured.
    pub name: &'static str,
    /// The value and its unit.
    pub value: String,
    /// What is asked, and whether it is met.
    pub ask: Option<(String, bool)>,
}

impl Figure {
    /// A figure that is asked to be at most `limit`.
    pub fn at_most(name: &'static str, value: f64, limit: f64, unit: &str) -> Figure {
        Figure {
            name,
            value: format!("{} {unit}", number(value)),
            ask: Some((format!("≤ {limit} {unit}"), value <= limit)),
        }
    }

    /// A figure that is asked to be at least `limit` times `of`.
    pub fn at_least(name: &'static str, value: f64, (limit, of): (f64, f64), what: &str, unit: &str) -> Figure {
        let ratio = value / of;
        let ask = (format!("{ratio:.2} x {what}, ≥ {limit}"), ratio >= limit);
        Figure { name, value: format!("{} {unit}", number(value)), ask: Some(ask) }
    }

    /// A figure of which nothing is asked.
    pub fn told(name: &'static str, value: String) -> Figure {
        Figure { name, value, ask: None }
    }
}

/// With as many decimals as its size deserves.
fn number(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn met(met: bool) -> &'static str {
    if met { "met" } else { "NOT MET" }
}

fn verdict(line: &Line, who: Who, ask: Option<Ask>) -> String {
    let (Some(value), Some(ask)) = (line.values[who as usize], ask) else { return "-".to_owned() };
    match ask {
        Ask::AtMost(limit) => format!("≤ {limit}: {}", met(value <= limit)),
        Ask::Of(limit, peer) => {
            let ratio = value / line.values[peer as usize].expect("the peer took part");
            format!("{ratio:.2} x {peer}, ≤ {limit:.2}: {}", met(ratio <= limit))
        }
    }
}

/// The lines and the figures of a workload, as text.
pub fn render(lines: &[Line], figures: &[Figure]) -> String {
    let mut out = String::new();
    let head = Who::ALL.map(|who| format!("{who:>9}")).concat();
    let _ = writeln!(out, "{:<42}{head}  {:<33}asked of archive", "", "asked of live");
    for line in lines {
        let values = line.values.map(|value| format!("{:>9}", value.map_or("-".to_owned(), number))).concat();
        let [live, archive] = line.asks;
        let (live, archive) = (verdict(line, Who::Live, live), verdict(line, Who::Archive, archive));
        let _ = writeln!(out, "{:<42}{values}  {live:<33}{archive}", line.name);
    }
    out + &self::figures(figures)
}

/// Figures by themselves, as text.
pub fn figures(figures: &[Figure]) -> String {
    let mut out = String::new();
    for figure in figures {
        let ask = figure.ask.as_ref().map_or(String::new(), |(ask, is)| format!("{ask}: {}", met(*is)));
        let _ = writeln!(out, "{:<42}{:>18}  {ask}", figure.name, figure.value);
    }
    out
}
