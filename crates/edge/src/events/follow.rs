//! Makes a stream of messages by polling a source.

use bytes::Bytes;
use framelift_domain::Time;
use futures::StreamExt as _;
use futures::stream::{self, LocalBoxStream};
use serde_json::json;

use super::messages::{KEEPALIVE, RETRY};
use crate::http::{BodyAborted, Failure, Level, log};
use crate::ports::Ambient;

/// How long a stream lasts at most, in seconds. Its reader opens the next one and misses nothing. So no instance is kept
/// alive by a stream for long, and an update of the component soon serves all readers.
const MAX_STREAM_S: u32 = 300;
/// How long nothing is sent before a comment is, in milliseconds.
const KEEPALIVE_MS: i64 = 15_000;
/// The pause between polls shortly after a change, in milliseconds.
const FAST_POLL_MS: u32 = 1_000;
/// How long after a change polls are fast, in milliseconds.
const FAST_POLL_DURATION_MS: i64 = 10_000;
/// How often a stream checks that it still holds its slot, in milliseconds.
const SLOT_CHECK_MS: i64 = 15_000;
/// Maximum of polls in a row that may fail.
const MAX_FAILURES: u32 = 5;

/// The result of a poll.
pub(super) struct PollResult {
    /// Messages to send; empty if nothing has changed.
    pub(super) messages: String,
    /// Whether nothing will change any more.
    pub(super) finished: bool,
    /// How long to wait before the next poll, unless there was a change shortly before.
    pub(super) pause_ms: u32,
}

/// What a stream follows.
pub(super) trait PollSource {
    /// Finds what has changed since the last poll.
    async fn poll(&mut self, now: Time) -> Result<PollResult, Failure>;
    /// Whether the stream still holds its slot, and may go on.
    async fn holds_slot(&self) -> bool;
}

struct Follower<'a, A, S> {
    ambient: &'a A,
    source: S,
    /// When the stream ends: after its maximal length, or with its reader's token.
    ends_at: Time,
    /// The result of the poll before the stream began, until it is sent.
    first: Option<PollResult>,
    pause_ms: u32,
    sent_at: Time,
    changed_at: Time,
    slot_checked_at: Time,
    failures: u32,
    over: bool,
}

/// Streams the changes of a source until it is finished, the reader's token expires or [`MAX_STREAM_S`] have passed. Polls
/// once before the stream begins, so that a failure can still be answered with a problem document.
pub(super) async fn follow<'a, A, S>(
    ambient: &'a A,
    mut source: S,
    token_expires_at: Time,
) -> Result<LocalBoxStream<'a, Result<Bytes, BodyAborted>>, Failure>
where
    A: Ambient,
    S: PollSource + 'a,
{
    let now = ambient.now();
    let mut first = source.poll(now).await?;
    first.messages.insert_str(0, RETRY);
    let follower = Follower {
        ambient,
        source,
        ends_at: token_expires_at.min(now.plus_s(MAX_STREAM_S)),
        first: Some(first),
        pause_ms: FAST_POLL_MS,
        sent_at: now,
        changed_at: now,
        slot_checked_at: now,
        failures: 0,
        over: false,
    };
    Ok(stream::unfold(follower, |mut follower| async move {
        let messages = follower.next().await?;
        Some((Ok(Bytes::from(messages)), follower))
    })
    .boxed_local())
}

impl<A: Ambient, S: PollSource> Follower<'_, A, S> {
    /// Waits for the next messages, or a comment; none at the end.
    async fn next(&mut self) -> Option<String> {
        if let Some(first) = self.first.take() {
            self.over = first.finished;
            return Some(first.messages);
        }
        while !self.over {
            self.ambient.pause(self.pause_ms).await;
            let now = self.ambient.now();
            if now >= self.ends_at {
                return None;
            }
            if now.ms_since(self.slot_checked_at) >= SLOT_CHECK_MS {
                self.slot_checked_at = now;
                if !self.source.holds_slot().await {
                    return None;
                }
            }
            if let Some(messages) = self.poll(now).await {
                self.sent_at = now;
                return Some(messages);
            }
            if !self.over && now.ms_since(self.sent_at) >= KEEPALIVE_MS {
                self.sent_at = now;
                return Some(KEEPALIVE.to_owned());
            }
        }
        None
    }

    async fn poll(&mut self, now: Time) -> Option<String> {
        match self.source.poll(now).await {
            Ok(result) => {
                self.failures = 0;
                self.over = result.finished;
                if !result.messages.is_empty() {
                    self.changed_at = now;
                }
                let is_fast = now.ms_since(self.changed_at) < FAST_POLL_DURATION_MS;
                self.pause_ms = if is_fast { FAST_POLL_MS } else { result.pause_ms };
                Some(result.messages).filter(|messages| !messages.is_empty())
            }
            // The next poll may succeed. If none does, the reader's next request is answered with the problem.
            Err(failure) => {
                self.failures += 1;
                self.pause_ms = pause_after(self.failures);
                self.over = self.failures >= MAX_FAILURES;
                if self.over {
                    let fields = [("problem.code", json!(failure.code().as_str()))];
                    log(
                        Level::Warn,
                        "a stream of events ends, because the store does not answer",
                        None,
                        &fields,
                    );
                }
                None
            }
        }
    }
}

/// How long to wait after so many failed polls in a row, in milliseconds.
fn pause_after(failures: u32) -> u32 {
    FAST_POLL_MS << failures.min(3)
}
