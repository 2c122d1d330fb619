//! Whether the Kubernetes objects of a package fit its descriptor and each other (rules K3, K5 and K6).
//!
//! This judges all files together. What a request chooses of them, and what the cluster says to it, is judged when the
//! VNF is instantiated.

use super::problem::Problem;
use super::vnfd::{Flavour, Vdu};
use super::{Package, Severity};
use crate::object::reference::{Lookup, missing_keys, uses};
use crate::object::workload::{WorkloadKind, pod_spec};
use crate::object::{Manifest, ObjectRef, text};
use serde_json::Value;
use std::collections::BTreeSet;

/// Judges all objects of a package.
pub(super) fn check(package: &Package, manifests: &[Manifest]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let workloads: Vec<&Manifest> = manifests.iter().filter(|m| WorkloadKind::of(&m.reference).is_some()).collect();
    namespaces(manifests, &mut problems);
    for flavour in &package.vnfd.flavours {
        for vdu in &flavour.vdus {
            let named: Vec<&Manifest> =
                workloads.iter().filter(|workload| workload.reference.name == vdu.name).copied().collect();
            vdu_workload(package, flavour, vdu, &named, &workloads, &mut problems);
            scaling(flavour, vdu, &named, manifests, &mut problems);
        }
    }
    if !package.vnfd.flavours.is_empty() {
        for workload in &workloads {
            if !package.vnfd.flavours.iter().any(|flavour| flavour.vdu_of(&workload.reference.name).is_some()) {
                let message = format!("{} belongs to no VDU: it is no VNFC, and does not scale", workload.reference);
                problems.push(at(workload, Problem::note("K5", message)));
            }
        }
    }
    references(manifests, &mut problems);
    adoption(&workloads, &mut problems);
    problems
}

fn at(manifest: &Manifest, problem: Problem) -> Problem {
    problem.at(&manifest.source.file, manifest.line)
}

fn place(manifest: &Manifest) -> String {
    format!("{}:{}", manifest.source.file, manifest.line)
}

/// Objects of several namespaces: somebody has to choose one.
fn namespaces(manifests: &[Manifest], problems: &mut Vec<Problem>) {
    let names: BTreeSet<&str> = manifests.iter().filter_map(|m| m.reference.namespace.as_deref()).collect();
    if names.len() > 1 {
        let names: Vec<&str> = names.into_iter().collect();
        let problem = Problem::warning("K3", format!("objects in namespaces {}", names.join(", ")));
        problems.push(problem.help("choose one when you instantiate: --target-namespace"));
    }
}

/// A VDU is one workload (K5).
fn vdu_workload(
    package: &Package,
    flavour: &Flavour,
    vdu: &Vdu,
    named: &[&Manifest],
    workloads: &[&Manifest],
    problems: &mut Vec<Problem>,
) {
    let wrong =
        |message: String| Problem::error("K5", format!("VDU {}: {message}", vdu.id)).at(&flavour.file, vdu.line);
    let kinds: BTreeSet<&str> = named.iter().map(|workload| workload.reference.kind.as_str()).collect();
    match (named, kinds.len()) {
        ([], _) => {
            let problem = wrong(format!("no workload named {:?}", vdu.name));
            problems.push(problem.help(what_there_is(package, workloads)));
        }
        (_, 1) => {
            if let Some(kind) = vdu.kind.as_ref().filter(|kind| !kinds.contains(kind.as_str())) {
                let workload = &named[0].reference;
                problems.push(wrong(format!("{workload} is its workload, mcio_identification_data says {kind}")));
            }
        }
        _ => {
            let all: Vec<String> = named.iter().map(|m| format!("{} ({})", m.reference.kind, place(m))).collect();
            let files: BTreeSet<&str> = named.iter().map(|m| m.source.file.as_str()).collect();
            let problem = wrong(format!("several workloads named {:?}: {}", vdu.name, all.join(", ")));
            // In files of their own they may be alternatives.
            let severity = if files.len() == named.len() { Severity::Warning } else { Severity::Error };
            problems.push(Problem { severity, ..problem }.help("use the files of one: lcm-kubernetes-def-files"));
        }
    }
}

fn what_there_is(package: &Package, workloads: &[&Manifest]) -> String {
    let flavours = &package.vnfd.flavours;
    let free = |workload: &&&Manifest| !flavours.iter().any(|f| f.vdu_of(&workload.reference.name).is_some());
    let show = |m: &&Manifest| format!("{} ({}, {})", m.reference.name, m.reference.kind, place(m));
    let left: Vec<String> = workloads.iter().filter(free).map(show).collect();
    if !left.is_empty() {
        return format!("workloads in the package without a VDU: {}", left.join(", "));
    }
    if package.has_charts() {
        return "workloads of Helm charts are not seen: put the rendered manifests into the package".into();
    }
    match workloads {
        [] => "no Kubernetes file that the package lists defines a workload".into(),
        _ => "every workload in the package is another VDU's".into(),
    }
}

