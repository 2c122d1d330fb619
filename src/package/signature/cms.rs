//! A CMS signature (RFC 5652): who signed, and whether the signature fits the content.
//!
//! Only detached or attached `SignedData` with the algorithms that are in use and safe. Whether the signer is to be
//! trusted is judged in `certificate`.

use super::super::digests::{Algorithm, hex};
use super::asn1::{INTEGER, Item, Items, OCTET_STRING, OID, SEQUENCE, SET, context, definite, item};
use super::certificate::Certificate;
use ring::signature as ring;
use std::collections::BTreeSet;

const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 3];
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 4];
/// Start of the identifiers of PKCS#1; 1 is RSA itself, 10 RSA-PSS, 11 to 13 RSA with SHA-256, -384, -512.
const PKCS1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1];
/// Start of the identifiers of ECDSA with SHA-2: 1 SHA-224 to 4 SHA-512.
const ECDSA_SHA2: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3];
const EC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256: &[u8] = &[OID, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const P384: &[u8] = &[OID, 5, 0x2b, 0x81, 0x04, 0, 0x22];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// Start of the identifiers of SHA-2: 1 SHA-256, 2 SHA-384, 3 SHA-512, 4 SHA-224.
const SHA2: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2];

/// Most signers of one signature. Each costs a verification.
const MAX_SIGNERS: usize = 8;
/// Most certificates in one signature.
const MAX_CERTIFICATES: usize = 32;

/// What a signature is over.
pub(in super::super) struct Content<'a> {
    /// Its digest in hex.
    pub digest: &'a dyn Fn(Algorithm) -> Option<String>,
    /// All of it, if it is in memory.
    pub bytes: Option<&'a [u8]>,
}

/// Why a signature is not good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Refused {
    /// It can be told that it does not fit the content.
    Wrong(String),
    /// It cannot be told whether it does.
    Unknown(String),
}

/// A signature that was taken apart.
#[derive(Clone, Debug)]
pub(in super::super) struct Cms {
    content_type: Vec<u8>,
    attached: Option<Vec<u8>>,
    /// The certificates in it.
    pub certificates: Vec<Certificate>,
    signers: Vec<SignerInfo>,
}

#[derive(Clone, Debug)]
struct SignerInfo {
    id: SignerId,
    digest: Option<Algorithm>,
    /// The attributes as they are signed, content type and digest of the content.
    attributes: Option<Attributes>,
    /// Identifier of the signature's algorithm, and its parameters as they are encoded.
    algorithm: (Vec<u8>, Vec<u8>),
    signature: Vec<u8>,
}

#[derive(Clone, Debug)]
enum SignerId {
    IssuerAndSerial(Vec<u8>, Vec<u8>),
    Key(Vec<u8>),
}

#[derive(Clone, Debug)]
struct Attributes {
    signed: Vec<u8>,
    content_type: Option<Vec<u8>>,
    digest: Option<Vec<u8>>,
}

impl Cms {
    /// Takes a signature in DER or BER apart; `None` if it is none.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let der = definite(bytes)?;
        let mut outer = Items(&der).read(SEQUENCE)?.items();
        outer.read(OID).filter(|kind| kind.value == SIGNED_DATA)?;
        let mut data = outer.read(context(0))?.items().read(SEQUENCE)?.items();
        data.read(INTEGER)?;
        data.read(SET)?;
        let mut content = data.read(SEQUENCE)?.items();
        let content_type = content.read(OID)?.value.to_vec();
        let attached = content.read(context(0)).and_then(|item| item.items().read(OCTET_STRING));
        let certificates = data.read(context(0)).into_iter().flat_map(|set| set.items());
        let certificates =
            certificates.take(MAX_CERTIFICATES).filter_map(|certificate| Certificate::read(certificate.all)).collect();
        data.read(context(1));
        let signers: Vec<Item<'_>> = data.read(SET)?.items().collect();
        if signers.is_empty() || signers.len() > MAX_SIGNERS {
            return None;
        }
        Some(Self {
            content_type,
            attached: attached.map(|octets| octets.value.to_vec()),
            certificates,
            signers: signers.into_iter().map(signer).collect::<Option<_>>()?,
        })
    }

    /// The digests of the content that are needed to verify it.
    pub fn algorithms(&self) -> BTreeSet<Algorithm> {
        self.signers.iter().filter_map(|signer| signer.digest).collect()
    }

    /// Verifies every signer; returns the certificate of the first. `others` are certificates from beside the signature.
    pub fn verify<'a>(&'a self, content: &Content<'_>, others: &'a [Certificate]) -> Result<&'a Certificate, Refused> {
        let mut first = None;
        for signer in &self.signers {
            let certificate = self.certificates.iter().chain(others).find(|certificate| signer.id.is(certificate));
            let Some(certificate) = certificate else {
                let what = "the certificate of its signer is neither in it nor in the package";
                return Err(Refused::Unknown(what.into()));
            };
            signer.verify(self, content, certificate)?;
            first = first.or(Some(certificate));
        }
        first.ok_or_else(|| Refused::Unknown("it has no signer".into()))
    }
}

