//! The scene recorded directly is the one that goes through JSONL, and the machine keeps what machines promise.

use cdt_ingest::{Destination, Finalize, Input, RunOutcome, finalize};
use cdt_recorder::{End, EvenSteps, Options, record};
use cdt_schema::{FieldTarget, Generation, KindId, Machine, Scalar, Slot, Step, Uid};
use cdt_trace::{Trace, TraceWriter, Unwatched};
use demo_boxes::world::{candidate, reference};
use demo_boxes::{capture, scene};

use crate::{Boxes, Engine};

const TICKS: usize = 600;

#[test]
fn recorded_directly_or_through_jsonl_it_has_the_same_digests() {
    let folder = tempfile::tempdir().expect("a folder");
    for engine in [Engine::Reference, Engine::Candidate] {
        let mut jsonl = Vec::new();
        let path = folder.path().join("capture.jsonl");
        match engine {
            Engine::Reference => capture::write(&mut jsonl, reference::BUILD, reference::frames().take(TICKS)),
            Engine::Candidate => capture::write(&mut jsonl, candidate::BUILD, candidate::frames().take(TICKS)),
        }
        .expect("a capture");
        let captured = folder.path().join("captured.cdt");
        let how = Finalize {
            destination: Destination::File(captured.clone()),
            overwrite: true,
            truncated_tail: false,
            options: cdt_trace::Options::LIVE,
            threads: 1,
        };
        std::fs::write(&path, jsonl).expect("a file");
        let input = Input::open(&path).expect("JSONL");
        let finalized = finalize(input, &how, &Unwatched).expect("a trace");
        let [run] = &finalized.runs[..] else { panic!("one run is expected") };
        let RunOutcome::Finalized { digest, .. } = &run.outcome else { panic!("{run:?}") };

        let direct = folder.path().join("direct.cdt");
        let (mut machine, mut make) = (Boxes::new(engine), || Ok(Boxes::new(engine)));
        let options = cdt_trace::Options::LIVE;
        let writer =
            TraceWriter::create(&direct, true, &cdt_testkit::meta(), machine.layout(), options).expect("a file");
        let steps = EvenSteps::new(scene::TICK_RATE.into(), 0, 0).map(Ok).take(TICKS);
        let options = Options { against: None, verify: Some(&mut make) };
        let recorded = record(&mut machine, steps, writer, options, &Unwatched).expect("a recording");
        assert_eq!((recorded.end, recorded.trace.digest()), (End::Complete, *digest));
        recorded.trace.publish().expect("a name");
        let [a, b] = [captured, direct].map(|path| Trace::open(&path).expect("a trace"));
        assert_eq!(a.layout(), b.layout());
        assert_eq!(a.digests(0).expect("digests"), b.digests(0).expect("digests"));
    }
}

#[test]
fn a_value_that_was_written_is_there_again_when_it_is_restored() {
    let rest = Step::default();
    let step = |boxes: &mut Boxes, ticks: u32| (0..ticks).for_each(|_| boxes.step(&rest).expect("it goes on"));
    let uid = |slot| Uid { kind: KindId(0), slot: Slot(slot), generation: Generation(0) };
    let mut boxes = Boxes::new(Engine::Reference);
    step(&mut boxes, 30);
    boxes.write_field(FieldTarget::Entity(uid(4), 3), Scalar::F32(2.5)).expect("a velocity");
    step(&mut boxes, 100);
    let mut again = Boxes::new(Engine::Reference);
    again.restore(&boxes.snapshot()).expect("its snapshot");
    step(&mut boxes, 20);
    step(&mut again, 20);
    let bits = |boxes: &Boxes| boxes.world.frame().boxes.into_iter().flatten().map(f32::to_bits).collect::<Vec<u32>>();
    assert_eq!(bits(&boxes), bits(&again));
    let mut untouched = Boxes::new(Engine::Reference);
    step(&mut untouched, 150);
    assert_ne!(bits(&boxes), bits(&untouched));

    let before = boxes.snapshot();
    for (target, value) in [
        (FieldTarget::State(0), Scalar::U32(1)),
        (FieldTarget::Entity(uid(60), 0), Scalar::F32(1.0)),
        (FieldTarget::Entity(uid(0), 6), Scalar::F32(1.0)),
        (FieldTarget::Entity(uid(0), 0), Scalar::F64(1.0)),
    ] {
        assert!(boxes.write_field(target, value).is_err(), "{target:?}");
    }
    for bytes in [&b""[..], b"abc", &[0; 8], &before[..before.len() - 4]] {
        assert!(boxes.restore(bytes).is_err(), "{bytes:?}");
    }
    assert_eq!(boxes.snapshot(), before);
}
