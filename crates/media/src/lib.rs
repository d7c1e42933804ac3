//! framelift-media.
