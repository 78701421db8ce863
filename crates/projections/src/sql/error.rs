//! Why a query gave no answer.

use std::fmt;
use std::path::Path;

use polars::prelude::PolarsError;

use super::view::View;

/// Why a query gave no answer. The message says what was expected.
#[derive(Debug)]
pub struct QueryError {
    kind: QueryErrorKind,
    message: String,
}

/// What sort of fault a [`QueryError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueryErrorKind {
    /// The query is no SQL, or asks for what is not there.
    Sql,
    /// The trace cannot be read or is damaged.
    Trace,
    /// The rows could not be written.
    Output,
    /// The work was stopped on request.
    Stopped,
}

impl QueryError {
    pub(super) fn new(kind: QueryErrorKind, message: impl Into<String>) -> QueryError {
        QueryError { kind, message: message.into() }
    }

    pub(super) fn stopped() -> QueryError {
        QueryError::new(QueryErrorKind::Stopped, "stopped on request")
    }

    /// A query that polars refused, with what there is to ask for.
    pub(super) fn refused(error: &PolarsError, sql: &str, views: &[View]) -> QueryError {
        let message = first_paragraph(&error.to_string());
        let names_a_column = matches!(error, PolarsError::ColumnNotFound(_)) || message.contains("column");
        let named: Vec<&View> = views.iter().filter(|view| names_a_column && mentions(sql, &view.name)).collect();
        let mut message = format!("the query is refused: {message}");
        for view in &named {
            let columns: Vec<&str> = view.columns.iter().map(|column| column.name.as_str()).collect();
            message.push_str(&format!("; the columns of {} are {}", view.name, columns.join(", ")));
        }
        if named.is_empty() && message.contains("relation") {
            message.push_str(&format!("; {}", tables_are(views)));
        }
        QueryError::new(QueryErrorKind::Sql, message)
    }

    /// A query that failed on the values it met.
    pub(super) fn failed(error: &PolarsError) -> QueryError {
        QueryError::new(QueryErrorKind::Sql, format!("the query failed: {}", first_paragraph(&error.to_string())))
    }

    /// A text that is no statement, or one that is not answered.
    pub(super) fn no_query(why: &str) -> QueryError {
        let why = why.strip_prefix("sql parser error: ").unwrap_or(why);
        QueryError::new(QueryErrorKind::Sql, format!("this is no query: {why}"))
    }

    /// The same, with the file in front that could not be written if that is the fault.
    pub fn writing(mut self, path: &Path) -> QueryError {
        if self.kind == QueryErrorKind::Output {
            self.message = format!("{}: {}", path.display(), self.message);
        }
        self
    }

    /// What sort of fault it is.
    pub fn kind(&self) -> QueryErrorKind {
        self.kind
    }
}

fn tables_are(views: &[View]) -> String {
    if views.is_empty() {
        return "the trace has no tables".to_owned();
    }
    let names: Vec<&str> = views.iter().map(|view| view.name.as_str()).collect();
    format!("the tables are {}", names.join(", "))
}

/// What polars says before it shows its plan, or the columns that are named here in any case.
fn first_paragraph(message: &str) -> String {
    let first = message.split("\n\n").next().unwrap_or_default();
    let first = first.split("; valid columns").next().unwrap_or_default().trim().replace('\n', " ");
    // Some messages go on with how to ask from Rust, or with how the parser holds an expression.
    match (first.split_once(". It's possible"), first.strip_prefix("expression ")) {
        (Some((what, _)), _) => format!("{what}; give one of them a name of its own, as in SELECT tick / 2 AS half"),
        (_, Some(expression)) => {
            let name = expression.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            format!("an expression of this sort ({name}) is not supported")
        }
        _ => first,
    }
}

/// Whether a query has a table's name in it as a word.
fn mentions(sql: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    sql.match_indices(name).any(|(at, found)| {
        !sql[..at].ends_with(is_word) && !sql[at + found.len()..].starts_with(|c: char| is_word(c) && c != '.')
    })
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for QueryError {}

impl From<cdt_trace::Error> for QueryError {
    fn from(error: cdt_trace::Error) -> QueryError {
        QueryError::new(QueryErrorKind::Trace, error.to_string())
    }
}
