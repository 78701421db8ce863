//! Which anchors of two runs match: in their order, as many as can be, and of the ways to match so many one that leaves the
//! ticks in the fewest stretches.

use std::cmp::Reverse;
use std::collections::HashMap;

use cdt_trace::Watch;

use crate::Error;

/// Pairs of anchors with the same key that are weighed against each other at a time. Inputs that are pressed and let go
/// again and again have as many as the product of both runs' anchors.
const MOST_PAIRS: u64 = 1 << 20;

/// A tick that something tells apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchor {
    /// How many ticks of its run are before it.
    pub(crate) ordinal: u64,
    /// What it is told apart by.
    pub(crate) key: u64,
}

/// Which anchors of `a` match which of `b`, both ascending.
pub(crate) fn matches(a: &[Anchor], b: &[Anchor], watch: &dyn Watch) -> Result<Vec<(usize, usize)>, Error> {
    matches_within(MOST_PAIRS, a, b, watch)
}

fn matches_within(
    most_pairs: u64,
    a: &[Anchor],
    b: &[Anchor],
    watch: &dyn Watch,
) -> Result<Vec<(usize, usize)>, Error> {
    let mut matched: Vec<(usize, usize)> = Vec::new();
    let (mut x, mut y) = (0, 0);
    let mut size = a.len().max(b.len());
    while x < a.len() && y < b.len() {
        watch.progress(x as u64, Some(a.len() as u64));
        if watch.cancelled() {
            return Err(Error::cancelled());
        }
        let (rest_a, rest_b) = (&a[x..], &b[y..]);
        let near = |size: usize| (&rest_a[..size.min(rest_a.len())], &rest_b[..size.min(rest_b.len())]);
        while size > 1 && same_keys(near(size)) > most_pairs {
            size = size.div_ceil(2);
        }
        let (near_a, near_b) = near(size);
        let is_all = (near_a.len(), near_b.len()) == (rest_a.len(), rest_b.len());
        let last = matched.last().map(|&(i, j)| offset(&a[i], &b[j]));
        let found = chain(near_a, near_b, last);
        // What the end of a part matches best is not known before the next.
        let kept = if is_all { found.len() } else { found.len().div_ceil(2) };
        matched.extend(found[..kept].iter().map(|(i, j)| (x + i, y + j)));
        (x, y) = match found[..kept].last() {
            _ if is_all => break,
            Some((i, j)) => (x + i + 1, y + j + 1),
            // Nothing near matches: go on where something does that both have once.
            None => match next_unique(rest_a, rest_b) {
                Some((i, j)) => (x + i, y + j),
                None => break,
            },
        };
        size = size.saturating_mul(2);
    }
    Ok(matched)
}

/// How many ticks later than in `a` it is in `b`.
fn offset(a: &Anchor, b: &Anchor) -> i64 {
    b.ordinal.cast_signed() - a.ordinal.cast_signed()
}

/// How many pairs have the same key.
fn same_keys((a, b): (&[Anchor], &[Anchor])) -> u64 {
    let mut count: HashMap<u64, u64> = HashMap::new();
    a.iter().for_each(|anchor| *count.entry(anchor.key).or_default() += 1);
    b.iter().map(|anchor| count.get(&anchor.key).copied().unwrap_or(0)).sum()
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
fn chain(a: &[Anchor], b: &[Anchor], last: Option<i64>) -> Vec<(usize, usize)> {
    let mut places: HashMap<u64, Vec<u32>> = HashMap::new();
    for (at, anchor) in (0..).zip(b) {
        places.entry(anchor.key).or_default().push(at);
    }
    let mut links: Vec<Link> = Vec::new();
    let mut best = BestBefore::new(b.len());
    // The last link of each offset: whatever ends with an earlier one, it goes on.
    let mut in_stretch: HashMap<i64, u32> = HashMap::new();
    let start = Worth { matches: 0, stretches: Reverse(0), shifts: Reverse(0) };
    for (i, anchor) in (0..).zip(a) {
        let first = links.len();
        for &j in places.get(&anchor.key).map_or(&[][..], Vec::as_slice) {
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
    found
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

/// The first anchor of `b` whose key each of the two has exactly once, and where.
fn next_unique(a: &[Anchor], b: &[Anchor]) -> Option<(usize, usize)> {
    let mut seen: HashMap<u64, (u32, u32, usize)> = HashMap::new();
    for (at, anchor) in a.iter().enumerate() {
        seen.entry(anchor.key).or_insert((0, 0, at)).0 += 1;
    }
    b.iter().for_each(|anchor| {
        seen.entry(anchor.key).and_modify(|entry| entry.1 += 1);
    });
    let mut places = b.iter().enumerate();
    places.find_map(|(j, anchor)| seen.get(&anchor.key).filter(|(a, b, _)| (*a, *b) == (1, 1)).map(|&(_, _, i)| (i, j)))
}

#[cfg(test)]
mod tests {
    use cdt_trace::Unwatched;

    use super::*;

    fn all_matches(a: &[Anchor], b: &[Anchor]) -> Vec<(usize, usize)> {
        matches(a, b, &Unwatched).unwrap()
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

    #[test]
    fn long_runs_of_few_keys_are_matched_part_by_part() {
        let mut random = numbers();
        let mut ordinal = 0;
        let a: Vec<Anchor> = (0..2_000)
            .map(|_| {
                ordinal += 1 + random(9);
                Anchor { ordinal, key: random(2) }
            })
            .collect();
        let later = |anchor: &Anchor| Anchor { ordinal: anchor.ordinal + 5, ..*anchor };
        let b: Vec<Anchor> = a[..700].iter().copied().chain(a[700..].iter().map(later)).collect();
        let matched = matches_within(20_000, &a, &b, &Unwatched).unwrap();
        assert_eq!(worth(&a, &b, &matched), (2_000, Reverse(2)));
    }
}
