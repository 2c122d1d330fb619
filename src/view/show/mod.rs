//! The record of an instance, and the report of one operation.

mod operation;

pub use operation::{OperationLine, OperationSheet, operation};

use super::Screen;
use super::page::Page;
use super::style::{Mark, Text, bold, clean, dim, join, plain, yellow};
use super::tables::{age, state};
use super::words::{command, short_id};
use crate::object::ObjectRef;
use crate::plan::derive::update::Deferred;
use crate::record::Instance;
use serde_json::Value;

/// Column in which facts begin.
pub(super) const FACTS: usize = 15;

/// Everything that `show` says about an instance.
#[derive(Clone, Debug)]
pub struct ShowSheet<'a> {
    /// The record.
    pub instance: &'a Instance,
    /// Namespace of the record.
    pub namespace: &'a str,
    /// The process of the open operation is gone without a word.
    pub interrupted: bool,
    /// The workloads, VDUs in the order of the flavour.
    pub rows: &'a [ShowRow],
    /// What of the package is not in force.
    pub deferred: &'a [Deferred],
}

/// One workload of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShowRow {
    /// Its VDU.
    pub vdu: Option<String>,
    /// The workload.
    pub workload: ObjectRef,
    /// Images of its containers.
    pub images: Vec<String>,
    /// Its VNFCs' ids, or names of its Pods.
    pub vnfcs: Vec<String>,
}

/// Who an instance is: its record.
pub fn instance(sheet: &ShowSheet<'_>, screen: &Screen) -> String {
    let mut page = Page::new(screen);
    identity(&mut page, sheet);
    if !sheet.rows.is_empty() {
        page.blank();
        workloads(&mut page, sheet.rows);
    }
    if !sheet.deferred.is_empty() {
        page.blank();
        let heal = command(screen, "heal", &[&sheet.instance.vnf_instance_name, "--all"]);
        let parts = [plain("(in the package, not in force;"), heal + "):"];
        page.hung(0, 2, bold("Deferred") + " ", parts, " ");
        let rows: Vec<Vec<Text>> = sheet.deferred.iter().map(deferred).collect();
        page.rows(2, 8, &rows);
    }
    revisions(&mut page, sheet.instance);
    page.finish()
}

fn fact(page: &mut Page<'_>, label: &str, parts: impl IntoIterator<Item = Text>, separator: &str) {
    page.list(0, bold(label).pad(FACTS), parts, separator);
}

fn identity(page: &mut Page<'_>, sheet: &ShowSheet<'_>) {
    let instance = sheet.instance;
    let now = page.screen.now;
    fact(page, "Name:", [plain(&instance.vnf_instance_name)], " ");
    let former: Vec<Text> = instance
        .kubectl_vnf
        .former_names
        .iter()
        .map(|former| plain(&former.name) + dim(&format!(" (until {} ago)", age(former.until, now))))
        .collect();
    if !former.is_empty() {
        fact(page, "Former names:", former, ", ");
    }
    if let Some(description) = &instance.vnf_instance_description {
        fact(page, "Description:", clean(description).split_whitespace().map(plain), " ");
    }
    fact(page, "ID:", [plain(&instance.id)], " ");
    let flavour = instance.current().map(|revision| {
        let level =
            revision.instantiation_level_id.as_ref().map(|level| format!(", level {level}")).unwrap_or_default();
        plain(&format!("flavour {}{level}", revision.flavour_id))
    });
    fact(page, "State:", std::iter::once(plain(&instance.instantiation_state.to_string())).chain(flavour), "   ");
    let package = &instance.kubectl_vnf.package;
    let version = format!("(descriptor version {})", package.vnfd_version);
    fact(page, "Product:", [plain(&package.title()), dim(&version)], "   ");
    let digest = format!("sha256:{}", package.short_digest());
    fact(page, "Package:", [plain(&package.vnfd_id), dim(&digest)], "   ");
    let target = instance.current().map_or(sheet.namespace, |revision| &revision.namespace);
    let elsewhere = (target != sheet.namespace).then(|| dim(&format!("(the record is in {})", sheet.namespace)));
    fact(page, "Namespace:", std::iter::once(plain(target)).chain(elsewhere), "   ");
    for (label, value) in [
        ("Metadata:", &instance.metadata),
        ("Extensions:", &instance.extensions),
        ("Properties:", &instance.vnf_configurable_properties),
    ] {
        map(page, label, value);
    }
    scale(page, instance);
    if let Some(open) = instance.open_operation() {
        let what = Mark::Attention.text(page.screen) + " " + open.verb.to_string().as_str() + " " + short_id(&open.id);
        let interrupted = if sheet.interrupted { " (interrupted)" } else { "" };
        let since = state(&open.state.to_string()) + interrupted + dim(&format!(" for {}", age(open.time, now)));
        let more = command(page.screen, "op show", &[&instance.vnf_instance_name]);
        fact(page, "Operation:", [what + " " + since, more], "   ");
    }
}

