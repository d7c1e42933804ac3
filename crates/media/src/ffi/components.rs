//! Compares the components of the linked FFmpeg with the lists in [`crate::components`].

use std::collections::BTreeSet;
use std::ptr;

use ffmpeg_next::ffi;

use super::string;
use crate::components::{DECODERS, FILTERS, NOT_VIDEOS, SUPPORTED, UNSUPPORTED};

/// The names that one of FFmpeg's iterators returns.
fn names<T>(mut next: impl FnMut() -> *const T, name: impl Fn(&T) -> String) -> BTreeSet<String> {
    // SAFETY: FFmpeg's iterators give static descriptions, then null.
    std::iter::from_fn(|| unsafe { next().as_ref() }).map(name).collect()
}

fn listed<'a>(names: impl IntoIterator<Item = &'a &'a str>) -> BTreeSet<String> {
    names.into_iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn our_own_ffmpeg_has_what_is_listed_and_nothing_else() {
    // SAFETY: static strings, and iterators whose states start at null.
    unsafe {
        if !string(ffi::avcodec_configuration()).contains("--disable-everything") {
            eprintln!("SKIPPED: the parts of FFmpeg as the project builds it: another one is linked");
            return;
        }
        assert!(string(ffi::avcodec_license()).starts_with("LGPL"));

        let mut state = ptr::null_mut();
        let codecs = names(
            || ffi::av_codec_iterate(&mut state),
            |codec| {
                assert!(ffi::av_codec_is_encoder(codec) == 0);
                string(codec.name)
            },
        );
        assert_eq!(codecs, listed(DECODERS));

        let mut state = ptr::null_mut();
        let demuxers = names(
            || ffi::av_demuxer_iterate(&mut state),
            |demuxer| string(demuxer.name).split(',').next().unwrap().to_owned(),
        );
        let refused: Vec<&str> = UNSUPPORTED.iter().map(|(name, _)| *name).collect();
        assert_eq!(demuxers, listed(SUPPORTED.iter().chain(&refused).chain(NOT_VIDEOS)));

        let mut state = ptr::null_mut();
        let filters = names(|| ffi::av_filter_iterate(&mut state), |filter| string(filter.name));
        let plumbing = ["buffer", "buffersink", "abuffer", "abuffersink"];
        assert_eq!(filters, listed(FILTERS.iter().chain(&plumbing)));

        assert!(ffi::av_muxer_iterate(&mut ptr::null_mut()).is_null());
        assert!(ffi::avio_enum_protocols(&mut ptr::null_mut(), 0).is_null());
        assert!(ffi::avio_enum_protocols(&mut ptr::null_mut(), 1).is_null());
    }
}
