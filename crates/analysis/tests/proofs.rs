//! Planted faults are seen, and what is not compared is not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::sync::Arc;

use cdt_analysis::{DiffOptions, HealthVerdict, Policy, Proof, WhyNotPlanted, health, prove};
use cdt_schema::{ChannelSet, Draw, KindId, Scalar, StreamId, TableKind, Tick, TickBuilder};
use cdt_testkit::{PlainTick, Scene, full_layout, meta, write_full, write_plain, write_w1};
use cdt_trace::{Encoder, Options, Trace, Unwatched, splice};

fn open(bytes: Vec<u8>) -> Trace<Vec<u8>> {
    Trace::from_source(bytes, Path::new("fixture")).unwrap()
}

fn proof(reference: &Trace<Vec<u8>>, candidate: &Trace<Vec<u8>>, options: &DiffOptions) -> Proof {
    prove(reference, candidate, options, &Unwatched).unwrap().proof.unwrap()
}

fn policy(rules: &str) -> DiffOptions {
    let policy = Policy::from_toml(&format!("schema = \"cdt.policy/1\"\n{rules}")).unwrap();
    DiffOptions { policy, ..DiffOptions::default() }
}

/// The fields in which faults were planted, without what tells rows.
fn names(proof: &Proof) -> Vec<String> {
    proof.fields.iter().map(|field| format!("{}: {}", field.what, field.fault)).collect()
}

#[test]
fn every_fault_in_every_channel_is_seen() {
    let reference = open(write_full(200, 5, Options { block_ticks: 32, ..Options::LIVE }));
    let candidate = open(write_full(200, 5, Options { block_ticks: 50, ..Options::ARCHIVE }));
    let proof = proof(&reference, &candidate, &DiffOptions::default());
    assert!(proof.is_complete(), "{:?}", proof.survivors);
    let not_planted = proof.not_planted.iter().map(|entry| format!("{}: {}, {:?}", entry.what, entry.fault, entry.why));
    insta::assert_snapshot!(format!(
        "{} of {}\n{}\n\nnot planted\n{}",
        proof.killed,
        proof.planted,
        names(&proof).join("\n"),
        not_planted.collect::<Vec<_>>().join("\n")
    ));
}

#[test]
fn faults_beyond_a_tolerance_are_seen_and_masked_fields_have_none() {
    let trace = open(write_plain(500, Options { block_ticks: 64, ..Options::LIVE }, |_, _| {}));
    let options = policy(
        "[[leave_out]]\nwhat = \"entities.creature.hp\"\nreason = \"a\"\n\
         [[tolerance]]\nwhat = \"entities.creature.x\"\nulp = 4\nreason = \"b\"\n\
         [[tolerance]]\nwhat = \"state.energy\"\nrelative = 0.001\nreason = \"c\"\n\
         [[tolerance]]\nwhat = \"state.score\"\nabsolute = 5.0\nreason = \"d\"",
    );
    let proof = proof(&trace, &trace, &options);
    assert!(proof.is_complete(), "{:?}", proof.survivors);
    insta::assert_snapshot!(names(&proof).join("\n"));
}

/// A plain run of 200 ticks after `fault`.
fn plain(fault: impl FnMut(u32, &mut PlainTick)) -> Trace<Vec<u8>> {
    open(write_plain(200, Options { block_ticks: 32, ..Options::LIVE }, fault))
}

