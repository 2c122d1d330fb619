//! PEM: base64 between delimiters, as certificates and signatures are kept in text files.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The bytes of all blocks with one of these labels.
pub(super) fn blocks(text: &[u8], labels: &[&str]) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(text);
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines().map(str::trim) {
        let begun = line.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----"));
        if let Some(label) = begun {
            open = labels.contains(&label).then(|| (format!("-----END {label}-----"), String::new()));
        } else if let Some((end, base64)) = &mut open {
            if line == end {
                blocks.extend(decode(base64));
                open = None;
            } else {
                base64.push_str(line);
            }
        }
    }
    blocks
}

/// Bytes from base64 that may hold white space.
pub(super) fn decode(base64: &str) -> Option<Vec<u8>> {
    let digits: String = base64.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    LENIENT.decode(digits).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_among_other_text() {
        let text = b"Subject: x\r\n-----BEGIN CMS-----\r\nAQI\r\nD\r\n-----END CMS-----\n-----BEGIN KEY-----\nAQID\n-----END KEY-----\n-----BEGIN CMS-----\nBA==\n-----END CMS-----\n-----BEGIN CMS-----\nBA";
        assert_eq!(blocks(text, &["CMS"]), [vec![1, 2, 3], vec![4]]);
        assert_eq!(blocks(b"-----BEGIN CMS-----\n%\n-----END CMS-----", &["CMS"]), [[0; 0]; 0]);
    }
}
