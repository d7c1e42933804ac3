//! Commands over the network: each is a file that reads its arguments, asks the service and says what came.

pub(crate) mod account;
pub(crate) mod download;
pub(crate) mod frames;
pub(crate) mod login;
pub(crate) mod run;
pub(crate) mod select;
pub(crate) mod transfer;
pub(crate) mod upload;
pub(crate) mod uploads;
pub(crate) mod video;
pub(crate) mod videos;
pub(crate) mod wait;
