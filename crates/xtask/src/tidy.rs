//! House rules as a check: `check` is a pure function from the repository's text to the list of what breaks a rule.
//!
//! The rules that are data live in `floors` (who may know whom) and `bans` (what may not be written where); `lengths`
//! is the ratchet. It reads tokens, not types: what needs name resolution is left to clippy.

mod bans;
mod floors;
mod lengths;
mod source;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use source::Source;

/// The repository as tidy sees it.
#[derive(Default)]
pub struct Tree {
    /// Names at the top of the repository, without those that `.gitignore` names.
    pub top_level: BTreeSet<String>,
    /// The root manifest and every `.rs` and `.toml` file under `crates/`: text by path from the root.
    pub files: BTreeMap<String, String>,
}

/// One broken rule, at one line.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    path: String,
    line: usize,
    what: String,
    instead: String,
}

impl Violation {
    fn new(path: &str, line: usize, what: impl Into<String>, instead: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into(), instead: instead.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; {}", self.path, self.line, self.what, self.instead)
    }
}

/// Checks the repository at `root`.
pub fn run(root: &Path) -> crate::Outcome {
    let tree = Tree::load(root).map_err(|error| format!("tidy could not read the repository: {error}"))?;
    let found = check(&tree);
    if found.is_empty() {
        let lines: usize = tree.files.values().map(|text| text.lines().count()).sum();
        return Ok(format!("{} crates, {} files, {lines} lines: tidy", tree.crates().len(), tree.files.len()));
    }
    let list: String = found.iter().map(|violation| format!("{violation}\n")).collect();
    Err(format!("{list}tidy: {} found", found.len()))
}

/// Everything in `tree` that breaks a house rule, sorted by place.
pub fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    top_level(tree, &mut found);
    floors::check(tree, &mut found);

    let mut sources = Vec::new();
    for (path, text) in tree.files.iter().filter(|(path, _)| path.ends_with(".rs")) {
        match Source::parse(path, text) {
            Ok(source) => sources.push(source),
            Err((line, why)) => found.push(Violation::new(path, line, why, "make it Rust")),
        }
    }
    source::drop_test_modules(&mut sources);
    for source in sources.iter().filter(|source| source.in_src() && !source.has_doc()) {
        let instead = "open it with a `//!` line that says what it is for and what it is not";
        found.push(Violation::new(source.path, 1, "module has no doc", instead));
    }
    bans::check(&sources, &mut found);
    lengths::check(tree, &sources, &mut found);
    found.sort();
    found
}

#[rustfmt::skip]
const TOP_LEVEL: &[&str] = &[
    "Cargo.toml", "Cargo.lock", "crates", "traces", "docs", "tests", "capture", "python", "fuzz", "justfile", "README.md",
    "deny.toml", "clippy.toml", "rustfmt.toml", ".ci", ".cargo", ".config", ".gitignore", ".gitattributes",
];

fn top_level(tree: &Tree, found: &mut Vec<Violation>) {
    for name in &tree.top_level {
        if !TOP_LEVEL.contains(&name.as_str()) && !name.starts_with("LICENSE") {
            let instead = "move it under one of the directories there are, or have `.gitignore` name it";
            found.push(Violation::new(name, 1, "does not belong at the top level", instead));
        }
    }
}

impl Tree {
    /// The directories under `crates/`.
    fn crates(&self) -> BTreeSet<&str> {
        self.files.keys().filter_map(|path| crate_of(path)).collect()
    }

    fn load(root: &Path) -> std::io::Result<Self> {
        let gitignore = std::fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
        let mut tree = Self::default();
        for entry in std::fs::read_dir(root)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != ".git" && !ignored(&gitignore, &name) {
                tree.top_level.insert(name);
            }
        }
        tree.files.insert("Cargo.toml".to_owned(), std::fs::read_to_string(root.join("Cargo.toml"))?);
        tree.load_dir(root, "crates")?;
        Ok(tree)
    }

    fn load_dir(&mut self, root: &Path, dir: &str) -> std::io::Result<()> {
        for entry in std::fs::read_dir(root.join(dir))? {
            let entry = entry?;
            let path = format!("{dir}/{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                self.load_dir(root, &path)?;
            } else if path.ends_with(".rs") || path.ends_with(".toml") {
                self.files.insert(path, std::fs::read_to_string(entry.path())?);
            }
        }
        Ok(())
    }
}

/// Whether a top-level `name` is one that `.gitignore` names, of which only `/name` and `*.ext` are understood.
fn ignored(gitignore: &str, name: &str) -> bool {
    gitignore.lines().any(|line| match line.strip_prefix('*') {
        Some(ending) => name.ends_with(ending),
        None => line.trim_matches('/') == name,
    })
}

/// `trace` for `crates/trace/src/lib.rs`.
fn crate_of(path: &str) -> Option<&str> {
    path.strip_prefix("crates/")?.split_once('/').map(|(name, _)| name)
}

/// The number of the first line that satisfies `is`, or 1.
fn line_where(text: &str, is: impl Fn(&str) -> bool) -> usize {
    text.lines().position(is).map_or(1, |index| index + 1)
}
