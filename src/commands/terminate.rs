//! `terminate`: every object of the VNF deleted, and waited for until it is gone.

use super::delete::{line, remove};
use super::env::{Env, new_id};
use super::operate::{Operating, Terms};
use crate::cli::args::{Change, DryRun, Global};
use crate::cli::error::{CliError, Exit};
use crate::engine::operation::Proposal;
use crate::engine::session::Session;
use crate::object::ObjectRef;
use crate::object::mask::printable_line;
use crate::plan::order::holds_data;
use crate::plan::sheet::Sheet;
use crate::plan::{Contents, journal};
use crate::record::names::instance_selector;
use crate::record::operation::Manner;
use crate::record::{Revision, Scope, Verb};
use serde_json::json;
use std::time::Duration;

/// Terminate a VNF: delete its objects and wait until all of them are gone
///
/// Objects go in phases, each waited for: workloads with their Pods, then the rest. The record stays and can be
/// instantiated again, unless --delete is given. PersistentVolumeClaims, those that StatefulSets made among them, are kept
/// unless --delete-pvc is given. When a record is damaged or gone, --by-label finds what carries its instance's label.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  # What would go, and what would stay?
  kubectl vnf terminate sample-vnf --dry-run=client

  # Each Pod gets 5 seconds to end
  kubectl vnf terminate sample-vnf --grace-period 5s

  # The record too, without a question
  kubectl vnf terminate sample-vnf --delete --yes")]
pub struct TerminateArgs {
    /// The instance: id, name, or the beginning of its id
    pub name: String,
    /// Do not let Pods end gracefully (FORCEFUL)
    #[arg(long, conflicts_with = "grace_period")]
    pub force: bool,
    /// How long each Pod gets to end, such as 30s [default: the Pod's own]
    #[arg(long, value_name = "DURATION", value_parser = crate::cli::args::timeout)]
    pub grace_period: Option<Duration>,
    /// Delete the record too, with its operations and packages that nobody else uses
    #[arg(long)]
    pub delete: bool,
    /// Delete whatever carries the instance's label, and the record: for a record that is damaged or gone
    #[arg(long)]
    pub by_label: bool,
    /// Delete PersistentVolumeClaims too, and the data in them
    #[arg(long)]
    pub delete_pvc: bool,
    /// Flags of every changing verb.
    #[command(flatten)]
    pub change: Change,
}

pub(crate) async fn run(global: &Global, args: TerminateArgs) -> Result<Exit, CliError> {
    if args.by_label {
        return super::by_label::run(global, &args).await;
    }
    let env = Env::connect(global).await?;
    let mut session = Session::open(&env.cluster, &env.store, &args.name).await?;
    session.require_free()?;
    let Some(current) = session.instance().current().cloned() else {
        if args.delete && args.change.dry_run == DryRun::None {
            remove(&env, &session).await?;
            env.ui.out(&line(&session.instance().vnf_instance_name));
            return Ok(Exit::Done);
        }
        let name = &session.instance().vnf_instance_name;
        env.ui.out(&format!("vnfinstance/{name} unchanged: it is NOT_INSTANTIATED\n"));
        return Ok(Exit::Done);
    };
    let mut contents = Contents::default();
    // A package that is damaged must not keep a VNF from being terminated: only names are needed.
    let (loaded, observer) = session.prepare(&[&current], &mut contents).await?;
    if let Err(error) = loaded {
        env.ui.err(&format!("! {}\n", printable_line(&CliError::from(error).message)));
    }
    let claims = claims(&session, &current, args.delete_pvc).await?;
    for claim in &claims {
        observer.read(&env.cluster, claim).await?;
    }
    let operation_id = new_id();
    let propose = |session: &Session| -> Result<Proposal, CliError> {
        let instance = session.instance();
        let current = super::update::require_current(instance)?.clone();
        let live = observer.live();
        let all = current.objects.iter().map(|state| &state.reference).chain(&claims);
        let (kept, deleted): (Vec<&ObjectRef>, Vec<&ObjectRef>) =
            all.partition(|object| holds_data(object) && !args.delete_pvc);
        let scope = Scope { delete: deleted.into_iter().cloned().collect(), ..Scope::default() };
        let journal = journal(&current, None, scope, &live);
        let mut notes: Vec<String> =
            kept.iter().map(|object| format!("{object} holds data and is kept, --delete-pvc takes it along")).collect();
        notes.push(match (args.force, args.grace_period) {
            (true, _) => "forceful: Pods get no time to end".to_owned(),
            (_, Some(grace)) => format!("graceful: each Pod gets {} s to end", grace.as_secs()),
            _ => "graceful: each Pod gets its own time to end".to_owned(),
        });
        if args.delete {
            notes.push("the record goes too, with its operations and the packages that nobody else uses".into());
        }
        let sheet =
            Sheet { notes, ..Sheet::of(Verb::Terminate, instance, env.cluster.context(), &journal, &contents, &live)? };
        Ok(Proposal {
            operation_id: operation_id.clone(),
            params: json!({"terminationType": if args.force { "FORCEFUL" } else { "GRACEFUL" }}),
            incoming: None,
            seen: live.state(),
            journal,
            sheet,
        })
    };
    let proposal = propose(&session)?;
    let operating =
        Operating { env: &env, session: &mut session, contents: &contents, observer: &observer, change: &args.change };
    let terms = Terms {
        asks: true,
        overwrite_drift: true,
        manner: Manner { grace_seconds: grace_seconds(&args), delete_record: args.delete, ..Manner::default() },
        ..Terms::default()
    };
    let (exit, outcome) = operating.run(terms, proposal, propose).await?;
    if args.delete && exit == Exit::Done && outcome.is_some() {
        remove(&env, &session).await?;
        env.ui.out(&line(&session.instance().vnf_instance_name));
    }
    Ok(exit)
}

/// How long a Pod gets to end, in seconds; `None`: as it says itself.
pub(super) fn grace_seconds(args: &TerminateArgs) -> Option<u32> {
    match (args.force, args.grace_period) {
        (true, _) => Some(0),
        (_, Some(grace)) => Some(u32::try_from(grace.as_secs()).unwrap_or(u32::MAX)),
        _ => None,
    }
}

/// The claims that StatefulSets of the VNF have made: they carry its label, and no revision names them. Who may not
/// list claims is told so only if they are to go.
async fn claims(session: &Session, current: &Revision, wanted: bool) -> Result<Vec<ObjectRef>, CliError> {
    if !wanted && !current.objects.iter().any(|state| state.reference.kind == "StatefulSet") {
        return Ok(Vec::new());
    }
    let selector = instance_selector(&session.instance().id);
    let namespace = Some(current.namespace.as_str());
    match session.cluster.list_metadata("v1", "PersistentVolumeClaim", namespace, &selector).await {
        Ok(listing) => {
            Ok(listing.items.iter().filter_map(ObjectRef::of).filter(|claim| current.object(claim).is_none()).collect())
        }
        Err(error) if error.is_not_allowed() && !wanted => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}
