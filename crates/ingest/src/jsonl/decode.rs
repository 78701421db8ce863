//! From the rows of a tick on the wire to the rows of a tick in a trace.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cdt_schema::{
    Call, Channel, Checkpoint, Command, Decision, Draw, Event, Field, Generation, Input, KindId, Layout, Origin,
    PageId, PlayerId, RowError, Scalar, ScalarType, Seq, Slot, StageId, Step, StreamId, SyscallId, TickBuilder,
    TimingSample, Uid,
};

use super::fault::Fault;
use super::wire::{
    TickRow, WireCall, WireCheckpoint, WireDecision, WireDraw, WireEntity, WireEvent, WireOrigin, WirePage, WireStep,
    WireTiming, WireValue, is_number, parse_f32, parse_u64,
};

/// Why a tick was refused: a fault of the line, or of the file that it was to be written to.
#[derive(Debug)]
pub(crate) enum Refusal {
    Row(RowError),
    Fault(Fault),
    Trace(cdt_trace::Error),
}

impl From<RowError> for Refusal {
    fn from(error: RowError) -> Refusal {
        Refusal::Row(error)
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Refusal {
        Refusal::Fault(fault)
    }
}

impl From<cdt_trace::Error> for Refusal {
    fn from(error: cdt_trace::Error) -> Refusal {
        Refusal::Trace(error)
    }
}

/// Names of a layout, found by the numbers that the rows of a trace use.
#[derive(Debug)]
pub(crate) struct Names {
    pub(super) streams: Vec<String>,
    pub(super) stages: Vec<String>,
    pub(super) commands: Vec<String>,
    pub(super) syscalls: Vec<String>,
    pub(super) kinds: Vec<String>,
    pub(super) events: Vec<String>,
}

impl Names {
    pub(crate) fn new(layout: &Layout) -> Names {
        Names {
            streams: layout.rng_streams().iter().map(|stream| stream.name.clone()).collect(),
            stages: layout.spec().stages.clone(),
            commands: layout.command_kinds().iter().map(|kind| kind.name.clone()).collect(),
            syscalls: layout.syscalls().iter().map(cdt_schema::Syscall::identity).collect(),
            kinds: layout.entity_kinds().iter().map(|kind| kind.name.clone()).collect(),
            events: layout.event_kinds().iter().map(|kind| kind.name.clone()).collect(),
        }
    }
}

/// Fills a tick from its row. `line` is the row's text, from which the row was decoded.
pub(crate) struct RowDecoder<'a> {
    pub(crate) line: &'a str,
    pub(crate) names: &'a Names,
    pub(crate) layout: &'a Layout,
}

impl<'a> RowDecoder<'a> {
    pub(crate) fn fill(&self, row: &TickRow<'a>, tick: &mut TickBuilder<'_>) -> Result<(), Refusal> {
        self.check_channels(row)?;
        if let (Some(step), Some(elapsed)) = (&row.step, row.elapsed) {
            self.step(step, elapsed.0, tick)?;
        }
        for (draw, seq) in row.rng.iter().flatten().zip(1..) {
            self.draw(draw, seq, tick)?;
        }
        for (call, seq) in row.calls.iter().flatten().zip(1..) {
            self.call(call, seq, tick)?;
        }
        if let Some(values) = &row.state {
            let fields = self.layout.spec().state.as_deref().unwrap_or_default();
            tick.state(&self.values(values, fields, "state")?)?;
        }
        for entity in row.entities.iter().flatten() {
            self.entity(entity, tick)?;
        }
        if let Some(checkpoint) = &row.checkpoint {
            self.checkpoint(checkpoint, tick)?;
        }
        for (sample, index) in row.timing.iter().flatten().zip(1u32..) {
            self.timing(sample, index, tick)?;
        }
        for (event, seq) in row.events.iter().flatten().zip(1..) {
            self.event(event, seq, tick)?;
        }
        for page in row.memory.iter().flatten() {
            self.page(page, tick)?;
        }
        Ok(())
    }

