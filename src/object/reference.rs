//! Which ConfigMaps and Secrets a pod spec reads, through which field, and which of their keys.
//!
//! This decides who restarts: an update restarts exactly the Pods that use a key that changed. The fields are
//! those of `core/v1` that name a ConfigMap or Secret. Which a running container has already read and never reads
//! again (environment), which the kubelet refreshes (volumes), and which only matter while a volume is attached or
//! an image is pulled is told by [`Class`].

mod missing;

use super::config;
use super::workload::items;
pub use missing::{Lookup, MissingKey, closest, missing_keys};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

/// The two kinds of configuration objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConfigKind {
    /// ConfigMap.
    ConfigMap,
    /// Secret.
    Secret,
}

impl ConfigKind {
    /// The `kind` field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }
}

impl fmt::Display for ConfigKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which keys of an object are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Keys {
    /// Whatever it holds, keys to come included.
    All,
    /// These and no other.
    Only(BTreeSet<String>),
}

/// How an object is read, hence what a change of it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Class {
    /// One key as an environment variable: read once, when the container starts.
    Env,
    /// Every key as an environment variable: read once, when the container starts.
    EnvFrom,
    /// Files of a volume. The kubelet refreshes them, but few programs read them again.
    Volume,
    /// Files of a volume of which some container mounts a `subPath`: such a mount is never refreshed.
    SubPath,
    /// Credentials of a storage driver: used when the volume is attached. Never a reason to restart.
    Storage,
    /// `imagePullSecrets`: used when an image is pulled. Never a reason to restart.
    Pull,
    /// Read by an ephemeral (debug) container, which is no part of the workload. Never a reason to restart.
    Debug,
}

/// One place in a pod spec that reads a ConfigMap or Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigUse {
    /// ConfigMap or Secret.
    pub kind: ConfigKind,
    /// Its name; the namespace is the Pod's.
    pub name: String,
    /// The keys read.
    pub keys: Keys,
    /// Keys without which the Pod does not start: a key that `env` or `items` names, unless it is optional.
    pub required_keys: Vec<String>,
    /// The Pod starts without the object.
    pub optional: bool,
    /// How it is read.
    pub class: Class,
    /// The container whose environment it is; `None` for volumes and what belongs to the whole Pod.
    pub container: Option<String>,
    /// The containers that mount the volume, in the order of the pod spec; empty where it is no volume.
    pub mounted_by: Vec<String>,
    /// Short name for the plan: `env CMENV`, `envFrom CM_`, `volume cm-volume`, `projected all-in-one`,
    /// `volume x (subPath)`, `imagePullSecrets`.
    pub label: String,
    /// Where it stands, relative to the pod spec: `containers[nginx].env[SECENV].secretKeyRef`.
    pub path: String,
}

impl ConfigUse {
    /// Whether a change of what is read is a reason to restart the Pod. A volume that no container mounts is none.
    pub fn restarts(&self) -> bool {
        match self.class {
            Class::Env | Class::EnvFrom => true,
            Class::Volume | Class::SubPath => !self.mounted_by.is_empty(),
            Class::Storage | Class::Pull | Class::Debug => false,
        }
    }

    /// Whether it reads a key.
    pub fn uses(&self, key: &str) -> bool {
        match &self.keys {
            Keys::All => true,
            Keys::Only(keys) => keys.contains(key),
        }
    }

    /// Whether it sees a change: [`Self::uses`], except that no environment sees `binaryData` (`core/v1`).
    pub fn sees(&self, change: &config::KeyChange) -> bool {
        self.uses(&change.key) && !(change.binary && matches!(self.class, Class::Env | Class::EnvFrom))
    }

    /// Whether a container reads it: its own environment, or a volume that it mounts. An in-place restart of one
    /// container brings new values to that container alone.
    pub fn read_by(&self, container: &str) -> bool {
        self.container.as_deref() == Some(container) || self.mounted_by.iter().any(|name| name == container)
    }
}

