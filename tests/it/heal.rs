//! Healing: one VNFC alone, and all workloads from the package that an update has brought.

use crate::support::gated::{self, AT_GATE};
use crate::support::manifests::{config_map, container, env_of, pod, spec, workload, yaml};
use crate::support::sample::{AFTER, BEFORE, WORKLOADS, instantiated, shipped, update_request};
use crate::support::{Draft, Namespace, Objects, Running, Watch, cluster};
use serde_json::{Value, json};
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

    // What came into force with it is taken back with it.
    ns.vnf(&["undo", AFTER]).succeeds();
    assert_eq!(port(&ns.at_rest()), 80);
    ns.vnf(&["show", AFTER]).succeeds().says(["80 -> 180"]);
}

const RBAC: &str = "rbac.authorization.k8s.io";

/// Of the kinds that are no VDU's workload some; `web` is a VDU, `aside` is not.
fn around() -> Draft {
    let user = |key: &str| spec(&container("nginx", &json!({"env": [env_of("CM", "config", key)]})), &json!({}));
    let mut config = config_map("config", &[("used", "of the package"), ("other", "other")]);
    config["metadata"]["labels"] = json!({"tier": "front", "stage": "one"});
    let rbac =
        |kind: &str, name: &str| json!({"apiVersion": format!("{RBAC}/v1"), "kind": kind, "metadata": {"name": name}});
    let mut reader = rbac("Role", "role");
    reader["rules"] = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]);
    let mut binding = rbac("RoleBinding", "binding");
    binding["roleRef"] = json!({"apiGroup": RBAC, "kind": "Role", "name": "role"});
    let once = spec(&container("nginx", &json!({"command": ["/bin/true"]})), &json!({"restartPolicy": "Never"}));
    let manifest = yaml(&[
        config,
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "front"},
            "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}}),
        reader,
        binding,
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "scaler"},
            "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "metrics": [{"type": "Resource", "resource": {"name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 80}}}]}}),
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "none", "resources": {"requests": {"storage": "1000Ki"}}}}),
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"}, "spec": {
            "template": {"spec": once}}}),
        workload("Deployment", "web", "web", Some(1), &user("used")),
        workload("Deployment", "aside", "aside", Some(1), &user("used")),
        workload("Deployment", "calm", "calm", Some(1), &user("other")),
    ]);
    Draft::of("Around", &[("all.yaml", &manifest)], &["web"])
}

