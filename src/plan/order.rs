//! In which order kinds are created and deleted.

use crate::object::ObjectRef;

/// A group of kinds that may be written in parallel; lower phases come first.
///
/// The order is what objects need of each other when they are admitted: a Namespace before what lives in it, a CRD
/// before its custom resources, a ServiceAccount, PriorityClass or quota before Pods, configuration before those
/// who read it. Workloads and Pods come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Namespaces and CustomResourceDefinitions: waited for before anything else is written.
    Ground,
    /// Classes, accounts, roles, limits.
    Rules,
    /// ConfigMaps, Secrets, volumes, Services, and every kind that no other phase names.
    Support,
    /// What runs Pods.
    Workloads,
    /// What acts on workloads: autoscalers, disruption budgets, webhooks.
    Guards,
}

/// The phase of an object, by its kind.
pub fn phase(object: &ObjectRef) -> Phase {
    match object.kind.as_str() {
        "Namespace" | "CustomResourceDefinition" => Phase::Ground,
        "PriorityClass" | "RuntimeClass" | "StorageClass" | "IngressClass" | "ServiceAccount" | "Role"
        | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding" | "ResourceQuota" | "LimitRange" => Phase::Rules,
        "Pod"
        | "Deployment"
        | "DaemonSet"
        | "ReplicaSet"
        | "StatefulSet"
        | "ReplicationController"
        | "Job"
        | "CronJob" => Phase::Workloads,
        "HorizontalPodAutoscaler"
        | "PodDisruptionBudget"
        | "ValidatingWebhookConfiguration"
        | "MutatingWebhookConfiguration"
        | "APIService" => Phase::Guards,
        _ => Phase::Support,
    }
}

/// Whether an object is of a kind that a CRD defines: deleted before the workloads, since the operator that removes
/// its finalizers may be one of them.
pub fn is_custom(object: &ObjectRef) -> bool {
    let group = object.group();
    group.contains('.') && !group.ends_with(".k8s.io")
}

/// Whether an object holds data that must outlive what uses it: never deleted unless asked for.
pub fn holds_data(object: &ObjectRef) -> bool {
    matches!(object.kind.as_str(), "PersistentVolumeClaim" | "PersistentVolume")
}

/// Whether an object does its work once and is done: it runs when it is created, and again only where a new package says
/// otherwise of it. One that is gone by now has run.
pub fn runs_once(object: &ObjectRef) -> bool {
    object.kind == "Job" && object.group() == "batch"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_need_comes_first() {
        let of = |kind| phase(&ObjectRef::new("v1", kind, None, "x"));
        assert!(of("Namespace") < of("ServiceAccount"));
        assert!(of("ServiceAccount") < of("Secret"));
        assert!(of("Secret") < of("Pod"));
        assert_eq!(of("SomethingCustom"), of("ConfigMap"));
    }
}
