//! What a move would come to before it is started, for a dry run: how much there is, what it costs in units of the stores, and
//! how long the tenant would be offline, from what is counted in the source and what a store's parts take. Pure.

use serde::{Deserialize, Serialize};
use store::Millis;

/// Write units a second that one partition of a table or index takes (DynamoDB Developer Guide, "Partitions and data distribution").
const PARTITION_WRITES: f64 = 1_000.0;
/// How close to that the movers come.
const PACED: f64 = 0.95;
/// A request to S3 takes about this long (S3 User Guide, "Performance guidelines": 100 to 200 ms for small objects).
const REQUEST_MS: f64 = 150.0;
/// Requests that one object takes: to read it and to write it.
const REQUESTS_AN_OBJECT: f64 = 2.0;
/// Bytes a millisecond of one connection (S3 User Guide, "Performance guidelines": 85 to 90 MB/s of a connection).
const BYTES_A_MS: f64 = 85_000.0;
/// Looking for changes and reading back: each takes about this share of the time that copying took.
const READING_SHARE: f64 = 0.25;
/// The same at worst, and how much slower a copy is beside neighbours that leave half of a partition.
const READING_SHARE_HIGH: f64 = 0.6;
const SLOWED: f64 = 2.0;
/// Units up to which a move is small, and medium.
const SMALL: u64 = 1_000_000;
const MEDIUM: u64 = 100_000_000;

/// What one service holds at its source, and what the move does with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// Items of a table.
    pub(crate) items: u64,
    /// Objects of a bucket.
    pub(crate) objects: u64,
    /// Bytes of either.
    pub(crate) bytes: u64,
    /// Write units of the items in the table itself.
    pub(crate) write_units: u64,
    /// Write units of their entries in the index of tenants: few or many, by what it holds of an item.
    pub(crate) index_units: u64,
    /// Read units of reading all of them once, consistently.
    pub(crate) read_units: u64,
    /// Parts that are worked on side by side.
    pub(crate) parts: u32,
    /// Locations that get all of it.
    pub(crate) adds: u64,
    /// Locations that it is removed from.
    pub(crate) removes: u64,
}

/// What the deployment adds to the copying.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Before the copy begins and between its passes, in milliseconds.
    pub(crate) waits_ms: Millis,
    /// Objects in flight at once in each part of a bucket.
    pub(crate) objects_at_once: usize,
    /// How long the tenant may be offline.
    pub(crate) allowed_ms: Millis,
    /// The least that writing, and that all reading, take by the limits on units a second.
    pub(crate) least_ms: (f64, f64),
}

/// How much a move costs, without prices: they differ by region and change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CostClass {
    /// Up to a million units.
    Small,
    /// Up to a hundred million.
    Medium,
    /// More.
    Large,
}

/// What a move would come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// Items to copy, counted over all added locations; as the index lists them.
    pub items: u64,
    /// Objects to copy.
    pub objects: u64,
    /// Bytes to copy: of items by the size of some of them, of objects as listed.
    pub bytes: u64,
    /// DynamoDB write units of copying and, later, removing: in tables and in the index that the mover uses.
    pub write_units: u64,
    /// DynamoDB read units of copying, looking for changes, reading back and comparing before the removal.
    pub read_units: u64,
    /// S3 requests.
    pub requests: u64,
    /// The units and requests in one word.
    pub cost_class: CostClass,
    /// How long the tenant would be offline, in milliseconds, if nobody else wrote to the same partitions.
    pub offline_ms: i64,
    /// The same beside busy neighbours.
    pub offline_high_ms: i64,
    /// Whether that is within what the deployment, or the request, allows.
    pub fits: bool,
}

/// Adds it all up. Services and locations are filled side by side, so the slowest decides how long it takes.
pub(crate) fn estimate(loads: &[Load], limits: &Limits) -> Estimate {
    let sum = |of: fn(&Load) -> u64| loads.iter().map(of).sum::<u64>();
    // Each item is an entry of the index too; deleting it costs what writing it did.
    let write_units = sum(|load| (load.write_units + load.index_units) * (load.adds + load.removes));
    // For each added location the source is read twice and the target once; each removed one is read once.
    let read_units = sum(|load| load.read_units * (3 * load.adds + load.removes));
    let requests = sum(|load| load.objects * (4 * load.adds + 2 * load.removes));
    let copy = loads.iter().map(|load| copy_ms(load, limits)).fold(0.0, f64::max);
    let offline = |copy: f64, share: f64| {
        let (writing, reading) = limits.least_ms;
        let work = (copy.max(writing) + copy * 2.0 * share).max(reading);
        limits.waits_ms.saturating_add(work as Millis)
    };
    let offline_ms = offline(copy, READING_SHARE);
    let cost_class = match write_units + read_units + requests {
        units if units <= SMALL => CostClass::Small,
        units if units <= MEDIUM => CostClass::Medium,
        _ => CostClass::Large,
    };
    Estimate {
        items: sum(|load| load.items * load.adds),
        objects: sum(|load| load.objects * load.adds),
        bytes: sum(|load| load.bytes * load.adds),
        write_units,
        read_units,
        requests,
        cost_class,
        offline_ms,
        offline_high_ms: offline(copy * SLOWED, READING_SHARE_HIGH),
        fits: offline_ms <= limits.allowed_ms,
    }
}

