//! A second machine beside the first, which has to do the same.

use cdt_schema::{
    Digest, Layout, Machine, Path, Role, RowError, RowWriter, Rows, Step, TableId, Tick, TickDigester, TickDigests,
};

use crate::{Error, Make};

/// How many ticks there are before the second machine is replaced for the first time; then at every power of two.
const FIRST_REPLACED: u32 = 64;

pub(crate) struct Twin<'a, M> {
    make: Make<'a, M>,
    machine: M,
    /// After which tick a snapshot of the first was taken that the machine comes from; `None` if it ran from the beginning.
    restored: Option<Tick>,
    rows: RowWriter,
    digester: TickDigester,
    reports_step: bool,
}

impl<'a, M: Machine> Twin<'a, M> {
    /// Beside a machine of a layout.
    pub(crate) fn new(make: Make<'a, M>, first: &Layout, reports_step: bool) -> Result<Twin<'a, M>, Error> {
        let machine = make().map_err(Error::unsuitable)?;
        let layout = machine.layout();
        if !layout.differences(first).is_empty() {
            return Err(Error::not_deterministic("the machine has not the same layout twice".to_owned()));
        }
        let digester = TickDigester::new(&layout);
        Ok(Twin { make, machine, restored: None, rows: RowWriter::new(layout), digester, reports_step })
    }

    /// Steps the machine as the first one was stepped, which stopped or did not.
    pub(crate) fn step(&mut self, step: &Step, tick: Tick, stopped: Option<&String>) -> Result<(), Error> {
        let mine = self.machine.step(step).map_err(|stop| stop.to_string()).err();
        if mine.as_ref() == stopped {
            return Ok(());
        }
        let say =
            |stopped: Option<&String>| stopped.map_or("it went on".to_owned(), |why| format!("it stopped ({why})"));
        Err(self.differs(tick, &format!("once {}, once {}", say(stopped), say(mine.as_ref()))))
    }

    /// Compares the tick with that of the first machine, which has this digest.
    pub(crate) fn check(&mut self, first: &M, step: &Step, tick: Tick, digest: Digest) -> Result<(), Error> {
        self.rows.begin_block();
        observe(&mut self.rows, &self.machine, step, tick, self.reports_step)
            .map_err(|error| Error::row(tick, &error))?;
        let TickDigests { tick: mine, .. } = self.digester.digest(self.rows.rows(), 0);
        if mine != digest {
            let mut rows = RowWriter::new(first.layout());
            let again = observe(&mut rows, first, step, tick, self.reports_step);
            let place = again.ok().and_then(|()| difference(rows.rows(), self.rows.rows()));
            let what = place.unwrap_or_else(|| "the digests of what it reports differ".to_owned());
            return Err(self.differs(tick, &what));
        }
        let done = tick.0 + 1;
        if done >= FIRST_REPLACED && done.is_power_of_two() {
            self.replace(first, tick)?;
        }
        Ok(())
    }

    /// Another machine goes on in the second one's place, from a snapshot of the first.
    fn replace(&mut self, first: &M, tick: Tick) -> Result<(), Error> {
        self.machine = (self.make)().map_err(Error::unsuitable)?;
        self.restored = Some(tick);
        self.machine.restore(&first.snapshot()).map_err(|error| {
            Error::not_deterministic(format!(
                "the snapshot that the machine made after tick {tick} cannot be restored: {error}"
            ))
        })
    }

    fn differs(&self, tick: Tick, what: &str) -> Error {
        Error::not_deterministic(match self.restored {
            None => format!("the machine does not do the same twice: at tick {tick}, {what}"),
            Some(since) => format!(
                "the machine does not do the same when it is restored: one that went on from the snapshot after tick {since} differs \
                 from the one that never stopped at tick {tick}: {what}"
            ),
        })
    }
}

fn observe<M: Machine>(
    rows: &mut RowWriter,
    machine: &M,
    step: &Step,
    tick: Tick,
    reports_step: bool,
) -> Result<(), RowError> {
    let mut builder = rows.tick(tick);
    if reports_step {
        builder.step(step)?;
    }
    machine.observe(&mut builder)?;
    builder.commit()
}

/// The first place in which two ticks differ, and how.
fn difference(a: &Rows, b: &Rows) -> Option<String> {
    let layout = a.layout();
    layout.tables().iter().enumerate().find_map(|(index, schema)| {
        let id = TableId(index);
        let (a_rows, b_rows) = (a.behavioural_rows(id, a.range(id, 0)), b.behavioural_rows(id, b.range(id, 0)));
        let row_of = |(&row, &other): (&usize, &usize)| {
            let differs = |column: &usize| {
                let is_behaviour = schema.columns[*column].role == Role::Behavioural;
                is_behaviour && !a.table(id).columns[*column].same(row, &b.table(id).columns[*column], other)
            };
            let column = (0..schema.columns.len()).find(differs)?;
            let path = a.uid(id, row).map_or_else(|| Path::row(layout, id, row), |uid| Path::entity(layout, uid));
            Some(path.field(&schema.columns[column].name).to_string())
        };
        let place = a_rows.iter().zip(&b_rows).find_map(row_of);
        let counts = || {
            (a_rows.len() != b_rows.len()).then(|| {
                format!("{} has {} rows once, {} rows once", Path::table(layout, id), a_rows.len(), b_rows.len())
            })
        };
        place.map(|place| format!("{place} differs")).or_else(counts)
    })
}
