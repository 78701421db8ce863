//! What two runs drew from their rng streams in one tick, aligned by edit distance: which draw is missing, extra, moved or
//! another, and whose.

use cdt_projections::cell;
use cdt_schema::TableKind;
use cdt_schema::columns::rng;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cause::{Cause, CauseClass};
use crate::compare::{Pair, TickRows};
use crate::sequence::{Aligned, align};

/// Draws of a kind that evidence names.
const NAMED: usize = 8;

/// One draw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DrawView {
    /// The position in the tick, from 1.
    pub seq: u32,
    /// The stream's name.
    pub stream: String,
    /// What was drawn.
    pub value: u32,
    /// The state before.
    pub before: String,
    /// The state after.
    pub after: String,
    /// Who drew.
    pub caller: u32,
}

impl DrawView {
    /// What was drawn.
    fn drawn(&self) -> (&str, u32) {
        (&self.stream, self.value)
    }
}

/// How a draw of the candidate answers one of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DrawChange {
    /// The same value, states and caller.
    Same,
    /// The same value and states, drawn by another caller: a diagnostic.
    Caller,
    /// The same value from other states.
    State,
    /// Another value.
    Value,
    /// The candidate has it at another place.
    Moved,
    /// The candidate lacks it.
    Missing,
    /// The reference lacks it.
    Extra,
}

/// A draw of the reference, and the candidate's that answers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DrawPair {
    /// How the two differ.
    pub change: DrawChange,
    /// What the reference drew.
    pub reference: Option<DrawView>,
    /// What the candidate drew.
    pub candidate: Option<DrawView>,
}

/// The draws of a tick.
pub(crate) fn views(side: TickRows<'_>) -> Vec<DrawView> {
    let Some(id) = side.rows.layout().table(TableKind::Rng) else { return Vec::new() };
    let number = |column: usize, row: usize| side.rows.table(id).columns[column].bits(row);
    let narrow = |column, row| u32::try_from(number(column, row)).expect("32-bit columns");
    let view = |(row, seq): (usize, u32)| DrawView {
        seq,
        stream: cell(side.rows, id, rng::STREAM, row).to_string(),
        value: narrow(rng::VALUE, row),
        before: number(rng::BEFORE, row).to_string(),
        after: number(rng::AFTER, row).to_string(),
        caller: narrow(rng::CALLER, row),
    };
    side.range(id).zip(1..).map(view).collect()
}

/// The draws of a tick side by side, aligned by what was drawn.
pub(crate) fn aligned(reference: &[DrawView], candidate: &[DrawView]) -> Vec<DrawPair> {
    let keys = |draws: &[DrawView]| draws.iter().map(|draw| (draw.stream.clone(), draw.value)).collect::<Vec<_>>();
    let pair = |step: Aligned| match step {
        Aligned::Same(a, b) | Aligned::Other(a, b) => {
            let (a, b) = (&reference[a], &candidate[b]);
            let change = match (a.drawn() == b.drawn(), a.before == b.before && a.after == b.after) {
                (false, _) => DrawChange::Value,
                (true, false) => DrawChange::State,
                (true, true) if a.caller != b.caller => DrawChange::Caller,
                (true, true) => DrawChange::Same,
            };
            DrawPair { change, reference: Some(a.clone()), candidate: Some(b.clone()) }
        }
        Aligned::Missing(a) => {
            DrawPair { change: DrawChange::Missing, reference: Some(reference[a].clone()), candidate: None }
        }
        Aligned::Extra(b) => {
            DrawPair { change: DrawChange::Extra, reference: None, candidate: Some(candidate[b].clone()) }
        }
    };
    let mut pairs: Vec<DrawPair> = align(&keys(reference), &keys(candidate)).into_iter().map(pair).collect();
    moved(&mut pairs);
    pairs
}

/// What is missing at one place and extra at another has moved.
fn moved(pairs: &mut [DrawPair]) {
    for at in 0..pairs.len() {
        let Some(missing) = pairs[at].reference.clone().filter(|_| pairs[at].change == DrawChange::Missing) else {
            continue;
        };
        let same = |draw: &DrawView| draw.drawn() == missing.drawn() && draw.before == missing.before;
        let found =
            pairs.iter().position(|pair| pair.change == DrawChange::Extra && pair.candidate.as_ref().is_some_and(same));
        if let Some(found) = found {
            pairs[at].change = DrawChange::Moved;
            pairs[found].change = DrawChange::Moved;
        }
    }
}

/// Why the draws of a tick differ.
pub(crate) fn cause(pair: Pair<'_>) -> Cause {
    let (a, b) = (views(pair.reference), views(pair.candidate));
    let pairs = aligned(&a, &b);
    let mut values = [&a, &b].map(|draws| draws.iter().map(DrawView::drawn).collect::<Vec<_>>());
    let in_order = values[0] == values[1];
    values.iter_mut().for_each(|values| values.sort_unstable());
    let class = match a.len().cmp(&b.len()) {
        std::cmp::Ordering::Greater => CauseClass::RngShortfall,
        std::cmp::Ordering::Less => CauseClass::RngExtra,
        std::cmp::Ordering::Equal if values[0] == values[1] && !in_order => CauseClass::RngSwapped,
        std::cmp::Ordering::Equal => CauseClass::RngValue,
    };
    let shared = pairs.iter().take_while(|pair| matches!(pair.change, DrawChange::Same | DrawChange::Caller)).count();
    let count = if a.len() == b.len() {
        format!("{} in both", draws(a.len()))
    } else {
        format!("{} became {}", draws(a.len()), b.len())
    };
    let agree = match shared {
        0 => "the first differs already".to_owned(),
        1 => "the first is the same".to_owned(),
        _ => format!("the first {shared} are the same"),
    };
    let mut evidence = vec![format!("{count}; {agree}")];
    evidence.extend(changes(&pairs));
    evidence.extend(by_caller(&a, &b, &pairs));
    Cause { class, evidence }
}

