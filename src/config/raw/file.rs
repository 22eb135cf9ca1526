//! The configuration file: YAML or TOML, flattened to the same keys as the flags.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::error::Error;
use super::super::table::Kind;
use super::key::{self, Key, Spelling};
use super::{Files, Origin, Typed};

const NAMES: [&str; 2] = ["adit", "traefik"];
const EXTENSIONS: [&str; 3] = ["yml", "yaml", "toml"];

/// Reads the file that was named, or else the first that is found in the usual places.
pub(crate) fn read(named: Option<&str>, variables: &[(String, String)], files: Files<'_>) -> Result<Vec<Typed>, Error> {
    let found = match named {
        Some(path) => {
            let path = PathBuf::from(path);
            let unread = |error| Error::Read { path: path.clone(), reason: format!("{error} (--configFile names it)") };
            let text = files(&path).map_err(unread)?;
            Some((path, text))
        }
        None => search(variables, files)?,
    };
    let Some((path, text)) = found else { return Ok(Vec::new()) };
    let root = parse(&path, &text)?;
    let mut typed = Vec::new();
    flatten(&path, &mut Vec::new(), &root, &mut typed)?;
    Ok(typed)
}

/// A file that is there but cannot be read is an error: it was meant.
fn search(variables: &[(String, String)], files: Files<'_>) -> Result<Option<(PathBuf, String)>, Error> {
    for path in places(variables) {
        match files(&path) {
            Ok(text) => return Ok(Some((path, text))),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {}
            Err(error) => {
                let reason =
                    format!("{error} (it lies where a configuration file is looked for; --configFile names another)");
                return Err(Error::Read { path, reason });
            }
        }
    }
    Ok(None)
}

fn places(variables: &[(String, String)]) -> impl Iterator<Item = PathBuf> {
    let variable = |name: &str| {
        let found = variables.iter().find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| PathBuf::from(value))
    };
    let directories = [
        Some(PathBuf::from("/etc/adit")),
        Some(PathBuf::from("/etc/traefik")),
        variable("XDG_CONFIG_HOME"),
        variable("HOME").map(|home| home.join(".config")),
        Some(PathBuf::from(".")),
    ];
    directories.into_iter().flatten().flat_map(|directory| {
        NAMES.into_iter().flat_map(move |name| {
            let directory = directory.clone();
            EXTENSIONS.into_iter().map(move |extension| directory.join(format!("{name}.{extension}")))
        })
    })
}

fn parse(path: &Path, text: &str) -> Result<Value, Error> {
    let syntax =
        |reason: String| Error::Syntax { path: path.to_owned(), reason: format!("no configuration: {reason}") };
    let root: Value = if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml")) {
        toml::from_str(text).map_err(|error| syntax(error.to_string()))?
    } else if text.lines().all(|line| line.trim_start().is_empty() || line.trim_start().starts_with('#')) {
        Value::Null
    } else {
        // A namespace may be called `y` or `on`: only `true` and `false` are booleans, as in YAML 1.2.
        let options = serde_saphyr::options! { strict_booleans: true };
        serde_saphyr::from_str_with_options(text, options).map_err(|error| syntax(error.to_string()))?
    };
    match root {
        Value::Object(_) | Value::Null => Ok(root),
        _ => Err(syntax("expected a mapping of keys to values".into())),
    }
}

fn flatten(path: &Path, parts: &mut Vec<String>, value: &Value, typed: &mut Vec<Typed>) -> Result<(), Error> {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (part, value) in map {
                parts.push(part.clone());
                flatten(path, parts, value, typed)?;
                parts.pop();
            }
            return Ok(());
        }
        Value::Array(values) if values.iter().any(|value| value.is_object() || value.is_array()) => {
            for (index, value) in values.iter().enumerate() {
                parts.push(format!("[{index}]"));
                flatten(path, parts, value, typed)?;
                parts.pop();
            }
            return Ok(());
        }
        _ => {}
    }
    if parts.is_empty() {
        return Ok(());
    }
    let spelt = spell(path, &dotted(parts));
    let Some(key) = find(path, parts, value)? else { return Ok(()) };
    let Some(value) = scalar(key.flag.kind, value) else { return Ok(()) };
    typed.push(Typed { key, value, origin: Origin::File, spelt });
    Ok(())
}

/// The key; none for a group that has no key of its own and nothing in it.
fn find(path: &Path, parts: &[String], value: &Value) -> Result<Option<Key>, Error> {
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let is_empty = value.is_null() || value.as_object().is_some_and(|map| map.is_empty());
    match key::find(&parts, Spelling::Dotted) {
        Some(key) => Ok(Some(key)),
        None if is_empty && key::is_prefix(&parts, Spelling::Dotted) => Ok(None),
        None => Err(Error::Unknown {
            what: "key",
            typed: dotted(&parts),
            file: Some(path.to_owned()),
            nearest: key::nearest(&parts),
        }),
    }
}

