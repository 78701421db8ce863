//! Which anchors of two runs match: in their order, as many as can be, and of the ways to match so many one that leaves the
//! ticks in the fewest stretches.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;

use cdt_trace::Watch;

use crate::Error;

/// Pairs of anchors with the same key that are weighed against each other at a time, in about 100 MB. Inputs that are pressed
/// and let go again and again have as many as the product of both runs' anchors.
const MOST_PAIRS: u64 = 1 << 21;
/// Anchors of either run that are looked at at a time.
const MOST_ANCHORS: usize = 1 << 20;
/// Anchors that are compared to find one offset for all of two runs.
const MOST_COMPARED: usize = 1 << 28;
/// Anchors between two looks at the stop flag.
const ANCHORS_PER_LOOK: usize = 1024;

/// A tick that something tells apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchor {
    /// How many ticks of its run are before it.
    pub(crate) ordinal: u64,
    /// What it is told apart by.
    pub(crate) key: u64,
}

/// What matching gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Matches {
    /// Places in the lists of both runs, ascending.
    pub(crate) pairs: Vec<(usize, usize)>,
    /// Whether they were too many to be weighed all at once. Then more may have matched, and in fewer stretches.
    pub(crate) in_parts: bool,
}

/// Which anchors of `a` match which of `b`, both ascending.
///
/// # Errors
/// The work was stopped.
pub(crate) fn matches(a: &[Anchor], b: &[Anchor], watch: &dyn Watch) -> Result<Matches, Error> {
    matches_within((MOST_PAIRS, MOST_ANCHORS), a, b, watch)
}

fn matches_within(
    (most_pairs, most_anchors): (u64, usize),
    a: &[Anchor],
    b: &[Anchor],
    watch: &dyn Watch,
) -> Result<Matches, Error> {
    let longest = a.len().max(b.len());
    let is_few = |size: usize, a: &[Anchor], b: &[Anchor]| size <= most_anchors && same_keys(a, b) <= most_pairs;
    if is_few(longest, a, b) {
        return Ok(Matches { pairs: chain(a, b, None, watch)?, in_parts: false });
    }
    if let Some(pairs) = at_one_offset(a, b) {
        return Ok(Matches { pairs, in_parts: false });
    }
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    let (mut x, mut y, mut size) = (0, 0, most_anchors.min(longest));
    while x < a.len() && y < b.len() {
        watch.progress(x as u64, Some(a.len() as u64));
        let (rest_a, rest_b) = (&a[x..], &b[y..]);
        let near = |size: usize| (&rest_a[..size.min(rest_a.len())], &rest_b[..size.min(rest_b.len())]);
        while size > 1 && !is_few(size, near(size).0, near(size).1) {
            size = size.div_ceil(2);
        }
        let (near_a, near_b) = near(size);
        let last = pairs.last().map(|&(i, j): &(usize, usize)| offset(&a[i], &b[j]));
        let found = chain(near_a, near_b, last, watch)?;
        // What the end of a part matches best is not known before the next.
        let is_all = (near_a.len(), near_b.len()) == (rest_a.len(), rest_b.len());
        let kept = if is_all { found.len() } else { found.len().div_ceil(2) };
        pairs.extend(found[..kept].iter().map(|(i, j)| (x + i, y + j)));
        (x, y) = match found[..kept].last() {
            _ if is_all => break,
            Some((i, j)) => (x + i + 1, y + j + 1),
            // Nothing in this part matches: go on where something does.
            None => match nearest(rest_a, rest_b) {
                Some((i, j)) => (x + i, y + j),
                None => break,
            },
        };
        size = size.saturating_mul(2).min(most_anchors);
    }
    Ok(Matches { pairs, in_parts: true })
}

