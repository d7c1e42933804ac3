//! The types that a key can have, and how each is read from text.

use std::net::SocketAddr;
use std::time::Duration;

use framelift_domain::WorkerId;
use framelift_media::HardwareUse;
use lettre::message::Mailbox;
use secrecy::SecretString;
use url::Url;

/// A type that a key can have.
pub trait Setting: Sized {
    /// What the documentation calls it, with an example.
    const KIND: &'static str;
    /// Whether TOML writes it in quotes.
    const QUOTED: bool = true;
    /// Whether it may also come from a file (`<key>_file`) and is never shown.
    const SECRET: bool = false;
    /// Whether it may be missing.
    const OPTIONAL: bool = false;

    /// Reads it; the error says what was expected, and repeats no secret.
    fn from_text(text: &str) -> Result<Self, String>;

    /// The value of a missing key without a default, if it may be missing.
    fn absent() -> Option<Self> {
        None
    }
}

impl<T: Setting> Setting for Option<T> {
    const KIND: &'static str = T::KIND;
    const QUOTED: bool = T::QUOTED;
    const SECRET: bool = T::SECRET;
    const OPTIONAL: bool = true;

    fn from_text(text: &str) -> Result<Self, String> {
        T::from_text(text).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl Setting for SecretString {
    const KIND: &'static str = "secret";
    const SECRET: bool = true;

    fn from_text(text: &str) -> Result<Self, String> {
        let printable = !text.is_empty() && text.bytes().all(|b| (0x20..0x7f).contains(&b));
        if printable { Ok(text.into()) } else { Err("expected printable ASCII text".into()) }
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl Setting for ByteSize {
    const KIND: &'static str = "size (`\"8MiB\"`)";

    fn from_text(text: &str) -> Result<Self, String> {
        let expected = || "expected a size such as \"64KiB\", \"8MiB\", \"2GiB\" or \"1TiB\"".to_owned();
        let (number, shift) = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40), ("B", 0)]
            .iter()
            .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)))
            .ok_or_else(expected)?;
        let number: u64 = number.parse().map_err(|_| expected())?;
        number.checked_mul(1 << shift).map(Self).ok_or_else(expected)
    }
}

impl Setting for Duration {
    const KIND: &'static str = "duration (`\"60s\"`)";

    fn from_text(text: &str) -> Result<Self, String> {
        let expected = || "expected a duration such as \"250ms\", \"60s\", \"5m\" or \"12h\"".to_owned();
        let (number, unit_ms) = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)]
            .iter()
            .find_map(|(unit, ms)| Some((text.strip_suffix(unit)?, *ms)))
            .ok_or_else(expected)?;
        let number: u64 = number.parse().map_err(|_| expected())?;
        number.checked_mul(unit_ms).map(Self::from_millis).ok_or_else(expected)
    }
}

/// How a connection to the mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Not at all: for a server on the same machine.
    None,
    /// Upgraded by STARTTLS, which must succeed.
    StartTls,
    /// From the first byte.
    Tls,
}

impl Setting for Tls {
    const KIND: &'static str = "`\"none\"`, `\"starttls\"` or `\"tls\"`";

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "starttls" => Ok(Self::StartTls),
            "tls" => Ok(Self::Tls),
            _ => Err("expected \"none\", \"starttls\" or \"tls\"".into()),
        }
    }
}

/// Whether decoders run where the kernel cannot confine them as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SandboxUse {
    /// The worker does not start.
    Required,
    /// They run, with the mechanisms that there are.
    BestEffort,
}

impl Setting for SandboxUse {
    const KIND: &'static str = "`\"required\"` or `\"best-effort\"`";

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "required" => Ok(Self::Required),
            "best-effort" => Ok(Self::BestEffort),
            _ => Err("expected \"required\" or \"best-effort\"".into()),
        }
    }
}

impl Setting for HardwareUse {
    const KIND: &'static str = "`\"auto\"` or `\"never\"`";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "expected \"auto\" or \"never\"".into())
    }
}

/// What is logged, as `tracing` writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directives(pub String);

impl Setting for Directives {
    const KIND: &'static str = "level or directives (`\"info,framelift_worker=debug\"`)";

    fn from_text(text: &str) -> Result<Self, String> {
        tracing_subscriber::EnvFilter::builder()
            .parse(text)
            .map(|_| Self(text.to_owned()))
            .map_err(|error| format!("expected a log level or directives: {error}"))
    }
}

impl Setting for String {
    const KIND: &'static str = "text";

    fn from_text(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() { Err("must not be empty".into()) } else { Ok(text.to_owned()) }
    }
}

impl Setting for Url {
    const KIND: &'static str = "URL";

    fn from_text(text: &str) -> Result<Self, String> {
        // The URL itself is not repeated: it may hold a password.
        let url = Self::parse(text).map_err(|error| format!("expected a URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err("expected an http or https URL".into());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("credentials do not belong in a URL".into());
        }
        Ok(url)
    }
}

/// Types whose own parser is the rule.
macro_rules! parsed {
    ($($ty:ty, $kind:literal, $quoted:literal, $expected:literal;)*) => {
        $(impl Setting for $ty {
            const KIND: &'static str = $kind;
            const QUOTED: bool = $quoted;

            fn from_text(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| concat!("expected ", $expected).to_owned())
            }
        })*
    };
}

parsed! {
    bool, "true or false", false, "true or false";
    u16, "number", false, "a whole number from 0 to 65535";
    u32, "number", false, "a whole number";
    u64, "number", false, "a whole number";
    SocketAddr, "address and port", true, "an address and port such as \"127.0.0.1:9090\"";
    WorkerId, "1 to 64 of `A-Za-z0-9._-`", true, "1 to 64 of A-Za-z0-9._-";
    Mailbox, "mail address", true, "a mail address such as \"Framelift <no-reply@example.com>\"";
}
