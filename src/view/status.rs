//! How a VNF is: its tree, what departs from the record, what is deferred; and the table of all.

use super::Screen;
use super::page::Page;
use super::plan::drifted;
use super::style::{Mark, Text, bold, dim, green, join, plain, red, yellow};
use super::tables::{age, state, table};
use super::tree;
use super::words::{command, count, label, short_id};
use crate::plan::drift::fields::Remedy;
use crate::record::instance::InstantiationState;
use crate::report::status::{OpenOperation, Status};

/// How one VNF is; with a height, the tree is folded for the rest to have room.
pub fn status(status: &Status, screen: &Screen, height: Option<usize>) -> String {
    let mut page = Page::new(screen);
    head(&mut page, status);
    if let Some(operation) = &status.operation {
        open(&mut page, status, operation);
    }
    let mut below = Page::new(screen);
    drift(&mut below, status);
    deferred(&mut below, status);
    let (above, below) = (page.finish(), below.finish());
    let around = above.lines().count() + below.lines().count() + 2;
    // Whatever else there is: how the VNF is comes first.
    let height = height.map(|height| height.saturating_sub(around).max(height / 2));
    let tree = tree::render(&status.tree, screen, height);
    let parts = [above, tree, below].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("\n")
}

/// `modify_vnf_after   INSTANTIATED   revision 2   7 of 9 VNFCs ready, 3 drifted, 1 deferred`.
fn head(page: &mut Page<'_>, status: &Status) {
    let (ready, wanted) = status.ready;
    let mut numbers = Vec::new();
    if !status.tree.rows.is_empty() {
        let text = format!("{ready} of {wanted} VNFCs ready");
        numbers.push(if ready >= wanted { green(&text) } else { red(&text) });
    }
    if !status.drift.is_empty() {
        numbers.push(yellow(&format!("{} drifted", status.drift.len())));
    }
    if !status.deferred.is_empty() {
        numbers.push(yellow(&format!("{} deferred", status.deferred.len())));
    }
    let revision = status.revision.map(|number| plain(&format!("revision {number}"))).unwrap_or_default();
    let parts = [bold(&status.name), plain(&status.instantiation_state.to_string()), revision, join(numbers, ", ")];
    page.list(0, Text::empty(), parts, "   ");
}

fn open(page: &mut Page<'_>, status: &Status, operation: &OpenOperation) {
    let now = page.screen.now;
    let interrupted = if operation.interrupted { " (interrupted)" } else { "" };
    let (done, all) = status.tree.done();
    let noun = if status.tree.only_vdus() { "VDU" } else { "workload" };
    let by = operation.by.as_ref().map(|by| plain(&format!("by {by}")));
    let parts = [
        plain(&operation.verb.to_string()) + " " + dim(short_id(&operation.id)),
        state(&operation.state.to_string()) + interrupted + dim(&format!(" for {}", age(operation.since, now))),
        by.unwrap_or_default(),
        if all == 0 { Text::empty() } else { plain(&format!("{done} of {} done", count(all, noun))) },
        command(page.screen, "op show", &[&status.name]),
    ];
    page.hung(0, 4, Mark::Attention.text(page.screen) + " ", parts, "   ");
}

fn drift(page: &mut Page<'_>, status: &Status) {
    if status.drift.is_empty() {
        return;
    }
    let revision = status.revision.map(|number| format!(" live differs from revision {number}")).unwrap_or_default();
    page.line(0, bold("Drift:") + revision.as_str());
    let entries: Vec<_> = status.drift.iter().map(|departure| departure.drift.clone()).collect();
    let mark = Mark::Attention.text(page.screen) + " ";
    drifted(page, 2, mark, &entries);
    let has = |remedy| status.drift.iter().any(|departure| departure.remedy == remedy);
    let mut label = "Put back: ";
    if has(Remedy::Update) {
        let except = if has(Remedy::Scale) { "(not replicas: they belong to scale)" } else { "" };
        let parts = [command(page.screen, "update", &[&status.name]), plain(except)];
        page.list(2, plain(label), parts, "   ");
        label = "          ";
    }
    if has(Remedy::Heal) {
        let parts = [command(page.screen, "heal", &[&status.name, "--all"]), plain("(VDUs are made anew)")];
        page.list(2, plain(label), parts, "   ");
    }
    if has(Remedy::Scale) && !has(Remedy::Update) {
        page.paragraph(2, Text::empty(), "Replicas belong to scale: neither update nor heal changes them");
    }
    if has(Remedy::Hand) {
        page.paragraph(
            2,
            Text::empty(),
            "Volumes, claims and Jobs are left alone by all of these: put them back with kubectl",
        );
    }
}

fn deferred(page: &mut Page<'_>, status: &Status) {
    if status.deferred.is_empty() {
        return;
    }
    let entries = status.deferred.iter().map(|entry| {
        let who = label(entry.vdu.as_deref(), &entry.object);
        plain(&format!("{who} {} ", entry.field)) + yellow(&entry.change)
    });
    page.list(0, bold("Deferred:") + " ", entries, ", ");
    page.line(2, plain("In force after: ") + command(page.screen, "heal", &[&status.name, "--all"]));
}

/// All instances, one in a line.
pub fn all(statuses: &[Status], namespaces: bool, headers: bool, wide: bool) -> String {
    let mut columns = Vec::new();
    if namespaces {
        columns.push("NAMESPACE");
    }
    columns.extend(["NAME", "READY", "STATE", "OPERATION", "DRIFT", "DEFERRED"]);
    if wide {
        columns.extend(["REVISION", "ID"]);
    }
    let rows = statuses.iter().map(|status| {
        let there = status.instantiation_state == InstantiationState::Instantiated;
        let number = |number: usize| if number == 0 { plain("0") } else { yellow(&number.to_string()) };
        let (ready, wanted) = status.ready;
        let of = format!("{ready}/{wanted}");
        let none = || plain("-");
        let judged = there && status.operation.is_none() && status.unknown.is_empty();
        let mut cells = Vec::new();
        if namespaces {
            cells.push(plain(&status.namespace));
        }
        cells.extend([
            plain(&status.name),
            match ready >= wanted {
                _ if wanted == 0 && !there => none(),
                true => green(&of),
                false => red(&of),
            },
            plain(&status.instantiation_state.to_string()),
            status.operation.as_ref().map_or_else(none, |operation| {
                let interrupted = if operation.interrupted { " (interrupted)" } else { "" };
                plain(&operation.verb.to_string()) + " " + state(&operation.state.to_string()) + interrupted
            }),
            if judged { number(status.drift.len()) } else { none() },
            if there && status.unknown.is_empty() { number(status.deferred.len()) } else { none() },
        ]);
        if wide {
            cells.extend([status.revision.map_or_else(none, |number| plain(&number.to_string())), dim(&status.id)]);
        }
        cells
    });
    table(&columns, rows.collect(), headers)
}
