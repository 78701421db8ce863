//! What may not be written, where, and what to write instead.

use super::source::{Source, Token, words_of};
use super::{Violation, crate_of, floors};

/// Where a ban holds. Tests are always free.
enum Scope {
    Everywhere,
    In(&'static [&'static str]),
    NotIn(&'static [&'static str]),
    /// On the floors below this one; crates outside the floors are free.
    Below(u8),
}
use Scope::{Below, Everywhere, In, NotIn};

/// Calls as Rust tokens, where they are banned, and what to do instead. A path also matches through `use a::{b}`; give
/// its last two segments.
type Ban = (&'static [&'static str], Scope, &'static str);

#[rustfmt::skip]
const BANS: &[Ban] = &[
    (&["serde_json::Value"], In(&["schema", "trace", "ingest", "projections", "analysis"]), "give the value a type"),
    (&["todo!", "unimplemented!"], Everywhere, "write it, or leave the feature out"),
    (&["dbg!"], Everywhere, "remove it"),
    (&["unsafe"], Everywhere, "write it safely"),
    (&["print!", "println!", "eprint!", "eprintln!"], Below(6), "return it, or take a progress callback; doors print"),
    (&["process::exit"], NotIn(&["cli", "door", "xtask"]), "return an error; doors exit"),
    (&["SystemTime::now", "Instant::now"], Below(5), "take the time, or a progress callback, as an argument"),
    (&["env::var", "env::var_os", "env::vars"], Below(5), "take it as an argument; doors read the environment"),
];

/// Words that may not stand anywhere, not even in comments and tests.
const WORDS: &[&str] = &["TODO", "FIXME"];

/// Checks every source against the tables above.
pub fn check(sources: &[Source<'_>], found: &mut Vec<Violation>) {
    for source in sources {
        let name = crate_of(source.path).unwrap_or_default();
        let bans = BANS.iter().filter(|(_, scope, _)| source.in_src() && scope.holds_in(name));
        for (call, instead) in bans.flat_map(|(calls, _, instead)| calls.iter().map(move |call| (call, *instead))) {
            for line in lines_with(&source.tokens, call) {
                found.push(Violation::new(source.path, line, format!("`{call}` in {name}"), instead));
            }
        }
        // Of all crates, this one has to name the words.
        for (index, line) in source.text.lines().enumerate().filter(|_| name != "xtask") {
            if let Some(word) = words_of(line).find(|word| WORDS.contains(word)) {
                let instead = "do it now, or say in plain words what does not work yet";
                found.push(Violation::new(source.path, index + 1, format!("`{word}` left in"), instead));
            }
        }
    }
}

impl Scope {
    fn holds_in(&self, name: &str) -> bool {
        match self {
            Self::Everywhere => true,
            Self::In(names) => names.contains(&name),
            Self::NotIn(names) => !names.contains(&name),
            Self::Below(limit) => floors::floor_of(name).is_some_and(|floor| floor < *limit),
        }
    }
}

/// The lines on which the tokens of `call` stand in `tokens`, directly or as `head::{.., tail, ..}`.
fn lines_with(tokens: &[Token], call: &str) -> Vec<usize> {
    let call = Source::parse("", call).expect("a ban is made of Rust tokens").tokens;
    let call: Vec<&str> = call.iter().map(|(token, _)| token.as_str()).collect();
    let mut lines: Vec<usize> = starts(tokens, &call).map(|at| tokens[at].1).collect();
    if let [head, colon, _, tail] = call[..] {
        let opening = [head, colon, colon, "{"];
        let groups = starts(tokens, &opening);
        lines.extend(groups.filter_map(|at| in_group(&tokens[at + 4..], tail)));
    }
    lines
}

/// Where `wanted` begins in `tokens`.
fn starts(tokens: &[Token], wanted: &[&str]) -> impl Iterator<Item = usize> {
    let is = |window: &[Token]| window.iter().map(|(token, _)| token.as_str()).eq(wanted.iter().copied());
    (0..tokens.len()).filter(move |at| tokens.get(*at..at + wanted.len()).is_some_and(is))
}

/// The line of `name` as a member of the group whose tokens begin `rest`, not as part of a longer path.
fn in_group(rest: &[Token], name: &str) -> Option<usize> {
    let mut depth = 0;
    let mut before = ",";
    for (token, line) in rest {
        match token.as_str() {
            "{" => depth += 1,
            "}" if depth == 0 => return None,
            "}" => depth -= 1,
            token if depth == 0 && before == "," && token == name => return Some(*line),
            _ => {}
        }
        before = token;
    }
    None
}
