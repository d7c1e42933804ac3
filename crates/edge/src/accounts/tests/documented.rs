//! Provokes every problem that the API document lists for the operations of this component. Every test checks that no
//! other problem is answered.

use http::header::CONTENT_TYPE;
use http_body_util::StreamBody;

use super::*;
use crate::accounts::secret::Purpose;
use crate::http::MAX_JSON_BYTES;
use crate::openapi::{Operation, RequestPart};

/// A request to an operation with the credential that it asks for.
fn request(operation: &Operation, token: &str) -> http::request::Builder {
    let route = operation.route();
    let credential = if route.path.starts_with("/internal") { WORKER } else { token };
    Request::builder()
        .method(route.method.clone())
        .uri(route.path.replace("{id}", "00000000-0000-7000-8000-000000000001"))
        .header("authorization", format!("Bearer {credential}"))
}

/// The same accounts, whose owners may make one call a minute.
fn limited(world: &World) -> World {
    let mut variables = variables();
    variables.insert("max_requests_per_minute", "1".to_owned());
    let kv = MemoryKv::default();
    for (key, value) in world.kv.dump("") {
        kv.load(&key, value);
    }
    World { kv, config: Config::read(&variables).unwrap(), ..World::new() }
}

/// Sends a valid and permitted request to each operation while the store does not answer, and when all of its values are
/// damaged.
async fn with_a_bad_store(world: &World) {
    let user = world.register("bad-store@example.com").await;
    let (access, refresh) = world.login("bad-store@example.com").await;
    let link = |purpose| world.config.secrets.link_id(purpose, user, world.ambient.now());
    let token = |purpose| world.config.secrets.seal_link(purpose, user, link(purpose));
    let (reset, verify) = (Purpose::ResetPassword, Purpose::VerifyEmail);
    let body = |operation: &Operation| match operation.id() {
        "register" => json!({"name": "Ada", "email": "bad-store@example.com", "password": PASSWORD}),
        "login" => json!({"email": "bad-store@example.com", "password": PASSWORD}),
        "refresh" | "logout" => json!({"refresh_token": refresh}),
        "updateAccount" => json!({"name": "Ada L."}),
        "changePassword" => json!({"password": PASSWORD, "new_password": "another good password"}),
        "deleteAccount" => json!({"password": PASSWORD}),
        "requestPasswordReset" => json!({"email": "bad-store@example.com"}),
        "resetPassword" => json!({"token": token(reset), "password": "another good password"}),
        "verifyEmail" => json!({"token": token(verify)}),
        "accountMail" => json!({"kind": "password_reset", "link_id": link(reset)}),
        "webhookGone" => json!({"url": "https://hooks.example.com/"}),
        _ => Value::Null,
    };
    let send = async |operation: &Operation| {
        let route = operation.route();
        let token = if route.path.starts_with("/internal") { WORKER } else { &access };
        let path = route.path.replace("{id}", &user.to_string());
        code(&world.call(route.method.as_str(), &path, Some(token), &body(operation)).await)
    };
    let read_records = operations();
    let read_records = || read_records.iter().filter(|operation| operation.id() != "getKeys");
    world.kv.set_faults(StoreFaults { error_before: 100, ..StoreFaults::default() });
    for operation in read_records() {
        assert_eq!(send(operation).await, "unavailable", "{}", operation.id());
    }
    world.kv.set_faults(StoreFaults::default());
    for (key, _) in world.kv.dump("") {
        world.kv.load(&key, br#"{"v":1,"rev":1,"value":"damaged"}"#.to_vec());
    }
    for operation in read_records() {
        assert_eq!(send(operation).await, "record-damaged", "{}", operation.id());
    }
}

#[test]
fn every_documented_problem_is_answered() {
    block_on(async {
        let world = World::new();
        world.register(ADA).await;
        let (token, _) = world.login(ADA).await;
        let send = async |request: http::request::Builder, body: &str| {
            world.send(request.body(Bytes::from(body.to_owned())).unwrap()).await
        };
        for operation in operations() {
            let request = || request(&operation, &token);
            // A bug, and a configuration that is not valid, are the only faults that requests cannot provoke here.
            for fault in [Failure::internal("a bug"), Failure::unconfigured("signing_key: is missing")] {
                if fault.code() == ProblemCode::Internal || operation.id() == "getKeys" {
                    world.fault.set(Some(fault));
                    send(request(), "").await;
                }
            }
            let route = operation.route();
            send(Request::builder().method(route.method.clone()).uri(route.path), "").await;
            if operation.takes(RequestPart::Json) {
                send(request(), "{").await;
                send(request(), r#"{"no_such_field":1}"#).await;
                send(request(), &" ".repeat(MAX_JSON_BYTES + 1)).await;
                send(request().header(CONTENT_TYPE, "text/plain"), "{}").await;
                let broken = futures::stream::iter([Err::<http_body::Frame<Bytes>, _>(
                    std::io::Error::other("reset"),
                )]);
                world.send_streaming(request().body(StreamBody::new(broken)).unwrap()).await;
            }
        }
        let ada = json!({"name":"Ada","email":ADA,"password":PASSWORD});
        // The first is taken, the last are too many of one network.
        for _ in 0..101 {
            world.post("/auth/register", &ada).await;
        }
        world.refresh("a.b").await;
        world.call("GET", "/internal/users/x/contact", Some(WORKER), &Value::Null).await;
        let gone = json!({"url": "https://hooks.example.com/"});
        world.call("POST", "/internal/users/x/webhook-gone", Some(WORKER), &gone).await;
        world.call("POST", "/auth/me/webhook-secret", Some(&token), &Value::Null).await;
        for n in 0..11 {
            let reset = json!({"token": "a.b.c", "password": PASSWORD});
            world.post("/auth/password/reset", &reset).await;
            world.post("/auth/verify", &json!({"token": "a.b.c"})).await;
            world.post("/auth/password/reset-request", &json!({"email": ADA})).await;
            world.call("POST", "/auth/verify/resend", Some(&token), &Value::Null).await;
            let mail = json!({"kind": "password_reset", "link_id": UserId::new(n, [1; 10])});
            world.call("POST", "/internal/users/x/mail", Some(WORKER), &mail).await;
        }
        let limited = limited(&world);
        for operation in operations() {
            if operation.problems().contains(&ProblemCode::RateLimited) {
                for _ in 0..2 {
                    let request = request(&operation, &token)
                        .body(Bytes::from(json!({"password": PASSWORD}).to_string()));
                    limited.send(request.unwrap()).await;
                }
            }
        }
        world.problems.borrow_mut().extend(limited.problems.take());
        let wrong = json!({"email":ADA,"password":"wrong"});
        let wrong_password = json!({"password":"wrong"});
        let change = json!({"password":"wrong","new_password":"another good password"});
        world.call("DELETE", "/auth/me/sessions/x", Some(&token), &Value::Null).await;
        for _ in 0..11 {
            world.post("/auth/login", &wrong).await;
            world.call("DELETE", "/auth/me", Some(&token), &wrong_password).await;
            world.call("POST", "/auth/me/password", Some(&token), &change).await;
        }
        let bad = World::new();
        with_a_bad_store(&bad).await;
        world.problems.borrow_mut().extend(bad.problems.take());
        let documented = conformance::documented(&["auth"]);
        let missing: Vec<_> = documented.difference(&world.problems.borrow()).copied().collect();
        assert!(missing.is_empty(), "documented, but not answered: {missing:?}");
    });
}
