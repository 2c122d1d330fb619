//! Certificates: the parts that a signature is verified with, and whether one leads to a CA.
//!
//! The chain is judged by webpki, which also judges TLS servers for this program. Revocation is not looked at: a package
//! is judged without any network.

use super::asn1::{BIT_STRING, INTEGER, Items, OCTET_STRING, OID, SEQUENCE, SET, context};
use super::pem;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter};

const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 0x0e];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
/// `digitalSignature` and `nonRepudiation` in the first byte of a key usage.
const MAY_SIGN: u8 = 0xc0;

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Certificate {
    der: Vec<u8>,
    /// The issuer as it is encoded.
    pub issuer: Vec<u8>,
    /// The serial number as it is encoded.
    pub serial: Vec<u8>,
    /// Its subject, for people.
    pub subject: String,
    /// Identifier of its key.
    pub key_id: Option<Vec<u8>>,
    /// Algorithm of the key: identifier, and its parameters as they are encoded.
    pub key_algorithm: (Vec<u8>, Vec<u8>),
    /// The public key.
    pub key: Vec<u8>,
    usage: Option<u8>,
}

impl Certificate {
    /// Reads one certificate in DER.
    pub fn read(der: &[u8]) -> Option<Self> {
        let whole = Items(der).read(SEQUENCE)?;
        let mut body = whole.items().read(SEQUENCE)?.items();
        body.read(context(0));
        let serial = body.read(INTEGER)?.all.to_vec();
        body.read(SEQUENCE)?;
        let issuer = body.read(SEQUENCE)?.all.to_vec();
        body.read(SEQUENCE)?;
        let subject = name(body.read(SEQUENCE)?.items());
        let mut key_info = body.read(SEQUENCE)?.items();
        let mut algorithm = key_info.read(SEQUENCE)?.items();
        let key_algorithm =
            (algorithm.read(OID)?.value.to_vec(), algorithm.next().map(|p| p.all.to_vec()).unwrap_or_default());
        let key = key_info.read(BIT_STRING)?.value.strip_prefix(&[0])?.to_vec();
        let (mut key_id, mut usage) = (None, None);
        let extensions = body.find(|item| item.tag == context(3)).and_then(|item| item.items().next());
        for extension in extensions.into_iter().flat_map(|extensions| extensions.items()) {
            let mut parts = extension.items();
            let (Some(id), Some(value)) = (parts.read(OID), parts.find(|part| part.tag == OCTET_STRING)) else {
                continue;
            };
            let inner = value.items().next();
            match id.value {
                SUBJECT_KEY_ID => key_id = inner.map(|id| id.value.to_vec()),
                KEY_USAGE => usage = inner.map(|bits| bits.value.get(1).copied().unwrap_or(0)),
                _ => {}
            }
        }
        Some(Self { der: whole.all.to_vec(), issuer, serial, subject, key_id, key_algorithm, key, usage })
    }

    /// Reads the certificates of a file: PEM, or one in DER. Empty if there is none.
    pub fn read_all(file: &[u8]) -> Vec<Self> {
        let blocks = pem::blocks(file, &["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"]);
        if blocks.is_empty() {
            Self::read(file).into_iter().collect()
        } else {
            blocks.iter().filter_map(|der| Self::read(der)).collect()
        }
    }
}

/// What a name says of who it is: the common name and the organisation.
fn name(parts: Items<'_>) -> String {
    let attributes = parts.filter(|part| part.tag == SET).flat_map(|part| part.items());
    let mut found: Vec<(&str, String)> = Vec::new();
    for attribute in attributes {
        let mut pair = attribute.items();
        let (Some(id), Some(value)) = (pair.read(OID), pair.next()) else { continue };
        let label = match id.value {
            [0x55, 4, 3] => "CN",
            [0x55, 4, 10] => "O",
            _ => continue,
        };
        let text = match value.tag {
            // BMPString: two bytes a character.
            0x1e => String::from_utf16_lossy(
                &value.value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect::<Vec<_>>(),
            ),
            _ => String::from_utf8_lossy(value.value).into_owned(),
        };
        found.push((label, text.chars().filter(|c| !c.is_control()).take(80).collect()));
    }
    found.sort();
    match found.is_empty() {
        true => "a certificate without a name".into(),
        false => found.iter().map(|(label, text)| format!("{label}={text}")).collect::<Vec<_>>().join(", "),
    }
}

/// The CAs that the user trusts, and the time for which certificates are judged.
#[derive(Clone, Debug)]
pub struct Authorities {
    certificates: Vec<Certificate>,
    now: jiff::Timestamp,
}

/// A file that holds no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no certificate in it: expected PEM blocks -----BEGIN CERTIFICATE-----")]
pub struct NoCertificate;

