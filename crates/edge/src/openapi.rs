//! The OpenAPI 3.1 document, put together from the documentation of each endpoint.

#[cfg(feature = "testing")]
pub mod conformance;
pub(crate) mod examples;
mod operation;
mod schema;

use framelift_contract::problem::{Problem, ProblemCode};
use framelift_contract::rules;
use serde_json::Value;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, HttpMethod, Info, License, OpenApi, OpenApiBuilder, Paths, RefOr, Schema,
};

use operation::Schemas;
pub(crate) use operation::{Auth, Payload, raw, raw_with_example, typed};
pub use operation::{Operation, RequestPart};
pub(crate) use schema::{binary, integer, object, one_of, schema_of, text};

use crate::http::Route;

/// A component of the app, as `spin.toml` names it, and its endpoints.
#[derive(Clone, Copy, Debug)]
pub struct Component {
    /// Its name.
    pub name: &'static str,
    /// The methods and paths of its endpoints.
    pub routes: &'static [Route],
    /// Its endpoints' documentation, in the order of the routes.
    pub operations: fn() -> Vec<Operation>,
}

macro_rules! components {
    ($($name:literal = $module:ident),*) => {
        &[$(Component {
            name: $name,
            routes: crate::$module::ROUTES,
            operations: crate::$module::operations,
        }),*]
    };
}

/// The components that clients, workers and browsers call. `passwords` is called by `auth` alone.
pub const COMPONENTS: &[Component] = components!(
    "auth" = accounts,
    "uploads" = uploads,
    "videos" = videos,
    "downloads" = downloads,
    "events" = events,
    "frames" = frames,
    "plugins" = plugins,
    "control" = control,
    "web" = web
);

/// The problems of every call on one of the caller's own videos.
pub(crate) const OWN_VIDEO: &[ProblemCode] =
    &[ProblemCode::VideoNotFound, ProblemCode::VideoNotOwned, ProblemCode::Unavailable];

/// Groups of operations with their descriptions.
const TAGS: &[(&str, &str)] = &[
    ("accounts", "Accounts, logins and access tokens."),
    ("videos", "Videos, their uploads and their results."),
    (
        "plugins",
        "Frame plugins: code that looks at the frames of a video, and keeps, drops, labels or changes them.",
    ),
    ("webhooks", "Events that were sent to the webhook of the account."),
    ("workers", "Calls of workers and between components, with the worker credential."),
    ("service", "Health, documentation and keys."),
];

const DESCRIPTION: &str = "Videos in, ZIP archives of their frames out.\n\n\
    Every answer carries `X-Correlation-Id`. Errors are problem documents (RFC 9457) whose `code` a program \
    can match. A 503 may be sent again as it is: nothing was done, or doing it again changes nothing.";

/// Every operation of the product.
pub fn operations() -> Vec<Operation> {
    COMPONENTS.iter().flat_map(|component| (component.operations)()).collect()
}

/// The document. Schemas come from the types and from the rules of their fields.
pub fn document() -> Value {
    // Types, strings, numbers and lists: writing them as JSON cannot fail.
    let mut document = serde_json::to_value(of_types()).unwrap_or_default();
    for (name, field, keywords) in rules::fields() {
        let schema = &mut document["components"]["schemas"][name];
        let schema = if field.is_empty() { schema } else { &mut schema["properties"][field] };
        let types = keywords.get("type").unwrap_or(&schema["type"]);
        let may_be_null = types.as_array().is_some_and(|types| types.contains(&"null".into()));
        let Value::Object(schema) = schema else { continue };
        for (keyword, mut value) in keywords.as_object().cloned().unwrap_or_default() {
            match &mut value {
                Value::Null => {
                    schema.remove(&keyword);
                    continue;
                }
                Value::Array(words) if keyword == "enum" && may_be_null => words.push(Value::Null),
                _ => {}
            }
            schema.insert(keyword, value);
        }
    }
    document
}

fn of_types() -> OpenApi {
    let mut schemas = Schemas::default();
    schemas.add::<Problem>();
    schemas.add::<ProblemCode>();
    let mut paths = Paths::new();
    let mut components = operation::shared(ComponentsBuilder::new());
    for operation in operations() {
        operation.collect(&mut schemas);
        components = operation.share(components);
        let Route { method, path } = operation.route();
        paths.add_path_operation(*path, vec![http_method(method)], operation.build());
    }
    let bearer = |description: &str| {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description = Some(description.to_owned());
        scheme
    };
    let mut user = bearer("The access token of a login.");
    user.bearer_format = Some("JWT".to_owned());
    let components = components
        .schemas_from_iter(schemas.into_iter())
        .security_scheme(operation::USER, SecurityScheme::Http(user))
        .security_scheme(operation::WORKER, SecurityScheme::Http(bearer("The secret that workers share.")))
        .build();
    let mut info = Info::new("Framelift", env!("CARGO_PKG_VERSION"));
    info.description = Some(DESCRIPTION.to_owned());
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    info.license = Some(license);
    let tags =
        TAGS.iter().map(|(name, about)| TagBuilder::new().name(*name).description(Some(*about)).build());
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components)).tags(Some(tags)).build()
}

fn http_method(method: &http::Method) -> HttpMethod {
    match method.as_str() {
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

/// The schemas that operations name, by name.
type Named = (String, RefOr<Schema>);

#[cfg(test)]
mod tests;
