//! Settings of the template that are flipped one at a time, and the rule that has to notice.

/// A change of the template, at the first place where it can be made.
pub(crate) struct Mutation {
    /// The rule that notices.
    pub(crate) rule: &'static str,
    /// What stands there.
    pub(crate) from: &'static str,
    /// What stands there instead.
    pub(crate) to: &'static str,
}

const fn flip(rule: &'static str, from: &'static str, to: &'static str) -> Mutation {
    Mutation { rule, from, to }
}

const KINDS: &str = "only listed kinds of resources";
const FRONT_DOOR: &str = "the front door speaks TLS 1.3 alone";
const STAGE: &str = "the stage logs, traces and caches nothing";
const INTEGRATIONS: &str = "every method streams from its function";
const AUTHORIZERS: &str = "every method has its authorizer, which keeps nothing";
const GATEWAY_ANSWERS: &str = "a gateway's own answer repeats nothing of a request";
const FUNCTIONS: &str = "a function has no layer, no trace, no queue and no other log";
const ENVIRONMENTS: &str = "a function's environment holds names and no secret";
const LOGS: &str = "a log ends within seven days";
const METRIC_FILTERS: &str = "a number made of a log has no words";
const TABLES: &str = "a table keeps no copy that outlives its clause";
const TABLE_POLICIES: &str = "a table is read by its functions alone";
const SECRETS: &str = "a secret is read by its function alone";
const ROLES: &str = "a role may do what is named, where it is named";
const SCHEDULES: &str = "retention runs every half hour and on every part";
const ALARMS: &str = "somebody is told what goes wrong";
const PARAMETERS: &str = "no parameter or output holds a secret";