/// Every use of a ConfigMap or Secret, in the order: init containers, containers, ephemeral containers, volumes,
/// pull secrets. Secrets that a ServiceAccount or a PersistentVolume adds are not in a pod spec and left out.
pub fn uses(pod_spec: &Value) -> Vec<ConfigUse> {
    let mut found = Vec::new();
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for container in items(pod_spec, list) {
            environment(list, container, &mut found);
        }
    }
    for volume in items(pod_spec, "volumes") {
        volume_uses(volume, &mounts(pod_spec, name_of(volume)), &mut found);
    }
    for (index, reference) in items(pod_spec, "imagePullSecrets").iter().enumerate() {
        // A pull secret that does not exist is passed over by the kubelet, so it counts as optional.
        let path = format!("imagePullSecrets[{index}]");
        let mut pull = object_use(ConfigKind::Secret, reference, "name", Class::Pull, "imagePullSecrets".into(), path);
        if let Some(pull) = &mut pull {
            pull.optional = true;
        }
        found.extend(pull);
    }
    found
}

/// A use of a whole object that is named by one field; `None` when it names nothing.
fn object_use(
    kind: ConfigKind,
    source: &Value,
    name_key: &str,
    class: Class,
    label: String,
    path: String,
) -> Option<ConfigUse> {
    let name = source.get(name_key).and_then(Value::as_str).filter(|name| !name.is_empty())?.to_owned();
    let optional = source.get("optional").and_then(Value::as_bool) == Some(true);
    Some(ConfigUse {
        kind,
        name,
        keys: Keys::All,
        required_keys: Vec::new(),
        optional,
        class,
        container: None,
        mounted_by: Vec::new(),
        label,
        path,
    })
}

/// `env[].valueFrom` and `envFrom[]` of one container. Literal entries stand beside them and read nothing.
fn environment(list: &str, container: &Value, found: &mut Vec<ConfigUse>) {
    let name = name_of(container);
    let debug = list == "ephemeralContainers";
    let at = format!("{list}[{name}]");
    let finish = |mut one: ConfigUse| {
        one.container = Some(name.to_owned());
        if debug {
            one.class = Class::Debug;
            one.required_keys.clear();
        }
        one
    };
    for entry in items(container, "env") {
        let variable = name_of(entry);
        for (field, kind) in [("configMapKeyRef", ConfigKind::ConfigMap), ("secretKeyRef", ConfigKind::Secret)] {
            let Some(source) = entry.get("valueFrom").and_then(|from| from.get(field)) else { continue };
            let Some(key) = source.get("key").and_then(Value::as_str) else { continue };
            let (label, path) = (format!("env {variable}"), format!("{at}.env[{variable}].{field}"));
            let Some(mut one) = object_use(kind, source, "name", Class::Env, label, path) else { continue };
            one.keys = Keys::Only(BTreeSet::from([key.to_owned()]));
            if !one.optional {
                one.required_keys.push(key.to_owned());
            }
            found.push(finish(one));
        }
    }
    for (index, entry) in items(container, "envFrom").iter().enumerate() {
        let prefix = entry.get("prefix").and_then(Value::as_str).unwrap_or("");
        for (field, kind) in [("configMapRef", ConfigKind::ConfigMap), ("secretRef", ConfigKind::Secret)] {
            let Some(source) = entry.get(field) else { continue };
            let label = format!("envFrom {prefix}").trim_end().to_owned();
            let path = format!("{at}.envFrom[{index}].{field}");
            found.extend(object_use(kind, source, "name", Class::EnvFrom, label, path).map(finish));
        }
    }
}

/// How containers mount one volume.
struct Mounts<'a> {
    containers: Vec<&'a str>,
    /// Some mount has a `subPath` or `subPathExpr`.
    any_sub_path: bool,
    /// Set when every mount has a plain `subPath`: nothing else of the volume is seen.
    only_sub_paths: Option<BTreeSet<&'a str>>,
}

/// The mounts of a volume by containers and init containers.
fn mounts<'a>(pod_spec: &'a Value, volume: &str) -> Mounts<'a> {
    let mut seen = Mounts { containers: Vec::new(), any_sub_path: false, only_sub_paths: Some(BTreeSet::new()) };
    for container in ["initContainers", "containers"].into_iter().flat_map(|list| items(pod_spec, list)) {
        for mount in items(container, "volumeMounts").iter().filter(|mount| name_of(mount) == volume) {
            let filled = |key: &str| mount.get(key).and_then(Value::as_str).filter(|path| !path.is_empty());
            let (sub_path, expression) = (filled("subPath"), filled("subPathExpr"));
            seen.any_sub_path |= sub_path.is_some() || expression.is_some();
            match (sub_path, &mut seen.only_sub_paths) {
                (Some(path), Some(paths)) if expression.is_none() => {
                    paths.insert(path.trim_start_matches("./").trim_end_matches('/'));
                }
                _ => seen.only_sub_paths = None,
            }
            if seen.containers.last() != Some(&name_of(container)) {
                seen.containers.push(name_of(container));
            }
        }
    }
    if seen.containers.is_empty() {
        seen.only_sub_paths = None;
    }
    seen
}