    /// Where in the line a rule about rows is broken: at the member of the channel it is about.
    pub(crate) fn row_fault(&self, error: &RowError) -> Fault {
        let place = error.place();
        let channel = Channel::ALL.into_iter().find(|channel| place.starts_with(channel.name()));
        let member = channel.map_or("tick", Channel::name);
        Fault::in_member(self.line, member, place, error.rule())
    }

    /// A tick carries every declared channel and no other.
    fn check_channels(&self, row: &TickRow<'_>) -> Result<(), Fault> {
        let carried = [
            row.step.is_some(),
            row.rng.is_some(),
            row.calls.is_some(),
            row.state.is_some(),
            row.entities.is_some(),
            row.checkpoint.is_some(),
            row.timing.is_some(),
            row.events.is_some(),
            row.memory.is_some(),
        ];
        for (channel, carried) in Channel::ALL.into_iter().zip(carried) {
            let name = channel.name();
            match (self.layout.channels().contains(channel), carried) {
                (true, false) => {
                    let rule = format!("the layout declares {name}, so every tick carries it; it is missing here");
                    return Err(Fault::in_member(self.line, name, name, rule));
                }
                (false, true) => {
                    let rule = "the layout does not declare this channel, so no tick may carry it";
                    return Err(Fault::in_member(self.line, name, name, rule));
                }
                _ => {}
            }
        }
        match (self.layout.channels().contains(Channel::Step), row.elapsed) {
            (true, None) => {
                let rule = "the layout declares step, so every tick carries its elapsed time; it is missing here";
                Err(Fault::in_member(self.line, "elapsed", "elapsed", rule))
            }
            (false, Some(_)) => {
                let rule = "elapsed belongs to the step channel, which the layout does not declare";
                Err(Fault::in_member(self.line, "elapsed", "elapsed", rule))
            }
            _ => Ok(()),
        }
    }

    fn step(&self, wire: &WireStep<'_>, elapsed: u64, tick: &mut TickBuilder<'_>) -> Result<(), Refusal> {
        let mut commands = Vec::with_capacity(wire.commands.len());
        for (index, command) in wire.commands.iter().enumerate() {
            let path = format!("step.commands[{index}]");
            let kind = self.find(&self.names.commands, &command.kind, &format!("{path}.kind"), "command")?;
            let args = self.values(&command.args, &self.layout.command_kinds()[kind].args, &format!("{path}.args"))?;
            commands.push(Command { player: PlayerId(command.player), kind: KindId(narrow(kind)), args });
        }
        let input = |player: &super::wire::WireInput| Input {
            buttons: player.buttons,
            move_x: player.move_x.0,
            move_y: player.move_y.0,
            aim_x: player.aim_x.0,
            aim_y: player.aim_y.0,
        };
        let inputs = wire.players.iter().map(input).collect();
        Ok(tick.step(&Step { dt: wire.dt.0, elapsed, mode: wire.mode, inputs, commands })?)
    }

    fn draw(&self, wire: &WireDraw<'_>, seq: u32, tick: &mut TickBuilder<'_>) -> Result<(), Refusal> {
        self.check_seq(wire.seq, seq, "rng")?;
        let stream = self.find(&self.names.streams, &wire.stream, &format!("rng[{}].stream", seq - 1), "stream")?;
        Ok(tick.draw(Draw {
            stream: StreamId(u8::try_from(stream).expect("a layout has at most 256 streams")),
            value: wire.value,
            before: wire.before.0,
            after: wire.after.0,
            caller: wire.caller,
        })?)
    }