/// All anchors of two runs that overlap at one offset, if they match there and are at least half of either run's. One of the two
/// runs' first anchors is among them.
fn at_one_offset(a: &[Anchor], b: &[Anchor]) -> Option<Vec<(usize, usize)>> {
    let (first_a, first_b) = (a.first()?, b.first()?);
    let of_a = a.iter().filter(|anchor| anchor.key == first_b.key).map(|anchor| offset(anchor, first_b));
    let of_b = b.iter().filter(|anchor| anchor.key == first_a.key).map(|anchor| offset(first_a, anchor));
    let mut offsets: Vec<i64> = of_a.chain(of_b).collect();
    offsets.sort_unstable_by_key(|offset| offset.unsigned_abs());
    let mut compared = 0;
    for wanted in offsets {
        let i = a.partition_point(|anchor| offset(anchor, first_b) > wanted);
        let j = b.partition_point(|anchor| a.get(i).is_some_and(|first| offset(first, anchor) < wanted));
        let both = (a.len() - i).min(b.len() - j);
        let same = |(a, b): &(&Anchor, &Anchor)| a.key == b.key && offset(a, b) == wanted;
        let matching = a[i..].iter().zip(&b[j..]).take_while(same).count();
        if matching == both && both * 2 >= a.len().min(b.len()) {
            return Some((i..i + both).zip(j..j + both).collect());
        }
        compared += matching + 1;
        if compared > MOST_COMPARED {
            break;
        }
    }
    None
}

/// How many ticks later than in `a` it is in `b`.
fn offset(a: &Anchor, b: &Anchor) -> i64 {
    b.ordinal.cast_signed() - a.ordinal.cast_signed()
}

/// Anchors by their keys: the key and the place of each, in order.
struct ByKey(Vec<(u64, u32)>);

impl ByKey {
    fn new(anchors: &[Anchor]) -> ByKey {
        let mut all: Vec<(u64, u32)> = anchors.iter().zip(0..).map(|(anchor, at)| (anchor.key, at)).collect();
        all.sort_unstable();
        ByKey(all)
    }

    /// Those with a key, in order.
    fn of(&self, key: u64) -> Range<usize> {
        let start = self.0.partition_point(|(other, _)| *other < key);
        start..start + self.0[start..].partition_point(|(other, _)| *other == key)
    }

    /// Those of each key.
    fn keys(&self) -> impl Iterator<Item = Range<usize>> {
        let mut end = 0;
        self.0.chunk_by(|a, b| a.0 == b.0).map(move |chunk| {
            end += chunk.len();
            end - chunk.len()..end
        })
    }
}

/// How many pairs have the same key.
fn same_keys(a: &[Anchor], b: &[Anchor]) -> u64 {
    let (of_a, of_b) = (ByKey::new(a), ByKey::new(b));
    of_a.keys().map(|places| places.len() as u64 * of_b.of(of_a.0[places.start].0).len() as u64).sum()
}

/// What a chain of matches is worth; more is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Worth {
    matches: u32,
    stretches: Reverse<u32>,
    /// By how much the offsets change, in ticks. The best prefix is kept whatever the offset after it, so it decides between
    /// many chains, not between all.
    shifts: Reverse<u64>,
}

/// Two anchors with the same key, and the best chain that ends with them.
#[derive(Clone, Copy, Debug)]
struct Link {
    a: u32,
    b: u32,
    worth: Worth,
    before: Option<u32>,
}

