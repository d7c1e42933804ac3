//! `GET /videos/events`: streams the changes of all of the caller's videos.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use framelift_contract::problem::ProblemCode as Code;
use framelift_domain::video::State;
use framelift_domain::{Time, UserId, VideoId};
use http::Response;

use super::bookmark::{Bookmark, take_lowest};
use super::follow::{PollResult, PollSource, follow};
use super::messages::{self, Message, SentState};
use super::stream_operation;
use super::stream_slot::StreamSlot;
use super::video_events::{answer, last_event_id};
use crate::http::{Body, Failure, Incoming, Route};
use crate::jobs::{AllUnfinished, Entry, Unfinished, view};
use crate::openapi::{Auth, Operation};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;
use crate::store::index::Head;

pub(super) const ROUTE: Route = Route::get("/videos/events");

/// The pause between polls while a worker processes one of the videos, in milliseconds.
const PROCESSING_POLL_MS: u32 = 2_000;
/// The pause between polls while unfinished videos wait, in milliseconds.
const QUEUED_POLL_MS: u32 = 4_000;
/// The pause between polls while no video is unfinished, in milliseconds.
const IDLE_POLL_MS: u32 = 5_000;
/// Maximum of positions of the list of videos that one poll reads.
const MAX_POSITIONS: usize = 100;
/// How long after a write other writes of the same call may become visible, in milliseconds.
const WRITE_VISIBILITY_MS: i64 = 5_000;

pub(super) fn operation() -> Operation {
    let summary = "Follow all of the caller's videos: server-sent events";
    let operation = Operation::new(ROUTE, "followVideos", "videos", Auth::User, summary).about(
        "The events are those of `followVideo`. At first there is a `status` for each unfinished video, then events of \
         all changes until each video ends. A video that is created and ends between two polls has its `status`, too. A \
         new request with `Last-Event-ID` continues the stream, and sends the `status` of each video that has ended in \
         between. An event may be sent repeatedly. The deletion of a video whose end was sent is not \
         sent. The stream ends when the access token expires, and after five minutes.",
    );
    stream_operation(operation).or(&[Code::Unavailable])
}

/// The state of an unfinished video that was sent to the reader.
#[derive(Default)]
struct Known {
    sent: SentState,
    queue_position: Option<u32>,
    /// Its position in the list of videos.
    position: Option<u64>,
}

