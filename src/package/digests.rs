//! Digests: of a whole package (its identity) and of single files (what TOSCA.meta and the manifest promise).
//!
//! Only computing and comparing; which file must have which digest is read in `meta` and `manifest`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha224, Sha256, Sha384, Sha512};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// The content identity of a package: SHA-256 over its sorted files, so that a directory and its zip are one package.
///
/// Two packages may carry the same `descriptor_id`, so that id alone does not tell what runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest over files given in the order of their paths. Each field is preceded by its length, so that no
    /// two different lists of files give the same input.
    pub(super) fn of<'a>(files: impl Iterator<Item = (&'a str, u64, &'a [u8; 32])>) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(b"kubectl-vnf package 1\n");
        for (path, size, sum) in files {
            hasher.update((path.len() as u64).to_be_bytes());
            hasher.update(path);
            hasher.update(size.to_be_bytes());
            hasher.update(sum);
        }
        Self(hasher.finalize().into())
    }

    /// The first 12 hex digits, for people.
    pub fn short(&self) -> String {
        hex(&self.0[..6])
    }
}

/// 64 hex digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{self}")
    }
}

/// A text that is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a digest: expected sha256: and 64 hex digits")]
pub struct DigestError;

/// Reads 64 hex digits, with or without `sha256:` before them.
impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        unhex(digits).and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(DigestError)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("sha256:{self}"))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The algorithms of SOL004 4.3 and those that packages in the field use beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Algorithm {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    /// Reads `SHA-256`, `sha256`, ...
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.get(..3).filter(|start| start.eq_ignore_ascii_case("sha")).map(|_| &text[3..])?;
        match digits.strip_prefix(['-', '_']).unwrap_or(digits) {
            "224" => Some(Self::Sha224),
            "256" => Some(Self::Sha256),
            "384" => Some(Self::Sha384),
            "512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// The length of a digest in hex digits.
    pub fn digits(self) -> usize {
        match self {
            Self::Sha224 => 56,
            Self::Sha256 => 64,
            Self::Sha384 => 96,
            Self::Sha512 => 128,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHA-{}", self.digits() * 4)
    }
}

/// The digests of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sums {
    /// SHA-256, always there.
    pub sha256: [u8; 32],
    /// The others that were asked for, in hex.
    pub others: Vec<(Algorithm, String)>,
}

impl Sums {
    /// The digest by one algorithm in lower-case hex; `None` if it was not asked for.
    pub fn get(&self, algorithm: Algorithm) -> Option<String> {
        if algorithm == Algorithm::Sha256 {
            return Some(hex(&self.sha256));
        }
        self.others.iter().find(|(a, _)| *a == algorithm).map(|(_, sum)| sum.clone())
    }
}

/// Computes the digests of one file piece by piece.
pub(super) struct Hasher {
    sha256: Sha256,
    others: Vec<Other>,
}

enum Other {
    Sha224(Sha224),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl Hasher {
    /// SHA-256 and the algorithms given.
    pub fn new(algorithms: &BTreeSet<Algorithm>) -> Self {
        let other = |algorithm: &Algorithm| match algorithm {
            Algorithm::Sha224 => Some(Other::Sha224(Sha224::new())),
            Algorithm::Sha256 => None,
            Algorithm::Sha384 => Some(Other::Sha384(Sha384::new())),
            Algorithm::Sha512 => Some(Other::Sha512(Sha512::new())),
        };
        Self { sha256: Sha256::new(), others: algorithms.iter().filter_map(other).collect() }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        for other in &mut self.others {
            match other {
                Other::Sha224(hasher) => hasher.update(bytes),
                Other::Sha384(hasher) => hasher.update(bytes),
                Other::Sha512(hasher) => hasher.update(bytes),
            }
        }
    }

    pub fn finish(self) -> Sums {
        let others = self.others.into_iter().map(|other| match other {
            Other::Sha224(hasher) => (Algorithm::Sha224, hex(&hasher.finalize())),
            Other::Sha384(hasher) => (Algorithm::Sha384, hex(&hasher.finalize())),
            Other::Sha512(hasher) => (Algorithm::Sha512, hex(&hasher.finalize())),
        });
        Sums { others: others.collect(), sha256: self.sha256.finalize().into() }
    }
}

/// Lower-case hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes from hex digits of either case.
pub(super) fn unhex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_it_is_printed() {
        let digest = Digest::of([("a", 1, &[7; 32])].into_iter());
        assert_eq!(digest.to_string().len(), 64);
        assert_eq!(digest.short(), digest.to_string()[..12]);
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(serde_json::to_string(&digest).unwrap(), format!("\"sha256:{digest}\""));
        assert_eq!(serde_json::from_str::<Digest>(&format!("\"sha256:{digest}\"")).unwrap(), digest);
        assert_eq!("sha256:12".parse::<Digest>(), Err(DigestError));
    }

    #[test]
    fn paths_and_contents_do_not_run_into_each_other() {
        let sum = [0; 32];
        let one = Digest::of([("ab", 1, &sum)].into_iter());
        assert_ne!(one, Digest::of([("a", 1, &sum)].into_iter()));
        assert_ne!(one, Digest::of([("ab", 2, &sum)].into_iter()));
        assert_ne!(one, Digest::of([("ab", 1, &sum), ("b", 1, &sum)].into_iter()));
    }

    #[test]
    fn algorithms_of_any_spelling() {
        for text in ["SHA-512", "sha512", "Sha_512", "SHA512"] {
            assert_eq!(Algorithm::parse(text), Some(Algorithm::Sha512), "{text}");
        }
        for text in ["MD5", "SHA-1", "", "SHA", "sh\u{e4}-256", "SHA-256 "] {
            assert_eq!(Algorithm::parse(text), None, "{text}");
        }
        assert_eq!(Algorithm::Sha384.to_string(), "SHA-384");
    }

    #[test]
    fn sums_by_every_algorithm() {
        let all = [Algorithm::Sha224, Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512];
        let mut hasher = Hasher::new(&all.into());
        hasher.update(b"ab");
        hasher.update(b"c");
        let sums = hasher.finish();
        for (algorithm, start) in all.into_iter().zip(["23097d22", "ba7816bf", "cb00753f", "ddaf35a1"]) {
            let sum = sums.get(algorithm).unwrap();
            assert!(sum.starts_with(start), "{algorithm}");
            assert_eq!(sum.len(), algorithm.digits());
        }
        assert_eq!(Hasher::new(&BTreeSet::new()).finish().get(Algorithm::Sha512), None);
    }

    #[test]
    fn hex_digits_of_either_case() {
        assert_eq!(unhex("00fF"), Some(vec![0, 255]));
        assert_eq!(unhex("0"), None);
        assert_eq!(unhex("+1"), None);
        assert_eq!(unhex("\u{e4}"), None);
    }
}
