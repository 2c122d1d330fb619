//! Scaling: all VDUs of an aspect by what each step adds, nothing else, and never twice.

use crate::support::manifests::{config_map, container, env_of, pod, spec, workload, yaml};
use crate::support::rbac::{role, rule};
use crate::support::sample::{BEFORE, shipped};
use crate::support::{Cluster, Draft, Namespace, Objects, Run, Running, cluster, eventually};
use serde_json::{Value, json};
use std::time::Duration;

const NAME: &str = "scaled";

/// Its steps add 1, 2 and 1 Pods, to `web` and to `set` alike.
const UNEVEN: &str = "uneven";

/// `VDU1` and `VDU2` follow one aspect whose steps differ, `VDU3` one of even steps, `VDU4` and `VDU5` one that they
/// cannot follow.
const POLICIES: &str = "
  policies:
  - aspects:
      type: tosca.policies.nfv.ScalingAspects
      properties:
        aspects:
          uneven: { name: uneven, description: uneven, max_scale_level: 3, step_deltas: [ one, two, one ] }
          even: { name: even, description: even, max_scale_level: 4, step_deltas: [ one ] }
          fixed: { name: fixed, description: fixed, max_scale_level: 1, step_deltas: [ one ] }
  - uneven_deltas:
      type: tosca.policies.nfv.VduScalingAspectDeltas
      properties:
        aspect: uneven
        deltas: { one: { number_of_instances: 1 }, two: { number_of_instances: 2 } }
      targets: [ VDU1, VDU2 ]
  - even_deltas:
      type: tosca.policies.nfv.VduScalingAspectDeltas
      properties:
        aspect: even
        deltas: { one: { number_of_instances: 1 } }
      targets: [ VDU3 ]
  - fixed_deltas:
      type: tosca.policies.nfv.VduScalingAspectDeltas
      properties:
        aspect: fixed
        deltas: { one: { number_of_instances: 1 } }
      targets: [ VDU4, VDU5 ]
";

/// `web`, `set`, `state`, the bare Pod `bare` and the DaemonSet `agent`, which all read a ConfigMap; a VDU may have up
/// to five Pods.
fn draft() -> Draft {
    let user = spec(&container("nginx", &json!({"env": [env_of("CM", "config", "key")]})), &json!({}));
    let manifest = yaml(&[
        config_map("config", &[("key", "old value")]),
        workload("Deployment", "web", "web", Some(1), &user),
        workload("ReplicaSet", "set", "set", Some(1), &user),
        workload("StatefulSet", "state", "state", Some(1), &user),
        pod("bare", &user),
        workload("DaemonSet", "agent", "agent", None, &user),
    ]);
    scalable(Draft::of("Scaled", &[("all.yaml", &manifest)], &["web", "set", "state", "bare", "agent"]), POLICIES)
}

fn scalable(draft: Draft, policies: &str) -> Draft {
    let vnfd = "Definitions/vnfd.yaml";
    let topology = "topology_template:\n";
    draft.edit_file(vnfd, topology, &format!("{topology}{policies}")).edit_file(
        vnfd,
        "max_number_of_instances: 3",
        "max_number_of_instances: 5",
    )
}

/// A Deployment `web` alone.
fn web_alone(object: &Value) -> Draft {
    let manifest = yaml(std::slice::from_ref(object));
    let policies = POLICIES.split("  - even_deltas").next().unwrap_or_default().replace("VDU1, VDU2", "VDU1");
    scalable(Draft::of("Alone", &[("all.yaml", &manifest)], &["web"]), &policies)
}

fn instantiated(cluster: &'static Cluster, purpose: &str, draft: &Draft) -> Namespace {
    let ns = Namespace::new(cluster, purpose);
    ns.vnf(&["instantiate", NAME, "--package", &draft.write().path()]).succeeds();
    ns.at_rest();
    ns
}

fn scale(ns: &Namespace, aspect: &str, way: &[&str]) -> Run {
    ns.vnf(&[&["scale", NAME, "--aspect", aspect], way].concat())
}

/// `spec.replicas`, and how many Pods are there, leaving ones included: all of them ready.
#[track_caller]
fn assert_pods(objects: &Objects, workload: &str, number: usize) {
    assert_eq!(objects.get(workload).number("/spec/replicas"), i64::try_from(number).expect("few"), "{workload}");
    let pods = objects.pods_of(workload);
    assert_eq!(pods.len(), number, "Pods of {workload}");
    assert!(pods.iter().all(|pod| pod.is_ready() && !pod.is_leaving()), "Pods of {workload} are ready");
}

