//! What is offered from the kubeconfig, from packages and from the cluster.

use super::Typed;
use crate::apart;
use crate::cli::error::CliError;
use crate::cluster::Cluster;
use crate::cluster::store::annotation;
use crate::commands::env::Env;
use crate::commands::reference::{PackageFlags, Reference};
use crate::engine::session::Session;
use crate::object::text;
use crate::plan::Contents;
use crate::plan::derive::heal::{Vnfc, vnfcs};
use crate::record::instance::InstantiationState;
use crate::record::names::{column, short};
use crate::record::{Instance, OperationState};
use clap_complete::CompletionCandidate;
use std::ffi::OsStr;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// How long all lookups of a process may take together.
const PATIENCE: Duration = Duration::from_millis(1800);

/// What is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// Names of instances.
    Instances,
    /// Names of instances that are not instantiated.
    NotInstantiated,
    /// Names of instances with an operation that has not come to its end.
    Unfinished,
    /// Names of instances, and ids of operations.
    Operations,
    /// VNFC ids of the instance.
    Vnfcs,
    /// VDUs of the instance.
    Vdus,
    /// Scaling aspects of the instance.
    Aspects,
    /// Revisions of the instance.
    Revisions,
    /// Packages in the cluster.
    Packages,
    /// Flavours of the package.
    Flavours,
    /// Instantiation levels of the flavour.
    Levels,
    /// Namespaces.
    Namespaces,
    /// Contexts of the kubeconfig.
    Contexts,
    /// Clusters of the kubeconfig.
    Clusters,
    /// Users of the kubeconfig.
    Users,
}

/// A candidate and what it is.
type Found = (String, String);

/// The lookups of one process.
pub(super) struct Lookup {
    typed: Arc<Typed>,
    until: Instant,
}

impl Lookup {
    pub(super) fn new(typed: Typed) -> Self {
        Self { typed: Arc::new(typed), until: Instant::now() + PATIENCE }
    }

    /// The candidates that begin as is typed. None when anything goes wrong.
    pub(super) fn candidates(&self, subject: Subject, current: &OsStr) -> Vec<CompletionCandidate> {
        let Some(current) = current.to_str() else { return Vec::new() };
        let begins = |found: &Found| found.0.starts_with(current) && !self.typed.names.contains(&found.0);
        let found = self.look(subject).into_iter().filter(begins);
        found.map(|(value, help)| CompletionCandidate::new(value).help(Some(help.into()))).collect()
    }

    /// On a thread of its own, which nobody waits for when it is late: a credential plugin may not come back.
    fn look(&self, subject: Subject) -> Vec<Found> {
        let (sender, receiver) = mpsc::channel();
        let typed = self.typed.clone();
        let looking = std::thread::Builder::new().spawn(move || {
            let found = apart::runtime().ok().and_then(|runtime| runtime.block_on(find(subject, &typed)).ok());
            // Whoever asked may have gone on.
            let _ = sender.send(found.unwrap_or_default());
        });
        let left = self.until.saturating_duration_since(Instant::now());
        looking.ok().and_then(|_| receiver.recv_timeout(left).ok()).unwrap_or_default()
    }
}

