//! Limits of failed logins, such that failures of an attacker never lock the owner out.
//!
//! Failures are counted by account *and* by client. A client is identified by its network, a known device (one that
//! presents a refresh token of this account, however old) by its login, an authenticated caller by the access token. A
//! second limit, against attacks from many networks, counts the failures of all unknown clients of an account together;
//! a third one, against a few guesses at each of many accounts, those of all unknown clients of a network together.
//! Known devices and authenticated callers are exempt from both.

use super::attempts::{Admission, Attempts, Counter, bucket};
use super::semaphore::Permit;
use super::{Accounts, map_update_error, value_missing};
use crate::http::Failure;
use crate::passwords::{self, Verdict};
use crate::ports::{Ambient, Http, Kv, Unavailable};
use crate::store::update::UpdateError;
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
    too_many("too many failed logins for this account or from this network; try again later", retry_after_s)
}

fn too_many(detail: &'static str, retry_after_s: u32) -> Failure {
    Failure::new(ProblemCode::TooManyAttempts, detail).retry_after(retry_after_s)
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
        let network = self.network_counter(client);
        self.check_network(network.as_ref()).await?;
        self.admit(&counters).await?;
        let (verdict, permit) = match self.compare(password, hash, network.as_ref()).await {
            Ok(compared) => compared,
            Err(failure) => {
                // Nothing was compared. If the store fails to cancel the attempt, it counts until the window ends.
                self.cancel(&counters).await?;
                return Err(failure);
            }
        };
        if let (Verdict::Mismatch, Some(network)) = (&verdict, &network) {
            self.count_event(network).await?;
        }
        // The next one to get it has to see what was counted.
        drop(permit);
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
            let retry_after_s = self.count_event(counter).await?;
            if let Some(retry_after_s) = retry_after_s {
                return Err(too_many("too many e-mails were asked for; try again later", retry_after_s));
            }
        }
        Ok(())
    }

    /// Counts a sign-up from a network; 429 if there were too many.
    pub(super) async fn count_sign_up(&self, network: &str) -> Result<(), Failure> {
        let limit = self.config.max_sign_ups_per_network;
        if limit == 0 {
            return Ok(());
        }
        let counter = Counter::new(self.config.secrets.counter("", "sign-ups-of", network), limit);
        match self.count_event(&counter).await? {
            None => Ok(()),
            Some(retry_after_s) => {
                Err(too_many("too many sign-ups from this network; try again later", retry_after_s))
            }
        }
    }

    /// Counts one event, unless the counter is at its limit: then the seconds until that ends.
    async fn count_event(&self, counter: &Counter) -> Result<Option<u32>, Failure> {
        let (store, key, now) = (self.store(), bucket(counter), self.ambient.now());
        store.create(&key, &Attempts::default()).await?;
        let result = store
            .update(&key, |attempts: Attempts| {
                let (attempts, admission) = attempts.begin(counter, now);
                let admitted = admission == Admission::Admitted;
                Ok((if admitted { attempts.failed(counter, now) } else { attempts }, admitted, admission))
            })
            .await;
        Ok(match map_update_error(result, value_missing)?.output {
            Admission::Admitted => None,
            Admission::Refused(retry_after_s) => Some(retry_after_s),
            Admission::Busy => Some(1),
        })
    }

    /// Refuses a login from a network that has too many failures. Reads only, so that logins that succeed do not wait
    /// for each other.
    async fn check_network(&self, network: Option<&Counter>) -> Result<(), Failure> {
        let Some(counter) = network else { return Ok(()) };
        let attempts: Option<Attempts> = self.store().get(&bucket(counter)).await?;
        match attempts.and_then(|attempts| attempts.refusal(counter, self.ambient.now())) {
            None => Ok(()),
            Some(retry_after_s) => Err(too_many_failures(retry_after_s)),
        }
    }

    /// Forgets the failures of unknown clients at an account: those of all, and those from this network.
    pub(super) async fn forget_failures(&self, account: &str, network: &str) -> Result<(), Failure> {
        for counter in self.counters(account, LoginClient::Unknown(network)) {
            let (store, key) = (self.store(), bucket(&counter));
            let forgotten = store.update(&key, |attempts: Attempts| {
                let fewer = attempts.clone().forget(&counter);
                let changed = fewer != attempts;
                Ok((fewer, changed, ()))
            });
            match forgotten.await {
                Err(UpdateError::Missing) => {}
                outcome => map_update_error(outcome, value_missing).map(|_| ())?,
            }
        }
        Ok(())
    }

    /// The hash of a new password.
    pub(super) async fn hash(&self, password: &str) -> Result<String, Unavailable> {
        let _permit = self.hash_permit().await?;
        passwords::hash(self.http, password).await
    }

    /// Looks at the network's failures once more when the hash's turn has come, so that a burst of guesses can exceed the
    /// limit only by those whose hashes are being computed: those with a permit, which is returned.
    async fn compare(
        &self,
        password: &str,
        hash: Option<&str>,
        network: Option<&Counter>,
    ) -> Result<(Verdict, Permit), Failure> {
        let permit = self.hash_permit().await?;
        self.check_network(network).await?;
        // No account has such a password. It is not sent to `passwords`, but takes the same time.
        let is_too_long = password.chars().count() > MAX_PASSWORD_CHARS;
        let (password, hash) = if is_too_long { ("", None) } else { (password, hash) };
        Ok((passwords::verify(self.http, password, hash).await?, permit))
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

    /// The counter of all failures of an unknown client's network.
    fn network_counter(&self, client: LoginClient<'_>) -> Option<Counter> {
        let limit = self.config.max_failed_logins_per_network;
        match client {
            LoginClient::Unknown(network) if limit > 0 => {
                Some(Counter::new(self.config.secrets.counter("", "logins-of", network), limit))
            }
            _ => None,
        }
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
