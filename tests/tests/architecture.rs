//! What the design promises about who depends on whom, and that the folders, the workspace and the template tell the same story.

mod cargo;

use cargo::cargo;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every crate that a package is built from, with its versions.
fn tree(package: &str) -> BTreeMap<String, BTreeSet<String>> {
    let printed = cargo(&["tree", "--offline", "--locked", "-p", package, "-e", "normal", "--prefix", "none", "-f", "{p}"]);
    let mut crates: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in printed.lines() {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            crates.entry(name.to_owned()).or_default().insert(version.to_owned());
        }
    }
    crates
}

/// The packages of the workspace as cargo sees them.
fn packages() -> Vec<Value> {
    let metadata = cargo(&["metadata", "--offline", "--locked", "--no-deps", "--format-version", "1"]);
    let mut metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    match metadata["packages"].take() {
        Value::Array(packages) => packages,
        other => panic!("{other}"),
    }
}

/// The names of the folders in a folder.
fn folders(path: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(path)).expect("a folder").map(|entry| entry.expect("an entry"));
    let folders = entries.filter(|entry| entry.path().is_dir());
    folders.map(|entry| entry.file_name().into_string().expect("UTF-8")).collect()
}

#[test]
fn the_domain_knows_no_aws_and_no_async() {
    let foreign =
        |name: &&String| ["aws", "lambda", "tokio", "hyper", "async", "futures"].iter().any(|prefix| name.starts_with(prefix));
    assert_eq!(tree("simdock-domain").keys().filter(foreign).collect::<Vec<_>>(), [] as [&str; 0]);
}

#[test]
fn a_function_carries_one_http_stack_and_one_tls() {
    for function in folders("functions") {
        let crates = tree(&format!("simdock-{function}"));
        for once in ["hyper", "rustls", "hyper-rustls", "ring", "tokio", "http"] {
            assert_eq!(crates.get(once).map_or(0, BTreeSet::len), 1, "{function} has {once} {:?}", crates.get(once));
        }
        for never in ["aws-lc-rs", "native-tls", "openssl", "openssl-sys", "reqwest", "dynoxide-rs"] {
            assert!(!crates.contains_key(never), "{function} has {never}");
        }
    }
}

#[test]
fn dependencies_point_one_way() {
    let members: BTreeSet<String> =
        packages().iter().map(|package| package["name"].as_str().expect("a name").to_owned()).collect();
    for package in packages() {
        let name = package["name"].as_str().expect("a name");
        let dependencies = package["dependencies"].as_array().expect("dependencies").iter();
        let normal = dependencies.filter(|dependency| dependency["kind"].is_null());
        let normal: BTreeSet<&str> = normal.map(|dependency| dependency["name"].as_str().expect("a name")).collect();
        let manifest = package["manifest_path"].as_str().expect("a path");
        let lies_in = |folder: &str| manifest.contains(&format!("/{folder}/{}/", name.trim_start_matches("simdock-")));
        let functions = folders("functions");
        let is_function = |name: &str| functions.contains(name.trim_start_matches("simdock-"));
        if lies_in("shared") || lies_in("functions") {
            assert_eq!(normal.contains("aws-sdk-dynamodb"), name == "simdock-store", "{name} names DynamoDB");
            for other in normal.iter().filter(|other| members.contains(**other)) {
                // The console asks the other functions what it shows, as any client does, in its own process.
                assert!(name == "simdock-console" || !is_function(other), "{name} needs {other}");
                assert!(*other != "simdock-local" && *other != "simdock-tests", "{name} needs {other}");
            }
        }
        if name == "simdock-domain" {
            assert!(normal.is_disjoint(&members.iter().map(String::as_str).collect()), "{normal:?}");
        }
    }
}

#[test]
fn the_workspace_is_the_map() {
    let mut expected: BTreeSet<String> = ["infra/local", "tests", "tests/bench", "tests/bench/bare"].map(str::to_owned).into();
    for parent in ["shared", "functions"] {
        expected.extend(folders(parent).iter().map(|folder| format!("{parent}/{folder}")));
    }
    let root = root().canonicalize().expect("the workspace");
    let mut members = BTreeSet::new();
    for package in packages() {
        let folder = Path::new(package["manifest_path"].as_str().expect("a path")).parent().expect("a folder");
        let folder = folder.strip_prefix(&root).expect("a folder of the workspace").to_str().expect("UTF-8").to_owned();
        let last = folder.rsplit('/').next().unwrap_or_default();
        assert_eq!(package["name"], format!("simdock-{last}"), "{folder}");
        members.insert(folder);
    }
    assert_eq!(members, expected);
}

#[test]
fn the_template_deploys_every_function_and_no_other() {
    let template = fs::read_to_string(root().join("infra/template.yaml")).expect("the template");
    let code = template.lines().filter_map(|line| line.trim().strip_prefix("CodeUri: ../functions/"));
    let deployed: Vec<&str> = code.collect();
    assert_eq!(deployed.len(), template.matches("Type: AWS::Serverless::Function").count(), "a CodeUri elsewhere");
    let unique: BTreeSet<String> = deployed.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(unique.len(), deployed.len(), "{deployed:?}");
    assert_eq!(unique, folders("functions"));
}

#[test]
fn every_direct_dependency_has_its_reason() {
    let mut named = BTreeSet::new();
    for package in packages() {
        let dependencies = package["dependencies"].as_array().expect("dependencies").iter();
        let foreign = dependencies.filter(|dependency| dependency["path"].is_null());
        named.extend(foreign.map(|dependency| dependency["name"].as_str().expect("a name").to_owned()));
    }
    let decisions = fs::read_to_string(root().join("infra/DECISIONS.md")).expect("the decisions");
    let (_, section) = decisions.split_once("\n## Dependencies\n").expect("the section");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let mut explained = Vec::new();
    for row in rows.skip(1) {
        let cells: Vec<&str> = row.split(" | ").collect();
        assert!(cells.len() == 3 && cells.iter().all(|cell| !cell.is_empty()), "{row}");
        explained.extend(cells[0].split(", ").map(str::to_owned));
    }
    let unique: BTreeSet<String> = explained.iter().cloned().collect();
    assert_eq!(unique.len(), explained.len(), "a crate is there twice");
    assert_eq!(unique, named);
}

#[test]
fn no_code_of_ours_is_unsafe() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).expect("the workspace");
    assert!(workspace.contains("[workspace.lints.rust]\nunsafe_code = \"forbid\""));
    for package in packages() {
        let manifest = package["manifest_path"].as_str().expect("a path");
        let text = fs::read_to_string(manifest).expect("a manifest");
        assert!(text.contains("[lints]\nworkspace = true"), "{manifest} has lints of its own");
    }
}

#[test]
fn nothing_is_left_undone() {
    let marks = ["todo", "unimplemented"].map(|name| format!("{name}!"));
    let marks = [&marks[..], &[format!("#[{}", "ignore")]].concat();
    let mut found = Vec::new();
    let mut waiting: Vec<PathBuf> = ["shared", "functions", "infra", "tests"].map(|folder| root().join(folder)).into();
    let mut sources = 0;
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources += 1;
            let source = fs::read_to_string(&path).expect("a source");
            found.extend(
                marks.iter().filter(|mark| source.contains(mark.as_str())).map(|mark| format!("{mark} in {}", path.display())),
            );
        }
    }
    assert!(sources > 100, "only {sources} sources");
    assert_eq!(found, [] as [&str; 0]);
}
