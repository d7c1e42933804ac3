//! The clips that are decoded: their files' names say what they are for.

use std::path::{Path, PathBuf};

use framelift_media::MemorySource;

/// A video in memory.
#[derive(Clone)]
pub(crate) struct Clip {
    /// Its file's name without purpose and extension: `h264-1080p`.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) source: MemorySource,
}

/// The clips by purpose.
pub(crate) struct Clips {
    /// Small ones of each codec, `check-CODEC-BITS.*`, of which frames are compared.
    pub(crate) check: Vec<Clip>,
    /// Ones that the GPU has to leave to the CPU, `fallback-WHY.*`.
    pub(crate) fallback: Vec<Clip>,
    /// Large ones, `measure-CODEC-SIZE.*`.
    pub(crate) measure: Vec<Clip>,
}

impl Clips {
    /// Reads a folder of them.
    pub(crate) fn read(folder: &Path) -> Result<Self, String> {
        let failed =
            |error: std::io::Error| format!("cannot read the clips in {}: {error}", folder.display());
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            paths.push(entry.map_err(failed)?.path());
        }
        paths.sort();
        let of = |purpose: &str| {
            let named = |path: &&PathBuf| stem(path).starts_with(purpose);
            paths.iter().filter(named).map(|path| Clip::read(path, purpose)).collect::<Result<Vec<_>, _>>()
        };
        let clips = Self { check: of("check-")?, fallback: of("fallback-")?, measure: of("measure-")? };
        if clips.check.is_empty() || clips.measure.is_empty() {
            return Err(format!("there are no clips in {}", folder.display()));
        }
        Ok(clips)
    }

    /// The clip that long runs use: the first that a GPU of any age decodes.
    pub(crate) fn usual(&self) -> Option<&Clip> {
        self.measure.iter().find(|clip| clip.name.starts_with("h264")).or(self.measure.first())
    }
}

impl Clip {
    fn read(path: &Path, purpose: &str) -> Result<Self, String> {
        let bytes =
            std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let name = stem(path).trim_start_matches(purpose).to_owned();
        Ok(Self { name, path: path.to_owned(), source: MemorySource(bytes.into()) })
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
