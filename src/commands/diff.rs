//! `diff`: what an update would change, with values; Secret values never.

use super::env::Env;
use super::reference::{PackageFlags, read_beside};
use super::update::{Asked, InForce, Prepared, require_current};
use crate::cli::args::Global;
use crate::cli::error::{CliError, Exit};
use crate::engine::operation::Proposal;
use crate::engine::session::Session;
use crate::object::ObjectRef;
use crate::object::config::{data, is_config};
use crate::object::workload::{WorkloadKind, containers, pod_spec};
use crate::plan::{Contents, Item};
use crate::record::Reason;
use crate::view::diff as diff_view;
use crate::view::diff::{KeyDiff, ObjectDiff, Shown};
use serde_json::Value;

/// Show what an update would change, value by value
///
/// The same plan as that of `update`, with the values before and after; values of Secrets are masked, their sizes shown.
/// Nothing is written, and rights to read are enough. Exit code 0: no difference, 1: differences, 2: trouble.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  # What would this package change?
  kubectl vnf diff sample-vnf --package sample-2.csar

  # With Tacker's request file
  kubectl vnf diff sample-vnf --package sample-2.csar -f update.json

  # Without a package: what has drifted?
  kubectl vnf diff sample-vnf")]
pub struct DiffArgs {
    /// The instance: id, name, or the beginning of its id
    pub name: String,
    /// The new package: a CSAR, a directory with the same tree, or the vnfdId of one in the cluster
    #[arg(long, value_name = "REF")]
    pub package: Option<String>,
    /// Request file, as for `update`
    #[arg(short = 'f', long, value_name = "FILE")]
    pub request: Option<String>,
    /// Which packages are taken.
    #[command(flatten)]
    pub trust: PackageFlags,
}

pub(crate) async fn run(global: &Global, args: DiffArgs) -> Result<Exit, CliError> {
    let DiffArgs { name, package, request, trust } = args;
    let read = move || Asked::read(package.as_deref(), request.as_deref(), None, &trust);
    let open = async {
        let env = Env::connect(global).await?;
        let session = Session::open(&env.cluster, &env.store, &name).await?;
        let in_force = InForce::read(&session, require_current(session.instance())?).await?;
        Ok((env, session, in_force))
    };
    let (asked, (env, session, in_force)) = read_beside(read, open).await?;
    let prepared = Prepared::new(&env, &session, in_force, asked).await?;
    let proposal = prepared.propose(&env, &session)?;
    let changes = changes(&proposal, &prepared)?;
    let sheet = &proposal.sheet;
    if sheet.items.is_empty() && sheet.deferred.is_empty() && !prepared.moves(&proposal.journal) {
        env.ui.err(&format!("{}: no difference\n", sheet.name));
        return Ok(Exit::Done);
    }
    env.ui.out(&diff_view::sheet(sheet, &changes, &env.screen()));
    Ok(Exit::Failed)
}

/// Before and after of everything that the plan writes.
fn changes(proposal: &Proposal, prepared: &Prepared) -> Result<Vec<ObjectDiff>, CliError> {
    let live = prepared.observer.live();
    let mut changes = Vec::new();
    for item in &proposal.sheet.items {
        let before = live.get(&item.object).cloned().unwrap_or(Value::Null);
        let after = wanted(proposal, &prepared.contents, &item.object)?;
        let keys =
            if is_config(&item.object) { key_diffs(&item.object, &before, &after) } else { image_diffs(item, &before) };
        changes.push(ObjectDiff { object: item.object.clone(), vdu: item.vdu.clone(), keys });
    }
    Ok(changes)
}

fn wanted(proposal: &Proposal, contents: &Contents, object: &ObjectRef) -> Result<Value, CliError> {
    match proposal.journal.target.as_ref().and_then(|target| target.object(object)) {
        Some(state) => Ok(contents.content(state)?),
        None => Ok(Value::Null),
    }
}

/// Images by their field in the live object.
fn image_diffs(item: &Item, live: &Value) -> Vec<KeyDiff> {
    let Some(kind) = WorkloadKind::of(&item.object) else { return Vec::new() };
    let spec = kind.pod_spec_pointer().trim_start_matches('/').replace('/', ".");
    let lists: Vec<(String, &str)> = pod_spec(live)
        .map(|spec| containers(spec).iter().map(|container| (container.name.to_owned(), container.list)).collect())
        .unwrap_or_default();
    item.reasons
        .iter()
        .filter_map(|reason| match reason {
            Reason::Image { container, before, after } => {
                let list = lists.iter().find(|(name, _)| name == container).map_or("containers", |(_, list)| list);
                Some(KeyDiff {
                    key: format!("{spec}.{list}[{container}].image"),
                    before: Some(Shown::Text(before.clone())),
                    after: Some(Shown::Text(after.clone())),
                })
            }
            _ => None,
        })
        .collect()
}

fn key_diffs(object: &ObjectRef, before: &Value, after: &Value) -> Vec<KeyDiff> {
    let (old, new) = (data(before), data(after));
    let show = |bytes: &Vec<u8>| match std::str::from_utf8(bytes) {
        _ if object.kind == "Secret" => Shown::Secret(bytes.len()),
        Ok(text) => Shown::Text(text.to_owned()),
        Err(_) => Shown::Binary(bytes.len()),
    };
    let keys: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    keys.into_iter()
        .filter(|key| old.get(*key) != new.get(*key))
        .map(|key| KeyDiff { key: key.clone(), before: old.get(key).map(show), after: new.get(key).map(show) })
        .collect()
}
