//! The API's form of records.

use framelift_contract::message::NoticeKind;
use framelift_contract::object_key;
use framelift_contract::options::OptionsBody;
use framelift_contract::plugin::JobPlugin;
use framelift_contract::report::{Job, Notice, ReportAnswer};
use framelift_contract::video::{AcceptedResponse, Status, VideoResponse};
use framelift_contract::webhook::{DeliveryAttempt, DeliveryStatus, EventType, WebhookDelivery};
use framelift_domain::video::State;
use framelift_domain::{EventId, Limits, Video};

use super::Found;
use crate::store::outbox::{Attempt, Delivery, DeliveryState, EventKind};

/// The status of a state; none for a deleted video.
pub const fn status(state: &State) -> Option<Status> {
    Some(match state {
        State::AwaitingUpload { .. } => Status::AwaitingUpload,
        State::Queued => Status::Queued,
        State::Pending(_) => Status::Pending,
        State::Processing(_) => Status::Processing,
        State::Completed { .. } => Status::Completed,
        State::Failed { .. } => Status::Failed,
        State::Canceled { .. } => Status::Canceled,
        State::Expired { .. } => Status::Expired,
        State::Deleted { .. } => return None,
    })
}

/// The status of a video in an answer to a worker, in which a deleted video is canceled.
fn status_or_canceled(video: &Video) -> Status {
    status(&video.state).unwrap_or(Status::Canceled)
}

/// A video, as its owner sees it.
pub fn video(found: &Found) -> VideoResponse {
    let Found { video, queue_position } = found;
    let state = &video.state;
    let attempts = state.attempts();
    let result = match state {
        State::Completed { result, .. } => Some(result.into()),
        _ => None,
    };
    VideoResponse {
        id: video.id,
        file_name: video.file_name.clone(),
        size_bytes: video.size_bytes,
        status: status_or_canceled(video),
        options: OptionsBody::spelled_out(&video.options),
        progress: state.progress().into(),
        attempt: attempts.made,
        queue_position: queue_position.filter(|_| matches!(state, State::Queued)),
        result,
        failure: state.failure().cloned(),
        created_at: video.created_at,
        started_at: attempts.first_claim,
        completed_at: state.end().map(|end| end.at),
    }
}

/// The answer to creating and to canceling a video: its status now.
pub fn accepted(video: &Video) -> AcceptedResponse {
    AcceptedResponse { id: video.id, status: status_or_canceled(video) }
}

/// The answer to a call that queues a video: `queued` or `pending`, even if the video has progressed since, so that a
/// repeated call gets the same answer as the first.
pub fn handed_over(video: &Video) -> AcceptedResponse {
    let status = match video.state {
        State::Queued => Status::Queued,
        _ => Status::Pending,
    };
    AcceptedResponse { id: video.id, status }
}

/// The whole job of a video that is being processed; none in any other state.
pub fn job(video: &Video, limits: &Limits) -> Option<Job> {
    let State::Processing(processing) = &video.state else { return None };
    let attempt = processing.attempts.made;
    Some(Job {
        video_id: video.id,
        user_id: video.owner,
        correlation_id: video.correlation_id.clone(),
        file_name: video.file_name.clone(),
        size_bytes: video.size_bytes,
        options: OptionsBody::spelled_out(&video.options),
        plugins: video.options.plugins.iter().filter_map(|it| JobPlugin::of(video.owner, it)).collect(),
        source_key: object_key::upload(video.owner, video.root()),
        result_key: object_key::result(video.owner, video.id, attempt),
        index_key: Some(object_key::frame_index(video.owner, video.id, attempt)),
        result_prefix: object_key::results_of(video.owner, video.id),
        attempt,
        lease_expires_at: processing.lease.expires_at,
        lease_s: limits.lease_s,
        deadline: processing.started_at.plus_s(limits.max_job_s),
    })
}

/// The unsent notice, if there is one.
pub fn notice(video: &Video) -> Option<Notice> {
    let (kind, end) = match &video.state {
        State::Completed { notified: false, end, .. } => (NoticeKind::Completed, end),
        State::Failed { notified: false, end, .. } => (NoticeKind::Failed, end),
        State::Expired { notified: false, end, .. } => (NoticeKind::Expired, end),
        _ => return None,
    };
    Some(Notice {
        kind,
        video_id: video.id,
        user_id: video.owner,
        correlation_id: video.correlation_id.clone(),
        file_name: video.file_name.clone(),
        completed_at: end.at,
        failure: video.state.failure().cloned(),
    })
}

/// A delivery, as its owner sees it.
pub fn delivery(id: EventId, delivery: Delivery) -> WebhookDelivery {
    let (status, next_attempt_at) = match delivery.state {
        DeliveryState::Pending { next_at, .. } => (DeliveryStatus::Pending, Some(next_at)),
        DeliveryState::Delivered => (DeliveryStatus::Delivered, None),
        DeliveryState::Failed => (DeliveryStatus::Failed, None),
    };
    WebhookDelivery {
        id,
        event: delivery.event.into(),
        video_id: delivery.video,
        created_at: delivery.created_at,
        status,
        attempts: delivery.attempts.into_iter().map(DeliveryAttempt::from).collect(),
        next_attempt_at,
    }
}

impl From<EventKind> for EventType {
    fn from(event: EventKind) -> Self {
        match event {
            EventKind::VideoCompleted => Self::VideoCompleted,
            EventKind::VideoFailed => Self::VideoFailed,
            EventKind::VideoExpired => Self::VideoExpired,
            EventKind::PluginRejected => Self::PluginRejected,
            EventKind::WebhookTest => Self::WebhookTest,
        }
    }
}

impl From<EventType> for EventKind {
    fn from(event: EventType) -> Self {
        match event {
            EventType::VideoCompleted => Self::VideoCompleted,
            EventType::VideoFailed => Self::VideoFailed,
            EventType::VideoExpired => Self::VideoExpired,
            EventType::PluginRejected => Self::PluginRejected,
            EventType::WebhookTest => Self::WebhookTest,
        }
    }
}

impl From<Attempt> for DeliveryAttempt {
    fn from(attempt: Attempt) -> Self {
        let Attempt { at, status, error } = attempt;
        Self { at, status, error }
    }
}

/// The answer to a report.
pub fn report(video: &Video) -> ReportAnswer {
    let lease_expires_at = match &video.state {
        State::Processing(processing) => Some(processing.lease.expires_at),
        _ => None,
    };
    ReportAnswer { status: status_or_canceled(video), lease_expires_at, notice: notice(video) }
}
