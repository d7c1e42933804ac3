//! framelift-auth.
