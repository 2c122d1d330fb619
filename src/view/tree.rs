//! The tree of a VNF: a line for each VDU, and below it its ReplicaSets and Pods, folded to fit a height.
//!
//! No line is wider than the screen, so that whoever repaints knows how many there are: what explains is cut, and
//! what stands beside a name that leaves no room goes below it. Columns keep their place from frame to frame as far
//! as names allow.

mod fold;

use super::Screen;
use super::Symbols;
use super::page::Page;
use super::style::{Mark, Text, bold, clean, cyan, dim, fit, green, plain, red};
use super::tables::{age, seconds};
use super::words::{command_line, count, kinds, sentence, short_id};
use crate::record::Verb;
use crate::report::tree::{ConfigRow, Head, PodLine, Row, State, Tree, Untouched};
use fold::Fold;
use std::time::Duration;
use unicode_width::UnicodeWidthChar as _;

/// Columns before the mark.
const INDENT: usize = 2;
/// Between columns.
const GAP: usize = 2;
/// Columns of `3/3`, and of most larger numbers.
const READY: usize = 5;
/// Columns of what says how long.
const AGE: usize = 5;
/// Columns that names take where nothing needs more or less: others then stand where they always do.
const NAMES: usize = 43;
/// Columns of what explains, likewise; and what is left to it at the least.
const WORDS: (usize, usize) = (27, 20);
/// Names of ConfigMaps and Secrets that are listed; more are counted.
const FEW: usize = 3;

/// `Updating sample-vnf   operation 7c1e03b9   2.1s of 10m   2 of 5 VDUs done`.
pub fn head(head: &Head, tree: &Tree, screen: &Screen) -> String {
    let mut page = Page::new(screen);
    let doing = match head.verb {
        _ if head.rolling_back => "Rolling back",
        Verb::Instantiate => "Instantiating",
        Verb::Update => "Updating",
        Verb::Undo => "Undoing an update of",
        Verb::ChangePackage => "Changing the package of",
        Verb::Heal => "Healing",
        Verb::Scale => "Scaling",
        Verb::Terminate => "Terminating",
    };
    let (done, all) = tree.done();
    let noun = if tree.only_vdus() { "VDU" } else { "workload" };
    let bound = head.timeout.map(|timeout| format!(" of {}", bound(timeout))).unwrap_or_default();
    let parts = [
        bold(&format!("{doing} {}", head.name)),
        plain("operation ") + dim(short_id(&head.operation_id)),
        plain(&(seconds(head.elapsed) + &bound)),
        if all == 0 { Text::empty() } else { plain(&format!("{done} of {} done", count(all, noun))) },
    ];
    page.list(0, Text::empty(), parts, "   ");
    page.finish()
}

/// What a user may do while an operation is under way.
pub fn hint(name: &str, screen: &Screen) -> String {
    let mut page = Page::new(screen);
    let watch = cyan(&format!("{} -w", command_line(screen, "status", &[name])));
    page.list(0, Text::empty(), [plain("Ctrl-C stops;"), watch, plain("shows the same in another terminal")], " ");
    page.finish()
}

/// The tree in at most `height` lines; without a height as much of it as somebody reads.
pub fn render(tree: &Tree, screen: &Screen, height: Option<usize>) -> String {
    let lines = match height {
        None => lines(tree, screen, &Fold::READABLE),
        Some(height) => fold::into_height(height, |fold| lines(tree, screen, fold)),
    };
    lines.into_iter().map(|line| format!("{line}\n")).collect()
}

/// A bound as it was given: `10m`, `30s`.
fn bound(timeout: Duration) -> String {
    match timeout.as_secs() {
        whole @ 0..60 if timeout.subsec_nanos() == 0 => format!("{whole}s"),
        _ => seconds(timeout),
    }
}

/// One line before its columns are known.
struct Line {
    /// What stands before the name: mark, VDU, branches.
    lead: Text,
    name: String,
    /// What belongs to the name.
    role: Text,
    ready: Text,
    words: String,
    colour: fn(&str) -> Text,
    time: Text,
}

impl Line {
    fn new(lead: Text, name: String) -> Self {
        Self {
            lead,
            name: clean(&name),
            role: Text::empty(),
            ready: Text::empty(),
            words: String::new(),
            colour: plain,
            time: Text::empty(),
        }
    }

    fn left(&self) -> usize {
        let role = if self.role.is_empty() { 0 } else { GAP + self.role.width() };
        self.lead.width() + plain(&self.name).width() + role
    }

