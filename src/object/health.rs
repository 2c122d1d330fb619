//! Whether an object has become what its spec says.
//!
//! The rules are those of `kstatus` and `kubectl rollout status`, with what both leave out: for workloads their
//! status is not enough, the owned Pods are counted. (A StatefulSet whose template was put back looks converged
//! while a broken Pod of the other template still stands; a ReplicaSet's status does not tell old Pods from new.)
//! A ProgressDeadlineExceeded is no failure here: it may be left over from an earlier rollout; what Pods suffer
//! from is `trouble`'s matter.

use super::pod::{self, condition, container_states};
use super::rollout::{is_on_delete, partition};
use super::workload::{self, WorkloadKind, marker_of_pod};
use super::{at, text, uid};
use serde_json::Value;
use std::collections::BTreeSet;

/// How far an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It is what it should be.
    Ready,
    /// Not yet, and why: `1 of 3 new`, `observed generation 3 of 4`.
    Waiting(String),
    /// It will not become ready by waiting, and why.
    Failed(String),
}

impl Readiness {
    /// Whether it is [`Readiness::Ready`].
    pub fn is_ready(&self) -> bool {
        *self == Self::Ready
    }

    fn wait(why: impl Into<String>) -> Self {
        Self::Waiting(why.into())
    }
}

/// What a workload has to reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkloadTarget {
    /// The restart marker that its Pods must carry; `None`: any.
    pub marker: Option<u64>,
    /// `status.observedGeneration` must be at least this: `metadata.generation` as the write returned it.
    pub generation: i64,
}

/// Whether a workload is ready and so is every Pod that it owns. `owned_pods` are the live Pods of
/// the workload by owner references, terminating and ended ones included; those do not count, as they do not for their
/// controller. For a bare Pod `owned_pods` is not looked at.
pub fn workload_ready(object: &Value, owned_pods: &[&Value], target: &WorkloadTarget) -> Readiness {
    let Some(kind) = WorkloadKind::of_object(object) else { return object_ready(object) };
    if kind == WorkloadKind::Pod {
        if target.marker.is_some_and(|marker| marker_of_pod(object) != Some(marker)) {
            return Readiness::wait("not yet the new Pod");
        }
        return observed(object, target.generation).unwrap_or_else(|| pod_ready(object));
    }
    if let Some(waiting) = gate(object, target.generation) {
        return waiting;
    }
    match pods_ready(object, kind, owned_pods, target.marker) {
        Readiness::Ready => status_ready(object, kind),
        behind => behind,
    }
}

/// Deletion and the observed generation, for objects that must report one.
fn gate(object: &Value, generation: i64) -> Option<Readiness> {
    if pod::terminating(object) {
        return Some(Readiness::wait("being deleted"));
    }
    let wanted = generation.max(number(object, "/metadata/generation"));
    let seen = number(object, "/status/observedGeneration");
    (seen < wanted).then(|| Readiness::wait(format!("observed generation {seen} of {wanted}")))
}

/// The observed generation of an object that may not report one (Pods before Kubernetes 1.33, many kinds).
fn observed(object: &Value, generation: i64) -> Option<Readiness> {
    let seen = at(object, "/status/observedGeneration").and_then(Value::as_i64)?;
    let wanted = generation.max(number(object, "/metadata/generation"));
    (seen < wanted).then(|| Readiness::wait(format!("observed generation {seen} of {wanted}")))
}

/// How many Pods a workload wants now: for a DaemonSet what its controller says.
pub fn wanted_pods(object: &Value, kind: WorkloadKind) -> u64 {
    match kind {
        WorkloadKind::Pod => 1,
        WorkloadKind::DaemonSet => count(object, "/status/desiredNumberScheduled"),
        _ => workload::replicas(object),
    }
}

