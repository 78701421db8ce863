//! Predicting a value from its own past: what is stored is by how much the prediction missed.
//!
//! A column is cut into runs (an entity's successive ticks; one run for everything else), because a value goes on from
//! its own past and not from its neighbour's. Order k predicts a lane by the polynomial through the k lanes before it in
//! its run; a run's lane with fewer before it by the polynomial through those, and its first lane by the first lane of
//! the run before. The first, the second and the third residuals of all runs stand before the others: they are larger,
//! and would widen the groups that they fall into.

use super::{Four, Lane};
use crate::places::{EARLY, Places, SIDE_BY_SIDE};

/// Highest order.
pub(super) const MAX_ORDER: u32 = 3;

/// Where the first, the second, the third and the other residuals of runs begin.
fn parts(runs: &[u32]) -> [usize; 4] {
    let longer_than = |len: u32| runs.iter().filter(|&&run| run > len).count();
    let [heads, seconds, thirds] = [0, 1, 2].map(longer_than);
    [0, heads, heads + seconds, heads + seconds + thirds]
}

/// Puts the residuals of a column's lanes in place of what `out` holds.
pub(super) fn residuals<L: Lane>(lanes: &[L], runs: &[u32], order: u32, out: &mut Vec<L>) {
    out.resize(lanes.len(), L::truncate(0));
    match order {
        1 => residuals_of::<L, 1>(lanes, runs, out),
        2 => residuals_of::<L, 2>(lanes, runs, out),
        3 => residuals_of::<L, 3>(lanes, runs, out),
        _ => unreachable!("orders are 1 to {MAX_ORDER}"),
    }
}

fn residuals_of<L: Lane, const ORDER: usize>(mut lanes: &[L], runs: &[u32], out: &mut [L]) {
    let mut at = parts(runs);
    let mut last_head = L::truncate(0);
    for &len in runs {
        let (run, more) = lanes.split_at(len as usize);
        lanes = more;
        for (index, (&lane, at)) in run.iter().zip(&mut at[..3]).enumerate() {
            let missed = match (index, ORDER) {
                (0, _) => lane.minus(std::mem::replace(&mut last_head, lane)),
                (1, _) | (_, 1) => lane.minus(run[index - 1]),
                _ => lane.minus(run[1]).minus(run[1].minus(run[0])),
            };
            out[*at] = missed.zigzag();
            *at += 1;
        }
        let Some(rest) = run.get(EARLY as usize..) else { continue };
        let to = &mut out[at[3]..at[3] + rest.len()];
        at[3] += rest.len();
        // The lanes one, two and three before each.
        let (a, b, c) = (&run[2..], &run[1..], run);
        for ((((to, &lane), &a), &b), &c) in to.iter_mut().zip(rest).zip(a).zip(b).zip(c) {
            let predicted = match ORDER {
                1 => a,
                2 => a.plus(a.minus(b)),
                _ => {
                    // 3a - 3b + c
                    let step = a.minus(b);
                    c.plus(step.plus(step).plus(step))
                }
            };
            *to = lane.minus(predicted).zigzag();
        }
    }
}

/// What is known of a run when its next residual comes.
#[derive(Clone, Copy)]
struct Past<L, const ORDER: usize> {
    lane: L,
    slope: L,
    curve: L,
}

impl<L: Lane, const ORDER: usize> Past<L, ORDER> {
    /// Before a run's first residual, which is told from the head of the run before.
    fn new(last_head: L) -> Past<L, ORDER> {
        Past { lane: last_head, slope: L::truncate(0), curve: L::truncate(0) }
    }

    /// The lane of a run's first residual.
    fn first(&mut self, missed: L) -> L {
        self.lane = self.lane.plus(missed);
        self.lane
    }

    /// The lane of its second one.
    fn second(&mut self, missed: L) -> L {
        self.slope = missed;
        self.lane = self.lane.plus(missed);
        self.lane
    }

    /// The lane of its third one.
    fn third(&mut self, missed: L) -> L {
        if ORDER == 1 {
            self.slope = missed;
        } else {
            self.curve = missed;
            self.slope = self.slope.plus(missed);
        }
        self.lane = self.lane.plus(self.slope);
        self.lane
    }

    /// The lane of any later residual.
    #[inline(always)]
    fn next(&mut self, residual: L) -> L {
        (self.lane, self.slope, self.curve) = next::<L, ORDER>(self.lane, self.slope, self.curve, residual);
        self.lane
    }
}

