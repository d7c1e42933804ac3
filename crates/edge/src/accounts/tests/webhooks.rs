//! Webhooks of accounts: two secrets while one is changed, and receivers that are gone.

use super::*;

async fn contact(world: &World, token: &str) -> Value {
    let id = text(&body(&world.call("GET", "/auth/me", Some(token), &Value::Null).await)["id"]);
    let path = format!("/internal/users/{id}/contact");
    body(&world.call("GET", &path, Some(WORKER), &Value::Null).await)
}

async fn with_webhook(world: &World) -> (String, Value) {
    world.register(ADA).await;
    let (token, _) = world.login(ADA).await;
    let webhook = json!({"notifications":{"webhook_url":"https://hooks.example.com/x"}});
    let set = body(&world.call("PATCH", "/auth/me", Some(&token), &webhook).await);
    (token, set["webhook_secret"].clone())
}

#[tokio::test]
async fn two_secrets_sign_while_one_is_changed() {
    let world = World::new();
    let (token, first) = with_webhook(&world).await;
    let rotate =
        async |token: &str| world.call("POST", "/auth/me/webhook-secret", Some(token), &Value::Null).await;
    let rotated = rotate(&token).await;
    snap!("webhook_rotated", rotated);
    let second = body(&rotated)["webhook_secret"].clone();
    assert_ne!(first, second);
    let webhook = contact(&world, &token).await["webhook"].clone();
    assert_eq!((&webhook["secret"], &webhook["previous_secret"]), (&second, &first));
    let third = body(&rotate(&token).await)["webhook_secret"].clone();
    let webhook = contact(&world, &token).await["webhook"].clone();
    assert_eq!((&webhook["secret"], &webhook["previous_secret"]), (&third, &second), "the first one is over");
    world.ambient.advance_ms(24 * 3_600_000 + 1);
    let (token, _) = world.login(ADA).await;
    let webhook = contact(&world, &token).await["webhook"].clone();
    assert_eq!((&webhook["secret"], &webhook["previous_secret"]), (&third, &Value::Null));
    let none = json!({"notifications":{"webhook_url":null}});
    world.call("PATCH", "/auth/me", Some(&token), &none).await;
    assert_eq!(code(&rotate(&token).await), "webhook-not-set");
}

#[tokio::test]
async fn a_webhook_that_is_gone_is_turned_off_and_another_one_stays() {
    let world = World::new();
    let (token, _) = with_webhook(&world).await;
    let id = text(&contact(&world, &token).await["user_id"]);
    let gone = async |url: &str| {
        let path = format!("/internal/users/{id}/webhook-gone");
        world.call("POST", &path, Some(WORKER), &json!({"url": url})).await.status().as_u16()
    };
    assert_eq!(gone("https://hooks.example.com/an-older-one").await, 204);
    assert!(contact(&world, &token).await["webhook"].is_object());
    for _ in 0..2 {
        assert_eq!(gone("https://hooks.example.com/x").await, 204);
        assert_eq!(contact(&world, &token).await["webhook"], Value::Null);
    }
}
