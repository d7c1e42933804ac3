//! The calls of component `auth`, over a store in memory and a `control` that does as it is told.

/// Compares an answer with the one that was looked at and found right.
macro_rules! snap {
    ($name:literal, $answer:expr) => {
        insta::assert_json_snapshot!($name, snapshot(&$answer))
    };
}

mod bad_input;
mod deletion;
mod documented;
mod faults;
mod golden;
mod links;
mod login;
mod quotas;
mod refresh;
mod rotation;
mod sessions;
mod settings;
mod throttle;
mod webhooks;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use bytes::Bytes;
use framelift_domain::UserId;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use super::*;
use crate::http::RequestBody;
use crate::http::tests::{block_on, shown};
use crate::openapi::conformance;
use crate::passwords::Hashing;
use crate::ports::Unavailable;
use crate::store::memory::{MemoryKv, StoreFaults, TestAmbient};
use crate::token::seed_text;

const WORKER: &str = "worker-secret-0123456789";
const PASSWORD: &str = "correct horse battery";
const ADA: &str = "ada@example.com";

/// `control` and `passwords`, as `auth` sees them.
#[derive(Debug)]
struct Control {
    down: Cell<bool>,
    requests: RefCell<Vec<Request<Bytes>>>,
    hashing: Hashing,
    /// Hashes asked for, and the most at the same time.
    hashes: Cell<(u32, u32)>,
    under_way: Cell<u32>,
    /// Whether `passwords` does not answer.
    hashes_down: Cell<bool>,
}

impl Control {
    fn new(hashing: Hashing) -> Self {
        Self {
            down: Cell::default(),
            requests: RefCell::default(),
            hashing,
            hashes: Cell::default(),
            under_way: Cell::default(),
            hashes_down: Cell::default(),
        }
    }

    async fn passwords(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Unavailable> {
        if self.hashes_down.get() {
            return Err(Unavailable { what: "network", detail: "passwords is down".into() });
        }
        self.under_way.set(self.under_way.get() + 1);
        let (all, most) = self.hashes.get();
        self.hashes.set((all + 1, most.max(self.under_way.get())));
        tokio::task::yield_now().await;
        let answer =
            crate::passwords::serve(&self.hashing, &TestAmbient::new(9), request.into_parts().0).await;
        self.under_way.set(self.under_way.get() - 1);
        Ok(answer)
    }
}

impl Http for Control {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Unavailable> {
        if request.uri().host() == Some("passwords.spin.internal") {
            return self.passwords(request).await;
        }
        if request.uri().path().ends_with("/usage") && !self.down.get() {
            assert_eq!(request.headers()["authorization"], format!("Bearer {WORKER}"));
            return Ok(crate::http::json(StatusCode::OK, &crate::openapi::examples::quotas()).unwrap());
        }
        self.requests.borrow_mut().push(request);
        let status = if self.down.get() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NO_CONTENT };
        Ok(crate::http::empty(status))
    }
}

/// Everything around the service.
struct World {
    kv: MemoryKv,
    control: Control,
    ambient: TestAmbient,
    config: Config,
    /// What the next request is refused with, as if a store or the configuration were not there.
    fault: Cell<Option<Failure>>,
    /// The problems that were answered.
    problems: RefCell<BTreeSet<conformance::Pair>>,
}

/// The variables of a good configuration.
fn variables() -> std::collections::BTreeMap<&'static str, String> {
    [
        ("signing_key", seed_text(&[7; 32])),
        ("email_key", "an e-mail key for tests".to_owned()),
        ("refresh_keys", "a:the-first-refresh-key".to_owned()),
        ("worker_token", WORKER.to_owned()),
        ("max_requests_per_minute", "0".to_owned()),
    ]
    .into()
}

impl World {
    fn new() -> Self {
        Self::with(StoreFaults::default(), 1)
    }

    fn with(faults: StoreFaults, seed: u64) -> Self {
        Self {
            kv: MemoryKv::new(faults, seed),
            control: Control::new(Hashing::with_cost(8, 1).unwrap()),
            ambient: TestAmbient::new(seed),
            config: Config::read(&variables()).unwrap(),
            fault: Cell::default(),
            problems: RefCell::default(),
        }
    }

    /// Starts the service with other values of some variables.
    fn set(&mut self, changed: &[(&'static str, &str)]) {
        let mut variables = variables();
        variables.extend(changed.iter().map(|&(name, value)| (name, value.to_owned())));
        self.config = Config::read(&variables).unwrap();
    }

    async fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.send_streaming(request.map(Full::new)).await
    }

    /// Sends a request whose body arrives, and holds the answer to what is documented.
    async fn send_streaming(&self, request: Request<impl RequestBody>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
        let service =
            Accounts { kv: &self.kv, http: &self.control, ambient: &self.ambient, config: &self.config };
        let service = match self.fault.take() {
            None => Ok(service),
            Some(failure) => Err(failure),
        };
        let answer = serve(service, &self.config.cors, &self.ambient, parts, body).await;
        conformance::check_security_headers(answer.headers()).unwrap();
        let pair = conformance::check(&method, &path, answer.status(), answer.body()).unwrap();
        self.problems.borrow_mut().extend(pair);
        answer
    }

    async fn call(&self, method: &str, path: &str, token: Option<&str>, body: &Value) -> Response<Bytes> {
        let mut request = Request::builder().method(method).uri(path).header("x-correlation-id", "c-1");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        self.send(request.body(body).unwrap()).await
    }

    async fn post(&self, path: &str, body: &Value) -> Response<Bytes> {
        self.call("POST", path, None, body).await
    }

    async fn register(&self, email: &str) -> UserId {
        let answer =
            self.post("/auth/register", &json!({"name":"Ada","email":email,"password":PASSWORD})).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        body(&answer)["id"].as_str().unwrap().parse().unwrap()
    }

    async fn login(&self, email: &str) -> (String, String) {
        let answer = self.post("/auth/login", &json!({"email":email,"password":PASSWORD})).await;
        assert_eq!(answer.status(), StatusCode::OK, "{answer:?}");
        let body = body(&answer);
        (text(&body["access_token"]), text(&body["refresh_token"]))
    }

    async fn refresh(&self, token: &str) -> Response<Bytes> {
        self.post("/auth/refresh", &json!({"refresh_token":token})).await
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn body(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

fn code(response: &Response<Bytes>) -> String {
    text(&body(response)["code"])
}

/// An answer without what differs from run to run.
fn snapshot(response: &Response<Bytes>) -> Value {
    fn redact(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match name.as_str() {
                        "id" | "sub" | "user_id" => *value = "[id]".into(),
                        "created_at" => *value = "[time]".into(),
                        "access_token" | "refresh_token" => *value = "[token]".into(),
                        "webhook_secret" | "secret" => *value = "[secret]".into(),
                        _ => redact(value),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(redact),
            _ => {}
        }
    }
    let mut shown = shown(response);
    redact(&mut shown);
    shown
}
