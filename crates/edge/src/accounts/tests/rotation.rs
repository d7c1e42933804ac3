//! Keys are changed one step after the other, each on some instances before the others: nobody is refused.

use super::*;
use crate::token::Signer;

/// Configurations, each of which runs beside the one before it and the one after it.
fn steps(name: &'static str, values: &[String]) -> Vec<Config> {
    let configured = |value: &String| {
        let mut variables = variables();
        variables.insert(name, value.clone());
        Config::read(&variables).unwrap()
    };
    values.iter().map(configured).collect()
}

async fn me(world: &World, token: &str) -> StatusCode {
    world.call("GET", "/auth/me", Some(token), &Value::Null).await.status()
}

#[tokio::test]
async fn the_signing_key_rotates_while_users_call() {
    let mut world = World::new();
    world.register(ADA).await;
    let signer = |seed: u8| Signer::from_text(&seed_text(&[seed; 32])).unwrap();
    let (old, new) = (seed_text(&[7; 32]), seed_text(&[8; 32]));
    let public = |text: &str| crate::token::Verifier::from_jwks(text).unwrap();
    let only_old = signer(7).jwks();
    let both = public(&only_old).and(&signer(8)).jwks();
    let steps =
        [(&old, &only_old), (&old, &both), (&new, &both), (&new, &signer(8).jwks())].map(|(key, keys)| {
            let mut variables = variables();
            variables.insert("signing_key", key.clone());
            variables.insert("public_keys", keys.clone());
            variables
        });
    for (before, after) in steps.iter().zip(&steps[1..]) {
        let mut tokens = Vec::new();
        // Tokens of the old key have ended before the last step, an hour after the one before it.
        for variables in [before, after] {
            world.config = Config::read(variables).unwrap();
            tokens.push(world.login(ADA).await.0);
        }
        for variables in [before, after] {
            world.config = Config::read(variables).unwrap();
            for token in &tokens {
                assert_eq!(me(&world, token).await, StatusCode::OK);
            }
        }
    }
}

#[tokio::test]
async fn the_worker_token_rotates_while_workers_call() {
    let mut world = World::new();
    let user = world.register(ADA).await;
    let (old, new) = (WORKER.to_owned(), "the-workers-next-secret".to_owned());
    // What workers show by then: some still the first, some already the second.
    let shown: [&[&String]; 3] = [&[&old], &[&old, &new], &[&new]];
    let values = [old.clone(), format!("{old} {new}"), new.clone()];
    for (config, shown) in steps("worker_token", &values).into_iter().zip(shown) {
        world.config = config;
        let path = format!("/internal/users/{user}/contact");
        for token in shown {
            assert_eq!(world.call("GET", &path, Some(token), &Value::Null).await.status(), StatusCode::OK);
        }
        let others: Vec<&String> = [&old, &new].into_iter().filter(|token| !shown.contains(token)).collect();
        for token in others {
            let refused = world.call("GET", &path, Some(token), &Value::Null).await;
            assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        }
        // A call of our own shows what both this instance and the ones before and after it accept.
        let own = world.config.worker_token.authorization();
        assert!(shown.iter().any(|token| own == format!("Bearer {token}")) && own.matches(' ').count() == 1);
    }
}
