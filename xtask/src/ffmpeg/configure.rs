//! What FFmpeg's `configure` is told: nothing but what `components.rs` lists and, where the `ffmpeg` program is
//! wanted, what that needs to do the engine's work.

use super::components::{DECODERS, FILTERS, HWACCELS, NOT_VIDEOS, PARSERS, SUPPORTED, UNSUPPORTED};

/// Switches besides the lists. Without `--enable-gpl` it is under the LGPL.
const SWITCHES: &[&str] = &[
    "--enable-static",
    "--disable-shared",
    "--enable-pic",
    "--disable-autodetect",
    "--disable-everything",
    "--disable-doc",
    "--disable-network",
    "--disable-avdevice",
    "--disable-swresample",
    "--disable-postproc",
    "--disable-iconv",
    "--disable-debug",
    "--enable-zlib",
    "--enable-libdav1d",
    "--enable-ffnvcodec",
    "--enable-cuda",
    "--enable-nvdec",
    "--enable-cuda-llvm",
];

/// What is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The libraries that the engine is linked to.
    Libraries,
    /// The `ffmpeg` program, which the engine is measured against where there is no other.
    Program,
}

impl Target {
    fn switches(self) -> &'static [&'static str] {
        match self {
            Self::Libraries => &["--disable-programs"],
            Self::Program => &[
                "--disable-ffplay",
                "--disable-ffprobe",
                "--enable-protocol=file",
                "--enable-muxer=image2",
                "--enable-encoder=mjpeg,png",
                "--enable-filter=fps,scale,hwdownload,format",
            ],
        }
    }
}

/// Components that `configure` calls by another name than FFmpeg's libraries do.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("camtasia", "tscc"),
    ("msmpeg4", "msmpeg4v3"),
    ("mpeg", "mpegps"),
    ("film_cpk", "segafilm"),
    ("smk", "smacker"),
];

/// All arguments but where to install.
pub(super) fn arguments(what: Target) -> Vec<String> {
    let refused = UNSUPPORTED.iter().map(|(name, _)| *name);
    let demuxers: Vec<&str> =
        SUPPORTED.iter().copied().chain(refused).chain(NOT_VIDEOS.iter().copied()).collect();
    let lists = [
        ("decoder", DECODERS.to_vec()),
        ("demuxer", demuxers),
        ("parser", PARSERS.to_vec()),
        ("hwaccel", HWACCELS.to_vec()),
        ("filter", FILTERS.to_vec()),
    ];
    let list = |(kind, names): &(&str, Vec<&str>)| {
        let names: Vec<String> = names.iter().map(|name| named(name)).collect();
        format!("--enable-{kind}={}", names.join(","))
    };
    let switches = SWITCHES.iter().chain(what.switches());
    switches.map(|switch| (*switch).to_owned()).chain(lists.iter().map(list)).collect()
}

/// What `configure` calls a component.
fn named(name: &str) -> String {
    if let Some((_, other)) = OTHER_NAMES.iter().find(|(library, _)| *library == name) {
        return (*other).to_owned();
    }
    if name.ends_with("_pipe") { format!("image_{name}") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configure_is_told_its_own_names() {
        assert_eq!(named("msmpeg4"), "msmpeg4v3");
        assert_eq!(named("png_pipe"), "image_png_pipe");
        assert_eq!(named("h264"), "h264");
        let lists = arguments(Target::Libraries);
        assert!(lists.iter().any(|list| list.starts_with("--enable-decoder=h264,hevc,")));
        assert!(!lists.iter().any(|list| list.contains("gpl") || list.contains("protocol")));
    }
}
