//! Changed and made-up input at every place where a file of someone else's is read: no panic, no hang, bounded memory.
//!
//! Each target has a few good inputs. A run changes them, and keeps what made the program say something new to change it
//! further. `FUZZ_SECONDS` is the time for each target (1 if it is not set), `FUZZ_SEED` repeats a run.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use kubectl_vnf::commands::request::{InstantiateRequest, UpdateRequest};
use kubectl_vnf::package::{Authorities, OpenOptions, Package, Problem, examine};
use kubectl_vnf::yaml;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

/// No single input may take longer, on however busy a machine.
const LONGEST: Duration = Duration::from_secs(30);
/// Most memory that the whole run may have taken, in KiB.
const MOST_MEMORY: u64 = 800 * 1024;
/// Longest input that changes lead to.
const LONGEST_INPUT: usize = 256 * 1024;

/// Pieces that mean something somewhere.
const WORDS: &[&str] = &[
    "\n",
    "\r\n",
    "\n\n",
    ": ",
    "\u{feff}",
    "\0",
    "---\n",
    "- ",
    "&a ",
    "*a",
    "<<: *a",
    "!!binary ",
    "|\n",
    ">-\n",
    "{",
    "}",
    "[",
    "]",
    "../",
    "/",
    "\\",
    "\u{202e}",
    "ä",
    "0666",
    "1e999",
    "-1",
    "18446744073709551616",
    "null",
    "~",
    "true",
    "Name: ",
    "Source: ",
    "Hash: ",
    "Algorithm: SHA-512\n",
    "Entry-Definitions: ",
    "ETSI-Entry-Manifest: ",
    "ETSI-Entry-Certificate: ",
    "http://x/",
    "metadata:\n",
    "non_mano_artifact_sets:\n",
    "-----BEGIN CMS-----\n",
    "-----END CMS-----\n",
    "PK\x03\x04",
    "PK\x01\x02",
    "PK\x05\x06",
    "PK\x06\x06",
    "PK\x06\x07",
    "derived_from: ",
    "imports: ",
    "get_input: ",
    "node_templates:\n",
    "policies:\n",
    "targets: [ ",
    "max_scale_level: ",
    "number_of_instances: ",
    "apiVersion: v1\n",
    "kind: Secret\n",
    "metadata: { name: x }\n",
    "\u{30}\u{80}",
    "\u{24}\u{80}",
];

/// A random number generator: xorshift.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides.max(1) as u64) as usize
    }

    fn range(&mut self, bytes: &[u8]) -> std::ops::Range<usize> {
        let start = self.roll(bytes.len() + 1);
        let most = if self.roll(4) == 0 { bytes.len() } else { 16 };
        start..(start + self.roll(most + 1)).min(bytes.len())
    }

    /// An input with a few changes; `other` is one to take pieces from.
    fn change(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.roll(6) {
            let (range, at) = (self.range(&bytes), self.roll(bytes.len() + 1));
            match self.roll(9) {
                0 if !bytes.is_empty() => {
                    let at = self.roll(bytes.len());
                    bytes[at] ^= 1 << self.roll(8);
                }
                1 if !bytes.is_empty() => {
                    let at = self.roll(bytes.len());
                    bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b':'][self.roll(7)];
                }
                2 => drop(bytes.drain(range)),
                3 => bytes.truncate(at),
                4 => {
                    let piece = bytes[range].repeat(1 << self.roll(8));
                    bytes.splice(at..at, piece);
                }
                5 => {
                    let piece = other[self.range(other)].to_vec();
                    bytes.splice(at..at, piece);
                }
                6 => {
                    let word = WORDS[self.roll(WORDS.len())].repeat(if self.roll(8) == 0 { 500 } else { 1 });
                    bytes.splice(at..at, word.into_bytes());
                }
                7 => {
                    let word = WORDS[self.roll(WORDS.len())].as_bytes();
                    let end = (at + word.len()).min(bytes.len());
                    bytes.splice(at..end, word.iter().copied());
                }
                _ => {
                    // Numbers of archives and of ASN.1, which lie.
                    let number = [0, 1, 22, 0xffff, u32::MAX, self.0 as u32][self.roll(6)].to_le_bytes();
                    let end = (at + 4).min(bytes.len());
                    bytes.splice(at..end, number);
                }
            }
            bytes.truncate(LONGEST_INPUT);
        }
        bytes
    }
}

