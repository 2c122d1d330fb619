//! Names, labels and annotations of everything that this program keeps in the cluster or puts on objects.
//!
//! One place for the strings, so that a selector and what it is to find cannot drift apart.

use crate::object::ObjectRef;
use sha2::{Digest as _, Sha256};

/// Label with the VNF instance id, on all that belongs to an instance, pod templates included.
pub const INSTANCE: &str = "kubectl-vnf/instance";
/// Label that says which of our own records an object is: `instance`, `operation`, `package` or `name`.
pub const RECORD: &str = "kubectl-vnf/record";
/// Label of an instance record: the claim of its name, which finds the records of one name.
pub const CLAIM: &str = "kubectl-vnf/claim";
/// Finalizer of what makes Pods while each of them is being told how long it gets to end.
pub const HOLD: &str = "kubectl-vnf/terminating";
/// Kubernetes' recommended label for the tool that manages an object; never on pod templates.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY`], and the field manager of every write.
pub const MANAGER: &str = "kubectl-vnf";

/// Annotations of the instance record: the columns of `list`, so that listing reads metadata only.
pub mod column {
    /// `vnfInstanceName`.
    pub const NAME: &str = "kubectl-vnf/name";
    /// `instantiationState`.
    pub const STATE: &str = "kubectl-vnf/state";
    /// `vnfProvider`.
    pub const PROVIDER: &str = "kubectl-vnf/provider";
    /// Product name and software version.
    pub const PRODUCT: &str = "kubectl-vnf/product";
    /// `vnfdId`.
    pub const VNFD_ID: &str = "kubectl-vnf/vnfd-id";
    /// `flavourId`.
    pub const FLAVOUR: &str = "kubectl-vnf/flavour";
    /// Namespace of the VNF's objects.
    pub const TARGET_NAMESPACE: &str = "kubectl-vnf/target-namespace";
    /// Revision in force.
    pub const REVISION: &str = "kubectl-vnf/revision-in-force";
    /// Verb and state of the last operation.
    pub const OPERATION: &str = "kubectl-vnf/operation";
    /// When that operation entered its state (RFC 3339).
    pub const OPERATION_TIME: &str = "kubectl-vnf/operation-time";
    /// Digests of the packages that the record refers to, comma separated: what keeps package parts alive.
    pub const PACKAGES: &str = "kubectl-vnf/packages";
    /// Version of kubectl-vnf that wrote the record.
    pub const WRITER: &str = "kubectl-vnf/written-by";
    /// Former names as JSON `[{name, until}]`.
    pub const FORMER_NAMES: &str = "kubectl-vnf/former-names";
}

/// The record of an instance, and also its Lease: `vnf-<id>`.
pub fn instance(id: &str) -> String {
    format!("vnf-{id}")
}

/// The record of an operation.
pub fn operation(id: &str) -> String {
    format!("vnf-op-{id}")
}

/// What a failed operation left as evidence.
pub fn evidence(operation_id: &str) -> String {
    format!("vnf-op-{operation_id}-evidence")
}

/// The claim of an instance name. A name is any SOL003 string, an object name is not, so it is hashed.
pub fn claim(instance_name: &str) -> String {
    let hash = Sha256::digest(instance_name.as_bytes());
    let hex: String = hash.iter().take(20).map(|byte| format!("{byte:02x}")).collect();
    format!("vnf-name-{hex}")
}

/// Part `index` (from 0) of a stored package.
pub fn package_part(digest_hex: &str, index: usize) -> String {
    format!("vnf-package-{digest_hex}-{index}")
}

/// The digest of the package that a Secret of this name is a part of.
pub fn digest_of_part(name: &str) -> Option<&str> {
    let (digest, index) = name.strip_prefix("vnf-package-")?.rsplit_once('-')?;
    index.parse::<usize>().is_ok().then_some(digest)
}

/// Reference to a ConfigMap.
pub fn config_map(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef::new("v1", "ConfigMap", Some(namespace), name)
}

/// Reference to a Secret.
pub fn secret(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef::new("v1", "Secret", Some(namespace), name)
}

/// Reference to a Lease.
pub fn lease(namespace: &str, instance_id: &str) -> ObjectRef {
    ObjectRef::new("coordination.k8s.io/v1", "Lease", Some(namespace), &instance(instance_id))
}

/// Selector of one instance's objects.
pub fn instance_selector(id: &str) -> String {
    format!("{INSTANCE}={id}")
}

/// The first 8 characters of an id, as screens show it.
pub fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_gives_a_legal_object_name() {
        for name in ["sample-vnf", "my vnf", "ümlaut/✔", ""] {
            let claim = claim(name);
            assert!(claim.len() <= 63 && claim.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{claim}");
        }
        assert_ne!(claim("a"), claim("b"));
    }
}
