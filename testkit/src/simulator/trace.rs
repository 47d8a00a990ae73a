//! What happened, in lines that a person reads, and a hash over them that tells whether two runs were the same.

use super::Millis;

/// The trace of one run.
#[derive(Debug, Default)]
pub struct Trace {
    lines: Vec<String>,
    hasher: blake3::Hasher,
}

impl Trace {
    /// Notes that `who` did `what` at `at`.
    pub fn note(&mut self, at: Millis, who: &str, what: &str) {
        let line = format!("{:>9.3} s  {who:<10} {what}", at as f64 / 1_000.0);
        self.hasher.update(line.as_bytes());
        self.hasher.update(b"\n");
        self.lines.push(line);
    }

    /// Adds something to the hash that is not worth a line.
    pub fn mix(&mut self, what: usize, at: Millis) {
        self.hasher.update(&what.to_le_bytes());
        self.hasher.update(&at.to_le_bytes());
    }

    /// Equal for two runs exactly when every line was.
    pub fn hash(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }

    /// The lines so far.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}
