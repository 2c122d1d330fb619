//! What is wrong with a package: findings by rule, each with its place, and one line that counts them.

use super::Screen;
use super::page::Page;
use super::style::{Text, bold, clean, dim, green, plain, red, yellow};
use super::words::count;
use crate::package::{Problem, Severity, rules};

/// Text narrower than this is hard to read: it goes below its place then.
const LEAST: usize = 30;

/// Everything that `package validate` says.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidationSheet {
    /// The package as the user named it.
    pub package: String,
    /// Whether there is no error.
    pub valid: bool,
    /// Provider, product and version, where they could be read.
    pub product: Option<String>,
    /// Which standards it keeps to.
    pub standards: Vec<String>,
    /// How many errors.
    pub errors: usize,
    /// How many warnings.
    pub warnings: usize,
    /// What was found.
    pub problems: Vec<Problem>,
}

impl ValidationSheet {
    /// The sheet of a package and its problems.
    pub fn new(package: String, product: Option<String>, standards: Vec<String>, problems: Vec<Problem>) -> Self {
        let of = |severity| problems.iter().filter(|problem| problem.severity == severity).count();
        let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
        Self { package, valid: errors == 0, product, standards, errors, warnings, problems }
    }
}

/// The whole report.
pub fn report(sheet: &ValidationSheet, screen: &Screen) -> String {
    let mut page = Page::new(screen);
    let product = sheet.product.as_deref().map_or(Text::empty(), |product| plain(&format!(": {}", clean(product))));
    let subject = bold(&sheet.package) + product;
    if sheet.valid {
        page.hung(0, 4, subject + ": ", counts(sheet), ", ");
        groups(&mut page, 2, &sheet.problems);
        return page.finish();
    }
    page.list(0, Text::empty(), [subject, dim(&sheet.standards.join(", "))], "   ");
    page.blank();
    groups(&mut page, 0, &sheet.problems);
    page.blank();
    page.hung(0, 4, bold(&sheet.package) + ": ", counts(sheet), ", ");
    page.finish()
}

fn counts(sheet: &ValidationSheet) -> Vec<Text> {
    let mut counts = Vec::new();
    if sheet.valid {
        counts.push(green("valid"));
    } else {
        counts.push(red(&count(sheet.errors, "error")));
    }
    if sheet.warnings > 0 {
        counts.push(yellow(&count(sheet.warnings, "warning")));
    }
    counts
}

/// The problems, the worst first, those of one rule together.
fn groups(page: &mut Page<'_>, indent: usize, problems: &[Problem]) {
    let mut keys: Vec<(Severity, &str)> = Vec::new();
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        for problem in problems.iter().filter(|problem| problem.severity == severity) {
            if !keys.contains(&(severity, problem.rule)) {
                keys.push((severity, problem.rule));
            }
        }
    }
    for key in keys {
        let members: Vec<&Problem> = problems.iter().filter(|p| (p.severity, p.rule) == key).collect();
        group(page, indent, key, &members);
    }
}

fn group(page: &mut Page<'_>, indent: usize, (severity, rule): (Severity, &str), members: &[&Problem]) {
    let head = match severity {
        Severity::Error => red(&format!("error[{rule}]:")),
        Severity::Warning => yellow(&format!("warning[{rule}]:")),
        Severity::Note => plain(&format!("note[{rule}]:")),
    };
    let inner = indent + 2;
    match members {
        // What has no place of its own is the headline itself, and so is the one warning of a fine package.
        [only] if only.file.is_none() || indent > 0 => {
            let hang = indent + head.width() + 1;
            page.paragraph(indent, head + " ", &only.message);
            if only.file.is_some() {
                page.line(hang, dim(&place(only)));
            }
        }
        _ => {
            let title = if severity == Severity::Note { "worth knowing" } else { rules::title(rule) };
            page.paragraph(indent, head + " ", title);
            lines(page, inner, members);
        }
    }
    let mut helps: Vec<&str> = Vec::new();
    for help in members.iter().filter_map(|problem| problem.help.as_deref()) {
        if !helps.contains(&help) {
            helps.push(help);
        }
    }
    for help in helps {
        page.paragraph(inner, dim("help: "), help);
    }
}

/// Place and message of each, in two columns where there is room.
fn lines(page: &mut Page<'_>, indent: usize, members: &[&Problem]) {
    let places: Vec<String> = members.iter().map(|problem| place(problem)).collect();
    let widest = places.iter().map(|place| plain(place).width()).max().unwrap_or(0);
    let beside = indent + widest + 2 + LEAST <= page.screen.width;
    for (problem, place) in members.iter().zip(&places) {
        if place.is_empty() {
            page.paragraph(indent, Text::empty(), &problem.message);
        } else if beside {
            page.paragraph(indent, plain(place).pad(widest + 2), &problem.message);
        } else {
            page.line(indent, plain(place));
            page.paragraph(indent + 4, Text::empty(), &problem.message);
        }
    }
}

fn place(problem: &Problem) -> String {
    match (&problem.file, problem.line) {
        (Some(file), Some(line)) => format!("{file}:{line}"),
        (Some(file), None) => file.clone(),
        _ => String::new(),
    }
}
