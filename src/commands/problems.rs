//! From what the pre-checks found to what the view shows.

use crate::engine::precheck::Problem;
use crate::object::ObjectRef;
use crate::view::Screen;
use crate::view::plan::{MissingKeyLine, PermissionLine, ProblemLine, missing_keys, missing_permissions, problems};

/// All problems, those of one kind together.
pub fn render(found: &[Problem], screen: &Screen) -> String {
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
            Problem::Refused { object, file, error } => others.push(ProblemLine {
                object: object.clone(),
                place: file.clone(),
                what: error.to_string(),
                command: None,
            }),
            Problem::Foreign { object, owner } => others.push(ProblemLine {
                object: object.clone(),
                place: None,
                what: format!("it exists and is not this instance's: it belongs to {owner}"),
                command: None,
            }),
            Problem::Paused { object } => {
                let place = object.namespace.as_ref().map(|namespace| format!(" -n {namespace}")).unwrap_or_default();
                others.push(ProblemLine {
                    object: object.clone(),
                    place: None,
                    what: "it is paused and would not roll out; resume it first:".into(),
                    command: Some(format!("kubectl rollout resume deployment/{}{place}", object.name)),
                });
            }
        }
    }
    missing_keys(&keys, screen) + &missing_permissions(&permissions, screen) + &problems(&others, screen)
}
