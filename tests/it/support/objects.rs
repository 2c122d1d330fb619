//! The objects of a namespace at one moment, and what changed between two moments.

use serde_json::Value;
use std::collections::BTreeMap;

/// What is looked at, as path, resource and kind: all that a VNF of the tests, its controllers or the plugin can leave
/// behind.
pub const KINDS: [(&str, &str, &str); 14] = [
    ("/api/v1", "pods", "Pod"),
    ("/apis/apps/v1", "deployments", "Deployment"),
    ("/apis/apps/v1", "replicasets", "ReplicaSet"),
    ("/apis/apps/v1", "daemonsets", "DaemonSet"),
    ("/apis/apps/v1", "statefulsets", "StatefulSet"),
    ("/apis/apps/v1", "controllerrevisions", "ControllerRevision"),
    ("/apis/batch/v1", "jobs", "Job"),
    ("/api/v1", "configmaps", "ConfigMap"),
    ("/api/v1", "secrets", "Secret"),
    ("/api/v1", "services", "Service"),
    ("/api/v1", "serviceaccounts", "ServiceAccount"),
    ("/api/v1", "persistentvolumeclaims", "PersistentVolumeClaim"),
    ("/apis/policy/v1", "poddisruptionbudgets", "PodDisruptionBudget"),
    ("/apis/coordination.k8s.io/v1", "leases", "Lease"),
];

/// One object.
#[derive(Clone)]
pub struct Object(pub Value);

/// What a restart or a replacement changes of a Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    pub uid: String,
    pub restarts: i64,
    pub started: String,
    pub containers: Vec<String>,
}

impl Object {
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    pub fn uid(&self) -> &str {
        self.text("/metadata/uid")
    }

    pub fn version(&self) -> &str {
        self.text("/metadata/resourceVersion")
    }

    /// The string at a JSON pointer; empty when there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The number at a JSON pointer; 0 when there is none.
    pub fn number(&self, pointer: &str) -> i64 {
        self.0.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
    }

    /// The object without what controllers report of it: equal at two moments, nobody has written it in between.
    pub fn as_written(&self) -> Value {
        let mut object = self.0.clone();
        object["status"].take();
        object["metadata"]["resourceVersion"].take();
        object
    }

    /// Whether it carries the condition `Ready`.
    pub fn is_ready(&self) -> bool {
        self.items("/status/conditions").any(|c| c["type"] == "Ready" && c["status"] == "True")
    }

    /// Whether it is being deleted.
    pub fn is_leaving(&self) -> bool {
        self.0.pointer("/metadata/deletionTimestamp").is_some()
    }

    /// The kind and name of its controller, such as `ReplicaSet/web-5d87858fc6`.
    pub fn owner(&self) -> String {
        let owner = self.items("/metadata/ownerReferences").find(|owner| owner["controller"] == true);
        owner.map_or(String::new(), |owner| {
            format!("{}/{}", owner["kind"].as_str().unwrap_or("?"), owner["name"].as_str().unwrap_or("?"))
        })
    }

    /// A Pod's life: equal at two moments, nothing has happened to its containers in between.
    pub fn life(&self) -> Life {
        let statuses = || self.items("/status/containerStatuses");
        Life {
            uid: self.uid().to_owned(),
            restarts: statuses().filter_map(|status| status["restartCount"].as_i64()).sum(),
            started: self.text("/status/startTime").to_owned(),
            containers: statuses().filter_map(|status| Some(status["containerID"].as_str()?.to_owned())).collect(),
        }
    }

    /// What a record of the plugin holds in readable form.
    pub fn record(&self) -> Value {
        let data = self.0["data"].as_object();
        let text = data.and_then(|data| data.values().find_map(Value::as_str)).unwrap_or_default();
        serde_json::from_str(text).unwrap_or_else(|_| text.into())
    }

    /// Whether the plugin marked it as a record of this kind: `instance`, `operation`, `package` or `name`.
    pub fn is_record(&self, kind: &str) -> bool {
        self.text("/metadata/labels/kubectl-vnf~1record") == kind
    }

    fn items(&self, pointer: &str) -> impl Iterator<Item = &Value> {
        self.0.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
    }
}

/// All objects of a namespace by `Kind/name`.
#[derive(Clone)]
pub struct Objects(BTreeMap<String, Object>);

impl Objects {
    /// Of these objects.
    pub fn of(objects: impl IntoIterator<Item = Value>) -> Self {
        let name = |object: &Value| format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"]));
        Self(objects.into_iter().map(|object| (name(&object), Object(object))).collect())
    }

    /// All but those of a kind.
    #[must_use]
    pub fn without(mut self, kind: &str) -> Self {
        self.0.retain(|_, object| object.0["kind"] != kind);
        self
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The object with this `Kind/name`.
    #[track_caller]
    pub fn get(&self, name: &str) -> &Object {
        self.0.get(name).unwrap_or_else(|| panic!("no {name}; there are {:?}", self.names()))
    }

    /// `Kind/name` of each.
    pub fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// Resource version and UID of each: equal at two moments, nothing was written in between.
    pub fn versions(&self) -> BTreeMap<&str, (&str, &str)> {
        self.0.iter().map(|(name, object)| (name.as_str(), (object.version(), object.uid()))).collect()
    }

    pub fn of_kind<'o>(&'o self, kind: &'o str) -> impl Iterator<Item = &'o Object> {
        self.0.values().filter(move |object| object.0["kind"] == kind)
    }

    /// The record of the only instance in the namespace.
    #[track_caller]
    pub fn instance(&self) -> &Object {
        let records: Vec<_> = self.of_kind("ConfigMap").filter(|map| map.is_record("instance")).collect();
        assert_eq!(records.len(), 1, "one instance in {:?}", self.names());
        records[0]
    }

    /// The image of a workload's first container.
    #[track_caller]
    pub fn image(&self, workload: &str) -> &str {
        let spec = if workload.starts_with("Pod/") { "/spec" } else { "/spec/template/spec" };
        self.get(workload).text(&format!("{spec}/containers/0/image"))
    }

    /// The Pods of a controller, such as `ReplicaSet/web` or `Deployment/web`.
    pub fn pods_of(&self, owner: &str) -> Vec<&Object> {
        let owns = |object: &Object| object.owner() == owner;
        let direct: Vec<String> = self
            .of_kind("ReplicaSet")
            .filter(|set| owns(set))
            .map(|set| format!("ReplicaSet/{}", set.name()))
            .collect();
        self.of_kind("Pod").filter(|pod| owns(pod) || direct.contains(&pod.owner())).collect()
    }

    /// The one Pod of a controller, or the bare Pod `Pod/name` itself.
    #[track_caller]
    pub fn pod_of(&self, owner: &str) -> &Object {
        if owner.starts_with("Pod/") {
            return self.get(owner);
        }
        let pods = self.pods_of(owner);
        assert_eq!(pods.len(), 1, "{owner} has the Pods {:?}", pods.iter().map(|pod| pod.name()).collect::<Vec<_>>());
        pods[0]
    }
}

/// `Kind/name` of all objects that differ in resource version, are new, or are gone.
pub fn written(before: &Objects, after: &Objects) -> Vec<String> {
    let (before, after) = (before.versions(), after.versions());
    let names = before.keys().chain(after.keys()).filter(|name| before.get(*name) != after.get(*name));
    let mut names: Vec<String> = names.map(|name| (*name).to_owned()).collect();
    names.sort();
    names.dedup();
    names
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
