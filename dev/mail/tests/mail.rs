//! Mails sent by a real client, seen on the page, through the API, and on the disk.

#![expect(
    clippy::unwrap_used,
    reason = "clippy lets tests unwrap, and takes the helpers of a test for something else"
)]

#[path = "mail/raw.rs"]
mod raw;

use std::{fs, sync::Arc, time::SystemTime};

use framelift_dev_mail::{MailConfig, MailServer, Options, StartError, start, start_with};
use jiff::Timestamp;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::MultiPart,
    transport::smtp::authentication::{Credentials, Mechanism},
};
use reqwest::{Client, Response};
use serde_json::Value;
use tempfile::TempDir;

type Sender = AsyncSmtpTransport<Tokio1Executor>;

struct Fixture {
    server: MailServer,
    folder: TempDir,
    http: Client,
}

fn config(folder: &TempDir) -> MailConfig {
    MailConfig {
        smtp_listen: ([127, 0, 0, 1], 0).into(),
        http_listen: ([127, 0, 0, 1], 0).into(),
        data_dir: folder.path().join("mail"),
    }
}

impl Fixture {
    async fn new() -> Self {
        Self::with_limit(25 << 20).await
    }

    async fn with_limit(max_mail_bytes: usize) -> Self {
        Self::on(tempfile::tempdir().unwrap(), max_mail_bytes).await
    }

    async fn on(folder: TempDir, max_mail_bytes: usize) -> Self {
        // Fails when another test of this process was faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let received: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        let options = Options { now: Arc::new(move || received), max_mail_bytes };
        Self { server: start_with(config(&folder), options).await.unwrap(), folder, http: Client::new() }
    }

    async fn restart(self) -> Self {
        self.server.shutdown().await;
        Self::on(self.folder, 25 << 20).await
    }

    fn sender(&self) -> Sender {
        let address = self.server.smtp_addr();
        Sender::builder_dangerous(address.ip().to_string()).port(address.port()).build()
    }

    async fn send(&self, message: Message) {
        self.sender().send(message).await.unwrap();
    }

    async fn get(&self, path: &str) -> Response {
        let url = format!("http://{}{path}", self.server.http_addr());
        self.http.get(url).send().await.unwrap()
    }

    async fn page(&self, path: &str) -> String {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
        let policy = &response.headers()["content-security-policy"];
        assert!(policy.to_str().unwrap().starts_with("default-src 'none';"));
        response.text().await.unwrap()
    }

    async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    async fn subjects(&self, path: &str) -> Vec<String> {
        let mails = self.json(path).await;
        let mails = mails.as_array().unwrap().iter();
        mails.map(|mail| mail["subject"].as_str().unwrap().to_owned()).collect()
    }

    fn files(&self) -> usize {
        fs::read_dir(self.folder.path().join("mail/mails"))
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name() != "lock")
            .count()
    }
}

fn mail(to: &str, subject: &str) -> Message {
    Message::builder()
        .from("Framelift <no-reply@example.org>".parse().unwrap())
        .to(to.parse().unwrap())
        .subject(subject)
        .body("plain text\r\n.\r\n..after the dots".to_owned())
        .unwrap()
}

