//! What was typed. What it means is decided in the commands.

use std::path::PathBuf;
use std::str::FromStr;

use cdt_analysis::{Action, Align, Rule};
use cdt_door::record::Encoding;
use cdt_door::terminal::Color;
use cdt_ingest::{LineFormat, LogFormat};
use cdt_projections::Window;
use cdt_projections::sql::RowFormat;
use cdt_schema::{Channel, ChannelSet, Generation, Slot, Tick};
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

/// Find the tick where two runs that should be the same part for good, and say why.
#[derive(Debug, Parser)]
#[command(name = "cdt", version, propagate_version = true, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,

    /// When to colour the output; NO_COLOR is heeded.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
}

const EXIT_CODES: &str = "\
Exit codes: 0 yes (equal, healthy, done); 1 no (diverged, unhealthy, nobody there); 2 could not try (usage, unreadable file, I/O);
3 cannot say (not comparable, or done but with recorded loss).

A first look: cdt demo";

#[derive(Debug, Subcommand)]
pub enum Command {
    Finalize(Finalize),
    Import(Import),
    Info(Info),
    Health(Health),
    Diff(Diff),
    Bisect(Bisect),
    Focus(Focus),
    Tick(TickArgs),
    Entity(Entity),
    Compact(Compact),
    Recover(Recover),
    Query(Query),
    Export(Export),
    Demo(Demo),
    Completions(Completions),
    Man(Man),
}

/// Turn a captured JSONL session into one trace for each of its runs.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  cdt finalize capture.jsonl -o ref.cdt         one run, one trace
  cdt finalize session.jsonl.zst -o traces/     every run, as traces/RUN_ID.cdt
  my-program | cdt finalize - -o ref.cdt        from standard input
  cdt finalize crashed.jsonl --truncated-tail   keep what is whole, record the loss")]
