//! What commands about one move or removal take, and how an id is read.

use clap::Args;

/// One move or removal, and why.
#[derive(Debug, Clone, Args)]
pub(crate) struct ChangeArgs {
    /// Its id, or the beginning of it
    #[arg(value_parser = parse_id)]
    pub(crate) id: String,
    /// Why; kept in the audit trail
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// Reads the id of a move, a removal or a campaign. Anything else could not be one, and must not become part of a path.
pub(crate) fn parse_id(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if (1..=64).contains(&text.len()) && text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    Err("an id consists of letters, digits and -, as the lists show it".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_can_not_leave_their_place_in_a_path() {
        assert!(parse_id("0199f3a1-7c00-7000-8000-000000000001").is_ok());
        for bad in ["", "..", "a/b", "a?b", "é"] {
            assert!(parse_id(bad).is_err(), "{bad:?}");
        }
    }
}
