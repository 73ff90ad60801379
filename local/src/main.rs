//! Runs the whole platform on this machine, or credits an account of one that runs.

use std::{
    error::Error,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use account::Registration;
use clap::{Parser, Subcommand};
use local::{
    Options, Platform, StartError,
    credit::{Order, credit},
    template::TEMPLATE,
};
use shared::{
    config::{self, ChannelsConfig, OperatorConfig},
    log::Log,
    provider::Provider,
};
use tokio::signal::unix::{SignalKind, signal};

/// The whole LaoZhang API platform on 127.0.0.1.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The port to listen on.
    #[arg(long, default_value_t = 9000)]
    port: u16,
    /// Where accounts, keys and records are kept. They survive restarts.
    #[arg(long, value_name = "DIR", default_value = ".local", global = true)]
    data: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Enters a payment for an account of the platform that runs.
    #[command(allow_missing_positional = true)]
    Credit(Order),
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done: Result<(), Box<dyn Error>> = match &arguments.command {
        None => run(arguments).await.map_err(Box::from),
        Some(Command::Credit(order)) => enter(&arguments.data, order).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr(), "{error}"));
            ExitCode::FAILURE
        }
    }
}

async fn enter(data: &Path, order: &Order) -> Result<(), Box<dyn Error>> {
    let entered = credit(data, order).await?;
    writeln!(io::stdout(), "{entered}").map_err(Box::from)
}

async fn run(arguments: Arguments) -> Result<(), StartError> {
    let log = Log::to(io::stderr());
    shared::lambda::silence_panics(log.clone());
    // Before anything is started: a signal that comes early must not be missed.
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
        return Err(StartError::Function("signals"));
    };
    let data = arguments.data;
    if !data.exists() {
        // The first start makes the tables and the demo account.
        drop(writeln!(io::stdout(), "Setting up {} (once) ...", data.display()));
    }
    let platform = Platform::start(Options {
        port: arguments.port,
        data: Some(data.clone()),
        template: TEMPLATE,
        channels: ChannelsConfig::from_env(),
        markup: config::markup_from_env().map_err(|error| StartError::Function(error.0))?,
        log,
        silence: proxy::Silence::USUAL,
        registration: Registration::parse(&config::registration_domains_from_env()),
        answer_after: account::ANSWER_AFTER,
        operator: OperatorConfig::from_env(),
    })
    .await?;
    drop(welcome(&platform, &data));
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    drop(writeln!(io::stdout(), "\nLetting calls in flight finish. Again to stop at once."));
    tokio::select! {
        () = platform.stop() => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Says where it is and how to call it.
fn welcome(platform: &Platform, data: &Path) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let url = format!("http://{}", platform.address());
    let key = platform.demo().variables().get("LAOZHANG_API_KEY").copied().unwrap_or_default();
    writeln!(out, "LaoZhang API is running on {url}\n")?;
    writeln!(out, "  curl {url}/v1/chat/completions \\")?;
    writeln!(out, "    -H 'Authorization: Bearer {key}' \\")?;
    writeln!(out, "    -H 'Content-Type: application/json' \\")?;
    let body = r#"{"model":"gpt-5-mini","messages":[{"role":"user","content":"Hello"}]}"#;
    writeln!(out, "    -d '{body}'\n")?;
    let (demo, outbox) = (data.join("demo.env"), data.join("outbox"));
    writeln!(out, "The demo account's keys are in {}.", demo.display())?;
    writeln!(out, "What it writes by e-mail goes to {}.", outbox.display())?;
    for provider in Provider::ALL {
        let variable = match provider {
            Provider::OpenAi => "OPENAI_API_KEY",
            Provider::Anthropic => "ANTHROPIC_API_KEY",
            Provider::Gemini => "GEMINI_API_KEY",
        };
        if platform.standing_in().contains(&provider) {
            writeln!(out, "{provider}: a stand-in answers. Set {variable} to reach the real one.")?;
        } else {
            writeln!(out, "{provider}: calls go out with {variable}.")?;
        }
    }
    writeln!(out, "Stop with Ctrl-C.")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(line: &str) -> Option<(String, Order)> {
        let arguments = Arguments::try_parse_from(line.split(' ')).ok()?;
        let data = arguments.data.display().to_string();
        arguments.command.map(|Command::Credit(order)| (data, order))
    }

    #[test]
    fn a_credit_is_read_from_the_command_line() {
        let account = shared::id::AccountId::random().unwrap();
        let (data, short) = order("local credit 10").unwrap();
        assert_eq!((&*data, short.account, &*short.amount), (".local", None, "10"));
        assert_eq!((&*short.kind, short.reference), ("top_up", None));
        let line = format!(
            "local credit {account} -2.50 --kind adjustment --reference invoice-1 --data elsewhere"
        );
        let (data, long) = order(&line).unwrap();
        assert_eq!((&*data, long.account), ("elsewhere", Some(account)));
        assert_eq!((&*long.amount, &*long.kind), ("-2.50", "adjustment"));
        assert_eq!(long.reference.as_deref(), Some("invoice-1"));
        let (_, short) = order("local credit -2.50 --kind adjustment").unwrap();
        assert_eq!((short.account, &*short.amount), (None, "-2.50"));
        for wrong in ["local credit", "local credit nobody 10", "local credit 1 --kind line"] {
            assert!(order(wrong).is_none(), "{wrong}");
        }
    }
}
