//! Invalid requests and their problem documents.

use proptest::prelude::*;

use super::*;
use crate::token::Signer;

#[test]
fn bodies_that_do_not_fit() {
    block_on(async {
        let world = World::new();
        world.register(ADA).await;
        let (token, _) = world.login(ADA).await;
        let calls: [(&str, &str, Value); 7] = [
            ("POST", "/auth/register", json!({"name":"B","email":"b@example.com","password":PASSWORD})),
            ("POST", "/auth/login", json!({"email":ADA,"password":PASSWORD})),
            ("POST", "/auth/refresh", json!({"refresh_token":"x"})),
            ("POST", "/auth/logout", json!({"refresh_token":"x"})),
            ("POST", "/auth/validate", json!({"token":"x"})),
            ("PATCH", "/auth/me", json!({"name":"B"})),
            ("DELETE", "/auth/me", json!({"password":"wrong"})),
        ];
        for (method, path, good) in &calls {
            let send = async |body: &[u8], content_type: &str| {
                let request = Request::builder()
                    .method(*method)
                    .uri(*path)
                    .header("authorization", format!("Bearer {token}"))
                    .header("content-type", content_type);
                world.send(request.body(Bytes::copy_from_slice(body)).unwrap()).await
            };
            for malformed in [b"".as_slice(), b"{", b"{]", b"\xff", b"{} {}"] {
                let answer = send(malformed, "application/json").await;
                assert_eq!(
                    (answer.status().as_u16(), code(&answer)),
                    (400, "malformed-json".into()),
                    "{path}"
                );
            }
            let answer = send(good.to_string().as_bytes(), "text/plain").await;
            assert_eq!(
                (answer.status().as_u16(), code(&answer)),
                (415, "unsupported-media-type".into()),
                "{path}"
            );
            let mut unknown = good.clone();
            unknown["admin"] = json!(true);
            let answer = send(unknown.to_string().as_bytes(), "application/json").await;
            assert_eq!(
                (answer.status().as_u16(), &body(&answer)["errors"][0]["pointer"]),
                (422, &json!("/admin")),
                "{path}"
            );
            for field in good.as_object().unwrap().keys() {
                let mut wrong = good.clone();
                wrong[field] = json!({"a":1});
                let answer = send(wrong.to_string().as_bytes(), "application/json").await;
                let pointer = format!("/{field}");
                assert_eq!(
                    (answer.status().as_u16(), &body(&answer)["errors"][0]["pointer"]),
                    (422, &json!(pointer)),
                    "{path}"
                );
                if *method != "PATCH" {
                    let mut missing = good.clone();
                    missing.as_object_mut().unwrap().remove(field);
                    let answer = send(missing.to_string().as_bytes(), "application/json").await;
                    assert_eq!(
                        (answer.status().as_u16(), &body(&answer)["errors"][0]["pointer"]),
                        (422, &json!(pointer)),
                        "{path}"
                    );
                }
            }
        }
    });
}

