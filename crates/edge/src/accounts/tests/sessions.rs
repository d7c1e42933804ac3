//! Logins that are listed and ended, and passwords that are changed.

use super::*;

const NEW_PASSWORD: &str = "staple in the correct battery";

fn change(password: &str, new_password: &str) -> Value {
    json!({"password": password, "new_password": new_password})
}

impl World {
    async fn get(&self, path: &str, token: &str) -> Response<Bytes> {
        self.call("GET", path, Some(token), &Value::Null).await
    }

    async fn change_password(&self, token: &str, body: &Value) -> Response<Bytes> {
        self.call("POST", "/auth/me/password", Some(token), body).await
    }
}

#[tokio::test]
async fn a_new_password_ends_all_other_logins() {
    let world = World::new();
    world.register(ADA).await;
    let (here, here_refresh) = world.login(ADA).await;
    let (there, there_refresh) = world.login(ADA).await;
    let wrong = world.change_password(&here, &change("a wrong password", NEW_PASSWORD)).await;
    assert_eq!(code(&wrong), "invalid-credentials");
    let common = world.change_password(&here, &change(PASSWORD, "Password123")).await;
    assert_eq!(body(&common)["errors"][0]["pointer"], "/new_password");
    assert_eq!(world.get("/auth/me", &there).await.status(), StatusCode::OK);

    let changed = world.change_password(&here, &change(PASSWORD, NEW_PASSWORD)).await;
    assert_eq!(changed.status(), StatusCode::NO_CONTENT);
    assert_eq!(code(&world.get("/auth/me", &there).await), "unauthenticated");
    assert_eq!(code(&world.refresh(&there_refresh).await), "invalid-token");
    assert_eq!(world.get("/auth/me", &here).await.status(), StatusCode::OK);
    assert_eq!(world.refresh(&here_refresh).await.status(), StatusCode::OK);
    for (password, status) in [(PASSWORD, 401), (NEW_PASSWORD, 200)] {
        let login = world.post("/auth/login", &json!({"email": ADA, "password": password})).await;
        assert_eq!(login.status().as_u16(), status, "{password}");
    }
}

#[test]
fn no_login_with_the_old_password_outlives_its_change() {
    for seed in 0..40 {
        block_on(async {
            let world = World::with(StoreFaults { interleave: true, ..StoreFaults::default() }, seed);
            world.register(ADA).await;
            let (access, _) = world.login(ADA).await;
            let old = json!({"email": ADA, "password": PASSWORD});
            let both = async { world.change_password(&access, &change(PASSWORD, NEW_PASSWORD)).await };
            let (login, changed) = futures::join!(world.post("/auth/login", &old), both);
            assert_eq!(changed.status(), StatusCode::NO_CONTENT);
            if login.status() == StatusCode::OK {
                let refresh = text(&body(&login)["refresh_token"]);
                assert_eq!(code(&world.refresh(&refresh).await), "invalid-token", "{seed}");
            }
        });
    }
}

#[tokio::test]
async fn logins_are_listed_and_ended() {
    let world = World::new();
    world.register(ADA).await;
    let (there, there_refresh) = world.login(ADA).await;
    world.ambient.advance_ms(1_000);
    let (here, _) = world.login(ADA).await;
    let sessions = body(&world.get("/auth/me/sessions", &here).await)["items"].clone();
    let shown: Vec<_> = sessions.as_array().unwrap().iter().map(|session| &session["current"]).collect();
    assert_eq!(shown, [&json!(true), &json!(false)]);
    assert!(sessions[0]["created_at"].as_str() > sessions[1]["created_at"].as_str());
    // Somebody else's login is not there to be ended.
    world.register("eve@example.com").await;
    let (eve, _) = world.login("eve@example.com").await;
    let other = format!("/auth/me/sessions/{}", text(&sessions[1]["id"]));
    assert_eq!(code(&world.call("DELETE", &other, Some(&eve), &Value::Null).await), "not-found");
    for (status, known) in [(204, 1), (404, 1)] {
        let ended = world.call("DELETE", &other, Some(&here), &Value::Null).await;
        assert_eq!(ended.status().as_u16(), status);
        let left = body(&world.get("/auth/me/sessions", &here).await)["items"].as_array().unwrap().len();
        assert_eq!(left, known);
    }
    assert_eq!(code(&world.get("/auth/me", &there).await), "unauthenticated");
    assert_eq!(code(&world.refresh(&there_refresh).await), "invalid-token");
    let own = format!("/auth/me/sessions/{}", text(&sessions[0]["id"]));
    assert_eq!(world.call("DELETE", &own, Some(&here), &Value::Null).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(code(&world.get("/auth/me/sessions", &here).await), "unauthenticated");
}
