//! The plan as a user reads it before agreeing, the question that follows it, and what is left for a retry.

mod ahead;
mod blocks;
mod reasons;
pub mod refusals;
mod rollback;

pub use refusals::{MissingKeyLine, PermissionLine, ProblemLine, missing_keys, missing_permissions, problems, refused};

pub use rollback::{question as rollback_question, rollback};

use super::Screen;
use super::page::Page;
use super::result::aspect;
use super::style::{Mark, Text, bold, clean, dim, join, plain};
use super::words::{arrow, count, is_other, kinds, pods, sentence, short_id};
use crate::object::config::is_config;
use crate::object::workload::WorkloadKind;
use crate::plan::drift::Drift;
use crate::plan::sheet::Sheet;
use crate::plan::{Item, ItemState, Step};
use crate::record::{PackageId, Reason, Verb};
use crate::report::checked::Checked;

pub(super) use blocks::{drift, drifted};

/// Column in which the facts of a head begin.
const FACTS: usize = 13;

/// What is asked for, where, and with which package; then what the user should know. All that there is to say about
/// an instantiation whose objects the progress shows one by one.
pub fn head(sheet: &Sheet, screen: &Screen) -> String {
    let mut page = Page::new(screen);
    page.list(0, bold(verb(sheet.verb)).pad(FACTS), [who(sheet), place(sheet)], "   ");
    match sheet.verb {
        Verb::Instantiate | Verb::Update | Verb::Undo | Verb::ChangePackage => package(&mut page, sheet),
        Verb::Heal | Verb::Scale | Verb::Terminate => {}
    }
    if !sheet.scale.is_empty() {
        page.list(0, bold("Aspect").pad(FACTS), sheet.scale.iter().map(aspect), ", ");
    }
    for (index, line) in sheet.record.iter().enumerate() {
        let label = if index == 0 { bold("Record") } else { Text::empty() };
        let unset = |value: &str| if value.is_empty() { "(unset)".to_owned() } else { clean(value) };
        let head = label.pad(FACTS) + line.attribute.as_str() + "  ";
        page.list(0, head, arrow(&unset(&line.before), &unset(&line.after)), " ");
    }
    notes(&mut page, &sheet.notes);
    page.finish()
}

/// A whole plan.
pub fn sheet(sheet: &Sheet, screen: &Screen) -> String {
    let mut page = Page::new(screen);
    page.raw(&head(sheet, screen));
    match sheet.verb {
        Verb::Heal if is_heal_all(sheet) => blocks::heal_all(&mut page, sheet),
        Verb::Terminate => blocks::terminate(&mut page, sheet),
        Verb::Instantiate | Verb::Update | Verb::Undo | Verb::ChangePackage | Verb::Heal | Verb::Scale => {
            blocks::config(&mut page, sheet);
            blocks::workloads(&mut page, sheet);
            blocks::others(&mut page, sheet);
            blocks::drift(&mut page, &sheet.drift);
            if matches!(sheet.verb, Verb::Update | Verb::Undo | Verb::Scale) {
                blocks::deferred(&mut page, sheet);
                blocks::untouched(&mut page, sheet);
            }
            blocks::down(&mut page, sheet);
        }
    }
    page.finish()
}

/// What a retry still has to do, and what it finds done.
pub fn retry(sheet: &Sheet, screen: &Screen) -> String {
    let mut page = Page::new(screen);
    let what =
        plain(&format!("{} of ", sheet.verb)) + bold(&sheet.name) + " " + dim(&format!("({})", short_id(&sheet.id)));
    page.list(0, bold("Retry").pad(FACTS), [what, place(sheet)], "   ");
    notes(&mut page, &sheet.notes);
    let mut rows = Vec::new();
    for state in [ItemState::Done, ItemState::Waiting, ItemState::ToDo] {
        let (mark, words) = match state {
            ItemState::Done => (Mark::Done, dim("done before")),
            ItemState::Waiting => (Mark::Waiting, plain("done before, waiting until ready")),
            ItemState::ToDo => (Mark::Change, plain("to do")),
        };
        let of_state = || sheet.items.iter().filter(|item| item.state == state);
        let mut row = |label: &str, what: Text| {
            rows.push(vec![mark.column(screen) + " " + label, what, words.clone()]);
        };
        let config: Vec<Text> =
            of_state().filter(|item| is_config(&item.object)).map(|item| plain(&item.object.name)).collect();
        if !config.is_empty() {
            row("config", join(config, ", "));
        }
        for item in of_state().filter(|item| !is_config(&item.object)) {
            row(item.vdu.as_deref().unwrap_or(""), plain(&item.object.to_string()));
        }
    }
    page.rows(2, 6, &rows);
    page.finish()
}

