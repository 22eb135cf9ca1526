//! A browser without a screen: Chromium (`CHROMIUM`, or the one on the path).

use std::env;
use std::fs;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// How long a page may take, also on a machine that is busy.
const LIMIT: Duration = Duration::from_secs(120);

/// The document of `url` as its scripts left it, with `host` at `address`. Certificates are not looked at.
pub(crate) async fn document(url: &str, host: &str, address: &str) -> String {
    let profile = env::temp_dir().join(format!("adit-browser-{}", std::process::id()));
    let run = Command::new(env::var("CHROMIUM").unwrap_or_else(|_| "chromium".to_owned()))
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--ignore-certificate-errors", "--dump-dom", "--virtual-time-budget=60000"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("--host-resolver-rules=MAP {host} {address}"))
        .arg(url)
        .kill_on_drop(true)
        .output();
    let output = timeout(LIMIT, run).await.unwrap_or_else(|_| panic!("no document of {url} in {LIMIT:?}"));
    let _ = fs::remove_dir_all(profile);
    let output = output.expect("Chromium is installed, or CHROMIUM names one");
    let document = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}\n{document}", String::from_utf8_lossy(&output.stderr));
    document
}
