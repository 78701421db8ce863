//! `cdt`: finds the tick where two runs that should be the same part for good, and says why. A door: it reads arguments,
//! calls the floors below, prints what they report, and owns the exit codes.

mod args;
mod commands;
#[cfg(test)]
mod schemas;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use cdt_door::exit::Exit;
use cdt_door::terminal::Terminal;
use cdt_door::watch;
use clap::Parser;

fn main() -> ExitCode {
    // Any code between 1 and 127 but this one would blame a commit for what is wrong with the question.
    let is_bisecting = std::env::args_os().any(|word| word == "--git-bisect");
    let refused = if is_bisecting { Exit::Skip } else { Exit::CouldNot };
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let is_asked_for = !error.use_stderr();
            return match error.print() {
                Ok(()) if is_asked_for => Exit::Yes,
                _ => refused,
            }
            .into();
        }
    };
    let terminal = Terminal::new("cdt", args.color);
    watch::catch_interrupts("cdt", refused);
    // Every run of a session that has no end yet keeps a file open, and so do some of the complete ones. Where the limit
    // cannot be raised, the file that does not open is told.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let work = || commands::run(&args.command, &terminal);
    let done = if is_bisecting { std::panic::catch_unwind(AssertUnwindSafe(work)) } else { Ok(work()) };
    match done {
        Ok(Ok(exit)) => exit,
        Ok(Err(failure)) => {
            terminal.complain(&failure.to_string());
            refused
        }
        // The panic has said what it is.
        Err(_) => refused,
    }
    .into()
}
