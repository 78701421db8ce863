//! One Rust file as tokens: what its functions are and which tokens are not test code.
//!
//! It is not a parser: a function is `fn`, a name, and the next braces; a test is what follows `#[test]` or
//! `#[cfg(test)]` up to the next braces or semicolon.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A token of code that ships and the line it is on. A group is its two delimiters with its tokens between.
pub type Token = (String, usize);

/// A function that is not a test, from the line of its `fn` to that of its closing brace.
pub struct Function {
    pub name: String,
    pub line: usize,
    pub length: usize,
}

/// A Rust file, read.
pub struct Source<'a> {
    pub path: &'a str,
    pub text: &'a str,
    pub tokens: Vec<Token>,
    pub functions: Vec<Function>,
    /// Modules declared as `#[cfg(test)] mod name;`.
    test_modules: Vec<String>,
}

impl<'a> Source<'a> {
    /// Reads one file; an error is the line and what is wrong there.
    pub fn parse(path: &'a str, text: &'a str) -> Result<Self, (usize, String)> {
        let stream: TokenStream =
            text.parse().map_err(|error: proc_macro2::LexError| (error.span().start().line, error.to_string()))?;
        let mut source = Self { path, text, tokens: vec![], functions: vec![], test_modules: vec![] };
        source.walk(stream);
        Ok(source)
    }

    /// Whether the file is under the `src` of a crate, so that it ships.
    pub fn in_src(&self) -> bool {
        self.path.split('/').nth(2) == Some("src")
    }

    /// Whether the file begins by saying what it is for.
    pub fn has_doc(&self) -> bool {
        self.text.starts_with("//!")
    }

    fn walk(&mut self, stream: TokenStream) {
        let trees: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        while at < trees.len() {
            if is_test_attribute(&trees[at..]) {
                let item = &trees[at + 2..];
                if let Some(name) = declared_module(item) {
                    self.test_modules.push(name);
                }
                let end = item.iter().position(|tree| is_braces(tree).is_some() || tree.to_string() == ";");
                at += 2 + end.map_or(item.len(), |end| end + 1);
                continue;
            }
            self.functions.extend(function(&trees[at..]));
            match &trees[at] {
                TokenTree::Group(group) => {
                    let (open, close) = delimiters(group);
                    self.tokens.push((open.to_owned(), group.span_open().start().line));
                    self.walk(group.stream());
                    self.tokens.push((close.to_owned(), group.span_close().end().line));
                }
                tree => self.tokens.push((tree.to_string(), tree.span().start().line)),
            }
            at += 1;
        }
    }
}

/// Empties the files that are test modules (`#[cfg(test)] mod tests;`) of their tokens and functions.
pub fn drop_test_modules(sources: &mut [Source<'_>]) {
    let mut dropped = Vec::new();
    for source in sources.iter() {
        let stem = source.path.strip_suffix(".rs").unwrap_or(source.path);
        let (parent, name) = stem.rsplit_once('/').unwrap_or(("", stem));
        let dir = if ["lib", "main", "mod"].contains(&name) { parent } else { stem };
        dropped.extend(source.test_modules.iter().map(|module| format!("{dir}/{module}")));
    }
    for source in sources {
        let is_test = |module: &String| {
            source.path.strip_prefix(module.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        };
        if dropped.iter().any(is_test) {
            source.tokens.clear();
            source.functions.clear();
        }
    }
}

/// The identifiers and numbers of a text.
pub fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

fn delimiters(group: &Group) -> (&'static str, &'static str) {
    match group.delimiter() {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    }
}

fn is_braces(tree: &TokenTree) -> Option<&Group> {
    match tree {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
        _ => None,
    }
}

/// Whether `trees` begin with `#[test]`, or with `#[cfg(..)]` that names `test` and not `not`.
fn is_test_attribute(trees: &[TokenTree]) -> bool {
    let [TokenTree::Punct(hash), TokenTree::Group(group), ..] = trees else { return false };
    if hash.as_char() != '#' || group.delimiter() != Delimiter::Bracket {
        return false;
    }
    let text = group.stream().to_string();
    let words: Vec<&str> = words_of(&text).collect();
    words == ["test"] || (words.first() == Some(&"cfg") && words.contains(&"test") && !words.contains(&"not"))
}

/// The name in `mod name;`, whatever stands before it (`pub`, more attributes).
fn declared_module(item: &[TokenTree]) -> Option<String> {
    let end = item.iter().position(|tree| tree.to_string() == ";")?;
    match &item[..end] {
        [.., keyword, name] if keyword.to_string() == "mod" => Some(name.to_string()),
        _ => None,
    }
}

/// The function that `trees` begin with: `fn`, a name, and braces before any semicolon.
fn function(trees: &[TokenTree]) -> Option<Function> {
    let [TokenTree::Ident(keyword), TokenTree::Ident(name), rest @ ..] = trees else { return None };
    if keyword != "fn" {
        return None;
    }
    let body = rest.iter().take_while(|tree| tree.to_string() != ";").find_map(is_braces)?;
    let line = keyword.span().start().line;
    Some(Function { name: name.to_string(), line, length: body.span_close().end().line + 1 - line })
}