#[test]
fn fields_that_do_not_validate() {
    block_on(async {
        let world = World::new();
        world.register(ADA).await;
        let (token, _) = world.login(ADA).await;
        let long = "x".repeat(129);
        for (field, value) in [
            ("name", json!("")),
            ("name", json!("x".repeat(256))),
            ("name", json!("a\nb")),
            ("email", json!("nobody")),
            ("email", json!(format!("{}@example.com", "a".repeat(250)))),
            ("password", json!("ninechars")),
            ("password", json!(long)),
        ] {
            let mut body_ = json!({"name":"B","email":"b@example.com","password":PASSWORD});
            body_[field] = value.clone();
            let answer = world.post("/auth/register", &body_).await;
            assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{field} {value}");
            assert_eq!(body(&answer)["errors"][0]["pointer"], format!("/{field}"));
        }
        for (body_, pointer) in [
            (json!({"name":""}), "/name"),
            (json!({"notifications":{"webhook_url":"http://example.com/"}}), "/notifications/webhook_url"),
            (json!({"notifications":{"webhook_url":"https://127.0.0.1/"}}), "/notifications/webhook_url"),
            (json!({"notifications":{"webhook_url":""}}), "/notifications/webhook_url"),
            (
                json!({"notifications":{"webhook_url":"https://example.com/\r\nHost: x"}}),
                "/notifications/webhook_url",
            ),
            (json!({"notifications":{"webhook_url":1}}), "/notifications/webhook_url"),
            (json!({"notifications":{"email":"yes"}}), "/notifications/email"),
            (json!({"notifications":{"sms":true}}), "/notifications/sms"),
            (json!({"email":"eve@example.com"}), "/email"),
        ] {
            let answer = world.call("PATCH", "/auth/me", Some(&token), &body_).await;
            assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{body_}");
            assert_eq!(body(&answer)["errors"][0]["pointer"], pointer, "{body_}");
        }
        let both = world
            .call("PATCH", "/auth/me", Some(&token), &json!({"name":"","notifications":{"webhook_url":"x"}}))
            .await;
        snap!("update_invalid", both);
    });
}

#[test]
fn tokens_that_are_not_good() {
    block_on(async {
        let world = World::new();
        let id = world.register(ADA).await;
        let (good, _) = world.login(ADA).await;
        let now = world.ambient.now();
        let other = Signer::from_seed(&[8; 32]).unwrap().issue(id, ADA, "t", None, now).unwrap();
        let ours = Signer::from_seed(&[7; 32]).unwrap();
        let stranger = ours.issue(UserId::new(1, [1; 10]), "eve@example.com", "t", None, now).unwrap();
        let early = ours.issue(id, ADA, "t", None, now.plus_s(3600)).unwrap();
        let users = operations().into_iter().filter(|operation| operation.is_for_users());
        let calls: Vec<_> = users
            .map(|operation| (operation.route().method.clone(), operation.route().path.replace("{id}", "x")))
            .collect();
        assert!(calls.len() >= 8);
        for (method, path) in calls {
            let changed = format!("{good}x");
            let bad = ["x", "a.b.c", WORKER, &other, &stranger, &early, &good[1..], &changed];
            for bad in bad.map(Some).into_iter().chain([None]) {
                let body_ = if method == "DELETE" { json!({"password":PASSWORD}) } else { json!({}) };
                let answer = world.call(method.as_str(), &path, bad, &body_).await;
                assert_eq!(
                    (answer.status().as_u16(), code(&answer)),
                    (401, "unauthenticated".into()),
                    "{method} {path}"
                );
                assert!(answer.headers().contains_key("www-authenticate"));
            }
        }
        let check = json!({"token":other});
        let validated = world.call("POST", "/auth/validate", Some(&good), &check).await;
        assert_eq!(body(&validated), json!({"active":false}));
        world.ambient.advance_ms(3_600_000);
        assert_eq!(code(&world.call("GET", "/auth/me", Some(&good), &Value::Null).await), "unauthenticated");
    });
}

#[test]
fn workers_have_their_own_credential() {
    block_on(async {
        let world = World::new();
        let id = world.register(ADA).await;
        let (token, _) = world.login(ADA).await;
        let calls: Vec<_> = operations().into_iter().filter(|call| call.is_for_workers()).collect();
        assert!(calls.len() >= 3);
        for route in calls.iter().map(|call| call.route()) {
            let path = route.path.replace("{id}", &id.to_string());
            for bad in [None, Some(token.as_str()), Some("worker-secret-0123456780")] {
                let answer = world.call(route.method.as_str(), &path, bad, &json!({})).await;
                assert_eq!(code(&answer), "unauthenticated", "{path}");
            }
        }
        let stranger = UserId::new(1, [1; 10]);
        for unknown in [stranger.to_string(), "x".into(), id.to_string().to_uppercase(), "..".into()] {
            let path = format!("/internal/users/{unknown}/contact");
            let answer = world.call("GET", &path, Some(WORKER), &Value::Null).await;
            assert_eq!(code(&answer), "not-found", "{unknown}");
        }
    });
}