    fn call(&self, wire: &WireCall<'_>, seq: u32, tick: &mut TickBuilder<'_>) -> Result<(), Refusal> {
        self.check_seq(wire.seq, seq, "calls")?;
        let path = format!("calls[{}]", seq - 1);
        let syscall = self.find(&self.names.syscalls, &wire.syscall, &format!("{path}.syscall"), "syscall")?;
        let stage = self.find(&self.names.stages, &wire.stage, &format!("{path}.stage"), "stage")?;
        let declared = &self.layout.syscalls()[syscall];
        let args = self.values(&wire.args, &declared.args, &format!("{path}.args"))?;
        let result = match (&wire.result, declared.result) {
            (None, _) => None,
            (Some(value), Some(ty)) => Some(self.value(*value, ty, &format!("{path}.result"))?),
            (Some(value), None) => {
                let rule = "the syscall gives no result, so null is expected";
                return Err(Fault::in_part(self.line, value.0.get(), format!("{path}.result"), rule).into());
            }
        };
        let decision = match wire.decision {
            WireDecision::Allowed => Decision::Allowed,
            WireDecision::Denied => Decision::Denied,
        };
        let syscall = SyscallId(u32::try_from(syscall).expect("a layout has at most 4,096 syscalls"));
        Ok(tick.call(Call { syscall, stage: StageId(narrow(stage)), args: &args, result, decision })?)
    }

    fn entity(&self, wire: &WireEntity<'_>, tick: &mut TickBuilder<'_>) -> Result<(), Refusal> {
        let kind = self.find(&self.names.kinds, &wire.kind, "entities.kind", "entity kind")?;
        let uid = Uid { kind: KindId(narrow(kind)), slot: Slot(wire.slot), generation: Generation(wire.generation) };
        let declared = &self.layout.entity_kinds()[kind];
        let path = || format!("entities.{}[slot={},gen={}]", wire.kind, wire.slot, wire.generation);
        let values = self.values_at(&wire.fields, &declared.fields, path)?;
        Ok(tick.entity(uid, &values)?)
    }

    fn checkpoint(&self, wire: &WireCheckpoint, tick: &mut TickBuilder<'_>) -> Result<(), Refusal> {
        let numbers = |list: &[super::wire::WireU64]| -> Vec<u64> { list.iter().map(|number| number.0).collect() };
        let declared = self.layout.spec().checkpoint.clone().unwrap_or_default();
        let parts = [
            ("rng_state", declared.rng_state, wire.rng_state.is_some()),
            ("entity_counts", declared.entity_counts, wire.entity_counts.is_some()),
            ("fuel", declared.fuel, wire.fuel.is_some()),
        ];
        for (name, declared, carried) in parts {
            if declared != carried {
                let rule = if declared {
                    "it is declared, so null cannot stand here"
                } else {
                    "it is not declared, so null is expected"
                };
                return Err(Fault::in_member(self.line, name, format!("checkpoint.{name}"), rule).into());
            }
        }
        Ok(tick.checkpoint(&Checkpoint {
            digests: &numbers(&wire.digests),
            rng_state: &numbers(wire.rng_state.as_deref().unwrap_or_default()),
            entity_counts: wire.entity_counts.as_deref().unwrap_or_default(),
            fuel: wire.fuel.map(|fuel| fuel.0),
            counters: &numbers(&wire.counters),
        })?)
    }

    fn timing(&self, wire: &WireTiming<'_>, index: u32, tick: &mut TickBuilder<'_>) -> Result<(), Refusal> {
        let stage = self.find(&self.names.stages, &wire.stage, &format!("timing[{}].stage", index - 1), "stage")?;
        Ok(tick.timing(TimingSample { stage: StageId(narrow(stage)), fuel: wire.fuel.0, wall_ns: wire.wall_ns.0 })?)
    }