    fn rest(&self) -> bool {
        !(self.ready.is_empty() && self.words.is_empty() && self.time.is_empty())
    }
}

fn lines(tree: &Tree, screen: &Screen, fold: &Fold) -> Vec<String> {
    let mut page = Sketch { screen, fold, lines: Vec::new() };
    page.tree(tree);
    let columns = Columns::of(&page.lines, screen);
    page.lines.iter().flat_map(|line| columns.lay(line)).collect()
}

/// Where the columns stand.
struct Columns<'a> {
    screen: &'a Screen,
    /// Where the numbers begin.
    ready: usize,
    /// Where what explains begins.
    words: usize,
    /// Where the time begins.
    time: usize,
}

impl<'a> Columns<'a> {
    fn of(lines: &[Line], screen: &'a Screen) -> Self {
        let widest = |width: &dyn Fn(&Line) -> usize| lines.iter().map(width).max().unwrap_or(0);
        let (usual, least) = WORDS;
        let most = screen.width.saturating_sub(READY + GAP + least + AGE + GAP);
        let fitting = lines.iter().map(Line::left).filter(|left| left + GAP <= most).max().unwrap_or(0);
        let ready = (fitting + GAP).max(NAMES.min(screen.width / 2));
        let words = ready + widest(&|line| line.ready.width()).max(READY) + GAP;
        // A line without a time may go on to the end of the screen.
        let timed = widest(&|line| if line.time.is_empty() { 0 } else { plain(&line.words).width() });
        let room = screen.width.saturating_sub(words + GAP + AGE);
        Self { screen, ready, words, time: words + timed.max(usual).min(room) + GAP }
    }

    /// The line, or what becomes of it where its name leaves no room.
    fn lay(&self, line: &Line) -> Vec<String> {
        let width = self.screen.width;
        let role = if line.role.is_empty() { Text::empty() } else { plain("  ") + line.role.clone() };
        let left = line.lead.clone() + line.name.as_str() + role.clone();
        if left.width() + GAP <= self.ready || !line.rest() && left.width() <= width {
            return vec![trimmed(&self.rest(line, left))];
        }
        let gap = " ".repeat(GAP);
        let mut run_on = left.clone() + gap.as_str() + line.ready.clone();
        for part in [(line.colour)(&line.words), line.time.clone()] {
            if !part.is_empty() {
                run_on = run_on + gap.as_str() + part;
            }
        }
        if run_on.width() <= width {
            return vec![trimmed(&run_on)];
        }
        let mut laid = broken(line, role, width);
        laid.push(trimmed(&self.rest(line, Text::empty())));
        laid
    }

    /// What stands beside a name, in its columns.
    fn rest(&self, line: &Line, left: Text) -> Text {
        let end = if line.time.is_empty() { self.screen.width } else { self.time.saturating_sub(1) };
        let words = fit(&line.words, end.saturating_sub(self.words), self.screen.symbols);
        let all = left.pad(self.ready) + line.ready.clone();
        let all = all.pad(self.words) + (line.colour)(&words);
        if line.time.is_empty() { all } else { all.pad(self.time) + line.time.clone() }
    }
}

fn trimmed(line: &Text) -> String {
    line.to_string().trim_end_matches(' ').to_owned()
}

/// A name on as many lines as it needs, each no wider than the screen.
fn broken(line: &Line, role: Text, width: usize) -> Vec<String> {
    let indent = line.lead.width();
    let room = width.saturating_sub(indent).max(2);
    let mut parts = vec![String::new()];
    let mut used = 0;
    for c in line.name.chars() {
        let columns = c.width().unwrap_or(0);
        if used + columns > room {
            parts.push(String::new());
            used = 0;
        }
        used += columns;
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    let last = parts.len() - 1;
    let lines = parts.into_iter().enumerate().map(|(index, part)| {
        let lead = if index == 0 { line.lead.clone() } else { Text::empty().pad(indent) };
        let text = lead + part.as_str();
        let fits = index == last && text.width() + role.width() <= width;
        trimmed(&if fits { text + role.clone() } else { text })
    });
    lines.collect()
}

/// The lines of a tree, as far as it is not folded.
struct Sketch<'a> {
    screen: &'a Screen,
    fold: &'a Fold,
    lines: Vec<Line>,
}

