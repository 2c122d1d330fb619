//! One case tried and judged, in a namespace that serves many.

use super::case::{Case, Harm};
use super::judge::{Records, Shape, differences, rewritten, settles};
use super::story::{Args, Packages, Story};
use crate::support::{Cluster, Namespace, Objects, Point, Proxy, Run};
use std::collections::BTreeMap;
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
}

/// What a clean run leaves: what every other run is measured by.
pub struct Clean {
    pub points: Vec<Point>,
    pub shape: Shape,
}

impl<'a> Bench<'a> {
    pub fn new(cluster: &'static Cluster, story: Story, packages: &'a Packages) -> Self {
        let ns = Namespace::new(cluster, story.name());
        if let Some(args) = story.lead_up(packages) {
            ns.vnf(&words(&args)).succeeds();
        }
        let before = ns.at_rest();
        Self { story, packages, proxy: Proxy::start(cluster), ns, before }
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

    /// The operation without a fault.
    pub fn clean(&self) -> Clean {
        self.run(&self.story.operation(self.packages), None).succeeds();
        let mut points = self.proxy.seen();
        points.sort();
        let now = self.ns.at_rest();
        Clean { points, shape: Shape::of(&self.before, &now) }
    }

    /// Brings the namespace back to where it was.
    pub fn reset(&mut self) {
        if let Some(args) = self.story.way_back(self.packages) {
            self.ns.vnf(&words(&args)).succeeds();
        }
        self.before = self.ns.at_rest();
    }

    /// Tries one case. At the end the namespace is as before.
    pub fn try_one(&mut self, case: &Case, clean: &Clean) -> Went {
        let operation = self.story.operation(self.packages);
        let run = self.run(&operation, Some((&case.point, case.harm)));
        eprintln!("{}\n", run);
        let hit = self.proxy.was_hit();
        let went = match (run.code, case.harm) {
            (Some(0), _) => {
                self.assert_target(&run, clean);
                if hit { Went::Borne } else { Went::Unreached }
            }
            _ if !hit => panic!("it failed although its point was not reached\n{run}"),
            (Some(1), Harm::Request(_)) => {
                self.assert_as_before(&run, &["operations", "record", "left behind"]);
                return Went::Refused;
            }
            (Some(3), Harm::Request(_)) => {
                self.retry(&run, clean);
                Went::Retried
            }
            (None, Harm::Kill(_)) => {
                // In place of the 15 seconds after which nobody heeds it any more.
                self.ns.kubectl(&["delete", "leases", "--all"]).succeeds();
                match Records::of(&self.ns.objects()).last_state().as_deref() {
                    Some("PROCESSING" | "STARTING" | "FAILED_TEMP") => {
                        self.retry(&run, clean);
                        Went::Retried
                    }
                    _ if self.has_ended() => {
                        let names = self.story.names();
                        let again = self.ns.vnf(&["op", "retry", names[1]]);
                        assert!(again.code == Some(1), "{again}\n--- after\n{run}");
                        Went::Ended
                    }
                    _ => {
                        self.assert_as_before(&run, &[]);
                        let again = self.run(&operation, None);
                        assert!(again.code == Some(0), "called again it fails\n{again}\n--- after\n{run}");
                        self.assert_target(&again, clean);
                        Went::CalledAgain
                    }
                }
            }
            _ => panic!("no such end was expected\n{run}"),
        };
        self.reset();
        went
    }

    /// Whether the last operation is a new one, and COMPLETED.
    fn has_ended(&self) -> bool {
        let now = self.ns.objects();
        let last = Records::of(&now).last();
        last.is_some_and(|last| !self.before.has(&last))
            && Records::of(&now).last_state().as_deref() == Some("COMPLETED")
    }

    fn retry(&self, after: &Run, clean: &Clean) {
        let [old, _] = self.story.names();
        let retry = self.run(&["op", "retry", old].map(ToOwned::to_owned).to_vec(), None);
        assert!(retry.code == Some(0), "the retry fails\n{retry}\n--- after\n{after}");
        self.assert_target(&retry, clean);
    }

    fn assert_target(&self, run: &Run, clean: &Clean) {
        let result = settles(&self.ns, REST, |now| {
            let shape = Shape::of(&self.before, now);
            let mut lines = differences(&clean.shape.content, &shape.content);
            lines.extend(differences(&clean.shape.lives, &shape.lives));
            lines
        });
        if let Err(lines) = result {
            panic!("the cluster is not as after a clean run:\n  {}\n{run}", lines.join("\n  "));
        }
    }

    /// Nothing of the VNF was written; of the plugin's own objects those in `too` are as before as well.
    fn assert_as_before(&self, run: &Run, too: &[&str]) {
        let expected = Shape::of(&self.before, &self.before);
        let result = settles(&self.ns, Duration::from_secs(2), |now| {
            let shape = Shape::of(&self.before, now);
            let mut lines = differences(&expected.lives, &shape.lives);
            let compared = |map: &BTreeMap<String, serde_json::Value>| -> BTreeMap<_, _> {
                let own = ["operations", "record", "left behind"];
                let kept = |name: &str| !own.contains(&name) || too.contains(&name);
                map.iter().filter(|(name, _)| kept(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
            };
            lines.extend(differences(&compared(&expected.content), &compared(&shape.content)));
            lines.extend(rewritten(&self.before, now).into_iter().map(|name| format!("{name} was written")));
            lines
        });
        if let Err(lines) = result {
            panic!("something was written:\n  {}\n{run}", lines.join("\n  "));
        }
    }
}

fn words(args: &Args) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}
