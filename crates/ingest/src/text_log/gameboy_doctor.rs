//! Lines as gameboy-doctor expects them: the registers before an instruction, and the four bytes at its address.

use cdt_schema::Scalar;

use super::scan::{Miss, Scanner, find_word};
use super::{Instruction, Reading};

pub(super) const EXAMPLE: &str = "A:01 F:B0 B:00 C:13 D:00 E:D8 H:01 L:4D SP:FFFE PC:0100 PCMEM:00,C3,13,02";

/// `pcmem` is the four bytes as one big-endian number.
pub(super) const STATE: [&str; 11] = ["a", "f", "b", "c", "d", "e", "h", "l", "sp", "pc", "pcmem"];

/// Reads a line. A prefix before the registers (a logger's, a line number) is passed over.
pub(super) fn read(line: &str) -> Reading {
    let begin = find_word(line, "A:").filter(|at| find_word(&line[*at..], "F:").is_some());
    let Some(begin) = begin else {
        // A line that lost its beginning still shows what it was.
        return match find_word(line, "PCMEM:") {
            Some(_) => Reading::Malformed { at: 0, expected: "\"A:\"".to_owned() },
            None => Reading::Noise,
        };
    };
    instruction(line, begin).map_or_else(|(at, expected)| Reading::Malformed { at, expected }, Reading::Instruction)
}

fn instruction(line: &str, begin: usize) -> Result<Instruction, Miss> {
    let mut scanner = Scanner::new(line, begin);
    let mut state = Vec::with_capacity(STATE.len());
    for name in ["A", "F", "B", "C", "D", "E", "H", "L"] {
        state.push(scanner.register(name, 2)?);
    }
    for name in ["SP", "PC"] {
        state.push(scanner.register(name, 4)?);
    }
    scanner.expect("PCMEM:")?;
    let mut memory = scanner.hex(2)?;
    for _ in 0..3 {
        scanner.expect(",")?;
        memory = memory << 8 | scanner.hex(2)?;
    }
    state.push(memory);
    scanner.skip_spaces();
    if !scanner.rest().is_empty() {
        return Err((scanner.at(), "the end of the line".to_owned()));
    }
    let state = state.into_iter().map(Scalar::U32).collect();
    Ok(Instruction { state, counters: Vec::new(), operand: None, optional: 0 })
}
