//! The shipped sample: its figures, its objects, and what its update changes.

use super::*;

#[test]
fn the_sample_has_the_figures_of_its_descriptor() {
    let package = open_sample("before");
    let vnfd = &package.vnfd;
    assert_eq!(vnfd.descriptor_id, "97018ca2-bf29-4715-9e2b-6e432dd1f414");
    assert_eq!((vnfd.provider.as_str(), vnfd.product_name.as_str()), ("Company", "Sample VNF"));
    assert_eq!((vnfd.software_version.as_str(), vnfd.descriptor_version.as_str()), ("1.0", "1.0"));
    assert_eq!((package.digests_checked, package.digests_listed), (12, 12));
    let flavour = vnfd.flavour(None).unwrap();
    assert_eq!((flavour.id.as_str(), flavour.description.as_str()), ("simple", "A simple flavour"));
    let vdus: Vec<_> = flavour.vdus.iter().map(|v| (v.id.as_str(), v.name.as_str(), v.min, v.max)).collect();
    assert_eq!(
        vdus,
        [
            ("VDU1", "vdu1-update", 1, 3),
            ("VDU2", "vdu2-update", 1, 3),
            ("VDU3", "env-test", 1, 1),
            ("VDU4", "volume-test", 1, 1),
            ("VDU5", "daemonset-vdu5", 1, 1),
            ("VDU6", "deployment2-vdu6", 1, 1),
            ("VDU7", "env-test2", 1, 1),
            ("VDU8", "volume-test2", 1, 1),
        ]
    );
    let levels: Vec<_> = flavour.levels.iter().map(|level| level.id.as_str()).collect();
    assert_eq!(levels, ["instantiation_level_1", "instantiation_level_2"]);
    assert_eq!(flavour.level(None).unwrap().unwrap().id, "instantiation_level_1");
    assert_eq!(flavour.levels[1].scale, [("vdu1_aspect".into(), 2), ("vdu2_aspect".into(), 2)].into());
    let first = &flavour.vdus[0];
    assert_eq!(first.instances, [("instantiation_level_1".into(), 1), ("instantiation_level_2".into(), 3)].into());
    assert_eq!(first.aspect, Some(VduAspect { id: "vdu1_aspect".into(), initial: Some(1), deltas: vec![1] }));
    assert_eq!(flavour.aspect("vdu2_aspect").unwrap().max_scale_level, 2);
    assert_eq!(flavour.vdu_of("env-test2").unwrap().id, "VDU7");
    assert!(flavour.vdus[2].aspect.is_none() && flavour.vdus[2].instances.is_empty());
    assert_eq!(
        package.scripts,
        [Script {
            name: "mgmt-container-update".into(),
            operation: "modify_information_end".into(),
            file: "Scripts/container_update_mgmt_v2.py".into(),
            present: false,
        }]
    );
    let warnings: Vec<_> = package.warnings.iter().map(|problem| (problem.rule, problem.message.as_str())).collect();
    assert_eq!(warnings, [("V10", "script Scripts/container_update_mgmt_v2.py is missing (it is never run)")]);
}

