//! An operation that did not reach its end: the evidence, how everything stands now, and the ways out.

use super::super::Screen;
use super::super::page::Page;
use super::super::style::{Mark, Text, bold, clean, cyan, dim, error_word, fit, plain};
use super::super::tables::{age, seconds, state};
use super::super::words::{command, full_label, label, short_id};
use super::{quoted, ways_out};
use crate::object::config::is_config;
use crate::plan::ItemState;
use crate::record::{OperationState, Verb};
use crate::report::evidence::{EventLine, Evidence};
use crate::report::outcome::{FailureLine, Outcome, Standing};

/// Where the facts of a failure stand.
const INDENT: usize = 4;
/// Width of their labels.
const LABEL: usize = 8;
/// Lines that a reason may take.
const REASON_LINES: usize = 4;

/// What failed and why, how things stand, and the commands that are allowed now.
pub fn failed(outcome: &Outcome, screen: &Screen) -> String {
    let mut page = Page::new(screen);
    faults(&mut page, outcome);
    let interrupted = outcome.failures.iter().all(|failure| failure.consequence);
    page.blank();
    let verb = if interrupted { "interrupted" } else { "failed" };
    let way = if goes_back(outcome) { "rollback of the " } else { "" };
    let what = format!(" {way}{} of ", outcome.verb);
    let took = format!(" {verb} after {},", seconds(outcome.took));
    let operation =
        plain("operation ") + dim(short_id(&outcome.operation_id)) + " is " + state(&outcome.state.to_string());
    page.hung(0, 7, error_word(), [Text::from(what) + quoted(&outcome.name) + took.as_str(), operation], " ");
    now(&mut page, outcome);
    ways(&mut page, outcome, interrupted);
    page.finish()
}

/// What failed and why, of an operation that is about to be rolled back.
pub fn evidence(outcome: &Outcome, screen: &Screen) -> String {
    let mut page = Page::new(screen);
    faults(&mut page, outcome);
    page.blank();
    let revision = outcome.ways.as_ref().and_then(|ways| ways.back.as_ref()?.revision);
    let to = revision.map(|number| format!(" to revision {number}")).unwrap_or_default();
    page.line(0, bold(&format!("Rolling back{to}")));
    page.finish()
}

/// How an operation ended that failed and was rolled back by the same command.
pub fn failed_and_rolled_back(failed: &Outcome, back: &Outcome, screen: &Screen) -> String {
    let mut page = Page::new(screen);
    page.blank();
    let what = format!(" {} of ", failed.verb);
    let took = format!(" failed after {} and was rolled back in {}", seconds(failed.took), seconds(back.took));
    let end = plain("(") + state(&back.state.to_string()) + ")";
    page.hung(0, 7, error_word(), [Text::from(what) + quoted(&failed.name) + took.as_str(), end], " ");
    checked_back(&mut page, back);
    page.line(2, plain("Evidence: ") + command(screen, "op show", &[&failed.name]));
    page.finish()
}

/// What a rollback has come to.
pub fn checked_back(page: &mut Page<'_>, outcome: &Outcome) {
    let now = match outcome.revision {
        Some(number) => format!("revision {number} everywhere, checked against the cluster."),
        None => "nothing of it is left.".to_owned(),
    };
    page.paragraph(2, bold("Now:") + " ", &now);
}

fn faults(page: &mut Page<'_>, outcome: &Outcome) {
    for failure in outcome.failures.iter().filter(|failure| !failure.consequence) {
        fault(page, failure);
    }
}

/// Whether it was on its way back when it stopped.
fn goes_back(outcome: &Outcome) -> bool {
    outcome.ways.as_ref().is_some_and(|ways| ways.rolling_back)
}

/// The facts of one failure.
pub fn fault(page: &mut Page<'_>, failure: &FailureLine) {
    let label = full_label(failure.vdu.as_deref(), &failure.object);
    page.blank();
    let what = match &failure.evidence {
        Some(evidence) if !evidence.summary.is_empty() => &evidence.summary,
        _ => &failure.what,
    };
    let head = Mark::Failed.text(page.screen) + " " + bold(&label) + ": ";
    page.hung(0, INDENT, head, clean(what).split_whitespace().map(plain), " ");
    match &failure.evidence {
        Some(evidence) => facts(page, evidence, failure.defined_at.as_deref()),
        None => {
            if let Some(place) = &failure.defined_at {
                fact(page, "defined", [plain(place)], " ");
            }
        }
    }
}

fn fact(page: &mut Page<'_>, label: &str, parts: impl IntoIterator<Item = Text>, separator: &str) {
    page.list(INDENT, dim(label).pad(LABEL), parts, separator);
}

fn facts(page: &mut Page<'_>, evidence: &Evidence, defined_at: Option<&str>) {
    let container = evidence.container.as_ref().map(|container| plain(&format!("container {container}")));
    if let Some(pod) = &evidence.pod {
        let node = evidence.node.as_ref().map(|node| format!(" on {node}")).unwrap_or_default();
        fact(page, "pod", std::iter::once(plain(&format!("{pod}{node}"))).chain(container), ", ");
    }
    let place = defined_at.map(|place| dim(&format!("({place})")));
    match (&evidence.image, place) {
        (Some(image), place) => fact(page, "image", std::iter::once(plain(image)).chain(place), "   "),
        (None, Some(_)) => fact(page, "defined", defined_at.map(plain), ""),
        (None, None) => {}
    }
    let message = clean(&evidence.message);
    let reason = clean(&evidence.reason);
    let separator = if reason.is_empty() || message.is_empty() { "" } else { ": " };
    let text = format!("{reason}{separator}{message}");
    if !text.is_empty() {
        // A message may be as long as a page; its beginning tells.
        let room = page.screen.width.saturating_sub(INDENT + LABEL) * REASON_LINES;
        let text = fit(&text, room, page.screen.symbols);
        fact(page, "reason", text.split_whitespace().map(plain), " ");
    }
    events(page, &evidence.events);
    log(page, evidence);
}