pub struct Finalize {
    /// The capture: JSONL, plain or zstd; - for standard input.
    pub capture: PathBuf,
    /// A trace to write (NAME.cdt), or a folder for one trace a run.
    #[arg(short, long, value_name = "PATH", default_value = ".")]
    pub out: PathBuf,
    /// Replace traces that stand there.
    #[arg(short, long)]
    pub force: bool,
    /// Keep what is whole of a capture that was cut short, and record the loss.
    #[arg(long)]
    pub truncated_tail: bool,
    /// How to encode: live is quick to write and probe, archive is small.
    #[arg(long, value_enum, default_value_t = Encoding::Live)]
    pub encoding: Encoding,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Turn the text log of an emulator into a trace: one instruction is one tick.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  cdt import --format nestest nestest.log -o ref.cdt
  cdt import --format gameboy-doctor my.log.zst -o mine.cdt
  cdt import --format-string 'f={frame:u32} x={x:f32} hp={hp:i32}{*}' game.log -o game.cdt
  cdt diff --channels state ref.cdt mine.cdt    compare registers alone

A format string is text that stands in every line, and fields as {NAME:TYPE}:
  bool, i32, u32, i64, u64, f32, f64            decimal
  hex, hex1 to hex16                            1 to 8 hexadecimal digits, or exactly as many
  {*}                                           anything; a space stands for one or more
  [ ... ]                                       what all lines have, or none
  {counter.NAME:u64}                            a counter beside the state
A line that does not fit is an error, unless --skip-other-lines leaves it out; docs/capture.md has
the rest.")]
pub struct Import {
    /// The log: plain or zstd; - for standard input.
    pub log: PathBuf,
    /// How its lines are to be read: nestest or gameboy-doctor.
    #[arg(long, value_parser = log_format, value_name = "FORMAT", required_unless_present = "format_string")]
    pub format: Option<LogFormat>,
    /// How its lines are to be read, in your own words; see below.
    #[arg(long, value_parser = LineFormat::parse, value_name = "STRING", conflicts_with = "format")]
    pub format_string: Option<LineFormat>,
    /// Leave lines out that do not look like those of the log, and count them; without it they are errors.
    #[arg(long, conflicts_with = "format")]
    pub skip_other_lines: bool,
    /// The trace to write.
    #[arg(short, long, value_name = "TRACE")]
    pub out: PathBuf,
    /// Replace the trace that stands there.
    #[arg(short, long)]
    pub force: bool,
    /// Keep what is whole of a log whose last line was cut short, and record the loss.
    #[arg(long)]
    pub truncated_tail: bool,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    LogFormat::from_name(text).ok_or_else(|| {
        let known: Vec<&str> = LogFormat::NAMED.iter().map(LogFormat::name).collect();
        format!("the formats are {}", known.join(" and "))
    })
}

/// Show what a trace is: where it came from, its layout, its ticks, its loss.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  cdt info ref.cdt --json")]
pub struct Info {
    /// The trace.
    pub trace: PathBuf,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Is a trace fit to compare? Checks every byte, digest and rng transition; lists gaps, loss and dead fields.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  cdt health ref.cdt && cdt health cand.cdt && cdt diff ref.cdt cand.cdt
  cdt health --follow cand.cdt.partial          while it is being written")]
pub struct Health {
    /// The trace.
    pub trace: PathBuf,
    #[command(flatten)]
    pub following: Following,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// How to read traces that are still being written.
#[derive(Debug, ClapArgs)]
pub struct Following {
    /// Read what is still being written, block by block, to its end or to a verdict that no later tick can change.
    #[arg(long)]
    pub follow: bool,
    /// With --follow: seconds without a new block after which a trace is taken to have no end.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400), requires = "follow")]
    pub idle_timeout: u64,
}

/// What two traces are compared by.
#[derive(Debug, ClapArgs)]
pub struct Comparison {
    /// The run that is right by definition.
    pub reference: PathBuf,
    /// The run under test.
    pub candidate: PathBuf,
    /// Only these ticks; the end is exclusive.
    #[arg(long, value_name = "A..B", default_value = "..", hide_default_value = true, allow_hyphen_values = true)]
    pub ticks: Window,
    /// Only these channels, by commas: step, rng, calls, state, entities, checkpoint, timing, events, memory.
    #[arg(long, value_name = "LIST", value_parser = channels)]
    pub channels: Option<ChannelSet>,
    /// Ticks that a difference must last to be sustained.
    #[arg(long, value_name = "TICKS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub sustain: u32,
    /// Take ticks that only one run has, before or after the other's, for a difference. With --align: equal is only what has no
    /// tick without a partner from the first pair on.
    #[arg(long)]
    pub whole: bool,
    /// What to leave out, what may be a little off, and why: a TOML file, see docs/policies.md.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Leave a channel, table or field out, like state.frame; * stands for any text. May be given again.
    #[arg(long, value_name = "NAME[=REASON]", value_parser = left_out)]
    pub leave_out: Vec<Rule>,
    /// Let a field be a little off: NAME=ulp:4, NAME=absolute:0.01 or NAME=relative:1e-6. May be given again.
    #[arg(long, value_name = "NAME=BOUND", value_parser = within)]
    pub tolerance: Vec<Rule>,
    /// Pair ticks by what the runs did where their numbers do not line up: tick, rng, step or event:KIND.
    #[arg(long, value_name = "BY", default_value_t = Align::Tick)]
    pub align: Align,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Compare a candidate with its reference: the first difference, the first that lasts, and why.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  cdt diff ref.cdt cand.cdt
  cdt diff ref.cdt cand.cdt --ticks 1000..2000 --channels state,entities
  cdt diff ref.cdt cand.cdt --whole             a run that ends early is a difference
  cdt diff ref.cdt cand.cdt --tolerance 'entities.*.x=ulp:4' --leave-out state.frame
  cdt diff ref.cdt cand.cdt --align rng         the candidate starts late, or has lag frames
  cdt diff ref.cdt cand.cdt --prove             would this comparison see a wrong value?
  cdt diff --follow ref.cdt cand.cdt.partial    while the candidate still runs
  cdt diff ref.cdt cand.cdt --json | jq .first_sustained
  git bisect run sh -c 'make cand.cdt || exit 125; cdt diff --git-bisect ref.cdt cand.cdt'")]
pub struct Diff {
    #[command(flatten)]
    pub comparison: Comparison,
    #[command(flatten)]
    pub following: Following,
    /// Most episodes to list.
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    pub episodes: usize,
    /// Plant single faults in copies of the candidate, in every compared field, and say how many this comparison sees.
    #[arg(long, conflicts_with = "follow")]
    pub prove: bool,
    /// Exit as git bisect run wants it: 0 equal, 1 diverged, 125 for everything else.
    #[arg(long, conflicts_with = "prove")]
    pub git_bisect: bool,
}

/// Find the first bad tick, and write down what happened around it.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  cdt bisect ref.cdt cand.cdt
  cdt bisect ref.cdt cand.cdt -o report/        report/bisect.json and report/bisect.txt, to send to somebody")]
pub struct Bisect {
    #[command(flatten)]
    pub comparison: Comparison,
    /// Ticks to show before the first bad one.
    #[arg(long, value_name = "TICKS", default_value_t = 3)]
    pub before: u32,
    /// Ticks to show from the first bad one on.
    #[arg(long, value_name = "TICKS", default_value_t = 5)]
    pub after: u32,
    /// A folder for the report as bisect.json and bisect.txt.
    #[arg(short, long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Replace a report that stands there.
    #[arg(short, long)]
    pub force: bool,
}

/// Look at one tick in depth: every value that differs, its bits, its recent history.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  cdt focus ref.cdt cand.cdt                    the first sustained difference
  cdt focus ref.cdt cand.cdt --tick 500")]
pub struct Focus {
    #[command(flatten)]
    pub comparison: Comparison,
    /// The tick to look at, instead of the first sustained difference.
    #[arg(long, value_name = "N", value_parser = tick_number, conflicts_with = "ticks")]
    pub tick: Option<Tick>,
    /// Ticks of history to show before it.
    #[arg(long, value_name = "TICKS", default_value_t = 6)]
    pub history: u32,
}

/// Show everything that one tick carries.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  cdt tick ref.cdt 151\n  cdt tick ref.cdt 151 --channels rng,calls")]
pub struct TickArgs {
    /// The trace.
    pub trace: PathBuf,
    /// The tick.
    #[arg(value_parser = tick_number)]
    pub tick: Tick,
    /// Only these channels, by commas.
    #[arg(long, value_name = "LIST", value_parser = channels)]
    pub channels: Option<ChannelSet>,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Show the life of an entity, or every life of a slot.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  cdt entity ref.cdt creature:7                 every life of slot 7
  cdt entity ref.cdt creature:7:2               the life of generation 2
  cdt entity ref.cdt 'entities.creature[slot=7,gen=2]' --ticks 100..200")]
pub struct Entity {
    /// The trace.
    pub trace: PathBuf,
    /// KIND:SLOT, KIND:SLOT:GENERATION, or a path as reports have it.
    pub entity: EntityName,
    /// Only these ticks; the end is exclusive.
    #[arg(long, value_name = "A..B", default_value = "..", hide_default_value = true, allow_hyphen_values = true)]
    pub ticks: Window,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Write a trace in another encoding: the same ticks, the same digests, in fewer bytes or quicker to probe.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  cdt compact ref.cdt -o ref-small.cdt          for keeping
  cdt compact ref.cdt --in-place                the same, under the name it has
  cdt compact ref-small.cdt --to live -o r.cdt  back, to the bytes that were recorded")]
pub struct Compact {
    /// The trace.
    pub trace: PathBuf,
    /// The trace to write.
    #[arg(short, long, value_name = "TRACE", required_unless_present = "in_place", conflicts_with = "in_place")]
    pub out: Option<PathBuf>,
    /// Put it in the place of the one that is read, once it is complete.
    #[arg(long)]
    pub in_place: bool,
    /// How to encode: archive is small, live is quick to probe.
    #[arg(long, value_enum, default_value_t = Encoding::Archive)]
    pub to: Encoding,
    /// Replace the trace that stands there.
    #[arg(short, long)]
    pub force: bool,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Bring back every whole block of a trace that was not finished or is damaged, and record what is lost.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  cdt recover run.cdt.partial                   what a killed writer left, as run.cdt
  cdt recover damaged.cdt -o whole.cdt          up to the first byte that is wrong

The file that is read is left as it is. Exit code 3 says that something is lost, 0 that nothing is.")]
pub struct Recover {
    /// The unfinished or damaged trace.
    pub trace: PathBuf,
    /// The trace to write; of NAME.partial it is NAME unless another is given.
    #[arg(short, long, value_name = "TRACE")]
    pub out: Option<PathBuf>,
    /// Replace the trace that stands there.
    #[arg(short, long)]
    pub force: bool,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Ask a trace in SQL; without a query, list its tables.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  cdt query ref.cdt                             the tables, their columns and types
  cdt query ref.cdt 'SELECT count(*) FROM entities.creature WHERE hp < 10 AND kind = 2'
  cdt query ref.cdt 'SELECT tick, score FROM state WHERE tick BETWEEN 100 AND 120'
  cdt query ref.cdt 'SELECT caller, count(*) AS n FROM rng GROUP BY caller ORDER BY n DESC'
  cdt query ref.cdt 'SELECT * FROM events' --ticks 1000..2000 --format csv -o events.csv")]
pub struct Query {
    /// The trace.
    pub trace: PathBuf,
    /// The query, one SQL statement.
    pub sql: Option<String>,
    /// Only rows of these ticks; the end is exclusive.
    #[arg(long, value_name = "A..B", default_value = "..", hide_default_value = true, allow_hyphen_values = true)]
    pub ticks: Window,
    /// How to write the rows.
    #[arg(long, value_enum, default_value_t = QueryFormat::Table)]
    pub format: QueryFormat,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// A file to write, instead of standard output.
    #[arg(short, long, value_name = "FILE", requires = "sql")]
    pub output: Option<PathBuf>,
    /// Replace the file that stands there.
    #[arg(short, long)]
    pub force: bool,
    /// Most rows of a table; other formats have all.
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    pub rows: usize,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum QueryFormat {
    /// For people.
    Table,
    /// One object with columns and rows.
    Json,
    /// An object a row.
    Jsonl,
    /// A header, and a line a row.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC, the file format.
    Arrow,
}

impl QueryFormat {
    /// The format for programs; none for a table.
    pub fn rows(self) -> Option<RowFormat> {
        match self {
            QueryFormat::Table => None,
            QueryFormat::Json => Some(RowFormat::Json),
            QueryFormat::Jsonl => Some(RowFormat::Jsonl),
            QueryFormat::Csv => Some(RowFormat::Csv),
            QueryFormat::Parquet => Some(RowFormat::Parquet),
            QueryFormat::Arrow => Some(RowFormat::Arrow),
        }
    }
}

/// Write a trace in the format of other programs.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  cdt export ref.cdt --format parquet -o tables   every table, as tables/NAME.parquet
  cdt export ref.cdt --format arrow --table state -o state.arrow
  cdt export ref.cdt --format jsonl -o ref.jsonl  cdt finalize makes the same trace of it
  cdt export ref.cdt --format mcap -o ref.mcap    for MCAP's own tools and viewers")]
pub struct Export {
    /// The trace.
    pub trace: PathBuf,
    /// The format.
    #[arg(long, value_enum)]
    pub format: ExportFormat,
    /// The file to write; for parquet and arrow a folder that is there, or a file for one table.
    #[arg(short, long, value_name = "PATH")]
    pub output: PathBuf,
    /// Only this table; may be given several times. Of parquet and arrow.
    #[arg(long, value_name = "NAME")]
    pub table: Vec<String>,
    /// Only these ticks; the end is exclusive. Not of jsonl.
    #[arg(long, value_name = "A..B", default_value = "..", hide_default_value = true, allow_hyphen_values = true)]
    pub ticks: Window,
    /// Replace files that stand there.
    #[arg(short, long)]
    pub force: bool,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What a trace is exported to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A file for each table.
    Parquet,
    /// Arrow IPC files, one for each table.
    Arrow,
    /// A capture, as cdt finalize takes it.
    Jsonl,
    /// An MCAP file with JSON messages.
    Mcap,
}

/// Run the main job on a recorded pair: two versions of a physics engine drop the same sixty boxes.
#[derive(Debug, ClapArgs)]
pub struct Demo {
    /// The folder to work in; what stands there under the demo's names is replaced.
    #[arg(long, value_name = "FOLDER", default_value = "cdt-demo")]
    pub dir: PathBuf,
}

/// Print the completion script of a shell.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  cdt completions bash > ~/.local/share/bash-completion/completions/cdt
  cdt completions zsh > \"${fpath[1]}/_cdt\"
  cdt completions fish > ~/.config/fish/completions/cdt.fish")]
pub struct Completions {
    /// The shell.
    pub shell: clap_complete::Shell,
}

/// Print the manual page, or write those of all commands.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  cdt man | man -l -\n  cdt man -o ~/.local/share/man/man1")]
pub struct Man {
    /// A folder for cdt.1, cdt-diff.1 and so on; what stands there is replaced.
    #[arg(short, long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
}

/// An entity as it is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityName {
    pub kind: String,
    pub slot: Slot,
    pub generation: Option<Generation>,
}

impl FromStr for EntityName {
    type Err = String;

