//! An open container: its streams, its packets, and a decoder for its video.

mod choose;
mod describe;
mod first;
pub(crate) mod index;
mod joined;
mod trial;

use std::collections::VecDeque;
use std::ffi::c_int;
use std::io;
use std::ptr;
use std::sync::Arc;

use ffmpeg_next::ffi;
use framelift_domain::Rational;

pub use choose::VideoStream;
use choose::{choose, video_streams};
use describe::{describe, stream_id, video_number};
use first::Start;

use super::io::Io;
use super::{AvError, Decoder, DecoderError, Light, Packet, Processor, decoder, frame, log, string};
use crate::aperture::{self, Aperture, Track};
use crate::formats::{self, Container};
use crate::inspect::{Findings, Refused, inspect};
use crate::pictures::Pictures;
use crate::recognise::{self, FileKind};
use crate::watch::Watch;
use crate::{EngineLimits, Source, boxes};

/// Containers whose index the engine uses.
const HAVE_INDEX: &[&str] = &["mov", "matroska", "avi"];

/// Containers in which a packet of AV1 is a whole picture.
const AV1_TEMPORAL_UNIT_CONTAINERS: &[&str] = &["mov", "matroska", "ivf"];

/// Why a container could not be opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// The source could not be read.
    Io(io::Error),
    /// The watch said stop.
    Stopped,
    /// The format is unknown, or it is the named format, which is not for videos.
    NotVideo(Option<String>),
    /// A single picture of the named format.
    Still(String),
    /// A container for videos that is not supported.
    Container(String),
    /// An unsupported codec, by its common name.
    Codec(String),
    /// The container is known, but its header cannot be read.
    Header(String, AvError),
    TooManyStreams,
    /// It claims or needs too much; the message for the owner.
    Excess(String),
    /// The requested stream is not a video; the streams that are.
    NoSuchStream(u32, Vec<VideoStream>),
    NoVideo,
    NoMemory,
}

/// What the container says about its video stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StreamInfo {
    /// The container's short name (`mov`).
    pub(crate) container: String,
    pub(crate) codec: String,
    /// The codec's own number of its profile.
    pub(crate) profile: i32,
    /// Bits of a sample, where the pictures are 4:2:0.
    pub(crate) bits_of_420: Option<u8>,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) time_base: Rational,
    pub(crate) frame_rate: Option<Rational>,
    /// Seconds, as claimed by the stream or, failing that, by the container.
    pub(crate) claimed_duration: Option<Rational>,
    /// Whether the claim is the video stream's own.
    pub(crate) claim_is_own: bool,
    /// Frames, as claimed.
    pub(crate) claimed_frames: Option<u64>,
    pub(crate) display_matrix: Option<[i32; 9]>,
    /// The shape of a pixel as the container says; it overrides the pictures' own.
    pub(crate) container_shape: Option<Rational>,
    /// The shape of a pixel, from the container or the codec.
    pub(crate) pixel_shape: Option<Rational>,
    /// Whether each packet is one picture with its presentation time. Otherwise it may be a field, or
    /// whatever a parser split off.
    pub(crate) whole_pictures: bool,
    /// Whether packets should have presentation times and be whole pictures, judged before reading them.
    pub(crate) timed_pictures: bool,
    /// Whether pictures are shown in another order than they are coded.
    pub(crate) reorders: bool,
    pub(crate) encrypted: bool,
    /// Whether the container may have an index of sync points.
    pub(crate) has_index: bool,
    /// Whether packets have no reliable presentation times: pictures are then shown in output order, at the
    /// packets' decoding times.
    pub(crate) untimed: bool,
    /// Whether colours are indices into a palette, which comes with some packet and applies to the following
    /// ones.
    pub(crate) palette: bool,
    /// The codec's private header (`avcC` and the like).
    pub(crate) extradata: Vec<u8>,
    /// What the container says of its brightness.
    pub(crate) light: Light,
    /// The shown part of the pictures by their size, where FFmpeg does not report it.
    pub(crate) apertures: Vec<Aperture>,
    /// Whether there are no timestamps at all, so that frames follow each other at the frame rate.
    pub(crate) timeless: bool,
}

