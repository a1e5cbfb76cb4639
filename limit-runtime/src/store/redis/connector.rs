//! Opens connections to the server, the Sentinel master or the cluster of a URL.

use super::{
    server_error::has_code,
    transport::Transport,
    url::{Certificates, Target, Topology},
};
#[cfg(feature = "redis-sentinel")]
use super::{server_error::sentinel_error, url::Sentinel};
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
/// How long to try to open a connection at least. No request waits for it longer than its deadline.
const CONNECT: Duration = Duration::from_secs(1);
/// How long an answer to a command is awaited at least.
const LATE_ANSWER: Duration = Duration::from_secs(2);
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
    /// Time-outs for a limiter with this deadline: 2 s and 1 s for the default of 50 ms.
    ///
    /// No request waits longer than the deadline. An answer that comes later still shows what was
    /// counted, and that the connection is alive.
    pub(super) fn within(deadline: Duration) -> Self {
        Self {
            response: LATE_ANSWER.max(deadline * 4 / 5),
            connect: CONNECT.max(deadline * 2),
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
        let (found, protocol) = (target.redacted_url, target.protocol);
        let certificates = target.certificates;
        // Addresses and certificates are checked before. The texts of the crate quote no URL.
        let invalid = |error: RedisError| ConnectError::Url {
            found,
            problem: error.to_string().into(),
        };
        match target.topology {
            Topology::Server(info) => client(with_tcp(info, protocol), certificates)
                .map(|client| Self::Server(Box::new(client), timeouts))
                .map_err(invalid),
            #[cfg(feature = "redis-sentinel")]
            Topology::Sentinel(target) => sentinel(target, protocol, certificates)
                .map(|client| Self::Sentinel(Box::new(tokio::sync::Mutex::new(client)), timeouts))
                .map_err(invalid),
            #[cfg(feature = "redis-cluster")]
            Topology::Cluster(nodes) => cluster(nodes, protocol, certificates, timeouts)
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
                let client = sentinels.lock().await.async_get_client().await;
                let client = client.map_err(sentinel_error)?;
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
    if client.get_connection_info().redis_settings().protocol() == ProtocolVersion::RESP2 {
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        return Ok(Arc::new(connection.await?));
    }
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
        Err(error) if has_only_resp2(&error) => {
            let info = client.get_connection_info();
            let settings = info
                .redis_settings()
                .clone()
                .set_protocol(ProtocolVersion::RESP2);
            // The address has the certificates.
            let client = Client::open(info.clone().set_redis_settings(settings))?;
            let connection = client
                .get_multiplexed_async_connection_with_config(&config)
                .await?;
            Ok(Arc::new(connection))
        }
        Err(error) => Err(error),
    }
}

/// Whether the answer to `HELLO 3` says that there is no such command or protocol.
///
/// The `redis` crate recognises only one of the texts.
fn has_only_resp2(error: &RedisError) -> bool {
    let is_unknown = || {
        let text = error.to_string().to_ascii_lowercase();
        text.contains("hello")
            && ["unknown", "unsupported", "not supported"]
                .iter()
                .any(|word| text.contains(word))
    };
    error.kind() == ErrorKind::RESP3NotSupported || has_code(error, "NOPROTO") || is_unknown()
}

fn client(info: ConnectionInfo, certificates: Option<Certificates>) -> Result<Client, RedisError> {
    match certificates {
        #[cfg(feature = "redis-tls")]
        Some(certificates) => Client::build_with_tls(info, certificates),
        #[cfg(not(feature = "redis-tls"))]
        Some(certificates) => match certificates {},
        None => Client::open(info),
    }
}

fn with_tcp(info: ConnectionInfo, protocol: ProtocolVersion) -> ConnectionInfo {
    let settings = info.redis_settings().clone().set_protocol(protocol);
    let settings = match protocol {
        // For proxies that close a connection when they do not know a command.
        ProtocolVersion::RESP2 => settings.set_skip_set_lib_name(),
        _ => settings.set_lib_name("limit-runtime", env!("CARGO_PKG_VERSION")),
    };
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
    target: Sentinel,
    protocol: ProtocolVersion,
    certificates: Option<Certificates>,
) -> Result<redis::sentinel::SentinelClient, RedisError> {
    use redis::sentinel::{SentinelClientBuilder, SentinelServerType};

    let kind = SentinelServerType::Master;
    let mut builder = SentinelClientBuilder::new(target.nodes, target.master, kind)?
        .set_client_to_redis_protocol(protocol)
        .set_client_to_redis_tcp_settings(tcp())
        .set_client_to_sentinel_tcp_settings(tcp())
        .set_client_to_redis_db(target.server.db());
    if let Some(user) = target.server.username() {
        builder = builder.set_client_to_redis_username(user);
    }
    if let Some(password) = target.server.password() {
        builder = builder.set_client_to_redis_password(password);
    }
    if let Some(user) = target.user {
        builder = builder.set_client_to_sentinel_username(user);
    }
    if let Some(password) = target.password {
        builder = builder.set_client_to_sentinel_password(password);
    }
    #[cfg(feature = "redis-tls")]
    {
        if target.server_tls {
            builder = builder.set_client_to_redis_tls_mode(redis::TlsMode::Secure);
            if let Some(certificates) = &certificates {
                builder = builder.set_client_to_redis_certificates(certificates.clone());
            }
        }
        if target.tls {
            builder = builder.set_client_to_sentinel_tls_mode(redis::TlsMode::Secure);
            if let Some(certificates) = certificates {
                builder = builder.set_client_to_sentinel_certificates(certificates);
            }
        }
    }
    #[cfg(not(feature = "redis-tls"))]
    let _ = (certificates, target.tls, target.server_tls);
    builder.build()
}

#[cfg(feature = "redis-cluster")]
fn cluster(
    nodes: Vec<ConnectionInfo>,
    protocol: ProtocolVersion,
    certificates: Option<Certificates>,
    timeouts: Timeouts,
) -> Result<redis::cluster::ClusterClient, RedisError> {
    // The crate's defaults are 16 retries, with waits of up to 655 s.
    let nodes = nodes.into_iter().map(|node| with_tcp(node, protocol));
    let builder = redis::cluster::ClusterClientBuilder::new(nodes)
        .retries(1)
        .min_retry_wait(10)
        .max_retry_wait(50)
        .connection_timeout(timeouts.connect)
        .response_timeout(timeouts.response)
        .tcp_settings(tcp())
        .use_protocol(protocol);
    match certificates {
        #[cfg(feature = "redis-tls")]
        Some(certificates) => builder.certs(certificates).build(),
        #[cfg(not(feature = "redis-tls"))]
        Some(certificates) => match certificates {},
        None => builder.build(),
    }
}
