//! Which resource a kind is served as, and the URLs made of it.
//!
//! The kinds that every cluster serves are in a table, so that naming them costs no request; others are asked for,
//! one request per group and version. Plurals are never guessed.

use super::{Cluster, ClusterError, request::Ask};
use crate::object::{ObjectRef, text};
use futures::future::join_all;
use http::Method;
use serde_json::Value;
use std::{collections::BTreeSet, fmt::Write as _};

/// How a kind is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// `deployments`.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// What can be done with it, as discovery says; `None` for kinds of the table.
    pub verbs: Option<Vec<String>>,
}

/// Kinds that need no discovery: API versions, namespaced kinds, cluster-wide kinds; each `Kind plural`.
const BUILT_IN: &[(&[&str], &str, &str)] = &[
    (
        &["v1"],
        "ConfigMap configmaps,Endpoints endpoints,Event events,LimitRange limitranges,PersistentVolumeClaim \
         persistentvolumeclaims,Pod pods,PodTemplate podtemplates,ReplicationController replicationcontrollers,\
         ResourceQuota resourcequotas,Secret secrets,Service services,ServiceAccount serviceaccounts",
        "Namespace namespaces,Node nodes,PersistentVolume persistentvolumes",
    ),
    (
        &["apps/v1"],
        "ControllerRevision controllerrevisions,DaemonSet daemonsets,Deployment deployments,ReplicaSet replicasets,\
         StatefulSet statefulsets",
        "",
    ),
    (&["batch/v1"], "CronJob cronjobs,Job jobs", ""),
    (&["autoscaling/v1", "autoscaling/v2"], "HorizontalPodAutoscaler horizontalpodautoscalers", ""),
    (&["policy/v1"], "PodDisruptionBudget poddisruptionbudgets", ""),
    (&["networking.k8s.io/v1"], "Ingress ingresses,NetworkPolicy networkpolicies", "IngressClass ingressclasses"),
    (
        &["rbac.authorization.k8s.io/v1"],
        "Role roles,RoleBinding rolebindings",
        "ClusterRole clusterroles,ClusterRoleBinding clusterrolebindings",
    ),
    (
        &["storage.k8s.io/v1"],
        "CSIStorageCapacity csistoragecapacities",
        "CSIDriver csidrivers,CSINode csinodes,StorageClass storageclasses,VolumeAttachment volumeattachments",
    ),
    (&["coordination.k8s.io/v1"], "Lease leases", ""),
    (&["discovery.k8s.io/v1"], "EndpointSlice endpointslices", ""),
    (&["events.k8s.io/v1"], "Event events", ""),
    (&["scheduling.k8s.io/v1"], "", "PriorityClass priorityclasses"),
    (&["node.k8s.io/v1"], "", "RuntimeClass runtimeclasses"),
    (&["apiextensions.k8s.io/v1"], "", "CustomResourceDefinition customresourcedefinitions"),
    (&["apiregistration.k8s.io/v1"], "", "APIService apiservices"),
    (&["certificates.k8s.io/v1"], "", "CertificateSigningRequest certificatesigningrequests"),
    (
        &["admissionregistration.k8s.io/v1"],
        "",
        "MutatingWebhookConfiguration mutatingwebhookconfigurations,ValidatingAdmissionPolicy \
         validatingadmissionpolicies,ValidatingAdmissionPolicyBinding validatingadmissionpolicybindings,\
         ValidatingWebhookConfiguration validatingwebhookconfigurations",
    ),
    (
        &["flowcontrol.apiserver.k8s.io/v1"],
        "",
        "FlowSchema flowschemas,PriorityLevelConfiguration prioritylevelconfigurations",
    ),
];

/// The table's answer.
pub(super) fn built_in(api_version: &str, kind: &str) -> Option<Resource> {
    let find = |kinds: &str| {
        let mut pairs = kinds.split(',').filter_map(|pair| pair.split_once(' '));
        pairs.find(|(known, _)| *known == kind).map(|(_, plural)| plural.trim().to_owned())
    };
    BUILT_IN.iter().filter(|(versions, ..)| versions.contains(&api_version)).find_map(|(_, inside, wide)| {
        let (plural, namespaced) = find(inside).map(|p| (p, true)).or_else(|| find(wide).map(|p| (p, false)))?;
        Some(Resource { plural, namespaced, verbs: None })
    })
}

