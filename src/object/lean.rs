//! What controllers make, without what nobody reads of it: a thousand Pods are to fit in a few megabytes.
//!
//! Who wrote which field is half of what a Pod takes, so that it is passed over already where objects are read.

use super::workload::{WorkloadKind, controller, maker};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

const MANAGERS: &str = "managedFields";

/// Which fields nobody reads: of an object, and of its parts; of a list, of each of its entries.
struct Unread {
    fields: &'static [&'static str],
    parts: &'static [(&'static str, Self)],
}

impl Unread {
    const fn fields(fields: &'static [&'static str]) -> Self {
        Self { fields, parts: &[] }
    }

    const fn parts(parts: &'static [(&'static str, Self)]) -> Self {
        Self { fields: &[], parts }
    }

    fn has(&self, field: &str) -> bool {
        self.fields.contains(&field)
    }

    fn of(&self, part: &str) -> Option<&Self> {
        self.parts.iter().find_map(|(name, unread)| (*name == part).then_some(unread))
    }
}

static NOTHING: Unread = Unread::fields(&[]);
const METADATA: Unread = Unread::fields(&[MANAGERS]);
static WHO_WROTE_WHAT: Unread = Unread::parts(&[("metadata", METADATA)]);

/// Read by the scheduler, the kubelet and whoever writes the Pod; of a controller's Pod that is never this program.
static POD: Unread = Unread::parts(&[("metadata", METADATA), ("spec", POD_SPEC), ("status", POD_STATUS)]);
const POD_SPEC: Unread = Unread {
    fields: &[
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
    ],
    parts: &[
        ("initContainers", CONTAINER),
        ("containers", CONTAINER),
        ("volumes", Unread::parts(&[("projected", Unread::parts(&[("sources", VOLUME_SOURCE)]))])),
    ],
};
const CONTAINER: Unread = Unread::fields(&[
    "args",
    "command",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "ports",
    "securityContext",
    "terminationMessagePath",
    "terminationMessagePolicy",
]);
const VOLUME_SOURCE: Unread = Unread::fields(&["serviceAccountToken", "downwardAPI"]);
const POD_STATUS: Unread = Unread {
    fields: &["hostIP", "hostIPs", "podIP", "podIPs", "qosClass", "resourceClaimStatuses"],
    parts: &[
        ("conditions", Unread::fields(&["lastProbeTime", "lastTransitionTime"])),
        ("initContainerStatuses", CONTAINER_STATUS),
        ("containerStatuses", CONTAINER_STATUS),
    ],
};
const CONTAINER_STATUS: Unread =
    Unread::fields(&["allocatedResources", "image", "imageID", "resources", "user", "volumeMounts"]);

/// It tells whose the Pods are, of which revision, and how many are wanted.
static REPLICA_SET: Unread = Unread {
    fields: &["status"],
    parts: &[
        ("metadata", METADATA),
        ("spec", Unread { fields: &["selector"], parts: &[("template", Unread::fields(&["spec"]))] }),
    ],
};

/// Conditions of every Pod that tell something only while they do not hold.
const ROUTINE: [&str; 2] = ["Initialized", "PodReadyToStartContainers"];
/// The beginning of the name of the volume that gives every Pod its token.
const TOKEN_VOLUME: &str = "kube-api-access-";

/// An object as a watch sends it: one that says its kind. As [`read`].
#[derive(Clone, Debug, PartialEq)]
pub struct Lean(pub Value);

impl<'de> Deserialize<'de> for Lean {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object { kind: None, tell: made_by_a_workload }).map(Self)
    }
}

/// Reads an object of this kind. Of what a workload's controller has made, most of what nobody reads is passed over;
/// [`slim`] takes out the rest.
///
/// # Errors
/// It is no JSON object.
pub fn read(text: &[u8], kind: &str) -> serde_json::Result<Value> {
    read_as(text, Object { kind: Some(kind), tell: made_by_a_workload })
}

