//! `-o jsonpath=TEMPLATE` in kubectl's dialect: text with expressions in braces, such as
//! `{range [*]}{.vnfInstanceName}{"\n"}{end}`.
//!
//! This is not RFC 9535: a template mixes text and paths, `..`, slices, unions and filters are kubectl's, a key that is
//! missing gives nothing, an index that is out of bounds is an error.

use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

/// Why a template cannot be read, or cannot be filled in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(String);

fn error(why: impl fmt::Display) -> TemplateError {
    TemplateError(why.to_string())
}

/// A template that has been read.
#[derive(Clone, Debug, PartialEq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    /// `{...}`
    Action(Vec<Step>),
    /// `{range ...}` to its `{end}`.
    Range(Vec<Step>, Vec<Part>),
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    /// `.name`
    Field(String),
    /// `.*`
    Wildcard,
    /// `..`
    Recursive,
    /// `[1]`, `[1:3]`, `[*]`
    Slice(Slice),
    /// `[0,2]`, `['a','b']`
    Union(Vec<Vec<Step>>),
    /// `[?(@.a=="b")]`
    Filter(Vec<Step>, Option<(Operator, Vec<Step>)>),
    /// A text, number or boolean that stands for itself.
    Literal(Value),
    /// `range` or `end`, to be made a [`Part::Range`] of.
    Word(String),
}

/// Which elements of a list, as Go's slices count them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slice {
    from: Option<i64>,
    to: Option<i64>,
    step: Option<i64>,
    /// One element: `to` follows from `from`.
    single: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut open: Vec<(Vec<Step>, Vec<Part>)> = Vec::new();
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            if at > 0 {
                parts.push(Part::Text(rest[..at].to_owned()));
            }
            let (mut steps, after) = Reader::new(&rest[at + 1..]).action()?;
            rest = after;
            match steps.first() {
                Some(Step::Word(word)) if word == "range" => {
                    steps.remove(0);
                    open.push((steps, std::mem::take(&mut parts)));
                }
                Some(Step::Word(word)) if word == "end" => {
                    let (over, before) = open.pop().ok_or_else(|| error("not in range, nothing to end"))?;
                    let body = std::mem::replace(&mut parts, before);
                    parts.push(Part::Range(over, body));
                }
                _ => parts.push(Part::Action(steps)),
            }
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        // As with kubectl, a range that is not ended goes on to the end. (kubectl then prints what is in it once more.)
        while let Some((over, before)) = open.pop() {
            let body = std::mem::replace(&mut parts, before);
            parts.push(Part::Range(over, body));
        }
        Ok(Self(parts))
    }

    /// The text for a value.
    ///
    /// # Errors
    /// The value is not as the template expects.
    pub fn fill(&self, value: &Value) -> Result<String, TemplateError> {
        let mut text = String::new();
        fill(&self.0, value, &mut text)?;
        Ok(text)
    }
}

fn fill(parts: &[Part], value: &Value, text: &mut String) -> Result<(), TemplateError> {
    for part in parts {
        match part {
            Part::Text(part) => text.push_str(part),
            Part::Action(steps) => {
                let found = walk(steps, value)?;
                text.push_str(&found.iter().map(|found| shown(found)).collect::<Vec<_>>().join(" "));
            }
            Part::Range(over, body) => {
                for each in walk(over, value)? {
                    fill(body, &each, text)?;
                }
            }
        }
    }
    Ok(())
}

/// As kubectl prints it: strings bare, lists and objects as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What a path leads to.
type Found<'v> = Vec<Cow<'v, Value>>;

fn walk<'v>(steps: &[Step], value: &'v Value) -> Result<Found<'v>, TemplateError> {
    let mut found = vec![Cow::Borrowed(value)];
    for step in steps {
        found = take(step, found)?;
    }
    Ok(found)
}