/// An `AVFormatContext` on a [`Source`].
pub(crate) struct Input<'c> {
    context: *mut ffi::AVFormatContext,
    io: Option<Io<'c>>,
    video: usize,
    info: StreamInfo,
    /// What the pictures of its decoders are charged to.
    pictures: Arc<Pictures>,
    /// Packets that were put back, to be read first.
    unread: VecDeque<Packet>,
    /// Searches for the first packet at which decoding can start, until it is found.
    start: Option<Start>,
    /// Where the last packet starts in the container.
    last_position: Option<u64>,
    /// Where the first packet of the last file starts that is joined to another one.
    joined_at: u64,
    watch: &'c Watch<'c>,
}

// SAFETY: a demuxer may be used from one thread after another; the source is `Send` and the
// watch is shared by `&` and `Sync`.
unsafe impl Send for Input<'_> {}

impl<'c> Input<'c> {
    /// Opens the container in `source` and chooses the video stream with the number `wanted`, or the best
    /// one. On an error the source is dropped.
    pub(crate) fn open(
        source: Box<dyn Source>,
        wanted: Option<u32>,
        limits: &EngineLimits,
        watch: &'c Watch<'c>,
    ) -> Result<Self, OpenError> {
        log::capture();
        let pictures = watch.pictures(limits, source.size());
        let mut io = Io::new(source, watch).ok_or(OpenError::NoMemory)?;
        // FFmpeg reads an MP4's index before anything else, in small steps.
        let index = io.inspect(|source| boxes::find_index(source)).map_err(OpenError::Io)?;
        io.prefetch(index.as_slice());
        let looks = io.inspect(|source| recognise::look(source, index.is_some())).map_err(OpenError::Io)?;
        match looks {
            FileKind::Still(name) => return Err(OpenError::Still(name.to_owned())),
            FileKind::Video(codec) => return Err(OpenError::Codec(codec.to_owned())),
            FileKind::Unknown => {}
        }
        let tracks = io.inspect(|source| aperture::tracks(source, index.as_ref())).map_err(OpenError::Io)?;
        // From 7.1 on FFmpeg refuses the file where one does not fit its picture.
        io.hide(tracks.iter().flat_map(|track| track.clap.iter().copied()).collect());
        match Self::open_context(&mut io, wanted, limits, watch, tracks) {
            Ok((context, info, video)) => {
                io.opened();
                let start = Some(Start::of(&info));
                Ok(Self {
                    context,
                    io: Some(io),
                    video,
                    info,
                    pictures,
                    unread: VecDeque::new(),
                    start,
                    last_position: None,
                    joined_at: 0,
                    watch,
                })
            }
            // An error of the reader explains any error that follows from it.
            Err(error) => Err(match io.take_error() {
                Some(error) => OpenError::Io(error),
                None if io.stopped() => OpenError::Stopped,
                None => io.take_excess().map_or(error, OpenError::Excess),
            }),
        }
    }

