//! The rows of the capture contract as they stand on the wire. This is their one definition: decoding, writing, the JSON
//! Schema in `docs/` and the layout that `cdt info --json` prints all come from it.
//!
//! Rows that hold declared values are generic over them: what is read is text until its type is known, what is written is
//! a scalar.

use std::borrow::Cow;

use cdt_schema::{
    CheckpointLayout, CommandKind, EntityKind, EventKind, Field, Layout, LayoutSpec, MemoryLayout, RngAlgorithm,
    RngStream, Scalar, ScalarType, StepLayout, Syscall,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

/// The one version of the contract that this crate reads.
pub(crate) const CAPTURE_VERSION: u32 = 1;

/// A u64, which travels as a string of decimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WireU64(pub(crate) u64);

impl<'de> Deserialize<'de> for WireU64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WireU64, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        parse_u64(&text).map(WireU64).map_err(D::Error::custom)
    }
}

impl Serialize for WireU64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl JsonSchema for WireU64 {
    fn schema_name() -> Cow<'static, str> {
        "u64".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(0|[1-9][0-9]{0,19})$", "description": "0 to 2^64-1 in decimal digits" })
    }
}

/// Parses the digits of a u64: no sign, no leading zero.
pub(crate) fn parse_u64(text: &str) -> Result<u64, String> {
    let plain = text == "0" || !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    let value = text.parse().ok().filter(|_| plain);
    value.ok_or_else(|| format!("a u64 is a string of decimal digits from \"0\" to \"{}\", not {text:?}", u64::MAX))
}

/// An f32, which travels as a JSON number and is parsed as an f32 and nothing wider.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct WireF32(pub(crate) f32);

impl<'de> Deserialize<'de> for WireF32 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WireF32, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        parse_f32(raw.get()).map(WireF32).map_err(D::Error::custom)
    }
}

impl JsonSchema for WireF32 {
    fn schema_name() -> Cow<'static, str> {
        "f32".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "description": "finite; parsed to the nearest IEEE 754 binary32" })
    }
}

/// Parses a JSON number to the nearest f32.
pub(crate) fn parse_f32(text: &str) -> Result<f32, String> {
    let value: Option<f32> = Some(text).filter(|text| is_number(text)).and_then(|text| text.parse().ok());
    value.filter(|value| value.is_finite()).ok_or_else(|| format!("a finite f32 is expected, not {text}"))
}

/// Whether a JSON value is a number.
pub(crate) fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// A declared value, to be parsed by its declared type: its text as it stands on the wire.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct WireValue<'a>(#[serde(borrow)] pub(crate) &'a RawValue);

impl JsonSchema for WireValue<'_> {
    fn schema_name() -> Cow<'static, str> {
        "value".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["boolean", "number", "string"],
            "description": "a value of the type that the layout declares: true or false; a number for i32, u32, f32, f64; \
                            a string of digits for i64, u64"
        })
    }
}

/// A declared value, to be written as its type is: 64-bit integers as strings, floats with the fewest digits that bring
/// their bits back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WireScalar(pub(crate) Scalar);

impl Serialize for WireScalar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Scalar::Bool(value) => serializer.serialize_bool(value),
            Scalar::U8(value) => serializer.serialize_u8(value),
            Scalar::U16(value) => serializer.serialize_u16(value),
            Scalar::I32(value) => serializer.serialize_i32(value),
            Scalar::U32(value) => serializer.serialize_u32(value),
            Scalar::I64(value) => serializer.collect_str(&value),
            Scalar::U64(value) => serializer.collect_str(&value),
            Scalar::F32(value) => serializer.serialize_f32(value),
            Scalar::F64(value) => serializer.serialize_f64(value),
        }
    }
}

macro_rules! tag {
    ($name:ident, $variant:ident, $text:literal) => {
        #[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
        pub(crate) enum $name {
            #[serde(rename = $text)]
            $variant,
        }
    };
}
tag!(SessionStartTag, SessionStart, "session_start");
tag!(RunStartTag, RunStart, "run_start");
tag!(TickTag, Tick, "tick");
tag!(RunEndTag, RunEnd, "run_end");
tag!(ErrorTag, Error, "error");
tag!(SessionEndTag, SessionEnd, "session_end");

