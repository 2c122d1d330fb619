//! Undo: back to an earlier revision after an update that completed.

use crate::support::sample::{self, AFTER, BEFORE, UNTOUCHED, WORKLOADS, instantiated, shipped, update_request};
use crate::support::{Draft, cluster, written};

#[test]
fn undo_brings_images_and_config_back_and_leaves_the_rest_alone() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "undo");
    ns.vnf(&["undo", BEFORE]).exits(1).says(["no earlier revision"]);
    let old = ns.at_rest();
    ns.vnf(&["update", BEFORE, "--package", &shipped("after"), "-f", &update_request()]).succeeds().says(["undo"]);
    let updated = ns.at_rest();
    sample::assert_updated(&ns, &old, &updated);

    let dry = ns.vnf(&["undo", AFTER, "--dry-run=server"]).succeeds();
    dry.says(["revision 2 -> 1", "cirros -> nginx", "stored in the cluster"]).never_says([sample::OLD_PASSWORD]);
    assert_eq!(written(&updated, &ns.objects()), [""; 0], "a dry run wrote");
    ns.vnf(&["undo", AFTER]).succeeds().says(["undone", "revision 3", "Restarted: 5 Pods", "Untouched: 3 Pods"]);

    let undone = ns.at_rest();
    for name in ["ConfigMap/cm-data", "Secret/secret-data"] {
        assert_eq!(undone.get(name).0["data"], old.get(name).0["data"], "{name}");
    }
    for (_, workload) in WORKLOADS {
        assert_eq!(undone.image(workload), old.image(workload), "{workload}");
        assert!(undone.pod_of(workload).is_ready(), "{workload}");
    }
    for name in ["Pod/env-test", "Pod/volume-test"] {
        let (before, after) = (updated.get(name).life(), undone.get(name).life());
        assert_eq!((&after.uid, after.restarts), (&before.uid, before.restarts + 1), "{name} restarted in place");
    }
    for workload in UNTOUCHED {
        assert_eq!(undone.pod_of(workload).life(), old.pod_of(workload).life(), "{workload} is untouched");
    }
    sample::assert_saw_old(&ns, &undone, &WORKLOADS.map(|(_, workload)| workload)[..5]);
    let record = undone.instance().record();
    assert_eq!((&record["vnfdId"], &record["vnfInstanceName"]), (&old.instance().record()["vnfdId"], &AFTER.into()));

    // Undoing the undo is the update again; any earlier revision can be named.
    ns.vnf(&["undo", AFTER]).succeeds();
    assert_eq!(ns.objects().image("Deployment/vdu1-update"), "cirros");
    ns.vnf(&["undo", AFTER, "--to-revision=1"]).succeeds();
    assert_eq!(ns.objects().image("Deployment/vdu1-update"), "nginx");
    ns.vnf(&["undo", AFTER, "--to-revision=5"]).exits(1).says(["revision 5", "in force already"]);
    ns.vnf(&["undo", AFTER, "--to-revision=77"]).exits(1).says(["no revision 77", "1, 2, 3, 4"]);
}

#[test]
fn undo_of_config_alone_restarts_its_users_only() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "undo-config");
    let draft = Draft::sample("before").edit("configmap_1.yaml", "configmap data", "other data");
    ns.vnf(&["update", BEFORE, "--package", &draft.write().path()]).succeeds();
    let updated = ns.at_rest();
    ns.vnf(&["undo", BEFORE]).succeeds();
    let undone = ns.at_rest();
    sample::assert_saw_old(&ns, &undone, &WORKLOADS.map(|(_, workload)| workload)[..5]);
    for workload in UNTOUCHED {
        assert_eq!(undone.pod_of(workload).life(), updated.pod_of(workload).life(), "{workload} is untouched");
    }
}
