//! Sorts what fails below the Kubernetes API (connection, TLS, credentials) into `ClusterError`s.
//!
//! Errors of the HTTP client are never printed as they are: their text names Rust types, and may hold what a
//! credential plugin printed, which may be a token.

use super::{ClusterError, status::clean};
use kube::client::AuthError;
use std::{error::Error as StdError, io};

/// What an error of the HTTP client is sorted by, besides itself.
pub(super) struct Circumstances<'a> {
    /// `host:port`.
    pub server: &'a str,
    /// The proxy in use, which is then what a refused connection is about.
    pub proxy: Option<&'a str>,
    /// Verb and object.
    pub action: &'a str,
    /// The credential plugin, if the kubeconfig has one.
    pub plugin: Option<&'a Plugin>,
}

/// A credential plugin, as far as messages need it.
pub(super) struct Plugin {
    /// Its command.
    pub command: String,
    /// What the kubeconfig says about installing it.
    pub hint: Option<String>,
}

/// Sorts a failure below the Kubernetes API: the connection, TLS, credentials.
pub(super) fn transport(error: &(dyn StdError + 'static), at: &Circumstances<'_>) -> ClusterError {
    let mut connecting = false;
    let mut io_kind = None;
    let mut last = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(auth) = error.downcast_ref::<AuthError>() {
            return credentials(auth, at.plugin);
        }
        if let Some(client) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            connecting = connecting || client.is_connect();
        }
        if let Some(io) = error.downcast_ref::<io::Error>() {
            io_kind = Some(io.kind());
        }
        last = error.to_string();
        next = error.source();
    }
    let server = at.server.to_owned();
    if !connecting {
        return ClusterError::Broken { server, action: at.action.to_owned(), why: clean(&last) };
    }
    match (io_kind, at.proxy) {
        (Some(io::ErrorKind::ConnectionRefused), None) => ClusterError::Refused { server },
        (Some(io::ErrorKind::TimedOut), _) => ClusterError::Unreachable { server, why: "no answer in time".into() },
        (_, Some(proxy)) => {
            ClusterError::Unreachable { server, why: format!("through the proxy {proxy}: {}", connect_failure(&last)) }
        }
        _ => ClusterError::Unreachable { server, why: connect_failure(&last) },
    }
}

/// The commonest TLS failures in words; others as the TLS library says them.
fn connect_failure(text: &str) -> String {
    let known = [
        ("UnknownIssuer", "its certificate is signed by an authority that the kubeconfig does not name"),
        ("InvalidContentType", "it does not speak TLS: use http:// in the server's address"),
    ];
    match known.iter().find(|(mark, _)| text.contains(mark)) {
        Some((_, words)) => (*words).to_owned(),
        None => clean(text),
    }
}

/// Credential failures without what a plugin wrote to its standard output, which may be a token.
pub(super) fn credentials(error: &AuthError, plugin: Option<&Plugin>) -> ClusterError {
    let command = plugin.map(|p| format!(" {}", clean(&p.command))).unwrap_or_default();
    let named = format!("the kubeconfig's credential plugin{command}");
    let mut hint = plugin.and_then(|p| p.hint.clone());
    let why = match error {
        AuthError::AuthExecStart(io) => format!("{named} cannot be started: {io}"),
        AuthError::AuthExecRun { out, .. } => {
            let said = String::from_utf8_lossy(&out.stderr);
            let said = said.lines().map(str::trim).filter(|l| !l.is_empty()).take(5).collect::<Vec<_>>().join("\n");
            let said = if said.is_empty() { said } else { format!(": {}", clean(&said)) };
            format!("{named} failed ({}){said}", out.status)
        }
        AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed | AuthError::UnrefreshableTokenResponse => {
            format!("{named} gave no usable credentials")
        }
        other => {
            hint = None; // not about the plugin
            match other {
                AuthError::ReadTokenFile(io, path) => {
                    format!("the token file {} cannot be read: {io}", path.display())
                }
                AuthError::InvalidBearerToken(_) => "the token holds characters that an HTTP header cannot".into(),
                AuthError::AuthExec(why) => clean(why),
                other => format!("no credentials: {}", clean(&other.to_string())),
            }
        }
    };
    ClusterError::Credentials { why, hint }
}
