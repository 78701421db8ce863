//! How the values of one column become bytes. Every encoding gives back exactly the lanes that went in.

mod bits;
mod coded;
mod packed;
mod planes;
mod predict;

use crate::frame::Cursor;
use crate::places::Places;

use bits::Rows;
use planes::{Unzstd, Zstd};

/// How a column's lanes are stored. The number is what the file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnEncoding {
    /// Every lane, little-endian.
    Plain,
    /// One lane, little-endian, that every row has.
    Constant,
    /// Few lanes told once, and packed indices into them.
    Dictionary,
    /// Packed residuals of that order; of order 0, the lanes themselves.
    Packed(u32),
    /// Residuals of that order cut into planes of bytes, each under zstd where that gains.
    Planes(u32),
    /// Residuals of that order, at least 1, whose widths are told by codes that depend on the width before.
    Coded(u32),
}

impl ColumnEncoding {
    pub(crate) fn number(self) -> u8 {
        let order = |order: u32| u8::try_from(order).expect("at most 3");
        match self {
            ColumnEncoding::Plain => 0,
            ColumnEncoding::Constant => 1,
            ColumnEncoding::Dictionary => 2,
            ColumnEncoding::Packed(of) => 4 + order(of),
            ColumnEncoding::Planes(of) => 8 + order(of),
            ColumnEncoding::Coded(of) => 12 + order(of),
        }
    }

    /// Of which order's residuals the stored lanes are.
    fn order(self) -> u32 {
        match self {
            ColumnEncoding::Packed(order) | ColumnEncoding::Planes(order) | ColumnEncoding::Coded(order) => order,
            ColumnEncoding::Plain | ColumnEncoding::Constant | ColumnEncoding::Dictionary => 0,
        }
    }

    pub(crate) fn from_number(number: u8) -> Option<ColumnEncoding> {
        Some(match number {
            0 => ColumnEncoding::Plain,
            1 => ColumnEncoding::Constant,
            2 => ColumnEncoding::Dictionary,
            4..=7 => ColumnEncoding::Packed(u32::from(number - 4)),
            8..=11 => ColumnEncoding::Planes(u32::from(number - 8)),
            13..=15 => ColumnEncoding::Coded(u32::from(number - 12)),
            _ => return None,
        })
    }
}

/// A fixed-width unsigned lane. Arithmetic wraps.
pub(crate) trait Lane: Copy + PartialEq + Into<u64> + Rows {
    const BITS: u32;
    fn truncate(bits: u64) -> Self;
    fn or(self, other: Self) -> Self;
    /// The bits that it needs.
    fn width(self) -> u8;
    /// The bits that each number and `more` need together, in place of as many widths.
    fn widths(numbers: &[Self], more: Self, out: &mut [u8]);
    /// Appends the lanes that some bytes are.
    fn read(bytes: &[u8], out: &mut Vec<Self>);
    /// Appends the bytes of some lanes.
    fn write(lanes: &[Self], out: &mut Vec<u8>);
    /// Appends byte `byte` of each number, of which 0 is the lowest.
    fn plane(numbers: &[Self], byte: usize, out: &mut Vec<u8>);
    /// Numbers of which each byte stands in a plane of its own.
    fn join(planes: [&[u8]; 8], out: &mut [Self]);
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    /// A difference, small in magnitude, made small as a number.
    fn zigzag(self) -> Self;
    fn unzigzag(self) -> Self;
    /// The buffers of this lane's width.
    fn buffers(scratch: &mut Scratch) -> &mut Buffers<Self>;
}

