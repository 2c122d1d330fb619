//! `docs/commands.md`: the help of every verb as one page. A test keeps it true, and another one the help itself.

use super::args::Cli;
use clap::{Command, CommandFactory as _};
use std::fmt::Write as _;
use std::path::Path;

/// Columns of the page.
const WIDTH: usize = 100;

/// The page, as the help is now.
fn page() -> String {
    let mut root = Cli::command().term_width(WIDTH);
    root.build();
    let mut page = format!(
        "# Commands\n\nThe help of every verb, as `kubectl vnf help VERB` shows it; a test keeps this page true. The cluster \
         options stand\nat the end and go with every verb.\n\n## kubectl vnf\n\n{}",
        block(&without_globals(&root))
    );
    verbs(&root, "kubectl vnf", 2, &mut page);
    let globals: Command = root.clone().about("").long_about("").after_help("").help_template("{options}");
    let globals = globals.mut_args(|arg| if arg.is_global_set() { arg } else { arg.hide(true) });
    let _ = write!(page, "\n## Cluster options\n\n{}", block(&globals));
    page
}

fn verbs(command: &Command, path: &str, level: usize, page: &mut String) {
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help" && !verb.is_hide_set()) {
        let path = format!("{path} {}", verb.get_name());
        let _ = write!(page, "\n{} {path}\n\n{}", "#".repeat(level), block(&without_globals(verb)));
        verbs(verb, &path, level + 1, page);
    }
}

/// kubectl's own flags would be told with every verb.
fn without_globals(command: &Command) -> Command {
    let hidden = |arg: &clap::Arg| arg.is_global_set() || matches!(arg.get_id().as_str(), "help" | "version");
    command.clone().mut_args(move |arg| if hidden(&arg) { arg.hide(true) } else { arg })
}

fn block(command: &Command) -> String {
    let help = command.clone().render_long_help().to_string();
    let lines: Vec<&str> = help.trim().lines().map(str::trim_end).collect();
    format!("```text\n{}\n```\n", lines.join("\n"))
}

#[test]
fn the_page_of_commands_is_what_the_help_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("docs/commands.md can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page,
        "docs/commands.md is out of date; to write it anew: UPDATE_DOCS=1 cargo test --lib reference"
    );
}

/// A summary, a paragraph and examples, which `tests/it/examples.rs` runs.
#[test]
fn the_help_of_every_verb_teaches() {
    fn visit(command: &Command, path: &str) {
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            let path = format!("{path} {}", verb.get_name());
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            assert!((10..=120).contains(&about.len()) && !about.ends_with('.'), "{path}: {about:?} is no summary");
            if verb.has_subcommands() {
                visit(verb, &path);
                continue;
            }
            let long = verb.get_long_about().map(ToString::to_string).unwrap_or_default();
            assert!(long.len() > about.len() + 60, "{path} has no paragraph");
            let examples = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            let lines = examples.lines().filter(|line| line.starts_with("  ") && !line.starts_with("  #"));
            let wide = lines.clone().find(|line| line.len() > WIDTH);
            assert_eq!(wide, None, "{path} has an example that would be broken in two");
            assert!(examples.starts_with("Examples:\n") && lines.count() >= 2, "{path} has less than two examples");
        }
    }
    visit(&Cli::command(), "kubectl vnf");
}
