//! The sample of the container update, planned without a cluster: what the live objects would be is made from the
//! revision itself.

use super::derive::heal::{self, Targets};
use super::derive::update::{self, Refusal};
use super::derive::{fail, instantiate};
use super::{Contents, Inputs, ItemState, Live, Step, drift, items, journal};
use crate::object::pod::Snapshot;
use crate::object::workload::{WorkloadKind, pod_spec};
use crate::object::{Manifest, ObjectRef, uid};
use crate::package::{OpenOptions, Package};
use crate::record::{How, Journal, PackageId, Reason, Revision, Scope};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::Path;

mod back;
mod change_package;
mod scale;
mod tree;

const INSTANCE: &str = "dec67077-b67c-46ff-b5bf-3b8d34b4ed79";

fn package(which: &str) -> Package {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/container-update").join(which);
    Package::open(&path, &OpenOptions::default()).expect("the sample opens")
}

fn id(package: &Package) -> PackageId {
    PackageId {
        digest: package.digest.to_string(),
        vnfd_id: package.vnfd.descriptor_id.clone(),
        provider: package.vnfd.provider.clone(),
        product_name: package.vnfd.product_name.clone(),
        software_version: package.vnfd.software_version.clone(),
        vnfd_version: package.vnfd.descriptor_version.clone(),
    }
}

/// An instantiated sample: its first revision, both packages, and live objects as a cluster would show them.
struct World {
    current: Revision,
    contents: Contents,
    live: Live,
}

impl World {
    fn new() -> Self {
        let before = package("before");
        let files = before.kubernetes_files();
        let manifests = before.manifests(&files).expect("manifests");
        let mut contents = Contents::default();
        let current = first_revision(&before, &files, &manifests);
        contents.add(before);
        contents.add(package("after"));
        let mut world = Self { current, contents, live: Live::default() };
        for state in world.current.objects.clone() {
            let object = world.contents.desired(&state, INSTANCE).expect("content");
            world.put_live(object);
        }
        world
    }

    /// Puts an object as live, with the Pod that its controller would make.
    fn put_live(&mut self, mut object: Value) {
        let reference = ObjectRef::of(&object).expect("a reference");
        object["metadata"]["uid"] = json!(format!("uid-{reference}"));
        object["metadata"]["generation"] = json!(1);
        match WorkloadKind::of(&reference) {
            None => {}
            Some(WorkloadKind::Pod) => object["status"] = running(),
            Some(_) => {
                object["status"] = json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1,
                    "availableReplicas": 1, "fullyLabeledReplicas": 1, "desiredNumberScheduled": 1, "currentNumberScheduled": 1,
                    "updatedNumberScheduled": 1, "numberAvailable": 1, "numberReady": 1});
                let pod = json!({"apiVersion": "v1", "kind": "Pod",
                    "metadata": {"name": format!("{}-pod", reference.name), "namespace": "default",
                        "uid": format!("uid-pod-of-{reference}"),
                        "annotations": object["spec"]["template"]["metadata"]["annotations"],
                        "ownerReferences": [{"uid": uid(&object), "controller": true}]},
                    "spec": pod_spec(&object), "status": running()});
                self.live.put(pod);
            }
        }
        self.live.put(object);
    }

    fn reference(&self, name: &str) -> ObjectRef {
        let state = self.current.objects.iter().find(|state| state.reference.name == name);
        state.expect("an object of that name").reference.clone()
    }

    fn edit(&mut self, name: &str, edit: impl FnOnce(&mut Value)) {
        let mut object = self.live.get(&self.reference(name)).expect("live").clone();
        edit(&mut object);
        self.live.put(object);
    }

    fn update(&self, which: &str, paths: Option<&[String]>) -> Result<(Revision, Scope), Refusal> {
        let package = self.contents.package(&package(which).digest.to_string()).expect("at hand");
        let request = update::Request {
            current: &self.current,
            package,
            package_id: id(package),
            config_paths: paths,
            contents: &self.contents,
            number: 2,
            operation_id: "op",
            time: Timestamp::UNIX_EPOCH,
        };
        let derived = update::update(&request)?;
        let restore = derived.config.is_empty() && package.digest.to_string() == self.current.package.digest;
        Ok(update::scope(&self.current, derived, &self.contents, &self.live, restore)?)
    }

    /// The journal of an operation that begins now, from the revision in force.
    fn journal(&self, target: Revision, scope: Scope) -> Journal {
        journal(&self.current, Some(target), scope, &self.live)
    }

    fn items(&self, target: &Revision, scope: &Scope) -> Vec<super::Item> {
        let journal = self.journal(target.clone(), scope.clone());
        items(&Inputs { journal: &journal, contents: &self.contents, live: &self.live, instance_id: INSTANCE })
            .expect("items")
    }
}

