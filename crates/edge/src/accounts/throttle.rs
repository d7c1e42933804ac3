//! How many passwords may be tried, and by whom: a stranger's failures never lock an owner out.
//!
//! Failures are counted by account *and* by who tries: by network for strangers, by login for a device
//! that shows a refresh token which it once got for this account, by token for a caller. Those of all
//! strangers together have a limit of their own, against guesses from many networks; devices and callers
//! are above it.

use super::attempts::{Admission, Attempts, Counter, bucket};
use super::{Accounts, no_value, settle};
use crate::http::Failure;
use crate::passwords::{self, Verdict};
use crate::ports::{Ambient, Http, Kv, Unavailable};
use framelift_contract::problem::ProblemCode;

/// Failures of one guesser at one account, in the window.
const MOST_OF_ONE: u32 = 10;
/// Failures of all strangers at one account, in the window.
const MOST_OF_STRANGERS: u32 = 100;
/// How often a login waits for others of the same guesser that are being checked.
const BUSY_ROUNDS: u32 = 20;
const BUSY_PAUSE_MS: u32 = 100;
/// How often a hash waits for others of the same instance: 20 s.
const HASH_ROUNDS: u32 = 1000;
const HASH_PAUSE_MS: u32 = 20;
/// No password is longer, in characters.
const MAX_PASSWORD: usize = 128;

/// Who tries a password.
#[derive(Clone, Copy, Debug)]
pub(super) enum Guesser<'a> {
    /// Somebody in that network.
    Stranger(&'a str),
    /// A device that logged in to this account before, by that login.
    Device(&'a str),
    /// The holder of the account's access token of that id.
    Caller(&'a str),
}

fn too_many(retry_after_s: u32) -> Failure {
    Failure::new(ProblemCode::TooManyAttempts, "too many failed logins for this account; try again later")
        .retry_after(retry_after_s)
}

fn too_many_mails(retry_after_s: u32) -> Failure {
    Failure::new(ProblemCode::TooManyAttempts, "too many e-mails were asked for; try again later")
        .retry_after(retry_after_s)
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    /// Compares a password with an account's, or pretends to when there is none. The attempt is
    /// counted before the hash is computed; 429 when too many of this guesser failed.
    pub(super) async fn check_password(
        &self,
        account: &str,
        guesser: Guesser<'_>,
        password: &str,
        hash: Option<&str>,
    ) -> Result<Verdict, Failure> {
        let counters = self.counters(account, guesser);
        self.admit(&counters).await?;
        let verdict = match self.compare(password, hash).await {
            Ok(verdict) => verdict,
            Err(error) => {
                // It was no attempt. A store that does not take that back counts it until the window ends.
                self.withdraw(&counters).await?;
                return Err(error.into());
            }
        };
        let now = self.ambient.now();
        for counter in &counters {
            self.count(counter, |attempts| match verdict {
                Verdict::Wrong => attempts.failed(counter, now),
                _ => attempts.succeeded(counter),
            })
            .await?;
        }
        Ok(verdict)
    }

    /// Counts what is limited by itself, whatever comes of it; 429 when there was too much.
    pub(super) async fn spend(&self, counters: &[Counter]) -> Result<(), Failure> {
        for counter in counters {
            let (store, key, now) = (self.store(), bucket(counter), self.ambient.now());
            store.create(&key, &Attempts::default()).await?;
            let result = store
                .update(&key, |attempts: Attempts| {
                    let (attempts, admission) = attempts.begin(counter, now);
                    let admitted = admission == Admission::Admitted;
                    Ok((if admitted { attempts.failed(counter, now) } else { attempts }, admitted, admission))
                })
                .await;
            match settle(result, no_value)?.output {
                Admission::Admitted => {}
                Admission::Refused(retry_after_s) => return Err(too_many_mails(retry_after_s)),
                Admission::Busy => return Err(too_many_mails(1)),
            }
        }
        Ok(())
    }

    /// The hash of a new password.
    pub(super) async fn hash(&self, password: &str) -> Result<String, Unavailable> {
        let _turn = self.hash_turn().await?;
        passwords::hash(self.http, password).await
    }

    async fn compare(&self, password: &str, hash: Option<&str>) -> Result<Verdict, Unavailable> {
        let _turn = self.hash_turn().await?;
        // Nobody has such a password; it is not sent on, but costs the same.
        if password.chars().count() > MAX_PASSWORD {
            return passwords::verify(self.http, "", None).await;
        }
        passwords::verify(self.http, password, hash).await
    }

    /// Waits until few enough hashes are being computed for this instance.
    async fn hash_turn(&self) -> Result<super::gate::Turn, Unavailable> {
        for _ in 0..HASH_ROUNDS {
            if let Some(turn) = self.config.gate.enter() {
                return Ok(turn);
            }
            self.ambient.pause(HASH_PAUSE_MS).await;
        }
        Err(Unavailable { what: "password check", detail: "too many logins are waiting".into() })
    }

    fn counters(&self, account: &str, guesser: Guesser<'_>) -> Vec<Counter> {
        let one = |kind: &str, id: &str| {
            Counter::new(self.config.secrets.counter(account, kind, id), MOST_OF_ONE).forgiving()
        };
        match guesser {
            Guesser::Stranger(network) => {
                vec![one("network", network), Counter::new(account.to_owned(), MOST_OF_STRANGERS)]
            }
            Guesser::Device(family) => vec![one("device", family)],
            Guesser::Caller(token) => vec![one("token", token)],
        }
    }

    /// Counts an attempt everywhere, or nowhere.
    async fn admit(&self, counters: &[Counter]) -> Result<(), Failure> {
        for (position, counter) in counters.iter().enumerate() {
            if let Err(failure) = self.admit_to(counter).await {
                self.withdraw(&counters[..position]).await?;
                return Err(failure);
            }
        }
        Ok(())
    }

    async fn admit_to(&self, counter: &Counter) -> Result<(), Failure> {
        let (store, key) = (self.store(), bucket(counter));
        store.create(&key, &Attempts::default()).await?;
        for _ in 0..BUSY_ROUNDS {
            let now = self.ambient.now();
            let result = store
                .update(&key, |attempts: Attempts| {
                    let (attempts, admission) = attempts.begin(counter, now);
                    Ok((attempts, admission == Admission::Admitted, admission))
                })
                .await;
            match settle(result, no_value)?.output {
                Admission::Admitted => return Ok(()),
                Admission::Refused(retry_after_s) => return Err(too_many(retry_after_s)),
                Admission::Busy => self.ambient.pause(BUSY_PAUSE_MS).await,
            }
        }
        Err(too_many(1))
    }

    async fn withdraw(&self, counters: &[Counter]) -> Result<(), Failure> {
        for counter in counters {
            self.count(counter, |attempts| attempts.withdrawn(counter)).await?;
        }
        Ok(())
    }

    async fn count(&self, counter: &Counter, change: impl Fn(Attempts) -> Attempts) -> Result<(), Failure> {
        let result = self
            .store()
            .update(&bucket(counter), |attempts: Attempts| Ok((change(attempts), true, ())))
            .await;
        settle(result, no_value).map(|_| ())
    }
}
