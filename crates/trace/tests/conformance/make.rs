//! What the corpus is made of: small layouts, and traces of them.

use std::sync::Arc;

use cdt_schema::{Field, Layout, LayoutSpec, RowError, Scalar, ScalarType, Tick, TickBuilder};
use cdt_testkit::meta;
use cdt_trace::{Encoder, Encoding, Meta, Options};

/// A file of the corpus.
pub struct Case {
    /// Its name without ending.
    pub name: String,
    pub bytes: Vec<u8>,
}

pub fn case(name: impl Into<String>, bytes: Vec<u8>) -> Case {
    Case { name: name.into(), bytes }
}

/// Live blocks of that many ticks.
pub fn live(block_ticks: usize) -> Options {
    Options { encoding: Encoding::Live, block_bytes: usize::MAX, block_ticks }
}

/// Archive blocks of that many ticks.
pub fn archive(block_ticks: usize) -> Options {
    Options { encoding: Encoding::Archive, ..live(block_ticks) }
}

pub fn field(name: &str, scalar_type: ScalarType) -> Field {
    Field { name: name.to_owned(), scalar_type }
}

/// Nothing but state of these fields.
pub fn state(fields: &[(&str, ScalarType)]) -> LayoutSpec {
    let fields = fields.iter().map(|(name, scalar_type)| field(name, *scalar_type)).collect();
    LayoutSpec { state: Some(fields), ..LayoutSpec::default() }
}

pub fn encoder_of(meta: &Meta, spec: LayoutSpec, options: Options) -> Encoder {
    Encoder::new(meta, Arc::new(Layout::new(spec).unwrap()), options)
}

/// A finished trace with these ticks, each filled by `fill`.
pub fn trace(
    spec: LayoutSpec,
    options: Options,
    ticks: impl IntoIterator<Item = u32>,
    mut fill: impl FnMut(u32, &mut TickBuilder<'_>) -> Result<(), RowError>,
) -> Vec<u8> {
    let mut encoder = encoder_of(&meta(), spec, options);
    for number in ticks {
        encoder.append(Tick(number), |tick| fill(number, tick)).unwrap();
    }
    encoder.finish("complete").0
}

/// A trace of one state field with these values, one a tick.
pub fn column(scalar_type: ScalarType, options: Options, values: impl IntoIterator<Item = Scalar>) -> Vec<u8> {
    let mut values = values.into_iter().peekable();
    let mut encoder = encoder_of(&meta(), state(&[("value", scalar_type)]), options);
    for number in 0.. {
        let Some(value) = values.next() else { break };
        encoder.append(Tick(number), |tick| tick.state(&[value])).unwrap();
    }
    encoder.finish("complete").0
}
