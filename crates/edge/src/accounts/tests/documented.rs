//! Every problem that the document lists of this component's operations can be had, and no other.

use http::header::CONTENT_TYPE;
use http_body_util::StreamBody;

use super::*;
use crate::http::MAX_JSON_BYTES;
use crate::openapi::{Operation, Place};
use crate::ports::Unavailable;

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
            let down = Unavailable { what: "store", detail: "down".into() };
            let damaged = Failure::new(ProblemCode::RecordDamaged, "a stored record is damaged");
            for fault in [Failure::internal("a fault"), down.into(), damaged] {
                world.fault.set(Some(fault));
                send(request(), "").await;
            }
            let route = operation.route();
            send(Request::builder().method(route.method.clone()).uri(route.path), "").await;
            if operation.takes(Place::Json) {
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
        world.post("/auth/register", &ada).await;
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
        let documented = conformance::documented(&["auth"]);
        let missing: Vec<_> = documented.difference(&world.problems.borrow()).copied().collect();
        assert!(missing.is_empty(), "documented, but not answered: {missing:?}");
    });
}
