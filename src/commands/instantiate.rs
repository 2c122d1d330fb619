//! `instantiate`: the package's objects, created and waited for.

use super::create::check_name;
use super::env::{Env, new_id};
use super::operate::{Operating, Terms};
use super::reference::{PackageFlags, Reference, package_id, package_notes, read_beside};
use super::request::InstantiateRequest;
use super::selection::{Choice, Selection, Wanted};
use crate::cli::args::{Change, Global};
use crate::cli::error::{CliError, Exit};
use crate::cluster::store::Stored;
use crate::engine::observe::Observer;
use crate::engine::operation::Proposal;
use crate::engine::session::{Session, Standing};
use crate::plan::Contents;
use crate::plan::sheet::Sheet;
use crate::record::instance::InstantiationState;
use crate::record::operation::RecordChange;
use crate::record::{Instance, Journal, Verb};
use serde_json::json;
use std::collections::BTreeMap;

/// Instantiate a VNF: create its objects and wait until all of them are ready
///
/// The record is made if there is none. Objects go to --target-namespace, else to the one namespace that the manifests
/// name, else to the record's. All of them are created, in an order that fits their kinds, and then waited for; a Pod may
/// stand before its Secret in the package. Before the first write the API server is asked whether it would take everything.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  # With Tacker's request file
  kubectl vnf instantiate sample-vnf --package sample-1.csar -f instantiate.json

  # Another level; only look
  kubectl vnf instantiate big-vnf --package sample-1.csar --level instantiation_level_2 --dry-run

  # An instance that `create` has made knows its package
  kubectl vnf instantiate lab-vnf --dry-run=client")]
pub struct InstantiateArgs {
    /// Name of the instance
    pub name: String,
    /// The package: a CSAR, a directory with the same tree, or the vnfdId of one in the cluster; not needed for an
    /// instance made by `create`
    #[arg(long, value_name = "REF")]
    pub package: Option<String>,
    /// Request file (flavourId, instantiationLevelId, additionalParams), JSON or YAML, `-` for stdin
    #[arg(short = 'f', long, value_name = "FILE")]
    pub request: Option<String>,
    /// Deployment flavour [default: the request's, else the only one]
    #[arg(long, value_name = "ID")]
    pub flavour: Option<String>,
    /// Instantiation level [default: the request's, else the flavour's]
    #[arg(long, value_name = "ID")]
    pub level: Option<String>,
    /// Namespace of the VNF's objects
    #[arg(long, value_name = "NAMESPACE")]
    pub target_namespace: Option<String>,
    /// Which packages are taken.
    #[command(flatten)]
    pub trust: PackageFlags,
    /// Remove what was created if it fails (not if it is interrupted)
    #[arg(long, help_heading = "Operation options")]
    pub rollback_on_failure: bool,
    /// Flags of every changing verb.
    #[command(flatten)]
    pub change: Change,
}

