//! Change-package: the full difference between two packages, and the ways back from it.

use crate::support::manifests::{config_map, container, env_of, pod, secret, spec, workload, yaml};
use crate::support::{Cluster, Draft, Namespace, Package, cluster, eventually};
use serde_json::{Value, json};
use std::time::Duration;

fn env(key: &str, more: &Value) -> Value {
    let mut more = more.clone();
    more["env"] = json!([env_of("CM", "config", key)]);
    spec(&container("nginx", &more), &json!({}))
}

fn service(name: &str, port: u16) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": port}]}})
}

fn claim(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "none", "resources": {"requests": {"storage": "1Mi"}}}})
}

fn role(verb: &str) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "role"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": [verb]}]})
}

fn binding(to: &str) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "binding"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": to}})
}

fn old() -> Draft {
    let manifest = yaml(&[
        config_map("config", &[("used", "old"), ("other", "other")]),
        secret("hidden", &[("token", "old token")]),
        service("front", 80),
        service("back", 80),
        role("get"),
        binding("role"),
        claim("data"),
        workload("Deployment", "web", "web", Some(2), &env("used", &json!({"ports": [{"containerPort": 80}]}))),
        workload("StatefulSet", "state", "state", Some(1), &env("other", &json!({}))),
        workload("ReplicaSet", "set", "set", Some(1), &env("other", &json!({}))),
        pod("bare", &env("other", &json!({"ports": [{"containerPort": 80}]}))),
        pod("both", &env("other", &json!({}))),
        workload("Deployment", "calm", "calm", Some(1), &env("other", &json!({}))),
    ]);
    Draft::of("Changing", &[("all.yaml", &manifest)], &["web", "state", "set", "bare", "both", "calm"])
}

/// Of everything something: fields, images, configuration, what comes, what goes, what has to be made anew.
fn new() -> Draft {
    let mut calm = workload("Deployment", "calm", "calm", Some(1), &env("other", &json!({})));
    calm["metadata"]["labels"] = json!({"tier": "back"});
    calm["spec"]["revisionHistoryLimit"] = 3.into();
    let mut state = workload("StatefulSet", "state", "state", Some(1), &env("other", &json!({})));
    state["spec"]["serviceName"] = "front".into();
    let mut both =
        pod("both", &spec(&container("tomcat", &json!({"env": [env_of("CM", "config", "other")]})), &json!({})));
    both["metadata"]["labels"] = json!({"tier": "back"});
    let manifest = yaml(&[
        config_map("config", &[("used", "new"), ("other", "other")]),
        secret("hidden", &[("token", "old token")]),
        service("front", 8080),
        role("list"),
        binding("other-role"),
        workload("Deployment", "web", "web", Some(2), &env("used", &json!({"ports": [{"containerPort": 8080}]}))),
        state,
        workload("ReplicaSet", "set", "set", Some(1), &env("other", &json!({"ports": [{"containerPort": 81}]}))),
        pod("bare", &env("other", &json!({"ports": [{"containerPort": 8080}]}))),
        both,
        calm,
        workload("Deployment", "more", "more", Some(1), &env("used", &json!({}))),
    ]);
    Draft::of("Changing", &[("all.yaml", &manifest)], &["web", "state", "set", "bare", "both", "calm", "more"])
}

fn instantiated(cluster: &'static Cluster, purpose: &str) -> (Namespace, Package) {
    let ns = Namespace::new(cluster, purpose);
    let package = old().write();
    ns.vnf(&["instantiate", "small", "--package", &package.path()]).succeeds();
    (ns, package)
}

