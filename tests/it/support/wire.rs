//! The wire between the plugin and the API server: bytes pass unseen, connections are counted, and it can break.

use super::cluster::Cluster;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::broadcast;

/// What befalls every connection that is up. Later ones are as good as new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// It ends.
    Cut,
    /// Nothing passes any more, and nobody says so.
    Silence,
}

/// A running wire. Dropped, it ends with all of its connections.
pub struct Wire {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    breaks: broadcast::Sender<Break>,
    runtime: Option<Runtime>,
}

impl Wire {
    /// Lays a wire to the test cluster's API server.
    pub fn lay(cluster: &Cluster) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (server, listener) = runtime.block_on(async {
            let url = cluster.config().await.cluster_url;
            let server = url.authority().expect("a server with a port").to_string();
            (server, TcpListener::bind(("127.0.0.1", 0)).await.expect("a port"))
        });
        let address = listener.local_addr().expect("the port's number");
        let (connections, breaks) = (Arc::new(AtomicUsize::new(0)), broadcast::Sender::new(4));
        let (count, breaking) = (Arc::clone(&connections), breaks.clone());
        runtime.spawn(async move {
            while let Ok((plugin, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(pass(plugin, server.clone(), breaking.subscribe()));
            }
        });
        Self { address, connections, breaks, runtime: Some(runtime) }
    }

    /// The plugin's command, over this wire.
    pub fn over(&self, mut command: Command) -> Command {
        command.arg(format!("--server=https://{}", self.address)).env("NO_PROXY", "127.0.0.1");
        command
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Breaks what is up.
    pub fn breaks(&self, how: Break) {
        self.breaks.send(how).expect("a connection is up");
    }
}

async fn pass(mut plugin: TcpStream, server: String, mut breaks: broadcast::Receiver<Break>) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut plugin, &mut server) => {}
        how = breaks.recv() => {
            if how == Ok(Break::Silence) {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
