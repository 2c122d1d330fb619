//! Who restarts, how, and why: exactly the Pods that use what changed.
//!
//! Users of configuration are found in the live pod specs, since those are what the kubelet started; the reasons
//! name key, field and workload, so that every restart can be explained before it happens.

use super::content::{ContentError, Contents};
use super::live::Live;
use crate::object::config::KeyChange;
use crate::object::pod::terminating;
use crate::object::reference::{Class, ConfigUse, uses};
use crate::object::rollout::is_on_delete;
use crate::object::workload::{ContainerClass, WorkloadKind, containers, images, pod_spec};
use crate::object::{ObjectRef, text, uid};
use crate::record::{Affected, ConfigChange, How, ObjectState, Reason, Revision};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What the restart decision needs to know.
pub struct Question<'a> {
    /// Desired state before.
    pub source: &'a Revision,
    /// Desired state aimed at; its markers do not count.
    pub target: &'a Revision,
    /// The packages of both.
    pub contents: &'a Contents,
    /// The live objects.
    pub live: &'a Live,
    /// ConfigMaps and Secrets that are written, with their changed keys.
    pub config: &'a [ConfigChange],
    /// Also put back images that drifted and workloads that are gone.
    pub restore: bool,
}

/// The workloads that restart, in the target's order.
///
/// # Errors
/// A revision points into a package that is not at hand.
pub fn affected(question: &Question<'_>) -> Result<Vec<Affected>, ContentError> {
    let mut affected = Vec::new();
    for state in &question.target.objects {
        let Some(kind) = WorkloadKind::of(&state.reference) else { continue };
        if let Some(entry) = workload(question, kind, state)? {
            affected.push(entry);
        }
    }
    Ok(affected)
}

fn workload(
    question: &Question<'_>,
    kind: WorkloadKind,
    state: &ObjectState,
) -> Result<Option<Affected>, ContentError> {
    let wanted = wanted_images(question.contents, state)?;
    let former = match question.source.object(&state.reference) {
        Some(source) => wanted_images(question.contents, source)?,
        None => BTreeMap::new(),
    };
    let object = state.reference.clone();
    let found = question.live.get(&state.reference);
    let Some(live) = found.filter(|live| !terminating(live)) else {
        // What is being deleted is waited out, never written.
        let because = "it is gone".to_owned();
        let missing = Affected {
            object,
            uid: found.map(uid).unwrap_or_default().to_owned(),
            how: How::Recreate { because },
            reasons: vec![Reason::Missing],
            pods: Vec::new(),
            strays: Vec::new(),
        };
        return Ok((question.restore || wanted != former).then_some(missing));
    };
    let running = pod_spec(live).map(images).unwrap_or_default();
    let mut reasons: Vec<Reason> = wanted
        .iter()
        .filter_map(|(container, after)| {
            let before = running.get(container)?;
            let in_force = state.became.get(container).unwrap_or(after);
            let ours = former.get(container) != Some(after) || question.restore;
            (ours && before != after && before != in_force).then(|| Reason::Image {
                container: container.clone(),
                before: before.clone(),
                after: after.clone(),
            })
        })
        .collect();
    let pods = question.live.pods_of(&state.reference);
    let config = with_pending(question.config, &state.pending);
    let used = changed_uses(live, &pods, &config);
    reasons.extend(key_reasons(&used));
    if reasons.is_empty() {
        return Ok(None);
    }
    let how = match kind {
        WorkloadKind::Pod => bare_pod(live, &reasons, &used),
        _ => controlled(kind, live),
    };
    let pods = pods.iter().map(|pod| uid(pod).to_owned()).collect();
    Ok(Some(Affected { object, uid: uid(live).to_owned(), how, reasons, pods, strays: Vec::new() }))
}

/// How the Pods of a workload's controller get a new template.
pub(super) fn controlled(kind: WorkloadKind, live: &Value) -> How {
    let by_us = kind == WorkloadKind::ReplicaSet || is_on_delete(live);
    if by_us { How::ReplacePods } else { How::RollOut }
}

/// Images of all containers as a revision wants them.
pub(super) fn wanted_images(
    contents: &Contents,
    state: &ObjectState,
) -> Result<BTreeMap<String, String>, ContentError> {
    let content = contents.content(state)?;
    Ok(pod_spec(&content).map(images).unwrap_or_default())
}

