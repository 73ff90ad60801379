//! The deployment: what SAM's own linter says of it, the rules it is held to, and that each of them
//! is needed.

mod lint;
mod mutations;
mod patterns;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
    sync::atomic::Ordering,
};

use local::template::{Authorizer, TEMPLATE, Template};
use serde_json::Value;
use shared::{fault::Fault, log::LogLine, store::Capability};
use tests::{proof, world::World};
use tokio_rustls::rustls::version::TLS12;
use toolchain::{Sam, sam};

use crate::tls::server;

use self::{
    lint::{COUNTED, Findings, RULES, Stack},
    mutations::MUTATIONS,
};

/// Runs a command, and gives what it prints.
fn run(command: &mut Command, input: &str) -> String {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}\n{complaint}");
    printed
}

/// The templates as `CloudFormation` gets them.
fn transformed(sam: &Sam, templates: &[String]) -> Vec<Stack> {
    let printed = run(&mut sam.transform(), &serde_json::to_string(templates).unwrap());
    let results: Vec<Value> = serde_json::from_str(&printed).unwrap();
    assert_eq!(results.len(), templates.len());
    let stack = |mut result: Value| {
        assert!(result["error"].is_null(), "{}", result["error"]);
        Stack(result["template"].take())
    };
    results.into_iter().map(stack).collect()
}

fn stack() -> Stack {
    transformed(&sam().unwrap(), &[TEMPLATE.to_owned()]).remove(0)
}

/// What each rule finds.
fn findings(stack: &Stack) -> BTreeMap<&'static str, Vec<String>> {
    let found = RULES.iter().map(|(name, rule)| {
        let mut found = Findings::default();
        rule(stack, &mut found);
        (*name, found.0)
    });
    found.filter(|(_, found)| !found.is_empty()).collect()
}

#[test]
fn sam_and_its_linter_find_the_template_valid() {
    let sam = sam().unwrap();
    let template = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    let mut validate = sam.command();
    validate.args(["validate", "--lint", "--template"]).arg(template);
    let printed = run(&mut validate, "");
    assert!(printed.contains("is a valid SAM Template"), "{printed}");
}

