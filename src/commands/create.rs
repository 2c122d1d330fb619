//! `create`: a record, and nothing else yet.

use super::env::{Env, new_id};
use super::request::{PackageFlags, open_package, package_id, package_notes, tell_notes};
use crate::cli::args::Global;
use crate::cli::error::{CliError, Exit};
use crate::cluster::store::Stored;
use crate::package::Package;
use crate::record::Instance;
use std::collections::BTreeSet;

/// Create a VNF instance record without instantiating it
///
/// The package is stored in the cluster, so `kubectl vnf instantiate NAME` needs no file later.
#[derive(Debug, clap::Args)]
pub struct CreateArgs {
    /// Name of the instance, unique in its namespace
    pub name: String,
    /// The package: a CSAR file, or a directory with the same tree
    #[arg(long, value_name = "PATH")]
    pub package: String,
    /// Which packages are taken.
    #[command(flatten)]
    pub trust: PackageFlags,
}

pub(crate) async fn run(global: &Global, args: CreateArgs) -> Result<Exit, CliError> {
    let package = open_package(&args.package, &args.trust)?;
    let env = Env::connect(global).await?;
    tell_notes(&env, &package_notes(&package));
    let stored = create(&env, &args.name, &package).await?;
    env.ui.out(&format!("vnfinstance/{} created\n  id {}\n", args.name, stored.instance.id));
    Ok(Exit::Done)
}

/// Creates the record and stores its package: the record first, so that nobody collects the package in between.
///
/// # Errors
/// The name is taken, or a write failed; then no record is left behind.
pub(crate) async fn create(env: &Env, name: &str, package: &Package) -> Result<Stored, CliError> {
    check_name(name)?;
    let stored = env.store.create(Instance::create(new_id(), name.to_owned(), package_id(package))).await?;
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
