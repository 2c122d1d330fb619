//! What an operation came to: the Pods that restarted, the Pods that provably did not, and what is left to know.

mod failed;
mod ways;

pub(super) use failed::fault;
pub use failed::{evidence, failed, failed_and_rolled_back};
pub use ways::ways_out;

use super::Screen;
use super::page::Page;
use super::style::{Mark, Text, bold, dim, green, join, plain, yellow};
use super::tables::{seconds, state};
use super::words::{command, count, full_label, label, quote, short_id, workloads_and_kinds};
use crate::plan::derive::scale::AspectMove;
use crate::plan::derive::update::Deferred;
use crate::record::{OperationState, Verb};
use crate::report::outcome::{Outcome, PodOf, Restarted};

/// With more restarted Pods than this each VDU gets one line.
const MANY: usize = 24;

/// An operation that reached its end.
pub fn done(outcome: &Outcome, screen: &Screen) -> String {
    let mut page = Page::new(screen);
    match (outcome.state, outcome.verb) {
        (OperationState::Failed, _) => given_up(&mut page, outcome),
        (OperationState::RolledBack, _) => rolled_back(&mut page, outcome),
        (_, Verb::Instantiate) => instantiated(&mut page, outcome),
        (_, Verb::Update | Verb::Undo | Verb::ChangePackage | Verb::Heal) => changed(&mut page, outcome),
        (_, Verb::Scale) => scaled(&mut page, outcome),
        (_, Verb::Terminate) => terminated(&mut page, outcome),
    }
    page.finish()
}

/// An update that has nothing to do.
pub fn unchanged(name: &str, screen: &Screen) -> String {
    let mut page = Page::new(screen);
    page.line(0, instance(name) + " unchanged: runs this package, nothing drifted");
    page.finish()
}

/// `vnfinstance/NAME`, as `-o name` says it.
fn instance(name: &str) -> Text {
    bold(&format!("vnfinstance/{name}"))
}

fn instantiated(page: &mut Page<'_>, outcome: &Outcome) {
    let (ready, all) = outcome.ready;
    let facts = format!(": {ready} of {} ready in {}", count(all, "VNFC"), seconds(outcome.took));
    page.line(0, instance(&outcome.name) + " " + green("instantiated") + facts.as_str());
    let id = plain("id ") + dim(&outcome.id);
    let operation = plain("operation ") + dim(short_id(&outcome.operation_id));
    page.list(2, Text::empty(), [id, operation, revision(outcome)], "   ");
    common(page, outcome);
    page.line(2, plain("Look at it: ") + command(page.screen, "status", &[&outcome.name]));
}

fn changed(page: &mut Page<'_>, outcome: &Outcome) {
    let word = match outcome.verb {
        Verb::Heal => "healed",
        Verb::Undo => "undone",
        Verb::ChangePackage => "moved to its new package",
        _ => "updated",
    };
    head(page, outcome, word);
    restarts(page, outcome);
    if outcome.verb != Verb::Heal {
        deleted(page, outcome);
    }
    common(page, outcome);
    if matches!(outcome.verb, Verb::Update | Verb::ChangePackage) && outcome.revision.is_some_and(|number| number > 1) {
        page.blank();
        page.line(2, plain("Undo: ") + command(page.screen, "undo", &[&outcome.name]));
    }
}

fn scaled(page: &mut Page<'_>, outcome: &Outcome) {
    head(page, outcome, "scaled");
    page.blank();
    scale(page, &outcome.scale);
    moved(page, outcome);
    untouched(page, &outcome.untouched);
    common(page, outcome);
}

/// `vdu1_aspect 0 -> 1 of 2`, for the plan too.
pub(super) fn aspect(level: &AspectMove) -> Text {
    plain(&format!("{} {} -> {} of {}", level.aspect_id, level.before, level.after, level.max))
}

fn scale(page: &mut Page<'_>, moves: &[AspectMove]) {
    if !moves.is_empty() {
        page.list(0, bold("Scale:") + " ", moves.iter().map(aspect), ", ");
    }
}

