//! Reads what stands between the braces of a template.

use super::{Operator, Slice, Step, TemplateError, error};

/// Reads what stands between braces.
pub(super) struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    pub(super) fn new(rest: &'t str) -> Self {
        Self { rest }
    }

    /// The steps up to the closing brace, and what comes after it.
    pub(super) fn action(mut self) -> Result<(Vec<Step>, &'t str), TemplateError> {
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
