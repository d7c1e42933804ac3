//! Files of variables: `NAME=VALUE` or `NAME='VALUE'` on each line, as `framelift-stack keys` prints them.

use std::path::Path;

use anyhow::Context as _;

/// The variables of a file.
pub(crate) fn read(file: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    parse(&text).map_err(|line| anyhow::anyhow!("{}: line {line} is not NAME=VALUE", file.display()))
}

/// The same; nothing where there is no such file.
pub(crate) fn read_if_there(file: &Path) -> anyhow::Result<Vec<(String, String)>> {
    if file.exists() { read(file) } else { Ok(Vec::new()) }
}

/// The error is the number of a line, which is not shown: it may hold a secret.
fn parse(text: &str) -> Result<Vec<(String, String)>, usize> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let variables = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    variables
        .map(|(at, line)| {
            let (name, value) = line.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or(at)?;
            Ok((name.to_owned(), unquoted(value).to_owned()))
        })
        .collect()
}

fn unquoted(value: &str) -> &str {
    let within = |quote| value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
    within('\'').or_else(|| within('"')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_variables() {
        let text = "# keys\nA=1\n\n  B='x=y z' \nC=\"\"\nD='\n";
        let expected = [("A", "1"), ("B", "x=y z"), ("C", ""), ("D", "'")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(parse(text), Ok(expected.to_vec()));
        assert_eq!(parse("A=1\nsecret\n"), Err(2));
        assert_eq!(parse("=1"), Err(1));
    }
}
