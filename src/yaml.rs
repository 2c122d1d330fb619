//! The only place that reads or prints YAML.
//!
//! Reading follows what `kubectl apply` makes of the same bytes (YAML 1.1 scalars as go-yaml v2 resolves them), because
//! packages are written for, and tried with, kubectl: `0666` is 438, `on` is a boolean, a key `8080` is the string
//! `"8080"`. Where kubectl takes the last of two equal keys silently, this is an error. Input is untrusted: size, depth,
//! documents and aliases are bounded.
//!
//! Errors carry a position but never a piece of the file, for the file may hold a Secret. What a document means (a
//! Kubernetes object, a VNFD) is not decided here.

use crate::apart::deep;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};
use serde_saphyr::{Error, Spanned};
use std::collections::HashSet;
use std::fmt;

/// Largest text that is read, in bytes: four times what the API server accepts as one object.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Largest number of documents in one text.
pub const MAX_DOCUMENTS: usize = 100;
/// Deepest nesting. The schemas of large custom resource definitions reach about 30. A level costs up to 60 KiB of stack
/// without optimisation.
pub const MAX_DEPTH: usize = 64;
/// Largest number of scalars, sequences and mappings in one text, aliases expanded.
pub const MAX_NODES: usize = 250_000;
/// Most of these that aliases may add: begins and ends of sequences and mappings, and scalars. The containers of a large
/// Pod with their settings repeated by anchors make some hundreds; aliases of aliases are stopped here, before they
/// cost time.
pub const MAX_ALIASED: usize = 20_000;

/// Why a text is not readable, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct YamlError {
    /// Line, from 1; 1 when the problem has no place (for example: the text is too large).
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong, without the position and without any content of the file.
    pub message: String,
}

impl YamlError {
    fn new(line: usize, column: usize, message: impl Into<String>) -> Self {
        Self { line: line.max(1), column: column.max(1), message: message.into() }
    }
}

/// A value that knows where it was written and in which order its keys came, for readers whose errors name lines.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Line (from 1) where the value starts; of an alias, where the anchor's value stands.
    pub line: usize,
    /// What it is.
    pub content: Content,
}

/// What a [`Node`] is.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Null, boolean, number or string, and the source text where the plain text means something else than a string.
    Scalar(Value, Option<String>),
    /// A sequence.
    Sequence(Vec<Node>),
    /// A mapping, in the order of the text.
    Mapping(Vec<Entry>),
}

/// One key and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key as a string, whatever scalar it was.
    pub key: String,
    /// Line (from 1) of the key.
    pub line: usize,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The value of a key; `None` for a missing key and for anything but a mapping. A key with the value null is there.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The value at a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Keys and values in the order of the text; empty for anything but a mapping.
    pub fn entries(&self) -> &[Entry] {
        if let Content::Mapping(entries) = &self.content { entries } else { &[] }
    }

    /// The items of a sequence; empty for anything else.
    pub fn items(&self) -> &[Node] {
        if let Content::Sequence(items) = &self.content { items } else { &[] }
    }

    /// How many values it is: itself, and all in it. Keys do not count.
    pub fn count(&self) -> usize {
        let inside: usize = match &self.content {
            Content::Scalar(..) => 0,
            Content::Sequence(items) => items.iter().map(Self::count).sum(),
            Content::Mapping(entries) => entries.iter().map(|entry| entry.value.count()).sum(),
        };
        inside + 1
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar(Value::Null, _))
    }

    /// Whether it is a mapping.
    pub fn is_mapping(&self) -> bool {
        matches!(&self.content, Content::Mapping(_))
    }

    /// The text of a scalar as the author wrote it: `1.10` stays `1.10` though it is a number. `None` for null and for
    /// what is not a scalar.
    pub fn text(&self) -> Option<String> {
        match &self.content {
            Content::Scalar(Value::Null, _) => None,
            Content::Scalar(_, Some(source)) => Some(source.clone()),
            Content::Scalar(Value::String(text), None) => Some(text.clone()),
            Content::Scalar(value, None) => Some(value.to_string()),
            _ => None,
        }
    }

    /// The plain value.
    pub fn to_value(&self) -> Value {
        match &self.content {
            Content::Scalar(value, _) => value.clone(),
            Content::Sequence(items) => Value::Array(items.iter().map(Node::to_value).collect()),
            Content::Mapping(entries) => {
                Value::Object(entries.iter().map(|entry| (entry.key.clone(), entry.value.to_value())).collect())
            }
        }
    }
}

