//! Every key is changed as `docs/operations.md` says, while a user is signed in and a video is processed.
//!
//! A process gets its variables at its start, so a step restarts those that read the key, and no others.

use std::process::Command;

use framelift_e2e::process::{program, signal};
use framelift_e2e::receiver::Receiver;
use framelift_e2e::user::PASSWORD;
use framelift_e2e::{Setup, Stack, User, clip, until};
use reqwest::Method;
use serde_json::{Value, json};

/// Which processes a step restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Restarts {
    Edge,
    Worker,
}

/// Gives a process further variables, restarts it, and waits until it works again. The others go on.
async fn step(stack: &Stack, who: Restarts, variables: &[(&str, String)]) {
    let lines: String = variables.iter().map(|(name, value)| format!("{name}='{value}'\n")).collect();
    let (file, others) = match who {
        Restarts::Edge => ("edge.env", Restarts::Worker),
        Restarts::Worker => ("worker.env", Restarts::Edge),
    };
    std::fs::write(stack.data().join(file), lines).unwrap();
    let pid = |of: Restarts| match of {
        Restarts::Edge => stack.info().pids.edge,
        Restarts::Worker => stack.info().pids.workers[0],
    };
    let (before, untouched) = (pid(who).unwrap(), pid(others));
    signal(before, "TERM");
    until("the process's return", || async {
        match pid(who) {
            Some(now) if now != before => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let ready = match who {
        Restarts::Edge => format!("{}/health/ready", stack.info().api),
        Restarts::Worker => stack.info().worker_metrics[0].replace("/metrics", "/health/ready"),
    };
    until("readiness", || async {
        let answer = stack.client().get(&ready).send().await.map_err(|error| error.to_string())?;
        if answer.status() == 200 { Ok(()) } else { Err(answer.text().await.unwrap_or_default()) }
    })
    .await;
    assert_eq!(pid(others), untouched, "{others:?} was restarted by a step of {who:?}");
}

async fn me(stack: &Stack, token: &str) -> u16 {
    let url = format!("{}/auth/me", stack.info().api);
    stack.client().get(url).bearer_auth(token).send().await.unwrap().status().as_u16()
}

async fn refresh(stack: &Stack, token: &str) -> Option<(String, String)> {
    let url = format!("{}/auth/refresh", stack.info().api);
    let answer = stack.client().post(url).json(&json!({"refresh_token": token})).send().await.unwrap();
    let tokens: Value = answer.error_for_status().ok()?.json().await.unwrap();
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    Some((text("access_token"), text("refresh_token")))
}

async fn log_in(stack: &Stack, user: &User) -> User {
    User::log_in(stack.client().clone(), stack.info().api, user.email.clone(), PASSWORD).await
}

/// A key of the stack, from its `secrets.json`.
fn secret(stack: &Stack, name: &str) -> String {
    let secrets = std::fs::read(stack.data().join("secrets.json")).unwrap();
    let secrets: Value = serde_json::from_slice(&secrets).unwrap();
    secrets[name].as_str().unwrap().to_owned()
}

/// What `framelift-stack keys` prints, by the variables' names.
fn new_keys(arguments: &[&str]) -> Vec<(String, String)> {
    let said = Command::new(program("framelift-stack")).arg("keys").args(arguments).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let pairs = said.lines().map(|line| line.split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned())).collect()
}

fn value_of(keys: &[(String, String)], name: &str) -> String {
    keys.iter().find(|(known, _)| known == name).unwrap().1.clone()
}

#[tokio::test]
async fn keys_are_changed_while_users_are_signed_in_and_videos_are_processed() {
    const SIGNING: &str = "SPIN_VARIABLE_SIGNING_KEY";
    const PUBLIC: &str = "SPIN_VARIABLE_PUBLIC_KEYS";
    const REFRESH: &str = "SPIN_VARIABLE_REFRESH_KEYS";
    const WORKER: &str = "SPIN_VARIABLE_WORKER_TOKEN";
    let stack = Stack::start(Setup::default()).await;
    let ada = stack.user("ada").await;
    let long = clip::long(&stack.scratch());
    let under_way = ada.upload("long.mp4", &long, json!({"select": {"all": true}})).await;
    ada.wait_for(&under_way, "processing").await;

    // The signing key: its public half everywhere, then the key, then without the old one.
    let jwks = format!("{}/.well-known/jwks.json", ada.api());
    let in_use = stack.client().get(&jwks).send().await.unwrap().text().await.unwrap();
    let next = new_keys(&["--public-keys", &in_use]);
    let (key, both) = (value_of(&next, SIGNING), value_of(&next, PUBLIC));
    step(&stack, Restarts::Edge, &[(PUBLIC, both.clone())]).await;
    assert_eq!(me(&stack, &ada.token).await, 200);
    let of_the_old_key = log_in(&stack, &ada).await.token;
    step(&stack, Restarts::Edge, &[(PUBLIC, both.clone()), (SIGNING, key.clone())]).await;
    let of_the_new_key = log_in(&stack, &ada).await.token;
    for token in [&ada.token, &of_the_old_key, &of_the_new_key] {
        assert_eq!(me(&stack, token).await, 200);
    }
    let keys: Value = serde_json::from_str(&both).unwrap();
    let in_use: Value = serde_json::from_str(&in_use).unwrap();
    let is_old = |key: &&Value| in_use["keys"].as_array().unwrap().iter().any(|old| old["kid"] == key["kid"]);
    let new: Vec<&Value> = keys["keys"].as_array().unwrap().iter().filter(|key| !is_old(key)).collect();
    let signing = [(PUBLIC, json!({"keys": new}).to_string()), (SIGNING, key)];
    step(&stack, Restarts::Edge, &signing).await;
    assert_eq!((me(&stack, &of_the_old_key).await, me(&stack, &of_the_new_key).await), (401, 200));
    // Whose access token has ended so early has a refresh token.
    let (access, refreshed) = refresh(&stack, &ada.refresh_token).await.unwrap();
    assert_eq!(me(&stack, &access).await, 200);

    // The refresh keys: the next one appended, then in front, then alone.
    let (first, second) = (secret(&stack, "refresh_keys"), value_of(&new_keys(&[]), REFRESH));
    let with = |keys: String| [&signing[..], &[(REFRESH, keys)]].concat();
    step(&stack, Restarts::Edge, &with(format!("{first} {second}"))).await;
    let (_, refreshed) = refresh(&stack, &refreshed).await.unwrap();
    step(&stack, Restarts::Edge, &with(format!("{second} {first}"))).await;
    let (_, of_the_second) = refresh(&stack, &refreshed).await.unwrap();
    let edge = with(second);
    step(&stack, Restarts::Edge, &edge).await;
    assert!(refresh(&stack, &of_the_second).await.is_some());

    // The worker token: two at the edge, then the workers, then one.
    let (old, new) = (secret(&stack, "worker_token"), value_of(&new_keys(&[]), WORKER));
    let with = |tokens: &str| [&edge[..], &[(WORKER, tokens.to_owned())]].concat();
    step(&stack, Restarts::Edge, &with(&format!("{old} {new}"))).await;
    step(&stack, Restarts::Worker, &[("FRAMELIFT_CONTROL_TOKEN", new.clone())]).await;
    step(&stack, Restarts::Edge, &with(&new)).await;

    // All of this happened to one job.
    let mut ada = ada;
    ada.token = of_the_new_key;
    let video = ada.finished(&under_way).await;
    assert_eq!(video["status"], "completed", "{video}");
    let id = ada.upload("cars.mp4", &clip::sample("cars-30s.mp4"), json!({"select": {"count": 1}})).await;
    assert_eq!(ada.finished(&id).await["status"], "completed");
    let logs = stack.logs();
    for (name, key) in with(&new).iter().filter(|(name, _)| *name != PUBLIC) {
        assert!(!logs.contains(key), "{name} is in the logs");
    }
    stack.finish().await;
}

#[tokio::test]
async fn a_webhook_secret_is_changed_by_its_owner_and_nothing_is_restarted() {
    let stack = Stack::start(Setup::default()).await;
    let ada = stack.user("ada").await;
    let receiver = Receiver::start();
    let settings = json!({"notifications": {"webhook_url": receiver.url}});
    ada.expect(Method::PATCH, "/auth/me", Some(settings), 200).await;
    let processes = stack.info().pids;
    let event = async |number: usize| {
        ada.expect(Method::POST, "/auth/me/webhook-test", None, 202).await;
        until("the event", || async {
            let received = receiver.signatures();
            received.get(number).cloned().ok_or_else(|| format!("{received:?}"))
        })
        .await
    };
    assert_eq!(event(0).await.matches("v1,").count(), 1);
    ada.expect(Method::POST, "/auth/me/webhook-secret", None, 200).await;
    // For a day the old secret is as good: receivers may change theirs at any time of it.
    assert_eq!(event(1).await.matches("v1,").count(), 2);
    let now = stack.info().pids;
    assert_eq!((now.edge, now.workers), (processes.edge, processes.workers));
    stack.finish().await;
}
