//! A bound on writes in time: past it none is sent, however long it has waited for its turn.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

/// A moment on both clocks: the monotonic one stands still while the machine sleeps, and the wall clock can be set.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    monotonic: Instant,
    wall: SystemTime,
}

impl Moment {
    /// This moment.
    pub fn now() -> Self {
        Self { monotonic: Instant::now(), wall: SystemTime::now() }
    }

    /// How long ago it was, by the clock that says more. A wall clock that was set back tells nothing: then it may
    /// be any time ago.
    pub fn age(&self) -> Duration {
        self.wall.elapsed().map_or(Duration::MAX, |wall| wall.max(self.monotonic.elapsed()))
    }
}

/// Shuts by itself unless it is opened again and again. Clones are the same fence.
#[derive(Clone, Debug)]
pub struct Fence {
    stays_open: Duration,
    opened: Arc<Mutex<Option<Moment>>>,
}

impl Fence {
    /// A fence, shut.
    pub fn new(stays_open: Duration) -> Self {
        Self { stays_open, opened: Arc::default() }
    }

    /// Opens it as of a moment.
    pub fn open(&self, since: Moment) {
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = Some(since);
    }

    /// Shuts it.
    pub fn shut(&self) {
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn is_open(&self) -> bool {
        let opened = *self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.is_some_and(|opened| opened.age() <= self.stays_open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_shuts_by_itself() {
        let fence = Fence::new(Duration::from_secs(10));
        assert!(!fence.is_open());
        fence.open(Moment::now());
        assert!(fence.clone().is_open());
        let (now, ago) = (Moment::now(), Duration::from_secs(11));
        // Asleep for 11 s: only the wall clock has gone on. Stopped for 11 s: both have.
        let asleep = Moment { wall: now.wall - ago, ..now };
        let stopped = Moment { monotonic: now.monotonic - ago, wall: now.wall - ago };
        // The wall clock was set back by an hour: who knows.
        let set_back = Moment { wall: now.wall + Duration::from_secs(3600), ..now };
        for long_ago in [asleep, stopped, set_back] {
            fence.open(long_ago);
            assert!(!fence.is_open(), "{long_ago:?}");
        }
        fence.open(Moment::now());
        fence.shut();
        assert!(!fence.is_open());
    }
}
