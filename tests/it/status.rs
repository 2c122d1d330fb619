//! How a VNF is: nothing drifts that nobody has changed, whatever the API server makes of a manifest; what somebody
//! has changed is named field by field; and why a Pod is not ready is said as somebody would who knows.

use crate::support::manifests::{config_map, container, pod, secret, spec, workload, yaml};
use crate::support::sample::{BEFORE, after_with, instantiated};
use crate::support::{Draft, Namespace, Proxy, Run, cluster, eventually};
use serde_json::{Value, json};
use std::time::Duration;

/// Manifests in spellings that an API server does not keep: amounts, numbers for texts' sake, what is empty or null,
/// defaults left out and written out, lists that admission makes longer.
fn many_kinds() -> Vec<Value> {
    let odd = container(
        "nginx",
        &json!({
            "command": [], "args": null, "securityContext": {}, "stdin": false, "imagePullPolicy": "IfNotPresent",
            "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}, "requests": {"cpu": 0.01, "memory": "67108864"}},
            "ports": [{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}, {"name": "web", "containerPort": 80}],
            "env": [{"name": "EMPTY", "value": ""}, {"name": "CMKEY", "valueFrom": {"configMapKeyRef": {"name": "config", "key": "key"}}}],
            "volumeMounts": [{"name": "config", "mountPath": "/config", "readOnly": false}],
        }),
    );
    let around = json!({
        "hostNetwork": false, "nodeSelector": {}, "terminationGracePeriodSeconds": 1, "serviceAccountName": "runner",
        "tolerations": [{"key": "example.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "volumes": [{"name": "config", "configMap": {"name": "config", "defaultMode": 420, "optional": false}},
            {"name": "scratch", "emptyDir": {"sizeLimit": "1024Ki"}}],
    });
    let odd = spec(&odd, &around);
    let mut deployment = workload("Deployment", "web", "web", Some(1), &odd);
    deployment["metadata"]["creationTimestamp"] = Value::Null;
    deployment["spec"]["strategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}});
    let mut state = workload("StatefulSet", "state", "state", Some(1), &odd);
    state["spec"]["updateStrategy"] = json!({"rollingUpdate": {"partition": 0}});
    let of = |kind: &str, version: &str, name: &str, more: Value| {
        let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}});
        object.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        object
    };
    let job =
        json!({"containers": [{"name": "main", "image": "busybox", "command": ["true"]}], "restartPolicy": "Never"});
    vec![
        config_map("config", &[("key", "value")]),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "binary"}, "binaryData": {"blob": "/wA=\n"}, "immutable": true}),
        secret("secret", &[("password", "example-pass-01")]),
        of("ServiceAccount", "v1", "runner", json!({"automountServiceAccountToken": true})),
        of(
            "Role",
            "rbac.authorization.k8s.io/v1",
            "reader",
            json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
        ),
        of(
            "RoleBinding",
            "rbac.authorization.k8s.io/v1",
            "reader",
            json!({"subjects": [{"kind": "ServiceAccount", "name": "runner"}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}}),
        ),
        of(
            "Service",
            "v1",
            "web",
            json!({"spec": {"selector": {"app": "web"}, "type": "NodePort", "ports": [
            {"name": "web", "port": 80, "targetPort": "web"}, {"name": "dns", "port": 53, "protocol": "UDP"}]}}),
        ),
        of(
            "Service",
            "v1",
            "headless",
            json!({"spec": {"selector": {"app": "state"}, "clusterIP": "None", "ports": []}}),
        ),
        of(
            "Ingress",
            "networking.k8s.io/v1",
            "web",
            json!({"spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}}),
        ),
        of(
            "NetworkPolicy",
            "networking.k8s.io/v1",
            "open",
            json!({"spec": {"podSelector": {}, "ingress": [{}], "policyTypes": ["Ingress"]}}),
        ),
        of(
            "PodDisruptionBudget",
            "policy/v1",
            "web",
            json!({"spec": {"maxUnavailable": "50%", "selector": {"matchLabels": {"app": "web"}}}}),
        ),
        of(
            "HorizontalPodAutoscaler",
            "autoscaling/v2",
            "web",
            json!({"spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "maxReplicas": 3, "metrics": [{"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1024Mi"}}}]}}),
        ),
        of(
            "LimitRange",
            "v1",
            "limits",
            json!({"spec": {"limits": [{"type": "Container", "default": {"memory": "65536Ki"}, "defaultRequest": {"memory": "16384Ki"}}]}}),
        ),
        of("ResourceQuota", "v1", "quota", json!({"spec": {"hard": {"pods": 50, "requests.memory": "102400Mi"}}})),
        of(
            "CronJob",
            "batch/v1",
            "nightly",
            json!({"spec": {"schedule": "0 3 * * *", "suspend": false,
            "jobTemplate": {"spec": {"template": {"spec": job.clone()}}}}}),
        ),
        of("Job", "batch/v1", "once", json!({"spec": {"template": {"spec": job}}})),
        deployment,
        state,
        workload("DaemonSet", "each", "each", None, &odd),
        workload("ReplicaSet", "set", "set", Some(2), &odd),
        pod("bare", &odd),
    ]
}

/// An instance of many kinds, all of them well.
fn well(ns: &Namespace) {
    let package =
        Draft::of("Many", &[("all.yaml", &yaml(&many_kinds()))], &["web", "state", "each", "set", "bare"]).write();
    ns.vnf(&["instantiate", "many", "--package", &package.path()]).succeeds();
}

#[test]
fn nothing_drifts_that_nobody_has_changed() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "well");
    well(&ns);
    ns.at_rest();
    let status = ns.vnf(&["status", "many"]).succeeds();
    let status = status.says(["many INSTANTIATED revision 1", "6 of 6 VNFCs ready", "16 other objects"]);
    status.never_says(["Drift", "Deferred", "✖", "◌"]);
    ns.vnf(&["status"]).succeeds().says(["NAME READY STATE OPERATION DRIFT DEFERRED many 6/6 INSTANTIATED - 0 0"]);
    let value = ns.vnf(&["status", "many", "-o", "json"]).succeeds().json();
    assert_eq!(value["kubectlVnf"]["well"], json!(true));
    assert_eq!(value["vnfInstanceName"], json!("many"));
    ns.vnf(&["status", "many", "-o", "name"]).succeeds().says(["vnfinstance/many"]);
}

