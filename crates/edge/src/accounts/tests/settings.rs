//! The data of an account, and its settings of notices.

use super::*;

#[test]
fn the_account_and_its_notifications() {
    block_on(async {
        let world = World::new();
        let id = world.register(ADA).await;
        let (token, _) = world.login(ADA).await;
        let patch = async |body: Value| world.call("PATCH", "/auth/me", Some(&token), &body).await;
        snap!("me", world.call("GET", "/auth/me", Some(&token), &Value::Null).await);
        snap!("me_anonymous", world.call("GET", "/auth/me", None, &Value::Null).await);
        let webhook = json!({"notifications":{"webhook_url":"https://hooks.example.com/x"}});
        let set = patch(webhook.clone()).await;
        snap!("webhook_set", set);
        let secret = text(&body(&set)["webhook_secret"]);
        assert!(secret.starts_with("whsec_") && secret.len() == 6 + 32, "{secret}");
        // The same URL keeps its secret, which is shown to workers alone from now on.
        snap!("webhook_kept", patch(webhook.clone()).await);
        let path = format!("/internal/users/{id}/contact");
        let contact = world.call("GET", &path, Some(WORKER), &Value::Null).await;
        assert_eq!(body(&contact)["webhook"]["secret"], secret.as_str());
        snap!("contact", contact);
        let moved = patch(json!({"notifications":{"webhook_url":"https://hooks.example.com/y"}})).await;
        assert_ne!(body(&moved)["webhook_secret"], secret.as_str());
        snap!(
            "webhook_removed",
            patch(json!({"name":"Ada L.","notifications":{"email":false,"webhook_url":null}})).await
        );
        snap!("contact_wants_nothing", world.call("GET", &path, Some(WORKER), &Value::Null).await);
        let mut shown = body(&world.call("GET", "/auth/me", Some(&token), &Value::Null).await);
        shown.as_object_mut().unwrap().remove("quotas");
        assert_eq!(body(&patch(json!({})).await), shown);
        let again = patch(webhook).await;
        assert!(body(&again)["webhook_secret"].is_string());
    });
}
