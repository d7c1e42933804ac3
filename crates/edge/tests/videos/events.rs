//! Streams of events: the changes of videos, also for readers that come back.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use framelift_edge::events;
use framelift_edge::http::Body;
use framelift_edge::ports::{Change, Kv, Swap, Unavailable};
use framelift_edge::queue::Sqs;
use framelift_edge::service::{Config, Service};
use framelift_edge::store::memory::{MemoryKv, StoreFaults};
use futures::StreamExt as _;
use http::Request;
use http_body_util::Empty;
use serde_json::{Value, json};

use crate::world::World;

/// The store, counting what is read, and failing once where that is asked for.
struct Counted<'a> {
    kv: &'a MemoryKv,
    reads: Cell<u32>,
    /// How many reads succeed before one that fails.
    fails_after: Cell<Option<u32>>,
}

impl Kv for Counted<'_> {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Unavailable> {
        self.reads.set(self.reads.get() + 1);
        match self.fails_after.get() {
            Some(0) => {
                self.fails_after.set(None);
                return Err(Unavailable { what: "store", detail: "injected".into() });
            }
            more => self.fails_after.set(more.map(|more| more - 1)),
        }
        self.kv.get(key).await
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), Unavailable> {
        self.kv.set(key, value).await
    }

    async fn delete(&self, key: &str) -> Result<(), Unavailable> {
        self.kv.delete(key).await
    }

    async fn swap(&self, key: &str, change: Change<'_>) -> Result<Swap, Unavailable> {
        self.kv.swap(key, change).await
    }

    async fn increment(&self, key: &str, delta: i64) -> Result<i64, Unavailable> {
        self.kv.increment(key, delta).await
    }
}

/// An event: its name, its id and its data.
type Event = (String, String, Value);

/// A stream that is read piece by piece.
struct Stream<'a>(Body<'a>);

impl Stream<'_> {
    /// The next piece, as it was sent; none at the end.
    async fn piece(&mut self) -> Option<String> {
        let Body::Pieces(pieces) = &mut self.0 else { panic!("the answer is no stream") };
        Some(String::from_utf8(pieces.next().await?.unwrap().to_vec()).unwrap())
    }

    /// The events of the next piece that has any; panics at the end.
    async fn events(&mut self) -> Vec<Event> {
        loop {
            let events = events_of(&self.piece().await.expect("the stream has ended"));
            if !events.is_empty() {
                return events;
            }
        }
    }

    /// The one event of the next piece that has any.
    async fn event(&mut self) -> Event {
        let mut events = self.events().await;
        assert_eq!(events.len(), 1, "{events:?}");
        events.remove(0)
    }
}

fn events_of(text: &str) -> Vec<Event> {
    let messages = text.split("\n\n").filter(|message| message.starts_with("event: "));
    let field = |message: &str, name: &str| {
        let line = message.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name} in {message}")).to_owned()
    };
    messages
        .map(|message| {
            let data = serde_json::from_str(&field(message, "data")).unwrap();
            (field(message, "event"), field(message, "id"), data)
        })
        .collect()
}

/// The parts that a stream borrows from.
struct Desk<'w> {
    world: &'w World,
    kv: Counted<'w>,
    queue: Sqs<'w, crate::cloud::Cloud, framelift_edge::store::memory::TestAmbient>,
    config: &'w Config,
}

impl<'w> Desk<'w> {
    fn new(world: &'w World) -> Self {
        let config = world.events();
        let queue = Sqs::new(None, &world.cloud, &world.ambient);
        Self {
            world,
            kv: Counted { kv: &world.kv, reads: Cell::default(), fails_after: Cell::default() },
            queue,
            config,
        }
    }

    async fn open(&self, path: &str, last_event_id: Option<&str>) -> Stream<'_> {
        let world = self.world;
        let mut request = Request::get(path).header("authorization", format!("Bearer {}", world.token(1)));
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let (parts, body) = request.body(Empty::new()).unwrap().into_parts();
        let (kv, queue, http, ambient, config) =
            (&self.kv, &self.queue, &world.cloud, &world.ambient, self.config);
        let service = Service { kv, queue, http, ambient, config };
        let answer = events::serve(Ok(service), &config.cors, ambient, parts, body).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        Stream(answer.into_body())
    }
}

async fn report_progress(world: &World, id: &str, percent: u8) {
    let progress = json!({
        "stage": "extracting", "percent": percent, "frames_done": percent, "frames_expected": 100,
        "bytes_read": 5
    });
    let body = json!({ "attempt": 1, "worker_id": "w-1", "progress": progress });
    assert_eq!(world.report(id, "progress", body).await.status, 200);
}