/// The best chain of anchors with the same keys. A chain goes on in the stretch of the link before, or begins another. `last`
/// is the offset of the stretch that is to be gone on with.
fn chain(a: &[Anchor], b: &[Anchor], last: Option<i64>, watch: &dyn Watch) -> Result<Vec<(usize, usize)>, Error> {
    let of_b = ByKey::new(b);
    let mut links: Vec<Link> = Vec::new();
    let mut best = BestBefore::new(b.len());
    // The last link of each offset: whatever ends with an earlier one, it goes on.
    let mut in_stretch: HashMap<i64, u32> = HashMap::new();
    let start = Worth { matches: 0, stretches: Reverse(0), shifts: Reverse(0) };
    for (i, anchor) in (0..).zip(a) {
        if (i as usize).is_multiple_of(ANCHORS_PER_LOOK) && watch.cancelled() {
            return Err(Error::cancelled());
        }
        let first = links.len();
        for &(_, j) in &of_b.0[of_b.of(anchor.key)] {
            let here = offset(anchor, &b[j as usize]);
            let after = |worth: Worth, at: Option<i64>| {
                let is_other = u32::from(at != Some(here));
                let shift = here.abs_diff(at.unwrap_or(0));
                Worth {
                    matches: worth.matches + 1,
                    stretches: Reverse(worth.stretches.0 + is_other),
                    shifts: Reverse(worth.shifts.0 + shift),
                }
            };
            let link = |before: u32| {
                let Link { a: x, b: y, worth, .. } = links[before as usize];
                (after(worth, Some(offset(&a[x as usize], &b[y as usize]))), Some(before))
            };
            let ways = [best.before(j), in_stretch.get(&here).copied()].into_iter().flatten().map(link);
            let (worth, before) = ways.chain([(after(start, last), None)]).max().expect("one way at least");
            links.push(Link { a: i, b: j, worth, before });
        }
        for (at, link) in (first..).zip(&links[first..]) {
            let at = u32::try_from(at).expect("as many links as are weighed at a time");
            best.offer(link.b, (link.worth, at));
            in_stretch.insert(offset(anchor, &b[link.b as usize]), at);
        }
    }
    let mut at = best.before(u32::try_from(b.len()).expect("anchors are ticks"));
    let mut found = Vec::new();
    while let Some(link) = at.map(|at| links[at as usize]) {
        found.push((link.a as usize, link.b as usize));
        at = link.before;
    }
    found.reverse();
    Ok(found)
}

/// The best link that ends before a place: a binary indexed tree of maxima (Fenwick 1994).
struct BestBefore {
    tree: Vec<Option<(Worth, u32)>>,
}

impl BestBefore {
    fn new(places: usize) -> BestBefore {
        BestBefore { tree: vec![None; places + 1] }
    }

    fn offer(&mut self, place: u32, link: (Worth, u32)) {
        let mut at = place as usize + 1;
        while let Some(best) = self.tree.get_mut(at) {
            *best = (*best).max(Some(link));
            at += at & at.wrapping_neg();
        }
    }

    fn before(&self, place: u32) -> Option<u32> {
        let mut at = place as usize;
        let mut best = None;
        while at > 0 {
            best = best.max(self.tree[at]);
            at &= at - 1;
        }
        best.map(|(_, link)| link)
    }
}

/// The first anchors of both with the same key: the farther of the two is as near as can be.
fn nearest(a: &[Anchor], b: &[Anchor]) -> Option<(usize, usize)> {
    let (mut seen_a, mut seen_b): (HashMap<u64, usize>, HashMap<u64, usize>) = Default::default();
    (0..a.len().max(b.len())).find_map(|at| {
        if let Some(anchor) = a.get(at) {
            seen_a.entry(anchor.key).or_insert(at);
        }
        if let Some(anchor) = b.get(at) {
            seen_b.entry(anchor.key).or_insert(at);
        }
        let of_a = a.get(at).and_then(|anchor| Some((at, *seen_b.get(&anchor.key)?)));
        of_a.or_else(|| b.get(at).and_then(|anchor| Some((*seen_a.get(&anchor.key)?, at))))
    })
}

#[cfg(test)]
mod tests {
    use cdt_trace::Unwatched;

    use super::*;

    fn all_matches(a: &[Anchor], b: &[Anchor]) -> Vec<(usize, usize)> {
        let Matches { pairs, in_parts } = matches(a, b, &Unwatched).unwrap();
        assert!(!in_parts);
        pairs
    }

    fn anchors(list: &[(u64, u64)]) -> Vec<Anchor> {
        list.iter().map(|&(ordinal, key)| Anchor { ordinal, key }).collect()
    }

    fn worth(a: &[Anchor], b: &[Anchor], matched: &[(usize, usize)]) -> (usize, Reverse<usize>) {
        let offsets: Vec<i64> = matched.iter().map(|&(i, j)| offset(&a[i], &b[j])).collect();
        (matched.len(), Reverse(offsets.chunk_by(|x, y| x == y).count()))
    }

