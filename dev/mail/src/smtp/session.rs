//! The SMTP session: its state, and the answer to each request.

use smtp_proto::{AUTH_LOGIN, AUTH_PLAIN, Error, Request};

use crate::mail::Envelope;

/// RFC 5321, 4.5.3.1.8: at least a hundred recipients.
const MAX_RECIPIENTS: usize = 100;

pub(super) const TOO_LARGE: &str = "552 5.3.4 the mail is too large\r\n";
const OUT_OF_ORDER: &str = "503 5.5.1 bad sequence of commands\r\n";
const OK: &str = "250 2.0.0 ok\r\n";
const NOT_IMPLEMENTED: &str = "502 5.5.1 not implemented\r\n";
const ACCEPTED: &str = "235 2.7.0 accepted\r\n";

/// How to read on after a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Answer(String),
    Close(String),
    /// A line with a part of the credentials.
    Credentials(AuthStep, String),
    Data(String),
}

/// Which part of the credentials the next line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AuthStep {
    Name,
    Last,
}

/// One client's conversation.
pub(super) struct Session {
    max_mail_bytes: usize,
    greeted: bool,
    /// The mail being received: from when its sender is known, with its recipients so far.
    envelope: Option<Envelope>,
}

impl Session {
    pub(super) fn new(max_mail_bytes: usize) -> Self {
        Self { max_mail_bytes, greeted: false, envelope: None }
    }

    /// Resets the mail being received, and returns its envelope.
    pub(super) fn reset(&mut self) -> Envelope {
        self.envelope.take().unwrap_or_default()
    }

    pub(super) fn answer(&mut self, request: Request<String>) -> Next {
        let text = match request {
            Request::Ehlo { .. } => {
                self.greeted = true;
                self.reset();
                return Next::Answer(format!(
                    "250-localhost\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n\
                     250-ENHANCEDSTATUSCODES\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE {}\r\n",
                    self.max_mail_bytes
                ));
            }
            Request::Helo { .. } => {
                self.greeted = true;
                self.reset();
                "250 localhost\r\n"
            }
            Request::Mail { .. } if !self.greeted || self.envelope.is_some() => OUT_OF_ORDER,
            Request::Mail { from } if from.size > self.max_mail_bytes => TOO_LARGE,
            Request::Mail { from } => {
                self.envelope = Some(Envelope { from: from.address, to: Vec::new() });
                OK
            }
            Request::Rcpt { to } => match &mut self.envelope {
                None => OUT_OF_ORDER,
                Some(envelope) if envelope.to.len() >= MAX_RECIPIENTS => "452 4.5.3 too many recipients\r\n",
                Some(envelope) => {
                    envelope.to.push(to.address);
                    OK
                }
            },
            Request::Data => match &self.envelope {
                None => OUT_OF_ORDER,
                Some(envelope) if envelope.to.is_empty() => "554 5.5.1 no recipients\r\n",
                Some(_) => {
                    return Next::Data("354 end with a line that holds a dot\r\n".to_owned());
                }
            },
            Request::Auth { mechanism, initial_response } => return self.auth(mechanism, &initial_response),
            Request::Rset => {
                self.reset();
                OK
            }
            Request::Noop { .. } => OK,
            Request::Help { .. } => "214 2.0.0 every mail is taken and shown on the page\r\n",
            Request::Vrfy { .. } => "252 2.1.5 every address is good\r\n",
            Request::Quit => return Next::Close("221 2.0.0 bye\r\n".to_owned()),
            // Their data would follow at once and be read as requests.
            Request::Bdat { .. } | Request::Burl { .. } => {
                return Next::Close(NOT_IMPLEMENTED.to_owned());
            }
            Request::StartTls
            | Request::Lhlo { .. }
            | Request::Expn { .. }
            | Request::Etrn { .. }
            | Request::Atrn { .. } => NOT_IMPLEMENTED,
        };
        Next::Answer(text.to_owned())
    }

    /// Accepts any credentials, by either mechanism.
    fn auth(&self, mechanism: u64, initial: &str) -> Next {
        match mechanism {
            _ if !self.greeted || self.envelope.is_some() => Next::Answer(OUT_OF_ORDER.to_owned()),
            AUTH_PLAIN if initial.is_empty() => Next::Credentials(AuthStep::Last, "334 \r\n".to_owned()),
            AUTH_PLAIN => Next::Answer(ACCEPTED.to_owned()),
            // "Username:" and "Password:".
            AUTH_LOGIN if initial.is_empty() => {
                Next::Credentials(AuthStep::Name, "334 VXNlcm5hbWU6\r\n".to_owned())
            }
            AUTH_LOGIN => Next::Credentials(AuthStep::Last, "334 UGFzc3dvcmQ6\r\n".to_owned()),
            _ => Next::Answer("504 5.5.4 PLAIN or LOGIN, please\r\n".to_owned()),
        }
    }