/// `configMap`, `secret` and `projected` volumes, and the secrets of storage drivers.
fn volume_uses(volume: &Value, mounts: &Mounts<'_>, found: &mut Vec<ConfigUse>) {
    let name = name_of(volume);
    let class = if mounts.any_sub_path { Class::SubPath } else { Class::Volume };
    let mark = if mounts.any_sub_path { " (subPath)" } else { "" };
    let mut add = |kind, source: &Value, name_key: &str, shape: &str, path: String| {
        let Some(mut one) = object_use(kind, source, name_key, class, format!("{shape} {name}{mark}"), path) else {
            return;
        };
        (one.keys, one.required_keys) = file_keys(source, mounts);
        if one.optional {
            one.required_keys.clear();
        }
        one.mounted_by = mounts.containers.iter().map(|&name| name.to_owned()).collect();
        found.push(one);
    };
    if let Some(source) = volume.get("configMap") {
        add(ConfigKind::ConfigMap, source, "name", "volume", format!("volumes[{name}].configMap"));
    }
    if let Some(source) = volume.get("secret") {
        add(ConfigKind::Secret, source, "secretName", "volume", format!("volumes[{name}].secret"));
    }
    for (index, source) in volume.get("projected").map_or(&[][..], |one| items(one, "sources")).iter().enumerate() {
        for (field, kind) in [("configMap", ConfigKind::ConfigMap), ("secret", ConfigKind::Secret)] {
            if let Some(one) = source.get(field) {
                let path = format!("volumes[{name}].projected.sources[{index}].{field}");
                add(kind, one, "name", "projected", path);
            }
        }
    }
    // Drivers of core/v1 that name a Secret, and the field that names it.
    let drivers = [
        ("csi", "nodePublishSecretRef"),
        ("flexVolume", "secretRef"),
        ("iscsi", "secretRef"),
        ("rbd", "secretRef"),
        ("cephfs", "secretRef"),
        ("cinder", "secretRef"),
        ("scaleIO", "secretRef"),
        ("storageos", "secretRef"),
        ("azureFile", "secretName"),
    ];
    for (driver, field) in drivers {
        let Some(source) = volume.get(driver) else { continue };
        let (holder, name_key) =
            if field == "secretName" { (Some(source), field) } else { (source.get(field), "name") };
        let Some(holder) = holder else { continue };
        let path = format!("volumes[{name}].{driver}.{field}");
        let storage = object_use(ConfigKind::Secret, holder, name_key, Class::Storage, format!("storage {name}"), path);
        found.extend(storage.map(|mut one| {
            one.mounted_by = mounts.containers.iter().map(|&name| name.to_owned()).collect();
            one
        }));
    }
}

/// Keys that a volume source reads and those it requires: `items` select keys and give them a path; mounts that
/// all have a `subPath` narrow them further, to the files at or below one of those paths.
fn file_keys(source: &Value, mounts: &Mounts<'_>) -> (Keys, Vec<String>) {
    let pairs: Vec<(&str, &str)> = items(source, "items")
        .iter()
        .filter_map(|item| {
            let key = item.get("key")?.as_str()?;
            Some((key, item.get("path").and_then(Value::as_str).unwrap_or(key)))
        })
        .collect();
    let required = pairs.iter().map(|&(key, _)| key.to_owned()).collect();
    let keys = match (&mounts.only_sub_paths, pairs.is_empty()) {
        (None, true) => Keys::All,
        (None, false) => Keys::Only(pairs.iter().map(|&(key, _)| key.to_owned()).collect()),
        // Without items a file is called as its key, and keys have no slash.
        (Some(paths), true) => Keys::Only(paths.iter().map(|&path| path.to_owned()).collect()),
        (Some(paths), false) => {
            let below = |file: &str, path: &str| {
                file == path || file.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
            };
            let seen = pairs.iter().filter(|(_, file)| paths.iter().any(|path| below(file, path)));
            Keys::Only(seen.map(|&(key, _)| key.to_owned()).collect())
        }
    };
    (keys, required)
}

fn name_of(value: &Value) -> &str {
    value.get("name").and_then(Value::as_str).unwrap_or("")
}

#[cfg(test)]
mod tests;
