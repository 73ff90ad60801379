//! The rules that the deployment is held to, on the template as `CloudFormation` gets it: where AWS
//! could keep what was said, or who said it, or keep anything longer than the clauses allow.
//!
//! A rule gets the transformed template and says what is wrong, by place. What no rule names cannot
//! be in the template at all: the kinds of resources that may stand there are listed.

mod api;
mod functions;
mod roles;
mod stores;
mod watch;

use serde_json::Value;

pub(crate) use self::watch::COUNTED;

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
    ("the front door speaks TLS 1.3 alone", api::front_door),
    ("the stage logs, traces and caches nothing", api::stage),
    ("every method streams from its function", api::integrations),
    ("every method has its authorizer, which keeps nothing", api::authorizers),
    ("a gateway's own answer repeats nothing of a request", api::gateway_answers),
    ("a function has no layer, no trace, no queue and no other log", functions::functions),
    ("a function's environment holds names and no secret", functions::environments),
    ("a log ends within seven days", functions::logs),
    ("a number made of a log has no words", watch::metric_filters),
    ("a table keeps no copy that outlives its clause", stores::tables),
    ("a table is read by its functions alone", stores::table_policies),
    ("a secret is read by its function alone", stores::secrets),
    ("a role may do what is named, where it is named", roles::roles),
    ("retention runs every half hour and on every part", functions::schedules),
    ("somebody is told what goes wrong", watch::alarms),
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
