//! Usage, costs and what is left, as finance and its tools ask for them.

use std::time::Duration;

use http::{Method, header};
use serde_json::{Value, json};
use shared::{
    endpoint::EndpointType,
    limits::Limits,
    money::Pico,
    store::{accesses::KeepAccesses, calls::Record},
    time::Timestamp,
    units::{UnitClass, Units},
};
use tests::world::{Answer, LimitedKey, World};

use crate::keys::{ask, text};

const DAY: Duration = Duration::from_secs(86_400);

const fn days(count: u32) -> Duration {
    DAY.saturating_mul(count)
}

async fn get(world: &World, key: &str, path: &str) -> Answer {
    world.send(world.get(path).bearer_auth(key)).await
}

/// As somebody who may read usage.
async fn read(world: &World, path: &str) -> Answer {
    get(world, &world.demo("LAOZHANG_USAGE_KEY"), path).await
}

async fn read_json(world: &World, path: &str) -> Value {
    let answer = read(world, path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

/// A world in which hours of the last week take calls.
async fn a_week() -> (World, LimitedKey, Timestamp) {
    let world = World::new().await;
    let now = Timestamp::now();
    world.open_hours_since(now.minus(days(8))).await;
    let key = world.limited_key(&Limits::NONE).await;
    (world, key, now)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_reads_as_openai_writes_it() {
    let (world, key, now) = a_week().await;
    let day = now.minus(days(2)).hour().day().first().start();
    let noon = day.plus(Duration::from_secs(12 * 3_600));
    let units = Units::default()
        .with(UnitClass::Input, 100)
        .with(UnitClass::CacheRead, 40)
        .with(UnitClass::Output, 7)
        .with(UnitClass::Reasoning, 3);
    let call = Record { units, cost: Pico::new(61_000_000), ..world.a_record(&key.key, noon) };
    world.put_settled(&call).await;
    let (start, end) = (day.seconds(), day.plus(days(2)).seconds());
    let query = format!("start_time={start}&end_time={end}");

    let path =
        format!("/v1/organization/usage/completions?{query}&group_by[]=model&group_by=batch");
    let counts = json!({
        "input_tokens": 140,
        "output_tokens": 10,
        "input_cached_tokens": 40,
        "input_cache_write_tokens": 0,
        "input_cache_write_30m_tokens": 0,
        "input_cache_write_12h_tokens": 0,
        "input_uncached_tokens": 100,
        "input_text_tokens": 100,
        "input_cached_text_tokens": 40,
        "output_text_tokens": 10,
        "input_audio_tokens": 0,
        "input_cached_audio_tokens": 0,
        "input_image_tokens": 0,
        "input_cached_image_tokens": 0,
        "output_audio_tokens": 0,
        "output_image_tokens": 0,
        "num_model_requests": 1,
    });
    let mut result = json!({
        "object": "organization.usage.completions.result",
        "project_id": null,
        "user_id": null,
        "api_key_id": null,
        "model": "gpt-5-mini",
        "batch": false,
        "service_tier": null,
        "api_source": null,
    });
    result.as_object_mut().unwrap().extend(counts.as_object().unwrap().clone());
    let (one, two) = (day.plus(DAY).seconds(), day.plus(days(2)).seconds());
    let empty = |start, end| json!({"object": "bucket", "start_time": start, "end_time": end, "results": []});
    let page = json!({
        "object": "page",
        "data": [
            {"object": "bucket", "start_time": start, "end_time": one, "results": [result]},
            empty(one, two),
        ],
        "has_more": false,
        "next_page": null,
    });
    assert_eq!(read_json(&world, &path).await, page);
    // Of another kind, of other keys and models, and of batches there is nothing.
    for nothing in ["embeddings?", "completions?models[]=gpt-5&", "completions?batch=true&"] {
        let page = read_json(&world, &format!("/v1/organization/usage/{nothing}{query}")).await;
        assert_eq!(page["data"], json!([empty(start, one), empty(one, two)]), "{nothing}");
    }
    // Two pages of one bucket each are the same.
    let path =
        format!("/v1/organization/costs?{query}&group_by=line_item&group_by=project_id&limit=1");
    let first = read_json(&world, &path).await;
    let cost = |class: &str, value: f64, quantity: u64| {
        json!({
            "object": "organization.costs.result",
            "amount": {"value": value, "currency": "usd"},
            "line_item": format!("gpt-5-mini, {class}"),
            "project_id": "a-cost-centre",
            "api_key_id": null,
            "user_id": null,
            "api_source": null,
            "quantity": quantity,
            "quantity_unit": "tokens",
        })
    };
    let costs = json!([
        cost("input", 0.000_025, 100),
        cost("cache_read", 0.000_001, 40),
        cost("output", 0.000_014, 7),
        cost("reasoning", 0.000_006, 3),
        {
            "object": "organization.costs.result",
            "amount": {"value": 0.000_015, "currency": "usd"},
            "line_item": "gpt-5-mini, uncharged",
            "project_id": "a-cost-centre",
            "api_key_id": null,
            "user_id": null,
            "api_source": null,
            "quantity": null,
            "quantity_unit": null,
        },
    ]);
    assert_eq!(first["data"][0]["results"], costs);
    assert_eq!(first["has_more"], true);
    let next = text(&first["next_page"]);
    let second = read_json(&world, &format!("{path}&page={next}")).await;
    assert_eq!((&second["data"], &second["next_page"]), (&json!([empty(one, two)]), &Value::Null));
    // One item alone, by its name.
    let item = read_json(&world, &format!("{path}&line_items[]=gpt-5-mini,%20output")).await;
    assert_eq!(item["data"][0]["results"], json!([costs[2]]));
    // No digit is lost before somebody reads it as a float.
    let whole = read(&world, &format!("/v1/organization/costs?{query}")).await.text();
    assert!(whole.contains(r#""value":0.000061000000,"#), "{whole}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_reads_as_anthropic_writes_it() {
    let (world, key, now) = a_week().await;
    let day = now.minus(DAY).hour().day().first().start();
    let units = Units::default()
        .with(UnitClass::Input, 10)
        .with(UnitClass::CacheRead, 20)
        .with(UnitClass::CacheWrite5m, 30)
        .with(UnitClass::CacheWrite1h, 40)
        .with(UnitClass::Output, 5)
        .with(UnitClass::Searches, 1);
    let model = "claude-opus-5".to_owned();
    let price_version = format!("{}/us", world.price_version());
    let call = Record { model, units, price_version, ..world.a_record(&key.key, day) };
    world.put_settled(&call).await;
    let after = day.plus(DAY);
    let query = format!("starting_at={day}&ending_at={after}");
    let report = "/v1/organizations/usage_report/messages";
    let page = read_json(
        &world,
        &format!("{report}?{query}&bucket_width=1d&group_by[]=model&group_by[]=inference_geo"),
    )
    .await;
    let result = json!({
        "uncached_input_tokens": 10,
        "cache_creation": {
            "ephemeral_1h_input_tokens": 40,
            "ephemeral_5m_input_tokens": 30,
            "ephemeral_30m_input_tokens": 0,
            "ephemeral_12h_input_tokens": 0,
        },
        "cache_read_input_tokens": 20,
        "output_tokens": 5,
        "server_tool_use": {"web_search_requests": 1},
        "api_key_id": null,
        "workspace_id": null,
        "model": "claude-opus-5",
        "service_tier": null,
        "context_window": null,
        "inference_geo": "us",
        "speed": null,
        "account_id": null,
        "service_account_id": null,
    });
    let bucket = json!({"starting_at": day.to_string(), "ending_at": after.to_string(), "results": [result]});
    assert_eq!(page, json!({"data": [bucket], "has_more": false, "next_page": null}));
    for (narrowed, results) in [
        ("speeds[]=fast", 0),
        ("inference_geos[]=us&speeds=standard", 1),
        // Anthropic's own words for what there is none of, and what some of its clients send.
        ("service_tiers[]=priority_on_demand", 0),
        ("inference_geos[]=not_available", 0),
        ("beta=true", 1),
    ] {
        let page = read_json(&world, &format!("{report}?{query}&{narrowed}")).await;
        assert_eq!(page["data"][0]["results"].as_array().unwrap().len(), results, "{narrowed}");
    }
    let costs = format!("/v1/organizations/cost_report?{query}");
    let page = read_json(&world, &costs).await;
    // A cent is 10^10 pico-dollars.
    assert_eq!(page["data"][0]["results"][0]["amount"], "0.0002250000");
    let page = read_json(&world, &format!("{costs}&group_by[]=description")).await;
    let results = page["data"][0]["results"].as_array().unwrap();
    let types: Vec<_> = results.iter().map(|it| (&it["cost_type"], &it["token_type"])).collect();
    let tokens = json!("tokens");
    assert_eq!(
        types,
        [
            (&tokens, &json!("uncached_input_tokens")),
            (&tokens, &json!("cache_read_input_tokens")),
            (&tokens, &json!("cache_creation.ephemeral_5m_input_tokens")),
            (&tokens, &json!("cache_creation.ephemeral_1h_input_tokens")),
            (&tokens, &json!("output_tokens")),
            (&json!("web_search"), &Value::Null),
            // What it cost beyond what was charged.
            (&Value::Null, &Value::Null),
        ]
    );
    // What is wrong is told in Anthropic's words.
    let wrong = read(&world, &format!("{costs}&group_by[]=context_window")).await;
    let error = wrong.json();
    assert_eq!(wrong.status, 400);
    assert_eq!(
        (&error["type"], &error["error"]["type"]),
        (&json!("error"), &json!("invalid_request_error"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_query_is_a_400_in_the_shape_of_whoever_asks_and_quotes_nothing() {
    let world = World::new().await;
    let now = Timestamp::now();
    let stranger = ask(
        &world,
        &world.demo("LAOZHANG_OPERATOR_TOKEN"),
        Method::POST,
        "/operator/accounts",
        json!({"consents": []}),
    )
    .await
    .json();
    let foreign = text(&stranger["keys"][0]["id"]);
    let canary = world.canary();
    let day = now.minus(DAY).hour().day().first().start();
    let (hour_ago, long_ago) = (now.seconds() - 3_600, now.seconds() - 8 * 86_400);
    let usage = "/v1/organization/usage/completions";
    let openai = [
        (usage.to_owned(), "start_time"),
        (format!("{usage}?start_time={canary}"), "start_time"),
        (format!("{usage}?start_time=-1"), "start_time"),
        (format!("{usage}?start_time=99999999999999"), "start_time"),
        (format!("{usage}?start_time={}", now.seconds() + 999), "start_time"),
        (format!("{usage}?start_time=1&start_time=2"), "start_time"),
        (format!("{usage}?start_time={hour_ago}&end_time={}", hour_ago - 1), "end_time"),
        (format!("{usage}?start_time={hour_ago}&end_time={hour_ago}"), "end_time"),
        (format!("{usage}?start_time={hour_ago}&bucket_width={canary}"), "bucket_width"),
        (format!("{usage}?start_time={long_ago}&bucket_width=1h"), "bucket_width"),
        (format!("{usage}?start_time={long_ago}&bucket_width=1m"), "bucket_width"),
        (format!("{usage}?start_time={hour_ago}&limit=32"), "limit"),
        (format!("{usage}?start_time={hour_ago}&limit=0"), "limit"),
        (format!("{usage}?start_time={hour_ago}&limit={canary}"), "limit"),
        (format!("{usage}?start_time={hour_ago}&bucket_width=1h&limit=169"), "limit"),
        (format!("{usage}?start_time={hour_ago}&bucket_width=1m&limit=1441"), "limit"),
        (format!("{usage}?start_time={hour_ago}&group_by=user_id"), "group_by"),
        (format!("{usage}?start_time={hour_ago}&group_by[]={canary}"), "group_by"),
        (format!("{usage}?start_time={hour_ago}&user_ids={canary}"), "user_ids"),
        (format!("{usage}?start_time={hour_ago}&batch={canary}"), "batch"),
        (format!("{usage}?start_time={hour_ago}&api_key_ids={foreign}"), "api_key_ids"),
        (format!("{usage}?start_time={hour_ago}&api_key_ids[]={canary}"), "api_key_ids"),
        (format!("{usage}?start_time={hour_ago}&page={canary}"), "page"),
        (format!("{usage}?start_time={hour_ago}&page=page_1"), "page"),
        (format!("{usage}?start_time={hour_ago}&page=page_{}", now.seconds() + 90_000), "page"),
        (format!("/v1/organization/usage/images?start_time={hour_ago}&group_by=size"), "group_by"),
        (format!("/v1/organization/usage/images?start_time={hour_ago}&sizes=256x256"), "sizes"),
        (
            format!("/v1/organization/usage/embeddings?start_time={hour_ago}&group_by=batch"),
            "group_by",
        ),
        (format!("/v1/organization/costs?start_time={hour_ago}&bucket_width=1h"), "bucket_width"),
        (format!("/v1/organization/costs?start_time={hour_ago}&limit=181"), "limit"),
        (format!("/v1/organization/costs?start_time={hour_ago}&group_by=model"), "group_by"),
        (format!("/v1/usage/calls?page={canary}"), "page"),
        ("/v1/usage/calls?limit=10001".to_owned(), "limit"),
        (format!("/v1/usage/calls?api_key_ids={foreign}"), "api_key_ids"),
        (format!("/v1/usage/calls?endpoints={canary}"), "endpoints"),
        (format!("/v1/usage/calls?statuses={canary}"), "statuses"),
        ("/v1/usage/calls?statuses=6xx".to_owned(), "statuses"),
        ("/v1/usage/calls?statuses=%2B429".to_owned(), "statuses"),
        (format!("/v1/usage/calls?format={canary}"), "format"),
        ("/v1/usage/calls?start_time=2&end_time=1".to_owned(), "end_time"),
    ];
    for (path, parameter) in &openai {
        let answer = read(&world, path).await;
        let error = &answer.json()["error"];
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        assert_eq!(error["param"], *parameter, "{path}");
        assert_eq!(error["type"], "invalid_request_error", "{path}");
        assert_eq!(error["code"], "invalid_parameter", "{path}");
        assert!(error["message"].as_str().unwrap().len() > 20, "{path}");
    }
    let report = "/v1/organizations/usage_report/messages";
    for path in [
        report.to_owned(),
        format!("{report}?starting_at={canary}"),
        format!("{report}?starting_at=2026-11-01"),
        format!("{report}?starting_at={now}&ending_at={now}"),
        // Within one bucket there is no whole one.
        format!("{report}?starting_at={day}&ending_at={}", day.plus(DAY - Duration::from_secs(1))),
        format!("{report}?starting_at={now}&limit=99"),
        format!("{report}?starting_at={now}&group_by[]=account_id"),
        format!("{report}?starting_at={now}&context_window[]=0-200k"),
        format!("{report}?starting_at={now}&{canary}=1"),
        format!("{report}?starting_at={now}&speeds[]={canary}"),
        format!("{report}?starting_at={now}&api_key_ids[]={foreign}"),
    ] {
        let answer = read(&world, &path).await;
        let error = answer.json();
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        assert_eq!(error["error"]["type"], "invalid_request_error", "{path}");
    }
    for path in [usage, "/v1/usage/calls", "/v1/organization/costs"] {
        let answer = read(&world, &format!("{path}?{canary}=1")).await;
        assert_eq!(answer.json()["error"]["code"], "unknown_parameter", "{path}");
    }
    for path in ["/v1/organization/usage/vector_stores", "/v1/organization/usage/x"] {
        let answer = read(&world, &format!("{path}?start_time=1")).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (404, &json!("unknown_endpoint"))
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_listed_newest_first_by_page_and_by_what_is_asked() {
    let (world, key, now) = a_week().await;
    let other = world.demo_key_id("LAOZHANG_API_KEY").await;
    let ago = |minutes: u64| now.minus(Duration::from_secs(minutes * 60));
    for minutes in 1..=8 {
        let record = world.a_record(&key.key, ago(minutes));
        let record = match minutes {
            2 => Record { status: 429, ..record },
            3 => Record { model: "gpt-5".to_owned(), ..record },
            4 => Record { endpoint: EndpointType::Responses, ..record },
            5 => Record { key: other.clone(), ..record },
            6 => Record { status: 500, ..record },
            _ => record,
        };
        world.put_settled(&record).await;
    }
    let list = async |query: &str| {
        let page = read_json(&world, &format!("/v1/usage/calls?{query}")).await;
        let minutes = |call: &Value| (now.seconds() - call["time"].as_i64().unwrap()) / 60;
        (page["data"].as_array().unwrap().iter().map(minutes).collect::<Vec<_>>(), page)
    };
    let (all, page) = list("").await;
    assert_eq!(all, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!((&page["has_more"], &page["next_page"]), (&json!(false), &Value::Null));
    let newest = &page["data"][0];
    assert_eq!(newest["tag"], "a-cost-centre");
    assert_eq!(newest["expires_at"].as_i64(), Some(ago(1).seconds() + 7 * 86_400));
    for (query, found) in [
        ("statuses=429", vec![2]),
        ("statuses=4xx&statuses[]=500", vec![2, 6]),
        ("models=gpt-5", vec![3]),
        ("endpoints=responses", vec![4]),
        (&format!("api_key_ids={other}"), vec![5]),
        ("tags=a-cost-centre&limit=2", vec![1, 2]),
        ("tags=another", vec![]),
        (&format!("start_time={}&end_time={}", ago(7).seconds(), ago(5).seconds()), vec![6, 7]),
    ] {
        assert_eq!(list(query).await.0, found, "{query}");
    }
    // Page by page it is the same, whatever is asked.
    for query in ["limit=3", "limit=1&statuses=200", "limit=8", "limit=2&models=gpt-5-mini"] {
        let (mut paged, mut page) = (Vec::new(), None::<String>);
        loop {
            let page_query = page.map(|page| format!("&page={page}")).unwrap_or_default();
            let (found, answer) = list(&format!("{query}{page_query}")).await;
            paged.extend(found);
            page = answer["next_page"].as_str().map(str::to_owned);
            if page.is_none() {
                break;
            }
        }
        let (_, filter) = query.split_once('&').unwrap_or((query, ""));
        assert_eq!(paged, list(&format!("limit=100&{filter}")).await.0, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_also_csv_that_no_sheet_takes_for_a_formula() {
    let (world, key, now) = a_week().await;
    world.put_settled(&world.a_record(&key.key, now)).await;
    let manages = world.demo("LAOZHANG_MANAGEMENT_KEY");
    let path = format!("/v1/account/keys/{}", key.key);
    let tag = json!({"tag": "=1+1,\"x\""});
    let changed = ask(&world, &manages, Method::PATCH, &path, tag).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    world.put_settled(&world.a_record(&key.key, now.minus(DAY))).await;
    let reader = world.demo("LAOZHANG_USAGE_KEY");
    let by_header = world.get("/v1/usage/calls?limit=1").bearer_auth(&reader);
    let by_header = world.send(by_header.header(header::ACCEPT, "text/csv")).await;
    let by_query = read(&world, "/v1/usage/calls?limit=1&format=csv").await;
    assert_eq!(by_header.body, by_query.body);
    assert_eq!(by_query.header("content-type"), "text/csv; charset=utf-8");
    let csv = by_query.text();
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("id,time,model,endpoint,status,key_id,tag,input,cache_read,"));
    assert!(lines[0].ends_with(",images,cost_usd,price_version,basis,expires_at"));
    assert!(lines[1].contains(r#","'=1+1,""x""",9,0,"#), "{}", lines[1]);
    assert!(lines[1].ends_with(&format!(",reported,{}", now.plus(days(7)))), "{}", lines[1]);
    // Where to go on stands in a header.
    let next = by_query.header("x-laozhang-next-page").to_owned();
    let rest = read(&world, &format!("/v1/usage/calls?format=csv&page={next}")).await;
    assert_eq!((rest.text().lines().count(), rest.header("x-laozhang-next-page")), (2, ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_is_told_in_the_shapes_that_clients_know() {
    let (world, _, now) = a_week().await;
    let dollars = |amount: u32| Some(Pico::from_dollars(amount));
    let budget = world.limited_key(&Limits { month: dollars(4), ..Limits::NONE }).await;
    let free = world.demo_key_id("LAOZHANG_API_KEY").await;
    let minute_ago = now.minus(Duration::from_secs(60));
    let spent = Record { cost: Pico::from_dollars(1), ..world.a_record(&free, minute_ago) };
    world.put_settled(&spent).await;
    let month = shared::period::Period::Month.of(now.hour());
    world.set_key(&budget, &format!("left_{month}"), "2500000000000").await;

    // The account: ten dollars came in, and one is spent.
    let reader = world.demo("LAOZHANG_USAGE_KEY");
    let credits = get(&world, &reader, "/api/v1/credits").await;
    assert_eq!(
        credits.text(),
        r#"{"data":{"total_credits":10.000000000000,"total_usage":1.000000000000}}"#
    );
    for path in ["/v1/dashboard/billing", "/dashboard/billing"] {
        let plan = get(&world, &reader, &format!("{path}/subscription")).await.json();
        assert_eq!(
            (&plan["object"], &plan["hard_limit_usd"]),
            (&json!("billing_subscription"), &json!(10.0))
        );
        let usage = format!("{path}/usage?start_date=2026-01-01&end_date=2026-12-31");
        let usage = get(&world, &reader, &usage).await.json();
        // In cents.
        assert_eq!(usage, json!({"object": "list", "total_usage": 100.0}));
    }
    // A key is shown itself, and nothing of the account.
    let plain = budget.plain.reveal();
    let plan = get(&world, plain, "/v1/dashboard/billing/subscription").await.json();
    let usage = get(&world, plain, "/v1/dashboard/billing/usage").await.json();
    assert_eq!((&plan["hard_limit_usd"], &usage["total_usage"]), (&json!(4.0), &json!(150.0)));
    let key = get(&world, plain, "/api/v1/key").await.json();
    let key = &key["data"];
    assert_eq!(
        (&key["label"], &key["limit"], &key["limit_remaining"], &key["limit_reset"], &key["usage"]),
        (&json!("limited"), &json!(4.0), &json!(2.5), &json!("monthly"), &json!(1.5))
    );
    let token = get(&world, plain, "/api/usage/token").await.json();
    let token = &token["data"];
    assert_eq!(
        (&token["total_granted"], &token["total_used"], &token["total_available"]),
        // Half a million to a dollar.
        (&json!(2_000_000), &json!(750_000), &json!(1_250_000))
    );
    assert_eq!(token["unlimited_quota"], false);
    // With every field that OpenRouter's own client requires.
    for name in [
        "byok_usage",
        "byok_usage_daily",
        "byok_usage_monthly",
        "byok_usage_weekly",
        "creator_user_id",
        "expires_at",
        "include_byok_in_limit",
        "is_free_tier",
        "is_management_key",
        "is_provisioning_key",
        "label",
        "limit",
        "limit_remaining",
        "limit_reset",
        "rate_limit",
        "usage",
        "usage_daily",
        "usage_monthly",
        "usage_weekly",
    ] {
        assert!(key.get(name).is_some(), "{name}");
    }
    assert!(["requests", "interval", "note"].iter().all(|it| key["rate_limit"].get(it).is_some()));
    // A secret that a rotation has replaced ends, and says so.
    let path = format!("/v1/account/keys/{}/rotate", budget.key);
    let manages = world.demo("LAOZHANG_MANAGEMENT_KEY");
    let rotated = ask(&world, &manages, Method::POST, &path, json!({"overlap_seconds": 600})).await;
    assert_eq!(rotated.status, 200, "{}", rotated.text());
    let ends = rotated.json()["previous_ends_at"].as_i64().unwrap();
    let token = get(&world, plain, "/api/usage/token").await;
    assert!(!token.header("x-request-id").is_empty());
    assert_eq!(token.json()["data"]["expires_at"], ends);
    let plan = get(&world, plain, "/v1/dashboard/billing/subscription").await.json();
    assert_eq!(plan["access_until"], ends);
    let shown = get(&world, plain, "/api/v1/key").await.json();
    assert_eq!(shown["data"]["expires_at"], Timestamp::from_seconds(ends).to_string());
    // One without a budget, what it has spent this month.
    let inference = world.demo("LAOZHANG_API_KEY");
    let key = get(&world, &inference, "/api/v1/key").await.json();
    let key = &key["data"];
    assert_eq!((&key["limit"], &key["limit_remaining"]), (&Value::Null, &Value::Null));
    for name in ["usage", "usage_daily", "usage_weekly", "usage_monthly"] {
        // A minute ago it may have been another day, and with that another week or month.
        let before = minute_ago.hour().day() != now.hour().day();
        assert!(key[name] == 1.0 || before, "{name}: {}", key[name]);
    }
    let plan = get(&world, &inference, "/v1/dashboard/billing/subscription").await.json();
    assert_eq!(plan["hard_limit_usd"], 100_000_000.0);
    let refused = get(&world, &inference, "/api/v1/credits").await;
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (403, &json!("missing_scope")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_reads_the_same_of_any_account_and_its_owner_sees_that() {
    let (world, key, now) = a_week().await;
    world.put_settled(&world.a_record(&key.key, now)).await;
    let operator = world.demo("LAOZHANG_OPERATOR_TOKEN");
    let account = world.account();
    let start = now.seconds() - 86_400;
    let day = now.minus(DAY);
    let queries = [
        "/v1/usage/calls?limit=5".to_owned(),
        format!("/v1/organization/usage/completions?start_time={start}&group_by=api_key_id"),
        format!("/v1/organization/costs?start_time={start}"),
        format!("/v1/organizations/usage_report/messages?starting_at={day}"),
        format!("/v1/organizations/cost_report?starting_at={day}"),
    ];
    for query in &queries {
        let path = format!("/operator/accounts/{account}{query}");
        let refused = get(&world, &operator, &path).await;
        assert_eq!(refused.status, 400, "{query}: {}", refused.text());
        let told = get(&world, &operator, &format!("{path}&purpose=billing")).await;
        assert_eq!(told.status, 200, "{query}: {}", told.text());
        assert_eq!(told.body, read(&world, query).await.body, "{query}");
    }
    let accesses = world.store().accesses_of(&account).await.unwrap();
    let noted: Vec<_> = accesses.iter().map(|it| (it.what.name(), it.purpose.name())).collect();
    assert_eq!(noted, [("usage", "billing"); 5]);
    for (path, status) in [
        ("/operator/accounts/acct_0000000000000000000000/v1/usage/calls?purpose=billing", 404),
        ("/operator/accounts/x/v1/usage/calls?purpose=billing", 404),
        (&format!("/operator/accounts/{account}/v1/dashboard/billing/usage?purpose=billing"), 404),
        (&format!("/operator/accounts/{account}/v1/usage/calls?purpose=curiosity"), 400),
    ] {
        assert_eq!(get(&world, &operator, path).await.status, status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_may_read_usage_can_do_nothing_else() {
    let world = World::new().await;
    let now = Timestamp::now();
    let reader = world.demo("LAOZHANG_USAGE_KEY");
    let (start, at) = (now.seconds() - 60, now.minus(Duration::from_secs(60)));
    let mut readable = vec![
        "/v1/usage/calls".to_owned(),
        format!("/v1/organization/costs?start_time={start}"),
        format!("/v1/organizations/usage_report/messages?starting_at={at}"),
        format!("/v1/organizations/cost_report?starting_at={at}"),
        "/api/v1/credits".to_owned(),
    ];
    for report in [
        "completions",
        "embeddings",
        "moderations",
        "images",
        "audio_speeches",
        "audio_transcriptions",
    ] {
        readable.push(format!("/v1/organization/usage/{report}?start_time={start}"));
    }
    for path in &readable {
        let answer = read(&world, path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        // And nobody else reads it.
        for other in ["LAOZHANG_API_KEY", "LAOZHANG_MANAGEMENT_KEY"] {
            let answer = get(&world, &world.demo(other), path).await;
            assert_eq!(answer.status, 403, "{other} {path}: {}", answer.text());
        }
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let answer = ask(&world, &reader, method.clone(), path, json!({})).await;
            assert!([403, 404].contains(&answer.status), "{method} {path}: {}", answer.status);
        }
    }
    // Every other route there is refuses it, but for what everybody may read and how it stands itself.
    let template = local::template::Template::parse(local::template::TEMPLATE).unwrap();
    let mut refused = 0;
    for route in
        template.routes.iter().filter(|route| route.authorizer == local::template::Authorizer::Key)
    {
        if route.binary == "usage" || route.path == "/v1/privacy" {
            continue;
        }
        let method =
            if route.method == "ANY" { Method::POST } else { route.method.parse().unwrap() };
        let path = route.path.replace("{path+}", "chat/completions").replace(['{', '}'], "");
        let answer =
            ask(&world, &reader, method.clone(), &path, json!({"model": "gpt-5-mini"})).await;
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text());
        refused += 1;
    }
    assert!(refused > 15, "{refused}");
}
