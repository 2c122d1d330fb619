//! What people know from kubectl, and expect: flags, output forms, colours, verbosity, kubeconfigs. Where kubectl can say
//! what is right, it is asked.

use crate::support::manifests::{config_map, container, secret, spec, workload, yaml};
use crate::support::sample::shipped;
use crate::support::{Draft, Namespace, Run, cluster, eventually};
use base64::Engine as _;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The plugin without a cluster.
fn alone(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-vnf"));
    command.args(args).env("KUBECONFIG", "/nonexistent").current_dir(env!("CARGO_MANIFEST_DIR"));
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"] {
        command.env_remove(name);
    }
    command
}

#[test]
fn templates_print_what_kubectl_prints() {
    let Some(cluster) = cluster() else { return };
    let package = shipped("before");
    let inspect = |output: &str| {
        let run = Run::of(alone(&["package", "inspect", &package, "-o", output]), "");
        (run.code, run.stdout)
    };
    let mut object: Value = serde_json::from_str(&inspect("json").1).expect("JSON");
    // Any object is kubectl's to print that has a kind and a name.
    object["apiVersion"] = "example.com/v1".into();
    object["kind"] = "Package".into();
    object["metadata"] = json!({"name": "package"});
    let object = object.to_string();
    let judge = |template: &str| {
        let mut kubectl = cluster.kubectl();
        kubectl.args(["annotate", "--local", "-f", "-", "a=b", "-o", &format!("jsonpath={template}")]);
        let run = Run::of(kubectl, &object);
        (run.code, run.stdout)
    };
    for template in [
        "{.id.vnfdId}",
        "plain text",
        "{.id.vnfdId}{\"\\n\"}{'\\t'}",
        "vnfd {.id.vnfdId} of {.id.provider}",
        "{$.id.vnfdId}{@.id.provider}",
        "{.nosuch}{.nosuch.deeper}{.id.vnfdId.deeper}",
        "{.digests.matching}",
        "{.signature.verified}",
        "{.flavours[0].id}",
        "{.flavours[-1:].id}",
        "{.flavours[0].vdus[*].id}",
        "{.flavours[*].vdus[0,2].id}",
        "{.flavours[*].vdus[1:6:2].id}",
        "{.flavours[*].vdus[-2:].id}",
        "{.flavours[*].vdus[3:3].id}",
        "{.flavours[*].vdus[99].id}",
        "{.flavours[*].vdus[5:2].id}",
        "{.flavours[*].vdus[?(@.id==\"VDU3\")].workload.name}",
        "{.flavours[*].vdus[?(@.id!='VDU3')].workload.name}",
        "{.flavours[*].vdus[?(@.max>1)].id}",
        "{.flavours[*].vdus[?(@.max<=1)].id}",
        "{.flavours[*].vdus[?(@.workload.kind==\"Pod\")].workload.name}",
        "{.flavours[*].vdus[?(@.aspect.id)].id}",
        "{.flavours[*].vdus[?(@.nosuch)].id}",
        "{.flavours[*].vdus[?(@.id==3)].id}",
        "{.flavours[*].vdus[*]['id','max']}",
        "{.flavours[0].levels}",
        "{.flavours[0]['defaultLevel']}",
        "{.config[0].object}",
        "{..vnfdId}",
        "{..maxScaleLevel}",
        "{.flavours..usedBy}",
        "{range .flavours[*].vdus[*]}{.id}{\"\\t\"}{.max}{\"\\n\"}{end}done",
        "{range .flavours[*]}{.id}:{range .vdus[*]}{.id},{end};{end}",
        "{range .nosuch[*]}{.id}{end}after",
        "{end}",
        "{nosuch}",
        "{.id",
        "{.id[}",
        "{.id[x]}",
        "{.id[0]}",
        "{.scripts[?(@.present==false)].name}",
        "{.scripts[?(@.name=~'x')].name}",
        "{%}",
    ] {
        let (theirs, ours) = (judge(template), inspect(&format!("jsonpath={template}")));
        if theirs.0 == Some(0) {
            assert_eq!(ours, theirs, "{template}");
        } else {
            assert!(
                ours.0 != Some(0) && ours.1.is_empty(),
                "{template}: kubectl refuses it, and here it gives {ours:?}"
            );
        }
    }
}

