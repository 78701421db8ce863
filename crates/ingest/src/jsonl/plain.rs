//! The quick way to read a tick row: straight by the layout, with the members where the contract lists them. Most rows of
//! most producers are written so, and serde's detour over untyped values costs more than all that follows it.
//!
//! This takes a row or leaves it. What it takes, serde reads the same; what it leaves (another order of members, an escape,
//! a channel that is seldom recorded, any fault) goes to serde, which alone refuses and says why.

use cdt_schema::{
    Channel, Checkpoint, Draw, Field, Generation, Input, KindId, Layout, Scalar, ScalarType, Slot, StageId, Step,
    StreamId, TickBuilder, TimingSample, Uid,
};

use super::decode::Names;

/// A tick row that begins as most do, and what is left of it.
pub(crate) struct PlainTick<'a> {
    /// The run that the row names.
    pub(crate) run_id: &'a str,
    /// Its tick.
    pub(crate) tick: u32,
    rest: Text<'a>,
}

/// Buffers that successive rows reuse.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    scalars: Vec<Scalar>,
    lists: [Vec<u64>; 3],
    counts: Vec<u32>,
}

/// Why a row was not taken.
pub(crate) enum Refused {
    /// It is left to serde.
    Left,
    /// The trace could not be written.
    Trace(cdt_trace::Error),
}
use Refused::Left;

impl From<cdt_schema::RowError> for Refused {
    fn from(_: cdt_schema::RowError) -> Refused {
        Left
    }
}

impl From<cdt_trace::Error> for Refused {
    fn from(error: cdt_trace::Error) -> Refused {
        Refused::Trace(error)
    }
}

type Taken<T> = Result<T, Refused>;

impl<'a> PlainTick<'a> {
    /// Whether rows of a layout can be taken. Channels that are seldom recorded are left.
    pub(crate) fn may_be_of(layout: &Layout) -> bool {
        use Channel::{Checkpoint, Entities, Rng, State, Step, Timing};
        layout.channels().iter().all(|channel| matches!(channel, Step | Rng | State | Entities | Checkpoint | Timing))
    }

    /// The beginning of a tick row; `None` if the row does not begin so.
    pub(crate) fn begin(line: &'a str) -> Option<PlainTick<'a>> {
        let mut rest = Text { rest: line.as_bytes(), line };
        let mut read = || {
            rest.member(b"{", "event")?;
            if rest.string()? != "tick" {
                return Err(Left);
            }
            rest.member(b",", "run_id")?;
            let run_id = rest.string()?;
            rest.member(b",", "tick")?;
            Ok((run_id, rest.u32()?))
        };
        let (run_id, tick) = read().ok()?;
        Some(PlainTick { run_id, tick, rest })
    }

    /// Fills a tick from the rest of the row. When this fails, the tick is to be forgotten.
    pub(crate) fn fill(
        &self,
        layout: &Layout,
        names: &Names,
        buffers: &mut Buffers,
        tick: &mut TickBuilder<'_>,
    ) -> Taken<()> {
        let mut reader = Reader { text: self.rest, layout, names, buffers };
        if layout.channels().contains(Channel::Step) {
            reader.step(tick)?;
        }
        for channel in layout.channels().iter().filter(|&channel| channel != Channel::Step) {
            reader.text.member(b",", channel.name())?;
            match channel {
                Channel::Rng => reader.rng(tick)?,
                Channel::State => reader.state(tick)?,
                Channel::Entities => reader.entities(tick)?,
                Channel::Checkpoint => reader.checkpoint(tick)?,
                Channel::Timing => reader.timing(tick)?,
                _ => return Err(Left),
            }
        }
        reader.text.token(b'}')?;
        reader.text.end()
    }
}

struct Reader<'a, 'b> {
    text: Text<'a>,
    layout: &'b Layout,
    names: &'b Names,
    buffers: &'b mut Buffers,
}

impl Reader<'_, '_> {
    fn step(&mut self, tick: &mut TickBuilder<'_>) -> Taken<()> {
        let text = &mut self.text;
        text.member(b",", "elapsed")?;
        let elapsed = text.u64_text()?;
        text.member(b",", "step")?;
        text.member(b"{", "dt")?;
        let dt = text.f32()?;
        text.member(b",", "mode")?;
        let mode = text.u32()?;
        text.member(b",", "players")?;
        let mut inputs = Vec::with_capacity(usize::from(self.layout.spec().players));
        text.list(|text| {
            text.member(b"{", "buttons")?;
            let mut input = Input { buttons: text.u32()?, ..Input::default() };
            let axes = [&mut input.move_x, &mut input.move_y, &mut input.aim_x, &mut input.aim_y];
            for (name, axis) in ["move_x", "move_y", "aim_x", "aim_y"].into_iter().zip(axes) {
                text.member(b",", name)?;
                *axis = text.f32()?;
            }
            text.token(b'}')?;
            inputs.push(input);
            Ok(())
        })?;
        text.member(b",", "commands")?;
        text.list(|_| Err(Left))?;
        text.token(b'}')?;
        Ok(tick.step(&Step { dt, elapsed, mode, inputs, commands: Vec::new() })?)
    }

