//! The live tree on a terminal: what the terminal shows in the end and in between, by the judgement of an emulator.

use crate::support::gated::{self, NAME};
use crate::support::sample::{AFTER, BEFORE, after_with, instantiated, shipped, update_request};
use crate::support::{Running, Terminal, cluster};

/// Where an update of the painted area begins and ends.
const BEGIN: &str = "\u{1b}[?2026h";
const END: &str = "\u{1b}[?2026l";

/// What a terminal shows.
struct Shown {
    /// All lines, those that have scrolled away first.
    lines: Vec<String>,
    cursor: bool,
}

impl Shown {
    /// After these bytes, on a terminal of this size.
    fn of(said: &str, columns: usize, rows: usize) -> Self {
        let mut terminal = avt::Terminal::with_scrollback(columns, rows, None).expect("a size");
        terminal.feed(said);
        let lines = terminal.screen().all_lines().map(|line| line.text().trim_end().to_owned());
        let mut lines: Vec<String> = lines.collect();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        Self { lines, cursor: terminal.cursor().visible }
    }

    /// The number of the one line that begins so.
    #[track_caller]
    fn line(&self, begin: &str) -> usize {
        let found: Vec<usize> =
            (0..self.lines.len()).filter(|n| self.lines[*n].trim_start().starts_with(begin)).collect();
        assert_eq!(found.len(), 1, "{begin:?} in\n{}", self.lines.join("\n"));
        found[0]
    }

    fn has(&self, words: &str) -> bool {
        self.lines.iter().any(|line| line.contains(words))
    }
}

/// The bytes of each update of the painted area.
fn frames(said: &str) -> Vec<&str> {
    said.split(BEGIN).skip(1).map(|part| part.split(END).next().unwrap_or(part)).collect()
}

/// Asserts that the terminal was left as it was found.
#[track_caller]
fn assert_left_neat(said: &str, shown: &Shown) {
    assert!(shown.cursor, "the cursor is hidden:\n{said}");
    // The terminal echoes ^C, and what is painted may end where that begins.
    let text = anstream::adapter::strip_str(said).to_string();
    let lines = text.lines().map(|line| line.trim().trim_start_matches("^C").trim());
    let modes: Vec<&str> = lines.filter(|line| line.matches(':').count() > 30).collect();
    assert!(matches!(modes.as_slice(), [before, after] if before == after), "{modes:?}");
    assert!(!said.contains("\u{1b}[?1049") && !said.contains("\u{1b}[2J"), "another screen, or a cleared one");
}

#[test]
fn the_tree_is_painted_in_place_and_gives_way_to_the_result() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "live");
    let (package, request) = (shipped("after"), update_request());
    for (columns, rows, args) in [
        (80, 24, &["update", BEFORE, "--package", &package, "-f", &request, "--yes"][..]),
        (200, 50, &["undo", AFTER, "--yes"]),
    ] {
        let terminal = Terminal::sized(&ns, args, columns, rows);
        let (code, said) = terminal.ends_after_all();
        assert_eq!(code, Some(0), "{said}");
        let shown = Shown::of(&said, columns, rows);
        assert_left_neat(&said, &shown);
        // The plan, and right below it the result.
        let result = shown.line("vnfinstance/");
        assert!(shown.lines[result - 2].ends_with("sizes"), "{}", shown.lines.join("\n"));
        assert_eq!(shown.lines[result - 1], "");
        // In between there was the tree.
        let frames = frames(&said);
        assert!(frames.len() > 3, "{} frames", frames.len());
        for frame in &frames {
            assert!(frame.len() < 4096, "{} bytes: {frame:?}", frame.len());
            assert!(frame.matches('\n').count() < rows, "{frame:?}");
        }
        let middle = said.find(frames[frames.len() / 2]).expect("it is in there");
        let middle = Shown::of(&said[..middle], columns, rows);
        assert!(!middle.cursor && middle.has("VDU3  Pod env-test") && middle.has(" done"), "{:#?}", middle.lines);
    }
}

