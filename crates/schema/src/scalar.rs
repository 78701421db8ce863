//! Scalar types and values. A value is its bits: two floats are the same when every bit of them is.

use std::cmp::Ordering;
use std::fmt;

/// Type of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ScalarType {
    /// False or true; 1 byte.
    Bool = 0,
    /// 32-bit signed integer.
    I32 = 1,
    /// 32-bit unsigned integer.
    U32 = 2,
    /// 64-bit signed integer.
    I64 = 3,
    /// 64-bit unsigned integer.
    U64 = 4,
    /// IEEE 754 binary32, finite.
    F32 = 5,
    /// IEEE 754 binary64, finite.
    F64 = 6,
    /// 8-bit unsigned integer; for columns that the schema defines, not for declared fields.
    U8 = 7,
    /// 16-bit unsigned integer; for columns that the schema defines, not for declared fields.
    U16 = 8,
}

impl ScalarType {
    /// The types a layout may declare a field with.
    pub const DECLARABLE: [ScalarType; 7] = [
        ScalarType::Bool,
        ScalarType::I32,
        ScalarType::U32,
        ScalarType::I64,
        ScalarType::U64,
        ScalarType::F32,
        ScalarType::F64,
    ];

    /// Name in layouts and reports.
    pub fn name(self) -> &'static str {
        match self {
            ScalarType::Bool => "bool",
            ScalarType::I32 => "i32",
            ScalarType::U32 => "u32",
            ScalarType::I64 => "i64",
            ScalarType::U64 => "u64",
            ScalarType::F32 => "f32",
            ScalarType::F64 => "f64",
            ScalarType::U8 => "u8",
            ScalarType::U16 => "u16",
        }
    }

    /// Bytes of one value in the canonical encoding.
    pub fn width(self) -> usize {
        match self {
            ScalarType::Bool | ScalarType::U8 => 1,
            ScalarType::U16 => 2,
            ScalarType::I32 | ScalarType::U32 | ScalarType::F32 => 4,
            ScalarType::I64 | ScalarType::U64 | ScalarType::F64 => 8,
        }
    }

    /// Whether `bits` is a value of this type: in range, and finite.
    pub fn admits(self, bits: u64) -> bool {
        match self {
            ScalarType::Bool => bits <= 1,
            ScalarType::U8 => bits <= u64::from(u8::MAX),
            ScalarType::U16 => bits <= u64::from(u16::MAX),
            ScalarType::I32 | ScalarType::U32 => bits <= u64::from(u32::MAX),
            ScalarType::F32 => u32::try_from(bits).is_ok_and(|bits| f32::from_bits(bits).is_finite()),
            ScalarType::I64 | ScalarType::U64 => true,
            ScalarType::F64 => f64::from_bits(bits).is_finite(),
        }
    }

    /// How two values of this type, given by their bits, are ordered. Of floats −0 is below +0.
    pub fn order(self, a: u64, b: u64) -> Ordering {
        match (Scalar::from_bits(self, a), Scalar::from_bits(self, b)) {
            (Scalar::I32(a), Scalar::I32(b)) => a.cmp(&b),
            (Scalar::I64(a), Scalar::I64(b)) => a.cmp(&b),
            (Scalar::F32(a), Scalar::F32(b)) => a.total_cmp(&b),
            (Scalar::F64(a), Scalar::F64(b)) => a.total_cmp(&b),
            _ => a.cmp(&b),
        }
    }
}

impl fmt::Display for ScalarType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One typed value. Equality is equality of bits, so `-0.0` and `0.0` differ.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the variants are the types documented at ScalarType")]
pub enum Scalar {
    Bool(bool),
    U8(u8),
    U16(u16),
    I32(i32),
    U32(u32),
    I64(i64),
    U64(u64),
    F32(f32),
    F64(f64),
}

impl Scalar {
    /// The value's type.
    pub fn scalar_type(self) -> ScalarType {
        match self {
            Scalar::Bool(_) => ScalarType::Bool,
            Scalar::U8(_) => ScalarType::U8,
            Scalar::U16(_) => ScalarType::U16,
            Scalar::I32(_) => ScalarType::I32,
            Scalar::U32(_) => ScalarType::U32,
            Scalar::I64(_) => ScalarType::I64,
            Scalar::U64(_) => ScalarType::U64,
            Scalar::F32(_) => ScalarType::F32,
            Scalar::F64(_) => ScalarType::F64,
        }
    }

    /// The value's bits, zero-extended from its own width.
    pub fn bits(self) -> u64 {
        match self {
            Scalar::Bool(v) => u64::from(v),
            Scalar::U8(v) => u64::from(v),
            Scalar::U16(v) => u64::from(v),
            Scalar::I32(v) => u64::from(v.cast_unsigned()),
            Scalar::U32(v) => u64::from(v),
            Scalar::I64(v) => v.cast_unsigned(),
            Scalar::U64(v) => v,
            Scalar::F32(v) => u64::from(v.to_bits()),
            Scalar::F64(v) => v.to_bits(),
        }
    }