/// The changed config, and what the workload has missed before.
pub(super) fn with_pending(config: &[ConfigChange], pending: &[Reason]) -> Vec<ConfigChange> {
    let mut all = config.to_vec();
    for reason in pending {
        let Reason::Key { config, key, .. } = reason else { continue };
        let change = match all.iter().position(|change| change.object == *config) {
            Some(index) => &mut all[index],
            None => {
                all.push(ConfigChange { object: config.clone(), keys: Vec::new() });
                let last = all.len() - 1;
                &mut all[last]
            }
        };
        if !change.keys.iter().any(|known| known.key == *key) {
            change.keys.push(KeyChange { key: key.clone(), before: None, after: None, binary: false });
        }
    }
    all
}

/// One use of one changed key.
pub(super) struct ChangedUse<'a> {
    config: &'a ObjectRef,
    key: &'a str,
    field: ConfigUse,
}

/// The uses of changed keys in the workload's template and in its live Pods.
pub(super) fn changed_uses<'a>(live: &Value, pods: &[&Value], config: &'a [ConfigChange]) -> Vec<ChangedUse<'a>> {
    if config.is_empty() {
        return Vec::new();
    }
    let mut fields: Vec<ConfigUse> = Vec::new();
    let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
    for spec in std::iter::once(live).chain(pods.iter().copied()).filter_map(pod_spec) {
        for field in uses(spec) {
            if field.restarts() && seen.insert((field.path.clone(), field.name.clone())) {
                fields.push(field);
            }
        }
    }
    let mut found = Vec::new();
    for change in config {
        for key in &change.keys {
            for field in &fields {
                if refers(field, &change.object) && field.sees(key) {
                    found.push(ChangedUse { config: &change.object, key: &key.key, field: field.clone() });
                }
            }
        }
    }
    found
}

fn refers(field: &ConfigUse, config: &ObjectRef) -> bool {
    config.kind == field.kind.as_str() && config.name == field.name
}

/// One reason per changed key, with the fields that use it.
pub(super) fn key_reasons(used: &[ChangedUse<'_>]) -> Vec<Reason> {
    let mut fields: BTreeMap<(&ObjectRef, &str), Vec<String>> = BTreeMap::new();
    for entry in used {
        let labels = fields.entry((entry.config, entry.key)).or_default();
        if !labels.contains(&entry.field.label) {
            labels.push(entry.field.label.clone());
        }
    }
    fields
        .into_iter()
        .map(|((config, key), fields)| Reason::Key { config: config.clone(), key: key.to_owned(), fields })
        .collect()
}

/// A bare Pod restarts in place when that brings everything new into force, and is made again when it does not.
pub(super) fn bare_pod(live: &Value, reasons: &[Reason], used: &[ChangedUse<'_>]) -> How {
    let recreate = |because: &str| How::Recreate { because: because.to_owned() };
    let spec = &live["spec"];
    let ordinary_init: BTreeSet<&str> = containers(spec)
        .iter()
        .filter(|container| container.class == ContainerClass::Init)
        .map(|container| container.name)
        .collect();
    let images: Vec<&str> = reasons
        .iter()
        .filter_map(|reason| match reason {
            Reason::Image { container, .. } => Some(container.as_str()),
            _ => None,
        })
        .collect();
    if images.is_empty() {
        return recreate("it has no controller, and without a new image nothing restarts its containers");
    }
    if images.iter().any(|container| ordinary_init.contains(container)) {
        return recreate("an init container's image changes, and init containers run once");
    }
    // A container that keeps its image keeps running: what it read at its start stays old.
    let stale = containers(spec)
        .iter()
        .filter(|container| !images.contains(&container.name))
        .any(|container| used.iter().any(|entry| entry.field.read_by(container.name)));
    if stale {
        return recreate("a container that keeps its image uses changed configuration");
    }
    if used.iter().any(|entry| entry.field.class == Class::SubPath) {
        return recreate("a changed key is mounted through subPath, which is not refreshed");
    }
    if text(spec, "/restartPolicy").is_some_and(|policy| policy != "Always") {
        return recreate("its restartPolicy is not Always");
    }
    if matches!(text(live, "/status/phase"), Some("Succeeded" | "Failed")) {
        return recreate("it has ended");
    }
    How::InPlace { refresh_mounts: used.iter().any(|entry| entry.field.class == Class::Volume) }
}
