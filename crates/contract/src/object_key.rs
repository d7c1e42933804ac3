//! Where objects lie in the bucket: keys are made of ids alone, never of what a user sent.

use framelift_domain::{UserId, VideoId};

/// The prefix of every upload.
pub const UPLOADS: &str = "uploads/";
/// The prefix of every result.
pub const RESULTS: &str = "results/";

/// The upload of a video.
pub fn upload(user: UserId, video: VideoId) -> String {
    format!("{UPLOADS}{user}/{video}")
}

/// The prefix of all archives of a video, of whatever attempt.
pub fn results_of(user: UserId, video: VideoId) -> String {
    format!("{RESULTS}{user}/{video}/")
}

/// The archive that one attempt writes: each attempt has its own, so that a stale worker
/// cannot overwrite a published result.
pub fn result(user: UserId, video: VideoId, attempt: u32) -> String {
    format!("{}{attempt}.zip", results_of(user, video))
}

/// The owner and the video of an upload's key, also as `s3://bucket/key` and with a leading `/`.
pub fn parse_upload(path: &str) -> Option<(UserId, VideoId)> {
    let key = match path.strip_prefix("s3://") {
        Some(rest) => rest.split_once('/')?.1,
        None => path.trim_start_matches('/'),
    };
    let (user, video) = key.strip_prefix(UPLOADS)?.split_once('/')?;
    Some((user.parse().ok()?, video.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_is_found_again() {
        let (user, video) = (UserId::new(1, [1; 10]), VideoId::new(2, [2; 10]));
        let key = upload(user, video);
        for path in [key.clone(), format!("/{key}"), format!("s3://bucket/{key}")] {
            assert_eq!(parse_upload(&path), Some((user, video)));
        }
        for bad in ["", "s3://bucket", "uploads/x/y", "results/a/b", &format!("{key}/x")] {
            assert_eq!(parse_upload(bad), None, "{bad}");
        }
        assert_eq!(result(user, video, 3), format!("results/{user}/{video}/3.zip"));
    }
}
