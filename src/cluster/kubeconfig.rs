//! The kubeconfig: which files kubectl would read, and what of them is used once the flags are applied.
//!
//! kube parses the files. Selecting is done here, since kube refuses a `KUBECONFIG` list with a missing file and
//! takes an unknown user for an anonymous one. Pure but for reading the files.

use super::{ClusterError, ConnectOptions, status::clean, transport::Plugin};
use kube::config::{
    AuthInfo, Cluster as Entry, Context, Kubeconfig, KubeconfigError, NamedAuthInfo, NamedCluster, NamedContext,
};
use serde_json::json;
use std::{
    env,
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
};

/// The kubeconfig files to read.
#[derive(Debug, PartialEq)]
pub(super) struct Sources {
    paths: Vec<PathBuf>,
    /// Named by a flag: it must exist.
    explicit: bool,
}

/// `--kubeconfig`, else the list in `KUBECONFIG`, else `~/.kube/config`.
pub(super) fn sources(flag: Option<&Path>, variable: Option<&OsStr>, home: Option<&Path>) -> Sources {
    if let Some(path) = flag.filter(|p| !p.as_os_str().is_empty()) {
        return Sources { paths: vec![path.to_owned()], explicit: true };
    }
    let mut paths: Vec<PathBuf> =
        variable.map(|v| env::split_paths(v).filter(|p| !p.as_os_str().is_empty()).collect()).unwrap_or_default();
    if paths.is_empty() {
        paths.extend(home.map(|home| home.join(".kube").join("config")));
    }
    Sources { paths, explicit: false }
}

/// Reads and merges the files; those of a list that are missing are skipped, as kubectl does.
pub(super) fn read(sources: &Sources, may_be_empty: bool) -> Result<Kubeconfig, ClusterError> {
    let mut merged: Option<Kubeconfig> = None;
    for path in &sources.paths {
        let next = match Kubeconfig::read_from(path) {
            Ok(next) => next,
            Err(KubeconfigError::ReadConfig(error, _))
                if error.kind() == io::ErrorKind::NotFound && !sources.explicit =>
            {
                continue;
            }
            Err(error) => return Err(in_file(&error, path)),
        };
        merged = Some(match merged {
            Some(first) => first.merge(next).map_err(|error| in_file(&error, path))?,
            None => next,
        });
    }
    match merged {
        Some(kubeconfig) => Ok(kubeconfig),
        None if may_be_empty => Ok(Kubeconfig::default()),
        None => Err(ClusterError::NoKubeconfig { looked: sources.paths.clone() }),
    }
}

/// One context with the flags applied, as a kubeconfig of its own.
pub(super) struct Selected {
    pub kubeconfig: Kubeconfig,
    /// Its name; empty when only a server was given.
    pub context: String,
    /// The context's own.
    pub namespace: String,
    /// The cluster entry's `proxy-url`.
    pub proxy: Option<String>,
}

impl Selected {
    /// The credential plugin that will run.
    pub(super) fn plugin(&self) -> Option<Plugin> {
        let exec = self.kubeconfig.auth_infos.first()?.auth_info.as_ref()?.exec.as_ref()?;
        let hint = exec.install_hint.as_ref().map(|hint| clean(hint.trim())).filter(|hint| !hint.is_empty());
        Some(Plugin { command: exec.command.clone().unwrap_or_default(), hint })
    }
}

