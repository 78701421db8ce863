//! What a trace says of itself: where it came from, what was lost, and names.

use cdt_schema::{LayoutSpec, RngAlgorithm, RngStream, Scalar, ScalarType, Tick};
use cdt_testkit::meta;
use cdt_trace::{Loss, LossKind, Meta, Producer, Program, Run};

use crate::make::{Case, case, encoder_of, live, state};

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = LossKind::ALL
        .map(|kind| case(format!("loss-{}", kind.name().replace('_', "-")), with_losses(&[(kind, Some(9))])))
        .into();
    let all = LossKind::ALL.map(|kind| (kind, None));
    cases.push(case("loss-of-every-kind-to-nobody-knows-where", with_losses(&all)));
    cases.push(case("loss-without-ticks", only_loss()));
    cases.extend(provenance());
    cases.extend(names());
    cases
}

/// A loss before each tick, and one after the last.
fn with_losses(losses: &[(LossKind, Option<u32>)]) -> Vec<u8> {
    let mut encoder = encoder_of(&meta(), state(&[("n", ScalarType::U32)]), live(8));
    for (number, (kind, to)) in (0..).zip(losses) {
        encoder.append(Tick(number * 10), |tick| tick.state(&[Scalar::U32(number)])).unwrap();
        let detail = format!("{} where the ring buffer was full", kind.name());
        encoder.record_loss(&Loss { kind: *kind, from: Tick(number * 10 + 1), to: to.map(Tick), detail });
    }
    encoder.append(Tick(100), |tick| tick.state(&[Scalar::U32(0)])).unwrap();
    encoder.finish("stopped").0
}

fn only_loss() -> Vec<u8> {
    let mut encoder = encoder_of(&meta(), state(&[]), live(8));
    encoder.record_loss(&Loss { kind: LossKind::TruncatedTail, from: Tick(0), to: None, detail: String::new() });
    encoder.finish("").0
}

fn with_meta(meta: &Meta) -> Vec<u8> {
    let mut encoder = encoder_of(meta, state(&[("n", ScalarType::U32)]), live(8));
    encoder.append(Tick(0), |tick| tick.state(&[Scalar::U32(1)])).unwrap();
    encoder.finish("complete").0
}

fn of_texts(text: &str) -> Meta {
    let text = || text.to_owned();
    Meta {
        session: text(),
        producer: Producer { name: text(), version: text(), platform: text(), arch: text() },
        program: Program { name: text(), build: Some(text()), hash: Some(text()) },
        run: Run {
            id: text(),
            seed: Some(u64::MAX),
            seed_source: text(),
            mode: u32::MAX,
            tick_rate: Some(f64::MIN_POSITIVE),
            reason: text(),
        },
    }
}

fn provenance() -> Vec<Case> {
    let mut absent = of_texts("x");
    absent.program = Program { build: None, hash: None, ..absent.program };
    absent.run = Run { seed: None, tick_rate: None, mode: 0, ..absent.run };
    let mut slow = of_texts("x");
    slow.run.tick_rate = Some(f64::MAX);
    vec![
        case("meta-options-absent", with_meta(&absent)),
        case("meta-options-present", with_meta(&of_texts("x"))),
        case("meta-empty-texts", with_meta(&of_texts(""))),
        case("meta-texts-of-8-bytes", with_meta(&of_texts("12345678"))),
        case("meta-texts-of-9-bytes", with_meta(&of_texts("123456789"))),
        case("meta-texts-of-300-bytes", with_meta(&of_texts(&"long ".repeat(60)))),
        case("meta-texts-of-short-unicode", with_meta(&of_texts("\u{e9}\u{4e2d}"))),
        case("meta-texts-of-long-unicode", with_meta(&of_texts("\u{1f3b2} \u{4e2d}\u{6587} \u{202e}\u{0}\n\"\\"))),
        case("meta-tick-rate-greatest", with_meta(&slow)),
    ]
}

fn names() -> Vec<Case> {
    let longest = "aZ09_.-x".repeat(8);
    let mut encoder = encoder_of(&meta(), state(&[(&longest, ScalarType::U32), ("a", ScalarType::Bool)]), live(8));
    encoder.append(Tick(0), |tick| tick.state(&[Scalar::U32(1), Scalar::Bool(true)])).unwrap();
    let stream = RngStream { name: longest, algorithm: RngAlgorithm::Opaque };
    let stages = LayoutSpec { stages: vec!["a".to_owned(), "b".to_owned()], ..state(&[]) };
    let unused = LayoutSpec { rng: Some(vec![stream]), ..stages };
    vec![
        case("layout-longest-names", encoder.finish("complete").0),
        case("layout-without-ticks", encoder_of(&meta(), unused, live(8)).finish("a reason of some length").0),
    ]
}
