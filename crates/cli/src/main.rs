//! `cdt`: finds the tick where two runs that should be the same part for good, and says why. A door: it reads arguments,
//! calls the floors below, prints what they report, and owns the exit codes.

mod args;
mod commands;
mod exit;
mod terminal;
mod text;
mod watch;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    let terminal = terminal::Terminal::new(args.color);
    watch::catch_interrupts();
    let exit = commands::run(&args.command, &terminal).unwrap_or_else(|failure| {
        terminal.complain(&failure.to_string());
        exit::Exit::CouldNot
    });
    exit.into()
}
