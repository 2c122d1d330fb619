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
use std::collections::{BTreeSet, HashMap};

/// Most workloads of which each is held against each other. No VNF comes near it.
const MAX_COMPARED: usize = 1000;
/// Most workloads that a message names.
const MAX_NAMED: usize = 5;

/// Judges all objects of a package.
pub(super) fn check(package: &Package, manifests: &[Manifest]) -> Vec<Problem> {
    let mut review = Review::new(package, manifests);
    review.namespaces();
    for flavour in &package.vnfd.flavours {
        for vdu in &flavour.vdus {
            review.vdu_workload(flavour, vdu);
            review.scaling(flavour, vdu);
        }
    }
    review.strays();
    review.references();
    review.adoption();
    review.problems
}

struct Review<'a> {
    package: &'a Package,
    manifests: &'a [Manifest],
    workloads: Vec<&'a Manifest>,
    /// Workloads by name.
    named: HashMap<&'a str, Vec<&'a Manifest>>,
    /// All objects by kind and name.
    defined: HashMap<(&'a str, &'a str), Vec<&'a Manifest>>,
    /// Workloads that are no VDU's.
    free: Vec<&'a Manifest>,
    problems: Vec<Problem>,
}

impl<'a> Review<'a> {
    fn new(package: &'a Package, manifests: &'a [Manifest]) -> Self {
        let workloads: Vec<_> = manifests.iter().filter(|m| WorkloadKind::of(&m.reference).is_some()).collect();
        let mut named: HashMap<_, Vec<_>> = HashMap::new();
        for workload in &workloads {
            named.entry(workload.reference.name.as_str()).or_default().push(*workload);
        }
        let mut defined: HashMap<_, Vec<_>> = HashMap::new();
        for manifest in manifests {
            let reference = &manifest.reference;
            defined.entry((reference.kind.as_str(), reference.name.as_str())).or_default().push(manifest);
        }
        let vdus: BTreeSet<&str> =
            package.vnfd.flavours.iter().flat_map(|flavour| &flavour.vdus).map(|vdu| vdu.name.as_str()).collect();
        let free = workloads.iter().filter(|m| !vdus.contains(m.reference.name.as_str())).copied().collect();
        Self { package, manifests, workloads, named, defined, free, problems: Vec::new() }
    }

    fn push(&mut self, manifest: &Manifest, problem: Problem) {
        self.problems.push(problem.at(&manifest.source.file, manifest.line));
    }

    /// Objects of several namespaces: somebody has to choose one (K3).
    fn namespaces(&mut self) {
        let names: BTreeSet<&str> = self.manifests.iter().filter_map(|m| m.reference.namespace.as_deref()).collect();
        if names.len() > 1 {
            let names: Vec<&str> = names.into_iter().collect();
            let problem = Problem::warning("K3", format!("objects in namespaces {}", names.join(", ")));
            self.problems.push(problem.help("choose one when you instantiate: --target-namespace"));
        }
    }

    /// A VDU is one workload (K5).
    fn vdu_workload(&mut self, flavour: &Flavour, vdu: &Vdu) {
        let wrong =
            |message: String| Problem::error("K5", format!("VDU {}: {message}", vdu.id)).at(&flavour.file, vdu.line);
        let Some(named) = self.named.get(vdu.name.as_str()) else {
            let problem = wrong(format!("no workload named {:?}", vdu.name)).help(self.what_there_is());
            self.problems.push(problem);
            return;
        };
        let kinds: BTreeSet<&str> = named.iter().map(|workload| workload.reference.kind.as_str()).collect();
        if kinds.len() > 1 {
            let all: Vec<String> = named.iter().map(|m| format!("{} ({})", m.reference.kind, place(m))).collect();
            let files: BTreeSet<&str> = named.iter().map(|m| m.source.file.as_str()).collect();
            let problem = wrong(format!("several workloads named {:?}: {}", vdu.name, all.join(", ")));
            // In files of their own they may be alternatives.
            let severity = if files.len() == named.len() { Severity::Warning } else { Severity::Error };
            let problem = Problem { severity, ..problem }.help("use the files of one: lcm-kubernetes-def-files");
            self.problems.push(problem);
        } else if let Some(kind) = vdu.kind.as_ref().filter(|kind| !kinds.contains(kind.as_str())) {
            let workload = &named[0].reference;
            self.problems.push(wrong(format!("{workload} is its workload, mcio_identification_data says {kind}")));
        }
    }

    /// Advice for who looks for the workload of a VDU.
    fn what_there_is(&self) -> String {
        let show = |m: &&Manifest| format!("{} ({}, {})", m.reference.name, m.reference.kind, place(m));
        let mut free: Vec<String> = self.free.iter().take(MAX_NAMED).map(show).collect();
        if self.free.len() > MAX_NAMED {
            free.push("...".into());
        }
        if !free.is_empty() {
            format!("workloads in the package without a VDU: {}", free.join(", "))
        } else if self.package.has_charts() {
            "workloads of Helm charts are not seen: put the rendered manifests into the package".into()
        } else if self.workloads.is_empty() {
            "no Kubernetes file that the package lists defines a workload".into()
        } else {
            "every workload in the package is another VDU's".into()
        }
    }

