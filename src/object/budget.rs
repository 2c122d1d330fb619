//! PodDisruptionBudgets: which Pods they cover, and whether they allow an eviction.

use super::text;
use super::workload::items;
use serde_json::Value;

/// What a budget says of evictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allows {
    /// At least one, now.
    Now,
    /// None now; it may when more of its Pods are healthy.
    Later,
    /// None, even when all its Pods are healthy.
    Never,
    /// Its controller has not looked at it yet.
    Unknown,
}

/// Whether a budget allows an eviction.
pub fn allows(budget: &Value) -> Allows {
    let number = |pointer: &str| budget.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
    if number("/status/observedGeneration") < number("/metadata/generation") {
        return Allows::Unknown;
    }
    if number("/status/disruptionsAllowed") > 0 {
        return Allows::Now;
    }
    let (desired, expected) = (number("/status/desiredHealthy"), number("/status/expectedPods"));
    if expected > 0 && desired >= expected { Allows::Never } else { Allows::Later }
}

/// How many of a budget's Pods are healthy, and how many must be.
pub fn healthy(budget: &Value) -> (u64, u64) {
    let number = |field: &str| budget["status"][field].as_u64().unwrap_or(0);
    (number("currentHealthy"), number("desiredHealthy"))
}

/// What its author wrote: `minAvailable 2`, `maxUnavailable 0`.
pub fn bound(budget: &Value) -> String {
    let bounds = ["minAvailable", "maxUnavailable"];
    let found = bounds.iter().find_map(|field| match &budget["spec"][*field] {
        Value::Null => None,
        Value::String(share) => Some(format!("{field} {share}")),
        other => Some(format!("{field} {other}")),
    });
    found.unwrap_or_default()
}

/// Whether a budget covers a Pod of its namespace. An empty selector covers all Pods (`policy/v1`), an absent one none.
pub fn covers(budget: &Value, pod: &Value) -> bool {
    let same_place = text(budget, "/metadata/namespace") == text(pod, "/metadata/namespace");
    same_place && selects(&budget["spec"]["selector"], &pod["metadata"]["labels"])
}

/// Whether a label selector fits labels.
fn selects(selector: &Value, labels: &Value) -> bool {
    let Some(fields) = selector.as_object() else { return false };
    let equal = fields.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
    let fits = |rule: &Value| {
        let label = text(rule, "/key").and_then(|key| labels.get(key)).and_then(Value::as_str);
        let listed = label.is_some_and(|label| items(rule, "values").iter().any(|value| value == label));
        match text(rule, "/operator") {
            Some("In") => listed,
            Some("NotIn") => !listed,
            Some("Exists") => label.is_some(),
            Some("DoesNotExist") => label.is_none(),
            _ => false,
        }
    };
    equal.into_iter().all(|(key, value)| labels.get(key) == Some(value))
        && items(selector, "matchExpressions").iter().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_selector_covers_what_its_rules_say() {
        let pod = json!({"metadata": {"namespace": "n", "labels": {"app": "web", "tier": "front"}}});
        let rule = |key: &str, operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        for (what, selector, expected) in [
            ("all", json!({}), true),
            ("none", json!(null), false),
            ("label", json!({"matchLabels": {"app": "web"}}), true),
            ("other label", json!({"matchLabels": {"app": "web", "tier": "back"}}), false),
            ("in", rule("app", "In", &["db", "web"]), true),
            ("not in", rule("app", "NotIn", &["web"]), false),
            ("not in, absent", rule("zone", "NotIn", &["a"]), true),
            ("exists", rule("zone", "Exists", &[]), false),
            ("does not exist", rule("zone", "DoesNotExist", &[]), true),
        ] {
            let budget = json!({"metadata": {"namespace": "n"}, "spec": {"selector": selector}});
            assert_eq!(covers(&budget, &pod), expected, "{what}");
        }
        assert!(!covers(&json!({"metadata": {"namespace": "m"}, "spec": {"selector": {}}}), &pod));
    }

    #[test]
    fn never_is_told_from_not_now() {
        let budget = |allowed: u64, desired: u64, expected: u64| {
            json!({"metadata": {"generation": 1}, "status": {"observedGeneration": 1, "disruptionsAllowed": allowed,
                "desiredHealthy": desired, "expectedPods": expected}})
        };
        assert_eq!(allows(&budget(1, 1, 2)), Allows::Now);
        assert_eq!(allows(&budget(0, 1, 2)), Allows::Later);
        assert_eq!(allows(&budget(0, 2, 2)), Allows::Never);
        assert_eq!(allows(&json!({"metadata": {"generation": 1}, "spec": {}})), Allows::Unknown);
        assert_eq!(bound(&json!({"spec": {"maxUnavailable": "0%"}})), "maxUnavailable 0%");
        assert_eq!(bound(&json!({"spec": {"minAvailable": 2}})), "minAvailable 2");
    }
}
