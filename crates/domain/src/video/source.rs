//! A video's upload, which runs share. It is released when the last of them no longer needs it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::VideoId;

/// Most videos that may share one upload at the same time.
pub const MAX_REFS: usize = 100;

/// The upload of a video.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// The video owns its upload.
    Own {
        /// The videos that use the upload, this one too while it does.
        refs: BTreeSet<VideoId>,
        /// Whether the upload was released because no video used it.
        gone: bool,
    },
    /// The video is a run over the upload of another one.
    Of {
        /// The original video, which owns the upload.
        root: VideoId,
    },
}

/// Why an upload cannot be shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It was released.
    #[error("the upload is not kept any more")]
    Gone,
    /// The maximum number of videos share it.
    #[error("an upload may be shared by at most {MAX_REFS} videos")]
    Full,
    /// The video is a run itself; its root has the upload.
    #[error("the video has no upload of its own")]
    NotOwn,
}

impl Source {
    /// The source of a video that owns its upload.
    pub fn own(id: VideoId) -> Self {
        Self::Own { refs: BTreeSet::from([id]), gone: false }
    }

    /// Adds a video to those that use the upload. Idempotent.
    pub fn add_ref(self, id: VideoId) -> Result<Self, SourceError> {
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

    /// Removes a video from those that use the upload. When none is left, the upload is released for good.
    /// Idempotent.
    pub fn release(self, id: VideoId) -> Result<Self, SourceError> {
        match self {
            Self::Of { .. } => Err(SourceError::NotOwn),
            Self::Own { mut refs, gone } => {
                refs.remove(&id);
                let gone = gone || refs.is_empty();
                Ok(Self::Own { refs, gone })
            }
        }
    }

    /// Whether this video owned its upload and it was released.
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
        let shared = Source::own(id(1)).add_ref(id(2)).unwrap().add_ref(id(2)).unwrap();
        let one = shared.release(id(1)).unwrap();
        assert!(!one.is_gone());
        let none = one.release(id(2)).unwrap();
        assert!(none.is_gone());
        assert_eq!(none.clone().add_ref(id(3)), Err(SourceError::Gone));
        assert_eq!(none.clone().release(id(2)), Ok(none));
    }

    #[test]
    fn sharing_is_bounded_and_never_nested() {
        let mut source = Source::own(id(0));
        for n in 1..MAX_REFS as u8 {
            source = source.add_ref(id(n)).unwrap();
        }
        assert_eq!(source.clone().add_ref(id(200)), Err(SourceError::Full));
        assert!(source.add_ref(id(5)).is_ok());
        let run = Source::Of { root: id(1) };
        assert_eq!(run.clone().add_ref(id(2)), Err(SourceError::NotOwn));
        assert_eq!(run.release(id(2)), Err(SourceError::NotOwn));
    }
}