#[test]
fn the_deployment_keeps_every_rule() {
    assert_eq!(findings(&stack()), BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_1_3_only_authorised_staff_reach_logs_and_measures_are_reviewed() {
    // At the front door, and towards providers: to one that speaks 1.2 nothing is sent.
    let stack = tokio::task::spawn_blocking(stack).await.unwrap();
    let found = findings(&stack);
    assert!(!found.contains_key("the front door speaks TLS 1.3 alone"));
    let old = server(&TLS12).await;
    let world = World::with_openai(old.url.clone(), Some(old.authority.clone())).await;
    let call = world.post("/v1/chat/completions", r#"{"model":"gpt-5-mini","messages":[]}"#);
    assert_eq!(world.send(call).await.status, 502);
    assert_eq!(old.requests.load(Ordering::Relaxed), 0);
    // No role of this deployment may read a log, so whoever does has a right of the operator's; and
    // no operator's route is open to a key.
    let grants = stack.grants();
    let mut log_actions: Vec<_> = grants
        .iter()
        .flat_map(|grant| grant.actions())
        .filter(|it| it.starts_with("logs:"))
        .collect();
    log_actions.sort_unstable();
    log_actions.dedup();
    assert_eq!(log_actions, ["logs:CreateLogStream", "logs:PutLogEvents"]);
    for route in Template::parse(TEMPLATE).unwrap().routes {
        let operators = route.path.starts_with("/operator/");
        assert_eq!(operators, route.authorizer == Authorizer::Iam, "{route}");
    }
    // The review is of every change to the template: each rule is kept.
    assert_eq!(found, BTreeMap::new());
}

#[test]
fn every_setting_that_is_flipped_is_noticed() {
    for mutation in &MUTATIONS {
        assert!(TEMPLATE.contains(mutation.from), "the template has no {:?}", mutation.from);
    }
    let chosen = proof::chosen(&MUTATIONS, |mutation| mutation.rule);
    let templates: Vec<String> =
        chosen.iter().map(|mutation| TEMPLATE.replacen(mutation.from, mutation.to, 1)).collect();
    let stacks = transformed(&sam().unwrap(), &templates);
    let mut needed = BTreeSet::new();
    let mut table = String::new();
    for (mutation, stack) in chosen.iter().zip(&stacks) {
        let found = findings(stack);
        let by = found.contains_key(mutation.rule);
        let flipped = mutation.to.trim().lines().last().unwrap_or("(removed)").trim();
        table +=
            &format!("{:58} {}\n", flipped.chars().take(56).collect::<String>(), mutation.rule);
        assert!(by, "{:?} is not noticed by {:?}: {found:?}", mutation.to, mutation.rule);
        needed.insert(mutation.rule);
    }
    tests::show(&format!(
        "{0} settings flipped of {1}, {0} noticed by the rule beside\n{table}",
        chosen.len(),
        MUTATIONS.len()
    ));
    let rules: BTreeSet<_> = RULES.iter().map(|(name, _)| *name).collect();
    assert_eq!(needed, rules, "every rule is needed");
}

#[test]
fn a_function_may_do_what_its_code_asks_of_the_tables_and_no_more() {
    let stack = stack();
    let of: [(&str, &[Capability]); 5] = [
        ("Account", &account::CAPABILITIES),
        ("Authorizer", &authorizer::CAPABILITIES),
        ("Proxy", &proxy::CAPABILITIES),
        ("Retention", &retention::CAPABILITIES),
        ("Usage", &usage::CAPABILITIES),
    ];
    assert_eq!(stack.of("AWS::Lambda::Function").count(), of.len());
    let grants = stack.grants();
    for (name, capabilities) in of {
        let function = &stack.0["Resources"][format!("{name}Function")];
        assert_eq!(function["Metadata"]["BuildProperties"]["Binary"], name.to_lowercase());
        let role = serde_json::json!({"Fn::GetAtt": [format!("{name}Role"), "Arn"]});
        assert_eq!(function["Properties"]["Role"], role);
        assert_eq!(function["DependsOn"], format!("{name}Access"), "{name}");
        let of_function = grants.iter().filter(|grant| grant.role == format!("{name}Role"));
        let mut granted = BTreeSet::new();
        for grant in of_function {
            let mut actions = grant.actions();
            actions.retain(|action| action.starts_with("dynamodb:"));
            let table = grant.about().unwrap_or("nothing");
            let actions = actions.into_iter().map(|action| (table.to_owned(), action.to_owned()));
            granted.extend(actions);
        }
        let asked: BTreeSet<_> = capabilities
            .iter()
            .flat_map(|capability| capability.actions)
            .map(|(table, action)| (format!("{table:?}"), (*action).to_owned()))
            .collect();
        assert_eq!(granted, asked, "{name}");
    }
}

#[test]
fn every_route_has_an_event_and_every_event_a_route() {
    let template = Template::parse(TEMPLATE).unwrap();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../events");
    let mut taken = BTreeSet::new();
    let binaries = ["account", "authorizer", "proxy", "retention", "usage"];
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let (function, _) = name.split_once('.').unwrap();
        assert!(binaries.contains(&function), "{name}");
        let event: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        // The authorizer is asked for any route, and retention by the clock.
        let Some(method) = event["httpMethod"].as_str().filter(|_| function != "authorizer") else {
            continue;
        };
        let route = template.route(method, event["path"].as_str().unwrap());
        let route = route.unwrap_or_else(|| panic!("{name} has no route"));
        assert_eq!(
            (route.binary.as_str(), &*route.path),
            (function, event["resource"].as_str().unwrap()),
            "{name}"
        );
        taken.insert(route.to_string());
    }
    let routes: BTreeSet<_> = template.routes.iter().map(ToString::to_string).collect();
    assert_eq!(taken, routes);
}

/// Which functions write a line.
const PROXY: &[&str] = &["Proxy"];
const ACCOUNT: &[&str] = &["Account"];
const RETENTION: &[&str] = &["Retention"];
const WITH_SECRETS: &[&str] = &["Authorizer", "Proxy", "Account"];
const ANSWERING: &[&str] = &["Proxy", "Usage", "Account"];
const ALL: &[&str] = &["Authorizer", "Proxy", "Usage", "Account", "Retention"];

#[test]
fn every_line_that_an_alarm_is_for_is_counted_and_no_other() {
    let call = "call_2026112513K";
    let fault = |fault: Fault| LogLine::Fault { call, code: fault.code() };
    let status = |status| LogLine::ProviderStatus { call, provider: "openai", status };
    let swept = |returned_pico, (unclosed_records, untold_accounts, failed), oldest_found| {
        let (closed_hours, deleted_records, oldest_left) = (1, 1, None);
        LogLine::Retention {
            closed_hours,
            returned_pico,
            deleted_records,
            unclosed_records,
            untold_accounts,
            failed,
            oldest_found,
            oldest_left,
        }
    };
    let run = |returned_pico, unclosed, untold, failed| {
        swept(returned_pico, (unclosed, untold, failed), None)
    };
    // Seven days and two hours.
    let promised = 7 * 86_400 + 2 * 3_600;
    let lines: [(LogLine<'_>, &[&str], &[&str]); 27] = [
        (LogLine::Loss { call, pico: "1".to_owned() }, PROXY, &["Losses"]),
        (
            LogLine::Short { account: "acct_1", hour: "2026112513", pico: "1" },
            RETENTION,
            &["Losses"],
        ),
        (LogLine::RefundDue { account: "acct_1", pico: "1" }, RETENTION, &["RefundsDue"]),
        (LogLine::Unsettled { call, write: "record" }, PROXY, &["Unsettled"]),
        (run("0", 0, 0, 0), RETENTION, &["RetentionRuns"]),
        (run("17", 0, 0, 0), RETENTION, &["RetentionRuns", "StrandedHolds"]),
        (run("0", 1, 0, 0), RETENTION, &[]),
        (run("0", 0, 1, 0), RETENTION, &["RetentionRuns", "UnsentMail"]),
        (run("0", 0, 0, 1), RETENTION, &[]),
        (swept("0", (0, 0, 0), Some(promised)), RETENTION, &["RetentionRuns"]),
        (
            swept("0", (0, 0, 0), Some(promised + 1)),
            RETENTION,
            &["RecordsOverdue", "RetentionRuns"],
        ),
        (status(500), PROXY, &["ProviderFailures"]),
        (status(503), PROXY, &["ProviderFailures"]),
        (status(429), PROXY, &[]),
        (status(200), PROXY, &[]),
        (status(401), PROXY, &["CredentialsRefused"]),
        (status(403), PROXY, &["CredentialsRefused"]),
        (fault(Fault::ProviderUnreachable), PROXY, &["ProviderFailures"]),
        (fault(Fault::ProviderRefused), PROXY, &["CredentialsRefused", "ProviderFailures"]),
        (fault(Fault::StoreUnavailable), ANSWERING, &["Faults"]),
        (fault(Fault::Internal), ANSWERING, &["Faults"]),
        (fault(Fault::AccountFrozen), ANSWERING, &[]),
        (fault(Fault::MailUnavailable), ACCOUNT, &["UnsentMail"]),
        (LogLine::Secret { at: "malformed" }, WITH_SECRETS, &["CredentialsRefused"]),
        (LogLine::Strangers, ACCOUNT, &[]),
        (LogLine::Init { at: "tls" }, ALL, &[]),
        (LogLine::Panic { file: file!(), at: 1 }, ALL, &["Panics"]),
    ];
    for (line, writers, metrics) in lines {
        let line = serde_json::to_value(line).unwrap();
        for writer in writers {
            let counted = COUNTED
                .iter()
                .filter(|(_, log, pattern)| log == writer && patterns::fits(pattern, &line));
            let counted: BTreeSet<_> = counted.map(|(metric, ..)| *metric).collect();
            assert_eq!(counted, metrics.iter().copied().collect(), "{line} of {writer}");
        }
    }
}

#[test]
fn a_changed_parameter_is_deployed() {
    let (always, when_defined) = ("AlwaysDeploy: true", "AlwaysDeploy: false");
    let templates = [TEMPLATE.to_owned(), TEMPLATE.replace(always, when_defined)];
    let stacks = transformed(&sam().unwrap(), &templates);
    let ids = stacks.iter().map(|stack| {
        let mut deployments = stack.of("AWS::ApiGateway::Deployment");
        deployments.next().map(|(name, _)| name.to_owned()).unwrap()
    });
    assert_eq!(ids.collect::<BTreeSet<_>>().len(), 2, "not by the definition alone");
}

#[test]
fn every_operators_route_has_its_command_in_the_guide() {
    let guide = include_str!("../../DEPLOY.md");
    let template = Template::parse(TEMPLATE).unwrap();
    for route in template.routes.iter().filter(|route| route.path.starts_with("/operator/")) {
        let command = format!("{}\"", route.path.replace("{account}", "$ACCOUNT"));
        // What stands for several paths is shown with one.
        let command = command.split("{path+}").next().unwrap();
        assert!(guide.contains(&format!("| `{route}` | `operator \"$URL{command}")), "{route}");
    }
}
