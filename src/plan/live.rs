//! The live objects of one VNF, as last seen: what plans are made against.
//!
//! Filled by `engine::observe` from lists and watches, or by hand in tests. Pods are attributed to workloads by
//! owner references, never by name or selector: in real packages several workloads share one selector.

use crate::object::workload::{controller, controller_uid};
use crate::object::{ObjectRef, text, uid};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Live objects, and an index of who controls whom.
#[derive(Clone, Debug, Default)]
pub struct Live {
    objects: BTreeMap<ObjectRef, Arc<Value>>,
    /// UID of a controller -> the objects (Pods, ReplicaSets) that it controls.
    controlled: HashMap<String, BTreeSet<ObjectRef>>,
    /// Who controls an object. What is gone is remembered unless it is a Pod: the Pods of a ReplicaSet outlive it.
    controllers: HashMap<ObjectRef, ObjectRef>,
    /// See [`Live::state`].
    state: u64,
}

/// A Pod, its ReplicaSet, and the Deployment of that: longer lines there are none.
const GENERATIONS: usize = 3;

impl Live {
    /// The object, if it is there.
    pub fn get(&self, reference: &ObjectRef) -> Option<&Value> {
        self.objects.get(reference).map(|object| &**object)
    }

    /// All objects, by kind and name.
    pub fn objects(&self) -> impl Iterator<Item = (&ObjectRef, &Value)> {
        self.objects.iter().map(|(reference, object)| (reference, &**object))
    }

    /// The object of this UID, if it is known in this state or a later one.
    pub fn known(&self, reference: &ObjectRef, id: &str, resource_version: &str) -> Option<&Arc<Value>> {
        let known = self.objects.get(reference).filter(|known| uid(known) == id)?;
        as_late(version(known)?, resource_version).then_some(known)
    }

    /// Which state this is: it moves whenever an object changes, comes or goes. What was made of one state holds for as
    /// long as it stays.
    pub fn state(&self) -> u64 {
        self.state
    }

    /// Takes in an object as it was read, unless this or a newer state of it is known: the answer to a write can come after
    /// the event that tells of the next change, and no further event would ever correct it.
    pub fn put(&mut self, object: impl Into<Arc<Value>>) {
        let object = object.into();
        if let Some(reference) = ObjectRef::of(&object) {
            self.take_in(reference, object);
        }
    }

    fn take_in(&mut self, reference: ObjectRef, object: Arc<Value>) {
        if self.objects.get(&reference).is_some_and(|known| as_new(known, &object)) {
            return;
        }
        self.state += 1;
        self.forget(&reference);
        if let Some(uid) = controller_uid(&object) {
            self.controlled.entry(uid.to_owned()).or_default().insert(reference.clone());
        }
        if let Some(controller) = controller(&object) {
            self.controllers.insert(reference.clone(), controller);
        }
        self.objects.insert(reference, object);
    }

    /// Takes out an object that is gone.
    pub fn forget(&mut self, reference: &ObjectRef) {
        let Some(old) = self.objects.remove(reference) else { return };
        self.state += 1;
        if let Some(siblings) = controller_uid(&old).and_then(|controller| self.controlled.get_mut(controller)) {
            siblings.remove(reference);
        }
        if reference.kind == "Pod" {
            self.controllers.remove(reference);
        }
    }

    /// An object and those who control it, directly and through a ReplicaSet: whom a change of it concerns.
    pub fn lineage(&self, object: &ObjectRef) -> Vec<ObjectRef> {
        let line = std::iter::successors(Some(object), |object| self.controllers.get(*object));
        line.take(GENERATIONS).cloned().collect()
    }

    /// Replaces all objects of one kind by what a fresh list returned.
    pub fn relist(&mut self, api_version: &str, kind: &str, items: Vec<Value>) {
        let with_reference = |item: Value| Some((ObjectRef::of(&item)?, Arc::new(item)));
        let listed: BTreeMap<ObjectRef, Arc<Value>> = items.into_iter().filter_map(with_reference).collect();
        let of_kind = |known: &&ObjectRef| known.kind == kind && known.api_version == api_version;
        let gone = self.objects.keys().filter(of_kind).filter(|known| !listed.contains_key(*known));
        for reference in gone.cloned().collect::<Vec<ObjectRef>>() {
            self.forget(&reference);
        }
        for (reference, item) in listed {
            self.take_in(reference, item);
        }
    }

    /// The Pods of a workload, by name: a Pod itself, those that it controls, and those of the ReplicaSets or Jobs that
    /// it controls. Terminating ones are among them.
    pub fn pods_of(&self, workload: &ObjectRef) -> Vec<&Value> {
        let Some(object) = self.get(workload) else { return Vec::new() };
        if workload.kind == "Pod" {
            return vec![object];
        }
        let mut pods: Vec<&ObjectRef> = Vec::new();
        for child in self.controlled_by(uid(object)) {
            match child.kind.as_str() {
                "Pod" => pods.push(child),
                "ReplicaSet" | "Job" => pods.extend(self.controlled_by(self.get(child).map(uid).unwrap_or_default())),
                _ => {}
            }
        }
        pods.sort_by_key(|pod| &pod.name);
        pods.into_iter().filter_map(|pod| self.get(pod)).collect()
    }

    /// What a workload controls directly: its Pods, or the ReplicaSets of a Deployment.
    pub fn children(&self, workload: &ObjectRef) -> Vec<&Value> {
        let owner = self.get(workload).map(uid).unwrap_or_default();
        self.controlled_by(owner).filter_map(|child| self.get(child)).collect()
    }

