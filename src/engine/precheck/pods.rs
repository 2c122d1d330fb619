//! Pods that a controller will make: a workload's own dry run passes under an exhausted quota, and under every other
//! rule that is about Pods. So one Pod of its template is tried too, as nobody's.

use super::dry_run::Made;
use super::{Problem, Question};
use crate::cluster::{ClusterError, Run};
use crate::object::ObjectRef;
use crate::object::health::wanted_pods;
use crate::object::pod::terminating;
use crate::object::quota::{self, Exceeded, Usage};
use crate::object::rollout::{GoesFirst, goes_first};
use crate::object::workload::{WorkloadKind, pod_of, replicas, set_images};
use crate::plan::{Item, Step, changed_images};
use futures::future::try_join_all;
use serde_json::Value;
use std::collections::BTreeSet;

/// What trying the Pods of one workload came to.
pub(super) enum Tried {
    /// The server admits them; what they take of quotas in the end, beyond what the live ones take.
    Admitted(Usage),
    /// It does not.
    Problem(Box<Problem>),
    /// It cannot be told, and why.
    Unknown(String),
    /// No Pod comes.
    Nothing,
}

/// Tries a Pod of a workload that a controller makes Pods of. `desired` is the object as it is created, for those
/// that are.
pub(super) async fn check(
    question: &Question<'_>,
    made: &Made,
    item: &Item,
    desired: Option<&Value>,
    file: Option<&str>,
) -> Tried {
    let object = &item.object;
    let Some(kind) = WorkloadKind::of(object).filter(|kind| *kind != WorkloadKind::Pod) else { return Tried::Nothing };
    let anew = matches!(item.step, Step::Create | Step::Recreate { .. });
    // Pods that come beside those that are there.
    let added = match item.step {
        Step::Scale { before, after, .. } => after.saturating_sub(before),
        _ => 0,
    };
    let moves =
        added > 0 || matches!(item.step, Step::RollOut { .. } | Step::ReplacePods { .. } | Step::Respawn { .. });
    let (template, count, taken) = {
        let live = question.observer.live();
        let found = live.get(object);
        let template = match (found, desired) {
            (_, Some(desired)) if anew => desired.clone(),
            (Some(found), _) if moves => {
                let mut found = found.clone();
                let affected = question.journal.scope.affected(object);
                set_images(&mut found, &affected.map(changed_images).unwrap_or_default());
                found
            }
            _ => return Tried::Nothing,
        };
        let pods: Vec<Usage> = live.pods_of(object).into_iter().map(quota::usage).collect();
        let count = match (kind, found) {
            _ if added > 0 => added,
            (WorkloadKind::DaemonSet, Some(found)) => wanted_pods(found, kind),
            // How many nodes it will run on, its controller knows.
            (WorkloadKind::DaemonSet, None) => 1,
            _ => replicas(&template),
        };
        (template, count, pods)
    };
    if count == 0 {
        return Tried::Nothing;
    }
    let name = super::dry_run::name_for_trial(&object.name);
    let Some(pod) = pod_of(&template, &name) else { return Tried::Nothing };
    let before = match item.step {
        Step::Create | Step::Scale { .. } => GoesFirst::Nothing,
        Step::Recreate { .. } => GoesFirst::All,
        Step::RollOut { .. } => goes_first(&template),
        _ => GoesFirst::One,
    };
    let mut freed = Usage::new();
    let first = match before {
        GoesFirst::Nothing => 0,
        GoesFirst::One => 1,
        GoesFirst::All => taken.len(),
    };
    taken.iter().take(first).for_each(|one| quota::add(&mut freed, one, 1));
    match question.cluster.create(&pod, Run::Dry).await {
        Ok(admitted) if anew || added > 0 => {
            let mut more = Usage::new();
            quota::add(&mut more, &quota::usage(&admitted), i128::from(count));
            quota::add(&mut more, &freed, -1);
            Tried::Admitted(more)
        }
        Ok(_) => Tried::Admitted(Usage::new()),
        Err(error) => judge(made, object, file, error, &freed),
    }
}

/// Whether a refused Pod means that the controller's Pods will be refused. A rule of somebody's webhook or policy may
/// be about Pods without an owner, which is what this one is.
fn judge(made: &Made, object: &ObjectRef, file: Option<&str>, error: ClusterError, freed: &Usage) -> Tried {
    if let Some(exceeded) = Exceeded::read(&error.to_string()) {
        return match exceeded.after(freed) {
            Some(exceeded) => Tried::Problem(Box::new(Problem::Quota { object: Some(object.clone()), exceeded })),
            None => Tried::Admitted(Usage::new()),
        };
    }
    let words = error.to_string();
    let of_somebody = words.contains("admission webhook") || words.contains("ValidatingAdmissionPolicy");
    if made.explains(object, &error) {
        return Tried::Nothing;
    }
    if error.is_forbidden() && !error.is_not_allowed() && !error.being_deleted() && !of_somebody {
        return Tried::Problem(Box::new(Problem::PodRefused {
            object: object.clone(),
            file: file.map(Into::into),
            error,
        }));
    }
    Tried::Unknown(format!("Pods of {object}: {words}"))
}

/// The quotas of the namespaces in which more Pods, or larger ones, may come.
pub(super) async fn quotas(question: &Question<'_>) -> Result<Vec<Value>, ClusterError> {
    let more = |item: &&Item| match item.step {
        Step::Create | Step::Recreate { .. } | Step::Apply { because: Some(_), .. } => true,
        Step::Scale { before, after, .. } => after > before,
        _ => false,
    };
    let workloads = question.items.iter().filter(|item| WorkloadKind::of(&item.object).is_some());
    let namespaces: BTreeSet<&str> =
        workloads.filter(more).filter_map(|item| item.object.namespace.as_deref()).collect();
    let lists = namespaces.iter().map(|namespace| question.cluster.list("v1", "ResourceQuota", Some(namespace), ""));
    Ok(try_join_all(lists).await?.into_iter().flat_map(|listing| listing.items).collect())
}

/// What the quotas lack for all that is created, taken together. Each Pod alone has been tried.
pub(super) fn together(
    quotas: Result<Vec<Value>, ClusterError>,
    more: &Usage,
    known: &[Problem],
) -> Result<(Vec<Problem>, Option<String>), ClusterError> {
    if more.values().all(|amount| *amount <= 0) {
        return Ok((Vec::new(), None));
    }
    let quotas = match quotas {
        Err(error) if error.is_not_allowed() => {
            return Ok((
                Vec::new(),
                Some("room in quotas for all Pods together: no right to list resourcequotas".into()),
            ));
        }
        other => other?,
    };
    let quotas = quotas.iter().filter(|quota| !terminating(quota));
    let lacking = quotas.filter_map(|quota| quota::shortage(quota, more)).filter(|exceeded| {
        let said = |problem: &Problem| matches!(problem, Problem::Quota { exceeded: known, .. } if known.quota == exceeded.quota);
        !known.iter().any(said)
    });
    Ok((lacking.map(|exceeded| Problem::Quota { object: None, exceeded }).collect(), None))
}
