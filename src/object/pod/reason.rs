//! The state of a Pod in a few words, as a person says it: Kubernetes' word where there is one, and what somebody
//! needs beside it to act.

use super::{ContainerState, condition, container_states, is_ready, phase, terminating};
use crate::object::text;
use crate::object::trouble::scaling_up;
use crate::object::workload::ContainerClass;
use serde_json::Value;

/// The state of a Pod in a few words. What only events know (that an image is being pulled, that a volume cannot be
/// mounted) is not in it.
pub fn reason(pod: &Value) -> String {
    if terminating(pod) {
        return leaving(pod);
    }
    if let Some(short) = unscheduled(pod) {
        return short;
    }
    if phase(pod) == "Failed"
        && let Some(reason) = text(pod, "/status/reason").filter(|reason| !reason.is_empty())
    {
        return reason.to_owned();
    }
    let states = container_states(pod);
    if let Some(waits) = initializing(&states) {
        return waits;
    }
    let main = || states.iter().filter(|state| state.spec.class == ContainerClass::Main);
    // A reason that somebody can act upon goes before the ordinary ones.
    let held = main().find(|state| state.waiting().is_some_and(|(reason, _)| !starting(reason)));
    if let Some(held) = held {
        return waits(held);
    }
    if let Some(end) = main().filter(|state| !state.succeeded()).find_map(ContainerState::terminated) {
        return ended(end);
    }
    if main().any(|state| state.waiting().is_some()) {
        return if phase(pod).is_empty() || phase(pod) == "Pending" || main().any(|s| s.status.is_some()) {
            CREATING.into()
        } else {
            phase(pod).to_owned()
        };
    }
    if main().next().is_some() && main().all(ContainerState::succeeded) {
        return "Completed".into();
    }
    if is_ready(pod) {
        return "Running".into();
    }
    not_ready(pod, &states)
}

/// The same, with what the Pod's events (oldest first) know better: what is being pulled, which volume cannot be
/// mounted, how often a probe has failed and why.
pub fn reason_with_events(pod: &Value, events: &[Value]) -> String {
    let reason = reason(pod);
    let told = |words: &[&str]| {
        let known = |event: &&Value| text(event, "/reason").is_some_and(|reason| words.contains(&reason));
        events.iter().rev().find(known)
    };
    let what = |event: &Value| text(event, "/reason").unwrap_or("").to_owned();
    // `Pulling image "nginx"`.
    let pulled = |event: &Value| message(event).split('"').nth(1).map(ToOwned::to_owned);
    match reason.as_str() {
        CREATING => match told(&CREATION) {
            Some(event) if what(event) == "Pulling" => pulled(event).map_or(reason, |image| format!("Pulling {image}")),
            Some(event) if !PROGRESS.contains(&what(event).as_str()) => format!("{}: {}", what(event), message(event)),
            _ => reason,
        },
        init if init.starts_with(INIT) => match told(&["Pulling", "Pulled"]) {
            Some(event) if what(event) == "Pulling" => {
                let nth = init.trim_start_matches(INIT).trim_start();
                pulled(event).map_or_else(|| init.to_owned(), |image| format!("Pulling {image} (init container {nth})"))
            }
            _ => reason,
        },
        READINESS | STARTUP => match told(&["Unhealthy"]) {
            Some(event) => {
                let times = ["/series/count", "/count"].iter().find_map(|at| event.pointer(at)?.as_u64()).unwrap_or(1);
                let times = if times == 1 { "once".to_owned() } else { format!("{times} times") };
                // `Readiness probe failed: why`.
                let why = message(event);
                let why = why.split_once("probe failed: ").map_or("", |(_, why)| why);
                let why = if why.is_empty() { String::new() } else { format!(": {why}") };
                format!("{reason} failed {times}{why}")
            }
            None => reason,
        },
        unschedulable if unschedulable.starts_with("Unschedulable") && scaling_up(events) => {
            format!("{reason}; the cluster scales up")
        }
        _ => reason,
    }
}

/// Before the first container runs.
const CREATING: &str = "ContainerCreating";
/// While init containers run.
const INIT: &str = "waiting for init container";
/// While a probe says no.
const READINESS: &str = "not ready: readiness probe";
/// While the first probe says no.
const STARTUP: &str = "not ready: startup probe";
/// Events on the way to a container, that all is well, and that it is not.
const CREATION: [&str; 8] = [
    "Pulling",
    "Pulled",
    "Scheduled",
    "SuccessfulAttachVolume",
    "FailedMount",
    "FailedAttachVolume",
    "FailedCreatePodSandBox",
    "NetworkNotReady",
];
/// Those among them that say that all is well.
const PROGRESS: [&str; 3] = ["Pulled", "Scheduled", "SuccessfulAttachVolume"];

