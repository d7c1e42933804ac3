//! The texts of e-mails.

use framelift_contract::account::AccountMail;
use framelift_contract::message::NoticeKind;
use framelift_contract::report::Notice;
use framelift_contract::webhook::PluginEvent;
use framelift_domain::CorrelationId;
use url::Url;

/// Subject and body of an e-mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MailText {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

/// Makes a name fit into a line: without line breaks and control characters, and shortened.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(120).collect()
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Writes the text of a notice.
pub(super) fn compose_text(notice: &Notice, name: &str, public_url: Option<&Url>) -> MailText {
    let file = one_line(&notice.file_name);
    let mut lines = Vec::new();
    let subject = match notice.kind {
        NoticeKind::Completed
        | NoticeKind::Webhook
        | NoticeKind::PasswordReset
        | NoticeKind::EmailVerification => {
            lines.push(format!("the frames of your video \"{file}\" are ready."));
            format!("Your frames are ready: {file}")
        }
        NoticeKind::Expired => {
            lines.push(format!("the upload of your video \"{file}\" did not arrive in time."));
            lines.push("What you can do: upload the file again.".to_owned());
            format!("Your upload did not arrive: {file}")
        }
        NoticeKind::Failed => {
            lines.push(format!("your video \"{file}\" could not be processed."));
            if let Some(failure) = &notice.failure {
                lines.push(format!(
                    "Reason: {} ({}).",
                    one_line(failure.message.trim_end_matches('.')),
                    failure.code.as_str()
                ));
                lines.push(format!("What you can do: {}", failure.code.hint()));
            }
            format!("Your video could not be processed: {file}")
        }
    };
    let link = public_url.and_then(|url| url.join(&format!("#/videos/{}", notice.video_id)).ok());
    let reference =
        format!("Video {}, {}, reference {}", notice.video_id, notice.completed_at, notice.correlation_id);
    letter(subject, name, &lines, link.as_ref().map(|link| ("Look at the video", link)), &reference)
}

/// Writes a mail with a link that proves that its reader owns the address; `None` for kinds without a link.
/// The token follows `#`, which browsers do not send, so it appears in no log.
pub(super) fn with_link(
    kind: NoticeKind,
    mail: &AccountMail,
    public_url: &Url,
    reference: &CorrelationId,
) -> Option<MailText> {
    let until = format!("The link works once, until {}.", mail.expires_at);
    let (path, subject, label, lines) = match kind {
        NoticeKind::PasswordReset => (
            "reset",
            "Set a new password",
            "Set a new password",
            [
                "somebody, most likely you, asked for a new password for your account.".to_owned(),
                format!("Follow the link to set one, which ends all your logins. {until}"),
                "If it was not you, there is nothing to do: your password stays as it is.".to_owned(),
            ],
        ),
        NoticeKind::EmailVerification => (
            "verify",
            "Confirm your e-mail address",
            "Confirm the address",
            [
                "an account was made with this e-mail address.".to_owned(),
                format!("Follow the link to confirm that the address is yours. {until}"),
                "If it was not you, there is nothing to do.".to_owned(),
            ],
        ),
        _ => return None,
    };
    let link = public_url.join(&format!("{path}#token={}", mail.token)).ok()?;
    let reference = format!("Reference {reference}");
    Some(letter(subject.to_owned(), &mail.name, &lines, Some((label, &link)), &reference))
}

/// Writes that a plugin was rejected by its check.
pub(super) fn plugin_rejected(name: &str, plugin: &PluginEvent, reference: &CorrelationId) -> MailText {
    let called = one_line(&plugin.plugin);
    let lines = [
        format!("your plugin \"{called}\" did not pass its check."),
        format!("Reason: {}.", one_line(plugin.reason.trim_end_matches('.'))),
        "What you can do: `framelift plugin check` says the same on your machine. Upload the plugin again when it \
         passes."
            .to_owned(),
    ];
    letter(
        format!("Your plugin was rejected: {called}"),
        name,
        &lines,
        None,
        &format!("Reference {reference}"),
    )
}

/// Writes that a webhook is turned off, because its receiver is gone.
pub(super) fn webhook_off(name: &str, host: &str, reference: &CorrelationId) -> MailText {
    let lines = [
        format!(
            "your webhook at {} is turned off: its receiver answered that it is gone (410).",
            one_line(host)
        ),
        "What you can do: set the webhook again in your account, if you still want it.".to_owned(),
    ];
    letter("Your webhook is turned off".into(), name, &lines, None, &format!("Reference {reference}"))
}

