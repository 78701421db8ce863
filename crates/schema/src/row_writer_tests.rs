//! The writer's rules, each through one funnel: a layout, a few ticks, and the error or the rows.

use std::sync::Arc;

use crate::{
    Call, Channel, Checkpoint, CheckpointLayout, Decision, Draw, EntityKind, Event, EventKind, Field, Generation,
    Input, KindId, Layout, LayoutSpec, MemoryLayout, Origin, PageId, RngAlgorithm, RngStream, RowError, RowWriter,
    Scalar, ScalarType, Seq, Slot, StageId, Step, StepLayout, StreamId, Syscall, SyscallId, Tick, TickBuilder,
    TickDigester, TimingSample, Uid, Values,
};

/// Completes a tick.
type Fill<'a> = dyn Fn(&mut TickBuilder<'_>) -> Result<(), RowError> + 'a;

fn field(name: &str, scalar_type: ScalarType) -> Field {
    Field { name: name.into(), scalar_type }
}

fn spec() -> LayoutSpec {
    LayoutSpec {
        players: 1,
        stages: vec!["update".into()],
        step: Some(StepLayout::default()),
        rng: Some(vec![RngStream { name: "main".into(), algorithm: RngAlgorithm::MsvcLcg }]),
        calls: Some(vec![Syscall {
            module: "sys".into(),
            name: "blit".into(),
            version: 1,
            args: vec![field("x", ScalarType::I32)],
            result: Some(ScalarType::I32),
        }]),
        state: Some(vec![field("score", ScalarType::U32), field("energy", ScalarType::F32)]),
        entities: Some(vec![EntityKind { name: "creature".into(), fields: vec![field("hp", ScalarType::I32)] }]),
        checkpoint: Some(CheckpointLayout { fuel: true, entity_counts: true, ..CheckpointLayout::default() }),
        timing: true,
        events: Some(vec![EventKind { name: "hit".into(), values: vec![field("by", ScalarType::I32)] }]),
        memory: Some(MemoryLayout { page_size: 64, pages: 2 }),
    }
}

fn uid(slot: u32, generation: u32) -> Uid {
    Uid { kind: KindId(0), slot: Slot(slot), generation: Generation(generation) }
}

/// Everything of a tick but entities and draws.
fn fill(tick: &mut TickBuilder<'_>, first: bool) -> Result<(), RowError> {
    tick.step(&Step { dt: 0.5, inputs: vec![Input::default()], ..Step::default() })?;
    tick.state(&[Scalar::U32(3), Scalar::F32(1.5)])?;
    tick.checkpoint(&Checkpoint { entity_counts: &[1], fuel: Some(9), ..Checkpoint::default() })?;
    if first {
        tick.page(PageId(0), &[0; 64])?;
        tick.page(PageId(1), &[1; 64])?;
    }
    Ok(())
}