/// Pods that came and went because replicas changed.
fn moved(page: &mut Page<'_>, outcome: &Outcome) {
    for (what, pods) in [("Added:", &outcome.added), ("Removed:", &outcome.removed)] {
        if !pods.is_empty() {
            page.line(0, bold(what) + " " + count(pods.len(), "Pod").as_str());
            page.list(2, Text::empty(), names(pods), ", ");
        }
    }
}

fn rolled_back(page: &mut Page<'_>, outcome: &Outcome) {
    head(page, outcome, &format!("{} rolled back", outcome.verb));
    if outcome.deleted.is_empty() || !outcome.restarted.is_empty() {
        restarts(page, outcome);
    }
    deleted(page, outcome);
    common(page, outcome);
    failed::checked_back(page, outcome);
}

/// Pods that restarted, and those that did not.
fn restarts(page: &mut Page<'_>, outcome: &Outcome) {
    let restarted = outcome.restarted.len();
    let rescaled = outcome.added.len() + outcome.removed.len() + outcome.scale.len() > 0;
    let body = rescaled || restarted + outcome.untouched.len() + outcome.deferred.len() + outcome.disturbed.len() > 0;
    if body || outcome.renamed_from.is_some() || !outcome.notes.is_empty() {
        page.blank();
    }
    if restarted > 0 {
        let what = if outcome.verb == Verb::Heal { "Replaced:" } else { "Restarted:" };
        page.line(0, bold(what) + " " + count(restarted, "Pod").as_str());
        pods(page, &outcome.restarted);
    } else if body && !rescaled {
        page.line(0, bold("Restarted:") + " no Pod");
    }
    scale(page, &outcome.scale);
    moved(page, outcome);
    untouched(page, &outcome.untouched);
}

fn terminated(page: &mut Page<'_>, outcome: &Outcome) {
    head(page, outcome, "terminated");
    deleted(page, outcome);
    common(page, outcome);
}

fn deleted(page: &mut Page<'_>, outcome: &Outcome) {
    if !outcome.deleted.is_empty() {
        page.list(
            0,
            bold("Deleted:") + " ",
            workloads_and_kinds(&outcome.deleted).iter().map(|part| plain(part)),
            ", ",
        );
    }
}

fn given_up(page: &mut Page<'_>, outcome: &Outcome) {
    let operation = format!("{} {} is ", outcome.verb, short_id(&outcome.operation_id));
    let facts = plain(": ") + operation.as_str() + state(&outcome.state.to_string());
    page.list(0, Text::empty(), [instance(&outcome.name) + facts, revision(outcome)], "   ");
    page.paragraph(
        2,
        Text::empty(),
        "What the cluster has now is on record as it is; the next update goes on from there.",
    );
    common(page, outcome);
}

fn head(page: &mut Page<'_>, outcome: &Outcome, word: &str) {
    let what = instance(&outcome.name) + " " + green(word) + format!(" in {}", seconds(outcome.took)).as_str();
    let operation =
        plain("operation ") + dim(short_id(&outcome.operation_id)) + " " + state(&outcome.state.to_string());
    page.list(0, Text::empty(), [what, operation, revision(outcome)], "   ");
}

fn revision(outcome: &Outcome) -> Text {
    outcome.revision.map_or_else(Text::empty, |number| plain(&format!("revision {number}")))
}

/// What every verb may have to add.
fn common(page: &mut Page<'_>, outcome: &Outcome) {
    if !outcome.disturbed.is_empty() {
        let verb = if outcome.disturbed.len() == 1 { "is" } else { "are" };
        let number = count(outcome.disturbed.len(), "Pod");
        let text = format!(" {number} that this operation left alone {verb} not as before:");
        page.line(0, Mark::Attention.text(page.screen) + text.as_str());
        let rows: Vec<Vec<Text>> = outcome
            .disturbed
            .iter()
            .map(|entry| {
                let label = label(entry.pod.vdu.as_deref(), &entry.pod.workload);
                vec![plain(&label), plain(&entry.pod.pod), yellow(&entry.how)]
            })
            .collect();
        page.rows(4, 8, &rows);
    }
    if !outcome.deferred.is_empty() {
        let changes = count(outcome.deferred.len(), "change");
        let what = deferred_fields(&outcome.deferred);
        let show = command(page.screen, "show", &[&outcome.name]);
        let parts = [yellow(&changes) + format!(" ({what}),").as_str(), plain("see ") + show];
        page.list(0, bold("Deferred:") + " ", parts, " ");
    }
    if let Some(former) = &outcome.renamed_from {
        page.line(0, bold("Renamed:") + format!(" {former} is now {}", outcome.name).as_str());
    }
    for note in &outcome.notes {
        page.paragraph(0, plain("note: "), note);
    }
}

