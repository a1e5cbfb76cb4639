//! Opens connections to the server, the Sentinel master or the cluster of a URL.

use super::{
    transport::Transport,
    url::{Target, Topology},
};
use crate::store::ConnectError;
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, ProtocolVersion, PushInfo, PushKind,
    RedisError, io::tcp::TcpSettings,
};
use std::{sync::Arc, time::Duration};

/// An idle connection is probed after this time, and then every fifth of it.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// The system closes a connection if sent data is not acknowledged for this long.
const USER_TIMEOUT: Duration = Duration::from_secs(2);
/// How many commands can wait for the socket. Further ones wait until there is room.
const PIPELINE_BUFFER: usize = 1024;

/// Time-outs of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    /// From a command to its reply.
    response: Duration,
    /// To open the connection. No request waits for this longer than its deadline.
    connect: Duration,
}

impl Timeouts {
    /// Time-outs for a limiter with this deadline: 40 ms and 100 ms for the default of 50 ms.
    ///
    /// The response time-out is shorter than the deadline. Otherwise the deadline would cancel
    /// every late command, and the connection would never see a time-out.
    pub(super) fn within(deadline: Duration) -> Self {
        Self {
            response: deadline * 4 / 5,
            connect: deadline * 2,
        }
    }
}

/// A client of the `redis` crate that opens connections, or a connection of the application.
pub(super) enum Connector {
    Server(Box<Client>, Timeouts),
    #[cfg(feature = "redis-sentinel")]
    Sentinel(
        Box<tokio::sync::Mutex<redis::sentinel::SentinelClient>>,
        Timeouts,
    ),
    #[cfg(feature = "redis-cluster")]
    Cluster(Box<redis::cluster::ClusterClient>),
    /// A connection that the application made. It is never reopened here.
    External(Arc<dyn Transport>),
}

impl Connector {
    /// # Errors
    /// If the `redis` crate rejects the settings of the URL.
    pub(super) fn new(target: Target, timeouts: Timeouts) -> Result<Self, ConnectError> {
        #[cfg(feature = "redis-tls")]
        install_crypto_provider();
        let found = target.redacted_url;
        let invalid = |error: RedisError| ConnectError::Url {
            found: found.clone(),
            problem: error.to_string().into(),
        };
        match target.topology {
            Topology::Server(info) => client(with_tcp(info), target.ca.as_deref())
                .map(|client| Self::Server(Box::new(client), timeouts))
                .map_err(invalid),
            #[cfg(feature = "redis-sentinel")]
            Topology::Sentinel { nodes, master } => sentinel(&nodes, &master, target.ca.as_deref())
                .map(|client| Self::Sentinel(Box::new(tokio::sync::Mutex::new(client)), timeouts))
                .map_err(invalid),
            #[cfg(feature = "redis-cluster")]
            Topology::Cluster(nodes) => cluster(nodes, target.ca.as_deref(), timeouts)
                .map(|client| Self::Cluster(Box::new(client)))
                .map_err(invalid),
        }
    }

    /// Whether all keys are on one server, so that one script may use any of them.
    pub(super) fn is_one_server(&self) -> bool {
        match self {
            Self::Server(..) | Self::External(_) => true,
            #[cfg(feature = "redis-sentinel")]
            Self::Sentinel(..) => true,
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(_) => false,
        }
    }

    /// The client of the cluster, for the administration of each of its nodes.
    #[cfg(feature = "redis-cluster")]
    pub(super) fn cluster_client(&self) -> Option<redis::cluster::ClusterClient> {
        match self {
            Self::Cluster(client) => Some((**client).clone()),
            _ => None,
        }
    }

    /// Opens a connection.
    ///
    /// `on_disconnect` is called when a connection that uses RESP3 to a server is lost.
    ///
    /// # Errors
    /// If the server does not answer, or rejects the connection.
    pub(super) async fn open(
        &self,
        on_disconnect: impl Fn() + Send + Sync + 'static,
    ) -> Result<Arc<dyn Transport>, RedisError> {
        match self {
            Self::Server(client, timeouts) => open_server(client, *timeouts, on_disconnect).await,
            #[cfg(feature = "redis-sentinel")]
            Self::Sentinel(sentinels, timeouts) => {
                let client = sentinels.lock().await.async_get_client().await?;
                open_server(&client, *timeouts, on_disconnect).await
            }
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(client) => Ok(Arc::new(client.get_async_connection().await?)),
            Self::External(transport) => Ok(transport.clone()),
        }
    }
}