/// What the manifests say of each object, as far as the two packages differ in it.
fn content(ns: &Namespace) -> Value {
    let objects = &ns.at_rest();
    let rbac = |what: &str, path: &str| ns.kubectl(&["get", what, "-o", &format!("jsonpath={{{path}}}")]).stdout;
    let at = |name: &str, pointer: &str| {
        objects.has(name).then(|| objects.get(name).0.pointer(pointer).cloned().unwrap_or_default())
    };
    let port = "/spec/template/spec/containers/0/ports/0/containerPort";
    json!({
        "config": at("ConfigMap/config", "/data"),
        "front": at("Service/front", "/spec/ports/0/port"),
        "back": at("Service/back", "/spec/ports/0/port"),
        "role": rbac("role/role", ".rules[0].verbs[0]"),
        "binding": rbac("rolebinding/binding", ".roleRef.name"),
        "web": at("Deployment/web", port),
        "web's replicas": at("Deployment/web", "/spec/replicas"),
        "state": at("StatefulSet/state", "/spec/serviceName"),
        "set": at("ReplicaSet/set", port),
        "bare": at("Pod/bare", "/spec/containers/0/ports/0/containerPort"),
        "both": [at("Pod/both", "/spec/containers/0/image"), at("Pod/both", "/metadata/labels/tier")],
        "calm": at("Deployment/calm", "/spec/revisionHistoryLimit"),
        "calm's label": at("Deployment/calm", "/metadata/labels/tier"),
        "more": objects.has("Deployment/more"),
        "data": objects.has("PersistentVolumeClaim/data"),
    })
}

fn content_of_new() -> Value {
    json!({"config": {"used": "new", "other": "other"}, "front": 8080, "back": null, "role": "list",
        "binding": "other-role", "web": 8080, "web's replicas": 2, "state": "front", "set": 81, "bare": 8080,
        "both": ["tomcat", "back"], "calm": 3, "calm's label": "back", "more": true, "data": true})
}

