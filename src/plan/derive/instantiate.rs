//! Instantiate: the package's selected manifests, with the replicas of the level.

use super::scale::levels;
use crate::object::workload::WorkloadKind;
use crate::object::{Manifest, ObjectRef};
use crate::package::vnfd::{Flavour, Level};
use crate::record::{ObjectState, PackageId, Revision, Scope, Verb};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// What is to be instantiated.
pub struct Request<'a> {
    /// The package.
    pub package: PackageId,
    /// Its flavour.
    pub flavour: &'a Flavour,
    /// The level, when the flavour has any.
    pub level: Option<&'a Level>,
    /// Namespace asked for.
    pub target_namespace: Option<&'a str>,
    /// Namespace of the record, the last resort.
    pub record_namespace: &'a str,
    /// Kubernetes files of the package, in order.
    pub files: Vec<String>,
    /// The objects in those files.
    pub manifests: &'a [Manifest],
    /// Number of the new revision.
    pub number: u64,
    /// The operation.
    pub operation_id: &'a str,
    /// Now.
    pub time: Timestamp,
}

/// Why the manifests cannot be instantiated as asked.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Manifests name more than one namespace.
    #[error("the manifests name more than one namespace: {}; choose one with --target-namespace", .0.join(", "))]
    Namespaces(Vec<String>),
    /// Nothing to create.
    #[error("the package has no Kubernetes objects in the selected files")]
    Empty,
}

/// The first revision.
///
/// `namespaced` says of a kind whether its objects live in a namespace: it decides which objects the chosen
/// namespace applies to.
///
/// # Errors
/// The manifests name several namespaces and none was asked for, or there are none.
pub fn instantiate(
    request: &Request<'_>,
    namespaced: impl Fn(&ObjectRef) -> bool,
) -> Result<(Revision, Scope), Refusal> {
    if request.manifests.is_empty() {
        return Err(Refusal::Empty);
    }
    let named: BTreeSet<&str> =
        request.manifests.iter().filter_map(|manifest| manifest.reference.namespace.as_deref()).collect();
    let namespace = match (request.target_namespace, named.len()) {
        (Some(namespace), _) => namespace,
        (None, 0) => request.record_namespace,
        (None, 1) => named.first().copied().unwrap_or(request.record_namespace),
        (None, _) => return Err(Refusal::Namespaces(named.into_iter().map(ToOwned::to_owned).collect())),
    };
    let objects: Vec<ObjectState> = request
        .manifests
        .iter()
        .map(|manifest| {
            let mut reference = manifest.reference.clone();
            reference.namespace = namespaced(&reference).then(|| namespace.to_owned());
            let kind = WorkloadKind::of(&reference);
            let replicas = kind
                .filter(|kind| kind.scalable())
                .and_then(|_| request.flavour.vdu_of(&reference.name)?.instances.get(&request.level?.id))
                .map(|count| u64::from(*count));
            ObjectState {
                reference,
                package: request.package.digest.clone(),
                source: manifest.source.clone(),
                images: std::collections::BTreeMap::new(),
                became: std::collections::BTreeMap::new(),
                replicas,
                marker: kind.map(|_| request.number),
                applied: None,
                pending: Vec::new(),
            }
        })
        .collect();
    let scope = Scope { create: objects.iter().map(|state| state.reference.clone()).collect(), ..Scope::default() };
    let revision = Revision {
        number: request.number,
        package: request.package.clone(),
        flavour_id: request.flavour.id.clone(),
        instantiation_level_id: request.level.map(|level| level.id.clone()),
        scale: levels(request.flavour, &[], request.level.map(|level| level.id.as_str())),
        namespace: namespace.to_owned(),
        files: request.files.clone(),
        objects,
        operation_id: request.operation_id.to_owned(),
        verb: Verb::Instantiate,
        time: request.time,
    };
    Ok((revision, scope))
}
