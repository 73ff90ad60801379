//! The embedded DynamoDB, and the template's tables in it.

use std::path::Path;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::{
    Client,
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
        Projection, ProjectionType, ScalarAttributeType, TimeToLiveSpecification,
    },
};
use dynoxide::Database;
use shared::config::{AwsConfig, StoreConfig};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    StartError,
    template::{Table, Template},
};

/// A DynamoDB in this process, reached over loopback by the ordinary SDK.
pub struct Embedded {
    config: StoreConfig,
    database: Database,
    serving: JoinHandle<()>,
}

impl Embedded {
    /// Opens the database in `file`, or in memory, and makes the tables that are not there.
    ///
    /// # Errors
    /// When the file cannot be opened or a table cannot be made.
    pub async fn open(file: Option<&Path>, template: &Template) -> Result<Self, StartError> {
        let database = match file {
            Some(file) => Database::new(file.to_str().ok_or(StartError::Data)?),
            None => Database::memory(),
        };
        let database = database.map_err(|_| StartError::Data)?;
        let listener =
            TcpListener::bind(("127.0.0.1", 0)).await.map_err(|_| StartError::Database)?;
        let address = listener.local_addr().map_err(|_| StartError::Database)?;
        let serving = tokio::spawn(dynoxide::server::serve_on(listener, database.clone()));
        let config = StoreConfig {
            aws: AwsConfig::loopback(format!("http://{address}")),
            accounts: "Accounts".to_owned(),
            keys: "Keys".to_owned(),
            calls: "Calls".to_owned(),
            ledger: "Ledger".to_owned(),
            payment_years: shared::store::PAYMENT_YEARS,
        };
        create_tables(&client(&config).await?, template).await?;
        Ok(Self { config, database, serving })
    }

    /// The same, reached through what passes everything on from `url`.
    #[must_use]
    pub fn behind(mut self, url: String) -> Self {
        self.config.aws.endpoint = Some(url);
        self
    }

    /// The database itself, for more items than requests could bring.
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// How the functions reach it.
    pub const fn config(&self) -> &StoreConfig {
        &self.config
    }

    /// A client for what no function may do: making tables, and looking at all of them.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub async fn client(&self) -> Result<Client, StartError> {
        client(&self.config).await
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A client for whatever is at the place of `config`.
///
/// # Errors
/// When TLS cannot be set up.
pub async fn client(config: &StoreConfig) -> Result<Client, StartError> {
    let credentials = &config.aws.credentials;
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(config.aws.region.clone()))
        .credentials_provider(aws_credential_types::Credentials::new(
            credentials.access_key_id.clone(),
            credentials.secret_access_key.expose(),
            None,
            None,
            "local",
        ))
        .http_client(shared::tls::aws_http_client().map_err(|_| StartError::Database)?)
        .endpoint_url(config.aws.endpoint.clone().unwrap_or_default());
    Ok(Client::new(&loader.load().await))
}

/// Makes the template's tables that are not there, in whichever DynamoDB this is a client for.
///
/// # Errors
/// When a table cannot be made.
pub async fn create_tables(client: &Client, template: &Template) -> Result<(), StartError> {
    for table in &template.tables {
        create(client, table).await?;
    }
    Ok(())
}

async fn create(client: &Client, table: &Table) -> Result<(), StartError> {
    let exists = client.describe_table().table_name(&table.name).send().await.is_ok();
    if exists {
        return Ok(());
    }
    let mut attributes: Vec<&String> =
        table.key.iter().chain(table.indexes.iter().flat_map(|index| &index.key)).collect();
    attributes.sort_unstable();
    attributes.dedup();
    let mut request = client
        .create_table()
        .table_name(&table.name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(schema(&table.key)?));
    for attribute in attributes {
        let definition = AttributeDefinition::builder()
            .attribute_name(attribute)
            .attribute_type(ScalarAttributeType::S)
            .build();
        request = request.attribute_definitions(definition.map_err(|_| StartError::Database)?);
    }
    for index in &table.indexes {
        let projection = Projection::builder()
            .projection_type(ProjectionType::Include)
            .set_non_key_attributes(Some(index.includes.clone()));
        let index = GlobalSecondaryIndex::builder()
            .index_name(&index.name)
            .set_key_schema(Some(schema(&index.key)?))
            .projection(projection.build())
            .build();
        request = request.global_secondary_indexes(index.map_err(|_| StartError::Database)?);
    }
    request.send().await.map_err(|_| StartError::Database)?;
    if let Some(attribute) = &table.ttl {
        let ttl = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(true);
        let ttl = ttl.build().map_err(|_| StartError::Database)?;
        let request = client.update_time_to_live().table_name(&table.name);
        let request = request.time_to_live_specification(ttl);
        request.send().await.map_err(|_| StartError::Database)?;
    }
    Ok(())
}

/// The partition key comes first.
fn schema(key: &[String]) -> Result<Vec<KeySchemaElement>, StartError> {
    let types = [KeyType::Hash, KeyType::Range];
    let element = |(name, key_type): (&String, KeyType)| {
        let element = KeySchemaElement::builder().attribute_name(name).key_type(key_type).build();
        element.map_err(|_| StartError::Database)
    };
    key.iter().zip(types).map(element).collect()
}
