//! The guest of component `web`: its endpoints are in `framelift_edge::web`.
#![cfg(target_family = "wasm")]

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use framelift_edge::http::{Cors, Failure};
use framelift_edge::spin::{SpinAmbient, configured};
use framelift_edge::web::{Web, serve};
use http::Response;
use spin_sdk::http::{FullBody, Request};
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> Response<FullBody<Bytes>> {
    let (parts, body) = request.into_parts();
    let (service, cors) = match configuration().await {
        Ok(cors) => (Ok(Web), cors),
        Err(failure) => (Err(failure), Rc::default()),
    };
    serve(service, &cors, &SpinAmbient, parts, body).await.map(FullBody::new)
}

thread_local! {
    static CORS: RefCell<Option<Rc<Cors>>> = const { RefCell::new(None) };
}

/// The origins whose pages may call: all that this component is configured with.
async fn configuration() -> Result<Rc<Cors>, Failure> {
    configured(&CORS, &[Cors::VARIABLE], |variables| Cors::read(variables).map_err(Failure::unconfigured))
        .await
}