#[test]
fn routes_and_methods() {
    block_on(async {
        let world = World::new();
        for (method, path, allow) in [
            ("GET", "/auth/login", "OPTIONS, POST"),
            ("PUT", "/auth/me", "DELETE, GET, HEAD, OPTIONS, PATCH"),
            ("POST", "/.well-known/jwks.json", "GET, HEAD, OPTIONS"),
        ] {
            let answer = world.call(method, path, None, &Value::Null).await;
            assert_eq!(
                (answer.status().as_u16(), answer.headers()["allow"].to_str().unwrap()),
                (405, allow),
                "{path}"
            );
        }
        for path in ["/auth", "/auth/", "/auth/me/", "/auth/unknown", "/internal/users/x"] {
            assert_eq!(code(&world.call("GET", path, None, &Value::Null).await), "not-found", "{path}");
        }
    });
}

#[test]
fn a_configuration_says_everything_that_is_wrong_with_it() {
    let errors = |change: &dyn Fn(&mut std::collections::BTreeMap<&'static str, String>)| {
        let mut variables = variables();
        change(&mut variables);
        Config::read(&variables).err().map(|problems| problems.join("; "))
    };
    assert_eq!(errors(&|_| {}), None);
    let none = errors(&|variables| variables.clear()).unwrap();
    for name in ["signing_key", "email_key", "refresh_keys", "worker_token"] {
        assert_eq!(none.matches(&format!("{name}: ")).count(), 1, "{none}");
    }
    for (name, bad) in [
        ("signing_key", "short"),
        ("email_key", "short"),
        ("refresh_keys", "a:short"),
        ("worker_token", "short"),
        ("public_keys", "{}"),
        ("allow_private_webhooks", "yes"),
        ("max_failed_logins_per_network", "-1"),
        ("max_sign_ups_per_network", "few"),
    ] {
        let error = errors(&|variables| {
            variables.insert(name, bad.to_owned());
        });
        assert!(error.as_ref().is_some_and(|error| error.contains(name)), "{name}: {error:?}");
    }
    let debug = format!("{:?}", Config::read(&variables()).unwrap());
    assert!(!debug.contains(WORKER) && !debug.contains(&seed_text(&[7; 32])), "{debug}");
}

#[test]
fn a_service_that_cannot_be_made_answers_with_its_failure() {
    block_on(async {
        let ambient = TestAmbient::new(1);
        let get = async |path: &str| {
            let (parts, body) = Request::get(path).body(Bytes::new()).unwrap().into_parts();
            let down = Unavailable { what: "store", detail: "secret".into() };
            let service = Err::<Accounts<'_, MemoryKv, Control, TestAmbient>, _>(Failure::from(down));
            serve(service, &crate::http::Cors::default(), &ambient, parts, Full::new(body)).await
        };
        assert_eq!(code(&get("/auth/me").await), "unavailable");
        assert_eq!(code(&get("/nothing").await), "not-found");
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_body_panics(
        call in 0usize..7,
        body_ in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..100),
            "\\{\"(name|email|password|token|refresh_token|notifications)\":[\"a-z0-9{}:@., ]{0,40}\\}".prop_map(String::into_bytes),
        ],
    ) {
        let (method, path) = [
            ("POST", "/auth/register"), ("POST", "/auth/login"), ("POST", "/auth/refresh"), ("POST", "/auth/logout"),
            ("POST", "/auth/validate"), ("PATCH", "/auth/me"), ("DELETE", "/auth/me"),
        ][call];
        block_on(async {
            let world = World::new();
            world.register(ADA).await;
            let (token, _) = world.login(ADA).await;
            let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
            let answer = world.send(request.body(Bytes::from(body_)).unwrap()).await;
            assert!(answer.status().as_u16() < 500, "{answer:?}");
        });
    }
}
