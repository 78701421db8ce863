//! Bytes that may be a text log: imported as every format that has a name.

use std::path::Path;

use cdt_analysis::{HealthVerdict, health};
use cdt_ingest::{Import, Input, LogFormat, import};
use cdt_trace::{Trace, Unwatched};

use crate::scratch::{files, with_folder};
use crate::{NAME, bounded, told};

/// Imports a log.
pub fn importers(bytes: &[u8]) {
    for format in &LogFormat::NAMED {
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
            assert_eq!(files(folder), [out.clone()]);
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