/// Reads an object without who wrote which field.
///
/// # Errors
/// It is no JSON object.
pub fn read_unmanaged(text: &[u8]) -> serde_json::Result<Value> {
    read_as(text, Object { kind: None, tell: |_, _| &WHO_WROTE_WHAT })
}

fn read_as(text: &[u8], object: Object<'_>) -> serde_json::Result<Value> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let read = reader.deserialize_map(object)?;
    reader.end()?;
    Ok(read)
}

/// What nobody reads of an object of this kind, from what its metadata have said so far. The server writes owners before
/// managers; in another order there is more to read, and to take out later.
fn made_by_a_workload(kind: Option<&str>, metadata: &Map<String, Value>) -> &'static Unread {
    let owners = metadata.get("ownerReferences").and_then(Value::as_array);
    match owners.and_then(|owners| maker(owners, None)).and_then(|maker| WorkloadKind::of(&maker)) {
        Some(maker) => unread(kind, maker).unwrap_or(&WHO_WROTE_WHAT),
        None => &NOTHING,
    }
}

/// What nobody reads of an object of this kind that a workload of that kind controls.
fn unread(kind: Option<&str>, maker: WorkloadKind) -> Option<&'static Unread> {
    match kind? {
        "Pod" => Some(&POD),
        "ReplicaSet" if maker == WorkloadKind::Deployment => Some(&REPLICA_SET),
        _ => None,
    }
}

/// Reads an object without what nobody reads of it.
struct Object<'k> {
    /// Its kind, where it does not say so itself: in a list.
    kind: Option<&'k str>,
    tell: Tell,
}

/// Tells what nobody reads of an object of this kind, from what its metadata have said so far.
type Tell = fn(Option<&str>, &Map<String, Value>) -> &'static Unread;

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut read = Map::new();
        let mut unread = &NOTHING;
        while let Some(key) = fields.next_key::<String>()? {
            if key == "metadata" {
                let kind = self.kind.or(read.get("kind").and_then(Value::as_str));
                let metadata = fields.next_value_seed(Metadata { kind, tell: self.tell })?;
                unread = (self.tell)(kind, &metadata);
                read.insert(key, Value::Object(metadata));
            } else {
                read_field(&mut fields, key, unread, &mut read)?;
            }
        }
        Ok(Value::Object(read))
    }
}

/// Reads an object's metadata: while they are read it comes out whether their managers are passed over.
struct Metadata<'k> {
    kind: Option<&'k str>,
    tell: Tell,
}

impl<'de> DeserializeSeed<'de> for Metadata<'_> {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Metadata<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("metadata")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut read = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            let unread = if key == MANAGERS { (self.tell)(self.kind, &read).of("metadata") } else { None };
            read_field(&mut fields, key, unread.unwrap_or(&NOTHING), &mut read)?;
        }
        Ok(read)
    }
}

/// Reads the value of a field, or passes over it.
fn read_field<'de, A: MapAccess<'de>>(
    fields: &mut A,
    key: String,
    unread: &'static Unread,
    read: &mut Map<String, Value>,
) -> Result<(), A::Error> {
    if unread.has(&key) {
        fields.next_value::<IgnoredAny>()?;
        return Ok(());
    }
    let value = match unread.of(&key) {
        Some(unread) => fields.next_value_seed(Part(unread))?,
        None => fields.next_value()?,
    };
    read.insert(key, value);
    Ok(())
}

