//! An update killed half way, and its retry: the state that it was to reach, and nothing done twice.

use crate::support::sample::{self, AFTER, BEFORE, instantiated, shipped, update_request};
use crate::support::{Cluster, Namespace, Objects, cluster, eventually};
use std::io::{BufRead, BufReader};
use std::time::Duration;

/// Starts the sample's update and kills it with SIGKILL as soon as its progress holds `mark`.
fn killed_at(cluster: &'static Cluster, purpose: &str, mark: &str, flags: &[&str]) -> (Namespace, Objects) {
    let ns = instantiated(cluster, purpose);
    let old = ns.at_rest();
    let (after, request) = (shipped("after"), update_request());
    let update = ["update", BEFORE, "--package", &after, "-f", &request, "--progress=plain"];
    let mut child = ns.start_vnf(&[&update[..], flags].concat());
    let mut said = Vec::new();
    for line in BufReader::new(child.stderr.take().expect("stderr is piped")).lines() {
        let line = line.expect("stderr can be read");
        let found = line.contains(mark);
        said.push(line);
        if found {
            break;
        }
    }
    child.kill().expect("the update runs still");
    child.wait().expect("the update has ended");
    assert!(said.last().is_some_and(|line| line.contains(mark)), "no {mark:?} in its progress: {said:#?}");
    (ns, old)
}

/// Retries, and asserts the target state.
fn retry(ns: &Namespace, old: &Objects) -> Objects {
    ns.vnf(&["op", "retry", BEFORE]).succeeds();
    assert_finished(ns, old)
}

fn assert_finished(ns: &Namespace, old: &Objects) -> Objects {
    let new = ns.at_rest();
    sample::assert_updated(ns, old, &new);
    assert_eq!(new.instance().text("/metadata/annotations/kubectl-vnf~1operation"), "update COMPLETED");
    ns.vnf(&["update", AFTER, "--package", &shipped("after"), "-f", &update_request()]).succeeds().says(["unchanged"]);
    ns.vnf(&["op", "retry", AFTER]).exits(1);
    new
}

#[test]
fn a_killed_update_is_finished_by_retry_and_done_items_are_not_done_again() {
    let Some(cluster) = cluster() else { return };
    let (ns, old) = killed_at(cluster, "killed", "VDU1    Deployment vdu1-update ready", &["--one-by-one"]);
    let half = ns.at_rest();
    let done = ["ConfigMap/cm-data", "Secret/secret-data", "Deployment/vdu1-update"];
    let to_do = ["ReplicaSet/vdu2-update", "Pod/env-test", "Pod/volume-test", "DaemonSet/daemonset-vdu5"];
    for name in done {
        assert_ne!(half.get(name).version(), old.get(name).version(), "{name} was done before the kill");
    }
    let left = to_do.into_iter().filter(|name| half.pod_of(name).life() == old.pod_of(name).life()).count();
    assert!(left >= 3, "the kill came too late: {left} workloads were left to do");

    // Readers see it once the lock of the dead process has run out; they write nothing.
    let lock = Duration::from_secs(40);
    eventually("the update is shown as interrupted", lock, || {
        ns.vnf(&["show", BEFORE]).succeeds().stdout.contains("FAILED_TEMP").then_some(())
    });
    let new = retry(&ns, &old);
    for name in done {
        assert_eq!(new.get(name).as_written(), half.get(name).as_written(), "{name} was not written again");
    }
    let vdu1 = "Deployment/vdu1-update";
    assert_eq!(new.pod_of(vdu1).life(), half.pod_of(vdu1).life(), "{vdu1} was not restarted again");
}

#[test]
fn an_update_killed_after_its_first_write_is_finished_by_retry() {
    let Some(cluster) = cluster() else { return };
    let (ns, old) = killed_at(cluster, "killed-early", "ConfigMap cm-data written", &[]);
    retry(&ns, &old);
}

#[test]
fn an_update_killed_with_all_workloads_in_motion_is_finished_by_retry() {
    let Some(cluster) = cluster() else { return };
    let (ns, old) = killed_at(cluster, "killed-mid", "Pod env-test ready", &[]);
    let half = ns.objects().get("Pod/env-test").life();
    // The killed process holds its lock for some seconds still, which is said.
    ns.vnf(&["op", "retry", BEFORE]).succeeds().says(["has not been heard of", "waiting for its lock"]);
    let new = assert_finished(&ns, &old);
    assert_eq!(new.get("Pod/env-test").life(), half, "env-test was not restarted again");
}

#[test]
fn readers_show_a_killed_update_as_interrupted() {
    let Some(cluster) = cluster() else { return };
    let (ns, _) = killed_at(cluster, "readers", "ConfigMap cm-data written", &[]);
    for args in [&["show", BEFORE][..], &["list"], &["op", "list"], &["op", "show", BEFORE]] {
        eventually("the update is shown as interrupted", Duration::from_secs(40), || {
            ns.vnf(args).succeeds().stdout.contains("FAILED_TEMP (interrupted)").then_some(())
        });
    }
}

#[test]
fn a_retry_with_nothing_to_finish_is_an_error() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "nothing");
    let before = ns.at_rest();
    ns.vnf(&["op", "retry", BEFORE]).exits(1).says([BEFORE]);
    ns.vnf(&["op", "fail", BEFORE]).exits(1).says([BEFORE]);
    assert_eq!(crate::support::written(&before, &ns.objects()), [""; 0]);
}
