//! The plan as a user reads it before agreeing: everything that a screen or `-o json` says about an operation that
//! has not begun.

use super::ahead::Consequence;
use super::derive::scale::AspectMove;
use super::derive::update::Deferred;
use super::drift::Drift;
use super::{ContentError, Contents, Inputs, Item, Live, Step, Vdus, items};
use crate::object::ObjectRef;
use crate::object::config::is_config;
use crate::object::rollout::has_gap;
use crate::object::workload::WorkloadKind;
use crate::record::{Instance, Journal, PackageId, Revision, Verb};
use serde::Serialize;

/// Which ConfigMaps and Secrets an update may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ConfigRule {
    /// The request has no `configmap_secret_paths`: all that changed.
    AllChanged,
    /// The list is empty: none.
    NoneListed,
    /// Those that the list names.
    Listed,
}

/// One attribute of the record that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordLine {
    /// SOL003 attribute.
    pub attribute: String,
    /// Before, `""` when it was unset.
    pub before: String,
    /// After, `""` when it is removed.
    pub after: String,
}

/// Something that stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Untouched {
    /// The object.
    pub object: ObjectRef,
    /// Its VDU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vdu: Option<String>,
}

/// A whole plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sheet {
    /// What is asked for.
    pub verb: Verb,
    /// Instance name, as it is now.
    pub name: String,
    /// Instance id.
    pub id: String,
    /// Kube context.
    pub context: String,
    /// Namespace of the VNF's objects.
    pub namespace: String,
    /// Package in force; `None`: nothing is instantiated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package_before: Option<PackageId>,
    /// Package afterwards; `None`: nothing is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package_after: Option<PackageId>,
    /// Deployment flavour and instantiation level (instantiate).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flavour: Option<(String, Option<String>)>,
    /// The revision in force, and the one whose content comes back (undo).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revisions: Option<(u64, u64)>,
    /// Scaling aspects that move.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scale: Vec<AspectMove>,
    /// How many file digests of the package were verified; `None`: it came from the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digests_checked: Option<usize>,
    /// Changes of the record.
    pub record: Vec<RecordLine>,
    /// What is done, object by object, in order.
    pub items: Vec<Item>,
    /// Which config may change (update).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_rule: Option<ConfigRule>,
    /// What of the package does not take effect.
    pub deferred: Vec<Deferred>,
    /// What somebody else changed and this operation overwrites.
    pub drift: Vec<Drift>,
    /// What stays.
    pub untouched: Vec<Untouched>,
    /// VDUs (or workloads without one) that serve nothing while they restart.
    pub down: Vec<String>,
    /// What follows beyond what the items say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ahead: Vec<Consequence>,
    /// Things worth knowing: `note: ...`.
    pub notes: Vec<String>,
}

impl Sheet {
    /// What is done, to whom and where; everything else that a plan can say is empty.
    pub fn new(verb: Verb, instance: &Instance, context: &str, namespace: &str, items: Vec<Item>) -> Self {
        Self {
            verb,
            name: instance.vnf_instance_name.clone(),
            id: instance.id.clone(),
            context: context.to_owned(),
            namespace: namespace.to_owned(),
            package_before: None,
            package_after: None,
            flavour: None,
            revisions: None,
            scale: Vec::new(),
            digests_checked: None,
            record: Vec::new(),
            items,
            config_rule: None,
            deferred: Vec::new(),
            drift: Vec::new(),
            untouched: Vec::new(),
            down: Vec::new(),
            ahead: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The plan of a journal: what is done to what is live, from where to where, what stays, and who serves nothing
    /// meanwhile. What only some verbs have to say is added by them.
    ///
    /// # Errors
    /// A revision points into a package that is not at hand.
    pub fn of(
        verb: Verb,
        instance: &Instance,
        context: &str,
        journal: &Journal,
        contents: &Contents,
        live: &Live,
    ) -> Result<Self, ContentError> {
        let items = items(&Inputs { journal, contents, live, instance_id: &instance.id })?;
        let Journal { source, target, .. } = journal;
        let package = |revision: &Option<Revision>| revision.as_ref().map(|revision| revision.package.clone());
        let namespace = source.as_ref().or(target.as_ref()).map_or("", |revision| revision.namespace.as_str());
        let untouched = |target: &Revision| untouched(target, &items, &Vdus::of(target, contents));
        Ok(Self {
            package_before: package(source),
            package_after: package(target),
            untouched: target.as_ref().map(untouched).unwrap_or_default(),
            down: down(&items, live),
            ..Self::new(verb, instance, context, namespace, items)
        })
    }

    /// Items that write configuration.
    pub fn config(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| is_config(&item.object))
    }

    /// Items of workloads.
    pub fn workloads(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| WorkloadKind::of(&item.object).is_some())
    }

    /// Whether two plans would do the same: what a user agreed to, and what the cluster needs now. How far items are
    /// and what stays untouched may differ.
    pub fn same_work(&self, other: &Self) -> bool {
        let key = |sheet: &Self| {
            let items = sheet.items.iter();
            items.map(|item| (item.object.clone(), item.step.clone(), item.reasons.clone())).collect::<Vec<_>>()
        };
        key(self) == key(other) && self.drift == other.drift
    }
}

/// What a plan leaves alone: workloads by VDU first, then everything else.
pub fn untouched(revision: &Revision, items: &[Item], vdus: &Vdus) -> Vec<Untouched> {
    let mut rest: Vec<&ObjectRef> = revision
        .objects
        .iter()
        .map(|state| &state.reference)
        .filter(|reference| !items.iter().any(|item| item.object == **reference))
        .collect();
    rest.sort_by_key(|reference| (WorkloadKind::of(reference).is_none(), vdus.position(reference)));
    rest.into_iter()
        .map(|object| Untouched { object: object.clone(), vdu: vdus.id(object).map(ToOwned::to_owned) })
        .collect()
}

/// Who serves nothing for a moment: computed from kind, strategy and replicas.
fn down(items: &[Item], live: &Live) -> Vec<String> {
    let label = |item: &Item| item.vdu.clone().unwrap_or_else(|| item.object.to_string());
    items
        .iter()
        .filter(|item| match (&item.step, live.get(&item.object)) {
            (Step::InPlace { .. } | Step::Recreate { .. } | Step::Respawn { .. }, _) => true,
            (Step::RollOut { .. } | Step::ReplacePods { .. }, Some(object)) => has_gap(object),
            _ => false,
        })
        .map(label)
        .collect()
}
