//! How long what is borne: every trouble of a Pod has its budget, and ends the update with the container's reason, its
//! last words and its events. That a wait ended in time is told by generous bounds and by what ended it.

use crate::support::driven::{ALL, IGNORE_TERM, SERVE, driven, driven_spec, manifest, package};
use crate::support::manifests::{container, env_of, pod, spec, workload};
use crate::support::{Cluster, Draft, Namespace, Object, Run, cluster, eventually};
use serde_json::{Value, json};
use std::time::Duration;

const NAME: &str = "budget";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A namespace in which a package runs.
fn running(cluster: &'static Cluster, purpose: &str, draft: &Draft) -> Namespace {
    let ns = Namespace::new(cluster, purpose);
    ns.vnf(&["instantiate", NAME, "--package", &draft.write().path()]).succeeds();
    ns
}

/// Updates to a package; more flags may be given.
fn update(ns: &Namespace, draft: &Draft, flags: &[&str]) -> Run {
    let package = draft.write();
    ns.vnf(&[&["update", NAME, "--package", &package.path()], flags].concat())
}

/// Asserts that the update ended in FAILED_TEMP within `within`, and that the record says so.
#[track_caller]
fn failed(ns: &Namespace, run: Run, within: u64) -> Run {
    let run = run.exits(3).says(["FAILED_TEMP"]);
    assert!(run.took < seconds(within), "it took {:?}\n{run}", run.took);
    let record = ns.objects().instance().text("/metadata/annotations/kubectl-vnf~1operation").to_owned();
    assert_eq!(record, "update FAILED_TEMP");
    run
}

/// A Deployment of one Pod.
fn deployment(name: &str, spec: &Value) -> Value {
    workload("Deployment", name, name, Some(1), spec)
}

/// A probe that is never asked before the container has run for two seconds: it is not Ready in its first moment.
fn probe() -> Value {
    json!({"exec": {"command": ["/bin/true"]}, "initialDelaySeconds": 2, "periodSeconds": 1})
}

#[test]
fn what_no_waiting_mends_fails_at_once() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "at-once");
    // So that the image is on the node: the Pod `never` is not allowed to pull it.
    let puller = pod("puller", &spec(&container("nginx", &json!({})), &json!({})));
    ns.create(&puller.to_string());
    eventually("the image is on the node", seconds(60), || ns.object("pod/puller").is_ready().then_some(()));
    let never = spec(&container("nginx", &json!({"imagePullPolicy": "Never"})), &json!({}));
    let workloads =
        [deployment("name", &spec(&container("tomcat", &json!({})), &json!({}))), deployment("never", &never)];
    let draft = package("Unpulled", &[("run", SERVE)], &workloads);
    ns.vnf(&["instantiate", NAME, "--package", &draft.write().path()]).succeeds();

    let bad = draft.edit(ALL, "\"image\": \"tomcat\"", "\"image\": \"tomcat::1\"").edit(
        ALL,
        "\"image\": \"nginx\"",
        "\"image\": \"nginx:absent\"",
    );
    let run = failed(&ns, update(&ns, &bad, &[]), 40);
    run.says(["InvalidImageName", "tomcat::1", "ErrImageNeverPull", "nginx:absent"])
        .says(["the image name is not valid", "the image is not on the node, and the Pod forbids to pull it"]);
}

#[test]
fn a_container_that_nothing_restarts_fails_with_its_first_end() {
    let Some(cluster) = cluster() else { return };
    let mut once = spec(&driven("cirros", "once", &json!({"readinessProbe": probe()})), &json!({}));
    once["restartPolicy"] = "Never".into();
    let draft = package("Once", &[("once", SERVE)], &[pod("once", &once)]);
    let ns = running(cluster, "once", &draft);
    let run = failed(&ns, update(&ns, &draft.edit(ALL, SERVE, "echo no licence; exit 3"), &[]), 40);
    run.says(["the container failed, and nothing restarts it", "no licence"]);
}