async fn find(subject: Subject, typed: &Typed) -> Result<Vec<Found>, CliError> {
    let named = |names: Vec<String>, what: &str| names.into_iter().map(|name| (name, what.to_owned())).collect();
    let entries = || typed.global.connect_options().entries();
    let env = async || Env::connect(&typed.global).await;
    match subject {
        Subject::Contexts => Ok(named(entries()?.contexts, "context of the kubeconfig")),
        Subject::Clusters => Ok(named(entries()?.clusters, "cluster of the kubeconfig")),
        Subject::Users => Ok(named(entries()?.users, "user of the kubeconfig")),
        Subject::Instances => instances(&env().await?, |_, _| true).await,
        Subject::NotInstantiated => {
            let not_instantiated = InstantiationState::NotInstantiated.to_string();
            instances(&env().await?, |state, _| state == not_instantiated).await
        }
        Subject::Unfinished => {
            let open = [OperationState::FailedTemp].into_iter().chain(OperationState::RUNNING);
            let ends: Vec<String> = open.map(|state| format!(" {state}")).collect();
            instances(&env().await?, |_, operation| ends.iter().any(|end| operation.ends_with(end))).await
        }
        Subject::Operations => {
            let env = env().await?;
            let (operations, _) = env.store.operations(None).await?;
            let operations = operations.into_iter().map(|stored| stored.operation);
            let ids = operations.map(|operation| {
                (
                    short(&operation.id).to_owned(),
                    format!("{} {}", operation.kubectl_vnf.verb, operation.operation_state),
                )
            });
            Ok(instances(&env, |_, _| true).await?.into_iter().chain(ids).collect())
        }
        Subject::Vnfcs => {
            let found = live(&env().await?, typed).await?.into_iter();
            Ok(found.map(|vnfc| (vnfc.id, format!("{} {}", vnfc.workload.kind, vnfc.workload.name))).collect())
        }
        Subject::Vdus => {
            let found = live(&env().await?, typed).await?.into_iter();
            let mut vdus: Vec<Found> =
                found.map(|vnfc| (vnfc.vdu, format!("{} {}", vnfc.workload.kind, vnfc.workload.name))).collect();
            vdus.dedup();
            Ok(vdus)
        }
        Subject::Aspects => {
            let instance = instance(&env().await?, typed).await?;
            let aspects = instance.current().map(|revision| revision.scale.clone()).unwrap_or_default();
            let level = |aspect: crate::record::AspectLevel| {
                (aspect.aspect_id, format!("{} of {}", aspect.scale_level, aspect.max_scale_level))
            };
            Ok(aspects.into_iter().map(level).collect())
        }
        Subject::Revisions => {
            let instance = instance(&env().await?, typed).await?;
            let revisions = instance.revisions.iter().rev().skip(1);
            let told = revisions.map(|revision| {
                let package = &revision.package;
                (revision.number.to_string(), format!("{}, {}", revision.verb, package.title()))
            });
            Ok(told.collect())
        }
        Subject::Packages => {
            let packages = env().await?.store.packages().await?.into_iter();
            Ok(packages.map(|package| (package.vnfd_id, package.product)).collect())
        }
        Subject::Flavours => {
            let package = package(&env().await?, typed).await?;
            let flavours = package.vnfd.flavours.iter();
            Ok(flavours.map(|flavour| (flavour.id.clone(), flavour.description.clone())).collect())
        }
        Subject::Levels => {
            let package = package(&env().await?, typed).await?;
            let flavour = package.vnfd.flavour(typed.flavour.as_deref()).map_err(CliError::new)?;
            Ok(named(flavour.levels.iter().map(|level| level.id.clone()).collect(), "instantiation level"))
        }
        Subject::Namespaces => Ok(named(namespaces(&env().await?.cluster).await?, "namespace")),
    }
}

/// Instances of the namespace whose state and last operation are as wanted. Metadata only.
async fn instances(env: &Env, wanted: impl Fn(&str, &str) -> bool) -> Result<Vec<Found>, CliError> {
    let records = env.store.records().await?;
    let fits = records
        .iter()
        .filter(|record| wanted(annotation(record, column::STATE), annotation(record, column::OPERATION)));
    let mut found: Vec<Found> = fits
        .map(|record| {
            let about = format!("{}, {}", annotation(record, column::PRODUCT), annotation(record, column::STATE));
            (annotation(record, column::NAME).to_owned(), about)
        })
        .collect();
    found.sort();
    Ok(found)
}

/// The instance that is named on the command line.
async fn instance(env: &Env, typed: &Typed) -> Result<Instance, CliError> {
    let name = typed.names.first().ok_or_else(|| CliError::new("no instance is named yet"))?;
    Ok(env.store.find(name).await?.instance)
}

/// Its VNFCs.
async fn live(env: &Env, typed: &Typed) -> Result<Vec<Vnfc>, CliError> {
    let name = typed.names.first().ok_or_else(|| CliError::new("no instance is named yet"))?;
    let session = Session::open(&env.cluster, &env.store, name).await?;
    let Some(current) = session.instance().current().cloned() else { return Ok(Vec::new()) };
    let mut contents = Contents::default();
    let (loaded, observer) = session.prepare(&[&current], &mut contents).await?;
    loaded?;
    Ok(vnfcs(&current, &contents, &observer.live()))
}

/// The package that is named on the command line.
async fn package(env: &Env, typed: &Typed) -> Result<crate::package::Package, CliError> {
    let named = typed.package.as_deref().ok_or_else(|| CliError::new("no package is named yet"))?;
    Ok(Reference::read(named, &PackageFlags::default())?.load(env).await?.0)
}

async fn namespaces(cluster: &Cluster) -> Result<Vec<String>, CliError> {
    let listing = cluster.list_metadata("v1", "Namespace", None, "").await?;
    Ok(listing.items.iter().filter_map(|namespace| text(namespace, "/metadata/name")).map(ToOwned::to_owned).collect())
}
