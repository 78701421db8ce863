//! Recording a small machine: what it writes, where it stops, and what it refuses.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::cell::Cell;
use std::fmt;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use cdt_recorder::{Against, End, Error, ErrorKind, EvenSteps, Options, Recorded, TraceSteps, record};
use cdt_schema::{
    Command, CommandKind, EntityKind, Field, FieldTarget, Generation, Input, KindId, Layout, LayoutSpec, Machine,
    PlayerId, RowError, Scalar, ScalarType, Slot, Step, StepLayout, Tick, TickBuilder, Uid,
};
use cdt_trace::{Trace, TraceWriter, Unwatched, Watch};
use tempfile::TempDir;

/// Adds up what is pressed; an entity follows the sum. Its faults are switched on one by one.
#[derive(Clone, Debug, Default)]
struct Adder {
    sum: u64,
    /// Part of what the future depends on.
    carry: u64,
    tick: u32,
    faults: Faults,
}

#[derive(Clone, Debug, Default)]
struct Faults {
    /// The sum is off by one in these ticks, and right again after them.
    off: std::ops::Range<u32>,
    /// The machine stops at this tick.
    stops: Option<u32>,
    /// What it does depends on how many machines there are.
    shared: Option<Rc<Cell<u64>>>,
    /// Snapshots lack the carry.
    forgets: bool,
    /// No snapshot is taken for one.
    refuses: bool,
    /// It reports one scalar too many.
    talks: bool,
    /// It has another layout.
    other: bool,
}

