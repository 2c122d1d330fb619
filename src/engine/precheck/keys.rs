//! Keys that Pods require and will not find.

use super::{Problem, Question};
use crate::engine::session::EngineError;
use crate::object::ObjectRef;
use crate::object::config::is_config;
use crate::object::reference::{ConfigKind, Lookup, missing_keys, uses};
use crate::object::workload::{WorkloadKind, pod_spec};
use crate::plan::{Item, ItemState, Step};
use crate::record::Revision;
use futures::future::join_all;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// ConfigMaps and Secrets as they will be when the operation is done, by kind and name.
type ConfigAfter<'a> = BTreeMap<(String, String), (Option<Value>, Option<&'a str>)>;

/// Keys that Pods require and will not find.
pub(super) async fn check(question: &Question<'_>) -> Result<Vec<Problem>, EngineError> {
    let Some(target) = &question.journal.target else { return Ok(Vec::new()) };
    let mut starting = Vec::new();
    for item in question.items.iter().filter(|item| item.state == ItemState::ToDo) {
        let Some(state) = target.object(&item.object).filter(|_| WorkloadKind::of(&item.object).is_some()) else {
            continue;
        };
        let anew = matches!(item.step, Step::Create | Step::Recreate { .. });
        let live = question.observer.live().get(&item.object).filter(|_| !anew).cloned();
        let object = match live {
            Some(live) => live,
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
            question.observer.live().get(&state.reference).cloned()
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
