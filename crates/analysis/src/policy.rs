//! What a comparison leaves out, and within what two values count as the same: as it is asked for, in a file or by flags.
//! What it means for two layouts is decided in [`crate::rules`].

use std::fmt;
use std::str::FromStr;

use cdt_schema::{Channel, ChannelSet, Scalar};
use serde::Deserialize;

use crate::Error;

/// The version of policy files that this program reads.
pub const POLICY_SCHEMA: &str = "cdt.policy/1";

/// What is asked of a comparison beside its ticks. The default asks for everything, bit for bit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// The channels to compare, and why no others; `None` for all that the traces declare.
    pub only: Option<(ChannelSet, String)>,
    /// What is asked of single fields. Where several rules match a field, leaving it out wins, then the last.
    pub rules: Vec<Rule>,
}

/// What is asked of some fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// A name as reports have it, without the brackets of rows: a channel, a table or a field. `*` stands for any text.
    pub what: String,
    /// What is asked of them.
    pub action: Action,
    /// Why.
    pub reason: String,
}

impl Rule {
    pub(crate) fn is_rename(&self) -> bool {
        matches!(self.action, Action::Rename(_))
    }
}

/// What a rule asks of fields.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Not to compare them.
    LeaveOut,
    /// To take values that are close for the same.
    Within(Tolerance),
    /// To compare the reference's field with the candidate's field of this name in the same table.
    Rename(String),
}

/// How far two numbers may be apart and still count as the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// The difference, in the field's own unit.
    Absolute(f64),
    /// The difference over the larger of the two magnitudes.
    Relative(f64),
    /// Units in the last place; floats only.
    Ulp(u64),
}

impl Tolerance {
    /// Whether two numbers of one type count as the same. Equal bits always do, booleans only then.
    pub fn admits(self, reference: Scalar, candidate: Scalar) -> bool {
        if reference == candidate {
            return true;
        }
        let Some((a, b, apart)) = distance(reference, candidate) else { return false };
        match self {
            Tolerance::Absolute(bound) => apart <= bound,
            Tolerance::Relative(bound) => apart <= bound * a.abs().max(b.abs()),
            Tolerance::Ulp(bound) => reference.ulp_distance(candidate).is_some_and(|ulp| ulp <= bound),
        }
    }

    fn check(self) -> Result<Tolerance, String> {
        match self {
            Tolerance::Absolute(bound) | Tolerance::Relative(bound) if !(bound.is_finite() && bound >= 0.0) => {
                Err(format!("a tolerance is a finite number that is not below 0, not {bound}"))
            }
            _ => Ok(self),
        }
    }
}

/// Two numbers as f64, and how far they are apart. Integers are subtracted before they are rounded.
#[expect(
    clippy::cast_precision_loss,
    reason = "a bound is an f64 too, and the rounding is far below what one asks for"
)]
fn distance(reference: Scalar, candidate: Scalar) -> Option<(f64, f64, f64)> {
    match (reference, candidate) {
        (Scalar::F32(a), Scalar::F32(b)) => {
            let (a, b) = (f64::from(a), f64::from(b));
            Some((a, b, (a - b).abs()))
        }
        (Scalar::F64(a), Scalar::F64(b)) => Some((a, b, (a - b).abs())),
        _ => {
            let (a, b) = (reference.integer()?, candidate.integer()?);
            Some((a as f64, b as f64, a.abs_diff(b) as f64))
        }
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tolerance::Absolute(bound) => write!(f, "absolute:{bound:?}"),
            Tolerance::Relative(bound) => write!(f, "relative:{bound:?}"),
            Tolerance::Ulp(bound) => write!(f, "ulp:{bound}"),
        }
    }
}

impl FromStr for Tolerance {
    type Err = String;

    fn from_str(text: &str) -> Result<Tolerance, String> {
        let refuse = || format!("a tolerance reads like ulp:4, absolute:0.001 or relative:1e-6, not {text:?}");
        let (kind, bound) = text.split_once(':').ok_or_else(refuse)?;
        let number = || bound.parse::<f64>().map_err(|_| refuse());
        let tolerance = match kind {
            "ulp" => Tolerance::Ulp(bound.parse().map_err(|_| refuse())?),
            "absolute" => Tolerance::Absolute(number()?),
            "relative" => Tolerance::Relative(number()?),
            _ => return Err(refuse()),
        };
        tolerance.check()
    }
}

