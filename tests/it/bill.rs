//! The page that computes the bill: it computes, exactly, and from what is true of this repository.

use std::{io::Write, process::Stdio};

use serde_json::{Value, json};
use tests::bill::{PAGE, data, measured, script};
use toolchain::node_alone;

/// Asks the page's own function for these bills.
fn bills(data: &Value, inputs: &Value) -> Vec<Value> {
    let program = format!(
        "{}\nconst {{ data, inputs }} = JSON.parse(require('fs').readFileSync(0));\n\
         const results = inputs.map((input) => {{\n\
           try {{ return bill(data, input); }} catch (error) {{ return {{ error: error.input }}; }}\n\
         }});\n\
         process.stdout.write(JSON.stringify(results));",
        script("bill")
    );
    let mut child = node_alone()
        .unwrap()
        .args(["-e", &program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = json!({"data": data, "inputs": inputs}).to_string();
    child.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A decimal text as an integer of 10⁻¹⁸.
fn exact(value: &Value) -> i128 {
    let (whole, fraction) =
        value.as_str().unwrap().split_once('.').unwrap_or((value.as_str().unwrap(), ""));
    format!("{whole}{fraction:0<18}").parse().unwrap()
}

#[test]
fn the_bill_is_the_sum_of_its_lines_and_of_known_amounts() {
    let data = data();
    let inputs = json!([
        {},
        {"calls": "0"},
        {"calls": "1000000", "seconds": "30", "memory_mb": "128"},
        {"calls": "2000000", "seconds": "30", "memory_mb": "128"},
        {"arch": "x86_64"},
        {"limited_percent": "100"},
        {"calls": "-1"},
        {"seconds": "901"},
        {"arch": "mips"},
    ]);
    let bills = bills(&data, &inputs);
    for bill in &bills[..6] {
        let lines = bill["lines"].as_array().unwrap();
        let sum: i128 = lines.iter().map(|line| exact(&line["usd"])).sum();
        assert_eq!(sum, exact(&bill["total_usd"]));
        for line in lines {
            // Quantities are in millionths and prices in 10⁻¹², so that their product is exact.
            let product = exact(&line["quantity"]) / 1_000_000_000_000
                * (exact(&line["usd_each"]) / 1_000_000);
            assert_eq!(product, exact(&line["usd"]), "{line}");
        }
        assert!(exact(&bill["idle_usd"]) <= sum);
    }
    let amount = |bill: usize, id: &str| {
        let lines = bills[bill]["lines"].as_array().unwrap();
        exact(&lines.iter().find(|line| line["id"] == id).unwrap()["usd"])
    };
    // 3.50 USD for a million requests, and 3 write units of 0.625 USD a million for each call.
    assert_eq!(amount(0, "rest_requests"), 3_500_000_000_000_000_000);
    assert_eq!(amount(0, "write_units_calls"), 1_875_000_000_000_000_000);
    assert_eq!(amount(5, "write_units_calls"), 3_125_000_000_000_000_000);
    // A million calls of 30 s and 20 ms at 128 MB are 3,752,500 GB-seconds, of 0.0000133334 USD.
    assert_eq!(amount(2, "proxy_gb_seconds"), 50_033_583_500_000_000_000);
    assert_eq!(amount(3, "proxy_gb_seconds"), 2 * amount(2, "proxy_gb_seconds"));
    assert!(amount(4, "proxy_gb_seconds") > amount(0, "proxy_gb_seconds"));
    assert_eq!(bills[0]["idle_usd"], bills[1]["total_usd"]);
    assert_eq!(bills[1]["per_call_usd"], Value::Null);
    let wrong: Vec<_> = bills[6..].iter().map(|bill| bill["error"].clone()).collect();
    assert_eq!(wrong, ["calls", "seconds", "arch"]);
    tests::show(&format!(
        "a million calls of 10 s at 256 MB: {} USD a month, of which {} without any",
        bills[0]["total_usd"].as_str().unwrap(),
        bills[0]["idle_usd"].as_str().unwrap()
    ));
}

#[test]
fn every_price_is_named_and_dated_and_the_page_asks_nobody() {
    let data = data();
    for price in data["prices"].as_array().unwrap() {
        for field in ["what", "usd", "unit", "region", "source", "seen"] {
            assert!(price[field].as_str().is_some_and(|text| !text.is_empty()), "{price}");
        }
        assert!(price["seen"].as_str().unwrap().starts_with("202"));
    }
    for address in ["http:", "https:", "src=", "import ", "fetch("] {
        assert!(!PAGE.contains(address), "the page has {address}");
    }
    for (id, value) in measured() {
        assert!(value.parse::<f64>().is_ok(), "{id}");
    }
}
