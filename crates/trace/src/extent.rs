//! How many bytes a record points to. What a record holds stands apart and in order, which validation proves; where its parts
//! have together as many bytes as it has, there is none between them that nothing points to.

use rkyv::option::ArchivedOption;
use rkyv::rend::unaligned::{f64_ule, u16_ule, u32_ule, u64_ule};
use rkyv::string::ArchivedString;
use rkyv::vec::ArchivedVec;

/// Strings of so many bytes or less stand where others have a pointer.
const IN_PLACE: usize = 8;

/// A part of a record.
pub(crate) trait Extent {
    /// Bytes of all that it leads to.
    fn behind(&self) -> usize;
}

/// Parts that lead nowhere.
macro_rules! plain {
    ($($part:ty),* $(,)?) => {
        $(impl Extent for $part {
            #[inline]
            fn behind(&self) -> usize {
                0
            }
        })*
    };
}

/// Structures, with the fields that lead elsewhere.
macro_rules! structures {
    ($($structure:ident { $($field:ident),* $(,)? })*) => {
        $(impl Extent for $structure {
            fn behind(&self) -> usize {
                0 $(+ self.$field.behind())*
            }
        })*
    };
}

pub(crate) use {plain, structures};

plain!(u8, bool, u16_ule, u32_ule, u64_ule, f64_ule);

impl Extent for ArchivedString {
    fn behind(&self) -> usize {
        if self.len() > IN_PLACE { self.len() } else { 0 }
    }
}

impl<T: Extent> Extent for ArchivedOption<T> {
    fn behind(&self) -> usize {
        self.as_ref().map_or(0, Extent::behind)
    }
}

impl<T: Extent> Extent for ArchivedVec<T> {
    fn behind(&self) -> usize {
        size_of_val(self.as_slice()) + self.iter().map(Extent::behind).sum::<usize>()
    }
}
