//! Predicting a value from its own past: what is stored is by how much the prediction missed.
//!
//! A column is cut into runs (an entity's successive ticks; one run for everything else), because a value goes on from
//! its own past and not from its neighbour's. Order k predicts a lane by the polynomial through the k lanes before it in
//! its run; a run's lane with fewer before it by the polynomial through those, and its first lane by the first lane of
//! the run before. The first, the second and the third residuals of all runs stand before the others: they are larger,
//! and would widen the groups that they fall into. The others stand in the order of rows, where those of one tick have
//! their pasts side by side, so that the machine undoes several at once.

use cdt_schema::vectorized;

use super::Lane;
use crate::places::{EARLY, Early, EntityRun, Places, Stretch};

/// Highest order.
pub(super) const MAX_ORDER: u32 = 3;
/// Lanes that are taken at once.
const AT_ONCE: usize = 8;

/// Calls `$function::<L, ORDER>` with the constant that equals `$order`.
macro_rules! with_order {
    ($order:expr, $function:ident, ($($argument:expr),*)) => {
        match $order {
            1 => $function::<L, 1>($($argument),*),
            2 => $function::<L, 2>($($argument),*),
            3 => $function::<L, 3>($($argument),*),
            _ => unreachable!("orders are 1 to {MAX_ORDER}"),
        }
    };
}

/// Puts the residuals of a column's lanes in place of what `out` holds: of entity runs at these places, or of one run.
pub(super) fn residuals<L: Lane>(lanes: &[L], places: Option<&Places>, order: u32, out: &mut Vec<L>) {
    out.resize(lanes.len(), L::truncate(0));
    vectorized!(match places {
        Some(places) => with_order!(order, residuals_of_runs, (lanes, places, out)),
        None => with_order!(order, residuals_of_one, (lanes, out)),
    });
}

/// Turns the residuals of one run into the lanes that they came from.
pub(super) fn undo<L: Lane>(residuals: &mut [L], order: u32) {
    vectorized!(with_order!(order, undo_one, (residuals)));
}

/// Turns the residuals of entity runs into the lanes that they came from, of as many rows as `out` has. Of the residuals
/// those of the first lanes, or of all early ones, are lanes afterwards.
pub(super) fn undo_to<L: Lane>(residuals: &mut [L], order: u32, places: &Places, out: &mut [L]) {
    let (firsts, others) = residuals.split_at_mut(places.runs.len());
    if vectorized!(are_zero(others)) {
        // Whatever the order, a run stays what it was first.
        let mut first = L::truncate(0);
        for missed in &mut *firsts {
            first = first.plus(missed.unzigzag());
            *missed = first;
        }
        return places.spread(firsts, out);
    }
    vectorized!(with_order!(order, undo_runs, (residuals, places, out)));
}

#[inline(always)]
fn are_zero<L: Lane>(numbers: &[L]) -> bool {
    numbers.chunks(64).all(|some| some.iter().fold(L::truncate(0), |all, &number| all.or(number)) == L::truncate(0))
}

/// The lane that is expected after `a`, before which were `b` and then `c`.
#[inline(always)]
fn predicted<L: Lane, const ORDER: usize>([a, b, c]: [L; EARLY as usize]) -> L {
    match ORDER {
        1 => a,
        2 => a.plus(a.minus(b)),
        _ => {
            // 3a - 3b + c
            let step = a.minus(b);
            c.plus(step.plus(step).plus(step))
        }
    }
}

/// The lane that is expected after a run's first two.
#[inline(always)]
fn predicted_third<L: Lane, const ORDER: usize>(first: L, second: L) -> L {
    if ORDER == 1 { second } else { second.plus(second.minus(first)) }
}

#[inline(always)]
fn residuals_of_one<L: Lane, const ORDER: usize>(lanes: &[L], out: &mut [L]) {
    let (early, rest) = out.split_at_mut(lanes.len().min(EARLY as usize));
    early.copy_from_slice(&lanes[..early.len()]);
    early_residuals::<L, ORDER>(&one_run(early.len()), early);
    if let Some(late) = lanes.get(EARLY as usize..) {
        let past = [&lanes[2..], &lanes[1..], lanes];
        each_with_past(late, past, rest, |lane, past| lane.minus(predicted::<L, ORDER>(past)).zigzag());
    }
}

