//! What holds of any two runs under any policy: runs of few values, so that much is the same and much is not, under policies
//! that are made up.

use std::path::Path;
use std::sync::Arc;

use cdt_schema::{
    Call, Channel, Checkpoint, CheckpointLayout, Command, CommandKind, Decision, Draw, EntityKind, Event, EventKind,
    Field, Generation, Input, KindId, Layout, LayoutSpec, MemoryLayout, Origin, PageId, PlayerId, RngAlgorithm,
    RngStream, RowError, Scalar, ScalarType, Seq, Slot, StageId, Step, StepLayout, StreamId, Syscall, SyscallId, Tick,
    TickBuilder, TimingSample, Uid,
};
use cdt_testkit::{Numbers, meta};
use cdt_trace::{Encoder, Options, Trace, Unwatched};

use crate::lens::Lens;
use crate::plan::Plan;
use crate::{Action, DiffOptions, Policy, Rule, Tolerance, prove};

const TICKS: u32 = 12;
const PAGE_SIZE: usize = 64;

fn layout() -> Layout {
    let field = |name: &str, scalar_type| Field { name: name.to_owned(), scalar_type };
    let syscall = |name: &str, args, result| Syscall {
        module: "sys".to_owned(),
        name: name.to_owned(),
        version: 1,
        args,
        result,
    };
    let command = |name: &str, args| CommandKind { name: name.to_owned(), args };
    let event = |name: &str, values| EventKind { name: name.to_owned(), values };
    let stream = |name: &str| RngStream { name: name.to_owned(), algorithm: RngAlgorithm::Opaque };
    // Kinds with the same members, with others of the same size, and with none.
    let prices = || vec![field("item", ScalarType::U32), field("price", ScalarType::F32)];
    let by = || vec![field("by", ScalarType::F64)];
    let x = || vec![field("x", ScalarType::I32)];
    let state = [("a", ScalarType::U32), ("b", ScalarType::F32), ("c", ScalarType::Bool), ("d", ScalarType::U32)];
    let fields = vec![field("x", ScalarType::F32), field("hp", ScalarType::I32)];
    Layout::new(LayoutSpec {
        players: 2,
        stages: vec!["input".to_owned(), "update".to_owned()],
        step: Some(StepLayout {
            commands: vec![command("buy", prices()), command("sell", prices()), command("wait", vec![])],
        }),
        rng: Some(vec![stream("main"), stream("map")]),
        calls: Some(vec![
            syscall("blit", x(), Some(ScalarType::I32)),
            syscall("blot", x(), Some(ScalarType::I32)),
            syscall("flip", vec![], None),
        ]),
        state: Some(state.map(|(name, ty)| field(name, ty)).to_vec()),
        entities: Some(vec![EntityKind { name: "creature".to_owned(), fields }]),
        checkpoint: Some(CheckpointLayout {
            state_digest: true,
            fuel: true,
            counters: vec!["frames".to_owned()],
            ..CheckpointLayout::default()
        }),
        timing: true,
        events: Some(vec![
            event("hit", by()),
            event("bump", by()),
            event("name", vec![field("n", ScalarType::U64)]),
            event("ping", vec![]),
        ]),
        memory: Some(MemoryLayout { page_size: 64, pages: 2 }),
    })
    .unwrap()
}

/// Fills ticks with values that are mostly 0.
struct Maker {
    numbers: Numbers,
    /// From when on slot 1 has its second tenant.
    reborn: u32,
    /// Until when each slot has one.
    deaths: [u32; 3],
    /// Where each stream's next draw begins.
    states: [u64; 2],
}

impl Maker {
    fn few(&mut self) -> u32 {
        self.numbers.below(6).saturating_sub(4)
    }

    fn float(&mut self) -> f32 {
        [0.0, 0.0, 0.0, f32::from_bits(1), 0.5][self.numbers.below(5) as usize]
    }

