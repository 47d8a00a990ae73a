//! `realmctl man`: manual pages, from the same texts as the helps. For people who build packages.

use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;
use serde_json::json;

use crate::exit::{Exit, Failure};
use crate::output::Terminal;

/// Print the manual page, or write one for every command
///
/// Without --dir the page of realmctl itself goes to stdout. With it there is a file for every command, named as man looks for them:
/// realmctl.1, realmctl-move.1, realmctl-moves-show.1.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl man | man -l -
  realmctl man --dir /usr/local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Write the pages of all commands into this folder, which is made if it is not there
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// A page and its name, without the number of its section.
struct Page {
    name: String,
    roff: String,
}

pub(crate) fn run(args: &ManArgs, mut cli: Command, terminal: &Terminal) -> Result<Exit, Failure> {
    // Gives every command its whole name, and the global options.
    cli.build();
    let failed = |error: std::io::Error| Failure::failed(format!("the manual can't be made: {error}"));
    let Some(dir) = &args.dir else {
        terminal.text(&page(&cli, "realmctl").map_err(failed)?.roff)?;
        return Ok(Exit::Done);
    };
    let mut pages = Vec::new();
    pages_of(&cli, "realmctl", &mut pages).map_err(failed)?;
    let files = write(dir, &pages)
        .map_err(|error| Failure::failed(format!("the pages can't be written to {}: {error}", dir.display())))?;
    terminal.say(&format!("Wrote {} pages to {}.", files.len(), dir.display()));
    terminal.data(&json!({ "files": files }), |_| String::new())?;
    Ok(Exit::Done)
}

fn write(dir: &Path, pages: &[Page]) -> std::io::Result<Vec<String>> {
    std::fs::create_dir_all(dir)?;
    let write = |page: &Page| {
        let file = dir.join(format!("{}.1", page.name));
        std::fs::write(&file, &page.roff).map(|()| file.display().to_string())
    };
    pages.iter().map(write).collect()
}

fn pages_of(command: &Command, name: &str, pages: &mut Vec<Page>) -> std::io::Result<()> {
    pages.push(page(command, name)?);
    command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
        .try_for_each(|below| pages_of(below, &format!("{name}-{}", below.get_name()), pages))
}

fn page(command: &Command, name: &str) -> std::io::Result<Page> {
    let mut usage = command.clone();
    let usage = usage.render_usage().to_string();
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let man = Man::new(command.clone()).source(concat!("realmctl ", env!("CARGO_PKG_VERSION")));
    let mut roff = Vec::new();
    man.render_title(&mut roff)?;
    // Names are not broken, and words not pulled apart.
    roff.extend_from_slice(b".nh\n.ad l\n");
    man.render_name_section(&mut roff)?;
    roff.extend_from_slice(synopsis(&usage).as_bytes());
    man.render_description_section(&mut roff)?;
    man.render_options_section(&mut roff)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut roff)?;
    }
    let mut roff = in_ascii(&String::from_utf8(roff).map_err(std::io::Error::other)?);
    roff.push_str(&examples(&after));
    roff.push_str(see_also(name));
    Ok(Page { name: name.to_owned(), roff })
}

/// The usage as the help has it: the library's own lists every option without its value.
fn synopsis(usage: &str) -> String {
    let usage = usage.trim_start_matches("Usage:").trim();
    let lines: String = usage.lines().map(|line| escaped(line.trim())).collect();
    format!(".SH SYNOPSIS\n.nf\n{lines}.fi\n")
}

/// Other letters by their names in groff, which shows them where the terminal has them.
fn in_ascii(text: &str) -> String {
    let named = |all: String, c: char| {
        let number = u32::from(c);
        if c.is_ascii() { all + c.encode_utf8(&mut [0; 4]) } else { all + &format!("\\[u{number:04X}]") }
    };
    text.chars().fold(String::new(), named)
}

/// What stands after the options of a help: examples as they are, then paragraphs.
fn examples(after: &str) -> String {
    let mut roff = String::new();
    let (examples, rest) = after.split_once("\n\n").unwrap_or((after, ""));
    if let Some(lines) = examples.strip_prefix("Examples:\n") {
        roff.push_str(".SH EXAMPLES\n.nf\n");
        lines.lines().for_each(|line| roff.push_str(&escaped(line)));
        roff.push_str(".fi\n");
    }
    if !rest.trim().is_empty() {
        roff.push_str(".SH NOTES\n");
        for paragraph in rest.split("\n\n") {
            roff.push_str(".PP\n");
            paragraph.lines().for_each(|line| roff.push_str(&escaped(line)));
        }
    }
    roff
}

fn see_also(name: &str) -> &'static str {
    if name == "realmctl" { "" } else { ".SH \"SEE ALSO\"\n.BR realmctl (1)\n" }
}

/// A line as it is: backslashes and dashes are themselves, and no line is a request.
fn escaped(line: &str) -> String {
    let mut roff = String::new();
    if line.starts_with(['.', '\'']) {
        roff.push_str("\\&");
    }
    for c in line.chars() {
        match c {
            '\\' => roff.push_str("\\e"),
            '-' => roff.push_str("\\-"),
            '\'' => roff.push_str("\\(aq"),
            '`' => roff.push_str("\\(ga"),
            '~' => roff.push_str("\\(ti"),
            '^' => roff.push_str("\\(ha"),
            c => roff.push(c),
        }
    }
    roff.push('\n');
    in_ascii(&roff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_shown_as_they_are() {
        assert_eq!(escaped("  realmctl move --to eu \\"), "  realmctl move \\-\\-to eu \\e\n");
        assert_eq!(escaped(".hidden"), "\\&.hidden\n");
        assert_eq!(escaped("'a' `b` …"), "\\&\\(aqa\\(aq \\(gab\\(ga \\[u2026]\n");
    }

    #[test]
    fn what_follows_the_examples_is_apart() {
        let roff = examples("Examples:\n  realmctl x\n\nExit codes: 0 done.");
        assert_eq!(roff, ".SH EXAMPLES\n.nf\n  realmctl x\n.fi\n.SH NOTES\n.PP\nExit codes: 0 done.\n");
        assert_eq!(examples(""), "");
    }
}
