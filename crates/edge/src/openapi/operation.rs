//! An endpoint's documentation, and its form in the OpenAPI document.

use std::collections::BTreeMap;

use framelift_contract::problem::{self, FieldError, Problem, ProblemCode};
use framelift_contract::rules::IDEMPOTENCY_KEY;
use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{
    ComponentsBuilder, Content, ContentBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
};

use super::Named;
use super::schema::{schema_of, text};
use crate::http::Route;

/// The name of the users' security scheme.
pub(crate) const USER: &str = "user";
/// The name of the workers' security scheme.
pub(crate) const WORKER: &str = "worker";

const JSON: &str = "application/json";
const CORRELATION: &str = "X-Correlation-Id";

/// The headers about the limit of requests.
const RATE: [&str; 2] = ["RateLimit", "RateLimit-Policy"];
/// The headers of answers.
const HEADERS: &[(&str, &str)] = &[
    (CORRELATION, "The request's correlation id: the caller's, or a new one."),
    ("Accept-Ranges", "`bytes`: the request may have a `Range`."),
    ("Content-Disposition", "The name for saving."),
    ("Content-Range", "Which of the bytes are answered, and how many there are."),
    ("ETag", "For `If-None-Match`."),
    ("Location", "A presigned URL."),
    (
        RATE[0],
        "How many requests are left (`r`), and for how many seconds (`t`); \
         draft-ietf-httpapi-ratelimit-headers. Not there where the service has no limit.",
    ),
    (RATE[1], "How many requests (`q`) may be made in so many seconds (`w`)."),
    ("Retry-After", "Seconds to wait."),
    ("WWW-Authenticate", "`Bearer`."),
];

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Auth {
    Nobody,
    User,
    Worker,
}

/// A part of a request that has data, besides its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestPart {
    /// In a body.
    Json,
    /// In the query.
    Query,
}

/// The content of a body.
#[derive(Clone)]
pub(crate) enum Payload {
    /// Nothing.
    Empty,
    /// A type of the contract, with an example.
    Typed { name: String, collect: fn(&mut Schemas), example: Value },
    /// Content that is no type of the contract. JSON and events have an example.
    Raw { media_type: &'static str, schema: Box<Schema>, example: Option<Value> },
}

/// One operation.
#[derive(Clone)]
pub struct Operation {
    route: Route,
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
    description: Option<&'static str>,
    auth: Auth,
    parameters: Vec<Parameter>,
    bodies: Vec<Payload>,
    body_required: bool,
    answers: Vec<(StatusCode, &'static str, Payload, Vec<&'static str>)>,
    problems: Vec<ProblemCode>,
}

/// Schemas by name.
#[derive(Default)]
pub(crate) struct Schemas(BTreeMap<String, RefOr<Schema>>);

impl Schemas {
    /// Adds a type and all types that it names.
    pub(crate) fn add<T: ToSchema>(&mut self) {
        let mut named: Vec<Named> = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut named);
        self.0.extend(named);
    }

    pub(crate) fn into_iter(self) -> impl Iterator<Item = Named> {
        self.0.into_iter()
    }
}

/// A type of the contract, with an example: an example that cannot be written does not compile.
pub(crate) fn typed<T: ToSchema + Serialize>(example: &T) -> Payload {
    Payload::Typed {
        name: T::name().into_owned(),
        collect: Schemas::add::<T>,
        example: serde_json::to_value(example).unwrap_or(Value::Null),
    }
}

/// Content that is no type of the contract, without an example: bytes and pages.
pub(crate) fn raw(media_type: &'static str, schema: impl Into<Schema>) -> Payload {
    Payload::Raw { media_type, schema: Box::new(schema.into()), example: None }
}

/// Content that is no type of the contract, with an example.
pub(crate) fn raw_with_example(
    media_type: &'static str,
    schema: impl Into<Schema>,
    example: impl Into<Value>,
) -> Payload {
    Payload::Raw { media_type, schema: Box::new(schema.into()), example: Some(example.into()) }
}

