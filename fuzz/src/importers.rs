//! Bytes that may be a text log: imported as every format that has a name, and by format strings.

use std::path::Path;

use cdt_analysis::{HealthVerdict, health};
use cdt_ingest::{Import, Input, LineFormat, LogFormat, import};
use cdt_trace::{Trace, Unwatched};

use crate::scratch::{files, with_folder};
use crate::{NAME, bounded, told};

/// Strings that begin with a value, with text and with what is passed over.
const STRINGS: [&str; 3] = [
    "{pc:hex4} {*} A:{a:hex2} X:{x:hex2}{*}[ CYC:{counter.cycles:u64}]",
    "A:{a:hex} F:{f:hex2}{*}PC:{pc:hex4}[ PCMEM:{m:hex2}]{*}",
    "{*} {n:i64} {x:f32}[ ok={ok:bool}]",
];

/// Imports a log.
pub fn importers(bytes: &[u8]) {
    let strict = STRINGS.map(|text| LineFormat::parse(text).expect("it is a format string"));
    let among_others = strict.clone().map(LineFormat::skipping_others);
    let by_strings = strict.into_iter().chain(among_others).map(LogFormat::Lines);
    for format in &LogFormat::NAMED.into_iter().chain(by_strings).collect::<Vec<_>>() {
        for truncated_tail in [false, true] {
            with_folder(|folder| bounded(|| import_into(folder, bytes, format, truncated_tail)));
        }
    }
}

fn import_into(folder: &Path, bytes: &[u8], format: &LogFormat, truncated_tail: bool) {
    let out = folder.join("log.cdt");
    let how = Import { format, out: &out, overwrite: false, truncated_tail };
    let input = Input::from_bytes(NAME, bytes.to_vec());
    match input.and_then(|input| import(input, &how, &Unwatched)) {
        Ok(report) => {
            assert_eq!(files(folder), std::slice::from_ref(&out));
            let trace = Trace::open(&out).expect("an imported trace can be opened");
            let index = trace.index();
            assert_eq!((index.ticks(), index.content_digest), (report.ticks, report.digest));
            assert_eq!(index.loss.as_slice(), report.loss.as_slice());
            assert!(truncated_tail || report.loss.is_none());
            let fit = health(&trace, &Unwatched).expect("the file can be read");
            assert_ne!(fit.verdict, HealthVerdict::Unhealthy, "{:?}", fit.problems);
        }
        Err(error) => {
            told(error, folder);
            assert!(files(folder).is_empty(), "nothing is left behind");
        }
    }
}