#[test]
fn all_of_a_new_package_takes_effect_and_nobody_restarts_without_need() {
    let Some(cluster) = cluster() else { return };
    let (ns, _old) = instantiated(cluster, "change-all");
    ns.kubectl(&["scale", "deployment/web", "--replicas=3"]).succeeds();
    ns.kubectl(&["rollout", "status", "deployment/web"]).succeeds();
    let before = ns.at_rest();
    let package = new().write();
    ns.vnf(&["update", "small", "--package", &package.path()]).exits(1).says(["change-package"]);
    let plan = ns.vnf(&["change-package", "small", "--package", &package.path(), "--dry-run=server"]).succeeds();
    plan.says(["80 -> 8080", "roleRef", "PersistentVolumeClaim data", "stays"]);
    ns.vnf(&["change-package", "small", "--package", &package.path()]).succeeds();
    let after = ns.at_rest();
    let mut expected = content_of_new();
    expected["web's replicas"] = 3.into();
    assert_eq!(content(&ns), expected);
    for name in ["Deployment/web", "Deployment/calm", "ReplicaSet/set", "Service/front"] {
        assert_eq!(before.get(name).uid(), after.get(name).uid(), "{name} stays");
    }
    for name in ["StatefulSet/state", "Pod/bare", "Pod/both"] {
        assert_ne!(before.get(name).uid(), after.get(name).uid(), "{name} is made anew");
    }
    assert_eq!(before.pod_of("Deployment/calm").life(), after.pod_of("Deployment/calm").life(), "calm restarted");
    assert_eq!(after.pods_of("Deployment/web").len(), 3);
    let [old_id, new_id] = [&before, &after].map(|objects| objects.instance().record()["vnfdId"].clone());
    assert_ne!(old_id, new_id);

    // The same again: nothing to do. And nothing is left over at the end, not even what the old package had.
    ns.unwritten(|| {
        ns.vnf(&["change-package", "small", "--package", &package.path()]).succeeds().says(["unchanged"]);
    });
    // An update goes on from there; the claim that stayed is not in its way.
    let next = new().edit("all.yaml", "\"used\": \"new\"", "\"used\": \"newer\"").write();
    ns.vnf(&["update", "small", "--package", &next.path(), "--yes"]).succeeds().says(["Restarted: 4 Pods"]);
    expected["config"]["used"] = "newer".into();
    assert_eq!(content(&ns), expected);
    ns.vnf(&["terminate", "small", "--delete", "--delete-pvc", "--yes"]).succeeds();
    let left = ns.objects();
    let ours = left
        .names()
        .into_iter()
        .filter(|name| !left.get(name).text("/metadata/labels/kubectl-vnf~1instance").is_empty());
    assert_eq!(ours.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn undo_goes_back_across_a_change_of_the_package() {
    let Some(cluster) = cluster() else { return };
    let (ns, _old) = instantiated(cluster, "change-undo");
    let before = content(&ns);
    ns.vnf(&["change-package", "small", "--package", &new().write().path()]).succeeds();
    ns.vnf(&["undo", "small"]).succeeds();
    assert_eq!(content(&ns), before);
    // And forth again.
    ns.vnf(&["undo", "small"]).succeeds();
    assert_eq!(content(&ns), content_of_new());
}

#[test]
fn a_change_of_the_package_that_fails_is_taken_back_whole() {
    let Some(cluster) = cluster() else { return };
    let (ns, _old) = instantiated(cluster, "change-back");
    let (before, former) = (ns.at_rest(), content(&ns));
    let broken =
        yaml(&[workload("Deployment", "broken", "broken", Some(1), &env("used", &json!({"image": "nosuch"})))]);
    let draft = new().manifest("broken.yaml", &broken).write();
    let failed = ns.vnf(&["change-package", "small", "--package", &draft.path()]).exits(3);
    failed.says(["op rollback", "nosuch"]);
    ns.vnf(&["op", "rollback", "small", "--yes"]).succeeds();
    let back = ns.at_rest();
    assert_eq!(content(&ns), former);
    assert!(!back.has("Deployment/broken") && !back.has("Deployment/more"));
    assert_eq!(before.pod_of("Deployment/calm").life(), back.pod_of("Deployment/calm").life(), "calm restarted");
    ns.vnf(&["change-package", "small", "--package", &new().write().path()]).succeeds();
    assert_eq!(content(&ns), content_of_new());
}

#[test]
fn what_others_have_written_is_not_taken_over_unasked() {
    let Some(cluster) = cluster() else { return };
    let (ns, _old) = instantiated(cluster, "change-drift");
    ns.kubectl(&["patch", "deployment", "calm", "-p", r#"{"spec": {"revisionHistoryLimit": 7}}"#]).succeeds();
    let package = new().write();
    let args = ["change-package", "small", "--package", &package.path()];
    ns.unwritten(|| {
        let run = ns.vnf(&args).exits(1);
        run.says([
            "Deployment calm",
            "kubectl-patch",
            "revisionHistoryLimit",
            "--overwrite-drift",
            "nothing was written",
        ]);
    });
    ns.vnf(&[&args[..], &["--overwrite-drift"]].concat()).succeeds();
    assert_eq!(content(&ns), content_of_new());
    // An autoscaler's replicas are its own.
    ns.kubectl(&["autoscale", "deployment/web", "--min=3", "--max=4"]).succeeds();
    let scaled = || (ns.object("Deployment/web").number("/spec/replicas") == 3).then_some(());
    eventually("the autoscaler scales", Duration::from_secs(40), scaled);
    ns.vnf(&["undo", "small", "--overwrite-drift"]).succeeds();
    assert_eq!(ns.object("Deployment/web").number("/spec/replicas"), 3);
}

#[test]
fn a_change_of_the_package_that_is_given_up_leaves_what_a_corrected_one_needs() {
    let Some(cluster) = cluster() else { return };
    let (ns, _old) = instantiated(cluster, "change-fail");
    let broken = new().edit("all.yaml", "\"tier\": \"back\"", "\"tier\": \"none\"");
    let nosuch = yaml(&[workload(
        "Deployment",
        "broken",
        "broken",
        Some(1),
        &spec(&container("nosuch", &json!({})), &json!({})),
    )]);
    let broken = broken.manifest("broken.yaml", &nosuch).write();
    ns.vnf(&["change-package", "small", "--package", &broken.path()]).exits(3);
    ns.vnf(&["op", "fail", "small"]).succeeds();
    let package = new().write();
    let run = ns.vnf(&["change-package", "small", "--package", &package.path()]).succeeds();
    run.says(["Deployment broken"]).never_says(["80 -> 8080"]);
    assert_eq!(content(&ns), content_of_new());
    assert!(!ns.objects().has("Deployment/broken"));
    ns.vnf(&["terminate", "small", "--delete", "--yes"]).succeeds();
}