/// Scale level of an aspect, as the record says.
#[track_caller]
fn level(objects: &Objects, aspect: &str) -> i64 {
    let record = objects.instance().record();
    let status = record["instantiatedVnfInfo"]["scaleStatus"].as_array().cloned().unwrap_or_default();
    let entry = status.iter().find(|entry| entry["aspectId"] == aspect);
    entry.unwrap_or_else(|| panic!("no {aspect} in {record:#}"))["scaleLevel"].as_i64().expect("a number")
}

/// Asserts that every Pod of `old` that is still there lives on as it did, and that those of the workloads that are
/// not named all are.
#[track_caller]
fn assert_untouched(old: &Objects, new: &Objects, scaled: &[&str]) {
    for pod in old.of_kind("Pod") {
        let name = format!("Pod/{}", pod.name());
        let of_scaled = scaled.iter().any(|workload| old.pods_of(workload).iter().any(|one| one.uid() == pod.uid()));
        if of_scaled && !new.has(&name) {
            continue;
        }
        assert_eq!(new.get(&name).life(), pod.life(), "{name} is untouched");
    }
}

#[test]
fn an_aspect_is_scaled_out_and_in_by_what_each_step_adds() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "scale", &draft());
    let old = ns.at_rest();
    assert_eq!(level(&old, UNEVEN), 0);
    ns.unwritten(|| {
        scale(&ns, UNEVEN, &["--out", "--dry-run=server"]).succeeds().says([
            "uneven 0 -> 1 of 3",
            "VDU1 Deployment web replicas 1 -> 2, 1 Pod added",
            "VDU2 ReplicaSet set replicas 1 -> 2, 1 Pod added",
            "Untouched: VDU3 state, VDU4 bare, VDU5 agent",
            "2 writes accepted",
        ]);
    });

    let run = scale(&ns, UNEVEN, &["--out"]).succeeds();
    run.says(["scaled", "revision 2", "Scale: uneven 0 -> 1 of 3", "Added: 2 Pods", "Untouched: 5 Pods"]);
    let one = ns.objects();
    for workload in ["Deployment/web", "ReplicaSet/set"] {
        assert_pods(&one, workload, 2);
        assert_eq!(
            one.get(workload).number("/metadata/generation"),
            old.get(workload).number("/metadata/generation") + 1
        );
    }
    assert_untouched(&old, &one, &[]);
    assert_eq!((level(&one, UNEVEN), level(&one, "even")), (1, 0));
    let operation = one.of_kind("ConfigMap").filter(|map| map.is_record("operation")).map(|map| map.record());
    let operation = operation.into_iter().find(|record| record["operation"] == "SCALE").expect("the operation");
    assert_eq!(operation["operationParams"], json!({"type": "SCALE_OUT", "aspectId": UNEVEN, "numberOfSteps": 1}));
    let shown = ns.vnf(&["op", "show", NAME, "-o", "json"]).succeeds().json();
    let affected = shown["resourceChanges"]["affectedVnfcs"].as_array().cloned().unwrap_or_default();
    assert_eq!(affected.len(), 2, "{affected:#?}");
    assert!(affected.iter().all(|vnfc| vnfc["changeType"] == "ADDED"), "{affected:#?}");

    // Two steps at once, of two Pods and of one.
    scale(&ns, UNEVEN, &["--out", "2"]).succeeds().says(["uneven 1 -> 3 of 3", "Added: 6 Pods"]);
    let most = ns.objects();
    for workload in ["Deployment/web", "ReplicaSet/set"] {
        assert_pods(&most, workload, 5);
    }
    assert_untouched(&one, &most, &[]);
    ns.vnf(&["show", NAME]).succeeds().says(["Scale: uneven 3 of 3, even 0 of 4"]);
    ns.unwritten(|| {
        scale(&ns, UNEVEN, &["--out"]).exits(1).says(["level 3 now + 1 = 4, above max_scale_level 3"]);
    });

    // With the command the surplus Pods are gone, not leaving.
    let run = scale(&ns, UNEVEN, &["--in", "2", "-o", "json"]).succeeds();
    let few = ns.objects();
    let outcome = run.json();
    assert_eq!(outcome["scale"], json!([{"aspectId": UNEVEN, "before": 3, "after": 1, "max": 3}]));
    let removed = outcome["removed"].as_array().cloned().unwrap_or_default();
    assert_eq!(removed.len(), 6, "{removed:#?}");
    assert!(removed.iter().all(|pod| !few.has(&format!("Pod/{}", pod["pod"].as_str().unwrap_or("?")))));
    for workload in ["Deployment/web", "ReplicaSet/set"] {
        assert_pods(&few, workload, 2);
    }
    assert_untouched(&most, &few, &["Deployment/web", "ReplicaSet/set"]);
    assert_eq!(level(&few, UNEVEN), 1);

    scale(&ns, "even", &["--out", "2"]).succeeds();
    let state = ns.objects();
    assert_pods(&state, "StatefulSet/state", 3);
    let run = scale(&ns, "even", &["--in", "-o", "name"]).succeeds();
    assert_eq!(run.stdout, format!("vnfinstance/{NAME}\n"));
    let new = ns.objects();
    assert_pods(&new, "StatefulSet/state", 2);
    assert!(!new.has("Pod/state-2"), "the last one goes");
    assert_untouched(&state, &new, &["StatefulSet/state"]);

    ns.vnf(&["op", "show", NAME]).succeeds().says([
        "scale (SCALE)",
        "COMPLETED",
        "VDU3 StatefulSet state done replicas 3 -> 2",
    ]);
    ns.vnf(&["op", "list", NAME]).succeeds().says(["scale COMPLETED 4 -> 5"]);
    ns.vnf(&["list"]).succeeds().says(["scale COMPLETED"]);
}

