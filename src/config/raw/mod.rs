//! What was typed: flags, environment and file, matched against the table and merged. Flags win over the environment,
//! and that over the file.

mod environment;
mod file;
mod flags;
mod key;
mod value;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::path::Path;

use super::error::{Error, Warning};
use super::table::{Flag, Kind, Status};

pub(crate) use environment::read as variables;
pub(crate) use flags::{each, read as arguments};
pub(crate) use key::Key;
pub(crate) use value::{boolean, duration, expected, list};

/// Whether the table has this dotted key.
pub(crate) fn is_known(key: &str) -> bool {
    key::find(&super::table::segments(key).collect::<Vec<_>>(), key::Spelling::Dotted).is_some()
}

/// Reads a text file; the process's own, or a test's.
pub type Files<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

/// Where a value was typed; the later win.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    File,
    Environment,
    OwnEnvironment,
    Flag,
}

/// One value as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Typed {
    pub(crate) key: Key,
    pub(crate) value: String,
    pub(crate) origin: Origin,
    /// How its name was spelt: `--log.level`, `TRAEFIK_LOG_LEVEL`, `log.level in traefik.yaml`.
    pub(crate) spelt: String,
}

impl Typed {
    /// What becomes of it by itself, or why the start ends with it. What is switched off asks for nothing.
    pub(crate) fn standing(&self) -> Result<Status, Error> {
        let is_off = self.value.is_empty() || boolean(&self.value) == Some(false);
        match self.key.flag.status {
            Status::Refused(why) if !is_off => return Err(Error::Refused { origin: self.spelt.clone(), why }),
            Status::NotYet(_) if is_off || self.value == self.key.flag.default => return Ok(Status::Supported),
            _ => {}
        }
        if !value::fits(self.key.flag.kind, &self.value) {
            let expected = expected(self.key.flag.kind);
            return Err(Error::BadValue { origin: self.spelt.clone(), value: self.value.clone(), expected });
        }
        Ok(self.key.flag.status)
    }
}

/// One value that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) flag: &'static Flag,
    pub(crate) value: String,
    /// How its name was spelt.
    pub(crate) spelt: String,
    /// The first name that the user chose in its key, as it was spelt.
    pub(crate) name: Option<String>,
    pub(crate) origin: Origin,
    /// Values of a list that were given by index.
    indexed: BTreeMap<usize, String>,
}

impl Setting {
    /// Its values, when it is a list.
    pub(crate) fn values(&self) -> Vec<String> {
        list(&self.value).into_iter().chain(self.indexed.values().flat_map(|value| list(value))).collect()
    }
}

/// All values that count, by dotted key in lower case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    values: BTreeMap<String, Setting>,
}

impl Settings {
    /// Merges the flags with what the environment and the file say.
    pub(crate) fn read(
        flags: Vec<Typed>,
        variables: &[(String, String)],
        files: Files<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, Error> {
        let mut settings = Self::default();
        for typed in flags.into_iter().chain(environment::read(variables, warnings)?) {
            settings.put(typed)?;
        }
        let named = settings.values.get("configfile").map(|setting| setting.value.clone());
        for typed in file::read(named.as_deref().filter(|path| !path.is_empty()), variables, files)? {
            settings.put(typed)?;
        }
        settings.warn(warnings);
        Ok(settings)
    }

    /// Keeps the value unless a better source has one; the same source again adds to a list and replaces the rest.
    fn put(&mut self, typed: Typed) -> Result<(), Error> {
        typed.standing()?;
        let Typed { key, value, origin, spelt } = typed;
        let new = Setting { flag: key.flag, value, spelt, name: key.name, origin, indexed: BTreeMap::new() };
        let setting = match self.values.entry(key.path) {
            Entry::Vacant(vacant) => vacant.insert(Setting { value: String::new(), ..new.clone() }),
            Entry::Occupied(occupied) => occupied.into_mut(),
        };
        if setting.origin > origin {
            return Ok(());
        }
        if setting.origin < origin {
            *setting = Setting { value: String::new(), ..new.clone() };
        }
        match key.index {
            Some(index) => {
                setting.indexed.insert(index, new.value);
            }
            None if new.flag.kind == Kind::List && !setting.value.is_empty() => {
                setting.value.push(',');
                setting.value.push_str(&new.value);
            }
            None => setting.value = new.value,
        }
        Ok(())
    }

    /// One warning for each thing that is missing, however many keys ask for it.
    fn warn(&self, warnings: &mut Vec<Warning>) {
        let mut asked: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
        for (path, setting) in &self.values {
            let Status::NotYet(consequence) = setting.flag.status else { continue };
            let is_off = boolean(&setting.value) == Some(false) && setting.flag.kind != Kind::Family;
            let family_is_off = setting.flag.kind == Kind::Family && {
                let parts = setting.flag.segments().len();
                !self.is_on(&path.split('.').take(parts).collect::<Vec<_>>().join("."))
            };
            if is_off || family_is_off || setting.value == setting.flag.default {
                continue;
            }
            asked.entry(consequence).or_insert((&setting.spelt, 0)).1 += 1;
        }
        for (consequence, (spelt, count)) in asked {
            let more = if count > 1 { format!(" (and {} more like it)", count - 1) } else { String::new() };
            warnings.push(Warning(format!("{spelt}{more} is not supported yet: {consequence}")));
        }
    }

    /// Whether this group is on: it says so itself, or something in it is given.
    pub(crate) fn is_on(&self, key: &str) -> bool {
        let key = key.to_ascii_lowercase();
        match self.values.get(&key) {
            Some(setting) => boolean(&setting.value) != Some(false),
            None => {
                let below = format!("{key}.");
                self.values.range(below.clone()..).next().is_some_and(|(path, _)| path.starts_with(&below))
            }
        }
    }

    /// Everything that is given, by path.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.values.iter().map(|(path, setting)| (path.as_str(), setting))
    }

    /// The value of this key, if it is given.
    pub(crate) fn get(&self, key: &str) -> Option<&Setting> {
        self.values.get(&key.to_ascii_lowercase())
    }
}
