//! A user who uploads videos and waits for their results.

use std::fmt;
use std::ops::AddAssign;
use std::sync::Arc;
use std::time::Duration;

use framelift_e2e::User;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::measure::Calls;

/// Uploads that come at once in a burst.
const BURST: usize = 10;
/// How often a user looks at the list of videos.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The outcomes of uploads.
#[derive(Default)]
pub(crate) struct Tally {
    /// Handed over: the answer was 202.
    pub accepted: usize,
    pub completed: usize,
    pub failed: usize,
    /// Answers that asked to retry later (429 and 503).
    pub throttled: usize,
}

impl Tally {
    /// Videos that were accepted and never ended.
    pub(crate) fn lost(&self) -> usize {
        self.accepted - self.completed - self.failed
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.completed += other.completed;
        self.failed += other.failed;
        self.throttled += other.throttled;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted, completed, failed, throttled } = self;
        let lost = self.lost();
        write!(
            f,
            "accepted {accepted}, completed {completed}, failed {failed}, lost {lost}, asked to wait {throttled}"
        )
    }
}

/// A user with a video to upload again and again.
#[derive(Clone)]
pub(crate) struct Customer {
    user: User,
    video: Arc<Vec<u8>>,
    calls: Arc<Calls>,
}

impl Customer {
    pub(crate) fn new(user: User, video: &Arc<Vec<u8>>, calls: &Arc<Calls>) -> Self {
        Self { user, video: Arc::clone(video), calls: Arc::clone(calls) }
    }

    /// Uploads so many videos, first one after the other and then in bursts, and waits until all have ended.
    pub(crate) async fn use_the_service(self, uploads: usize) -> Tally {
        let mut tally = Tally::default();
        for _ in 0..uploads / 2 {
            tally += self.upload().await;
        }
        let mut rest = uploads - uploads / 2;
        while rest > 0 {
            let now = rest.min(BURST);
            rest -= now;
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..now {
                let customer = self.clone();
                tasks.spawn(async move { customer.upload().await });
            }
            for one in tasks.join_all().await {
                tally += one;
            }
        }
        let (completed, failed) = self.wait_for(tally.accepted, &mut tally.throttled).await;
        (tally.completed, tally.failed) = (completed, failed);
        tally
    }

    /// Declares, puts and hands over one video.
    async fn upload(&self) -> Tally {
        let mut tally = Tally::default();
        let body = json!({"file_name": "small.mp4", "size_bytes": self.video.len()});
        let created =
            self.call("POST /videos", Method::POST, "/videos", Some(&body), &mut tally.throttled).await;
        self.calls.time("PUT to the store", self.user.put(&created["upload"], &self.video)).await;
        let path = format!("/videos/{}/complete", created["id"].as_str().unwrap());
        self.call("POST …/complete", Method::POST, &path, None, &mut tally.throttled).await;
        tally.accepted = 1;
        tally
    }

    /// Looks at the list until so many videos have ended; how many are completed, and failed. Gives up when
    /// nothing has ended for two minutes.
    async fn wait_for(&self, accepted: usize, throttled: &mut usize) -> (usize, usize) {
        let (mut before, mut idle) = (0, Duration::ZERO);
        loop {
            let (mut completed, mut failed, mut cursor) = (0, 0, String::new());
            loop {
                let path = format!("/videos?limit=100{cursor}");
                let page = self.call("GET /videos", Method::GET, &path, None, throttled).await;
                let items = page["items"].as_array().unwrap();
                completed += items.iter().filter(|item| item["status"] == "completed").count();
                failed += items.iter().filter(|item| item["status"] == "failed").count();
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            idle = if completed + failed > before { Duration::ZERO } else { idle + POLL_INTERVAL };
            before = completed + failed;
            if before >= accepted || idle > Duration::from_secs(120) {
                return (completed, failed);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Makes one call, and repeats it while the answer asks to retry later.
    async fn call(
        &self,
        name: &'static str,
        method: Method,
        path: &str,
        body: Option<&Value>,
        throttled: &mut usize,
    ) -> Value {
        loop {
            let answer = self.calls.time(name, self.user.send(method.clone(), path, body)).await;
            let Some(pause) = retry_after(&answer) else {
                let (status, text) = (answer.status(), answer.text().await.unwrap());
                assert!(status.is_success(), "{method} {path}: {status} {text}");
                return serde_json::from_str(&text).unwrap();
            };
            *throttled += 1;
            tokio::time::sleep(pause).await;
        }
    }
}

/// How long an answer asks to wait before a retry.
fn retry_after(answer: &Response) -> Option<Duration> {
    if !matches!(answer.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    let seconds = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    Some(Duration::from_secs(seconds.unwrap_or(1)))
}