/// How long copying to a location takes, in milliseconds.
fn copy_ms(load: &Load, limits: &Limits) -> f64 {
    if load.adds == 0 {
        return 0.0;
    }
    let parts = f64::from(load.parts.max(1));
    // All items of a part share one partition of the index, and have many of the table.
    let table = load.index_units as f64 / (parts * PARTITION_WRITES * PACED) * 1_000.0;
    let at_once = (limits.objects_at_once.max(1)) as f64 * parts;
    let requests = load.objects as f64 * REQUESTS_AN_OBJECT * REQUEST_MS / at_once;
    let content =
        if load.objects > 0 { load.bytes as f64 / (BYTES_A_MS * at_once.min(load.objects as f64)) } else { 0.0 };
    table.max(requests + content)
}

#[cfg(test)]
mod tests {
    use crate::realm_move::forecast::dry_run_estimate::*;

    const LIMITS: Limits =
        Limits { waits_ms: 100_000, objects_at_once: 16, allowed_ms: 3_600_000, least_ms: (0.0, 0.0) };

    fn table(items: u64, parts: u32) -> Load {
        Load {
            items,
            bytes: items << 10,
            write_units: items,
            index_units: items,
            read_units: items,
            parts,
            adds: 1,
            removes: 1,
            ..Load::default()
        }
    }

    #[test]
    fn ten_million_items_take_as_long_as_their_index_partitions_do() {
        // 10 million items need 10,000 s through one index key and 1,000 s through ten; and then they are read twice.
        let (one, ten) = (estimate(&[table(10_000_000, 1)], &LIMITS), estimate(&[table(10_000_000, 10)], &LIMITS));
        assert!((15_000_000..17_000_000).contains(&one.offline_ms) && !one.fits, "{one:?}");
        assert!((1_600_000..1_800_000).contains(&ten.offline_ms) && ten.fits, "{ten:?}");
        assert_eq!(
            (ten.items, ten.bytes, ten.write_units, ten.read_units),
            (10_000_000, 10_240_000_000, 40_000_000, 40_000_000)
        );
        assert_eq!((ten.cost_class, one.requests), (CostClass::Medium, 0));
        assert!(ten.offline_high_ms > 2 * ten.offline_ms - LIMITS.waits_ms);
    }

    #[test]
    fn an_index_that_holds_whole_items_takes_as_long_and_costs_as_much_as_they_do() {
        let keys = Load { write_units: 10_000_000, ..table(1_000_000, 10) };
        let whole = Load { index_units: 10_000_000, ..keys };
        let (keys, whole) = (estimate(&[keys], &LIMITS), estimate(&[whole], &LIMITS));
        assert_eq!((keys.write_units, whole.write_units), (22_000_000, 40_000_000));
        let copying = |estimate: Estimate| estimate.offline_ms - LIMITS.waits_ms;
        assert!((copying(whole) - 10 * copying(keys)).abs() < 10, "{whole:?} and {keys:?}");
    }

    #[test]
    fn the_slowest_service_decides_and_what_is_not_copied_takes_no_time() {
        let (large, small) = (table(1_000_000, 10), table(10, 1));
        let both = estimate(&[large, small], &LIMITS);
        assert_eq!(both.offline_ms, estimate(&[large], &LIMITS).offline_ms);
        assert_eq!(both.items, 1_000_010);
        let leaves = Load { adds: 0, ..large };
        let leaving = estimate(&[leaves], &LIMITS);
        assert_eq!((leaving.items, leaving.offline_ms, leaving.write_units), (0, LIMITS.waits_ms, 2_000_000));
    }

    #[test]
    fn limits_on_units_are_the_least_that_it_takes() {
        let load = table(1_000_000, 10);
        let free = estimate(&[load], &LIMITS).offline_ms;
        let limited = |least_ms| estimate(&[load], &Limits { least_ms, ..LIMITS });
        assert_eq!(limited((10_000.0, 10_000.0)).offline_ms, free, "the partitions are slower");
        let writing = limited((1_000_000.0, 0.0));
        assert!((1_100_000..1_200_000).contains(&writing.offline_ms), "{writing:?}");
        assert_eq!(limited((0.0, 2_000_000.0)).offline_ms, 2_100_000);
        assert!(!limited((4_000_000.0, 0.0)).fits && writing.fits);
    }

    #[test]
    fn objects_take_their_requests_and_their_bytes() {
        let objects = |objects, bytes, parts| {
            let load = Load { objects, bytes, parts, adds: 1, ..Load::default() };
            estimate(&[load], &Limits { waits_ms: 0, ..LIMITS }).offline_ms
        };
        let (many, spread, heavy) =
            (objects(100_000, 1 << 20, 1), objects(100_000, 1 << 20, 16), objects(16, 1 << 40, 1));
        assert!(many > 15 * spread, "{many} and {spread}");
        assert!(heavy > objects(16, 1 << 30, 1) * 100, "{heavy}");
    }
}
