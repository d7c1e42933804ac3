//! A mail server that accepts, refuses or defers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone)]
pub(crate) struct Smtp {
    mails: Arc<Mutex<Vec<String>>>,
    recipients: Arc<Mutex<u32>>,
    pub(crate) address: SocketAddr,
}

impl Smtp {
    /// A server that answers `RCPT` with that line, or never if it is empty.
    pub(crate) async fn start(recipient: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let this = Self { mails: Arc::default(), recipients: Arc::default(), address };
        let server = this.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move { server.talk(stream, recipient).await });
            }
        });
        this
    }

    pub(crate) fn mails(&self) -> Vec<String> {
        self.mails.lock().unwrap().clone()
    }

    pub(crate) fn recipients(&self) -> u32 {
        *self.recipients.lock().unwrap()
    }

    async fn talk(&self, stream: TcpStream, recipient: &'static str) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 fake\r\n").await?;
        let mut line = String::new();
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let answer = match line.get(..4).unwrap_or_default() {
                "RCPT" => {
                    *self.recipients.lock().unwrap() += 1;
                    if recipient.is_empty() {
                        std::future::pending::<()>().await;
                    }
                    recipient
                }
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await?;
                    let mut mail = String::new();
                    while !mail.ends_with("\r\n.\r\n") {
                        stream.read_line(&mut mail).await?;
                    }
                    self.mails.lock().unwrap().push(mail);
                    "250 taken"
                }
                "QUIT" => "221 bye",
                _ => "250 ok",
            };
            stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
    }
}
