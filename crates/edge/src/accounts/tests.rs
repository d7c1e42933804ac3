//! The calls of component `auth`, over a store in memory and a `control` that does as it is told.

/// Compares an answer with the one that was looked at and found right.
macro_rules! snap {
    ($name:literal, $answer:expr) => {
        insta::assert_json_snapshot!($name, snapshot(&$answer))
    };
}

mod bad_input;
mod documented;
mod faults;
mod golden;
mod links;
mod quotas;
mod rotation;
mod sessions;
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
use crate::store::memory::{MemoryKv, Quirks, TestAmbient};
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

#[tokio::test]
async fn a_login_outlives_the_rotation_of_refresh_keys() {
    let mut world = World::new();
    world.register(ADA).await;
    let (_, mut refresh) = world.login(ADA).await;
    let (a, b) = ("a:the-first-refresh-key", "b:the-second-refresh-key");
    for keys in [format!("{a} {b}"), format!("{b} {a}"), b.to_owned()] {
        let mut variables = variables();
        variables.insert("refresh_keys", keys);
        world.config = Config::read(&variables).unwrap();
        let answer = world.refresh(&refresh).await;
        assert_eq!(answer.status(), StatusCode::OK);
        refresh = text(&body(&answer)["refresh_token"]);
    }
    assert!(refresh.starts_with("b."));
}

impl World {
    fn new() -> Self {
        Self::with(Quirks::default(), 1)
    }

