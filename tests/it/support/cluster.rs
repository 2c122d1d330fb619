//! Where the tests' cluster is, how it is read, and how programs are started against it.

use super::objects::{KINDS, Objects};
use futures::future::join_all;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, OnceLock};
use tokio::runtime::Runtime;

/// A cluster to test on.
pub struct Cluster {
    kubeconfig: PathBuf,
    path: OsString,
    eyes: OnceLock<(Runtime, kube::Client)>,
}

static CLUSTER: LazyLock<Option<Cluster>> = LazyLock::new(|| {
    let kubeconfig = std::env::var_os("VNF_TEST_KUBECONFIG")?;
    Some(Cluster { kubeconfig: kubeconfig.into(), path: search_path(), eyes: OnceLock::new() })
});

/// The cluster to test on. `None`: there is none, and the calling test has nothing to do.
pub fn cluster() -> Option<&'static Cluster> {
    let cluster = CLUSTER.as_ref();
    if cluster.is_none() {
        assert!(
            std::env::var_os("VNF_TEST_REQUIRE").is_none_or(|value| value != "1"),
            "VNF_TEST_REQUIRE=1, but VNF_TEST_KUBECONFIG names no cluster: start the tests with tests/run.sh"
        );
        eprintln!("skipped: VNF_TEST_KUBECONFIG names no cluster (tests/run.sh starts one)");
    }
    cluster
}

impl Cluster {
    /// The kubeconfig that leads to it.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// How it is reached without a program.
    pub async fn config(&self) -> Config {
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig).expect("the test cluster's kubeconfig");
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        config.expect("a kubeconfig that leads somewhere")
    }

    /// Everything in a namespace, events aside. Tests look often and many look at a time, so no kubectl is started for
    /// it, which would take most of the machine.
    pub fn objects(&self, namespace: &str) -> Objects {
        let (runtime, client) = self.eyes.get_or_init(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            let runtime = runtime.expect("a runtime");
            let client = runtime.block_on(async { kube::Client::try_from(self.config().await).expect("a client") });
            (runtime, client)
        });
        let lists = KINDS.into_iter().map(|(api, resource, kind)| async move {
            let request = http::Request::get(format!("{api}/namespaces/{namespace}/{resource}")).body(Vec::new());
            let mut list: Value = client.request(request.expect("a request")).await.expect("the objects can be listed");
            let version = api.trim_start_matches("/apis/").trim_start_matches("/api/").to_owned();
            let Value::Array(mut items) = list["items"].take() else { panic!("no list of {resource}: {list}") };
            for item in &mut items {
                // In a list nothing says what it is; and who wrote what is more than most tests want to compare.
                item["apiVersion"] = version.as_str().into();
                item["kind"] = kind.into();
                item["metadata"].as_object_mut().expect("metadata").remove("managedFields");
            }
            items
        });
        Objects::of(runtime.block_on(join_all(lists)).into_iter().flatten())
    }

    /// The plugin itself.
    pub fn plugin(&self) -> Command {
        self.command(env!("CARGO_BIN_EXE_kubectl-vnf"))
    }

    /// kubectl, which finds the plugin as `kubectl vnf`.
    pub fn kubectl(&self) -> Command {
        self.command("kubectl")
    }

    /// Puts an image of the throwaway cluster's registry there under another name.
    pub fn push(&self, image: &str, name: &str) {
        const REGISTRY: &str = "127.0.0.1:23500";
        let mut crane = self.command("crane");
        crane.args(["copy", &format!("{REGISTRY}/{image}"), &format!("{REGISTRY}/{name}")]);
        let output = crane.output().expect("the cluster's crane runs");
        assert!(output.status.success(), "crane: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Any program, with the cluster's kubeconfig.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", &self.path).env("KUBECONFIG", &self.kubeconfig).current_dir(env!("CARGO_MANIFEST_DIR"));
        command
    }
}

/// The plugin's folder, the user's own PATH, and the test cluster's programs in case there is no kubectl else.
fn search_path() -> OsString {
    let plugin = Path::new(env!("CARGO_BIN_EXE_kubectl-vnf")).parent().expect("the plugin is in a folder");
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/build");
    let mut folders = vec![plugin.to_owned()];
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    if let Ok(output) = Command::new(build).arg("--print-bin").output() {
        folders.push(String::from_utf8_lossy(&output.stdout).trim().into());
    }
    std::env::join_paths(folders).expect("no folder has a colon in its name")
}
