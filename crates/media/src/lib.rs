//! The extraction engine: a video in, an archive of its frames out.
//!
//! Synchronous; the stages run on threads that are joined before [`extract`] returns, and
//! hold a fixed number of pictures whatever the video's length:
//!
//! ```text
//! source → demux + decode (1 thread + FFmpeg's) → convert + encode (N threads) → archive (caller's thread) → sink
//! ```
//!
//! What comes out is defined in terms of *presentation times* on a timeline that starts at the
//! first shown frame; see [`timeline`] and [`select`], which know nothing of FFmpeg.

mod aperture;
mod archive;
mod bitstream;
mod boxes;
mod budget;
#[expect(dead_code, reason = "some lists only say what `cargo xtask ffmpeg` builds")]
mod components;
mod control;
mod convert;
mod ebml;
mod encode;
mod error;
mod extract;
mod ffi;
pub mod filter;
mod formats;
#[cfg(feature = "testing")]
pub mod fuzzing;
mod geometry;
mod hardware;
mod inspect;
mod limits;
mod manifest;
mod open;
mod pictures;
mod probe;
mod recognise;
mod request;
mod scenes;
pub mod select;
mod source;
mod storyboard;
pub mod timeline;
mod unsupported;
mod view;
mod watch;
mod window;
mod words;

pub use archive::{
    Archive, ArchiveError, Content, Files, Finished, Image, Member, Names, Numbered, Tar, Zip, add_member,
};
pub use budget::preparation_budget;
pub use control::{Control, Progress, Stage};
pub use error::ExtractError;
pub use extract::{MANIFEST, OTHER_MEMBERS, Outcome, extract};
pub use ffi::VideoStream;
pub use filter::Filter;
pub use hardware::{HardwareCodec, HardwareInfo, hardware};
pub use limits::{EngineLimits, HardwareUse};
pub use pictures::memory_budget;
pub use probe::{VideoInfo, probe};
pub use request::{Output, Request};
pub use source::{FileSource, MemorySource, Source};
pub use unsupported::unsupported;