fn parameter(place: ParameterIn, name: &str, about: &str, schema: Schema) -> Parameter {
    let required = if place == ParameterIn::Path { Required::True } else { Required::False };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(about))
        .schema(Some(schema))
        .build()
}

impl Operation {
    /// An operation. Parameters of the path, and the problem of a missing credential, are added by themselves.
    pub(crate) fn new(
        route: Route,
        id: &'static str,
        tag: &'static str,
        auth: Auth,
        summary: &'static str,
    ) -> Self {
        let names = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let parameters = names
            .map(|name| parameter(ParameterIn::Path, name, "The id, as it was answered.", text()))
            .collect();
        let mut problems = Vec::new();
        if auth != Auth::Nobody {
            problems.push(ProblemCode::Unauthenticated);
        }
        if auth == Auth::User {
            problems.push(ProblemCode::RateLimited);
        }
        Self {
            route,
            id,
            tag,
            summary,
            description: None,
            auth,
            parameters,
            bodies: Vec::new(),
            body_required: true,
            answers: Vec::new(),
            problems,
        }
    }

    /// An operation for workers and other components, which all ask the store or the queue.
    pub(crate) fn for_workers(route: Route, id: &'static str, summary: &'static str) -> Self {
        Self::new(route, id, "workers", Auth::Worker, summary).or(&[ProblemCode::Unavailable])
    }

    /// The method and the path.
    pub fn route(&self) -> &Route {
        &self.route
    }

    /// The name that generated clients give it.
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// Whether it needs the access token of a user.
    #[cfg(feature = "testing")]
    pub fn is_for_users(&self) -> bool {
        self.auth == Auth::User
    }

    /// Whether it needs the worker credential.
    #[cfg(feature = "testing")]
    pub fn is_for_workers(&self) -> bool {
        self.auth == Auth::Worker
    }

    /// The problems that it may be answered with.
    pub fn problems(&self) -> &[ProblemCode] {
        &self.problems
    }

    /// The statuses of its answers that are no problems.
    pub fn statuses(&self) -> impl Iterator<Item = StatusCode> {
        self.answers.iter().map(|(status, ..)| *status)
    }

    /// Whether it takes a JSON body, or a query.
    pub fn takes(&self, part: RequestPart) -> bool {
        match part {
            RequestPart::Json => self.bodies.iter().any(|body| matches!(body, Payload::Typed { .. })),
            RequestPart::Query => {
                self.parameters.iter().any(|known| known.parameter_in == ParameterIn::Query)
            }
        }
    }

    pub(crate) fn about(mut self, description: &'static str) -> Self {
        self.description = Some(description);
        self
    }

    /// What a parameter of the path is, if it is no id.
    pub(crate) fn path(mut self, name: &str, about: &str) -> Self {
        for known in self.parameters.iter_mut().filter(|known| known.name == name) {
            known.description = Some(about.to_owned());
        }
        self
    }

    pub(crate) fn query(mut self, name: &str, about: &str, schema: Schema) -> Self {
        self.parameters.push(parameter(ParameterIn::Query, name, about, schema));
        self.or(&[ProblemCode::ValidationFailed])
    }

