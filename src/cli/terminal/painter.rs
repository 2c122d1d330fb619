//! Frames painted in place at the end of the output, as the bytes that turn one into the next.
//!
//! The cursor rests at the beginning of the line below the frame, so whoever prints next, should this process die,
//! prints below it. Nothing is ever read from the terminal: all moves are relative to where the cursor was left. A
//! frame is never wider than the terminal, and at least one row shorter, so that painting it neither wraps a line nor
//! scrolls its head away.

use unicode_width::UnicodeWidthChar as _;

/// What is written between these is shown at once, by terminals that know it; others pass over it.
const BEGIN: &str = "\x1b[?2026h";
const END: &str = "\x1b[?2026l";
const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";
const ERASE_LINE: &str = "\x1b[K";
const ERASE_BELOW: &str = "\x1b[J";

/// Puts a terminal right that was left in the midst of painting.
pub const RESTORE: &str = "\x1b[?2026l\x1b[?25h";

/// Columns and rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub columns: usize,
    /// Rows.
    pub rows: usize,
}

/// What becomes of the last frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// It stays, above whatever is printed next.
    Stays,
    /// It goes: what is printed next takes its place.
    Goes,
}

/// Knows what stands on the screen, as far as it has painted it.
#[derive(Debug)]
pub struct Painter {
    /// The newest frame, as it was given.
    frame: Vec<String>,
    /// Its lines as they stand on the screen, cut to its size.
    shown: Vec<String>,
    /// The size that it had then.
    size: Size,
    /// Whether the terminal wraps lines anew that have become too long for it.
    reflows: bool,
    cursor_hidden: bool,
}

impl Painter {
    /// Of a terminal on which nothing is painted yet.
    pub fn new(reflows: bool) -> Self {
        Self { frame: Vec::new(), shown: Vec::new(), size: Size::default(), reflows, cursor_hidden: false }
    }

    /// Prints text above the frame, which then is the next one, if there is one, on a terminal of this size. Nothing
    /// is written where nothing changes.
    pub fn paint(&mut self, above: &str, next: Option<&str>, size: Size) -> String {
        if let Some(next) = next {
            self.frame = next.lines().map(ToOwned::to_owned).collect();
        }
        let lines: Vec<String> =
            self.frame.iter().take(size.rows.saturating_sub(1)).map(|line| cut(line, size)).collect();
        if above.is_empty() && size == self.size && lines == self.shown {
            return String::new();
        }
        let mut bytes = Bytes::begin();
        if !self.cursor_hidden {
            bytes.text.push_str(HIDE_CURSOR);
            self.cursor_hidden = true;
        }
        if !above.is_empty() || size != self.size {
            self.erase(&mut bytes, size);
        }
        if !above.is_empty() {
            // A line of its own is begun already.
            let above = above.trim_start_matches('\n');
            bytes.text.push_str(&above.trim_end_matches('\n').replace('\n', "\r\n"));
            bytes.text.push_str("\r\n");
        }
        bytes.at = self.shown.len();
        for (row, line) in lines.iter().enumerate() {
            if self.shown.get(row) == Some(line) {
                continue;
            }
            bytes.go_to(row);
            bytes.text.push_str(line);
            // At the end of a full line, some terminals would erase its last character.
            if width(line) < size.columns {
                bytes.text.push_str(ERASE_LINE);
            }
            bytes.text.push_str("\r\n");
            bytes.at += 1;
        }
        bytes.go_to(lines.len());
        // What a longer frame has left there, or what somebody has typed.
        bytes.text.push_str(ERASE_BELOW);
        self.shown = lines;
        self.size = size;
        bytes.end()
    }

    /// Leaves the terminal as it was found. What is painted afterwards begins anew, below.
    pub fn leave(&mut self, last: Last, size: Size) -> String {
        if !self.cursor_hidden {
            return String::new();
        }
        let mut bytes = Bytes::begin();
        match last {
            Last::Stays => bytes.text.push_str(ERASE_BELOW),
            Last::Goes => self.erase(&mut bytes, size),
        }
        bytes.text.push_str(SHOW_CURSOR);
        self.shown.clear();
        self.cursor_hidden = false;
        bytes.end()
    }

    /// Erases the frame, which may look otherwise by now than it was painted.
    fn erase(&mut self, bytes: &mut Bytes, size: Size) {
        let rows: usize = self.shown.iter().map(|line| self.rows(line, size)).sum();
        bytes.at = rows.min(size.rows.saturating_sub(1));
        bytes.go_to(0);
        bytes.text.push_str(ERASE_BELOW);
        self.shown.clear();
    }

    /// The rows that a line takes on a terminal that has become narrower.
    fn rows(&self, line: &str, size: Size) -> usize {
        if self.reflows { width(line).div_ceil(size.columns.max(1)).max(1) } else { 1 }
    }
}

/// One update of the screen. The cursor begins in the first column.
struct Bytes {
    text: String,
    /// Its row, counted from the first line of the frame.
    at: usize,
}

impl Bytes {
    fn begin() -> Self {
        // Whatever was typed has moved the cursor.
        Self { text: format!("{BEGIN}\r"), at: 0 }
    }

    fn go_to(&mut self, row: usize) {
        if row < self.at {
            self.text.push_str(&format!("\x1b[{}A", self.at - row));
        } else if row > self.at {
            self.text.push_str(&format!("\x1b[{}B", row - self.at));
        }
        self.at = row;
    }

    fn end(mut self) -> String {
        self.text.push_str(END);
        self.text
    }
}

/// The columns that a styled line takes.
fn width(line: &str) -> usize {
    pieces(line).map(|(_, width)| width).sum()
}

/// A styled line, cut off where the terminal ends.
fn cut(line: &str, size: Size) -> String {
    if width(line) <= size.columns {
        return line.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for (piece, width) in pieces(line) {
        if used + width > size.columns {
            kept.push_str("\x1b[0m");
            break;
        }
        kept.push_str(piece);
        used += width;
    }
    kept
}

/// The characters of a styled line with their widths; a style is a piece of no width.
fn pieces(line: &str) -> impl Iterator<Item = (&str, usize)> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let style = rest.strip_prefix("\x1b[").and_then(|style| style.find(|c: char| ('@'..='~').contains(&c)));
        let (length, width) = match style {
            Some(end) => (end + 3, 0),
            None => (first.len_utf8(), first.width().unwrap_or(0)),
        };
        let (piece, next) = rest.split_at(length);
        rest = next;
        Some((piece, width))
    })
}
