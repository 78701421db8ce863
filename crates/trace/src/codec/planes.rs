//! Numbers cut into planes: the lowest byte of each, then the next byte of each, and so on. A plane of high bytes is
//! nearly constant and one of low bytes is noise, so each is compressed apart, and only where it gains.
//!
//! A plane is a byte that says how it is stored: 0 as it is, 1 as one byte that all have, 2 as the length (u32) of a zstd
//! frame and the frame.

use std::fmt;

use cdt_schema::vectorized;

use super::Lane;
use crate::frame::Cursor;

const STORED: u8 = 0;
const CONSTANT: u8 = 1;
const COMPRESSED: u8 = 2;
/// First bytes of a zstd frame.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Largest window of a zstd frame that does not say its content's length instead: what every decoder of zstd is asked to
/// know, so that those who read piece by piece need no more.
const MAX_WINDOW: u64 = 8 << 20;
/// Planes are nearly constant or nearly noise: what matches a higher level would look for is not there.
const LEVEL: i32 = 1;

/// Compresses planes, with buffers and a context that are reused.
pub(crate) struct Zstd {
    compressor: zstd::bulk::Compressor<'static>,
    plane: Vec<u8>,
    packed: Vec<u8>,
    out: Vec<u8>,
}

impl fmt::Debug for Zstd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Zstd")
    }
}

impl Zstd {
    pub(crate) fn new() -> Zstd {
        let compressor = zstd::bulk::Compressor::new(LEVEL).expect("a context is a little memory");
        Zstd { compressor, plane: Vec::new(), packed: Vec::new(), out: Vec::new() }
    }

    /// The planes of some numbers. Those of `noise`, a bit each, are stored as they are; with `tries` all are compressed, and
    /// those that did not gain become noise.
    pub(super) fn planes<L: Lane>(&mut self, numbers: &[L], noise: &mut u8, tries: bool) -> &[u8] {
        self.out.clear();
        for byte in 0..size_of::<L>() {
            self.plane.clear();
            L::plane(numbers, byte, &mut self.plane);
            let bit = 1 << byte;
            if !tries && *noise & bit != 0 {
                self.store();
                continue;
            }
            *noise &= !bit;
            if !self.compress() {
                *noise |= bit;
            }
        }
        &self.out
    }

    fn store(&mut self) {
        self.out.push(STORED);
        self.out.extend_from_slice(&self.plane);
    }

    /// Stores the plane in the way that is smallest; whether that gained.
    fn compress(&mut self) -> bool {
        let first = self.plane.first().copied().unwrap_or(0);
        if self.plane.iter().all(|&byte| byte == first) {
            self.out.extend_from_slice(&[CONSTANT, first]);
            return true;
        }
        self.packed.clear();
        self.packed.reserve(zstd::zstd_safe::compress_bound(self.plane.len()));
        let len = self.compressor.compress_to_buffer(&self.plane, &mut self.packed);
        let len = len.expect("the buffer is as large as the bound");
        let gains = len + 4 < self.plane.len();
        if gains {
            self.out.push(COMPRESSED);
            self.out.extend_from_slice(&u32::try_from(len).expect("a column is far below 4 GiB").to_le_bytes());
            self.out.extend_from_slice(&self.packed);
        } else {
            self.store();
        }
        gains
    }
}

/// Unpacks planes, with a context that is made when it is first needed.
#[derive(Default)]
pub(crate) struct Unzstd {
    decompressor: Option<zstd::bulk::Decompressor<'static>>,
    planes: [Vec<u8>; 8],
}

impl fmt::Debug for Unzstd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unzstd")
    }
}

impl Unzstd {
    /// Reads numbers into `out`, which they fill.
    ///
    /// # Errors
    /// The rule that the bytes break.
    pub(super) fn join<L: Lane>(&mut self, cursor: &mut Cursor<'_>, out: &mut [L]) -> Result<(), String> {
        for byte in 0..size_of::<L>() {
            self.plane(byte, cursor, out.len())?;
        }
        vectorized!(L::join(self.planes.each_ref().map(Vec::as_slice), out));
        Ok(())
    }

    /// Reads a plane of `count` bytes, and of no more.
    fn plane(&mut self, byte: usize, cursor: &mut Cursor<'_>, count: usize) -> Result<(), String> {
        let plane = &mut self.planes[byte];
        match cursor.take(1)?[0] {
            STORED => {
                plane.clear();
                plane.extend_from_slice(cursor.take(count)?);
            }
            CONSTANT => {
                let part = cursor.take(1)?[0];
                plane.clear();
                plane.resize(count, part);
            }
            COMPRESSED => {
                let len = u32::from_le_bytes(cursor.take(4)?.try_into().expect("4 bytes")) as usize;
                let packed = cursor.take(len)?;
                check_window(packed)?;
                // The decompressor would go on to a second frame.
                let frame = zstd::zstd_safe::find_frame_compressed_size(packed);
                if frame.is_ok_and(|len| len < packed.len()) {
                    return Err("bytes follow the zstd frame of a plane".to_owned());
                }
                plane.resize(count, 0);
                let decompressor = match &mut self.decompressor {
                    Some(decompressor) => decompressor,
                    none => none.insert(zstd::bulk::Decompressor::new().map_err(|error| format!("zstd: {error}"))?),
                };
                let written = decompressor.decompress_to_buffer(packed, &mut plane[..]);
                let written = written.map_err(|error| format!("zstd: {error}"))?;
                if written != count {
                    return Err(format!("a plane of {count} bytes unpacked to {written}"));
                }
            }
            kind => return Err(format!("a plane cannot be stored in the way {kind}")),
        }
        Ok(())
    }
}

/// Checks what unpacking into one piece of memory does not depend on.
fn check_window(frame: &[u8]) -> Result<(), String> {
    let header = frame.strip_prefix(&ZSTD_MAGIC).and_then(|rest| rest.first_chunk::<2>());
    let &[descriptor, window] = header.ok_or("zstd: a frame is expected")?;
    let says_its_length_instead = descriptor & 0x20 != 0;
    let base = 1u64 << (10 + (window >> 3));
    let window = base + base / 8 * u64::from(window & 7);
    if says_its_length_instead || window <= MAX_WINDOW {
        return Ok(());
    }
    Err(format!("a plane's zstd frame has a window of {window} bytes; at most {MAX_WINDOW} are expected"))
}