pub(crate) async fn run(global: &Global, args: InstantiateArgs) -> Result<Exit, CliError> {
    check_name(&args.name)?;
    let (request, package, trust) = (args.request.clone(), args.package.clone(), args.trust.clone());
    let read = move || {
        let request = request.as_deref().map(InstantiateRequest::read).transpose()?;
        let given = package.map(|named| Reference::read(&named, &trust)).transpose()?;
        Ok((request.unwrap_or_default(), given))
    };
    let open = async {
        let env = Env::connect(global).await?;
        let existing = existing(&env, &args.name).await?;
        Ok((env, existing))
    };
    let (((request, mut notes), given), (env, existing)) = read_beside(read, open).await?;
    let (package, digests_checked) = match (given, &existing) {
        (Some(given), _) => given.load(&env).await?,
        (None, Some(stored)) => (env.store.package(&stored.instance.kubectl_vnf.package.digest).await?, None),
        (None, None) => {
            return Err(CliError::usage(format!("there is no VNF instance {:?} yet: name its package", args.name))
                .hint("kubectl vnf instantiate NAME --package REF"));
        }
    };
    notes.extend(package_notes(&package));
    let wanted = Wanted {
        flavour: Choice::of(args.flavour.as_deref(), request.flavour_id.as_deref(), &request.source),
        level: Choice::of(args.level.as_deref(), request.instantiation_level_id.as_deref(), &request.source),
        namespace: args.target_namespace.as_deref().or(request.namespace()),
        files: request.def_files().map(<[String]>::to_vec),
        listed_in: request.def_files().map(|_| &request.source),
    };
    let selection = Selection::resolve(&env, wanted, &package).await?;
    notes.extend(selection.notes.iter().cloned());
    let is_new = existing.is_none();
    // A new record is written once nothing speaks against it any more: a refusal leaves nothing behind.
    let stored = existing.unwrap_or_else(|| {
        let instance = Instance::create(new_id(), args.name.clone(), package_id(&package));
        Stored { object: instance.to_config_map(env.store.namespace(), None), instance }
    });
    let mut contents = Contents::default();
    contents.add(package);
    let mut session =
        Session { cluster: env.cluster.clone(), store: env.store.clone(), stored, standing: Standing::Free };
    let result = operate(&env, &args, &mut session, &contents, &selection, notes, digests_checked).await;
    if is_new && session.stored.exists() && session.instance().kubectl_vnf.operation.is_none() {
        // Nothing began after all. What went wrong is the news, not that this may fail too.
        let _ = super::delete::remove(&env, &session).await;
    }
    if is_new && result.is_err() && !session.stored.exists() {
        // Whatever was in the way: that somebody else has taken the name meanwhile comes before it.
        env.store.require_free(&args.name).await?;
    }
    result
}

async fn operate(
    env: &Env,
    args: &InstantiateArgs,
    session: &mut Session,
    contents: &Contents,
    selection: &Selection,
    notes: Vec<String>,
    digests_checked: Option<usize>,
) -> Result<Exit, CliError> {
    let operation_id = new_id();
    let number = |session: &Session| session.instance().kubectl_vnf.last_revision + 1;
    let (revision, _) = selection.derive(env, number(session), &operation_id)?;
    let observer = Observer::start_anew(&env.cluster, &session.instance().id, &revision).await?;
    let propose = |session: &Session| -> Result<Proposal, CliError> {
        let (target, scope) = selection.derive(env, number(session), &operation_id)?;
        let journal = Journal {
            source: None,
            target: Some(target.clone()),
            scope,
            snapshot: BTreeMap::new(),
            record: RecordChange::default(),
        };
        let live = observer.live();
        let sheet = Sheet {
            flavour: Some((target.flavour_id.clone(), target.instantiation_level_id.clone())),
            digests_checked,
            notes: notes.clone(),
            ..Sheet::of(Verb::Instantiate, session.instance(), env.cluster.context(), &journal, contents, &live)?
        };
        Ok(Proposal {
            operation_id: operation_id.clone(),
            params: json!({
                "flavourId": target.flavour_id,
                "instantiationLevelId": target.instantiation_level_id,
                "additionalParams": {"lcm-kubernetes-def-files": target.files, "namespace": target.namespace},
            }),
            incoming: Some(target.package.digest.clone()),
            seen: live.state(),
            journal,
            sheet,
        })
    };
    let proposal = propose(session)?;
    let operating = Operating { env, session, contents, observer: &observer, change: &args.change };
    let terms = Terms { rollback_on_failure: args.rollback_on_failure, ..Terms::default() };
    let (exit, _) = operating.run(terms, proposal, propose).await?;
    Ok(exit)
}

/// The record of that name, when it is free to be instantiated.
async fn existing(env: &Env, name: &str) -> Result<Option<Stored>, CliError> {
    let Some(stored) = env.store.by_name(name).await? else { return Ok(None) };
    let session = Session::of(&env.cluster, &env.store, stored).await?;
    session.require_free()?;
    if session.instance().instantiation_state == InstantiationState::Instantiated {
        return Err(CliError::new(format!(
            "a VNF instance {name:?} exists in namespace {} and is INSTANTIATED",
            env.store.namespace()
        ))
        .hint(format!("Look at it: kubectl vnf show {name}"))
        .hint(format!("Change it:  kubectl vnf update {name} --package PATH")));
    }
    Ok(Some(session.stored))
}
