//! The tree of a VNF, made of its live objects: for an operation what becomes of its items, otherwise how every
//! workload is.
//!
//! Made anew after every change of a live object, and never remembered: two terminals that look at one VNF see the
//! same.

use crate::object::config::is_config;
use crate::object::health::{Readiness, object_ready, wanted_pods};
use crate::object::pod::{self, PodFacts, Snapshot, active, container_states, is_ready, terminating};
use crate::object::trouble::{controller_trouble, troubles};
use crate::object::workload::{WorkloadKind, marker, replicas};
use crate::object::{ObjectRef, text, uid};
use crate::plan::order::runs_once;
use crate::plan::{ContentError, Contents, Inputs, Item, ItemState, Live, Step, Vdus, items, ready};
use crate::record::{Journal, Revision};
use crate::report::tree::{ConfigRow, PodLine, Role, Row, Set, State, Told, Tree, Untouched};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the cluster's events say about Pods: by UID, oldest first. What is not known is not missed.
pub type PodEvents = BTreeMap<String, Vec<Value>>;

/// What an operation does, as a tree: its items, and how many workloads it leaves alone.
///
/// # Errors
/// A revision points into a package that is not at hand.
pub fn of_operation(inputs: &Inputs<'_>, told: &Told, events: &PodEvents) -> Result<Tree, ContentError> {
    let Inputs { journal, contents, live, .. } = inputs;
    let items = items(inputs)?;
    let view = Look { live, events, journal: Some(journal) };
    let (workloads, others): (Vec<&Item>, Vec<&Item>) =
        items.iter().partition(|item| WorkloadKind::of(&item.object).is_some());
    let (config, others): (Vec<&Item>, Vec<&Item>) = others.into_iter().partition(|item| is_config(&item.object));
    let mut workloads: Vec<Row> = merged(&workloads).into_iter().map(|item| view.item(item, told)).collect();
    if let Some(revision) = journal.target.as_ref().or(journal.source.as_ref()) {
        let vdus = Vdus::of(revision, contents);
        workloads.sort_by_key(|row| vdus.position(&row.object));
    }
    let untouched = untouched(inputs, &workloads);
    let others = others.into_iter().filter_map(|item| view.other(item, told));
    Ok(Tree {
        config: config_row(&config, journal, told),
        rows: workloads.into_iter().chain(others).collect(),
        others: Vec::new(),
        untouched,
    })
}

/// How every workload of a revision is, and what of its other objects is not ready.
pub fn of_revision(revision: &Revision, contents: &Contents, live: &Live, events: &PodEvents) -> Tree {
    let vdus = Vdus::of(revision, contents);
    let view = Look { live, events, journal: None };
    let (mut workloads, others): (Vec<&ObjectRef>, Vec<&ObjectRef>) = revision
        .objects
        .iter()
        .map(|state| &state.reference)
        .partition(|reference| WorkloadKind::of(reference).is_some());
    workloads.sort_by_key(|reference| vdus.position(reference));
    let workloads = workloads.into_iter().map(|reference| view.standing(reference, vdus.id(reference)));
    let mut well = Vec::new();
    let behind: Vec<Row> = others
        .into_iter()
        .filter_map(|reference| {
            let row = view.other_standing(reference);
            if row.is_none() {
                well.push(reference.clone());
            }
            row
        })
        .collect();
    Tree { config: None, rows: workloads.chain(behind).collect(), others: well, untouched: None }
}

/// One item per workload: one that restarts and is scaled as well has two, and is done when both are.
fn merged<'i>(items: &[&'i Item]) -> Vec<&'i Item> {
    let mut merged: Vec<&Item> = Vec::new();
    for item in items {
        match merged.iter_mut().find(|known| known.object == item.object) {
            Some(known) if known.state == ItemState::Done => *known = item,
            Some(_) => {}
            None => merged.push(item),
        }
    }
    merged
}

fn config_row(items: &[&Item], journal: &Journal, told: &Told) -> Option<ConfigRow> {
    let first = items.first()?;
    let done = items.iter().filter(|item| item.state == ItemState::Done).count();
    let failed = items.iter().any(|item| told.failed.contains_key(&item.object));
    let state = match done {
        _ if failed => State::Failed,
        _ if done == items.len() => State::Done,
        0 if items.iter().all(|item| !told.begun.contains(&item.object)) => State::ToDo,
        _ => State::Waiting,
    };
    let what = match &first.step {
        _ if journal.target.is_none() => "deleted",
        _ if goes_back(journal) => "restored",
        Step::Create if journal.source.is_none() => "created",
        _ => "written",
    };
    let objects = items.iter().map(|item| item.object.clone()).collect();
    let took = items.iter().filter_map(|item| told.done.get(&item.object)).max().copied();
    Some(ConfigRow { state, objects, done, what, took })
}

