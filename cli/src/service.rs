//! The authenticated client of the service's API, which all commands over the network use.
//!
//! `Service::open(&args)` finds the server and the login, `service.send(Call::get("/videos"))` sends a request. The
//! client renews an expired access token.

pub(crate) mod credentials;
mod error;
pub(crate) mod events;
mod http;
pub(crate) mod paths;
pub(crate) mod retry;

use std::io::{BufRead, BufReader};
use std::sync::{Mutex, PoisonError};

use clap::Args;
use framelift_contract::account::{RefreshRequest, TokenResponse};
use serde_json::Value;

use crate::interrupts;
use credentials::{Credentials, Login};
pub(crate) use error::{Explained, ServiceError};
use events::Events;
pub(crate) use http::{Answer, Call, Http};

/// Where the service is, and how its answers are printed.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServiceArgs {
    /// Use the service at URL [default: the one that you logged in to last]
    #[arg(
        long,
        value_name = "URL",
        env = "FRAMELIFT_SERVER",
        hide_env_values = true,
        help_heading = "Service"
    )]
    pub(crate) server: Option<String>,
    /// Print JSON
    #[arg(long, help_heading = "Service")]
    pub(crate) json: bool,
    /// Print errors only
    #[arg(short, long, help_heading = "Service")]
    pub(crate) quiet: bool,
}

/// The variable with an access token, for machines that do not log in.
const TOKEN_VARIABLE: &str = "FRAMELIFT_TOKEN";

/// The API of one server, with the credential of a user.
pub(crate) struct Service {
    http: Http,
    server: String,
    access: Access,
}

/// The credential.
enum Access {
    /// The token from the environment, which cannot be renewed.
    Variable(String),
    Login(Credentials, Mutex<Login>),
}

impl Service {
    /// The server that the arguments name, or the one that was logged in to last, with the token in
    /// `FRAMELIFT_TOKEN` or of that login. From now on, signals exit the program as [`interrupts`] says.
    pub(crate) fn open(args: &ServiceArgs) -> Result<Self, ServiceError> {
        interrupts::exit_on_signal()?;
        let credentials = Credentials::of_user()?;
        let stored = credentials.read()?;
        let named = args.server.as_deref().map(server_url).transpose()?;
        let token = std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty());
        let Some(server) = named.or_else(|| stored.server.clone()) else {
            return Err(match token {
                Some(_) => ServiceError::Value("FRAMELIFT_SERVER: must say where the service is".to_owned()),
                None => ServiceError::NotLoggedIn { server: None },
            });
        };
        let access = match (token, stored.logins.get(&server)) {
            (Some(token), _) => Access::Variable(token),
            (None, Some(login)) => Access::Login(credentials, Mutex::new(login.clone())),
            (None, None) => return Err(ServiceError::NotLoggedIn { server: Some(server) }),
        };
        Ok(Self { http: Http::new(), server, access })
    }

    /// The server's URL, without a slash at its end.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// The e-mail address of the login; none with a token from the environment.
    pub(crate) fn email(&self) -> Option<String> {
        match &self.access {
            Access::Variable(_) => None,
            Access::Login(_, login) => Some(locked(login).email.clone()),
        }
    }

    /// The HTTP client, for requests without a login.
    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    /// Sends a request, and sends it again with a new token if the access token has expired. Any other answer than a
    /// success is an error.
    pub(crate) fn send(&self, call: &Call<'_>) -> Result<Answer, ServiceError> {
        self.signed_in(|token| self.http.send(&self.server, call, Some(token)))
    }

    /// Opens a stream of events, starting after the event with that id.
    pub(crate) fn events(
        &self,
        path: &str,
        last_event_id: Option<&str>,
    ) -> Result<Events<impl BufRead + use<>>, ServiceError> {
        let call = Call::events(path, last_event_id);
        let answer = self.signed_in(|token| self.http.open(&self.server, &call, Some(token)))?;
        Ok(Events::new(BufReader::new(answer.into_body().into_reader())))
    }

    /// Calls `ask` with the access token, and again with a new one if it has expired.
    fn signed_in<T>(&self, ask: impl Fn(&str) -> Result<T, ServiceError>) -> Result<T, ServiceError> {
        let (credentials, login) = match &self.access {
            Access::Variable(token) => {
                return ask(token).map_err(|error| match error {
                    ServiceError::Refused(refusal) if refusal.status == 401 => ServiceError::TokenRefused,
                    other => other,
                });
            }
            Access::Login(credentials, login) => (credentials, login),
        };
        let used = locked(login).access_token.clone();
        match ask(&used) {
            Err(ServiceError::Refused(refusal)) if refusal.code == "unauthenticated" => {}
            answer => return answer,
        }
        let renewed = self.renew(credentials, &used)?;
        *locked(login) = renewed.clone();
        ask(&renewed.access_token)
    }

    /// The JSON of an answer to `GET`.
    pub(crate) fn get(&self, path: &str) -> Result<Value, ServiceError> {
        self.send(&Call::get(path))?.json()
    }

    /// Trades the refresh token for new tokens, unless another process has done so since `used` was read:
    /// a refresh token that is used twice ends the login.
    fn renew(&self, credentials: &Credentials, used: &str) -> Result<Login, ServiceError> {
        credentials.update(|stored| {
            let ended = || ServiceError::NotLoggedIn { server: Some(self.server.clone()) };
            let login = stored.logins.get_mut(&self.server).ok_or_else(ended)?;
            if login.access_token != used {
                return Ok(login.clone());
            }
            let body = RefreshRequest { refresh_token: login.refresh_token.clone() };
            // The same refresh may be sent again for a while, and is answered alike.
            let call = Call::post("/auth/refresh").json(&body)?.repeatable();
            let tokens: TokenResponse = match self.http.send(&self.server, &call, None) {
                Ok(answer) => answer.json()?,
                Err(ServiceError::Refused(refusal)) if refusal.status == 401 => {
                    return Err(ServiceError::LoginEnded { server: self.server.clone() });
                }
                Err(error) => return Err(error),
            };
            login.access_token = tokens.access_token;
            login.refresh_token = tokens.refresh_token;
            Ok(login.clone())
        })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Normalizes a server's URL. It has no slash at the end.
pub(crate) fn server_url(text: &str) -> Result<String, ServiceError> {
    let wrong = |why: &str| ServiceError::Value(format!("--server: {text:?} {why}"));
    let url = url::Url::parse(text).map_err(|_| wrong("is no URL such as https://framelift.example"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong("is no URL such as https://framelift.example"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(wrong("must have no user and no query"));
    }
    Ok(format!("{}{}", url.origin().ascii_serialization(), url.path().trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_servers_are_normalized() {
        for (text, url) in [
            ("https://Framelift.Example/", "https://framelift.example"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("https://x.example:443/api//", "https://x.example/api"),
        ] {
            assert_eq!(server_url(text).unwrap(), url, "{text}");
        }
        for bad in [
            "",
            "framelift.example",
            "ftp://x.example",
            "https://me:word@x.example",
            "https://x.example/?a=b",
        ] {
            assert!(matches!(server_url(bad), Err(ServiceError::Value(_))), "{bad}");
        }
    }
}
