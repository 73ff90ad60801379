//! What is counted, and who is told of what goes wrong.

use serde_json::{Value, json};

use super::{Findings, Stack, list};

const FAULTS: &str =
    r#"{ $.line = "fault" && ($.code = "internal_error" || $.code = "store_unavailable") }"#;

/// What is counted: the metric, whose log, and which of its lines.
pub(crate) const COUNTED: [(&str, &str, &str); 21] = [
    ("Losses", "Proxy", r#"{ $.line = "loss" }"#),
    ("Losses", "Retention", r#"{ $.line = "short" }"#),
    ("RefundsDue", "Retention", r#"{ $.line = "refund_due" }"#),
    ("Unsettled", "Proxy", r#"{ $.line = "unsettled" }"#),
    ("StrandedHolds", "Retention", r#"{ $.line = "retention" && $.returned_pico != "0" }"#),
    (
        "RetentionRuns",
        "Retention",
        r#"{ $.line = "retention" && $.failed = 0 && $.unclosed_records = 0 }"#,
    ),
    ("RecordsOverdue", "Retention", r#"{ $.line = "retention" && $.oldest_found > 612000 }"#),
    (
        "ProviderFailures",
        "Proxy",
        r#"{ ($.line = "provider_status" && $.status >= 500) || ($.line = "fault" && $.code = "provider_*") }"#,
    ),
    (
        "CredentialsRefused",
        "Proxy",
        r#"{ ($.line = "provider_status" && ($.status = 401 || $.status = 403)) || ($.line = "fault" && ($.code = "provider_refused" || $.code = "provider_not_configured")) || $.line = "secret" }"#,
    ),
    ("CredentialsRefused", "Authorizer", r#"{ $.line = "secret" }"#),
    ("CredentialsRefused", "Account", r#"{ $.line = "secret" }"#),
    ("Faults", "Proxy", FAULTS),
    ("Faults", "Usage", FAULTS),
    ("Faults", "Account", FAULTS),
    ("UnsentMail", "Account", r#"{ $.line = "fault" && $.code = "mail_unavailable" }"#),
    ("UnsentMail", "Retention", r#"{ $.line = "retention" && $.untold_accounts > 0 }"#),
    ("Panics", "Authorizer", r#"{ $.line = "panic" }"#),
    ("Panics", "Proxy", r#"{ $.line = "panic" }"#),
    ("Panics", "Usage", r#"{ $.line = "panic" }"#),
    ("Panics", "Account", r#"{ $.line = "panic" }"#),
    ("Panics", "Retention", r#"{ $.line = "panic" }"#),
];

pub(super) fn metric_filters(stack: &Stack, found: &mut Findings) {
    let mut counted: Vec<Value> = Vec::new();
    for (_, filter) in stack.of("AWS::Logs::MetricFilter") {
        counted.push(filter.clone());
    }
    for (metric, log, pattern) in COUNTED {
        let right = json!({
            "LogGroupName": {"Ref": format!("{log}Log")},
            "FilterPattern": pattern,
            "MetricTransformations": [{
                "MetricNamespace": {"Fn::Sub": "LaoZhangApi/${AWS::StackName}"},
                "MetricName": metric,
                "MetricValue": "1",
            }],
        });
        found.unless(counted.contains(&right), format!("{metric} of {log}"));
        counted.retain(|filter| *filter != right);
    }
    found.unless(counted.is_empty(), "a number that is not listed");
}

/// The alarms: what they watch, from which number on, for how many periods of how long. That on
/// retention is one of too few.
const WATCHED: [(&str, u64, u64, u64); 12] = [
    ("CredentialsRefused", 1, 1, 300),
    ("Errors", 1, 1, 300),
    ("Faults", 5, 2, 300),
    ("Losses", 1, 1, 3_600),
    ("Panics", 1, 1, 300),
    ("ProviderFailures", 5, 2, 300),
    ("RecordsOverdue", 1, 1, 1_800),
    ("RefundsDue", 1, 1, 3_600),
    ("StrandedHolds", 1, 3, 3_600),
    ("Throttles", 1, 1, 300),
    ("UnsentMail", 1, 1, 3_600),
    ("Unsettled", 1, 2, 300),
];

pub(super) fn alarms(stack: &Stack, found: &mut Findings) {
    let mut watched = Vec::new();
    for (name, alarm) in stack.of("AWS::CloudWatch::Alarm") {
        let to = json!({"Fn::If": ["HasAlarmEmail", [{"Ref": "Alarms"}], {"Ref": "AWS::NoValue"}]});
        found.equal(&alarm["AlarmActions"], to, format!("{name} tells nobody"));
        found.unless(alarm["ActionsEnabled"].is_null(), format!("{name} may be silent"));
        if name == "RetentionOverdueAlarm" {
            overdue(alarm, found);
            continue;
        }
        let (metric, period) = match alarm["MetricName"].as_str() {
            Some(metric) => {
                let own = json!({"Fn::Sub": "LaoZhangApi/${AWS::StackName}"});
                found.equal(&alarm["Namespace"], own, format!("{name}.Namespace"));
                found.equal(&alarm["Statistic"], json!("Sum"), format!("{name}.Statistic"));
                (metric, &alarm["Period"])
            }
            None => of_functions(stack, name, alarm, found),
        };
        let number = |value: &Value| value.as_u64().unwrap_or_default();
        watched.push((
            metric,
            number(&alarm["Threshold"]),
            number(&alarm["EvaluationPeriods"]),
            number(period),
        ));
        let at_least = json!("GreaterThanOrEqualToThreshold");
        found.equal(&alarm["ComparisonOperator"], at_least, format!("{name} compares"));
        found.equal(&alarm["TreatMissingData"], json!("notBreaching"), format!("{name} of none"));
    }
    watched.sort_unstable();
    found.unless(watched == WATCHED, format!("alarms are for {watched:?}"));
    found.unless(stack.of("AWS::CloudWatch::Alarm").count() == 13, "an alarm on retention");
    let mail = json!([{"Protocol": "email", "Endpoint": {"Ref": "AlarmEmail"}}]);
    found.equal(&stack.properties("Alarms")["Subscription"], mail, "nobody listens");
    for (name, dashboard) in stack.of("AWS::CloudWatch::Dashboard") {
        let body = dashboard["DashboardBody"]["Fn::Sub"].as_str().unwrap_or_default();
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let widgets = list(&body["widgets"]);
        let metrics = widgets.filter(|widget| widget["type"] == "metric").count();
        let all = list(&body["widgets"]).count();
        found.unless(all > 0 && metrics == all, format!("{name} shows a log"));
    }
}

/// An alarm on the sum over every function: its metric and its period.
fn of_functions<'a>(
    stack: &Stack,
    name: &str,
    alarm: &'a Value,
    found: &mut Findings,
) -> (&'a str, &'a Value) {
    found.equal(&alarm["Metrics"][0]["Expression"], json!("SUM(METRICS())"), name);
    let watched: Vec<_> =
        list(&alarm["Metrics"]).skip(1).map(|it| &it["MetricStat"]["Metric"]).collect();
    let metric = watched.first().map_or(&Value::Null, |it| &it["MetricName"]);
    for (function, _) in stack.of("AWS::Lambda::Function") {
        let right = json!({
            "Namespace": "AWS/Lambda",
            "MetricName": metric,
            "Dimensions": [{"Name": "FunctionName", "Value": {"Ref": function}}],
        });
        found.unless(watched.contains(&&right), format!("{name} leaves out {function}"));
    }
    (metric.as_str().unwrap_or_default(), &alarm["Metrics"][1]["MetricStat"]["Period"])
}

/// The alarm on retention, which also comes on when nothing is heard of it.
fn overdue(alarm: &Value, found: &mut Findings) {
    let runs = json!({
        "Metric": {
            "Namespace": {"Fn::Sub": "LaoZhangApi/${AWS::StackName}"},
            "MetricName": "RetentionRuns",
        },
        "Period": 1_800,
        "Stat": "Sum",
    });
    found.equal(
        &alarm["Metrics"][0]["Expression"],
        json!("FILL(runs, 0)"),
        "half hours without a run",
    );
    found.equal(&alarm["Metrics"][1]["MetricStat"], runs, "retention's runs");
    for (what, right) in [
        ("TreatMissingData", json!("breaching")),
        ("ComparisonOperator", json!("LessThanThreshold")),
        ("Threshold", json!({"Ref": "RetentionSegments"})),
        ("EvaluationPeriods", json!(3)),
    ] {
        found.equal(&alarm[what], right, format!("RetentionOverdueAlarm.{what}"));
    }
}