/// What the server said to the writes before they are made.
pub fn checked(checked: &Checked, screen: &Screen) -> String {
    let Checked { accepted, admitted, not_checkable, unknown } = checked;
    let mut page = Page::new(screen);
    // Deletions cannot be tried: of them only the right to do them is known.
    let tried = accepted + not_checkable.len() > 0;
    let facts = [
        tried.then(|| count(*accepted, "write") + " accepted"),
        Some("permissions".to_owned()),
        tried.then(|| "required keys".to_owned()),
        (*admitted > 0).then(|| "Pod quotas".to_owned()),
        tried.then(|| "sizes".to_owned()),
    ];
    let facts = facts.into_iter().flatten();
    let head = Mark::Done.text(screen) + " checked on the server: ";
    page.hung(0, 2, head, facts.map(Text::from), ", ");
    if !not_checkable.is_empty() {
        let head = Mark::Attention.text(screen) + " cannot be checked before the operation made what it needs: ";
        page.hung(0, 2, head, not_checkable.iter().map(|object| plain(&object.to_string())), ", ");
    }
    for what in unknown {
        let head = Mark::Attention.text(screen) + " not checked: ";
        page.hung(0, 2, head, clean(what).split_whitespace().map(plain), " ");
    }
    page.finish()
}

/// What others did while a plan was shown.
pub fn changed(changes: &[Drift], screen: &Screen) -> String {
    let mut page = Page::new(screen);
    page.line(0, Mark::Attention.text(screen) + " the cluster has changed since this plan was shown:");
    blocks::drifted(&mut page, 4, Text::empty(), changes);
    page.finish()
}

/// Changes of others that nobody has agreed to overwrite, as one problem among others.
pub fn drift_refused(drift: &[Drift], screen: &Screen) -> String {
    let mut page = Page::new(screen);
    let head = Mark::Failed.text(screen) + " ";
    let text = format!("{} of others would be overwritten: --overwrite-drift allows it", count(drift.len(), "change"));
    page.paragraph(0, head, &text);
    blocks::drifted(&mut page, 4, Text::empty(), drift);
    page.finish()
}

/// The question before the first write: what happens, how much of it, and where.
pub fn question(sheet: &Sheet) -> String {
    match sheet.verb {
        Verb::Instantiate => asked(sheet, vec![format!("create {}", count(sheet.items.len(), "object"))], ""),
        Verb::Terminate => asked(sheet, vec![format!("delete {}", count(sheet.items.len(), "object"))], ""),
        Verb::Heal if is_heal_all(sheet) => {
            let (anew, gently): (Vec<&Item>, Vec<&Item>) = sheet.workloads().partition(|item| is_anew(item));
            let mut parts = vec![format!("delete and recreate {}", with_pods(&anew))];
            let restarted: Vec<&Item> = gently.into_iter().filter(|item| restarts(item)).collect();
            if !restarted.is_empty() {
                parts.push(format!("restart {}", with_pods(&restarted)));
            }
            parts.extend(config_part(sheet));
            parts.extend(applied_parts(sheet));
            parts.extend(created_part(sheet));
            asked(sheet, parts, "")
        }
        Verb::Heal => {
            let replaced = sheet.items.iter().map(|item| item.pods.len().max(1)).sum();
            asked(sheet, vec![format!("replace {}", count(replaced, "Pod"))], "")
        }
        Verb::Update | Verb::Undo | Verb::ChangePackage | Verb::Scale => {
            changes(sheet, &format!("Change the record of {}", clean(&sheet.name)))
        }
    }
}