/// Formats paragraphs as a letter, in text and HTML.
fn letter(
    subject: String,
    name: &str,
    lines: &[String],
    link: Option<(&str, &Url)>,
    reference: &str,
) -> MailText {
    let greeting = format!("Hello {},", one_line(name));
    let lines: Vec<&str> =
        std::iter::once(greeting.as_str()).chain(lines.iter().map(String::as_str)).collect();
    let mut text = lines.join("\n\n");
    let paragraphs: String = lines.iter().map(|line| format!("<p>{}</p>\n", escape(line))).collect();
    let mut html = format!("<!doctype html>\n<html lang=\"en\"><body>\n{paragraphs}");
    if let Some((label, link)) = link {
        text.push_str(&format!("\n\n{link}"));
        let link = escape(link.as_str());
        html.push_str(&format!("<p><a href=\"{link}\">{label}</a></p>\n"));
    }
    text.push_str(&format!("\n\n-- \n{reference}\n"));
    html.push_str(&format!("<p><small>{}</small></p>\n</body></html>\n", escape(reference)));
    MailText { subject, text, html }
}

#[cfg(test)]
pub(super) mod tests {
    use framelift_domain::{Failure, FailureCode, Time, UserId, VideoId};

    use super::*;

    pub(in super::super) fn failed(file_name: &str) -> Notice {
        Notice {
            kind: NoticeKind::Failed,
            video_id: VideoId::new(1_700_000_000_000, [1; 10]),
            user_id: UserId::new(1_700_000_000_000, [2; 10]),
            correlation_id: "c-1".parse().unwrap(),
            file_name: file_name.to_owned(),
            completed_at: Time::from_unix_ms(1_700_000_000_000),
            failure: Some(Failure::new(FailureCode::NoVideoStream, "the file has 1 audio stream only.")),
        }
    }

    #[test]
    fn a_failure_says_what_why_and_what_to_do() {
        let url = Url::parse("https://frames.example.com/").unwrap();
        let text = compose_text(&failed("song.mp4"), "Ada", Some(&url));
        assert_eq!(text.subject, "Your video could not be processed: song.mp4");
        for part in [
            "Hello Ada,",
            "song.mp4",
            "the file has 1 audio stream only (no-video-stream).",
            FailureCode::NoVideoStream.hint(),
            "https://frames.example.com/#/videos/018bcfe5-6800-7101-8101-010101010101",
            "reference c-1",
        ] {
            assert!(text.text.contains(part), "{part} is not in {}", text.text);
            assert!(text.html.contains(&escape(part)), "{part} is not in {}", text.html);
        }
    }

    #[test]
    fn an_upload_that_did_not_come_and_a_webhook_that_is_gone() {
        let notice = Notice { kind: NoticeKind::Expired, failure: None, ..failed("holiday.mp4") };
        let mail = compose_text(&notice, "Ada", None);
        assert_eq!(mail.subject, "Your upload did not arrive: holiday.mp4");
        assert!(mail.text.contains("upload the file again") && mail.html.contains("holiday.mp4"));
        let mail = webhook_off("<b>", "hooks.example.com\r\nBcc: x", &"c-1".parse().unwrap());
        assert!(mail.text.contains("hooks.example.com  Bcc: x is turned off"), "{}", mail.text);
        assert!(!mail.html.contains("<b>") && mail.text.contains("Reference c-1"));
    }

    #[test]
    fn mailed_links_have_their_tokens_behind_the_hash() {
        let url = Url::parse("https://frames.example.com/").unwrap();
        let mail = AccountMail {
            name: "<b>".into(),
            email: "ada@example.com".into(),
            token: "a.b-c_d.e".into(),
            expires_at: Time::from_unix_ms(1_700_000_000_000),
        };
        for (kind, path, says) in [
            (NoticeKind::PasswordReset, "reset", "works once, until 2023-11-14T22:13:20.000Z"),
            (NoticeKind::EmailVerification, "verify", "confirm that the address is yours"),
        ] {
            let text = with_link(kind, &mail, &url, &"c-1".parse().unwrap()).unwrap();
            let link = format!("https://frames.example.com/{path}#token=a.b-c_d.e");
            assert!(text.text.contains(&link) && text.html.contains(&link), "{}", text.text);
            assert!(text.text.contains(says) && !text.html.contains("<b>"), "{}", text.text);
        }
        assert_eq!(with_link(NoticeKind::Failed, &mail, &url, &"c-1".parse().unwrap()), None);
    }

    #[test]
    fn a_rejected_plugin_and_why() {
        let plugin = PluginEvent { plugin: "mark".into(), reason: "it imports wasi:sockets/tcp.".into() };
        let mail = plugin_rejected("Ada", &plugin, &"c-1".parse().unwrap());
        assert_eq!(mail.subject, "Your plugin was rejected: mark");
        assert!(mail.text.contains("Reason: it imports wasi:sockets/tcp.\n"), "{}", mail.text);
    }

    #[test]
    fn what_users_wrote_is_text_and_one_line() {
        let text = compose_text(&failed("<img src=x>\r\nBcc: all@example.com"), "<b>", None);
        assert!(!text.subject.contains(['\r', '\n']));
        assert!(!text.html.contains("<img") && !text.html.contains("<b>"), "{}", text.html);
        assert!(!text.html.contains("href"));
    }
}