    fn open_context(
        io: &mut Io<'_>,
        wanted: Option<u32>,
        limits: &EngineLimits,
        watch: &Watch<'_>,
        tracks: Vec<Track>,
    ) -> Result<(*mut ffi::AVFormatContext, StreamInfo, usize), OpenError> {
        let mut format = ptr::null();
        // SAFETY: the reader is valid; the name is empty, so that it has no say.
        let probed = unsafe {
            ffi::av_probe_input_buffer2(io.context(), &mut format, c"".as_ptr(), ptr::null_mut(), 0, 1 << 20)
        };
        // SAFETY: a probe gives null or a static description.
        let Some(description) = (unsafe { format.as_ref() }).filter(|_| probed >= 0) else {
            return Err(OpenError::NotVideo(None));
        };
        // SAFETY: names are static strings.
        let names = unsafe { string(description.name) };
        let container = names.split(',').next().unwrap_or_default().to_owned();
        match formats::container(&container) {
            Container::Supported => {}
            Container::Still(name) => return Err(OpenError::Still(name)),
            Container::Refused(name) => return Err(OpenError::Container(name)),
            Container::Other => return Err(OpenError::NotVideo(Some(container))),
        }

        let findings = match io.inspect(|source| inspect(source, &container)) {
            Ok(findings) => findings,
            Err(Refused::Io(error)) => return Err(OpenError::Io(error)),
            Err(Refused::Claim(claim)) => return Err(OpenError::Excess(claim)),
        };
        let Findings { without_index, without_edits, warnings } = findings;
        for warning in warnings {
            watch.warn(warning);
        }

        // SAFETY: no arguments; null is checked. From here on `Context` frees it.
        let context = unsafe { ffi::avformat_alloc_context() };
        if context.is_null() {
            return Err(OpenError::NoMemory);
        }
        let mut owner = Context(context);
        let options = [
            (c"format_whitelist", formats::whitelist()),
            (c"protocol_whitelist", "none".to_owned()),
            (c"codec_whitelist", decoder::for_trials()),
        ];
        for (name, value) in options {
            let Ok(value) = std::ffi::CString::new(value) else { return Err(OpenError::NoMemory) };
            // SAFETY: the context is valid and starts with a class; both strings live here.
            let set = unsafe { ffi::av_opt_set(context.cast(), name.as_ptr(), value.as_ptr(), 0) };
            AvError::check(set).map_err(|error| OpenError::Header(container.clone(), error))?;
        }
        // SAFETY: the context is valid and not open yet; the reader outlives it (see `drop`).
        // A failed open frees the context and sets the pointer to null.
        let opened = unsafe {
            (*context).pb = io.context();
            (*context).flags |= ffi::AVFMT_FLAG_CUSTOM_IO;
            (*context).max_streams = c_int::try_from(limits.max_streams).unwrap_or(c_int::MAX);
            (*context).io_open = Some(refuse_open);
            // If it is not used, FFmpeg need not build it.
            if without_index || !HAVE_INDEX.contains(&container.as_str()) {
                (*context).flags |= ffi::AVFMT_FLAG_IGNIDX;
            }
            io.guard(context);
            let mut private = ptr::null_mut();
            if without_edits {
                ffi::av_dict_set_int(&mut private, c"advanced_editlist".as_ptr(), 0, 0);
            }
            let opened = ffi::avformat_open_input(&mut owner.0, c"".as_ptr(), format, &mut private);
            ffi::av_dict_free(&mut private);
            opened
        };
        match AvError::check(opened) {
            Ok(_) => {}
            // What FFmpeg answers when `max_streams` is exceeded, too.
            Err(AvError::NO_MEMORY) if io.has_too_many_streams(limits.max_streams) => {
                return Err(OpenError::TooManyStreams);
            }
            Err(AvError::NO_MEMORY) => {
                return Err(OpenError::Excess("the file's header needs too much memory".to_owned()));
            }
            Err(error) => return Err(OpenError::Header(container, error)),
        }
        hide_still_pictures(context);
        // FFmpeg's parser adds nothing to what containers of whole pictures and `Bitstream` say, and
        // takes 3 KiB for each unit of a packet, which may have two bytes.
        if AV1_TEMPORAL_UNIT_CONTAINERS.contains(&container.as_str())
            && has_codec(context, &[ffi::AVCodecID::AV_CODEC_ID_AV1])
        {
            // SAFETY: the context is open; the flag is asked at each packet.
            unsafe { (*context).flags |= ffi::AVFMT_FLAG_NOPARSE };
        }
        let lists = [ffi::AVCodecID::AV_CODEC_ID_H264, ffi::AVCodecID::AV_CODEC_ID_HEVC];
        io.begin_probing(has_codec(context, &lists));
        match trial::find_stream_info(context, limits) {
            // Other errors show up while reading.
            Err(_) if io.has_probed_enough() => {}
            Err(AvError::NO_MEMORY) => {
                return Err(OpenError::Excess("the file's streams need too much memory".to_owned()));
            }
            Err(error) => return Err(OpenError::Header(container, error)),
            Ok(()) => {}
        }
        hide_still_pictures(context);
        let video = choose(context, wanted)?;
        for (i, stream) in streams(context).iter().enumerate() {
            // SAFETY: streams of an open context are valid.
            unsafe {
                (**stream).discard = if i == video {
                    ffi::AVDiscard::AVDISCARD_DEFAULT
                } else {
                    ffi::AVDiscard::AVDISCARD_ALL
                };
            }
        }
        let mut info = describe(context, video, container);
        info.has_index &= !without_index;
        info.take_track(tracks.into_iter(), stream_id(context, video), video_number(context, video));
        std::mem::forget(owner);
        Ok((context, info, video))
    }