#[derive(Debug, PartialEq)]
struct Stopped(&'static str);

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Stopped {}

impl Machine for Adder {
    type Error = Stopped;

    fn layout(&self) -> Arc<Layout> {
        let field = |name: &str, scalar_type| Field { name: name.to_owned(), scalar_type };
        let nudge = CommandKind { name: "nudge".to_owned(), args: vec![field("by", ScalarType::F32)] };
        let sum = if self.faults.other { ScalarType::I64 } else { ScalarType::U64 };
        Arc::new(
            Layout::new(LayoutSpec {
                players: 1,
                step: Some(StepLayout { commands: vec![nudge] }),
                state: Some(vec![field("sum", sum)]),
                entities: Some(vec![EntityKind {
                    name: "mark".to_owned(),
                    fields: vec![field("at", ScalarType::U64)],
                }]),
                ..LayoutSpec::default()
            })
            .unwrap(),
        )
    }

    fn step(&mut self, step: &Step) -> Result<(), Stopped> {
        if self.faults.stops == Some(self.tick) {
            return Err(Stopped("there is no more paper"));
        }
        self.carry = self.carry.wrapping_mul(31) + u64::from(step.inputs[0].buttons) + step.commands.len() as u64;
        self.sum = self.sum.wrapping_add(self.carry);
        if let Some(shared) = &self.faults.shared {
            shared.set(shared.get() + 1);
            self.sum = self.sum.wrapping_add(shared.get());
        }
        self.tick += 1;
        Ok(())
    }

    fn observe(&self, tick: &mut TickBuilder<'_>) -> Result<(), RowError> {
        let sum = self.sum + u64::from(self.faults.off.contains(&(self.tick - 1)));
        tick.state(&[Scalar::U64(sum), Scalar::Bool(true)][..if self.faults.talks { 2 } else { 1 }])?;
        tick.entity(Uid { kind: KindId(0), slot: Slot(3), generation: Generation(0) }, &[Scalar::U64(self.carry)])
    }

    fn snapshot(&self) -> Vec<u8> {
        let carry = if self.faults.forgets { 0 } else { self.carry };
        [self.sum, carry, self.tick.into()].iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), Stopped> {
        if self.faults.refuses {
            return Err(Stopped("that is no snapshot"));
        }
        let (lanes, []) = snapshot.as_chunks::<8>() else { return Err(Stopped("it is cut")) };
        let [sum, carry, tick] = [0, 1, 2].map(|lane| u64::from_le_bytes(lanes[lane]));
        (self.sum, self.carry, self.tick) = (sum, carry, u32::try_from(tick).unwrap());
        Ok(())
    }

    fn write_field(&mut self, target: FieldTarget, value: Scalar) -> Result<(), Stopped> {
        match (target, value) {
            (FieldTarget::State(0), Scalar::U64(sum)) => self.sum = sum,
            _ => return Err(Stopped("there is no such field")),
        }
        Ok(())
    }
}

type Steps = Vec<Result<Step, cdt_trace::Error>>;

/// Something is pressed now and then, and ordered rarely.
fn script(ticks: u32) -> Steps {
    let step = |tick: u32| {
        let input = Input { buttons: tick % 7 / 5, aim_x: -0.0, move_y: 0.25, ..Input::default() };
        let nudge = Command { player: PlayerId(0), kind: KindId(0), args: vec![Scalar::F32(-0.5)] };
        Ok(Step {
            dt: 0.125,
            elapsed: u64::from(tick) * 125_000,
            mode: 4,
            inputs: vec![input],
            commands: vec![nudge; usize::from(tick % 50 == 9)],
        })
    };
    (0..ticks).map(step).collect()
}

fn recorded(
    folder: &TempDir,
    name: &str,
    faults: &Faults,
    steps: Steps,
    options: Options<'_, Adder>,
    watch: &dyn Watch,
) -> Result<Recorded, Error> {
    let mut machine = Adder { faults: faults.clone(), ..Adder::default() };
    let path = folder.path().join(name);
    let options_of_trace = cdt_trace::Options { block_ticks: 100, ..cdt_trace::Options::LIVE };
    let writer = TraceWriter::create(&path, false, &cdt_testkit::meta(), machine.layout(), options_of_trace).unwrap();
    record(&mut machine, steps.into_iter(), writer, options, watch)
}

/// Records and publishes; gives how many ticks there are, and why there are no more.
fn plain(folder: &TempDir, name: &str, faults: &Faults, steps: Steps) -> (u32, End) {
    let Recorded { ticks, end, trace, .. } =
        recorded(folder, name, faults, steps, Options::default(), &Unwatched).unwrap();
    trace.publish().unwrap();
    (ticks, end)
}

fn open(folder: &TempDir, name: &str) -> Trace {
    Trace::open(&folder.path().join(name)).unwrap()
}

fn against(folder: &TempDir, reference: &str, faults: &Faults, ticks: u32) -> Result<(u32, End), Error> {
    let against = Against::new(open(folder, reference), 60)?;
    let options = Options { against: Some(against), verify: None };
    let recorded = recorded(folder, "candidate.cdt", faults, script(ticks), options, &Unwatched)?;
    Ok((recorded.ticks, recorded.end))
}

fn verified(folder: &TempDir, faults: &Faults) -> Result<(u32, End), Error> {
    let mut make = || Ok(Adder { faults: faults.clone(), ..Adder::default() });
    let options = Options { against: None, verify: Some(&mut make) };
    let recorded = recorded(folder, "verified.cdt", faults, script(500), options, &Unwatched)?;
    Ok((recorded.ticks, recorded.end))
}

fn is_empty(folder: &Path) -> bool {
    folder.read_dir().unwrap().next().is_none()
}

#[test]
fn a_recording_drives_the_next_one_to_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    assert_eq!(plain(&folder, "first.cdt", &Faults::default(), script(250)), (250, End::Complete));
    let steps: Steps = TraceSteps::new(open(&folder, "first.cdt")).unwrap().collect();
    let unwrapped = |steps: Steps| steps.into_iter().map(Result::unwrap).collect::<Vec<Step>>();
    assert_eq!(format!("{:?}", unwrapped(script(250))), format!("{:?}", unwrapped(steps)));
    let again = TraceSteps::new(open(&folder, "first.cdt")).unwrap();
    assert_eq!(again.size_hint(), (250, Some(250)));
    plain(&folder, "second.cdt", &Faults::default(), again.collect());
    let [first, second] = ["first.cdt", "second.cdt"].map(|name| std::fs::read(folder.path().join(name)).unwrap());
    assert_eq!(first, second);
}

