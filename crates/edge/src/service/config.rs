//! The configuration of a component over the videos, read whole from its variables and checked before the
//! first request is answered.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use framelift_domain::Limits;
use framelift_domain::limits::MAX_UPLOAD_BYTES;
use url::Url;

use super::rate::RateLimiter;
use crate::frames::{Blocks, Frames, LinkKeys};
use crate::http::{Cors, WorkerToken};
use crate::object_store::ObjectStoreConfig;
use crate::queue::SqsConfig;
use crate::token::Verifier;

/// Variables by name.
pub type Variables = BTreeMap<&'static str, String>;

/// Every variable that a component may have.
pub const NAMES: &[&str] = &[
    "public_keys",
    "worker_token",
    "aws_region",
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "s3_endpoint",
    "s3_public_endpoint",
    "s3_bucket",
    "s3_path_style",
    "sqs_endpoint",
    "sqs_queue_url",
    "sqs_short_queue_url",
    "max_in_flight_per_user",
    "max_open_per_user",
    "max_stored_bytes_per_user",
    "max_uploads_per_day",
    "max_decoded_minutes_per_day",
    "max_requests_per_minute",
    "max_plugins_per_user",
    "max_plugin_bytes_per_user",
    "max_upload_bytes",
    "single_put_bytes",
    "upload_ttl_s",
    "url_ttl_s",
    "lease_s",
    "retention_s",
    "max_releases",
    "max_job_s",
    "resend_after_s",
    "take_back_after_s",
    "frames_key",
    Cors::VARIABLE,
];

/// The configuration.
#[derive(Debug)]
pub struct Config {
    /// The bucket.
    pub object_store: ObjectStoreConfig,
    /// The queue, in components that send to it.
    pub queue: Option<SqsConfig>,
    /// The limits.
    pub limits: Limits,
    /// How callers are authenticated.
    pub credential: Credential,
    /// The origins whose pages may call.
    pub cors: Cors,
    /// The rate limit of users.
    pub rate_limiter: RateLimiter,
    /// The configuration and caches of component `frames` alone.
    pub frames: Option<Frames>,
}

/// How a component authenticates its callers: users or workers, never both.
#[derive(Debug)]
pub enum Credential {
    /// Users, by their access tokens.
    Users(Verifier),
    /// Workers and other components, by the shared secret.
    Workers(WorkerToken),
}

/// The kind of a component, which decides its variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Serves users' calls that write.
    Users,
    /// Serves users' calls that only read.
    Readers,
    /// Serves streams of events, and only reads the store.
    Events,
    /// Serves single frames, by links too.
    Frames,
    /// Serves calls of workers and of other components.
    Workers,
}

impl Role {
    /// The kind of a component by its name; none for a component without access to videos.
    pub fn of(component: &str) -> Option<Self> {
        Some(match component {
            "videos" | "uploads" | "plugins" => Self::Users,
            "downloads" => Self::Readers,
            "events" => Self::Events,
            "frames" => Self::Frames,
            "control" => Self::Workers,
            _ => return None,
        })
    }
}

impl Config {
    /// Reads all variables, or returns everything that is wrong with them.
    pub fn read(variables: &Variables, role: Role) -> Result<Self, Vec<String>> {
        let mut reader = Reader { variables, problems: Vec::new() };
        let credential = match role {
            Role::Users | Role::Readers | Role::Events | Role::Frames => {
                reader.checked("public_keys", Verifier::from_jwks).map(Credential::Users)
            }
            Role::Workers => reader.checked("worker_token", WorkerToken::new).map(Credential::Workers),
        };
        let object_store =
            if role == Role::Events { ObjectStoreConfig::none().ok() } else { reader.object_store() };
        let queue = if matches!(role, Role::Users | Role::Workers) { reader.queue() } else { None };
        let links = if role == Role::Frames { reader.checked("frames_key", LinkKeys::parse) } else { None };
        let limits = reader.limits();
        let cors = Cors::read(variables).map_err(|problem| reader.problems.push(problem));
        match (credential, object_store, cors) {
            (Some(credential), Some(object_store), Ok(cors)) if reader.problems.is_empty() => {
                let rate_limiter = RateLimiter::new(limits.max_requests_per_minute);
                let frames = links.map(|links| Frames { links, blocks: Blocks::default() });
                Ok(Self { object_store, queue, limits, credential, cors, rate_limiter, frames })
            }
            _ => Err(reader.problems),
        }
    }
}

