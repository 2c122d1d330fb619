//! Tables as kubectl prints them: uppercase headers, three spaces between columns, no borders; and how kubectl says
//! ages.

use super::Screen;
use super::style::{Text, dim, green, plain, red};
use super::words::short_id;
use jiff::Timestamp;
use std::time::Duration;

/// Between columns.
const GAP: usize = 3;
/// Where there is nothing to say.
const NONE: &str = "-";

/// One VNF instance in `list`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListRow {
    /// Namespace of the record.
    pub namespace: String,
    /// `vnfInstanceName`.
    pub name: String,
    /// `instantiationState`.
    pub state: String,
    /// Product name and software version.
    pub product: String,
    /// Number of the revision in force.
    pub revision: Option<String>,
    /// Verb and state of the last operation: `update COMPLETED`.
    pub operation: Option<String>,
    /// When that operation entered its state.
    pub operation_time: Option<Timestamp>,
    /// When the record was made.
    pub created: Option<Timestamp>,
    /// Instance id.
    pub id: String,
    /// Provider.
    pub provider: String,
    /// `vnfdId`.
    pub vnfd_id: String,
    /// Deployment flavour.
    pub flavour: Option<String>,
    /// Namespace of the VNF's objects.
    pub target_namespace: Option<String>,
}

/// One operation in `op list`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationRow {
    /// Operation id.
    pub id: String,
    /// Name of the instance, where operations of several are listed.
    pub instance: Option<String>,
    /// What was asked for.
    pub verb: String,
    /// How it stands.
    pub state: String,
    /// Revision before.
    pub source_revision: Option<u64>,
    /// Revision aimed at.
    pub target_revision: Option<u64>,
    /// When it began.
    pub started: Timestamp,
    /// How long it took; `None`: it goes on.
    pub took: Option<Duration>,
    /// `admin@jump1`.
    pub by: String,
}

/// One package in `package list`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageRow {
    /// `vnfdId`.
    pub vnfd_id: String,
    /// Product name and software version.
    pub product: String,
    /// Provider.
    pub provider: String,
    /// SHA-256 over its content, 64 hex digits.
    pub digest: String,
    /// How many instances use it.
    pub used_by: usize,
    /// How long it stays.
    pub state: &'static str,
    /// When it came.
    pub created: Option<Timestamp>,
}

/// The packages of a namespace.
pub fn packages(rows: &[PackageRow], headers: bool, screen: &Screen) -> String {
    let columns = ["VNFD ID", "PRODUCT", "PROVIDER", "DIGEST", "IN USE BY", "KEPT", "AGE"];
    let cells = rows.iter().map(|row| {
        vec![
            plain(&row.vnfd_id),
            plain(&row.product),
            plain(&row.provider),
            dim(row.digest.get(..12).unwrap_or(&row.digest)),
            plain(&row.used_by.to_string()),
            plain(row.state),
            row.created.map_or_else(none, |time| dim(&age(time, screen.now))),
        ]
    });
    table(&columns, cells.collect(), headers)
}

/// The instances of a namespace, or of all.
pub fn list(rows: &[ListRow], wide: bool, all_namespaces: bool, headers: bool, screen: &Screen) -> String {
    let age_of = |time: Option<Timestamp>| time.map_or_else(none, |time| dim(&age(time, screen.now)));
    let mut columns = Vec::new();
    if all_namespaces {
        columns.push("NAMESPACE");
    }
    columns.extend(["NAME", "STATE", "PRODUCT", "REVISION", "OPERATION", "AGE"]);
    if wide {
        columns.extend(["OPERATION TIME", "ID", "PROVIDER", "VNFD ID", "FLAVOUR", "TARGET NAMESPACE"]);
    }
    let cells = rows.iter().map(|row| {
        let mut cells = Vec::new();
        if all_namespaces {
            cells.push(plain(&row.namespace));
        }
        cells.extend([
            plain(&row.name),
            plain(&row.state),
            plain(&row.product),
            optional(row.revision.as_deref()),
            row.operation.as_deref().map_or_else(none, state),
            age_of(row.created),
        ]);
        if wide {
            cells.extend([
                age_of(row.operation_time),
                dim(&row.id),
                plain(&row.provider),
                dim(&row.vnfd_id),
                optional(row.flavour.as_deref()),
                optional(row.target_namespace.as_deref()),
            ]);
        }
        cells
    });
    table(&columns, cells.collect(), headers)
}

