//! `update`: the container update, and changes of the record.

use super::create::check_name;
use super::env::{Env, new_id};
use super::operate::{Operating, Terms};
use super::reference::{PackageFlags, Reference, package_id, package_notes, read_beside, require_vnfd_id};
use super::request::{UpdateRequest, merge};
use crate::cli::args::{Change, DryRun, Global, Move};
use crate::cli::error::{CliError, Exit};
use crate::engine::observe::Observer;
use crate::engine::operation::Proposal;
use crate::engine::session::{EngineError, Session};
use crate::package::Package;
use crate::plan::derive::update::{self, Refusal};
use crate::plan::sheet::{ConfigRule, RecordLine, Sheet};
use crate::plan::{Contents, drift, journal};
use crate::record::operation::RecordChange;
use crate::record::{Instance, Journal, PackageId, Revision, Scope, Verb};
use crate::view::plan as plan_view;
use serde_json::{Value, json};

/// Update a VNF to a new package: images, ConfigMaps and Secrets, and exactly the Pods that use them
///
/// The plan is shown first: what changes, which Pods restart for which key or image, and what is left alone. What else the
/// package changes in a workload is deferred until `heal --all`; other changes are refused, and `change-package` makes them.
/// Afterwards it is read from the cluster that all other Pods were not touched. Without --package, images, config and
/// missing objects that drifted are put back.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  # Show the plan, and let the API server check it; nothing is written
  kubectl vnf update sample-vnf --package sample-2.csar --dry-run=server

  # With Tacker's request file, and back by itself if it fails
  kubectl vnf update sample-vnf --package sample-2.csar -f update.json --rollback-on-failure

  # Put back what somebody has changed
  kubectl vnf update sample-vnf

  # Another name; no workload is touched
  kubectl vnf update lab-vnf-2 --name lab-vnf-3")]
pub struct UpdateArgs {
    /// The instance: id, name, or the beginning of its id
    pub name: String,
    /// The new package: a CSAR, a directory with the same tree, or the vnfdId of one in the cluster
    #[arg(long, value_name = "REF")]
    pub package: Option<String>,
    /// Request file (vnfdId, vnfInstanceName, metadata.configmap_secret_paths, ...), JSON or YAML, `-` for stdin
    #[arg(short = 'f', long, value_name = "FILE")]
    pub request: Option<String>,
    /// New name of the instance
    #[arg(long = "name", value_name = "NAME")]
    pub new_name: Option<String>,
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

pub(crate) async fn run(global: &Global, args: UpdateArgs) -> Result<Exit, CliError> {
    let UpdateArgs { package, request, new_name, trust, .. } = args;
    let read = move || Asked::read(package.as_deref(), request.as_deref(), new_name, &trust);
    let open = async {
        let env = Env::connect(global).await?;
        let session = Session::open(&env.cluster, &env.store, &args.name).await?;
        session.require_free()?;
        let in_force = match session.instance().current() {
            Some(current) => Some(InForce::read(&session, current).await?),
            None => None,
        };
        Ok((env, session, in_force))
    };
    let (asked, (env, mut session, in_force)) = read_beside(read, open).await?;
    let Some(in_force) = in_force else { return modify_record(&env, &mut session, asked).await };
    let prepared = Prepared::new(&env, &session, in_force, asked).await?;
    if args.change.dry_run == DryRun::None && prepared.mend(&env, &session).await? {
        env.ui.err("! the stored package was damaged, and has been stored anew\n");
    }
    let proposal = prepared.propose(&env, &session)?;
    let journal = &proposal.journal;
    if journal.scope.is_empty() && journal.record.is_empty() && !prepared.moves(journal) {
        let name = &proposal.sheet.name;
        env.ui.out(&format!("vnfinstance/{name} unchanged: runs this package, nothing drifted\n"));
        return Ok(Exit::Done);
    }
    let operating = Operating {
        env: &env,
        session: &mut session,
        contents: &prepared.contents,
        observer: &prepared.observer,
        change: &args.change,
    };
    let mut terms = Terms::of(&args.way);
    // Without a package, putting back what drifted is all that is asked for.
    terms.overwrite_drift |= prepared.restores();
    let (exit, _) = operating.run(terms, proposal, |session| prepared.propose(&env, session)).await?;
    Ok(exit)
}

/// What the user asks for, read from flags and files.
pub(crate) struct Asked {
    request: UpdateRequest,
    config_paths: Option<Vec<String>>,
    new_name: Option<String>,
    package: Option<Reference>,
    package_named: Option<String>,
    notes: Vec<String>,
}

impl Asked {
    pub(crate) fn read(
        package: Option<&str>,
        request_path: Option<&str>,
        new_name: Option<String>,
        trust: &PackageFlags,
    ) -> Result<Self, CliError> {
        let (request, notes) = match request_path {
            Some(path) => UpdateRequest::read(path)?,
            None => (UpdateRequest::default(), Vec::new()),
        };
        let config_paths = request.config_paths();
        let new_name = new_name.or_else(|| request.vnf_instance_name.clone());
        if let Some(name) = &new_name {
            check_name(name)?;
        }
        let named = package.map(|named| Reference::read(named, trust)).transpose()?;
        if let Some(Reference::File(opened)) = &named {
            require_vnfd_id(request.vnfd_id.as_deref(), &request.source, opened)?;
        }
        Ok(Self {
            request,
            config_paths,
            new_name,
            package: named,
            package_named: package.map(ToOwned::to_owned),
            notes,
        })
    }

