//! Reading one live Pod: what a line about it says, and what proves later that nobody touched it.
//!
//! `status.image` is never compared with anything: the container runtime rewrites it (`nginx` becomes
//! `docker.io/library/nginx:latest`). A container is told from its successor by its id.

mod reason;
mod snapshot;

use super::workload::{self, ContainerClass, ContainerRef};
use super::{at, text, uid};
use jiff::Timestamp;
pub use reason::{reason, reason_with_events, scheduler_reason};
use serde_json::Value;
pub use snapshot::{ContainerSnapshot, Difference, Snapshot};

/// The kubelet looks for ended containers every second, and times have a resolution of one (seconds).
const LOOKED_AGAIN: i64 = 3;

/// What a line about a Pod shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFacts<'a> {
    /// `metadata.name`.
    pub name: &'a str,
    /// `metadata.uid`.
    pub uid: &'a str,
    /// UID of the controlling owner; `None` for a bare Pod.
    pub controller: Option<&'a str>,
    /// `status.phase`; `""` before the first status.
    pub phase: &'a str,
    /// Containers that are ready, sidecars included, as kubectl counts them.
    pub ready_containers: usize,
    /// Containers and sidecars.
    pub total_containers: usize,
    /// The Ready condition is True.
    pub ready: bool,
    /// Restarts as kubectl sums them: those of containers and sidecars; while init containers run, theirs.
    pub restarts: u64,
    /// `status.startTime` (RFC 3339): when the kubelet took it on.
    pub start_time: Option<&'a str>,
    /// It has a deletionTimestamp.
    pub terminating: bool,
    /// `spec.nodeName`.
    pub node: Option<&'a str>,
    /// The restart marker ([`workload::MARKER`]).
    pub marker: Option<u64>,
}

impl<'a> PodFacts<'a> {
    /// The facts of a Pod.
    pub fn of(pod: &'a Value) -> Self {
        let states = container_states(pod);
        let lasting = || states.iter().filter(|state| state.spec.class != ContainerClass::Init);
        let starting = states.iter().any(|s| s.spec.class == ContainerClass::Init && !s.succeeded());
        Self {
            name: text(pod, "/metadata/name").unwrap_or(""),
            uid: uid(pod),
            controller: workload::controller_uid(pod),
            phase: phase(pod),
            ready_containers: lasting().filter(|state| state.serves()).count(),
            total_containers: lasting().count(),
            ready: is_ready(pod),
            restarts: states
                .iter()
                .filter(|state| state.spec.class != ContainerClass::Init || starting)
                .map(ContainerState::restarts)
                .sum(),
            start_time: text(pod, "/status/startTime"),
            terminating: terminating(pod),
            node: text(pod, "/spec/nodeName").filter(|node| !node.is_empty()),
            marker: workload::marker_of_pod(pod),
        }
    }
}

/// `status.phase`, `""` before the first status.
pub fn phase(pod: &Value) -> &str {
    text(pod, "/status/phase").unwrap_or("")
}

/// Whether an object is being deleted.
pub fn terminating(object: &Value) -> bool {
    text(object, "/metadata/deletionTimestamp").is_some()
}

/// Whether a Pod counts for its controller: neither terminating nor ended. An evicted Pod stays as `Failed` long
/// after its successor is up, and controllers pass it over (`FilterActivePods`).
pub fn active(pod: &Value) -> bool {
    !terminating(pod) && !matches!(phase(pod), "Succeeded" | "Failed")
}

/// Whether the Ready condition is True.
pub fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready").and_then(|one| one.get("status")).and_then(Value::as_str) == Some("True")
}

/// A condition of an object's status, by type.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = at(object, "/status/conditions")?.as_array()?;
    conditions.iter().find(|one| one.get("type").and_then(Value::as_str) == Some(kind))
}

/// One container of a Pod: what is asked for, and what the kubelet says of it.
#[derive(Clone, Copy, Debug)]
pub struct ContainerState<'a> {
    /// The container in the spec.
    pub spec: ContainerRef<'a>,
    /// `restartPolicy` of the container, else of the Pod; `Always` by default.
    pub restart_policy: &'a str,
    /// Its entry of the status; `None` before the kubelet's first report.
    pub status: Option<&'a Value>,
    /// Its entry of the spec.
    entry: &'a Value,
}