/// The whole life of a VNF with a Secret, as verbose as can be: requests are shown, and neither the Secret's values nor
/// the token of the kubeconfig.
#[test]
fn what_is_secret_is_not_logged_at_any_verbosity() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "verbose");
    let draft = |password: &str| {
        let env = json!({"env": [
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}}},
        ]});
        let manifest = yaml(&[
            config_map("config", &[("visible", "in plain sight")]),
            secret("login", &[("password", password)]),
            workload("Deployment", "web", "web", Some(1), &spec(&container("nginx", &env), &json!({}))),
        ]);
        Draft::of("Verbose", &[("all.yaml", &manifest)], &["web"])
    };
    let passwords = ["correct-horse", "battery-staple"];
    let before = draft(passwords[0]);
    let after = before.clone().edit("all.yaml", passwords[0], passwords[1]);
    let (before, after) = (before.write(), after.write());
    let kubeconfig = fs::read_to_string(cluster.kubeconfig()).expect("the kubeconfig");
    let token = kubeconfig.lines().find_map(|line| line.trim().strip_prefix("token: "));
    let mut hidden: Vec<String> = token.map(|token| token.trim_matches(['"', '\'']).to_owned()).into_iter().collect();
    for password in passwords {
        hidden.push(password.to_owned());
        hidden.push(base64::engine::general_purpose::STANDARD.encode(password));
    }
    let verbose = |args: &[&str], code: i32| {
        let run = ns.vnf(&[args, &["-v=10"]].concat()).exits(code).says(["https://"]);
        run.never_says(hidden.iter().map(String::as_str))
    };
    verbose(&["create", "vnf", "--package", &before.path()], 0);
    verbose(&["instantiate", "vnf"], 0).says([
        "Request Body:",
        "in plain sight",
        "<masked,",
        "Authorization: <masked>",
    ]);
    verbose(&["package", "onboard", &after.path()], 0);
    for args in [&["list"][..], &["show", "vnf"], &["op", "list"], &["op", "show", "vnf"], &["package", "list"]] {
        verbose(args, 0);
        if args[0] != "package" {
            verbose(&[args, &["-o", "json"]].concat(), 0);
        }
    }
    verbose(&["diff", "vnf", "--package", &after.path()], 1);
    verbose(&["update", "vnf", "--package", &after.path(), "--dry-run=server"], 0);
    verbose(&["update", "vnf", "--package", &after.path(), "--yes"], 0);
    verbose(&["scale", "vnf", "--aspect", "nosuch", "--out"], 1);
    verbose(&["undo", "vnf", "--yes"], 0);
    verbose(&["change-package", "vnf", "--package", &after.path(), "--yes"], 0);
    verbose(&["heal", "vnf", "--all", "--yes"], 0);
    verbose(&["terminate", "vnf", "--delete", "--force", "--yes"], 0);
    let listed = ns.vnf(&["list", "-v=6"]).succeeds();
    assert!(listed.stderr.contains(" 200 OK in ") && !listed.stderr.contains("Headers"), "{listed}");
    assert!(!ns.vnf(&["list", "-v=5"]).succeeds().stderr.contains("GET "));
}

#[test]
fn flags_are_spelled_as_kubectl_spells_them() {
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "flags");
    let name = ns.name.clone();
    let listed = |args: &[&str]| {
        let mut command = cluster.plugin();
        command.arg("list").args(args);
        Run::of(command, "")
    };
    let empty = format!("No VNF instances found in {name} namespace.");
    for args in [
        &["-n", &name][..],
        &[&format!("-n={name}")],
        &[&format!("-n{name}")],
        &["--namespace", &name],
        &[&format!("--namespace={name}")],
        &["-n", "default", "-n", &name],
        &["-A", "--all-namespaces=false", "-n", &name],
        &["-n", &name, "--insecure-skip-tls-verify=false", "--disable-compression", "--cache-dir=/tmp"],
        &["-n", &name, "--no-headers=true", "-owide"],
    ] {
        let run = listed(args).succeeds().says([empty.as_str()]);
        assert_eq!(run.stdout, "", "what is not there is told on stderr: {run}");
    }
    listed(&["-n", &name, "--as", "ann"]).exits(1).says(["not allowed", "user \"ann\""]);
    listed(&["-n", &name, "--as=ann", "--as-group=system:masters", "--as-user-extra=reason=test"]).succeeds();
    listed(&["-n", &name, "--as-user-extra", "reason"]).exits(2).says(["--as-user-extra", "KEY=VALUE"]);
    listed(&["--request-timeout=1m", "-n", &name]).succeeds();
    listed(&["--context", "nosuch"]).exits(1).says(["context nosuch does not exist", "known:"]);
    listed(&["--user", "nosuch"]).exits(1).says(["user nosuch does not exist"]);

    // Files of a list that are missing are passed over, as kubectl does.
    let mut command = cluster.plugin();
    let list = std::env::join_paths([std::path::Path::new("/nonexistent"), cluster.kubeconfig()]).expect("a list");
    command.args(["list", "-n", &name]).env("KUBECONFIG", list);
    Run::of(command, "").succeeds();
}