#[test]
fn a_container_that_cannot_be_started_fails_the_second_time() {
    let Some(cluster) = cluster() else { return };
    let expanded = json!({"command": ["$(CM_BIN)"], "env": [env_of("CM_BIN", "run", "bin")]});
    let web = deployment("web", &spec(&container("nginx", &expanded), &json!({})));
    let draft = package("Unstartable", &[("bin", "/bin/start")], &[web]);
    let ns = running(cluster, "start", &draft);
    let run = failed(&ns, update(&ns, &draft.edit(ALL, "/bin/start", "/bin/nonesuch"), &[]), 60);
    run.says(["the container cannot be started", "/bin/nonesuch", "no such file"]);
}

#[test]
fn a_container_that_cannot_be_made_fails_the_second_time() {
    let Some(cluster) = cluster() else { return };
    let web = deployment("web", &spec(&container("nginx", &json!({})), &json!({})));
    let draft = package("Unmakeable", &[("run", SERVE)], &[web]);
    let ns = running(cluster, "make", &draft);
    // The base of the other images, which has no command.
    let bad = draft.edit(ALL, "\"image\": \"nginx\"", "\"image\": \"quay.io/base:1\"");
    let run = failed(&ns, update(&ns, &bad, &[]), 75);
    run.says(["CreateContainerError", "no command specified", "quay.io/base:1"]);
}

/// An update that makes the Pod `late` again, whose container needs `extern`, a ConfigMap that is not the package's;
/// `meanwhile` is done to that while the old Pod leaves.
fn without_its_config(cluster: &'static Cluster, purpose: &str, meanwhile: &[&str]) -> (Namespace, Run) {
    let needs = json!({"env": [env_of("CM_EXTERN", "extern", "key")]});
    let more = json!({"terminationGracePeriodSeconds": 5});
    let late = pod("late", &spec(&driven("nginx", "late", &needs), &more));
    let draft = package("Late", &[("late", IGNORE_TERM)], &[late]);
    let ns = Namespace::new(cluster, purpose);
    ns.kubectl(&["create", "configmap", "extern", "--from-literal=key=value", "--from-literal=other=o"]).succeeds();
    ns.vnf(&["instantiate", NAME, "--package", &draft.write().path()]).succeeds();
    let next = draft.edit(ALL, IGNORE_TERM, SERVE).write();
    let mut update = ns.begin_vnf(&["update", NAME, "--package", &next.path()]);
    update.says("Pod late leaving");
    ns.kubectl(meanwhile).succeeds();
    let run = update.end();
    (ns, run)
}

