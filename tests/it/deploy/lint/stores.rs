//! Tables and secrets: what they keep and for how long, and who may read them.

use serde_json::{Value, json};

use super::{Findings, Grant, Stack, statements};

pub(super) fn tables(stack: &Stack, found: &mut Findings) {
    let days = |parameter: &str| json!({"PointInTimeRecoveryEnabled": true, "RecoveryPeriodInDays": {"Ref": parameter}});
    for (name, table) in stack.of("AWS::DynamoDB::Table") {
        let (recovery, expires) = match name {
            // A backup would outlive the seven days.
            "Calls" => (json!({"PointInTimeRecoveryEnabled": false}), true),
            "Ledger" => (days("LedgerBackupDays"), true),
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

pub(super) fn table_policies(stack: &Stack, found: &mut Findings) {
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

pub(super) fn secrets(stack: &Stack, found: &mut Findings) {
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
