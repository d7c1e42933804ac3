//! Files that are no videos but have a video's name: some ask a reader to open others.

use crate::Case;

/// Playlists and scripts that name files and addresses, pictures, documents, archives, programs.
pub(crate) fn all() -> Vec<Case> {
    let texts: &[(&str, &str)] = &[
        ("hls", "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"),
        ("hls-master", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://127.0.0.1:80/a.m3u8\n"),
        (
            "hls-key",
            "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"file:///etc/passwd\"\n#EXTINF:1,\nconcat:a|b\n",
        ),
        (
            "dash",
            "<?xml version=\"1.0\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"><Period><AdaptationSet><Representation><BaseURL>file:///etc/passwd</BaseURL></Representation></AdaptationSet></Period></MPD>",
        ),
        (
            "smooth",
            "<SmoothStreamingMedia MajorVersion=\"2\"><StreamIndex Url=\"http://127.0.0.1/\"/></SmoothStreamingMedia>",
        ),
        ("concat", "ffconcat version 1.0\nfile /etc/passwd\n"),
        (
            "concat-protocol",
            "ffconcat version 1.0\nfile 'http://169.254.169.254/latest/meta-data'\nduration 1\n",
        ),
        (
            "sdp",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        ),
        ("rtsp", "rtsptext\nrtsp://127.0.0.1/x\n"),
        ("redirector", "[Reference]\r\nRef1=http://127.0.0.1/x.asf\r\n"),
        ("asx", "<asx version=\"3.0\"><entry><ref href=\"http://127.0.0.1/\"/></entry></asx>"),
        ("pls", "[playlist]\nFile1=file:///etc/passwd\nNumberOfEntries=1\nVersion=2\n"),
        ("m3u", "#EXTM3U\n/etc/passwd\n"),
        (
            "svg",
            "<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"><image href=\"file:///etc/passwd\"/></svg>",
        ),
        (
            "xml-entities",
            "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>",
        ),
        ("html", "<!doctype html><title>not found</title><h1>404</h1>"),
        ("json", "{\"error\":\"not found\"}"),
        ("subtitles", "1\n00:00:00,000 --> 00:00:01,000\nhello\n"),
        ("webvtt", "WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n"),
        (
            "ass",
            "[Script Info]\nScriptType: v4.00+\n[Events]\nDialogue: 0,0:00:00.00,0:00:01.00,,,0,0,0,,x\n",
        ),
        ("ffmetadata", ";FFMETADATA1\ntitle=x\n"),
        (
            "imf",
            "<?xml version=\"1.0\"?><AssetMap xmlns=\"http://www.smpte-ra.org/schemas/429-9/2007/AM\"><Path>/etc/passwd</Path></AssetMap>",
        ),
        ("shell", "#!/bin/sh\nexec cat /etc/passwd\n"),
        ("eicar-like", "X5O!P%@AP-not-a-virus-only-a-text"),
        ("pdf", "%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"),
        ("ppm", "P6\n2 2\n255\n............"),
        ("mov-reference", "RTSPtextrtsp://127.0.0.1/"),
    ];
    let mut cases: Vec<Case> =
        texts.iter().map(|(name, text)| Case::refused(format!("stranger-{name}.mp4"), *text)).collect();
    // Any of them behind what a reader may skip.
    cases.extend(texts.iter().map(|(name, text)| {
        Case::refused(
            format!("stranger-{name}-with-mark.mp4"),
            [b"\xef\xbb\xbf\r\n", text.as_bytes()].concat(),
        )
    }));
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let files: [(&str, Vec<u8>); 9] = [
        ("zip", b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0a".to_vec()),
        ("gzip", [&b"\x1f\x8b\x08\0\0\0\0\0\0\x03"[..], &[0; 500]].concat()),
        ("xz", [&b"\xfd7zXZ\0\0\x04"[..], &[7; 500]].concat()),
        ("tar", [b"a".to_vec(), vec![0; 256], b"ustar\x0000".to_vec(), vec![0; 1024]].concat()),
        ("rar", b"Rar!\x1a\x07\x01\0".to_vec()),
        ("elf", program[..program.len().min(1 << 20)].to_vec()),
        ("wasm", b"\0asm\x0d\0\x01\0".to_vec()),
        ("sqlite", [&b"SQLite format 3\0"[..], &[0; 4000]].concat()),
        ("wav", [&b"RIFF\x24\x10\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\0\x10\0\0"[..], &[0; 4096]].concat()),
    ];
    cases.extend(files.into_iter().map(|(name, bytes)| Case::refused(format!("stranger-{name}.mp4"), bytes)));
    cases
}
