//! The command line's arguments. Values are plain text here; `options` parses them.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand};
use framelift_media::HardwareUse;
use framelift_sandbox::{Engine, RunError, Sandbox, Settings};

use crate::outcome::Failed;
use crate::output::Kind;
use crate::plugin::PluginCommand;
use crate::remote::account::AccountCommand;
use crate::remote::download::DownloadArgs;
use crate::remote::frames::FramesArgs;
use crate::remote::login::{LoginArgs, LogoutArgs};
use crate::remote::run::RunArgs;
use crate::remote::upload::UploadArgs;
use crate::remote::videos::{IdsArgs, ListArgs, ShowArgs};
use crate::shell::{CompletionsArgs, ManArgs};

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 some of several videos failed, 64 a wrong value,
69 the service cannot be reached or is too busy, 77 not logged in or not allowed, 128 + n ended by
signal n

Environment: FRAMELIFT_SERVER and FRAMELIFT_TOKEN (an access token) stand in for a login,
FRAMELIFT_LOG=debug says what happens, NO_COLOR turns colours off, HTTPS_PROXY and NO_PROXY are
honoured";

/// Gets frames out of videos, on this machine or by a Framelift service.
#[derive(Debug, Parser)]
#[command(name = "framelift", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write frames of videos to archives or folders, with a manifest
    Extract(Box<ExtractArgs>),
    /// Describe a video file
    Probe(ProbeArgs),
    /// List what this machine's GPU decodes
    Hardware(HardwareArgs),
    /// Write, check, try and measure frame plugins
    #[command(subcommand)]
    Plugin(Box<PluginCommand>),
    /// Log in to a service
    Login(LoginArgs),
    /// Log out
    Logout(LogoutArgs),
    /// Send videos to the service; an interrupted upload goes on with the same command
    #[command(after_help = UPLOAD_EXAMPLES)]
    Upload(Box<UploadArgs>),
    /// List your videos, newest first
    List(ListArgs),
    /// Show one video
    Show(ShowArgs),
    /// Follow videos until they have ended
    Watch(IdsArgs),
    /// Download a video's frames; an interrupted download goes on with the same command
    Download(DownloadArgs),
    /// Get single frames of a finished video, or all of them into a folder
    Frames(FramesArgs),
    /// Process a video's upload again with other options
    Run(Box<RunArgs>),
    /// Cancel videos that are not finished
    Cancel(IdsArgs),
    /// Remove videos, with their uploads and frames
    Rm(IdsArgs),
    /// Show and change your account
    #[command(subcommand)]
    Account(Box<AccountCommand>),
    /// Print a script that completes commands in a shell
    #[command(after_help = COMPLETIONS)]
    Completions(CompletionsArgs),
    /// Write man pages
    Man(ManArgs),
}

const UPLOAD_EXAMPLES: &str = "\
Examples:
  framelift upload holiday.mp4                           prints the video's id and ends
  framelift upload holiday.mp4 --every 10 -o frames/     waits, and writes frames/holiday-frames.zip
  framelift upload *.mp4 --keyframes --wait --json       one summary for programs";

const COMPLETIONS: &str = "\
Examples:
  framelift completions bash > ~/.local/share/bash-completion/completions/framelift
  framelift completions zsh > ~/.zfunc/_framelift
  framelift completions fish > ~/.config/fish/completions/framelift.fish";

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
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

#[derive(Debug, Args)]
pub(crate) struct EngineArgs {
    /// Decode in this process, not in one that can reach neither files nor the network: for systems
    /// whose kernel cannot confine it, and only for videos that you trust
    #[arg(long, help_heading = "Running")]
    pub(crate) no_sandbox: bool,
}

const EXAMPLES: &str = "\
Examples:
  framelift extract holiday.mp4                          one frame a second, to holiday-frames.zip
  framelift extract holiday.mp4 -o frames/ --every 10    to frames/frame_000001.jpg and so on
  framelift extract holiday.mp4 -o '{stem}_{time:.3}.png' --at 1.5,00:01:00,50%
  framelift extract -r clips -o 'out/{dir}/{stem}.tar' --keyframes
  curl -s https://example.org/a.mp4 | framelift extract - -o a.zip

Names for -o may hold the video's {stem}, {name} and {dir}, and each image's number {n:06}, seconds
{time:.3} and {ext}.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 some of several videos failed, 64 a wrong value,
128 + n ended by signal n";

#[derive(Debug, Parser)]
#[command(
    group(ArgGroup::new("select").args(["every", "fps", "count", "at", "keyframes", "scenes", "all"])),
    after_help = EXAMPLES
)]
pub(crate) struct ExtractArgs {
    /// Videos: files, folders (with --recursive), patterns such as 'clips/*.mp4', or - for the standard
    /// input
    #[arg(value_name = "VIDEO", required_unless_present = "list")]
    pub(crate) videos: Vec<PathBuf>,
    /// Read names of videos from FILE, one in each line; - is the standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) list: Vec<PathBuf>,
    /// Take the videos in folders, and in the folders in them
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// Read at most BYTES from the standard input
    #[arg(long, value_name = "BYTES", default_value_t = 50 << 30)]
    pub(crate) stdin_limit: u64,