struct AllVideos<'a, K, Q, H, A> {
    service: Service<'a, K, Q, H, A>,
    user: UserId,
    slot: StreamSlot,
    /// The bookmark that the reader came back with, until the first poll.
    resume_from: Option<Bookmark>,
    /// The unfinished videos that were sent to the reader.
    known: BTreeMap<VideoId, Known>,
    /// The length of the list of videos at the last poll that read it; none until the first poll.
    end: Option<u64>,
    /// Positions before `end` that are still to be read, in order.
    unread: Vec<Range<u64>>,
    /// Positions whose videos had no record, and when that was first seen.
    missing: BTreeMap<u64, Time>,
    /// The revision of the slots at the last poll, and when it was found to have changed.
    revision: Option<u64>,
    changed_at: Option<Time>,
    /// Events to send, of this poll and of earlier ones that failed after they had found them.
    pending_events: Vec<Message>,
    /// Positions of the videos whose ends are among `pending_events`.
    ended: BTreeSet<u64>,
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> AllVideos<'_, K, Q, H, A> {
    /// Adds the event that brings the reader up to date on a video. Returns whether a worker processes the video.
    fn take(&mut self, id: VideoId, entry: Entry, queue_position: Option<u32>) -> bool {
        match entry {
            Entry::Video { mut found, position } => {
                found.queue_position = queue_position;
                let video = view::video(&found);
                let known = self.known.entry(id).or_default();
                (known.queue_position, known.position) = (queue_position, position);
                self.pending_events.extend(known.sent.next_event(&video));
                if video.completed_at.is_some() {
                    self.known.remove(&id);
                    self.ended.extend(position);
                }
                matches!(found.video.state, State::Processing(_))
            }
            Entry::Deleted | Entry::Missing => {
                if let Some(known) = self.known.remove(&id) {
                    self.pending_events.push(Message::deleted(id));
                    self.ended.extend(known.position);
                }
                false
            }
            Entry::Unreadable => false,
        }
    }

    /// Reads new positions of the list, and the open ones of the reader's bookmark: their videos may have ended without
    /// being among the unfinished ones at any poll. Reads at most [`MAX_POSITIONS`]; the next poll continues.
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
                    if unfinished.contains_key(&id) || now.ms_since(since) < WRITE_VISIBILITY_MS {
                        missing.insert(at, since);
                    }
                }
                Entry::Deleted => {
                    self.pending_events.push(Message::deleted(id));
                    self.ended.insert(at);
                }
                // An entry that a repeated creation has left: the record has another position.
                Entry::Video { position, .. } if position != Some(at) => {}
                entry => {
                    self.take(id, entry, unfinished.get(&id).copied().flatten());
                }
            }
        }
        (self.unread, self.missing) = (unread, missing);
        Ok(())
    }

    /// The bookmark of a reader that has read all events, except those about the ends of videos at the positions `ended`.
    fn bookmark(&self, ended: &BTreeSet<u64>) -> Bookmark {
        let known = self.known.values().filter_map(|known| known.position);
        let single = known.chain(self.missing.keys().copied()).chain(ended.iter().copied());
        let open = self.unread.iter().cloned().chain(single.map(|position| position..position + 1));
        Bookmark::new(self.end.unwrap_or(0), open)
    }

    /// Takes the pending events as messages with their ids. A reader may come back with the id of any of them: only the
    /// last one says that all were read.
    fn messages(&mut self, first: bool) -> String {
        let ended = std::mem::take(&mut self.ended);
        let (after_last, before_last) = (self.bookmark(&BTreeSet::new()), self.bookmark(&ended));
        let events = std::mem::take(&mut self.pending_events);
        match events.split_last() {
            Some((last, others)) => {
                let others = others.iter().map(|event| event.with_id(&before_last));
                others.chain([last.with_id(&after_last)]).collect()
            }
            None if first => messages::id_only(&after_last),
            None => String::new(),
        }
    }
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> PollSource for AllVideos<'_, K, Q, H, A> {
    async fn poll(&mut self, now: Time) -> Result<PollResult, Failure> {
        let jobs = self.service.jobs();
        let first = self.end.is_none();
        // A new video is added to the slots before it is added to the list. So a video that is in the list, which is
        // read first, and not in the slots, had ended before the stream began.
        let mut head = if first { Some(jobs.newest_page(self.user).await?) } else { None };
        let Some(AllUnfinished { videos, revision }) = jobs.unfinished(self.user).await? else {
            return Ok(PollResult { messages: String::new(), finished: true, pause_ms: 0 });
        };
        if let Some(head) = &head {
            let Bookmark { end, open } =
                self.resume_from.take().unwrap_or_else(|| Bookmark::new(head.len(), []));
            let end = end.min(head.len());
            self.end = Some(end);
            let within = |range: Range<u64>| range.start.max(head.removed)..range.end.min(end);
            self.unread = open.into_iter().map(within).filter(|range| !range.is_empty()).collect();
            self.revision = Some(revision);
        }
        let unfinished: BTreeMap<VideoId, Option<u32>> =
            videos.iter().map(|video| (video.id, video.queue_position)).collect();
        let mut pause_ms = IDLE_POLL_MS;
        for Unfinished { id, queue_position, in_flight } in videos {
            // A waiting video changes only by its position in the queue.
            let known = self.known.get(&id).is_some_and(|known| known.queue_position == queue_position);
            if in_flight || !known {
                let entry = jobs.entry(self.user, id).await?;
                let is_processing = self.take(id, entry, queue_position);
                pause_ms = pause_ms.min(if is_processing { PROCESSING_POLL_MS } else { QUEUED_POLL_MS });
            }
        }
        // A video leaves the slots after its last change.
        let gone: Vec<VideoId> =
            self.known.keys().filter(|id| !unfinished.contains_key(id)).copied().collect();
        for id in gone {
            let entry = jobs.entry(self.user, id).await?;
            self.take(id, entry, None);
        }
        let changed = self.revision != Some(revision);
        let lately = self.changed_at.is_some_and(|at| now.ms_since(at) < WRITE_VISIBILITY_MS);
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
            pause_ms = pause_ms.min(PROCESSING_POLL_MS);
        }
        Ok(PollResult { messages: self.messages(first), finished: false, pause_ms })
    }

    async fn holds_slot(&self) -> bool {
        self.slot.is_held(&self.service.kv_store()).await
    }
}

impl<'a, K: Kv, Q: Queue, H: Http, A: Ambient> Service<'a, K, Q, H, A> {
    pub(super) async fn all_events(&self, incoming: &Incoming) -> Result<Response<Body<'a>>, Failure> {
        let caller = self.identified(incoming).await?;
        let source = AllVideos {
            service: *self,
            user: caller.id,
            slot: StreamSlot::acquire(&self.kv_store(), caller.id).await,
            resume_from: last_event_id(incoming).and_then(Bookmark::parse),
            known: BTreeMap::new(),
            end: None,
            unread: Vec::new(),
            missing: BTreeMap::new(),
            revision: None,
            changed_at: None,
            pending_events: Vec::new(),
            ended: BTreeSet::new(),
        };
        let pieces = follow(self.ambient, source, caller.expires_at).await?;
        Ok(answer(Body::Pieces(pieces)))
    }
}
