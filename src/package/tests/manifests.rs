//! Kubernetes manifests of a package, right and broken.

use super::*;

fn manifest_problems(text: &str) -> String {
    let mut draft = Draft::new();
    let package = draft.set("Files/cm.yaml", text).open().unwrap();
    said(package.manifests(&["Files/cm.yaml".into()]).map(|_| ()))
}

#[test]
fn broken_manifests() {
    for (text, expected) in [
        ("apiVersion: v1\nkind: ConfigMap\n  metadata: x\n", "K1 Files/cm.yaml:3: "),
        ("apiVersion: v1\nmetadata: { name: a }\n", "K1 Files/cm.yaml:1: document 1 has no kind"),
        ("kind: ConfigMap\nmetadata: { name: a }\n", "K1 Files/cm.yaml:1: document 1 has no apiVersion"),
        ("a: 1\n", "K1 Files/cm.yaml:1: document 1 has no apiVersion and no kind"),
        ("- a\n", "K1 Files/cm.yaml:1: document 1 is not a Kubernetes object"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {}\n", "K1 Files/cm.yaml:1: document 1 (Pod) has no metadata.name"),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: { generateName: a- }\n",
            "K1 Files/cm.yaml:1: document 1 (Pod) has generateName instead of a name",
        ),
        (
            &format!("{CONFIG}---\n# none\n---\n{CONFIG}"),
            "K4 Files/cm.yaml:7: ConfigMap cm is defined here and in line 1",
        ),
        (
            &format!("{CONFIG}---\napiVersion: v1\nmetadata: x\n---\nkind: y\n"),
            "K1 Files/cm.yaml:5: document 2 has no kind\nK1 Files/cm.yaml:8: document 3 has no apiVersion",
        ),
    ] {
        let found = manifest_problems(text);
        assert!(found.starts_with(expected), "expected\n{expected}\nfound\n{found}");
    }
}

#[test]
fn files_that_cannot_be_chosen() {
    let mut draft = Draft::new();
    draft.set("Files/unlisted.yaml", CONFIG).set("Files/again.yaml", CONFIG);
    draft.list("Name: Files/again.yaml\n\nName: http://example.com/x.yaml\n");
    let package = draft.open().unwrap();
    assert_eq!(package.warnings[0].rule, "A5");
    assert_eq!(package.kubernetes_files(), ["Files/cm.yaml", "Files/again.yaml"]);
    let files = [
        "Files/cm.yaml",
        "other/cm.yaml",
        "Files/unlisted.yaml",
        "http://example.com/x.yaml",
        "./Files/cm.yaml",
        "Files/again.yaml",
    ];
    let error = package.manifests(&files.map(str::to_owned)).unwrap_err();
    assert_eq!(error.problems[0].help.as_deref(), Some("did you mean Files/cm.yaml?"));
    assert!(error.problems[4].help.as_deref().unwrap().contains("lcm-kubernetes-def-files"));
    assert_eq!(
        said(Err(error)),
        "\
R1 no other/cm.yaml in the package
R1 Files/unlisted.yaml is in the package, but TOSCA-Metadata/TOSCA.meta does not list it
R1 http://example.com/x.yaml is a URL, which is not fetched
R1 Files/cm.yaml is in the list of files twice
K4 ConfigMap cm is defined in Files/cm.yaml and in Files/again.yaml"
    );
    assert_eq!(package.defines().unwrap().len(), 2);
    // Whoever read the list says where each stands.
    let files = ["Files/cm.yaml", "none.yaml", "Files/cm.yaml"].map(str::to_owned);
    let error = package.select_of(&files, |index, problem| problem.at("request.json", 10 + index)).unwrap_err();
    assert_eq!(
        said(Err(error)),
        "R1 request.json:11: no none.yaml in the package\nR1 request.json:12: Files/cm.yaml is in the list of files twice"
    );
}

#[test]
fn which_files_are_kubernetes_manifests() {
    let mut draft = Draft::new();
    draft.set("Files/values.yaml", "replicas: 1\n").set("Files/broken.yaml", "apiVersion: v1\nkind: [\n");
    draft.set("Files/pod.json", "{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"p\"}}");
    draft.set("chart/Chart.yaml", "apiVersion: v2\nname: c\n").set("chart/templates/d.yaml", CONFIG);
    draft.set("Files/nokind.yaml", "apiVersion: v1\nmetadata: { name: x }\n").set("Files/readme.txt", CONFIG);
    for file in [
        "Files/values.yaml",
        "Files/broken.yaml",
        "Files/pod.json",
        "chart/Chart.yaml",
        "chart/templates/d.yaml",
        "Files/nokind.yaml",
        "Files/readme.txt",
        "Definitions/df.yaml",
    ] {
        draft.list(&format!("Name: {file}\n"));
    }
    let package = draft.open().unwrap();
    assert_eq!(
        package.kubernetes_files(),
        ["Files/cm.yaml", "Files/broken.yaml", "Files/pod.json", "Files/nokind.yaml"]
    );
    let back = Package::from_store(&package.store_bytes(), package.digest).unwrap();
    assert_eq!(back.kubernetes_files(), package.kubernetes_files());
    assert_eq!(package.defines().unwrap_err().errors().count(), 2);
}

#[test]
fn lists_are_taken_apart_and_reviews_passed_over() {
    let mut draft = Draft::new();
    draft.set(
        "Files/cm.yaml",
        "\
apiVersion: authorization.k8s.io/v1
kind: SelfSubjectRulesReview
spec: {}
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ConfigMap
  metadata: { name: a }
- apiVersion: v1
  kind: ConfigMapList
  items:
  - metadata: { name: b, namespace: x }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: c }
---
apiVersion: v1
kind: List
items:
",
    );
    let selection = draft.open().unwrap().select(&["Files/cm.yaml".into()]).unwrap();
    let found: Vec<_> =
        selection.manifests.iter().map(|m| (m.reference.name.as_str(), m.source.document, m.line)).collect();
    assert_eq!(found, [("a", 1, 8), ("b", 2, 14), ("c", 3, 16)]);
    assert_eq!(
        selection.manifests[1].object,
        serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b", "namespace": "x"}})
    );
    assert_eq!(
        selection.notes[0].to_string(),
        "Files/cm.yaml:1: SelfSubjectRulesReview only asks the API server a question, and is passed over"
    );
    assert!(selection.notes[0].is_note());
}
