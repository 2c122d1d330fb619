//! Every kind and setting of a workload that an update treats in its own way, and what may befall it meanwhile.

use crate::support::driven::{ALL, IGNORE_TERM, SERVE, driven, driven_spec, package};
use crate::support::manifests::{config_map, container, env_of, pod, secret, spec, workload, yaml};
use crate::support::{Cluster, Draft, Namespace, Watch, cluster, eventually};
use serde_json::{Value, json};
use std::time::Duration;

const NAME: &str = "works";
const NEW: &str = "echo new; exec /bin/start";

fn running(cluster: &'static Cluster, purpose: &str, draft: &Draft) -> Namespace {
    let ns = Namespace::new(cluster, purpose);
    ns.vnf(&["instantiate", NAME, "--package", &draft.write().path()]).succeeds();
    ns
}

fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    object.pointer_mut(parent).expect("the parent is there")[key] = value;
    object
}

fn deployment(name: &str, spec: &Value) -> Value {
    workload("Deployment", name, name, Some(1), spec)
}

#[test]
fn pods_that_their_controller_does_not_replace_are_replaced() {
    let Some(cluster) = cluster() else { return };
    let on_delete = |kind: &str, name: &str, replicas| {
        let object = workload(kind, name, name, replicas, &driven_spec("nginx", "web"));
        with(object, "/spec/updateStrategy", json!({"type": "OnDelete"}))
    };
    let workloads = [on_delete("StatefulSet", "set", Some(3)), on_delete("DaemonSet", "daemon", None)];
    let draft = package("OnDelete", &[("web", SERVE)], &workloads);
    let ns = running(cluster, "on-delete", &draft);
    let old = ns.at_rest();
    let watch = Watch::pods(&ns);
    // Configuration and image in one update: each Pod is replaced once.
    let next = draft.edit(ALL, SERVE, NEW).edit(ALL, "\"nginx\"", "\"tomcat\"");
    ns.vnf(&["update", NAME, "--package", &next.write().path()]).succeeds();
    let seen = watch.end(&ns);
    let new = ns.at_rest();
    for (owner, count) in [("StatefulSet/set", 3), ("DaemonSet/daemon", 1)] {
        assert_eq!(new.pods_of(owner).len(), count, "{owner}");
        for pod in new.pods_of(owner) {
            assert!(old.pods_of(owner).iter().all(|old| old.uid() != pod.uid()), "{} is new", pod.name());
            assert_eq!(pod.text("/spec/containers/0/image"), "tomcat");
            assert!(pod.is_ready() && ns.log(pod.name()).starts_with("new\n"), "{}", pod.name());
        }
    }
    assert_eq!(seen.fewest_ready("StatefulSet/set").0, 2, "one at a time");
}

#[test]
fn a_partition_holds_the_pods_below_it_back() {
    let Some(cluster) = cluster() else { return };
    let set = workload("StatefulSet", "set", "set", Some(2), &driven_spec("nginx", "web"));
    let set = with(set, "/spec/updateStrategy", json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}));
    let draft = package("Partitioned", &[("web", SERVE)], &[set]);
    let ns = running(cluster, "partition", &draft);
    let old = ns.at_rest();
    let next = draft.edit(ALL, SERVE, NEW);
    let run = ns.vnf(&["update", NAME, "--package", &next.write().path()]).succeeds();
    run.says(["set-0", "partition"]);
    let new = ns.at_rest();
    assert_eq!(new.get("Pod/set-0").life(), old.get("Pod/set-0").life(), "below the partition");
    assert_ne!(new.get("Pod/set-1").uid(), old.get("Pod/set-1").uid());
    assert!(ns.log("set-1").starts_with("new\n"));
}

