//! That reads see what they may.

use super::*;

#[test]
fn an_eventual_read_may_miss_the_last_second_and_no_more() {
    let (mut old, mut new) = (0, 0);
    for seed in 0..300 {
        let simulation = Simulation::new(seed);
        let environment = simulation.environment(0);
        let task = environment.clone();
        let (eventual, strong, later) = simulation.complete(&environment, async move {
            drop(task.write(add("p")).await);
            task.sleep(Duration::from_secs(5)).await;
            drop(task.write(add("p")).await);
            let eventual = task.get(get(Consistency::Eventual)).await.unwrap().unwrap();
            let strong = task.get(get(Consistency::Strong)).await.unwrap().unwrap();
            task.sleep(Duration::from_secs(1)).await;
            (eventual, strong, task.get(get(Consistency::Eventual)).await.unwrap().unwrap())
        });
        match eventual["n"].as_n().unwrap().as_str() {
            "1" => old += 1,
            _ => new += 1,
        }
        assert_eq!(strong["n"].as_n().unwrap(), "2");
        assert_eq!(later["n"].as_n().unwrap(), "2");
    }
    assert!(old > 30 && new > 100, "{old} {new}");
}

/// Records of one account and others, and an environment to read them.
fn records() -> (Simulation, Environment) {
    let simulation = Simulation::new(1);
    for account in ["a", "b", "c", "d"] {
        for call in 0..7 {
            simulation.set_item(
                Table::Calls,
                Item::from([
                    ("account".to_owned(), text(account)),
                    ("call".to_owned(), text(&format!("call_{call}"))),
                    ("odd".to_owned(), text(&(call % 2).to_string())),
                ]),
            );
        }
    }
    let environment = simulation.environment(0);
    (simulation, environment)
}

#[test]
fn a_query_goes_by_pages_in_its_order() {
    let (simulation, environment) = records();
    simulation.set_page_size(2);
    // Pages are of what is looked at: one may show nothing and not be the last.
    for (order, limit, pages) in [
        (Order::Rising, None, vec!["1", "3", "5", ""]),
        (Order::Falling, None, vec!["5", "3", "1", ""]),
        (Order::Falling, Some(1), vec!["", "5", "", "3", "", "1", ""]),
    ] {
        let task = environment.clone();
        let found = simulation.complete(&environment, async move {
            let mut found = Vec::new();
            let mut from = None;
            loop {
                let query = Query {
                    table: Table::Calls,
                    index: None,
                    condition: "#account = :a AND #call > :first",
                    filter: Some("#odd = :one"),
                    terms: Terms {
                        names: Vec::new(),
                        values: vec![
                            (":a", text("b")),
                            (":first", text("call_0")),
                            (":one", text("1")),
                        ],
                    },
                    consistency: Consistency::Strong,
                    order,
                    limit,
                    from,
                };
                let page = task.query(query).await.unwrap();
                let calls = page.items.iter().map(|item| item["call"].as_s().unwrap());
                found.push(calls.map(|call| call.trim_start_matches("call_")).collect::<String>());
                from = page.next;
                if from.is_none() {
                    return found;
                }
            }
        });
        assert_eq!(found, pages);
    }
}

#[test]
fn the_segments_of_a_scan_are_all_of_a_table() {
    let (simulation, environment) = records();
    simulation.set_page_size(3);
    let scan = move |segments: i32| {
        let task = environment.clone();
        async move {
            let mut found = Vec::new();
            for segment in 0..segments {
                let mut from = None;
                loop {
                    let page = task.scan(Scan {
                        table: Table::Calls,
                        segment,
                        segments,
                        filter: "attribute_exists(#call)",
                        projection: Some("#account, #call"),
                        terms: Terms::default(),
                        from,
                    });
                    let page = page.await.unwrap();
                    assert!(page.items.len() <= 3);
                    found.extend(page.items.iter().map(|item| {
                        assert_eq!(item.len(), 2);
                        (item["account"].clone(), item["call"].clone())
                    }));
                    from = page.next;
                    if from.is_none() {
                        break;
                    }
                }
            }
            found
        }
    };
    for segments in [1, 2, 5] {
        let environment = simulation.environment(0);
        let found = simulation.complete(&environment, scan(segments));
        assert_eq!(found.len(), 28);
        let twice = found.iter().enumerate().any(|(at, one)| found[..at].contains(one));
        assert!(!twice);
    }
}

#[test]
fn the_index_finds_the_keys_of_an_account() {
    let simulation = Simulation::new(1);
    simulation.set_page_size(2);
    for (hash, account, key_id) in [("h1", "a", "k3"), ("h2", "b", "k2"), ("h3", "a", "k1")] {
        let attributes = [("hash", hash), ("account", account), ("key_id", key_id)];
        let item = attributes.into_iter().map(|(name, it)| (name.to_owned(), text(it))).collect();
        simulation.set_item(Table::Keys, item);
    }
    let environment = simulation.environment(0);
    let task = environment.clone();
    let (first, second) = simulation.complete(&environment, async move {
        let query = |from| Query {
            table: Table::Keys,
            index: Some("by_account"),
            condition: "#account = :a",
            filter: None,
            terms: Terms { names: Vec::new(), values: vec![(":a", text("a"))] },
            consistency: Consistency::Eventual,
            order: Order::Rising,
            limit: None,
            from,
        };
        let first = task.query(query(None)).await.unwrap();
        let second = task.query(query(first.next.clone())).await.unwrap();
        (first, second)
    });
    let hashes: Vec<_> = first.items.iter().map(|item| item["hash"].as_s().unwrap()).collect();
    assert_eq!(hashes, ["h3", "h1"]);
    assert_eq!(first.next.unwrap().len(), 3);
    assert_eq!(second, shared::store::tables::Page::default());
}
