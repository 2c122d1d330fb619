//! What will follow from a plan that its items do not say by themselves: who holds a Pod back, who waits for whom.
//!
//! Disruption budgets and autoscalers are none of the VNF's own objects: they come in as [`Surroundings`].

use super::{Item, ItemState, Live, Step};
use crate::object::budget::{self, Allows};
use crate::object::health::below_partition;
use crate::object::pod::{active, is_ready};
use crate::object::reference::uses;
use crate::object::rollout::{is_on_delete, partition};
use crate::object::workload::{WorkloadKind, pod_spec};
use crate::object::{ObjectRef, text, uid};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// Objects around a VNF that take part in what happens to its Pods.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// PodDisruptionBudgets; `None`: they may not be read.
    pub budgets: Option<Vec<Value>>,
    /// HorizontalPodAutoscalers; `None`: they may not be read.
    pub autoscalers: Option<Vec<Value>>,
    /// What a tried eviction of a Pod came to, where the budgets may not be read.
    pub evictions: Vec<(ObjectRef, Tried)>,
}

/// An eviction that the server did not accept when it was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// A budget holds the Pod now; the server's words.
    Held(String),
    /// Several budgets cover the Pod, which the server never evicts then.
    SeveralBudgets,
}

/// One thing that follows, of one object of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Consequence {
    /// The object.
    pub object: ObjectRef,
    /// What follows.
    pub what: Ahead,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "is")]
pub enum Ahead {
    /// A StatefulSet's partition: these Pods keep the old template.
    #[serde(rename_all = "camelCase")]
    HeldBack {
        /// The first ordinal that rolls.
        partition: u64,
        /// The Pods below it.
        pods: Vec<String>,
    },
    /// `updateStrategy: OnDelete`: its controller replaces nothing, so this program does.
    OnDelete,
    /// An autoscaler decides over the replicas.
    #[serde(rename_all = "camelCase")]
    Autoscaled {
        /// Its name.
        by: String,
        /// `spec.minReplicas`.
        min: u64,
        /// `spec.maxReplicas`.
        max: u64,
    },
    /// An autoscaler sets the replicas that this operation sets.
    #[serde(rename_all = "camelCase")]
    Contested {
        /// Its name.
        by: String,
        /// `spec.minReplicas`.
        min: u64,
        /// `spec.maxReplicas`.
        max: u64,
    },
    /// A StatefulSet that deletes the claims, and so the data, of the Pods that it removes.
    ClaimsGo,
    /// A disruption budget allows no eviction now.
    #[serde(rename_all = "camelCase")]
    Budget {
        /// Its name.
        by: String,
        /// What its author wrote.
        bound: String,
        /// Pods that are healthy.
        healthy: u64,
        /// Pods that must be.
        needed: u64,
        /// It allows none even when all its Pods are healthy.
        never: bool,
    },
    /// A budget that may not be read held a Pod when its eviction was tried.
    #[serde(rename_all = "camelCase")]
    Held {
        /// The Pod.
        pod: String,
        /// The server's words.
        words: String,
    },
    /// A ConfigMap or Secret is gone for a moment: Pods of these that start in between wait for it.
    #[serde(rename_all = "camelCase")]
    Gap {
        /// VDUs, or workloads without one, that read it.
        readers: Vec<String>,
        /// It was immutable: a kubelet keeps the content of such an object for as long as one Pod on its node uses it,
        /// and gives it to new Pods too (kubernetes/kubernetes#119733, and seen on 1.37).
        stale: bool,
    },
}