/// The Pods: all of the new template, all ready, as many as wanted.
fn pods_ready(object: &Value, kind: WorkloadKind, owned_pods: &[&Value], marker: Option<u64>) -> Readiness {
    let active: Vec<&Value> = owned_pods.iter().copied().filter(|one| pod::active(one)).collect();
    let wanted = wanted_pods(object, kind);
    let renewed = |one: &&Value| {
        (kind == WorkloadKind::StatefulSet && below_partition(object, one))
            || (marker.is_none_or(|marker| marker_of_pod(one) == Some(marker)) && of_update_revision(object, kind, one))
    };
    let new = active.iter().copied().filter(renewed).count() as u64;
    let have = active.len() as u64;
    if new < wanted {
        return Readiness::wait(format!("{new} of {wanted} new"));
    }
    if new < have {
        return Readiness::wait(format!("{wanted} of {wanted} new, {} old to go", have - new));
    }
    // A daemon Pod may go on running on a node that takes no new ones; it is not among the desired.
    let most =
        if kind == WorkloadKind::DaemonSet { wanted + count(object, "/status/numberMisscheduled") } else { wanted };
    if have > most {
        return Readiness::wait(format!("{have} Pods, {wanted} wanted"));
    }
    let ready = active.iter().filter(|one| pod::is_ready(one)).count();
    if ready < active.len() {
        return Readiness::wait(format!("{ready} of {} ready", active.len()));
    }
    Readiness::Ready
}

/// Whether a StatefulSet's partition holds a Pod back: its ordinal, counted from `spec.ordinals.start`, is below.
pub fn below_partition(set: &Value, pod: &Value) -> bool {
    let ordinal = text(pod, "/metadata/name").and_then(|name| name.rsplit_once('-')?.1.parse::<u64>().ok());
    let start = count(set, "/spec/ordinals/start");
    ordinal.is_some_and(|ordinal| ordinal.saturating_sub(start) < partition(set).unwrap_or(0))
}

/// Whether a StatefulSet's Pod is of the template that its controller now makes Pods from. Other kinds have no
/// status field to compare with; their marker tells.
fn of_update_revision(object: &Value, kind: WorkloadKind, pod: &Value) -> bool {
    if kind != WorkloadKind::StatefulSet {
        return true;
    }
    let update = text(object, "/status/updateRevision");
    let of_pod = at(pod, "/metadata/labels").and_then(|labels| labels.get("controller-revision-hash"));
    match (update, of_pod.and_then(Value::as_str)) {
        (Some(update), Some(of_pod)) => update == of_pod,
        _ => true,
    }
}

/// What the controller itself says: numbers that `kubectl rollout status` and `kstatus` look at. `available` counts
/// `minReadySeconds`, which the Ready condition of a Pod does not.
fn status_ready(object: &Value, kind: WorkloadKind) -> Readiness {
    let wanted = wanted_pods(object, kind);
    let at = |field: &str| count(object, &format!("/status/{field}"));
    let short = |have: u64, of: u64, what: &str| (have < of).then(|| Readiness::wait(format!("{have} of {of} {what}")));
    let behind = match kind {
        WorkloadKind::Pod => return pod_ready(object),
        WorkloadKind::Deployment => short(at("updatedReplicas"), wanted, "new")
            .map(|waiting| match (waiting, object.pointer("/spec/paused").and_then(Value::as_bool)) {
                (Readiness::Waiting(why), Some(true)) => Readiness::Waiting(format!("{why}, the Deployment is paused")),
                (waiting, _) => waiting,
            })
            .or_else(|| {
                let old = at("replicas").saturating_sub(at("updatedReplicas"));
                (old > 0).then(|| Readiness::wait(format!("{old} old to go")))
            })
            .or_else(|| extra(at("replicas"), wanted))
            .or_else(|| short(at("readyReplicas"), wanted, "ready"))
            .or_else(|| short(at("availableReplicas"), wanted, "available")),
        // The revisions of the status are not compared: with OnDelete currentRevision may never move.
        WorkloadKind::StatefulSet => extra(at("replicas"), wanted)
            .or_else(|| short(at("readyReplicas"), wanted, "ready"))
            .or_else(|| {
                object.pointer("/status/availableReplicas")?;
                short(at("availableReplicas"), wanted, "available")
            })
            .or_else(|| {
                let rolled =
                    if is_on_delete(object) { 0 } else { wanted.saturating_sub(partition(object).unwrap_or(0)) };
                short(at("updatedReplicas"), rolled, "new")
            }),
        WorkloadKind::DaemonSet => {
            let rolled = if is_on_delete(object) { 0 } else { wanted };
            short(at("updatedNumberScheduled"), rolled, "new")
                .or_else(|| short(at("numberReady"), wanted, "ready"))
                .or_else(|| short(at("numberAvailable"), wanted, "available"))
        }
        WorkloadKind::ReplicaSet => extra(at("replicas"), wanted)
            .or_else(|| short(at("readyReplicas"), wanted, "ready"))
            .or_else(|| short(at("availableReplicas"), wanted, "available")),
    };
    behind.unwrap_or(Readiness::Ready)
}

