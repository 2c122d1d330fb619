//! Updates of the sample as they once went by on a real cluster, on two terminals, from the first frame to the result.
//!
//! What the cluster and the engine told was recorded ([`record`]); here it comes again at the same times, to the code
//! that paints in production, on an emulated terminal and by a clock of its own.

mod record;
mod tape;

pub use record::{is_recorded, record};

use super::painter::{Last, Painter, Size};
use crate::commands::progress::{FRAME, Stage, Subject, paint};
use crate::engine::events::Notice;
use crate::engine::observe::Observer;
use crate::package::{OpenOptions, Package};
use crate::plan::Contents;
use crate::report::tree::make::PodEvents;
use crate::view::{Screen, Symbols};
use jiff::{SignedDuration, Timestamp};
use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tape::Step;
use tempfile::TempDir;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, sleep_until};

/// What is recorded: the update of the sample, and one that cannot succeed.
const RECORDED: [&str; 2] = ["update.jsonl", "failed-update.jsonl"];

fn sample(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/container-update").join(version)
}

/// The package `after` with an image that is nowhere. Its digests are those of the sample.
fn sample_with_a_bad_image() -> TempDir {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).expect("a folder");
        for entry in std::fs::read_dir(from).expect("a folder") {
            let path = entry.expect("an entry").path();
            let to = to.join(path.file_name().expect("a name"));
            if path.is_dir() {
                copy(&path, &to);
            } else {
                std::fs::copy(&path, &to).expect("a copy");
            }
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    copy(&sample("after"), folder.path());
    let manifest = folder.path().join("Files/kubernetes/deployment.yaml");
    let text = std::fs::read_to_string(&manifest).expect("a manifest");
    assert!(text.contains("image: cirros"));
    std::fs::write(&manifest, text.replace("image: cirros", "image: cirros:nosuch")).expect("a manifest");
    folder
}

fn contents() -> Contents {
    let options = OpenOptions { allow_hash_mismatch: true, ..OpenOptions::default() };
    let mut contents = Contents::default();
    let bad = sample_with_a_bad_image();
    for path in [sample("before"), sample("after"), bad.path().to_owned()] {
        contents.add(Package::open(&path, &options).expect("a package"));
    }
    contents
}

/// An emulated terminal.
struct Emulated {
    terminal: RefCell<avt::Terminal>,
    painter: RefCell<Painter>,
    size: Cell<Size>,
    /// What the clock shows when the operation begins.
    epoch: Timestamp,
    begin: Instant,
    events: RefCell<PodEvents>,
    frames: RefCell<Vec<Frame>>,
}

/// What was written for one frame.
struct Frame {
    at: Duration,
    bytes: usize,
    text: String,
}

impl Emulated {
    fn prints(&self, text: &str) {
        self.terminal.borrow_mut().feed(text.replace('\n', "\r\n").as_str());
    }

    fn resizes(&self, size: Size) {
        self.size.set(size);
        self.terminal.borrow_mut().resize(size.columns, size.rows);
    }

    /// All that the terminal has shown, a line under the part that has scrolled away.
    fn shown(&self, title: &str) -> String {
        let terminal = self.terminal.borrow();
        let scrolled = terminal.screen().all_lines().count() - terminal.size().1;
        let mut text = format!("==== {title}\n");
        for (number, line) in terminal.screen().all_lines().enumerate() {
            if number == scrolled && scrolled > 0 {
                text.push_str("---- screen\n");
            }
            text.push_str(line.text().trim_end());
            text.push('\n');
        }
        let cursor = terminal.cursor();
        let seen = if cursor.visible { "shown" } else { "hidden" };
        format!("{}\n---- cursor in row {}, {seen}\n", text.trim_end(), cursor.row)
    }
}

