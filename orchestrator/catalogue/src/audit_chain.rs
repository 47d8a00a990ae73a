//! The audit trail as a chain of digests: sealing what is new, and checking the whole of it. Who can write to the database can change an
//! entry, but not without breaking the chain from there on; a head that was kept elsewhere shows a chain that was made anew.

use std::fmt;

use serde::{Deserialize, Serialize};
use store::{Millis, Rows, StoreError, Tx, sql};

use crate::audit::{self, AuditEntry};

/// The end of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// The number of the newest sealed entry; 0 if there is none.
    pub seq: i64,
    /// Its digest, in hexadecimal.
    pub digest: String,
    /// When it was sealed.
    pub at: Millis,
}

/// An entry of the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Sealed {
    /// Its number.
    pub seq: i64,
    /// Its digest as it is kept.
    pub digest: String,
    /// The entry.
    pub entry: AuditEntry,
}

/// What is not sealed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsealed {
    /// How many entries, as far as they were counted.
    pub entries: i64,
    /// When the oldest of them was written.
    pub oldest: Option<Millis>,
}

/// So many are counted.
const COUNTED: i64 = 10_000;

/// The digest of an entry that follows one with the digest `before`.
pub fn digest(before: &str, entry: &AuditEntry) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("2026-11-30 realmctl, entries of the audit trail");
    let (at, was, is) = (entry.at.to_string(), entry.before.to_string(), entry.after.to_string());
    let tenant = entry.tenant.as_ref().map_or_else(|| "-".to_owned(), |tenant| format!("={tenant}"));
    for part in [before, &entry.id, &at, &entry.who, &entry.origin, &entry.action, &tenant, &entry.why, &was, &is] {
        // With its length, so that no two entries read alike.
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// Whether there is anything to seal. Locks nothing.
pub async fn unsealed(tx: &mut Tx) -> Result<Unsealed, StoreError> {
    let row = sql("SELECT COUNT(*) AS entries, MIN(at) AS oldest FROM (SELECT at FROM audit WHERE seq IS NULL ORDER BY id LIMIT $1) AS unsealed")
        .bind(COUNTED)
        .fetch_one(tx)
        .await?;
    Ok(Unsealed { entries: row.int("entries")?, oldest: row.opt_int("oldest")? })
}

/// The end of the chain.
pub async fn head(tx: &mut Tx) -> Result<Head, StoreError> {
    let row = sql("SELECT seq, digest, at FROM audit_head WHERE id = 1").fetch_one(tx).await?;
    Ok(Head { seq: row.int("seq")?, digest: row.text("digest")?, at: row.int("at")? })
}

/// Seals up to `most` entries, in the order of their ids, and returns the end of the chain as it is then, with how many were sealed. One at
/// a time; whoever writes entries does not wait.
pub async fn seal(tx: &mut Tx, most: i64) -> Result<(Head, usize), StoreError> {
    let row = sql("SELECT seq, digest, at FROM audit_head WHERE id = 1").for_update().fetch_one(tx).await?;
    let mut head = Head { seq: row.int("seq")?, digest: row.text("digest")?, at: row.int("at")? };
    let entries = audit::unsealed(tx, most).await?;
    if entries.is_empty() {
        return Ok((head, 0));
    }
    head.at = tx.now().await?;
    let (mut seqs, mut digests) = (Vec::new(), Vec::new());
    for entry in &entries {
        head.seq += 1;
        head.digest = digest(&head.digest, entry);
        seqs.push(head.seq);
        digests.push(head.digest.clone());
    }
    let rows = Rows::default()
        .texts("id", entries.iter().map(|entry| entry.id.clone()))
        .ints("seq", seqs)
        .texts("digest", digests);
    let changed = sql("UPDATE audit SET seq = given.seq, digest = given.digest FROM {rows} \
                       WHERE audit.id = given.id AND audit.seq IS NULL");
    if changed.rows(rows).execute(tx).await? != entries.len() as u64 {
        return Err(StoreError::Corrupt(
            "entries of the audit trail that nobody else seals were sealed by somebody".to_owned(),
        ));
    }
    sql("UPDATE audit_head SET seq = $1, digest = $2, at = $3 WHERE id = 1")
        .bind(head.seq)
        .bind(&head.digest)
        .bind(head.at)
        .execute(tx)
        .await?;
    Ok((head, entries.len()))
}

/// Sealed entries in the order of the chain, after the number `after`.
pub async fn list(tx: &mut Tx, after: i64, limit: i64) -> Result<Vec<Sealed>, StoreError> {
    let found = sql("SELECT id, at, who, origin, action, tenant, why, before, after, seq, digest FROM audit \
                     WHERE seq > $1 ORDER BY seq LIMIT $2");
    let rows = found.bind(after).bind(limit).fetch_all(tx).await?;
    rows.iter()
        .map(|row| Ok(Sealed { seq: row.int("seq")?, digest: row.text("digest")?, entry: audit::entry(row)? }))
        .collect()
}

/// Something that is wrong with the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Finding {
    /// Entries are gone.
    Missing {
        /// The first.
        from: i64,
        /// The last.
        to: i64,
    },
    /// An entry is not what was sealed, or does not follow the one before it.
    Changed {
        /// Its number.
        seq: i64,
        /// Its id.
        id: String,
    },
    /// An entry is not in its place, or there are two with its number.
    OutOfOrder {
        /// Its number.
        seq: i64,
        /// Its id.
        id: String,
    },
    /// The chain ends elsewhere than its head says.
    Head {
        /// Where it ends.
        ends: i64,
        /// Where its head says.
        head: i64,
    },
    /// A head that was kept elsewhere is not in the chain: it was made anew, from this entry or an earlier one on.
    Rewritten {
        /// The number of the head that was kept.
        seq: i64,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { from, to } if from == to => write!(f, "entry {from} is missing"),
            Self::Missing { from, to } => write!(f, "entries {from} to {to} are missing"),
            Self::Changed { seq, id } => {
                write!(f, "entry {seq} ({id}) was changed after it was sealed, or is not the one that followed here")
            }
            Self::OutOfOrder { seq, id } => write!(f, "entry {seq} ({id}) is not in its place, or was inserted"),
            Self::Head { ends, head } => {
                write!(f, "the chain ends with entry {ends}, and its head says {head}, or names another digest")
            }
            Self::Rewritten { seq } => {
                write!(f, "the chain was made anew: entry {seq} has not the digest that was kept elsewhere")
            }
        }
    }
}