    /// The Pods that an object controls itself, by name.
    pub fn controlled_pods(&self, owner: &Value) -> Vec<&Value> {
        let mut pods: Vec<&Value> = self
            .controlled_by(uid(owner))
            .filter(|child| child.kind == "Pod")
            .filter_map(|child| self.get(child))
            .collect();
        pods.sort_by_key(|pod| text(pod, "/metadata/name"));
        pods
    }

    fn controlled_by(&self, uid: &str) -> impl Iterator<Item = &ObjectRef> {
        self.controlled.get(uid).into_iter().flatten()
    }
}

/// Whether `known` is this state of the same object, or a later one.
fn as_new(known: &Value, object: &Value) -> bool {
    let versions = version(known).zip(version(object));
    uid(known) == uid(object) && versions.is_some_and(|(of_known, given)| as_late(of_known, given))
}

/// Whether one resource version is another one, or later. Those of one kind are comparable numbers (Kubernetes API
/// concepts; guaranteed since 1.35 and true of etcd before).
fn as_late(one: &str, other: &str) -> bool {
    let number = |version: &str| version.parse::<u64>().ok();
    one == other || number(one).zip(number(other)).is_some_and(|(one, other)| one > other)
}

fn version(object: &Value) -> Option<&str> {
    text(object, "/metadata/resourceVersion")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(kind: &str, name: &str, owner: Option<&str>) -> Value {
        let api_version = if kind == "Pod" { "v1" } else { "apps/v1" };
        let mut object = json!({"apiVersion": api_version, "kind": kind,
            "metadata": {"name": name, "namespace": "n", "uid": format!("uid-{name}")}});
        if let Some(owner) = owner {
            let kind = if kind == "Pod" { "ReplicaSet" } else { "Deployment" };
            object["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": kind, "name": owner,
                "uid": format!("uid-{owner}"), "controller": true}]);
        }
        object
    }

    fn names(live: &Live, kind: &str, name: &str) -> Vec<String> {
        let reference = ObjectRef::of(&object(kind, name, None)).expect("a reference");
        live.pods_of(&reference).iter().map(|pod| text(pod, "/metadata/name").unwrap_or("").to_owned()).collect()
    }

    #[test]
    fn an_answer_that_comes_late_does_not_hide_what_is_newer() {
        let state = |uid: &str, version: u64| {
            let mut object = object("Pod", "a", None);
            object["metadata"]["uid"] = json!(uid);
            object["metadata"]["resourceVersion"] = json!(version.to_string());
            object
        };
        let mut live = Live::default();
        let reference = ObjectRef::of(&state("1", 1)).expect("a reference");
        let puts = [
            (state("1", 9), 9, true),
            (state("1", 10), 10, true),
            (state("1", 9), 10, false),
            (state("1", 10), 10, false),
            (state("2", 3), 3, true),
        ];
        for (put, stays, moves) in puts {
            let before = live.state();
            live.put(put);
            assert_eq!(live.state() > before, moves, "a plan holds for as long as nothing has changed");
            let found = live.get(&reference).and_then(|pod| text(pod, "/metadata/resourceVersion"));
            assert_eq!(found, Some(stays.to_string().as_str()));
        }
        assert!(live.known(&reference, "2", "3").is_some() && live.known(&reference, "2", "2").is_some());
        assert!(live.known(&reference, "2", "4").is_none() && live.known(&reference, "3", "3").is_none());
    }

    #[test]
    fn pods_belong_to_whom_their_owner_references_name() {
        let mut live = Live::default();
        for (kind, name, owner) in [
            ("Deployment", "web", None),
            ("ReplicaSet", "web-1", Some("web")),
            ("ReplicaSet", "web-2", Some("web")),
            ("Pod", "web-1-a", Some("web-1")),
            ("Pod", "web-2-b", Some("web-2")),
            ("ReplicaSet", "web-x", None),
            ("Pod", "web-x-c", Some("web-x")),
            ("Pod", "web-lonely", None),
        ] {
            live.put(object(kind, name, owner));
        }
        assert_eq!(names(&live, "Deployment", "web"), ["web-1-a", "web-2-b"]);
        assert_eq!(names(&live, "ReplicaSet", "web-x"), ["web-x-c"]);
        assert_eq!(names(&live, "Pod", "web-lonely"), ["web-lonely"]);
        let line = |kind: &str, name: &str, live: &Live| {
            let reference = ObjectRef::of(&object(kind, name, None)).expect("a reference");
            live.lineage(&reference).into_iter().map(|object| object.name).collect::<Vec<_>>()
        };
        assert_eq!(line("Pod", "web-2-b", &live), ["web-2-b", "web-2", "web"]);
        live.forget(&ObjectRef::new("apps/v1", "ReplicaSet", Some("n"), "web-2"));
        assert_eq!(line("Pod", "web-2-b", &live), ["web-2-b", "web-2", "web"], "its Pods outlive it");
        assert_eq!(line("Pod", "web-lonely", &live), ["web-lonely"]);
        live.relist("v1", "Pod", vec![object("Pod", "web-1-z", Some("web-1"))]);
        assert_eq!(names(&live, "Deployment", "web"), ["web-1-z"]);
        assert_eq!(names(&live, "ReplicaSet", "web-x"), Vec::<String>::new());
    }
}
