//! `package onboard|list|show|delete`: packages in the cluster.

use super::super::env::Env;
use super::super::operate::{print, print_all};
use super::super::reference::{PackageFlags, open_package, package_notes, stored_package, tell_notes};
use super::{name_of, sheet};
use crate::cli::args::{Global, Table};
use crate::cli::error::{CliError, Exit};
use crate::cli::output::{Output, OutputParser};
use crate::cluster::store::StoredPackage;
use crate::view::inspect;
use crate::view::tables::{self, PackageRow};

/// Store a package in the cluster, to be named by its vnfdId from then on
///
/// It is verified first, and stays until `package delete`. Only what life-cycle management needs is stored: definitions,
/// Kubernetes files, manifest. Doing it again changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  # A CSAR
  kubectl vnf package onboard sample-1.csar

  # Only if its signature leads to one of these CAs
  kubectl vnf package onboard signed.csar --require-signature --ca vendors.pem")]
pub struct OnboardArgs {
    /// The package: a CSAR file, or a directory with the same tree
    pub package: String,
    /// Which packages are taken.
    #[command(flatten)]
    pub trust: PackageFlags,
}

/// List the packages in the cluster, and how many instances use each
///
/// Those that were onboarded stay; those that came with an instance go with the last one that uses them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  # In this namespace
  kubectl vnf package list

  # For a script
  kubectl vnf package list -o name")]
pub struct ListArgs {
    /// Flags of every table.
    #[command(flatten)]
    pub table: Table,
}

/// Show what a package in the cluster holds, and who uses it
///
/// As `package inspect` shows a file. Where several packages have one vnfdId, the beginning of a digest names one of them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  # By its vnfdId
  kubectl vnf package show 97018ca2-bf29-4715-9e2b-6e432dd1f414

  # Its flavours
  kubectl vnf package show 97018ca2-bf29-4715-9e2b-6e432dd1f414 -o jsonpath='{.flavours[*].id}'")]
pub struct ShowArgs {
    /// The package: its vnfdId, or the beginning of its digest (sha256:...)
    pub package: String,
    /// Output format
    #[arg(short, long, value_parser = OutputParser::SINGLE, value_name = "FORMAT")]
    pub output: Option<Output>,
}

/// Delete a package from the cluster that no instance uses
///
/// Earlier revisions of an instance use their packages too: `undo` needs them. It is then said which instances those are.
#[derive(Debug, clap::Args)]
#[command(after_help = r#"Examples:
  # By its vnfdId
  kubectl vnf package delete 58bcc1c6-1400-46ec-b7fb-e508bf7e00e9

  # The first one of the list
  kubectl vnf package delete "$(kubectl vnf package list -o jsonpath='{[0].vnfdId}')""#)]
pub struct DeleteArgs {
    /// The package: its vnfdId, or the beginning of its digest (sha256:...)
    pub package: String,
}

pub(crate) async fn onboard(global: &Global, args: &OnboardArgs) -> Result<Exit, CliError> {
    let package = open_package(&args.package, &args.trust)?;
    let env = Env::connect(global).await?;
    tell_notes(&env, &package_notes(&package));
    env.store.onboard(&package).await?;
    let vnfd = &package.vnfd;
    let digest = package.digest.to_string();
    env.ui.out(&format!(
        "vnfpackage/{} onboarded: {} / {} {}\n  digest sha256:{}\n",
        vnfd.descriptor_id,
        vnfd.provider,
        vnfd.product_name,
        vnfd.software_version,
        digest.get(..12).unwrap_or(&digest),
    ));
    Ok(Exit::Done)
}

pub(crate) async fn list(global: &Global, args: &ListArgs) -> Result<Exit, CliError> {
    let env = Env::connect(global).await?;
    let packages = env.store.packages().await?;
    if let Some(output) = args.table.machine() {
        print_all(&env, output, &packages, |package| name_of(&package.vnfd_id))?;
        return Ok(Exit::Done);
    }
    if packages.is_empty() {
        env.ui.err(&format!("No packages found in {} namespace.\n", env.store.namespace()));
        return Ok(Exit::Done);
    }
    let row = |package: StoredPackage| PackageRow {
        vnfd_id: package.vnfd_id,
        product: package.product,
        provider: package.vnf_provider,
        digest: package.digest,
        used_by: package.used_by.len(),
        state: match (package.complete, package.onboarded) {
            (false, _) => "damaged",
            (true, true) => "onboarded",
            (true, false) => "while in use",
        },
        created: package.created,
    };
    let rows: Vec<PackageRow> = packages.into_iter().map(row).collect();
    env.ui.out(&tables::packages(&rows, !args.table.no_headers, &env.screen()));
    Ok(Exit::Done)
}

pub(crate) async fn show(global: &Global, args: &ShowArgs) -> Result<Exit, CliError> {
    let env = Env::connect(global).await?;
    let found = env.store.find_package(&args.package).await?;
    let package = stored_package(&env, &format!("sha256:{}", found.digest)).await?;
    let selection = package.survey()?;
    let sheet = sheet(&package, &selection.manifests);
    let users = match found.used_by.as_slice() {
        [] => "nobody".to_owned(),
        names => names.join(", "),
    };
    print(&env, args.output.as_ref(), &sheet, &name_of(&found.vnfd_id), |screen| {
        format!("{}  Used by     {users}\n", inspect::package(&sheet, screen))
    })?;
    Ok(Exit::Done)
}

pub(crate) async fn delete(global: &Global, args: &DeleteArgs) -> Result<Exit, CliError> {
    let env = Env::connect(global).await?;
    let found = env.store.find_package(&args.package).await?;
    env.store.delete_package(&found).await?;
    env.ui.out(&format!("vnfpackage/{} deleted\n", found.vnfd_id));
    Ok(Exit::Done)
}