fn running() -> Value {
    json!({"phase": "Running", "startTime": "2026-01-01T00:00:00Z",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": "nginx", "containerID": "c://1", "restartCount": 0, "ready": true,
            "state": {"running": {}}}]})
}

fn first_revision(package: &Package, files: &[String], manifests: &[Manifest]) -> Revision {
    let flavour = package.vnfd.flavour(None).expect("one flavour");
    let request = instantiate::Request {
        package: id(package),
        flavour,
        level: flavour.level(None).expect("a level"),
        target_namespace: None,
        record_namespace: "default",
        files: files.to_vec(),
        manifests,
        number: 1,
        operation_id: "op-1",
        time: Timestamp::UNIX_EPOCH,
    };
    let (revision, scope) = instantiate::instantiate(&request, |_| true).expect("a revision");
    assert_eq!(scope.create.len(), 12);
    revision
}

fn ways(scope: &Scope) -> Vec<(String, &'static str)> {
    let way = |how: &How| match how {
        How::RollOut => "roll out",
        How::ReplacePods => "replace Pods",
        How::InPlace { refresh_mounts: true } => "in place, mounts refreshed",
        How::InPlace { refresh_mounts: false } => "in place",
        How::Recreate { .. } => "recreate",
        How::Mark => "mark",
        How::Respawn => "respawn",
    };
    let mut ways: Vec<_> = scope.affected.iter().map(|entry| (entry.object.name.clone(), way(&entry.how))).collect();
    ways.sort();
    ways
}

fn pairs(list: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    list.iter().map(|(name, way)| ((*name).to_owned(), *way)).collect()
}

#[test]
fn the_sample_update_touches_exactly_what_changed() {
    let world = World::new();
    let (target, scope) = world.update("after", None).expect("a target");
    let config: Vec<(String, Vec<&str>)> = scope
        .config
        .iter()
        .map(|change| (change.object.name.clone(), change.keys.iter().map(|key| key.key.as_str()).collect()))
        .collect();
    let expected =
        [("cm-data".to_owned(), vec!["cmKey1.txt"]), ("secret-data".to_owned(), vec!["password", "secKey1.txt"])];
    assert_eq!(config.len(), 2);
    assert!(expected.iter().all(|entry| config.contains(entry)), "{config:?}");
    let expected = pairs(&[
        ("daemonset-vdu5", "roll out"),
        ("env-test", "in place"),
        ("vdu1-update", "roll out"),
        ("vdu2-update", "replace Pods"),
        ("volume-test", "in place, mounts refreshed"),
    ]);
    assert_eq!(ways(&scope), expected);
    let marker = |name: &str| target.object(&world.reference(name)).and_then(|state| state.marker);
    assert_eq!((marker("env-test"), marker("env-test2"), marker("cm-data")), (Some(2), Some(1), None));
    let deferred = update::deferred(&target, &world.contents).expect("deferred");
    let deferred: Vec<String> = deferred.iter().map(|d| format!("{} {} {}", d.object, d.field, d.change)).collect();
    assert_eq!(deferred, ["ReplicaSet vdu2-update containers[nginx].ports[0].containerPort 80 -> 180"]);
    assert!(
        drift::overwritten(&world.current, &target, &scope, &world.contents, &world.live).expect("drift").is_empty()
    );
    assert!(world.items(&target, &scope).iter().all(|item| item.state == ItemState::ToDo));
}

#[test]
fn the_request_says_which_config_may_change() {
    let world = World::new();
    let (target, scope) = world.update("after", Some(&[])).expect("a target");
    assert!(scope.config.is_empty());
    // Images alone, in place everywhere: nobody's mounts have changed.
    let in_place = ways(&scope).into_iter().filter(|(_, way)| way.starts_with("in place")).collect::<Vec<_>>();
    assert_eq!(in_place, pairs(&[("env-test", "in place"), ("volume-test", "in place")]));
    let deferred = update::deferred(&target, &world.contents).expect("deferred");
    assert_eq!(deferred.iter().filter(|entry| entry.field.starts_with("key ")).count(), 3);
    let paths = ["nosuch", "configmap_2", "pod_env"].map(|name| format!("Files/kubernetes/{name}.yaml"));
    let Err(Refusal::Paths(problems)) = world.update("after", Some(&paths)) else { panic!("it is not refused") };
    let told: Vec<_> = problems.iter().map(|problem| (problem.index, problem.message.as_str())).collect();
    assert_eq!(
        told,
        [
            (Some(0), "Files/kubernetes/nosuch.yaml is not a Kubernetes file of the package"),
            (Some(2), "Files/kubernetes/pod_env.yaml defines Pod env-test, not a ConfigMap or Secret"),
        ]
    );
}

