//! The domain: a video's states and transitions, ids, options, limits, failures.
//!
//! No I/O, no async, no clock and no randomness: whatever varies is an argument, so the same code runs in a
//! Wasm guest, in the worker and in a test.

/// Implements `Debug` and the conversions from and to text for types with one text form, for serde by
/// `#[serde(try_from = "String", into = "String")]`.
macro_rules! text_form {
    ($name:ty, $error:ty) => {
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, $error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    };
}

pub mod checksum;
pub mod failure;
pub mod id;
pub mod limits;
pub mod options;
pub mod plugin;
pub mod rational;
pub mod time;
pub mod trace;
pub mod video;

pub use checksum::Checksum;
pub use failure::{Failure, FailureCode};
pub use id::{CorrelationId, EventId, PluginId, UserId, VideoId, WorkerId};
pub use limits::Limits;
pub use options::{Crop, Fit, Format, Layout, Options, Place, Range, Resize, Select};
pub use plugin::{PluginCode, PluginPin, PluginRef};
pub use rational::Rational;
pub use time::Time;
pub use trace::TraceParent;
pub use video::{State, Video};

/// Whether a number is 0: such a field may be left out.
pub const fn is_zero(number: &u64) -> bool {
    *number == 0
}
