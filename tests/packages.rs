//! The `package` commands as a user runs them, without a cluster: what flags do, what `-o json` holds, and that the
//! same files give the same bytes. How packages run is tried in `tests/it`.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::fs;
use std::io::{Cursor, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use zip::ZipArchive;

/// A folder in which packages are made.
struct Desk(tempfile::TempDir);

/// How a command ended and what it said.
struct Told {
    code: Option<i32>,
    stdout: String,
    all: String,
}

impl Told {
    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.all);
        self
    }

    /// Holds each part; runs of white space count as one space.
    #[track_caller]
    fn says(self, parts: &[&str]) -> Self {
        let text = self.all.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in parts {
            assert!(text.contains(part), "it does not say {part:?}\n{}", self.all);
        }
        self
    }

    #[track_caller]
    fn never_says(self, part: &str) -> Self {
        assert!(!self.all.contains(part), "it says {part:?}\n{}", self.all);
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn ran(&self, command: &mut Command) -> Told {
        let output = command.current_dir(self.0.path()).env("KUBECONFIG", "/dev/null").output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        Told { code: output.status.code(), all: format!("{stdout}{stderr}"), stdout }
    }

    /// Runs the plugin with a line of arguments.
    fn vnf(&self, line: &str) -> Told {
        self.ran(Command::new(env!("CARGO_BIN_EXE_kubectl-vnf")).args(line.split(' ')))
    }

    fn openssl(&self, line: &str) {
        self.ran(Command::new("openssl").args(line.split(' '))).exits(0);
    }

    /// A key `name.key`, and a certificate `name.pem` that a CA of that name issued, or that issued itself.
    fn certificate(&self, name: &str, ca: Option<&str>) {
        const KEY: &str = "-nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256";
        match ca {
            None => {
                self.openssl(&format!("req -x509 {KEY} -days 9 -subj /CN={name} -keyout {name}.key -out {name}.pem"))
            }
            Some(ca) => {
                self.openssl(&format!("req -new {KEY} -subj /CN={name} -keyout {name}.key -out {name}.csr"));
                fs::write(self.path("extensions"), "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\n").unwrap();
                self.openssl(&format!(
                    "x509 -req -in {name}.csr -CA {ca}.pem -CAkey {ca}.key -CAcreateserial -days 9 -extfile extensions -out {name}.pem"
                ));
            }
        }
    }

    /// Files of an archive, unpacked into a directory.
    fn unpack(&self, csar: &str, directory: &str) {
        let mut archive = ZipArchive::new(Cursor::new(fs::read(self.path(csar)).unwrap())).unwrap();
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).unwrap();
            let path = self.path(directory).join(&*entry.name().unwrap());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(file)).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        fs::write(self.path(file), text.replace(from, to)).unwrap();
    }
}

/// The starter as `web.csar`, and as a directory `signed` whose manifest is signed by `vendor`, which `ca` vouches for.
fn signed() -> Desk {
    let desk = Desk::new();
    desk.vnf("package init web").exits(0);
    desk.vnf("package build web -o web.csar").exits(0).says(&["not signed"]);
    desk.unpack("web.csar", "signed");
    desk.certificate("ca", None);
    desk.certificate("other", None);
    desk.certificate("vendor", Some("ca"));
    desk.openssl("cms -sign -binary -in signed/vnfd.mf -signer vendor.pem -inkey vendor.key -outform PEM -out block");
    let (text, block) = (fs::read(desk.path("signed/vnfd.mf")).unwrap(), fs::read(desk.path("block")).unwrap());
    fs::write(desk.path("signed/vnfd.mf"), [text, block].concat()).unwrap();
    desk
}

#[test]
fn whose_signature_counts() {
    let desk = signed();
    desk.vnf("package validate signed").exits(0).never_says("[F3]");
    desk.vnf("package inspect signed").exits(0).says(&["signed by CN=vendor, not verified against a CA"]);
    let verified = "signed by CN=vendor, verified by CN=ca";
    desk.vnf("package inspect signed --ca ca.pem --require-signature").exits(0).says(&[verified]);
    desk.vnf("package validate signed --require-signature --ca ca.pem").exits(0).never_says("[F3]");
    desk.vnf("package validate signed --require-signature").exits(0).says(&[
        "warning[F3]",
        "not verified against a CA: anyone can make such a signature",
        "--ca FILE",
    ]);
    for verb in ["validate", "inspect"] {
        desk.vnf(&format!("package {verb} signed --ca other.pem"))
            .exits(1)
            .says(&["[F3]", "the certificate of CN=vendor is not trusted"]);
        desk.vnf(&format!("package {verb} web.csar --require-signature"))
            .exits(1)
            .says(&["[F3]", "the package is not signed"]);
        desk.vnf(&format!("package {verb} signed --ca nowhere.pem")).exits(1).says(&["--ca nowhere.pem: No such file"]);
        desk.vnf(&format!("package {verb} signed --ca web/vnfd.mf")).exits(1).says(&["--ca web/vnfd.mf: "]);
    }
    desk.vnf("package validate web.csar --ca ca.pem").exits(0).says(&["warning[F3]", "the package is not signed"]);
    desk.vnf("package validate web.csar").exits(0).says(&["valid, 1 warning"]);
}

