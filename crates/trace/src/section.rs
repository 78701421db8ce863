//! The file's skeleton: a header, self-delimiting checksummed sections, a trailer.
//!
//! Section: tag (4 bytes), head length (u32), tail length (u64), xxh3-64 of the head (u64), xxh3-64 of those 24 bytes
//! (u64), head, tail. The head is one rkyv record; what stands in the tail is described and checksummed by the head.

use std::ops::Range;

use twox_hash::XxHash3_64;

use crate::{Error, ErrorKind, FORMAT_VERSION};

/// First bytes of every trace. A byte above 127, CR LF, Ctrl-Z and LF show a file that was mangled as text.
pub const MAGIC: [u8; 8] = *b"\x89CDT\r\n\x1a\n";
/// Last bytes of every finished trace.
pub(crate) const END_MAGIC: [u8; 8] = *b"CDT-END\n";
/// Magic, version, and four zero bytes.
pub(crate) const FILE_HEADER: u64 = 16;
/// Before every head.
pub(crate) const SECTION_HEADER: u64 = 32;
/// Footer's offset, its checksum, end magic.
pub(crate) const TRAILER: u64 = 24;
/// Longest head of any section; what is longer stands in tails.
const MAX_HEAD: u32 = 1 << 28;

/// What a section is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Meta,
    Block,
    Loss,
    Segment,
    Footer,
}

impl Tag {
    const ALL: [Tag; 5] = [Tag::Meta, Tag::Block, Tag::Loss, Tag::Segment, Tag::Footer];

    pub(crate) fn bytes(self) -> [u8; 4] {
        *self.name().as_bytes().first_chunk().expect("names have four letters")
    }

    fn name(self) -> &'static str {
        match self {
            Tag::Meta => "META",
            Tag::Block => "BLCK",
            Tag::Loss => "LOSS",
            Tag::Segment => "SEGM",
            Tag::Footer => "FOOT",
        }
    }

    /// What the section is of which these are the first bytes.
    fn of(bytes: &[u8]) -> Option<Tag> {
        Tag::ALL.into_iter().find(|tag| bytes.starts_with(&tag.bytes()))
    }
}

/// Whether bytes are the first ones, however few, of a section that is no `tag`.
pub(crate) fn begins_another_than(tag: Tag, bytes: &[u8]) -> bool {
    let begins = |of: Tag| of.bytes().iter().zip(bytes).all(|(expected, byte)| byte == expected);
    !begins(tag) && Tag::ALL.into_iter().any(begins)
}

/// A checked section header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SectionHeader {
    pub(crate) head_len: u32,
    pub(crate) tail_len: u64,
    head_checksum: u64,
}

/// The first bytes of a trace.
pub(crate) fn file_header() -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes
}

fn no_trace() -> Error {
    let rule = "not a .cdt trace: it does not begin with the trace's signature; `cdt finalize` makes traces from JSONL \
                captures, `cdt import` from text logs";
    Error::new(ErrorKind::NotATrace, rule)
}

/// Checks what there is of the signature of a trace that may still be written.
pub(crate) fn check_beginning(bytes: &[u8]) -> Result<(), Error> {
    let matches = bytes.iter().zip(&MAGIC).all(|(byte, expected)| byte == expected);
    if matches { Ok(()) } else { Err(no_trace()) }
}

/// Checks the first bytes of a trace.
pub(crate) fn check_file_header(bytes: &[u8]) -> Result<(), Error> {
    let (magic, rest) = bytes.split_first_chunk::<8>().ok_or_else(no_trace)?;
    check_beginning(magic)?;
    let Some((version, rest)) = rest.split_first_chunk::<4>() else {
        return Err(Error::damaged(8, "the file ends inside its header"));
    };
    let version = u32::from_le_bytes(*version);
    if version != FORMAT_VERSION {
        let rule = format!(
            "a trace of format version {version}, but this cdt reads version {FORMAT_VERSION} alone; make the trace \
             again with this cdt, or read it with the one that wrote it"
        );
        return Err(Error::new(ErrorKind::Version, rule));
    }
    if rest.first_chunk::<4>() != Some(&[0; 4]) {
        return Err(Error::damaged(12, "four zero bytes are expected after the version"));
    }
    Ok(())
}

/// Appends a section.
pub(crate) fn write_section(tag: Tag, head: &[u8], tail: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let head_len = u32::try_from(head.len()).ok().filter(|&len| len <= MAX_HEAD).expect("heads are small");
    out.extend_from_slice(&tag.bytes());
    out.extend_from_slice(&head_len.to_le_bytes());
    out.extend_from_slice(&(tail.len() as u64).to_le_bytes());
    out.extend_from_slice(&XxHash3_64::oneshot(head).to_le_bytes());
    let checksum = XxHash3_64::oneshot(&out[start..]);
    out.extend_from_slice(&checksum.to_le_bytes());
    out.extend_from_slice(head);
    out.extend_from_slice(tail);
}

