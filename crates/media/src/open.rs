//! Opens a container and turns each way to fail into a message for the video's owner.

use framelift_domain::FailureCode;

use crate::ffi::{Decoder, DecoderError, Input, OpenError, Processor, Threading, VideoStream};
use crate::watch::Watch;
use crate::words::count;
use crate::{EngineLimits, ExtractError, Source, formats};

/// Opens the container, chooses the video stream with the number `stream` or the best one, and checks that
/// the engine supports it.
pub(crate) fn open<'c>(
    source: Box<dyn Source>,
    stream: Option<u32>,
    limits: &EngineLimits,
    watch: &'c Watch<'c>,
) -> Result<Input<'c>, ExtractError> {
    use FailureCode::{
        CorruptInput, LimitExceeded, NoVideoStream, NotAVideo, UnsupportedCodec, UnsupportedContainer,
    };
    let size = source.size();
    watch.opens(size);
    if size == 0 {
        return Err(ExtractError::failed(NotAVideo, "the file is empty"));
    }
    let fail = |code, message: String| Err(ExtractError::failed(code, message));
    match Input::open(source, stream, limits, watch) {
        Ok(mut input) => {
            let info = input.info();
            watch.claims(size, info.claimed_duration, u64::from(info.width) * u64::from(info.height));
            if input.has_times_of_decoding() {
                input.ignore_times();
                watch.warn(
                    "the file has presentation times in the order of decoding; frames are shown in the \
                     codec's own order instead",
                );
            }
            Ok(input)
        }
        Err(OpenError::Io(error)) => Err(ExtractError::Source(error)),
        Err(OpenError::Stopped) => Err(watch.stop_error()),
        Err(OpenError::NotVideo(None)) => fail(NotAVideo, "the file is in no known video format".into()),
        Err(OpenError::NotVideo(Some(format))) => {
            fail(NotAVideo, format!("the file looks like {format}, which is not a video format"))
        }
        Err(OpenError::Still(format)) => {
            fail(NotAVideo, format!("the file is a still picture ({format}), not a video"))
        }
        Err(OpenError::Container(format)) => {
            fail(UnsupportedContainer, format!("files in {format} are not supported yet"))
        }
        Err(OpenError::Codec(codec)) => fail(UnsupportedCodec, format!("{codec} video is not supported yet")),
        Err(OpenError::Header(format, error)) => fail(
            CorruptInput,
            format!("the header of the {format} container cannot be read ({error}); the file may be cut off"),
        ),
        Err(OpenError::TooManyStreams) => fail(
            LimitExceeded,
            format!("the file holds more than {}", count(limits.max_streams.into(), "stream")),
        ),
        Err(OpenError::Excess(what)) => fail(LimitExceeded, what),
        Err(OpenError::NoSuchStream(number, streams)) => fail(
            NoVideoStream,
            format!("stream {number} of the file is no video; these are: {}", VideoStream::list(&streams)),
        ),
        Err(OpenError::NoVideo) => fail(NoVideoStream, "the file holds no video stream".into()),
        Err(OpenError::NoMemory) => Err(ExtractError::internal("out of memory")),
    }
}

/// Opens an input's container again, at its start.
pub(crate) fn reopen<'c>(
    input: Input<'c>,
    limits: &EngineLimits,
    watch: &'c Watch<'c>,
) -> Result<Input<'c>, ExtractError> {
    let stream = input.stream_number();
    open(input.into_source(), Some(stream), limits, watch)
}

/// Opens a decoder for an input's video, if it is supported and within the limits.
pub(crate) fn decoder(
    input: &Input<'_>,
    limits: &EngineLimits,
    threads: usize,
    threading: Threading,
) -> Result<Decoder, ExtractError> {
    let info = input.info();
    if info.encrypted {
        return Err(encrypted());
    }
    if u64::from(info.width) * u64::from(info.height) > limits.max_pixels {
        return Err(too_large(limits));
    }
    // Each thread holds a picture, and as many wait to be encoded.
    let fit = usize::try_from(input.pictures_that_fit()).unwrap_or(usize::MAX);
    let threads = threads.min(fit.saturating_sub(8) / 4).max(1);
    let processor = Processor::Cpu(threads, threading);
    input.decoder(processor, limits.max_pixels).map_err(|error| match error {
        DecoderError::Unsupported => {
            ExtractError::failed(FailureCode::UnsupportedCodec, unsupported(&info.codec))
        }
        DecoderError::Failed(error) if error.is_unsupported() => ExtractError::failed(
            FailureCode::UnsupportedCodec,
            format!("this kind of {} is not supported: {error}", info.codec),
        ),
        DecoderError::Failed(error) => ExtractError::failed(
            FailureCode::CorruptInput,
            format!("the {} decoder refuses the stream's header: {error}", info.codec),
        ),
    })
}

fn unsupported(codec: &str) -> String {
    match formats::codec_name(codec) {
        Some(name) => format!("{name} video is not supported yet"),
        None => format!("the codec {codec} is not supported"),
    }
}

/// The failure for a limit that a decoder exceeded.
pub(crate) fn excess(decoder: &Decoder) -> Option<ExtractError> {
    decoder.excess().map(|excess| ExtractError::failed(FailureCode::LimitExceeded, excess.message()))
}

pub(crate) fn encrypted() -> ExtractError {
    ExtractError::failed(FailureCode::DrmProtected, "the video stream is encrypted")
}

pub(crate) fn too_large(limits: &EngineLimits) -> ExtractError {
    ExtractError::failed(
        FailureCode::LimitExceeded,
        format!("the pictures have more than {}", count(limits.max_pixels, "pixel")),
    )
}