#[test]
fn what_cannot_be_scaled_is_refused_with_the_reason() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "scale-no", &draft());
    // Somebody has scaled in the meantime.
    ns.kubectl(&["scale", "deployment/web", "--replicas=4"]).succeeds();
    eventually("the Pods are there", Duration::from_secs(60), || {
        let pods = ns.object("deployment/web").number("/status/readyReplicas");
        (pods == 4).then_some(())
    });
    ns.at_rest();
    ns.unwritten(|| {
        scale(&ns, UNEVEN, &["--out", "2"]).exits(1).says([
            "VDU1 Deployment web: 4 replicas now + 1 + 2 = 7, above max_number_of_instances 5 (Definitions/vnfd.yaml:",
            "nothing was written",
        ]);
        scale(&ns, UNEVEN, &["--in"]).exits(1).says(["uneven: level 0 now - 1 = -1, below the lowest level, 0"]);
        scale(&ns, "nothing", &["--out"])
            .exits(1)
            .says(["no scaling aspect \"nothing\"", "uneven 0 of 3,  even 0 of 4"]);
        scale(&ns, "fixed", &["--out"]).exits(1).says([
            "VDU4 Pod bare cannot be scaled: a Pod is one and has no replicas",
            "VDU5 DaemonSet agent cannot be scaled: a DaemonSet runs one Pod on each of its nodes",
        ]);
        scale(&ns, UNEVEN, &[]).exits(2).says(["--out", "--in"]);
        scale(&ns, UNEVEN, &["--out", "--in"]).exits(2);
        scale(&ns, UNEVEN, &["--out", "0"]).exits(2);
    });
    // A step is counted from what is live, and the plan says so.
    scale(&ns, UNEVEN, &["--out"]).succeeds().says([
        "VDU1 Deployment web is counted from the 4 replicas that are live, set by kubectl; revision 1 has 1",
        "replicas 4 -> 5",
    ]);
    let new = ns.objects();
    assert_pods(&new, "Deployment/web", 5);
    assert_pods(&new, "ReplicaSet/set", 2);
}

