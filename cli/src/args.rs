//! The command line. Values are taken as text here and checked by the service's own rules, so
//! that both say the same about a wrong one.

use std::path::PathBuf;

use clap::{ArgGroup, Parser, Subcommand};
use framelift_contract::options::{OptionsBody, RangeBody, ResizeBody, ScenesBody, SelectBody};
use framelift_media::HardwareUse;

/// Gets frames out of videos.
#[derive(Debug, Parser)]
#[command(name = "framelift", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write frames of a video, with a manifest, to a ZIP archive
    Extract(Box<ExtractArgs>),
    /// Say what a video file holds
    Probe(ProbeArgs),
    /// Say what this machine's GPU decodes
    Hardware(HardwareArgs),
}

#[derive(Debug, Parser)]
pub(crate) struct HardwareArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Parser)]
pub(crate) struct ProbeArgs {
    /// The video
    pub(crate) file: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Parser)]
#[command(
    group(ArgGroup::new("select").args(["every", "fps", "count", "at", "keyframes", "scenes", "all"])),
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 64 a wrong value, 130 interrupted"
)]
pub(crate) struct ExtractArgs {
    /// The video
    pub(crate) file: PathBuf,
    /// The archive; "-" is the standard output [default: <FILE's stem>-frames.zip]
    #[arg(short, long, value_name = "ZIP")]
    pub(crate) output: Option<PathBuf>,
    /// Replace the archive if it exists
    #[arg(short, long)]
    pub(crate) force: bool,

    /// One frame each so often: 1s, 250ms, 2m [default: 1s]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true, help_heading = "Which frames")]
    every: Option<String>,
    /// So many frames a second
    #[arg(long, value_name = "RATE", allow_hyphen_values = true, help_heading = "Which frames")]
    fps: Option<String>,
    /// So many frames, evenly
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = "Which frames")]
    count: Option<String>,
    /// The frames at these places, as in 1.5s,50%,#300
    #[arg(
        long,
        value_name = "PLACES",
        value_delimiter = ',',
        allow_hyphen_values = true,
        help_heading = "Which frames"
    )]
    at: Option<Vec<String>>,
    /// Every sync point of the container
    #[arg(long, help_heading = "Which frames")]
    keyframes: bool,
    /// The first frame of each shot; 0.3 is a usual threshold, 200 the most frames by default
    #[arg(long, value_name = "THRESHOLD[,MAX]", allow_hyphen_values = true, help_heading = "Which frames")]
    scenes: Option<String>,
    /// Every frame
    #[arg(long, help_heading = "Which frames")]
    all: bool,
    /// Where to start: a time, percentage or frame number
    #[arg(long, value_name = "PLACE", allow_hyphen_values = true, help_heading = "Which frames")]
    from: Option<String>,
    /// Where to end
    #[arg(long, value_name = "PLACE", allow_hyphen_values = true, help_heading = "Which frames")]
    to: Option<String>,
    /// How far a frame may be off where that is cheaper
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true, help_heading = "Which frames")]
    tolerance: Option<String>,

    /// jpeg, png, webp or avif [default: jpeg]
    #[arg(long, help_heading = "Images")]
    format: Option<String>,
    /// 1 (smallest) to 100 (best), on the format's own scale; not for PNG [default: 90]
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = "Images")]
    quality: Option<String>,
    /// Pixels across
    #[arg(long, value_name = "PIXELS", help_heading = "Images")]
    width: Option<String>,
    /// Pixels down
    #[arg(long, value_name = "PIXELS", help_heading = "Images")]
    height: Option<String>,
    /// With width and height: contain, cover or fill [default: contain]
    #[arg(long, help_heading = "Images")]
    fit: Option<String>,
    /// Add a sheet of small pictures and their times in WebVTT
    #[arg(long, help_heading = "Images")]
    storyboard: bool,

    /// Print a summary as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress bar
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Threads for decoding, and as many for encoding [default: one for each core]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) threads: usize,
    /// Decode on an NVIDIA GPU: auto (where it wins) or never
    #[arg(long, value_name = "USE", default_value = "auto")]
    pub(crate) hardware: HardwareUse,
}

impl ExtractArgs {
    /// The options as the API would get them, or what is wrong.
    pub(crate) fn options(&self) -> Result<OptionsBody, String> {
        let integer = |name: &str, text: &Option<String>| {
            text.as_ref()
                .map(|text| {
                    text.parse::<i64>().map_err(|_| format!("--{name}: {text:?} is not a whole number"))
                })
                .transpose()
        };
        let rate = self
            .fps
            .as_ref()
            .map(|text| serde_json::from_str(text).map_err(|_| format!("--fps: {text:?} is not a number")));
        let selected =
            self.every.is_some() || self.fps.is_some() || self.count.is_some() || self.at.is_some();
        let scenes = self.scenes.as_deref().map(scenes).transpose()?;
        let select = (selected || self.keyframes || self.all || scenes.is_some()).then_some(SelectBody {
            every: self.every.clone(),
            fps: rate.transpose()?,
            count: integer("count", &self.count)?,
            at: self.at.clone(),
            keyframes: self.keyframes.then_some(true),
            scenes,
            all: self.all.then_some(true),
        });
        let resized = self.width.is_some() || self.height.is_some();
        if self.fit.is_some() && !resized {
            return Err("--fit needs --width or --height".to_owned());
        }
        Ok(OptionsBody {
            select,
            range: (self.from.is_some() || self.to.is_some())
                .then(|| RangeBody { start: self.from.clone(), end: self.to.clone() }),
            tolerance: self.tolerance.clone(),
            format: self.format.clone(),
            quality: integer("quality", &self.quality)?,
            resize: if resized {
                Some(ResizeBody {
                    width: integer("width", &self.width)?,
                    height: integer("height", &self.height)?,
                    fit: self.fit.clone(),
                })
            } else {
                None
            },
            storyboard: self.storyboard.then_some(true),
            ..OptionsBody::default()
        })
    }
}

/// `THRESHOLD[,MAX]`.
fn scenes(text: &str) -> Result<ScenesBody, String> {
    let (threshold, max) = match text.split_once(',') {
        Some((threshold, max)) => (threshold, Some(max)),
        None => (text, None),
    };
    let wrong = |text: &str, what: &str| format!("--scenes: {text:?} is not {what}");
    Ok(ScenesBody {
        threshold: Some(threshold.parse().map_err(|_| wrong(threshold, "a number"))?),
        max: max.map(|max| max.parse().map_err(|_| wrong(max, "a whole number"))).transpose()?,
    })
}