    fn rng(&mut self, tick: &mut TickBuilder<'_>) -> Taken<()> {
        let mut expected = 0;
        self.text.list(|text| {
            text.member(b"{", "stream")?;
            let stream = text.name(&self.names.streams)?;
            text.member(b",", "seq")?;
            expected += 1;
            if text.u32()? != expected {
                return Err(Left);
            }
            text.member(b",", "value")?;
            let value = text.u32()?;
            text.member(b",", "before")?;
            let before = text.u64_text()?;
            text.member(b",", "after")?;
            let after = text.u64_text()?;
            text.member(b",", "caller")?;
            let caller = text.u32()?;
            text.token(b'}')?;
            let stream = StreamId(u8::try_from(stream).map_err(|_| Left)?);
            Ok(tick.draw(Draw { stream, value, before, after, caller })?)
        })
    }

    fn state(&mut self, tick: &mut TickBuilder<'_>) -> Taken<()> {
        let fields = self.layout.spec().state.as_deref().unwrap_or_default();
        self.text.values(fields, &mut self.buffers.scalars)?;
        Ok(tick.state(&self.buffers.scalars)?)
    }

    fn entities(&mut self, tick: &mut TickBuilder<'_>) -> Taken<()> {
        self.text.list(|text| {
            text.member(b"{", "kind")?;
            let kind = text.name(&self.names.kinds)?;
            text.member(b",", "slot")?;
            let slot = Slot(text.u32()?);
            text.member(b",", "generation")?;
            let generation = Generation(text.u32()?);
            text.member(b",", "fields")?;
            text.values(&self.layout.entity_kinds()[kind].fields, &mut self.buffers.scalars)?;
            text.token(b'}')?;
            let kind = KindId(u16::try_from(kind).map_err(|_| Left)?);
            Ok(tick.entity(Uid { kind, slot, generation }, &self.buffers.scalars)?)
        })
    }

    fn checkpoint(&mut self, tick: &mut TickBuilder<'_>) -> Taken<()> {
        let declared = self.layout.spec().checkpoint.as_ref().ok_or(Left)?;
        let text = &mut self.text;
        let [digests, states, counters] = &mut self.buffers.lists;
        let counts = &mut self.buffers.counts;
        counts.clear();
        states.clear();
        text.member(b"{", "digests")?;
        text.u64_list(digests)?;
        text.member(b",", "rng_state")?;
        if declared.rng_state {
            text.u64_list(states)?
        } else {
            text.literal("null")?
        }
        text.member(b",", "entity_counts")?;
        if declared.entity_counts {
            text.list(|text| {
                counts.push(text.u32()?);
                Ok(())
            })?;
        } else {
            text.literal("null")?;
        }
        text.member(b",", "fuel")?;
        let fuel = if declared.fuel { Some(text.u64_text()?) } else { text.literal("null").map(|()| None)? };
        text.member(b",", "counters")?;
        text.u64_list(counters)?;
        text.token(b'}')?;
        Ok(tick.checkpoint(&Checkpoint { digests, rng_state: states, entity_counts: counts, fuel, counters })?)
    }