/// Reads a part of an object of which something is passed over.
#[derive(Clone, Copy)]
struct Part(&'static Unread);

impl<'de> DeserializeSeed<'de> for Part {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// A part is an object or a list of them, or else it is not there.
impl<'de> Visitor<'de> for Part {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, a list of objects or null")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut read = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            read_field(&mut fields, key, self.0, &mut read)?;
        }
        Ok(Value::Object(read))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut read = Vec::new();
        while let Some(entry) = entries.next_element_seed(self)? {
            read.push(entry);
        }
        Ok(Value::Array(read))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

/// Takes out of what a workload's controller has made what nobody reads. Everything else stays whole: it is compared,
/// and written.
pub fn slim(object: &mut Value) {
    let Some(maker) = controller(object).and_then(|maker| WorkloadKind::of(&maker)) else { return };
    match object["kind"].as_str() {
        Some("Pod") => slim_pod(object),
        kind => {
            if let Some(unread) = unread(kind, maker) {
                take_out(object, unread);
            }
        }
    }
}

/// Takes out of a Pod what nobody reads who does not write it.
pub(crate) fn slim_pod(pod: &mut Value) {
    take_out(pod, &POD);
    retain(pod.pointer_mut("/spec/volumes"), |volume| !is_token(volume));
    for list in ["initContainers", "containers"] {
        let containers = pod.get_mut("spec").and_then(|spec| spec.get_mut(list)).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            retain(container.get_mut("volumeMounts"), |mount| !named_as_token(mount));
        }
    }
    retain(pod.pointer_mut("/status/conditions"), |condition| {
        let kind = condition["type"].as_str().unwrap_or_default();
        condition["status"] != "True" || !ROUTINE.contains(&kind)
    });
}

fn take_out(part: &mut Value, unread: &Unread) {
    match part {
        Value::Object(fields) => {
            let removed = unread.fields.iter().filter(|field| fields.remove(**field).is_some()).count();
            if removed > 0 {
                // Taking out leaves the tree that it was taken from as wide as before.
                *fields = std::mem::take(fields).into_iter().collect::<Map<_, _>>();
            }
            for (name, unread) in unread.parts {
                if let Some(part) = fields.get_mut(*name) {
                    take_out(part, unread);
                }
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(|entry| take_out(entry, unread)),
        _ => {}
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

fn retain(list: Option<&mut Value>, keep: impl Fn(&Value) -> bool) {
    if let Some(entries) = list.and_then(Value::as_array_mut) {
        entries.retain(keep);
        entries.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::pod::{PodFacts, Snapshot};
    use crate::object::{quota, reference, text, trouble};
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
    fn what_is_passed_over_is_what_would_be_taken_out() {
        let mut replica_set = json!({
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": "web-1", "annotations": {"deployment.kubernetes.io/revision": "3"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "o", "controller": true}],
            },
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {
                "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main"}]}}},
            "status": {"replicas": 2},
        });
        let mut no_lists = example();
        no_lists["spec"]["volumes"] = Value::Null;
        no_lists["status"]["conditions"] = Value::Null;
        for object in [&mut example(), &mut no_lists, &mut replica_set] {
            let kind = text(object, "/kind").expect("a kind").to_owned();
            let Lean(mut of_watch) = serde_json::from_str(&object.to_string()).expect("JSON");
            let sent = object.to_string().replace(&format!("\"kind\":\"{kind}\",\"metadata\""), "\"metadata\"");
            let mut of_list = read(sent.as_bytes(), &kind).expect("JSON");
            assert!(of_list.get("kind").is_none(), "what a list holds does not say its kind");
            of_list["kind"] = kind.into();
            slim(object);
            for read in [&mut of_watch, &mut of_list] {
                assert!(read.to_string().len() < sent.len());
                slim(read);
                assert_eq!(read, object);
            }
        }
    }

    #[test]
    fn what_a_workload_controls_besides_pods_stays_whole() {
        let mut resource = example();
        resource["apiVersion"] = "example.com/v1".into();
        resource["kind"] = "Link".into();
        resource["status"] = "a word".into();
        let sent = resource.to_string();
        let Lean(mut of_watch) = serde_json::from_str(&sent).expect("JSON");
        slim(&mut of_watch);
        assert_eq!(of_watch, resource);
        assert_eq!(read(sent.as_bytes(), "Link").expect("JSON"), resource);
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
            let mut unmanaged = read_unmanaged(text.as_bytes()).expect("JSON");
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
