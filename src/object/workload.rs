//! Workloads: the five kinds whose containers an update may change, and where their pod spec, containers, images,
//! replicas and restart marker stand.
//!
//! A pod spec is found by the kind of an object. Objects taken out of an API server's list carry no kind, so an
//! object without one is judged by where its containers stand.

use super::{ObjectRef, at, text};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// Annotation on pod templates and bare Pods: the number of the revision that last restarted the workload.
/// Pods inherit it, so it tells the Pods of the new revision from older ones.
pub const MARKER: &str = "kubectl-vnf/revision";

/// The kinds whose images an update changes and which it restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum WorkloadKind {
    /// A bare Pod of the package.
    Pod,
    /// `apps` Deployment.
    Deployment,
    /// `apps` DaemonSet.
    DaemonSet,
    /// `apps` ReplicaSet of the package, not one that a Deployment made.
    ReplicaSet,
    /// `apps` StatefulSet.
    StatefulSet,
}

impl WorkloadKind {
    /// The workload kind of a reference; `None` for every other kind, Jobs and kinds of the same name in foreign
    /// API groups included.
    pub fn of(reference: &ObjectRef) -> Option<Self> {
        match (reference.group(), reference.kind.as_str()) {
            ("", "Pod") => Some(Self::Pod),
            ("apps", "Deployment") => Some(Self::Deployment),
            ("apps", "DaemonSet") => Some(Self::DaemonSet),
            ("apps", "ReplicaSet") => Some(Self::ReplicaSet),
            ("apps", "StatefulSet") => Some(Self::StatefulSet),
            _ => None,
        }
    }

    /// The workload kind of a whole object.
    pub fn of_object(object: &Value) -> Option<Self> {
        Self::of(&ObjectRef::of(object)?)
    }

    /// The `kind` field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::Deployment => "Deployment",
            Self::DaemonSet => "DaemonSet",
            Self::ReplicaSet => "ReplicaSet",
            Self::StatefulSet => "StatefulSet",
        }
    }

    /// Whether `spec.replicas` says how many Pods it has.
    pub fn scalable(self) -> bool {
        matches!(self, Self::Deployment | Self::ReplicaSet | Self::StatefulSet)
    }

    /// JSON pointer to what holds the metadata and spec of its Pods: a Pod is its own template.
    pub fn template_pointer(self) -> &'static str {
        match self {
            Self::Pod => "",
            _ => "/spec/template",
        }
    }

    /// JSON pointer to the pod spec.
    pub fn pod_spec_pointer(self) -> &'static str {
        match self {
            Self::Pod => "/spec",
            _ => "/spec/template/spec",
        }
    }
}

impl fmt::Display for WorkloadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// JSON pointer to the pod spec of any built-in kind that has one (`core/v1`, `apps/v1`, `batch/v1`).
pub fn pod_spec_pointer(object: &Value) -> Option<&'static str> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let Some(kind) = text("kind") else {
        let found = ["/spec", "/spec/template/spec"];
        return found.into_iter().find(|at| object.pointer(at).is_some_and(|spec| spec.get("containers").is_some()));
    };
    let group = text("apiVersion").map(|version| version.split_once('/').map_or("", |(group, _)| group));
    let expected = match kind {
        "Pod" | "PodTemplate" | "ReplicationController" => "",
        "Deployment" | "DaemonSet" | "ReplicaSet" | "StatefulSet" => "apps",
        "Job" | "CronJob" => "batch",
        _ => return None,
    };
    if group.is_some_and(|group| group != expected) {
        return None;
    }
    Some(match kind {
        "Pod" => "/spec",
        "PodTemplate" => "/template/spec",
        "CronJob" => "/spec/jobTemplate/spec/template/spec",
        _ => "/spec/template/spec",
    })
}

/// Where objects that make others, and are none of [`WorkloadKind`], hold the metadata of what they make: Pods, and the
/// Jobs of a CronJob.
pub fn made_metadata(reference: &ObjectRef) -> &'static [&'static str] {
    match (reference.group(), reference.kind.as_str()) {
        ("batch", "CronJob") => &["/spec/jobTemplate/metadata", "/spec/jobTemplate/spec/template/metadata"],
        ("batch", "Job") | ("", "ReplicationController") => &["/spec/template/metadata"],
        _ => &[],
    }
}

/// The pod spec of any kind that has one, Job, CronJob, ReplicationController and PodTemplate included.
pub fn pod_spec(object: &Value) -> Option<&Value> {
    at(object, pod_spec_pointer(object)?)
}

/// The pod spec, to be changed.
pub fn pod_spec_mut(object: &mut Value) -> Option<&mut Value> {
    let pointer = pod_spec_pointer(object)?;
    object.pointer_mut(pointer)
}

/// What a container is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ContainerClass {
    /// An ordinary init container: runs to its end before the main ones start, and never again in that Pod, not
    /// even when its image is changed.
    Init,
    /// An init container with `restartPolicy: Always`: runs as long as the Pod does, and restarts in place.
    Sidecar,
    /// One of `containers`.
    Main,
}

