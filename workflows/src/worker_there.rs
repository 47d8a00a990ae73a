//! Whether anybody is there who would run the tasks of a move: without, its tenant would go offline for nothing. And who is there but
//! stands aside, for what it lacks itself.

use engine::host_and_process;
use engine::tables::runner_table;
use engine::tables::runner_table::LiveRunner;
use store::{StoreError, Tx};

use crate::data_tasks::{CopyTask, VerifyTask};

/// What a move's tasks are while its tenant is offline.
const NEEDED: [&str; 2] = [CopyTask::KIND, VerifyTask::KIND];

/// What a move waits for when nobody is there, in words; `None`: somebody is.
pub(crate) async fn missing(tx: &mut Tx) -> Result<Option<String>, StoreError> {
    let live = runner_table::live(tx).await?;
    if NEEDED.iter().all(|kind| runs(&live, kind)) {
        return Ok(None);
    }
    let aside = standing_aside(&live).map(|who| format!("; {who}")).unwrap_or_default();
    Ok(Some(match live.len() {
        0 => "a worker: no running process carries out data tasks".to_owned(),
        1 => format!("a worker: the only running process neither copies nor verifies{aside}"),
        others => format!("a worker: none of the {others} processes that are there copies and verifies{aside}"),
    }))
}

/// Processes that are there and unfit for data work, in words, with what each lacks and what to do about it; `None`: nobody is.
pub async fn unfit(tx: &mut Tx) -> Result<Option<String>, StoreError> {
    Ok(standing_aside(&runner_table::live(tx).await?))
}

/// Whether any of them runs tasks of this kind.
pub(crate) fn runs(live: &[LiveRunner], kind: &str) -> bool {
    live.iter().any(|runner| runner.task_kinds.iter().any(|runs| runs == kind))
}

/// Those of them that lack something, by what they lack; `None`: nobody does.
pub(crate) fn standing_aside(live: &[LiveRunner]) -> Option<String> {
    let mut told: Vec<(&str, Vec<String>)> = Vec::new();
    for (lacks, owner) in live.iter().filter_map(|runner| Some((runner.unfit.as_deref()?, &runner.owner))) {
        let owner = host_and_process(owner);
        match told.iter_mut().find(|(said, _)| *said == lacks) {
            Some((_, owners)) => owners.push(owner),
            None => told.push((lacks, vec![owner])),
        }
    }
    let words = |(lacks, owners): &(&str, Vec<String>)| {
        let verb = if owners.len() == 1 { "takes" } else { "take" };
        format!("{} {verb} no data work: {lacks}", owners.join(", "))
    };
    (!told.is_empty()).then(|| told.iter().map(words).collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_stand_aside_are_told_by_what_they_lack() {
        let runner = |owner: &str, unfit: Option<&str>| LiveRunner {
            owner: owner.to_owned(),
            task_kinds: Vec::new(),
            unfit: unfit.map(str::to_owned),
        };
        assert_eq!(standing_aside(&[runner("a/1", None)]), None);
        let live =
            [runner("a/1", Some("no files")), runner("b/2", Some("no authority")), runner("c/3", Some("no files"))];
        let told = standing_aside(&live).expect("some do");
        assert_eq!(told, "a/1, c/3 take no data work: no files; b/2 takes no data work: no authority");
    }
}