/// What scales needs replicas, and nobody else who sets them (K6).
fn scaling(flavour: &Flavour, vdu: &Vdu, named: &[&Manifest], manifests: &[Manifest], problems: &mut Vec<Problem>) {
    let counts: BTreeSet<u32> = vdu.instances.values().copied().collect();
    let scales = vdu.aspect.as_ref().is_some_and(|aspect| aspect.deltas.iter().any(|delta| *delta > 0));
    let ([workload, ..], true) = (named, scales || counts.len() > 1) else { return };
    let reference = &workload.reference;
    if WorkloadKind::of(reference).is_some_and(|kind| !kind.scalable()) {
        let message = format!("VDU {} has levels or a scaling aspect, but {reference} has no replicas", vdu.id);
        problems.push(Problem::warning("K6", message).at(&flavour.file, vdu.line));
    }
    for scaler in manifests.iter().filter(|m| m.reference.kind == "HorizontalPodAutoscaler") {
        let target = |field: &str| text(&scaler.object, &format!("/spec/scaleTargetRef/{field}"));
        if target("kind") == Some(&reference.kind) && target("name") == Some(&reference.name) {
            let message = format!("{} scales {reference} too: the levels of the VNFD will not last", scaler.reference);
            problems.push(at(scaler, Problem::warning("K6", message)));
        }
    }
}

/// Objects that Pods name and the package lacks, and keys that such an object lacks (K6).
fn references(manifests: &[Manifest], problems: &mut Vec<Problem>) {
    for manifest in manifests {
        let Some(spec) = pod_spec(&manifest.object) else { continue };
        let defined = |kind: &str, name: &str| {
            manifests.iter().find(|other| {
                let reference = &other.reference;
                reference.kind == kind && reference.name == name && meets(&manifest.reference, reference)
            })
        };
        let mut absent = BTreeSet::new();
        for used in uses(spec).into_iter().filter(|used| !used.optional) {
            // The control plane puts this one into every namespace.
            if used.name != "kube-root-ca.crt" && defined(used.kind.as_str(), &used.name).is_none() {
                absent.insert((used.kind.as_str(), used.name));
            }
        }
        let account = text(spec, "/serviceAccountName").filter(|name| *name != "default");
        let claims = spec.get("volumes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let claims = claims.iter().filter_map(|volume| text(volume, "/persistentVolumeClaim/claimName"));
        let others = account.map(|name| ("ServiceAccount", name));
        for (kind, name) in others.into_iter().chain(claims.map(|name| ("PersistentVolumeClaim", name))) {
            if defined(kind, name).is_none() {
                absent.insert((kind, name.to_owned()));
            }
        }
        for (kind, name) in absent {
            let message = format!("{} uses {kind} {name}, which is not in the package", manifest.reference);
            problems.push(at(manifest, Problem::warning("K6", message)).help("it must be in the cluster already"));
        }
        let keys = missing_keys(spec, |kind, name| {
            defined(kind.as_str(), name).map_or(Lookup::Unknown, |other| Lookup::Known(&other.object))
        });
        for missing in keys {
            let Some(key) = &missing.key else { continue };
            let meant = missing.did_you_mean.map(|key| format!(", did you mean {key}?")).unwrap_or_default();
            let (object, kind, name) = (&manifest.reference, missing.kind, &missing.name);
            let message = format!(
                "{object} needs key {key:?} of {kind} {name}, which has: {}{meant}",
                missing.present.join(", ")
            );
            problems.push(at(manifest, Problem::warning("K6", message)));
        }
    }
}

/// Whether two objects would be in one namespace, as far as they say.
fn meets(a: &ObjectRef, b: &ObjectRef) -> bool {
    a.namespace.is_none() || b.namespace.is_none() || a.namespace == b.namespace
}

/// Bare Pods and ReplicaSets that a controller of the package would take for its own, for its selector matches their
/// labels: it adopts them, and then may delete them (K6). Selectors that overlap do no harm beyond that.
fn adoption(workloads: &[&Manifest], problems: &mut Vec<Problem>) {
    for owner in workloads {
        let adopts = match WorkloadKind::of(&owner.reference) {
            Some(WorkloadKind::ReplicaSet | WorkloadKind::DaemonSet) => "Pod",
            Some(WorkloadKind::Deployment) => "ReplicaSet",
            _ => continue,
        };
        let Some(wanted) = owner.object.pointer("/spec/selector/matchLabels").and_then(Value::as_object) else {
            continue;
        };
        let expressions = owner.object.pointer("/spec/selector/matchExpressions").and_then(Value::as_array);
        if wanted.is_empty() || expressions.is_some_and(|expressions| !expressions.is_empty()) {
            continue;
        }
        for other in workloads.iter().filter(|w| w.reference.kind == adopts && meets(&owner.reference, &w.reference)) {
            let labels = other.object.pointer("/metadata/labels");
            if labels.is_some_and(|labels| wanted.iter().all(|(key, value)| labels.get(key) == Some(value))) {
                let message = format!(
                    "the selector of {} ({}) matches {}, which it will adopt, and may delete",
                    owner.reference,
                    place(owner),
                    other.reference
                );
                problems.push(at(other, Problem::warning("K6", message)).help("give it other labels"));
            }
        }
    }
}
