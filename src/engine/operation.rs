//! One operation from lock to record: the same steps for every verb, and for a retry from the middle.
//!
//! - take the lock, make the plan again and compare;
//! - name operation and package in the record, store the package, write the operation with its journal;
//! - execute, read everything again;
//! - write the operation's end, then the record.
//!
//! A process that dies leaves a state from which the next command goes on: before the operation is written nothing of
//! the VNF has been touched; after it the journal says what to do; once the operation has ended, the record is told by
//! the next command.

use super::events::Events;
use super::execute::{Work, alive, execute};
use super::failure::{Cause, Failure};
use super::lock::{self, Lock, LockError};
use super::observe::Observer;
use super::session::{EngineError, Session};
use super::verify::{Proof, verify};
use crate::cluster::store::{Store, StoreError, StoredOperation};
use crate::object::mask::Mask;
use crate::object::pod::is_ready;
use crate::object::{config, uid};
use crate::plan::derive::rollback::rollback;
use crate::plan::derive::update::deferred;
use crate::plan::sheet::Sheet;
use crate::plan::{Contents, Inputs, Item, items};
use crate::record::operation::{AffectedVnfc, By, Manner, ProblemDetails, ResourceChanges};
use crate::record::{Affected, How, Instance, Journal, Operation, OperationState, Revision, Verb, names};
use crate::report::evidence::Evidence;
use crate::report::outcome::{FailureLine, Outcome, Restarted, Standing as StandingLine, WayBack, WaysOut};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How often everything is read again, if something is found not to be ready that was a moment ago.
const VERIFY_ROUNDS: usize = 5;
/// How much evidence is kept per operation, in bytes.
const EVIDENCE_BYTES: usize = 32 * 1024;

/// What is proposed: everything that an operation fixes before its first write.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// Id of the operation to be.
    pub operation_id: String,
    /// What is asked for.
    pub verb: Verb,
    /// The request, as it is stored.
    pub params: Value,
    /// Revisions, scope, snapshot, record changes.
    pub journal: Journal,
    /// How the user sees it.
    pub sheet: Sheet,
    /// Digest of a package that must be stored first.
    pub incoming: Option<String>,
}

/// How an operation is run.
pub struct Options {
    /// Bounds the waiting of the whole operation.
    pub timeout: Duration,
    /// How it is run.
    pub manner: Manner,
    /// Who runs it.
    pub by: By,
    /// Turns true when the user asks to stop.
    pub stop: watch::Receiver<bool>,
}

/// What [`begin`] came to.
pub enum Begun {
    /// The operation is written, the lock is held: go on with [`carry_out`].
    Ready(Box<StoredOperation>, Lock),
    /// The plan is another one by now: nothing was written, ask again.
    PlanChanged(Box<Proposal>),
    /// The user asked to stop: nothing was written.
    Stopped,
}

/// Takes the lock, makes the plan again, and writes the operation.
///
/// `again` makes the proposal anew from the record and the live objects.
///
/// # Errors
/// Busy, or a write failed; nothing of the VNF has been touched.
pub async fn begin<E: From<EngineError>>(
    session: &mut Session,
    proposal: Proposal,
    contents: &Contents,
    observer: &Observer,
    options: &Options,
    again: impl AsyncFnOnce(&Session) -> Result<Proposal, E>,
) -> Result<Begun, E> {
    let purpose = format!("{} {}", proposal.verb, names::short(&proposal.operation_id));
    let lock = acquire(session, options, &purpose).await?;
    let now = match plan_again(session, &proposal.journal, observer, again).await {
        Ok(now) => now,
        Err(error) => {
            lock.release().await;
            return Err(error);
        }
    };
    if !now.sheet.same_work(&proposal.sheet) {
        lock.release().await;
        return Ok(Begun::PlanChanged(Box::new(now)));
    }
    if *options.stop.borrow() {
        lock.release().await;
        return Ok(Begun::Stopped);
    }
    let former = session.instance().clone();
    let id = now.operation_id.clone();
    match write_operation(session, now, contents, options).await {
        Ok(operation) => Ok(Begun::Ready(Box::new(operation), lock)),
        Err(error) => {
            withdraw(session, former, &id).await;
            lock.release().await;
            Err(error.into())
        }
    }
}