#[test]
fn a_trace_that_does_not_tell_all_steps_drives_nothing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("lossy.cdt");
    std::fs::write(&path, cdt_testkit::write_lossy(cdt_trace::Options::LIVE)).unwrap();
    let error = TraceSteps::new(Trace::open(&path).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsuitable);
    assert!(error.to_string().contains("all ticks from 0 on are expected"), "{error}");
    std::fs::write(&path, cdt_testkit::write_plain(20, cdt_trace::Options::LIVE, |_, _| {})).unwrap();
    let error = TraceSteps::new(Trace::open(&path).unwrap()).unwrap_err();
    assert!(error.to_string().contains("it has no step channel"), "{error}");
}

#[test]
fn a_run_ends_where_it_has_parted_for_good() {
    let folder = TempDir::new().unwrap();
    plain(&folder, "reference.cdt", &Faults::default(), script(1000));
    let off = |off| Faults { off, ..Faults::default() };
    let outcome = |faults: Faults| against(&folder, "reference.cdt", &faults, 1000).unwrap();
    assert_eq!(outcome(off(0..0)), (1000, End::Complete));
    assert_eq!(outcome(off(100..159)), (1000, End::Complete), "a blip heals");
    assert_eq!(outcome(off(100..160)), (160, End::Parted(Tick(100))));
    assert_eq!(outcome(off(300..1000)), (360, End::Parted(Tick(300))));
    assert_eq!(outcome(off(990..1000)), (1000, End::Parted(Tick(990))), "it differs to the end, as `cdt diff` has it");
    assert_eq!(outcome(off(990..999)), (1000, End::Complete));
    let both = against(&folder, "reference.cdt", &off(0..60), 1000).unwrap();
    assert_eq!(both, (60, End::Parted(Tick(0))));
}

#[test]
fn of_a_million_ticks_no_more_are_recorded_than_it_takes_to_tell() {
    let folder = TempDir::new().unwrap();
    let rest = || EvenSteps::new(60.0, 0, 1).map(Ok).take(1_000_000);
    let run = |name: &str, faults: Faults, against: Option<Against>| {
        let mut machine = Adder { faults, ..Adder::default() };
        let path = folder.path().join(name);
        let options = cdt_trace::Options::LIVE;
        let writer = TraceWriter::create(&path, false, &cdt_testkit::meta(), machine.layout(), options).unwrap();
        let options = Options { against, verify: None };
        let recorded = record(&mut machine, rest(), writer, options, &Unwatched).unwrap();
        recorded.trace.publish().unwrap();
        (recorded.ticks, recorded.end)
    };
    assert_eq!(run("reference.cdt", Faults::default(), None), (1_000_000, End::Complete));
    let against = Against::new(open(&folder, "reference.cdt"), 60).unwrap();
    let off = Faults { off: 1_000..1_000_000, ..Faults::default() };
    assert_eq!(run("candidate.cdt", off, Some(against)), (1_060, End::Parted(Tick(1_000))));
}

#[test]
fn ticks_that_the_reference_lacks_are_no_difference() {
    let folder = TempDir::new().unwrap();
    plain(&folder, "reference.cdt", &Faults::default(), script(200));
    let outcome = |off| against(&folder, "reference.cdt", &Faults { off, ..Faults::default() }, 1000).unwrap();
    assert_eq!(outcome(200..1000), (1000, End::Complete));
    assert_eq!(outcome(190..1000), (201, End::Parted(Tick(190))), "up to the end of the reference they differ");
}

#[test]
fn a_reference_of_another_layout_is_refused_before_the_first_tick() {
    let folder = TempDir::new().unwrap();
    plain(&folder, "reference.cdt", &Faults::default(), script(10));
    let error = against(&folder, "reference.cdt", &Faults { other: true, ..Faults::default() }, 10).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsuitable);
    let text = error.to_string();
    assert!(text.contains("state.sum is #1 u64 there and #1 i64 here"), "{text}");
}

