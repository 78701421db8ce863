//! Queries that polars 0.55 answers with other rows than SQL asks for, without a word. They are refused, each with a way to
//! ask that is answered rightly.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Distinct, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Join,
    JoinConstraint, JoinOperator, ObjectNamePart, OrderByKind, Query, Select, SelectItem, SetExpr, Value, Visit,
    Visitor, WindowFrameUnits, WindowType, visit_expressions,
};

/// Functions that take the values of rows together (polars-sql, `PolarsSQLFunctions::try_from_sql`).
const AGGREGATES: [&str; 26] = [
    "array_agg",
    "avg",
    "corr",
    "count",
    "covar",
    "covar_pop",
    "covar_samp",
    "first",
    "group_concat",
    "last",
    "listagg",
    "max",
    "median",
    "min",
    "quantile_cont",
    "quantile_disc",
    "stddev",
    "stddev_samp",
    "stdev",
    "stdev_samp",
    "string_agg",
    "sum",
    "total",
    "var",
    "var_samp",
    "variance",
];
/// Functions that heed the order of their window.
const ORDERED: [&str; 6] = ["dense_rank", "first_value", "lag", "lead", "rank", "row_number"];
/// Functions that heed it too, but count rows of the same rank one after the other.
const RUNNING: [&str; 5] = ["count", "last_value", "max", "min", "sum"];

/// The name of a function, in lower case.
pub(super) fn name_of(function: &Function) -> Option<String> {
    let [ObjectNamePart::Identifier(name)] = &function.name.0[..] else { return None };
    Some(name.value.to_lowercase())
}

/// Of a join that keeps rows without a partner, polars forgets that it does where the condition compares otherwise than with
/// `=` (`SQLContext::process_join`).
pub(super) fn joins(joins: &[Join]) -> ControlFlow<String> {
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

/// Polars takes windows over rows that are being grouped within each group, and what stands beside an aggregate without GROUP BY
/// for every row. Other ways to group it does not know, nor HAVING alone.
pub(super) fn grouping(select: &Select) -> ControlFlow<String> {
    let items: Vec<(&SelectItem, Made)> = select.projection.iter().map(|item| (item, Made::of(item))).collect();
    let is_plain = match &select.group_by {
        GroupByExpr::All(modifiers) => modifiers.is_empty(),
        GroupByExpr::Expressions(keys, modifiers) => {
            let is_set = |key: &Expr| matches!(key, Expr::Rollup(_) | Expr::Cube(_) | Expr::GroupingSets(_));
            modifiers.is_empty() && !keys.iter().any(is_set)
        }
    };
    if !is_plain {
        let rule = "ROLLUP, CUBE and GROUPING SETS are not known; ask for each grouping, and join them by UNION ALL";
        return ControlFlow::Break(rule.to_owned());
    }
    if has_keys(select) {
        return match items.iter().find(|(_, made)| made.window) {
            None => ControlFlow::Continue(()),
            Some((item, _)) => {
                ControlFlow::Break(format!("{item}: group in a subquery, and take the window over its rows"))
            }
        };
    }
    if let Some(having) = &select.having {
        return ControlFlow::Break(format!("HAVING {having}: it is known behind GROUP BY alone; WHERE filters rows"));
    }
    let Some(aggregate) = items.iter().find_map(|(_, made)| made.aggregate.as_ref()) else {
        return ControlFlow::Continue(());
    };
    let is_of_rows = |item: &SelectItem, made: &Made| {
        made.column || matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
    };
    match items.iter().find(|(item, made)| is_of_rows(item, made)) {
        None => ControlFlow::Continue(()),
        Some((item, Made { aggregate: Some(_), .. })) => {
            let rule = "say of which rows the column is that stands beside the aggregate, with GROUP BY or OVER ()";
            ControlFlow::Break(format!("{item}: {rule}"))
        }
        Some((item, _)) => {
            ControlFlow::Break(format!("{item} beside {aggregate}: say of which rows, with GROUP BY or OVER ()"))
        }
    }
}

/// What an item is made of, that of subqueries aside.
#[derive(Default)]
struct Made {
    /// The first aggregate.
    aggregate: Option<String>,
    /// Whether there is a column outside of aggregates.
    column: bool,
    /// Whether there is a window.
    window: bool,
    /// Queries, and aggregates, that what is visited stands in.
    queries: u32,
    aggregates: u32,
}

impl Made {
    fn of(item: &SelectItem) -> Made {
        let mut made = Made::default();
        let _ = item.visit(&mut made);
        made
    }
}

impl Visitor for Made {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if self.queries > 0 {
            return ControlFlow::Continue(());
        }
        match expr {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => self.column |= self.aggregates == 0,
            Expr::Function(function) if function.over.is_some() => self.window = true,
            expr if is_aggregate(expr) => {
                self.aggregates += 1;
                self.aggregate.get_or_insert_with(|| expr.to_string());
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        self.aggregates -= u32::from(self.queries == 0 && is_aggregate(expr));
        ControlFlow::Continue(())
    }
}

fn is_aggregate(expr: &Expr) -> bool {
    let Expr::Function(function) = expr else { return false };
    function.over.is_none() && name_of(function).is_some_and(|name| AGGREGATES.contains(&name.as_str()))
}

/// Queries within an expression, but for those behind IN. Polars refuses them too, in words that show how a parser holds them.
pub(super) fn subquery(expr: &Expr) -> ControlFlow<String> {
    let (Expr::Exists { subquery, .. } | Expr::Subquery(subquery)) = expr else { return ControlFlow::Continue(()) };
    let rule = "a query within an expression is known behind IN alone; join it, as in";
    let example = "JOIN (SELECT max(tick) AS last FROM step) AS s ON tick = s.last";
    ControlFlow::Break(format!("({subquery}): {rule} {example}"))
}

fn is_column(expr: &Expr) -> ControlFlow<()> {
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    }
}

fn has_keys(select: &Select) -> bool {
    match &select.group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(keys, _) => !keys.is_empty(),
    }
}