#[test]
fn a_key_that_is_missing_fails_at_once() {
    let Some(cluster) = cluster() else { return };
    let remove = ["patch", "configmap", "extern", "--type=json", "-p", r#"[{"op": "remove", "path": "/data/key"}]"#];
    let (ns, run) = without_its_config(cluster, "key", &remove);
    // 5 s for the old Pod to leave, and less than the 15 s that an unconfirmed error is borne.
    let run = failed(&ns, run, 19);
    run.says(["a required key is missing", "CreateContainerConfigError", "couldn't find key key in ConfigMap"]);
}

#[test]
fn an_object_that_is_missing_is_borne_for_a_while() {
    let Some(cluster) = cluster() else { return };
    let (ns, run) = without_its_config(cluster, "object", &["delete", "configmap", "extern"]);
    let run =
        failed(&ns, run, 50).says(["a ConfigMap is missing", "CreateContainerConfigError", "\"extern\" not found"]);
    assert!(run.took > seconds(15), "somebody may still create it: {:?}", run.took);
}

/// An update of a workload of this kind, which its quota forbids a Pod once the update has begun.
fn under_a_quota(cluster: &'static Cluster, purpose: &str, kind: &str, replicas: Option<u32>) {
    // Restarted in place, it holds the update up for five seconds and needs no new Pod.
    let ahead =
        pod("ahead", &spec(&driven("nginx", "ahead", &json!({})), &json!({"terminationGracePeriodSeconds": 5})));
    let web = workload(kind, "web", "web", replicas, &driven_spec("cirros", "web"));
    let scripts = [("ahead", IGNORE_TERM), ("web", SERVE)];
    let draft = package("Quota", &scripts, &[ahead, web]);
    let ns = running(cluster, purpose, &draft);
    let next = draft.edit(ALL, "\"nginx\"", "\"tomcat\"").edit(ALL, SERVE, "echo new; exec /bin/start").write();
    let mut update = ns.begin_vnf(&["update", NAME, "--package", &next.path(), "--one-by-one"]);
    update.says("Pod ahead: image nginx -> tomcat");
    ns.kubectl(&["create", "quota", "none", "--hard=pods=1"]).succeeds();
    eventually("the quota is in force", seconds(20), || {
        (ns.object("quota/none").text("/status/hard/pods") == "1").then_some(())
    });
    let run = failed(&ns, update.end(), 60);
    run.says(["the quota is used up, no Pod can be created", "FailedCreate", "exceeded quota: none"]);
    ns.kubectl(&["delete", "quota", "none"]).succeeds();
    // The controller's own pauses have grown meanwhile.
    if kind != "Deployment" {
        ns.kubectl(&["annotate", kind, "web", "looked=again"]).succeeds();
    }
    let ahead = ns.object("pod/ahead").life();
    ns.vnf(&["op", "retry", NAME]).succeeds();
    assert_eq!(ns.object("pod/ahead").life(), ahead, "it was done before");
    let objects = ns.at_rest();
    assert!(ns.log(objects.pod_of(&format!("{kind}/web")).name()).contains("new\n"));
}

#[test]
fn a_deployment_that_is_refused_a_pod_fails_after_a_while() {
    let Some(cluster) = cluster() else { return };
    under_a_quota(cluster, "quota", "Deployment", Some(1));
}

#[test]
fn a_stateful_set_that_is_refused_a_pod_fails_after_a_while() {
    let Some(cluster) = cluster() else { return };
    under_a_quota(cluster, "quota-set", "StatefulSet", Some(1));
}

/// A Deployment whose Pods never share a node: on a cluster of one, the second one of a rollout finds no place.
fn alone() -> Draft {
    let apart = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}]}});
    let spec = spec(&driven("nginx", "web", &json!({})), &json!({"affinity": apart}));
    package("Alone", &[("web", SERVE)], &[deployment("web", &spec)])
}

#[test]
fn a_pod_without_a_node_fails_after_a_minute() {
    let Some(cluster) = cluster() else { return };
    let draft = alone();
    let ns = running(cluster, "no-node", &draft);
    let run = failed(&ns, update(&ns, &draft.edit(ALL, SERVE, "echo new; exec /bin/start"), &[]), 100);
    assert!(run.took > seconds(60), "nodes come and go: {:?}", run.took);
    run.says(["no node takes the Pod", "Unschedulable", "didn't match pod anti-affinity rules"]);
}

#[test]
fn a_pod_for_which_the_cluster_scales_up_is_waited_for() {
    let Some(cluster) = cluster() else { return };
    let draft = alone();
    let ns = running(cluster, "scale-up", &draft);
    let old = ns.objects().pod_of("Deployment/web").name().to_owned();
    let next = draft.edit(ALL, SERVE, "echo new; exec /bin/start").write();
    let mut update = ns.begin_vnf(&["update", NAME, "--package", &next.path()]);
    update.says("Unschedulable: didn't match pod anti-affinity rules");
    let objects = ns.objects();
    let pods = objects.pods_of("Deployment/web");
    let new = pods.iter().find(|pod| pod.name() != old).expect("the new Pod");
    // What a cluster-autoscaler says.
    let involved =
        json!({"apiVersion": "v1", "kind": "Pod", "namespace": ns.name, "name": new.name(), "uid": new.uid()});
    let event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "scale-up"}, "involvedObject": involved,
        "reason": "TriggeredScaleUp", "type": "Normal", "message": "pod triggered scale-up: [{pool 1->2 (max: 3)}]",
        "source": {"component": "cluster-autoscaler"}});
    ns.create(&event.to_string());
    update.says("the cluster scales up");
    // Longer than without the event.
    std::thread::sleep(seconds(62));
    // The place is free.
    ns.kubectl(&["delete", "pod", &old, "--wait=false"]).succeeds();
    let run = update.end().succeeds();
    assert!(run.took > seconds(62), "{run}");
}

