//! One operation from lock to record: the same steps for every verb, and for a retry from the middle. The steps under
//! the lock, from the first write to the VNF to the end of the operation, are in [`super::carry`].
//!
//! - take the lock, read again, make the plan again and compare;
//! - name operation and package in the record, store the package, write the operation with its journal;
//! - execute, read everything again;
//! - write the operation's end, then the record.
//!
//! A process that dies leaves a state from which the next command goes on: before the operation is written nothing of
//! the VNF has been touched; after it the journal says what to do; once the operation has ended, the record is told by
//! the next command.

use super::lock::{self, Lock, LockError};
use super::observe::Observer;
use super::session::{EngineError, Session};
use crate::cluster::store::{StoreError, Stored, StoredOperation};
use crate::object::ObjectRef;
use crate::plan::sheet::Sheet;
use crate::plan::{Contents, Inputs, Item, items};
use crate::record::operation::{By, Manner};
use crate::record::{Instance, Journal, Operation, OperationState, Revision, names};
use futures::future::{join, join3, try_join3};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::watch;

/// What is proposed: everything that an operation fixes before its first write.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// Id of the operation to be.
    pub operation_id: String,
    /// The request, as it is stored.
    pub params: Value,
    /// Revisions, scope, snapshot, record changes.
    pub journal: Journal,
    /// How the user sees it.
    pub sheet: Sheet,
    /// Digest of a package that must be stored first.
    pub incoming: Option<String>,
    /// The state of the live objects that it was made of ([`crate::plan::Live::state`]).
    pub seen: u64,
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
    /// The operation is written, the lock is held: go on with [`super::carry::carry_out`].
    Ready(Box<StoredOperation>, Lock),
    /// The plan is another one by now: nothing was written, ask again.
    PlanChanged(Box<Proposal>),
    /// The user asked to stop: nothing was written.
    Stopped,
}

/// The lock on an instance, and its record as read under it.
pub struct Held {
    lock: Lock,
    stored: Stored,
}

impl Held {
    /// Gives the lock back: nothing is written after all.
    pub async fn release(self) {
        self.lock.release().await;
    }
}

/// Takes the lock and reads again under it: the record, what nothing watches, and what is to be written, for a watch may
/// be behind. Of a new instance the record is written before, and its name claimed.
///
/// # Errors
/// Busy, or it could not be read; the lock is given back then.
pub async fn hold(session: &Session, proposal: &Proposal, observer: &Observer, by: &By) -> Result<Held, EngineError> {
    let purpose = format!("{} {}", proposal.sheet.verb, names::short(&proposal.operation_id));
    if session.stored.exists() {
        let lock = take(session, &session.stored, by, &purpose).await?;
        return read_under(session, &session.stored, lock, proposal, observer).await;
    }
    let stored = session.store.create_unclaimed(session.instance().clone()).await?;
    let claim = session.store.claim_first_name(&stored);
    let (claimed, lock) = join(claim, take(session, &stored, by, &purpose)).await;
    if let Err(error) = claimed {
        // It has taken the record with it.
        if let Ok(lock) = lock {
            lock.release().await;
        }
        return Err(error.into());
    }
    let held = match lock {
        Ok(lock) => read_under(session, &stored, lock, proposal, observer).await,
        Err(error) => Err(error),
    };
    if held.is_err() {
        // Nothing began after all. What went wrong is the news, not that this may fail too.
        let _ = session.store.delete(&stored).await;
    }
    held
}

async fn read_under(
    session: &Session,
    stored: &Stored,
    lock: Lock,
    proposal: &Proposal,
    observer: &Observer,
) -> Result<Held, EngineError> {
    let record = async { Ok::<_, EngineError>(session.store.reread(stored).await?) };
    let others = async { Ok(observer.reread(&session.cluster).await?) };
    let scope = &proposal.journal.scope;
    let written = scope.affected.iter().map(|affected| &affected.object);
    let written: Vec<&ObjectRef> = written.chain(scope.scale.iter().map(|scaling| &scaling.object)).collect();
    let written = async { Ok(observer.read_again(&session.cluster, &written).await?) };
    match try_join3(record, others, written).await {
        Ok((stored, (), ())) => Ok(Held { lock, stored }),
        Err(error) => {
            lock.release().await;
            Err(error)
        }
    }
}

