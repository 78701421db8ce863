//! Bytes that may be an unfinished or a damaged trace: recovered, and followed as a trace that grows; whole, and cut
//! somewhere.

use std::fs::{self, OpenOptions};
use std::hash::{DefaultHasher, Hasher};
use std::io::Write;
use std::path::Path;

use cdt_analysis::{HealthVerdict, ProblemCode, health};
use cdt_schema::ChannelSet;
use cdt_trace::{GrowingTrace, Source, Trace, Unwatched};

use crate::scratch::{files, with_folder};
use crate::{bounded, told};

/// A trace that was recovered.
struct Recovered {
    trace: Trace<fs::File>,
    /// Whether it was told that nothing is lost.
    is_all: bool,
}

/// Recovers what is left of a trace, and of a part of it.
pub fn recover(bytes: &[u8]) {
    with_folder(|folder| {
        bounded(|| {
            let original = Trace::from_source(bytes.to_vec(), Path::new("original")).ok();
            let part = &bytes[..place_in(bytes)];
            let recovered = [bring_back(folder, "part", part), bring_back(folder, "whole", bytes)];
            if let Some(original) = &original {
                let healthy = is_healthy(original);
                recovered.iter().flatten().for_each(|recovered| compare(recovered, original, healthy));
                let [_, whole] = &recovered;
                let complete = whole.as_ref().is_some_and(|whole| whole.is_all);
                assert!(complete || !healthy, "of what is healthy nothing is lost");
            }
            grow(folder, part, bytes, &recovered);
        });
    });
}

/// A place in the bytes, any, but of the same bytes always the same.
fn place_in(bytes: &[u8]) -> usize {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    usize::try_from(hasher.finish() % (bytes.len() as u64 + 1)).expect("not past the bytes")
}

fn is_healthy<S: Source>(trace: &Trace<S>) -> bool {
    health(trace, &Unwatched).expect("the file can be read").verdict != HealthVerdict::Unhealthy
}

/// What is recovered of a trace is a sound one, and what was told of it is so. `None` when nothing is.
fn bring_back(folder: &Path, name: &str, bytes: &[u8]) -> Option<Recovered> {
    let (path, out) = (folder.join(name), folder.join(format!("{name}.cdt")));
    fs::write(&path, bytes).expect("a file can be written");
    let before = files(folder);
    let (finished, recovered) = match cdt_trace::recover(&path, &out, false, &Unwatched) {
        Ok(done) => done,
        Err(error) => {
            told(error, folder);
            assert_eq!(files(folder), before, "nothing is left behind");
            return None;
        }
    };
    finished.publish().expect("nothing stands there");
    assert_eq!(files(folder).len(), before.len() + 1, "the recovered trace and nothing else");
    let trace = Trace::open(&out).expect("a recovered trace can be opened");
    let index = trace.index();
    assert_eq!((index.ticks(), index.content_digest), (recovered.ticks, recovered.content_digest));
    assert_eq!(index.tick_range(), recovered.bounds);
    assert!(recovered.loss.is_none() || recovered.loss.as_ref() == index.loss.last(), "the loss is recorded");
    // Digests are made of the rows. What the rows themselves say may contradict itself from tick to tick, and a complete
    // trace may have none.
    let health = health(&trace, &Unwatched).expect("the file can be read");
    let of_the_run = |code| code == ProblemCode::Continuity || (code == ProblemCode::Empty && index.ticks() == 0);
    assert!(health.problems.iter().all(|problem| of_the_run(problem.code)), "{:?}", health.problems);
    Some(Recovered { trace, is_all: recovered.loss.is_none() })
}

/// Nothing is recovered that the original does not have, and what is lost of it is recorded.
fn compare<S: Source>(recovered: &Recovered, original: &Trace<S>, healthy: bool) {
    let Recovered { trace, is_all } = recovered;
    starts(original, trace);
    assert!(!is_all || trace.index().content_digest == original.index().content_digest, "the loss is told");
    if healthy {
        assert!(is_healthy(trace), "a part of what is healthy is healthy");
        assert!(!is_all || trace.index().ticks() == original.index().ticks(), "the loss is told");
        assert!(!is_all || trace.index().loss == original.index().loss, "what was lost before is still told");
    }
}

/// One trace begins with another, as far as it can be read.
fn starts<A: Source, B: Source>(all: &Trace<A>, beginning: &Trace<B>) {
    assert!(beginning.index().blocks.len() <= all.index().blocks.len(), "there are more blocks than there were");
    for block in 0..beginning.index().blocks.len() {
        let rows = beginning.block(block, ChannelSet::ALL).expect("what was checked can be read");
        // What a damaged index says of a sound block is wrong.
        if let Ok(expected) = all.block(block, ChannelSet::ALL) {
            assert_eq!(rows, expected);
        }
    }
}

/// Follows a trace of which first a part is there and then all. It never has more than what is recovered of as much.
fn grow(folder: &Path, part: &[u8], bytes: &[u8], recovered: &[Option<Recovered>; 2]) {
    let path = folder.join("growing");
    fs::write(&path, part).expect("a file can be written");
    let mut growing = GrowingTrace::open(&path).expect("the file is there");
    let mut file = OpenOptions::new().append(true).open(&path).expect("the file is there");
    for (rest, recovered) in [&bytes[..0], &bytes[part.len()..]].into_iter().zip(recovered) {
        file.write_all(rest).expect("a file can be written");
        // A finished trace is not followed but opened, and what is read of it is not checked before it is asked for.
        if growing.is_finished() {
            return;
        }
        let advanced = growing.advance(&Unwatched);
        match growing.snapshot(Some("the end is missing")) {
            Ok(Some(snapshot)) => {
                assert_eq!(snapshot.index().ticks(), growing.ticks());
                match recovered {
                    Some(recovered) => starts(&recovered.trace, &snapshot),
                    None => assert_eq!(growing.ticks(), 0, "nothing is recovered of what has ticks"),
                }
            }
            Ok(None) => assert_eq!(growing.ticks(), 0),
            Err(error) => told(error, folder),
        }
        if let Err(error) = advanced {
            told(error, folder);
            return;
        }
    }
}