    /// Whether the VNF itself is to be changed: a package is named, or config files of the one in force.
    fn moves_content(&self) -> bool {
        self.package_named.is_some() || self.config_paths.is_some()
    }

    /// The new package, if one is named: by the flag, or by another `vnfdId` than the one in force.
    async fn load(&mut self, env: &Env, in_force: &str) -> Result<Option<(Package, Option<usize>)>, CliError> {
        let named = match self.package.take() {
            Some(named) => named,
            None => match self.request.vnfd_id.as_ref().filter(|wanted| *wanted != in_force) {
                None => return Ok(None),
                Some(wanted) => {
                    self.package_named = Some(wanted.clone());
                    Reference::of_request(wanted, &self.request.source)
                }
            },
        };
        let (package, checked) = named.load(env).await?;
        require_vnfd_id(self.request.vnfd_id.as_deref(), &self.request.source, &package)?;
        self.notes.extend(package_notes(&package));
        Ok(Some((package, checked)))
    }

    /// The record's new attributes, merged; what stays equal is left out.
    fn record_change(&self, instance: &Instance) -> RecordChange {
        let merged =
            |old: &Value, patch: &Option<Value>| patch.as_ref().map(|patch| merge(old, patch)).filter(|new| new != old);
        let description = self.request.vnf_instance_description.as_ref().map(|value| value.as_str().unwrap_or(""));
        let old_description = instance.vnf_instance_description.as_deref().unwrap_or("");
        RecordChange {
            name: self.new_name.clone().filter(|name| *name != instance.vnf_instance_name),
            description: description.filter(|text| *text != old_description).map(ToOwned::to_owned),
            metadata: merged(&instance.metadata, &self.request.metadata),
            extensions: merged(&instance.extensions, &self.request.extensions),
            configurable_properties: merged(
                &instance.vnf_configurable_properties,
                &self.request.vnf_configurable_properties,
            ),
        }
    }
}

/// On a NOT_INSTANTIATED instance only the record changes.
async fn modify_record(env: &Env, session: &mut Session, mut asked: Asked) -> Result<Exit, CliError> {
    let in_force = session.instance().vnfd_id.clone();
    let package = asked.load(env, &in_force).await?.map(|(package, _)| package);
    let change = asked.record_change(session.instance());
    let former = session.instance().vnf_instance_name.clone();
    let old_package = session.instance().kubectl_vnf.package.digest.clone();
    if let Some(package) = &package {
        let id = package_id(package);
        require_same_product(session.instance(), &id, &asked)?;
        session.stored.instance.set_package(id);
    }
    if let Some(name) = &change.name {
        env.store.claim(&session.stored, name).await?;
    }
    session.stored.instance.modify(&change, env.cluster.now());
    env.store.save(&mut session.stored).await?;
    if let Some(package) = &package {
        env.store.put_package(package).await?;
        env.store.collect_packages(&std::collections::BTreeSet::from([old_package])).await?;
    }
    let name = session.instance().vnf_instance_name.clone();
    if name != former {
        // A name that could not be freed now is free for the taking all the same.
        let _ = env.store.prune(session.instance(), None).await;
    }
    env.ui.out(&format!("vnfinstance/{name} updated: the record only, nothing is instantiated\n"));
    Ok(Exit::Done)
}

fn require_same_product(instance: &Instance, id: &PackageId, asked: &Asked) -> Result<(), CliError> {
    let running = &instance.kubectl_vnf.package;
    if running.same_product(id) {
        return Ok(());
    }
    let path = asked.package_named.as_deref().unwrap_or("the package");
    Err(CliError::new(format!("{path} is another product"))
        .hint(format!("{} runs   {}   {}", instance.vnf_instance_name, running.title(), running.vnfd_id))
        .hint(format!("the package is   {}   {}", id.title(), id.vnfd_id)))
}

/// What there is before the new package is known: the package in force, if it could be read, and the objects.
pub(crate) struct InForce {
    contents: Contents,
    loaded: Result<(), EngineError>,
    observer: Observer,
}

impl InForce {
    pub(crate) async fn read(session: &Session, current: &Revision) -> Result<Self, CliError> {
        let mut contents = Contents::default();
        let (loaded, observer) = session.prepare(&[current], &mut contents).await?;
        Ok(Self { contents, loaded, observer })
    }
}

/// Everything that an update's plan is made from.
pub(crate) struct Prepared {
    pub(crate) contents: Contents,
    pub(crate) observer: Observer,
    asked: Asked,
    package: PackageId,
    digests_checked: Option<usize>,
    operation_id: String,
}

impl Prepared {
    /// Loads the package that is asked for.
    pub(crate) async fn new(
        env: &Env,
        session: &Session,
        in_force: InForce,
        mut asked: Asked,
    ) -> Result<Self, CliError> {
        let instance = session.instance();
        let current = require_current(instance)?;
        let InForce { mut contents, loaded, observer } = in_force;
        let given = asked.load(env, &current.package.vnfd_id).await?;
        let (package, digests_checked) = match given {
            Some((given, checked)) => {
                let id = package_id(&given);
                require_same_product(instance, &id, &asked)?;
                contents.add(given);
                (id, checked)
            }
            None => (current.package.clone(), None),
        };
        if loaded.is_err() {
            // What the cluster has lost may be what was brought along.
            session.load(&[current], &mut contents).await?;
        }
        Ok(Self { contents, observer, asked, package, digests_checked, operation_id: new_id() })
    }

