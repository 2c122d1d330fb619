//! Rights that the operation needs, each with what it is needed for.

use super::{Problem, Question};
use crate::cluster::{Access, ClusterError};
use crate::object::ObjectRef;
use crate::object::definition::Definition;
use crate::object::workload::{WorkloadKind, made_metadata};
use crate::plan::Step;
use std::collections::BTreeMap;

/// The plural of a kind that the package itself defines.
fn defined(question: &Question<'_>, object: &ObjectRef) -> Option<String> {
    let states = &question.journal.target.as_ref()?.objects;
    let definitions = states.iter().filter(|state| state.reference.kind == "CustomResourceDefinition");
    let mut definitions = definitions.filter_map(|state| Definition::of(&question.contents.content(state).ok()?));
    definitions.find(|definition| definition.defines(object)).map(|definition| definition.plural)
}

/// Rights that the operation needs and the user lacks.
pub(super) async fn check(question: &Question<'_>) -> Result<Vec<Problem>, ClusterError> {
    let mut needed: BTreeMap<Access, String> = BTreeMap::new();
    let own = [
        ("", "configmaps", &["create", "update", "patch", "delete"][..], "to write records"),
        ("", "secrets", &["create", "patch", "delete"][..], "to store packages"),
        ("coordination.k8s.io", "leases", &["create", "update", "delete"][..], "to lock the instance"),
    ];
    for (group, resource, verbs, why) in own {
        for verb in verbs {
            let access = Access {
                verb: (*verb).into(),
                group: group.into(),
                resource: resource.into(),
                namespace: Some(question.record_namespace.into()),
                ..Access::default()
            };
            needed.entry(access).or_insert_with(|| why.into());
        }
    }
    for item in question.items {
        let served = question.cluster.resource(&item.object.api_version, &item.object.kind).await;
        let Some(plural) = served.ok().map(|resource| resource.plural).or_else(|| defined(question, &item.object))
        else {
            // Not served: the dry run says so.
            continue;
        };
        let who = item.vdu.as_ref().map(|vdu| format!("{vdu} ")).unwrap_or_default();
        let mut need = |verb: &str, group: &str, resource: &str, subresource: Option<&str>, why: &str| {
            let access = Access {
                verb: verb.into(),
                group: group.into(),
                resource: resource.into(),
                subresource: subresource.map(Into::into),
                namespace: item.object.namespace.clone(),
                name: None,
            };
            needed.entry(access).or_insert_with(|| format!("{why} {who}{}", item.object));
        };
        let group = item.object.group();
        let plural = plural.as_str();
        let is_workload = WorkloadKind::of(&item.object).is_some();
        let is_pod = WorkloadKind::of(&item.object) == Some(WorkloadKind::Pod);
        let makes_pods = is_workload && !is_pod || !made_metadata(&item.object).is_empty();
        for verb in ["list", "watch"] {
            if is_workload {
                need(verb, group, plural, None, "to follow");
            }
            if is_workload || makes_pods {
                need(verb, "", "pods", None, "to follow the Pods of");
            }
            if item.object.kind == "CronJob" {
                need(verb, "batch", "jobs", None, "to follow the Jobs of");
            }
        }
        if is_workload && item.object.kind == "Deployment" {
            need("list", "apps", "replicasets", None, "to follow");
            need("watch", "apps", "replicasets", None, "to follow");
        }
        match &item.step {
            Step::Create => need("create", group, plural, None, "to create"),
            Step::Config { replace: None, .. } => need("patch", group, plural, None, "to change"),
            Step::Apply { because: None, .. } | Step::RollOut { .. } | Step::InPlace { .. } | Step::Mark { .. } => {
                need("patch", group, plural, None, "to update")
            }
            Step::Scale { .. } => need("patch", group, plural, None, "to scale"),
            Step::ReplacePods { .. } => {
                need("patch", group, plural, None, "to update");
                need("create", "", "pods", Some("eviction"), "to replace the Pods of");
                need("delete", "", "pods", None, "to replace the Pods of");
            }
            Step::Respawn { .. } => {
                need("create", "", "pods", Some("eviction"), "to replace the Pods of");
                need("delete", "", "pods", None, "to replace the Pods of");
            }
            Step::Config { .. } | Step::Apply { .. } | Step::Recreate { .. } => {
                need("delete", group, plural, None, "to make anew");
                need("create", group, plural, None, "to make anew");
            }
            Step::Delete => {
                need("delete", group, plural, None, "to delete");
                if question.holds_makers && makes_pods {
                    need("patch", group, plural, None, "to hold, until its Pods have ended,");
                    if item.object.kind == "Deployment" {
                        need("patch", "apps", "replicasets", None, "to hold, until the Pods have ended,");
                    }
                    need("delete", "", "pods", None, "to end the Pods of");
                }
            }
        }
    }
    let rules: Vec<Access> = needed.keys().cloned().collect();
    let allowed = question.cluster.allowed(&rules).await?;
    let denied = rules.into_iter().zip(allowed).filter(|(_, allowed)| !allowed);
    Ok(denied
        .map(|(access, _)| {
            let why = needed.get(&access).cloned().unwrap_or_default();
            Problem::Permission { access, why }
        })
        .collect())
}
