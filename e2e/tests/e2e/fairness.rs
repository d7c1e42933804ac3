//! Ten videos of two users at once: all are done, and nobody has more than five in flight.

use std::collections::HashMap;

use framelift_e2e::{Setup, Stack, User, clip, until};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn ten_videos_of_two_users_and_never_more_than_five_in_flight() {
    let stack = Stack::start(Setup { workers: 2, concurrency: 4, ..Setup::default() }).await;
    let ada = stack.user("ada").await;
    let bob = stack.user("bob").await;
    let small = clip::sample("cars-30s.mp4");
    let large = clip::padded(65 << 20);
    // Eight of one, two of the other; three of them through multipart.
    let plan = [(&ada, 8, 2), (&bob, 2, 1)];
    let mut uploads = tokio::task::JoinSet::new();
    for (user, count, multipart) in plan {
        for number in 0..count {
            let user = user.clone();
            let bytes = if number < multipart { large.clone() } else { small.clone() };
            uploads.spawn(async move {
                let id = user.upload(&format!("{number}.mp4"), &bytes, json!({"select": {"fps": 5}})).await;
                (user.email, id)
            });
        }
    }
    let watch = |user: User, total: usize| async move {
        let mut most = 0;
        let mut queued = false;
        until("all videos of one user", || async {
            let page = user.expect(Method::GET, "/videos?limit=100", None, 200).await;
            let mut counts: HashMap<String, usize> = HashMap::new();
            for item in page["items"].as_array().unwrap() {
                *counts.entry(item["status"].as_str().unwrap().to_owned()).or_default() += 1;
                if item["status"] == "queued" {
                    assert!(item["queue_position"].as_u64().is_some_and(|position| position >= 1), "{item}");
                }
            }
            Ok::<_, String>(counts)
        })
        .await;
        loop {
            let page = user.expect(Method::GET, "/videos?limit=100", None, 200).await;
            let items = page["items"].as_array().unwrap();
            let of = |status: &str| items.iter().filter(|item| item["status"] == status).count();
            most = most.max(of("pending") + of("processing"));
            queued |= of("queued") > 0;
            assert_eq!(of("failed"), 0, "{page}");
            if of("completed") == total {
                return (most, queued);
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let ((most, queued), (most_of_bob, _)) = tokio::join!(watch(ada.clone(), 8), watch(bob.clone(), 2));
    assert!(most <= 5, "{most} in flight at once");
    assert!(most_of_bob <= 2);
    assert!(queued, "three of eight had to wait");
    while let Some(upload) = uploads.join_next().await {
        let (email, id) = upload.unwrap();
        let user = if email == ada.email { &ada } else { &bob };
        assert_eq!(user.video(&id).await["result"]["frames"], 151);
    }
    stack.finish().await;
}
