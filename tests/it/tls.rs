//! A cluster on TLS: the same results, and everybody else is sent away with one line that says why.

use rookery_proto::{ErrorClass, PROTOCOL_VERSION, Token};
use rookery_tests::{Member, Output, Rookery, TestCluster, join, register, say};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::{BINARY, lab};

const CONFIG: i32 = 2;

/// Fails unless a command was refused with one clear line, and told no secret.
fn refused(output: &Output, says: &str, secrets: &[&str]) {
    assert_eq!(output.code, CONFIG, "{output}");
    assert!(output.stderr.starts_with("error: "), "{output}");
    assert!(output.stderr.contains(says), "{says}\n{output}");
    let lines = output.stderr.lines().filter(|line| !line.starts_with("  "));
    assert_eq!(
        lines.count(),
        1,
        "one line, with a place and a hint below it\n{output}"
    );
    for secret in secrets {
        assert!(
            !output.to_string().contains(secret),
            "a secret is shown\n{output}"
        );
    }
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap().to_string()
}

/// A worker of another machine that tries to join.
async fn worker(machine: &Rookery, url: &str, join_token: Option<&str>) -> Output {
    let mut arguments = vec!["worker", "--driver", url, "--driver-timeout-ms", "20000"];
    arguments.extend(join_token.iter().flat_map(|token| ["--join-token", token]));
    machine.run(&arguments).await
}

async fn new_token(cluster: &TestCluster, arguments: &[&str]) -> (String, String) {
    let create = [&["token", "create", "--driver", cluster.url()], arguments].concat();
    let created = cluster.rookery().run_json(&create).await.succeeded().last_json();
    (text(&created["token_id"]), text(&created["join_token"]))
}