#[tokio::test]
async fn a_video_is_followed_to_its_end() {
    let world = World::new();
    let id = world.uploaded(1).await;
    let desk = Desk::new(&world);
    let mut stream = desk.open(&format!("/videos/{id}/events"), None).await;
    let first = stream.piece().await.unwrap();
    assert!(first.starts_with("retry: 2000\n\n"), "{first}");
    let record = world.get(&format!("/videos/{id}")).user(1).send().await.json();
    let [(name, _, data)] = &events_of(&first)[..] else { panic!("{first}") };
    assert_eq!((name.as_str(), data), ("status", &record));

    world.claim(&id).await;
    let (name, _, data) = stream.event().await;
    assert_eq!((name.as_str(), &data["status"]), ("status", &json!("processing")));
    for percent in [10, 60] {
        report_progress(&world, &id, percent).await;
        let (name, _, data) = stream.event().await;
        assert_eq!((name.as_str(), &data["id"]), ("progress", &json!(id)));
        assert_eq!(data["progress"]["percent"], percent);
    }
    world.complete_claimed(&id).await;
    let (name, _, data) = stream.event().await;
    assert_eq!((name.as_str(), &data["status"]), ("status", &json!("completed")));
    assert_eq!(data["result"]["frames"], 3);
    assert_eq!(stream.piece().await, None, "it ends with the terminal status");
    // A video that has ended has one event.
    let mut late = desk.open(&format!("/videos/{id}/events"), None).await;
    assert_eq!(late.event().await.2["status"], "completed");
    assert_eq!(late.piece().await, None);
}

#[tokio::test]
async fn a_stream_continues_after_the_last_event() {
    let world = World::new();
    let id = world.uploaded(1).await;
    let path = format!("/videos/{id}/events");
    let desk = Desk::new(&world);
    let mut stream = desk.open(&path, None).await;
    let (_, known, _) = stream.event().await;
    drop(stream);
    let mut again = desk.open(&path, Some(&known)).await;
    assert_eq!(again.piece().await.unwrap(), "retry: 2000\n\n", "nothing has changed");
    drop(again);
    world.claim(&id).await;
    report_progress(&world, &id, 10).await;
    let mut again = desk.open(&path, Some(&known)).await;
    let (name, known, data) = again.event().await;
    assert_eq!((name.as_str(), &data["progress"]["percent"]), ("status", &json!(10)), "all of it in one");
    report_progress(&world, &id, 20).await;
    let mut again = desk.open(&path, Some(&known)).await;
    assert_eq!(again.event().await.0, "progress");
    // An id that is not valid is ignored.
    let mut again = desk.open(&path, Some("x")).await;
    assert_eq!(again.event().await.0, "status");
}

#[tokio::test]
async fn silence_is_filled_and_no_stream_lasts_for_ever() {
    let world = World::new();
    let id = world.uploaded(1).await;
    let desk = Desk::new(&world);
    let path = format!("/videos/{id}/events");
    for (path, reads_a_minute) in [(path.as_str(), 24), ("/videos/events", 36)] {
        let (begin, mut comments) = (world.now(), 0);
        let mut stream = desk.open(path, None).await;
        stream.event().await;
        desk.kv.reads.set(0);
        let mut last = world.now();
        while let Some(piece) = stream.piece().await {
            assert_eq!(piece, ": \n\n");
            assert!(world.now().ms_since(last) <= 20_000, "a silence that is too long");
            last = world.now();
            comments += 1;
        }
        let seconds = world.now().ms_since(begin) / 1000;
        assert!((295..=310).contains(&seconds) && comments >= 14, "{seconds} s, {comments} comments");
        let reads = desk.kv.reads.get();
        assert!(reads <= 5 * reads_a_minute + 10, "{path}: {reads} reads");
    }
    // And with its token.
    let mut stream = desk.open(&path, None).await;
    stream.event().await;
    world.advance_s(3601);
    assert_eq!(stream.piece().await, None);
}

