//! The lines about capturing the original of `capture/original` from outside. Needs Linux, a C compiler, and the Python of docs/agents.md.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::clock::wall;
use crate::processes::peak_mib;
use crate::table::Figure;

/// Ticks a second of the original.
const TICK_RATE: f64 = 60.0;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A folder with the original, and a target that reports every slot of a pool, taken or not, so that rows have 8 KB.
struct Place {
    folder: TempDir,
    python: PathBuf,
}

impl Place {
    /// Nothing if there is no Python for it.
    fn new(runs: &[u32]) -> Option<Place> {
        let python = root().join("target/capture/bin/python").canonicalize().ok()?;
        // What the link leads to knows nothing of the packages.
        let python = python.is_file().then(|| root().join("target/capture/bin/python"))?;
        let folder = TempDir::new().expect("a folder");
        let sources = ["game.c", "main.c", "movie.c", "rng.c"].map(|file| root().join("capture/original").join(file));
        let mut cc = Command::new("cc");
        cc.args(["-O2", "-std=c11", "-ffp-contract=off", "-o"])
            .arg(folder.path().join("arena"))
            .args(sources)
            .arg("-lm");
        assert!(cc.status().expect("there is a C compiler").success(), "the original is built");
        for part in ["agent", "targets"] {
            fs::create_dir(folder.path().join(part)).expect("a folder");
            for file in root().join("capture").join(part).read_dir().expect("the agent's files") {
                let file = file.expect("the agent's files");
                fs::copy(file.path(), folder.path().join(part).join(file.file_name())).expect("the disk takes it");
            }
        }
        let target = folder.path().join("targets/arena.ts");
        let text = fs::read_to_string(&target).expect("the original's target");
        let creatures = "struct: creature, slots: 64, ...active";
        assert_eq!(text.matches(creatures).count(), 1, "the target has creatures");
        fs::write(&target, text.replace(creatures, "struct: creature, slots: 64")).expect("the disk takes it");
        for ticks in runs {
            let movie = format!("arena-movie 1\nseed 21\nplayers 4\n{ticks} 18 20 24 17\n");
            fs::write(folder.path().join(format!("{ticks}.movie")), movie).expect("the disk takes it");
        }
        Some(Place { folder, python })
    }

    /// The host with the original, as it plays so many ticks.
    fn capture(&self, out: &str, ticks: u32, fast: bool) -> Vec<std::ffi::OsString> {
        let mut words = vec![self.python.clone().into_os_string(), root().join("capture/host.py").into_os_string()];
        words.extend(["spawn", "--force", "--output", out, "targets/arena.ts", "./arena", "run"].map(Into::into));
        words.push(format!("{ticks}.movie").into());
        words.extend(fast.then(|| "--fast".into()));
        words
    }

    /// Seconds and MiB that a capture takes.
    fn measure(&self, out: &str, ticks: u32, fast: bool) -> (f64, f64) {
        let (time, peak) = wall(|| peak_mib(&self.capture(out, ticks, fast), self.folder.path()));
        (time.as_secs_f64(), peak)
    }
}

/// How fast the original is captured, and what it feels of it, in runs of up to a quarter of `ticks`.
pub fn figures(ticks: u32) -> Vec<Figure> {
    // Of a short and of a long run: their difference is without what it takes to begin.
    let fast = [ticks / 25, ticks / 25 * 6];
    let in_time = [1, 6].map(|times| times * (ticks / 800).max(6));
    let Some(place) = Place::new(&[fast, in_time].concat()) else {
        return vec![Figure::told("capture of the original", "no target/capture".to_owned())];
    };
    place.measure("rows.jsonl", fast[0], true);
    let bytes = fs::metadata(place.folder.path().join("rows.jsonl")).expect("a capture").len();
    let [(short, of_short), (long, of_long)] = fast.map(|ticks| place.measure("fast.jsonl.zst", ticks, true));
    let rate = f64::from(fast[1] - fast[0]) / (long - short);
    let [(short, _), (long, _)] = in_time.map(|ticks| place.measure("timed.jsonl.zst", ticks, false));
    let slower = (long - short) * TICK_RATE / f64::from(in_time[1] - in_time[0]);
    vec![
        Figure::told("captured rows of the original", format!("{} bytes", bytes / u64::from(fast[0]))),
        Figure::at_least("  as fast as it goes", rate, (1.0, 2_000.0), "2,000 ticks/s", "ticks/s"),
        Figure::at_most("  slower at 60 ticks a second", slower, 1.5, "x"),
        Figure::at_most("  peak memory of the host, six times the ticks", of_long / of_short, 1.1, "x"),
        Figure::told("    in MiB", format!("{of_short:.1} -> {of_long:.1}")),
    ]
}
