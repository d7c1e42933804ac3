//! The proxy itself.

use std::net::SocketAddr;

use framelift_e2e::proxy::Proxy;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Sends back what comes.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    address
}

/// How many of 24 exchanges at the same time come through whole.
async fn come_through(proxy: &Proxy) -> usize {
    let exchange = async || {
        let mut stream = TcpStream::connect(proxy.address()).await?;
        stream.write_all(b"hello").await?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await?;
        Ok::<_, std::io::Error>(answer == *b"hello")
    };
    let exchanges = futures::future::join_all((0..24).map(|_| exchange())).await;
    exchanges.into_iter().filter(|whole| matches!(whole, Ok(true))).count()
}

#[tokio::test]
async fn bytes_pass_in_a_calm_and_meet_with_trouble_in_a_storm() {
    let proxy = Proxy::start(7).await;
    proxy.forward_to(echo().await);
    assert_eq!(come_through(&proxy).await, 24);
    proxy.set_fault_rate(1000);
    assert!(come_through(&proxy).await < 24);
    proxy.set_fault_rate(0);
    assert_eq!(come_through(&proxy).await, 24);
}
