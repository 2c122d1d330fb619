//! Termination leaves nothing of an instance, and everything else.

use crate::support::manifests::{config_map, container, env_of, pod, spec, yaml};
use crate::support::sample::{AFTER, BEFORE, instantiate, shipped, update_request};
use crate::support::{Draft, Namespace, cluster, eventually, written};
use serde_json::{Value, json};
use std::time::Duration;

/// Objects that look like the sample's, and are somebody else's.
fn foreign() -> String {
    let labelled = |mut object: Value, labels: Value| {
        object["metadata"]["labels"] = labels;
        object
    };
    let ours = json!({"app.kubernetes.io/managed-by": "kubectl-vnf"});
    yaml(&[
        config_map("cm-data2", &[("cmKey1.txt", "theirs")]),
        labelled(config_map("cm-data-managed", &[("cmKey1.txt", "theirs")]), ours),
        labelled(config_map("vnf-notes", &[("text", "theirs")]), json!({"app": "webserver"})),
        pod("env-test3", &spec(&container("nginx", &json!({})), &json!({}))),
    ])
}

#[test]
fn terminate_with_delete_leaves_nothing_and_touches_nothing_else() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "terminate");
    ns.create(&foreign());
    ns.kubectl(&["wait", "--for=condition=Ready", "pod/env-test3", "--timeout=60s"]).succeeds();
    let before = ns.at_rest();
    instantiate(&ns);
    ns.vnf(&["update", BEFORE, "--package", &shipped("after"), "-f", &update_request()]).succeeds();
    // Another's object with our instance's label: the record does not list it.
    let id = ns.objects().instance().record()["id"].as_str().expect("an id").to_owned();
    ns.kubectl(&["label", "configmap", "cm-data2", &format!("kubectl-vnf/instance={id}")]).succeeds();

    ns.vnf(&["terminate", AFTER, "--delete", "--yes"]).succeeds();

    let left = ns.objects();
    for name in left.names() {
        assert!(before.has(name), "{name} is left");
    }
    assert_eq!(written(&before, &left), ["ConfigMap/cm-data2"], "of what was there, only the labelled one has changed");
    assert_eq!(left.get("ConfigMap/cm-data2").uid(), before.get("ConfigMap/cm-data2").uid());
    ns.vnf(&["list", "--no-headers"]).succeeds().never_says([AFTER, BEFORE]);
}

#[test]
fn a_terminated_instance_can_be_instantiated_again_and_deleted() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "again");
    let before = ns.at_rest();
    instantiate(&ns);
    ns.vnf(&["delete", BEFORE]).exits(1).says(["terminate"]);
    ns.vnf(&["terminate", BEFORE, "--yes"]).succeeds();
    assert_eq!(ns.objects().of_kind("Pod").count(), 0);
    assert_eq!(ns.objects().instance().record()["instantiationState"], "NOT_INSTANTIATED");
    instantiate(&ns);
    assert_eq!(ns.objects().of_kind("Pod").filter(|pod| pod.is_ready()).count(), 8);
    ns.vnf(&["terminate", BEFORE, "--yes", "--force"]).succeeds();
    ns.vnf(&["delete", BEFORE]).succeeds();
    // Operations are collected by their owner reference.
    eventually("nothing is left", Duration::from_secs(20), || written(&before, &ns.objects()).is_empty().then_some(()));
}

#[test]
fn two_instances_in_one_namespace_do_not_meet() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "two");
    let draft = |name: &str| {
        let user =
            spec(&container("nginx", &json!({"env": [env_of("CM", &format!("{name}-config"), "key")]})), &json!({}));
        let config = config_map(&format!("{name}-config"), &[("key", "value one")]);
        Draft::of(&format!("Product {name}"), &[("all.yaml", &yaml(&[config, pod(name, &user)]))], &[name])
    };
    let (first, second) = (draft("first"), draft("second"));
    for (name, draft) in [("first", &first), ("second", &second)] {
        ns.vnf(&["instantiate", name, "--package", &draft.write().path()]).succeeds();
    }
    ns.vnf(&["list"])
        .succeeds()
        .says(["first INSTANTIATED Product first 1.0", "second INSTANTIATED Product second 1.0"]);
    let of_second = |names: Vec<String>| names.into_iter().filter(|name| name.contains("second")).collect::<Vec<_>>();

    let old = ns.at_rest();
    ns.vnf(&["update", "first", "--package", &first.edit("all.yaml", "value one", "value two").write().path()])
        .succeeds();
    let new = ns.at_rest();
    assert_ne!(new.get("Pod/first").uid(), old.get("Pod/first").uid());
    assert_eq!(of_second(written(&old, &new)), [""; 0]);
    // A package of another product is refused with both named.
    ns.vnf(&["update", "first", "--package", &second.write().path()])
        .exits(1)
        .says(["Product first", "Product second"]);
    ns.vnf(&["terminate", "first", "--delete", "--yes"]).succeeds();
    let left = ns.at_rest();
    assert_eq!(of_second(written(&old, &left)), [""; 0]);
    assert!(left.names().iter().all(|name| !name.contains("/first")));
    assert_eq!(left.instance().record()["vnfInstanceName"], "second");
}
