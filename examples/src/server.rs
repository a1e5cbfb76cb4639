//! Runs the router of an example as a program.

use axum::Router;
use std::{env, error::Error, io, net::SocketAddr};
use tokio::net::TcpListener;

/// Serves `app` on `PORT` (8000) of this machine until the program is asked to stop, then finishes
/// the requests that have begun.
///
/// `source` is the source text of the example. Its first lines are printed, with the address that
/// it listens on.
///
/// # Errors
/// `PORT` is not a port number, or the port is in use.
pub async fn serve(app: Router, source: &str) -> Result<(), Box<dyn Error>> {
    // The example may have done so.
    let _ = tracing_subscriber::fmt().try_init();
    let port = match env::var("PORT") {
        Ok(text) => text
            .parse()
            .map_err(|error| format!("PORT is `{text}`, not a port from 0 to 65535: {error}"))?,
        Err(_) => 8000,
    };
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    // Before it prints that it listens: a program that reads that may send a signal.
    let stop = stop()?;
    println!("Listening on http://{address}\n");
    let head = source.lines().map_while(|line| line.strip_prefix("//!"));
    for line in head.filter(|line| !line.contains("```")) {
        let line = line.strip_prefix(' ').unwrap_or(line);
        println!("{}", line.replace("localhost:8000", &address.to_string()));
    }
    axum::serve(
        listener,
        app.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .with_graceful_shutdown(stop)
    .await?;
    println!("Stopped: every request that had begun was answered.");
    Ok(())
}

/// Completes on Ctrl-C or SIGTERM, from now on.
#[cfg(unix)]
fn stop() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Completes on Ctrl-C.
#[cfg(not(unix))]
fn stop() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without a handler for it, an interrupt ends the process by itself.
        let _ = tokio::signal::ctrl_c().await;
    })
}
