//! The engine on a thread of its own, stopped from the runtime.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio_util::sync::CancellationToken;

use crate::health::{Engines, Metrics};

/// How long an engine may take to stop before its thread is given up; less in a shutdown, see
/// [`Settings`](super::Settings).
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// The right to work on one video. An engine that cannot be stopped keeps its permit, because
/// it keeps a processor busy.
#[derive(Clone, Debug)]
pub(crate) struct Permit {
    _held: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    _permit: OwnedSemaphorePermit,
    metrics: Arc<Metrics>,
}

impl Permit {
    /// Counts a permit as used until its last copy is gone.
    pub(crate) fn new(permit: OwnedSemaphorePermit, metrics: &Arc<Metrics>) -> Self {
        metrics.permits_used.inc();
        Self { _held: Arc::new(Held { _permit: permit, metrics: metrics.clone() }) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.metrics.permits_used.dec();
    }
}

/// Why an attempt is stopped before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Another attempt, the owner or the edge has ended this one.
    Superseded,
    /// Control refuses this worker.
    Unauthorised,
    /// The job's time is over.
    Deadline,
    /// The engine has not opened and measured the video within the time for its bytes.
    SlowStart,
    /// Neither frames nor bytes nor the percentage increase.
    Stuck,
    /// This worker shuts down.
    Shutdown,
}

/// Stops everything that belongs to an attempt; the first reason stays.
#[derive(Debug, Default)]
pub(super) struct Stopper {
    pub(super) token: CancellationToken,
    reason: OnceLock<Stop>,
}

impl Stopper {
    pub(super) fn stop(&self, reason: Stop) {
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    pub(super) fn reason(&self) -> Option<Stop> {
        self.reason.get().copied()
    }
}

/// How an engine's thread ended.
#[derive(Debug)]
pub(super) enum Ended<T> {
    /// With a result.
    Returned(T),
    /// With a panic.
    Panicked(String),
    /// It was told to stop and did not; it may still run.
    Abandoned,
    /// The system gave no thread.
    NotStarted(std::io::Error),
}

/// Runs `work` on a thread that holds the permit, until it returns, or does not stop in time
/// after it was told to: within `in_shutdown` where the worker ends.
pub(super) async fn run<T: Send + 'static>(
    permit: Permit,
    stopper: &Stopper,
    engines: &Arc<Engines>,
    in_shutdown: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Ended<T> {
    let (sender, mut receiver) = oneshot::channel();
    let thread = std::thread::Builder::new().name("engine".into()).spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(work));
        drop(permit);
        let _ = sender.send(result);
    });
    if let Err(error) = thread {
        return Ended::NotStarted(error);
    }
    let too_late = async {
        stopper.token.cancelled().await;
        let within = if stopper.reason() == Some(Stop::Shutdown) { in_shutdown } else { STOP_TIMEOUT };
        tokio::time::sleep(within).await;
    };
    tokio::select! {
        biased;
        result = &mut receiver => match result {
            Ok(Ok(value)) => Ended::Returned(value),
            Ok(Err(panic)) => Ended::Panicked(panic_text(panic.as_ref())),
            Err(_) => Ended::Panicked("the engine's thread ended without a word".into()),
        },
        () = too_late => {
            engines.abandon(async move {
                let _ = receiver.await;
            });
            Ended::Abandoned
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;
    use crate::health::{Dependency, Readiness};

    const SOON: Duration = Duration::from_secs(3);

    /// A worker's parts with so many permits, and one of them taken.
    fn parts(permits: u32) -> (Arc<Semaphore>, Permit, Arc<Engines>) {
        let (semaphore, metrics) = (Arc::new(Semaphore::new(permits as usize)), Arc::new(Metrics::new("w")));
        metrics.permits.set(permits.into());
        let permit = Permit::new(semaphore.clone().try_acquire_owned().unwrap(), &metrics);
        let readiness = Arc::new(Readiness::default());
        Dependency::ALL.iter().for_each(|dependency| readiness.record(*dependency, Ok(())));
        (semaphore, permit, Arc::new(Engines::new(metrics, readiness)))
    }

    #[tokio::test]
    async fn a_panic_is_an_end_like_others() {
        let (semaphore, permit, engines) = parts(1);
        let ended = run(permit, &Stopper::default(), &engines, SOON, || -> u8 { panic!("boom {}", 1) }).await;
        assert!(matches!(ended, Ended::Panicked(text) if text == "boom 1"));
        assert_eq!((semaphore.available_permits(), engines.metrics().permits_used.get()), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_does_not_stop_keeps_its_permit_and_ends_the_worker() {
        let (semaphore, permit, engines) = parts(1);
        let stopper = Stopper::default();
        stopper.stop(Stop::Stuck);
        stopper.stop(Stop::Shutdown);
        let (release, hold) = std::sync::mpsc::channel::<()>();
        let ended = run(permit, &stopper, &engines, SOON, move || hold.recv()).await;
        assert!(matches!(ended, Ended::Abandoned));
        assert_eq!(stopper.reason(), Some(Stop::Stuck));
        assert_eq!((semaphore.available_permits(), engines.metrics().engines_abandoned.get()), (0, 1));
        // It was the only permit.
        assert!(engines.lost().is_cancelled() && engines.readiness().is_stuck());
        assert!(!engines.readiness().is_ready());
        drop(release);
        let _back = semaphore.acquire().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_of_several_engines_may_still_return() {
        let (semaphore, permit, engines) = parts(2);
        let stopper = Stopper::default();
        stopper.stop(Stop::Superseded);
        let (release, hold) = std::sync::mpsc::channel::<()>();
        let ended = run(permit, &stopper, &engines, SOON, move || hold.recv()).await;
        assert!(matches!(ended, Ended::Abandoned));
        assert!(!engines.lost().is_cancelled() && engines.readiness().is_ready());
        // The paused clock stands still while a blocking task runs.
        let returns = move || {
            drop(release);
            while semaphore.available_permits() < 2 {
                std::thread::yield_now();
            }
        };
        tokio::task::spawn_blocking(returns).await.unwrap();
        while engines.metrics().engines_abandoned.get() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(!engines.lost().is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn one_of_several_engines_that_never_returns_ends_the_worker() {
        let (_semaphore, permit, engines) = parts(2);
        let stopper = Stopper::default();
        stopper.stop(Stop::Stuck);
        let (_release, hold) = std::sync::mpsc::channel::<()>();
        let ended = run(permit, &stopper, &engines, SOON, move || hold.recv()).await;
        assert!(matches!(ended, Ended::Abandoned));
        assert!(!engines.lost().is_cancelled());
        engines.lost().cancelled().await;
        assert!(engines.readiness().is_stuck() && !engines.readiness().is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_waits_less() {
        let (_semaphore, permit, engines) = parts(1);
        let stopper = Stopper::default();
        stopper.stop(Stop::Shutdown);
        let (_release, hold) = std::sync::mpsc::channel::<()>();
        let began = tokio::time::Instant::now();
        let ended = run(permit, &stopper, &engines, SOON, move || hold.recv()).await;
        assert!(matches!(ended, Ended::Abandoned));
        assert!(began.elapsed() < STOP_TIMEOUT / 2);
    }
}