/// The containers of a Pod with their status: init containers first, ephemeral ones left out.
pub fn container_states(pod: &Value) -> Vec<ContainerState<'_>> {
    let Some(spec) = pod.get("spec") else { return Vec::new() };
    let policy = text(spec, "/restartPolicy").unwrap_or("Always");
    let status = |list: &str| workload::items(pod.get("status").unwrap_or(&Value::Null), list);
    let states = workload::containers(spec).into_iter().map(|container| {
        let statuses = if container.list == "containers" { "containerStatuses" } else { "initContainerStatuses" };
        let entry = workload::items(spec, container.list).get(container.index).unwrap_or(&Value::Null);
        ContainerState {
            spec: container,
            entry,
            restart_policy: text(entry, "/restartPolicy").unwrap_or(policy),
            status: status(statuses).iter().find(|one| text(one, "/name") == Some(container.name)),
        }
    });
    states.collect()
}

impl<'a> ContainerState<'a> {
    fn at(&self, pointer: &str) -> Option<&'a Value> {
        at(self.status?, pointer)
    }

    /// `containerID` of the newest container, running or ended; `""` when there was none yet.
    pub fn id(&self) -> &'a str {
        self.at("/containerID").and_then(Value::as_str).unwrap_or("")
    }

    /// `restartCount`.
    pub fn restarts(&self) -> u64 {
        self.at("/restartCount").and_then(Value::as_u64).unwrap_or(0)
    }

    /// Reason and message while it waits. Without a status, and with an empty state, it waits for no reason given.
    pub fn waiting(&self) -> Option<(&'a str, &'a str)> {
        if self.at("/state/running").is_some() || self.terminated().is_some() {
            return None;
        }
        let part = |key| self.at(key).and_then(Value::as_str).unwrap_or("");
        Some((part("/state/waiting/reason"), part("/state/waiting/message")))
    }

    /// How the newest container ended, while its state says so.
    pub fn terminated(&self) -> Option<&'a Value> {
        self.at("/state/terminated")
    }

    /// How the container before the present state ended.
    pub fn last_terminated(&self) -> Option<&'a Value> {
        self.at("/lastState/terminated")
    }

    /// It runs.
    pub fn running(&self) -> bool {
        self.at("/state/running").is_some()
    }

    /// It ended with exit code 0.
    pub fn succeeded(&self) -> bool {
        self.terminated().and_then(|end| end.get("exitCode")).and_then(Value::as_i64) == Some(0)
    }

    /// It has a probe of this name (`readinessProbe`).
    fn has(&self, probe: &str) -> bool {
        self.entry.get(probe).is_some_and(|probe| !probe.is_null())
    }

    /// A probe decides when it is ready; otherwise it is from the moment it starts.
    pub fn probed(&self) -> bool {
        self.has("readinessProbe") || self.has("startupProbe")
    }

    /// It runs and is ready; a sidecar must have started too (its startup probe has passed).
    pub fn serves(&self) -> bool {
        let flag = |key| self.at(key).and_then(Value::as_bool) == Some(true);
        self.running() && flag("/ready") && (self.spec.class == ContainerClass::Main || flag("/started"))
    }
}

/// Containers that are Ready only because they have started: without a probe, another one than in the snapshot, and
/// started so short a time ago that the kubelet has not looked again since.
pub fn fresh_without_probe<'a>(pod: &'a Value, before: Option<&Snapshot>, now: Timestamp) -> Vec<ContainerState<'a>> {
    let mut states = container_states(pod);
    states.retain(|state| {
        let then = before.and_then(|before| before.containers.get(state.spec.name));
        let started = state.at("/state/running/startedAt").and_then(Value::as_str);
        let started = started.and_then(|time| time.parse::<Timestamp>().ok());
        let fresh = started.is_some_and(|started| now.duration_since(started).as_secs() < LOOKED_AGAIN);
        let new = then.is_none_or(|then| then.id != state.id());
        fresh && new && !state.probed() && state.spec.class != ContainerClass::Init
    });
    states
}

#[cfg(test)]
mod tests;