/// Under the lock, the plan from what is there now: the record, what nothing watches, and what is to be written, for
/// a watch may be behind.
async fn plan_again<E: From<EngineError>>(
    session: &mut Session,
    journal: &Journal,
    observer: &Observer,
    again: impl AsyncFnOnce(&Session) -> Result<Proposal, E>,
) -> Result<Proposal, E> {
    let read = session.stored.object["metadata"]["resourceVersion"].clone();
    let record = async { Ok::<_, EngineError>(session.store.reread(&session.stored).await?) };
    let others = async { Ok(observer.reread(&session.cluster).await?) };
    let written = journal.scope.affected.iter().map(|affected| observer.read(&session.cluster, &affected.object));
    let written = async { Ok(futures::future::try_join_all(written).await?) };
    let (stored, (), _) = futures::future::try_join3(record, others, written).await?;
    if stored.object["metadata"]["resourceVersion"] != read {
        // Somebody was here: whatever was read before is void.
        if stored.instance.open_operation().is_some() {
            return Err(EngineError::changed(session).into());
        }
        session.stored = stored;
    }
    again(session).await
}

async fn write_operation(
    session: &mut Session,
    proposal: Proposal,
    contents: &Contents,
    options: &Options,
) -> Result<StoredOperation, EngineError> {
    let Proposal { operation_id, verb, params, journal, incoming, .. } = proposal;
    let now = session.cluster.now();
    let id = session.instance().id.clone();
    let mut operation = Operation::begin(operation_id, &id, verb, options.by.clone(), params, &journal, now);
    operation.changed_info = changed_info(&journal);
    operation.kubectl_vnf.manner = options.manner.clone();
    if let Some(name) = &journal.record.name {
        session.store.claim(&session.stored, name).await?;
    }
    let before: BTreeSet<String> = session.instance().packages().into_iter().map(ToOwned::to_owned).collect();
    let abandoned = session.instance().kubectl_vnf.incoming_package.is_some();
    session.stored.instance.begin(&operation, &journal);
    session.store.save(&mut session.stored).await?;
    if abandoned {
        // A process died before it had written its operation: nothing else tells of the package that it brought.
        let _ = drop_packages(session, &before).await;
    }
    if let Some(package) = incoming.and_then(|digest| contents.package(&digest)) {
        session.store.put_package(package).await?;
    }
    Ok(session.store.create_operation(operation, journal, &session.stored.object).await?)
}

/// Takes back what was written of an operation that could not be written as a whole. What cannot be taken back now does
/// no harm: without the operation itself the record's word of it counts for nothing.
async fn withdraw(session: &mut Session, former: Instance, operation_id: &str) {
    let before: BTreeSet<String> = session.instance().packages().into_iter().map(ToOwned::to_owned).collect();
    let back = async {
        if session.instance().open_operation().is_some_and(|open| open.id == operation_id) {
            // An answer may have got lost after the server had created it.
            session.store.withdraw_operation(operation_id).await?;
            update_record(session, |instance| instance.clone_from(&former)).await?;
        }
        tidy(session, &before).await;
        Ok::<_, EngineError>(())
    };
    let _ = back.await;
}

/// SOL003 `changedInfo` of a MODIFY_INFO operation.
fn changed_info(journal: &Journal) -> Option<Value> {
    let mut info = serde_json::Map::new();
    let change = &journal.record;
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            info.insert(key.to_owned(), value);
        }
    };
    put("vnfInstanceName", change.name.clone().map(Value::String));
    put("vnfInstanceDescription", change.description.clone().map(Value::String));
    put("metadata", change.metadata.clone());
    put("extensions", change.extensions.clone());
    put("vnfConfigurableProperties", change.configurable_properties.clone());
    if let (Some(source), Some(target)) = (&journal.source, &journal.target) {
        let id = (source.package.vnfd_id != target.package.vnfd_id).then(|| target.package.vnfd_id.clone());
        put("vnfdId", id.map(Value::String));
    }
    (!info.is_empty()).then_some(Value::Object(info))
}

/// Takes the lock; what the session writes from now on is written under it or not at all.
async fn acquire(session: &mut Session, options: &Options, purpose: &str) -> Result<Lock, EngineError> {
    let instance = session.instance();
    let lock = Lock::acquire(
        &session.cluster,
        session.store.namespace(),
        &instance.id,
        Some(&session.stored.object),
        &options.by,
        purpose,
    );
    let lock = lock.await.map_err(|error| match error {
        LockError::Busy(holder) => EngineError::Busy { name: instance.vnf_instance_name.clone(), holder },
        LockError::Cluster(error) => StoreError::needed("to lock the VNF instance, with a Lease")(error).into(),
        other => EngineError::Lock(other),
    })?;
    session.cluster = lock.fenced();
    session.store = Store::new(session.cluster.clone(), session.store.namespace());
    Ok(lock)
}

