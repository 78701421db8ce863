//! What must hold of the scene, of the captures made from it, and of the command line.

use demo_boxes::scene;
use demo_boxes::world::{Frame, candidate, reference};

use crate::{Request, parse, run};

fn asked(line: &str) -> Option<Request> {
    parse(line.split_whitespace().map(str::to_owned))
}

fn captured(line: &str) -> Vec<u8> {
    let mut out = Vec::new();
    run(&asked(line).expect("a valid request"), &mut out).expect("a whole capture");
    out
}

#[test]
fn a_capture_is_a_row_a_tick_between_two_heads_and_two_tails() {
    let capture = String::from_utf8(captured("reference --ticks 3")).expect("UTF-8");
    let lines: Vec<&str> = capture.lines().collect();
    let starts = [
        r#"{"event":"session_start","capture_version":1,"session_id":"falling-boxes","producer":{"name":"demo-boxes","#,
        r#"{"event":"run_start","run_id":"boxes","seed":null,"#,
        r#"{"event":"tick","run_id":"boxes","tick":0,"elapsed":"0","step":{"dt":0.016666668,"mode":0,"#,
        r#"{"event":"tick","run_id":"boxes","tick":1,"elapsed":"16666","#,
        r#"{"event":"tick","run_id":"boxes","tick":2,"elapsed":"33333","#,
        r#"{"event":"run_end","run_id":"boxes","ticks":3,"reason":"complete"}"#,
        r#"{"event":"session_end","session_id":"falling-boxes","ticks":"3"}"#,
    ];
    assert_eq!(lines.len(), starts.len());
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}");
    }
    assert_eq!(lines[4].matches(r#"{"kind":"box","slot":"#).count(), scene::BOXES as usize);
}

#[test]
fn a_capture_comes_out_the_same_twice_packed_or_not() {
    let plain = captured("candidate --ticks 200");
    assert_eq!(plain, captured("candidate --ticks 200"));
    assert_eq!(plain, zstd::decode_all(&captured("candidate --ticks 200 --zstd")[..]).expect("a zstd frame"));
}

/// Bit for bit: `0.0 == -0.0` would hide a difference.
fn bits(frame: Frame) -> Vec<u32> {
    let values = frame.boxes.into_iter().flatten().chain([frame.kinetic_energy]);
    values.map(f32::to_bits).chain([frame.contacts]).collect()
}

/// The demo's point. The exact tick is the machine's: nobody promises the order in which a hash map is walked.
#[test]
fn the_versions_agree_for_a_while_then_never_again() {
    let frames = reference::frames().zip(candidate::frames()).take(scene::TICKS as usize);
    let agrees: Vec<bool> = frames.map(|(reference, candidate)| bits(reference) == bits(candidate)).collect();
    let fork = agrees.iter().position(|agrees| !agrees).expect("a fork");
    assert!((60..1000).contains(&fork), "forked at tick {fork}");
    assert!(agrees[fork..].iter().all(|agrees| !agrees), "met again after tick {fork}");
}

#[test]
fn anything_else_is_a_usage_error() {
    for line in ["", "both", "reference --ticks", "reference --ticks -1", "reference --ticks ten", "candidate extra"] {
        assert!(asked(line).is_none(), "{line}");
    }
    assert!(matches!(asked("candidate --ticks 7 --zstd"), Some(Request { candidate: true, ticks: 7, zstd: true })));
}
