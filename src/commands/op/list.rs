//! `op list`: operations as a table.

use super::super::env::Env;
use super::super::operate::print_all;
use super::name_of;
use crate::cli::args::{Global, Table};
use crate::cli::error::{CliError, Exit};
use crate::cluster::store::StoredOperation;
use crate::engine::lock;
use crate::object::mask::printable_line;
use crate::record::Operation;
use crate::view::tables::{self, OperationRow};
use std::collections::BTreeSet;

/// List operations, newest first
///
/// The newest 10 of each instance are kept: what was asked for, how it ended, how long it took, and who did it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  # Of all instances in this namespace
  kubectl vnf op list

  # Of one
  kubectl vnf op list sample-vnf")]
pub struct ListArgs {
    /// The instance [default: all of the namespace]
    pub name: Option<String>,
    /// Flags of every table.
    #[command(flatten)]
    pub table: Table,
}

pub(crate) async fn run(global: &Global, args: ListArgs) -> Result<Exit, CliError> {
    let env = Env::connect(global).await?;
    let id = match &args.name {
        Some(name) => Some(env.store.find(name).await?.instance.id),
        None => None,
    };
    let (operations, damaged) = env.store.operations(id.as_deref()).await?;
    for error in &damaged {
        env.ui.err(&format!("! left out: {}\n", printable_line(&error.to_string())));
    }
    let alive = lock::alive(&env.cluster, Some(env.store.namespace())).await;
    if let Some(output) = args.table.machine() {
        let all: Vec<_> = operations.iter().map(|stored| &stored.operation).collect();
        print_all(&env, output, &all, |operation| name_of(operation))?;
        return Ok(Exit::Done);
    }
    if operations.is_empty() {
        env.ui.err(&format!("No operations found in {} namespace.\n", env.store.namespace()));
        return Ok(Exit::Done);
    }
    let rows: Vec<OperationRow> = operations
        .iter()
        .map(|StoredOperation { operation, .. }| OperationRow {
            id: operation.id.clone(),
            instance: None,
            verb: operation.kubectl_vnf.verb.to_string(),
            state: standing_of(operation, alive.as_ref()),
            source_revision: operation.kubectl_vnf.source_revision,
            target_revision: operation.kubectl_vnf.target_revision,
            started: operation.start_time,
            took: operation.kubectl_vnf.took_millis.map(std::time::Duration::from_millis),
            by: operation.kubectl_vnf.by.to_string(),
        })
        .collect();
    env.ui.out(&tables::operations(&rows, !args.table.no_headers, &env.screen()));
    Ok(Exit::Done)
}

/// The state of an operation as a reader should see it: one whose process no longer holds the lock was interrupted.
fn standing_of(operation: &Operation, alive: Option<&BTreeSet<String>>) -> String {
    let gone = alive.is_some_and(|alive| !alive.contains(&operation.vnf_instance_id));
    if operation.operation_state.is_running() && gone {
        return lock::INTERRUPTED.to_owned();
    }
    operation.operation_state.to_string()
}
