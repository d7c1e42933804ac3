//! `GET /videos/events`: all of the caller's videos in one stream.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use framelift_contract::problem::ProblemCode as Code;
use framelift_domain::video::State;
use framelift_domain::{Time, UserId, VideoId};
use http::Response;

use super::bookmark::{Bookmark, take_lowest};
use super::follow::{Followed, Seen, follow};
use super::messages::{self, Message, Told};
use super::of_streams;
use super::place::Place;
use super::video_events::{answer, last_event_id};
use crate::http::{Body, Failure, Incoming, Route};
use crate::jobs::{AllUnfinished, Entry, Unfinished, view};
use crate::openapi::{Auth, Operation};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;
use crate::store::index::Head;

pub(super) const ROUTE: Route = Route::get("/videos/events");

/// Between two looks while workers are at the caller's videos.
const AT_WORK_MS: u32 = 2_000;
/// Between two looks while some wait for a worker.
const WAITING_MS: u32 = 4_000;
/// Between two looks while there are none.
const IDLE_MS: u32 = 5_000;
/// Most positions of the list of videos that one look reads.
const MAX_POSITIONS: usize = 100;
/// Writes of one moment become visible in another order, for so long at most.
const SLACK_MS: i64 = 5_000;

pub(super) fn operation() -> Operation {
    let summary = "Follow all of the caller's videos: server-sent events";
    let operation = Operation::new(ROUTE, "followVideos", "videos", Auth::User, summary).about(
        "As for one video. At first there is a `status` for each unfinished video. From then on each video is told of to \
         its end, also one that begins and ends within a moment; whoever opens the stream again with `Last-Event-ID` is \
         told of each that has ended meanwhile, too. What was told may be told again. That a finished video is deleted \
         is not told. The stream ends with the access token and after five minutes.",
    );
    of_streams(operation).or(&[Code::Unavailable])
}

/// What the reader knows of an unfinished video.
#[derive(Default)]
struct Known {
    told: Told,
    queue_position: Option<u32>,
    /// Its position in the list of videos.
    position: Option<u64>,
}

