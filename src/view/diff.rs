//! What an operation changes, with values: ConfigMaps line by line, Secrets by their sizes only.

use super::Screen;
use super::page::Page;
use super::plan::{drift, package_id};
use super::style::{Mark, Text, bold, clean, dim, green, plain, red, yellow};
use super::words::{count, is_other, sentence, short_id};
use crate::object::ObjectRef;
use crate::plan::derive::update::Deferred;
use crate::plan::sheet::{RecordLine, Sheet};
use crate::record::Reason;
use serde_json::Value;
use similar::ChangeTag;
use similar::algorithms::{Capture, Compact, Replace, myers};

/// Unchanged lines around a change.
const CONTEXT: usize = 2;

/// The differences of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectDiff {
    /// The object.
    pub object: ObjectRef,
    /// Its VDU.
    pub vdu: Option<String>,
    /// What differs in it.
    pub keys: Vec<KeyDiff>,
}

/// One key or field that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDiff {
    /// Key of a ConfigMap or Secret, or path of a field.
    pub key: String,
    /// Before; `None`: it is new.
    pub before: Option<Shown>,
    /// After; `None`: it goes.
    pub after: Option<Shown>,
}

/// As much of a value as may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The text itself.
    Text(String),
    /// A value that must not be seen: its size in bytes.
    Secret(usize),
    /// A value that is no text: its size in bytes.
    Binary(usize),
}

/// All differences, with a count at the end.
pub fn sheet(sheet: &Sheet, changes: &[ObjectDiff], screen: &Screen) -> String {
    let mut page = Page::new(screen);
    head(&mut page, sheet);
    record(&mut page, &sheet.record);
    let mut groups: Vec<(&ObjectDiff, Vec<&ObjectDiff>)> = Vec::new();
    for change in changes {
        // The same change of several workloads is shown once.
        let same = groups
            .iter_mut()
            .find(|(first, _)| first.vdu.is_some() && change.vdu.is_some() && first.keys == change.keys);
        match same {
            Some((_, members)) => members.push(change),
            None => groups.push((change, vec![change])),
        }
    }
    for (first, members) in groups {
        page.blank();
        title(&mut page, sheet, &members);
        keys(&mut page, &first.keys, 2);
    }
    deferred(&mut page, &sheet.deferred);
    drift(&mut page, &sheet.drift);
    page.blank();
    page.list(0, Text::empty(), closing(sheet).iter().map(|part| bold(part)), ", ");
    page.finish()
}

fn head(page: &mut Page<'_>, sheet: &Sheet) {
    let id = |package: &crate::record::PackageId| package_id(&package.vnfd_id).to_owned();
    let package = match (&sheet.package_before, &sheet.package_after) {
        (Some(before), Some(after)) if before.vnfd_id != after.vnfd_id => {
            format!(": package {} -> {}", id(before), id(after))
        }
        (Some(before), Some(after)) if before.digest != after.digest => {
            format!(": package {}, sha256:{} -> {}", id(after), before.short_digest(), after.short_digest())
        }
        (_, Some(after)) => format!(": package {}", id(after)),
        _ => String::new(),
    };
    let what = bold("diff") + " " + bold(&sheet.name) + dim(&format!(" ({})", short_id(&sheet.id))) + package.as_str();
    let place = format!("context {}, namespace {}", sheet.context, sheet.namespace);
    page.hung(0, 2, Text::empty(), [what, plain(&place)], "   ");
}

/// Attributes of the record.
fn record(page: &mut Page<'_>, lines: &[RecordLine]) {
    if lines.is_empty() {
        return;
    }
    page.blank();
    page.line(0, bold("Record"));
    for line in lines {
        let shown = |value: &str| (!value.is_empty()).then(|| Shown::Text(value.to_owned()));
        page.line(2, plain(&line.attribute));
        values(page, 4, shown(&line.before).as_ref(), shown(&line.after).as_ref());
    }
}

/// The objects, and who restarts for them.
fn title(page: &mut Page<'_>, sheet: &Sheet, members: &[&ObjectDiff]) {
    let restarts = members.first().map(|first| restarting(sheet, &first.object)).unwrap_or_default();
    let mut parts: Vec<Text> = members
        .iter()
        .map(|member| {
            let vdu = member.vdu.as_ref().map(|vdu| format!(" ({vdu})")).unwrap_or_default();
            bold(&member.object.to_string()) + vdu.as_str()
        })
        .collect();
    if !restarts.is_empty() {
        if let Some(last) = parts.pop() {
            parts.push(last + dim("   restarts"));
        }
        let names = restarts.join(" ");
        return page.list(0, Text::empty(), parts.into_iter().chain([dim(&names)]), " ");
    }
    page.list(0, Text::empty(), parts, ", ");
}

/// The VDUs that restart because of a ConfigMap or Secret.
fn restarting(sheet: &Sheet, config: &ObjectRef) -> Vec<String> {
    let uses = |reason: &Reason| matches!(reason, Reason::Key { config: used, .. } if used == config);
    let items = sheet.items.iter().filter(|item| item.reasons.iter().any(uses));
    items.map(|item| item.vdu.clone().unwrap_or_else(|| item.object.to_string())).collect()
}

