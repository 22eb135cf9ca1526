//! `adit check --from traefik`: what of an installation made for Traefik is the same with adit, what is different, and
//! what is not there yet. Flags are judged by the table that adit's own start reads, and Ingresses by its translator.

mod flags;
mod ingresses;
mod order;
mod print;
mod values;
mod workload;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::found::Found;
use super::{Verdict, texts};
use crate::config::review::{Review, review};
use crate::config::{self, Config, Files, Format};
use crate::objects::{Access, Change};
use crate::source::cluster::Inventory;
use crate::source::manifest::{self, Document};
use crate::translate::{self, Settings};
use workload::Workload;

/// What stands for a command line that nobody gave: Traefik's provider, and an entry point of either sort.
const USUAL: [&str; 3] =
    ["--entryPoints.web.address=:80", "--entryPoints.websecure.address=:443", "--providers.kubernetesIngress"];

/// How something of the installation fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum State {
    /// As with Traefik.
    #[serde(rename = "same")]
    Same,
    /// Otherwise, and it is said how.
    #[serde(rename = "different")]
    Different,
    /// adit does not have it.
    #[serde(rename = "not yet")]
    NotYet,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Different => "different",
            Self::NotYet => "not yet",
        }
    }
}

/// What an item is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum About {
    /// A flag or variable that was typed.
    Flag,
    /// A default that is another.
    Default,
    /// An Ingress as a whole.
    Ingress,
    /// An annotation of an Ingress or a Service.
    Annotation,
    /// A field of an Ingress, or what it names.
    Field,
    /// A request that would go elsewhere.
    Request,
    /// Objects that are no Ingresses.
    Object,
}

/// One thing of the installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// What it is about.
    pub about: About,
    /// The object that it belongs to, `Ingress shop/front`; empty for flags.
    pub object: String,
    /// The flag, annotation, field or request; for a whole object, the object.
    pub name: String,
    /// How it fares.
    pub state: State,
    /// Whether adit would not start with it, or would not serve what Traefik serves.
    pub blocks: bool,
    /// What is different, or missing; empty when it is the same.
    pub how: String,
    /// What to do about it; empty when there is nothing to do.
    pub action: String,
}

impl Item {
    fn new(about: About, object: impl Into<String>, name: impl Into<String>, state: State) -> Self {
        let (object, name) = (object.into(), name.into());
        Self { about, object, name, state, blocks: false, how: String::new(), action: String::new() }
    }

    fn how(self, how: impl Into<String>) -> Self {
        Self { how: how.into(), ..self }
    }

    fn action(self, action: impl Into<String>) -> Self {
        Self { action: action.into(), ..self }
    }

    fn blocks(self, blocks: bool) -> Self {
        Self { blocks, ..self }
    }
}

/// Everything that was found out.
#[derive(Debug, Serialize)]
pub struct Findings {
    /// Where Traefik's command line comes from.
    pub line: String,
    /// What could not be looked at, and other remarks.
    pub notes: Vec<String>,
    /// Flags, defaults, Ingresses each followed by its parts, other objects.
    pub items: Vec<Item>,
}

impl Findings {
    /// Sound when nothing is missing: differences that are told do not fail a pipeline.
    pub fn verdict(&self) -> Verdict {
        let lost = self.items.iter().any(|item| item.blocks || item.state == State::NotYet);
        if lost { Verdict::Unsound } else { Verdict::Sound }
    }
}

/// What the installation consists of.
#[derive(Default)]
pub struct Installation {
    found: Found,
    workloads: Vec<Workload>,
    /// Objects of other kinds that adit does not serve, by kind.
    foreign: BTreeMap<String, usize>,
    notes: Vec<String>,
    /// Flags that a chart's values come to.
    values: Option<Vec<String>>,
    /// Texts in ConfigMaps, by key: a configuration file is often one.
    configs: BTreeMap<String, String>,
}

impl std::fmt::Debug for Installation {
    /// Secrets are among the objects.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Installation").field("objects", &self.found.keys.len()).finish_non_exhaustive()
    }
}

impl Installation {
    /// What manifests and a chart's values hold: files, directories, or `-` for `stdin`.
    pub fn read(paths: &[PathBuf], mut stdin: impl Read) -> io::Result<Self> {
        let mut installation = Self::default();
        for path in paths {
            let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
            for (path, text) in texts(path, &mut stdin).map_err(named)? {
                installation.take(&path, manifest::documents(&text).collect());
            }
        }
        Ok(installation.complete())
    }

    /// What a cluster holds.
    pub fn of_cluster(inventory: Inventory) -> Self {
        let mut installation = Self { notes: inventory.missing, ..Self::default() };
        installation.take(Path::new("the cluster"), vec![Document { number: 1, objects: Ok(inventory.objects) }]);
        installation.complete()
    }

    fn take(&mut self, path: &Path, documents: Vec<Document>) {
        let mut manifests = Vec::new();
        for document in documents {
            for object in document.objects.iter().flatten() {
                self.look(object);
            }
            let is_values = document.objects.as_ref().is_ok_and(|objects| objects.iter().any(values::are_values));
            if is_values {
                let values = document.objects.iter().flatten().map(values::flags);
                self.values.get_or_insert_default().extend(values.flatten());
            } else {
                manifests.push(document);
            }
        }
        self.found.take(path, manifest::take(manifests));
    }