/// A lane, its slope and its curve, from those before it and its residual.
#[inline(always)]
fn next<L: Lane, const ORDER: usize>(lane: L, slope: L, curve: L, residual: L) -> (L, L, L) {
    let missed = residual.unzigzag();
    let (slope, curve) = match ORDER {
        1 => (missed, curve),
        2 => (slope.plus(missed), curve),
        _ => {
            let curve = curve.plus(missed);
            (slope.plus(curve), curve)
        }
    };
    (lane.plus(slope), slope, curve)
}

/// Turns the residuals of one run into the lanes that they came from.
pub(super) fn undo<L: Lane>(residuals: &mut [L], order: u32) {
    match order {
        1 => undo_order::<L, 1>(residuals),
        2 => undo_order::<L, 2>(residuals),
        3 => undo_order::<L, 3>(residuals),
        _ => unreachable!("orders are 1 to {MAX_ORDER}"),
    }
}

fn undo_order<L: Lane, const ORDER: usize>(residuals: &mut [L]) {
    let mut past = Past::<L, ORDER>::new(L::truncate(0));
    let (early, rest) = residuals.split_at_mut(residuals.len().min(EARLY as usize));
    for (lane, of) in early.iter_mut().zip([Past::first, Past::second, Past::third]) {
        *lane = of(&mut past, lane.unzigzag());
    }
    rest.iter_mut().for_each(|lane| *lane = past.next(*lane));
}

/// Turns the residuals of runs into the lanes that they came from, and puts those where the runs' rows stand. Of order 0 the
/// residuals are the lanes.
pub(super) fn undo_to<L: Lane>(residuals: &[L], order: u32, places: &Places, out: &mut [L]) {
    match order {
        0 => residuals.iter().zip(&places.order).for_each(|(&lane, &row)| out[row as usize] = lane),
        1 => undo_order_to::<L, 1>(residuals, places, out),
        2 => undo_order_to::<L, 2>(residuals, places, out),
        3 => undo_order_to::<L, 3>(residuals, places, out),
        _ => unreachable!("orders are 0 to {MAX_ORDER}"),
    }
}

fn undo_order_to<L: Lane, const ORDER: usize>(residuals: &[L], places: &Places, out: &mut [L]) {
    let [_, seconds, thirds, rest] = parts(&places.lens);
    let rest = &residuals[rest..];
    let (mut seconds, mut thirds) = (residuals[seconds..].iter(), residuals[thirds..].iter());
    let next_of = |early: &mut std::slice::Iter<'_, L>| early.next().expect("as many as runs are so long").unzigzag();
    let mut rows = &places.order[..];
    let mut last_head = L::truncate(0);
    let mut pasts: Vec<Past<L, ORDER>> = Vec::with_capacity(places.lens.len());
    for (&len, &head) in places.lens.iter().zip(residuals) {
        let (run, more) = rows.split_at(len as usize);
        rows = more;
        let mut past = Past::new(last_head);
        last_head = past.first(head.unzigzag());
        out[run[0] as usize] = last_head;
        if let Some(&row) = run.get(1) {
            out[row as usize] = past.second(next_of(&mut seconds));
        }
        if let Some(&row) = run.get(2) {
            out[row as usize] = past.third(next_of(&mut thirds));
        }
        pasts.push(past);
    }
    for strip in &places.strips {
        let rows = &places.order[strip.from[0] as usize..][..strip.ticks as usize];
        if strip.is_wide() {
            let missed = strip.rest.map(|from| &rest[from as usize..][..rows.len()]);
            undo_strip(missed, rows, strip.runs.map(|run| run as usize), &mut pasts, out);
        } else {
            let past = &mut pasts[strip.runs[0] as usize];
            let Past { mut lane, mut slope, mut curve } = *past;
            for (&missed, &row) in rest[strip.rest[0] as usize..].iter().zip(rows) {
                (lane, slope, curve) = next::<L, ORDER>(lane, slope, curve, missed);
                out[row as usize] = lane;
            }
            *past = Past { lane, slope, curve };
        }
    }
}

