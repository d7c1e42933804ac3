//! Idempotency of `POST /videos/upload`: the same file sent again is stored once.
//!
//! While one request stores the file, another one with the same key gets 409 `idempotency-in-progress`, so
//! that two never write the same object. The sender gives its turn back when it fails, and loses it when no
//! byte comes for [`crate::jobs::SILENT_S`] seconds; the file can then be sent again from its start. Once the
//! file is stored, a digest of its bytes, size and options is remembered. The same request sent again is read
//! to its end and compared, and answered 422 `idempotency-key-reused` if it differs. Until the file is stored,
//! only what comes before it (name, options, announced length) can be compared.

use std::cell::Cell;

use bytes::Bytes;
use framelift_contract::options::OptionsBody;
use framelift_domain::video::State;
use framelift_domain::{Checksum, Options, Video};

use crate::http::Failure;
use crate::jobs::{JobError, Jobs, Turn};
use crate::ports::{Ambient, Http, Kv, Objects, Queue};
use crate::service::stream::{Cutter, Source};
use crate::service::{Service, request};

/// Who sends a file: the holder of a turn, or a request without a key, that needs none.
pub(super) struct Sender<'a, K, Q, O, A> {
    jobs: Jobs<'a, K, Q, O, A>,
    turn: Cell<Option<Turn>>,
}

impl<'a, K: Kv, Q: Queue, O: Objects, A: Ambient> Sender<'a, K, Q, O, A> {
    pub(super) fn new(jobs: Jobs<'a, K, Q, O, A>) -> Self {
        Self { jobs, turn: Cell::new(None) }
    }

    /// Takes this turn.
    pub(super) fn hold(&self, turn: Turn) {
        self.turn.set(Some(turn));
    }

    /// Renews the turn when it is time to; an error if somebody else took over.
    pub(super) async fn keep(&self) -> Result<(), Failure> {
        let Some(mut turn) = self.turn.take() else { return Ok(()) };
        let kept = self.jobs.keep_turn(&mut turn).await;
        self.turn.set(Some(turn));
        Ok(kept?)
    }

    /// Ends the turn: the file is stored and has this digest.
    pub(super) async fn done(&self, digest: String) -> Result<(), Failure> {
        let Some(turn) = self.turn.take() else { return Ok(()) };
        let ended = self.jobs.end_turn(&turn, digest).await;
        self.turn.set(Some(turn));
        Ok(ended?)
    }

    /// Gives the turn back after a failure. Returns whether the file may be sent again. Errors are ignored: a
    /// turn also ends by itself.
    pub(super) async fn give_up(&self) -> bool {
        let Some(turn) = self.turn.take() else { return false };
        let _ = self.jobs.give_turn_back(&turn).await;
        true
    }
}

/// A file whose sender keeps its turn while bytes come.
pub(super) struct Kept<'s, 'a, S, K, Q, O, A> {
    pub(super) source: S,
    pub(super) sender: &'s Sender<'a, K, Q, O, A>,
}

impl<S: Source, K: Kv, Q: Queue, O: Objects, A: Ambient> Source for Kept<'_, '_, S, K, Q, O, A> {
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let piece = self.source.next().await?;
        self.sender.keep().await?;
        Ok(piece)
    }
}

/// The digest of an upload: its bytes, size and options, wherever these stood.
pub(super) fn digest(sha256: Checksum, size_bytes: u64, options: &Options) -> Result<String, Failure> {
    let options = serde_json::to_vec(&OptionsBody::spelled_out(options)).map_err(Failure::internal)?;
    Ok(request::digest(&[sha256.as_bytes().as_slice(), &size_bytes.to_le_bytes(), &options]))
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    /// Reads a file that was stored before to its end and compares it. `known` is the stored file's digest;
    /// without it (the upload was handed over by `complete`), size and options decide.
    pub(super) async fn compare<S: Source>(
        &self,
        video: Video,
        known: Option<String>,
        mut cutter: Cutter<S>,
        options: Options,
        rest: impl AsyncFnOnce() -> Result<Option<Options>, Failure>,
    ) -> Result<Video, Failure> {
        while cutter.part().await?.is_some() {}
        let (size_bytes, sha256) = (cutter.taken(), cutter.sha256());
        // A form can be read on only after its last field was dropped.
        drop(cutter);
        let options = rest().await?.unwrap_or(options);
        let same = match known {
            Some(known) => known == digest(sha256, size_bytes, &options)?,
            None => video.size_bytes == size_bytes && video.options.unpinned() == options,
        };
        if !same {
            return Err(JobError::IdempotencyKeyReused.into());
        }
        let video = self.jobs().find(video.owner, video.id).await?.video;
        if matches!(video.state, State::AwaitingUpload { .. }) {
            self.verify(&video).await?;
        }
        Ok(video)
    }
}
