//! Every example of the help, run as it is typed, in the order of a story. The page of commands has them all, and a unit
//! test keeps that page true to the help.

use crate::support::{Cluster, Draft, Namespace, Run, cluster, sample_request};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use tempfile::TempDir;

/// Who reads the help sits in a folder with a few files, in a shell whose context has a namespace.
struct Stage {
    cluster: &'static Cluster,
    ns: Namespace,
    folder: TempDir,
    /// Examples that have been run.
    seen: BTreeSet<String>,
}

impl Stage {
    fn new(cluster: &'static Cluster) -> Self {
        let ns = Namespace::new(cluster, "examples");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut stage = Self { cluster, ns, folder, seen: BTreeSet::new() };
        fs::copy(cluster.kubeconfig(), stage.path("kubeconfig")).expect("the kubeconfig");
        let namespace = stage.ns.name.clone();
        stage.ready(&format!("kubectl config set-context --current --namespace={namespace}"));
        stage.ready("mkdir -p .local/bin .config/fish/completions");
        for (version, name) in [("before", "sample-1.csar"), ("after", "sample-2.csar")] {
            stage.ready(&format!("kubectl vnf package build {} -o {name}", sample_request(version)));
        }
        fs::copy(sample_request("instance_kubernetes.json"), stage.path("instantiate.json")).expect("the request");
        // As the sample's, but for the new name, which would be another one for all that follows.
        let request = fs::read_to_string(sample_request("sample_param_file.json")).expect("the request");
        let mut request: Value = serde_json::from_str(&request).expect("JSON");
        request["vnfInstanceName"].take();
        let request: Value = json!({"vnfdId": request["vnfdId"], "metadata": request["metadata"]});
        fs::write(stage.path("update.json"), request.to_string()).expect("a new file");
        stage.sign();
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a line in the reader's shell.
    fn shell(&self, line: &str) -> Run {
        let mut bash = self.cluster.command("bash");
        bash.args(["-c", line]).current_dir(self.folder.path()).env("HOME", self.folder.path());
        bash.env("KUBECONFIG", self.path("kubeconfig"));
        Run::of(bash, "")
    }

    /// What has to be so before the next example.
    #[track_caller]
    fn ready(&mut self, line: &str) {
        self.shell(line).succeeds();
    }

    /// An example, and how it ends.
    #[track_caller]
    fn example(&mut self, line: &str, code: i32) -> Run {
        self.seen.insert(line.to_owned());
        self.shell(line).exits(code)
    }

    /// An example that ends with Ctrl-C.
    #[track_caller]
    fn watch(&mut self, line: &str) {
        self.seen.insert(line.to_owned());
        self.shell(&format!("timeout --preserve-status --signal INT 5 {line}")).exits(130);
    }

    /// `signed.csar`, a package in an envelope with its signature, and the CA that vouches for it.
    fn sign(&mut self) {
        self.ready("kubectl vnf package init signed && kubectl vnf package build signed -o inner.csar");
        let key = "-nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256";
        self.ready(&format!("openssl req -x509 {key} -days 9 -subj /CN=ca -keyout ca.key -out vendors.pem"));
        self.ready(&format!("openssl req -new {key} -subj /CN=vendor -keyout vendor.key -out vendor.csr"));
        self.ready("printf 'basicConstraints=CA:FALSE\\nkeyUsage=digitalSignature\\n' > extensions");
        self.ready("openssl x509 -req -in vendor.csr -CA vendors.pem -CAkey ca.key -CAcreateserial -days 9 -extfile extensions -out inner.pem");
        self.ready("openssl cms -sign -binary -in inner.csar -signer inner.pem -inkey vendor.key -outform DER -out inner.cms -nocerts");
        let file = fs::File::create(self.path("signed.csar")).expect("a new file");
        let mut archive = zip::ZipWriter::new(file);
        for name in ["inner.csar", "inner.cms", "inner.pem"] {
            archive.start_file(name, zip::write::SimpleFileOptions::default()).expect("a new entry");
            archive.write_all(&fs::read(self.path(name)).expect("a file of ours")).expect("an entry is written");
        }
        archive.finish().expect("the archive is ended");
    }

    /// Leaves `sample-vnf` with an update that has stopped half way, for an image that is not there: its name.
    #[track_caller]
    fn stopped(&mut self, tag: &str) -> String {
        let image = format!("cirros:{}-{tag}", self.ns.name);
        let package = Draft::sample("after").edit("deployment.yaml", "cirros", &image).write();
        let line = format!("kubectl vnf update sample-vnf --package {} --yes --timeout 5s", package.path());
        self.shell(&line).exits(3);
        image
    }
}

/// The examples of the page of commands.
fn documented() -> BTreeSet<String> {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/commands.md")).expect("the page");
    let mut examples = BTreeSet::new();
    let mut inside = false;
    for line in page.lines() {
        inside = line == "Examples:" || inside && line != "```";
        let example = line.strip_prefix("  ").filter(|line| inside && !line.starts_with('#'));
        examples.extend(example.map(ToOwned::to_owned));
    }
    assert!(examples.len() > 40, "the page has examples");
    examples
}

#[test]
fn examples_work_as_typed() {
    let Some(cluster) = cluster() else { return };
    let mut stage = Stage::new(cluster);

    stage.example("kubectl vnf package init my-vnf", 0);
    stage.example("kubectl vnf package init upf && kubectl vnf package validate upf", 0);
    stage.example("kubectl vnf package build my-vnf -o my-vnf.csar", 0);
    stage.example("kubectl vnf package build my-vnf -o next.csar --new-vnfd-id", 0);
    stage.example("kubectl vnf package inspect sample-1.csar", 0);
    let names = stage.example("kubectl vnf package inspect sample-1.csar -o jsonpath='{.objects[*].name}'", 0);
    assert!(names.stdout.split(' ').any(|name| name == "vdu1-update"), "{names}");
    stage.example("kubectl vnf package validate sample-1.csar", 0);
    let errors = stage.example("kubectl vnf package validate sample-1.csar -o jsonpath='{.errors}'", 0);
    assert_eq!(errors.stdout, "0");
    stage.example("kubectl vnf version", 0).says(["record schema", "server v"]);
    stage.example("kubectl vnf version --client -o json", 0).says(["clientVersion"]);
    stage.example("kubectl vnf completion kubectl > ~/.local/bin/kubectl_complete-vnf", 0);
    stage.example("chmod +x ~/.local/bin/kubectl_complete-vnf", 0);
    stage.example("source <(kubectl vnf completion bash)", 0);
    stage.example("kubectl vnf completion fish > ~/.config/fish/completions/kubectl-vnf.fish", 0);

    stage.example("kubectl vnf package onboard sample-1.csar", 0);
    stage.example("kubectl vnf package onboard signed.csar --require-signature --ca vendors.pem", 0);
    stage.example("kubectl vnf package list", 0).says(["Sample VNF 1.0"]);
    stage.example("kubectl vnf package list -o name", 0).says(["vnfpackage/97018ca2-bf29-4715-9e2b-6e432dd1f414"]);
    stage.example("kubectl vnf package show 97018ca2-bf29-4715-9e2b-6e432dd1f414", 0);
    let flavours = "kubectl vnf package show 97018ca2-bf29-4715-9e2b-6e432dd1f414 -o jsonpath='{.flavours[*].id}'";
    assert_eq!(stage.example(flavours, 0).stdout, "simple");

    stage.example("kubectl vnf create lab-vnf --package sample-1.csar", 0);
    stage.example("kubectl vnf create lab-vnf-2 --package 97018ca2-bf29-4715-9e2b-6e432dd1f414", 0);
    let big = "kubectl vnf instantiate big-vnf --package sample-1.csar --level instantiation_level_2 --dry-run";
    stage.example(big, 0).says(["level instantiation_level_2"]);
    stage.example("kubectl vnf instantiate lab-vnf --dry-run=client", 0);
    stage.example("kubectl vnf instantiate sample-vnf --package sample-1.csar -f instantiate.json", 0);
    stage.example("kubectl vnf update lab-vnf-2 --name lab-vnf-3", 0);

    stage.example("kubectl vnf list", 0).says(["sample-vnf", "lab-vnf-3"]);
    stage.example("kubectl vnf list -A -o wide", 0);
    let listed = stage
        .example(r#"kubectl vnf list -o jsonpath='{range [*]}{.vnfInstanceName} {.instantiationState}{"\n"}{end}'"#, 0);
    assert!(listed.stdout.ends_with("sample-vnf INSTANTIATED\n"), "{listed}");
    stage.example("kubectl vnf show sample-vnf", 0);
    stage.example("kubectl vnf show sample-vnf -o yaml", 0);
    let ids = "kubectl vnf show sample-vnf -o jsonpath='{.instantiatedVnfInfo.vnfcInfo[*].id}'";
    stage.example(ids, 0).says(["VDU3-env-test"]);
    stage.example("kubectl vnf status sample-vnf", 0).says(["8 of 8 VNFCs ready"]);
    stage.watch("kubectl vnf status sample-vnf -w");
    stage.example("kubectl vnf status", 0).says(["sample-vnf", "8/8"]);
    stage.example("kubectl vnf status sample-vnf -o json", 0).says(["\"well\": true"]);
    stage.example("kubectl vnf op list", 0);
    stage.example("kubectl vnf op list sample-vnf", 0);
    stage.example("kubectl vnf op show sample-vnf", 0);
    stage.example("kubectl vnf op show sample-vnf -o yaml", 0);

    stage.example("kubectl vnf diff sample-vnf --package sample-2.csar", 1);
    stage.example("kubectl vnf diff sample-vnf --package sample-2.csar -f update.json", 1);
    stage.example("kubectl vnf diff sample-vnf", 0);
    stage.example("kubectl vnf update sample-vnf --package sample-2.csar --dry-run=server", 0);
    stage.example("kubectl vnf update sample-vnf --package sample-2.csar -f update.json --rollback-on-failure", 0);
    stage.ready("kubectl delete configmap cm-data3");
    stage.example("kubectl vnf update sample-vnf", 0).says(["cm-data3"]);

    stage.example("kubectl vnf scale sample-vnf --aspect vdu1_aspect --out", 0).says(["vdu1_aspect 0 -> 1"]);
    stage.example("kubectl vnf scale sample-vnf --aspect vdu2_aspect --out 2 --dry-run=server", 0);
    stage.example("kubectl vnf scale sample-vnf --aspect vdu1_aspect --in 1", 0);
    stage.example("kubectl vnf undo sample-vnf --dry-run=client", 0);
    stage.example("kubectl vnf undo sample-vnf --to-revision 1 --dry-run=server", 0);
    stage.example("kubectl vnf undo sample-vnf", 0).says(["vdu1_aspect 0 -> 1"]);
    stage.example("kubectl vnf heal sample-vnf --vnfc VDU3-env-test", 0);
    stage.example("kubectl vnf heal sample-vnf --vdu VDU1 VDU2 --cause \"memory leak\"", 0);
    stage.example("kubectl vnf heal sample-vnf --all --dry-run=client", 0).says(["80 -> 180"]);
    stage.example("kubectl vnf change-package sample-vnf --package sample-2.csar --dry-run=server", 0);
    stage.example("kubectl vnf change-package sample-vnf --package sample-2.csar --rollback-on-failure", 0);

    stage.stopped("1");
    stage.example("kubectl vnf op retry sample-vnf --dry-run=client", 0);
    stage.example("kubectl vnf op rollback sample-vnf --dry-run=client", 0);
    stage.example("kubectl vnf op rollback sample-vnf --yes", 0);
    stage.stopped("2");
    stage.example("kubectl vnf op fail sample-vnf && kubectl vnf show sample-vnf", 0);
    stage.stopped("3");
    stage.example("kubectl vnf op fail sample-vnf", 0);
    let image = stage.stopped("4");
    stage.cluster.push("library/cirros:latest", &format!("library/{image}"));
    stage.example("kubectl vnf op retry sample-vnf", 0);

    stage.example("kubectl vnf terminate sample-vnf --dry-run=client", 0);
    stage.example("kubectl vnf terminate sample-vnf --grace-period 5s", 0);
    stage.example("kubectl vnf terminate sample-vnf --delete --yes", 0);
    stage.ready("kubectl vnf create lab-vnf-4 --package sample-1.csar");
    stage.example("kubectl vnf delete lab-vnf", 0);
    stage.example("kubectl vnf delete lab-vnf-3 lab-vnf-4", 0);
    stage.ready("kubectl vnf package onboard sample-2.csar");
    stage.example("kubectl vnf package delete 58bcc1c6-1400-46ec-b7fb-e508bf7e00e9", 0);
    stage.example(r#"kubectl vnf package delete "$(kubectl vnf package list -o jsonpath='{[0].vnfdId}')""#, 0);

    assert_eq!(stage.seen, documented(), "the examples that were run, and those of the help");
}
