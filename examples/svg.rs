//! Draws what a terminal shows as an SVG picture: `svg [--when TEXT] [--from TEXT] < CAPTURE > PICTURE`.
//!
//! The capture is what a program wrote to a terminal. Of the sequences that move the cursor, only those are understood
//! that kubectl-vnf writes. With `--when` the picture is of the last moment at which the screen showed TEXT; with
//! `--from` it begins at the last line that has TEXT, after the command.
//! `docs/pictures.sh` makes the pictures of the README with it.

#![allow(clippy::print_stdout, reason = "the picture goes to stdout")]

use std::fmt::Write as _;
use std::io::Read as _;
use unicode_width::UnicodeWidthChar as _;

/// Of one column, one line and the margin, in pixels.
const COLUMN: f32 = 8.4;
const LINE: usize = 19;
const MARGIN: usize = 16;

/// How a character is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Style {
    colour: u16,
    bold: bool,
    dim: bool,
}

impl Style {
    /// What `ESC [ ... m` makes of it.
    fn set(&mut self, codes: &str) {
        for code in codes.split(';').map(|code| code.parse().unwrap_or(0)) {
            match code {
                0 => *self = Self::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                22 => (self.bold, self.dim) = (false, false),
                30..=37 | 90..=97 => self.colour = code,
                39 => self.colour = 0,
                _ => {}
            }
        }
    }

