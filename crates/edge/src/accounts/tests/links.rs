//! Mailed links: forgotten passwords that are replaced, and addresses that are confirmed.

use framelift_domain::EventId;

use super::*;

const NEW_PASSWORD: &str = "staple in the correct battery";

/// A message that `control` was asked to queue: to whom, what, and the link's id.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Queued {
    user: String,
    kind: String,
    link: String,
}

impl World {
    /// What was queued since the last call.
    fn queued(&self) -> Vec<Queued> {
        let requests = self.control.requests.take();
        let of_mails = requests.iter().filter(|request| request.uri().path() == "/notification");
        let parse = |request: &Request<Bytes>| {
            assert_eq!(request.headers()["authorization"], format!("Bearer {WORKER}"));
            assert_eq!(request.headers()["x-correlation-id"], "c-1");
            let notice: Value = serde_json::from_slice(request.body()).unwrap();
            Queued {
                user: text(&notice["user_id"]),
                kind: text(&notice["kind"]),
                link: text(&notice["video_id"]),
            }
        };
        of_mails.map(parse).collect()
    }

    /// A worker asks what to mail.
    async fn mail(&self, queued: &Queued) -> Response<Bytes> {
        let path = format!("/internal/users/{}/mail", queued.user);
        let body = json!({"kind": queued.kind, "link_id": queued.link});
        self.call("POST", &path, Some(WORKER), &body).await
    }

    async fn ask_for_reset(&self, email: &str) -> Response<Bytes> {
        self.post("/auth/password/reset-request", &json!({"email": email})).await
    }

    /// Asks for a reset; the token that is mailed.
    pub(super) async fn reset_token(&self, email: &str) -> String {
        assert_eq!(self.ask_for_reset(email).await.status(), StatusCode::ACCEPTED);
        text(&body(&self.mail(&self.queued()[0]).await)["token"])
    }

    async fn reset(&self, token: &str, password: &str) -> Response<Bytes> {
        self.post("/auth/password/reset", &json!({"token": token, "password": password})).await
    }

    async fn login_with(&self, password: &str) -> u16 {
        self.post("/auth/login", &json!({"email": ADA, "password": password})).await.status().as_u16()
    }

