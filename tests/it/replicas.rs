//! Workloads of several Pods: all of them are replaced, one at a time, and only those of the right workload.

use crate::support::manifests::{config_map, container, env_of, spec, workload, yaml};
use crate::support::{Draft, Namespace, Watch, cluster};
use serde_json::json;

fn user(key: &str) -> serde_json::Value {
    spec(&container("nginx", &json!({"env": [env_of("CM", "config", key)]})), &json!({}))
}

#[test]
fn three_replicas_are_replaced_one_at_a_time() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "replicas");
    let manifest = yaml(&[
        config_map("config", &[("key", "old value")]),
        workload("ReplicaSet", "many", "many", Some(3), &user("key")),
        workload("StatefulSet", "state", "state", Some(3), &user("key")),
    ]);
    let draft = Draft::of("Replicated", &[("all.yaml", &manifest)], &["many", "state"]);
    ns.vnf(&["instantiate", "replicated", "--package", &draft.write().path()]).succeeds();
    let old = ns.at_rest();
    let owners = ["ReplicaSet/many", "StatefulSet/state"];
    for owner in owners {
        assert_eq!(old.pods_of(owner).iter().filter(|pod| pod.is_ready()).count(), 3, "{owner}");
    }

    let watch = Watch::pods(&ns);
    let draft = draft.edit("all.yaml", "old value", "new value");
    ns.vnf(&["update", "replicated", "--package", &draft.write().path()]).succeeds();
    let seen = watch.end(&ns);
    let new = ns.at_rest();

    for owner in owners {
        let (old, new) = (old.pods_of(owner), new.pods_of(owner));
        assert_eq!(new.len(), 3, "{owner}");
        for pod in &new {
            assert!(pod.is_ready() && old.iter().all(|old| old.uid() != pod.uid()), "{} is new", pod.name());
            assert!(ns.log(pod.name()).contains("CM=new value\n"), "{} sees the new value", pod.name());
        }
        let (fewest, moments) = seen.fewest_ready(owner);
        assert!(moments >= 6, "the watch saw only {moments} changes of {owner}");
        assert_eq!(fewest, 2, "of {owner} one Pod at a time was down, in {moments} changes");
    }
}

#[test]
fn workloads_with_one_selector_are_told_apart_by_owner() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "selector");
    let manifest = yaml(&[
        config_map("config", &[("a", "a old"), ("b", "b old"), ("c", "c old")]),
        workload("Deployment", "web", "web", Some(1), &user("a")),
        workload("Deployment", "web-too", "web", Some(1), &user("b")),
        workload("ReplicaSet", "web-set", "web", Some(2), &user("c")),
    ]);
    let mut draft = Draft::of("Selected", &[("all.yaml", &manifest)], &["web", "web-too", "web-set"]);
    ns.vnf(&["instantiate", "selected", "--package", &draft.write().path()]).succeeds();

    let owners = ["Deployment/web", "Deployment/web-too", "ReplicaSet/web-set"];
    for (key, owner) in ["a", "b", "c"].into_iter().zip(owners) {
        let old = ns.at_rest();
        draft = draft.edit("all.yaml", &format!("{key} old"), &format!("{key} new"));
        ns.vnf(&["update", "selected", "--package", &draft.write().path()]).succeeds();
        let new = ns.at_rest();
        for other in owners {
            let lives = |objects: &crate::support::Objects| -> Vec<_> {
                objects.pods_of(other).iter().map(|pod| pod.life()).collect()
            };
            if other == owner {
                assert_eq!(lives(&new).len(), lives(&old).len());
                assert!(
                    lives(&new).iter().all(|life| !lives(&old).contains(life)),
                    "{key}: all Pods of {other} are new"
                );
            } else {
                assert_eq!(lives(&new), lives(&old), "{key}: the Pods of {other} are untouched");
            }
        }
    }
}
