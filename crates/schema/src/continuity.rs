//! Rules that tie a tick to those before it: ticks ascend, rng streams chain, a slot's generations never join two
//! lives, events are caused by earlier ones, memory begins whole. The writer checks them before it takes a tick, and
//! `health` checks them again on what was read.

use std::collections::HashMap;

use crate::rows::{entity_kind, lanes8, lanes32, lanes64};
use crate::table::columns::{entities, events, memory, rng};
use crate::{Layout, RngAlgorithm, RngChain, RowError, Rows, TableId, TableKind, Tick};

/// What must be remembered of past ticks to check the next one.
#[derive(Clone, Debug)]
pub struct Continuity {
    last_tick: Option<Tick>,
    chains: Vec<RngChain>,
    next_chains: Vec<RngChain>,
    pools: Vec<Pool>,
}

/// The tenants of one entity kind's slots.
#[derive(Clone, Debug, Default)]
struct Pool {
    /// Slot of every entity of the last tick, ascending.
    slots: Vec<u32>,
    /// Their generations.
    generations: Vec<u32>,
    /// Generation of the last tenant of every slot that is empty now and was not always. Never iterated.
    gone: HashMap<u32, u32>,
}

impl Continuity {
    /// No tick seen yet.
    pub fn new(layout: &Layout) -> Continuity {
        Continuity {
            last_tick: None,
            chains: vec![RngChain::default(); layout.rng_streams().len()],
            next_chains: Vec::new(),
            pools: vec![Pool::default(); layout.entity_kinds().len()],
        }
    }

    /// Whether a tick was seen.
    pub(crate) fn has_begun(&self) -> bool {
        self.last_tick.is_some()
    }

    /// Checks one tick, by its index in `rows`, against those before it, and remembers it. On an error nothing is
    /// remembered.
    ///
    /// # Errors
    /// The first rule that the tick breaks.
    pub fn check(&mut self, rows: &Rows, tick: usize) -> Result<(), RowError> {
        let number = rows.ticks()[tick];
        let mut interrupted = false;
        if let Some(last) = self.last_tick {
            if number <= last {
                return Err(RowError::new("tick", format!("ticks ascend, but {number} comes after {last}")));
            }
            interrupted = last.next() != Some(number);
        }
        self.next_chains.clone_from(&self.chains);
        if interrupted {
            self.next_chains.iter_mut().for_each(RngChain::interrupt);
        }
        for (index, schema) in rows.layout().tables().iter().enumerate() {
            let id = TableId(index);
            if !rows.loaded().contains(schema.channel) {
                continue;
            }
            match schema.kind {
                TableKind::Rng => self.check_draws(rows, id, tick)?,
                TableKind::Entities(kind) => self.pools[usize::from(kind.0)].check(rows, id, tick)?,
                TableKind::Events => check_causes(rows, id, tick)?,
                TableKind::Memory => check_pages(rows, id, tick, self.last_tick.is_none())?,
                _ => {}
            }
        }
        self.accept(rows, tick);
        Ok(())
    }

    fn accept(&mut self, rows: &Rows, tick: usize) {
        self.last_tick = Some(rows.ticks()[tick]);
        std::mem::swap(&mut self.chains, &mut self.next_chains);
        for (index, schema) in rows.layout().tables().iter().enumerate() {
            if let Some(kind) = entity_kind(schema.kind).filter(|_| rows.loaded().contains(schema.channel)) {
                self.pools[usize::from(kind.0)].accept(rows, TableId(index), tick);
            }
        }
    }

    fn check_draws(&mut self, rows: &Rows, id: TableId, tick: usize) -> Result<(), RowError> {
        let columns = &rows.table(id).columns;
        let streams = rows.layout().rng_streams();
        // Nothing is known of how their draws follow from each other.
        if streams.iter().all(|stream| stream.algorithm == RngAlgorithm::Opaque) {
            return Ok(());
        }
        let range = rows.range(id, tick);
        let (numbers, values) = (lanes8(&columns[rng::STREAM]), lanes32(&columns[rng::VALUE]));
        let (befores, afters) = (lanes64(&columns[rng::BEFORE]), lanes64(&columns[rng::AFTER]));
        for (row, seq) in range.zip(1u32..) {
            let stream = usize::from(numbers[row]);
            self.next_chains[stream]
                .check(streams[stream].algorithm, befores[row], values[row], afters[row])
                .map_err(|rule| RowError::new(format!("rng[{seq}] (stream {})", streams[stream].name), rule))?;
        }
        Ok(())
    }
}