/// The members by which a line is told and assigned to its run, whatever else it holds.
#[derive(Debug, Deserialize)]
pub(crate) struct Probe<'a> {
    #[serde(borrow)]
    pub(crate) event: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) run_id: Option<Cow<'a, str>>,
}

/// The session's first row.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionStart<'a> {
    pub(crate) event: SessionStartTag,
    pub(crate) capture_version: u32,
    #[serde(borrow)]
    pub(crate) session_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) producer: WireProducer<'a>,
    #[serde(borrow)]
    pub(crate) program: WireProgram<'a>,
    pub(crate) layout: WireLayout,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireProducer<'a> {
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) version: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) platform: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) arch: Cow<'a, str>,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireProgram<'a> {
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    #[serde(deserialize_with = "present")]
    #[schemars(schema_with = "nullable::<String>")]
    pub(crate) build: Option<String>,
    #[serde(deserialize_with = "present")]
    #[schemars(schema_with = "nullable::<String>")]
    pub(crate) hash: Option<String>,
}

/// Makes serde insist on a member that may be null; without this it takes a missing one for null.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

/// A member that must be there and may be null.
fn nullable<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Option<T>>()
}

/// Takes a member that may be left out, but not be null.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Begins a run.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunStart<'a> {
    pub(crate) event: RunStartTag,
    #[serde(borrow)]
    pub(crate) run_id: Cow<'a, str>,
    #[serde(deserialize_with = "present")]
    #[schemars(schema_with = "nullable::<WireU64>")]
    pub(crate) seed: Option<WireU64>,
    #[serde(borrow)]
    pub(crate) seed_source: Cow<'a, str>,
    pub(crate) mode: u32,
    pub(crate) players: u8,
    pub(crate) tick_rate: f64,
    #[serde(borrow)]
    pub(crate) reason: Cow<'a, str>,
}

/// One tick of a run.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, bound(deserialize = "V: Deserialize<'de>"))]
#[schemars(rename = "TickRow")]
pub(crate) struct TickRow<'a, V = WireValue<'a>> {
    pub(crate) event: TickTag,
    #[serde(borrow)]
    pub(crate) run_id: Cow<'a, str>,
    pub(crate) tick: u32,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "WireU64")]
    pub(crate) elapsed: Option<WireU64>,
    #[serde(borrow, default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "WireStep<'static>")]
    pub(crate) step: Option<WireStep<'a, V>>,
    #[serde(borrow, default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<WireDraw<'static>>")]
    pub(crate) rng: Option<Vec<WireDraw<'a>>>,
    #[serde(borrow, default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<WireCall<'static>>")]
    pub(crate) calls: Option<Vec<WireCall<'a, V>>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<WireValue<'static>>")]
    pub(crate) state: Option<Vec<V>>,
    #[serde(borrow, default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<WireEntity<'static>>")]
    pub(crate) entities: Option<Vec<WireEntity<'a, V>>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "WireCheckpoint")]
    pub(crate) checkpoint: Option<WireCheckpoint>,
    #[serde(borrow, default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<WireTiming<'static>>")]
    pub(crate) timing: Option<Vec<WireTiming<'a>>>,
    #[serde(borrow, default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<WireEvent<'static>>")]
    pub(crate) events: Option<Vec<WireEvent<'a, V>>>,
    #[serde(borrow, default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<WirePage<'static>>")]
    pub(crate) memory: Option<Vec<WirePage<'a>>>,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WireStep")]
