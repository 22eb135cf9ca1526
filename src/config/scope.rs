//! Typed reads of settings under one prefix: each gives what was typed, or leaves the default that is there.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::error::Error;
use super::raw::{Setting, Settings, boolean, duration, expected};

/// The settings whose keys begin with a prefix.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    settings: &'a Settings,
    prefix: &'a str,
}

impl<'a> Scope<'a> {
    /// The settings below `prefix`, which ends with a dot unless it is empty.
    pub(super) fn new(settings: &'a Settings, prefix: &'a str) -> Self {
        Self { settings, prefix }
    }

    /// The setting of this key, if it is given.
    pub(super) fn get(&self, key: &str) -> Option<&'a Setting> {
        self.settings.get(&format!("{}{key}", self.prefix))
    }

    /// Whether this group is on.
    pub(super) fn is_on(&self, key: &str) -> bool {
        self.settings.is_on(&format!("{}{key}", self.prefix))
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, key: &str, target: &mut bool) -> Result<(), Error> {
        self.parsed(key, boolean, "true or false", target)
    }

    /// A duration.
    pub(super) fn duration(&self, key: &str, target: &mut Duration) -> Result<(), Error> {
        self.parsed(key, duration, &expected(super::table::Kind::Duration), target)
    }

    /// A whole number of at least `least`.
    pub(super) fn number<T>(&self, key: &str, least: T, target: &mut T) -> Result<(), Error>
    where
        T: std::str::FromStr + PartialOrd + std::fmt::Display,
    {
        let expected = format!("a whole number from {least}");
        self.parsed(key, |text| text.trim().parse().ok().filter(|number| *number >= least), &expected, target)
    }

    /// What `parse` makes of the value.
    pub(super) fn parsed<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Option<T>,
        expected: &str,
        target: &mut T,
    ) -> Result<(), Error> {
        if let Some(setting) = self.get(key) {
            *target = parse(&setting.value).ok_or_else(|| bad(setting, expected))?;
        }
        Ok(())
    }

    /// One of some words, in any case.
    pub(super) fn choice<T: Copy>(&self, key: &str, words: &[(&str, T)], target: &mut T) -> Result<(), Error> {
        let find =
            |text: &str| words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text.trim())).map(|(_, it)| *it);
        let expected = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        self.parsed(key, find, &format!("one of {expected}"), target)
    }

    /// Text; `None` when it is empty or not given.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.get(key).map(|setting| setting.value.trim()).filter(|text| !text.is_empty())
    }

    /// A path; `None` when it is empty or not given.
    pub(super) fn path(&self, key: &str) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    /// A list; empty when it is not given.
    pub(super) fn list(&self, key: &str) -> Vec<String> {
        self.get(key).map(Setting::values).unwrap_or_default()
    }

    /// A list of header names, in lower case.
    pub(super) fn headers(&self, key: &str) -> Result<Vec<Arc<str>>, Error> {
        let Some(setting) = self.get(key) else { return Ok(Vec::new()) };
        let header = |name: &String| {
            let name = http::HeaderName::try_from(name.as_str()).map_err(|_| bad(setting, "names of headers"))?;
            Ok(name.as_str().into())
        };
        setting.values().iter().map(header).collect()
    }

    /// A list of addresses and networks. An address alone is its own network; one mapped into IPv6 is what it is.
    pub(super) fn networks(&self, key: &str) -> Result<Vec<IpNet>, Error> {
        let Some(setting) = self.get(key) else { return Ok(Vec::new()) };
        let expected = "addresses or networks such as 10.0.0.0/8, 192.168.1.7 or fd00::/8";
        let network = |text: &String| {
            let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
            network.map(|network| canonical(network.trunc())).ok_or_else(|| bad(setting, expected))
        };
        setting.values().iter().map(network).collect()
    }
}

/// `::ffff:10.0.0.0/104` is `10.0.0.0/8`: peers are compared in their own family.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let Some(address) = v6.network().to_ipv4_mapped() else { return network };
    let Some(length) = v6.prefix_len().checked_sub(96) else { return network };
    ipnet::Ipv4Net::new(address, length).map_or(network, IpNet::V4)
}

/// The error of a value that is not what it should be.
pub(super) fn bad(setting: &Setting, expected: &str) -> Error {
    let values = setting.values();
    let value = if setting.value.is_empty() && !values.is_empty() { values.join(",") } else { setting.value.clone() };
    Error::BadValue { origin: setting.spelt.clone(), value, expected: expected.to_owned() }
}