impl Pool {
    /// The slots and the generations of a tick's rows.
    fn keys(rows: &Rows, id: TableId, tick: usize) -> (&[u32], &[u32]) {
        let columns = &rows.table(id).columns;
        let range = rows.range(id, tick);
        (&lanes32(&columns[entities::SLOT])[range.clone()], &lanes32(&columns[entities::GENERATION])[range])
    }

    fn check(&self, rows: &Rows, id: TableId, tick: usize) -> Result<(), RowError> {
        let (slots, generations) = Pool::keys(rows, id, tick);
        if slots == self.slots && generations == self.generations {
            return Ok(());
        }
        let mut live = self.slots.iter().zip(&self.generations).peekable();
        let mut last_slot = None;
        for (&slot, &generation) in slots.iter().zip(generations) {
            let refuse = |rule: String| {
                let name = &rows.layout().tables()[id.0].name;
                Err(RowError::new(format!("{name}[slot={slot},gen={generation}]"), rule))
            };
            if let Some(last) = last_slot.filter(|&last| last >= slot) {
                return refuse(format!("slots ascend within a kind, but {slot} comes after {last}"));
            }
            last_slot = Some(slot);
            while live.next_if(|(past, _)| **past < slot).is_some() {}
            match live.next_if(|(past, _)| **past == slot) {
                Some((_, &past)) if generation < past => {
                    return refuse(format!("generations of a slot never fall, but the last tick had {past}"));
                }
                Some(_) => {}
                None => match self.gone.get(&slot) {
                    Some(&past) if generation <= past => {
                        return refuse(format!(
                            "the slot was empty after generation {past}; a new life needs a higher generation"
                        ));
                    }
                    _ => {}
                },
            }
        }
        Ok(())
    }

    fn accept(&mut self, rows: &Rows, id: TableId, tick: usize) {
        let (slots, generations) = Pool::keys(rows, id, tick);
        if slots != self.slots {
            let mut current = slots.iter().peekable();
            for (&slot, &generation) in self.slots.iter().zip(&self.generations) {
                while current.next_if(|&&other| other < slot).is_some() {}
                if current.next_if(|&&other| other == slot).is_none() {
                    self.gone.insert(slot, generation);
                }
            }
            self.slots.clear();
            self.slots.extend_from_slice(slots);
        }
        self.generations.clear();
        self.generations.extend_from_slice(generations);
    }
}

fn check_causes(rows: &Rows, id: TableId, tick: usize) -> Result<(), RowError> {
    let columns = &rows.table(id).columns;
    for (row, seq) in rows.range(id, tick).zip(1u32..) {
        let cause = lanes32(&columns[events::CAUSE])[row];
        if cause >= seq {
            let rule = format!("an event is caused by an earlier one of its tick, not by {cause}");
            return Err(RowError::new(format!("events[{seq}].cause"), rule));
        }
    }
    Ok(())
}

fn check_pages(rows: &Rows, id: TableId, tick: usize, first: bool) -> Result<(), RowError> {
    let layout = rows.layout().memory();
    let pages = lanes32(&rows.table(id).columns[memory::PAGE]);
    let range = rows.range(id, tick);
    let pages = pages[range.clone()].iter();
    if let Some((a, b)) = pages.clone().zip(pages.skip(1)).find(|(a, b)| a >= b) {
        return Err(RowError::new("memory", format!("pages ascend, but {b} comes after {a}")));
    }
    if first && range.len() != layout.pages as usize {
        let rule = format!("the first tick carries all {} pages, not {}", layout.pages, range.len());
        return Err(RowError::new("memory", rule));
    }
    Ok(())
}