/// The operations of one instance, or of all.
pub fn operations(rows: &[OperationRow], headers: bool, screen: &Screen) -> String {
    let several = rows.iter().any(|row| row.instance.is_some());
    let mut columns = vec!["OPERATION"];
    if several {
        columns.push("INSTANCE");
    }
    columns.extend(["TYPE", "STATE", "REVISION", "STARTED", "TOOK", "BY"]);
    let cells = rows.iter().map(|row| {
        let mut cells = vec![plain(short_id(&row.id))];
        if several {
            cells.push(optional(row.instance.as_deref()));
        }
        cells.extend([
            plain(&row.verb),
            state(&row.state),
            plain(&revisions(row.source_revision, row.target_revision)),
            dim(&age(row.started, screen.now)),
            row.took.map_or_else(none, |took| plain(&seconds(took))),
            plain(&row.by),
        ]);
        cells
    });
    table(&columns, cells.collect(), headers)
}

/// `1 -> 2`, `-> 1`, `2 ->`.
pub fn revisions(source: Option<u64>, target: Option<u64>) -> String {
    match (source, target) {
        // A heal of chosen Pods leaves the revision as it is.
        (Some(source), Some(target)) if source == target => format!("{source}"),
        (Some(source), Some(target)) => format!("{source} -> {target}"),
        (None, Some(target)) => format!("-> {target}"),
        (Some(source), None) => format!("{source} ->"),
        (None, None) => NONE.into(),
    }
}

/// The state of an operation: green when it is done, red when it failed.
pub fn state(text: &str) -> Text {
    match text.rsplit_once(' ') {
        Some((verb, state)) => plain(verb) + " " + state_word(state),
        None => state_word(text),
    }
}

fn state_word(word: &str) -> Text {
    match word {
        "COMPLETED" => green(word),
        _ if word.starts_with("FAILED") => red(word),
        _ => plain(word),
    }
}

/// A table as kubectl prints it: never cut, never wrapped.
pub fn table(headers: &[&str], rows: Vec<Vec<Text>>, with_headers: bool) -> String {
    let mut all = Vec::new();
    if with_headers {
        all.push(headers.iter().map(|header| plain(header)).collect::<Vec<_>>());
    }
    all.extend(rows);
    let widths: Vec<usize> = (0..headers.len())
        .map(|column| all.iter().filter_map(|row| row.get(column)).map(Text::width).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in all {
        let last = row.len().saturating_sub(1);
        for (index, (cell, width)) in row.into_iter().zip(&widths).enumerate() {
            let cell = if index == last { cell } else { cell.pad(width + GAP) };
            text.push_str(&cell.to_string());
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}

fn none() -> Text {
    plain(NONE)
}

fn optional(text: Option<&str>) -> Text {
    text.filter(|text| !text.is_empty()).map_or_else(none, plain)
}

/// How long ago something was, in kubectl's words (`duration.HumanDuration`): `3m`, `5m30s`, `2d4h`.
pub fn age(from: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second() - from.as_second();
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let days = hours / 24;
    let with = |big: i64, unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{big}{unit}"),
        _ => format!("{big}{unit}{small}{small_unit}"),
    };
    match seconds {
        // Clocks differ a little.
        ..-1 => "<invalid>".into(),
        -1 => "0s".into(),
        0..120 => format!("{seconds}s"),
        _ if minutes < 10 => with(minutes, "m", seconds % 60, "s"),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => with(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if days < 8 => with(days, "d", hours % 24, "h"),
        _ if days < 365 * 2 => format!("{days}d"),
        _ if days < 365 * 8 => with(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

/// How long something took: `13.4s`, `2m5s`, `1h2m`.
pub fn seconds(took: Duration) -> String {
    let tenths = (took.as_millis() + 50) / 100;
    let seconds = (took.as_millis() + 500) / 1000;
    match tenths {
        0..600 => format!("{}.{}s", tenths / 10, tenths % 10),
        _ if seconds < 3600 && seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ if seconds < 3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        _ if (seconds / 60).is_multiple_of(60) => format!("{}h", seconds / 3600),
        _ => format!("{}h{}m", seconds / 3600, seconds / 60 % 60),
    }
}
