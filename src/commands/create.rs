//! `create`: a record, and nothing else yet.

use super::env::{Env, new_id};
use super::reference::{PackageFlags, Reference, package_id, package_notes, require_vnfd_id, tell_notes};
use super::request::CreateRequest;
use crate::cli::args::Global;
use crate::cli::error::{CliError, Exit};
use crate::cluster::store::Stored;
use crate::package::Package;
use crate::record::Instance;
use std::collections::BTreeSet;

/// Create a VNF instance record without instantiating it
///
/// The record and its name are in the cluster from then on, and so is the package: `kubectl vnf instantiate NAME` needs no
/// file later. Nothing runs yet. Who wants both at once leaves this step out.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  # From a CSAR, or a directory with the same tree
  kubectl vnf create lab-vnf --package sample-1.csar

  # From a package that is in the cluster
  kubectl vnf create lab-vnf-2 --package 97018ca2-bf29-4715-9e2b-6e432dd1f414")]
pub struct CreateArgs {
    /// Name of the instance, unique in its namespace
    pub name: String,
    /// The package: a CSAR, a directory with the same tree, or the vnfdId of one in the cluster [default: the
    /// request's vnfdId]
    #[arg(long, value_name = "REF")]
    pub package: Option<String>,
    /// Request file (vnfdId, vnfInstanceDescription, metadata), JSON or YAML, `-` for stdin
    #[arg(short = 'f', long, value_name = "FILE")]
    pub request: Option<String>,
    /// Which packages are taken.
    #[command(flatten)]
    pub trust: PackageFlags,
}

pub(crate) async fn run(global: &Global, args: CreateArgs) -> Result<Exit, CliError> {
    let (request, mut notes) = match &args.request {
        Some(path) => CreateRequest::read(path)?,
        None => (CreateRequest::default(), Vec::new()),
    };
    let named = Reference::given(args.package.as_deref(), &args.trust, request.vnfd_id.as_deref(), &request.source)?;
    let env = Env::connect(global).await?;
    let (package, _) = named.load(&env).await?;
    require_vnfd_id(request.vnfd_id.as_deref(), &request.source, &package)?;
    notes.extend(package_notes(&package));
    tell_notes(&env, &notes);
    let mut instance = Instance::create(new_id(), args.name.clone(), package_id(&package));
    instance.vnf_instance_description = request.vnf_instance_description;
    instance.metadata = request.metadata.unwrap_or_default();
    let stored = create(&env, instance, &package).await?;
    env.ui.out(&format!("vnfinstance/{} created\n  id {}\n", args.name, stored.instance.id));
    Ok(Exit::Done)
}

/// Creates the record and stores its package: the record first, so that nobody collects the package in between.
///
/// # Errors
/// The name is taken, or a write failed; then no record is left behind.
async fn create(env: &Env, instance: Instance, package: &Package) -> Result<Stored, CliError> {
    check_name(&instance.vnf_instance_name)?;
    let stored = env.store.create(instance).await?;
    if let Err(error) = env.store.put_package(package).await {
        let _ = env.store.delete(&stored).await;
        let digests = BTreeSet::from([package.digest.to_string()]);
        let _ = env.store.collect_packages(&digests).await;
        return Err(error.into());
    }
    Ok(stored)
}

/// SOL003 allows any string of up to 255 characters; what a terminal cannot show is refused.
pub(crate) fn check_name(name: &str) -> Result<(), CliError> {
    if name.is_empty() || name.chars().count() > 255 {
        return Err(CliError::usage("an instance name has 1 to 255 characters"));
    }
    if crate::object::mask::printable_line(name) != name || name.trim() != name {
        return Err(CliError::usage("an instance name cannot hold control characters, or begin or end with a space"));
    }
    Ok(())
}