async fn open_server(
    client: &Client,
    timeouts: Timeouts,
    on_disconnect: impl Fn() + Send + Sync + 'static,
) -> Result<Arc<dyn Transport>, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(timeouts.connect))
        .set_response_timeout(Some(timeouts.response))
        .set_pipeline_buffer_size(PIPELINE_BUFFER);
    let with_push = config.clone().set_push_sender(move |push: PushInfo| {
        if push.kind == PushKind::Disconnection {
            on_disconnect();
        }
        Ok::<_, std::convert::Infallible>(())
    });
    match client
        .get_multiplexed_async_connection_with_config(&with_push)
        .await
    {
        Ok(connection) => Ok(Arc::new(connection)),
        // A proxy may support only RESP2, which has no push messages. Then the next request finds
        // out that the connection is lost.
        Err(error) if error.kind() == ErrorKind::RESP3NotSupported => {
            let info = client.get_connection_info();
            let settings = info
                .redis_settings()
                .clone()
                .set_protocol(ProtocolVersion::RESP2);
            let client = Client::open(info.clone().set_redis_settings(settings))?;
            let connection = client
                .get_multiplexed_async_connection_with_config(&config)
                .await?;
            Ok(Arc::new(connection))
        }
        Err(error) => Err(error),
    }
}

fn client(info: ConnectionInfo, ca: Option<&[u8]>) -> Result<Client, RedisError> {
    #[cfg(feature = "redis-tls")]
    if let Some(ca) = ca {
        return Client::build_with_tls(info, certificates(ca));
    }
    let _ = ca;
    Client::open(info)
}

fn with_tcp(info: ConnectionInfo) -> ConnectionInfo {
    let settings = info
        .redis_settings()
        .clone()
        .set_protocol(ProtocolVersion::RESP3)
        .set_lib_name("limit-runtime", env!("CARGO_PKG_VERSION"));
    info.set_tcp_settings(tcp()).set_redis_settings(settings)
}

fn tcp() -> TcpSettings {
    let keepalive = redis::io::tcp::socket2::TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE / 5);
    let settings = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keepalive);
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let settings = settings.set_user_timeout(USER_TIMEOUT);
    settings
}

#[cfg(feature = "redis-sentinel")]
fn sentinel(
    nodes: &[ConnectionInfo],
    master: &str,
    ca: Option<&[u8]>,
) -> Result<redis::sentinel::SentinelClient, RedisError> {
    use redis::sentinel::{SentinelClientBuilder, SentinelServerType};

    let addresses = nodes.iter().map(|node| node.addr().clone());
    let mut builder = SentinelClientBuilder::new(addresses, master, SentinelServerType::Master)?
        .set_client_to_redis_protocol(ProtocolVersion::RESP3)
        .set_client_to_redis_tcp_settings(tcp())
        .set_client_to_sentinel_tcp_settings(tcp());
    if let Some(first) = nodes.first() {
        let settings = first.redis_settings();
        builder = builder.set_client_to_redis_db(settings.db());
        if let Some(user) = settings.username() {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = settings.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        #[cfg(feature = "redis-tls")]
        if matches!(first.addr(), redis::ConnectionAddr::TcpTls { .. }) {
            builder = builder
                .set_client_to_redis_tls_mode(redis::TlsMode::Secure)
                .set_client_to_sentinel_tls_mode(redis::TlsMode::Secure);
        }
    }
    #[cfg(feature = "redis-tls")]
    if let Some(ca) = ca {
        let certificates = certificates(ca);
        return builder
            .set_client_to_redis_certificates(certificates.clone())
            .set_client_to_sentinel_certificates(certificates)
            .build();
    }
    let _ = ca;
    builder.build()
}

#[cfg(feature = "redis-cluster")]
fn cluster(
    nodes: Vec<ConnectionInfo>,
    ca: Option<&[u8]>,
    timeouts: Timeouts,
) -> Result<redis::cluster::ClusterClient, RedisError> {
    // The crate's defaults are 16 retries, with waits of up to 655 s.
    let builder = redis::cluster::ClusterClientBuilder::new(nodes.into_iter().map(with_tcp))
        .retries(1)
        .min_retry_wait(10)
        .max_retry_wait(50)
        .connection_timeout(timeouts.connect)
        .response_timeout(timeouts.response)
        .tcp_settings(tcp())
        .use_protocol(ProtocolVersion::RESP3);
    #[cfg(feature = "redis-tls")]
    if let Some(ca) = ca {
        return builder.certs(certificates(ca)).build();
    }
    let _ = ca;
    builder.build()
}

#[cfg(feature = "redis-tls")]
fn certificates(ca: &[u8]) -> redis::TlsCertificates {
    redis::TlsCertificates {
        client_tls: None,
        root_cert: Some(ca.to_vec()),
    }
}

/// Installs *ring* as the crypto provider of rustls, unless the program has chosen another one.
///
/// Without a provider for the process, rustls panics.
#[cfg(feature = "redis-tls")]
fn install_crypto_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Fails if another thread has installed one meanwhile, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
