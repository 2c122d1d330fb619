//! What somebody else did between a plan that was shown and the plan of now.

use super::drift::{Drift, Writer, image_writer};
use super::sheet::Sheet;
use super::{Item, Live, Step, patch};
use crate::object::config::is_config;
use crate::object::workload::{MARKER, WorkloadKind};
use crate::object::{ObjectRef, text, uid};
use serde_json::Value;

/// Why the plan of now is not the one that was shown: field by field where that can be told, and never empty.
pub fn changes(shown: &Sheet, now: &Sheet, live: &Live) -> Vec<Drift> {
    let mut found: Vec<Drift> = now.drift.iter().filter(|entry| !shown.drift.contains(entry)).cloned().collect();
    let planned = |sheet: &Sheet, item: &Item| {
        sheet
            .items
            .iter()
            .any(|other| other.object == item.object && other.step == item.step && other.reasons == item.reasons)
    };
    for item in shown.items.iter().filter(|item| !planned(now, item)) {
        let fields = of_item(item, now, live);
        let news = fields
            .into_iter()
            .filter(|one| !found.iter().any(|known| known.object == one.object && known.field == one.field));
        let news: Vec<Drift> = news.collect();
        found.extend(news);
    }
    for item in now.items.iter().filter(|item| !shown.items.iter().any(|other| other.object == item.object)) {
        if !found.iter().any(|known| known.object == item.object) {
            let what = if live.get(&item.object).is_some() { "is concerned now" } else { "deleted" };
            found.push(plain(&item.object, what));
        }
    }
    if shown.package_before != now.package_before || shown.name != now.name {
        let record = ObjectRef::new("v1", "ConfigMap", None, &format!("vnf-{}", now.id));
        found.push(plain(&record, "another operation has changed the record"));
    }
    if found.is_empty() {
        let objects = shown.items.iter().chain(&now.items).filter(|item| !planned(shown, item) || !planned(now, item));
        found.extend(objects.take(1).map(|item| plain(&item.object, "is planned otherwise now")));
    }
    found
}

/// What has become of one planned object.
fn of_item(item: &Item, now: &Sheet, live: &Live) -> Vec<Drift> {
    let object = &item.object;
    let Some(found) = live.get(object) else { return vec![plain(object, "deleted")] };
    let known = known_uid(item);
    if known.is_some_and(|known| known != uid(found)) {
        let what = if known == Some("") { "created" } else { "deleted and created again" };
        let manager = text(found, "/metadata/managedFields/0/manager").map(ToOwned::to_owned);
        let time = text(found, "/metadata/creationTimestamp").and_then(|time| time.parse().ok());
        return vec![Drift { manager, time, ..plain(object, what) }];
    }
    let mut fields: Vec<Drift> = patch::mismatches(&patch_of(&item.step), found)
        .into_iter()
        .filter_map(|(path, expected, is)| field(object, found, &path, &expected, &is))
        .collect();
    if fields.is_empty() {
        let what = match now.items.iter().find(|other| other.object == *object).map(|other| &other.step) {
            None => "there is nothing left to do".to_owned(),
            Some(Step::Recreate { because, .. }) => format!("has to be made again: {because}"),
            Some(_) => "is planned otherwise now".to_owned(),
        };
        fields.push(plain(object, &what));
    }
    fields
}

/// The UID that a step was planned for; `""`: there was nothing.
fn known_uid(item: &Item) -> Option<&str> {
    match &item.step {
        Step::Recreate { uid, .. } | Step::Apply { uid, .. } => Some(uid),
        Step::Create => Some(""),
        Step::Config { patch, .. }
        | Step::RollOut { patch, .. }
        | Step::ReplacePods { patch, .. }
        | Step::Scale { patch, .. }
        | Step::Mark { patch }
        | Step::InPlace { patch, .. } => {
            let guard = patch.iter().find(|operation| operation["path"] == "/metadata/uid")?;
            guard["value"].as_str()
        }
        Step::Respawn { .. } | Step::Delete => None,
    }
}

fn patch_of(step: &Step) -> Vec<Value> {
    match step {
        Step::Config { patch, .. }
        | Step::RollOut { patch, .. }
        | Step::ReplacePods { patch, .. }
        | Step::Scale { patch, .. }
        | Step::Mark { patch } => patch.clone(),
        Step::InPlace { mark, patch, .. } => [mark.clone(), patch.clone()].concat(),
        Step::Create | Step::Apply { .. } | Step::Recreate { .. } | Step::Respawn { .. } | Step::Delete => Vec::new(),
    }
}

