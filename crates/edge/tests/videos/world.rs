//! One deployment in memory, requests to it, and answers as text that stays the same.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use bytes::Bytes;
use framelift_domain::{Time, UserId};
use framelift_edge::http::{Body, Failure, RequestBody};
use framelift_edge::openapi::{COMPONENTS, conformance};
use framelift_edge::ports::Ambient;
use framelift_edge::queue::Sqs;
use framelift_edge::service::{Config, Role, Service};
use framelift_edge::store::memory::{MemoryKv, TestAmbient};
use framelift_edge::token::Signer;
use framelift_edge::{control, downloads, events, frames, plugins, uploads, videos};
use futures::StreamExt as _;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::cloud::{ACCESS_KEY, BUCKET, Cloud, REGION, S3_PUBLIC, SECRET};

pub(crate) const WORKER_TOKEN: &str = "the-workers-own-secret";
pub(crate) const MIB: u64 = 1 << 20;

/// The deployment.
pub(crate) struct World {
    pub(crate) kv: MemoryKv,
    pub(crate) cloud: Cloud,
    pub(crate) ambient: TestAmbient,
    pub(crate) signer: Signer,
    users: Config,
    readers: Config,
    events: Config,
    frames: Config,
    workers: Config,
    /// What the next request is refused with, as if a store or the configuration were not there.
    pub(crate) fault: Cell<Option<Failure>>,
    /// The largest piece of a streamed answer.
    pub(crate) largest_piece: Cell<usize>,
    /// The problems that were answered.
    pub(crate) problems: RefCell<BTreeSet<conformance::Pair>>,
}

/// Which component answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Component {
    Videos,
    Uploads,
    Downloads,
    Events,
    Frames,
    Plugins,
    Control,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether it broke off.
    pub(crate) broken_off: bool,
}

pub(crate) fn variables(signer: &Signer, cloud: &Cloud) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("public_keys", signer.jwks()),
        ("worker_token", WORKER_TOKEN.to_owned()),
        ("aws_region", REGION.to_owned()),
        ("aws_access_key_id", ACCESS_KEY.to_owned()),
        ("aws_secret_access_key", SECRET.to_owned()),
        ("s3_endpoint", cloud.s3_endpoint()),
        ("s3_public_endpoint", S3_PUBLIC.to_owned()),
        ("s3_bucket", BUCKET.to_owned()),
        ("sqs_endpoint", cloud.sqs_endpoint()),
        ("sqs_queue_url", cloud.queue_url()),
        ("frames_key", "the-key-of-links".to_owned()),
        ("max_open_per_user", "20".to_owned()),
        ("max_requests_per_minute", "0".to_owned()),
    ])
}