/// Takes the lock for an operation that stopped half way, and notes that it goes on: forward (PROCESSING) or back
/// (ROLLING_BACK).
///
/// # Errors
/// Busy, or a write failed.
pub async fn resume(
    session: &mut Session,
    operation: &StoredOperation,
    options: &Options,
    state: OperationState,
) -> Result<(StoredOperation, Lock), EngineError> {
    let verb = operation.operation.kubectl_vnf.verb;
    let id = operation.operation.id.clone();
    let lock = acquire(session, options, &format!("{verb} {}", names::short(&id))).await?;
    let resumed = async {
        session.stored = session.store.reread(&session.stored).await?;
        // Somebody may have finished it, or given it up, before the lock was ours.
        let open = session.instance().open_operation().is_some_and(|open| open.id == id);
        let now = session.store.operation(&id).await?;
        let now = now.filter(|now| open && !now.operation.operation_state.is_final());
        let Some(mut operation) = now else { return Err(EngineError::changed(session)) };
        operation.operation.enter(state, session.cluster.now());
        operation.operation.kubectl_vnf.rolling_back |= state == OperationState::RollingBack;
        operation.operation.kubectl_vnf.by = options.by.clone();
        session.store.save_operation(&mut operation).await?;
        let doing = operation.operation.clone();
        update_record(session, |instance| instance.follow(&doing)).await?;
        Ok(operation)
    };
    match resumed.await {
        Ok(operation) => Ok((operation, lock)),
        Err(error) => {
            lock.release().await;
            Err(error)
        }
    }
}

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
    /// Executes some items of a journal under the lock.
    pub(super) async fn execute(
        &self,
        session: &Session,
        lock: &Lock,
        verb: Verb,
        journal: &Journal,
        deadline: Instant,
        items: &[Item],
    ) -> Vec<Failure> {
        let mask = mask(journal, self.contents, self.observer);
        execute(&self.work(session, lock, verb, journal, deadline, &mask), items).await
    }

    fn work<'w>(
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
        }
    }

    /// Executes items and reads everything again, until that proves the target or something is in the way.
    pub(super) async fn reach(
        &self,
        session: &Session,
        lock: &Lock,
        verb: Verb,
        journal: &Journal,
        deadline: Instant,
        items: &[Item],
    ) -> Result<(Vec<Failure>, Proof), EngineError> {
        let mask = mask(journal, self.contents, self.observer);
        let work = self.work(session, lock, verb, journal, deadline, &mask);
        let mut failures = execute(&work, items).await;
        let mut proof = Proof::default();
        for round in 1..=VERIFY_ROUNDS {
            if !failures.is_empty() {
                return Ok((failures, Proof::default()));
            }
            let read = verify(&session.cluster, work.instance_id, journal, self.contents);
            let (read, ended) = futures::future::join(read, alive::ended(&work, items)).await;
            proof = read?;
            // What is not ready, or dead already, is waited for again, with the patience that it deserves.
            let all_well = ended.is_empty() && proof.unready.is_empty();
            let off_target = proof.off.len() > proof.unready.len();
            if all_well || off_target || round == VERIFY_ROUNDS {
                break;
            }
            failures = alive::settle_again(&work, items, &ended, &proof.unready).await;
        }
        failures.append(&mut proof.off);
        Ok((failures, proof))
    }

    /// Items of a journal against what is live now.
    pub(super) fn items(&self, session: &Session, journal: &Journal) -> Result<Vec<Item>, EngineError> {
        plan_items(journal, self.contents, self.observer, &session.instance().id)
    }
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
    let items = means.items(session, &journal)?;
    let deadline = Instant::now() + means.options.timeout;
    let (failures, mut proof) = means.reach(session, lock, verb, &journal, deadline, &items).await?;
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
    let lines: Vec<FailureLine> = failures.iter().map(|failure| failure_line(failure, journal)).collect();
    let state = if failures.is_empty() { reached } else { OperationState::FailedTemp };
    operation.operation.enter(state, session.cluster.now());
    operation.operation.kubectl_vnf.took_millis = u64::try_from(took.as_millis()).ok();
    operation.operation.resource_changes = Some(resource_changes(&proof));
    if !lines.is_empty() || state == OperationState::Completed {
        let mask = mask(journal, means.contents, means.observer);
        operation.operation.error = problem_details(&lines, &mask);
    }
    lock.check_patiently().await.map_err(EngineError::Lock)?;
    session.store.save_operation(&mut operation).await?;
    if !lines.is_empty() {
        // Evidence that cannot be kept has still been shown.
        let _ = session.store.save_evidence(&operation, &instance_id, &evidence_text(&lines)).await;
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
        Ok(()) if state.is_final() => tidy(session, &before).await,
        Ok(()) => {}
        // The operation has ended all the same, and says so.
        Err(error) => notes.push(format!("the record is written by the next command, for now {error}")),
    }
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
        restarted: proof.restarted,
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
        None => rollback(&operation.journal, contents, &live, BTreeMap::new()),
    };
    // Taking away a Pod that never came up restarts nothing.
    let serves = |affected: &Affected| {
        let pods = live.pods_of(&affected.object);
        let going = pods.iter().filter(|pod| affected.pods.iter().any(|old| old == uid(pod)));
        affected.how != How::Mark && going.into_iter().any(|pod| is_ready(pod))
    };
    let back = journal.ok().filter(|_| extension.verb.can_be_taken_back()).map(|journal| WayBack {
        revision: journal.target.as_ref().map(|target| target.number),
        config: journal.scope.config.len(),
        restarts: journal.scope.affected.iter().filter(|affected| serves(affected)).count(),
        workloads: journal.scope.affected.len(),
        deleted: journal.scope.delete.len(),
    });
    WaysOut { verb: extension.verb, rolling_back: extension.rolling_back, back }
}

