//! Compiled plugins in a folder, by the component's SHA-256 and the compiler's version.

use std::fs::{self, DirBuilder, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use framelift_domain::Checksum;
use wasmtime::Engine;

use crate::check::Checked;
use crate::code::{Rejected, config};
use crate::limits::Metering;
use crate::run::Compiled;

/// A folder of compiled plugins that only this user may write to: what lies there is run.
#[derive(Debug)]
pub struct Registry {
    folder: PathBuf,
    max_bytes: u64,
    /// One compiler for each metering.
    compilers: [String; 2],
}

impl Registry {
    /// Opens the folder, or makes it. What was used least recently is removed beyond `max_bytes`.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn open(folder: impl Into<PathBuf>, max_bytes: u64) -> io::Result<Self> {
        let folder = folder.into();
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let compilers = [compiler(Metering::Time)?, compiler(Metering::TimeAndFuel)?];
        Ok(Self { folder, max_bytes, compilers })
    }

    fn path(&self, sha256: Checksum, metering: Metering) -> PathBuf {
        self.folder.join(format!("{sha256}-{}", self.compilers[metering as usize]))
    }

    /// Returns the compiled code of the component with this SHA-256, if it is kept.
    pub fn get(&self, sha256: Checksum, metering: Metering) -> Option<Compiled> {
        let path = self.path(sha256, metering);
        let mut file = BufReader::new(File::open(&path).ok()?);
        let mut checked = Vec::new();
        file.read_until(b'\n', &mut checked).ok()?;
        let checked: Checked = serde_json::from_slice(&checked).ok()?;
        let mut code = Vec::new();
        file.read_to_end(&mut code).ok()?;
        // The file's time is that of its last use.
        #[expect(clippy::disallowed_methods, reason = "a file's time, which says only what is removed first")]
        let now = SystemTime::now();
        let _ = file.get_ref().set_modified(now);
        Some(Compiled { sha256, code, metering, checked })
    }

    /// Keeps what was compiled.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn put(&self, compiled: &Compiled) -> io::Result<()> {
        let Compiled { sha256, code, metering, checked } = compiled;
        let path = self.path(*sha256, *metering);
        let part = path.with_extension(std::process::id().to_string());
        let mut file = File::create(&part)?;
        let written = serde_json::to_writer(&mut file, checked)
            .map_err(io::Error::other)
            .and_then(|()| file.write_all(b"\n"))
            .and_then(|()| file.write_all(code))
            .and_then(|()| fs::rename(&part, &path));
        if written.is_err() {
            let _ = fs::remove_file(&part);
        }
        written?;
        self.remove_oldest(&path)
    }

    fn remove_oldest(&self, newest: &Path) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            files.push((metadata.modified()?, metadata.len(), entry.path()));
        }
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, length, path) in files {
            if bytes <= self.max_bytes {
                break;
            }
            if path != newest && fs::remove_file(&path).is_ok() {
                bytes -= length;
            }
        }
        Ok(())
    }
}

/// What distinguishes compiled code: the compiler's version, its settings and the processor.
fn compiler(metering: Metering) -> io::Result<String> {
    let failed =
        |error: wasmtime::Error| Rejected::new(format!("plugins cannot be compiled here: {error:#}"));
    let engine = Engine::new(&config(metering)).map_err(failed).map_err(io::Error::other)?;
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    Ok(format!("{:016x}", hasher.finish()))
}