impl Stage for Emulated {
    fn screen(&self) -> (Size, Screen) {
        let size = self.size.get();
        let past = SignedDuration::try_from(self.begin.elapsed()).expect("a short while");
        let now = self.epoch + past;
        let width = size.columns.clamp(60, 120);
        (size, Screen { width, symbols: Symbols::Unicode, now, namespace_flag: String::new() })
    }

    fn show(&self, frame: String) {
        let bytes = self.painter.borrow_mut().paint("", Some(&frame), self.size.get());
        self.terminal.borrow_mut().feed(&*bytes);
        let at = self.begin.elapsed();
        self.frames.borrow_mut().push(Frame { at, bytes: bytes.len(), text: bytes });
    }

    async fn events(&self) -> PodEvents {
        self.events.borrow().clone()
    }
}

/// Plays a recording on a terminal, which is looked at when so many milliseconds have passed, and has another size
/// from a moment on.
fn play(recording: &str, size: Size, moments: &[u64], resize: Option<(u64, Size)>, last: Last) -> (String, Emulated) {
    let contents = contents();
    let (head, steps) = tape::read(recording, &contents);
    let observer = Observer::unconnected(&head.instance_id);
    let subject = Subject {
        contents: &contents,
        observer: &observer,
        instance_id: head.instance_id,
        name: head.name,
        verb: head.verb,
        rolling_back: false,
        operation_id: head.operation_id,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let begin = Instant::now();
        let terminal = avt::Terminal::with_scrollback(size.columns, size.rows, None).expect("a size");
        let stage = Emulated {
            terminal: RefCell::new(terminal),
            painter: RefCell::new(Painter::new(true)),
            size: Cell::new(size),
            epoch: head.begin,
            begin,
            events: RefCell::default(),
            frames: RefCell::default(),
        };
        stage.prints("$ kubectl vnf update sample-vnf --package after --yes\n... the plan ...\n\n");
        let (sender, notices) = unbounded_channel();
        let telling = async {
            for (at, step) in steps {
                sleep_until(begin + at).await;
                match step {
                    Step::Plan(journal) => drop(sender.send(Notice::Plan(journal))),
                    Step::Event(event) => drop(sender.send(Notice::Event(event))),
                    Step::Put(object) => observer.put(object),
                    Step::Gone(reference) => observer.forget(&reference),
                    Step::PodEvents(events) => drop(stage.events.replace(events)),
                    Step::End => break,
                }
            }
            drop(sender);
        };
        let resizing = async {
            if let Some((at, size)) = resize {
                sleep_until(begin + Duration::from_millis(at)).await;
                stage.resizes(size);
            }
        };
        let looking = async {
            let mut story = String::new();
            for at in moments {
                sleep_until(begin + Duration::from_millis(*at)).await;
                let Size { columns, rows } = stage.size.get();
                story += &stage.shown(&format!("{at} ms, {columns}x{rows}"));
            }
            story
        };
        let timeout = Duration::from_secs(head.timeout);
        let ((), (), (), story) = tokio::join!(paint(&stage, &subject, timeout, notices), telling, resizing, looking);
        let bytes = stage.painter.borrow_mut().leave(last, stage.size.get());
        stage.terminal.borrow_mut().feed(&*bytes);
        (story, stage)
    })
}

/// Of every frame: it is small, it does not come too soon after the one before, nothing is cleared but what is
/// painted, and nothing of it is ever lost to a line that wraps.
#[track_caller]
fn assert_neat(stage: &Emulated) {
    let frames = stage.frames.borrow();
    assert!(frames.len() > 5, "{} frames", frames.len());
    for frame in &*frames {
        assert!(frame.bytes < 4096, "{} bytes", frame.bytes);
        assert!(!frame.text.contains("\u{1b}[2J") && !frame.text.contains("\u{1b}[?1049"), "{:?}", frame.text);
        assert!(frame.text.is_empty() || frame.text.starts_with("\u{1b}[?2026h"), "{:?}", frame.text);
        assert!(frame.text.is_empty() || frame.text.ends_with("\u{1b}[?2026l"), "{:?}", frame.text);
    }
    // The very last one does not wait.
    let painted = &frames[..frames.len() - 1];
    for pair in painted.windows(2) {
        assert!(pair[1].at - pair[0].at >= FRAME, "{:?} after {:?}", pair[1].at, pair[0].at);
    }
    assert!(stage.terminal.borrow().cursor().visible, "the cursor is hidden");
}