    pub(super) fn credentials(&mut self, step: AuthStep, line: &[u8]) -> Next {
        match step {
            _ if line == b"*" => Next::Answer("501 5.7.0 as you like\r\n".to_owned()),
            AuthStep::Name => Next::Credentials(AuthStep::Last, "334 UGFzc3dvcmQ6\r\n".to_owned()),
            AuthStep::Last => Next::Answer(ACCEPTED.to_owned()),
        }
    }
}

/// The answer to a malformed request.
pub(super) fn refuse(error: &Error) -> String {
    let (code, text) = match error {
        Error::UnknownCommand => ("500 5.5.1", "unknown command"),
        Error::InvalidSenderAddress => ("501 5.1.7", "not an address"),
        Error::InvalidRecipientAddress => ("501 5.1.3", "not an address"),
        Error::UnsupportedParameter { .. } => ("555 5.5.4", "unknown parameter"),
        Error::ResponseTooLong => ("500 5.5.6", "the line is too long"),
        _ => ("501 5.5.4", "syntax error"),
    };
    format!("{code} {text}\r\n")
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn send(session: &mut Session, line: &str) -> String {
        let line = format!("{line}\r\n");
        let request: Result<Request<Cow<'_, str>>, Error> = Request::parse(&mut line.as_bytes().iter());
        match request {
            Err(error) => refuse(&error),
            Ok(request) => match session.answer(request.into_owned()) {
                Next::Answer(text) | Next::Credentials(_, text) | Next::Data(text) => text,
                Next::Close(text) => format!("closes: {text}"),
            },
        }
    }

    #[test]
    fn requests_come_in_order() {
        let mut session = Session::new(1000);
        for (line, code) in [
            ("MAIL FROM:<a@example.org>", "503"),
            ("EHLO client.example.org", "250"),
            ("RCPT TO:<b@example.org>", "503"),
            ("DATA", "503"),
            ("MAIL FROM:<a@example.org> SIZE=1001", "552"),
            ("MAIL FROM:<a@example.org> SIZE=1000 BODY=8BITMIME", "250"),
            ("MAIL FROM:<a@example.org>", "503"),
            ("AUTH PLAIN AGEAYg==", "503"),
            ("DATA", "554"),
            ("RCPT TO:<b@example.org>", "250"),
            ("DATA", "354"),
            ("RSET", "250"),
            ("DATA", "503"),
            ("MAIL FROM:<>", "250"),
            ("HELO again", "250"),
            ("RCPT TO:<b@example.org>", "503"),
        ] {
            let answer = send(&mut session, line);
            assert!(answer.starts_with(code), "{line}: {answer}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said() {
        let mut session = Session::new(1000);
        send(&mut session, "EHLO client.example.org");
        for (line, code) in [
            ("", "500"),
            ("DANCE", "500"),
            ("MAIL FROM:a@example.org", "501"),
            ("MAIL FROM:<a@example.org> DANCE=YES", "555"),
            ("STARTTLS", "502"),
            ("VRFY a", "252"),
            ("NOOP", "250"),
            ("HELP", "214"),
            ("EXPN list", "502"),
            ("AUTH CRAM-MD5", "504"),
            ("BDAT 10 LAST", "closes: 502"),
            ("QUIT", "closes: 221"),
        ] {
            let answer = send(&mut session, line);
            assert!(answer.starts_with(code), "{line}: {answer}");
        }
    }

    #[test]
    fn any_credentials_are_good() {
        let mut session = Session::new(1000);
        send(&mut session, "EHLO client.example.org");
        assert!(send(&mut session, "AUTH PLAIN AGEAYg==").starts_with("235"));
        assert!(send(&mut session, "AUTH PLAIN").starts_with("334"));
        assert!(send(&mut session, "AUTH LOGIN").starts_with("334 VXNl"));
        let next = session.credentials(AuthStep::Name, b"YQ==");
        assert!(matches!(next, Next::Credentials(AuthStep::Last, _)));
        assert_eq!(session.credentials(AuthStep::Last, b"Yg=="), Next::Answer(ACCEPTED.to_owned()));
        assert!(matches!(
            session.credentials(AuthStep::Last, b"*"),
            Next::Answer(answer) if answer.starts_with("501")
        ));
    }

    #[test]
    fn recipients_have_an_end() {
        let mut session = Session::new(1000);
        send(&mut session, "EHLO client.example.org");
        send(&mut session, "MAIL FROM:<a@example.org>");
        for _ in 0..100 {
            assert_eq!(send(&mut session, "RCPT TO:<b@example.org>"), OK);
        }
        assert!(send(&mut session, "RCPT TO:<b@example.org>").starts_with("452"));
    }
}
