//! Text that comes from a cluster or a package, made fit to be shown or stored: Secret values masked, control
//! characters taken out.
//!
//! Masking is the last defence, for container logs and events, which may repeat what a Secret holds. Mask first,
//! on the raw text, then take out the control characters.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use std::collections::BTreeSet;

/// What stands for a masked value.
const HIDDEN: &str = "***";
/// Shorter values are not masked: they would hide half of every text and no secret worth the name.
const SHORTEST: usize = 3;

/// The Secret values that must not be seen.
#[derive(Clone, Default)]
pub struct Mask {
    /// Longest first; none is empty.
    patterns: Vec<String>,
}

/// Never the values.
impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask({} patterns)", self.patterns.len())
    }
}

impl Mask {
    /// A mask for Secret values (decoded): each whole value of at least 3 bytes, each of its lines of at least 3
    /// characters, and both as standard base64 and as they stand inside a JSON string.
    pub fn new(secret_values: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut patterns = BTreeSet::new();
        for value in secret_values {
            if value.len() < SHORTEST {
                continue;
            }
            add(&value, &mut patterns);
            for line in value.split(|byte| *byte == b'\n') {
                let line = line.trim_ascii();
                if std::str::from_utf8(line).map_or(line.len(), |text| text.chars().count()) >= SHORTEST {
                    add(line, &mut patterns);
                }
            }
        }
        let mut patterns: Vec<String> = patterns.into_iter().collect();
        patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.len()));
        Self { patterns }
    }

    /// The text with every value replaced by `***`. Values that overlap are hidden as one, so that no tail of the
    /// second one stays behind.
    pub fn apply(&self, text: &str) -> String {
        let mut spans: Vec<(usize, usize)> = Vec::new();
        for pattern in &self.patterns {
            // Overlapping matches of one pattern count too ("aaa" twice in "aaaa").
            let step = pattern.chars().next().map_or(1, char::len_utf8);
            let mut from = 0;
            while let Some(at) = text.get(from..).and_then(|rest| rest.find(pattern.as_str())) {
                spans.push((from + at, from + at + pattern.len()));
                from += at + step;
            }
        }
        spans.sort_unstable();
        let mut masked = String::with_capacity(text.len());
        let mut shown = 0;
        for (start, end) in spans {
            if start >= shown {
                masked.push_str(&text[shown..start]);
                masked.push_str(HIDDEN);
            }
            shown = shown.max(end);
        }
        masked.push_str(&text[shown..]);
        masked
    }
}

/// Adds one value in the forms it may take in a text.
fn add(value: &[u8], patterns: &mut BTreeSet<String>) {
    patterns.insert(STANDARD.encode(value));
    // Some print it without padding. The unpadded form is a prefix of the padded one, so spans merge.
    patterns.insert(STANDARD_NO_PAD.encode(value));
    if let Ok(text) = std::str::from_utf8(value) {
        let quoted = serde_json::Value::from(text).to_string();
        patterns.insert(quoted[1..quoted.len() - 1].to_owned());
        patterns.insert(text.to_owned());
    }
}

/// Takes out what could drive or deceive a terminal: escape sequences, control characters (C0, DEL, C1), bidi
/// overrides and isolates, invisible characters. Line feed and tab stay; a carriage return ends a line.
pub fn printable(text: &str) -> String {
    clean(text, true)
}

/// [`printable`] for a cell of a table or the middle of a sentence: line ends and tabs become one space each.
pub fn printable_line(text: &str) -> String {
    clean(text, false)
}

fn clean(text: &str, lines: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = after;
        match c {
            '\u{1b}' | '\u{9b}' => rest = after_escape(c, after),
            '\r' if after.starts_with('\n') => {}
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => out.push(if lines { '\n' } else { ' ' }),
            '\t' => out.push(if lines { '\t' } else { ' ' }),
            c if c.is_control() || deceptive(c) => {}
            c => out.push(c),
        }
    }
    out
}

