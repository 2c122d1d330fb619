//! `op`: operations listed, shown, and brought to an end when they stopped half way.

pub mod fail;
pub mod list;
pub mod retry;
pub mod rollback;
pub mod show;

use super::env::Env;
use crate::cli::error::CliError;
use crate::cluster::store::StoredOperation;
use crate::engine::operation::wait_out_lock;
use crate::engine::session::{EngineError, Session, Standing};
use crate::object::mask::printable_line;
use crate::record::Operation;
use crate::view::tables;

/// An operation as `-o name` has it.
fn name_of(operation: &Operation) -> String {
    format!("vnflcmopocc/{}", operation.id)
}

/// The operation of an instance that stopped half way; waits for the lock of a process that is gone.
async fn unfinished(env: &Env, name: &str, way: &str) -> Result<(Session, StoredOperation), CliError> {
    let mut session = Session::open(&env.cluster, &env.store, name).await?;
    if let Standing::Busy(_) = &session.standing {
        let instance_name = session.instance().vnf_instance_name.clone();
        wait_out_lock(&session, |holder| {
            let silent = holder.renewed.map(|renewed| tables::age(renewed, env.cluster.now())).unwrap_or_default();
            env.ui.err(&format!(
                "! {} of {} by {} has not been heard of for {silent}\n  waiting for its lock to expire, {} s ...\n",
                printable_line(&holder.purpose),
                instance_name,
                printable_line(&holder.holder),
                holder.left.as_secs() + 1,
            ));
        })
        .await?;
        session = Session::open(&env.cluster, &env.store, name).await?;
    }
    match &session.standing {
        Standing::Unfinished { operation, .. } => {
            let operation = (**operation).clone();
            Ok((session, operation))
        }
        Standing::Busy(holder) => {
            let name = session.instance().vnf_instance_name.clone();
            Err(EngineError::Busy { name, holder: holder.clone() }.into())
        }
        Standing::Free => {
            Err(CliError::new(format!("no operation of {} is waiting for {way}", session.instance().vnf_instance_name)))
        }
    }
}
