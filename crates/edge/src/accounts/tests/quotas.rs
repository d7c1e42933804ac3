//! What an account uses of what it may.

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
