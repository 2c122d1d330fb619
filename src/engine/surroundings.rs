//! Reading what stands around a VNF and takes part in what happens to its Pods: disruption budgets and autoscalers.
//!
//! They are read only for plans that they concern. Who may not list them loses no more than what they would tell.

use super::observe::Observer;
use crate::cluster::{Cluster, ClusterError, Eviction, Run};
use crate::object::workload::WorkloadKind;
use crate::object::{ObjectRef, uid};
use crate::plan::ahead::{Surroundings, Tried, evicted};
use crate::plan::{Item, ItemState, Step};
use futures::future::{join, join_all};
use serde_json::Value;
use std::collections::BTreeSet;

/// Reads what concerns these items.
///
/// # Errors
/// The API server's, except that something may not be read.
pub async fn read(cluster: &Cluster, observer: &Observer, items: &[Item]) -> Result<Surroundings, ClusterError> {
    let to_do = || items.iter().filter(|item| item.state == ItemState::ToDo);
    // One of each workload: its Pods are alike.
    let (evictions, scaled): (Vec<(ObjectRef, String)>, BTreeSet<String>) = {
        let live = observer.live();
        let first = |item: &Item| {
            let pods = evicted(item, &live);
            pods.first().and_then(|pod| Some((ObjectRef::of(pod)?, uid(pod).to_owned())))
        };
        let moves = |item: &&Item| {
            matches!(
                item.step,
                Step::RollOut { .. } | Step::ReplacePods { .. } | Step::Recreate { .. } | Step::Scale { .. }
            ) && WorkloadKind::of(&item.object).is_some_and(WorkloadKind::scalable)
        };
        (
            to_do().filter_map(first).collect(),
            to_do().filter(moves).filter_map(|item| item.object.namespace.clone()).collect(),
        )
    };
    let guarded = evictions.iter().filter_map(|(pod, _)| pod.namespace.clone()).collect();
    let (budgets, autoscalers) = join(
        list(cluster, "policy/v1", "PodDisruptionBudget", &guarded),
        list(cluster, "autoscaling/v2", "HorizontalPodAutoscaler", &scaled),
    )
    .await;
    let mut around = Surroundings { budgets: budgets?, autoscalers: autoscalers?, evictions: Vec::new() };
    if around.budgets.is_none() {
        let tried = evictions.iter().map(|(pod, uid)| try_eviction(cluster, pod, uid));
        around.evictions = join_all(tried).await.into_iter().flatten().collect();
    }
    Ok(around)
}

/// All objects of a kind in some namespaces; `None`: they may not be listed.
async fn list(
    cluster: &Cluster,
    api_version: &str,
    kind: &str,
    namespaces: &BTreeSet<String>,
) -> Result<Option<Vec<Value>>, ClusterError> {
    let lists = namespaces.iter().map(|namespace| cluster.list(api_version, kind, Some(namespace), ""));
    let mut found = Vec::new();
    for listing in join_all(lists).await {
        match listing {
            Ok(listing) => found.extend(listing.items),
            Err(error) if error.is_not_allowed() => return Ok(None),
            // An old or reduced server has none of them.
            Err(error) if error.is_not_found() || matches!(error, ClusterError::NotServed { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Some(found))
}

/// What an eviction would come to. A dry run is charged to no budget.
async fn try_eviction(cluster: &Cluster, pod: &ObjectRef, uid: &str) -> Option<(ObjectRef, Tried)> {
    match cluster.evict(pod, uid, Run::Dry).await {
        Ok(Eviction::Blocked(words)) => Some((pod.clone(), Tried::Held(words))),
        Err(error) if error.status().is_some_and(|status| status.reason == "MoreThanOneBudget") => {
            Some((pod.clone(), Tried::SeveralBudgets))
        }
        // Whatever else is wrong with it is told where it is done in earnest.
        _ => None,
    }
}
