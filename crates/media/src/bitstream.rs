//! Reads from a compressed picture's bytes whether other pictures need it, and whether decoding can start at
//! it.
//!
//! The answers are safe: in doubt, or where the bytes are damaged, a picture counts as needed, and decoding
//! does not start at it. Only headers are read, no picture is decoded, and no input makes it panic. Pure: no
//! FFmpeg.

mod av1;
mod bits;
mod fields;
pub(crate) mod h264;
pub(crate) mod hevc;
pub(crate) mod mjpeg;
mod mpeg2;
mod mpeg4;
mod units;
mod vp8;
mod vp9;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use units::{Framing, has_many_units, start_codes};

/// Whether decoding can start at a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// With a fresh decoder that has the container's header, this picture and every one that
    /// follows it in presentation order come out exact.
    Clean,
    /// This module does not parse the codec.
    Unclear,
    No,
}

/// What the parser found out about one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    /// It is one whole picture that nothing refers to and that does not change the decoder's state: without it,
    /// every other picture is the same.
    pub(crate) droppable: bool,
    pub(crate) access: Access,
    /// It certainly makes a picture appear on screen, unless it is damaged.
    pub(crate) shown: bool,
}

impl Picture {
    /// For codecs that are not parsed.
    pub(crate) const UNCLEAR: Self = Self { droppable: false, access: Access::Unclear, shown: false };
    /// For bytes that do not follow the codec's syntax.
    pub(crate) const BROKEN: Self = Self { droppable: false, access: Access::No, shown: false };
    /// A picture that depends on no other one and that no other one depends on.
    const ALONE: Self = Self { droppable: true, access: Access::Clean, shown: true };
}

/// Codecs in which a packet is one picture with all that is needed to decode it. Left out are
/// those that are intra only by name and yet have state from picture to picture (FFV1), or
/// packets that repeat the last picture (Lagarith, Fraps).
const INTRA: &[&str] = &[
    "dnxhd", "dvvideo", "ffvhuff", "huffyuv", "magicyuv", "png", "prores", "rawvideo", "utvideo", "v210",
    "v410",
];

/// Codecs that are not parsed here, but whose decoders report of each picture whether it was predicted from
/// others, so that a wrongly marked sync point is noticed. Other codecs have to be decoded from the start.
const REPORTED_BY_DECODER: &[&str] = &[
    "cavs",
    "ffv1",
    "flv1",
    "h261",
    "h263",
    "h263i",
    "msmpeg4v1",
    "msmpeg4v2",
    "msmpeg4v3",
    "snow",
    "svq1",
    "svq3",
    "theora",
    "vc1",
    "vp3",
    "vp5",
    "vp6",
    "vp6a",
    "vp6f",
    "wmv1",
    "wmv2",
    "wmv3",
];

/// Whether pictures of a codec, by FFmpeg's short name, tell where decoding can start, independently of the
/// container's marks.
pub(crate) fn can_detect_access(codec: &str) -> bool {
    !matches!(Bitstream::new(codec, &[]).0, Syntax::Unknown) || REPORTED_BY_DECODER.contains(&codec)
}

/// Returns the bytes that a decoder needs before it starts in the middle of a stream whose first packet is
/// `first`; usually none.
pub(crate) fn preface(codec: &str, extradata: &[u8], first: &[u8]) -> Vec<u8> {
    match codec {
        "h264" => h264::preface(extradata, first),
        _ => Vec::new(),
    }
}

#[derive(Debug)]
enum Syntax {
    H264(h264::H264),
    Hevc(hevc::Hevc),
    Av1(av1::Av1),
    Vp9,
    Vp8(vp8::Vp8),
    Mpeg2(mpeg2::Mpeg2),
    Mpeg4(mpeg4::Mpeg4),
    Mjpeg(mjpeg::Mjpeg),
    Intra,
    Unknown,
}

/// Parses the packets of one stream.
#[derive(Debug)]
pub(crate) struct Bitstream(Syntax);

impl Bitstream {
    /// A parser for a stream of `codec`, by FFmpeg's short name, with the header from its container (`avcC`,
    /// `hvcC`, `av1C`, or the codec's own units).
    pub(crate) fn new(codec: &str, extradata: &[u8]) -> Self {
        Self(match codec {
            "h264" => Syntax::H264(h264::H264::new(extradata)),
            "hevc" => Syntax::Hevc(hevc::Hevc::new(extradata)),
            "av1" => Syntax::Av1(av1::Av1::new(extradata)),
            "vp9" => Syntax::Vp9,
            "vp8" => Syntax::Vp8(vp8::Vp8::default()),
            "mpeg1video" => Syntax::Mpeg2(mpeg2::Mpeg2::Mpeg1),
            "mpeg2video" => Syntax::Mpeg2(mpeg2::Mpeg2::Mpeg2),
            "mpeg4" => Syntax::Mpeg4(mpeg4::Mpeg4::new(extradata)),
            "mjpeg" => Syntax::Mjpeg(mjpeg::Mjpeg::default()),
            codec if INTRA.contains(&codec) => Syntax::Intra,
            _ => Syntax::Unknown,
        })
    }

    /// Whether a picture of this codec can ever be [`Picture::droppable`].
    pub(crate) fn may_drop(&self) -> bool {
        !matches!(self.0, Syntax::Vp9 | Syntax::Unknown)
    }

    /// Whether packets of this codec that are not [`Picture::shown`] are normal: pictures that others refer to.
    pub(crate) fn may_hide(&self) -> bool {
        matches!(self.0, Syntax::Av1(_) | Syntax::Vp8(_) | Syntax::Vp9)
    }

    /// Whether decoding of a stream that begins in the middle can begin with a packet, where the
    /// codec's decoder does not find out by itself.
    pub(crate) fn may_begin(&self, data: &[u8]) -> bool {
        match &self.0 {
            Syntax::Hevc(stream) => stream.may_begin(data),
            _ => true,
        }
    }

    /// Whether no picture of the codec refers to others.
    pub(crate) fn is_intra(&self) -> bool {
        matches!(self.0, Syntax::Intra | Syntax::Mjpeg(_))
    }

    /// Parses the next packet in decoding order. No packet may be left out, because headers in one apply to those
    /// after it.
    pub(crate) fn parse(&mut self, data: &[u8]) -> Picture {
        match &mut self.0 {
            Syntax::H264(stream) => stream.parse(data),
            Syntax::Hevc(stream) => stream.parse(data),
            Syntax::Av1(stream) => stream.parse(data),
            Syntax::Vp9 => vp9::parse(data),
            Syntax::Vp8(stream) => stream.parse(data),
            Syntax::Mpeg2(stream) => stream.parse(data),
            Syntax::Mpeg4(stream) => stream.parse(data),
            Syntax::Mjpeg(stream) => stream.parse(data),
            Syntax::Intra if data.is_empty() => Picture::BROKEN,
            Syntax::Intra => Picture::ALONE,
            Syntax::Unknown => Picture::UNCLEAR,
        }
    }
}

impl From<bool> for Access {
    fn from(clean: bool) -> Self {
        if clean { Self::Clean } else { Self::No }
    }
}
