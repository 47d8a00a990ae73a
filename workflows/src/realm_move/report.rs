//! What the verification of a move found, part by part; kept with the move. It holds counts and digests, and no key of the
//! tenant: keys that differ are named in the error of a move that rolled back.

use engine::{StepError, TaskRecord};
use workers::Verification;

use super::parts::{CopiedPart, PartReport};
use crate::data_tasks::{VerifyInput, VerifyResult, read_input};

/// The report of what was verified; parts that were copied and not looked at again are in it as well.
pub(super) fn report(
    mode: Verification,
    copied: &[CopiedPart],
    verified: &[TaskRecord],
) -> Result<Vec<PartReport>, StepError> {
    let mut report = Vec::new();
    for task in verified {
        let input: VerifyInput = read_input(&task.input)?;
        let found: VerifyResult = read_input(task.result.as_ref().unwrap_or(&serde_json::Value::Null))?;
        report.push(PartReport {
            service: input.service,
            location: input.at.name,
            part: input.part,
            mode: input.verification,
            items: found.amount.items,
            objects: found.amount.objects,
            bytes: found.amount.bytes,
            source_digest: input.expected.map(|expected| expected.digest),
            target_digest: found.digest,
            read_back: found.read_back,
            passes: found.passes,
            took_ms: found.took_ms,
        });
    }
    if mode == Verification::Off {
        report.extend(copied.iter().map(unseen));
    }
    Ok(report)
}

fn unseen(copied: &CopiedPart) -> PartReport {
    PartReport {
        service: copied.service.clone(),
        location: copied.to.name.clone(),
        part: copied.part,
        mode: Verification::Off,
        items: copied.tally.items,
        objects: copied.tally.objects,
        bytes: copied.tally.bytes,
        source_digest: Some(copied.tally.digest),
        target_digest: None,
        read_back: 0,
        passes: 0,
        took_ms: 0,
    }
}
