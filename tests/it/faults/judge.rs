//! What came of an operation, as kubectl shows the cluster: all that has to be the same after every run, and nothing
//! that differs from run to run.

use crate::support::{Namespace, Object, Objects};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::time::{Duration, Instant};

const INSTANCE: &str = "/metadata/labels/kubectl-vnf~1instance";
const MARKER: &str = "kubectl-vnf/revision";
const APPLIED: &str = "kubectl-vnf/applied";

/// A namespace with at most one VNF, compared with how it was before an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// What is there: objects as they were written, the record, what has been left behind.
    pub content: BTreeMap<String, Value>,
    /// By workload, and for its Pods: the same as before or a new one, and what has happened to it since.
    pub lives: BTreeMap<String, Value>,
}

impl Shape {
    /// How a namespace is `now`, when it was `before`.
    pub fn of(before: &Objects, now: &Objects) -> Self {
        let mut content = BTreeMap::new();
        let mut lives = BTreeMap::new();
        let records = Records::of(now);
        content.insert("operations".to_owned(), records.operations_since(before));
        content.insert("left behind".to_owned(), records.left_behind());
        if let Some(record) = records.instance {
            content.insert("record".to_owned(), record_of(record, before));
        }
        // Not the one that the record calls in force: it may still have to be told.
        let newest = records.newest();
        let ours = |object: &&Object| {
            !object.text(INSTANCE).is_empty() && object.text("/metadata/labels/kubectl-vnf~1record").is_empty()
        };
        for name in now.names() {
            let object = now.get(name);
            if !ours(&object) || name.starts_with("Lease/") {
                continue;
            }
            let owner = object.owner();
            if owner.is_empty() {
                let old = before.has(name).then(|| before.get(name));
                content.insert(name.to_owned(), written(object, old, newest));
                lives.insert(name.to_owned(), life(object, old));
            } else if name.starts_with("ReplicaSet/") && object.number("/spec/replicas") > 0 {
                let was = before.has(name) && before.get(name).number("/spec/replicas") > 0;
                content.insert(format!("template of {owner}"), if was { "as before" } else { "a new one" }.into());
            } else if name.starts_with("Pod/") {
                let workload = now.of_kind("ReplicaSet").find(|set| format!("ReplicaSet/{}", set.name()) == owner);
                let workload = workload.map(Object::owner).filter(|owner| !owner.is_empty()).unwrap_or(owner);
                let old = before.has(name).then(|| before.get(name));
                let template = now.has(&workload).then(|| now.get(&workload));
                push(&mut content, &format!("Pods of {workload}"), pod(object, template));
                push(&mut lives, &format!("Pods of {workload}"), life(object, old));
            }
        }
        // Which of a workload's Pods has which name is chance.
        for list in content.values_mut().chain(lives.values_mut()).filter_map(Value::as_array_mut) {
            list.sort_by_cached_key(ToString::to_string);
        }
        Self { content, lives }
    }

    /// What there is besides the plugin's own objects.
    pub fn of_the_vnf(&self) -> BTreeMap<String, Value> {
        let own = ["operations", "record", "left behind"];
        self.content.iter().filter(|(name, _)| !own.contains(&name.as_str())).map(cloned).collect()
    }

    /// The lives of what nothing has happened to.
    pub fn untouched(&self) -> BTreeMap<String, Value> {
        let same = json!({"same": true, "written": 0, "restarts": 0});
        self.lives.iter().filter(|(_, life)| **life == same || **life == json!([same])).map(cloned).collect()
    }
}

fn cloned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

/// Every difference, a line each.
pub fn differences(expected: &BTreeMap<String, Value>, found: &BTreeMap<String, Value>) -> Vec<String> {
    let names = expected.keys().chain(found.keys().filter(|name| !expected.contains_key(*name)));
    let mut lines = Vec::new();
    for name in names {
        compare(name, expected.get(name).unwrap_or(&Value::Null), found.get(name).unwrap_or(&Value::Null), &mut lines);
    }
    lines
}

fn compare(at: &str, expected: &Value, found: &Value, lines: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(left), Value::Object(right)) => {
            for key in left.keys().chain(right.keys().filter(|key| !left.contains_key(*key))) {
                let get = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                compare(&format!("{at}/{key}"), &get(left), &get(right), lines);
            }
        }
        _ if expected != found => lines.push(format!("{at}: {found}, expected {expected}")),
        _ => {}
    }
}

