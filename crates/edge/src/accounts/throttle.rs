//! Limits of failed logins, such that failures of an attacker never lock the owner out.
//!
//! Failures are counted by account *and* by client. A client is identified by its network, a known device (one that
//! presents a refresh token of this account, however old) by its login, an authenticated caller by the access token. A
//! second limit, against attacks from many networks, counts the failures of all unknown clients of an account together;
//! known devices and authenticated callers are exempt from it.

use super::attempts::{Admission, Attempts, Counter, bucket};
use super::semaphore::Permit;
use super::{Accounts, map_update_error, value_missing};
use crate::http::Failure;
use crate::passwords::{self, Verdict};
use crate::ports::{Ambient, Http, Kv, Unavailable};
use framelift_contract::problem::ProblemCode;

/// Maximum of failures of one client at one account within the window.
const MAX_FAILURES_PER_CLIENT: u32 = 10;
/// Maximum of failures of all unknown clients together at one account within the window.
const MAX_FAILURES_OF_UNKNOWN_CLIENTS: u32 = 100;
/// How often a login that found too many pending attempts of its client tries to be admitted.
const MAX_ADMISSION_ATTEMPTS: u32 = 20;
const ADMISSION_RETRY_MS: u32 = 100;
/// How often a hash tries to get a permit: for 20 s.
const MAX_PERMIT_ATTEMPTS: u32 = 1000;
const PERMIT_RETRY_MS: u32 = 20;
/// Maximum of characters of a password.
const MAX_PASSWORD_CHARS: usize = 128;

/// The client that a failed login is counted for.
#[derive(Clone, Copy, Debug)]
pub(super) enum LoginClient<'a> {
    /// A client that is known only by its network.
    Unknown(&'a str),
    /// A device that logged in to this account before, by the id of that login.
    KnownDevice(&'a str),
    /// An authenticated caller, by the id of the access token.
    AccessToken(&'a str),
}

fn too_many_failures(retry_after_s: u32) -> Failure {
    Failure::new(ProblemCode::TooManyAttempts, "too many failed logins for this account; try again later")
        .retry_after(retry_after_s)
}

fn too_many_mails(retry_after_s: u32) -> Failure {
    Failure::new(ProblemCode::TooManyAttempts, "too many e-mails were asked for; try again later")
        .retry_after(retry_after_s)
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    /// Compares a password with the hash of an account; without a hash, does the same work and reports a mismatch. The
    /// attempt is counted before the hash is computed; 429 if the client has too many failures.
    pub(super) async fn check_password(
        &self,
        account: &str,
        client: LoginClient<'_>,
        password: &str,
        hash: Option<&str>,
    ) -> Result<Verdict, Failure> {
        let counters = self.counters(account, client);
        self.admit(&counters).await?;
        let verdict = match self.compare(password, hash).await {
            Ok(verdict) => verdict,
            Err(error) => {
                // Nothing was compared. If the store fails to cancel the attempt, it counts until the window ends.
                self.cancel(&counters).await?;
                return Err(error.into());
            }
        };
        let now = self.ambient.now();
        for counter in &counters {
            self.count(counter, |attempts| match verdict {
                Verdict::Mismatch => attempts.failed(counter, now),
                _ => attempts.succeeded(counter),
            })
            .await?;
        }
        Ok(verdict)
    }

    /// Counts a mail in each counter; 429 if one of them is at its limit.
    pub(super) async fn count_mail(&self, counters: &[Counter]) -> Result<(), Failure> {
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
            match map_update_error(result, value_missing)?.output {
                Admission::Admitted => {}
                Admission::Refused(retry_after_s) => return Err(too_many_mails(retry_after_s)),
                Admission::Busy => return Err(too_many_mails(1)),
            }
        }
        Ok(())
    }

    /// The hash of a new password.
    pub(super) async fn hash(&self, password: &str) -> Result<String, Unavailable> {
        let _permit = self.hash_permit().await?;
        passwords::hash(self.http, password).await
    }

    async fn compare(&self, password: &str, hash: Option<&str>) -> Result<Verdict, Unavailable> {
        let _permit = self.hash_permit().await?;
        // No account has such a password. It is not sent to `passwords`, but takes the same time.
        if password.chars().count() > MAX_PASSWORD_CHARS {
            return passwords::verify(self.http, "", None).await;
        }
        passwords::verify(self.http, password, hash).await
    }

    /// Waits for a permit to have a hash computed.
    async fn hash_permit(&self) -> Result<Permit, Unavailable> {
        for _ in 0..MAX_PERMIT_ATTEMPTS {
            if let Some(permit) = self.config.hash_semaphore.try_acquire() {
                return Ok(permit);
            }
            self.ambient.pause(PERMIT_RETRY_MS).await;
        }
        Err(Unavailable { what: "password check", detail: "too many logins are waiting".into() })
    }

    fn counters(&self, account: &str, client: LoginClient<'_>) -> Vec<Counter> {
        let per_client = |kind: &str, id: &str| {
            Counter::new(self.config.secrets.counter(account, kind, id), MAX_FAILURES_PER_CLIENT)
                .reset_on_success()
        };
        match client {
            LoginClient::Unknown(network) => {
                vec![
                    per_client("network", network),
                    Counter::new(account.to_owned(), MAX_FAILURES_OF_UNKNOWN_CLIENTS),
                ]
            }
            LoginClient::KnownDevice(family) => vec![per_client("device", family)],
            LoginClient::AccessToken(token) => vec![per_client("token", token)],
        }
    }

    /// Counts an attempt in all counters, or in none.
    async fn admit(&self, counters: &[Counter]) -> Result<(), Failure> {
        for (position, counter) in counters.iter().enumerate() {
            if let Err(failure) = self.admit_one(counter).await {
                self.cancel(&counters[..position]).await?;
                return Err(failure);
            }
        }
        Ok(())
    }

    async fn admit_one(&self, counter: &Counter) -> Result<(), Failure> {
        let (store, key) = (self.store(), bucket(counter));
        store.create(&key, &Attempts::default()).await?;
        for _ in 0..MAX_ADMISSION_ATTEMPTS {
            let now = self.ambient.now();
            let result = store
                .update(&key, |attempts: Attempts| {
                    let (attempts, admission) = attempts.begin(counter, now);
                    Ok((attempts, admission == Admission::Admitted, admission))
                })
                .await;
            match map_update_error(result, value_missing)?.output {
                Admission::Admitted => return Ok(()),
                Admission::Refused(retry_after_s) => return Err(too_many_failures(retry_after_s)),
                Admission::Busy => self.ambient.pause(ADMISSION_RETRY_MS).await,
            }
        }
        Err(too_many_failures(1))
    }

    async fn cancel(&self, counters: &[Counter]) -> Result<(), Failure> {
        for counter in counters {
            self.count(counter, |attempts| attempts.canceled(counter)).await?;
        }
        Ok(())
    }

    async fn count(&self, counter: &Counter, change: impl Fn(Attempts) -> Attempts) -> Result<(), Failure> {
        let result = self
            .store()
            .update(&bucket(counter), |attempts: Attempts| Ok((change(attempts), true, ())))
            .await;
        map_update_error(result, value_missing).map(|_| ())
    }
}
