//! A parsed mail with its envelope.

use jiff::Timestamp;
use mail_parser::{Message, MessageParser, PartType};
use serde::Serialize;

/// The line that ends the envelope in a stored file.
const RECEIVED_BY: &str = "by framelift-dev-mail; ";

/// Who sent the mail and to whom it goes, as the SMTP client said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
}

/// A parsed mail, also as the API shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Mail {
    pub(crate) id: String,
    /// The `From` header, else the envelope's sender.
    pub(crate) from: String,
    /// The envelope's recipients.
    pub(crate) to: Vec<String>,
    pub(crate) subject: String,
    /// The `Date` header, else when the mail was received; RFC 3339.
    pub(crate) date: String,
    pub(crate) headers: Vec<Header>,
    pub(crate) text: Option<String>,
    pub(crate) html: Option<String>,
}

/// One header as it was written, unfolded.
#[derive(Debug, Serialize)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Envelope {
    /// The envelope as header lines, as a mail server adds them on delivery.
    pub(crate) fn to_headers(&self, received: Timestamp) -> String {
        let mut headers = format!("Return-Path: <{}>\r\n", printable(&self.from));
        for recipient in &self.to {
            headers.push_str(&format!("Delivered-To: {}\r\n", printable(recipient)));
        }
        let date = received.strftime("%a, %d %b %Y %H:%M:%S +0000");
        headers.push_str(&format!("Received: {RECEIVED_BY}{date}\r\n"));
        headers
    }

    /// Reads those lines back; headers of the mail itself do not count.
    fn from_headers(headers: &[Header]) -> Option<Self> {
        let mut envelope = Self::default();
        for header in headers {
            match (header.name.as_str(), header.value.as_str()) {
                ("Return-Path", value) => {
                    envelope.from = value.trim_matches(['<', '>']).to_owned();
                }
                ("Delivered-To", value) => envelope.to.push(value.to_owned()),
                ("Received", value) if value.starts_with(RECEIVED_BY) => return Some(envelope),
                _ => return None,
            }
        }
        None
    }
}

impl Mail {
    /// Parses a stored mail. What cannot be parsed is empty, never an error: the raw mail is
    /// there to look at.
    pub(crate) fn parse(id: String, received: Timestamp, raw: &[u8]) -> Self {
        match MessageParser::new().parse(raw) {
            Some(message) if !message.parts.is_empty() => Self::show(id, received, &message),
            _ => Self {
                id,
                from: String::new(),
                to: Vec::new(),
                subject: String::new(),
                date: received.to_string(),
                headers: Vec::new(),
                text: None,
                html: None,
            },
        }
    }

    fn show(id: String, received: Timestamp, message: &Message<'_>) -> Self {
        let headers: Vec<Header> = message
            .headers_raw()
            .map(|(name, value)| Header { name: name.to_owned(), value: unfold(value) })
            .collect();
        let envelope = Envelope::from_headers(&headers)
            .unwrap_or_else(|| Envelope { from: String::new(), to: addresses(message.to()) });
        Self {
            id,
            from: sender(message).unwrap_or(envelope.from),
            to: envelope.to,
            subject: message.subject().unwrap_or_default().to_owned(),
            date: message.date().map_or_else(|| received.to_string(), mail_parser::DateTime::to_rfc3339),
            text: message.text_bodies().find_map(|part| match &part.body {
                PartType::Text(text) => Some(text.clone().into_owned()),
                _ => None,
            }),
            html: message.html_bodies().find_map(|part| match &part.body {
                PartType::Html(html) => Some(html.clone().into_owned()),
                _ => None,
            }),
            headers,
        }
    }

    /// Whether the mail went to this address, whatever its case.
    pub(crate) fn is_to(&self, address: &str) -> bool {
        self.to.iter().any(|to| to.eq_ignore_ascii_case(address))
    }
}

fn sender(message: &Message<'_>) -> Option<String> {
    let from = message.from()?.first()?;
    let address = from.address()?;
    Some(match from.name() {
        Some(name) => format!("{name} <{address}>"),
        None => address.to_owned(),
    })
}

fn addresses(list: Option<&mail_parser::Address<'_>>) -> Vec<String> {
    list.into_iter()
        .flat_map(mail_parser::Address::iter)
        .filter_map(|one| one.address().map(str::to_owned))
        .collect()
}

fn unfold(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text without line breaks.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(raw: &str) -> Mail {
        Mail::parse("1".to_owned(), Timestamp::UNIX_EPOCH, raw.as_bytes())
    }

    #[test]
    fn the_envelope_is_read_back_and_the_mail_cannot_fake_it() {
        let envelope = Envelope {
            from: "a@example.org".to_owned(),
            to: vec!["b@example.org".to_owned(), "c@example.org".to_owned()],
        };
        let raw = envelope.to_headers(Timestamp::UNIX_EPOCH)
            + "Delivered-To: fake@example.org\r\nTo: other@example.org\r\n\r\nbody\r\n";
        let mail = parse(&raw);
        assert_eq!(mail.to, envelope.to);
        assert_eq!(mail.from, "a@example.org");
        assert!(mail.is_to("B@Example.org"));
        assert!(!mail.is_to("fake@example.org"));
        assert_eq!(mail.text.as_deref(), Some("body\r\n"));
        assert_eq!(mail.html, None);
        assert_eq!(mail.date, "1970-01-01T00:00:00Z");
    }

    #[test]
    fn an_address_cannot_add_a_line() {
        let envelope = Envelope { from: "a\r\nX: 1".to_owned(), to: vec!["b\rX: 2\n".to_owned()] };
        let headers = envelope.to_headers(Timestamp::UNIX_EPOCH);
        assert_eq!(headers.lines().count(), 3);
        assert!(!headers.contains("\r\nX"));
    }

    #[test]
    fn a_mail_from_elsewhere_is_shown_by_its_headers() {
        let mail = parse(
            "From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\r\nTo: A <a@example.org>, b@example.org\r\n\
             Subject: =?utf-8?b?8J+Onm8=?=\r\n folded\r\nDate: Sat, 31 Jan 2026 12:00:00 +0100\r\n\r\n",
        );
        assert_eq!(mail.from, "Jürgen <j@example.org>");
        assert_eq!(mail.to, ["a@example.org", "b@example.org"]);
        assert_eq!(mail.subject, "🎞o folded");
        assert_eq!(mail.date, "2026-01-31T12:00:00+01:00");
        assert_eq!(mail.headers[2].value, "=?utf-8?b?8J+Onm8=?= folded");
    }

    #[test]
    fn anything_can_be_parsed() {
        for raw in
            ["", "\r\n", "no header", ":\r\n:\r\n", "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x"]
        {
            let mail = parse(raw);
            assert_eq!(mail.subject, "");
            assert!(mail.to.is_empty());
        }
        let raw: Vec<u8> = (0..=255).collect();
        assert_eq!(Mail::parse("1".to_owned(), Timestamp::UNIX_EPOCH, &raw).html, None);
    }
}