/// Whether the operation is on its way back to a former revision.
pub(super) fn goes_back(journal: &Journal) -> bool {
    matches!((&journal.source, &journal.target), (Some(source), Some(target)) if target.number < source.number)
}

/// The workloads of the revision that the operation does not touch.
fn untouched(inputs: &Inputs<'_>, rows: &[Row]) -> Option<Untouched> {
    let Inputs { journal, contents, live, .. } = inputs;
    let revision = journal.target.as_ref().or(journal.source.as_ref())?;
    let vdus = Vdus::of(revision, contents);
    let mut untouched = Untouched::default();
    for state in &revision.objects {
        let reference = &state.reference;
        let Some(kind) = WorkloadKind::of(reference) else { continue };
        if rows.iter().any(|row| row.object == *reference) {
            continue;
        }
        match vdus.id(reference) {
            Some(_) => untouched.vdus += 1,
            None => untouched.others += 1,
        }
        let pods = live.pods_of(reference);
        let serving = pods.iter().filter(|pod| active(pod) && is_ready(pod)).count() as u64;
        untouched.ready.0 += serving;
        untouched.ready.1 += live.get(reference).map_or(1, |found| wanted_pods(found, kind));
    }
    (untouched.vdus + untouched.others > 0).then_some(untouched)
}

/// What rows are made from.
pub(super) struct Look<'a> {
    pub(super) live: &'a Live,
    events: &'a PodEvents,
    /// Of the operation under way.
    pub(super) journal: Option<&'a Journal>,
}