/// One container of a pod spec, and where it stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerRef<'a> {
    /// `name`, unique over both lists of a valid pod spec; `""` when it is missing.
    pub name: &'a str,
    /// `image`, as written.
    pub image: Option<&'a str>,
    /// What it is for.
    pub class: ContainerClass,
    /// Index in its list, from 0: what a JSON Patch path needs.
    pub index: usize,
    /// `initContainers` or `containers`.
    pub list: &'static str,
}

/// The containers of a pod spec: init containers first, both in the order of the file. Ephemeral containers are
/// not a part of a workload and left out.
pub fn containers(pod_spec: &Value) -> Vec<ContainerRef<'_>> {
    let mut found = Vec::new();
    for list in ["initContainers", "containers"] {
        for (index, container) in items(pod_spec, list).iter().enumerate() {
            let text = |key: &str| container.get(key).and_then(Value::as_str);
            let class = match (list, text("restartPolicy")) {
                ("containers", _) => ContainerClass::Main,
                (_, Some("Always")) => ContainerClass::Sidecar,
                _ => ContainerClass::Init,
            };
            found.push(ContainerRef { name: text("name").unwrap_or(""), image: text("image"), class, index, list });
        }
    }
    found
}

/// Images by container name, init containers included; containers without an image are left out.
pub fn images(pod_spec: &Value) -> BTreeMap<String, String> {
    containers(pod_spec).into_iter().filter_map(|c| Some((c.name.to_owned(), c.image?.to_owned()))).collect()
}

/// Sets images by container name in any object that has a pod spec. Names that it lacks are passed over: an
/// override may be older than a change of the container list.
pub fn set_images(object: &mut Value, images: &BTreeMap<String, String>) {
    let Some(spec) = pod_spec_mut(object) else { return };
    for list in ["initContainers", "containers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let image = container.get("name").and_then(Value::as_str).and_then(|name| images.get(name)).cloned();
            if let (Some(image), Some(fields)) = (image, container.as_object_mut()) {
                fields.insert("image".into(), Value::String(image));
            }
        }
    }
}

/// `spec.replicas`, 1 when it is absent, as the API server defaults it. Only meaningful where
/// [`WorkloadKind::scalable`] holds; a bare Pod counts as 1.
pub fn replicas(object: &Value) -> u64 {
    object.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1)
}

/// A Pod as a workload's controller makes it of the template, but nobody's: to ask the API server whether it would be
/// admitted. The claims of a StatefulSet are named as for its first Pod.
pub fn pod_of(workload: &Value, name: &str) -> Option<Value> {
    let kind = WorkloadKind::of_object(workload).filter(|kind| *kind != WorkloadKind::Pod)?;
    let template = workload.pointer(kind.template_pointer())?;
    let mut spec = template.get("spec")?.clone();
    let claims = workload.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array).into_iter().flatten();
    let volumes = claims.filter_map(|claim| {
        let volume = claim.pointer("/metadata/name")?.as_str()?;
        let claim_name = format!("{volume}-{}-0", workload.pointer("/metadata/name")?.as_str()?);
        Some(json!({"name": volume, "persistentVolumeClaim": {"claimName": claim_name}}))
    });
    let volumes: Vec<Value> = volumes.collect();
    if !volumes.is_empty() {
        // A claim takes the place of a volume of the template that has its name.
        let others =
            items(&spec, "volumes").iter().filter(|one| volumes.iter().all(|claim| claim["name"] != one["name"]));
        spec["volumes"] = others.cloned().chain(volumes.iter().cloned()).collect();
    }
    let part = |pointer: &str| template.pointer(pointer).cloned().unwrap_or_else(|| json!({}));
    let namespace = workload.pointer("/metadata/namespace");
    Some(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": part("/metadata/labels"),
            "annotations": part("/metadata/annotations"),
        },
        "spec": spec,
    }))
}

/// UID of the owner that controls an object: the one entry of `ownerReferences` with `controller: true`.
pub fn controller_uid(object: &Value) -> Option<&str> {
    controlling(at(object, "/metadata/ownerReferences")?.as_array()?)?.get("uid")?.as_str()
}

/// The controlling owner.
pub fn controller(object: &Value) -> Option<ObjectRef> {
    maker(at(object, "/metadata/ownerReferences")?.as_array()?, text(object, "/metadata/namespace"))
}

/// The controlling one of the owners of an object in this namespace.
pub fn maker(owners: &[Value], namespace: Option<&str>) -> Option<ObjectRef> {
    let owner = controlling(owners)?;
    let part = |key: &str| owner.get(key)?.as_str();
    Some(ObjectRef::new(part("apiVersion")?, part("kind")?, namespace, part("name")?))
}

fn controlling(owners: &[Value]) -> Option<&Value> {
    owners.iter().find(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true))
}

/// The restart marker on a workload's pod template, or on the Pod itself.
pub fn marker(object: &Value, kind: WorkloadKind) -> Option<u64> {
    marker_of_pod(at(object, kind.template_pointer())?)
}

/// The restart marker that a Pod carries.
pub fn marker_of_pod(pod: &Value) -> Option<u64> {
    at(pod, "/metadata/annotations")?.get(MARKER)?.as_str()?.parse().ok()
}