/// The first line of an event's message.
fn message(event: &Value) -> &str {
    text(event, "/message").unwrap_or("").lines().next().unwrap_or("").trim()
}

fn starting(reason: &str) -> bool {
    matches!(reason, "" | CREATING | "PodInitializing")
}

/// A Pod on its way out: by whose hand, where its status says so, and what else holds it.
fn leaving(pod: &Value) -> String {
    let target = condition(pod, "DisruptionTarget").filter(|one| text(one, "/status") == Some("True"));
    let hand = match target.and_then(|one| text(one, "/reason")) {
        Some("EvictionByEvictionAPI") => "evicted",
        Some("PreemptionByScheduler") => "preempted by another Pod",
        Some("DeletionByTaintManager") => "its node takes it no more",
        Some("DeletionByPodGC") => "its node is gone",
        Some("TerminationByKubelet") => "by its node",
        _ => "",
    };
    // Until its containers are down everybody waits for these; after that, for whoever has put a finalizer on it.
    let down = container_states(pod).iter().all(|state| !state.running());
    let finalizer = pod.pointer("/metadata/finalizers/0").and_then(Value::as_str).filter(|_| down);
    match (finalizer, hand) {
        (Some(finalizer), _) => format!("Terminating: held by finalizer {finalizer}"),
        (None, "") => "Terminating".into(),
        (None, hand) => format!("Terminating: {hand}"),
    }
}

/// What a container waits for, and why as far as a few words can tell.
fn waits(state: &ContainerState<'_>) -> String {
    let Some((reason, message)) = state.waiting() else { return String::new() };
    let why = match reason {
        "CreateContainerConfigError" => missing(message),
        "RunContainerError" | "CreateContainerError" => cause_of_start(message),
        "CrashLoopBackOff" => state.last_terminated().and_then(|end| match text(end, "/reason") {
            Some("StartError" | "ContainerCannotRun" | "RunContainerError") => {
                cause_of_start(text(end, "/message").unwrap_or(""))
            }
            Some("OOMKilled") => Some("OOMKilled".into()),
            _ => crashed(end),
        }),
        _ => None,
    };
    match why {
        Some(why) => format!("{reason}: {why}"),
        None => reason.to_owned(),
    }
}

/// How a container came to its end by itself. One that was told to go is the one before a restart: it did not crash.
fn crashed(end: &Value) -> Option<String> {
    end.get("exitCode").and_then(Value::as_i64).filter(|code| !matches!(code, 0 | 137 | 143)).map(exit_code)
}

fn exit_code(code: i64) -> String {
    format!("exit code {code}")
}

/// `no key password in Secret secret-data`, `secret "secret-data" not found`.
fn missing(message: &str) -> Option<String> {
    // `couldn't find key password in Secret default/secret-data`.
    if let Some((key, object)) = message.strip_prefix("couldn't find key ").and_then(|rest| rest.split_once(" in ")) {
        let (kind, name) = object.split_once(' ')?;
        let name = name.rsplit('/').next().unwrap_or(name);
        return Some(format!("no key {key} in {kind} {name}"));
    }
    let first = message.lines().next().unwrap_or("").trim();
    (!first.is_empty()).then(|| first.to_owned())
}

/// What is at the end of the runtime's chain of errors:
/// `... unable to start container process: error during container init: exec: "x": executable file not found in $PATH`.
fn cause_of_start(message: &str) -> Option<String> {
    let line = message.lines().next().unwrap_or("").trim().trim_end_matches(": unknown");
    let links = ["container init: ", "container process: ", "create failed: ", "failed to create containerd task: "];
    let cause = links.iter().find_map(|link| line.rsplit_once(link)).map_or(line, |(_, cause)| cause);
    (!cause.is_empty()).then(|| cause.to_owned())
}

/// Why a Pod has no node: `Unschedulable: Insufficient cpu`.
fn unscheduled(pod: &Value) -> Option<String> {
    let scheduled = condition(pod, "PodScheduled")?;
    let part = |key: &str| scheduled.get(key).and_then(Value::as_str).unwrap_or("");
    if part("status") != "False" {
        return None;
    }
    Some(match part("reason") {
        "Unschedulable" => format!("Unschedulable: {}", scheduler_reason(part("message"))),
        "SchedulingGated" => "scheduling is gated".into(),
        "" => "Pending".into(),
        other => other.to_owned(),
    })
}

