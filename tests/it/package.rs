//! Packages from their first file to a running VNF: `package init`, `validate`, `build` and `inspect`.

use crate::support::{Namespace, cluster};
use std::fs;
use std::path::Path;

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().expect("temporary folders have names in UTF-8").to_owned()
}

#[test]
fn a_package_from_nothing_runs() {
    let Some(cluster) = cluster() else { return };
    let namespace = Namespace::new(cluster, "package");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (tree, first, second) =
        (path(folder.path(), "web"), path(folder.path(), "1.csar"), path(folder.path(), "2.csar"));

    namespace.vnf(&["package", "init", &tree]).succeeds();
    namespace.vnf(&["package", "init", &tree]).exits(1).says(["is not empty"]);
    let said = namespace.vnf(&["package", "validate", &tree]).succeeds();
    said.says(["Company / web 1.0: valid, 1 warning", "warning[F3]: the package is not signed"]);

    namespace.vnf(&["package", "build", &tree, "-o", &first]).succeeds();
    namespace.vnf(&["package", "build", &tree, "-o", &second]).succeeds();
    let read = |path: &str| fs::read(path).expect("the package that was built");
    assert!(read(&first) == read(&second), "two builds of the same files differ");
    namespace.vnf(&["package", "validate", &first]).succeeds().says(["1.csar: Company / web 1.0: valid"]);

    // As it is, by the command that init names.
    namespace.vnf(&["instantiate", "web", "--package", &tree]).succeeds().says(["1 of 1 VNFC ready"]);
    assert_eq!(namespace.object("deployment/web").0["status"]["readyReplicas"], 1);
    namespace.vnf(&["terminate", "web", "--delete", "--yes"]).succeeds();

    // The tree and its archive are not one package: only the archive has digests.
    let run = namespace.vnf(&["instantiate", "mine", "--package", &first, "--level", "large"]).succeeds();
    run.says(["vnfinstance/mine instantiated: 3 of 3 VNFCs ready"]);
    let deployment = namespace.object("deployment/web");
    assert_eq!(deployment.0["status"]["readyReplicas"], 3);
    assert_eq!(namespace.object("configmap/web-config").0["data"]["greeting"], "hello");

    // The next version has an identity of its own, and is an update of the first.
    let config = folder.path().join("web/Files/kubernetes/configmap.yaml");
    let text = fs::read_to_string(&config).expect("the starter's ConfigMap");
    fs::write(&config, text.replace("hello", "good morning")).expect("the edited ConfigMap");
    namespace.vnf(&["package", "build", &tree, "-o", &second, "--new-vnfd-id"]).succeeds();
    namespace.vnf(&["update", "mine", "--package", &second, "--yes"]).succeeds().says(["Restarted: 3 Pods"]);
    assert_eq!(namespace.object("configmap/web-config").0["data"]["greeting"], "good morning");

    // What is wrong is neither built nor called valid.
    fs::write(&config, "apiVersion: v1\nmetadata: { name: web-config }\n").expect("a broken ConfigMap");
    let third = path(folder.path(), "3.csar");
    let said = namespace.vnf(&["package", "build", &tree, "-o", &third]).exits(1);
    said.says(["error[K1]", "Files/kubernetes/configmap.yaml:1", "3.csar was not written"]);
    let left: Vec<_> = fs::read_dir(folder.path()).expect("the folder").filter_map(Result::ok).collect();
    assert_eq!(left.len(), 3, "{left:?}");
    let report = namespace.vnf(&["package", "validate", &tree, "-o", "json"]).exits(1).json();
    assert_eq!(report["valid"], false);
    let errors: Vec<_> =
        report["problems"].as_array().into_iter().flatten().filter(|problem| problem["severity"] == "error").collect();
    assert_eq!((errors.len(), &errors[0]["rule"], &errors[0]["line"]), (1, &"K1".into(), &1.into()), "{report:#}");
}
