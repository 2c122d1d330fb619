//! Heal: chosen Pods are made again, or all VDU workloads are, from the current package.

use super::change_package;
use super::update::Refusal;
use crate::object::apply::must_be_made_anew;
use crate::object::config::{changed_keys, is_config, must_replace};
use crate::object::pod::terminating;
use crate::object::workload::{WorkloadKind, replicas};
use crate::object::{ObjectRef, text, uid};
use crate::plan::Vdus;
use crate::plan::compare::{self, FieldChange};
use crate::plan::content::Contents;
use crate::plan::drift::fields::strayed;
use crate::plan::live::Live;
use crate::plan::order::{holds_data, runs_once};
use crate::plan::restart;
use crate::record::{Affected, ConfigChange, How, ObjectState, Reason, Revision, Scope, Verb};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// What is to be healed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    /// VNFCs, by id (`<vduId>-<podName>`) or Pod name.
    Vnfcs(Vec<String>),
    /// All VNFCs of VDUs.
    Vdus(Vec<String>),
}

/// One VNFC of the instance: a live Pod of a VDU's workload, or a bare Pod that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vnfc {
    /// `<vduId>-<podName>`.
    pub id: String,
    /// VDU.
    pub vdu: String,
    /// Pod name.
    pub pod: String,
    /// Pod UID; empty: it is gone.
    pub uid: String,
    /// Its workload.
    pub workload: ObjectRef,
}

/// The VNFCs of a revision, in the order of the VDUs.
pub fn vnfcs(revision: &Revision, contents: &Contents, live: &Live) -> Vec<Vnfc> {
    let vdus = Vdus::of(revision, contents);
    let mut vnfcs = Vec::new();
    let mut workloads: Vec<&ObjectState> =
        revision.objects.iter().filter(|state| vdus.id(&state.reference).is_some()).collect();
    workloads.sort_by_key(|state| vdus.position(&state.reference));
    for state in workloads {
        let workload = &state.reference;
        let Some(vdu) = vdus.id(workload) else { continue };
        let vnfc = |pod: &str, uid: &str| Vnfc {
            id: format!("{vdu}-{pod}"),
            vdu: vdu.to_owned(),
            pod: pod.to_owned(),
            uid: uid.to_owned(),
            workload: workload.clone(),
        };
        let pods = live.pods_of(workload);
        if pods.is_empty() && workload.kind == "Pod" {
            vnfcs.push(vnfc(&workload.name, ""));
        }
        vnfcs.extend(pods.iter().map(|pod| vnfc(text(pod, "/metadata/name").unwrap_or(""), uid(pod))));
    }
    vnfcs
}

/// The scope that makes the chosen Pods again.
///
/// # Errors
/// The names that fit no VNFC or VDU, all at once.
pub fn chosen(targets: &Targets, vnfcs: &[Vnfc]) -> Result<Scope, Vec<String>> {
    let fits = |vnfc: &Vnfc, name: &str| match targets {
        Targets::Vnfcs(_) => vnfc.id == name || vnfc.pod == name,
        Targets::Vdus(_) => vnfc.vdu == name,
    };
    let (Targets::Vnfcs(names) | Targets::Vdus(names)) = targets;
    let unknown: Vec<String> =
        names.iter().filter(|name| !vnfcs.iter().any(|vnfc| fits(vnfc, name))).cloned().collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let mut affected: Vec<Affected> = Vec::new();
    for vnfc in vnfcs.iter().filter(|vnfc| names.iter().any(|name| fits(vnfc, name))) {
        if let Some(entry) = affected.iter_mut().find(|entry| entry.object == vnfc.workload) {
            entry.pods.push(vnfc.uid.clone());
            continue;
        }
        let bare = vnfc.workload.kind == "Pod";
        let how = if bare { How::Recreate { because: "it is healed".into() } } else { How::Respawn };
        let reason = if vnfc.uid.is_empty() { Reason::Missing } else { Reason::Asked };
        let uid = if bare { vnfc.uid.clone() } else { String::new() };
        let pods = vec![vnfc.uid.clone()];
        affected.push(Affected {
            object: vnfc.workload.clone(),
            uid,
            how,
            reasons: vec![reason],
            pods,
            strays: Vec::new(),
        });
    }
    Ok(Scope { affected, ..Scope::default() })
}

/// An object that is not as the package says and stays so: a heal deletes nothing but the workloads of VDUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stays {
    /// The object.
    pub object: ObjectRef,
    /// What cannot be put right, and why.
    pub because: String,
}