#[test]
fn heal_of_all_puts_right_what_others_changed_and_deletes_no_more_than_workloads() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "heal-drift");
    ns.vnf(&["instantiate", "small", "--package", &around().write().path()]).succeeds();
    let heal = ["heal", "small", "--all", "--yes"];
    let plan = ns.vnf(&["heal", "small", "--all", "--dry-run=server"]).succeeds();
    plan.never_says(["Drift", "Objects:", "Config:", "stays so"]);

    let patch = |object: &str, patch: &str| {
        ns.kubectl(&["patch", object, "--type=json", "-p", patch]).succeeds();
    };
    patch("service/front", r#"[{"op": "replace", "path": "/spec/ports/0/port", "value": 8080}]"#);
    patch("hpa/scaler", r#"[{"op": "replace", "path": "/spec/maxReplicas", "value": 9}]"#);
    patch("configmap/config", r#"[{"op": "replace", "path": "/data/used", "value": "of somebody"}]"#);
    patch("deployment/calm", r#"[{"op": "add", "path": "/spec/minReadySeconds", "value": 1}]"#);
    ns.kubectl(&["label", "configmap/config", "tier=back", "stage-", "more=theirs", "--overwrite"]).succeeds();
    ns.kubectl(&["scale", "deployment/web", "deployment/calm", "--replicas=2"]).succeeds();
    ns.kubectl(&["delete", "role/role", "job/once"]).succeeds();
    for scaled in ["deployment/web", "deployment/calm"] {
        ns.kubectl(&["rollout", "status", scaled, "--timeout=60s"]).succeeds();
    }
    let bound = ns.object("rolebinding/binding").0;
    let mut other = bound.clone();
    other["roleRef"]["name"] = "other".into();
    ns.kubectl_reading(&["replace", "--force", "-f", "-"], &other.to_string()).succeeds();
    let before = ns.at_rest();

    let run = ns.vnf(&["heal", "small", "--all", "--dry-run=server"]).succeeds();
    let text = run.says([
        "Service front",
        "ports[http].port",
        "80 -> 8080",
        "kubectl-patch",
        "HorizontalPodAutoscaler scaler",
        "metadata.labels.tier",
        "kubectl-label",
        "RoleBinding binding is not as the package says and stays so (roleRef.name cannot be changed)",
    ]);
    text.never_says(["Job once", "PersistentVolumeClaim data is not"]);
    ns.vnf(&[&heal[..], &["--cause", "somebody's changes"]].concat()).succeeds();

    let after = ns.at_rest();
    let service = after.get("Service/front");
    assert_eq!(service.uid(), before.get("Service/front").uid());
    let ports = service.0["spec"]["ports"].as_array().expect("ports");
    assert_eq!((ports.len(), &ports[0]["port"], &ports[0]["targetPort"]), (1, &json!(80), &json!(8080)));
    assert_eq!(ns.object("hpa/scaler").number("/spec/maxReplicas"), 3);
    let config = after.get("ConfigMap/config");
    assert_eq!(config.uid(), before.get("ConfigMap/config").uid());
    assert_eq!(config.text("/data/used"), "of the package");
    assert_eq!(config.0["metadata"]["labels"]["tier"], "front");
    assert_eq!(config.0["metadata"]["labels"]["stage"], "one");
    assert_eq!(config.0["metadata"]["labels"]["more"], "theirs", "what others have added beside is theirs");
    assert_eq!(ns.object("role/role").0["rules"][0]["verbs"], json!(["get"]));
    assert_eq!(ns.object("rolebinding/binding").text("/roleRef/name"), "other");
    assert!(!after.has("Job/once"), "what has run is not run again");
    assert_eq!(after.get("Deployment/web").number("/spec/replicas"), 2);
    assert_ne!(after.get("Deployment/web").uid(), before.get("Deployment/web").uid());
    // No VDU's: who reads what was put right restarts, who does not stays.
    let uid = |objects: &Objects, name: &str| objects.get(name).uid().to_owned();
    let moves = |owner: &str| before.pods_of(owner)[0].life() != after.pods_of(owner)[0].life();
    assert_eq!(uid(&after, "Deployment/aside"), uid(&before, "Deployment/aside"));
    assert_eq!(uid(&after, "Deployment/calm"), uid(&before, "Deployment/calm"));
    assert_eq!((moves("Deployment/aside"), moves("Deployment/calm")), (true, false));
    assert_eq!(after.get("Deployment/calm").number("/spec/minReadySeconds"), 1, "no field of the package");
    assert_eq!(after.get("Deployment/calm").number("/spec/replicas"), 2);
    ns.vnf(&["op", "show", "small"]).succeeds().says([
        "cause \"somebody's changes\"",
        "Service front",
        "ports[http].port 8080 -> 80",
    ]);

    // There is nothing left to put right.
    let plan = ns.vnf(&["heal", "small", "--all", "--dry-run=server"]).succeeds();
    plan.never_says(["Drift", "Objects:", "Config:"]);
    ns.kubectl_reading(&["replace", "--force", "-f", "-"], &bound.to_string()).succeeds();
    ns.vnf(&["heal", "small", "--all", "--dry-run=client"]).succeeds().never_says(["stays so"]);
    ns.vnf(&["terminate", "small", "--delete", "--delete-pvc", "--yes"]).succeeds();
    assert!(!ns.objects().names().iter().any(|name| name.contains("front") || name.contains("data")));
}

#[test]
fn heal_of_a_vdu_keeps_to_a_disruption_budget() {
    let Some(cluster) = cluster() else { return };
    let ns = gated::instantiated(cluster, "heal-gate");
    let old = ns.at_rest();
    let mut heal = Running::vnf(&ns, &["heal", gated::NAME, "--vdu", "VDU1"]);
    heal.says(AT_GATE);
    assert_eq!(ns.objects().pod_of("ReplicaSet/gate").life(), old.pod_of("ReplicaSet/gate").life());
    gated::open(&ns);
    heal.exits(0);
    let new = ns.at_rest();
    assert_ne!(new.pod_of("ReplicaSet/gate").uid(), old.pod_of("ReplicaSet/gate").uid());
    assert_eq!(new.pod_of("Deployment/web").life(), old.pod_of("Deployment/web").life());
}

#[test]
fn heal_takes_one_pod_of_a_workload_after_the_other() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "heal-bound");
    let probe = json!({"readinessProbe": {"exec": {"command": ["/bin/true"]}, "periodSeconds": 1}});
    let served = spec(&container("nginx", &probe), &json!({}));
    let manifest = yaml(&[workload("ReplicaSet", "set", "set", Some(3), &served)]);
    let package = Draft::of("Bounded", &[("all.yaml", &manifest)], &["set"]).write();
    ns.vnf(&["instantiate", "small", "--package", &package.path()]).succeeds();
    let old = ns.at_rest();
    let watch = Watch::pods(&ns);
    ns.vnf(&["heal", "small", "--vdu", "VDU1"]).succeeds();
    let seen = watch.end(&ns);
    let new = ns.at_rest();
    assert!(new.pods_of("ReplicaSet/set").iter().all(|pod| !old.has(&format!("Pod/{}", pod.name()))));
    let (fewest, changes) = seen.fewest_ready("ReplicaSet/set");
    assert!(fewest >= 2 && changes > 3, "{fewest} of 3 were ready at one time, in {changes} changes");
}

#[test]
fn a_bare_pod_is_healed_wherever_there_is_room() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "heal-bare");
    let manifest = yaml(&[pod("bare", &spec(&container("nginx", &json!({})), &json!({})))]);
    let package = Draft::of("Bare", &[("all.yaml", &manifest)], &["bare"]).write();
    ns.vnf(&["instantiate", "small", "--package", &package.path()]).succeeds();
    let old = ns.at_rest().get("Pod/bare").clone();
    ns.vnf(&["heal", "small", "--vnfc", "VDU1-bare"]).succeeds();
    let new = ns.at_rest().get("Pod/bare").clone();
    assert_ne!(new.uid(), old.uid());
    // A Pod that names its node is not the scheduler's to place.
    let placed = |pod: &str| -> Vec<Value> {
        let events =
            ns.kubectl(&["get", "events", "--field-selector", &format!("involvedObject.uid={pod}"), "-o", "json"]);
        let events = events.succeeds().json();
        let items = events["items"].as_array().expect("a list").iter();
        items.filter(|event| event["reason"] == "Scheduled").cloned().collect()
    };
    assert_eq!(placed(new.uid()).len(), 1);
}
