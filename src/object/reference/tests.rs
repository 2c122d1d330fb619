//! Every way a pod spec can name a ConfigMap or Secret.

use super::*;
use serde_json::json;

fn spec() -> Value {
    json!({
        "initContainers": [
            {"name": "setup", "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "a"}}}]},
            {"name": "proxy", "restartPolicy": "Always", "envFrom": [{"configMapRef": {"name": "side"}}]}],
        "containers": [{"name": "nginx",
            "env": [
                {"name": "LITERAL", "value": "x"},
                {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "CMENV", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "cmKey1.txt"}}},
                {"name": "OPT", "valueFrom": {"secretKeyRef": {"name": "s", "key": "o", "optional": true}}}],
            "envFrom": [
                {"prefix": "CM_", "configMapRef": {"name": "cm"}},
                {"secretRef": {"name": "s", "optional": true}}],
            "volumeMounts": [
                {"name": "cm-volume", "mountPath": "/cm"}, {"name": "all", "mountPath": "/all"},
                {"name": "cm-volume", "mountPath": "/again"}, {"name": "share", "mountPath": "/share"}]}],
        "ephemeralContainers": [{"name": "dbg", "envFrom": [{"secretRef": {"name": "dbg"}}],
            "volumeMounts": [{"name": "unmounted", "mountPath": "/u"}]}],
        "volumes": [
            {"name": "cm-volume", "configMap": {"name": "cm", "items": [{"key": "k1", "path": "a/k1"}]}},
            {"name": "unmounted", "secret": {"secretName": "s2"}},
            {"name": "all", "projected": {"sources": [
                {"serviceAccountToken": {"path": "t"}},
                {"configMap": {"name": "p1", "items": [{"key": "x", "path": "x"}]}},
                {"secret": {"name": "p2", "optional": true, "items": [{"key": "y", "path": "y"}]}}]}},
            {"name": "share", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "csi-cred"}}},
            {"name": "az", "azureFile": {"secretName": "az-cred", "shareName": "x"}},
            {"name": "scratch", "emptyDir": {}}],
        "imagePullSecrets": [{"name": "regcred"}, {}]
    })
}