/// The lanes of runs whose rows stand side by side, as many ticks as there are rows of the first.
fn undo_strip<L: Lane, const ORDER: usize>(
    missed: [&[L]; SIDE_BY_SIDE],
    rows: &[u32],
    runs: [usize; SIDE_BY_SIDE],
    pasts: &mut [Past<L, ORDER>],
    out: &mut [L],
) {
    let of = |part: fn(&Past<L, ORDER>) -> L| L::Four::of(runs.map(|run| part(&pasts[run])));
    let (mut lanes, mut slopes, mut curves) = (of(|past| past.lane), of(|past| past.slope), of(|past| past.curve));
    let mut next = |missed: L::Four, row: u32| {
        let missed = missed.unzigzag();
        match ORDER {
            1 => slopes = missed,
            2 => slopes = slopes.plus(missed),
            _ => {
                curves = curves.plus(missed);
                slopes = slopes.plus(curves);
            }
        }
        lanes = lanes.plus(slopes);
        let beside = out[row as usize..].first_chunk_mut().expect("the rows stand side by side");
        *beside = lanes.lanes();
    };
    let [(a, a_rest), (b, b_rest), (c, c_rest), (d, d_rest)] = missed.map(|missed| missed.as_chunks());
    let (four_rows, rows_rest) = rows.as_chunks::<SIDE_BY_SIDE>();
    for ((((a, b), c), d), rows) in a.iter().zip(b).zip(c).zip(d).zip(four_rows) {
        let [first, second, third, fourth] = L::Four::transposed([a, b, c, d].map(|missed| L::Four::of(*missed)));
        next(first, rows[0]);
        next(second, rows[1]);
        next(third, rows[2]);
        next(fourth, rows[3]);
    }
    for (index, &row) in rows_rest.iter().enumerate() {
        next(L::Four::of([a_rest[index], b_rest[index], c_rest[index], d_rest[index]]), row);
    }
    let (lanes, slopes, curves) = (lanes.lanes(), slopes.lanes(), curves.lanes());
    for (lane, run) in runs.into_iter().enumerate() {
        pasts[run] = Past { lane: lanes[lane], slope: slopes[lane], curve: curves[lane] };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missed<L: Lane + std::fmt::Debug>(lanes: &[L], runs: &[u32], order: u32) -> Vec<u64> {
        let mut out = Vec::new();
        residuals(lanes, runs, order, &mut out);
        let runs_that_are: Vec<u32> = runs.iter().copied().filter(|&len| len > 0).collect();
        let places = Places::of_lens(&runs_that_are);
        let mut back = vec![L::truncate(77); lanes.len()];
        undo_to(&out, order, &places, &mut back);
        assert!(places.order.iter().map(|&row| &back[row as usize]).eq(lanes));
        if runs.len() == 1 {
            back.clone_from(&out);
            undo(&mut back, order);
            assert_eq!(back, lanes);
        }
        out.into_iter().map(Into::into).collect()
    }

    #[test]
    fn a_polynomial_is_predicted_by_its_order() {
        let runs = [5, 0, 1, 2, 3];
        let cubic = |i: u32| 7 + i * i * i - 2 * i;
        for order in 1..=MAX_ORDER {
            let constant = missed(&[9u32; 11], &runs, order);
            assert_eq!(constant[0], 18);
            assert!(constant[1..].iter().all(|&missed| missed == 0));
            // The first two runs that are not empty have the heads 1 and 6.
            let heads = missed(&(1..=11).collect::<Vec<u32>>(), &runs, order);
            assert_eq!(heads[..4], [2, 10, 2, 4]);
            let noise: Vec<u64> = (0..11u64).map(|i| xxhash_rust::xxh3::xxh3_64(&i.to_le_bytes())).collect();
            missed(&noise, &runs, order);
            missed(&noise.iter().map(|&n| u32::truncate(n)).collect::<Vec<_>>(), &runs, order);
            missed(&noise.iter().map(|&n| u8::truncate(n)).collect::<Vec<_>>(), &runs, order);
        }
        let line: Vec<u32> = (0..20).map(|i| 100 + i * 3).collect();
        assert!(missed(&line, &[20], 2)[2..].iter().all(|&missed| missed == 0));
        let square: Vec<u32> = (0..20).map(|i| i * i).collect();
        assert!(missed(&square, &[20], 3)[3..].iter().all(|&missed| missed == 0));
        let cube: Vec<u32> = (1..20).map(cubic).collect();
        assert!(missed(&cube, &[19], 3)[3..].iter().all(|&missed| missed == 12));
    }
}
