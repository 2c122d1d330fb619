//! An operation cannot hurt: whatever befalls any of its requests, and whenever it is killed.
//!
//! One clean run of an operation tells its fault points: its requests, by name. Then every fault is tried at every
//! point, and what came of it is judged from outside, without the plugin. Right is one of these:
//!
//! - exit code 0, and the cluster is exactly as after the clean run;
//! - exit code 1, and nothing of the VNF or its records was written;
//! - exit code 3, or killed: the operation stands unfinished, `op retry` ends it, and the cluster is exactly as after
//!   the clean run; and in a second try `op rollback` takes it back, and the cluster is exactly as before. Killed before
//!   the operation was written, the same command does it again.
//!
//! Exactly: the same objects with the same content, everything written and restarted as often as in the clean run, Pods
//! that the operation does not touch with the same UID, start time and restarts, and nothing left behind.
//!
//! `VNF_FAULTS` says which cases are tried: `all`, or those whose names begin with it (a failing case prints its own);
//! without it a sample of all. `VNF_FAULTS_JOBS` says how many at a time, for each operation. `VNF_FAULTS_SEEN` names a
//! file with what an earlier run has printed: cases that went right in it are not tried again.

mod bench;
mod case;
mod judge;
mod story;

use crate::support::{Cluster, cluster};
use bench::{Bench, Clean, Went};
use case::{Case, Harm, Way};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Instant;
use story::{Packages, Story};

/// So many cases of each operation are tried unless more are asked for.
const SAMPLE: usize = 5;

#[test]
fn whatever_befalls_the_samples_update_it_is_finished_exactly() {
    try_all(Story::Update);
}

#[test]
fn whatever_befalls_an_update_of_configuration_it_is_finished_exactly() {
    try_all(Story::Config);
}

#[test]
fn whatever_befalls_an_undo_it_is_finished_exactly() {
    try_all(Story::Undo);
}

#[test]
fn whatever_befalls_a_heal_it_is_finished_exactly() {
    try_all(Story::Heal);
}

#[test]
fn whatever_befalls_a_scaling_it_is_finished_exactly() {
    try_all(Story::Scale);
}

#[test]
fn whatever_befalls_a_change_of_the_package_it_is_finished_exactly() {
    try_all(Story::ChangePackage);
}

#[test]
fn whatever_befalls_an_instantiation_it_is_finished_exactly() {
    try_all(Story::Instantiate);
}

#[test]
fn whatever_befalls_a_termination_it_is_finished_exactly() {
    try_all(Story::Terminate);
}

/// All cases of one operation that are asked for.
struct Series<'a> {
    cluster: &'static Cluster,
    story: Story,
    packages: &'a Packages,
    clean: Clean,
    queue: Mutex<VecDeque<Case>>,
    ends: Mutex<Vec<(Case, Result<Went, String>)>>,
}