/// The entries of a JSON object, a line each.
fn map(page: &mut Page<'_>, label: &str, value: &Value) {
    let Some(entries) = value.as_object() else { return };
    for (index, (key, value)) in entries.iter().enumerate() {
        let label = if index == 0 { bold(label) } else { Text::empty() };
        let head = label.pad(FACTS) + key.as_str() + ": ";
        page.hung(0, FACTS + 2, head, values(value), ", ");
    }
}

fn values(value: &Value) -> Vec<Text> {
    match value {
        Value::Array(values) => values.iter().flat_map(values_flat).collect(),
        other => values_flat(other),
    }
}

fn values_flat(value: &Value) -> Vec<Text> {
    match value {
        Value::String(text) => vec![plain(text)],
        other => vec![plain(&other.to_string())],
    }
}

fn scale(page: &mut Page<'_>, instance: &Instance) {
    let Some(info) = &instance.instantiated_vnf_info else { return };
    let parts: Vec<Text> = info
        .scale_status
        .iter()
        .map(|entry| {
            let max = info.max_scale_levels.iter().find(|max| max.aspect_id == entry.aspect_id);
            let max = max.map(|max| format!(" of {}", max.scale_level)).unwrap_or_default();
            plain(&format!("{} {}{max}", entry.aspect_id, entry.scale_level))
        })
        .collect();
    if !parts.is_empty() {
        fact(page, "Scale:", parts, ", ");
    }
}

/// VDUs, workloads, images, VNFCs. VNFC ids that do not fit beside their workloads go below, for all rows alike.
fn workloads(page: &mut Page<'_>, rows: &[ShowRow]) {
    let mut lines = vec![["VDU", "WORKLOAD", "IMAGES"].map(bold).to_vec()];
    lines.extend(rows.iter().map(|row| {
        let images = join(row.images.iter().map(|image| plain(image)), ", ");
        vec![plain(row.vdu.as_deref().unwrap_or("-")), plain(&row.workload.to_string()), images]
    }));
    let width = |column: usize| lines.iter().map(|line| line[column].width()).max().unwrap_or(0) + 2;
    let ids = rows.iter().flat_map(|row| &row.vnfcs).map(|id| plain(id).width()).max().unwrap_or(0);
    if width(0) + width(1) + width(2) + ids.max(5) > page.screen.width {
        return workloads_over_vnfcs(page, rows, lines);
    }
    lines[0].push(bold("VNFCS"));
    let mut table = lines.drain(..1).collect::<Vec<_>>();
    for (row, mut line) in rows.iter().zip(lines) {
        let mut ids = row.vnfcs.iter().map(|id| dim(id));
        line.extend(ids.next());
        table.push(line);
        table.extend(ids.map(|id| vec![Text::empty(), Text::empty(), Text::empty(), id]));
    }
    page.rows(0, 6, &table);
}

/// The same with the VNFCs under their workloads.
fn workloads_over_vnfcs(page: &mut Page<'_>, rows: &[ShowRow], mut lines: Vec<Vec<Text>>) {
    lines[0][1] = bold("WORKLOAD, VNFCS");
    let width = |column: usize| lines.iter().map(|line| line[column].width()).max().unwrap_or(0) + 2;
    let (first, second) = (width(0), width(1));
    let ids = std::iter::once([].as_slice()).chain(rows.iter().map(|row| row.vnfcs.as_slice()));
    for (line, ids) in lines.into_iter().zip(ids) {
        let mut cells = line.into_iter();
        let mut cell = || cells.next().unwrap_or_default();
        let head = cell().pad(first) + cell().pad(second);
        page.hung(0, first + 2, head, [cell()], "");
        for id in ids {
            page.line(first, dim(id));
        }
    }
}

/// One deferred change as cells.
pub(super) fn deferred(entry: &Deferred) -> Vec<Text> {
    vec![
        plain(entry.vdu.as_deref().unwrap_or("")),
        plain(&entry.object.to_string()),
        plain(&entry.field),
        yellow(&entry.change),
    ]
}

/// The revisions on record, newest first.
fn revisions(page: &mut Page<'_>, instance: &Instance) {
    if instance.revisions.is_empty() {
        return;
    }
    let current = instance.current().map(|revision| revision.number);
    let now = page.screen.now;
    let mut rows = vec![["REVISION", "PACKAGE", "VERSION", "BY", "WHEN"].map(bold).to_vec()];
    for revision in instance.revisions.iter().rev() {
        let mark = if current == Some(revision.number) { " current" } else { "" };
        rows.push(vec![
            plain(&revision.number.to_string()) + mark,
            dim(revision.package.short_digest()),
            plain(&revision.package.software_version),
            plain(&revision.verb.to_string()) + " " + dim(short_id(&revision.operation_id)),
            dim(&age(revision.time, now)),
        ]);
    }
    page.blank();
    page.rows(0, 10, &rows);
}
