//! Several processes on one instance, one name or one package at once: one at a time writes, and nobody's work is lost.

use crate::support::gated::{self, NAME, assert_runs, draft, standing};
use crate::support::manifests::{config_map, yaml};
use crate::support::{Draft, Namespace, Objects, Run, Running, cluster, eventually, written};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A package of nothing but a ConfigMap.
fn bare(product: &str, name: &str) -> Draft {
    Draft::of(product, &[("all.yaml", &yaml(&[config_map(name, &[("key", "value")])]))], &[])
}

/// Objects of the plugin's own.
fn records(objects: &Objects, kind: &str) -> usize {
    ["ConfigMap", "Secret"].iter().flat_map(|of| objects.of_kind(of)).filter(|object| object.is_record(kind)).count()
}

#[test]
fn a_second_terminal_is_told_who_is_at_work() {
    let Some(cluster) = cluster() else { return };
    let ns = gated::instantiated(cluster, "busy");
    let (new, other) = (draft("new value").write(), draft("other value").write());
    let update = standing(&ns, &new);
    let before = ns.objects();
    for refused in [
        &["update", NAME, "--package", &other.path(), "--yes"][..],
        &["heal", NAME, "--all", "--yes"],
        &["terminate", NAME, "--yes"],
        &["terminate", NAME, "--yes", "--by-label"],
        &["op", "retry", NAME],
        &["op", "rollback", NAME, "--yes"],
        &["op", "fail", NAME],
    ] {
        let run = ns.vnf(refused).exits(1).says([&*format!("{NAME} is busy: update "), "(pid ", "), for "]);
        assert!(!run.said().contains("invalid"), "{run}");
    }
    ns.vnf(&["delete", NAME]).exits(1).says(["is busy"]);
    let same = |name: &String| !name.starts_with("Lease/") && !name.contains("PodDisruptionBudget");
    let changed: Vec<String> = written(&before, &ns.objects()).into_iter().filter(same).collect();
    assert_eq!(changed, [""; 0], "a refused command wrote");
    gated::open(&ns);
    update.exits(0);
    assert_runs(&ns, "new value");
}

#[test]
fn a_process_that_slept_past_its_lock_writes_nothing_more() {
    let Some(cluster) = cluster() else { return };
    let ns = gated::instantiated(cluster, "slept");
    let first = standing(&ns, &draft("new value").write());
    first.signal("STOP");
    // The lock runs out, and somebody else goes on, until the gate holds that one too.
    let mut second = Running::vnf(&ns, &["op", "retry", NAME]);
    second.says(gated::AT_GATE);
    assert!(second.said().contains("waiting for its lock"), "{}", second.said());
    let before = ns.at_rest_but_leases();

    first.signal("CONT");
    let (status, said) = first.ends();
    assert_eq!(status.code(), Some(3), "{said}");
    assert!(said.contains("took it over") && said.contains("nothing more was written"), "{said}");
    assert!(!said.contains("FAILED_TEMP"), "it is not: {said}");
    let after = ns.at_rest_but_leases();
    assert_eq!(written(&before, &after), [""; 0], "it wrote after it had woken up");

    gated::open(&ns);
    second.exits(0);
    assert_runs(&ns, "new value");
    assert_eq!(gated::operation(&ns.objects()), "update COMPLETED");
}

#[test]
fn a_process_that_slept_goes_on_when_nobody_took_its_lock() {
    let Some(cluster) = cluster() else { return };
    let ns = gated::instantiated(cluster, "woke");
    let update = standing(&ns, &draft("new value").write());
    update.signal("STOP");
    eventually("its lock has run out", Duration::from_secs(40), || {
        ns.vnf(&["list"]).succeeds().stdout.contains("FAILED_TEMP (interrupted)").then_some(())
    });
    gated::open(&ns);
    update.signal("CONT");
    update.exits(0);
    assert_runs(&ns, "new value");
}

