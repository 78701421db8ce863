//! The verdict of a comparison for people, and its exit code.

use cdt_analysis::{
    Alignment, Cause, CauseClass, ChannelReport, Compared, DiffReport, Ends, EpisodeKind, EpisodeReport, LossReport,
    Mismatch, PolicyReport, Proof, Reason, ReasonCode, Traces, Verdict, WhyNotPlanted, Within,
};

use crate::exit::Exit;
use crate::terminal::{Mark, Terminal};
use crate::text::{Page, counted, thousands};

/// Stretches and skipped runs that are printed; the JSON report has more.
const ALIGNMENTS: usize = 5;

/// The exit code of a verdict.
pub fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Equal => Exit::Yes,
        Verdict::Diverged => Exit::No,
        Verdict::NotComparable => Exit::CannotSay,
    }
}

/// A difference, in a line.
pub fn glimpse(first: &Mismatch) -> String {
    let (reference, candidate) = (side(&first.reference), side(&first.candidate));
    let values = format!("reference {reference}, candidate {candidate}");
    format!("tick {} differs, {}: {values}; whether it lasts is not known yet", first.tick, first.path)
}

fn side(value: &Option<impl ToString>) -> String {
    value.as_ref().map_or("nothing".to_owned(), ToString::to_string)
}

/// The report for people.
pub fn page(report: &DiffReport, next: &str, terminal: &Terminal) -> String {
    let mut page = Page::new(terminal);
    headline(&mut page, report);
    reasons(&mut page, &report.reasons, &report.traces);
    mismatches(&mut page, report.first_mismatch.as_ref(), report.first_sustained.as_ref());
    episodes(&mut page, report);
    for (index, channel) in report.channels.iter().enumerate() {
        page.field(if index == 0 { "channels" } else { "" }, &channel_text(channel));
    }
    certificate(&mut page, report);
    policy(&mut page, &report.policy);
    if let Some(of) = &report.alignment {
        alignment(&mut page, of);
    }
    if let Some(of) = &report.proof {
        proof(&mut page, of);
    }
    if report.verdict == Verdict::Diverged {
        page.field("next", next);
    }
    page.finish()
}

/// The first difference, the first that lasts, and why.
pub fn mismatches(page: &mut Page<'_>, first: Option<&Mismatch>, sustained: Option<&Mismatch>) {
    let Some(first) = first else { return };
    mismatch(page, "first", first);
    match sustained {
        Some(lasting) if lasting.tick == first.tick => page.field("sustained", "the same"),
        Some(lasting) => mismatch(page, "sustained", lasting),
        None => page.field("sustained", "none: every difference healed"),
    }
    cause(page, &sustained.unwrap_or(first).cause);
}

fn headline(page: &mut Page<'_>, report: &DiffReport) {
    let text = match (&report.verdict, &report.first_sustained, &report.first_mismatch) {
        (Verdict::Equal, ..) => {
            return page.headline(Mark::Good, &equal_text(&report.ends, report.alignment.as_ref()));
        }
        (Verdict::NotComparable, ..) => return page.headline(Mark::Unsure, "NOT COMPARABLE"),
        (_, Some(lasting), _) => match report.parted {
            Some(parted) if parted == lasting.tick => {
                format!("DIVERGED {} at tick {}: {}", for_good(report), lasting.tick, lasting.path)
            }
            Some(parted) => {
                format!(
                    "DIVERGED at tick {}: {}; healed, and from tick {parted} on {}",
                    lasting.tick,
                    lasting.path,
                    for_good(report)
                )
            }
            None => format!("DIVERGED at tick {}, and healed: {}", lasting.tick, lasting.path),
        },
        (_, None, Some(first)) => format!("DIVERGED at tick {}, and healed: {}", first.tick, first.path),
        (_, None, None) => "DIVERGED".to_owned(),
    };
    page.headline(Mark::Bad, &text);
}

/// How long a difference lasts that reaches the end of what was compared. Nobody knows that where a run has no end.
fn for_good(report: &DiffReport) -> &'static str {
    let mut losses = report.loss.reference.iter().chain(&report.loss.candidate);
    if losses.any(|loss| loss.to.is_none()) { "as far as is known" } else { "for good" }
}