#[test]
fn rights_quota_and_autoscaler_are_told_beforehand() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "scale-checks", &draft());
    let all = [
        rule("", &["configmaps", "secrets", "pods", "events"]),
        rule("coordination.k8s.io", &["leases"]),
        json!({"apiGroups": ["apps"], "verbs": ["get", "list", "watch"],
            "resources": ["deployments", "replicasets", "statefulsets", "daemonsets"]}),
    ];
    role(&ns, "looker", &all);
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let scaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "scaler"},
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 9,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]}});
    ns.create(&scaler.to_string());
    ns.kubectl(&["create", "quota", "full", "--hard=pods=6"]).succeeds();
    eventually("the quota is counted", Duration::from_secs(30), || {
        (ns.object("resourcequota/full").text("/status/used/pods") == "5").then_some(())
    });
    ns.unwritten(|| {
        scale(&ns, UNEVEN, &["--out", "--as", "looker"]).exits(1).says([
            "patch deployments in",
            "to scale VDU1 Deployment web",
            "nothing was written",
        ]);
        scale(&ns, UNEVEN, &["--out"]).exits(1).says([
            "HorizontalPodAutoscaler scaler (1 to 9) sets these replicas too",
            "ResourceQuota full it has no room for all Pods that are to run: pods: 2 needed, 5 of 6 in use",
            "nothing was written",
        ]);
    });
    ns.kubectl(&["delete", "quota", "full"]).succeeds();
    scale(&ns, UNEVEN, &["--out"]).succeeds();
}

#[test]
fn a_scale_out_that_finds_no_node_is_rolled_back() {
    let Some(cluster) = cluster() else { return };
    let apart = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}]}});
    let web = workload(
        "Deployment",
        "web",
        "web",
        Some(1),
        &spec(&container("nginx", &json!({})), &json!({"affinity": apart})),
    );
    let ns = instantiated(cluster, "scale-node", &web_alone(&web));
    let old = ns.at_rest();

    // Before its patience is over time is up: the operation stands, and has its ways out.
    let run = scale(&ns, UNEVEN, &["--out", "--timeout=4s"]).exits(3);
    run.says(["Unschedulable", "op rollback", "1 workload gets the former replicas", "op retry", "op fail"]);
    assert_eq!(level(&ns.objects(), UNEVEN), 0, "not before it is completed");
    scale(&ns, UNEVEN, &["--out"]).exits(1).says(["FAILED_TEMP"]);
    ns.vnf(&["op", "rollback", NAME, "--yes"]).succeeds().says(["replicas 2 -> 1, 1 Pod removed", "ROLLED_BACK"]);
    let back = ns.objects();
    assert_pods(&back, "Deployment/web", 1);
    assert_untouched(&old, &back, &[]);

    let run = scale(&ns, UNEVEN, &["--out", "--rollback-on-failure"]).exits(1);
    run.says(["no node takes the Pod", "didn't match pod anti-affinity rules", "was rolled back in"]);
    let back = ns.objects();
    assert_pods(&back, "Deployment/web", 1);
    assert_untouched(&old, &back, &[]);
    assert_eq!(level(&back, UNEVEN), 0);
    assert_eq!(back.instance().text("/metadata/annotations/kubectl-vnf~1operation"), "scale ROLLED_BACK");
}

#[test]
fn a_scaling_that_was_killed_is_finished_and_never_done_twice() {
    let Some(cluster) = cluster() else { return };
    let mut web = workload("Deployment", "web", "web", Some(1), &spec(&container("nginx", &json!({})), &json!({})));
    // Time to be killed in, between the write and the end of the wait for it.
    web["spec"]["minReadySeconds"] = 4.into();
    let ns = instantiated(cluster, "scale-kill", &web_alone(&web));
    let old = ns.at_rest();
    let mut killed = Running::vnf(&ns, &["scale", NAME, "--aspect", UNEVEN, "--out", "--progress=plain"]);
    killed.says("Deployment web: replicas 1 -> 2");
    killed.kill();
    ns.vnf(&["op", "retry", NAME]).succeeds().says(["done before", "scaled", "uneven 0 -> 1 of 3", "Added: 1 Pod"]);
    let new = ns.at_rest();
    assert_pods(&new, "Deployment/web", 2);
    assert_untouched(&old, &new, &[]);
    assert_eq!(level(&new, UNEVEN), 1);
    let generation = |objects: &Objects| objects.get("Deployment/web").number("/metadata/generation");
    assert_eq!(generation(&new), generation(&old) + 1, "it was written once");

    // Somebody else sets the replicas while it waits: that is not overruled, but told.
    let mut disputed = ns.begin_vnf(&["scale", NAME, "--aspect", UNEVEN, "--out"]);
    disputed.says("Deployment web: replicas 2 -> 4");
    ns.kubectl(&["scale", "deployment/web", "--replicas=3"]).succeeds();
    disputed.end().exits(3).says(["replicas are 3 (kubectl), not 4", "FAILED_TEMP"]);
    ns.vnf(&["op", "fail", NAME]).succeeds();
    let objects = ns.at_rest();
    assert_eq!((objects.get("Deployment/web").number("/spec/replicas"), level(&objects, UNEVEN)), (3, 1));
    scale(&ns, UNEVEN, &["--in"]).succeeds().says(["replicas 3 -> 2"]);
}