/// The plugin on a machine whose clock is wrong by so many seconds.
fn at_another_time(ns: &Namespace, shim: &Path, seconds: i64, args: &[&str]) -> Command {
    let mut command = ns.vnf_command(args);
    command.env("LD_PRELOAD", shim).env("CLOCK_IS_OFF_BY", seconds.to_string());
    command
}

/// A library that puts the wall clock of a process off.
fn clock_shim(folder: &Path) -> std::path::PathBuf {
    const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long off(void) { const char *text = getenv("CLOCK_IS_OFF_BY"); return text ? atol(text) : 0; }
int clock_gettime(clockid_t clock, struct timespec *time) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, time);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) time->tv_sec += off();
    return result;
}
int gettimeofday(struct timeval *time, void *zone) {
    int (*real)(struct timeval *, void *) = dlsym(RTLD_NEXT, "gettimeofday");
    int result = real(time, zone);
    time->tv_sec += off();
    return result;
}
time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result) *result = now.tv_sec;
    return now.tv_sec;
}
"#;
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    std::fs::write(&source, SOURCE).expect("a new file");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl").status();
    assert!(built.expect("there is cc, which Rust links with").success());
    library
}

#[test]
fn clocks_that_are_wrong_by_an_hour_decide_nothing() {
    let Some(cluster) = cluster() else { return };
    const HOUR: i64 = 3600;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let shim = clock_shim(folder.path());
    let ns = gated::instantiated(cluster, "clocks");
    // The shim does what it says: a certificate of next year's has not begun yet, as far as the plugin can tell.
    let last_year = Run::of(at_another_time(&ns, &shim, -400 * 24 * HOUR, &["list"]), "");
    assert!(
        last_year.code == Some(1) && last_year.stderr.contains("certificate"),
        "the shim does nothing\n{last_year}"
    );

    let package = draft("new value").write();
    let update = ["update", NAME, "--package", &package.path(), "--one-by-one", "--yes"];
    let mut first = Running::start(at_another_time(&ns, &shim, -HOUR, &update));
    first.says(gated::AT_GATE);
    // A Lease lives for 15 s: within that many it would run out unless it were renewed.
    let held = Instant::now();
    while held.elapsed() < Duration::from_secs(17) {
        for seconds in [HOUR, -HOUR, 0] {
            let run = Run::of(at_another_time(&ns, &shim, seconds, &["op", "retry", NAME]), "");
            let run = run.exits(1).says(["is busy", ", for "]);
            let (_, age) = run.stderr.split_once("), for ").expect("an age");
            let age: u64 = age.split('s').next().and_then(|age| age.parse().ok()).unwrap_or(u64::MAX);
            assert!(age < 120, "it is not so old\n{run}");
        }
    }
    for seconds in [HOUR, -HOUR] {
        let list = Run::of(at_another_time(&ns, &shim, seconds, &["list", "--no-headers"]), "").succeeds();
        let age = list.stdout.split_whitespace().next_back().unwrap_or_default().to_owned();
        assert!(age.ends_with('s') && !age.contains('h'), "{list}");
    }
    first.kill();
    let killed = Instant::now();
    let mut second = Running::start(at_another_time(&ns, &shim, HOUR, &["op", "retry", NAME]));
    second.says(gated::AT_GATE);
    let waited = killed.elapsed();
    assert!(waited > Duration::from_secs(8), "the lock was taken {waited:?} after its holder had died");
    gated::open(&ns);
    second.exits(0);
    assert_runs(&ns, "new value");
}

