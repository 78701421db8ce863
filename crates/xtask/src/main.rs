//! Repository chores, run as `cargo xtask <command>`: what must hold, and everything that CI runs.
//!
//! Not part of the product: no crate depends on it, it stands outside the floors, and it knows our crates by their
//! text alone.

#![expect(clippy::disallowed_methods, reason = "a development tool may ask the clock and the environment")]

mod capture_loop;
mod ci;
mod deny;
mod fuzz;
mod python;
mod second_reader;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

/// What a chore came to: a short note for its line in the closing table, or what went wrong.
type Outcome = Result<String, String>;

const USAGE: &str = "usage: cargo xtask <command>

  tidy           check the house rules: floors, module docs, lengths, banned calls
  codegen        write anew what is generated from the code: schemas, the agents' types, tables of docs, traces/conformance
  loop           capture the original, record its rewrite, compare: every command is printed before it is run
  fuzz           run the fuzz targets: [--seconds N] [TARGET], or one on an input: TARGET INPUT
  second-reader  read the conformance corpus with the reader in Python
  test           run everything that CI runs, in order, stopping at the first failure
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root.canonicalize().expect("the crate was built inside the repository");

    if let Some(exit) = fuzz::compile(&args) {
        return exit;
    }
    let outcome = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["codegen"] => ci::codegen(&root),
        ["tidy"] => tidy::run(&root),
        ["fuzz", ref rest @ ..] => fuzz::from_args(&root, rest),
        ["loop"] => capture_loop::run(&root),
        ["second-reader"] => second_reader::short(&root),
        ["test"] => ci::run(&root),
        ["--help" | "-h" | "help"] => Ok(USAGE.to_owned()),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(note) => {
            println!("{}", note.trim_end());
            ExitCode::SUCCESS
        }
        Err(why) => {
            println!("{}", why.trim_end());
            ExitCode::from(1)
        }
    }
}