/// Picks the context, cluster and user to use.
pub(super) fn select(all: Kubeconfig, options: &ConnectOptions) -> Result<Selected, ClusterError> {
    let asked = options.context.clone().filter(|c| !c.is_empty());
    let name = asked.or_else(|| all.current_context.clone().filter(|c| !c.is_empty()));
    let contexts = || all.contexts.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
    let context = match &name {
        Some(name) => all
            .contexts
            .iter()
            .find(|c| c.name == *name)
            .and_then(|c| c.context.clone())
            .ok_or_else(|| ClusterError::NoContext { name: name.clone(), known: contexts() })?,
        // A server or a cluster given by flag is enough to go by.
        None if options.server.is_some() || options.cluster.is_some() => Context::default(),
        None => return Err(ClusterError::NoCurrentContext { known: contexts() }),
    };

    let cluster = options.cluster.clone().unwrap_or_else(|| context.cluster.clone());
    let mut entry = match all.clusters.iter().find(|c| c.name == cluster).and_then(|c| c.cluster.clone()) {
        Some(entry) => entry,
        None if cluster.is_empty() && options.server.is_some() => Entry::default(),
        None => {
            let known = all.clusters.iter().map(|c| c.name.clone()).collect();
            return Err(ClusterError::NoEntry { what: "cluster", name: cluster, known });
        }
    };
    let user = options.user.clone().or_else(|| context.user.clone()).filter(|u| !u.is_empty());
    let mut auth = match &user {
        None => AuthInfo::default(),
        Some(user) => {
            let found = all.auth_infos.iter().find(|u| u.name == *user).and_then(|u| u.auth_info.clone());
            found.ok_or_else(|| ClusterError::NoEntry {
                what: "user",
                name: user.clone(),
                known: all.auth_infos.iter().map(|u| u.name.clone()).collect(),
            })?
        }
    };
    apply_flags(options, &mut entry, &mut auth)?;
    let proxy = entry.proxy_url.take().filter(|p| !p.is_empty());
    let namespace = context.namespace.clone().filter(|n| !n.is_empty()).unwrap_or_else(|| "default".into());
    let name = name.unwrap_or_default();
    let kubeconfig = Kubeconfig {
        current_context: Some(name.clone()),
        contexts: vec![NamedContext {
            name: name.clone(),
            context: Some(Context { cluster: "c".into(), user: Some("u".into()), ..Context::default() }),
            ..NamedContext::default()
        }],
        clusters: vec![NamedCluster { name: "c".into(), cluster: Some(entry), ..NamedCluster::default() }],
        auth_infos: vec![NamedAuthInfo { name: "u".into(), auth_info: Some(auth), ..NamedAuthInfo::default() }],
        ..Kubeconfig::default()
    };
    Ok(Selected { kubeconfig, context: name, namespace, proxy })
}

fn apply_flags(options: &ConnectOptions, entry: &mut Entry, auth: &mut AuthInfo) -> Result<(), ClusterError> {
    let file = |path: &PathBuf| path.to_string_lossy().into_owned();
    if let Some(path) = &options.certificate_authority {
        entry.certificate_authority = Some(file(path));
        entry.certificate_authority_data = None;
    }
    if options.insecure_skip_tls_verify {
        entry.insecure_skip_tls_verify = Some(true);
    }
    if let Some(name) = &options.tls_server_name {
        entry.tls_server_name = Some(name.clone());
    }
    if let Some(server) = options.server.clone().or_else(|| entry.server.clone()) {
        // Without a scheme kubectl takes http, unless something about TLS is configured.
        let secure = entry.certificate_authority.is_some()
            || entry.certificate_authority_data.is_some()
            || entry.insecure_skip_tls_verify == Some(true);
        let scheme = if secure { "https" } else { "http" };
        entry.server = Some(if server.contains("://") { server } else { format!("{scheme}://{server}") });
    }
    if let Some(path) = &options.client_certificate {
        auth.client_certificate = Some(file(path));
        auth.client_certificate_data = None;
    }
    if let Some(path) = &options.client_key {
        auth.client_key = Some(file(path));
        auth.client_key_data = None;
    }
    if let Some(token) = &options.token {
        // Its type is of a crate that only kube names; reading it from JSON is the way in.
        let given: AuthInfo = serde_json::from_value(json!({"token": token})).map_err(|error| {
            ClusterError::Credentials { why: format!("--token cannot be used: {error}"), hint: None }
        })?;
        auth.token = given.token;
        (auth.token_file, auth.exec, auth.auth_provider, auth.username, auth.password) = (None, None, None, None, None);
    }
    if let Some(user) = &options.impersonate {
        auth.impersonate = Some(user.clone());
        auth.impersonate_groups = None;
        auth.impersonate_uid = None;
        auth.impersonate_user_extra = None;
    }
    if !options.impersonate_groups.is_empty() {
        auth.impersonate_groups = Some(options.impersonate_groups.clone());
    }
    if let Some(uid) = &options.impersonate_uid {
        auth.impersonate_uid = Some(uid.clone());
    }
    for (key, value) in &options.impersonate_extra {
        auth.impersonate_user_extra.get_or_insert_default().entry(key.clone()).or_default().push(value.clone());
    }
    Ok(())
}

