//! Reads `template.yaml`: the routes and who authorizes them, the gateway's own answers, and the
//! tables' keys. They stand there as literals, and an intrinsic in one of them is an error here.

use std::{collections::HashMap, fmt};

use saphyr::{LoadableYamlNode, Yaml};

/// The template that this program was built with.
pub const TEMPLATE: &str = include_str!("../../template.yaml");

/// What the template says that matters outside AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Every route.
    pub routes: Vec<Route>,
    /// The content types that come to a function in base 64, without their parameters.
    pub binary_media_types: Vec<String>,
    /// The gateway's own answers, by API Gateway's name for them.
    pub gateway_responses: HashMap<String, GatewayResponse>,
    /// The tables.
    pub tables: Vec<Table>,
}

/// A route and the function behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The method, in capitals, or `ANY`.
    pub method: String,
    /// The path, where `{name}` stands for one part and `{name+}` for all that are left.
    pub path: String,
    /// Who decides about a request.
    pub authorizer: Authorizer,
    /// The binary that answers it.
    pub binary: String,
}

/// Who decides about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authorizer {
    /// The authorizer function, by the caller's key.
    Key,
    /// AWS, by a signature of the operator's.
    Iam,
    /// Nobody: it is for everyone.
    None,
}

/// An answer that no function gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayResponse {
    /// Its status.
    pub status: u16,
    /// Its headers, beside the content type.
    pub headers: Vec<(String, HeaderSource)>,
    /// Its body, of JSON.
    pub body: String,
}

/// What a header of such an answer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderSource {
    /// This text.
    Literal(String),
    /// The id that API Gateway gives the request.
    RequestId,
}

/// A table and its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name in the template.
    pub name: String,
    /// Its partition key and sort key.
    pub key: Vec<String>,
    /// Its indexes.
    pub indexes: Vec<Index>,
    /// The attribute by which items expire.
    pub ttl: Option<String>,
}

/// An index of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Its partition key and sort key.
    pub key: Vec<String>,
    /// What it has of an item beside the keys.
    pub includes: Vec<String>,
}

/// The template does not say in literals what has to be known. It names the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("template.yaml: {0} is missing or not a literal")]
pub struct TemplateError(String);

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// Names the place that is missing or not a literal.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let documents = Yaml::load_from_str(text).map_err(|_| error("the file"))?;
        let document = documents.first().ok_or_else(|| error("the file"))?;
        let resources = mapping(document, "Resources")?;
        let mut template = Self {
            routes: Vec::new(),
            binary_media_types: Vec::new(),
            gateway_responses: HashMap::new(),
            tables: Vec::new(),
        };
        for (name, resource) in resources {
            let name = literal(name, "a resource's name")?;
            match text_at(resource, &["Type"], &name)?.as_str() {
                "AWS::Serverless::Api" => template.api(resource, &name)?,
                "AWS::Serverless::Function" => template.function(resource, &name)?,
                "AWS::DynamoDB::Table" => template.tables.push(table(resource, &name)?),
                _ => {}
            }
        }
        Ok(template)
    }

    fn api(&mut self, api: &Yaml<'_>, name: &str) -> Result<(), TemplateError> {
        let authorizer = text_at(api, &["Properties", "Auth", "DefaultAuthorizer"], name)?;
        if authorizer != "Key" {
            return Err(error(&format!("{name}.Auth.DefaultAuthorizer")));
        }
        for kind in sequence(at(api, &["Properties", "BinaryMediaTypes"])) {
            // SAM wants the slash as `~1`.
            self.binary_media_types.push(literal(kind, name)?.replace("~1", "/"));
        }
        let responses = at(api, &["Properties", "GatewayResponses"])
            .ok_or_else(|| error(&format!("{name}.GatewayResponses")))?;
        for (kind, response) in responses.as_mapping().into_iter().flatten() {
            let kind = literal(kind, name)?;
            let status = text_at(response, &["StatusCode"], &kind)?;
            let body = text_at(response, &["ResponseTemplates", "application/json"], &kind)?;
            let status = status.parse().map_err(|_| error(&format!("{kind}.StatusCode")))?;
            let mut headers = Vec::new();
            let given = at(response, &["ResponseParameters", "Headers"]);
            for (name, value) in given.and_then(|given| given.as_mapping()).into_iter().flatten() {
                let value = literal(value, &kind)?;
                // API Gateway wants a literal in quotes of its own.
                let quoted = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
                let source = match (quoted, value.as_str()) {
                    (Some(text), _) => HeaderSource::Literal(text.to_owned()),
                    (None, "context.requestId") => HeaderSource::RequestId,
                    (None, _) => return Err(error(&format!("{kind}.ResponseParameters"))),
                };
                headers.push((literal(name, &kind)?, source));
            }
            self.gateway_responses.insert(kind, GatewayResponse { status, headers, body });
        }
        Ok(())
    }

    fn function(&mut self, function: &Yaml<'_>, name: &str) -> Result<(), TemplateError> {
        let binary = text_at(function, &["Metadata", "BuildProperties", "Binary"], name)?;
        let events = at(function, &["Properties", "Events"]).and_then(|events| events.as_mapping());
        for (event, properties) in events.into_iter().flatten() {
            let event = format!("{name}.{}", literal(event, name)?);
            if text_at(properties, &["Type"], &event)? != "Api" {
                continue;
            }
            let named = at(properties, &["Properties", "Auth", "Authorizer"]);
            let authorizer = match named.map(|named| literal(named, &event)).transpose()?.as_deref()
            {
                None | Some("Key") => Authorizer::Key,
                Some("AWS_IAM") => Authorizer::Iam,
                Some("NONE") => Authorizer::None,
                Some(_) => return Err(error(&format!("{event}.Auth.Authorizer"))),
            };
            self.routes.push(Route {
                method: text_at(properties, &["Properties", "Method"], &event)?,
                path: text_at(properties, &["Properties", "Path"], &event)?,
                authorizer,
                binary: binary.clone(),
            });
        }
        Ok(())
    }
}

