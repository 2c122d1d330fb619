//! How a controller replaces the Pods of a workload: how many may come before others go, which stay behind.

use super::text;
use super::workload::replicas;
use serde_json::Value;

/// What goes before the first new Pod of a rollout comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoesFirst {
    /// Nothing: there is to be room for one Pod more.
    Nothing,
    /// One Pod.
    One,
    /// All Pods.
    All,
}

/// What a rollout takes away before it brings anything.
pub fn goes_first(workload: &Value) -> GoesFirst {
    match text(workload, "/kind") {
        Some("Deployment") if text(workload, "/spec/strategy/type") == Some("Recreate") => GoesFirst::All,
        Some("Deployment") if max_unavailable(workload) == 0 => GoesFirst::Nothing,
        Some("DaemonSet") if daemons_surge(workload) => GoesFirst::Nothing,
        _ => GoesFirst::One,
    }
}

/// Whether a rollout leaves a moment in which no Pod serves (of a DaemonSet: none on a node).
pub fn has_gap(workload: &Value) -> bool {
    match text(workload, "/kind") {
        Some("Deployment") => goes_first(workload) == GoesFirst::All || max_unavailable(workload) >= replicas(workload),
        Some("DaemonSet") => !daemons_surge(workload),
        Some("StatefulSet" | "ReplicaSet") => replicas(workload) <= 1,
        _ => false,
    }
}

/// How many Pods of a rolling Deployment may be missing, resolved as its controller does: percentages rounded down,
/// and one where neither may any be missing nor any come first.
pub fn max_unavailable(deployment: &Value) -> u64 {
    let wanted = replicas(deployment);
    let rolling = |field: &str| deployment.pointer(&format!("/spec/strategy/rollingUpdate/{field}"));
    let unavailable = share(rolling("maxUnavailable"), wanted, false);
    let surge = share(rolling("maxSurge"), wanted, true);
    if unavailable == 0 && surge == 0 { 1 } else { unavailable }
}

/// A number or a percentage of Pods; 25% where there is none, the API server's default.
fn share(value: Option<&Value>, of: u64, round_up: bool) -> u64 {
    let percent = match value {
        None | Some(Value::Null) => 25,
        Some(Value::String(text)) => text.strip_suffix('%').and_then(|number| number.parse().ok()).unwrap_or(0),
        Some(number) => return number.as_u64().unwrap_or(0),
    };
    let hundredfold = of.saturating_mul(percent);
    if round_up { hundredfold.div_ceil(100) } else { hundredfold / 100 }
}

fn daemons_surge(set: &Value) -> bool {
    let surge = set.pointer("/spec/updateStrategy/rollingUpdate/maxSurge").unwrap_or(&Value::Null);
    !surge.is_null() && surge.as_i64() != Some(0) && surge.as_str() != Some("0%")
}

/// The first ordinal that a StatefulSet's partition lets roll; `None` when it holds nothing back.
pub fn partition(set: &Value) -> Option<u64> {
    if text(set, "/kind") != Some("StatefulSet") || is_on_delete(set) {
        return None;
    }
    let partition = set.pointer("/spec/updateStrategy/rollingUpdate/partition").and_then(Value::as_u64)?;
    (partition > 0).then_some(partition)
}

/// Whether the controller replaces no Pod that somebody else has not deleted.
pub fn is_on_delete(workload: &Value) -> bool {
    text(workload, "/spec/updateStrategy/type") == Some("OnDelete")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(replicas: u64, rolling: Value) -> Value {
        json!({"kind": "Deployment", "spec": {"replicas": replicas, "strategy": {"rollingUpdate": rolling}}})
    }

    #[test]
    fn a_deployment_resolves_its_bounds_as_its_controller_does() {
        for (what, object, first, gap) in [
            ("one, defaults", deployment(1, json!(null)), GoesFirst::Nothing, false),
            ("four, defaults", deployment(4, json!(null)), GoesFirst::One, false),
            ("no surge", deployment(2, json!({"maxSurge": 0, "maxUnavailable": 1})), GoesFirst::One, false),
            ("one, no surge", deployment(1, json!({"maxSurge": 0, "maxUnavailable": 1})), GoesFirst::One, true),
            (
                "one that may be missing",
                deployment(1, json!({"maxSurge": 1, "maxUnavailable": 1})),
                GoesFirst::One,
                true,
            ),
            (
                "both round to none",
                deployment(2, json!({"maxSurge": 0, "maxUnavailable": "25%"})),
                GoesFirst::One,
                false,
            ),
            (
                "none may be missing",
                deployment(8, json!({"maxSurge": "25%", "maxUnavailable": 0})),
                GoesFirst::Nothing,
                false,
            ),
            (
                "recreate",
                json!({"kind": "Deployment", "spec": {"strategy": {"type": "Recreate"}}}),
                GoesFirst::All,
                true,
            ),
        ] {
            assert_eq!((goes_first(&object), has_gap(&object)), (first, gap), "{what}");
        }
    }

    #[test]
    fn daemons_may_surge() {
        let set = |rolling: Value| json!({"kind": "DaemonSet", "spec": {"updateStrategy": {"rollingUpdate": rolling}}});
        assert_eq!(goes_first(&set(json!({"maxSurge": "10%"}))), GoesFirst::Nothing);
        assert_eq!(goes_first(&set(json!({"maxSurge": 0}))), GoesFirst::One);
        assert!(has_gap(&set(json!(null))) && !has_gap(&set(json!({"maxSurge": 1}))));
    }

    #[test]
    fn a_partition_counts_while_the_set_rolls() {
        let set = |strategy: Value| json!({"kind": "StatefulSet", "spec": {"updateStrategy": strategy}});
        assert_eq!(partition(&set(json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}))), Some(2));
        assert_eq!(partition(&set(json!({"rollingUpdate": {"partition": 0}}))), None);
        assert_eq!(partition(&set(json!({"type": "OnDelete", "rollingUpdate": {"partition": 2}}))), None);
    }
}