#[test]
fn every_use_of_a_spec() {
    let all = |keys: &Keys| match keys {
        Keys::All => "*".to_owned(),
        Keys::Only(keys) => keys.iter().cloned().collect::<Vec<_>>().join(","),
    };
    let seen: Vec<String> = uses(&spec())
        .iter()
        .map(|u| {
            format!(
                "{} {} | {} | {} | required {} | {:?}{}{} | {}",
                u.kind,
                u.name,
                u.label,
                all(&u.keys),
                u.required_keys.join(","),
                u.class,
                if u.optional { " optional" } else { "" },
                if u.restarts() { " restarts" } else { "" },
                u.path
            )
        })
        .collect();
    let expected = [
        "Secret s | env A | a | required a | Env restarts | initContainers[setup].env[A].secretKeyRef",
        "ConfigMap side | envFrom | * | required  | EnvFrom restarts | initContainers[proxy].envFrom[0].configMapRef",
        "ConfigMap cm | env CMENV | cmKey1.txt | required cmKey1.txt | Env restarts | \
         containers[nginx].env[CMENV].configMapKeyRef",
        "Secret s | env OPT | o | required  | Env optional restarts | containers[nginx].env[OPT].secretKeyRef",
        "ConfigMap cm | envFrom CM_ | * | required  | EnvFrom restarts | containers[nginx].envFrom[0].configMapRef",
        "Secret s | envFrom | * | required  | EnvFrom optional restarts | containers[nginx].envFrom[1].secretRef",
        "Secret dbg | envFrom | * | required  | Debug | ephemeralContainers[dbg].envFrom[0].secretRef",
        "ConfigMap cm | volume cm-volume | k1 | required k1 | Volume restarts | volumes[cm-volume].configMap",
        "Secret s2 | volume unmounted | * | required  | Volume | volumes[unmounted].secret",
        "ConfigMap p1 | projected all | x | required x | Volume restarts | volumes[all].projected.sources[1].configMap",
        "Secret p2 | projected all | y | required  | Volume optional restarts | \
         volumes[all].projected.sources[2].secret",
        "Secret csi-cred | storage share | * | required  | Storage | volumes[share].csi.nodePublishSecretRef",
        "Secret az-cred | storage az | * | required  | Storage | volumes[az].azureFile.secretName",
        "Secret regcred | imagePullSecrets | * | required  | Pull optional | imagePullSecrets[0]",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn who_reads() {
    let found = uses(&spec());
    let by = |label: &str| found.iter().find(|one| one.label == label).unwrap();
    assert!(by("env CMENV").read_by("nginx") && !by("env CMENV").read_by("setup"));
    assert_eq!(by("volume cm-volume").mounted_by, ["nginx"], "two mounts of one container");
    assert!(by("volume cm-volume").read_by("nginx") && !by("volume cm-volume").read_by("proxy"));
    assert!(by("volume unmounted").mounted_by.is_empty(), "a debug container's mount does not count");
}

#[test]
fn sub_paths() {
    let with = |mounts: Value, source: Value| {
        let mut volume = source;
        volume["name"] = json!("v");
        let spec = json!({"containers": [{"name": "c", "volumeMounts": mounts}], "volumes": [volume]});
        uses(&spec).remove(0)
    };
    let items = json!({"configMap": {"name": "cm", "items": [
        {"key": "a", "path": "etc/a"}, {"key": "b", "path": "etc/b"}, {"key": "c", "path": "etcetera"}]}});
    let whole = json!({"configMap": {"name": "cm"}});
    let only = |keys: &[&str]| Keys::Only(keys.iter().map(|&key| key.to_owned()).collect());
    for (what, mounts, source, class, keys) in [
        ("whole", json!([{"name": "v"}]), &whole, Class::Volume, Keys::All),
        ("one file", json!([{"name": "v", "subPath": "a"}]), &whole, Class::SubPath, only(&["a"])),
        ("two files", json!([{"name": "v", "subPath": "a"}, {"name": "v", "subPath": "b"}]), &whole, Class::SubPath, {
            only(&["a", "b"])
        }),
        ("and whole", json!([{"name": "v", "subPath": "a"}, {"name": "v"}]), &whole, Class::SubPath, Keys::All),
        ("expression", json!([{"name": "v", "subPathExpr": "$(X)"}]), &whole, Class::SubPath, Keys::All),
        ("item", json!([{"name": "v", "subPath": "etc/a"}]), &items, Class::SubPath, only(&["a"])),
        ("folder", json!([{"name": "v", "subPath": "./etc/"}]), &items, Class::SubPath, only(&["a", "b"])),
        ("empty sub path", json!([{"name": "v", "subPath": ""}]), &items, Class::Volume, only(&["a", "b", "c"])),
    ] {
        let one = with(mounts, source.clone());
        assert_eq!((one.class, &one.keys), (class, &keys), "{what}");
        assert_eq!(one.label.ends_with("(subPath)"), class == Class::SubPath, "{what}");
        let required = if source.pointer("/configMap/items").is_some() { 3 } else { 0 };
        assert_eq!(one.required_keys.len(), required, "{what}: the volume must be built all the same");
    }
}

#[test]
fn what_a_use_sees() {
    let found = uses(&spec());
    let by = |label: &str| found.iter().find(|one| one.label == label).unwrap();
    let change = |key: &str, binary| config::KeyChange { key: key.into(), before: Some(1), after: Some(2), binary };
    for (label, key, binary, expected) in [
        ("env CMENV", "cmKey1.txt", false, true),
        ("env CMENV", "other", false, false),
        ("env CMENV", "cmKey1.txt", true, false),
        ("envFrom CM_", "anything", false, true),
        ("envFrom CM_", "anything", true, false),
        ("volume cm-volume", "k1", true, true),
        ("volume cm-volume", "k2", false, false),
    ] {
        assert_eq!(by(label).sees(&change(key, binary)), expected, "{label} {key} {binary}");
    }
}

#[test]
fn malformed_specs_read_nothing() {
    for spec in [
        json!(null),
        json!({"containers": null, "volumes": {}}),
        json!({"containers": [{"name": "c", "env": [{"name": "A", "valueFrom": null}], "envFrom": [{}]}]}),
        json!({"containers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "s"}}}]}]}),
        json!({"volumes": [{"name": "v", "secret": {}}, {"name": "w", "projected": {"sources": null}}]}),
        json!({"imagePullSecrets": [{"name": ""}]}),
    ] {
        assert!(uses(&spec).is_empty(), "{spec}");
    }
}

#[test]
fn missing_keys_and_objects() {
    let spec = json!({
        "containers": [{"name": "nginx",
            "env": [
                {"name": "SECENV", "valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}},
                {"name": "BIN", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "bin"}}},
                {"name": "OPT", "valueFrom": {"secretKeyRef": {"name": "s", "key": "none", "optional": true}}},
                {"name": "ELSE", "valueFrom": {"configMapKeyRef": {"name": "foreign", "key": "k"}}}],
            "envFrom": [{"secretRef": {"name": "gone"}}, {"configMapRef": {"name": "gone", "optional": true}}]}],
        "volumes": [
            {"name": "v", "configMap": {"name": "cm", "items": [{"key": "bin", "path": "b"}, {"key": "no", "path": "n"}]}},
            {"name": "o", "secret": {"secretName": "s", "optional": true, "items": [{"key": "no", "path": "n"}]}}],
        "imagePullSecrets": [{"name": "gone"}]
    });
    let secret = json!({"kind": "Secret", "data": {"passwd": "eA==", "secKey1.txt": "eA=="}});
    let config_map = json!({"kind": "ConfigMap", "data": {"text": "x"}, "binaryData": {"bin": "eA=="}});
    let found = missing_keys(&spec, |kind, name| match (kind, name) {
        (ConfigKind::Secret, "s") => Lookup::Known(&secret),
        (ConfigKind::ConfigMap, "cm") => Lookup::Known(&config_map),
        (_, "gone") => Lookup::Absent,
        _ => Lookup::Unknown,
    });
    let seen: Vec<_> = found.iter().map(|m| (m.name.as_str(), m.key.as_deref(), m.path.as_str())).collect();
    assert_eq!(
        seen,
        [
            ("s", Some("password"), "containers[nginx].env[SECENV].secretKeyRef"),
            ("cm", Some("bin"), "containers[nginx].env[BIN].configMapKeyRef"),
            ("gone", None, "containers[nginx].envFrom[0].secretRef"),
            ("cm", Some("no"), "volumes[v].configMap"),
        ]
    );
    assert_eq!(found[0].present, ["passwd", "secKey1.txt"]);
    assert_eq!(found[0].did_you_mean.as_deref(), Some("passwd"));
    assert_eq!(found[1].present, ["text"], "binaryData never reaches an environment");
    assert_eq!(found[3].did_you_mean, None);
}

#[test]
fn closest_names() {
    let names: Vec<String> = ["passwd", "Password", "tls.crt", "a", "plain"].map(str::to_owned).to_vec();
    for (wanted, expected) in [
        ("password", Some("Password")),
        ("passwrd", Some("passwd")),
        ("tls.key", None),
        ("b", Some("a")),
        ("x1", None),
        ("plian", Some("plain")),
    ] {
        assert_eq!(closest(wanted, &names), expected, "{wanted}");
    }
}
