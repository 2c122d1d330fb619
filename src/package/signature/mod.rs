//! Signatures of packages (SOL004 5.2): what was signed, by whom, and what that proves (rule F3).
//!
//! - option 1: a CMS block at the end of the manifest signs the manifest, whose digests vouch for the other files;
//! - option 2: a zip that holds the CSAR, a CMS signature of it and a certificate (opened in `envelope`).
//!
//! A signature alone proves that the content fits its certificate, and anyone can make a certificate: only a CA that the
//! user names makes it say who. Revocation is not looked at, nor are signatures of single artifacts.

mod asn1;
mod certificate;
mod cms;
mod pem;
pub use certificate::{Authorities, NoCertificate};
pub(super) use cms::{Cms, Content, Refused};

use super::archive::Files;
use super::digests::{Algorithm, Hasher};
use super::listing::Listing;
use super::problem::{Problem, Severity};
use super::{META, OpenOptions};
pub(super) use certificate::Certificate;
use std::collections::BTreeSet;
use std::fmt;

/// Largest signature that is read, in bytes.
const MAX_BYTES: usize = 1024 * 1024;
/// How many files that a signature does not vouch for are named.
const NAMED: usize = 3;

/// The state of a package's signature.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Signature {
    /// There is none.
    #[default]
    None,
    /// There is one, but nothing could be told about it; why.
    Unknown(String),
    /// It is good.
    Good(Signer),
}

/// Whose signature it is, and how far it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The subject of the certificate: `CN=..., O=...`.
    pub subject: String,
    /// The CA of the user's that the certificate leads to; `None`: no CA was named, so that nothing tells whether the
    /// subject is true.
    pub authority: Option<String>,
    /// Files of the package that the signature does not vouch for.
    pub outside: Vec<String>,
}

/// For people: `signed by CN=x, not verified against a CA`.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signer = match self {
            Self::None => return f.write_str("not signed"),
            Self::Unknown(why) => return write!(f, "signature not verified: {why}"),
            Self::Good(signer) => signer,
        };
        write!(f, "signed by {}", signer.subject)?;
        match &signer.authority {
            Some(authority) => write!(f, ", verified by {authority}")?,
            None => f.write_str(", not verified against a CA")?,
        }
        match signer.outside.len() {
            0 => Ok(()),
            1 => write!(f, ", not for {}", signer.outside[0]),
            count => write!(f, ", not for {count} files"),
        }
    }
}

/// What was found of a signature: its state, and what to tell about it.
pub(super) struct Verdict {
    pub signature: Signature,
    pub problems: Vec<Problem>,
}

/// Reads a signature: PEM or DER.
pub(super) fn read(file: &[u8]) -> Option<Cms> {
    if file.len() > MAX_BYTES {
        return None;
    }
    let blocks = pem::blocks(file, &["CMS", "PKCS7", "PKCS #7 SIGNED DATA"]);
    Cms::read(blocks.first().map_or(file, Vec::as_slice))
}

/// Verifies the signature at the end of the manifest.
pub(super) fn of_manifest(listing: &Listing, files: &Files, options: &OpenOptions) -> Verdict {
    let (Some(path), Some(block)) = (&listing.manifest, &listing.cms) else {
        return unsigned(listing.manifest.is_some(), options);
    };
    let text = files.bytes(path).unwrap_or_default();
    let cms = Some(&block.base64).filter(|text| text.len() <= 2 * MAX_BYTES).and_then(|text| pem::decode(text));
    let at = |problem: Problem| problem.at(path, block.line);
    let Some(cms) = cms.and_then(|bytes| Cms::read(&bytes)) else {
        let problem = at(Problem::error("F3", "the CMS block is not a signature that can be read"));
        return Verdict { signature: Signature::Unknown("it cannot be read".into()), problems: vec![problem] };
    };
    let certificates = read_certificates(&listing.certificates, files);
    let mut refused = None;
    for text in signed_texts(text) {
        let digest = |algorithm| Some(sum(algorithm, &text));
        match cms.verify(&Content { digest: &digest, bytes: Some(&text) }, &certificates) {
            Ok(signer) => {
                let twice = cms.certificates.contains(signer) && certificates.contains(signer);
                let mut verdict = judge(signer, &cms, &certificates, outside(listing, path, files), options, &at);
                if twice {
                    let message = format!(
                        "its certificate is in the signature and in {}, where one of the two is due",
                        listing.certificates.join(", ")
                    );
                    verdict.problems.push(at(Problem::warning("F3", message)));
                }
                return verdict;
            }
            Err(why) => refused = refused.or(Some(why)),
        }
    }
    refuse(refused.unwrap_or(Refused::Unknown("nothing is signed".into())), "the manifest's signature", options, &at)
}

