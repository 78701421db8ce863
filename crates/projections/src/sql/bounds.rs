//! What a filter asks of the fields of entities, so that blocks are passed over in which no row can have it.

use std::cmp::Ordering;

use cdt_schema::{Scalar, TableKind};
use polars::prelude::{DataType, LiteralValue, Operator};
use polars_plan::plans::{AExpr, DynLiteralValue};
use polars_plan::prelude::{Arena, Node};

use super::view::{Origin, View};

/// Integers up to this are floats of 64 bits too.
const EXACT: u128 = 1 << 53;

/// A comparison that every row which a filter lets through meets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bound {
    /// Of which of the fields of the view's table.
    pub(super) field: usize,
    /// How the field's value compares with the number.
    op: Operator,
    number: Number,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Number {
    Integer(i128),
    Float(f64),
}

/// The bounds that a filter over a view has, as far as it says so in ways that are known here.
pub(super) fn bounds(filter: Node, arena: &Arena<AExpr>, view: &View, kind: TableKind) -> Vec<Bound> {
    if !matches!(kind, TableKind::Entities(_)) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut stack = vec![filter];
    while let Some(node) = stack.pop() {
        match arena.get(node) {
            AExpr::BinaryExpr { left, op: Operator::And | Operator::LogicalAnd, right } => {
                stack.extend([*left, *right])
            }
            AExpr::BinaryExpr { left, op, right } => found.extend(bound(*left, *op, *right, arena, view)),
            _ => {}
        }
    }
    found
}

fn bound(left: Node, op: Operator, right: Node, arena: &Arena<AExpr>, view: &View) -> Option<Bound> {
    let (column, op, number) = match (number(left, arena), number(right, arena)) {
        (None, Some(number)) => (left, op, number),
        (Some(number), None) => (right, op.swap_operands()?, number),
        _ => return None,
    };
    let (field, is_float) = field(column, arena, view)?;
    let number = match number {
        Number::Integer(number) if is_float => {
            #[expect(clippy::cast_precision_loss, reason = "it is checked that there is none")]
            let float = number as f64;
            Number::Float(Some(float).filter(|_| number.unsigned_abs() <= EXACT)?)
        }
        Number::Float(float) if !is_float || !float.is_finite() => return None,
        number => number,
    };
    matches!(op, Operator::Eq | Operator::EqValidity | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)
        .then_some(Bound { field, op, number })
}

/// The field that a node is, as it is or in a type that holds all of its values, and whether it is a float.
fn field(node: Node, arena: &Arena<AExpr>, view: &View) -> Option<(usize, bool)> {
    match arena.get(node) {
        AExpr::Column(name) => {
            let column = view.columns.iter().find(|column| column.name == *name)?;
            let Origin::Scalars(number, _) = column.origin else { return None };
            let field = number.checked_sub(cdt_schema::columns::entities::FIRST_FIELD)?;
            let is_float = column.data_type.is_float();
            (is_float || column.data_type.is_integer()).then_some((field, is_float))
        }
        AExpr::Cast { expr, dtype, .. } => {
            let (field, is_float) = field(*expr, arena, view)?;
            let holds_all = match dtype {
                DataType::Float64 => is_float,
                DataType::Int128 => !is_float,
                _ => false,
            };
            holds_all.then_some((field, is_float))
        }
        _ => None,
    }
}

fn number(node: Node, arena: &Arena<AExpr>) -> Option<Number> {
    match arena.get(node) {
        AExpr::Literal(LiteralValue::Scalar(scalar)) if scalar.dtype().is_integer() => {
            scalar.value().extract().map(Number::Integer)
        }
        AExpr::Literal(LiteralValue::Scalar(scalar)) if scalar.dtype().is_float() => {
            scalar.value().extract().map(Number::Float)
        }
        AExpr::Literal(LiteralValue::Dyn(DynLiteralValue::Int(number))) => Some(Number::Integer(*number)),
        AExpr::Literal(LiteralValue::Dyn(DynLiteralValue::Float(number))) => Some(Number::Float(*number)),
        _ => None,
    }
}

impl Bound {
    /// Whether a value from the lowest to the highest one may meet it.
    pub(super) fn may_be_met(&self, low: Scalar, high: Scalar) -> bool {
        let (least, most) = around(self.number, low);
        let low_is = |wanted: fn(Ordering) -> bool| compare(low, most).is_none_or(wanted);
        let high_is = |wanted: fn(Ordering) -> bool| compare(high, least).is_none_or(wanted);
        match self.op {
            Operator::Lt => low_is(Ordering::is_lt),
            Operator::LtEq => low_is(Ordering::is_le),
            Operator::Gt => high_is(Ordering::is_gt),
            Operator::GtEq => high_is(Ordering::is_ge),
            _ => low_is(Ordering::is_le) && high_is(Ordering::is_ge),
        }
    }
}

/// How a value compares with a number of its sort; `None` with one of another.
fn compare(value: Scalar, number: Number) -> Option<Ordering> {
    let integer: i128 = match (value, number) {
        (Scalar::F32(value), Number::Float(number)) => return f64::from(value).partial_cmp(&number),
        (Scalar::F64(value), Number::Float(number)) => return value.partial_cmp(&number),
        (Scalar::I32(value), _) => value.into(),
        (Scalar::U32(value), _) => value.into(),
        (Scalar::I64(value), _) => value.into(),
        (Scalar::U64(value), _) => value.into(),
        _ => return None,
    };
    let Number::Integer(number) = number else { return None };
    Some(integer.cmp(&number))
}

/// A number, and what it is where it is compared with floats of 32 bits as one of them, in order.
fn around(number: Number, with: Scalar) -> (Number, Number) {
    let (Number::Float(float), Scalar::F32(_)) = (number, with) else { return (number, number) };
    #[expect(clippy::cast_possible_truncation, reason = "that is what polars compares with")]
    let rounded = f64::from(float as f32);
    (Number::Float(float.min(rounded)), Number::Float(float.max(rounded)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_passed_over_only_where_no_value_of_its_range_will_do() {
        let met = |op, number, low, high| Bound { field: 0, op, number }.may_be_met(low, high);
        let integers = |op, number| met(op, Number::Integer(number), Scalar::I64(-5), Scalar::I64(5));
        let ops = [Operator::Lt, Operator::LtEq, Operator::Eq, Operator::GtEq, Operator::Gt];
        for (number, expected) in [
            (-6, [false, false, false, true, true]),
            (-5, [false, true, true, true, true]),
            (0, [true, true, true, true, true]),
            (5, [true, true, true, true, false]),
            (6, [true, true, false, false, false]),
        ] {
            assert_eq!(ops.map(|op| integers(op, number)), expected, "{number}");
        }
        // In 32 bits 0.1 is a little more than in 64, and the same number to whoever compares in 32 bits.
        let rounded = |op, value: f32| met(op, Number::Float(0.1), Scalar::F32(value), Scalar::F32(value));
        assert!(rounded(Operator::LtEq, 0.1) && rounded(Operator::Eq, 0.1) && rounded(Operator::GtEq, 0.1));
        assert!(!rounded(Operator::Eq, 0.2) && !rounded(Operator::Lt, 0.2) && rounded(Operator::Gt, 0.2));
        let zeros = |op| met(op, Number::Float(0.0), Scalar::F64(-0.0), Scalar::F64(-0.0));
        assert_eq!(ops.map(zeros), [false, true, true, true, false]);
        // Of what is not known, nothing is passed over.
        assert!(met(Operator::Lt, Number::Integer(-9), Scalar::F64(0.0), Scalar::F64(1.0)));
    }
}
