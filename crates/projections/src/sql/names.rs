//! Table names with dots. In SQL `entities.box` reads as the table `box` of the schema `entities`; here it is the name of
//! a table, and needs no quotes.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, Statement, TableFactor, VisitMut, VisitorMut, visit_relations_mut,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserOptions};

/// The statement with every name of a table as one word.
///
/// # Errors
/// Why it is no SQL, or that it is not one query.
pub(super) fn join_table_names(sql: &str, tables: &[&str]) -> Result<String, String> {
    let options = ParserOptions { trailing_commas: true, ..ParserOptions::default() };
    let parser = Parser::new(&GenericDialect {}).with_options(options).try_with_sql(sql);
    let statements = parser.and_then(|mut parser| parser.parse_statements()).map_err(|error| error.to_string())?;
    let Ok([mut statement]) = <[Statement; 1]>::try_from(statements) else {
        return Err("one statement is expected, neither none nor several".to_owned());
    };
    if !matches!(statement, Statement::Query(_)) {
        return Err("a query begins with SELECT or WITH; a trace is only read".to_owned());
    }
    let mut changed = false;
    let _ = visit_relations_mut(&mut statement, |name: &mut ObjectName| {
        let words: Vec<&str> = name.0.iter().filter_map(|part| Some(part.as_ident()?.value.as_str())).collect();
        let joined = words.join(".");
        if words.len() > 1 && words.len() == name.0.len() && tables.contains(&joined.as_str()) {
            name.0 = vec![ObjectNamePart::Identifier(Ident::with_quote('"', joined))];
            changed = true;
        }
        ControlFlow::<()>::Continue(())
    });
    let mut columns = Columns { tables, changed };
    if let ControlFlow::Break(why) = statement.visit(&mut columns) {
        return Err(why);
    }
    Ok(if columns.changed { statement.to_string() } else { sql.to_owned() })
}

/// Joins the names of tables in front of columns. Stops at a function in the place of a table: polars has some that read
/// files of any name, and a query may come from anybody.
struct Columns<'a> {
    tables: &'a [&'a str],
    changed: bool,
}

impl VisitorMut for Columns<'_> {
    type Break = String;

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<String> {
        match table {
            TableFactor::Table { args: None, .. }
            | TableFactor::Derived { .. }
            | TableFactor::NestedJoin { .. }
            | TableFactor::UNNEST { .. } => ControlFlow::Continue(()),
            other => ControlFlow::Break(format!("{other} is no table of the trace")),
        }
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        let Expr::CompoundIdentifier(words) = expr else { return ControlFlow::Continue(()) };
        let table = |upto: usize| words[..upto].iter().map(|word| word.value.as_str()).collect::<Vec<_>>().join(".");
        let found = (2..words.len()).rev().find(|&upto| self.tables.contains(&table(upto).as_str()));
        if let Some(upto) = found {
            let joined = Ident::with_quote('"', table(upto));
            words.splice(..upto, [joined]);
            self.changed = true;
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tables_become_one_word() {
        let tables = ["state", "entities.box"];
        for (sql, expected) in [
            ("SELECT * FROM entities.box", "SELECT * FROM \"entities.box\""),
            (
                "select entities.box.x from entities.box where entities.box.y > 1",
                "SELECT \"entities.box\".x FROM \"entities.box\" WHERE \"entities.box\".y > 1",
            ),
            ("SELECT s.score  FROM state s", "SELECT s.score  FROM state s"),
            ("SELECT * FROM \"entities.box\"", "SELECT * FROM \"entities.box\""),
        ] {
            assert_eq!(join_table_names(sql, &tables).as_deref(), Ok(expected), "{sql}");
        }
        for sql in [
            "",
            "SELECT",
            "DELETE FROM state",
            "DROP TABLE state",
            "SELECT 1; SELECT 2",
            "SELECT * FROM (",
            "nonsense",
            "SELECT * FROM read_parquet('some.parquet')",
            "SELECT (SELECT max(x) FROM read_ipc('some.arrow')) FROM state",
            "SELECT * FROM TABLE(read_parquet('a'))",
        ] {
            assert!(join_table_names(sql, &tables).is_err(), "{sql}");
        }
    }
}
