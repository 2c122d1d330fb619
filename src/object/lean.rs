//! What controllers make, without what nobody reads of it: a thousand Pods are to fit in a few megabytes.
//!
//! Who wrote which field is half of what a Pod takes, so that it is passed over already where objects are read.

use super::workload::{WorkloadKind, controller, maker};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

const MANAGERS: &str = "managedFields";

/// Read by the scheduler, the kubelet and whoever writes the Pod; of a controller's Pod that is never this program.
const SPEC: [&str; 13] = [
    "affinity",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "hostAliases",
    "nodeSelector",
    "preemptionPolicy",
    "priority",
    "schedulerName",
    "securityContext",
    "serviceAccount",
    "tolerations",
    "topologySpreadConstraints",
];
const CONTAINER: [&str; 9] = [
    "args",
    "command",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "ports",
    "securityContext",
    "terminationMessagePath",
    "terminationMessagePolicy",
];
const STATUS: [&str; 6] = ["hostIP", "hostIPs", "podIP", "podIPs", "qosClass", "resourceClaimStatuses"];
const CONTAINER_STATUS: [&str; 6] = ["allocatedResources", "image", "imageID", "resources", "user", "volumeMounts"];
const CONDITION: [&str; 2] = ["lastProbeTime", "lastTransitionTime"];
/// Conditions of every Pod that tell something only while they do not hold.
const ROUTINE: [&str; 2] = ["Initialized", "PodReadyToStartContainers"];
const VOLUME_SOURCE: [&str; 2] = ["serviceAccountToken", "downwardAPI"];
/// The beginning of the name of the volume that gives every Pod its token.
const TOKEN_VOLUME: &str = "kube-api-access-";

/// An object as the API server sends it, without who wrote which field of what a workload's controller has made.
#[derive(Clone, Debug, PartialEq)]
pub struct Lean(pub Value);

impl<'de> Deserialize<'de> for Lean {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The server writes owners before managers; in another order there is more to read, and to take out later.
        let made = |metadata: &Map<String, Value>| {
            let owners = metadata.get("ownerReferences").and_then(Value::as_array);
            owners.and_then(|owners| maker(owners, None)).is_some_and(|maker| WorkloadKind::of(&maker).is_some())
        };
        Fields::of_object(made).deserialize(deserializer).map(Self)
    }
}

/// An object as the API server sends it, without who wrote which field.
#[derive(Clone, Debug, PartialEq)]
pub struct Unmanaged(pub Value);

impl<'de> Deserialize<'de> for Unmanaged {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Fields::of_object(|_| true).deserialize(deserializer).map(Self)
    }
}

/// Reads an object, or its metadata: from what they have said before, `passes_over` tells whether managers are left out.
#[derive(Clone, Copy)]
struct Fields {
    passes_over: fn(&Map<String, Value>) -> bool,
    in_metadata: bool,
}

impl Fields {
    fn of_object(passes_over: fn(&Map<String, Value>) -> bool) -> Self {
        Self { passes_over, in_metadata: false }
    }
}

impl<'de> DeserializeSeed<'de> for Fields {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.in_metadata { "metadata" } else { "an object" })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut read = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            let value = match key.as_str() {
                "metadata" if !self.in_metadata => fields.next_value_seed(Self { in_metadata: true, ..self })?,
                MANAGERS if self.in_metadata && (self.passes_over)(&read) => {
                    fields.next_value::<IgnoredAny>()?;
                    continue;
                }
                _ => fields.next_value()?,
            };
            read.insert(key, value);
        }
        Ok(Value::Object(read))
    }
}