/// Runs a target for its time; `target` gives what the program said.
fn fuzz(name: &str, seeds: Vec<Vec<u8>>, mut target: impl FnMut(&[u8]) -> String) {
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let seed = std::env::var("FUZZ_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| {
        let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map(|time| time.subsec_nanos());
        u64::from(nanos.unwrap_or(1)) | 1
    });
    let (mut dice, mut inputs, mut said) = (Dice(seed), seeds, HashSet::new());
    let (began, mut count, mut slowest) = (Instant::now(), 0_u64, Duration::ZERO);
    while began.elapsed() < Duration::from_secs(seconds) {
        let (one, other) = (dice.roll(inputs.len()), dice.roll(inputs.len()));
        let input =
            if count < inputs.len() as u64 { inputs[one].clone() } else { dice.change(&inputs[one], &inputs[other]) };
        let start = Instant::now();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| target(&input)));
        let took = start.elapsed();
        slowest = slowest.max(took);
        count += 1;
        if outcome.is_err() || took > LONGEST {
            let file = std::env::temp_dir().join(format!("kubectl-vnf-fuzz-{name}-{seed}"));
            fs::write(&file, &input).unwrap();
            panic!("{name}: seed {seed}, input {count} in {}: {took:?}", file.display());
        }
        let shape: String = outcome.unwrap_or_default().chars().filter(|c| !c.is_ascii_digit()).take(400).collect();
        if inputs.len() < 2000 && said.len() < 100_000 && said.insert(shape) {
            inputs.push(input);
        }
    }
    let memory = peak_memory();
    println!(
        "{name}: {count} inputs, {} answers, slowest {slowest:?}, seed {seed}, peak memory {memory} KiB",
        said.len()
    );
    assert!(memory < MOST_MEMORY, "{name}: {memory} KiB of memory");
}

/// Most memory that this process had at any time, in KiB; 0 where the system does not tell.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/container-update/before")
}

const MANIFEST: &str = "metadata:\nvnf_product_name: x\nvnf_provider_id: x\nvnf_package_version: 1\nvnf_release_date_time: 2026-01-31T10:00:00Z\n\nSource: Files/kubernetes/pod_env.yaml\nAlgorithm: SHA-256\nHash: 0a25cb2a086ded82139b6914096c9627e71ef87242ab9320b771f43154b811e8\nnon_mano_artifact_sets:\n  a:\n    Source: v.cert\n";

/// A certificate, and the signature of [`MANIFEST`] that goes with it: both by the openssl command, in PEM.
fn signer() -> &'static (Vec<u8>, Vec<u8>) {
    static SIGNER: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    SIGNER.get_or_init(|| {
        let desk = tempfile::tempdir().unwrap();
        fs::write(desk.path().join("text"), MANIFEST).unwrap();
        for arguments in [
            "req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /O=Acme/CN=Packages -keyout key -out cert",
            "cms -sign -binary -in text -signer cert -inkey key -outform PEM -out signature",
        ] {
            let output = Command::new("openssl").args(arguments.split(' ')).current_dir(desk.path()).output();
            assert!(output.expect("the openssl command is needed").status.success(), "openssl {arguments}");
        }
        let read = |file| fs::read(desk.path().join(file)).unwrap();
        (read("cert"), read("signature"))
    })
}

/// A flavour with everything that one may have, and little of it: a target that changes another file need not read more.
const FLAVOUR: &str = "\
tosca_definitions_version: tosca_simple_yaml_1_2
imports: [ sample_types.yaml ]
topology_template:
  substitution_mappings: { node_type: company.provider.VNF, properties: { flavour_id: simple } }
  node_templates:
    VNF: { type: company.provider.VNF, properties: { flavour_description: Small } }
    VDU3:
      type: tosca.nodes.nfv.Vdu.Compute
      properties: { name: env-test, vdu_profile: { min_number_of_instances: 1, max_number_of_instances: 3 } }
  policies:
  - s: { type: tosca.policies.nfv.ScalingAspects, properties: { aspects: { up: { name: up, max_scale_level: 2, step_deltas: [ d ] } } } }
  - d: { type: tosca.policies.nfv.VduScalingAspectDeltas, properties: { aspect: up, deltas: { d: { number_of_instances: 1 } } }, targets: [ VDU3 ] }
  - i: { type: tosca.policies.nfv.VduInitialDelta, properties: { initial_delta: { number_of_instances: 1 } }, targets: [ VDU3 ] }
  - l: { type: tosca.policies.nfv.InstantiationLevels, properties: { levels: { small: { scale_info: { up: { scale_level: 0 } } } } } }
  - v: { type: tosca.policies.nfv.VduInstantiationLevels, properties: { levels: { small: { number_of_instances: 1 } } }, targets: [ VDU3 ] }
