//! One case tried and judged, in a namespace that serves many.

use super::case::{Case, Harm, Way};
use super::judge::{Records, Shape, differences, rewritten, settles};
use super::story::{Args, Packages, Story};
use crate::support::{Cluster, Fault, Namespace, Objects, Point, Proxy, Run};
use serde_json::json;
use std::time::{Duration, Instant};

/// How long the plugin waits for an answer: what is withheld is to be given up soon.
const REQUEST_TIMEOUT: &str = "--request-timeout=3s";
/// How long controllers may take to come to rest after an operation.
const REST: Duration = Duration::from_secs(40);
/// An operation that takes longer than this hangs.
const HANGS: Duration = Duration::from_secs(150);

/// How a case went, when it went right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Went {
    /// This time the operation made no such request.
    Unreached,
    /// It finished as if nothing had happened.
    Borne,
    /// It was refused, and nothing was written.
    Refused,
    /// It stood unfinished, and was retried.
    Retried,
    /// It stood unfinished, and was rolled back.
    RolledBack,
    /// It was killed before it had begun, and called again.
    CalledAgain,
    /// It was killed after it had ended.
    Ended,
}

/// A namespace with an instance, and the way to it that can be broken.
pub struct Bench<'a> {
    story: Story,
    packages: &'a Packages,
    ns: Namespace,
    proxy: Proxy,
    /// The namespace before the operation.
    before: Objects,
    /// How it looks then, every time.
    base: Shape,
}

/// What a clean run leaves: what every other run is measured by.
pub struct Clean {
    pub points: Vec<Point>,
    pub shape: Shape,
}

impl<'a> Bench<'a> {
    pub fn new(cluster: &'static Cluster, story: Story, packages: &'a Packages) -> Self {
        let ns = Namespace::new(cluster, story.name());
        for args in story.lead_up(packages) {
            ns.vnf(&words(&args)).succeeds();
        }
        let before = ns.at_rest();
        let base = Shape::of(&before, &before);
        Self { story, packages, proxy: Proxy::start(cluster), ns, before, base }
    }

    /// The operation without a fault.
    pub fn clean(&mut self) -> Clean {
        self.run(&self.story.operation(self.packages), None).succeeds();
        let mut points = self.proxy.seen();
        points.sort();
        let shape = Shape::of(&self.before, &self.ns.at_rest());
        self.reset();
        Clean { points, shape }
    }

    /// Tries one case. At the end the namespace is as before.
    pub fn try_one(&mut self, case: &Case, clean: &Clean) -> Went {
        let operation = self.story.operation(self.packages);
        let run = self.run(&operation, Some((&case.point, case.harm)));
        let hit = self.proxy.was_hit();
        if case.harm == Harm::Request(Fault::HoldBefore) && case.point.call.starts_with("delete leases") {
            // It did not wait for the answer for ever, and cannot know that the Lease has stayed: it runs out.
            self.release();
        }
        let went = match (run.code, case.harm) {
            (Some(0), _) => {
                self.assert_reached(&run, clean);
                if hit { Went::Borne } else { Went::Unreached }
            }
            _ if !hit => panic!("it failed although its point was not reached\n{run}"),
            (Some(1), Harm::Request(_)) => {
                self.assert_unwritten(&run);
                self.assert_shape(&run, |_, shape| differences(&self.base.content, &shape.content));
                return Went::Refused;
            }
            (Some(3), Harm::Request(_)) => self.go_on(case.way, &run, clean),
            (None, Harm::Kill(_)) => self.pick_up(case.way, &run, clean),
            _ => panic!("no such end was expected\n{run}"),
        };
        if went == Went::RolledBack && self.story == Story::Scale {
            // It has come back already, and goes no further.
            self.before = self.ns.at_rest();
        } else {
            self.reset();
        }
        went
    }

    /// Runs the plugin behind the proxy.
    fn run(&self, args: &Args, harm: Option<(&Point, Harm)>) -> Run {
        let fault = harm.map(|(point, harm)| match harm {
            Harm::Request(fault) | Harm::Kill(fault) => (point.clone(), fault),
        });
        self.proxy.begin(fault);
        let mut command = self.proxy.through(self.ns.vnf_command(&words(args)));
        command.args([REQUEST_TIMEOUT, "--timeout=60s"]);
        let kills = matches!(harm, Some((_, Harm::Kill(_))));
        let begin = Instant::now();
        let run = Run::until(command, || kills && self.proxy.was_hit() || begin.elapsed() > HANGS);
        assert!(begin.elapsed() < HANGS, "it hangs\n{run}");
        run
    }

    /// Deletes the Lease, in place of the 15 seconds after which nobody heeds it any more.
    fn release(&self) {
        self.ns.kubectl(&["delete", "leases", "--all"]).succeeds();
    }

