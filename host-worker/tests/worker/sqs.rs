//! As much of SQS as a worker uses, in memory.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::http::{Answer, serve, text};

#[derive(Clone, Debug)]
struct Message {
    queue: String,
    id: String,
    body: String,
    receives: u32,
    visible_at: Instant,
}

#[derive(Default)]
struct State {
    messages: Vec<Message>,
    made: u32,
    receives: u32,
    /// Every change of visibility: queue, body, seconds.
    put_off: Vec<(String, String, u64)>,
}

#[derive(Clone)]
pub(crate) struct Sqs {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
    pub(crate) address: SocketAddr,
}

impl Sqs {
    pub(crate) async fn start() -> Self {
        let (state, changed) = (Arc::new(Mutex::new(State::default())), Arc::new(Notify::new()));
        let (shared, notify) = (state.clone(), changed.clone());
        let address = serve(move |request| {
            let (state, changed) = (shared.clone(), notify.clone());
            async move { answer(&state, &changed, &request).await }
        })
        .await;
        Self { state, changed, address }
    }

    pub(crate) fn url(&self, queue: &str) -> String {
        format!("http://{}/{queue}", self.address)
    }

    pub(crate) fn send(&self, queue: &str, body: &str) {
        self.state.lock().unwrap().send(queue, body);
        self.changed.notify_waiters();
    }

    pub(crate) fn bodies(&self, queue: &str) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.messages.iter().filter(|m| m.queue == queue).map(|m| m.body.clone()).collect()
    }

    /// The waits that messages of the queue were put off by, heartbeats included.
    pub(crate) fn put_off(&self, queue: &str) -> Vec<u64> {
        let state = self.state.lock().unwrap();
        state.put_off.iter().filter(|(name, ..)| name == queue).map(|(.., seconds)| *seconds).collect()
    }

    pub(crate) fn receives(&self) -> u32 {
        self.state.lock().unwrap().receives
    }
}

impl State {
    fn send(&mut self, queue: &str, body: &str) {
        self.made += 1;
        self.messages.push(Message {
            queue: queue.to_owned(),
            id: format!("message-{}", self.made),
            body: body.to_owned(),
            receives: 0,
            visible_at: Instant::now(),
        });
    }

    fn take(&mut self, queue: &str, visibility: Duration) -> Option<Value> {
        let now = Instant::now();
        let message = self.messages.iter_mut().find(|m| m.queue == queue && m.visible_at <= now)?;
        message.receives += 1;
        message.visible_at = now + visibility;
        Some(json!({
            "MessageId": message.id,
            "ReceiptHandle": message.id,
            "Body": message.body,
            "Attributes": {"ApproximateReceiveCount": message.receives.to_string()},
        }))
    }
}

async fn answer(state: &Mutex<State>, changed: &Notify, request: &Request<Bytes>) -> Answer {
    let action = request.headers()["x-amz-target"].to_str().unwrap().trim_start_matches("AmazonSQS.");
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    let queue = body["QueueUrl"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let receipt = body["ReceiptHandle"].as_str().unwrap_or_default();
    let answer = match action {
        "GetQueueAttributes" => json!({"Attributes": {"VisibilityTimeout": "60"}}),
        "SendMessage" => {
            state.lock().unwrap().send(&queue, body["MessageBody"].as_str().unwrap());
            changed.notify_waiters();
            json!({"MessageId": "sent", "MD5OfMessageBody": ""})
        }
        "DeleteMessage" => {
            state.lock().unwrap().messages.retain(|message| message.id != receipt);
            json!({})
        }
        "ChangeMessageVisibility" => {
            let seconds = body["VisibilityTimeout"].as_u64().unwrap();
            let mut state = state.lock().unwrap();
            if let Some(message) = state.messages.iter_mut().find(|message| message.id == receipt) {
                message.visible_at = Instant::now() + Duration::from_secs(seconds);
                let note = (queue, message.body.clone(), seconds);
                state.put_off.push(note);
            }
            json!({})
        }
        "ReceiveMessage" => {
            let of = |name: &str| Duration::from_secs(body[name].as_u64().unwrap());
            let (visibility, until) = (of("VisibilityTimeout"), Instant::now() + of("WaitTimeSeconds"));
            if !queue.contains("dead") {
                state.lock().unwrap().receives += 1;
            }
            loop {
                let news = changed.notified();
                let taken = state.lock().unwrap().take(&queue, visibility);
                if let Some(message) = taken {
                    break json!({"Messages": [message]});
                }
                // A message may become visible without news.
                let soon = until.min(Instant::now() + Duration::from_millis(100));
                let _ = tokio::time::timeout_at(soon, news).await;
                if Instant::now() >= until {
                    break json!({});
                }
            }
        }
        other => panic!("the fake SQS does not know {other}"),
    };
    text(200, answer.to_string())
}
