//! An instance opened for a command: its record, how it stands, the packages that it points into.

use super::lock::{self, Holder, Lock};
use super::observe::Observer;
use crate::cluster::store::{Store, StoreError, Stored, StoredOperation};
use crate::cluster::{Cluster, ClusterError};
use crate::plan::{ContentError, Contents};
use crate::record::{Instance, OperationState, Revision, Verb, names};
use futures::future::try_join_all;
use std::collections::BTreeSet;

/// Why a command cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The API server.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Records and stored packages.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A revision points at something that is not at hand.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// Somebody else is at work on the instance.
    #[error("{name} is busy: {} by {}", .holder.purpose, .holder.holder)]
    Busy {
        /// Instance name.
        name: String,
        /// Who, and what.
        holder: Holder,
    },
    /// An operation has stopped half way and must be dealt with first.
    #[error("{name} has an unfinished {verb}, operation {} is FAILED_TEMP{}", names::short(.operation_id), if *.interrupted { " (interrupted)" } else { "" })]
    Unfinished {
        /// Instance name.
        name: String,
        /// What was asked for.
        verb: Verb,
        /// Which.
        operation_id: String,
        /// Its process is gone.
        interrupted: bool,
        /// Its rollback has begun.
        rolling_back: bool,
    },
    /// The lock was lost.
    #[error(transparent)]
    Lock(lock::LockError),
}

impl EngineError {
    /// The record is not what it was when the command began.
    pub fn changed(session: &Session) -> Self {
        Self::Store(StoreError::Conflict { name: session.instance().vnf_instance_name.clone() })
    }
}

/// How an instance stands between commands.
#[derive(Clone, Debug)]
pub enum Standing {
    /// Nothing is under way.
    Free,
    /// Somebody holds the lock.
    Busy(Holder),
    /// An operation stopped half way.
    Unfinished {
        /// The operation.
        operation: Box<StoredOperation>,
        /// Its process is gone: it could not say so itself.
        interrupted: bool,
    },
}

/// An opened instance.
#[derive(Debug)]
pub struct Session {
    /// The API server.
    pub cluster: Cluster,
    /// The record namespace.
    pub store: Store,
    /// The record.
    pub stored: Stored,
    /// How it stands.
    pub standing: Standing,
}

impl Session {
    /// Opens an instance by name, id or id prefix.
    ///
    /// # Errors
    /// Not found, damaged, or the API server's.
    pub async fn open(cluster: &Cluster, store: &Store, name: &str) -> Result<Self, EngineError> {
        let stored = store.find(name).await?;
        Self::of(cluster, store, stored).await
    }

    /// A session of a record already read.
    ///
    /// # Errors
    /// A damaged operation record, or the API server's.
    pub async fn of(cluster: &Cluster, store: &Store, mut stored: Stored) -> Result<Self, EngineError> {
        let standing = standing(cluster, store, &mut stored).await?;
        Ok(Self { cluster: cluster.clone(), store: store.clone(), stored, standing })
    }

    /// The record.
    pub fn instance(&self) -> &Instance {
        &self.stored.instance
    }

    /// What is written from now on is written under this lock or not at all.
    pub(super) fn write_under(&mut self, lock: &Lock) {
        self.cluster = lock.fenced();
        self.store = Store::new(self.cluster.clone(), self.store.namespace());
    }

    /// Refuses unless nothing is under way.
    ///
    /// # Errors
    /// [`EngineError::Busy`] or [`EngineError::Unfinished`].
    pub fn require_free(&self) -> Result<(), EngineError> {
        let name = self.instance().vnf_instance_name.clone();
        match &self.standing {
            Standing::Free => Ok(()),
            Standing::Busy(holder) => Err(EngineError::Busy { name, holder: holder.clone() }),
            Standing::Unfinished { operation, interrupted } => Err(EngineError::Unfinished {
                name,
                verb: operation.operation.kubectl_vnf.verb,
                operation_id: operation.operation.id.clone(),
                interrupted: *interrupted,
                rolling_back: operation.operation.kubectl_vnf.rolling_back,
            }),
        }
    }

    /// Loads the packages that revisions point into, as far as they are not at hand yet.
    ///
    /// # Errors
    /// A package is missing or damaged.
    pub async fn load(&self, revisions: &[&Revision], contents: &mut Contents) -> Result<(), EngineError> {
        let digests: BTreeSet<&str> = revisions.iter().flat_map(|revision| revision.packages()).collect();
        let missing = digests.into_iter().filter(|digest| !contents.has(digest));
        for package in try_join_all(missing.map(|digest| self.store.package(digest))).await? {
            contents.add(package);
        }
        Ok(())
    }

    /// Loads the packages of revisions and begins to observe their objects, both at once. The first result is that of
    /// the packages: who can do without them goes on.
    ///
    /// # Errors
    /// The objects cannot be observed.
    pub async fn prepare(
        &self,
        revisions: &[&Revision],
        contents: &mut Contents,
    ) -> Result<(Result<(), EngineError>, Observer), EngineError> {
        let (loaded, observer) = futures::future::join(self.load(revisions, contents), self.observe(revisions)).await;
        Ok((loaded, observer?))
    }

    /// As [`Session::prepare`] for who only tells how things stand: nothing is watched.
    ///
    /// # Errors
    /// As [`Session::prepare`].
    pub async fn look(
        &self,
        revisions: &[&Revision],
        contents: &mut Contents,
    ) -> Result<(Result<(), EngineError>, Observer), EngineError> {
        let once = Observer::read_once(&self.cluster, &self.instance().id, revisions, None);
        let (loaded, observer) = futures::future::join(self.load(revisions, contents), once).await;
        Ok((loaded, observer?))
    }

    /// Begins to observe the objects of revisions.
    ///
    /// # Errors
    /// The API server's.
    pub async fn observe(&self, revisions: &[&Revision]) -> Result<Observer, EngineError> {
        Ok(Observer::start(&self.cluster, &self.instance().id, revisions).await?)
    }
}

/// Looks behind the record's last operation: one that ended without the record having been told is told here (and
/// written by whoever takes the lock next); one whose process is gone stands as interrupted.
async fn standing(cluster: &Cluster, store: &Store, stored: &mut Stored) -> Result<Standing, EngineError> {
    let Some(open) = stored.instance.open_operation().cloned() else {
        return Ok(Standing::Free);
    };
    let holder = lock::holder(cluster, store.namespace(), &stored.instance.id);
    let (operation, holder) = futures::future::join(store.operation(&open.id), holder).await;
    let (operation, holder) = (operation?, holder?);
    let Some(operation) = operation else {
        // The process died between naming the operation and writing it: nothing else was written.
        return Ok(match holder {
            Some(holder) => Standing::Busy(holder),
            None => {
                stored.instance.kubectl_vnf.operation = None;
                Standing::Free
            }
        });
    };
    match operation.operation.operation_state {
        OperationState::Completed => {
            let reached = operation.journal.target.clone();
            stored.instance.conclude(&operation.operation, &operation.journal, reached.as_ref());
            Ok(Standing::Free)
        }
        OperationState::Failed => {
            stored.instance.follow(&operation.operation);
            Ok(Standing::Free)
        }
        OperationState::RolledBack => {
            stored.instance.roll_back(&operation.operation);
            Ok(Standing::Free)
        }
        state => Ok(match holder {
            Some(holder) => Standing::Busy(holder),
            None => Standing::Unfinished { interrupted: state.is_running(), operation: Box::new(operation) },
        }),
    }
}