/// Items of a journal against what is live now.
///
/// # Errors
/// A package is not at hand.
pub fn plan_items(
    journal: &Journal,
    contents: &Contents,
    observer: &Observer,
    instance_id: &str,
) -> Result<Vec<Item>, EngineError> {
    let live = observer.live();
    Ok(items(&Inputs { journal, contents, live: &live, instance_id })?)
}

/// Ends an operation for good: the record says, object by object, what the cluster has now.
///
/// # Errors
/// The end could not be written.
pub async fn give_up(
    session: &mut Session,
    operation: StoredOperation,
    lock: Lock,
    reached: Option<Revision>,
) -> Result<(), EngineError> {
    let ended = end(session, operation, &lock, reached).await;
    lock.release().await;
    ended
}

async fn end(
    session: &mut Session,
    mut operation: StoredOperation,
    lock: &Lock,
    reached: Option<Revision>,
) -> Result<(), EngineError> {
    operation.operation.enter(OperationState::Failed, session.cluster.now());
    lock.check_patiently().await.map_err(EngineError::Lock)?;
    // The record first: an operation that says FAILED has nothing more to tell it.
    let (ended, journal) = (operation.operation.clone(), operation.journal.clone());
    let before: BTreeSet<String> = session.instance().packages().into_iter().map(ToOwned::to_owned).collect();
    update_record(session, |instance| instance.conclude(&ended, &journal, reached.as_ref())).await?;
    session.store.save_operation(&mut operation).await?;
    tidy(session, &before).await;
    Ok(())
}

/// Changes the record under its resourceVersion. Under the lock only somebody editing by hand can be faster: read
/// again, and change that. Of an answer that did not come, a second try shows what became of it.
async fn update_record(session: &mut Session, change: impl Fn(&mut Instance)) -> Result<(), EngineError> {
    let mut unheard = None;
    for _ in 0..3 {
        change(&mut session.stored.instance);
        match session.store.save(&mut session.stored).await {
            Err(StoreError::Conflict { .. }) => session.stored = session.store.reread(&session.stored).await?,
            Err(StoreError::Cluster(error)) if error.is_transient() => unheard = Some(error),
            other => return Ok(other?),
        }
    }
    if let Some(error) = unheard {
        return Err(error.into());
    }
    let name = session.instance().vnf_instance_name.clone();
    Err(StoreError::Conflict { name }.into())
}

/// Removes what the record no longer refers to. What cannot be removed now is removed another time.
async fn tidy(session: &Session, before: &BTreeSet<String>) {
    let prune = session.store.prune(session.instance());
    let _ = futures::future::join(drop_packages(session, before), prune).await;
}

/// Removes the packages that the record referred to before and does not any more, unless others do.
async fn drop_packages(session: &Session, before: &BTreeSet<String>) -> Result<usize, StoreError> {
    let now = session.instance().packages();
    let dropped = before.iter().filter(|digest| !now.contains(digest.as_str())).cloned().collect();
    session.store.collect_packages(&dropped).await
}