#[test]
fn a_disruption_budget_is_waited_for_until_time_is_up_or_it_is_gone() {
    let Some(cluster) = cluster() else { return };
    let set = workload("ReplicaSet", "set", "set", Some(2), &driven_spec("nginx", "web"));
    let draft = package("Budgeted", &[("web", SERVE)], &[set]);
    let ns = running(cluster, "pdb", &draft);
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "all"},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "set"}}}});
    ns.create(&budget.to_string());
    eventually("the budget is in force", Duration::from_secs(20), || {
        (ns.object("pdb/all").number("/status/currentHealthy") == 2).then_some(())
    });
    let old = ns.at_rest();
    let next = draft.edit(ALL, SERVE, NEW).write();
    let run = ns.vnf(&["update", NAME, "--package", &next.path(), "--timeout", "6s", "--progress=plain"]).exits(3);
    let run = run.says(["a disruption budget holds Pod set-", "The disruption budget all needs 2 healthy pods"]);
    let told = run.stderr.lines().filter(|line| line.starts_with("00:") && line.contains("budget holds")).count();
    assert!(told <= 2, "said once, and in the failure\n{run}");
    let held = ns.objects();
    for pod in old.of_kind("Pod") {
        assert_eq!(held.get(&format!("Pod/{}", pod.name())).life(), pod.life(), "none was evicted");
    }

    let mut retry = ns.begin_vnf(&["op", "retry", NAME]);
    retry.says("a disruption budget holds Pod");
    ns.kubectl(&["delete", "pdb", "all"]).succeeds();
    retry.end().succeeds();
    let new = ns.at_rest();
    assert!(new.pods_of("ReplicaSet/set").iter().all(|pod| pod.is_ready() && ns.log(pod.name()).starts_with("new\n")));
}

#[test]
fn once_the_image_is_there_a_retry_finishes_only_what_lacked_it() {
    let Some(cluster) = cluster() else { return };
    let workloads = [
        deployment("one", &driven_spec("nginx", "web")),
        workload("ReplicaSet", "two", "two", Some(1), &driven_spec("nginx", "web")),
        deployment("three", &driven_spec("cirros", "web")),
    ];
    let draft = package("Late image", &[("web", SERVE)], &workloads);
    let ns = running(cluster, "push", &draft);
    let missing = format!("late-{}", ns.name);
    let next = draft.edit(ALL, SERVE, NEW).edit(ALL, "\"cirros\"", &format!("\"{missing}\""));
    let run = ns.vnf(&["update", NAME, "--package", &next.write().path()]).exits(3);
    run.says([missing.as_str(), "the image cannot be pulled"]);
    let half = ns.at_rest();
    for owner in ["Deployment/one", "ReplicaSet/two"] {
        assert!(ns.log(half.pod_of(owner).name()).starts_with("new\n"), "{owner} is done");
    }
    cluster.push("library/cirros:latest", &format!("library/{missing}:latest"));
    ns.vnf(&["op", "retry", NAME]).succeeds();
    let new = ns.at_rest();
    for owner in ["Deployment/one", "ReplicaSet/two"] {
        assert_eq!(new.pod_of(owner).life(), half.pod_of(owner).life(), "{owner} was done before");
    }
    assert_eq!(new.image("Deployment/three"), missing);
    assert!(new.pod_of("Deployment/three").is_ready());
}

#[test]
fn an_init_container_that_fails_is_named() {
    let Some(cluster) = cluster() else { return };
    let mut init = driven("busybox", "init", &json!({}));
    init["name"] = "prepare".into();
    let spec = spec(&driven("nginx", "web", &json!({})), &json!({"initContainers": [init]}));
    let draft = package("Prepared", &[("init", "exit 0"), ("web", SERVE)], &[deployment("web", &spec)]);
    let ns = running(cluster, "init", &draft);
    let next = draft.edit(ALL, "exit 0", "echo no schema; exit 4");
    let run = ns.vnf(&["update", NAME, "--package", &next.write().path(), "--progress=plain"]).exits(3);
    run.says(["container prepare", "the container exits at once", "no schema", "(init prepare)"]);
}

