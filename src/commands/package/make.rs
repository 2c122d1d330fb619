//! `package init` and `package build`: a package to start from, and a CSAR of a directory.

use super::super::reference::package_id;
use super::validate;
use crate::cli::args::Global;
use crate::cli::error::{CliError, Exit};
use crate::cli::ui::Ui;
use crate::package::{BuildError, BuildRequest, OpenOptions, build as write_archive, examine, init as starter};
use crate::view::validate as report;
use jiff::Timestamp;
use std::fs;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Write a small package to start from
///
/// It has one flavour, a Deployment that scales and the ConfigMap that it uses; it validates and instantiates as it is.
/// Its files carry no digests, so that they can be edited: `package build` computes them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  # The product takes the name of the directory
  kubectl vnf package init my-vnf

  # It validates as it is
  kubectl vnf package init upf && kubectl vnf package validate upf")]
pub struct InitArgs {
    /// The directory to make; its name becomes that of the product and its workload
    pub directory: PathBuf,
}

pub(crate) fn init(_global: &Global, args: &InitArgs) -> Result<Exit, CliError> {
    let directory = &args.directory;
    let broken = |path: &Path, error: &std::io::Error| CliError::new(format!("{}: {error}", path.display()));
    fs::create_dir_all(directory).map_err(|error| broken(directory, &error))?;
    let mut inside = fs::read_dir(directory).map_err(|error| broken(directory, &error))?;
    if inside.next().is_some() {
        return Err(CliError::new(format!("{} is not empty", directory.display()))
            .hint("Name a directory that is not there yet, or is empty"));
    }
    let whole = directory.canonicalize().map_err(|error| broken(directory, &error))?;
    let name = starter::name_of(&whole.file_name().unwrap_or_default().to_string_lossy());
    let date = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let files = starter::files(&name, &Uuid::new_v4().to_string(), &date);
    let mut text = format!("{}: a package of product {name}, {} files\n", directory.display(), files.len());
    for (path, content) in files {
        let path = directory.join(path);
        let folder = path.parent().unwrap_or(directory);
        fs::create_dir_all(folder).and_then(|()| fs::write(&path, content)).map_err(|error| broken(&path, &error))?;
    }
    let quoted = crate::view::words::quote(&directory.display().to_string());
    text.push_str(&format!(
        "  Try it: kubectl vnf instantiate {name} --package {quoted}\n  Pack it: kubectl vnf package build {quoted} -o {name}.csar\n"
    ));
    Ui::new("").out(&text);
    Ok(Exit::Done)
}

/// Make a CSAR of a directory
///
/// Writes TOSCA.meta and the manifest anew, with the digests of what is there. The same files always give the same
/// bytes. A package with errors is not written. What is in files and directories whose names begin with a dot is left
/// out, unless the package lists the file, and so is a signature, which was for other bytes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  # Pack it
  kubectl vnf package build my-vnf -o my-vnf.csar

  # The next version, with an identity of its own
  kubectl vnf package build my-vnf -o next.csar --new-vnfd-id")]
pub struct BuildArgs {
    /// The directory: the tree of the package
    pub directory: PathBuf,
    /// The CSAR to write
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Give the package an identity of its own, in all its definitions [default: a random UUID]
    #[arg(long, value_name = "ID", num_args = 0..=1, require_equals = true)]
    pub new_vnfd_id: Option<Option<Uuid>>,
}

pub(crate) fn build(_global: &Global, args: &BuildArgs) -> Result<Exit, CliError> {
    let output = &args.output;
    let broken = |error: &std::io::Error| CliError::new(format!("{}: {error}", output.display()));
    if !args.directory.is_dir() {
        return Err(CliError::new(format!("{} is not a directory", args.directory.display()))
            .hint("A package is built from its tree; unzip a CSAR to use it as a template"));
    }
    let name = output.file_name().filter(|_| !output.is_dir());
    let Some(name) = name else {
        return Err(CliError::new(format!("{} is not a file to write", output.display())));
    };
    // Beside its place and under a hidden name, so that nobody takes it for done, and it is never a part of itself.
    let part = output.with_file_name(format!(".{}.part", name.to_string_lossy()));
    let id = args.new_vnfd_id.map(|id| id.unwrap_or_else(Uuid::new_v4).to_string());
    let date = release_date();
    let request = BuildRequest { directory: &args.directory, output, vnfd_id: id.as_deref(), date: &date };
    let outcome = written(&request, &part, broken);
    if !matches!(outcome, Ok(Exit::Done)) {
        // The error at hand says more than a file that cannot be removed.
        let _ = fs::remove_file(&part);
    }
    outcome
}

fn written(
    request: &BuildRequest<'_>,
    part: &Path,
    broken: impl Fn(&std::io::Error) -> CliError,
) -> Result<Exit, CliError> {
    let file = fs::File::create(part).map_err(|error| broken(&error))?;
    let files = write_archive(request, BufWriter::new(file)).map_err(|error| match error {
        BuildError::Package(error) => error.into(),
        other => CliError::new(other),
    })?;
    let mut examination = examine(part, &OpenOptions::default());
    examination.origin = request.output.display().to_string();
    let ui = Ui::new("");
    let sheet = validate::sheet(&examination);
    let screen = ui.screen(Timestamp::now());
    let Some(package) = examination.package.filter(|_| sheet.valid) else {
        ui.err(&report::report(&sheet, &screen));
        return Err(CliError::new(format!("{} was not written", request.output.display())));
    };
    fs::rename(part, request.output).map_err(|error| broken(&error))?;
    if sheet.warnings > 0 {
        ui.err(&report::report(&sheet, &screen));
    }
    let id = package_id(&package);
    ui.out(&format!(
        "{}: {}, {files} files, {} digests, not signed\n  vnfdId  {}\n  Digest  sha256:{}\n",
        request.output.display(),
        id.title(),
        package.digests_checked,
        id.vnfd_id,
        id.digest,
    ));
    Ok(Exit::Done)
}

/// The release date of a package whose manifest names none: as reproducible builds have it, and else the date of its
/// zip entries, for the hour of a build is no part of its content.
fn release_date() -> String {
    let seconds = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.parse().ok());
    let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or("1980-01-01T00:00:00Z".into(), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}
