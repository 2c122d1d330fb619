//! From what the pre-checks found to what the view shows.

use crate::engine::precheck::Problem;
use crate::object::ObjectRef;
use crate::object::quota::Exceeded;
use crate::view::Screen;
use crate::view::plan::{MissingKeyLine, PermissionLine, ProblemLine, missing_keys, missing_permissions, problems};

/// All problems, those of one kind together, and how many there are: a key that several Pods miss is one.
pub fn render(found: &[Problem], screen: &Screen) -> (String, usize) {
    let mut keys = Vec::new();
    let mut permissions = Vec::new();
    let mut others = Vec::new();
    for problem in found {
        match problem {
            Problem::Key { object, vdu, missing, file } => keys.push(MissingKeyLine {
                vdu: vdu.clone(),
                object: object.clone(),
                path: missing.path.clone(),
                config: ObjectRef::new("v1", missing.kind.as_str(), None, &missing.name),
                key: missing.key.clone(),
                present: missing.present.clone(),
                did_you_mean: missing.did_you_mean.clone(),
                file: file.clone(),
            }),
            Problem::Permission { access, why } => {
                let sub = access.subresource.as_ref().map(|sub| format!("/{sub}")).unwrap_or_default();
                let place = access.namespace.as_ref().map(|namespace| format!(" in {namespace}")).unwrap_or_default();
                let rule = format!("{} {}{sub}{place}", access.verb, access.resource);
                permissions.push(PermissionLine { rule, why: why.clone() });
            }
            other => others.extend(line(other)),
        }
    }
    let (keys, of_keys) = missing_keys(&keys, screen);
    let count = of_keys + usize::from(!permissions.is_empty()) + others.len();
    (keys + &missing_permissions(&permissions, screen) + &problems(&others, screen), count)
}

/// A problem of one object; missing keys and rights are told together.
fn line(problem: &Problem) -> Option<ProblemLine> {
    let told = |object: &ObjectRef, file: &Option<String>, what: String| ProblemLine {
        object: object.clone(),
        place: file.clone(),
        what,
        command: None,
    };
    Some(match problem {
        Problem::Key { .. } | Problem::Permission { .. } | Problem::Changed => return None,
        Problem::Refused { object, file, error } if !error.owners().is_empty() => {
            told(object, file, format!("{error}\n--overwrite-drift takes them over"))
        }
        Problem::Refused { object, file, error } => told(object, file, error.to_string()),
        Problem::PodRefused { object, file, error } => {
            let words = error.status().map_or_else(|| error.to_string(), |status| status.message.clone());
            // The name is that of the Pod which was tried.
            let words = words.split_once(" is forbidden: ").map_or(words.as_str(), |(_, words)| words);
            told(object, file, format!("its Pods would be refused: {words}"))
        }
        Problem::Quota { object: Some(object), exceeded } => {
            let whom = if object.kind == "Pod" { "it" } else { "its next Pod" };
            let what = format!("ResourceQuota {} has no room for {whom}:\n{}", exceeded.quota, shortages(exceeded));
            told(object, &None, what)
        }
        Problem::Quota { object: None, exceeded } => {
            let quota = ObjectRef::new("v1", "ResourceQuota", None, &exceeded.quota);
            told(&quota, &None, format!("it has no room for all Pods that are to run:\n{}", shortages(exceeded)))
        }
        Problem::TooLarge { object, file, what } => told(object, file, format!("too large: {what}")),
        Problem::Foreign { object, owner } => {
            told(object, &None, format!("it exists and is not this instance's: it belongs to {owner}"))
        }
        Problem::Paused { object } => {
            let place = object.namespace.as_ref().map(|namespace| format!(" -n {namespace}")).unwrap_or_default();
            ProblemLine {
                command: Some(format!("kubectl rollout resume deployment/{}{place}", object.name)),
                ..told(object, &None, "it is paused and would not roll out; resume it first:".into())
            }
        }
        Problem::Budgets { object, pods, budgets } => {
            let which = match budgets.as_slice() {
                [] => "several PodDisruptionBudgets cover".to_owned(),
                names => format!("PodDisruptionBudgets {} all cover", names.join(", ")),
            };
            let (noun, them) = if pods.len() == 1 { ("Pod", "it") } else { ("Pods", "them") };
            let pods = pods.join(", ");
            let what = format!(
                "{noun} {pods} can never be evicted: {which} {them}, and the server evicts no Pod of more than one budget"
            );
            told(object, &None, what)
        }
    })
}

fn shortages(exceeded: &Exceeded) -> String {
    exceeded.shortages.iter().map(|shortage| format!("{shortage}\n")).collect()
}