/// One kind of an `APIResourceList`, subresources left out.
fn discovered(list: &Value, kind: &str) -> Option<Resource> {
    let resources = list.get("resources").and_then(Value::as_array)?;
    let found = resources.iter().find(|r| {
        text(r, "/kind") == Some(kind) && text(r, "/name").is_some_and(|name| !name.is_empty() && !name.contains('/'))
    })?;
    let verbs = found.get("verbs").and_then(Value::as_array);
    let verbs = verbs.map(|v| v.iter().filter_map(Value::as_str).map(Into::into).collect());
    Some(Resource {
        plural: text(found, "/name")?.to_owned(),
        namespaced: found.get("namespaced").and_then(Value::as_bool).unwrap_or(false),
        verbs,
    })
}

/// The kinds of an `APIResourceList` that can be listed and deleted.
fn deletable(list: &Value) -> impl Iterator<Item = String> {
    let resources = list.get("resources").and_then(Value::as_array);
    resources.into_iter().flatten().filter_map(|resource| {
        let can = |verb: &str| resource["verbs"].as_array().is_some_and(|verbs| verbs.iter().any(|v| v == verb));
        let kind = text(resource, "/kind").filter(|kind| *kind != "Event")?;
        let whole = !text(resource, "/name")?.contains('/');
        (whole && can("list") && can("delete")).then(|| kind.to_owned())
    })
}

impl Cluster {
    /// How a kind is served. Asks the server only for kinds outside of Kubernetes' own, once per group and version.
    ///
    /// # Errors
    /// [`ClusterError::NotServed`] for a kind that the cluster does not have; else whatever befell the request.
    pub async fn resource(&self, api_version: &str, kind: &str) -> Result<Resource, ClusterError> {
        if let Some(resource) = built_in(api_version, kind) {
            return Ok(resource);
        }
        let not_served = || ClusterError::NotServed { api_version: api_version.into(), kind: kind.into() };
        // Held over the request, so that many objects of one new group ask once.
        let mut known = self.inner.discovered.lock().await;
        if !known.contains_key(api_version) {
            let what = format!("the kinds of {api_version}");
            match self.ask(Ask::new(Method::GET, group_path(api_version), "discover", &what)).await {
                Ok(list) => {
                    known.insert(api_version.to_owned(), list);
                }
                Err(error) if error.is_not_found() => return Err(not_served()),
                Err(error) => return Err(error),
            }
        }
        known.get(api_version).and_then(|list| discovered(list, kind)).ok_or_else(not_served)
    }

