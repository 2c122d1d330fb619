//! Operations stopped, killed and cut off half way, and their retry: the state that was to be reached, and nothing
//! done twice.

use crate::support::manifests::{config_map, container, env_of, pod, spec, yaml};
use crate::support::sample::{self, AFTER, BEFORE, instantiated, shipped, update_request};
use crate::support::{Cluster, Draft, Namespace, Objects, Proxy, Running, cluster, eventually, gated, written};
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

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

#[test]
fn one_request_to_stop_ends_in_failed_temp_and_retry_finishes() {
    let Some(cluster) = cluster() else { return };
    let package = gated::draft("new value").write();
    for signal in ["INT", "TERM"] {
        let ns = gated::instantiated(cluster, "stop");
        let update = gated::standing(&ns, &package);
        update.signal(signal);
        let said = update.exits(130);
        assert!(said.contains("Stopping: no new step is started") && said.contains("FAILED_TEMP"), "{said}");
        let half = ns.at_rest();
        assert_eq!(gated::operation(&half), "update FAILED_TEMP");
        assert_eq!(half.of_kind("Lease").count(), 0, "the lock was given back");
        gated::open(&ns);
        ns.vnf(&["op", "retry", gated::NAME]).succeeds();
        gated::assert_runs(&ns, "new value");
    }
}

#[test]
fn a_second_request_to_stop_leaves_at_once_and_retry_finishes() {
    let Some(cluster) = cluster() else { return };
    let ns = gated::instantiated(cluster, "stop-twice");
    let update = gated::standing(&ns, &gated::draft("new value").write());
    // Both are there when it wakes up: it has no time to end in good order in between.
    for signal in ["STOP", "INT", "TERM", "CONT"] {
        update.signal(signal);
    }
    let said = update.exits(130);
    assert!(!said.contains("FAILED_TEMP"), "it took its time: {said}");
    assert_eq!(gated::operation(&ns.objects()), "update PROCESSING");
    gated::open(&ns);
    ns.vnf(&["op", "retry", gated::NAME]).succeeds().says(["waiting for its lock"]);
    gated::assert_runs(&ns, "new value");
}

#[test]
fn an_operation_outlives_its_terminal() {
    let Some(cluster) = cluster() else { return };
    let ns = gated::instantiated(cluster, "hangup");
    let package = gated::draft("new value").write();
    let flags = ["update", gated::NAME, "--package", &package.path(), "--one-by-one", "--yes"];
    // With requests logged, much is written to the terminal that is gone.
    let mut update = Running::vnf_on_terminal(&ns, &[&flags[..], &["-v=8"]].concat());
    update.says(gated::AT_GATE);
    // The end of the terminal's master is what a lost connection or a closed window is.
    update.kill();
    let mut second = ns.start_vnf(&["update", gated::NAME, "--name", "other"]);
    assert_eq!(second.wait().expect("it ends").code(), Some(1), "the lock is held still");
    gated::open(&ns);
    eventually("the update is completed", Duration::from_secs(60), || {
        (gated::operation(&ns.objects()) == "update COMPLETED").then_some(())
    });
    gated::assert_runs(&ns, "new value");
}

#[test]
fn a_prompt_can_be_left_and_nothing_was_changed() {
    let Some(cluster) = cluster() else { return };
    let ns = gated::instantiated(cluster, "prompt");
    let before = ns.at_rest();
    let package = gated::draft("new value").write();
    let update = ["update", gated::NAME, "--package", &package.path()];

    let mut left = Running::vnf_on_terminal(&ns, &update);
    left.says("[y/N]").types("\x03");
    assert!(left.exits(130).contains("Nothing was changed."));
    let mut answered = Running::vnf_on_terminal(&ns, &update);
    answered.says("[y/N]").types("n\n");
    assert!(answered.exits(1).contains("Nothing was changed."));
    assert_eq!(written(&before, &ns.at_rest()), [""; 0]);
}

/// What a process that dies between two writes leaves behind, whichever two these are.
#[test]
fn an_operation_killed_after_any_of_its_writes_can_be_finished() {
    let Some(cluster) = cluster() else { return };
    std::thread::scope(|scope| {
        for n in 1..=7 {
            scope.spawn(move || instantiate_killed_after(cluster, n));
        }
        for n in 1..=9 {
            scope.spawn(move || update_killed_after(cluster, n));
        }
    });
}

fn instantiate_killed_after(cluster: &'static Cluster, n: usize) {
    let ns = Namespace::new(cluster, &format!("kill-new-{n}"));
    let package = small("old value").write();
    let command = ["instantiate", "small", "--package", &package.path()];
    let mark = kill_after_write(&ns, &command, n);
    // An operation that was begun is finished; one that was not is simply asked for again.
    let retry = ns.vnf(&["op", "retry", "small"]);
    if retry.code != Some(0) {
        insist(&ns, &command, &mark);
    }
    assert_small(&ns, "old value", &mark);
    ns.vnf(&["terminate", "small", "--delete", "--yes", "--force"]).succeeds();
    assert_eq!(leftovers(&ns), [""; 0], "after {mark}");
}