/// Waits until a token's time is over.
async fn has_expired(cluster: &TestCluster, id: &str) {
    let list = ["token", "list", "--driver", cluster.url()];
    loop {
        let tokens = cluster.rookery().run_json(&list).await.succeeded().json_lines();
        let token = tokens.iter().find(|token| token["token_id"] == id).unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        if token["expires_ms"].as_u64().unwrap() <= now.unwrap().as_millis() as u64 {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_on_tls_trains_to_the_same_bits() {
    let plain = TestCluster::new(BINARY).workers(2).start().await;
    let mut cluster = TestCluster::new(BINARY).workers(2).tls().start().await;
    assert!(
        cluster.url().starts_with("https://127.0.0.1:"),
        "{}",
        cluster.url()
    );
    assert!(cluster.worker_url(0).await.starts_with("https://127.0.0.1:"));
    let (expected, job) = tokio::join!(plain.submit(lab(), &[]), cluster.submit(lab(), &[]));
    let job = job.succeeded();
    assert_eq!(job.digests(), expected.succeeded().digests());

    // Records and models through the driver's port: the same port, MLflow's protocol.
    let run = text(&job.last_json()["runs"][1]["run_id"]);
    let show = ["runs", "show", &run, "--driver", cluster.url()];
    cluster.rookery().run(&show).await.succeeded();
    // From another machine, with the token and the authority's certificate.
    let ca = cluster.rookery().home().join("tls/ca.pem");
    let token = cluster.rookery().token();
    let client = Rookery::new(BINARY).with_env("ROOKERY_TOKEN", &token);
    let status = ["status", "--driver", cluster.url(), "--ca", ca.to_str().unwrap()];
    client.run(&status).await.succeeded();

    // A worker that has joined needs no join token any more.
    cluster.signal_worker(0, "TERM").await;
    assert_eq!(cluster.worker_exit(0).await, 0);
    cluster.join_with(None);
    cluster.add_worker(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn up_starts_workers_on_tls_and_prints_how_others_join() {
    let machine = Rookery::new(BINARY);
    let up = [
        "up",
        "--detach",
        "--tls",
        "--workers",
        "2",
        "--listen",
        "127.0.0.1:0",
    ];
    let started = machine.run_json(&up).await.succeeded().last_json();
    machine.run(&["submit", &lab(), "--wait"]).await.succeeded();
    assert!(text(&started["ca_file"]).ends_with("tls/ca.pem"));
    assert!(
        !machine.home().join("tls/worker").exists(),
        "its own workers keep their identities to themselves"
    );
    // Their join token is worth nothing any more: what is left is the one that was printed.
    let listed = machine
        .run_json(&["token", "list"])
        .await
        .succeeded()
        .json_lines();
    assert_eq!(listed.len(), 1, "{listed:?}");
    let command = text(&started["join_command"]);
    let (url, token) = command
        .strip_prefix("rookery worker --driver ")
        .and_then(|rest| rest.split_once(" --join-token "))
        .unwrap();
    assert_eq!(url, text(&started["driver"]));
    assert!(token.contains(&text(&listed[0]["token_id"])), "the same token");
    machine.run(&["down"]).await.succeeded();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_a_good_join_token_is_sent_away() {
    let cluster = TestCluster::new(BINARY).workers(0).tls().start().await;
    let (revoked_id, revoked) = new_token(&cluster, &["--expires", "never"]).await;
    let (expired_id, expired) = new_token(&cluster, &["--expires", "1s"]).await;
    let (_, good) = new_token(&cluster, &[]).await;
    cluster
        .rookery()
        .run(&["token", "revoke", &revoked_id])
        .await
        .succeeded();
    let twice = cluster.rookery().run(&["token", "revoke", &revoked_id]).await;
    refused(&twice, "there is no such join token", &[]);
    let secret = |token: &str| token.split('.').nth(2).unwrap().to_string();
    let wrong = good.replace(&secret(&good), &secret(&revoked));
    let unknown = good.replace(good.split('.').nth(1).unwrap(), "0123456789ab");
    let cut = &good[..good.len() - 3];
    let machine = Rookery::new(BINARY);
    for (token, says) in [
        (None, "this worker has not joined its cluster yet"),
        (Some(revoked.as_str()), "unknown to this driver, or was revoked"),
        (Some(&wrong), "unknown to this driver, or was revoked"),
        (Some(&unknown), "unknown to this driver, or was revoked"),
        (Some(cut), "the join token is not usable"),
        (Some("something"), "the join token is not usable"),
    ] {
        let output = worker(&machine, cluster.url(), token).await;
        refused(
            &output,
            says,
            &[&secret(&good), &secret(&revoked), &cluster.rookery().token()],
        );
    }
    has_expired(&cluster, &expired_id).await;
    let output = worker(&machine, cluster.url(), Some(&expired)).await;
    refused(&output, "the join token expired", &[&secret(&expired)]);
    assert!(!machine.home().join("tls/worker").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_another_cluster_for_its_own() {
    let ours = TestCluster::new(BINARY).workers(0).tls().start().await;
    let theirs = TestCluster::new(BINARY).workers(1).tls().start().await;
    let foreign = "from another authority than the one this program trusts";
    // A client that knows another authority, and one that knows none.
    let (our_token, their_ca) = (ours.rookery().token(), theirs.rookery().home().join("tls/ca.pem"));
    let status = [
        "status",
        "--driver",
        ours.url(),
        "--ca",
        their_ca.to_str().unwrap(),
    ];
    refused(&ours.rookery().run(&status).await, foreign, &[&our_token]);
    let records = [
        "runs",
        "list",
        "--driver",
        ours.url(),
        "--ca",
        their_ca.to_str().unwrap(),
    ];
    refused(
        &ours.rookery().run(&records).await,
        "an authority that is not trusted here",
        &[&our_token],
    );
    let stranger = Rookery::new(BINARY).with_env("ROOKERY_TOKEN", &our_token);
    let blind = stranger.run(&["status", "--driver", ours.url()]).await;
    refused(&blind, "the CA certificate can't be read", &[&our_token]);
    // A token of another cluster, and no token or a wrong one.
    let ca = ours.rookery().home().join("tls/ca.pem");
    let status = ["status", "--driver", ours.url(), "--ca", ca.to_str().unwrap()];
    for client in [
        Rookery::new(BINARY),
        Rookery::new(BINARY).with_env("ROOKERY_TOKEN", &theirs.rookery().token()),
    ] {
        let output = client.run(&status).await;
        refused(
            &output,
            "the driver asks for another token",
            &[&our_token, &theirs.rookery().token()],
        );
    }
    // A worker with the join token of another cluster, or a member of another cluster.
    let (_, their_token) = new_token(&theirs, &[]).await;
    let output = worker(&Rookery::new(BINARY), ours.url(), Some(&their_token)).await;
    refused(&output, foreign, &[&their_token]);
    let output = worker(theirs.rookery(), ours.url(), None).await;
    refused(&output, foreign, &[&their_token]);
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_and_tls_do_not_mix_and_say_so() {
    let secure = TestCluster::new(BINARY).workers(0).tls().start().await;
    let plain = TestCluster::new(BINARY).workers(0).start().await;
    let (http, https) = (
        secure.url().replace("https", "http"),
        plain.url().replace("http", "https"),
    );
    let (_, join_token) = new_token(&secure, &[]).await;
    let secrets = [
        secure.rookery().token(),
        plain.rookery().token(),
        join_token.clone(),
    ];
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    let ca = secure.rookery().home().join("tls/ca.pem");
    let ca = ca.to_str().unwrap();
    for command in ["status", "worker"] {
        let output = secure.rookery().run(&[command, "--driver", &http]).await;
        refused(&output, "the driver speaks TLS, and this URL does not", &secrets);
    }
    let output = plain
        .rookery()
        .run(&["status", "--driver", &https, "--ca", ca])
        .await;
    refused(&output, "the driver does not speak TLS", &secrets);
    let output = worker(&Rookery::new(BINARY), &https, Some(&join_token)).await;
    refused(&output, "the driver does not speak TLS", &secrets);
    let output = worker(&Rookery::new(BINARY), plain.url(), Some(&join_token)).await;
    refused(&output, "a join token is for a driver on TLS", &secrets);
    let output = plain.rookery().run(&["token", "create"]).await;
    refused(&output, "this driver is not on TLS", &secrets);
    // MLflow's protocol.
    let output = secure.rookery().run(&["runs", "list", "--driver", &http]).await;
    refused(&output, "this port speaks TLS: use https://", &secrets);
    let output = plain
        .rookery()
        .run(&["runs", "list", "--driver", &https, "--ca", ca])
        .await;
    refused(&output, "it does not speak TLS: use http://", &secrets);
    // Any program that speaks HTTP.
    let answer = rookery_tests::http::get(&http, "/health", None).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["message"], "this port speaks TLS: use https://");
    // And tokens do not leave the machine in the clear.
    let far = Rookery::new(BINARY)
        .run(&["status", "--driver", "http://10.0.0.7:7070"])
        .await;
    refused(&far, "another machine, where drivers speak TLS", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_show_their_certificates_and_others_get_nowhere() {
    let cluster = TestCluster::new(BINARY).workers(1).tls().start().await;
    let other = TestCluster::new(BINARY).workers(1).tls().start().await;
    let member = Member::kept_in(cluster.rookery().home());
    let foreigner = Member::kept_in(other.rookery().home());
    let token = Token::new(&cluster.rookery().token()).unwrap();
    // The worker's port: certificate and token, both; and only the driver says what is to be read and computed.
    let colleague = cluster
        .ask_worker_as(0, Some(&token), Some(&member))
        .await
        .unwrap_err();
    assert!(
        colleague
            .message
            .contains("only this cluster's driver may call this"),
        "{colleague}"
    );
    let tokenless = cluster.ask_worker_as(0, None, Some(&member)).await.unwrap_err();
    assert!(
        tokenless.message.contains("asks for another token"),
        "{tokenless}"
    );
    for stranger in [None, Some(&foreigner)] {
        let refused = cluster
            .ask_worker_as(0, Some(&token), stranger)
            .await
            .unwrap_err();
        assert_eq!(
            refused.class,
            ErrorClass::Unreachable,
            "TLS comes first: {refused}"
        );
        assert!(
            !refused.message.contains("token"),
            "nothing was answered: {refused}"
        );
    }
    // The driver's membership: a worker's certificate, for the URL it registers.
    let url = cluster.worker_url(0).await;
    let nobody = register(&cluster, None, &url, PROTOCOL_VERSION)
        .await
        .unwrap_err();
    assert!(
        nobody.message.contains("only a worker with a certificate"),
        "{nobody}"
    );
    let foreign = register(&cluster, Some(&foreigner), &url, PROTOCOL_VERSION)
        .await
        .unwrap_err();
    assert_eq!(foreign.class, ErrorClass::Unreachable, "{foreign}");
    for (url, says) in [
        (
            "https://10.9.8.7:1/",
            "is not one that its certificate is made for",
        ),
        ("http://127.0.0.1:1/", "does not begin with https://"),
    ] {
        let elsewhere = register(&cluster, Some(&member), url, PROTOCOL_VERSION)
            .await
            .unwrap_err();
        assert!(elsewhere.message.contains(says), "{elsewhere}");
    }
    cluster.submit(lab(), &[]).await.succeeded();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_is_refused_at_once_naming_both() {
    let cluster = TestCluster::new(BINARY).workers(1).tls().start().await;
    let member = Member::kept_in(cluster.rookery().home());
    let url = cluster.worker_url(0).await;
    let (_, token) = new_token(&cluster, &[]).await;
    let parts: Vec<&str> = token.split('.').collect();
    let other = PROTOCOL_VERSION + 1;
    for refused in [
        register(&cluster, Some(&member), &url, other).await,
        join(&cluster, (parts[1], parts[2]), &[], other).await,
    ] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.class, ErrorClass::Config);
        let expected =
            format!("the worker (rookery 0.0.1) speaks protocol version {other}, this driver (rookery ");
        assert!(refused.message.starts_with(&expected), "{refused}");
        assert!(
            refused.message.ends_with(&format!("speaks {PROTOCOL_VERSION}")),
            "{refused}"
        );
    }
    let damaged = join(&cluster, (parts[1], parts[2]), b"no request", PROTOCOL_VERSION).await;
    let damaged = damaged.unwrap_err();
    assert!(
        damaged.message.contains("the certificate request is not usable"),
        "{damaged}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_clients_hold_up_nobody() {
    let cluster = TestCluster::new(BINARY).workers(1).tls().start().await;
    let address = cluster.url().trim_start_matches("https://").to_string();
    let mut silent = Vec::new();
    // More than may wait at once: the oldest are sent away.
    for _ in 0..300 {
        silent.push(TcpStream::connect(&address).await.unwrap());
    }
    let started = std::time::Instant::now();
    cluster.rookery().run(&["status"]).await.succeeded();
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    let mut byte = [0];
    let closed = tokio::time::timeout(rookery_tests::DEADLINE, silent[0].read(&mut byte));
    assert!(
        matches!(closed.await.unwrap(), Ok(0) | Err(_)),
        "the oldest was sent away"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_other_machines_reach_is_always_on_tls() {
    let machine = Rookery::new(BINARY);
    let nameless = machine.run(&["driver", "--listen", "0.0.0.0:0"]).await;
    refused(&nameless, "is every address of this machine", &[]);
    assert!(nameless.stderr.contains("--advertise HOST"), "{nameless}");
    let open = [
        "driver",
        "--listen",
        "0.0.0.0:0",
        "--advertise",
        "localhost",
        "--insecure",
    ];
    refused(
        &machine.run(&open).await,
        "--insecure would let everybody in",
        &[],
    );
    assert!(!machine.home().join("tls").exists(), "nothing was begun");

    let up = [
        "up",
        "--detach",
        "--workers",
        "2",
        "--listen",
        "0.0.0.0:0",
        "--advertise",
        "localhost",
    ];
    let started = machine.run_json(&up).await.succeeded().last_json();
    assert!(
        text(&started["driver"]).starts_with("https://localhost:"),
        "{started}"
    );
    let workers = machine.run(&["workers", "list"]).await.succeeded();
    assert_eq!(
        workers.stdout.matches("https://localhost:").count(),
        2,
        "{workers}"
    );
    machine.run(&["submit", &lab(), "--wait"]).await.succeeded();
    machine.run(&["down"]).await.succeeded();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_goes_from_one_cluster_to_another_with_a_join_token() {
    let mut first = TestCluster::new(BINARY).workers(0).tls().start().await;
    let mut second = TestCluster::new(BINARY).workers(0).tls().start().await;
    let machine = Rookery::new(BINARY);
    let (_, token) = new_token(&first, &[]).await;
    first.add_worker_of(&machine, &token, 1).await;
    first.remove_worker(0).await;
    let (_, token) = new_token(&second, &[]).await;
    second.add_worker_of(&machine, &token, 1).await;
    let output = worker(&machine, first.url(), None).await;
    let foreign = "from another authority than the one this program trusts";
    refused(&output, foreign, &[&token, &second.rookery().token()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_listens_on_the_address_that_reaches_its_driver() {
    // Nothing is sent: the system only says which of its addresses leads out.
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    let address = socket
        .connect("198.51.100.1:9")
        .and_then(|()| socket.local_addr())
        .map(|address| address.ip());
    let Some(ip) = address.ok().filter(|ip| !ip.is_loopback()) else {
        return say("this machine has no address but loopback: nothing to listen on");
    };
    let driver = TestCluster::new(BINARY).workers(0).tls();
    let mut cluster = driver.listen(&format!("{ip}:0")).start().await;
    let (_, token) = new_token(&cluster, &[]).await;
    cluster.add_worker_of(&Rookery::new(BINARY), &token, 1).await;
    let url = cluster.worker_url(0).await;
    assert!(url.starts_with(&format!("https://{ip}:")), "{url}");
    cluster.submit(lab(), &[]).await.succeeded();
}
