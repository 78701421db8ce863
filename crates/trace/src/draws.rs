//! Draws as what cannot be known of them: a stream goes on from its last state, and an algorithm that the layout names
//! says the rest. Of an opaque stream, values are often a slice of the state after the draw, and then cost nothing.
//!
//! What is stored is the difference to the prediction, modulo 2^64 for states and 2^32 for values.

use std::ops::Range;

use cdt_schema::columns::rng;
use cdt_schema::{Column, RngAlgorithm, RngStream, Table, vectorized};

/// Draws of a stream on which a slice is tried.
const TRIED: usize = 32;

/// The slice of an opaque stream's state that its values are: `bits` of them from `shift` on; of no bits, none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ValueSlice {
    shift: u8,
    bits: u8,
}

impl ValueSlice {
    pub(crate) fn bytes(self) -> [u8; 2] {
        [self.shift, self.bits]
    }

    /// Reads those of all streams.
    pub(crate) fn read_all(bytes: &[u8]) -> Result<Vec<ValueSlice>, String> {
        let slice = |bytes: &[u8; 2]| {
            if bytes[0] > 63 || bytes[1] > 32 {
                return Err(format!("values cannot be {} bits from bit {} on", bytes[1], bytes[0]));
            }
            Ok(ValueSlice { shift: bytes[0], bits: bytes[1] })
        };
        bytes.as_chunks().0.iter().map(slice).collect()
    }

    #[expect(clippy::cast_possible_truncation, reason = "at most 32 bits are left")]
    #[inline(always)]
    fn of(self, after: u64) -> u32 {
        (after >> self.shift & ((1 << self.bits) - 1)) as u32
    }

    /// The slice that all of these draws (value, state after) are of, if there is one.
    fn find(draws: &[(u32, u64)]) -> ValueSlice {
        let widest = draws.iter().fold(0, |all, (value, _)| all | value);
        let bits = u8::try_from(32 - widest.leading_zeros()).expect("at most 32");
        let fits = |slice: &ValueSlice| draws.iter().all(|&(value, after)| slice.of(after) == value);
        (0..64).map(|shift| ValueSlice { shift, bits }).find(fits).filter(|_| draws.len() > 2).unwrap_or_default()
    }
}

/// What a stream's next draw is expected to be.
#[derive(Clone, Copy, Debug, Default)]
struct Expectation {
    last_after: u64,
    increment: u64,
}

impl Expectation {
    /// State after and value of a draw that begins at `before`.
    fn after(&self, algorithm: RngAlgorithm, before: u64) -> (u32, u64) {
        algorithm.next(before, self.increment)
    }

    fn learn(&mut self, algorithm: RngAlgorithm, before: u64, after: u64) {
        self.last_after = after;
        self.increment = algorithm.increment(before, after);
    }
}

/// By how much the predictions missed.
#[derive(Debug, Default)]
pub(crate) struct Missed {
    pub(crate) slices: Vec<ValueSlice>,
    pub(crate) values: Vec<u32>,
    pub(crate) befores: Vec<u64>,
    pub(crate) afters: Vec<u64>,
}

/// Predicts every draw of a table.
pub(crate) fn missed(table: &Table, streams: &[RngStream]) -> Missed {
    let (Column::W8(stream), Column::W32(value)) = (&table.columns[rng::STREAM], &table.columns[rng::VALUE]) else {
        unreachable!("streams have 8 bits, values 32")
    };
    let (Column::W64(before), Column::W64(after)) = (&table.columns[rng::BEFORE], &table.columns[rng::AFTER]) else {
        unreachable!("states have 64 bits")
    };
    let slices = slices(streams, stream, value, after);
    let mut missed = Missed { slices, values: value.clone(), befores: before.clone(), afters: after.clone() };
    let mut expected = vec![Expectation::default(); streams.len()];
    for (number, rows) in successive(stream) {
        let (befores, values) = (&mut missed.befores[rows.clone()], &mut missed.values[rows.clone()]);
        let afters = &mut missed.afters[rows];
        match streams[number].algorithm {
            RngAlgorithm::Opaque => {
                vectorized!(miss_opaque(&mut expected[number], missed.slices[number], befores, values, afters));
            }
            algorithm => miss_known(&mut expected[number], algorithm, befores, values, afters),
        }
    }
    missed
}

/// The rows of successive draws of one stream, with its number.
fn successive(stream: &[u8]) -> impl Iterator<Item = (usize, Range<usize>)> {
    let mut at = 0;
    stream.chunk_by(|stream, next| stream == next).map(move |of_one| {
        let rows = at..at + of_one.len();
        at = rows.end;
        (usize::from(of_one[0]), rows)
    })
}

/// Turns successive draws of a stream of an algorithm into what was missed. Each is expected to begin where the one before it ends.
fn miss_known(
    expected: &mut Expectation,
    algorithm: RngAlgorithm,
    befores: &mut [u64],
    values: &mut [u32],
    afters: &mut [u64],
) {
    for ((before, value), after) in befores.iter_mut().zip(values).zip(afters) {
        let (next_value, next_after) = expected.after(algorithm, *before);
        let last_after = expected.last_after;
        expected.learn(algorithm, *before, *after);
        *before = before.wrapping_sub(last_after);
        *after = after.wrapping_sub(next_after);
        *value = value.wrapping_sub(next_value);
    }
}

