//! Serves a request in a guest over the videos: reads the configuration, opens the store, calls the service.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use futures::channel::{mpsc, oneshot};
use futures::{SinkExt as _, StreamExt as _};
use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::{Either, StreamBody};
use spin_sdk::http::{FullBody, Request};

use super::{SpinAmbient, SpinHttp, SpinKv, configured};
use crate::http::{Body, BodyAborted, Cors, Failure};
use crate::queue::Sqs;
use crate::service::{self, Config, Role};
use crate::{control, downloads, events, frames, plugins, uploads, videos};

/// A guest's response.
pub type Answer = Response<FullBody<Bytes>>;

/// The response of a guest that streams.
pub type StreamedAnswer = Response<Either<FullBody<Bytes>, StreamBody<mpsc::Receiver<Piece>>>>;

/// A piece of a body.
type Piece = Result<Frame<Bytes>, BodyAborted>;

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

async fn configuration(component: &str) -> Result<Rc<Config>, Failure> {
    let role = Role::of(component).ok_or_else(|| Failure::internal("a component without a role"))?;
    configured(&CONFIG, service::NAMES, |variables| Config::read(variables, role)).await
}

/// The parts of a request's service, and the allowed origins, which apply to a failure, too.
async fn open(component: &str) -> (Cors, Result<Opened, Failure>) {
    let config = configuration(component).await;
    let cors = config.as_ref().map(|config| config.cors.clone()).unwrap_or_default();
    let opened = match config {
        Ok(config) => Opened::open(config).await,
        Err(failure) => Err(failure),
    };
    (cors, opened)
}

/// Answers one request with a service, or with an error when no service can be made.
macro_rules! guest {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub async fn $name(request: Request) -> Answer {
            let (parts, body) = request.into_parts();
            let (cors, opened) = open(stringify!($name)).await;
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

/// Answers one request with a service whose answers may be streamed. The body borrows from the request's service, so
/// a separate task owns the service until the last byte is sent.
macro_rules! streaming_guest {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub async fn $name(request: Request) -> StreamedAnswer {
            let (head, answered) = oneshot::channel();
            spin_sdk::wasip3::spawn(async move {
                let (parts, body) = request.into_parts();
                let (cors, opened) = open(stringify!($name)).await;
                match opened {
                    Ok(opened) => {
                        let queue = opened.queue();
                        let service = Ok(opened.service(&queue));
                        send(head, $name::serve(service, &cors, &SpinAmbient, parts, body).await).await;
                    }
                    Err(failure) => {
                        let service = Err::<Service<'_>, _>(failure);
                        send(head, $name::serve(service, &cors, &SpinAmbient, parts, body).await).await;
                    }
                }
            });
            // The task above always answers, unless the instance has been terminated.
            answered.await.unwrap_or_else(|_| {
                let mut response = Response::new(Either::Left(FullBody::new(Bytes::new())));
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                response
            })
        }
    };
}

/// Sends an answer, and then the pieces of its body until the client disconnects.
async fn send(head: oneshot::Sender<StreamedAnswer>, answer: Response<Body<'_>>) {
    let (parts, body) = answer.into_parts();
    match body {
        Body::Whole(bytes) => {
            let _ = head.send(Response::from_parts(parts, Either::Left(FullBody::new(bytes))));
        }
        Body::Pieces(mut pieces) => {
            // One piece waits while the one before it is sent.
            let (mut sender, receiver) = mpsc::channel(0);
            if head.send(Response::from_parts(parts, Either::Right(StreamBody::new(receiver)))).is_err() {
                return;
            }
            while let Some(piece) = pieces.next().await {
                if sender.send(piece.map(Frame::data)).await.is_err() {
                    return;
                }
            }
        }
    }
}

guest!(
    /// Component `videos`.
    videos
);
guest!(
    /// Component `uploads`, whose bodies may be files.
    uploads
);
guest!(
    /// Component `downloads`.
    downloads
);
streaming_guest!(
    /// Component `events`.
    events
);
streaming_guest!(
    /// Component `frames`.
    frames
);
guest!(
    /// Component `plugins`, whose bodies may be components.
    plugins
);
guest!(
    /// Component `control`.
    control
);
