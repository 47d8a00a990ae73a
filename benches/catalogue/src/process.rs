//! What this process uses, as Linux counts it (`man proc_pid_status`, `proc_pid_clear_refs`, `proc_pid_stat`).

use std::fs;

use crate::Error;

/// `USER_HZ`, the same on every Linux that Rust's standard library supports.
const TICKS_PER_SECOND: f64 = 100.0;
/// Places of `utime` and `stime` after the command's name in `/proc/self/stat`.
const TIMES: [usize; 2] = [11, 12];
/// Written to `clear_refs`: the peak is counted anew from what is used now.
const FORGET_PEAK: &str = "5";

/// Processor seconds of all threads so far.
pub(crate) fn cpu_seconds() -> Result<f64, Error> {
    let stat = read("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = TIMES.iter().filter_map(|at| fields.get(*at)?.parse::<f64>().ok());
    Ok(ticks.sum::<f64>() / TICKS_PER_SECOND)
}

/// How much memory is used at most from now on, and what was used now.
pub(crate) struct Peak {
    before_kib: f64,
}

impl Peak {
    pub(crate) fn begin() -> Result<Self, Error> {
        fs::write("/proc/self/clear_refs", FORGET_PEAK).map_err(|error| Error::part(&error))?;
        Ok(Self { before_kib: kib("VmRSS:")? })
    }

    /// Mebibytes more than at the beginning.
    pub(crate) fn grown_mib(&self) -> Result<f64, Error> {
        Ok((kib("VmHWM:")? - self.before_kib).max(0.0) / 1024.0)
    }
}

fn kib(name: &str) -> Result<f64, Error> {
    let status = read("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.ok_or_else(|| Error::Part(format!("this system does not tell {name}")))
}

fn read(file: &str) -> Result<String, Error> {
    fs::read_to_string(file).map_err(|error| Error::part(&error))
}
