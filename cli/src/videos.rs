//! The videos of an argument: files, folders, patterns, lists, and the standard input.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read, Seek as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use framelift_domain::limits::VIDEO_EXTENSIONS;
use framelift_media::FileSource;

/// The standard input, as an argument.
const STDIN: &str = "-";

/// An input video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Video {
    /// The file; none for the standard input.
    path: Option<PathBuf>,
    /// The folders between the one that was named on the command line and the file.
    pub(crate) folder: PathBuf,
}

impl Video {
    pub(crate) fn file(path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()), folder: PathBuf::new() }
    }

    /// A file found below a folder, at the relative path `rest`.
    pub(crate) fn below(folder: impl AsRef<Path>, rest: impl AsRef<Path>) -> Self {
        let parent = rest.as_ref().parent().unwrap_or(Path::new(""));
        Self { path: Some(folder.as_ref().join(&rest)), folder: parent.to_owned() }
    }

    /// The file's name; what comes from the standard input is called `stdin`.
    pub(crate) fn file_name(&self) -> String {
        let name = self.path.as_deref().and_then(Path::file_name);
        name.map_or_else(|| "stdin".to_owned(), |name| name.to_string_lossy().into_owned())
    }

    /// The file's name without its extension; never one that leads to another folder, as the `..` of
    /// `...mp4` does.
    pub(crate) fn stem(&self) -> String {
        let stem = self.path.as_deref().and_then(Path::file_stem);
        let stem = stem.map_or_else(|| "stdin".to_owned(), |stem| stem.to_string_lossy().into_owned());
        if matches!(stem.as_str(), "." | "..") { stem.replace('.', "_") } else { stem }
    }

    /// For messages.
    pub(crate) fn shown(&self) -> String {
        self.path.as_ref().map_or_else(|| "standard input".to_owned(), |path| path.display().to_string())
    }

    /// The file's path, where it is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Opens the video. The standard input is copied to an unnamed temporary file of at most `limit` bytes, unless it
    /// is a file itself; the copy stops when `go_on` returns false.
    pub(crate) fn open(&self, limit: u64, go_on: impl Fn() -> bool) -> anyhow::Result<FileSource> {
        match &self.path {
            Some(path) => FileSource::open(path).with_context(|| self.shown()),
            None => standard_input(limit, go_on).with_context(|| self.shown()),
        }
    }
}

fn standard_input(limit: u64, go_on: impl Fn() -> bool) -> anyhow::Result<FileSource> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        bail!("it is a terminal; a video is expected through a pipe or from a file");
    }
    let mut given = File::from(stdin.as_fd().try_clone_to_owned()?);
    if given.metadata()?.is_file() && given.stream_position()? == 0 {
        return Ok(FileSource::from_file(given)?);
    }
    let mut kept = tempfile::tempfile().context("no temporary file")?;
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0;
    while go_on() {
        let n = match given.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        size += n as u64;
        if size > limit {
            bail!("it has more than {limit} bytes; --stdin-limit allows more");
        }
        kept.write_all(&buffer[..n]).context("the temporary file could not be written")?;
    }
    Ok(FileSource::from_file(kept)?)
}

/// All videos that the arguments name, in their order, without duplicates.
pub(crate) fn find(arguments: &[PathBuf], lists: &[PathBuf], recursive: bool) -> anyhow::Result<Vec<Video>> {
    let mut videos = Vec::new();
    let mut stdin_taken = false;
    for list in lists {
        stdin_taken |= list.as_os_str() == STDIN;
        videos.extend(read_list(list)?);
    }
    for argument in arguments {
        if argument.as_os_str() == STDIN {
            if std::mem::replace(&mut stdin_taken, true) {
                bail!("the standard input can be read once only");
            }
            videos.push(Video { path: None, folder: PathBuf::new() });
        } else if argument.is_dir() {
            if !recursive {
                bail!("{}: a folder, not a file; --recursive takes the videos in it", argument.display());
            }
            let before = videos.len();
            walk(argument, Path::new(""), &mut videos)?;
            if videos.len() == before {
                bail!("{}: no video in this folder", argument.display());
            }
        } else if argument.exists() {
            videos.push(Video::file(argument));
        } else {
            videos.extend(expand(argument)?);
        }
    }
    let mut seen = HashSet::new();
    videos.retain(|video| {
        seen.insert(video.path.as_ref().map(|path| path.canonicalize().unwrap_or(path.clone())))
    });
    Ok(videos)
}

/// Reads a list of names, one in each line.
fn read_list(list: &Path) -> anyhow::Result<Vec<Video>> {
    let reader: Box<dyn Read> = if list.as_os_str() == STDIN {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(list).with_context(|| list.display().to_string())?)
    };
    let mut videos = Vec::new();
    for line in BufReader::new(reader).lines() {
        let line = line.with_context(|| list.display().to_string())?;
        if !line.trim().is_empty() {
            videos.push(Video::file(line.trim_end_matches('\r')));
        }
    }
    if videos.is_empty() {
        bail!("{}: the list is empty", list.display());
    }
    Ok(videos)
}

/// Adds the videos in a folder and its subfolders, sorted by name, without hidden ones.
fn walk(folder: &Path, rest: &Path, videos: &mut Vec<Video>) -> anyhow::Result<()> {
    let here = folder.join(rest);
    let context = || here.display().to_string();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&here).with_context(context)? {
        let entry = entry.with_context(context)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            names.push((entry.file_name(), entry.file_type().with_context(context)?));
        }
    }
    names.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (name, kind) in names {
        let rest = rest.join(&name);
        // Links are not followed, because one may lead back to a parent folder.
        if kind.is_dir() {
            walk(folder, &rest, videos)?;
        } else if is_video(&rest) && folder.join(&rest).is_file() {
            videos.push(Video::below(folder, &rest));
        }
    }
    Ok(())
}

fn is_video(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    extension.is_some_and(|extension| VIDEO_EXTENSIONS.contains(&extension.as_str()))
}

/// The files that a pattern matches. An argument that is not a pattern is returned, and fails when it is opened.
fn expand(argument: &Path) -> anyhow::Result<Vec<Video>> {
    let pattern = argument.to_str().filter(|text| text.contains(['*', '?', '[']));
    let Some(pattern) = pattern else { return Ok(vec![Video::file(argument)]) };
    let paths = glob::glob(pattern).map_err(|error| anyhow!("{pattern}: {}", error.msg))?;
    let mut videos = Vec::new();
    for path in paths {
        let path = path?;
        if path.is_file() {
            videos.push(Video::file(path));
        }
    }
    if videos.is_empty() {
        bail!("{pattern}: no file matches this pattern");
    }
    Ok(videos)
}