fn take<'v>(step: &Step, from: Found<'v>) -> Result<Found<'v>, TemplateError> {
    let mut found = Vec::new();
    match step {
        Step::Field(name) => found.extend(from.into_iter().filter_map(|value| field(value, name))),
        Step::Wildcard => found.extend(from.into_iter().flat_map(children)),
        Step::Recursive => from.into_iter().for_each(|value| descend(value, &mut found)),
        Step::Slice(slice) => {
            for value in from {
                found.extend(slice.of(value)?);
            }
        }
        Step::Union(paths) => {
            for path in paths {
                let mut each = from.clone();
                for step in path {
                    each = take(step, each)?;
                }
                found.extend(each);
            }
        }
        Step::Filter(left, comparison) => {
            for value in from {
                if !value.is_array() {
                    return Err(error(format!("{} is no list and cannot be filtered", kind(&value))));
                }
                for item in children(value) {
                    if passes(left, comparison.as_ref(), &item)? {
                        found.push(item);
                    }
                }
            }
        }
        // A text is there once, as in `{.a}{"\n"}`; a number, for comparing, once for each value.
        Step::Literal(text @ Value::String(_)) => found.push(Cow::Owned(text.clone())),
        Step::Literal(literal) => found.extend(from.iter().map(|_| Cow::Owned(literal.clone()))),
        Step::Word(word) => return Err(error(format!("unrecognized identifier {word}"))),
    }
    Ok(found)
}

fn field<'v>(value: Cow<'v, Value>, name: &str) -> Option<Cow<'v, Value>> {
    match value {
        Cow::Borrowed(value) => value.as_object()?.get(name).map(Cow::Borrowed),
        Cow::Owned(mut value) => value.as_object_mut()?.remove(name).map(Cow::Owned),
    }
}

/// The elements of a list, the values of an object.
fn children<'v>(value: Cow<'v, Value>) -> Found<'v> {
    match value {
        Cow::Borrowed(Value::Array(items)) => items.iter().map(Cow::Borrowed).collect(),
        Cow::Borrowed(Value::Object(fields)) => fields.values().map(Cow::Borrowed).collect(),
        Cow::Owned(Value::Array(items)) => items.into_iter().map(Cow::Owned).collect(),
        Cow::Owned(Value::Object(fields)) => fields.into_iter().map(|(_, value)| Cow::Owned(value)).collect(),
        _ => Vec::new(),
    }
}

/// A value and all that is below it, as far as it holds anything.
fn descend<'v>(value: Cow<'v, Value>, found: &mut Found<'v>) {
    let below = children(value.clone());
    let is_text = value.as_str().is_some_and(|text| !text.is_empty());
    if is_text || !below.is_empty() {
        found.push(value);
    }
    below.into_iter().for_each(|value| descend(value, found));
}

impl Slice {
    fn of<'v>(self, value: Cow<'v, Value>) -> Result<Found<'v>, TemplateError> {
        if value.is_null() {
            return Ok(Vec::new());
        }
        let Some(length) = value.as_array().map(|items| i64::try_from(items.len()).unwrap_or(i64::MAX)) else {
            return Err(error(format!("{} is not array or slice", kind(&value))));
        };
        let mut from = self.from.unwrap_or(0);
        if from < 0 {
            from = from.saturating_add(length);
        }
        let mut to = if self.single { from.saturating_add(1) } else { self.to.unwrap_or(length) };
        if to < 0 && !self.single {
            to = to.saturating_add(length);
        }
        if from == to {
            return Ok(Vec::new());
        }
        let out_of_bounds =
            |index: i64| Err(error(format!("array index out of bounds: index {index}, length {length}")));
        if from < 0 || from >= length {
            return out_of_bounds(from);
        }
        if to < 0 || to > length {
            return out_of_bounds(to - 1);
        }
        if from > to {
            return Err(error(format!("starting index {from} is greater than ending index {to}")));
        }
        let step = self.step.unwrap_or(1);
        let step = usize::try_from(step).ok().filter(|step| *step > 0).ok_or_else(|| error("step must be > 0"))?;
        let (skip, count) = (usize::try_from(from).unwrap_or(0), usize::try_from(to - from).unwrap_or(0));
        Ok(children(value).into_iter().skip(skip).take(count).step_by(step).collect())
    }
}

