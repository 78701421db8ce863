//! W2: the demo's scene, sixty boxes that fall and come to rest.

use arrow_array::RecordBatch;
use cdt_schema::columns::entities;
use cdt_schema::{
    EntityKind, Field, KindId, Layout, LayoutSpec, RowError, Rows, Scalar, ScalarType, Step, StepLayout, TableKind,
    TickBuilder, Values,
};
use demo_boxes::world::{Frame, reference};
use demo_boxes::{capture, scene};

use crate::arrow::{batch, floats, u32s, u64s};
use crate::workload::{Workload, lanes32, lanes64};

const FIELDS: [&str; 6] = ["x", "y", "angle", "vx", "vy", "spin"];

/// The falling boxes.
pub struct W2;

/// One tick of the scene.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Boxes {
    elapsed: u64,
    contacts: u32,
    kinetic_energy: f32,
    boxes: Vec<[f32; FIELDS.len()]>,
}

impl Workload for W2 {
    type Tick = Boxes;

    const TITLE: &'static str = "W2, the demo's scene: 60 boxes of 6 fields that fall and come to rest";
    const COUNTED: [&'static str; 2] = ["y", "vx"];
    const QUERY: &'static str =
        "SELECT slot, count(*) AS rows, max(y) AS most, avg(vx) AS mean FROM entities.box GROUP BY slot";

    fn run() -> impl Iterator<Item = Boxes> {
        let tick = |(tick, frame): (u64, Frame)| Boxes {
            elapsed: tick * 1_000_000 / u64::from(scene::TICK_RATE),
            contacts: frame.contacts,
            kinetic_energy: frame.kinetic_energy,
            boxes: frame.boxes,
        };
        (0..).zip(reference::frames()).map(tick)
    }

    fn raw_bytes(tick: &Boxes) -> usize {
        16 + 8 + tick.boxes.len() * (8 + FIELDS.len() * 4)
    }

    fn layout(_: bool) -> Layout {
        let field = |name: &str, scalar_type| Field { name: name.to_owned(), scalar_type };
        let fields = FIELDS.iter().map(|name| field(name, ScalarType::F32)).collect();
        let spec = LayoutSpec {
            step: Some(StepLayout::default()),
            state: Some(vec![field("contacts", ScalarType::U32), field("kinetic_energy", ScalarType::F32)]),
            entities: Some(vec![EntityKind { name: "box".to_owned(), fields }]),
            ..LayoutSpec::default()
        };
        Layout::new(spec).expect("the workload's layout is sound")
    }

    fn fill(tick: &Boxes, builder: &mut TickBuilder<'_>) -> Result<(), RowError> {
        builder.step(&Step { dt: scene::DT, elapsed: tick.elapsed, ..Step::default() })?;
        builder.state(&[Scalar::U32(tick.contacts), Scalar::F32(tick.kinetic_energy)])?;
        const BOXES: usize = scene::BOXES as usize;
        let mut columns = [[0.0f32; BOXES]; FIELDS.len()];
        for (index, fields) in tick.boxes.iter().enumerate() {
            columns.iter_mut().zip(fields).for_each(|(column, &value)| column[index] = value);
        }
        let slots: [u32; BOXES] = std::array::from_fn(|slot| u32::try_from(slot).expect("sixty"));
        builder.entities(KindId(0), &slots, &[0; BOXES], &columns.each_ref().map(|column| Values::F32(column)))
    }

    fn read(rows: &Rows, index: usize, into: &mut Boxes) {
        let table = |kind| rows.layout().table(kind).expect("the workload declares it");
        into.elapsed = lanes64(rows, table(TableKind::Step), cdt_schema::columns::step::ELAPSED)[index];
        into.contacts = lanes32(rows, table(TableKind::State), 0)[index];
        into.kinetic_energy = f32::from_bits(lanes32(rows, table(TableKind::State), 1)[index]);
        let table = table(TableKind::Entities(KindId(0)));
        let range = rows.range(table, index);
        let fields: [&[u32]; FIELDS.len()] =
            std::array::from_fn(|field| &lanes32(rows, table, entities::FIRST_FIELD + field)[range.clone()]);
        into.boxes.clear();
        let of_box = |row: usize| std::array::from_fn(|field| f32::from_bits(fields[field][row]));
        into.boxes.extend((0..range.len()).map(of_box));
    }

    fn batches(ticks: &[Boxes], first: u32) -> Vec<RecordBatch> {
        let numbers = || (first..).zip(ticks);
        let all = || {
            numbers().flat_map(|(tick, row)| (0u32..).zip(&row.boxes).map(move |(slot, fields)| (tick, slot, fields)))
        };
        let name = str::to_owned;
        let mut boxes = vec![
            (name("tick"), u32s(all().map(|(tick, ..)| tick))),
            (name("slot"), u32s(all().map(|(_, slot, _)| slot))),
            (name("generation"), u32s(all().map(|_| 0))),
        ];
        for (index, field) in FIELDS.into_iter().enumerate() {
            boxes.push((name(field), floats(all().map(move |(.., fields)| fields[index]))));
        }
        let ticks = vec![
            (name("tick"), u32s(numbers().map(|(tick, _)| tick))),
            (name("dt"), floats(ticks.iter().map(|_| scene::DT))),
            (name("elapsed"), u64s(ticks.iter().map(|tick| tick.elapsed))),
            (name("mode"), u32s(ticks.iter().map(|_| 0))),
            (name("contacts"), u32s(ticks.iter().map(|tick| tick.contacts))),
            (name("kinetic_energy"), floats(ticks.iter().map(|tick| tick.kinetic_energy))),
        ];
        vec![batch(ticks), batch(boxes)]
    }

    fn pack(tick: &Boxes, out: &mut Vec<u8>) {
        out.extend_from_slice(&tick.elapsed.to_le_bytes());
        let mut u32s = |value: u32| out.extend_from_slice(&value.to_le_bytes());
        [scene::DT.to_bits(), 0, tick.contacts, tick.kinetic_energy.to_bits()].into_iter().for_each(&mut u32s);
        for (slot, fields) in (0..).zip(&tick.boxes) {
            [slot, 0].into_iter().for_each(&mut u32s);
            fields.iter().for_each(|value| u32s(value.to_bits()));
        }
    }

    fn unpack(bytes: &[u8], into: &mut Boxes) {
        let (head, boxes) = bytes.split_at(24);
        let words = head.as_chunks::<4>().0;
        let word = |index: usize| u32::from_le_bytes(words[index]);
        into.elapsed = u64::from(word(0)) | u64::from(word(1)) << 32;
        into.contacts = word(4);
        into.kinetic_energy = f32::from_bits(word(5));
        into.boxes.clear();
        let of_box =
            |row: &[u8; 32]| std::array::from_fn(|field| f32::from_le_bytes(row.as_chunks::<4>().0[2 + field]));
        into.boxes.extend(boxes.as_chunks::<32>().0.iter().map(of_box));
    }

    fn counts(y: u32, vx: u32) -> bool {
        // Without a branch, so that several are looked at at once.
        W2::may_count(y) & (f32::from_bits(vx) < 0.0)
    }

    fn may_count(lowest: u32) -> bool {
        f32::from_bits(lowest) < 2.0
    }

    fn count(tick: &Boxes) -> usize {
        tick.boxes.iter().filter(|fields| W2::counts(fields[1].to_bits(), fields[3].to_bits())).count()
    }

    fn fork(tick: &mut Boxes) {
        tick.boxes[0][5] += 0.5;
    }

    fn difference(a: &Boxes, b: &Boxes) -> Option<String> {
        let pair = |(slot, (a, b)): (usize, (&[f32; FIELDS.len()], &[f32; FIELDS.len()]))| {
            let field = (0..FIELDS.len()).find(|&field| a[field] != b[field])?;
            Some(format!("box {slot}.{}: {} {}", FIELDS[field], a[field], b[field]))
        };
        a.boxes.iter().zip(&b.boxes).enumerate().find_map(pair)
    }

    fn capture(ticks: &[Boxes]) -> Vec<u8> {
        let frame = |tick: &Boxes| Frame {
            contacts: tick.contacts,
            kinetic_energy: tick.kinetic_energy,
            boxes: tick.boxes.clone(),
        };
        let mut out = Vec::new();
        capture::write(&mut out, reference::BUILD, ticks.iter().map(frame)).expect("memory takes it");
        out
    }
}
