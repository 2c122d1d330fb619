//! The VNFD: what a package says about its VNF, as far as life-cycle management needs it.
//!
//! The types here and what can be asked of them. Reading TOSCA is done in `definitions` (files and imports), `types`
//! (derivation), `read` (the VNF, its flavours and scripts), `vdu` and `policy`; what is only judged stands in
//! `constraints`, `containers` and `artifacts`. Everything is pure; whether the
//! workloads that VDUs name exist among the manifests is not known here.

mod artifacts;
mod constraints;
mod containers;
mod definitions;
mod policy;
mod read;
mod types;
mod vdu;

use std::collections::BTreeMap;

pub(super) use read::read;

/// A virtualised network function's descriptor (SOL001 6.8.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vnfd {
    /// `descriptor_id`, the `vnfdId` of SOL003. Not unique among packages in the field.
    pub descriptor_id: String,
    /// `provider`.
    pub provider: String,
    /// `product_name`.
    pub product_name: String,
    /// `software_version`.
    pub software_version: String,
    /// `descriptor_version`.
    pub descriptor_version: String,
    /// The deployment flavours, at least one.
    pub flavours: Vec<Flavour>,
}

/// A deployment flavour: one way to deploy the VNF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flavour {
    /// `flavourId`.
    pub id: String,
    /// `flavour_description`, may be empty.
    pub description: String,
    /// File of the package that describes it.
    pub file: String,
    /// Its VDUs in the order of the file.
    pub vdus: Vec<Vdu>,
    /// Its scaling aspects in the order of the file.
    pub aspects: Vec<Aspect>,
    /// Its instantiation levels in the order of the file; may be empty.
    pub levels: Vec<Level>,
    /// The level that holds when none is chosen.
    pub default_level: Option<String>,
}

/// A virtualisation deployment unit: one workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vdu {
    /// Name of its node template: `vduId`.
    pub id: String,
    /// `metadata.name` of its workload: `mcio_identification_data.name`, else `properties.name`.
    pub name: String,
    /// `mcio_identification_data.type`: the kind that its workload must have.
    pub kind: Option<String>,
    /// `description`, may be empty.
    pub description: String,
    /// Line of its node template in the flavour's file, from 1.
    pub line: usize,
    /// `vdu_profile.min_number_of_instances`.
    pub min: u32,
    /// `vdu_profile.max_number_of_instances`.
    pub max: u32,
    /// Instances at each instantiation level; empty if the VNFD leaves the number to the manifest.
    pub instances: BTreeMap<String, u32>,
    /// How it scales, if it does.
    pub aspect: Option<VduAspect>,
}

/// How a VDU follows a scaling aspect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VduAspect {
    /// The aspect's id.
    pub id: String,
    /// Instances at scale level 0.
    pub initial: Option<u32>,
    /// Instances that each step adds; a single value holds for every step. Never empty.
    pub deltas: Vec<u32>,
}

/// An instantiation level: a size to start with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// `instantiationLevelId`.
    pub id: String,
    /// `description`, may be empty.
    pub description: String,
    /// Scale level of each aspect named.
    pub scale: BTreeMap<String, u32>,
}

/// A scaling aspect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aspect {
    /// `aspectId`.
    pub id: String,
    /// `name`, may be empty.
    pub name: String,
    /// `description`, may be empty.
    pub description: String,
    /// Highest scale level; the lowest is 0.
    pub max_scale_level: u32,
    /// Names of the deltas of each step; a single one holds for every step, none leaves it to the VDU.
    pub step_deltas: Vec<String>,
}

/// A script that the VNFD wants run in an operation. This program never runs one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Script {
    /// Name of the artifact, or the file when the VNFD names no artifact.
    pub name: String,
    /// Operation of the interface, such as `modify_information_end`.
    pub operation: String,
    /// Path inside the package.
    pub file: String,
    /// Whether the package has the file.
    pub present: bool,
}

/// A flavour or level that cannot be chosen. `Display` names those that can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VnfdError {
    /// None was named, and there are several.
    #[error("the package has several flavours, choose one: {}", .known.join(", "))]
    ChooseFlavour {
        /// Their ids.
        known: Vec<String>,
    },
    /// There is no such flavour.
    #[error("no flavour {id:?} in the package, it has: {}", .known.join(", "))]
    NoSuchFlavour {
        /// The id asked for.
        id: String,
        /// Those that exist.
        known: Vec<String>,
    },
    /// None was named, there are several, and the VNFD has no default.
    #[error("flavour {flavour} has several instantiation levels and no default, choose one: {}", .known.join(", "))]
    ChooseLevel {
        /// The flavour.
        flavour: String,
        /// Its levels.
        known: Vec<String>,
    },
    /// There is no such level.
    #[error("no instantiation level {id:?} in flavour {flavour}, {}", levels_text(.known))]
    NoSuchLevel {
        /// The flavour.
        flavour: String,
        /// The id asked for.
        id: String,
        /// Its levels.
        known: Vec<String>,
    },
}

fn levels_text(known: &[String]) -> String {
    if known.is_empty() { "which has none".into() } else { format!("it has: {}", known.join(", ")) }
}

