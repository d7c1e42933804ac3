//! framelift-worker.
