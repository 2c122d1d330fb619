//! `change-package`: all of a new package takes the place of the one in force.

use super::env::{Env, new_id};
use super::operate::{Operating, Terms};
use super::reference::{PackageFlags, Reference, package_id, package_notes, require_vnfd_id};
use super::request::ChangePackageRequest;
use super::selection::{Choice, Selection, Wanted};
use super::update::require_current;
use crate::cli::args::{Change, Global, Move};
use crate::cli::error::{CliError, Exit};
use crate::engine::operation::Proposal;
use crate::engine::session::Session;
use crate::package::Package;
use crate::plan::derive::change_package::{files, kept, scope};
use crate::plan::sheet::Sheet;
use crate::plan::{Contents, drift, journal};
use crate::record::{Instance, Revision, Verb};
use serde_json::json;
use std::collections::BTreeSet;

/// Change a VNF to all of a new package: create, change and delete objects, and restart what that takes
///
/// What `update` leaves out: any field of any kind, objects that come and objects that go. Replicas and scaling levels
/// stay as they are; what the new package has no more is deleted once the rest is ready, except volumes' claims. The
/// plan is shown first, and retry, rollback and undo work as after an update.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  # Show the plan, and let the API server check it
  kubectl vnf change-package sample-vnf --package sample-2.csar --dry-run=server

  # Go back by itself if it fails
  kubectl vnf change-package sample-vnf --package sample-2.csar --rollback-on-failure")]
pub struct ChangePackageArgs {
    /// The instance: id, name, or the beginning of its id
    pub name: String,
    /// The new package: a CSAR, a directory with the same tree, or the vnfdId of one in the cluster [default: the
    /// request's vnfdId]
    #[arg(long, value_name = "REF")]
    pub package: Option<String>,
    /// Request file (vnfdId, additionalParams.lcm-kubernetes-def-files), JSON or YAML, `-` for stdin
    #[arg(short = 'f', long, value_name = "FILE")]
    pub request: Option<String>,
    /// How it moves.
    #[command(flatten)]
    pub way: Move,
    /// Which packages are taken.
    #[command(flatten)]
    pub trust: PackageFlags,
    /// Flags of every changing verb.
    #[command(flatten)]
    pub change: Change,
}

pub(crate) async fn run(global: &Global, args: ChangePackageArgs) -> Result<Exit, CliError> {
    let (request, mut notes) = match &args.request {
        Some(path) => ChangePackageRequest::read(path)?,
        None => (ChangePackageRequest::default(), Vec::new()),
    };
    let named = Reference::given(args.package.as_deref(), &args.trust, request.vnfd_id.as_deref(), &request.source)?;
    let env = Env::connect(global).await?;
    let (package, digests_checked) = named.load(&env).await?;
    require_vnfd_id(request.vnfd_id.as_deref(), &request.source, &package)?;
    notes.extend(package_notes(&package));
    let mut session = Session::open(&env.cluster, &env.store, &args.name).await?;
    session.require_free()?;
    let current = require_current(session.instance())?.clone();
    let mut contents = Contents::default();
    session.load(&[&current], &mut contents).await?;
    let chosen = match (request.def_files(), contents.package(&current.package.digest)) {
        (Some(files), _) => files.to_vec(),
        (None, Some(old)) => files(&current, old, &package)?,
        (None, None) => package.kubernetes_files(),
    };
    let wanted = Wanted {
        flavour: Some(Choice::in_force(&current.flavour_id)),
        level: current
            .instantiation_level_id
            .as_deref()
            .filter(|level| has_level(&package, &current, level))
            .map(Choice::in_force),
        namespace: Some(&current.namespace),
        files: Some(chosen),
        listed_in: request.def_files().map(|_| &request.source),
    };
    let selection = Selection::resolve(&env, wanted, &package).await.map_err(|error| {
        error.hint(format!("{} runs in flavour {}, which a change of the package keeps", args.name, current.flavour_id))
    })?;
    notes.extend(selection.notes.iter().cloned());
    notes.extend(left_out(&package, &selection));
    let id = package_id(&package);
    contents.add(package);
    let operation_id = new_id();
    let number = |instance: &Instance| instance.kubectl_vnf.last_revision + 1;
    let (first, _) = selection.derive(&env, number(session.instance()), &operation_id)?;
    let observer = session.observe(&[&current, &first]).await?;
    let propose = |session: &Session| -> Result<Proposal, CliError> {
        let instance = session.instance();
        let current = require_current(instance)?;
        let live = observer.live();
        let (target, _) = selection.derive(&env, number(instance), &operation_id)?;
        let target = Revision { verb: Verb::ChangePackage, ..target };
        let (target, scope) = scope(current, target, &contents, &live)?;
        let drift = drift::overwritten(current, &target, &scope, &contents, &live)?;
        let mut notes = notes.clone();
        notes.extend(kept(&target).map(|object| {
            format!("{object} is not in the new package and stays, for its data: terminate --delete-pvc takes it along")
        }));
        let params = json!({
            "vnfdId": target.package.vnfd_id,
            "additionalParams": {"lcm-kubernetes-def-files": target.files},
        });
        let incoming = Some(target.package.digest.clone());
        let journal = journal(current, Some(target), scope, &live);
        let sheet = Sheet {
            digests_checked,
            drift,
            notes,
            ..Sheet::of(Verb::ChangePackage, instance, env.cluster.context(), &journal, &contents, &live)?
        };
        Ok(Proposal { operation_id: operation_id.clone(), params, incoming, seen: live.state(), journal, sheet })
    };
    let proposal = propose(&session)?;
    if proposal.journal.scope.is_empty() && id.digest == current.package.digest {
        env.ui.out(&format!("vnfinstance/{} unchanged: runs all of this package\n", proposal.sheet.name));
        return Ok(Exit::Done);
    }
    let operating =
        Operating { env: &env, session: &mut session, contents: &contents, observer: &observer, change: &args.change };
    let terms = Terms::of(&args.way);
    let (exit, _) = operating.run(terms, proposal, propose).await?;
    Ok(exit)
}

/// Whether the new package's flavour has the instantiation level in force; else its own default is taken for what is
/// new in it.
fn has_level(package: &Package, current: &Revision, level: &str) -> bool {
    let flavour = package.vnfd.flavour(Some(&current.flavour_id));
    flavour.is_ok_and(|flavour| flavour.levels.iter().any(|known| known.id == level))
}

/// Kubernetes files of the package that are not among the chosen ones: another choice of the same objects, or new.
fn left_out(package: &Package, selection: &Selection) -> Option<String> {
    let chosen: BTreeSet<&String> = selection.files.iter().collect();
    let all = package.kubernetes_files();
    let left: Vec<&str> = all.iter().filter(|file| !chosen.contains(file)).map(String::as_str).collect();
    (!left.is_empty()).then(|| {
        format!("not taken of the package: {} (lcm-kubernetes-def-files in a request names what is)", left.join(", "))
    })
}
