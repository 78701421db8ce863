//! Writes a run of the demo's scene as a capture: the command line of the producer of traces/demo.

#[cfg(test)]
mod tests;

use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use demo_boxes::world::{candidate, reference};
use demo_boxes::{capture, scene};

const USAGE: &str = "usage: demo-boxes reference|candidate [--ticks N] [--zstd]";
/// zstd's level for `--zstd`: what is shipped is packed once and read often.
const LEVEL: i32 = 19;

/// What was asked for.
struct Request {
    candidate: bool,
    ticks: u32,
    zstd: bool,
}

fn main() -> ExitCode {
    let Some(request) = parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(&request, io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has read enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo-boxes: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Request> {
    let candidate = match arguments.next()?.as_str() {
        "reference" => false,
        "candidate" => true,
        _ => return None,
    };
    let mut request = Request { candidate, ticks: scene::TICKS, zstd: false };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--ticks" => request.ticks = arguments.next()?.parse().ok()?,
            "--zstd" => request.zstd = true,
            _ => return None,
        }
    }
    Some(request)
}

fn run(request: &Request, out: impl Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    if request.zstd {
        let mut packed = zstd::Encoder::new(&mut out, LEVEL)?;
        packed.include_checksum(true)?;
        simulate(request, &mut packed)?;
        packed.finish()?;
    } else {
        simulate(request, &mut out)?;
    }
    out.flush()
}

fn simulate(request: &Request, out: &mut impl Write) -> io::Result<()> {
    let ticks = request.ticks as usize;
    if request.candidate {
        capture::write(out, candidate::BUILD, candidate::frames().take(ticks))
    } else {
        capture::write(out, reference::BUILD, reference::frames().take(ticks))
    }
}
