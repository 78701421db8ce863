//! A workload in MCAP: one message a tick, its rows packed as little-endian structs, under the crate's defaults.

use std::collections::BTreeMap;
use std::io::Cursor;

use crate::workload::{Workload, room};

/// Writes a file.
pub fn write<W: Workload>(ticks: &[W::Tick]) -> Vec<u8> {
    let mut writer = mcap::Writer::new(Cursor::new(room::<W>(ticks))).expect("memory takes it");
    let channel = writer.add_channel(0, "ticks", "raw", &BTreeMap::new()).expect("memory takes it");
    let mut message = Vec::new();
    for (time, tick) in (0u64..).zip(ticks) {
        message.clear();
        W::pack(tick, &mut message);
        let header = mcap::records::MessageHeader {
            channel_id: channel,
            sequence: u32::try_from(time).expect("fewer ticks"),
            log_time: time,
            publish_time: time,
        };
        writer.write_to_known_channel(&header, &message).expect("memory takes it");
    }
    writer.finish().expect("memory takes it");
    writer.into_inner().into_inner()
}

fn messages(file: &[u8]) -> impl Iterator<Item = mcap::Message<'_>> {
    mcap::MessageStream::new(file).expect("our own file").map(|message| message.expect("our own file"))
}

/// Reads every message as a typed tick and gives the sum of what `of` says of each.
pub fn read<W: Workload>(file: &[u8], of: impl Fn(&W::Tick) -> usize) -> usize {
    let mut tick = W::Tick::default();
    messages(file)
        .map(|message| {
            W::unpack(&message.data, &mut tick);
            of(std::hint::black_box(&tick))
        })
        .sum()
}

/// Opens the file and reads one tick, by the chunk index.
pub fn tick<W: Workload>(file: &[u8], tick: u32) -> W::Tick {
    let summary = mcap::Summary::read(file).expect("our own file").expect("a summary");
    let time = u64::from(tick);
    let chunk = summary.chunk_indexes.iter().find(|chunk| chunk.message_end_time >= time).expect("a chunk");
    let found = summary
        .stream_chunk(file, chunk)
        .expect("our own file")
        .map(|message| message.expect("our own file"))
        .find(|message| message.log_time == time);
    let mut tick = W::Tick::default();
    W::unpack(&found.expect("the tick").data, &mut tick);
    tick
}

/// Reads two files in lockstep and names the tick and the field from which on they differ to the end.
pub fn fork<W: Workload>(a: &[u8], b: &[u8]) -> Option<(u64, String)> {
    let mut fork = None;
    for (a, b) in messages(a).zip(messages(b)) {
        if a.data == b.data {
            fork = None;
        } else if fork.is_none() {
            let [mut one, mut other] = [W::Tick::default(), W::Tick::default()];
            W::unpack(&a.data, &mut one);
            W::unpack(&b.data, &mut other);
            fork = W::difference(&one, &other).map(|field| (a.log_time, field));
        }
    }
    fork
}
