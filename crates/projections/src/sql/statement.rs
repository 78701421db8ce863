//! What a statement may ask, and how it is told to polars. In SQL `entities.box` reads as the table `box` of the schema
//! `entities`; here it is the name of a table, and needs no quotes.

use std::ops::ControlFlow;

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Function, Ident, Join, JoinConstraint, JoinOperator, ObjectName,
    ObjectNamePart, Select, Statement, TableFactor, Value, ValueWithSpan, VisitMut, VisitorMut, visit_relations_mut,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserOptions};

use super::limits;

/// The statement as polars shall see it: every name of a table is one word, and counts are signed.
///
/// # Errors
/// Why it is no SQL, that it is not one query, that it is too large, or that polars would answer it wrongly.
pub(super) fn prepared(sql: &str, tables: &[&str]) -> Result<String, String> {
    if sql.len() > limits::BYTES {
        return Err(format!("it has {} bytes, of which it may have {}", sql.len(), limits::BYTES));
    }
    let options = ParserOptions { trailing_commas: true, ..ParserOptions::default() };
    let parser = Parser::new(&GenericDialect {}).with_options(options).try_with_sql(sql);
    let statements = parser.and_then(|mut parser| parser.parse_statements()).map_err(|error| error.to_string())?;
    let Ok([mut statement]) = <[Statement; 1]>::try_from(statements) else {
        return Err("one statement is expected, neither none nor several".to_owned());
    };
    if !matches!(statement, Statement::Query(_)) {
        return Err("a query begins with SELECT or WITH; a trace is only read".to_owned());
    }
    limits::check(&statement)?;
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
    let mut parts = Parts { tables, changed };
    if let ControlFlow::Break(why) = statement.visit(&mut parts) {
        return Err(why);
    }
    Ok(if parts.changed { statement.to_string() } else { sql.to_owned() })
}

/// Joins the names of tables in front of columns, and casts counts. Stops at what polars would do and nobody wants.
struct Parts<'a> {
    tables: &'a [&'a str],
    changed: bool,
}

impl VisitorMut for Parts<'_> {
    type Break = String;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<String> {
        select.from.iter().try_for_each(|from| joins(&from.joins))
    }

    /// Polars has functions that read files of any name, and a query may come from anybody.
    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<String> {
        match table {
            TableFactor::NestedJoin { table_with_joins, .. } => joins(&table_with_joins.joins),
            TableFactor::Table { args: None, .. } | TableFactor::Derived { .. } | TableFactor::UNNEST { .. } => {
                ControlFlow::Continue(())
            }
            other => ControlFlow::Break(format!("{other} is no table of the trace")),
        }
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        if is_called(expr, "array_agg", |function| function.over.is_some()) {
            return ControlFlow::Break(format!(
                "{expr}: polars gathers all rows here, whatever OVER says; use GROUP BY"
            ));
        }
        // Polars counts in u32, in which the difference of two counts wraps around.
        if is_called(expr, "count", |function| function.over.is_none()) {
            let count = std::mem::replace(expr, Expr::Wildcard(AttachedToken::empty()));
            *expr = cast(count, DataType::BigInt(None));
            self.changed = true;
        } else if let Some(digits) = large_number(expr) {
            *expr = cast(Expr::value(Value::SingleQuotedString(digits)), DataType::HugeInt);
            self.changed = true;
        }
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

/// Whether it is a call of a function, and one of these.
fn is_called(expr: &Expr, name: &str, these: impl FnOnce(&Function) -> bool) -> bool {
    let Expr::Function(function) = expr else { return false };
    let [ObjectNamePart::Identifier(called)] = &function.name.0[..] else { return false };
    called.value.eq_ignore_ascii_case(name) && these(function)
}

/// The digits of a whole number past 64 bits with a sign, such as half of all digests; polars does not read it.
fn large_number(expr: &Expr) -> Option<String> {
    let Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) = expr else { return None };
    let is_large = digits.bytes().all(|digit| digit.is_ascii_digit()) && digits.parse::<i64>().is_err();
    is_large.then(|| digits.clone())
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

/// Of a join that keeps rows without a partner, polars 0.55 forgets that it does where the condition compares otherwise than
/// with `=` (`SQLContext::process_join`).
fn joins(joins: &[Join]) -> ControlFlow<String> {
    for join in joins {
        let on = match &join.join_operator {
            JoinOperator::Left(JoinConstraint::On(on))
            | JoinOperator::LeftOuter(JoinConstraint::On(on))
            | JoinOperator::Right(JoinConstraint::On(on))
            | JoinOperator::RightOuter(JoinConstraint::On(on))
            | JoinOperator::FullOuter(JoinConstraint::On(on))
            | JoinOperator::Semi(JoinConstraint::On(on))
            | JoinOperator::LeftSemi(JoinConstraint::On(on))
            | JoinOperator::RightSemi(JoinConstraint::On(on))
            | JoinOperator::Anti(JoinConstraint::On(on))
            | JoinOperator::LeftAnti(JoinConstraint::On(on))
            | JoinOperator::RightAnti(JoinConstraint::On(on)) => on,
            _ => continue,
        };
        if !equalities(on) {
            let rule = "ON takes `=` alone here, joined by AND; filter the table in a subquery, as in";
            let example = "LEFT JOIN (SELECT * FROM state WHERE tick < 500) AS s ON ...";
            return ControlFlow::Break(format!("{join}: {rule} {example}"));
        }
    }
    ControlFlow::Continue(())
}

/// Whether a condition is `=` alone, joined by AND.
fn equalities(on: &Expr) -> bool {
    match on {
        Expr::Nested(on) => equalities(on),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => equalities(left) && equalities(right),
        Expr::BinaryOp { op, .. } => *op == BinaryOperator::Eq,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_made_ready_or_refused() {
        let tables = ["state", "entities.box"];
        for (sql, expected) in [
            ("SELECT * FROM entities.box", "SELECT * FROM \"entities.box\""),
            (
                "select entities.box.x from entities.box where entities.box.y > 1",
                "SELECT \"entities.box\".x FROM \"entities.box\" WHERE \"entities.box\".y > 1",
            ),
            ("SELECT s.score  FROM state s", "SELECT s.score  FROM state s"),
            ("SELECT * FROM \"entities.box\"", "SELECT * FROM \"entities.box\""),
            ("SELECT Count(*) - 5 AS n FROM state", "SELECT CAST(Count(*) AS BIGINT) - 5 AS n FROM state"),
            ("SELECT 9223372036854775808", "SELECT CAST('9223372036854775808' AS HUGEINT)"),
            ("SELECT 9223372036854775807, 1e30", "SELECT 9223372036854775807, 1e30"),
            ("SELECT * FROM state a JOIN state b ON a.x < b.x", "SELECT * FROM state a JOIN state b ON a.x < b.x"),
        ] {
            assert_eq!(prepared(sql, &tables).as_deref(), Ok(expected), "{sql}");
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
            "SELECT array_agg(x) OVER (PARTITION BY tick) FROM state",
            "SELECT * FROM state a LEFT JOIN state b ON a.tick = b.tick AND a.x < b.x",
            "SELECT (SELECT count(*) FROM state a ANTI JOIN state b ON (a.x != b.x)) FROM state",
            "SELECT * FROM state c JOIN (state a FULL JOIN state b ON a.x < b.x) ON a.x = c.x",
        ] {
            assert!(prepared(sql, &tables).is_err(), "{sql}");
        }
    }
}
