//! Update: the objects in force with the new package's images, ConfigMaps and Secrets, and nothing else of it.
//!
//! What else the new package changes in a workload is deferred: it stands in the package, and comes into force when
//! the workload is made anew. A change that could only be made by creating, deleting or altering other objects is
//! refused, all of them at once.

mod files;

use super::change_package::is_kept;
use crate::object::config::{KeyChange, changed_keys, is_config};
use crate::object::pod::terminating;
use crate::object::workload::{WorkloadKind, images, pod_spec, replicas};
use crate::object::{Manifest, ObjectRef};
use crate::package::Package;
use crate::plan::compare::{self, FieldChange, ObjectChange};
use crate::plan::content::{ContentError, Contents, settle};
use crate::plan::derive::scale::{levels, recorded};
use crate::plan::live::Live;
use crate::plan::order::runs_once;
use crate::plan::restart;
use crate::record::{Affected, ConfigChange, How, ObjectState, PackageId, Revision, Scaling, Scope, Verb};
use files::{defined_as, files, listed_objects, names};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What the request asks of the container update.
pub struct Request<'a> {
    /// The revision in force.
    pub current: &'a Revision,
    /// The new package, whose content is in `contents` too.
    pub package: &'a Package,
    /// Its identity.
    pub package_id: PackageId,
    /// `metadata.configmap_secret_paths` of this request: absent = all changed config, empty = none.
    pub config_paths: Option<&'a [String]>,
    /// Packages of the current revision, and the new one.
    pub contents: &'a Contents,
    /// Number of the new revision.
    pub number: u64,
    /// The operation.
    pub operation_id: &'a str,
    /// Now.
    pub time: Timestamp,
}

/// What the new package comes to.
#[derive(Debug)]
pub struct Derived {
    /// The target; markers are set by [`scope`].
    pub target: Revision,
    /// ConfigMaps and Secrets whose content changes.
    pub config: Vec<ConfigChange>,
}

/// One change of the package that does not take effect now.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deferred {
    /// The object.
    pub object: ObjectRef,
    /// Its VDU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vdu: Option<String>,
    /// Which field: a path, or `key <name>` of a ConfigMap or Secret.
    pub field: String,
    /// `80 -> 180`, `15 -> 16 bytes`, `changed`.
    pub change: String,
    /// The values, where they may be shown.
    #[serde(skip)]
    pub values: Option<FieldChange>,
}

/// One change that an update cannot make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedChange {
    /// The object.
    pub object: ObjectRef,
    /// `changed`, `removed`, `added`, `renamed?`.
    pub change: &'static str,
    /// More about it.
    pub detail: String,
}

/// What is wrong with the config paths of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathProblem {
    /// Which path of the list it is about, if it is about one.
    pub index: Option<usize>,
    /// What is wrong.
    pub message: String,
}