    /// Write to a folder (out/), a file for each image (out/{n:06}.jpg), an archive (.zip, .tar) or the
    /// standard output (-) [default: {stem}-frames.zip]
    #[arg(short, long, value_name = "OUT", help_heading = "Output")]
    pub(crate) output: Option<PathBuf>,
    /// Choose the archive's format where the name does not
    #[arg(long, value_name = "FORMAT", help_heading = "Output")]
    pub(crate) archive: Option<Kind>,
    /// Replace files that exist; in a folder, also remove the images that an earlier run listed there
    #[arg(short, long, help_heading = "Output")]
    pub(crate) force: bool,

    #[command(flatten)]
    pub(crate) select: SelectArgs,
    #[command(flatten)]
    pub(crate) images: ImageArgs,

    /// Pass the frames through a plugin: a component (mine.wasm) or one that comes with framelift (dedupe,
    /// grayscale, redact, sharpest, watermark), after a colon its configuration in JSON or a file of it
    /// (watermark:{"text":"draft"}, mine.wasm:config.json). May be given several times
    #[arg(long, value_name = "PLUGIN[:CONFIG]", help_heading = "Images")]
    pub(crate) plugin: Vec<String>,

    /// Print a summary as JSON
    #[arg(long, help_heading = "Running")]
    pub(crate) json: bool,
    /// Print errors only
    #[arg(short, long, help_heading = "Running")]
    pub(crate) quiet: bool,
    /// Use N threads for decoding, and N for encoding [default: one for each core]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, help_heading = "Running")]
    pub(crate) threads: usize,
    /// Decode on an NVIDIA GPU: auto (where it is faster) or never
    #[arg(long, value_name = "USE", default_value = "auto", help_heading = "Running")]
    pub(crate) hardware: HardwareUse,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

impl EngineArgs {
    /// Where videos are decoded.
    pub(crate) fn start(&self, hardware: HardwareUse) -> Result<Engine, Failed> {
        if self.no_sandbox {
            return Ok(Engine::InProcess);
        }
        let started = Sandbox::start(Settings { hardware, ..Settings::default() });
        Ok(Engine::Sandboxed(Box::new(started.map_err(RunError::from)?)))
    }
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Which frames")]
pub(crate) struct SelectArgs {
    /// Extract one frame every DURATION: 2, 250ms, 1m, 00:00:02 [default: 1s]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub(crate) every: Option<String>,
    /// Extract RATE frames a second: 2, 0.5, 1/2
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    pub(crate) fps: Option<String>,
    /// Extract N frames at equal distances
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) count: Option<String>,
    /// Extract the frames at times, percentages or frame numbers, as in 1.5s,00:01:00,50%,#300
    #[arg(long, value_name = "PLACES", value_delimiter = ',', allow_hyphen_values = true)]
    pub(crate) at: Option<Vec<String>>,
    /// Extract every frame that the container marks as a sync point
    #[arg(long)]
    pub(crate) keyframes: bool,
    /// Extract the first frame of each shot; 0.3 is a usual threshold, 200 frames the default maximum
    #[arg(long, value_name = "THRESHOLD[,MAX]", allow_hyphen_values = true)]
    pub(crate) scenes: Option<String>,
    /// Extract every frame
    #[arg(long)]
    pub(crate) all: bool,
    /// Start at a time, percentage or frame number
    #[arg(long, value_name = "PLACE", allow_hyphen_values = true)]
    pub(crate) from: Option<String>,
    /// End before a time, percentage or frame number
    #[arg(long, value_name = "PLACE", allow_hyphen_values = true)]
    pub(crate) to: Option<String>,
    /// Take the video stream that the file has under number N; `framelift probe` lists them
    /// [default: the best one]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) stream: Option<String>,
    /// Take a frame up to DURATION away where that is faster
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub(crate) tolerance: Option<String>,
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Images")]
pub(crate) struct ImageArgs {
    /// Write jpg, png, webp or avif [default: what the output's name says, or jpg]
    #[arg(long)]
    pub(crate) format: Option<String>,
    /// Set the quality from 1 (smallest) to 100 (best), on the format's own scale; not for PNG [default: 90]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) quality: Option<String>,
    /// Keep only a part of each picture, WIDTHxHEIGHT pixels from column X and line Y on, before it is
    /// resized
    #[arg(long, value_name = "X:Y:WIDTHxHEIGHT", allow_hyphen_values = true)]
    pub(crate) crop: Option<String>,
    /// Resize to WIDTHxHEIGHT pixels; one of the two may be left out
    #[arg(long, value_name = "SIZE", conflicts_with_all = ["width", "height"])]
    pub(crate) size: Option<String>,
    /// Resize to so many pixels across
    #[arg(long, value_name = "PIXELS")]
    pub(crate) width: Option<String>,
    /// Resize to so many pixels down
    #[arg(long, value_name = "PIXELS")]
    pub(crate) height: Option<String>,
    /// With both sides given: contain (keep all), cover (fill and cut off) or fill (stretch)
    /// [default: contain]
    #[arg(long)]
    pub(crate) fit: Option<String>,
    /// Add a sheet of small pictures, and their times in WebVTT
    #[arg(long)]
    pub(crate) storyboard: bool,
}
