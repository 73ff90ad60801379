//! Roles: what each may do, and who may take it.

use serde_json::{Value, json};

use super::{Findings, Grant, Stack, list};

pub(super) fn roles(stack: &Stack, found: &mut Findings) {
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
                Some(("ses", "SendEmail")) => {
                    let sender = json!({"StringEquals": {"ses:FromAddress": {"Ref": "MailFrom"}}});
                    let identities =
                        "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/*";
                    it["Condition"] == sender && it["Resource"] == json!({"Fn::Sub": identities})
                }
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