/// Turns successive draws of an opaque stream into what was missed. Its states after draws are told as they are.
#[inline(always)]
fn miss_opaque(expected: &mut Expectation, slice: ValueSlice, befores: &mut [u64], values: &mut [u32], afters: &[u64]) {
    let lasts = std::iter::once(&expected.last_after).chain(afters);
    befores.iter_mut().zip(lasts).for_each(|(before, last)| *before = before.wrapping_sub(*last));
    values.iter_mut().zip(afters).for_each(|(value, &after)| *value = value.wrapping_sub(slice.of(after)));
    expected.last_after = *afters.last().expect("a stream's draws are one or more");
}

fn slices(streams: &[RngStream], stream: &[u8], value: &[u32], after: &[u64]) -> Vec<ValueSlice> {
    let of = |(number, declared): (usize, &RngStream)| {
        if declared.algorithm != RngAlgorithm::Opaque {
            return ValueSlice::default();
        }
        let rows = (0..stream.len()).filter(|&row| usize::from(stream[row]) == number);
        let draws: Vec<(u32, u64)> = rows.take(TRIED).map(|row| (value[row], after[row])).collect();
        ValueSlice::find(&draws)
    };
    streams.iter().enumerate().map(of).collect()
}

/// Turns what was missed, which stands in the table's columns, into the draws.
///
/// # Errors
/// A stream that is not declared.
pub(crate) fn restore(table: &mut Table, streams: &[RngStream], slices: &[ValueSlice]) -> Result<(), String> {
    let columns = table.columns.get_disjoint_mut([rng::STREAM, rng::VALUE, rng::BEFORE, rng::AFTER]);
    let [Column::W8(stream), Column::W32(value), Column::W64(before), Column::W64(after)] =
        columns.expect("four different columns")
    else {
        unreachable!("streams have 8 bits, values 32, states 64")
    };
    let mut expected = vec![Expectation::default(); streams.len()];
    for (number, rows) in successive(stream) {
        let Some(declared) = streams.get(number) else {
            return Err(format!("stream {number} is not declared; the layout has {}", streams.len()));
        };
        let (befores, values, afters) = (&mut before[rows.clone()], &mut value[rows.clone()], &mut after[rows]);
        match declared.algorithm {
            RngAlgorithm::Opaque => {
                vectorized!(restore_opaque(&mut expected[number], slices[number], befores, values, afters));
            }
            algorithm => restore_known(&mut expected[number], algorithm, befores, values, afters),
        }
    }
    Ok(())
}

/// Restores successive draws of a stream of an algorithm. Each begins where the one before it ends.
fn restore_known(
    expected: &mut Expectation,
    algorithm: RngAlgorithm,
    befores: &mut [u64],
    values: &mut [u32],
    afters: &mut [u64],
) {
    for ((before, value), after) in befores.iter_mut().zip(values).zip(afters) {
        *before = before.wrapping_add(expected.last_after);
        let (next_value, next_after) = expected.after(algorithm, *before);
        *after = after.wrapping_add(next_after);
        *value = value.wrapping_add(next_value);
        expected.learn(algorithm, *before, *after);
    }
}

/// Restores successive draws of an opaque stream. Its states after draws are told as they are, and say the rest.
#[inline(always)]
fn restore_opaque(
    expected: &mut Expectation,
    slice: ValueSlice,
    befores: &mut [u64],
    values: &mut [u32],
    afters: &[u64],
) {
    let lasts = std::iter::once(&expected.last_after).chain(afters);
    befores.iter_mut().zip(lasts).for_each(|(before, last)| *before = before.wrapping_add(*last));
    values.iter_mut().zip(afters).for_each(|(value, &after)| *value = value.wrapping_add(slice.of(after)));
    expected.last_after = *afters.last().expect("a stream's draws are one or more");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_of_streams_in_turn_come_back() {
        let algorithms = [RngAlgorithm::Opaque, RngAlgorithm::SplitMix64, RngAlgorithm::Opaque];
        let streams = algorithms.map(|algorithm| RngStream { name: String::new(), algorithm });
        let (mut stream, mut value, mut before, mut after) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut states = [11u64, 22, 33];
        // One draw of a stream, then three of another, and so on.
        for (turn, of) in [0u8, 2, 1, 0, 2, 1, 1, 0].into_iter().enumerate() {
            for _ in 0..1 + 2 * (turn % 2) {
                let state = &mut states[usize::from(of)];
                stream.push(of);
                before.push(*state);
                let opaque = state.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
                let (drawn, next) = match algorithms[usize::from(of)] {
                    RngAlgorithm::Opaque => (u32::try_from(opaque >> 40).unwrap(), opaque),
                    algorithm => algorithm.next(*state, 0),
                };
                *state = next;
                after.push(next);
                value.push(drawn);
            }
        }
        let caller = Column::W32(vec![0; stream.len()]);
        let mut columns = vec![Column::W8(Vec::new()); 5];
        columns[rng::STREAM] = Column::W8(stream);
        columns[rng::VALUE] = Column::W32(value);
        columns[rng::BEFORE] = Column::W64(before);
        columns[rng::AFTER] = Column::W64(after);
        columns[rng::CALLER] = caller;
        let table = Table { columns, ..Table::default() };
        let Missed { slices, values, befores, afters } = missed(&table, &streams);
        // Beside an opaque stream's states after its draws and every stream's first, nothing is told.
        assert!(values.iter().all(|&value| value == 0));
        assert_eq!(befores.iter().filter(|before| **before != 0).count(), streams.len());
        let mut back = table.clone();
        back.columns[rng::VALUE] = Column::W32(values);
        back.columns[rng::BEFORE] = Column::W64(befores);
        back.columns[rng::AFTER] = Column::W64(afters);
        restore(&mut back, &streams, &slices).unwrap();
        assert_eq!(back, table);
    }
}