fn in_file(error: &KubeconfigError, path: &Path) -> ClusterError {
    let path = path.display();
    ClusterError::Kubeconfig {
        why: match error {
            KubeconfigError::ReadConfig(error, _) => format!("the kubeconfig {path} cannot be read: {error}"),
            // Not the parser's own text: it quotes the line, which may hold a token.
            KubeconfigError::Parse(error) => {
                let place = error.location().map(|at| format!(" (line {}, column {})", at.line(), at.column()));
                format!("{path} is not a kubeconfig{}", place.unwrap_or_default())
            }
            other => format!("the kubeconfig {path} cannot be used: {}", clean(&other.to_string())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const FIRST: &str = "
contexts: [{name: a, context: {cluster: ca, user: ua, namespace: na}}, {name: odd, context: {cluster: gone}}]
clusters: [{name: ca, cluster: {server: 'https://a:6443', proxy-url: 'http://p:1'}}]
users: [{name: ua, user: {token: one, exec: {command: tool, installHint: get tool}}}]
";
    const SECOND: &str = "
current-context: b
contexts: [{name: b, context: {cluster: cb, user: nobody}}]
clusters: [{name: cb, cluster: {server: 'b:8080'}}]
";

    fn both() -> Kubeconfig {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (dir.path().join("1"), dir.path().join("2"));
        fs::write(&first, FIRST).unwrap();
        fs::write(&second, SECOND).unwrap();
        let list = env::join_paths([dir.path().join("missing"), first, second]).unwrap();
        read(&sources(None, Some(&list), None), false).unwrap()
    }

    #[test]
    fn files_come_from_flag_then_variable_then_home() {
        let home = Path::new("/home/u");
        let flag = sources(Some(Path::new("/f")), Some(OsStr::new("/v")), Some(home));
        assert_eq!(flag, Sources { paths: vec!["/f".into()], explicit: true });
        let list = sources(None, Some(OsStr::new("/v::/w")), Some(home));
        assert_eq!(list.paths, [PathBuf::from("/v"), PathBuf::from("/w")]);
        assert_eq!(sources(None, Some(OsStr::new("")), Some(home)).paths, [PathBuf::from("/home/u/.kube/config")]);
    }

    #[test]
    fn missing_files_of_a_list_are_skipped_but_not_all() {
        assert_eq!(both().contexts.len(), 3);
        let none = Sources { paths: vec!["/nonexistent/1".into()], explicit: false };
        assert!(matches!(read(&none, false), Err(ClusterError::NoKubeconfig { .. })));
        assert!(read(&none, true).is_ok());
        let named = Sources { explicit: true, ..none };
        assert!(read(&named, false).unwrap_err().to_string().contains("/nonexistent/1 cannot be read"));
    }

    #[test]
    fn a_parse_error_names_the_place_and_quotes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        fs::write(&path, "users:\n- name: u\n  user: {token: [s3cret]}\n").unwrap();
        let error = read(&Sources { paths: vec![path], explicit: true }, false).unwrap_err().to_string();
        assert!(error.contains("is not a kubeconfig") && !error.contains("s3cret"), "{error}");
    }

    #[test]
    fn a_context_brings_its_namespace_proxy_and_hint() {
        let options = ConnectOptions { context: Some("a".into()), ..ConnectOptions::default() };
        let selected = select(both(), &options).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((selected.context.as_str(), selected.namespace.as_str()), ("a", "na"));
        assert_eq!(selected.proxy.as_deref(), Some("http://p:1"));
        assert_eq!(selected.plugin().and_then(|p| p.hint).as_deref(), Some("get tool"));
    }

    fn refused(options: &ConnectOptions) -> String {
        select(both(), options).err().map(|e| e.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_is_missing_is_named_with_what_exists() {
        let context = ConnectOptions { context: Some("x".into()), ..ConnectOptions::default() };
        assert_eq!(refused(&context), "context x does not exist in the kubeconfig; known: a, odd, b");
        let odd = ConnectOptions { context: Some("odd".into()), ..ConnectOptions::default() };
        assert_eq!(refused(&odd), "cluster gone does not exist in the kubeconfig; known: ca, cb");
        assert_eq!(refused(&ConnectOptions::default()), "user nobody does not exist in the kubeconfig; known: ua");
    }

    #[test]
    fn flags_win_over_the_kubeconfig() {
        let options = ConnectOptions {
            context: Some("a".into()),
            server: Some("other:1".into()),
            token: Some("two".into()),
            insecure_skip_tls_verify: true,
            impersonate: Some("ann".into()),
            ..ConnectOptions::default()
        };
        let selected = select(both(), &options).unwrap_or_else(|e| panic!("{e}"));
        let entry = selected.kubeconfig.clusters[0].cluster.clone().unwrap();
        assert_eq!(entry.server.as_deref(), Some("https://other:1"));
        let auth = selected.kubeconfig.auth_infos[0].auth_info.clone().unwrap();
        assert!(auth.exec.is_none() && auth.impersonate.as_deref() == Some("ann"));
        assert_eq!(serde_json::to_value(&auth).unwrap()["token"], "two");
    }

    #[test]
    fn a_server_by_flag_needs_no_kubeconfig() {
        let options = ConnectOptions { server: Some("http://h:1".into()), ..ConnectOptions::default() };
        let selected = select(Kubeconfig::default(), &options).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((selected.context.as_str(), selected.namespace.as_str()), ("", "default"));
    }
}
