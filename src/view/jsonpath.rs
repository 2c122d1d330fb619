//! `-o jsonpath=TEMPLATE` in kubectl's dialect: text with expressions in braces, such as
//! `{range [*]}{.vnfInstanceName}{"\n"}{end}`.
//!
//! This is not RFC 9535: a template mixes text and paths, `..`, slices, unions and filters are kubectl's, a key that is
//! missing gives nothing, an index that is out of bounds is an error.

mod read;
#[cfg(test)]
mod tests;

use read::Reader;
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
