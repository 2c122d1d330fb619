//! The blocks of a plan: configuration, workloads, drift, what is deferred, what stays.

use super::super::page::Page;
use super::super::style::{Mark, Text, bold, dim, join, plain, yellow};
use super::super::tables::age;
use super::super::words::{command, count, full_label, kinds, label, pods, sentence, sizes, workloads_and_kinds};
use super::ahead;
use super::reasons::{self, Seen};
use super::{creates, is_anew, is_rest, is_workload, package_id, restarts};
use crate::object::ObjectRef;
use crate::object::workload::WorkloadKind;
use crate::plan::drift::Drift;
use crate::plan::sheet::{ConfigRule, Sheet};
use crate::plan::{Item, Step};
use crate::record::Verb;

/// With more workloads than this each gets one line.
const MANY: usize = 12;

/// ConfigMaps and Secrets, key by key, sizes only.
pub fn config(page: &mut Page<'_>, sheet: &Sheet) {
    let items: Vec<&Item> = sheet.config().collect();
    let rule = match sheet.config_rule {
        Some(ConfigRule::AllChanged) => " (every change of the package)",
        Some(ConfigRule::Listed) => " (listed in configmap_secret_paths)",
        Some(ConfigRule::NoneListed) => " (configmap_secret_paths is empty)",
        None => "",
    };
    if items.is_empty() {
        if matches!(sheet.config_rule, Some(ConfigRule::Listed | ConfigRule::NoneListed)) {
            page.blank();
            page.line(0, bold("Config:") + " nothing changes" + rule);
        }
        return;
    }
    let created = items.iter().filter(|item| creates(item)).count();
    let verb = match (created, items.len()) {
        (created, all) if created == all => " created",
        (_, 1) => " changes",
        _ => " change",
    };
    page.blank();
    page.line(0, bold("Config:") + " " + count(items.len(), "object").as_str() + verb + rule);
    let mut rows = Vec::new();
    let mut replaced = Vec::new();
    for item in items {
        let mark = if creates(item) { Mark::Create } else { Mark::Change };
        let head = [mark.text(page.screen) + " " + item.object.kind.as_str(), plain(&item.object.name)];
        match &item.step {
            Step::Config { keys, replace, whole, .. } => {
                for (index, key) in keys.iter().enumerate() {
                    let head = if index == 0 { head.clone() } else { [Text::empty(), Text::empty()] };
                    rows.push(head.into_iter().chain([plain(&key.key), plain(&sizes(key))]).collect());
                }
                let more = dim(if *whole { "labels, annotations and the like" } else { "" });
                if keys.is_empty() {
                    rows.push(head.into_iter().chain([more]).collect());
                } else if *whole {
                    rows.push(vec![Text::empty(), Text::empty(), more]);
                }
                replaced.extend(replace.as_ref().map(|why| (&item.object, why)));
            }
            Step::Delete => rows.push(head.into_iter().chain([bold("DELETED")]).collect()),
            _ => rows.push(head.to_vec()),
        }
    }
    page.rows(2, 6, &rows);
    for (object, why) in replaced {
        let head = Mark::Attention.text(page.screen) + format!(" {object} is ").as_str() + bold("DELETED") + " ";
        let text = format!("and created again ({why}){}", ahead::gap(sheet, object));
        page.hung(2, 6, head, text.split(' ').map(plain), " ");
    }
}

/// Workloads: how each restarts, and why.
pub fn workloads(page: &mut Page<'_>, sheet: &Sheet) {
    workload_items(page, sheet, &sheet.workloads().collect::<Vec<_>>());
}

