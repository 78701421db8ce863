//! Every rule's own message: a tree goes in, the messages come out.

use super::{Tree, check};

/// Checks a repository of `files` and compares what is said about it, in order.
#[track_caller]
fn expect(files: &[(&str, &str)], messages: &[&str]) {
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    let tree = Tree { files, ..Tree::default() };
    let found: Vec<String> = check(&tree).iter().map(ToString::to_string).collect();
    assert_eq!(found, messages);
}

/// As `expect`, for one source file that has a module doc on line 1 and `text` from line 2, in a crate `name`.
#[track_caller]
fn expect_in(name: &str, text: &str, messages: &[&str]) {
    let manifest = (format!("crates/{name}/Cargo.toml"), format!("[package]\nname = \"cdt-{name}\""));
    let source = (format!("crates/{name}/src/lib.rs"), format!("//! Doc.\n{text}"));
    expect(&[(&manifest.0, &manifest.1), (&source.0, &source.1)], messages);
}

/// As `expect`, for the dependencies of a crate `name`, from line 3 of its manifest.
#[track_caller]
fn expect_of(name: &str, dependencies: &str, messages: &[&str]) {
    let manifest = format!("[package]\nname = \"cdt-{name}\"\n{dependencies}");
    let root = "[workspace.dependencies]\nours = { package = \"cdt-ingest\", path = \"crates/ingest\" }";
    expect(&[("Cargo.toml", root), (&format!("crates/{name}/Cargo.toml"), &manifest)], messages);
}

fn function(name: &str, lines: usize) -> String {
    format!("fn {name}() {{\n{}}}\n", "    step();\n".repeat(lines - 2))
}

#[test]
fn the_top_level_is_closed() {
    let names = ["Cargo.toml", "LICENSE-MIT", ".ci", "capture", "notes.txt"];
    let tree = Tree { top_level: names.map(str::to_owned).into(), ..Tree::default() };
    let found: Vec<String> = check(&tree).iter().map(ToString::to_string).collect();
    let expected = "notes.txt:1: does not belong at the top level; \
        move it under one of the directories there are, or have `.gitignore` name it";
    assert_eq!(found, [expected]);
    assert!(super::ignored("/target\n*.cdt\n", "target") && super::ignored("/target\n*.cdt\n", "run.cdt"));
    assert!(!super::ignored("/target\n*.cdt\n!/traces/**/*.cdt", "traces"));
}

#[test]
fn every_crate_is_on_a_floor_under_its_own_name() {
    expect(
        &[
            ("crates/extra/Cargo.toml", ""),
            ("crates/trace/Cargo.toml", "[package]\nname = \"trace\""),
            ("crates/testkit/Cargo.toml", ""),
            ("crates/cli/Cargo.toml", "[package"),
        ],
        &[
            "crates/cli/Cargo.toml:1: unclosed table, expected `]`; make it a manifest",
            "crates/extra/Cargo.toml:1: crate `extra` is on no floor; \
             give it a row in the table of crates/xtask/src/tidy/floors.rs",
            "crates/trace/Cargo.toml:2: package is named `trace`; name it `cdt-trace`",
        ],
    );
}

#[test]
fn edges_go_down_as_the_table_says() {
    expect_of("trace", "[dependencies]\ncdt-schema.workspace = true\nserde_json = \"1\"", &[]);
    expect_of("trace", "[dev-dependencies]\ncdt-testkit = { path = \"x\" }", &[]);
    expect_of("cli", "[dependencies]\ncdt-host = \"0\"\ncdt-schema = \"0\"\nclap = \"4\"", &[]);
    expect_of("xtask", "[dependencies]\ncdt-schema = \"0\"\nclap = \"4\"", &[]);

    let shared = "move what is shared down to a floor that both may use";
    let trace = "may use only schema";
    expect_of(
        "trace",
        "[dependencies]\ncdt-analysis = \"0\"",
        &[&format!("crates/trace/Cargo.toml:4: trace depends on analysis, and {trace}; {shared}")],
    );
    expect_of(
        "trace",
        "[dev-dependencies.cdt-console]\nworkspace = true",
        &[&format!("crates/trace/Cargo.toml:3: trace depends on console, and {trace}; {shared}")],
    );
    expect_of(
        "trace",
        "[target.'cfg(unix)'.build-dependencies]\nours.workspace = true",
        &[&format!("crates/trace/Cargo.toml:4: trace depends on ingest, and {trace}; {shared}")],
    );
    expect_of(
        "capi",
        "[dependencies]\ncdt-cli = \"0\"",
        &[&format!("crates/capi/Cargo.toml:4: capi depends on cli, and may use only what is below floor 6; {shared}")],
    );
    expect_of(
        "schema",
        "[dependencies]\ncdt-testkit = \"0\"\n[build-dependencies]\ndemo-boxes = \"0\"",
        &[
            "crates/schema/Cargo.toml:4: schema depends on testkit, and may use only nothing of ours; \
             make it a dev-dependency",
            "crates/schema/Cargo.toml:6: schema depends on demo-boxes, and may use only nothing of ours; \
             nothing depends on a crate outside the floors; move what is shared into one on a floor",
        ],
    );
}

#[test]
fn crates_of_others_stay_where_they_are_known() {
    expect_of("schema", "[dev-dependencies]\nserde_json = \"1\"", &[]);
    expect_of(
        "schema",
        "[dependencies]\nserde_json.workspace = true",
        &["crates/schema/Cargo.toml:4: schema depends on `serde_json`; \
           schema knows no files, bytes on disk, JSON or clocks"],
    );
    expect_of(
        "analysis",
        "[dependencies]\nclap = \"4\"",
        &["crates/analysis/Cargo.toml:4: analysis depends on `clap`; only cli and door may; do there what needs it"],
    );
}

