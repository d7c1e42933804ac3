//! A worker whose every step a test chooses: it reports to `control` as the real one does, and does no work.

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::Stack;

/// A worker of a stack that starts none.
pub struct ManualWorker {
    client: Client,
    api: String,
    token: String,
}

impl ManualWorker {
    /// The worker's credential of a stack.
    ///
    /// # Panics
    /// If it cannot be read.
    pub fn token(stack: &Stack) -> String {
        let secrets = std::fs::read(stack.data().join("secrets.json")).unwrap();
        let secrets: Value = serde_json::from_slice(&secrets).unwrap();
        secrets["worker_token"].as_str().unwrap().to_owned()
    }

    /// A worker of this stack.
    pub fn of(stack: &Stack) -> Self {
        Self { client: stack.client().clone(), api: stack.info().api, token: Self::token(stack) }
    }

    async fn report(&self, id: &str, what: &str, body: Value) {
        let url = format!("{}/internal/jobs/{id}/{what}", self.api);
        let answer = self.client.post(url).bearer_auth(&self.token).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{what}: {}", answer.text().await.unwrap());
    }

    /// Takes a job for the first time.
    pub async fn claim(&self, id: &str) {
        self.report(id, "claim", json!({"worker_id": "by-hand"})).await;
    }

    /// Reports how far the first attempt is.
    pub async fn progress(&self, id: &str, percent: u8) {
        let progress = json!({
            "stage": "extracting", "percent": percent, "frames_done": percent, "frames_expected": 100,
            "bytes_read": 5
        });
        let body = json!({"attempt": 1, "worker_id": "by-hand", "progress": progress});
        self.report(id, "progress", body).await;
    }

    /// Ends the first attempt without a result.
    pub async fn fail(&self, id: &str) {
        let body = json!({
            "attempt": 1, "worker_id": "by-hand", "code": "not-a-video", "message": "the file is no video"
        });
        self.report(id, "fail", body).await;
    }
}
