//! `package`: what is in a package, without a cluster.

use super::request::open_package;
use crate::cli::args::{Global, Output};
use crate::cli::error::{CliError, Exit};
use crate::cli::ui::Ui;
use crate::view::inspect;

/// Show what a package holds and what it would put on a cluster
///
/// Examples:
///   kubectl vnf package inspect sample.csar
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct InspectArgs {
    /// The package: a CSAR file, or a directory with the same tree
    pub package: String,
    /// Output format
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub output: Option<Output>,
    /// Go on although files do not match their digests
    #[arg(long)]
    pub allow_hash_mismatch: bool,
}

pub(crate) fn inspect(_global: &Global, args: &InspectArgs) -> Result<Exit, CliError> {
    let package = open_package(&args.package, args.allow_hash_mismatch)?;
    let manifests = package.manifests(&package.kubernetes_files())?;
    let ui = Ui::new("");
    ui.out(&inspect::package(&package, &manifests, &ui.screen(jiff::Timestamp::now())));
    Ok(Exit::Done)
}
