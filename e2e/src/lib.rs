//! The test harness of the whole product: stacks, users, videos, and third-party services.
//!
//! Nothing here shares code with what it tests but the wire's types: processes are started as a person starts
//! them, and everything goes through HTTP, S3, SQS and SMTP.

#![expect(
    clippy::unwrap_used,
    reason = "a harness for tests: what fails here fails the test, with the place where it did"
)]

pub mod clip;
pub mod cloud;
pub mod collector;
pub mod faulty_cloud;
pub mod hostile;
pub mod peer;
pub mod process;
pub mod proxy;
pub mod receiver;
pub mod stack;
pub mod user;
pub mod worker;

pub use stack::{Setup, Stack};
pub use user::User;

/// How long a test waits for anything: far longer than needed, so that a slow machine does not fail a test.
pub const WAIT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(240);

/// Polls until there is an answer.
///
/// # Panics
/// When [`WAIT_TIMEOUT`] runs out; `what` says what was waited for.
pub async fn until<T, F>(what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, String>>,
{
    let give_up = std::time::Instant::now() + WAIT_TIMEOUT;
    loop {
        match ask().await {
            Ok(value) => return value,
            Err(last) => {
                assert!(std::time::Instant::now() < give_up, "waited in vain for {what}: {last}");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}