/// Looks until there are no differences, or the time is over: then these are returned.
pub fn settles(
    ns: &Namespace,
    within: Duration,
    mut look: impl FnMut(&Objects) -> Vec<String>,
) -> Result<Objects, Vec<String>> {
    let begin = Instant::now();
    loop {
        let now = ns.objects();
        let lines = look(&now);
        if lines.is_empty() {
            return Ok(now);
        }
        if begin.elapsed() > within {
            return Err(lines);
        }
        // Many cases look at the same time.
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// Names of those objects that nobody but their owner writes, and that differ in version: somebody has written them.
pub fn rewritten(before: &Objects, now: &Objects) -> Vec<String> {
    let config = |name: &String| name.starts_with("ConfigMap/") || name.starts_with("Secret/");
    let mut names: Vec<String> = crate::support::written(before, now).into_iter().filter(config).collect();
    names.retain(|name| !name.contains("/vnf-"));
    names
}

/// The plugin's own objects.
pub struct Records<'a> {
    instance: Option<&'a Object>,
    all: &'a Objects,
}

impl<'a> Records<'a> {
    pub fn of(all: &'a Objects) -> Self {
        Self { instance: all.of_kind("ConfigMap").find(|map| map.is_record("instance")), all }
    }

    fn operations(&self) -> impl Iterator<Item = &'a Object> {
        self.all.of_kind("ConfigMap").filter(|map| map.is_record("operation"))
    }

    /// The instance's id.
    pub fn id(&self) -> Option<&'a str> {
        Some(self.instance?.text(INSTANCE))
    }

    /// `ConfigMap/NAME` of the operation that the record calls the last one, if it was ever written.
    pub fn last(&self) -> Option<String> {
        let record = self.instance?.record();
        let name = format!("ConfigMap/vnf-op-{}", record["kubectlVnf"]["operation"]["id"].as_str()?);
        self.all.has(&name).then_some(name)
    }

    /// Its state.
    pub fn last_state(&self) -> Option<String> {
        let record = self.all.get(&self.last()?).record();
        Some(record["operationState"].as_str().unwrap_or_default().to_owned())
    }

    /// Verb and state of each operation that was not there before.
    fn operations_since(&self, before: &Objects) -> Value {
        let new = self.operations().filter(|map| !before.has(&format!("ConfigMap/{}", map.name())));
        let mut new: Vec<_> = new.map(|map| map.text("/metadata/annotations/kubectl-vnf~1operation")).collect();
        new.sort_unstable();
        json!(new)
    }

    /// What should not be there any more, or is not there although it should: nothing, when all is well.
    fn left_behind(&self) -> Value {
        let mut wrong: Vec<String> = self.all.of_kind("Lease").map(|lease| format!("Lease {}", lease.name())).collect();
        let instances = self.all.of_kind("ConfigMap").filter(|map| map.is_record("instance")).count();
        if instances > 1 {
            wrong.push(format!("{instances} records of instances"));
        }
        let annotation =
            |key: &str| self.instance.map(|record| record.text(&format!("/metadata/annotations/kubectl-vnf~1{key}")));
        let claims: Vec<&str> = self
            .all
            .of_kind("ConfigMap")
            .filter(|map| map.is_record("name"))
            .map(|map| map.text("/metadata/annotations/kubectl-vnf~1name"))
            .collect();
        if claims != annotation("name").into_iter().collect::<Vec<_>>() {
            wrong.push(format!("claimed names {claims:?}, the instance's is {:?}", annotation("name")));
        }
        let mut named: Vec<&str> = annotation("packages").into_iter().flat_map(|list| list.split(',')).collect();
        named.sort_unstable();
        let stored = self.all.of_kind("Secret").filter(|secret| secret.is_record("package"));
        let mut stored: Vec<&str> = stored.filter_map(|secret| secret.name().split('-').nth(2)).collect();
        stored.sort_unstable();
        stored.dedup();
        if named != stored {
            wrong.push(format!("packages {stored:?}, the record names {named:?}"));
        }
        for map in self.operations() {
            let state = map.record()["operationState"].as_str().unwrap_or_default().to_owned();
            if !["COMPLETED", "FAILED", "ROLLED_BACK"].contains(&state.as_str()) {
                wrong.push(format!("an operation that is {state}"));
            }
        }
        let evidence = self.all.of_kind("Secret").filter(|secret| secret.is_record("operation"));
        for secret in evidence {
            let of = secret.name().trim_end_matches("-evidence");
            if !self.all.has(&format!("ConfigMap/{of}")) {
                wrong.push(format!("evidence of no operation: {}", secret.name()));
            }
        }
        json!(wrong)
    }

    /// The highest number that a revision was given.
    fn newest(&self) -> i64 {
        let record = self.instance.map(Object::record).unwrap_or_default();
        record["kubectlVnf"]["lastRevision"].as_i64().unwrap_or_default()
    }

    fn in_force(&self) -> i64 {
        let record = self.instance.map(|record| record.text("/metadata/annotations/kubectl-vnf~1revision-in-force"));
        record.and_then(|number| number.parse().ok()).unwrap_or_default()
    }
}

