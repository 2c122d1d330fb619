//! `op retry`: an operation that stopped half way is finished.

use super::super::delete;
use super::super::env::Env;
use super::super::operate::{Operating, go_on, options};
use super::unfinished;
use crate::cli::args::{Change, DryRun, Global};
use crate::cli::error::{CliError, Exit};
use crate::cli::signal::{acknowledge, stop_requests};
use crate::cluster::store::StoredOperation;
use crate::engine::operation::{plan_items, resume};
use crate::plan::Contents;
use crate::plan::sheet::Sheet;
use crate::record::{OperationState, Revision, Verb, names};
use crate::view::plan as plan_view;

/// Finish an operation that stopped half way: done steps are not done again
///
/// What is done is seen in the cluster, not remembered, so that this is safe after Ctrl-C, a lost connection and a killed
/// process too; the lock of a process that is gone runs out in 15 seconds, and is waited for.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  # What is left to do?
  kubectl vnf op retry sample-vnf --dry-run=client

  # Finish it
  kubectl vnf op retry sample-vnf")]
pub struct RetryArgs {
    /// The instance: id, name, or the beginning of its id
    pub name: String,
    /// Flags of every changing verb.
    #[command(flatten)]
    pub change: Change,
}

pub(crate) async fn run(global: &Global, args: RetryArgs) -> Result<Exit, CliError> {
    let env = Env::connect(global).await?;
    let (mut session, operation) = unfinished(&env, &args.name, "retry").await?;
    let extension = &operation.operation.kubectl_vnf;
    if extension.rolling_back {
        let name = &session.instance().vnf_instance_name;
        return Err(CliError::new(format!(
            "the rollback of this {} of {name} has begun: retry is too late",
            extension.verb
        ))
        .hint(format!("Finish it: kubectl vnf op rollback {name}"))
        .hint(format!("Keep what is there: kubectl vnf op fail {name}")));
    }
    let journal = operation.journal.clone();
    let revisions: Vec<&Revision> = journal.source.iter().chain(&journal.target).collect();
    let mut contents = Contents::default();
    let (loaded, observer) = session.prepare(&revisions, &mut contents).await?;
    for object in &journal.scope.delete {
        // Claims that no revision names.
        if revisions.iter().all(|revision| revision.object(object).is_none()) {
            observer.read(&env.cluster, object).await?;
        }
    }
    if operation.operation.kubectl_vnf.verb == Verb::Terminate {
        // Only names are needed to delete: a damaged package must not keep a VNF alive.
        let _ = loaded;
    } else {
        loaded.map_err(CliError::from).map_err(|error| store_again(error, &operation))?;
    }
    let items = plan_items(&journal, &contents, &observer, &session.instance().id)?;
    let target = journal.target.as_ref().or(journal.source.as_ref());
    let namespace = target.map(|revision| revision.namespace.as_str()).unwrap_or_default();
    let verb = operation.operation.kubectl_vnf.verb;
    let sheet = Sheet {
        // A retry is of an operation, not of an instance.
        id: operation.operation.id.clone(),
        ..Sheet::new(verb, session.instance(), env.cluster.context(), namespace, items)
    };
    env.ui.err(&plan_view::retry(&sheet, &env.screen()));
    if args.change.dry_run != DryRun::None {
        return Ok(Exit::Done);
    }
    let stop = stop_requests();
    acknowledge(&env.ui, stop.clone());
    let manner = operation.operation.kubectl_vnf.manner.clone();
    let taking = options(&args.change, stop.clone(), manner.clone());
    let (operation, lock) = resume(&mut session, &operation, &taking, OperationState::Processing).await?;
    let operating =
        Operating { env: &env, session: &mut session, contents: &contents, observer: &observer, change: &args.change };
    let exit = go_on(operating, operation, lock, stop).await?;
    if exit == Exit::Done && manner.delete_record {
        delete::remove(&env, &session).await?;
        env.ui.out(&delete::line(&session.instance().vnf_instance_name));
    }
    Ok(exit)
}

/// A package that never got into the cluster cannot be read from there.
fn store_again(error: CliError, operation: &StoredOperation) -> CliError {
    let id = names::short(&operation.operation.id);
    error.hint(format!("Operation {id} cannot go on without it; give it up with: kubectl vnf op fail NAME"))
}
