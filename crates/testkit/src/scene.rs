//! A run that uses every channel.

use std::sync::Arc;

use cdt_schema::{
    Call, Checkpoint, CheckpointLayout, Command, CommandKind, Decision, Draw, EntityKind, Event, EventKind, Field,
    Generation, Input, KindId, Layout, LayoutSpec, MemoryLayout, Origin, PageId, PlayerId, RngAlgorithm, RngStream,
    RowError, Scalar, ScalarType, Seq, Slot, StageId, Step, StepLayout, StreamId, Syscall, SyscallId, Tick,
    TickBuilder, TimingSample, Uid,
};
use cdt_trace::{Encoder, Loss, LossKind, Options};

use crate::{Numbers, meta};

const PAGES: u32 = 4;
const PAGE_SIZE: usize = 64;

fn field(name: &str, scalar_type: ScalarType) -> Field {
    Field { name: name.to_owned(), scalar_type }
}

/// A layout with every channel, and of each list at least one entry with and one without members.
pub fn full_layout() -> Layout {
    let stream = |name: &str, algorithm| RngStream { name: name.to_owned(), algorithm };
    let syscall = |name: &str, args, result| Syscall {
        module: "sys".to_owned(),
        name: name.to_owned(),
        version: 1,
        args,
        result,
    };
    let state = ScalarType::DECLARABLE.map(|ty| field(&format!("a_{}", ty.name()), ty)).to_vec();
    let creature = vec![field("x", ScalarType::F32), field("hp", ScalarType::I32), field("id", ScalarType::U64)];
    let spec = LayoutSpec {
        players: 2,
        stages: vec!["input".to_owned(), "update".to_owned()],
        step: Some(StepLayout {
            commands: vec![
                CommandKind {
                    name: "buy".to_owned(),
                    args: vec![field("item", ScalarType::U32), field("price", ScalarType::F32)],
                },
                CommandKind { name: "wait".to_owned(), args: vec![] },
            ],
        }),
        rng: Some(vec![
            stream("main", RngAlgorithm::MsvcLcg),
            stream("map", RngAlgorithm::Pcg32),
            stream("device", RngAlgorithm::Opaque),
        ]),
        calls: Some(vec![
            syscall("blit", vec![field("x", ScalarType::I32), field("y", ScalarType::I32)], Some(ScalarType::I32)),
            syscall("flip", vec![], None),
        ]),
        state: Some(state),
        entities: Some(vec![
            EntityKind { name: "creature".to_owned(), fields: creature },
            EntityKind { name: "marker".to_owned(), fields: vec![] },
        ]),
        checkpoint: Some(CheckpointLayout {
            state_digest: true,
            frame_digest: true,
            audio_digest: true,
            rng_state: true,
            entity_counts: true,
            fuel: true,
            counters: vec!["frames".to_owned()],
        }),
        timing: true,
        events: Some(vec![
            EventKind { name: "hit".to_owned(), values: vec![field("by", ScalarType::F64)] },
            EventKind { name: "ping".to_owned(), values: vec![] },
        ]),
        memory: Some(MemoryLayout { page_size: 64, pages: PAGES }),
    };
    Layout::new(spec).expect("the fixture's layout is sound")
}

/// Makes the ticks of such a run.
#[derive(Clone, Debug)]
pub struct Scene {
    numbers: Numbers,
    tick: u32,
    lcg: u32,
    pcg: u64,
    /// Generation of each slot and whether it is alive.
    slots: Vec<(u32, bool)>,
    score: u32,
    hits_by: f64,
}

impl Scene {
    /// The run of a seed.
    pub fn new(seed: u64) -> Scene {
        Scene { numbers: Numbers(seed), tick: 0, lcg: 1, pcg: seed, slots: vec![(0, false); 6], score: 0, hits_by: 0.1 }
    }

    /// The same run, but for the value that its hits carry, which is 0.1 otherwise.
    #[must_use]
    pub fn with_hits_by(self, hits_by: f64) -> Scene {
        Scene { hits_by, ..self }
    }

