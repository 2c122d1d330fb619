//! What a terminal shows of it, by the judgement of a terminal emulator that knows scrollback and wraps lines anew.

use super::painter::{Last, Painter, Size};
use super::{Live, Surface, reflows};
use proptest::prelude::*;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

const SMALL: Size = Size { columns: 20, rows: 6 };

/// A painter in front of an emulated terminal.
struct Screen {
    terminal: avt::Terminal,
    painter: Painter,
    size: Size,
    /// Bytes of the last update.
    bytes: usize,
}

impl Screen {
    fn new(size: Size) -> Self {
        let terminal = avt::Terminal::with_scrollback(size.columns, size.rows, None).expect("a size");
        Self { terminal, painter: Painter::new(true), size, bytes: 0 }
    }

    /// Something that a command has printed before.
    fn prints(mut self, lines: &[&str]) -> Self {
        for line in lines {
            self.terminal.feed([line, "\r\n"]);
        }
        self
    }

    fn paints(&mut self, frame: &[&str]) {
        self.update("", Some(frame));
    }

    fn says(&mut self, text: &str) {
        self.update(text, None);
    }

    fn update(&mut self, above: &str, frame: Option<&[&str]>) {
        let frame = frame.map(|lines| lines.iter().map(|line| format!("{line}\n")).collect::<String>());
        let text = self.painter.paint(above, frame.as_deref(), self.size);
        self.bytes = text.len();
        self.terminal.feed(&*text);
    }

    fn leaves(&mut self, last: Last) {
        let text = self.painter.leave(last, self.size);
        self.terminal.feed(&*text);
    }

    fn resizes(&mut self, columns: usize, rows: usize) {
        self.size = Size { columns, rows };
        self.terminal.resize(columns, rows);
    }

    /// All lines, those that have scrolled away too, up to the row of the cursor.
    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.terminal.screen().all_lines().map(|line| line.text().trim_end().to_owned()).collect();
        let below = self.size.rows - self.terminal.cursor().row;
        for _ in 0..below {
            assert_eq!(lines.pop().as_deref(), Some(""), "nothing is left below the cursor: {lines:#?}");
        }
        lines
    }

    fn cursor_shows(&self) -> bool {
        self.terminal.cursor().visible
    }
}

#[test]
fn a_frame_takes_the_place_of_the_one_before() {
    let mut screen = Screen::new(SMALL).prints(&["$ command"]);
    screen.paints(&["a 1", "b 1", "c 1"]);
    assert_eq!(screen.lines(), ["$ command", "a 1", "b 1", "c 1"]);
    assert!(!screen.cursor_shows());
    screen.paints(&["a 1", "b 2", "c 1"]);
    assert_eq!(screen.lines(), ["$ command", "a 1", "b 2", "c 1"]);
    screen.paints(&["a 1"]);
    assert_eq!(screen.lines(), ["$ command", "a 1"]);
    screen.paints(&["a 1", "x", "y"]);
    assert_eq!(screen.lines(), ["$ command", "a 1", "x", "y"]);
    screen.leaves(Last::Stays);
    assert_eq!(screen.lines(), ["$ command", "a 1", "x", "y"]);
    assert!(screen.cursor_shows());
    // What comes next is another one.
    screen.paints(&["z"]);
    assert_eq!(screen.lines(), ["$ command", "a 1", "x", "y", "z"]);
    screen.leaves(Last::Goes);
    assert_eq!(screen.lines(), ["$ command", "a 1", "x", "y"]);
    assert!(screen.cursor_shows());
}

#[test]
fn only_lines_that_changed_are_written() {
    let mut screen = Screen::new(Size { columns: 80, rows: 24 });
    let line = "◌ VDU1  Deployment vdu1-update             0/1    ContainerCreating";
    let mut frame = vec![line; 20];
    screen.paints(&frame);
    assert!((20 * line.len()..22 * line.len()).contains(&screen.bytes), "{}", screen.bytes);
    screen.paints(&frame);
    assert_eq!(screen.bytes, 0);
    frame[7] = "✔ VDU1  Deployment vdu1-update";
    screen.paints(&frame);
    assert!(screen.bytes < frame[7].len() + 60, "{}", screen.bytes);
}