    pub(crate) fn info(&self) -> &StreamInfo {
        &self.info
    }

    fn stream(&self) -> *mut ffi::AVStream {
        streams(self.context)[self.video]
    }

    /// The container's number of the video stream.
    pub(crate) fn stream_number(&self) -> u32 {
        u32::try_from(self.video).unwrap_or(0)
    }

    /// All its streams of video.
    pub(crate) fn video_streams(&self) -> Vec<VideoStream> {
        video_streams(self.context)
    }

    /// Reads the video's next packet; false at the end.
    pub(crate) fn read(&mut self, packet: &mut Packet) -> Result<bool, AvError> {
        if self.start.is_some() && self.unread.is_empty() {
            self.find_start()?;
        }
        match self.unread.pop_front() {
            Some(unread) => *packet = unread,
            None if !self.read_next(packet)? => return Ok(false),
            None => {}
        }
        if self.info.untimed {
            packet.forget_pts();
        }
        Ok(true)
    }

    /// Reads the container's next packet of the video; false at the end.
    fn read_next(&mut self, packet: &mut Packet) -> Result<bool, AvError> {
        loop {
            packet.clear();
            // SAFETY: both are valid.
            let code = unsafe { ffi::av_read_frame(self.context, packet.0) };
            match AvError::check(code) {
                Ok(_) => {}
                Err(AvError::EOF) if self.enter_joined_file() => continue,
                Err(AvError::EOF) => return Ok(false),
                Err(error) => return Err(error),
            }
            // SAFETY: the packet was just filled.
            if usize::try_from(unsafe { (*packet.0).stream_index }) == Ok(self.video) {
                let position = packet.position().and_then(|position| u64::try_from(position).ok());
                self.last_position = position.or(self.last_position);
                packet.compact()?;
                self.keep_containers_mark(packet);
                if self.info.timeless {
                    packet.forget_times();
                }
                return Ok(true);
            }
        }
    }

    /// A decoder for the video.
    pub(crate) fn decoder(&self, processor: Processor<'_>, max_pixels: u64) -> Result<Decoder, DecoderError> {
        let stream = self.stream();
        // SAFETY: the stream is valid, and so are the parameters that it owns.
        unsafe {
            let rate = ffi::av_guess_frame_rate(self.context, stream, ptr::null_mut());
            Decoder::open(
                (*stream).codecpar,
                (*stream).time_base,
                rate,
                processor,
                max_pixels,
                &self.pictures,
            )
        }
    }

