//! Installations that more than one test starts from.

use std::fs;
use std::path::PathBuf;

use super::client::expect;
use super::kubectl::{Applied, Namespace, image, kubectl, load_balancer, rolled_out, try_kubectl};
use super::{PATIENCE, eventually};

/// The Deployment behind every Ingress here.
pub(crate) const WEATHER: &str = include_str!("../manifests/weather.yaml");
const WEATHER_INGRESS: &str = include_str!("../manifests/weather-ingress.yaml");

/// Service and Ingress of the weather API in a class.
pub(crate) fn weather_ingress(class: &str) -> String {
    WEATHER_INGRESS.replace("INGRESS_CLASS", class)
}

/// `kubectl apply -k deploy`, and the weather API in a namespace of its own.
#[derive(Debug)]
pub(crate) struct Installation {
    pub(crate) address: String,
    _weather: (Applied, Namespace),
    _adit: Kustomized,
}

impl Installation {
    pub(crate) async fn new() -> Self {
        let adit = Kustomized::new();
        let namespace = Namespace::new("adit-weather");
        let weather = Applied::new(namespace.0, &format!("{WEATHER}---\n{}", weather_ingress("adit")));
        rolled_out("adit", "adit", "app.kubernetes.io/name=adit").await;
        rolled_out(namespace.0, "weather-api", "app=weather-api-pod").await;
        let address = load_balancer("adit", "adit").await;
        eventually("the weather is served", async || {
            expect(&address, 80, "weather.lvh.me", "/london/uk/", http::StatusCode::OK).await
        })
        .await;
        Self { address, _weather: (weather, namespace), _adit: adit }
    }
}

/// `deploy/` with the image under test, removed when dropped.
#[derive(Debug)]
struct Kustomized(PathBuf);

impl Kustomized {
    fn new() -> Self {
        let root = env!("CARGO_MANIFEST_DIR");
        let image = image();
        let (name, tag) = image.rsplit_once(':').expect("the image has a tag");
        // An overlay must name its base by a relative path, so it lies in the build directory.
        let overlay = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cluster-overlay");
        fs::create_dir_all(&overlay).expect("a writable build directory");
        let up = "../".repeat(overlay.components().count() - 1);
        let base = format!("{up}{}", root.trim_start_matches('/'));
        let text = format!("resources: [{base}/deploy]\nimages: [{{name: adit, newName: {name}, newTag: {tag:?}}}]\n");
        fs::write(overlay.join("kustomization.yaml"), text).expect("a writable build directory");
        kubectl(&format!("apply -k {}", overlay.display()));
        Self(overlay)
    }
}

impl Drop for Kustomized {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What is needed to understand a failure goes away with the installation.
            for words in ["get pods -A -o wide", "logs -n adit --prefix --tail=100 -l app.kubernetes.io/name=adit"] {
                eprintln!("kubectl {words}\n{}", try_kubectl(words).unwrap_or_else(|error| error));
            }
        }
        // Kubernetes looks at a namespace whose pods may take two minutes to end again after one: they go first.
        for what in ["deployment -n adit adit --cascade=foreground".to_owned(), format!("-k {}", self.0.display())] {
            let words = format!("delete {what} --ignore-not-found --wait --timeout={}s", PATIENCE.as_secs());
            if let Err(error) = try_kubectl(&words) {
                eprintln!("kubectl {words}: {error}");
            }
        }
    }
}
