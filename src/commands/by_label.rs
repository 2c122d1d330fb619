//! `terminate --by-label`: what carries the instance's label is deleted, for when the record cannot say what to delete.

use super::env::{Env, by, new_id};
use super::operate::consent;
use super::progress::watched;
use super::terminate::{TerminateArgs, grace_seconds};
use crate::cli::args::{DryRun, Global};
use crate::cli::error::{CliError, Exit};
use crate::cli::signal::{acknowledge, stop_requests};
use crate::engine::by_label::{Manner, delete, deletions, find};
use crate::engine::events::Events;
use crate::engine::failure::Failure;
use crate::engine::lock::{Lock, LockError};
use crate::engine::session::EngineError;
use crate::object::ObjectRef;
use crate::plan::sheet::{Sheet, Untouched};
use crate::record::{Instance, PackageId, Verb, names};
use crate::view::plan as plan_view;
use crate::view::words::count;
use std::collections::BTreeSet;

pub(crate) async fn run(global: &Global, args: &TerminateArgs) -> Result<Exit, CliError> {
    let env = Env::connect(global).await?;
    let traces = env.store.traces(&args.name).await?;
    let namespaces: BTreeSet<String> =
        traces.target_namespace.clone().into_iter().chain([env.store.namespace().to_owned()]).collect();
    let found = find(&env.cluster, &namespaces, &traces.id, args.delete_pvc).await?;
    for error in &found.unseen {
        env.ui.err(&format!("! not looked for: {}\n", crate::object::mask::printable_line(&error.to_string())));
    }
    if !found.forbidden.is_empty() {
        env.ui.err(&format!("! not looked for, since you may not list them: {}\n", found.forbidden.join(", ")));
    }
    let name = traces.name.clone().unwrap_or_else(|| traces.id.clone());
    if found.objects.is_empty() && traces.record.is_none() {
        return Err(CliError::new(format!(
            "nothing carries the label {}, and namespace {} has no record of it",
            names::instance_selector(&traces.id),
            env.store.namespace()
        )));
    }
    let items = deletions(&found.objects, &traces.id)?;
    let of_record = Instance::create(traces.id.clone(), name.clone(), PackageId::unknown());
    let place = items.iter().find_map(|item| item.object.namespace.clone());
    let place = place.unwrap_or_else(|| env.store.namespace().to_owned());
    let mut notes = vec!["what carries the instance's label is deleted, whatever its record says".to_owned()];
    notes.push("the record goes too, with its operations and the packages that nobody else uses".into());
    notes.extend(found.controlled.iter().map(|object| {
        format!("{object} is left alone: what controls it does not carry the label, and would make it anew")
    }));
    let kept = |object: &ObjectRef| Untouched { object: object.clone(), vdu: None };
    let sheet = Sheet {
        notes,
        untouched: found.kept.iter().map(kept).collect(),
        ..Sheet::new(Verb::Terminate, &of_record, env.cluster.context(), &place, items)
    };
    env.ui.err(&plan_view::sheet(&sheet, &env.screen()));
    if args.change.dry_run != DryRun::None {
        return Ok(Exit::Done);
    }
    let stop = stop_requests();
    if !args.change.yes && env.ui.interactive() {
        env.ui.err("\n");
        if let Err(exit) = consent(&env, &plan_view::question(&sheet), stop.clone()).await {
            return Ok(exit);
        }
    }
    acknowledge(&env.ui, stop.clone());
    let purpose = format!("terminate {}", names::short(&new_id()));
    let lock =
        Lock::acquire(&env.cluster, env.store.namespace(), &traces.id, traces.record.as_ref(), &by(), &purpose).await;
    let lock = lock.map_err(|error| match error {
        LockError::Busy(holder) => EngineError::Busy { name: name.clone(), holder },
        LockError::Cluster(error) => error.into(),
        lost @ LockError::Lost(_) => EngineError::Lock(lost),
    })?;
    let manner = Manner { stop, timeout: args.change.timeout, grace_seconds: grace_seconds(args) };
    let run = async |events: &Events| delete(&lock, &traces.id, &found.objects, events, &manner).await;
    // Without a record there are no VDUs to make a tree of.
    let failures = watched(&env, &args.change, None, Events::channel(), run, |_| false).await;
    let erased = match failures {
        Ok(failures) if failures.is_empty() => env.store.erase(&traces).await.map_err(CliError::from),
        Ok(failures) => Err(left(&name, &failures)),
        Err(error) => Err(error.into()),
    };
    lock.release().await;
    erased?;
    let objects = count(found.objects.len(), "object");
    env.ui.out(&format!("vnfinstance/{name} deleted by its label: {objects}, and the record with its operations\n"));
    Ok(Exit::Done)
}

/// What could not be deleted, and why. The record stays, so that the command can be run again.
fn left(name: &str, failures: &[Failure]) -> CliError {
    let interrupted = failures.iter().all(|failure| failure.cause.is_consequence());
    let mut lines = vec![format!("not all of {name} was deleted:")];
    lines.extend(failures.iter().map(|failure| format!("{}: {}", failure.object, failure.cause)));
    let error = CliError::new(lines.join("\n")).hint("Run the command again: it goes on with what is left");
    CliError { exit: if interrupted { Exit::Interrupted } else { Exit::Failed }, ..error }
}
