//! framelift-edge-host.