    /// A parameter of the query that is a type of the contract, as JSON.
    pub(crate) fn query_json<T: ToSchema>(mut self, name: &str, about: &str) -> Self {
        let mut parameter = parameter(ParameterIn::Query, name, about, text());
        parameter.schema = None;
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(T::name()))).build();
        parameter.content.insert(JSON.to_owned(), content.into());
        self.parameters.push(parameter);
        self.or(&[ProblemCode::ValidationFailed, ProblemCode::MalformedJson])
    }

    pub(crate) fn header(mut self, name: &str, about: &str, schema: Schema) -> Self {
        self.parameters.push(parameter(ParameterIn::Header, name, about, schema));
        self
    }

    /// Takes an `If-None-Match`.
    pub(crate) fn conditional(self) -> Self {
        self.header("If-None-Match", "The `ETag` of an earlier answer.", text())
    }

    /// Takes an `Idempotency-Key`.
    pub(crate) fn idempotent(self) -> Self {
        let about = "For 24 hours the same key and body give the same answer.";
        self.header("Idempotency-Key", about, schema_of(&IDEMPOTENCY_KEY))
            .or(&[ProblemCode::BadRequest, ProblemCode::IdempotencyKeyReused])
    }

    /// A JSON body, with the problems that any JSON body may have.
    pub(crate) fn json(mut self, body: Payload) -> Self {
        self.bodies.push(body);
        self.or(&[
            ProblemCode::BadRequest,
            ProblemCode::MalformedJson,
            ProblemCode::ValidationFailed,
            ProblemCode::PayloadTooLarge,
            ProblemCode::UnsupportedMediaType,
        ])
    }

    /// A body of another media type.
    pub(crate) fn raw(mut self, media_type: &'static str, schema: Schema) -> Self {
        self.bodies.push(raw(media_type, schema));
        self
    }

    pub(crate) fn body_optional(mut self) -> Self {
        self.body_required = false;
        self
    }

    pub(crate) fn answers(self, status: StatusCode, about: &'static str, payload: Payload) -> Self {
        self.answers_with(status, about, payload, &[])
    }

    /// An answer with further headers.
    pub(crate) fn answers_with(
        mut self,
        status: StatusCode,
        about: &'static str,
        payload: Payload,
        headers: &[&'static str],
    ) -> Self {
        self.answers.push((status, about, payload, headers.to_vec()));
        self
    }

    /// Problems that it may be answered with. `unavailable` adds the two other problems of a store or queue:
    /// `internal` and `record-damaged`.
    pub(crate) fn or(mut self, problems: &[ProblemCode]) -> Self {
        let ours: &[ProblemCode] = if problems.contains(&ProblemCode::Unavailable) {
            &[ProblemCode::Internal, ProblemCode::RecordDamaged]
        } else {
            &[]
        };
        for code in ours.iter().chain(problems) {
            if !self.problems.contains(code) {
                self.problems.push(*code);
            }
        }
        self
    }

    /// Removes a problem that [`Self::or`] has added, of an operation that reads no record.
    pub(crate) fn without(mut self, problem: ProblemCode) -> Self {
        self.problems.retain(|code| *code != problem);
        self
    }

    /// Adds the schemas that it names.
    pub(crate) fn collect(&self, schemas: &mut Schemas) {
        let answers = self.answers.iter().map(|(_, _, payload, _)| payload);
        for payload in self.bodies.iter().chain(answers) {
            if let Payload::Typed { collect, .. } = payload {
                collect(schemas);
            }
        }
    }

    /// The operation as it stands in the document.
    pub(crate) fn build(&self) -> utoipa::openapi::path::Operation {
        let mut builder = OperationBuilder::new()
            .operation_id(Some(self.id))
            .tag(self.tag)
            .summary(Some(self.summary))
            .description(self.description);
        for parameter in &self.parameters {
            builder = builder.parameter(parameter.clone());
        }
        builder = builder.parameter_ref(Ref::new(format!("#/components/parameters/{CORRELATION}")));
        match self.auth {
            Auth::Nobody => {}
            Auth::User => builder = builder.security(SecurityRequirement::new(USER, [""; 0])),
            Auth::Worker => builder = builder.security(SecurityRequirement::new(WORKER, [""; 0])),
        }
        if !self.bodies.is_empty() {
            let required = if self.body_required { Required::True } else { Required::False };
            let mut body = RequestBodyBuilder::new().required(Some(required));
            for (media_type, content) in self.bodies.iter().filter_map(content) {
                body = body.content(media_type, content);
            }
            builder = builder.request_body(Some(body.build()));
        }
        for (status, about, payload, headers) in &self.answers {
            let mut response =
                ResponseBuilder::new().description(*about).header_ref(CORRELATION, header_ref(CORRELATION));
            let rate: &[&str] = if self.auth == Auth::User { &RATE } else { &[] };
            for name in headers.iter().chain(rate) {
                response = response.header_ref(*name, header_ref(name));
            }
            if let Some((media_type, content)) = content(payload) {
                response = response.content(media_type, content);
            }
            builder = builder.response(status.as_str(), response.build());
        }
        for (status, codes) in self.problems_by_status() {
            let response = Ref::new(format!("#/components/responses/{}", problem_name(&codes)));
            builder = builder.response(status.to_string(), RefOr::<Response>::Ref(response));
        }
        builder.build()
    }

    /// Adds the problem documents that it refers to.
    pub(crate) fn share(&self, mut components: ComponentsBuilder) -> ComponentsBuilder {
        for (status, codes) in self.problems_by_status() {
            components = components.response(problem_name(&codes), problem_response(status, &codes));
        }
        components
    }

    fn problems_by_status(&self) -> BTreeMap<u16, Vec<ProblemCode>> {
        let mut by_status: BTreeMap<u16, Vec<ProblemCode>> = BTreeMap::new();
        for code in ProblemCode::ALL.iter().filter(|code| self.problems.contains(code)) {
            by_status.entry(code.status()).or_default().push(*code);
        }
        by_status
    }
}

