//! The common base of the components `videos`, `uploads`, `downloads`, `events`, `frames`, `plugins` and `control`:
//! ports, configuration, authentication, and access to objects.
//!
//! A handler reads the request, calls an operation of [`crate::jobs`], talks to the object
//! store, and maps what came back. Spin chooses a component by the path alone, so a path's
//! methods are all in one component.

mod config;
mod failure;
pub(crate) mod file;
mod multipart;
pub(crate) mod plan;
pub(crate) mod rate;
pub(crate) mod request;
pub(crate) mod stream;

use framelift_contract::object_key;
use framelift_contract::problem::ProblemCode as Code;
use framelift_domain::video::{Extraction, State};
use framelift_domain::{UserId, Video};
use futures::future::join;
use http::HeaderName;
use serde_json::json;

use self::config::Credential;
pub use self::config::{Config, NAMES, Role, Variables};
use crate::frames::Frames;
use crate::http::{Caller, Failure, Incoming, Level, log};
use crate::jobs::Jobs;
use crate::object_store::ObjectStore;
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::store::Store;

/// The header that makes a request safe to repeat.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The ports and the configuration, for one request.
#[derive(Debug)]
pub struct Service<'a, K, Q, H, A> {
    /// The store `videos`.
    pub kv: &'a K,
    /// The job queue.
    pub queue: &'a Q,
    /// For the object store.
    pub http: &'a H,
    /// Time and randomness.
    pub ambient: &'a A,
    /// The configuration.
    pub config: &'a Config,
}

impl<K, Q, H, A> Clone for Service<'_, K, Q, H, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, Q, H, A> Copy for Service<'_, K, Q, H, A> {}

impl<'a, K: Kv, Q: Queue, H: Http, A: Ambient> Service<'a, K, Q, H, A> {
    pub(crate) fn jobs(&self) -> Jobs<'a, K, Q, ObjectStore<'a, H, A>, A> {
        Jobs::new(self.kv, self.queue, self.objects(), self.ambient, &self.config.limits)
    }

    pub(crate) fn kv_store(&self) -> Store<'a, K, A> {
        Store::new(self.kv, self.ambient)
    }

    pub(crate) fn objects(&self) -> ObjectStore<'a, H, A> {
        ObjectStore::new(&self.config.object_store, self.http, self.ambient)
    }

    /// The authenticated user; 401 if the account was deleted.
    pub(crate) async fn caller(&self, incoming: &Incoming) -> Result<UserId, Failure> {
        Ok(self.identified(incoming).await?.id)
    }

    /// The authenticated user of an upload; 403 while the address must be confirmed.
    pub(crate) async fn uploader(&self, incoming: &Incoming) -> Result<UserId, Failure> {
        let caller = self.identified(incoming).await?;
        if caller.email_verified {
            return Ok(caller.id);
        }
        let detail = "follow the link in the e-mail that was sent to you, then refresh the access token";
        Err(Failure::new(Code::EmailNotVerified, detail))
    }

    /// The authenticated user with the token's claims; 401 if the account was deleted.
    pub(crate) async fn identified(&self, incoming: &Incoming) -> Result<Caller, Failure> {
        let Credential::Users(verifier) = &self.config.credential else {
            return Err(Failure::internal("a component for workers was called as one for users"));
        };
        let caller = incoming.user(verifier, self.ambient.now())?;
        let user = caller.id;
        let (jobs, store) = (self.jobs(), self.kv_store());
        let admitted = self.config.rate_limiter.admit(&store, self.ambient, user, incoming);
        let (admitted, closed) = join(admitted, jobs.is_closed(user)).await;
        admitted?;
        if closed? {
            return Err(Failure::unauthenticated("the account of this access token does not exist any more"));
        }
        Ok(caller)
    }

    /// Attempt and result of a finished video, if the result is still kept.
    pub(crate) fn kept_result<'v>(&self, video: &'v Video) -> Result<(u32, &'v Extraction), Failure> {
        let State::Completed { end, result, .. } = &video.state else {
            let detail = format!("the video is {} and has no result", video.state.name());
            return Err(Failure::new(Code::ProcessingNotFinished, detail));
        };
        if !video.result_kept(self.ambient.now(), &self.config.limits) {
            let detail = "the result was deleted after its time; run the video again";
            return Err(Failure::new(Code::ResultExpired, detail));
        }
        Ok((end.attempts.made, result))
    }

    /// The configuration and caches of component `frames` alone.
    pub(crate) fn frames(&self) -> Result<&'a Frames, Failure> {
        let frames = self.config.frames.as_ref();
        frames.ok_or_else(|| Failure::internal("a component without links was called as the one with them"))
    }

    /// Passes for a call of a worker or of another component; 401 otherwise.
    pub(crate) fn worker(&self, incoming: &Incoming) -> Result<(), Failure> {
        match &self.config.credential {
            Credential::Workers(token) => incoming.worker(token),
            Credential::Users(_) => {
                Err(Failure::internal("a component for users was called as one for workers"))
            }
        }
    }
}

/// The key of a video's upload, which its runs share.
pub(crate) fn upload_key(video: &Video) -> String {
    object_key::upload(video.owner, video.root())
}

/// Writes a domain event to the log.
pub(crate) fn event(name: &str, video: &Video) {
    let fields = [
        ("event", json!(name)),
        ("video.id", json!(video.id)),
        ("user.id", json!(video.owner)),
        ("trace_id", json!(video.trace().trace_id())),
    ];
    log(Level::Info, name, Some(&video.correlation_id), &fields);
}