/// Everything that follows from the items.
pub fn of(items: &[Item], live: &Live, around: &Surroundings) -> Vec<Consequence> {
    let mut found = Vec::new();
    for item in items.iter().filter(|item| item.state == ItemState::ToDo) {
        let Some(object) = live.get(&item.object) else { continue };
        let mut follows = |what| found.push(Consequence { object: item.object.clone(), what });
        if let Step::Config { replace: Some(_), .. } = item.step {
            let stale = object["immutable"] == true;
            follows(Ahead::Gap { readers: readers(items, live, &item.object), stale });
        }
        if let Some(from) = partition(object).filter(|_| matches!(item.step, Step::RollOut { .. })) {
            let pods = live.pods_of(&item.object);
            let pods = pods.into_iter().filter(|pod| below_partition(object, pod)).map(name_of).collect();
            follows(Ahead::HeldBack { partition: from, pods });
        }
        if matches!(item.step, Step::ReplacePods { .. }) && is_on_delete(object) {
            follows(Ahead::OnDelete);
        }
        if let Step::Scale { before, after, .. } = item.step
            && after < before
            && text(object, "/spec/persistentVolumeClaimRetentionPolicy/whenScaled") == Some("Delete")
        {
            follows(Ahead::ClaimsGo);
        }
        let scales_it = matches!(item.step, Step::Scale { .. });
        let moves = matches!(item.step, Step::RollOut { .. } | Step::ReplacePods { .. } | Step::Recreate { .. });
        if moves || scales_it {
            for scaler in around.autoscalers.iter().flatten().filter(|scaler| scales(scaler, &item.object)) {
                let number = |field: &str| scaler["spec"][field].as_u64().unwrap_or(1);
                let (by, min, max) = (name_of(scaler), number("minReplicas"), number("maxReplicas"));
                follows(match scales_it {
                    true => Ahead::Contested { by, min, max },
                    false => Ahead::Autoscaled { by, min, max },
                });
            }
        }
        let evicted = evicted(item, live);
        for budget in around.budgets.iter().flatten() {
            let allows = budget::allows(budget);
            let closed = matches!(allows, Allows::Later | Allows::Never);
            if closed && evicted.iter().any(|pod| budget::covers(budget, pod)) {
                let (healthy, needed) = budget::healthy(budget);
                let bound = budget::bound(budget);
                let never = allows == Allows::Never;
                follows(Ahead::Budget { by: name_of(budget), bound, healthy, needed, never });
            }
        }
        for (pod, tried) in &around.evictions {
            if let Tried::Held(words) = tried
                && evicted.iter().any(|one| ObjectRef::of(one).as_ref() == Some(pod))
            {
                follows(Ahead::Held { pod: pod.name.clone(), words: words.clone() });
            }
        }
    }
    found
}

/// Items with Pods that no eviction would ever remove, for several budgets cover them; with the names of these Pods
/// and, as far as they are known, of the budgets.
pub fn in_several_budgets<'a>(
    items: &'a [Item],
    live: &Live,
    around: &Surroundings,
) -> Vec<(&'a Item, Vec<String>, Vec<String>)> {
    let mut found = Vec::new();
    for item in items.iter().filter(|item| item.state == ItemState::ToDo) {
        let mut pods = Vec::new();
        let mut budgets = BTreeSet::new();
        for pod in evicted(item, live) {
            let covering = around.budgets.iter().flatten().filter(|budget| budget::covers(budget, pod));
            let names: Vec<String> = covering.map(name_of).collect();
            let reference = ObjectRef::of(pod);
            let tried =
                |(one, tried): &(ObjectRef, Tried)| *tried == Tried::SeveralBudgets && reference.as_ref() == Some(one);
            if names.len() > 1 || around.evictions.iter().any(tried) {
                pods.push(name_of(pod));
                budgets.extend(names);
            }
        }
        if !pods.is_empty() {
            found.push((item, pods, budgets.into_iter().collect()));
        }
    }
    found
}

/// The Pods of an item that are replaced through evictions: those that serve. The others are deleted.
pub fn evicted<'a>(item: &Item, live: &'a Live) -> Vec<&'a Value> {
    let goes = |pod: &&Value| match &item.step {
        Step::ReplacePods { .. } | Step::Respawn { .. } => item.pods.contains(&name_of(pod)),
        Step::RollOut { strays, .. } => strays.iter().any(|stray| stray == uid(pod)),
        _ => false,
    };
    live.pods_of(&item.object).into_iter().filter(goes).filter(|pod| active(pod) && is_ready(pod)).collect()
}

