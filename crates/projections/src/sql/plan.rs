//! What a query needs of each table: which columns, and between which ticks. Polars' optimizer tells, from the same query
//! over tables that are only described.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use cdt_schema::{Layout, Tick};
use polars::prelude::{
    AnonymousScan, AnonymousScanArgs, DataFrame, DataType, LazyFrame, LiteralValue, Operator, PolarsError,
    PolarsResult, ScanArgsAnonymous, SchemaRef,
};
use polars_plan::dsl::FileScanIR;
use polars_plan::plans::{
    AExpr, ArenaExprIter, DynLiteralValue, IR, IRAggExpr, IRFunctionExpr, IRPlan, ToFieldContext,
};
use polars_plan::prelude::{Arena, Node};
use polars_plan::utils::aexpr_to_leaf_names_iter;

use super::bounds::{Bound, bounds};
use super::view::View;
use crate::Window;

/// What a query needs of a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Need {
    /// For each column whether it is needed.
    pub columns: Vec<bool>,
    /// Ticks outside of it cannot matter.
    pub window: Window,
    /// Nor can rows that do not meet all of these.
    pub bounds: Vec<Bound>,
}

/// A table that is described and never read.
struct Described {
    view: usize,
    schema: SchemaRef,
}

impl AnonymousScan for Described {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn scan(&self, _: AnonymousScanArgs) -> PolarsResult<DataFrame> {
        Ok(DataFrame::empty_with_schema(&self.schema))
    }

    fn allows_predicate_pushdown(&self) -> bool {
        true
    }

    fn allows_projection_pushdown(&self) -> bool {
        true
    }
}

/// The table of a view, for planning.
pub(super) fn described(index: usize, view: &View) -> PolarsResult<LazyFrame> {
    let schema = view.schema();
    let scan = Described { view: index, schema: schema.clone() };
    let options = ScanArgsAnonymous { schema: Some(schema), name: "trace", ..ScanArgsAnonymous::default() };
    LazyFrame::anonymous_scan(Arc::new(scan), options)
}

/// What a query over described tables needs of each, by view. A table that it reads several times is needed as far as any
/// of the readings needs it; of a table that is not named here it needs nothing.
pub(super) fn needs(plan: &IRPlan, views: &[View], layout: &Layout) -> BTreeMap<usize, Need> {
    let mut needs: BTreeMap<usize, Need> = BTreeMap::new();
    let mut stack = vec![plan.lp_top];
    while let Some(node) = stack.pop() {
        let ir = plan.lp_arena.get(node);
        stack.extend(ir.inputs());
        let IR::Scan { scan_type, predicate, output_schema, unified_scan_args, .. } = ir else { continue };
        let FileScanIR::Anonymous { function, .. } = &**scan_type else { continue };
        let Some(described) = function.as_any().downcast_ref::<Described>() else { continue };
        let view = &views[described.view];
        let predicate = predicate.as_ref().map(|predicate| predicate.node());
        let mut columns: Vec<bool> = match output_schema {
            Some(schema) => view.columns.iter().map(|column| schema.contains(&column.name)).collect(),
            None => vec![true; view.columns.len()],
        };
        for name in predicate.iter().flat_map(|&node| aexpr_to_leaf_names_iter(node, &plan.expr_arena)) {
            let index = view.columns.iter().position(|column| column.name == *name);
            columns[index.expect("the optimizer knows the table's columns")] = true;
        }
        // A filter behind a LIMIT sees only the rows that the limit lets through, and those come first.
        let filter = predicate.filter(|_| unified_scan_args.pre_slice.is_none());
        let window = filter.map_or(Window::ALL, |node| ticks(node, &plan.expr_arena));
        let kind = layout.tables()[view.table.0].kind;
        let bounds = filter.map_or_else(Vec::new, |node| bounds(node, &plan.expr_arena, view, kind));
        let need = Need { columns, window, bounds };
        match needs.get_mut(&described.view) {
            Some(other) => other.join(&need),
            None => drop(needs.insert(described.view, need)),
        }
    }
    needs
}

/// Refuses arithmetic whose result may be past its type: polars wraps it around without a word. Sums, differences and
/// products of columns have room; those of what polars counts, or of what the query itself casts to another type, have not.
///
/// # Errors
/// What is calculated in which type.
pub(super) fn check_arithmetic(plan: &IRPlan) -> PolarsResult<()> {
    let mut stack = vec![plan.lp_top];
    while let Some(node) = stack.pop() {
        let ir = plan.lp_arena.get(node);
        stack.extend(ir.inputs());
        let mut schemas = vec![ir.schema(&plan.lp_arena).into_owned()];
        schemas.extend(ir.inputs().map(|input| plan.lp_arena.get(input).schema(&plan.lp_arena).into_owned()));
        for (at, expr) in ir.exprs().flat_map(|expr| plan.expr_arena.iter(expr.node())) {
            let Some(what) = arithmetic(expr, &plan.expr_arena) else { continue };
            // Of what is true or not polars takes the sum as a count.
            let at = if let AExpr::Agg(IRAggExpr::Sum(input)) = expr { *input } else { at };
            let type_in =
                |schema| plan.expr_arena.get(at).to_dtype(&ToFieldContext::new(&plan.expr_arena, schema)).ok();
            let is_small = |data_type: &DataType| is_small(data_type, what);
            if let Some(small) = schemas.iter().filter_map(|schema| type_in(schema)).find(is_small) {
                let what = what.describe();
                let rule = format!("{what} in {small} may be past it, and would be wrong without a word");
                let message = format!("{rule}; cast what goes in, as in CAST(x AS BIGINT) or AS HUGEINT");
                return Err(PolarsError::ComputeError(message.into()));
            }
        }
    }
    Ok(())
}

