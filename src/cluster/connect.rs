//! From a kubeconfig and the connection flags to a client: reads what kubectl would read, applies the flags, and
//! sets up the HTTP stack. No request is sent here.
//!
//! What the kubeconfig says is `kubeconfig`'s; kube's loader then does what a context means (certificates, plugins,
//! tokens), but for the proxy, since it matches `NO_PROXY` against the proxy itself.

use super::{
    Cluster, ClusterError, Inner,
    http_log::{Bodies, Traffic, TrafficLayer},
    kubeconfig::{Sources, read, select, sources},
    proxy,
    status::clean,
    transport::{Circumstances, credentials, transport},
};
use http::Uri;
use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_timeout::TimeoutConnector;
use hyper_util::{
    client::{legacy, legacy::connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use kube::{
    Client,
    client::{Body, ClientBuilder, ConfigExt as _, RustlsTlsError},
    config::{Config, KubeConfigOptions, KubeconfigError},
};
use rustls_pki_types::ServerName;
use std::{env, path::PathBuf, sync::Arc, time::Duration};
use tower::{BoxError, ServiceBuilder};

/// How long a connection may take to come up, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// How long an answer may take, unless `--request-timeout` says otherwise. Watches have their own bounds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a connection of many requests is tried that is silent while answers are due: one that broke without a word
/// would take all of them, and each try anew, with it.
const PING: Duration = Duration::from_secs(5);
/// How long it may be silent then.
const PING_ANSWER: Duration = Duration::from_secs(5);

/// kubectl's connection flags. Everything left out is the kubeconfig's.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// `--kubeconfig`: read this file only.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub context: Option<String>,
    /// `--cluster`.
    pub cluster: Option<String>,
    /// `--user`.
    pub user: Option<String>,
    /// `--namespace`.
    pub namespace: Option<String>,
    /// `--server`: `https://host:port`.
    pub server: Option<String>,
    /// `--token`: used instead of whatever credentials the user entry has.
    pub token: Option<String>,
    /// `--certificate-authority`.
    pub certificate_authority: Option<PathBuf>,
    /// `--client-certificate`.
    pub client_certificate: Option<PathBuf>,
    /// `--client-key`.
    pub client_key: Option<PathBuf>,
    /// `--tls-server-name`.
    pub tls_server_name: Option<String>,
    /// `--insecure-skip-tls-verify`.
    pub insecure_skip_tls_verify: bool,
    /// `--as`.
    pub impersonate: Option<String>,
    /// `--as-group`.
    pub impersonate_groups: Vec<String>,
    /// `--as-uid`.
    pub impersonate_uid: Option<String>,
    /// `--as-user-extra`.
    pub impersonate_extra: Vec<(String, String)>,
    /// `--request-timeout`: per request, watches excepted; zero means no limit.
    pub request_timeout: Option<Duration>,
    /// `-v`: 6 logs request lines, 7 request headers, 8 response headers and the beginning of bodies, 9 more of them.
    pub verbosity: u8,
    /// Where these lines go.
    pub log: Option<fn(&str)>,
}

/// What a kubeconfig has to choose from, by name.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    /// Contexts.
    pub contexts: Vec<String>,
    /// Cluster entries.
    pub clusters: Vec<String>,
    /// User entries.
    pub users: Vec<String>,
}

impl ConnectOptions {
    /// What the kubeconfig has, in its own order.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn entries(&self) -> Result<Entries, ClusterError> {
        let all = read(&self.sources(), false)?;
        Ok(Entries {
            contexts: all.contexts.into_iter().map(|entry| entry.name).collect(),
            clusters: all.clusters.into_iter().map(|entry| entry.name).collect(),
            users: all.auth_infos.into_iter().map(|entry| entry.name).collect(),
        })
    }

    fn sources(&self) -> Sources {
        sources(self.kubeconfig.as_deref(), env::var_os("KUBECONFIG").as_deref(), env::home_dir().as_deref())
    }
}

