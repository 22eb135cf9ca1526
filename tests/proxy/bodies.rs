//! Bodies stream both ways, whole and unchanged.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::backend::{Backend, read_request};
use crate::support::client::Raw;
use crate::support::gateway::{Gateway, route};

#[tokio::test]
async fn uploads_arrive_whole_with_either_framing() {
    let backend = Backend::named("app").await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let mut client = Raw::connect(gateway.web()).await;
    let body = "x".repeat(300_000);
    client.send(format!("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
    assert_eq!(client.answer().await.expect("an answer").status, 200);
    assert_eq!(backend.last().body.len(), body.len());
    client.send(format!("PUT / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len())).await;
    assert_eq!(client.answer().await.expect("an answer").status, 200);
    let seen = backend.last();
    assert_eq!((seen.body.len(), seen.header("transfer-encoding")), (body.len() + 5, Some("chunked")));
    client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(client.answer().await.expect("an answer").status, 200);
    assert_eq!(backend.last().header("content-length"), Some("0"));
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\nabc").await;
    assert_eq!(client.answer().await.expect("an answer").status, 200);
    assert_eq!(backend.last().body, b"abc");
}

#[tokio::test]
async fn an_expectation_is_met_here_and_not_passed_on() {
    let backend = Backend::named("app").await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("POST / HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n").await;
    assert!(client.fill().await);
    assert!(String::from_utf8(client.rest()).expect("text").starts_with("HTTP/1.1 100 "));
    client.send("hello").await;
    assert_eq!(client.answer().await.expect("an answer").status, 200);
    assert_eq!((backend.last().body.as_slice(), backend.last().header("expect")), (&b"hello"[..], None));
}

#[tokio::test]
async fn a_refused_upload_is_not_asked_for() {
    let gateway = Gateway::start(&route("app", "a.example", "/", &[1]), &[]).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("POST / HTTP/1.1\r\nHost: b.example\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n").await;
    assert!(client.fill().await);
    let first = String::from_utf8(client.rest()).expect("text");
    assert!(first.starts_with("HTTP/1.1 404 "), "{first}");
}

#[tokio::test]
async fn trailers_pass_both_ways_but_for_those_that_would_mean_something_in_a_head() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let backend = Backend::on_connection(move |mut stream| {
        let tell = tell.clone();
        async move {
            let mut seen = Vec::new();
            while !seen.ends_with(b"0\r\nx-sum: 7\r\n\r\n") {
                if !stream.read_buf(&mut seen).await.is_ok_and(|count| count > 0) {
                    return;
                }
            }
            let _ = tell.send(());
            let answer = "HTTP/1.1 200 OK\r\nTrailer: X-Answer\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Answer: 8\r\n\r\n";
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.read_buf(&mut seen).await;
        }
    })
    .await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("POST / HTTP/1.1\r\nHost: a.example\r\nConnection: TE\r\nTE: trailers\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\nX-Forwarded-For: 1.2.3.4\r\nX_Real_Ip: 1.2.3.4\r\nAuthorization: x\r\nHost: b.example\r\n\r\n").await;
    let mut seen = Vec::new();
    while !seen.ends_with(b"0\r\nx-answer: 8\r\n\r\n") {
        assert!(client.fill().await, "{}", String::from_utf8_lossy(&seen));
        seen.extend(client.rest());
    }
    assert!(told.recv().await.is_some());
}

#[tokio::test]
async fn answers_of_every_framing_arrive_whole() {
    let backend = Backend::answering(|request| match request.line() {
        line if line.contains("/chunked") => {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_vec()
        }
        line if line.contains("/none") => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        line if line.starts_with("HEAD") => b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_vec(),
    })
    .await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let mut client = Raw::connect(gateway.web()).await;
    for (method, path, status, body) in [
        ("GET", "/chunked", 200, "hello"),
        ("GET", "/none", 204, ""),
        ("HEAD", "/", 200, ""),
        ("GET", "/", 200, "hello"),
    ] {
        client.send(format!("{method} {path} HTTP/1.1\r\nHost: a.example\r\n\r\n")).await;
        let answer = client.answer_to(method).await.expect("an answer");
        assert_eq!((answer.status, answer.text().as_str()), (status, body), "{method} {path}");
        if method == "HEAD" {
            assert_eq!(answer.header("content-length"), Some("5"));
        }
    }
    assert_eq!(backend.connections.load(std::sync::atomic::Ordering::Relaxed), 1, "one connection served all");
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_framed_anew() {
    let backend = Backend::on_connection(|mut stream| async move {
        let mut buffer = Vec::new();
        if read_request(&mut stream, &mut buffer).await.is_some() {
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello").await;
        }
    })
    .await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    let answer = client.answer().await.expect("an answer");
    assert!(answer.head.starts_with("HTTP/1.1 200"));
    assert_eq!(answer.text(), "hello");
    assert!(client.still_serves("a.example").await);
}

#[tokio::test]
async fn an_event_is_passed_on_at_once() {
    let (release, held) = tokio::sync::oneshot::channel::<()>();
    let held = std::sync::Arc::new(std::sync::Mutex::new(Some(held)));
    let backend = Backend::on_connection(move |mut stream| {
        let held = held.lock().expect("the gate").take();
        async move {
            let mut buffer = Vec::new();
            if read_request(&mut stream, &mut buffer).await.is_some() {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n").await;
                if let Some(held) = held {
                    let _ = held.await;
                }
                let _ = stream.write_all(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n").await;
            }
        }
    })
    .await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("data: 1") {
        assert!(client.fill().await);
        seen.extend(client.rest());
    }
    release.send(()).expect("the backend waits");
    while !String::from_utf8_lossy(&seen).contains("data: 2") {
        assert!(client.fill().await);
        seen.extend(client.rest());
    }
}

#[tokio::test]
async fn a_body_that_is_cut_short_never_ends_cleanly() {
    let backend = Backend::on_connection(|mut stream| async move {
        let mut buffer = Vec::new();
        if read_request(&mut stream, &mut buffer).await.is_some() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
        }
    })
    .await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    assert!(client.answer().await.is_none(), "a truncated answer must not look complete");
}

#[tokio::test]
async fn an_upload_goes_on_while_nobody_reads_the_answer_that_came_before_its_end() {
    const SIZE: usize = 16 << 20;
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let backend = Backend::on_connection(move |stream| {
        let tell = tell.clone();
        async move {
            let (mut receiving, mut sending) = stream.into_split();
            let answering = tokio::spawn(async move {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
                sending.write_all(head.as_bytes()).await?;
                sending.write_all(&vec![b'y'; SIZE]).await?;
                std::io::Result::Ok(sending)
            });
            let mut count = 0;
            let mut buffer = vec![0; 64 * 1024];
            while count < SIZE {
                match receiving.read(&mut buffer).await {
                    Ok(read @ 1..) => count += buffer[..read].iter().filter(|&&byte| byte == b'!').count(),
                    _ => return,
                }
            }
            let _ = tell.send(());
            let _ = answering.await;
        }
    })
    .await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send(format!("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: {SIZE}\r\n\r\n")).await;
    client.send(vec![b'!'; SIZE]).await;
    assert!(told.recv().await.is_some(), "all of the upload has arrived");
    let answer = client.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.body.len()), (200, SIZE));
}

#[tokio::test]
async fn an_answer_that_ends_before_its_upload_is_passed_on_whole() {
    let backend = Backend::on_connection(|mut stream| async move {
        let mut seen = Vec::new();
        let _ = stream.read_buf(&mut seen).await;
        let answer = "HTTP/1.1 413 Content Too Large\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nlarge\r\n";
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.write_all(b"0\r\n\r\n").await;
        while stream.read_buf(&mut seen).await.is_ok_and(|count| count > 0) {}
    })
    .await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    let mut client = Raw::connect(gateway.web()).await;
    client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1000000\r\n\r\nhi").await;
    let answer = client.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (413, "large"));
}

#[tokio::test]
async fn a_client_that_breaks_its_chunks_gets_400_and_the_backend_no_end() {
    let backend = Backend::named("app").await;
    let gateway = Gateway::start(&route("app", "a.example", "/", &[backend.port()]), &[]).await;
    for body in ["0x5\r\nhello\r\n0\r\n\r\n", "5\nhello\r\n0\r\n\r\n", "\r\nhello"] {
        let mut client = Raw::connect(gateway.web()).await;
        client.send(format!("POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n{body}")).await;
        let status = client.answer().await.map(|answer| answer.status);
        assert!(matches!(status, Some(400) | None), "{body:?}: {status:?}");
    }
    assert!(backend.requests().is_empty());
}
