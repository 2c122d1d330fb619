//! Signed packages, with keys, certificates and signatures made by the openssl command.

use super::*;
use crate::package::{Authorities, Signature};
use std::process::Command;

/// A directory in which openssl works.
struct Desk(tempfile::TempDir);

const EC: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
const EC384: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"];
const EC521: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"];
const RSA: &[&str] = &["-newkey", "rsa:2048"];
const RSA_SHORT: &[&str] = &["-newkey", "rsa:1024"];
const ED: &[&str] = &["-newkey", "ed25519"];
const LEAF: &str = "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nsubjectKeyIdentifier=hash\n";

impl Desk {
    /// With a CA `ca`, and a signer `vendor` that it issued a certificate for.
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        desk.authority("ca", "Acme Root");
        desk.issue("vendor", "Acme Packages", EC, "ca", LEAF);
        desk
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl").args(arguments).current_dir(self.0.path()).output();
        let output = output.expect("the openssl command is needed");
        assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn write(&self, file: &str, content: &[u8]) {
        fs::write(self.0.path().join(file), content).unwrap();
    }

    fn read(&self, file: &str) -> Vec<u8> {
        fs::read(self.0.path().join(file)).unwrap()
    }

    fn text(&self, file: &str) -> String {
        String::from_utf8(self.read(file)).unwrap()
    }

    /// A certificate that issued itself.
    fn authority(&self, name: &str, subject: &str) {
        let (key, out, subject) = (format!("{name}.key"), format!("{name}.pem"), format!("/O=Acme/CN={subject}"));
        let mut arguments =
            vec!["req", "-x509", "-nodes", "-days", "30", "-subj", &subject, "-keyout", &key, "-out", &out];
        arguments.extend(EC);
        self.openssl(&arguments);
    }

    fn issue(&self, name: &str, subject: &str, key: &[&str], issuer: &str, extensions: &str) {
        let file = |ending: &str| format!("{name}.{ending}");
        let subject = format!("/CN={subject}");
        let (key_file, request) = (file("key"), file("csr"));
        let mut arguments = vec!["req", "-new", "-nodes", "-subj", &subject, "-keyout", &key_file, "-out", &request];
        arguments.extend(key);
        self.openssl(&arguments);
        self.write(&file("ext"), extensions.as_bytes());
        let (ca, ca_key) = (format!("{issuer}.pem"), format!("{issuer}.key"));
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            &ca,
            "-CAkey",
            &ca_key,
            "-CAcreateserial",
            "-days",
            "10",
            "-extfile",
            &file("ext"),
            "-out",
            &file("pem"),
        ]);
    }

    /// The signature of a content by a signer, in PEM unless an option says otherwise.
    fn sign(&self, content: &[u8], signer: &str, options: &[&str]) -> Vec<u8> {
        self.write("content", content);
        let (certificate, key) = (format!("{signer}.pem"), format!("{signer}.key"));
        let mut arguments =
            vec!["cms", "-sign", "-in", "content", "-signer", &certificate, "-inkey", &key, "-out", "signature"];
        if !options.contains(&"-outform") {
            arguments.extend(["-outform", "PEM"]);
        }
        arguments.extend(options);
        self.openssl(&arguments);
        self.read("signature")
    }

    fn trusting(&self, ca: &str) -> OpenOptions {
        let authorities = Authorities::read(&self.read(&format!("{ca}.pem")), jiff::Timestamp::now()).unwrap();
        OpenOptions { authorities: Some(authorities), ..OpenOptions::default() }
    }

    fn demanding(&self, ca: &str) -> OpenOptions {
        OpenOptions { require_signature: true, ..self.trusting(ca) }
    }
}

const MANIFEST: &str = "metadata:\nvnf_product_name: UPF\nvnf_provider_id: Acme\nvnf_package_version: 1.0\nvnf_release_date_time: 2026-01-31T10:00:00+01:00\n\n";