/// What was drawn otherwise, a sentence for each sort of change.
fn changes(pairs: &[DrawPair]) -> Vec<String> {
    let of = |change: DrawChange| pairs.iter().filter(move |pair| pair.change == change);
    let mut evidence = Vec::new();
    for pair in of(DrawChange::Value).chain(of(DrawChange::State)).take(NAMED) {
        if let (Some(a), Some(b)) = (&pair.reference, &pair.candidate) {
            let states = if a.before == b.before { "from the same state" } else { "from another state" };
            let value = if a.value == b.value { "drew the same" } else { &format!("{} became {}", a.value, b.value) };
            evidence.push(format!("rng[{}] of {}: {value}, {states}", a.seq, a.stream));
        }
    }
    let more = (of(DrawChange::Value).count() + of(DrawChange::State).count()).saturating_sub(NAMED);
    if more > 0 {
        evidence.push(format!("and {more} more with other values or states"));
    }
    let whole = |change: DrawChange, seqs: &[u32]| {
        let last = pairs.iter().rev().take(seqs.len()).all(|pair| pair.change == change);
        if last { "at the end" } else { "in between" }
    };
    let missing: Vec<u32> = of(DrawChange::Missing).filter_map(|pair| Some(pair.reference.as_ref()?.seq)).collect();
    if !missing.is_empty() {
        let place = whole(DrawChange::Missing, &missing);
        evidence.push(format!("the candidate lacks {} {place}: {}", draws(missing.len()), seqs(&missing)));
    }
    let extra: Vec<u32> = of(DrawChange::Extra).filter_map(|pair| Some(pair.candidate.as_ref()?.seq)).collect();
    if !extra.is_empty() {
        let place = whole(DrawChange::Extra, &extra);
        evidence.push(format!("the candidate has {} more {place}: {}", draws(extra.len()), seqs(&extra)));
    }
    let left: Vec<u32> = of(DrawChange::Moved).filter_map(|pair| Some(pair.reference.as_ref()?.seq)).collect();
    let right: Vec<u32> = of(DrawChange::Moved).filter_map(|pair| Some(pair.candidate.as_ref()?.seq)).collect();
    if !left.is_empty() {
        evidence.push(format!(
            "drawn at another place: {} of the reference, {} of the candidate",
            seqs(&left),
            seqs(&right)
        ));
    }
    evidence
}

/// Whose draws are missing or extra, where the runs tell who drew and that is not what the values tell: they only follow.
fn by_caller(reference: &[DrawView], candidate: &[DrawView], by_value: &[DrawPair]) -> Vec<String> {
    let keys = |draws: &[DrawView]| draws.iter().map(|draw| (draw.stream.clone(), draw.caller)).collect::<Vec<_>>();
    let (a, b) = (keys(reference), keys(candidate));
    if a.iter().chain(&b).all(|(_, caller)| *caller == 0) {
        return Vec::new();
    }
    let steps = align(&a, &b);
    let told = |pair: &DrawPair| match pair.change {
        DrawChange::Missing => pair.reference.as_ref().map(|draw| (true, draw.seq)),
        DrawChange::Extra => pair.candidate.as_ref().map(|draw| (false, draw.seq)),
        _ => None,
    };
    let found = |step: &Aligned| match *step {
        Aligned::Missing(a) => Some((true, reference[a].seq)),
        Aligned::Extra(b) => Some((false, candidate[b].seq)),
        Aligned::Same(..) => None,
        Aligned::Other(a, _) => Some((true, reference[a].seq)),
    };
    if by_value.iter().filter_map(told).eq(steps.iter().filter_map(found)) {
        return Vec::new();
    }
    let whose = |draw: &DrawView| format!("rng[{}] of {} by {:#x}", draw.seq, draw.stream, draw.caller);
    let mut evidence = Vec::new();
    for step in steps.iter().filter(|step| !matches!(step, Aligned::Same(..))).take(NAMED) {
        evidence.push(match *step {
            Aligned::Missing(a) => format!("by caller: {} has no partner in the candidate", whose(&reference[a])),
            Aligned::Extra(b) => format!("by caller: the candidate's {} has no partner", whose(&candidate[b])),
            Aligned::Other(a, b) => {
                format!("by caller: {} is drawn by {:#x} in the candidate", whose(&reference[a]), candidate[b].caller)
            }
            Aligned::Same(..) => continue,
        });
    }
    evidence
}

fn draws(count: usize) -> String {
    if count == 1 { "1 draw".to_owned() } else { format!("{count} draws") }
}

/// Positions as `rng[3], rng[5] to rng[7]`.
fn seqs(seqs: &[u32]) -> String {
    let mut parts: Vec<String> = Vec::new();
    for run in seqs.chunk_by(|a, b| a + 1 == *b).take(NAMED) {
        match run {
            [one] => parts.push(format!("rng[{one}]")),
            [first, .., last] => parts.push(format!("rng[{first}] to rng[{last}]")),
            [] => {}
        }
    }
    if seqs.chunk_by(|a, b| a + 1 == *b).count() > NAMED {
        parts.push("and more".to_owned());
    }
    parts.join(", ")
}
