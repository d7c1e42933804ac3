//! framelift-videos.
