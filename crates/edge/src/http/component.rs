//! Makes a component of its endpoints: the routes, the documentation and the dispatch come from one list.

/// Makes a component of endpoints, each of which is a module with
/// - `ROUTE`, the method and the path;
/// - `operation()`, what the OpenAPI document says of it, with every problem that it may answer;
/// - a handler. Of a `call` it is a method of the service that has the module's name; of a `stream` too, and
///   it reads the body itself; `alone` it is the function `answer` of the module, for an endpoint that
///   answers also when there is no service, because a store or the configuration is not there.
///
/// `router` is what finds the endpoint of a request. A lifetime before the service's type makes a component whose
/// answers may be streamed: their bodies are made while they are sent, and borrow from the service for that lifetime.
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

        /// What the OpenAPI document says of the endpoints, in the order of the routes.
        pub fn operations() -> Vec<$crate::openapi::Operation> {
            vec![$($($alone::operation(),)*)? $($($stream::operation(),)*)? $($call::operation()),*]
        }

        static ROUTER: $crate::http::RouterOnce = $crate::http::RouterOnce::new(|| $router);

        /// Answers one request. `service` is an error when a store or the configuration is not there.
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
            if $crate::http::configured::is_asked(&parts) {
                return $crate::http::configured::tell(service.err(), ambient, parts);
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
            let asked = cors.asked(&parts);
            let mut answer = $crate::http::answer(&ROUTER, ambient, parts, body, handler).await;
            asked.tell(&mut answer);
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
