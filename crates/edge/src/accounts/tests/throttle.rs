//! Limits of failed logins: which clients are refused.

use super::*;

const ATTACKER: &str = "203.0.113.7:4000";
const HOME: &str = "198.51.100.1:4000";

impl World {
    /// A login from an address, perhaps of a device that has a refresh token.
    async fn login_from(&self, from: &str, password: &str, refresh_token: Option<&str>) -> Response<Bytes> {
        let mut body = json!({"email":ADA,"password":password});
        if let Some(token) = refresh_token {
            body["refresh_token"] = token.into();
        }
        let request = Request::post("/auth/login")
            // What a client claims comes first, and counts for nothing.
            .header("spin-client-addr", "192.0.2.99:1")
            .header("x-forwarded-for", "192.0.2.98")
            .header("spin-client-addr", from);
        self.send(request.body(Bytes::from(body.to_string())).unwrap()).await
    }

    async fn fail_from(&self, from: &str, refresh_token: Option<&str>, times: u32) {
        for _ in 0..times {
            assert_eq!(code(&self.login_from(from, "wrong", refresh_token).await), "invalid-credentials");
        }
    }
}

#[test]
fn failures_of_one_network_lock_no_other_client_out() {
    block_on(async {
        let world = World::new();
        world.register(ADA).await;
        let (token, refresh) = world.login(ADA).await;
        world.fail_from(ATTACKER, None, 10).await;
        let refused = world.login_from(ATTACKER, PASSWORD, None).await;
        assert_eq!(code(&refused), "too-many-attempts");
        assert_eq!(refused.headers()["retry-after"], "900");
        // Another port of the same address is the same stranger.
        assert_eq!(code(&world.login_from("203.0.113.7:4001", PASSWORD, None).await), "too-many-attempts");
        // The owner comes in from elsewhere, refreshes, and deletes the account with a good token.
        assert_eq!(world.login_from(HOME, PASSWORD, None).await.status(), StatusCode::OK);
        assert_eq!(world.refresh(&refresh).await.status(), StatusCode::OK);
        let password = json!({"password":PASSWORD});
        let deleted = world.call("DELETE", "/auth/me", Some(&token), &password).await;
        assert_eq!(deleted.status(), StatusCode::ACCEPTED);
    });
}

#[test]
fn failures_from_many_networks_are_limited_and_a_known_device_is_exempt() {
    block_on(async {
        let world = World::new();
        world.register(ADA).await;
        let (token, refresh) = world.login(ADA).await;
        for n in 0..10 {
            world.fail_from(&format!("203.0.113.{n}:1"), None, 10).await;
        }
        assert_eq!(code(&world.login_from("203.0.113.200:1", "wrong", None).await), "too-many-attempts");
        assert_eq!(code(&world.login_from(HOME, PASSWORD, None).await), "too-many-attempts");
        // A device that logged in before is known by its refresh token, also by one that was used.
        assert_eq!(world.login_from(HOME, PASSWORD, Some(&refresh)).await.status(), StatusCode::OK);
        world.refresh(&refresh).await;
        world.ambient.advance_ms(60_000);
        assert_eq!(code(&world.refresh(&refresh).await), "invalid-token");
        assert_eq!(world.login_from(ATTACKER, PASSWORD, Some(&refresh)).await.status(), StatusCode::OK);
        // A success of the owner gives strangers no new guesses.
        assert_eq!(code(&world.login_from("203.0.113.200:1", "wrong", None).await), "too-many-attempts");
        let password = json!({"password":PASSWORD});
        let deleted = world.call("DELETE", "/auth/me", Some(&token), &password).await;
        assert_eq!(deleted.status(), StatusCode::ACCEPTED);
    });
}

#[test]
fn one_network_has_few_guesses_at_all_accounts_together() {
    block_on(async {
        let mut world = World::new();
        world.set(&[("max_failed_logins_per_network", "20")]);
        world.register(ADA).await;
        let (_, refresh) = world.login(ADA).await;
        // Two guesses at each of ten accounts, whether there are such accounts or not.
        for n in 0..10 {
            for _ in 0..2 {
                let body = json!({"email":format!("n{n}@example.com"),"password":"Password123"});
                let request = Request::post("/auth/login").header("spin-client-addr", ATTACKER);
                let answer = world.send(request.body(Bytes::from(body.to_string())).unwrap()).await;
                assert_eq!(code(&answer), "invalid-credentials", "{n}");
            }
        }
        let hashes = world.control.hashes.get().0;
        let refused = world.login_from(ATTACKER, PASSWORD, None).await;
        assert_eq!(code(&refused), "too-many-attempts");
        assert_eq!(refused.headers()["retry-after"], "900");
        assert_eq!(world.control.hashes.get().0, hashes, "no hash is computed");
        // Others, and a known device in the same network, come in.
        assert_eq!(world.login_from(HOME, PASSWORD, None).await.status(), StatusCode::OK);
        assert_eq!(world.login_from(ATTACKER, PASSWORD, Some(&refresh)).await.status(), StatusCode::OK);
        // A login that was refused counts at no account.
        world.ambient.advance_ms(15 * 60 * 1000);
        world.fail_from(ATTACKER, None, 10).await;
        world.set(&[("max_failed_logins_per_network", "0")]);
        for n in 0..10 {
            let email = format!("m{n}@example.com");
            for _ in 0..10 {
                let wrong = json!({"email":email,"password":"wrong"});
                assert_eq!(code(&world.post("/auth/login", &wrong).await), "invalid-credentials");
            }
        }
    });
}