/// The small package with a manifest that lists every file.
fn draft() -> Draft {
    let mut draft = Draft::new();
    draft.replace(
        META,
        "CSAR-Version",
        "ETSI-Entry-Manifest: top.mf\nETSI-Entry-Change-Log: c.txt\nETSI-Entry-Licenses: l.txt\nCSAR-Version",
    );
    draft.set("c.txt", "new").set("l.txt", "free");
    let mut manifest = MANIFEST.to_owned();
    for (path, text) in draft.0.iter().filter(|(path, _)| path != META) {
        manifest.push_str(&format!("Source: {path}\nAlgorithm: SHA-256\nHash: {}\n\n", whole::package_sum(text)));
    }
    draft.set("top.mf", &manifest);
    draft
}

fn signed(desk: &Desk, signer: &str, options: &[&str]) -> Draft {
    let mut draft = draft();
    let text = draft.text("top.mf");
    let signature = String::from_utf8(desk.sign(text.as_bytes(), signer, options)).unwrap();
    draft.set("top.mf", &(text + &signature));
    draft
}

fn open(draft: &Draft, options: &OpenOptions) -> Result<Package, PackageError> {
    Package::open_archive("x.csar".into(), Archive::zip(Box::new(Cursor::new(draft.zip()))), options)
}

/// The signature's state, and what is told about it.
fn verdict(draft: &Draft, options: &OpenOptions) -> String {
    let told = |problems: &[Problem]| {
        let about = problems.iter().filter(|problem| problem.rule == "F3");
        about.map(|problem| format!("\n{:?} {problem}", problem.severity)).collect::<String>()
    };
    match open(draft, options) {
        Ok(package) => format!("{}{}", package.signature, told(&package.warnings)),
        Err(error) => format!("refused{}", told(&error.problems)),
    }
}

const UNVERIFIED: &str = "signed by CN=Acme Packages, not verified against a CA";
const VERIFIED: &str = "signed by CN=Acme Packages, verified by CN=Acme Root, O=Acme";

#[test]
fn a_signed_manifest_and_who_vouches_for_it() {
    let desk = Desk::new();
    let draft = signed(&desk, "vendor", &["-binary"]);
    assert_eq!(open(&draft, &OpenOptions::default()).unwrap().warnings, []);
    assert_eq!(verdict(&draft, &OpenOptions::default()), UNVERIFIED);
    assert_eq!(verdict(&draft, &desk.trusting("ca")), VERIFIED);
    assert_eq!(verdict(&draft, &desk.demanding("ca")), VERIFIED);
    let package = open(&draft, &desk.trusting("ca")).unwrap();
    let back = Package::from_store(&package.store_bytes(), package.digest).unwrap();
    assert_eq!(back.signature.to_string(), UNVERIFIED);
    let only_required = OpenOptions { require_signature: true, ..OpenOptions::default() };
    assert_eq!(
        verdict(&draft, &only_required),
        format!(
            "{UNVERIFIED}\nWarning top.mf:31: signed by CN=Acme Packages, not verified against a CA: anyone can make such a signature"
        )
    );
    desk.authority("other", "Other Root");
    assert_eq!(
        verdict(&draft, &desk.trusting("other")),
        "refused\nError top.mf:31: the certificate of CN=Acme Packages is not trusted: no CA of the bundle issued it, nor a certificate between them that is in the package"
    );
    let both = [desk.read("other.pem"), b"\n# the vendor's\n".to_vec(), desk.read("ca.pem")].concat();
    let authorities = Some(Authorities::read(&both, jiff::Timestamp::now()).unwrap());
    assert_eq!(verdict(&draft, &OpenOptions { authorities, ..OpenOptions::default() }), VERIFIED);
    assert!(Authorities::read(b"nothing", jiff::Timestamp::now()).is_err());
}

