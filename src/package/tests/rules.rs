//! What `package validate` says of a package: each rule broken on its own, and all layers at once.

use super::*;
use crate::package::examine::Examination;

const DF: &str = "Definitions/df.yaml";

fn examined(draft: &Draft) -> Examination {
    examine_archive("x.csar".into(), zip_of(draft), &OpenOptions::default())
}

/// Severity, rule, place and message of each finding.
fn found(draft: &Draft) -> Vec<String> {
    let line = |problem: &Problem| format!("{:?} {} {problem}", problem.severity, problem.rule);
    examined(draft).problems.iter().map(line).collect()
}

/// A package without a fault: `UPF` is a Deployment that reads `cm`.
fn right() -> Draft {
    let mut draft = Draft::new();
    draft.set("Files/upf.yaml", &workload("Deployment", "upf", CM_ENV)).list("Name: Files/upf.yaml\n");
    draft
}

const CM_ENV: &str = "{ env: [ { name: A, valueFrom: { configMapKeyRef: { name: cm, key: a } } } ] }";

fn workload(kind: &str, name: &str, container: &str) -> String {
    let container = container.trim_start_matches('{');
    format!(
        "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec:\n  selector: {{ matchLabels: {{ app: {name} }} }}\n  template:\n    metadata: {{ labels: {{ app: {name} }} }}\n    spec: {{ containers: [ {{ name: main, image: nginx, {container} ] }}\n"
    )
}

fn right_with_policies(policies: &str) -> Draft {
    let mut draft = right();
    draft.replace(DF, "  policies:\n", &format!("  policies:\n{policies}"));
    draft
}

#[test]
fn a_right_package_has_no_fault() {
    let mut draft = right();
    assert_eq!(found(draft.set("Files/cm.yaml", &format!("{CONFIG}data: {{ a: x }}\n"))), [""; 0]);
    let examination = examined(&draft);
    assert!(examination.is_valid());
    assert_eq!(examination.standards(), ["SOL004 with TOSCA-Metadata"]);
    draft.set(
        "Definitions/etsi_nfv_sol001_vnfd_types.yaml",
        "tosca_definitions_version: tosca_simple_yaml_1_2\nmetadata: { template_version: 2.6.1 }\n",
    );
    assert_eq!(examined(&draft).standards(), ["SOL001 2.6.1", "SOL004 with TOSCA-Metadata"]);
}

#[test]
fn descriptor_rules() {
    let level = |id: &str| format!("{id}: {{ scale_info: {{}} }}");
    let levels = format!(
        "  - l: {{ type: tosca.policies.nfv.InstantiationLevels, properties: {{ levels: {{ {}, {} }} }} }}\n",
        level("small"),
        level("large")
    );
    for (path, from, to, expected) in [
        (
            DF,
            "type: tosca.nodes.nfv.Vdu.Compute",
            "type: acme.Gone",
            "Warning V2 Definitions/df.yaml:7: node UPF: its type acme.Gone is not defined in the package",
        ),
        (
            "Definitions/top.yaml",
            "default: '2.0'",
            "default: '2.0', constraints: [ in_range: [ 3.0, UNBOUNDED ] ]",
            "Error V3 Definitions/top.yaml:6: input version: the default is \"2.0\", it must be within 3.0 and UNBOUNDED",
        ),
        (
            "Definitions/types.yaml",
            "software_version: {",
            "flavour_id: { type: string, constraints: [ valid_values: [ big ] ] }\n      software_version: {",
            "Error V3 Definitions/df.yaml:4: VNF property flavour_id is \"simple\", its type allows big",
        ),
        (
            DF,
            "name: upf",
            "name: UPF_1",
            "Error V6 Definitions/df.yaml:7: VDU UPF: name \"UPF_1\" cannot be that of a Kubernetes object",
        ),
        (
            DF,
            "  policies:\n",
            &format!("  policies:\n{levels}"),
            "Error V8 Definitions/df.yaml:11: several instantiation levels and no default_level",
        ),
        (
            DF,
            "      properties: { name: upf",
            "      artifacts: { chart: { type: tosca.artifacts.nfv.HelmChart, file: Files/chart.tgz } }\n      properties: { name: upf",
            "Error V10 Definitions/df.yaml:9: node UPF: Files/chart.tgz, the file of artifact chart, is not in the package",
        ),
    ] {
        let mut draft = right();
        let found = found(draft.replace(path, from, to));
        assert!(found.iter().any(|line| line == expected), "expected\n{expected}\nfound\n{}", found.join("\n"));
        // All of these are odd, but do not keep anybody from using the package.
        draft.open().unwrap();
    }
}