#[test]
fn later_operations_keep_the_replicas_and_undo_takes_a_scaling_back() {
    let Some(cluster) = cluster() else { return };
    let draft = draft();
    let ns = instantiated(cluster, "scale-later", &draft);
    scale(&ns, UNEVEN, &["--out"]).succeeds();
    let scaled = ns.at_rest();
    let next = draft.edit("all.yaml", "old value", "new value").write();
    let update = || ns.vnf(&["update", NAME, "--package", &next.path()]).succeeds();
    update();
    let updated = ns.at_rest();
    let scaled_still = |objects: &Objects| {
        for workload in ["Deployment/web", "ReplicaSet/set"] {
            assert_pods(objects, workload, 2);
        }
        assert_eq!(level(objects, UNEVEN), 1);
    };
    scaled_still(&updated);
    assert_ne!(updated.get("Pod/state-0").uid(), scaled.get("Pod/state-0").uid(), "the update restarts");
    ns.vnf(&["undo", NAME]).succeeds().never_says(["replicas"]);
    scaled_still(&ns.at_rest());
    let before = ns.at_rest();

    ns.vnf(&["undo", NAME, "--to-revision=1"]).succeeds().says([
        "uneven 1 -> 0 of 3",
        "replicas 2 -> 1, 1 Pod removed",
        "Removed: 2 Pods",
    ]);
    let undone = ns.at_rest();
    for workload in ["Deployment/web", "ReplicaSet/set"] {
        assert_pods(&undone, workload, 1);
    }
    assert_untouched(&before, &undone, &["Deployment/web", "ReplicaSet/set"]);
    assert_eq!(level(&undone, UNEVEN), 0);
    // The undo of that undo scales out again.
    ns.vnf(&["undo", NAME]).succeeds().says(["uneven 0 -> 1 of 3"]);
    scaled_still(&ns.at_rest());

    ns.vnf(&["heal", NAME, "--all", "--yes"]).succeeds();
    scaled_still(&ns.at_rest());
    // What is gone comes back with its replicas.
    ns.kubectl(&["delete", "deployment/web"]).succeeds();
    ns.vnf(&["update", NAME]).succeeds();
    scaled_still(&ns.at_rest());

    // Replicas and Pods move at once.
    update();
    scaled_still(&ns.at_rest());
    ns.vnf(&["undo", NAME, "--to-revision=5"]).succeeds().says(["uneven 1 -> 0 of 3"]);
    let undone = ns.at_rest();
    for workload in ["Deployment/web", "ReplicaSet/set"] {
        assert_pods(&undone, workload, 1);
        assert!(ns.log(undone.pod_of(workload).name()).contains("CM=old value\n"), "{workload} sees the old value");
    }
    assert_eq!(level(&undone, UNEVEN), 0);
}

#[test]
fn an_instantiation_level_is_where_scaling_begins() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "scale-level");
    ns.vnf(&["instantiate", BEFORE, "--package", &shipped("before"), "--level", "instantiation_level_2"]).succeeds();
    let old = ns.at_rest();
    assert_pods(&old, "Deployment/vdu1-update", 3);
    assert_eq!(level(&old, "vdu1_aspect"), 2);
    let scale = |way: &[&str]| ns.vnf(&[&["scale", BEFORE, "--aspect", "vdu1_aspect"], way].concat());
    scale(&["--out"]).exits(1).says(["level 2 now + 1 = 3, above max_scale_level 2"]);
    scale(&["--in", "2"]).succeeds().says(["vdu1_aspect 2 -> 0 of 2", "Removed: 2 Pods"]);
    let new = ns.objects();
    assert_pods(&new, "Deployment/vdu1-update", 1);
    assert_pods(&new, "ReplicaSet/vdu2-update", 3);
    assert_untouched(&old, &new, &["Deployment/vdu1-update"]);
    assert_eq!((level(&new, "vdu1_aspect"), level(&new, "vdu2_aspect")), (0, 2));
}
