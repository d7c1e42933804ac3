//! Links that are mailed to the owners of accounts.

use serde_json::json;

use crate::rig::{JOBS, Rig};

const USER: &str = "018bcfe5-6800-7707-8707-070707070708";
const LINK: &str = "018bcfe5-6800-7707-8707-070707070707";

fn message(kind: &str) -> String {
    json!({"version": 1, "video_id": LINK, "user_id": USER, "correlation_id": "c-9", "notice": kind})
        .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_mailed_as_often_as_its_message_comes_under_one_id() {
    let rig = Rig::start().await;
    rig.control.set_account_mail(Some(json!({
        "name": "Ada", "email": "ada@example.com", "token": "a.b.c", "expires_at": "2026-01-02T03:04:05.678Z"
    })));
    for kind in ["password_reset", "password_reset", "email_verification"] {
        rig.send_text(JOBS, &message(kind)).await;
        rig.no_messages().await;
    }
    let mails = rig.smtp.mails();
    let count = |part: &str| mails.iter().filter(|mail| mail.contains(part)).count();
    assert_eq!(mails.len(), 3);
    assert_eq!(count(&format!("Message-ID: <{LINK}.password-reset@frames.example.com>")), 2);
    assert_eq!(count(&format!("Message-ID: <{LINK}.email-verification@frames.example.com>")), 1);
    assert_eq!(
        (count("https://frames.example.com/reset#token"), count("https://frames.example.com/verify#token")),
        (2, 1)
    );
    assert_eq!((count("To: ada@example.com"), count("X-Correlation-Id: c-9")), (3, 3));
    let asked = rig.control.calls("mail");
    assert_eq!(asked[0].body, json!({"kind": "password_reset", "link_id": LINK}));
    assert!(rig.control.calls("notice").is_empty(), "it is no notice of a video");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_mailed_a_link_that_is_void_or_an_account_that_there_is_not() {
    let rig = Rig::start().await;
    rig.send_text(JOBS, &message("password_reset")).await;
    rig.no_messages().await;
    assert_eq!(rig.control.calls("mail").len(), 1);
    assert!(rig.smtp.mails().is_empty());
}
