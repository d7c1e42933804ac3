//! Serves a request in a guest over the videos: reads the configuration, opens the store, calls the service.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use http::Response;
use spin_sdk::http::{FullBody, Request};

use super::{SpinAmbient, SpinHttp, SpinKv, configured};
use crate::http::Failure;
use crate::queue::Sqs;
use crate::service::{self, Config, Role};
use crate::{control, downloads, plugins, uploads, videos};

/// A guest's response.
pub type Answer = Response<FullBody<Bytes>>;

/// The label of the store.
const STORE: &str = "videos";

type Service<'a> = service::Service<'a, SpinKv, Sqs<'a, SpinHttp, SpinAmbient>, SpinHttp, SpinAmbient>;

/// The parts of a service, for the length of one request.
struct Opened {
    config: Rc<Config>,
    kv: SpinKv,
}

impl Opened {
    async fn open(config: Rc<Config>) -> Result<Self, Failure> {
        Ok(Self { config, kv: SpinKv::open(STORE).await? })
    }

    fn queue(&self) -> Sqs<'_, SpinHttp, SpinAmbient> {
        Sqs::new(self.config.queue.as_ref(), &SpinHttp, &SpinAmbient)
    }

    fn service<'a>(&'a self, queue: &'a Sqs<'a, SpinHttp, SpinAmbient>) -> Service<'a> {
        Service { kv: &self.kv, queue, http: &SpinHttp, ambient: &SpinAmbient, config: &self.config }
    }
}

thread_local! {
    static CONFIG: RefCell<Option<Rc<Config>>> = const { RefCell::new(None) };
}

async fn configuration(role: Role) -> Result<Rc<Config>, Failure> {
    let unusable = |problems: Vec<String>| Failure::unconfigured(problems.join("; "));
    configured(&CONFIG, service::NAMES, |variables| Config::read(variables, role).map_err(unusable)).await
}

/// Answers one request with a service, or with an error when no service can be made.
macro_rules! guest {
    ($(#[$doc:meta])* $name:ident, $role:expr) => {
        $(#[$doc])*
        pub async fn $name(request: Request) -> Answer {
            let (parts, body) = request.into_parts();
            let config = configuration($role).await;
            // A page of another origin may read this failure, too.
            let cors = config.as_ref().map(|config| config.cors.clone()).unwrap_or_default();
            let opened = match config {
                Ok(config) => Opened::open(config).await,
                Err(failure) => Err(failure),
            };
            let answer = match opened {
                Ok(opened) => {
                    let queue = opened.queue();
                    $name::serve(Ok(opened.service(&queue)), &cors, &SpinAmbient, parts, body).await
                }
                Err(failure) => {
                    $name::serve(Err::<Service<'_>, _>(failure), &cors, &SpinAmbient, parts, body).await
                }
            };
            answer.map(FullBody::new)
        }
    };
}

guest!(
    /// Component `videos`.
    videos,
    Role::Users
);
guest!(
    /// Component `uploads`, whose bodies may be files.
    uploads,
    Role::Users
);
guest!(
    /// Component `downloads`.
    downloads,
    Role::Readers
);
guest!(
    /// Component `plugins`, whose bodies may be components.
    plugins,
    Role::Users
);
guest!(
    /// Component `control`.
    control,
    Role::Workers
);
