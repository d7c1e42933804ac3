//! The loaded application: its routes and components, and how it answers requests.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use tokio::sync::Semaphore;
use tracing::{Instrument as _, Span};
use wasmtime_wasi_http::handler::TrapOrPanicError;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::config::{HostConfig, HostError};
use crate::engine::Compiler;
use crate::guest::Grants;
use crate::headers;
use crate::instances::{Handler, Instances};
use crate::kv::Stores;
use crate::manifest::{InvalidManifest, Manifest, RESERVED_PREFIX};
use crate::outbound::{self, AllowedHosts, Outbound};
use crate::resolved::{self, Resolved};
use crate::routes::{Match, Routes};

/// The client's address in a call from another component.
const CHAINED_CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// The header that names the trace of a request's caller (W3C Trace Context).
const TRACE_HEADER: &str = "traceparent";

/// The request names no host, or two different ones.
#[derive(Debug, thiserror::Error)]
#[error("the Host header is missing or wrong")]
pub(crate) struct NoAuthority;

/// A running application.
pub(crate) struct App {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    routes: Routes,
    handlers: HashMap<String, Handler>,
    stores: Stores,
}

/// A compiled component.
struct Ready {
    id: String,
    grants: Grants,
    allowed: AllowedHosts,
    pre: wasmtime_wasi_http::handler::ProxyPre<crate::guest::Guest>,
}

impl App {
    /// Loads the manifest and compiles its components. A manifest with any error is refused as a whole.
    pub(crate) async fn load(config: &HostConfig) -> Result<Arc<Self>, HostError> {
        let manifest = Manifest::load(&config.manifest)?;
        let invalid = |problems| InvalidManifest { file: manifest.file.clone(), problems };
        let mut problems = Vec::new();
        let mut given = resolved::resolve(&manifest, &config.variables, &mut problems);
        if !problems.is_empty() {
            return Err(invalid(problems).into());
        }
        let routes = Routes::new(&manifest.triggers).map_err(|p| invalid(vec![p]))?;
        let compiler = Compiler::new(config.cache.as_deref(), config.instances)
            .map_err(|error| HostError::Engine(format!("{error:#}")))?;
        let stores = open_stores(config)?;
        let client = outbound::client().map_err(|error| HostError::Engine(error.to_string()))?;

        let compiling: Vec<_> = manifest
            .components
            .values()
            .map(|component| {
                let (compiler, source) = (compiler.clone(), component.source.clone());
                tokio::task::spawn_blocking(move || compiler.compile(&source))
            })
            .collect();
        let mut ready = Vec::new();
        for ((id, component), compiled) in manifest.components.iter().zip(compiling) {
            let Resolved { allowed, variables } = given.remove(id).unwrap_or_default();
            let compiled = compiled.await.unwrap_or_else(|error| Err(error.to_string()));
            match compiled {
                Ok(pre) => ready.push(Ready {
                    id: id.clone(),
                    grants: Grants {
                        component: id.clone(),
                        labels: component.key_value_stores.clone(),
                        stores: stores.clone(),
                        variables,
                        environment: component.environment.clone(),
                    },
                    allowed,
                    pre,
                }),
                Err(problem) => problems.push(format!("component.{id}.source: {problem}")),
            }
        }
        if !problems.is_empty() {
            return Err(invalid(problems).into());
        }
        let places = Arc::new(Semaphore::new(config.instances as usize));
        Ok(Arc::new_cyclic(|app| {
            let handlers = ready.into_iter().map(|component| {
                let way_out = Outbound::new(&component.id, component.allowed, client.clone(), app.clone());
                let engine = compiler.engine().clone();
                let grants = Arc::new(component.grants);
                let places = Arc::clone(&places);
                let reuse = config.max_instance_reuse_count;
                let instances = Instances::new(engine, component.pre, grants, way_out, places, reuse);
                (component.id, Handler::new(instances))
            });
            Self {
                handlers: handlers.collect(),
                name: manifest.name,
                version: manifest.version,
                routes,
                stores,
            }
        }))
    }

    /// The ids of its components.
    pub(crate) fn components(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = self.handlers.keys().map(String::as_str).collect();
        ids.sort_unstable();
        ids
    }

    /// Closes the key-value stores.
    pub(crate) async fn close(&self) {
        self.stores.close().await;
    }