#[test]
fn a_container_that_keeps_ending_fails_with_its_third_end() {
    let Some(cluster) = cluster() else { return };
    let web = spec(&driven("nginx", "web", &json!({"readinessProbe": probe()})), &json!({}));
    let draft = package("Crashing", &[("web", SERVE)], &[deployment("web", &web)]);
    let ns = running(cluster, "crash", &draft);
    let run = failed(&ns, update(&ns, &draft.edit(ALL, SERVE, "echo no route to peer; exit 1"), &[]), 90);
    run.says(["the container exits at once", "no route to peer"]);
    let objects = ns.objects();
    let restarts = |pod: &Object| pod.number("/status/containerStatuses/0/restartCount");
    let most = objects.pods_of("Deployment/web").into_iter().map(restarts).max();
    assert!(most >= Some(2), "it had ended three times: {most:?} restarts");
}

#[test]
fn an_instantiation_bears_ending_containers_until_time_is_up() {
    let Some(cluster) = cluster() else { return };
    let web = spec(&driven("nginx", "web", &json!({"readinessProbe": probe()})), &json!({}));
    let draft = package("Peerless", &[("web", "echo no route to peer; exit 1")], &[deployment("web", &web)]);
    let ns = Namespace::new(cluster, "peerless");
    let run = ns.vnf(&["instantiate", NAME, "--package", &draft.write().path(), "--timeout", "20s"]).exits(3);
    assert!(run.took > seconds(19), "only at the timeout: {:?}", run.took);
    run.says(["FAILED_TEMP", "not ready after 20", "no route to peer", "BackOff"]);
}

#[test]
fn an_instantiation_waits_for_a_container_that_ends_until_its_peer_is_there() {
    let Some(cluster) = cluster() else { return };
    let late = json!({"env": [
        {"name": "CM_PEER", "valueFrom": {"configMapKeyRef": {"name": "peer", "key": "key", "optional": true}}}]});
    let script = "[ -n \\\"$CM_PEER\\\" ] || exit 1; exec /bin/start".replace('\\', "");
    let web = spec(&driven("nginx", "web", &late), &json!({}));
    let draft = package("Waiting", &[("web", &script)], &[deployment("web", &web)]);
    let ns = Namespace::new(cluster, "peer");
    let package = draft.write();
    let instantiate = ns.begin_vnf(&["instantiate", NAME, "--package", &package.path()]);
    eventually("it has ended once", seconds(30), || {
        let objects = ns.objects();
        let pods = objects.pods_of("Deployment/web");
        pods.iter().any(|pod| pod.number("/status/containerStatuses/0/restartCount") >= 1).then_some(())
    });
    ns.kubectl(&["create", "configmap", "peer", "--from-literal=key=value"]).succeeds();
    instantiate.end().succeeds();
}

#[test]
fn a_deadline_that_a_rollout_misses_is_no_failure() {
    let Some(cluster) = cluster() else { return };
    let slow = json!({"readinessProbe": {"exec": {"command": ["/bin/true"]}, "initialDelaySeconds": 6}});
    let mut web = deployment("web", &spec(&driven("nginx", "web", &slow), &json!({})));
    web["spec"]["progressDeadlineSeconds"] = 2.into();
    let draft = package("Tardy", &[("web", SERVE)], &[web]);
    let ns = running(cluster, "deadline", &draft);
    let next = draft.edit(ALL, SERVE, "echo new; exec /bin/start").write();
    let update = ns.begin_vnf(&["update", NAME, "--package", &next.path()]);
    eventually("the Deployment says that it is late", seconds(30), || {
        let web = ns.object("deployment/web").0["status"]["conditions"].to_string();
        web.contains("ProgressDeadlineExceeded").then_some(())
    });
    update.end().succeeds();
    assert!(ns.at_rest().pod_of("Deployment/web").is_ready());
}