#[test]
fn growing_at_the_bottom_scrolls_only_what_was_printed_before() {
    let mut screen = Screen::new(SMALL).prints(&["1", "2", "3", "4"]);
    for frame in [&["a"][..], &["a", "b", "c"], &["a", "b", "c", "d", "e"], &["A", "b", "C"], &["a", "b", "c", "d"]] {
        screen.paints(frame);
        let mut expected = vec!["1", "2", "3", "4"];
        expected.extend(frame);
        assert_eq!(screen.lines(), expected);
    }
}

#[test]
fn a_frame_is_no_larger_than_the_screen() {
    let mut screen = Screen::new(SMALL).prints(&["$ command"]);
    let wide = "\u{1b}[32m✔\u{1b}[39m a line that is longer than the screen is wide";
    screen.paints(&[wide, "1", "2", "3", "日本語日本語日本語日本語", "5", "6", "7"]);
    assert_eq!(screen.lines(), ["$ command", "✔ a line that is lon", "1", "2", "3", "日本語日本語日本語日"]);
}

#[test]
fn a_colour_ends_where_its_line_is_cut_off() {
    let mut screen = Screen::new(SMALL);
    screen.paints(&["\u{1b}[31mred to its end, which is far away\u{1b}[39m", "plain"]);
    let first = |line: usize| *screen.terminal.screen().line(line).expect("a line").cells()[0].pen();
    assert_ne!(first(0), avt::Pen::default());
    assert_eq!(first(1), avt::Pen::default());
}

#[test]
fn what_others_print_stands_above() {
    let mut screen = Screen::new(SMALL).prints(&["$ command"]);
    screen.paints(&["a", "b", "c"]);
    screen.says("\nStopping\n");
    assert_eq!(screen.lines(), ["$ command", "Stopping", "a", "b", "c"]);
    screen.update("! a warning that is longer than a line", Some(&["a", "B"]));
    assert_eq!(screen.lines(), ["$ command", "Stopping", "! a warning that is", "longer than a line", "a", "B"]);
    screen.says("1\n2\n3\n4\n5\n6\n7\n");
    assert_eq!(screen.lines()[4..], ["1", "2", "3", "4", "5", "6", "7", "a", "B"]);
}

#[test]
fn what_somebody_types_is_wiped_away() {
    let mut screen = Screen::new(SMALL);
    screen.paints(&["a", "b"]);
    screen.terminal.feed("^Cxyz");
    screen.paints(&["a", "c"]);
    assert_eq!(screen.lines(), ["a", "c"]);
    screen.terminal.feed("^C");
    screen.leaves(Last::Stays);
    assert_eq!(screen.lines(), ["a", "c"]);
}

#[test]
fn a_frame_survives_that_the_terminal_changes_its_size() {
    let before = ["$ command", "that says something"];
    let frame = ["a line of 18 chars", "b", "another line of 20 c"];
    for (columns, rows) in [(30, 6), (20, 12), (12, 12), (9, 12), (7, 24), (40, 9), (20, 5)] {
        let mut screen = Screen::new(SMALL).prints(&before);
        screen.paints(&frame);
        screen.resizes(columns, rows);
        screen.paints(&frame);
        let unwrapped = |lines: Vec<String>| lines.concat().replace(' ', "");
        let cut = frame.map(|line| line.chars().take(columns).collect::<String>());
        let expected = [&before[..], &cut.each_ref().map(String::as_str)].concat().concat().replace(' ', "");
        assert_eq!(unwrapped(screen.lines()), expected, "{columns}x{rows}");
    }
}

