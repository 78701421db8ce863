//! What a statement may ask, and how it is told to polars. In SQL `entities.box` reads as the table `box` of the schema
//! `entities`; here it is the name of a table, and needs no quotes.

use std::ops::ControlFlow;

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    CastKind, DataType, Expr, Ident, ObjectName, ObjectNamePart, Query, Select, Statement, TableFactor, Value,
    ValueWithSpan, VisitMut, VisitorMut, visit_relations_mut,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserOptions};

use super::{limits, refused};

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

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<String> {
        let names = query.with.iter().flat_map(|with| &with.cte_tables).map(|table| &table.alias.name.value);
        if let Some(name) = names.into_iter().find(|name| self.tables.contains(&name.as_str())) {
            return ControlFlow::Break(format!("WITH {name}: a table of the trace has that name; choose another"));
        }
        refused::ordering(query)
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<String> {
        refused::grouping(select)?;
        select.from.iter().try_for_each(|from| refused::joins(&from.joins))
    }

    /// Polars has functions that read files of any name, and a query may come from anybody.
    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<String> {
        match table {
            TableFactor::NestedJoin { table_with_joins, .. } => refused::joins(&table_with_joins.joins),
            TableFactor::Table { args: None, .. } | TableFactor::Derived { .. } | TableFactor::UNNEST { .. } => {
                ControlFlow::Continue(())
            }
            other => ControlFlow::Break(format!("{other} is no table of the trace")),
        }
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        refused::subquery(expr)?;
        if let Expr::Function(function) = expr {
            refused::function(function)?;
        }
        if let Expr::Case { conditions, else_result, .. } = expr {
            conditions.iter_mut().map(|when| &mut when.result).chain(else_result.as_deref_mut()).for_each(|result| {
                self.changed |= widen(result);
            });
        }
        // Polars counts in u32, in which the difference of two counts wraps around.
        if is_count(expr) {
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

/// Whether it counts the rows of a table or a group.
fn is_count(expr: &Expr) -> bool {
    let Expr::Function(function) = expr else { return false };
    function.over.is_none() && refused::name_of(function).as_deref() == Some("count")
}

/// The digits of a whole number past 64 bits with a sign, such as half of all digests; polars does not read it.
fn large_number(expr: &Expr) -> Option<String> {
    let Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) = expr else { return None };
    let is_large = digits.bytes().all(|digit| digit.is_ascii_digit()) && digits.parse::<i64>().is_err();
    is_large.then(|| digits.clone())
}

/// Casts a small whole number, as which polars would sum up what `CASE` gives.
fn widen(result: &mut Expr) -> bool {
    let is_whole = |digits: &str| digits.parse::<i64>().is_ok();
    if !matches!(result, Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) if is_whole(digits)) {
        return false;
    }
    let number = std::mem::replace(result, Expr::Wildcard(AttachedToken::empty()));
    *result = cast(number, DataType::BigInt(None));
    true
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
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
            (
                "SELECT sum(CASE WHEN x > 1 THEN 1 ELSE y END) FROM state",
                "SELECT sum(CASE WHEN x > 1 THEN CAST(1 AS BIGINT) ELSE y END) FROM state",
            ),
            ("SELECT x, max(y) OVER () - y AS rest FROM state", "SELECT x, max(y) OVER () - y AS rest FROM state"),
            (
                "SELECT 1 AS one, max(y) - min(y) AS span FROM state",
                "SELECT 1 AS one, max(y) - min(y) AS span FROM state",
            ),
            ("SELECT sum(x) OVER (PARTITION BY y) FROM state", "SELECT sum(x) OVER (PARTITION BY y) FROM state"),
            (
                "SELECT x IN (SELECT max(x) FROM state), min(x) OVER () FROM state",
                "SELECT x IN (SELECT max(x) FROM state), min(x) OVER () FROM state",
            ),
            ("SELECT max(x) - min(y) FROM state", "SELECT max(x) - min(y) FROM state"),
            (
                "SELECT DISTINCT s.x FROM state s ORDER BY x, s.x, 1",
                "SELECT DISTINCT s.x FROM state s ORDER BY x, s.x, 1",
            ),
            ("SELECT * FROM state a JOIN state b ON a.x < b.x", "SELECT * FROM state a JOIN state b ON a.x < b.x"),
        ] {
            assert_eq!(prepared(sql, &tables).as_deref(), Ok(expected), "{sql}");
        }
        for (sql, reason) in [
            ("", "one statement is expected"),
            ("SELECT", "an expression"),
            ("DELETE FROM state", "only read"),
            ("DROP TABLE state", "only read"),
            ("SELECT 1; SELECT 2", "one statement is expected"),
            ("SELECT * FROM (", "identifier"),
            ("nonsense", "an SQL statement"),
            ("SELECT * FROM read_parquet('some.parquet')", "is no table of the trace"),
            ("SELECT (SELECT max(x) FROM read_ipc('some.arrow')) FROM state", "is no table of the trace"),
            ("SELECT * FROM TABLE(read_parquet('a'))", "is no table of the trace"),
            ("SELECT array_agg(x) OVER (PARTITION BY tick) FROM state", "use GROUP BY"),
            ("SELECT * FROM state a LEFT JOIN state b ON a.tick = b.tick AND a.x < b.x", "ON takes `=` alone"),
            (
                "SELECT (SELECT count(*) FROM state a ANTI JOIN state b ON (a.x != b.x)) FROM state",
                "ON takes `=` alone",
            ),
            ("SELECT * FROM state c JOIN (state a FULL JOIN state b ON a.x < b.x) ON a.x = c.x", "ON takes `=` alone"),
            ("SELECT x, count(*) FROM state GROUP BY x ORDER BY count(*)", "order by the name"),
            ("SELECT x FROM (SELECT x FROM state GROUP BY x ORDER BY max(tick) LIMIT 1) a", "order by the name"),
            ("SELECT x, count(*) AS n FROM state GROUP BY x ORDER BY n, tick", "ORDER BY tick"),
            ("SELECT DISTINCT x FROM state ORDER BY tick", "ORDER BY tick"),
            ("WITH state AS (SELECT 5 AS tick) SELECT tick FROM state", "WITH state: a table of the trace"),
            ("SELECT x, row_number() OVER (ORDER BY x) FROM state GROUP BY x", "group in a subquery"),
            ("SELECT x, sum(count(*)) OVER () FROM state GROUP BY x", "group in a subquery"),
            ("SELECT x, max(y) FROM state", "x beside max(y)"),
            ("SELECT x, var_samp(y) FROM state", "x beside var_samp(y)"),
            ("SELECT x - max(x) FROM state", "x - max(x): say of which rows"),
            ("SELECT tick, (SELECT max(tick) FROM state) AS m FROM state", "known behind IN alone"),
            ("SELECT tick FROM state WHERE EXISTS (SELECT x FROM state)", "known behind IN alone"),
            ("SELECT tick FROM state HAVING count(*) > 5", "HAVING count(*) > 5: it is known behind GROUP BY"),
            ("SELECT x, count(*) FROM state GROUP BY ROLLUP (x)", "ROLLUP, CUBE"),
            ("SELECT x, count(*) FROM state GROUP BY x WITH CUBE", "ROLLUP, CUBE"),
            ("SELECT DISTINCT a.x FROM state a JOIN state b ON a.tick = b.tick ORDER BY b.x", "ORDER BY b.x"),
            ("SELECT DISTINCT b.* FROM state a JOIN state b ON a.tick = b.tick ORDER BY a.x", "ORDER BY a.x"),
            ("SELECT last_value(tick) OVER () FROM state", "in which order"),
            ("SELECT sum(x) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM state", "in which order"),
            ("SELECT *, count(*) AS n FROM state", "* beside count(*)"),
            ("SELECT sum(1) FROM state", "for one row"),
            ("SELECT 1 + Count(CAST(1 AS BIGINT)) FROM state", "for one row"),
            ("SELECT avg(x) OVER (ORDER BY tick) FROM state", "leaves the ORDER BY"),
            ("SELECT sum(x) OVER (PARTITION BY y ORDER BY tick) FROM state", "goes row by row"),
            ("SELECT sum(x) OVER w FROM state WINDOW w AS (ORDER BY tick)", "write the window w out"),
        ] {
            let said = prepared(sql, &tables).unwrap_err();
            assert!(said.contains(reason), "{sql}: {said}");
        }
    }
}