fn extra(have: u64, wanted: u64) -> Option<Readiness> {
    (have > wanted).then(|| Readiness::wait(format!("{have} Pods, {wanted} wanted")))
}

/// A Pod by itself: Ready, or run to its end with success.
fn pod_ready(object: &Value) -> Readiness {
    match pod::phase(object) {
        _ if pod::terminating(object) => Readiness::wait("being deleted"),
        "Succeeded" => Readiness::Ready,
        "Failed" => Readiness::Failed(pod::reason(object)),
        _ if pod::is_ready(object) => Readiness::Ready,
        _ => Readiness::wait(pod::reason(object)),
    }
}

/// Whether an in-place restart has happened: the kubelet has seen `generation` (as the PATCH returned it), every
/// changed container runs under another container id than in `before`, and it and the Pod are Ready.
///
/// Less proves nothing: while the old container takes its grace period, the observed generation is already the new
/// one and the Pod stays Ready; `status.image` is rewritten; a restart count also rises for crashes. So `before`
/// must not be older than need be: where the PATCH's response is at hand, its snapshot is the best one.
pub fn pod_restarted(
    pod: &Value,
    before: &pod::Snapshot,
    changed_containers: &BTreeSet<String>,
    generation: i64,
) -> Readiness {
    if uid(pod) != before.uid {
        return Readiness::Failed("another Pod has taken its place".into());
    }
    if pod::terminating(pod) {
        return Readiness::Failed("the Pod is being deleted".into());
    }
    match pod::phase(pod) {
        "Failed" => return Readiness::Failed(pod::reason(pod)),
        // With restartPolicy Always this cannot be; with another one the Pod has ended for good.
        "Succeeded" => return Readiness::Failed("the Pod has ended, nothing restarts it".into()),
        _ => {}
    }
    if let Some(waiting) = observed(pod, generation) {
        return waiting;
    }
    let states = container_states(pod);
    for name in changed_containers {
        let Some(state) = states.iter().find(|state| state.spec.name == name) else {
            return Readiness::Failed(format!("the Pod has no container {name}"));
        };
        let then = before.containers.get(name).map_or("", |container| container.id.as_str());
        if state.id().is_empty() || state.id() == then {
            return match state.waiting() {
                Some((reason, _)) if !reason.is_empty() => Readiness::wait(reason),
                _ => Readiness::wait(format!("container {name} not restarted yet")),
            };
        }
        if !state.serves() {
            return Readiness::wait(pod::reason(pod));
        }
    }
    if pod::is_ready(pod) { Readiness::Ready } else { Readiness::wait(pod::reason(pod)) }
}