fn content(payload: &Payload) -> Option<(&'static str, Content)> {
    match payload {
        Payload::Empty => None,
        Payload::Typed { name, example, .. } => {
            let schema = Ref::from_schema_name(name.as_str());
            Some((JSON, ContentBuilder::new().schema(Some(schema)).example(Some(example.clone())).build()))
        }
        Payload::Raw { media_type, schema, example } => {
            let content =
                ContentBuilder::new().schema(Some(schema.as_ref().clone())).example(example.clone());
            Some((media_type, content.build()))
        }
    }
}

/// Operations that may be answered with the same problems refer to the same answer.
fn problem_name(codes: &[ProblemCode]) -> String {
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    names.join(".")
}

/// The answer of one status: each of its codes is an example.
fn problem_response(status: u16, codes: &[ProblemCode]) -> Response {
    let names: Vec<String> = codes.iter().map(|code| format!("`{}`", code.as_str())).collect();
    let examples = codes.iter().map(|code| {
        let example = Ref::new(format!("#/components/examples/{}", code.as_str()));
        (code.as_str(), RefOr::<Example>::Ref(example))
    });
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .examples_from_iter(examples)
        .build();
    let mut response = ResponseBuilder::new()
        .description(names.join(", "))
        .header_ref(CORRELATION, header_ref(CORRELATION))
        .content(problem::CONTENT_TYPE, content);
    let own = match status {
        401 => Some("WWW-Authenticate"),
        416 => Some("Content-Range"),
        429 | 503 => Some("Retry-After"),
        _ => None,
    };
    if let Some(name) = own {
        response = response.header_ref(name, header_ref(name));
    }
    response.build()
}

fn header_ref(name: &str) -> Ref {
    Ref::new(format!("#/components/headers/{name}"))
}

/// The shared parts that operations refer to: problems, headers, the correlation id's parameter.
pub(crate) fn shared(mut components: ComponentsBuilder) -> ComponentsBuilder {
    for code in ProblemCode::ALL {
        let mut problem =
            Problem::new(*code, "what exactly, in this case", "018bcfe5-6800-7707-8707-070707070707");
        if *code == ProblemCode::ValidationFailed {
            problem.errors = vec![FieldError::new("/options/quality", "must be between 1 and 100")];
        }
        let example = ExampleBuilder::new().summary(code.title()).value(Some(json!(problem))).build();
        components = components.example(code.as_str(), example);
    }
    for (name, about) in HEADERS {
        let mut header = Header::new(text());
        header.description = Some((*about).to_owned());
        components = components.header(*name, header);
    }
    let about = "Follows this request through logs, e-mails and webhooks: 1 to 64 of `A-Za-z0-9._-`.";
    components.parameter(CORRELATION, parameter(ParameterIn::Header, CORRELATION, about, text()))
}
