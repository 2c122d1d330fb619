//! `op`: operations listed, shown, and finished when they stopped half way.

use super::env::{Env, by};
use super::operate::{Operating, conclude, go_back, go_on, options, print};
use crate::cli::args::{Change, Global, Output, TableOutput};
use crate::cli::error::{CliError, Exit};
use crate::cli::signal::{acknowledge, stop_requests};
use crate::cluster::store::StoredOperation;
use crate::engine::lock;
use crate::engine::operation::{Options, give_up, plan_items, resume, wait_out_lock, ways};
use crate::engine::rollback::derive;
use crate::engine::session::{EngineError, Session, Standing};
use crate::object::mask::printable_line;
use crate::plan::derive::fail::reached;
use crate::plan::derive::update::{Deferred, deferred};
use crate::plan::sheet::{Sheet, Untouched, down, untouched};
use crate::plan::{Contents, Item, ItemState, Vdus, drift};
use crate::record::instance::InstantiationState;
use crate::record::operation::Manner;
use crate::record::{Operation, OperationState, Revision, Verb, names};
use crate::report::outcome::{FailureLine, Standing as StandingLine, WaysOut};
use crate::view::result::ways_out;
use crate::view::show::{OperationLine, OperationSheet};
use crate::view::tables::OperationRow;
use crate::view::{plan as plan_view, show as show_view, tables};
use std::collections::BTreeSet;

/// List operations, newest first
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// The instance [default: all of the namespace]
    pub name: Option<String>,
    /// Output format
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub output: Option<TableOutput>,
    /// No column headers
    #[arg(long)]
    pub no_headers: bool,
}

/// Show one operation as a report
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// Operation id (or its beginning), or an instance, whose last operation is shown
    #[arg(value_name = "OPERATION|NAME")]
    pub which: String,
    /// Output format
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub output: Option<Output>,
}

/// Finish an operation that stopped half way: done steps are not done again
#[derive(Debug, clap::Args)]
pub struct RetryArgs {
    /// The instance: id, name, or the beginning of its id
    pub name: String,
    /// Flags of every changing verb.
    #[command(flatten)]
    pub change: Change,
}

/// Take an operation back that stopped half way: config, templates and Pods are then as they were
///
/// Possible for instantiate (which removes what was created), update and undo. The plan is shown first. A rollback
/// that stops half way is finished by the same command.
#[derive(Debug, clap::Args)]
pub struct RollbackArgs {
    /// The instance: id, name, or the beginning of its id
    pub name: String,
    /// Flags of every changing verb.
    #[command(flatten)]
    pub change: Change,
}

/// Give an operation up that stopped half way: the record then says what the cluster has
#[derive(Debug, clap::Args)]
pub struct FailArgs {
    /// The instance: id, name, or the beginning of its id
    pub name: String,
}

