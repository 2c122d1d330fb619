//! Rolling an operation back: configuration first, then templates and Pods, then the proof.
//!
//! What has to be done is worked out twice (see `plan::derive::rollback`): until the configuration is back, a Pod can
//! still start with the new one, so only the decision made after that is fixed in the operation. A rollback that dies
//! before it begins from the live objects again; one that dies after it goes on with what was fixed.

use super::account;
use super::carry::{Ending, Means, finish, reach};
use super::execute::{Work, execute};
use super::failure::{Cause, Failure};
use super::lock::Lock;
use super::observe::Observer;
use super::session::{EngineError, Session};
use super::verify::Proof;
use crate::cluster::store::StoredOperation;
use crate::object::config::is_config;
use crate::plan::Vdus;
use crate::plan::derive::rollback::{not_back, rollback, unsettled};
use crate::record::{Journal, OperationState};
use crate::report::outcome::Outcome;
use std::time::Duration;
use tokio::time::Instant;

/// How long a kubelet gets to act on what it was told, its Pod's grace period not counted.
const KUBELET: Duration = Duration::from_secs(15);

/// Takes an operation back that [`super::operation::resume`] has put into ROLLING_BACK, and gives the lock back.
///
/// # Errors
/// A package is not at hand, or the end could not be written: the rollback then stands as interrupted.
pub async fn roll_back(
    session: &mut Session,
    operation: StoredOperation,
    lock: Lock,
    means: Means<'_>,
) -> Result<Outcome, EngineError> {
    let outcome = go_back(session, operation, &lock, &means).await;
    lock.release().await;
    outcome
}

async fn go_back(
    session: &mut Session,
    mut operation: StoredOperation,
    lock: &Lock,
    means: &Means<'_>,
) -> Result<Outcome, EngineError> {
    let forward = operation.journal.clone();
    let verb = operation.operation.kubectl_vnf.verb;
    let deadline = Instant::now() + means.options.timeout;
    let mut failures = Vec::new();
    let journal = match operation.rollback.clone() {
        Some(fixed) => fixed,
        None => {
            let first = rollback(&forward, means.contents, &means.observer.live())?;
            means.events.plan(&first);
            let mut items = means.items(session, &first)?;
            items.retain(|item| is_config(&item.object) && !first.scope.delete.contains(&item.object));
            let mask = account::mask(&first, means.contents, means.observer);
            let work = back(means.work(session, lock, verb, &first, deadline, &mask));
            failures = execute(&work, &items).await.failures;
            if failures.is_empty() {
                let_restarts_begin(&forward, means, deadline).await;
                let fixed = rollback(&forward, means.contents, &means.observer.live())?;
                lock.check().await.map_err(EngineError::Lock)?;
                operation.rollback = Some(fixed.clone());
                session.store.save_operation(&mut operation).await?;
                fixed
            } else {
                first
            }
        }
    };
    let mut proof = Proof::default();
    if failures.is_empty() {
        means.events.plan(&journal);
        let items = means.items(session, &journal)?;
        let mask = account::mask(&journal, means.contents, means.observer);
        let work = back(means.work(session, lock, verb, &journal, deadline, &mask));
        (failures, proof) = reach(&work, &items).await?;
    }
    if failures.is_empty() {
        failures = left_behind(session, &forward, means).await?;
    }
    let revision = journal.target.clone();
    let reached = OperationState::RolledBack;
    finish(session, operation, lock, means, Ending { journal: &journal, failures, proof, reached, revision }).await
}

/// What is put back is put back whoever has written it since.
fn back(work: Work<'_>) -> Work<'_> {
    Work { overwrite: true, ..work }
}

/// Waits until the kubelet has begun to do what the operation told it about bare Pods. Told the contrary before it has
/// looked, it may or may not have restarted a container, and nothing could tell which.
async fn let_restarts_begin(forward: &Journal, means: &Means<'_>, deadline: Instant) {
    let changes = means.observer.changes(forward.scope.affected.iter().map(|affected| &affected.object));
    let mut stop = means.options.stop.clone();
    let mut until = None;
    loop {
        let Some(grace) = unsettled(forward, &means.observer.live()) else { return };
        let until = *until.get_or_insert(deadline.min(Instant::now() + KUBELET + grace));
        tokio::select! {
            () = changes.next() => {}
            () = tokio::time::sleep_until(until) => return,
            Ok(_) = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Everything that the operation touched is read once more: is it as it was?
async fn left_behind(session: &Session, forward: &Journal, means: &Means<'_>) -> Result<Vec<Failure>, EngineError> {
    let Some(source) = &forward.source else { return Ok(Vec::new()) };
    let former = Some(means.observer);
    let observer = Observer::read_once(&session.cluster, &session.instance().id, &[source], former).await?;
    let vdus = Vdus::of(source, means.contents);
    let left = not_back(forward, means.contents, &observer.live());
    Ok(left
        .into_iter()
        .map(|state| Failure {
            object: state.reference.clone(),
            vdu: vdus.id(&state.reference).map(ToOwned::to_owned),
            cause: Cause::Unproven(format!("not as revision {} has it", source.number)),
        })
        .collect())
}
