//! The certificate of what was compared.

use std::num::NonZeroU64;

use cdt_schema::{Channel, Layout, Path, Role, TableId, TableKind};
use cdt_trace::{Source, Totals, Trace, Watch};

use crate::plan::Plan;
use crate::report::{Compared, NeverCompared};
use crate::rules::{CellRule, TableRules};
use crate::ticks::TickSet;
use crate::{DiffOptions, Error, coverage};

/// How much was compared, what was not, and what never changed.
pub(crate) fn compared<R: Source, C: Source>(
    reference: &Trace<R>,
    candidate: &Trace<C>,
    plan: &Plan,
    options: &DiffOptions,
    watch: &dyn Watch,
) -> Result<Compared, Error> {
    let (of_reference, of_candidate) =
        (plan.pairing.ticks_of(|stretch| stretch.reference), plan.pairing.ticks_of(|stretch| stretch.candidate));
    let left = held(reference, &of_reference, plan, watch)?;
    let right = held(candidate, &of_candidate, plan, watch)?;
    let span = plan.pairing.span();
    let mut certificate = Certificate {
        sides: [(reference.layout(), left), (candidate.layout(), right)],
        compared: Compared {
            window: span.map(|(first, last)| format!("{first}..{}", u64::from(last.0) + 1)),
            whole: options.whole,
            ticks: plan.pairing.common(),
            ..Compared::default()
        },
        values: 0,
    };
    certificate.left_out(plan);
    for table in &plan.rules.tables {
        certificate.table(table);
    }
    let Certificate { mut compared, values, sides: [(_, left), _] } = certificate;
    compared.values = NonZeroU64::new(values);
    compared.ticks_with_input = plan.rules.channels.contains(Channel::Step).then_some(left.ticks_with_input);
    Ok(compared)
}

/// What a trace has in the ticks that are compared.
pub(crate) fn held<S: Source>(
    trace: &Trace<S>,
    ticks: &TickSet,
    plan: &Plan,
    watch: &dyn Watch,
) -> Result<Totals, Error> {
    let Some(window) = ticks.window() else { return Ok(Totals::none(trace.layout())) };
    if TickSet::within(&trace.index().tick_runs, window).count() == ticks.count() {
        return coverage::of(trace, window, plan.rules.channels);
    }
    coverage::of_some(trace, ticks, plan.rules.channels, watch)
}

struct Certificate<'a> {
    /// The reference's layout and what it has, then the candidate's.
    sides: [(&'a Layout, Totals); 2],
    compared: Compared,
    values: u64,
}

impl Certificate<'_> {
    fn never(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.compared.never_compared.push(NeverCompared { what: what.into(), why: why.into() });
    }

    /// Channels that are not compared, and what the policy leaves out.
    fn left_out(&mut self, plan: &Plan) {
        let [(left, _), (right, _)] = self.sides;
        for channel in Channel::ALL {
            if !left.channels().contains(channel) && !right.channels().contains(channel) {
                self.never(channel.name(), "declared by neither trace");
            }
        }
        for mask in &plan.rules.masks {
            self.never(mask.what.clone(), mask.reason.clone());
        }
    }

    fn table(&mut self, table: &TableRules) {
        let [(layout, left), (other_layout, right)] = &self.sides;
        let (rows, other_rows) = (left.rows[table.left.0], right.rows[table.right.0]);
        let own = Path::table(layout, table.left);
        let changed = (changes(layout, table.left, left), changes(other_layout, table.right, right));
        let keys = layout.tables()[table.left.0].key_columns();
        if (rows, other_rows) == (0, 0) {
            let of_guest = if table.kind == TableKind::Events { " that is the guest's" } else { "" };
            self.never(own.to_string(), format!("neither run has a row of it{of_guest}"));
            return;
        }
        self.compared.rows += rows;
        let mut never = Vec::new();
        for column in &table.columns {
            let what = own.field(&column.name).to_string();
            if column.role == Role::Diagnostic {
                never.push(what);
                continue;
            }
            // Of a list it is enough that one member is compared.
            let is_compared = match &column.rule {
                CellRule::Members(kinds) => kinds.iter().flatten().any(|member| *member != CellRule::LeftOut),
                _ => true,
            };
            if is_compared {
                self.values += rows;
                if column.left >= keys && !changed.0[column.left] && !changed.1[column.right] {
                    self.compared.never_changed.push(what);
                }
            }
        }
        for what in never {
            self.never(what, "not behaviour: told as a diagnostic");
        }
    }
}

/// For each column of a table, whether its values change.
fn changes(layout: &Layout, table: TableId, totals: &Totals) -> Vec<bool> {
    let before: usize = layout.tables()[..table.0].iter().map(|table| table.columns.len()).sum();
    let columns = layout.tables()[table.0].columns.len();
    totals.changed[before..before + columns].iter().map(|change| change.within).collect()
}