fn passes(left: &[Step], comparison: Option<&(Operator, Vec<Step>)>, item: &Value) -> Result<bool, TemplateError> {
    let Some((operator, right)) = comparison else {
        // What a path cannot be followed through has no such thing either.
        return Ok(walk(left, item).is_ok_and(|found| !found.is_empty()));
    };
    let one = |steps: &[Step]| -> Result<Option<Value>, TemplateError> {
        let mut found = walk(steps, item)?;
        if found.len() > 1 {
            return Err(error("can only compare one element at a time"));
        }
        Ok(found.pop().map(Cow::into_owned))
    };
    let (Some(left), Some(right)) = (one(left)?, one(right)?) else { return Ok(false) };
    let ordering = match (&left, &right) {
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Number(left), Value::Number(right)) => {
            let ordering = match (left.as_i64(), right.as_i64()) {
                (Some(left), Some(right)) => Some(left.cmp(&right)),
                _ => left.as_f64().zip(right.as_f64()).and_then(|(left, right)| left.partial_cmp(&right)),
            };
            ordering.ok_or_else(|| error("invalid type for comparison"))?
        }
        (Value::Bool(left), Value::Bool(right)) if matches!(operator, Operator::Equal | Operator::NotEqual) => {
            left.cmp(right)
        }
        (Value::Bool(_), Value::Bool(_)) => return Err(error("invalid type for comparison")),
        (left, right) => {
            return Err(error(format!("incompatible types for comparison: {} and {}", kind(left), kind(right))));
        }
    };
    Ok(match operator {
        Operator::Equal => ordering == Ordering::Equal,
        Operator::NotEqual => ordering != Ordering::Equal,
        Operator::Less => ordering == Ordering::Less,
        Operator::LessOrEqual => ordering != Ordering::Greater,
        Operator::Greater => ordering == Ordering::Greater,
        Operator::GreaterOrEqual => ordering != Ordering::Less,
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Reads what stands between braces.
struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn new(rest: &'t str) -> Self {
        Self { rest }
    }

    /// The steps up to the closing brace, and what comes after it.
    fn action(mut self) -> Result<(Vec<Step>, &'t str), TemplateError> {
        let mut steps = Vec::new();
        loop {
            if let Some(after) = self.rest.strip_prefix('}') {
                return Ok((steps, after));
            }
            self.step(&mut steps)?;
        }
    }

    fn step(&mut self, steps: &mut Vec<Step>) -> Result<(), TemplateError> {
        if let Some(after) = self.rest.strip_prefix("[?(") {
            self.rest = after;
            steps.push(self.filter()?);
            return Ok(());
        }
        if let Some(after) = self.rest.strip_prefix("..") {
            if steps.last() == Some(&Step::Recursive) {
                return Err(error("invalid multiple recursive descent"));
            }
            self.rest = after;
            steps.push(Step::Recursive);
            if self.rest.starts_with(is_word) {
                steps.push(self.field());
            }
            return Ok(());
        }
        let Some(first) = self.rest.chars().next().filter(|c| !matches!(c, '\n' | '\r')) else {
            return Err(error("unclosed action"));
        };
        match first {
            // `@` and `$` are the value at hand.
            ' ' | '@' | '$' => self.rest = &self.rest[1..],
            '[' => self.brackets(steps)?,
            '"' | '\'' => {
                let text = self.quoted(first)?;
                steps.push(Step::Literal(text.into()));
            }
            '.' => {
                self.rest = &self.rest[1..];
                steps.push(self.field());
            }
            '+' | '-' | '0'..='9' => steps.push(self.number()?),
            first if is_word(first) => {
                let word = self.until(is_terminator);
                steps.push(match word {
                    "true" => Step::Literal(true.into()),
                    "false" => Step::Literal(false.into()),
                    // Where they stand first they are taken out again.
                    word => Step::Word(word.to_owned()),
                });
            }
            other => return Err(error(format!("unrecognized character in action: {other:?}"))),
        }
        Ok(())
    }

    /// Takes everything up to a character.
    fn until(&mut self, end: impl Fn(char) -> bool) -> &'t str {
        let (taken, rest) = self.rest.split_at(self.rest.find(end).unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// A name, in which a backslash takes the meaning from what follows it.
    fn field(&mut self) -> Step {
        let mut name = String::new();
        let mut chars = self.rest.char_indices();
        let mut end = self.rest.len();
        while let Some((at, c)) = chars.next() {
            if c == '\\' {
                name.extend(chars.next().map(|(_, c)| c));
            } else if is_terminator(c) {
                end = at;
                break;
            } else {
                name.push(c);
            }
        }
        let typed = &self.rest[..end];
        self.rest = &self.rest[end..];
        if typed == "*" { Step::Wildcard } else { Step::Field(name) }
    }

    fn number(&mut self) -> Result<Step, TemplateError> {
        let sign = usize::from(self.rest.starts_with(['+', '-']));
        let digits = &self.rest[sign..];
        let length = sign + digits.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(digits.len());
        let (text, rest) = self.rest.split_at(length);
        self.rest = rest;
        let unsigned = text.strip_prefix('+').unwrap_or(text);
        if let Ok(number) = unsigned.parse::<i64>() {
            return Ok(Step::Literal(number.into()));
        }
        match unsigned.parse::<f64>() {
            Ok(number) if digits.starts_with(|c: char| c == '.' || c.is_ascii_digit()) => {
                Ok(Step::Literal(number.into()))
            }
            _ => Err(error(format!("cannot parse number {text}"))),
        }
    }

    /// A text in quotes, with Go's escapes.
    fn quoted(&mut self, quote: char) -> Result<String, TemplateError> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices();
        chars.next();
        while let Some((at, c)) = chars.next() {
            match c {
                '\n' => break,
                '\\' => {
                    let escaped = chars.next().map(|(_, c)| c);
                    let mut code = |digits: usize| {
                        let hex: String = chars.by_ref().take(digits).map(|(_, c)| c).collect();
                        let code = (hex.len() == digits).then(|| u32::from_str_radix(&hex, 16).ok()).flatten();
                        code.and_then(char::from_u32)
                    };
                    let meant = match escaped {
                        Some('a') => Some('\u{7}'),
                        Some('b') => Some('\u{8}'),
                        Some('f') => Some('\u{c}'),
                        Some('n') => Some('\n'),
                        Some('r') => Some('\r'),
                        Some('t') => Some('\t'),
                        Some('v') => Some('\u{b}'),
                        Some('x') => code(2),
                        Some('u') => code(4),
                        Some('U') => code(8),
                        Some(other) if other == '\\' || other == quote => Some(other),
                        _ => None,
                    };
                    text.push(meant.ok_or_else(|| error("invalid escape in a quoted string"))?);
                }
                c if c == quote => {
                    self.rest = &self.rest[at + c.len_utf8()..];
                    return Ok(text);
                }
                c => text.push(c),
            }
        }
        Err(error("unterminated quoted string"))
    }

    /// `[...]`, filters excepted.
    fn brackets(&mut self, steps: &mut Vec<Step>) -> Result<(), TemplateError> {
        let (inside, rest) = self.rest[1..].split_once(']').ok_or_else(|| error("unterminated array"))?;
        if inside.contains('\n') {
            return Err(error("unterminated array"));
        }
        self.rest = rest;
        if inside.contains(',') {
            let path = |one: &str| -> Result<Vec<Step>, TemplateError> {
                let mut steps = Vec::new();
                index(one.trim_matches(' '), &mut steps)?;
                Ok(steps)
            };
            steps.push(Step::Union(inside.split(',').map(path).collect::<Result<_, _>>()?));
            return Ok(());
        }
        index(inside, steps)
    }

    /// What comes after `[?(`.
    fn filter(&mut self) -> Result<Step, TemplateError> {
        let mut quote = None;
        let mut escaped = false;
        let mut end = None;
        for (at, c) in self.rest.char_indices() {
            match (quote, c) {
                (_, '\n') => break,
                _ if escaped => escaped = false,
                (Some(_), '\\') => escaped = true,
                (None, '"' | '\'') => quote = Some(c),
                (Some(open), c) if c == open => quote = None,
                (None, ')') => {
                    end = Some(at);
                    break;
                }
                _ => {}
            }
        }
        let (inside, rest) = self.rest.split_at(end.ok_or_else(|| error("unterminated filter"))?);
        self.rest = rest.strip_prefix(")]").ok_or_else(|| error("unclosed array expect ]"))?;
        let is_operator = |c: char| matches!(c, '!' | '<' | '>' | '=');
        let Some(at) = inside.find(is_operator).filter(|at| *at > 0) else {
            return Ok(Step::Filter(steps(inside)?, None));
        };
        let (left, right) = inside.split_at(at);
        let (operator, right) = right.split_at(right.find(|c| !is_operator(c)).unwrap_or(right.len()));
        let operator = match operator {
            "==" => Operator::Equal,
            "!=" => Operator::NotEqual,
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            other => return Err(error(format!("unrecognized filter operator {other}"))),
        };
        Ok(Step::Filter(steps(left)?, Some((operator, steps(right)?))))
    }
}

/// Steps that stand without braces, in a filter.
fn steps(text: &str) -> Result<Vec<Step>, TemplateError> {
    let mut reader = Reader::new(text);
    let mut steps = Vec::new();
    while !reader.rest.is_empty() {
        reader.step(&mut steps)?;
    }
    Ok(steps)
}

/// One index: `'key'`, `*`, a number or a slice.
fn index(text: &str, into: &mut Vec<Step>) -> Result<(), TemplateError> {
    let key = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).filter(|key| !key.contains('\''));
    if let Some(key) = key {
        // As with kubectl, dots in it part fields unless a backslash stands before them.
        into.extend(steps(&format!(".{key}"))?);
        return Ok(());
    }
    let wrong = || error(format!("invalid array index {text}"));
    let mut numbers = if text == "*" { ":" } else { text }.split(':');
    let mut number = || -> Result<Option<i64>, TemplateError> {
        match numbers.next() {
            None | Some("") => Ok(None),
            Some(number) if number.starts_with('+') => Err(wrong()),
            Some(number) => number.parse().map(Some).map_err(|_| wrong()),
        }
    };
    let (from, to, step) = (number()?, number()?, number()?);
    if numbers.next().is_some() || text.is_empty() {
        return Err(wrong());
    }
    into.push(Step::Slice(Slice { from, to, step, single: text != "*" && !text.contains(':') }));
    Ok(())
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn is_terminator(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn filled(template: &str, value: &Value) -> Result<String, String> {
        let template = Template::parse(template).map_err(|error| error.to_string())?;
        template.fill(value).map_err(|error| error.to_string())
    }

    fn vnf() -> Value {
        json!({
            "name": "upf",
            "ready": true,
            "none": null,
            "labels": {"app.kubernetes.io/name": "x", "plain": "y"},
            "vdus": [
                {"id": "VDU1", "replicas": 1, "images": ["nginx", "envoy"]},
                {"id": "VDU2", "replicas": 3, "images": ["cirros"], "aspect": "a"},
                {"id": "VDU3", "replicas": 2.5, "images": []},
            ],
        })
    }

    /// kubectl itself is asked about such paths by a test of the cluster tests.
    #[test]
    fn paths_lead_where_kubectl_leads() {
        for (template, expected) in [
            ("{.name}", "upf"),
            ("{$.name}{@.name}{name}", ""),
            ("a {.name} b", "a upf b"),
            (r#"{.name}{"\t"}{.ready}{'\n'}"#, "upf\ttrue\n"),
            ("{.none}", "null"),
            ("{.missing}{.missing.deeper}{.name.deeper}", ""),
            ("{.vdus[0].id}", "VDU1"),
            ("{.vdus[-1].id}", "VDU3"),
            ("{.vdus[-2:].id}", "VDU2 VDU3"),
            ("{.vdus[*].id}", "VDU1 VDU2 VDU3"),
            ("{.vdus[0:3:2].id}", "VDU1 VDU3"),
            ("{.vdus[0,2].id}", "VDU1 VDU3"),
            ("{.vdus[1:1].id}", ""),
            ("{.vdus[*]['id','replicas']}", "VDU1 VDU2 VDU3 1 3 2.5"),
            ("{.vdus[?(@.id==\"VDU2\")].replicas}", "3"),
            ("{.vdus[?(@.id!='VDU2')].id}", "VDU1 VDU3"),
            ("{.vdus[?(@.replicas>=2)].id}", "VDU2 VDU3"),
            ("{.vdus[?(@.replicas<2)].id}", "VDU1"),
            ("{.vdus[?(@.aspect)].id}", "VDU2"),
            ("{.vdus[?(@.images[0]==\"nginx\")].id}", "error"),
            ("{.vdus[0].images}", r#"["nginx","envoy"]"#),
            ("{..id}", "VDU1 VDU2 VDU3"),
            ("{.vdus.*.id}", "VDU1 VDU2 VDU3"),
            ("{.labels.plain}", "y"),
            (r"{.labels.app\.kubernetes\.io/name}", "x"),
            (r"{.labels['app\.kubernetes\.io/name']}", "x"),
            ("{range .vdus[*]}{.id}={.replicas};{end}.", "VDU1=1;VDU2=3;VDU3=2.5;."),
            ("{range .vdus[*]}{.id}:{range .images[*]} {@}{end}\n{end}", "VDU1: nginx envoy\nVDU2: cirros\nVDU3:\n"),
            ("{range .missing[*]}{.id}{end}{.name}", "upf"),
            ("no braces", "no braces"),
            ("", ""),
        ] {
            let found = filled(template, &vnf());
            match expected {
                "error" => assert!(found.is_err(), "{template}"),
                "" if template.contains("{name}") => assert_eq!(found.unwrap_err(), "unrecognized identifier name"),
                expected => assert_eq!(found.as_deref(), Ok(expected), "{template}"),
            }
        }
    }

    #[test]
    fn mistakes_are_told_in_kubectls_words() {
        for (template, expected) in [
            ("{.a", "unclosed action"),
            ("{end}", "not in range, nothing to end"),
            ("{foo}", "unrecognized identifier foo"),
            ("{.a[}", "unterminated array"),
            ("{.a[x]}", "invalid array index x"),
            ("{.a[]}", "invalid array index "),
            ("{.a[?(@.b}", "unterminated filter"),
            ("{.a[?(@.b)}", "unclosed array expect ]"),
            ("{.vdus[?(@.b=~'x')]}", "unrecognized filter operator ="),
            ("{.vdus[?(@.b<>'x')]}", "unrecognized filter operator <>"),
            ("{.a.....b}", "invalid multiple recursive descent"),
            ("{\"x}", "unterminated quoted string"),
            ("{%}", "unrecognized character in action: '%'"),
            ("{-}", "cannot parse number -"),
            ("{.vdus[7]}", "array index out of bounds: index 7, length 3"),
            ("{.name[0]}", "a string is not array or slice"),
            ("{.labels[?(@.x)]}", "an object is no list and cannot be filtered"),
            ("{.vdus[?(@.replicas==\"1\")]}", "incompatible types for comparison: a number and a string"),
            ("{.vdus[0:2:0]}", "step must be > 0"),
        ] {
            assert_eq!(filled(template, &vnf()).unwrap_err(), expected, "{template}");
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-c ]{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_template_and_no_value_does_harm(
            template in prop_oneof![
                any::<String>(),
                "(\\{?(range |end|\\.a|\\.b|\\.\\.|\\[[-0-9:*,]{1,4}\\]|\\[\\?\\(@\\.[ab](==|<)?['\"0-9a]{0,3}\\)\\]|@|\\$| |\"[a\\\\n]{0,3}\"|[^a])\\}?){0,8}",
            ],
            value in value(),
        ) {
            if let Ok(template) = Template::parse(&template) {
                let _ = template.fill(&value);
            }
        }

        #[test]
        fn text_without_braces_stays_as_it_is(text in "[^{]*", value in value()) {
            prop_assert_eq!(filled(&text, &value), Ok(text));
        }

        #[test]
        fn every_field_is_found_by_its_escaped_name(name in "[^\\x00-\\x1f]{1,8}") {
            let escaped: String = name.chars().flat_map(|c| ['\\', c]).collect();
            let value = json!({name: "here"});
            prop_assert_eq!(filled(&format!("{{.{escaped}}}"), &value), Ok("here".to_owned()));
        }

        #[test]
        fn slices_take_what_a_list_has_there(length in 0_usize..6, from in -7_i64..7, to in -7_i64..7) {
            let list: Vec<i64> = (0..6).take(length).collect();
            let text = filled(&format!("{{[{from}:{to}]}}"), &json!(list));
            let end = |index: i64| if index < 0 { index + length as i64 } else { index };
            let (from, to) = (end(from), end(to));
            let inside = from == to || (0..length as i64).contains(&from) && (from..=length as i64).contains(&to);
            if inside {
                let taken: Vec<String> = (from..to).map(|index| index.to_string()).collect();
                prop_assert_eq!(text, Ok(taken.join(" ")));
            } else {
                prop_assert!(text.is_err());
            }
        }
    }
}
