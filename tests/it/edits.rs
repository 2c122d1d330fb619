//! Somebody else at work on the same objects, between plan and write and while an operation is under way.

use crate::support::gated::{self, NAME, assert_runs, draft, standing};
use crate::support::manifests::{container, spec, workload, yaml};
use crate::support::{Cluster, Draft, Namespace, Run, Running, cluster, written};
use serde_json::json;

#[test]
fn a_plan_that_the_cluster_left_behind_is_shown_anew() {
    let Some(cluster) = cluster() else { return };
    let ns = gated::instantiated(cluster, "left-behind");
    let package = draft("new value").write();
    let mut update = Running::vnf_on_terminal(&ns, &["update", NAME, "--package", &package.path(), "--one-by-one"]);
    update.says("[y/N]");
    ns.kubectl(&["patch", "configmap", "config", "-p", r#"{"data":{"key":"edited"}}"#]).succeeds();
    let before = ns.at_rest();
    update.types("y\n");
    update.says("the cluster has changed since this plan was shown").says("kubectl-patch").says("overwriting 1 change");
    update.types("n\n");
    assert!(update.exits(1).contains("Nothing was changed."));
    let changed: Vec<_> = written(&before, &ns.at_rest());
    assert_eq!(changed, [""; 0], "it wrote, or kept the lock");
    // Off a terminal that is refused from the start, and by a flag agreed to.
    let flags = ["update", NAME, "--package", &package.path(), "--yes"];
    ns.vnf(&flags).exits(1).says(["kubectl-patch", "--overwrite-drift"]);
    gated::open(&ns);
    ns.vnf(&[&flags[..], &["--overwrite-drift"]].concat()).succeeds();
    assert_runs(&ns, "new value");
}

/// What somebody does while an update stands at the gate, and what the update then says.
fn while_it_stands(cluster: &'static Cluster, purpose: &str, edit: &[&str], says: &[&str]) -> (Namespace, String) {
    let ns = gated::instantiated(cluster, purpose);
    let update = standing(&ns, &draft("new value").write());
    ns.kubectl(edit).succeeds();
    gated::open(&ns);
    let said = update.exits(3);
    for part in says {
        assert!(said.contains(part), "it does not say {part:?}:\n{said}");
    }
    (ns, said)
}

#[test]
fn a_config_map_edited_during_an_update_is_not_taken_for_updated() {
    let Some(cluster) = cluster() else { return };
    let edit = ["patch", "configmap", "config", "-p", r#"{"data":{"key":"edited"}}"#];
    let (ns, _) = while_it_stands(cluster, "edit-config", &edit, &["ConfigMap config", "key", "FAILED_TEMP"]);
    assert_eq!(ns.objects().get("ConfigMap/config").text("/data/key"), "edited", "it is not overwritten unasked");
    ns.vnf(&["op", "retry", NAME]).succeeds();
    assert_eq!(ns.objects().get("ConfigMap/config").text("/data/key"), "new value", "a retry is asked for");
}

#[test]
fn an_image_set_by_hand_during_an_update_is_named() {
    let Some(cluster) = cluster() else { return };
    let ns = gated::instantiated(cluster, "edit-image");
    let package = draft("old value").edit("all.yaml", "\"image\": \"nginx\"", "\"image\": \"tomcat\"").write();
    let update = standing(&ns, &package);
    // `web` is next: its patch is guarded by the image that the plan was made for.
    ns.kubectl(&["set", "image", "deployment/web", "main=busybox"]).succeeds();
    gated::open(&ns);
    let said = update.exits(3);
    for part in ["image of main is busybox (kubectl-set), the plan was made for nginx", "FAILED_TEMP"] {
        assert!(said.contains(part), "it does not say {part:?}:\n{said}");
    }
    assert_eq!(ns.objects().image("Deployment/web"), "busybox", "it is not overwritten unasked");
    ns.vnf(&["op", "retry", NAME]).succeeds();
    assert_eq!(ns.at_rest().image("Deployment/web"), "tomcat");
}

#[test]
fn somebody_who_scales_during_an_update_is_not_in_the_way() {
    let Some(cluster) = cluster() else { return };
    let ns = gated::instantiated(cluster, "edit-scale");
    let update = standing(&ns, &draft("new value").write());
    // As an autoscaler does.
    ns.kubectl(&["scale", "deployment/web", "--replicas=3"]).succeeds();
    ns.kubectl(&["autoscale", "deployment/web", "--min=2", "--max=4"]).succeeds();
    update.signal("INT");
    update.exits(130);
    assert_eq!(ns.objects().get("Deployment/web").number("/spec/replicas"), 3, "stopped, it left replicas alone");
    gated::open(&ns);
    ns.vnf(&["op", "retry", NAME]).succeeds();
    let objects = ns.at_rest();
    let deployment = objects.get("Deployment/web");
    assert_eq!(deployment.number("/spec/replicas"), 3, "a retry left replicas alone");
    assert_eq!(objects.pods_of("Deployment/web").iter().filter(|pod| pod.is_ready()).count(), 3);
    for pod in objects.pods_of("Deployment/web") {
        assert!(ns.log(pod.name()).contains("CM=new value\n"), "{}", pod.name());
    }
    let owns_replicas = |entry: &&serde_json::Value| !entry["fieldsV1"]["f:spec"]["f:replicas"].is_null();
    let shown = ns.kubectl(&["get", "deployment", "web", "-o", "json", "--show-managed-fields"]).succeeds().json();
    let fields = shown["metadata"]["managedFields"].as_array().expect("managed fields");
    let owners: Vec<_> = fields.iter().filter(owns_replicas).map(|entry| &entry["manager"]).collect();
    assert!(!owners.iter().any(|owner| *owner == "kubectl-vnf"), "{owners:?}");
}

#[test]
fn a_rollout_undone_by_somebody_is_not_taken_for_done() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "edit-undo");
    let user = |image: &str| spec(&container(image, &json!({})), &json!({}));
    // The order of the VDUs: `web` is done when `gate` stands.
    let manifest = yaml(&[
        workload("Deployment", "web", "web", Some(1), &user("nginx")),
        workload("ReplicaSet", "gate", "gate", Some(1), &user("nginx")),
    ]);
    let first = Draft::of("Gated", &[("all.yaml", &manifest)], &["web", "gate"]);
    let of = |image: &str| first.clone().edit("all.yaml", "nginx", image);
    ns.vnf(&["instantiate", NAME, "--package", &of("nginx").write().path()]).succeeds();
    gated::shut(&ns);
    let update = standing(&ns, &of("tomcat").write());
    assert_eq!(ns.objects().image("Deployment/web"), "tomcat");
    ns.kubectl(&["rollout", "undo", "deployment/web"]).succeeds();
    gated::open(&ns);
    let said = update.exits(3);
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("image of main is nginx (kubectl), not tomcat"), "{said}");
    ns.vnf(&["op", "retry", NAME]).succeeds();
    let objects = ns.at_rest();
    assert_eq!(objects.image("Deployment/web"), "tomcat");
    assert!(objects.pod_of("Deployment/web").is_ready());
}