#[inline(always)]
fn undo_one<L: Lane, const ORDER: usize>(lanes: &mut [L]) {
    let early = lanes.len().min(EARLY as usize);
    undo_early::<L, ORDER>(&one_run(early), &mut lanes[..early]);
    let Some((&mut [mut c, mut b, mut a], rest)) = lanes.split_first_chunk_mut() else { return };
    for lane in rest {
        *lane = predicted::<L, ORDER>([a, b, c]).plus(lane.unzigzag());
        (a, b, c) = (*lane, a, b);
    }
}

/// The run of a column without entities that has so many early lanes; none without lanes.
fn one_run(early: usize) -> Vec<EntityRun> {
    let len = u32::try_from(early).expect("at most three");
    Vec::from_iter((len > 0).then_some(EntityRun { slot: 0, generation: 0, start: 0, len }))
}

#[inline(always)]
fn residuals_of_runs<L: Lane, const ORDER: usize>(lanes: &[L], places: &Places, out: &mut [L]) {
    let (early, mut rest) = out.split_at_mut(places.early.len());
    for &Early { row, index, .. } in &places.early {
        early[index as usize] = lanes[row as usize];
    }
    early_residuals::<L, ORDER>(&places.runs, early);
    for stretch in &places.stretches {
        for row in stretch.first_rows() {
            let (to, more) = rest.split_at_mut(stretch.len as usize);
            rest = more;
            let (past, now) = lanes.split_at(row);
            let residual = |lane: L, past| lane.minus(predicted::<L, ORDER>(past)).zigzag();
            each_with_past(&now[..to.len()], past_of::<L, ORDER>(past, stretch), to, residual);
        }
    }
}

#[inline(always)]
fn undo_runs<L: Lane, const ORDER: usize>(residuals: &mut [L], places: &Places, out: &mut [L]) {
    let (early, rest) = residuals.split_at_mut(places.early.len());
    let mut rest = &*rest;
    undo_early::<L, ORDER>(&places.runs, early);
    let rows = out.len();
    for &Early { row, index, .. } in places.early.iter().take_while(|early| (early.row as usize) < rows) {
        out[row as usize] = early[index as usize];
    }
    for stretch in &places.stretches {
        for row in stretch.first_rows().take_while(|&row| row < rows) {
            let (missed, more) = rest.split_at(stretch.len as usize);
            rest = more;
            let (past, now) = out.split_at_mut(row);
            let lane = |missed: L, past| predicted::<L, ORDER>(past).plus(missed.unzigzag());
            each_with_past(missed, past_of::<L, ORDER>(past, stretch), &mut now[..missed.len()], lane);
        }
    }
}

/// Turns the early lanes of runs into their residuals.
fn early_residuals<L: Lane, const ORDER: usize>(runs: &[EntityRun], early: &mut [L]) {
    each_early(runs, early, |lane, predicted| (lane, lane.minus(predicted).zigzag()), predicted_third::<L, ORDER>);
}

/// Turns the early residuals of runs into their lanes.
fn undo_early<L: Lane, const ORDER: usize>(runs: &[EntityRun], early: &mut [L]) {
    let lane = |missed: L, predicted: L| {
        let lane = predicted.plus(missed.unzigzag());
        (lane, lane)
    };
    each_early(runs, early, lane, predicted_third::<L, ORDER>);
}

/// Replaces the early values of runs. `of` has a value and what is predicted there, and gives the lane and what replaces the value.
fn each_early<L: Lane>(runs: &[EntityRun], early: &mut [L], of: impl Fn(L, L) -> (L, L), third: impl Fn(L, L) -> L) {
    let (heads, more) = early.split_at_mut(runs.len());
    let (seconds, thirds) = more.split_at_mut(runs.iter().filter(|run| run.len > 1).count());
    let (mut seconds, mut thirds) = (seconds.iter_mut(), thirds.iter_mut());
    let replace = |value: &mut L, predicted: L| {
        let lane;
        (lane, *value) = of(*value, predicted);
        lane
    };
    let mut head = L::truncate(0);
    for (run, value) in runs.iter().zip(heads) {
        head = replace(value, head);
        if run.len > 1 {
            let second = replace(seconds.next().expect("one for each such run"), head);
            if run.len > 2 {
                replace(thirds.next().expect("one for each such run"), third(head, second));
            }
        }
    }
}

/// What the entities of a stretch had one, two and three ticks before one of its ticks, of all rows before that; in place of what the
/// order does not look at, the last that it does.
#[inline(always)]
fn past_of<'a, L, const ORDER: usize>(rows: &'a [L], stretch: &Stretch) -> [&'a [L]; EARLY as usize] {
    std::array::from_fn(|ago| {
        let back = stretch.back[ago.min(ORDER - 1)] as usize;
        &rows[rows.len() - back..][..stretch.len as usize]
    })
}

