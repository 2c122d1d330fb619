//! Every field that a package names for an object, held against the live one.
//!
//! What the live object has beyond that is the API server's, its controllers' or somebody's addition, and no
//! departure. Neither is a field that looks otherwise and that nobody but this program has written: the API server or
//! its admission made that of what we wrote (`1000m` became `1`, an image became one of a mirror). So who wrote a field
//! last decides, which `metadata.managedFields` tell field by field.

use super::{Drift, Writer, entry, image_of, image_writer, key_writer, last_of};
use crate::object::apply::{APPLIED, is_item};
use crate::object::config::{changed_keys, is_config};
use crate::object::pod::terminating;
use crate::object::workload::{WorkloadKind, images, pod_spec, replicas, set_images};
use crate::object::{ObjectRef, text};
use crate::plan::compare::FieldChange;
use crate::plan::order::{holds_data, runs_once};
use crate::record::ObjectState;
use crate::record::names::MANAGER;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// One field that is not as recorded, and what puts it back.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Departure {
    /// What differs, and by whom.
    #[serde(flatten)]
    pub drift: Drift,
    /// What puts it back.
    pub remedy: Remedy,
}

/// What puts a field back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Remedy {
    /// `update` without a package: images, configuration, what is missing.
    Update,
    /// `scale`: replicas are its.
    Scale,
    /// `heal --all`: workloads of VDUs are made anew, everything else is put right in place.
    Heal,
    /// None of this program's commands: what holds data, and what has run.
    Hand,
}

/// The manager under which autoscalers set replicas, through their controller.
const AUTOSCALER: &str = "kube-controller-manager";
/// Metadata that the API server alone sets, whatever a manifest says.
const SET_BY_SERVER: [&str; 8] = [
    "creationTimestamp",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
    "ownerReferences",
];
/// What tells the items of a list apart, where all have it: as in Kubernetes' own lists of maps.
const KEYS: [&[&str]; 6] =
    [&["name"], &["mountPath"], &["devicePath"], &["containerPort", "protocol"], &["port", "protocol"], &["ip"]];

/// How a live object departs from what it was made as. `wanted`: the object as this program makes it, Secrets settled.
pub fn departures(state: &ObjectState, wanted: &Value, live: Option<&Value>) -> Vec<Departure> {
    let object = &state.reference;
    let whole = |change: &str| {
        let drift =
            Drift { object: object.clone(), field: String::new(), change: change.into(), manager: None, time: None };
        vec![Departure { drift, remedy: Remedy::Update }]
    };
    let Some(live) = live else {
        // What runs once and is gone has run.
        return if runs_once(object) { Vec::new() } else { whole("deleted") };
    };
    if terminating(live) {
        return whole("being deleted");
    }
    let mut wanted = wanted.clone();
    let mut found = Vec::new();
    let mut add = |drift: Option<Drift>, remedy| found.extend(drift.map(|drift| Departure { drift, remedy }));
    let kind = WorkloadKind::of(object);
    if is_config(object) {
        for key in changed_keys(&wanted, live) {
            add(entry(object, key.key.clone(), key.summary(), key_writer(live, &key.key)), Remedy::Update);
        }
    }
    if let Some(kind) = kind {
        let running = pod_spec(live).map(images).unwrap_or_default();
        for (container, image) in pod_spec(&wanted).map(images).unwrap_or_default() {
            let in_force = state.became.get(&container).unwrap_or(&image);
            let Some(is) = running.get(&container).filter(|is| *is != in_force && **is != image) else { continue };
            let change = format!("{in_force} -> {is}");
            add(entry(object, image_of(&container), change, image_writer(kind, live, &container)), Remedy::Update);
        }
        set_images(&mut wanted, &running);
        if kind.scalable() {
            let (recorded, now) = (replicas(&wanted), replicas(live));
            let writer = super::replicas_writer(live);
            let autoscaled = matches!(&writer, Writer::Foreign(manager, _) if manager == AUTOSCALER);
            if recorded != now && !autoscaled {
                add(entry(object, "spec.replicas".into(), format!("{recorded} -> {now}"), writer), Remedy::Scale);
            }
        }
    }
    let remedy = if holds_data(object) || runs_once(object) { Remedy::Hand } else { Remedy::Heal };
    for Strayed { change, writer } in strayed(object, wanted, live) {
        add(entry(object, change.short_path().to_owned(), change.summary(), writer), remedy);
    }
    found
}