macro_rules! lane {
    ($type:ty, $buffers:ident, $widths:path, $($plane:literal)*) => {
        impl Lane for $type {
            const BITS: u32 = <$type>::BITS;

            #[inline(always)]
            #[allow(
                clippy::cast_possible_truncation,
                reason = "that is what it is for, of the widest lane nothing is cut"
            )]
            fn truncate(bits: u64) -> Self {
                bits as $type
            }

            #[inline(always)]
            fn or(self, other: Self) -> Self {
                self | other
            }

            #[inline(always)]
            fn width(self) -> u8 {
                u8::try_from(Self::BITS - self.leading_zeros()).expect("at most 64")
            }

            #[inline(always)]
            fn widths(numbers: &[Self], more: Self, out: &mut [u8]) {
                $widths(numbers, more, out)
            }

            fn read(bytes: &[u8], out: &mut Vec<Self>) {
                out.extend(bytes.as_chunks().0.iter().map(|bytes| <$type>::from_le_bytes(*bytes)));
            }

            fn write(lanes: &[Self], out: &mut Vec<u8>) {
                let start = out.len();
                out.resize(start + size_of_val(lanes), 0);
                out[start..].as_chunks_mut().0.iter_mut().zip(lanes).for_each(|(to, lane)| *to = lane.to_le_bytes());
            }

            fn plane(numbers: &[Self], byte: usize, out: &mut Vec<u8>) {
                match byte {
                    $($plane => out.extend(numbers.iter().map(|number| number.to_le_bytes()[$plane])),)*
                    _ => unreachable!("a number has {} bytes", size_of::<Self>()),
                }
            }

            #[inline(always)]
            fn join(planes: [&[u8]; 8], out: &mut [Self]) {
                let planes = [$(&planes[$plane][..out.len()]),*];
                for (index, number) in out.iter_mut().enumerate() {
                    *number = <$type>::from_le_bytes([$(planes[$plane][index]),*]);
                }
            }

            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }

            #[inline(always)]
            fn zigzag(self) -> Self {
                self << 1 ^ (self.cast_signed() >> (Self::BITS - 1)).cast_unsigned()
            }

            #[inline(always)]
            fn unzigzag(self) -> Self {
                self >> 1 ^ (self & 1).wrapping_neg()
            }

            fn buffers(scratch: &mut Scratch) -> &mut Buffers<Self> {
                &mut scratch.$buffers
            }
        }
    };
}
lane!(u8, lanes8, widths_one_by_one, 0);
lane!(u32, lanes32, widths_of_32, 0 1 2 3);
lane!(u64, lanes64, widths_one_by_one, 0 1 2 3 4 5 6 7);

#[inline(always)]
fn widths_one_by_one<L: Lane>(numbers: &[L], more: L, out: &mut [u8]) {
    out.iter_mut().zip(numbers).for_each(|(width, &number)| *width = number.plus(more).width());
}

/// As exponents of floats of these magnitudes, which the machine finds for several numbers at once.
#[inline(always)]
fn widths_of_32(numbers: &[u32], more: u32, out: &mut [u8]) {
    const BEFORE_ONE: u8 = 126;
    for (width, &number) in out.iter_mut().zip(numbers) {
        let number = number.wrapping_add(more);
        // Without the bit below the highest one, so that the float is not rounded up to the next power of two.
        #[expect(clippy::cast_precision_loss, reason = "the exponent is all that is wanted")]
        let float = (number & !(number >> 1)).cast_signed() as f32;
        let bits = float.to_bits();
        // A sign is the highest bit of 32, and becomes the greatest byte.
        #[expect(clippy::cast_possible_truncation, reason = "the exponent has 8 bits")]
        let exponent = (bits >> 23 | (bits.cast_signed() >> 31).cast_unsigned()) as u8;
        *width = exponent;
    }
    out.iter_mut().for_each(|width| *width = width.saturating_sub(BEFORE_ONE).min(32));
}

/// Buffers that successive columns reuse, because fresh memory costs more than coding.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    lanes8: Buffers<u8>,
    lanes32: Buffers<u32>,
    lanes64: Buffers<u64>,
    unzstd: Unzstd,
    decoder: coded::Decoder,
}

/// Buffers of one lane width.
#[derive(Debug)]
pub(crate) struct Buffers<L> {
    /// Lanes of which not all are kept.
    pub(crate) all: Vec<L>,
    /// Lanes in another order.
    pub(crate) lanes: Vec<L>,
    residuals: Vec<L>,
}

impl<L> Default for Buffers<L> {
    fn default() -> Buffers<L> {
        Buffers { all: Vec::new(), lanes: Vec::new(), residuals: Vec::new() }
    }
}

/// Most blocks for which a column's predictor is kept. Trying all of them on every block would cost more than packing does.
const BLOCKS_PER_CHOICE: u32 = 64;
/// The same of an archive, which is made once and read often.
const ARCHIVE_BLOCKS_PER_CHOICE: u32 = 32;
/// Lanes on which predictors are tried.
const TRIED: usize = 2048;
/// Most entries of a dictionary.
const MAX_DICTIONARY: usize = 256;
/// Lanes from which on what an archiver knows is tried: a zstd frame and the lengths of codes take some bytes.
const ARCHIVED_FROM: usize = 256;