#[test]
fn the_same_package_changes_nothing_and_puts_drift_back() {
    let mut world = World::new();
    let (_, scope) = world.update("before", None).expect("a target");
    assert!(scope.is_empty(), "{scope:?}");
    world.edit("cm-data3", |object| object["data"]["cmKey1.txt"] = json!("edited"));
    world.live.forget(&world.reference("volume-test"));
    let (_, scope) = world.update("before", None).expect("a target");
    assert_eq!(scope.config.len(), 1);
    let expected = pairs(&[
        ("deployment2-vdu6", "roll out"),
        ("env-test2", "recreate"),
        ("volume-test", "recreate"),
        ("volume-test2", "recreate"),
    ]);
    assert_eq!(ways(&scope), expected);
}

#[test]
fn what_others_edited_is_told_before_it_is_overwritten() {
    let mut world = World::new();
    world.edit("vdu1-update", |object| {
        object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("nginx:1.27");
        object["metadata"]["managedFields"] = json!([{"manager": "kubectl-set", "time": "2026-01-02T00:00:00Z",
            "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"nginx\"}": {"f:image": {}}}}}}}}]);
    });
    // Not written by the update: left alone, and no matter for it.
    world.edit("cm-data3", |object| object["data"]["cmKey1.txt"] = json!("edited"));
    let (target, scope) = world.update("after", None).expect("a target");
    let drift = drift::overwritten(&world.current, &target, &scope, &world.contents, &world.live).expect("drift");
    let drift: Vec<String> =
        drift.iter().map(|d| format!("{} {} {} {:?}", d.object, d.field, d.change, d.manager)).collect();
    assert_eq!(drift, ["Deployment vdu1-update image of nginx nginx -> nginx:1.27 Some(\"kubectl-set\")"]);
    assert!(!scope.config.iter().any(|change| change.object.name == "cm-data3"));
}

#[test]
fn a_key_that_somebody_edited_restarts_its_users_too() {
    let mut world = World::new();
    world.edit("cm-data", |object| object["data"]["extra"] = json!("by hand"));
    let (_, scope) = world.update("after", None).expect("a target");
    let change = scope.config.iter().find(|change| change.object.name == "cm-data").expect("cm-data changes");
    let keys: Vec<&str> = change.keys.iter().map(|key| key.key.as_str()).collect();
    assert_eq!(keys, ["cmKey1.txt", "extra"]);
    let env = scope.affected(&world.reference("env-test")).expect("restarts");
    let by_extra = |reason: &Reason| matches!(reason, Reason::Key { key, .. } if key == "extra");
    assert!(env.reasons.iter().any(by_extra), "envFrom reads every key");
    let volume = scope.affected(&world.reference("volume-test")).expect("restarts");
    assert!(!volume.reasons.iter().any(by_extra), "its items select another key");
}

#[test]
fn done_items_are_not_done_again() {
    let mut world = World::new();
    let (target, scope) = world.update("after", None).expect("a target");
    // As after a killed process: one ConfigMap, one Deployment (with its Pod) and a recreated Pod are done.
    for name in ["cm-data", "vdu1-update"] {
        let state = target.object(&world.reference(name)).expect("in the target").clone();
        let object = world.contents.desired(&state, INSTANCE).expect("content");
        world.put_live(object);
    }
    let items = world.items(&target, &scope);
    let state = |name: &str| items.iter().find(|item| item.object.name == name).map(|item| item.state);
    assert_eq!(state("cm-data"), Some(ItemState::Done));
    assert_eq!(state("vdu1-update"), Some(ItemState::Done));
    assert_eq!(state("secret-data"), Some(ItemState::ToDo));
    assert_eq!(state("env-test"), Some(ItemState::ToDo));
}

#[test]
fn what_belongs_to_somebody_else_does_not_count_as_created() {
    let mut world = World::new();
    let scope = Scope {
        create: world.current.objects.iter().map(|state| state.reference.clone()).collect(),
        ..Scope::default()
    };
    world.edit("cm-data", |object| object["metadata"]["labels"] = json!({}));
    let items = world.items(&world.current, &scope);
    let state = |name: &str| items.iter().find(|item| item.object.name == name).map(|item| item.state);
    assert_eq!(state("cm-data"), Some(ItemState::ToDo));
    assert_eq!(state("cm-data3"), Some(ItemState::Done));
}

