//! The rules that the deployment is held to, on the template as `CloudFormation` gets it: where AWS
//! could keep what was said, or who said it, or keep anything longer than the clauses allow.
//!
//! A rule gets the transformed template and says what is wrong, by place. What no rule names cannot
//! be in the template at all: the kinds of resources that may stand there are listed.

use serde_json::{Value, json};

/// A template as `CloudFormation` gets it.
pub(crate) struct Stack(pub(crate) Value);

/// A resource and what it is called.
type Resource<'a> = (&'a str, &'a Value);

impl Stack {
    /// Every resource.
    pub(crate) fn resources(&self) -> impl Iterator<Item = Resource<'_>> {
        let resources = self.0["Resources"].as_object().expect("resources");
        resources.iter().map(|(name, resource)| (name.as_str(), resource))
    }

    /// Those of a kind, each with its properties.
    pub(crate) fn of(&self, kind: &str) -> impl Iterator<Item = Resource<'_>> {
        let of_kind = self.resources().filter(move |(_, resource)| resource["Type"] == kind);
        of_kind.map(|(name, resource)| (name, &resource["Properties"]))
    }

    /// The properties of one resource.
    pub(crate) fn properties(&self, name: &str) -> &Value {
        &self.0["Resources"][name]["Properties"]
    }

    /// The methods of the API: path, method and definition.
    pub(crate) fn methods(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        let paths = self.of("AWS::ApiGateway::RestApi").filter_map(|(_, api)| {
            let paths = api["Body"]["paths"].as_object()?;
            Some(paths.iter().flat_map(|(path, methods)| {
                let methods = methods.as_object().into_iter().flatten();
                methods.map(move |(method, it)| (path.as_str(), method.as_str(), it))
            }))
        });
        paths.flatten()
    }

    /// What each role may do: role, actions, resource.
    pub(crate) fn grants(&self) -> Vec<Grant<'_>> {
        let mut grants = Vec::new();
        for (_, policy) in self.of("AWS::IAM::RolePolicy") {
            let role = policy["RoleName"]["Ref"].as_str().unwrap_or_default();
            grants.extend(statements(&policy["PolicyDocument"]).map(|it| Grant { role, it }));
        }
        for (role, properties) in self.of("AWS::IAM::Role") {
            for policy in list(&properties["Policies"]) {
                grants.extend(statements(&policy["PolicyDocument"]).map(|it| Grant { role, it }));
            }
        }
        grants
    }
}

/// A statement of a policy, and the role that has it.
pub(crate) struct Grant<'a> {
    pub(crate) role: &'a str,
    pub(crate) it: &'a Value,
}

impl Grant<'_> {
    /// The actions.
    pub(crate) fn actions(&self) -> Vec<&str> {
        texts(&self.it["Action"])
    }

    /// The resource in this template that it is about.
    pub(crate) fn about(&self) -> Option<&str> {
        let resource = &self.it["Resource"];
        let index = resource["Fn::Sub"].as_str().and_then(|text| text.strip_prefix("${"));
        let index = index.and_then(|text| text.split_once(".Arn}/index/")).map(|(table, _)| table);
        resource["Fn::GetAtt"][0].as_str().or_else(|| resource["Ref"].as_str()).or(index)
    }
}

