//! Licences, bans, sources and advisories of our dependencies, through cargo-deny and `deny.toml`.
//!
//! Licences, bans and sources need no network beyond the registry and always decide. Advisories need a database from
//! elsewhere: when it cannot be fetched, that is said aloud and is not a failure; a hit in it is.

use std::path::Path;
use std::process::Command;

use crate::Outcome;
use crate::ci::command;

/// The least version used when one is installed already, and the one installed otherwise.
const VERSION: [u32; 3] = [0, 20, 2];
/// Where it is installed to, from the root.
const TOOLS: &str = "target/tools";

/// Runs all four checks.
pub fn run(root: &Path) -> Outcome {
    let tool = find_or_install(root)?;
    let deny = |words: &str| {
        let mut deny = command(root, &tool);
        deny.args(words.split_whitespace());
        deny
    };
    check(deny("check --hide-inclusion-graph licenses bans sources"))?;

    let mut fetch = deny("fetch db");
    // Git must not wait for a password, nor for a line that went dead.
    fetch.envs([("GIT_TERMINAL_PROMPT", "0"), ("GIT_HTTP_LOW_SPEED_LIMIT", "1000"), ("GIT_HTTP_LOW_SPEED_TIME", "30")]);
    let fetched = fetch.output().map_err(|error| format!("cannot start {tool}: {error}"))?;
    if !fetched.status.success() {
        let why = reason(&String::from_utf8_lossy(&fetched.stderr));
        println!("WARNING: advisories were NOT checked, their database could not be fetched: {why}");
        return Ok("but advisories were NOT checked: no database".to_owned());
    }
    // The database is there now, and the configuration was read above: what fails from here on is a hit.
    check(deny("--offline check advisories"))?;
    Ok(String::new())
}

/// What git said, or else whatever was said first.
fn reason(said: &str) -> String {
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    lines().find(|line| line.starts_with("fatal:")).or(lines().next()).unwrap_or("no reason was given").to_owned()
}

fn check(mut deny: Command) -> Result<(), String> {
    match deny.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("cargo-deny: {status}")),
        Err(error) => Err(format!("cargo-deny cannot start: {error}")),
    }
}

/// A cargo-deny that is new enough: the one on the path, else our own, installed if need be.
fn find_or_install(root: &Path) -> Result<String, String> {
    let own = root.join(TOOLS).join("bin/cargo-deny").to_string_lossy().into_owned();
    for tool in ["cargo-deny", &own] {
        let asked = command(root, tool).arg("--version").output();
        let version = asked.ok().and_then(|output| version(&String::from_utf8_lossy(&output.stdout)));
        if version.is_some_and(|version| version >= VERSION) {
            return Ok(tool.to_owned());
        }
    }
    // Unoptimised: it builds in less than half the time, and checks our graph in a second either way.
    let version = VERSION.map(|part| part.to_string()).join(".");
    println!("installing cargo-deny {version} to {TOOLS} (a minute or two, once)");
    let install =
        format!("install cargo-deny --version ={version} --locked --debug --no-default-features --root {TOOLS}");
    let status = command(root, "cargo").args(install.split_whitespace()).status();
    match status {
        Ok(status) if status.success() => Ok(own),
        other => Err(format!("cargo-deny could not be installed: {other:?}")),
    }
}

/// The three numbers of `cargo-deny 0.20.2`.
fn version(text: &str) -> Option<[u32; 3]> {
    let mut parts = text.split_whitespace().nth(1)?.split(['.', '-', '+']).map(str::parse);
    Some([parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(version("cargo-deny 0.20.2\n"), Some(VERSION));
        assert!(version("cargo-deny 0.100.0-pre.1").unwrap() > VERSION);
        assert!(version("cargo-deny 0.9.12").unwrap() < VERSION);
        assert_eq!(version("error: no such command"), None);
    }
}
