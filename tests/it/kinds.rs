//! Any kind that the cluster serves: a package of some forty of them comes, changes and goes without a trace.

use crate::support::manifests::{config_map, container, env_of, pod, secret, spec, workload, yaml};
use crate::support::{Cluster, Draft, Namespace, Object, Objects, Run, cluster, eventually};
use serde_json::{Value, json};
use std::time::Duration;

const NAME: &str = "kinds";
/// Kinds that live in no namespace.
const WIDE: &str = "namespaces,customresourcedefinitions,clusterroles,clusterrolebindings,persistentvolumes,\
                    storageclasses,priorityclasses,runtimeclasses,ingressclasses,csidrivers,validatingadmissionpolicies";

fn object(api_version: &str, kind: &str, name: &str, rest: &Value) -> Value {
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
    for (key, value) in rest.as_object().into_iter().flatten() {
        object[key] = value.clone();
    }
    object
}

/// A namespace for the records, one that the package brings along, and names that nobody else uses.
struct Place {
    ns: Namespace,
    own: String,
    group: String,
}

impl Place {
    fn new(cluster: &'static Cluster, purpose: &str) -> Self {
        let ns = Namespace::new(cluster, purpose);
        Self { own: format!("{}-own", ns.name), group: format!("{}.example.com", ns.name), ns }
    }

    fn wide(&self, what: &str) -> String {
        format!("{}-{what}", self.ns.name)
    }

    fn namespace(&self) -> Value {
        object("v1", "Namespace", &self.own, &json!({}))
    }

