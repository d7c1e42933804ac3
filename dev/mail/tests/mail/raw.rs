//! What no honest client sends: hostile mails, and bytes by hand.

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::Fixture;

/// A client that says what it is told.
struct Raw(BufReader<TcpStream>);

impl Raw {
    async fn connect(mails: &Fixture) -> Self {
        let stream = TcpStream::connect(mails.server.smtp_addr()).await.unwrap();
        let mut raw = Self(BufReader::new(stream));
        assert!(raw.answer().await.starts_with("220 "));
        raw
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).await.unwrap();
    }

    /// The last line of an answer.
    async fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).await.unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line;
            }
        }
    }

    async fn send(&mut self, line: &str) -> String {
        self.write(format!("{line}\r\n").as_bytes()).await;
        self.answer().await
    }

    async fn start_mail(&mut self) {
        assert!(self.send("EHLO client").await.starts_with("250 "));
        assert!(self.send("MAIL FROM:<a@example.org>").await.starts_with("250 "));
        assert!(self.send("RCPT TO:<b@example.org>").await.starts_with("250 "));
        assert!(self.send("DATA").await.starts_with("354 "));
    }

    async fn is_closed(&mut self) -> bool {
        self.0.read(&mut [0; 1]).await.is_ok_and(|read| read == 0)
    }
}

/// Everything that a mail can say, written so as to break out of the page.
const HOSTILE: &str = "From: \"<script>alert(1)</script>\" <a@example.org>\r\n\
    To: b@example.org\r\n\
    Subject: \"><img src=x onerror=alert(2)>'\r\n\
    X-\"><b>Header: </td><script>alert(3)</script>\r\n\
    Content-Type: multipart/alternative; boundary=x\r\n\r\n\
    --x\r\nContent-Type: text/plain\r\n\r\n</pre><script>alert(4)</script>\r\n\
    --x\r\nContent-Type: text/html\r\n\r\n\
    <p class='a'>fine</p>\"></iframe><script>alert(5)</script>\r\n--x--\r\n.";

#[tokio::test]
async fn a_hostile_mail_cannot_leave_its_place() {
    let mails = Fixture::new().await;
    let mut raw = Raw::connect(&mails).await;
    raw.start_mail().await;
    assert!(raw.send(HOSTILE).await.starts_with("250 2.0.0 kept as "));
    let listed = mails.json("/api/mails").await;
    let html = listed[0]["html"].as_str().unwrap();
    assert!(html.contains("<script>alert(5)</script>"), "{html}");
    let id = listed[0]["id"].as_str().unwrap();
    for path in ["/".to_owned(), format!("/mails/{id}")] {
        let page = mails.page(&path).await;
        assert!(page.contains("alert(1)"), "{page}");
        for markup in ["<script", "<img", "<b>", "onerror=alert(2)>"] {
            assert!(!page.contains(markup), "{path} has {markup}: {page}");
        }
    }
    let page = mails.page(&format!("/mails/{id}")).await;
    assert!(page.contains(
        r#"sandbox="allow-popups allow-popups-to-escape-sandbox" srcdoc="&lt;base target=&quot;_blank&quot;&gt;&lt;p class=&#39;a&#39;&gt;fine"#
    ), "{page}");
    assert_eq!(page.matches("<iframe").count(), 1);
    assert_eq!(page.matches("</iframe>").count(), 1);
}

#[tokio::test]
async fn a_mail_cut_off_is_not_kept() {
    let mails = Fixture::new().await;
    let mut raw = Raw::connect(&mails).await;
    raw.start_mail().await;
    raw.write(b"Subject: half\r\n\r\nand then").await;
    raw.0.get_mut().shutdown().await.unwrap();
    assert!(raw.is_closed().await);
    assert_eq!(mails.files(), 0);
    assert!(mails.subjects("/api/mails").await.is_empty());
}

#[tokio::test]
async fn bytes_in_any_portions_mean_the_same() {
    let mails = Fixture::new().await;
    let all = b"EHLO client\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n\
        Subject: pipelined\r\n\r\n..dot\r\n.\r\nNOOP\r\nQUIT\r\n";
    for size in [all.len(), 1, 7] {
        let mut raw = Raw::connect(&mails).await;
        for portion in all.chunks(size) {
            raw.write(portion).await;
        }
        let mut codes = Vec::new();
        for _ in 0..7 {
            codes.push(raw.answer().await[..3].to_owned());
        }
        assert_eq!(codes, ["250", "250", "250", "354", "250", "250", "221"]);
        assert!(raw.is_closed().await);
        let newest = &mails.json("/api/mails").await[0];
        assert_eq!(newest["text"], ".dot\r\n");
    }
    assert_eq!(mails.files(), 3);
}

#[tokio::test]
async fn nonsense_is_answered_and_then_hung_up_on() {
    let mails = Fixture::new().await;
    let mut raw = Raw::connect(&mails).await;
    assert!(raw.send("GET / HTTP/1.1").await.starts_with("500 "));
    for _ in 0..19 {
        assert!(raw.send("\u{1}\u{ff}").await.starts_with('5'));
    }
    assert!(raw.send("DANCE").await.starts_with("421 "));
    assert!(raw.is_closed().await);
    // A line without an end is not collected for ever.
    let mut raw = Raw::connect(&mails).await;
    raw.write(&[b'A'; 100_000]).await;
    assert!(raw.answer().await.starts_with('5'));
}

#[tokio::test]
async fn data_beyond_the_limit_is_read_to_its_end_and_refused() {
    let mails = Fixture::with_limit(1000).await;
    let mut raw = Raw::connect(&mails).await;
    raw.start_mail().await;
    raw.write("0123456789\r\n".repeat(5000).as_bytes()).await;
    assert!(raw.send(".").await.starts_with("552 "));
    assert_eq!(mails.files(), 0);
    raw.start_mail().await;
    assert!(raw.send("Subject: small\r\n\r\nx\r\n.").await.starts_with("250 "));
    assert_eq!(mails.subjects("/api/mails").await, ["small"]);
}

#[tokio::test]
async fn a_shutdown_says_so_to_clients_that_are_still_there() {
    let mails = Fixture::new().await;
    let mut raw = Raw::connect(&mails).await;
    mails.server.shutdown().await;
    assert!(raw.answer().await.starts_with("421 "));
    assert!(raw.is_closed().await);
}