#[test]
fn what_was_changed_after_signing_is_refused() {
    let desk = Desk::new();
    let draft = signed(&desk, "vendor", &["-binary"]);
    let mut changed = draft.clone();
    changed.replace("top.mf", "vnf_package_version: 1.0", "vnf_package_version: 1.1");
    let refused = "refused\nError top.mf:31: the manifest's signature does not verify: the content was changed after it was signed";
    assert_eq!(verdict(&changed, &OpenOptions::default()), refused);
    assert_eq!(verdict(&changed, &OpenOptions { allow_hash_mismatch: true, ..OpenOptions::default() }), refused);
    // Another's signature under the signer's name.
    desk.issue("thief", "Thief", EC, "ca", LEAF);
    let stolen = signed(&desk, "thief", &["-binary", "-nocerts"]);
    assert_eq!(
        verdict(&stolen, &OpenOptions::default()),
        "signature not verified: the certificate of its signer is neither in it nor in the package\nWarning top.mf:31: the manifest's signature cannot be verified: the certificate of its signer is neither in it nor in the package"
    );
    assert!(
        verdict(&stolen, &desk.trusting("ca"))
            .starts_with("refused\nError top.mf:31: the manifest's signature cannot be verified")
    );
    // A signature whose bytes were changed, at its very end.
    let mut broken = draft.clone();
    let text = broken.text("top.mf");
    let (before, after) = text.split_at(text.find("\n-----END").unwrap() - 6);
    broken.set("top.mf", &format!("{before}AAAA{}", &after[4..]));
    let told = verdict(&broken, &OpenOptions::default());
    assert!(
        told.contains("is not a signature by the key of its certificate")
            || told.contains("not a signature that can be read"),
        "{told}"
    );
    let mut nonsense = draft;
    nonsense.set(
        "top.mf",
        &(text[..text.find("-----BEGIN").unwrap()].to_owned() + "-----BEGIN CMS-----\nAAAA\n-----END CMS-----\n"),
    );
    assert_eq!(
        verdict(&nonsense, &OpenOptions::default()),
        "refused\nError top.mf:31: the CMS block is not a signature that can be read"
    );
}

#[test]
fn keys_digests_and_forms_of_signatures() {
    let desk = Desk::new();
    for (name, key) in [("rsa", RSA), ("p384", EC384), ("p521", EC521), ("short", RSA_SHORT)] {
        desk.issue(name, "Acme Packages", key, "ca", LEAF);
    }
    let good: &[(&str, &[&str])] = &[
        ("vendor", &["-binary"]),
        ("vendor", &[]),
        ("vendor", &["-binary", "-noattr"]),
        ("vendor", &["-binary", "-nodetach"]),
        ("vendor", &["-binary", "-nodetach", "-stream"]),
        ("vendor", &["-binary", "-keyid"]),
        ("vendor", &["-binary", "-md", "sha384"]),
        ("p384", &["-binary", "-md", "sha384"]),
        ("p384", &["-binary", "-md", "sha256"]),
        ("rsa", &["-binary"]),
        ("rsa", &["-binary", "-md", "sha384"]),
        ("rsa", &["-binary", "-md", "sha512", "-noattr"]),
        ("rsa", &["-binary", "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:digest"]),
        ("rsa", &["-binary", "-md", "sha512", "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:digest"]),
    ];
    for (signer, options) in good {
        let draft = signed(&desk, signer, options);
        assert_eq!(verdict(&draft, &desk.demanding("ca")), VERIFIED, "{signer} {options:?}");
        let mut changed = draft.clone();
        changed.replace("top.mf", "Acme", "Acne");
        let told = verdict(&changed, &desk.demanding("ca"));
        assert!(told.contains("does not verify: the content was changed"), "{signer} {options:?}: {told}");
    }
    for (signer, options, why) in [
        ("rsa", &["-binary", "-md", "sha1"][..], "it is made with a digest other than SHA-2"),
        (
            "p521",
            &["-binary", "-md", "sha512"],
            "ECDSA is supported with P-256 and P-384, and with SHA-256 and SHA-384",
        ),
        ("short", &["-binary"], "its RSA key is shorter than 2048 bits"),
    ] {
        let told = verdict(&signed(&desk, signer, options), &OpenOptions::default());
        assert!(told.starts_with(&format!("signature not verified: {why}\nWarning ")), "{signer}: {told}");
    }
}

/// DER: tag, length and content.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let head = match content.len() {
        short @ 0..=0x7f => vec![tag, short as u8],
        _ => [&[tag, 0x80 | digits.len() as u8], digits].concat(),
    };
    [head, content.to_vec()].concat()
}

