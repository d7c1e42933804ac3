//! The texts of e-mails.

use framelift_contract::message::NoticeKind;
use framelift_contract::report::Notice;
use framelift_domain::CorrelationId;
use url::Url;

/// Subject and body of an e-mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MailText {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

/// A name as it may stand in a line: no line breaks, no control characters, not endless.
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
        NoticeKind::Completed | NoticeKind::Webhook => {
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

/// Puts paragraphs into a letter, as text and as HTML.
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
    fn what_users_wrote_is_text_and_one_line() {
        let text = compose_text(&failed("<img src=x>\r\nBcc: all@example.com"), "<b>", None);
        assert!(!text.subject.contains(['\r', '\n']));
        assert!(!text.html.contains("<img") && !text.html.contains("<b>"), "{}", text.html);
        assert!(!text.html.contains("href"));
    }
}