#[test]
fn what_somebody_has_changed_is_named_and_put_back() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "changed");
    well(&ns);
    ns.kubectl(&["delete", "horizontalpodautoscaler/web"]).succeeds();
    ns.kubectl(&["scale", "replicaset/set", "--replicas=3"]).succeeds();
    ns.kubectl(&["patch", "configmap/config", "-p", r#"{"data":{"key":"a longer value"}}"#, "--field-manager=ann"])
        .succeeds();
    ns.kubectl(&["patch", "secret/secret", "-p", r#"{"stringData":{"password":"hunter2hunter2hunter2"}}"#]).succeeds();
    ns.kubectl(&[
        "patch",
        "service/web",
        "--type=json",
        "-p",
        r#"[{"op":"replace","path":"/spec/ports/0/port","value":8080}]"#,
    ])
    .succeeds();
    ns.kubectl(&["set", "env", "deployment/web", "EMPTY=hunter3"]).succeeds();
    ns.kubectl(&["set", "image", "daemonset/each", "main=busybox"]).succeeds();
    ns.kubectl(&["delete", "pod/bare", "networkpolicy/open", "--wait"]).succeeds();
    ns.at_rest();

    let status = ns.vnf(&["status", "many"]).exits(1).says([
        "ConfigMap config key 5 -> 14 bytes ann",
        "Secret secret password 15 -> 21 bytes kubectl-patch",
        "ReplicaSet set spec.replicas 2 -> 3 kubectl",
        "Service web ports[web].port 80 -> 8080",
        "Deployment web containers[main].env[EMPTY].value changed kubectl-set",
        "DaemonSet each image of main nginx -> busybox kubectl-set",
        "Pod bare deleted",
        "NetworkPolicy open deleted",
        "HorizontalPodAutoscaler web deleted",
        "Pod bare 0/1 gone",
        "6 of 7 VNFCs ready",
        "9 drifted",
        "Put back: kubectl vnf update many",
        "(not replicas: they belong to scale)",
        "heal many --all",
    ]);
    status.never_says(["hunter2", "hunter3", "example-pass-01"]);
    ns.vnf(&["status"]).exits(1).says(["many 6/7 INSTANTIATED - 9 0"]);

    ns.vnf(&["update", "many", "--overwrite-drift"]).succeeds();
    ns.at_rest();
    let status = ns.vnf(&["status", "many"]).exits(1);
    let status = status.says([
        "ReplicaSet set spec.replicas 2 -> 3",
        "Service web ports[web].port",
        "env[EMPTY].value",
        "3 drifted",
    ]);
    status.never_says(["image of main", "deleted", "bytes"]);
}

#[test]
fn why_a_pod_is_not_ready() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "reasons");
    let plain = spec(&container("nginx", &json!({})), &json!({"terminationGracePeriodSeconds": 1}));
    let troubles = [
        ("image", json!({"containers": [{"name": "main", "image": "nginx:nosuch"}]})),
        ("cpu", json!({"containers": [{"name": "main", "resources": {"requests": {"cpu": "1000"}}}]})),
        (
            "key",
            json!({"containers": [{"name": "main", "env": [
            {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "config", "key": "nosuch"}}}]}]}),
        ),
        ("start", json!({"containers": [{"name": "main", "command": ["/nosuch"]}]})),
        (
            "probe",
            json!({"containers": [{"name": "main", "readinessProbe": {"exec": {"command": ["false"]}, "periodSeconds": 1}}]}),
        ),
        (
            "init",
            json!({"initContainers": [{"name": "first", "image": "nginx"}, {"name": "second", "image": "nginx"}]}),
        ),
        (
            "mount",
            json!({"containers": [{"name": "main", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
                "volumes": [{"name": "v", "configMap": {"name": "nosuch"}}]}),
        ),
        ("crash", json!({"containers": [{"name": "main", "image": "broken:crash"}]})),
    ];
    let names: Vec<&str> = troubles.iter().map(|(name, _)| *name).collect();
    let mut objects = vec![config_map("config", &[("key", "value")])];
    objects.extend(names.iter().map(|name| workload("Deployment", name, name, Some(1), &plain)));
    let package = Draft::of("Reasons", &[("all.yaml", &yaml(&objects))], &names).write();
    ns.vnf(&["instantiate", "poor", "--package", &package.path()]).succeeds();
    for (name, trouble) in &troubles {
        // What dies at its start is Ready for a moment, which must not cost the Pod that serves.
        let patch = json!({"spec": {"minReadySeconds": 300, "template": {"spec": trouble}}}).to_string();
        ns.kubectl(&["patch", &format!("deployment/{name}"), "-p", &patch]).succeeds();
    }
    for reason in [
        "ImagePullBackOff",
        "Unschedulable: Insufficient cpu",
        "CreateContainerConfigError: no key nosuch in ConfigMap config",
        "executable file not found|no such file or directory",
        "not ready: readiness probe failed",
        "waiting for init container 1 of 2",
        "FailedMount: MountVolume.SetUp failed",
        // Until the kubelet looks again, which may take it as long as it waits for, it says what the container came to.
        "CrashLoopBackOff: exit code 1|Error: exit code 1",
    ] {
        eventually(reason, Duration::from_secs(90), || {
            let mut command = ns.vnf_command(&["status", "poor", "-o", "json"]);
            let output = command.output().expect("the plugin runs");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            reason.split('|').any(|one| said.contains(one)).then_some(())
        });
    }
    let status = ns.vnf(&["status", "poor"]).exits(1);
    status.says(["8 of 8 VNFCs ready", "current", "old", "Unschedulable"]);
}

#[test]
fn the_table_costs_as_much_for_many_as_for_one() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "table");
    let proxy = Proxy::start(cluster);
    let package = Draft::of("Small", &[("all.yaml", &yaml(&[config_map("NAME", &[("key", "value")])]))], &[]);
    let requests = |count: usize| {
        for index in 0..count {
            let package = package.clone().edit("all.yaml", "NAME", &format!("config-{count}-{index}")).write();
            let name = format!("small-{count}-{index}");
            ns.vnf(&["instantiate", &name, "--package", &package.path()]).succeeds();
        }
        proxy.begin(None);
        Run::of(proxy.through(ns.vnf_command(&["status"])), "").succeeds();
        proxy.seen().len()
    };
    let (one, four) = (requests(1), requests(3));
    // Each of them runs a package of its own, which is read once.
    assert_eq!(four, one + 3, "a request for each package, and no more");
}

#[test]
fn an_operation_that_stopped_is_told() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "stopped");
    let broken = after_with("deployment.yaml", "image: cirros", "image: cirros:nosuch");
    ns.vnf(&["update", BEFORE, "--package", &broken.path(), "--yes"]).exits(3);
    let status = ns.vnf(&["status", BEFORE]).exits(1);
    let status = status.says([
        "update",
        "FAILED_TEMP for",
        "op show sample-vnf",
        "✖ VDU1 Deployment vdu1-update",
        "still serving",
    ]);
    status.never_says(["Drift"]);
    ns.vnf(&["status"]).exits(1).says(["sample-vnf 8/8 INSTANTIATED update FAILED_TEMP - 0"]);
    ns.vnf(&["op", "rollback", BEFORE, "--yes"]).succeeds();
    ns.vnf(&["status", BEFORE]).succeeds().says(["8 of 8 VNFCs ready"]);
    ns.vnf(&["terminate", BEFORE, "--yes"]).succeeds();
    ns.vnf(&["status", BEFORE]).succeeds().says(["sample-vnf NOT_INSTANTIATED"]);
}