fn workload_items(page: &mut Page<'_>, sheet: &Sheet, items: &[&Item]) {
    if items.is_empty() {
        return;
    }
    let mut facts = Vec::new();
    let restarting = || items.iter().copied().filter(|item| restarts(item));
    if restarting().next().is_some() {
        let number = restarting().count();
        facts.push(format!("{number} restart, {}", count(pods(restarting()), "Pod")));
    }
    for (number, what) in [
        (items.iter().filter(|item| matches!(item.step, Step::Scale { .. })).count(), "scaled"),
        (items.iter().filter(|item| creates(item)).count(), "created"),
        (items.iter().filter(|item| matches!(item.step, Step::Apply { .. })).count(), "changed without a restart"),
        (items.iter().filter(|item| item.step == Step::Delete).count(), "deleted"),
    ] {
        if number > 0 {
            facts.push(format!("{number} {what}"));
        }
    }
    page.blank();
    page.line(0, bold("Workloads:") + " " + facts.join("; ").as_str());
    let heads = heads(page, items);
    let indent = reasons_indent(items);
    let brief = items.len() > MANY;
    let mut seen = Seen::default();
    for (item, head) in items.iter().zip(heads) {
        let mut way = reasons::way(item);
        if brief {
            let why = reasons::brief(&item.reasons);
            if !why.is_empty() {
                way.push(dim(&format!("({why})")));
            }
        }
        page.list(2, head, way, " ");
        if !brief {
            reasons::lines(page, indent, sheet, item, &mut seen);
        }
        ahead::lines(page, indent, sheet, &item.object);
    }
}

/// Objects that are neither workloads nor configuration.
pub fn others(page: &mut Page<'_>, sheet: &Sheet) {
    let items: Vec<&Item> = sheet.items.iter().filter(is_rest).collect();
    if items.is_empty() {
        return;
    }
    page.blank();
    page.line(0, bold("Objects:") + " " + sentence(&kinds(items.iter().map(|item| &item.object))).as_str());
    let width = items.iter().map(|item| plain(&item.object.to_string()).width()).max().unwrap_or(0);
    for item in items {
        let (mark, what) = match &item.step {
            Step::Create => (Mark::Create, vec![plain("created")]),
            Step::Delete => (Mark::Delete, vec![plain("deleted")]),
            _ => (Mark::Change, reasons::way(item)),
        };
        let head = mark.text(page.screen) + " " + plain(&item.object.to_string()).pad(width) + "  ";
        page.hung(2, 6, head, what, " ");
        reasons::fields(page, 6, item);
    }
}

/// What somebody else changed and is about to be overwritten.
pub fn drift(page: &mut Page<'_>, drift: &[Drift]) {
    if drift.is_empty() {
        return;
    }
    let others = if drift.len() == 1 { "change that others made is" } else { "changes that others made are" };
    page.blank();
    page.line(0, bold("Drift:") + format!(" {} {others} overwritten", drift.len()).as_str());
    let mark = Mark::Attention.text(page.screen) + " ";
    drifted(page, 2, mark, drift);
}

/// Fields that others wrote, with who and when.
pub fn drifted(page: &mut Page<'_>, indent: usize, mark: Text, drift: &[Drift]) {
    let now = page.screen.now;
    let rows: Vec<Vec<Text>> = drift
        .iter()
        .map(|entry| {
            let when = entry.time.map(|time| format!("{} ago", age(time, now)));
            let who: Vec<Text> = entry.manager.iter().cloned().chain(when).map(|text| dim(&text)).collect();
            let object = mark.clone() + entry.object.to_string().as_str();
            match entry.field.as_str() {
                "" => vec![object, plain(&entry.change), join(who, ", ")],
                field => vec![object, plain(field), plain(&entry.change), join(who, ", ")],
            }
        })
        .collect();
    page.rows(indent, indent + 4, &rows);
}