impl SignerId {
    fn is(&self, certificate: &Certificate) -> bool {
        match self {
            Self::IssuerAndSerial(issuer, serial) => *issuer == certificate.issuer && *serial == certificate.serial,
            Self::Key(id) => Some(id) == certificate.key_id.as_ref(),
        }
    }
}

fn signer(info: Item<'_>) -> Option<SignerInfo> {
    let mut info = Some(info).filter(|info| info.tag == SEQUENCE)?.items();
    info.read(INTEGER)?;
    // [0] is implicit: the octets stand in it directly.
    let id = match info.read(SEQUENCE) {
        Some(pair) => {
            let mut pair = pair.items();
            SignerId::IssuerAndSerial(pair.read(SEQUENCE)?.all.to_vec(), pair.read(INTEGER)?.all.to_vec())
        }
        None => SignerId::Key(info.read(0x80)?.value.to_vec()),
    };
    let digest = sha2(info.read(SEQUENCE)?.items().read(OID)?.value);
    let attributes = info.read(context(0)).map(attributes);
    let mut algorithm = info.read(SEQUENCE)?.items();
    let algorithm = (algorithm.read(OID)?.value.to_vec(), algorithm.next().map(|p| p.all.to_vec()).unwrap_or_default());
    let signature = info.read(OCTET_STRING)?.value.to_vec();
    Some(SignerInfo { id, digest, attributes, algorithm, signature })
}

fn attributes(set: Item<'_>) -> Attributes {
    let value = |wanted: &[u8], tag: u8| {
        set.items().find_map(|attribute| {
            let mut parts = attribute.items();
            parts.read(OID).filter(|id| id.value == wanted)?;
            Some(parts.read(SET)?.items().read(tag)?.value.to_vec())
        })
    };
    Attributes {
        // What is signed has the tag of a set, not that of its place (RFC 5652, 5.4).
        signed: item(SET, set.value),
        content_type: value(CONTENT_TYPE, OID),
        digest: value(MESSAGE_DIGEST, OCTET_STRING),
    }
}

impl SignerInfo {
    fn verify(&self, cms: &Cms, content: &Content<'_>, certificate: &Certificate) -> Result<(), Refused> {
        let unknown = |what: &str| Refused::Unknown(what.into());
        let digest = self.digest.ok_or_else(|| unknown("it is made with a digest other than SHA-2"))?;
        let got = (content.digest)(digest).ok_or_else(|| unknown("it is made with a digest other than SHA-2"))?;
        let changed = || Refused::Wrong("the content was changed after it was signed".into());
        if let (Some(attached), Some(bytes)) = (&cms.attached, content.bytes)
            && attached != bytes
        {
            return Err(changed());
        }
        let message = match &self.attributes {
            Some(attributes) => {
                if attributes.content_type.as_ref() != Some(&cms.content_type) {
                    return Err(Refused::Wrong("it is over another kind of content".into()));
                }
                if attributes.digest.as_ref().is_none_or(|digest| hex(digest) != got) {
                    return Err(changed());
                }
                attributes.signed.as_slice()
            }
            None => content
                .bytes
                .ok_or_else(|| unknown("it has no signed attributes, which signatures over large files need"))?,
        };
        let algorithm = self.algorithm(digest, certificate).map_err(unknown)?;
        let key = ring::UnparsedPublicKey::new(algorithm, &certificate.key);
        key.verify(message, &self.signature).map_err(|_| match self.attributes {
            // The digest fitted, so that it is the signature itself that is wrong.
            Some(_) => Refused::Wrong("it is not a signature by the key of its certificate".into()),
            None => changed(),
        })
    }