    /// How many pictures of the video fit into memory.
    pub(crate) fn pictures_that_fit(&self) -> u64 {
        // SAFETY: the stream is valid, and so are the parameters that it owns.
        let parameters = unsafe { &*(*self.stream()).codecpar };
        let descriptor = frame::descriptor(parameters.format);
        let (planes, bytes) = descriptor.map_or((3, 1), |it| {
            let chroma = (u64::from(it.nb_components > 1) * 4) >> (it.log2_chroma_w + it.log2_chroma_h);
            (2 + chroma, if it.comp[0].depth > 8 { 2 } else { 1 })
        });
        let pixels = u64::from(self.info.width) * u64::from(self.info.height);
        self.pictures.fit(pixels.saturating_mul(planes * bytes) / 2)
    }

    /// The source's error, if it had one: it explains whatever else went wrong.
    pub(crate) fn take_io_error(&mut self) -> Option<io::Error> {
        self.io.as_mut().and_then(Io::take_error)
    }

    /// Whether the source had an error that nobody has taken yet.
    pub(crate) fn has_io_error(&self) -> bool {
        self.io.as_ref().is_some_and(Io::has_error)
    }

    /// Closes the container and gives the source back, to open it again from the start.
    pub(crate) fn into_source(mut self) -> Box<dyn Source> {
        // SAFETY: ours to close, once: `drop` sees the null that this leaves.
        unsafe { ffi::avformat_close_input(&mut self.context) };
        match self.io.take() {
            Some(io) => io.into_source(),
            None => unreachable!("an open input has its reader"),
        }
    }
}

impl Drop for Input<'_> {
    fn drop(&mut self) {
        // SAFETY: ours to close, once; null is allowed. The reader is dropped after it.
        unsafe { ffi::avformat_close_input(&mut self.context) };
    }
}

/// A format context that has no owner yet; freed on drop.
struct Context(*mut ffi::AVFormatContext);

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: ours to close; null is allowed.
        unsafe { ffi::avformat_close_input(&mut self.0) };
    }
}

fn streams<'a>(context: *mut ffi::AVFormatContext) -> &'a [*mut ffi::AVStream] {
    // SAFETY: an open context has `nb_streams` valid pointers; none is added while the slice
    // is used, because that takes a call into FFmpeg.
    unsafe {
        if (*context).streams.is_null() {
            return &[];
        }
        std::slice::from_raw_parts((*context).streams, (*context).nb_streams as usize)
    }
}

/// Whether a stream is of one of `codecs`.
fn has_codec(context: *mut ffi::AVFormatContext, codecs: &[ffi::AVCodecID]) -> bool {
    // SAFETY: streams of an open context are valid, and so are their parameters.
    streams(context).iter().any(|stream| codecs.contains(unsafe { &(*(**stream).codecpar).codec_id }))
}

/// Attached pictures (cover art, thumbnails) do not count as video, whatever FFmpeg would choose.
fn hide_still_pictures(context: *mut ffi::AVFormatContext) {
    for stream in streams(context) {
        // SAFETY: streams of an open context are valid, and so are their parameters.
        unsafe {
            if (**stream).disposition & ffi::AV_DISPOSITION_ATTACHED_PIC != 0 {
                (*(**stream).codecpar).codec_type = ffi::AVMediaType::AVMEDIA_TYPE_ATTACHMENT;
                (**stream).discard = ffi::AVDiscard::AVDISCARD_ALL;
            }
        }
    }
}

/// `io_open`: no demuxer opens anything else.
unsafe extern "C" fn refuse_open(
    _: *mut ffi::AVFormatContext,
    _: *mut *mut ffi::AVIOContext,
    _: *const std::ffi::c_char,
    _: c_int,
    _: *mut *mut ffi::AVDictionary,
) -> c_int {
    -1
}

impl StreamInfo {
    /// Whether the engine has a decoder for the codec; for `probe`.
    pub(crate) fn is_decodable(input: &Input<'_>) -> bool {
        // SAFETY: the stream is valid.
        let id = unsafe { (*(*input.stream()).codecpar).codec_id };
        decoder::find(id, |_| true).is_some()
    }
}
