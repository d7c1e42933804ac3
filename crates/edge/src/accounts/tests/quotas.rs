//! The quotas of an account and their use, and the limit of requests.

use super::*;

#[tokio::test]
async fn the_quotas_of_an_account_are_shown() {
    let world = World::new();
    world.register(ADA).await;
    let (token, _) = world.login(ADA).await;
    let me = async || body(&world.call("GET", "/auth/me", Some(&token), &Value::Null).await);
    assert_eq!(me().await["quotas"]["uploads_today"], json!({"used": 7, "limit": 5_000}));
    // The account is there also while nobody knows.
    world.control.down.set(true);
    let shown = me().await;
    assert!(shown.get("quotas").is_none() && shown["email"] == ADA, "{shown}");
}

#[tokio::test]
async fn calls_on_the_account_have_a_limit_a_minute() {
    let mut world = World::new();
    let id = world.register(ADA).await;
    let (token, _) = world.login(ADA).await;
    world.set(&[("max_requests_per_minute", "20")]);
    let me = async || world.call("GET", "/auth/me", Some(&token), &Value::Null).await;
    for n in 0..20 {
        let answer = me().await;
        assert_eq!(answer.status(), StatusCode::OK, "{n}");
        assert!(answer.headers().contains_key("ratelimit"), "{:?}", answer.headers());
    }
    let delete = json!({"password": PASSWORD});
    for refused in [me().await, world.call("DELETE", "/auth/me", Some(&token), &delete).await] {
        assert_eq!(code(&refused), "rate-limited");
        assert!(refused.headers().contains_key("retry-after"));
    }
    // Who has no token is limited by network, and workers are not.
    assert_eq!(
        world.post("/auth/login", &json!({"email": ADA, "password": PASSWORD})).await.status(),
        StatusCode::OK
    );
    let contact = format!("/internal/users/{id}/contact");
    assert_eq!(world.call("GET", &contact, Some(WORKER), &Value::Null).await.status(), StatusCode::OK);
    world.ambient.advance_ms(120_000);
    assert_eq!(me().await.status(), StatusCode::OK);
    // Nothing of it stays of an account that is deleted.
    let rate = format!("rate/{id}");
    assert!(!world.kv.dump(&rate).is_empty());
    world.call("DELETE", "/auth/me", Some(&token), &delete).await;
    me().await;
    assert!(world.kv.dump(&rate).is_empty());
}