/// The revision in which every object is as the current package says, the scope that gets there, and what does not:
/// the workloads of VDUs are deleted and created, everything else is created if missing and changed in place if
/// different, never deleted. Replicas stay as they are live.
///
/// # Errors
/// A package is not at hand or its files cannot be read.
pub fn all(
    current: &Revision,
    contents: &Contents,
    live: &Live,
    number: u64,
    operation_id: &str,
    time: Timestamp,
) -> Result<(Revision, Scope, Vec<Stays>), Refusal> {
    let digest = &current.package.digest;
    let manifests = match contents.package(digest) {
        Some(package) => package.manifests(&current.files)?,
        None => Vec::new(),
    };
    let mut target =
        Revision { number, operation_id: operation_id.to_owned(), verb: Verb::Heal, time, ..current.clone() };
    let vdus = Vdus::of(current, contents);
    let (mut scope, mut whole, mut stays) = (Scope::default(), Vec::new(), Vec::new());
    for state in &mut target.objects {
        let former = state.clone();
        let object = former.reference.clone();
        let kind = WorkloadKind::of(&object);
        let found = live.get(&object);
        let mut unsettled = object.clone();
        let manifest = manifests.iter().find(|manifest| {
            unsettled.namespace.clone_from(&manifest.reference.namespace);
            unsettled.same_object(&manifest.reference)
        });
        if let Some(manifest) = manifest {
            state.package.clone_from(digest);
            state.source = manifest.source.clone();
            state.images = BTreeMap::new();
        }
        if let Some(found) = found.filter(|_| kind.is_some_and(WorkloadKind::scalable)) {
            state.replicas = Some(replicas(found));
        }
        let before = contents.content(&ObjectState { replicas: state.replicas, ..former.clone() })?;
        let wanted = contents.content(state)?;
        let change = compare::objects(&object, &before, &wanted);
        if vdus.id(&object).is_some() {
            if !change.fields.is_empty() {
                state.applied = Some(number);
            }
            state.became = BTreeMap::new();
            let pods = live.pods_of(&object).iter().map(|pod| uid(pod).to_owned()).collect();
            let how = How::Recreate { because: "it is made anew from the package".into() };
            let uid = found.map(uid).unwrap_or_default().to_owned();
            whole.push(Affected { object, uid, how, reasons: vec![Reason::Anew], pods, strays: Vec::new() });
            continue;
        }
        let Some(found) = found.filter(|found| !terminating(found)) else {
            if runs_once(&object) {
                *state = former;
            } else if is_config(&object) {
                let keys = changed_keys(&Value::Null, &wanted);
                scope.config.push(ConfigChange { object, keys });
            } else {
                state.became = BTreeMap::new();
                state.marker = kind.map(|_| number);
                scope.create.push(object);
            }
            continue;
        };
        let keys = if is_config(&object) { changed_keys(found, &wanted) } else { Vec::new() };
        let mut fields = change.fields;
        let strayed = strayed(&object, wanted.clone(), found).into_iter().map(|strayed| back(strayed.change));
        fields.extend(strayed.filter(|field| !fields.iter().any(|known| known.path == field.path)).collect::<Vec<_>>());
        if keys.is_empty() && fields.is_empty() {
            continue;
        }
        if let Some(because) = fixed(&object, found, &wanted, &fields) {
            *state = former;
            stays.push(Stays { object, because });
            continue;
        }
        if !fields.is_empty() {
            state.applied = Some(number);
        }
        let restarted = kind.map(|kind| change_package::workload(kind, state, found, contents, live, &fields));
        match restarted.transpose()?.flatten() {
            Some(affected) => whole.push(affected),
            None if is_config(&object) => scope.config.push(ConfigChange { object, keys }),
            None => scope.apply.push(change_package::apply(state, found, &fields)),
        }
    }
    let question =
        restart::Question { source: current, target: &target, contents, live, config: &scope.config, restore: false };
    let mut by_content = restart::affected(&question)?;
    by_content.retain(|affected| vdus.id(&affected.object).is_none());
    change_package::restart_all(&mut scope, &mut target, whole, by_content);
    Ok((target, scope, stays))
}

/// The way back of a change.
fn back(change: FieldChange) -> FieldChange {
    FieldChange { before: change.after, after: change.before, path: change.path }
}

/// Why an object cannot be put right where it stands; `None`: it can.
fn fixed(object: &ObjectRef, found: &Value, wanted: &Value, fields: &[FieldChange]) -> Option<String> {
    let paths = || fields.iter().map(|field| field.path.as_str());
    if let Some(field) = fields.first().filter(|_| holds_data(object)) {
        return Some(format!("{} {}: it holds data, and is left as it is", field.short_path(), field.summary()));
    }
    if is_config(object)
        && let Some(why) = must_replace(found, wanted)
    {
        return Some(why.to_owned());
    }
    if runs_once(object) {
        return paths().next().map(|path| format!("{path} differs, and it is not run again"));
    }
    must_be_made_anew(object, paths())
}