/// What is remembered of a column from block to block. It is a function of the rows before, so the same rows give the
/// same bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Choice {
    order: u32,
    dictionary: bool,
    /// Blocks for which it is kept; a run's beginning tells little of the rest, so at first it is kept for a few.
    kept: u32,
    /// Blocks until it is made again.
    left: u32,
    /// Whether it was made on this block.
    fresh: bool,
    /// How residuals are stored.
    way: Way,
    /// The planes that did not gain, a bit each.
    noise: u8,
}

/// A way to store residuals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Way {
    #[default]
    Packed,
    Coded,
    Planes,
}

impl Way {
    const ALL: [Way; 3] = [Way::Packed, Way::Coded, Way::Planes];
    /// For a 32-bit number: a reader of either way takes four to five times the instructions of packed numbers. What saves less than
    /// this is not worth that. Numbers of 8 bits have no price.
    const PRICE_OF_32: u32 = 3;

    /// Bits that are added to the cost of each number of such lanes, for the time that the way takes a reader.
    fn price<L: Lane>(self) -> u32 {
        match self {
            Way::Packed => 0,
            Way::Coded | Way::Planes => Self::PRICE_OF_32 * L::BITS / 32,
        }
    }
}

impl Choice {
    /// Makes the choice again if it was kept long enough; it is kept for at most so many blocks. `with_ways` says whether numbers may be
    /// coded.
    fn renew<L: Lane>(
        &mut self,
        lanes: &[L],
        places: Option<&Places>,
        with_ways: bool,
        most: u32,
        residuals: &mut Vec<L>,
    ) {
        self.fresh = self.left == 0;
        if !self.fresh {
            self.left -= 1;
            return;
        }
        self.kept = (self.kept * 2).clamp(1, most);
        self.left = self.kept - 1;
        self.way = Way::default();
        let (mut least, mut dictionary) = (u64::MAX, None);
        for order in 0..=predict::MAX_ORDER {
            let mut stored = lanes;
            if order > 0 {
                predict::residuals(lanes, places, order, residuals);
                stored = residuals;
            }
            let (early, rest) =
                stored.split_at(if order == 0 { 0 } else { places.map_or(0, |places| places.early.len()) });
            let tried = &rest[..rest.len().min(TRIED)];
            let of_all = |cost: u64| cost * rest.len() as u64 / tried.len().max(1) as u64;
            let mut cost_of_tried = packed::cost(tried);
            if with_ways && order > 0 {
                let price = u64::from(Way::Coded.price::<L>()) * tried.len() as u64;
                cost_of_tried = cost_of_tried.min(coded::cost(tried) + price);
            }
            let cost = packed::cost(early) + of_all(cost_of_tried);
            if order == 0 {
                dictionary = dictionary_cost(tried).map(of_all);
            }
            if cost < least {
                (least, self.order) = (cost, order);
            }
        }
        self.dictionary = dictionary.is_some_and(|cost| cost < least);
    }

    /// Appends residuals in the way that was cheapest when the choice was made, or is now if it is made now.
    fn archive<L: Lane>(
        &mut self,
        stored: &[L],
        places: Option<&Places>,
        Archiver { zstd, coder }: &mut Archiver,
        in_runs: &mut Vec<L>,
        out: &mut Vec<u8>,
    ) -> Way {
        let start = out.len();
        let (kept, mut least) = (self.way, usize::MAX);
        for way in if self.fresh { &Way::ALL[..] } else { std::slice::from_ref(&kept) } {
            let from = out.len();
            match way {
                Way::Packed => packed::pack(stored, out),
                Way::Coded if self.order == 0 => continue,
                Way::Coded => coder.encode(stored, places, out),
                Way::Planes => {
                    let numbers = match places {
                        None => stored,
                        Some(places) => {
                            gather(stored, self.order, places, in_runs);
                            &*in_runs
                        }
                    };
                    out.extend_from_slice(zstd.planes(numbers, &mut self.noise, self.fresh));
                }
            }
            let cost = (out.len() - from) * 8 + stored.len() * way.price::<L>() as usize;
            if cost < least {
                out.drain(start..from);
                (least, self.way) = (cost, *way);
            } else {
                out.truncate(from);
            }
        }
        self.way
    }
}

