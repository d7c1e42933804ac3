//! The checks and the measurements, one after the other, with what was seen written after each.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;

use crate::checks::{self, Kit};
use crate::clips::Clips;
use crate::results::{Check, Results};
use crate::{device, measure};

/// Tries and measures decoding on the GPU of this machine.
#[derive(Parser)]
pub(crate) struct Args {
    /// Folder with the clips
    #[arg(long, default_value = "clips")]
    clips: PathBuf,
    /// Where to write the results
    #[arg(long, default_value = "results.json")]
    results: PathBuf,
    /// An ffmpeg program to measure against
    #[arg(long)]
    ffmpeg: Option<PathBuf>,
    /// What starts this program once more, if that is not its own file
    #[arg(long)]
    program: Option<PathBuf>,
    /// Seconds after which no measurement starts
    #[arg(long, default_value_t = 200)]
    seconds: u64,
    /// Decode this clip on the GPU again and again, to be killed
    #[arg(long, hide = true)]
    pub(crate) decode_forever: Option<PathBuf>,
}

/// Runs everything. Returns whether there is a GPU and all checks passed.
pub(crate) fn run(args: &Args) -> Result<bool, String> {
    let end = Instant::now() + Duration::from_secs(args.seconds);
    let program = args.program.clone().map_or_else(std::env::current_exe, Ok);
    let program = program.map_err(|error| format!("this program cannot find itself: {error}"))?;
    let kit = Kit { clips: Clips::read(&args.clips)?, program };
    let mut results = Results::begun(device::machine(args.ffmpeg.as_deref()));
    println!("{}", results.machine);
    // Written after each step, because the next one may crash the machine.
    let write = |results: &Results| results.write(&args.results);
    write(&results)?;
    for check in checks::ALL {
        let found = check.run(&kit);
        println!("{found}");
        results.checks.push(found);
        write(&results)?;
    }
    if framelift_media::hardware().is_usable() {
        measure::measure(&kit.clips, args.ffmpeg.as_deref(), end, &mut |rows| {
            results.rows = rows;
            write(&results)
        })?;
        println!("{}", results.table());
    }
    let held = results.checks.iter().all(Check::held);
    let tried = results.machine.problem.is_none();
    println!(
        "{}",
        match (tried, held) {
            (false, _) => "nothing was tried: there is no GPU that decodes",
            (true, true) => "every check held, or was skipped with a reason",
            (true, false) => "some checks FAILED",
        }
    );
    Ok(tried && held)
}
