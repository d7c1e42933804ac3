//! A TCP proxy with faults: resets, cuts, stalls and delays connections at random, repeatable places.
//!
//! It does not depend on the protocol, so it works for S3, SQS and SMTP. Without faults, bytes pass as they
//! are.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// How long a stalled connection is silent before it is reset; it ends at once when faults are turned off.
const STALL: Duration = Duration::from_secs(6);

/// A fault of one chunk of bytes.
enum Fault {
    /// Both sides get a reset; the piece is lost.
    Reset,
    /// A part of the piece arrives, then both sides see a proper end.
    Cut,
    /// Nothing arrives any more, and neither side notices.
    Stall,
    /// The piece arrives late.
    Delay(Duration),
}

/// A listener on loopback that passes connections on.
pub struct Proxy {
    address: SocketAddr,
    upstream: watch::Sender<Option<SocketAddr>>,
    /// Pieces of a thousand that have a fault.
    permille: watch::Sender<u64>,
    _accepting: AbortOnDropHandle<()>,
}

impl Proxy {
    /// Listens on a free port; connections wait until [`Proxy::forward_to`] says where they go.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn start(seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (upstream, permille) = (watch::Sender::new(None), watch::Sender::new(0));
        let (leads, fault_rate) = (upstream.subscribe(), permille.subscribe());
        let random = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let link = Link { fault_rate: fault_rate.clone(), random: Arc::clone(&random) };
                let mut leads = leads.clone();
                tokio::spawn(async move {
                    let Ok(Some(upstream)) = leads.wait_for(Option::is_some).await.map(|to| *to) else {
                        return;
                    };
                    // A server that is down looks like one that resets.
                    if let Ok(server) = TcpStream::connect(upstream).await {
                        link.join(client, server).await;
                    }
                });
            }
        });
        Self { address, upstream, permille, _accepting: AbortOnDropHandle::new(accepting) }
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the target of connections.
    pub fn forward_to(&self, upstream: SocketAddr) {
        self.upstream.send_replace(Some(upstream));
    }

    /// Sets how many pieces of a thousand have a fault.
    pub fn set_fault_rate(&self, permille: u64) {
        self.permille.send_replace(permille);
    }
}

/// The shared state of a connection's two directions.
#[derive(Clone)]
struct Link {
    fault_rate: watch::Receiver<u64>,
    random: Arc<Mutex<fastrand::Rng>>,
}

impl Link {
    async fn join(self, mut client: TcpStream, mut server: TcpStream) {
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let abrupt = tokio::select! {
            abrupt = self.clone().pump(&mut from_client, &mut to_server) => abrupt,
            abrupt = self.pump(&mut from_server, &mut to_client) => abrupt,
        };
        if abrupt {
            let _ = (client.set_zero_linger(), server.set_zero_linger());
        }
    }

    fn fault(&self) -> Option<Fault> {
        let permille = *self.fault_rate.borrow();
        let mut random = self.random.lock().unwrap();
        (random.u64(0..1000) < permille).then(|| match random.u8(0..8) {
            0..=1 => Fault::Reset,
            2..=3 => Fault::Cut,
            4 => Fault::Stall,
            _ => Fault::Delay(Duration::from_millis(random.u64(50..1500))),
        })
    }

    /// Passes bytes on until either side ends. Returns whether it ended abruptly.
    async fn pump(
        mut self,
        from: &mut (impl tokio::io::AsyncRead + Unpin),
        to: &mut (impl tokio::io::AsyncWrite + Unpin),
    ) -> bool {
        let mut buffer = vec![0; 16 << 10];
        loop {
            let piece = match from.read(&mut buffer).await {
                Ok(0) => {
                    let _ = to.shutdown().await;
                    return false;
                }
                Ok(n) => &buffer[..n],
                Err(_) => return true,
            };
            match self.fault() {
                None => {}
                Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
                Some(Fault::Reset) => return true,
                Some(Fault::Cut) => {
                    let _ = to.write_all(&piece[..piece.len() / 2]).await;
                    let _ = to.shutdown().await;
                    return false;
                }
                Some(Fault::Stall) => {
                    let calm = self.fault_rate.wait_for(|permille| *permille == 0);
                    let _ = tokio::time::timeout(STALL, calm).await;
                    return true;
                }
            }
            if to.write_all(piece).await.is_err() {
                return true;
            }
        }
    }
}
