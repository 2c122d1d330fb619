//! `package validate`: everything that is wrong with a package.

use super::super::reference::{PackageFlags, package_id};
use super::name_of;
use crate::cli::args::Global;
use crate::cli::error::{CliError, Exit};
use crate::cli::output::{Output, OutputParser};
use crate::cli::ui::Ui;
use crate::package::{Examination, examine};
use crate::record::PackageId;
use crate::view::validate::{self, ValidationSheet};
use std::path::Path;

/// Say everything that is wrong with a package, at file and line
///
/// Archive, TOSCA.meta, manifest, digests, signature, descriptor, Kubernetes files, and whether these fit each other. Exits 0
/// if there is no error, warnings or not. Nothing is asked of a cluster, no script of the package is run and no URL is
/// fetched.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  # For a person
  kubectl vnf package validate sample-1.csar

  # How many errors?
  kubectl vnf package validate sample-1.csar -o jsonpath='{.errors}'")]
pub struct ValidateArgs {
    /// The package: a CSAR file, or a directory with the same tree
    pub package: String,
    /// Output format
    #[arg(short, long, value_parser = OutputParser::SINGLE, value_name = "FORMAT")]
    pub output: Option<Output>,
    /// Which packages are taken.
    #[command(flatten)]
    pub trust: PackageFlags,
}

pub(crate) fn run(_global: &Global, args: &ValidateArgs) -> Result<Exit, CliError> {
    let options = args.trust.options()?;
    report(&examine(Path::new(&args.package), &options), args.output.as_ref())
}

/// Prints what was found in a package.
pub(super) fn report(examination: &Examination, output: Option<&Output>) -> Result<Exit, CliError> {
    let ui = Ui::new("");
    let sheet = sheet(examination);
    let id = examination.package.as_ref().map(|package| package.vnfd.descriptor_id.as_str());
    ui.out(&match output {
        Some(output) => output.text(&sheet, &name_of(id.unwrap_or_default()))?,
        None => validate::report(&sheet, &ui.screen(jiff::Timestamp::now())),
    });
    Ok(if sheet.valid { Exit::Done } else { Exit::Failed })
}

/// What the view shows of what was found.
pub(super) fn sheet(examination: &Examination) -> ValidationSheet {
    let id = examination.package.as_ref().map(package_id);
    let product = id.as_ref().filter(|id| !id.product_name.is_empty()).map(PackageId::title);
    let (origin, problems) = (examination.origin.clone(), examination.problems.clone());
    ValidationSheet::new(origin, product, examination.standards(), problems)
}