/// Takes out of what a workload's controller has made what nobody reads. Everything else stays whole: it is compared,
/// and written.
pub fn slim(object: &mut Value) {
    let Some(maker) = controller(object).and_then(|maker| WorkloadKind::of(&maker)) else { return };
    match object["kind"].as_str() {
        Some("Pod") => slim_pod(object),
        // It tells whose the Pods are, of which revision, and how many are wanted.
        Some("ReplicaSet") if maker == WorkloadKind::Deployment => {
            drop_from(object, &["status"]);
            drop_from(&mut object["metadata"], &[MANAGERS]);
            drop_from(&mut object["spec"], &["selector"]);
            if let Some(template) = object.pointer_mut("/spec/template") {
                drop_from(template, &["spec"]);
            }
        }
        _ => {}
    }
}

/// Takes out of a Pod what nobody reads who does not write it.
pub(crate) fn slim_pod(pod: &mut Value) {
    drop_from(&mut pod["metadata"], &[MANAGERS]);
    let spec = &mut pod["spec"];
    drop_from(spec, &SPEC);
    retain(spec, "volumes", |volume| !is_token(volume));
    for list in ["initContainers", "containers"] {
        each(spec, list, |container| {
            drop_from(container, &CONTAINER);
            retain(container, "volumeMounts", |mount| !named_as_token(mount));
        });
    }
    each(spec, "volumes", |volume| {
        if let Some(projected) = volume.get_mut("projected") {
            each(projected, "sources", |source| drop_from(source, &VOLUME_SOURCE));
        }
    });
    let status = &mut pod["status"];
    drop_from(status, &STATUS);
    retain(status, "conditions", |condition| {
        let kind = condition["type"].as_str().unwrap_or_default();
        condition["status"] != "True" || !ROUTINE.contains(&kind)
    });
    each(status, "conditions", |condition| drop_from(condition, &CONDITION));
    for list in ["initContainerStatuses", "containerStatuses"] {
        each(status, list, |container| drop_from(container, &CONTAINER_STATUS));
    }
}

fn named_as_token(part: &Value) -> bool {
    part["name"].as_str().is_some_and(|name| name.starts_with(TOKEN_VOLUME))
}

/// Whether a volume is what admission adds: a token, the cluster's certificate, the namespace's name.
fn is_token(volume: &Value) -> bool {
    let sources = volume["projected"]["sources"].as_array();
    named_as_token(volume)
        && sources.is_some_and(|sources| {
            sources.iter().all(|source| {
                let config = &source["configMap"]["name"];
                source.get("secret").is_none() && (config.is_null() || config == "kube-root-ca.crt")
            })
        })
}

fn retain(object: &mut Value, list: &str, keep: impl Fn(&Value) -> bool) {
    if let Some(entries) = object.get_mut(list).and_then(Value::as_array_mut) {
        entries.retain(keep);
        entries.shrink_to_fit();
    }
}

fn drop_from(object: &mut Value, keys: &[&str]) {
    if let Some(map) = object.as_object_mut() {
        let removed = keys.iter().filter(|key| map.remove(**key).is_some()).count();
        if removed > 0 {
            // Taking out leaves the tree that it was taken from as wide as before.
            *map = std::mem::take(map).into_iter().collect::<Map<_, _>>();
        }
    }
}

