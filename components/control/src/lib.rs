//! framelift-control.