/// What of the package does not take effect, and how it would.
pub fn deferred(page: &mut Page<'_>, sheet: &Sheet) {
    let number = sheet.deferred.len();
    if number == 0 {
        return;
    }
    let does = if number == 1 { "does" } else { "do" };
    let head = format!(" {} of the package {does} NOT take effect now", count(number, "change"));
    page.blank();
    page.line(0, bold("Deferred:") + head.as_str());
    fields(page, sheet, Mark::Attention.text(page.screen));
    let name = sheet.record.iter().find(|line| line.attribute == "vnfInstanceName").map(|line| line.after.as_str());
    let name = name.filter(|name| !name.is_empty()).unwrap_or(&sheet.name);
    let heal = command(page.screen, "heal", &[name, "--all"]);
    page.list(4, Text::empty(), [plain("in force after:"), heal], " ");
}

/// The deferred fields, each object named once.
fn fields(page: &mut Page<'_>, sheet: &Sheet, mark: Text) {
    let mut last: Option<&ObjectRef> = None;
    let mut rows = Vec::new();
    for entry in &sheet.deferred {
        let again = last == Some(&entry.object);
        last = Some(&entry.object);
        let head = if again {
            [Text::empty(), Text::empty()]
        } else {
            [mark.clone() + " " + entry.vdu.as_deref().unwrap_or(""), plain(&entry.object.to_string())]
        };
        rows.push(head.into_iter().chain([plain(&entry.field), yellow(&entry.change)]).collect());
    }
    page.rows(2, 10, &rows);
}

/// What stays as it is.
pub fn untouched(page: &mut Page<'_>, sheet: &Sheet) {
    let name = |vdu: Option<&str>, object: &ObjectRef| match vdu {
        Some(vdu) => dim(&format!("{vdu} {}", object.name)),
        None => dim(&object.to_string()),
    };
    let (workloads, others): (Vec<_>, Vec<_>) =
        sheet.untouched.iter().partition(|entry| WorkloadKind::of(&entry.object).is_some());
    if sheet.untouched.is_empty() {
        return;
    }
    page.blank();
    let mut head = bold("Untouched:") + " ";
    for group in [workloads, others] {
        if !group.is_empty() {
            let width = head.width();
            page.list(0, head, group.iter().map(|entry| name(entry.vdu.as_deref(), &entry.object)), ", ");
            head = Text::empty().pad(width);
        }
    }
}

/// Who serves nothing for a moment.
pub fn down(page: &mut Page<'_>, sheet: &Sheet) {
    if !sheet.down.is_empty() {
        if sheet.untouched.is_empty() || !matches!(sheet.verb, Verb::Update | Verb::Undo | Verb::Scale) {
            page.blank();
        }
        let head = bold("Down while restarting:") + " ";
        page.hung(0, 2, head, sheet.down.iter().map(|name| plain(name)), ", ");
    }
}

/// Everything made anew, with the deferred fields that thereby come into force.
pub fn heal_all(page: &mut Page<'_>, sheet: &Sheet) {
    let (items, gently): (Vec<&Item>, Vec<&Item>) = sheet.workloads().partition(|item| is_anew(item));
    let package = sheet.package_after.as_ref().or(sheet.package_before.as_ref());
    let from = package.map(|package| format!(" from package {}", package_id(&package.vnfd_id))).unwrap_or_default();
    let facts = format!("{from}: {}, {}", count(items.len(), "workload"), count(pods(items.iter().copied()), "Pod"));
    page.blank();
    page.line(0, bold("Recreated") + facts.as_str());
    let mut rows = Vec::new();
    for item in &items {
        let mark = Mark::Change.text(page.screen) + " " + item.vdu.as_deref().unwrap_or("");
        let mut head = vec![mark, plain(&item.object.to_string())];
        for entry in sheet.deferred.iter().filter(|entry| entry.object == item.object) {
            head.extend([plain(&entry.field), yellow(&entry.change)]);
            rows.push(std::mem::replace(&mut head, vec![Text::empty(), Text::empty()]));
        }
        if head.iter().any(|cell| !cell.is_empty()) {
            rows.push(head);
        }
    }
    page.rows(2, 10, &rows);
    for item in items {
        ahead::labelled(page, 4, sheet, item);
    }
    workload_items(page, sheet, &gently);
    config(page, sheet);
    others(page, sheet);
    let kept = sheet.untouched.iter().map(|entry| &entry.object);
    let mut facts: Vec<Text> = Vec::new();
    if !sheet.untouched.is_empty() {
        facts.extend(kinds(kept).iter().map(|kind| plain(kind)));
    }
    facts.push(plain("replicas as they are"));
    if sheet.items.iter().any(|item| !is_anew(item)) {
        page.blank();
    }
    page.list(0, bold("Kept:") + " ", facts, ", ");
    drift(page, &sheet.drift);
    let warning = " every VDU is down until its Pods are ready again";
    page.line(0, Mark::Attention.text(page.screen) + warning);
}

