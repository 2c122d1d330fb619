//! `-o`: the form in which what was asked for is printed, with kubectl's names for the forms.

use super::error::CliError;
use crate::view::jsonpath::Template;
use crate::yaml;
use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use serde::Serialize;
use std::ffi::OsStr;

/// A form for machines, or a wider table.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// `KIND/NAME`.
    Name,
    /// More columns; of tables only.
    Wide,
    /// A template in kubectl's dialect.
    JsonPath(Template),
}

/// The forms as they are typed, and what they are.
const FORMS: [(&str, &str); 6] = [
    ("json", "JSON"),
    ("yaml", "YAML"),
    ("name", "Kind and name"),
    ("wide", "More columns"),
    ("jsonpath=", "A template as kubectl takes it, such as {.id}"),
    ("jsonpath-file=", "A file with such a template"),
];

impl Output {
    /// The text of a value in this form; `name` is what `-o name` says.
    ///
    /// # Errors
    /// A template does not fit the value.
    pub fn text(&self, value: &impl Serialize, name: &str) -> Result<String, CliError> {
        match self {
            Self::Name => Ok(format!("{name}\n")),
            Self::Json | Self::Wide => Ok(format!("{}\n", serde_json::to_string_pretty(value).map_err(CliError::new)?)),
            Self::Yaml => Ok(yaml::to_string(&serde_json::to_value(value).map_err(CliError::new)?)),
            Self::JsonPath(template) => {
                let value = serde_json::to_value(value).map_err(CliError::new)?;
                template.fill(&value).map_err(|error| CliError::new(format!("error executing jsonpath: {error}")))
            }
        }
    }
}

/// Reads the value of `-o`.
#[derive(Clone, Copy, Debug)]
pub struct OutputParser {
    wide: bool,
}

impl OutputParser {
    /// For what is no table.
    pub const SINGLE: Self = Self { wide: false };
    /// For a table, which can be wide.
    pub const TABLE: Self = Self { wide: true };

    fn forms(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        FORMS.into_iter().filter(move |(form, _)| self.wide || *form != "wide")
    }

    fn read(self, text: &str) -> Result<Option<Output>, String> {
        let template = |text: &str| match text {
            "" => Err("template format specified but no template given".to_owned()),
            text => Template::parse(text).map(Output::JsonPath).map_err(|error| error.to_string()),
        };
        Ok(Some(match text {
            "json" => Output::Json,
            "yaml" => Output::Yaml,
            "name" => Output::Name,
            "wide" if self.wide => Output::Wide,
            "jsonpath" | "jsonpath-file" => template("")?,
            other => match (other.strip_prefix("jsonpath="), other.strip_prefix("jsonpath-file=")) {
                (Some(text), _) => template(text)?,
                (_, Some(path)) => {
                    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
                    // An editor ends a file with a newline that nobody meant to print.
                    template(text.strip_suffix('\n').unwrap_or(&text))?
                }
                _ => return Ok(None),
            },
        }))
    }
}

impl TypedValueParser for OutputParser {
    type Value = Output;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, clap::Error> {
        let text = value.to_string_lossy();
        let told = match self.read(&text) {
            Ok(Some(output)) => return Ok(output),
            Ok(None) => None,
            Err(why) => Some(why),
        };
        let name = arg.map(ToString::to_string).unwrap_or_default();
        if let Some(why) = told {
            return Err(clap::Error::raw(ErrorKind::ValueValidation, format!("invalid value for '{name}': {why}\n"))
                .with_cmd(command));
        }
        let mut error = clap::Error::new(ErrorKind::InvalidValue).with_cmd(command);
        error.insert(ContextKind::InvalidArg, ContextValue::String(name));
        error.insert(ContextKind::InvalidValue, ContextValue::String(text.into_owned()));
        let forms = self.forms().map(|(form, _)| form.to_owned()).collect();
        error.insert(ContextKind::ValidValue, ContextValue::Strings(forms));
        Err(error)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.forms().map(|(form, help)| PossibleValue::new(form).help(help))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Result<Option<Output>, String> {
        OutputParser::SINGLE.read(text)
    }

    #[test]
    fn forms_are_read_as_kubectl_reads_them() {
        assert_eq!(read("json"), Ok(Some(Output::Json)));
        assert_eq!((read("wide"), OutputParser::TABLE.read("wide")), (Ok(None), Ok(Some(Output::Wide))));
        assert_eq!(read("jsonpath").unwrap_err(), "template format specified but no template given");
        assert_eq!(read("jsonpath=").unwrap_err(), "template format specified but no template given");
        assert_eq!(read("jsonpath={.a").unwrap_err(), "unclosed action");
        assert!(read("jsonpath-file=/nonexistent").unwrap_err().starts_with("/nonexistent: "));
        let output = read("jsonpath={.a.b}").unwrap().unwrap();
        assert_eq!(output.text(&json!({"a": {"b": 7}}), "x").unwrap(), "7");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "{.a}\n\n").unwrap();
        let output = read(&format!("jsonpath-file={}", file.path().display())).unwrap().unwrap();
        assert_eq!(output.text(&json!({"a": true}), "x").unwrap(), "true\n");
    }

    #[test]
    fn a_template_that_does_not_fit_is_an_error() {
        let output = read("jsonpath={.a[3]}").unwrap().unwrap();
        let error = output.text(&json!({"a": []}), "x").unwrap_err();
        assert_eq!(error.message, "error executing jsonpath: array index out of bounds: index 3, length 0");
    }
}
