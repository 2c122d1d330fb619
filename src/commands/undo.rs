//! `undo`: an update to an earlier revision, whose content is still in the cluster.

use super::env::{Env, new_id};
use super::operate::{Operating, Terms};
use super::update::require_current;
use crate::cli::args::{Change, Global, Move};
use crate::cli::error::{CliError, Exit};
use crate::engine::operation::Proposal;
use crate::engine::session::Session;
use crate::plan::derive::change_package;
use crate::plan::derive::scale::{moves, scaled_since};
use crate::plan::derive::undo::{earlier, undo};
use crate::plan::derive::update::{self, Refusal, RefusedChange};
use crate::plan::sheet::Sheet;
use crate::plan::{Contents, drift, journal};
use crate::record::{Instance, Revision, Verb};
use serde_json::json;

/// Go back to an earlier revision: its images, ConfigMaps, Secrets and scale levels, and exactly the Pods they concern
///
/// The way back after an update that completed. Without --to-revision, to the revision before the one in force; doing it
/// twice therefore ends where it began. Replicas that an autoscaler or a person has set stay, and so do the name and other
/// attributes of the record. An operation that stopped half way is taken back by `op rollback` instead.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  # What would it change?
  kubectl vnf undo sample-vnf --dry-run=client

  # To the revision before
  kubectl vnf undo sample-vnf

  # To one of those that `show` lists
  kubectl vnf undo sample-vnf --to-revision 1 --dry-run=server")]
pub struct UndoArgs {
    /// The instance: id, name, or the beginning of its id
    pub name: String,
    /// Number of the revision to go back to, as `show` lists them
    #[arg(long, value_name = "N")]
    pub to_revision: Option<u64>,
    /// How it moves.
    #[command(flatten)]
    pub way: Move,
    /// Flags of every changing verb.
    #[command(flatten)]
    pub change: Change,
}

pub(crate) async fn run(global: &Global, args: UndoArgs) -> Result<Exit, CliError> {
    let env = Env::connect(global).await?;
    let mut session = Session::open(&env.cluster, &env.store, &args.name).await?;
    session.require_free()?;
    let current = require_current(session.instance())?.clone();
    let to = wanted(session.instance(), args.to_revision)?.clone();
    let mut contents = Contents::default();
    let (loaded, observer) = session.prepare(&[&current, &to], &mut contents).await?;
    loaded?;
    let operation_id = new_id();
    let propose = |session: &Session| -> Result<Proposal, CliError> {
        let instance = session.instance();
        let current = require_current(instance)?;
        let to = wanted(instance, args.to_revision)?;
        let live = observer.live();
        let scaled = scaled_since(&instance.revisions, to.number);
        let number = instance.kubectl_vnf.last_revision + 1;
        let time = env.cluster.now();
        let (target, scope) = if change_package::is_needed(current, to) {
            let target = Revision { number, operation_id: operation_id.clone(), verb: Verb::Undo, time, ..to.clone() };
            change_package::scope(current, target, &contents, &live)?
        } else {
            let derived = undo(current, to, &scaled, &contents, number, &operation_id, time)
                .map_err(|refusal| refused(instance, to, refusal))?;
            update::scope(current, derived, &contents, &live, false)?
        };
        let deferred = update::deferred(&target, &contents).map_err(CliError::new)?;
        let drift = drift::overwritten(current, &target, &scope, &contents, &live)?;
        let moved = moves(current, &target);
        let journal = journal(current, Some(target), scope, &live);
        let sheet = Sheet {
            revisions: Some((current.number, to.number)),
            scale: moved,
            deferred,
            drift,
            ..Sheet::of(Verb::Undo, instance, env.cluster.context(), &journal, &contents, &live)?
        };
        Ok(Proposal {
            operation_id: operation_id.clone(),
            params: json!({"toRevision": to.number}),
            incoming: None,
            seen: live.state(),
            journal,
            sheet,
        })
    };
    let proposal = propose(&session)?;
    let operating =
        Operating { env: &env, session: &mut session, contents: &contents, observer: &observer, change: &args.change };
    let terms = Terms::of(&args.way);
    let (exit, _) = operating.run(terms, proposal, propose).await?;
    Ok(exit)
}

/// The earlier revision asked for.
fn wanted(instance: &Instance, number: Option<u64>) -> Result<&Revision, CliError> {
    let name = &instance.vnf_instance_name;
    if let Some(number) = number.filter(|number| instance.current().is_some_and(|one| one.number == *number)) {
        return Err(CliError::new(format!("revision {number} of {name} is in force already"))
            .hint(format!("Put back what drifted from it: kubectl vnf update {name}")));
    }
    earlier(instance, number).map_err(|kept| match (number, kept.as_slice()) {
        (_, []) => CliError::new(format!("{name} has no earlier revision to go back to")),
        (number, kept) => {
            let kept = kept.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
            CliError::new(format!("{name} has no revision {} any more", number.unwrap_or_default()))
                .hint(format!("Earlier revisions that it keeps: {kept}"))
        }
    })
}

fn refused(instance: &Instance, to: &Revision, refusal: Refusal) -> CliError {
    let Refusal::Changes(changes) = refusal else { return CliError::new(refusal).hint("Nothing was written") };
    let name = &instance.vnf_instance_name;
    let error = CliError::new(format!("undo of {name} to revision {} refused, nothing was written", to.number));
    let error = error.hint("It changes images, ConfigMaps and Secrets only, and these differ too:");
    let line = |change: RefusedChange| format!("  {} {}: {}", change.object, change.change, change.detail);
    changes.into_iter().map(line).fold(error, CliError::hint)
}