    /// Stores the package in force again where the cluster has lost a part of it, once somebody brings it along.
    async fn mend(&self, env: &Env, session: &Session) -> Result<bool, CliError> {
        let in_force =
            session.instance().current().is_some_and(|current| current.package.digest == self.package.digest);
        match self.contents.package(&self.package.digest).filter(|_| in_force && self.digests_checked.is_some()) {
            Some(package) => Ok(env.store.mend_package(package).await?),
            None => Ok(false),
        }
    }

    /// Whether the request is to put back what drifted, and nothing else.
    fn restores(&self) -> bool {
        !self.asked.moves_content()
    }

    /// Whether the record moves to another package although nothing of the cluster changes.
    pub(crate) fn moves(&self, journal: &Journal) -> bool {
        let digest = |revision: &Option<Revision>| revision.as_ref().map(|revision| revision.package.digest.clone());
        digest(&journal.source) != digest(&journal.target)
    }

    /// The plan as of now.
    pub(crate) fn propose(&self, env: &Env, session: &Session) -> Result<Proposal, CliError> {
        let instance = session.instance();
        let current = require_current(instance)?;
        let package = self
            .contents
            .package(&self.package.digest)
            .ok_or_else(|| CliError::new(format!("package sha256:{} is not at hand", self.package.short_digest())))?;
        let record = self.asked.record_change(instance);
        let live = self.observer.live();
        let number = instance.kubectl_vnf.last_revision + 1;
        let (target, scope) = if !self.asked.moves_content() && !record.is_empty() {
            // A rename alone touches no workload.
            (current.clone(), Scope::default())
        } else {
            let request = update::Request {
                current,
                package,
                package_id: self.package.clone(),
                config_paths: self.asked.config_paths.as_deref(),
                contents: &self.contents,
                number,
                operation_id: &self.operation_id,
                time: env.cluster.now(),
            };
            let derived = if self.asked.moves_content() {
                update::update(&request).map_err(|refusal| self.refused(env, instance, refusal))?
            } else {
                update::as_it_is(&request)
            };
            let restore = derived.config.is_empty() && self.package.digest == current.package.digest;
            update::scope(current, derived, &self.contents, &live, restore)?
        };
        let deferred = update::deferred(&target, &self.contents).map_err(|r| self.refused(env, instance, r))?;
        let drift = drift::overwritten(current, &target, &scope, &self.contents, &live)?;
        let journal = Journal { record, ..journal(current, Some(target), scope, &live) };
        let sheet = Sheet {
            digests_checked: self.digests_checked,
            record: record_lines(instance, &journal.record),
            config_rule: Some(match self.asked.config_paths.as_deref() {
                None => ConfigRule::AllChanged,
                Some([]) => ConfigRule::NoneListed,
                Some(_) => ConfigRule::Listed,
            }),
            deferred,
            drift,
            notes: self.asked.notes.clone(),
            ..Sheet::of(Verb::Update, instance, env.cluster.context(), &journal, &self.contents, &live)?
        };
        let request = &self.asked.request;
        let params = json!({
            "vnfdId": request.vnfd_id,
            "vnfInstanceName": self.asked.new_name,
            "vnfInstanceDescription": request.vnf_instance_description,
            "metadata": request.metadata,
            "extensions": request.extensions,
            "vnfConfigurableProperties": request.vnf_configurable_properties,
        });
        Ok(Proposal {
            operation_id: self.operation_id.clone(),
            params: without_nulls(params),
            incoming: Some(self.package.digest.clone()).filter(|digest| *digest != current.package.digest),
            seen: live.state(),
            journal,
            sheet,
        })
    }