/// A signature by an Ed25519 key as RFC 8419 says. The openssl command makes the signature itself, but of CMS around
/// such keys most versions know nothing.
fn ed25519(desk: &Desk, content: &[u8], signer: &str) -> Vec<u8> {
    use sha2::Digest as _;
    let (certificate, key) = (format!("{signer}.pem"), format!("{signer}.key"));
    desk.openssl(&["x509", "-in", &certificate, "-outform", "DER", "-out", "certificate"]);
    desk.openssl(&["x509", "-in", &certificate, "-noout", "-ext", "subjectKeyIdentifier", "-out", "id"]);
    let id = desk.text("id");
    let id = id.lines().nth(1).unwrap().trim().split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap());
    let key_id: Vec<u8> = id.collect();
    let pkcs = |rest: &[u8]| der(0x06, &[&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1][..], rest].concat());
    let sha512 = der(0x30, &der(0x06, &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3]));
    let data = pkcs(&[7, 1]);
    let kind = der(0x30, &[pkcs(&[9, 3]), der(0x31, &data)].concat());
    let sum = der(0x04, &sha2::Sha512::digest(content));
    let sum = der(0x30, &[pkcs(&[9, 4]), der(0x31, &sum)].concat());
    let attributes = [kind, sum].concat();
    desk.write("attributes", &der(0x31, &attributes));
    desk.openssl(&["pkeyutl", "-sign", "-rawin", "-inkey", &key, "-in", "attributes", "-out", "raw"]);
    let info = [
        der(0x02, &[3]),
        der(0x80, &key_id),
        sha512.clone(),
        der(0xa0, &attributes),
        der(0x30, &der(0x06, &[0x2b, 0x65, 0x70])),
        der(0x04, &desk.read("raw")),
    ];
    let signed = [
        der(0x02, &[3]),
        der(0x31, &sha512),
        der(0x30, &data),
        der(0xa0, &desk.read("certificate")),
        der(0x31, &der(0x30, &info.concat())),
    ];
    let all = der(0x30, &[pkcs(&[7, 2]), der(0xa0, &der(0x30, &signed.concat()))].concat());
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD.encode(all);
    let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CMS-----\n{}\n-----END CMS-----\n", lines.join("\n")).into_bytes()
}

#[test]
fn signatures_by_ed25519_keys() {
    let desk = Desk::new();
    desk.issue("ed", "Acme Packages", ED, "ca", LEAF);
    let mut signed = draft();
    let text = signed.text("top.mf");
    let signature = String::from_utf8(ed25519(&desk, text.as_bytes(), "ed")).unwrap();
    signed.set("top.mf", &(text + &signature));
    assert_eq!(verdict(&signed, &desk.demanding("ca")), VERIFIED);
    let mut changed = signed.clone();
    changed.replace("top.mf", "Acme", "Acne");
    assert!(verdict(&changed, &desk.demanding("ca")).contains("does not verify: the content was changed"));
    // The right digest, signed by another key under this one's name.
    desk.issue("thief", "Acme Packages", ED, "ca", LEAF);
    fs::copy(desk.0.path().join("thief.key"), desk.0.path().join("ed.key")).unwrap();
    let mut stolen = draft();
    let text = stolen.text("top.mf");
    let signature = String::from_utf8(ed25519(&desk, text.as_bytes(), "ed")).unwrap();
    stolen.set("top.mf", &(text + &signature));
    assert!(verdict(&stolen, &desk.trusting("ca")).contains("it is not a signature by the key of its certificate"));
}