/// What may be past the type that it is calculated in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Arithmetic {
    Addition,
    Subtraction,
    Multiplication,
    SumOfRows,
    Power,
}

impl Arithmetic {
    fn describe(self) -> &'static str {
        match self {
            Arithmetic::Addition => "a sum",
            Arithmetic::Subtraction => "a difference",
            Arithmetic::Multiplication => "a product",
            Arithmetic::SumOfRows => "a sum of rows",
            Arithmetic::Power => "a power",
        }
    }
}

fn arithmetic(expr: &AExpr, arena: &Arena<AExpr>) -> Option<Arithmetic> {
    match expr {
        // So polars writes `row_number()`: it has no more rows than that.
        AExpr::BinaryExpr { op: Operator::Plus, left, .. } if is_range(arena.get(*left)) => None,
        AExpr::BinaryExpr { op: Operator::Plus, .. } => Some(Arithmetic::Addition),
        // So polars writes `count(DISTINCT x)`: values without null.
        AExpr::BinaryExpr { op: Operator::Minus, left, .. } if is_distinct_count(arena.get(*left)) => None,
        AExpr::BinaryExpr { op: Operator::Minus, .. } => Some(Arithmetic::Subtraction),
        AExpr::BinaryExpr { op: Operator::Multiply, .. } => Some(Arithmetic::Multiplication),
        AExpr::Agg(IRAggExpr::Sum(_)) | AExpr::Function { function: IRFunctionExpr::CumSum { .. }, .. } => {
            Some(Arithmetic::SumOfRows)
        }
        AExpr::Function { function: IRFunctionExpr::Pow(_), .. } => Some(Arithmetic::Power),
        _ => None,
    }
}

fn is_range(expr: &AExpr) -> bool {
    matches!(expr, AExpr::Function { function: IRFunctionExpr::Range(_), .. })
}

fn is_distinct_count(expr: &AExpr) -> bool {
    matches!(expr, AExpr::Agg(IRAggExpr::NUnique(_)))
}

fn is_small(data_type: &DataType, operation: Arithmetic) -> bool {
    match data_type {
        DataType::Int64 | DataType::Int128 => false,
        // Only what is below 0 is past it, but for numbers that no trace has.
        DataType::UInt128 => operation == Arithmetic::Subtraction,
        other => other.is_integer(),
    }
}

impl Need {
    fn join(&mut self, other: &Need) {
        self.columns.iter_mut().zip(&other.columns).for_each(|(mine, theirs)| *mine |= theirs);
        self.window = Window {
            start: self.window.start.min(other.window.start),
            end: self.window.end.zip(other.window.end).map(|(a, b)| a.max(b)),
        };
        self.bounds.retain(|bound| other.bounds.contains(bound));
    }
}

/// The ticks that a filter can let through, as far as it says so in ways that are known here; else all.
fn ticks(filter: Node, arena: &Arena<AExpr>) -> Window {
    let AExpr::BinaryExpr { left, op, right } = arena.get(filter) else { return Window::ALL };
    if matches!(op, Operator::And | Operator::LogicalAnd) {
        return ticks(*left, arena).intersection(ticks(*right, arena));
    }
    let (op, number) = match (is_tick(*left, arena), is_tick(*right, arena)) {
        (true, false) => (Some(*op), number(*right, arena)),
        (false, true) => (op.swap_operands(), number(*left, arena)),
        _ => return Window::ALL,
    };
    let (Some(op), Some(number)) = (op, number) else { return Window::ALL };
    // A bound that is no tick bounds nothing here; the filter itself is applied to every row all the same.
    let Ok(at) = u32::try_from(number) else { return Window::ALL };
    let (from, upto) = (Tick(at), Tick(at).next());
    match op {
        Operator::Eq | Operator::EqValidity => Window { start: from, end: upto },
        Operator::Lt => Window { start: Tick(0), end: Some(from) },
        Operator::LtEq => Window { start: Tick(0), end: upto },
        Operator::Gt => upto.map_or(Window::ALL, |start| Window { start, end: None }),
        Operator::GtEq => Window { start: from, end: None },
        _ => Window::ALL,
    }
}

fn is_tick(node: Node, arena: &Arena<AExpr>) -> bool {
    match arena.get(node) {
        AExpr::Column(name) => name.as_str() == "tick",
        // Types that hold every tick change no comparison.
        AExpr::Cast { expr, dtype, .. } => {
            matches!(dtype, DataType::UInt32 | DataType::Int64 | DataType::UInt64 | DataType::Int128)
                && is_tick(*expr, arena)
        }
        _ => false,
    }
}

fn number(node: Node, arena: &Arena<AExpr>) -> Option<i128> {
    match arena.get(node) {
        AExpr::Literal(LiteralValue::Scalar(scalar)) if scalar.dtype().is_integer() => scalar.value().extract(),
        AExpr::Literal(LiteralValue::Dyn(DynLiteralValue::Int(number))) => Some(*number),
        _ => None,
    }
}