pub(crate) struct WireStep<'a, V = WireValue<'a>> {
    pub(crate) dt: WireF32,
    pub(crate) mode: u32,
    pub(crate) players: Vec<WireInput>,
    #[serde(borrow)]
    pub(crate) commands: Vec<WireCommand<'a, V>>,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireInput {
    pub(crate) buttons: u32,
    pub(crate) move_x: WireF32,
    pub(crate) move_y: WireF32,
    pub(crate) aim_x: WireF32,
    pub(crate) aim_y: WireF32,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WireCommand")]
pub(crate) struct WireCommand<'a, V = WireValue<'a>> {
    pub(crate) player: u8,
    #[serde(borrow)]
    pub(crate) kind: Cow<'a, str>,
    pub(crate) args: Vec<V>,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireDraw<'a> {
    #[serde(borrow)]
    pub(crate) stream: Cow<'a, str>,
    pub(crate) seq: u32,
    pub(crate) value: u32,
    pub(crate) before: WireU64,
    pub(crate) after: WireU64,
    pub(crate) caller: u32,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WireCall")]
pub(crate) struct WireCall<'a, V = WireValue<'a>> {
    pub(crate) seq: u32,
    #[serde(borrow)]
    pub(crate) syscall: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) stage: Cow<'a, str>,
    pub(crate) args: Vec<V>,
    #[serde(deserialize_with = "present")]
    #[schemars(schema_with = "nullable::<WireValue<'static>>")]
    pub(crate) result: Option<V>,
    pub(crate) decision: WireDecision,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WireDecision {
    Allowed,
    Denied,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WireEntity")]
pub(crate) struct WireEntity<'a, V = WireValue<'a>> {
    #[serde(borrow)]
    pub(crate) kind: Cow<'a, str>,
    pub(crate) slot: u32,
    pub(crate) generation: u32,
    pub(crate) fields: Vec<V>,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireCheckpoint {
    pub(crate) digests: Vec<WireU64>,
    #[serde(deserialize_with = "present")]
    #[schemars(schema_with = "nullable::<Vec<WireU64>>")]
    pub(crate) rng_state: Option<Vec<WireU64>>,
    #[serde(deserialize_with = "present")]
    #[schemars(schema_with = "nullable::<Vec<u32>>")]
    pub(crate) entity_counts: Option<Vec<u32>>,
    #[serde(deserialize_with = "present")]
    #[schemars(schema_with = "nullable::<WireU64>")]
    pub(crate) fuel: Option<WireU64>,
    pub(crate) counters: Vec<WireU64>,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireTiming<'a> {
    #[serde(borrow)]
    pub(crate) stage: Cow<'a, str>,
    pub(crate) fuel: WireU64,
    pub(crate) wall_ns: WireU64,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WireEvent")]
pub(crate) struct WireEvent<'a, V = WireValue<'a>> {
    pub(crate) seq: u32,
    #[serde(borrow)]
    pub(crate) kind: Cow<'a, str>,
    pub(crate) origin: WireOrigin,
    #[serde(borrow, deserialize_with = "present")]
    #[schemars(schema_with = "nullable::<WireSubject<'static>>")]
    pub(crate) subject: Option<WireSubject<'a>>,
    pub(crate) values: Vec<V>,
    #[serde(deserialize_with = "present")]
    #[schemars(schema_with = "nullable::<u32>")]
    pub(crate) cause: Option<u32>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WireOrigin {
    Guest,
    Host,
    Debugger,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireSubject<'a> {
    #[serde(borrow)]
    pub(crate) kind: Cow<'a, str>,
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WirePage<'a> {
    pub(crate) page: u32,
    /// base64 of one page.
    #[serde(borrow)]
    pub(crate) content: Cow<'a, str>,
}

/// A run is over.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunEnd<'a> {
    pub(crate) event: RunEndTag,
    #[serde(borrow)]
    pub(crate) run_id: Cow<'a, str>,
    pub(crate) ticks: u32,
    #[serde(borrow)]
    pub(crate) reason: Cow<'a, str>,
}

/// The producer gave up.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErrorRow<'a> {
    #[serde(rename = "event")]
    _event: ErrorTag,
    #[serde(borrow)]
    pub(crate) message: Cow<'a, str>,
    #[serde(rename = "run_id", deserialize_with = "present")]
    #[schemars(schema_with = "nullable::<String>")]
    _run_id: Option<String>,
}

/// The session's last row.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionEnd<'a> {
    pub(crate) event: SessionEndTag,
    #[serde(borrow)]
    pub(crate) session_id: Cow<'a, str>,
    pub(crate) ticks: WireU64,
}

/// Any row; the contract as one type, for its JSON Schema.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is wanted")]
enum Row<'a> {
    SessionStart(SessionStart<'a>),
    RunStart(RunStart<'a>),
    Tick(TickRow<'a>),
    RunEnd(RunEnd<'a>),
    Error(ErrorRow<'a>),
    SessionEnd(SessionEnd<'a>),
}

/// The capture contract as a JSON Schema of one line.
pub fn capture_schema() -> String {
    let mut schema = schemars::schema_for!(Row);
    schema.insert("title".to_owned(), "One line of a cdt capture".into());
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    text.push('\n');
    text
}

/// A scalar type by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WireType(ScalarType);

impl<'de> Deserialize<'de> for WireType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WireType, D::Error> {
        let name = Cow::<str>::deserialize(deserializer)?;
        let found = ScalarType::DECLARABLE.into_iter().find(|ty| ty.name() == name);
        found
            .map(WireType)
            .ok_or_else(|| D::Error::custom(format!("type {name:?} is not one of bool, i32, u32, i64, u64, f32, f64")))
    }
}

impl Serialize for WireType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl JsonSchema for WireType {
    fn schema_name() -> Cow<'static, str> {
        "type".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": ScalarType::DECLARABLE.map(ScalarType::name) })
    }
}

/// An rng algorithm by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WireAlgorithm(RngAlgorithm);

impl<'de> Deserialize<'de> for WireAlgorithm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WireAlgorithm, D::Error> {
        let name = Cow::<str>::deserialize(deserializer)?;
        let found = RngAlgorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name);
        let known = || RngAlgorithm::ALL.map(RngAlgorithm::name).join(", ");
        found
            .map(WireAlgorithm)
            .ok_or_else(|| D::Error::custom(format!("algorithm {name:?} is not one of {}", known())))
    }
}

impl Serialize for WireAlgorithm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl JsonSchema for WireAlgorithm {
    fn schema_name() -> Cow<'static, str> {
        "algorithm".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": RngAlgorithm::ALL.map(RngAlgorithm::name) })
    }
}

/// The layout. A channel that is left out is absent.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireLayout {
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<String>")]
    stages: Option<Vec<String>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "WireStepLayout")]
    step: Option<WireStepLayout>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<WireRngStream>")]
    rng: Option<Vec<WireRngStream>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<WireSyscall>")]
    calls: Option<Vec<WireSyscall>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<WireField>")]
    state: Option<Vec<WireField>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<WireEntityKind>")]
    entities: Option<Vec<WireEntityKind>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "WireCheckpointLayout")]
    checkpoint: Option<WireCheckpointLayout>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "WireTimingLayout")]
    timing: Option<WireTimingLayout>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<WireEventKind>")]
    events: Option<Vec<WireEventKind>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "WireMemoryLayout")]
    memory: Option<WireMemoryLayout>,
}

