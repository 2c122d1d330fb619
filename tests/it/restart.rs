//! Bare Pods that mount a changed key and get a new image restart in place, and must never start with the old
//! content: a hundred restarts in a row, a part of them of a single Pod, since restarts side by side hide the race
//! between the kubelet's refresh of a volume and the container's start.

use crate::support::manifests::{config_map, mounting, pod, yaml};
use crate::support::{Draft, Namespace, cluster};
use serde_json::json;

/// Names of the images of the test cluster. No name is used twice: the kubelet holds a container back that it has
/// started with the same spec a short while ago.
fn images(count: usize) -> Vec<String> {
    let mut names = Vec::new();
    for image in ["nginx", "tomcat", "cirros", "busybox"] {
        for prefix in ["", "docker.io/", "library/", "docker.io/library/"] {
            names.push(format!("{prefix}{image}"));
            names.push(format!("{prefix}{image}:latest"));
        }
    }
    // Neighbours are different images, not two spellings of one.
    let (quarter, mut mixed) = (names.len() / 4, Vec::new());
    for index in 0..quarter {
        mixed.extend((0..4).map(|image| names[image * quarter + index].clone()));
    }
    mixed.truncate(count);
    assert_eq!(mixed.len(), count);
    mixed
}

/// `rounds` updates of `pods` Pods, each with new content and a new image.
fn restarts(purpose: &str, pods: usize, rounds: usize, flags: &[&str]) {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, purpose);
    let names: Vec<String> = (0..pods).map(|number| format!("pod-{number}")).collect();
    let images = images(rounds + 1);
    let manifest = |round: usize| {
        let user = mounting(&images[round], &json!({"configMap": {"name": "config"}}));
        let mut objects = vec![config_map("config", &[("round.txt", &format!("round {round}"))])];
        objects.extend(names.iter().map(|name| pod(name, &user)));
        yaml(&objects)
    };
    let vdus: Vec<&str> = names.iter().map(String::as_str).collect();
    let draft = Draft::of("Restarted", &[("all.yaml", &manifest(0))], &vdus);
    ns.vnf(&["instantiate", "restarted", "--package", &draft.write().path()]).succeeds();
    let first = ns.objects();

    let mut wrong = Vec::new();
    for round in 1..=rounds {
        let package = draft.clone().manifest("all.yaml", &manifest(round)).write();
        let update = ["update", "restarted", "--package", &package.path(), "--progress=none"];
        ns.vnf(&[&update[..], flags].concat()).succeeds();
        for name in &names {
            let log = ns.log(name);
            if !log.ends_with(&format!("/config/round.txt: round {round}\n")) {
                wrong.push(format!("{name} in round {round}: {log}"));
            }
        }
    }
    assert!(wrong.is_empty(), "started with old content: {wrong:#?}");
    let last = ns.objects();
    for name in names.iter().map(|name| format!("Pod/{name}")) {
        let (first, last) = (first.get(&name).life(), last.get(&name).life());
        assert_eq!((&last.uid, last.restarts), (&first.uid, rounds as i64), "{name} restarted in place, once a round");
    }
}

#[test]
fn eighty_restarts_in_place_of_four_pods_side_by_side_see_the_new_content() {
    restarts("parallel", 4, 20, &[]);
}

#[test]
fn twenty_restarts_in_place_of_one_pod_see_the_new_content() {
    restarts("single", 1, 20, &["--one-by-one"]);
}