#[test]
fn container_types() {
    let unit = |more: &str| {
        let mut draft = right();
        draft.replace(DF, "Vdu.Compute", "Vdu.OsContainerDeployableUnit");
        draft.replace(DF, "      properties: { name: upf", &format!("{more}      properties: {{ name: upf"));
        draft
    };
    let said = |draft: &Draft| {
        let lines = found(draft);
        lines.into_iter().filter(|line| line.contains("V11")).collect::<Vec<_>>().join("\n")
    };
    let with = |nodes: &str, more: &str| {
        let mut draft = unit(more);
        draft.replace(DF, "  policies:\n", &format!("{nodes}  policies:\n"));
        said(&draft)
    };
    let container =
        |images: &str| format!("    Web: {{ type: tosca.nodes.nfv.Vdu.OsContainer, artifacts: {{ {images} }} }}\n");
    let image = "a: { type: tosca.artifacts.nfv.SwImage, file: nginx }";
    let needs = "      requirements: [ container: Web ]\n";
    assert_eq!(with(&container(image), needs), "");
    assert_eq!(with(&container(image), "      requirements: [ container: { node: Web } ]\n"), "");
    assert_eq!(said(&unit("")), "Error V11 Definitions/df.yaml:7: VDU UPF has no container, and no Mciop makes one");
    assert_eq!(
        said(&unit(needs)),
        "Error V11 Definitions/df.yaml:9: VDU UPF: container \"Web\" is no node of type tosca.nodes.nfv.Vdu.OsContainer"
    );
    assert_eq!(with(&container(""), needs), "Error V11 Definitions/df.yaml:11: container Web has no SwImage artifact");
    assert_eq!(
        with(&container(&format!("{image}, {}", image.replace("a:", "b:"))), needs),
        "Error V11 Definitions/df.yaml:11: container Web has 2 SwImage artifacts, one is allowed"
    );
    let mciop = |more: &str| format!("    Chart: {{ type: tosca.nodes.nfv.Mciop, {more} }}\n");
    assert_eq!(with(&mciop("requirements: [ associatedVdu: UPF ]"), ""), "");
    for kind in ["HelmChart", "HelmParamMappingScript", "HelmParamMappingRule"] {
        let of = |name: &str| format!("{name}: {{ type: tosca.artifacts.nfv.{kind}, file: Files/cm.yaml }}");
        let script = "s: { type: tosca.artifacts.nfv.HelmParamMappingScript, file: Files/cm.yaml }";
        let script = if kind == "HelmParamMappingRule" { script } else { "" };
        let all = format!("requirements: [ associatedVdu: UPF ], artifacts: {{ {}, {}, {script} }}", of("a"), of("b"));
        assert_eq!(
            with(&mciop(&all), ""),
            format!("Error V11 Definitions/df.yaml:10: Mciop Chart has 2 {kind} artifacts, one is allowed")
        );
    }
    assert_eq!(with(&mciop(""), ""), "Error V11 Definitions/df.yaml:10: Mciop Chart has no associatedVdu");
    assert_eq!(
        with(
            &mciop(
                "requirements: [ associatedVdu: SMF ], artifacts: { r: { type: tosca.artifacts.nfv.HelmParamMappingRule, file: Files/cm.yaml } }"
            ),
            ""
        ),
        "Error V11 Definitions/df.yaml:10: Mciop Chart: associatedVdu \"SMF\" is no VDU of this flavour\nError V11 Definitions/df.yaml:10: Mciop Chart has a HelmParamMappingRule, but no HelmParamMappingScript for it"
    );
}

