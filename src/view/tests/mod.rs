//! Every screen as a whole, colours taken out: the snapshots are what a user sees.

mod after;
mod before;
mod looks;
mod property;
mod tree;
mod validate;

use super::Screen;
use super::fixtures::screen;
use insta::Settings;

/// Compares a screen with its snapshot; no line may end in a space.
#[track_caller]
fn assert_screen(name: &str, text: &str) {
    let shown = anstream::adapter::strip_str(text).to_string();
    assert!(shown.lines().all(|line| !line.ends_with(' ')), "a line of {name} ends in a space:\n{shown}");
    snapshot(name, &shown);
}

/// Compares a screen at 80 and at 200 columns with one snapshot of both.
#[track_caller]
fn assert_widths(name: &str, render: impl Fn(&Screen) -> String) {
    let shown = [80, 200].map(|width| {
        let text = render(&screen(width));
        let shown = anstream::adapter::strip_str(&text).to_string();
        assert!(shown.lines().all(|line| !line.ends_with(' ')), "a line of {name} ends in a space:\n{shown}");
        format!("--- {width} columns\n{shown}")
    });
    snapshot(name, &shown.concat());
}

/// Compares a screen with its snapshot, colours and all; `␛` stands for the escape character.
#[track_caller]
fn assert_coloured(name: &str, text: &str) {
    snapshot(name, &text.replace('\u{1b}', "␛"));
}

#[track_caller]
fn snapshot(name: &str, shown: &str) {
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, shown));
}
