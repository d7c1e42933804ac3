//! framelift-downloads.