#[test]
fn a_vdu_type_of_the_vendor_is_a_vdu() {
    let mut draft = right();
    draft.replace(
        "Definitions/types.yaml",
        "node_types:",
        "node_types:\n  acme.Big: { derived_from: acme.Unit, properties: { vdu_profile: { type: map, default: { min_number_of_instances: 2, max_number_of_instances: 4 } } } }\n  acme.Unit: { derived_from: tosca.nodes.nfv.Vdu.Compute, properties: { name: { type: string, constraints: [ max_length: 2 ] } } }",
    );
    draft.replace(DF, "tosca.nodes.nfv.Vdu.Compute", "acme.Big");
    draft.replace(DF, ", vdu_profile: { min_number_of_instances: 1, max_number_of_instances: 3 }", "");
    let vdu = draft.open().unwrap().vnfd.flavours[0].vdus[0].clone();
    assert_eq!((vdu.id.as_str(), vdu.name.as_str(), vdu.min, vdu.max), ("UPF", "upf", 2, 4));
    assert!(found(&draft)[0].ends_with("VDU UPF: property name is \"upf\", its length must be at most 2"));
}

#[test]
fn a_name_of_a_type_may_have_its_imports_prefix() {
    let mut draft = right();
    draft.replace(DF, "imports: [ types.yaml ]", "imports: [ { file: types.yaml, namespace_prefix: acme } ]");
    draft.replace(DF, "VNF: { type: acme.VNF", "VNF: { type: acme:acme.VNF");
    assert!(!found(&draft).iter().any(|line| line.contains("V2")));
    assert_eq!(draft.open().unwrap().vnfd.flavours[0].description, "Small");
}

#[test]
fn every_vdu_is_one_workload() {
    let said = |edit: &dyn Fn(&mut Draft)| {
        let mut draft = right();
        edit(&mut draft);
        let examination = examined(&draft);
        let found = examination.problems.iter().filter(|problem| problem.rule == "K5");
        found.map(|p| format!("{:?} {p} | {}", p.severity, p.help.clone().unwrap_or_default())).collect::<Vec<_>>()
    };
    assert_eq!(
        said(&|draft| {
            draft.replace(DF, "name: upf", "name: upf-user");
        }),
        [
            "Error Definitions/df.yaml:7: VDU UPF: no workload named \"upf-user\" | workloads in the package without a VDU: upf (Deployment, Files/upf.yaml:1)",
            "Note Files/upf.yaml:1: Deployment upf belongs to no VDU: it is no VNFC, and does not scale | ",
        ]
    );
    let both = |draft: &mut Draft, file: &str| {
        let text = format!("{}---\n{}", draft.text("Files/upf.yaml"), workload("StatefulSet", "upf", CM_ENV));
        if file == "Files/upf.yaml" {
            draft.set(file, &text);
        } else {
            draft.set(file, &workload("StatefulSet", "upf", CM_ENV)).list(&format!("Name: {file}\n"));
        }
    };
    assert_eq!(
        said(&|draft| both(draft, "Files/upf.yaml")),
        [
            "Error Definitions/df.yaml:7: VDU UPF: several workloads named \"upf\": Deployment (Files/upf.yaml:1), StatefulSet (Files/upf.yaml:10) | use the files of one: lcm-kubernetes-def-files"
        ]
    );
    assert!(said(&|draft| both(draft, "Files/other.yaml"))[0].starts_with("Warning"));
    let unit = "Vdu.OsContainerDeployableUnit\n      requirements: [ container: X ]";
    assert_eq!(
        said(&|draft| {
            draft.replace(DF, "Vdu.Compute", unit);
            draft.replace(DF, "name: upf", "mcio_identification_data: { name: upf, type: StatefulSet }");
        }),
        [
            "Error Definitions/df.yaml:7: VDU UPF: Deployment upf is its workload, mcio_identification_data says StatefulSet | "
        ]
    );
}