#[test]
fn the_last_tree_of_a_failed_update_stays_above_the_evidence() {
    let Some(cluster) = cluster() else { return };
    let ns = instantiated(cluster, "live-failed");
    let bad = after_with("deployment.yaml", "image: cirros", "image: cirros:nosuch");
    let (package, request) = (bad.path(), update_request());
    let update = ["update", BEFORE, "--package", &package, "-f", &request, "--yes", "--rollback-on-failure"];
    let (code, said) = Terminal::sized(&ns, &update, 80, 50).ends_after_all();
    assert_eq!(code, Some(1), "{said}");
    let shown = Shown::of(&said, 80, 50);
    assert_left_neat(&said, &shown);
    let order = [
        shown.line("✖ VDU1  Deployment vdu1-update"),
        shown.line("✖ VDU1 Deployment vdu1-update: "),
        shown.line("Rolling back to revision 1"),
        shown.line("✔ VDU1  Deployment vdu1-update"),
        shown.line("error: update of"),
    ];
    assert!(order.is_sorted(), "{order:?}\n{}", shown.lines.join("\n"));
    assert!(!shown.has("Ctrl-C stops"), "{}", shown.lines.join("\n"));
}

#[test]
fn ctrl_c_once_and_twice_leave_the_terminal_neat() {
    let Some(cluster) = cluster() else { return };
    let ns = gated::instantiated(cluster, "live-stop");
    let package = gated::draft("new value").write();
    let update = ["update", NAME, "--package", &package.path(), "--yes"];
    let standing = |args: &[&str]| {
        let mut terminal = Terminal::sized(&ns, args, 80, 24);
        terminal.shows("the ConfigMap written", |said| {
            let shown = Shown::of(said, 80, 24);
            (shown.has("✔ config") && shown.has("ReplicaSet gate")).then_some(())
        });
        terminal
    };
    let mut terminal = standing(&update);
    terminal.resizes(60, 12);
    terminal.shows("the tree in its new size", |said| said.contains("\u{1b}[J").then_some(()));
    terminal.presses("\u{3}");
    let (code, said) = terminal.ends_after_all();
    assert_eq!(code, Some(130), "{said}");
    let shown = Shown::of(&said, 80, 24);
    assert_left_neat(&said, &shown);
    assert!(shown.line("Stopping: no new step") < shown.line("error: update of"), "{}", shown.lines.join("\n"));

    // Twice: nobody waits for anything.
    let mut terminal = standing(&["op", "retry", NAME]);
    terminal.presses("\u{3}\u{3}");
    let (code, said) = terminal.ends_after_all();
    assert_eq!(code, Some(130), "{said}");
    assert_left_neat(&said, &Shown::of(&said, 80, 24));
}

#[test]
fn status_follows_what_somebody_else_does() {
    let Some(cluster) = cluster() else { return };
    let ns = gated::instantiated(cluster, "live-status");
    let mut terminal = Terminal::sized(&ns, &["status", NAME, "-w"], 80, 24);
    let mut lines = Running::vnf(&ns, &["status", NAME, "-w", "-o", "json"]);
    let mut blocks = Running::vnf(&ns, &["status", NAME, "-w"]);
    let mut shows = |words: [&str; 2]| {
        terminal.shows(&words.join(", "), |said| {
            let shown = Shown::of(said, 80, 24);
            words.iter().all(|words| shown.has(words)).then_some(())
        });
    };
    shows(["revision 1", "2 of 2 VNFCs ready"]);
    lines.says("\"revision\":1");
    blocks.says("revision 1");
    let update = gated::standing(&ns, &gated::draft("new value").write());
    shows(["PROCESSING", "ReplicaSet gate"]);
    lines.says("PROCESSING");
    blocks.says("PROCESSING");
    gated::open(&ns);
    update.exits(0);
    shows(["revision 2", "2 of 2 VNFCs ready"]);
    lines.says("\"revision\":2");
    blocks.says("revision 2");
    for watch in [lines, blocks] {
        watch.signal("INT");
        let said = watch.exits(130);
        // How it is may come again, but not without another state in between.
        let mut last = "";
        for line in said.lines().filter(|line| line.starts_with('{')) {
            serde_json::from_str::<serde_json::Value>(line).expect("a line of JSON");
            assert_ne!(std::mem::replace(&mut last, line), line, "it says the same twice:\n{said}");
        }
    }
    terminal.presses("\u{3}");
    let (code, said) = terminal.ends_after_all();
    assert_eq!(code, Some(130), "{said}");
    let shown = Shown::of(&said, 80, 24);
    assert_left_neat(&said, &shown);
    shown.line("gated   INSTANTIATED   revision 2");
}
