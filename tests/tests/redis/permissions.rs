//! The permissions that docs/REDIS.md lists are enough, and none of them is superfluous.

use limit_runtime::{
    IntoKey, Limiter, Strategy, limits,
    store::{Action, Charge, Fallback, Scope},
};
use std::{num::NonZeroU64, time::Duration};
use test_support::servers::{Cluster, Server, ask};

const DOCS: &str = include_str!("../../../docs/REDIS.md");

/// A user of the docs: its name, and what follows it.
struct User {
    name: &'static str,
    rules: String,
}

impl User {
    fn of_docs(name: &'static str) -> Self {
        let start = format!("ACL SETUSER {name} ");
        let rules = DOCS.lines().find_map(|line| line.strip_prefix(&start));
        Self {
            name,
            rules: rules.unwrap().replace("PASSWORD", "secret"),
        }
    }

    fn commands(&self) -> impl Iterator<Item = &str> {
        self.rules
            .split(' ')
            .filter_map(|rule| rule.strip_prefix('+'))
    }

    fn create(&self, port: u16) {
        self.create_without(port, "");
    }

    fn create_without(&self, port: u16, command: &str) {
        let without = format!("+{command}");
        let rules = self.rules.split(' ').filter(|rule| *rule != without);
        let rules: Vec<_> = rules.collect();
        let (name, rules) = (self.name, rules.join(" "));
        let reply = ask(port, &format!("ACL SETUSER {name} reset {rules}")).unwrap();
        assert!(reply.starts_with("+OK"), "{reply}");
        ask(port, "ACL LOG RESET").unwrap();
    }

    /// `None`: the start-up check has found that something is missing.
    async fn connect(&self, url: &str) -> Option<Limiter> {
        let credentials = format!("://{}:secret@", self.name);
        let url = url.replace("://", &credentials);
        let builder = Limiter::builder().remote(&url);
        let builder = builder.store_deadline(Duration::from_secs(10));
        builder.fallback(Fallback::Deny).connect().await.ok()
    }
}

/// The commands that the server has denied since the user was created. `None`: none.
///
/// `CLIENT SETINFO` is left out, as the docs say: Redis 7.0 does not know it.
fn denied(port: u16) -> Option<String> {
    let log = ask(port, "ACL LOG").unwrap();
    let entries = log.split("\r\nobject\r\n").skip(1);
    let commands = entries.filter_map(|entry| entry.lines().nth(1));
    let commands: Vec<_> = commands
        .filter(|command| !["client", "client|setinfo"].contains(command))
        .collect();
    (!commands.is_empty()).then(|| commands.join(", "))
}

