//! `GET /videos/events`: all of the caller's videos in one stream.

use std::collections::{BTreeMap, BTreeSet};

use framelift_contract::problem::ProblemCode as Code;
use framelift_domain::video::State;
use framelift_domain::{Time, UserId, VideoId};
use http::Response;

use super::follow::{Followed, Seen, follow};
use super::messages::{self, Told};
use super::of_streams;
use super::place::Place;
use super::video_events::{answer, last_event_id};
use crate::http::{Body, Failure, Incoming, Route};
use crate::jobs::{JobError, Unfinished, view};
use crate::openapi::{Auth, Operation};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::get("/videos/events");

/// Between two looks while workers are at the caller's videos.
const AT_WORK_MS: u32 = 2_000;
/// Between two looks while some wait for a worker.
const WAITING_MS: u32 = 4_000;
/// Between two looks while there are none.
const IDLE_MS: u32 = 5_000;
/// Most finished videos that are looked at for a reader who comes back.
const MAX_FINISHED: u32 = 50;
/// Writes of one moment become visible in another order.
const SLACK_MS: i64 = 10_000;

pub(super) fn operation() -> Operation {
    let summary = "Follow all of the caller's videos: server-sent events";
    let operation = Operation::new(ROUTE, "followVideos", "videos", Auth::User, summary).about(
        "As for one video. At first there is a `status` for each unfinished video; with `Last-Event-ID` also for those \
         that have finished since, up to 50. What was told may be told again. The stream ends with the access token \
         and after five minutes.",
    );
    of_streams(operation).or(&[Code::Unavailable])
}

struct AllVideos<'a, K, Q, H, A> {
    service: Service<'a, K, Q, H, A>,
    user: UserId,
    place: Place,
    /// What the reader knows of each unfinished video, and its place in the queue.
    told: BTreeMap<VideoId, (Told, Option<u32>)>,
    /// When the last event came that the reader knows; only until the first look.
    since: Option<Time>,
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> AllVideos<'_, K, Q, H, A> {
    /// What the reader does not know of one video, with its place in the queue; and whether a worker is at it.
    async fn one(
        &mut self,
        id: VideoId,
        position: Option<u32>,
        event: &str,
    ) -> Result<(String, bool), Failure> {
        let mut found = match self.service.jobs().find_unqueued(self.user, id).await {
            Ok(found) => found,
            Err(JobError::VideoNotFound) => {
                // Without a word before: it is about to be created, and comes with a later look.
                let known = self.told.remove(&id).is_some();
                return Ok((if known { messages::deleted(id, event) } else { String::new() }, false));
            }
            Err(error) => return Err(error.into()),
        };
        found.queue_position = position;
        let video = view::video(&found);
        let (told, place) = self.told.entry(id).or_default();
        *place = position;
        let message = told.tell(&video, |_| event.to_owned()).unwrap_or_default();
        if video.completed_at.is_some() {
            self.told.remove(&id);
        }
        Ok((message, matches!(found.video.state, State::Processing(_))))
    }

    /// Videos that have finished since the reader was there.
    async fn finished_since(&self, since: Time, event: &str) -> Result<String, Failure> {
        let page = self.service.jobs().list(self.user, None, MAX_FINISHED, None).await?;
        let finished = page
            .items
            .iter()
            .map(view::video)
            .filter(|video| video.completed_at.is_some_and(|at| at.ms_since(since) >= -SLACK_MS));
        Ok(finished.filter_map(|video| Told::default().tell(&video, |_| event.to_owned())).collect())
    }
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Followed for AllVideos<'_, K, Q, H, A> {
    async fn look(&mut self, now: Time) -> Result<Seen, Failure> {
        let event = now.unix_ms().to_string();
        let Some(unfinished) = self.service.jobs().unfinished(self.user).await? else {
            return Ok(Seen { messages: String::new(), finished: true, pace_ms: 0 });
        };
        let mut messages = match self.since.take() {
            Some(since) => self.finished_since(since, &event).await?,
            None => String::new(),
        };
        let listed: BTreeSet<VideoId> = unfinished.iter().map(|video| video.id).collect();
        let mut pace_ms = IDLE_MS;
        for Unfinished { id, queue_position, in_flight } in unfinished {
            // One that waits changes by its place alone.
            let known = self.told.get(&id).is_some_and(|(_, place)| *place == queue_position);
            if in_flight || !known {
                let (message, at_work) = self.one(id, queue_position, &event).await?;
                messages.push_str(&message);
                pace_ms = pace_ms.min(if at_work { AT_WORK_MS } else { WAITING_MS });
            }
        }
        // A video leaves the list behind its last change.
        let gone: Vec<VideoId> = self.told.keys().filter(|id| !listed.contains(id)).copied().collect();
        for id in gone {
            messages.push_str(&self.one(id, None, &event).await?.0);
        }
        Ok(Seen { messages, finished: false, pace_ms })
    }

    async fn has_place(&self) -> bool {
        self.service.has_place(&self.place).await
    }
}

impl<'a, K: Kv, Q: Queue, H: Http, A: Ambient> Service<'a, K, Q, H, A> {
    pub(super) async fn all_events(&self, incoming: &Incoming) -> Result<Response<Body<'a>>, Failure> {
        let caller = self.identified(incoming).await?;
        let since = last_event_id(incoming).and_then(|id| id.parse().ok()).map(Time::from_unix_ms);
        let place = self.take_place(caller.id).await;
        let followed = AllVideos { service: *self, user: caller.id, place, told: BTreeMap::new(), since };
        let pieces = follow(self.ambient, followed, caller.expires_at).await?;
        Ok(answer(Body::Pieces(pieces)))
    }
}