    /// The classes of the style sheet.
    fn classes(self) -> String {
        let colour = match self.colour {
            31 | 91 => "red",
            32 | 92 => "green",
            33 | 93 => "yellow",
            36 | 96 => "cyan",
            _ => "",
        };
        let words = [colour, if self.bold { "bold" } else { "" }, if self.dim { "dim" } else { "" }];
        words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// A screen that grows as it is written to.
#[derive(Clone, Debug, Default)]
struct Screen {
    lines: Vec<Vec<(char, Style)>>,
    row: usize,
    column: usize,
    style: Style,
}

impl Screen {
    fn put(&mut self, c: char) {
        while self.lines.len() <= self.row {
            self.lines.push(Vec::new());
        }
        let line = &mut self.lines[self.row];
        while line.len() <= self.column {
            line.push((' ', Style::default()));
        }
        line[self.column] = (c, self.style);
        self.column += 1;
        // The second column of a wide character shows nothing of its own.
        if c.width() == Some(2) {
            line.push(('\0', self.style));
            self.column += 1;
        }
    }

    /// Does what `ESC [ parameters command` says.
    fn command(&mut self, parameters: &str, command: char) {
        let count = parameters.parse::<usize>().unwrap_or(1).max(1);
        match command {
            'm' => self.style.set(parameters),
            'A' => self.row = self.row.saturating_sub(count),
            'B' => self.row += count,
            'F' => (self.row, self.column) = (self.row.saturating_sub(count), 0),
            'G' => self.column = count - 1,
            'K' => {
                if let Some(line) = self.lines.get_mut(self.row) {
                    line.truncate(if parameters == "2" { 0 } else { self.column });
                }
            }
            'J' => {
                self.lines.truncate(self.row + 1);
                self.command("", 'K');
            }
            _ => {}
        }
    }

    fn text(&self) -> String {
        let line = |line: &Vec<(char, Style)>| line.iter().map(|(c, _)| *c).collect::<String>();
        self.lines.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Leaves out what stands between the command and the last line that has a text.
    fn cut(&mut self, from: &str) -> Result<(), String> {
        let line = |line: &Vec<(char, Style)>| line.iter().map(|(c, _)| *c).collect::<String>();
        let start = self.lines.iter().rposition(|each| line(each).contains(from));
        let start = start.ok_or_else(|| format!("no line has {from:?}"))?;
        let command = usize::from(self.lines.first().is_some_and(|first| line(first).starts_with("$ ")));
        self.lines.drain(command.min(start)..start);
        Ok(())
    }

    /// The picture.
    fn svg(&self) -> String {
        let columns = self.lines.iter().map(Vec::len).max().unwrap_or(0).max(60);
        let last = self.lines.iter().rposition(|line| line.iter().any(|(c, _)| *c != ' ')).map_or(0, |last| last + 1);
        let (width, height) = (columns as f32 * COLUMN + 2.0 * MARGIN as f32, last * LINE + 2 * MARGIN);
        let mut svg = format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0}" height="{height}" viewBox="0 0 {width:.0} {height}">
<style>
text {{ font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #d8dee9; white-space: pre; }}
.red {{ fill: #ff7b72; }} .green {{ fill: #7ee787; }} .yellow {{ fill: #e3b341; }} .cyan {{ fill: #76d7ea; }}
.bold {{ font-weight: bold; }} .dim {{ opacity: 0.6; }}
</style>
<rect width="100%" height="100%" rx="8" fill="#161b22"/>
"##
        );
        for (row, line) in self.lines[..last].iter().enumerate() {
            let mut column = 0;
            for run in line.chunk_by(|one, next| one.1 == next.1) {
                let text: String = run.iter().map(|(c, _)| *c).filter(|c| *c != '\0').collect();
                let (start, length) = (column, run.len());
                column += length;
                if text.trim().is_empty() {
                    continue;
                }
                let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                let classes = run[0].1.classes();
                let class = if classes.is_empty() { String::new() } else { format!(r#" class="{classes}""#) };
                // Fonts differ: the length keeps columns under each other.
                let _ = writeln!(
                    svg,
                    r#"<text x="{:.1}" y="{}" textLength="{:.1}" lengthAdjust="spacingAndGlyphs" xml:space="preserve"{class}>{text}</text>"#,
                    MARGIN as f32 + start as f32 * COLUMN,
                    MARGIN + row * LINE + 14,
                    length as f32 * COLUMN,
                );
            }
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// The screen after a capture, or when it last showed a text.
fn screen(capture: &str, when: Option<&str>) -> Option<Screen> {
    let mut screen = Screen::default();
    let mut found = None;
    let mut rest = capture.chars();
    let shows = |screen: &Screen| when.is_some_and(|when| screen.text().contains(when));
    while let Some(c) = rest.next() {
        match c {
            '\n' => (screen.row, screen.column) = (screen.row + 1, 0),
            '\r' => screen.column = 0,
            '\u{1b}' => {
                if rest.next() != Some('[') {
                    continue;
                }
                let mut parameters = String::new();
                let command = loop {
                    match rest.next() {
                        Some(c @ ('0'..='9' | ';' | '?')) => parameters.push(c),
                        Some(command) => break command,
                        None => return None,
                    }
                };
                // A frame is whole when the next one begins to be drawn over it.
                if matches!(command, 'A' | 'F' | 'J') && shows(&screen) {
                    found = Some(screen.clone());
                }
                screen.command(&parameters, command);
            }
            c if c.is_control() => {}
            c => screen.put(c),
        }
    }
    match when {
        Some(_) if shows(&screen) => Some(screen),
        Some(_) => found,
        None => Some(screen),
    }
}

fn main() -> Result<(), String> {
    let (mut when, mut from) = (None, None);
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        match (flag.as_str(), args.next()) {
            ("--when", Some(text)) => when = Some(text),
            ("--from", Some(text)) => from = Some(text),
            _ => return Err("usage: svg [--when TEXT] [--from TEXT] < CAPTURE > PICTURE".into()),
        }
    }
    let mut capture = String::new();
    std::io::stdin().read_to_string(&mut capture).map_err(|error| error.to_string())?;
    let mut screen = screen(&capture, when.as_deref()).ok_or("the screen never showed that text")?;
    if let Some(from) = from {
        screen.cut(&from)?;
    }
    print!("{}", screen.svg());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_drawn_over_the_last_one() {
        let capture = "head\n\u{1b}[32m1 of 2\u{1b}[39m\nx\u{1b}[1A\r2 of 2\u{1b}[K\n\u{1b}[J\n";
        assert_eq!(screen(capture, None).map(|screen| screen.text()).as_deref(), Some("head\n2 of 2\n"));
        assert_eq!(screen(capture, Some("1 of 2")).map(|screen| screen.text()).as_deref(), Some("head\n1 of 2\nx"));
        assert!(screen(capture, Some("3 of 2")).is_none());
    }

    #[test]
    fn what_is_not_of_interest_is_left_out() {
        let mut screen = screen("$ cmd\na\nfrom a\nfrom b\nc", None).unwrap_or_default();
        assert!(screen.cut("nothing").is_err());
        assert_eq!(screen.cut("from").map(|()| screen.text()).as_deref(), Ok("$ cmd\nfrom b\nc"));
    }

    #[test]
    fn text_is_escaped_and_coloured() {
        let svg = screen("\u{1b}[31;1ma<b\u{1b}[0m&c", None).map(|screen| screen.svg()).unwrap_or_default();
        assert!(svg.contains(r#"class="red bold">a&lt;b</text>"#) && svg.contains(">&amp;c</text>"), "{svg}");
    }
}