";
const FLAVOUR_FILE: &str = "Definitions/sample_df_simple.yaml";

/// A small signed package as files: enough to come to every check.
fn files() -> Vec<(String, Vec<u8>)> {
    let root = sample();
    let read = |path: &str| match path {
        FLAVOUR_FILE => FLAVOUR.as_bytes().to_vec(),
        path => fs::read(root.join(path)).unwrap(),
    };
    let mut meta = String::from_utf8(read("TOSCA-Metadata/TOSCA.meta")).unwrap();
    meta = meta.split("\n\n").take(3).collect::<Vec<_>>().join("\n\n");
    meta = meta
        .replace("CSAR-Version", "ETSI-Entry-Manifest: sample_vnfd.mf\nETSI-Entry-Certificate: v.cert\nCSAR-Version");
    let (certificate, signature) = signer();
    let mut files = vec![
        ("TOSCA-Metadata/TOSCA.meta".to_owned(), meta.into_bytes()),
        ("sample_vnfd.mf".to_owned(), [MANIFEST.as_bytes(), signature].concat()),
        ("v.cert".to_owned(), certificate.clone()),
    ];
    for path in [
        "Definitions/sample_vnfd.yaml",
        FLAVOUR_FILE,
        "Definitions/sample_types.yaml",
        "Files/kubernetes/pod_env.yaml",
        "Files/kubernetes/pod_env_2.yaml",
    ] {
        files.push((path.into(), read(path)));
    }
    files
}