    /// What to verify with; if it is not known, why.
    fn algorithm(
        &self,
        digest: Algorithm,
        key: &Certificate,
    ) -> Result<&'static dyn ring::VerificationAlgorithm, &'static str> {
        let (id, parameters) = (self.algorithm.0.as_slice(), self.algorithm.1.as_slice());
        let (key_id, curve) = (key.key_algorithm.0.as_slice(), key.key_algorithm.1.as_slice());
        let kind =
            |prefix: &[u8]| id.strip_prefix(prefix).and_then(|rest| if let [kind] = rest { Some(*kind) } else { None });
        let rsa = key_id.strip_prefix(PKCS1).is_some_and(|kind| matches!(kind, [1 | 10]));
        // An algorithm that names its digest counts; the others use that of the content.
        let digest = match (kind(PKCS1), kind(ECDSA_SHA2)) {
            (Some(10), _) => {
                pss_digest(parameters).ok_or("RSA-PSS with parameters other than SHA-2 is not supported")?
            }
            (Some(11), _) | (_, Some(2)) => Algorithm::Sha256,
            (Some(12), _) | (_, Some(3)) => Algorithm::Sha384,
            (Some(13), _) | (_, Some(4)) => Algorithm::Sha512,
            (Some(1), _) => digest,
            _ if id == EC_KEY || id == ED25519 => digest,
            _ => return Err("its algorithm is none of RSA, RSA-PSS, ECDSA and Ed25519 with SHA-2"),
        };
        if rsa && id.starts_with(PKCS1) {
            let bits = key.key.len().saturating_mul(8);
            if bits < 2048 {
                return Err("its RSA key is shorter than 2048 bits");
            }
            return match (kind(PKCS1) == Some(10), digest) {
                (false, Algorithm::Sha256) => Ok(&ring::RSA_PKCS1_2048_8192_SHA256),
                (false, Algorithm::Sha384) => Ok(&ring::RSA_PKCS1_2048_8192_SHA384),
                (false, Algorithm::Sha512) => Ok(&ring::RSA_PKCS1_2048_8192_SHA512),
                (true, Algorithm::Sha256) => Ok(&ring::RSA_PSS_2048_8192_SHA256),
                (true, Algorithm::Sha384) => Ok(&ring::RSA_PSS_2048_8192_SHA384),
                (true, Algorithm::Sha512) => Ok(&ring::RSA_PSS_2048_8192_SHA512),
                (_, Algorithm::Sha224) => Err("RSA with SHA-224 is not supported"),
            };
        }
        match (key_id, curve, digest) {
            (EC_KEY, P256, Algorithm::Sha256) => Ok(&ring::ECDSA_P256_SHA256_ASN1),
            (EC_KEY, P256, Algorithm::Sha384) => Ok(&ring::ECDSA_P256_SHA384_ASN1),
            (EC_KEY, P384, Algorithm::Sha256) => Ok(&ring::ECDSA_P384_SHA256_ASN1),
            (EC_KEY, P384, Algorithm::Sha384) => Ok(&ring::ECDSA_P384_SHA384_ASN1),
            (EC_KEY, ..) => Err("ECDSA is supported with P-256 and P-384, and with SHA-256 and SHA-384"),
            (ED25519, ..) if id == ED25519 => Ok(&ring::ED25519),
            _ => Err("its algorithm does not fit the key of its certificate"),
        }
    }
}

/// The digest in the parameters of RSA-PSS. Its mask and salt are those of the digest, or the verification fails.
fn pss_digest(parameters: &[u8]) -> Option<Algorithm> {
    let parameters = Items(parameters).read(SEQUENCE)?;
    sha2(parameters.items().read(context(0))?.items().read(SEQUENCE)?.items().read(OID)?.value)
}

fn sha2(id: &[u8]) -> Option<Algorithm> {
    match id.strip_prefix(SHA2)? {
        [1] => Some(Algorithm::Sha256),
        [2] => Some(Algorithm::Sha384),
        [3] => Some(Algorithm::Sha512),
        [4] => Some(Algorithm::Sha224),
        _ => None,
    }
}
