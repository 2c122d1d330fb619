//! Kubernetes manifests, put together from the few parts that the tests vary.

use serde_json::{Value, json};

/// A ConfigMap with these keys.
pub fn config_map(name: &str, data: &[(&str, &str)]) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": pairs(data)})
}

/// A Secret with these keys in plain text.
pub fn secret(name: &str, data: &[(&str, &str)]) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": pairs(data)})
}

/// A container `main` with `image`, and whatever else `more` has.
pub fn container(image: &str, more: &Value) -> Value {
    let mut container = json!({"name": "main", "image": image});
    merge(&mut container, more);
    container
}

/// A pod spec of one container and whatever else `more` has.
pub fn spec(container: &Value, more: &Value) -> Value {
    let mut spec = json!({"containers": [container]});
    merge(&mut spec, more);
    spec
}

/// A container that mounts `volume` at `/config`, as a pod spec.
pub fn mounting(image: &str, volume: &Value) -> Value {
    let mut volume = volume.clone();
    volume["name"] = "config".into();
    let mount = json!({"volumeMounts": [{"name": "config", "mountPath": "/config"}]});
    spec(&container(image, &mount), &json!({"volumes": [volume]}))
}

/// A bare Pod.
pub fn pod(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
}

/// A Deployment, ReplicaSet, StatefulSet or (without replicas) DaemonSet whose Pods are labelled `app: APP`.
pub fn workload(kind: &str, name: &str, app: &str, replicas: Option<u32>, spec: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": app}},
            "template": {"metadata": {"labels": {"app": app}}, "spec": spec},
        },
    });
    if let Some(replicas) = replicas {
        object["spec"]["replicas"] = replicas.into();
    }
    if kind == "StatefulSet" {
        object["spec"]["serviceName"] = name.into();
    }
    object
}

/// An env entry of this name from a key of a ConfigMap.
pub fn env_of(name: &str, config_map: &str, key: &str) -> Value {
    json!({"name": name, "valueFrom": {"configMapKeyRef": {"name": config_map, "key": key}}})
}

/// A manifest of several documents. JSON is YAML.
pub fn yaml(objects: &[Value]) -> String {
    objects.iter().map(|object| format!("---\n{object:#}\n")).collect()
}

fn pairs(data: &[(&str, &str)]) -> Value {
    data.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect::<serde_json::Map<_, _>>().into()
}

fn merge(into: &mut Value, more: &Value) {
    for (key, value) in more.as_object().into_iter().flatten() {
        into[key] = value.clone();
    }
}
