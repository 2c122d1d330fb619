//! What is known to go wrong before the first write: changes that an update cannot make, keys and permissions that
//! are missing.

use super::super::Screen;
use super::super::page::Page;
use super::super::style::{Mark, Text, bold, cyan, dim, plain};
use super::super::words::{command, count};
use crate::object::ObjectRef;
use crate::plan::derive::update::RefusedChange;

/// One place that requires a key that will not be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingKeyLine {
    /// VDU of the workload.
    pub vdu: Option<String>,
    /// The workload.
    pub object: ObjectRef,
    /// Where its pod spec requires the key.
    pub path: String,
    /// The ConfigMap or Secret.
    pub config: ObjectRef,
    /// The key; `None`: the whole object is missing.
    pub key: Option<String>,
    /// The keys that will be there.
    pub present: Vec<String>,
    /// The one of them that was probably meant.
    pub did_you_mean: Option<String>,
    /// File of the package that defines the ConfigMap or Secret.
    pub file: Option<String>,
}

/// One permission that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionLine {
    /// `create pods/eviction in default`.
    pub rule: String,
    /// `to replace the Pods of VDU2 ReplicaSet vdu2-update`.
    pub why: String,
}

/// Anything else that forbids an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProblemLine {
    /// The object.
    pub object: ObjectRef,
    /// Where the package defines it.
    pub place: Option<String>,
    /// What is wrong with it; further lines are details.
    pub what: String,
    /// A command that may help.
    pub command: Option<String>,
}

/// The changes that an update cannot make, and what could be done instead. The error line itself is not in it.
pub fn refused(changes: &[RefusedChange], package: &str, instance: &str, screen: &Screen) -> String {
    let mut page = Page::new(screen);
    let widest = |text: fn(&RefusedChange) -> &str| {
        changes.iter().map(|change| plain(text(change)).width()).filter(|width| *width <= 30).max().unwrap_or(0)
    };
    let (kind, name, what) = (widest(|c| &c.object.kind), widest(|c| &c.object.name), widest(|c| c.change));
    for change in changes {
        let object = plain(&change.object.kind).pad(kind) + "  " + plain(&change.object.name).pad(name);
        let head = Mark::Failed.text(screen) + " " + object + "  " + plain(change.change).pad(what) + "  ";
        let whole = plain(&change.detail);
        let parts = match whole.width() + 6 > screen.width {
            true => change.detail.split(", ").map(plain).collect(),
            false => vec![whole],
        };
        page.hung(2, 6, head, parts, ", ");
    }
    page.paragraph(2, Text::empty(), "update changes images, ConfigMaps and Secrets only. For all of it:");
    page.line(4, command(screen, "change-package", &[instance, "--package", package]));
    page.finish()
}

/// Pods that would not start for want of a key, grouped by what is missing; and how many groups there are.
pub fn missing_keys(lines: &[MissingKeyLine], screen: &Screen) -> (String, usize) {
    let mut groups: Vec<(&MissingKeyLine, Vec<&MissingKeyLine>)> = Vec::new();
    for line in lines {
        match groups.iter_mut().find(|(first, _)| first.config == line.config && first.key == line.key) {
            Some((_, members)) => members.push(line),
            None => groups.push((line, vec![line])),
        }
    }
    let mut page = Page::new(screen);
    let number = groups.len();
    for (first, members) in groups {
        let mut workloads: Vec<&ObjectRef> = members.iter().map(|line| &line.object).collect();
        workloads.dedup();
        let missing = match &first.key {
            Some(key) => format!("{} will have no key \"{key}\"", first.config),
            None => format!("there will be no {}", first.config),
        };
        let head = Mark::Failed.text(screen) + " ";
        let text = format!("Pods of {} would not start: {missing}", count(workloads.len(), "workload"));
        page.paragraph(0, head, &text);
        let rows: Vec<Vec<Text>> = members
            .iter()
            .map(|line| {
                let vdu = line.vdu.as_deref().unwrap_or("");
                vec![plain(vdu), plain(&line.object.to_string()), plain(&line.path)]
            })
            .collect();
        page.rows(4, 8, &rows);
        if first.key.is_none() {
            continue;
        }
        let file = first.file.as_ref().map(|file| format!(" in {file}")).unwrap_or_default();
        if first.present.is_empty() {
            page.line(4, format!("it has no keys{file}"));
            continue;
        }
        let mut parts: Vec<Text> = first.present.iter().map(|key| plain(key)).collect();
        if let (Some(guess), Some(last)) = (&first.did_you_mean, parts.pop()) {
            parts.push(last + format!("   (did you mean {guess}?)").as_str());
        }
        page.hung(4, 6, plain(&format!("keys{file}: ")), parts, ", ");
    }
    (page.finish(), number)
}

/// Permissions that the user lacks, and what each is needed for.
pub fn missing_permissions(lines: &[PermissionLine], screen: &Screen) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let mut page = Page::new(screen);
    let verb = if lines.len() == 1 { "is" } else { "are" };
    page.line(0, Mark::Failed.text(screen) + format!(" {} {verb} missing", count(lines.len(), "permission")).as_str());
    let rows: Vec<Vec<Text>> = lines.iter().map(|line| vec![plain(&line.rule), dim(&line.why)]).collect();
    page.rows(4, 8, &rows);
    page.finish()
}

/// Everything else that forbids an operation, object by object.
pub fn problems(lines: &[ProblemLine], screen: &Screen) -> String {
    let mut page = Page::new(screen);
    for line in lines {
        let place = line.place.as_ref().map(|place| format!("   {place}")).unwrap_or_default();
        let head = Mark::Failed.text(screen) + " " + bold(&line.object.to_string()) + dim(&place);
        page.line(0, head);
        for what in line.what.lines() {
            page.paragraph(4, Text::empty(), what);
        }
        if let Some(command) = &line.command {
            page.line(4, cyan(command));
        }
    }
    page.finish()
}