/// Directional controls, zero-width and other invisible characters, the byte order mark and tag characters. The
/// joiners U+200C and U+200D are needed by real scripts and stay.
fn deceptive(c: char) -> bool {
    matches!(c,
        '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// What follows an escape sequence (ECMA-48). One that does not end within its line loses its introducer only, so
/// that no text can be hidden by leaving it open.
fn after_escape(introducer: char, after: &str) -> &str {
    let (kind, body) = match (introducer, after.chars().next()) {
        ('\u{9b}', _) => ('[', after),
        (_, Some(kind @ ('[' | ']' | 'P' | 'X' | '^' | '_'))) => (kind, &after[1..]),
        _ => return after,
    };
    if kind == '[' {
        let end = body.find(|c: char| !matches!(c, ' '..='?'));
        return match end.and_then(|end| body[end..].chars().next().map(|last| (end, last))) {
            Some((end, '@'..='~')) => &body[end + 1..],
            _ => after,
        };
    }
    let line = body.split('\n').next().unwrap_or(body);
    let ends = [("\u{7}", 1), ("\u{1b}\\", 2), ("\u{9c}", 2)];
    let end = ends.into_iter().filter_map(|(mark, size)| line.find(mark).map(|at| at + size)).min();
    end.map_or(after, |end| &body[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(values: &[&str]) -> Mask {
        Mask::new(values.iter().map(|value| value.as_bytes().to_vec()))
    }

    #[test]
    fn values_are_hidden() {
        for (what, values, text, expected) in [
            ("whole", &["hunter2"][..], "pass=hunter2!", "pass=***!"),
            ("every time", &["abc"], "abc abc", "*** ***"),
            ("lines", &["user one\npw two\n"], "got pw two", "got ***"),
            ("short lines stay", &["ab\nlonger"], "ab longer", "ab ***"),
            ("short values stay", &["ab"], "ab cab", "ab cab"),
            ("base64", &["hunter2"], "aHVudGVyMg==", "***"),
            ("base64 without padding", &["hunter2"], "aHVudGVyMg.", "***."),
            ("longest first", &["secret", "secretive"], "secretive", "***"),
            ("overlapping", &["abcd", "cdef"], "xabcdefx", "x***x"),
            ("one inside another", &["my-secret-value", "secret"], "my-secret-value.", "***."),
            ("within itself", &["aaa"], "aaaa", "***"),
            ("in JSON", &["a\"b\nc\td"], r#"{"k":"a\"b\nc\td"}"#, r#"{"k":"***"}"#),
            ("not ASCII", &["pässwörd"], "é pässwörd é", "é *** é"),
            ("nothing to hide", &[], "text", "text"),
            ("empty", &[""], "text", "text"),
        ] {
            assert_eq!(mask(values).apply(text), expected, "{what}");
        }
        let binary = Mask::new([vec![0xff, 0xfe, 0xfd]]);
        assert_eq!(binary.apply("//79"), "***");
        assert!(!format!("{:?}", mask(&["hunter2"])).contains("hunter2"));
    }

    #[test]
    fn control_characters() {
        for (what, text, kept, line) in [
            ("plain", "a b", "a b", "a b"),
            ("line feed and tab", "a\n\tb", "a\n\tb", "a  b"),
            ("line ends", "a\r\nb\rc", "a\nb\nc", "a b c"),
            ("colour", "\u{1b}[1;31mred\u{1b}[0m", "red", "red"),
            ("C1 introducer", "\u{9b}2Jx", "x", "x"),
            ("title", "\u{1b}]0;evil\u{7}x", "x", "x"),
            ("link", "\u{1b}]8;;http://x\u{1b}\\t\u{1b}]8;;\u{1b}\\", "t", "t"),
            ("open sequence", "\u{1b}]0;shown", "]0;shown", "]0;shown"),
            ("open over a line", "\u{1b}]0;a\nb\u{7}", "]0;a\nb", "]0;a b"),
            ("lone escape", "a\u{1b}", "a", "a"),
            ("reset", "\u{1b}cx", "cx", "cx"),
            ("bell, backspace, DEL", "a\u{7}\u{8}\u{7f}b", "ab", "ab"),
            ("bidi", "a\u{202e}b\u{2066}c\u{200f}", "abc", "abc"),
            ("invisible", "a\u{200b}\u{feff}b", "ab", "ab"),
            ("line separator", "a\u{2028}b", "a\nb", "a b"),
            ("other scripts", "naïve 日本 \u{200d}", "naïve 日本 \u{200d}", "naïve 日本 \u{200d}"),
        ] {
            assert_eq!(printable(text), kept, "{what}");
            assert_eq!(printable_line(text), line, "{what}");
        }
    }
}
