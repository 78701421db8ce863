//! Queries that polars 0.55 answers with other rows than SQL asks for, without a word. They are refused, each with a way to
//! ask that is answered rightly.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Distinct, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Join,
    JoinConstraint, JoinOperator, ObjectNamePart, OrderByKind, Query, Select, SelectItem, SetExpr, Value,
    WindowFrameUnits, WindowType, visit_expressions,
};

/// Functions that take the values of rows together.
const AGGREGATES: [&str; 21] = [
    "array_agg",
    "avg",
    "corr",
    "count",
    "covar",
    "covar_samp",
    "first",
    "last",
    "max",
    "mean",
    "median",
    "min",
    "quantile_cont",
    "quantile_disc",
    "std",
    "stddev",
    "stddev_samp",
    "string_agg",
    "sum",
    "var",
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
        // What has no `=` is a join of another sort to polars, which is not built in.
        if let JoinOperator::Join(JoinConstraint::On(on)) | JoinOperator::Inner(JoinConstraint::On(on)) =
            &join.join_operator
            && !has_equality(on)
        {
            let rule = "ON takes at least one `=`, joined with the rest by AND";
            return ControlFlow::Break(format!("{join}: {rule}; for all pairs, CROSS JOIN and WHERE"));
        }
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

/// Whether a condition has `=` in it, joined with the rest by AND.
fn has_equality(on: &Expr) -> bool {
    match on {
        Expr::Nested(on) => has_equality(on),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => has_equality(left) || has_equality(right),
        Expr::BinaryOp { op, .. } => *op == BinaryOperator::Eq,
        _ => false,
    }
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
/// for every row.
pub(super) fn grouping(select: &Select) -> ControlFlow<String> {
    let items = || select.projection.iter();
    if has_keys(select) {
        let is_window = |function: &Function| function.over.is_some();
        return match items().find(|item| calls(item, is_window).is_some()) {
            None => ControlFlow::Continue(()),
            Some(item) => ControlFlow::Break(format!("{item}: group in a subquery, and take the window over its rows")),
        };
    }
    let is_aggregate = |function: &Function| {
        function.over.is_none() && name_of(function).is_some_and(|name| AGGREGATES.contains(&name.as_str()))
    };
    let Some(aggregate) = items().find_map(|item| calls(item, is_aggregate)) else { return ControlFlow::Continue(()) };
    let is_of_rows = |item: &&SelectItem| {
        let is_wildcard = matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
        is_wildcard || (calls(item, is_aggregate).is_none() && visit_expressions(*item, is_column).is_break())
    };
    match items().find(is_of_rows) {
        None => ControlFlow::Continue(()),
        Some(item) => {
            ControlFlow::Break(format!("{item} beside {aggregate}: say of which rows, with GROUP BY or OVER ()"))
        }
    }
}

/// The first such call in an item.
fn calls(item: &SelectItem, is_such: impl Fn(&Function) -> bool) -> Option<String> {
    let found = visit_expressions(item, |expr: &Expr| match expr {
        Expr::Function(function) if is_such(function) => ControlFlow::Break(function.to_string()),
        _ => ControlFlow::Continue(()),
    });
    found.break_value()
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
    let name = match by {
        Expr::Value(value) => return matches!(value.value, Value::Number(..)),
        Expr::Identifier(name) => name,
        Expr::CompoundIdentifier(words) => words.last().expect("it has words"),
        _ => return false,
    };
    select.projection.iter().any(|item| match item {
        SelectItem::UnnamedExpr(Expr::Identifier(column)) => column.value == name.value,
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(words)) => {
            words.last().is_some_and(|column| column.value == name.value)
        }
        SelectItem::ExprWithAlias { alias, .. } => alias.value == name.value,
        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => true,
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
