//! Values of one field for several rows at once.

use crate::{Column, Scalar, ScalarType};

/// The values of one field for several rows.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names are the types'")]
pub enum Values<'a> {
    Bool(&'a [bool]),
    I32(&'a [i32]),
    U32(&'a [u32]),
    I64(&'a [i64]),
    U64(&'a [u64]),
    F32(&'a [f32]),
    F64(&'a [f64]),
}

impl Values<'_> {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Values::Bool(values) => values.len(),
            Values::I32(values) => values.len(),
            Values::U32(values) => values.len(),
            Values::I64(values) => values.len(),
            Values::U64(values) => values.len(),
            Values::F32(values) => values.len(),
            Values::F64(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their type.
    pub fn scalar_type(&self) -> ScalarType {
        match self {
            Values::Bool(_) => ScalarType::Bool,
            Values::I32(_) => ScalarType::I32,
            Values::U32(_) => ScalarType::U32,
            Values::I64(_) => ScalarType::I64,
            Values::U64(_) => ScalarType::U64,
            Values::F32(_) => ScalarType::F32,
            Values::F64(_) => ScalarType::F64,
        }
    }

    pub(crate) fn get(&self, index: usize) -> Scalar {
        match self {
            Values::Bool(values) => Scalar::Bool(values[index]),
            Values::I32(values) => Scalar::I32(values[index]),
            Values::U32(values) => Scalar::U32(values[index]),
            Values::I64(values) => Scalar::I64(values[index]),
            Values::U64(values) => Scalar::U64(values[index]),
            Values::F32(values) => Scalar::F32(values[index]),
            Values::F64(values) => Scalar::F64(values[index]),
        }
    }

    #[inline(always)]
    pub(crate) fn are_finite(&self) -> bool {
        match self {
            Values::F32(values) => values.iter().fold(true, |all, value| all & value.is_finite()),
            Values::F64(values) => values.iter().fold(true, |all, value| all & value.is_finite()),
            _ => true,
        }
    }

    /// Appends them to a column of their width.
    #[inline(always)]
    pub(crate) fn append(&self, column: &mut Column) {
        match (self, column) {
            (Values::Bool(values), Column::W8(lanes)) => lanes.extend(values.iter().map(|&value| u8::from(value))),
            (Values::I32(values), Column::W32(lanes)) => lanes.extend(values.iter().map(|value| value.cast_unsigned())),
            (Values::U32(values), Column::W32(lanes)) => lanes.extend_from_slice(values),
            (Values::F32(values), Column::W32(lanes)) => lanes.extend(values.iter().map(|value| value.to_bits())),
            (Values::I64(values), Column::W64(lanes)) => lanes.extend(values.iter().map(|value| value.cast_unsigned())),
            (Values::U64(values), Column::W64(lanes)) => lanes.extend_from_slice(values),
            (Values::F64(values), Column::W64(lanes)) => lanes.extend(values.iter().map(|value| value.to_bits())),
            _ => unreachable!("the type was checked"),
        }
    }
}
