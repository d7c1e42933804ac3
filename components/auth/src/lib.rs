//! The guest of component `auth`: its endpoints are in `framelift_edge::accounts`.
#![cfg(target_family = "wasm")]

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use framelift_edge::accounts::{Accounts, Config, serve};
use framelift_edge::http::Failure;
use framelift_edge::spin::{SpinAmbient, SpinHttp, SpinKv, configured};
use http::Response;
use spin_sdk::http::{FullBody, Request};
use spin_sdk::http_service;

/// The label of the store that only this component may open.
const STORE: &str = "accounts";

type Service<'a> = Accounts<'a, SpinKv, SpinHttp, SpinAmbient>;

#[http_service]
async fn handle(request: Request) -> Response<FullBody<Bytes>> {
    let (parts, body) = request.into_parts();
    let config = configuration().await;
    // A page of another origin may read this failure, too.
    let cors = config.as_ref().map(|config| config.cors.clone()).unwrap_or_default();
    let opened = match config {
        Ok(config) => SpinKv::open(STORE).await.map(|kv| (config, kv)).map_err(Failure::from),
        Err(failure) => Err(failure),
    };
    let answer = match opened {
        Ok((config, kv)) => {
            let service = Accounts { kv: &kv, http: &SpinHttp, ambient: &SpinAmbient, config: &config };
            serve(Ok(service), &cors, &SpinAmbient, parts, body).await
        }
        Err(failure) => serve(Err::<Service<'_>, _>(failure), &cors, &SpinAmbient, parts, body).await,
    };
    answer.map(FullBody::new)
}

thread_local! {
    static CONFIG: RefCell<Option<Rc<Config>>> = const { RefCell::new(None) };
}

async fn configuration() -> Result<Rc<Config>, Failure> {
    configured(&CONFIG, Config::VARIABLES, Config::read).await
}