#[tokio::test]
async fn a_deletion_is_sent_and_a_store_that_fails_is_polled_again() {
    let world = World::new();
    let (id, other) = (world.uploaded(1).await, world.uploaded(1).await);
    let desk = Desk::new(&world);
    let mut one = desk.open(&format!("/videos/{id}/events"), None).await;
    let mut all = desk.open("/videos/events", None).await;
    one.event().await;
    assert_eq!(all.events().await.len(), 2);
    assert_eq!(world.delete(&format!("/videos/{id}")).user(1).send().await.status, 204);
    let (name, _, data) = one.event().await;
    assert_eq!((name.as_str(), data), ("deleted", json!({ "id": id })));
    assert_eq!(one.piece().await, None);
    let (name, _, data) = all.event().await;
    assert_eq!((name.as_str(), data), ("deleted", json!({ "id": id })));
    world.kv.set_faults(StoreFaults { error_before: 100, ..StoreFaults::MODES[0].1 });
    // Comments are sent although no poll succeeds.
    assert_eq!(all.piece().await.as_deref(), Some(": \n\n"));
    world.kv.set_faults(StoreFaults::MODES[0].1);
    world.claim(&other).await;
    assert_eq!(all.event().await.2["status"], "processing");
}

#[tokio::test]
async fn all_videos_of_their_owner_are_followed_in_one_stream() {
    let world = World::new();
    let theirs = world.uploaded(2).await;
    let first = world.uploaded(1).await;
    let desk = Desk::new(&world);
    let mut stream = desk.open("/videos/events", None).await;
    assert_eq!(stream.event().await.2["id"], first);
    let second = world.uploaded(1).await;
    let (name, known, data) = stream.event().await;
    assert_eq!((name.as_str(), &data["id"]), ("status", &json!(second)));
    world.claim(&second).await;
    report_progress(&world, &second, 30).await;
    assert_eq!(stream.event().await.2["progress"]["percent"], 30);
    report_progress(&world, &second, 40).await;
    let (name, _, data) = stream.event().await;
    assert_eq!((name.as_str(), &data["id"]), ("progress", &json!(second)));
    world.complete_claimed(&second).await;
    let (_, _, data) = stream.event().await;
    assert_eq!((&data["id"], &data["status"]), (&json!(second), &json!("completed")));
    drop(stream);
    // A reader that was away gets the end of its owner's videos, and nothing of others.
    world.advance_s(60);
    let mut again = desk.open("/videos/events", Some(&known)).await;
    let sent: Vec<Value> = again.events().await.into_iter().map(|(_, _, data)| data["id"].clone()).collect();
    assert_eq!(sent, [json!(first), json!(second)]);
    assert!(!sent.contains(&json!(theirs)));
}

/// The statuses that a stream sends next, one for each id; a deleted video has none.
async fn ends(stream: &mut Stream<'_>, ids: &[&String]) -> Vec<Value> {
    let mut told = BTreeMap::new();
    while told.len() < ids.len() {
        for (_, _, data) in stream.events().await {
            told.insert(data["id"].as_str().unwrap().to_owned(), data["status"].clone());
        }
    }
    ids.iter().map(|id| told.remove(*id).unwrap()).collect()
}

#[tokio::test]
async fn a_video_that_is_created_and_ends_between_two_polls_is_sent() {
    let world = World::new();
    let desk = Desk::new(&world);
    let mut stream = desk.open("/videos/events", None).await;
    let first = stream.piece().await.unwrap();
    assert_eq!(first, "retry: 2000\n\nid: 0:\n\n", "nothing but an id to come back with");
    // The stream polls only when its next piece is read.
    let completed = world.uploaded(1).await;
    world.complete(&completed).await;
    let canceled = world.create(1, 5).await["id"].as_str().unwrap().to_owned();
    assert_eq!(world.post(&format!("/videos/{canceled}/cancel")).user(1).send().await.status, 202);
    let deleted = world.create(1, 5).await["id"].as_str().unwrap().to_owned();
    assert_eq!(world.delete(&format!("/videos/{deleted}")).user(1).send().await.status, 204);
    let all = [&completed, &canceled, &deleted];
    let expected = [json!("completed"), json!("canceled"), Value::Null];
    assert_eq!(ends(&mut stream, &all).await, expected);
    // A reader that was away meanwhile gets the same.
    let mut again = desk.open("/videos/events", Some("0:")).await;
    let events = again.events().await;
    assert_eq!(events.len(), 3);
    drop(again);
    // A reader may break off after any event of a piece, and comes back with its id.
    for (n, (_, known, _)) in events.iter().enumerate() {
        let mut again = desk.open("/videos/events", Some(known)).await;
        let rest = events_of(&again.piece().await.unwrap());
        assert_eq!(rest.is_empty(), n == 2, "{known}");
        assert!(events[n + 1..].iter().all(|(_, _, data)| rest.iter().any(|(_, _, told)| told == data)));
    }
    // A video that is polled before its end has a status for its beginning.
    let next = world.create(1, 5).await["id"].as_str().unwrap().to_owned();
    let (_, _, data) = stream.event().await;
    assert_eq!((&data["id"], &data["status"]), (&json!(next), &json!("awaiting_upload")));
}