/// The question of what moves between two revisions; `otherwise` is asked when nothing of the cluster changes.
fn changes(sheet: &Sheet, otherwise: &str) -> String {
    let mut parts: Vec<String> = config_part(sheet).into_iter().collect();
    let (anew, gently): (Vec<_>, Vec<_>) =
        sheet.workloads().filter(|item| restarts(item)).partition(|item| matches!(item.step, Step::Recreate { .. }));
    if !gently.is_empty() {
        parts.push(format!("restart {}", with_pods(&gently)));
    }
    let scaled = sheet.items.iter().filter(|item| matches!(item.step, Step::Scale { .. })).count();
    if scaled > 0 {
        parts.push(format!("scale {}", count(scaled, "workload")));
    }
    if !anew.is_empty() {
        parts.push(format!("delete and recreate {}", sentence(&kinds(anew.iter().map(|item| &item.object)))));
    }
    parts.extend(applied_parts(sheet));
    parts.extend(created_part(sheet));
    let deleted = sheet.items.iter().filter(|item| item.step == Step::Delete).count();
    if deleted > 0 {
        parts.push(format!("delete {}", count(deleted, "object")));
    }
    asked(sheet, parts, otherwise)
}

fn asked(sheet: &Sheet, mut parts: Vec<String>, otherwise: &str) -> String {
    let Some(last) = parts.pop() else { return format!("{otherwise}? [y/N] ") };
    let text = if parts.is_empty() { last } else { format!("{} and {last}", sentence(&parts)) };
    let place = clean(&format!("{}/{}", sheet.context, sheet.namespace));
    let drift = match sheet.drift.len() {
        0 => String::new(),
        number => format!(", overwriting {} of others", count(number, "change")),
    };
    format!("{} in {place}{drift}? [y/N] ", capital(&text))
}

fn verb(verb: Verb) -> &'static str {
    match verb {
        Verb::Instantiate => "Instantiate",
        Verb::Update => "Update",
        Verb::Undo => "Undo",
        Verb::ChangePackage => "New package",
        Verb::Heal => "Heal",
        Verb::Scale => "Scale",
        Verb::Terminate => "Terminate",
    }
}

fn who(sheet: &Sheet) -> Text {
    let name = bold(&sheet.name);
    let id = dim(&format!(" ({})", short_id(&sheet.id)));
    match sheet.verb {
        // Its id is not known to anybody yet.
        Verb::Instantiate => name,
        Verb::Heal if is_heal_all(sheet) => name + id + ", all VDUs",
        Verb::Undo => {
            let revisions = sheet.revisions.map(|(from, to)| format!(": revision {from} -> {to}"));
            name + id + revisions.unwrap_or_default().as_str()
        }
        _ => name + id,
    }
}

fn place(sheet: &Sheet) -> Text {
    plain(&format!("context {}, namespace {}", sheet.context, sheet.namespace))
}

fn package(page: &mut Page<'_>, sheet: &Sheet) {
    let Some(after) = &sheet.package_after else { return };
    let mut facts = vec![plain(&title(sheet.package_before.as_ref(), after))];
    facts.push(dim(&identity(sheet.package_before.as_ref(), after)));
    facts.push(match sheet.digests_checked {
        None => plain("stored in the cluster"),
        Some(0) => plain("without file digests"),
        Some(1) => plain("1 digest matches"),
        Some(number) => plain(&format!("{number} digests match")),
    });
    page.list(0, bold("Package").pad(FACTS), facts, "   ");
    if sheet.verb == Verb::Instantiate {
        let vdus = sheet.items.iter().filter(|item| item.vdu.is_some()).count();
        let counts = format!("{}, {}", count(vdus, "VDU"), count(sheet.items.len(), "object"));
        let flavour = sheet.flavour.as_ref().map(|(flavour, level)| {
            let level = level.as_ref().map(|level| format!(", level {level}")).unwrap_or_default();
            clean(&format!("flavour {flavour}{level}: "))
        });
        page.line(FACTS, flavour.unwrap_or_default() + &counts);
    }
}