/// One field that is not as it was made, and not by us.
#[derive(Clone, Debug, PartialEq)]
pub struct Strayed {
    /// The field: as it was made, and as it is.
    pub change: FieldChange,
    /// Who wrote it last.
    pub writer: Writer,
}

/// The fields that have strayed. The keys of a ConfigMap or Secret are not among them (see [`changed_keys`]), and
/// neither are replicas, which belong to scaling.
pub fn strayed(object: &ObjectRef, mut wanted: Value, live: &Value) -> Vec<Strayed> {
    if let Some(fields) = wanted.as_object_mut().filter(|_| is_config(object)) {
        fields.retain(|key, _| !matches!(key.as_str(), "data" | "binaryData" | "stringData"));
    }
    let scalable =
        WorkloadKind::of(object).is_some_and(WorkloadKind::scalable) || object.kind == "ReplicationController";
    if let Some(spec) = wanted.get_mut("spec").and_then(Value::as_object_mut).filter(|_| scalable) {
        spec.remove("replicas");
    }
    differences(&wanted, live).into_iter().filter(|strayed| strayed.writer != Writer::Ours).collect()
}

fn differences(wanted: &Value, live: &Value) -> Vec<Strayed> {
    let mut walk = Walk { root: live, trail: Vec::new(), found: Vec::new() };
    for (key, value) in wanted.as_object().into_iter().flatten() {
        if matches!(key.as_str(), "apiVersion" | "kind" | "status") {
            continue;
        }
        let fields = value.as_object().filter(|_| key == "metadata");
        match fields {
            Some(fields) => {
                for (field, value) in fields.iter().filter(|(field, _)| !SET_BY_SERVER.contains(&field.as_str())) {
                    walk.child(
                        &["metadata", field.as_str()],
                        value,
                        live.get("metadata").and_then(|data| data.get(field)),
                    );
                }
            }
            None => walk.child(&[key.as_str()], value, live.get(key)),
        }
    }
    walk.found
}

/// One step of the way to a field.
#[derive(Clone, Copy)]
enum Step<'a> {
    /// A field of an object.
    Field(&'a str),
    /// An item of a list: how it is called in a path, and the live one.
    Item(&'a str, Option<&'a Value>),
    /// An item of a list by its place.
    Place(usize, Option<&'a Value>),
}

struct Walk<'a> {
    root: &'a Value,
    trail: Vec<Step<'a>>,
    found: Vec<Strayed>,
}

