//! What command lines share: exit codes, terminals, progress and Ctrl-C, verdicts for people, and the command that records anybody's
//! [`cdt_schema::Machine`]. A command line of its own is a door; this is the frame they stand in.

pub mod exit;
pub mod record;
pub mod terminal;
pub mod text;
pub mod verdict;
pub mod watch;