/// A clock that starts now, because the object store has the real one.
fn ambient() -> TestAmbient {
    #[expect(clippy::disallowed_methods, reason = "signatures are checked by the real time")]
    let now = jiff::Timestamp::now();
    let ambient = TestAmbient::new(1);
    ambient.advance_ms(now.as_millisecond() - ambient.now().unix_ms());
    ambient
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// A deployment with some variables set differently.
    pub(crate) fn with(changes: &[(&'static str, &str)]) -> Self {
        let signer = Signer::from_seed(&[7; 32]).unwrap();
        let ambient = ambient();
        let cloud = Cloud::start(ambient.now());
        let mut variables = variables(&signer, &cloud);
        variables.extend(changes.iter().map(|(name, value)| (*name, (*value).to_owned())));
        Self::deployed(signer, ambient, cloud, &variables)
    }

    /// A deployment with a separate queue for short jobs.
    pub(crate) fn with_lanes() -> Self {
        let signer = Signer::from_seed(&[7; 32]).unwrap();
        let ambient = ambient();
        let cloud = Cloud::start(ambient.now());
        let mut variables = variables(&signer, &cloud);
        variables.insert("sqs_short_queue_url", cloud.short_queue_url());
        Self::deployed(signer, ambient, cloud, &variables)
    }

    fn deployed(
        signer: Signer,
        ambient: TestAmbient,
        cloud: Cloud,
        variables: &BTreeMap<&'static str, String>,
    ) -> Self {
        Self {
            kv: MemoryKv::default(),
            cloud,
            ambient,
            users: Config::read(variables, Role::Users).unwrap(),
            readers: Config::read(variables, Role::Readers).unwrap(),
            events: Config::read(variables, Role::Events).unwrap(),
            frames: Config::read(variables, Role::Frames).unwrap(),
            workers: Config::read(variables, Role::Workers).unwrap(),
            signer,
            fault: Cell::default(),
            largest_piece: Cell::default(),
            problems: RefCell::default(),
        }
    }

    /// The configuration of component `events`.
    pub(crate) fn events(&self) -> &Config {
        &self.events
    }

    pub(crate) fn user(&self, n: u8) -> UserId {
        UserId::new(u64::from(n), [n; 10])
    }

    /// A good access token of the user with that number.
    pub(crate) fn token(&self, n: u8) -> String {
        self.signer.issue(self.user(n), "u@example.com", "t", None, self.ambient.now()).unwrap()
    }

    /// The same of a user who has not confirmed the address.
    pub(crate) fn unverified(&self, n: u8) -> String {
        self.signer.issue_unverified(self.user(n), "u@example.com", "t", None, self.ambient.now()).unwrap()
    }

    pub(crate) fn now(&self) -> Time {
        self.ambient.now()
    }

    pub(crate) fn advance_s(&self, seconds: i64) {
        self.ambient.advance_ms(seconds * 1000);
        self.cloud.advance_s(seconds.unsigned_abs());
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> Call<'_> {
        let request = Request::builder().method(method).uri(path).header("x-correlation-id", "c-1");
        Call { world: self, request, body: Bytes::new() }
    }

    pub(crate) fn get(&self, path: &str) -> Call<'_> {
        self.request(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str) -> Call<'_> {
        self.request(Method::POST, path)
    }

    pub(crate) fn delete(&self, path: &str) -> Call<'_> {
        self.request(Method::DELETE, path)
    }

    /// Sends a request to a component, and holds the answer to what is documented.
    pub(crate) async fn send<B: RequestBody>(&self, component: Component, request: Request<B>) -> Answer {
        let config = match component {
            Component::Videos | Component::Uploads | Component::Plugins => &self.users,
            Component::Downloads => &self.readers,
            Component::Events => &self.events,
            Component::Frames => &self.frames,
            Component::Control => &self.workers,
        };
        let queue = Sqs::new(config.queue.as_ref(), &self.cloud, &self.ambient);
        let service =
            Service { kv: &self.kv, queue: &queue, http: &self.cloud, ambient: &self.ambient, config };
        let service = match self.fault.take() {
            None => Ok(service),
            Some(failure) => Err(failure),
        };
        let (parts, body) = request.into_parts();
        let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
        let cors = &config.cors;
        // On the heap: the futures of all components are too much for a test's stack.
        let answer = match component {
            Component::Events => Box::pin(events::serve(service, cors, &self.ambient, parts, body)).await,
            Component::Frames => Box::pin(frames::serve(service, cors, &self.ambient, parts, body)).await,
            Component::Videos => {
                Box::pin(videos::serve(service, cors, &self.ambient, parts, body)).await.map(Body::from)
            }
            Component::Uploads => {
                Box::pin(uploads::serve(service, cors, &self.ambient, parts, body)).await.map(Body::from)
            }
            Component::Downloads => {
                Box::pin(downloads::serve(service, cors, &self.ambient, parts, body)).await.map(Body::from)
            }
            Component::Plugins => {
                Box::pin(plugins::serve(service, cors, &self.ambient, parts, body)).await.map(Body::from)
            }
            Component::Control => {
                Box::pin(control::serve(service, cors, &self.ambient, parts, body)).await.map(Body::from)
            }
        };
        let (parts, body) = answer.into_parts();
        let (body, broken_off) = self.received(body).await;
        conformance::check_security_headers(&parts.headers).unwrap();
        let pair = conformance::check(&method, &path, parts.status, &body).unwrap();
        self.problems.borrow_mut().extend(pair);
        // Every whole answer says its length.
        let length = parts.headers.get("content-length").map(|length| length.to_str().unwrap().to_owned());
        let without = method == Method::HEAD
            || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&parts.status);
        // Only of a part of an archive the length is known without its bytes.
        let known = method == Method::HEAD && component == Component::Frames;
        if !broken_off && component != Component::Events && !known {
            assert_eq!(length, (!without).then(|| body.len().to_string()));
        }
        Answer { status: parts.status, headers: parts.headers, body, broken_off }
    }

    /// What comes of a body, and whether it breaks off.
    async fn received(&self, body: Body<'_>) -> (Bytes, bool) {
        let mut pieces = match body {
            Body::Whole(bytes) => return (bytes, false),
            Body::Pieces(pieces) => pieces,
        };
        let mut received = Vec::new();
        while let Some(piece) = pieces.next().await {
            let Ok(piece) = piece else { return (received.into(), true) };
            self.largest_piece.set(self.largest_piece.get().max(piece.len()));
            received.extend_from_slice(&piece);
        }
        (received.into(), false)
    }

    pub(crate) fn put_plugin(&self, user: u8, name: &str, component: &[u8]) -> Call<'_> {
        let call = self.request(Method::PUT, &format!("/plugins/{name}")).user(user);
        call.body(Bytes::copy_from_slice(component))
    }

    /// Uploads a plugin and has it checked well, as the only one that waits for that; its answer.
    pub(crate) async fn ready_plugin(&self, user: u8, name: &str, component: &[u8]) -> Value {
        let answer = self.put_plugin(user, name, component).send().await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        let checks = self.cloud.plugin_checks();
        let id = checks.last().unwrap().plugin_id.to_string();
        self.claim_plugin(user, &id).await;
        let answer = self.report_plugin(user, &id, json!({ "attempt": 1, "outcome": "ready" })).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.get(&format!("/plugins/{name}")).user(user).send().await.json()
    }

    pub(crate) async fn claim_plugin(&self, user: u8, id: &str) -> Answer {
        let user_id = self.user(user);
        let body = json!({ "user_id": user_id, "worker_id": "w-1", "claim_id": "m-1" });
        self.post(&format!("/internal/plugins/{id}/claim")).worker().json(body).send().await
    }

    /// What a worker says of a check, besides who it is and whose the plugin is.
    pub(crate) async fn report_plugin(&self, user: u8, id: &str, mut body: Value) -> Answer {
        body["user_id"] = json!(self.user(user));
        body["worker_id"] = "w-1".into();
        self.post(&format!("/internal/plugins/{id}/report")).worker().json(body).send().await
    }

    /// Creates a video of that size; its answer.
    pub(crate) async fn create(&self, user: u8, size_bytes: u64) -> Value {
        let body = json!({ "file_name": "holiday.mp4", "size_bytes": size_bytes });
        let answer = self.post("/videos").user(user).json(body).send().await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()
    }

    /// Creates a video, uploads it in one PUT, and hands it over; its id.
    pub(crate) async fn uploaded(&self, user: u8) -> String {
        let created = self.create(user, MIB).await;
        assert_eq!(self.put(&created, MIB), 200);
        let id = created["id"].as_str().unwrap().to_owned();
        let answer = self.post(&format!("/videos/{id}/complete")).user(user).send().await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        id
    }

    /// Follows the single PUT of a created video.
    pub(crate) fn put(&self, created: &Value, size: u64) -> u16 {
        let headers = serde_json::from_value(created["upload"]["headers"].clone()).unwrap();
        self.cloud.client_put(created["upload"]["url"].as_str().unwrap(), &headers, size)
    }

    /// A worker claims the job; the answer.
    pub(crate) async fn claim(&self, id: &str) -> Answer {
        let body = json!({ "worker_id": "w-1", "claim_id": "m-1" });
        self.post(&format!("/internal/jobs/{id}/claim")).worker().json(body).send().await
    }

    /// Claims and completes the job.
    pub(crate) async fn complete(&self, id: &str) {
        let job = self.claim(id).await.json();
        self.cloud.put(job["result_key"].as_str().unwrap(), vec![0; 9]);
        self.complete_claimed(id).await;
    }

    /// Completes a job that is claimed.
    pub(crate) async fn complete_claimed(&self, id: &str) {
        let answer = self.report(id, "complete", completed(1)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// A worker's report.
    pub(crate) async fn report(&self, id: &str, what: &str, body: Value) -> Answer {
        self.post(&format!("/internal/jobs/{id}/{what}")).worker().json(body).send().await
    }
}

/// What a worker reports of a completed job.
pub(crate) fn completed(attempt: u32) -> Value {
    json!({
        "attempt": attempt, "worker_id": "w-1", "size_bytes": 9, "frames": 3, "sha256": "ab".repeat(32),
        "bytes_read": 1000, "warnings": ["50% lies outside"]
    })
}

/// What a worker reports of a failed one.
pub(crate) fn failed(attempt: u32, code: &str, release: bool) -> Value {
    json!({ "attempt": attempt, "worker_id": "w-1", "code": code, "message": "why", "release": release })
}

/// A request being made.
pub(crate) struct Call<'w> {
    world: &'w World,
    request: http::request::Builder,
    body: Bytes,
}