/// `containerPort of VDU2`: the last part of each field, as long as there are few.
fn deferred_fields(deferred: &[Deferred]) -> String {
    let mut names: Vec<String> = Vec::new();
    for entry in deferred {
        let field = entry.field.rsplit('.').next().unwrap_or(&entry.field);
        let name = format!("{field} of {}", label(entry.vdu.as_deref(), &entry.object));
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let surplus = names.len().saturating_sub(3);
    names.truncate(3);
    if surplus > 0 {
        names.push(format!("{surplus} more"));
    }
    names.join(", ")
}

fn pods(page: &mut Page<'_>, restarted: &[Restarted]) {
    if restarted.len() > MANY {
        return many_pods(page, restarted);
    }
    let rows: Vec<Vec<Text>> = restarted
        .iter()
        .map(|pod| {
            let label = plain(&label(pod.vdu.as_deref(), &pod.workload));
            let images = join(pod.images.iter().map(|image| dim(image)), ", ");
            let [before, after] = match (&pod.before, &pod.after, pod.restarts) {
                (Some(name), _, Some((before, after))) => {
                    [plain(name), plain(&format!("same Pod, restarts {before} -> {after}"))]
                }
                (Some(before), Some(after), None) if before == after => [plain(before), plain("made anew, a new UID")],
                (Some(before), Some(after), None) => [plain(before), plain(&format!("-> {after}"))],
                (None, Some(after), _) => [plain("(none)"), plain(&format!("-> {after}"))],
                (Some(before), None, None) => [plain(before), yellow("gone")],
                (None, None, _) => [Text::empty(), Text::empty()],
            };
            vec![label, before, after, images]
        })
        .collect();
    page.rows(2, 8, &rows);
}

fn many_pods(page: &mut Page<'_>, restarted: &[Restarted]) {
    let mut rows: Vec<(String, usize, &[String])> = Vec::new();
    for pod in restarted {
        let label = full_label(pod.vdu.as_deref(), &pod.workload);
        match rows.iter_mut().find(|(other, ..)| *other == label) {
            Some((_, number, _)) => *number += 1,
            None => rows.push((label, 1, &pod.images)),
        }
    }
    let rows: Vec<Vec<Text>> = rows
        .into_iter()
        .map(|(label, number, images)| {
            let images = join(images.iter().map(|image| dim(image)), ", ");
            vec![plain(&label), plain(&count(number, "Pod")), images]
        })
        .collect();
    page.rows(2, 8, &rows);
}

fn untouched(page: &mut Page<'_>, untouched: &[PodOf]) {
    if untouched.is_empty() {
        return;
    }
    let number = count(untouched.len(), "Pod");
    page.line(0, bold("Untouched:") + format!(" {number}, checked: same UID, restart count and start time").as_str());
    page.list(2, Text::empty(), names(untouched), ", ");
}

/// Pods by name; with many of them, the VDUs that have them.
fn names(pods: &[PodOf]) -> Vec<Text> {
    let mut names: Vec<String> = Vec::new();
    for pod in pods {
        let label = label(pod.vdu.as_deref(), &pod.workload);
        let name = if pods.len() > MANY { label } else { format!("{label} {}", pod.pod) };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.iter().map(|name| dim(name)).collect()
}

/// The name of an instance inside a sentence.
fn quoted(name: &str) -> Text {
    bold(&quote(name))
}