impl Sketch<'_> {
    fn tree(&mut self, tree: &Tree) {
        if let Some(config) = &tree.config {
            self.config(config);
        }
        let vdus = tree.rows.iter().filter_map(|row| row.vdu.as_deref()).map(|vdu| plain(vdu).width());
        let vdus = vdus.max().unwrap_or(0);
        let shown = |row: &&Row| match row.state {
            State::Failed => true,
            State::Waiting | State::Leaving => true,
            State::Done | State::ToDo => self.fold.settled,
        };
        let mut waiting = 0;
        let (mut listed, mut counted): (Vec<&Row>, Vec<&Row>) = tree.rows.iter().partition(shown);
        listed.retain(|row| {
            let surplus = row.state == State::Waiting && waiting >= self.fold.waiting;
            waiting += usize::from(row.state == State::Waiting);
            if surplus {
                counted.push(row);
            }
            !surplus
        });
        for row in listed {
            self.row(row, vdus);
        }
        for (state, what) in [(State::Waiting, "under way"), (State::Done, "done"), (State::ToDo, "to do")] {
            let rows: Vec<&Row> = counted.iter().copied().filter(|row| row.state == state).collect();
            if !rows.is_empty() {
                self.count(state, &rows, what);
            }
        }
        if !tree.others.is_empty() {
            let named = sentence(&kinds(&tree.others));
            let room = self.screen.width.saturating_sub(self.margin().width());
            let text = match plain(&named).width() <= room {
                true => named,
                false => count(tree.others.len(), "other object"),
            };
            self.lines.push(Line::new(self.lead(State::Done), text));
        }
        if let Some(untouched) = &tree.untouched {
            self.untouched(untouched);
        }
    }

    /// Spaces, a mark, a space.
    fn lead(&self, state: State) -> Text {
        let mark = match state {
            State::ToDo => Mark::Change,
            State::Waiting | State::Leaving => Mark::Waiting,
            State::Done => Mark::Done,
            State::Failed => Mark::Failed,
        };
        Text::empty().pad(INDENT) + mark.column(self.screen) + " "
    }

    fn margin(&self) -> Text {
        Text::empty().pad(self.lead(State::Waiting).width())
    }

    fn config(&mut self, row: &ConfigRow) {
        let all = row.objects.len();
        let names = || row.objects.iter().map(|object| object.name.clone()).collect::<Vec<_>>();
        let words = match row.state {
            State::ToDo => "to do".to_owned(),
            State::Done if all <= FEW && row.what != "created" => format!("{} {}", sentence(&names()), row.what),
            State::Done => format!("{} {}", sentence(&kinds(&row.objects)), row.what),
            _ => format!("{} of {all} {}", row.done, row.what),
        };
        let line = Line::new(self.lead(row.state), "config".into());
        self.lines.push(Line { words, colour: colour(row.state), time: took(row.took), ..line });
    }

    fn row(&mut self, row: &Row, vdus: usize) {
        let mut lead = self.lead(row.state);
        if let Some(vdu) = &row.vdu {
            lead = lead + plain(vdu).pad(vdus) + "  ";
        }
        let since = row.since.map(|since| dim(&age(since, self.screen.now)));
        let line = Line {
            ready: row.ready.map(numbers).unwrap_or_default(),
            words: clean(&row.words),
            colour: colour(row.state),
            time: since.unwrap_or_else(|| took(row.took)),
            ..Line::new(lead, row.object.to_string())
        };
        self.lines.push(line);
        let open = match row.state {
            State::Done | State::ToDo => self.fold.done_open,
            State::Waiting | State::Leaving => self.fold.waiting_open,
            State::Failed => self.fold.failed_open,
        };
        if !(open && row.open) {
            return;
        }
        let last = row.sets.len().saturating_sub(1);
        for (index, set) in row.sets.iter().enumerate() {
            let end = index == last && row.pods.is_empty();
            let lead = self.margin() + self.branch(end);
            let role = set.role.as_str();
            let gone = set.role.goes();
            self.lines.push(Line {
                role: if gone { dim(role) } else { plain(role) },
                ready: numbers(set.ready),
                words: clean(&set.words),
                ..Line::new(lead, set.name.clone())
            });
            let trunk = self.margin() + self.trunk(end);
            self.pods(&set.pods, &trunk);
        }
        let margin = self.margin();
        self.pods(&row.pods, &margin);
    }

    fn branch(&self, last: bool) -> &'static str {
        match (self.screen.symbols, last) {
            (Symbols::Unicode, false) => "├─ ",
            (Symbols::Unicode, true) => "└─ ",
            (Symbols::Ascii, false) => "|- ",
            (Symbols::Ascii, true) => "\\- ",
        }
    }

    fn trunk(&self, last: bool) -> &'static str {
        match (self.screen.symbols, last) {
            (_, true) => "   ",
            (Symbols::Unicode, false) => "│  ",
            (Symbols::Ascii, false) => "|  ",
        }
    }

    /// Pods, as many of them as are not folded away: those that are ready go first.
    fn pods(&mut self, pods: &[PodLine], trunk: &Text) {
        let (mut ready, mut behind) = (0, 0);
        let (shown, folded): (Vec<&PodLine>, Vec<&PodLine>) = pods.iter().partition(|pod| {
            let (seen, most) = match pod.state {
                State::Done => (&mut ready, self.fold.ready),
                _ => (&mut behind, self.fold.behind),
            };
            *seen += 1;
            *seen <= most
        });
        // One that is folded away would take its own line to say so.
        let (shown, folded) = if folded.len() == 1 && self.fold.ready > 0 {
            (pods.iter().collect(), Vec::new())
        } else {
            (shown, folded)
        };
        let last = shown.len().saturating_sub(1);
        for (index, pod) in shown.into_iter().enumerate() {
            let lead = trunk.clone() + self.branch(index == last && folded.is_empty());
            self.pod(pod, lead);
        }
        if folded.is_empty() {
            return;
        }
        let more = if folded.len() == pods.len() { "" } else { " more" };
        let noun = if folded.len() == 1 { "Pod" } else { "Pods" };
        let behind = folded.iter().filter(|pod| pod.state != State::Done).count();
        let how = match behind {
            0 => "all ready".to_owned(),
            _ => format!("{behind} not ready"),
        };
        let dots = if self.screen.symbols == Symbols::Unicode { "…" } else { "..." };
        let text = format!("{dots} {}{more} {noun}, {how}", folded.len());
        let lead = trunk.clone() + self.branch(true);
        self.lines.push(Line::new(lead, text));
    }

    fn pod(&mut self, pod: &PodLine, lead: Text) {
        let restarts = if pod.restarts > 0 { format!(", restarts {}", pod.restarts) } else { String::new() };
        let (ready, all) = pod.ready;
        self.lines.push(Line {
            ready: plain(&format!("{ready}/{all}")),
            words: clean(&pod.reason) + &restarts,
            colour: colour(pod.state),
            time: pod.created.map(|created| dim(&age(created, self.screen.now))).unwrap_or_default(),
            ..Line::new(lead, pod.name.clone())
        });
    }

    /// Rows that are counted instead of listed.
    fn count(&mut self, state: State, rows: &[&Row], what: &str) {
        let noun = match rows {
            _ if rows.iter().all(|row| row.vdu.is_some()) => "VDU",
            _ if rows.iter().all(|row| row.ready.is_some()) => "workload",
            _ => "object",
        };
        let ready = rows.iter().filter_map(|row| row.ready);
        let ready = ready.fold((0, 0), |sum, ready| (sum.0 + ready.0, sum.1 + ready.1));
        let line = Line::new(self.lead(state), format!("{} {what}", count(rows.len(), noun)));
        self.lines.push(Line { ready: numbers(ready), ..line });
    }

    fn untouched(&mut self, untouched: &Untouched) {
        let parts = [(untouched.vdus, "VDU"), (untouched.others, "workload")];
        let parts = parts.into_iter().filter(|(number, _)| *number > 0).map(|(number, noun)| count(number, noun));
        let name = format!("{} untouched", sentence(&parts.collect::<Vec<_>>()));
        let lead = self.margin() + dim(&name);
        self.lines.push(Line { ready: numbers(untouched.ready), ..Line::new(lead, String::new()) });
    }
}

/// `1/1`, green where nothing is missing.
fn numbers((ready, wanted): (u64, u64)) -> Text {
    let text = format!("{ready}/{wanted}");
    if ready == wanted && wanted > 0 { green(&text) } else { plain(&text) }
}

fn took(took: Option<Duration>) -> Text {
    took.map(|took| dim(&seconds(took))).unwrap_or_default()
}

fn colour(state: State) -> fn(&str) -> Text {
    match state {
        State::Failed => red,
        State::ToDo | State::Leaving => dim,
        State::Waiting | State::Done => plain,
    }
}