fn update_killed_after(cluster: &'static Cluster, n: usize) {
    let ns = Namespace::new(cluster, &format!("kill-update-{n}"));
    ns.vnf(&["instantiate", "small", "--package", &small("old value").write().path()]).succeeds();
    let package = small("new value").write();
    let command = ["update", "small", "--package", &package.path(), "--name", "renamed"];
    let mark = kill_after_write(&ns, &command, n);
    let retry = ns.vnf(&["op", "retry", "small"]);
    if retry.code != Some(0) {
        // Not begun, or its end was written already.
        let name = if ns.vnf(&["show", "renamed"]).code == Some(0) { "renamed" } else { "small" };
        insist(&ns, &["update", name, "--package", &package.path(), "--name", "renamed"], &mark);
    }
    assert_small(&ns, "new value", &mark);
    assert_eq!(ns.objects().instance().record()["vnfInstanceName"], "renamed", "after {mark}");
    ns.vnf(&["terminate", "renamed", "--delete", "--yes", "--force"]).succeeds();
    assert_eq!(leftovers(&ns), [""; 0], "after {mark}");
}

/// Runs the plugin, again for as long as the lock of a dead process is in the way.
fn insist(ns: &Namespace, args: &[&str], mark: &str) {
    eventually("the lock runs out", Duration::from_secs(40), || {
        let run = ns.vnf(args);
        let busy = run.code == Some(1) && run.stderr.contains("is busy: ");
        assert!(busy || run.code == Some(0), "after {mark}\n{run}");
        (!busy).then_some(())
    });
}

/// A VNF of a ConfigMap and a Pod that reads it.
fn small(value: &str) -> Draft {
    let user = spec(&container("nginx", &json!({"env": [env_of("CM", "config", "key")]})), &json!({}));
    let manifest = yaml(&[config_map("config", &[("key", value)]), pod("web", &user)]);
    Draft::of("Small", &[("all.yaml", &manifest)], &["web"])
}

fn assert_small(ns: &Namespace, value: &str, mark: &str) {
    let objects = ns.at_rest();
    assert_eq!(objects.get("ConfigMap/config").text("/data/key"), value, "after {mark}");
    assert!(objects.get("Pod/web").is_ready(), "after {mark}");
    assert!(ns.log("web").contains(&format!("CM={value}\n")), "after {mark}");
    objects.instance();
}

/// What of the plugin's own is left in a namespace, and of the VNF.
fn leftovers(ns: &Namespace) -> Vec<String> {
    let of_the_cluster = ["ConfigMap/kube-root-ca.crt", "ServiceAccount/default"];
    let objects = ns.objects();
    objects.names().into_iter().filter(|name| !of_the_cluster.contains(name)).map(ToOwned::to_owned).collect()
}

/// Starts the plugin and kills it with SIGKILL after its n-th write, which is returned.
fn kill_after_write(ns: &Namespace, args: &[&str], n: usize) -> String {
    let mut child = ns.start_vnf(&[args, &["-v=6", "--yes"]].concat());
    let mut writes = 0;
    let mut lines = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
    let mark = lines.find_map(|line| {
        let line = line.expect("stderr can be read");
        let write = [" POST ", " PUT ", " PATCH ", " DELETE "].iter().any(|method| line.contains(method));
        let real = write && !line.contains("dryRun") && !line.contains("accessreviews");
        writes += usize::from(real);
        (real && writes == n).then_some(line)
    });
    let _ = child.kill();
    child.wait().expect("it has ended");
    mark.unwrap_or_else(|| format!("all of its {writes} writes"))
}

#[test]
fn an_update_goes_on_after_30_seconds_without_a_network() {
    let Some(cluster) = cluster() else { return };
    let ns = gated::instantiated(cluster, "no-network");
    let proxy = Proxy::start(cluster);
    let package = gated::draft("new value").write();
    let flags = ["update", gated::NAME, "--package", &package.path(), "--one-by-one", "--yes"];
    let mut update = Running::start(proxy.through(ns.vnf_command(&flags)));
    update.says(gated::AT_GATE);
    proxy.unplug();
    let gone = Instant::now();
    update.says("the connection to the server");
    gated::open(&ns);
    // That long is what is promised; the lock has run out by then, and nobody has taken it.
    std::thread::sleep(Duration::from_secs(30).saturating_sub(gone.elapsed()));
    assert_eq!(gated::operation(&ns.objects()), "update PROCESSING");
    proxy.plug_in();
    update.exits(0);
    gated::assert_runs(&ns, "new value");
    assert_eq!(gated::operation(&ns.objects()), "update COMPLETED");
}
