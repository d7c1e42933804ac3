//! The list of a user's videos in the order of their creation, in pages of 100.
//!
//! A video's position never moves. The newest page is the head; when it is full, it is sealed
//! under its own key before the head moves on, so that a crash in between loses nothing. An
//! entry is written before its record. A reader skips entries without a record, and records with another
//! position.

use framelift_domain::{UserId, VideoId, is_zero};
use serde::{Deserialize, Serialize};

use super::listing::{KEPT, Member, Membership};
use super::update::UpdateError;
use super::{Damaged, Store, StoreError, Stored, keys, unavailable};
use crate::ports::{Ambient, Kv};

/// Videos on a page.
pub const PAGE: u64 = 100;

/// The newest page, and how far the sweep has cleared the older ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Whether the user is in the list [`KEPT`].
    pub kept: Membership,
    /// The position of the first id; a multiple of [`PAGE`].
    pub base: u64,
    /// The ids from there on.
    pub ids: Vec<VideoId>,
    /// The objects of all videos before this position are deleted.
    pub retired: u64,
    /// The records of all videos before this position are removed, and so are the pages that have only those.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub removed: u64,
}

impl Stored for Head {}

/// A full page.
#[derive(Serialize, Deserialize)]
pub(crate) struct SealedPage(pub(crate) Vec<VideoId>);

impl Stored for SealedPage {}

impl Member for Head {
    fn membership(&mut self) -> &mut Membership {
        &mut self.kept
    }

    fn is_idle(&self) -> bool {
        self.retired >= self.len()
    }
}

impl Head {
    /// The number of videos, which is the position of the next one.
    pub fn len(&self) -> u64 {
        self.base + self.ids.len() as u64
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The outcome of an append.
enum Appended {
    At(u64),
    Full { base: u64, ids: Vec<VideoId> },
}

impl<'a, K: Kv, A: Ambient> Store<'a, K, A> {
    /// A user's newest page.
    pub async fn head(&self, user: UserId) -> Result<Head, StoreError> {
        Ok(self.get(&keys::index(user)).await?.unwrap_or_default())
    }

    /// The ids of the page with that number. A missing page counts as damaged.
    pub async fn index_page(&self, user: UserId, head: &Head, page: u64) -> Result<Vec<VideoId>, StoreError> {
        let ids = self.find_index_page(user, head, page).await?;
        ids.ok_or_else(|| Damaged::new(&keys::index_page(user, page), "the page is missing").into())
    }

    /// The same; none if the page is missing.
    pub async fn find_index_page(
        &self,
        user: UserId,
        head: &Head,
        page: u64,
    ) -> Result<Option<Vec<VideoId>>, StoreError> {
        if page == head.base / PAGE {
            return Ok(Some(head.ids.clone()));
        }
        let page: Option<SealedPage> = self.get(&keys::index_page(user, page)).await?;
        Ok(page.map(|page| page.0))
    }

    /// Appends a video, unless the newest page has it already, and returns its position.
    pub async fn append(&self, user: UserId, id: VideoId) -> Result<u64, StoreError> {
        let mut sealed = None;
        for _ in 0..8 {
            let updated = self
                .update_member(KEPT, user, &keys::index(user), |mut head: Head| {
                    if let Some(n) = head.ids.iter().position(|known| *known == id) {
                        let at = head.base + n as u64;
                        return Ok::<_, std::convert::Infallible>((head, false, Appended::At(at)));
                    }
                    if head.ids.len() as u64 >= PAGE {
                        if sealed != Some(head.base) {
                            let full = Appended::Full { base: head.base, ids: head.ids.clone() };
                            return Ok((head, false, full));
                        }
                        head.base += PAGE;
                        head.ids.clear();
                    }
                    head.ids.push(id);
                    let at = head.len() - 1;
                    Ok((head, true, Appended::At(at)))
                })
                .await;
            match updated {
                Ok(updated) => match updated.output {
                    Appended::At(at) => return Ok(at),
                    Appended::Full { base, ids } => {
                        // A full page never changes, so all callers that seal it write the same.
                        self.set_plain(&keys::index_page(user, base / PAGE), &SealedPage(ids)).await?;
                        sealed = Some(base);
                    }
                },
                Err(UpdateError::Store(error)) => return Err(error),
                Err(UpdateError::Missing) => {}
                Err(UpdateError::Refused(never)) => match never {},
            }
        }
        Err(unavailable(&keys::index(user), "its pages fill too fast"))
    }

    /// Records that the objects of all videos before that position are deleted.
    pub async fn retire(&self, user: UserId, before: u64) -> Result<Head, StoreError> {
        self.advance(user, |head| {
            let changed = before > head.retired && before <= head.len();
            if changed {
                head.retired = before;
            }
            changed
        })
        .await
    }

    /// Records that the records of all videos before that position are removed, and removes the pages that have only
    /// those.
    pub async fn trim(&self, user: UserId, before: u64) -> Result<(), StoreError> {
        let mut pages = 0..0;
        let advance = self.advance(user, |head| {
            let changed = before > head.removed && before <= head.retired;
            if changed {
                pages = head.removed / PAGE..before.min(head.base) / PAGE;
                head.removed = before;
            }
            changed
        });
        advance.await?;
        for page in pages {
            self.forget(&keys::index_page(user, page)).await?;
        }
        Ok(())
    }

    async fn advance(
        &self,
        user: UserId,
        mut change: impl FnMut(&mut Head) -> bool,
    ) -> Result<Head, StoreError> {
        let updated = self
            .update(&keys::index(user), |mut head: Head| {
                let changed = change(&mut head);
                Ok::<_, std::convert::Infallible>((head, changed, ()))
            })
            .await;
        match updated {
            Ok(updated) => Ok(updated.value),
            Err(UpdateError::Missing) => Ok(Head::default()),
            Err(UpdateError::Store(error)) => Err(error),
            Err(UpdateError::Refused(never)) => match never {},
        }
    }
}
