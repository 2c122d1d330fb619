//! Everything that can be known to go wrong before the first write, all at once.

use super::session::EngineError;
use crate::cluster::{Access, Cluster, ClusterError, Run};
use crate::object::config::is_config;
use crate::object::reference::{ConfigKind, Lookup, MissingKey, missing_keys, uses};
use crate::object::workload::{WorkloadKind, pod_spec};
use crate::object::{ObjectRef, text};
use crate::plan::content::{Owner, owner};
use crate::plan::{ContentError, Contents, Item, ItemState, Live, Step};
use crate::record::{Journal, Revision};
use futures::StreamExt as _;
use futures::future::join_all;
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
    /// An object that is to be written exists, and is not this instance's.
    Foreign {
        /// The object.
        object: ObjectRef,
        /// Who owns it.
        owner: String,
    },
    /// A Deployment that would not roll out.
    Paused {
        /// The Deployment.
        object: ObjectRef,
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
pub async fn check(question: &Question<'_>) -> Result<(Checked, Vec<Problem>), EngineError> {
    let mut problems = standing(question);
    let (keys, allowed, dry) = futures::future::join3(keys(question), permissions(question), dry_runs(question)).await;
    problems.extend(keys?);
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

/// What the live objects forbid: they are somebody else's, or will not move.
fn standing(question: &Question<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for item in question.items.iter().filter(|item| item.step != Step::Delete) {
        let Some(live) = question.live.get(&item.object) else { continue };
        let object = item.object.clone();
        match owner(live, question.instance_id) {
            Owner::This => {}
            other => problems.push(Problem::Foreign { object, owner: name_of(&other) }),
        }
        let rolls = matches!(item.step, Step::RollOut { .. }) && item.state != ItemState::Done;
        if rolls && live["spec"]["paused"] == true {
            problems.push(Problem::Paused { object: item.object.clone() });
        }
    }
    problems
}

fn name_of(owner: &Owner) -> String {
    match owner {
        Owner::This => "this instance".into(),
        Owner::Other(id) => format!("VNF instance {id}"),
        Owner::Foreign(Some(manager)) => manager.clone(),
        Owner::Foreign(None) => "nobody that kubectl-vnf knows".into(),
    }
}

/// ConfigMaps and Secrets as they will be when the operation is done, by kind and name.
type ConfigAfter<'a> = BTreeMap<(String, String), (Option<Value>, Option<&'a str>)>;

/// Keys that Pods require and will not find.
async fn keys(question: &Question<'_>) -> Result<Vec<Problem>, EngineError> {
    let Some(target) = &question.journal.target else { return Ok(Vec::new()) };
    let mut starting = Vec::new();
    for item in question.items.iter().filter(|item| item.state == ItemState::ToDo) {
        let Some(state) = target.object(&item.object).filter(|_| WorkloadKind::of(&item.object).is_some()) else {
            continue;
        };
        let anew = matches!(item.step, Step::Create | Step::Recreate { .. });
        let live = question.live.get(&item.object).filter(|_| !anew);
        let object = match live {
            Some(live) => live.clone(),
            None => question.contents.content(state)?,
        };
        starting.push((item, object));
    }
    let config = config_after(question, target, &starting).await?;
    let mut problems = Vec::new();
    for (item, object) in &starting {
        let Some(spec) = pod_spec(object) else { continue };
        let lookup = |kind: ConfigKind, name: &str| {
            match config.get(&(kind.as_str().to_owned(), name.to_owned())) {
                Some((Some(object), _)) => Lookup::Known(object),
                // What is not there may still come while a VNF is being instantiated; a Pod that runs would not come back.
                Some((None, _)) if item.step != Step::Create => Lookup::Absent,
                _ => Lookup::Unknown,
            }
        };
        for missing in missing_keys(spec, lookup) {
            let file = config.get(&(missing.kind.as_str().to_owned(), missing.name.clone()));
            let file = file.and_then(|(_, file)| file.map(ToOwned::to_owned));
            problems.push(Problem::Key { object: item.object.clone(), vdu: item.vdu.clone(), missing, file });
        }
    }
    Ok(problems)
}

/// What the operation writes is as it will be; everything else that the Pods read is as it is.
async fn config_after<'a>(
    question: &Question<'_>,
    target: &'a Revision,
    starting: &[(&Item, Value)],
) -> Result<ConfigAfter<'a>, EngineError> {
    let mut config = ConfigAfter::new();
    for state in target.objects.iter().filter(|state| is_config(&state.reference)) {
        let scope = &question.journal.scope;
        let written = scope.create.contains(&state.reference)
            || scope.config.iter().any(|change| change.object == state.reference);
        let object = if written {
            Some(question.contents.content(state)?)
        } else {
            question.live.get(&state.reference).cloned()
        };
        let key = (state.reference.kind.clone(), state.reference.name.clone());
        config.insert(key, (object, Some(state.source.file.as_str())));
    }
    let mut others: BTreeSet<(String, String)> = BTreeSet::new();
    for (_, object) in starting {
        for used in pod_spec(object).map(uses).unwrap_or_default() {
            let key = (used.kind.as_str().to_owned(), used.name);
            if !config.contains_key(&key) {
                others.insert(key);
            }
        }
    }
    let read = others.into_iter().map(|key| async move {
        let reference = ObjectRef::new("v1", &key.0, Some(&target.namespace), &key.1);
        // Who may not read it is not told about it.
        Some((key, question.cluster.get(&reference).await.ok()?))
    });
    for (key, object) in join_all(read).await.into_iter().flatten() {
        config.insert(key, (object, None));
    }
    Ok(config)
}

