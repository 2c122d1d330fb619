//! Coloured text that knows its width, and the symbols.
//!
//! Colours say little and always the same: green = done or ready, red = error words, yellow = `!` and deferred,
//! cyan = commands to type, bold = headings, dim = ids, ages, what stays untouched. Everything reads without them.

use super::{Screen, Symbols};
use crate::object::mask::printable_line;
use owo_colors::OwoColorize as _;
use std::fmt;
use std::ops::Add;
use unicode_width::UnicodeWidthStr as _;

/// One line of text without anything that could drive or deceive a terminal.
pub fn clean(text: &str) -> String {
    printable_line(text)
}

/// A piece of a line: styled, and as wide as it shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    styled: String,
    width: usize,
}

impl Text {
    /// Nothing.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Columns that it takes.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Whether it takes none.
    pub fn is_empty(&self) -> bool {
        self.width == 0
    }

    /// Filled up with spaces to a width; never cut.
    #[must_use]
    pub fn pad(mut self, width: usize) -> Self {
        let missing = width.saturating_sub(self.width);
        self.styled.extend(std::iter::repeat_n(' ', missing));
        self.width += missing;
        self
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.styled)
    }
}

impl Add for Text {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self.styled.push_str(&other.styled);
        self.width += other.width;
        self
    }
}

impl Add<&str> for Text {
    type Output = Self;

    fn add(self, other: &str) -> Self {
        self + plain(other)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        plain(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        plain(&text)
    }
}

fn styled(text: &str, style: impl Fn(&str) -> String) -> Text {
    let text = clean(text);
    let width = text.width();
    let styled = if text.is_empty() { text } else { style(&text) };
    Text { styled, width }
}

/// Without a colour.
pub fn plain(text: &str) -> Text {
    styled(text, ToOwned::to_owned)
}

/// Done or ready.
pub fn green(text: &str) -> Text {
    styled(text, |text| text.green().to_string())
}

/// An error word.
pub fn red(text: &str) -> Text {
    styled(text, |text| text.red().to_string())
}

/// A warning, or something deferred.
pub fn yellow(text: &str) -> Text {
    styled(text, |text| text.yellow().to_string())
}

/// A command to type.
pub fn cyan(text: &str) -> Text {
    styled(text, |text| text.cyan().to_string())
}

/// An id, an age, something untouched.
pub fn dim(text: &str) -> Text {
    styled(text, |text| text.dimmed().to_string())
}

/// A heading.
pub fn bold(text: &str) -> Text {
    styled(text, |text| text.bold().to_string())
}

/// The word `error:` at the start of a line.
pub fn error_word() -> Text {
    styled("error:", |text| text.red().bold().to_string())
}

/// Pieces one after the other.
pub fn join(pieces: impl IntoIterator<Item = Text>, separator: &str) -> Text {
    pieces.into_iter().reduce(|line, piece| line + separator + piece).unwrap_or_default()
}

/// Cut to a width, with an ellipsis in place of what is gone. For reasons and log lines; names are never cut.
pub fn fit(text: &str, width: usize, symbols: Symbols) -> String {
    let text = clean(text);
    if text.width() <= width {
        return text;
    }
    let ellipsis = match symbols {
        Symbols::Unicode => "…",
        Symbols::Ascii => "...",
    };
    let room = width.saturating_sub(ellipsis.width());
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if kept.width() > room {
            kept.pop();
            break;
        }
    }
    kept.truncate(kept.trim_end().len());
    kept.push_str(ellipsis);
    kept
}

/// What stands before a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// `✔`
    Done,
    /// `✖`
    Failed,
    /// `◌`
    Waiting,
    /// `!`
    Attention,
    /// `~`
    Change,
    /// `+`
    Create,
    /// `-`
    Delete,
}

impl Mark {
    /// The symbol, coloured. Where symbols stand under each other, [`Mark::column`] lines them up.
    pub fn text(self, screen: &Screen) -> Text {
        let ascii = screen.symbols == Symbols::Ascii;
        match self {
            Self::Done => green(if ascii { "ok" } else { "✔" }),
            Self::Failed => red(if ascii { "x" } else { "✖" }),
            Self::Waiting => plain(if ascii { "." } else { "◌" }),
            Self::Attention => yellow("!"),
            Self::Change => plain("~"),
            Self::Create => plain("+"),
            Self::Delete => plain("-"),
        }
    }

    /// The symbol, as wide as the widest of its set.
    pub fn column(self, screen: &Screen) -> Text {
        self.text(screen).pad(if screen.symbols == Symbols::Ascii { 2 } else { 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_get_into_a_line() {
        let text = plain("a\u{1b}[31mb\u{1b}]0;title\u{7}\n\u{202e}c");
        assert_eq!(text.to_string(), "ab c");
        assert_eq!(text.width(), 4);
    }

    #[test]
    fn colours_take_no_width() {
        let text = green("日本") + " " + dim("x");
        assert_eq!(text.width(), 6);
        assert_eq!(text.to_string(), "\u{1b}[32m日本\u{1b}[39m \u{1b}[2mx\u{1b}[0m");
        assert_eq!(red("").to_string(), "");
        assert_eq!(green("ab").pad(4).to_string(), "\u{1b}[32mab\u{1b}[39m  ");
    }

    #[test]
    fn text_is_cut_by_what_it_shows() {
        for (text, width, unicode, ascii) in [
            ("abcdef", 6, "abcdef", "abcdef"),
            ("abcdefg", 6, "abcde…", "abc..."),
            ("ab  defgh", 4, "ab…", "a..."),
            ("日本語日本", 6, "日本…", "日..."),
        ] {
            assert_eq!(fit(text, width, Symbols::Unicode), unicode);
            assert_eq!(fit(text, width, Symbols::Ascii), ascii);
        }
    }
}
