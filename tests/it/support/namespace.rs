//! A namespace that lives as long as its test.

use super::cluster::Cluster;
use super::objects::{Object, Objects, written};
use super::run::{Run, line};
use super::wait::eventually;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Controllers come to rest within this. A Pod that is told to end before its process listens takes its whole grace
/// period, which is 30 s.
const REST: Duration = Duration::from_secs(60);

/// A failing test shows so many objects of a kind.
const SHOWN: usize = 20;

/// A namespace of a test's own. Dropped, it is removed; by a failing test, after its Pods were shown.
pub struct Namespace {
    pub cluster: &'static Cluster,
    pub name: String,
}

impl Namespace {
    /// Makes a namespace whose name begins with `purpose`, and waits until Pods can be created in it.
    pub fn new(cluster: &'static Cluster, purpose: &str) -> Self {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let namespace = Self { cluster, name: format!("vnf-test-{purpose}-{}", &id[..6]) };
        namespace.cluster_kubectl(&["create", "namespace", &namespace.name]).succeeds();
        eventually("the service account and the root certificate", Duration::from_secs(30), || {
            let found = namespace.objects();
            (found.has("ServiceAccount/default") && found.has("ConfigMap/kube-root-ca.crt")).then_some(())
        });
        namespace
    }

    /// Runs the plugin in this namespace.
    pub fn vnf(&self, args: &[&str]) -> Run {
        self.vnf_reading(args, "")
    }

    /// Runs the plugin in this namespace, with `stdin` to read.
    pub fn vnf_reading(&self, args: &[&str], stdin: &str) -> Run {
        Run::of(self.vnf_command(args), stdin)
    }

    /// The plugin in this namespace, not started yet.
    pub fn vnf_command(&self, args: &[&str]) -> Command {
        let mut command = self.cluster.plugin();
        command.args(args).args(["-n", &self.name]);
        command
    }

    /// Runs `kubectl vnf` in this namespace: the plugin as kubectl starts it.
    pub fn kubectl_vnf(&self, args: &[&str]) -> Run {
        let mut command = self.cluster.kubectl();
        command.arg("vnf").args(args).args(["-n", &self.name]);
        Run::of(command, "")
    }

    /// Starts the plugin in this namespace and does not wait for it; its stderr is piped, its stdout is dropped.
    pub fn start_vnf(&self, args: &[&str]) -> Child {
        let mut command = self.vnf_command(args);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap_or_else(|error| panic!("{}: {error}", line(&command)))
    }

    /// Any program with the test cluster's environment, not started yet.
    pub fn command(&self, program: &str) -> Command {
        self.cluster.command(program)
    }

    /// Fails unless `act` leaves the namespace as it was, once its controllers have come to rest: a Pod that is still
    /// leaving from before would go meanwhile.
    #[track_caller]
    pub fn unwritten(&self, act: impl FnOnce()) {
        let before = self.at_rest();
        act();
        let after = self.objects();
        assert_eq!(written(&before, &after), [""; 0], "nothing was to be written");
    }

    /// Runs kubectl in this namespace.
    pub fn kubectl(&self, args: &[&str]) -> Run {
        self.kubectl_reading(args, "")
    }

    /// Runs kubectl in this namespace, with `stdin` to read.
    pub fn kubectl_reading(&self, args: &[&str], stdin: &str) -> Run {
        let mut command = self.cluster.kubectl();
        command.args(["-n", &self.name]).args(args);
        Run::of(command, stdin)
    }

    /// kubectl in this namespace, not started yet.
    pub fn kubectl_command(&self, args: &[&str]) -> Command {
        let mut command = self.cluster.kubectl();
        command.args(["-n", &self.name]).args(args);
        command
    }

    /// Creates the objects of `manifests` behind the plugin's back.
    pub fn create(&self, manifests: &str) {
        self.kubectl_reading(&["create", "-f", "-"], manifests).succeeds();
    }

    /// Everything in the namespace, events aside.
    pub fn objects(&self) -> Objects {
        self.cluster.objects(&self.name)
    }

    /// One object, such as `pod/web`.
    #[track_caller]
    pub fn object(&self, name: &str) -> Object {
        Object(self.kubectl(&["get", name, "-o", "json"]).succeeds().json())
    }

    /// Everything in the namespace, once its controllers have come to rest: what changes afterwards, somebody changed.
    #[track_caller]
    pub fn at_rest(&self) -> Objects {
        let mut before = self.objects();
        eventually("no controller writes any more", REST, || {
            std::thread::sleep(Duration::from_millis(500));
            let now = self.objects();
            let leaving = now.of_kind("Pod").any(|pod| pod.is_leaving());
            let rests = !leaving && now.versions() == before.versions();
            before = now;
            rests.then(|| before.clone())
        })
    }

    /// As [`Self::at_rest`], without Leases: who holds a lock renews it all the time.
    pub fn at_rest_but_leases(&self) -> Objects {
        let mut before = self.objects().without("Lease");
        eventually("no controller writes any more", REST, || {
            std::thread::sleep(Duration::from_millis(500));
            let now = self.objects().without("Lease");
            let rests = now.versions() == before.versions();
            before = now;
            rests.then(|| before.clone())
        })
    }

    /// What the Pod's container has printed since it started: first of all, what it saw at its start.
    #[track_caller]
    pub fn log(&self, pod: &str) -> String {
        self.kubectl(&["logs", pod]).succeeds().stdout
    }

    fn cluster_kubectl(&self, args: &[&str]) -> Run {
        let mut command = self.cluster.kubectl();
        command.args(args);
        Run::of(command, "")
    }

    /// Shows what a failing test leaves: Pods, the reasons of those that are not ready, and the plugin's records.
    fn dump(&self) {
        let show = |title: &str, args: &[&str]| eprintln!("--- {title}\n{}", self.kubectl(args).said());
        eprintln!("--- the test failed in namespace {}", self.name);
        show("Pods", &["get", "pods", "-o", "wide"]);
        for pod in self.objects().of_kind("Pod").filter(|pod| !pod.is_ready()).take(SHOWN) {
            show(pod.name(), &["describe", "pod", pod.name()]);
        }
        for record in self.objects().of_kind("ConfigMap").filter(|map| map.name().starts_with("vnf-")).take(SHOWN) {
            eprintln!("--- {}\n{:#}\n{}", record.name(), record.0["metadata"]["annotations"], record.record());
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // A second panic would end the whole test program.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.dump()));
        }
        self.cluster_kubectl(&["delete", "namespace", &self.name, "--wait=false"]);
    }
}