    fn from_str(text: &str) -> Result<EntityName, String> {
        let refuse = || {
            let rule = "an entity reads like creature:7, creature:7:2 or entities.creature[slot=7,gen=2]";
            format!("{rule} (slots and generations go from 0 to {}), not {text:?}", u32::MAX)
        };
        let number = |text: &str| text.parse::<u32>().map_err(|_| refuse());
        if let Some((kind, rest)) = text.split_once("[slot=") {
            // A report's path may go on to a field, which does not matter here.
            let (inside, _) = rest.split_once(']').ok_or_else(refuse)?;
            let (slot, generation) = inside.split_once(",gen=").ok_or_else(refuse)?;
            let kind = kind.strip_prefix("entities.").unwrap_or(kind).to_owned();
            let generation = Some(Generation(number(generation)?));
            return Ok(EntityName { kind, slot: Slot(number(slot)?), generation });
        }
        let mut parts = text.split(':');
        let (Some(kind), Some(slot), generation, None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(refuse());
        };
        let generation = generation.map(number).transpose()?.map(Generation);
        Ok(EntityName { kind: kind.to_owned(), slot: Slot(number(slot)?), generation })
    }
}

fn left_out(text: &str) -> Result<Rule, String> {
    let (what, reason) = text.split_once('=').unwrap_or((text, "left out by --leave-out"));
    match (what.trim().is_empty(), reason.trim().is_empty()) {
        (true, _) => Err("what is left out has a name, like state.frame".to_owned()),
        (_, true) => Err(format!("a reason is expected after {what}=")),
        _ => Ok(Rule { what: what.to_owned(), action: Action::LeaveOut, reason: reason.to_owned() }),
    }
}

fn within(text: &str) -> Result<Rule, String> {
    let refuse = || format!("a tolerance reads like entities.ball.x=ulp:4, not {text:?}");
    let (what, bound) = text.split_once('=').filter(|(what, _)| !what.is_empty()).ok_or_else(refuse)?;
    let action = Action::Within(bound.parse()?);
    Ok(Rule { what: what.to_owned(), action, reason: "by --tolerance".to_owned() })
}

fn tick_number(text: &str) -> Result<Tick, String> {
    text.parse().map(Tick).map_err(|_| format!("a tick is a number from 0 to {}", u32::MAX))
}

fn channels(text: &str) -> Result<ChannelSet, String> {
    let known = || Channel::ALL.map(Channel::name).join(", ");
    let channel = |name: &str| {
        Channel::from_name(name.trim()).ok_or_else(|| format!("{name:?} is no channel; the channels are {}", known()))
    };
    text.split(',').map(channel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn entities_read_as_reports_write_them() {
        let name = |slot, generation: Option<u32>| EntityName {
            kind: "box".to_owned(),
            slot: Slot(slot),
            generation: generation.map(Generation),
        };
        assert_eq!("box:7".parse(), Ok(name(7, None)));
        assert_eq!("box:7:2".parse(), Ok(name(7, Some(2))));
        assert_eq!("entities.box[slot=7,gen=2].hp".parse(), Ok(name(7, Some(2))));
        for text in ["box", "box:x", "box:1:2:3", "box[slot=1]", ""] {
            assert!(text.parse::<EntityName>().is_err(), "{text}");
        }
    }
}
