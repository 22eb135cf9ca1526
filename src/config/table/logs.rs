//! `log` and `accessLog`.

use super::Kind::{Bool, Choice, Duration, Family, Group, Integer, List, Text};
use super::{Flag, flag};

const MODES: super::Kind = Choice(&["keep", "drop", "redact"]);
const ROTATION: &str = "log files are not rotated by adit; use what rotates the other logs of the machine";
const OTLP: &str = "logs are written to standard output or a file";

pub(super) const FLAGS: &[Flag] = &[
    flag("log", Group, "", "The log of the process.").without_effect("it is always written"),
    flag(
        "log.level",
        Choice(&["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "PANIC"]),
        "INFO",
        "The least severe level that is written.",
    )
    .traefik("ERROR"),
    flag("log.format", Choice(&["common", "json"]), "common", "How lines are written."),
    flag("log.noColor", Bool, "false", "Write the common format without colours."),
    flag("log.filePath", Text, "", "The file to write to; without it standard output."),
    flag("log.maxSize", Integer, "0", "Megabytes before a log file is rotated.").not_yet(ROTATION),
    flag("log.maxAge", Integer, "0", "Days that rotated files are kept.").not_yet(ROTATION),
    flag("log.maxBackups", Integer, "0", "How many rotated files are kept.").not_yet(ROTATION),
    flag("log.compress", Bool, "false", "Compress rotated files.").not_yet(ROTATION),
    flag("log.otlp", Family, "", "Send the log by OTLP.").not_yet(OTLP),
    flag("accessLog", Group, "false", "Write a line for each request."),
    flag("accessLog.format", Choice(&["common", "genericCLF", "json"]), "common", "How lines are written."),
    flag("accessLog.filePath", Text, "", "The file to write to; without it standard output."),
    flag(
        "accessLog.bufferingSize",
        Integer,
        "0",
        "Lines that may wait to be written, if more than the 16384 that may anyway; requests never wait for them, and what does not fit is dropped and counted.",
    ),
    flag("accessLog.addInternals", Bool, "false", "Log requests to adit's own pages too."),
    flag("accessLog.sampleRate", Text, "1.0", "Send this share of the records by OTLP.")
        .without_effect("there is no OTLP output; of lines, `filters.sampleRate` keeps a share"),
    flag("accessLog.filters", Group, "", "Which requests are logged.")
        .without_effect("the keys below it have the effect"),
    flag("accessLog.filters.statusCodes", List, "", "Log answers with these statuses, `500` or `400-499`."),
    flag("accessLog.filters.retryAttempts", Bool, "false", "Log requests that were retried."),
    flag("accessLog.filters.minDuration", Duration, "0s", "Log requests that took longer than this."),
    flag(
        "accessLog.filters.sampleRate",
        Text,
        "0",
        "Log this share of all requests, from 0 to 1, besides those that another filter keeps; adit's own.",
    ),
    flag("accessLog.fields", Group, "", "Which fields are written.")
        .without_effect("the keys below it have the effect"),
    flag("accessLog.fields.defaultMode", MODES, "keep", "What becomes of fields that are not named."),
    flag("accessLog.fields.names._name_", MODES, "", "What becomes of this field."),
    flag("accessLog.fields.headers", Group, "", "Which headers are written.")
        .without_effect("the keys below it have the effect"),
    flag("accessLog.fields.headers.defaultMode", MODES, "drop", "What becomes of headers that are not named."),
    flag("accessLog.fields.headers.names._name_", MODES, "", "What becomes of this header."),
    flag("accessLog.fields.queryParameters.defaultMode", MODES, "keep", "What becomes of the query."),
    flag("accessLog.dualOutput", Bool, "false", "Write to standard output besides OTLP.")
        .without_effect("there is no OTLP output beside which it would be written"),
    flag("accessLog.otlp", Family, "", "Send the access log by OTLP.").not_yet(OTLP),
];