/// One field that is not what the plan was made with. Of configuration only its keys are told.
fn field(object: &ObjectRef, live: &Value, path: &str, expected: &Value, found: &Value) -> Option<Drift> {
    let (at, last) = path.rsplit_once('/')?;
    let last = last.replace("~1", "/").replace("~0", "~");
    if is_config(object) {
        let change = if found.is_null() { "removed" } else { "another value" };
        return Some(written(
            Drift { field: last.clone(), ..plain(object, change) },
            super::drift::key_writer(live, &last),
        ));
    }
    if last == "annotations" || last == MARKER {
        return Some(Drift { field: last, ..plain(object, "changed") });
    }
    if path == "/spec/replicas" {
        let entry = Drift { field: "spec.replicas".into(), ..plain(object, &format!("{expected} -> {found}")) };
        return Some(written(entry, super::drift::replicas_writer(live)));
    }
    // The guard of the name says which container it is.
    let container = text(live, &format!("{at}/name")).filter(|_| last == "image")?;
    let show = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let entry = Drift {
        field: format!("image of {container}"),
        ..plain(object, &format!("{} -> {}", show(expected), show(found)))
    };
    Some(written(entry, image_writer(WorkloadKind::of(object)?, live, container)))
}

fn written(entry: Drift, writer: Writer) -> Drift {
    match writer {
        Writer::Foreign(manager, time) => Drift { manager: Some(manager), time, ..entry },
        Writer::Ours | Writer::Unknown => entry,
    }
}

fn plain(object: &ObjectRef, change: &str) -> Drift {
    Drift { object: object.clone(), field: String::new(), change: change.to_owned(), manager: None, time: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ItemState;
    use crate::plan::order::phase;
    use crate::record::{Instance, PackageId, Reason, Verb};
    use serde_json::json;
    use std::collections::BTreeMap;

    fn web(uid: &str, image: &str) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "n", "uid": uid, "creationTimestamp": "2026-01-02T00:00:00Z",
                "managedFields": [{"manager": "kubectl-set", "time": "2026-01-03T00:00:00Z", "fieldsV1": {"f:spec": {
                    "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {"f:image": {}}}}}}}}]},
            "spec": {"template": {"metadata": {"annotations": {}}, "spec": {"containers": [{"name": "c", "image": image}]}}}})
    }

    fn sheet(live: &Value) -> Sheet {
        let object = ObjectRef::of(live).expect("a reference");
        let wanted = BTreeMap::from([("c".to_owned(), "new".to_owned())]);
        let patch = patch::workload(WorkloadKind::Deployment, live, &wanted, Some(2));
        let step = Step::RollOut { patch: patch::of_this_object(live, &patch), whole: false, strays: Vec::new() };
        let before = live.pointer("/spec/template/spec/containers/0/image").and_then(Value::as_str).unwrap_or("");
        let reasons = vec![Reason::Image { container: "c".into(), before: before.into(), after: "new".into() }];
        let item =
            Item { phase: phase(&object), object, vdu: None, step, state: ItemState::ToDo, reasons, pods: Vec::new() };
        let instance = Instance::create("id".into(), "x".into(), PackageId::unknown());
        Sheet::new(Verb::Update, &instance, "", "n", vec![item])
    }

    fn told(now: &Value) -> Vec<(String, String, Option<String>)> {
        let mut live = Live::default();
        live.put(now.clone());
        let found = changes(&sheet(&web("1", "old")), &sheet(now), &live);
        found.into_iter().map(|one| (one.field, one.change, one.manager)).collect()
    }

    #[test]
    fn an_edit_is_told_with_field_value_and_writer() {
        let (field, change) = ("image of c".to_owned(), "old -> other".to_owned());
        assert_eq!(told(&web("1", "other")), [(field, change, Some("kubectl-set".into()))]);
        let anew = (String::new(), "deleted and created again".to_owned(), Some("kubectl-set".into()));
        assert_eq!(told(&web("2", "old")), [anew]);
    }

    #[test]
    fn what_is_gone_or_done_is_told() {
        let shown = sheet(&web("1", "old"));
        let nothing = Sheet { items: Vec::new(), ..shown.clone() };
        let mut live = Live::default();
        let changes_now = |live: &Live| changes(&shown, &nothing, live).remove(0).change;
        assert_eq!(changes_now(&live), "deleted");
        live.put(web("1", "old"));
        assert_eq!(changes_now(&live), "there is nothing left to do");
        assert!(!changes(&nothing, &shown, &live).is_empty(), "what is new in the plan is told");
    }

    #[test]
    fn drift_that_is_new_is_told_once() {
        let now = web("1", "other");
        let mut live = Live::default();
        live.put(now.clone());
        let drift = Drift {
            field: "image of c".into(),
            change: "old -> other".into(),
            ..plain(&ObjectRef::of(&now).expect("a reference"), "")
        };
        let now = Sheet { drift: vec![drift.clone()], ..sheet(&now) };
        assert_eq!(changes(&sheet(&web("1", "old")), &now, &live), [drift]);
    }
}
