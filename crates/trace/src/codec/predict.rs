//! Predicting a value from its own past: what is stored is by how much the prediction missed.
//!
//! A column is cut into runs (an entity's successive ticks; one run for everything else), because a value goes on from
//! its own past and not from its neighbour's. Order k predicts a lane by the polynomial through the k lanes before it in
//! its run; a run's lane with fewer before it by the polynomial through those, and its first lane by the first lane of
//! the run before. The first, the second and the third residuals of all runs stand before the others: they are larger,
//! and would widen the groups that they fall into.

use super::Lane;

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
        let rest = run.get(3 - ORDER..).unwrap_or_default().windows(ORDER + 1);
        let to = &mut out[at[3]..at[3] + rest.len()];
        at[3] += to.len();
        for (window, to) in rest.zip(to) {
            let predicted = match ORDER {
                1 => window[0],
                2 => window[1].plus(window[1].minus(window[0])),
                _ => {
                    // 3c - 3b + a
                    let step = window[2].minus(window[1]);
                    window[0].plus(step.plus(step).plus(step))
                }
            };
            *to = window[ORDER].minus(predicted).zigzag();
        }
    }
}

/// What is known of a run when its next residual comes.
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

    /// The lane of one of a run's first three residuals.
    fn early(&mut self, index: usize, residual: L) -> L {
        let missed = residual.unzigzag();
        match (index, ORDER) {
            (0, _) => {
                self.lane = self.lane.plus(missed);
                return self.lane;
            }
            (1, _) | (_, 1) => self.slope = missed,
            _ => {
                self.curve = missed;
                self.slope = self.slope.plus(missed);
            }
        }
        self.lane = self.lane.plus(self.slope);
        self.lane
    }

    /// The lane of any later residual.
    #[inline(always)]
    fn next(&mut self, residual: L) -> L {
        let missed = residual.unzigzag();
        match ORDER {
            1 => self.slope = missed,
            2 => self.slope = self.slope.plus(missed),
            _ => {
                self.curve = self.curve.plus(missed);
                self.slope = self.slope.plus(self.curve);
            }
        }
        self.lane = self.lane.plus(self.slope);
        self.lane
    }
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
    let (early, rest) = residuals.split_at_mut(residuals.len().min(3));
    early.iter_mut().enumerate().for_each(|(index, lane)| *lane = past.early(index, *lane));
    rest.iter_mut().for_each(|lane| *lane = past.next(*lane));
}

/// Turns the residuals of runs into the lanes that they came from, and puts lane i at `places[i]` of `out`. Of order 0 the
/// residuals are the lanes.
pub(super) fn undo_to<L: Lane>(residuals: &[L], runs: &[u32], order: u32, places: &[u32], out: &mut [L]) {
    match order {
        0 => residuals.iter().zip(places).for_each(|(&lane, &place)| out[place as usize] = lane),
        1 => undo_order_to::<L, 1>(residuals, runs, places, out),
        2 => undo_order_to::<L, 2>(residuals, runs, places, out),
        3 => undo_order_to::<L, 3>(residuals, runs, places, out),
        _ => unreachable!("orders are 0 to {MAX_ORDER}"),
    }
}

fn undo_order_to<L: Lane, const ORDER: usize>(residuals: &[L], runs: &[u32], mut places: &[u32], out: &mut [L]) {
    let mut at = parts(runs);
    let mut last_head = L::truncate(0);
    for &len in runs {
        let (run, more) = places.split_at(len as usize);
        places = more;
        let (early, rest) = run.split_at(run.len().min(3));
        let mut past = Past::<L, ORDER>::new(last_head);
        for (index, (&place, at)) in early.iter().zip(&mut at[..3]).enumerate() {
            let lane = past.early(index, residuals[*at]);
            *at += 1;
            out[place as usize] = lane;
            if index == 0 {
                last_head = lane;
            }
        }
        let missed = &residuals[at[3]..at[3] + rest.len()];
        at[3] += rest.len();
        missed.iter().zip(rest).for_each(|(&missed, &place)| out[place as usize] = past.next(missed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missed<L: Lane + std::fmt::Debug>(lanes: &[L], runs: &[u32], order: u32) -> Vec<u64> {
        let mut out = Vec::new();
        residuals(lanes, runs, order, &mut out);
        let places: Vec<u32> = (0..lanes.len()).rev().map(|place| u32::try_from(place).unwrap()).collect();
        let mut back = vec![L::truncate(77); lanes.len()];
        undo_to(&out, runs, order, &places, &mut back);
        assert!(back.iter().rev().eq(lanes));
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
