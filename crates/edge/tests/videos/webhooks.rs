//! Events for webhooks: recorded when a video ends, claimed, reported, listed and replayed.

use serde_json::{Value, json};

use crate::world::{Answer, World, failed};

async fn claim(world: &World, id: &str) -> Answer {
    world.post(&format!("/internal/deliveries/{id}/claim")).worker().send().await
}

async fn report(world: &World, id: &str, attempt: u32, outcome: &str) -> Answer {
    let body = json!({
        "attempt": attempt, "worker_id": "w-1", "outcome": outcome, "status": 503, "error": "e".repeat(300)
    });
    world.post(&format!("/internal/deliveries/{id}/report")).worker().json(body).send().await
}

async fn sweep(world: &World) -> Value {
    world.post("/internal/sweep").worker().send().await.json()
}

/// A failed video, whose owner was notified and has a webhook.
async fn told(world: &World) -> String {
    let id = world.uploaded(1).await;
    world.claim(&id).await;
    world.report(&id, "fail", failed(1, "not-a-video", false)).await;
    let body = json!({ "attempt": 1, "worker_id": "w-1", "webhook": true });
    assert_eq!(world.report(&id, "notified", body).await.status, 200);
    world.cloud.take_sent();
    id
}

async fn deliveries(world: &World, query: &str) -> Value {
    world.get(&format!("/auth/me/webhook-deliveries{query}")).user(1).send().await.json()
}

#[tokio::test]
async fn an_event_is_delivered_once() {
    let world = World::new();
    let id = told(&world).await;
    let claimed = claim(&world, &id).await;
    insta::assert_snapshot!("claimed_delivery", claimed.shot());
    let payload: Value = serde_json::from_str(claimed.json()["payload"].as_str().unwrap()).unwrap();
    assert_eq!((&payload["type"], &payload["data"]["video_id"]), (&json!("video.failed"), &json!(id)));
    assert_eq!(claim(&world, &id).await.short(), "409 lease-held");
    // The lease of a crashed worker lasts for a minute.
    world.advance_s(61);
    assert_eq!(claim(&world, &id).await.json()["payload"], claimed.json()["payload"], "the same bytes");
    for _ in 0..2 {
        let answer = report(&world, &id, 1, "delivered").await.json();
        assert_eq!(
            (&answer["status"], answer["attempts"].as_array().unwrap().len()),
            (&json!("delivered"), 1)
        );
    }
    assert_eq!(claim(&world, &id).await.short(), "410 job-finished");
    assert_eq!(report(&world, "018bcfe5-6800-7707-8707-070707070707", 1, "delivered").await.status, 410);
    let twice = json!({ "attempt": 1, "worker_id": "w-1", "webhook": true });
    assert_eq!(world.report(&id, "notified", twice).await.status, 200);
    world.advance_s(3600);
    assert_eq!(sweep(&world).await["resent"], 0);
    assert!(world.cloud.take_sent().is_empty(), "nobody is told twice");
}

#[tokio::test]
async fn an_event_is_tried_for_a_day() {
    let world = World::new();
    let id = told(&world).await;
    let began = world.now();
    for attempt in 1..=8 {
        assert_eq!(claim(&world, &id).await.json()["attempt"], attempt);
        let answer = report(&world, &id, attempt, "retry").await.json();
        let error = answer["attempts"][attempt as usize - 1]["error"].as_str().unwrap();
        assert_eq!(error.len(), 200, "an error has its limit");
        if attempt == 8 {
            assert_eq!((&answer["status"], &answer["next_attempt_at"]), (&json!("failed"), &Value::Null));
            break;
        }
        assert_eq!(answer["status"], "pending");
        let next: framelift_domain::Time = serde_json::from_value(answer["next_attempt_at"].clone()).unwrap();
        let wait_s = next.ms_since(world.now()) / 1000;
        let sent = world.cloud.take_sent();
        if attempt <= 3 && wait_s <= 890 {
            // The queue keeps the message.
            assert_eq!(sent.len(), 1);
            assert_eq!(sent[0].delay_s.cast_signed(), wait_s + 1);
            world.advance_s(wait_s + 1);
        } else {
            assert!(sent.is_empty());
            assert_eq!(claim(&world, &id).await.short(), "410 job-finished", "not before its time");
            world.advance_s(wait_s + 1);
            assert_eq!(sweep(&world).await["resent"], 1);
        }
        world.cloud.take_sent();
    }
    let took = world.now().ms_since(began) / 1000;
    assert!((20 * 3600..24 * 3600).contains(&took), "{took} s");
    assert_eq!(claim(&world, &id).await.short(), "410 job-finished");
}

