//! Who else lives in a Namespace or is of a kind that a CustomResourceDefinition defines: deleting either takes all of
//! that along.

use crate::cluster::{Cluster, ClusterError};
use crate::object::definition::Definition;
use crate::object::{ObjectRef, text};
use crate::plan::content::{Owner, owner};
use crate::plan::order::holds_data;
use crate::record::names::RECORD;
use futures::future::join_all;
use serde_json::Value;

/// Kinds that must be looked for in a Namespace: what runs there, and what somebody would miss.
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

/// The first object found in a Namespace, or of a CustomResourceDefinition's kind, that is not the instance's, or that
/// holds data and is to stay. Any record of this program counts as somebody else's. In a Namespace all kinds are looked
/// for that the user may list.
///
/// # Errors
/// The API server's: who cannot look cannot delete.
pub async fn foreign(cluster: &Cluster, ground: &Value, instance_id: &str) -> Result<Option<ObjectRef>, ClusterError> {
    let name = text(ground, "/metadata/name").unwrap_or("");
    match ground["kind"].as_str() {
        Some("Namespace") => {
            for (api_version, kind) in KINDS {
                let found = cluster.list_metadata(api_version, kind, Some(name), "").await?.items;
                if let Some(tenant) = found.iter().find(|object| is_tenant(object, instance_id)) {
                    return Ok(ObjectRef::of(tenant));
                }
            }
            let (kinds, _) = cluster.deletable_kinds().await?;
            let others = kinds.iter().filter(|(version, kind)| !KINDS.contains(&(version.as_str(), kind.as_str())));
            let lists = join_all(others.map(|(version, kind)| async move {
                if !cluster.resource(version, kind).await.is_ok_and(|resource| resource.namespaced) {
                    return Vec::new();
                }
                // Of a kind that may not be listed, or that its server does not answer for, nothing can be told.
                let listing = cluster.list_metadata(version, kind, Some(name), "").await;
                listing.map(|listing| listing.items).unwrap_or_default()
            }));
            let found: Vec<Value> = lists.await.into_iter().flatten().collect();
            Ok(found.iter().find(|object| is_tenant(object, instance_id)).and_then(ObjectRef::of))
        }
        Some("CustomResourceDefinition") => {
            let Some(definition) = Definition::of(ground) else { return Ok(None) };
            let Some(version) = definition.served.first() else { return Ok(None) };
            let found = match cluster.list_metadata(version, &definition.kind, None, "").await {
                Err(ClusterError::NotServed { .. }) => return Ok(None),
                other => other?.items,
            };
            Ok(found.iter().find(|object| is_foreign(object, instance_id)).and_then(ObjectRef::of))
        }
        _ => Ok(None),
    }
}

/// Whether somebody else lost something with the Namespace that an object is in.
fn is_tenant(object: &Value, instance_id: &str) -> bool {
    // Every namespace has them; nobody made them.
    let name = text(object, "/metadata/name");
    let of_the_cluster = (object["kind"] == "ConfigMap" && name == Some("kube-root-ca.crt"))
        || (object["kind"] == "ServiceAccount" && name == Some("default"));
    // What a workload or Service owns goes with it, and that one is looked at itself.
    let mut owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    let owned = owners.any(|owner| {
        ["v1", "apps/v1", "batch/v1"].iter().any(|version| owner["apiVersion"] == *version) && owner["kind"] != "Node"
    });
    let stays = ObjectRef::of(object).is_some_and(|reference| holds_data(&reference));
    !of_the_cluster && (stays || (!owned && is_foreign(object, instance_id)))
}

fn is_foreign(object: &Value, instance_id: &str) -> bool {
    let record = !object["metadata"]["labels"][RECORD].is_null();
    record || owner(object, instance_id) != Owner::This
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn who_lives_in_a_namespace_is_told_from_what_is_of_the_vnf_or_of_the_cluster() {
        let object = |kind: &str, name: &str, metadata: Value| {
            let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": metadata});
            object["metadata"]["name"] = json!(name);
            is_tenant(&object, "1")
        };
        let of = |id: &str| json!({"labels": {"kubectl-vnf/instance": id}});
        assert!(!object("ConfigMap", "kube-root-ca.crt", json!({})) && !object("ServiceAccount", "default", json!({})));
        assert!(object("ConfigMap", "notes", json!({})) && object("ServiceAccount", "builder", json!({})));
        assert!(!object("Widget", "w", of("1")) && object("Widget", "w", of("2")));
        assert!(!object("EndpointSlice", "s", json!({"ownerReferences": [{"apiVersion": "v1", "kind": "Service"}]})));
        // Deleting the Namespace would take the data along that was to be kept.
        assert!(object("PersistentVolumeClaim", "data", of("1")));
        let record = json!({"labels": {"kubectl-vnf/instance": "1", RECORD: "instance"}});
        assert!(object("ConfigMap", "vnf-1", record));
    }
}