fn each(object: &mut Value, list: &str, change: impl Fn(&mut Value)) {
    object.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten().for_each(change);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::pod::{PodFacts, Snapshot};
    use crate::object::{quota, reference, trouble};
    use serde_json::json;

    fn example() -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "web-1-a", "uid": "u", "labels": {"app": "web"}, "annotations": {"kubectl-vnf/revision": "3"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "o", "controller": true}],
                "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:status": {}}}],
            },
            "spec": {
                "nodeName": "n",
                "tolerations": [{"key": "node.kubernetes.io/not-ready"}],
                "containers": [{
                    "name": "main", "image": "nginx", "command": ["sh"], "readinessProbe": {"httpGet": {"port": 80}},
                    "resources": {"requests": {"cpu": "1"}},
                    "env": [{"name": "E", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "e"}}}],
                    "volumeMounts": [{"name": "all", "mountPath": "/config"}],
                    "terminationMessagePath": "/dev/termination-log",
                }],
                "volumes": [{"name": "all", "projected": {"sources": [
                    {"serviceAccountToken": {"path": "token"}}, {"secret": {"name": "s"}}]}},
                    {"name": "kube-api-access-abcde", "projected": {"sources": [
                        {"serviceAccountToken": {"path": "token"}}, {"configMap": {"name": "kube-root-ca.crt"}}]}}],
            },
            "status": {
                "phase": "Running", "podIP": "10.0.0.1", "startTime": "2026-01-01T00:00:00Z",
                "conditions": [
                    {"type": "Initialized", "status": "True"},
                    {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"},
                    {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"},
                ],
                "containerStatuses": [{
                    "name": "main", "ready": true, "started": true, "restartCount": 2, "containerID": "c://1",
                    "image": "docker.io/library/nginx", "imageID": "i", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
                    "lastState": {"terminated": {"exitCode": 1, "containerID": "c://0"}},
                }],
            },
        })
    }

    #[test]
    fn what_is_read_of_a_pod_stays_the_same() {
        let whole = example();
        let mut slim_one = example();
        slim(&mut slim_one);
        assert!(slim_one.to_string().len() < whole.to_string().len() * 3 / 4);
        assert_eq!(PodFacts::of(&slim_one), PodFacts::of(&whole));
        assert_eq!(Snapshot::of(&slim_one), Snapshot::of(&whole));
        let mut uses = reference::uses(&whole["spec"]);
        uses.retain(|one| one.name != "kube-root-ca.crt");
        assert_eq!(reference::uses(&slim_one["spec"]), uses);
        assert_eq!(quota::usage(&slim_one), quota::usage(&whole));
        assert_eq!(trouble::troubles(&slim_one, None), trouble::troubles(&whole, None));
        let kept = slim_one["status"]["conditions"].as_array().into_iter().flatten().map(|kept| &kept["type"]);
        assert_eq!(kept.collect::<Vec<_>>(), ["Ready", "DisruptionTarget"]);
        assert_eq!(slim_one["spec"]["volumes"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn managers_are_passed_over_where_a_workload_made_the_object() {
        // As the server writes it: owners before managers.
        let sent = |owner: &str| {
            let metadata = format!(r#"{{"name":"a","ownerReferences":[{owner}],"managedFields":[{{"manager":"m"}}]}}"#);
            format!(r#"{{"kind":"Pod","metadata":{metadata},"spec":{{"managedFields":1}}}}"#)
        };
        let read = |text: &str| {
            let whole: Value = serde_json::from_str(text).expect("JSON");
            let Lean(lean) = serde_json::from_str(text).expect("JSON");
            let Unmanaged(mut unmanaged) = serde_json::from_str(text).expect("JSON");
            let passed_over = lean["metadata"].get(MANAGERS).is_none();
            assert!(passed_over || lean == whole);
            unmanaged["metadata"][MANAGERS] = whole["metadata"][MANAGERS].clone();
            assert_eq!(unmanaged, whole);
            passed_over
        };
        let owner = |version: &str, kind: &str, controller: bool| {
            sent(&json!({"apiVersion": version, "kind": kind, "name": "o", "controller": controller}).to_string())
        };
        assert!(read(&owner("apps/v1", "ReplicaSet", true)));
        assert!(!read(&owner("apps/v1", "ReplicaSet", false)), "who only keeps it has not made it");
        assert!(!read(&owner("example.com/v1", "ReplicaSet", true)), "an operator's object is nobody's to cut");
        assert!(!read(&sent("")));
    }

    #[test]
    fn a_bare_pod_stays_whole() {
        let mut bare = example();
        bare["metadata"]["ownerReferences"] = Value::Null;
        let whole = bare.clone();
        slim(&mut bare);
        assert_eq!(bare, whole);
    }
}
