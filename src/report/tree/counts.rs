//! What a row says beside its numbers: the Pods of one workload, counted by what the operation does with them.

use super::State;
use super::make::{Look, goes_back};
use crate::object::pod::{Snapshot, active, is_ready, terminating};
use crate::object::workload::marker_of_pod;
use crate::object::{ObjectRef, uid};
use crate::plan::{Item, Step};
use serde_json::Value;

/// The Pods of one workload, counted.
#[derive(Default)]
pub(super) struct Counts {
    /// New ones that are ready.
    pub(super) new: usize,
    /// New ones that are not.
    pub(super) starting: usize,
    /// Those that are still to go.
    old: usize,
    /// Those that are going.
    pub(super) leaving: usize,
}

impl Look<'_> {
    /// The Pods of an item's workload: which are those that the operation makes?
    pub(super) fn counts(&self, item: &Item) -> Counts {
        let Some(journal) = self.journal else { return Counts::default() };
        let target = journal.target.as_ref().and_then(|target| target.object(&item.object));
        let affected = journal.scope.affected(&item.object);
        let is_new = |pod: &Value| match &item.step {
            Step::RollOut { .. } | Step::ReplacePods { .. } => {
                target.is_some_and(|target| marker_of_pod(pod) == target.marker)
            }
            Step::Respawn { .. } | Step::Recreate { .. } => {
                affected.is_none_or(|affected| !affected.pods.iter().any(|old| old == uid(pod)))
            }
            Step::Scale { .. } => !self.known(pod),
            _ => true,
        };
        let mut counts = Counts::default();
        for pod in self.live.pods_of(&item.object) {
            let count = match () {
                () if terminating(pod) => &mut counts.leaving,
                () if !active(pod) => continue,
                () if !is_new(pod) => &mut counts.old,
                () if is_ready(pod) => &mut counts.new,
                () => &mut counts.starting,
            };
            *count += 1;
        }
        counts
    }

    /// What is to be said of an item beside its numbers.
    pub(super) fn words(&self, item: &Item, state: State, counts: &Counts) -> String {
        let found = self.live.get(&item.object);
        let bare = item.object.kind == "Pod";
        if state == State::Waiting && bare {
            return match found {
                Some(pod) if terminating(pod) => "Terminating".into(),
                Some(pod) if is_ready(pod) => match item.step {
                    Step::InPlace { .. } => "waiting for its restart".into(),
                    _ => "Running".into(),
                },
                Some(pod) => self.reason(pod),
                None if item.step == Step::Delete => "gone".into(),
                None => "being made again".into(),
            };
        }
        match (&item.step, state) {
            (Step::InPlace { .. }, State::Done) => self.restarts(&item.object).unwrap_or_default(),
            (Step::RollOut { .. } | Step::ReplacePods { .. }, State::Done) if self.goes_back() => {
                match (self.replaced(&item.object), counts.new) {
                    (0, 1) => "its Pod never stopped".into(),
                    (0, _) => "its Pods never stopped".into(),
                    (replaced, new) => format!("{replaced} of {new} replaced"),
                }
            }
            (Step::RollOut { .. } | Step::ReplacePods { .. }, State::Done) => {
                format!("{} of {} new", counts.new, counts.new + counts.old)
            }
            (Step::Respawn { .. }, State::Done) => {
                let replaced = self.journal.and_then(|journal| journal.scope.affected(&item.object));
                let number = replaced.map_or(0, |affected| affected.pods.len());
                format!("{number} of {number} replaced")
            }
            (Step::Recreate { .. }, State::Done) => "made anew".into(),
            (Step::Scale { before, after, .. }, _) => {
                let moves = format!("replicas {before} -> {after}");
                let now = self.in_words(counts);
                if state == State::Done || now.is_empty() { moves } else { format!("{moves}, {now}") }
            }
            (Step::Delete, State::Done) => "deleted".into(),
            (Step::Create | Step::Apply { .. } | Step::Mark { .. }, State::Done) => String::new(),
            (Step::Create, _) if found.is_none() => String::new(),
            (Step::Recreate { .. }, _) if found.is_none() => "being made again".into(),
            (Step::Recreate { .. } | Step::Delete, _) if found.is_some_and(terminating) => "Terminating".into(),
            _ => self.in_words(counts),
        }
    }

    pub(super) fn goes_back(&self) -> bool {
        self.journal.is_some_and(goes_back)
    }

    /// `1 new, 1 old leaving`, `1 new starting`, `2 new, 1 starting, 3 old`.
    fn in_words(&self, counts: &Counts) -> String {
        let (new, old) = if self.goes_back() { ("back", "to go") } else { ("new", "old") };
        let mut parts = Vec::new();
        if counts.new > 0 {
            parts.push(format!("{} {new}", counts.new));
        }
        match (counts.starting, counts.new) {
            (0, _) => {}
            (starting, 0) if !self.goes_back() => parts.push(format!("{starting} new starting")),
            (starting, _) => parts.push(format!("{starting} starting")),
        }
        if counts.old > 0 {
            parts.push(format!("{} {old}", counts.old));
        }
        match counts.leaving {
            0 => {}
            leaving if counts.old > 0 || self.goes_back() => parts.push(format!("{leaving} leaving")),
            leaving => parts.push(format!("{leaving} old leaving")),
        }
        parts.join(", ")
    }

    /// How many active Pods of a workload were not there before.
    fn replaced(&self, object: &ObjectRef) -> usize {
        let pods = self.live.pods_of(object);
        pods.into_iter().filter(|pod| active(pod) && !self.known(pod)).count()
    }

    /// Whether a Pod was there before the operation.
    fn known(&self, pod: &Value) -> bool {
        self.journal.is_some_and(|journal| journal.snapshot.values().any(|before| before.snapshot.uid == uid(pod)))
    }

    /// `restarts 0 -> 1`, of a Pod that stayed.
    fn restarts(&self, object: &ObjectRef) -> Option<String> {
        let pod = self.live.get(object)?;
        let sum = |snapshot: &Snapshot| snapshot.containers.values().map(|one| one.restarts).sum::<u64>();
        let before = self.before(pod).map(sum)?;
        Some(format!("restarts {before} -> {}", sum(&Snapshot::of(pod))))
    }
}
