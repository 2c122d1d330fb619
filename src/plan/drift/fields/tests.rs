//! What counts as a departure, and above all what does not.

use super::*;
use crate::object::{ObjectRef, Source};
use crate::record::names::MANAGER;
use serde_json::json;
use std::collections::BTreeMap;

fn state(object: &Value) -> ObjectState {
    ObjectState {
        reference: ObjectRef::of(object).expect("a reference"),
        package: String::new(),
        source: Source { file: String::new(), document: 0 },
        images: BTreeMap::new(),
        became: BTreeMap::new(),
        replicas: None,
        marker: None,
        applied: None,
        pending: Vec::new(),
    }
}

fn said(wanted: &Value, live: &Value) -> Vec<String> {
    let found = departures(&state(wanted), wanted, Some(live));
    let line = |one: &Departure| {
        let by = one.drift.manager.as_ref().map(|manager| format!(" ({manager})")).unwrap_or_default();
        format!("{} {}{by}", one.drift.field, one.drift.change)
    };
    found.iter().map(line).collect()
}

fn managed(mut live: Value, entries: &[(&str, Value)]) -> Value {
    let entries = entries.iter().map(|(manager, fields)| json!({"manager": manager, "fieldsV1": fields}));
    live["metadata"]["managedFields"] = entries.collect();
    live
}

fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "creationTimestamp": null},
        "spec": {"replicas": 1, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"hostNetwork": false,
            "tolerations": [{"key": "gpu", "operator": "Exists"}],
            "containers": [{"name": "nginx", "image": "nginx", "args": ["a", "b"], "securityContext": {},
                "resources": {"limits": {"cpu": "1000m"}},
                "ports": [{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}],
                "env": [{"name": "A", "value": "x"}], "volumeMounts": [{"mountPath": "/data", "name": "data"}]}],
            "volumes": [{"name": "data", "emptyDir": {}}]}}}})
}

/// The same as an API server returns it: defaults, normal forms, additions of admission and controllers.
fn stored() -> Value {
    let mut live = deployment();
    live["metadata"] =
        json!({"name": "web", "uid": "u", "generation": 1, "annotations": {"deployment.kubernetes.io/revision": "1"}});
    live["status"] = json!({"replicas": 1});
    live["spec"]["strategy"] = json!({"type": "RollingUpdate"});
    let spec = &mut live["spec"]["template"]["spec"];
    spec.as_object_mut().expect("a pod spec").remove("hostNetwork");
    spec["dnsPolicy"] = json!("ClusterFirst");
    spec["tolerations"] =
        json!([{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}, {"key": "gpu", "operator": "Exists"}]);
    let container = &mut spec["containers"][0];
    container.as_object_mut().expect("a container").remove("securityContext");
    container["imagePullPolicy"] = json!("Always");
    container["resources"]["limits"]["cpu"] = json!("1");
    container["ports"] = json!([{"containerPort": 53, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]);
    container["volumeMounts"] =
        json!([{"mountPath": "/data", "name": "data"}, {"mountPath": "/var/run/secrets", "name": "token"}]);
    let sidecar = json!({"name": "proxy", "image": "envoy"});
    spec["containers"].as_array_mut().expect("containers").push(sidecar);
    let ours = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"nginx\"}": {
        "f:image": {}, "f:resources": {"f:limits": {"f:cpu": {}}}}}}}}});
    managed(live, &[(MANAGER, ours)])
}

#[test]
fn defaults_normal_forms_and_additions_are_no_departure() {
    assert_eq!(said(&deployment(), &stored()), Vec::<String>::new());
}

#[test]
fn a_field_of_the_package_that_is_otherwise_is_one() {
    let mut live = stored();
    let container = &mut live["spec"]["template"]["spec"]["containers"][0];
    container["env"][0]["value"] = json!("hunter2");
    container["args"] = json!(["a", "c"]);
    container["ports"] = json!([{"containerPort": 80, "protocol": "TCP"}]);
    live["spec"]["template"]["metadata"]["labels"] = json!({});
    live["spec"]["replicas"] = json!(3);
    let by_edit = json!({"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"nginx\"}": {
        "f:args": {}, "f:env": {"k:{\"name\":\"A\"}": {"f:value": {}}}}}}}}});
    let live = managed(live, &[("kubectl-edit", by_edit)]);
    let mut found = said(&deployment(), &live);
    found.sort();
    assert_eq!(
        found,
        [
            "containers[nginx].args[1] b -> c (kubectl-edit)",
            "containers[nginx].env[A].value changed (kubectl-edit)",
            "containers[nginx].ports[0] removed",
            "containers[nginx].ports[1] removed",
            "containers[nginx].resources.limits.cpu 1000m -> 1",
            "metadata.labels.app removed",
            "spec.replicas 1 -> 3 (kubectl-edit)",
        ]
    );
    let remedies: BTreeSet<String> = departures(&state(&deployment()), &deployment(), Some(&live))
        .iter()
        .map(|one| format!("{:?}", one.remedy))
        .collect();
    assert_eq!(remedies.into_iter().collect::<Vec<_>>(), ["Heal", "Scale"]);
}

