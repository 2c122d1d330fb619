//! Everything that is wrong with a package, in one run: each layer is judged as far as it can be read, whatever is wrong
//! with the one before it.
//!
//! The rules themselves stand where the thing they judge is read; how the findings look is decided in `view`.

use super::archive::Archive;
use super::problem::Problem;
use super::{META, OpenOptions, Package, workloads};
use crate::object::Manifest;
use std::path::Path;

/// What was found in all layers of a package.
#[derive(Debug)]
pub struct Examination {
    /// The package as the user named it.
    pub origin: String,
    /// The package as far as it could be read; not to be used where there are errors. `None` if it could not be opened.
    pub package: Option<Package>,
    /// The objects of its Kubernetes files, as far as they could be read.
    pub manifests: Vec<Manifest>,
    /// What was found, in the order of the layers.
    pub problems: Vec<Problem>,
}

/// Looks through a zip or a directory.
pub fn examine(path: &Path, options: &OpenOptions) -> Examination {
    let origin = path.display().to_string();
    examine_archive(origin, Archive::open(path), options)
}

pub(super) fn examine_archive(
    origin: String,
    archive: Result<Archive, Vec<Problem>>,
    options: &OpenOptions,
) -> Examination {
    let opened = match Package::read(origin.clone(), archive, options) {
        Ok(opened) => opened,
        Err(problems) => return Examination { origin, package: None, manifests: Vec::new(), problems },
    };
    let (package, mut problems) = (opened.package, opened.problems);
    let (manifests, found) = package.survey_all();
    problems.extend(found);
    problems.extend(opened.passed_over);
    let mut fit = workloads::check(&package, &manifests);
    if !package.files.complete() {
        // What is missed may stand in a file that cannot be read.
        fit.retain(|problem| !["K5", "K6"].contains(&problem.rule));
    }
    problems.extend(fit);
    Examination { origin, package: Some(package), manifests, problems }
}

impl Examination {
    /// Whether there is no error.
    pub fn is_valid(&self) -> bool {
        !self.problems.iter().any(Problem::is_error)
    }

    /// Which standards the package keeps to, as far as that can be seen: `SOL001 2.6.1`, `SOL004 with TOSCA-Metadata`.
    pub fn standards(&self) -> Vec<String> {
        let Some(package) = &self.package else { return Vec::new() };
        let metadata = if package.files.contains(META) { "with" } else { "without" };
        let descriptor = package.standard.as_ref().map(|version| format!("SOL001 {version}"));
        descriptor.into_iter().chain([format!("SOL004 {metadata} TOSCA-Metadata")]).collect()
    }
}
