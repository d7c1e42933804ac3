//! Refresh tokens: once each, replayed, and after their keys have changed.

use super::*;

#[tokio::test]
async fn a_login_outlives_the_rotation_of_refresh_keys() {
    let mut world = World::new();
    world.register(ADA).await;
    let (_, mut refresh) = world.login(ADA).await;
    let (a, b) = ("a:the-first-refresh-key", "b:the-second-refresh-key");
    for keys in [format!("{a} {b}"), format!("{b} {a}"), b.to_owned()] {
        world.set(&[("refresh_keys", &keys)]);
        let answer = world.refresh(&refresh).await;
        assert_eq!(answer.status(), StatusCode::OK);
        refresh = text(&body(&answer)["refresh_token"]);
    }
    assert!(refresh.starts_with("b."));
}

#[test]
fn a_refresh_token_works_once_and_a_replay_revokes_its_family() {
    block_on(async {
        let world = World::new();
        world.register(ADA).await;
        let (_, first) = world.login(ADA).await;
        let (_, elsewhere) = world.login(ADA).await;
        let second = text(&body(&world.refresh(&first).await)["refresh_token"]);
        assert_ne!(first, second);
        // The answer was lost: the same question has the same answer, for half a minute.
        world.ambient.advance_ms(30_000);
        let again = body(&world.refresh(&first).await);
        assert_eq!((text(&again["refresh_token"]), &again["expires_in"]), (second.clone(), &json!(3570)));
        world.ambient.advance_ms(1_000);
        snap!("refresh_replayed", world.refresh(&first).await);
        assert_eq!(code(&world.refresh(&second).await), "invalid-token");
        // Another login is not touched.
        assert_eq!(world.refresh(&elsewhere).await.status(), StatusCode::OK);
    });
}

#[test]
fn two_refreshes_at_once_have_one_answer() {
    block_on(async {
        let world = World::with(StoreFaults { interleave: true, ..StoreFaults::default() }, 3);
        world.register(ADA).await;
        let (_, token) = world.login(ADA).await;
        let (a, b) = futures::join!(world.refresh(&token), world.refresh(&token));
        assert_eq!(body(&a)["refresh_token"], body(&b)["refresh_token"]);
        assert_eq!((a.status(), b.status()), (StatusCode::OK, StatusCode::OK));
    });
}
