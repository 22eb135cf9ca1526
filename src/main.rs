//! The `adit` program: reads what was typed, and runs it.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use adit::config::{self, Command, Config, Dialect, Flags, Migration, Shadow};
use adit::demo::{self, Demo};
use adit::{app, check, shadow, telemetry};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What `adit check` assumes; nothing is bound.
const ENTRY_POINTS: [&str; 2] = ["--entryPoints.web.address=:0", "--entryPoints.websecure.address=:0"];
/// Wrong arguments or configuration.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "adit: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let command = match Command::parse(&arguments) {
        Ok(command) => command,
        Err(error) => return Ok(usage(&error)),
    };
    match command {
        Command::Help => print(&config::help()),
        Command::Version => print(&version()),
        Command::Run(flags) => match configure(flags) {
            Ok((config, warnings)) => app::run(config, &warnings)?,
            Err(error) => return Ok(usage(&error)),
        },
        Command::Demo(flags) => {
            let demo = Demo::prepare()?;
            let path = format!("--providers.directory.path={}", demo.manifests.display());
            let defaults: Vec<&str> = demo::FLAGS.into_iter().chain([path.as_str()]).collect();
            match Flags::parse(&defaults).and_then(|defaults| configure(flags.over(defaults))) {
                Ok((config, warnings)) => app::run_demo(config, &warnings, demo)?,
                Err(error) => return Ok(usage(&error)),
            }
        }
        // Manifests are checked for the usual entry points beside those that were typed.
        Command::Check { paths, flags } => {
            match Flags::parse(&ENTRY_POINTS).and_then(|usual| configure(flags.over(usual))) {
                Ok((config, _)) => return check(&paths, &config),
                Err(error) => return Ok(usage(&error)),
            }
        }
        Command::Migrate(migration) => return migrate(migration),
        Command::Shadow(shadow) => return follow(&shadow),
        Command::Healthcheck(flags) => match configure(flags) {
            Ok((config, _)) => {
                let healthy = app::healthcheck(&config)?;
                print(&format!("OK: {healthy}\n"));
            }
            Err(error) => return Ok(usage(&error)),
        },
    }
    Ok(ExitCode::SUCCESS)
}

/// As Traefik prints it, as far as there is the same to say.
fn version() -> String {
    use std::env::consts::{ARCH, OS};
    format!("Version:  {}\nCodename: adit\nOS/Arch:  {OS}/{ARCH}\n", adit::VERSION)
}

fn check(paths: &[String], config: &Config) -> anyhow::Result<ExitCode> {
    let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
    let settings = app::translate_settings(config);
    let (stdin, mut out, mut errors) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let verdict = check::run(&paths, &settings, stdin, &mut out, &mut errors)?;
    Ok(ExitCode::from(verdict.exit_code()))
}

fn migrate(migration: Migration) -> anyhow::Result<ExitCode> {
    let Migration { from: Dialect::Traefik, paths, flags, arguments, format } = migration;
    let installation = if paths.is_empty() {
        match configure(flags) {
            Ok((config, _)) => check::traefik::Installation::of_cluster(app::inventory(&config)?),
            Err(error) => return Ok(usage(&error)),
        }
    } else {
        let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
        match check::traefik::Installation::read(&paths, std::io::stdin()) {
            Ok(installation) => installation,
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "adit check: {error}");
                return Ok(ExitCode::from(USAGE));
            }
        }
    };
    let (files, settings) = (&|path: &Path| std::fs::read_to_string(path), &app::translate_settings);
    let question = check::traefik::Question { installation, arguments, files, settings };
    match check::traefik::compare(question) {
        Ok(findings) => {
            check::traefik::print(&findings, format, &mut std::io::stdout())?;
            Ok(ExitCode::from(findings.verdict().exit_code()))
        }
        Err(error) => Ok(usage(&error)),
    }
}

fn follow(typed: &Shadow) -> anyhow::Result<ExitCode> {
    let wrong = |message: String| {
        let _ = writeln!(std::io::stderr(), "adit shadow: {message}");
        Ok(ExitCode::from(USAGE))
    };
    let settings = match (shadow::Base::parse(&typed.traefik), shadow::Base::parse(&typed.adit)) {
        (Ok(traefik), Ok(adit)) => shadow::Settings {
            traefik,
            adit,
            concurrency: typed.concurrency,
            timeout: typed.timeout,
            insecure: typed.insecure,
            ignored: shadow::Ignored::and(&typed.ignored),
        },
        (Err(error), _) | (_, Err(error)) => return wrong(error.to_string()),
    };
    let reading = shadow::Reading { host: typed.host.clone(), methods: typed.methods.clone() };
    let (mut requests, mut skipped) = (BTreeSet::new(), 0);
    for path in &typed.paths {
        let text = if path == "-" { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(path) };
        match text.map(|text| shadow::read(&text, &reading)) {
            Ok((found, left_out)) => {
                requests.extend(found);
                skipped += left_out;
            }
            Err(error) => return wrong(format!("{path}: {error}")),
        }
    }
    let findings = app::block_on(shadow::run(&settings, requests, skipped))??;
    shadow::print(&findings, typed.format, &mut std::io::stdout())?;
    Ok(ExitCode::from(findings.exit_code()))
}

fn configure(flags: Flags) -> Result<(Config, Vec<config::Warning>), config::Error> {
    let variables: Vec<(String, String)> = std::env::vars().collect();
    Config::read(flags, &variables, &|path| std::fs::read_to_string(path))
}

fn usage(error: &config::Error) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "adit: {}", telemetry::chain(error));
    ExitCode::from(USAGE)
}

fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