/// Rows that were grouped are ordered by what they hold now: polars takes `count(*)` anew there, and of `DISTINCT` rows any
/// that it met.
pub(super) fn ordering(query: &Query) -> ControlFlow<String> {
    let Some(OrderByKind::Expressions(order)) = query.order_by.as_ref().map(|order_by| &order_by.kind) else {
        return ControlFlow::Continue(());
    };
    let SetExpr::Select(select) = &*query.body else { return ControlFlow::Continue(()) };
    if !is_grouped(select) {
        return ControlFlow::Continue(());
    }
    match order.iter().find(|by| !is_selected(select, &by.expr)) {
        None => ControlFlow::Continue(()),
        Some(by) => ControlFlow::Break(format!(
            "ORDER BY {} behind GROUP BY or DISTINCT: give it a name in SELECT (AS n), and order by the name",
            by.expr
        )),
    }
}

fn is_grouped(select: &Select) -> bool {
    has_keys(select) || matches!(select.distinct, Some(Distinct::Distinct | Distinct::On(_)))
}

/// Whether it names a column of the answer, or numbers one.
fn is_selected(select: &Select, by: &Expr) -> bool {
    let (table, name) = match by {
        Expr::Value(value) => return matches!(value.value, Value::Number(..)),
        Expr::Identifier(name) => (None, name),
        Expr::CompoundIdentifier(words) => {
            let (name, table) = words.split_last().expect("it has words");
            (Some(table), name)
        }
        _ => return false,
    };
    // Of one table alone a column is the same with the table's name and without.
    let has_one_table = matches!(&select.from[..], [table] if table.joins.is_empty());
    select.projection.iter().any(|item| match item {
        SelectItem::UnnamedExpr(Expr::Identifier(column)) => {
            column.value == name.value && (table.is_none() || has_one_table)
        }
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(words)) => {
            let (column, of) = words.split_last().expect("it has words");
            column.value == name.value && (table.is_none_or(|table| table == of) || has_one_table)
        }
        SelectItem::ExprWithAlias { alias, .. } => table.is_none() && alias.value == name.value,
        SelectItem::Wildcard(_) => true,
        SelectItem::QualifiedWildcard(..) => has_one_table,
        _ => false,
    })
}

/// Polars takes the sum of a constant, and the like, over one row, and most functions over a window without its order.
pub(super) fn function(function: &Function) -> ControlFlow<String> {
    let Some(name) = name_of(function) else { return ControlFlow::Continue(()) };
    // `count(1)` is `count(*)` to polars too.
    let counts_rows = name == "count" && is_literal(&function.args);
    if AGGREGATES.contains(&name.as_str()) && !counts_rows && !has_column(&function.args) {
        let rule = "polars takes a constant for one row; count(*) counts the rows, and can be multiplied";
        return ControlFlow::Break(format!("{function}: {rule}"));
    }
    let spec = match &function.over {
        None => return ControlFlow::Continue(()),
        Some(WindowType::NamedWindow(window)) => {
            return ControlFlow::Break(format!("{function}: write the window {window} out, OVER (...)"));
        }
        Some(WindowType::WindowSpec(spec)) => spec,
    };
    if name == "array_agg" {
        return ControlFlow::Break(format!(
            "{function}: polars gathers all rows here, whatever OVER says; use GROUP BY"
        ));
    }
    // Without an order, polars gives the last value row by row all the same, and leaves out what a frame says.
    if spec.order_by.is_empty() && (name == "last_value" || spec.window_frame.is_some()) {
        let rule = "say in which order its rows are, as in OVER (ORDER BY tick ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)";
        return ControlFlow::Break(format!("{function}: {rule}"));
    }
    let by_rows = spec.window_frame.as_ref().is_some_and(|frame| frame.units == WindowFrameUnits::Rows);
    if spec.order_by.is_empty() || ORDERED.contains(&name.as_str()) || (by_rows && RUNNING.contains(&name.as_str())) {
        return ControlFlow::Continue(());
    }
    let rule = if RUNNING.contains(&name.as_str()) {
        "polars goes row by row, also where ORDER BY has equals; say so, as in \
         OVER (ORDER BY tick ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    } else {
        "polars leaves the ORDER BY of this function's window out; sum and count, row by row, can be divided"
    };
    ControlFlow::Break(format!("{function}: {rule}"))
}

fn is_literal(arguments: &FunctionArguments) -> bool {
    let FunctionArguments::List(list) = arguments else { return false };
    matches!(&list.args[..], [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(_)))])
}

/// Whether any of these is made of columns, or stands for whole rows.
fn has_column(arguments: &FunctionArguments) -> bool {
    let FunctionArguments::List(list) = arguments else { return true };
    let stands_for_rows = |argument: &FunctionArg| {
        let FunctionArg::Unnamed(argument) = argument else { return false };
        matches!(argument, FunctionArgExpr::Wildcard | FunctionArgExpr::QualifiedWildcard(_))
    };
    list.args.iter().any(stands_for_rows) || visit_expressions(arguments, is_column).is_break()
}