/// Writes ticks 0, 1, … of a full layout, each filled and then completed by one of `ticks`.
fn write(ticks: &[&Fill<'_>]) -> Result<RowWriter, RowError> {
    let mut writer = RowWriter::new(Arc::new(Layout::new(spec()).unwrap()));
    for (number, finish) in ticks.iter().enumerate() {
        let mut tick = writer.tick(Tick(u32::try_from(number).unwrap()));
        fill(&mut tick, number == 0)?;
        finish(&mut tick)?;
        tick.commit()?;
    }
    Ok(writer)
}

fn refused(ticks: &[&Fill<'_>], message: &str) {
    assert_eq!(write(ticks).unwrap_err().to_string(), message);
}

#[test]
fn entity_rules() {
    refused(
        &[&|t| t.entity(uid(3, 0), &[Scalar::I32(1)]).and(t.entity(uid(3, 1), &[Scalar::I32(1)]))],
        "entities.creature[slot=3,gen=1]: slots ascend within a kind, but 3 comes after 3",
    );
    refused(
        &[&|t| t.entity(uid(3, 2), &[Scalar::I32(1)]), &|t| t.entity(uid(3, 1), &[Scalar::I32(1)])],
        "entities.creature[slot=3,gen=1]: generations of a slot never fall, but the last tick had 2",
    );
    refused(
        &[&|t| t.entity(uid(3, 2), &[Scalar::I32(1)]), &|_| Ok(()), &|t| t.entity(uid(3, 2), &[Scalar::I32(1)])],
        "entities.creature[slot=3,gen=2]: the slot was empty after generation 2; a new life needs a higher generation",
    );
    refused(
        &[&|t| t.entity(uid(0, 0), &[Scalar::F32(1.0)])],
        "entities.creature[slot=0,gen=0].hp: type i32 is expected, not f32 1.0",
    );
    refused(&[&|t| t.entity(uid(0, 0), &[])], "entities.creature[slot=0,gen=0]: 1 fields are expected, not 0");
    write(&[&|t| t.entity(uid(3, 2), &[Scalar::I32(1)]), &|_| Ok(()), &|t| t.entity(uid(3, 3), &[Scalar::I32(1)])])
        .unwrap();
}

#[test]
fn entities_may_come_all_at_once() {
    let kind = EntityKind { name: "creature".into(), fields: vec![field("hp", ScalarType::F32)] };
    let spec = LayoutSpec { entities: Some(vec![kind]), ..LayoutSpec::default() };
    let layout = Arc::new(Layout::new(spec).unwrap());
    let write = |fill: &Fill<'_>| {
        let mut writer = RowWriter::new(layout.clone());
        let mut tick = writer.tick(Tick(0));
        fill(&mut tick)?;
        tick.commit()?;
        Ok::<RowWriter, RowError>(writer)
    };
    let apart = write(&|tick| {
        tick.entity(uid(1, 0), &[Scalar::F32(0.5)])?;
        tick.entity(uid(4, 2), &[Scalar::F32(-0.0)])
    });
    let together = write(&|tick| tick.entities(KindId(0), &[1, 4], &[0, 2], &[Values::F32(&[0.5, -0.0])]));
    assert_eq!(apart.unwrap().rows(), together.unwrap().rows());
    let refused = |slots: &[u32], generations: &[u32], fields: &[Values<'_>], message: &str| {
        let error = write(&|tick| tick.entities(KindId(0), slots, generations, fields)).unwrap_err();
        assert_eq!(error.to_string(), message);
    };
    refused(&[1], &[0], &[], "entities.creature: 1 fields are expected, not 0");
    let uneven = "entities.creature: there are 2 slots, so as many values of each field are expected, not 1";
    refused(&[1, 2], &[0, 0], &[Values::F32(&[0.5])], uneven);
    refused(&[1, 2], &[0], &[Values::F32(&[0.5, 0.5])], uneven);
    let bad = [Values::F32(&[0.5, f32::NAN])];
    refused(&[1, 2], &[0, 7], &bad, "entities.creature[slot=2,gen=7].hp: numbers are finite, but NaN came");
    let other = [Values::I32(&[1])];
    refused(&[1], &[0], &other, "entities.creature[slot=1,gen=0].hp: type f32 is expected, not i32 1");
    refused(&[], &[], &[Values::I32(&[])], "entities.creature.hp: type f32 is expected, not i32");
    let order = "entities.creature[slot=1,gen=0]: slots ascend within a kind, but 1 comes after 2";
    refused(&[2, 1], &[0, 0], &[Values::F32(&[0.5; 2])], order);
}

#[test]
fn draws_at_once_are_draws_in_order() {
    let draw = |before, value, after| Draw { stream: StreamId(0), value, before, after, caller: 7 };
    let first = draw(1, 41, 2_745_024);
    let Draw { after, .. } = first;
    let (value, next) = RngAlgorithm::MsvcLcg.next(after, 0);
    let second = draw(after, value, next);
    let one_by_one = write(&[&|t| t.draw(first).and_then(|()| t.draw(second))]).unwrap();
    let at_once = write(&[&|t| t.draws(&[]).and_then(|()| t.draws(&[first, second]))]).unwrap();
    assert_eq!(one_by_one.rows(), at_once.rows());
    let stranger = Draw { stream: StreamId(9), ..second };
    refused(&[&|t| t.draws(&[first, stranger, second])], "rng: stream 9 is not declared; the layout has 1");
}

#[test]
fn ordered_channels_rules() {
    let draw = |before, value, after| Draw { stream: StreamId(0), value, before, after, caller: 0 };
    refused(
        &[&|t| t.draw(draw(1, 41, 2_745_024)), &|t| t.draw(draw(1, 41, 2_745_024))],
        "rng[1] (stream main): the draw begins at state 1, but the stream's last draw left 2745024: a draw or a reseed is missing",
    );
    refused(
        &[&|t| {
            t.call(Call {
                syscall: SyscallId(1),
                stage: StageId(0),
                args: &[],
                result: None,
                decision: Decision::Denied,
            })
        }],
        "calls: syscall 1 is not declared; the layout has 1",
    );
    refused(
        &[&|t| {
            let args = &[Scalar::I32(1)];
            t.call(Call { syscall: SyscallId(0), stage: StageId(0), args, result: None, decision: Decision::Allowed })
        }],
        "calls.sys.blit@1: a result of type i32 is expected, and none came",
    );
    refused(
        &[&|t| {
            let cause = Some(Seq(1));
            t.event(Event { kind: KindId(0), origin: Origin::Guest, subject: None, values: &[Scalar::I32(0)], cause })
        }],
        "events[1].cause: an event is caused by an earlier one of its tick, not by 1",
    );
    refused(
        &[&|t| t.timing(TimingSample { stage: StageId(4), fuel: 0, wall_ns: 0 })],
        "timing: stage 4 is not declared; the layout has 1",
    );
    refused(&[&|t| t.page(PageId(9), &[0; 64])], "memory: page 9 does not exist; the layout declares 2");
    refused(&[&|t| t.page(PageId(0), &[0; 64])], "memory: pages ascend, but 0 comes after 1");
    refused(
        &[&|t| t.state(&[Scalar::U32(3), Scalar::F32(f32::NAN)])],
        "state.energy: numbers are finite, but NaN came",
    );
    refused(&[&|t| t.state(&[Scalar::U32(3), Scalar::F32(1.5)])], "state: every tick carries 1 rows of state, not 2");
}

/// A row that is refused in its middle leaves columns of unequal lengths, which the next tick's values would fill.
#[test]
fn a_tick_with_a_refused_row_is_not_taken() {
    let layout = Arc::new(Layout::new(spec()).unwrap());
    let bad: [&Fill<'_>; 4] = [
        &|tick| tick.entity(uid(1, 0), &[Scalar::F32(0.5)]),
        &|tick| tick.timing(TimingSample { stage: StageId(9), fuel: 1, wall_ns: 1 }),
        &|tick| tick.page(PageId(7), &[0; 64]),
        &|tick| tick.step(&Step { inputs: vec![Input { aim_x: f32::NAN, ..Input::default() }], ..Step::default() }),
    ];
    for put in bad {
        let mut writer = RowWriter::new(layout.clone());
        let mut tick = writer.tick(Tick(0));
        fill(&mut tick, true).unwrap();
        let error = put(&mut tick).unwrap_err();
        assert_eq!(tick.commit(), Err(error));
        let mut tick = writer.tick(Tick(0));
        fill(&mut tick, true).unwrap();
        tick.entity(uid(1, 0), &[Scalar::I32(5)]).unwrap();
        tick.commit().unwrap();
        let columns = writer.rows().layout().tables().iter().zip(0..).flat_map(|(schema, index)| {
            let table = writer.rows().table(crate::TableId(index));
            let uneven = table.columns.iter().any(|column| column.len() != table.rows());
            uneven.then_some(&schema.name)
        });
        assert_eq!(columns.count(), 0, "every column has a value for each row");
    }
}

#[test]
fn a_failed_tick_leaves_no_rows_behind() {
    let mut writer = write(&[&|t| t.entity(uid(1, 0), &[Scalar::I32(5)])]).unwrap();
    let before = writer.rows().clone();
    let mut tick = writer.tick(Tick(1));
    fill(&mut tick, false).unwrap();
    tick.entity(uid(1, 0), &[Scalar::I32(6)]).unwrap();
    drop(tick);
    assert_eq!(writer.rows(), &before);
    let mut repeated = writer.tick(Tick(0));
    fill(&mut repeated, false).unwrap();
    assert_eq!(repeated.commit().unwrap_err().to_string(), "tick: ticks ascend, but 0 comes after 0");
    assert_eq!(writer.rows(), &before);
}

#[test]
fn blocks_begin_with_all_of_memory_and_digests_do_not_see_it() {
    let change = |t: &mut TickBuilder<'_>| t.page(PageId(1), &[7; 64]);
    let nothing = |_: &mut TickBuilder<'_>| Ok(());
    let whole = write(&[&nothing, &change, &nothing]).unwrap();
    let layout = whole.rows().layout().clone();
    let mut digester = TickDigester::new(&layout);
    let expected: Vec<_> = (0..3).map(|tick| digester.digest(whole.rows(), tick)).collect();

    let mut writer = RowWriter::new(layout.clone());
    let mut got = Vec::new();
    for number in 0..3 {
        let mut tick = writer.tick(Tick(number));
        fill(&mut tick, number == 0).unwrap();
        if number == 1 {
            change(&mut tick).unwrap();
        }
        tick.commit().unwrap();
        let block = writer.rows().clone();
        writer.begin_block();
        let memory = layout.table(crate::TableKind::Memory).unwrap();
        assert_eq!(block.range(memory, 0).len(), 2, "all pages at a block's first tick");
        got.push(TickDigester::new(&layout).digest(&block, 0));
    }
    assert_eq!(got, expected);
    assert_ne!(expected[0].tick, expected[1].tick);
    assert_eq!(expected[1].channels, expected[2].channels);
}

#[test]
fn a_page_that_did_not_change_is_no_row() {
    let change = |t: &mut TickBuilder<'_>| t.page(PageId(1), &[7; 64]);
    let again = |t: &mut TickBuilder<'_>| t.page(PageId(0), &[0; 64]).and_then(|()| t.page(PageId(1), &[7; 64]));
    let nothing = |_: &mut TickBuilder<'_>| Ok(());
    let told_again = write(&[&nothing, &change, &again, &again]).unwrap();
    assert_eq!(told_again.rows(), write(&[&nothing, &change, &nothing, &nothing]).unwrap().rows());
}

#[test]
fn ticks_that_are_copied_are_the_same_rows_whatever_their_blocks() {
    let change = |t: &mut TickBuilder<'_>| t.page(PageId(1), &[7; 64]);
    let live = |t: &mut TickBuilder<'_>, generation: u32| {
        t.entity(uid(3, generation), &[Scalar::I32(5)])?;
        let event =
            Event { kind: KindId(0), origin: Origin::Guest, subject: None, values: &[Scalar::I32(9)], cause: None };
        t.event(event)
    };
    let whole = write(&[&|t| live(t, 1), &change, &|t| live(t, 2), &change]).unwrap();
    let layout = whole.rows().layout().clone();
    // Into blocks of one tick each, and from those back into one block.
    let (mut small, mut back) = (RowWriter::new(layout.clone()), RowWriter::new(layout));
    for number in 0..4 {
        let mut tick = small.tick(whole.rows().ticks()[number]);
        tick.copy(whole.rows(), number);
        tick.commit().unwrap();
        let mut tick = back.tick(small.rows().ticks()[0]);
        tick.copy(small.rows(), 0);
        tick.commit().unwrap();
        small.begin_block();
    }
    assert_eq!(back.rows(), whole.rows());
}