fn events(page: &mut Page<'_>, events: &[EventLine]) {
    let now = page.screen.now;
    let ages: Vec<String> =
        events.iter().map(|event| event.time.map(|time| age(time, now)).unwrap_or_default()).collect();
    let age_width = ages.iter().map(String::len).max().unwrap_or(0);
    let reason_width = events.iter().map(|event| plain(&event.reason).width()).max().unwrap_or(0);
    let used = INDENT + LABEL + age_width + 2 + reason_width + 2;
    for (index, (event, age)) in events.iter().zip(ages).enumerate() {
        let label = if index == 0 { dim("events") } else { Text::empty() };
        let message = fit(&event.message, page.screen.width.saturating_sub(used).max(20), page.screen.symbols);
        let age = Text::empty().pad(age_width - age.len()) + dim(&age);
        let line = label.pad(LABEL) + age + "  " + plain(&event.reason).pad(reason_width) + "  " + message.as_str();
        page.line(INDENT, line);
    }
}

fn log(page: &mut Page<'_>, evidence: &Evidence) {
    if evidence.log.is_empty() {
        if evidence.pod.is_some() && evidence.container.is_some() {
            let never = evidence.reason.contains("Image") || evidence.reason.starts_with("CreateContainer");
            let text = if never { "none, the container never started" } else { "none" };
            fact(page, "logs", [plain(text)], "");
        }
        return;
    }
    let room = page.screen.width.saturating_sub(INDENT + LABEL);
    for (index, line) in evidence.log.iter().enumerate() {
        let label = if index == 0 { dim("logs") } else { Text::empty() };
        page.line(INDENT, label.pad(LABEL) + fit(line, room, page.screen.symbols).as_str());
    }
}

/// How everything in scope stands, in one sentence.
fn now(page: &mut Page<'_>, outcome: &Outcome) {
    let (config, rest): (Vec<&Standing>, Vec<&Standing>) =
        outcome.standing.iter().partition(|standing| is_config(&standing.object));
    if config.is_empty() && rest.is_empty() {
        return;
    }
    let written = config.iter().filter(|standing| standing.state != ItemState::ToDo).count();
    let mut parts: Vec<Vec<String>> = Vec::new();
    let group = |members: &[&Standing], what: &str| {
        let last = members.len().saturating_sub(1);
        let name = |standing: &Standing| label(standing.vdu.as_deref(), &standing.object);
        members
            .iter()
            .enumerate()
            .map(|(index, standing)| {
                let name = name(standing);
                if index == last { format!("{name} {what}") } else { format!("{name},") }
            })
            .collect::<Vec<_>>()
    };
    let not_yet = match outcome.verb {
        _ if goes_back(outcome) => "not back yet",
        Verb::Instantiate => "not created",
        Verb::Terminate => "still there",
        Verb::Update | Verb::Undo | Verb::ChangePackage => "as before",
        Verb::Scale => "not at its replicas",
        Verb::Heal => "not yet made anew",
    };
    let done = match outcome.verb {
        _ if goes_back(outcome) => "back",
        Verb::Instantiate => "ready",
        Verb::Terminate => "deleted",
        Verb::Update | Verb::Undo | Verb::ChangePackage | Verb::Scale | Verb::Heal => "done",
    };
    match written {
        0 if config.is_empty() => {}
        0 => parts.push(vec![format!("config {not_yet}")]),
        _ if written == config.len() && outcome.verb == Verb::Terminate => parts.push(vec!["config deleted".into()]),
        _ if written == config.len() && goes_back(outcome) => parts.push(vec!["config back".into()]),
        _ if written == config.len() => parts.push(vec!["config written".into()]),
        _ => {
            let (old, new): (Vec<&Standing>, Vec<&Standing>) =
                config.iter().copied().partition(|standing| standing.state == ItemState::ToDo);
            parts.push(group(&new, "written"));
            parts.push(group(&old, not_yet));
        }
    }
    for (state, what) in
        [(ItemState::Done, done), (ItemState::Waiting, "written but not ready"), (ItemState::ToDo, not_yet)]
    {
        let members: Vec<&Standing> = rest.iter().copied().filter(|standing| standing.state == state).collect();
        if !members.is_empty() {
            parts.push(group(&members, what));
        }
    }
    let last = parts.len().saturating_sub(1);
    let words = parts.into_iter().enumerate().flat_map(|(index, mut group)| {
        if let Some(end) = group.last_mut() {
            end.push(if index == last { '.' } else { ';' });
        }
        group
    });
    page.list(2, bold("Now:") + " ", words.map(|word| plain(&word)), " ");
}

/// The commands that are allowed.
fn ways(page: &mut Page<'_>, outcome: &Outcome, interrupted: bool) {
    let Some(ways) = &outcome.ways else { return };
    let ways_out = ways_out(ways, &outcome.standing, &outcome.name, page.screen);
    if outcome.state == OperationState::FailedTemp && !interrupted {
        page.line(2, quoted(&outcome.name) + " takes one of these, and nothing else:");
    }
    let rows: Vec<Vec<Text>> = ways_out.iter().map(|(command, what)| vec![cyan(command), plain(what)]).collect();
    page.grid(4, 8, 3, &rows);
}