    fn definition(&self) -> Value {
        let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
        object(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            &format!("widgets.{}", self.group),
            &json!({
            "spec": {"group": self.group, "scope": "Namespaced",
                "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]}}),
        )
    }

    fn widget(&self, name: &str) -> Value {
        object(&format!("{}/v1", self.group), "Widget", name, &json!({"spec": {"size": 1}}))
    }

    /// Objects of the package's namespace, once no Pod is leaving any more.
    fn objects(&self) -> Objects {
        eventually("all Pods that were to go are gone", Duration::from_secs(60), || {
            let now = self.ns.cluster.objects(&self.own);
            let leaving = now.of_kind("Pod").any(Object::is_leaving);
            (!leaving).then_some(now)
        })
    }

    fn kubectl(&self, args: &[&str]) -> Run {
        self.ns.kubectl(&[&["--namespace", self.own.as_str()], args].concat())
    }

    fn get(&self, name: &str) -> Object {
        Object(self.kubectl(&["get", name, "-o", "json"]).succeeds().json())
    }

    /// Names of what carries the instance's label and lives in no namespace.
    fn left(&self, id: &str) -> Vec<String> {
        let found = self.kubectl(&["get", WIDE, "-l", &format!("kubectl-vnf/instance={id}"), "-o", "name"]);
        found.succeeds().stdout.lines().map(ToOwned::to_owned).collect()
    }

    /// All objects of the package; without those that its second version drops.
    fn manifest(&self, whole: bool) -> String {
        let serve = spec(&container("nginx", &json!({})), &json!({}));
        let done = spec(&container("nginx", &json!({"command": ["/bin/true"]})), &json!({"restartPolicy": "Never"}));
        let mounts = json!({"env": [env_of("CM", "config", "key")],
            "volumeMounts": [{"name": "data", "mountPath": "/data"}]});
        let user = spec(
            &container("nginx", &mounts),
            &json!({
            "serviceAccountName": "runner", "priorityClassName": self.wide("priority"),
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}),
        );
        let rbac = "rbac.authorization.k8s.io";
        let rules = json!({"rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]});
        let bound = |kind: &str, name: &str| {
            json!({"roleRef": {"apiGroup": rbac, "kind": kind, "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": "runner", "namespace": self.own}]})
        };
        let mut config = config_map("config", &[("key", "old value")]);
        config["metadata"]["namespace"] = self.own.clone().into();
        let mut all = vec![
            // In an order that no API server would take.
            workload("Deployment", "user", "user", Some(1), &user),
            workload("StatefulSet", "state", "state", Some(1), &serve),
            workload("DaemonSet", "agent", "agent", None, &serve),
            workload("ReplicaSet", "set", "set", Some(1), &serve),
            pod("bare", &serve),
            object("batch/v1", "Job", "once", &json!({"spec": {"template": {"spec": done}}})),
            config,
            secret("hidden", &[("token", "a token")]),
            object("v1", "ServiceAccount", "runner", &json!({})),
            object(&format!("{rbac}/v1"), "Role", "reader", &rules),
            object(&format!("{rbac}/v1"), "RoleBinding", "reader", &bound("Role", "reader")),
            object(
                "v1",
                "PersistentVolumeClaim",
                "data",
                &json!({"spec": {"accessModes": ["ReadWriteOnce"],
                "storageClassName": self.wide("class"), "resources": {"requests": {"storage": "1Mi"}}}}),
            ),
            object(
                "v1",
                "PersistentVolume",
                &self.wide("volume"),
                &json!({"spec": {"accessModes": ["ReadWriteOnce"],
                "capacity": {"storage": "1Mi"}, "storageClassName": self.wide("class"),
                "persistentVolumeReclaimPolicy": "Retain",
                "hostPath": {"path": format!("/tmp/{}", self.ns.name), "type": "DirectoryOrCreate"}}}),
            ),
            object(
                "storage.k8s.io/v1",
                "StorageClass",
                &self.wide("class"),
                &json!({
                "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"}),
            ),
            object("scheduling.k8s.io/v1", "PriorityClass", &self.wide("priority"), &json!({"value": 10})),
            object("v1", "Service", "front", &json!({"spec": {"selector": {"app": "user"}, "ports": [{"port": 80}]}})),
            object("v1", "Service", "outside", &json!({"spec": {"ports": [{"port": 80}]}})),
            object(
                "v1",
                "Endpoints",
                "outside",
                &json!({
                "subsets": [{"addresses": [{"ip": "10.99.0.1"}], "ports": [{"port": 80}]}]}),
            ),
            object(
                "networking.k8s.io/v1",
                "NetworkPolicy",
                "quiet",
                &json!({
                "spec": {"podSelector": {"matchLabels": {"app": "nobody"}}, "policyTypes": ["Ingress"]}}),
            ),
            object(
                "autoscaling/v2",
                "HorizontalPodAutoscaler",
                "user",
                &json!({"spec": {"maxReplicas": 2,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "user"},
                "metrics": [{"type": "Resource", "resource": {"name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 90}}}]}}),
            ),
            object(
                "policy/v1",
                "PodDisruptionBudget",
                "user",
                &json!({
                "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "user"}}}}),
            ),
            object("v1", "ResourceQuota", "quota", &json!({"spec": {"hard": {"pods": "50"}}})),
            object(
                "v1",
                "LimitRange",
                "limits",
                &json!({
                "spec": {"limits": [{"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}}]}}),
            ),
            object("apps/v1", "ControllerRevision", "kept", &json!({"revision": 1, "data": {"a": 1}})),
            self.namespace(),
        ];
        if whole {
            let labels = json!({"app": "control"});
            let mut slice = object(
                "discovery.k8s.io/v1",
                "EndpointSlice",
                "slice",
                &json!({"addressType": "IPv4",
                "endpoints": [{"addresses": ["10.99.0.2"]}], "ports": [{"port": 80}]}),
            );
            slice["metadata"]["labels"] = json!({"kubernetes.io/service-name": "outside"});
            all.extend([
                self.widget("one"),
                self.definition(),
                object(&format!("{rbac}/v1"), "ClusterRole", &self.wide("reader"), &rules),
                object(
                    &format!("{rbac}/v1"),
                    "ClusterRoleBinding",
                    &self.wide("reader"),
                    &bound("ClusterRole", &self.wide("reader")),
                ),
                object(
                    "networking.k8s.io/v1",
                    "Ingress",
                    "front",
                    &json!({"spec": {
                    "ingressClassName": self.wide("ingress"),
                    "defaultBackend": {"service": {"name": "front", "port": {"number": 80}}}}}),
                ),
                object(
                    "networking.k8s.io/v1",
                    "IngressClass",
                    &self.wide("ingress"),
                    &json!({
                    "spec": {"controller": "example.com/none"}}),
                ),
                object("node.k8s.io/v1", "RuntimeClass", &self.wide("runtime"), &json!({"handler": "none"})),
                object(
                    "storage.k8s.io/v1",
                    "CSIDriver",
                    &self.wide("driver"),
                    &json!({"spec": {"attachRequired": false}}),
                ),
                object(
                    "admissionregistration.k8s.io/v1",
                    "ValidatingAdmissionPolicy",
                    &self.wide("policy"),
                    &json!({
                    "spec": {"failurePolicy": "Ignore", "validations": [{"expression": "true"}],
                        "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"],
                            "operations": ["CREATE"], "resources": ["configmaps"]}]}}}),
                ),
                object("coordination.k8s.io/v1", "Lease", "lease", &json!({"spec": {"holderIdentity": "nobody"}})),
                object("v1", "PodTemplate", "template", &json!({"template": {"spec": serve}})),
                object(
                    "v1",
                    "ReplicationController",
                    "control",
                    &json!({"spec": {"replicas": 1, "selector": labels,
                    "template": {"metadata": {"labels": labels}, "spec": serve}}}),
                ),
                object(
                    "batch/v1",
                    "CronJob",
                    "yearly",
                    &json!({"spec": {"schedule": "0 0 1 1 *",
                    "jobTemplate": {"spec": {"template": {"spec": done}}}}}),
                ),
                slice,
                json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
                    "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}),
            ]);
        }
        yaml(&all)
    }

    fn draft(&self) -> Draft {
        let vdus = ["user", "state", "agent", "set", "bare"];
        Draft::of("Kinds", &[("all.yaml", &self.manifest(true))], &vdus)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.kubectl(&["delete", "namespace", &self.own, "--wait=false", "--ignore-not-found"]);
        for kind in WIDE.split(',').filter(|kind| *kind != "namespaces") {
            let found = self.kubectl(&["get", kind, "-o", "name"]).stdout;
            for name in found.lines().filter(|name| name.contains(&self.ns.name)) {
                self.kubectl(&["delete", name, "--wait=false"]);
            }
        }
        // The volume of the node.
        let _ = std::fs::remove_dir(format!("/tmp/{}", self.ns.name));
    }
}

#[test]
fn a_package_of_forty_kinds_comes_changes_and_goes_without_a_trace() {
    let Some(cluster) = cluster() else { return };
    let place = Place::new(cluster, "kinds");
    let ns = &place.ns;
    let draft = place.draft();
    let package = draft.write();
    let run = ns.vnf(&["instantiate", NAME, "--package", &package.path()]).succeeds();
    run.says(["SelfSubjectAccessReview only asks the API server a question", "Job once", "Widget one"]);
    let id = ns.objects().instance().record()["id"].as_str().expect("an id").to_owned();
    assert_eq!(place.left(&id).len(), 11);
    assert_eq!(place.get("persistentvolumeclaim/data").text("/status/phase"), "Bound");
    assert_eq!(place.get("job/once").number("/status/succeeded"), 1);
    place.kubectl(&["get", &format!("widgets.{}", place.group), "one"]).succeeds();

    // An update touches who uses the ConfigMap and nobody else; what has run does not run again.
    let before = place.objects();
    let next = draft.edit("all.yaml", "old value", "new value");
    let run = ns.vnf(&["update", NAME, "--package", &next.write().path()]).succeeds();
    run.says(["Restarted: 1 Pod"]);
    let after = place.objects();
    for pod in before.of_kind("Pod").filter(|pod| !pod.owner().contains("user")) {
        assert_eq!(pod.life(), after.get(&format!("Pod/{}", pod.name())).life(), "{}", pod.name());
    }
    let replaced = |owner: &str| before.pod_of(owner).uid() != after.pod_of(owner).uid();
    assert_eq!((replaced("Deployment/user"), replaced("StatefulSet/state")), (true, false));
    let job = after.get("Job/once").uid().to_owned();
    ns.vnf(&["heal", NAME, "--all", "--yes"]).succeeds().never_says(["Job once"]);
    assert_eq!(place.objects().get("Job/once").uid(), job);

    // What the next package drops goes, cluster-wide or not; what it keeps stays.
    let smaller = next.manifest("all.yaml", &place.manifest(false).replace("old value", "new value"));
    let package = smaller.write();
    let args = ["change-package", NAME, "--package", &package.path(), "--yes"];
    ns.vnf(&args).succeeds().never_says(["Restarted: 1"]);
    let left = place.left(&id);
    assert_eq!(left.len(), 4, "{left:?}");
    for gone in
        ["cronjob/yearly", "replicationcontroller/control", "ingress/front", "lease/lease", "podtemplate/template"]
    {
        place.kubectl(&["get", gone]).exits(1).says(["NotFound"]);
    }
    let now = place.objects();
    assert_eq!(now.get("Job/once").uid(), job);
    assert!(now.of_kind("Pod").all(|pod| !pod.name().starts_with("control")), "no Pod is left of what is dropped");

    ns.vnf(&["terminate", NAME, "--delete-pvc", "--yes"]).succeeds();
    assert_eq!(place.left(&id), [""; 0]);
    place.kubectl(&["get", "namespace", &place.own]).exits(1);
    // Again, from the record alone.
    ns.vnf(&["instantiate", NAME]).succeeds();
    assert_eq!(place.get("job/once").number("/status/succeeded"), 1);
    assert_eq!(place.left(&id).len(), 4);
    ns.vnf(&["terminate", NAME, "--delete", "--delete-pvc", "--yes"]).succeeds();
    assert_eq!(place.left(&id), [""; 0]);
    place.kubectl(&["get", "namespace", &place.own]).exits(1);
}

#[test]
fn rights_on_any_kind_are_asked_for_before_the_first_write() {
    let Some(cluster) = cluster() else { return };
    let place = Place::new(cluster, "kind-rights");
    let ns = &place.ns;
    let user = place.wide("reader-of-all");
    let rbac = "rbac.authorization.k8s.io";
    let rules = json!({"rules": [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ["*"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["*"]}]});
    ns.create(&yaml(&[
        object(&format!("{rbac}/v1"), "ClusterRole", &user, &rules),
        object(
            &format!("{rbac}/v1"),
            "ClusterRoleBinding",
            &user,
            &json!({
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": user},
            "subjects": [{"apiGroup": rbac, "kind": "User", "name": user}]}),
        ),
    ]));
    eventually("the role is in force", Duration::from_secs(10), || {
        (ns.kubectl(&["auth", "can-i", "list", "nodes", "--as", &user]).code == Some(0)).then_some(())
    });
    let package = place.draft().write();
    ns.unwritten(|| {
        let run = ns.vnf(&["instantiate", NAME, "--package", &package.path(), "--as", &user]).exits(1);
        run.says([
            "create namespaces",
            "create customresourcedefinitions to create",
            "create widgets in",
            "create clusterroles to create",
            "create persistentvolumes to create",
            "create jobs in",
            "nothing was written",
        ]);
    });
}

#[test]
fn a_definition_comes_to_serve_a_version_and_objects_of_it_come_with_it() {
    let Some(cluster) = cluster() else { return };
    let place = Place::new(cluster, "versions");
    let ns = &place.ns;
    let package = |objects: Vec<Value>| Draft::of("Versions", &[("all.yaml", &yaml(&objects))], &[]).write();
    let mut definition = place.definition();
    let before = package(vec![definition.clone(), place.widget("one")]);
    ns.vnf(&["instantiate", NAME, "--package", &before.path()]).succeeds();
    let mut second = definition["spec"]["versions"][0].clone();
    second["name"] = "v2".into();
    second["storage"] = false.into();
    definition["spec"]["versions"].as_array_mut().expect("a list").push(second);
    let mut newer = place.widget("two");
    newer["apiVersion"] = format!("{}/v2", place.group).into();
    let after = package(vec![definition, place.widget("one"), newer]);
    ns.vnf(&["change-package", NAME, "--package", &after.path(), "--yes"]).succeeds();
    ns.kubectl(&["get", &format!("widgets.v2.{}", place.group), "two"]).succeeds();
    ns.vnf(&["terminate", NAME, "--delete", "--yes"]).succeeds();
    ns.kubectl(&["get", "crd", &format!("widgets.{}", place.group)]).exits(1);
}

#[test]
fn a_job_that_fails_is_a_failure_with_its_reason() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "job-fails");
    let fails = json!({"command": ["/bin/sh", "-c", "echo no licence; exit 3"]});
    let job = json!({"spec": {"backoffLimit": 1, "template": {
        "spec": spec(&container("nginx", &fails), &json!({"restartPolicy": "Never"}))}}});
    let manifest = yaml(&[object("batch/v1", "Job", "once", &job)]);
    let draft = Draft::of("Failing", &[("all.yaml", &manifest)], &[]);
    let run = ns.vnf(&["instantiate", NAME, "--package", &draft.write().path()]).exits(3);
    run.says(["Job once", "BackoffLimitExceeded", "op rollback"]);
    ns.vnf(&["op", "rollback", NAME, "--yes"]).succeeds();
    assert!(!ns.objects().has("Job/once"));
    assert_eq!(ns.objects().of_kind("Pod").count(), 0, "its Pods are gone with it");
}

#[test]
fn a_namespace_and_a_definition_stay_as_long_as_others_live_in_them() {
    let Some(cluster) = cluster() else { return };
    let place = Place::new(cluster, "tenants");
    let ns = &place.ns;
    let mut config = config_map("config", &[("key", "value")]);
    config["metadata"]["namespace"] = place.own.clone().into();
    let claim = object(
        "v1",
        "PersistentVolumeClaim",
        "data",
        &json!({"spec": {"accessModes": ["ReadWriteOnce"],
        "storageClassName": "none", "resources": {"requests": {"storage": "1Mi"}}}}),
    );
    let ours = place.widget("ours");
    let manifest = yaml(&[place.namespace(), place.definition(), config, claim, ours]);
    let package = Draft::of("Tenants", &[("all.yaml", &manifest)], &[]).write();
    ns.vnf(&["instantiate", NAME, "--package", &package.path()]).succeeds();
    // A kind that nobody would think of, and an object of the kind itself.
    place.kubectl(&["create", "role", "theirs", "--verb=get", "--resource=pods"]).succeeds();
    ns.create(&place.widget("theirs").to_string());

    let widgets = format!("widgets.{}", place.group);
    ns.vnf(&["terminate", NAME, "--delete-pvc", "--yes"])
        .succeeds()
        .says(["left alone: Role theirs lives in it", "left alone: Widget theirs lives in it"]);
    place.kubectl(&["get", "configmap/config"]).exits(1);
    place.kubectl(&["get", &widgets, "ours"]).exits(1);
    ns.kubectl(&["get", &widgets, "theirs"]).succeeds();
    // They are still marked as the instance's: it takes them up again, and deletes them once it is alone in them.
    place.kubectl(&["delete", "role", "theirs"]).succeeds();
    ns.kubectl(&["delete", &widgets, "theirs"]).succeeds();
    ns.vnf(&["instantiate", NAME]).succeeds();
    // What holds data is kept, and with it the Namespace.
    ns.vnf(&["terminate", NAME, "--yes"]).succeeds().says(["left alone: PersistentVolumeClaim data lives in it"]);
    place.kubectl(&["get", "persistentvolumeclaim/data"]).succeeds();
    ns.kubectl(&["get", "crd", &widgets]).exits(1);
    place.kubectl(&["delete", "persistentvolumeclaim/data"]).succeeds();
    ns.vnf(&["instantiate", NAME]).succeeds();
    ns.vnf(&["terminate", NAME, "--delete", "--delete-pvc", "--yes"]).succeeds();
    ns.kubectl(&["get", "namespace", &place.own]).exits(1);
}
