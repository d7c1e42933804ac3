//! The sharded lists of users that the sweep reads, and how users enter and leave them.
//!
//! Whether a user belongs in a list is decided by a value of that user (the *member*). The entry in the list is added
//! before the member is marked as listed, and removed after that mark is. Entries carry an epoch that increases each
//! time the user enters, so that a late removal does not remove a newer entry.

use std::collections::BTreeMap;

use framelift_domain::UserId;
use serde::{Deserialize, Serialize};

use super::update::{UpdateError, Updated};
use super::{Store, StoreError, Stored, keys, unavailable};
use crate::ports::{Ambient, Kv};

/// Maximum of users on one page of a shard. Further users are on the next page.
const PAGE_USERS: usize = 400;
/// Maximum of pages of a shard.
const MAX_PAGES: u32 = 1_000;

/// A list of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List {
    /// The first part of its keys.
    pub name: &'static str,
    /// The number of shards.
    pub shards: u32,
}

/// Users with unfinished videos.
pub const WORK: List = List { name: "work", shards: 64 };
/// Users with plugins that are to be checked or removed.
pub const PLUGINS: List = List { name: "checks", shards: 8 };
/// Users with objects that expire.
pub const KEPT: List = List { name: "kept", shards: 64 };

/// Users with due notices.
pub const NOTICES: List = List { name: "notices", shards: 64 };

/// Whether a user is in a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Increases each time the user enters the list.
    pub epoch: u64,
    /// Whether the user is in the list.
    pub listed: bool,
}

/// A value of a user that decides whether the user belongs in a list.
pub trait Member {
    /// The field with the membership.
    fn membership(&mut self) -> &mut Membership;
    /// Whether the user need not be in the list.
    fn is_idle(&self) -> bool;
}

/// One page of a shard: users with the epoch of their entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListPage {
    /// The entries.
    pub users: BTreeMap<UserId, u64>,
}

impl Stored for ListPage {}

/// Why a member was not changed.
enum MemberError<E> {
    NotListed(u64),
    Refused(E),
}

impl<'a, K: Kv, A: Ambient> Store<'a, K, A> {
    /// A page of a shard, or none after the last page.
    pub async fn list_page(&self, list: List, shard: u32, page: u32) -> Result<Option<ListPage>, StoreError> {
        self.get(&keys::list_page(list.name, shard, page)).await
    }

    /// Changes a member after making sure that the user is in the list. A missing member is created with its
    /// default.
    pub async fn update_member<T, R, E>(
        &self,
        list: List,
        user: UserId,
        key: &str,
        mut change: impl FnMut(T) -> Result<(T, bool, R), E>,
    ) -> Result<Updated<T, R>, UpdateError<E>>
    where
        T: Member + Default + Stored,
    {
        let mut listed_epoch = None;
        for _ in 0..8 {
            let updated = self
                .update(key, |mut member: T| {
                    let membership = member.membership();
                    if !membership.listed {
                        if listed_epoch != Some(membership.epoch + 1) {
                            return Err(MemberError::NotListed(membership.epoch));
                        }
                        *membership = Membership { epoch: membership.epoch + 1, listed: true };
                    }
                    change(member).map_err(MemberError::Refused)
                })
                .await;
            match updated {
                Ok(updated) => return Ok(updated),
                Err(UpdateError::Store(error)) => return Err(error.into()),
                Err(UpdateError::Refused(MemberError::Refused(error))) => {
                    return Err(UpdateError::Refused(error));
                }
                Err(UpdateError::Missing) => {
                    self.create(key, &T::default()).await?;
                }
                Err(UpdateError::Refused(MemberError::NotListed(epoch))) => {
                    self.enter(list, user, epoch + 1).await?;
                    listed_epoch = Some(epoch + 1);
                }
            }
        }
        Err(unavailable(key, "the user enters and leaves the list too fast").into())
    }

    /// Removes the user from the list if the member is idle. `entry_epoch` is the epoch of an entry that was read from
    /// the list. If a concurrent call has just added that entry, that call has to add it again.
    pub async fn leave_if_idle<T>(
        &self,
        list: List,
        user: UserId,
        key: &str,
        entry_epoch: u64,
    ) -> Result<(), StoreError>
    where
        T: Member + Stored,
    {
        let updated = self
            .update(key, |mut member: T| {
                if !member.is_idle() {
                    return Ok::<_, std::convert::Infallible>((member, false, None));
                }
                let membership = member.membership();
                let unlisted = Membership { epoch: membership.epoch.max(entry_epoch), listed: false };
                let changed = *membership != unlisted;
                *membership = unlisted;
                Ok((member, changed, Some(unlisted.epoch)))
            })
            .await;
        match updated {
            Ok(Updated { output: Some(epoch), .. }) => self.leave(list, user, epoch).await,
            Ok(_) | Err(UpdateError::Missing) => Ok(()),
            Err(UpdateError::Store(error)) => Err(error),
            Err(UpdateError::Refused(never)) => match never {},
        }
    }

