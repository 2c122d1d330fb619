//! From pointers to content: what an object of a revision looks like, and what we send when we create it.

use crate::object::apply::APPLIED;
use crate::object::config::settle_secret;
use crate::object::workload::{WorkloadKind, made_metadata, set_images, set_marker};
use crate::object::{ObjectRef, text};
use crate::package::{Package, vnfd::Flavour};
use crate::record::names::{INSTANCE, MANAGED_BY, MANAGER};
use crate::record::{ObjectState, Revision};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A revision points at something that no package at hand has.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The package is not at hand.
    #[error("{object}: its package sha256:{digest} is not at hand")]
    NoPackage {
        /// Who needs it.
        object: ObjectRef,
        /// Digest of the package.
        digest: String,
    },
    /// The package has no such document.
    #[error("{object}: {file} of package sha256:{digest} does not define it")]
    NoDocument {
        /// Who needs it.
        object: ObjectRef,
        /// Digest of the package.
        digest: String,
        /// File inside the package.
        file: String,
    },
}

/// The packages that the revisions at hand point into.
#[derive(Debug, Default)]
pub struct Contents {
    packages: BTreeMap<String, Package>,
}

impl Contents {
    /// Takes in a package. It may have files that cannot be read as Kubernetes objects: whoever points at one gets an
    /// error naming it, and packages are validated where they enter.
    pub fn add(&mut self, package: Package) {
        self.packages.insert(package.digest.to_string(), package);
    }

    /// Whether the package is at hand.
    pub fn has(&self, digest: &str) -> bool {
        self.packages.contains_key(digest)
    }

    /// A package by its digest.
    pub fn package(&self, digest: &str) -> Option<&Package> {
        self.packages.get(digest)
    }

    /// The flavour of a revision.
    pub fn flavour(&self, revision: &Revision) -> Option<&Flavour> {
        self.package(&revision.package.digest)?.vnfd.flavour(Some(&revision.flavour_id)).ok()
    }

    /// The object as the revision wants it, without anything of ours in it: the package's document with its
    /// namespace settled and the overrides applied.
    ///
    /// # Errors
    /// The package or the document is not at hand.
    pub fn content(&self, state: &ObjectState) -> Result<Value, ContentError> {
        let ObjectState { reference: object, package: digest, source, .. } = state;
        let package = self.package(digest);
        let package =
            package.ok_or_else(|| ContentError::NoPackage { object: object.clone(), digest: digest.clone() })?;
        let document = package.object(source).ok_or_else(|| ContentError::NoDocument {
            object: object.clone(),
            digest: digest.clone(),
            file: source.file.clone(),
        })?;
        Ok(settle(document, state))
    }

    /// The object as we create it: its content with our labels and the restart marker.
    ///
    /// # Errors
    /// As [`Contents::content`].
    pub fn desired(&self, state: &ObjectState, instance_id: &str) -> Result<Value, ContentError> {
        let mut object = self.content(state)?;
        add(&mut object, "/metadata", "labels", &[(MANAGED_BY, MANAGER), (INSTANCE, instance_id)]);
        if let Some(kind) = WorkloadKind::of(&state.reference) {
            let metadata = format!("{}/metadata", kind.template_pointer());
            add(&mut object, &metadata, "labels", &[(INSTANCE, instance_id)]);
            if let Some(marker) = state.marker {
                set_marker(&mut object, kind, marker);
            }
        }
        for pointer in made_metadata(&state.reference) {
            add(&mut object, pointer, "labels", &[(INSTANCE, instance_id)]);
        }
        if let Some(applied) = state.applied {
            add(&mut object, "/metadata", "annotations", &[(APPLIED, &applied.to_string())]);
        }
        if let Some(claims) = object.pointer_mut("/spec/volumeClaimTemplates").and_then(Value::as_array_mut) {
            for claim in claims {
                add(claim, "/metadata", "labels", &[(INSTANCE, instance_id)]);
            }
        }
        Ok(object)
    }
}

/// A package's document as one instance has it.
pub fn settle(document: &Value, state: &ObjectState) -> Value {
    let mut object = document.clone();
    if let (Some(namespace), Some(metadata)) =
        (&state.reference.namespace, object.get_mut("metadata").and_then(Value::as_object_mut))
    {
        metadata.insert("namespace".into(), Value::String(namespace.clone()));
    }
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    settle_secret(&mut object);
    set_images(&mut object, &state.images);
    if let (Some(replicas), Some(spec)) = (state.replicas, object.get_mut("spec").and_then(Value::as_object_mut)) {
        spec.insert("replicas".into(), json!(replicas));
    }
    object
}

/// Adds entries to a map of strings under the object at `pointer`, making what is missing on the way.
fn add(object: &mut Value, pointer: &str, map: &str, entries: &[(&str, &str)]) {
    let mut place = object;
    for segment in pointer.split('/').filter(|segment| !segment.is_empty()).chain([map]) {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[segment];
    }
    if !place.is_object() {
        *place = Value::Object(Map::new());
    }
    for (key, value) in entries {
        place[*key] = Value::String((*value).to_owned());
    }
}

/// Who a live object belongs to: this instance, another instance, or nobody that this program knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The instance asked about.
    This,
    /// Another VNF instance, by id.
    Other(String),
    /// Not made by this program; names its `managed-by` label where it has one.
    Foreign(Option<String>),
}

/// Tells whose a live object is, by its instance label.
pub fn owner(object: &Value, instance_id: &str) -> Owner {
    let label = |key: &str| object["metadata"]["labels"][key].as_str();
    match label(INSTANCE) {
        Some(id) if id == instance_id => Owner::This,
        Some(id) => Owner::Other(id.to_owned()),
        None => Owner::Foreign(
            label(MANAGED_BY).or_else(|| text(object, "/metadata/managedFields/0/manager")).map(ToOwned::to_owned),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_added_where_no_map_was() {
        let mut object = json!({"spec": {"template": {"metadata": null}}});
        add(&mut object, "/spec/template/metadata", "labels", &[("a", "1")]);
        add(&mut object, "/metadata", "labels", &[("b", "2")]);
        assert_eq!(
            object,
            json!({"spec": {"template": {"metadata": {"labels": {"a": "1"}}}}, "metadata": {"labels": {"b": "2"}}})
        );
    }

    #[test]
    fn the_label_says_whose_an_object_is() {
        let object = |labels: Value| json!({"metadata": {"labels": labels}});
        assert_eq!(owner(&object(json!({INSTANCE: "1"})), "1"), Owner::This);
        assert_eq!(owner(&object(json!({INSTANCE: "2"})), "1"), Owner::Other("2".into()));
        assert_eq!(owner(&object(json!({MANAGED_BY: "Helm"})), "1"), Owner::Foreign(Some("Helm".into())));
        assert_eq!(owner(&json!({}), "1"), Owner::Foreign(None));
    }
}