impl Policy {
    /// Reads a policy file; see `docs/policies.md`.
    ///
    /// # Errors
    /// Where the text is not a policy, and what was expected.
    pub fn from_toml(text: &str) -> Result<Policy, Error> {
        let file: PolicyFile = toml::from_str(text).map_err(|error| Error::policy(with_place(text, &error)))?;
        file.policy().map_err(Error::policy)
    }

    /// What is asked for, in one line a rule and without the reasons: two policies with the same lines compare the same.
    pub(crate) fn canonical(&self) -> String {
        let mut lines = String::new();
        if let Some((channels, _)) = &self.only {
            let names: Vec<&str> = channels.iter().map(Channel::name).collect();
            lines.push_str(&format!("only {}\n", names.join(",")));
        }
        for Rule { what, action, .. } in &self.rules {
            lines.push_str(&match action {
                Action::LeaveOut => format!("leave_out {what}\n"),
                Action::Within(tolerance) => format!("tolerance {what} {tolerance}\n"),
                Action::Rename(candidate) => format!("rename {what} {candidate}\n"),
            });
        }
        lines
    }
}

/// What is wrong with a TOML file and where, in one line.
fn with_place(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().replace('\n', ": ");
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else { return message };
    let (line, column) = (before.split('\n').count(), before.chars().rev().take_while(|c| *c != '\n').count() + 1);
    format!("line {line}, column {column}: {message}")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    schema: String,
    channels: Option<ChannelsTable>,
    #[serde(default)]
    leave_out: Vec<LeaveOutTable>,
    #[serde(default)]
    tolerance: Vec<ToleranceTable>,
    #[serde(default)]
    rename: Vec<RenameTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelsTable {
    only: Vec<String>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LeaveOutTable {
    what: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToleranceTable {
    what: String,
    absolute: Option<f64>,
    relative: Option<f64>,
    ulp: Option<u64>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RenameTable {
    reference: String,
    candidate: String,
    reason: String,
}

impl PolicyFile {
    fn policy(self) -> Result<Policy, String> {
        if self.schema != POLICY_SCHEMA {
            return Err(format!("schema is {:?}; this version reads {POLICY_SCHEMA:?}", self.schema));
        }
        let mut policy = Policy::default();
        if let Some(ChannelsTable { only, reason }) = self.channels {
            let channel = |name: &String| {
                let known = || Channel::ALL.map(Channel::name).join(", ");
                Channel::from_name(name).ok_or_else(|| format!("{name:?} is no channel; the channels are {}", known()))
            };
            let only: ChannelSet = only.iter().map(channel).collect::<Result<_, _>>()?;
            if only == ChannelSet::EMPTY {
                return Err("channels.only names no channel; a comparison needs one".to_owned());
            }
            policy.only = Some((only, reason));
        }
        for LeaveOutTable { what, reason } in self.leave_out {
            policy.rules.push(Rule { what, action: Action::LeaveOut, reason });
        }
        for ToleranceTable { what, absolute, relative, ulp, reason } in self.tolerance {
            let tolerance = match (absolute, relative, ulp) {
                (Some(bound), None, None) => Tolerance::Absolute(bound),
                (None, Some(bound), None) => Tolerance::Relative(bound),
                (None, None, Some(bound)) => Tolerance::Ulp(bound),
                _ => return Err(format!("the tolerance of {what:?} is one of absolute, relative and ulp")),
            };
            let tolerance = tolerance.check().map_err(|rule| format!("the tolerance of {what:?}: {rule}"))?;
            policy.rules.push(Rule { what, action: Action::Within(tolerance), reason });
        }
        for RenameTable { reference, candidate, reason } in self.rename {
            policy.rules.push(Rule { what: reference, action: Action::Rename(candidate), reason });
        }
        let reasons = policy.rules.iter().map(|rule| (rule.what.as_str(), rule.reason.as_str()));
        let mut all = policy.only.iter().map(|(_, reason)| ("channels", reason.as_str())).chain(reasons);
        match all.find(|(_, reason)| reason.trim().is_empty()) {
            Some((what, _)) => Err(format!("the rule for {what:?} has no reason; whoever reads the verdict needs one")),
            None => Ok(policy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
        schema = "cdt.policy/1"
        [channels]
        only = ["state", "entities"]
        reason = "the candidate has no rng hook yet"
        [[leave_out]]
        what = "state.frame"
        reason = "counts frames of the window"
        [[tolerance]]
        what = "entities.*.x"
        ulp = 4
        reason = "the candidate multiplies and adds at once"
        [[rename]]
        reference = "state.hp"
        candidate = "health"
        reason = "another name for the same"
    "#;

    #[test]
    fn a_policy_file_is_read() {
        let policy = Policy::from_toml(WHOLE).unwrap();
        insta::assert_snapshot!(policy.canonical(), @r"
        only state,entities
        leave_out state.frame
        tolerance entities.*.x ulp:4
        rename state.hp health
        ");
        assert_eq!(policy.rules[0].reason, "counts frames of the window");
    }

    #[test]
    fn what_is_no_policy_is_refused_with_its_place() {
        let refused = |from: &str, to: &str| Policy::from_toml(&WHOLE.replace(from, to)).unwrap_err().to_string();
        insta::assert_snapshot!(refused("cdt.policy/1", "cdt.policy/2"));
        insta::assert_snapshot!(refused("\"entities\"", "\"actors\""));
        insta::assert_snapshot!(refused("ulp = 4", "ulp = 4\nabsolute = 1.0"));
        insta::assert_snapshot!(refused("ulp = 4", "absolute = -1.0"));
        insta::assert_snapshot!(refused("ulp = 4", "ulps = 4"));
        insta::assert_snapshot!(refused("counts frames of the window", " "));
        insta::assert_snapshot!(refused("only = [\"state\", \"entities\"]", "only = []"));
    }

    #[test]
    fn tolerances_read_as_they_are_written() {
        for text in ["ulp:4", "absolute:0.001", "relative:1e-6"] {
            assert_eq!(text.parse::<Tolerance>().unwrap().to_string(), text);
        }
        for text in ["ulp", "ulp:-1", "ulp:1.5", "absolute:nan", "relative:inf", "absolute:-1", "percent:4", ""] {
            assert!(text.parse::<Tolerance>().is_err(), "{text}");
        }
    }

    #[test]
    fn tolerances_admit_up_to_their_bound() {
        let f32 = Scalar::F32;
        let cases = [
            (Tolerance::Ulp(1), f32(1.0), f32(1.000_000_1), true),
            (Tolerance::Ulp(1), f32(1.0), f32(1.000_000_3), false),
            (Tolerance::Ulp(1), f32(0.0), f32(-0.0), true),
            (Tolerance::Ulp(0), f32(0.0), f32(-0.0), false),
            (Tolerance::Absolute(0.0), f32(0.0), f32(-0.0), true),
            (Tolerance::Absolute(0.5), f32(1.0), f32(1.5), true),
            (Tolerance::Absolute(0.5), f32(1.0), f32(1.500_001), false),
            (Tolerance::Relative(0.1), Scalar::F64(10.0), Scalar::F64(9.0), true),
            (Tolerance::Relative(0.1), Scalar::F64(10.0), Scalar::F64(8.9), false),
            (Tolerance::Relative(0.1), Scalar::F64(-1.0), Scalar::F64(1.0), false),
            (Tolerance::Absolute(1.0), Scalar::U64(u64::MAX), Scalar::U64(u64::MAX - 1), true),
            (Tolerance::Absolute(1.0), Scalar::U64(u64::MAX), Scalar::U64(u64::MAX - 2), false),
            (Tolerance::Absolute(2.0), Scalar::I32(-1), Scalar::I32(1), true),
            (Tolerance::Absolute(9.0), Scalar::Bool(true), Scalar::Bool(false), false),
            (Tolerance::Ulp(9), Scalar::I32(1), Scalar::I32(2), false),
        ];
        for (tolerance, a, b, admitted) in cases {
            assert_eq!(tolerance.admits(a, b), admitted, "{tolerance} {a} {b}");
            assert_eq!(tolerance.admits(b, a), admitted, "{tolerance} {b} {a}");
            assert!(tolerance.admits(a, a));
        }
    }
}
