//! Invariants of every write, and conditions of the end of a simulation.

use std::collections::{BTreeMap, BTreeSet};

use framelift_contract::message::JobMessage;
use framelift_domain::video::{Lane, Source, State, StateName};
use framelift_domain::{EventId, Limits, UserId, VideoId};

use crate::store::Stored;
use crate::store::index::{Head, SealedPage};
use crate::store::listing::{ListPage, Member as _};
use crate::store::outbox::{Delivery, DeliveryState, Outbox};
use crate::store::plugins::Plugins;
use crate::store::records::VideoRow;
use crate::store::slots::Slots;
use crate::store::value::decode;

/// The bodies of the events that a receiver accepted.
pub(super) type Received = BTreeMap<EventId, String>;

/// How often a value was written.
#[derive(serde::Deserialize)]
struct Revision {
    #[serde(default)]
    rev: u64,
}

/// The last value written under each key.
pub(super) struct Invariants {
    limits: Limits,
    videos: BTreeMap<VideoId, VideoRow>,
    slots: BTreeMap<String, Slots>,
    heads: BTreeMap<String, Head>,
    positions: BTreeMap<(String, u64), VideoId>,
    lists: BTreeMap<String, ListPage>,
    revisions: BTreeMap<String, u64>,
    outboxes: BTreeMap<String, Outbox>,
    deliveries: BTreeMap<String, Delivery>,
    /// The lane of each job, since its first message.
    lanes: BTreeMap<VideoId, Lane>,
}