#[test]
fn where_the_certificate_may_be() {
    let desk = Desk::new();
    let nocerts = signed(&desk, "vendor", &["-binary", "-nocerts"]);
    let mut named = nocerts.clone();
    named.set("Certificates/vendor.cert", &desk.text("vendor.pem"));
    named.replace(META, "CSAR-Version", "ETSI-Entry-Certificate: Certificates/vendor.cert\nCSAR-Version");
    let mut at_root = nocerts;
    at_root.set("top.cert", &desk.text("vendor.pem"));
    for draft in [&named, &at_root] {
        assert_eq!(verdict(draft, &desk.demanding("ca")), VERIFIED);
        let package = open(draft, &OpenOptions::default()).unwrap();
        let back = Package::from_store(&package.store_bytes(), package.digest).unwrap();
        assert_eq!(back.signature, package.signature);
    }
    let mut twice = signed(&desk, "vendor", &["-binary"]);
    twice.set("top.cert", &desk.text("vendor.pem"));
    assert_eq!(
        verdict(&twice, &desk.demanding("ca")),
        format!(
            "{VERIFIED}\nWarning top.mf:31: its certificate is in the signature and in top.cert, where one of the two is due"
        )
    );
    // By way of a certificate between, in the signature or in the package.
    desk.issue("between", "Acme Issuing", EC, "ca", "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n");
    desk.issue("below", "Acme Packages", EC, "between", LEAF);
    let inside = signed(&desk, "below", &["-binary", "-certfile", "between.pem"]);
    assert_eq!(verdict(&inside, &desk.demanding("ca")), VERIFIED);
    let mut beside = signed(&desk, "below", &["-binary", "-nocerts"]);
    beside.set("top.cert", &(desk.text("below.pem") + &desk.text("between.pem")));
    assert_eq!(verdict(&beside, &desk.demanding("ca")), VERIFIED);
    let alone = signed(&desk, "below", &["-binary"]);
    assert!(verdict(&alone, &desk.trusting("ca")).contains("no CA of the bundle issued it"));
}

#[test]
fn certificates_that_are_not_to_be_trusted() {
    let desk = Desk::new();
    let draft = signed(&desk, "vendor", &["-binary"]);
    for (days, why) in [
        (11, "it, or one that it depends on, expired on 20"),
        (-1, "it, or one that it depends on, is not valid before 20"),
    ] {
        let now = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days);
        let authorities = Some(Authorities::read(&desk.read("ca.pem"), now).unwrap());
        let told = verdict(&draft, &OpenOptions { authorities, ..OpenOptions::default() });
        assert!(told.contains(why), "{told}");
    }
    for (extensions, why) in [
        ("basicConstraints=CA:FALSE\nkeyUsage=keyEncipherment\n", "its key usage does not allow to sign"),
        (
            "basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n",
            "its extended key usage does not allow to sign content",
        ),
        ("basicConstraints=critical,CA:TRUE\n", "it is a CA's certificate, but not one of the bundle"),
    ] {
        desk.issue("bad", "Acme Packages", EC, "ca", extensions);
        let told = verdict(&signed(&desk, "bad", &["-binary"]), &desk.trusting("ca"));
        assert!(told.ends_with(&format!("the certificate of CN=Acme Packages is not trusted: {why}")), "{told}");
    }
    desk.issue("code", "Acme Packages", EC, "ca", "extendedKeyUsage=codeSigning\n");
    assert_eq!(verdict(&signed(&desk, "code", &["-binary"]), &desk.demanding("ca")), VERIFIED);
    desk.issue("wrong", "Acme Packages", EC, "vendor", LEAF);
    let told = verdict(&signed(&desk, "wrong", &["-binary", "-certfile", "vendor.pem"]), &desk.trusting("ca"));
    assert!(told.ends_with("it was issued by a certificate that is not a CA's"), "{told}");
    // Whoever names a self-made certificate as the CA trusts just that one.
    let own = signed(&desk, "ca", &["-binary"]);
    assert!(verdict(&own, &OpenOptions::default()).starts_with("signed by CN=Acme Root, O=Acme, not verified"));
    assert_eq!(
        verdict(&own, &desk.demanding("ca")),
        "signed by CN=Acme Root, O=Acme, verified by CN=Acme Root, O=Acme"
    );
    assert_eq!(verdict(&draft, &desk.demanding("vendor")), "signed by CN=Acme Packages, verified by CN=Acme Packages");
}

#[test]
fn files_that_the_signature_does_not_vouch_for() {
    let desk = Desk::new();
    let mut extra = signed(&desk, "vendor", &["-binary"]);
    extra.set("Files/extra.yaml", &CONFIG.replace("cm", "extra")).list("Name: Files/extra.yaml\n");
    assert_eq!(verdict(&extra, &OpenOptions::default()), format!("{UNVERIFIED}, not for Files/extra.yaml"));
    let told = "top.mf:31: the signature does not vouch for Files/extra.yaml";
    assert_eq!(verdict(&extra, &desk.trusting("ca")), format!("{VERIFIED}, not for Files/extra.yaml\nWarning {told}"));
    assert_eq!(verdict(&extra, &desk.demanding("ca")), format!("refused\nError {told}"));
    // A file that does not match its digest is not vouched for either.
    let mut changed = signed(&desk, "vendor", &["-binary"]);
    changed.set("Files/cm.yaml", &CONFIG.replace("cm", "dm"));
    let allowed = OpenOptions { allow_hash_mismatch: true, ..desk.trusting("ca") };
    assert!(verdict(&changed, &allowed).ends_with("Warning top.mf:31: the signature does not vouch for Files/cm.yaml"));
    assert!(verdict(&changed, &OpenOptions { require_signature: true, ..allowed }).starts_with("refused\nError"));
}

