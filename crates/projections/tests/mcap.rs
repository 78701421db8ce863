//! A trace as MCAP: read back with the crate's own reader.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

use cdt_projections::Window;
use cdt_projections::mcap::write_mcap;
use cdt_testkit::{write_full, write_plain};
use cdt_trace::{Options, Trace, Unwatched};

fn exported(trace: Vec<u8>, window: &str) -> (Trace<Vec<u8>>, Vec<u8>, u64) {
    let trace = Trace::from_source(trace, Path::new("fixture")).unwrap();
    let mut file = Cursor::new(Vec::new());
    let window: Window = window.parse().unwrap();
    let messages = write_mcap(&trace, window, &mut file, &Unwatched).unwrap();
    (trace, file.into_inner(), messages)
}

#[test]
fn every_table_is_a_topic_and_every_tick_a_message() {
    let (trace, file, messages) = exported(write_full(20, 3, Options::LIVE), "..");
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let mut said = String::new();
    for message in mcap::MessageStream::new(&file).unwrap() {
        let message = message.unwrap();
        let schema = message.channel.schema.as_ref().unwrap();
        assert_eq!((schema.encoding.as_str(), message.channel.message_encoding.as_str()), ("jsonschema", "json"));
        assert_eq!(message.log_time, u64::from(message.sequence) * 16_667_000, "simulated time, in ns");
        let text = std::str::from_utf8(&message.data).unwrap();
        let count = counts.entry(message.channel.topic.clone()).or_default();
        *count += 1;
        if *count == 1 {
            said.push_str(&format!("{}\n", std::str::from_utf8(&schema.data).unwrap()));
        }
        if message.sequence == 10 {
            said.push_str(&format!("{} {text}\n", message.channel.topic));
        }
    }
    let tables = trace.layout().tables();
    assert_eq!(counts.len(), tables.len());
    assert!(counts.values().all(|&count| count == 20));
    assert_eq!(messages, 20 * tables.len() as u64);
    insta::assert_snapshot!(said);
    let summary = mcap::Summary::read(&file).unwrap().unwrap();
    assert_eq!(summary.stats.unwrap().message_count, messages);
    assert_eq!(summary.metadata_indexes.len(), 1);
}

#[test]
fn without_steps_time_is_ticks_over_the_rate_and_a_window_is_kept() {
    let (_, file, _) = exported(write_plain(50, Options::LIVE, |_, _| {}), "10..20");
    let times: Vec<u64> = mcap::MessageStream::new(&file)
        .unwrap()
        .map(|message| message.unwrap())
        .filter(|message| message.channel.topic == "/state")
        .map(|message| message.log_time)
        .collect();
    assert_eq!(times.len(), 10);
    assert_eq!((times[0], times[2]), (166_666_667, 200_000_000));
}
