//! Accounts that are made, and the first login.

use super::*;

#[test]
fn sign_up() {
    block_on(async {
        let world = World::new();
        let ada = json!({"name":"  Ada ","email":" Ada@Example.com ","password":PASSWORD});
        snap!("register", world.post("/auth/register", &ada).await);
        snap!("register_taken", world.post("/auth/register", &ada).await);
        let bad = json!({"name":"","email":"ada","password":"short"});
        snap!("register_invalid", world.post("/auth/register", &bad).await);
    });
}

#[test]
fn log_in_and_out() {
    block_on(async {
        let world = World::new();
        world.register(ADA).await;
        let login = world.post("/auth/login", &json!({"email":"ADA@example.com ","password":PASSWORD})).await;
        snap!("login", login);
        let (access, refresh) = (text(&body(&login)["access_token"]), text(&body(&login)["refresh_token"]));
        snap!("login_wrong", world.post("/auth/login", &json!({"email":ADA,"password":"wrong"})).await);
        let unknown = world.post("/auth/login", &json!({"email":"eve@example.com","password":"wrong"})).await;
        snap!("login_wrong", unknown);
        snap!("refresh", world.refresh(&refresh).await);
        snap!("refresh_forged", world.refresh("a.b").await);
        let active = json!({"token":access});
        snap!("validate", world.call("POST", "/auth/validate", Some(&access), &active).await);
        snap!(
            "validate_inactive",
            world.call("POST", "/auth/validate", Some(&access), &json!({"token":"x"})).await
        );
        snap!("validate_anonymous", world.post("/auth/validate", &active).await);
        let logout = json!({"refresh_token":refresh});
        snap!("logout", world.call("POST", "/auth/logout", Some(&access), &logout).await);
        // A second time, or with a token that never was, there is nothing to do.
        for token in [refresh.as_str(), "x"] {
            let again =
                world.call("POST", "/auth/logout", Some(&access), &json!({"refresh_token":token})).await;
            assert_eq!(again.status(), StatusCode::NO_CONTENT);
        }
        assert_eq!(code(&world.refresh(&refresh).await), "invalid-token");
    });
}

#[test]
fn a_hash_of_other_parameters_is_renewed_at_login() {
    block_on(async {
        let mut world = World::new();
        let id = world.register(ADA).await;
        let hash = |world: &World| -> String {
            let (_, value) = world.kv.dump(&format!("user/{id}")).remove(0);
            text(&serde_json::from_slice::<Value>(&value).unwrap()["value"]["password"])
        };
        assert!(hash(&world).contains("m=8,"));
        world.control.hashing = Hashing::with_cost(16, 1).unwrap();
        world.post("/auth/login", &json!({"email":ADA,"password":"wrong"})).await;
        assert!(hash(&world).contains("m=8,"));
        world.login(ADA).await;
        assert!(hash(&world).contains("m=16,"));
        world.login(ADA).await;
    });
}

#[test]
fn the_keys_are_public() {
    block_on(async {
        let world = World::new();
        let answer = world.call("GET", "/.well-known/jwks.json", None, &Value::Null).await;
        snap!("keys", answer);
        let verifier =
            crate::token::Verifier::from_jwks(std::str::from_utf8(answer.body()).unwrap()).unwrap();
        world.register(ADA).await;
        let (token, _) = world.login(ADA).await;
        assert!(verifier.verify(&token, world.ambient.now()).is_ok());
    });
}