    /// The best of all ways to match, by trying them.
    fn best(
        a: &[Anchor],
        b: &[Anchor],
        from: (usize, usize),
        chosen: &mut Vec<(usize, usize)>,
    ) -> (usize, Reverse<usize>) {
        let mut found = worth(a, b, chosen);
        for i in from.0..a.len() {
            for j in (from.1..b.len()).filter(|&j| a[i].key == b[j].key) {
                chosen.push((i, j));
                found = found.max(best(a, b, (i + 1, j + 1), chosen));
                chosen.pop();
            }
        }
        found
    }

    /// Numbers that look random (Knuth's MMIX generator).
    fn numbers() -> impl FnMut(u64) -> u64 {
        let mut state = 1_u64;
        move |below| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        }
    }

    fn some(random: &mut impl FnMut(u64) -> u64) -> Vec<Anchor> {
        let mut ordinal = 0;
        let list = (0..random(8)).map(|_| {
            ordinal += 1 + random(3);
            Anchor { ordinal, key: random(3) }
        });
        list.collect()
    }

    #[test]
    fn as_many_match_as_can_in_as_few_stretches_as_can_be() {
        let mut random = numbers();
        for _ in 0..3_000 {
            let (a, b) = (some(&mut random), some(&mut random));
            let matched = all_matches(&a, &b);
            assert!(matched.iter().all(|&(i, j)| a[i].key == b[j].key));
            assert!(matched.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 < two[1].1));
            assert_eq!(worth(&a, &b, &matched), best(&a, &b, (0, 0), &mut Vec::new()), "{a:?} {b:?}");
        }
    }

    #[test]
    fn the_nearer_of_two_offsets_is_taken_where_nothing_else_decides() {
        let (a, b) = (anchors(&[(10, 1), (20, 1)]), anchors(&[(20, 1)]));
        assert_eq!((all_matches(&a, &b), all_matches(&b, &a)), (vec![(1, 0)], vec![(0, 1)]));
    }

    /// Anchors of two keys in some ticks, so that nearly every pair of them is one.
    fn many(count: usize, random: &mut impl FnMut(u64) -> u64) -> Vec<Anchor> {
        let mut ordinal = 0;
        let list = (0..count).map(|_| {
            ordinal += 1 + random(9);
            Anchor { ordinal, key: random(2) }
        });
        list.collect()
    }

    #[test]
    fn long_runs_of_few_keys_are_matched_part_by_part() {
        let a = many(2_000, &mut numbers());
        let later = |anchor: &Anchor| Anchor { ordinal: anchor.ordinal + 5, ..*anchor };
        let b: Vec<Anchor> = a[..700].iter().copied().chain(a[700..].iter().map(later)).collect();
        let Matches { pairs, in_parts } = matches_within((20_000, 5_000), &a, &b, &Unwatched).unwrap();
        assert_eq!((worth(&a, &b, &pairs), in_parts), ((2_000, Reverse(2)), true));
        // However few are weighed at a time, what matches is in order, and it ends.
        let mut random = numbers();
        for _ in 0..300 {
            let (a, b) = (some(&mut random), some(&mut random));
            for most in [(1, 1), (2, 3), (5, 100), (1_000, 2)] {
                let Matches { pairs, .. } = matches_within(most, &a, &b, &Unwatched).unwrap();
                assert!(pairs.iter().all(|&(i, j)| a[i].key == b[j].key));
                assert!(pairs.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 < two[1].1));
                let any = a.iter().any(|a| b.iter().any(|b| a.key == b.key));
                assert!(!any || !pairs.is_empty(), "{a:?} {b:?} {most:?}");
            }
        }
    }

    #[test]
    fn a_late_start_is_found_however_many_keys_recur() {
        let a = many(3_000, &mut numbers());
        for start in [1, 700, 1_500] {
            let ticks = a[start].ordinal - 3;
            let b: Vec<Anchor> = a[start..].iter().map(|of| Anchor { ordinal: of.ordinal - ticks, ..*of }).collect();
            for (a, b) in [(&a, &b), (&b, &a)] {
                let Matches { pairs, in_parts } = matches_within((20_000, 5_000), a, b, &Unwatched).unwrap();
                assert_eq!((worth(a, b, &pairs), in_parts), ((3_000 - start, Reverse(1)), false));
            }
        }
    }
}