fn zip_of(files: &[(String, Vec<u8>)], method: CompressionMethod) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, bytes) in files {
        writer.start_file(path.as_str(), SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A folder for the inputs, in memory where there is such a place.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Examines a package, and opens and keeps it if that can be; what is said.
fn judge(file: &Path) -> String {
    // A file that was changed does not match its digest, and that is not all there is to say.
    let options = OpenOptions { allow_hash_mismatch: true, ..OpenOptions::default() };
    let mut said = String::new();
    let examination = examine(file, &options);
    for problem in &examination.problems {
        let _ = writeln!(said, "{} {problem}", problem.rule);
    }
    let hopeless =
        |problem: &&Problem| problem.is_error() && !problem.bearable && !problem.rule.starts_with(['K', 'U', 'R']);
    match examination.problems.iter().find(hopeless) {
        Some(_) => assert!(!examination.is_valid()),
        None => {
            let package = Package::open(file, &options).unwrap();
            let back = Package::from_store(&package.store_bytes(), package.digest);
            let _ = writeln!(said, "{} {:?}", package.signature, back.err());
        }
    }
    said
}

/// A target that puts its input into one file of the package; it begins with what is there, and with `others`.
fn fuzz_file(name: &str, path: &str, others: Vec<Vec<u8>>) {
    let scratch = scratch();
    let csar = scratch.path().join("x.csar");
    let mut files = files();
    let at = files.iter().position(|(known, _)| known == path).unwrap();
    let seeds = std::iter::once(files[at].1.clone()).chain(others).collect();
    fuzz(name, seeds, |input| {
        files[at].1 = input.to_vec();
        fs::write(&csar, zip_of(&files, CompressionMethod::Stored)).unwrap();
        judge(&csar)
    });
}

#[test]
fn archives() {
    let scratch = scratch();
    let csar = scratch.path().join("x.csar");
    let package = zip_of(&files(), CompressionMethod::Deflated);
    let parts = [
        ("x.csar".into(), package.clone()),
        ("x.cms".into(), signer().1.clone()),
        ("x.cert".into(), signer().0.clone()),
    ];
    let envelope = zip_of(&parts, CompressionMethod::Deflated);
    let few = zip_of(&files()[..2], CompressionMethod::Stored);
    fuzz("archive", vec![package, envelope, few], |input| {
        fs::write(&csar, input).unwrap();
        judge(&csar)
    });
}

#[test]
fn tosca_meta() {
    fuzz_file("TOSCA.meta", "TOSCA-Metadata/TOSCA.meta", Vec::new());
}

#[test]
fn manifests_and_signatures() {
    fuzz_file("manifest", "sample_vnfd.mf", Vec::new());
}

#[test]
fn descriptors() {
    fuzz_file("VNFD", "Definitions/sample_vnfd.yaml", Vec::new());
    fuzz_file("flavour", FLAVOUR_FILE, vec![fs::read(sample().join(FLAVOUR_FILE)).unwrap()]);
}

#[test]
fn kubernetes_files() {
    let others = ["pod_volume", "deployment", "configmap_1", "secret_1"];
    let others = others.map(|name| fs::read(sample().join(format!("Files/kubernetes/{name}.yaml"))).unwrap());
    fuzz_file("Kubernetes file", "Files/kubernetes/pod_env.yaml", others.to_vec());
}

#[test]
fn certificates() {
    let now = jiff::Timestamp::now();
    fuzz("certificates", vec![signer().0.clone()], |input| format!("{:?}", Authorities::read(input, now).err()));
}

#[test]
fn yaml_texts() {
    let seeds: Vec<Vec<u8>> = files().into_iter().map(|(_, bytes)| bytes).collect();
    let read = |input: &[u8]| yaml::node(input).map(|node| node.to_value());
    fuzz("YAML", seeds, |input| match read(input) {
        // What was read can be printed, and is the same when it is read again.
        Ok(value) => {
            let printed = yaml::to_string(&value);
            let again = read(printed.as_bytes());
            assert!(again.as_ref().is_ok_and(|again| *again == value), "{again:?}\n{value:?}\n{printed}");
            String::new()
        }
        Err(error) => error.message,
    });
}

#[test]
fn request_files() {
    let scratch = scratch();
    let file = scratch.path().join("request");
    let seeds = ["instance_kubernetes.json", "sample_param_file.json"]
        .map(|name| fs::read(sample().parent().unwrap().join(name)).unwrap());
    fuzz("request", seeds.to_vec(), |input| {
        fs::write(&file, input).unwrap();
        let path = file.to_str().unwrap();
        let said = |error: kubectl_vnf::cli::error::CliError| error.message;
        format!("{:?}{:?}", InstantiateRequest::read(path).err().map(said), UpdateRequest::read(path).err().map(said))
    });
}

/// Runs the program on hostile files with little memory to take: the limit is the kernel's, on the address space.
#[test]
fn hostile_files_in_little_memory() {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name);
    let line = vec![b'a'; 100 * 1024 * 1024];
    let laughs = laughs();
    let packages: Vec<(&str, PathBuf, &str)> = vec![
        ("a line of 100 MB in TOSCA.meta", with_file(&path("meta"), "TOSCA-Metadata/TOSCA.meta", &line), "[C1]"),
        ("a line of 100 MB in the manifest", with_file(&path("mf"), "sample_vnfd.mf", &line), "[C1]"),
        ("a line of 100 MB in the VNFD", with_file(&path("vnfd"), "Definitions/sample_vnfd.yaml", &line), "[V1]"),
        ("a line of 100 MB in an object", with_file(&path("pod"), "Files/kubernetes/pod_env.yaml", &line), "[C1]"),
        (
            "aliases in the VNFD",
            with_file(&path("alias"), "Definitions/sample_vnfd.yaml", laughs.as_bytes()),
            "its aliases stand for more than 20000 values",
        ),
    ];
    validated(packages);
}

#[test]
fn more_hostile_files_in_little_memory() {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name);
    let line = vec![b'a'; 100 * 1024 * 1024];
    let (laughs, deep) = (laughs(), "[".repeat(1_000_000));
    let object = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: x }}\n{laughs}");
    let packages: Vec<(&str, PathBuf, &str)> = vec![
        (
            "aliases in an object",
            with_file(&path("alias2"), "Files/kubernetes/pod_env.yaml", object.as_bytes()),
            "error[K1]",
        ),
        (
            "aliases in what may be an object",
            with_file(&path("alias3"), "Files/kubernetes/pod_env.yaml", laughs.as_bytes()),
            "warning[K1]",
        ),
        ("nesting in the VNFD", with_file(&path("deep"), "Definitions/sample_vnfd.yaml", deep.as_bytes()), "[V1]"),
        ("nesting in an object", with_file(&path("deep2"), "Files/kubernetes/pod_env.yaml", deep.as_bytes()), "[K1]"),
        (
            "3 million short lines",
            with_file(&path("lines"), "TOSCA-Metadata/TOSCA.meta", &b"\n".repeat(3_000_000)),
            "[M2]",
        ),
        ("a bomb", bomb(&path("bomb.csar")), "[C1]"),
        ("a million entries", many(&path("many.csar"), 1_000_000), "[C1]"),
        ("entries that lie about their number", many(&path("lie.csar"), 60_000), "[C1]"),
    ];
    validated(packages);
    for (what, text) in [("a line of 100 MB", line), ("aliases", laughs.into_bytes()), ("nesting", deep.into_bytes())] {
        let file = path("request");
        fs::write(&file, text).unwrap();
        let told = limited(&["update", "x", "-f", file.to_str().unwrap()]);
        assert!(told.contains("request:"), "{what}: {told}");
    }
}

