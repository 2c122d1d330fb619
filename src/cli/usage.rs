//! What is wrong with a command line, in this program's own words: one line that says it, the word that was perhaps
//! meant, and where to read more.

use super::error::CliError;
use crate::object::reference::closest;
use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The error to show for what clap refuses. `None`: it is help or a version that was asked for, or clap says it best.
pub fn refused(error: &clap::Error, command: &Command, args: &[String]) -> Option<CliError> {
    let text = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let texts = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::Strings(texts)) => texts.clone(),
        Some(ContextValue::String(text)) => vec![text.clone()],
        _ => Vec::new(),
    };
    let (command, path) = innermost(command, args);
    let (what, guess) = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let typed = text(ContextKind::InvalidSubcommand)?;
            let verbs: Vec<String> = command
                .get_subcommands()
                .filter(|verb| !verb.is_hide_set())
                .map(|verb| verb.get_name().to_owned())
                .collect();
            (format!("unknown command {typed:?}"), meant(typed, &verbs))
        }
        ErrorKind::UnknownArgument => {
            let typed = text(ContextKind::InvalidArg)?;
            if !typed.starts_with('-') {
                (format!("unexpected word {typed:?}"), None)
            } else {
                let flags = command.get_arguments().filter_map(|arg| Some(format!("--{}", arg.get_long()?)));
                let flags: Vec<String> = flags.collect();
                (format!("unknown flag {typed}"), meant(typed, &flags))
            }
        }
        ErrorKind::InvalidValue => {
            let (flag, typed) = (text(ContextKind::InvalidArg)?, text(ContextKind::InvalidValue)?);
            let valid = texts(ContextKind::ValidValue);
            let flag = bare(flag);
            let what = match (typed, valid.as_slice()) {
                ("", []) => format!("{flag} wants a value"),
                ("", valid) => format!("{flag} wants a value: {}", valid.join(", ")),
                (typed, valid) => format!("{flag} cannot be {typed:?}: it is one of {}", valid.join(", ")),
            };
            (what, meant(typed, &valid))
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = texts(ContextKind::InvalidArg);
            (format!("missing: {}", missing.join(", ")), None)
        }
        ErrorKind::ArgumentConflict => {
            let (one, others) = (text(ContextKind::InvalidArg)?, texts(ContextKind::PriorArg));
            (format!("{one} does not go with {}", others.join(", ")), None)
        }
        ErrorKind::ValueValidation => {
            let (flag, typed) = (text(ContextKind::InvalidArg)?, text(ContextKind::InvalidValue)?);
            let why = std::error::Error::source(error).map(|why| format!(": {why}")).unwrap_or_default();
            (format!("{} cannot be {typed:?}{why}", bare(flag)), None)
        }
        _ => return None,
    };
    let what = match guess {
        Some(guess) => format!("{what}; did you mean {guess:?}?"),
        None => what,
    };
    Some(CliError::usage(what).hint(format!("How it is used: {path} --help")))
}

/// A flag without what clap shows of its value.
fn bare(flag: &str) -> &str {
    flag.split([' ', '=', '[']).next().unwrap_or(flag)
}

/// The word that was perhaps meant.
fn meant(typed: &str, known: &[String]) -> Option<String> {
    let begun = || known.iter().find(|word| typed.len() > 2 && word.starts_with(typed)).map(String::as_str);
    closest(typed, known).or_else(begun).map(ToOwned::to_owned)
}

/// The verb that the words lead to, and how it is called.
fn innermost<'c>(root: &'c Command, args: &[String]) -> (&'c Command, String) {
    let (mut command, mut path) = (root, "kubectl vnf".to_owned());
    for word in args.iter().skip(1) {
        if let Some(next) = command.find_subcommand(word) {
            command = next;
            path = format!("{path} {word}");
        } else if !word.starts_with('-') && !command.has_subcommands() {
            break;
        }
    }
    (command, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Cli;
    use clap::CommandFactory as _;

    fn told(line: &str) -> String {
        let args: Vec<String> = line.split(' ').map(ToOwned::to_owned).collect();
        let mut command = Cli::command();
        command.build();
        let error = Cli::command().try_get_matches_from(&args).expect_err("it is wrong");
        let error = refused(&error, &command, &args).unwrap_or_else(|| panic!("clap says: {error}"));
        format!("{} | {}", error.message, error.hints.join(" | "))
    }

    #[test]
    fn slips_are_told_with_what_was_meant() {
        for (line, expected) in [
            (
                "vnf udpate a",
                r#"unknown command "udpate"; did you mean "update"? | How it is used: kubectl vnf --help"#,
            ),
            (
                "vnf op rollbak a",
                r#"unknown command "rollbak"; did you mean "rollback"? | How it is used: kubectl vnf op --help"#,
            ),
            ("vnf frobnicate", r#"unknown command "frobnicate" | How it is used: kubectl vnf --help"#),
            (
                "vnf update a --pakage x",
                r#"unknown flag --pakage; did you mean "--package"? | How it is used: kubectl vnf update --help"#,
            ),
            (
                "vnf update a --nmespace x",
                r#"unknown flag --nmespace; did you mean "--namespace"? | How it is used: kubectl vnf update --help"#,
            ),
            ("vnf show a b", r#"unexpected word "b" | How it is used: kubectl vnf show --help"#),
            (
                "vnf update a --progress=plian",
                r#"--progress cannot be "plian": it is one of auto, tree, plain, json, none; did you mean "plain"? | How it is used: kubectl vnf update --help"#,
            ),
            (
                "vnf list -o jsn",
                r#"--output cannot be "jsn": it is one of json, yaml, name, wide, jsonpath=, jsonpath-file=; did you mean "json"? | How it is used: kubectl vnf list --help"#,
            ),
            ("vnf show", "missing: <NAME> | How it is used: kubectl vnf show --help"),
            (
                "vnf heal a --all --vdu x",
                "--all does not go with --vdu <VDU>... | How it is used: kubectl vnf heal --help",
            ),
            (
                "vnf scale a --aspect b --out=x",
                r#"--out cannot be "x": invalid digit found in string | How it is used: kubectl vnf scale --help"#,
            ),
            (
                "vnf update a --timeout soon",
                r#"--timeout cannot be "soon": not a duration such as 90s or 10m | How it is used: kubectl vnf update --help"#,
            ),
        ] {
            assert_eq!(told(line), expected, "{line}");
        }
    }
}