/// Under the lock, taken now unless it is held already, makes the plan again and writes the operation.
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
    held: Option<Held>,
    again: impl FnOnce(&Session) -> Result<Proposal, E>,
) -> Result<Begun, E> {
    let Held { lock, stored } = match held {
        Some(held) => held,
        None => hold(session, &proposal, observer, &options.by).await?,
    };
    session.write_under(&lock);
    let proposal = match plan_again(session, stored, &proposal, observer, again) {
        Ok(None) => proposal,
        Ok(Some(now)) if now.sheet.same_work(&proposal.sheet) => now,
        Ok(Some(now)) => {
            lock.release().await;
            return Ok(Begun::PlanChanged(Box::new(now)));
        }
        Err(error) => {
            lock.release().await;
            return Err(error);
        }
    };
    if *options.stop.borrow() {
        lock.release().await;
        return Ok(Begun::Stopped);
    }
    let former = session.instance().clone();
    let id = proposal.operation_id.clone();
    match write_operation(session, proposal, contents, options).await {
        Ok(operation) => Ok(Begun::Ready(Box::new(operation), lock)),
        Err(error) => {
            withdraw(session, former, &id).await;
            lock.release().await;
            Err(error.into())
        }
    }
}

/// The plan from the record as `stored` under the lock, and from the live objects. `None`: nothing of that has changed,
/// and so the plan has not.
fn plan_again<E: From<EngineError>>(
    session: &mut Session,
    stored: Stored,
    proposal: &Proposal,
    observer: &Observer,
    again: impl FnOnce(&Session) -> Result<Proposal, E>,
) -> Result<Option<Proposal>, E> {
    let version = |stored: &Stored| stored.object["metadata"]["resourceVersion"].clone();
    let moved = session.stored.exists() && version(&stored) != version(&session.stored);
    // Somebody was here: whatever was read before is void.
    if moved && stored.instance.open_operation().is_some() {
        return Err(EngineError::changed(session).into());
    }
    if moved || !session.stored.exists() {
        session.stored = stored;
    }
    if !moved && observer.live().state() == proposal.seen {
        return Ok(None);
    }
    again(session).map(Some)
}

async fn write_operation(
    session: &mut Session,
    proposal: Proposal,
    contents: &Contents,
    options: &Options,
) -> Result<StoredOperation, EngineError> {
    let Proposal { operation_id, params, journal, incoming, sheet, seen: _ } = proposal;
    let now = session.cluster.now();
    let id = session.instance().id.clone();
    let mut operation = Operation::begin(operation_id, &id, sheet.verb, options.by.clone(), params, &journal, now);
    operation.changed_info = changed_info(&journal);
    operation.kubectl_vnf.manner = options.manner.clone();
    if let Some(name) = &journal.record.name {
        session.store.claim(&session.stored, name).await?;
    }
    let before: BTreeSet<String> = session.instance().packages().into_iter().map(ToOwned::to_owned).collect();
    let abandoned = session.instance().kubectl_vnf.incoming_package.is_some();
    session.stored.instance.begin(&operation, &journal);
    let new = session.store.new_operation(operation, journal, session.stored.object.clone());
    // Nobody collects a package that the record names: that of a new instance is stored at once.
    let package = incoming.and_then(|digest| contents.package(&digest));
    let (early, late) = match package {
        Some(package) if before.contains(&package.digest.to_string()) => (Some(package), None),
        other => (None, other),
    };
    let store = async |package| match package {
        Some(package) => session.store.put_package(package).await,
        None => Ok(()),
    };
    let (saved, new, stored) = join3(session.store.save(&mut session.stored), new, store(early)).await;
    saved?;
    stored?;
    if abandoned {
        // A process died before it had written its operation: nothing else tells of the package that it brought.
        let _ = drop_packages(session, &before).await;
    }
    store(late).await?;
    Ok(session.store.create_operation(new).await?)
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
        tidy(session, &before, None).await;
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

async fn take(session: &Session, record: &Stored, by: &By, purpose: &str) -> Result<Lock, EngineError> {
    let (cluster, namespace) = (&session.cluster, session.store.namespace());
    let Stored { instance, object } = record;
    let lock = Lock::acquire(cluster, namespace, &instance.id, Some(object), by, purpose).await;
    lock.map_err(|error| match error {
        LockError::Busy(holder) => EngineError::Busy { name: instance.vnf_instance_name.clone(), holder },
        LockError::Cluster(error) => StoreError::needed("to lock the VNF instance, with a Lease")(error).into(),
        other => EngineError::Lock(other),
    })
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
    let purpose = format!("{verb} {}", names::short(&id));
    let lock = take(session, &session.stored, &options.by, &purpose).await?;
    session.write_under(&lock);
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
    tidy(session, &before, None).await;
    Ok(())
}

/// Changes the record under its resourceVersion. Under the lock only somebody editing by hand can be faster: read
/// again, and change that. Of an answer that did not come, a second try shows what became of it.
pub(super) async fn update_record(session: &mut Session, change: impl Fn(&mut Instance)) -> Result<(), EngineError> {
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

/// Removes what the record no longer refers to, of its history as read already or as it is now. What cannot be removed
/// now is removed another time.
pub(super) async fn tidy(session: &Session, before: &BTreeSet<String>, history: Option<Vec<Value>>) {
    let prune = session.store.prune(session.instance(), history);
    let _ = join(drop_packages(session, before), prune).await;
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