impl Vnfd {
    /// The flavour with this id; without one, the only flavour.
    ///
    /// # Errors
    /// No such flavour, or none named where there are several; the error names those that exist.
    pub fn flavour(&self, id: Option<&str>) -> Result<&Flavour, VnfdError> {
        let known = || self.flavours.iter().map(|flavour| flavour.id.clone()).collect();
        match (id, self.flavours.as_slice()) {
            (None, [only]) => Ok(only),
            (None, _) => Err(VnfdError::ChooseFlavour { known: known() }),
            (Some(id), all) => all
                .iter()
                .find(|flavour| flavour.id == id)
                .ok_or_else(|| VnfdError::NoSuchFlavour { id: id.into(), known: known() }),
        }
    }
}

impl Flavour {
    /// The level with this id; without one the default level, else the only one; `None` if the flavour has no levels.
    ///
    /// # Errors
    /// No such level, or none named where there are several without a default; the error names those that exist.
    pub fn level(&self, id: Option<&str>) -> Result<Option<&Level>, VnfdError> {
        let known = || self.levels.iter().map(|level| level.id.clone()).collect();
        match (id.or(self.default_level.as_deref()), self.levels.as_slice()) {
            (Some(id), all) => all
                .iter()
                .find(|level| level.id == id)
                .map(Some)
                .ok_or_else(|| VnfdError::NoSuchLevel { flavour: self.id.clone(), id: id.into(), known: known() }),
            (None, []) => Ok(None),
            (None, [only]) => Ok(Some(only)),
            (None, _) => Err(VnfdError::ChooseLevel { flavour: self.id.clone(), known: known() }),
        }
    }

    /// The VDU whose workload has this `metadata.name`.
    pub fn vdu_of(&self, workload_name: &str) -> Option<&Vdu> {
        self.vdus.iter().find(|vdu| vdu.name == workload_name)
    }

    /// The scaling aspect with this id.
    pub fn aspect(&self, id: &str) -> Option<&Aspect> {
        self.aspects.iter().find(|aspect| aspect.id == id)
    }
}

impl VduAspect {
    /// Instances that the step from scale level `level` to the next adds.
    pub fn delta(&self, level: u32) -> u32 {
        let index = usize::try_from(level).unwrap_or(usize::MAX).min(self.deltas.len().saturating_sub(1));
        self.deltas.get(index).copied().unwrap_or(0)
    }

    /// Instances that all steps up to scale level `level` add to the initial number.
    pub fn added(&self, level: u32) -> u32 {
        let different = u32::try_from(self.deltas.len()).unwrap_or(u32::MAX).min(level);
        let uneven = (0..different).map(|step| self.delta(step)).fold(0, u32::saturating_add);
        uneven.saturating_add(self.delta(level).saturating_mul(level - different))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn level(id: &str) -> Level {
        Level { id: id.into(), description: String::new(), scale: BTreeMap::new() }
    }

    fn flavour(id: &str, levels: &[&str], default_level: Option<&str>) -> Flavour {
        Flavour {
            id: id.into(),
            description: String::new(),
            file: "Definitions/f.yaml".into(),
            vdus: Vec::new(),
            aspects: Vec::new(),
            levels: levels.iter().map(|id| level(id)).collect(),
            default_level: default_level.map(Into::into),
        }
    }

    fn vnfd(flavours: Vec<Flavour>) -> Vnfd {
        Vnfd {
            descriptor_id: "x".into(),
            provider: "p".into(),
            product_name: "n".into(),
            software_version: "1".into(),
            descriptor_version: "1".into(),
            flavours,
        }
    }

    #[test]
    fn a_flavour_is_chosen_or_named() {
        let one = vnfd(vec![flavour("simple", &[], None)]);
        assert_eq!(one.flavour(None).unwrap().id, "simple");
        assert_eq!(
            one.flavour(Some("big")).unwrap_err().to_string(),
            "no flavour \"big\" in the package, it has: simple"
        );
        let two = vnfd(vec![flavour("simple", &[], None), flavour("complex", &[], None)]);
        assert_eq!(two.flavour(Some("complex")).unwrap().id, "complex");
        let error = two.flavour(None).unwrap_err();
        assert_eq!(error.to_string(), "the package has several flavours, choose one: simple, complex");
    }

    #[test]
    fn a_level_is_chosen_or_named() {
        let id = |flavour: &Flavour, id: Option<&str>| flavour.level(id).map(|level| level.map(|l| l.id.clone()));
        assert_eq!(id(&flavour("f", &[], None), None), Ok(None));
        assert_eq!(id(&flavour("f", &["a"], None), None), Ok(Some("a".into())));
        let both = flavour("f", &["a", "b"], Some("b"));
        assert_eq!(id(&both, None), Ok(Some("b".into())));
        assert_eq!(id(&both, Some("a")), Ok(Some("a".into())));
        let error = id(&both, Some("c")).unwrap_err();
        assert_eq!(error.to_string(), "no instantiation level \"c\" in flavour f, it has: a, b");
        assert!(matches!(id(&flavour("f", &["a", "b"], None), None), Err(VnfdError::ChooseLevel { .. })));
        let error = id(&flavour("f", &[], None), Some("c")).unwrap_err();
        assert_eq!(error.to_string(), "no instantiation level \"c\" in flavour f, which has none");
    }

    #[test]
    fn steps_may_differ() {
        let even = VduAspect { id: "a".into(), initial: None, deltas: vec![2] };
        assert_eq!((even.added(0), even.added(3), even.delta(7)), (0, 6, 2));
        let uneven = VduAspect { id: "a".into(), initial: None, deltas: vec![1, 2, 4] };
        assert_eq!((uneven.added(0), uneven.added(2), uneven.added(3), uneven.delta(1)), (0, 3, 7, 2));
        assert_eq!(even.added(u32::MAX), u32::MAX);
    }
}
