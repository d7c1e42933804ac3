//! A control that answers by the book, unless a test says otherwise, and notes every call.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use framelift_contract::object_key;
use framelift_contract::plugin::{JobPlugin, PluginCheck};
use framelift_contract::problem::{Problem, ProblemCode};
use framelift_contract::report::{Job, Notice};
use framelift_contract::webhook::ClaimedDelivery;
use framelift_domain::{Failure, Time, UserId, VideoId};
use http::Request;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::http::{Answer, serve, text};

pub(crate) const TOKEN: &str = "worker-credential";

/// A call, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) body: Value,
    pub(crate) correlation_id: String,
}

#[derive(Default)]
struct State {
    jobs: BTreeMap<VideoId, Job>,
    check: Option<PluginCheck>,
    outstanding: BTreeMap<VideoId, Notice>,
    calls: Vec<Call>,
    scripted: HashMap<&'static str, VecDeque<Option<ProblemCode>>>,
    refuses_token: bool,
    /// The webhook of every account.
    webhook: Value,
    /// Events that are due, by their ids.
    due: BTreeMap<String, ClaimedDelivery>,
    /// The answer to the question what to mail about an account.
    account_mail: Option<Value>,
    /// The version that it tells; none is the worker's own.
    version: Option<&'static str>,
}

#[derive(Clone)]
pub(crate) struct Control {
    state: Arc<Mutex<State>>,
    news: Arc<watch::Sender<()>>,
    pub(crate) address: SocketAddr,
}

impl Control {
    pub(crate) async fn start() -> Self {
        let (state, news) = (Arc::new(Mutex::new(State::default())), Arc::new(watch::Sender::new(())));
        let (shared, sender) = (state.clone(), news.clone());
        let address = serve(move |request| {
            let answer = shared.lock().unwrap().answer(&request);
            sender.send_replace(());
            async move { answer }
        })
        .await;
        Self { state, news, address }
    }

    /// A job that may be claimed; `number` makes its ids.
    pub(crate) fn add_job(&self, number: u8, size_bytes: u64, options: Value, attempt: u32) -> Job {
        let (user, video) = (UserId::new(1, [number; 10]), VideoId::new(2, [number; 10]));
        let job = Job {
            video_id: video,
            user_id: user,
            correlation_id: format!("c-{number}").parse().unwrap(),
            file_name: format!("video {number}.mp4"),
            size_bytes,
            options: serde_json::from_value(options).unwrap(),
            plugins: Vec::new(),
            source_key: object_key::upload(user, video),
            result_key: object_key::result(user, video, attempt),
            index_key: Some(object_key::frame_index(user, video, attempt)),
            result_prefix: object_key::results_of(user, video),
            attempt,
            lease_expires_at: Time::from_unix_ms(0),
            lease_s: 60,
            deadline: "2100-01-01T00:00:00.000Z".parse().unwrap(),
        };
        self.state.lock().unwrap().jobs.insert(video, job.clone());
        job
    }

    pub(crate) fn set_plugins(&self, job: &Job, plugins: Vec<JobPlugin>) {
        self.state.lock().unwrap().jobs.get_mut(&job.video_id).unwrap().plugins = plugins;
    }

    /// The plugin that may be claimed to be checked.
    pub(crate) fn set_check(&self, check: PluginCheck) {
        self.state.lock().unwrap().check = Some(check);
    }

    pub(crate) fn set_webhook(&self, webhook: Value) {
        self.state.lock().unwrap().webhook = webhook;
    }

    /// An event that is due at the webhook until what came of it is reported.
    pub(crate) fn add_delivery(&self, delivery: ClaimedDelivery) {
        self.state.lock().unwrap().due.insert(delivery.id.to_string(), delivery);
    }

    pub(crate) fn set_account_mail(&self, mail: Option<Value>) {
        self.state.lock().unwrap().account_mail = mail;
    }

    pub(crate) fn set_outstanding(&self, job: &Job, failure: Failure) {
        let notice = notice(job, Some(failure));
        self.state.lock().unwrap().outstanding.insert(job.video_id, notice);
    }

    /// How the next calls of that name are answered: with a problem, or by the book.
    pub(crate) fn script(&self, call: &'static str, answers: &[Option<ProblemCode>]) {
        self.state.lock().unwrap().scripted.entry(call).or_default().extend(answers);
    }

    pub(crate) fn refuse_token(&self, refuse: bool) {
        self.state.lock().unwrap().refuses_token = refuse;
    }

    pub(crate) fn set_version(&self, version: Option<&'static str>) {
        self.state.lock().unwrap().version = version;
    }

