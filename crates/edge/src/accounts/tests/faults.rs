//! A store that loses answers, reports conflicts that were none and overwrites on creation.

use super::*;

/// Sends until it is not 503; `retried` says whether it had to.
async fn persistently(
    world: &World,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &Value,
) -> (Response<Bytes>, bool) {
    for round in 0..200 {
        let answer = world.call(method, path, token, body).await;
        if answer.status() != StatusCode::SERVICE_UNAVAILABLE {
            return (answer, round > 0);
        }
        assert!(answer.headers().contains_key("retry-after"));
        // Long enough for a claim whose winner gave up to be taken over.
        world.ambient.advance_ms(5_000);
    }
    panic!("{method} {path} never ended");
}

#[test]
fn an_account_is_created_used_and_deleted_despite_faults_of_the_store() {
    for (mode, faults) in StoreFaults::MODES {
        for seed in 0..40 {
            block_on(async {
                let world = World::with(faults, seed);
                let ada = json!({"name":"Ada","email":ADA,"password":PASSWORD});
                let (answer, retried) = persistently(&world, "POST", "/auth/register", None, &ada).await;
                // A lost answer may have been a success.
                let taken = retried && answer.status() == StatusCode::CONFLICT;
                assert!(answer.status() == StatusCode::CREATED || taken, "{mode} {seed}: {answer:?}");
                let login = json!({"email":ADA,"password":PASSWORD});
                let (answer, _) = persistently(&world, "POST", "/auth/login", None, &login).await;
                assert_eq!(answer.status(), StatusCode::OK, "{mode} {seed}: {answer:?}");
                let token = text(&body(&answer)["access_token"]);
                let refresh = text(&body(&answer)["refresh_token"]);
                // A retry of a refresh within the grace has the same answer.
                world.kv.set_faults(StoreFaults { error_after: 0, error_before: 0, ..faults });
                let answer = world.refresh(&refresh).await;
                assert_eq!(answer.status(), StatusCode::OK, "{mode} {seed}: {answer:?}");
                world.kv.set_faults(faults);
                let change = json!({"name":"Ada L."});
                let (answer, _) = persistently(&world, "PATCH", "/auth/me", Some(&token), &change).await;
                assert_eq!(body(&answer)["name"], "Ada L.", "{mode} {seed}: {answer:?}");
                let password = json!({"password":PASSWORD});
                let (answer, _) = persistently(&world, "DELETE", "/auth/me", Some(&token), &password).await;
                assert_eq!(answer.status(), StatusCode::ACCEPTED, "{mode} {seed}: {answer:?}");
                world.kv.set_faults(StoreFaults::default());
                assert_eq!(
                    code(&world.call("GET", "/auth/me", Some(&token), &Value::Null).await),
                    "unauthenticated"
                );
                world.ambient.advance_ms(120_000);
                world.register(ADA).await;
            });
        }
    }
}

#[test]
fn of_many_sign_ups_with_one_address_one_succeeds() {
    for (mode, faults) in StoreFaults::MODES {
        let faults = StoreFaults { error_before: 0, error_after: 0, ..faults };
        for seed in 0..40 {
            block_on(async {
                let world = World::with(faults, seed);
                let ada = json!({"name":"Ada","email":ADA,"password":PASSWORD});
                let answers =
                    futures::future::join_all((0..5).map(|_| world.post("/auth/register", &ada))).await;
                let count =
                    |wanted: StatusCode| answers.iter().filter(|answer| answer.status() == wanted).count();
                assert_eq!(count(StatusCode::CREATED), 1, "{mode} {seed}");
                let others = count(StatusCode::CONFLICT) + count(StatusCode::SERVICE_UNAVAILABLE);
                assert_eq!(others, 4, "{mode} {seed}");
                // The login is that of the account that was answered 201.
                let winner = answers.iter().find(|answer| answer.status() == StatusCode::CREATED).unwrap();
                let (token, _) = world.login(ADA).await;
                let me = world.call("GET", "/auth/me", Some(&token), &Value::Null).await;
                assert_eq!(body(&me)["id"], body(winner)["id"], "{mode} {seed}");
            });
        }
    }
}
