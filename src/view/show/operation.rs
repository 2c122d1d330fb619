//! The report of one operation: who asked for what, how far each object is, why it failed, and the ways out.

use super::super::Screen;
use super::super::page::Page;
use super::super::plan::package_id;
use super::super::result::fault;
use super::super::style::{Text, bold, clean, cyan, dim, green, plain, red, yellow};
use super::super::tables::{age, revisions, seconds, state};
use super::super::words::{count, full_label, label as short_label, short_id};
use crate::object::ObjectRef;
use crate::object::config::is_config;
use crate::plan::derive::update::Deferred;
use crate::plan::sheet::Untouched;
use crate::plan::{Item, ItemState, Step};
use crate::record::{ConfigChange, Journal, Operation, OperationState, Reason};
use crate::report::outcome::FailureLine;
use serde_json::Value;
use std::time::Duration;

/// Column in which facts begin.
const FACTS: usize = 13;

/// The state of an object that a rollback has put back.
const PUT_BACK: &str = "put back";

/// Everything that `op show` says about an operation.
#[derive(Clone, Debug)]
pub struct OperationSheet<'a> {
    /// The operation.
    pub operation: &'a Operation,
    /// Its process is gone without a word.
    pub interrupted: bool,
    /// What it fixed before its first write.
    pub journal: &'a Journal,
    /// Name of the instance, as it is now.
    pub instance: &'a str,
    /// Namespace of the record.
    pub namespace: &'a str,
    /// Every object in scope and how far it is. [`OperationLine::of`] makes them from a plan.
    pub lines: &'a [OperationLine],
    /// What the operation does not touch.
    pub untouched: &'a [Untouched],
    /// What of the package does not take effect.
    pub deferred: &'a [Deferred],
    /// What went wrong, with the evidence that was kept.
    pub failures: &'a [FailureLine],
    /// The commands that are allowed now, and what each does.
    pub ways_out: &'a [(String, String)],
}

/// One object in scope of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationLine {
    /// Its VDU.
    pub vdu: Option<String>,
    /// The object.
    pub object: ObjectRef,
    /// `done`, `written`, `to do`, `FAILED`.
    pub state: String,
    /// What happened or is to happen to it.
    pub detail: String,
}

impl OperationLine {
    /// The line of an item of a plan that was made now; `failed` when the object is to blame for the failure.
    pub fn of(item: &Item, failed: bool) -> Self {
        let state = match item.state {
            _ if failed => "FAILED",
            ItemState::Done if item.step == Step::Delete => "gone",
            ItemState::Done if is_config(&item.object) => "written",
            ItemState::Done => "done",
            ItemState::Waiting => "not ready",
            ItemState::ToDo => "to do",
        };
        Self { vdu: item.vdu.clone(), object: item.object.clone(), state: state.into(), detail: detail(item) }
    }

    /// The line of an operation that was rolled back.
    #[must_use]
    pub fn put_back(self) -> Self {
        if self.state == "gone" { self } else { Self { state: PUT_BACK.into(), ..self } }
    }

    /// The line of configuration that a rollback has put back.
    pub fn restored(change: &ConfigChange) -> Self {
        let keys = change.keys.iter().map(|key| key.key.as_str()).collect::<Vec<_>>().join(", ");
        Self { vdu: None, object: change.object.clone(), state: PUT_BACK.into(), detail: keys }
    }
}

/// What an item does, in a few words.
fn detail(item: &Item) -> String {
    if let Step::Scale { before, after, .. } = &item.step {
        return format!("replicas {before} -> {after}");
    }
    if let Step::Config { keys, .. } = &item.step {
        return keys.iter().map(|key| key.key.as_str()).collect::<Vec<_>>().join(", ");
    }
    let images = item.reasons.iter().filter_map(|reason| match reason {
        Reason::Image { before, after, .. } => Some(format!("image {before} -> {after}")),
        _ => None,
    });
    let keys = item.reasons.iter().filter(|reason| matches!(reason, Reason::Key { .. })).count();
    let mut parts: Vec<String> = images.collect();
    if keys > 0 {
        parts.push(count(keys, "key"));
    }
    let mut fields = item.reasons.iter().filter_map(|reason| match reason {
        Reason::Field { field, change } => Some(format!("{field} {change}")),
        _ => None,
    });
    parts.extend(fields.next());
    match fields.count() {
        0 => {}
        more => parts.push(format!("{} more", count(more, "field"))),
    }
    if parts.is_empty() {
        parts.push(
            match &item.step {
                Step::Create => "created",
                Step::Delete => "deleted",
                Step::Recreate { .. } => "made anew",
                Step::Respawn { .. } => "Pods replaced",
                _ => "",
            }
            .to_owned(),
        );
    }
    parts.join(", ")
}

