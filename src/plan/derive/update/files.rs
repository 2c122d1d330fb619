//! Which of the new package's files an instance takes, and which of them its request lists.

use super::{PathProblem, Refusal, Request};
use crate::object::config::is_config;
use crate::object::{Manifest, ObjectRef};
use crate::record::ObjectState;
use std::collections::BTreeMap;

/// Whether a manifest defines the object of a state, its namespace settled.
pub(super) fn names(manifest: &Manifest, state: &ObjectState, namespace: &str) -> bool {
    defined_as(&manifest.reference, state, namespace)
}

/// As [`names`], by reference. A manifest may leave its namespace out or name another: all go to one namespace.
pub(super) fn defined_as(reference: &ObjectRef, state: &ObjectState, namespace: &str) -> bool {
    let mut settled = reference.clone();
    settled.namespace = state.reference.namespace.as_ref().map(|_| namespace.to_owned());
    settled.same_object(&state.reference)
}

/// The objects that `configmap_secret_paths` lists; `None`: the request has no such list.
pub(super) fn listed_objects(
    request: &Request<'_>,
    defines: &BTreeMap<String, Vec<ObjectRef>>,
) -> Result<Option<Vec<ObjectRef>>, Refusal> {
    let Some(paths) = request.config_paths else { return Ok(None) };
    let mut objects = Vec::new();
    let mut problems = Vec::new();
    for (index, path) in paths.iter().enumerate() {
        let mut wrong = |message: String| problems.push(PathProblem { index: Some(index), message });
        let Some(defined) = defines.get(path) else {
            wrong(format!("{path} is not a Kubernetes file of the package"));
            continue;
        };
        for object in defined {
            let known =
                request.current.objects.iter().any(|state| defined_as(object, state, &request.current.namespace));
            if !is_config(object) {
                wrong(format!("{path} defines {object}, not a ConfigMap or Secret"));
            } else if !known {
                wrong(format!("{path} defines {object}, which the instance does not have"));
            } else {
                objects.push(object.clone());
            }
        }
    }
    if problems.is_empty() { Ok(Some(objects)) } else { Err(Refusal::Paths(problems)) }
}

/// The instance's file list in terms of the new package: a listed config path takes the place of the file that
/// defines the same objects; a path that the new package lacks is found by what it defines.
pub(super) fn files(request: &Request<'_>, defines: &BTreeMap<String, Vec<ObjectRef>>) -> Result<Vec<String>, Refusal> {
    let namespace = &request.current.namespace;
    let listed: Vec<&String> = request.config_paths.unwrap_or_default().iter().collect();
    let defines_object = |file: &str, state: &ObjectState| {
        defines.get(file).is_some_and(|objects| objects.iter().any(|object| defined_as(object, state, namespace)))
    };
    let mut chosen: Vec<String> = Vec::new();
    let mut problems = Vec::new();
    let mut choose = |file: &str| {
        if !chosen.iter().any(|known| known == file) {
            chosen.push(file.to_owned());
        }
    };
    let old = old_defines(request);
    for file in &request.current.files {
        let states: Vec<&ObjectState> = request
            .current
            .objects
            .iter()
            .filter(|state| {
                old.get(file).is_some_and(|objects| objects.iter().any(|object| defined_as(object, state, namespace)))
            })
            .collect();
        let mut all_listed = !states.is_empty();
        for state in states {
            if let Some(path) = listed.iter().find(|path| defines_object(path, state)) {
                choose(path);
                continue;
            }
            all_listed = false;
            if defines_object(file, state) {
                continue;
            }
            let candidates: Vec<&String> = defines.keys().filter(|other| defines_object(other, state)).collect();
            match candidates.as_slice() {
                [] => {}
                [one] => choose(one),
                several => problems.push(PathProblem {
                    index: None,
                    message: format!(
                        "{} is defined in {}; name the file in configmap_secret_paths, or keep the path {file}",
                        state.reference,
                        several.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(" and ")
                    ),
                }),
            }
        }
        if !all_listed && defines.contains_key(file) {
            choose(file);
        }
    }
    // An instance of everything in its package is one of everything in the new one: a new file adds objects.
    let everything = request
        .contents
        .package(&request.current.package.digest)
        .is_some_and(|package| package.kubernetes_files().iter().all(|file| request.current.files.contains(file)));
    if everything {
        for file in request.package.kubernetes_files() {
            let known = |object: &ObjectRef| request.current.objects.iter().any(|s| defined_as(object, s, namespace));
            let adds = defines.get(&file).is_some_and(|objects| objects.iter().any(|object| !known(object)));
            if adds {
                choose(&file);
            }
        }
    }
    if problems.is_empty() { Ok(chosen) } else { Err(Refusal::Paths(problems)) }
}

/// What each file of the instance's list defines, in the package in force.
fn old_defines(request: &Request<'_>) -> BTreeMap<String, Vec<ObjectRef>> {
    let package = request.contents.package(&request.current.package.digest);
    package.and_then(|package| package.defines().ok()).unwrap_or_default()
}