    fn fill(&mut self, number: u32, tick: &mut TickBuilder<'_>) -> Result<(), RowError> {
        self.step(tick)?;
        for _ in 0..self.numbers.below(3) {
            let stream = self.few().min(1) as usize;
            let after = u64::from(self.few());
            let before = std::mem::replace(&mut self.states[stream], after);
            let stream = StreamId(u8::try_from(stream).unwrap());
            tick.draw(Draw { stream, value: self.few(), before, after, caller: self.few() })?;
        }
        self.calls(tick)?;
        let (a, b, c, d) = (self.few(), self.float(), self.few() == 0, self.few());
        tick.state(&[Scalar::U32(a), Scalar::F32(b), Scalar::Bool(c), Scalar::U32(d)])?;
        for (slot, death) in (0..).zip(self.deaths) {
            if number < death {
                let generation = Generation(u32::from(slot == 1 && number >= self.reborn));
                let uid = Uid { kind: KindId(0), slot: Slot(slot), generation };
                let hp = i32::try_from(self.few()).unwrap();
                tick.entity(uid, &[Scalar::F32(self.float()), Scalar::I32(hp)])?;
            }
        }
        let (digest, fuel, counter) = (self.few().into(), Some(self.few().into()), self.few().into());
        let (rng_state, entity_counts) = (&[][..], &[][..]);
        tick.checkpoint(&Checkpoint { digests: &[digest], rng_state, entity_counts, fuel, counters: &[counter] })?;
        for _ in 0..self.numbers.below(3) {
            let stage = StageId(u16::try_from(self.few().min(1)).unwrap());
            tick.timing(TimingSample { stage, fuel: self.few().into(), wall_ns: self.numbers.draw() % 9 })?;
        }
        self.events(tick)?;
        for page in 0..2 {
            if number == 0 || self.few() > 0 {
                let mut content = [0; PAGE_SIZE];
                content[self.numbers.below(64) as usize] = u8::try_from(self.few()).unwrap();
                tick.page(PageId(page), &content)?;
            }
        }
        Ok(())
    }

    fn step(&mut self, tick: &mut TickBuilder<'_>) -> Result<(), RowError> {
        let mut inputs = Vec::new();
        for _ in 0..2 {
            inputs.push(Input { buttons: self.few(), move_x: self.float(), ..Input::default() });
        }
        let mut commands = Vec::new();
        for _ in 0..self.numbers.below(3) {
            let kind = self.numbers.below(3);
            let args = if kind < 2 { vec![Scalar::U32(self.few()), Scalar::F32(self.float())] } else { vec![] };
            let player = PlayerId(u8::try_from(self.few().min(1)).unwrap());
            commands.push(Command { player, kind: KindId(u16::try_from(kind).unwrap()), args });
        }
        tick.step(&Step { dt: 0.5, elapsed: self.few().into(), mode: self.few(), inputs, commands })
    }

    fn calls(&mut self, tick: &mut TickBuilder<'_>) -> Result<(), RowError> {
        for _ in 0..self.numbers.below(3) {
            let (syscall, is_denied) = (self.numbers.below(3), self.few() > 0);
            let integer = |n: u32| Scalar::I32(i32::try_from(n).unwrap());
            let args = if syscall < 2 { vec![integer(self.few())] } else { vec![] };
            let result = Some(integer(self.few())).filter(|_| syscall < 2 && !is_denied);
            let decision = if is_denied { Decision::Denied } else { Decision::Allowed };
            let stage = StageId(u16::try_from(self.few().min(1)).unwrap());
            tick.call(Call { syscall: SyscallId(syscall), stage, args: &args, result, decision })?;
        }
        Ok(())
    }

    fn events(&mut self, tick: &mut TickBuilder<'_>) -> Result<(), RowError> {
        for seq in 0..self.numbers.below(4) {
            let kind = self.numbers.below(4);
            let values = match kind {
                0 | 1 => vec![Scalar::F64(self.float().into())],
                2 => vec![Scalar::U64(self.few().into())],
                _ => vec![],
            };
            let origin = if self.few() == 0 { Origin::Guest } else { Origin::Host };
            let subject = Uid { kind: KindId(0), slot: Slot(self.few()), generation: Generation(0) };
            let subject = Some(subject).filter(|_| self.few() == 0);
            let cause = (seq > 0 && self.few() > 0).then(|| Seq(1 + self.numbers.below(seq)));
            let kind = KindId(u16::try_from(kind).unwrap());
            tick.event(Event { kind, origin, subject, values: &values, cause })?;
        }
        Ok(())
    }
}

fn record(seed: u64, options: Options) -> Trace<Vec<u8>> {
    let mut numbers = Numbers(seed);
    let (reborn, deaths) = (numbers.below(TICKS), [6; 3].map(|least| least + numbers.below(TICKS)));
    let mut maker = Maker { numbers, reborn, deaths, states: [0; 2] };
    let mut encoder = Encoder::new(&meta(), Arc::new(layout()), options);
    for number in 0..TICKS {
        encoder.append(Tick(number), |tick| maker.fill(number, tick)).unwrap();
    }
    Trace::from_source(encoder.finish("complete").0, Path::new("fixture")).unwrap()
}