/// The value as a flag would have it. An empty group is switched on; any other empty value is not given.
fn scalar(kind: Kind, value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Object(_) => matches!(kind, Kind::Group | Kind::Family).then(|| "true".to_owned()),
        Value::Array(values) => {
            Some(values.iter().filter_map(|value| scalar(kind, value)).collect::<Vec<_>>().join(","))
        }
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
    }
}

fn dotted(parts: &[impl AsRef<str>]) -> String {
    let mut key = String::new();
    for part in parts.iter().map(AsRef::as_ref) {
        if !key.is_empty() && !part.starts_with('[') {
            key.push('.');
        }
        key.push_str(part);
    }
    key
}

fn spell(path: &Path, key: &str) -> String {
    format!("{} in {}", key, path.display())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn read_text(name: &str, text: &str) -> Result<Vec<(String, String)>, Error> {
        let files = |path: &Path| {
            if path == Path::new(name) { Ok(text.to_owned()) } else { Err(io::ErrorKind::NotFound.into()) }
        };
        let typed = read(Some(name), &[], &files)?;
        let mut values: Vec<_> = typed.into_iter().map(|typed| (typed.key.path, typed.value)).collect();
        values.sort();
        Ok(values)
    }

    const YAML: &str = "
# as in Traefik's documentation
entryPoints:
  web:
    address: ':80'
    forwardedHeaders:
      trustedIPs: [10.0.0.0/8, 127.0.0.1]
  websecure:
    address: ':443'
    http:
      tls: {}
ping: {}
providers:
  kubernetesIngress:
metrics:
  prometheus:
    buckets: [0.1, 1.5]
workers: 2
";

    const TOML: &str = "
workers = 2
[entryPoints.web]
  address = ':80'
  [entryPoints.web.forwardedHeaders]
    trustedIPs = ['10.0.0.0/8', '127.0.0.1']
[entryPoints.websecure]
  address = ':443'
  [entryPoints.websecure.http.tls]
[ping]
[providers.kubernetesIngress]
[metrics.prometheus]
  buckets = [0.1, 1.5]
";

    #[test]
    fn yaml_and_toml_say_the_same_as_flags() {
        let expected: Vec<(String, String)> = [
            ("entrypoints.web.address", ":80"),
            ("entrypoints.web.forwardedheaders.trustedips", "10.0.0.0/8,127.0.0.1"),
            ("entrypoints.websecure.address", ":443"),
            ("entrypoints.websecure.http.tls", "true"),
            ("metrics.prometheus.buckets", "0.1,1.5"),
            ("ping", "true"),
            ("providers.kubernetesingress", "true"),
            ("workers", "2"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec();
        assert_eq!(read_text("a.yaml", YAML), Ok(expected.clone()));
        assert_eq!(read_text("a.toml", TOML), Ok(expected));
    }

    #[test]
    fn a_list_of_mappings_has_indices() {
        let text = "entryPoints: {w: {http: {tls: {domains: [{main: a.b}]}}}}";
        let expected = ("entrypoints.w.http.tls.domains.[0].main".into(), "a.b".into());
        assert_eq!(read_text("a.yml", text), Ok(vec![expected]));
    }

    #[test]
    fn an_unknown_key_names_file_and_nearest_key() {
        let error = read_text("t.yaml", "entryPoints: {web: {adress: ':80'}}").expect_err("no such key");
        assert_eq!(
            error.to_string(),
            "unknown key entryPoints.web.adress in t.yaml; did you mean entryPoints.web.address?"
        );
    }

    #[test]
    fn an_empty_file_says_nothing() {
        assert_eq!(read_text("a.yaml", "# nothing yet\n"), Ok(Vec::new()));
        assert_eq!(read_text("a.toml", ""), Ok(Vec::new()));
    }

    #[test]
    fn a_file_that_is_no_mapping_is_refused() {
        assert!(matches!(read_text("a.yaml", "- a\n- b\n"), Err(Error::Syntax { .. })));
        assert!(matches!(read_text("a.toml", "= 3"), Err(Error::Syntax { .. })));
    }

    #[test]
    fn a_named_file_must_be_there_and_others_need_not() {
        let files = |_: &Path| Err(io::ErrorKind::NotFound.into());
        assert!(matches!(read(Some("x.yaml"), &[], &files), Err(Error::Read { .. })));
        assert!(read(None, &[], &files).is_ok_and(|typed| typed.is_empty()));
    }

    #[test]
    fn the_usual_places_are_searched_in_order() {
        let variables = [("HOME".to_owned(), "/home/ann".to_owned()), ("XDG_CONFIG_HOME".to_owned(), String::new())];
        let searched: Vec<_> = places(&variables).map(|path| path.display().to_string()).collect();
        assert_eq!(searched.first().map(String::as_str), Some("/etc/adit/adit.yml"));
        assert!(searched.contains(&"/etc/traefik/traefik.toml".to_owned()));
        assert!(searched.contains(&"/home/ann/.config/traefik.yaml".to_owned()));
        assert_eq!(searched.last().map(String::as_str), Some("./traefik.toml"));
        assert_eq!(searched.len(), 4 * 6);
    }
}