#[test]
fn troubles_that_the_update_is_to_mend_are_none_of_its_own() {
    let Some(cluster) = cluster() else { return };
    let data = json!({"volumeMounts": [{"name": "data", "mountPath": "/data"}]});
    let volume = json!({"volumes": [{"name": "data", "emptyDir": {}}]});
    let (web, set) = (driven("nginx", "web", &data), driven("cirros", "web", &data));
    let workloads = [
        deployment("web", &spec(&web, &volume)),
        workload("StatefulSet", "set", "set", Some(1), &spec(&set, &volume)),
        pod("bare", &spec(&driven("nginx", "web", &data), &volume)),
    ];
    let script = "[ -e /data/die ] && exit 1; exec /bin/start";
    let draft = package("Mended", &[("web", script)], &workloads);
    let ns = running(cluster, "mended", &draft);
    let objects = ns.at_rest();
    let owners = ["Deployment/web", "StatefulSet/set", "Pod/bare"];
    for owner in owners {
        ns.kubectl(&["exec", objects.pod_of(owner).name(), "--", "/bin/sh", "-c", "touch /data/die; kill 1"]);
    }
    eventually("all keep ending", seconds(60), || {
        let now = ns.objects();
        owners.iter().all(|owner| now.pod_of(owner).life().restarts >= 2).then_some(())
    });
    let next =
        draft.manifest(ALL, &manifest(&[("web", "exec /bin/start")], &workloads)).edit(ALL, "\"cirros\"", "\"tomcat\"");
    update(&ns, &next, &[]).succeeds();
    let new = ns.at_rest();
    for owner in owners {
        assert!(new.pod_of(owner).is_ready(), "{owner}");
    }
}

#[test]
fn time_that_is_up_says_what_was_waited_for() {
    let Some(cluster) = cluster() else { return };
    let probe = json!({"exec": {"command": ["/bin/sh", "-c", "[ $CM_SERVES = yes ] || { echo no peer; exit 1; }"]},
        "periodSeconds": 1});
    let more = json!({"readinessProbe": probe, "env": [env_of("CM_SERVES", "run", "serves")]});
    let web = spec(&driven("nginx", "web", &more), &json!({}));
    let draft = package("Unready", &[("web", SERVE), ("serves", "yes")], &[deployment("web", &web), pod("bare", &web)]);
    let ns = running(cluster, "timeout", &draft);
    let run = update(&ns, &draft.edit(ALL, "\"yes\"", "\"no\""), &["--timeout", "10s", "--progress=plain"]);
    let run = failed(&ns, run, 40);
    assert!(run.took > seconds(9), "{run}");
    run.says(["Deployment web: not ready after 10 s", "Pod bare: not ready after 10 s"]).says([
        "not ready: readiness probe failed",
        "no peer",
        "Unhealthy",
    ]);
}

#[test]
fn ready_of_the_old_container_is_never_taken_for_done() {
    let Some(cluster) = cluster() else { return };
    let more = json!({"terminationGracePeriodSeconds": 6});
    let bare = pod("bare", &spec(&driven("nginx", "web", &json!({})), &more));
    let draft = package("Stubborn", &[("web", IGNORE_TERM)], &[bare]);
    let ns = running(cluster, "stubborn", &draft);
    let old = ns.object("pod/bare").life();
    let run = update(&ns, &draft.edit(ALL, "\"nginx\"", "\"tomcat\""), &[]).succeeds();
    // Looked at the moment the command ended.
    let new = ns.object("pod/bare");
    assert!(run.took > seconds(6), "the old container takes its grace period: {run}");
    assert_eq!((new.life().uid, new.life().restarts), (old.uid, 1), "restarted in place");
    assert!(new.is_ready() && new.life().containers != old.containers, "the new container serves");
}