/// A candidate that stops early, or of which much has no partner, must not pass for a whole one, so that stands in the first
/// line.
pub fn equal_text(ends: &Ends, alignment: Option<&Alignment>) -> String {
    let skipped = alignment.map_or((0, 0), |alignment| (alignment.skipped.reference, alignment.skipped.candidate));
    let lacking = ends.reference_only.before + ends.reference_only.after + skipped.0;
    let mut text = "EQUAL in everything that was compared".to_owned();
    if lacking > 0 {
        text.push_str(&format!("; of the reference's ticks the candidate lacks {}", thousands(lacking)));
    }
    if skipped.1 > 0 {
        text.push_str(&format!("; {} of the candidate's were skipped", thousands(skipped.1)));
    }
    text
}

/// Why nothing can be said, and what would help.
pub fn reasons(page: &mut Page<'_>, reasons: &[Reason], traces: &Traces) {
    for reason in reasons {
        page.field("reason", &reason_text(reason));
    }
    let of_candidate = &traces.candidate.channels;
    let both = traces.reference.channels.iter().filter(|channel| of_candidate.contains(channel));
    let both: Vec<&str> = both.map(|channel| channel.name()).collect();
    if !both.is_empty() && reasons.iter().any(|reason| reason.code == ReasonCode::ChannelAbsent) {
        page.field("both have", &format!("--channels {}", both.join(",")));
    }
}

/// A reason in words.
fn reason_text(reason: &Reason) -> String {
    let what = reason.what.as_deref().unwrap_or_default();
    let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "nothing".to_owned());
    let (reference, candidate) = (side(&reason.reference), side(&reason.candidate));
    match reason.code {
        ReasonCode::LayoutDiffers => {
            format!("the layouts differ: {what} is {reference} in the reference, {candidate} in the candidate")
        }
        ReasonCode::ChannelAbsent if reason.reference == reason.candidate => {
            format!("channel {what} is in neither trace")
        }
        ReasonCode::ChannelAbsent => {
            format!("channel {what} is {reference} in the reference, {candidate} in the candidate")
        }
        ReasonCode::NoCommonTicks if reason.what.is_some() => {
            format!(
                "aligned by {what}, none of the reference's ticks in the window asked for has a partner; it has {reference} \
                 there"
            )
        }
        ReasonCode::NoCommonTicks => {
            format!(
                "no tick is in both: in the window asked for the reference has {reference}, the candidate {candidate}"
            )
        }
        ReasonCode::LossInside => {
            let whose = if reason.reference.is_some() { "reference" } else { "candidate" };
            let loss = reason.reference.as_ref().or(reason.candidate.as_ref()).cloned().unwrap_or_default();
            format!(
                "the {whose} has lost something inside of what is compared: {loss}; compare other ticks with --ticks"
            )
        }
        ReasonCode::NotAligned => {
            format!(
                "ticks cannot be aligned by {what}, which is {reference} in the reference, {candidate} in the candidate"
            )
        }
        ReasonCode::LeftOver => {
            format!(
                "aligned by {what}, ticks from the first pair on have no partner: {reference} of the reference, {candidate} of the \
                 candidate; without --whole they are skipped"
            )
        }
        ReasonCode::NothingCompared => "there was no value to compare".to_owned(),
    }
}

fn mismatch(page: &mut Page<'_>, label: &str, mismatch: &Mismatch) {
    if mismatch.cause.class == CauseClass::MissingTick {
        return page.field(label, &format!("tick {}, which one of the two lacks", mismatch.tick));
    }
    let other = mismatch.candidate_tick.map_or(String::new(), |tick| format!(" (the candidate's {tick})"));
    page.field(label, &format!("tick {}{other}, {}", mismatch.tick, mismatch.path));
    let mut text = format!("reference {}, candidate {}", side(&mismatch.reference), side(&mismatch.candidate));
    if let Some(delta) = &mismatch.delta {
        text.push_str(&format!(", delta {delta}"));
    }
    if let Some(ulp) = mismatch.ulp {
        text.push_str(&format!(", {} ulp", thousands(ulp)));
    }
    page.more(&text);
    if mismatch.values_different > 1 {
        page.more(&format!("{} differ in this tick", counted(mismatch.values_different, "value")));
    }
    if let Some(origin) = mismatch.drift_origin.as_ref().filter(|origin| origin.tick != mismatch.tick) {
        let (reference, candidate) = (side(&origin.reference), side(&origin.candidate));
        page.more(&format!("off since tick {}, where {reference} became {candidate}", origin.tick));
    }
}