/// Who reads a ConfigMap or Secret, among the live objects of the plan and those beside it.
fn readers(items: &[Item], live: &Live, config: &ObjectRef) -> Vec<String> {
    let mut readers = BTreeSet::new();
    for (reference, object) in live.objects().filter(|(reference, _)| WorkloadKind::of(reference).is_some()) {
        // Pods and ReplicaSets of a controller speak through it.
        if crate::object::workload::controller_uid(object).is_some() {
            continue;
        }
        let reads = pod_spec(object).map(uses).unwrap_or_default();
        if reads.iter().any(|one| one.kind.as_str() == config.kind && one.name == config.name && !one.optional) {
            let vdu = items.iter().find(|item| item.object == *reference).and_then(|item| item.vdu.clone());
            readers.insert(vdu.unwrap_or_else(|| reference.to_string()));
        }
    }
    readers.into_iter().collect()
}

fn scales(scaler: &Value, object: &ObjectRef) -> bool {
    let target = &scaler["spec"]["scaleTargetRef"];
    let group = text(target, "/apiVersion").and_then(|version| version.split_once('/')).map_or("", |(group, _)| group);
    group == object.group()
        && text(target, "/kind") == Some(&object.kind)
        && text(target, "/name") == Some(&object.name)
        && text(scaler, "/metadata/namespace") == object.namespace.as_deref()
}