/// Reads the one document of a text.
///
/// # Errors
/// As [`nodes`], and if there is no document or more than one.
pub fn node(text: &[u8]) -> Result<Node, YamlError> {
    let mut all = nodes(text)?.into_iter();
    match (all.next(), all.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(YamlError::new(1, 1, "the file is empty")),
        (Some(_), Some(second)) => Err(YamlError::new(second.line, 1, "a second document, where one is expected")),
    }
}

/// Reads all documents; empty ones are skipped. JSON is YAML.
///
/// # Errors
/// Not UTF-8, not YAML, a key twice in one mapping, or more than one of the bounds above.
pub fn nodes(text: &[u8]) -> Result<Vec<Node>, YamlError> {
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes, more than {} MiB", text.len(), MAX_BYTES / (1024 * 1024));
        return Err(YamlError::new(1, 1, message));
    }
    let text = std::str::from_utf8(text).map_err(|error| {
        let before = &text[..error.valid_up_to()];
        YamlError::new(before.iter().filter(|byte| **byte == b'\n').count() + 1, 1, "not UTF-8 text")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // A panic of the parser is not the file's fault, but the file is what the user can change.
    deep(|| parse(text)).unwrap_or_else(|| Err(YamlError::new(1, 1, "the YAML parser could not read this")))
}

fn parse(text: &str) -> Result<Vec<Node>, YamlError> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: Some(MAX_BYTES),
            max_documents: MAX_DOCUMENTS,
            max_depth: MAX_DEPTH,
            max_nodes: MAX_NODES,
            flow_nesting_limit: MAX_DEPTH,
            // Fifty containers may well share one list of variables; what aliases cost is bounded below.
            enforce_alias_anchor_ratio: false,
        },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_ALIASED },
        legacy_octal_numbers: true,
        with_snippet: false,
    };
    let parsed: Vec<Parsed> =
        serde_saphyr::from_str_multiple_with_options(text, options).map_err(|error| convert_error(&error))?;
    let nodes = parsed.into_iter().map(|parsed| parsed.into_node(text)).collect::<Result<Vec<_>, _>>()?;
    Ok(nodes.into_iter().filter(|node| !node.is_null()).collect())
}

/// Prints a value as YAML that a reader of YAML 1.1 and one of 1.2 understand alike, with a newline at the end.
pub fn to_string(value: &Value) -> String {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: true, yaml_12: false };
    // A JSON value has string keys and finite numbers only, which is all that the printer can refuse.
    let mut text = serde_saphyr::to_string_with_options(value, options).unwrap_or_else(|_| value.to_string());
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// What the parser hands over: values with places, before the rest of kubectl's reading is applied.
struct Parsed(Spanned<Raw>);

