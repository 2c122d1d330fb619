//! Threads beside the one of the runtime: for work that would hold up requests, while a package is read or a thousand Pods
//! are given back; and for work that wants a deep stack, which the caller's may not be.

use std::cell::Cell;
use std::io;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;
use tokio::runtime::{Builder, Runtime};

/// Stack of the threads that work here, in bytes. What is not used of it costs nothing.
const STACK: usize = 16 * 1024 * 1024;

/// Threads that do the same: with more of them, beginning them takes longer than what they save.
const MOST: usize = 4;

thread_local! {
    /// Whether this thread has a stack of [`STACK`].
    static IS_DEEP: Cell<bool> = const { Cell::new(false) };
}

/// The runtime of a process: one thread for requests, and those of [`apart`].
///
/// # Errors
/// The operating system's.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().thread_stack_size(STACK).on_thread_start(|| IS_DEEP.set(true)).build()
}

/// Does work on another thread while this one goes on with requests. A panic of it is one here.
pub async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| resume_unwind(panic.into_panic()))
}

/// Does work with a deep stack: here, if this thread has one, for a new thread takes longer than a small file. Fails when
/// the work panics, or there is no thread to be had.
pub fn deep<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    if IS_DEEP.get() {
        return catch_unwind(AssertUnwindSafe(work)).ok();
    }
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).ok()?;
        thread.join().ok()
    })
}

/// Does the same with each of many, on some threads at once; what comes of it is in their order.
pub fn each<T: Sync, R: Send>(many: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MOST);
    let mut shares = many.chunks(many.len().div_ceil(threads).max(1));
    let own = shares.next().unwrap_or_default();
    thread::scope(|scope| {
        let others = shares.map(|share| {
            let work = || -> Vec<R> { share.iter().map(&work).collect() };
            (share, thread::Builder::new().spawn_scoped(scope, work))
        });
        let others: Vec<_> = others.collect();
        let mut done: Vec<R> = own.iter().map(&work).collect();
        for (share, other) in others {
            match other {
                Ok(thread) => done.extend(thread.join().unwrap_or_else(|panic| resume_unwind(panic))),
                // There is no thread to be had.
                Err(_) => done.extend(share.iter().map(&work)),
            }
        }
        done
    })
}

/// Gives back what is large without waiting for it, nor does the end of the process.
pub fn drop_apart<T: Send + 'static>(large: T) {
    // Where there is no thread to be had it is dropped here.
    let _ = thread::Builder::new().spawn(move || drop(large));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_of_the_runtime_are_deep() {
        let runtime = runtime().expect("a runtime");
        let same = runtime.block_on(apart(|| deep(|| thread::current().id()) == Some(thread::current().id())));
        assert!(same, "no thread is made where the stack is deep");
        assert_ne!(deep(|| thread::current().id()), Some(thread::current().id()));
    }

    #[test]
    fn what_comes_of_many_is_in_their_order() {
        for count in [0, 1, 2, 7, 1000] {
            let many: Vec<usize> = (0..count).collect();
            assert_eq!(each(&many, |one| one * 2), (0..count).map(|one| one * 2).collect::<Vec<_>>());
        }
        let panics = || each(&[1, 2, 3, 4], |one| assert!(*one != 4, "as a parser may"));
        assert!(catch_unwind(panics).is_err());
    }

    #[test]
    fn a_panic_ends_the_work_alone() {
        let panics = || -> u8 { panic!("as a parser may") };
        assert_eq!(deep(panics), None);
        let runtime = runtime().expect("a runtime");
        assert_eq!(runtime.block_on(apart(move || deep(panics))), None);
    }
}
