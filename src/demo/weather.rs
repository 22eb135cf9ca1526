//! A small weather backend: answers as the weather API of the demo does, and says which of the two it is.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Serves `name`'s weather on `listener` until `stop` is true, then lets requests in flight end.
pub(crate) async fn serve(
    listener: TcpListener,
    name: String,
    delay: Duration,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => continue,
            },
            _ = stop.wait_for(|stop| *stop) => break,
        };
        stream.set_nodelay(true)?;
        let (name, mut stop) = (name.clone(), stop.clone());
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let name = name.clone();
                async move { answer(&request, &name, delay).await }
            });
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(120));
            let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
            tokio::select! {
                _ = connection.as_mut() => {}
                () = async { drop(stop.wait_for(|stop| *stop).await) } => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    Ok(())
}

async fn answer(request: &Request<Incoming>, name: &str, delay: Duration) -> Result<Response<Full<Bytes>>, Infallible> {
    let segments: Vec<&str> = request.uri().path().split('/').filter(|segment| !segment.is_empty()).collect();
    let body = match segments.as_slice() {
        [] => serde_json::json!({ "service": "weather-api", "pod": name }),
        [city, country] => {
            tokio::time::sleep(delay).await;
            serde_json::json!({ "city": city, "country": country, "temperature_celsius": 11.5, "pod": name })
        }
        _ => {
            let mut response = Response::new(Full::from("not found\n"));
            *response.status_mut() = StatusCode::NOT_FOUND;
            return Ok(response);
        }
    };
    let mut response = Response::new(Full::from(format!("{body}\n")));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