#[test]
fn slips_are_told_with_what_was_meant() {
    Run::of(alone(&["udpate", "x"]), "").exits(2).says(["error: unknown command \"udpate\"; did you mean \"update\"?"]);
    Run::of(alone(&["list", "--nmespace=x"]), "").exits(2).says(["did you mean \"--namespace\"?"]);
    let Some(cluster) = cluster() else { return };
    let ns = Namespace::new(cluster, "slips");
    ns.vnf(&["create", "upf-east", "--package", &shipped("before")]).succeeds();
    ns.vnf(&["show", "upf-esat"]).exits(1).says(["no VNF instance \"upf-esat\"", "did you mean \"upf-east\"?"]);
    ns.vnf(&["show", "smf"]).exits(1).never_says(["did you mean"]);
}

#[test]
fn colours_are_where_they_are_wanted() {
    let coloured = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = alone(&[&["show", "x"], args].concat());
        command.envs(variables.iter().copied());
        Run::of(command, "").exits(1).stderr.contains('\u{1b}')
    };
    assert!(!coloured(&[], &[]), "a pipe is no terminal");
    assert!(coloured(&["--color=always"], &[]));
    assert!(coloured(&["--color", "always"], &[("NO_COLOR", "1")]));
    assert!(coloured(&[], &[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(!coloured(&["--color=never"], &[("CLICOLOR_FORCE", "1")]));
    Run::of(alone(&["show", "x", "--color=alway"]), "").exits(2).says(["did you mean \"always\"?"]);
}

#[test]
fn a_plain_terminal_gets_plain_symbols() {
    let package = shipped("before");
    for (variable, value) in [("LC_ALL", "C"), ("TERM", "dumb")] {
        let mut command = alone(&["package", "validate", &package]);
        command.env("LC_ALL", "C.UTF-8").env(variable, value);
        let run = Run::of(command, "");
        assert!(run.said().is_ascii(), "{variable}={value}: {run}");
    }
}

/// Credentials that cannot be had are told with what the kubeconfig says about getting them, on stderr.
#[test]
fn a_missing_credential_plugin_is_told_with_its_install_hint() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let kubeconfig = folder.path().join("config");
    let write = |user: &str| {
        let config = format!(
            "
current-context: c
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: 'https://vnf.invalid:6443'}}}}]
users: [{{name: u, user: {user}}}]
"
        );
        fs::write(&kubeconfig, config).expect("a new file");
        let mut command = alone(&["list"]);
        command.env("KUBECONFIG", &kubeconfig);
        let run = Run::of(command, "").exits(1);
        assert_eq!(run.stdout, "", "{run}");
        run
    };
    let exec = "apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never";
    write(&format!("{{exec: {{{exec}, command: nosuch-plugin, installHint: 'get it from the vendor'}}}}"))
        .says(["credential plugin nosuch-plugin cannot be started", "get it from the vendor"]);
    write(&format!("{{exec: {{{exec}, command: sh, args: [-c, 'echo t0ken; echo not logged in >&2; exit 3']}}}}"))
        .says(["credential plugin sh failed", "not logged in"])
        .never_says(["t0ken"]);
    write("{client-certificate: /nonexistent.crt, client-key: /nonexistent.key}").says(["/nonexistent."]);
    write("{tokenFile: /nonexistent}").says(["/nonexistent"]);
}

/// The proxy of the environment is used but for servers that `NO_PROXY` names.
#[test]
fn the_environments_proxy_is_for_servers_that_no_proxy_does_not_name() {
    let asked = |variables: &[(&str, &str)]| {
        let mut command = alone(&["list", "--server", "https://vnf.invalid:6443", "--request-timeout=5s"]);
        command.envs(variables.iter().copied());
        Run::of(command, "").exits(1).stderr
    };
    let proxy = ("HTTPS_PROXY", "http://127.0.0.1:1");
    assert!(asked(&[proxy]).contains("through the proxy 127.0.0.1:1"));
    assert!(!asked(&[proxy, ("NO_PROXY", "vnf.invalid")]).contains("proxy"));
    assert!(asked(&[proxy, ("NO_PROXY", "127.0.0.1")]).contains("proxy"));
}

