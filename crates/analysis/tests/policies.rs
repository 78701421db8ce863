//! What policies make of comparisons: what is left out, what may be a little off, what has another name.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::sync::Arc;

use cdt_analysis::{Align, CauseClass, DiffOptions, DiffReport, Policy, ReasonCode, Verdict, diff};
use cdt_schema::{
    Channel, ChannelSet, Checkpoint, CheckpointLayout, EntityKind, Event, EventKind, Field, Input, KindId, Layout,
    LayoutSpec, Origin, RngAlgorithm, RngStream, Scalar, ScalarType, Step, StepLayout, Tick,
};
use cdt_testkit::{PlainTick, Scene, full_layout, meta, write_full, write_plain};
use cdt_trace::{Encoder, Options, Trace, Unwatched};

fn open(bytes: Vec<u8>) -> Trace<Vec<u8>> {
    Trace::from_source(bytes, Path::new("fixture")).unwrap()
}

fn policy(rules: &str) -> DiffOptions {
    let policy = Policy::from_toml(&format!("schema = \"cdt.policy/1\"\n{rules}")).unwrap();
    DiffOptions { policy, ..DiffOptions::default() }
}

fn leave_out(what: &str) -> DiffOptions {
    policy(&format!("[[leave_out]]\nwhat = \"{what}\"\nreason = \"a test\""))
}

fn within(what: &str, bound: &str) -> DiffOptions {
    policy(&format!("[[tolerance]]\nwhat = \"{what}\"\n{bound}\nreason = \"a test\""))
}

/// A plain run of 300 ticks against itself after `fault`.
fn planted(options: &DiffOptions, fault: impl FnMut(u32, &mut PlainTick)) -> DiffReport {
    let reference = open(write_plain(300, Options::LIVE, |_, _| {}));
    let candidate = open(write_plain(300, Options { block_ticks: 70, ..Options::ARCHIVE }, fault));
    diff(&reference, &candidate, options, &Unwatched).unwrap()
}

#[test]
fn what_is_left_out_does_not_diverge_and_is_told() {
    let fault = |_: u32, plain: &mut PlainTick| plain.creatures[3].hp += 1;
    for what in ["entities.creature.hp", "entities.*.hp", "entities.creature", "entities", "*.hp"] {
        let report = planted(&leave_out(what), fault);
        assert_eq!(report.verdict, Verdict::Equal, "{what}");
        let masks: Vec<&str> = report.policy.masks.iter().map(|mask| mask.what.as_str()).collect();
        let whole = ["entities.creature", "entities"].contains(&what);
        assert_eq!(masks, [if whole { "entities.creature" } else { "entities.creature.hp" }], "{what}");
        let never = |entry: &&cdt_analysis::NeverCompared| entry.why == "a test";
        assert_eq!(report.compared.never_compared.iter().filter(never).count(), 1);
        // Two state fields; slot, generation, x and y of twelve creatures.
        let values = if whole { 2 * 300 } else { 2 * 300 + 4 * 12 * 300 };
        assert_eq!(report.compared.values.unwrap().get(), values, "{what}");
    }
    let report = planted(&leave_out("entities.creature.x"), fault);
    assert_eq!(report.first_sustained.unwrap().path, "entities.creature[slot=3,gen=0].hp");
}

#[test]
fn a_policy_has_a_digest_of_what_it_asks() {
    let digest = |options: &DiffOptions| planted(options, |_, _| {}).policy.digest;
    let plain = digest(&DiffOptions::default());
    let masked = digest(&leave_out("state.score"));
    assert_ne!(plain, masked);
    let other_reason = policy("[[leave_out]]\nwhat = \"state.score\"\nreason = \"another\"");
    assert_eq!(digest(&other_reason), masked);
    assert_ne!(digest(&DiffOptions { sustain: 5, ..DiffOptions::default() }), plain);
    assert_ne!(digest(&DiffOptions { window: "..200".parse().unwrap(), ..DiffOptions::default() }), plain);
}

