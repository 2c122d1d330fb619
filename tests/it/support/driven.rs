//! Containers that do what a ConfigMap says, so that an update that may change nothing but images and configuration
//! brings any behaviour.

use super::manifests::{config_map, container, env_of, spec, yaml};
use super::package::Draft;
use serde_json::{Value, json};

/// What a container does that serves.
pub const SERVE: &str = "exec /bin/start";
/// What one does that takes its whole grace period.
pub const IGNORE_TERM: &str = "echo start; trap : TERM; while :; do sleep 0.1; done";
/// The file of the package that holds everything.
pub const ALL: &str = "all.yaml";

/// A container `main` that runs the shell script under the key `name` of the ConfigMap `run`; `more` as it is.
pub fn driven(image: &str, name: &str, more: &Value) -> Value {
    let mut env = vec![env_of("CM_RUN", "run", name)];
    env.extend(more["env"].as_array().into_iter().flatten().cloned());
    let mut more = more.clone();
    more["env"] = env.into();
    more["command"] = json!(["/bin/sh", "-c", "eval \"$CM_RUN\""]);
    container(image, &more)
}

/// A pod spec of one such container.
pub fn driven_spec(image: &str, name: &str) -> Value {
    spec(&driven(image, name, &json!({})), &json!({}))
}

/// A package of workloads and the ConfigMap `run` with the scripts by name. The VDUs are in the order of the
/// workloads.
pub fn package(product: &str, scripts: &[(&str, &str)], workloads: &[Value]) -> Draft {
    let names: Vec<&str> = workloads.iter().filter_map(|object| object["metadata"]["name"].as_str()).collect();
    Draft::of(product, &[(ALL, &manifest(scripts, workloads))], &names)
}

/// The manifest of [`package`].
pub fn manifest(scripts: &[(&str, &str)], workloads: &[Value]) -> String {
    yaml(&[&[config_map("run", scripts)], workloads].concat())
}
