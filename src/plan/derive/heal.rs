//! Heal: chosen Pods are made again, or all VDU workloads are, from the current package.

use super::update::{Refusal, mark};
use crate::object::config::{changed_keys, is_config};
use crate::object::workload::{WorkloadKind, replicas};
use crate::object::{ObjectRef, text, uid};
use crate::plan::Vdus;
use crate::plan::content::Contents;
use crate::plan::live::Live;
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

/// The revision in which every object is as the current package says, and the scope that gets there: workloads are
/// deleted and created, everything else is created if missing and changed in place if different, never deleted.
/// Replicas stay as they are live.
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
) -> Result<(Revision, Scope), Refusal> {
    let digest = &current.package.digest;
    let manifests = match contents.package(digest) {
        Some(package) => package.manifests(&current.files)?,
        None => Vec::new(),
    };
    let mut target =
        Revision { number, operation_id: operation_id.to_owned(), verb: Verb::Heal, time, ..current.clone() };
    let vdus = Vdus::of(current, contents);
    for state in &mut target.objects {
        // What cannot be changed in place stays as it is while it is there.
        let stays = !is_config(&state.reference) && vdus.id(&state.reference).is_none();
        if stays && live.get(&state.reference).is_some() {
            continue;
        }
        let mut unsettled = state.reference.clone();
        let source = manifests.iter().find(|manifest| {
            unsettled.namespace.clone_from(&manifest.reference.namespace);
            unsettled.same_object(&manifest.reference)
        });
        if let Some(manifest) = source {
            state.package.clone_from(digest);
            state.source = manifest.source.clone();
            state.images = BTreeMap::new();
            state.became = BTreeMap::new();
        }
        let scalable = WorkloadKind::of(&state.reference).is_some_and(WorkloadKind::scalable);
        if let Some(live) = live.get(&state.reference).filter(|_| scalable) {
            state.replicas = Some(replicas(live));
        }
    }
    let mut scope = Scope::default();
    for state in &target.objects {
        let object = state.reference.clone();
        let found = live.get(&object);
        if vdus.id(&object).is_some() {
            let pods = live.pods_of(&object).iter().map(|pod| uid(pod).to_owned()).collect();
            let how = How::Recreate { because: "it is made anew from the package".into() };
            let uid = found.map(uid).unwrap_or_default().to_owned();
            scope.affected.push(Affected { object, uid, how, reasons: vec![Reason::Anew], pods, strays: Vec::new() });
        } else if is_config(&object) {
            let wanted = contents.content(state)?;
            let keys = changed_keys(found.unwrap_or(&Value::Null), &wanted);
            if !keys.is_empty() || found.is_none() {
                scope.config.push(ConfigChange { object, keys });
            }
        } else if found.is_none() {
            scope.create.push(object);
        }
    }
    mark_created(&mut target, &scope);
    mark(&mut target, &scope.affected);
    Ok((target, scope))
}

/// A workload that is created carries the number of the revision that creates it.
fn mark_created(target: &mut Revision, scope: &Scope) {
    let number = target.number;
    for state in target.objects.iter_mut().filter(|state| scope.create.contains(&state.reference)) {
        state.marker = WorkloadKind::of(&state.reference).map(|_| number);
    }
}