#[test]
fn what_workloads_need() {
    let autoscaler = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: { name: auto }\nspec: { scaleTargetRef: { kind: Deployment, name: upf } }\n";
    let steps = "  - a: { type: tosca.policies.nfv.ScalingAspects, properties: { aspects: { up: { max_scale_level: 2 } } } }\n  - d: { type: tosca.policies.nfv.VduScalingAspectDeltas, targets: [ UPF ], properties: { aspect: up, deltas: { one: { number_of_instances: 1 } } } }\n";
    let said = |text: &str| {
        let mut draft = right_with_policies(steps);
        let lines = found(draft.set("Files/upf.yaml", text));
        lines.into_iter().filter(|line| !line.contains(" K5 ")).collect::<Vec<_>>()
    };
    let pod = |labels: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{ name: p, labels: {{ {labels} }} }}\nspec: {{ containers: [] }}\n"
        )
    };
    assert_eq!(
        said(&workload("DaemonSet", "upf", "{ env: [] }")),
        ["Warning K6 Definitions/df.yaml:7: VDU UPF has levels or a scaling aspect, but DaemonSet upf has no replicas"]
    );
    assert_eq!(
        said(&format!("{}---\n{autoscaler}", workload("Deployment", "upf", "{ env: [] }"))),
        [
            "Warning K6 Files/upf.yaml:10: HorizontalPodAutoscaler auto scales Deployment upf too: the levels of the VNFD will not last"
        ]
    );
    assert_eq!(
        said(&workload("Deployment", "upf", CM_ENV)),
        ["Warning K6 Files/upf.yaml:1: Deployment upf needs key \"a\" of ConfigMap cm, which has no key that fits"]
    );
    let missing = workload(
        "Deployment",
        "upf",
        "{ envFrom: [ { secretRef: { name: s } }, { configMapRef: { name: o, optional: true } } ] }",
    );
    assert_eq!(
        said(&missing),
        ["Warning K6 Files/upf.yaml:1: Deployment upf uses Secret s, which is not in the package"]
    );
    let pod_spec =
        "spec: { serviceAccountName: who, volumes: [ { name: a, persistentVolumeClaim: { claimName: data } } ],";
    let others =
        workload("Deployment", "upf", "{ env: [] }").replace("spec: { containers", &format!("{pod_spec} containers"));
    assert_eq!(
        said(&others),
        [
            "Warning K6 Files/upf.yaml:1: Deployment upf uses PersistentVolumeClaim data, which is not in the package",
            "Warning K6 Files/upf.yaml:1: Deployment upf uses ServiceAccount who, which is not in the package",
        ]
    );
    let object = |kind: &str, name: &str| format!("---\napiVersion: v1\nkind: {kind}\nmetadata: {{ name: {name} }}\n");
    let there = [object("ServiceAccount", "who"), object("PersistentVolumeClaim", "data")].concat();
    assert_eq!(said(&format!("{others}{there}")), [""; 0]);
    let replicas = workload("ReplicaSet", "upf", "{ env: [] }");
    assert_eq!(
        said(&format!("{replicas}{}", pod("app: upf, a: b"))),
        [
            "Warning K6 Files/upf.yaml:10: the selector of ReplicaSet upf (Files/upf.yaml:1) matches Pod p, which it will adopt, and may delete"
        ]
    );
    assert_eq!(said(&format!("{replicas}{}", pod("app: other"))), [""; 0]);
}

#[test]
fn alternatives_and_namespaces_are_warnings() {
    let mut draft = right();
    draft.set("Files/again.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: cm, namespace: a }\n");
    draft.set(
        "Files/upf2.yaml",
        &workload("Deployment", "upf", "{ env: [] }").replace("name: upf }\n", "name: upf, namespace: b }\n"),
    );
    draft.set("Files/cm2.yaml", CONFIG);
    for file in ["again", "upf2", "cm2"] {
        draft.list(&format!("Name: Files/{file}.yaml\n"));
    }
    let lines = found(&draft);
    assert!(lines.contains(&"Warning K3 objects in namespaces a, b".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"Warning K4 ConfigMap cm is defined in Files/cm.yaml and in Files/cm2.yaml".to_owned()));
    assert!(draft.open().unwrap().survey().unwrap().manifests.len() == 5);
}

#[test]
fn every_layer_is_judged_in_one_run() {
    let mut draft = right();
    let zeros = "0".repeat(64);
    draft.list(&format!("Name: Files/none.yaml\n\nName: Files/bad.yaml\nAlgorithm: SHA-256\nHash: {zeros}\n"));
    draft.set("Files/bad.yaml", "apiVersion: v1\nmetadata: { name: x }\n");
    draft.replace("Definitions/top.yaml", "- df.yaml", "- df.yaml\n- gone.yaml");
    draft.replace(DF, "min_number_of_instances: 1", "min_number_of_instances: 4");
    let examination = examined(&draft);
    let rules: Vec<_> = examination.problems.iter().map(|problem| problem.rule).collect();
    assert_eq!(rules, ["A3", "A4", "V2", "V5", "K1", "K6"], "{:#?}", found(&draft));
    assert_eq!(examination.package.unwrap().vnfd.product_name, "UPF");
}

