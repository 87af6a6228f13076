//! `scimbridge serve`: puts the parts together and runs until told to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{first_token, open_directory, open_store, print, supervisor};
use crate::config::{Actions, LogFormat, Settings};
use crate::http::tls::Certificate;
use crate::http::{self, Allowed, Edge, EdgeSettings, Measures, Patience, Rate, Service};
use crate::ldap;
use crate::scim::Kind;
use crate::settle::Bridge;
use crate::store::{self, Store as _};
use crate::telemetry::{self, Exporter, Logging, Traces};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where there is no token yet, neither in the store nor in the settings: make one of this name at the first start,
    /// and print it, that once
    #[arg(long, value_name = "NAME")]
    first_token: Option<String>,
}

pub(super) async fn run(arguments: Arguments, settings: Settings) -> anyhow::Result<()> {
    let traces = start_telemetry(&settings)?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let store = Arc::new(open_store(&settings).await?);
    let _serving = match store.take() {
        Err(store::Error::Taken { .. }) => {
            bail!(
                "another `scimbridge serve`, or `scimbridge adopt`, uses the store {}; stop it first",
                settings.store_url
            )
        }
        taken => taken?,
    };
    let stopping = CancellationToken::new();
    let rules = super::rules(&settings);
    store.reindex(&[(Kind::User, &rules.index(Kind::User)), (Kind::Group, &rules.index(Kind::Group))]).await?;
    let directory = open_directory(&settings)?;
    // Another write of the same resource may look at the directory, change it and look again.
    let patience = settings.ldap.timeout * 3;
    let edge = edge(&settings)?;
    let service = Arc::new(Service {
        edge,
        bridge: Bridge::new(store.clone(), directory, rules, patience, stopping.clone()),
        store: store.clone(),
        base_url: settings.server.base_url.clone(),
        base_path: settings.server.base_path.clone(),
        auth: super::auth::auth(&settings)?,
        users: allowed(settings.user_actions),
        groups: settings.groups.as_ref().map(|_| allowed(settings.group_actions)),
        writes: TaskTracker::new(),
        stopping: stopping.clone(),
    });

    if let Some(address) = settings.metrics {
        let measures = Measures::new(store.clone(), service.edge.certificate().cloned(), Exporter::start()?);
        show_metrics(address, measures, stopping.clone()).await?;
    }
    let scheme = if settings.server.tls.is_some() { "https" } else { "http" };
    let listen = settings.server.listen;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr().with_context(|| format!("cannot listen on {listen}"))?;
    stop_on_signals(stopping.clone())?;
    let asking = service.clone();
    tokio::spawn(async move { asking.bridge.report_on_directory().await });
    let background = {
        let (service, stopping) = (service.clone(), stopping.clone());
        tokio::spawn(async move { service.bridge.keep_settling(stopping).await })
    };
    let warning = {
        let (store, stopping) = (store.clone(), stopping.clone());
        tokio::spawn(async move { super::auth::keep_warning(&store, &stopping).await })
    };
    let listening = format!("{scheme}://{address}{}", settings.server.base_path);
    print(&format!("listening on {listening}"))?;
    if let Some(name) = &arguments.first_token {
        first_token::offer(name, &settings, &store).await?;
    }
    let supervised = tokio::spawn(supervisor::keep_telling(store.clone(), listening, stopping.clone()));
    let scheduled = {
        let (service, store, stopping) = (service.clone(), store.clone(), stopping.clone());
        tokio::spawn(async move {
            let reconciling = super::schedule::keep_reconciling(&settings, &store, &service.bridge, &stopping);
            let forgetting = super::retention::keep_forgetting(&settings, &store, &stopping);
            tokio::join!(reconciling, forgetting);
        })
    };
    http::serve(listener, service.clone()).await.context("the listener failed")?;
    background.await.context("the background task failed")?;
    scheduled.await.context("the scheduled task failed")?;
    warning.await.context("the task that warns of expiry failed")?;
    supervised.await.context("the task that tells the service manager failed")?;
    service.bridge.close().await;
    // Whoever copies the file of a service that has stopped has all of it.
    store.gather().await?;
    tracing::info!("stopped");
    if let Some(traces) = traces {
        traces.finish().await;
    }
    Ok(())
}

fn start_telemetry(settings: &Settings) -> anyhow::Result<Option<Traces>> {
    let format = match settings.log.format {
        LogFormat::Auto => telemetry::Format::Auto,
        LogFormat::Text => telemetry::Format::Text,
        LogFormat::Json => telemetry::Format::Json,
    };
    let logging = Logging {
        format,
        level: &settings.log.level,
        quiet: ldap::LOG_DIRECTIVE,
        otlp_endpoint: settings.log.otlp_endpoint.as_deref(),
    };
    Ok(telemetry::start(&logging)?)
}

/// Shows metrics at an address of their own, until `stopping`.
async fn show_metrics(address: SocketAddr, measures: Measures, stopping: CancellationToken) -> anyhow::Result<()> {
    let unusable = || format!("cannot listen on {address}, which metrics.listen names");
    let listener = TcpListener::bind(address).await.with_context(unusable)?;
    let address = listener.local_addr().with_context(unusable)?;
    tracing::info!(%address, "metrics are shown at /metrics");
    tokio::spawn(async move {
        if let Err(error) = http::serve_metrics(listener, measures, stopping).await {
            tracing::error!(error = &error as &dyn std::error::Error, "metrics are no longer shown");
        }
    });
    Ok(())
}

/// Where requests come in.
fn edge(settings: &Settings) -> anyhow::Result<Edge> {
    let server = &settings.server;
    let certificate = server.tls.as_ref().map(|files| Certificate::load(&files.cert_file, &files.key_file));
    Ok(Edge::new(EdgeSettings {
        certificate: certificate.transpose()?.map(Arc::new),
        trusted_proxies: server.trusted_proxies.clone(),
        allowed_networks: settings.allowed_networks.clone(),
        max_connections: server.max_connections,
        max_requests_in_flight: server.max_requests_in_flight,
        rate: server.rate_limit.and_then(|per_second| Rate::new(per_second, server.rate_burst)),
        patience: Patience { header: server.header_timeout, body: server.body_timeout, idle: server.idle_timeout },
    }))
}

fn allowed(actions: Actions) -> Allowed {
    Allowed { create: actions.create, update: actions.update, delete: actions.delete }
}

/// The first signal stops the service in order, one that comes later at once. Supervisors send a signal twice in a
/// breath, to the process and to its group: that is one.
fn stop_on_signals(stopping: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    tokio::spawn(async move {
        let mut first: Option<Instant> = None;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            match first {
                Some(first) if first.elapsed() > Duration::from_secs(1) => std::process::exit(1),
                Some(_) => continue,
                None => first = Some(Instant::now()),
            }
            tracing::info!("stopping: what is under way is finished");
            stopping.cancel();
        }
    });
    Ok(())
}