#[tokio::test]
async fn a_stream_that_continues_sends_each_end_however_many_are_newer() {
    let world = World::new();
    let oldest = world.create(1, 5).await["id"].as_str().unwrap().to_owned();
    let desk = Desk::new(&world);
    let mut stream = desk.open("/videos/events", None).await;
    let (_, known, data) = stream.event().await;
    assert_eq!(data["id"], oldest);
    drop(stream);
    let mut all = vec![oldest];
    for _ in 0..250 {
        let id = world.create(1, 5).await["id"].as_str().unwrap().to_owned();
        all.push(id);
        // The oldest one waits to the end.
        if let [_, .., newest] = &all[..] {
            let answer = world.post(&format!("/videos/{newest}/cancel")).user(1).send().await;
            assert_eq!(answer.status, 202, "{}", answer.text());
        }
    }
    assert_eq!(world.post(&format!("/videos/{}/cancel", all[0])).user(1).send().await.status, 202);
    desk.kv.reads.set(0);
    let mut again = desk.open("/videos/events", Some(&known)).await;
    let mut told = BTreeSet::new();
    while told.len() < all.len() {
        let events = again.events().await;
        let reads = desk.kv.reads.replace(0);
        assert!(events.len() <= 100 && reads <= 110, "{} events, {reads} reads", events.len());
        for (_, _, data) in events {
            assert_eq!(data["status"], "canceled");
            assert!(told.insert(data["id"].as_str().unwrap().to_owned()), "{data} is told again");
        }
    }
    assert_eq!(told, all.into_iter().collect());
    // A poll costs no more after so many ends.
    while again.piece().await.unwrap() != ": \n\n" {}
    desk.kv.reads.set(0);
    for _ in 0..4 {
        assert_eq!(again.piece().await.as_deref(), Some(": \n\n"));
    }
    let reads = desk.kv.reads.get();
    assert!(reads <= 20, "{reads} reads in a minute in which nothing happens");
}

#[tokio::test]
async fn no_event_is_lost_if_a_poll_fails_half_way() {
    let world = World::new();
    let (first, second) = (world.uploaded(1).await, world.uploaded(1).await);
    let desk = Desk::new(&world);
    // Wherever the store fails once.
    for reads in 0..6 {
        let mut stream = desk.open("/videos/events", None).await;
        assert_eq!(stream.events().await.len(), 2);
        let third = world.create(1, 5).await["id"].as_str().unwrap().to_owned();
        assert_eq!(world.post(&format!("/videos/{third}/cancel")).user(1).send().await.status, 202);
        let again = world.create(1, 5).await["id"].as_str().unwrap().to_owned();
        desk.kv.fails_after.set(Some(reads));
        let told = ends(&mut stream, &[&third, &again]).await;
        assert_eq!(told, [json!("canceled"), json!("awaiting_upload")], "after {reads} reads");
        assert_eq!(desk.kv.fails_after.get(), None, "it has not failed");
        assert_eq!(world.delete(&format!("/videos/{again}")).user(1).send().await.status, 204);
    }
    let mut stream = desk.open("/videos/events", None).await;
    assert_eq!(stream.events().await.len(), 2);
    world.complete(&first).await;
    world.complete(&second).await;
    // The list of unfinished ones comes, then the end of the first.
    desk.kv.fails_after.set(Some(2));
    assert_eq!(ends(&mut stream, &[&first, &second]).await, [json!("completed"), json!("completed")]);
    assert_eq!(desk.kv.fails_after.get(), None);
}

#[tokio::test]
async fn a_user_has_so_many_streams_and_a_new_one_ends_the_oldest() {
    let world = World::new();
    world.uploaded(1).await;
    let desk = Desk::new(&world);
    let mut streams = Vec::new();
    for _ in 0..101 {
        let mut stream = desk.open("/videos/events", None).await;
        stream.event().await;
        streams.push(stream);
    }
    assert_eq!(streams[0].piece().await, None, "a hundred newer ones are open");
    for stream in [1, 100] {
        assert_eq!(streams[stream].piece().await.as_deref(), Some(": \n\n"));
    }
}