/// Why an update is refused before anything is written.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Config paths that cannot be used.
    #[error("{}", .0.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("\n"))]
    Paths(Vec<PathProblem>),
    /// Changes that an update cannot make.
    #[error("update cannot make {} of the package's changes", .0.len())]
    Changes(Vec<RefusedChange>),
    /// The new package's files cannot be read.
    #[error(transparent)]
    Package(#[from] crate::package::PackageError),
    /// A package is not at hand.
    #[error(transparent)]
    Content(#[from] ContentError),
}

/// Works out the target revision of an update.
///
/// # Errors
/// See [`Refusal`]; all problems of one kind at once.
pub fn update(request: &Request<'_>) -> Result<Derived, Refusal> {
    let defines = request.package.defines()?;
    let listed = listed_objects(request, &defines)?;
    let files = files(request, &defines)?;
    let manifests = request.package.manifests(&files)?;
    let mut refused = Vec::new();
    let mut config = Vec::new();
    let mut objects = Vec::new();
    let namespace = &request.current.namespace;
    let same = |manifest: &Manifest, state: &ObjectState| names(manifest, state, namespace);
    for state in &request.current.objects {
        let Some(manifest) = manifests.iter().find(|manifest| same(manifest, state)) else {
            if is_kept(request.current, state) {
                objects.push(state.clone());
                continue;
            }
            refused.push(removed(state, &manifests, request)?);
            continue;
        };
        let new_state = ObjectState {
            package: request.package_id.digest.clone(),
            source: manifest.source.clone(),
            images: BTreeMap::new(),
            became: BTreeMap::new(),
            ..state.clone()
        };
        let included = listed.as_ref().is_none_or(|listed| listed.iter().any(|o| defined_as(o, state, namespace)));
        match next(request.contents, state, new_state, included)? {
            Next::State(state) => objects.push(*state),
            Next::Config(state, change) => {
                objects.push(*state);
                config.push(change);
            }
            Next::Refused(change) => refused.push(change),
        }
    }
    for manifest in &manifests {
        if !request.current.objects.iter().any(|state| same(manifest, state)) {
            refused.push(RefusedChange {
                object: manifest.reference.clone(),
                change: "added",
                detail: format!("{}:{}", manifest.source.file, manifest.line),
            });
        }
    }
    if !refused.is_empty() {
        // A rename shows as one line: the new object is named where the old one is missing.
        let renamed: BTreeSet<String> = refused
            .iter()
            .filter(|r| r.change == "renamed?")
            .filter_map(|r| r.detail.split(' ').next().map(Into::into))
            .collect();
        refused.retain(|r| r.change != "added" || !renamed.contains(&r.object.name));
        return Err(Refusal::Changes(refused));
    }
    let flavour = request.package.vnfd.flavour(Some(&request.current.flavour_id)).ok();
    let level = request.current.instantiation_level_id.as_deref();
    let target = Revision {
        number: request.number,
        package: request.package_id.clone(),
        scale: flavour.map(|flavour| levels(flavour, &request.current.scale, level)).unwrap_or_default(),
        files,
        objects,
        operation_id: request.operation_id.to_owned(),
        verb: Verb::Update,
        time: request.time,
        ..request.current.clone()
    };
    Ok(Derived { target, config })
}

/// What an object is to become.
pub(super) enum Next {
    /// This, without a write of its own: the same content, or a workload whose images may differ.
    State(Box<ObjectState>),
    /// A ConfigMap or Secret with other content.
    Config(Box<ObjectState>, ConfigChange),
    /// A change that an update cannot make.
    Refused(RefusedChange),
}

/// Moves one object from its state to another one, as far as the container update goes. `included`: its content may
/// change, if it is a ConfigMap or Secret.
pub(super) fn next(
    contents: &Contents,
    state: &ObjectState,
    new_state: ObjectState,
    included: bool,
) -> Result<Next, ContentError> {
    let object = state.reference.clone();
    let change = compare::objects(&object, &contents.content(state)?, &contents.content(&new_state)?);
    if change.is_empty() {
        // Nothing is written, so what the API server made of its images holds.
        return Ok(Next::State(Box::new(ObjectState { became: state.became.clone(), ..new_state })));
    }
    if is_config(&object) {
        // A Secret's type and immutability are part of what is written; labels and annotations are deferred.
        let replaced = change.fields.iter().any(|field| matches!(field.path.as_str(), "type" | "immutable"));
        return Ok(if included && (replaced || !change.keys.is_empty()) {
            Next::Config(Box::new(new_state), ConfigChange { object, keys: change.keys })
        } else {
            Next::State(Box::new(state.clone()))
        });
    }
    if WorkloadKind::of(&object).is_some() {
        return Ok(Next::State(Box::new(workload_state(contents, state, new_state, &change)?)));
    }
    let fields = change.fields.iter().map(|field| format!("{} {}", field.path, field.summary()));
    let detail = fields.collect::<Vec<_>>().join(", ");
    Ok(Next::Refused(RefusedChange { object, change: "changed", detail }))
}

/// The content in force as a target of its own: what drifted from it can then be put back.
pub fn as_it_is(request: &Request<'_>) -> Derived {
    let target = Revision {
        number: request.number,
        operation_id: request.operation_id.to_owned(),
        verb: Verb::Update,
        time: request.time,
        ..request.current.clone()
    };
    Derived { target, config: Vec::new() }
}

/// A workload takes the new images. When nothing else differs it simply is the new package's; otherwise it stays the
/// old package's with the images put over it, so that what is deferred can be told at any time.
fn workload_state(
    contents: &Contents,
    state: &ObjectState,
    new_state: ObjectState,
    change: &ObjectChange,
) -> Result<ObjectState, ContentError> {
    if change.fields.is_empty() {
        let became = state.became.iter().filter(|(name, _)| !change.images.contains_key(*name));
        return Ok(ObjectState { became: became.map(|(k, v)| (k.clone(), v.clone())).collect(), ..new_state });
    }
    let mut kept = state.clone();
    let original = contents.content(&ObjectState { images: BTreeMap::new(), ..state.clone() })?;
    let original = pod_spec(&original).map(images).unwrap_or_default();
    for (container, (_, after)) in &change.images {
        kept.became.remove(container);
        if original.get(container) == Some(after) {
            kept.images.remove(container);
        } else {
            kept.images.insert(container.clone(), after.clone());
        }
    }
    Ok(kept)
}

/// Completes a derived target: who restarts, and their markers. `restore`: also put back what drifted.
///
/// # Errors
/// A revision points into a package that is not at hand.
pub fn scope(
    current: &Revision,
    derived: Derived,
    contents: &Contents,
    live: &Live,
    restore: bool,
) -> Result<(Revision, Scope), ContentError> {
    let Derived { mut target, config } = derived;
    let config =
        if restore { drifted_config(&target, contents, live)? } else { with_live(config, &target, contents, live)? };
    let question = restart::Question { source: current, target: &target, contents, live, config: &config, restore };
    let affected = restart::affected(&question)?;
    mark(&mut target, &affected);
    let create = if restore {
        let missing = |state: &&ObjectState| {
            live.get(&state.reference).is_none()
                && WorkloadKind::of(&state.reference).is_none()
                && !is_config(&state.reference)
                && !runs_once(&state.reference)
        };
        target.objects.iter().filter(missing).map(|state| state.reference.clone()).collect()
    } else {
        Vec::new()
    };
    let scale = rescaled(current, &target, &affected, contents, live)?;
    Ok((target, Scope { create, config, affected, scale, ..Scope::default() }))
}

/// The workloads of which the target has another number of replicas than the revision in force, unless they are made
/// anew with it.
fn rescaled(
    current: &Revision,
    target: &Revision,
    affected: &[Affected],
    contents: &Contents,
    live: &Live,
) -> Result<Vec<Scaling>, ContentError> {
    let mut scale = Vec::new();
    for state in &target.objects {
        let object = &state.reference;
        let scalable = WorkloadKind::of(object).is_some_and(WorkloadKind::scalable);
        let found = live.get(object).filter(|found| scalable && !terminating(found));
        let (Some(former), Some(found)) = (current.object(object), found) else { continue };
        let anew = |entry: &Affected| entry.object == *object && matches!(entry.how, How::Recreate { .. });
        if former.replicas == state.replicas || affected.iter().any(anew) {
            continue;
        }
        let (before, after) = (replicas(found), recorded(state, contents)?);
        if recorded(former, contents)? != after && before != after {
            scale.push(Scaling { object: object.clone(), before, after });
        }
    }
    Ok(scale)
}

/// Sets the restart marker of every restarted workload to the revision that restarts it.
pub fn mark(target: &mut Revision, affected: &[Affected]) {
    let number = target.number;
    for state in &mut target.objects {
        if affected.iter().any(|entry| entry.object == state.reference) {
            state.marker = Some(number);
            state.pending.clear();
        }
    }
}

/// Writing an object puts all of it right: keys that somebody else changed are written too, and their users restart.
fn with_live(
    mut config: Vec<ConfigChange>,
    target: &Revision,
    contents: &Contents,
    live: &Live,
) -> Result<Vec<ConfigChange>, ContentError> {
    for change in &mut config {
        let (Some(state), Some(found)) = (target.object(&change.object), live.get(&change.object)) else { continue };
        for key in changed_keys(found, &contents.content(state)?) {
            change.keys.retain(|known| known.key != key.key);
            change.keys.push(key);
        }
        change.keys.sort_by(|one, other| one.key.cmp(&other.key));
    }
    Ok(config)
}

fn drifted_config(target: &Revision, contents: &Contents, live: &Live) -> Result<Vec<ConfigChange>, ContentError> {
    let mut config = Vec::new();
    for state in target.objects.iter().filter(|state| is_config(&state.reference)) {
        let wanted = contents.content(state)?;
        let object = state.reference.clone();
        match live.get(&state.reference) {
            // Its users run with what it held: it comes back, and they need not restart for it.
            None => config.push(ConfigChange { object, keys: Vec::new() }),
            Some(found) => {
                let keys: Vec<KeyChange> = changed_keys(found, &wanted);
                if !keys.is_empty() {
                    config.push(ConfigChange { object, keys });
                }
            }
        }
    }
    Ok(config)
}

/// What of the revision's package is not in force.
///
/// # Errors
/// The revision points into a package that is not at hand, or its files cannot be read.
pub fn deferred(revision: &Revision, contents: &Contents) -> Result<Vec<Deferred>, Refusal> {
    let digest = &revision.package.digest;
    let behind: Vec<&ObjectState> = revision.objects.iter().filter(|state| state.package != *digest).collect();
    let Some(package) = contents.package(digest).filter(|_| !behind.is_empty()) else { return Ok(Vec::new()) };
    let vdus = crate::plan::Vdus::of(revision, contents);
    let manifests = package.manifests(&revision.files)?;
    let mut deferred = Vec::new();
    for state in behind {
        let Some(manifest) = manifests.iter().find(|manifest| names(manifest, state, &revision.namespace)) else {
            continue;
        };
        let in_force = contents.content(state)?;
        let bare = ObjectState { images: BTreeMap::new(), ..state.clone() };
        let change = compare::objects(&state.reference, &in_force, &settle(&manifest.object, &bare));
        let vdu = vdus.id(&state.reference).map(ToOwned::to_owned);
        let entry = |field: String, change: String, values: Option<FieldChange>| Deferred {
            object: state.reference.clone(),
            vdu: vdu.clone(),
            field,
            change,
            values,
        };
        deferred.extend(change.keys.iter().map(|key| entry(format!("key {}", key.key), key.summary(), None)));
        deferred.extend(change.images.iter().map(|(container, (before, after))| {
            entry(format!("containers[{container}].image"), format!("{before} -> {after}"), None)
        }));
        deferred.extend(change.fields.iter().map(|field| {
            let values = (!field.may_be_secret() && state.reference.kind != "Secret").then(|| field.clone());
            entry(field.short_path().to_owned(), field.summary(), values)
        }));
    }
    Ok(deferred)
}

/// An object that the new package no longer defines; a ConfigMap or Secret may only have got another name.
fn removed(state: &ObjectState, manifests: &[Manifest], request: &Request<'_>) -> Result<RefusedChange, ContentError> {
    let object = state.reference.clone();
    if is_config(&state.reference) {
        let keys = |value: &Value| crate::object::config::data(value).into_keys().collect::<BTreeSet<_>>();
        let old = keys(&request.contents.content(state)?);
        let heir = manifests.iter().find(|manifest| {
            manifest.reference.kind == state.reference.kind
                && keys(&manifest.object) == old
                && !request.current.objects.iter().any(|s| names(manifest, s, &request.current.namespace))
        });
        if let Some(heir) = heir {
            let detail = format!("{} is new and has the same keys", heir.reference.name);
            return Ok(RefusedChange { object, change: "renamed?", detail });
        }
    }
    let vdus = crate::plan::Vdus::of(request.current, request.contents);
    let who = vdus.id(&object).map(|vdu| format!("{vdu}, ")).unwrap_or_default();
    Ok(RefusedChange { object, change: "removed", detail: format!("{who}not in the new package") })
}
