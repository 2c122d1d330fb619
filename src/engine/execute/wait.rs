//! Waiting: until the live objects are as they should be, and no longer than trouble, time and the user allow.

use super::Task;
use crate::engine::evidence;
use crate::engine::failure::{Cause, Failure};
use crate::object::text;
use crate::object::trouble::Trouble;
use crate::object::trouble::patience::Patient;
use crate::object::workload::marker_of_pod;
use crate::plan::Live;
use crate::record::Verb;
use crate::report::event::EventKind;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// How long a state must last to be told.
const TELL_AFTER: Duration = Duration::from_secs(1);

impl Task<'_> {
    /// Sleeps, unless the user asks to stop.
    pub(super) async fn pause(&self, duration: Duration) -> Result<(), Failure> {
        let mut stop = self.work.stop.clone();
        tokio::select! {
            () = tokio::time::sleep(duration) => Ok(()),
            Ok(_) = stop.wait_for(|stop| *stop) => Err(self.fail(Cause::Interrupted)),
        }
    }

    /// Waits until `look` says that it is done, looking again after every change.
    ///
    /// Ends early when a Pod of the item is in trouble that has used up its patience, when time is up, when the user
    /// asks to stop, and when another item has failed and the others have had their time.
    pub(super) async fn until(&self, look: impl Fn(&Live) -> Look) -> Result<String, Failure> {
        let work = self.work;
        let object = &self.item.object;
        let mut changes = work.observer.changes();
        let mut stop = work.stop.clone();
        let mut halt = self.shared.halt.subscribe();
        let mut patient = Patient::new(work.verb != Verb::Instantiate);
        let begin = Instant::now();
        // What it waits for is told once it has lasted: on the way to being ready a workload passes through many
        // states that nobody needs to read about.
        let mut reason = String::new();
        let mut tell_at = None;
        loop {
            changes.mark_unchanged();
            let (waiting, trouble) = {
                let live = work.observer.live();
                match look(&live) {
                    Look::Done(what) => return Ok(what),
                    Look::Fail(why) => return Err(self.fail(Cause::Unproven(why))),
                    Look::Wait(why) => (why, self.trouble(&live, &mut patient, begin.elapsed())),
                }
            };
            if let Some((culprit, trouble)) = trouble {
                let evidence = evidence::collect(work.cluster, &culprit, &trouble, work.mask).await;
                return Err(self.fail(Cause::Trouble(Box::new(evidence))));
            }
            if waiting != reason {
                reason.clone_from(&waiting);
                tell_at = Some(Instant::now() + TELL_AFTER);
            }
            let patience = patient.next_deadline().map_or(work.deadline, |after| begin + after);
            let next = [Some(patience), tell_at, Some(work.deadline)].into_iter().flatten().min();
            tokio::select! {
                // The sender lives as long as the observer, which outlives this wait.
                _ = changes.changed() => {}
                () = tokio::time::sleep_until(next.unwrap_or(work.deadline)) => {
                    let now = Instant::now();
                    if now >= work.deadline {
                        let after = work.events.elapsed();
                        return Err(self.fail(Cause::Timeout { after, waiting }));
                    }
                    if tell_at.is_some_and(|at| at <= now) {
                        tell_at = None;
                        self.tell(EventKind::Waiting(waiting));
                    }
                }
                lost = work.lock.lost() => return Err(self.fail(lost)),
                Ok(_) = stop.wait_for(|stop| *stop) => return Err(self.fail(Cause::Interrupted)),
                Ok(_) = halt.wait_for(|halt| *halt) => {
                    return Err(self.fail(Cause::Unfinished(format!("{waiting} on {object}"))));
                }
            }
        }
    }

    /// The trouble of a Pod of this item, or of its controller, that will not be borne any longer. Pods that are
    /// about to be replaced do not count.
    pub(super) fn trouble(&self, live: &Live, patient: &mut Patient, now: Duration) -> Option<(Value, Trouble)> {
        let object = &self.item.object;
        let marker = self.marker_of_new_pods();
        for pod in live.pods_of(object) {
            if marker.is_some() && marker_of_pod(pod) != marker {
                continue;
            }
            let before = text(pod, "/metadata/name").and_then(|name| self.work.journal.snapshot.get(name));
            if let Some(trouble) = patient.observe(pod, before.map(|before| &before.snapshot), now) {
                return Some((pod.clone(), trouble));
            }
        }
        let found = live.get(object).filter(|_| object.kind != "Pod")?;
        patient.observe_controller(found, now).map(|trouble| (found.clone(), trouble))
    }
}

/// What a look at the live objects says.
pub(super) enum Look {
    /// Done, and in what state.
    Done(String),
    /// Not yet, and why.
    Wait(String),
    /// Never by waiting, and why.
    Fail(String),
}
