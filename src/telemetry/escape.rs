//! Keeps one record on one line: what a client or manifest wrote cannot end a line, close a quote or move a cursor.

/// Appends `text` as the inside of a quoted string: quotes, backslashes and everything unprintable are escaped.
pub(super) fn inside_quotes(out: &mut String, text: &str) {
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            _ => printable(out, char),
        }
    }
}

/// Appends `text` as a word between blanks.
pub(super) fn word(out: &mut String, text: &str) {
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            ' ' => out.push_str("\\x20"),
            _ => printable(out, char),
        }
    }
}

/// Appends `text` for people to read: only what is unprintable is escaped.
pub(super) fn prose(out: &mut String, text: &str) {
    text.chars().for_each(|char| printable(out, char));
}

/// Whether `text` can stand after `key=` as it is.
pub(super) fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|char| !char.is_whitespace() && !matches!(char, '"' | '\\' | '=') && !hidden(char))
}

fn printable(out: &mut String, char: char) {
    match char {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        _ if !hidden(char) => out.push(char),
        _ if (char as u32) < 0x100 => {
            out.push_str("\\x");
            hex(out, char as u32, 2);
        }
        _ => {
            out.push_str("\\u");
            hex(out, char as u32, 4);
        }
    }
}

fn hex(out: &mut String, number: u32, digits: u32) {
    for place in (0..digits).rev() {
        out.push(char::from_digit(number >> (4 * place) & 0xf, 16).unwrap_or('?'));
    }
}

/// Control characters, and those that end lines or turn the direction of text in a terminal or browser.
fn hidden(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hostile_survives() {
        let hostile = "a\r\nb\x1b[2J\"c\\ \u{9b}1m\u{202e}é";
        let mut out = String::new();
        inside_quotes(&mut out, hostile);
        assert_eq!(out, r#"a\r\nb\x1b[2J\"c\\ \x9b1m\u202eé"#);
        out.clear();
        word(&mut out, hostile);
        assert_eq!(out, r#"a\r\nb\x1b[2J\"c\\\x20\x9b1m\u202eé"#);
        out.clear();
        prose(&mut out, hostile);
        assert_eq!(out, r#"a\r\nb\x1b[2J"c\ \x9b1m\u202eé"#);
    }
}