#[test]
fn rows_that_were_read_carry_all_of_memory_first() {
    let change = |t: &mut TickBuilder<'_>| t.page(PageId(1), &[7; 64]);
    let good = write(&[&|_| Ok(()), &change]).unwrap();
    let layout = good.rows().layout().clone();
    let memory = layout.table(crate::TableKind::Memory).unwrap();
    let read = |fault: &dyn Fn(&mut crate::Table)| {
        let tables = (0..layout.tables().len()).map(|index| {
            let mut table = good.rows().table(crate::TableId(index)).clone();
            if index == memory.0 {
                fault(&mut table);
            }
            table
        });
        let read = crate::Rows::from_decoded(
            layout.clone(),
            good.rows().ticks().to_vec(),
            tables.collect(),
            layout.channels(),
        );
        read.map(drop).map_err(|error| error.to_string())
    };
    read(&|_| ()).unwrap();
    let fewer = |table: &mut crate::Table| table.ends[0] = 1;
    assert_eq!(read(&fewer).unwrap_err(), "memory: the first tick has 1 pages of 2");
    let back = |table: &mut crate::Table| {
        let mut pages = crate::Column::new(crate::ColumnType::Scalar(ScalarType::U32));
        [1, 0, 1].iter().for_each(|&page| pages.push_bits(page));
        table.columns[0] = pages;
    };
    assert_eq!(read(&back).unwrap_err(), "memory: row 1 has page 0 after page 1");
}