/// Objects for the whole cluster. Dropped, they are deleted.
struct ClusterWide(&'static Cluster, Vec<String>);

impl ClusterWide {
    fn create(cluster: &'static Cluster, objects: &[serde_json::Value]) -> Self {
        let mut command = cluster.kubectl();
        command.args(["create", "-f", "-", "-o", "name"]);
        let names = Run::of(command, &yaml(objects)).succeeds();
        Self(cluster, names.stdout.lines().map(ToOwned::to_owned).collect())
    }
}

impl Drop for ClusterWide {
    fn drop(&mut self) {
        let mut command = self.0.kubectl();
        command.arg("delete").args(&self.1);
        let _ = Run::of(command, "");
    }
}

#[test]
fn images_that_admission_rewrites_are_no_drift() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "admission");
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": ns.name},
        "spec": {
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ns.name}},
                "resourceRules": [
                    {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["deployments"]},
                ],
            },
            "matchConditions": [{
                "name": "has-no-registry",
                "expression": "object.spec.template.spec.containers.exists(c, !c.image.contains('/'))",
            }],
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "mutations": [{
                "patchType": "JSONPatch",
                "jsonPatch": {"expression": "[JSONPatch{op: 'replace', path: '/spec/template/spec/containers/0/image', \
                    value: 'docker.io/library/' + object.spec.template.spec.containers[0].image}]"},
            }],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": ns.name},
        "spec": {"policyName": ns.name},
    });
    let _policy = ClusterWide::create(cluster, &[policy, binding]);
    let probe =
        yaml(&[workload("Deployment", "probe", "probe", Some(0), &spec(&container("nginx", &json!({})), &json!({})))]);
    crate::support::eventually("the policy is in force", std::time::Duration::from_secs(60), || {
        let tried =
            ns.kubectl_reading(&["create", "-f", "-", "--dry-run=server", "-o", "json"], &probe).succeeds().json();
        (tried["spec"]["template"]["spec"]["containers"][0]["image"] == "docker.io/library/nginx").then_some(())
    });

    let pod = spec(&container("nginx", &json!({})), &json!({}));
    let first = Draft::of(
        "Rewritten",
        &[("all.yaml", &yaml(&[workload("Deployment", "web", "web", Some(1), &pod)]))],
        &["web"],
    );
    let of = |image: &str| first.clone().edit("all.yaml", "nginx", image);
    ns.vnf(&["instantiate", "rewritten", "--package", &of("nginx").write().path()]).succeeds();
    assert_eq!(ns.objects().image("Deployment/web"), "docker.io/library/nginx");
    ns.vnf(&["update", "rewritten"]).succeeds().says(["unchanged"]);
    ns.vnf(&["update", "rewritten", "--package", &of("nginx").write().path()]).succeeds().says(["unchanged"]);
    let package = of("tomcat").write();
    ns.vnf(&["update", "rewritten", "--package", &package.path(), "--yes"]).succeeds().never_says(["drift"]);
    assert_eq!(ns.at_rest().image("Deployment/web"), "docker.io/library/tomcat");
    ns.vnf(&["update", "rewritten"]).succeeds().says(["unchanged"]);
    // What somebody sets by hand is drift all the same.
    ns.kubectl(&["set", "image", "deployment/web", "main=docker.io/library/busybox"]).succeeds();
    ns.vnf(&["update", "rewritten", "--package", &of("cirros").write().path(), "--yes"])
        .exits(1)
        .says(["docker.io/library/tomcat -> docker.io/library/busybox", "kubectl-set"]);
}
