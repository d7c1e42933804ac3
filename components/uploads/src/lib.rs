//! framelift-uploads.
