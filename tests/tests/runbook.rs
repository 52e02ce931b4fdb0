//! The runbook's commands name what there is: tables, queues, functions, attributes, routes, metrics and messages. What they do is for a
//! stage to show.

use regex_lite::Regex;
use serde_json::Value;
use simdock_local::{Command, parse};
use simdock_runtime::Metric;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const RUNBOOK: &str = include_str!("../../infra/RUNBOOK.md");
const TEMPLATE: &str = include_str!("../../infra/template.yaml");
const TABLES: &str = include_str!("../../infra/TABLES.md");
const OPENAPI: &str = include_str!("../../infra/openapi.yaml");

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern")
}

/// All first groups of a pattern.
fn all<'a>(pattern: &str, text: &'a str) -> Vec<&'a str> {
    regex(pattern).captures_iter(text).filter_map(|found| Some(found.get(1)?.as_str())).collect()
}

/// What stands in the runbook as code: whole blocks, and within lines, where some are broken.
fn code() -> Vec<String> {
    let mut code = Vec::new();
    for (part, text) in RUNBOOK.split("```").enumerate() {
        if part % 2 == 1 {
            code.push(text.split_once('\n').expect("the block's language").1.replace("\\\n", ""));
        } else {
            let spans = text.split('`').skip(1).step_by(2);
            code.extend(spans.map(|span| span.split_whitespace().collect::<Vec<_>>().join(" ").replace("\\|", "|")));
        }
    }
    code
}

/// The lines of code that are commands of a program, whatever loop or variable they stand in.
fn commands(program: &str) -> Vec<String> {
    let of_it = regex(&format!(r"(^|[(=; ]){program} "));
    let commands: Vec<String> =
        code().iter().flat_map(|code| code.lines()).filter(|line| of_it.is_match(line)).map(str::to_owned).collect();
    assert!(!commands.is_empty(), "{program}");
    commands
}

/// What the template names of a kind of resource, behind the stage.
fn named(property: &str) -> BTreeSet<&'static str> {
    all(&format!(r"{property}: !Sub \S*simdock-\$\{{Stage\}}-([a-z-]+)"), TEMPLATE).into_iter().collect()
}

/// What a command names behind an option, once for each round of its loop; nothing where it names a variable or leaves it open.
fn names(command: &str, option: &str) -> Vec<String> {
    let rounds = regex(r"for ([a-z]) in ([^;]+);").captures(command);
    let mut names = Vec::new();
    for name in all(&format!("{option} ([^ ;)]+)"), command).into_iter().filter(|name| !["$url", "…"].contains(name)) {
        match &rounds {
            Some(rounds) => names.extend(rounds[2].split(' ').map(|round| name.replace(&format!("${}", &rounds[1]), round))),
            None => names.push(name.to_owned()),
        }
    }
    names
}

#[test]
fn what_commands_name_is_in_the_template() {
    let mut seen = BTreeSet::new();
    for command in commands("aws") {
        for (option, property) in [
            ("--table-name", "TableName"),
            ("--source-table-name", "TableName"),
            ("--target-table-name", "TableName"),
            ("--queue-name", "QueueName"),
            ("--function-name", "FunctionName"),
        ] {
            for name in names(&command, option) {
                let known = ["simdock-$S-", "simdock-copy-"].into_iter().find_map(|stage| name.strip_prefix(stage));
                assert!(known.is_some_and(|known| named(property).contains(known)), "{option} {name}");
                seen.insert(property);
            }
        }
        let stacks = names(&command, "--stack-name").into_iter().chain(names(&command, "--name-prefix"));
        assert!(stacks.into_iter().all(|name| name == "simdock-$S"), "{command}");
    }
    assert_eq!(seen, BTreeSet::from(["FunctionName", "QueueName", "TableName"]));
    // What is named in passing is one of these, or an alarm, a topic or a group of logs.
    let anything: BTreeSet<&str> = all(r"simdock-\$\{Stage\}-([a-z-]+)", TEMPLATE).into_iter().collect();
    for name in all(r"simdock-\$?S-([a-z-]*[a-z])", RUNBOOK) {
        assert!(anything.contains(name), "simdock-S-{name}");
    }
    for index in all("index `([a-zA-Z]+)`", RUNBOOK) {
        assert!(TEMPLATE.contains(&format!("IndexName: {index}\n")), "{index}");
    }
    let output = all(r"output `([a-zA-Z]+)`", RUNBOOK);
    assert!(!output.is_empty() && output.iter().all(|output| TEMPLATE.contains(&format!("\n  {output}:\n"))), "{output:?}");
}