/// Puts the restart marker on a workload's pod template (or the Pod itself) of an object about to be created.
pub fn set_marker(object: &mut Value, kind: WorkloadKind, revision: u64) {
    let Some(template) = object.pointer_mut(kind.template_pointer()).and_then(Value::as_object_mut) else { return };
    let annotations = child(template, "metadata").map(|metadata| child(metadata, "annotations"));
    if let Some(Some(annotations)) = annotations {
        annotations.insert(MARKER.into(), Value::String(revision.to_string()));
    }
}

/// A child that is an object, made when it is absent or null.
fn child<'a>(parent: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    let value = parent.entry(key).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut()
}

/// The elements of a list; none when it is absent, null, or no list.
pub(crate) fn items<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for (version, kind, expected) in [
            ("v1", "Pod", Some(WorkloadKind::Pod)),
            ("apps/v1", "Deployment", Some(WorkloadKind::Deployment)),
            ("apps/v1", "StatefulSet", Some(WorkloadKind::StatefulSet)),
            ("apps/v1", "DaemonSet", Some(WorkloadKind::DaemonSet)),
            ("apps/v1", "ReplicaSet", Some(WorkloadKind::ReplicaSet)),
            ("batch/v1", "Job", None),
            ("example.com/v1", "Deployment", None),
            ("v1", "Deployment", None),
        ] {
            assert_eq!(WorkloadKind::of(&ObjectRef::new(version, kind, None, "x")), expected, "{version} {kind}");
        }
    }

    #[test]
    fn where_the_pod_spec_is() {
        for (version, kind, expected) in [
            ("v1", "Pod", Some("/spec")),
            ("v1", "ReplicationController", Some("/spec/template/spec")),
            ("v1", "PodTemplate", Some("/template/spec")),
            ("apps/v1", "DaemonSet", Some("/spec/template/spec")),
            ("batch/v1", "Job", Some("/spec/template/spec")),
            ("batch/v1", "CronJob", Some("/spec/jobTemplate/spec/template/spec")),
            ("example.com/v1", "Job", None),
            ("v1", "Service", None),
        ] {
            let object = json!({"apiVersion": version, "kind": kind});
            assert_eq!(pod_spec_pointer(&object), expected, "{version} {kind}");
        }
        assert_eq!(pod_spec_pointer(&json!({"spec": {"containers": []}})), Some("/spec"), "list items carry no kind");
        let template = json!({"spec": {"template": {"spec": {"containers": []}}}});
        assert_eq!(pod_spec_pointer(&template), Some("/spec/template/spec"));
        assert_eq!(pod_spec_pointer(&json!({"data": {}})), None);
    }

    fn deployment() -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "uid": "d1"},
            "spec": {"template": {"spec": {
                "initContainers": [
                    {"name": "setup", "image": "busybox"},
                    {"name": "proxy", "image": "envoy", "restartPolicy": "Always"}],
                "containers": [{"name": "web", "image": "nginx"}, {"name": "bare"}]}}}})
    }

    #[test]
    fn containers_and_their_images() {
        let mut object = deployment();
        let seen: Vec<_> = containers(pod_spec(&object).unwrap())
            .into_iter()
            .map(|c| (c.name.to_owned(), c.class, c.list, c.index))
            .collect();
        assert_eq!(
            seen,
            [
                ("setup".into(), ContainerClass::Init, "initContainers", 0),
                ("proxy".into(), ContainerClass::Sidecar, "initContainers", 1),
                ("web".into(), ContainerClass::Main, "containers", 0),
                ("bare".into(), ContainerClass::Main, "containers", 1),
            ]
        );
        let wanted = BTreeMap::from([
            ("web".to_owned(), "tomcat".to_owned()),
            ("setup".into(), "alpine".into()),
            ("gone".into(), "x".into()),
        ]);
        set_images(&mut object, &wanted);
        let images = images(pod_spec(&object).unwrap());
        assert_eq!(images.get("web").unwrap(), "tomcat");
        assert_eq!(images.get("setup").unwrap(), "alpine");
        assert_eq!(images.get("proxy").unwrap(), "envoy");
        assert_eq!(images.len(), 3);
    }

    #[test]
    fn replicas_default_to_one() {
        assert_eq!(replicas(&json!({"spec": {}})), 1);
        assert_eq!(replicas(&json!({"spec": {"replicas": 0}})), 0);
        assert_eq!(replicas(&json!({"spec": {"replicas": null}})), 1);
    }

    #[test]
    fn markers() {
        let mut object = deployment();
        assert_eq!(marker(&object, WorkloadKind::Deployment), None);
        set_marker(&mut object, WorkloadKind::Deployment, 3);
        assert_eq!(marker(&object, WorkloadKind::Deployment), Some(3));
        assert_eq!(object.pointer("/metadata/annotations"), None, "the template only");
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "annotations": null}});
        set_marker(&mut pod, WorkloadKind::Pod, 1);
        assert_eq!(marker_of_pod(&pod), Some(1));
        assert_eq!(marker_of_pod(&json!({"metadata": {"annotations": {MARKER: "x"}}})), None);
    }
}
