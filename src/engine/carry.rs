//! A run of an operation under its lock: items executed, everything read again, and the end written down.
//!
//! What begins and resumes an operation stands in [`super::operation`]; the way back, in [`super::rollback`].

use super::account;
use super::events::Events;
use super::execute::{Executed, Work, alive, execute};
use super::failure::{Cause, Failure};
use super::lock::{Lock, LockError};
use super::observe::Observer;
use super::operation::{Options, plan_items, tidy, update_record};
use super::session::{EngineError, Session};
use super::verify::{Proof, verify};
use crate::cluster::store::StoredOperation;
use crate::object::mask::Mask;
use crate::object::pod::is_ready;
use crate::object::uid;
use crate::plan::derive::rollback::rollback;
use crate::plan::derive::scale::moves;
use crate::plan::derive::update::deferred;
use crate::plan::{Contents, Item};
use crate::record::{Affected, How, Journal, OperationState, Revision, Verb};
use crate::report::outcome::{FailureLine, Outcome, Standing as StandingLine, WayBack, WaysOut};
use serde_json::Value;
use std::collections::BTreeSet;
use tokio::time::Instant;

/// How often everything is read again, if something is found not to be ready that was a moment ago.
const VERIFY_ROUNDS: usize = 5;

/// What carrying an operation out, or back, works with besides the instance.
pub struct Means<'a> {
    /// The packages of both revisions.
    pub contents: &'a Contents,
    /// The live objects.
    pub observer: &'a Observer,
    /// Where to tell what happens.
    pub events: &'a Events,
    /// How it is run.
    pub options: Options,
}

impl Means<'_> {
    /// What executing a journal under the lock works with.
    pub(super) fn work<'w>(
        &'w self,
        session: &'w Session,
        lock: &'w Lock,
        verb: Verb,
        journal: &'w Journal,
        deadline: Instant,
        mask: &'w Mask,
    ) -> Work<'w> {
        Work {
            cluster: &session.cluster,
            lock,
            observer: self.observer,
            contents: self.contents,
            instance_id: &session.instance().id,
            verb,
            journal,
            mask,
            events: self.events,
            stop: self.options.stop.clone(),
            deadline,
            grace_seconds: self.options.manner.grace_seconds,
            one_by_one: self.options.manner.one_by_one,
            overwrite: self.options.manner.overwrite,
        }
    }

    /// Items of a journal against what is live now.
    pub(super) fn items(&self, session: &Session, journal: &Journal) -> Result<Vec<Item>, EngineError> {
        plan_items(journal, self.contents, self.observer, &session.instance().id)
    }
}

/// Executes items and reads everything again, until that proves the target or something is in the way.
pub(super) async fn reach(work: &Work<'_>, items: &[Item]) -> Result<(Vec<Failure>, Proof), EngineError> {
    let Executed { mut failures, mut ready_since } = execute(work, items).await;
    let mut proof = Proof::default();
    for round in 1..=VERIFY_ROUNDS {
        if !failures.is_empty() {
            return Ok((failures, Proof::default()));
        }
        let read = verify(work.cluster, work.instance_id, work.journal, work.contents, work.observer);
        let (read, ended) = futures::future::join(read, alive::ended(work, items, &ready_since)).await;
        proof = read?;
        // What is not ready, or dead already, is waited for again, with the patience that it deserves.
        let all_well = ended.is_empty() && proof.unready.is_empty();
        let off_target = proof.off.len() > proof.unready.len();
        if all_well || off_target || round == VERIFY_ROUNDS {
            break;
        }
        let again = alive::settle_again(work, items, &ended, &proof.unready).await;
        failures = again.failures;
        ready_since.extend(again.ready_since);
    }
    failures.append(&mut proof.off);
    Ok((failures, proof))
}

/// What a run of an operation came to, before it is written down.
pub(super) struct Ending<'a> {
    /// What was carried out.
    pub journal: &'a Journal,
    /// What went wrong; empty: the state is `reached`.
    pub failures: Vec<Failure>,
    /// What reading again has shown.
    pub proof: Proof,
    /// The state of a run without failures.
    pub reached: OperationState,
    /// The revision then in force, as it became.
    pub revision: Option<Revision>,
}

/// Executes, verifies and records an operation that has been written, and gives the lock back.
///
/// # Errors
/// The end could not be written: the operation then stands as interrupted.
pub async fn carry_out(
    session: &mut Session,
    operation: StoredOperation,
    lock: Lock,
    means: Means<'_>,
) -> Result<Outcome, EngineError> {
    let outcome = go_forward(session, operation, &lock, &means).await;
    lock.release().await;
    outcome
}

async fn go_forward(
    session: &mut Session,
    operation: StoredOperation,
    lock: &Lock,
    means: &Means<'_>,
) -> Result<Outcome, EngineError> {
    let journal = operation.journal.clone();
    let verb = operation.operation.kubectl_vnf.verb;
    means.events.plan(&journal);
    let items = means.items(session, &journal)?;
    let deadline = Instant::now() + means.options.timeout;
    let mask = account::mask(&journal, means.contents, means.observer);
    let work = means.work(session, lock, verb, &journal, deadline, &mask);
    let (failures, mut proof) = reach(&work, &items).await?;
    let mut target = journal.target.clone();
    if failures.is_empty() {
        for state in target.iter_mut().flat_map(|target| &mut target.objects) {
            if let Some(became) = proof.became.remove(&state.reference) {
                state.became = became;
            }
        }
    }
    let reached = OperationState::Completed;
    let ending = Ending { journal: &journal, failures, proof, reached, revision: target };
    finish(session, operation, lock, means, ending).await
}