    fn look(&mut self, object: &Value) {
        self.workloads.extend(workload::find(object));
        let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("kind") == "ConfigMap" {
            let data = object.get("data").and_then(Value::as_object).into_iter().flatten();
            let texts = data.filter_map(|(key, text)| Some((key.clone(), text.as_str()?.to_owned())));
            self.configs.extend(texts);
        }
        let groups = ["traefik.io/", "traefik.containo.us/", "gateway.networking.k8s.io/"];
        if groups.iter().any(|group| text("apiVersion").starts_with(group)) {
            *self.foreign.entry(text("kind").to_owned()).or_default() += 1;
        }
    }

    /// What nobody gave is not missing: manifests often come without their classes, Services or Secrets.
    fn complete(mut self) -> Self {
        let objects = &mut self.found.objects;
        if objects.classes.is_empty() && objects.ingresses.values().any(|ingress| ingress.class.is_some()) {
            objects.apply(Change::Access(Access { classes: false, ..objects.access }));
            self.notes.push("no IngressClass is given: classes are taken by their name".into());
        }
        self
    }
}

/// Whose installation is compared, and how.
pub struct Question<'a> {
    /// The installation.
    pub installation: Installation,
    /// Traefik's command line as it was typed; without it the one that a workload among the objects has.
    pub arguments: Option<Vec<String>>,
    /// Reads files that the command line names.
    pub files: Files<'a>,
    /// How objects are read with a configuration.
    pub settings: &'a dyn Fn(&Config) -> Settings,
}

impl std::fmt::Debug for Question<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Question").field("installation", &self.installation).finish_non_exhaustive()
    }
}

/// Compares.
pub fn compare(question: Question<'_>) -> Result<Findings, config::Error> {
    let Question { installation, arguments, files, settings } = question;
    let Installation { found, workloads, foreign, mut notes, values, configs } = installation;
    // What is mounted in Traefik's pod is not here, but may be among the manifests.
    let with_configs = |path: &Path| {
        let key = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        files(path).or_else(|error| configs.get(key).cloned().ok_or(error))
    };
    let files: Files<'_> = &with_configs;
    let (line, review) = match (arguments, values, workloads.first()) {
        (Some(arguments), ..) => ("the command line after --".to_owned(), review(&arguments, &[], &[], files)?),
        (None, Some(values), _) => ("the chart's values".to_owned(), review(&values, &[], &[], files)?),
        (None, None, Some(workload)) => {
            if workloads.len() > 1 {
                let others: Vec<&str> = workloads.iter().skip(1).map(|other| other.object.as_str()).collect();
                notes.push(format!("there are more of Traefik: {}; give theirs after --", others.join(", ")));
            }
            notes.extend(workload.remarks());
            let is_here = |argument: &&String| match workload::configuration_file(argument) {
                Some(path) => files(Path::new(path)).is_ok(),
                None => true,
            };
            let (here, gone): (Vec<&String>, Vec<&String>) = workload.arguments.iter().partition(is_here);
            notes.extend(gone.into_iter().map(|argument| {
                format!("the file of {argument} is not given: add its ConfigMap, or name it after --; it is left out")
            }));
            let arguments: Vec<String> = here.into_iter().cloned().collect();
            (workload.object.clone(), review(&arguments, &workload.variables, &[], files)?)
        }
        (None, None, None) => {
            notes.push(
                "no command line of Traefik is given: its usual one is assumed; give it after --, or its Deployment"
                    .into(),
            );
            ("none".to_owned(), review(&[], &[], &USUAL, files)?)
        }
    };
    notes.extend(found.undecodable.iter().cloned());
    let mut items = flags::items(&review);
    items.extend(ingress_items(&found, &review, settings, &mut notes));
    items.extend(foreign.into_iter().map(|(kind, count)| {
        let name = if count == 1 { format!("1 {kind}") } else { format!("{count} of kind {kind}") };
        Item::new(About::Object, kind, name, State::NotYet)
            .how("adit reads Ingresses only")
            .action("write Ingresses for what they serve, or keep Traefik beside adit for them")
    }));
    Ok(Findings { line, notes, items })
}

fn ingress_items(
    found: &Found,
    review: &Review,
    settings: &dyn Fn(&Config) -> Settings,
    notes: &mut Vec<String>,
) -> Vec<Item> {
    let settings = settings(&review.config);
    let output = translate::translate(&found.objects, &settings);
    let same_prefixes = review.strict_prefix_typed && settings.strict_prefix_matching;
    let elsewhere = order::elsewhere(&output, &settings, order::Prefixes::of(same_prefixes), notes);
    ingresses::items(&found.objects, &output, &settings, &elsewhere, notes)
}

/// Prints the findings.
pub fn print(findings: &Findings, format: Format, out: &mut impl Write) -> io::Result<()> {
    match format {
        Format::Text => print::text(findings, out),
        Format::Json => print::json(findings, out),
    }
}

#[cfg(test)]
mod tests;
