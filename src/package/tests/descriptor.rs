//! Descriptors, right and broken.

use super::*;

#[test]
fn broken_descriptors() {
    let (top, df, types) = ("Definitions/top.yaml", "Definitions/df.yaml", "Definitions/types.yaml");
    for (path, from, to, expected) in [
        (
            META,
            "top.yaml",
            "other.yaml",
            "M2 TOSCA-Metadata/TOSCA.meta:3: Entry-Definitions names Definitions/other.yaml, which is not in the package",
        ),
        (META, "Entry-Definitions", "Entry-Nothing", "M2 TOSCA-Metadata/TOSCA.meta: Entry-Definitions is missing"),
        (top, "imports:", "imports: [\n", "V1 Definitions/top.yaml:"),
        (
            top,
            "tosca_simple_yaml_1_2",
            "tosca_2_0",
            "V1 Definitions/top.yaml:1: tosca_definitions_version is tosca_2_0",
        ),
        (
            top,
            "- df.yaml",
            "- df2.yaml\n- http://example.com/x.yaml",
            "V2 Definitions/top.yaml:4: imports df2.yaml, which is not in the package\nV2 Definitions/top.yaml:5: imports the URL http://example.com/x.yaml",
        ),
        (
            types,
            "tosca.nodes.nfv.VNF",
            "tosca.nodes.Root",
            "V3 Definitions/top.yaml: no node template of a type that derives from tosca.nodes.nfv.VNF",
        ),
        (top, "product_name", "product", "V3 Definitions/top.yaml:9: VNF property product_name has no value"),
        (
            top,
            "product_name: UPF",
            "product_name: UPF\n        provider: Other",
            "V3 Definitions/top.yaml:14: VNF property provider is \"Other\", its type allows Acme",
        ),
        (
            top,
            "product_name: UPF",
            "product_name: [ UPF ]",
            "V3 Definitions/top.yaml:13: VNF property product_name is not a text",
        ),
        (df, "flavour_id: simple", "other: x", "V4 Definitions/df.yaml:4: this deployment flavour has no flavour_id"),
        (
            df,
            "min_number_of_instances: 1",
            "min_number_of_instances: 4",
            "V5 Definitions/df.yaml:9: VDU UPF: min 4 > max 3",
        ),
        (
            df,
            "min_number_of_instances: 1",
            "min_number_of_instances: -1",
            "V5 Definitions/df.yaml:9: VDU UPF: min_number_of_instances is not a whole number",
        ),
        (
            df,
            "min_number_of_instances: 1, max_number_of_instances: 3",
            "min_number_of_instances: { get_input: least }, max_number_of_instances: 1.5",
            "V5 Definitions/df.yaml:9: VDU UPF: min_number_of_instances is input \"least\", which has no default\nV5 Definitions/df.yaml:9: VDU UPF: max_number_of_instances is not a whole number",
        ),
        (
            types,
            TYPES,
            "- a\n",
            "V1 Definitions/types.yaml:1: no tosca_definitions_version, so this is no TOSCA definition",
        ),
        (df, "vdu_profile", "profile", "V5 Definitions/df.yaml:7: VDU UPF has no vdu_profile"),
        (
            df,
            "  policies:",
            "    UPF2:\n      type: tosca.nodes.nfv.Vdu.Compute\n      properties: { name: upf, vdu_profile: { min_number_of_instances: 0, max_number_of_instances: 1 } }\n",
            "V6 Definitions/df.yaml:10: VDU UPF2 has the name \"upf\" of VDU UPF",
        ),
    ] {
        let mut draft = Draft::new();
        let found = draft.replace(path, from, to).problems();
        assert!(found.starts_with(expected), "expected\n{expected}\nfound\n{found}");
    }
}

#[test]
fn files_that_import_each_other() {
    let mut draft = Draft::new();
    draft.replace("Definitions/df.yaml", "imports: [ types.yaml ]", "imports: [ types.yaml, top.yaml, df.yaml ]");
    assert_eq!(draft.open().unwrap().warnings, []);
}

#[test]
fn an_id_that_is_no_uuid_is_odd() {
    let mut draft = Draft::new();
    let package = draft.replace("Definitions/top.yaml", "97018ca2-bf29", "97018ca2bf29").open().unwrap();
    let told: Vec<_> = package.warnings.iter().map(|problem| format!("{} {problem}", problem.rule)).collect();
    assert_eq!(
        told,
        ["V3 Definitions/top.yaml:9: descriptor_id \"97018ca2bf29-4715-9e2b-6e432dd1f414\" is not a UUID"]
    );
}