/// Waits until the Lease of a process that is not heard of any more has run out. `told` is called once with the
/// holder when there is something to wait for.
///
/// # Errors
/// Busy, when the holder renews after all.
pub async fn wait_out_lock(session: &Session, told: impl Fn(&lock::Holder)) -> Result<(), EngineError> {
    let mut first: Option<lock::Holder> = None;
    loop {
        let holder = lock::holder(&session.cluster, session.store.namespace(), &session.instance().id).await?;
        let Some(holder) = holder else { return Ok(()) };
        match &first {
            None => {
                told(&holder);
                first = Some(holder.clone());
            }
            Some(known) if known.renewed != holder.renewed => {
                return Err(EngineError::Busy { name: session.instance().vnf_instance_name.clone(), holder });
            }
            Some(_) => {}
        }
        tokio::time::sleep(holder.left.min(Duration::from_secs(1))).await;
    }
}

/// A mask of every Secret value that the revisions hold, and of those that are live.
fn mask(journal: &Journal, contents: &Contents, observer: &Observer) -> Mask {
    let mut values = Vec::new();
    let live = observer.live();
    for revision in journal.source.iter().chain(&journal.target) {
        for state in revision.objects.iter().filter(|state| state.reference.kind == "Secret") {
            let known = contents.content(state).ok();
            let secrets = known.iter().chain(live.get(&state.reference));
            values.extend(secrets.flat_map(|secret| config::data(secret).into_values()));
        }
    }
    Mask::new(values)
}

/// The failures as they are stored, without the oldest log lines as far as they would make it too long.
fn evidence_text(lines: &[FailureLine]) -> String {
    let mut lines = lines.to_vec();
    loop {
        let text = serde_json::to_string_pretty(&lines).unwrap_or_default();
        let longest = lines.iter_mut().filter_map(|line| line.evidence.as_mut()).max_by_key(|found| found.log.len());
        match longest.filter(|found| !found.log.is_empty()) {
            Some(found) if text.len() > EVIDENCE_BYTES => {
                found.log.drain(..found.log.len().div_ceil(2));
            }
            _ => return text,
        }
    }
}

fn failure_line(failure: &Failure, journal: &Journal) -> FailureLine {
    let state = journal.target.as_ref().and_then(|target| target.object(&failure.object));
    FailureLine {
        object: failure.object.clone(),
        vdu: failure.vdu.clone(),
        defined_at: state.map(|state| state.source.file.clone()),
        what: failure.cause.to_string(),
        consequence: failure.cause.is_consequence(),
        evidence: match &failure.cause {
            Cause::Trouble(evidence) => Some((**evidence).clone()),
            // The failure is that time was up; the Pod's state explains it.
            Cause::Timeout { evidence: Some(evidence), .. } => {
                Some(Evidence { summary: String::new(), ..(**evidence).clone() })
            }
            _ => None,
        },
    }
}

/// SOL003 `resourceChanges`, from what was seen to have changed.
fn resource_changes(proof: &Proof) -> ResourceChanges {
    let vnfc = |restarted: &Restarted, pod: &str, change: &str| AffectedVnfc {
        id: restarted.vdu.as_ref().map_or_else(|| pod.to_owned(), |vdu| format!("{vdu}-{pod}")),
        vdu_id: restarted.vdu.clone().unwrap_or_default(),
        change_type: change.to_owned(),
        compute_resource: json!({"resourceId": pod, "vimLevelResourceType": restarted.workload.kind}),
    };
    let mut affected_vnfcs = Vec::new();
    for restarted in &proof.restarted {
        match (&restarted.before, &restarted.after) {
            (Some(_), Some(pod)) if restarted.restarts.is_some() => {
                affected_vnfcs.push(vnfc(restarted, pod, "MODIFIED"));
            }
            (before, after) => {
                affected_vnfcs.extend(before.iter().map(|pod| vnfc(restarted, pod, "REMOVED")));
                affected_vnfcs.extend(after.iter().map(|pod| vnfc(restarted, pod, "ADDED")));
            }
        }
    }
    ResourceChanges { affected_vnfcs }
}

fn problem_details(lines: &[FailureLine], mask: &Mask) -> Option<ProblemDetails> {
    let first = lines.iter().find(|line| !line.consequence).or_else(|| lines.first())?;
    let vdu = first.vdu.as_ref().map(|vdu| format!("{vdu} ")).unwrap_or_default();
    let detail = mask.apply(&format!("{vdu}{}: {}", first.object, first.what));
    Some(ProblemDetails { status: 500, title: Some("the operation stopped half way".into()), detail })
}
