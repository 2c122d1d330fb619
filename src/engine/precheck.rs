//! Everything that can be known to go wrong before the first write, all at once.

use crate::cluster::{Access, Cluster, ClusterError, Run};
use crate::object::config::is_config;
use crate::object::reference::{ConfigKind, Lookup, MissingKey, missing_keys};
use crate::object::workload::{WorkloadKind, pod_spec};
use crate::object::{ObjectRef, text};
use crate::plan::content::{Owner, owner};
use crate::plan::{ContentError, Contents, Item, ItemState, Live, Step};
use crate::record::{Journal, Revision};
use futures::StreamExt as _;
use futures::stream;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Requests under way at once; the client bounds them further.
const PARALLEL: usize = 16;

/// One problem found.
#[derive(Clone, Debug)]
pub enum Problem {
    /// A Pod would not start for want of a key.
    Key {
        /// The workload.
        object: ObjectRef,
        /// Its VDU.
        vdu: Option<String>,
        /// What is missing, and where it is required.
        missing: MissingKey,
        /// File that defines the ConfigMap or Secret.
        file: Option<String>,
    },
    /// A right that the user lacks.
    Permission {
        /// The right.
        access: Access,
        /// What for.
        why: String,
    },
    /// The API server refuses a write.
    Refused {
        /// The object.
        object: ObjectRef,
        /// Where the package defines it.
        file: Option<String>,
        /// Its words.
        error: ClusterError,
    },
    /// An object that is to be created exists, and is not this instance's.
    Foreign {
        /// The object.
        object: ObjectRef,
        /// Who owns it.
        owner: String,
    },
}

/// What the checks came to.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// Writes that the server accepted in a dry run.
    pub accepted: usize,
    /// Writes that cannot be tried before the operation itself has made what they need.
    pub not_checkable: Vec<ObjectRef>,
}

/// What is checked.
pub struct Question<'a> {
    /// The API server.
    pub cluster: &'a Cluster,
    /// Namespace of the records.
    pub record_namespace: &'a str,
    /// The instance.
    pub instance_id: &'a str,
    /// What is to be done.
    pub journal: &'a Journal,
    /// The items of that.
    pub items: &'a [Item],
    /// The packages.
    pub contents: &'a Contents,
    /// The live objects.
    pub live: &'a Live,
}

/// Checks all writes of an operation.
///
/// # Errors
/// The checks themselves could not be made; found problems are a value.
pub async fn check(question: &Question<'_>) -> Result<(Checked, Vec<Problem>), CheckError> {
    let mut problems = keys(question)?;
    let (allowed, dry) = futures::future::join(permissions(question), dry_runs(question)).await;
    let missing = allowed?;
    let (checked, refused) = dry?;
    // Who lacks a right is told so once, by the right; the dry run would say it again for each object.
    let lacking = !missing.is_empty();
    problems.extend(missing);
    problems.extend(refused.into_iter().filter(|problem| match problem {
        Problem::Refused { error, .. } => !(lacking && error.is_not_allowed()),
        _ => true,
    }));
    Ok((checked, problems))
}

/// Why the checks could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The API server.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A package.
    #[error(transparent)]
    Content(#[from] ContentError),
}

/// Keys that Pods require and that the ConfigMaps and Secrets of the target lack.
fn keys(question: &Question<'_>) -> Result<Vec<Problem>, ContentError> {
    let Some(target) = &question.journal.target else { return Ok(Vec::new()) };
    let mut config: BTreeMap<(&str, &str), (Value, String)> = BTreeMap::new();
    for state in target.objects.iter().filter(|state| is_config(&state.reference)) {
        let content = question.contents.content(state)?;
        let key = (state.reference.kind.as_str(), state.reference.name.as_str());
        config.insert(key, (content, state.source.file.clone()));
    }
    let mut problems = Vec::new();
    for item in question.items.iter().filter(|item| item.state == ItemState::ToDo) {
        let Some(state) = target.object(&item.object).filter(|_| WorkloadKind::of(&item.object).is_some()) else {
            continue;
        };
        let anew = matches!(item.step, Step::Create | Step::Recreate { .. });
        let content = question.contents.content(state)?;
        let object = question.live.get(&item.object).filter(|_| !anew).unwrap_or(&content);
        let Some(spec) = pod_spec(object) else { continue };
        for missing in missing_keys(spec, |kind, name| lookup(&config, kind, name)) {
            let file = config.get(&(missing.kind.as_str(), missing.name.as_str())).map(|(_, file)| file.clone());
            problems.push(Problem::Key { object: item.object.clone(), vdu: item.vdu.clone(), missing, file });
        }
    }
    Ok(problems)
}