fn statements(document: &Value) -> impl Iterator<Item = &Value> {
    list(&document["Statement"])
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A text or a list of them.
fn texts(value: &Value) -> Vec<&str> {
    value.as_str().map_or_else(|| list(value).filter_map(Value::as_str).collect(), |it| vec![it])
}

/// What is wrong, by place.
#[derive(Default)]
pub(crate) struct Findings(pub(crate) Vec<String>);

impl Findings {
    fn unless(&mut self, right: bool, place: impl Into<String>) {
        if !right {
            self.0.push(place.into());
        }
    }

    fn equal(&mut self, found: &Value, right: Value, place: impl Into<String>) {
        self.unless(*found == right, place);
    }
}

/// A rule: what it says, and what it finds.
pub(crate) type Rule = (&'static str, fn(&Stack, &mut Findings));

/// The rules.
pub(crate) const RULES: [Rule; 17] = [
    ("only listed kinds of resources", kinds),
    ("the front door speaks TLS 1.3 alone", front_door),
    ("the stage logs, traces and caches nothing", stage),
    ("every method streams from its function", integrations),
    ("every method has its authorizer, which keeps nothing", authorizers),
    ("a gateway's own answer repeats nothing of a request", gateway_answers),
    ("a function has no layer, no trace, no queue and no other log", functions),
    ("a function's environment holds names and no secret", environments),
    ("a log ends within seven days", logs),
    ("a number made of a log has no words", metric_filters),
    ("a table keeps no copy that outlives its clause", tables),
    ("a table is read by its functions alone", table_policies),
    ("a secret is read by its function alone", secrets),
    ("a role may do what is named, where it is named", roles),
    ("retention runs every hour and on every part", schedules),
    ("somebody is told what goes wrong", alarms),
    ("no parameter or output holds a secret", parameters),
];

/// Whatever could keep, copy or watch what passes is no kind of these.
fn kinds(stack: &Stack, found: &mut Findings) {
    const KINDS: [&str; 19] = [
        "AWS::ApiGateway::BasePathMapping",
        "AWS::ApiGateway::Deployment",
        "AWS::ApiGateway::DomainName",
        "AWS::ApiGateway::RestApi",
        "AWS::ApiGateway::Stage",
        "AWS::CloudWatch::Alarm",
        "AWS::CloudWatch::Dashboard",
        "AWS::DynamoDB::Table",
        "AWS::IAM::Role",
        "AWS::IAM::RolePolicy",
        "AWS::Lambda::Function",
        "AWS::Lambda::Permission",
        "AWS::Logs::LogGroup",
        "AWS::Logs::MetricFilter",
        "AWS::Route53::RecordSet",
        "AWS::SNS::Topic",
        "AWS::Scheduler::Schedule",
        "AWS::SecretsManager::ResourcePolicy",
        "AWS::SecretsManager::Secret",
    ];
    for (name, resource) in stack.resources() {
        let kind = resource["Type"].as_str().unwrap_or_default();
        found.unless(KINDS.contains(&kind), format!("{name} is a {kind}"));
    }
}

fn front_door(stack: &Stack, found: &mut Findings) {
    let doors = stack.of("AWS::ApiGateway::RestApi").chain(stack.of("AWS::ApiGateway::DomainName"));
    let doors: Vec<_> = doors.collect();
    for (name, door) in &doors {
        found.equal(&door["EndpointConfiguration"]["Types"], json!(["REGIONAL"]), *name);
        let policy = json!("SecurityPolicy_TLS13_1_3_2025_09");
        found.equal(&door["SecurityPolicy"], policy, format!("{name}.SecurityPolicy"));
        found.equal(&door["EndpointAccessMode"], json!("STRICT"), format!("{name}.Mode"));
    }
    found.unless(doors.len() == 2, "a front door, and one with a name of its own");
    for (name, api) in stack.of("AWS::ApiGateway::RestApi") {
        let endpoint = &api["Body"]["servers"][0]["x-amazon-apigateway-endpoint-configuration"];
        let off = json!({"Fn::If": ["HasDomain", true, false]});
        found.equal(&endpoint["disableExecuteApiEndpoint"], off, format!("{name} has two doors"));
        let binary = json!(["multipart~1form-data"]);
        found.equal(&api["BinaryMediaTypes"], binary, format!("{name}.BinaryMediaTypes"));
        let binary = json!(["multipart/form-data"]);
        let types = &api["Body"]["x-amazon-apigateway-binary-media-types"];
        found.equal(types, binary, format!("{name}'s binary media types"));
        found.unless(api["MinimumCompressionSize"].is_null(), "MinimumCompressionSize");
    }
}

fn stage(stack: &Stack, found: &mut Findings) {
    for (name, deployment) in stack.of("AWS::ApiGateway::Deployment") {
        for absent in ["StageDescription", "DeploymentCanarySettings"] {
            found.unless(deployment[absent].is_null(), format!("{name}.{absent}"));
        }
    }
    for (name, stage) in stack.of("AWS::ApiGateway::Stage") {
        found.equal(&stage["TracingEnabled"], json!(false), format!("{name}.TracingEnabled"));
        found.equal(&stage["CacheClusterEnabled"], json!(false), format!("{name}.Cache"));
        for absent in ["AccessLogSetting", "CanarySetting", "Variables", "ClientCertificateId"] {
            found.unless(stage[absent].is_null(), format!("{name}.{absent}"));
        }
        found.unless(list(&stage["MethodSettings"]).count() == 1, format!("{name}'s settings"));
        let setting = &stage["MethodSettings"][0];
        for (what, right) in [
            ("HttpMethod", json!("*")),
            ("ResourcePath", json!("/*")),
            ("DataTraceEnabled", json!(false)),
            ("LoggingLevel", json!("OFF")),
            ("MetricsEnabled", json!(false)),
            ("CachingEnabled", json!(false)),
            ("ThrottlingRateLimit", json!({"Ref": "RequestsPerSecond"})),
            ("ThrottlingBurstLimit", json!({"Ref": "RequestBurst"})),
        ] {
            found.equal(&setting[what], right, format!("{name}.{what}"));
        }
    }
}

fn integrations(stack: &Stack, found: &mut Findings) {
    for (path, method, it) in stack.methods() {
        let place = format!("{method} {path}");
        let integration = &it["x-amazon-apigateway-integration"];
        found.equal(&integration["type"], json!("aws_proxy"), &place);
        found.equal(&integration["responseTransferMode"], json!("STREAM"), &place);
        let uri = integration["uri"]["Fn::Sub"].as_str().unwrap_or_default();
        found.unless(uri.ends_with("/response-streaming-invocations"), &place);
        for absent in ["requestParameters", "requestTemplates", "cacheKeyParameters", "credentials"]
        {
            found.unless(integration[absent].is_null(), format!("{place} {absent}"));
        }
        if uri.contains("${ProxyFunction.Arn}") {
            found.equal(&integration["timeoutInMillis"], json!(900_000), &place);
        }
    }
    found.unless(stack.methods().count() > 0, "no method");
    found.equal(&stack.properties("ProxyFunction")["Timeout"], json!(900), "ProxyFunction.Timeout");
}

fn authorizers(stack: &Stack, found: &mut Findings) {
    for (path, method, it) in stack.methods() {
        let right = match path {
            "/openapi.json" => json!([{"NONE": []}]),
            path if path.starts_with("/operator/") => json!([{"AWS_IAM": []}]),
            _ => json!([{"Key": []}]),
        };
        found.equal(&it["security"], right, format!("{method} {path}"));
    }
    for (_, api) in stack.of("AWS::ApiGateway::RestApi") {
        let schemes = &api["Body"]["components"]["securitySchemes"];
        let count = schemes.as_object().map_or(0, |it| it.len());
        found.unless(count == 2, "an authorizer by key, and IAM");
        found.equal(
            &schemes["AWS_IAM"]["x-amazon-apigateway-authtype"],
            json!("awsSigv4"),
            "AWS_IAM",
        );
        let key = &schemes["Key"]["x-amazon-apigateway-authorizer"];
        found.equal(&key["type"], json!("request"), "Key.type");
        found.equal(&key["authorizerResultTtlInSeconds"], json!(0), "Key keeps its answers");
        found.unless(key["identitySource"].is_null(), "Key.identitySource");
    }
}

fn gateway_answers(stack: &Stack, found: &mut Findings) {
    for (_, api) in stack.of("AWS::ApiGateway::RestApi") {
        let answers = api["Body"]["x-amazon-apigateway-gateway-responses"].as_object();
        for (kind, answer) in answers.into_iter().flatten() {
            let templates = answer["responseTemplates"].as_object();
            for (content_type, body) in templates.into_iter().flatten() {
                found.equal(&json!(content_type), json!("application/json"), kind);
                let quotes = body.as_str().is_none_or(|body| body.contains('$'));
                found.unless(!quotes, format!("{kind} repeats"));
            }
            let headers = answer["responseParameters"].as_object();
            for (header, value) in headers.into_iter().flatten() {
                let value = value.as_str().unwrap_or_default();
                let literal = value.starts_with('\'') && value.ends_with('\'');
                found.unless(literal || value == "context.requestId", format!("{kind} {header}"));
            }
        }
        let unknown = answers.map(|it| &it["MISSING_AUTHENTICATION_TOKEN"]["statusCode"]);
        found.unless(unknown == Some(&json!("404")), "an unknown route is no 404");
    }
}

fn functions(stack: &Stack, found: &mut Findings) {
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

fn environments(stack: &Stack, found: &mut Findings) {
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
    }
}

fn logs(stack: &Stack, found: &mut Findings) {
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

/// What is counted: the metric, whose log, and which of its lines.
pub(crate) const COUNTED: [(&str, &str, &str); 12] = [
    ("Losses", "Proxy", r#"{ $.line = "loss" }"#),
    ("Losses", "Retention", r#"{ $.line = "short" }"#),
    ("Unsettled", "Proxy", r#"{ $.line = "unsettled" }"#),
    ("StrandedHolds", "Retention", r#"{ $.line = "retention" && $.returned_pico != "0" }"#),
    (
        "RetentionRuns",
        "Retention",
        r#"{ $.line = "retention" && $.failed = 0 && $.unclosed_records = 0 }"#,
    ),
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
    ("Panics", "Authorizer", r#"{ $.line = "panic" }"#),
    ("Panics", "Proxy", r#"{ $.line = "panic" }"#),
    ("Panics", "Usage", r#"{ $.line = "panic" }"#),
    ("Panics", "Account", r#"{ $.line = "panic" }"#),
    ("Panics", "Retention", r#"{ $.line = "panic" }"#),
];

fn metric_filters(stack: &Stack, found: &mut Findings) {
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

fn tables(stack: &Stack, found: &mut Findings) {
    let days = |parameter: &str| json!({"PointInTimeRecoveryEnabled": true, "RecoveryPeriodInDays": {"Ref": parameter}});
    for (name, table) in stack.of("AWS::DynamoDB::Table") {
        let (recovery, expires) = match name {
            // A backup would outlive the seven days.
            "Calls" => (json!({"PointInTimeRecoveryEnabled": false}), true),
            "Ledger" => (days("LedgerBackupDays"), false),
            "Accounts" => (days("AccountBackupDays"), true),
            _ => (days("AccountBackupDays"), false),
        };
        let recovers = &table["PointInTimeRecoverySpecification"];
        found.equal(recovers, recovery, format!("{name} and its backup"));
        let ttl = json!({"AttributeName": "expires_at", "Enabled": true});
        let right = if expires { ttl } else { Value::Null };
        found.equal(&table["TimeToLiveSpecification"], right, format!("{name} expires"));
        found.equal(&table["DeletionProtectionEnabled"], json!(true), format!("{name} protected"));
        found.equal(&table["BillingMode"], json!("PAY_PER_REQUEST"), format!("{name}.BillingMode"));
        let sse = json!({"Fn::If": [
            "HasKmsKey",
            {"SSEEnabled": true, "SSEType": "KMS", "KMSMasterKeyId": {"Ref": "KmsKeyArn"}},
            {"Ref": "AWS::NoValue"},
        ]});
        found.equal(&table["SSESpecification"], sse, format!("{name}.SSESpecification"));
        const KNOWN: [&str; 9] = [
            "AttributeDefinitions",
            "BillingMode",
            "DeletionProtectionEnabled",
            "GlobalSecondaryIndexes",
            "KeySchema",
            "PointInTimeRecoverySpecification",
            "ResourcePolicy",
            "SSESpecification",
            "TimeToLiveSpecification",
        ];
        for property in table.as_object().into_iter().flat_map(|it| it.keys()) {
            found.unless(KNOWN.contains(&property.as_str()), format!("{name}.{property}"));
        }
        retained(stack, name, found);
    }
    found.unless(stack.of("AWS::DynamoDB::Table").count() == 4, "four tables");
}

/// What is retained when it leaves the template.
fn retained(stack: &Stack, name: &str, found: &mut Findings) {
    let resource = &stack.0["Resources"][name];
    for policy in ["DeletionPolicy", "UpdateReplacePolicy"] {
        found.equal(&resource[policy], json!("Retain"), format!("{name}.{policy}"));
    }
}

fn table_policies(stack: &Stack, found: &mut Findings) {
    for (name, table) in stack.of("AWS::DynamoDB::Table") {
        let document = &table["ResourcePolicy"]["PolicyDocument"];
        // What a table's policy may deny, by AWS's list of what such policies support. Writes are
        // among them, since they can return an item.
        let actions = [
            "BatchGetItem",
            "BatchWriteItem",
            "ConditionCheckItem",
            "CreateBackup",
            "DeleteItem",
            "EnableKinesisStreamingDestination",
            "ExportTableToPointInTime",
            "GetItem",
            "PartiQLDelete",
            "PartiQLInsert",
            "PartiQLSelect",
            "PartiQLUpdate",
            "PutItem",
            "Query",
            "RestoreTableToPointInTime",
            "Scan",
            "UpdateContributorInsights",
            "UpdateItem",
            "UpdateKinesisStreamingDestination",
        ];
        let actions = actions.map(|action| format!("dynamodb:{action}"));
        denies(stack, name, document, json!(actions), found);
    }
}

fn secrets(stack: &Stack, found: &mut Findings) {
    for (name, secret) in stack.of("AWS::SecretsManager::Secret") {
        retained(stack, name, found);
        let key = json!({"Fn::If": ["HasKmsKey", {"Ref": "KmsKeyArn"}, {"Ref": "AWS::NoValue"}]});
        found.equal(&secret["KmsKeyId"], key, format!("{name}.KmsKeyId"));
        found.unless(secret["ReplicaRegions"].is_null(), format!("{name}.ReplicaRegions"));
        // Without its policy a secret that is retained could be read.
        retained(stack, &format!("{name}Policy"), found);
        let policy = stack.properties(&format!("{name}Policy"));
        found.equal(&policy["SecretId"], json!({"Ref": name}), format!("{name}Policy"));
        found.equal(&policy["BlockPublicPolicy"], json!(true), format!("{name} may be public"));
        let action = json!("secretsmanager:GetSecretValue");
        denies(stack, name, &policy["ResourcePolicy"], action, found);
    }
    // Whatever is changed here makes another pepper, and every key unknown.
    let generated = json!({
        "SecretStringTemplate": "{}",
        "GenerateStringKey": "1",
        "PasswordLength": 64,
        "ExcludeCharacters": "ghijklmnopqrstuvwxyz",
        "ExcludeUppercase": true,
        "ExcludePunctuation": true,
        "RequireEachIncludedType": false,
    });
    found.equal(&stack.properties("Pepper")["GenerateSecretString"], generated, "the first pepper");
    let first = &stack.properties("ProviderCredentials")["SecretString"];
    let empty = json!(r#"{"openai":"","anthropic":"","gemini":""}"#);
    found.equal(first, empty, "the first credentials");
}

/// Whether `actions` on `name` are denied to all but the roles that a policy grants something there,
/// and to the one for emergencies.
fn denies(stack: &Stack, name: &str, document: &Value, actions: Value, found: &mut Findings) {
    let grants = stack.grants();
    let of = |grant: &&Grant<'_>| grant.about() == Some(name);
    let mut roles: Vec<_> = grants.iter().filter(of).map(|grant| grant.role).collect();
    roles.sort_unstable();
    roles.dedup();
    let mut exempt: Vec<_> =
        roles.iter().map(|role| json!({"Fn::GetAtt": [role, "Arn"]})).collect();
    exempt.push(json!({"Fn::If": [
        "HasBreakGlassRole",
        {"Ref": "BreakGlassRoleArn"},
        {"Ref": "AWS::NoValue"},
    ]}));
    let mut statement = document["Statement"][0].clone();
    if let Some(list) = statement["Condition"]["ArnNotEquals"]["aws:PrincipalArn"].as_array_mut() {
        list.sort_by_key(|arn| (arn["Fn::If"].is_array(), arn.to_string()));
    }
    if let Some(list) = statement["Action"].as_array_mut() {
        list.sort_by_key(ToString::to_string);
    }
    let right = json!({
        "Effect": "Deny",
        "Principal": "*",
        "Action": actions,
        "Resource": "*",
        "Condition": {
            "ArnNotEquals": {"aws:PrincipalArn": exempt},
            "Bool": {"aws:PrincipalIsAWSService": false},
        },
    });
    found.equal(&statement, right, format!("the policy of {name}"));
    found.unless(statements(document).count() == 1, format!("{name}'s policy says more"));
}

fn roles(stack: &Stack, found: &mut Findings) {
    for (name, role) in stack.of("AWS::IAM::Role") {
        found.unless(role["ManagedPolicyArns"].is_null(), format!("{name}.ManagedPolicyArns"));
        let right = match name.starts_with("RetentionFunction") {
            true => json!([{
                "Effect": "Allow",
                "Principal": {"Service": ["scheduler.amazonaws.com"]},
                "Action": ["sts:AssumeRole"],
            }]),
            false => json!([{
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }]),
        };
        let trusted = &role["AssumeRolePolicyDocument"]["Statement"];
        found.equal(trusted, right, format!("{name} trusts another"));
        for policy in list(&role["Policies"]) {
            let statements = &policy["PolicyDocument"]["Statement"];
            found.unless(statements.is_array(), format!("{name}'s own policy"));
        }
    }
    for (name, policy) in stack.of("AWS::IAM::RolePolicy") {
        let statements = &policy["PolicyDocument"]["Statement"];
        found.unless(statements.is_array(), format!("{name}'s statements"));
        found.unless(policy["RoleName"]["Ref"].is_string(), format!("{name}'s role"));
    }
    for grant in stack.grants() {
        let Grant { role, it } = grant;
        found.equal(&it["Effect"], json!("Allow"), role);
        found.unless(it["NotAction"].is_null() && it["NotResource"].is_null(), role);
        let actions = &it["Action"];
        let literal = list(actions).all(Value::is_string) && !grant.actions().is_empty();
        found.unless(literal && (actions.is_array() || actions.is_string()), role);
        for action in grant.actions() {
            found.unless(!action.contains('*'), format!("{role} and {action}"));
            let about = grant.about().unwrap_or_default();
            let log = format!("{}Log", role.trim_end_matches("Role"));
            let right = match action.split_once(':') {
                Some(("dynamodb", _)) => ["Accounts", "Keys", "Calls", "Ledger"].contains(&about),
                Some(("secretsmanager", "GetSecretValue")) => {
                    ["Pepper", "ProviderCredentials"].contains(&about)
                }
                Some(("logs", "CreateLogStream" | "PutLogEvents")) => about == log,
                Some(("lambda", "InvokeFunction")) => about == "RetentionFunction",
                _ => false,
            };
            found.unless(right, format!("{role} and {action} on {about}"));
        }
    }
    for (name, permission) in stack.of("AWS::Lambda::Permission") {
        let principal = &permission["Principal"];
        found.equal(principal, json!("apigateway.amazonaws.com"), format!("{name}.Principal"));
        found.unless(!permission["SourceArn"].is_null(), format!("{name}.SourceArn"));
    }
}

fn schedules(stack: &Stack, found: &mut Findings) {
    let mut segments = Vec::new();
    for (name, schedule) in stack.of("AWS::Scheduler::Schedule") {
        let cron = json!("cron(25 * * * ? *)");
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

/// The alarms: what they watch, from which number on, for how many periods of how long. That on
/// retention is one of too few.
const WATCHED: [(&str, u64, u64, u64); 8] = [
    ("CredentialsRefused", 1, 1, 300),
    ("Errors", 1, 1, 300),
    ("Losses", 1, 1, 3_600),
    ("Panics", 1, 1, 300),
    ("ProviderFailures", 5, 2, 300),
    ("StrandedHolds", 1, 3, 3_600),
    ("Throttles", 1, 1, 300),
    ("Unsettled", 1, 2, 300),
];

fn alarms(stack: &Stack, found: &mut Findings) {
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
    found.unless(stack.of("AWS::CloudWatch::Alarm").count() == 9, "an alarm on retention");
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
        "Period": 3_600,
        "Stat": "Sum",
    });
    found.equal(&alarm["Metrics"][0]["Expression"], json!("FILL(runs, 0)"), "hours without a run");
    found.equal(&alarm["Metrics"][1]["MetricStat"], runs, "retention's runs");
    for (what, right) in [
        ("TreatMissingData", json!("breaching")),
        ("ComparisonOperator", json!("LessThanThreshold")),
        ("Threshold", json!({"Ref": "RetentionSegments"})),
        ("EvaluationPeriods", json!(2)),
    ] {
        found.equal(&alarm[what], right, format!("RetentionOverdueAlarm.{what}"));
    }
}

fn parameters(stack: &Stack, found: &mut Findings) {
    // Accounts and Keys say when a key was last used, which no backup may tell for longer.
    let days = &stack.0["Parameters"]["AccountBackupDays"]["MaxValue"];
    found.unless(days.as_u64().is_some_and(|days| days <= 7), "AccountBackupDays.MaxValue");
    for (name, parameter) in stack.0["Parameters"].as_object().into_iter().flatten() {
        found.unless(parameter["NoEcho"].is_null(), format!("{name} is a secret"));
        found.unless(parameter["Description"].is_string(), format!("{name} says what it is"));
        found.unless(!parameter["Default"].is_null(), format!("{name} has no default"));
    }
    let text = stack.0.to_string();
    found.unless(!text.contains("{{resolve:"), "a value that is resolved into the template");
    for output in ["Url", "NextStep", "OperatorRoutes"] {
        found.unless(!stack.0["Outputs"][output]["Value"].is_null(), output);
    }
}