/// The cause and its evidence.
pub fn cause(page: &mut Page<'_>, cause: &Cause) {
    page.field("cause", cause.class.describe());
    cause.evidence.iter().for_each(|evidence| page.more(&format!("- {evidence}")));
}

fn episodes(page: &mut Page<'_>, report: &DiffReport) {
    let counts = report.episodes.counts;
    if counts.count == 0 {
        return;
    }
    let all =
        format!("{}: {} healed, {} sustained, {} open", counts.count, counts.healed, counts.sustained, counts.open);
    page.field("episodes", &all);
    for EpisodeReport { start, end, kind, to_the_end, channels } in &report.episodes.listed {
        let kind = match kind {
            EpisodeKind::Healed => "healed",
            EpisodeKind::Sustained => "sustained",
            EpisodeKind::Open => "open",
        };
        let end_note = if *to_the_end { ", to the end" } else { "" };
        let channels: Vec<&str> = channels.iter().map(|channel| channel.name()).collect();
        page.more(&format!("ticks {start}..{end} {kind}{end_note}: {}", channels.join(", ")));
    }
    let unlisted = counts.count - report.episodes.listed.len() as u64;
    if unlisted > 0 {
        page.more(&format!("and {} more", thousands(unlisted)));
    }
}

fn channel_text(channel: &ChannelReport) -> String {
    let mut text = match &channel.first_mismatch {
        None => format!("{} equal", channel.channel),
        Some(first) => {
            let ticks = counted(channel.ticks_different, "tick");
            format!("{} first differs at tick {}, {}; in all, {ticks}", channel.channel, first.tick, first.path)
        }
    };
    if let Some(first) = &channel.first_diagnostic {
        let (reference, candidate) = (side(&first.reference), side(&first.candidate));
        text.push_str(&format!(
            "; a diagnostic from tick {} on, {}: {reference} became {candidate}",
            first.tick, first.path
        ));
    }
    text
}

/// How much was compared.
pub fn how_much(page: &mut Page<'_>, compared: &Compared) {
    if let Some(window) = &compared.window {
        let values = compared.values.map_or(0, std::num::NonZeroU64::get);
        let (ticks, rows) = (counted(compared.ticks, "tick"), counted(compared.rows, "row"));
        page.field("compared", &format!("ticks {window}: {ticks}, {rows}, {}", counted(values, "value")));
        match compared.by_rows {
            None => {}
            Some(0) => page.more("by equal digests, all of them: no row was compared"),
            Some(by_rows) if by_rows == compared.ticks => page.more("by their rows, all of them"),
            Some(by_rows) => {
                let by_digests = counted(compared.ticks - by_rows, "tick");
                page.more(&format!("{by_digests} by equal digests, {} by their rows", thousands(by_rows)));
            }
        }
    }
    if let Some(ticks) = compared.ticks_with_input {
        page.field("input", &format!("in {} of {}", thousands(ticks), counted(compared.ticks, "tick")));
    }
}

fn certificate(page: &mut Page<'_>, report: &DiffReport) {
    let compared = &report.compared;
    how_much(page, compared);
    if !compared.never_changed.is_empty() {
        page.field("never changed", &compared.never_changed.join(", "));
    }
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for entry in &compared.never_compared {
        match reasons.iter_mut().find(|(why, _)| *why == entry.why) {
            Some((_, list)) => list.push(&entry.what),
            None => reasons.push((&entry.why, vec![&entry.what])),
        }
    }
    let items: Vec<String> = reasons.iter().map(|(why, list)| format!("{} ({why})", list.join(", "))).collect();
    page.list("not compared", &items);
    ends(page, &report.ends, compared.whole || report.alignment.is_some());
    losses(page, &report.loss);
}

