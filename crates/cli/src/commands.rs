//! The commands: what was typed becomes what is meant, the floors below do it, and the report is printed.

mod demo;
mod diff;
mod export;
mod focus;
mod health;
mod info;
mod ingest;
mod projections;
mod query;

use std::path::Path;

use cdt_trace::Trace;

use crate::args::Command;
use crate::exit::{Exit, Failure};
use crate::terminal::Terminal;

/// Runs a command.
pub fn run(command: &Command, terminal: &Terminal) -> Result<Exit, Failure> {
    match command {
        Command::Finalize(args) => ingest::finalize(args, terminal),
        Command::Import(args) => ingest::import(args, terminal),
        Command::Info(args) => info::info(args, terminal),
        Command::Health(args) => health::health(args, terminal),
        Command::Diff(args) => diff::diff(args, terminal),
        Command::Focus(args) => focus::focus(args, terminal),
        Command::Tick(args) => projections::tick(args, terminal),
        Command::Entity(args) => projections::entity(args, terminal),
        Command::Query(args) => query::query(args, terminal),
        Command::Export(args) => export::export(args, terminal),
        Command::Demo(args) => demo::demo(args, terminal),
    }
}

fn open(path: &Path) -> Result<Trace, Failure> {
    Ok(Trace::open(path)?)
}