fn name_of(object: &Value) -> String {
    text(object, "/metadata/name").unwrap_or("").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::order::phase;
    use serde_json::json;

    fn reference(kind: &str, name: &str) -> ObjectRef {
        ObjectRef::new(if kind == "Pod" { "v1" } else { "apps/v1" }, kind, Some("n"), name)
    }

    fn object(kind: &str, name: &str, spec: Value) -> Value {
        let api_version = reference(kind, name).api_version;
        json!({"apiVersion": api_version, "kind": kind, "spec": spec,
            "metadata": {"name": name, "namespace": "n", "uid": format!("uid-{name}")}})
    }

    fn pod(name: &str, owner: &str, ready: bool) -> Value {
        let mut pod = object("Pod", name, json!({"containers": []}));
        pod["metadata"]["labels"] = json!({"app": owner});
        pod["metadata"]["ownerReferences"] = json!([{"uid": format!("uid-{owner}"), "controller": true}]);
        let status = if ready { "True" } else { "False" };
        pod["status"] = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": status}]});
        pod
    }

    fn item(kind: &str, name: &str, step: Step, pods: &[&str]) -> Item {
        let object = reference(kind, name);
        let pods = pods.iter().map(|pod| (*pod).to_owned()).collect();
        Item { phase: phase(&object), object, vdu: None, step, state: ItemState::ToDo, reasons: Vec::new(), pods }
    }

    fn budget(name: &str, app: &str, allowed: u64, desired: u64, expected: u64) -> Value {
        json!({"metadata": {"name": name, "namespace": "n"},
            "spec": {"minAvailable": desired, "selector": {"matchLabels": {"app": app}}},
            "status": {"disruptionsAllowed": allowed, "desiredHealthy": desired, "currentHealthy": 1,
                "expectedPods": expected}})
    }

    fn live(objects: &[Value]) -> Live {
        let mut live = Live::default();
        objects.iter().for_each(|object| live.put(object.clone()));
        live
    }

    fn around(budgets: &[Value]) -> Surroundings {
        Surroundings { budgets: Some(budgets.to_vec()), ..Surroundings::default() }
    }

    #[test]
    fn a_closed_budget_holds_what_is_evicted_and_nothing_else() {
        let live = live(&[
            object("ReplicaSet", "set", json!({})),
            pod("set-1", "set", true),
            pod("set-2", "set", false),
            object("Deployment", "web", json!({})),
        ]);
        let replaced = item(
            "ReplicaSet",
            "set",
            Step::ReplacePods { patch: Vec::new(), whole: false, strays: Vec::new() },
            &["set-1", "set-2"],
        );
        let rolled = item(
            "Deployment",
            "web",
            Step::RollOut { patch: Vec::new(), whole: false, strays: Vec::new() },
            &["web-1"],
        );
        let items = [replaced, rolled];
        let what =
            |budget: Value| of(&items, &live, &around(&[budget])).into_iter().map(|one| one.what).collect::<Vec<_>>();
        let held =
            |never| Ahead::Budget { by: "b".into(), bound: "minAvailable 2".into(), healthy: 1, needed: 2, never };
        assert_eq!(what(budget("b", "set", 0, 2, 2)), [held(true)]);
        assert_eq!(what(budget("b", "set", 0, 2, 3)), [held(false)]);
        assert_eq!(what(budget("b", "set", 1, 2, 3)), []);
        assert_eq!(what(budget("b", "web", 0, 2, 2)), [], "a rollout asks no budget");

        let both = [budget("one", "set", 1, 0, 1), budget("two", "set", 1, 0, 1), budget("three", "web", 1, 0, 1)];
        let crowded = in_several_budgets(&items, &live, &around(&both));
        let [(found, pods, names)] = &crowded[..] else { panic!("one workload: {crowded:?}") };
        assert_eq!(found.object.name, "set");
        assert_eq!(*pods, ["set-1"], "who is not ready is deleted");
        assert_eq!(*names, ["one", "two"]);
    }

    #[test]
    fn partition_autoscaler_and_on_delete_are_told() {
        let set =
            object("StatefulSet", "db", json!({"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 1}}}));
        let live = live(&[
            set,
            pod("db-0", "db", true),
            pod("db-1", "db", true),
            object("DaemonSet", "agent", json!({"updateStrategy": {"type": "OnDelete"}})),
        ]);
        let items = [
            item(
                "StatefulSet",
                "db",
                Step::RollOut { patch: Vec::new(), whole: false, strays: Vec::new() },
                &["db-0", "db-1"],
            ),
            item("DaemonSet", "agent", Step::ReplacePods { patch: Vec::new(), whole: false, strays: Vec::new() }, &[]),
        ];
        let target = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db"});
        let scaler = json!({"metadata": {"name": "hpa", "namespace": "n"},
            "spec": {"scaleTargetRef": target, "maxReplicas": 5}});
        let around = Surroundings { autoscalers: Some(vec![scaler]), ..Surroundings::default() };
        let found: Vec<Ahead> = of(&items, &live, &around).into_iter().map(|one| one.what).collect();
        assert_eq!(
            found,
            [
                Ahead::HeldBack { partition: 1, pods: vec!["db-0".into()] },
                Ahead::Autoscaled { by: "hpa".into(), min: 1, max: 5 },
                Ahead::OnDelete,
            ]
        );
    }

    #[test]
    fn the_readers_of_a_replaced_secret_are_named() {
        let env = json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]);
        let reader = object("Pod", "reader", json!({"containers": [{"name": "c", "env": env}]}));
        let other = object("Pod", "other", json!({"containers": [{"name": "c"}]}));
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "immutable": true, "metadata": {"name": "s", "namespace": "n", "uid": "u"}});
        let live = live(&[reader, other, secret.clone()]);
        let step =
            Step::Config { keys: Vec::new(), replace: Some("immutable".into()), whole: false, patch: Vec::new() };
        let object = ObjectRef::of(&secret).expect("a reference");
        let item = Item { object, ..item("Pod", "s", step, &[]) };
        let found: Vec<Ahead> = of(&[item], &live, &Surroundings::default()).into_iter().map(|one| one.what).collect();
        assert_eq!(found, [Ahead::Gap { readers: vec!["Pod reader".into()], stale: true }]);
    }
}
