//! Notices as e-mails over SMTP.

use std::time::Duration;

use framelift_domain::CorrelationId;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls as SmtpTls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::text::MailText;
use crate::config::{Links, Smtp, Tls};
use crate::retry::{Retryable, retry};

/// Why an e-mail was not sent.
#[derive(Debug, thiserror::Error)]
pub enum EmailError {
    /// The mail server cannot be used as it is configured.
    #[error("the mail server's configuration: {0}")]
    Configuration(String),
    /// The server rejected it permanently, or the address is invalid.
    #[error("the e-mail is rejected: {0}")]
    Rejected(String),
    /// No answer, or a temporary refusal.
    #[error("the mail server does not take the e-mail: {0}")]
    Unavailable(String),
}

impl Retryable for EmailError {
    fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::Unavailable(_)).then_some(Duration::ZERO)
    }
}

/// Sends e-mails through one server.
#[derive(Debug)]
pub(crate) struct Email {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    /// The transport itself bounds only the connection's start.
    timeout: Duration,
    from: Mailbox,
    public_url: Option<Url>,
}

/// The correlation id as a header, so that a recipient can name the log lines that belong to the e-mail.
#[derive(Clone)]
struct CorrelationHeader(String);

impl Header for CorrelationHeader {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("X-Correlation-Id")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(text.to_owned()))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.clone())
    }
}

/// Marks the e-mail as automatic, so that no auto-reply is sent (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl Email {
    /// The configured server, if there is one.
    pub(crate) fn new(smtp: &Smtp, links: &Links) -> Result<Option<Self>, EmailError> {
        let (Some(host), Some(from)) = (&smtp.host, &smtp.from) else { return Ok(None) };
        let parameters = || {
            TlsParameters::new_rustls(host.clone())
                .map_err(|error| EmailError::Configuration(error.to_string()))
        };
        let (tls, port) = match smtp.tls {
            Tls::None => (SmtpTls::None, 25),
            Tls::StartTls => (SmtpTls::Required(parameters()?), 587),
            Tls::Tls => (SmtpTls::Wrapper(parameters()?), 465),
        };
        // "Dangerous" is lettre's word for the builder that leaves TLS to its caller.
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .tls(tls)
            .port(smtp.port.unwrap_or(port))
            .timeout(Some(smtp.timeout));
        if let (Some(username), Some(password)) = (&smtp.username, &smtp.password) {
            builder =
                builder.credentials(Credentials::new(username.clone(), password.expose_secret().to_owned()));
        }
        Ok(Some(Self {
            transport: builder.build(),
            timeout: smtp.timeout,
            from: from.clone(),
            public_url: links.public_url.clone(),
        }))
    }

    /// The address that links lead to.
    pub(crate) fn public_url(&self) -> Option<&Url> {
        self.public_url.as_ref()
    }

    /// Sends an e-mail to an address, on a new connection. Temporary failures are retried for `retry_timeout` or until `cancel`.
    /// The same `id` gives the same `Message-ID`, so that a receiver can recognize a second copy.
    pub(super) async fn send(
        &self,
        mail: &MailText,
        id: &str,
        correlation_id: &CorrelationId,
        address: &str,
        retry_timeout: Duration,
        cancel: &CancellationToken,
    ) -> Result<(), EmailError> {
        let message = compose(mail, id, correlation_id, address, &self.from)?;
        retry("e-mail", retry_timeout, cancel, || async {
            let sending = self.transport.send(message.clone());
            let sent = tokio::select! {
                sent = tokio::time::timeout(self.timeout, sending) => sent,
                () = cancel.cancelled() => return Err(EmailError::Unavailable("cancelled".into())),
            };
            match sent {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) if error.is_permanent() => Err(EmailError::Rejected(error.to_string())),
                Ok(Err(error)) => Err(EmailError::Unavailable(error.to_string())),
                Err(_) => {
                    Err(EmailError::Unavailable(format!("not done within {} s", self.timeout.as_secs())))
                }
            }
        })
        .await
    }
}

