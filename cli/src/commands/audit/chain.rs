//! The audit trail as a chain: exporting it, checking it, and showing its end.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use catalogue::audit::AuditEntry;
use catalogue::audit_chain::{Finding, Head, Sealed, Verifier};
use clap::Args;
use jiff::Timestamp;
use reqwest::Response;
use serde::Serialize;
use server::api::{AuditHead, AuditLine, SealedView};

use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::format;
use crate::output::Terminal;
use crate::tables::facts;

/// Export the sealed entries, oldest first, as JSON lines; the last line is the end of the chain
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl audit export > audit.jsonl
  realmctl audit export --after 120000 --file audit-2.jsonl")]
pub(crate) struct ExportArgs {
    /// Only entries after the one with this number
    #[arg(long, value_name = "SEQ", default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
    after: i64,
    /// Write to this new file instead of stdout
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Check the chain, entry by entry, and name what was changed, removed, inserted or reordered
///
/// The check is made here, from the entries themselves, and does not rely on the server. A chain that somebody with access to
/// the database made anew is only seen beside a head that was kept elsewhere: servers write one to their log each minute, and
/// `realmctl audit head` shows it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl audit verify
  realmctl audit verify --file audit.jsonl
  realmctl audit verify --file audit-2.jsonl --head 120000:5f1d0f6e0b8c4c0d…
  realmctl audit verify --head 120000:5f1d0f6e0b8c4c0d…")]
pub(crate) struct VerifyArgs {
    /// An export, instead of asking the server
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// A head that was kept elsewhere; may be given several times
    #[arg(long, value_name = "SEQ:DIGEST", value_parser = parse_head)]
    head: Vec<(i64, String)>,
}

impl VerifyArgs {
    pub(crate) fn needs_a_server(&self) -> bool {
        self.file.is_none()
    }
}

/// Show the end of the chain, to be kept elsewhere, and how old what is not sealed yet is
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl audit head\n  realmctl audit head --output json")]
pub(crate) struct HeadArgs {}

/// What a check came to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Checked {
    pub(crate) entries: u64,
    head: AuditHead,
    pub(crate) findings: Vec<Finding>,
}

pub(crate) async fn export(args: &ExportArgs, client: &Client, terminal: &Terminal) -> Result<(), Failure> {
    if args.file.is_none() {
        terminal.lines_are_json()?;
    }
    let mut response = client.export_audit(args.after).await?;
    let mut out: Box<dyn Write> = match &args.file {
        Some(file) => Box::new(new_file(file)?),
        None => Box::new(std::io::stdout().lock()),
    };
    let failed = |error: std::io::Error| Failure::failed(format!("the export can't be written: {error}"));
    let (mut entries, mut end) = (0_u64, Vec::new());
    while let Some(some) = next(&mut response).await? {
        entries += some.iter().filter(|byte| **byte == b'\n').count() as u64;
        out.write_all(&some).map_err(failed)?;
        end = [end, some].concat();
        end.drain(..end.len().saturating_sub(END));
    }
    out.flush().map_err(failed)?;
    if !is_whole(&end) {
        return Err(cut_off());
    }
    terminal.say(&format!("Exported {}.", format::counted(entries.saturating_sub(1), "entry")));
    Ok(())
}

/// Entries that are older than this should have been sealed.
const LATE_MS: i64 = 60_000;

/// Longer than the last line.
const END: usize = 1024;

/// Whether an export that ends so has its end.
fn is_whole(end: &[u8]) -> bool {
    let last = String::from_utf8_lossy(end);
    let last = last.trim_end().rsplit('\n').next().unwrap_or_default();
    matches!(serde_json::from_str(last), Ok(AuditLine::Head { .. }))
}

fn cut_off() -> Failure {
    Failure::failed("the export was cut off and is not whole: remove what was written and repeat the command")
}

/// A file that nobody else reads: entries name tenants and people.
fn new_file(file: &Path) -> Result<std::fs::File, Failure> {
    use std::os::unix::fs::OpenOptionsExt;
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    made.map_err(|error| Failure::usage(format!("--file {}: {error}", file.display())))
}

async fn next(response: &mut Response) -> Result<Option<Vec<u8>>, Failure> {
    let chunk = response.chunk().await.map_err(|_| cut_off())?;
    Ok(chunk.map(|bytes| bytes.to_vec()))
}

pub(crate) async fn verify(args: &VerifyArgs, client: Option<&Client>, terminal: &Terminal) -> Result<(), Failure> {
    let checked = match (&args.file, client) {
        (Some(file), _) => {
            let said = |error: &dyn std::fmt::Display| Failure::usage(format!("--file {}: {error}", file.display()));
            let opened = std::fs::File::open(file).map_err(|error| said(&error))?;
            check(BufReader::new(opened), &args.head, said)?
        }
        (None, Some(client)) => {
            let mut response = client.export_audit(0).await?;
            let (mut text, mut verifier, mut head) = (Vec::new(), Verifier::new(args.head.clone()), None);
            while let Some(some) = next(&mut response).await? {
                text.extend(some);
                while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = text.drain(..=end).collect();
                    take(&line, &mut verifier, &mut head)?;
                }
                fits(&text)?;
            }
            finished(verifier, head)?
        }
        (None, None) => return Err(Failure::usage("name an export with --file, or a server")),
    };
    terminal.data(&checked, in_words)?;
    if checked.head.oldest_unsealed_ms.is_some_and(|age| age > LATE_MS) {
        terminal.say("Entries are not sealed for more than a minute, and can be changed unseen: look at the logs of the servers.");
    }
    if checked.findings.is_empty() {
        return Ok(());
    }
    let found = format::counted(checked.findings.len() as u64, "finding");
    let message =
        format!("the audit trail is not what was sealed: {found}; keep a copy of the database before anything else");
    Err(Failure::new(Exit::Failed, "audit_broken", message))
}