/// What the target says about a ConfigMap or Secret; of those that are not the VNF's own nothing is known.
fn lookup<'a>(config: &'a BTreeMap<(&str, &str), (Value, String)>, kind: ConfigKind, name: &str) -> Lookup<'a> {
    let found = config.iter().find(|((of_kind, of_name), _)| *of_kind == kind.as_str() && *of_name == name);
    found.map_or(Lookup::Unknown, |(_, (object, _))| Lookup::Known(object))
}

/// Rights that the operation needs and the user lacks.
async fn permissions(question: &Question<'_>) -> Result<Vec<Problem>, ClusterError> {
    let mut needed: BTreeMap<Access, String> = BTreeMap::new();
    let own = [
        ("", "configmaps", &["create", "update", "patch", "delete"][..], "to write records"),
        ("", "secrets", &["create", "delete"][..], "to store packages"),
        ("coordination.k8s.io", "leases", &["create", "update", "delete"][..], "to lock the instance"),
    ];
    for (group, resource, verbs, why) in own {
        for verb in verbs {
            let access = Access {
                verb: (*verb).into(),
                group: group.into(),
                resource: resource.into(),
                namespace: Some(question.record_namespace.into()),
                ..Access::default()
            };
            needed.entry(access).or_insert_with(|| why.into());
        }
    }
    for item in question.items {
        let Ok(resource) = question.cluster.resource(&item.object.api_version, &item.object.kind).await else {
            // Not served: the dry run says so.
            continue;
        };
        let who = item.vdu.as_ref().map(|vdu| format!("{vdu} ")).unwrap_or_default();
        let mut need = |verb: &str, group: &str, resource: &str, subresource: Option<&str>, why: &str| {
            let access = Access {
                verb: verb.into(),
                group: group.into(),
                resource: resource.into(),
                subresource: subresource.map(Into::into),
                namespace: item.object.namespace.clone(),
                name: None,
            };
            needed.entry(access).or_insert_with(|| format!("{why} {who}{}", item.object));
        };
        let group = item.object.group();
        let plural = resource.plural.as_str();
        match &item.step {
            Step::Create => need("create", group, plural, None, "to create"),
            Step::Config { replace: None, .. } => need("patch", group, plural, None, "to change"),
            Step::RollOut { .. } | Step::InPlace { .. } => need("patch", group, plural, None, "to update"),
            Step::ReplacePods { .. } => {
                need("patch", group, plural, None, "to update");
                need("create", "", "pods", Some("eviction"), "to replace the Pods of");
                need("delete", "", "pods", None, "to replace the Pods of");
            }
            Step::Respawn { .. } => {
                need("create", "", "pods", Some("eviction"), "to replace the Pods of");
                need("delete", "", "pods", None, "to replace the Pods of");
            }
            Step::Config { .. } | Step::Recreate { .. } => {
                need("delete", group, plural, None, "to make anew");
                need("create", group, plural, None, "to make anew");
            }
            Step::Delete => need("delete", group, plural, None, "to delete"),
        }
    }
    let rules: Vec<Access> = needed.keys().cloned().collect();
    let allowed = question.cluster.allowed(&rules).await?;
    let denied = rules.into_iter().zip(allowed).filter(|(_, allowed)| !allowed);
    Ok(denied
        .map(|(access, _)| {
            let why = needed.get(&access).cloned().unwrap_or_default();
            Problem::Permission { access, why }
        })
        .collect())
}

/// Tries every write that can be tried, without doing it.
async fn dry_runs(question: &Question<'_>) -> Result<(Checked, Vec<Problem>), CheckError> {
    let made = Made::of(question)?;
    let to_do = question.items.iter().filter(|item| item.state == ItemState::ToDo);
    let results: Vec<Result<Tried, CheckError>> =
        stream::iter(to_do.map(|item| try_item(question, &made, item))).buffered(PARALLEL).collect().await;
    let mut checked = Checked::default();
    let mut problems = Vec::new();
    for result in results {
        match result? {
            Tried::Accepted => checked.accepted += 1,
            Tried::NotCheckable(object) => checked.not_checkable.push(object),
            Tried::Problem(problem) => problems.push(problem),
            Tried::Nothing => {}
        }
    }
    Ok((checked, problems))
}