    fn event(&self, wire: &WireEvent<'_>, seq: u32, tick: &mut TickBuilder<'_>) -> Result<(), Refusal> {
        self.check_seq(wire.seq, seq, "events")?;
        let path = format!("events[{}]", seq - 1);
        let kind = self.find(&self.names.events, &wire.kind, &format!("{path}.kind"), "event")?;
        let values = self.values(&wire.values, &self.layout.event_kinds()[kind].values, &format!("{path}.values"))?;
        let subject = match &wire.subject {
            None => None,
            Some(subject) => {
                let kind =
                    self.find(&self.names.kinds, &subject.kind, &format!("{path}.subject.kind"), "entity kind")?;
                let (slot, generation) = (Slot(subject.slot), Generation(subject.generation));
                Some(Uid { kind: KindId(narrow(kind)), slot, generation })
            }
        };
        if wire.cause == Some(0) {
            let rule = "a cause is the seq of an earlier event of the tick, from 1; null when there is none";
            return Err(Fault::in_member(self.line, "cause", format!("{path}.cause"), rule).into());
        }
        let origin = match wire.origin {
            WireOrigin::Guest => Origin::Guest,
            WireOrigin::Host => Origin::Host,
            WireOrigin::Debugger => Origin::Debugger,
        };
        Ok(tick.event(Event {
            kind: KindId(narrow(kind)),
            origin,
            subject,
            values: &values,
            cause: wire.cause.map(Seq),
        })?)
    }

    fn page(&self, wire: &WirePage<'_>, tick: &mut TickBuilder<'_>) -> Result<(), Refusal> {
        let content = STANDARD.decode(wire.content.as_bytes()).map_err(|error| {
            let rule = format!("base64 of one page is expected: {error}");
            Fault::in_part(self.line, &wire.content, format!("memory[page={}].content", wire.page), rule)
        })?;
        Ok(tick.page(PageId(wire.page), &content)?)
    }

    fn check_seq(&self, got: u32, expected: u32, channel: &str) -> Result<(), Fault> {
        if got == expected {
            return Ok(());
        }
        let rule = format!("rows count from 1 in each tick; seq {expected} is expected here, not {got}");
        Err(Fault::in_member(self.line, channel, format!("{channel}[{}].seq", expected - 1), rule))
    }

    /// Index of a declared name. A linear search: layouts have few names, and most ticks use the first ones.
    fn find(&self, names: &[String], name: &str, path: &str, what: &str) -> Result<usize, Fault> {
        names.iter().position(|known| known == name).ok_or_else(|| {
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let rule = format!("{what} {name:?} is not declared; the layout has {known}");
            Fault::in_part(self.line, name, path, rule)
        })
    }

