//! Identifiers: opaque, URL-safe, sortable by creation time, and checked where they come in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Text that is not an identifier of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a well-formed {0}")]
pub struct InvalidId(&'static str);

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// A new id (UUIDv7): `unix_ms` milliseconds since 1970 and ten random bytes.
            pub fn new(unix_ms: u64, random: [u8; 10]) -> Self {
                Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid())
            }

            /// When it was made, in milliseconds since 1970: the first 48 bits (RFC 9562, section 5.7).
            pub fn unix_ms(self) -> u64 {
                (self.0.as_u128() >> 80) as u64
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.hyphenated(), f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            /// Only the canonical form (36 characters, lower case): an id has one spelling,
            /// because it is part of keys in the store.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let id = Uuid::try_parse(text).map(Self).map_err(|_| InvalidId($what))?;
                if id.to_string() == text { Ok(id) } else { Err(InvalidId($what)) }
            }
        }

        text_form!($name, InvalidId);
    };
}

uuid_id!(
    /// A video: one upload with one set of options.
    VideoId,
    "video id"
);
uuid_id!(
    /// An account.
    UserId,
    "user id"
);
uuid_id!(
    /// One version of an uploaded plugin.
    PluginId,
    "plugin id"
);

uuid_id!(
    /// An event for an owner's webhook. The end of a video has the video's id, the rejection of a plugin the
    /// id of the plugin's version.
    EventId,
    "event id"
);

impl From<VideoId> for EventId {
    fn from(video: VideoId) -> Self {
        Self(video.0)
    }
}

impl From<PluginId> for EventId {
    fn from(plugin: PluginId) -> Self {
        Self(plugin.0)
    }
}

impl From<EventId> for VideoId {
    fn from(event: EventId) -> Self {
        Self(event.0)
    }
}

macro_rules! token_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text of the id: 1 to 64 of `A-Za-z0-9._-`.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let well_formed = (1..=64).contains(&text.len())
                    && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
                if well_formed { Ok(Self(text.to_owned())) } else { Err(InvalidId($what)) }
            }
        }

        text_form!($name, InvalidId);
    };
}

token_id!(
    /// Follows one request through log lines, messages, reports, e-mails and webhooks.
    CorrelationId,
    "correlation id"
);
impl From<VideoId> for CorrelationId {
    /// The correlation id of work that no known request began.
    fn from(id: VideoId) -> Self {
        Self(id.to_string())
    }
}

token_id!(
    /// A worker process, by the name that it gives itself.
    WorkerId,
    "worker id"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_creation_time() {
        let early = VideoId::new(1_000, [0xff; 10]);
        let late = VideoId::new(1_001, [0; 10]);
        assert!(early < late);
        assert!(early.to_string() < late.to_string());
    }

    #[test]
    fn an_id_has_one_spelling() {
        let id = VideoId::new(1_700_000_000_000, [7; 10]);
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in
            [id.to_string().to_uppercase(), id.to_string().replace('-', ""), "../x".into(), String::new()]
        {
            assert_eq!(bad.parse::<VideoId>(), Err(InvalidId("video id")), "{bad}");
        }
    }

    #[test]
    fn correlation_ids_are_bounded() {
        assert!("a.B_9-".parse::<CorrelationId>().is_ok());
        assert!("x".repeat(64).parse::<CorrelationId>().is_ok());
        for bad in ["", "a b", "é", "a\n", &"x".repeat(65)] {
            assert!(bad.parse::<CorrelationId>().is_err(), "{bad:?}");
        }
    }
}
