//! The building: each crate's floor, what it may use, and what it must not know. Edges are read from the manifests.

use toml::{Table, Value};

use super::{Tree, Violation, line_where};

struct Crate {
    name: &'static str,
    floor: u8,
    uses: Uses,
    /// Crates of others that it must not depend on, tests aside.
    not: &'static [&'static str],
    /// Why: what it must not know.
    because: &'static str,
}

enum Uses {
    Only(&'static [&'static str]),
    AllBelow,
}
use Uses::{AllBelow, Only};

const fn row(floor: u8, name: &'static str, uses: Uses, not: &'static [&'static str], because: &'static str) -> Crate {
    Crate { name, floor, uses, not, because }
}

const ENGINES: &[&str] = &["wasmi", "wasmtime"];
const NO_LOGIC: &str = "doors hold no logic: whatever a door computes belongs lower";

#[rustfmt::skip]
const CRATES: &[Crate] = &[
    row(1, "schema", Only(&[]), &["serde_json", "memmap2", "tempfile", "zstd", "chrono", "jiff", "time"],
        "schema knows no files, bytes on disk, JSON or clocks"),
    row(2, "trace", Only(&["schema"]), ENGINES, "trace does not know who produced a trace, or why"),
    row(2, "console", Only(&["schema"]), &["memmap2", "tempfile", "winit", "minifb", "softbuffer"],
        "console knows no traces, files, windows or debuggers"),
    row(3, "ingest", Only(&["schema", "trace"]), &[], "ingest knows no analysis"),
    row(3, "projections", Only(&["schema", "trace"]), &[], "projections know no analysis"),
    row(3, "packer", Only(&["schema"]), ENGINES, "packer knows no traces or console internals"),
    row(4, "analysis", Only(&["schema", "trace", "projections"]), ENGINES,
        "analysis knows no machine: it must work between any two producers"),
    row(4, "recorder", Only(&["schema", "trace"]), ENGINES, "recorder does not know which machine it drives"),
    row(5, "debugger", AllBelow, &["dap", "jsonrpsee", "tokio", "tower-lsp"], "debugger knows no wire protocol"),
    row(5, "host", AllBelow, &[], ""),
    row(5, "door", Only(&["schema", "trace", "analysis", "recorder"]), ENGINES, NO_LOGIC),
    row(6, "cli", AllBelow, &[], NO_LOGIC),
    row(6, "capi", AllBelow, &[], NO_LOGIC),
    row(6, "python", AllBelow, &[], NO_LOGIC),
];

/// Crates of others that only some of ours may depend on.
const ONLY: &[(&str, &[&str])] = &[
    ("clap", &["cli", "door"]),
    ("comfy-table", &["door"]),
    ("ctrlc", &["door"]),
    ("indicatif", &["door"]),
    ("cbindgen", &["capi"]),
    ("pyo3", &["python"]),
];

/// Crates that stand outside the floors: they may use anything, and nothing may use them, but for `testkit` in tests.
const OUTSIDE: &[&str] = &["testkit", "xtask", "bench", "demo-boxes", "arena", "boxes"];

/// The floor a crate is on, if it is on one.
pub fn floor_of(name: &str) -> Option<u8> {
    CRATES.iter().find(|row| row.name == name).map(|row| row.floor)
}

/// Checks that every crate is in the table, and every manifest against it.
pub fn check(tree: &Tree, found: &mut Vec<Violation>) {
    let root = tree.files.get("Cargo.toml").and_then(|text| text.parse().ok()).unwrap_or_default();
    for name in tree.crates() {
        let path = format!("crates/{name}/Cargo.toml");
        let text = tree.files.get(&path).map_or("", String::as_str);
        let row = CRATES.iter().find(|row| row.name == name);
        match (row, text.parse::<Table>()) {
            (_, Err(error)) => found.push(Violation::new(&path, 1, error.message(), "make it a manifest")),
            (Some(row), Ok(manifest)) => check_manifest(row, &path, text, &manifest, &root, found),
            (None, Ok(_)) if OUTSIDE.contains(&name) => {}
            (None, Ok(_)) => {
                let instead = "give it a row in the table of crates/xtask/src/tidy/floors.rs";
                found.push(Violation::new(&path, 1, format!("crate `{name}` is on no floor"), instead));
            }
        }
    }
}

fn check_manifest(row: &Crate, path: &str, text: &str, manifest: &Table, root: &Table, found: &mut Vec<Violation>) {
    let package = manifest.get("package").and_then(|package| package.get("name")).and_then(Value::as_str);
    let name = format!("cdt-{}", row.name);
    if package != Some(&name) {
        let line = line_where(text, |line| line.starts_with("name"));
        let what = format!("package is named `{}`", package.unwrap_or_default());
        found.push(Violation::new(path, line, what, format!("name it `{name}`")));
    }
    for (section, key, package) in dependencies(manifest, root) {
        let dev = section == "dev-dependencies";
        let broken = match ours(&package) {
            Some(other) => edge(row, other, dev),
            None if dev => None,
            None => external(row, &package),
        };
        if let Some((what, instead)) = broken {
            let line = line_where(text, |line| {
                line.strip_prefix(&key).is_some_and(|rest| rest.starts_with([' ', '.', '=']))
                    || line.ends_with(&format!("dependencies.{key}]"))
            });
            found.push(Violation::new(path, line, what, instead));
        }
    }
}

/// The name on our floors, or outside them, of a package of ours.
fn ours(package: &str) -> Option<&str> {
    package.strip_prefix("cdt-").or_else(|| OUTSIDE.contains(&package).then_some(package))
}

/// What is wrong with `row` depending on our crate `other`, and what to do instead.
fn edge(row: &Crate, other: &str, dev: bool) -> Option<(String, String)> {
    let allowed = match row.uses {
        Only(names) => names.contains(&other),
        AllBelow => floor_of(other).is_some_and(|floor| floor < row.floor),
    };
    if allowed || (dev && other == "testkit") {
        return None;
    }
    let may = match row.uses {
        Only([]) => "nothing of ours".to_owned(),
        Only(names) => names.join(", "),
        AllBelow => format!("what is below floor {}", row.floor),
    };
    let instead = match (other, OUTSIDE.contains(&other)) {
        ("testkit", _) => "make it a dev-dependency",
        (_, true) => "nothing depends on a crate outside the floors; move what is shared into one on a floor",
        _ => "move what is shared down to a floor that both may use",
    };
    Some((format!("{} depends on {other}, and may use only {may}", row.name), instead.to_owned()))
}

/// What is wrong with `row` depending on somebody else's `package`, and what to do instead.
fn external(row: &Crate, package: &str) -> Option<(String, String)> {
    if row.not.contains(&package) {
        return Some((format!("{} depends on `{package}`", row.name), row.because.to_owned()));
    }
    let (_, owners) = ONLY.iter().find(|(only, owners)| *only == package && !owners.contains(&row.name))?;
    let owners = owners.join(" and ");
    Some((format!("{} depends on `{package}`", row.name), format!("only {owners} may; do there what needs it")))
}

/// Section, key and package name of every dependency in `manifest`, those for one target included.
fn dependencies(manifest: &Table, root: &Table) -> Vec<(&'static str, String, String)> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let scopes = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let mut list = Vec::new();
    for scope in scopes.chain([manifest]) {
        for section in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let table = scope.get(section).and_then(Value::as_table);
            for (key, value) in table.into_iter().flatten() {
                let shared = root.get("workspace").and_then(|workspace| workspace.get("dependencies")?.get(key));
                let inherits = value.get("workspace").and_then(Value::as_bool) == Some(true);
                let source = shared.filter(|_| inherits).unwrap_or(value);
                let package = source.get("package").and_then(Value::as_str).unwrap_or(key);
                list.push((section, key.clone(), package.to_owned()));
            }
        }
    }
    list
}
