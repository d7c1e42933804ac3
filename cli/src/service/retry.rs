//! Retries of requests.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};

use super::ServiceError;

/// A longer `Retry-After` is not waited for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(20);

/// A schedule of `times` delays, of `first` and then twice as long each time, up to `longest`.
pub(crate) const fn schedule(first: Duration, longest: Duration, times: usize) -> ExponentialBuilder {
    ExponentialBuilder::new().with_min_delay(first).with_max_delay(longest).with_max_times(times)
}

/// Calls `attempt` until it succeeds, fails permanently, or the schedule ends. Returns its last result. The service's
/// `Retry-After` replaces a delay. Calls `before_delay` before each delay.
pub(crate) fn retry<T>(
    schedule: ExponentialBuilder,
    mut attempt: impl FnMut() -> Result<T, ServiceError>,
    mut before_delay: impl FnMut(),
) -> Result<T, ServiceError> {
    let mut delays = schedule.build();
    loop {
        let error = match attempt() {
            Err(error) if error.is_temporary() => error,
            done => return done,
        };
        let (Some(delay), asked) = (delays.next(), error.retry_after()) else { return Err(error) };
        if asked.is_some_and(|asked| asked > MAX_RETRY_AFTER) {
            return Err(error);
        }
        let delay = asked.unwrap_or(delay);
        tracing::debug!(?delay, ?error, "sends a request again");
        before_delay();
        std::thread::sleep(delay);
    }
}

#[cfg(test)]
mod tests {
    use framelift_contract::problem::{Problem, ProblemCode};

    use super::*;

    /// Attempts until the result, with errors of these codes and then a success.
    fn attempts(codes: &[ProblemCode], retry_after_s: Option<u64>) -> (bool, usize) {
        let (mut codes, mut attempts) = (codes.iter(), 0);
        let refused = |code| {
            let mut refusal = super::super::error::Refusal::from(Problem::new(code, "x", "c"));
            refusal.retry_after = retry_after_s.map(Duration::from_secs);
            ServiceError::Refused(Box::new(refusal))
        };
        let result = retry(
            schedule(Duration::from_millis(1), Duration::from_millis(2), 3),
            || {
                attempts += 1;
                codes.next().map_or(Ok(()), |code| Err(refused(*code)))
            },
            || {},
        );
        (result.is_ok(), attempts)
    }

    #[test]
    fn temporary_errors_are_retried_until_the_schedule_ends() {
        let (temporary, permanent) = (ProblemCode::Unavailable, ProblemCode::VideoNotFound);
        assert_eq!(attempts(&[temporary; 3], None), (true, 4));
        assert_eq!(attempts(&[temporary; 4], None), (false, 4));
        assert_eq!(attempts(&[permanent], None), (false, 1));
        assert_eq!(attempts(&[temporary, permanent], None), (false, 2));
        assert_eq!(attempts(&[temporary], Some(0)), (true, 2));
        assert_eq!(attempts(&[temporary], Some(21)), (false, 1));
    }
}