#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WireField {
    name: String,
    r#type: WireType,
}

#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WireStepLayout {
    commands: Vec<WireCommandKind>,
}

#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WireCommandKind {
    name: String,
    args: Vec<WireField>,
}

#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WireRngStream {
    name: String,
    algorithm: WireAlgorithm,
}

#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WireSyscall {
    module: String,
    name: String,
    version: u16,
    args: Vec<WireField>,
    #[serde(deserialize_with = "present")]
    #[schemars(schema_with = "nullable::<WireType>")]
    result: Option<WireType>,
}

#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WireEntityKind {
    kind: String,
    fields: Vec<WireField>,
}

#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WireCheckpointLayout {
    digests: Vec<WireDigestName>,
    rng_state: bool,
    entity_counts: bool,
    fuel: bool,
    counters: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum WireDigestName {
    State,
    Frame,
    Audio,
}

#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WireTimingLayout {}

#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WireEventKind {
    name: String,
    values: Vec<WireField>,
}

#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WireMemoryLayout {
    page_size: u32,
    pages: u32,
}

fn fields(wire: Vec<WireField>) -> Vec<Field> {
    wire.into_iter().map(|field| Field { name: field.name, scalar_type: field.r#type.0 }).collect()
}

fn wire_fields(fields: &[Field]) -> Vec<WireField> {
    fields.iter().map(|field| WireField { name: field.name.clone(), r#type: WireType(field.scalar_type) }).collect()
}

impl WireLayout {
    /// The layout of a run with that many players.
    pub(crate) fn layout(self, players: u8) -> Result<Layout, String> {
        let checkpoint = self.checkpoint.map(WireCheckpointLayout::layout).transpose()?;
        let commands = |step: WireStepLayout| {
            let kind = |c: WireCommandKind| CommandKind { name: c.name, args: fields(c.args) };
            StepLayout { commands: step.commands.into_iter().map(kind).collect() }
        };
        let syscall = |s: WireSyscall| Syscall {
            module: s.module,
            name: s.name,
            version: s.version,
            args: fields(s.args),
            result: s.result.map(|ty| ty.0),
        };
        let stream = |s: WireRngStream| RngStream { name: s.name, algorithm: s.algorithm.0 };
        let entity = |k: WireEntityKind| EntityKind { name: k.kind, fields: fields(k.fields) };
        let event = |k: WireEventKind| EventKind { name: k.name, values: fields(k.values) };
        let spec = LayoutSpec {
            players,
            stages: self.stages.unwrap_or_default(),
            step: self.step.map(commands),
            rng: self.rng.map(|streams| streams.into_iter().map(stream).collect()),
            calls: self.calls.map(|calls| calls.into_iter().map(syscall).collect()),
            state: self.state.map(fields),
            entities: self.entities.map(|kinds| kinds.into_iter().map(entity).collect()),
            checkpoint,
            timing: self.timing.is_some(),
            events: self.events.map(|kinds| kinds.into_iter().map(event).collect()),
            memory: self.memory.map(|memory| MemoryLayout { page_size: memory.page_size, pages: memory.pages }),
        };
        Layout::new(spec).map_err(|error| error.to_string())
    }

    pub(crate) fn new(spec: &LayoutSpec) -> WireLayout {
        let syscall = |s: &Syscall| WireSyscall {
            module: s.module.clone(),
            name: s.name.clone(),
            version: s.version,
            args: wire_fields(&s.args),
            result: s.result.map(WireType),
        };
        let command = |c: &CommandKind| WireCommandKind { name: c.name.clone(), args: wire_fields(&c.args) };
        let stream = |s: &RngStream| WireRngStream { name: s.name.clone(), algorithm: WireAlgorithm(s.algorithm) };
        let entity = |k: &EntityKind| WireEntityKind { kind: k.name.clone(), fields: wire_fields(&k.fields) };
        let event = |k: &EventKind| WireEventKind { name: k.name.clone(), values: wire_fields(&k.values) };
        let step = |s: &StepLayout| WireStepLayout { commands: s.commands.iter().map(command).collect() };
        WireLayout {
            stages: Some(spec.stages.clone()).filter(|stages| !stages.is_empty()),
            step: spec.step.as_ref().map(step),
            rng: spec.rng.as_ref().map(|streams| streams.iter().map(stream).collect()),
            calls: spec.calls.as_ref().map(|calls| calls.iter().map(syscall).collect()),
            state: spec.state.as_ref().map(|fields| wire_fields(fields)),
            entities: spec.entities.as_ref().map(|kinds| kinds.iter().map(entity).collect()),
            checkpoint: spec.checkpoint.as_ref().map(WireCheckpointLayout::new),
            timing: spec.timing.then_some(WireTimingLayout {}),
            events: spec.events.as_ref().map(|kinds| kinds.iter().map(event).collect()),
            memory: spec.memory.map(|memory| WireMemoryLayout { page_size: memory.page_size, pages: memory.pages }),
        }
    }
}

impl WireCheckpointLayout {
    fn layout(self) -> Result<CheckpointLayout, String> {
        if !self.digests.is_sorted_by(|a, b| a < b) {
            return Err(
                "layout.checkpoint.digests: state, frame, audio are expected in this order, each at most once".into()
            );
        }
        Ok(CheckpointLayout {
            state_digest: self.digests.contains(&WireDigestName::State),
            frame_digest: self.digests.contains(&WireDigestName::Frame),
            audio_digest: self.digests.contains(&WireDigestName::Audio),
            rng_state: self.rng_state,
            entity_counts: self.entity_counts,
            fuel: self.fuel,
            counters: self.counters,
        })
    }

    fn new(checkpoint: &CheckpointLayout) -> WireCheckpointLayout {
        let digests = [
            (checkpoint.state_digest, WireDigestName::State),
            (checkpoint.frame_digest, WireDigestName::Frame),
            (checkpoint.audio_digest, WireDigestName::Audio),
        ];
        WireCheckpointLayout {
            digests: digests.into_iter().filter(|(present, _)| *present).map(|(_, name)| name).collect(),
            rng_state: checkpoint.rng_state,
            entity_counts: checkpoint.entity_counts,
            fuel: checkpoint.fuel,
            counters: checkpoint.counters.clone(),
        }
    }
}

/// A layout as the capture contract writes it.
pub fn layout_json(layout: &Layout) -> impl Serialize {
    WireLayout::new(layout.spec())
}