#[test]
fn a_pod_that_is_being_deleted_is_waited_out() {
    let mut world = World::new();
    world.edit("env-test", |object| object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"));
    let (target, scope) = world.update("after", None).expect("a target");
    let items = world.items(&target, &scope);
    let item = items.iter().find(|item| item.object.name == "env-test").expect("in scope");
    assert!(matches!(&item.step, Step::Recreate { uid, .. } if uid == "uid-Pod env-test"), "{:?}", item.step);
}

#[test]
fn giving_up_keeps_in_mind_who_has_missed_new_config() {
    let mut world = World::new();
    let (target, scope) = world.update("after", None).expect("a target");
    let put = |world: &mut World, name: &str| {
        let state = target.object(&world.reference(name)).expect("in the target").clone();
        let object = world.contents.desired(&state, INSTANCE).expect("content");
        world.put_live(object);
    };
    for name in ["cm-data", "secret-data", "vdu1-update"] {
        put(&mut world, name);
    }
    let found = fail::reached(&world.journal(target.clone(), scope), false, &world.contents, &world.live);
    let found = found.expect("something is there");
    let recorded = |name: &str| found.object(&world.reference(name)).cloned();
    assert_eq!(recorded("vdu1-update"), target.object(&world.reference("vdu1-update")).cloned());
    assert_eq!(recorded("cm-data"), target.object(&world.reference("cm-data")).cloned());
    assert_eq!(recorded("env-test").map(|state| (state.marker, state.pending.len())), Some((Some(1), 3)));
    assert_eq!(found.number, 2);
    // The next update does the rest: what is written stays, and who has missed it restarts.
    world.current = found;
    let (target, rest) = world.update("after", None).expect("a target");
    assert!(rest.config.is_empty() && rest.affected(&world.reference("vdu1-update")).is_none());
    let volume = rest.affected(&world.reference("volume-test")).expect("restarts");
    assert_eq!(volume.how, How::InPlace { refresh_mounts: true });
    assert!(volume.reasons.iter().any(|reason| matches!(reason, Reason::Key { .. })));
    assert!(target.objects.iter().all(|state| state.pending.is_empty()));
}

#[test]
fn heal_all_makes_the_vdu_workloads_anew_from_the_package() {
    let mut world = World::new();
    let (target, _) = world.update("after", None).expect("a target");
    world.current = target;
    let (healed, scope, stays) =
        heal::all(&world.current, &world.contents, &world.live, 3, "op", Timestamp::UNIX_EPOCH).expect("a target");
    assert_eq!(scope.affected.len(), 8);
    assert!(update::deferred(&healed, &world.contents).expect("deferred").is_empty());
    assert!(healed.objects.iter().all(|state| state.package == healed.package.digest));
    assert!(stays.is_empty() && scope.apply.is_empty());
    // What comes into force with it tells the two revisions apart, so that an undo goes back to the port too.
    let applied = |name: &str| healed.object(&world.reference(name)).expect("in the target").applied;
    assert_eq!((applied("vdu2-update"), applied("vdu1-update")), (Some(3), None));
}

#[test]
fn heal_all_puts_right_what_others_changed_and_deletes_no_more_than_workloads() {
    let mut world = World::new();
    let gone = world.reference("cm-data3");
    world.live.forget(&gone);
    world.edit("secret-data", |object| {
        object["data"]["password"] = json!("b3RoZXI=");
        object["immutable"] = json!(true);
    });
    let (healed, scope, stays) =
        heal::all(&world.current, &world.contents, &world.live, 3, "op", Timestamp::UNIX_EPOCH).expect("a target");
    assert_eq!(scope.affected.len(), 8);
    assert_eq!(scope.config.iter().map(|change| &change.object).collect::<Vec<_>>(), [&gone]);
    let [stays] = &stays[..] else { panic!("one stays: {stays:?}") };
    assert_eq!(stays.object.name, "secret-data");
    assert_eq!(healed.object(&stays.object), world.current.object(&stays.object));
    assert!(scope.delete.is_empty());
}

#[test]
fn a_vnfc_is_healed_by_id_or_pod_name() {
    let world = World::new();
    let vnfcs = heal::vnfcs(&world.current, &world.contents, &world.live);
    let ids: Vec<&str> = vnfcs.iter().map(|vnfc| vnfc.id.as_str()).collect();
    assert_eq!(&ids[..3], ["VDU1-vdu1-update-pod", "VDU2-vdu2-update-pod", "VDU3-env-test"]);
    let targets = Targets::Vnfcs(vec!["VDU1-vdu1-update-pod".into(), "env-test".into()]);
    let scope = heal::chosen(&targets, &vnfcs).expect("known");
    assert_eq!(ways(&scope), pairs(&[("env-test", "recreate"), ("vdu1-update", "respawn")]));
    let unknown = heal::chosen(&Targets::Vdus(vec!["VDU9".into()]), &vnfcs);
    assert_eq!(unknown, Err(vec!["VDU9".to_owned()]));
}

#[test]
fn the_proof_of_untouched_is_the_pod_itself() {
    let world = World::new();
    let pod = world.live.get(&world.reference("env-test2")).expect("live").clone();
    let before = Snapshot::of(&pod);
    assert!(before.same_as(&pod).is_ok());
    let mut restarted = pod;
    restarted["status"]["containerStatuses"][0]["restartCount"] = json!(1);
    assert!(before.same_as(&restarted).is_err());
}