#[test]
fn what_cannot_be_changed_is_replaced() {
    let Some(cluster) = cluster() else { return };
    let typed = |kind: &str, value: &str| with(secret("typed", &[("k", value)]), "/type", json!(kind));
    let fixed = |value: &str| with(config_map("fixed", &[("k", value)]), "/immutable", json!(true));
    let from = json!({"env": [
        env_of("CM_FIXED", "fixed", "k"),
        {"name": "SEC_TYPED", "valueFrom": {"secretKeyRef": {"name": "typed", "key": "k"}}}]});
    let user = pod("user", &spec(&container("nginx", &from), &json!({})));
    let other = pod("other", &spec(&container("nginx", &json!({})), &json!({})));
    let manifest = |secret: &Value, map: &Value| yaml(&[secret.clone(), map.clone(), user.clone(), other.clone()]);
    let all = manifest(&typed("example.com/one", "old"), &fixed("old"));
    let draft = Draft::of("Replaced", &[(ALL, &all)], &["user", "other"]);
    let ns = running(cluster, "replace", &draft);
    let old = ns.at_rest();
    let next = draft.manifest(ALL, &manifest(&typed("example.com/two", "new"), &fixed("new")));
    ns.vnf(&["update", NAME, "--package", &next.write().path()]).succeeds();
    let new = ns.at_rest();
    for name in ["Secret/typed", "ConfigMap/fixed"] {
        assert_ne!(new.get(name).uid(), old.get(name).uid(), "{name} was deleted and created");
    }
    assert_eq!(new.get("Secret/typed").text("/type"), "example.com/two");
    assert_eq!(new.get("ConfigMap/fixed").0["immutable"], true);
    assert!(ns.log("user").contains("CM_FIXED=new\n") && ns.log("user").contains("SEC_TYPED=new\n"));
    assert_eq!(new.get("Pod/other").life(), old.get("Pod/other").life());
}

#[test]
fn pods_that_are_not_always_restarted_are_made_anew() {
    let Some(cluster) = cluster() else { return };
    let policies = [("never", "Never"), ("on-failure", "OnFailure")];
    let of = |image: &str| {
        let workloads = policies.map(|(name, policy)| {
            pod(name, &with(spec(&container(image, &json!({})), &json!({})), "/restartPolicy", json!(policy)))
        });
        yaml(&workloads)
    };
    let draft = Draft::of("Once", &[(ALL, &of("nginx"))], &["never", "on-failure"]);
    let ns = running(cluster, "policy", &draft);
    let lives =
        |objects: &crate::support::Objects| policies.map(|(name, _)| objects.get(&format!("Pod/{name}")).life());
    let old = ns.at_rest();
    ns.vnf(&["update", NAME, "--package", &draft.clone().manifest(ALL, &of("tomcat")).write().path()]).succeeds();
    let new = ns.at_rest();
    for (old, new) in lives(&old).iter().zip(lives(&new)) {
        assert!(old.uid != new.uid && new.restarts == 0);
    }
    // In place, an image that cannot be pulled would have ended them for good: made anew, they can come back.
    let run = ns.vnf(&["update", NAME, "--package", &draft.clone().manifest(ALL, &of("tomcat:nosuch")).write().path()]);
    run.exits(3).says(["the image cannot be pulled", "tomcat:nosuch"]);
    ns.vnf(&["op", "fail", NAME]).succeeds();
    ns.vnf(&["update", NAME, "--package", &draft.manifest(ALL, &of("cirros")).write().path()]).succeeds();
    let last = ns.at_rest();
    for (name, _) in policies {
        let pod = last.get(&format!("Pod/{name}"));
        assert!(pod.is_ready() && pod.text("/spec/containers/0/image") == "cirros", "{name}");
    }
}

