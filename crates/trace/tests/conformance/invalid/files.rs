//! Headers, sections, trailer.

use cdt_testkit::surgery::{Parts, put_u32, reseal, seal, sections};

use super::{counting, raw, rebuilt, with_slack};
use crate::make::{Case, case};

pub fn cases() -> Vec<Case> {
    let good = counting(&[0, 1, 2, 3]);
    let mut cases = headers(&good);
    cases.extend(metas(&good));
    cases.extend(ends(&good));
    cases
}

fn headers(good: &[u8]) -> Vec<Case> {
    let text: Vec<u8> = String::from_utf8_lossy(&good[..8]).replace("\r\n", "\n").into_bytes();
    let version = |number: u8| move |bytes: &mut Vec<u8>| bytes[8] = number;
    vec![
        case("file-empty", vec![]),
        case("file-of-json-lines", b"{\"event\":\"session_start\",\"capture_version\":1}\n".to_vec()),
        case("file-mangled-as-text", [&text, &good[8..]].concat()),
        raw("file-ends-in-signature", good, |bytes| bytes.truncate(7)),
        raw("file-ends-in-version", good, |bytes| bytes.truncate(10)),
        raw("file-ends-in-section-header", good, |bytes| bytes.truncate(48)),
        raw("file-signature-of-another-byte", good, |bytes| bytes[1] ^= 0x20),
        raw("version-0", good, version(0)),
        raw("version-2", good, version(2)),
        raw("version-with-something-behind", good, |bytes| bytes[15] = 1),
    ]
}

fn metas(good: &[u8]) -> Vec<Case> {
    vec![
        raw("section-of-another-tag", good, |bytes| {
            let meta = sections(bytes).remove(0);
            bytes[16..20].copy_from_slice(b"BLCK");
            seal(bytes, &meta);
        }),
        raw("section-header-checksum", good, |bytes| bytes[40] ^= 1),
        raw("section-head-checksum", good, |bytes| bytes[48] ^= 1),
        raw("section-longer-than-the-file", good, |bytes| {
            let meta = sections(bytes).remove(0);
            bytes[28] = 1;
            seal(bytes, &meta);
        }),
        with_slack("record-meta-with-slack", good, b"META"),
        rebuilt("section-meta-with-tail", good, |parts| parts.section(b"META", 0).tail.push(0)),
        rebuilt("section-footer-with-tail", good, |parts| parts.section(b"FOOT", 0).tail.push(0)),
        rebuilt("section-that-is-not-known", good, |parts| {
            let mut stranger = parts.sections[0].clone();
            stranger.tag = *b"MORE";
            parts.sections.insert(1, stranger);
        }),
        rebuilt("section-meta-twice", good, |parts| {
            let meta = parts.sections[0].clone();
            parts.sections.insert(1, meta);
        }),
    ]
}

fn ends(good: &[u8]) -> Vec<Case> {
    let footer_at = |name: &str, at: usize| {
        raw(name, good, |bytes| {
            let trailer = bytes.len() - 24;
            put_u32(bytes, trailer, at);
            reseal(bytes);
        })
    };
    let len = good.len();
    vec![
        raw("file-cut-in-the-middle", good, |bytes| bytes.truncate(len / 2)),
        raw("file-cut-before-its-trailer", good, |bytes| bytes.truncate(len - 24)),
        raw("file-cut-by-a-byte", good, |bytes| bytes.truncate(len - 1)),
        raw("file-with-a-byte-more", good, |bytes| bytes.push(0)),
        raw("trailer-checksum", good, |bytes| bytes[len - 16] ^= 1),
        raw("trailer-end-of-another-byte", good, |bytes| bytes[len - 8] ^= 0x20),
        footer_at("trailer-footer-in-the-file-header", 8),
        footer_at("trailer-footer-behind-the-file", len),
        footer_at("trailer-footer-in-the-trailer-s-way", len - 24 - 10),
        footer_at("trailer-footer-is-another-section", sections(good)[1].start),
        raw("trailer-does-not-follow-the-footer", good, |bytes| {
            let trailer = bytes.len() - 24;
            bytes.splice(trailer..trailer, [0; 4]);
        }),
        case("section-gap-between-two", with_gap(Parts::of(good))),
    ]
}

/// The sections of a trace with bytes between the first and the second that no section has.
fn with_gap(mut parts: Parts) -> Vec<u8> {
    parts.sections[0].tail = vec![0; 7];
    let mut bytes = parts.assemble();
    let mut meta = sections(&bytes).remove(0);
    put_u32(&mut bytes, meta.start + 8, 0);
    meta.tail = meta.head.end..meta.head.end;
    seal(&mut bytes, &meta);
    bytes
}