/// Tries the cases of an operation that are asked for.
fn try_all(story: Story) {
    let Some(cluster) = cluster() else { return };
    let wanted = std::env::var("VNF_FAULTS").unwrap_or_default();
    if wanted.contains('/') && !wanted.starts_with(&format!("{}/", story.name())) {
        return;
    }
    let jobs = std::env::var("VNF_FAULTS_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(1);
    let packages = Packages::write();
    let mut first = Bench::new(cluster, story, &packages);
    let clean = first.clean();
    let all: Vec<Case> = clean
        .points
        .iter()
        .flat_map(|point| {
            Harm::at(point).into_iter().map(|harm| Case { story, point: point.clone(), harm, way: Way::Forward })
        })
        .collect();
    let count = all.len();
    let seen = std::env::var("VNF_FAULTS_SEEN").map(|path| std::fs::read_to_string(path).expect("an earlier run"));
    let seen = seen.unwrap_or_default();
    let mut chosen = choose(all, &wanted);
    assert!(!chosen.is_empty(), "no case of {} begins with {wanted:?}", story.name());
    chosen.retain(|case| !went_right(&seen, case));
    eprintln!("{}: {} points, {count} cases, of which {} are tried", story.name(), clean.points.len(), chosen.len());

    let queue = Mutex::new(VecDeque::from(chosen));
    let series = Series { cluster, story, packages: &packages, clean, queue, ends: Mutex::default() };
    std::thread::scope(|scope| {
        let mut first = Some(first);
        for _ in 0..jobs {
            let bench = first.take();
            scope.spawn(|| series.work(bench));
        }
    });
    series.tell();
}

impl Series<'_> {
    /// Takes cases from the queue until there are none, beginning with a bench that is there already.
    fn work<'b>(&'b self, mut bench: Option<Bench<'b>>) {
        while let Some(case) = self.next() {
            let begin = Instant::now();
            let result = catch_unwind(AssertUnwindSafe(|| {
                let bench = bench.get_or_insert_with(|| Bench::new(self.cluster, self.story, self.packages));
                bench.try_one(&case, &self.clean)
            }));
            let result = result.map_err(|panic| {
                // What it left is of no use to the next case.
                bench = None;
                panic.downcast::<String>().map_or_else(|_| "?".to_owned(), |text| *text)
            });
            let took = begin.elapsed();
            match &result {
                Ok(went) => eprintln!("{case}: {went:?} in {took:.1?}"),
                Err(why) => eprintln!("{case}: WRONG after {took:.1?}: {why}\nTry it again: VNF_FAULTS=\"{case}\"\n"),
            }
            if matches!(result, Ok(Went::Retried)) && self.story.can_be_taken_back() {
                self.queue.lock().expect("nobody dies with it").push_front(Case { way: Way::Back, ..case.clone() });
            }
            self.ends.lock().expect("nobody dies with it").push((case, result));
        }
    }

    fn next(&self) -> Option<Case> {
        self.queue.lock().expect("nobody dies with it").pop_front()
    }

    /// Says how it all went.
    fn tell(self) {
        let ends = self.ends.into_inner().expect("nobody died with it");
        let mut counts: BTreeMap<Went, usize> = BTreeMap::new();
        for went in ends.iter().filter_map(|(_, end)| end.as_ref().ok()) {
            *counts.entry(*went).or_default() += 1;
        }
        let wrong = ends.iter().filter(|(_, end)| end.is_err());
        let wrong: Vec<String> = wrong.map(|(case, _)| format!("VNF_FAULTS=\"{case}\"")).collect();
        eprintln!("{}: {} cases: {counts:?}, {} wrong", self.story.name(), ends.len(), wrong.len());
        assert!(wrong.is_empty(), "these went wrong, each is told of above:\n{}", wrong.join("\n"));
    }
}

/// Whether a case went right in an earlier run; one that was to be rolled back as well, if that was tried too.
fn went_right(seen: &str, case: &Case) -> bool {
    let end = |case: &Case| {
        let head = format!("{case}: ");
        seen.lines().filter_map(|line| line.strip_prefix(&head)).find(|end| !end.starts_with("WRONG"))
    };
    let back = || end(&Case { way: Way::Back, ..case.clone() }).is_some();
    end(case).is_some_and(|went| !went.starts_with("Retried") || !case.story.can_be_taken_back() || back())
}

/// The cases that `wanted` names; a sample, if it names none. They come in an order that is always the same and mixes
/// all points and faults: few cases, or a run that is cut short, have seen something of everything.
fn choose(mut all: Vec<Case>, wanted: &str) -> Vec<Case> {
    all.sort_by_cached_key(|case| Sha256::digest(case.to_string()).to_vec());
    match wanted {
        "all" => {}
        "" => all.truncate(SAMPLE),
        // A rollback is tried after the retry of the same case.
        prefix => all.retain(|case| case.to_string().starts_with(prefix.trim_end_matches("/rollback"))),
    }
    all
}