impl Look<'_> {
    /// The row of a workload in the scope of an operation.
    fn item(&self, item: &Item, told: &Told) -> Row {
        let object = &item.object;
        let found = self.live.get(object);
        let failed = told.failed.get(object);
        let counts = self.counts(item);
        let begun = told.begun.contains(object) || self.has_begun(item);
        let hopeless = || {
            let pods = self.live.pods_of(object);
            told.over && pods.iter().any(|pod| !troubles(pod, self.before(pod)).is_empty())
        };
        let state = match item.state {
            _ if failed.is_some() => State::Failed,
            ItemState::Waiting if hopeless() => State::Failed,
            ItemState::Done => State::Done,
            ItemState::ToDo if !begun => State::ToDo,
            ItemState::ToDo | ItemState::Waiting => State::Waiting,
        };
        let still = counts.starting + counts.leaving == 0;
        let words = match (state, failed) {
            (State::Failed, why) => self.worst(object).or_else(|| why.cloned()).unwrap_or_default(),
            (State::ToDo, _) => "to do".to_owned(),
            (State::Waiting, _) if still && told.waiting.contains_key(object) => told.waiting[object].clone(),
            _ => self.words(item, state, &counts),
        };
        let mut row = self.row(state, object, item.vdu.as_deref(), words);
        // Its Pods that leave may still be waited for where the engine waits no longer.
        row.took = told.done.get(object).copied().filter(|_| state == State::Done);
        if let (Some(journal), Some(found)) = (self.journal, found) {
            let wanted =
                journal.target.as_ref().and_then(|target| target.object(object)).and_then(|state| state.marker);
            let rolls = matches!(item.step, Step::RollOut { .. });
            row.sets = self.sets(object, found, rolls.then_some(wanted).flatten(), state == State::Failed);
        }
        row
    }

    /// The row of a workload that nobody is at work on.
    fn standing(&self, object: &ObjectRef, vdu: Option<&str>) -> Row {
        let Some(found) = self.live.get(object) else {
            return Row { open: false, ..self.row(State::Failed, object, vdu, "gone".into()) };
        };
        let readiness = ready(self.live, object, found, None);
        let pods = self.live.pods_of(object);
        // Of the kinds that do not say so in a condition it would only be a guess.
        let refused = controller_trouble(found, pods.len()).filter(|trouble| !trouble.message.is_empty());
        let hopeless = refused.is_some() || pods.iter().any(|pod| !troubles(pod, None).is_empty());
        let state = match readiness {
            Readiness::Ready => State::Done,
            Readiness::Failed(_) => State::Failed,
            Readiness::Waiting(_) if hopeless => State::Failed,
            Readiness::Waiting(_) => State::Waiting,
        };
        let restarts = pods.iter().map(|pod| PodFacts::of(pod).restarts).sum::<u64>();
        let words = match &readiness {
            Readiness::Ready if object.kind == "Pod" && pod::phase(found) == "Succeeded" => "Completed".into(),
            Readiness::Ready if restarts > 0 => format!("restarts {restarts}"),
            Readiness::Ready => String::new(),
            _ if object.kind == "Pod" => self.reason(found),
            // Its Pods stand below, and say more.
            Readiness::Waiting(_) if pods.iter().any(|pod| active(pod) && !is_ready(pod)) => String::new(),
            Readiness::Waiting(why) | Readiness::Failed(why) => refused.as_ref().map_or_else(|| why.clone(), explained),
        };
        let mut row = self.row(state, object, vdu, words);
        row.sets = self.sets(object, found, None, false);
        row
    }

    /// The row of an object of another kind, while it is neither to do nor done.
    fn other(&self, item: &Item, told: &Told) -> Option<Row> {
        let failed = told.failed.get(&item.object);
        let (state, words) = match (failed, item.state) {
            (Some(why), _) => (State::Failed, why.clone()),
            (None, ItemState::Waiting) => {
                let readiness = self.live.get(&item.object).map(object_ready);
                match readiness {
                    Some(Readiness::Waiting(why) | Readiness::Failed(why)) => (State::Waiting, why),
                    _ => return None,
                }
            }
            (None, ItemState::ToDo) if item.step == Step::Delete && self.has_begun(item) => {
                (State::Waiting, "leaving".into())
            }
            (None, _) => return None,
        };
        Some(Row { vdu: None, ready: None, ..self.row(state, &item.object, None, words) })
    }

    fn other_standing(&self, object: &ObjectRef) -> Option<Row> {
        let (state, words) = match self.live.get(object) {
            // It has run, and somebody has tidied up.
            None if runs_once(object) => return None,
            None => (State::Failed, "gone".to_owned()),
            Some(found) => match object_ready(found) {
                Readiness::Ready => return None,
                Readiness::Waiting(why) => (State::Waiting, why),
                Readiness::Failed(why) => (State::Failed, why),
            },
        };
        Some(Row { vdu: None, ready: None, ..self.row(state, object, None, words) })
    }

    /// A row with the Pods that the object controls itself; those of ReplicaSets stand under these.
    fn row(&self, state: State, object: &ObjectRef, vdu: Option<&str>, words: String) -> Row {
        let found = self.live.get(object);
        let kind = WorkloadKind::of(object);
        let mut pods = self.live.pods_of(object);
        let ready = match (kind, found) {
            (Some(WorkloadKind::Pod), Some(pod)) => {
                let facts = PodFacts::of(pod);
                (facts.ready_containers as u64, facts.total_containers as u64)
            }
            (Some(WorkloadKind::Pod) | None, _) => (0, 1),
            (Some(kind), _) => {
                let serving = pods.iter().filter(|pod| active(pod) && is_ready(pod)).count() as u64;
                (serving, found.map_or(0, |found| wanted_pods(found, kind)))
            }
        };
        let since = found.filter(|_| kind == Some(WorkloadKind::Pod) && !matches!(state, State::Done | State::ToDo));
        pods.retain(|_| !matches!(kind, Some(WorkloadKind::Pod | WorkloadKind::Deployment) | None));
        Row {
            state,
            vdu: vdu.map(ToOwned::to_owned),
            object: object.clone(),
            ready: kind.is_some().then_some(ready),
            words,
            since: since.and_then(since_when),
            took: None,
            sets: Vec::new(),
            pods: pods.into_iter().map(|pod| self.pod(pod)).collect(),
            open: self.journal.is_some() || state != State::Done,
        }
    }

    /// The ReplicaSets of a Deployment that have Pods or want some, the present one first. `wanted`: the marker that
    /// a rollout brings.
    fn sets(&self, object: &ObjectRef, found: &Value, wanted: Option<u64>, failed: bool) -> Vec<Set> {
        if WorkloadKind::of(object) != Some(WorkloadKind::Deployment) {
            return Vec::new();
        }
        let back = self.goes_back();
        let revision = |object: &Value| object["metadata"]["annotations"]["deployment.kubernetes.io/revision"].clone();
        let present = revision(found);
        let children: Vec<&Value> =
            self.live.children(object).into_iter().filter(|child| child["kind"] == "ReplicaSet").collect();
        let of_wanted = |set: &Value| wanted.is_some() && marker(set, WorkloadKind::ReplicaSet) == wanted;
        let rolling = children.iter().any(|set| of_wanted(set));
        let mut sets: Vec<Set> = children
            .into_iter()
            .filter_map(|set| {
                let name = text(set, "/metadata/name")?;
                let pods = self.live.controlled_pods(set);
                let wants = replicas(set);
                if pods.is_empty() && wants == 0 {
                    return None;
                }
                let role = match (rolling, of_wanted(set)) {
                    (true, true) if back => Role::Current,
                    (true, true) => Role::New,
                    (true, false) if back => Role::Leaving,
                    (true, false) => Role::Old,
                    (false, _) if revision(set) == present => Role::Current,
                    (false, _) => Role::Old,
                };
                let serving = pods.iter().filter(|pod| active(pod) && is_ready(pod)).count() as u64;
                let words = if failed && role == Role::Old && serving > 0 { "still serving" } else { "" };
                let pods = pods.into_iter().map(|pod| self.pod(pod)).collect();
                Some(Set { name: name.to_owned(), role, ready: (serving, wants), words: words.to_owned(), pods })
            })
            .collect();
        sets.sort_by_key(|set| (set.role.goes(), set.name.clone()));
        sets
    }

    fn pod(&self, pod: &Value) -> PodLine {
        let facts = PodFacts::of(pod);
        let state = match facts.phase {
            _ if facts.terminating => State::Leaving,
            "Succeeded" => State::Done,
            // Its controller has passed it over.
            "Failed" if facts.controller.is_some() => State::Leaving,
            _ if facts.ready => State::Done,
            _ if !troubles(pod, self.before(pod)).is_empty() => State::Failed,
            _ => State::Waiting,
        };
        PodLine {
            name: facts.name.to_owned(),
            state,
            ready: (facts.ready_containers, facts.total_containers),
            reason: self.reason(pod),
            restarts: facts.restarts,
            created: time(pod, "/metadata/creationTimestamp"),
        }
    }

    pub(super) fn reason(&self, pod: &Value) -> String {
        match self.events.get(uid(pod)) {
            Some(events) => pod::reason_with_events(pod, events),
            None => pod::reason(pod),
        }
    }

    pub(super) fn before(&self, pod: &Value) -> Option<&Snapshot> {
        let before = self.journal?.snapshot.get(text(pod, "/metadata/name")?)?;
        Some(&before.snapshot).filter(|before| before.uid == uid(pod))
    }

    /// The state of the first Pod that is in trouble, or not ready.
    fn worst(&self, object: &ObjectRef) -> Option<String> {
        let pods = self.live.pods_of(object);
        let behind = || pods.iter().filter(|pod| active(pod) && !is_ready(pod));
        let worst = behind().find(|pod| !troubles(pod, self.before(pod)).is_empty()).or_else(|| behind().next());
        worst.map(|pod| self.reason(pod))
    }

    /// Whether something of an item was done already, as far as the live objects tell.
    fn has_begun(&self, item: &Item) -> bool {
        let affected = self.journal.and_then(|journal| journal.scope.affected(&item.object));
        let going = || self.live.get(&item.object).is_some_and(terminating);
        match &item.step {
            Step::ReplacePods { patch, whole, .. } => patch.is_empty() && !whole,
            Step::Respawn { pods } => affected.is_some_and(|affected| pods.len() < affected.pods.len()),
            Step::Recreate { uid: old, .. } => {
                let replaced = affected.is_some_and(|affected| !affected.uid.is_empty() && affected.uid != *old);
                going() || replaced
            }
            Step::Delete => going(),
            _ => false,
        }
    }
}

/// A controller's trouble in one line.
fn explained(trouble: &crate::object::trouble::Trouble) -> String {
    let message = trouble.message.lines().next().unwrap_or("").trim();
    if message.is_empty() { trouble.reason.clone() } else { format!("{}: {message}", trouble.reason) }
}

/// Since when a bare Pod is as it is: since a container of it ended, else since it was made.
fn since_when(pod: &Value) -> Option<Timestamp> {
    let ends = container_states(pod).into_iter().filter(|state| !state.serves()).filter_map(|state| {
        let end = state.terminated().or_else(|| state.last_terminated())?;
        time(end, "/finishedAt")
    });
    ends.max().or_else(|| time(pod, "/metadata/creationTimestamp"))
}

fn time(object: &Value, pointer: &str) -> Option<Timestamp> {
    text(object, pointer)?.parse().ok()
}
