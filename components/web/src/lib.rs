//! framelift-web.
