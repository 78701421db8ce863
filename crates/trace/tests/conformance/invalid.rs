//! The invalid traces: valid ones in which one rule is broken, behind checksums that are right wherever they are not what is
//! broken.

mod admissible;
mod blocks;
mod columns;
mod files;
mod index;
mod meta;

use cdt_schema::{Layout, Scalar, ScalarType};
use cdt_testkit::surgery::{Parts, Section, reseal, sections};
use cdt_trace::Trace;

use crate::make::{Case, case, live, state, trace};

/// All of them.
pub fn cases() -> Vec<Case> {
    let mut cases = files::cases();
    cases.extend(meta::cases());
    cases.extend(index::cases());
    cases.extend(blocks::cases());
    cases.extend(columns::cases());
    cases.extend(admissible::cases());
    cases
}

/// A trace of blocks of three ticks, with one state field.
fn counting(ticks: &[u32]) -> Vec<u8> {
    trace(state(&[("n", ScalarType::U32)]), live(3), ticks.iter().copied(), |number, tick| {
        tick.state(&[Scalar::U32(number)])
    })
}

/// A trace after a change of its bytes, and nothing else.
fn raw(name: &str, good: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Case {
    let mut bytes = good.to_vec();
    change(&mut bytes);
    case(name, bytes)
}

/// A trace after a change of bytes that move no section, with all checksums right.
fn sealed(name: &str, good: &[u8], change: impl FnOnce(&mut [u8], &[Section])) -> Case {
    raw(name, good, |bytes| {
        let all = sections(bytes);
        change(bytes, &all);
        reseal(bytes);
    })
}

/// A trace after a change of its sections, with an index and checksums that fit them.
fn rebuilt(name: &str, good: &[u8], change: impl FnOnce(&mut Parts)) -> Case {
    let mut parts = Parts::of(good);
    change(&mut parts);
    case(name, parts.assemble())
}

/// A trace whose first block has other bytes for some of its column frames.
fn with_columns(name: &str, good: &[u8], columns: &[(&str, u8, Vec<u8>)]) -> Case {
    let layout = layout_of(good);
    rebuilt(name, good, |parts| {
        columns.iter().for_each(|(frame, encoding, bytes)| parts.put_column(&layout, 0, frame, *encoding, bytes));
    })
}

fn layout_of(good: &[u8]) -> Layout {
    let trace = Trace::from_source(good.to_vec(), "good".as_ref()).unwrap();
    Layout::clone(trace.layout())
}

/// A trace whose first section of these letters has a head with bytes that nothing points to.
fn with_slack(name: &str, good: &[u8], tag: &[u8; 4]) -> Case {
    rebuilt(name, good, |parts| drop(parts.section(tag, 0).head.splice(..0, [0; 8])))
}

/// The encoding of columns whose bytes are their lanes.
const PLAIN: u8 = 0;

fn plain32(lanes: &[u32]) -> Vec<u8> {
    lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect()
}

fn plain64(lanes: &[u64]) -> Vec<u8> {
    lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect()
}

/// The first section with these letters.
fn first<'a>(all: &'a [Section], tag: &[u8; 4]) -> &'a Section {
    all.iter().find(|section| &section.tag == tag).unwrap()
}