pub(crate) async fn list(global: &Global, args: ListArgs) -> Result<Exit, CliError> {
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
    match args.output {
        Some(TableOutput::Json | TableOutput::Yaml) => {
            let all: Vec<_> = operations.iter().map(|stored| &stored.operation).collect();
            let output = if args.output == Some(TableOutput::Json) { Output::Json } else { Output::Yaml };
            print(&env, Some(output), &all, "", |_| String::new());
            return Ok(Exit::Done);
        }
        Some(TableOutput::Name) => {
            for stored in &operations {
                env.ui.out(&format!("vnflcmopocc/{}\n", stored.operation.id));
            }
            return Ok(Exit::Done);
        }
        Some(TableOutput::Wide) | None => {}
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
    env.ui.out(&tables::operations(&rows, !args.no_headers, &env.screen()));
    Ok(Exit::Done)
}

pub(crate) async fn show(global: &Global, args: ShowArgs) -> Result<Exit, CliError> {
    let env = Env::connect(global).await?;
    let stored = find(&env, &args.which).await?;
    if args.output.is_some() {
        print(&env, args.output, &stored.operation, &stored.operation.id, |_| String::new());
        return Ok(Exit::Done);
    }
    let evidence = env.store.evidence(&stored.operation.id).await?;
    let failures: Vec<FailureLine> = evidence.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let session = Session::open(&env.cluster, &env.store, &stored.operation.vnf_instance_id).await?;
    let mut operation = stored.operation.clone();
    let mut open_now = false;
    let mut interrupted = false;
    let name = session.instance().vnf_instance_name.clone();
    if let Standing::Unfinished { operation: open, interrupted: gone } = &session.standing
        && open.operation.id == operation.id
    {
        // Its process may be gone without having said so.
        operation.enter(OperationState::FailedTemp, operation.state_entered_time);
        interrupted = *gone;
        open_now = true;
    }
    let found = in_scope(&session, &stored).await.unwrap_or_else(|error| {
        env.ui.err(&format!("! what it touches cannot be read: {}\n", printable_line(&error.message)));
        InScope::default()
    });
    let InScope { items, untouched, deferred, ways } = found;
    let ended = matches!(operation.operation_state, OperationState::Completed | OperationState::RolledBack);
    let standing: Vec<StandingLine> = items.iter().cloned().map(StandingLine::of).collect();
    let ways = ways.filter(|_| open_now).map(|ways| ways_out(&ways, &standing, &name, &env.screen()));
    let lines: Vec<OperationLine> = items
        .into_iter()
        .map(|mut item| {
            let failed = failures.iter().any(|line| line.object == item.object && !line.consequence);
            if ended {
                item.state = ItemState::Done;
            }
            OperationLine::of(&item, failed && !ended)
        })
        .collect();
    let sheet = OperationSheet {
        interrupted,
        operation: &operation,
        journal: &stored.journal,
        instance: &name,
        namespace: env.store.namespace(),
        lines: &lines,
        untouched: &untouched,
        deferred: &deferred,
        failures: &failures,
        ways_out: &ways.unwrap_or_default(),
    };
    env.ui.out(&show_view::operation(&sheet, &env.screen()));
    Ok(Exit::Done)
}

/// What an operation touches as it is now, what it leaves alone, what it defers, and what it would take next.
#[derive(Default)]
struct InScope {
    items: Vec<Item>,
    untouched: Vec<Untouched>,
    deferred: Vec<Deferred>,
    ways: Option<WaysOut>,
}

async fn in_scope(session: &Session, stored: &StoredOperation) -> Result<InScope, CliError> {
    // On its way back, what is left to do is the rollback's.
    let journal = stored.rollback.as_ref().unwrap_or(&stored.journal);
    let ended = stored.operation.operation_state.is_final();
    // Where it did not end, the package may be gone.
    let wanted = journal.target.iter().chain(journal.source.iter().filter(|_| !ended || journal.target.is_none()));
    let revisions: Vec<&Revision> = wanted.collect();
    let mut contents = Contents::default();
    let (loaded, observer) = session.prepare(&revisions, &mut contents).await?;
    loaded?;
    let items = plan_items(journal, &contents, &observer, &session.instance().id)?;
    let ways = (!ended).then(|| ways(stored, &contents, &observer));
    let Some(target) = &journal.target else { return Ok(InScope { items, ways, ..InScope::default() }) };
    let untouched = untouched(target, &items, &Vdus::of(target, &contents));
    let deferred = deferred(target, &contents).map_err(CliError::new)?;
    Ok(InScope { items, untouched, deferred, ways })
}

/// The state of an operation as a reader should see it: one whose process no longer holds the lock was interrupted.
fn standing_of(operation: &Operation, alive: Option<&BTreeSet<String>>) -> String {
    let gone = alive.is_some_and(|alive| !alive.contains(&operation.vnf_instance_id));
    if operation.operation_state.is_running() && gone {
        return lock::INTERRUPTED.to_owned();
    }
    operation.operation_state.to_string()
}

/// An operation by id, by the beginning of its id, or the last one of an instance.
async fn find(env: &Env, which: &str) -> Result<StoredOperation, CliError> {
    if uuid::Uuid::try_parse(which).is_ok()
        && let Some(stored) = env.store.operation(which).await?
    {
        return Ok(stored);
    }
    let named = env.store.by_name(which).await?;
    let (operations, damaged) = env.store.operations(None).await?;
    let begins = |stored: &&StoredOperation| which.len() >= 4 && stored.operation.id.starts_with(which);
    let fits: Vec<&StoredOperation> = operations.iter().filter(begins).collect();
    if let ([one], None) = (fits.as_slice(), &named) {
        return Ok((*one).clone());
    }
    let instance = match named {
        Some(stored) => stored.instance,
        None => env.store.find(which).await?.instance,
    };
    let last = operations.into_iter().find(|stored| stored.operation.vnf_instance_id == instance.id);
    if let (None, Some(error)) = (&last, damaged.into_iter().next()) {
        return Err(error.into());
    }
    last.ok_or_else(|| CliError::new(format!("{} has had no operation yet", instance.vnf_instance_name)))
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

pub(crate) async fn retry(global: &Global, args: RetryArgs) -> Result<Exit, CliError> {
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
    if args.change.dry_run != crate::cli::args::DryRun::None {
        return Ok(Exit::Done);
    }
    let stop = stop_requests();
    acknowledge(&env.ui, stop.clone());
    let manner = operation.operation.kubectl_vnf.manner.clone();
    let taking = options(&args.change, stop.clone(), manner.clone());
    let (operation, lock) = resume(&mut session, &operation, &taking, OperationState::Processing).await?;
    let operating = Operating {
        env: &env,
        session: &mut session,
        contents: &contents,
        observer: &observer,
        change: &args.change,
        asks: false,
        overwrite_drift: true,
        manner: manner.clone(),
        rollback_on_failure: false,
    };
    let exit = go_on(operating, operation, lock, stop).await?;
    if exit == Exit::Done && manner.delete_record {
        super::delete::remove(&env, &session).await?;
        env.ui.out(&super::delete::line(&session.instance().vnf_instance_name));
    }
    Ok(exit)
}

/// A package that never got into the cluster cannot be read from there.
fn store_again(error: CliError, operation: &StoredOperation) -> CliError {
    let id = names::short(&operation.operation.id);
    error.hint(format!("Operation {id} cannot go on without it; give it up with: kubectl vnf op fail NAME"))
}

pub(crate) async fn rollback(global: &Global, args: RollbackArgs) -> Result<Exit, CliError> {
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
        None => derive(&forward, &contents, &observer)?,
    };
    let items = plan_items(&journal, &contents, &observer, &session.instance().id)?;
    let namespace = revisions.first().map(|revision| revision.namespace.clone()).unwrap_or_default();
    let sheet = {
        let live = observer.live();
        let vdus = forward.source.as_ref().map(|source| Vdus::of(source, &contents)).unwrap_or_default();
        let drift = match (&journal.source, &journal.target) {
            (Some(new), Some(old)) => drift::overwritten(new, old, &journal.scope, &contents, &live)?,
            _ => Vec::new(),
        };
        Sheet {
            id: operation.operation.id.clone(),
            untouched: forward.source.as_ref().map(|source| untouched(source, &items, &vdus)).unwrap_or_default(),
            down: down(&items, &live),
            drift,
            ..Sheet::new(verb, session.instance(), env.cluster.context(), &namespace, items)
        }
    };
    let to = forward.source.as_ref().map(|source| source.number);
    env.ui.err(&plan_view::rollback(&sheet, to, &env.screen()));
    if args.change.dry_run != crate::cli::args::DryRun::None {
        return Ok(Exit::Done);
    }
    let stop = stop_requests();
    if !args.change.yes && env.ui.interactive() {
        env.ui.err("\n");
        match env.ui.ask(&plan_view::rollback_question(&sheet, to), stop.clone()).await {
            Some(true) => {}
            answer => {
                env.ui.err(if answer.is_some() { "Nothing was changed.\n" } else { "\nNothing was changed.\n" });
                return Ok(if answer.is_some() { Exit::Failed } else { Exit::Interrupted });
            }
        }
    }
    acknowledge(&env.ui, stop.clone());
    let operating = Operating {
        env: &env,
        session: &mut session,
        contents: &contents,
        observer: &observer,
        change: &args.change,
        asks: true,
        overwrite_drift: true,
        manner: Manner::default(),
        rollback_on_failure: false,
    };
    let outcome = go_back(operating, &operation, stop).await?;
    Ok(conclude(&env, &args.change, &outcome))
}

pub(crate) async fn fail(global: &Global, args: FailArgs) -> Result<Exit, CliError> {
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
    let (source, target) = (journal.source.as_ref(), journal.target.as_ref());
    let found = reached(source, target, &journal.scope, &contents, &observer.live());
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
        Verb::Update | Verb::Undo | Verb::Heal | Verb::Terminate => "  Look at it: kubectl vnf show ",
    };
    env.ui.out(&format!("vnfinstance/{name}: {verb} {} FAILED, {now}\n{next}{name}\n", names::short(&id)));
    Ok(Exit::Done)
}