#[test]
fn a_frame_is_whole_again_when_there_is_room_again() {
    let mut screen = Screen::new(SMALL);
    screen.paints(&["0123456789", "b", "c", "d"]);
    screen.resizes(5, 4);
    screen.paints(&["0123456789", "b", "c", "d"]);
    screen.resizes(20, 6);
    screen.says("said");
    assert!(
        screen.lines().ends_with(&["said", "0123456789", "b", "c", "d"].map(ToOwned::to_owned)),
        "{:#?}",
        screen.lines()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes in whatever order: all that was printed stands there once, in order, the last frame below it, and
    /// nothing below that.
    #[test]
    fn nothing_is_lost_and_nothing_is_left(
        steps in prop::collection::vec((0..3_usize, prop::collection::vec("[a-z]{0,24}", 0..8), 0..4_usize), 1..30)
    ) {
        let mut screen = Screen::new(SMALL);
        let mut printed: Vec<String> = Vec::new();
        let mut shown: Vec<String> = Vec::new();
        for (number, (what, lines, grow)) in steps.into_iter().enumerate() {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            match what {
                0 => {
                    let text = format!("said {number}");
                    screen.says(&text);
                    printed.push(text);
                }
                1 if grow > 0 => screen.resizes(screen.size.columns + grow, screen.size.rows + grow),
                _ => screen.paints(&lines),
            }
            if what != 1 || grow == 0 {
                if what != 0 {
                    shown = lines.into_iter().map(ToOwned::to_owned).collect();
                }
                let fits = |line: &String| line.chars().take(screen.size.columns).collect::<String>();
                let frame = shown.iter().take(screen.size.rows - 1).map(fits);
                let expected: Vec<String> = printed.iter().cloned().chain(frame).collect();
                prop_assert_eq!(screen.lines(), expected);
            }
        }
    }
}

#[test]
fn terminals_that_cut_lines_off_are_known() {
    let with = |variables: &'static [(&str, &str)]| {
        reflows(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    };
    assert!(with(&[("TERM", "xterm-256color")]));
    assert!(with(&[("TERM", "tmux-256color"), ("TMUX", "/tmp/tmux")]));
    assert!(with(&[("TERM", "screen-256color"), ("TMUX", "/tmp/tmux")]));
    assert!(!with(&[("TERM", "screen")]));
    assert!(!with(&[("TERM", "linux")]));
    assert!(!with(&[("TERM", "xterm"), ("XTERM_VERSION", "XTerm(390)")]));
}

/// A terminal that takes something only when it is told to.
struct Stalled {
    written: Sender<String>,
    take: Receiver<()>,
    paints: bool,
}

impl Surface for Stalled {
    fn paints(&self) -> bool {
        self.paints
    }

    fn colour(&self) -> bool {
        false
    }

    fn size(&self) -> Size {
        SMALL
    }

    fn in_front(&self) -> bool {
        true
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        // Once nobody tells it any more, it takes everything.
        let _ = self.take.recv();
        let _ = self.written.send(text.to_owned());
        Ok(())
    }
}

fn stalled(paints: bool) -> (Live, Sender<()>, Receiver<String>) {
    let ((written, reads), (go_on, take)) = (channel(), channel());
    (Live::on(Stalled { written, take, paints }), go_on, reads)
}

#[test]
fn a_terminal_that_takes_nothing_holds_nobody_up_and_gets_the_newest_frame() {
    let (live, go_on, written) = stalled(true);
    live.show("frame 0\n".into());
    for number in 1..=1000 {
        live.show(format!("frame \u{1b}[32m{number}\u{1b}[39m\n"));
        live.post.put(|mail| mail.above.push_str(&format!("{number},")));
    }
    drop(go_on);
    drop(live);
    let all: Vec<String> = written.iter().collect();
    assert!(all.len() <= 3, "{all:#?}");
    let mut screen = Screen::new(Size { columns: 4000, ..SMALL });
    for text in &all {
        screen.terminal.feed(&**text);
    }
    let lines = screen.lines();
    assert_eq!(lines.last().map(String::as_str), Some("frame 1000"));
    assert_eq!(lines.concat().matches(',').count(), 1000, "every text is printed");
    assert!(!all.concat().contains("\u{1b}[32m"), "without colours");
    assert!(screen.cursor_shows());
}

#[test]
fn who_is_about_to_end_waits_a_moment_only() {
    let (live, go_on, written) = stalled(true);
    live.show("frame\n".into());
    let begin = std::time::Instant::now();
    drop(live);
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert!(written.try_recv().is_err());
    drop(go_on);
}

#[test]
fn without_frames_texts_are_written_as_they_are() {
    let (live, go_on, written) = stalled(false);
    drop(go_on);
    live.show("frame\n".into());
    for text in ["a\nb\n", "c"] {
        live.post.put(|mail| mail.above.push_str(text));
    }
    drop(live);
    assert_eq!(written.iter().collect::<String>(), "a\nb\nc");
}
