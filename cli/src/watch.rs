//! Shows a move while it runs: a line for each state it has passed, and bars for the data work when a person watches.

use std::pin::pin;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use server::api::{MoveView, StateEvent, TaskErrorView, Verification};

use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::follow::{Event, Follow, is_final};
use crate::format;
use crate::output::Terminal;
use crate::progress::Meters;

/// Without bars, data work is reported this often.
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// How often it is looked whether something should be said though nothing happened.
const TICK: Duration = Duration::from_millis(500);
/// What a state waits for is told once it has waited this long.
const PATIENCE: Duration = Duration::from_secs(2);
const SPINNER_EVERY: Duration = Duration::from_millis(120);

/// The exit code that a move's end stands for.
pub(crate) fn exit_of(view: &MoveView) -> Exit {
    match view.state.as_str() {
        "rolled_back" => Exit::RolledBack,
        "failed" => Exit::Failed,
        _ => Exit::Done,
    }
}

/// Watches a move to its end and shows it on stderr. Returns the move as it ended.
pub(crate) async fn watch(client: &Client, view: &MoveView, terminal: &Terminal) -> Result<MoveView, Failure> {
    terminal.say(&format!("Moving {} from {} to {} (move {})", view.tenant, view.from, view.to, view.id));
    let mut display = Display::new(terminal, view);
    let mut follow = Follow::new(client, &view.id);
    let mut ticks = tokio::time::interval(TICK);
    loop {
        let mut next = pin!(follow.next());
        let event = loop {
            tokio::select! {
                event = &mut next => break event?,
                _ = ticks.tick() => display.tick(),
            }
        };
        let Some(event) = event else { break };
        match event {
            Event::State(change) => display.passed(&change),
            Event::Move(now) => display.shows(&now),
            Event::Lost(why) => terminal.say(&format!("  connection lost, trying again: {why}")),
        }
    }
    drop(display);
    client.realm_move(&view.id).await
}

struct Display<'a> {
    terminal: &'a Terminal,
    state: String,
    entered_at: String,
    last: MoveView,
    meters: Meters,
    waiting_since: Instant,
    said_waiting: Option<String>,
    said_errors: Vec<String>,
    reported: Instant,
    bars: Option<Bars>,
}

impl<'a> Display<'a> {
    fn new(terminal: &'a Terminal, view: &MoveView) -> Self {
        Self {
            terminal,
            // The history begins with the first change; until then a move is as it was made.
            state: "scheduled".to_owned(),
            entered_at: view.started_at.clone(),
            last: view.clone(),
            meters: Meters::of("scheduled"),
            waiting_since: Instant::now(),
            said_waiting: None,
            said_errors: Vec::new(),
            reported: Instant::now(),
            bars: terminal.interactive.then(|| Bars::new(terminal)),
        }
    }

    fn passed(&mut self, change: &StateEvent) {
        let spent = format::between(&self.entered_at, &change.at).unwrap_or_default();
        let what = passed_words(change, &self.last);
        let line = format!("  {:<11} {:>10}   {what}", change.from_state, format::duration(spent));
        self.terminal.say(line.trim_end());
        self.state.clone_from(&change.to_state);
        self.entered_at.clone_from(&change.at);
        self.meters = Meters::of(&self.state);
        self.waiting_since = Instant::now();
        self.said_waiting = None;
        self.said_errors.clear();
        if is_final(&self.state) {
            self.bars = None;
            self.terminal.say(&format!("  {}", self.state));
        } else if let Some(bars) = &mut self.bars {
            bars.enter(&self.state, since(&change.at));
        }
    }