    fn values(&self, values: &[WireValue<'_>], fields: &[Field], path: &str) -> Result<Vec<Scalar>, Fault> {
        self.values_at(values, fields, || path.to_owned())
    }

    fn values_at(
        &self,
        values: &[WireValue<'_>],
        fields: &[Field],
        path: impl Fn() -> String,
    ) -> Result<Vec<Scalar>, Fault> {
        if values.len() != fields.len() {
            let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
            let rule = format!("{} values are declared ({}), not {}", fields.len(), names.join(", "), values.len());
            let member = path();
            let member = member.split(['.', '[']).next().unwrap_or("tick").to_owned();
            let first = values.first().map(|value| value.0.get());
            return Err(match first {
                Some(text) => Fault::in_part(self.line, text, path(), rule),
                None => Fault::in_member(self.line, &member, path(), rule),
            });
        }
        let parse = |(value, field): (&WireValue<'_>, &Field)| {
            parse_scalar(value.0.get(), field.scalar_type)
                .map_err(|rule| Fault::in_part(self.line, value.0.get(), format!("{}.{}", path(), field.name), rule))
        };
        values.iter().zip(fields).map(parse).collect()
    }

    fn value(&self, value: WireValue<'_>, scalar_type: ScalarType, path: &str) -> Result<Scalar, Fault> {
        let text = value.0.get();
        parse_scalar(text, scalar_type).map_err(|rule| Fault::in_part(self.line, text, path, rule))
    }
}

fn narrow(index: usize) -> u16 {
    u16::try_from(index).expect("a layout's lists have at most 4,096 entries")
}

/// Parses the JSON text of a value by its declared type.
fn parse_scalar(text: &str, scalar_type: ScalarType) -> Result<Scalar, String> {
    let digits = || text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    match scalar_type {
        ScalarType::Bool => match text {
            "true" => Ok(Scalar::Bool(true)),
            "false" => Ok(Scalar::Bool(false)),
            _ => Err(format!("true or false is expected, not {text}")),
        },
        ScalarType::I32 => integer(text, "an i32 is a JSON integer from -2147483648 to 2147483647").map(Scalar::I32),
        ScalarType::U32 => integer(text, "a u32 is a JSON integer from 0 to 4294967295").map(Scalar::U32),
        ScalarType::I64 => {
            let value = digits().and_then(|digits| {
                let magnitude = digits.strip_prefix('-').unwrap_or(digits);
                let plain = parse_u64(magnitude).is_ok() && digits != "-0";
                digits.parse().ok().filter(|_| plain)
            });
            let rule = || format!("an i64 is a string of decimal digits like \"-42\", not {text}");
            value.map(Scalar::I64).ok_or_else(rule)
        }
        ScalarType::U64 => match digits() {
            Some(digits) => parse_u64(digits).map(Scalar::U64),
            None => Err(format!("a u64 is a string of decimal digits like \"42\", not {text}")),
        },
        ScalarType::F32 => parse_f32(text).map(Scalar::F32),
        ScalarType::F64 => {
            let value: Option<f64> = Some(text).filter(|text| is_number(text)).and_then(|text| text.parse().ok());
            let value = value.filter(|value| value.is_finite());
            value.map(Scalar::F64).ok_or_else(|| format!("a finite f64 is expected, not {text}"))
        }
        ScalarType::U8 | ScalarType::U16 => unreachable!("layouts declare no such fields"),
    }
}

/// Parses a JSON integer: no fraction, no exponent, and no minus before zero.
fn integer<T: std::str::FromStr>(text: &str, rule: &str) -> Result<T, String> {
    let plain = is_number(text) && text != "-0";
    text.parse().ok().filter(|_| plain).ok_or_else(|| format!("{rule}, not {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_come_back_to_the_bit() {
        let f32s = [0.0, -0.0, 1.0e-45, f32::MIN_POSITIVE, f32::MAX, 0.1, 16_777_217.0, 1.175_494_2e-38];
        for value in f32s {
            let text = format!("{value:?}");
            assert_eq!(parse_scalar(&text, ScalarType::F32), Ok(Scalar::F32(value)), "{text}");
        }
        // Halfway between two f32s but for a digit beyond f64's precision: through f64 this rounds to the wrong one.
        let text = "1.00000017881393432617187499999999";
        assert_eq!(parse_scalar(text, ScalarType::F32), Ok(Scalar::F32(1.000_000_1)));
        assert_eq!(parse_scalar("-0.0", ScalarType::F64), Ok(Scalar::F64(-0.0)));
        assert_eq!(parse_scalar("-0", ScalarType::F32), Ok(Scalar::F32(-0.0)));
    }

    #[test]
    fn what_is_not_of_the_type_is_refused() {
        for (text, ty) in [
            ("1e40", ScalarType::F32),
            ("\"1\"", ScalarType::F32),
            ("null", ScalarType::F32),
            ("1e999", ScalarType::F64),
            ("1.0", ScalarType::I32),
            ("-0", ScalarType::I32),
            ("2147483648", ScalarType::I32),
            ("-1", ScalarType::U32),
            ("1", ScalarType::U64),
            ("\"+1\"", ScalarType::U64),
            ("\"01\"", ScalarType::U64),
            ("\"18446744073709551616\"", ScalarType::U64),
            ("\"-0\"", ScalarType::I64),
            ("\"9223372036854775808\"", ScalarType::I64),
            ("1", ScalarType::Bool),
        ] {
            assert!(parse_scalar(text, ty).is_err(), "{text} is no {ty}");
        }
        assert_eq!(parse_scalar("\"-9223372036854775808\"", ScalarType::I64), Ok(Scalar::I64(i64::MIN)));
    }
}
