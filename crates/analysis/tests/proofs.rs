//! Planted faults are seen, and what is not compared is not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use cdt_analysis::{DiffOptions, HealthVerdict, Policy, Proof, health, prove};
use cdt_schema::{ChannelSet, Scalar, TableKind};
use cdt_testkit::{write_full, write_plain, write_w1};
use cdt_trace::{Options, Trace, Unwatched, splice};

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
    let not_planted = proof.not_planted.iter().map(|entry| format!("{}: {}, {}", entry.what, entry.fault, entry.why));
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
        let changed =
            cdt_schema::Rows::from_decoded(rows.layout().clone(), rows.ticks().to_vec(), tables, ChannelSet::ALL);
        let copy = splice(&trace, block, &changed.unwrap()).unwrap();
        let copy = Trace::from_source(copy, Path::new("copy")).unwrap();
        assert_ne!(copy.index().content_digest, trace.index().content_digest);
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