/// Writes down how a run of an operation ended.
pub(super) async fn finish(
    session: &mut Session,
    mut operation: StoredOperation,
    lock: &Lock,
    means: &Means<'_>,
    ending: Ending<'_>,
) -> Result<Outcome, EngineError> {
    let Ending { journal, failures, proof, reached, revision } = ending;
    let lost = failures.iter().find_map(|failure| match &failure.cause {
        Cause::Lock(LockError::Lost(by)) => Some(by.clone()),
        _ => None,
    });
    if let Some(by) = lost {
        // Whoever took over writes from here on.
        return Err(EngineError::Lock(LockError::Lost(by)));
    }
    let took = means.events.elapsed();
    let verb = operation.operation.kubectl_vnf.verb;
    let instance_id = session.instance().id.clone();
    let standing = means.items(session, journal)?.into_iter().map(StandingLine::of).collect();
    let lines: Vec<FailureLine> = failures.iter().map(|failure| account::failure_line(failure, journal)).collect();
    let state = if failures.is_empty() { reached } else { OperationState::FailedTemp };
    operation.operation.enter(state, session.cluster.now());
    operation.operation.kubectl_vnf.took_millis = u64::try_from(took.as_millis()).ok();
    operation.operation.resource_changes = Some(account::resource_changes(&proof));
    if !lines.is_empty() || state == OperationState::Completed {
        let mask = account::mask(journal, means.contents, means.observer);
        operation.operation.error = account::problem_details(&lines, &mask);
    }
    lock.check_patiently().await.map_err(EngineError::Lock)?;
    // Under the lock nobody adds to the history meanwhile.
    let save = session.store.save_operation(&mut operation);
    let history = async { if state.is_final() { session.store.history(&instance_id).await.ok() } else { None } };
    let (saved, history) = futures::future::join(save, history).await;
    saved?;
    if !lines.is_empty() {
        // Evidence that cannot be kept has still been shown.
        let _ = session.store.save_evidence(&operation, &instance_id, &account::evidence_text(&lines)).await;
    }
    let former = session.instance().vnf_instance_name.clone();
    let before: BTreeSet<String> = session.instance().packages().into_iter().map(ToOwned::to_owned).collect();
    let ended = operation.operation.clone();
    let told = update_record(session, |instance| match state {
        OperationState::Completed => instance.conclude(&ended, journal, revision.as_ref()),
        OperationState::RolledBack => instance.roll_back(&ended),
        _ => instance.follow(&ended),
    });
    let mut notes = proof.held;
    match told.await {
        Ok(()) if state.is_final() => tidy(session, &before, history).await,
        Ok(()) => {}
        // The operation has ended all the same, and says so.
        Err(error) => notes.push(format!("the record is written by the next command, for now {error}")),
    }
    let aspects = match (&journal.source, &journal.target) {
        (Some(source), Some(target)) if state == OperationState::Completed => moves(source, target),
        _ => Vec::new(),
    };
    let name = session.instance().vnf_instance_name.clone();
    let deferred = match session.instance().current().map(|current| deferred(current, means.contents)) {
        Some(Ok(deferred)) => deferred,
        _ => Vec::new(),
    };
    Ok(Outcome {
        verb,
        renamed_from: (name != former).then_some(former),
        name,
        id: instance_id,
        operation_id: operation.operation.id.clone(),
        state,
        revision: revision.as_ref().map(|revision| revision.number),
        took,
        scale: aspects,
        restarted: proof.restarted,
        added: proof.added,
        removed: proof.removed,
        untouched: proof.untouched,
        disturbed: proof.disturbed,
        ready: proof.ready,
        deferred,
        failures: lines,
        standing,
        deleted: journal.scope.delete.clone(),
        ways: (state == OperationState::FailedTemp).then(|| ways(&operation, means.contents, means.observer)),
        notes,
    })
}

/// The ways out of an operation that stopped half way, as the cluster is now.
pub fn ways(operation: &StoredOperation, contents: &Contents, observer: &Observer) -> WaysOut {
    let extension = &operation.operation.kubectl_vnf;
    let live = observer.live();
    let journal = match &operation.rollback {
        Some(fixed) => Ok(fixed.clone()),
        None => rollback(&operation.journal, contents, &live),
    };
    // Taking away a Pod that never came up restarts nothing.
    let serves = |affected: &Affected| {
        let going = |pod: &Value| affected.pods.iter().any(|old| old == uid(pod));
        affected.how != How::Mark && live.pods_of(&affected.object).into_iter().any(|pod| going(pod) && is_ready(pod))
    };
    let back = journal.ok().filter(|_| extension.verb.can_be_taken_back()).map(|journal| WayBack {
        revision: journal.target.as_ref().map(|target| target.number),
        config: journal.scope.config.len(),
        restarts: journal.scope.affected.iter().filter(|affected| serves(affected)).count(),
        workloads: journal.scope.affected.len(),
        scaled: journal.scope.scale.len(),
        deleted: journal.scope.delete.len(),
    });
    WaysOut { verb: extension.verb, rolling_back: extension.rolling_back, back }
}