/// The changes.
pub(crate) const MUTATIONS: [Mutation; 132] = [
    flip(
        KINDS,
        "\nOutputs:\n",
        "\n  Added:\n    Type: AWS::Kinesis::Stream\n    Properties:\n      ShardCount: 1\n\nOutputs:\n",
    ),
    flip(
        KINDS,
        "\nOutputs:\n",
        "\n  Added:\n    Type: AWS::XRay::Group\n    Properties:\n      GroupName: all\n\nOutputs:\n",
    ),
    flip(
        KINDS,
        "\nOutputs:\n",
        "\n  Added:\n    Type: AWS::Lambda::EventInvokeConfig\n    Properties:\n      FunctionName: !Ref ProxyFunction\n      Qualifier: $LATEST\n\nOutputs:\n",
    ),
    flip(
        KINDS,
        "\nOutputs:\n",
        "\n  Added:\n    Type: AWS::Logs::SubscriptionFilter\n    Properties:\n      LogGroupName: !Ref ProxyLog\n      FilterPattern: ''\n      DestinationArn: !GetAtt ProxyFunction.Arn\n\nOutputs:\n",
    ),
    flip(
        KINDS,
        "\nOutputs:\n",
        "\n  Added:\n    Type: AWS::WAFv2::WebACL\n    Properties:\n      Scope: REGIONAL\n      DefaultAction: {Allow: {}}\n      VisibilityConfig: {SampledRequestsEnabled: true, CloudWatchMetricsEnabled: true, MetricName: all}\n\nOutputs:\n",
    ),
    flip(
        KINDS,
        "\nOutputs:\n",
        "\n  Added:\n    Type: AWS::Lambda::Url\n    Properties:\n      TargetFunctionArn: !GetAtt ProxyFunction.Arn\n      AuthType: NONE\n\nOutputs:\n",
    ),
    flip(
        KINDS,
        "\nOutputs:\n",
        "\n  Added:\n    Type: AWS::Events::Archive\n    Properties:\n      SourceArn: !GetAtt Alarms.TopicArn\n\nOutputs:\n",
    ),
    flip(
        KINDS,
        "\nOutputs:\n",
        "\n  Added:\n    Type: AWS::SQS::Queue\n    Properties:\n      QueueName: letters\n\nOutputs:\n",
    ),
    flip(
        KINDS,
        "\nOutputs:\n",
        "\n  Added:\n    Type: AWS::ApiGateway::Account\n    Properties:\n      CloudWatchRoleArn: !GetAtt ProxyRole.Arn\n\nOutputs:\n",
    ),
    flip(
        KINDS,
        "\nOutputs:\n",
        "\n  Added:\n    Type: AWS::DynamoDB::GlobalTable\n    Properties:\n      Replicas: []\n\nOutputs:\n",
    ),
    flip(
        FRONT_DOOR,
        "      SecurityPolicy: SecurityPolicy_TLS13_1_3_2025_09\n      EndpointAccessMode: STRICT\n      DisableExecuteApiEndpoint",
        "      SecurityPolicy: TLS_1_2\n      EndpointAccessMode: STRICT\n      DisableExecuteApiEndpoint",
    ),
    flip(
        FRONT_DOOR,
        "      EndpointAccessMode: STRICT\n      DisableExecuteApiEndpoint",
        "      EndpointAccessMode: BASIC\n      DisableExecuteApiEndpoint",
    ),
    flip(FRONT_DOOR, "        Type: REGIONAL\n", "        Type: EDGE\n"),
    flip(
        FRONT_DOOR,
        "DisableExecuteApiEndpoint: !If [HasDomain, true, false]",
        "DisableExecuteApiEndpoint: false",
    ),
    flip(
        FRONT_DOOR,
        "        Types: [REGIONAL]\n      SecurityPolicy: SecurityPolicy_TLS13_1_3_2025_09\n",
        "        Types: [REGIONAL]\n      SecurityPolicy: SecurityPolicy_TLS13_1_2_2021_06\n",
    ),
    flip(
        FRONT_DOOR,
        "        - multipart~1form-data\n",
        "        - multipart~1form-data\n        - '*~1*'\n",
    ),
    flip(STAGE, "TracingEnabled: false", "TracingEnabled: true"),
    flip(STAGE, "CacheClusterEnabled: false", "CacheClusterEnabled: true"),
    flip(STAGE, "DataTraceEnabled: false", "DataTraceEnabled: true"),
    flip(STAGE, "LoggingLevel: 'OFF'", "LoggingLevel: INFO"),
    flip(STAGE, "CachingEnabled: false", "CachingEnabled: true"),
    flip(STAGE, "MetricsEnabled: false", "MetricsEnabled: true"),
    flip(STAGE, "          ThrottlingRateLimit: !Ref RequestsPerSecond\n", ""),
    flip(STAGE, "          ThrottlingRateLimit: 10\n", ""),
    flip(
        STAGE,
        "          ResourcePath: /~1v1~1account~1recovery\n",
        "          ResourcePath: /~1v1~1account~1keys\n",
    ),
    flip(
        STAGE,
        "      TracingEnabled: false\n",
        "      TracingEnabled: false\n      AccessLogSetting:\n        DestinationArn: !GetAtt ProxyLog.Arn\n        Format: $context.path $context.identity.sourceIp\n",
    ),
    flip(INTEGRATIONS, "            ResponseTransferMode: RESPONSE_STREAM\n", ""),
    flip(
        INTEGRATIONS,
        "            ResponseTransferMode: RESPONSE_STREAM\n",
        "            ResponseTransferMode: STREAM\n",
    ),
    flip(INTEGRATIONS, "            TimeoutInMillis: 900000\n", ""),
    flip(INTEGRATIONS, "            TimeoutInMillis: 300000\n", ""),
    flip(
        INTEGRATIONS,
        "      MemorySize: !Ref ProxyMemory\n      Timeout: 900\n",
        "      MemorySize: !Ref ProxyMemory\n      Timeout: 29\n",
    ),
    flip(
        AUTHORIZERS,
        "ReauthorizeEvery: 0",
        "Headers: [Authorization]\n              ReauthorizeEvery: 300",
    ),
    flip(
        AUTHORIZERS,
        "              ReauthorizeEvery: 0\n",
        "              Headers: [Authorization]\n              ReauthorizeEvery: 0\n",
    ),
    flip(AUTHORIZERS, "              Authorizer: AWS_IAM\n", "              Authorizer: Key\n"),
    flip(AUTHORIZERS, "              Authorizer: AWS_IAM\n", "              Authorizer: NONE\n"),
    flip(
        AUTHORIZERS,
        "            Path: /v1/account\n            Method: GET\n",
        "            Path: /v1/account\n            Method: GET\n            Auth:\n              Authorizer: NONE\n",
    ),
    flip(
        AUTHORIZERS,
        "            Path: /v1/account\n            Method: POST\n            ResponseTransferMode: RESPONSE_STREAM\n            Auth:\n              # By a code that was sent to them, since there is no key yet.\n              Authorizer: NONE\n",
        "            Path: /v1/account\n            Method: POST\n            ResponseTransferMode: RESPONSE_STREAM\n",
    ),
    flip(
        AUTHORIZERS,
        "            Path: /v1/account/email\n            Method: PUT\n",
        "            Path: /v1/account/email\n            Method: PUT\n            Auth:\n              Authorizer: NONE\n",
    ),
    flip(
        GATEWAY_ANSWERS,
        r#""message":"There is no such endpoint here."#,
        r#""message":"$context.error.messageString There is no such endpoint here."#,
    ),
    flip(
        GATEWAY_ANSWERS,
        "              x-request-id: context.requestId\n",
        "              x-request-id: method.request.querystring.key\n",
    ),
    flip(
        GATEWAY_ANSWERS,
        "        MISSING_AUTHENTICATION_TOKEN:\n          StatusCode: '404'",
        "        MISSING_AUTHENTICATION_TOKEN:\n          StatusCode: '403'",
    ),
    flip(FUNCTIONS, "Tracing: PassThrough", "Tracing: Active"),
    flip(FUNCTIONS, "SystemLogLevel: WARN", "SystemLogLevel: INFO"),
    flip(FUNCTIONS, "ApplicationLogLevel: INFO", "ApplicationLogLevel: TRACE"),
    flip(FUNCTIONS, "LogFormat: JSON", "LogFormat: Text"),
    flip(FUNCTIONS, "Runtime: provided.al2023", "Runtime: provided.al2"),
    flip(
        FUNCTIONS,
        "    Timeout: 30\n",
        "    Timeout: 30\n    Layers: [arn:aws:lambda:eu-west-1:580247275435:layer:LambdaInsightsExtension:14]\n",
    ),
    flip(
        FUNCTIONS,
        "      MemorySize: !Ref ProxyMemory\n",
        "      MemorySize: !Ref ProxyMemory\n      DeadLetterQueue:\n        Type: SNS\n        TargetArn: !Ref Alarms\n",
    ),
    flip(
        FUNCTIONS,
        "      MemorySize: !Ref ProxyMemory\n",
        "      MemorySize: !Ref ProxyMemory\n      SnapStart:\n        ApplyOn: PublishedVersions\n",
    ),
    flip(
        FUNCTIONS,
        "      MemorySize: !Ref ProxyMemory\n",
        "      MemorySize: !Ref ProxyMemory\n      EphemeralStorage:\n        Size: 1024\n",
    ),
    flip(FUNCTIONS, "      LoggingConfig:\n        LogGroup: !Ref ProxyLog\n", ""),
    flip(
        KINDS,
        "      MemorySize: !Ref ProxyMemory\n",
        "      MemorySize: !Ref ProxyMemory\n      EventInvokeConfig:\n        MaximumRetryAttempts: 1\n",
    ),
    flip(
        ENVIRONMENTS,
        "          SECRET_PROVIDERS: !Ref ProviderCredentials\n",
        "          SECRET_PROVIDERS: !Sub '{{resolve:secretsmanager:${ProviderCredentials}}}'\n",
    ),
    flip(
        ENVIRONMENTS,
        "          SECRET_PROVIDERS: !Ref ProviderCredentials\n",
        "          SECRET_PROVIDERS: !Ref ProviderCredentials\n          RUST_LOG: trace\n",
    ),
    flip(
        ENVIRONMENTS,
        "          SECRET_PROVIDERS: !Ref ProviderCredentials\n",
        "          SECRET_PROVIDERS: !Ref ProviderCredentials\n          SECRET_PEPPER: !Ref Pepper\n",
    ),
    flip(
        ENVIRONMENTS,
        "          MARKUP_BASIS_POINTS: !Ref MarkupBasisPoints\n          MAIL_FROM: !Ref MailFrom\n",
        "          MARKUP_BASIS_POINTS: !Ref MarkupBasisPoints\n",
    ),
    flip(ENVIRONMENTS, "          MAIL_FROM: !Ref MailFrom\n", "          MAIL_FROM: '*'\n"),
    flip(LOGS, "      RetentionInDays: 3\n", "      RetentionInDays: 5\n"),
    flip(LOGS, "      RetentionInDays: 3\n", ""),
    flip(
        LOGS,
        "      KmsKeyId: !If [HasKmsKey, !Ref KmsKeyArn, !Ref AWS::NoValue]\n\n  AuthorizerFunction",
        "\n  AuthorizerFunction",
    ),
    flip(
        LOGS,
        "  ProxyLog:\n    Type: AWS::Logs::LogGroup\n",
        "  ProxyLog:\n    Type: AWS::Logs::LogGroup\n    DeletionPolicy: Retain\n",
    ),
    flip(METRIC_FILTERS, "          MetricValue: '1'\n", "          MetricValue: $.pico\n"),
    flip(
        METRIC_FILTERS,
        "          MetricValue: '1'\n",
        "          MetricValue: '1'\n          Dimensions:\n            - Key: call\n              Value: $.call\n",
    ),
    flip(
        TABLES,
        "        PointInTimeRecoveryEnabled: false\n",
        "        PointInTimeRecoveryEnabled: true\n",
    ),
    flip(TABLES, "        RecoveryPeriodInDays: !Ref AccountBackupDays\n", ""),
    flip(
        TABLES,
        "        RecoveryPeriodInDays: !Ref LedgerBackupDays\n",
        "        RecoveryPeriodInDays: 1\n",
    ),
    flip(
        TABLES,
        "      TimeToLiveSpecification:\n        AttributeName: expires_at\n        Enabled: true\n",
        "",
    ),
    flip(
        TABLES,
        "        AttributeName: expires_at\n        Enabled: true\n",
        "        AttributeName: time\n        Enabled: true\n",
    ),
    flip(TABLES, "      DeletionProtectionEnabled: true\n", ""),
    flip(
        TABLES,
        "    Type: AWS::DynamoDB::Table\n    DeletionPolicy: Retain\n",
        "    Type: AWS::DynamoDB::Table\n    DeletionPolicy: Delete\n",
    ),
    flip(
        TABLES,
        "      BillingMode: PAY_PER_REQUEST\n",
        "      BillingMode: PAY_PER_REQUEST\n      StreamSpecification:\n        StreamViewType: NEW_AND_OLD_IMAGES\n",
    ),
    flip(
        TABLES,
        "      BillingMode: PAY_PER_REQUEST\n",
        "      BillingMode: PAY_PER_REQUEST\n      ContributorInsightsSpecification:\n        Enabled: true\n",
    ),
    flip(
        TABLES,
        "      BillingMode: PAY_PER_REQUEST\n",
        "      BillingMode: PAY_PER_REQUEST\n      TableName: accounts\n",
    ),
    flip(TABLES, "          KMSMasterKeyId: !Ref KmsKeyArn\n", ""),
    flip(
        TABLE_POLICIES,
        "                dynamodb:GetItem, dynamodb:PartiQLDelete",
        "                dynamodb:PartiQLDelete",
    ),
    flip(TABLE_POLICIES, "dynamodb:ExportTableToPointInTime,\n", "\n"),
    flip(
        TABLE_POLICIES,
        "            - Effect: Deny\n              Principal: '*'\n              Action: [dynamodb",
        "            - Effect: Allow\n              Principal: '*'\n              Action: [dynamodb",
    ),
    flip(
        TABLE_POLICIES,
        "                  aws:PrincipalArn:\n                    - !GetAtt UsageRole.Arn\n",
        "                  aws:PrincipalArn:\n                    - !GetAtt ProxyRole.Arn\n                    - !GetAtt UsageRole.Arn\n",
    ),
    flip(
        TABLE_POLICIES,
        "                  aws:PrincipalIsAWSService: false\n",
        "                  aws:PrincipalIsAWSService: true\n",
    ),
    flip(
        TABLE_POLICIES,
        "                    - !If [HasBreakGlassRole, !Ref BreakGlassRoleArn, !Ref AWS::NoValue]\n",
        "                    - !Sub arn:${AWS::Partition}:iam::${AWS::AccountId}:role/Admin\n",
    ),
    flip(
        SECRETS,
        "                  - !GetAtt ProxyRole.Arn\n",
        "                  - !GetAtt UsageRole.Arn\n",
    ),
    flip(
        SECRETS,
        "  Pepper:\n    Type: AWS::SecretsManager::Secret\n    DeletionPolicy: Retain\n",
        "  Pepper:\n    Type: AWS::SecretsManager::Secret\n    DeletionPolicy: Delete\n",
    ),
    flip(SECRETS, "        PasswordLength: 64\n", "        PasswordLength: 32\n"),
    flip(SECRETS, "      BlockPublicPolicy: true\n", ""),
    flip(
        SECRETS,
        r#"      SecretString: '{"openai":"","#,
        r#"      SecretString: '{"openai":"sk-example","#,
    ),
    flip(ROLES, "            Action: [dynamodb:GetItem]\n", "            Action: ['dynamodb:*']\n"),
    flip(
        ROLES,
        "            Action: [dynamodb:GetItem]\n            Resource: !GetAtt Keys.Arn\n",
        "            Action: [dynamodb:GetItem]\n            Resource: '*'\n",
    ),
    flip(
        ROLES,
        "                Action: [logs:CreateLogStream, logs:PutLogEvents]\n                Resource: !GetAtt ProxyLog.Arn\n",
        "                Action: [logs:CreateLogGroup, logs:CreateLogStream, logs:PutLogEvents]\n                Resource: !GetAtt ProxyLog.Arn\n",
    ),
    flip(
        ROLES,
        "                Resource: !GetAtt ProxyLog.Arn\n",
        "                Resource: !GetAtt UsageLog.Arn\n",
    ),
    flip(ROLES, "              Service: lambda.amazonaws.com\n", "              AWS: '*'\n"),
    flip(
        ROLES,
        "            Resource: !Sub arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/*\n",
        "            Resource: '*'\n",
    ),
    flip(
        ROLES,
        "            Condition:\n              StringEquals:\n                ses:FromAddress: !Ref MailFrom\n",
        "",
    ),
    flip(
        ROLES,
        "            Action: [ses:SendEmail]\n",
        "            Action: [ses:SendRawEmail]\n",
    ),
    flip(
        ROLES,
        "      Policies:\n        - PolicyName: log\n",
        "      ManagedPolicyArns: [arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess]\n      Policies:\n        - PolicyName: log\n",
    ),
    flip(SCHEDULES, "cron(25,55 * * * ? *)", "cron(25,55 2 * * ? *)"),
    flip(SCHEDULES, "cron(25,55 * * * ? *)", "cron(5,35 * * * ? *)"),
    flip(SCHEDULES, "cron(25,55 * * * ? *)", "cron(25 * * * ? *)"),
    flip(
        SCHEDULES,
        "            State: !If [HasFourthSegment, ENABLED, DISABLED]\n",
        "            State: DISABLED\n",
    ),
    flip(SCHEDULES, r#"{"segment":2,"#, r#"{"segment":1,"#),
    flip(SCHEDULES, "            OmitName: true\n", ""),
    flip(
        SCHEDULES,
        "            OmitName: true\n",
        "            OmitName: true\n            DeadLetterConfig:\n              Arn: !Ref Alarms\n",
    ),
    flip(ALARMS, "      AlarmActions: !If [HasAlarmEmail, [!Ref Alarms], !Ref AWS::NoValue]\n", ""),
    flip(ALARMS, "TreatMissingData: breaching", "TreatMissingData: notBreaching"),
    flip(
        ALARMS,
        "      MetricName: StrandedHolds\n      Statistic",
        "      MetricName: Holds\n      Statistic",
    ),
    flip(
        ALARMS,
        "        - Id: usage\n          ReturnData: false\n          MetricStat:\n            Metric:\n              Namespace: AWS/Lambda\n              MetricName: Throttles\n",
        "        - Id: usage\n          ReturnData: false\n          MetricStat:\n            Metric:\n              Namespace: AWS/Lambda\n              MetricName: Errors\n",
    ),
    flip(ALARMS, r#"{"type":"metric","x":0,"y":0,"#, r#"{"type":"log","x":0,"y":0,"#),
    flip(
        PARAMETERS,
        "  AlarmEmail:\n    Type: String\n",
        "  OpenAiApiKey:\n    Type: String\n    NoEcho: true\n    Default: ''\n    Description: A key.\n  AlarmEmail:\n    Type: String\n",
    ),
    flip(PARAMETERS, "    Description: Where alarms go. Without an address nobody is told.\n", ""),
    flip(
        PARAMETERS,
        "    Value: !Ref Pepper\n",
        "    Value: !Sub '{{resolve:secretsmanager:${Pepper}}}'\n",
    ),
    flip(
        KINDS,
        "\nOutputs:\n",
        "\n  Added:\n    Type: AWS::SES::ConfigurationSetEventDestination\n    Properties:\n      ConfigurationSetName: all\n\nOutputs:\n",
    ),
    flip(
        STAGE,
        "\nOutputs:\n",
        "\n  Added:\n    Type: AWS::ApiGateway::Deployment\n    Properties:\n      RestApiId: !Ref Api\n      StageName: v1\n      StageDescription:\n        DataTraceEnabled: true\n\nOutputs:\n",
    ),
    flip(
        METRIC_FILTERS,
        "FilterPattern: '{ $.line = \"loss\" }'",
        "FilterPattern: '{ $.line = \"lost\" }'",
    ),
    flip(
        METRIC_FILTERS,
        "      LogGroupName: !Ref RetentionLog\n      FilterPattern: '{ $.line = \"short\"",
        "      LogGroupName: !Ref UsageLog\n      FilterPattern: '{ $.line = \"short\"",
    ),
    flip(TABLE_POLICIES, "dynamodb:BatchWriteItem, ", ""),
    flip(
        TABLE_POLICIES,
        "              Condition:\n                ArnNotEquals:\n                  aws:PrincipalArn:\n                    - !GetAtt ProxyRole.Arn\n",
        "              Condition:\n                ArnNotEquals:\n                  aws:SourceArn: arn:aws:iam::000000000000:role/none\n                  aws:PrincipalArn:\n                    - !GetAtt ProxyRole.Arn\n",
    ),
    flip(
        TABLE_POLICIES,
        "              Condition:\n                ArnNotEquals:\n                  aws:PrincipalArn:\n                    - !GetAtt ProxyRole.Arn\n",
        "              Condition:\n                StringEquals:\n                  aws:PrincipalTag/kind: person\n                ArnNotEquals:\n                  aws:PrincipalArn:\n                    - !GetAtt ProxyRole.Arn\n",
    ),
    flip(
        TABLES,
        "      BillingMode: PAY_PER_REQUEST\n",
        "      BillingMode: PAY_PER_REQUEST\n      TableClass: STANDARD_INFREQUENT_ACCESS\n",
    ),
    flip(
        SECRETS,
        "  PepperPolicy:\n    Type: AWS::SecretsManager::ResourcePolicy\n    DeletionPolicy: Retain\n",
        "  PepperPolicy:\n    Type: AWS::SecretsManager::ResourcePolicy\n    DeletionPolicy: Delete\n",
    ),
    flip(
        SECRETS,
        "      KmsKeyId: !If [HasKmsKey, !Ref KmsKeyArn, !Ref AWS::NoValue]\n      GenerateSecretString",
        "      GenerateSecretString",
    ),
    flip(
        SECRETS,
        "      KmsKeyId: !If [HasKmsKey, !Ref KmsKeyArn, !Ref AWS::NoValue]\n      GenerateSecretString",
        "      KmsKeyId: !If [HasKmsKey, !Ref KmsKeyArn, !Ref AWS::NoValue]\n      ReplicaRegions:\n        - Region: us-east-1\n      GenerateSecretString",
    ),
    flip(
        ROLES,
        "            Action: [dynamodb:GetItem]\n",
        "            Action: [!Sub 'dynamodb:*']\n",
    ),
    flip(
        ROLES,
        "        Statement:\n          - Effect: Allow\n            Action: [dynamodb:GetItem]\n            Resource: !GetAtt Keys.Arn\n          - Effect: Allow\n            Action: [secretsmanager:GetSecretValue]\n            Resource: !Ref Pepper\n",
        "        Statement:\n          Effect: Allow\n          Action: '*'\n          Resource: '*'\n",
    ),
    flip(
        ROLES,
        "              Service: lambda.amazonaws.com\n",
        "              Service: lambda.amazonaws.com\n              AWS: '*'\n",
    ),
    flip(
        SCHEDULES,
        "            OmitName: true\n",
        "            OmitName: true\n            EndDate: '2027-01-01T00:00:00Z'\n",
    ),
    flip(
        ALARMS,
        "      AlarmDescription: A call cost more than was held for it, or an hour more than was out. The log names it.\n",
        "      AlarmDescription: A call cost more than was held for it, or an hour more than was out. The log names it.\n      ActionsEnabled: false\n",
    ),
    flip(
        ALARMS,
        "      MetricName: Losses\n      Statistic: Sum\n      Period: 3600\n      EvaluationPeriods: 1\n      Threshold: 1\n",
        "      MetricName: Losses\n      Statistic: Sum\n      Period: 3600\n      EvaluationPeriods: 1\n      Threshold: 1000000\n",
    ),
    flip(
        ALARMS,
        "      Subscription:\n        - Protocol: email\n          Endpoint: !Ref AlarmEmail\n",
        "      TopicName: alarms\n",
    ),
    flip(ALARMS, "          Expression: FILL(runs, 0)\n", "          Expression: runs + 0\n"),
    flip(
        ALARMS,
        "            Period: 1800\n            Stat: Sum\n      EvaluationPeriods: 3\n",
        "            Period: 1800\n            Stat: Sum\n      EvaluationPeriods: 5\n",
    ),
    flip(
        ALARMS,
        "      MetricName: RecordsOverdue\n      Statistic: Sum\n      Period: 1800\n      EvaluationPeriods: 1\n",
        "      MetricName: RecordsOverdue\n      Statistic: Sum\n      Period: 1800\n      EvaluationPeriods: 4\n",
    ),
    flip(METRIC_FILTERS, "$.oldest_found > 612000", "$.oldest_found > 6120000"),
    flip(PARAMETERS, "    MaxValue: 7\n", "    MaxValue: 35\n"),
];
