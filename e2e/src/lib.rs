//! framelift-e2e.
