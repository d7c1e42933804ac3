//! Logins of one account: families of refresh tokens, each good for one rotation.

use framelift_domain::Time;
use serde::{Deserialize, Serialize};

use crate::store::Stored;

/// Maximum of logins. A new one replaces the one that was used least recently.
const MAX_FAMILIES: usize = 20;
/// How long an unused login lasts, in seconds.
const IDLE_S: i64 = 30 * 24 * 3600;
/// How long a repeated rotation, whose answer was lost, gets the same answer, in milliseconds.
const GRACE_MS: i64 = 30_000;

/// The value of `sessions/<uid>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sessions {
    /// Set when the account is deleted, and never reset.
    #[serde(default)]
    closed: bool,
    #[serde(default)]
    families: Vec<Family>,
}

impl Stored for Sessions {
    const VERSION: u32 = 2;
}

/// One login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Family {
    pub(super) id: String,
    generation: u32,
    /// When the login began; not recorded by version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) opened_at: Option<Time>,
    /// When it was used last.
    pub(super) rotated_at: Time,
}

/// The outcome of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rotation {
    /// The current generation, and since when it is the current one.
    Current(u32, Time),
    /// The token was used before, so its whole family is revoked.
    Replayed,
    /// The family is unknown, revoked or too old.
    Unknown,
}

impl Sessions {
    /// Begins a login; none if the account is closed.
    pub(super) fn open(mut self, family: &str, now: Time) -> Option<Self> {
        if self.closed {
            return None;
        }
        self.prune(now);
        while self.families.len() >= MAX_FAMILIES {
            let oldest = self.families.iter().enumerate().min_by_key(|(_, family)| family.rotated_at);
            let Some((oldest, _)) = oldest else { break };
            self.families.remove(oldest);
        }
        let family = Family { id: family.to_owned(), generation: 0, opened_at: Some(now), rotated_at: now };
        self.families.push(family);
        Some(self)
    }

    /// Trades a token of that generation for the next one.
    pub(super) fn rotate(mut self, family: &str, generation: u32, now: Time) -> (Self, Rotation) {
        self.prune(now);
        let Some(position) = self.families.iter().position(|known| known.id == family) else {
            return (self, Rotation::Unknown);
        };
        let known = &mut self.families[position];
        if generation == known.generation {
            known.generation = known.generation.saturating_add(1);
            known.rotated_at = now;
            let rotation = Rotation::Current(known.generation, now);
            return (self, rotation);
        }
        let repeated = generation.checked_add(1) == Some(known.generation);
        if repeated && now.ms_since(known.rotated_at) <= GRACE_MS {
            let rotation = Rotation::Current(known.generation, known.rotated_at);
            return (self, rotation);
        }
        self.families.remove(position);
        (self, Rotation::Replayed)
    }

    /// Ends the logins whose ids satisfy `condition`. Returns whether there was one.
    pub(super) fn end(mut self, condition: impl Fn(&str) -> bool) -> (Self, bool) {
        let before = self.families.len();
        self.families.retain(|known| !condition(&known.id));
        let ended = self.families.len() < before;
        (self, ended)
    }

    /// The open logins, most recently used first.
    pub(super) fn all(mut self, now: Time) -> Vec<Family> {
        self.prune(now);
        self.families.sort_by_key(|family| std::cmp::Reverse(family.rotated_at));
        self.families
    }

    /// The sessions of a deleted account, which takes no further logins.
    pub(super) fn close() -> Self {
        Self { closed: true, families: Vec::new() }
    }

    fn prune(&mut self, now: Time) {
        self.families.retain(|family| now.ms_since(family.rotated_at) <= IDLE_S * 1000);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_unix_ms(seconds * 1000)
    }

    #[test]
    fn a_repeated_rotation_answers_the_same_for_a_while_and_then_revokes() {
        let sessions = Sessions::default().open("f", at(0)).unwrap();
        let (sessions, first) = sessions.rotate("f", 0, at(10));
        assert_eq!(first, Rotation::Current(1, at(10)));
        let (sessions, again) = sessions.rotate("f", 0, at(40));
        assert_eq!(again, first);
        let (sessions, late) = sessions.rotate("f", 0, at(41));
        assert_eq!(late, Rotation::Replayed);
        let (_, successor) = sessions.rotate("f", 1, at(41));
        assert_eq!(successor, Rotation::Unknown);
    }

    #[test]
    fn a_token_two_generations_old_revokes_at_once() {
        let sessions = Sessions::default().open("f", at(0)).unwrap();
        let (sessions, _) = sessions.rotate("f", 0, at(1));
        let (sessions, _) = sessions.rotate("f", 1, at(2));
        let (sessions, old) = sessions.rotate("f", 0, at(3));
        assert_eq!((old, sessions), (Rotation::Replayed, Sessions::default()));
    }

    #[test]
    fn twenty_logins_and_the_oldest_makes_room() {
        let mut sessions = Sessions::default();
        for n in 0..21 {
            sessions = sessions.open(&n.to_string(), at(n)).unwrap();
        }
        assert_eq!(sessions.families.len(), MAX_FAMILIES);
        assert_eq!(sessions.clone().rotate("0", 0, at(30)).1, Rotation::Unknown);
        assert_eq!(sessions.rotate("1", 0, at(30)).1, Rotation::Current(1, at(30)));
    }

    #[test]
    fn a_login_ends_after_a_month_without_use() {
        let sessions = Sessions::default().open("f", at(0)).unwrap();
        assert_eq!(sessions.clone().rotate("f", 0, at(IDLE_S)).1, Rotation::Current(1, at(IDLE_S)));
        assert_eq!(sessions.rotate("f", 0, at(IDLE_S + 1)).1, Rotation::Unknown);
    }

    #[test]
    fn a_closed_account_has_no_logins() {
        assert_eq!(Sessions::close().open("f", at(0)), None);
    }

    proptest! {
        /// Of any two uses of one token, more than the grace apart, one is refused, and the
        /// value stays below the store's limit.
        #[test]
        fn no_token_works_twice(steps in proptest::collection::vec((0u32..4, 0i64..100), 1..60)) {
            let mut sessions = Sessions::default().open("f", at(0)).unwrap();
            let mut used: std::collections::HashMap<u32, i64> = std::collections::HashMap::new();
            let mut now = 0;
            for (generation, wait) in steps {
                now += wait;
                let (next, rotation) = sessions.rotate("f", generation, at(now));
                sessions = next;
                if matches!(rotation, Rotation::Current(..)) {
                    let first = *used.entry(generation).or_insert(now);
                    prop_assert!(now - first <= GRACE_MS / 1000);
                }
                prop_assert!(serde_json::to_vec(&sessions).unwrap().len() < 4096);
            }
        }
    }
}
