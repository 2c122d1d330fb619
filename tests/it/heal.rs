//! Healing: one VNFC alone, and all workloads from the package that an update has brought.

use crate::support::sample::{AFTER, BEFORE, WORKLOADS, instantiated, shipped, update_request};
use crate::support::{Objects, cluster};
use std::collections::BTreeMap;

/// Workloads whose Pods are others than before.
fn moved(old: &Objects, new: &Objects) -> Vec<&'static str> {
    let all = WORKLOADS.map(|(_, workload)| workload).into_iter();
    all.filter(|workload| new.pod_of(workload).life() != old.pod_of(workload).life()).collect()
}

#[test]
fn heal_of_a_vnfc_respawns_its_pod_alone() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "heal-one");
    for (vdu, workload) in
        [("VDU1", "Deployment/vdu1-update"), ("VDU2", "ReplicaSet/vdu2-update"), ("VDU3", "Pod/env-test")]
    {
        let old = ns.at_rest();
        let pod = old.pod_of(workload);
        ns.vnf(&["heal", BEFORE, "--vnfc", &format!("{vdu}-{}", pod.name()), "--cause", "a test"]).succeeds();
        let new = ns.at_rest();
        assert_eq!(moved(&old, &new), [workload]);
        assert!(new.pod_of(workload).is_ready() && new.pod_of(workload).uid() != pod.uid());
        for (_, workload) in WORKLOADS.iter().filter(|(_, workload)| !workload.starts_with("Pod/")) {
            assert_eq!(new.get(workload).uid(), old.get(workload).uid());
        }
    }
    // What is gone is made again, under its name.
    ns.kubectl(&["delete", "pod", "volume-test2"]).succeeds();
    ns.vnf(&["heal", BEFORE, "--vnfc", "VDU8-volume-test2"]).succeeds();
    assert!(ns.objects().get("Pod/volume-test2").is_ready());
    ns.vnf(&["heal", BEFORE]).exits(2).says(["VDU3-env-test"]);
    ns.vnf(&["heal", BEFORE, "--vnfc", "VDU3-nobody"]).exits(1).says(["VDU3-nobody"]);
}

#[test]
fn heal_of_all_recreates_the_workloads_from_the_new_package() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "heal-all");
    ns.vnf(&["update", BEFORE, "--package", &shipped("after"), "-f", &update_request()]).succeeds();
    let old = ns.at_rest();
    let port = |objects: &Objects| {
        objects.get("ReplicaSet/vdu2-update").number("/spec/template/spec/containers/0/ports/0/containerPort")
    };
    assert_eq!(port(&old), 80);

    ns.vnf(&["heal", AFTER, "--all", "--yes"]).succeeds();
    let new = ns.at_rest();
    assert_eq!(port(&new), 180);
    assert_eq!(moved(&old, &new), WORKLOADS.map(|(_, workload)| workload));
    for (_, workload) in WORKLOADS {
        assert_ne!(new.get(workload).uid(), old.get(workload).uid(), "{workload} is made again");
        assert_eq!(new.image(workload), old.image(workload), "{workload}");
        assert!(new.pod_of(workload).is_ready());
    }
    let config = |objects: &Objects| -> BTreeMap<String, String> {
        let of = |kind: &str| -> Vec<_> {
            objects.of_kind(kind).map(|o| (o.name().to_owned(), o.uid().to_owned())).collect()
        };
        let all = of("ConfigMap").into_iter().chain(of("Secret"));
        all.filter(|(name, _)| name.starts_with("cm-data") || name.starts_with("secret-data")).collect()
    };
    assert_eq!(config(&old).len(), 4);
    assert_eq!(config(&new), config(&old), "ConfigMaps and Secrets stay");
    ns.vnf(&["show", AFTER]).succeeds().never_says(["80 -> 180"]);
    ns.vnf(&["update", AFTER]).succeeds().says(["unchanged"]);
}