    /// Adds an entry to the first page that has room.
    async fn enter(&self, list: List, user: UserId, epoch: u64) -> Result<(), StoreError> {
        let shard = keys::shard(user, list.shards);
        for page in 0..MAX_PAGES {
            let key = keys::list_page(list.name, shard, page);
            let updated = loop {
                let updated = self
                    .update(&key, |mut page: ListPage| {
                        let known = page.users.get(&user).copied();
                        if known.is_none() && page.users.len() >= PAGE_USERS {
                            return Ok::<_, std::convert::Infallible>((page, false, false));
                        }
                        page.users.insert(user, epoch.max(known.unwrap_or(0)));
                        Ok((page, known.is_none_or(|known| known < epoch), true))
                    })
                    .await;
                if matches!(updated, Err(UpdateError::Missing)) {
                    self.create(&key, &ListPage::default()).await?;
                    continue;
                }
                break updated;
            };
            match updated {
                Ok(Updated { output: true, .. }) => return Ok(()),
                // A damaged page is skipped, so that the users of its shard can still enter.
                Ok(_) | Err(UpdateError::Missing | UpdateError::Store(StoreError::Damaged(_))) => {}
                Err(UpdateError::Store(error)) => return Err(error),
                Err(UpdateError::Refused(never)) => match never {},
            }
        }
        Err(unavailable(list.name, "the list is full"))
    }

    /// Removes the user's entries up to that epoch from all pages.
    async fn leave(&self, list: List, user: UserId, epoch: u64) -> Result<(), StoreError> {
        let shard = keys::shard(user, list.shards);
        for page in 0..MAX_PAGES {
            let updated = self
                .update(&keys::list_page(list.name, shard, page), |mut page: ListPage| {
                    let stale = page.users.get(&user).is_some_and(|known| *known <= epoch);
                    if stale {
                        page.users.remove(&user);
                    }
                    Ok::<_, std::convert::Infallible>((page, stale, ()))
                })
                .await;
            match updated {
                Ok(_) | Err(UpdateError::Store(StoreError::Damaged(_))) => {}
                Err(UpdateError::Missing) => return Ok(()),
                Err(UpdateError::Store(error)) => return Err(error),
                Err(UpdateError::Refused(never)) => match never {},
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use framelift_domain::VideoId;
    use futures::executor::block_on;

    use super::*;
    use crate::store::memory::{MemoryKv, TestAmbient};
    use crate::store::slots::Slots;

    fn entry(store: &Store<'_, MemoryKv, TestAmbient>, user: UserId) -> Option<u64> {
        let page = block_on(store.list_page(WORK, keys::shard(user, WORK.shards), 0)).unwrap();
        page.and_then(|page| page.users.get(&user).copied())
    }

    fn add_work(store: &Store<'_, MemoryKv, TestAmbient>, user: UserId) -> Slots {
        let id = VideoId::new(1, [1; 10]);
        let key = keys::slots(user);
        let updated = store.update_member(WORK, user, &key, |mut slots: Slots| {
            slots.waiting = vec![id];
            Ok::<_, Infallible>((slots, true, ()))
        });
        block_on(updated).unwrap().value
    }

    fn remove_work(store: &Store<'_, MemoryKv, TestAmbient>, user: UserId) {
        block_on(store.drain_slots(user, |slots| !std::mem::take(&mut slots.waiting).is_empty())).unwrap();
    }

    #[test]
    fn a_late_removal_keeps_a_newer_entry() {
        let (kv, ambient, user) = (MemoryKv::default(), TestAmbient::new(1), UserId::new(1, [1; 10]));
        let store = &Store::new(&kv, &ambient);
        assert_eq!(add_work(store, user).work, Membership { epoch: 1, listed: true });
        assert_eq!(entry(store, user), Some(1));
        remove_work(store, user);
        assert_eq!(entry(store, user), None);
        assert_eq!(add_work(store, user).work, Membership { epoch: 2, listed: true });
        block_on(store.leave(WORK, user, 1)).unwrap();
        assert_eq!(entry(store, user), Some(2));
    }

    #[test]
    fn a_user_who_enters_while_the_sweep_removes_the_entry_enters_again() {
        let (kv, ambient, user) = (MemoryKv::default(), TestAmbient::new(1), UserId::new(1, [1; 10]));
        let store = &Store::new(&kv, &ambient);
        add_work(store, user);
        remove_work(store, user);
        // The sweep reads an entry before the slots are marked as listed.
        block_on(store.enter(WORK, user, 2)).unwrap();
        block_on(store.leave_if_idle::<Slots>(WORK, user, &keys::slots(user), 2)).unwrap();
        assert_eq!(entry(store, user), None);
        assert_eq!(add_work(store, user).work, Membership { epoch: 3, listed: true });
        assert_eq!(entry(store, user), Some(3));
    }

    #[test]
    fn a_full_page_is_followed_by_another() {
        let (kv, ambient) = (MemoryKv::default(), TestAmbient::new(1));
        let store = &Store::new(&kv, &ambient);
        let list = List { name: "few", shards: 1 };
        let users: Vec<UserId> = (0..PAGE_USERS as u64 + 3).map(|n| UserId::new(n, [1; 10])).collect();
        for user in &users {
            block_on(store.enter(list, *user, u64::MAX)).unwrap();
        }
        let page = |n| block_on(store.list_page(list, 0, n)).unwrap().map(|page| page.users.len());
        assert_eq!((page(0), page(1), page(2)), (Some(PAGE_USERS), Some(3), None));
        block_on(store.leave(list, users[0], u64::MAX)).unwrap();
        block_on(store.leave(list, users[PAGE_USERS], u64::MAX)).unwrap();
        assert_eq!((page(0), page(1)), (Some(PAGE_USERS - 1), Some(2)));
    }
}
