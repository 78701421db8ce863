//! `diff`.

use std::io::{self, Read};
use std::path::Path;

use cdt_analysis::{Action, Align, DiffOptions, Policy, Proof, Verdict};
use cdt_door::exit::{Exit, Failure};
use cdt_door::terminal::Terminal;
use cdt_door::watch::Bar;
use cdt_door::{text, verdict};

use super::follow::{self, FollowedDiff};
use super::{open, settled};
use crate::args;

/// Bytes of the longest policy.
const POLICY_BYTES: u64 = 1 << 20;

/// Compares two traces.
pub fn diff(args: &args::Diff, terminal: &Terminal) -> Result<Exit, Failure> {
    match compare(args, terminal) {
        Ok(exit) if args.git_bisect => Ok(exit.for_git_bisect()),
        Err(failure) if args.git_bisect => {
            terminal.complain(&failure.to_string());
            Ok(Exit::Skip)
        }
        outcome => outcome,
    }
}

fn compare(args: &args::Diff, terminal: &Terminal) -> Result<Exit, Failure> {
    let paths = [args.comparison.reference.as_path(), args.comparison.candidate.as_path()];
    let options = DiffOptions { episodes: args.episodes, ..options(&args.comparison)? };
    let FollowedDiff { report, is_whole, is_finished } = if args.following.follow {
        if options.align != Align::Tick {
            return Err(Failure(
                "--follow pairs ticks by their numbers; align by others when both are whole".to_owned(),
            ));
        }
        follow::diff(paths, &args.following, &options, terminal)?
    } else {
        let (reference, candidate) = (open(paths[0])?, open(paths[1])?);
        let bar = Bar::new(if args.prove { "proving" } else { "comparing" });
        let run = if args.prove { cdt_analysis::prove } else { cdt_analysis::diff };
        let report = settled(&[&reference, &candidate], run(&reference, &candidate, &options, &bar))?;
        FollowedDiff { report, is_whole: true, is_finished: true }
    };
    if args.comparison.json {
        terminal.print_json(&report)?;
    } else {
        let mut next = command("focus", &args.comparison);
        if !is_finished {
            next.push_str(" (when the writers are done, or after `cdt recover`)");
        }
        terminal.print(&verdict::page(&report, &next, terminal))?;
    }
    let seen = report.proof.as_ref().is_none_or(Proof::is_complete);
    // What has no end may have parted behind what was seen of it.
    let is_told = seen && (is_whole || report.verdict != Verdict::Equal);
    Ok(if is_told { verdict::exit(report.verdict) } else { Exit::CannotSay })
}

/// The command of that name for a comparison as it was typed.
pub fn command(name: &str, comparison: &args::Comparison) -> String {
    let path = |path: &Path| {
        let name = path.display().to_string();
        // An unfinished trace will have another name by then; and what begins like a flag must not be taken for one.
        let name = name.strip_suffix(".partial").unwrap_or(&name);
        text::quoted(&if name.starts_with('-') { format!("./{name}") } else { name.to_owned() })
    };
    let mut command = format!("cdt {name} {} {}", path(&comparison.reference), path(&comparison.candidate));
    let mut add = |flag: &str, value: &str| command.push_str(&format!(" {flag} {}", text::quoted(value)));
    let unless = DiffOptions::default();
    if comparison.ticks != unless.window {
        add("--ticks", &comparison.ticks.to_string());
    }
    if let Some(channels) = comparison.channels {
        let names: Vec<&str> = channels.iter().map(|channel| channel.name()).collect();
        add("--channels", &names.join(","));
    }
    if comparison.sustain != unless.sustain {
        add("--sustain", &comparison.sustain.to_string());
    }
    if let Some(policy) = &comparison.policy {
        add("--policy", &policy.display().to_string());
    }
    for rule in &comparison.leave_out {
        add("--leave-out", &format!("{}={}", rule.what, rule.reason));
    }
    for rule in &comparison.tolerance {
        if let Action::Within(tolerance) = &rule.action {
            add("--tolerance", &format!("{}={tolerance}", rule.what));
        }
    }
    if comparison.align != unless.align {
        add("--align", &comparison.align.to_string());
    }
    if comparison.whole {
        command.push_str(" --whole");
    }
    command
}

/// How the two are to be compared.
pub fn options(comparison: &args::Comparison) -> Result<DiffOptions, Failure> {
    let mut policy = match &comparison.policy {
        None => Policy::default(),
        Some(path) => {
            let name = path.display();
            let text =
                read_policy(path).map_err(|error| Failure(format!("{name}: cannot read the policy: {error}")))?;
            Policy::from_toml(&text).map_err(|error| Failure(format!("{name}: {error}")))?
        }
    };
    policy.rules.extend(comparison.leave_out.iter().chain(&comparison.tolerance).cloned());
    Ok(DiffOptions {
        window: comparison.ticks,
        sustain: comparison.sustain,
        channels: comparison.channels,
        policy,
        align: comparison.align.clone(),
        whole: comparison.whole,
        ..DiffOptions::default()
    })
}

/// The text of a policy, which may come from a pipe, and has an end.
fn read_policy(path: &Path) -> io::Result<String> {
    let mut text = Vec::new();
    std::fs::File::open(path)?.take(POLICY_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > POLICY_BYTES {
        return Err(io::Error::other(format!("it is longer than {POLICY_BYTES} bytes")));
    }
    String::from_utf8(text).map_err(|error| io::Error::other(format!("it is no UTF-8: {error}")))
}