/// The reasons in a scheduler's message, without the counts of nodes and what it says of preemption:
/// `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had ... . preemption: ...`.
pub fn scheduler_reason(message: &str) -> String {
    let list = message.split_once("nodes are available: ").map_or(message, |(_, list)| list);
    // A sentence ends with a stop and a space; names with stops in them do not.
    let list = list.split(". ").next().unwrap_or(list).trim_end_matches('.');
    let mut reasons: Vec<&str> = Vec::new();
    for part in list.split(", ") {
        let part = part.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        let part = part.strip_prefix("node(s) ").unwrap_or(part);
        if !part.is_empty() && !reasons.contains(&part) {
            reasons.push(part);
        }
    }
    if reasons.is_empty() { "no reason given".into() } else { reasons.join(", ") }
}

/// What the init containers are at, until all have done their part.
fn initializing(states: &[ContainerState<'_>]) -> Option<String> {
    let init: Vec<_> = states.iter().filter(|state| state.spec.class != ContainerClass::Main).collect();
    let started = |state: &ContainerState<'_>| {
        state.status.and_then(|status| status.get("started")).and_then(Value::as_bool) == Some(true)
    };
    let done = |state: &&&ContainerState<'_>| match state.spec.class {
        ContainerClass::Sidecar => started(state) || state.succeeded(),
        _ => state.succeeded(),
    };
    let at = init.iter().position(|state| !done(&state))?;
    // Sidecars of a Pod whose main containers have run are no longer a matter of starting.
    if states.iter().any(|s| s.spec.class == ContainerClass::Main && !s.id().is_empty()) {
        return match init[at].waiting() {
            Some((reason, _)) if init[at].spec.class == ContainerClass::Sidecar && !reason.is_empty() => {
                Some(format!("{} (sidecar {})", waits(init[at]), init[at].spec.name))
            }
            _ => None,
        };
    }
    let name = init[at].spec.name;
    if let Some(end) = init[at].terminated() {
        return Some(format!("{} (init {name})", ended(end)));
    }
    match init[at].waiting() {
        Some((reason, _)) if !starting(reason) => Some(format!("{} (init {name})", waits(init[at]))),
        _ => Some(format!("{INIT} {} of {}", at + 1, init.len())),
    }
}

/// How a container ended: the kubelet's word, where that says something, else signal or exit code.
fn ended(end: &Value) -> String {
    let number = |key: &str| end.get(key).and_then(Value::as_i64).unwrap_or(0);
    match text(end, "/reason").filter(|reason| !reason.is_empty()) {
        Some("Error") => crashed(end).map_or_else(|| "Error".into(), |how| format!("Error: {how}")),
        Some(reason) => reason.to_owned(),
        None if number("signal") != 0 => format!("signal {}", number("signal")),
        None => exit_code(number("exitCode")),
    }
}

/// Why a Pod whose containers run is not ready.
fn not_ready(pod: &Value, states: &[ContainerState<'_>]) -> String {
    let behind = states.iter().find(|s| s.spec.class != ContainerClass::Init && s.running() && !s.serves());
    let Some(behind) = behind else {
        if let Some(gate) = shut_gate(pod).filter(|_| states.iter().any(ContainerState::serves)) {
            return format!("not ready: readiness gate {gate}");
        }
        let contained = condition(pod, "ContainersReady").and_then(|one| text(one, "/status")) == Some("True");
        return match (contained, phase(pod)) {
            // Its kubelet would say so itself if it were; the node controller has spoken for it.
            (true, "Running") if condition(pod, "Ready").is_some() => "not ready: its node does not answer".into(),
            (_, "Running") => "not ready".into(),
            (_, "") => "Pending".into(),
            (_, other) => other.to_owned(),
        };
    };
    let started = behind.status.and_then(|status| status.get("started")).and_then(Value::as_bool);
    if behind.has("startupProbe") && started != Some(true) {
        STARTUP.into()
    } else if behind.has("readinessProbe") {
        READINESS.into()
    } else {
        "not ready".into()
    }
}

/// The first readiness gate whose condition is not True.
fn shut_gate(pod: &Value) -> Option<&str> {
    let gates = pod.pointer("/spec/readinessGates").and_then(Value::as_array);
    let mut names = gates.into_iter().flatten().filter_map(|gate| text(gate, "/conditionType"));
    names.find(|gate| condition(pod, gate).and_then(|one| text(one, "/status")) != Some("True"))
}
