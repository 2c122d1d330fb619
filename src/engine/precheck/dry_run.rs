//! Tries every write that can be tried, without doing it.

use super::{Problem, Question, name_of, pods, sizes};
use crate::cluster::{ClusterError, Run};
use crate::engine::session::EngineError;
use crate::object::apply;
use crate::object::definition::Definition;
use crate::object::quota::{self, Exceeded, Usage};
use crate::object::{ObjectRef, text};
use crate::plan::content::{ContentError, Owner, owner};
use crate::plan::{Item, ItemState, Step, patch};
use crate::record::names::MANAGER;
use crate::report::checked::Checked;
use futures::StreamExt as _;
use futures::future::join;
use futures::stream;
use serde_json::Value;
use std::collections::BTreeSet;

/// Requests under way at once; the client bounds them further.
const PARALLEL: usize = 16;

/// Tries all writes.
pub(super) async fn check(question: &Question<'_>) -> Result<(Checked, Vec<Problem>), EngineError> {
    let made = Made::of(question)?;
    let to_do = question.items.iter().filter(|item| item.state == ItemState::ToDo);
    let tries = stream::iter(to_do.map(|item| try_item(question, &made, item))).buffered(PARALLEL).collect();
    let (results, quotas): (Vec<Result<(Tried, pods::Tried), EngineError>>, _) =
        join(tries, pods::quotas(question)).await;
    let mut checked = Checked::default();
    let mut problems = Vec::new();
    let mut more = Usage::new();
    for result in results {
        let (write, pods) = result?;
        match write {
            Tried::Accepted(taken) => {
                checked.accepted += 1;
                quota::add(&mut more, &taken, 1);
            }
            Tried::NotCheckable(object) => checked.not_checkable.push(object),
            Tried::Problem(problem) => problems.push(problem),
            Tried::Nothing => {}
        }
        match pods {
            pods::Tried::Admitted(taken) => {
                checked.admitted += 1;
                quota::add(&mut more, &taken, 1);
            }
            pods::Tried::Problem(problem) => problems.push(*problem),
            pods::Tried::Unknown(what) => checked.unknown.push(what),
            pods::Tried::Nothing => {}
        }
    }
    let (lacking, unknown) = pods::together(quotas, &more, &problems)?;
    problems.extend(lacking);
    checked.unknown.extend(unknown);
    Ok((checked, problems))
}

enum Tried {
    /// What it takes of quotas, if it is a Pod, beyond what the one before it takes.
    Accepted(Usage),
    NotCheckable(ObjectRef),
    Problem(Problem),
    Nothing,
}

/// What the plan itself creates that other writes need.
pub(super) struct Made {
    namespaces: BTreeSet<String>,
    kinds: Vec<Definition>,
    names: BTreeSet<String>,
}

impl Made {
    fn of(question: &Question<'_>) -> Result<Self, ContentError> {
        let mut made = Self { namespaces: BTreeSet::new(), kinds: Vec::new(), names: BTreeSet::new() };
        let Some(target) = &question.journal.target else { return Ok(made) };
        for item in question.items {
            let created = item.step == Step::Create;
            match item.object.kind.as_str() {
                "Namespace" if created => drop(made.namespaces.insert(item.object.name.clone())),
                "ServiceAccount" | "PriorityClass" | "RuntimeClass" if created => {
                    made.names.insert(item.object.name.clone());
                }
                // One that is there may come to serve another version.
                "CustomResourceDefinition" if created || matches!(item.step, Step::Apply { .. }) => {
                    if let Some(state) = target.object(&item.object) {
                        let content = question.contents.content(state)?;
                        made.kinds.extend(Definition::of(&content));
                    }
                }
                _ => {}
            }
        }
        Ok(made)
    }

