//! Light metadata of a stream or a picture: FFmpeg's side data, read as bytes.

use ffmpeg_next::ffi;

/// The brightest pixel, in cd/m².
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Peak(pub(crate) u32);

/// The container's light metadata of a video.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Light {
    pub(crate) peak: Option<Peak>,
    /// Whether it is Dolby Vision without a base layer that other players can show (profile 5).
    pub(crate) needs_dolby_vision: bool,
}

impl Peak {
    /// From `AVContentLightMetadata` (CTA-861.3) and `AVMasteringDisplayMetadata` (SMPTE ST
    /// 2086), either of which may be missing or say nothing. No pixel is brighter than the
    /// display that it was graded on; the content light level tells how much of that was used.
    pub(super) fn of(content: Option<&[u8]>, mastering: Option<&[u8]>) -> Option<Self> {
        let number = |bytes: Option<&[u8]>, at: usize| {
            Some(u32::from_ne_bytes(bytes?.get(at..at + 4)?.try_into().ok()?)).filter(|number| *number > 0)
        };
        // The first of two numbers.
        let content = number(content, 0);
        // Ten fractions of eight bytes, of which the last is the highest luminance; then two
        // flags, of which the second says whether the luminances are known.
        let mastering = number(mastering, 84)
            .and_then(|_| Some(f64::from(number(mastering, 72)?) / f64::from(number(mastering, 76)?)))
            .map(|peak| peak.round() as u32);
        let sane = |peak: &u32| (1..=10_000).contains(peak);
        match (content.filter(sane), mastering.filter(sane)) {
            (Some(content), Some(mastering)) => Some(Self(content.min(mastering))),
            (content, mastering) => content.or(mastering).map(Self),
        }
    }
}

impl Light {
    /// What the container says about `stream`.
    ///
    /// # Safety
    /// `stream` belongs to an open context.
    pub(super) unsafe fn of(stream: *const ffi::AVStream) -> Self {
        use ffi::AVPacketSideDataType::{
            AV_PKT_DATA_CONTENT_LIGHT_LEVEL, AV_PKT_DATA_DOVI_CONF, AV_PKT_DATA_MASTERING_DISPLAY_METADATA,
        };
        let bytes = |kind| {
            let mut size = 0;
            // SAFETY: the caller's promise; side data stays while the stream does.
            unsafe {
                let data = ffi::av_stream_get_side_data(stream, kind, &mut size);
                (!data.is_null()).then(|| std::slice::from_raw_parts(data, size))
            }
        };
        // AVDOVIDecoderConfigurationRecord: a byte for each field, the third the profile and
        // the eighth what the base layer is compatible with.
        let dolby_vision = bytes(AV_PKT_DATA_DOVI_CONF);
        Self {
            peak: Peak::of(
                bytes(AV_PKT_DATA_CONTENT_LIGHT_LEVEL),
                bytes(AV_PKT_DATA_MASTERING_DISPLAY_METADATA),
            ),
            needs_dolby_vision: dolby_vision
                .is_some_and(|record| record.get(2) == Some(&5) && record.get(7) == Some(&0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mastering(num: u32, den: u32, known: u32) -> Vec<u8> {
        let mut bytes = vec![0; 88];
        for (at, number) in [(72, num), (76, den), (84, known)] {
            bytes[at..at + 4].copy_from_slice(&number.to_ne_bytes());
        }
        bytes
    }

    #[test]
    fn the_brightest_pixel_is_what_can_be_believed() {
        let content = |level: u32| [level.to_ne_bytes(), [0; 4]].concat();
        let display = mastering(40_000_000, 10_000, 1);
        assert_eq!(Peak::of(None, None), None);
        assert_eq!(Peak::of(None, Some(&display)), Some(Peak(4000)));
        assert_eq!(Peak::of(Some(&content(900)), Some(&display)), Some(Peak(900)));
        assert_eq!(Peak::of(Some(&content(5000)), Some(&display)), Some(Peak(4000)));
        assert_eq!(Peak::of(Some(&content(0)), Some(&display)), Some(Peak(4000)), "unknown");
        assert_eq!(Peak::of(Some(&content(60_000)), None), None, "beyond what PQ can say");
        assert_eq!(Peak::of(None, Some(&mastering(40_000_000, 10_000, 0))), None, "not known");
        assert_eq!(Peak::of(None, Some(&mastering(1, 0, 1))), None, "divided by nothing");
        assert_eq!(Peak::of(Some(&[1, 2]), Some(&[0; 10])), None, "cut off");
    }
}