impl Cluster {
    /// Prepares a client. No request is sent, but a credential plugin may run.
    ///
    /// # Errors
    /// When no kubeconfig is found, or it does not have what the flags name, or credentials cannot be had.
    pub async fn connect(options: &ConnectOptions) -> Result<Self, ClusterError> {
        let selected = select(read(&options.sources(), options.server.is_some())?, options)?;
        let plugin = selected.plugin();
        let mut config = Config::from_custom_kubeconfig(selected.kubeconfig, &KubeConfigOptions::default())
            .await
            .map_err(|error| kubeconfig_error(&error))?;
        let proxy = selected
            .proxy
            .or_else(|| proxy::from_environment(&config.cluster_url, |name| env::var(name).ok()))
            .map(|proxy| proxy.parse::<Uri>())
            .transpose()
            .map_err(|error| ClusterError::Kubeconfig { why: format!("the proxy's URL is not valid: {error}") })?;
        config.proxy_url = proxy;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.read_timeout = None; // bounded per request; a watch is silent for long
        config.default_retry = false; // up to 15 tries over many minutes

        let server = address(&config.cluster_url);
        let proxy = config.proxy_url.as_ref().map(address);
        let traffic = Arc::new(Traffic::default());
        let auth = &config.auth_info;
        let authorized = auth.token.is_some()
            || auth.token_file.is_some()
            || auth.exec.is_some()
            || auth.auth_provider.is_some()
            || auth.password.is_some();
        let layer = TrafficLayer {
            traffic: traffic.clone(),
            verbosity: options.verbosity,
            log: options.log,
            server: config.cluster_url.clone(),
            authorized,
        };
        let client = match config.proxy_url {
            None => straight(&config, &layer),
            Some(_) => ClientBuilder::try_from(config).map(|stack| stack.with_layer(&layer).build()),
        };
        let client = client.map_err(|error| {
            let at = Circumstances { server: &server, proxy: None, action: "log in", plugin: plugin.as_ref() };
            setup_error(&error, &at)
        })?;
        let request_timeout = options.request_timeout.unwrap_or(REQUEST_TIMEOUT);
        Ok(Self {
            fence: None,
            insists: false,
            inner: Arc::new(Inner {
                client,
                traffic,
                server,
                proxy,
                plugin,
                bodies: Bodies { log: options.log, verbosity: options.verbosity },
                context: selected.context,
                namespace: options.namespace.clone().unwrap_or_else(|| selected.namespace.clone()),
                context_namespace: selected.namespace,
                timeout: Some(request_timeout).filter(|t| !t.is_zero()),
                slots: tokio::sync::Semaphore::new(super::PARALLEL_REQUESTS),
                discovered: tokio::sync::Mutex::default(),
            }),
        })
    }
}

/// kube's HTTP stack where no proxy stands between, but for two things.
///
/// HTTP/2 where the server speaks it: everything goes over one connection. The dozens of requests that go out together,
/// watches and followed logs would each need a handshake of their own, which is more work, on both sides, than most of
/// their answers are.
///
/// What is written goes out. By default the first request of a connection waits, behind the last words of the TLS
/// handshake, for an acknowledgement that the server's kernel holds back for 40 ms (Nagle's algorithm).
fn straight(config: &Config, layer: &TrafficLayer) -> kube::Result<Client> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    let mut https = HttpsConnectorBuilder::new().with_tls_config(config.rustls_client_config()?).https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = ServerName::try_from(name.clone());
        let name = name.map_err(|error| kube::Error::RustlsTls(RustlsTlsError::InvalidServerName(error)))?;
        https = https.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    let connector = https.enable_all_versions().wrap_connector(connector);
    let mut connector = TimeoutConnector::new(connector);
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_write_timeout(config.write_timeout);
    let client: legacy::Client<_, Body> = legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(PING_ANSWER)
        .build(connector);
    let service = ServiceBuilder::new()
        .layer(layer)
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(client);
    Ok(Client::new(service, config.default_namespace.as_str()))
}

/// `host:port`, the port left out when the URL has none.
fn address(url: &Uri) -> String {
    let host = url.host().unwrap_or_default();
    url.port_u16().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn kubeconfig_error(error: &KubeconfigError) -> ClusterError {
    let why = match error {
        KubeconfigError::MissingClusterUrl => "the kubeconfig's cluster has no server".to_owned(),
        KubeconfigError::ParseNoProxy(error) => format!("NO_PROXY cannot be understood: {error}"),
        other => format!("the kubeconfig cannot be used: {}", clean(&other.to_string())),
    };
    ClusterError::Kubeconfig { why }
}

fn setup_error(error: &kube::Error, at: &Circumstances<'_>) -> ClusterError {
    match error {
        kube::Error::Auth(error) => credentials(error, at.plugin),
        kube::Error::InferKubeconfig(error) => kubeconfig_error(error),
        kube::Error::RustlsTls(error) => {
            ClusterError::Kubeconfig { why: format!("the kubeconfig's certificates cannot be used: {error}") }
        }
        kube::Error::ProxyProtocolUnsupported { proxy_url } => ClusterError::Kubeconfig {
            why: format!("the proxy {} has a scheme that is not supported", address(proxy_url)),
        },
        other => transport(other, at),
    }
}
