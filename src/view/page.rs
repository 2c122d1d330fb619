//! Laying out lines: facts after a label, columns, lists and paragraphs with hanging indents.
//!
//! The rule for what does not fit: break between parts and go on below, indented; a single part that is wider than
//! the screen stays whole, because it is a name.

use super::Screen;
use super::style::{Text, clean, plain};
use unicode_width::UnicodeWidthStr as _;

/// Between the columns of a block.
const GAP: usize = 2;

/// A text that grows line by line.
pub struct Page<'a> {
    /// What it is rendered for.
    pub screen: &'a Screen,
    text: String,
}

impl<'a> Page<'a> {
    /// An empty page.
    pub fn new(screen: &'a Screen) -> Self {
        Self { screen, text: String::new() }
    }

    /// The text.
    pub fn finish(self) -> String {
        self.text
    }

    /// A line as it is, after some spaces.
    pub fn line(&mut self, indent: usize, line: impl Into<Text>) {
        let line = line.into();
        if !line.is_empty() {
            self.text.extend(std::iter::repeat_n(' ', indent));
            self.text.push_str(line.to_string().trim_end_matches(' '));
        }
        self.text.push('\n');
    }

    /// An empty line, unless there is one already, or nothing at all.
    pub fn blank(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// Text that is rendered already.
    pub fn raw(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// `head part<sep>part<sep>part`; parts that do not fit go below, under the first one.
    pub fn list(&mut self, indent: usize, head: Text, parts: impl IntoIterator<Item = Text>, separator: &str) {
        let hang = indent + head.width();
        self.hung(indent, hang, head, parts, separator);
    }

    /// As [`Page::list`], going on at a column of one's own.
    pub fn hung(
        &mut self,
        indent: usize,
        hang: usize,
        head: Text,
        parts: impl IntoIterator<Item = Text>,
        separator: &str,
    ) {
        let kept = separator.trim_end().width();
        let mut line = head;
        let mut at = indent;
        let mut fresh = true;
        let mut parts = parts.into_iter().filter(|part| !part.is_empty()).peekable();
        while let Some(part) = parts.next() {
            let tail = if parts.peek().is_some() { kept } else { 0 };
            if fresh && (hang >= at + line.width() || at + line.width() + part.width() + tail <= self.screen.width) {
                line = line + part;
            } else if fresh {
                // Below there is more room than after the head.
                self.line(at, line);
                at = hang;
                line = part;
            } else if at + line.width() + separator.width() + part.width() + tail <= self.screen.width {
                line = line + separator + part;
            } else {
                self.line(at, line + separator.trim_end());
                at = hang;
                line = part;
            }
            fresh = false;
        }
        self.line(at, line);
    }

    /// A paragraph after a head, its words going on below the first one.
    pub fn paragraph(&mut self, indent: usize, head: Text, text: &str) {
        let words = clean(text);
        self.list(indent, head, words.split_whitespace().map(plain), " ");
    }

    /// Rows in columns. What does not fit of a row goes below it, `hang` columns from the left.
    pub fn rows(&mut self, indent: usize, hang: usize, rows: &[Vec<Text>]) {
        self.grid(indent, hang, GAP, rows);
    }

    /// As [`Page::rows`], with a gap of one's own.
    pub fn grid(&mut self, indent: usize, hang: usize, gap: usize, rows: &[Vec<Text>]) {
        let widths = widths(rows, self.screen.width / 2);
        for row in rows {
            let mut line = Text::empty();
            let mut at = indent;
            let mut column = 0;
            for (cell, width) in row.iter().zip(&widths) {
                let folded = at != indent;
                let after = if line.is_empty() { 0 } else { line.width() + gap };
                let start = if folded { after } else { after.max(column) };
                column += width + gap;
                if cell.is_empty() {
                    continue;
                }
                if at + start + cell.width() > self.screen.width && !line.is_empty() {
                    self.line(at, line);
                    at = hang.max(indent + 1);
                    line = cell.clone();
                } else {
                    line = line.pad(start) + cell.clone();
                }
            }
            self.line(at, line);
        }
    }
}

/// The width of each column: its widest cell's, exceedingly wide ones not counted. Those push what follows them.
fn widths(rows: &[Vec<Text>], limit: usize) -> Vec<usize> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(move |row| row.get(column)).map(Text::width);
    (0..columns).map(|column| width(column).filter(|width| *width <= limit).max().unwrap_or(0)).collect()
}