    /// The value that [`Scalar::bits`] gave `bits` for. Bits above the type's width are ignored.
    #[expect(clippy::cast_possible_truncation, reason = "bits above the width are ignored by contract")]
    pub fn from_bits(scalar_type: ScalarType, bits: u64) -> Scalar {
        match scalar_type {
            ScalarType::Bool => Scalar::Bool(bits & 1 == 1),
            ScalarType::U8 => Scalar::U8(bits as u8),
            ScalarType::U16 => Scalar::U16(bits as u16),
            ScalarType::I32 => Scalar::I32((bits as u32).cast_signed()),
            ScalarType::U32 => Scalar::U32(bits as u32),
            ScalarType::I64 => Scalar::I64(bits.cast_signed()),
            ScalarType::U64 => Scalar::U64(bits),
            ScalarType::F32 => Scalar::F32(f32::from_bits(bits as u32)),
            ScalarType::F64 => Scalar::F64(f64::from_bits(bits)),
        }
    }

    /// Distance in units in the last place: how many floats of the type lie between the two values, plus one, with
    /// `-0.0` and `0.0` one apart. `None` unless both are floats of one type.
    pub fn ulp_distance(self, other: Scalar) -> Option<u64> {
        match (self, other) {
            (Scalar::F32(a), Scalar::F32(b)) => {
                Some(u64::from(ordered_f32(a.to_bits()).abs_diff(ordered_f32(b.to_bits()))))
            }
            (Scalar::F64(a), Scalar::F64(b)) => Some(ordered_f64(a.to_bits()).abs_diff(ordered_f64(b.to_bits()))),
            _ => None,
        }
    }

    /// `other - self`, as text exact for integers and in f64 for floats. `None` for booleans and unlike types.
    pub fn delta(self, other: Scalar) -> Option<String> {
        match (self, other) {
            (Scalar::F32(a), Scalar::F32(b)) => Some(format!("{:?}", f64::from(b) - f64::from(a))),
            (Scalar::F64(a), Scalar::F64(b)) => Some(format!("{:?}", b - a)),
            _ => Some((other.integer()? - self.integer()?).to_string()),
        }
    }

    /// The value as a wide integer; `None` for booleans and floats.
    pub fn integer(self) -> Option<i128> {
        match self {
            Scalar::U8(v) => Some(i128::from(v)),
            Scalar::U16(v) => Some(i128::from(v)),
            Scalar::I32(v) => Some(i128::from(v)),
            Scalar::U32(v) => Some(i128::from(v)),
            Scalar::I64(v) => Some(i128::from(v)),
            Scalar::U64(v) => Some(i128::from(v)),
            Scalar::Bool(_) | Scalar::F32(_) | Scalar::F64(_) => None,
        }
    }

    /// The bit pattern in hexadecimal, at the type's full width.
    pub fn bit_pattern(self) -> String {
        format!("0x{:0width$x}", self.bits(), width = self.scalar_type().width() * 2)
    }
}

/// Maps float bits to integers that are ordered as the floats are.
fn ordered_f32(bits: u32) -> u32 {
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// Maps float bits to integers that are ordered as the floats are.
fn ordered_f64(bits: u64) -> u64 {
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Scalar) -> bool {
        self.scalar_type() == other.scalar_type() && self.bits() == other.bits()
    }
}

impl Eq for Scalar {}

impl fmt::Display for Scalar {
    /// Floats print with the fewest digits that bring their bits back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Bool(v) => write!(f, "{v}"),
            Scalar::U8(v) => write!(f, "{v}"),
            Scalar::U16(v) => write!(f, "{v}"),
            Scalar::I32(v) => write!(f, "{v}"),
            Scalar::U32(v) => write!(f, "{v}"),
            Scalar::I64(v) => write!(f, "{v}"),
            Scalar::U64(v) => write!(f, "{v}"),
            Scalar::F32(v) => write!(f, "{v:?}"),
            Scalar::F64(v) => write!(f, "{v:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_round_trip_for_every_type() {
        for value in [
            Scalar::Bool(true),
            Scalar::U8(200),
            Scalar::U16(60_000),
            Scalar::I32(-5),
            Scalar::U32(u32::MAX),
            Scalar::I64(i64::MIN),
            Scalar::U64(u64::MAX),
            Scalar::F32(-0.0),
            Scalar::F64(1.0e-300),
        ] {
            let ty = value.scalar_type();
            assert_eq!(Scalar::from_bits(ty, value.bits()), value);
            assert!(ty.admits(value.bits()), "{ty}");
        }
    }

    #[test]
    fn zeros_of_other_sign_differ_by_one_ulp() {
        assert_ne!(Scalar::F32(0.0), Scalar::F32(-0.0));
        assert_eq!(Scalar::F32(0.0).ulp_distance(Scalar::F32(-0.0)), Some(1));
        assert_eq!(Scalar::F32(1.0).ulp_distance(Scalar::F32(1.0 + f32::EPSILON)), Some(1));
        assert_eq!(Scalar::F64(-1.0).ulp_distance(Scalar::F64(-1.0)), Some(0));
        assert_eq!(Scalar::F32(1.0).ulp_distance(Scalar::F64(1.0)), None);
    }

    #[test]
    fn not_finite_is_not_admitted() {
        assert!(!ScalarType::F32.admits(u64::from(f32::NAN.to_bits())));
        assert!(!ScalarType::F64.admits(f64::INFINITY.to_bits()));
        assert!(!ScalarType::Bool.admits(2));
        assert!(!ScalarType::U16.admits(65_536));
    }

    #[test]
    fn delta_is_exact_for_integers() {
        assert_eq!(Scalar::U64(u64::MAX).delta(Scalar::U64(0)).as_deref(), Some("-18446744073709551615"));
        assert_eq!(Scalar::F32(1.0).delta(Scalar::F32(1.5)).as_deref(), Some("0.5"));
        assert_eq!(Scalar::Bool(true).delta(Scalar::Bool(false)), None);
    }
}
