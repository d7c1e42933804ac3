//! Object keys. They consist of ids, never of user input.

use framelift_domain::{PluginId, UserId, VideoId};

/// The prefix of every upload.
pub const UPLOADS: &str = "uploads/";
/// The prefix of every result.
pub const RESULTS: &str = "results/";
/// The prefix of every plugin.
pub const PLUGINS: &str = "plugins/";

/// The upload of a video.
pub fn upload(user: UserId, video: VideoId) -> String {
    format!("{UPLOADS}{user}/{video}")
}

/// The prefix of all archives and indexes of a video, of whatever attempt.
pub fn results_of(user: UserId, video: VideoId) -> String {
    format!("{RESULTS}{user}/{video}/")
}

/// The archive of one attempt. Each attempt has its own, so that a stale worker cannot overwrite a published
/// result.
pub fn result(user: UserId, video: VideoId, attempt: u32) -> String {
    format!("{}{attempt}.zip", results_of(user, video))
}

/// The index of the frames in the archive of one attempt ([`crate::frame_index`]).
pub fn frame_index(user: UserId, video: VideoId, attempt: u32) -> String {
    format!("{}{attempt}.index.bin", results_of(user, video))
}

/// The component of one version of a user's plugin.
pub fn plugin(user: UserId, plugin: PluginId) -> String {
    format!("{PLUGINS}{user}/{plugin}.wasm")
}

/// The prefixes of all objects of a user.
pub fn of_user(user: UserId) -> [String; 3] {
    [UPLOADS, RESULTS, PLUGINS].map(|prefix| format!("{prefix}{user}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attempt_has_its_own_archive() {
        let (user, video) = (UserId::new(1, [1; 10]), VideoId::new(2, [2; 10]));
        assert_eq!(upload(user, video), format!("uploads/{user}/{video}"));
        assert_eq!(result(user, video, 3), format!("results/{user}/{video}/3.zip"));
        assert_eq!(frame_index(user, video, 3), format!("results/{user}/{video}/3.index.bin"));
    }
}
