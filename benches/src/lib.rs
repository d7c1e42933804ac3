//! framelift-benches.