    /// Goes on after the plugin was killed.
    fn pick_up(&self, way: Way, killed: &Run, clean: &Clean) -> Went {
        self.release();
        let now = self.ns.objects();
        let records = Records::of(&now);
        let is_new = records.last().is_some_and(|last| !self.before.has(&last));
        match records.last_state().as_deref().filter(|_| is_new) {
            Some("COMPLETED") => {
                // Only the record may still have to be told, which the next command does.
                self.assert_shape(killed, |_, shape| {
                    let mut lines = differences(&clean.shape.of_the_vnf(), &shape.of_the_vnf());
                    lines.extend(differences(&clean.shape.lives, &shape.lives));
                    lines
                });
                let [_, name] = self.story.names();
                let shown = self.ns.vnf(&["show", name]);
                assert!(shown.code == Some(0), "{shown}\n--- after\n{killed}");
                if self.story.way_back("", self.packages).is_empty() {
                    // Nothing else follows that would tell the record.
                    self.run(&self.story.operation(self.packages), None).succeeds();
                }
                Went::Ended
            }
            Some(_) => self.go_on(way, killed, clean),
            None => {
                self.assert_unwritten(killed);
                let again = self.run(&self.story.operation(self.packages), None);
                assert!(again.code == Some(0), "called again it fails\n{again}\n--- after\n{killed}");
                self.assert_reached(&again, clean);
                Went::CalledAgain
            }
        }
    }

    /// Takes a way out of an operation that stands unfinished.
    fn go_on(&self, way: Way, after: &Run, clean: &Clean) -> Went {
        let [name, _] = self.story.names();
        let (verb, went) = match way {
            Way::Forward => ("retry", Went::Retried),
            Way::Back => ("rollback", Went::RolledBack),
        };
        let run = self.run(&["op", verb, name, "--yes"].map(ToOwned::to_owned).to_vec(), None);
        assert!(run.code == Some(0), "the {verb} fails\n{run}\n--- after\n{after}");
        match way {
            Way::Forward => self.assert_reached(&run, clean),
            Way::Back => self.assert_taken_back(&run, clean),
        }
        went
    }

    /// The cluster is as after the clean run, and nothing was done twice.
    fn assert_reached(&self, run: &Run, clean: &Clean) {
        self.assert_shape(run, |_, shape| {
            let mut lines = differences(&clean.shape.content, &shape.content);
            lines.extend(differences(&clean.shape.lives, &shape.lives));
            lines
        });
    }

    /// The cluster is as before the operation, and what it does not touch is untouched.
    fn assert_taken_back(&self, run: &Run, clean: &Clean) {
        self.assert_shape(run, |_, shape| {
            let mut lines = differences(&self.base.of_the_vnf(), &shape.of_the_vnf());
            let untouched = clean.shape.untouched();
            let lives = shape.lives.iter().filter(|(name, _)| untouched.contains_key(*name));
            lines.extend(differences(&untouched, &lives.map(|(name, life)| (name.clone(), life.clone())).collect()));
            let own = |name: &str| shape.content.get(name).cloned().unwrap_or_default();
            let ended = own("operations").as_array().cloned().unwrap_or_default();
            if !ended.iter().all(|operation| operation.as_str().is_some_and(|text| text.ends_with(" ROLLED_BACK"))) {
                lines.push(format!("operations: {ended:?}"));
            }
            if own("left behind") != json!([]) {
                lines.push(format!("left behind: {}", own("left behind")));
            }
            let record = self.base.content.get("record").cloned();
            // Of an instantiation the record stays, NOT_INSTANTIATED.
            if record.as_ref().is_some_and(|record| *record != own("record"))
                || record.is_none() && own("record")["instantiationState"] != "NOT_INSTANTIATED"
            {
                lines.push(format!("record: {:#}\nexpected {record:#?}", own("record")));
            }
            lines
        });
    }

    /// Nothing of the VNF was written.
    fn assert_unwritten(&self, run: &Run) {
        self.assert_shape(run, |now, shape| {
            let mut lines = differences(&self.base.of_the_vnf(), &shape.of_the_vnf());
            lines.extend(differences(&self.base.lives, &shape.lives));
            lines.extend(rewritten(&self.before, now).into_iter().map(|name| format!("{name} was written")));
            lines
        });
    }

    fn assert_shape(&self, run: &Run, wrong: impl Fn(&Objects, &Shape) -> Vec<String>) {
        let result = settles(&self.ns, REST, |now| wrong(now, &Shape::of(&self.before, now)));
        if let Err(lines) = result {
            panic!("the cluster is not as it should be:\n  {}\n{run}", lines.join("\n  "));
        }
    }

    /// Brings the namespace back to where it was.
    fn reset(&mut self) {
        let now = self.ns.objects();
        let id = Records::of(&now).id().unwrap_or_default().to_owned();
        for args in self.story.way_back(&id, self.packages) {
            self.ns.vnf(&words(&args)).succeeds();
        }
        let base = settles(&self.ns, REST, |now| differences(&self.base.content, &Shape::of(now, now).content));
        self.before = base.unwrap_or_else(|lines| panic!("the way back leads elsewhere:\n  {}", lines.join("\n  ")));
    }
}

fn words(args: &Args) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}