fn table(table: &Yaml<'_>, name: &str) -> Result<Table, TemplateError> {
    let key = |of: &Yaml<'_>| {
        sequence(at(of, &["KeySchema"]))
            .map(|part| text_at(part, &["AttributeName"], name))
            .collect::<Result<Vec<_>, _>>()
    };
    let properties = at(table, &["Properties"]).ok_or_else(|| error(name))?;
    let indexes = sequence(at(properties, &["GlobalSecondaryIndexes"]))
        .map(|index| {
            let includes = sequence(at(index, &["Projection", "NonKeyAttributes"]));
            Ok(Index {
                name: text_at(index, &["IndexName"], name)?,
                key: key(index)?,
                includes: includes.map(|it| literal(it, name)).collect::<Result<_, _>>()?,
            })
        })
        .collect::<Result<_, _>>()?;
    let ttl = at(properties, &["TimeToLiveSpecification", "AttributeName"]);
    Ok(Table {
        name: name.to_owned(),
        key: key(properties)?,
        indexes,
        ttl: ttl.map(|ttl| literal(ttl, name)).transpose()?,
    })
}

fn at<'a, 'b>(node: &'a Yaml<'b>, path: &[&str]) -> Option<&'a Yaml<'b>> {
    path.iter().try_fold(node, |node, name| node.as_mapping_get(name))
}

fn text_at(node: &Yaml<'_>, path: &[&str], place: &str) -> Result<String, TemplateError> {
    let place = format!("{place}.{}", path.join("."));
    literal(at(node, path).ok_or_else(|| error(&place))?, &place)
}

/// The text of a node, which must be plain: `!Sub` and its like are tagged, `Fn::Sub` a mapping.
fn literal(node: &Yaml<'_>, place: &str) -> Result<String, TemplateError> {
    if node.get_tagged_node().is_some() {
        return Err(error(place));
    }
    node.as_str().map(str::to_owned).ok_or_else(|| error(place))
}