const SMALL: Size = Size { columns: 80, rows: 24 };
const LARGE: Size = Size { columns: 200, rows: 50 };

#[test]
fn an_update_on_a_small_and_on_a_large_terminal() {
    for (name, size) in [("update-80x24", SMALL), ("update-200x50", LARGE)] {
        let (story, stage) = play(RECORDED[0], size, &[150, 450, 1_050, 1_750, 2_450], None, Last::Goes);
        assert_neat(&stage);
        stage.prints("vnfinstance/modify_vnf_after updated\n");
        insta::assert_snapshot!(name, story + &stage.shown("the result"));
    }
}

#[test]
fn an_update_that_fails_on_a_small_and_on_a_large_terminal() {
    for (name, size) in [("failed-80x24", SMALL), ("failed-200x50", LARGE)] {
        let (story, stage) = play(RECORDED[1], size, &[1_050, 4_050, 14_050], None, Last::Stays);
        assert_neat(&stage);
        stage.prints("✖ VDU1 Deployment vdu1-update: the image cannot be pulled\n");
        insta::assert_snapshot!(name, story + &stage.shown("the evidence"));
    }
}

#[test]
fn a_terminal_that_becomes_smaller_and_larger() {
    for (name, size, then) in [
        ("update-80x24-64x18", SMALL, Size { columns: 64, rows: 18 }),
        ("update-80x24-200x50", SMALL, LARGE),
        ("update-200x50-100x20", LARGE, Size { columns: 100, rows: 20 }),
    ] {
        let (story, stage) = play(RECORDED[0], size, &[1_050, 1_450], Some((1_250, then)), Last::Stays);
        assert_neat(&stage);
        insta::assert_snapshot!(name, story + &stage.shown("its end"));
    }
}

/// Nobody changes a line of the recordings by hand, so this is what is looked for in all of them.
#[test]
fn recordings_are_small_and_tell_no_secret() {
    for name in RECORDED {
        let text = std::fs::read_to_string(tape::folder().join(name)).expect("a recording");
        assert!(text.len() < 100_000, "{name} has {} bytes", text.len());
        // A registry's address in a message, or a machine's in a status.
        assert!(!text.contains("http") && !text.contains("IP\":"), "{name} tells of machines");
        for version in ["before", "after"] {
            let package = Package::open(&sample(version), &OpenOptions::default()).expect("a package");
            let manifests = package.manifests(&package.kubernetes_files()).expect("manifests");
            let secrets = manifests.iter().map(|manifest| &manifest.object).filter(|object| object["kind"] == "Secret");
            for value in secrets.flat_map(secret_values) {
                assert!(!text.contains(&value), "{name} has {value:?}");
            }
        }
    }
}

/// The values of a Secret as they can be written, from the manifest.
fn secret_values(secret: &serde_json::Value) -> Vec<String> {
    use base64::Engine as _;
    let strings = |part: &str| {
        let values = secret[part].as_object().into_iter().flat_map(|part| part.values());
        values.filter_map(|value| value.as_str()).map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let engine = &base64::engine::general_purpose::STANDARD;
    let (encoded, plain) = (strings("data"), strings("stringData"));
    let decoded = encoded.iter().filter_map(|value| String::from_utf8(engine.decode(value).ok()?).ok());
    let decoded: Vec<String> = decoded.chain(plain.iter().cloned()).collect();
    let values: Vec<String> =
        encoded.into_iter().chain(plain.iter().map(|value| engine.encode(value))).chain(decoded).collect();
    assert!(values.len() > 1, "{secret}");
    values
}
