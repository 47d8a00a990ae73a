//! What a process has used, as Linux counts it.

use crate::Error;

/// `USER_HZ`, the same on every Linux that Rust's standard library supports.
const TICKS_PER_SECOND: f64 = 100.0;
/// Places of `utime` and `stime` after the command's name in `/proc/self/stat` (`man proc_pid_stat`).
const TIMES: [usize; 2] = [11, 12];

/// Processor seconds of all threads of this process, or of another.
pub(crate) fn cpu_seconds(of: Option<u32>) -> Result<f64, Error> {
    let process = of.map_or_else(|| "self".to_owned(), |id| id.to_string());
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = TIMES.iter().filter_map(|at| fields.get(*at)?.parse::<f64>().ok());
    Ok(ticks.sum::<f64>() / TICKS_PER_SECOND)
}

/// The most memory it ever had at once.
pub(crate) fn peak_kib() -> Result<u64, Error> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.ok_or_else(|| Error::Part("this system does not tell its peak memory".to_owned()))
}
