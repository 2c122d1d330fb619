//! The shipped sample, instantiated and updated as its story tells.

use super::cluster::Cluster;
use super::namespace::Namespace;
use super::objects::Objects;
use super::package::{Draft, Package, sample_request};
use super::run::Run;
use serde_json::json;

/// The name that the story instantiates, and what the update makes of it.
pub const BEFORE: &str = "sample-vnf";
pub const AFTER: &str = "modify_vnf_after";

/// The workloads of the sample by VDU.
pub const WORKLOADS: [(&str, &str); 8] = [
    ("VDU1", "Deployment/vdu1-update"),
    ("VDU2", "ReplicaSet/vdu2-update"),
    ("VDU3", "Pod/env-test"),
    ("VDU4", "Pod/volume-test"),
    ("VDU5", "DaemonSet/daemonset-vdu5"),
    ("VDU6", "Deployment/deployment2-vdu6"),
    ("VDU7", "Pod/env-test2"),
    ("VDU8", "Pod/volume-test2"),
];

/// Those that use nothing of what the sample's update changes.
pub const UNTOUCHED: [&str; 3] = ["Deployment/deployment2-vdu6", "Pod/env-test2", "Pod/volume-test2"];

pub const OLD_PASSWORD: &str = "example-pass-01";
pub const NEW_PASSWORD: &str = "example-pass-002";
const OLD_CONFIG: &str = "configmap data\nfoo\nbar";
const NEW_CONFIG: &str = "configmap2 data2\nfoo2\nbar2";
pub const OLD_SECRET: &str = "secret data\nbaz";
pub const NEW_SECRET: &str = "secret2 data2\nbaz2";

/// The shipped package `before` or `after`, as it is.
pub fn shipped(version: &str) -> String {
    sample_request(version)
}

/// A namespace in which the sample runs as the story's first step leaves it.
pub fn instantiated(cluster: &'static Cluster, purpose: &str) -> Namespace {
    let namespace = Namespace::new(cluster, purpose);
    instantiate(&namespace);
    namespace
}

/// The story's first step.
pub fn instantiate(namespace: &Namespace) -> Run {
    let (package, request) = (shipped("before"), sample_request("instance_kubernetes.json"));
    namespace.vnf(&["instantiate", BEFORE, "--package", &package, "-f", &request]).succeeds()
}

/// The package `after`, in which `from` is replaced by `to` in a manifest.
pub fn after_with(manifest: &str, from: &str, to: &str) -> Package {
    Draft::sample("after").edit(manifest, from, to).write()
}

/// The update's request file.
pub fn update_request() -> String {
    sample_request("sample_param_file.json")
}

/// Asserts that the story's update has brought what it promises, to an instance that was as in `old`.
pub fn assert_updated(ns: &Namespace, old: &Objects, new: &Objects) {
    for name in ["Pod/env-test", "Pod/volume-test"] {
        let (old, new) = (old.get(name).life(), new.get(name).life());
        assert_eq!((&new.uid, new.restarts), (&old.uid, old.restarts + 1), "{name} restarted in place");
    }
    for owner in ["Deployment/vdu1-update", "ReplicaSet/vdu2-update", "DaemonSet/daemonset-vdu5"] {
        let staying: Vec<_> = new.pods_of(owner).into_iter().filter(|pod| !pod.is_leaving()).collect();
        let [pod] = staying[..] else { panic!("{owner} has {} Pods", staying.len()) };
        assert!(pod.is_ready() && pod.uid() != old.pod_of(owner).uid(), "{owner} has a new Pod");
    }
    let changed = &WORKLOADS.map(|(_, workload)| workload)[..5];
    let images = ["cirros", "celebdor/kuryr-demo", "tomcat", "cirros", "cirros"];
    for (workload, image) in changed.iter().zip(images) {
        assert_eq!(new.image(workload), image, "{workload}");
    }
    assert_saw(ns, new, NEW_CONFIG, NEW_PASSWORD, NEW_SECRET, changed);

    for workload in UNTOUCHED {
        assert_eq!(new.pod_of(workload).life(), old.pod_of(workload).life(), "{workload} is untouched");
        assert_eq!(new.image(workload), "nginx");
    }
    for name in ["ConfigMap/cm-data3", "Secret/secret-data3"] {
        assert_eq!(new.get(name).version(), old.get(name).version(), "{name} is untouched");
    }
    assert_eq!(new.get("ReplicaSet/vdu2-update").number("/spec/template/spec/containers/0/ports/0/containerPort"), 80);

    let record = new.instance().record();
    assert_eq!(record["vnfdId"], "58bcc1c6-1400-46ec-b7fb-e508bf7e00e9");
    assert_eq!(record["vnfInstanceName"], AFTER);
    assert_eq!(
        record["metadata"]["configmap_secret_paths"],
        json!(["Files/kubernetes/configmap_2.yaml", "Files/kubernetes/secret_2.yaml"])
    );
}

/// Asserts that the containers of the Pods of `workloads` saw the configuration of the package `before`.
pub fn assert_saw_old(ns: &Namespace, objects: &Objects, workloads: &[&str]) {
    assert_saw(ns, objects, OLD_CONFIG, OLD_PASSWORD, OLD_SECRET, workloads);
}

/// Asserts what the containers of the Pods of `workloads` saw at their start.
fn assert_saw(ns: &Namespace, objects: &Objects, config: &str, password: &str, secret: &str, workloads: &[&str]) {
    for workload in workloads {
        let of_owner = objects.pods_of(workload);
        let pod = of_owner.iter().find(|pod| !pod.is_leaving()).map_or_else(|| objects.get(workload), |pod| *pod);
        let log = ns.log(pod.name());
        let expected = if pod.0["spec"]["containers"][0]["env"].is_array() {
            // The log has the first line of each variable.
            let first = config.lines().next().unwrap_or_default();
            vec![format!("CMENV={first}\n"), format!("SECENV={password}\n"), format!("SEC_password={password}\n")]
        } else {
            vec![format!("/config/cm/config.txt: {config}\n"), format!("/etc/secrets/creds/secret.txt: {secret}\n")]
        };
        for part in expected {
            assert!(log.contains(&part), "{workload} did not see {part:?} at its start:\n{log}");
        }
    }
}
