//! Who else lives in a Namespace or is of a kind that a CustomResourceDefinition defines: deleting either takes all of
//! that along.

use crate::cluster::{Cluster, ClusterError};
use crate::object::{ObjectRef, text};
use crate::plan::content::{Owner, owner};
use crate::record::names::RECORD;
use serde_json::Value;

/// Kinds looked for in a Namespace: what runs there, and what somebody would miss.
const KINDS: [(&str, &str); 11] = [
    ("v1", "Pod"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("v1", "PersistentVolumeClaim"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("networking.k8s.io/v1", "Ingress"),
];

/// The first object found in a Namespace, or of a CustomResourceDefinition's kind, that is not the instance's. Any
/// record of this program counts as somebody else's.
///
/// # Errors
/// The API server's: who cannot look cannot delete.
pub async fn foreign(cluster: &Cluster, ground: &Value, instance_id: &str) -> Result<Option<ObjectRef>, ClusterError> {
    let name = text(ground, "/metadata/name").unwrap_or("");
    match ground["kind"].as_str() {
        Some("Namespace") => {
            for (api_version, kind) in KINDS {
                let found = cluster.list_metadata(api_version, kind, Some(name), "").await?.items;
                if let Some(tenant) = found.iter().find(|object| is_foreign(object, instance_id)) {
                    return Ok(ObjectRef::of(tenant));
                }
            }
            Ok(None)
        }
        Some("CustomResourceDefinition") => {
            let group = text(ground, "/spec/group").unwrap_or("");
            let kind = text(ground, "/spec/names/kind").unwrap_or("");
            let versions = ground.pointer("/spec/versions").and_then(Value::as_array);
            let served = versions.into_iter().flatten().find(|version| version["served"] == true);
            let Some(version) = served.and_then(|version| text(version, "/name")) else { return Ok(None) };
            let found = cluster.list_metadata(&format!("{group}/{version}"), kind, None, "").await;
            let found = match found {
                Err(ClusterError::NotServed { .. }) => return Ok(None),
                other => other?.items,
            };
            Ok(found.iter().find(|object| is_foreign(object, instance_id)).and_then(ObjectRef::of))
        }
        _ => Ok(None),
    }
}

fn is_foreign(object: &Value, instance_id: &str) -> bool {
    // Every namespace has one; nobody made it.
    let of_the_cluster = object["kind"] == "ConfigMap" && text(object, "/metadata/name") == Some("kube-root-ca.crt");
    let record = !object["metadata"]["labels"][RECORD].is_null();
    !of_the_cluster && (record || owner(object, instance_id) != Owner::This)
}
