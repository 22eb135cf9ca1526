//! `/api/http/middlewares`: the redirects of entry points and those of the dashboard. A plain Ingress has no others.

use serde_json::{Value, json};

use super::Scene;
use super::list::{Key, Row, any_contains};
use crate::admin::model::{RouterAction, split_name};

/// Traefik's middlewares of the dashboard: name, member and type.
pub(super) const DASHBOARD_MIDDLEWARES: [(&str, &str, &str); 2] = [
    ("dashboard_redirect@internal", "redirectRegex", "redirectregex"),
    ("dashboard_stripprefix@internal", "stripPrefix", "stripprefix"),
];

/// One middleware.
pub(super) struct MiddlewareRow {
    name: String,
    member: &'static str,
    kind: &'static str,
    settings: Value,
    used_by: String,
}

/// Traefik's name of the middleware that makes `router` redirect.
pub(super) fn redirect_name(router: &str) -> String {
    format!("redirect-{router}")
}

pub(super) fn rows(scene: Scene<'_>) -> Vec<MiddlewareRow> {
    let surface = &scene.sources.surface;
    let base = &surface.base_path;
    let dashboard = surface.admin_listeners.iter().any(|listener| listener.pages.dashboard);
    let own = DASHBOARD_MIDDLEWARES.into_iter().filter(|_| dashboard).map(|(name, member, kind)| MiddlewareRow {
        name: name.to_owned(),
        member,
        kind,
        settings: match member {
            "redirectRegex" => json!({
                "regex": format!("^(http:\\/\\/(\\[[\\w:.]+\\]|[\\w\\._-]+)(:\\d+)?){base}/$"),
                "replacement": format!("${{1}}{base}/dashboard/"),
                "permanent": true,
            }),
            _ => json!({ "prefixes": [format!("{base}/dashboard/"), format!("{base}/dashboard")] }),
        },
        used_by: "dashboard@internal".to_owned(),
    });
    let redirects = scene.model.routers().values().filter_map(|router| match &router.action {
        RouterAction::Redirect(redirect) => Some(MiddlewareRow {
            name: redirect_name(&router.origin.name),
            member: "redirectScheme",
            kind: "redirectscheme",
            settings: json!({
                "scheme": redirect.scheme,
                "port": redirect.port.to_string(),
                "permanent": redirect.permanent,
            }),
            used_by: router.origin.name.to_string(),
        }),
        _ => None,
    });
    own.chain(redirects).collect()
}

impl Row for MiddlewareRow {
    fn name(&self) -> &str {
        &self.name
    }

    fn status(&self) -> &str {
        "enabled"
    }

    fn contains(&self, text: &str) -> bool {
        any_contains([self.name.as_str(), self.kind], text)
    }

    fn uses_middleware(&self, name: &str) -> bool {
        self.name == name
    }

    fn key(&self, by: &str) -> Key {
        match by {
            "type" => Key::Text(self.kind.to_owned()),
            "provider" => Key::Text(split_name(&self.name).1.to_owned()),
            _ => Key::Name,
        }
    }

    fn json(&self) -> Value {
        let mut value = json!({
            "status": self.status(),
            "usedBy": [self.used_by],
            "name": self.name,
            "provider": split_name(&self.name).1,
            "type": self.kind,
        });
        value[self.member] = self.settings.clone();
        value
    }
}