    /// Fills the next tick.
    ///
    /// # Errors
    /// None, unless the layout is another one than [`full_layout`].
    pub fn fill(&mut self, tick: &mut TickBuilder<'_>) -> Result<(), RowError> {
        self.step(tick)?;
        self.draws(tick)?;
        self.calls(tick)?;
        self.state(tick)?;
        let living = self.entities(tick)?;
        tick.checkpoint(&Checkpoint {
            digests: &[self.numbers.draw(), 5, 6],
            rng_state: &[u64::from(self.lcg), self.pcg, 0],
            entity_counts: &[living, 1],
            fuel: Some(1000 + u64::from(self.tick % 3)),
            counters: &[u64::from(self.tick)],
        })?;
        for (stage, fuel) in [(0, 400), (1, 600 + u64::from(self.tick % 3))] {
            tick.timing(TimingSample { stage: StageId(stage), fuel, wall_ns: self.numbers.draw() % 100_000 })?;
        }
        self.events(tick)?;
        self.memory(tick)?;
        self.tick += 1;
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "the numbers are small")]
    fn step(&mut self, tick: &mut TickBuilder<'_>) -> Result<(), RowError> {
        let input = |buttons: u32| Input { buttons, move_x: buttons as f32 * 0.5, ..Input::default() };
        let inputs =
            if self.tick.is_multiple_of(4) { vec![input(self.numbers.below(4)), input(0)] } else { vec![input(0); 2] };
        let mut commands = Vec::new();
        if self.tick.is_multiple_of(5) {
            let args = vec![Scalar::U32(self.numbers.below(9)), Scalar::F32(2.5)];
            commands.push(Command { player: PlayerId(1), kind: KindId(0), args });
            commands.push(Command { player: PlayerId(0), kind: KindId(1), args: vec![] });
        }
        let elapsed = u64::from(self.tick) * 16_667;
        tick.step(&Step { dt: 1.0 / 60.0, elapsed, mode: 1, inputs, commands })
    }

    fn draws(&mut self, tick: &mut TickBuilder<'_>) -> Result<(), RowError> {
        for caller in 0..self.numbers.below(4) {
            let before = self.lcg;
            self.lcg = before.wrapping_mul(214_013).wrapping_add(2_531_011);
            let (before, after) = (u64::from(before), u64::from(self.lcg));
            tick.draw(Draw { stream: StreamId(0), value: self.lcg >> 16 & 0x7fff, before, after, caller })?;
        }
        let before = self.pcg;
        self.pcg = before.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let shifted = ((before >> 18 ^ before) >> 27) & 0xffff_ffff;
        let rotated = u32::try_from(shifted).expect("masked").rotate_right((before >> 59) as u32);
        tick.draw(Draw { stream: StreamId(1), value: rotated, before, after: self.pcg, caller: 0x40_1000 })?;
        tick.draw(Draw { stream: StreamId(2), value: self.numbers.below(100), before: 0, after: 0, caller: 7 })
    }

    fn calls(&mut self, tick: &mut TickBuilder<'_>) -> Result<(), RowError> {
        let args = [Scalar::I32(-3), Scalar::I32(i32::try_from(self.tick).unwrap_or(0))];
        let blit = Call {
            syscall: SyscallId(0),
            stage: StageId(1),
            args: &args,
            result: Some(Scalar::I32(1)),
            decision: Decision::Allowed,
        };
        tick.call(blit)?;
        if self.tick.is_multiple_of(3) {
            tick.call(Call { result: None, decision: Decision::Denied, ..blit })?;
        }
        let flip =
            Call { syscall: SyscallId(1), stage: StageId(0), args: &[], result: None, decision: Decision::Allowed };
        tick.call(flip)
    }

    #[expect(clippy::cast_precision_loss, reason = "the numbers are small")]
    fn state(&mut self, tick: &mut TickBuilder<'_>) -> Result<(), RowError> {
        self.score += self.numbers.below(3);
        let wave = (self.tick as f32) * 0.125;
        tick.state(&[
            Scalar::Bool(self.tick.is_multiple_of(7)),
            Scalar::I32(-40 + i32::try_from(self.tick % 80).expect("small")),
            Scalar::U32(self.score),
            Scalar::I64(-i64::from(self.tick)),
            Scalar::U64(u64::MAX - u64::from(self.tick)),
            Scalar::F32(if self.tick.is_multiple_of(2) { -0.0 } else { wave }),
            Scalar::F64(f64::from(wave).sqrt()),
        ])
    }

    /// Lets creatures be born and die, and gives how many live.
    fn entities(&mut self, tick: &mut TickBuilder<'_>) -> Result<u32, RowError> {
        let mut living = 0;
        for slot in 0..self.slots.len() {
            let change = self.numbers.below(6) == 0;
            let (generation, alive) = &mut self.slots[slot];
            if change {
                *alive = !*alive;
                *generation += u32::from(*alive);
            }
            if *alive {
                living += 1;
                let slot = u32::try_from(slot).expect("few slots");
                let uid = Uid { kind: KindId(0), slot: Slot(slot), generation: Generation(*generation) };
                let x = f32::from(u16::try_from(self.tick % 1000).expect("small")).mul_add(0.25, 1.0);
                tick.entity(uid, &[Scalar::F32(x), Scalar::I32(-7), Scalar::U64(u64::from(slot) << 40)])?;
            }
        }
        tick.entity(Uid { kind: KindId(1), slot: Slot(9), generation: Generation(0) }, &[])?;
        Ok(living)
    }

    fn events(&mut self, tick: &mut TickBuilder<'_>) -> Result<(), RowError> {
        let subject = Some(Uid { kind: KindId(0), slot: Slot(2), generation: Generation(1) });
        let values = [Scalar::F64(self.hits_by)];
        let hit = Event { kind: KindId(0), origin: Origin::Guest, subject, values: &values, cause: None };
        if self.tick.is_multiple_of(2) {
            tick.event(Event { kind: KindId(1), origin: Origin::Host, subject: None, values: &[], cause: None })?;
            tick.event(hit)?;
            tick.event(Event { origin: Origin::Debugger, ..hit })?;
            tick.event(Event { cause: Some(Seq(2)), subject: None, ..hit })?;
        }
        Ok(())
    }

    fn memory(&mut self, tick: &mut TickBuilder<'_>) -> Result<(), RowError> {
        for page in 0..PAGES {
            let changed = self.tick == 0 || self.numbers.below(3) == 0;
            if changed {
                let byte = u8::try_from(self.tick % 251).expect("below 251");
                let mut content = [byte; PAGE_SIZE];
                content[0] = u8::try_from(page).expect("few pages");
                tick.page(PageId(page), &content)?;
            }
        }
        Ok(())
    }
}

