//! `package validate`: everything that is wrong with a package.

use super::super::request::{PackageFlags, package_id};
use super::machine;
use crate::cli::args::{Global, Output};
use crate::cli::error::{CliError, Exit};
use crate::cli::ui::Ui;
use crate::package::{Examination, examine};
use crate::record::PackageId;
use crate::view::validate::{self, ValidationSheet};
use std::path::Path;

/// Say everything that is wrong with a package, at file and line
///
/// Exits 0 if there is no error, warnings or not. Nothing is asked of a cluster, no script of the package is run and no
/// URL is fetched.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kubectl vnf package validate vendor.csar")]
pub struct ValidateArgs {
    /// The package: a CSAR file, or a directory with the same tree
    pub package: String,
    /// Output format
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub output: Option<Output>,
    /// Which packages are taken.
    #[command(flatten)]
    pub trust: PackageFlags,
}

pub(crate) fn run(_global: &Global, args: &ValidateArgs) -> Result<Exit, CliError> {
    let options = args.trust.options()?;
    Ok(report(&examine(Path::new(&args.package), &options), args.output))
}

/// Prints what was found in a package.
pub(super) fn report(examination: &Examination, output: Option<Output>) -> Exit {
    let ui = Ui::new("");
    let sheet = sheet(examination);
    let text = match output {
        Some(Output::Name) => format!(
            "vnfpackage/{}\n",
            examination.package.as_ref().map(|package| package.vnfd.descriptor_id.as_str()).unwrap_or_default()
        ),
        Some(output) => machine(&sheet, output),
        None => validate::report(&sheet, &ui.screen(jiff::Timestamp::now())),
    };
    ui.out(&text);
    if sheet.valid { Exit::Done } else { Exit::Failed }
}

/// What the view shows of what was found.
pub(super) fn sheet(examination: &Examination) -> ValidationSheet {
    let id = examination.package.as_ref().map(package_id);
    let product = id.as_ref().filter(|id| !id.product_name.is_empty()).map(PackageId::title);
    let (origin, problems) = (examination.origin.clone(), examination.problems.clone());
    ValidationSheet::new(origin, product, examination.standards(), problems)
}