/// A port at which one request is read, and answered with 401: its head.
fn one_request(answer: impl FnOnce(u16) -> Run) -> (String, Run) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|length| length == 1) {
            head.push(byte[0]);
        }
        let _ = stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        String::from_utf8_lossy(&head).to_lowercase()
    });
    let run = answer(port);
    (server.join().expect("the request was read"), run)
}

/// Who one is, and who one wants to be, goes out in headers as kubectl sends them, and is not logged.
#[test]
fn identities_are_sent_as_kubectl_sends_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let kubeconfig = folder.path().join("config");
    let part = |value: Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    let token = format!("{}.{}.c2ln", part(json!({"alg": "none"})), part(json!({"exp": 4_102_444_800_i64})));
    let (head, run) = one_request(|port| {
        let config = format!(
            "
current-context: c
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]
users:
- name: u
  user:
    auth-provider:
      name: oidc
      config: {{client-id: vnf, client-secret: s, idp-issuer-url: 'https://issuer.invalid', id-token: {token}, refresh-token: r}}
"
        );
        fs::write(&kubeconfig, config).expect("a new file");
        let mut command = alone(&["list", "-v=9"]);
        command.env("KUBECONFIG", &kubeconfig);
        Run::of(command, "")
    });
    assert!(head.contains(&format!("authorization: bearer {}\r\n", token.to_lowercase())), "{head}");
    run.exits(1).says(["you must be logged in to the server", "Authorization: <masked>"]).never_says([token.as_str()]);

    let (head, run) = one_request(|port| {
        let who = "--token t0ken --as ann --as-group dev --as-group ops --as-uid 7 --as-user-extra reason=test";
        let mut args = vec!["list", "-v=9", "--server"];
        let server = format!("http://127.0.0.1:{port}");
        args.push(&server);
        args.extend(who.split(' '));
        Run::of(alone(&args), "")
    });
    for header in [
        "authorization: bearer t0ken",
        "impersonate-user: ann",
        "impersonate-group: dev",
        "impersonate-group: ops",
        "impersonate-uid: 7",
        "impersonate-extra-reason: test",
    ] {
        assert!(head.contains(&format!("{header}\r\n")), "{header} in {head}");
    }
    run.exits(1).never_says(["t0ken"]);
}

/// A server that takes nobody without a certificate of its CA.
#[test]
fn client_certificates_are_shown_to_the_server() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let openssl = |line: &str| {
        let mut command = Command::new("openssl");
        command.args(line.split(' ')).current_dir(folder.path());
        Run::of(command, "").succeeds();
    };
    let key = "-nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256";
    openssl(&format!("req -x509 {key} -days 9 -subj /CN=ca -keyout ca.key -out ca.crt"));
    for name in ["server", "ann"] {
        openssl(&format!("req -new {key} -subj /CN={name} -keyout {name}.key -out {name}.csr"));
        fs::write(folder.path().join("names"), "subjectAltName=IP:127.0.0.1\n").expect("a new file");
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 9 -extfile names -out {name}.crt"
        ));
    }
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
    let serve = format!(
        "s_server -accept 127.0.0.1:{port} -cert server.crt -key server.key -CAfile ca.crt -Verify 1 -verify_return_error -www"
    );
    let mut server = Command::new("openssl");
    server.args(serve.split(' ')).current_dir(folder.path());
    server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut server = server.spawn().expect("the openssl command is needed");
    eventually("the server listens", Duration::from_secs(30), || TcpStream::connect(("127.0.0.1", port)).ok());
    let address = format!("https://127.0.0.1:{port}");
    let asked = |more: &[&str]| {
        let mut command =
            alone(&[&["version", "-v=6", "--server", &address, "--certificate-authority", "ca.crt"], more].concat());
        command.current_dir(folder.path());
        Run::of(command, "")
    };
    let nobody = asked(&[]);
    let ann = asked(&["--client-certificate", "ann.crt", "--client-key", "ann.key"]);
    server.kill().and_then(|()| server.wait()).expect("the server ends");
    // What it serves is a page, and no version; but it has answered.
    ann.exits(1).says([" 200 OK in "]);
    nobody.exits(1).never_says(["200 OK"]);
}