/// What rules are about; none of it is refused by all of them.
const NAMES: [&str; 40] = [
    "step.dt",
    "step.mode",
    "step.players",
    "step.players.buttons",
    "step.commands",
    "step.commands.player",
    "step.commands.kind",
    "step.commands.args",
    "step.commands.args.item",
    "step.commands.args.price",
    "rng.stream",
    "rng.value",
    "rng.*",
    "calls.syscall",
    "calls.stage",
    "calls.args",
    "calls.args.x",
    "calls.result",
    "calls.result.result",
    "calls.decision",
    "state.a",
    "state",
    "entities.creature.x",
    "entities.creature.hp",
    "checkpoint.fuel",
    "checkpoint.counters.*",
    "timing.stage",
    "timing.fuel",
    "events.kind",
    "events.origin",
    "events.has_subject",
    "events.subject_*",
    "events.values",
    "events.values.by",
    "events.values.n",
    "events.cause",
    "events",
    "memory",
    "*.kind",
    "*.x",
];

fn rule(numbers: &mut Numbers) -> Rule {
    let what = NAMES[numbers.below(40) as usize].to_owned();
    let rename = |what: &str, candidate: &str| (what.to_owned(), Action::Rename(candidate.to_owned()));
    let (what, action) = match numbers.below(12) {
        0 => (what, Action::Within(Tolerance::Ulp(1))),
        1..4 => (what, Action::Within(Tolerance::Absolute(0.5))),
        4 => (what, Action::Within(Tolerance::Absolute(1.0))),
        5 => rename("state.a", "d"),
        6 => rename("state.d", "state.a"),
        _ => (what, Action::LeaveOut),
    };
    Rule { what, action, reason: "a test".to_owned() }
}

/// A comparison of everything, or of what a few rules leave.
fn options(numbers: &mut Numbers) -> DiffOptions {
    let count = numbers.below(5);
    let mut rules: Vec<Rule> = (0..count).map(|_| rule(numbers)).collect();
    if rules.iter().any(|rule| rule.what == "state.a" && rule.is_rename()) {
        let action = Action::Rename("a".to_owned());
        rules.push(Rule { what: "state.d".to_owned(), action, reason: "the other way too".to_owned() });
    }
    DiffOptions { policy: Policy { only: None, rules }, ..DiffOptions::default() }
}

/// Two runs that have nothing to do with each other.
fn pair(numbers: &mut Numbers) -> [Trace<Vec<u8>>; 2] {
    let blocks = Options { block_ticks: 1 + numbers.below(5) as usize, ..Options::LIVE };
    [(); 2].map(|()| record(numbers.draw(), blocks))
}

#[test]
fn a_channel_differs_when_there_is_a_difference_to_tell() {
    let mut numbers = Numbers(7);
    let mut seen = [[0u32; 2]; Channel::ALL.len()];
    for round in 0..2_000 {
        let (options, [reference, candidate]) = (options(&mut numbers), pair(&mut numbers));
        let Ok(plan) = Plan::new(&reference, &candidate, &options, &Unwatched) else { continue };
        let rules = &options.policy.rules;
        assert!(plan.reasons.is_empty(), "{rules:?}: {:?}", plan.reasons);
        let mut lens = Lens::new(&reference, &candidate, &plan);
        for at in (0..plan.pairing.total()).filter_map(|position| plan.pairing.at(position)) {
            let differing = lens.differing(at).unwrap();
            for channel in plan.rules.channels.iter() {
                let found = lens.differences(at, [channel].into_iter().collect()).unwrap();
                let (differs, tick) = (differing.contains(channel), at.tick());
                assert_eq!(differs, !found.is_empty(), "round {round}, tick {tick}, {channel}: {rules:?} {found:?}");
                seen[channel as usize][usize::from(differs)] += 1;
            }
        }
    }
    assert!(seen.iter().flatten().all(|&times| times > 100), "{seen:?}");
}

#[test]
fn no_fault_in_what_is_compared_survives() {
    let mut numbers = Numbers(8);
    let mut planted = 0;
    for round in 0..60 {
        let (options, [reference, candidate]) = (options(&mut numbers), pair(&mut numbers));
        let Ok(report) = prove(&reference, &candidate, &options, &Unwatched) else { continue };
        let proof = report.proof.unwrap();
        assert!(proof.survivors.is_empty(), "round {round}: {:?} {:?}", options.policy.rules, proof.survivors);
        planted += proof.planted;
    }
    assert!(planted > 3_000, "{planted}");
}