impl Authorities {
    /// Reads a bundle of certificates in PEM (or one in DER).
    ///
    /// # Errors
    /// There is none in it.
    pub fn read(bundle: &[u8], now: jiff::Timestamp) -> Result<Self, NoCertificate> {
        let certificates = Certificate::read_all(bundle);
        if certificates.is_empty() { Err(NoCertificate) } else { Ok(Self { certificates, now }) }
    }

    /// Whether a certificate may sign and leads to one of these CAs, by way of `others`; if not, why.
    pub(super) fn verify(&self, leaf: &Certificate, others: &[Certificate]) -> Result<String, String> {
        if leaf.usage.is_some_and(|usage| usage & MAY_SIGN == 0) {
            return Err("its key usage does not allow to sign".into());
        }
        let time = u64::try_from(self.now.as_second()).unwrap_or_default();
        let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(time));
        let roots: Vec<CertificateDer<'_>> =
            self.certificates.iter().map(|root| CertificateDer::from(root.der.as_slice())).collect();
        let anchors: Vec<TrustAnchor<'_>> =
            roots.iter().filter_map(|root| webpki::anchor_from_trusted_cert(root).ok()).collect();
        let between: Vec<CertificateDer<'_>> =
            others.iter().map(|other| CertificateDer::from(other.der.as_slice())).collect();
        let der = CertificateDer::from(leaf.der.as_slice());
        let certificate = EndEntityCert::try_from(&der).map_err(|error| why(&error))?;
        let result = certificate.verify_for_usage(ALGORITHMS, &anchors, &between, time, Signing, None, None);
        match result {
            Ok(path) => {
                let root = self.certificates.iter().zip(&roots).find(|(_, root)| {
                    webpki::anchor_from_trusted_cert(root).is_ok_and(|anchor| anchor == *path.anchor())
                });
                Ok(root.map_or_else(String::new, |(root, _)| root.subject.clone()))
            }
            // Whoever names the signer's own certificate as the CA trusts just that one; its dates were judged before
            // this error came.
            Err(webpki::Error::CaUsedAsEndEntity | webpki::Error::UnknownIssuer)
                if self.certificates.contains(leaf) =>
            {
                Ok(leaf.subject.clone())
            }
            Err(error) => Err(why(&error)),
        }
    }
}

/// What signatures of certificates are verified with.
static ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = webpki::ALL_VERIFICATION_ALGS;

/// What a certificate must be made for: anything, or one of the uses that are about signing content.
struct Signing;

impl ExtendedKeyUsageValidator for Signing {
    fn validate(&self, uses: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        // codeSigning, emailProtection, documentSigning, anyExtendedKeyUsage
        let known: [&[usize]; 4] = [
            &[1, 3, 6, 1, 5, 5, 7, 3, 3],
            &[1, 3, 6, 1, 5, 5, 7, 3, 4],
            &[1, 3, 6, 1, 5, 5, 7, 3, 36],
            &[2, 5, 29, 37, 0],
        ];
        let mut none = true;
        for purpose in uses {
            none = false;
            if known.iter().any(|known| purpose.as_ref().is_ok_and(|purpose| purpose.to_decoded_oid() == *known)) {
                return Ok(());
            }
        }
        if none {
            Ok(())
        } else {
            Err(webpki::Error::RequiredEkuNotFoundContext(webpki::RequiredEkuNotFoundContext {
                required: webpki::KeyUsage::required(&[]),
                present: Vec::new(),
            }))
        }
    }
}

/// What webpki found, in words.
fn why(error: &webpki::Error) -> String {
    use webpki::Error;
    let date = |time: &UnixTime| {
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        jiff::Timestamp::from_second(seconds)
            .map_or_else(|_| "?".to_owned(), |time| time.strftime("%Y-%m-%d").to_string())
    };
    match error {
        Error::UnknownIssuer => {
            "no CA of the bundle issued it, nor a certificate between them that is in the package".into()
        }
        Error::CertExpired { not_after, .. } => {
            format!("it, or one that it depends on, expired on {}", date(not_after))
        }
        Error::CertNotValidYet { not_before, .. } => {
            format!("it, or one that it depends on, is not valid before {}", date(not_before))
        }
        Error::CaUsedAsEndEntity => "it is a CA's certificate, but not one of the bundle".into(),
        Error::EndEntityUsedAsCa => "it was issued by a certificate that is not a CA's".into(),
        Error::RequiredEkuNotFoundContext(_) => "its extended key usage does not allow to sign content".into(),
        Error::UnsupportedCertVersion => "it is of a version before 3, which no CA should issue".into(),
        Error::InvalidSignatureForPublicKey => "the signature of its issuer does not verify".into(),
        other => format!("it cannot be judged ({other:?})"),
    }
}
