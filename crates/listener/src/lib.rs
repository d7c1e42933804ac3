//! The accept loop of all our servers: accepts connections until it is stopped, then lets open ones finish.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The pause before the next connection is accepted when the system refused one.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves connections until `stop`, then waits at most `grace` for those that are open, and closes
/// the rest. An HTTP connection under the [`Watcher`] ends with the request under way.
pub async fn serve<C>(
    listener: TcpListener,
    stop: CancellationToken,
    grace: Duration,
    connection: impl Fn(TcpStream, SocketAddr, Watcher) -> C,
) where
    C: Future<Output = ()> + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, client)) => {
                    connections.spawn(connection(stream, client, graceful.watcher()));
                }
                Err(error) => {
                    // Out of file descriptors, most likely: closing connections helps.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let ended = async {
        graceful.shutdown().await;
        while connections.join_next().await.is_some() {}
    };
    if tokio::time::timeout(grace, ended).await.is_err() {
        tracing::warn!("connections are closed with requests under way");
    }
    connections.shutdown().await;
}

/// Serves HTTP/1 on one connection. An error of the service closes it without an answer.
pub async fn http1<S, B>(stream: TcpStream, watcher: Watcher, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // Small answers should not wait for the client's acknowledgement.
    let _ = stream.set_nodelay(true);
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::Full;
    use hyper::service::service_fn;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn the_request_under_way_is_answered_and_a_silent_client_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let (begun, mut begins) = tokio::sync::mpsc::channel(1);
        let told = stop.clone();
        let serving =
            tokio::spawn(serve(listener, stop.clone(), Duration::from_secs(1), move |stream, _, watcher| {
                let (begun, told) = (begun.clone(), told.clone());
                http1(
                    stream,
                    watcher,
                    service_fn(move |_| {
                        let (begun, told) = (begun.clone(), told.clone());
                        async move {
                            let _ = begun.send(()).await;
                            told.cancelled().await;
                            Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from_static(
                                b"done",
                            ))))
                        }
                    }),
                )
            }));
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        begins.recv().await.unwrap();
        let mut silent = TcpStream::connect(address).await.unwrap();
        silent.write_all(b"GET / HT").await.unwrap();
        stop.cancel();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert!(answer.ends_with(b"done"), "{}", String::from_utf8_lossy(&answer));
        serving.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }
}
