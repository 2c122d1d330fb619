//! What is wrong with a package, as data: rule, place, text and advice.
//!
//! The rules themselves stand where the thing they judge is read. How a list of problems looks on a screen is decided
//! in `view`; text from the package in a message is not yet stripped of control characters here.

use serde::Serialize;
use std::fmt;

/// How much a problem weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing, nothing to mend.
    Note,
    /// The package can be used as it is.
    Warning,
    /// The package is wrong.
    Error,
}

/// One finding about a package.
///
/// `Display` gives place and message: `Files/kubernetes/cm.yaml:31: document 2 has no kind`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The rule's id, such as `A4`: one letter for what is judged (C archive, M TOSCA.meta, A artifact, F manifest file,
    /// V VNFD, K Kubernetes manifest, R request) and a number.
    pub rule: &'static str,
    /// How much it weighs.
    pub severity: Severity,
    /// File of the package, `/` separated.
    pub file: Option<String>,
    /// Line in that file, from 1.
    pub line: Option<usize>,
    /// What is wrong, without place; one line, no full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// An error against the standard that does not keep this program from using the package: `package validate` calls
    /// it an error, every other command a warning.
    #[serde(skip)]
    pub bearable: bool,
}

impl Problem {
    /// An error without a place.
    pub fn error(rule: &'static str, message: impl Into<String>) -> Self {
        Self {
            rule,
            severity: Severity::Error,
            file: None,
            line: None,
            message: message.into(),
            help: None,
            bearable: false,
        }
    }

    /// A warning without a place.
    pub fn warning(rule: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(rule, message) }
    }

    /// A note without a place.
    pub fn note(rule: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Note, ..Self::error(rule, message) }
    }

    /// The same, in a file.
    #[must_use]
    pub fn file(mut self, file: &str) -> Self {
        self.file = Some(file.into());
        self
    }

    /// The same, at a line of a file.
    #[must_use]
    pub fn at(mut self, file: &str, line: usize) -> Self {
        self.line = Some(line);
        self.file(file)
    }

    /// The same, with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, as an error that one can live with.
    #[must_use]
    pub fn bearable(mut self) -> Self {
        self.bearable = true;
        self
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: {}", self.message),
            (Some(file), None) => write!(f, "{file}: {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

/// A package that cannot be used, with everything that was found in one run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.summary())]
pub struct PackageError {
    /// The package as the user named it.
    pub origin: String,
    /// What was found; at least one error, and the warnings beside it.
    pub problems: Vec<Problem>,
}

impl PackageError {
    /// The errors among the problems.
    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.is_error())
    }

    fn summary(&self) -> String {
        let mut errors = self.errors();
        match (errors.next(), errors.count()) {
            (Some(only), 0) => format!("{}: {only}", self.origin),
            (_, others) => format!("{}: {} problems", self.origin, others + 1),
        }
    }
}

/// Splits a full list: an error if there is one in it that nobody can live with, else what remains are warnings and
/// notes.
pub(super) fn judge(problems: Vec<Problem>) -> Result<Vec<Problem>, Vec<Problem>> {
    let lighter = |problem: Problem| match problem.bearable {
        true => Problem { severity: problem.severity.min(Severity::Warning), ..problem },
        false => problem,
    };
    let problems: Vec<Problem> = problems.into_iter().map(lighter).collect();
    if problems.iter().any(Problem::is_error) {
        return Err(problems);
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_its_place() {
        let problem = Problem::error("K1", "document 2 has no kind");
        assert_eq!(problem.to_string(), "document 2 has no kind");
        assert_eq!(problem.clone().file("a.yaml").to_string(), "a.yaml: document 2 has no kind");
        assert_eq!(problem.at("a.yaml", 31).to_string(), "a.yaml:31: document 2 has no kind");
    }

    #[test]
    fn an_error_counts_errors_only() {
        let error = |rule| Problem::error(rule, "broken");
        let one = PackageError { origin: "x.csar".into(), problems: vec![Problem::warning("V9", "odd"), error("C1")] };
        assert_eq!(one.to_string(), "x.csar: broken");
        let two = PackageError { origin: "x.csar".into(), problems: vec![error("C1"), error("C2")] };
        assert_eq!(two.to_string(), "x.csar: 2 problems");
    }
}
