//! Retries: how long to wait in between, and when to give up.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The backoff of calls: from 100 ms to 5 s, and up to twice that by jitter.
const CALLS: ExponentialBuilder = ExponentialBuilder::new()
    .with_jitter()
    .with_min_delay(Duration::from_millis(100))
    .with_max_delay(Duration::from_secs(5))
    .without_max_times();

/// The longest delay of a message, as a multiple of the first one.
const MAX_MESSAGE_DELAY_FACTOR: u32 = 60;

/// The longest pause of a worker that is out of service, without its jitter.
const MAX_OUT_OF_SERVICE: Duration = Duration::from_secs(900);

/// An error that knows whether a retry may help.
pub(crate) trait Retryable: std::fmt::Display {
    /// The least time to wait before a retry; `None` if a retry would not help.
    fn retry_after(&self) -> Option<Duration>;
}

/// From `first` up to `longest`, twice as long each time, and up to twice that by jitter.
fn doubling(first: Duration, longest: Duration) -> ExponentialBuilder {
    let schedule = ExponentialBuilder::new().with_jitter().without_max_times();
    schedule.with_min_delay(first).with_max_delay(longest.max(first))
}

/// Returns the delay of a message that was received `receives` times; `first` is the delay after the first
/// receive.
pub(crate) fn message_delay(first: Duration, receives: u32) -> Duration {
    nth(doubling(first, first.saturating_mul(MAX_MESSAGE_DELAY_FACTOR)), receives)
}

/// Returns the `n`-th consecutive pause (from 1) of a worker that is out of service.
pub(crate) fn out_of_service(first: Duration, n: u32) -> Duration {
    nth(doubling(first, MAX_OUT_OF_SERVICE), n)
}

/// Returns the pause of a loop that never gives up, after `failures` consecutive failures.
pub(crate) fn pause(failures: u32) -> Duration {
    nth(CALLS, failures)
}

/// The `n`-th delay (from 1) of a schedule, which reaches its longest long before the 30th.
fn nth(schedule: ExponentialBuilder, n: u32) -> Duration {
    schedule.build().nth(n.clamp(1, 30) as usize - 1).unwrap_or_default()
}

/// Repeats `call` until it succeeds, fails permanently, `retry_timeout` has passed or `cancel` is cancelled.
/// Returns the last result. A call under way is not interrupted.
pub(crate) async fn retry<T, E, Call, Answer>(
    what: &'static str,
    retry_timeout: Duration,
    cancel: &CancellationToken,
    mut call: Call,
) -> Result<T, E>
where
    E: Retryable,
    Call: FnMut() -> Answer,
    Answer: Future<Output = Result<T, E>>,
{
    let give_up_at = Instant::now() + retry_timeout;
    let mut delays = CALLS.build();
    loop {
        let error = match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let Some((at_least, delay)) = error.retry_after().zip(delays.next()) else { return Err(error) };
        let delay = delay.max(at_least);
        if Instant::now() + delay >= give_up_at {
            return Err(error);
        }
        tokio::select! {
            () = cancel.cancelled() => return Err(error),
            () = tokio::time::sleep(delay) => {}
        }
        tracing::debug!(error = %error, what, "a call is tried again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, thiserror::Error)]
    #[error("{0:?}")]
    struct Failure(Option<u64>);

    impl Retryable for Failure {
        fn retry_after(&self) -> Option<Duration> {
            self.0.map(Duration::from_secs)
        }
    }

    async fn run(
        cancel: &CancellationToken,
        answers: Vec<Result<u8, Failure>>,
    ) -> (Result<u8, Failure>, u32) {
        let (mut answers, mut calls) = (answers.into_iter(), 0);
        let result = retry("test", Duration::from_secs(60), cancel, || {
            calls += 1;
            std::future::ready(answers.next().unwrap_or(Err(Failure(Some(0)))))
        })
        .await;
        (result, calls)
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_help_is_tried_again() {
        let again = || Err(Failure(Some(1)));
        let never = CancellationToken::new();
        let began = Instant::now();
        assert_eq!(run(&never, vec![again(), again(), Ok(7)]).await, (Ok(7), 3));
        assert!(began.elapsed() >= Duration::from_secs(2), "it waits as long as it is told");
        assert_eq!(run(&never, vec![Err(Failure(None)), Ok(7)]).await, (Err(Failure(None)), 1));
        assert_eq!(run(&never, vec![Err(Failure(Some(60))), Ok(7)]).await, (Err(Failure(Some(60))), 1));
        let (result, calls) = run(&never, Vec::new()).await;
        assert_eq!(result, Err(Failure(Some(0))));
        assert!((12..25).contains(&calls), "it gives up in time: {calls}");
        never.cancel();
        assert_eq!(run(&never, vec![again(), Ok(7)]).await, (again(), 1));
    }

    #[test]
    fn delays_grow_up_to_the_longest() {
        let delay = |receives| message_delay(Duration::from_millis(7_500), receives);
        for (receives, least, most) in [(0, 7_500, 15_000), (1, 7_500, 15_000), (3, 30_000, 60_000)] {
            let delay = delay(receives).as_millis();
            assert!((least..=most).contains(&delay), "{receives}: {delay}");
        }
        assert!((450..=900).contains(&delay(u32::MAX).as_secs()));
        assert!(out_of_service(Duration::from_secs(3600), 9).as_secs() >= 3600, "never less than asked for");
        assert!(pause(u32::MAX).as_secs() <= 10);
    }
}