/// The bytes of a finished trace of a full run.
///
/// # Panics
/// Never, unless the writer is broken.
pub fn write_full(ticks: u32, seed: u64, options: Options) -> Vec<u8> {
    let mut encoder = Encoder::new(&meta(), Arc::new(full_layout()), options);
    let mut scene = Scene::new(seed);
    for tick in 0..ticks {
        encoder.append(Tick(tick), |tick| scene.fill(tick)).expect("the fixture obeys its layout");
    }
    encoder.finish("complete").0
}

/// The bytes of a finished trace of a full run of five ticks, with gaps between them and two losses.
///
/// # Panics
/// Never, unless the writer is broken.
pub fn write_lossy(options: Options) -> Vec<u8> {
    let mut encoder = Encoder::new(&meta(), Arc::new(full_layout()), options);
    let mut scene = Scene::new(11);
    for tick in [0, 1, 4, 5, 9] {
        encoder.append(Tick(tick), |tick| scene.fill(tick)).expect("the fixture obeys its layout");
        if tick == 1 {
            let detail = "a detail that is too long to stand in place".to_owned();
            encoder.record_loss(&Loss { kind: LossKind::DroppedTicks, from: Tick(2), to: Some(Tick(3)), detail });
        }
    }
    encoder.record_loss(&Loss { kind: LossKind::TruncatedTail, from: Tick(10), to: None, detail: "cut".to_owned() });
    encoder.finish("truncated").0
}
