//! How large a query may be. Polars works through a query by recursion, so that a deep one would end the process; and it
//! writes some things out that are short in SQL, so that a few words could ask for all memory there is.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart, Query, Select, SetExpr, Statement,
    TableFactor, Value, Visit, Visitor,
};

/// Most bytes of a query.
pub(super) const BYTES: usize = 1 << 16;
/// Stack for work on a query of that size, in bytes; what is not used of it takes no memory.
pub(super) const STACK: usize = 1 << 25;
/// Most expressions within one another, and most UNIONs and their like in a row.
const DEPTH: usize = 100;
/// Most expressions, with those that are written out several times counted as often.
const EXPRESSIONS: u64 = 10_000;
/// Most SELECTs and tables, with those of a WITH counted wherever its name stands.
const PARTS: u64 = 128;
/// Most characters to which text is padded.
const PADDED: u64 = 1_024;

/// Refuses a statement that is too large to answer.
///
/// # Errors
/// Which limit it is past.
pub(super) fn check(statement: &Statement) -> Result<(), String> {
    let mut size = Size { expressions: vec![0], queries: vec![Parts::default()], named: Vec::new() };
    match statement.visit(&mut size) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(why) => Err(why),
    }
}

/// What has been seen so far.
struct Size {
    /// For all expressions and those that are being visited, one within the other: how many are within it.
    expressions: Vec<u64>,
    /// For all queries and those that are being visited, one within the other: what they are made of.
    queries: Vec<Parts>,
    /// What is known by a name here, and how many parts that is.
    named: Vec<(String, u64)>,
}

#[derive(Default)]
struct Parts {
    count: u64,
    /// Names of its WITH whose queries are yet to come; they are visited first, in their order.
    names: Vec<String>,
    /// How many names were known before it.
    known: usize,
}

impl Size {
    fn add(&mut self, parts: u64) -> ControlFlow<String> {
        let query = self.queries.last_mut().expect("that of all queries");
        query.count = query.count.saturating_add(parts);
        limited(query.count, PARTS, "SELECTs and tables, those of a WITH counted wherever its name stands")
    }
}

fn limited(count: u64, most: u64, what: &str) -> ControlFlow<String> {
    if count <= most {
        return ControlFlow::Continue(());
    }
    ControlFlow::Break(format!("it has more than {most} {what}; ask in several queries"))
}

impl Visitor for Size {
    type Break = String;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        let with = query.with.iter().flat_map(|with| &with.cte_tables);
        let names = with.rev().map(|table| table.alias.name.value.clone()).collect();
        self.queries.push(Parts { count: 0, names, known: self.named.len() });
        let mut body = &*query.body;
        let mut operations = 0;
        while let SetExpr::SetOperation { left, .. } = body {
            body = left;
            operations += 1;
        }
        limited(operations, DEPTH as u64, "UNIONs and their like in a row")
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<String> {
        let done = self.queries.pop().expect("it was visited before");
        self.named.truncate(done.known);
        match self.queries.last_mut().and_then(|outer| outer.names.pop()) {
            Some(name) => {
                self.named.push((name, done.count));
                ControlFlow::Continue(())
            }
            None => self.add(done.count),
        }
    }