/// Bits that a dictionary and its indices would need, if there are few enough different lanes.
fn dictionary_cost<L: Lane>(lanes: &[L]) -> Option<u64> {
    let mut dictionary = Dictionary::new();
    lanes.iter().try_for_each(|&lane| dictionary.index(lane).map(drop))?;
    let entries = dictionary.entries.len() as u64;
    Some(entries * u64::from(L::BITS) + lanes.len() as u64 * u64::from(64 - (entries - 1).leading_zeros()))
}

/// Different lanes in the order of their first appearance.
struct Dictionary<L> {
    entries: Vec<L>,
    /// By hash: index of an entry plus one.
    slots: [u16; 1024],
}

impl<L: Lane> Dictionary<L> {
    fn new() -> Dictionary<L> {
        Dictionary { entries: Vec::with_capacity(MAX_DICTIONARY), slots: [0; 1024] }
    }

    /// The index of a lane, which becomes an entry if there is room.
    fn index(&mut self, lane: L) -> Option<u8> {
        let bits: u64 = lane.into();
        let mut slot = (bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize;
        loop {
            match self.slots[slot] {
                0 if self.entries.len() == MAX_DICTIONARY => return None,
                0 => {
                    self.entries.push(lane);
                    self.slots[slot] = u16::try_from(self.entries.len()).expect("at most 256");
                }
                entry if self.entries[usize::from(entry) - 1] == lane => return u8::try_from(entry - 1).ok(),
                _ => slot = (slot + 1) % self.slots.len(),
            }
        }
    }
}

/// What blocks of archives are made with beyond what all are, in buffers that are reused.
#[derive(Debug)]
pub(crate) struct Archiver {
    zstd: Zstd,
    coder: coded::Coder,
}

impl Archiver {
    pub(crate) fn new() -> Archiver {
        Archiver { zstd: Zstd::new(), coder: coded::Coder::default() }
    }
}

/// Encodes a column, of entity runs at these places or of one run. With an archiver, what it knows is tried.
pub(crate) fn encode<L: Lane>(
    lanes: &[L],
    places: Option<&Places>,
    choice: &mut Choice,
    archiver: Option<&mut Archiver>,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> ColumnEncoding {
    if let Some(&first) = lanes.first().filter(|&&first| lanes.iter().all(|&lane| lane == first)) {
        L::write(&[first], out);
        return ColumnEncoding::Constant;
    }
    if lanes.is_empty() {
        return ColumnEncoding::Plain;
    }
    let buffers = L::buffers(scratch);
    let start = out.len();
    let plain = size_of_val(lanes);
    let Buffers { lanes: in_runs, residuals, .. } = buffers;
    let is_archive = archiver.is_some();
    let archiver = archiver.filter(|_| lanes.len() >= ARCHIVED_FROM);
    let most = match &archiver {
        Some(_) => ARCHIVE_BLOCKS_PER_CHOICE,
        // What could not be tried is tried as soon as there are lanes enough.
        None if is_archive => 1,
        None => BLOCKS_PER_CHOICE,
    };
    choice.renew(lanes, places, archiver.is_some(), most, residuals);
    if choice.dictionary {
        if encode_dictionary(lanes, out).is_some() && out.len() - start < plain {
            return ColumnEncoding::Dictionary;
        }
        out.truncate(start);
        choice.left = 0;
    }
    let order = choice.order;
    let stored: &[L] = if order == 0 {
        lanes
    } else {
        predict::residuals(lanes, places, order, residuals);
        residuals
    };
    let way = match archiver {
        None => {
            packed::pack(stored, out);
            Way::Packed
        }
        Some(archiver) => choice.archive(stored, places, archiver, in_runs, out),
    };
    if out.len() - start < plain {
        return match way {
            Way::Packed => ColumnEncoding::Packed(order),
            Way::Coded => ColumnEncoding::Coded(order),
            Way::Planes => ColumnEncoding::Planes(order),
        };
    }
    out.truncate(start);
    L::write(lanes, out);
    ColumnEncoding::Plain
}

/// Puts what stands in the order of rows run after run: there a value is like the one before it, which general compression finds.
fn gather<L: Lane>(stored: &[L], order: u32, places: &Places, in_runs: &mut Vec<L>) {
    let (early, rest) = stored.split_at(if order == 0 { 0 } else { places.early.len() });
    in_runs.clear();
    in_runs.extend_from_slice(early);
    in_runs.extend(places.run_after_run(order == 0).iter().map(|&at| rest[at as usize]));
}

/// The other way round.
fn scatter<L: Lane>(in_runs: &[L], order: u32, places: &Places, stored: &mut [L]) {
    let early = if order == 0 { 0 } else { places.early.len() };
    let ((early, in_runs), (to, rest)) = (in_runs.split_at(early), stored.split_at_mut(early));
    to.copy_from_slice(early);
    for (&number, &at) in in_runs.iter().zip(places.run_after_run(order == 0)) {
        rest[at as usize] = number;
    }
}

/// Appends the number of entries less one, the entries and the packed indices of all lanes.
fn encode_dictionary<L: Lane>(lanes: &[L], out: &mut Vec<u8>) -> Option<()> {
    let mut dictionary = Dictionary::new();
    let mut indices = Vec::with_capacity(lanes.len());
    for &lane in lanes {
        indices.push(dictionary.index(lane)?);
    }
    out.push(u8::try_from(dictionary.entries.len() - 1).expect("1 to 256"));
    L::write(&dictionary.entries, out);
    packed::pack(&indices, out);
    Some(())
}

/// How many lanes a column has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count {
    /// That its frame stores.
    pub(crate) all: usize,
    /// That are asked for, from the first row on.
    pub(crate) first: usize,
}

impl Count {
    pub(crate) fn all(all: usize) -> Count {
        Count { all, first: all }
    }