/// Each package is refused with what is expected, by its rule.
fn validated(packages: Vec<(&str, PathBuf, &str)>) {
    for (what, package, expected) in packages {
        let told = limited(&["package", "validate", package.to_str().unwrap()]);
        assert!(told.contains(expected), "{what}: {told}");
    }
}

/// Aliases of aliases: 10 to the power of 29 values.
fn laughs() -> String {
    let more: String = (1..30).map(|n| format!("a{n}: &a{n} [{}]\n", format!("*a{},", n - 1).repeat(10))).collect();
    format!("a0: &a0 [x]\n{more}")
}

/// What the program says under a limit of 700 MB, of which threads reserve a part that they never use.
fn limited(arguments: &[&str]) -> String {
    let began = Instant::now();
    let output = Command::new("bash")
        .args(["-c", "ulimit -v 700000; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_kubectl-vnf")])
        .args(arguments)
        .env("KUBECONFIG", "/dev/null")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
    assert!(began.elapsed() < LONGEST, "{arguments:?}: {:?}", began.elapsed());
    told.chars().take(2000).collect()
}

/// The small package as a directory, with another content of one file.
fn with_file(root: &Path, path: &str, content: &[u8]) -> PathBuf {
    for (known, bytes) in files() {
        let file = root.join(&known);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, if known == path { content } else { &bytes }).unwrap();
    }
    root.to_path_buf()
}

/// A zip with 200 MB of zeros in a few kilobytes, in a file that is hashed, and in one that is parsed.
fn bomb(path: &Path) -> PathBuf {
    let zeros = vec![0; 100 * 1024 * 1024];
    let mut files = files();
    files.extend([("Scripts/x".to_owned(), zeros.clone()), ("Files/x.yaml".to_owned(), zeros)]);
    fs::write(path, zip_of(&files, CompressionMethod::Deflated)).unwrap();
    path.to_path_buf()
}

/// A zip whose list has a million entries; its end tells of `told`, in 64 bits if they are too many for 16.
fn many(path: &Path, told: u64) -> PathBuf {
    let mut bytes = Vec::new();
    for number in 0..1_000_000_u32 {
        let name = format!("f/{number:07}");
        bytes.extend(b"PK\x01\x02\x14\x03\x14\0\0\0\0\0\0\0\x21\0");
        bytes.extend([0; 12]);
        bytes.extend((name.len() as u16).to_le_bytes());
        bytes.extend([0; 16]);
        bytes.extend(name.bytes());
    }
    let size = bytes.len() as u64;
    if told > 0xffff {
        bytes.extend(b"PK\x06\x06");
        bytes.extend(44_u64.to_le_bytes());
        bytes.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for number in [told, told, size, 0] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(b"PK\x06\x07\0\0\0\0");
        bytes.extend(size.to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
    }
    let count = u16::try_from(told).unwrap_or(u16::MAX).to_le_bytes();
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(count);
    bytes.extend(count);
    bytes.extend((size as u32).to_le_bytes());
    bytes.extend([0; 6]);
    fs::write(path, bytes).unwrap();
    path.to_path_buf()
}