#[test]
fn what_is_not_behaviour_does_not_reach_the_digest() {
    let digest = |caller: u32, wall_ns: u64, host_event: bool| {
        let finish = move |t: &mut TickBuilder<'_>| -> Result<(), RowError> {
            t.draw(Draw { stream: StreamId(0), value: 41, before: 1, after: 2_745_024, caller })?;
            t.timing(TimingSample { stage: StageId(0), fuel: 1, wall_ns })?;
            let event =
                Event { kind: KindId(0), origin: Origin::Guest, subject: None, values: &[Scalar::I32(0)], cause: None };
            t.event(event)?;
            if host_event {
                t.event(Event { origin: Origin::Host, ..event })?;
            }
            let cause = Some(Seq(1));
            t.event(Event { cause, ..event })
        };
        let writer = write(&[&finish]).unwrap();
        TickDigester::new(writer.rows().layout()).digest(writer.rows(), 0)
    };
    let (one, other) = (digest(1, 10, false), digest(2, 20, true));
    assert_eq!((one.tick, one.channels), (other.tick, other.channels));
    for channel in Channel::ALL {
        let same = one.diagnostics[channel as usize] == other.diagnostics[channel as usize];
        assert_eq!(same, !channel.has_diagnostics(), "{channel}");
    }
}