#[test]
fn a_field_that_is_off_in_every_tick_hides_no_other() {
    let reference = plain(|_, _| {});
    let unproven = |proof: &Proof| {
        let never = proof.not_planted.iter().filter(|entry| entry.why == WhyNotPlanted::NeverAgrees);
        never.map(|entry| format!("{}: {}", entry.what, entry.fault)).collect::<Vec<_>>()
    };
    // Nothing can be proven of a score that is never right, and so nothing is claimed.
    let off = plain(|_, plain| {
        plain.score += 1;
        plain.creatures.iter_mut().for_each(|creature| creature.hp -= 1);
    });
    let all = proof(&reference, &off, &DiffOptions::default());
    assert_eq!(unproven(&all), ["state.score: other value", "entities.creature.hp: other value"]);
    assert!(!all.is_complete() && all.survivors.is_empty() && all.planted == all.killed, "{all:?}");
    let planted = names(&all);
    for what in ["state.energy: other value", "entities.creature.x: other value", "entities.creature: row missing"] {
        assert!(planted.contains(&what.to_owned()), "{planted:?}");
    }
    // Of one that is right once, it is.
    let once = plain(|tick, plain| plain.score += u32::from(tick != 150));
    let all = proof(&reference, &once, &DiffOptions::default());
    assert!(all.is_complete(), "{all:?}");
    // An entity that the candidate never has is off in every tick too, and its kind's fields are proven on the others.
    let fewer = plain(|_, plain| plain.creatures.truncate(11));
    assert!(proof(&reference, &fewer, &DiffOptions::default()).is_complete());
    let none = plain(|_, plain| plain.creatures.clear());
    assert_eq!(unproven(&proof(&reference, &none, &DiffOptions::default())), ["entities.creature: any"]);
}

#[test]
fn a_short_run_is_proven_in_all_its_parts() {
    let run = |fault: &dyn Fn(u32) -> bool| {
        let off = |tick: u32, plain: &mut PlainTick| plain.score += u32::from(fault(tick));
        open(write_plain(30, Options::LIVE, off))
    };
    // Right at its beginning and near its end: one fault for each of the two parts.
    let proof = proof(&run(&|_| false), &run(&|tick| tick > 2 && tick != 25), &DiffOptions::default());
    let score = proof.fields.iter().find(|field| field.what == "state.score").unwrap();
    assert_eq!((score.planted, score.killed), (2, 2));
    // Early, in the middle and late is meant of what is compared.
    let trace = run(&|_| false);
    let planted = |window: &str| {
        let options = DiffOptions { window: window.parse().unwrap(), ..DiffOptions::default() };
        let fields = prove(&trace, &trace, &options, &Unwatched).unwrap().proof.unwrap().fields;
        fields.iter().find(|field| field.what == "state.score").unwrap().planted
    };
    assert_eq!((planted("..6"), planted("20..26"), planted("..")), (3, 3, 3));
}

#[test]
fn ticks_that_no_run_has_take_no_time() {
    let mut encoder = Encoder::new(&meta(), Arc::new(full_layout()), Options::LIVE);
    let mut scene = Scene::new(5);
    for number in [0, u32::MAX] {
        encoder.append(Tick(number), |tick| scene.fill(tick)).unwrap();
    }
    let trace = open(encoder.finish("complete").0);
    let proof = proof(&trace, &trace, &DiffOptions::default());
    assert!(proof.is_complete() && proof.planted > 50, "{proof:?}");
}

#[test]
fn a_draw_too_many_in_every_tick_hides_no_fault_in_the_others() {
    let reference = open(write_full(60, 5, Options { block_ticks: 16, ..Options::LIVE }));
    let extra = |tick: &mut TickBuilder<'_>| {
        tick.draw(Draw { stream: StreamId(2), value: 1_000, before: 0, after: 0, caller: 7 })
    };
    let mut encoder = Encoder::new(&meta(), Arc::new(full_layout()), Options { block_ticks: 16, ..Options::LIVE });
    let mut scene = Scene::new(5);
    for number in 0..60 {
        encoder.append(Tick(number), |tick| extra(tick).and_then(|()| scene.fill(tick))).unwrap();
    }
    let candidate = open(encoder.finish("complete").0);
    let proof = proof(&reference, &candidate, &DiffOptions::default());
    assert!(proof.survivors.is_empty(), "{:?}", proof.survivors);
    let planted = names(&proof);
    for what in ["stream", "value", "before", "after"] {
        assert!(planted.contains(&format!("rng.{what}: other value")), "{planted:?}");
    }
    let unproven = proof.not_planted.iter().filter(|entry| entry.why == WhyNotPlanted::NeverAgrees);
    assert_eq!(unproven.map(|entry| entry.fault).collect::<Vec<_>>(), ["row missing", "row extra"]);
}