/// Checks a chain entry by entry.
#[derive(Debug, Clone)]
pub struct Verifier {
    seq: i64,
    digest: String,
    kept: Vec<(i64, String)>,
    /// How many entries were read.
    pub entries: u64,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl Verifier {
    /// From the beginning, or from the entry after a head that was kept elsewhere.
    pub fn new(kept: Vec<(i64, String)>) -> Self {
        Self { seq: 0, digest: String::new(), kept, entries: 0, findings: Vec::new() }
    }

    /// The next one.
    pub fn push(&mut self, sealed: &Sealed) {
        if self.entries == 0
            && let Some((before, digest)) =
                self.kept.iter().find(|(before, _)| before.checked_add(1) == Some(sealed.seq))
        {
            // A part of the chain, which follows what was kept.
            (self.seq, self.digest) = (*before, digest.clone());
        }
        self.entries += 1;
        let (seq, id) = (sealed.seq, sealed.entry.id.clone());
        if seq <= self.seq {
            self.findings.push(Finding::OutOfOrder { seq, id });
            return;
        }
        if seq - 1 > self.seq {
            // What it has to follow is not there: only those after it can be checked.
            self.findings.push(Finding::Missing { from: self.seq + 1, to: seq - 1 });
        } else if digest(&self.digest, &sealed.entry) != sealed.digest {
            self.findings.push(Finding::Changed { seq, id });
        }
        if self.kept.iter().any(|(of, digest)| *of == seq && *digest != sealed.digest) {
            self.findings.push(Finding::Rewritten { seq });
        }
        (self.seq, self.digest) = (seq, sealed.digest.clone());
    }

    /// There are no more; what the head says of the end.
    pub fn finish(mut self, head: &Head) -> Self {
        if head.seq > self.seq {
            self.findings.push(Finding::Missing { from: self.seq + 1, to: head.seq });
        } else if head.seq < self.seq || head.digest != self.digest {
            self.findings.push(Finding::Head { ends: self.seq, head: head.seq });
        }
        let beyond =
            self.kept.iter().filter(|(seq, _)| *seq > self.seq).map(|(seq, _)| Finding::Rewritten { seq: *seq });
        self.findings.extend(beyond.collect::<Vec<_>>());
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chain(length: i64) -> (Vec<Sealed>, Head) {
        let mut before = String::new();
        let sealed = (1..=length).map(|seq| {
            let entry = AuditEntry {
                id: format!("id-{seq}"),
                at: seq * 1000,
                who: "sam".to_owned(),
                origin: "10.0.0.1".to_owned(),
                action: "move.start".to_owned(),
                tenant: (seq % 2 == 0).then(|| "acme".to_owned()),
                why: String::new(),
                before: json!(null),
                after: json!({ "move": seq, "to": "eu" }),
            };
            before = digest(&before, &entry);
            Sealed { seq, digest: before.clone(), entry }
        });
        let sealed: Vec<Sealed> = sealed.collect();
        let head = Head { seq: length, digest: before, at: 0 };
        (sealed, head)
    }

    fn findings(sealed: &[Sealed], head: &Head, kept: Vec<(i64, String)>) -> Vec<Finding> {
        let mut verifier = Verifier::new(kept);
        sealed.iter().for_each(|sealed| verifier.push(sealed));
        verifier.finish(head).findings
    }

    #[test]
    fn a_whole_chain_has_nothing_wrong() {
        let (sealed, head) = chain(20);
        let kept = vec![(7, sealed[6].digest.clone()), (20, head.digest.clone())];
        assert_eq!(findings(&sealed, &head, kept), []);
        // A part of it, after a head that was kept.
        assert_eq!(findings(&sealed[7..], &head, vec![(7, sealed[6].digest.clone())]), []);
        assert_eq!(findings(&sealed[7..], &head, Vec::new()), [Finding::Missing { from: 1, to: 7 }]);
        assert_eq!(findings(&[], &Head { seq: 0, digest: String::new(), at: 0 }, Vec::new()), []);
    }

    #[test]
    fn a_change_is_named() {
        type Edit = fn(&mut AuditEntry);
        let edits: [Edit; 9] = [
            |entry| entry.id.push('x'),
            |entry| entry.at += 1,
            |entry| entry.who = "mallory".to_owned(),
            |entry| entry.origin.clear(),
            |entry| entry.action.push('x'),
            |entry| entry.tenant = Some(String::new()),
            |entry| entry.why = "because".to_owned(),
            |entry| entry.before = json!({}),
            |entry| entry.after["to"] = json!("us"),
        ];
        for edit in edits {
            let (mut sealed, head) = chain(9);
            edit(&mut sealed[4].entry);
            let id = sealed[4].entry.id.clone();
            assert_eq!(findings(&sealed, &head, Vec::new()), [Finding::Changed { seq: 5, id }]);
        }
        // Text that moves from one field into the next is another entry.
        let (mut sealed, head) = chain(3);
        sealed[1].entry.who = "sa".to_owned();
        sealed[1].entry.origin = "m10.0.0.1".to_owned();
        assert_eq!(findings(&sealed, &head, Vec::new()).len(), 1);
    }

    #[test]
    fn what_is_gone_inserted_or_swapped_is_named() {
        let (sealed, head) = chain(9);
        let mut gone = sealed.clone();
        gone.drain(3..5);
        assert_eq!(findings(&gone, &head, Vec::new()), [Finding::Missing { from: 4, to: 5 }]);
        assert_eq!(findings(&sealed[..7], &head, Vec::new()), [Finding::Missing { from: 8, to: 9 }]);
        let mut inserted = sealed.clone();
        inserted.insert(
            4,
            Sealed { entry: AuditEntry { id: "new".to_owned(), ..sealed[3].entry.clone() }, ..sealed[3].clone() },
        );
        assert_eq!(findings(&inserted, &head, Vec::new()), [Finding::OutOfOrder { seq: 4, id: "new".to_owned() }]);
        let mut swapped = sealed.clone();
        (swapped[3].entry, swapped[4].entry) = (sealed[4].entry.clone(), sealed[3].entry.clone());
        let named =
            [Finding::Changed { seq: 4, id: "id-5".to_owned() }, Finding::Changed { seq: 5, id: "id-4".to_owned() }];
        assert_eq!(findings(&swapped, &head, Vec::new()), named);
    }

    #[test]
    fn a_chain_that_was_made_anew_differs_from_a_head_kept_elsewhere() {
        let (sealed, head) = chain(9);
        let kept = vec![(6, sealed[5].digest.clone())];
        let mut forged: Vec<Sealed> = sealed;
        forged[2].entry.who = "mallory".to_owned();
        let mut before = forged[1].digest.clone();
        for sealed in &mut forged[2..] {
            before = digest(&before, &sealed.entry);
            sealed.digest.clone_from(&before);
        }
        let forged_head = Head { digest: before, ..head };
        assert_eq!(findings(&forged, &forged_head, Vec::new()), [], "it can't be seen without one");
        assert_eq!(findings(&forged, &forged_head, kept.clone()), [Finding::Rewritten { seq: 6 }]);
        let shorter = Head { seq: 4, digest: forged[3].digest.clone(), at: 0 };
        assert_eq!(findings(&forged[..4], &shorter, kept), [Finding::Rewritten { seq: 6 }]);
    }
}