/// The instance's record without ids, times and numbers.
fn record_of(object: &Object, before: &Objects) -> Value {
    let record = object.record();
    let old = Records::of(before);
    let own = Records { instance: Some(object), all: before };
    let number = match own.in_force() {
        number if number == old.in_force() => json!("as before"),
        number if number == own.newest() => json!("the newest"),
        number => json!(number),
    };
    let revisions = revisions(object);
    let current = revisions.as_array().into_iter().flatten().find(|revision| revision["number"] == own.in_force());
    let numbers: Vec<Option<i64>> =
        revisions.as_array().into_iter().flatten().map(|revision| revision["number"].as_i64()).collect();
    let objects: Vec<Value> = current
        .and_then(|revision| revision["objects"].as_array())
        .into_iter()
        .flatten()
        .map(|state| {
            let mut state = state.clone();
            if let Some(fields) = state.as_object_mut() {
                fields.remove("marker");
                fields.remove("applied");
                fields.remove("reference").into_iter().for_each(|mut reference| {
                    reference["namespace"].take();
                    fields.insert("reference".into(), reference);
                });
            }
            state
        })
        .collect();
    json!({
        "vnfInstanceName": record["vnfInstanceName"],
        "annotated name": object.text("/metadata/annotations/kubectl-vnf~1name"),
        "vnfdId": record["vnfdId"],
        "instantiationState": record["instantiationState"],
        "instantiatedVnfInfo": record["instantiatedVnfInfo"],
        "metadata": record["metadata"],
        "package": record["kubectlVnf"]["package"]["digest"],
        "incoming package": record["kubectlVnf"]["incomingPackage"],
        "operation is open": record["kubectlVnf"]["operation"]["state"].as_str().is_some_and(|state| {
            !["COMPLETED", "FAILED", "ROLLED_BACK"].contains(&state)
        }),
        "revision in force": number,
        "revisions have one number each": numbers.windows(2).all(|pair| pair[0] < pair[1]),
        "objects": objects,
    })
}

fn revisions(record: &Object) -> Value {
    let packed = STANDARD.decode(record.text("/binaryData/revisions")).unwrap_or_default();
    let mut text = String::new();
    let read = flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text);
    read.ok().and_then(|_| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// An object as it was written: without what the server and controllers add.
fn written(object: &Object, old: Option<&Object>, newest: i64) -> Value {
    let mut value = object.0.clone();
    value["status"].take();
    let metadata = value["metadata"].as_object_mut().expect("every object has metadata");
    for field in ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "namespace"] {
        metadata.remove(field);
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove("deployment.kubernetes.io/revision");
        annotations.remove("deprecated.daemonset.template.generation");
    }
    let own = [("/metadata/annotations", MARKER), ("/spec/template/metadata/annotations", MARKER)];
    for (pointer, key) in own.into_iter().chain([("/metadata/annotations", APPLIED)]) {
        let was = old.map(|old| old.text(&format!("{pointer}/{}", key.replace('/', "~1"))).to_owned());
        if let Some(number) = value.pointer_mut(pointer).and_then(|annotations| annotations.get_mut(key)) {
            *number = told(number.as_str().unwrap_or_default(), was.as_deref(), newest);
        }
    }
    if let Some(spec) = value["spec"].as_object_mut() {
        for given in ["nodeName", "clusterIP", "clusterIPs"] {
            spec.remove(given);
        }
    }
    value["ready"] = object.is_ready().into();
    value["leaving"] = object.is_leaving().into();
    steady(&mut value);
    value
}

/// What the number of a revision says.
fn told(marker: &str, was: Option<&str>, newest: i64) -> Value {
    match marker {
        marker if was == Some(marker) => "as before".into(),
        marker if marker == newest.to_string() => "of the newest revision".into(),
        marker => marker.into(),
    }
}

/// A Pod of a controller: its spec is its template's.
fn pod(pod: &Object, workload: Option<&Object>) -> Value {
    let marker = |object: &Object, at: &str| {
        object.text(&format!("{at}/metadata/annotations/{}", MARKER.replace('/', "~1"))).to_owned()
    };
    let template = workload.map(|workload| marker(workload, "/spec/template"));
    json!({
        "image": pod.text("/spec/containers/0/image"),
        "of the template": template.is_some_and(|template| template == marker(pod, "")),
        "ready": pod.is_ready(),
        "leaving": pod.is_leaving(),
    })
}

/// What has happened to an object since: who is new has had no life before.
fn life(object: &Object, old: Option<&Object>) -> Value {
    let same = old.filter(|old| old.uid() == object.uid());
    let generation = |object: &Object| object.number("/metadata/generation");
    let (life, was) = (object.life(), same.map(Object::life));
    let restarted = was.as_ref().is_some_and(|was| was.started != life.started);
    json!({
        "same": same.is_some() && !restarted,
        "written": generation(object) - same.map_or(0, generation),
        "restarts": life.restarts - was.map_or(0, |was| was.restarts),
    })
}

fn push(map: &mut BTreeMap<String, Value>, key: &str, value: Value) {
    let list = map.entry(key.to_owned()).or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut() {
        list.push(value);
    }
}

/// Takes out of all texts what is made at random.
fn steady(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(steady),
        Value::Array(items) => items.iter_mut().for_each(steady),
        Value::String(text) => {
            if uuid::Uuid::try_parse(text).is_ok() {
                *text = "*".into();
            } else if text.starts_with("kube-api-access-") {
                *text = "kube-api-access-*".into();
            }
        }
        _ => {}
    }
}
