//! Functions stay under 70 lines and files under 1,000. Those that are longer today are listed in `ratchet.toml`, and
//! may only shrink.

use std::collections::BTreeMap;

use super::source::Source;
use super::{Tree, Violation, line_where};

const RATCHET: &str = "crates/xtask/ratchet.toml";
const FUNCTION_LIMIT: usize = 70;
const FILE_LIMIT: usize = 1_000;

struct Measure<'a> {
    /// The name in the ratchet: `file::function` (the longest of that name counts), or `file`.
    key: String,
    path: &'a str,
    line: usize,
    length: usize,
    limit: usize,
    what: String,
    instead: &'static str,
}

/// Checks every length against its limit or its line in the ratchet, and the ratchet against the lengths.
pub fn check(tree: &Tree, sources: &[Source<'_>], found: &mut Vec<Violation>) {
    let text = tree.files.get(RATCHET).map_or("", String::as_str);
    let ratchet = match read(text) {
        Ok(ratchet) => ratchet,
        Err(why) => return found.push(Violation::new(RATCHET, 1, why, "write lines of the form `\"key\" = 71`")),
    };
    let measures: Vec<Measure<'_>> = sources.iter().flat_map(measure).collect();
    for Measure { key, path, line, length, limit, what, instead } in &measures {
        let listed = ratchet.get(key).copied();
        if *length > listed.unwrap_or(*limit).max(*limit) {
            let bound = listed.map_or(format!("the limit is {limit}"), |n| format!("the ratchet says {n}"));
            found.push(Violation::new(path, *line, format!("{what} has {length} lines, {bound}"), *instead));
        }
    }
    for (key, listed) in &ratchet {
        let line = line_where(text, |line| line.starts_with(&format!("\"{key}\"")));
        let longest = measures.iter().filter(|measure| measure.key == *key).max_by_key(|measure| measure.length);
        let (what, instead) = match longest {
            None => ("is gone".to_owned(), "delete this line".to_owned()),
            Some(m) if m.length <= m.limit => (format!("has only {} lines", m.length), "delete this line".to_owned()),
            Some(m) if m.length < *listed => {
                (format!("has only {} lines", m.length), format!("write `\"{key}\" = {}`", m.length))
            }
            Some(_) => continue,
        };
        found.push(Violation::new(RATCHET, line, format!("`{key}` {what}"), instead));
    }
}

fn read(text: &str) -> Result<BTreeMap<String, usize>, String> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
    let entry = |(key, value): (String, toml::Value)| {
        let lines = value.as_integer().and_then(|lines| usize::try_from(lines).ok());
        lines.map(|lines| (key.clone(), lines)).ok_or(format!("`{key}` is not a number of lines"))
    };
    table.into_iter().map(entry).collect()
}

fn measure<'a>(source: &Source<'a>) -> Vec<Measure<'a>> {
    let path = source.path;
    let file = Measure {
        key: path.to_owned(),
        path,
        line: FILE_LIMIT + 1,
        length: source.text.lines().count(),
        limit: FILE_LIMIT,
        what: "the file".to_owned(),
        instead: "move a part that stands by itself to a module of its own",
    };
    let functions = source.functions.iter().filter(|_| source.in_src()).map(|function| Measure {
        key: format!("{path}::{}", function.name),
        path,
        line: function.line,
        length: function.length,
        limit: FUNCTION_LIMIT,
        what: format!("function `{}`", function.name),
        instead: "split it into steps that have names",
    });
    std::iter::once(file).chain(functions).collect()
}