struct AllVideos<'a, K, Q, H, A> {
    service: Service<'a, K, Q, H, A>,
    user: UserId,
    place: Place,
    /// What the reader came back with; only until the first look.
    came_with: Option<Bookmark>,
    /// The unfinished videos that the reader was told of.
    known: BTreeMap<VideoId, Known>,
    /// The length of the list of videos, as far as it was seen; none until the first look.
    end: Option<u64>,
    /// Positions before `end` that are yet to be read, in order.
    unread: Vec<Range<u64>>,
    /// Positions whose videos had no record yet, and since when.
    missing: BTreeMap<u64, Time>,
    /// The revision of the unfinished videos at the last look, and when it last was another one.
    revision: Option<u64>,
    changed_at: Option<Time>,
    /// Events of looks that failed afterwards, and of this one.
    untold: Vec<Message>,
    /// Positions of the videos whose ends are among them.
    ended: BTreeSet<u64>,
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> AllVideos<'_, K, Q, H, A> {
    /// Tells what the reader does not know of a video. Returns whether a worker is at it.
    fn take(&mut self, id: VideoId, entry: Entry, queue_position: Option<u32>) -> bool {
        match entry {
            Entry::Video { mut found, position } => {
                found.queue_position = queue_position;
                let video = view::video(&found);
                let known = self.known.entry(id).or_default();
                (known.queue_position, known.position) = (queue_position, position);
                self.untold.extend(known.told.tell(&video));
                if video.completed_at.is_some() {
                    self.known.remove(&id);
                    self.ended.extend(position);
                }
                matches!(found.video.state, State::Processing(_))
            }
            Entry::Deleted | Entry::Missing => {
                if let Some(known) = self.known.remove(&id) {
                    self.untold.push(Message::deleted(id));
                    self.ended.extend(known.position);
                }
                false
            }
            Entry::Unreadable => false,
        }
    }

    /// Reads what was begun since the last look, and what the reader knew when it came back: it may have ended before
    /// any look at the unfinished videos. Where there is more than one look reads, the next one goes on.
    async fn read_list(
        &mut self,
        now: Time,
        head: &Head,
        unfinished: &BTreeMap<VideoId, Option<u32>>,
    ) -> Result<(), Failure> {
        let end = self.end.unwrap_or(0);
        if end < head.len() {
            self.unread.push(end..head.len());
            self.end = Some(head.len());
        }
        let mut unread = self.unread.clone();
        let mut positions = take_lowest(&mut unread, MAX_POSITIONS);
        positions.extend(self.missing.keys());
        let known: BTreeSet<u64> = self.known.values().filter_map(|known| known.position).collect();
        positions.retain(|position| !known.contains(position) && !self.ended.contains(position));
        let mut missing = BTreeMap::new();
        for (at, id, entry) in self.service.jobs().entries(self.user, head, &positions).await? {
            match entry {
                Entry::Missing => {
                    let since = self.missing.get(&at).copied().unwrap_or(now);
                    if unfinished.contains_key(&id) || now.ms_since(since) < SLACK_MS {
                        missing.insert(at, since);
                    }
                }
                Entry::Deleted => {
                    self.untold.push(Message::deleted(id));
                    self.ended.insert(at);
                }
                // A repeated creation may have left an entry that is not the record's.
                Entry::Video { position, .. } if position != Some(at) => {}
                entry => {
                    self.take(id, entry, unfinished.get(&id).copied().flatten());
                }
            }
        }
        (self.unread, self.missing) = (unread, missing);
        Ok(())
    }

    /// What a reader knows who has read all that was told, but for the ends of those.
    fn bookmark(&self, ended: &BTreeSet<u64>) -> Bookmark {
        let known = self.known.values().filter_map(|known| known.position);
        let single = known.chain(self.missing.keys().copied()).chain(ended.iter().copied());
        let open = self.unread.iter().cloned().chain(single.map(|position| position..position + 1));
        Bookmark::new(self.end.unwrap_or(0), open)
    }

    /// The events that are to be told. A reader may break off between two of them.
    fn messages(&mut self, first: bool) -> String {
        let ended = std::mem::take(&mut self.ended);
        let (whole, partly) = (self.bookmark(&BTreeSet::new()), self.bookmark(&ended));
        let untold = std::mem::take(&mut self.untold);
        match untold.split_last() {
            Some((last, others)) => {
                let others = others.iter().map(|message| message.with_id(&partly));
                others.chain([last.with_id(&whole)]).collect()
            }
            None if first => messages::id_alone(&whole),
            None => String::new(),
        }
    }
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Followed for AllVideos<'_, K, Q, H, A> {
    async fn look(&mut self, now: Time) -> Result<Seen, Failure> {
        let jobs = self.service.jobs();
        let first = self.end.is_none();
        // A video is among the unfinished ones before it is in the list. So what is in the list now and not among them
        // afterwards had ended before the stream began.
        let mut head = if first { Some(jobs.newest_page(self.user).await?) } else { None };
        let Some(AllUnfinished { videos, revision }) = jobs.unfinished(self.user).await? else {
            return Ok(Seen { messages: String::new(), finished: true, pace_ms: 0 });
        };
        if let Some(head) = &head {
            let Bookmark { end, open } =
                self.came_with.take().unwrap_or_else(|| Bookmark::new(head.len(), []));
            let end = end.min(head.len());
            self.end = Some(end);
            let within = |range: Range<u64>| range.start.max(head.removed)..range.end.min(end);
            self.unread = open.into_iter().map(within).filter(|range| !range.is_empty()).collect();
            self.revision = Some(revision);
        }
        let unfinished: BTreeMap<VideoId, Option<u32>> =
            videos.iter().map(|video| (video.id, video.queue_position)).collect();
        let mut pace_ms = IDLE_MS;
        for Unfinished { id, queue_position, in_flight } in videos {
            // One that waits changes by its place alone.
            let known = self.known.get(&id).is_some_and(|known| known.queue_position == queue_position);
            if in_flight || !known {
                let entry = jobs.entry(self.user, id).await?;
                let at_work = self.take(id, entry, queue_position);
                pace_ms = pace_ms.min(if at_work { AT_WORK_MS } else { WAITING_MS });
            }
        }
        // A video leaves the unfinished ones behind its last change.
        let gone: Vec<VideoId> =
            self.known.keys().filter(|id| !unfinished.contains_key(id)).copied().collect();
        for id in gone {
            let entry = jobs.entry(self.user, id).await?;
            self.take(id, entry, None);
        }
        let changed = self.revision != Some(revision);
        let lately = self.changed_at.is_some_and(|at| now.ms_since(at) < SLACK_MS);
        let more = !self.unread.is_empty() || !self.missing.is_empty();
        if head.is_none() && (changed || lately || more) {
            head = Some(jobs.newest_page(self.user).await?);
        }
        if let Some(head) = head {
            self.read_list(now, &head, &unfinished).await?;
        }
        if changed {
            (self.revision, self.changed_at) = (Some(revision), Some(now));
        }
        if !self.unread.is_empty() || !self.missing.is_empty() {
            pace_ms = pace_ms.min(AT_WORK_MS);
        }
        Ok(Seen { messages: self.messages(first), finished: false, pace_ms })
    }

    async fn has_place(&self) -> bool {
        self.service.has_place(&self.place).await
    }
}

impl<'a, K: Kv, Q: Queue, H: Http, A: Ambient> Service<'a, K, Q, H, A> {
    pub(super) async fn all_events(&self, incoming: &Incoming) -> Result<Response<Body<'a>>, Failure> {
        let caller = self.identified(incoming).await?;
        let followed = AllVideos {
            service: *self,
            user: caller.id,
            place: self.take_place(caller.id).await,
            came_with: last_event_id(incoming).and_then(Bookmark::parse),
            known: BTreeMap::new(),
            end: None,
            unread: Vec::new(),
            missing: BTreeMap::new(),
            revision: None,
            changed_at: None,
            untold: Vec::new(),
            ended: BTreeSet::new(),
        };
        let pieces = follow(self.ambient, followed, caller.expires_at).await?;
        Ok(answer(Body::Pieces(pieces)))
    }
}
