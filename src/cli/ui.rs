//! The terminal: stdout for what was asked for, stderr for everything else, and the one question.

use super::error::CliError;
use super::terminal::{self, Size};
use crate::view::{Screen, Symbols};
use anstream::AutoStream;
use jiff::Timestamp;
use std::io::{self, IsTerminal as _, Write as _};
use tokio::sync::watch;

/// Columns where nothing says how wide the terminal is.
const DEFAULT_WIDTH: usize = 90;
/// Narrower than this, nothing can be laid out.
const MIN_WIDTH: usize = 60;
/// Wider than this, lines are hard to read.
const MAX_WIDTH: usize = 120;

/// Where output goes, and what it may look like.
#[derive(Clone, Debug)]
pub struct Ui {
    namespace_flag: String,
}

impl Ui {
    /// A terminal whose hints carry this namespace flag (`""` where none is needed).
    pub fn new(namespace_flag: &str) -> Self {
        Self { namespace_flag: namespace_flag.to_owned() }
    }

    /// How to render for a person, at a time.
    pub fn screen(&self, now: Timestamp) -> Screen {
        Screen { width: width(), symbols: symbols(), now, namespace_flag: self.namespace_flag.clone() }
    }

    /// How to render a frame for a terminal of this size, at a time.
    pub fn frame(&self, now: Timestamp, size: Size) -> Screen {
        Screen { width: size.columns.clamp(MIN_WIDTH, MAX_WIDTH), ..self.screen(now) }
    }

    /// Prints what was asked for.
    pub fn out(&self, text: &str) {
        // Whoever closed the pipe has seen enough.
        let _ = self.heard(text);
    }

    /// As [`Ui::out`]; `false`: nobody reads it any more.
    pub fn heard(&self, text: &str) -> bool {
        let mut stdout = AutoStream::auto(io::stdout().lock());
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_ok()
    }

    /// Prints everything else: progress, plans before consent, warnings, hints.
    pub fn err(&self, text: &str) {
        err(text);
    }

    /// Prints an error with its hints.
    pub fn error(&self, error: &CliError) {
        self.err(&error.render(&self.namespace_flag));
    }

    /// Whether there is somebody to ask.
    pub fn interactive(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks a question; anything but `y` or `yes` is no. `None`: asked to stop instead.
    pub async fn ask(&self, question: &str, mut stop: watch::Receiver<bool>) -> Option<bool> {
        self.err(question);
        let _ = io::stderr().flush();
        let line = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            io::stdin().read_line(&mut line).map(|_| line)
        });
        tokio::select! {
            line = line => {
                let line = line.ok().and_then(Result::ok).unwrap_or_default();
                Some(matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
            }
            Ok(_) = stop.wait_for(|stop| *stop) => None,
        }
    }
}

/// As [`Ui::err`], for what knows no `Ui`. Whoever writes on the terminal at the time gets it: it never stands in the
/// midst of a frame.
pub fn err(text: &str) {
    if !terminal::say(text) {
        let _ = AutoStream::auto(io::stderr().lock()).write_all(text.as_bytes());
    }
}

fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || {
        let size =
            terminal_size::terminal_size_of(io::stderr()).or_else(|| terminal_size::terminal_size_of(io::stdout()));
        size.map(|(width, _)| usize::from(width.0))
    };
    columns.or_else(terminal).unwrap_or(DEFAULT_WIDTH).clamp(MIN_WIDTH, MAX_WIDTH)
}

/// Unicode where the locale says so, as far as a locale is set; a `dumb` terminal gets ASCII.
fn symbols() -> Symbols {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = variable("LC_ALL").or_else(|| variable("LC_CTYPE")).or_else(|| variable("LANG"));
    let plain = variable("TERM").as_deref() == Some("dumb");
    let unicode = locale.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    });
    if unicode && !plain { Symbols::Unicode } else { Symbols::Ascii }
}