enum Tried {
    Accepted,
    NotCheckable(ObjectRef),
    Problem(Problem),
    Nothing,
}

/// What the plan itself creates that other writes need.
struct Made {
    namespaces: BTreeSet<String>,
    kinds: BTreeSet<String>,
    names: BTreeSet<String>,
}

impl Made {
    fn of(question: &Question<'_>) -> Result<Self, ContentError> {
        let mut made = Self { namespaces: BTreeSet::new(), kinds: BTreeSet::new(), names: BTreeSet::new() };
        let Some(target) = &question.journal.target else { return Ok(made) };
        for item in question.items.iter().filter(|item| item.step == Step::Create) {
            match item.object.kind.as_str() {
                "Namespace" => drop(made.namespaces.insert(item.object.name.clone())),
                "ServiceAccount" | "PriorityClass" | "RuntimeClass" => {
                    made.names.insert(item.object.name.clone());
                }
                "CustomResourceDefinition" => {
                    if let Some(state) = target.object(&item.object) {
                        let content = question.contents.content(state)?;
                        made.kinds.extend(text(&content, "/spec/names/kind").map(ToOwned::to_owned));
                    }
                }
                _ => {}
            }
        }
        Ok(made)
    }

    /// Whether a refusal may only be due to something that the plan makes before it.
    fn explains(&self, object: &ObjectRef, error: &ClusterError) -> bool {
        let in_new_namespace = object.namespace.as_ref().is_some_and(|namespace| self.namespaces.contains(namespace));
        let of_new_kind = self.kinds.contains(&object.kind) && matches!(error, ClusterError::NotServed { .. });
        let words = error.to_string();
        let named = self.names.iter().any(|name| words.contains(name.as_str()));
        // A webhook that does not support dry runs refuses all of them.
        let webhook = words.contains("does not support dry run");
        (in_new_namespace && (error.is_not_found() || error.is_not_allowed())) || of_new_kind || named || webhook
    }
}

async fn try_item(question: &Question<'_>, made: &Made, item: &Item) -> Result<Tried, CheckError> {
    let object = &item.object;
    let state = question.journal.target.as_ref().and_then(|target: &Revision| target.object(object));
    let desired = match state {
        Some(state) => Some(question.contents.desired(state, question.instance_id)?),
        None => None,
    };
    let patch = |patch: Vec<Value>| async move {
        if patch.is_empty() {
            return None;
        }
        Some(question.cluster.json_patch(object, &patch, Run::Dry).await)
    };
    let result = match (&item.step, desired) {
        (Step::Create, Some(desired)) => Some(question.cluster.create(&desired, Run::Dry).await),
        (Step::Recreate { .. }, Some(mut desired)) | (Step::Config { replace: Some(_), .. }, Some(mut desired)) => {
            // The old one is still there: the new one is tried under another name.
            let name: String = object.name.chars().take(200).collect();
            desired["metadata"]["name"] = Value::String(format!("{}-vnf-check", name.trim_end_matches(['.', '-'])));
            Some(question.cluster.create(&desired, Run::Dry).await)
        }
        (Step::Config { patch: operations, .. }, _)
        | (Step::RollOut { patch: operations } | Step::ReplacePods { patch: operations }, _) => {
            patch(operations.clone()).await
        }
        (Step::InPlace { mark, patch: images, .. }, _) => patch([images.clone(), mark.clone()].concat()).await,
        _ => None,
    };
    let refused = |error| {
        Tried::Problem(Problem::Refused { object: object.clone(), file: state.map(|s| s.source.file.clone()), error })
    };
    Ok(match result {
        None => Tried::Nothing,
        Some(Ok(_)) => Tried::Accepted,
        Some(Err(error)) if made.explains(object, &error) => Tried::NotCheckable(object.clone()),
        Some(Err(error)) if error.is_already_exists() && item.step == Step::Create => {
            match question.cluster.get_metadata(object).await? {
                Some(existing) => match owner(&existing, question.instance_id) {
                    Owner::This => Tried::Accepted,
                    Owner::Other(id) => {
                        Tried::Problem(Problem::Foreign { object: object.clone(), owner: format!("VNF instance {id}") })
                    }
                    Owner::Foreign(by) => {
                        let owner = by.unwrap_or_else(|| "nobody that kubectl-vnf knows".into());
                        Tried::Problem(Problem::Foreign { object: object.clone(), owner })
                    }
                },
                None => refused(error),
            }
        }
        Some(Err(error)) => refused(error),
    })
}