    /// Answers a request from outside.
    ///
    /// # Errors
    ///
    /// Where the request does not say for which host it is: Spin then closes the connection without an
    /// answer.
    pub(crate) async fn answer(
        &self,
        mut request: Request<WasiBody>,
        client: SocketAddr,
    ) -> Result<Response<WasiBody>, NoAuthority> {
        headers::remove_transport(request.headers_mut());
        let path = request.uri().path();
        if let Some(name) = path.strip_prefix(RESERVED_PREFIX) {
            return Ok(match name {
                "health" => answer(StatusCode::OK, "OK"),
                "info" => self.info(),
                _ => answer(StatusCode::NOT_FOUND, ""),
            });
        }
        let Some(found) = self.routes.find(path) else {
            return Ok(answer(StatusCode::NOT_FOUND, ""));
        };
        *request.uri_mut() = absolute(&request).ok_or(NoAuthority)?;
        let span = span(&mut request, &found);
        let response = self.run(&found, request, client).instrument(span.clone()).await;
        span.record("http.response.status_code", response.status().as_u16());
        Ok(response)
    }

    /// Answers Spin's own path with the application's name and version.
    fn info(&self) -> Response<WasiBody> {
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let (name, version) = (quoted(&self.name), quoted(&self.version));
        let mut info =
            answer(StatusCode::OK, format!("{{\n  \"name\": \"{name}\",\n  \"version\": \"{version}\"\n}}"));
        let json = http::HeaderValue::from_static("application/json");
        info.headers_mut().insert(http::header::CONTENT_TYPE, json);
        info
    }

    /// Answers a call from one component to another; `None` if there is no such component.
    pub(crate) async fn chain(&self, target: &str, request: Request<WasiBody>) -> Option<Response<WasiBody>> {
        if !self.handlers.contains_key(target) {
            return None;
        }
        let found = Match::chained(target, request.uri().path());
        Some(self.run(&found, request, CHAINED_CLIENT).await)
    }

    async fn run(
        &self,
        found: &Match,
        mut request: Request<WasiBody>,
        client: SocketAddr,
    ) -> Response<WasiBody> {
        let uri = request.uri().clone();
        let component = found.component.as_str();
        let failed = || answer(StatusCode::INTERNAL_SERVER_ERROR, "");
        let Some(handler) = self.handlers.get(component) else {
            return failed();
        };
        if headers::add(request.headers_mut(), &uri, found, client).is_none() {
            tracing::warn!(component, "a header's value is not UTF-8, the request is not passed on");
            return failed();
        }
        match handler.handle((), request).await {
            Ok(response) => response,
            Err(error) => {
                // A trap is logged once, by the instance that ends with it.
                if !error.is::<TrapOrPanicError>() {
                    tracing::error!(component, "the request failed: {error:#}");
                }
                failed()
            }
        }
    }
}

fn open_stores(config: &HostConfig) -> Result<Stores, HostError> {
    let file = config.data.as_ref().map(|folder| folder.join("kv.sqlite"));
    if let Some(folder) = &config.data {
        std::fs::create_dir_all(folder)
            .map_err(|error| HostError::Data(format!("{}: {error}", folder.display())))?;
    }
    Stores::open(file.as_deref(), config.quirks, config.quirk_seed).map_err(|error| {
        let place = file.as_ref().map_or_else(|| "memory".into(), |file| file.display().to_string());
        HostError::Data(format!("{place}: {error}"))
    })
}

/// The request's span, which is passed to the component as its parent, as a tracing proxy does.
fn span(request: &mut Request<WasiBody>, found: &Match) -> Span {
    let span = tracing::info_span!(
        "request",
        otel.kind = "server",
        otel.name = format!("{} {}", request.method(), found.route),
        http.request.method = request.method().as_str(),
        http.route = found.route,
        component = found.component,
        http.response.status_code = tracing::field::Empty,
    );
    let headers = request.headers_mut();
    if let Some(parent) = headers.get(TRACE_HEADER).and_then(|value| value.to_str().ok()) {
        framelift_telemetry::follow(&span, parent);
    }
    let parent = framelift_telemetry::traceparent(&span);
    if let Some(parent) = parent.and_then(|parent| http::HeaderValue::from_str(&parent).ok()) {
        headers.insert(TRACE_HEADER, parent);
    }
    span
}

/// The request's absolute URI, which the guest also sees.
fn absolute(request: &Request<WasiBody>) -> Option<Uri> {
    let mut parts = request.uri().clone().into_parts();
    let host = match request.headers().get(http::header::HOST) {
        Some(host) => Some(host.to_str().ok()?.parse().ok()?),
        None => None,
    };
    parts.authority = Some(match (host, parts.authority) {
        (Some(host), Some(authority)) if host != authority => return None,
        (Some(host), _) => host,
        (None, authority) => authority?,
    });
    parts.scheme = Some(Scheme::HTTP);
    Uri::from_parts(parts).ok()
}

/// An answer of the host itself, with the same headers as Spin's.
fn answer(status: StatusCode, text: impl Into<Bytes>) -> Response<WasiBody> {
    let body = Full::new(text.into());
    let body = body.map_err(Error::from).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}
