//! The results, for programs (`results.json`) and for people (tables in Markdown).

use std::fmt;
use std::path::Path;

use serde::Serialize;

/// The version of `results.json`.
const VERSION: u32 = 1;

/// All of it.
#[derive(Serialize)]
pub(crate) struct Results {
    version: u32,
    /// The engine's version.
    engine: &'static str,
    pub(crate) machine: Machine,
    pub(crate) checks: Vec<Check>,
    pub(crate) rows: Vec<Row>,
}

/// Where it was seen.
#[derive(Serialize)]
pub(crate) struct Machine {
    pub(crate) gpu: Option<String>,
    pub(crate) driver: Option<String>,
    /// Why nothing is decoded on a GPU.
    pub(crate) problem: Option<String>,
    pub(crate) codecs: Vec<Codec>,
    pub(crate) cpu: String,
    /// Cores that this process may use.
    pub(crate) cores: usize,
    /// The first line of the other program's version.
    pub(crate) ffmpeg: Option<String>,
}

/// A kind of video, and why the GPU does not decode it.
#[derive(Serialize)]
pub(crate) struct Codec {
    pub(crate) codec: String,
    pub(crate) bits: u8,
    pub(crate) problem: Option<String>,
}

/// The result of one check.
#[derive(Serialize)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    /// What was seen, a line for each part.
    pub(crate) seen: Vec<String>,
    /// What did not hold.
    pub(crate) failures: Vec<String>,
    /// What was not tried, and why.
    pub(crate) skipped: Vec<String>,
}

impl Check {
    pub(crate) fn named(name: &'static str) -> Self {
        Self { name, seen: Vec::new(), failures: Vec::new(), skipped: Vec::new() }
    }

    /// Whether nothing failed.
    pub(crate) fn held(&self) -> bool {
        self.failures.is_empty()
    }

    /// Adds an outcome: an observation or a failure.
    pub(crate) fn take(&mut self, outcome: Result<String, String>) {
        match outcome {
            Ok(seen) => self.seen.push(seen),
            Err(failure) => self.failures.push(failure),
        }
    }
}

/// One job that was measured: medians over rounds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) clip: String,
    pub(crate) job: &'static str,
    /// Images that come out.
    pub(crate) frames: u64,
    pub(crate) rounds: usize,
    /// Seconds of a job that decodes on the GPU.
    pub(crate) gpu_seconds: f64,
    /// Seconds of one that decodes on all cores of the CPU.
    pub(crate) cpu_seconds: f64,
    /// Seconds of `ffmpeg -hwaccel cuda`, where it was run.
    pub(crate) ffmpeg_seconds: Option<f64>,
    /// What the engine chooses by itself.
    pub(crate) chosen: String,
}

impl Results {
    pub(crate) fn begun(machine: Machine) -> Self {
        Self {
            version: VERSION,
            engine: env!("CARGO_PKG_VERSION"),
            machine,
            checks: Vec::new(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        std::fs::write(path, text + "\n").map_err(|error| format!("cannot write {}: {error}", path.display()))
    }

    /// The measurements, as `docs/gpu.md` has them.
    pub(crate) fn table(&self) -> String {
        let mut text = String::from(
            "\n| clip | job | images | GPU s | CPU s | GPU is | ffmpeg cuda s | chosen | rounds |\n|---|---|---|---|---|---|---|---|---|\n",
        );
        for row in &self.rows {
            let faster = row.cpu_seconds / row.gpu_seconds;
            let ffmpeg = row.ffmpeg_seconds.map_or_else(|| "—".to_owned(), |seconds| format!("{seconds:.3}"));
            text += &format!(
                "| {} | {} | {} | {:.3} | {:.3} | {faster:.2}× | {ffmpeg} | {} | {} |\n",
                row.clip, row.job, row.frames, row.gpu_seconds, row.cpu_seconds, row.chosen, row.rounds
            );
        }
        text
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
        writeln!(f, "GPU: {}, driver {}", or_none(&self.gpu), or_none(&self.driver))?;
        writeln!(f, "CPU: {}, {} cores", self.cpu, self.cores)?;
        if let Some(problem) = &self.problem {
            writeln!(f, "nothing is decoded on a GPU: {problem}")?;
        }
        for kind in &self.codecs {
            let verdict = kind.problem.as_deref().unwrap_or("decoded");
            writeln!(f, "  {} {} bit: {verdict}", kind.codec, kind.bits)?;
        }
        Ok(())
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tried = !self.seen.is_empty() || !self.failures.is_empty();
        let verdict = match (self.held(), tried) {
            (false, _) => "FAILED",
            (true, true) => "held",
            (true, false) => "SKIPPED",
        };
        write!(f, "{}: {verdict}", self.name)?;
        let lines = [("", &self.seen), ("FAILED: ", &self.failures), ("skipped: ", &self.skipped)];
        for (kind, lines) in lines {
            for line in lines {
                write!(f, "\n  {kind}{line}")?;
            }
        }
        Ok(())
    }
}