/// Makes the e-mail.
fn compose(
    mail: &MailText,
    id: &str,
    correlation_id: &CorrelationId,
    address: &str,
    from: &Mailbox,
) -> Result<Message, EmailError> {
    let rejected = |error: String| EmailError::Rejected(error);
    let to: Address = address.parse().map_err(|error| rejected(format!("the owner's address: {error}")))?;
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(mail.subject.clone())
        .date_now()
        .message_id(Some(format!("<{id}@{}>", from.email.domain())))
        .header(CorrelationHeader(correlation_id.to_string()))
        .header(AutoSubmitted)
        .multipart(MultiPart::alternative_plain_html(mail.text.clone(), mail.html.clone()))
        .map_err(|error| rejected(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::text::compose_text;
    use super::super::text::tests::failed;
    use super::*;

    fn composed(file_name: &str, address: &str) -> Result<String, EmailError> {
        let from = "Framelift <no-reply@frames.example.com>".parse().unwrap();
        let notice = failed(file_name);
        let mail = compose_text(&notice, "Ada", None);
        let id = format!("{}.failed", notice.video_id);
        let message = compose(&mail, &id, &notice.correlation_id, address, &from)?;
        Ok(String::from_utf8(message.formatted()).unwrap())
    }

    #[test]
    fn the_message_id_stays_the_same() {
        let first = composed("a.mp4", "ada@example.com").unwrap();
        let id = "Message-ID: <018bcfe5-6800-7101-8101-010101010101.failed@frames.example.com>";
        assert!(first.contains(id), "{first}");
        let second = composed("a.mp4", "ada@example.com").unwrap();
        assert!(second.contains(id), "{second}");
        let headers = ["Auto-Submitted: auto-generated", "Date: ", "text/plain"];
        assert!(headers.iter().all(|header| first.contains(header)), "{first}");
        for header in ["X-Correlation-Id: c-1", "To: ada@example.com", "multipart/alternative", "text/html"] {
            assert!(first.contains(header), "{header} is not in {first}");
        }
    }

    #[test]
    fn a_file_name_cannot_add_headers() {
        let mail = composed("x\r\nBcc: all@example.com", "ada@example.com").unwrap();
        assert!(!mail.contains("\nBcc:"), "{mail}");
    }

    #[test]
    fn a_bad_address_is_rejected_for_good() {
        assert!(matches!(composed("a.mp4", "nobody"), Err(EmailError::Rejected(_))));
    }

    /// Answers one connection as a server of SMTP would; one that stalls never answers `MAIL`. The number of mails
    /// that it took.
    async fn serve(stream: tokio::net::TcpStream, stalls: bool) -> usize {
        use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

        let (reader, mut writer) = stream.into_split();
        let mut lines = BufReader::new(reader).lines();
        let (mut taken, mut in_data) = (0, false);
        writer.write_all(b"220 it\r\n").await.unwrap();
        while let Ok(Some(line)) = lines.next_line().await {
            let answer: &[u8] = match &*line {
                "." => {
                    (taken, in_data) = (taken + 1, false);
                    b"250 taken\r\n"
                }
                _ if in_data => continue,
                "DATA" => {
                    in_data = true;
                    b"354 go on\r\n"
                }
                "QUIT" => b"221 bye\r\n",
                command if command.starts_with("MAIL") && stalls => continue,
                _ => b"250 fine\r\n",
            };
            writer.write_all(answer).await.unwrap();
        }
        taken
    }

    #[tokio::test]
    async fn what_was_given_up_half_way_is_sent_anew_on_another_connection() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let smtp = Smtp {
            host: Some(address.ip().to_string()),
            port: Some(address.port()),
            tls: Tls::None,
            username: None,
            password: None,
            from: Some("no-reply@example.com".parse().unwrap()),
            timeout: Duration::from_secs(1),
        };
        let email = Email::new(&smtp, &Links { public_url: None }).unwrap().unwrap();
        let mail = compose_text(&failed("a.mp4"), "Ada", None);
        let (never, id): (_, CorrelationId) = (CancellationToken::new(), "c-1".parse().unwrap());
        let sending = email.send(&mail, "1.failed", &id, "ada@example.com", Duration::from_secs(60), &never);
        let serving = async {
            let first = tokio::spawn(serve(listener.accept().await.unwrap().0, true));
            let second = tokio::spawn(serve(listener.accept().await.unwrap().0, false));
            (first.await.unwrap(), second.await.unwrap())
        };
        let (sent, taken) = tokio::join!(sending, serving);
        assert_eq!((sent.ok(), taken), (Some(()), (0, 1)));
    }
}