/// Checks that use all commands of the scripts but one. Errors do not matter: the server records
/// what it denies.
async fn check(limiter: &Limiter) {
    let burst = NonZeroU64::new(3).unwrap();
    let limits = limits!("3/50ms; 9/minute");
    for strategy in [
        Strategy::MovingWindow,
        Strategy::FixedWindow,
        Strategy::SlidingWindow,
        Strategy::Gcra { burst },
    ] {
        let key = "alice".into_key();
        let charge = Charge::new(Scope::shared("jobs"), &key, &limits).strategy(strategy);
        let mut decisions = Vec::new();
        for cost in [1, 2, 1] {
            let charges = [charge.cost(cost)];
            let decision = limiter.check_all(&charges, Action::Consume).await;
            decisions.extend(decision.ok().map(|decision| (cost, decision)));
        }
        // The last hit first: it is not the only one.
        for (cost, decision) in decisions.iter().rev() {
            if !decision.receipts().is_empty() {
                let _ = limiter
                    .refund(&[charge.cost(*cost)], decision.receipts())
                    .await;
            }
        }
        for action in [Action::Peek, Action::Consume, Action::Force] {
            let _ = limiter.check_all(&[charge.cost(2)], action).await;
        }
        // Of the moving window, all hits leave it, then one after the other, then all.
        let pauses: &[u64] = match strategy {
            Strategy::MovingWindow => &[60, 30, 30, 0, 60],
            _ => &[0],
        };
        for &pause in pauses {
            let _ = limiter.check_all(&[charge], Action::Force).await;
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        let _ = limiter.check_all(&[charge], Action::Consume).await;
    }
}

/// More hits of one key than are kept apart.
async fn flood(limiter: &Limiter) {
    let limits = limits!("1000000/day");
    for _ in 0..8_300 {
        if limiter.check(&limits, "bob").await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn the_documented_users_can_do_what_they_are_for() {
    let server = Server::redis();
    let (port, url) = (server.port(), server.url());
    let (user, admin) = (User::of_docs("limiter"), User::of_docs("limiter-admin"));
    user.create(port);
    admin.create(port);
    let limiter = user.connect(&url).await.unwrap();
    let administration = admin.connect(&url).await.unwrap();
    check(&limiter).await;
    flood(&limiter).await;
    assert_eq!(denied(port), None);
    assert_eq!(limiter.health().failed, 0);
    let cleared = administration.reset_key("jobs", "alice").await.unwrap();
    assert_eq!(cleared, 4);
    administration.reset_all().await.unwrap();
    assert_eq!(denied(port), None);
    // The user for checks has no more than that.
    assert!(limiter.reset_all().await.is_err());
    assert!(limiter.reset_key("jobs", "alice").await.is_err());
}

#[tokio::test]
async fn no_documented_permission_is_superfluous() {
    let server = Server::redis();
    let (port, url) = (server.port(), server.url());
    let user = User::of_docs("limiter");
    for command in user.commands() {
        user.create_without(port, command);
        if let Some(limiter) = user.connect(&url).await {
            check(&limiter).await;
            if denied(port).is_none() {
                flood(&limiter).await;
            }
            // One command needs a pause of the right length, which a busy machine can miss.
            for _ in 0..20 {
                if denied(port).is_none() {
                    check(&limiter).await;
                }
            }
            assert!(denied(port).is_some(), "{command} is not needed");
        }
        ask(port, "FLUSHALL").unwrap();
        ask(port, "SCRIPT FLUSH").unwrap();
    }
    let admin = User::of_docs("limiter-admin");
    user.create(port);
    // Those of the first user are needed for checks.
    let checks: Vec<_> = user.commands().collect();
    for command in admin.commands().filter(|command| !checks.contains(command)) {
        check(&user.connect(&url).await.unwrap()).await;
        admin.create_without(port, command);
        if let Some(limiter) = admin.connect(&url).await {
            let _ = limiter.reset_key("jobs", "alice").await;
            let _ = limiter.reset_all().await;
            assert!(denied(port).is_some(), "{command} is not needed");
        }
    }
}

#[tokio::test]
async fn the_documented_users_are_enough_in_a_cluster() {
    let cluster = Cluster::start(false);
    let (user, admin) = (User::of_docs("limiter"), User::of_docs("limiter-admin"));
    for node in &cluster.nodes {
        user.create(node.port());
        admin.create(node.port());
        for user in [&user, &admin] {
            let allow = format!("ACL SETUSER {} +cluster|slots", user.name);
            assert!(ask(node.port(), &allow).unwrap().starts_with("+OK"));
        }
    }
    let limiter = user.connect(&cluster.url()).await.unwrap();
    let administration = admin.connect(&cluster.url()).await.unwrap();
    for who in 0..32_u32 {
        let check = limiter.check(&limits!("9/minute"), who);
        assert!(check.await.unwrap().is_allowed());
    }
    assert_eq!(administration.reset_key("", 1_u32).await.unwrap(), 1);
    administration.reset_all().await.unwrap();
    for who in 0..32_u32 {
        assert_eq!(administration.reset_key("", who).await.unwrap(), 0);
    }
    assert_eq!(limiter.health().failed, 0);
}

#[tokio::test]
async fn the_documented_users_are_enough_with_sentinel() {
    let master = Server::redis();
    let rules = "scout on >secret resetchannels -@all +role +sentinel|masters";
    assert!(DOCS.contains("+role +sentinel|masters"));
    let sentinel = Server::sentinel_with(master.port(), &format!("user {rules}"));
    let user = User::of_docs("limiter");
    user.create(master.port());
    let hosts = format!("127.0.0.1:{}/main", sentinel.port());
    let parameters = "sentinel-user=scout&sentinel-password=secret";
    let limiter = user
        .connect(&format!("redis+sentinel://{hosts}?{parameters}"))
        .await;
    check(&limiter.unwrap()).await;
    // The client crate asks the master for its role, and does without the answer.
    let others = denied(master.port()).filter(|commands| commands != "role");
    assert_eq!(others, None);
}
