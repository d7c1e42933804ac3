//! A video's upload, which runs share: it is given up when the last of them no longer needs it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::VideoId;

/// Most videos that may share one upload at the same time.
pub const MAX_REFS: usize = 100;

/// The upload of a video.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// The video has an upload of its own.
    Own {
        /// The videos that use the upload, this one too while it does.
        refs: BTreeSet<VideoId>,
        /// Whether the upload was given up because no video used it.
        gone: bool,
    },
    /// The video is a run over the upload of another one.
    Of {
        /// That other one, which has an upload of its own.
        root: VideoId,
    },
}

/// Why an upload cannot be shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It was given up.
    #[error("the upload is not kept any more")]
    Gone,
    /// The maximum of videos share it.
    #[error("an upload may be shared by at most {MAX_REFS} videos")]
    Full,
    /// The video is a run itself; its root has the upload.
    #[error("the video has no upload of its own")]
    NotOwn,
}

impl Source {
    /// The source of a video with an upload of its own.
    pub fn own(id: VideoId) -> Self {
        Self::Own { refs: BTreeSet::from([id]), gone: false }
    }

    /// Adds a video to those that use the upload. Idempotent.
    pub fn hold(self, id: VideoId) -> Result<Self, SourceError> {
        match self {
            Self::Of { .. } => Err(SourceError::NotOwn),
            Self::Own { gone: true, .. } => Err(SourceError::Gone),
            Self::Own { refs, .. } if refs.len() >= MAX_REFS && !refs.contains(&id) => Err(SourceError::Full),
            Self::Own { mut refs, .. } => {
                refs.insert(id);
                Ok(Self::Own { refs, gone: false })
            }
        }
    }

    /// Removes a video from those that use the upload. Without any left, the upload is given up for good.
    pub fn let_go(self, id: VideoId) -> Result<Self, SourceError> {
        match self {
            Self::Of { .. } => Err(SourceError::NotOwn),
            Self::Own { mut refs, gone } => {
                refs.remove(&id);
                let gone = gone || refs.is_empty();
                Ok(Self::Own { refs, gone })
            }
        }
    }

    /// Whether this video has an upload of its own that was given up.
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::Own { gone: true, .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> VideoId {
        VideoId::new(u64::from(n), [n; 10])
    }

    #[test]
    fn the_last_one_takes_the_upload_along_for_good() {
        let shared = Source::own(id(1)).hold(id(2)).unwrap().hold(id(2)).unwrap();
        let one = shared.let_go(id(1)).unwrap();
        assert!(!one.is_gone());
        let none = one.let_go(id(2)).unwrap();
        assert!(none.is_gone());
        assert_eq!(none.clone().hold(id(3)), Err(SourceError::Gone));
        assert_eq!(none.clone().let_go(id(2)), Ok(none));
    }

    #[test]
    fn sharing_is_bounded_and_never_nested() {
        let mut source = Source::own(id(0));
        for n in 1..MAX_REFS as u8 {
            source = source.hold(id(n)).unwrap();
        }
        assert_eq!(source.clone().hold(id(200)), Err(SourceError::Full));
        assert!(source.hold(id(5)).is_ok());
        let run = Source::Of { root: id(1) };
        assert_eq!(run.clone().hold(id(2)), Err(SourceError::NotOwn));
        assert_eq!(run.let_go(id(2)), Err(SourceError::NotOwn));
    }
}
