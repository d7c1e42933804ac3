//! framelift-cli.
