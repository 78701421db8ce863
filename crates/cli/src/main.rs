//! `cdt`: finds the tick where two runs that should be the same part for good, and says why. A door: it reads arguments,
//! calls the floors below, prints what they report, and owns the exit codes.

mod args;
mod commands;
mod exit;
#[cfg(test)]
mod schemas;
mod terminal;
mod text;
mod watch;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    let terminal = terminal::Terminal::new(args.color);
    watch::catch_interrupts();
    // Every complete run of a session keeps a file open until all get their names, and the usual limit is 1,024. Where it
    // cannot be raised, the file that does not open is told.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let exit = commands::run(&args.command, &terminal).unwrap_or_else(|failure| {
        terminal.complain(&failure.to_string());
        exit::Exit::CouldNot
    });
    exit.into()
}
