//! Lets one request at a time send the file that belongs to an idempotency key.
//!
//! One request at a time holds the turn, for [`SILENT_S`] seconds that it renews while bytes
//! come. It ends with the digest of what came, with which the same request sent again is
//! compared, or it is given back, or it runs out: then the file may be sent again.

use framelift_domain::{Time, UserId, VideoId};
use serde::{Deserialize, Serialize};

use super::idempotency::Remembered;
use super::{Idempotency, JobError, Jobs, Result};
use crate::ports::{Ambient, Kv, Objects, Queue};
use crate::store::keys::{self, IdempotencyPlace};

/// Seconds without a byte after which another request may take over.
pub const SILENT_S: u32 = 60;

/// The state of a request's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stream {
    /// It is being sent.
    UnderWay { holder: VideoId, until: Time },
    /// It was stored.
    Stored { digest: String },
}

/// What a request with a file has to do.
#[derive(Debug)]
pub enum Claimed {
    /// Store the file.
    Turn(Turn),
    /// Compare it with the file that was stored before, which has this digest.
    Stored(String),
}

/// The right to store the file of a request.
#[derive(Clone, Debug)]
pub struct Turn {
    place: IdempotencyPlace,
    holder: VideoId,
    renewed: Time,
}

impl<K: Kv, Q: Queue, O: Objects, A: Ambient> Jobs<'_, K, Q, O, A> {
    /// Takes the turn for a request that [`Self::create`] made, or returns the digest of the file it stored.
    pub async fn take_turn(&self, user: UserId, id: VideoId, request: &Idempotency) -> Result<Claimed> {
        let place = keys::idempotency(user, &request.key);
        let (holder, now) = (self.fresh_id(), self.now());
        let stored = self.change_key(&place, |known| {
            let known = known.filter(|known| known.id == id && known.request_hash == request.request_hash);
            let mut known = known.ok_or(JobError::IdempotencyKeyReused)?;
            match &known.stream {
                Some(Stream::Stored { digest }) => return Ok((None, Some(digest.clone()))),
                Some(Stream::UnderWay { until, .. }) if now < *until => return Err(in_progress(now, *until)),
                _ => {}
            }
            known.stream = Some(Stream::UnderWay { holder, until: now.plus_s(SILENT_S) });
            Ok((Some(known), None))
        });
        Ok(match stored.await? {
            Some(digest) => Claimed::Stored(digest),
            None => Claimed::Turn(Turn { place, holder, renewed: now }),
        })
    }

    /// The digest of the file that the request stored before, if that is known.
    pub async fn stored_digest(&self, user: UserId, request: &Idempotency) -> Result<Option<String>> {
        let known = self.remembered(&keys::idempotency(user, &request.key)).await?;
        Ok(match known.and_then(|known| known.stream) {
            Some(Stream::Stored { digest }) => Some(digest),
            _ => None,
        })
    }

    /// Renews the turn; an error if another request has taken it.
    pub async fn keep_turn(&self, turn: &mut Turn) -> Result<()> {
        let now = self.now();
        if now < turn.renewed.plus_s(SILENT_S / 3) {
            return Ok(());
        }
        let until = now.plus_s(SILENT_S);
        self.change_turn(turn, Some(Stream::UnderWay { holder: turn.holder, until })).await?;
        turn.renewed = now;
        Ok(())
    }

    /// Ends the turn: the file is stored.
    pub async fn end_turn(&self, turn: &Turn, digest: String) -> Result<()> {
        self.change_turn(turn, Some(Stream::Stored { digest })).await
    }

    /// Gives the turn back: the file may be sent again at once.
    pub async fn give_turn_back(&self, turn: &Turn) -> Result<()> {
        self.change_turn(turn, None).await
    }

    async fn change_turn(&self, turn: &Turn, next: Option<Stream>) -> Result<()> {
        self.change_key(&turn.place, |known| match known {
            Some(Remembered { stream: Some(Stream::UnderWay { holder, .. }), request_hash, id, at })
                if holder == turn.holder =>
            {
                Ok((Some(Remembered { stream: next.clone(), request_hash, id, at }), ()))
            }
            _ => Err(JobError::IdempotencyInProgress { retry_after_s: SILENT_S }),
        })
        .await
    }
}

fn in_progress(now: Time, until: Time) -> JobError {
    let seconds = until.ms_since(now).unsigned_abs().div_ceil(1000);
    JobError::IdempotencyInProgress { retry_after_s: u32::try_from(seconds).unwrap_or(SILENT_S).max(1) }
}