#[test]
fn every_module_has_a_doc() {
    expect(
        &[("crates/xtask/src/a.rs", "// Plain.\n"), ("crates/xtask/tests/b.rs", ""), ("crates/xtask/src/c.rs", "}")],
        &[
            "crates/xtask/src/a.rs:1: module has no doc; \
             open it with a `//!` line that says what it is for and what it is not",
            "crates/xtask/src/c.rs:1: cannot parse string into token stream; make it Rust",
        ],
    );
}

#[test]
fn bans_name_the_replacement() {
    let line = |text: &str| vec![format!("crates/trace/src/lib.rs:2: {text}")];
    let cases = [
        ("fn f(v: serde_json::Value) {}", "`serde_json::Value` in trace; give the value a type"),
        ("use serde_json::{Map, Value};", "`serde_json::Value` in trace; give the value a type"),
        ("fn f() { todo!() }", "`todo!` in trace; write it, or leave the feature out"),
        ("fn f() { dbg!(1); }", "`dbg!` in trace; remove it"),
        ("fn f() { unsafe { g() } }", "`unsafe` in trace; write it safely"),
        ("fn f() { println!() }", "`println!` in trace; return it, or take a progress callback; doors print"),
        ("fn f() { std::process::exit(1) }", "`process::exit` in trace; return an error; doors exit"),
        (
            "fn f() { a!(Instant::now()) }",
            "`Instant::now` in trace; take the time, or a progress callback, as an argument",
        ),
        ("fn f() { std::env::var(\"A\") }", "`env::var` in trace; take it as an argument; doors read the environment"),
        ("// FIXME: soon", "`FIXME` left in; do it now, or say in plain words what does not work yet"),
    ];
    for (text, message) in cases {
        let expected = line(message);
        expect_in("trace", text, &[&expected[0]]);
    }
}

#[test]
fn bans_end_at_their_floor_and_in_tests() {
    expect_in("trace", "/// `todo!`, `unsafe`\nuse serde_json::{Map, a::Value};\nconst S: &str = \"unsafe\";", &[]);
    expect_in("cli", "fn f() { println!(); std::process::exit(1); Instant::now(); }", &[]);
    expect_in("testkit", "fn f() { println!(); Instant::now(); }", &[]);
    expect_in("trace", "#[cfg(test)]\nmod tests {\n fn f() { todo!() } }\n#[test]\nfn f() { todo!() }", &[]);
    expect_in(
        "trace",
        "#[cfg(test)]\nuse a::{b};\n#[cfg(not(test))]\nfn f() { todo!() }",
        &["crates/trace/src/lib.rs:5: `todo!` in trace; write it, or leave the feature out"],
    );
    expect(
        &[
            ("crates/xtask/src/lib.rs", "//! Doc.\nmod a;"),
            ("crates/xtask/src/a.rs", "//! Doc.\n#[cfg(test)]\nmod tests;"),
            ("crates/xtask/src/a/tests.rs", "//! Doc.\nfn f() { dbg!(1); }"),
            ("crates/xtask/src/tests.rs", "//! Doc.\nfn f() { dbg!(1); }"),
        ],
        &["crates/xtask/src/tests.rs:2: `dbg!` in xtask; remove it"],
    );
}

#[test]
fn lengths_have_limits() {
    expect_in("trace", &function("f", 70), &[]);
    expect_in("trace", &format!("#[test]\n{}", function("f", 71)), &[]);
    expect_in(
        "trace",
        &format!("impl A {{\n{}}}", function("f", 71)),
        &["crates/trace/src/lib.rs:3: function `f` has 71 lines, the limit is 70; split it into steps that have names"],
    );
    expect_in("trace", &"\n".repeat(999), &[]);
    expect_in(
        "trace",
        &"\n".repeat(1000),
        &["crates/trace/src/lib.rs:1001: the file has 1001 lines, the limit is 1000; \
           move a part that stands by itself to a module of its own"],
    );
}

#[test]
fn the_ratchet_only_turns_one_way() {
    let source = format!("//! Doc.\n{}{}{}", function("long", 80), function("was", 70), function("grew", 91));
    let ratchet = |text| [("crates/xtask/src/a.rs", source.as_str()), ("crates/xtask/ratchet.toml", text)];
    expect(&ratchet("\"crates/xtask/src/a.rs::grew\" = 91\n\"crates/xtask/src/a.rs::long\" = 80"), &[]);
    expect(
        &ratchet(
            "# Why.\n\"crates/xtask/src/a.rs::grew\" = 90\n\"crates/xtask/src/a.rs::long\" = 81\n\
             \"crates/xtask/src/a.rs::was\" = 71\n\"crates/xtask/src/b.rs\" = 1001",
        ),
        &[
            "crates/xtask/ratchet.toml:3: `crates/xtask/src/a.rs::long` has only 80 lines; \
             write `\"crates/xtask/src/a.rs::long\" = 80`",
            "crates/xtask/ratchet.toml:4: `crates/xtask/src/a.rs::was` has only 70 lines; delete this line",
            "crates/xtask/ratchet.toml:5: `crates/xtask/src/b.rs` is gone; delete this line",
            "crates/xtask/src/a.rs:152: function `grew` has 91 lines, the ratchet says 90; \
             split it into steps that have names",
        ],
    );
    expect(
        &[("crates/xtask/ratchet.toml", "a = \"b\"")],
        &["crates/xtask/ratchet.toml:1: `a` is not a number of lines; write lines of the form `\"key\" = 71`"],
    );
}
