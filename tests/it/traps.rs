//! The traps of Kubernetes that an update can step into, found by experiment, and the test that keeps each of them
//! sprung. Those without a test elsewhere are in here.
//!
//! | trap | test |
//! |---|---|
//! | a container restarted in place starts with the mounts of before | `restart::*` |
//! | Ready, observedGeneration and image tell of the old container | `budgets::ready_of_the_old_container_is_never_taken_for_done` |
//! | a container is Ready for a moment before it ends | none: it is mostly found out, not always (see `engine::execute::alive`) |
//! | the kubelet holds back a container that was changed to and fro | `an_image_changed_to_and_fro_is_waited_for` |
//! | in place, a pull error is shown as CrashLoopBackOff | `failed::a_bad_image_of_a_bare_pod_is_named_with_its_pull_error` |
//! | a missing key or object may come late | `budgets::an_object_that_is_missing_is_borne_for_a_while` |
//! | a quota refuses Pods, and gives way | `budgets::a_deployment_that_is_refused_a_pod_fails_after_a_while` |
//! | Pods of the old template run with the new configuration after a rollback | `rollback::*` |
//! | a budget protects for ever what does not serve | `a_budget_does_not_protect_what_does_not_serve` |
//! | a budget holds what serves | `workloads::a_disruption_budget_is_waited_for_until_time_is_up_or_it_is_gone` |
//! | JSON Patch tests compare bytes, and say nothing when they fail | `config_only::any_text_can_be_changed`, `drift::*` |
//! | an apply is in the way of one's own patches, and of others' replicas | `change_package::*` |
//! | restartPolicy Never and OnFailure end for good on a bad image | `workloads::pods_that_are_not_always_restarted_are_made_anew` |
//! | a patched init container does not run again | `workloads::a_sidecar_restarts_in_place_and_an_init_container_does_not` |
//! | a dry run cannot try everything | `precheck::*`, `bad_input::*` |
//! | the lock: whose clock, and who sleeps | `contended::*` |
//! | who is first takes the name | `contended::*`, `bad_input::a_name_is_given_once` |
//! | a VNF's own ConfigMaps look like records | `a_vnf_of_many_config_maps_is_one_line_of_the_list` |
//! | a grace period does not travel through an owner | `force_reaches_pods_through_their_owner` |
//! | a Namespace or CRD is shared | `terminate::*` |
//! | a StatefulSet waits for ever for a broken Pod, and its status looks converged | `a_stateful_set_gets_rid_of_a_broken_pod` |

use crate::support::driven::{ALL, IGNORE_TERM, SERVE, driven, driven_spec, package};
use crate::support::manifests::{config_map, container, pod, spec, workload, yaml};
use crate::support::{Cluster, Draft, Namespace, cluster, eventually};
use serde_json::json;
use std::time::Duration;

const NAME: &str = "trap";

fn running(cluster: &'static Cluster, purpose: &str, draft: &Draft) -> Namespace {
    let ns = Namespace::new(cluster, purpose);
    ns.vnf(&["instantiate", NAME, "--package", &draft.write().path()]).succeeds();
    ns
}

#[test]
fn an_image_changed_to_and_fro_is_waited_for() {
    let Some(cluster) = cluster() else { return };
    let of = |image: &str| yaml(&[pod("bare", &spec(&container(image, &json!({})), &json!({})))]);
    let draft = Draft::of("To and fro", &[(ALL, &of("nginx"))], &["bare"]);
    let ns = running(cluster, "fro", &draft);
    let uid = ns.object("pod/bare").uid().to_owned();
    // The kubelet's back-off is per image: from the second time on it holds each of them back.
    for (round, image) in ["tomcat", "nginx", "tomcat", "nginx"].into_iter().enumerate() {
        let next = draft.clone().manifest(ALL, &of(image));
        ns.vnf(&["update", NAME, "--package", &next.write().path()]).succeeds();
        let now = ns.object("pod/bare");
        assert_eq!((now.uid(), now.life().restarts), (uid.as_str(), round as i64 + 1));
        assert!(now.is_ready(), "{image}");
    }
}

