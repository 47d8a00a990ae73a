//! Lists: pages fetched until enough is there, and a word on stderr when there is more.

use server::api::{LIMIT_MAX, Page};

use crate::exit::Failure;
use crate::format::count;
use crate::number::number;
use crate::output::Terminal;

/// How much to list.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct LimitArgs {
    /// The most to list
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = number::<u32>(1..=10_000))]
    limit: u32,
}

impl LimitArgs {
    /// Fetches pages of `what` by `(cursor, limit)` until the limit is reached or there is no more.
    pub(crate) async fn fetch<T>(
        &self,
        what: &str,
        terminal: &Terminal,
        mut page: impl AsyncFnMut(Option<String>, String) -> Result<Page<T>, Failure>,
    ) -> Result<Page<T>, Failure> {
        let limit = self.limit as usize;
        let mut all = Page { items: Vec::new(), next_cursor: None };
        while all.items.len() < limit {
            let wanted = (limit - all.items.len()).min(usize::try_from(LIMIT_MAX).unwrap_or(1));
            let next = page(all.next_cursor.take(), wanted.to_string()).await?;
            let came = next.items.len();
            all.items.extend(next.items);
            all.next_cursor = next.next_cursor;
            if all.next_cursor.is_none() || came == 0 {
                break;
            }
        }
        if all.items.is_empty() {
            terminal.say(&format!("No {what} found."));
        }
        if all.next_cursor.is_some() {
            let shown = if limit == 1 { "this one".to_owned() } else { format!("these {}", count(limit as u64)) };
            terminal.say(&format!("There are more {what} than {shown}: raise --limit to see them."));
        }
        Ok(all)
    }
}
