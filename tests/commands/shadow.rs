//! `adit shadow` between two servers, one of them for Traefik.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};

use super::{adit, stderr, stdout};

/// A server that answers each path with what `answer` says: status line, fields and body.
fn server(answer: impl Fn(&str, usize) -> String + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let request = lines.next().unwrap_or_default();
            lines.find(|line| line.is_empty());
            let path = request.split(' ').nth(1).unwrap_or_default();
            let _ = (&stream).write_all(answer(path, number).as_bytes());
        }
    });
    address
}

fn answer(status: &str, fields: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{fields}\r\n{body}", body.len())
}

fn shadow(traefik: SocketAddr, other: SocketAddr, more: &[&str], stdin: &str) -> std::process::Output {
    let (traefik, other) = (format!("--traefik=http://{traefik}"), format!("--adit=http://{other}"));
    adit(&[&["shadow", "-", &traefik, &other], more].concat(), stdin)
}

#[test]
fn answers_that_are_alike_but_for_what_differs_by_nature_are_alike() {
    let traefik =
        server(|_, number| answer("200 OK", &format!("Date: {number}\r\nX-Request-Id: t{number}\r\n"), "hello"));
    let other = server(|_, number| answer("200 OK", &format!("Date: x\r\nX-Request-Id: a{number}\r\n"), "hello"));
    let output = shadow(traefik, other, &[], "https://a.example/x\nHEAD a.example/y\nPOST a.example/z\n");
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
    assert!(text.contains("2 requests: 0 answered differently, 0 by neither\n1 lines left out"), "{text}");
}

#[test]
fn a_difference_is_named_and_what_varies_by_itself_is_none() {
    let traefik = server(|path, number| match path {
        "/moved" => answer("301 Moved Permanently", "Location: /there\r\n", ""),
        "/time" => answer("200 OK", "", &format!("it is {number}")),
        _ => answer("200 OK", "", "same"),
    });
    let other = server(|path, _| match path {
        "/moved" => answer("302 Found", "Location: /elsewhere\r\n", ""),
        "/time" => answer("200 OK", "", "it is now"),
        _ => answer("200 OK", "", "same"),
    });
    let lines = "/moved\n/time\n/same\n";
    let output = shadow(traefik, other, &["--host=a.example", "--output=json"], lines);
    assert_eq!(output.status.code(), Some(1), "{}{}", stdout(&output), stderr(&output));
    let page: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&page["asked"], page["different"].as_array().map(Vec::len)), (&3.into(), Some(1)), "{page:#}");
    let differences = page["different"][0]["differences"].as_array().expect("differences");
    let what: Vec<_> = differences.iter().map(|difference| difference["what"].as_str().unwrap_or_default()).collect();
    assert_eq!((&page["different"][0]["path"], what), (&"/moved".into(), vec!["status", "header location"]));
    let ignoring = ["--host=a.example", "--ignore=location"];
    let text = stdout(&shadow(traefik, other, &ignoring, lines));
    assert!(text.contains("GET a.example/moved\n  status: 301 with Traefik, 302 with adit\n3 requests"), "{text}");
}

#[test]
fn a_server_that_does_not_answer_is_told_and_ends_in_time() {
    // It accepts, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent_address = silent.local_addr().expect("its address");
    let other = server(|_, _| answer("200 OK", "", ""));
    let output = shadow(silent_address, other, &["--timeout=200ms"], "a.example/\n");
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(stdout(&output).contains("answer: none: no answer within 200ms with Traefik, 200 with adit"));
    let output = shadow(silent_address, silent_address, &["--timeout=200ms"], "a.example/\n");
    assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
    assert!(stdout(&output).contains("the first that neither answered: no answer within 200ms"), "{}", stdout(&output));
}

#[test]
fn an_address_that_is_none_is_refused_before_anything_is_asked() {
    let output = adit(&["shadow", "--traefik=10.0.0.1:80", "--adit=http://b", "-"], "a.example/\n");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("\"10.0.0.1:80\" is no address such as http://"), "{}", stderr(&output));
}
