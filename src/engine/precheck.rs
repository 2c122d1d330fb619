//! Everything that can be known to go wrong before the first write, all at once.
//!
//! One file per kind of check: `keys` that Pods require, `rights` of the user, `dry_run` of every write, `pods` that
//! controllers could not create, `sizes` that the API server does not take. What the live objects and disruption
//! budgets forbid is told here.

mod dry_run;
mod keys;
mod pods;
mod rights;
mod sizes;

use super::observe::Observer;
use super::session::EngineError;
use crate::cluster::{Access, Cluster, ClusterError};
use crate::object::ObjectRef;
use crate::object::quota::Exceeded;
use crate::object::reference::MissingKey;
use crate::plan::ahead::{Surroundings, in_several_budgets};
use crate::plan::content::{Owner, owner};
use crate::plan::{Contents, Item, ItemState, Step};
use crate::record::Journal;
use crate::report::checked::Checked;

/// One problem found.
#[derive(Clone, Debug)]
pub enum Problem {
    /// A Pod would not start for want of a key.
    Key {
        /// The workload.
        object: ObjectRef,
        /// Its VDU.
        vdu: Option<String>,
        /// What is missing, and where it is required.
        missing: MissingKey,
        /// File that defines the ConfigMap or Secret.
        file: Option<String>,
    },
    /// A right that the user lacks.
    Permission {
        /// The right.
        access: Access,
        /// What for.
        why: String,
    },
    /// The API server refuses a write.
    Refused {
        /// The object.
        object: ObjectRef,
        /// Where the package defines it.
        file: Option<String>,
        /// Its words.
        error: ClusterError,
    },
    /// The API server would refuse the Pods that a controller makes of a workload.
    PodRefused {
        /// The workload.
        object: ObjectRef,
        /// Where the package defines it.
        file: Option<String>,
        /// Its words.
        error: ClusterError,
    },
    /// A ResourceQuota leaves no room for the next Pod of a workload, or for everything that is created.
    Quota {
        /// The workload; `None`: all that is created together.
        object: Option<ObjectRef>,
        /// What is lacking.
        exceeded: Exceeded,
    },
    /// Larger than the API server takes.
    TooLarge {
        /// The object.
        object: ObjectRef,
        /// Where the package defines it.
        file: Option<String>,
        /// How much, and how much is taken.
        what: String,
    },
    /// An object that is to be written exists, and is not this instance's.
    Foreign {
        /// The object.
        object: ObjectRef,
        /// Who owns it.
        owner: String,
    },
    /// A Deployment that would not roll out.
    Paused {
        /// The Deployment.
        object: ObjectRef,
    },
    /// Somebody has changed the object since the plan was made.
    Changed,
    /// Pods that cannot be evicted, for several disruption budgets cover them.
    Budgets {
        /// The workload.
        object: ObjectRef,
        /// The Pods.
        pods: Vec<String>,
        /// The budgets, as far as they may be read.
        budgets: Vec<String>,
    },
}

/// What is checked.
pub struct Question<'a> {
    /// The API server.
    pub cluster: &'a Cluster,
    /// Namespace of the records.
    pub record_namespace: &'a str,
    /// The instance.
    pub instance_id: &'a str,
    /// What is to be done.
    pub journal: &'a Journal,
    /// The items of that.
    pub items: &'a [Item],
    /// The packages.
    pub contents: &'a Contents,
    /// The live objects.
    pub observer: &'a Observer,
    /// Fields that others have written may be taken over.
    pub overwrite: bool,
    /// What makes Pods is held while it is deleted, until they have had the time to end that was asked for.
    pub holds_makers: bool,
}

/// Checks all writes of an operation. What stands around the VNF has a check of its own, [`crowded`].
///
/// # Errors
/// The checks themselves could not be made; found problems are a value.
pub async fn check(question: &Question<'_>) -> Result<(Checked, Vec<Problem>), EngineError> {
    let mut problems = standing(question);
    let (keys, rights, writes) =
        futures::future::join3(keys::check(question), rights::check(question), dry_run::check(question)).await;
    problems.extend(keys?);
    let missing = rights?;
    let (checked, refused) = writes?;
    // Who lacks a right is told so once, by the right; the dry run would say it again for each object.
    let lacking = !missing.is_empty();
    problems.extend(missing);
    problems.extend(refused.into_iter().filter(|problem| match problem {
        Problem::Refused { error, .. } => !(lacking && error.is_not_allowed()),
        _ => true,
    }));
    Ok((checked, problems))
}

/// What the live objects forbid: they are somebody else's, or will not move.
fn standing(question: &Question<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let observed = question.observer.live();
    for item in question.items.iter().filter(|item| item.step != Step::Delete) {
        let Some(live) = observed.get(&item.object) else { continue };
        let object = item.object.clone();
        match owner(live, question.instance_id) {
            Owner::This => {}
            other => problems.push(Problem::Foreign { object, owner: name_of(&other) }),
        }
        let rolls = matches!(item.step, Step::RollOut { .. }) && item.state != ItemState::Done;
        if rolls && live["spec"]["paused"] == true {
            problems.push(Problem::Paused { object: item.object.clone() });
        }
    }
    problems
}

/// What disruption budgets forbid: Pods that several of them cover are never evicted.
pub fn crowded(question: &Question<'_>, around: &Surroundings) -> Vec<Problem> {
    let crowded = in_several_budgets(question.items, &question.observer.live(), around);
    let problems = crowded.into_iter().map(|(item, pods, budgets)| Problem::Budgets {
        object: item.object.clone(),
        pods,
        budgets,
    });
    problems.collect()
}

fn name_of(owner: &Owner) -> String {
    match owner {
        Owner::This => "this instance".into(),
        Owner::Other(id) => format!("VNF instance {id}"),
        Owner::Foreign(Some(manager)) => manager.clone(),
        Owner::Foreign(None) => "nobody that kubectl-vnf knows".into(),
    }
}