/// Whether an object of any kind is ready, judged by itself alone, as `kstatus` does: an observed generation that
/// lags, the conditions Reconciling, Stalled and Ready, and rules of their own for the kinds that need them.
/// Departures: a Job is ready when it is complete; a Pod that failed has failed; a claim that is Pending is
/// ready, since its storage class may wait for the first Pod that uses it.
pub fn object_ready(object: &Value) -> Readiness {
    if pod::terminating(object) {
        return Readiness::wait("being deleted");
    }
    if let Some(kind) = WorkloadKind::of_object(object) {
        let behind = if kind == WorkloadKind::Pod { observed(object, 0) } else { gate(object, 0) };
        return behind.unwrap_or_else(|| status_ready(object, kind));
    }
    if let Some(waiting) = observed(object, 0) {
        return waiting;
    }
    let is = |kind: &str, status: &str| {
        condition(object, kind).filter(|one| one.get("status").and_then(Value::as_str) == Some(status))
    };
    if let Some(stalled) = is("Stalled", "True") {
        return Readiness::Failed(explained(stalled));
    }
    if let Some(reconciling) = is("Reconciling", "True") {
        return Readiness::wait(explained(reconciling));
    }
    let group = text(object, "/apiVersion").and_then(|version| version.split_once('/')).map_or("", |(group, _)| group);
    let phase = text(object, "/status/phase").unwrap_or("");
    match (group, text(object, "/kind").unwrap_or("")) {
        ("batch", "Job") => job_ready(object),
        ("", "PersistentVolumeClaim") if phase == "Lost" => Readiness::Failed("its volume is lost".into()),
        ("", "PersistentVolumeClaim") => Readiness::Ready,
        ("", "PersistentVolume") if phase == "Failed" => Readiness::Failed("phase Failed".into()),
        ("", "Namespace") if phase != "Active" && !phase.is_empty() => Readiness::wait(format!("phase {phase}")),
        ("", "Service") => {
            let balanced = text(object, "/spec/type") == Some("LoadBalancer");
            let addressed = text(object, "/spec/clusterIP").is_some_and(|address| !address.is_empty());
            if balanced && !addressed { Readiness::wait("no cluster address yet") } else { Readiness::Ready }
        }
        ("", "ReplicationController") => {
            gate(object, 0).unwrap_or_else(|| status_ready(object, WorkloadKind::ReplicaSet))
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            match (is("NamesAccepted", "False"), is("Established", "False")) {
                (Some(refused), _) => Readiness::Failed(explained(refused)),
                _ if is("Established", "True").is_some() => Readiness::Ready,
                (_, Some(one)) if text(one, "/reason") != Some("Installing") => Readiness::Failed(explained(one)),
                _ => Readiness::wait("not established yet"),
            }
        }
        ("apiregistration.k8s.io", "APIService") if is("Available", "True").is_none() => {
            Readiness::wait("not available yet")
        }
        _ => match condition(object, "Ready") {
            Some(ready) if text(ready, "/status") != Some("True") => Readiness::wait(explained(ready)),
            _ => Readiness::Ready,
        },
    }
}

/// A Job: complete, failed, suspended, or on its way.
fn job_ready(object: &Value) -> Readiness {
    let is = |kind: &str| condition(object, kind).filter(|one| text(one, "/status") == Some("True"));
    if let Some(failed) = is("Failed") {
        return Readiness::Failed(explained(failed));
    }
    if is("Complete").is_some() || object.pointer("/spec/suspend").and_then(Value::as_bool) == Some(true) {
        return Readiness::Ready;
    }
    let wanted = object.pointer("/spec/completions").and_then(Value::as_u64).unwrap_or(1);
    Readiness::wait(format!("{} of {wanted} completed", count(object, "/status/succeeded")))
}

/// A condition in words: reason and message, else its type.
fn explained(condition: &Value) -> String {
    let part = |pointer| text(condition, pointer).filter(|part| !part.is_empty());
    match (part("/reason"), part("/message")) {
        (Some(reason), Some(message)) => format!("{reason}: {message}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) if text(condition, "/status") == Some("True") => part("/type").unwrap_or("").to_lowercase(),
        (None, None) => format!("not {}", part("/type").unwrap_or("ready").to_lowercase()),
    }
}

/// A signed number; 0 when it is absent or none.
fn number(object: &Value, pointer: &str) -> i64 {
    at(object, pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// A count of a status, which leaves zeros out.
fn count(object: &Value, pointer: &str) -> u64 {
    at(object, pointer).and_then(Value::as_u64).unwrap_or(0)
}

#[cfg(test)]
mod tests;