fn keys(page: &mut Page<'_>, keys: &[KeyDiff], indent: usize) {
    let hidden = |key: &KeyDiff| {
        let text = |shown: &Option<Shown>| matches!(shown, Some(Shown::Text(_)));
        !text(&key.before) && !text(&key.after)
    };
    let width = keys.iter().filter(|key| hidden(key)).map(|key| plain(&key.key).width()).max().unwrap_or(0);
    for key in keys {
        if hidden(key) {
            let name = plain(&key.key).pad(width);
            for (shown, sign, when) in [(&key.before, '-', "(before)"), (&key.after, '+', "(after) ")] {
                if let Some(shown) = shown {
                    page.line(indent, signed(sign, &format!("{name}  {}", size(shown, when))));
                }
            }
            continue;
        }
        page.line(indent, plain(&key.key));
        values(page, indent + 2, key.before.as_ref(), key.after.as_ref());
    }
}

fn size(shown: &Shown, when: &str) -> String {
    match shown {
        Shown::Secret(bytes) => format!("*** {when}  {}", count(*bytes, "byte")),
        Shown::Binary(bytes) => format!("binary  {}", count(*bytes, "byte")),
        Shown::Text(text) => clean(text),
    }
}

/// Two values under each other: texts line by line, anything else whole.
fn values(page: &mut Page<'_>, indent: usize, before: Option<&Shown>, after: Option<&Shown>) {
    if let (Some(Shown::Text(before)), Some(Shown::Text(after))) = (before, after) {
        return lines(page, indent, before, after);
    }
    for (shown, sign) in [(before, '-'), (after, '+')] {
        match shown {
            Some(Shown::Text(text)) if text.is_empty() => page.line(indent, signed(sign, "(empty)")),
            Some(Shown::Text(text)) => text.lines().for_each(|line| page.line(indent, signed(sign, line))),
            Some(other) => page.line(indent, signed(sign, &size(other, ""))),
            None => {}
        }
    }
}

fn lines(page: &mut Page<'_>, indent: usize, before: &str, after: &str) {
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let newline_matters = before.ends_with('\n') != after.ends_with('\n');
    // Named, and not chosen by value: the other algorithms would be a twentieth of the program.
    let mut differ = Compact::new(Replace::new(Capture::new()), &old, &new);
    let Ok(()) = myers::diff(&mut differ, &old, 0..old.len(), &new, 0..new.len());
    let groups = differ.into_inner().into_inner().into_grouped_ops(CONTEXT);
    for (index, group) in groups.iter().enumerate() {
        if index > 0 {
            page.line(indent, dim("..."));
        }
        for change in group.iter().flat_map(|operation| operation.iter_changes(&old, &new)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            let value: &str = change.value();
            let line = signed(sign, value.trim_end_matches(['\n', '\r']));
            let end = if newline_matters && !value.ends_with('\n') {
                dim("  (no newline at the end)")
            } else {
                Text::empty()
            };
            page.line(indent, line + end);
        }
    }
}

fn signed(sign: char, text: &str) -> Text {
    let line = format!("{sign}{text}");
    match sign {
        '-' => red(&line),
        '+' => green(&line),
        _ => plain(&line),
    }
}

fn deferred(page: &mut Page<'_>, deferred: &[Deferred]) {
    if deferred.is_empty() {
        return;
    }
    page.blank();
    page.line(0, Mark::Attention.text(page.screen) + " " + bold("Deferred, not applied by update"));
    let mut last: Option<&ObjectRef> = None;
    for entry in deferred {
        if last != Some(&entry.object) {
            let vdu = entry.vdu.as_ref().map(|vdu| format!(" ({vdu})")).unwrap_or_default();
            page.line(2, bold(&entry.object.to_string()) + vdu.as_str());
            last = Some(&entry.object);
        }
        match &entry.values {
            Some(field) => {
                page.line(4, plain(&field.path));
                let shown = |value: &Option<Value>| value.as_ref().map(|value| Shown::Text(text(value)));
                values(page, 6, shown(&field.before).as_ref(), shown(&field.after).as_ref());
            }
            None => page.list(4, Text::empty(), [plain(&entry.field), yellow(&entry.change)], "  "),
        }
    }
}

/// A JSON value as text: strings bare, the rest as it is written.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    }
}

/// `2 config objects and 5 workloads change, 1 change deferred, 5 objects untouched`.
fn closing(sheet: &Sheet) -> Vec<String> {
    let changed: Vec<String> = [
        (sheet.record.len(), "record attribute"),
        (sheet.config().count(), "config object"),
        (sheet.workloads().count(), "workload"),
        (sheet.items.iter().filter(|item| is_other(&item.object)).count(), "other object"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, noun)| count(number, noun))
    .collect();
    let mut parts = vec![match changed.as_slice() {
        [] => "nothing changes".to_owned(),
        [one] if one.starts_with("1 ") => format!("{one} changes"),
        [some @ .., last] if !some.is_empty() => format!("{} and {last} change", sentence(some)),
        [one, ..] => format!("{one} change"),
    }];
    if !sheet.deferred.is_empty() {
        parts.push(format!("{} deferred", count(sheet.deferred.len(), "change")));
    }
    if !sheet.drift.is_empty() {
        parts.push(format!("{} of others overwritten", count(sheet.drift.len(), "change")));
    }
    if !sheet.untouched.is_empty() {
        parts.push(format!("{} untouched", count(sheet.untouched.len(), "object")));
    }
    parts
}
