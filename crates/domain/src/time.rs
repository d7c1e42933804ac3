//! Moments, in whole milliseconds, spelled as RFC 3339 in UTC with exactly three decimals.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A moment, in milliseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Time(i64);

/// Text that is no RFC 3339 time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time")]
pub struct InvalidTime;

impl Time {
    /// The last moment of the year 9998, which every RFC 3339 library can write.
    const MAX_MS: i64 = 253_370_764_799_999;

    /// Milliseconds since 1970, held within the years 1970 to 9998.
    pub fn from_unix_ms(ms: i64) -> Self {
        Self(ms.clamp(0, Self::MAX_MS))
    }

    /// Milliseconds since 1970.
    pub const fn unix_ms(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970.
    pub const fn unix_s(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This moment and `seconds` more.
    pub fn plus_s(self, seconds: impl Into<i64>) -> Self {
        Self::from_unix_ms(self.0.saturating_add(seconds.into().saturating_mul(1000)))
    }

    /// Milliseconds from `earlier` to this moment, negative if it lies after.
    pub const fn ms_since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => write!(f, "{timestamp:.3}"),
            Err(_) => Err(fmt::Error),
        }
    }
}

impl FromStr for Time {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let timestamp: jiff::Timestamp = text.parse().map_err(|_| InvalidTime)?;
        Ok(Self::from_unix_ms(timestamp.as_millisecond()))
    }
}

text_form!(Time, InvalidTime);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn always_three_decimals() {
        assert_eq!(Time::from_unix_ms(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Time::from_unix_ms(1_700_000_000_120).to_string(), "2023-11-14T22:13:20.120Z");
        assert_eq!("2023-11-14T23:13:20.12+01:00".parse(), Ok(Time::from_unix_ms(1_700_000_000_120)));
        assert_eq!("yesterday".parse::<Time>(), Err(InvalidTime));
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Time::from_unix_ms(i64::MAX).plus_s(i64::MAX).to_string(), "9998-12-31T23:59:59.999Z");
        assert_eq!(Time::from_unix_ms(500).plus_s(2), Time::from_unix_ms(2500));
        assert_eq!(Time::from_unix_ms(500).plus_s(2).ms_since(Time::from_unix_ms(500)), 2000);
    }
}