    fn timing(&mut self, tick: &mut TickBuilder<'_>) -> Taken<()> {
        self.text.list(|text| {
            text.member(b"{", "stage")?;
            let stage = text.name(&self.names.stages)?;
            text.member(b",", "fuel")?;
            let fuel = text.u64_text()?;
            text.member(b",", "wall_ns")?;
            let wall_ns = text.u64_text()?;
            text.token(b'}')?;
            let stage = StageId(u16::try_from(stage).map_err(|_| Left)?);
            Ok(tick.timing(TimingSample { stage, fuel, wall_ns })?)
        })
    }
}

/// What is left of a line.
#[derive(Clone, Copy)]
struct Text<'a> {
    rest: &'a [u8],
    line: &'a str,
}

impl<'a> Text<'a> {
    fn spaces(&mut self) {
        while let [b' ', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn end(&mut self) -> Taken<()> {
        self.spaces();
        if self.rest.is_empty() { Ok(()) } else { Err(Left) }
    }

    #[inline(always)]
    fn token(&mut self, token: u8) -> Taken<()> {
        if self.rest.first() != Some(&token) {
            self.spaces();
        }
        match self.rest {
            [first, rest @ ..] if *first == token => {
                self.rest = rest;
                Ok(())
            }
            _ => Err(Left),
        }
    }

    fn literal(&mut self, text: &str) -> Taken<()> {
        self.spaces();
        self.rest = self.rest.strip_prefix(text.as_bytes()).ok_or(Left)?;
        Ok(())
    }

    /// What stands before a member, the member's name and a colon.
    #[inline(always)]
    fn member(&mut self, before: &[u8; 1], name: &str) -> Taken<()> {
        self.token(before[0])?;
        self.token(b'"')?;
        let rest = self.rest.strip_prefix(name.as_bytes()).ok_or(Left)?;
        self.rest = rest.strip_prefix(b"\"").ok_or(Left)?;
        self.token(b':')
    }

    /// A list, of which `item` reads each item.
    #[inline(always)]
    fn list(&mut self, mut item: impl FnMut(&mut Text<'a>) -> Taken<()>) -> Taken<()> {
        self.token(b'[')?;
        if self.token(b']').is_ok() {
            return Ok(());
        }
        loop {
            item(self)?;
            if self.token(b',').is_err() {
                return self.token(b']');
            }
        }
    }

    /// A string without escapes.
    #[inline(always)]
    fn string(&mut self) -> Taken<&'a str> {
        self.token(b'"')?;
        let len = self.rest.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < b' ').ok_or(Left)?;
        if self.rest[len] != b'"' {
            return Err(Left);
        }
        let start = self.line.len() - self.rest.len();
        self.rest = &self.rest[len + 1..];
        Ok(&self.line[start..start + len])
    }

    /// One of some names, by its index.
    fn name(&mut self, names: &[String]) -> Taken<usize> {
        let name = self.string()?;
        names.iter().position(|known| known == name).ok_or(Left)
    }

    /// Digits of a number that has no needless zero; what they say modulo 2^64, and how many they are.
    #[inline(always)]
    fn digits(&mut self) -> Taken<(u64, usize)> {
        let mut value = 0u64;
        let mut len = 0;
        while let Some(digit) = self.rest.get(len).map(|byte| byte.wrapping_sub(b'0')).filter(|&digit| digit < 10) {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
            len += 1;
        }
        if len == 0 || (len > 1 && self.rest[0] == b'0') {
            return Err(Left);
        }
        self.rest = &self.rest[len..];
        Ok((value, len))
    }

    #[inline(always)]
    fn u32(&mut self) -> Taken<u32> {
        self.spaces();
        // Ten digits and fewer cannot wrap.
        let (value, len) = self.digits()?;
        if len > 10 { Err(Left) } else { u32::try_from(value).map_err(|_| Left) }
    }

    fn i32(&mut self) -> Taken<i32> {
        self.spaces();
        let negative = self.token(b'-').is_ok();
        let (value, len) = self.digits()?;
        let value = i64::try_from(value).ok().filter(|&value| len <= 10 && !(negative && value == 0)).ok_or(Left)?;
        i32::try_from(if negative { -value } else { value }).map_err(|_| Left)
    }

    /// A u64 as a string of at most 19 digits: more may wrap.
    #[inline(always)]
    fn u64_text(&mut self) -> Taken<u64> {
        self.token(b'"')?;
        let (value, len) = self.digits()?;
        if len > 19 {
            return Err(Left);
        }
        if self.rest.first() != Some(&b'"') {
            return Err(Left);
        }
        self.rest = &self.rest[1..];
        Ok(value)
    }

    fn u64_list(&mut self, into: &mut Vec<u64>) -> Taken<()> {
        into.clear();
        self.list(|text| {
            into.push(text.u64_text()?);
            Ok(())
        })
    }

    /// A number by the grammar of JSON: its text, and what its digits say if they are few.
    #[inline(always)]
    fn number(&mut self) -> Taken<Number<'a>> {
        self.spaces();
        let start = self.line.len() - self.rest.len();
        let negative = self.rest.first() == Some(&b'-');
        if negative {
            self.rest = &self.rest[1..];
        }
        let (mut digits, mut count) = self.digits()?;
        let mut exponent = 0;
        if self.rest.first() == Some(&b'.') {
            self.rest = &self.rest[1..];
            let mut len = 0;
            while let Some(digit) = self.rest.get(len).map(|byte| byte.wrapping_sub(b'0')).filter(|&digit| digit < 10) {
                digits = digits.wrapping_mul(10).wrapping_add(u64::from(digit));
                len += 1;
            }
            if len == 0 {
                return Err(Left);
            }
            self.rest = &self.rest[len..];
            count += len;
            exponent = -i32::try_from(len).map_err(|_| Left)?;
        }
        if let [b'e' | b'E', rest @ ..] = self.rest {
            let negative = rest.first() == Some(&b'-');
            self.rest = if matches!(rest, [b'-' | b'+', ..]) { &rest[1..] } else { rest };
            // Needless zeros are left to serde, and so is what is out of every float's range.
            let (value, len) = self.digits()?;
            let value = i32::try_from(value).ok().filter(|_| len <= 3).ok_or(Left)?;
            exponent += if negative { -value } else { value };
        }
        let text = &self.line[start..self.line.len() - self.rest.len()];
        Ok(Number { text, negative, digits, exponent, exact: count <= 19 })
    }