    fn verifying() -> Self {
        let mut world = Self::new();
        world.set(&[("verify_email", "true")]);
        world
    }
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_by_a_mailed_link() {
    let world = World::new();
    world.register(ADA).await;
    let (access, refresh) = world.login(ADA).await;
    world.ambient.advance_ms(1000);
    assert_eq!(world.ask_for_reset("ADA@example.com ").await.status(), StatusCode::ACCEPTED);
    let queued = world.queued().pop().unwrap();
    assert_eq!(queued.kind, "password_reset");
    let mail = world.mail(&queued).await;
    assert_eq!(mail.body(), world.mail(&queued).await.body(), "a mail that is sent again is the same");
    let mail = body(&mail);
    assert_eq!((text(&mail["email"]), text(&mail["name"])), (ADA.to_owned(), "Ada".to_owned()));
    let token = text(&mail["token"]);
    // The store holds nothing that opens the account.
    let dump = world.kv.dump("");
    assert!(dump.iter().all(|(_, value)| !String::from_utf8_lossy(value).contains(&token)));

    let common = world.reset(&token, "Password123").await;
    assert_eq!(body(&common)["errors"][0]["pointer"], "/password");
    assert_eq!(world.login_with(PASSWORD).await, 200, "nothing has changed yet");
    assert_eq!(world.reset(&token, NEW_PASSWORD).await.status(), StatusCode::NO_CONTENT);
    assert_eq!((world.login_with(PASSWORD).await, world.login_with(NEW_PASSWORD).await), (401, 200));
    assert_eq!(code(&world.refresh(&refresh).await), "invalid-token");
    assert_eq!(code(&world.call("GET", "/auth/me", Some(&access), &Value::Null).await), "unauthenticated");
    // One use; and a message that comes again brings no other one.
    assert_eq!(code(&world.reset(&token, PASSWORD).await), "invalid-token");
    assert_eq!(code(&world.mail(&queued).await), "not-found");
    assert_eq!(code(&world.reset(&token, PASSWORD).await), "invalid-token");
}

#[tokio::test]
async fn links_end_with_time_with_newer_ones_and_with_the_password() {
    let world = World::new();
    world.register(ADA).await;
    world.ambient.advance_ms(1000);
    let first = world.reset_token(ADA).await;
    world.ambient.advance_ms(1000);
    assert_eq!(world.ask_for_reset(ADA).await.status(), StatusCode::ACCEPTED);
    let queued = world.queued().pop().unwrap();
    let second = text(&body(&world.mail(&queued).await)["token"]);
    assert_eq!(code(&world.reset(&first, NEW_PASSWORD).await), "invalid-token", "a newer one is out");
    world.ambient.advance_ms(3_600_000);
    assert_eq!(code(&world.reset(&second, NEW_PASSWORD).await), "invalid-token", "its hour is over");
    assert_eq!(code(&world.mail(&queued).await), "not-found", "a late message mails nothing");

    let third = world.reset_token(ADA).await;
    let (access, _) = world.login(ADA).await;
    world.ambient.advance_ms(1000);
    let change = json!({"password": PASSWORD, "new_password": NEW_PASSWORD});
    world.call("POST", "/auth/me/password", Some(&access), &change).await;
    assert_eq!(code(&world.reset(&third, PASSWORD).await), "invalid-token", "the password was changed");

    world.ambient.advance_ms(1000);
    let fourth = world.reset_token(ADA).await;
    world.call("DELETE", "/auth/me", Some(&access), &json!({"password": NEW_PASSWORD})).await;
    assert_eq!(code(&world.reset(&fourth, PASSWORD).await), "invalid-token", "the account is gone");
    let forged = format!("{}x", fourth);
    assert_eq!(code(&world.reset(&forged, PASSWORD).await), "invalid-token");
}

#[tokio::test]
async fn an_older_message_does_not_bring_an_older_link_back() {
    let world = World::new();
    world.register(ADA).await;
    world.ambient.advance_ms(1000);
    world.ask_for_reset(ADA).await;
    world.ambient.advance_ms(1000);
    world.ask_for_reset(ADA).await;
    let queued = world.queued();
    let newer = text(&body(&world.mail(&queued[1]).await)["token"]);
    assert_eq!(code(&world.mail(&queued[0]).await), "not-found");
    assert_eq!(world.reset(&newer, NEW_PASSWORD).await.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn nobody_learns_who_has_an_account() {
    let world = World::new();
    world.register(ADA).await;
    let calls = async |email: &str| {
        world.kv.take_writes();
        let answer = world.ask_for_reset(email).await;
        (answer.status(), answer.body().clone(), world.kv.take_writes().len(), world.queued())
    };
    // The counts of the network are there.
    calls("first@example.com").await;
    let (status, answer, writes, known) = calls(ADA).await;
    let unknown = calls("nobody@example.com").await;
    assert_eq!((status, answer, writes), (unknown.0, unknown.1, unknown.2), "the same steps");
    assert_eq!((known.len(), unknown.3.len()), (1, 1));
    // The worker finds that there is nothing to mail.
    assert_eq!(code(&world.mail(&unknown.3[0]).await), "not-found");
    world.control.down.set(true);
    for email in [ADA, "nobody@example.com"] {
        assert_eq!(code(&world.ask_for_reset(email).await), "unavailable");
    }
}

#[tokio::test]
async fn few_mails_are_sent_to_one_address_and_for_one_network() {
    let world = World::new();
    let ask = async |email: &str, from: &str| {
        let request = Request::post("/auth/password/reset-request").header("spin-client-addr", from);
        let body = json!({"email": email}).to_string();
        world.send(request.body(Bytes::from(body)).unwrap()).await
    };
    for email in [ADA, "nobody@example.com"] {
        for n in 0..3 {
            assert_eq!(ask(email, "203.0.113.7:1").await.status(), StatusCode::ACCEPTED, "{n}");
        }
        let refused = ask(email, "203.0.113.7:2").await;
        assert_eq!(
            (code(&refused), &refused.headers()["retry-after"]),
            ("too-many-attempts".into(), &"900".parse().unwrap())
        );
    }
    // From elsewhere the owner gets one, up to ten of all together.
    for n in 0..7 {
        assert_eq!(ask(ADA, &format!("198.51.100.{n}:1")).await.status(), StatusCode::ACCEPTED, "{n}");
    }
    assert_eq!(code(&ask(ADA, "198.51.100.99:1").await), "too-many-attempts");
    // Those that were refused count, too: eight until here.
    for n in 0..22 {
        assert_eq!(
            ask(&format!("n{n}@example.com"), "203.0.113.7:1").await.status(),
            StatusCode::ACCEPTED,
            "{n}"
        );
    }
    assert_eq!(code(&ask("another@example.com", "203.0.113.7:1").await), "too-many-attempts");
    world.ambient.advance_ms(15 * 60_000);
    assert_eq!(ask(ADA, "203.0.113.7:1").await.status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn an_address_is_confirmed_by_a_mailed_link() {
    let world = World::verifying();
    let verifier = &world.config.verifier;
    let is_verified = |token: &str| verifier.verify(token, world.ambient.now()).unwrap().email_verified;
    let verify = async |token: &str| world.post("/auth/verify", &json!({"token": token})).await;
    world.register(ADA).await;
    let mailed = world.queued().pop().unwrap();
    assert_eq!(mailed.kind, "email_verification");
    let first = text(&body(&world.mail(&mailed).await)["token"]);
    let (access, refresh) = world.login(ADA).await;
    assert!(!is_verified(&access));
    let me = async || body(&world.call("GET", "/auth/me", Some(&access), &Value::Null).await);
    assert_eq!(me().await["email_verified"], false);

    let resend = async || world.call("POST", "/auth/verify/resend", Some(&access), &Value::Null).await;
    world.ambient.advance_ms(1000);
    assert_eq!(resend().await.status(), StatusCode::ACCEPTED);
    let second = text(&body(&world.mail(&world.queued()[0]).await)["token"]);
    assert_eq!(code(&verify(&first).await), "invalid-token", "a newer one is out");
    assert_eq!(code(&world.reset(&second, NEW_PASSWORD).await), "invalid-token", "it is for this alone");
    for _ in 0..2 {
        assert_eq!(verify(&second).await.status(), StatusCode::NO_CONTENT);
    }
    assert_eq!(me().await["email_verified"], true);
    let fresh = text(&body(&world.refresh(&refresh).await)["access_token"]);
    assert!(is_verified(&fresh));
    assert_eq!(resend().await.status(), StatusCode::ACCEPTED);
    assert_eq!(world.queued(), [], "there is nothing to confirm any more");
}

#[tokio::test]
async fn a_confirmation_has_a_day_and_a_reset_confirms_too() {
    let world = World::verifying();
    world.control.down.set(true);
    world.register(ADA).await;
    world.control.down.set(false);
    world.queued();
    let (access, _) = world.login(ADA).await;
    for n in 0..5 {
        let answer = world.call("POST", "/auth/verify/resend", Some(&access), &Value::Null).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "{n}");
    }
    let many = world.call("POST", "/auth/verify/resend", Some(&access), &Value::Null).await;
    assert_eq!(code(&many), "too-many-attempts");
    let token = text(&body(&world.mail(&world.queued()[0]).await)["token"]);
    world.ambient.advance_ms(24 * 3_600_000);
    assert_eq!(code(&world.post("/auth/verify", &json!({"token": token})).await), "invalid-token");
    let reset = world.reset_token(ADA).await;
    assert_eq!(world.reset(&reset, NEW_PASSWORD).await.status(), StatusCode::NO_CONTENT);
    let login = world.post("/auth/login", &json!({"email": ADA, "password": NEW_PASSWORD})).await;
    let me = world.call("GET", "/auth/me", Some(&text(&body(&login)["access_token"])), &Value::Null).await;
    assert_eq!(body(&me)["email_verified"], true);
}

#[tokio::test]
async fn without_verification_tokens_say_nothing_and_nothing_is_mailed() {
    let world = World::new();
    world.register(ADA).await;
    assert_eq!(world.queued(), []);
    let (access, _) = world.login(ADA).await;
    assert!(world.config.verifier.verify(&access, world.ambient.now()).unwrap().email_verified);
}

#[tokio::test]
async fn links_are_for_workers() {
    let world = World::new();
    let id = world.register(ADA).await;
    let (access, _) = world.login(ADA).await;
    let link = EventId::new(world.ambient.now().unix_ms().unsigned_abs(), [1; 10]);
    let path = format!("/internal/users/{id}/mail");
    let request = json!({"kind": "password_reset", "link_id": link});
    for token in [None, Some(access.as_str())] {
        assert_eq!(code(&world.call("POST", &path, token, &request).await), "unauthenticated");
    }
    let forged = world.call("POST", &path, Some(WORKER), &request).await;
    assert_eq!(code(&forged), "not-found", "nobody asked for it");
    let of_video = json!({"kind": "failed", "link_id": link});
    let refused = world.call("POST", &path, Some(WORKER), &of_video).await;
    assert_eq!(body(&refused)["errors"][0]["pointer"], "/kind");
}