#[tokio::test]
async fn a_mail_is_listed_shown_and_kept() {
    let mails = Fixture::new().await;
    let message = Message::builder()
        .from("Jürgen <j@example.org>".parse().unwrap())
        .to("user@example.org".parse().unwrap())
        .bcc("hidden@example.org".parse().unwrap())
        .subject("Deine Bilder 🎞")
        .date(SystemTime::from("2026-01-31T11:59:59Z".parse::<Timestamp>().unwrap()))
        .multipart(MultiPart::alternative_plain_html(
            "Zwölf Bilder".to_owned(),
            "<p>Zwölf <b>Bilder</b></p>".to_owned(),
        ))
        .unwrap();
    mails.send(message).await;

    let listed = mails.json("/api/mails").await;
    let one = &listed[0];
    assert_eq!(one["from"], "Jürgen <j@example.org>");
    assert_eq!(one["to"], serde_json::json!(["user@example.org", "hidden@example.org"]));
    assert_eq!(one["subject"], "Deine Bilder 🎞");
    assert_eq!(one["date"], "2026-01-31T11:59:59Z");
    assert_eq!(one["text"], "Zwölf Bilder");
    assert_eq!(one["html"], "<p>Zwölf <b>Bilder</b></p>");
    let headers = one["headers"].as_array().unwrap();
    assert!(headers.iter().any(|header| header["name"] == "Subject"));

    let id = one["id"].as_str().unwrap();
    assert_eq!(mails.json(&format!("/api/mails/{id}")).await, *one);
    let raw = mails.get(&format!("/api/mails/{id}/raw")).await;
    assert_eq!(raw.headers()["content-type"], "text/plain; charset=utf-8");
    let raw = raw.bytes().await.unwrap();
    let path = mails.folder.path().join(format!("mail/mails/{id}.eml"));
    assert_eq!(raw, fs::read(path).unwrap());
    assert!(raw.starts_with(b"Return-Path: <j@example.org>\r\nDelivered-To: user@example.org\r\n"));

    let page = mails.page("/").await;
    assert!(page.contains(&format!(r#"<a href="/mails/{id}">Deine Bilder 🎞</a>"#)));
    let page = mails.page(&format!("/mails/{id}")).await;
    assert!(page.contains("<pre>Zwölf Bilder</pre>"), "{page}");
    assert!(page.contains("&lt;p&gt;Zwölf &lt;b&gt;Bilder"), "{page}");
    assert!(page.contains(&format!(r#"href="/api/mails/{id}/raw""#)));
}

#[tokio::test]
async fn the_list_is_newest_first_and_filtered() {
    let mails = Fixture::new().await;
    assert!(mails.page("/").await.contains("No mail yet."));
    for (to, subject) in [("a@example.org", "1"), ("b+tag@example.org", "2"), ("a@example.org", "3")] {
        mails.send(mail(to, subject)).await;
    }
    assert_eq!(mails.subjects("/api/mails").await, ["3", "2", "1"]);
    assert_eq!(mails.subjects("/api/mails?to=A@example.org").await, ["3", "1"]);
    for query in ["b+tag@example.org", "b%2Btag%40example.org"] {
        let path = format!("/api/mails?to={query}");
        assert_eq!(mails.subjects(&path).await, ["2"]);
    }
    assert!(mails.subjects("/api/mails?to=c@example.org").await.is_empty());
}

#[tokio::test]
async fn a_restart_keeps_the_mails() {
    let mails = Fixture::new().await;
    mails.send(mail("a@example.org", "1")).await;
    mails.send(mail("b@example.org", "2")).await;
    let before = mails.json("/api/mails").await;
    let mails = mails.restart().await;
    assert_eq!(mails.json("/api/mails").await, before);
    // The clock has not moved, and still nothing is overwritten.
    mails.send(mail("c@example.org", "3")).await;
    assert_eq!(mails.subjects("/api/mails").await, ["3", "2", "1"]);
}

#[tokio::test]
async fn all_mails_are_removed() {
    let mails = Fixture::new().await;
    mails.send(mail("a@example.org", "1")).await;
    let url = format!("http://{}/api/mails", mails.server.http_addr());
    assert_eq!(mails.http.delete(url).send().await.unwrap().status(), 204);
    assert_eq!(mails.files(), 0);
    assert!(mails.subjects("/api/mails").await.is_empty());
    let mails = mails.restart().await;
    assert!(mails.subjects("/api/mails").await.is_empty());
}

#[tokio::test]
async fn lines_with_dots_arrive_as_they_were() {
    let mails = Fixture::new().await;
    mails.send(mail("a@example.org", "dots")).await;
    let text = mails.json("/api/mails").await[0]["text"].clone();
    assert_eq!(text, "plain text\r\n.\r\n..after the dots\r\n");
}

#[tokio::test]
async fn two_clients_at_once_and_one_connection_twice() {
    let mails = Fixture::new().await;
    let (first, second) = (mails.sender(), mails.sender());
    let sends = (0..10).map(|n| {
        let sender = if n % 2 == 0 { &first } else { &second }.clone();
        tokio::spawn(async move { sender.send(mail("a@example.org", &n.to_string())).await })
    });
    for send in sends.collect::<Vec<_>>() {
        send.await.unwrap().unwrap();
    }
    let mut subjects = mails.subjects("/api/mails").await;
    subjects.sort_unstable();
    assert_eq!(subjects, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert_eq!(mails.files(), 10);
}

#[tokio::test]
async fn any_credentials_are_accepted() {
    let mails = Fixture::new().await;
    let address = mails.server.smtp_addr();
    for mechanism in [Mechanism::Plain, Mechanism::Login] {
        let sender = Sender::builder_dangerous(address.ip().to_string())
            .port(address.port())
            .credentials(Credentials::new("any".to_owned(), "thing".to_owned()))
            .authentication(vec![mechanism])
            .build();
        sender.send(mail("a@example.org", "x")).await.unwrap();
    }
    assert_eq!(mails.subjects("/api/mails").await.len(), 2);
}

#[tokio::test]
async fn a_mail_that_is_too_large_is_refused_and_the_next_one_taken() {
    let mails = Fixture::with_limit(20_000).await;
    let sender = mails.sender();
    let large = Message::builder()
        .from("a@example.org".parse().unwrap())
        .to("b@example.org".parse().unwrap())
        .subject("large")
        .body("0123456789\r\n".repeat(10_000))
        .unwrap();
    let error = sender.send(large).await.unwrap_err();
    assert!(error.is_permanent(), "{error}");
    assert!(error.to_string().contains("552"), "{error}");
    assert_eq!(mails.files(), 0);
    sender.send(mail("b@example.org", "small")).await.unwrap();
    assert_eq!(mails.subjects("/api/mails").await, ["small"]);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let mails = Fixture::new().await;
    for path in
        ["/mails/1", "/api/mails/1", "/api/mails/1/raw", "/api/mails/..%2F..%2Fsecret/raw", "/elsewhere"]
    {
        assert_eq!(mails.get(path).await.status(), 404, "{path}");
    }
    let url = format!("http://{}/api/mails", mails.server.http_addr());
    assert_eq!(mails.http.post(url).send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn an_address_in_use_is_said() {
    let mails = Fixture::new().await;
    let other = tempfile::tempdir().unwrap();
    let taken = start(MailConfig { http_listen: mails.server.http_addr(), ..config(&other) });
    assert!(matches!(taken.await, Err(StartError::Listen { .. })));
    let file = other.path().join("file");
    fs::write(&file, "").unwrap();
    let no_folder = start(MailConfig { data_dir: file, ..config(&other) });
    assert!(matches!(no_folder.await, Err(StartError::Folder { .. })));
}
