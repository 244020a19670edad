//! Text inside XML and HTML: nothing that a file is named can leave the place it was put in.

use agent_core::escape;

/// The text with controls and marks that hide what follows as escapes, and `& < > " '` as entities.
///
/// XML 1.0 has no way to write most control characters at all, so that they are escaped as for a terminal.
pub(crate) fn text(text: &str) -> String {
    let plain = escape::terminal_text(text);
    let mut out = String::with_capacity(plain.len());
    for c in plain.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // No XML document may hold these two.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// The same for a path: odd bytes as `\xHH`.
pub(crate) fn path(bytes: &[u8]) -> String {
    text(&escape::lossless_text(bytes).0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_gets_out() {
        assert_eq!(
            super::path(b"/a<b>&\"'\x1b[2J\xff\n]]>"),
            "/a&lt;b&gt;&amp;&quot;&#39;\\u{1b}[2J\\xff\\n]]&gt;"
        );
        assert_eq!(super::text("\u{202e}\u{ffff}"), "\\u{202e}\u{fffd}");
    }
}
