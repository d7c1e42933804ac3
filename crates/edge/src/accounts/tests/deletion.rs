//! Accounts that are deleted, at once or after an interruption.

use super::*;

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