#[test]
fn rules_that_are_about_nothing_or_ask_for_what_cannot_be_are_refused() {
    let trace = open(write_plain(10, Options::LIVE, |_, _| {}));
    let refused = |options: &DiffOptions| diff(&trace, &trace, options, &Unwatched).unwrap_err().to_string();
    let renamed = |reference: &str, candidate: &str| {
        policy(&format!("[[rename]]\nreference = \"{reference}\"\ncandidate = \"{candidate}\"\nreason = \"a test\""))
    };
    let all = [
        refused(&leave_out("state.scores")),
        refused(&leave_out("entities.creature.slot")),
        refused(&within("state.score", "ulp = 3")),
        refused(&within("entities.creature.slot", "absolute = 3.0")),
        refused(&renamed("state.score", "points")),
        refused(&renamed("entities.creature.x", "y")),
        // A rename is of one field of the reference, in full.
        refused(&renamed("state", "mind")),
        refused(&renamed("state.*", "mind")),
        refused(&renamed("state.points", "score")),
        refused(&renamed("entities.creature.slot", "generation")),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn everything_left_out_is_not_equal() {
    let report = planted(&leave_out("*"), |_, _| {});
    assert_eq!(report.verdict, Verdict::NotComparable);
    assert_eq!(report.reasons[0].code, ReasonCode::NothingCompared);
    assert_eq!(report.compared.values, None);
}

#[test]
fn values_may_be_off_up_to_their_tolerance() {
    let nudged = |by: u32| {
        move |tick: u32, plain: &mut PlainTick| {
            if tick >= 100 {
                plain.energy = f32::from_bits(plain.energy.to_bits() + by);
            }
        }
    };
    assert_eq!(planted(&within("state.energy", "ulp = 3"), nudged(3)).verdict, Verdict::Equal);
    assert_eq!(planted(&within("state", "ulp = 3"), nudged(3)).verdict, Verdict::Equal);
    assert_eq!(planted(&within("state.energy", "ulp = 3"), nudged(4)).verdict, Verdict::Diverged);
    assert_eq!(planted(&within("state.energy", "absolute = 0.001"), nudged(3)).verdict, Verdict::Equal);
    assert_eq!(planted(&within("entities", "ulp = 3"), nudged(3)).verdict, Verdict::Diverged);
    // An integer has an absolute tolerance too.
    let score = |_: u32, plain: &mut PlainTick| plain.score += 2;
    assert_eq!(planted(&within("state.score", "absolute = 2.0"), score).verdict, Verdict::Equal);
    assert_eq!(planted(&within("state.score", "absolute = 1.0"), score).verdict, Verdict::Diverged);
}

#[test]
fn a_drift_that_breaks_its_tolerance_began_somewhere() {
    // Off by 1 ulp more in every ten ticks; equal once in between, at tick 120.
    let drift = |tick: u32, plain: &mut PlainTick| {
        if tick >= 100 && tick != 120 {
            plain.energy = f32::from_bits(plain.energy.to_bits() + (tick - 90) / 10);
        }
    };
    let report = planted(&within("state.energy", "ulp = 5"), drift);
    let lasting = report.first_sustained.unwrap();
    assert_eq!((lasting.tick, lasting.ulp, lasting.path.as_str()), (Tick(150), Some(6), "state.energy"));
    assert_eq!(lasting.drift_origin.unwrap().tick, Tick(121));
    assert_eq!(report.policy.tolerances[0].what, "state.energy");
    let exact = planted(&DiffOptions::default(), drift).first_sustained.unwrap();
    assert_eq!((exact.tick, exact.drift_origin, exact.cause.class), (Tick(121), None, CauseClass::FloatDrift));
}

#[test]
fn channels_of_a_policy_and_of_a_flag_are_both_kept_to() {
    let only = |flag: Option<ChannelSet>| {
        let options = policy("[channels]\nonly = [\"state\"]\nreason = \"no hook\"");
        planted(&DiffOptions { channels: flag, ..options }, |_, plain| plain.creatures[0].hp += 1)
    };
    let report = only(None);
    assert_eq!((report.verdict, report.policy.masks[0].what.as_str()), (Verdict::Equal, "entities"));
    assert_eq!(report.policy.masks[0].reason, "no hook");
    let both = only(Some([Channel::State, Channel::Entities].into_iter().collect()));
    assert_eq!(both.verdict, Verdict::Equal);
}

/// A run of a state of two fields of any names.
fn named(fields: [&str; 2], values: impl Fn(u32) -> [u32; 2]) -> Trace<Vec<u8>> {
    let field = |name: &str| Field { name: name.to_owned(), scalar_type: ScalarType::U32 };
    let state = Some(fields.map(field).to_vec());
    let layout = Layout::new(LayoutSpec { state, ..LayoutSpec::default() }).unwrap();
    let mut encoder = Encoder::new(&meta(), Arc::new(layout), Options::LIVE);
    for tick in 0..100 {
        encoder.append(Tick(tick), |t| t.state(&values(tick).map(Scalar::U32))).unwrap();
    }
    open(encoder.finish("complete").0)
}

#[test]
fn a_policy_maps_layouts_onto_each_other() {
    let reference = named(["hp", "score"], |tick| [tick, tick * 2]);
    let candidate = named(["score", "health"], |tick| [tick * 2, tick + u32::from(tick >= 50)]);
    let compare = |options: &DiffOptions| diff(&reference, &candidate, options, &Unwatched).unwrap();
    let report = compare(&DiffOptions::default());
    assert_eq!((report.verdict, report.reasons.len()), (Verdict::NotComparable, 3));
    let renamed = policy("[[rename]]\nreference = \"state.hp\"\ncandidate = \"state.health\"\nreason = \"a test\"");
    let report = compare(&renamed);
    let lasting = report.first_sustained.unwrap();
    assert_eq!((lasting.tick, lasting.path.as_str(), lasting.delta.as_deref()), (Tick(50), "state.hp", Some("1")));
    assert_eq!(report.policy.renamed[0].candidate, "health");
    let dropped = policy(
        "[[leave_out]]\nwhat = \"state.hp\"\nreason = \"a\"\n[[leave_out]]\nwhat = \"state.health\"\nreason = \"b\"",
    );
    let report = compare(&dropped);
    assert_eq!((report.verdict, report.compared.values.unwrap().get()), (Verdict::Equal, 100));
    let masks: Vec<&str> = report.policy.masks.iter().map(|mask| mask.what.as_str()).collect();
    assert_eq!(masks, ["state.hp", "state.health"]);
    // Half a map is none.
    assert_eq!(compare(&leave_out("state.hp")).verdict, Verdict::NotComparable);
}

#[test]
fn fields_that_trade_names_are_compared_crosswise() {
    let reference = named(["x", "y"], |_| [1, 2]);
    let swapped = policy(
        "[[rename]]\nreference = \"state.x\"\ncandidate = \"state.y\"\nreason = \"a\"\n\
         [[rename]]\nreference = \"state.y\"\ncandidate = \"state.x\"\nreason = \"b\"",
    );
    let verdict = |candidate: &Trace<Vec<u8>>| diff(&reference, candidate, &swapped, &Unwatched).unwrap().verdict;
    assert_eq!(verdict(&named(["x", "y"], |_| [1, 2])), Verdict::Diverged, "the digests are the same");
    assert_eq!(verdict(&named(["x", "y"], |_| [2, 1])), Verdict::Equal);
}

/// A run with an rng stream and entity kinds of these names, of which checkpoints and events tell.
fn telling(stream: &str, kinds: &[(&str, &[&str])]) -> Trace<Vec<u8>> {
    let field = |name: &&str| Field { name: (*name).to_owned(), scalar_type: ScalarType::U32 };
    let kind = |(name, fields): &(&str, &[&str])| EntityKind {
        name: (*name).to_owned(),
        fields: fields.iter().map(field).collect(),
    };
    let spec = LayoutSpec {
        rng: Some(vec![RngStream { name: stream.to_owned(), algorithm: RngAlgorithm::Opaque }]),
        entities: Some(kinds.iter().map(kind).collect()),
        checkpoint: Some(CheckpointLayout { rng_state: true, ..CheckpointLayout::default() }),
        events: Some(Vec::new()),
        ..LayoutSpec::default()
    };
    let mut encoder = Encoder::new(&meta(), Arc::new(Layout::new(spec).unwrap()), Options::LIVE);
    let checkpoint = Checkpoint { digests: &[], rng_state: &[7], entity_counts: &[], fuel: None, counters: &[] };
    for tick in 0..10 {
        encoder.append(Tick(tick), |t| t.checkpoint(&checkpoint)).unwrap();
    }
    open(encoder.finish("complete").0)
}

#[test]
fn what_is_left_out_of_one_channel_is_not_waived_in_another() {
    let verdict = |reference: &Trace<Vec<u8>>, candidate: &Trace<Vec<u8>>, rules: &str| {
        diff(reference, candidate, &policy(rules), &Unwatched).unwrap().verdict
    };
    let out = |what: &str| format!("[[leave_out]]\nwhat = \"{what}\"\nreason = \"a test\"\n");
    let (a, b) = (telling("main", &[]), telling("other", &[]));
    assert_eq!(verdict(&a, &b, &out("rng")), Verdict::NotComparable, "checkpoints have states of other streams");
    assert_eq!(
        verdict(&a, &b, &(out("rng") + &out("checkpoint.rng_state.*"))),
        Verdict::NotComparable,
        "nothing is left"
    );
    let (a, b) = (telling("main", &[("creature", &["x"])]), telling("main", &[("rocket", &["x"])]));
    let kinds = out("entities.creature") + &out("entities.rocket");
    assert_eq!(verdict(&a, &b, &kinds), Verdict::NotComparable, "events name kinds by number");
    assert_eq!(verdict(&a, &b, &(kinds + &out("events"))), Verdict::Equal);
    // A kind whose name begins with another's is another kind.
    let kinds = |second: &'static [&'static str]| telling("main", &[("box", &["x"]), ("box.small", second)]);
    let rename = "[[rename]]\nreference = \"entities.box.x\"\ncandidate = \"entities.box.y\"\nreason = \"a\"\n";
    let renamed = telling("main", &[("box", &["y"]), ("box.small", &["x"])]);
    assert_eq!(verdict(&kinds(&["x"]), &renamed, rename), Verdict::Equal);
    assert_eq!(verdict(&kinds(&["x", "secret"]), &renamed, rename), Verdict::NotComparable);
}

#[test]
fn renames_know_names_with_dots() {
    let (reference, candidate) = (named(["pos.x", "y"], |_| [1, 2]), named(["position.x", "y"], |_| [1, 2]));
    for to in ["state.position.x", "position.x"] {
        let rename = format!("[[rename]]\nreference = \"state.pos.x\"\ncandidate = \"{to}\"\nreason = \"a test\"");
        let report = diff(&reference, &candidate, &policy(&rename), &Unwatched).unwrap();
        assert_eq!((report.verdict, report.compared.values.unwrap().get()), (Verdict::Equal, 200), "{to}");
        assert_eq!(report.policy.renamed[0].candidate, "position.x");
    }
}

#[test]
fn what_is_left_out_takes_no_partner() {
    let reference = named(["x", "y"], |_| [1, 2]);
    let rename =
        |to: &str| format!("[[rename]]\nreference = \"state.x\"\ncandidate = \"state.{to}\"\nreason = \"a\"\n");
    let out = |what: &str| format!("[[leave_out]]\nwhat = \"state.{what}\"\nreason = \"b\"\n");
    let compare = |candidate: &Trace<Vec<u8>>, rules: &str| diff(&reference, candidate, &policy(rules), &Unwatched);
    let masks = |report: &DiffReport| report.policy.masks.iter().map(|mask| mask.what.clone()).collect::<Vec<_>>();
    // The candidate's y is compared with x, though the reference's own y is left out.
    let report = compare(&named(["y", "z"], |_| [1, 3]), &(rename("y") + &out("y") + &out("z"))).unwrap();
    assert_eq!((report.verdict, report.compared.values.unwrap().get()), (Verdict::Equal, 100));
    assert_eq!(masks(&report), ["state.y", "state.z"]);
    assert_eq!(
        compare(&named(["y", "z"], |_| [2, 3]), &(rename("y") + &out("y") + &out("z"))).unwrap().verdict,
        Verdict::Diverged
    );
    // A field that is left out is so under both of its names.
    let report = compare(&named(["z", "y"], |_| [9, 2]), &(rename("z") + &out("x"))).unwrap();
    assert_eq!((report.verdict, masks(&report)), (Verdict::Equal, vec!["state.x".to_owned()]));
    assert!(report.policy.renamed.is_empty());
    // Nothing of the candidate goes without a partner in silence.
    let error = compare(&named(["x", "y"], |_| [7, 1]), &(rename("y") + &out("y"))).unwrap_err().to_string();
    assert!(error.contains("the candidate's state.x would be compared with nothing"), "{error}");
}

#[test]
fn memory_is_left_out_as_a_whole() {
    let (reference, candidate) = (open(write_full(20, 1, Options::LIVE)), open(write_full(20, 2, Options::LIVE)));
    let only_memory = |rules: &str| {
        let options = policy(&format!("[channels]\nonly = [\"state\", \"memory\"]\nreason = \"a test\"\n{rules}"));
        diff(&reference, &candidate, &options, &Unwatched)
    };
    let out = |what: &str| format!("[[leave_out]]\nwhat = \"{what}\"\nreason = \"a test\"\n");
    for what in ["memory.content", "memory.*", "memory.page"] {
        let error = only_memory(&out(what)).unwrap_err().to_string();
        assert!(error.contains("leave out all of memory"), "{error}");
    }
    let report = only_memory(&(out("memory") + &out("state.a_u32"))).unwrap();
    assert_eq!(report.verdict, Verdict::Equal);
}

#[test]
fn players_are_of_no_account_where_their_input_is_left_out() {
    let record = |players: u8| {
        let layout = Layout::new(LayoutSpec { players, step: Some(StepLayout::default()), ..LayoutSpec::default() });
        let mut encoder = Encoder::new(&meta(), Arc::new(layout.unwrap()), Options::LIVE);
        for tick in 0..10 {
            let inputs = vec![Input::default(); players.into()];
            let step = Step { dt: 1.0, elapsed: tick.into(), mode: 0, inputs, commands: vec![] };
            encoder.append(Tick(tick), |tick| tick.step(&step)).unwrap();
        }
        open(encoder.finish("complete").0)
    };
    let verdict = |options: &DiffOptions| diff(&record(1), &record(2), options, &Unwatched).unwrap().verdict;
    assert_eq!(verdict(&DiffOptions::default()), Verdict::NotComparable);
    assert_eq!(verdict(&leave_out("step.players")), Verdict::Equal);
    assert_eq!(verdict(&leave_out("step.players.buttons")), Verdict::NotComparable);
}

#[test]
fn events_of_kinds_that_are_left_out_are_compared_by_their_values() {
    let record = |kind: u16, by: f64| {
        let by_field = Field { name: "by".to_owned(), scalar_type: ScalarType::F64 };
        let kind_of = |name: &str, values| EventKind { name: name.to_owned(), values };
        let events =
            vec![kind_of("hit", vec![by_field.clone()]), kind_of("bump", vec![by_field]), kind_of("ping", vec![])];
        let layout = Layout::new(LayoutSpec { events: Some(events), ..LayoutSpec::default() });
        let mut encoder = Encoder::new(&meta(), Arc::new(layout.unwrap()), Options::LIVE);
        let values: &[Scalar] = if kind == 2 { &[] } else { &[Scalar::F64(by)] };
        for tick in 0..10 {
            let event = Event { kind: KindId(kind), origin: Origin::Guest, subject: None, values, cause: None };
            encoder.append(Tick(tick), |tick| tick.event(event)).unwrap();
        }
        open(encoder.finish("complete").0)
    };
    let compare = |candidate: (u16, f64), rules: &str| {
        let options = policy(&format!("[[leave_out]]\nwhat = \"events.kind\"\nreason = \"a test\"\n{rules}"));
        let report = diff(&record(0, 1.0), &record(candidate.0, candidate.1), &options, &Unwatched).unwrap();
        report.first_mismatch.map(|first| first.path)
    };
    let near = "[[tolerance]]\nwhat = \"events.values.by\"\nabsolute = 0.1\nreason = \"a test\"\n";
    let none = "[[leave_out]]\nwhat = \"events.values.by\"\nreason = \"a test\"\n";
    assert_eq!(compare((1, 1.05), near), None);
    assert_eq!(compare((1, 1.5), near).unwrap(), "events[1].values.by");
    assert_eq!(compare((1, 1.05), "").unwrap(), "events[1].values.by");
    assert_eq!(compare((2, 0.0), near).unwrap(), "events[1].values");
    assert_eq!(compare((2, 0.0), none), None);
}

#[test]
fn digests_have_no_tolerance() {
    let trace = open(write_full(20, 1, Options::LIVE));
    let asked = |what: &str| diff(&trace, &trace, &within(what, "absolute = 1e30"), &Unwatched);
    assert!(asked("checkpoint.state_digest").is_err());
    assert!(asked("checkpoint.rng_state.*").is_err());
    let report = asked("checkpoint").unwrap();
    let within = report.policy.tolerances.iter().map(|within| within.what.as_str());
    assert!(
        within.clone().count() > 0
            && within.clone().all(|what| !what.contains("digest") && !what.contains("rng_state"))
    );
}

#[test]
fn a_window_has_no_ends_where_ticks_are_aligned() {
    let trace = open(write_full(20, 1, Options::LIVE));
    let window = "2..9".parse().unwrap();
    let options = DiffOptions { align: Align::Rng, whole: true, window, ..DiffOptions::default() };
    assert!(diff(&trace, &trace, &options, &Unwatched).unwrap_err().to_string().contains("--whole"));
}

#[test]
fn members_of_lists_have_rules_of_their_own() {
    let write = |by: f64| {
        let mut encoder = Encoder::new(&meta(), Arc::new(full_layout()), Options::LIVE);
        let mut scene = Scene::new(1).with_hits_by(by);
        for tick in 0..100 {
            encoder.append(Tick(tick), |tick| scene.fill(tick)).unwrap();
        }
        open(encoder.finish("complete").0)
    };
    let (reference, candidate) = (open(write_full(100, 1, Options::LIVE)), write(0.101));
    let verdict = |options: &DiffOptions| diff(&reference, &candidate, options, &Unwatched).unwrap().verdict;
    assert_eq!(verdict(&DiffOptions::default()), Verdict::Diverged);
    for what in ["events.values.by", "events.values", "events"] {
        assert_eq!(verdict(&leave_out(what)), Verdict::Equal, "{what}");
        assert_eq!(verdict(&within(what, "absolute = 0.01")), Verdict::Equal, "{what}");
    }
    assert_eq!(verdict(&within("events.values.by", "absolute = 0.0001")), Verdict::Diverged);
    assert_eq!(verdict(&leave_out("calls.args.x")), Verdict::Diverged);
}
