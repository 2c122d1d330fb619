//! A package in an envelope (SOL004 5.2, option 2): a zip that holds the CSAR, a CMS signature of it, and a certificate.
//!
//! The CSAR inside is the package: it has the same digest with and without the envelope. One envelope is opened, not an
//! envelope in an envelope.

use super::archive::{Archive, is_yaml};
use super::digests::Sums;
use super::listing::ends;
use super::problem::Problem;
use super::signature::{self, Certificate, Cms, Content, Signature, Verdict};
use super::{META, OpenOptions};
use std::io::BufReader;

/// Names of packages inside an envelope.
const CSARS: [&str; 2] = [".csar", ".zip"];
/// Names of signatures.
const SIGNATURES: [&str; 5] = [".cms", ".p7s", ".p7b", ".sig", ".signature"];
/// Names of certificates.
const CERTIFICATES: [&str; 4] = [".cert", ".crt", ".cer", ".pem"];

/// What lay beside the CSAR.
pub(super) struct Envelope {
    csar: String,
    sums: Sums,
    /// The signature's path, and what it says; `None` if it cannot be read.
    cms: (String, Option<Cms>),
    certificates: Vec<Certificate>,
}

/// The package itself, taken out of its envelope if it is in one.
pub(super) fn open(archive: Archive) -> Result<(Archive, Option<Envelope>), Vec<Problem>> {
    let root: Vec<String> = archive.names().filter(|name| !name.contains('/')).map(str::to_owned).collect();
    let with = |endings: &[&str]| root.iter().filter(|name| ends(name, endings)).cloned().collect::<Vec<_>>();
    let (csars, signatures) = (with(&CSARS), with(&SIGNATURES));
    let is_package = archive.names().any(|name| name == META) || root.iter().any(|name| is_yaml(name));
    if is_package || csars.is_empty() || signatures.is_empty() {
        return Ok((archive, None));
    }
    let ([csar], [signature]) = (csars.as_slice(), signatures.as_slice()) else {
        let message = format!(
            "a signed package is one CSAR with one signature; here are {} and {}",
            csars.join(", "),
            signatures.join(", ")
        );
        return Err(vec![Problem::error("F3", message)]);
    };
    let mut archive = archive.flawless()?;
    let mut read = |path: &str| archive.read(path).transpose().map(Option::unwrap_or_default);
    let cms = signature::read(&read(signature)?);
    let mut certificates = Vec::new();
    for path in with(&CERTIFICATES) {
        certificates.extend(Certificate::read_all(&read(&path)?));
    }
    let algorithms = cms.as_ref().map(Cms::algorithms).unwrap_or_default();
    let missing = || Problem::error("C1", format!("{csar} cannot be found"));
    let (copy, sums) =
        archive.copy(csar, &algorithms).unwrap_or_else(|| Err(missing())).map_err(|problem| vec![problem])?;
    let inner = Archive::zip(Box::new(BufReader::new(copy))).map_err(|problems| {
        let inside = |problem: Problem| Problem { message: format!("in {csar}: {}", problem.message), ..problem };
        problems.into_iter().map(inside).collect::<Vec<_>>()
    })?;
    Ok((inner, Some(Envelope { csar: csar.clone(), sums, cms: (signature.clone(), cms), certificates })))
}

impl Envelope {
    /// Judges the signature of the CSAR.
    pub fn verify(&self, options: &OpenOptions) -> Verdict {
        let (path, cms) = &self.cms;
        let at = |problem: Problem| problem.file(path);
        let Some(cms) = cms else {
            let message = "not a CMS signature in PEM or DER";
            return Verdict {
                signature: Signature::Unknown("it cannot be read".into()),
                problems: vec![at(Problem::error("F3", message))],
            };
        };
        let digest = |algorithm| self.sums.get(algorithm);
        match cms.verify(&Content { digest: &digest, bytes: None }, &self.certificates) {
            Ok(signer) => signature::judge(signer, cms, &self.certificates, Vec::new(), options, &at),
            Err(why) => signature::refuse(why, &format!("the signature of {}", self.csar), options, &at),
        }
    }
}