#[test]
fn every_verb_that_takes_a_package_takes_only_what_the_flags_allow() {
    let desk = signed();
    for verb in ["instantiate x", "create x", "update x", "diff x"] {
        let told = desk.vnf(&format!("{verb} --package web.csar --require-signature"));
        assert_ne!(told.code, Some(0));
        told.says(&["the package is not signed"]).never_says("kubeconfig");
        let told = desk.vnf(&format!("{verb} --package signed --ca other.pem"));
        assert_ne!(told.code, Some(0));
        told.says(&["the certificate of CN=vendor is not trusted"]).never_says("kubeconfig");
        // A package that is taken leads on to the cluster, of which there is none.
        desk.vnf(&format!("{verb} --package signed --ca ca.pem --require-signature")).says(&["kubeconfig"]);
    }
}

#[test]
fn what_was_changed_after_signing() {
    let desk = signed();
    desk.edit("signed/Files/kubernetes/configmap.yaml", "hello", "goodbye");
    let mismatch = "Files/kubernetes/configmap.yaml SHA-256 is ";
    desk.vnf("package validate signed").exits(1).says(&["error[A4]", mismatch, "help:", "--allow-hash-mismatch"]);
    desk.vnf("package inspect signed").exits(1).says(&["SHA-256 is"]);
    desk.vnf("package validate signed --allow-hash-mismatch").exits(0).says(&["warning[A4]", "SHA-256 is "]);
    desk.vnf("package inspect signed --allow-hash-mismatch").exits(0).says(&["7 of 8 file digests match"]);
    desk.vnf("package validate signed --allow-hash-mismatch --require-signature --ca ca.pem").exits(1).says(&[
        "error[F3]",
        "the signature does not vouch for Files/kubernetes/configmap.yaml",
        "warning[A4]",
    ]);
    desk.edit("signed/vnfd.mf", "vnf_provider_id: Company", "vnf_provider_id: Somebody");
    desk.vnf("package validate signed --allow-hash-mismatch")
        .exits(1)
        .says(&["error[F3]", "does not verify: the content was changed after it was signed"]);
}

#[test]
fn a_package_in_its_envelope() {
    let desk = signed();
    desk.openssl(
        "cms -sign -binary -in web.csar -signer vendor.pem -inkey vendor.key -outform DER -out web.cms -nocerts",
    );
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for name in ["web.csar", "web.cms", "vendor.pem"] {
        writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(&fs::read(desk.path(name)).unwrap()).unwrap();
    }
    fs::write(desk.path("web.zip"), writer.finish().unwrap().into_inner()).unwrap();
    desk.vnf("package validate web.zip --require-signature --ca ca.pem").exits(0).says(&["Company / web 1.0: valid"]);
    desk.vnf("package validate web.zip --ca other.pem").exits(1).says(&["error[F3]", "web.cms"]);
    let digest = |package: &str| desk.vnf(&format!("package inspect {package} -o json")).json()["id"]["digest"].clone();
    assert_eq!(digest("web.zip"), digest("web.csar"), "the envelope is no part of the package");
}

