//! What a machine has to keep: single fields are written and nothing else, snapshots go on as if nothing had been.

use cdt_schema::{FieldTarget, Generation, Input, KindId, Machine, RowWriter, Scalar, Slot, Step, Tick, Uid};

use crate::{Arena, Deviation};

fn step(tick: u32) -> Step {
    let input = |player: u32| Input { buttons: (tick / 9 * 7 + player * 5) & 0x3f, ..Input::default() };
    Step { dt: 1.0 / 60.0, elapsed: 0, mode: 0, inputs: vec![input(0), input(1)], commands: Vec::new() }
}

fn played(ticks: u32) -> Arena {
    let mut arena = Arena::new(7, 2, None).expect("two may play");
    (0..ticks).for_each(|tick| arena.step(&step(tick)).expect("the input of two"));
    arena
}

fn rows(arena: &Arena) -> RowWriter {
    let mut rows = RowWriter::new(arena.layout());
    let mut tick = rows.tick(Tick(0));
    tick.step(&step(0)).expect("a step");
    arena.observe(&mut tick).expect("its own layout");
    tick.commit().expect("a whole tick");
    rows
}

#[test]
fn a_restored_game_goes_on_as_if_it_had_never_stopped() {
    let mut first = played(400);
    let mut second = Arena::new(1, 2, None).expect("two may play");
    second.restore(&first.snapshot()).expect("its snapshot");
    for tick in 400..900 {
        first.step(&step(tick)).expect("the input of two");
        second.step(&step(tick)).expect("the input of two");
        assert!(rows(&first).rows() == rows(&second).rows(), "tick {tick}");
    }
    assert_eq!(first.snapshot(), second.snapshot());
}

#[test]
fn what_is_no_snapshot_changes_nothing() {
    let mut arena = played(50);
    let before = arena.snapshot();
    for bytes in [&b""[..], b"no snapshot", &before[..before.len() - 1]] {
        assert!(arena.restore(bytes).is_err());
    }
    assert_eq!(arena.snapshot(), before);
}

#[test]
fn a_field_is_written_where_it_is_and_nowhere_else() {
    let mut arena = played(120);
    let entity =
        |kind, slot, generation| Uid { kind: KindId(kind), slot: Slot(slot), generation: Generation(generation) };
    let targets = [
        (FieldTarget::State(3), Scalar::U32(99)),
        (FieldTarget::Entity(entity(0, 1, 1), 6), Scalar::F32(12.5)),
        (FieldTarget::Entity(entity(1, 0, 1), 1), Scalar::F32(-1.0)),
    ];
    for (target, value) in targets {
        let before = rows(&arena);
        arena.write_field(target, value).expect("it is there");
        let after = rows(&arena);
        let count = |of: &RowWriter| {
            let tables = 0..of.rows().layout().tables().len();
            let columns = tables.flat_map(|id| of.rows().table(cdt_schema::TableId(id)).columns.clone());
            columns.collect::<Vec<_>>()
        };
        let differ = count(&before).iter().zip(&count(&after)).filter(|(a, b)| a != b).count();
        assert_eq!(differ, 1, "{target:?}");
    }
    let before = arena.snapshot();
    for (target, value) in [
        (FieldTarget::State(3), Scalar::I32(99)),
        (FieldTarget::State(7), Scalar::U32(99)),
        (FieldTarget::Entity(entity(0, 3, 1), 6), Scalar::F32(12.5)),
        (FieldTarget::Entity(entity(0, 1, 2), 6), Scalar::F32(12.5)),
        (FieldTarget::Entity(entity(1, 0, 2), 1), Scalar::F32(12.5)),
        (FieldTarget::Entity(entity(1, 64, 1), 1), Scalar::F32(12.5)),
        (FieldTarget::Entity(entity(4, 0, 1), 1), Scalar::F32(12.5)),
        (FieldTarget::Entity(entity(0, 1, 1), 15), Scalar::F32(12.5)),
        (FieldTarget::Entity(entity(1, 0, 1), 1), Scalar::F32(f32::NAN)),
        (FieldTarget::Entity(entity(1, 0, 1), 0), Scalar::I32(4)),
        (FieldTarget::Entity(entity(1, 0, 1), 7), Scalar::I32(9)),
    ] {
        assert!(arena.write_field(target, value).is_err(), "{target:?}");
    }
    assert_eq!(arena.snapshot(), before);
}

#[test]
fn players_are_as_many_as_there_are_places() {
    for players in [0, 5] {
        assert!(Arena::new(7, players, None).is_err());
    }
    let mut arena = Arena::new(7, 4, Some(Deviation::HealedBlip)).expect("four may play");
    assert!(arena.step(&step(0)).is_err(), "the input of two is none of four");
}