/// Puts into `out` what `of` makes of each value and of what stood before it in its run, all as many as there are values.
#[inline(always)]
fn each_with_past<L: Lane>(
    values: &[L],
    [a, b, c]: [&[L]; EARLY as usize],
    out: &mut [L],
    of: impl Fn(L, [L; EARLY as usize]) -> L,
) {
    let (a, b, c, out) = (&a[..values.len()], &b[..values.len()], &c[..values.len()], &mut out[..values.len()]);
    let some = |values: &[L; AT_ONCE], a: &[L; AT_ONCE], b: &[L; AT_ONCE], c: &[L; AT_ONCE]| -> [L; AT_ONCE] {
        std::array::from_fn(|lane| of(values[lane], [a[lane], b[lane], c[lane]]))
    };
    let chunks = values.as_chunks().0.iter().zip(a.as_chunks().0).zip(b.as_chunks().0).zip(c.as_chunks().0);
    for ((((values, a), b), c), out) in chunks.zip(out.as_chunks_mut().0) {
        *out = some(values, a, b, c);
    }
    // What is left, with some of the last ones once more.
    let last = (values.last_chunk(), a.last_chunk(), b.last_chunk(), c.last_chunk(), out.last_chunk_mut());
    if let (Some(values), Some(a), Some(b), Some(c), Some(out)) = last {
        *out = some(values, a, b, c);
        return;
    }
    for (index, out) in out.iter_mut().enumerate() {
        *out = of(values[index], [a[index], b[index], c[index]]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missed<L: Lane + std::fmt::Debug>(lanes: &[L], runs: &[u32], order: u32) -> Vec<u64> {
        let mut out = Vec::new();
        let mut back = vec![L::truncate(77); lanes.len()];
        if let [_] = runs {
            residuals(lanes, None, order, &mut out);
            back.clone_from(&out);
            undo(&mut back, order);
            assert_eq!(back, lanes);
            return out.into_iter().map(Into::into).collect();
        }
        let places = Places::of_lens(runs);
        let mut rows = lanes.to_vec();
        places.run_after_run(true).iter().zip(lanes).for_each(|(&row, &lane)| rows[row as usize] = lane);
        residuals(&rows, Some(&places), order, &mut out);
        // The first rows come back without those that follow.
        for rows in [&rows[..places.ends[places.ends.len() / 2] as usize], &rows[..]] {
            let back = &mut back[..rows.len()];
            undo_to(&mut out.clone(), order, &places, back);
            assert_eq!(back, rows);
        }
        out.into_iter().map(Into::into).collect()
    }

    #[test]
    fn a_polynomial_is_predicted_by_its_order() {
        let runs = [5, 1, 2, 3];
        let cubic = |i: u32| 7 + i * i * i - 2 * i;
        for order in 1..=MAX_ORDER {
            let constant = missed(&[9u32; 11], &runs, order);
            assert_eq!(constant[0], 18);
            assert!(constant[1..].iter().all(|&missed| missed == 0));
            let by_run = missed(&[4u8, 4, 4, 4, 4, 200, 0, 0, 7, 7, 7], &runs, order);
            assert!(by_run[runs.len()..].iter().all(|&missed| missed == 0));
            // The first two runs have the heads 1 and 6.
            let heads = missed(&(1..=11).collect::<Vec<u32>>(), &runs, order);
            assert_eq!(heads[..4], [2, 10, 2, 4]);
            let noise: Vec<u64> = (0..11u64).map(|i| twox_hash::XxHash3_64::oneshot(&i.to_le_bytes())).collect();
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

    #[test]
    fn stretches_of_every_length_come_back() {
        for many in 1..=20 {
            let lens: Vec<u32> = (0..many).map(|run| 9 + run % 2).collect();
            let rows = u64::from(lens.iter().sum::<u32>());
            let noise: Vec<u64> = (0..rows).map(|i| twox_hash::XxHash3_64::oneshot(&i.to_le_bytes())).collect();
            for order in 1..=MAX_ORDER {
                missed(&noise, &lens, order);
                missed(&noise.iter().map(|&n| u32::truncate(n)).collect::<Vec<_>>(), &lens, order);
                missed(&noise.iter().map(|&n| u8::truncate(n)).collect::<Vec<_>>(), &lens, order);
            }
        }
    }
}
