//! Work that would hold up requests, on a thread of its own: the runtime has one thread, and while a package is read or
//! a thousand Pods are given back no answer is taken.

/// Does work on another thread while this one goes on with requests. A panic of it is one here.
pub async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// Gives back what is large without waiting for it, nor does the end of the process.
pub fn drop_apart<T: Send + 'static>(large: T) {
    // Where there is no thread to be had it is dropped here.
    let _ = std::thread::Builder::new().spawn(move || drop(large));
}
