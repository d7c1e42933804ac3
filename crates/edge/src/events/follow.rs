//! A stream of messages from something that is looked at again and again.

use bytes::Bytes;
use framelift_domain::Time;
use futures::StreamExt as _;
use futures::stream::{self, LocalBoxStream};
use serde_json::json;

use super::messages::{COMMENT, RETRY};
use crate::http::{BodyAborted, Failure, Level, log};
use crate::ports::Ambient;

/// How long a stream lasts; its reader opens the next one and misses nothing. So no instance of the component holds
/// a stream for ever, and a new version of it is everywhere soon.
const LONGEST_S: u32 = 300;
/// Seconds of silence before a comment.
const SILENCE_MS: i64 = 15_000;
/// Between two looks, shortly after a change.
const QUICK_MS: u32 = 1_000;
/// How long *shortly* is.
const QUICK_FOR_MS: i64 = 10_000;
/// Between two looks whether the stream is among its user's newest ones.
const PLACE_MS: i64 = 15_000;
/// Looks in a row that may fail.
const MAX_FAILURES: u32 = 5;

/// What a look has found.
pub(super) struct Seen {
    /// Messages to send; empty if nothing has changed.
    pub(super) messages: String,
    /// Whether nothing will change any more.
    pub(super) finished: bool,
    /// How long to wait before the next look, if nothing has changed lately.
    pub(super) pace_ms: u32,
}

/// Something that changes.
pub(super) trait Followed {
    /// Looks at it.
    async fn look(&mut self, now: Time) -> Result<Seen, Failure>;
    /// Whether the stream is among the newest ones of its user, and may go on.
    async fn has_place(&self) -> bool;
}

struct Follower<'a, A, F> {
    ambient: &'a A,
    followed: F,
    /// When the stream ends: after its time, or with its reader's token.
    ends_at: Time,
    /// Found before the stream began.
    first: Option<Seen>,
    pause_ms: u32,
    sent_at: Time,
    changed_at: Time,
    placed_at: Time,
    failures: u32,
    over: bool,
}

/// Follows something until it is finished, the reader's token expires or the stream has lasted long enough. The first
/// look is taken at once, so that its failure can still be answered as one.
pub(super) async fn follow<'a, A, F>(
    ambient: &'a A,
    mut followed: F,
    token_expires_at: Time,
) -> Result<LocalBoxStream<'a, Result<Bytes, BodyAborted>>, Failure>
where
    A: Ambient,
    F: Followed + 'a,
{
    let now = ambient.now();
    let mut first = followed.look(now).await?;
    first.messages.insert_str(0, RETRY);
    let follower = Follower {
        ambient,
        followed,
        ends_at: token_expires_at.min(now.plus_s(LONGEST_S)),
        first: Some(first),
        pause_ms: QUICK_MS,
        sent_at: now,
        changed_at: now,
        placed_at: now,
        failures: 0,
        over: false,
    };
    Ok(stream::unfold(follower, |mut follower| async move {
        let messages = follower.next().await?;
        Some((Ok(Bytes::from(messages)), follower))
    })
    .boxed_local())
}

impl<A: Ambient, F: Followed> Follower<'_, A, F> {
    /// The next messages, or a comment; none at the end.
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
            if now.ms_since(self.placed_at) >= PLACE_MS {
                self.placed_at = now;
                if !self.followed.has_place().await {
                    return None;
                }
            }
            if let Some(messages) = self.look(now).await {
                self.sent_at = now;
                return Some(messages);
            }
            if !self.over && now.ms_since(self.sent_at) >= SILENCE_MS {
                self.sent_at = now;
                return Some(COMMENT.to_owned());
            }
        }
        None
    }

    async fn look(&mut self, now: Time) -> Option<String> {
        match self.followed.look(now).await {
            Ok(seen) => {
                self.failures = 0;
                self.over = seen.finished;
                if !seen.messages.is_empty() {
                    self.changed_at = now;
                }
                let quick = now.ms_since(self.changed_at) < QUICK_FOR_MS;
                self.pause_ms = if quick { QUICK_MS } else { seen.pace_ms };
                Some(seen.messages).filter(|messages| !messages.is_empty())
            }
            // The store may be back at the next look. If it is not, the reader's next request says so.
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

/// How long to wait after so many failures in a row.
fn pause_after(failures: u32) -> u32 {
    QUICK_MS << failures.min(3)
}
