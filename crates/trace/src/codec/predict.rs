//! Predicting a value from its own past: what is stored is by how much the prediction missed.
//!
//! A column is cut into runs (an entity's successive ticks; one run for everything else), because a value goes on from
//! its own past and not from its neighbour's. Order k predicts a lane by the polynomial through the k lanes before it in
//! its run; a run's lane with fewer before it by the polynomial through those, and its first lane by the first lane of
//! the run before.

use super::Lane;

/// Highest order.
pub(super) const MAX_ORDER: u32 = 3;

/// Appends the residuals of a column's lanes.
pub(super) fn residuals<L: Lane>(lanes: &[L], runs: &[u32], order: u32, out: &mut Vec<L>) {
    match order {
        1 => residuals_of::<L, 1>(lanes, runs, out),
        2 => residuals_of::<L, 2>(lanes, runs, out),
        3 => residuals_of::<L, 3>(lanes, runs, out),
        _ => unreachable!("orders are 1 to {MAX_ORDER}"),
    }
}

fn residuals_of<L: Lane, const ORDER: usize>(lanes: &[L], runs: &[u32], out: &mut Vec<L>) {
    let start = out.len();
    out.resize(start + lanes.len(), L::truncate(0));
    let mut out = &mut out[start..];
    let mut lanes = lanes;
    let mut last_head = L::truncate(0);
    for &len in runs.iter().filter(|&&len| len > 0) {
        let (run, rest) = lanes.split_at(len as usize);
        let (to, rest_out) = out.split_at_mut(len as usize);
        (lanes, out) = (rest, rest_out);
        to[0] = run[0].minus(last_head).zigzag();
        last_head = run[0];
        if ORDER > 1 && run.len() > 1 {
            to[1] = run[1].minus(run[0]).zigzag();
        }
        if ORDER > 2 && run.len() > 2 {
            to[2] = run[2].minus(run[1]).minus(run[1].minus(run[0])).zigzag();
        }
        for (window, to) in run.windows(ORDER + 1).zip(&mut to[ORDER.min(run.len())..]) {
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

/// Turns residuals into the lanes that they came from, and gives each to `put` with its index.
pub(super) fn undo<L: Lane>(residuals: &[L], runs: &[u32], order: u32, put: impl FnMut(usize, L)) {
    match order {
        1 => undo_order::<L, 1>(residuals, runs, put),
        2 => undo_order::<L, 2>(residuals, runs, put),
        3 => undo_order::<L, 3>(residuals, runs, put),
        _ => unreachable!("orders are 1 to {MAX_ORDER}"),
    }
}

fn undo_order<L: Lane, const ORDER: usize>(residuals: &[L], runs: &[u32], mut put: impl FnMut(usize, L)) {
    let zero = L::truncate(0);
    let mut last_head = zero;
    let mut at = 0;
    for &len in runs.iter().filter(|&&len| len > 0) {
        let run = &residuals[at..at + len as usize];
        let (mut lane, mut slope, mut curve) = (last_head.plus(run[0].unzigzag()), zero, zero);
        last_head = lane;
        put(at, lane);
        for (index, &residual) in run.iter().enumerate().skip(1) {
            let residual = residual.unzigzag();
            match ORDER {
                1 => slope = residual,
                2 => slope = slope.plus(residual),
                _ => {
                    curve = if index > 2 { curve.plus(residual) } else { residual };
                    slope = slope.plus(curve);
                    if index == 1 {
                        curve = zero;
                    }
                }
            }
            lane = lane.plus(slope);
            put(at + index, lane);
        }
        at += run.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missed<L: Lane + std::fmt::Debug>(lanes: &[L], runs: &[u32], order: u32) -> Vec<u64> {
        let mut out = Vec::new();
        residuals(lanes, runs, order, &mut out);
        let mut back = vec![L::truncate(77); lanes.len()];
        undo(&out, runs, order, |index, lane| back[index] = lane);
        assert_eq!(back, lanes);
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