/// `Company / Sample VNF 1.0`, and `-> 1.1` where the version changes.
fn title(before: Option<&PackageId>, after: &PackageId) -> String {
    match before {
        Some(before) if !before.same_product(after) => format!("{} -> {}", before.title(), after.title()),
        Some(before) if before.software_version != after.software_version => {
            format!("{} -> {}", before.title(), after.software_version)
        }
        _ => after.title(),
    }
}

/// The ids that tell the two packages apart: VNFD ids, or digests where the ids are equal.
fn identity(before: Option<&PackageId>, after: &PackageId) -> String {
    let id = |package: &PackageId| package_id(&package.vnfd_id).to_owned();
    match before {
        Some(before) if before.vnfd_id != after.vnfd_id => {
            let (old, new) = (id(before), id(after));
            if old == new { format!("{} -> {}", before.vnfd_id, after.vnfd_id) } else { format!("{old} -> {new}") }
        }
        Some(before) if before.digest != after.digest => {
            format!("{}, sha256:{} -> {}", id(after), before.short_digest(), after.short_digest())
        }
        Some(_) => format!("{} as now", id(after)),
        None => id(after),
    }
}

/// A VNFD id for a line: UUIDs by their first digits, anything else whole.
pub(super) fn package_id(vnfd_id: &str) -> &str {
    let uuid = vnfd_id.len() == 36 && vnfd_id.chars().all(|c| c == '-' || c.is_ascii_hexdigit());
    if uuid { short_id(vnfd_id) } else { vnfd_id }
}

fn notes(page: &mut Page<'_>, notes: &[String]) {
    for note in notes {
        page.paragraph(0, plain("note: "), note);
    }
}

/// Everything is made anew from the package.
fn is_heal_all(sheet: &Sheet) -> bool {
    sheet.verb == Verb::Heal && sheet.items.iter().any(is_anew)
}

/// Whether a workload is made anew for being healed.
fn is_anew(item: &Item) -> bool {
    item.reasons.contains(&Reason::Anew)
}

/// Whether Pods that run now restart or go.
fn restarts(item: &Item) -> bool {
    match &item.step {
        Step::RollOut { .. } | Step::ReplacePods { .. } | Step::InPlace { .. } | Step::Respawn { .. } => true,
        Step::Recreate { uid, .. } => !uid.is_empty(),
        Step::Create
        | Step::Config { .. }
        | Step::Apply { .. }
        | Step::Scale { .. }
        | Step::Mark { .. }
        | Step::Delete => false,
    }
}

/// Whether something comes that is not there.
fn creates(item: &Item) -> bool {
    matches!(&item.step, Step::Create) || matches!(&item.step, Step::Recreate { uid, .. } if uid.is_empty())
}

fn with_pods(items: &[&Item]) -> String {
    let workloads = count(items.len(), "workload");
    match pods(items.iter().copied()) {
        0 => workloads,
        number => format!("{workloads} ({})", count(number, "Pod")),
    }
}

fn config_part(sheet: &Sheet) -> Option<String> {
    let changed = sheet.config().filter(|item| matches!(item.step, Step::Config { .. })).count();
    (changed > 0).then(|| format!("change {}", count(changed, "config object")))
}

fn applied_parts(sheet: &Sheet) -> Vec<String> {
    let (anew, applied): (Vec<&Item>, Vec<&Item>) = sheet
        .items
        .iter()
        .filter(|item| matches!(item.step, Step::Apply { .. }))
        .partition(|item| matches!(item.step, Step::Apply { because: Some(_), .. }));
    let part = |(verb, items): (&str, Vec<&Item>)| {
        let what = sentence(&kinds(items.iter().map(|item| &item.object)));
        (!items.is_empty()).then(|| format!("{verb} {what}"))
    };
    [("change", applied), ("delete and recreate", anew)].into_iter().filter_map(part).collect()
}

fn created_part(sheet: &Sheet) -> Option<String> {
    let created = sheet.items.iter().filter(|item| creates(item)).count();
    (created > 0).then(|| format!("create {}", count(created, "object")))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}

/// VDUs first, as the items stand, then what has none.
fn is_workload(item: &&Item) -> bool {
    WorkloadKind::of(&item.object).is_some()
}

fn is_rest(item: &&Item) -> bool {
    is_other(&item.object)
}