impl Call<'_> {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn user(self, n: u8) -> Self {
        let token = self.world.token(n);
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn worker(self) -> Self {
        self.header("authorization", &format!("Bearer {WORKER_TOKEN}"))
    }

    pub(crate) fn json(self, body: Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The request without its body.
    pub(crate) fn head(self) -> http::request::Builder {
        self.request
    }

    pub(crate) async fn send(self) -> Answer {
        let request = self.request.body(Full::new(self.body)).unwrap();
        let component = component_of(request.uri().path());
        self.world.send(component, request).await
    }
}

/// The component that has a path; `videos` for one that none has.
pub(crate) fn component_of(path: &str) -> Component {
    let has = |route: &str| {
        let (parts, segments) = (route.split('/'), path.split('/'));
        parts.clone().count() == segments.clone().count()
            && parts.zip(segments).all(|(part, segment)| part.starts_with('{') || part == segment)
    };
    let exact = |component: &&framelift_edge::openapi::Component| {
        component.routes.iter().any(|route| route.path == path)
    };
    let found = COMPONENTS.iter().find(exact);
    let found = found
        .or_else(|| COMPONENTS.iter().find(|component| component.routes.iter().any(|route| has(route.path))));
    match found.map(|component| component.name) {
        Some("uploads") => Component::Uploads,
        Some("downloads") => Component::Downloads,
        Some("events") => Component::Events,
        Some("frames") => Component::Frames,
        Some("plugins") => Component::Plugins,
        Some("control") => Component::Control,
        _ if path.starts_with("/internal") || path.starts_with("/health") => Component::Control,
        _ => Component::Videos,
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The problem's code; panics if it is none, or not a whole one.
    pub(crate) fn problem(&self) -> String {
        let problem = self.json();
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(problem["status"], self.status.as_u16());
        assert_eq!(problem["correlation_id"], self.header("x-correlation-id"));
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
        problem["code"].as_str().unwrap().to_owned()
    }

    /// Status and code, and where it does not validate.
    pub(crate) fn short(&self) -> String {
        let mut line = format!("{} {}", self.status.as_u16(), self.problem());
        for error in self.json()["errors"].as_array().into_iter().flatten() {
            let _ = write!(line, " {}", error["pointer"].as_str().unwrap());
        }
        line
    }

    /// The whole answer, with whatever differs from run to run named instead. That it says its length and what browsers
    /// must know is checked of every answer.
    pub(crate) fn shot(&self) -> String {
        let mut text = format!("{}\n", self.status.as_u16());
        let everywhere = ["content-length", "content-security-policy", "referrer-policy"];
        let headers = self.headers.iter().filter(|(name, _)| !everywhere.contains(&name.as_str()));
        let mut headers: Vec<String> =
            headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        headers.sort();
        text.push_str(&headers.join("\n"));
        if !self.body.is_empty() {
            let body = serde_json::to_string_pretty(&self.json()).unwrap();
            let _ = write!(text, "\n\n{body}");
        }
        named(&text)
    }
}

/// Ids, times, tags and signatures by name.
fn named(text: &str) -> String {
    let mut out = String::new();
    let mut ids: Vec<String> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(id) = rest.get(..36).filter(|id| is_id(id)) {
            let position = ids.iter().position(|known| known == id).unwrap_or_else(|| {
                ids.push(id.to_owned());
                ids.len() - 1
            });
            let _ = write!(out, "[id {}]", position + 1);
            rest = &rest[36..];
        } else if rest.get(..24).is_some_and(|time| time.parse::<Time>().is_ok() && time.ends_with('Z')) {
            out.push_str("[time]");
            rest = &rest[24..];
        } else if let Some(after) = rest.strip_prefix("etag: \"") {
            out.push_str("etag: [tag]");
            rest = after.split_once('"').map_or("", |(_, rest)| rest);
        } else if let Some((name, after)) =
            ["X-Amz-Date=", "X-Amz-Signature=", "X-Amz-Credential=", "uploadId="]
                .iter()
                .find_map(|name| Some((name, rest.strip_prefix(name)?)))
        {
            let _ = write!(out, "{name}…");
            rest = &after[after.find(['&', '"', '\n']).unwrap_or(after.len())..];
        } else {
            let character = rest.chars().next().unwrap();
            out.push(character);
            rest = &rest[character.len_utf8()..];
        }
    }
    out
}

fn is_id(text: &str) -> bool {
    text.parse::<framelift_domain::VideoId>().is_ok()
}
