//! `op show`: one operation as a report.

use super::super::env::Env;
use super::super::operate::print;
use super::name_of;
use crate::cli::args::Global;
use crate::cli::error::{CliError, Exit};
use crate::cli::output::{Output, OutputParser};
use crate::cluster::store::StoredOperation;
use crate::engine::carry::ways;
use crate::engine::operation::plan_items;
use crate::engine::session::{Session, Standing};
use crate::object::mask::printable_line;
use crate::plan::derive::update::{Deferred, deferred};
use crate::plan::sheet::{Untouched, untouched};
use crate::plan::{Contents, Item, ItemState, Vdus};
use crate::record::{OperationState, Revision};
use crate::report::outcome::{FailureLine, Standing as StandingLine, WaysOut};
use crate::view::result::ways_out;
use crate::view::show::{self as show_view, OperationLine, OperationSheet};

/// Show one operation as a report
///
/// What was asked for, by whom, what it touched and what it left alone. Of one that failed, the evidence: reasons, events
/// and last log lines, with the values of Secrets masked, and the ways out.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  # The last one of an instance
  kubectl vnf op show sample-vnf

  # With SOL003's attribute names
  kubectl vnf op show sample-vnf -o yaml")]
pub struct ShowArgs {
    /// Operation id (or its beginning), or an instance, whose last operation is shown
    #[arg(value_name = "OPERATION|NAME")]
    pub which: String,
    /// Output format
    #[arg(short, long, value_parser = OutputParser::SINGLE, value_name = "FORMAT")]
    pub output: Option<Output>,
}

pub(crate) async fn run(global: &Global, args: ShowArgs) -> Result<Exit, CliError> {
    let env = Env::connect(global).await?;
    let stored = find(&env, &args.which).await?;
    if args.output.is_some() {
        let operation = &stored.operation;
        print(&env, args.output.as_ref(), operation, &name_of(operation), |_| String::new())?;
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
    let rolled_back = operation.operation_state == OperationState::RolledBack;
    let mut lines: Vec<OperationLine> = items
        .into_iter()
        .map(|mut item| {
            let failed = failures.iter().any(|line| line.object == item.object && !line.consequence);
            if ended {
                item.state = ItemState::Done;
            }
            let line = OperationLine::of(&item, failed && !ended);
            if rolled_back { line.put_back() } else { line }
        })
        .collect();
    if rolled_back {
        // What was put back first is not in what was fixed after it.
        let config =
            stored.journal.scope.config.iter().filter(|change| lines.iter().all(|l| l.object != change.object));
        let config: Vec<OperationLine> = config.map(OperationLine::restored).collect();
        lines.splice(..0, config);
    }
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
    let (loaded, observer) = session.look(&revisions, &mut contents).await?;
    // Of what was deleted only the names are told, and its package may be gone with it.
    if journal.target.is_some() {
        loaded?;
    }
    let items = plan_items(journal, &contents, &observer, &session.instance().id)?;
    let ways = (!ended).then(|| ways(stored, &contents, &observer));
    let Some(target) = &journal.target else { return Ok(InScope { items, ways, ..InScope::default() }) };
    let untouched = untouched(target, &items, &Vdus::of(target, &contents));
    let deferred = deferred(target, &contents).map_err(CliError::new)?;
    Ok(InScope { items, untouched, deferred, ways })
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
