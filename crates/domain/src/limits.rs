//! The service's limits and their defaults.

/// File extensions of accepted videos, without the dot.
pub const VIDEO_EXTENSIONS: &[&str] = &[
    "mp4", "mov", "avi", "mkv", "webm", "m4v", "mpg", "mpeg", "ts", "flv", "3gp", "wmv", "3g2", "asf", "dv",
    "gif", "h264", "264", "hevc", "h265", "265", "ivf", "m2ts", "mjpeg", "mjpg", "mts", "mxf", "nut", "obu",
    "ogv", "vob", "y4m",
];

/// The most bytes of one upload that a deployment may allow: S3's maximum for an object.
pub const MAX_UPLOAD_BYTES: u64 = 5 << 40;

/// The most bytes of a plugin's component.
pub const MAX_PLUGIN_BYTES: u64 = 32 << 20;

/// The limits of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Videos of one user that are pending or processing at once; the rest wait in order.
    pub max_in_flight_per_user: u32,
    /// Videos of one user that are not finished yet, uploads under way included.
    pub max_open_per_user: u32,
    /// Bytes of one user's uploads and results, uploads under way included.
    pub max_stored_bytes_per_user: u64,
    /// Bytes of one upload.
    pub max_upload_bytes: u64,
    /// Uploads of one user in a day (UTC).
    pub max_uploads_per_day: u32,
    /// Minutes of video that the jobs of one user may decode in a day (UTC); once they are used up, no new
    /// video is taken.
    pub max_decoded_minutes_per_day: u32,
    /// Requests of one user in a minute; 0 means no limit.
    pub max_requests_per_minute: u32,
    /// Plugins of one user, by their names.
    pub max_plugins_per_user: u32,
    /// Bytes of all versions of one user's plugins that are kept.
    pub max_plugin_bytes_per_user: u64,
    /// Uploads of up to this many bytes are one presigned PUT, larger ones multipart.
    pub single_put_bytes: u64,
    /// How long an upload may take, in seconds.
    pub upload_ttl_s: u32,
    /// How long a presigned URL is valid, in seconds.
    pub url_ttl_s: u32,
    /// A lease's length in seconds.
    pub lease_s: u32,
    /// How long uploads and results are kept after a video has finished, in seconds.
    pub retention_s: u32,
    /// How many times workers may release a job before it fails.
    pub max_releases: u32,
    /// From the first claim to the end, in seconds.
    pub max_job_s: u32,
    /// How long a video may be pending before the sweep sends its message again, in seconds.
    pub resend_after_s: u32,
    /// How long after a lease's end the sweep reclaims the job, in seconds.
    pub take_back_after_s: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_in_flight_per_user: 5,
            max_open_per_user: 200,
            max_stored_bytes_per_user: 100 << 30,
            max_upload_bytes: 50 << 30,
            max_uploads_per_day: 5_000,
            max_decoded_minutes_per_day: 10_000,
            max_requests_per_minute: 1_200,
            max_plugins_per_user: 20,
            max_plugin_bytes_per_user: 512 << 20,
            single_put_bytes: 64 << 20,
            upload_ttl_s: 24 * 3600,
            url_ttl_s: 3600,
            lease_s: 60,
            retention_s: 7 * 24 * 3600,
            max_releases: 50,
            max_job_s: 12 * 3600,
            resend_after_s: 600,
            take_back_after_s: 300,
        }
    }
}
