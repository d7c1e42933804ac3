//! The position of a request in a trace: `traceparent` of the W3C's Trace Context.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::CorrelationId;

/// A trace, and the span in it that caused what follows.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TraceParent {
    trace_id: u128,
    span_id: u64,
    sampled: bool,
}

/// Text that is no `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a well-formed traceparent")]
pub struct InvalidTraceParent;

impl TraceParent {
    /// The trace of work whose caller named none; it depends only on the correlation id. If that is a UUID,
    /// as the service's own are, it is the trace's id.
    pub fn of(correlation_id: &CorrelationId) -> Self {
        let text = correlation_id.as_str();
        // FNV-1a, 128 and 64 bits: different ids give different traces, and nothing depends on more.
        let trace_id = || {
            text.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, byte| {
                (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
            })
        };
        let trace_id = uuid::Uuid::try_parse(text).map_or_else(|_| trace_id(), |id| id.as_u128());
        let span_id = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self { trace_id: trace_id.max(1), span_id: span_id.max(1), sampled: true }
    }

    /// The trace's id, in hexadecimal.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace_id, span_id, sampled } = self;
        write!(f, "00-{trace_id:032x}-{span_id:016x}-{:02x}", u8::from(*sampled))
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TraceParent {
    type Err = InvalidTraceParent;

    /// Accepts later versions, too, if they begin like version 00 (W3C Trace Context, 3.2.4).
    fn from_str(text: &str) -> Result<Self, InvalidTraceParent> {
        let mut fields = text.split('-');
        let mut field = |digits: usize| {
            let text = fields.next().filter(|text| text.len() == digits).ok_or(InvalidTraceParent)?;
            let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            let hex = text.bytes().all(lower);
            if hex {
                u128::from_str_radix(text, 16).map_err(|_| InvalidTraceParent)
            } else {
                Err(InvalidTraceParent)
            }
        };
        let (version, trace_id, span_id, flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
        let ends = version > 0 || fields.next().is_none();
        let span_id = u64::try_from(span_id).map_err(|_| InvalidTraceParent)?;
        if version == 0xff || trace_id == 0 || span_id == 0 || !ends {
            return Err(InvalidTraceParent);
        }
        Ok(Self { trace_id, span_id, sampled: flags & 1 == 1 })
    }
}

impl TryFrom<String> for TraceParent {
    type Error = InvalidTraceParent;

    fn try_from(text: String) -> Result<Self, InvalidTraceParent> {
        text.parse()
    }
}

impl From<TraceParent> for String {
    fn from(parent: TraceParent) -> Self {
        parent.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_well_formed_is_written_as_it_was_read() {
        for text in [PARENT, &PARENT.replace("-01", "-00")] {
            assert_eq!(text.parse::<TraceParent>().unwrap().to_string(), text);
        }
        assert_eq!(PARENT.parse::<TraceParent>().unwrap().trace_id(), "0af7651916cd43dd8448eb211c80319c");
        // Later versions may have more fields; other flags are not passed on.
        for later in [PARENT.replacen("00", "cc", 1) + "-more", PARENT.replace("-01", "-03")] {
            assert_eq!(later.parse::<TraceParent>().unwrap().to_string(), PARENT, "{later}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "00",
            &PARENT.replacen("00", "ff", 1),
            &PARENT.replacen("00", "0", 1),
            &PARENT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &PARENT.replace("b7ad6b7169203331", &"0".repeat(16)),
            &PARENT.replace("af", "AF"),
            &PARENT.replace("0af", "+af"),
            &format!("{PARENT}-more"),
            &format!(" {PARENT}"),
            &PARENT[..54],
        ] {
            assert!(bad.parse::<TraceParent>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_correlation_id_names_a_trace() {
        let of = |id: &str| TraceParent::of(&id.parse().unwrap());
        assert_eq!(
            of("018bcfe5-6800-7707-8707-070707070707").trace_id(),
            "018bcfe568007707870707070707 0707".replace(' ', "")
        );
        assert_eq!(of("c-1"), of("c-1"));
        assert_ne!(of("c-1").trace_id(), of("c-2").trace_id());
        assert_eq!(of("c-1").to_string().parse(), Ok(of("c-1")));
    }
}