#[test]
fn consequences_of_a_missing_file_are_not_told() {
    let mut draft = right();
    draft
        .replace("Definitions/top.yaml", "- types.yaml", "- gone.yaml")
        .0
        .retain(|(path, _)| path != "Definitions/types.yaml");
    draft.replace(DF, "  policies:\n", "  policies:\n  - p: { type: acme.Policy, targets: [ UPF ] }\n");
    let errors: Vec<_> = found(&draft).into_iter().filter(|line| line.starts_with("Error")).collect();
    assert_eq!(
        errors,
        [
            "Error V2 Definitions/top.yaml:3: imports gone.yaml, which is not in the package",
            "Error V2 Definitions/df.yaml:2: imports types.yaml, which is not in the package",
        ]
    );
}

#[test]
fn a_package_without_a_descriptor_still_has_its_manifests_judged() {
    let mut draft = right();
    draft.replace(META, "Entry-Definitions: Definitions/top.yaml\n", "").set("Files/cm.yaml", "kind: ConfigMap\n");
    let lines = found(&draft);
    assert!(lines.iter().any(|line| line.starts_with("Error M2")), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains(" K5 ")), "{lines:#?}");
}

#[test]
fn a_file_that_has_too_little_of_an_object_is_named() {
    let mut draft = right();
    draft.set("Files/half.yaml", "a: 1\n---\nkind: ConfigMap\n").set("Files/values.yaml", "metadata: x\n");
    draft.set("Files/torn.yaml", "a: 1\nb: [\n").list("Name: Files/torn.yaml\n");
    let lines = found(draft.list("Name: Files/half.yaml\n\nName: Files/values.yaml\n"));
    assert!(lines.iter().any(|line| line.starts_with("Warning K1 Files/torn.yaml:")), "{lines:#?}");
    let expected = "Warning K1 Files/half.yaml:3: no Kubernetes object: it has only one of apiVersion, kind and metadata, and is not used";
    assert!(lines.contains(&expected.to_owned()), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("values.yaml")), "{lines:#?}");
}

#[test]
fn manifests_as_they_come() {
    let mut draft = Draft::new();
    draft.set(
        "Files/cm.yaml",
        "---\n# nothing but a comment\n---\n\u{20}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\ndata: { on: \"1\", port: 80, flag: yes, nothing: ~, list: [ 1 ] }\nbinaryData: { good: aGVs bG8=, bad: '%%%' }\n---\napiVersion: v1\nkind: Secret\nmetadata: { name: s }\ndata: { key: plain-secret }\nstringData: { num: 1 }\n---\napiVersion: v1\nkind: Pod\nmetadata: { name: upf, creationTimestamp: null }\nspec:\n  containers: [ &c { name: a, image: x }, { <<: *c, name: b } ]\n  volumes: [ { name: v, configMap: { name: a, defaultMode: 0640 } }, { name: w, secret: { secretName: s, defaultMode: 0o400 } } ]\n---\n",
    );
    let examination = examined(&draft);
    let lines: Vec<_> = examination.problems.iter().map(|p| format!("{} {p}", p.rule)).collect();
    assert_eq!(
        lines,
        [
            "K1 Files/cm.yaml:9: ConfigMap a: data.port must be a string, put it in quotes",
            "K1 Files/cm.yaml:9: ConfigMap a: data.flag must be a string, put it in quotes",
            "K1 Files/cm.yaml:9: ConfigMap a: data.list must be a string",
            "K1 Files/cm.yaml:10: ConfigMap a: binaryData.bad is not base64",
            "K1 Files/cm.yaml:15: Secret s: data.key is not base64",
            "K1 Files/cm.yaml:16: Secret s: stringData.num must be a string, put it in quotes",
        ]
    );
    assert!(!format!("{:?}", examination.problems).contains("plain-secret"));
    let pod = &examination.manifests[2].object;
    assert_eq!(pod.pointer("/spec/containers/1"), Some(&serde_json::json!({"name": "b", "image": "x"})));
    assert_eq!(pod.pointer("/spec/volumes/0/configMap/defaultMode"), Some(&0o640.into()));
    // An operation lets the API server speak.
    assert!(draft.open().unwrap().manifests(&["Files/cm.yaml".into()]).is_ok());
}
