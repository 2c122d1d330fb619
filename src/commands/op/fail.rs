//! `op fail`: an operation that stopped half way is given up.

use super::super::env::{Env, by};
use super::unfinished;
use crate::cli::args::Global;
use crate::cli::error::{CliError, Exit};
use crate::engine::operation::{Options, give_up, resume};
use crate::object::mask::printable_line;
use crate::plan::Contents;
use crate::plan::derive::fail::reached;
use crate::record::instance::InstantiationState;
use crate::record::operation::Manner;
use crate::record::{OperationState, Revision, Verb, names};

/// Give an operation up that stopped half way: the record then says what the cluster has
///
/// Nothing in the cluster is changed. Afterwards everything is possible again: an update with a corrected package, say, which
/// then plans exactly what is left.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  # Keep it as it is
  kubectl vnf op fail sample-vnf

  # Keep it, and look at what that is
  kubectl vnf op fail sample-vnf && kubectl vnf show sample-vnf")]
pub struct FailArgs {
    /// The instance: id, name, or the beginning of its id
    pub name: String,
}

pub(crate) async fn run(global: &Global, args: FailArgs) -> Result<Exit, CliError> {
    let env = Env::connect(global).await?;
    let (mut session, operation) = unfinished(&env, &args.name, "fail").await?;
    let options = Options {
        timeout: std::time::Duration::from_secs(60),
        manner: Manner::default(),
        by: by(),
        stop: tokio::sync::watch::channel(false).1,
    };
    // Under the lock, so that nothing moves any more while the cluster is compared with the revisions.
    let (operation, lock) = resume(&mut session, &operation, &options, OperationState::Processing).await?;
    let journal = operation.journal.clone();
    let revisions: Vec<&Revision> = journal.source.iter().chain(&journal.target).collect();
    let mut contents = Contents::default();
    let (loaded, observer) = session.prepare(&revisions, &mut contents).await?;
    if let Err(error) = loaded {
        // Giving up must always be possible: what cannot be compared counts as it was before.
        env.ui.err(&format!("! {}\n", printable_line(&CliError::from(error).message)));
    }
    let rolling_back = operation.operation.kubectl_vnf.rolling_back;
    let found = reached(&journal, rolling_back, &contents, &observer.live());
    let verb = operation.operation.kubectl_vnf.verb;
    let id = operation.operation.id.clone();
    give_up(&mut session, operation, lock, found).await?;
    let name = &session.instance().vnf_instance_name;
    let now = match (session.instance().instantiation_state, session.instance().current()) {
        (InstantiationState::Instantiated, Some(current)) => {
            format!(
                "the record says what the cluster has: revision {}, package {}",
                current.number,
                current.package.short_digest()
            )
        }
        _ => "nothing is instantiated".to_owned(),
    };
    let next = match verb {
        Verb::Instantiate => "  Remove what is there: kubectl vnf terminate ",
        Verb::Update | Verb::Undo | Verb::ChangePackage | Verb::Heal | Verb::Scale | Verb::Terminate => {
            "  Look at it: kubectl vnf show "
        }
    };
    env.ui.out(&format!("vnfinstance/{name}: {verb} {} FAILED, {now}\n{next}{name}\n", names::short(&id)));
    Ok(Exit::Done)
}
