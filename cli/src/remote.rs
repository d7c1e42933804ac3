//! Commands over the network. Each has a file with its arguments, its calls of the service and its output.

pub(crate) mod account;
pub(crate) mod concurrent;
pub(crate) mod download;
pub(crate) mod frames;
pub(crate) mod login;
pub(crate) mod pages;
pub(crate) mod run;
pub(crate) mod saved_upload;
pub(crate) mod select;
pub(crate) mod transfer;
pub(crate) mod upload;
pub(crate) mod video;
pub(crate) mod videos;
pub(crate) mod wait;