#[test]
fn the_sample_has_its_objects_in_order() {
    let package = open_sample("before");
    let files = package.kubernetes_files();
    let request: serde_json::Value =
        serde_json::from_slice(&fs::read(sample("instance_kubernetes.json")).unwrap()).unwrap();
    assert_eq!(serde_json::to_value(&files).unwrap(), request["additionalParams"]["lcm-kubernetes-def-files"]);
    let manifests = package.manifests(&files).unwrap();
    let names: Vec<_> = manifests.iter().map(|manifest| manifest.reference.to_string()).collect();
    assert_eq!(
        names,
        [
            "Pod env-test",
            "Pod env-test2",
            "Pod volume-test",
            "Pod volume-test2",
            "Deployment vdu1-update",
            "Deployment deployment2-vdu6",
            "DaemonSet daemonset-vdu5",
            "ReplicaSet vdu2-update",
            "ConfigMap cm-data",
            "ConfigMap cm-data3",
            "Secret secret-data",
            "Secret secret-data3",
        ]
    );
    assert!(manifests.iter().all(|manifest| manifest.reference.namespace.is_none()));
    let pod = content(&package, "Pod", "volume-test");
    assert_eq!(pod.pointer("/spec/volumes/0/configMap/defaultMode"), Some(&438.into()));
    assert_eq!(pod.pointer("/spec/volumes/1/secret/defaultMode"), Some(&384.into()));
    assert_eq!(
        package.defines().unwrap()["Files/kubernetes/configmap_1.yaml"],
        [ObjectRef::new("v1", "ConfigMap", None, "cm-data")]
    );
}

#[test]
fn the_sample_changes_what_it_says() {
    let (before, after) = (open_sample("before"), open_sample("after"));
    assert_eq!(after.vnfd.descriptor_id, "58bcc1c6-1400-46ec-b7fb-e508bf7e00e9");
    assert_ne!(before.digest, after.digest);
    let bytes = |package, kind, name, key: &str| {
        let object = content(package, kind, name);
        let data = object.get("data").or(object.get("stringData")).unwrap();
        data[key].as_str().unwrap().len()
    };
    for (kind, name, key, old, new) in [
        ("ConfigMap", "cm-data", "cmKey1.txt", 22, 26),
        ("ConfigMap", "cm-data3", "cmKey1.txt", 22, 22),
        ("Secret", "secret-data", "password", 15, 16),
        ("Secret", "secret-data", "secKey1.txt", 15, 18),
        ("Secret", "secret-data3", "password", 15, 15),
        ("Secret", "secret-data3", "secKey1.txt", 15, 15),
    ] {
        assert_eq!(bytes(&before, kind, name, key), old, "{name} {key}");
        assert_eq!(bytes(&after, kind, name, key), new, "{name} {key}");
    }
    assert_eq!(content(&after, "ConfigMap", "cm-data")["data"]["cmKey1.txt"], "configmap2 data2\nfoo2\nbar2");
    let images = |package: &Package| {
        let manifests = package.manifests(&package.kubernetes_files()).unwrap();
        let image = |object: &serde_json::Value| {
            let spec = object.pointer("/spec/template/spec").or(object.pointer("/spec"))?;
            Some(spec.pointer("/containers/0/image")?.as_str()?.to_owned())
        };
        manifests.iter().filter_map(|m| Some((m.reference.name.clone(), image(&m.object)?))).collect::<Vec<_>>()
    };
    assert!(images(&before).iter().all(|(_, image)| image == "nginx"));
    let changed: Vec<_> = images(&after).into_iter().filter(|(_, image)| image != "nginx").collect();
    assert_eq!(
        changed,
        [
            ("env-test".into(), "tomcat".into()),
            ("volume-test".into(), "cirros".into()),
            ("vdu1-update".into(), "cirros".into()),
            ("daemonset-vdu5".into(), "cirros".into()),
            ("vdu2-update".to_owned(), "celebdor/kuryr-demo".to_owned()),
        ]
    );
    let port = |package| {
        content(package, "ReplicaSet", "vdu2-update")
            .pointer("/spec/template/spec/containers/0/ports/0/containerPort")
            .cloned()
    };
    assert_eq!((port(&before), port(&after)), (Some(80.into()), Some(180.into())));
    let request: serde_json::Value =
        serde_json::from_slice(&fs::read(sample("sample_param_file.json")).unwrap()).unwrap();
    assert_eq!(request["vnfdId"], after.vnfd.descriptor_id.as_str());
    for path in request["metadata"]["configmap_secret_paths"].as_array().unwrap() {
        assert!(after.kubernetes_files().contains(&path.as_str().unwrap().to_owned()));
    }
}
