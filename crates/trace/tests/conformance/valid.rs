//! The valid traces: each shows one feature, and has little else.

mod columns;
mod entities;
mod provenance;
mod rows;

use cdt_schema::{
    Call, Checkpoint, CheckpointLayout, CommandKind, Decision, EntityKind, EventKind, LayoutSpec, MemoryLayout, PageId,
    Scalar, ScalarType, StageId, Step, StepLayout, Syscall, SyscallId, TimingSample,
};
use cdt_testkit::{Numbers, write_full};
use cdt_trace::Options;

pub use entities::two_segments;

use crate::make::{Case, archive, case, field, live, state, trace};

/// All of them.
pub fn cases() -> Vec<Case> {
    let mut cases = channels();
    cases.extend(rows::cases());
    cases.extend(entities::cases());
    cases.extend(columns::cases());
    cases.extend(provenance::cases());
    cases
}

/// All channels, and those alone that are not in the other modules.
fn channels() -> Vec<Case> {
    let mut cases = vec![
        case("channels-all", write_full(6, 1, live(4))),
        case(
            "channel-state",
            trace(state(&[("hp", ScalarType::I32)]), live(8), 0..3, |_, tick| tick.state(&[Scalar::I32(-7)])),
        ),
        case("channel-state-without-fields", trace(state(&[]), live(8), 0..3, |_, tick| tick.state(&[]))),
    ];
    cases.extend([step(0), step(1), step(3)]);
    cases.extend([
        calls(),
        timing(),
        memory(1, 4, 8),
        memory(3, 9, 4),
        contents("live", live(8)),
        contents("archive", archive(8)),
    ]);
    cases.extend(checkpoints());
    cases
}

fn step(players: u8) -> Case {
    let buy = CommandKind { name: "buy".to_owned(), args: vec![field("item", ScalarType::U32)] };
    let commands = if players > 1 { vec![buy] } else { vec![] };
    let spec = LayoutSpec { players, step: Some(StepLayout { commands }), ..LayoutSpec::default() };
    let bytes = trace(spec, live(3), 0..5, |number, tick| {
        let input = |player: u8| cdt_schema::Input {
            buttons: number * u32::from(player),
            move_x: if player == 1 { -0.0 } else { 0.25 },
            ..cdt_schema::Input::default()
        };
        let order = |player: u8| cdt_schema::Command {
            player: cdt_schema::PlayerId(player),
            kind: cdt_schema::KindId(0),
            args: vec![Scalar::U32(number + 40)],
        };
        let commands = if players > 1 && number % 2 == 1 { vec![order(2), order(0)] } else { vec![] };
        let elapsed = u64::from(number) * 16_667;
        tick.step(&Step { dt: 1.0 / 60.0, elapsed, mode: 7, inputs: (0..players).map(input).collect(), commands })
    });
    case(format!("channel-step-{players}-players"), bytes)
}

fn calls() -> Case {
    let syscall = |name: &str, args, result| Syscall {
        module: "gfx".to_owned(),
        name: name.to_owned(),
        version: 2,
        args,
        result,
    };
    let syscalls = vec![
        syscall("blit", vec![field("x", ScalarType::I32), field("alpha", ScalarType::F32)], Some(ScalarType::U64)),
        syscall("flip", vec![], None),
    ];
    let stages = vec!["update".to_owned(), "draw".to_owned()];
    let spec = LayoutSpec { stages, calls: Some(syscalls), ..LayoutSpec::default() };
    let bytes = trace(spec, live(8), 0..4, |number, tick| {
        let args = [Scalar::I32(-1), Scalar::F32(0.5)];
        let blit = Call {
            syscall: SyscallId(0),
            stage: StageId(1),
            args: &args,
            result: Some(Scalar::U64(u64::MAX)),
            decision: Decision::Allowed,
        };
        let flip = Call { syscall: SyscallId(1), stage: StageId(0), args: &[], result: None, ..blit };
        match number {
            0 => Ok(()),
            1 => tick.call(blit),
            2 => tick.call(flip).and_then(|()| tick.call(blit)),
            _ => tick.call(Call { result: None, decision: Decision::Denied, ..blit }).and_then(|()| tick.call(flip)),
        }
    });
    case("channel-calls", bytes)
}