#[tokio::test]
async fn the_sweep_resends_a_notice_whose_message_was_lost() {
    let world = World::new();
    let created = world.create(1, 1 << 20).await;
    let awaited = created["id"].as_str().unwrap().to_owned();
    let id = world.uploaded(1).await;
    world.claim(&id).await;
    world.report(&id, "fail", failed(1, "not-a-video", false)).await;
    world.cloud.take_sent();
    world.advance_s(601);
    assert_eq!(sweep(&world).await["resent"], 1);
    let sent = world.cloud.take_sent();
    assert_eq!(serde_json::to_value(&sent[0].message).unwrap()["notice"], "failed");
    assert_eq!(sweep(&world).await["resent"], 0, "not each time");
    let body = json!({ "attempt": 0, "worker_id": "w-1" });
    world.report(&id, "notified", body.clone()).await;

    // An upload that never came has a notice, too.
    world.advance_s(24 * 3600);
    sweep(&world).await;
    let sent = world.cloud.take_sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(serde_json::to_value(&sent[0].message).unwrap()["notice"], "expired");
    let notice = world.get(&format!("/internal/jobs/{awaited}/notice")).worker().send().await.json();
    assert_eq!((&notice["kind"], &notice["failure"]), (&json!("expired"), &Value::Null));
    world.report(&awaited, "notified", body).await;
    world.advance_s(3600);
    assert_eq!(sweep(&world).await["resent"], 0);
}

#[tokio::test]
async fn deliveries_are_listed_replayed_and_tested() {
    let world = World::new();
    assert_eq!(deliveries(&world, "").await, json!({ "items": [], "next_cursor": null }));
    let id = told(&world).await;
    claim(&world, &id).await;
    report(&world, &id, 1, "give_up").await;
    let tested = world.post("/auth/me/webhook-test").user(1).send().await;
    insta::assert_snapshot!("webhook_test", tested.shot());
    let sent = world.cloud.take_sent();
    let test = tested.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(
        (sent.len(), serde_json::to_value(&sent[0].message).unwrap()["video_id"].as_str()),
        (1, Some(test.as_str()))
    );
    let first = deliveries(&world, "?limit=1").await;
    assert_eq!(first["items"][0]["id"], test.as_str());
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = deliveries(&world, &format!("?limit=1&cursor={cursor}")).await;
    assert_eq!((&second["items"][0]["id"], &second["next_cursor"]), (&json!(id), &Value::Null));
    assert_eq!(second["items"][0]["status"], "failed");
    let strange = world.get("/auth/me/webhook-deliveries?cursor=x").user(1).send().await;
    assert_eq!(strange.short(), "422 validation-failed ?cursor");

    let replay = format!("/auth/me/webhook-deliveries/{id}/replay");
    assert_eq!(world.post(&replay).user(2).send().await.short(), "404 delivery-not-found");
    let answer = world.post(&replay).user(1).send().await;
    assert_eq!((answer.status.as_u16(), &answer.json()["status"]), (202, &json!("pending")));
    assert_eq!(world.cloud.take_sent().len(), 1);
    assert_eq!(claim(&world, &id).await.json()["attempt"], 2);
    assert_eq!(report(&world, &id, 2, "delivered").await.json()["status"], "delivered");
}

#[tokio::test]
async fn the_last_200_events_are_kept() {
    let world = World::new();
    let mut ids = Vec::new();
    for _ in 0..203 {
        let answer = world.post("/auth/me/webhook-test").user(1).send().await;
        ids.push(answer.json()["id"].as_str().unwrap().to_owned());
    }
    let mut listed = Vec::new();
    let mut query = "?limit=100".to_owned();
    loop {
        let page = deliveries(&world, &query).await;
        listed.extend(
            page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("?limit=100&cursor={cursor}");
    }
    ids.reverse();
    assert_eq!(listed, ids[..200]);
    let replay = format!("/auth/me/webhook-deliveries/{}/replay", ids[202]);
    assert_eq!(world.post(&replay).user(1).send().await.short(), "404 delivery-not-found");
    // A day later, nothing is left of dropped deliveries.
    let kept = |world: &World| world.kv.keys().iter().filter(|key| key.starts_with("delivery/")).count();
    assert_eq!(kept(&world), 203);
    world.advance_s(27 * 3600);
    for _ in 0..40 {
        sweep(&world).await;
    }
    assert_eq!(kept(&world), 200);
}

#[tokio::test]
async fn a_closed_account_has_no_deliveries_left() {
    let world = World::new();
    told(&world).await;
    let close = format!("/internal/users/{}/close", world.user(1));
    assert_eq!(world.post(&close).worker().send().await.status, 204);
    assert_eq!(world.post("/auth/me/webhook-test").user(1).send().await.short(), "401 unauthenticated");
    for _ in 0..3 {
        world.advance_s(27 * 3600);
        for _ in 0..40 {
            sweep(&world).await;
        }
    }
    let left: Vec<String> = world.kv.keys().into_iter().filter(|key| !key.starts_with("sweep/")).collect();
    let is_left = |key: &&String| key.contains("delivery/") || key.contains("outbox/");
    assert_eq!(left.iter().find(is_left), None);
}
