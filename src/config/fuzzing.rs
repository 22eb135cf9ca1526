//! What an operator types, as a fuzzer would: durations, numbers, and all of it as flags, environment and file.

use std::io;

use super::raw::{boolean, duration, list};
use super::{Config, Flags};

/// Durations and the other values: what is taken means one thing, however often it is written.
pub fn values(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(found) = duration(text) {
        let exact = format!("{}s{}ns", found.as_secs(), found.subsec_nanos());
        assert_eq!(duration(&exact), Some(found), "{text:?} is {exact}");
        assert!(!text.contains('-'), "a negative duration");
    }
    assert_eq!(boolean(text).map(|yes| boolean(&yes.to_string())), boolean(text).map(Some));
    let values = list(text);
    assert_eq!(list(&values.join(",")), values);
}

/// Flags, variables and a file, each on lines of its own: what is wrong with them is said, and never more than said.
pub fn settings(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (typed, file) = text.split_once("\n\n").unwrap_or((text, ""));
    let (mut arguments, mut variables) = (Vec::new(), vec![("HOME".to_owned(), "/".to_owned())]);
    for line in typed.lines() {
        match line.split_once('=') {
            Some((name, value)) if !name.starts_with('-') => variables.push((name.into(), value.into())),
            _ => arguments.push(line),
        }
    }
    let Ok(flags) = Flags::parse(&arguments) else { return };
    let files = |path: &std::path::Path| {
        let known = path.extension().is_some_and(|name| name == "yaml" || name == "toml");
        if known { Ok(file.to_owned()) } else { Err(io::ErrorKind::NotFound.into()) }
    };
    if let Ok((config, _)) = Config::read(flags, &variables, &files) {
        assert!(config.listeners.len() <= crate::route::ListenerSet::MAX);
    }
}
