//! `list`: the instances, from the annotations of their records alone.

use super::env::Env;
use super::operate::{instance_of, print_all};
use crate::cli::args::{Global, Table};
use crate::cli::error::{CliError, Exit};
use crate::cluster::store::{annotation, list_records};
use crate::engine::lock;
use crate::object::mask::printable_line;
use crate::object::text;
use crate::record::OperationState;
use crate::record::names::{INSTANCE, column};
use crate::view::tables::{self, ListRow};
use serde_json::{Value, json};

/// List VNF instances
///
/// One line an instance, with the state of its last operation. Records are read from the namespace of the context, or that
/// of -n; only their metadata, so that a list stays quick.
#[derive(Debug, clap::Args)]
#[command(after_help = r#"Examples:
  # In this namespace
  kubectl vnf list

  # In all namespaces, with all columns
  kubectl vnf list -A -o wide

  # For a script
  kubectl vnf list -o jsonpath='{range [*]}{.vnfInstanceName} {.instantiationState}{"\n"}{end}'"#)]
pub struct ListArgs {
    /// In all namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Flags of every table.
    #[command(flatten)]
    pub table: Table,
}

pub(crate) async fn run(global: &Global, args: ListArgs) -> Result<Exit, CliError> {
    let env = Env::connect(global).await?;
    let namespace = (!args.all_namespaces).then(|| env.store.namespace());
    let mut records = list_records(&env.cluster, namespace).await?;
    let namespace_of = |record: &Value| text(record, "/metadata/namespace").unwrap_or("").to_owned();
    records.retain(|record| {
        let whole = damage(record);
        if let Some(why) = &whole {
            let name = text(record, "/metadata/name").unwrap_or("?");
            let line = format!("ConfigMap {name} in namespace {} is damaged: {why}", namespace_of(record));
            env.ui.err(&format!("! left out: {}\n", printable_line(&line)));
        }
        whole.is_none()
    });
    records.sort_by_key(|record| (namespace_of(record), annotation(record, column::NAME).to_owned()));
    if let Some(output) = args.table.machine() {
        let items: Vec<Value> = records.iter().map(summary).collect();
        print_all(&env, output, &items, |item| instance_of(item["vnfInstanceName"].as_str().unwrap_or_default()))?;
        return Ok(Exit::Done);
    }
    if records.is_empty() {
        env.none_found(namespace);
        return Ok(Exit::Done);
    }
    let column = |record: &Value, key: &str| {
        let value = annotation(record, key);
        (!value.is_empty()).then(|| value.to_owned())
    };
    // Only who finds an operation under way asks whether anybody is still at it.
    let any = records.iter().any(|record| under_way(annotation(record, column::OPERATION)).is_some());
    let alive = if any { lock::alive(&env.cluster, namespace).await } else { None };
    let operation = |record: &Value| {
        let text = column(record, column::OPERATION)?;
        let id = record["metadata"]["labels"][INSTANCE].as_str().unwrap_or("");
        let gone = alive.as_ref().is_some_and(|alive| !alive.contains(id));
        Some(match under_way(&text) {
            Some(verb) if gone => format!("{verb} {}", lock::INTERRUPTED),
            _ => text,
        })
    };
    let rows: Vec<ListRow> = records
        .iter()
        .map(|record| ListRow {
            namespace: namespace_of(record),
            name: annotation(record, column::NAME).to_owned(),
            state: annotation(record, column::STATE).to_owned(),
            product: annotation(record, column::PRODUCT).to_owned(),
            revision: column(record, column::REVISION),
            operation: operation(record),
            created: text(record, "/metadata/creationTimestamp").and_then(|time| time.parse().ok()),
            id: record["metadata"]["labels"][INSTANCE].as_str().unwrap_or("").to_owned(),
            provider: annotation(record, column::PROVIDER).to_owned(),
            vnfd_id: annotation(record, column::VNFD_ID).to_owned(),
            flavour: column(record, column::FLAVOUR),
            target_namespace: column(record, column::TARGET_NAMESPACE),
            operation_time: annotation(record, column::OPERATION_TIME).parse().ok(),
        })
        .collect();
    env.ui.out(&tables::list(&rows, args.table.is_wide(), args.all_namespaces, !args.table.no_headers, &env.screen()));
    Ok(Exit::Done)
}

/// The verb of an operation, as the column has it, whose state says that somebody is at work on it.
fn under_way(column: &str) -> Option<&str> {
    let (verb, state) = column.rsplit_once(' ')?;
    OperationState::RUNNING.iter().any(|running| running.to_string() == state).then_some(verb)
}

/// What a record lacks that every record has, as far as its metadata tell.
fn damage(record: &Value) -> Option<String> {
    if record["metadata"]["labels"][INSTANCE].as_str().is_none() {
        return Some(format!("no label {INSTANCE}"));
    }
    let missing = [column::NAME, column::STATE].into_iter().find(|key| annotation(record, key).is_empty());
    missing.map(|key| format!("no annotation {key}"))
}

/// One instance with SOL003's attribute names, as far as annotations tell.
fn summary(record: &Value) -> Value {
    json!({
        "id": record["metadata"]["labels"][INSTANCE],
        "vnfInstanceName": annotation(record, column::NAME),
        "vnfdId": annotation(record, column::VNFD_ID),
        "vnfProvider": annotation(record, column::PROVIDER),
        "instantiationState": annotation(record, column::STATE),
        "kubectlVnf": {
            "namespace": record["metadata"]["namespace"],
            "product": annotation(record, column::PRODUCT),
            "revision": annotation(record, column::REVISION),
            "operation": annotation(record, column::OPERATION),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_under_way_forth_and_back() {
        assert_eq!(under_way("update PROCESSING"), Some("update"));
        assert_eq!(under_way("update ROLLING_BACK"), Some("update"));
        assert_eq!([under_way("heal COMPLETED"), under_way("update FAILED_TEMP"), under_way("")], [None; 3]);
    }
}