/// Checks the header of the section at `offset`, of which `bytes` begins the bytes, and that the section ends by `end`.
pub(crate) fn read_header(tag: Tag, offset: u64, bytes: &[u8], end: u64) -> Result<SectionHeader, Error> {
    let name = tag.name();
    let Some(header) = bytes.first_chunk::<32>() else {
        return Err(Error::damaged(offset, format!("the file ends inside the header of a {name} section")));
    };
    let u64_at = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("8 bytes"));
    if header[..4] != tag.bytes() {
        let got = header[..4].escape_ascii();
        return Err(Error::damaged(offset, format!("a {name} section is expected, not \"{got}\"")));
    }
    if XxHash3_64::oneshot(&header[..24]) != u64_at(24) {
        return Err(Error::damaged(offset, format!("the checksum of the {name} section's header does not match")));
    }
    let head_len = u32::from_le_bytes(header[4..8].try_into().expect("4 bytes"));
    let tail_len = u64_at(8);
    let len = (SECTION_HEADER + u64::from(head_len)).checked_add(tail_len);
    if head_len > MAX_HEAD || len.and_then(|len| len.checked_add(offset)).is_none_or(|last| last > end) {
        let rule = format!("the {name} section of {head_len} + {tail_len} bytes does not end by byte {end}");
        return Err(Error::damaged(offset, rule));
    }
    Ok(SectionHeader { head_len, tail_len, head_checksum: u64_at(16) })
}

/// Checks the header of a section that begins at `offset`, whatever it is. Where it ends is not: the file may still grow.
pub(crate) fn read_next_header(offset: u64, bytes: &[u8]) -> Result<(Tag, SectionHeader), Error> {
    let Some(tag) = Tag::of(bytes) else {
        let got = bytes[..bytes.len().min(4)].escape_ascii();
        return Err(Error::damaged(offset, format!("a section is expected, not \"{got}\"")));
    };
    Ok((tag, read_header(tag, offset, bytes, u64::MAX)?))
}

impl SectionHeader {
    /// Where the head of the section at `offset` stands in the file.
    pub(crate) fn head(&self, offset: u64) -> Range<u64> {
        let start = offset + SECTION_HEADER;
        start..start + u64::from(self.head_len)
    }

    /// Where the tail of the section at `offset` stands in the file.
    pub(crate) fn tail(&self, offset: u64) -> Range<u64> {
        let start = self.head(offset).end;
        start..start + self.tail_len
    }

    /// Checks the head's bytes.
    pub(crate) fn check_head(&self, offset: u64, head: &[u8]) -> Result<(), Error> {
        debug_assert_eq!(head.len(), self.head_len as usize);
        if XxHash3_64::oneshot(head) != self.head_checksum {
            return Err(Error::damaged(offset + SECTION_HEADER, "the checksum of the section's head does not match"));
        }
        Ok(())
    }
}

/// Checks the section at `offset`, of which `bytes` are said to be all the bytes but those of its tail, and gives its head.
pub(crate) fn read_head(tag: Tag, offset: u64, bytes: &[u8], end: u64) -> Result<(SectionHeader, &[u8]), Error> {
    let header = read_header(tag, offset, bytes, end)?;
    if header.head(offset).end != offset + bytes.len() as u64 {
        return Err(Error::damaged(offset, "the section's head does not end where the index says"));
    }
    let head = &bytes[usize::try_from(SECTION_HEADER).expect("32")..];
    header.check_head(offset, head)?;
    Ok((header, head))
}

/// The last bytes of a finished trace.
pub(crate) fn trailer(footer: u64) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&footer.to_le_bytes());
    let checksum = XxHash3_64::oneshot(&bytes[..8]);
    bytes[8..16].copy_from_slice(&checksum.to_le_bytes());
    bytes[16..].copy_from_slice(&END_MAGIC);
    bytes
}

/// Checks the trailer of a file of `file_len` bytes and gives the footer's offset.
pub(crate) fn read_trailer(bytes: &[u8; 24], file_len: u64) -> Result<u64, Error> {
    if bytes[16..] != END_MAGIC {
        let rule = "the trace is not finished: its end is missing. If its writer is still at work, follow it with \
                    `cdt health --follow` or `cdt diff --follow`; if not, `cdt recover` brings back every complete block";
        return Err(Error::new(ErrorKind::Incomplete, rule));
    }
    let offset = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes"));
    let checksum = u64::from_le_bytes(bytes[8..16].try_into().expect("8 bytes"));
    if XxHash3_64::oneshot(&bytes[..8]) != checksum {
        return Err(Error::damaged(file_len - TRAILER, "the checksum of the trailer does not match"));
    }
    if offset < FILE_HEADER || offset > file_len - TRAILER {
        return Err(Error::damaged(file_len - TRAILER, format!("the footer cannot stand at byte {offset}")));
    }
    Ok(offset)
}