/// What scripts read, of one package; its shape is that of docs/json.md (`tests/it/json.rs`).
#[test]
fn inspect_tells_machines_what_a_package_holds() {
    let desk = Desk::new();
    desk.vnf("package init web").exits(0);
    desk.edit("web/Definitions/vnfd.yaml", "descriptor_id: ", "descriptor_id: 97018ca2-bf29-4715-9e2b-6e432dd1f414 #");
    desk.edit(
        "web/Definitions/df_default.yaml",
        "        flavour_description: One size, that scales\n",
        "        flavour_description: One size, that scales\n      interfaces: { Vnflcm: { heal_start: x.py } }\n",
    );
    let told = desk.vnf("package inspect web -o json").exits(0);
    let mut sheet = told.json();
    let digest = sheet["id"]["digest"].take();
    assert_eq!(digest.as_str().map(str::len), Some(64));
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "web-config"});
    assert_eq!(
        sheet,
        json!({
            "id": {
                "digest": null,
                "vnfdId": "97018ca2-bf29-4715-9e2b-6e432dd1f414",
                "provider": "Company",
                "productName": "web",
                "softwareVersion": "1.0",
                "vnfdVersion": "1.0",
            },
            "digests": {"matching": 0, "listed": 0},
            "signature": {"text": "not signed", "verified": false},
            "flavours": [{
                "id": "default",
                "description": "One size, that scales",
                "levels": ["small", "large"],
                "defaultLevel": "small",
                "vdus": [{
                    "id": "VDU1",
                    "workload": deployment,
                    "images": ["nginx"],
                    "instances": {"small": 1, "large": 3},
                    "min": 1,
                    "max": 3,
                    "aspect": {"id": "serving", "maxScaleLevel": 2},
                }],
            }],
            "objects": [config, deployment],
            "config": [{"object": config, "usedBy": ["VDU1"]}],
            "scripts": [{"name": "x.py", "event": "heal_start", "present": false}],
        })
    );
    let yaml = desk.vnf("package inspect web -o yaml").exits(0);
    let mut again = kubectl_vnf::yaml::node(yaml.stdout.as_bytes()).unwrap().to_value();
    again["id"]["digest"].take();
    assert_eq!(again, sheet);
    desk.vnf("package inspect web -o name").exits(0).says(&["vnfpackage/97018ca2-bf29-4715-9e2b-6e432dd1f414"]);
}

/// All files below a directory with their content, sorted.
fn tree(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut pending = vec![root.to_path_buf()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => pending.push(path),
                false => found.push((path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap())),
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_same_files_give_the_same_bytes_wherever_and_whenever() {
    let desk = Desk::new();
    desk.vnf("package init web").exits(0);
    // The same files: made in the other order, with other modes, at another time, on another filesystem if there is one.
    let elsewhere = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let other = elsewhere.path().join("of another name");
    let past = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    for (path, bytes) in tree(&desk.path("web")).into_iter().rev() {
        let path = other.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(past).unwrap();
    }
    desk.vnf("package build web -o one.csar").exits(0);
    let mut command = Command::new("sh");
    command.args(["-c", "umask 077; exec \"$0\" package build \"$1\" -o two.csar"]);
    command.arg(env!("CARGO_BIN_EXE_kubectl-vnf")).arg(&other).env("TZ", "Asia/Tokyo").env("LC_ALL", "C");
    desk.ran(&mut command).exits(0);
    let one = fs::read(desk.path("one.csar")).unwrap();
    assert!(one == fs::read(desk.path("two.csar")).unwrap(), "two builds of the same files differ");

    // A build of what was built changes nothing either, also over an older one in the directory itself.
    desk.unpack("one.csar", "unpacked");
    desk.vnf("package build unpacked -o unpacked/three.csar").exits(0);
    desk.vnf("package build unpacked -o unpacked/three.csar").exits(0);
    assert!(one == fs::read(desk.path("unpacked/three.csar")).unwrap(), "a build of a build differs");

    // One byte more is another package.
    desk.edit("web/ChangeLog.txt", "1.0", "1.0.");
    desk.vnf("package build web -o four.csar").exits(0);
    assert!(one != fs::read(desk.path("four.csar")).unwrap());
}

#[test]
fn a_package_is_the_template_of_the_next() {
    let desk = Desk::new();
    desk.vnf("package init web").exits(0);
    desk.vnf("package build web -o one.csar").exits(0);
    let id = |csar: &str| desk.vnf(&format!("package inspect {csar} -o json")).json()["id"]["vnfdId"].clone();
    desk.vnf("package build web -o two.csar --new-vnfd-id").exits(0).says(&["8 digests"]);
    desk.vnf("package validate two.csar").exits(0).says(&["valid, 1 warning", "[F3]"]);
    assert_ne!(id("one.csar"), id("two.csar"));
    let fixed = "0f0e0d0c-0b0a-4908-8706-050403020100";
    for name in ["three.csar", "four.csar"] {
        desk.vnf(&format!("package build web -o {name} --new-vnfd-id={fixed}")).exits(0).says(&[fixed]);
    }
    assert_eq!(id("three.csar"), fixed);
    assert!(fs::read(desk.path("three.csar")).unwrap() == fs::read(desk.path("four.csar")).unwrap());
    desk.vnf("package build web -o five.csar --new-vnfd-id=five").exits(2).says(&["five"]);
    assert!(!desk.path("five.csar").exists());
    // The directory stays what it was.
    desk.vnf("package build web -o six.csar").exits(0);
    assert_eq!(id("six.csar"), id("one.csar"));
}