#[test]
fn a_sidecar_restarts_in_place_and_an_init_container_does_not() {
    let Some(cluster) = cluster() else { return };
    let mut side = container("cirros", &json!({"restartPolicy": "Always"}));
    side["name"] = "side".into();
    let mut first = container("busybox", &json!({"command": ["/bin/true"]}));
    first["name"] = "first".into();
    let spec = spec(&container("nginx", &json!({})), &json!({"initContainers": [first, side]}));
    let draft = Draft::of("Sidecar", &[(ALL, &yaml(&[pod("bare", &spec)]))], &["bare"]);
    let ns = running(cluster, "sidecar", &draft);
    let id = |pod: &crate::support::Object, list: &str, at: usize| {
        pod.text(&format!("/status/{list}/{at}/containerID")).to_owned()
    };
    let old = ns.object("pod/bare");
    let draft = draft.edit(ALL, "\"cirros\"", "\"tomcat\"");
    ns.vnf(&["update", NAME, "--package", &draft.write().path()]).succeeds();
    let new = ns.object("pod/bare");
    assert_eq!((new.uid(), new.life().restarts), (old.uid(), 0), "the Pod stays, its main container too");
    assert_eq!(id(&new, "containerStatuses", 0), id(&old, "containerStatuses", 0));
    assert_ne!(id(&new, "initContainerStatuses", 1), id(&old, "initContainerStatuses", 1), "the sidecar restarted");

    let draft = draft.edit(ALL, "\"busybox\"", "\"cirros\"");
    ns.vnf(&["update", NAME, "--package", &draft.write().path()]).succeeds();
    assert_ne!(ns.object("pod/bare").uid(), old.uid(), "init containers run once: the Pod is made anew");
}

#[test]
fn a_namespace_that_is_being_deleted_takes_no_update() {
    let Some(cluster) = cluster() else { return };
    let draft = package("Leaving", &[("web", SERVE)], &[deployment("web", &driven_spec("nginx", "web"))]);
    let ns = running(cluster, "leaving", &draft);
    // Something holds the namespace.
    let held = with(config_map("held", &[]), "/metadata/finalizers", json!(["example.com/held"]));
    ns.create(&held.to_string());
    ns.kubectl(&["delete", "namespace", &ns.name, "--wait=false"]).succeeds();
    eventually("it is being deleted", Duration::from_secs(20), || {
        let found = ns.kubectl(&["get", "namespace", &ns.name, "-o", "jsonpath={.status.phase}"]);
        (found.stdout == "Terminating").then_some(())
    });
    let run = ns.vnf(&["instantiate", "another", "--package", &draft.write().path()]).exits(1);
    ns.kubectl(&["patch", "configmap", "held", "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#]).succeeds();
    run.says([ns.name.as_str(), "being"]).says(["terminated"]);
}

#[test]
fn a_pod_that_restarts_by_itself_is_reported_and_no_failure() {
    let Some(cluster) = cluster() else { return };
    let slow = with(driven_spec("nginx", "web"), "/terminationGracePeriodSeconds", json!(4));
    let workloads = [pod("slow", &slow), pod("aside", &driven_spec("nginx", "aside"))];
    let draft = package("Disturbed", &[("web", IGNORE_TERM), ("aside", SERVE)], &workloads);
    let ns = running(cluster, "disturbed", &draft);
    let next = draft.edit(ALL, "echo start; trap", "echo new; trap").write();
    let mut update = ns.begin_vnf(&["update", NAME, "--package", &next.path()]);
    update.says("Pod slow leaving");
    ns.kubectl(&["exec", "aside", "--", "/bin/kill", "1"]);
    let run = update.end().succeeds();
    run.says(["1 Pod that this operation left alone is not as before", "aside", "restarts 0 -> 1"]);
    assert!(ns.log("slow").starts_with("new\n"));
}

#[test]
fn a_pod_that_restarted_by_itself_before_is_restarted_all_the_same() {
    let Some(cluster) = cluster() else { return };
    let draft = package("Restless", &[("web", SERVE)], &[pod("bare", &driven_spec("nginx", "web"))]);
    let ns = running(cluster, "restless", &draft);
    let old = ns.object("pod/bare").life();
    ns.kubectl(&["exec", "bare", "--", "/bin/kill", "1"]);
    eventually("it has restarted", Duration::from_secs(30), || {
        let pod = ns.object("pod/bare");
        (pod.is_ready() && pod.life().restarts == 1).then_some(())
    });
    let run = ns.vnf(&["update", NAME, "--package", &draft.edit(ALL, "\"nginx\"", "\"tomcat\"").write().path()]);
    run.succeeds().says(["restarts 1 -> 2"]);
    let new = ns.object("pod/bare");
    assert_eq!((new.life().uid, new.life().restarts), (old.uid, 2));
}
