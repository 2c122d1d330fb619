//! Where a command runs: the cluster, the records, the terminal, and who is at it.

use crate::cli::args::Global;
use crate::cli::error::CliError;
use crate::cli::ui::Ui;
use crate::cluster::Cluster;
use crate::cluster::store::Store;
use crate::record::operation::By;
use crate::view::Screen;

/// The surroundings of one command.
#[derive(Debug)]
pub struct Env {
    /// The API server.
    pub cluster: Cluster,
    /// The records of the namespace.
    pub store: Store,
    /// The terminal.
    pub ui: Ui,
}

impl Env {
    /// Reads the kubeconfig and prepares a client; no request is sent yet.
    ///
    /// # Errors
    /// No kubeconfig, no such context, no credentials.
    pub async fn connect(global: &Global) -> Result<Self, CliError> {
        let cluster = Cluster::connect(&global.connect_options()).await?;
        let store = Store::new(cluster.clone(), cluster.namespace());
        let elsewhere = cluster.namespace() != cluster.context_namespace();
        let flag = if elsewhere { format!(" -n {}", cluster.namespace()) } else { String::new() };
        Ok(Self { cluster, store, ui: Ui::new(&flag) })
    }

    /// Says, as kubectl does, that a table would be empty; `None`: that of all namespaces.
    pub fn none_found(&self, namespace: Option<&str>) {
        self.ui.err(&match namespace {
            Some(namespace) => format!("No VNF instances found in {namespace} namespace.\n"),
            None => "No VNF instances found\n".to_owned(),
        });
    }

    /// How to render for a person, now.
    pub fn screen(&self) -> Screen {
        self.ui.screen(self.cluster.now())
    }
}

/// Who runs this process.
pub fn by() -> By {
    let user = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
    By {
        user: user.or_else(user_of_process).unwrap_or_else(|| "unknown".into()),
        host: gethostname::gethostname().to_string_lossy().into_owned(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").into(),
    }
}

/// The login name of the process's user, where no variable tells (cron, containers).
fn user_of_process() -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let uid = std::fs::metadata("/proc/self").ok()?.uid().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1) == Some(uid.as_str())).then(|| name.to_owned())
    });
    Some(name.unwrap_or_else(|| format!("uid {uid}")))
}

/// A new UUID, for an instance or an operation.
pub fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
