//! Files that pass through the edge.

use framelift_e2e::{Stack, clip};

/// Uploads so many files, eight at a time, in requests that hold them; returns how many were taken.
pub(crate) async fn through_the_edge(stack: &Stack, files: usize, bytes: usize) -> usize {
    let (mut taken, mut n) = (0, 0);
    while n < files {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8.min(files - n) {
            let user = stack.user(&format!("stream{n}")).await;
            n += 1;
            tasks.spawn(async move {
                let url = format!("{}/videos/upload?file_name=large.mp4", user.api());
                let request = reqwest::Client::new().post(url).bearer_auth(&user.token);
                let answer = request.body(clip::padded(bytes)).send().await.unwrap();
                let accepted = answer.status().as_u16() == 202;
                if accepted {
                    let body: serde_json::Value = answer.json().await.unwrap();
                    let id = body["id"].as_str().unwrap().to_owned();
                    user.finished(&id).await;
                    user.send(reqwest::Method::DELETE, &format!("/videos/{id}"), None).await;
                }
                accepted
            });
        }
        taken += tasks.join_all().await.into_iter().filter(|accepted| *accepted).count();
    }
    taken
}
