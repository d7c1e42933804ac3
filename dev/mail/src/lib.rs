//! framelift-dev-mail.