/// Reads variables one by one and collects problems.
struct Reader<'a> {
    variables: &'a Variables,
    problems: Vec<String>,
}

impl Reader<'_> {
    /// A variable that may be missing; an empty one counts as missing.
    fn optional(&self, name: &'static str) -> Option<String> {
        self.variables
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    }

    fn required(&mut self, name: &'static str) -> Option<String> {
        let value = self.optional(name);
        if value.is_none() {
            self.problems.push(format!("{name}: is missing"));
        }
        value
    }

    fn checked<T, E: Display>(
        &mut self,
        name: &'static str,
        check: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let value = self.required(name)?;
        check(&value).map_err(|error| self.problems.push(format!("{name}: {error}"))).ok()
    }

    fn number<T: FromStr<Err: Display> + PartialOrd + Display>(
        &mut self,
        name: &'static str,
        (from, to): (T, T),
        default: T,
    ) -> T {
        let Some(text) = self.optional(name) else { return default };
        match text.parse::<T>() {
            Ok(number) if number >= from && number <= to => number,
            _ => {
                self.problems.push(format!("{name}: must be a whole number from {from} to {to}"));
                default
            }
        }
    }

    fn object_store(&mut self) -> Option<ObjectStoreConfig> {
        let endpoint = self.required("s3_endpoint");
        let bucket = self.required("s3_bucket");
        let region = self.required("aws_region");
        let key = self.required("aws_access_key_id");
        let secret = self.required("aws_secret_access_key");
        let path_style = match self.optional("s3_path_style").as_deref() {
            None | Some("true") => true,
            Some("false") => false,
            Some(_) => {
                self.problems.push("s3_path_style: must be true or false".into());
                true
            }
        };
        let endpoint = endpoint?;
        let public = self.optional("s3_public_endpoint").unwrap_or_else(|| endpoint.clone());
        let credentials = match self.optional("aws_session_token") {
            None => rusty_s3::Credentials::new(key?, secret?),
            Some(token) => rusty_s3::Credentials::new_with_token(key?, secret?, token),
        };
        ObjectStoreConfig::new(&endpoint, &public, path_style, &bucket?, &region?, credentials)
            .map_err(|error| self.problems.push(error.to_string()))
            .ok()
    }

    fn queue(&mut self) -> Option<SqsConfig> {
        let endpoint = self.checked("sqs_endpoint", |text| match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
            Ok(_) => Err("must be an http or https URL".to_owned()),
            Err(error) => Err(error.to_string()),
        });
        let queue_url = self.required("sqs_queue_url");
        // If these are missing, the object store's check has reported it.
        let region = self.optional("aws_region")?;
        let credentials = aws_credential_types::Credentials::new(
            self.optional("aws_access_key_id")?,
            self.optional("aws_secret_access_key")?,
            self.optional("aws_session_token"),
            None,
            "variables",
        );
        let short = self.optional("sqs_short_queue_url");
        Some(SqsConfig::new(endpoint?, queue_url?, region, credentials).short(short))
    }

    fn limits(&mut self) -> Limits {
        const DAY_S: u32 = 24 * 3600;
        let default = Limits::default();
        Limits {
            max_in_flight_per_user: self.number(
                "max_in_flight_per_user",
                (1, 100),
                default.max_in_flight_per_user,
            ),
            max_open_per_user: self.number("max_open_per_user", (1, 200), default.max_open_per_user),
            max_stored_bytes_per_user: self.number(
                "max_stored_bytes_per_user",
                (1, 1 << 60),
                default.max_stored_bytes_per_user,
            ),
            max_upload_bytes: self.number(
                "max_upload_bytes",
                (1, MAX_UPLOAD_BYTES),
                default.max_upload_bytes,
            ),
            max_uploads_per_day: self.number(
                "max_uploads_per_day",
                (1, 1_000_000),
                default.max_uploads_per_day,
            ),
            max_decoded_minutes_per_day: self.number(
                "max_decoded_minutes_per_day",
                (1, 10_000_000),
                default.max_decoded_minutes_per_day,
            ),
            max_requests_per_minute: self.number(
                "max_requests_per_minute",
                (0, 1_000_000),
                default.max_requests_per_minute,
            ),
            max_plugins_per_user: self.number("max_plugins_per_user", (0, 30), default.max_plugins_per_user),
            max_plugin_bytes_per_user: self.number(
                "max_plugin_bytes_per_user",
                (0, 1 << 40),
                default.max_plugin_bytes_per_user,
            ),
            // S3 takes at most 5 GiB in one PUT.
            single_put_bytes: self.number("single_put_bytes", (5 << 20, 5 << 30), default.single_put_bytes),
            upload_ttl_s: self.number("upload_ttl_s", (1, 7 * DAY_S), default.upload_ttl_s),
            // S3's own limit for presigned URLs.
            url_ttl_s: self.number("url_ttl_s", (1, 7 * DAY_S), default.url_ttl_s),
            lease_s: self.number("lease_s", (1, 3600), default.lease_s),
            retention_s: self.number("retention_s", (1, 3650 * DAY_S), default.retention_s),
            max_releases: self.number("max_releases", (0, 1000), default.max_releases),
            max_job_s: self.number("max_job_s", (1, 30 * DAY_S), default.max_job_s),
            resend_after_s: self.number("resend_after_s", (1, DAY_S), default.resend_after_s),
            take_back_after_s: self.number("take_back_after_s", (1, DAY_S), default.take_back_after_s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        BTreeMap::from([
            ("worker_token", "0123456789abcdef".to_owned()),
            ("aws_region", "us-east-1".to_owned()),
            ("aws_access_key_id", "AKID".to_owned()),
            ("aws_secret_access_key", "hidden".to_owned()),
            ("aws_session_token", String::new()),
            ("s3_endpoint", "http://127.0.0.1:9000".to_owned()),
            ("s3_public_endpoint", String::new()),
            ("s3_bucket", "framelift".to_owned()),
            ("s3_path_style", "true".to_owned()),
            ("sqs_endpoint", "http://127.0.0.1:9324".to_owned()),
            ("sqs_queue_url", "http://127.0.0.1:9324/000000000000/jobs".to_owned()),
            ("max_in_flight_per_user", "3".to_owned()),
            ("cors_origins", "https://app.example.com".to_owned()),
        ])
    }

    #[test]
    fn a_whole_configuration() {
        let config = Config::read(&variables(), Role::Workers).unwrap();
        assert_eq!(config.limits, Limits { max_in_flight_per_user: 3, ..Limits::default() });
        let debug = format!("{config:?}");
        assert!(!debug.contains("hidden") && !debug.contains("0123456789abcdef"), "{debug}");
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let mut variables = variables();
        variables.insert("s3_bucket", " ".into());
        variables.insert("sqs_endpoint", "sqs:9324".into());
        variables.insert("s3_path_style", "yes".into());
        variables.insert("lease_s", "0".into());
        variables.insert("cors_origins", "https://app.example.com *".into());
        variables.insert("max_upload_bytes", "many".into());
        assert_eq!(
            Config::read(&variables, Role::Users).unwrap_err(),
            [
                "public_keys: is missing",
                "s3_bucket: is missing",
                "s3_path_style: must be true or false",
                "sqs_endpoint: must be an http or https URL",
                "max_upload_bytes: must be a whole number from 1 to 5497558138880",
                "lease_s: must be a whole number from 1 to 3600",
                "cors_origins: `*` is not an origin such as https://app.example.com",
            ]
        );
    }

    #[test]
    fn names_are_complete() {
        for name in variables().keys() {
            assert!(NAMES.contains(name), "{name}");
        }
    }
}
