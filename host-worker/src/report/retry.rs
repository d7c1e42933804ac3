//! Sends a report again until control has it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::ReportError;
use crate::backoff::{Backoff, Tries};

/// Calls until control gives an answer that stands, or `patience` or the caller ends.
pub(crate) async fn persist<T, Call, Answer>(
    what: &'static str,
    patience: Duration,
    cancel: &CancellationToken,
    mut call: Call,
) -> Result<T, ReportError>
where
    Call: FnMut() -> Answer,
    Answer: Future<Output = Result<T, ReportError>>,
{
    let mut tries = Tries::new(Backoff::CALLS, patience);
    loop {
        let error = match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let Some(at_least) = error.retry() else { return Err(error) };
        if !tries.another(at_least, cancel).await {
            return Err(error);
        }
        tracing::debug!(error = %error, call = what, "a call to control is tried again");
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    async fn run(answers: Vec<Result<u8, ReportError>>) -> (Result<u8, ReportError>, usize) {
        let answers = RefCell::new(answers.into_iter());
        let calls = RefCell::new(0);
        let result = persist("test", Duration::from_secs(60), &CancellationToken::new(), || {
            *calls.borrow_mut() += 1;
            std::future::ready(answers.borrow_mut().next().unwrap_or_else(|| Err(down())))
        })
        .await;
        (result, calls.into_inner())
    }

    fn down() -> ReportError {
        ReportError::Unavailable { detail: "down".into(), retry_after: None }
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_help_is_tried_again() {
        assert_eq!(run(vec![Err(down()), Err(down()), Ok(7)]).await, (Ok(7), 3));
        assert_eq!(
            run(vec![Err(ReportError::StaleAttempt), Ok(7)]).await,
            (Err(ReportError::StaleAttempt), 1)
        );
        let (result, calls) = run(Vec::new()).await;
        assert_eq!(result, Err(down()));
        assert!((6..40).contains(&calls), "{calls}");
    }
}
