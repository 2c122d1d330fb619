//! `delete`: the record, its operations, and packages that nobody else uses.

use super::env::Env;
use crate::cli::args::Global;
use crate::cli::error::{CliError, Exit};
use crate::engine::session::Session;
use crate::record::instance::InstantiationState;
use std::collections::BTreeSet;

/// Delete the records of VNF instances that are not instantiated
///
/// With a record go its operations and the packages that nobody else uses, unless they were onboarded. An instance that is
/// instantiated is refused: `terminate --delete` does both.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  # One
  kubectl vnf delete lab-vnf

  # Several: one that cannot be deleted does not keep the others
  kubectl vnf delete lab-vnf-3 lab-vnf-4")]
pub struct DeleteArgs {
    /// The instances: id, name, or the beginning of an id
    #[arg(required = true)]
    pub names: Vec<String>,
}

/// The result line.
pub(crate) fn line(name: &str) -> String {
    format!("vnfinstance/{name} deleted, with its operations and the packages that nobody else uses\n")
}

pub(crate) async fn run(global: &Global, args: DeleteArgs) -> Result<Exit, CliError> {
    let env = Env::connect(global).await?;
    let mut failed = 0;
    for name in &args.names {
        let result = async {
            let session = Session::open(&env.cluster, &env.store, name).await?;
            session.require_free()?;
            if session.instance().instantiation_state == InstantiationState::Instantiated {
                let name = &session.instance().vnf_instance_name;
                return Err(CliError::new(format!("{name} is INSTANTIATED"))
                    .hint(format!("Terminate it first: kubectl vnf terminate {name} --delete")));
            }
            remove(&env, &session).await?;
            env.ui.out(&line(&session.instance().vnf_instance_name));
            Ok(())
        };
        if let Err(error) = result.await {
            env.ui.error(&error);
            failed += 1;
        }
    }
    Ok(if failed == 0 { Exit::Done } else { Exit::Failed })
}

/// Removes a record and everything that only it refers to.
pub(crate) async fn remove(env: &Env, session: &Session) -> Result<(), CliError> {
    let digests: BTreeSet<String> = session.instance().packages().into_iter().map(ToOwned::to_owned).collect();
    env.store.delete(&session.stored).await?;
    env.store.collect_packages(&digests).await?;
    Ok(())
}