    /// Whether a refusal may only be due to something that the plan makes before it.
    pub(super) fn explains(&self, object: &ObjectRef, error: &ClusterError) -> bool {
        let in_new_namespace = object.namespace.as_ref().is_some_and(|namespace| self.namespaces.contains(namespace));
        let of_new_kind = matches!(error, ClusterError::NotServed { .. })
            && self.kinds.iter().any(|definition| definition.defines(object));
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

/// Another name for an object that is there already.
pub(super) fn name_for_trial(name: &str) -> String {
    let name: String = name.chars().take(200).collect();
    format!("{}-vnf-check", name.trim_end_matches(['.', '-']))
}

fn named_for_trial(desired: &Value) -> Value {
    let mut desired = desired.clone();
    let name = name_for_trial(text(&desired, "/metadata/name").unwrap_or_default());
    desired["metadata"]["name"] = Value::String(name);
    desired
}

async fn try_item(question: &Question<'_>, made: &Made, item: &Item) -> Result<(Tried, pods::Tried), EngineError> {
    let state = question.journal.target.as_ref().and_then(|target| target.object(&item.object));
    let desired = match state {
        Some(state) => Some(question.contents.desired(state, question.instance_id)?),
        None => None,
    };
    let file = state.map(|state| state.source.file.as_str());
    let write = try_write(question, made, item, desired.as_ref(), file);
    let (write, pods) = join(write, pods::check(question, made, item, desired.as_ref(), file)).await;
    Ok(match write? {
        // What is wrong with a workload is wrong with its Pods: it is said once.
        write @ (Tried::Problem(_) | Tried::NotCheckable(_)) => (write, pods::Tried::Nothing),
        write => (write, pods),
    })
}

async fn try_write(
    question: &Question<'_>,
    made: &Made,
    item: &Item,
    desired: Option<&Value>,
    file: Option<&str>,
) -> Result<Tried, EngineError> {
    let object = &item.object;
    let operations = match &item.step {
        Step::Config { patch, replace: None, .. }
        | Step::Mark { patch }
        | Step::RollOut { patch, .. }
        | Step::ReplacePods { patch, .. }
        | Step::Scale { patch, .. } => patch.clone(),
        Step::InPlace { mark, patch, .. } => [patch.clone(), mark.clone()].concat(),
        _ => Vec::new(),
    };
    let replaces = matches!(
        item.step,
        Step::Recreate { .. } | Step::Apply { because: Some(_), .. } | Step::Config { replace: Some(_), .. }
    );
    let whole = matches!(
        item.step,
        Step::Apply { because: None, .. }
            | Step::Config { whole: true, .. }
            | Step::RollOut { whole: true, .. }
            | Step::ReplacePods { whole: true, .. }
    );
    let created = match desired {
        Some(desired) if item.step == Step::Create => Some(desired.clone()),
        Some(desired) if replaces => {
            // The old one is still there: the new one is tried under another name.
            Some(named_for_trial(desired))
        }
        _ => None,
    };
    let large = match (&created, desired) {
        (Some(created), _) => sizes::too_large(created, None),
        (None, Some(desired)) if whole => sizes::too_large(desired, None),
        (None, Some(desired)) if !operations.is_empty() => sizes::too_large(desired, Some(&operations)),
        _ => None,
    };
    if let Some(what) = large {
        let file = file.map(ToOwned::to_owned);
        return Ok(Tried::Problem(Problem::TooLarge { object: object.clone(), file, what }));
    }
    let result = match (&created, desired) {
        (Some(created), _) => question.cluster.create(created, Run::Dry).await,
        (None, Some(desired)) if whole => try_apply(question, object, desired).await,
        _ if operations.is_empty() => return Ok(Tried::Nothing),
        _ => question.cluster.json_patch(object, &operations, Run::Dry).await,
    };
    // A Pod that is made again frees what it takes before it takes it.
    let freed = match (replaces, question.observer.live().get(object)) {
        (true, Some(pod)) if object.kind == "Pod" => quota::usage(pod),
        _ => Usage::new(),
    };
    let refused =
        |error| Tried::Problem(Problem::Refused { object: object.clone(), file: file.map(Into::into), error });
    Ok(match result {
        Ok(answer) if created.is_some() && object.kind == "Pod" => {
            let mut taken = quota::usage(&answer);
            quota::add(&mut taken, &freed, -1);
            Tried::Accepted(taken)
        }
        Ok(_) => Tried::Accepted(Usage::new()),
        // A guard of the patch that does not hold is refused without a word of why.
        Err(error) if created.is_none() && !whole && (error.is_not_found() || error.is_invalid()) => {
            match question.observer.read(question.cluster, object).await? {
                Some(live) if patch::mismatches(&operations, &live).is_empty() => refused(error),
                _ => Tried::Problem(Problem::Changed),
            }
        }
        Err(error) if made.explains(object, &error) => Tried::NotCheckable(object.clone()),
        Err(error) if error.is_already_exists() && item.step == Step::Create => {
            match question.cluster.get_metadata(object).await? {
                Some(existing) => match owner(&existing, question.instance_id) {
                    Owner::This => Tried::Accepted(Usage::new()),
                    other => Tried::Problem(Problem::Foreign { object: object.clone(), owner: name_of(&other) }),
                },
                None => refused(error),
            }
        }
        Err(error) => match Exceeded::read(&error.to_string()) {
            Some(exceeded) if object.kind == "Pod" => match exceeded.after(&freed) {
                Some(exceeded) => Tried::Problem(Problem::Quota { object: Some(object.clone()), exceeded }),
                None => Tried::Accepted(Usage::new()),
            },
            // One that counts objects: the old one goes before the new one comes.
            Some(_) if replaces => Tried::NotCheckable(object.clone()),
            _ => refused(error),
        },
    })
}

/// Tries to write an object as a whole: first whether that is in somebody's way (this program's own earlier writes
/// never are), then whether it is valid.
async fn try_apply(question: &Question<'_>, object: &ObjectRef, desired: &Value) -> Result<Value, ClusterError> {
    let (applicable, adopted) = match question.observer.live().get(object) {
        Some(live) => {
            let adopted = apply::adopt(live, MANAGER, question.overwrite.then_some(desired)).is_empty();
            (patch::applicable(desired.clone(), live), adopted)
        }
        None => (desired.clone(), true),
    };
    let own = format!("\"{MANAGER}\"");
    let result = match question.cluster.apply(&applicable, false, Run::Dry).await {
        Err(error) if error.is_conflict() => {
            let foreign = error.owners().iter().any(|cause| !cause.message.contains(&own));
            if foreign && !question.overwrite {
                return Err(error);
            }
            question.cluster.apply(&applicable, true, Run::Dry).await
        }
        other => other,
    };
    match result {
        // What was written field by field is only taken away once it counts as applied, which would be a write. Till
        // then both the old and the new item of a list may be in the way of each other: is the new object valid alone?
        Err(error) if error.is_invalid() && !adopted && !error.to_string().contains("immutable") => {
            question.cluster.create(&named_for_trial(desired), Run::Dry).await
        }
        other => other,
    }
}