    fn f32(&mut self) -> Taken<f32> {
        self.number()?.f32()
    }

    fn f64(&mut self) -> Taken<f64> {
        self.number()?.text.parse().ok().filter(|value: &f64| value.is_finite()).ok_or(Left)
    }

    /// Declared values, in place of what `into` holds.
    fn values(&mut self, fields: &[Field], into: &mut Vec<Scalar>) -> Taken<()> {
        into.clear();
        self.token(b'[')?;
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                self.token(b',')?;
            }
            into.push(self.value(field.scalar_type)?);
        }
        self.token(b']')
    }

    #[inline(always)]
    fn value(&mut self, scalar_type: ScalarType) -> Taken<Scalar> {
        Ok(match scalar_type {
            ScalarType::F32 => Scalar::F32(self.f32()?),
            ScalarType::U32 => Scalar::U32(self.u32()?),
            ScalarType::I32 => Scalar::I32(self.i32()?),
            ScalarType::U64 => Scalar::U64(self.u64_text()?),
            ScalarType::F64 => Scalar::F64(self.f64()?),
            ScalarType::Bool if self.literal("true").is_ok() => Scalar::Bool(true),
            ScalarType::Bool => self.literal("false").map(|()| Scalar::Bool(false))?,
            ScalarType::I64 | ScalarType::U8 | ScalarType::U16 => return Err(Left),
        })
    }
}

