//! Parses `-o`: a folder, a template of images' names, an archive, or the standard output.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use framelift_domain::{Format, Rational};
use framelift_media::Names;

use crate::outcome::Failed;
use crate::template::{Image, Template};
use crate::videos::Video;

/// The format of an archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    #[default]
    Zip,
    Tar,
}

/// Where the frames of every video go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Stdout(Kind),
    /// A device or a pipe: written to, never replaced.
    InPlace(PathBuf, Kind),
    Archive(Template, Kind),
    Files {
        folder: Template,
        /// The template of names; none means `frame_000001.jpg` and so on.
        image: Option<Template>,
    },
}

/// Where the frames of one video go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Stdout(Kind),
    InPlace(PathBuf, Kind),
    Archive(PathBuf, Kind),
    Files { folder: PathBuf, names: FileNames },
}

impl Output {
    /// Parses the argument. `kind` is the format of an archive whose name does not determine it.
    pub(crate) fn parse(text: Option<&Path>, kind: Option<Kind>) -> Result<Self, String> {
        let Some(path) = text else {
            let kind = kind.unwrap_or_default();
            let extension = if kind == Kind::Zip { "zip" } else { "tar" };
            return Ok(Self::Archive(Template::parse(&format!("{{stem}}-frames.{extension}"))?, kind));
        };
        let text = path.to_str().ok_or("--output: the name is not UTF-8")?;
        if text == "-" {
            return Ok(Self::Stdout(kind.unwrap_or_default()));
        }
        match std::fs::metadata(path) {
            Ok(found) if !found.is_dir() && !found.is_file() => {
                return Ok(Self::InPlace(path.to_owned(), kind.unwrap_or_default()));
            }
            Ok(found) if found.is_dir() => return Self::folder(text),
            _ if text.ends_with('/') => return Self::folder(text),
            _ => {}
        }
        let (folder, file) = match text.rfind('/') {
            Some(at) => text.split_at(at + 1),
            None => ("", text),
        };
        let wrong = |error: String| format!("--output: {error}");
        let image = Template::parse(file).map_err(wrong)?;
        if Template::parse(folder).map_err(wrong)?.is_unique_per_image() {
            return Err("--output: {n} and {time} belong in the file's name, not in a folder's".to_owned());
        }
        if image.is_unique_per_image() {
            if file.contains("{dir}") {
                return Err("--output: {dir} belongs before the file's name".to_owned());
            }
            return Ok(Self::Files { folder: Template::parse(folder).map_err(wrong)?, image: Some(image) });
        }
        let extension = file.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
        let named = match extension.as_deref() {
            Some("zip") => Kind::Zip,
            Some("tar") => Kind::Tar,
            _ => {
                return Err(format!(
                    "--output: {text:?} is neither a folder (with a / at its end), nor a name for each image \
                     (as in 'frame_{{n:06}}.jpg'), nor an archive (.zip or .tar), nor - for the standard output"
                ));
            }
        };
        if kind.is_some_and(|kind| kind != named) {
            return Err(format!("--archive contradicts the name {text:?}"));
        }
        Ok(Self::Archive(Template::parse(text).map_err(wrong)?, named))
    }

    fn folder(text: &str) -> Result<Self, String> {
        let folder = Template::parse(text).map_err(|error| format!("--output: {error}"))?;
        Ok(Self::Files { folder, image: None })
    }

    /// The image format that the extension of the images' names implies.
    pub(crate) fn format(&self) -> Result<Option<Format>, String> {
        let Self::Files { image: Some(image), .. } = self else { return Ok(None) };
        if image.has_extension() {
            return Ok(None);
        }
        let name = image.image(&Video::file(""), Image { number: 1, time: Rational::ZERO, extension: "" });
        let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
        match extension.as_deref() {
            Some("jpg" | "jpeg") => Ok(Some(Format::Jpeg)),
            Some("png") => Ok(Some(Format::Png)),
            Some("webp") => Ok(Some(Format::Webp)),
            Some("avif") => Ok(Some(Format::Avif)),
            _ => Err("--output: the images' name must end in .{ext}, .jpg, .png, .webp or .avif".to_owned()),
        }
    }