#[test]
fn who_took_something_away_is_named() {
    let mut live = stored();
    live["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{"name": "B", "value": "y"}]);
    let env = |names: &[&str]| -> Value {
        let items = names.iter().map(|name| (format!("k:{{\"name\":\"{name}\"}}"), json!({"f:value": {}})));
        json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"nginx\"}": {
            "f:env": items.collect::<Map<_, _>>()}}}}}})
    };
    let mut wanted = deployment();
    wanted["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({});
    let by_edit = managed(live.clone(), &[(MANAGER, env(&[])), ("kubectl-edit", env(&["B"]))]);
    assert_eq!(said(&wanted, &by_edit), ["containers[nginx].env[A] removed (kubectl-edit)"]);
    let by_nobody = managed(live, &[(MANAGER, env(&["B"]))]);
    assert_eq!(said(&wanted, &by_nobody), ["containers[nginx].env[A] removed"]);
}

#[test]
fn what_belongs_to_scaling_or_to_keys_has_not_strayed() {
    let controller = |replicas: u64, protocol: &str| {
        json!({"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "old"},
            "spec": {"replicas": replicas, "selector": {"app": protocol}}})
    };
    let fields = |wanted: &Value, live: &Value| -> Vec<String> {
        strayed(&ObjectRef::of(wanted).expect("a reference"), wanted.clone(), live)
            .into_iter()
            .map(|strayed| format!("{} {}", strayed.change.path, strayed.change.summary()))
            .collect()
    };
    assert_eq!(fields(&controller(1, "a"), &controller(2, "b")), ["spec.selector.app a -> b"]);
    let config =
        |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": value}});
    assert_eq!(fields(&config("1"), &config("2")), [""; 0]);
}

#[test]
fn replicas_of_an_autoscaler_are_its_own() {
    let mut live = stored();
    live["spec"]["replicas"] = json!(5);
    let live = managed(
        live,
        &[(MANAGER, json!({"f:spec": {"f:template": {}}})), (AUTOSCALER, json!({"f:spec": {"f:replicas": {}}}))],
    );
    assert_eq!(said(&deployment(), &live), Vec::<String>::new());
}

#[test]
fn images_and_what_admission_made_of_them() {
    let wanted = deployment();
    let mut live = stored();
    live["spec"]["template"]["spec"]["containers"][0]["image"] = json!("mirror/nginx");
    assert_eq!(said(&wanted, &live), Vec::<String>::new(), "nobody but us has written it");
    let image =
        json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"nginx\"}": {"f:image": {}}}}}}});
    let cpu = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"nginx\"}": {"f:resources": {"f:limits": {}}}}}}}});
    let live = managed(live, &[(MANAGER, cpu), ("kubectl-set", image)]);
    assert_eq!(said(&wanted, &live), ["image of nginx nginx -> mirror/nginx (kubectl-set)"]);
    let became = ObjectState { became: BTreeMap::from([("nginx".into(), "mirror/nginx".into())]), ..state(&wanted) };
    assert_eq!(departures(&became, &wanted, Some(&live)), Vec::new());
}

#[test]
fn configuration_by_key_and_size_and_never_by_value() {
    let wanted = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "labels": {"a": "b"}}, "type": "Opaque",
        "data": {"password": "c2VjcmV0", "user": "YQ=="}});
    let mut live = wanted.clone();
    live["data"] = json!({"password": "c2VjcmV0cw==", "more": "YQ=="});
    let found = said(&wanted, &live);
    assert_eq!(found, ["more added, 1 bytes", "password 6 -> 7 bytes", "user removed"]);
    live["type"] = json!("kubernetes.io/tls");
    live["data"] = wanted["data"].clone();
    assert_eq!(said(&wanted, &live), ["type Opaque -> kubernetes.io/tls"]);
}

#[test]
fn what_is_gone_is_told_as_a_whole() {
    let wanted = deployment();
    let found = departures(&state(&wanted), &wanted, None);
    assert_eq!((found.len(), found[0].drift.change.as_str(), found[0].remedy), (1, "deleted", Remedy::Update));
    let mut live = stored();
    live["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(said(&wanted, &live), [" being deleted"]);
}