/// The report of one operation.
pub fn operation(sheet: &OperationSheet<'_>, screen: &Screen) -> String {
    let mut page = Page::new(screen);
    head(&mut page, sheet);
    let mut rows = vec![["WHAT", "STATE", "DETAIL"].map(bold).to_vec()];
    for line in sheet.lines {
        let what = full_label(line.vdu.as_deref(), &line.object);
        rows.push(vec![plain(&what), state_of(&line.state), plain(&line.detail)]);
    }
    if !sheet.untouched.is_empty() {
        let vdus: Vec<&str> = sheet.untouched.iter().filter_map(|entry| entry.vdu.as_deref()).collect();
        let others = sheet.untouched.len() - vdus.len();
        let label = if vdus.is_empty() { String::from("other objects") } else { vdus.join(" ") };
        let more = match (vdus.len(), others) {
            (0, others) => count(others, "object"),
            (_, 0) => String::new(),
            (_, others) => format!("and {}", count(others, "other object")),
        };
        rows.push(vec![dim(&label), dim("untouched"), dim(&more)]);
    }
    for (index, entry) in sheet.deferred.iter().enumerate() {
        let label = if index == 0 { plain("Deferred") } else { Text::empty() };
        let number = if index == 0 { yellow(&sheet.deferred.len().to_string()) } else { Text::empty() };
        let what = short_label(entry.vdu.as_deref(), &entry.object);
        let field = entry.field.rsplit('.').next().unwrap_or(&entry.field);
        rows.push(vec![label, number, plain(&format!("{what} {field} {}", entry.change))]);
    }
    if rows.len() > 1 {
        page.blank();
        page.rows(0, 6, &rows);
    }
    let faults: Vec<&FailureLine> = sheet.failures.iter().filter(|failure| !failure.consequence).collect();
    if let (Some(error), true) = (&sheet.operation.error, faults.is_empty()) {
        page.blank();
        page.list(0, red("Error:").pad(FACTS), clean(&error.detail).split_whitespace().map(plain), " ");
    }
    for failure in faults {
        fault(&mut page, failure);
    }
    if !sheet.ways_out.is_empty() {
        page.blank();
        page.line(0, bold("Ways out:"));
        let rows: Vec<Vec<Text>> = sheet.ways_out.iter().map(|(typed, what)| vec![cyan(typed), plain(what)]).collect();
        page.grid(2, 6, 3, &rows);
    }
    page.finish()
}

fn state_of(text: &str) -> Text {
    match text {
        "done" | "written" | "gone" | PUT_BACK => green(text),
        "FAILED" => red(text),
        _ => plain(text),
    }
}

fn head(page: &mut Page<'_>, sheet: &OperationSheet<'_>) {
    let operation = sheet.operation;
    let extension = &operation.kubectl_vnf;
    let now = page.screen.now;
    let mut fact = |label: &str, parts: Vec<Text>, separator: &str| {
        page.list(0, bold(label).pad(FACTS), parts, separator);
    };
    let what = format!("{} ({})", extension.verb, operation.operation);
    fact("Operation:", vec![plain(&operation.id), plain(&what)], "   ");
    let instance = plain(sheet.instance) + dim(&format!(" ({})", short_id(&operation.vnf_instance_id)));
    fact("Instance:", vec![instance, plain(&format!("namespace {}", sheet.namespace))], "   ");
    let interrupted = if sheet.interrupted { " (interrupted)" } else { "" };
    let entered = operation.state_entered_time;
    let since = format!(" since {} ", entered.strftime("%Y-%m-%d %H:%M:%SZ"));
    let state = state(&operation.operation_state.to_string())
        + interrupted
        + since.as_str()
        + dim(&format!("({})", age(entered, now)));
    fact("State:", vec![state], "");
    let started = format!("{}", operation.start_time.strftime("%Y-%m-%d %H:%M:%SZ"));
    let took =
        operation.kubectl_vnf.took_millis.map(|took| plain(&format!("took {}", seconds(Duration::from_millis(took)))));
    fact("Started:", std::iter::once(plain(&started)).chain(took).collect(), "   ");
    let by = &extension.by;
    let by =
        vec![plain(&by.to_string()), plain(&format!("kubectl-vnf {}", by.version)), plain(&format!("pid {}", by.pid))];
    fact("By:", by, ", ");
    fact("Request:", request(sheet), ", ");
    let back = match (operation.operation_state, extension.source_revision) {
        (OperationState::RolledBack, Some(source)) => format!(", and back to {source}"),
        (OperationState::RolledBack, None) => ", and taken away again".into(),
        _ => String::new(),
    };
    let revisions = revisions(extension.source_revision, extension.target_revision);
    fact("Revision:", vec![plain(&(revisions + &back))], "");
}

/// The package and the request's attributes, values that are lists or maps as counts.
fn request(sheet: &OperationSheet<'_>) -> Vec<Text> {
    let package = sheet.journal.target.as_ref().map(|target| {
        let package = &target.package;
        plain(&format!("package {} (sha256:{})", package_id(&package.vnfd_id), package.short_digest()))
    });
    let mut parts: Vec<Text> = package.into_iter().collect();
    for (key, value) in sheet.operation.operation_params.as_object().into_iter().flatten() {
        parts.extend(attribute(key, value));
    }
    if parts.is_empty() {
        parts.push(plain("-"));
    }
    parts
}

fn attribute(key: &str, value: &Value) -> Vec<Text> {
    match value {
        // The package says it.
        _ if key == "vnfdId" => Vec::new(),
        Value::Null | Value::Bool(false) => Vec::new(),
        Value::Bool(true) => vec![plain(key)],
        // What somebody wrote in words of his own.
        Value::String(text) if text.contains(char::is_whitespace) => vec![plain(&format!("{key} \"{text}\""))],
        Value::String(text) => vec![plain(&format!("{key} {text}"))],
        // Who was to be healed.
        Value::Array(values) if matches!(key, "vnfcInstanceId" | "vduId") => {
            values.iter().filter_map(Value::as_str).map(plain).collect()
        }
        Value::Array(values) => vec![plain(&format!("{} {key}", values.len()))],
        Value::Object(map) => map.iter().flat_map(|(key, value)| attribute(key, value)).collect(),
        other => vec![plain(&format!("{key} {other}"))],
    }
}