    fn shows(&mut self, view: &MoveView) {
        // A view may be older than the changes that were told before it.
        if view.state != self.state {
            return;
        }
        self.tell_errors(view);
        if let Some(progress) = &view.progress {
            let now = Instant::now();
            self.meters.record(now, progress);
            let lines = self.meters.lines(progress);
            if let Some(bars) = &mut self.bars {
                bars.show(&lines);
            } else if now.duration_since(self.reported) >= REPORT_EVERY {
                self.reported = now;
                let lines: Vec<_> = lines.into_iter().map(|(_, line)| line).collect();
                let failing = failing_words(&view.task_errors).map(|words| format!("; {words}")).unwrap_or_default();
                self.terminal.say(&format!("  {:<11} {:>10}   {}{failing}", self.state, "...", lines.join("; ")));
            }
        }
        if let Some(bars) = &self.bars {
            match errors_of(view).into_iter().next() {
                Some((_, text)) => bars.note(&self.state, &text),
                None if view.offline_ms >= 1000 => {
                    let offline = format::duration(Duration::from_secs(view.offline_ms.unsigned_abs() / 1000));
                    bars.note(&self.state, &format!("{} (offline for {offline})", present_words(&self.state)));
                }
                None => {}
            }
        }
        self.last = view.clone();
    }

    /// Tells what the state, or its data tasks, run into: each thing once, for it is tried again and again.
    fn tell_errors(&mut self, view: &MoveView) {
        for (key, text) in errors_of(view) {
            if !self.said_errors.contains(&key) {
                self.terminal.say(&format!("  {:<11} {:>10}   {text}", self.state, "..."));
                self.said_errors.push(key);
            }
        }
    }

    /// Tells what a state waits for, once it has waited for a while.
    fn tick(&mut self) {
        let Some(reason) = self.last.waiting_for.clone().filter(|_| self.last.state == self.state) else { return };
        if self.said_waiting.as_ref() == Some(&reason) || self.waiting_since.elapsed() < PATIENCE {
            return;
        }
        match &self.bars {
            Some(bars) => bars.note(&self.state, &format!("waiting for {reason}")),
            None => self.terminal.say(&format!("  {:<11} {:>10}   waiting for {reason}", self.state, "...")),
        }
        self.said_waiting = Some(reason);
    }
}

/// What a move that goes on runs into, in words, each with what tells it from others.
fn errors_of(view: &MoveView) -> Vec<(String, String)> {
    if is_final(&view.state) || view.state == "re_online" {
        return Vec::new(); // Why it rolls back is told when it does.
    }
    let own = view.error.iter().map(|error| {
        let words = format!("tried again: {} ({})", error.message, error.code);
        (error.message.clone(), words)
    });
    own.chain(view.task_errors.iter().map(|error| (error.message.clone(), format::task_error(error)))).collect()
}

/// How many data tasks are tried again, and why, in a few words.
fn failing_words(errors: &[TaskErrorView]) -> Option<String> {
    let tasks: u64 = errors.iter().map(|error| error.tasks).sum();
    let first = errors.first()?;
    let verb = if tasks == 1 { "is" } else { "are" };
    Some(format!("{} {verb} tried again ({})", format::counted(tasks, "task"), first.code))
}

/// What a passed state came to.
fn passed_words(change: &StateEvent, view: &MoveView) -> String {
    if matches!(change.to_state.as_str(), "re_online" | "rolled_back" | "failed") && !change.note.is_empty() {
        return change.note.clone();
    }
    match change.from_state.as_str() {
        "scheduled" => "start time reached".to_owned(),
        "preflight" => "stores, indexes and targets checked".to_owned(),
        "waiting" => "the targets are free".to_owned(),
        "comparing" => "everything in what is left is in what stays".to_owned(),
        "offline" => format!("{} is offline", view.tenant),
        "drain" => "earlier requests have ended".to_owned(),
        "add_data" => "copied".to_owned(),
        "verify" => verified_words(view.verification.mode).to_owned(),
        "commit" => format!("switched: {} is online in {}", view.tenant, view.to),
        "re_online" => format!("{} is online again in {}", view.tenant, view.from),
        _ => change.note.clone(),
    }
}

