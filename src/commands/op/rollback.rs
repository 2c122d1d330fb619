//! `op rollback`: an operation that stopped half way is taken back.

use super::super::env::Env;
use super::super::operate::{Operating, conclude, consent, go_back, look_ahead};
use super::unfinished;
use crate::cli::args::{Change, DryRun, Global};
use crate::cli::error::{CliError, Exit};
use crate::cli::signal::{acknowledge, stop_requests};
use crate::object::mask::printable_line;
use crate::plan::sheet::Sheet;
use crate::plan::{Contents, derive, drift};
use crate::record::Revision;
use crate::view::plan as plan_view;

/// Take an operation back that stopped half way: config, templates and Pods are then as they were
///
/// Possible for instantiate (which removes what was created), update, change-package, undo and scale. The plan is shown
/// first. A rollback that stops half way is finished by the same command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  # What would it take back?
  kubectl vnf op rollback sample-vnf --dry-run=client

  # Take it back, without a question
  kubectl vnf op rollback sample-vnf --yes")]
pub struct RollbackArgs {
    /// The instance: id, name, or the beginning of its id
    pub name: String,
    /// Flags of every changing verb.
    #[command(flatten)]
    pub change: Change,
}

pub(crate) async fn run(global: &Global, args: RollbackArgs) -> Result<Exit, CliError> {
    let env = Env::connect(global).await?;
    let (mut session, operation) = unfinished(&env, &args.name, "rollback").await?;
    let verb = operation.operation.kubectl_vnf.verb;
    let name = session.instance().vnf_instance_name.clone();
    if !verb.can_be_taken_back() {
        return Err(CliError::new(format!("{verb} of {name} cannot be rolled back: what it took away is gone"))
            .hint(format!("Finish it: kubectl vnf op retry {name}"))
            .hint(format!("Keep what is there: kubectl vnf op fail {name}")));
    }
    let forward = operation.journal.clone();
    let revisions: Vec<&Revision> = forward.source.iter().chain(&forward.target).collect();
    let mut contents = Contents::default();
    let (loaded, observer) = session.prepare(&revisions, &mut contents).await?;
    // To remove what was created, names are enough; else only the former package is needed.
    if let (Err(error), Some(source)) = (loaded, &forward.source) {
        session.load(&[source], &mut contents).await?;
        env.ui.err(&format!("! {}\n", printable_line(&CliError::from(error).message)));
    }
    let journal = match &operation.rollback {
        Some(fixed) => fixed.clone(),
        None => derive::rollback::rollback(&forward, &contents, &observer.live())?,
    };
    let mut sheet = {
        let live = observer.live();
        let drift = match (&journal.source, &journal.target) {
            (Some(new), Some(old)) => drift::overwritten(new, old, &journal.scope, &contents, &live)?,
            _ => Vec::new(),
        };
        Sheet {
            id: operation.operation.id.clone(),
            drift,
            ..Sheet::of(verb, session.instance(), env.cluster.context(), &journal, &contents, &live)?
        }
    };
    look_ahead(&env, &observer, &mut sheet).await?;
    let to = forward.source.as_ref().map(|source| source.number);
    env.ui.err(&plan_view::rollback(&sheet, to, &env.screen()));
    if args.change.dry_run != DryRun::None {
        return Ok(Exit::Done);
    }
    let stop = stop_requests();
    if !args.change.yes && env.ui.interactive() {
        env.ui.err("\n");
        if let Err(exit) = consent(&env, &plan_view::rollback_question(&sheet, to), stop.clone()).await {
            return Ok(exit);
        }
    }
    acknowledge(&env.ui, stop.clone());
    let operating =
        Operating { env: &env, session: &mut session, contents: &contents, observer: &observer, change: &args.change };
    let outcome = go_back(operating, &operation, stop, true).await?;
    Ok(conclude(&env, &args.change, &outcome))
}