    fn with(quirks: Quirks, seed: u64) -> Self {
        Self {
            kv: MemoryKv::new(quirks, seed),
            control: Control::new(Hashing::with_cost(8, 1).unwrap()),
            ambient: TestAmbient::new(seed),
            config: Config::read(&variables()).unwrap(),
            fault: Cell::default(),
            problems: RefCell::default(),
        }
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

#[test]
fn sign_up() {
    block_on(async {
        let world = World::new();
        let ada = json!({"name":"  Ada ","email":" Ada@Example.com ","password":PASSWORD});
        snap!("register", world.post("/auth/register", &ada).await);
        snap!("register_taken", world.post("/auth/register", &ada).await);
        let bad = json!({"name":"","email":"ada","password":"short"});
        snap!("register_invalid", world.post("/auth/register", &bad).await);
    });
}

#[test]
fn log_in_and_out() {
    block_on(async {
        let world = World::new();
        world.register(ADA).await;
        let login = world.post("/auth/login", &json!({"email":"ADA@example.com ","password":PASSWORD})).await;
        snap!("login", login);
        let (access, refresh) = (text(&body(&login)["access_token"]), text(&body(&login)["refresh_token"]));
        snap!("login_wrong", world.post("/auth/login", &json!({"email":ADA,"password":"wrong"})).await);
        let unknown = world.post("/auth/login", &json!({"email":"eve@example.com","password":"wrong"})).await;
        snap!("login_wrong", unknown);
        snap!("refresh", world.refresh(&refresh).await);
        snap!("refresh_forged", world.refresh("a.b").await);
        let active = json!({"token":access});
        snap!("validate", world.call("POST", "/auth/validate", Some(&access), &active).await);
        snap!(
            "validate_inactive",
            world.call("POST", "/auth/validate", Some(&access), &json!({"token":"x"})).await
        );
        snap!("validate_anonymous", world.post("/auth/validate", &active).await);
        let logout = json!({"refresh_token":refresh});
        snap!("logout", world.call("POST", "/auth/logout", Some(&access), &logout).await);
        // A second time, or with a token that never was, there is nothing to do.
        for token in [refresh.as_str(), "x"] {
            let again =
                world.call("POST", "/auth/logout", Some(&access), &json!({"refresh_token":token})).await;
            assert_eq!(again.status(), StatusCode::NO_CONTENT);
        }
        assert_eq!(code(&world.refresh(&refresh).await), "invalid-token");
    });
}

#[test]
fn a_refresh_token_works_once_and_a_replay_revokes_its_family() {
    block_on(async {
        let world = World::new();
        world.register(ADA).await;
        let (_, first) = world.login(ADA).await;
        let (_, elsewhere) = world.login(ADA).await;
        let second = text(&body(&world.refresh(&first).await)["refresh_token"]);
        assert_ne!(first, second);
        // The answer was lost: the same question has the same answer, for half a minute.
        world.ambient.advance_ms(30_000);
        let again = body(&world.refresh(&first).await);
        assert_eq!((text(&again["refresh_token"]), &again["expires_in"]), (second.clone(), &json!(3570)));
        world.ambient.advance_ms(1_000);
        snap!("refresh_replayed", world.refresh(&first).await);
        assert_eq!(code(&world.refresh(&second).await), "invalid-token");
        // Another login is not touched.
        assert_eq!(world.refresh(&elsewhere).await.status(), StatusCode::OK);
    });
}

#[test]
fn two_refreshes_at_once_have_one_answer() {
    block_on(async {
        let world = World::with(Quirks { interleave: true, ..Quirks::default() }, 3);
        world.register(ADA).await;
        let (_, token) = world.login(ADA).await;
        let (a, b) = futures::join!(world.refresh(&token), world.refresh(&token));
        assert_eq!(body(&a)["refresh_token"], body(&b)["refresh_token"]);
        assert_eq!((a.status(), b.status()), (StatusCode::OK, StatusCode::OK));
    });
}

#[test]
fn ten_failures_close_the_door_for_a_while() {
    block_on(async {
        let world = World::new();
        world.register(ADA).await;
        // Known or not, and whatever the case of the address: the same.
        for (email, right) in [(ADA, true), ("eve@example.com", false)] {
            for n in 0..10 {
                let email = if n % 2 == 0 { email.to_owned() } else { email.to_uppercase() };
                let answer = world.post("/auth/login", &json!({"email":email,"password":"wrong"})).await;
                assert_eq!(code(&answer), "invalid-credentials");
            }
            let refused = world.post("/auth/login", &json!({"email":email,"password":PASSWORD})).await;
            snap!("login_refused", refused);
            world.ambient.advance_ms(15 * 60 * 1000);
            let answer = world.post("/auth/login", &json!({"email":email,"password":PASSWORD})).await;
            assert_eq!(answer.status() == StatusCode::OK, right);
        }
        // A right password forgives what came before it.
        for _ in 0..3 {
            for _ in 0..9 {
                world.post("/auth/login", &json!({"email":ADA,"password":"wrong"})).await;
            }
            world.login(ADA).await;
        }
    });
}

#[test]
fn many_guesses_at_once_are_not_more_than_ten() {
    block_on(async {
        let world = World::with(Quirks { interleave: true, ..Quirks::default() }, 5);
        world.register(ADA).await;
        let wrong = json!({"email":ADA,"password":"wrong"});
        let guesses = (0..40).map(|_| world.post("/auth/login", &wrong));
        let answers = futures::future::join_all(guesses).await;
        let count = |wanted: &str| answers.iter().filter(|answer| code(answer) == wanted).count();
        let refused = count("too-many-attempts") + count("unavailable");
        assert!(count("invalid-credentials") <= 10, "{}", count("invalid-credentials"));
        assert_eq!(count("invalid-credentials") + refused, 40);
    });
}

#[test]
fn a_hash_of_other_parameters_is_renewed_at_login() {
    block_on(async {
        let mut world = World::new();
        let id = world.register(ADA).await;
        let hash = |world: &World| -> String {
            let (_, value) = world.kv.dump(&format!("user/{id}")).remove(0);
            text(&serde_json::from_slice::<Value>(&value).unwrap()["value"]["password"])
        };
        assert!(hash(&world).contains("m=8,"));
        world.control.hashing = Hashing::with_cost(16, 1).unwrap();
        world.post("/auth/login", &json!({"email":ADA,"password":"wrong"})).await;
        assert!(hash(&world).contains("m=8,"));
        world.login(ADA).await;
        assert!(hash(&world).contains("m=16,"));
        world.login(ADA).await;
    });
}

#[test]
fn the_account_and_its_notifications() {
    block_on(async {
        let world = World::new();
        let id = world.register(ADA).await;
        let (token, _) = world.login(ADA).await;
        let patch = async |body: Value| world.call("PATCH", "/auth/me", Some(&token), &body).await;
        snap!("me", world.call("GET", "/auth/me", Some(&token), &Value::Null).await);
        snap!("me_anonymous", world.call("GET", "/auth/me", None, &Value::Null).await);
        let webhook = json!({"notifications":{"webhook_url":"https://hooks.example.com/x"}});
        let set = patch(webhook.clone()).await;
        snap!("webhook_set", set);
        let secret = text(&body(&set)["webhook_secret"]);
        assert!(secret.starts_with("whsec_") && secret.len() == 6 + 32, "{secret}");
        // The same URL keeps its secret, which is shown to workers alone from now on.
        snap!("webhook_kept", patch(webhook.clone()).await);
        let path = format!("/internal/users/{id}/contact");
        let contact = world.call("GET", &path, Some(WORKER), &Value::Null).await;
        assert_eq!(body(&contact)["webhook"]["secret"], secret.as_str());
        snap!("contact", contact);
        let moved = patch(json!({"notifications":{"webhook_url":"https://hooks.example.com/y"}})).await;
        assert_ne!(body(&moved)["webhook_secret"], secret.as_str());
        snap!(
            "webhook_removed",
            patch(json!({"name":"Ada L.","notifications":{"email":false,"webhook_url":null}})).await
        );
        snap!("contact_wants_nothing", world.call("GET", &path, Some(WORKER), &Value::Null).await);
        let mut shown = body(&world.call("GET", "/auth/me", Some(&token), &Value::Null).await);
        shown.as_object_mut().unwrap().remove("quotas");
        assert_eq!(body(&patch(json!({})).await), shown);
        let again = patch(webhook).await;
        assert!(body(&again)["webhook_secret"].is_string());
    });
}

#[test]
fn the_keys_are_public() {
    block_on(async {
        let world = World::new();
        let answer = world.call("GET", "/.well-known/jwks.json", None, &Value::Null).await;
        snap!("keys", answer);
        let verifier =
            crate::token::Verifier::from_jwks(std::str::from_utf8(answer.body()).unwrap()).unwrap();
        world.register(ADA).await;
        let (token, _) = world.login(ADA).await;
        assert!(verifier.verify(&token, world.ambient.now()).is_ok());
    });
}

#[test]
fn a_deleted_account_leaves_nothing() {
    block_on(async {
        let world = World::new();
        let id = world.register(ADA).await;
        let (token, refresh) = world.login(ADA).await;
        let delete = async |password: &str| {
            world.call("DELETE", "/auth/me", Some(&token), &json!({"password":password})).await
        };
        assert_eq!(code(&delete("wrong password").await), "invalid-credentials");
        snap!("delete", delete(PASSWORD).await);
        {
            let requests = world.control.requests.borrow();
            let request = requests.last().unwrap();
            assert_eq!(request.method(), "POST");
            assert_eq!(*request.uri(), *format!("http://control.spin.internal/internal/users/{id}/close"));
            assert_eq!(request.headers()["authorization"], format!("Bearer {WORKER}"));
            assert_eq!(request.headers()["x-correlation-id"], "c-1");
        }
        snap!("me_gone", world.call("GET", "/auth/me", Some(&token), &Value::Null).await);
        assert_eq!(code(&world.refresh(&refresh).await), "invalid-token");
        let login = world.post("/auth/login", &json!({"email":ADA,"password":PASSWORD})).await;
        assert_eq!(code(&login), "invalid-credentials");
        let validate = world.call("POST", "/auth/validate", Some(&token), &json!({"token":token})).await;
        assert_eq!(code(&validate), "unauthenticated");
        let contact =
            world.call("GET", &format!("/internal/users/{id}/contact"), Some(WORKER), &Value::Null).await;
        assert_eq!(code(&contact), "not-found");
        // Repeated, it is as done as before.
        assert_eq!(delete(PASSWORD).await.status(), StatusCode::ACCEPTED);
        let left: String = world
            .kv
            .dump("")
            .iter()
            .map(|(key, value)| key.clone() + &String::from_utf8_lossy(value))
            .collect();
        assert!(!left.contains("Ada") && !left.contains("example") && !left.contains("argon2"), "{left}");
        // The address is free again, for somebody else.
        let other = world.register(ADA).await;
        assert_ne!(other, id);
        world.login(ADA).await;
    });
}

#[test]
fn a_deletion_that_was_interrupted_goes_on() {
    block_on(async {
        let world = World::new();
        world.register(ADA).await;
        let (token, _) = world.login(ADA).await;
        let password = json!({"password":PASSWORD});
        world.control.down.set(true);
        snap!("delete_interrupted", world.call("DELETE", "/auth/me", Some(&token), &password).await);
        // It cannot be used any more, and its address is not free yet.
        assert_eq!(code(&world.call("GET", "/auth/me", Some(&token), &Value::Null).await), "unauthenticated");
        let ada = json!({"name":"Ada","email":ADA,"password":PASSWORD});
        assert_eq!(code(&world.post("/auth/register", &ada).await), "unavailable");
        world.control.down.set(false);
        assert_eq!(
            world.call("DELETE", "/auth/me", Some(&token), &password).await.status(),
            StatusCode::ACCEPTED
        );

        // The owner may never come back: who wants the address finishes it.
        world.register(ADA).await;
        let (token, _) = world.login(ADA).await;
        world.control.down.set(true);
        world.call("DELETE", "/auth/me", Some(&token), &password).await;
        world.control.down.set(false);
        world.register(ADA).await;
        assert_eq!(code(&world.call("GET", "/auth/me", Some(&token), &Value::Null).await), "unauthenticated");
    });
}