/// What the verification of a move that goes on has shown.
fn verified_words(mode: Verification) -> &'static str {
    match mode {
        Verification::Full => "read back from the targets: equal",
        Verification::Sampled => "counted; a sample read back: equal",
        Verification::Off => "not verified (off)",
    }
}

/// How long ago a time was by this machine's clock, which may differ from the server's.
fn since(at: &str) -> Duration {
    format::between(at, &Timestamp::now().to_string()).unwrap_or_default()
}

/// The live part of the display. Leaves nothing behind when dropped.
struct Bars {
    terminal: Terminal,
    status: ProgressBar,
    work: Vec<ProgressBar>,
}

impl Bars {
    fn new(terminal: &Terminal) -> Self {
        let status = Self::status(terminal, Duration::ZERO);
        Self { terminal: terminal.clone(), status, work: Vec::new() }
    }

    fn status(terminal: &Terminal, elapsed: Duration) -> ProgressBar {
        let style = ProgressStyle::with_template("  {prefix:<11} {elapsed:>10} {spinner} {wide_msg}");
        let bar = ProgressBar::new_spinner().with_elapsed(elapsed);
        let bar = terminal.bars.add(bar.with_style(style.expect("the template is well formed")));
        bar.enable_steady_tick(SPINNER_EVERY);
        bar
    }

    fn enter(&mut self, state: &str, elapsed: Duration) {
        self.clear();
        self.status = Self::status(&self.terminal, elapsed);
        self.status.set_prefix(state.to_owned());
        self.status.set_message(present_words(state));
    }

    fn note(&self, state: &str, text: &str) {
        self.status.set_prefix(state.to_owned());
        self.status.set_message(text.to_owned());
    }

    /// One bar for each line.
    fn show(&mut self, lines: &[(u64, String)]) {
        let style = "    [{bar:20}] {wide_msg}";
        while self.work.len() < lines.len() {
            let style = ProgressStyle::with_template(style).expect("the template is well formed").progress_chars("=> ");
            self.work.push(self.terminal.bars.add(ProgressBar::new(100).with_style(style)));
        }
        for (bar, (percent, words)) in self.work.iter().zip(lines) {
            bar.set_position(*percent);
            bar.set_message(words.clone());
        }
    }

    fn clear(&mut self) {
        for bar in self.work.drain(..) {
            bar.finish_and_clear();
        }
        self.status.finish_and_clear();
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.clear();
    }
}

/// What happens in a state.
fn present_words(state: &str) -> &'static str {
    match state {
        "preflight" => "checking stores, indexes and targets; online",
        "waiting" => "waiting for the targets to be free; online",
        "comparing" => "comparing replicas that are left with those that stay; online",
        "offline" => "taking the tenant offline",
        "drain" => "letting requests from before end",
        "add_data" => "copying",
        "verify" => "reading back and comparing",
        "commit" => "switching",
        "re_online" => "bringing the tenant online where it was",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_not_read_back_is_not_said_to_be() {
        let change = StateEvent {
            seq: 7,
            from_state: "verify".to_owned(),
            to_state: "commit".to_owned(),
            at: String::new(),
            note: String::new(),
        };
        let words = |mode: &str| {
            let view: MoveView = serde_json::from_value(json!({
                "id": "m", "tenant": "acme", "from": "us", "to": "eu", "state": "commit", "plan": [], "planHash": "",
                "offlineMs": 0, "copied": { "items": 0, "objects": 0, "bytes": 0 }, "verified": mode != "off",
                "verification": { "mode": mode }, "removals": [], "startedAt": "", "finishedAt": null, "error": null,
                "progress": null, "waitingFor": null, "warnings": [], "requestedBy": "sam", "reason": "",
            }))
            .expect("a move");
            passed_words(&change, &view)
        };
        assert_eq!(words("full"), "read back from the targets: equal");
        assert_eq!(words("sampled"), "counted; a sample read back: equal");
        assert_eq!(words("off"), "not verified (off)");
    }
}
