//! Reads a message's text.

use framelift_contract::message::Message;
use framelift_contract::object_key;
use framelift_domain::VideoId;

use crate::report::Trace;

/// What a message asks.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// The video.
    pub video_id: VideoId,
    /// What follows it through every call.
    pub trace: Trace,
    /// Only a notice is to be sent.
    pub notice: bool,
    /// It came in the older form, which names an object and not a video.
    pub legacy: bool,
}

/// What a message's text is.
#[derive(Clone, Debug)]
pub(crate) enum Understood {
    /// A task.
    Task(Task),
    /// Nothing for this program, and why.
    Nothing(String),
}

/// Reads a message. Nothing but ids is taken from it.
pub(crate) fn understand(body: &str, message_id: &str) -> Understood {
    match Message::parse(body) {
        Ok(Message::Job(job)) => Understood::Task(Task {
            video_id: job.video_id,
            trace: Trace { correlation_id: job.correlation_id, traceparent: job.traceparent },
            notice: job.notice.is_some(),
            legacy: false,
        }),
        Ok(Message::Legacy(legacy)) => {
            let Some((_, video_id)) = object_key::parse_upload(&legacy.s3_path) else {
                return Understood::Nothing("s3_path is not the key of an upload".into());
            };
            // The older form has no correlation id; the message's own id serves.
            match message_id.parse().or_else(|_| format!("legacy-{video_id}").parse()) {
                Ok(correlation_id) => Understood::Task(Task {
                    video_id,
                    trace: Trace { correlation_id, traceparent: None },
                    notice: false,
                    legacy: true,
                }),
                Err(_) => Understood::Nothing("the message has no usable id".into()),
            }
        }
        Err(error) => Understood::Nothing(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use framelift_domain::UserId;

    use super::*;

    fn task(body: &str) -> Option<Task> {
        match understand(body, "9c0b0a1e-0000-4000-8000-000000000000") {
            Understood::Task(task) => Some(task),
            Understood::Nothing(reason) => {
                assert!(!reason.is_empty());
                None
            }
        }
    }

    #[test]
    fn both_forms_name_a_video() {
        let (user, video) = (UserId::new(1, [1; 10]), VideoId::new(2, [2; 10]));
        let job = |more: &str| {
            format!(r#"{{"version":1,"video_id":"{video}","user_id":"{user}","correlation_id":"c-1"{more}}}"#)
        };
        let plain = task(&job("")).unwrap();
        assert_eq!((plain.video_id, plain.notice, plain.legacy), (video, false, false));
        assert!(task(&job(r#","notice":"failed""#)).unwrap().notice);

        let legacy =
            task(&format!(r#"{{"s3_path":"s3://bucket/uploads/{user}/{video}","filename":"a.mp4"}}"#))
                .unwrap();
        assert_eq!((legacy.video_id, legacy.legacy), (video, true));
        assert_eq!(legacy.trace.correlation_id.as_str(), "9c0b0a1e-0000-4000-8000-000000000000");
    }

    #[test]
    fn what_is_no_job_is_not_understood() {
        for bad in [
            "",
            "hello",
            "{}",
            r#"{"version":2}"#,
            r#"{"s3_path":"videos/a.mp4","filename":"a.mp4"}"#,
            r#"{"s3_path":"s3://bucket/uploads/../x","filename":"a.mp4"}"#,
        ] {
            assert!(task(bad).is_none(), "{bad}");
        }
    }
}
