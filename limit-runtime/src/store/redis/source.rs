//! Where a URL leads, and how a connection to it is opened.

use super::{url::Target, wire::Wire};
use crate::store::ConnectError;
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, ProtocolVersion, PushInfo, PushKind,
    RedisError, io::tcp::TcpSettings,
};
use std::{sync::Arc, time::Duration};

/// How long a silent peer is believed in.
const KEEPALIVE: Duration = Duration::from_secs(5);
const USER_TIMEOUT: Duration = Duration::from_secs(2);
/// Checks that wait for the socket at once; more wait for a place.
const PIPELINE: usize = 1024;

/// How long a server may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// For an answer.
    response: Duration,
    /// For a connection; nobody waits for it any longer than for an answer.
    connect: Duration,
}

impl Times {
    /// Under this deadline over the whole call. An answer has less, so that a slow server is noticed as such: 40 and
    /// 100 ms under the usual 50.
    pub(super) fn under(deadline: Duration) -> Self {
        Self {
            response: deadline * 4 / 5,
            connect: deadline * 2,
        }
    }
}

/// What connections are opened from.
pub(super) enum Source {
    Server(Box<Client>, Times),
    #[cfg(feature = "redis-sentinel")]
    Sentinel(
        Box<tokio::sync::Mutex<redis::sentinel::SentinelClient>>,
        Times,
    ),
    #[cfg(feature = "redis-cluster")]
    Cluster(Box<redis::cluster::ClusterClient>),
    /// The user's own, which is never opened again by us.
    Given(Arc<dyn Wire>),
}

impl Source {
    /// # Errors
    /// When the settings of the URL cannot go together.
    pub(super) fn new(target: Target, times: Times) -> Result<Self, ConnectError> {
        #[cfg(feature = "redis-tls")]
        install_crypto();
        let found = target.shown;
        let wrong = |error: RedisError| ConnectError::Url {
            found: found.clone(),
            problem: error.to_string().into(),
        };
        match target.topology {
            super::url::Topology::Server(info) => client(with_tcp(info), target.ca.as_deref())
                .map(|client| Self::Server(Box::new(client), times))
                .map_err(wrong),
            #[cfg(feature = "redis-sentinel")]
            super::url::Topology::Sentinel { nodes, master } => {
                sentinel(&nodes, &master, target.ca.as_deref())
                    .map(|client| Self::Sentinel(Box::new(tokio::sync::Mutex::new(client)), times))
                    .map_err(wrong)
            }
            #[cfg(feature = "redis-cluster")]
            super::url::Topology::Cluster(nodes) => cluster(nodes, target.ca.as_deref(), times)
                .map(|client| Self::Cluster(Box::new(client)))
                .map_err(wrong),
        }
    }

    /// Whether one script may touch keys of different owners.
    pub(super) fn is_one_server(&self) -> bool {
        match self {
            Self::Server(..) | Self::Given(_) => true,
            #[cfg(feature = "redis-sentinel")]
            Self::Sentinel(..) => true,
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(_) => false,
        }
    }

    /// Opens a connection; `lost` is called once when it is found dead, at once where the server speaks RESP3.
    ///
    /// # Errors
    /// When there is no server, or it does not let us in.
    pub(super) async fn open(
        &self,
        lost: impl Fn() + Send + Sync + 'static,
    ) -> Result<Arc<dyn Wire>, RedisError> {
        match self {
            Self::Server(client, times) => server(client, *times, lost).await,
            #[cfg(feature = "redis-sentinel")]
            Self::Sentinel(sentinels, times) => {
                let client = sentinels.lock().await.async_get_client().await?;
                server(&client, *times, lost).await
            }
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(client) => Ok(Arc::new(client.get_async_connection().await?)),
            Self::Given(wire) => Ok(wire.clone()),
        }
    }
}

async fn server(
    client: &Client,
    times: Times,
    lost: impl Fn() + Send + Sync + 'static,
) -> Result<Arc<dyn Wire>, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(times.connect))
        .set_response_timeout(Some(times.response))
        .set_pipeline_buffer_size(PIPELINE);
    let watched = config.clone().set_push_sender(move |push: PushInfo| {
        if push.kind == PushKind::Disconnection {
            lost();
        }
        Ok::<_, std::convert::Infallible>(())
    });
    match client
        .get_multiplexed_async_connection_with_config(&watched)
        .await
    {
        Ok(connection) => Ok(Arc::new(connection)),
        // A proxy that speaks the older protocol only: a lost connection shows at the next request.
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
    times: Times,
) -> Result<redis::cluster::ClusterClient, RedisError> {
    // The defaults are 16 retries that wait up to 655 s.
    let builder = redis::cluster::ClusterClientBuilder::new(nodes.into_iter().map(with_tcp))
        .retries(1)
        .min_retry_wait(10)
        .max_retry_wait(50)
        .connection_timeout(times.connect)
        .response_timeout(times.response)
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

/// rustls wants one provider for the whole process and panics without: *ring* unless the program chose another.
#[cfg(feature = "redis-tls")]
fn install_crypto() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Whoever comes first wins; either will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