/// Rights that the operation needs and the user lacks.
async fn permissions(question: &Question<'_>) -> Result<Vec<Problem>, ClusterError> {
    let mut needed: BTreeMap<Access, String> = BTreeMap::new();
    let own = [
        ("", "configmaps", &["create", "update", "patch", "delete"][..], "to write records"),
        ("", "secrets", &["create", "patch", "delete"][..], "to store packages"),
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
        if WorkloadKind::of(&item.object).is_some() {
            for verb in ["list", "watch"] {
                need(verb, group, plural, None, "to follow");
                need(verb, "", "pods", None, "to follow the Pods of");
            }
            if item.object.kind == "Deployment" {
                need("list", "apps", "replicasets", None, "to follow");
                need("watch", "apps", "replicasets", None, "to follow");
            }
        }
        match &item.step {
            Step::Create => need("create", group, plural, None, "to create"),
            Step::Config { replace: None, .. } => need("patch", group, plural, None, "to change"),
            Step::RollOut { .. } | Step::InPlace { .. } | Step::Mark { .. } => {
                need("patch", group, plural, None, "to update")
            }
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
async fn dry_runs(question: &Question<'_>) -> Result<(Checked, Vec<Problem>), EngineError> {
    let made = Made::of(question)?;
    let to_do = question.items.iter().filter(|item| item.state == ItemState::ToDo);
    let results: Vec<Result<Tried, EngineError>> =
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
        let named = self.names.iter().any(|name| {
            [format!("\"{name}\" not found"), format!("PriorityClass with name {name}")]
                .iter()
                .any(|phrase| words.contains(phrase.as_str()))
        });
        // A webhook that does not support dry runs refuses all of them.
        let webhook = words.contains("does not support dry run");
        (in_new_namespace && (error.is_not_found() || error.is_not_allowed())) || of_new_kind || named || webhook
    }
}

async fn try_item(question: &Question<'_>, made: &Made, item: &Item) -> Result<Tried, EngineError> {
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
        | (Step::RollOut { patch: operations, .. } | Step::ReplacePods { patch: operations, .. }, _)
        | (Step::Mark { patch: operations }, _) => patch(operations.clone()).await,
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
        // The old one still counts against the quota, and goes before the new one comes.
        Some(Err(error))
            if matches!(item.step, Step::Recreate { .. }) && error.to_string().contains("exceeded quota") =>
        {
            Tried::NotCheckable(object.clone())
        }
        Some(Err(error)) if error.is_already_exists() && item.step == Step::Create => {
            match question.cluster.get_metadata(object).await? {
                Some(existing) => match owner(&existing, question.instance_id) {
                    Owner::This => Tried::Accepted,
                    other => Tried::Problem(Problem::Foreign { object: object.clone(), owner: name_of(&other) }),
                },
                None => refused(error),
            }
        }
        Some(Err(error)) => refused(error),
    })
}
