//! CPU logs in the manner of those of the NES test ROM `nestest`: address, instruction bytes, disassembly, registers, and
//! in some logs the PPU's position and the CPU's cycles.
//!
//! The disassembly is not behaviour and disassemblers differ in it, so nothing of it is taken but the memory value that
//! it shows, which is kept as evidence. Jumps are left out there too: what some logs show after them is no operand.

use std::borrow::Cow;

use cdt_schema::Scalar;

use super::scan::{Miss, Scanner, find_word, hex_at};
use super::{Instruction, Reading};

pub(super) const EXAMPLE: &str =
    "C000  4C F5 C5  JMP $C5F5                       A:00 X:00 Y:00 P:24 SP:FD PPU:  0, 21 CYC:7";

/// `code` is the instruction's bytes as one big-endian number.
pub(super) const STATE: [&str; 8] = ["pc", "code", "code_len", "a", "x", "y", "p", "sp"];

/// JMP, JSR and JMP indirect.
const JUMPS: [u32; 3] = [0x4c, 0x20, 0x6c];

/// The NTSC picture's line before the first, which some logs call -1.
const PRE_RENDER_LINE: u64 = 261;

/// Reads a line. A prefix before the address (a logger's, a line number) is passed over.
pub(super) fn read(line: &str) -> Reading {
    let registers = registers(line);
    let result = match (address(line, registers.unwrap_or(line.len())), registers) {
        (Some(address), Some(registers)) => instruction(line, address, registers),
        // Without registers it is a line that was cut only if it begins like one; chatter may name addresses too.
        (Some(0), None) => Err((line.len(), "the registers, \"A:\" first,".to_owned())),
        (_, None) => return Reading::Noise,
        (None, Some(_)) => {
            Err((0, "an address of 4 hexadecimal digits, two spaces and the instruction's bytes".to_owned()))
        }
    };
    result.map_or_else(|(at, expected)| Reading::Malformed { at, expected }, Reading::Instruction)
}

/// Where the last address before a byte begins: four hexadecimal digits, two spaces, two digits. What looks like one
/// before it is a prefix.
fn address(line: &str, before: usize) -> Option<usize> {
    let bytes = line.as_bytes();
    let begins = |at: &usize| {
        (*at == 0 || !bytes[at - 1].is_ascii_alphanumeric())
            && hex_at(bytes, *at, 4).is_some()
            && bytes.get(at + 4..at + 6) == Some(b"  ")
            && hex_at(bytes, at + 6, 2).is_some()
    };
    (0..before).rev().find(begins)
}

/// Where the registers begin: `A:`, a hexadecimal number, and `X:` after it.
fn registers(line: &str) -> Option<usize> {
    let at = find_word(line, "A:")?;
    find_word(&line[at..], "X:").map(|_| at)
}

fn instruction(line: &str, address: usize, registers: usize) -> Result<Instruction, Miss> {
    let mut scanner = Scanner::new(line, address);
    let pc = scanner.hex(4)?;
    scanner.expect("  ")?;
    let first = scanner.hex(2)?;
    let (mut code, mut code_len) = (first, 1);
    while code_len < 3 && scanner.rest().starts_with(' ') {
        let Some(byte) = hex_at(line.as_bytes(), scanner.at() + 1, 2) else { break };
        code = code << 8 | byte;
        code_len += 1;
        scanner = Scanner::new(line, scanner.at() + 3);
    }
    let operand = operand(&line[scanner.at()..registers]).filter(|_| !JUMPS.contains(&first));
    let mut scanner = Scanner::new(line, registers);
    let mut state = vec![pc, code, code_len];
    for name in ["A", "X", "Y", "P", "SP"] {
        state.push(scanner.register(name, 2)?);
    }
    let counters = counters(&mut scanner)?;
    scanner.skip_spaces();
    if !scanner.rest().is_empty() {
        return Err((scanner.at(), "PPU: or CYC: or the end of the line".to_owned()));
    }
    let state = state.into_iter().map(Scalar::U32).collect();
    let counters = counters.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect();
    Ok(Instruction { state, counters, operand, optional: 0 })
}

/// The last `= HH` of the disassembly.
fn operand(disassembly: &str) -> Option<u32> {
    let (_, shown) = disassembly.rsplit_once("= ")?;
    hex_at(shown.as_bytes(), 0, 2).filter(|_| shown[2..].trim().is_empty())
}

/// The columns after the registers: the PPU's line and dot and the CPU's cycles, or (in older logs) `CYC:` for the dot
/// and `SL:` for the line.
fn counters(scanner: &mut Scanner<'_>) -> Result<Vec<(&'static str, u64)>, Miss> {
    let mut counters = Vec::new();
    if scanner.take("PPU:") {
        counters.push(("ppu_scanline", scanline(scanner)?));
        scanner.expect(",")?;
        counters.push(("ppu_dot", count(scanner)?));
        scanner.skip_spaces();
    }
    if scanner.take("CYC:") {
        let cycles = count(scanner)?;
        scanner.skip_spaces();
        if counters.is_empty() && scanner.take("SL:") {
            counters.push(("ppu_scanline", scanline(scanner)?));
            counters.push(("ppu_dot", cycles));
        } else {
            counters.push(("cycles", cycles));
        }
    }
    Ok(counters)
}

fn count(scanner: &mut Scanner<'_>) -> Result<u64, Miss> {
    let at = scanner.at();
    u64::try_from(scanner.decimal()?).map_err(|_| (at, "a number that is not negative".to_owned()))
}

fn scanline(scanner: &mut Scanner<'_>) -> Result<u64, Miss> {
    let at = scanner.at();
    match scanner.decimal()? {
        -1 => Ok(PRE_RENDER_LINE),
        line => u64::try_from(line).map_err(|_| (at, "a line from -1 on".to_owned())),
    }
}