/// Ticks that only one side has, which `--whole` can make a difference unless that is `settled`.
pub fn ends(page: &mut Page<'_>, ends: &Ends, settled: bool) {
    for (name, ends) in [("reference", ends.reference_only), ("candidate", ends.candidate_only)] {
        let sides = [(ends.before, "before"), (ends.after, "after")];
        let sticking_out = sides.iter().filter(|(ticks, _)| *ticks > 0);
        let text: Vec<String> =
            sticking_out.map(|(ticks, place)| format!("{} {place}", counted(*ticks, "tick"))).collect();
        if !text.is_empty() {
            let text = text.join(" and ");
            let hint = if settled { "" } else { "; --whole makes that a difference" };
            page.field("ends", &format!("the {name} alone has {text} those that both have{hint}"));
        }
    }
}

/// The loss ledgers of both.
pub fn losses(page: &mut Page<'_>, loss: &LossReport) {
    for (name, loss) in [("reference", &loss.reference), ("candidate", &loss.candidate)] {
        loss.iter().for_each(|entry| page.field("loss", &format!("{name}: {entry}")));
    }
}

/// What was allowed to be a little off, and what has another name. What was left out is told with what was not compared.
pub fn policy(page: &mut Page<'_>, policy: &PolicyReport) {
    let same = |a: &Within, b: &Within| (&a.tolerance, &a.reason) == (&b.tolerance, &b.reason);
    let within = policy.tolerances.chunk_by(same).map(|group| {
        let names: Vec<&str> = group.iter().map(|of| of.what.as_str()).collect();
        format!("{} within {} ({})", names.join(", "), group[0].tolerance, group[0].reason)
    });
    page.list("tolerances", &within.collect::<Vec<_>>());
    let renamed = policy.renamed.iter();
    let renamed = renamed.map(|of| format!("{} is {} in the candidate ({})", of.reference, of.candidate, of.reason));
    page.list("renamed", &renamed.collect::<Vec<_>>());
}

/// How ticks were paired.
pub fn alignment(page: &mut Page<'_>, alignment: &Alignment) {
    let anchors = &alignment.anchors;
    let matched = thousands(anchors.matched);
    let (reference, candidate) = (thousands(anchors.reference), thousands(anchors.candidate));
    let of = format!(
        "by {}: {matched} anchors of the reference's {reference} and the candidate's {candidate}",
        alignment.by
    );
    page.field("aligned", &of);
    for stretch in alignment.listed.iter().take(ALIGNMENTS) {
        let ticks = counted(stretch.ticks, "tick");
        page.more(&format!("tick {} is the candidate's {}, for {ticks}", stretch.reference, stretch.candidate));
    }
    let more = alignment.stretches.saturating_sub(ALIGNMENTS as u64);
    if more > 0 {
        page.more(&format!("and {} more", thousands(more)));
    }
    if alignment.in_parts {
        page.more(
            "matched part by part, because the same anchors recur so often: a better pairing may have been missed",
        );
    }
    let skipped = &alignment.skipped;
    if skipped.reference + skipped.candidate == 0 {
        return;
    }
    let (reference, candidate) = (counted(skipped.reference, "tick"), counted(skipped.candidate, "tick"));
    page.field("skipped", &format!("{reference} of the reference, {candidate} of the candidate"));
    for run in skipped.listed.iter().take(ALIGNMENTS) {
        page.more(&format!("{} of the {} from tick {}", counted(run.ticks, "tick"), run.of, run.first));
    }
}

fn proof(page: &mut Page<'_>, proof: &Proof) {
    let (killed, planted) = (thousands(proof.killed), thousands(proof.planted));
    let fields = counted(proof.fields.len() as u64, "sort");
    page.field("proof", &format!("{killed} of {planted} planted faults were seen, in {fields} of faults"));
    for survivor in &proof.survivors {
        page.more(&format!("- NOT SEEN: {} in {} at tick {}", survivor.fault, survivor.what, survivor.tick));
    }
    let mut reasons: Vec<(WhyNotPlanted, Vec<String>)> = Vec::new();
    for entry in &proof.not_planted {
        let what = format!("{} ({})", entry.what, entry.fault);
        match reasons.iter_mut().find(|(why, _)| *why == entry.why) {
            Some((_, list)) => list.push(what),
            None => reasons.push((entry.why, vec![what])),
        }
    }
    let item = |(why, list): &(WhyNotPlanted, Vec<String>)| format!("{}: {}", why.describe(), list.join(", "));
    let items: Vec<String> = reasons.iter().map(item).collect();
    page.list("not planted", &items);
}
