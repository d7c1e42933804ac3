//! Sends events to owners' webhooks (Standard Webhooks 1.0), one attempt at a time; the edge stores and
//! schedules them.

mod address;
mod sign;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use framelift_contract::account::WebhookContact;
use framelift_contract::webhook::ClaimedDelivery;
use framelift_domain::UserId;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use crate::ambient;
use crate::config;
use address::{CheckedResolver, Forbidden};

/// The client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the webhook client: {0}")]
pub struct ClientError(String);

/// The outcome of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The receiver took the event.
    Delivered(StatusCode),
    /// The receiver failed; a retry may help.
    Failed(Option<StatusCode>, String),
    /// The receiver answered that it is gone for good.
    Gone,
}

/// Sends events, a limited number at once, and only a part of these for one account.
#[derive(Debug)]
pub(crate) struct WebhookSender {
    http: reqwest::Client,
    timeout: Duration,
    allow_private: bool,
    all: Arc<Semaphore>,
    at_once_per_account: usize,
    accounts: Arc<Mutex<HashMap<UserId, usize>>>,
}

/// The permit to send one event.
#[derive(Debug)]
pub(crate) struct Permit {
    _of_all: OwnedSemaphorePermit,
    user: UserId,
    accounts: Arc<Mutex<HashMap<UserId, usize>>>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut accounts = lock(&self.accounts);
        if let Some(count) = accounts.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                accounts.remove(&self.user);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl WebhookSender {
    /// A sender by its configuration.
    pub(crate) fn new(config: &config::Webhooks) -> Result<Self, ClientError> {
        let allow_private = config.allow_private;
        let http = reqwest::Client::builder()
            .user_agent(framelift_contract::ENGINE)
            .dns_resolver(Arc::new(CheckedResolver::new(allow_private)))
            // Each attempt resolves and checks the name again.
            .pool_max_idle_per_host(0)
            .timeout(config.timeout)
            .connect_timeout(config.timeout.min(Duration::from_secs(5)))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .https_only(!allow_private)
            .build()
            .map_err(|error| ClientError(error.to_string()))?;
        let at_once = config.concurrency as usize;
        Ok(Self {
            http,
            timeout: config.timeout,
            allow_private,
            all: Arc::new(Semaphore::new(at_once)),
            // A slow receiver leaves room for those of others.
            at_once_per_account: at_once.div_ceil(4),
            accounts: Arc::default(),
        })
    }

    /// Takes a permit to send one event of an account; `None` if the limit is reached.
    pub(crate) fn permit(&self, user: UserId) -> Option<Permit> {
        let of_all = self.all.clone().try_acquire_owned().ok()?;
        let mut accounts = lock(&self.accounts);
        let count = accounts.entry(user).or_default();
        if *count >= self.at_once_per_account {
            return None;
        }
        *count += 1;
        Some(Permit { _of_all: of_all, user, accounts: self.accounts.clone() })
    }

    /// Makes one attempt. The answer's body is not read.
    pub(crate) async fn send(&self, webhook: &WebhookContact, delivery: &ClaimedDelivery) -> Outcome {
        if !self.allow_private && address::is_forbidden(&webhook.url) {
            return Outcome::Failed(None, Forbidden.to_string());
        }
        let (id, timestamp) = (delivery.id.to_string(), ambient::now().unix_s());
        let secrets = [Some(&webhook.secret), webhook.previous_secret.as_ref()];
        let signatures: Option<Vec<String>> = secrets
            .into_iter()
            .flatten()
            .map(|secret| sign::signature(secret, &id, timestamp, &delivery.payload))
            .collect();
        let Some(signatures) = signatures else {
            return Outcome::Failed(None, "the signing secret is damaged: set a new one".into());
        };
        let request = self
            .http
            .post(webhook.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signatures.join(" "))
            .header("x-correlation-id", delivery.correlation_id.as_str())
            .body(delivery.payload.clone());
        match request.send().await.map(|answer| answer.status()) {
            Ok(status) if status.is_success() => Outcome::Delivered(status),
            Ok(StatusCode::GONE) => Outcome::Gone,
            Ok(status) if status.is_redirection() => Outcome::Failed(
                Some(status),
                format!("the receiver answered {}; redirects are not followed", status.as_u16()),
            ),
            Ok(status) => Outcome::Failed(Some(status), format!("the receiver answered {}", status.as_u16())),
            Err(error) => Outcome::Failed(None, self.reason(&error)),
        }
    }

    /// Why there was no answer, as a message for the owner, without details of this machine's resolver or
    /// network.
    fn reason(&self, error: &reqwest::Error) -> String {
        if address::refused(error) {
            Forbidden.to_string()
        } else if error.is_timeout() {
            format!("the receiver did not answer within {} s", self.timeout.as_secs())
        } else if error.is_connect() {
            "no secure connection to the receiver could be made".into()
        } else {
            "the receiver ended the connection without an answer".into()
        }
    }
}

/// The URL without what may be a secret in it, for logs and e-mails.
pub(crate) fn shown(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn sender(concurrency: u32) -> WebhookSender {
        of(concurrency, false)
    }

    fn of(concurrency: u32, allow_private: bool) -> WebhookSender {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let timeout = Duration::from_secs(2);
        WebhookSender::new(&config::Webhooks { concurrency, timeout, allow_private }).unwrap()
    }

    fn delivery() -> ClaimedDelivery {
        let delivery = serde_json::json!({
            "id": "018bcfe5-6800-7707-8707-070707070707", "user_id": "018bcfe5-6800-7707-8707-070707070708",
            "event": "webhook.test", "correlation_id": "c-1", "payload": "{\"a\":\"é\"}", "attempt": 1
        });
        serde_json::from_value(delivery).unwrap()
    }

    /// Sends an event to a receiver that answers so; what came of it, and the request as the receiver got it.
    async fn sent(answer: &'static str) -> (Outcome, String) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let receiver = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(delivery().payload.as_bytes()) {
                stream.read_buf(&mut request).await.unwrap();
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            if answer.is_empty() {
                // It says nothing until the sender goes.
                let _ = stream.read_buf(&mut Vec::new()).await;
            }
            String::from_utf8(request).unwrap()
        });
        let webhook = WebhookContact {
            url: format!("http://localhost:{port}/hook?x=1").parse().unwrap(),
            secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into(),
            previous_secret: Some("whsec_c2VjcmV0".into()),
        };
        (of(1, true).send(&webhook, &delivery()).await, receiver.await.unwrap())
    }

    #[tokio::test]
    async fn an_event_is_signed_by_both_secrets() {
        let (outcome, request) = sent("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(outcome, Outcome::Delivered(StatusCode::NO_CONTENT));
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /hook?x=1 HTTP/1.1\r\n"), "{head}");
        assert_eq!(body, delivery().payload);
        let header = |name: &str| {
            let found = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            found.unwrap_or_else(|| panic!("{name} is not in {head}"))
        };
        let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
        assert_eq!((id, header("x-correlation-id")), (delivery().id.to_string().as_str(), "c-1"));
        let by = |secret| sign::signature(secret, id, timestamp.parse().unwrap(), body).unwrap();
        let both = format!("{} {}", by("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), by("whsec_c2VjcmV0"));
        assert_eq!(header("webhook-signature"), both);
        assert_eq!(header("content-type"), "application/json");
    }

    #[tokio::test]
    async fn answers_say_whether_to_try_again() {
        let failed = |status: u16, why: &str| {
            Outcome::Failed(StatusCode::from_u16(status).ok().filter(|_| status > 0), why.to_owned())
        };
        for (answer, outcome) in [
            ("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n", Outcome::Gone),
            ("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", failed(500, "the receiver answered 500")),
            (
                "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n",
                failed(302, "the receiver answered 302; redirects are not followed"),
            ),
            // A body without an end is not waited for.
            ("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nx", Outcome::Delivered(StatusCode::OK)),
            ("", failed(0, "the receiver did not answer within 2 s")),
        ] {
            assert_eq!(sent(answer).await.0, outcome, "{answer}");
        }
    }

    #[test]
    fn one_account_takes_a_quarter_of_the_permits() {
        let sender = sender(8);
        let (ada, bob) = (UserId::new(1, [1; 10]), UserId::new(1, [2; 10]));
        let held: Vec<Permit> = (0..2).map(|_| sender.permit(ada).unwrap()).collect();
        assert!(sender.permit(ada).is_none());
        let other = sender.permit(bob).unwrap();
        drop(held);
        assert!(sender.permit(ada).is_some());
        drop(other);
        assert!(lock(&sender.accounts).is_empty(), "nothing is kept of accounts at rest");
    }

    #[tokio::test]
    async fn private_addresses_are_not_called() {
        let sender = sender(1);
        let delivery = delivery();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in
            ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433", "0.0.0.0"]
        {
            let webhook = WebhookContact {
                url: format!("https://{host}:{port}/").parse().unwrap(),
                secret: "whsec_c2VjcmV0".into(),
                previous_secret: None,
            };
            let outcome = sender.send(&webhook, &delivery).await;
            assert_eq!(outcome, Outcome::Failed(None, Forbidden.to_string()), "{host}");
        }
        assert!(listener.accept().is_err(), "nobody connected");
    }
}