#[test]
fn a_burst_of_guesses_from_one_network_exceeds_its_limit_only_by_the_hashes_under_way() {
    block_on(async {
        let mut world = World::with(StoreFaults { interleave: true, ..StoreFaults::default() }, 5);
        world.set(&[("max_failed_logins_per_network", "5")]);
        let guesses: Vec<Value> =
            (0..30).map(|n| json!({"email":format!("n{n}@example.com"),"password":"wrong"})).collect();
        let guesses = guesses.iter().map(|guess| world.post("/auth/login", guess));
        let answers = futures::future::join_all(guesses).await;
        let guessed = answers.iter().filter(|answer| code(answer) == "invalid-credentials").count();
        assert!((5..=7).contains(&guessed), "{guessed}");
        assert_eq!(usize::try_from(world.control.hashes.get().0).unwrap(), guessed);
    });
}

#[test]
fn one_network_makes_few_accounts() {
    block_on(async {
        let mut world = World::new();
        world.set(&[("max_sign_ups_per_network", "3")]);
        let sign_up = async |email: &str, from: &str| {
            let body = json!({"name":"Ada","email":email,"password":PASSWORD}).to_string();
            let request = Request::post("/auth/register").header("spin-client-addr", from);
            world.send(request.body(Bytes::from(body)).unwrap()).await
        };
        // What does not validate is not counted, an address that is taken is.
        assert_eq!(code(&sign_up("nobody", ATTACKER).await), "validation-failed");
        for _ in 0..2 {
            sign_up(ADA, ATTACKER).await;
        }
        assert_eq!(sign_up("eve@example.com", ATTACKER).await.status(), StatusCode::CREATED);
        let hashes = world.control.hashes.get().0;
        let refused = sign_up("mallory@example.com", ATTACKER).await;
        assert_eq!(
            (code(&refused).as_str(), &refused.headers()["retry-after"]),
            ("too-many-attempts", &"900".parse().unwrap())
        );
        assert_eq!(world.control.hashes.get().0, hashes, "no hash is computed");
        assert_eq!(sign_up("bob@example.com", HOME).await.status(), StatusCode::CREATED);
        world.ambient.advance_ms(15 * 60 * 1000);
        assert_eq!(sign_up("mallory@example.com", ATTACKER).await.status(), StatusCode::CREATED);
    });
}

#[test]
fn a_mailed_link_lets_the_owner_in_whatever_strangers_do() {
    block_on(async {
        const NEW: &str = "staple in the correct battery";
        let mut world = World::new();
        world.set(&[("max_failed_logins_per_network", "10")]);
        world.register(ADA).await;
        let from_many_networks = async |first: u32| {
            for n in 0..10 {
                world.fail_from(&format!("203.0.{first}.{n}:1"), None, 10).await;
            }
        };
        from_many_networks(1).await;
        assert_eq!(code(&world.login_from(HOME, PASSWORD, None).await), "too-many-attempts");
        world.ambient.advance_ms(1000);
        let link = world.reset_token(ADA).await;
        let reset = async |link: &str, password: &str| {
            let request = Request::post("/auth/password/reset").header("spin-client-addr", HOME);
            let body = json!({"token":link,"password":password}).to_string();
            world.send(request.body(Bytes::from(body)).unwrap()).await.status()
        };
        assert_eq!(reset(&link, NEW).await, StatusCode::NO_CONTENT);
        // The reset forgot the failures: the new password is let in, from the network of the reset, too, if it had some.
        assert_eq!(world.login_from(HOME, NEW, None).await.status(), StatusCode::OK);
        // Even when strangers are back before the owner is, from everywhere and from the owner's own network.
        from_many_networks(2).await;
        assert_eq!(code(&world.login_from(HOME, NEW, None).await), "too-many-attempts");
        assert_eq!(world.login_from(HOME, NEW, Some(&link)).await.status(), StatusCode::OK);
        assert_eq!(world.login_from("203.0.2.1:1", NEW, Some(&link)).await.status(), StatusCode::OK);
        // The link's token is a device's with ten guesses, for its hour and its account.
        world.fail_from(HOME, Some(&link), 10).await;
        assert_eq!(code(&world.login_from(HOME, NEW, Some(&link)).await), "too-many-attempts");
        world.ambient.advance_ms(1000);
        let next = world.reset_token(ADA).await;
        assert_eq!(reset(&format!("{next}x"), PASSWORD).await, StatusCode::UNAUTHORIZED);
        let stranger = "203.0.2.1:1";
        for link in [None, Some("x"), Some(&*format!("{next}x"))] {
            assert_eq!(code(&world.login_from(stranger, NEW, link).await), "too-many-attempts");
        }
        assert_eq!(world.login_from(stranger, NEW, Some(&next)).await.status(), StatusCode::OK);
        world.ambient.advance_ms(3_600_000);
        from_many_networks(3).await;
        assert_eq!(
            code(&world.login_from(HOME, NEW, Some(&next)).await),
            "too-many-attempts",
            "its hour is over"
        );
    });
}