fn timing() -> Case {
    let spec = LayoutSpec { stages: vec!["all".to_owned()], timing: true, ..LayoutSpec::default() };
    let bytes = trace(spec, live(8), 0..3, |number, tick| {
        for sample in 0..number {
            let wall_ns = u64::from(sample) << 40;
            tick.timing(TimingSample { stage: StageId(0), fuel: 1000 + u64::from(number), wall_ns })?;
        }
        Ok(())
    });
    case("channel-timing", bytes)
}

fn memory(pages: u32, ticks: u32, block_ticks: usize) -> Case {
    let memory = Some(MemoryLayout { page_size: 64, pages });
    let spec = LayoutSpec { memory, ..LayoutSpec::default() };
    let bytes = trace(spec, live(block_ticks), 0..ticks, |number, tick| {
        (0..pages).filter(|page| number == 0 || number % (page + 2) == 0).try_for_each(|page| {
            let mut content = [0; 64];
            content[usize::try_from(number % 64).unwrap()] = u8::try_from(page + 1).unwrap();
            tick.page(PageId(page), &content)
        })
    });
    case(format!("channel-memory-{pages}-pages"), bytes)
}

/// Pages that are text, steps, noise and nothing, for columns of 8-bit numbers.
fn contents(name: &str, options: Options) -> Case {
    let memory = Some(MemoryLayout { page_size: 128, pages: 4 });
    let mut noise = Numbers(8);
    let bytes = trace(LayoutSpec { memory, ..LayoutSpec::default() }, options, 0..2, |number, tick| {
        let mut byte = |page: u32, at: u32| match page {
            0 => b"the quick brown fox "[usize::try_from((at + number) % 20).unwrap()],
            1 => u8::try_from(at / 8).unwrap(),
            2 => u8::try_from(noise.below(256)).unwrap(),
            _ => 0,
        };
        (0..4).try_for_each(|page| {
            let content: Vec<u8> = (0..128).map(|at| byte(page, at)).collect();
            tick.page(PageId(page), &content)
        })
    });
    case(format!("channel-memory-contents-{name}"), bytes)
}

fn checkpoints() -> Vec<Case> {
    let spec = |checkpoint| LayoutSpec { checkpoint: Some(checkpoint), ..LayoutSpec::default() };
    let bare =
        trace(spec(CheckpointLayout::default()), live(8), 0..3, |_, tick| tick.checkpoint(&Checkpoint::default()));
    let frame = CheckpointLayout { frame_digest: true, ..CheckpointLayout::default() };
    let frame = trace(spec(frame), live(8), 0..3, |number, tick| {
        tick.checkpoint(&Checkpoint { digests: &[u64::from(number) << 33], ..Checkpoint::default() })
    });
    let counters = CheckpointLayout {
        fuel: true,
        counters: vec!["frames".to_owned(), "sounds".to_owned()],
        ..CheckpointLayout::default()
    };
    let counters = trace(spec(counters), live(8), 0..3, |number, tick| {
        let counters = [u64::from(number), (1 << 53) + 1];
        tick.checkpoint(&Checkpoint { fuel: Some(u64::MAX), counters: &counters, ..Checkpoint::default() })
    });
    let kind = |name: &str| EntityKind { name: name.to_owned(), fields: vec![] };
    let counts = LayoutSpec {
        entities: Some(vec![kind("a"), kind("b")]),
        ..spec(CheckpointLayout { entity_counts: true, ..CheckpointLayout::default() })
    };
    let counts = trace(counts, live(8), 0..3, |_, tick| {
        tick.checkpoint(&Checkpoint { entity_counts: &[0, 0], ..Checkpoint::default() })
    });
    vec![
        case("channel-checkpoint-bare", bare),
        case("channel-checkpoint-frame-digest", frame),
        case("channel-checkpoint-fuel-counters", counters),
        case("channel-checkpoint-entity-counts", counts),
        case(
            "channel-events-none-declared",
            trace(
                LayoutSpec { events: Some(Vec::<EventKind>::new()), ..LayoutSpec::default() },
                live(8),
                0..2,
                |_, _| Ok(()),
            ),
        ),
    ]
}
