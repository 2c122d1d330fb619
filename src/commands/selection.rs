//! Which objects of a package make up a VNF, resolved against package and cluster: flavour, level, files, and whether
//! their kinds live in a namespace. What is made of them is the work of `plan::derive`.

use super::env::Env;
use super::reference::package_id;
use super::request::Source;
use crate::cli::error::CliError;
use crate::cluster::ClusterError;
use crate::object::definition::Definition;
use crate::object::{Manifest, ObjectRef};
use crate::package::Package;
use crate::package::vnfd::{Flavour, Level, VnfdError};
use crate::plan::derive;
use crate::record::{PackageId, Revision, Scope};
use std::collections::{BTreeMap, BTreeSet};

/// One thing chosen, by a flag or by a field of a request.
#[derive(Clone, Copy)]
pub struct Choice<'a> {
    id: &'a str,
    request: Option<&'a Source>,
}

impl<'a> Choice<'a> {
    /// The flag's, else the request's.
    pub fn of(flag: Option<&'a str>, field: Option<&'a str>, request: &'a Source) -> Option<Self> {
        let by_flag = flag.map(|id| Self { id, request: None });
        by_flag.or_else(|| Some(Self { id: field?, request: Some(request) }))
    }

    /// What is in force already.
    pub fn in_force(id: &'a str) -> Self {
        Self { id, request: None }
    }

    /// Why it cannot be had; what a request chose is told at its place there.
    fn wrong(choice: Option<Self>, field: &str, error: VnfdError) -> CliError {
        match choice.and_then(|choice| choice.request) {
            Some(request) => request.blame(field, error),
            None => CliError::new(error),
        }
    }
}

/// What the user may say of it; what is not said is the package's choice.
#[derive(Default)]
pub struct Wanted<'a> {
    /// Deployment flavour.
    pub flavour: Option<Choice<'a>>,
    /// Instantiation level.
    pub level: Option<Choice<'a>>,
    /// Namespace of the objects.
    pub namespace: Option<&'a str>,
    /// Kubernetes files of the package.
    pub files: Option<Vec<String>>,
    /// The request that lists them, if one does.
    pub listed_in: Option<&'a Source>,
}

/// The field of a request that lists Kubernetes files.
const FILES: &str = "additionalParams.lcm-kubernetes-def-files";

/// The objects of a package that are to be in the cluster.
pub struct Selection {
    package: PackageId,
    flavour: Flavour,
    level: Option<String>,
    namespace: Option<String>,
    /// The Kubernetes files, in order.
    pub files: Vec<String>,
    /// What of them is no object to be created.
    pub notes: Vec<String>,
    manifests: Vec<Manifest>,
    namespaced: BTreeMap<(String, String), bool>,
}

impl Selection {
    /// Resolves what is wanted.
    ///
    /// # Errors
    /// The package has no such flavour, level or file, all of them at once; or the cluster does not serve a kind.
    pub async fn resolve(env: &Env, wanted: Wanted<'_>, package: &Package) -> Result<Self, CliError> {
        let id = |choice: Option<Choice<'_>>| choice.map(|choice| choice.id.to_owned());
        let mut wrong = Vec::new();
        let flavour = package.vnfd.flavour(id(wanted.flavour).as_deref());
        let flavour = flavour.map_err(|error| wrong.push(Choice::wrong(wanted.flavour, "flavourId", error))).ok();
        let level = flavour.map(|flavour| flavour.level(id(wanted.level).as_deref()));
        let level = level.transpose();
        let level = level.map_err(|error| wrong.push(Choice::wrong(wanted.level, "instantiationLevelId", error)));
        let level = level.ok().flatten().flatten().map(|level| level.id.clone());
        let files = wanted.files.unwrap_or_else(|| package.kubernetes_files());
        let selected = package.select_of(&files, |index, problem| match wanted.listed_in {
            Some(request) => request.place_problem(&format!("{FILES}[{index}]"), problem),
            None => problem,
        });
        let selected = selected.map_err(|error| wrong.push(error.into())).ok();
        let (Some(flavour), Some(selected), true) = (flavour.cloned(), selected, wrong.is_empty()) else {
            return Err(CliError::all(wrong));
        };
        let crate::package::Selection { manifests, notes } = selected;
        let notes = notes.iter().filter(|note| note.is_note()).map(ToString::to_string).collect();
        let namespaced = scopes(env, &manifests).await?;
        let namespace = wanted.namespace.map(ToOwned::to_owned);
        Ok(Self { package: package_id(package), flavour, level, namespace, files, notes, manifests, namespaced })
    }

    /// The level in force; `None`: the flavour has none.
    fn level(&self) -> Option<&Level> {
        let id = self.level.as_ref()?;
        self.flavour.levels.iter().find(|level| level.id == *id)
    }

    /// The revision that has these objects as a first one, and the scope that creates them all.
    ///
    /// # Errors
    /// The manifests name several namespaces and none was asked for, or there are none.
    pub fn derive(&self, env: &Env, number: u64, operation_id: &str) -> Result<(Revision, Scope), CliError> {
        let request = derive::instantiate::Request {
            package: self.package.clone(),
            flavour: &self.flavour,
            level: self.level(),
            target_namespace: self.namespace.as_deref(),
            record_namespace: env.store.namespace(),
            files: self.files.clone(),
            manifests: &self.manifests,
            number,
            operation_id,
            time: env.cluster.now(),
        };
        let namespaced = |reference: &ObjectRef| {
            self.namespaced.get(&(reference.api_version.clone(), reference.kind.clone())).copied().unwrap_or(true)
        };
        derive::instantiate::instantiate(&request, namespaced).map_err(CliError::new)
    }
}

/// Whether objects of the manifests' kinds live in a namespace, by apiVersion and kind.
async fn scopes(env: &Env, manifests: &[Manifest]) -> Result<BTreeMap<(String, String), bool>, CliError> {
    let mut namespaced = BTreeMap::new();
    let mut unserved = Vec::new();
    let definitions: Vec<Definition> = manifests.iter().filter_map(|crd| Definition::of(&crd.object)).collect();
    let mut asked = BTreeSet::new();
    for manifest in manifests {
        let reference = &manifest.reference;
        let key = (reference.api_version.clone(), reference.kind.clone());
        if !asked.insert(key.clone()) {
            continue;
        }
        match env.cluster.resource(&reference.api_version, &reference.kind).await {
            Ok(resource) => drop(namespaced.insert(key, resource.namespaced)),
            Err(error @ ClusterError::NotServed { .. }) => {
                match definitions.iter().find(|definition| definition.defines(reference)) {
                    // A kind that the package itself defines; its definition says whether it lives in a namespace.
                    Some(definition) => drop(namespaced.insert(key, definition.namespaced)),
                    None => unserved.push(format!("{}:{}: {reference}: {error}", manifest.source.file, manifest.line)),
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    if unserved.is_empty() {
        return Ok(namespaced);
    }
    Err(CliError::new(unserved.join("\n")).hint("Nothing was written"))
}