#[test]
fn a_budget_does_not_protect_what_does_not_serve() {
    let Some(cluster) = cluster() else { return };
    let data = json!({"volumeMounts": [{"name": "data", "mountPath": "/data"}]});
    let volume = json!({"volumes": [{"name": "data", "emptyDir": {}}]});
    let set = workload("ReplicaSet", "set", "set", Some(2), &spec(&driven("nginx", "web", &data), &volume));
    let draft = package("Guarded", &[("web", "test -e /data/die || exec /bin/start; exit 1")], &[set]);
    let ns = running(cluster, "guarded", &draft);
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "some"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "set"}}}});
    ns.create(&budget.to_string());
    let old = ns.at_rest();
    let broken = old.pods_of("ReplicaSet/set")[0].name();
    ns.kubectl(&["exec", broken, "--", "/bin/sh", "-c", "touch /data/die; kill 1"]);
    eventually("it serves no more, and the budget knows", Duration::from_secs(60), || {
        let again = ns.object(&format!("pod/{broken}")).life().restarts >= 2;
        (again && ns.object("pdb/some").number("/status/currentHealthy") == 1).then_some(())
    });
    // One healthy Pod of one that must be: no eviction is allowed, of the broken one neither.
    let next = draft.edit(ALL, "test -e /data/die || exec /bin/start; exit 1", SERVE);
    ns.vnf(&["update", NAME, "--package", &next.write().path(), "--timeout", "60s"]).succeeds();
    let new = ns.at_rest();
    for pod in new.pods_of("ReplicaSet/set") {
        assert!(pod.is_ready() && old.pods_of("ReplicaSet/set").iter().all(|old| old.uid() != pod.uid()));
    }
}

#[test]
fn a_vnf_of_many_config_maps_is_one_line_of_the_list() {
    let Some(cluster) = cluster() else { return };
    let maps: Vec<_> = (0..20).map(|number| config_map(&format!("own-{number}"), &[("k", "v")])).collect();
    let draft = Draft::of("Many maps", &[(ALL, &yaml(&maps))], &[]);
    let ns = running(cluster, "maps", &draft);
    let list = ns.vnf(&["list"]).succeeds();
    assert_eq!(list.stdout.lines().count(), 2, "head and instance\n{list}");
    let records = ns.kubectl(&["get", "configmaps", "-l", "kubectl-vnf/record=instance", "-o", "name"]).succeeds();
    assert_eq!(records.stdout.lines().count(), 1, "{records}");
}

#[test]
fn force_reaches_pods_through_their_owner() {
    let Some(cluster) = cluster() else { return };
    let mut spec = driven_spec("nginx", "web");
    spec["terminationGracePeriodSeconds"] = 120.into();
    let draft = package("Forced", &[("web", IGNORE_TERM)], &[workload("Deployment", "web", "web", Some(2), &spec)]);
    let ns = running(cluster, "forced", &draft);
    let run = ns.vnf(&["terminate", NAME, "--yes", "--force"]).succeeds();
    assert!(run.took < Duration::from_secs(60), "each Pod's own period is two minutes: {run}");
    assert_eq!(ns.objects().of_kind("Pod").count(), 0);
}

#[test]
fn a_stateful_set_gets_rid_of_a_broken_pod() {
    let Some(cluster) = cluster() else { return };
    let of = |image: &str| {
        yaml(&[workload("StatefulSet", "set", "set", Some(2), &spec(&container(image, &json!({})), &json!({})))])
    };
    let draft = Draft::of("Stuck", &[(ALL, &of("nginx"))], &["set"]);
    let ns = running(cluster, "stuck", &draft);
    let bad = draft.clone().manifest(ALL, &of("nginx:nosuch"));
    ns.vnf(&["update", NAME, "--package", &bad.write().path()]).exits(3);
    ns.vnf(&["op", "fail", NAME]).succeeds();
    // The controller alone would wait for set-1 for ever.
    let good = draft.manifest(ALL, &of("tomcat"));
    ns.vnf(&["update", NAME, "--package", &good.write().path()]).succeeds();
    let objects = ns.at_rest();
    let pods = objects.pods_of("StatefulSet/set");
    assert!(
        pods.len() == 2 && pods.iter().all(|pod| pod.is_ready() && pod.text("/spec/containers/0/image") == "tomcat")
    );
}
