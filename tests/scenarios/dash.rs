//! A dashboard of Flask and Dash below a path: docs/scenarios/dash.md.

use std::collections::BTreeSet;
use std::time::Duration;

use regex::Regex;

use crate::browser;
use crate::install::{Adit, Site, socket};
use crate::support::kubectl::{Applied, Namespace, kubectl, load_balancer, pods, rolled_out};
use crate::support::{eventually, turn};
use crate::visitors::Visitors;

const MANIFEST: &str = include_str!("dash/dash.yaml");
const HOST: &str = "data.lvh.me";
const CALLBACK: &str = "/dash/_dash-update-component";
/// Many, for a machine that also is the cluster.
const MANY: usize = 10;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn a_dashboard_below_a_path_has_its_assets_callbacks_and_browser_front_end_and_scales_without_a_failed_request() {
    let _turn = turn();
    let adit = Adit::install("").await;
    let namespace = Namespace::new("adit-dash");
    let _dash = Applied::new(namespace.0, MANIFEST);
    rolled_out(namespace.0, "dash", "app=dash").await;
    let site = adit.site(HOST);
    let page = eventually("the dashboard is served", async || site.page("/dash/").await).await.text();

    let links = Regex::new(r#"(?:src|href)="(/dash/[^"]+)""#).expect("a valid expression");
    let assets: Vec<&str> = links.captures_iter(&page).filter_map(|found| Some(found.get(1)?.as_str())).collect();
    assert!(assets.iter().any(|asset| asset.contains("style.css")), "{page}");
    assert!(assets.iter().any(|asset| asset.contains("_dash-component-suites")), "{page}");
    for asset in assets {
        let answer = site.page(asset).await.unwrap_or_else(|error| panic!("{error}"));
        assert!(!answer.body.is_empty(), "{asset}");
    }
    for path in ["/dash/_dash-layout", "/dash/_dash-dependencies"] {
        site.page(path).await.expect("what the front end asks for");
    }
    let answer = callback(&site, "Rome").await.expect("a callback");
    assert!(answer.contains("Rome has 19.0 degrees"), "{answer}");
    // Only what is below the path is the dashboard's.
    for elsewhere in ["/", "/dashboard/", "/dash2/"] {
        assert_eq!(site.get(elsewhere).await.expect("an answer").status, 404, "{elsewhere}");
    }
    // Its Service has an address of its own.
    let direct = Site { address: socket(&load_balancer(namespace.0, "dash").await, 80), host: HOST };
    eventually("the Service of the dashboard answers", async || direct.page("/dash/").await).await;

    // What a person sees was put there by a script, and the sentence by a callback.
    let document = browser::document(&format!("http://{HOST}/dash/"), HOST, &adit.address).await;
    assert!(document.contains("London has 11.5 degrees"), "{document}");
    assert!(document.contains("js-plotly-plot"), "no chart: {document}");

    let visitors = Visitors::start(20, Duration::from_millis(250), move |index| async move {
        if index % 2 == 0 {
            match site.page("/dash/").await {
                Ok(answer) => answer.header("x-pod").unwrap_or("nobody").to_owned(),
                Err(error) => format!("failed: {error}"),
            }
        } else {
            match callback(&site, "Oslo").await {
                Ok(answer) if answer.contains("Oslo has 2.0 degrees") => "called".to_owned(),
                Ok(answer) | Err(answer) => format!("failed: {answer}"),
            }
        }
    });
    let mut asked = 0;
    for replicas in [MANY, 3] {
        kubectl(&format!("scale -n {} deployment/dash --replicas={replicas}", namespace.0));
        rolled_out(namespace.0, "dash", "app=dash").await;
        asked += no_failure(&visitors);
        visitors.forget();
        let wanted: BTreeSet<String> = pods(namespace.0, "app=dash").into_iter().collect();
        assert_eq!(wanted.len(), replicas);
        eventually("every pod takes requests, and no other", async || {
            let seen: BTreeSet<String> = visitors.so_far().outcomes.into_keys().filter(|key| key != "called").collect();
            if seen == wanted { Ok(()) } else { Err(format!("{seen:?} of {wanted:?}")) }
        })
        .await;
    }
    asked += no_failure(&visitors);
    visitors.stop().await;
    assert!(asked > 500, "too few requests to show anything: {asked}");
}

/// How many were answered, which must be all.
fn no_failure(visitors: &Visitors) -> u64 {
    let tally = visitors.so_far();
    let failed: Vec<_> = tally.outcomes.iter().filter(|(outcome, _)| outcome.starts_with("failed")).collect();
    assert!(failed.is_empty(), "{tally:?}");
    tally.outcomes.values().sum()
}

/// Chooses a city, as the front end does.
async fn callback(site: &Site, city: &str) -> Result<String, String> {
    let body = serde_json::json!({
        "output": "answer.children",
        "outputs": { "id": "answer", "property": "children" },
        "inputs": [{ "id": "city", "property": "value", "value": city }],
        "changedPropIds": ["city.value"],
    });
    match site.ask("POST", CALLBACK, &body.to_string()).await? {
        answer if answer.status == 200 => Ok(answer.text()),
        answer => Err(format!("{} {}", answer.status, answer.text())),
    }
}