    fn pre_visit_select(&mut self, _: &Select) -> ControlFlow<String> {
        self.add(1)
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<String> {
        let TableFactor::Table { name, .. } = table else { return ControlFlow::Continue(()) };
        let words: Vec<&str> = name.0.iter().filter_map(|part| Some(part.as_ident()?.value.as_str())).collect();
        let name = words.join(".");
        let parts = self.named.iter().rev().find(|(known, _)| *known == name).map_or(1, |(_, parts)| *parts);
        self.add(parts)
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
        self.expressions.push(0);
        if let Expr::Function(function) = expr {
            padding(function)?;
        }
        limited(self.expressions.len() as u64, DEPTH as u64, "expressions within one another")
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
        let within = self.expressions.pop().expect("it was visited before");
        let times = match expr {
            // `a BETWEEN b AND c` is `a >= b AND a <= c`.
            Expr::Between { .. } => 2,
            // `CASE a WHEN b ..` is `CASE WHEN a = b ..`, and each WHEN stands within the one before it.
            Expr::Case { conditions, .. } => conditions.len() as u64,
            _ => 1,
        };
        let outer = self.expressions.last_mut().expect("that of all expressions");
        *outer = within.saturating_mul(times).saturating_add(*outer).saturating_add(1);
        limited(*outer, EXPRESSIONS, "expressions, those of BETWEEN and CASE counted as often as they are compared")
    }
}

/// Text is padded to lengths that can be seen beforehand: no memory has room for any other.
fn padding(function: &Function) -> ControlFlow<String> {
    let [ObjectNamePart::Identifier(name)] = &function.name.0[..] else { return ControlFlow::Continue(()) };
    if !["lpad", "rpad"].contains(&name.value.to_lowercase().as_str()) {
        return ControlFlow::Continue(());
    }
    let FunctionArguments::List(arguments) = &function.args else { return ControlFlow::Continue(()) };
    match arguments.args.get(1) {
        None => ControlFlow::Continue(()),
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(length)))) if is_length(&length.value) => {
            ControlFlow::Continue(())
        }
        Some(length) => {
            ControlFlow::Break(format!("{name} takes a length from 0 to {PADDED} as a number, not {length}"))
        }
    }
}

fn is_length(value: &Value) -> bool {
    matches!(value, Value::Number(digits, _) if digits.parse::<u64>().is_ok_and(|length| length <= PADDED))
}

#[cfg(test)]
mod tests {
    use sqlparser::dialect::GenericDialect;
    use sqlparser::parser::Parser;

    use super::*;

    fn refused(sql: &str) -> Option<String> {
        let statements = Parser::parse_sql(&GenericDialect {}, sql).unwrap();
        check(&statements[0]).err()
    }

    fn chain(part: &str, between: &str, count: usize) -> String {
        vec![part; count].join(between)
    }

    fn doubled(names: usize) -> String {
        let tables = (1..names).map(|n| format!(", t{n} AS (SELECT a.x FROM t{p} a, t{p} b)", p = n - 1));
        format!("WITH t0 AS (SELECT x FROM state){} SELECT * FROM t{}", tables.collect::<String>(), names - 1)
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let case = |count| format!("SELECT CASE x + 1 + 1 {} END", chain("WHEN 1 THEN 2", " ", count));
        for (small, large, why) in [
            (format!("SELECT {}", chain("1", "+", 99)), format!("SELECT {}", chain("1", "+", 9_999)), "one another"),
            (chain("SELECT 1", " UNION ", 100), chain("SELECT 1", " UNION ", 9_999), "UNIONs"),
            (chain("SELECT x FROM a", " EXCEPT ", 64), chain("SELECT x FROM a", " EXCEPT ", 65), "SELECTs and tables"),
            (
                format!("SELECT x FROM a, {}", chain("b", ",", 100)),
                format!("SELECT x FROM a, {}", chain("b", ",", 128)),
                "SELECTs and tables",
            ),
            (doubled(6), doubled(7), "SELECTs and tables"),
            (doubled(5), doubled(64), "SELECTs and tables"),
            (doubled(5), doubled(7).replace(" t5 ", " \"t5\" "), "SELECTs and tables"),
            (
                format!("SELECT x{}", chain(" BETWEEN 0 AND 1", "", 10)),
                format!("SELECT x{}", chain(" BETWEEN 0 AND 1", "", 30)),
                "BETWEEN",
            ),
            (case(30), case(90), "CASE"),
            (
                format!("SELECT x IN ({})", chain("1", ",", 9_990)),
                format!("SELECT {}", chain("1", ",", 10_001)),
                "10000",
            ),
            ("SELECT lpad(x, 1024)".to_owned(), "SELECT lpad(x, 1025)".to_owned(), "length from 0 to 1024"),
            ("SELECT rpad(x, 0, 'y')".to_owned(), "SELECT RPAD(x, tick, 'y')".to_owned(), "not tick"),
        ] {
            assert_eq!(refused(&small), None, "{small}");
            let said = refused(&large).unwrap_or_default();
            assert!(said.contains(why), "{large}: {said}");
        }
    }
}