/// The texts that a signature at the end of a manifest may be over. Signers differ in whether the last line end belongs
/// to it, and those that treat the manifest as mail sign it with CRLF; a manifest says the same in all of these.
fn signed_texts(manifest: &[u8]) -> Vec<Vec<u8>> {
    let lines = manifest.split_inclusive(|byte| *byte == b'\n');
    let before = lines.take_while(|line| !line.trim_ascii_start().starts_with(b"-----BEGIN "));
    let text = &manifest[..before.map(<[u8]>::len).sum()];
    let without = text.strip_suffix(b"\n").map(|text| text.strip_suffix(b"\r").unwrap_or(text));
    let mut texts: Vec<Vec<u8>> = [Some(text), without].into_iter().flatten().map(<[u8]>::to_vec).collect();
    let mail: Vec<Vec<u8>> = texts.iter().map(|text| crlf(text)).collect();
    for text in mail {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}

/// A text with CRLF at the end of each line.
fn crlf(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 32);
    for (at, byte) in text.iter().enumerate() {
        if *byte == b'\n' && (at == 0 || text[at - 1] != b'\r') {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out
}

fn sum(algorithm: Algorithm, bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(&BTreeSet::from([algorithm]));
    hasher.update(bytes);
    hasher.finish().get(algorithm).unwrap_or_default()
}

fn read_certificates(paths: &[String], files: &Files) -> Vec<Certificate> {
    paths.iter().filter_map(|path| files.bytes(path)).flat_map(Certificate::read_all).collect()
}

/// Files that no matching digest of the signed manifest vouches for. TOSCA.meta can only choose among those that it does.
fn outside(listing: &Listing, manifest: &str, files: &Files) -> Vec<String> {
    let vouched: BTreeSet<&str> = listing
        .artifacts
        .iter()
        .filter(|artifact| artifact.listed_in == manifest)
        .filter(|artifact| {
            let Ok(Some((algorithm, want))) = artifact.promise() else { return false };
            files.0.get(&artifact.name).is_some_and(|file| file.sums.get(algorithm) == Some(want))
        })
        .map(|artifact| artifact.name.as_str())
        .collect();
    let exempt =
        |path: &str| path == META || path == manifest || listing.certificates.iter().any(|known| known == path);
    files.0.keys().filter(|path| !vouched.contains(path.as_str()) && !exempt(path)).cloned().collect()
}

/// What it means that there is no signature.
pub(super) fn unsigned(expected: bool, options: &OpenOptions) -> Verdict {
    let problem = Problem::warning("F3", "the package is not signed");
    let problems = match () {
        () if options.require_signature => {
            vec![Problem { severity: Severity::Error, ..problem }.help("ask the vendor for a signed package")]
        }
        // A package in the form of SOL004 should be; of plain TOSCA nobody expects it.
        () if expected || options.authorities.is_some() => vec![problem],
        () => Vec::new(),
    };
    Verdict { signature: Signature::None, problems }
}

/// What a signature proves that fits its content.
pub(super) fn judge(
    signer: &Certificate,
    cms: &Cms,
    others: &[Certificate],
    outside: Vec<String>,
    options: &OpenOptions,
    at: &dyn Fn(Problem) -> Problem,
) -> Verdict {
    let subject = signer.subject.clone();
    let mut problems = Vec::new();
    let mut authority = None;
    match &options.authorities {
        Some(authorities) => {
            let others: Vec<Certificate> = cms.certificates.iter().chain(others).cloned().collect();
            match authorities.verify(signer, &others) {
                Ok(root) => authority = Some(root),
                Err(why) => {
                    let message = format!("the certificate of {subject} is not trusted: {why}");
                    problems
                        .push(at(Problem::error("F3", message)).help("--ca FILE names the CAs whose signatures count"));
                }
            }
        }
        None if options.require_signature => {
            let message = format!("signed by {subject}, not verified against a CA: anyone can make such a signature");
            problems.push(at(Problem::warning("F3", message)).help("name the vendor's CA: --ca FILE"));
        }
        None => {}
    }
    if !outside.is_empty() && (options.require_signature || options.authorities.is_some()) {
        let (first, more) = (&outside[..outside.len().min(NAMED)], outside.len().saturating_sub(NAMED));
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let message = format!("the signature does not vouch for {}{more}", first.join(", "));
        let problem = Problem::warning("F3", message);
        problems.push(at(if options.require_signature {
            Problem { severity: Severity::Error, ..problem }
        } else {
            problem
        }));
    }
    Verdict { signature: Signature::Good(Signer { subject, authority, outside }), problems }
}

/// What a signature means that is not good.
pub(super) fn refuse(why: Refused, what: &str, options: &OpenOptions, at: &dyn Fn(Problem) -> Problem) -> Verdict {
    let (severity, verb, why) = match why {
        Refused::Wrong(why) => (Severity::Error, "does not verify", why),
        Refused::Unknown(why) if options.require_signature || options.authorities.is_some() => {
            (Severity::Error, "cannot be verified", why)
        }
        Refused::Unknown(why) => (Severity::Warning, "cannot be verified", why),
    };
    let problem = Problem { severity, ..Problem::error("F3", format!("{what} {verb}: {why}")) };
    Verdict { signature: Signature::Unknown(why), problems: vec![at(problem)] }
}
