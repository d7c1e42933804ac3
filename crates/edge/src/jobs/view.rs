//! Records as they stand on the wire, and reports as the records keep them.

use framelift_contract::message::NoticeKind;
use framelift_contract::object_key;
use framelift_contract::options::OptionsBody;
use framelift_contract::plugin::JobPlugin;
use framelift_contract::report::{CompleteReport, Job, Notice, ReportAnswer};
use framelift_contract::rules::SHA256;
use framelift_contract::video::{self as wire, AcceptedResponse, Status, VideoResponse, VideoResult};
use framelift_domain::video::{Extraction, Progress, Stage, State};
use framelift_domain::{Limits, Video};

use super::Found;

/// The status of a state; a deleted video has none, it is not there.
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

/// The status of a video for an answer that has to have one: a worker hears of a deleted video
/// as of a canceled one.
fn status_or_canceled(video: &Video) -> Status {
    status(&video.state).unwrap_or(Status::Canceled)
}

/// A video, as its owner sees it.
pub fn video(found: &Found) -> VideoResponse {
    let Found { video, queue_position } = found;
    let state = &video.state;
    let attempts = state.attempts();
    let result = match state {
        State::Completed { result, .. } => Some(VideoResult {
            size_bytes: result.size_bytes,
            frames: result.frames,
            sha256: result.sha256.clone(),
            warnings: result.warnings.clone(),
        }),
        _ => None,
    };
    VideoResponse {
        id: video.id,
        file_name: video.file_name.clone(),
        size_bytes: video.size_bytes,
        status: status_or_canceled(video),
        options: OptionsBody::spelled_out(&video.options),
        progress: progress(&state.progress()),
        attempt: attempts.made,
        queue_position: queue_position.filter(|_| matches!(state, State::Queued)),
        result,
        failure: state.failure().cloned(),
        created_at: video.created_at,
        started_at: attempts.first_claim,
        completed_at: state.end().map(|end| end.at),
    }
}

/// What creating a video and calling it off answer: its status now.
pub fn accepted(video: &Video) -> AcceptedResponse {
    AcceptedResponse { id: video.id, status: status_or_canceled(video) }
}

/// What handing a video over answers: waiting in its owner's line or handed to the queue, however far
/// it is by now, so that a repeated call gets the answer that the first one got.
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
        result_prefix: object_key::results_of(video.owner, video.id),
        attempt,
        lease_expires_at: processing.lease.expires_at,
        lease_s: limits.lease_s,
        deadline: processing.started_at.plus_s(limits.max_job_s),
    })
}

/// The notice that is still to be sent, if there is one.
pub fn notice(video: &Video) -> Option<Notice> {
    let (kind, end) = match &video.state {
        State::Completed { notified: false, end, .. } => (NoticeKind::Completed, end),
        State::Failed { notified: false, end, .. } => (NoticeKind::Failed, end),
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

/// The answer to a report.
pub fn report(video: &Video) -> ReportAnswer {
    let lease_expires_at = match &video.state {
        State::Processing(processing) => Some(processing.lease.expires_at),
        _ => None,
    };
    ReportAnswer { status: status_or_canceled(video), lease_expires_at, notice: notice(video) }
}

/// How far a video is, for the wire.
pub fn progress(progress: &Progress) -> wire::Progress {
    wire::Progress {
        stage: progress.stage.as_str().to_owned(),
        percent: progress.percent,
        frames_done: progress.frames_done,
        frames_expected: progress.frames_expected,
        bytes_read: progress.bytes_read,
    }
}

/// How far a worker says it is; none if there is no such stage or percentage.
pub fn progress_in(progress: &wire::Progress) -> Option<Progress> {
    let stage = Stage::ALL.into_iter().find(|stage| stage.as_str() == progress.stage)?;
    (progress.percent <= 100).then_some(Progress {
        stage,
        percent: progress.percent,
        frames_done: progress.frames_done,
        frames_expected: progress.frames_expected,
        bytes_read: progress.bytes_read,
    })
}

/// What a worker says that it made; none if the hash is none.
pub fn extraction_in(report: &CompleteReport) -> Option<Extraction> {
    SHA256.allows(&report.sha256).then(|| Extraction {
        size_bytes: report.size_bytes,
        frames: report.frames,
        sha256: report.sha256.clone(),
        bytes_read: report.bytes_read,
        warnings: report.warnings.clone(),
    })
}