#[test]
fn two_runs_that_have_nothing_in_common_lack_no_fault_by_mistake() {
    let run = |seed| open(write_full(120, seed, Options { block_ticks: 32, ..Options::LIVE }));
    for seed in 6..12 {
        let proof = proof(&run(5), &run(seed), &DiffOptions::default());
        assert!(proof.survivors.is_empty() && proof.planted > 100, "seed {seed}: {:?}", proof.survivors);
    }
}

/// A run of W1 whose entities' hp are one less from a tick on.
fn w1(ticks: u32, fork: u32) -> Trace<Vec<u8>> {
    let bytes = write_w1(ticks, true, Options::LIVE, |tick, row| {
        if tick >= fork {
            row.entities.iter_mut().for_each(|entity| entity.floats[5] -= 1.0);
        }
    });
    open(bytes)
}

#[test]
fn a_run_of_w1_and_its_fork_are_proven() {
    let proof = proof(&w1(1_000, u32::MAX), &w1(1_000, 700), &DiffOptions::default());
    assert!(proof.is_complete() && proof.planted > 150, "{proof:?}");
}

#[test]
fn a_spliced_trace_is_healthy_and_differs_in_its_block_alone() {
    let bytes = write_full(150, 3, Options { block_ticks: 20, ..Options::LIVE });
    let trace = open(bytes);
    for block in [0, 3, 7] {
        let rows = trace.block(block, ChannelSet::ALL).unwrap();
        let copy = Trace::from_source(splice(&trace, block, &rows).unwrap(), Path::new("copy")).unwrap();
        assert_eq!(copy.index().content_digest, trace.index().content_digest);
        assert_eq!(health(&copy, &Unwatched).unwrap().verdict, HealthVerdict::Healthy, "block {block}");
        let state = trace.layout().table(TableKind::State).unwrap();
        let mut tables = rows.clone().into_tables();
        let cdt_schema::Column::W8(flags) = &mut tables[state.0].columns[0] else { panic!("a bool") };
        flags[5] ^= 1;
        // A value that no other entity has, so that the block's range is another.
        let creatures = trace.layout().table(TableKind::Entities(KindId(0))).unwrap();
        let key_columns = trace.layout().tables()[creatures.0].key_columns();
        let cdt_schema::Column::W32(field) = &mut tables[creatures.0].columns[key_columns] else { panic!("32 bits") };
        *field.last_mut().unwrap() = 1.0e9f32.to_bits();
        let changed =
            cdt_schema::Rows::from_decoded(rows.layout().clone(), rows.ticks().to_vec(), tables, ChannelSet::ALL);
        let copy = splice(&trace, block, &changed.unwrap()).unwrap();
        let copy = Trace::from_source(copy, Path::new("copy")).unwrap();
        assert_ne!(copy.index().content_digest, trace.index().content_digest);
        let highest = copy.ranges(0).unwrap().field(block, creatures, 0).unwrap().unwrap().1;
        assert_eq!(highest, u64::from(1.0e9f32.to_bits()));
        assert_eq!(health(&copy, &Unwatched).unwrap().verdict, HealthVerdict::Healthy, "block {block}");
        for other in 0..trace.index().blocks.len() {
            let (theirs, ours) =
                (trace.block(other, ChannelSet::ALL).unwrap(), copy.block(other, ChannelSet::ALL).unwrap());
            assert_eq!(theirs == ours, other != block);
            let value = |rows: &cdt_schema::Rows| rows.scalar(state, 0, 5);
            assert_eq!(value(&theirs) == value(&ours), other != block);
            assert!(matches!(value(&ours), Scalar::Bool(_)));
        }
    }
}
