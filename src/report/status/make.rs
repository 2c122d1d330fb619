//! How a VNF is, made of its record, its packages and its live objects: again after every change of them.

use crate::object::health::wanted_pods;
use crate::object::pod::{active, is_ready};
use crate::object::workload::WorkloadKind;
use crate::plan::derive::update::deferred;
use crate::plan::drift::fields::departures;
use crate::plan::{ContentError, Contents, Inputs, Live, Vdus, ready};
use crate::record::{Instance, Journal, Revision};
use crate::report::status::{OpenOperation, Status};
use crate::report::tree::make::{PodEvents, of_operation, of_revision};
use crate::report::tree::{Told, Tree};

/// What a status is made of.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// The record.
    pub instance: &'a Instance,
    /// Namespace of the record.
    pub namespace: &'a str,
    /// The operation that has not ended, with the journal in force (of its rollback, once that has begun) where that is
    /// at hand.
    pub open: Option<(&'a OpenOperation, Option<&'a Journal>)>,
    /// The packages of the revisions.
    pub contents: &'a Contents,
    /// The live objects.
    pub live: &'a Live,
    /// What events say of Pods that are not ready.
    pub events: &'a PodEvents,
}

/// How the VNF is.
pub fn status(seen: Seen<'_>) -> Status {
    let Seen { instance, namespace, open, contents, live, events } = seen;
    let mut status = Status {
        name: instance.vnf_instance_name.clone(),
        id: instance.id.clone(),
        namespace: namespace.to_owned(),
        instantiation_state: instance.instantiation_state,
        revision: instance.current().map(|revision| revision.number),
        ready: (0, 0),
        operation: open.map(|(operation, _)| operation.clone()),
        tree: Tree::default(),
        drift: Vec::new(),
        deferred: Vec::new(),
        unknown: Vec::new(),
    };
    if let Some((operation, Some(journal))) = open {
        let inputs = Inputs { journal, contents, live, instance_id: &instance.id };
        let told = Told { over: !operation.state.is_running(), ..Told::default() };
        match of_operation(&inputs, &told, events) {
            Ok(tree) => status.tree = tree,
            Err(error) => status.unknown.push(error.to_string()),
        }
        if let Some(revision) = journal.target.as_ref().or(journal.source.as_ref()) {
            status.ready = vnfcs(revision, live);
        }
    }
    let Some(revision) = instance.current() else { return status };
    if open.is_none_or(|(_, journal)| journal.is_none()) {
        status.tree = of_revision(revision, contents, live, events);
        status.ready = vnfcs(revision, live);
    }
    if open.is_none() {
        judge(&mut status, revision, seen);
    }
    match deferred(revision, contents) {
        Ok(deferred) => status.deferred = deferred,
        Err(error) => status.unknown.push(error.to_string()),
    }
    status
}

/// What departs from the revision in force.
fn judge(status: &mut Status, revision: &Revision, seen: Seen<'_>) {
    let Seen { instance, contents, live, .. } = seen;
    let vdus = Vdus::of(revision, contents);
    let mut states: Vec<_> = revision.objects.iter().collect();
    states.sort_by_key(|state| (WorkloadKind::of(&state.reference).is_some(), vdus.position(&state.reference)));
    for state in states {
        match contents.desired(state, &instance.id) {
            Ok(wanted) => status.drift.extend(departures(state, &wanted, live.get(&state.reference))),
            Err(error) => {
                status.unknown.push(error.to_string());
                // Of a package that is not at hand every object would say the same.
                if matches!(error, ContentError::NoPackage { .. }) {
                    return;
                }
            }
        }
    }
}

/// Ready VNFCs, of how many there should be.
fn vnfcs(revision: &Revision, live: &Live) -> (u64, u64) {
    let mut sum = (0, 0);
    for state in &revision.objects {
        let reference = &state.reference;
        let Some(kind) = WorkloadKind::of(reference) else { continue };
        let found = live.get(reference);
        let serving = match (kind, found) {
            // One that has run to its end is what it should be.
            (WorkloadKind::Pod, Some(pod)) => u64::from(ready(live, reference, pod, None).is_ready()),
            _ => live.pods_of(reference).iter().filter(|pod| active(pod) && is_ready(pod)).count() as u64,
        };
        let wanted = match (kind, found) {
            (_, Some(found)) => wanted_pods(found, kind),
            (WorkloadKind::Pod, None) => 1,
            (_, None) => state.replicas.unwrap_or(1),
        };
        // What one has too many of while it is rolled out makes up for nothing that another lacks.
        sum = (sum.0 + serving.min(wanted), sum.1 + wanted);
    }
    sum
}