/// A number as it stands on the line: its digits times a power of ten.
struct Number<'a> {
    text: &'a str,
    negative: bool,
    digits: u64,
    exponent: i32,
    /// Whether `digits` holds all of them.
    exact: bool,
}

/// The powers of ten that an f64 holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];
/// The bits of an f64 beyond an f32's precision.
const BEYOND: u64 = (1 << 29) - 1;

impl Number<'_> {
    /// The nearest f32.
    ///
    /// Digits and a power of ten that an f64 holds exactly give, by one division or product, the f64 that is nearest. The
    /// f32 nearest to that is the one nearest to the number, unless the f64 lies halfway between two f32s or below their
    /// normal range: then the number itself may lie on either side.
    #[inline(always)]
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "both are what this is about")]
    fn f32(&self) -> Taken<f32> {
        if self.exact && self.digits < 1 << 53 && self.exponent.unsigned_abs() < 23 {
            let power = POWERS[self.exponent.unsigned_abs() as usize];
            let digits = self.digits as f64;
            let value = if self.exponent < 0 { digits / power } else { digits * power };
            let is_normal = value == 0.0 || (f64::from(f32::MIN_POSITIVE)..f64::from(f32::MAX)).contains(&value);
            if is_normal && value.to_bits() & BEYOND != 1 << 28 {
                return Ok(if self.negative { -value as f32 } else { value as f32 });
            }
        }
        self.text.parse().ok().filter(|value: &f32| value.is_finite()).ok_or(Left)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cdt_schema::{RowWriter, Rows, Tick};

    use super::*;
    use crate::jsonl::decode::RowDecoder;
    use crate::jsonl::wire::{TickRow, WireLayout};

    fn read<'a, T>(text: &'a str, of: impl Fn(&mut Text<'a>) -> Taken<T>) -> Option<T> {
        let mut left = Text { rest: text.as_bytes(), line: text };
        of(&mut left).ok().filter(|_| left.rest.is_empty())
    }

    #[test]
    fn floats_are_those_of_the_standard_library() {
        let mut bits = 1u64;
        for _ in 0..200_000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let value = f32::from_bits(u32::try_from(bits >> 32).unwrap());
            if !value.is_finite() {
                continue;
            }
            let halfway = f64::from(value) + (f64::from(value.next_up()) - f64::from(value)) / 2.0;
            let texts = [format!("{value:?}"), format!("{value}"), format!("{halfway:?}"), format!("{value:.3e}")];
            for text in texts {
                let expected = text.parse::<f32>().ok().filter(|value| value.is_finite());
                let got = read(&text, |text| text.f32());
                assert_eq!(got.map(f32::to_bits), expected.map(f32::to_bits), "{text}");
            }
        }
    }

    #[test]
    fn what_json_does_not_write_so_is_left() {
        for text in ["01", "-", "1.", ".5", "1e", "+1", "1e999", "0x1", "NaN", "1e40"] {
            assert_eq!(read(text, |text| text.f32()), None, "{text}");
        }
        for text in ["-0", "01", "2147483648", "99999999999999999999", "1.0", "1e1"] {
            assert_eq!(read(text, |text| text.i32()), None, "{text}");
        }
        assert_eq!(read("-2147483648", |text| text.i32()), Some(i32::MIN));
        assert_eq!(read("4294967296", |text| text.u32()), None);
        assert_eq!(read("\"18446744073709551616\"", |text| text.u64_text()), None);
        assert_eq!(read("\"a\\u0062\"", |text| text.string().map(str::to_owned)), None);
    }

    const LAYOUT: &str = r#"{"stages":["s"],"step":{"commands":[]},"rng":[{"name":"r","algorithm":"opaque"}],"state":[{"name":"a","type":"f32"},{"name":"b","type":"i32"},{"name":"c","type":"bool"},{"name":"d","type":"f64"},{"name":"e","type":"u64"}],"entities":[{"kind":"k","fields":[{"name":"x","type":"f32"},{"name":"u","type":"u32"}]}],"checkpoint":{"digests":["state"],"rng_state":true,"entity_counts":true,"fuel":false,"counters":[]},"timing":{}}"#;
    const LINE: &str = r#"{"event":"tick","run_id":"n","tick":0,"elapsed":"12","step":{"dt":0.5,"mode":1,"players":[{"buttons":3,"move_x":-0.0,"move_y":1e-7,"aim_x":0.1,"aim_y":1}],"commands":[]},"rng":[{"stream":"r","seq":1,"value":5,"before":"6","after":"7","caller":8},{"stream":"r","seq":2,"value":5,"before":"7","after":"9","caller":8}],"state":[1.5,-7,true,2.25,"18"],"entities":[{"kind":"k","slot":3,"generation":0,"fields":[3.25,10]},{"kind":"k","slot":4,"generation":1,"fields":[0,9]}],"checkpoint":{"digests":["1"],"rng_state":["9"],"entity_counts":[2],"fuel":null,"counters":[]},"timing":[{"stage":"s","fuel":"3","wall_ns":"4"}]}"#;

    /// The rows of a tick that `fill` takes.
    fn taken<E>(layout: &Arc<Layout>, fill: impl FnOnce(&mut TickBuilder<'_>) -> Result<(), E>) -> Option<Rows> {
        let mut writer = RowWriter::new(layout.clone());
        let mut tick = writer.tick(Tick(0));
        fill(&mut tick).ok()?;
        tick.commit().ok()?;
        Some(writer.rows().clone())
    }

    #[test]
    fn what_is_taken_serde_reads_the_same() {
        let layout: WireLayout = serde_json::from_str(LAYOUT).unwrap();
        let layout = Arc::new(layout.layout(1).unwrap());
        let names = Names::new(&layout);
        let plain = |line: &str| {
            let row = PlainTick::begin(line)?;
            let rows = taken(&layout, |tick| row.fill(&layout, &names, &mut Buffers::default(), tick))?;
            Some((row.run_id.to_owned(), row.tick, rows))
        };
        let by_serde = |line: &str| {
            let row: TickRow<'_> = serde_json::from_str(line).ok()?;
            let decoder = RowDecoder { line, names: &names, layout: &layout };
            let rows = taken(&layout, |tick| decoder.fill(&row, tick))?;
            Some((row.run_id.to_string(), row.tick, rows))
        };
        assert!(plain(LINE).is_some(), "a row as the contract lists it is taken");
        let mut taken = 0;
        for at in 0..LINE.len() {
            let (before, after) = (&LINE[..at], &LINE[at + 1..]);
            for put in ["", " ", "\"", "\\", "0", "1", "9", "-", ".", ",", "e", "]", "}", "a", "\t", "é"] {
                let line = format!("{before}{put}{after}");
                if let Some(rows) = plain(&line) {
                    taken += 1;
                    assert_eq!(Some(rows), by_serde(&line), "{line}");
                }
            }
        }
        assert!(taken > 100, "some of the changed rows are rows: {taken}");
        assert_eq!(plain(&LINE.replace(',', ", ").replace(':', ": ")), by_serde(LINE));
    }
}
