//! What a single value means, by its kind.

use std::time::Duration;

use super::super::table::Kind;

/// Whether the value could be one of this kind.
pub(crate) fn fits(kind: Kind, value: &str) -> bool {
    match kind {
        Kind::Group | Kind::Bool => boolean(value).is_some(),
        Kind::Integer => value.trim().parse::<i64>().is_ok(),
        Kind::Duration => duration(value).is_some(),
        Kind::Choice(words) => words.iter().any(|word| word.eq_ignore_ascii_case(value.trim())),
        Kind::Text | Kind::List | Kind::Family => true,
    }
}

/// What would be a value of this kind, in words.
pub(crate) fn expected(kind: Kind) -> String {
    match kind {
        Kind::Group | Kind::Bool => "true or false".into(),
        Kind::Integer => "a whole number".into(),
        Kind::Duration => "a duration such as 500ms, 10s or 1m30s, or a number of seconds".into(),
        Kind::Choice(words) => format!("one of {}", words.join(", ")),
        Kind::Text | Kind::Family => "a value".into(),
        Kind::List => "values separated by commas".into(),
    }
}

/// The words that Go takes for true and false.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "t" | "true" => Some(true),
        "0" | "f" | "false" => Some(false),
        _ => None,
    }
}

/// A duration in Go's syntax (`1h2m3.5s`, `500ms`), or a whole number of seconds. Never negative, and no longer than Go's
/// longest, 292 years: what it is added to must not overflow.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let found = text.parse().ok().map(Duration::from_secs).or_else(|| with_units(text))?;
    (found <= Duration::from_nanos(i64::MAX as u64)).then_some(found)
}

fn with_units(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        total = total.checked_add(part(number, unit)?)?;
        rest = tail;
    }
    Some(total)
}

fn part(number: &str, unit: &str) -> Option<Duration> {
    let nanoseconds: u64 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // Digits beyond the nineteenth are below a nanosecond of any unit.
    let fraction = fraction.get(..fraction.len().min(18))?;
    let scale = 10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let fraction: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let fraction = u64::try_from(fraction * u128::from(nanoseconds) / scale).ok()?;
    Some(Duration::from_nanos(whole.checked_mul(nanoseconds)?.checked_add(fraction)?))
}

/// The values of a list: separated by commas, without space around them, empty ones left out.
pub(crate) fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        assert_eq!(duration("1h2m3s"), Some(Duration::from_secs(3723)));
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(duration(".5m"), Some(Duration::from_secs(30)));
        assert_eq!(duration("10µs"), Some(Duration::from_micros(10)));
        assert_eq!(duration("0.0000000000000000000000001h"), Some(Duration::ZERO));
    }

    #[test]
    fn a_bare_number_is_seconds() {
        assert_eq!(duration("180"), Some(Duration::from_secs(180)));
        assert_eq!(duration("0"), Some(Duration::ZERO));
        assert_eq!(duration("9223372036"), Some(Duration::from_secs(9_223_372_036)));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "-1s",
            "-5",
            "1.5",
            "s",
            "1x",
            "1s2",
            ".s",
            "1 s",
            "99999999999999999999h",
            "9999999999h",
            "18446744073709551615",
            "9223372037",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn lists_are_separated_by_commas() {
        assert_eq!(list("a, b,,c "), ["a", "b", "c"]);
        assert!(list("").is_empty());
    }
}