/// What is deleted, and what stays.
pub fn terminate(page: &mut Page<'_>, sheet: &Sheet) {
    let (workloads, others): (Vec<&Item>, Vec<&Item>) = sheet.items.iter().partition(is_workload);
    page.blank();
    if !workloads.is_empty() {
        let running = match pods(workloads.iter().copied()) {
            0 => String::new(),
            number => format!(" ({})", count(number, "Pod")),
        };
        let mark = Mark::Delete.text(page.screen) + " ";
        let names = workloads.iter().map(|item| plain(&full_label(item.vdu.as_deref(), &item.object)));
        let head = mark + count(workloads.len(), "workload").as_str() + running.as_str() + ": ";
        page.hung(2, 6, head, names, ", ");
    }
    if !others.is_empty() {
        let mark = Mark::Delete.text(page.screen) + " ";
        let names = others.iter().map(|item| plain(&item.object.name));
        let head = mark + sentence(&kinds(others.iter().map(|item| &item.object))).as_str() + ": ";
        page.hung(2, 6, head, names, ", ");
    }
    if sheet.items.is_empty() {
        page.line(2, "nothing of the VNF is in the cluster");
    }
    let kept = match sheet.untouched.as_slice() {
        [] => vec!["nothing".to_owned()],
        some => workloads_and_kinds(some.iter().map(|entry| &entry.object)),
    };
    page.list(0, bold("Kept:") + " ", kept.iter().map(|part| plain(part)), ", ");
}

/// `~ VDU1  Deployment vdu1-update  `, each as wide as the widest.
fn heads(page: &Page<'_>, items: &[&Item]) -> Vec<Text> {
    let vdus = items.iter().map(|item| plain(item.vdu.as_deref().unwrap_or(""))).collect::<Vec<_>>();
    let objects = items.iter().map(|item| plain(&item.object.to_string())).collect::<Vec<_>>();
    let limit = page.screen.width / 2;
    let widest = |texts: &[Text]| texts.iter().map(Text::width).filter(|width| *width <= limit).max().unwrap_or(0);
    let (vdu_width, object_width) = (widest(&vdus), widest(&objects));
    let marks = items.iter().map(|item| match item.step {
        Step::Delete => Mark::Delete,
        _ if creates(item) => Mark::Create,
        _ => Mark::Change,
    });
    marks
        .zip(vdus.into_iter().zip(objects))
        .map(|(mark, (vdu, object))| {
            let vdu = if vdu_width == 0 { vdu } else { vdu.pad(vdu_width) + "  " };
            mark.text(page.screen) + " " + vdu + object.pad(object_width) + "  "
        })
        .collect()
}

/// Where the reasons of workloads stand: under their names.
fn reasons_indent(items: &[&Item]) -> usize {
    let widest = items.iter().map(|item| plain(item.vdu.as_deref().unwrap_or("")).width()).max().unwrap_or(0);
    if widest == 0 { 6 } else { (4 + widest + 2).min(16) }
}

/// What a workload is called where others refer to it.
pub(super) fn short(item: &Item) -> String {
    label(item.vdu.as_deref(), &item.object)
}