#[test]
fn what_is_written_as_json_is_json_of_attributes_that_there_are() {
    let quoted: Vec<String> = code().iter().flat_map(|code| all(r"'(\{[^']*\})'", code)).map(str::to_owned).collect();
    assert!(!quoted.is_empty());
    for json in &quoted {
        let value: Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"));
        for (name, value) in value.as_object().expect("an object") {
            let attribute = match (name.get(..1), value.as_str()) {
                (Some("#"), attribute) => attribute.expect("a name"),
                (Some(":"), _) => continue,
                (_, _) => name,
            };
            assert!(TABLES.contains(&format!("`{attribute}`")), "{attribute}");
        }
    }
    let bodies: Vec<String> =
        code().iter().flat_map(|code| all(r"^(?:POST|PATCH) \S+ (\{.*\})$", code)).map(str::to_owned).collect();
    assert!(bodies.len() > 2 && bodies.iter().all(|body| serde_json::from_str::<Value>(body).is_ok()), "{bodies:?}");
}

#[test]
fn routes_are_in_the_contract() {
    // Paths with their methods, names of what stands in braces left out.
    let mut routes = BTreeSet::new();
    let mut path = String::new();
    for line in OPENAPI.lines() {
        if let Some(found) = regex(r"^  (/v1\S*):").captures(line) {
            path = regex(r"\{[^}]*\}").replace_all(&found[1], "{}").into_owned();
        } else if let Some(found) = regex("^    (get|post|put|patch|delete):").captures(line) {
            routes.insert((found[1].to_uppercase(), path.clone()));
        }
    }
    let same = |path: &str| regex(r"EP…|\{[^}]*\}").replace_all(path, "{}").into_owned();
    let mut asked = Vec::new();
    for command in commands("curl") {
        let method = all("-X ([A-Z]+)", &command).first().map_or("GET", |method| method).to_owned();
        for path in all(r#"\$API(/v1[^ ?"]*)"#, &command) {
            assert!(routes.contains(&(method.clone(), same(path))), "{method} {path}");
            asked.push(path.to_owned());
        }
        for parameter in all(r"[?&]([a-zA-Z]+)=", &command) {
            assert!(
                OPENAPI.contains(&format!("name: {parameter},")) || OPENAPI.contains(&format!("name: {parameter}\n")),
                "{parameter}"
            );
        }
    }
    assert!(asked.len() > 3, "{asked:?}");
    for code in code() {
        let Some(found) = regex(r"^(GET|POST|PUT|PATCH|DELETE) (…?)(/\S+)").captures(&code) else { continue };
        let path = same(&found[3]);
        let fits = |known: &str| if found[2].is_empty() { known == path } else { known.ends_with(&path) };
        assert!(routes.iter().any(|(method, known)| *method == found[1] && fits(known)), "{code}");
    }
}

#[test]
fn the_programs_own_commands_are_understood() {
    for line in commands("simdock") {
        let line = line.split('#').next().unwrap_or_default().replace("$S", "dev").replace("--stage S", "--stage dev");
        let line =
            line.replace("--level N", "--level 1").replace("--amount N", "--amount 1").replace("--currency C", "--currency EUR");
        let line = line.replace("--pool P", "--pool meridian.7.esim");
        // As it stands in a sentence, a command may be its name alone.
        let words: Vec<String> = line.split_whitespace().skip(1).map(str::to_owned).collect();
        if words.iter().any(|word| word.starts_with("--")) {
            let understood = parse(words);
            assert!(!matches!(understood, Err(_) | Ok(Command::Serve(_))), "{line}: {understood:?}");
        }
    }
}

#[test]
fn logs_are_filtered_by_metrics_and_messages_that_there_are() {
    let metrics: BTreeSet<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
    let filtered: Vec<String> =
        code().iter().flat_map(|code| all(r"filter (?:ispresent\()?([A-Z][A-Za-z]+)", code)).map(str::to_owned).collect();
    assert!(filtered.len() > 3 && filtered.iter().all(|name| metrics.contains(name.as_str())), "{filtered:?}");
    let mut sources = String::new();
    for crates in ["functions", "shared"] {
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(crates), &mut sources);
    }
    let said = all(r#"(?:log of [a-z-]+|[Ss]weep's log)[^|.;]*?(?:`(?:message|alarm) = )?"([a-z _]+)""#, RUNBOOK);
    assert!(said.len() > 3, "{said:?}");
    for message in said {
        assert!(sources.contains(&format!("\"{message}")), "{message}");
    }
}

/// The text of all Rust files below a folder.
fn read(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            read(&entry, into);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(&entry).expect("a file"));
        }
    }
}