    /// All kinds whose objects can be listed and deleted, each in the version that its group prefers, and why some
    /// groups could not be asked. Events aside, which nobody deletes.
    ///
    /// # Errors
    /// The cluster does not say which groups it serves.
    pub async fn deletable_kinds(&self) -> Result<(Vec<(String, String)>, Vec<ClusterError>), ClusterError> {
        let groups = self.ask(Ask::new(Method::GET, "/apis".into(), "discover", "the API groups")).await?;
        let groups = groups["groups"].as_array().cloned().unwrap_or_default();
        let mut versions = vec!["v1".to_owned()];
        for group in &groups {
            let preferred = text(group, "/preferredVersion/groupVersion");
            let all = group["versions"].as_array().into_iter().flatten().filter_map(|v| text(v, "/groupVersion"));
            versions.extend(preferred.into_iter().chain(all.filter(|v| Some(*v) != preferred)).map(ToOwned::to_owned));
        }
        let lists = join_all(versions.iter().map(|version| async move {
            let what = format!("the kinds of {version}");
            self.ask(Ask::new(Method::GET, group_path(version), "discover", &what)).await
        }));
        let (mut kinds, mut unknown, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (version, list) in versions.iter().zip(lists.await) {
            match list {
                Ok(list) => {
                    let group = version.split_once('/').map_or("", |(group, _)| group).to_owned();
                    kinds.extend(
                        deletable(&list)
                            .filter(|kind| seen.insert((group.clone(), kind.clone())))
                            .map(|kind| (version.clone(), kind)),
                    );
                    self.inner.discovered.lock().await.insert(version.clone(), list);
                }
                Err(error) => unknown.push(error),
            }
        }
        Ok((kinds, unknown))
    }

    /// Forgets what was learnt about kinds, so that those of a definition made since are found.
    pub async fn forget_discovery(&self) {
        self.inner.discovered.lock().await.clear();
    }

    /// The path of one object.
    pub(super) async fn object_path(&self, r: &ObjectRef) -> Result<String, ClusterError> {
        let resource = self.resource(&r.api_version, &r.kind).await?;
        let namespace = match (&r.namespace, resource.namespaced) {
            (Some(namespace), true) => Some(namespace.as_str()),
            (None, true) => return Err(ClusterError::NoNamespace(r.clone())),
            (_, false) => None,
        };
        Ok(format!("{}/{}", path(&r.api_version, namespace, &resource.plural), encode(&r.name)))
    }

    /// The path of a kind's objects in one namespace, or in all.
    pub(super) async fn kind_path(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
    ) -> Result<String, ClusterError> {
        let resource = self.resource(api_version, kind).await?;
        Ok(path(api_version, namespace.filter(|_| resource.namespaced), &resource.plural))
    }
}

/// `/api/v1` or `/apis/<group>/<version>`.
fn group_path(api_version: &str) -> String {
    match api_version.split_once('/') {
        Some((group, version)) => format!("/apis/{}/{}", encode(group), encode(version)),
        None => format!("/api/{}", encode(api_version)),
    }
}

/// The path of a resource's objects.
pub(super) fn path(api_version: &str, namespace: Option<&str>, plural: &str) -> String {
    let group = group_path(api_version);
    match namespace {
        Some(namespace) => format!("{group}/namespaces/{}/{plural}", encode(namespace)),
        None => format!("{group}/{plural}"),
    }
}

/// Percent-encodes everything but unreserved characters: right in a path segment and in a query.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte as char),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

/// Path and query.
pub(super) fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    let query: Vec<String> = query.iter().map(|(key, value)| format!("{key}={}", encode(value))).collect();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_table_knows_plurals_and_scopes() {
        let of = |v, k| built_in(v, k).map(|r| (r.plural, r.namespaced));
        assert_eq!(of("v1", "Endpoints"), Some(("endpoints".into(), true)));
        assert_eq!(of("v1", "PersistentVolumeClaim"), Some(("persistentvolumeclaims".into(), true)));
        assert_eq!(of("v1", "Node"), Some(("nodes".into(), false)));
        assert_eq!(of("apps/v1", "StatefulSet"), Some(("statefulsets".into(), true)));
        assert_eq!(of("autoscaling/v2", "HorizontalPodAutoscaler"), Some(("horizontalpodautoscalers".into(), true)));
        assert_eq!(of("networking.k8s.io/v1", "NetworkPolicy"), Some(("networkpolicies".into(), true)));
        let policy = of("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy");
        assert_eq!(policy, Some(("validatingadmissionpolicies".into(), false)));
        assert_eq!(of("apps/v1beta1", "Deployment"), None);
        assert_eq!(of("v1", "Pods"), None);
    }

    #[test]
    fn every_entry_of_the_table_is_a_clean_pair() {
        for (_, inside, wide) in BUILT_IN {
            for pair in [inside, wide].iter().flat_map(|kinds| kinds.split(',')).filter(|pair| !pair.is_empty()) {
                let words: Vec<_> = pair.split_whitespace().collect();
                assert!(words.len() == 2 && words[1].chars().all(|c| c.is_ascii_lowercase()), "{pair:?}");
            }
        }
    }

    #[test]
    fn discovery_skips_subresources() {
        let list = json!({"resources": [
            {"name": "widgets/scale", "kind": "Widget", "namespaced": true, "verbs": ["get"]},
            {"name": "widgets", "kind": "Widget", "namespaced": true, "verbs": ["get", "list"]}]});
        let verbs = Some(vec!["get".into(), "list".into()]);
        assert_eq!(discovered(&list, "Widget"), Some(Resource { plural: "widgets".into(), namespaced: true, verbs }));
        assert_eq!(discovered(&list, "Gadget"), None);
        assert_eq!(deletable(&list).count(), 0);
        let list = json!({"resources": [
            {"name": "widgets", "kind": "Widget", "verbs": ["delete", "get", "list"]},
            {"name": "widgets/status", "kind": "Widget", "verbs": ["delete", "get", "list"]},
            {"name": "events", "kind": "Event", "verbs": ["delete", "list"]}]});
        assert_eq!(deletable(&list).collect::<Vec<_>>(), ["Widget"]);
    }

    #[test]
    fn urls_are_encoded() {
        assert_eq!(path("v1", Some("a b"), "pods"), "/api/v1/namespaces/a%20b/pods");
        assert_eq!(path("apps/v1", None, "deployments"), "/apis/apps/v1/deployments");
        assert_eq!(with_query("/x", &[("labelSelector", "a=b,!c")]), "/x?labelSelector=a%3Db%2C%21c");
        assert_eq!(encode("system:node"), "system%3Anode");
        assert_eq!(encode("../x"), "..%2Fx");
    }
}