#[test]
fn more_definitions_than_are_read() {
    let mut draft = Draft::new();
    for number in 0..200 {
        draft.set(&format!("Definitions/{number}.yaml"), "tosca_definitions_version: tosca_simple_yaml_1_2\n");
    }
    let imports: String = (0..200).map(|number| format!("- {number}.yaml\n")).collect();
    draft.replace("Definitions/top.yaml", "- df.yaml\n", &format!("- df.yaml\n{imports}"));
    assert_eq!(draft.problems(), "V2 Definitions/top.yaml: more than 200 definition files");
}

#[test]
fn values_that_are_inputs() {
    let inputs = |inputs: &str| {
        let mut draft = Draft::new();
        draft.replace(
            "Definitions/df.yaml",
            "topology_template:\n",
            &format!("topology_template:\n  inputs: {{ who: {{ type: string{inputs} }}, many: {{ default: 0o2 }} }}\n"),
        );
        draft.replace("Definitions/df.yaml", "name: upf", "name: { get_input: who }");
        draft.replace(
            "Definitions/df.yaml",
            "max_number_of_instances: 3",
            "max_number_of_instances: { get_input: [ many ] }",
        );
        draft
    };
    let package = inputs(", default: upf").open().unwrap();
    let vdu = &package.vnfd.flavours[0].vdus[0];
    assert_eq!((vdu.name.as_str(), vdu.max, package.warnings.len()), ("upf", 2, 0));
    let told = |draft: &Draft| draft.open().unwrap().warnings.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        told(&inputs("")),
        [
            "Definitions/df.yaml:8: the name of VDU UPF is input \"who\", which has no default, and \"UPF\" cannot be that of a Kubernetes object"
        ]
    );
    assert_eq!(
        told(inputs("").replace("Definitions/df.yaml", "    UPF:", "    upf:")),
        [
            "Definitions/df.yaml:8: the name of VDU upf is input \"who\", which has no default, so its workload is taken to be named \"upf\""
        ]
    );
    assert_eq!(
        told(Draft::new().replace("Definitions/df.yaml", "name: upf, ", "")),
        ["Definitions/df.yaml:7: VDU UPF has no name, and \"UPF\" cannot be that of a Kubernetes object"]
    );
}

#[test]
fn broken_policies() {
    let aspects = "  - a:\n      type: tosca.policies.nfv.ScalingAspects\n      properties: { aspects: { up: { max_scale_level: 2, step_deltas: [ d1 ] } } }\n";
    let levels = "  - l:\n      type: tosca.policies.nfv.InstantiationLevels\n      properties: { levels: { small: { scale_info: { up: { scale_level: 0 } } } }, default_level: small }\n";
    let deltas = "  - d:\n      type: tosca.policies.nfv.VduScalingAspectDeltas\n      properties: { aspect: up, deltas: { d1: { number_of_instances: 1 } } }\n      targets: [ UPF ]\n";
    let counts = "  - i:\n      type: tosca.policies.nfv.VduInstantiationLevels\n      properties: { levels: { small: { number_of_instances: 1 } } }\n      targets: [ UPF ]\n";
    let all = format!("  policies:\n{aspects}{levels}{deltas}{counts}");
    let mut right = Draft::new();
    let package = right.replace("Definitions/df.yaml", "  policies:\n", &all).open().unwrap();
    assert_eq!(package.vnfd.flavours[0].vdus[0].aspect.as_ref().unwrap().deltas, [1]);
    assert_eq!(package.warnings, []);
    for (from, to, expected) in [
        (
            "default_level: small",
            "default_level: big",
            "V8 Definitions/df.yaml:16: default_level \"big\" is not in InstantiationLevels (small)",
        ),
        (
            "scale_level: 0",
            "scale_level: 3",
            "V8 Definitions/df.yaml:16: level small, aspect up: scale_level 3 > max_scale_level 2",
        ),
        (
            "scale_info: { up:",
            "scale_info: { down:",
            "V7 Definitions/df.yaml:16: level small: aspect \"down\" is not in ScalingAspects (up)",
        ),
        (
            "aspect: up,",
            "aspect: down,",
            "V7 Definitions/df.yaml:19: policy d: aspect \"down\" is not in ScalingAspects (up)",
        ),
        (
            "deltas: { d1:",
            "deltas: { d2:",
            "V7 Definitions/df.yaml:19: policy d: delta \"d1\" of aspect up is not defined",
        ),
        (
            "targets: [ UPF ]",
            "targets: [ SMF ]",
            "V7 Definitions/df.yaml:24: policy i: target \"SMF\" is no VDU of this flavour (UPF)",
        ),
        (
            "levels: { small: { number",
            "levels: { large: { number",
            "V8 Definitions/df.yaml:23: policy i: level \"large\" is not in InstantiationLevels (small)",
        ),
    ] {
        let mut draft = Draft::new();
        assert!(all.contains(from), "{from}");
        let found = draft.replace("Definitions/df.yaml", "  policies:\n", &all.replace(from, to)).problems();
        assert_eq!(found.lines().next(), Some(expected), "{found}");
    }
    let more = |policy: &str| format!("{all}  - m: {{ {policy} }}\n");
    for (text, expected) in [
        (all.replace("max_scale_level: 2", "max_scale_level: two"), "V7 Definitions/df.yaml:13: aspect up: max_scale_level is not a whole number"),
        (all.replace("scale_level: 0", "scale_level: -1"), "V8 Definitions/df.yaml:16: level small, aspect up: scale_level is not a whole number"),
        (all.replace("{ d1: { number_of_instances: 1 } }", "{ d1: { number_of_instances: 1.5 } }"), "V7 Definitions/df.yaml:19: policy d, delta d1: number_of_instances is not a whole number"),
        (all.replace(", step_deltas: [ d1 ]", "").replace("deltas: { d1: { number_of_instances: 1 } }", "deltas: {}"), "V7 Definitions/df.yaml:19: policy d has no deltas"),
        (more("type: tosca.policies.nfv.VduInitialDelta, properties: { initial_delta: { number_of_instances: 1 } }"), "V7 Definitions/df.yaml:25: policy m has no targets"),
        (more("type: tosca.policies.nfv.VduInitialDelta, targets: [ UPF ]"), "V7 Definitions/df.yaml:25: policy m has no initial_delta"),
        (
            more("type: tosca.policies.nfv.VduScalingAspectDeltas, targets: [ UPF ], properties: { aspect: far, deltas: { d1: { number_of_instances: 1 } } }")
                .replace("aspects: { up:", "aspects: { far: { max_scale_level: 1 }, up:"),
            "V7 Definitions/df.yaml:25: VDU UPF scales with aspect up already",
        ),
    ] {
        let mut draft = Draft::new();
        assert_ne!(text, all);
        assert_eq!(draft.replace("Definitions/df.yaml", "  policies:\n", &text).problems().lines().next(), Some(expected));
    }
    let mut odd = Draft::new();
    let initial = "  - n:\n      type: tosca.policies.nfv.VduInitialDelta\n      properties: { initial_delta: { number_of_instances: 2 } }\n      targets: [ UPF ]\n";
    let package = odd.replace("Definitions/df.yaml", "  policies:\n", &format!("{all}{initial}")).open().unwrap();
    let warnings: Vec<_> = package.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "Definitions/df.yaml:23: VDU UPF, level small: declares 1, deltas give 2",
            "Definitions/df.yaml:19: VDU UPF: scale level 2 of up gives 4, more than max 3",
        ]
    );
}

