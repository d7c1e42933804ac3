//! Server-sent events over HTTP: a whole job as they tell it, and readers who go away and come back.

use framelift_e2e::worker::ManualWorker;
use framelift_e2e::{Setup, Stack, User, clip};
use reqwest::{Method, Response};
use serde_json::{Value, json};

/// An event as it came.
#[derive(Debug)]
struct Event {
    name: String,
    id: String,
    data: Value,
}

/// A stream that is read as it comes.
struct Events {
    answer: Response,
    rest: String,
}

impl Events {
    async fn open(user: &User, stack: &Stack, path: &str, last_event_id: Option<&str>) -> Self {
        let mut request = stack.client().get(format!("{}{path}", user.api())).bearer_auth(&user.token);
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{path}");
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { answer, rest: String::new() }
    }

    /// The next message, comments and the time to come back included; none at the end.
    async fn message(&mut self) -> Option<String> {
        loop {
            if let Some((message, rest)) = self.rest.split_once("\n\n") {
                let (message, rest) = (message.to_owned(), rest.to_owned());
                self.rest = rest;
                return Some(message);
            }
            let Some(piece) = self.answer.chunk().await.unwrap() else {
                assert_eq!(self.rest, "", "the stream ends within a message");
                return None;
            };
            self.rest += std::str::from_utf8(&piece).unwrap();
        }
    }

    /// The next event; none at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let message = self.message().await?;
            let field = |name: &str| message.lines().find_map(|line| line.strip_prefix(name));
            if let Some(data) = field("data: ") {
                let (name, id) = (field("event: ").unwrap().to_owned(), field("id: ").unwrap().to_owned());
                return Some(Event { name, id, data: serde_json::from_str(data).unwrap() });
            }
        }
    }

    /// The next event, of which there must be one.
    async fn event(&mut self) -> Event {
        self.next().await.expect("the stream has ended")
    }
}

const ORDER: [&str; 5] = ["awaiting_upload", "queued", "pending", "processing", "completed"];

#[tokio::test]
async fn a_whole_job_is_told_in_order_to_its_end() {
    let stack = Stack::start(Setup::default()).await;
    let ada = stack.user("ada").await;
    let video = clip::sample("cars-30s.mp4");
    let created = ada.create("cars.mp4", video.len(), json!({"select": {"every": "1s"}})).await;
    let id = created["id"].as_str().unwrap();
    let mut streams = [
        Events::open(&ada, &stack, &format!("/videos/{id}/events"), None).await,
        Events::open(&ada, &stack, "/videos/events", None).await,
    ];
    for stream in &mut streams {
        assert!(stream.message().await.unwrap().starts_with("retry: "));
        let first = stream.event().await;
        assert_eq!((&*first.name, &first.data["status"]), ("status", &json!("awaiting_upload")));
    }
    ada.put(&created["upload"], &video).await;
    ada.expect(Method::POST, &format!("/videos/{id}/complete"), None, 202).await;
    let mut ends = Vec::new();
    for stream in &mut streams {
        let (mut place, mut percent) = (0, json!(0));
        let end = loop {
            let Event { name, data, .. } = stream.event().await;
            assert_eq!(data["id"], id, "{data}");
            assert!(data["progress"]["percent"].as_u64() >= percent.as_u64(), "{data}");
            percent.clone_from(&data["progress"]["percent"]);
            if name == "progress" {
                assert_eq!(ORDER[place], "processing", "{data}");
                continue;
            }
            let status = data["status"].as_str().unwrap();
            let now = ORDER.iter().position(|known| *known == status).expect(status);
            assert!(now >= place, "{status} after {}", ORDER[place]);
            place = now;
            if status == "completed" {
                break data;
            }
        };
        ends.push(end);
    }
    assert_eq!(ends[0], ada.video(id).await, "all there is to know of it");
    assert_eq!(ends[1], ends[0]);
    let [mut one, all] = streams;
    assert!(one.next().await.is_none(), "a stream of one video ends with it");
    drop(all);
    stack.finish().await;
}

#[tokio::test]
async fn who_comes_back_misses_nothing_and_strangers_are_told_nothing() {
    let stack = Stack::start(Setup { workers: 0, ..Setup::default() }).await;
    let (ada, bob) = (stack.user("ada").await, stack.user("bob").await);
    let worker = ManualWorker::of(&stack);
    let id = ada.upload("cars.mp4", &clip::sample("cars-30s.mp4"), json!({})).await;
    let path = format!("/videos/{id}/events");
    let again = async |known: &str| Events::open(&ada, &stack, &path, Some(known)).await;

    let mut all = Events::open(&ada, &stack, "/videos/events", None).await;
    let known_of_all = all.event().await.id;
    drop(all);
    let first = Events::open(&ada, &stack, &path, None).await.event().await;
    assert_eq!(first.data["status"], "pending");
    worker.claim(&id).await;
    worker.progress(&id, 40).await;
    let second = again(&first.id).await.event().await;
    assert_eq!((&*second.name, &second.data["status"]), ("status", &json!("processing")));
    assert_eq!(second.data["progress"]["percent"], 40);
    worker.progress(&id, 70).await;
    let third = again(&second.id).await.event().await;
    assert_eq!((&*third.name, &third.data["progress"]["percent"]), ("progress", &json!(70)));
    worker.fail(&id).await;
    let mut rest = again(&third.id).await;
    let last = rest.event().await;
    assert_eq!(
        (&last.data["status"], &last.data["failure"]["code"]),
        (&json!("failed"), &json!("not-a-video"))
    );
    assert!(rest.next().await.is_none());
    // It is finished now, so that only who was there before is told of it.
    let told = Events::open(&ada, &stack, "/videos/events", Some(&known_of_all)).await.event().await;
    assert_eq!((&told.data["id"], &told.data["status"]), (&json!(id), &json!("failed")));

    let unknown = "018bcfe5-6800-7707-8707-070707070707";
    for (user, id, status, code) in [
        (&bob, &*id, 403, "video-not-owned"),
        (&bob, unknown, 404, "video-not-found"),
        (&ada, unknown, 404, "video-not-found"),
    ] {
        let refusal = user.expect(Method::GET, &format!("/videos/{id}/events"), None, status).await;
        assert_eq!(refusal["code"], code);
    }
    let nobody = stack.client().get(format!("{}/videos/events", ada.api())).send().await.unwrap();
    assert_eq!(nobody.status().as_u16(), 401);
    // What bob is told first is of one of his videos, though ada has one that is newer.
    let mine = bob.create("mine.mp4", 1000, json!({})).await;
    ada.create("hers.mp4", 1000, json!({})).await;
    let mut stream = Events::open(&bob, &stack, "/videos/events", Some("0")).await;
    assert_eq!(stream.event().await.data["id"], mine["id"]);
    // Deletion is told, and nothing came in between.
    bob.expect(Method::DELETE, &format!("/videos/{}", mine["id"].as_str().unwrap()), None, 204).await;
    let deleted = stream.event().await;
    assert_eq!((&*deleted.name, &deleted.data), ("deleted", &json!({"id": mine["id"]})));
    // Nobody takes the message of the job.
    stack.finish_with_messages().await;
}