#[test]
fn packages_without_a_signature() {
    let required = OpenOptions { require_signature: true, ..OpenOptions::default() };
    assert_eq!(verdict(&Draft::new(), &OpenOptions::default()), "not signed");
    assert_eq!(verdict(&draft(), &OpenOptions::default()), "not signed\nWarning the package is not signed");
    assert_eq!(verdict(&Draft::new(), &required), "refused\nError the package is not signed");
}

/// A zip of a package, its signature and what else is given.
fn envelope(csar: &[u8], signature: &[u8], others: &[(&str, Vec<u8>)], method: zip::CompressionMethod) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (path, bytes) in [("upf.csar", csar), ("upf.cms", signature)] {
        writer.start_file(path, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    for (path, bytes) in others {
        writer.start_file(*path, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn enveloped(bytes: Vec<u8>, options: &OpenOptions) -> Result<Package, PackageError> {
    Package::open_archive("x.zip".into(), Archive::zip(Box::new(Cursor::new(bytes))), options)
}

#[test]
fn a_package_in_an_envelope() {
    use zip::CompressionMethod::{Deflated, Stored};
    let desk = Desk::new();
    let csar = Draft::new().zip();
    let signature = desk.sign(&csar, "vendor", &["-binary", "-outform", "DER"]);
    let without = desk.sign(&csar, "vendor", &["-binary", "-nocerts"]);
    let certificate = ("vendor.cert", desk.read("vendor.pem"));
    for bytes in [
        envelope(&csar, &signature, &[], Deflated),
        envelope(&csar, &signature, &[("readme.txt", b"hello".to_vec())], Stored),
        envelope(&csar, &without, std::slice::from_ref(&certificate), Deflated),
    ] {
        let package = enveloped(bytes, &desk.demanding("ca")).unwrap();
        assert_eq!(package.signature.to_string(), VERIFIED);
        assert_eq!(package.digest, Draft::new().open().unwrap().digest);
        let back = Package::from_store(&package.store_bytes(), package.digest).unwrap();
        assert_eq!(back.signature, Signature::None);
    }
    let problems = |bytes| said(enveloped(bytes, &OpenOptions::default()).map(|_| ()));
    let mut changed = Draft::new();
    changed.set("Files/cm.yaml", &CONFIG.replace("cm", "dm"));
    assert_eq!(
        problems(envelope(&changed.zip(), &signature, &[], Deflated)),
        "F3 upf.cms: the signature of upf.csar does not verify: the content was changed after it was signed"
    );
    assert_eq!(problems(envelope(&csar, b"nonsense", &[], Deflated)), "F3 upf.cms: not a CMS signature in PEM or DER");
    assert_eq!(
        problems(envelope(b"nonsense", &signature, &[], Deflated)).split(": ").take(2).collect::<Vec<_>>(),
        ["C1 in upf.csar", "not a zip archive"]
    );
    assert_eq!(
        problems(envelope(&csar, &signature, &[("b.csar", csar.clone())], Deflated)),
        "F3 a signed package is one CSAR with one signature; here are b.csar, upf.csar and upf.cms"
    );
    let no_attributes = desk.sign(&csar, "vendor", &["-binary", "-noattr"]);
    let package = enveloped(envelope(&csar, &no_attributes, &[], Deflated), &OpenOptions::default()).unwrap();
    assert!(matches!(&package.signature, Signature::Unknown(why) if why.starts_with("it has no signed attributes")));
    let nested = envelope(&envelope(&csar, &signature, &[], Deflated), &signature, &[], Deflated);
    assert!(problems(nested).starts_with("C3 "));
}
