//! Comparing two traces of which one or both still grow: when is the verdict settled?

use cdt_projections::Window;
use cdt_schema::Tick;
use cdt_trace::{Source, Trace, Watch};

use crate::report::{DiffReport, Mismatch, ReasonCode, Verdict};
use crate::{DiffOptions, Error, diff};

/// Compares the ticks that two growing traces have come to share, each tick once or, where a difference may yet turn out
/// to last, from its start.
#[derive(Debug)]
pub struct DiffFollower {
    options: DiffOptions,
    /// Ticks before this one need not be looked at again.
    from: Tick,
    /// The last tick whose difference was told.
    told: Option<Tick>,
}

/// What is known of two growing traces.
#[derive(Clone, Debug)]
pub enum Standing {
    /// Nothing that was not known before.
    Open,
    /// They differ at this tick, and it is not known yet for how long.
    Differ(Box<Mismatch>),
    /// What is still to come cannot change the verdict, which an ordinary comparison gives now.
    Settled,
}

impl DiffFollower {
    /// Begins at the window's start. Ticks that only one trace has are no difference while it grows.
    pub fn new(options: &DiffOptions) -> DiffFollower {
        DiffFollower {
            options: DiffOptions { whole: false, ..options.clone() },
            from: options.window.start,
            told: None,
        }
    }

    /// Looks at what the two have so far.
    ///
    /// # Errors
    /// As for [`diff`].
    pub fn look<R: Source, C: Source>(
        &mut self,
        reference: &Trace<R>,
        candidate: &Trace<C>,
        watch: &dyn Watch,
    ) -> Result<Standing, Error> {
        let ends = (reference.index().tick_range(), candidate.index().tick_range());
        let (Some((_, a)), Some((_, b))) = ends else { return Ok(Standing::Open) };
        let window_end = self.options.window.end;
        let end = a.min(b).next().map_or(window_end, |next| Some(window_end.map_or(next, |end| end.min(next))));
        if end.is_some_and(|end| end <= self.from) {
            return Ok(Standing::Open);
        }
        let window = Window { start: self.from, end };
        let report = diff(reference, candidate, &DiffOptions { window, ..self.options.clone() }, watch)?;
        let lasts = report.episodes.counts.sustained > 0;
        // That all ticks of the window are there settles nothing: of any of them a loss may still be recorded.
        if lasts || never_comparable(&report) {
            return Ok(Standing::Settled);
        }
        // What differs up to here may go on to differ; all before it healed.
        self.from = report.parted.or(end).unwrap_or(self.from);
        let news = report.first_mismatch.filter(|first| self.told.is_none_or(|told| told < first.tick));
        self.told = news.as_ref().map(|first| first.tick).or(self.told);
        Ok(news.map_or(Standing::Open, |first| Standing::Differ(Box::new(first))))
    }
}

/// Whether two traces cannot be compared, whatever ticks are still to come.
fn never_comparable(report: &DiffReport) -> bool {
    let lasts = |code| matches!(code, ReasonCode::LayoutDiffers | ReasonCode::ChannelAbsent | ReasonCode::LossInside);
    report.verdict == Verdict::NotComparable && report.reasons.iter().any(|reason| lasts(reason.code))
}