    fn is_all(self) -> bool {
        self.first == self.all
    }
}

/// Decodes a column, whose frame must use up `bytes`, into `out`, whatever it holds: the lanes of entity runs at these places, or
/// of one run. What is not asked for is not looked at.
///
/// # Errors
/// The rule that the bytes break.
pub(crate) fn decode<L: Lane>(
    encoding: ColumnEncoding,
    bytes: &[u8],
    count: Count,
    places: Option<&Places>,
    scratch: &mut Scratch,
    out: &mut Vec<L>,
) -> Result<(), String> {
    let mut cursor = Cursor::new(bytes);
    let order = encoding.order();
    match places.filter(|_| order > 0) {
        None => {
            stored(encoding, &mut cursor, count, places, scratch, out)?;
            if order > 0 {
                predict::undo(out, order);
            }
        }
        Some(places) => {
            let mut residuals = std::mem::take(&mut L::buffers(scratch).residuals);
            let needed = Count { first: places.residuals_of(count.first), ..count };
            stored(encoding, &mut cursor, needed, Some(places), scratch, &mut residuals)?;
            // Every lane is written, so what the buffer holds of another column need not be cleared.
            out.resize(count.first, L::truncate(0));
            predict::undo_to(&mut residuals, order, places, out);
            L::buffers(scratch).residuals = residuals;
        }
    }
    if count.is_all() { cursor.finish() } else { Ok(()) }
}

/// Reads the first lanes that a frame stores, in the order of rows, in place of what `out` holds.
fn stored<L: Lane>(
    encoding: ColumnEncoding,
    cursor: &mut Cursor<'_>,
    count: Count,
    places: Option<&Places>,
    scratch: &mut Scratch,
    out: &mut Vec<L>,
) -> Result<(), String> {
    let zero = L::truncate(0);
    match encoding {
        ColumnEncoding::Plain => {
            let bytes = cursor.take(count.first.checked_mul(size_of::<L>()).ok_or("there are too many lanes")?)?;
            out.clear();
            L::read(bytes, out);
        }
        ColumnEncoding::Constant => {
            out.clear();
            L::read(cursor.take(size_of::<L>())?, out);
            out.resize(count.first, out[0]);
        }
        ColumnEncoding::Dictionary => decode_dictionary(cursor, count, out)?,
        ColumnEncoding::Packed(_) => {
            packed::check_count(cursor, count.all)?;
            out.resize(count.first, zero);
            packed::unpack(cursor, count.all, out)?;
        }
        ColumnEncoding::Planes(order) => {
            let Some(places) = places else {
                out.resize(count.all, zero);
                scratch.unzstd.join(cursor, out)?;
                out.truncate(count.first);
                return Ok(());
            };
            let mut in_runs = std::mem::take(&mut L::buffers(scratch).lanes);
            in_runs.resize(count.all, zero);
            scratch.unzstd.join(cursor, &mut in_runs)?;
            out.resize(count.all, zero);
            scatter(&in_runs, order, places, out);
            out.truncate(count.first);
            L::buffers(scratch).lanes = in_runs;
        }
        ColumnEncoding::Coded(_) => {
            out.resize(count.first.max(coded::early_of(places, count.all)), zero);
            scratch.decoder.decode(cursor, places, count.all, out)?;
            out.truncate(count.first);
        }
    }
    Ok(())
}

fn decode_dictionary<L: Lane>(cursor: &mut Cursor<'_>, count: Count, lanes: &mut Vec<L>) -> Result<(), String> {
    let count_of_entries = usize::from(cursor.take(1)?[0]) + 1;
    let mut entries = Vec::with_capacity(MAX_DICTIONARY);
    L::read(cursor.take(count_of_entries * size_of::<L>())?, &mut entries);
    packed::check_count(cursor, count.all)?;
    let mut indices = vec![0u8; count.first];
    packed::unpack(cursor, count.all, &mut indices)?;
    let last = indices.iter().fold(0, |last, &index| last.max(index));
    if usize::from(last) >= count_of_entries {
        return Err(format!("a dictionary of {count_of_entries} entries has none at {last}"));
    }
    // Each index of a byte has an entry, so that none is looked at twice.
    entries.resize(MAX_DICTIONARY, L::truncate(0));
    let entries: &[L; MAX_DICTIONARY] = entries.first_chunk().expect("it is as large");
    lanes.clear();
    lanes.extend(indices.iter().map(|&index| entries[usize::from(index)]));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encodes, decodes, and says which encoding was taken and how many bytes it needed.
    fn round_trip<L: Lane + std::fmt::Debug>(
        lanes: &[L],
        places: Option<&Places>,
        archiver: Option<&mut Archiver>,
    ) -> (ColumnEncoding, usize) {
        let mut bytes = Vec::new();
        let mut scratch = Scratch::default();
        let encoding = encode(lanes, places, &mut Choice::default(), archiver, &mut scratch, &mut bytes);
        assert_eq!(ColumnEncoding::from_number(encoding.number()), Some(encoding));
        let mut back = vec![L::truncate(3)];
        let mut read = |bytes: &[u8], back: &mut Vec<L>| {
            decode(encoding, bytes, Count::all(lanes.len()), places, &mut scratch, back)
        };
        read(&bytes, &mut back).unwrap();
        assert_eq!(back, lanes);
        for first in [0, 1, lanes.len() / 2, lanes.len().saturating_sub(1)] {
            let first = places.map_or(first.min(lanes.len()), |places| places.ends[first % places.ends.len()] as usize);
            let (count, mut scratch) = (Count { all: lanes.len(), first }, Scratch::default());
            decode(encoding, &bytes, count, places, &mut scratch, &mut back).unwrap();
            assert_eq!(back, lanes[..first]);
        }
        for cut in 0..bytes.len() {
            assert!(read(&bytes[..cut], &mut back).is_err(), "cut at {cut}");
        }
        (encoding, bytes.len())
    }

    fn noise32(index: u64) -> u32 {
        u32::truncate(noise(index))
    }

    fn noise(index: u64) -> u64 {
        twox_hash::XxHash3_64::oneshot(&index.to_le_bytes())
    }

    #[test]
    fn the_encoding_that_suits_is_taken_and_comes_back() {
        use ColumnEncoding::{Constant, Dictionary, Packed, Plain, Planes};
        let taken = |lanes: &[u32]| round_trip(lanes, None, None).0;
        assert_eq!(round_trip(&[7u8; 300], None, None), (Constant, 1));
        assert_eq!(round_trip::<u64>(&[], None, None).1, 0);
        let walk: Vec<u32> = (0..300)
            .scan(1_000_000, |at, i| {
                *at += noise32(i) >> 28;
                Some(*at)
            })
            .collect();
        assert_eq!(taken(&walk), Packed(1));
        assert_eq!(taken(&(0..300).map(|i| i * i * i + 7).collect::<Vec<_>>()), Packed(3));
        assert_eq!(taken(&(0..300).map(|i| noise32(i) >> 28).collect::<Vec<_>>()), Packed(0));
        assert_eq!(taken(&(0..300).map(|i| noise32(i % 9) >> (noise(i) % 2)).collect::<Vec<_>>()), Dictionary);
        let numbers: Vec<u64> = (1..300).map(noise).collect();
        assert_eq!(round_trip(&numbers, None, None), (Plain, 299 * 8));
        round_trip(&[u64::MAX, 0, u64::MAX, 1], None, None);
        round_trip(&[255u8, 0, 128, 1], None, None);
        let again: Vec<u32> = (0..1000).map(|i| noise32(i % 400) % 30_000).collect();
        let wide_or_narrow: Vec<u32> = (0..1000)
            .scan(0u32, |at, i| {
                *at = at.wrapping_add(noise32(i) >> (8 + noise32(i / 40) % 24));
                Some(*at)
            })
            .collect();
        let mut archiver = Archiver::new();
        assert!(matches!(round_trip(&wide_or_narrow, None, Some(&mut archiver)), (ColumnEncoding::Coded(_), _)));
        let (encoding, bytes) = round_trip(&again, None, Some(&mut archiver));
        assert!(matches!(encoding, Planes(_)) && bytes < round_trip(&again, None, None).1);
    }

    #[test]
    fn entity_runs_come_back_in_every_encoding() {
        let lens = [300, 1, 2, 3, 4, 280, 300, 5];
        let places = Places::of_lens(&lens);
        let rows = u64::from(*places.ends.last().unwrap());
        let mut taken = Vec::new();
        for is_archive in [false, true] {
            let mut round_trip_of = |lane: &dyn Fn(u64) -> u64| {
                let lanes: Vec<u64> = (0..rows).map(lane).collect();
                let mut archiver = is_archive.then(Archiver::new);
                taken.push(round_trip(&lanes, Some(&places), archiver.as_mut()).0.number());
                round_trip(
                    &lanes.iter().map(|&lane| u32::truncate(lane)).collect::<Vec<_>>(),
                    Some(&places),
                    archiver.as_mut(),
                );
                round_trip(
                    &lanes.iter().map(|&lane| u8::truncate(lane)).collect::<Vec<_>>(),
                    Some(&places),
                    archiver.as_mut(),
                );
            };
            round_trip_of(&|_| 7);
            round_trip_of(&|row| noise(row) >> 40);
            round_trip_of(&|row| noise(row % 9));
            round_trip_of(&|row| 1_000_000 + row * 3 + (noise(row) >> 62));
            round_trip_of(&|row| 1_000_000 + row * row + (noise(row) >> 62));
            round_trip_of(&|row| noise(row % 400) % 30_000);
            let mut residuals: Vec<u64> = (0..rows).map(|row| noise(row) >> (20 + noise(row * 7) % 44)).collect();
            let mut lanes = vec![0; residuals.len()];
            predict::undo_to(&mut residuals, 2, &places, &mut lanes);
            round_trip_of(&|row| lanes[usize::try_from(row).unwrap()]);
        }
        taken.sort_unstable();
        taken.dedup();
        assert_eq!(taken, [1, 2, 4, 6, 7, 8, 14]);
    }

    #[test]
    fn a_choice_is_kept_and_made_again() {
        let line: Vec<u32> = (0..200).map(|i| 1_000_000 - i * 1234).collect();
        let low: Vec<u32> = (0..200).map(|i| noise32(i) >> 30).collect();
        let (mut choice, mut scratch) = (Choice::default(), Scratch::default());
        let mut taken = |lanes: &[u32]| encode(lanes, None, &mut choice, None, &mut scratch, &mut Vec::new());
        // The first choice is for one block, the second for two.
        assert_eq!(taken(&line), ColumnEncoding::Packed(2));
        assert_eq!(taken(&line), ColumnEncoding::Packed(2));
        assert_eq!(taken(&low), ColumnEncoding::Packed(2));
        assert_eq!(taken(&low), ColumnEncoding::Packed(0));
    }

    #[test]
    fn bytes_that_no_writer_makes_are_refused() {
        let refused = |encoding, bytes: &[u8], count| {
            decode::<u32>(encoding, bytes, Count::all(count), None, &mut Scratch::default(), &mut Vec::new())
                .unwrap_err()
        };
        assert!(refused(ColumnEncoding::Plain, &[0; 8], usize::MAX).contains("too many"));
        assert!(refused(ColumnEncoding::Dictionary, &[0, 1, 0, 0, 0, 1, 1], 1).contains("none at 1"));
        assert!(refused(ColumnEncoding::Planes(0), &[3], 1).contains("in the way 3"));
        assert!(refused(ColumnEncoding::Planes(0), &[2, 1, 0, 0, 0, 9], 1).starts_with("zstd"));
        assert!(refused(ColumnEncoding::Constant, &[0; 5], 1).contains("left over"));
        assert_eq!(ColumnEncoding::from_number(3), None);
    }
}