impl Invariants {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            videos: BTreeMap::new(),
            slots: BTreeMap::new(),
            heads: BTreeMap::new(),
            positions: BTreeMap::new(),
            lists: BTreeMap::new(),
            revisions: BTreeMap::new(),
            outboxes: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            lanes: BTreeMap::new(),
        }
    }

    /// Checks a write against all before it.
    pub(super) fn written(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), String> {
        let (kind, rest) = key.split_once('/').ok_or("a key without a kind")?;
        let Some(value) = value else { return self.removed(key) };
        match (kind, rest.matches('/').count()) {
            ("video", 0) => {
                let row = self.versioned(key, value)?;
                self.video(row)
            }
            ("slots", 0) => {
                let slots = self.versioned(key, value)?;
                self.slot(key, slots)
            }
            ("index", 0) => {
                let head: Head = self.versioned(key, value)?;
                for (n, id) in head.ids.iter().enumerate() {
                    self.position(key, head.base + n as u64, *id)?;
                }
                self.heads.insert(key.to_owned(), head);
                Ok(())
            }
            ("index", 1) => {
                let (owner, page) = key.rsplit_once('/').ok_or("no page")?;
                let page: u64 = page.parse().map_err(|_| "no page")?;
                let SealedPage(ids) = decode(key, value).map_err(|error| error.to_string())?;
                if ids.len() != 100 {
                    return Err(format!("a page of {}", ids.len()));
                }
                (0..).zip(ids).try_for_each(|(n, id)| self.position(owner, page * 100 + n, id))
            }
            ("work" | "kept" | "checks" | "notices", 1) => {
                let page = self.versioned(key, value)?;
                self.lists.insert(key.to_owned(), page);
                Ok(())
            }
            ("plugins", 0) => {
                let plugins: Plugins = self.versioned(key, value)?;
                let user: UserId = rest.parse().map_err(|_| "no user")?;
                if !plugins.is_idle() && !self.is_listed("checks/", user) {
                    return Err("plugins to look after of a user that is not in the list".to_owned());
                }
                let numbers: BTreeSet<u32> = plugins.versions.iter().map(|it| it.version).collect();
                if numbers.len() != plugins.versions.len() {
                    return Err("a version's number was given twice".to_owned());
                }
                Ok(())
            }
            ("outbox", 0) => {
                let outbox: Outbox = self.versioned(key, value)?;
                let user: UserId = rest.parse().map_err(|_| "no user")?;
                if !outbox.due.is_empty() && !self.is_listed("notices/", user) {
                    return Err("notices of a user that is not in the list".to_owned());
                }
                self.outboxes.insert(key.to_owned(), outbox);
                Ok(())
            }
            ("delivery", 0) => {
                let delivery: Delivery = self.versioned(key, value)?;
                let before = self.deliveries.insert(key.to_owned(), delivery.clone());
                match before {
                    Some(before) if before.payload != delivery.payload || before.made > delivery.made => {
                        Err("an event was replaced by another one".to_owned())
                    }
                    _ => Ok(()),
                }
            }
            ("idempotency" | "watch" | "sweep" | "expire" | "schema", _) => Ok(()),
            _ => Err("a key of no known kind".to_owned()),
        }
    }

    /// A job's messages are all in the lane where it belongs; notices are short.
    pub(super) fn sent(&mut self, lane: Lane, message: &JobMessage) -> Result<(), String> {
        let belongs = match (message.notice, self.videos.get(&message.video_id)) {
            (Some(_), _) => Lane::Short,
            (None, Some(row)) => *self.lanes.entry(row.video.id).or_insert(row.video.lane()),
            (None, None) => return Err("a job without a record".to_owned()),
        };
        if lane == belongs { Ok(()) } else { Err(format!("it belongs in {belongs:?}")) }
    }

    /// The jobs of a lane that a worker has, or may take.
    pub(super) fn in_flight(&self, lane: Lane) -> Vec<VideoId> {
        let videos = self.videos.values().map(|row| &row.video);
        let in_flight =
            videos.filter(|video| matches!(video.state, State::Pending(_) | State::Processing(_)));
        in_flight.filter(|video| video.lane() == lane).map(|video| video.id).collect()
    }

    /// Whether those videos have ended.
    pub(super) fn all_ended(&self, ids: &[VideoId]) -> Result<(), String> {
        let state = |id| self.videos.get(id).map(|row| &row.video.state);
        match ids.iter().find(|id| state(id).is_some_and(|state| !state.is_terminal())) {
            Some(id) => Err(format!("{id} is {:?}", state(id))),
            None => Ok(()),
        }
    }

    /// Only values of what has ended may be removed.
    fn removed(&mut self, key: &str) -> Result<(), String> {
        self.revisions.remove(key);
        self.heads.remove(key);
        self.outboxes.remove(key);
        self.deliveries.remove(key);
        if self.slots.remove(key).is_some_and(|slots| !slots.closed || slots.used_bytes() > 0) {
            return Err("the slots of an open account were removed".to_owned());
        }
        let id = key.strip_prefix("video/").and_then(|id| id.parse().ok());
        let Some(row) = id.and_then(|id: VideoId| self.videos.remove(&id)) else { return Ok(()) };
        match &row.video.state {
            State::Deleted { end, .. } if end.purged && row.counted.bytes == 0 => Ok(()),
            state => Err(format!("the record of a video was removed that is {state:?}")),
        }
    }

    /// A day after the last deletion: no record of a deleted video.
    pub(super) fn all_removed(&self) -> Result<(), String> {
        let is_deleted = |row: &&VideoRow| row.video.state.name() == StateName::Deleted;
        match self.videos.values().find(is_deleted) {
            Some(row) => Err(format!("{} is deleted", row.video.id)),
            None => Ok(()),
        }
    }

    /// Each write of a value follows the one before: none is lost.
    fn versioned<T: Stored>(&mut self, key: &str, value: &[u8]) -> Result<T, String> {
        let Revision { rev } = serde_json::from_slice(value).map_err(|error| error.to_string())?;
        let before = self.revisions.insert(key.to_owned(), rev).unwrap_or(0);
        if rev != before + 1 {
            return Err(format!("revision {rev} after {before}: a write was lost"));
        }
        decode(key, value).map_err(|error| error.to_string())
    }

    fn video(&mut self, row: VideoRow) -> Result<(), String> {
        let (id, owner) = (row.video.id, row.video.owner);
        let is_working = |row: &VideoRow| matches!(row.video.state, State::Pending(_) | State::Processing(_));
        let (mut began, works) = (true, is_working(&row));
        if let Some(before) = self.videos.get(&id) {
            legal(before, &row)?;
            began = !is_working(before);
        }
        self.videos.insert(id, row);
        // Only a video that begins can be one too many.
        if works && began {
            let working =
                self.videos.values().filter(|row| row.video.owner == owner && is_working(row)).count();
            if working > self.limits.max_in_flight_per_user as usize {
                return Err(format!("{working} videos of one user in flight"));
            }
        }
        let row = &self.videos[&id];
        let slots = self.slots.get(&format!("slots/{owner}"));
        if !row.video.state.is_terminal() && !slots.is_some_and(|slots| slots.contains(id)) {
            return Err(format!("an unfinished video ({}) without a slot", row.video.state.name()));
        }
        Ok(())
    }

    fn slot(&mut self, key: &str, slots: Slots) -> Result<(), String> {
        if slots.in_flight.len() > self.limits.max_in_flight_per_user as usize {
            return Err(format!("{} slots in flight", slots.in_flight.len()));
        }
        let reserved: u64 = slots.reserved.values().sum();
        if reserved > self.limits.max_stored_bytes_per_user
            || slots.reserved.keys().any(|id| !slots.contains(*id))
        {
            return Err(format!("{reserved} bytes are reserved: {:?}", slots.reserved));
        }
        if slots.len() > self.limits.max_open_per_user as usize {
            return Err(format!("{} open videos", slots.len()));
        }
        let mut ids: Vec<VideoId> = slots.awaiting.iter().map(|(id, _)| *id).collect();
        ids.extend(&slots.waiting);
        ids.extend(slots.in_flight.iter().map(|slot| slot.id));
        if ids.iter().collect::<BTreeSet<_>>().len() != ids.len() {
            return Err("a video is in two places".to_owned());
        }
        if let Some(before) = self.slots.get(key) {
            for (id, _) in &before.awaiting {
                let lost = self.videos.get(id).is_some_and(|row| !row.video.state.is_terminal());
                if lost && !ids.contains(id) {
                    return Err(format!("{id} lost its slot before it was finished"));
                }
            }
            for id in before.waiting.iter().chain(before.in_flight.iter().map(|slot| &slot.id)) {
                let lost = self.videos.get(id).is_none_or(|row| !row.video.state.is_terminal());
                if lost && !ids.contains(id) {
                    return Err(format!("{id} lost its turn before it was finished"));
                }
            }
        }
        let user: UserId = key.trim_start_matches("slots/").parse().map_err(|_| "no user")?;
        if !slots.is_empty() && !self.is_listed("work/", user) {
            return Err("work of a user that is not in the list".to_owned());
        }
        self.slots.insert(key.to_owned(), slots);
        Ok(())
    }

    fn is_listed(&self, list: &str, user: UserId) -> bool {
        self.lists.iter().any(|(key, page)| key.starts_with(list) && page.users.contains_key(&user))
    }

    fn position(&mut self, owner: &str, position: u64, id: VideoId) -> Result<(), String> {
        let known = *self.positions.entry((owner.to_owned(), position)).or_insert(id);
        if known == id { Ok(()) } else { Err(format!("position {position} was {known} and is {id}")) }
    }

    /// How many videos ended in that state.
    pub(super) fn ended(&self, name: StateName) -> usize {
        self.videos.values().filter(|row| row.video.state.name() == name).count()
    }

    /// After the faults: everything has come to its end, and nobody is left in the work list.
    pub(super) fn all_done(&self, accepted: &BTreeSet<VideoId>) -> Result<(), String> {
        for id in accepted {
            match self.videos.get(id).map(|row| &row.video.state) {
                None => return Err(format!("{id} was accepted and has no record")),
                Some(state) if !state.is_terminal() => return Err(format!("{id} is {state:?}")),
                Some(State::Expired { .. } | State::AwaitingUpload { .. }) => {
                    panic!("{id} was accepted and expired")
                }
                Some(_) => {}
            }
        }
        for row in self.videos.values() {
            let video = &row.video;
            match &video.state {
                state if state.has_notice_due() => {
                    return Err(format!("the notice of {} was not sent", video.id));
                }
                state if !state.is_terminal() => return Err(format!("{} is {state:?}", video.id)),
                _ => {}
            }
        }
        for (key, slots) in &self.slots {
            if !slots.is_empty() || slots.work.listed {
                return Err(format!("{key} is {slots:?}"));
            }
        }
        for (key, outbox) in &self.outboxes {
            if !outbox.due.is_empty() || outbox.notices.listed {
                return Err(format!("{key} is {outbox:?}"));
            }
        }
        let pending = |delivery: &Delivery| matches!(delivery.state, DeliveryState::Pending { .. });
        if let Some((key, _)) = self.deliveries.iter().find(|(_, delivery)| pending(delivery)) {
            return Err(format!("{key} is pending"));
        }
        self.all_counted()?;
        let is_due = |key: &str| key.starts_with("work/") || key.starts_with("notices/");
        match self.lists.iter().find(|(key, page)| is_due(key) && !page.users.is_empty()) {
            Some((key, page)) => Err(format!("{key} has {page:?}")),
            None => Ok(()),
        }
    }

    /// Checks that the webhook's receiver has one event of the end of each of the user's videos.
    pub(super) fn all_received(&self, user: UserId, received: &Received) -> Result<(), String> {
        for row in self.videos.values().filter(|row| row.video.owner == user) {
            let video = &row.video;
            let field = format!("\"video_id\":\"{}\"", video.id);
            let has_event =
                matches!(video.state, State::Completed { .. } | State::Failed { .. } | State::Expired { .. });
            let of_video = received.values().filter(|body| body.contains(&field)).count();
            if (has_event && of_video != 1) || of_video > 1 {
                return Err(format!("{of_video} events of {}, which is {}", video.id, video.state.name()));
            }
        }
        Ok(())
    }

    /// Checks that no delivery of a removed account is left.
    pub(super) fn none_kept_of(&self, user: UserId) -> Result<(), String> {
        match self.deliveries.iter().find(|(_, delivery)| delivery.owner == user) {
            Some((key, _)) => Err(format!("{key} is left")),
            None => Ok(()),
        }
    }

    /// The bytes that are counted of a user are those of the records.
    fn all_counted(&self) -> Result<(), String> {
        for (key, slots) in &self.slots {
            let user: UserId = key.trim_start_matches("slots/").parse().map_err(|_| "no user")?;
            let of_user = self.videos.values().filter(|row| row.video.owner == user);
            let kept: u64 = of_user.map(|row| row.video.kept_bytes()).sum();
            if slots.kept_bytes != kept || slots.used_bytes() != kept || !slots.recounts.is_empty() {
                return Err(format!("{key} has {kept} bytes, and is {slots:?}"));
            }
        }
        Ok(())
    }

    /// The list shows each video that was promised, unless it was deleted, once and newest first.
    pub(super) fn check_listed(
        &self,
        listed: &[VideoId],
        created: &BTreeSet<VideoId>,
        user: UserId,
    ) -> Result<(), String> {
        let unique: BTreeSet<&VideoId> = listed.iter().collect();
        if unique.len() != listed.len() {
            return Err("a video is listed twice".to_owned());
        }
        for id in created {
            let row = self.videos.get(id).ok_or_else(|| format!("{id} was promised and is lost"))?;
            let shown = row.video.state.name() != StateName::Deleted;
            if row.video.owner == user && shown != unique.contains(id) {
                return Err(format!("{id}, which is {}, is listed: {}", row.video.state.name(), !shown));
            }
        }
        let positions: Vec<Option<u64>> = listed.iter().map(|id| self.videos[id].position).collect();
        if positions.is_sorted_by(|a, b| a > b) { Ok(()) } else { Err("the list is out of order".to_owned()) }
    }

    /// After all retention: no objects, no shared uploads, nobody in the other list.
    pub(super) fn all_purged(&self) -> Result<(), String> {
        for row in self.videos.values().filter(|row| row.position.is_some()) {
            if !row.video.state.end().is_some_and(|end| end.purged) {
                return Err(format!("{} is not purged: {:?}", row.video.id, row.video.state));
            }
            if let Source::Own { refs, gone } = &row.video.source
                && (!refs.is_empty() || !gone)
            {
                return Err(format!("{} is still used by {refs:?}", row.video.id));
            }
        }
        self.all_counted()?;
        if let Some((key, slots)) = self.slots.iter().find(|(_, slots)| slots.used_bytes() > 0) {
            return Err(format!("{key} has {} bytes left", slots.used_bytes()));
        }
        for (key, head) in &self.heads {
            if head.retired != head.len() || head.kept.listed {
                return Err(format!("{key}: {} of {} retired", head.retired, head.len()));
            }
        }
        match self.lists.iter().find(|(_, page)| !page.users.is_empty()) {
            Some((key, page)) => Err(format!("{key} has {page:?}")),
            None => Ok(()),
        }
    }
}

/// Whether one record may follow the other.
fn legal(before: &VideoRow, after: &VideoRow) -> Result<(), String> {
    let (a, b) = (&before.video, &after.video);
    if before.position != after.position || a.owner != b.owner || a.created_at != b.created_at {
        return Err("a record was replaced by another one".to_owned());
    }
    let (from, to) = (a.state.name(), b.state.name());
    use StateName as S;
    let allowed = from == to
        || to == S::Deleted
        || matches!(
            (from, to),
            (S::AwaitingUpload, S::Queued | S::Pending | S::Canceled | S::Expired)
                | (S::Queued, S::Pending | S::Canceled)
                | (S::Pending, S::Processing | S::Canceled | S::Failed)
                | (S::Processing, S::Pending | S::Completed | S::Failed | S::Canceled)
        );
    if !allowed {
        return Err(format!("{from} became {to}"));
    }
    if a.state.attempts().made > b.state.attempts().made {
        return Err("an attempt was forgotten".to_owned());
    }
    if let (State::Completed { result: a, .. }, State::Completed { result: b, .. }) = (&a.state, &b.state)
        && a != b
    {
        return Err("a result was replaced".to_owned());
    }
    Ok(())
}