/// Checks an export; `said` tells where it can't be read.
pub(crate) fn check(
    mut export: impl BufRead,
    kept: &[(i64, String)],
    said: impl Fn(&dyn std::fmt::Display) -> Failure,
) -> Result<Checked, Failure> {
    let (mut line, mut verifier, mut head) = (Vec::new(), Verifier::new(kept.to_vec()), None);
    loop {
        line.clear();
        let read = export.by_ref().take(LINE_MAX as u64 + 1).read_until(b'\n', &mut line);
        if read.map_err(|error| said(&error))? == 0 {
            return finished(verifier, head);
        }
        fits(&line)?;
        take(&line, &mut verifier, &mut head)?;
    }
}

fn finished(verifier: Verifier, head: Option<AuditHead>) -> Result<Checked, Failure> {
    let head = head.ok_or_else(cut_off)?;
    let verifier = verifier.finish(&Head { seq: head.seq, digest: head.digest.clone(), at: 0 });
    Ok(Checked { entries: verifier.entries, head, findings: verifier.findings })
}

/// Far more than an entry takes: what has no line breaks must not fill the memory.
const LINE_MAX: usize = 16 << 20;

fn fits(line: &[u8]) -> Result<(), Failure> {
    if line.len() > LINE_MAX {
        return Err(Failure::failed("a line is longer than 16 MiB: that is no export of the audit trail"));
    }
    Ok(())
}

/// One line of an export.
fn take(line: &[u8], verifier: &mut Verifier, head: &mut Option<AuditHead>) -> Result<(), Failure> {
    if line.trim_ascii().is_empty() {
        return Ok(());
    }
    let line: AuditLine = serde_json::from_slice(line)
        .map_err(|error| Failure::failed(format!("that is no line of an export of the audit trail: {error}")))?;
    match line {
        AuditLine::Head { head: told } => *head = Some(told),
        AuditLine::Entry(sealed) => verifier.push(&as_sealed(sealed)),
    }
    Ok(())
}

fn as_sealed(sealed: SealedView) -> Sealed {
    let entry = sealed.entry;
    // What is no time can't be what was sealed.
    let at = entry.at.parse::<Timestamp>().map_or(i64::MIN, Timestamp::as_millisecond);
    let entry = AuditEntry {
        id: entry.id,
        at,
        who: entry.who,
        origin: entry.origin,
        action: entry.action,
        tenant: entry.tenant,
        why: entry.why,
        before: entry.before,
        after: entry.after,
    };
    Sealed { seq: sealed.seq, digest: sealed.digest, entry }
}

pub(crate) fn in_words(checked: &Checked) -> String {
    if checked.findings.is_empty() {
        let unsealed = match checked.head.unsealed {
            0 => String::new(),
            some => format!(" {} not sealed yet.", format::counted(some.unsigned_abs(), "entry")),
        };
        let entries = format::counted(checked.entries, "entry");
        return format!("OK: {entries}, up to {}:{}.{unsealed}", checked.head.seq, checked.head.digest);
    }
    let found =
        checked.findings.iter().map(|finding| format!("- {}", finding.to_string().replace(char::is_control, "?")));
    found.collect::<Vec<_>>().join("\n")
}

pub(crate) fn head_in_words(head: &AuditHead) -> String {
    let oldest = head.oldest_unsealed_ms.map(format::millis).unwrap_or_else(|| "-".to_owned());
    facts([
        ("Head", format!("{}:{}", head.seq, head.digest)),
        ("Sealed", head.sealed_at.as_deref().map(format::time).unwrap_or_else(|| "-".to_owned())),
        ("Not sealed", format::counted(head.unsealed.unsigned_abs(), "entry")),
        ("Oldest of them", oldest),
    ])
}

fn parse_head(text: &str) -> Result<(i64, String), String> {
    let parsed = text.split_once(':').and_then(|(seq, digest)| Some((seq.parse().ok()?, digest)));
    let hex = |digest: &str| digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    match parsed {
        Some((seq, digest)) if seq > 0 && hex(digest) => Ok((seq, digest.to_ascii_lowercase())),
        _ => {
            Err("expected a number and a digest of 64 hexadecimal digits, such as `realmctl audit head` shows"
                .to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_without_its_end_is_not_whole() {
        let head = AuditHead { seq: 0, digest: String::new(), sealed_at: None, unsealed: 0, oldest_unsealed_ms: None };
        let line = serde_json::to_string(&AuditLine::Head { head }).expect("JSON");
        assert!(is_whole(format!("{{}}\n{line}\n").as_bytes()));
        assert!(!is_whole(b"{}\n") && !is_whole(b"") && !is_whole(&line.as_bytes()[1..]));
    }
}
