//! Accounts that earlier and later versions stored.

use super::*;
use crate::service::rate::RateLimiter;
use crate::store::{Store, golden};

/// An account with everything, one that is being deleted, one that is gone, and failed logins.
async fn scenario() -> World {
    let world = World::new();
    world.register(ADA).await;
    let (access, refresh) = world.login(ADA).await;
    world.refresh(&refresh).await;
    let changes = json!({"name": "Ada L.", "notifications":
        {"email": false, "email_on_completion": true, "webhook_url": "https://hooks.example.com/ada"}});
    let changed = world.call("PATCH", "/auth/me", Some(&access), &changes).await;
    assert_eq!(changed.status(), StatusCode::OK);
    let rotated = world.call("POST", "/auth/me/webhook-secret", Some(&access), &Value::Null).await;
    assert_eq!(rotated.status(), StatusCode::OK);
    world.reset_token(ADA).await;
    world.post("/auth/login", &json!({"email": ADA, "password": "a wrong password"})).await;
    for (email, down) in [("gone@example.com", false), ("going@example.com", true)] {
        world.register(email).await;
        let (access, _) = world.login(email).await;
        world.control.down.set(down);
        world.call("DELETE", "/auth/me", Some(&access), &json!({"password": PASSWORD})).await;
    }
    world.control.down.set(false);
    count_request(&world).await;
    world
}

/// Counts a request of a user, as where requests are limited.
async fn count_request(world: &World) {
    let user = UserId::new(1, [9; 10]);
    let store = Store::new(&world.kv, &world.ambient);
    assert!(RateLimiter::new(10).count(&store, &world.ambient, user).await.unwrap().allows());
}

/// Continues stored accounts, by every call that writes them.
async fn continue_accounts(kv: MemoryKv) -> World {
    let world = World { kv, ..World::new() };
    let (access, refresh) = world.login(ADA).await;
    let me = body(&world.call("GET", "/auth/me", Some(&access), &Value::Null).await);
    assert_eq!(
        (text(&me["name"]), text(&me["notifications"]["webhook_url"])),
        ("Ada L.".into(), "https://hooks.example.com/ada".into())
    );
    assert_eq!(world.refresh(&refresh).await.status(), StatusCode::OK);
    let changed = world.call("PATCH", "/auth/me", Some(&access), &json!({"name": "Ada"})).await;
    assert_eq!(changed.status(), StatusCode::OK);
    world.ambient.advance_ms(120_000);
    count_request(&world).await;
    // The half-done deletion is finished, and both addresses are free.
    world.register("going@example.com").await;
    world.register("gone@example.com").await;
    world
}

#[tokio::test]
async fn what_is_written_is_the_newest_layout() {
    golden::assert_written("accounts.v4", &scenario().await.kv);
}

#[tokio::test]
async fn accounts_of_every_version_are_read_and_go_on() {
    for version in ["accounts.v0", "accounts.v1", "accounts.v2", "accounts.v3", "accounts.v4"] {
        continue_accounts(golden::load(version)).await;
    }
}

#[tokio::test]
async fn accounts_of_the_next_version_go_on_and_lose_nothing() {
    let before = golden::read("accounts.next");
    let after = golden::dump(&continue_accounts(golden::load("accounts.next")).await.kv);
    for (key, before) in &before {
        assert_eq!(after[key]["new"], before["new"], "{key}");
        // An account that is gone has no fields but that.
        if after[key]["value"]["state"] == before["value"]["state"] {
            assert_eq!(after[key]["value"]["new"], before["value"]["new"], "{key}");
        }
    }
    let ada = after.values().find(|value| value["value"]["email"] == ADA).unwrap();
    assert_eq!((&ada["value"]["webhook"]["new"], &ada["value"]["name"]), (&json!(1), &json!("Ada")));
}
