//! framelift-stack.