    pub(crate) fn calls(&self, name: &str) -> Vec<Call> {
        self.state.lock().unwrap().calls.iter().filter(|call| call.name == name).cloned().collect()
    }

    /// Waits for the first call of that name.
    pub(crate) async fn called(&self, name: &str) -> Call {
        let mut news = self.news.subscribe();
        loop {
            if let Some(call) = self.calls(name).into_iter().next() {
                return call;
            }
            news.changed().await.unwrap();
        }
    }
}

fn notice(job: &Job, failure: Option<Failure>) -> Notice {
    serde_json::from_value(json!({
        "kind": "failed",
        "video_id": job.video_id,
        "user_id": job.user_id,
        "correlation_id": job.correlation_id,
        "file_name": job.file_name,
        "completed_at": "2024-01-01T00:00:00.000Z",
        "failure": failure,
    }))
    .unwrap()
}

fn problem(code: ProblemCode) -> Answer {
    text(code.status(), serde_json::to_string(&Problem::new(code, "scripted", "c")).unwrap())
}

impl State {
    fn answer(&mut self, request: &Request<Bytes>) -> Answer {
        let path: Vec<&str> = request.uri().path().trim_start_matches('/').split('/').collect();
        if path == ["health"] {
            let version = self.version.unwrap_or(env!("CARGO_PKG_VERSION"));
            return text(200, json!({"status": "ok", "version": version}).to_string());
        }
        let authorised =
            request.headers().get("authorization").is_some_and(|value| value == &format!("Bearer {TOKEN}"));
        if !authorised || self.refuses_token {
            return problem(ProblemCode::Unauthenticated);
        }
        let name = match path.as_slice() {
            ["internal", "deliveries", _, call] => format!("delivery-{call}"),
            path => (*path.last().unwrap()).to_owned(),
        };
        let header = request.headers().get("x-correlation-id");
        self.calls.push(Call {
            name: name.clone(),
            body: serde_json::from_slice(request.body()).unwrap_or_default(),
            correlation_id: header.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default(),
        });
        if let Some(Some(code)) = self.scripted.get_mut(name.as_str()).and_then(VecDeque::pop_front) {
            return problem(code);
        }
        let body = &self.calls.last().unwrap().body;
        let answer = match path.as_slice() {
            ["internal", "sweep"] => {
                json!({"users":0,"expired_uploads":0,"resent":0,"lapsed_leases":0,"expired_results":0,"more":false})
            }
            ["internal", "users", id, "contact"] => {
                json!({"user_id": id, "name": "Ada", "email": "ada@example.com", "webhook": self.webhook})
            }
            ["internal", "plugins", id, call] => match (&self.check, *call) {
                (Some(check), "claim") if check.plugin_id.to_string() == *id => {
                    serde_json::to_value(check).unwrap()
                }
                (Some(_), "report") => {
                    json!({"state": if body["outcome"] == "ready" { "ready" } else { "rejected" }})
                }
                _ => return problem(ProblemCode::NotFound),
            },
            ["internal", "users", _, "mail"] => match &self.account_mail {
                Some(mail) => mail.clone(),
                None => return problem(ProblemCode::NotFound),
            },
            ["internal", "deliveries", id, call] => {
                let due = if *call == "claim" { self.due.get(*id).cloned() } else { self.due.remove(*id) };
                match due {
                    Some(delivery) => serde_json::to_value(delivery).unwrap(),
                    None => return problem(ProblemCode::JobFinished),
                }
            }
            ["internal", "jobs", id, call] => {
                let video: VideoId = id.parse().unwrap();
                let Some(job) = self.jobs.get(&video) else { return problem(ProblemCode::VideoNotFound) };
                match *call {
                    "claim" => serde_json::to_value(job).unwrap(),
                    "progress" => json!({"status": "processing"}),
                    "complete" => json!({"status": "completed"}),
                    "fail" if body["release"] == true => json!({"status": "pending"}),
                    "fail" => {
                        let failure: Value =
                            json!({"code": body["code"], "message": body["message"], "retryable": false});
                        let notice = notice(job, Some(serde_json::from_value(failure).unwrap()));
                        json!({"status": "failed", "notice": notice})
                    }
                    "notified" => {
                        self.outstanding.remove(&video);
                        json!({"status": "failed"})
                    }
                    "notice" => match self.outstanding.get(&video) {
                        Some(notice) => serde_json::to_value(notice).unwrap(),
                        None => return problem(ProblemCode::JobFinished),
                    },
                    other => panic!("the fake control does not know {other}"),
                }
            }
            other => panic!("the fake control does not know {other:?}"),
        };
        text(200, answer.to_string())
    }
}