    /// The destination of each video's frames. Fails if two videos have the same destination, or if one exists and
    /// `force` is not set.
    pub(crate) fn plan(&self, videos: &[Video], force: bool) -> Result<Vec<Destination>, Failed> {
        let value = |message: String| Failed::Values(vec![message]);
        let several = videos.len() > 1;
        let mut taken: HashMap<(PathBuf, Option<String>), &Video> = HashMap::new();
        let mut destinations = Vec::with_capacity(videos.len());
        for video in videos {
            let destination = self.destination(video, several).map_err(value)?;
            if let Some(key) = destination.key()
                && let Some(other) = taken.insert(key, video)
            {
                return Err(value(format!(
                    "--output: the frames of {} and of {} would go to the same place; {{name}} or {{dir}} in the \
                     output's name keeps them apart",
                    other.shown(),
                    video.shown()
                )));
            }
            if let Some(path) = destination.existing().filter(|_| !force) {
                return Err(anyhow!("{} exists; --force replaces it", path.display()).into());
            }
            destinations.push(destination);
        }
        for destination in &destinations {
            let target = destination.existing();
            let overwritten = target.and_then(|target| videos.iter().find(|video| is_same(video, &target)));
            if let Some(video) = overwritten {
                return Err(anyhow!("{} is the video itself", video.shown()).into());
            }
        }
        Ok(destinations)
    }

    fn destination(&self, video: &Video, several: bool) -> Result<Destination, String> {
        let one_only = "takes the frames of one video only";
        match self {
            Self::Stdout(_) if std::io::stdout().is_terminal() => {
                Err("--output: the standard output is a terminal; send it into a file or another program"
                    .to_owned())
            }
            Self::Stdout(_) if several => Err(format!("--output: the standard output {one_only}")),
            Self::InPlace(path, _) if several => Err(format!("--output: {} {one_only}", path.display())),
            Self::Stdout(kind) => Ok(Destination::Stdout(*kind)),
            Self::InPlace(path, kind) => Ok(Destination::InPlace(path.clone(), *kind)),
            Self::Archive(template, kind) => {
                if several && !template.is_unique_per_video() {
                    return Err(format!(
                        "--output: one archive {one_only}; with several, write {{stem}} in its name"
                    ));
                }
                let path = template.path(video);
                if path.is_dir() {
                    return Err(format!("--output: {} is a folder", path.display()));
                }
                Ok(Destination::Archive(path, *kind))
            }
            Self::Files { folder, image } => {
                let mut path = folder.path(video);
                let apart =
                    folder.is_unique_per_video() || image.as_ref().is_some_and(Template::is_unique_per_video);
                if several && !apart {
                    if image.is_some() {
                        return Err(
                            "--output: with several videos, write {stem} in the images' name".to_owned()
                        );
                    }
                    path.push(Template::parse("{stem}")?.path(video));
                }
                let names = FileNames { image: image.clone(), video: video.clone() };
                Ok(Destination::Files { folder: path, names })
            }
        }
    }
}

impl Destination {
    /// The identity of a destination, to find duplicates.
    fn key(&self) -> Option<(PathBuf, Option<String>)> {
        match self {
            Self::Archive(path, _) => Some((path.clone(), None)),
            Self::Files { folder, names } => Some((folder.clone(), Some(names.other("manifest.json")))),
            Self::Stdout(_) | Self::InPlace(..) => None,
        }
    }

    /// An existing file that the output would replace, as far as it is known before the first frame.
    fn existing(&self) -> Option<PathBuf> {
        let path = match self {
            Self::Archive(path, _) => path.clone(),
            Self::Files { folder, names } => folder.join(names.other("manifest.json")),
            Self::Stdout(_) | Self::InPlace(..) => return None,
        };
        path.symlink_metadata().is_ok().then_some(path)
    }

    /// For messages.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Stdout(_) => "the standard output".to_owned(),
            Self::InPlace(path, _) | Self::Archive(path, _) => path.display().to_string(),
            Self::Files { folder, .. } if folder.as_os_str().is_empty() => "./".to_owned(),
            Self::Files { folder, .. } => format!("{}/", folder.display()),
        }
    }
}

/// Whether the target is the video itself, which `--force` must not overwrite.
fn is_same(video: &Video, target: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |path: &Path| std::fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    video.path().and_then(identity).is_some_and(|one| identity(target) == Some(one))
}

/// The names of the files of one video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileNames {
    image: Option<Template>,
    video: Video,
}

impl Names for FileNames {
    fn image(&self, number: u64, time: Rational, extension: &str) -> String {
        match &self.image {
            Some(template) => template.image(&self.video, Image { number, time, extension }),
            None => format!("frame_{number:06}.{extension}"),
        }
    }

    fn other(&self, name: &str) -> String {
        match &self.image {
            // Several videos may share the folder.
            Some(_) => format!("{}-{name}", self.video.stem()),
            None => name.to_owned(),
        }
    }
}
