//! What of a tree is left out where it has more lines than the screen.

/// How far a tree is folded.
#[derive(Clone, Copy, Debug)]
pub struct Fold {
    /// What is done shows what is below it.
    pub done_open: bool,
    /// What is waited for does.
    pub waiting_open: bool,
    /// What failed does.
    pub failed_open: bool,
    /// Ready Pods that are listed of one controller.
    pub ready: usize,
    /// Other Pods that are.
    pub behind: usize,
    /// What is done, or not begun, has a row each.
    pub settled: bool,
    /// How many of those that are waited for have one.
    pub waiting: usize,
}

/// Fewer and fewer Pods of one controller.
const FEWER: [usize; 9] = [48, 24, 12, 8, 6, 4, 3, 2, 1];

impl Fold {
    /// Everything.
    const OPEN: Self = Self {
        done_open: true,
        waiting_open: true,
        failed_open: true,
        ready: usize::MAX,
        behind: usize::MAX,
        settled: true,
        waiting: usize::MAX,
    };
    /// What somebody reads who can scroll: ready Pods are alike.
    pub const READABLE: Self = Self { ready: 8, ..Self::OPEN };
}

/// The lines at the first fold that leaves no more than `height`. What is done is folded first, then Pods are counted
/// that are ready, then others, then what is done altogether, then what is waited for; what failed stays to the last.
pub fn into_height(height: usize, lines: impl Fn(&Fold) -> Vec<String>) -> Vec<String> {
    let closed = Fold { done_open: false, ..Fold::OPEN };
    let few = FEWER.map(|ready| Fold { ready, ..closed });
    let behind = [8, 3, 1].map(|behind| Fold { ready: 0, behind, ..closed });
    let counted = [3, 1].map(|behind| Fold { ready: 0, behind, settled: false, ..closed });
    let shut = |waiting| Fold { waiting, waiting_open: false, ..counted[1] };
    let folds = [Fold::OPEN, closed].into_iter().chain(few).chain(behind).chain(counted);
    let folds = folds.chain([shut(usize::MAX)]).chain((0..height).rev().map(shut));
    let mut last = Vec::new();
    for fold in folds.chain([Fold { failed_open: false, ..shut(0) }]) {
        last = lines(&fold);
        if last.len() <= height {
            return last;
        }
    }
    let kept = height.saturating_sub(1);
    let more = last.len() - kept.min(last.len());
    last.truncate(kept);
    if height > 0 {
        last.push(format!("  ... {more} more lines"));
    }
    last
}