#[test]
fn a_known_device_has_ten_attempts_too() {
    block_on(async {
        let world = World::new();
        world.register(ADA).await;
        let (_, refresh) = world.login(ADA).await;
        let (_, other) = world.login(ADA).await;
        world.fail_from(HOME, Some(&refresh), 10).await;
        assert_eq!(code(&world.login_from(HOME, PASSWORD, Some(&refresh)).await), "too-many-attempts");
        // Another device is another one, and so is a stranger in the same network.
        assert_eq!(world.login_from(HOME, PASSWORD, Some(&other)).await.status(), StatusCode::OK);
        assert_eq!(world.login_from(HOME, PASSWORD, None).await.status(), StatusCode::OK);
        // A token of another account, or of nobody, makes no device known.
        world.register("eve@example.com").await;
        let (_, foreign) = world.login("eve@example.com").await;
        world.fail_from(ATTACKER, None, 10).await;
        for token in [foreign.as_str(), "x", ""] {
            assert_eq!(code(&world.login_from(ATTACKER, PASSWORD, Some(token)).await), "too-many-attempts");
        }
    });
}

#[test]
fn an_access_token_has_ten_attempts_and_blocks_no_other_token() {
    block_on(async {
        let world = World::new();
        world.register(ADA).await;
        let (stolen, _) = world.login(ADA).await;
        let (own, _) = world.login(ADA).await;
        let delete = async |token: &str, password: &str| {
            world.call("DELETE", "/auth/me", Some(token), &json!({"password":password})).await
        };
        for _ in 0..10 {
            assert_eq!(code(&delete(&stolen, "wrong").await), "invalid-credentials");
        }
        assert_eq!(code(&delete(&stolen, PASSWORD).await), "too-many-attempts");
        // Everything else that the token opens stays open, and so does the account.
        let me = world.call("GET", "/auth/me", Some(&stolen), &Value::Null).await;
        assert_eq!(me.status(), StatusCode::OK);
        world.login(ADA).await;
        assert_eq!(delete(&own, PASSWORD).await.status(), StatusCode::ACCEPTED);
    });
}

#[test]
fn behind_proxies_the_forwarded_address_counts() {
    block_on(async {
        let mut world = World::new();
        world.set(&[("proxy_hops", "1")]);
        world.register(ADA).await;
        let from = async |client: &str, password: &str| {
            let request = Request::post("/auth/login")
                .header("x-forwarded-for", format!("192.0.2.99, {client}"))
                .header("spin-client-addr", "10.0.0.1:4000");
            let body = json!({"email":ADA,"password":password}).to_string();
            world.send(request.body(Bytes::from(body)).unwrap()).await
        };
        for _ in 0..10 {
            from("203.0.113.7", "wrong").await;
        }
        assert_eq!(code(&from("203.0.113.7", PASSWORD).await), "too-many-attempts");
        assert_eq!(from("203.0.113.8", PASSWORD).await.status(), StatusCode::OK);
        for bad in ["-1", "11", "many"] {
            let mut variables = variables();
            variables.insert("proxy_hops", bad.into());
            assert!(Config::read(&variables).unwrap_err()[0].contains("proxy_hops"), "{bad}");
        }
    });
}

#[test]
fn concurrent_hashes_are_limited() {
    block_on(async {
        let world = World::with(StoreFaults { interleave: true, ..StoreFaults::default() }, 7);
        let names: Vec<String> = (0..16).map(|n| format!("ada{n}@example.com")).collect();
        for name in &names {
            world.register(name).await;
        }
        futures::future::join_all(names.iter().map(|name| world.login(name))).await;
        assert_eq!(world.control.hashes.get(), (32, 2));
    });
}

#[test]
fn an_attempt_whose_hash_failed_is_not_counted() {
    block_on(async {
        let world = World::new();
        world.register(ADA).await;
        world.control.hashes_down.set(true);
        for _ in 0..20 {
            let answer = world.login_from(HOME, PASSWORD, None).await;
            assert_eq!(code(&answer), "unavailable");
            assert!(answer.headers().contains_key("retry-after"));
        }
        world.control.hashes_down.set(false);
        assert_eq!(world.login_from(HOME, PASSWORD, None).await.status(), StatusCode::OK);
        // Nobody has a password of 200 characters, but somebody may send one.
        let long = "x".repeat(200);
        assert_eq!(code(&world.login_from(HOME, &long, None).await), "invalid-credentials");
    });
}

#[test]
fn ten_failures_refuse_logins_until_the_window_ends() {
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
fn concurrent_attempts_are_limited_to_ten() {
    block_on(async {
        let world = World::with(StoreFaults { interleave: true, ..StoreFaults::default() }, 5);
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
