//! Which rows of one sequence answer which rows of another, by edit distance.

use std::hash::Hash;

use similar::{Algorithm, DiffOp, capture_diff_slices};

/// Sequences whose lengths multiply to more than this, after what they share at both ends, are paired by position: an edit
/// distance would take longer than anybody waits.
const MOST_PAIRS: usize = 1 << 27;

/// One step of an alignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aligned {
    /// The two are the same.
    Same(usize, usize),
    /// One stands in the other's place.
    Other(usize, usize),
    /// Only the reference has it.
    Missing(usize),
    /// Only the candidate has it.
    Extra(usize),
}

/// Aligns a candidate's sequence with its reference's.
pub(crate) fn align<K: Hash + Ord>(reference: &[K], candidate: &[K]) -> Vec<Aligned> {
    let start = reference.iter().zip(candidate).take_while(|(a, b)| a == b).count();
    let (a, b) = (&reference[start..], &candidate[start..]);
    let end = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[..a.len() - end], &b[..b.len() - end]);
    let mut steps: Vec<Aligned> = (0..start).map(|at| Aligned::Same(at, at)).collect();
    if a.len().saturating_mul(b.len()) > MOST_PAIRS {
        in_place(start, a.len(), start, b.len(), &mut steps);
    } else {
        for op in capture_diff_slices(Algorithm::Myers, a, b) {
            match op {
                DiffOp::Equal { old_index, new_index, len } => {
                    steps.extend((0..len).map(|at| Aligned::Same(start + old_index + at, start + new_index + at)));
                }
                DiffOp::Delete { old_index, old_len, new_index } => {
                    in_place(start + old_index, old_len, start + new_index, 0, &mut steps);
                }
                DiffOp::Insert { old_index, new_index, new_len } => {
                    in_place(start + old_index, 0, start + new_index, new_len, &mut steps);
                }
                DiffOp::Replace { old_index, old_len, new_index, new_len } => {
                    in_place(start + old_index, old_len, start + new_index, new_len, &mut steps);
                }
            }
        }
    }
    let (x, y) = (reference.len() - end, candidate.len() - end);
    steps.extend((0..end).map(|at| Aligned::Same(x + at, y + at)));
    steps
}

/// Pairs what stands in each other's place, as far as the shorter goes.
fn in_place(a: usize, a_len: usize, b: usize, b_len: usize, steps: &mut Vec<Aligned>) {
    let both = a_len.min(b_len);
    steps.extend((0..both).map(|at| Aligned::Other(a + at, b + at)));
    steps.extend((both..a_len).map(|at| Aligned::Missing(a + at)));
    steps.extend((both..b_len).map(|at| Aligned::Extra(b + at)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reference: &str, candidate: &str, expected: &str) {
        let (a, b): (Vec<char>, Vec<char>) = (reference.chars().collect(), candidate.chars().collect());
        let steps = align(&a, &b);
        let text: String = steps
            .iter()
            .map(|step| match *step {
                Aligned::Same(x, y) => {
                    assert_eq!(a[x], b[y]);
                    format!("{} ", a[x])
                }
                Aligned::Other(x, y) => format!("{}>{} ", a[x], b[y]),
                Aligned::Missing(x) => format!("-{} ", a[x]),
                Aligned::Extra(y) => format!("+{} ", b[y]),
            })
            .collect();
        assert_eq!(text.trim_end(), expected);
        let of = |side: fn(&Aligned) -> Option<usize>| steps.iter().filter_map(side).collect::<Vec<_>>();
        let left = of(|step| match *step {
            Aligned::Same(x, _) | Aligned::Other(x, _) | Aligned::Missing(x) => Some(x),
            Aligned::Extra(_) => None,
        });
        let right = of(|step| match *step {
            Aligned::Same(_, y) | Aligned::Other(_, y) | Aligned::Extra(y) => Some(y),
            Aligned::Missing(_) => None,
        });
        assert_eq!((left, right), ((0..a.len()).collect(), (0..b.len()).collect()), "every row once, in order");
    }

    #[test]
    fn rows_are_paired_by_the_least_edits() {
        check("", "", "");
        check("abc", "abc", "a b c");
        check("abcd", "ab", "a b -c -d");
        check("ab", "xab", "+x a b");
        check("abcd", "abxcd", "a b +x c d");
        check("abcd", "axcd", "a b>x c d");
        check("", "ab", "+a +b");
        check("abc", "xyz", "a>x b>y c>z");
    }

    #[test]
    fn very_long_sequences_are_paired_by_position() {
        let a: Vec<u32> = (0..20_000).collect();
        let b: Vec<u32> = (0..20_000).map(|n| if n == 0 || n == 19_999 { n } else { n + 50_000 }).collect();
        let steps = align(&a, &b);
        assert_eq!(steps.len(), 20_000);
        assert_eq!(
            (steps[0], steps[7], steps[19_999]),
            (Aligned::Same(0, 0), Aligned::Other(7, 7), Aligned::Same(19_999, 19_999))
        );
    }
}
