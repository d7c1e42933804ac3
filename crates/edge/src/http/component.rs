//! The macro that makes a component from its endpoints: routes, documentation and dispatch come from one list.

/// Makes a component from endpoints, each of which is a module with
/// - `ROUTE`, the method and the path;
/// - `operation()`, its documentation in the OpenAPI document, with every problem that it may answer;
/// - a handler: in the list `call`, the service's method with the module's name; in `stream`, the same, but it reads
///   the request's body itself; in `alone`, the module's function `answer`, which is called even if there is no service
///   because a store or the configuration is unavailable.
///
/// `router` is an expression for the router. With a lifetime before the service's type, answers may be streamed: their
/// bodies borrow from the service for that lifetime.
macro_rules! component {
    (
        @ [$($life:lifetime)?] $answer:ty;
        $service:ty where [$($port:ident: $bound:path),*];
        router: $router:expr;
        $(alone: [$($alone:ident),*];)?
        $(stream: [$($stream:ident),*];)?
        call: [$($call:ident),* $(,)?]
    ) => {
        /// The methods and paths of the endpoints.
        pub const ROUTES: &[$crate::http::Route] =
            &[$($($alone::ROUTE,)*)? $($($stream::ROUTE,)*)? $($call::ROUTE),*];

        /// The documentation of the endpoints, in the order of the routes.
        pub fn operations() -> Vec<$crate::openapi::Operation> {
            vec![$($($alone::operation(),)*)? $($($stream::operation(),)*)? $($call::operation()),*]
        }

        static ROUTER: $crate::http::RouterOnce = $crate::http::RouterOnce::new(|| $router);

        /// Answers one request. `service` is an error if a store or the configuration is unavailable.
        pub async fn serve<$($life,)? $($port: $bound,)* Clock, Body>(
            service: Result<$service, $crate::http::Failure>,
            cors: &$crate::http::Cors,
            ambient: &Clock,
            parts: ::http::request::Parts,
            body: Body,
        ) -> ::http::Response<$answer>
        where
            Clock: $crate::ports::Ambient,
            Body: $crate::http::RequestBody,
        {
            if $crate::http::configured::is_request(&parts) {
                return $crate::http::configured::answer(service.err(), ambient, parts);
            }
            let handler = async |endpoint: usize, incoming: &mut $crate::http::Incoming, body: Body| {
                let Some(route) = ROUTES.get(endpoint) else {
                    return Err($crate::http::Failure::internal("no component is routed to this path"));
                };
                $($(
                    if *route == $alone::ROUTE {
                        return $alone::answer();
                    }
                )*)?
                let service = service?;
                $($(
                    if *route == $stream::ROUTE {
                        return service.$stream(incoming, body).await;
                    }
                )*)?
                incoming.read(body).await;
                $(
                    if *route == $call::ROUTE {
                        return service.$call(incoming).await;
                    }
                )*
                Err($crate::http::Failure::internal("a route has no handler"))
            };
            let cors_request = cors.classify(&parts);
            let mut answer = $crate::http::answer(&ROUTER, ambient, parts, body, handler).await;
            cors_request.add_headers(&mut answer);
            answer
        }
    };
    ($life:lifetime $($component:tt)*) => {
        $crate::http::component! { @ [$life] $crate::http::Body<$life>; $($component)* }
    };
    ($($component:tt)*) => {
        $crate::http::component! { @ [] ::bytes::Bytes; $($component)* }
    };
}

pub(crate) use component;