#[test]
fn a_machine_that_stops_leaves_what_it_did() {
    let folder = TempDir::new().unwrap();
    let faults = Faults { stops: Some(7), ..Faults::default() };
    let why = "there is no more paper".to_owned();
    assert_eq!(plain(&folder, "stopped.cdt", &faults, script(100)), (7, End::Stopped(why.clone())));
    let trace = open(&folder, "stopped.cdt");
    assert_eq!((trace.index().ticks(), trace.index().end_reason.as_str()), (7, &*format!("stopped: {why}")));
    assert_eq!(verified(&folder, &faults).unwrap(), (7, End::Stopped(why)));
}

#[test]
fn what_does_not_do_the_same_twice_is_found() {
    let folder = TempDir::new().unwrap();
    assert_eq!(verified(&folder, &Faults::default()).unwrap(), (500, End::Complete));
    std::fs::remove_dir_all(folder.path()).unwrap();
    std::fs::create_dir(folder.path()).unwrap();
    let mut told = String::new();
    for faults in [
        Faults { shared: Some(Rc::default()), ..Faults::default() },
        Faults { forgets: true, ..Faults::default() },
        Faults { refuses: true, ..Faults::default() },
    ] {
        let error = verified(&folder, &faults).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotDeterministic);
        told += &format!("{error}\n");
    }
    assert!(is_empty(folder.path()));
    insta::assert_snapshot!(told);
}

#[test]
fn a_row_that_the_layout_does_not_allow_ends_the_recording() {
    let folder = TempDir::new().unwrap();
    let faults = Faults { talks: true, ..Faults::default() };
    let error = recorded(&folder, "row.cdt", &faults, script(3), Options::default(), &Unwatched).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Row);
    assert!(error.to_string().starts_with("what the machine reports of tick 0 is refused: state: "), "{error}");
    assert!(is_empty(folder.path()));
}

#[test]
fn a_recording_that_is_stopped_leaves_nothing() {
    struct Impatient(Cell<u32>);
    impl Watch for Impatient {
        fn progress(&self, _done: u64, _total: Option<u64>) {}
        fn cancelled(&self) -> bool {
            self.0.set(self.0.get() + 1);
            self.0.get() > 300
        }
    }
    let folder = TempDir::new().unwrap();
    let watch = Impatient(Cell::new(0));
    let error = recorded(&folder, "x.cdt", &Faults::default(), script(1000), Options::default(), &watch).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(is_empty(folder.path()));
}

#[test]
fn even_steps_rest() {
    let steps: Vec<Step> = EvenSteps::new(60.0, 2, 3).take(4).collect();
    assert_eq!(steps.iter().map(|step| step.elapsed).collect::<Vec<_>>(), [0, 16_666, 33_333, 50_000]);
    assert!(steps.iter().all(|step| step.inputs == [Input::default(); 3] && step.mode == 2 && step.dt == 1.0 / 60.0));
}

#[test]
fn machines_and_traces_of_different_layouts_are_told_apart() {
    let folder = TempDir::new().unwrap();
    let other = || Adder { faults: Faults { other: true, ..Faults::default() }, ..Adder::default() };
    let error = |machine: &mut Adder, name: &str, options: Options<'_, Adder>| {
        let layout = Adder::default().layout();
        let path = folder.path().join(name);
        let writer = TraceWriter::create(&path, false, &cdt_testkit::meta(), layout, cdt_trace::Options::LIVE).unwrap();
        record(machine, script(10).into_iter(), writer, options, &Unwatched).unwrap_err()
    };
    let trace = error(&mut other(), "trace.cdt", Options::default());
    assert_eq!(trace.kind(), ErrorKind::Unsuitable, "{trace}");
    let mut make = || Ok(other());
    let twin = error(&mut Adder::default(), "twin.cdt", Options { against: None, verify: Some(&mut make) });
    assert_eq!(twin.kind(), ErrorKind::NotDeterministic, "{twin}");
    assert!(is_empty(folder.path()));
}