impl<'a> Walk<'a> {
    fn child(&mut self, fields: &[&'a str], wanted: &'a Value, live: Option<&'a Value>) {
        let depth = self.trail.len();
        self.trail.extend(fields.iter().map(|field| Step::Field(field)));
        self.value(wanted, live);
        self.trail.truncate(depth);
    }

    fn value(&mut self, wanted: &'a Value, live: Option<&'a Value>) {
        match (wanted, live) {
            // What is empty is left out when it is stored.
            _ if says_nothing(wanted) && live.is_none_or(says_nothing) => {}
            (Value::Object(fields), Some(Value::Object(now))) => {
                for (key, value) in fields.iter().filter(|(key, _)| key.as_str() != APPLIED) {
                    self.child(&[key.as_str()], value, now.get(key));
                }
            }
            (Value::Array(items), Some(Value::Array(now))) => self.list(items, now, wanted, live),
            (wanted, Some(now)) if same(wanted, now) => {}
            // A null asks for nothing.
            (Value::Null, _) => {}
            _ => self.differs(wanted, live),
        }
    }

    fn list(&mut self, items: &'a [Value], now: &'a [Value], wanted: &'a Value, live: Option<&'a Value>) {
        if let Some(keys) = KEYS.iter().find(|keys| told_apart(items, keys) && told_apart(now, keys)) {
            for item in items {
                let found = now.iter().find(|other| id_of(other, keys) == id_of(item, keys));
                let name = text(item, &format!("/{}", keys[0]));
                let place = items.iter().position(|other| std::ptr::eq(other, item)).unwrap_or(0);
                self.trail.push(name.map_or(Step::Place(place, found), |name| Step::Item(name, found)));
                self.value(item, found);
                self.trail.pop();
            }
            return;
        }
        if items.len() == now.len() {
            for (place, (item, found)) in items.iter().zip(now).enumerate() {
                self.trail.push(Step::Place(place, Some(found)));
                self.value(item, Some(found));
                self.trail.pop();
            }
            return;
        }
        // Longer than it was made: admission adds tolerations and the like. Each must still be there.
        let mut left: Vec<&Value> = now.iter().collect();
        let all = items.iter().all(|item| {
            let covering = left.iter().position(|found| {
                let mut walk = Walk { root: self.root, trail: Vec::new(), found: Vec::new() };
                walk.value(item, Some(found));
                walk.found.is_empty()
            });
            covering.map(|place| left.remove(place)).is_some()
        });
        if !all {
            self.differs(wanted, live);
        }
    }

    fn differs(&mut self, wanted: &Value, live: Option<&Value>) {
        let mut path = String::new();
        for step in &self.trail {
            match step {
                Step::Field(name) if path.is_empty() => path.push_str(name),
                Step::Field(name) => path.push_str(&format!(".{name}")),
                Step::Item(name, _) => path.push_str(&format!("[{name}]")),
                Step::Place(place, _) => path.push_str(&format!("[{place}]")),
            }
        }
        let change = FieldChange { path, before: Some(wanted.clone()), after: live.cloned() };
        self.found.push(Strayed { change, writer: self.writer() });
    }

    /// Who wrote the field at the end of the trail. An item that is gone was taken away by somebody who has written the
    /// rest of the list.
    fn writer(&self) -> Writer {
        let gone = self.trail.iter().position(|step| matches!(step, Step::Item(_, None) | Step::Place(_, None)));
        let trail = &self.trail[..gone.unwrap_or(self.trail.len())];
        let entries = self.root.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
        let entries = entries.filter(|entry| gone.is_none() || entry["manager"] != MANAGER);
        last_of(entries.filter(|entry| owns(&entry["fieldsV1"], trail)))
    }
}

/// Whether a set of managed fields has the field at the end of a trail, or something above it that is owned as one.
fn owns(fields: &Value, trail: &[Step<'_>]) -> bool {
    let mut node = fields;
    for step in trail {
        let Some(children) = node.as_object() else { return false };
        if children.is_empty() {
            return true;
        }
        let child = match step {
            Step::Field(name) => children.get(&format!("f:{name}")),
            Step::Item(_, live) | Step::Place(_, live) => live.and_then(|live| item_of(children, live)),
        };
        let Some(child) = child else { return false };
        node = child;
    }
    true
}

/// What is owned of an item of a list.
fn item_of<'f>(fields: &'f Map<String, Value>, item: &Value) -> Option<&'f Value> {
    fields.iter().find(|(key, _)| is_item(key, item)).map(|(_, child)| child)
}

/// What the API server leaves out of an object, because it is the same as saying nothing.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(says_nothing),
    }
}

fn told_apart(items: &[Value], keys: &[&str]) -> bool {
    let ids: BTreeSet<String> = items.iter().filter_map(|item| id_of(item, keys)).collect();
    ids.len() == items.len()
}

/// What tells an item apart. A protocol that is not said is TCP.
fn id_of(item: &Value, keys: &[&str]) -> Option<String> {
    let (first, rest) = keys.split_first()?;
    let first = item.get(*first)?;
    let rest: Vec<&str> = rest.iter().map(|key| item.get(*key).and_then(Value::as_str).unwrap_or("TCP")).collect();
    Some(format!("{first} {}", rest.join(" ")))
}

/// Whether two leaves say the same: numbers by their value.
fn same(wanted: &Value, live: &Value) -> bool {
    wanted == live || wanted.as_f64().is_some_and(|wanted| Some(wanted) == live.as_f64())
}

#[cfg(test)]
mod tests;
