//! Who is told what happens to tenants and moves, as the operator configured it, and how fast.

use std::time::Duration;

use catalogue::topology::{Problem, WebhookSpec};
use workers::HookSecrets;

/// The types of events that there are. Their names are stored, and never change.
pub const EVENTS: [&str; 16] = [
    "tenant.created",
    "tenant.ready",
    "tenant.gone",
    "tenant.offline",
    "tenant.online",
    "tenant.moved",
    "move.scheduled",
    "move.started",
    "move.rescheduled",
    "move.completed",
    "move.failed",
    "move.cancelled",
    "move.rolled_back",
    "removal.completed",
    "removal.failed",
    "removal.replayed",
];

/// The webhooks of a process.
#[derive(Debug, Clone, Default)]
pub struct Webhooks {
    /// As the file has them.
    pub all: Vec<WebhookSpec>,
    /// What signs.
    pub secrets: HookSecrets,
    /// How fast they are told.
    pub pace: Pace,
}

/// How fast webhooks are told.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How often is looked for something to tell.
    pub look_every: Duration,
    /// How long a process has a webhook to itself. Longer than two attempts take.
    pub lease: Duration,
    /// The wait after the first failed attempt; each further one is twice as long.
    pub first_retry: Duration,
    /// The longest wait.
    pub longest_retry: Duration,
    /// When an event is given up.
    pub give_up_after: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            look_every: Duration::from_secs(1),
            lease: Duration::from_secs(30),
            first_retry: Duration::from_secs(1),
            longest_retry: Duration::from_mins(15),
            give_up_after: Duration::from_hours(24),
        }
    }
}

/// Why a file of webhooks can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhooksError {
    /// It has mistakes, all of them listed.
    #[error("{}", lines(.0))]
    File(Vec<Problem>),
    /// A secret is not there.
    #[error(
        "webhooks.{webhook}: there is no secret `{secret}` to sign with: name it in the file of --hook-secret-file"
    )]
    Secret {
        /// Which webhook wants it.
        webhook: String,
        /// Its name.
        secret: String,
    },
}

impl Webhooks {
    /// Reads a file, and sees that each has its secret.
    ///
    /// # Errors
    /// Every mistake in the file, or the first secret that is missing.
    pub fn read(yaml: &str, secrets: HookSecrets) -> Result<Self, WebhooksError> {
        let all = WebhookSpec::parse_all(yaml, &EVENTS).map_err(WebhooksError::File)?;
        if let Some(without) = all.iter().find(|webhook| !secrets.has(webhook.secret.as_deref())) {
            let secret = without.secret.clone().unwrap_or_else(|| "default".to_owned());
            return Err(WebhooksError::Secret { webhook: without.name.clone(), secret });
        }
        Ok(Self { all, secrets, pace: Pace::default() })
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_without_its_secret_is_refused() {
        let yaml = "webhooks: { a: { url: 'https://a.example/in', events: all, secret: a } }";
        let secrets = |text: &str| HookSecrets::parse(text).expect("secrets");
        assert_eq!(Webhooks::read(yaml, secrets("a=0123456789abcdef")).map(|read| read.all.len()), Ok(1));
        let said = Webhooks::read(yaml, secrets("default=0123456789abcdef")).expect_err("no such secret").to_string();
        assert_eq!(said, "webhooks.a: there is no secret `a` to sign with: name it in the file of --hook-secret-file");
        let said = Webhooks::read("webhooks: { a: { events: all } }", HookSecrets::default()).expect_err("no URL");
        assert_eq!(said.to_string(), "line 1: webhooks.a.url: is missing");
    }
}