#[test]
fn of_two_instantiates_of_one_name_one_wins_and_the_other_leaves_nothing() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "one-name");
    let package = bare("One", "config").write();
    for round in 0..8 {
        let start = || Running::vnf(&ns, &["instantiate", "one", "--package", &package.path()]);
        let (first, second) = (start(), start());
        let ((first, first_said), (second, second_said)) = (first.ends(), second.ends());
        let (lost, said) = match (first.code(), second.code()) {
            (Some(0), Some(1)) => (second, second_said),
            (Some(1), Some(0)) => (first, first_said),
            codes => panic!("round {round}: {codes:?}\n{first_said}\n{second_said}"),
        };
        assert_eq!(lost.code(), Some(1));
        let taken = ["exists in namespace", "is busy: instantiate"];
        assert!(taken.iter().any(|reason| said.contains(reason)), "round {round}: {said}");
        let objects = ns.objects();
        for (kind, count) in [("instance", 1), ("name", 1), ("operation", 1), ("package", 1)] {
            assert_eq!(records(&objects, kind), count, "round {round}: {kind} in {:?}\n{said}", objects.names());
        }
        assert_eq!(objects.of_kind("Lease").count(), 0, "round {round}");
        assert_eq!(gated::operation(&objects), "instantiate COMPLETED");
        ns.vnf(&["terminate", "one", "--delete", "--yes"]).succeeds();
        assert_eq!(records(&ns.objects(), "package"), 0);
    }
}

#[test]
fn a_package_outlives_the_deletion_of_one_instance_while_another_is_made() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "shared");
    let package = bare("Shared", "config").write();
    ns.vnf(&["create", "old", "--package", &package.path()]).succeeds();
    for round in 0..10 {
        // Two records of one package; each round the elder goes while a new one comes.
        let (old, new) = (if round == 0 { "old".into() } else { format!("n{}", round - 1) }, format!("n{round}"));
        let deletion = Running::vnf(&ns, &["delete", &old]);
        let creation = Running::vnf(&ns, &["create", &new, "--package", &package.path()]);
        let ((deleted, deletion), (created, creation)) = (deletion.ends(), creation.ends());
        assert_eq!((deleted.code(), created.code()), (Some(0), Some(0)), "round {round}\n{deletion}\n{creation}");
        assert_eq!(records(&ns.objects(), "package"), 1, "round {round}: the package's part is there");
        // It can be read: the plan needs its files.
        ns.vnf(&["instantiate", &new, "--dry-run=client"]).succeeds().says(["config"]);
    }
    ns.vnf(&["delete", "n9"]).succeeds();
    assert_eq!(records(&ns.objects(), "package"), 0, "nobody uses it any more");
}

#[test]
fn two_instances_of_one_namespace_are_updated_at_once() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "at-once");
    let both = ["left", "right"];
    let of = |name: &str, value: &str| bare(name, name).edit("all.yaml", "value", value);
    for name in both {
        ns.vnf(&["instantiate", name, "--package", &of(name, "old").write().path()]).succeeds();
    }
    let packages = both.map(|name| of(name, "new").write());
    let updates: Vec<Running> = both
        .iter()
        .zip(&packages)
        .map(|(name, package)| Running::vnf(&ns, &["update", name, "--package", &package.path(), "--yes"]))
        .collect();
    for update in updates {
        update.exits(0);
    }
    let objects = ns.objects();
    for name in both {
        assert_eq!(objects.get(&format!("ConfigMap/{name}")).text("/data/key"), "new");
    }
    ns.vnf(&["list"]).succeeds().says(["left INSTANTIATED left 1.0 2", "right INSTANTIATED right 1.0 2"]);
}

#[test]
fn a_list_of_all_namespaces_shows_who_was_interrupted() {
    let Some(cluster) = cluster() else { return };
    let ns = gated::instantiated(cluster, "list-all");
    let update = standing(&ns, &draft("new value").write());
    let line = |run: &Run| -> String {
        run.stdout.lines().find(|line| line.starts_with(&ns.name)).unwrap_or_default().to_owned()
    };
    let running = ns.vnf(&["list", "-A"]).succeeds();
    assert!(line(&running).contains("update PROCESSING"), "{running}");
    update.kill();
    eventually("the update is shown as interrupted", Duration::from_secs(40), || {
        line(&ns.vnf(&["list", "-A"]).succeeds()).contains("update FAILED_TEMP (interrupted)").then_some(())
    });
}