enum Raw {
    Scalar(Value),
    Sequence(Vec<Parsed>),
    Mapping(Vec<(Parsed, Parsed)>),
}

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Parsed)
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Raw;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Raw, E> {
                Ok(Raw::Scalar(Value::Null))
            }
            fn visit_none<E: de::Error>(self) -> Result<Raw, E> {
                self.visit_unit()
            }
            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
                Raw::deserialize(deserializer)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
                Ok(Raw::Scalar(value.into()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
                Ok(Raw::Scalar(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
                Ok(Raw::Scalar(value.into()))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Raw, E> {
                // JSON has one kind of number, and what kubectl sends for 1.0 or 1e3 is 1 or 1000.
                const EXACT: f64 = 9_007_199_254_740_992.0;
                if value.fract() == 0.0 && value.abs() < EXACT {
                    return Ok(Raw::Scalar((value as i64).into()));
                }
                Number::from_f64(value).map(|n| Raw::Scalar(n.into())).ok_or_else(|| E::custom("not a finite number"))
            }
            fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
                Ok(Raw::Scalar(value.into()))
            }
            fn visit_string<E>(self, value: String) -> Result<Raw, E> {
                Ok(Raw::Scalar(value.into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Raw, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = sequence.next_element()? {
                    items.push(item);
                }
                Ok(Raw::Sequence(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Raw::Mapping(entries))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl Parsed {
    fn line(&self) -> usize {
        usize::try_from(self.0.defined.line()).unwrap_or(1).max(1)
    }

    /// The text of this scalar in the source, when the parser knows where it is.
    fn source<'a>(&self, text: &'a str) -> Option<&'a str> {
        let span = self.0.defined.span();
        let start = usize::try_from(span.byte_offset()?).ok()?;
        let length = usize::try_from(span.byte_len()?).ok()?;
        text.get(start..start.checked_add(length)?)
    }

    fn into_node(self, text: &str) -> Result<Node, YamlError> {
        let line = self.line();
        let source = self.source(text);
        let content = match self.0.value {
            Raw::Scalar(value @ Value::String(_)) => Content::Scalar(value, None),
            Raw::Scalar(value) => {
                let source = source.map(str::trim).filter(|source| !source.is_empty()).map(str::to_owned);
                match source {
                    // The parser ignores case (`yEs`), go-yaml knows three spellings of each word.
                    Some(word) if value.is_boolean() && !is_boolean_word(&word) && is_plain_word(&word) => {
                        Content::Scalar(Value::String(word), None)
                    }
                    source => Content::Scalar(value, source),
                }
            }
            Raw::Sequence(items) => {
                Content::Sequence(items.into_iter().map(|item| item.into_node(text)).collect::<Result<_, _>>()?)
            }
            Raw::Mapping(entries) => {
                let mut seen = HashSet::new();
                let mut out = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    let column = usize::try_from(key.0.defined.column()).unwrap_or(1);
                    let key = key.into_node(text)?;
                    let name = key_text(&key)
                        .ok_or_else(|| YamlError::new(key.line, column, "a key that is not a word or a number"))?;
                    // The parser compares keys as written; `y` and `true` are the same key as well.
                    if !seen.insert(name.clone()) {
                        return Err(YamlError::new(key.line, column, duplicate_key(Some(&name))));
                    }
                    out.push(Entry { key: name, line: key.line, value: value.into_node(text)? });
                }
                Content::Mapping(out)
            }
        };
        Ok(Node { line, content })
    }
}

/// A key as kubectl turns it into JSON: `yes` becomes `true`, `0x10` becomes `16`. Null and collections are refused.
fn key_text(key: &Node) -> Option<String> {
    match &key.content {
        Content::Scalar(Value::String(text), _) => Some(text.clone()),
        Content::Scalar(Value::Null, _) | Content::Sequence(_) | Content::Mapping(_) => None,
        Content::Scalar(value, _) => Some(value.to_string()),
    }
}

fn is_plain_word(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// The words that go-yaml v2 reads as booleans.
fn is_boolean_word(word: &str) -> bool {
    const WORDS: [&str; 8] = ["y", "yes", "true", "on", "n", "no", "false", "off"];
    let lower = word.to_ascii_lowercase();
    let capital = word.len() > 1 && word[1..] == lower[1..];
    WORDS.contains(&lower.as_str()) && (word == lower || capital || word == word.to_ascii_uppercase())
}

fn duplicate_key(key: Option<&str>) -> String {
    let short = |key: &&str| key.len() <= 63 && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b));
    match key.filter(short) {
        Some(key) => format!("key {key:?} twice in one mapping"),
        None => "a key twice in one mapping".into(),
    }
}

/// The parser's error in our words. Only its fixed texts are taken over: others may quote the file.
fn convert_error(error: &Error) -> YamlError {
    let error = error.without_snippet();
    if let Error::AliasError { error, .. } = error {
        return convert_error(error);
    }
    let message = match error {
        Error::DuplicateMappingKey { key, .. } => duplicate_key(key.as_deref()),
        Error::Budget { .. } => format!(
            "larger than what is read (at most {MAX_DEPTH} levels, {MAX_DOCUMENTS} documents, {MAX_NODES} values)"
        ),
        Error::AliasReplayLimitExceeded { .. } | Error::AliasReplayStackDepthExceeded { .. } => {
            format!("its aliases stand for more than {MAX_ALIASED} values, the most that is read")
        }
        // The scanner's texts are constants that describe the grammar.
        Error::ExternalMessage { msg, .. } => msg.clone(),
        Error::Eof { .. } => "the file ends too early".into(),
        Error::UnknownAnchor { .. } => "an alias without its anchor".into(),
        Error::MergeValueNotMapOrSeqOfMaps { .. } => "'<<' needs a mapping or a sequence of mappings".into(),
        Error::InvalidBinaryBase64 { .. } => "!!binary without base64 text".into(),
        Error::UnsupportedTag { .. } => "a tag that is not known".into(),
        Error::Unexpected { expected, .. } => format!("expected {expected}"),
        _ => "not valid YAML".into(),
    };
    let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
    YamlError::new(usize::try_from(line).unwrap_or(1), usize::try_from(column).unwrap_or(1), message)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
