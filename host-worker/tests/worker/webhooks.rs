//! Events for webhooks, taken by a receiver that checks them with the published library of Standard Webhooks.

use std::process::Stdio;

use framelift_contract::webhook::ClaimedDelivery;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::rig::{JOBS, Rig};

const USER: &str = "018bcfe5-6800-7707-8707-070707070708";
const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_plJ3nmyCDGBKInavdOK15jsl";
const WRONG: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// The receiver, a program in Python.
struct Receiver {
    port: u16,
    events: Lines<BufReader<ChildStdout>>,
    _program: Child,
}

impl Receiver {
    async fn start() -> Self {
        let python = std::env::var_os("FRAMELIFT_TEST_PYTHON").expect(
            "receivers check with the Python package `standardwebhooks`: `cargo xtask test` installs it, or name a \
             Python that has it in FRAMELIFT_TEST_PYTHON",
        );
        let mut program = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/worker/receiver.py"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut events = BufReader::new(program.stdout.take().unwrap()).lines();
        let port = events.next_line().await.unwrap().unwrap().parse().unwrap();
        Self { port, events, _program: program }
    }

    /// A webhook whose receiver tries these secrets.
    fn url(&self, secrets: &[&str]) -> String {
        let mut url: url::Url = format!("http://127.0.0.1:{}/hook", self.port).parse().unwrap();
        url.query_pairs_mut().extend_pairs(secrets.iter().map(|secret| ("secret", *secret)));
        url.into()
    }

    async fn event(&mut self) -> Value {
        serde_json::from_str(&self.events.next_line().await.unwrap().unwrap()).unwrap()
    }
}

/// The event of a file that the contract holds.
fn delivery(n: u8, event: &str, golden: &str) -> ClaimedDelivery {
    let path = format!("{}/../crates/contract/tests/golden/{golden}.json", env!("CARGO_MANIFEST_DIR"));
    let payload: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let id = format!("018bcfe5-6800-7707-8707-0707070707{n:02}");
    serde_json::from_value(json!({
        "id": id, "user_id": USER, "event": event, "correlation_id": "c-1", "payload": payload.to_string(), "attempt": 1
    }))
    .unwrap()
}

/// An event is due: its message comes, as it does of the sweep.
async fn tell(rig: &Rig, delivery: &ClaimedDelivery) {
    rig.control.add_delivery(delivery.clone());
    let message = json!({
        "version": 1, "video_id": delivery.id, "user_id": USER, "correlation_id": "c-1", "notice": "webhook"
    });
    rig.send_text(JOBS, &message.to_string()).await;
    rig.no_messages().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_published_library_takes_events_and_refuses_a_wrong_secret() {
    let mut receiver = Receiver::start().await;
    let rig = Rig::with("250 ok", "[webhooks]\nallow_private = true\n").await;
    let reports = || rig.control.calls("delivery-report");
    rig.control.set_webhook(json!({"url": receiver.url(&[OLD, WRONG]), "secret": OLD}));
    for (n, event, golden) in [(1, "video.completed", "event_completed"), (2, "video.failed", "event_failed")]
    {
        let delivery = delivery(n, event, golden);
        tell(&rig, &delivery).await;
        let taken = receiver.event().await;
        assert_eq!(taken["event"]["type"], event);
        assert_eq!(
            taken["event"].to_string(),
            serde_json::from_str::<Value>(&delivery.payload).unwrap().to_string()
        );
        assert_eq!((&taken["id"], &taken["verified"]), (&json!(delivery.id), &json!([true, false])));
        assert_eq!(taken["changed"], json!([false, false]), "another body is refused");
        assert_eq!(reports().last().unwrap().body["outcome"], "delivered");
    }
    // A receiver that has another secret takes nothing, and gets the event again.
    rig.control.set_webhook(json!({"url": receiver.url(&[WRONG]), "secret": OLD}));
    tell(&rig, &delivery(3, "video.completed", "event_completed")).await;
    assert_eq!(receiver.event().await["verified"], json!([false]));
    let report = reports().last().unwrap().body.clone();
    assert_eq!((&report["outcome"], &report["status"]), (&json!("retry"), &json!(401)));
    // While the secret is changed, receivers that have either one take it.
    let url = receiver.url(&[OLD, NEW, WRONG]);
    rig.control.set_webhook(json!({"url": url, "secret": NEW, "previous_secret": OLD}));
    tell(&rig, &delivery(4, "webhook.test", "event_test")).await;
    assert_eq!(receiver.event().await["verified"], json!([true, true, false]));
    // Later, the old one is over.
    rig.control.set_webhook(json!({"url": url, "secret": NEW}));
    tell(&rig, &delivery(5, "webhook.test", "event_test")).await;
    assert_eq!(receiver.event().await["verified"], json!([false, true, false]));
    assert!(rig.smtp.mails().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_plugin_is_told_by_mail_and_by_webhook() {
    let mut receiver = Receiver::start().await;
    let rig = Rig::with("250 ok", "[webhooks]\nallow_private = true\n").await;
    rig.control.set_webhook(json!({"url": receiver.url(&[OLD]), "secret": OLD}));
    let rejected = delivery(1, "plugin.rejected", "event_plugin");
    tell(&rig, &rejected).await;
    assert_eq!(receiver.event().await["event"]["type"], "plugin.rejected");
    // A later attempt at the webhook is no reason for another mail.
    tell(&rig, &ClaimedDelivery { attempt: 2, ..rejected.clone() }).await;
    receiver.event().await;
    // Who has no webhook gets the mail.
    rig.control.set_webhook(Value::Null);
    let other = delivery(2, "plugin.rejected", "event_plugin");
    tell(&rig, &other).await;
    let mails = rig.smtp.mails();
    assert_eq!(mails.len(), 2);
    for (mail, delivery) in mails.iter().zip([&rejected, &other]) {
        for part in [
            format!("Message-ID: <{}.plugin-rejected@frames.example.com>", delivery.id),
            "To: ada@example.com".into(),
            "Subject: Your plugin was rejected: mark".into(),
            "it imports the network".into(),
        ] {
            assert!(mail.contains(&part), "{part} is not in\n{mail}");
        }
    }
}
