//! The commands: what was typed becomes what is meant, the floors below do it, and the report is printed.

mod bisect;
mod demo;
mod diff;
mod export;
mod files;
mod focus;
mod follow;
mod health;
mod info;
mod ingest;
mod projections;
mod query;
mod shell;

use std::path::Path;

use cdt_door::exit::{Exit, Failure};
use cdt_door::terminal::Terminal;
use cdt_trace::Trace;

use crate::args::Command;

/// Runs a command.
pub fn run(command: &Command, terminal: &Terminal) -> Result<Exit, Failure> {
    match command {
        Command::Finalize(args) => ingest::finalize(args, terminal),
        Command::Import(args) => ingest::import(args, terminal),
        Command::Info(args) => info::info(args, terminal),
        Command::Health(args) => health::health(args, terminal),
        Command::Diff(args) => diff::diff(args, terminal),
        Command::Bisect(args) => bisect::bisect(args, terminal),
        Command::Focus(args) => focus::focus(args, terminal),
        Command::Tick(args) => projections::tick(args, terminal),
        Command::Entity(args) => projections::entity(args, terminal),
        Command::Compact(args) => files::compact(args, terminal),
        Command::Recover(args) => files::recover(args, terminal),
        Command::Query(args) => query::query(args, terminal),
        Command::Export(args) => export::export(args, terminal),
        Command::Demo(args) => demo::demo(args, terminal),
        Command::Completions(args) => shell::completions(args, terminal),
        Command::Man(args) => shell::man(args, terminal),
    }
}

fn open(path: &Path) -> Result<Trace, Failure> {
    Ok(Trace::open(path)?)
}

/// What was made of traces, or why it was not, unless one of them was written to meanwhile: then that is all there is to say.
fn settled<T, E: Into<Failure>>(traces: &[&Trace], made: Result<T, E>) -> Result<T, Failure> {
    traces.iter().try_for_each(|trace| trace.check_unchanged())?;
    made.map_err(E::into)
}

/// The reports that are made here, for their schemas.
#[cfg(test)]
pub mod reports {
    pub use super::export::ExportJson;
    pub use super::files::{CompactJson, RecoverJson};
    pub use super::info::InfoJson;
    pub use super::ingest::{FinalizeJson, ImportJson};
    pub use super::projections::{EntityJson, TickJson};
    pub use super::query::{QueryJson, TablesJson};
}