    fn refused(&self, env: &Env, instance: &Instance, refusal: Refusal) -> CliError {
        match refusal {
            Refusal::Changes(changes) => {
                let path = self.asked.package_named.as_deref().unwrap_or("PATH");
                let name = &instance.vnf_instance_name;
                env.ui.err(&plan_view::refused(&changes, path, name, &env.screen()));
                let count = crate::view::words::count(changes.len(), "change");
                CliError::new(format!(
                    "update of {name} refused: {count} of the package cannot be made, nothing was written"
                ))
            }
            Refusal::Package(error) => error.into(),
            Refusal::Paths(problems) => {
                let told = problems.into_iter().map(|problem| match problem.index {
                    Some(index) => {
                        let field = format!("metadata.configmap_secret_paths[{index}]");
                        self.asked.request.source.blame(&field, problem.message)
                    }
                    None => CliError::new(problem.message),
                });
                CliError::all(told.collect()).hint("Nothing was written")
            }
            other => CliError::new(other).hint("Nothing was written"),
        }
    }
}

/// The revision in force.
pub(crate) fn require_current(instance: &Instance) -> Result<&Revision, CliError> {
    instance.current().ok_or_else(|| {
        let name = &instance.vnf_instance_name;
        CliError::new(format!("{name} is NOT_INSTANTIATED"))
            .hint(format!("Instantiate it: kubectl vnf instantiate {name}"))
    })
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(fields.into_iter().filter(|(_, value)| !value.is_null()).collect()),
        other => other,
    }
}

/// The record's changes, one line an attribute.
fn record_lines(instance: &Instance, change: &RecordChange) -> Vec<RecordLine> {
    let mut lines = Vec::new();
    let mut line = |attribute: &str, before: &str, after: Option<&str>| {
        if let Some(after) = after {
            lines.push(RecordLine { attribute: attribute.into(), before: before.into(), after: after.into() });
        }
    };
    line("vnfInstanceName", &instance.vnf_instance_name, change.name.as_deref());
    let description = instance.vnf_instance_description.as_deref().unwrap_or("");
    line("vnfInstanceDescription", description, change.description.as_deref());
    // Maps are long: that they change is enough here, `show -o json` has them.
    for (attribute, new) in
        [("extensions", &change.extensions), ("vnfConfigurableProperties", &change.configurable_properties)]
    {
        line(attribute, "", new.as_ref().map(|_| "changed"));
    }
    lines
}
