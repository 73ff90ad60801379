//! The functions: what they are, what they are told, when they run, and where they log.

use serde_json::{Value, json};

use super::{Findings, Grant, Stack};

pub(super) fn functions(stack: &Stack, found: &mut Findings) {
    for (name, function) in stack.of("AWS::Lambda::Function") {
        for (what, right) in [
            ("Runtime", json!("provided.al2023")),
            ("Handler", json!("bootstrap")),
            ("Architectures", json!([{"Ref": "Architecture"}])),
            ("TracingConfig", json!({"Mode": "PassThrough"})),
        ] {
            found.equal(&function[what], right, format!("{name}.{what}"));
        }
        let log = format!("{}Log", name.trim_end_matches("Function"));
        let right = json!({
            "LogFormat": "JSON",
            "ApplicationLogLevel": "INFO",
            "SystemLogLevel": "WARN",
            "LogGroup": {"Ref": log},
        });
        found.equal(&function["LoggingConfig"], right, format!("{name}.LoggingConfig"));
        const KNOWN: [&str; 12] = [
            "Architectures",
            "Code",
            "Description",
            "Environment",
            "Handler",
            "LoggingConfig",
            "MemorySize",
            "Role",
            "Runtime",
            "Tags",
            "Timeout",
            "TracingConfig",
        ];
        for property in function.as_object().into_iter().flat_map(|it| it.keys()) {
            found.unless(KNOWN.contains(&property.as_str()), format!("{name}.{property}"));
        }
    }
}

pub(super) fn environments(stack: &Stack, found: &mut Findings) {
    for (name, function) in stack.of("AWS::Lambda::Function") {
        let variables = function["Environment"]["Variables"].as_object();
        for (variable, value) in variables.into_iter().flatten() {
            let names = match variable.as_str() {
                "TABLE_ACCOUNTS" => "Accounts",
                "TABLE_KEYS" => "Keys",
                "TABLE_CALLS" => "Calls",
                "TABLE_LEDGER" => "Ledger",
                "SECRET_PEPPER" => "Pepper",
                "SECRET_PROVIDERS" => "ProviderCredentials",
                "MARKUP_BASIS_POINTS" => "MarkupBasisPoints",
                "EXTRA_CA_PEM" => "ExtraCaPem",
                "MAIL_FROM" => "MailFrom",
                "MAIL_CONTACT" => "MailContact",
                "OPERATOR_NAME" => "OperatorName",
                "OPERATOR_CONTACT" => "OperatorContact",
                "REGISTRATION_DOMAINS" => "RegistrationDomains",
                "PAYMENT_RECORD_YEARS" => "PaymentRecordYears",
                "ACCOUNT_BACKUP_DAYS" => "AccountBackupDays",
                _ => "nothing",
            };
            found.equal(value, json!({"Ref": names}), format!("{name}.{variable}"));
        }
        // What a function is told of a secret is what it may read.
        let role = name.replace("Function", "Role");
        for (variable, secret) in
            [("SECRET_PEPPER", "Pepper"), ("SECRET_PROVIDERS", "ProviderCredentials")]
        {
            let told = variables.is_some_and(|it| it.contains_key(variable));
            let reads = |grant: &Grant<'_>| {
                grant.role == role
                    && grant.about() == Some(secret)
                    && grant.actions() == ["secretsmanager:GetSecretValue"]
            };
            let may = stack.grants().iter().any(reads);
            found.unless(told == may, format!("{name} and {secret}"));
        }
        // So it is with sending.
        let told = variables.is_some_and(|it| it.contains_key("MAIL_FROM"));
        let sends = |grant: &Grant<'_>| grant.role == role && grant.actions() == ["ses:SendEmail"];
        found.unless(told == stack.grants().iter().any(sends), format!("{name} and MailFrom"));
    }
}

pub(super) fn logs(stack: &Stack, found: &mut Findings) {
    for (name, group) in stack.of("AWS::Logs::LogGroup") {
        // CloudWatch takes up to three days to delete what has expired.
        let days = group["RetentionInDays"].as_u64().unwrap_or(u64::MAX);
        found.unless(days <= 3, format!("{name} is kept for {days} days"));
        let key = json!({"Fn::If": ["HasKmsKey", {"Ref": "KmsKeyArn"}, {"Ref": "AWS::NoValue"}]});
        found.equal(&group["KmsKeyId"], key, format!("{name}.KmsKeyId"));
        let retained = &stack.0["Resources"][name]["DeletionPolicy"];
        found.unless(retained.is_null(), format!("{name} outlives the stack"));
    }
    found.unless(stack.of("AWS::Logs::LogGroup").count() == 5, "a log for each function");
}

pub(super) fn schedules(stack: &Stack, found: &mut Findings) {
    let mut segments = Vec::new();
    for (name, schedule) in stack.of("AWS::Scheduler::Schedule") {
        let cron = json!("cron(25,55 * * * ? *)");
        found.equal(&schedule["ScheduleExpression"], cron, format!("{name} runs"));
        found.unless(schedule["Name"].is_null(), format!("{name} is the same in every stack"));
        let target = &schedule["Target"];
        let retention = json!({"Fn::GetAtt": ["RetentionFunction", "Arn"]});
        found.equal(&target["Arn"], retention, format!("{name}.Arn"));
        found.unless(target["DeadLetterConfig"].is_null(), format!("{name}.DeadLetterConfig"));
        for absent in ["StartDate", "EndDate"] {
            found.unless(schedule[absent].is_null(), format!("{name}.{absent}"));
        }
        segments
            .push((target["Input"]["Fn::Sub"].as_str().unwrap_or_default(), &schedule["State"]));
    }
    segments.sort_by_key(|(input, _)| *input);
    let on = |condition: &str| json!({"Fn::If": [condition, "ENABLED", "DISABLED"]});
    let right =
        [Value::Null, on("HasSecondSegment"), on("HasFourthSegment"), on("HasFourthSegment")];
    let mut asked = segments.iter().zip(&right).enumerate();
    let fine = asked.all(|(segment, ((input, state), right))| {
        let event = format!(r#"{{"segment":{segment},"segments":${{RetentionSegments}}}}"#);
        *input == event && *state == right
    });
    found.unless(fine && segments.len() == right.len(), "every part has its schedule");
}