#[test]
fn several_flavours_and_container_units() {
    let mut draft = Draft::new();
    draft.replace("Definitions/top.yaml", "- df.yaml", "- df.yaml\n- big.yaml");
    draft.set(
        "Definitions/big.yaml",
        "\
tosca_definitions_version: tosca_simple_yaml_1_3
topology_template:
  substitution_mappings: { node_type: acme.VNF, properties: { flavour_id: big } }
  node_templates:
    UPF:
      type: tosca.nodes.nfv.Vdu.OsContainerDeployableUnit
      properties:
        name: not this
        mcio_identification_data: { name: upf-big, type: Deployment }
        vdu_profile: { min_number_of_instances: 0, max_number_of_instances: 9 }
",
    );
    let package = draft.open().unwrap();
    assert_eq!(package.vnfd.flavour(Some("big")).unwrap().vdus[0].name, "upf-big");
    let error = package.vnfd.flavour(None).unwrap_err();
    assert_eq!(error.to_string(), "the package has several flavours, choose one: simple, big");
    draft.replace("Definitions/big.yaml", "flavour_id: big", "flavour_id: simple");
    assert_eq!(draft.problems(), "V4 Definitions/big.yaml:3: flavour simple is here and in Definitions/df.yaml");
}

#[test]
fn scripts_of_every_form() {
    let mut draft = Draft::new();
    draft.replace("Definitions/df.yaml", "requirements: }", "interfaces: { Vnflcm: { instantiate: [], terminate: , heal_end: { implementation: a }, scale_start: Scripts/s.py, operate: { implementation: { primary: a } } } }, artifacts: { a: { file: ../Scripts/a.py } } }");
    draft.set("Scripts/s.py", "");
    let package = draft.open().unwrap();
    let scripts: Vec<_> =
        package.scripts.iter().map(|s| (s.operation.as_str(), s.name.as_str(), s.file.as_str(), s.present)).collect();
    assert_eq!(
        scripts,
        [
            ("heal_end", "a", "Scripts/a.py", false),
            ("scale_start", "Scripts/s.py", "Scripts/s.py", true),
            ("operate", "a", "Scripts/a.py", false),
        ]
    );
    let scripts = package.warnings.iter().filter(|problem| problem.rule == "V10");
    assert_eq!(scripts.count(), 1);
}