fn mapping<'a, 'b>(
    node: &'a Yaml<'b>,
    name: &str,
) -> Result<impl Iterator<Item = (&'a Yaml<'b>, &'a Yaml<'b>)> + use<'a, 'b>, TemplateError> {
    let node = at(node, &[name]).and_then(|node| node.as_mapping());
    node.map(|mapping| mapping.iter()).ok_or_else(|| error(name))
}

fn sequence<'a, 'b>(node: Option<&'a Yaml<'b>>) -> impl Iterator<Item = &'a Yaml<'b>> {
    node.and_then(|node| node.as_sequence()).into_iter().flatten()
}

fn error(place: &str) -> TemplateError {
    TemplateError(place.to_owned())
}

impl Template {
    /// The route that a request takes. API Gateway looks for the path first, the most literal one
    /// that fits, and then for the method there.
    pub fn route(&self, method: &str, path: &str) -> Option<&Route> {
        let fitting = self.routes.iter().filter(|route| route.fits(path));
        let most_literal = fitting.min_by_key(|route| route.rank())?;
        let there = self.routes.iter().filter(|route| route.path == most_literal.path);
        there.into_iter().find(|route| route.method == method || route.method == "ANY")
    }
}

impl Route {
    fn fits(&self, path: &str) -> bool {
        let mut asked = path.split('/');
        for own in self.path.split('/') {
            let Some(part) = asked.next() else { return false };
            if own.ends_with("+}") {
                return !part.is_empty();
            }
            if own.starts_with('{') && !part.is_empty() {
                continue;
            }
            if own != part {
                return false;
            }
        }
        asked.next().is_none()
    }

    /// How little of its path is literal, part by part.
    fn rank(&self) -> Vec<u8> {
        let rank = |part: &str| match (part.starts_with('{'), part.ends_with("+}")) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => 2,
        };
        self.path.split('/').map(rank).collect()
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_read() {
        let template = Template::parse(TEMPLATE).unwrap();
        let route = |method, path| template.route(method, path).map(|it| it.binary.as_str());
        assert_eq!(route("POST", "/v1/chat/completions"), Some("proxy"));
        assert_eq!(route("POST", "/v1beta/models/a:b"), Some("proxy"));
        assert_eq!(route("GET", "/v1/usage/calls"), Some("usage"));
        assert_eq!(route("DELETE", "/v1/files/file-1"), Some("proxy"));
        // The path is there, and has no such method.
        assert_eq!(route("PUT", "/v1/account"), None);
        assert_eq!(route("GET", "/v1/"), None);
        assert_eq!(route("GET", "/nothing"), None);
        assert_eq!(template.binary_media_types, ["multipart/form-data"]);
        assert_eq!(template.tables.len(), 4);
        assert_eq!(template.gateway_responses["ACCESS_DENIED"].status, 401);
    }

    #[test]
    fn an_intrinsic_where_a_literal_belongs_is_refused() {
        for (literal, intrinsics) in [
            ("Path: /v1/account", ["Path: !Sub /v1/account", "Path: {'Fn::Sub': /v1/account}"]),
            ("- multipart~1form-data", ["- !Ref Pepper", "- {Ref: Pepper}"]),
            ("Method: GET", ["Method: !Ref Pepper", "Method: {Ref: Pepper}"]),
            ("Authorizer: AWS_IAM", ["Authorizer: !Ref Pepper", "Authorizer: {Ref: Pepper}"]),
            ("DefaultAuthorizer: Key", ["DefaultAuthorizer: !Ref A", "DefaultAuthorizer: NONE"]),
            ("StatusCode: '413'", ["StatusCode: !Ref Pepper", "StatusCode: {Ref: Pepper}"]),
            ("application/json: '", ["application/json: !Sub '", "other/json: '"]),
            ("x-should-retry: \"", ["x-should-retry: !Sub \"", "x-should-retry: !Ref \""]),
            ("AttributeName: hash", ["AttributeName: !Ref Pepper", "AttributeName: {Ref: P}"]),
        ] {
            assert!(TEMPLATE.contains(literal), "{literal}");
            for intrinsic in intrinsics {
                let changed = TEMPLATE.replace(literal, intrinsic);
                assert!(Template::parse(&changed).is_err(), "{intrinsic}");
            }
        }
    }
}
