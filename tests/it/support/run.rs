//! One run of a program: how it ended and what it said.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often it is looked how a program does.
const FOLLOWED: Duration = Duration::from_millis(5);

/// A program that has ended.
pub struct Run {
    line: String,
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

/// The most memory that a process held, in kB.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// What it asked for; its code, which is large with what a debugger needs, aside.
    pub own: u64,
    /// With its code, and all else that was in memory for it.
    pub resident: u64,
}

impl Run {
    /// Runs `command` to its end, with `stdin` to read.
    pub fn of(mut command: Command, stdin: &str) -> Self {
        let line = line(&command);
        let begin = Instant::now();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{line}: {error}"));
        // A program that does not read has closed its end.
        let _ = child.stdin.take().map(|mut pipe| pipe.write_all(stdin.as_bytes()));
        let output = child.wait_with_output().expect("the program's output can be read");
        Self {
            line,
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            took: begin.elapsed(),
        }
    }

    /// Runs `command` until it ends, or until `enough` says to kill it with SIGKILL.
    pub fn until(command: Command, mut enough: impl FnMut() -> bool) -> Self {
        Self::followed(command, |child| {
            loop {
                if let Some(status) = child.try_wait().expect("a child of ours") {
                    return status;
                }
                if enough() {
                    child.kill().expect("a child of ours");
                }
                std::thread::sleep(FOLLOWED);
            }
        })
    }

    /// Runs `command` to its end; also the most memory that it held at any time.
    pub fn measured(command: Command) -> (Self, Memory) {
        let mut most = Memory::default();
        let run = Self::followed(command, |child| {
            let path = format!("/proc/{}/status", child.id());
            let (ended, end) = mpsc::channel::<()>();
            let most = &mut most;
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    loop {
                        let status = std::fs::read_to_string(&path).unwrap_or_default();
                        // A process that has just ended has no memory left to be told of.
                        let value = |name: &str| {
                            let value =
                                status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
                            value.and_then(|value| value.parse().ok()).unwrap_or(0)
                        };
                        let (own, resident) = (most.own.max(value("RssAnon:")), most.resident.max(value("VmHWM:")));
                        *most = Memory { own, resident };
                        if end.recv_timeout(FOLLOWED) != Err(RecvTimeoutError::Timeout) {
                            break;
                        }
                    }
                });
                let status = child.wait().expect("a child of ours");
                drop(ended);
                status
            })
        });
        (run, most)
    }

    /// Runs `command` to the end that this waits for.
    fn followed(mut command: Command, wait: impl FnOnce(&mut Child) -> ExitStatus) -> Self {
        let line = line(&command);
        let begin = Instant::now();
        let file = || tempfile::tempfile().expect("a temporary file");
        let (mut out, mut err) = (file(), file());
        let same = |file: &File| file.try_clone().expect("the same file again");
        command.stdin(Stdio::null()).stdout(same(&out)).stderr(same(&err));
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{line}: {error}"));
        let status = wait(&mut child);
        let took = begin.elapsed();
        let read = |file: &mut File| {
            let mut bytes = Vec::new();
            file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("what it said");
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Self { line, code: status.code(), stdout: read(&mut out), stderr: read(&mut err), took }
    }

    /// Of a program that was followed while it ran.
    pub fn ended(line: String, code: Option<i32>, stdout: String, stderr: String, took: Duration) -> Self {
        Self { line, code, stdout, stderr, took }
    }

    /// Fails the test unless the run ended with `code`.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert!(self.code == Some(code), "exit code {code} was expected\n{self}");
        self
    }

    /// Fails the test unless the run succeeded.
    #[track_caller]
    pub fn succeeds(self) -> Self {
        self.exits(0)
    }

    /// Fails the test unless stdout or stderr holds each of `parts`. Runs of white space count as one space.
    #[track_caller]
    pub fn says<'p>(self, parts: impl IntoIterator<Item = &'p str>) -> Self {
        let text = words(&self.said());
        for part in parts {
            assert!(text.contains(&words(part)), "it does not say {part:?}\n{self}");
        }
        self
    }

    /// Fails the test if stdout or stderr holds one of `parts`.
    #[track_caller]
    pub fn never_says<'p>(self, parts: impl IntoIterator<Item = &'p str>) -> Self {
        let text = self.said();
        for part in parts {
            assert!(!text.contains(part), "it says {part:?}\n{self}");
        }
        self
    }

    /// All that it said, stdout first.
    pub fn said(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }

    /// stdout as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("stdout is not JSON: {error}\n{self}"))
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, code, stdout, stderr, took } = self;
        let code = code.map_or("a signal".to_owned(), |code| code.to_string());
        write!(f, "$ {line}\n{stdout}--- stderr\n{stderr}--- ended with {code} after {took:.1?}")
    }
}

/// The command as one would type it, for messages.
pub fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
