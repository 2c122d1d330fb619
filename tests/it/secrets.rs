//! No value of a Secret is ever shown or kept where it does not belong: not by the plan, not at the highest
//! verbosity, not when a container prints its secret and dies.

use crate::support::sample::{
    BEFORE, NEW_PASSWORD, NEW_SECRET, OLD_PASSWORD, OLD_SECRET, instantiated, shipped, update_request,
};
use crate::support::{Cluster, Draft, Namespace, Run, cluster, eventually, sample_request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::Read as _;
use std::time::Duration;

/// Every value of the sample's Secrets, as it is and as base64.
fn forbidden() -> Vec<String> {
    let values = [OLD_PASSWORD, NEW_PASSWORD, OLD_SECRET, NEW_SECRET];
    let encoded = values.iter().map(|value| STANDARD.encode(value));
    let lines = ["secret data", "secret2 data2"].map(str::to_owned);
    values.iter().map(|value| (*value).to_owned()).chain(encoded).chain(lines).collect()
}

#[track_caller]
fn assert_clean(what: &str, text: &str) {
    for value in forbidden() {
        assert!(!text.contains(&value), "{what} holds {value:?}:\n{text}");
    }
}

#[track_caller]
fn clean(run: Run) -> Run {
    assert_clean("the output", &run.to_string());
    run
}

/// What is kept under a key: compressed or not.
fn plain(encoded: &str) -> String {
    let bytes = STANDARD.decode(encoded).expect("base64");
    let mut text = String::new();
    match flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text) {
        Ok(_) => text,
        Err(_) => String::from_utf8_lossy(&bytes).into_owned(),
    }
}

/// Everything that the cluster shows to who may not read Secrets, and the evidence that the plugin keeps.
fn assert_cluster_clean(ns: &Namespace) {
    let objects = ns.objects();
    for name in objects.names() {
        let object = objects.get(name);
        assert_clean(name, &object.0["metadata"].to_string());
        if name.starts_with("ConfigMap/") {
            assert_clean(name, &object.0.to_string());
            for value in object.0["binaryData"].as_object().into_iter().flat_map(|data| data.values()) {
                assert_clean(name, &plain(value.as_str().unwrap_or_default()));
            }
        }
        if name.starts_with("Secret/vnf-op-") {
            for value in object.0["data"].as_object().into_iter().flat_map(|data| data.values()) {
                assert_clean(name, &plain(value.as_str().unwrap_or_default()));
            }
        }
    }
    assert_clean("events", &ns.kubectl(&["get", "events", "-o", "json"]).stdout);
}

#[test]
fn no_secret_value_is_shown_or_kept_by_an_update() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "secrets");
    let (after, request) = (shipped("after"), update_request());
    let update = ["update", BEFORE, "--package", &after, "-f", &request, "-v=9"];
    clean(ns.vnf(&["diff", BEFORE, "--package", &after, "-f", &request, "-v=9"])).exits(1);
    for flags in [&["--dry-run=server"][..], &["--dry-run=server", "-o", "json"], &["--dry-run=client", "-o", "yaml"]] {
        clean(ns.vnf(&[&update[..], flags].concat())).succeeds();
    }
    let run = clean(ns.vnf(&[&update[..], &["-o", "json"]].concat())).succeeds();
    assert!(run.stderr.contains("/secrets/secret-data"), "-v=9 shows the requests\n{run}");
    for args in [
        &["show", "modify_vnf_after", "-o", "json", "-v=9"][..],
        &["show", "modify_vnf_after"],
        &["op", "show", "modify_vnf_after"],
        &["op", "show", "modify_vnf_after", "-o", "yaml"],
        &["op", "list", "-o", "json"],
        &["list", "-o", "json", "-v=9"],
        &["package", "inspect", &after],
        &["package", "inspect", &after, "-o", "json"],
        &["heal", "modify_vnf_after", "--all", "--yes", "-v=9"],
    ] {
        clean(ns.vnf(args)).succeeds();
    }
    assert_cluster_clean(&ns);
    clean(ns.vnf(&["terminate", "modify_vnf_after", "--yes", "-v=9"])).succeeds();
    assert_cluster_clean(&ns);
}

/// Updates the sample to a container that prints its password and exits, and returns how that ended.
fn update_to_a_careless_container(cluster: &'static Cluster) -> (Namespace, Run) {
    // With a probe, the new container is never ready, not even for the moment before it dies.
    let probe = "readinessProbe: {exec: {command: [/bin/true]}, initialDelaySeconds: 2}\n        ports:\n";
    let probed = |version: &str| Draft::sample(version).edit("deployment.yaml", "ports:\n", probe);
    let before = probed("before").write();
    let crash = probed("after").edit("deployment.yaml", "image: cirros", "image: broken:crash").write();
    let ns = Namespace::new(cluster, "printed");
    let request = sample_request("instance_kubernetes.json");
    clean(ns.vnf(&["instantiate", BEFORE, "--package", &before.path(), "-f", &request, "-v=9"])).succeeds();
    let (package, request) = (crash.path(), update_request());
    let update = ns.vnf(&["update", BEFORE, "--package", &package, "-f", &request, "-v=9"]);
    let update = clean(update).exits(3).says(["FAILED_TEMP"]);

    let objects = ns.objects();
    let pod = objects.pods_of("Deployment/vdu1-update").into_iter().find(|pod| !pod.is_ready()).map(|pod| pod.name());
    let pod = pod.expect("the Pod that dies");
    eventually("the container has printed its secret", Duration::from_secs(60), || {
        ns.kubectl(&["logs", pod]).stdout.contains(NEW_PASSWORD).then_some(())
    });
    (ns, update)
}

#[test]
fn the_last_words_of_a_container_are_shown_without_its_secret() {
    let Some(cluster) = cluster() else { return };
    let (_ns, update) = update_to_a_careless_container(cluster);
    update.says(["cannot reach its backend", "credentials used: ***"]);
}

#[test]
fn no_secret_value_is_shown_or_kept_when_a_container_prints_it_and_dies() {
    let Some(cluster) = cluster() else { return };
    let (ns, _) = update_to_a_careless_container(cluster);
    for args in [
        &["op", "show", BEFORE][..],
        &["op", "show", BEFORE, "-o", "json", "-v=9"],
        &["show", BEFORE, "-o", "json"],
        &["op", "list"],
    ] {
        clean(ns.vnf(args)).succeeds();
    }
    assert_cluster_clean(&ns);
    clean(ns.vnf(&["op", "fail", BEFORE, "-v=9"])).succeeds();
    assert_cluster_clean(&ns);
}