    /// What scales needs replicas, and nobody else who sets them (K6).
    fn scaling(&mut self, flavour: &Flavour, vdu: &Vdu) {
        let counts: BTreeSet<u32> = vdu.instances.values().copied().collect();
        let scales = vdu.aspect.as_ref().is_some_and(|aspect| aspect.deltas.iter().any(|delta| *delta > 0));
        let workload = self.named.get(vdu.name.as_str()).and_then(|named| named.first());
        let (Some(workload), true) = (workload, scales || counts.len() > 1) else { return };
        let reference = &workload.reference;
        if WorkloadKind::of(reference).is_some_and(|kind| !kind.scalable()) {
            let message = format!("VDU {} has levels or a scaling aspect, but {reference} has no replicas", vdu.id);
            self.problems.push(Problem::warning("K6", message).at(&flavour.file, vdu.line));
        }
        for scaler in self.manifests.iter().filter(|m| m.reference.kind == "HorizontalPodAutoscaler").take(MAX_COMPARED)
        {
            let target = |field: &str| text(&scaler.object, &format!("/spec/scaleTargetRef/{field}"));
            if target("kind") == Some(&reference.kind) && target("name") == Some(&reference.name) {
                let message =
                    format!("{} scales {reference} too: the levels of the VNFD will not last", scaler.reference);
                self.push(scaler, Problem::warning("K6", message));
            }
        }
    }

    /// Workloads that no flavour knows (K5).
    fn strays(&mut self) {
        if self.package.vnfd.flavours.is_empty() {
            return;
        }
        for workload in self.free.clone() {
            let message = format!("{} belongs to no VDU: it is no VNFC, and does not scale", workload.reference);
            self.push(workload, Problem::note("K5", message));
        }
    }

    /// Objects that Pods name and the package lacks, and keys that such an object lacks (K6).
    fn references(&mut self) {
        for manifest in self.manifests {
            let Some(spec) = pod_spec(&manifest.object) else { continue };
            let user = &manifest.reference;
            let find = |kind: &str, name: &str| {
                let all = self.defined.get(&(kind, name)).map_or(&[][..], Vec::as_slice);
                all.iter().find(|other| meets(user, &other.reference)).copied()
            };
            let mut absent = BTreeSet::new();
            for used in uses(spec).into_iter().filter(|used| !used.optional) {
                // The control plane puts this one into every namespace.
                if used.name != "kube-root-ca.crt" && find(used.kind.as_str(), &used.name).is_none() {
                    absent.insert((used.kind.as_str(), used.name));
                }
            }
            let account = text(spec, "/serviceAccountName").filter(|name| *name != "default");
            let volumes = spec.get("volumes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let claims = volumes.iter().filter_map(|volume| text(volume, "/persistentVolumeClaim/claimName"));
            let others = account.map(|name| ("ServiceAccount", name)).into_iter();
            for (kind, name) in others.chain(claims.map(|name| ("PersistentVolumeClaim", name))) {
                if find(kind, name).is_none() {
                    absent.insert((kind, name.to_owned()));
                }
            }
            let keys = missing_keys(spec, |kind, name| {
                find(kind.as_str(), name).map_or(Lookup::Unknown, |other| Lookup::Known(&other.object))
            });
            for (kind, name) in absent {
                let message = format!("{user} uses {kind} {name}, which is not in the package");
                self.push(manifest, Problem::warning("K6", message).help("it must be in the cluster already"));
            }
            for missing in keys {
                let Some(key) = &missing.key else { continue };
                let meant = missing.did_you_mean.map(|key| format!(", did you mean {key}?")).unwrap_or_default();
                let has = match missing.present.as_slice() {
                    [] => "no key that fits".into(),
                    present => present.join(", "),
                };
                let message =
                    format!("{user} needs key {key:?} of {} {}, which has {has}{meant}", missing.kind, missing.name);
                self.push(manifest, Problem::warning("K6", message));
            }
        }
    }

    /// Bare Pods and ReplicaSets that a controller of the package would take for its own, for its selector matches
    /// their labels: it adopts them, and then may delete them (K6). Selectors that overlap do no harm beyond that.
    fn adoption(&mut self) {
        if self.workloads.len() > MAX_COMPARED {
            return;
        }
        let adopted_kind = |owner: &Manifest| match WorkloadKind::of(&owner.reference) {
            Some(WorkloadKind::ReplicaSet | WorkloadKind::DaemonSet) => Some("Pod"),
            Some(WorkloadKind::Deployment) => Some("ReplicaSet"),
            _ => None,
        };
        for owner in self.workloads.clone() {
            let Some(kind) = adopted_kind(owner) else { continue };
            let selector = owner.object.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
            let expressions = owner.object.pointer("/spec/selector/matchExpressions").and_then(Value::as_array);
            let Some(wanted) = selector.filter(|s| !s.is_empty() && expressions.is_none_or(Vec::is_empty)) else {
                continue;
            };
            for other in self.workloads.clone() {
                let labels = other.object.pointer("/metadata/labels");
                let matches =
                    labels.is_some_and(|labels| wanted.iter().all(|(key, value)| labels.get(key) == Some(value)));
                if matches && other.reference.kind == kind && meets(&owner.reference, &other.reference) {
                    let (by, at, what) = (&owner.reference, place(owner), &other.reference);
                    let message =
                        format!("the selector of {by} ({at}) matches {what}, which it will adopt, and may delete");
                    self.push(other, Problem::warning("K6", message).help("give it other labels"));
                }
            }
        }
    }
}

fn place(manifest: &Manifest) -> String {
    format!("{}:{}", manifest.source.file, manifest.line)
}

/// Whether two objects would be in one namespace, as far as they say.
fn meets(a: &ObjectRef, b: &ObjectRef) -> bool {
    a.namespace.is_none() || b.namespace.is_none() || a.namespace == b.namespace
}
